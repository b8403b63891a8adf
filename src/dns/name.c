/* name.c - domain names: presentation form (RFC 1035 section 5.1) to wire form and
 * back, checks, and international names. */
#include <idn2.h>
#include <stdlib.h>

#include "base/text.h"
#include "dns_i.h"

/* One character of a label, escapes undone; false at a wrong escape. */
static bool take_byte(struct slice *s, uint8_t *out, bool *escaped)
{
    *escaped = s->p[0] == '\\';
    if (!*escaped) {
        *out = (uint8_t)s->p[0];
        *s = sl_from(*s, 1);
        return true;
    }
    *s = sl_from(*s, 1);
    if (!s->n) return false;
    if (!is_digit(s->p[0])) {
        *out = (uint8_t)s->p[0];
        *s = sl_from(*s, 1);
        return true;
    }
    uint64_t v;
    if (s->n < 3 || !num_u64(sl_sub(*s, 0, 3), 255, &v)) return false;
    *out = (uint8_t)v;
    *s = sl_from(*s, 3);
    return true;
}

bool name_to_wire(struct slice s, struct wire_name *out)
{
    size_t length_at = 0;
    out->n = 1;
    out->b[0] = 0;
    if (s.n > NAME_TEXT_MAX) return false;
    if (sl_eq(s, SL("."))) s.n = 0;
    while (s.n) {
        uint8_t byte;
        bool escaped;
        if (!take_byte(&s, &byte, &escaped)) return false;
        size_t label = out->n - length_at - 1;
        if (byte == '.' && !escaped) {
            if (!label) return false;
            out->b[length_at] = (uint8_t)label;
            if (!s.n) break; /* the final dot */
            length_at = out->n;
            byte = 0;
        } else if (label == 63) {
            return false;
        }
        if (out->n == NAME_WIRE_MAX - 1) return false;
        out->b[out->n++] = (uint8_t)sl_lower((char)byte);
    }
    size_t label = out->n - length_at - 1;
    out->b[length_at] = (uint8_t)label;
    if (label) out->b[out->n++] = 0;
    return true;
}

static size_t put_text_byte(char *to, uint8_t c)
{
    if (c == '.' || c == '\\') {
        to[0] = '\\', to[1] = (char)c;
        return 2;
    }
    if (c > ' ' && c < 0x7F) {
        to[0] = sl_lower((char)c);
        return 1;
    }
    to[0] = '\\', to[1] = (char)('0' + c / 100), to[2] = (char)('0' + c / 10 % 10),
    to[3] = (char)('0' + c % 10);
    return 4;
}

size_t name_from_wire(struct slice p, char *text, struct slice *out)
{
    size_t at = 0, n = 0;
    for (;;) {
        if (at >= p.n || at >= NAME_WIRE_MAX) return 0;
        uint8_t label = (uint8_t)p.p[at++];
        if (!label) break;
        if (label > 63 || label > p.n - at || at + label >= NAME_WIRE_MAX) return 0;
        if (n) text[n++] = '.';
        for (size_t end = at + label; at < end; at++) n += put_text_byte(text + n, (uint8_t)p.p[at]);
    }
    *out = sl(text, n);
    return at;
}

struct slice name_parent(struct slice name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '\\') i++;
        else if (name.p[i] == '.') return sl_from(name, i + 1);
    }
    return sl_from(name, name.n);
}

bool dns_name_ok(struct slice name)
{
    struct wire_name w;
    return name_to_wire(name, &w) && w.n > 1;
}

bool dns_is_fqdn(struct slice name)
{
    struct slice label;
    size_t labels = 0;
    bool alpha = false;
    if (name.n > 253) return false;
    while (sl_next(&name, '.', &label)) {
        if (!label.n || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-') return false;
        alpha = false;
        for (size_t i = 0; i < label.n; i++) {
            if (!is_alnum(label.p[i]) && label.p[i] != '-') return false;
            alpha |= !is_digit(label.p[i]);
        }
        labels++;
    }
    return labels >= 2 && alpha; /* a last label of digits only would be an address (RFC 3696 section 2) */
}

/* Underscores are let through because such names exist and can be asked for. */
static bool plain_ascii(struct slice d)
{
    for (size_t i = 0; i < d.n; i++)
        if (!is_alnum(d.p[i]) && d.p[i] != '-' && d.p[i] != '_' && d.p[i] != '.') return false;
    return true;
}

/* A-labels that the rules of IDNA2008 would not make, of emoji and of older rules, stand in the DNS, and the
 * DNS is asked for them (RFC 5891 section 5.4 is about U-labels): what is no punycode at all is none. */
static bool is_of_others(int e)
{
    return e != IDN2_OK && e != IDN2_MALLOC && e != IDN2_PUNYCODE_BAD_INPUT &&
           e != IDN2_PUNYCODE_BIG_OUTPUT && e != IDN2_PUNYCODE_OVERFLOW && e != IDN2_ENCODING_ERROR &&
           e != IDN2_TOO_BIG_DOMAIN && e != IDN2_TOO_BIG_LABEL;
}

int dns_to_ascii(struct arena *a, struct slice domain, struct slice *out)
{
    if (domain.n && domain.p[domain.n - 1] == '.') domain.n--;
    if (!domain.n || domain.n > 1000) return err_set(ERR_SYNTAX, "a domain has 1 to 253 bytes");
    if (plain_ascii(domain) && sl_findi(domain, SL("xn--")) == SL_NONE) { /* needs no tables */
        if (!dns_name_ok(domain))
            return err_set(ERR_SYNTAX, "%.*s has an empty or too long label", SLF(domain));
        *out = ar_lower(a, domain);
        return 0;
    }
    if (!utf8_valid(domain) || sl_chr(domain, 0) != SL_NONE)
        return err_set(ERR_SYNTAX, "the domain is no UTF-8");
    uint8_t *ascii = NULL;
    int e =
        idn2_lookup_u8((const uint8_t *)ar_cstr(a, domain), &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (plain_ascii(domain) && is_of_others(e) && dns_name_ok(domain)) {
        *out = ar_lower(a, domain);
        return 0;
    }
    if (e != IDN2_OK) return err_set(ERR_SYNTAX, "%.*s is no domain: %s", SLF(domain), idn2_strerror(e));
    *out = ar_lower(a, sl_cstr((char *)ascii));
    idn2_free(ascii);
    /* the library's own check of ASCII would drop characters in silence */
    if (plain_ascii(*out) && dns_name_ok(*out)) return 0;
    return err_set(ERR_SYNTAX, "%.*s is no domain", SLF(domain));
}

struct slice dns_to_unicode(struct arena *a, struct slice domain)
{
    char *text = NULL;
    struct slice same = ar_dup(a, domain);
    if (domain.n > 253 || sl_findi(domain, SL("xn--")) == SL_NONE || sl_chr(domain, 0) != SL_NONE)
        return same;
    if (idn2_to_unicode_8z8z(same.p, &text, IDN2_NONTRANSITIONAL) != IDN2_OK) return same;
    struct slice out = ar_dup(a, sl_cstr(text));
    idn2_free(text);
    return out;
}
