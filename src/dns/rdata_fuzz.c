/* rdata_fuzz.c - RDATA of every type (the first byte chooses), and names both ways. */
#include "base/fuzz.h"
#include "dns_i.h"

FUZZ
{
    static const enum dns_type kinds[] = {DNS_A,   DNS_NS,   DNS_CNAME, DNS_SOA,  DNS_PTR, DNS_MX,
                                          DNS_TXT, DNS_AAAA, DNS_SRV,   DNS_TLSA, DNS_CAA};
    struct arena a = {0};
    struct dns_rr rr;
    struct wire_name w, again;
    char text[NAME_TEXT_MAX];
    struct slice name;
    if (!input.n) return;
    enum dns_type type = kinds[(uint8_t)input.p[0] % COUNT_OF(kinds)];
    if (rdata_parse(&a, type, sl_from(input, 1), &rr) == 0 && type == DNS_PTR && rr.name.n)
        ASSERT(dns_name_ok(rr.name));
    if (name_to_wire(input, &w)) {
        ASSERT(w.n <= NAME_WIRE_MAX && name_from_wire(sl(w.b, w.n), text, &name) == w.n);
        ASSERT(name_to_wire(name, &again) && again.n == w.n && !memcmp(again.b, w.b, w.n));
    }
    if (dns_to_ascii(&a, input, &name) == 0) ASSERT(dns_name_ok(name));
    dns_to_unicode(&a, input);
    dns_is_fqdn(input);
    ar_free(&a);
}
