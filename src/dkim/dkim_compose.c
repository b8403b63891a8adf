/* dkim_compose.c - signature fields written: folding, the list of signed fields, the signature itself. */
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "dkim_i.h"

enum { LINE_MAX_COLUMN = 76 };

/* ---- folding ---- */

static void fold_break(struct dkim_fold *f)
{
    buf_str(f->out, "\r\n\t");
    f->column = 8;
}

static void fold_piece(struct dkim_fold *f, struct slice s)
{
    if (f->column + s.n > LINE_MAX_COLUMN && f->column > 8) fold_break(f);
    buf_put(f->out, s);
    f->column += s.n;
}

void dkim_fold_start(struct dkim_fold *f, struct buf *out, const char *name)
{
    *f = (struct dkim_fold){.out = out};
    buf_str(out, name);
    buf_char(out, ':');
    f->column = strlen(name) + 1;
}

/* A blank, or the start of a line, before the next tag. */
static void fold_space(struct dkim_fold *f, size_t next)
{
    if (f->column + 1 + next > LINE_MAX_COLUMN && f->column > 8) {
        fold_break(f);
        return;
    }
    if (f->column == 8 && f->out->n && f->out->p[f->out->n - 1] == '\t') return;
    buf_char(f->out, ' ');
    f->column++;
}

void dkim_fold_tag(struct dkim_fold *f, const char *fmt, ...)
{
    char text[1200];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof text) {
        f->out->over = true; /* a tag that long is refused before */
        return;
    }
    fold_space(f, (size_t)n);
    fold_piece(f, sl(text, (size_t)n));
}

void dkim_fold_list(struct dkim_fold *f, const char *tag, struct slice list, char sep)
{
    struct slice item;
    size_t at = sl_chr(list, sep);
    fold_space(f, strlen(tag) + (at == SL_NONE ? list.n : at) + 1);
    fold_piece(f, sl_cstr(tag));
    while (sl_next(&list, sep, &item)) {
        struct slice with_sep = sl(item.p, item.n + (list.p ? 1 : 0));
        fold_piece(f, with_sep);
    }
    fold_piece(f, SL(";"));
}

/* broken anywhere */
static void dkim_fold_base64(struct dkim_fold *f, struct slice bytes)
{
    struct buf text = BUF_INIT;
    b64_encode(&text, bytes);
    for (struct slice rest = buf_slice(&text); rest.n;) {
        if (f->column >= LINE_MAX_COLUMN) fold_break(f);
        struct slice part = sl_sub(rest, 0, LINE_MAX_COLUMN - f->column);
        buf_put(f->out, part);
        f->column += part.n;
        rest = sl_from(rest, part.n);
    }
    buf_free(&text);
}

/* ---- what is signed ---- */

#define FIELD(n, o)                                                                                          \
    {                                                                                                        \
        SL_INIT(n), o                                                                                        \
    }
/* RFC 6376 section 5.4.1: the core of the message. Oversigned is what a reader or a reply acts on
 * (section 8.15); not what mailing lists add to letters that they leave whole. */
const struct dkim_field_rule dkim_default_rules[] = {
    FIELD("from", true),
    FIELD("to", true),
    FIELD("subject", true),
    FIELD("date", true),
    FIELD("cc", true),
    FIELD("reply-to", true),
    FIELD("message-id", true),
    FIELD("mime-version", true),
    FIELD("content-type", true),
    FIELD("content-transfer-encoding", true),
    FIELD("sender", false),
    FIELD("in-reply-to", false),
    FIELD("references", false),
    FIELD("resent-date", false),
    FIELD("resent-from", false),
    FIELD("resent-to", false),
    FIELD("resent-cc", false),
    FIELD("list-id", false),
    FIELD("list-help", false),
    FIELD("list-unsubscribe", false),
    FIELD("list-unsubscribe-post", false),
    FIELD("list-subscribe", false),
    FIELD("list-post", false),
    FIELD("list-owner", false),
    FIELD("list-archive", false),
    FIELD("autocrypt", false),
    FIELD("tls-report-domain", false), /* RFC 8460 section 5.3 */
    FIELD("tls-report-submitter", false),
};
const size_t dkim_default_nrules = COUNT_OF(dkim_default_rules);

struct slice dkim_rule_names(struct arena *a, const struct mail_head *head,
                             const struct dkim_field_rule *rules, size_t n)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        size_t times = mail_head_count(head, rules[i].name);
        if (times > DKIM_SIGN_EACH_MAX) times = DKIM_SIGN_EACH_MAX;
        times += rules[i].oversign;
        for (; times; times--) {
            if (b.n) buf_char(&b, ':');
            for (size_t k = 0; k < rules[i].name.n; k++) buf_char(&b, sl_lower(rules[i].name.p[k]));
        }
    }
    struct slice names = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return names;
}

/* ---- signing ---- */

const char *dkim_algorithm(const struct sign_key *k)
{
    return sign_key_kind(k) == KEY_RSA ? "rsa-sha256" : "ed25519-sha256";
}

int dkim_signer_ok(struct arena *a, struct slice domain, struct slice selector, struct sign_key *key)
{
    struct slice d, s;
    if (!dkim_name_ascii(a, domain, 2, &d) || !sl_eqi(d, domain))
        return err_set(ERR_USAGE, "\"%.*s\" cannot be a signing domain", SLF(domain));
    if (!dkim_name_ascii(a, selector, 1, &s) || !sl_eqi(s, selector) || !dns_name_ok(dkim_key_name(a, s, d)))
        return err_set(ERR_USAGE, "\"%.*s\" cannot be a selector", SLF(selector));
    if (sign_key_kind(key) == KEY_RSA && sign_key_bits(key) < 1024) /* RFC 8301 section 3.2 */
        return err_set(ERR_DENIED, "an RSA key of %d bits must not sign", sign_key_bits(key));
    return 0;
}

int dkim_sign_field(struct buf *out, size_t from, struct buf *data, enum dkim_canon c, struct sign_key *key,
                    struct dkim_fold *f)
{
    if (out->over) return err_set(ERR_TOO_LONG, "the signature field does not fit");
    struct slice raw = sl_from(buf_slice(out), from);
    size_t colon = sl_chr(raw, ':'), before = data->n;
    struct mail_field field = {.raw = raw, .name = sl_sub(raw, 0, colon), .body = sl_from(raw, colon + 1)};
    dkim_canon_field(data, c, &field, SL(""), false);
    uint8_t digest[HASH_MAX];
    hash_once(HASH_SHA256, buf_slice(data), digest);
    data->n = before;
    struct buf sig = BUF_INIT;
    int e = sign_digest(key, digest, &sig);
    if (!e) dkim_fold_base64(f, buf_slice(&sig));
    buf_free(&sig);
    buf_str(out, "\r\n");
    return e ? e : out->over ? err_set(ERR_TOO_LONG, "the signature field does not fit") : 0;
}
