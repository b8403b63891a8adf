/* dane_test.c - which names are asked for TLSA records, and what the answers ask of a host. */
#include <stdlib.h>

#include "base/test.h"
#include "dns/dns_test.h"
#include "policy.h"

#define KEY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define KEY2 KEY KEY
static const char zone[] =
    "mx.test. A 192.0.2.1\n"
    "_25._tcp.mx.test. TLSA 3 1 1 " KEY "\n_25._tcp.mx.test. TLSA 1 1 1 " KEY "\n"
    "ta.test. A 192.0.2.1\n_25._tcp.ta.test. TLSA 2 0 2 " KEY2 "\n"
    "none.test. A 192.0.2.1\n"
    "odd.test. A 192.0.2.1\n"
    "_25._tcp.odd.test. TLSA 0 1 1 " KEY "\n_25._tcp.odd.test. TLSA 3 1 1 0123\n"
    "_25._tcp.odd.test. TLSA 3 2 1 " KEY "\n_25._tcp.odd.test. TLSA 3 0 0 " KEY "\n"
    "_25._tcp.odd.test. TLSA 3 1 7 " KEY "\n"
    "alias.test. CNAME mx.test.\n_25._tcp.alias.test. TLSA 2 1 1 " KEY "\n"
    "alias2.test. CNAME none.test.\n_25._tcp.alias2.test. TLSA 3 1 1 " KEY "\n"
    "alias3.test. CNAME plain.weak.\n_25._tcp.alias3.test. TLSA 3 1 1 " KEY "\n"
    "shared.test. A 192.0.2.1\n_25._tcp.shared.test. CNAME keys.test.\nkeys.test. TLSA 2 1 1 " KEY "\n"
    "loose.test. A 192.0.2.1\n_25._tcp.loose.test. CNAME keys.weak.\nkeys.weak. TLSA 3 1 1 " KEY "\n"
    "fails.test. A 192.0.2.1\n;! servfail _25._tcp.fails.test\n"
    "quiet.test. A 192.0.2.1\n;! timeout _25._tcp.quiet.test\n"
    "forged.test. A 192.0.2.1\n;! bogus _25._tcp.forged.test\n"
    ";! insecure weak\n"
    "plain.weak. A 192.0.2.1\n_25._tcp.plain.weak. TLSA 3 1 1 " KEY "\n";

TEST(dane_looks_where_the_rfc_says)
{
    static const struct {
        const char *host, *canon;
        bool secure, shut;
        enum policy_level level;
        size_t n, also;
        const char *base;
    } x[] = {
        {"mx.test", "mx.test", true, false, POLICY_DANE, 1, 0, "mx.test"},
        {"ta.test", "ta.test", true, false, POLICY_DANE, 1, 2, "ta.test"},
        {"none.test", "none.test", true, false, POLICY_ANY, 0, 0, ""},
        {"odd.test", "odd.test", true, false, POLICY_ENCRYPTED, 0, 0, "odd.test"},
        {"alias.test", "mx.test", true, false, POLICY_DANE, 1, 0, "mx.test"},
        {"alias2.test", "none.test", true, false, POLICY_DANE, 1, 0, "alias2.test"},
        {"alias3.test", "plain.weak", false, false, POLICY_DANE, 1, 0, "alias3.test"},
        {"shared.test", "shared.test", true, false, POLICY_DANE, 1, 2, "shared.test"},
        {"loose.test", "loose.test", true, false, POLICY_ANY, 0, 0, ""},
        {"fails.test", "fails.test", true, true, POLICY_ANY, 0, 0, ""},
        {"quiet.test", "quiet.test", true, true, POLICY_ANY, 0, 0, ""},
        {"forged.test", "forged.test", true, true, POLICY_ANY, 0, 0, ""},
        {"plain.weak", "plain.weak", false, false, POLICY_ANY, 0, 0, ""},
    };
    struct counted_dns *c = counted_open(zone);
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        struct policy p;
        struct dane_host h = {.name = sl_cstr(x[i].host),
                              .canon = sl_cstr(x[i].canon),
                              .secure = x[i].secure,
                              .port = 25,
                              .next_hop = SL("two.test"),
                              .next_hop_canon = SL("end.test")};
        test_run_is("%s", x[i].host);
        CHECK_OK(dane_find(c->dns, &a, &h, &p));
        CHECK_INT(p.level, x[i].level);
        CHECK_INT(p.shut, x[i].shut);
        CHECK_INT(p.ntlsa, x[i].n);
        CHECK_INT(p.nalso, x[i].also);
        CHECK_SL(p.base, x[i].base);
        CHECK(p.why.n > 0);
    }
    test_run_is("%s", "");
    ar_free(&a);
    counted_close(c);
}

/* Servers of unsigned zones that answer nothing to questions for TLSA are asked for none (RFC 7672 section
 * 2.2.2). */
TEST(dane_asks_nothing_of_a_host_that_is_not_proved)
{
    struct counted_dns *c = counted_open(zone);
    struct arena a = {0};
    struct policy p;
    struct dane_host h = {.name = SL("plain.weak"), .canon = SL("plain.weak"), .port = 25};
    CHECK_OK(dane_find(c->dns, &a, &h, &p));
    CHECK_INT(c->questions, 0);
    ar_free(&a);
    counted_close(c);
}
