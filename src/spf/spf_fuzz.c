/* spf_fuzz.c - any bytes as an SPF record, and each of its macro strings expanded. */
#include "base/fuzz.h"
#include "spf_i.h"

FUZZ
{
    struct arena a = {0};
    struct spf_record r;
    struct slice rest = input, line, name;
    struct spf_vars v = {.local = SL("a-b+c"), .sender_domain = SL("example.com"), .helo = SL("h.example")};
    if (!sl_next(&rest, '\n', &line)) return;
    v.domain =
        rest.p ? sl_sub(rest, 0, 300) : SL("d.example"); /* a second line is the domain that macros see */
    if (!ip_parse(SL("2001:db8::1"), &v.ip)) return;
    if (spf_record_parse(&a, line, &r) == 0) {
        for (size_t i = 0; i < r.n; i++) {
            ASSERT(r.term[i].bits4 <= 32 && r.term[i].bits6 <= 128);
            spf_target(&a, spf_expand(&a, r.term[i].spec, &v), &name);
        }
        if (r.redirect.p) spf_target(&a, spf_expand(&a, r.redirect, &v), &name);
    }
    if (spf_explanation_ok(line)) spf_expand(&a, line, &v);
    ar_free(&a);
}
