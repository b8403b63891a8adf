/* dkim_sign.c - DKIM-Signature fields for a message on its way out (RFC 6376 section 5). */
#include "base/log.h"
#include "base/text.h"
#include "dkim_i.h"

struct dkim_sign {
    struct arena *a;
    const struct mail_head *head;
    const struct dkim_signer *signer;
    size_t n;
    int64_t now;
    struct dkim_body *body;
    int *want;
};

/* dkim-quoted-printable (section 2.11); also what would fold badly is encoded. */
static struct slice qp_encode(struct arena *a, struct slice s)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c > 32 && c < 127 && c != ';' && c != '=') buf_char(&b, (char)c);
        else buf_printf(&b, "=%02X", c);
    }
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

/* The domain of i= is d= or below it (section 3.5). */
static bool identity_ok(struct slice identity, struct slice domain)
{
    size_t at = sl_rchr(identity, '@');
    if (!identity.n) return true;
    if (at == SL_NONE || identity.n > 320) return false;
    struct slice host = sl_from(identity, at + 1);
    if (sl_eqi(host, domain)) return true;
    return sl_endsi(host, domain) && host.n > domain.n + 1 && host.p[host.n - domain.n - 1] == '.';
}

int dkim_sign_new(struct arena *a, const struct mail_head *head, const struct dkim_signer *signers, size_t n,
                  int64_t now, struct dkim_body *b, struct dkim_sign **out)
{
    ASSERT(signers && n && b);
    if (!mail_head_find(head, SL("from"), 0)) /* section 5.4 */
        return err_set(ERR_SYNTAX, "a message without From cannot be signed");
    struct dkim_sign *s = ar_new(a, struct dkim_sign);
    *s = (struct dkim_sign){a, head, signers, n, now, b, ar_array(a, int, n)};
    for (size_t i = 0; i < n; i++) {
        int e = dkim_signer_ok(a, signers[i].domain, signers[i].selector, signers[i].key);
        if (e) return e;
        if (!identity_ok(signers[i].identity, signers[i].domain))
            return err_set(ERR_USAGE, "i=%.*s is not below d=%.*s", SLF(signers[i].identity),
                           SLF(signers[i].domain));
        s->want[i] = dkim_body_want(b, signers[i].body_canon, DKIM_WHOLE);
        if (s->want[i] < 0) return s->want[i];
    }
    *out = s;
    return 0;
}

/* The canonical fields that h= names, in its order. */
static void put_fields(struct dkim_sign *s, struct slice list, enum dkim_canon c, struct buf *data)
{
    struct dkim_names names;
    struct slice name;
    dkim_names_init(s->a, s->head, &names);
    while (sl_next(&list, ':', &name)) {
        const struct mail_field *f = dkim_names_pick(&names, name);
        if (f) dkim_canon_field(data, c, f, SL(""), true);
    }
}

static void write_tags(struct dkim_sign *s, const struct dkim_signer *k, struct slice names, int want,
                       struct dkim_fold *f)
{
    uint8_t sha256[32];
    uint64_t rest;
    dkim_body_hash(s->body, want, sha256, &rest);
    dkim_fold_tag(f, "v=1;");
    dkim_fold_tag(f, "a=%s;", dkim_algorithm(k->key));
    dkim_fold_tag(f, "c=%s/%s;", dkim_canon_name(k->head_canon), dkim_canon_name(k->body_canon));
    dkim_fold_tag(f, "d=%.*s;", SLF(k->domain));
    dkim_fold_tag(f, "s=%.*s;", SLF(k->selector));
    if (k->identity.n) {
        struct slice i = qp_encode(s->a, k->identity);
        dkim_fold_tag(f, "i=%.*s;", SLF(i));
    }
    if (k->timestamp) dkim_fold_tag(f, "t=%lld;", (long long)s->now);
    if (k->lifetime) dkim_fold_tag(f, "x=%lld;", (long long)(s->now + k->lifetime));
    dkim_fold_list(f, "h=", names, ':');
    struct slice bh = b64_encode_ar(s->a, sl(sha256, 32));
    dkim_fold_tag(f, "bh=%.*s;", SLF(bh));
    dkim_fold_tag(f, "b=");
}

int dkim_sign_end(struct dkim_sign *s, struct buf *out)
{
    struct buf data = BUF_INIT;
    int e = 0;
    for (size_t i = 0; i < s->n && !e; i++) {
        const struct dkim_signer *k = &s->signer[i];
        const struct dkim_field_rule *rules = k->rules ? k->rules : dkim_default_rules;
        struct slice names =
            dkim_rule_names(s->a, s->head, rules, k->rules ? k->nrules : dkim_default_nrules);
        struct dkim_fold f;
        size_t from = out->n;
        buf_clear(&data);
        put_fields(s, names, k->head_canon, &data);
        dkim_fold_start(&f, out, "DKIM-Signature");
        write_tags(s, k, names, s->want[i], &f);
        e = dkim_sign_field(out, from, &data, k->head_canon, k->key, &f);
    }
    buf_free(&data);
    return e;
}
