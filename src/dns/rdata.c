/* rdata.c - the data of records: from wire form (RFC 1035 section 3.3, 2782, 6698) to
 * values, and the table of types. What is in it was chosen by whoever owns the zone. */
#include <stdio.h>

#include "base/text.h"
#include "dns_i.h"

static const struct {
    const char *name;
    unsigned type;
    const char *form;
} types[] = {
    {"A", DNS_A, "4"},           {"NS", DNS_NS, "n"},    {"CNAME", DNS_CNAME, "n"},
    {"SOA", DNS_SOA, "nnlTTTT"}, {"PTR", DNS_PTR, "n"},  {"HINFO", 13, "tt"},
    {"MX", DNS_MX, "sn"},        {"TXT", DNS_TXT, "t+"}, {"AAAA", DNS_AAAA, "6"},
    {"SRV", DNS_SRV, "sssn"},    {"DS", 43, "sbbx"},     {"SSHFP", 44, "bbx"},
    {"TLSA", DNS_TLSA, "bbbx"},  {"SPF", 99, "t+"},      {"CAA", DNS_CAA, "btq"},
};

const char *dns_type_name(enum dns_type t)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].type == (unsigned)t) return types[i].name;
    return "record";
}

unsigned dns_type_from_name(struct slice s)
{
    uint64_t v;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (sl_eqi(s, sl_cstr(types[i].name))) return types[i].type;
    if (sl_startsi(s, SL("TYPE")) && num_u64(sl_from(s, 4), 65535, &v)) return (unsigned)v;
    return 0;
}

const char *rdata_form(unsigned type)
{
    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (types[i].type == type) return types[i].form;
    return NULL;
}

static uint16_t u16(struct slice w, size_t at)
{
    return (uint16_t)((uint8_t)w.p[at] << 8 | (uint8_t)w.p[at + 1]);
}

/* A name that reaches to the end of the RDATA. */
static bool last_name(struct arena *a, struct slice w, struct slice *out)
{
    char text[NAME_TEXT_MAX];
    struct slice name;
    if (name_from_wire(w, text, &name) != w.n || !w.n) return false;
    *out = ar_dup(a, name);
    return true;
}

/* The character-strings of TXT, joined without anything between (RFC 7208 section 3.3). */
static bool strings(struct arena *a, struct slice w, struct slice *out)
{
    if (!w.n) return false;
    char *p = ar_alloc(a, w.n);
    size_t n = 0;
    while (w.n) {
        size_t one = (uint8_t)w.p[0];
        if (one > w.n - 1) return false;
        memcpy(p + n, w.p + 1, one);
        n += one;
        w = sl_from(w, one + 1);
    }
    *out = sl(p, n);
    return true;
}

static bool address(struct slice w, struct ip *out)
{
    *out = (struct ip){.family = w.n == 4 ? 4 : 6};
    memcpy(out->b, w.p, w.n);
    return true;
}

static bool srv(struct arena *a, struct slice w, struct dns_rr *out)
{
    if (w.n < 7) return false;
    out->srv.priority = u16(w, 0), out->srv.weight = u16(w, 2), out->srv.port = u16(w, 4);
    return last_name(a, sl_from(w, 6), &out->srv.target);
}

static bool mx(struct arena *a, struct slice w, struct dns_rr *out)
{
    if (w.n < 3) return false;
    out->mx.preference = u16(w, 0);
    return last_name(a, sl_from(w, 2), &out->mx.host);
}

static bool tlsa(struct arena *a, struct slice w, struct dns_rr *out)
{
    if (w.n < 4) return false;
    out->tlsa.usage = (uint8_t)w.p[0], out->tlsa.selector = (uint8_t)w.p[1],
    out->tlsa.matching = (uint8_t)w.p[2];
    out->tlsa.data = ar_dup(a, sl_from(w, 3));
    return true;
}

/* mname, rname, five numbers (RFC 1035 section 3.3.13). */
static bool soa(struct arena *a, struct slice w, struct dns_rr *out)
{
    char text[NAME_TEXT_MAX];
    struct slice name;
    size_t m = name_from_wire(w, text, &name), r = m ? name_from_wire(sl_from(w, m), text, &name) : 0;
    if (!r || w.n != m + r + 20) return false;
    out->raw = ar_dup(a, w);
    return true;
}

static bool any_type(struct arena *a, enum dns_type type, struct slice w, struct dns_rr *out)
{
    switch (type) {
    case DNS_A: return w.n == 4 && address(w, &out->ip);
    case DNS_AAAA: return w.n == 16 && address(w, &out->ip);
    case DNS_NS:
    case DNS_CNAME:
    case DNS_PTR: return last_name(a, w, &out->name);
    case DNS_MX: return mx(a, w, out);
    case DNS_TXT: return strings(a, w, &out->txt);
    case DNS_SRV: return srv(a, w, out);
    case DNS_TLSA: return tlsa(a, w, out);
    case DNS_SOA: return soa(a, w, out);
    default: out->raw = ar_dup(a, w); return true;
    }
}

int rdata_parse(struct arena *a, enum dns_type type, struct slice wire, struct dns_rr *out)
{
    if (wire.n <= 65535 && any_type(a, type, wire, out)) return 0;
    return err_set(ERR_SYNTAX, "the data of a %s record is malformed", dns_type_name(type));
}
