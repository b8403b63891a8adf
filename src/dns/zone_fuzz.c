/* zone_fuzz.c - any text as a master file; then questions for names that may be in it. */
#include "base/fuzz.h"
#include "dns_i.h"

FUZZ
{
    struct arena a = {0};
    struct zone *z = zone_new();
    struct dns_answer r;
    static const char *const names[] = {"a", "x.a", "mail.example.com", "q.wild.example.com",
                                        "loop.example.com"};
    static const enum dns_type kinds[] = {DNS_A, DNS_MX, DNS_TXT, DNS_CNAME, DNS_SOA};
    int e = zone_parse(z, input, "fuzz");
    if (e) ASSERT(e == ERR_SYNTAX || e == ERR_LIMIT);
    for (size_t i = 0; !e && i < COUNT_OF(names); i++)
        for (size_t k = 0; k < COUNT_OF(kinds); k++) {
            int asked = zone_ask(z, &a, sl_cstr(names[i]), kinds[k], &r);
            ASSERT(asked == 0 || asked == ERR_TIMEOUT);
            if (!asked) ASSERT((r.status == DNS_FOUND) == (r.n > 0));
        }
    zone_free(&z);
    ar_free(&a);
}
