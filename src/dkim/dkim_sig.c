/* dkim_sig.c - reads one DKIM-Signature, ARC-Message-Signature or ARC-Seal field (RFC 6376
 * section 3.5, 6.1.1; RFC 8463 section 4.1; RFC 8616 section 5; RFC 8617 section 4.1). */
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "dkim_i.h"

bool dkim_refuse(struct arena *a, struct dkim_sig *s, enum dkim_result r, const char *fmt, ...)
{
    if (s->result != DKIM_NONE) return false;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    s->result = r;
    s->reason = ar_dup(a, sl_cstr(text));
    return false;
}

/* ---- names ---- */

static bool label_ok(struct slice l)
{
    if (!l.n || l.n > 63 || l.p[0] == '-' || l.p[l.n - 1] == '-') return false;
    for (size_t i = 0; i < l.n; i++)
        if (!is_alnum(l.p[i]) && l.p[i] != '-' && l.p[i] != '_') return false;
    return true;
}

/* sub-domain *("." sub-domain) of RFC 5321, and "_", which selectors in use have. */
bool dkim_name_ascii(struct arena *a, struct slice name, size_t labels, struct slice *out)
{
    struct slice ascii, rest, label;
    if (!name.n || name.n > 1000) return false;
    if (is_ascii(name)) ascii = ar_lower(a, name);
    else if (dns_to_ascii(a, name, &ascii)) return false;
    size_t n = 0;
    for (rest = ascii; sl_next(&rest, '.', &label); n++)
        if (!label_ok(label)) return false;
    *out = ascii;
    return n >= labels && ascii.n <= 253;
}

/* ---- values ---- */

/* A value without the blanks and folds inside of it. */
static struct slice without_blanks(struct arena *a, struct slice v)
{
    char *to = ar_alloc(a, v.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] != ' ' && v.p[i] != '\t' && v.p[i] != '\r' && v.p[i] != '\n') to[n++] = v.p[i];
    return sl(to, n);
}

static int hex_digit(char c) { return is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

bool dkim_qp_decode(struct arena *a, struct slice v, struct slice *out)
{
    v = without_blanks(a, v);
    char *to = ar_alloc(a, v.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] != '=') {
            to[n++] = v.p[i];
            continue;
        }
        int hi = i + 2 < v.n ? hex_digit(v.p[i + 1]) : -1, lo = i + 2 < v.n ? hex_digit(v.p[i + 2]) : -1;
        if (hi < 0 || lo < 0) return false;
        to[n++] = (char)(hi << 4 | lo);
        i += 2;
    }
    *out = sl(to, n);
    return true;
}

static bool read_v(struct arena *a, struct dkim_sig *s, struct slice v)
{
    if (sl_eq(v, SL("1"))) return true;
    return dkim_refuse(a, s, DKIM_NEUTRAL, "v=%.*s is a version we do not know", (int)(v.n > 20 ? 20 : v.n),
                       v.p);
}

static bool read_a(struct arena *a, struct dkim_sig *s, struct slice v)
{
    s->algorithm = v;
    if (sl_eq(v, SL("rsa-sha256"))) s->kind = KEY_RSA;
    else if (sl_eq(v, SL("ed25519-sha256"))) s->kind = KEY_ED25519;
    else if (sl_eq(v, SL("rsa-sha1")))
        return dkim_refuse(a, s, DKIM_PERMERROR, "rsa-sha1 is no longer accepted (RFC 8301)");
    else
        return dkim_refuse(a, s, DKIM_NEUTRAL, "the algorithm a=%.*s is not known",
                           (int)(v.n > 40 ? 40 : v.n), v.p);
    return true;
}

static bool read_b(struct arena *a, struct dkim_sig *s, struct slice v)
{
    s->b_text = without_blanks(a, v);
    if (!b64_decode_ar(a, s->b_text, false, &s->b) && s->b.n) return true;
    return dkim_refuse(a, s, DKIM_NEUTRAL, v.n ? "b= is no base64" : "b= is empty");
}

static bool read_bh(struct arena *a, struct dkim_sig *s, struct slice v)
{
    if (b64_decode_ar(a, v, false, &s->bh)) return dkim_refuse(a, s, DKIM_NEUTRAL, "bh= is no base64");
    return s->bh.n == 32 || dkim_refuse(a, s, DKIM_NEUTRAL, "bh= is no SHA-256 value");
}

static bool canon_from(struct slice v, enum dkim_canon *c)
{
    *c = sl_eq(v, SL("relaxed")) ? DKIM_RELAXED : DKIM_SIMPLE;
    return *c == DKIM_RELAXED || sl_eq(v, SL("simple"));
}

static bool read_c(struct arena *a, struct dkim_sig *s, struct slice v)
{
    size_t slash = sl_chr(v, '/');
    struct slice body = slash == SL_NONE ? SL("simple") : sl_from(v, slash + 1);
    if (canon_from(sl_sub(v, 0, slash), &s->head_canon) && canon_from(body, &s->body_canon)) return true;
    return dkim_refuse(a, s, DKIM_NEUTRAL, "the canonicalisation c=%.*s is not known",
                       (int)(v.n > 40 ? 40 : v.n), v.p);
}

static bool read_d(struct arena *a, struct dkim_sig *s, struct slice v)
{
    s->domain_written = v;
    return dkim_name_ascii(a, v, 2, &s->domain) || dkim_refuse(a, s, DKIM_NEUTRAL, "d= is no domain name");
}

static bool read_s(struct arena *a, struct dkim_sig *s, struct slice v)
{
    s->selector_written = v;
    return dkim_name_ascii(a, v, 1, &s->selector) || dkim_refuse(a, s, DKIM_NEUTRAL, "s= is no selector");
}

static bool field_name_ok(struct slice n)
{
    for (size_t i = 0; i < n.n; i++)
        if (n.p[i] < 33 || n.p[i] > 126 || n.p[i] == ':' || n.p[i] == ';') return false;
    return n.n > 0;
}

static bool read_h(struct arena *a, struct dkim_sig *s, struct slice v)
{
    size_t cap = 32;
    struct slice item;
    s->names = without_blanks(a, v);
    s->name = ar_array(a, struct slice, cap);
    while (tag_item(&v, ':', &item)) {
        if (!field_name_ok(item)) return dkim_refuse(a, s, DKIM_NEUTRAL, "h= is no list of field names");
        if (s->nnames == DKIM_NAMES_MAX)
            return dkim_refuse(a, s, DKIM_NEUTRAL, "h= has more than %d names", DKIM_NAMES_MAX);
        if (s->nnames == cap) s->name = ar_grow(a, s->name, &cap, sizeof *s->name);
        s->name[s->nnames++] = item;
    }
    return true;
}

static bool no_controls(struct slice v)
{
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] < 32 || v.p[i] == 127) return false;
    return utf8_valid(v);
}

static bool read_i(struct arena *a, struct dkim_sig *s, struct slice v)
{
    size_t at;
    s->has_identity = true;
    if (!dkim_qp_decode(a, v, &s->identity) || !no_controls(s->identity) ||
        (at = sl_rchr(s->identity, '@')) == SL_NONE ||
        !dkim_name_ascii(a, sl_from(s->identity, at + 1), 2, &s->identity_domain))
        return dkim_refuse(a, s, DKIM_NEUTRAL, "i= is no address");
    return true;
}

/* 1*12DIGIT: more would be a time that is not meant. */
static bool read_time(struct slice v, int64_t *out)
{
    uint64_t n;
    if (v.n > 12 || !num_u64(v, INT64_MAX, &n)) return false;
    *out = (int64_t)n;
    return true;
}

static bool read_t(struct arena *a, struct dkim_sig *s, struct slice v)
{
    return read_time(v, &s->timestamp) || dkim_refuse(a, s, DKIM_NEUTRAL, "t= is no time");
}

static bool read_x(struct arena *a, struct dkim_sig *s, struct slice v)
{
    return read_time(v, &s->expires) || dkim_refuse(a, s, DKIM_NEUTRAL, "x= is no time");
}

/* 1*76DIGIT. What does not fit is longer than any body. */
static bool read_l(struct arena *a, struct dkim_sig *s, struct slice v)
{
    s->has_length = true;
    for (size_t i = 0; i < v.n; i++)
        if (!is_digit(v.p[i])) v.n = 0;
    if (!v.n || v.n > 76) return dkim_refuse(a, s, DKIM_NEUTRAL, "l= is no length");
    if (!num_u64(v, DKIM_WHOLE - 1, &s->length)) s->length = DKIM_WHOLE - 1;
    return true;
}

static bool read_q(struct arena *a, struct dkim_sig *s, struct slice v)
{
    struct slice item;
    while (tag_item(&v, ':', &item))
        if (sl_eq(item, SL("dns/txt"))) return true;
    return dkim_refuse(a, s, DKIM_NEUTRAL, "q= names no way to get the key that we know");
}

static bool read_z(struct arena *a, struct dkim_sig *s, struct slice v)
{
    (void)a;
    s->copied = v;
    return true;
}

enum { COMMENT_DEPTH = 20 };

/* The comment at the front of s taken away; s itself when it has no end. */
static struct slice skip_comment(struct slice s)
{
    int depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\') i++;
        else if (s.p[i] == '(' && ++depth > COMMENT_DEPTH) return s;
        else if (s.p[i] == ')' && --depth == 0) return sl_from(s, i + 1);
    }
    return s;
}

struct slice dkim_skip_cfws(struct slice s)
{
    for (;;) {
        size_t before = s.n;
        while (s.n && (*s.p == ' ' || *s.p == '\t' || *s.p == '\r' || *s.p == '\n')) s = sl_from(s, 1);
        if (s.n && *s.p == '(') s = skip_comment(s);
        if (s.n == before) return s;
    }
}

/* position = 1*2DIGIT with comments allowed around it (RFC 8617 section 3.9). */
static struct slice without_comment(struct slice v)
{
    v = dkim_skip_cfws(v);
    size_t n = 0;
    while (n < v.n && is_digit(v.p[n])) n++;
    return dkim_skip_cfws(sl_from(v, n)).n ? v : sl_sub(v, 0, n);
}

static bool read_instance(struct arena *a, struct dkim_sig *s, struct slice v)
{
    uint64_t n;
    v = without_comment(v);
    if (v.n > 2 || !num_u64(v, 50, &n) || n == 0) /* RFC 8617 section 3.9, 4.2.1 */
        return dkim_refuse(a, s, DKIM_NEUTRAL, "i= is no instance from 1 to 50");
    s->instance = (int)n;
    return true;
}

static bool read_cv(struct arena *a, struct dkim_sig *s, struct slice v)
{
    s->cv = v;
    if (sl_eq(v, SL("none")) || sl_eq(v, SL("pass")) || sl_eq(v, SL("fail"))) return true;
    return dkim_refuse(a, s, DKIM_NEUTRAL, "cv= is neither none nor pass nor fail");
}

/* RFC 8617 section 4.1.3: "if found, MUST result in a cv status of fail". */
static bool read_forbidden(struct arena *a, struct dkim_sig *s, struct slice v)
{
    (void)v;
    return dkim_refuse(a, s, DKIM_NEUTRAL, "an ARC-Seal has no h=");
}

#define BODY (FAMILY_DKIM | FAMILY_AMS)
#define ARC (FAMILY_AMS | FAMILY_SEAL)
#define ALL (BODY | ARC)

/* In the order in which they are judged: the version first, then what may be told of the
 * signer even when the rest is bad. */
static const struct tag_rule {
    const char *name;
    unsigned families, required;
    bool (*read)(struct arena *a, struct dkim_sig *s, struct slice v);
} rules[] = {
    {"v", FAMILY_DKIM, FAMILY_DKIM, read_v},
    {"d", ALL, ALL, read_d},
    {"s", ALL, ALL, read_s},
    {"a", ALL, ALL, read_a},
    {"b", ALL, ALL, read_b},
    {"bh", BODY, BODY, read_bh},
    {"h", BODY, BODY, read_h},
    {"h", FAMILY_SEAL, 0, read_forbidden},
    {"c", BODY, 0, read_c},
    {"i", FAMILY_DKIM, 0, read_i},
    {"i", ARC, ARC, read_instance},
    {"cv", FAMILY_SEAL, FAMILY_SEAL, read_cv},
    {"l", BODY, 0, read_l},
    {"q", BODY, 0, read_q},
    {"t", ALL, 0, read_t},
    {"x", BODY, 0, read_x},
    {"z", BODY, 0, read_z},
};

static bool lists_from(const struct dkim_sig *s)
{
    for (size_t i = 0; i < s->nnames; i++)
        if (sl_eqi(s->name[i], SL("from"))) return true;
    return false;
}

static bool is_within(struct slice domain, struct slice parent)
{
    if (sl_eq(domain, parent)) return true;
    return domain.n > parent.n && sl_ends(domain, parent) && domain.p[domain.n - parent.n - 1] == '.';
}

/* What holds between tags (section 6.1.1). */
static void check_together(struct arena *a, struct dkim_sig *s)
{
    if (s->family != FAMILY_SEAL && !lists_from(s)) dkim_refuse(a, s, DKIM_PERMERROR, "From is not signed");
    if (s->expires >= 0 && s->timestamp >= 0 && s->expires <= s->timestamp)
        dkim_refuse(a, s, DKIM_NEUTRAL, "x= is not later than t=");
    if (s->family == FAMILY_DKIM && !s->has_identity) {
        s->identity = ar_cat(a, SL("@"), s->domain);
        s->identity_domain = s->domain;
    }
    if (s->family == FAMILY_DKIM && !is_within(s->identity_domain, s->domain))
        dkim_refuse(a, s, DKIM_PERMERROR, "the domain of i= is not d= or below it");
    if (!dns_name_ok(dkim_key_name(a, s->selector, s->domain)))
        dkim_refuse(a, s, DKIM_NEUTRAL, "s= and d= make no name that can be asked for");
}

void dkim_sig_read(struct arena *a, const struct mail_field *f, enum sig_family family, struct dkim_sig *out)
{
    struct tag_list tags;
    *out = (struct dkim_sig){.family = family, .field = f, .timestamp = -1, .expires = -1, .want = -1};
    if (f->raw.n > DKIM_FIELD_MAX) {
        dkim_refuse(a, out, DKIM_NEUTRAL, "the field is longer than %d bytes", DKIM_FIELD_MAX);
        return;
    }
    int e = tag_list_parse(a, family == FAMILY_DKIM ? f->body : dkim_skip_cfws(f->body), &tags);
    if (e) {
        dkim_refuse(a, out, DKIM_NEUTRAL, "%s", err_text(e));
        return;
    }
    /* After the first refusal the rest is still read, for the report. */
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        const struct tag *t = tag_find(&tags, rules[i].name);
        if (!(rules[i].families & family)) continue;
        if (t) rules[i].read(a, out, t->value);
        else if (rules[i].required & family)
            dkim_refuse(a, out, DKIM_PERMERROR, "the tag %s= is missing", rules[i].name);
        if (t && sl_eq(t->name, SL("b"))) out->b_span = t->span;
    }
    if (out->result == DKIM_NONE) check_together(a, out);
}
