/* surrogate.c - a field in UTF-8 as one in ASCII that says as much of it as can be said (RFC 6858 section 2).
 */
#include "surrogate.h"

#include "addr.h"
#include "base/text.h"
#include "build.h"
#include "encoded.h"
#include "head.h"

#define NOBODY                                                                                               \
    "<invalid@internationalized-address.invalid>" /* never anybody's: RFC 6858 section 2.1                   \
                                                   */

/* ---- addresses (section 2.1) ---- */

static bool is_address_field(struct slice name)
{
    static const char *names[] = {"From",       "To",          "Cc",           "Bcc",
                                  "Sender",     "Reply-To",    "Resent-To",    "Resent-Cc",
                                  "Resent-Bcc", "Resent-From", "Resent-Sender"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (sl_eqi(name, sl_cstr(names[i]))) return true;
    return false;
}

/* A name in UTF-8 is encoded, and the address behind it stays; an address in UTF-8 becomes a part of the
 * name. */
static void put_address(struct arena *a, struct buf *out, const struct mail_addr *m)
{
    if (is_ascii(m->local) && is_ascii(m->domain)) {
        buf_put(out, mail_addr_text(a, m));
        return;
    }
    struct slice text = mail_addr_spec(a, m);
    if (m->name.n) text = ar_printf(a, "%.*s %.*s", SLF(mail_words_decode(a, m->name)), SLF(text));
    buf_put(out, mail_phrase_encode(a, text));
    buf_str(out, " " NOBODY);
}

static void put_addresses(struct arena *a, struct buf *out, struct slice body)
{
    struct mail_addrs l;
    struct slice group = {0};
    mail_addrs_tell(a, body, &l);
    for (size_t i = 0; i < l.n; i++) {
        const struct mail_addr *m = &l.v[i];
        bool other = m->group.p != group.p;
        if (other && group.p) buf_char(out, ';');
        if (i) buf_str(out, ", ");
        if (other && m->group.p) {
            buf_put(out, mail_phrase_encode(a, mail_words_decode(a, m->group)));
            buf_str(out, ": ");
        }
        if (!m->nobody) put_address(a, out, m);
        group = m->group;
    }
    if (group.p) buf_char(out, ';');
}

/* ---- parameters (section 2.2) ---- */

/* Where the quoted string or comment that begins at i ends. */
static size_t after_nested(struct slice s, size_t i)
{
    char begin = s.p[i], end = begin == '"' ? '"' : ')';
    unsigned depth = 1;
    for (i++; i < s.n && depth; i++) {
        if (s.p[i] == '\\') i++;
        else if (s.p[i] == end) depth--;
        else if (s.p[i] == begin) depth++;
    }
    return i < s.n ? i : s.n;
}

static struct slice next_param(struct slice *s)
{
    size_t i = 0;
    while (i < s->n && s->p[i] != ';') i = s->p[i] == '"' || s->p[i] == '(' ? after_nested(*s, i) : i + 1;
    struct slice one = sl_trim(sl_sub(*s, 0, i));
    *s = sl_from(*s, i + 1);
    return one;
}

static bool is_plain_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.') return false;
    return s.n > 0;
}

/* What the value says when it is a quoted string, or nothing that would ask for one. */
static bool read_value(struct slice v, struct buf *out)
{
    bool quoted = v.n >= 2 && v.p[0] == '"' && after_nested(v, 0) == v.n && v.p[v.n - 1] == '"';
    if (quoted) v = sl_sub(v, 1, v.n - 1);
    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i];
        if (!quoted && (c == '"' || c == '(' || c == ')' || c == ' ' || c == '\\')) return false;
        if (c == '\\' && i + 1 < v.n) c = v.p[++i];
        buf_char(out, c);
    }
    return true;
}

/* RFC 6858 leaves such a parameter out; the way of RFC 6857 section 3.1.4 keeps the names of attachments. */
static void put_extended(struct buf *out, struct slice param)
{
    size_t eq = sl_chr(param, '=');
    struct buf value = BUF_INIT;
    struct slice name = sl_rtrim(sl_sub(param, 0, eq));
    if (eq != SL_NONE && is_plain_name(name) && param.n <= MAIL_SURROGATE_PARAM_MAX && utf8_valid(param) &&
        read_value(sl_trim(sl_from(param, eq + 1)), &value)) {
        buf_printf(out, "; %.*s*=utf-8''", SLF(name));
        percent_encode(out, buf_slice(&value), "-._");
    }
    buf_free(&value);
}

static void put_parameters(struct arena *a, struct buf *out, struct slice body)
{
    struct slice s = mail_unfold(a, body), value = next_param(&s);
    if (!is_ascii(value)) return; /* section 2.4 */
    buf_put(out, value);
    while (s.n) {
        struct slice param = next_param(&s);
        if (!is_ascii(param)) put_extended(out, param);
        else if (param.n) buf_printf(out, "; %.*s", SLF(param));
    }
}

/* ---- fields ---- */

/* Bytes that are no UTF-8 say nothing of their charset: neither do we (RFC 1428 section 3). */
static void put_unknown(struct buf *out, struct slice s)
{
    enum { IN_A_WORD = 39 /* of at most 75 characters: RFC 2047 section 2 */ };
    for (size_t i = 0; i < s.n; i += IN_A_WORD) {
        buf_str(out, i ? " =?unknown-8bit?B?" : "=?unknown-8bit?B?");
        b64_encode(out, sl_sub(s, i, i + IN_A_WORD));
        buf_str(out, "?=");
    }
}

static void put_subject(struct arena *a, struct buf *out, struct slice body)
{
    struct slice s = mail_unfold(a, body);
    if (utf8_valid(s)) buf_put(out, mail_text_encode(a, mail_words_decode(a, s)));
    else put_unknown(out, s);
}

/* Nothing: there is no way to say it, and it is left out (section 2.4). */
static void put_field(struct arena *a, struct buf *out, struct slice raw)
{
    struct buf body = BUF_INIT;
    size_t colon = sl_chr(raw, ':');
    struct slice name = colon == SL_NONE ? SL("") : sl_rtrim(sl_sub(raw, 0, colon));
    struct slice value = sl_trim(sl_from(raw, colon == SL_NONE ? raw.n : colon + 1));
    if (is_address_field(name)) put_addresses(a, &body, value);
    else if (sl_eqi(name, SL("Return-Path"))) buf_str(&body, NOBODY); /* it has no display name */
    else if (sl_eqi(name, SL("Subject"))) put_subject(a, &body, value);
    else if (sl_eqi(name, SL("Content-Type")) || sl_eqi(name, SL("Content-Disposition")))
        put_parameters(a, &body, value);
    if (body.n && is_ascii(buf_slice(&body))) mail_field(out, name, buf_slice(&body));
    buf_free(&body);
}

/* ---- patches ---- */

static void add_patch(struct mail_surrogate *x, uint64_t from, uint64_t to, struct slice text)
{
    struct mail_patch *last = x->n ? &x->patch[x->n - 1] : NULL;
    if (x->cut || (last && last->to == from && from < to && !text.n && !last->text.n)) {
        last->to = to;
        return;
    }
    if (x->n == x->room) x->patch = ar_grow(x->a, x->patch, &x->room, sizeof *x->patch);
    x->patch[x->n++] = (struct mail_patch){from, to, text};
}

static void patch_field(struct mail_surrogate *x)
{
    struct arena a;
    struct buf text = BUF_INIT;
    bool full = x->n >= MAIL_SURROGATE_PATCHES_MAX;
    ar_init(&a, 0);
    if (!full && !x->long_field) put_field(&a, &text, buf_slice(&x->field));
    if (text.n > MAIL_SURROGATE_TEXT_MAX - x->text) buf_clear(&text);
    x->text += text.n;
    add_patch(x, x->from, x->at, ar_dup(x->a, buf_slice(&text)));
    x->cut = full; /* the rest of this section, up to its last field in UTF-8, goes with it */
    buf_free(&text);
    ar_free(&a);
}

static void field_ends(struct mail_surrogate *x)
{
    if (x->eight && (x->all || x->long_field || utf8_valid(buf_slice(&x->field)))) patch_field(x);
    buf_clear(&x->field);
    x->from = x->at;
    x->eight = x->long_field = false;
}

void mail_surrogate_begin(struct mail_surrogate *x, struct arena *a, bool all)
{
    *x = (struct mail_surrogate){.a = a, .all = all, .room = 16};
    x->patch = ar_array(a, struct mail_patch, x->room);
}

void mail_surrogate_head(struct mail_surrogate *x, uint64_t at)
{
    x->at = x->from = at;
    x->fresh = true;
    x->cut = false;
}

void mail_surrogate_next(struct mail_surrogate *x, struct slice bytes)
{
    while (bytes.n) {
        const char *lf = memchr(bytes.p, '\n', bytes.n);
        struct slice line = sl_sub(bytes, 0, lf ? (size_t)(lf - bytes.p) + 1 : bytes.n);
        if (x->fresh && line.p[0] != ' ' && line.p[0] != '\t') field_ends(x);
        x->eight |= !is_ascii(line);
        x->long_field |= x->field.n + line.n > MAIL_SURROGATE_FIELD_MAX;
        if (!x->long_field) buf_put(&x->field, line);
        x->at += line.n;
        x->fresh = lf != NULL;
        bytes = sl_from(bytes, line.n);
    }
}

void mail_surrogate_head_end(struct mail_surrogate *x) { field_ends(x); }

void mail_surrogate_insert(struct mail_surrogate *x, uint64_t at, struct slice text)
{
    x->cut = false;
    add_patch(x, at, at, text);
}

void mail_surrogate_end(struct mail_surrogate *x) { buf_free(&x->field); }
