/* iprev_test.c - reverse DNS (RFC 8601 section 3, 2.7.3) and HELO names. */
#include "iprev.h"

#include <stdlib.h>

#include "base/test.h"
#include "dns/dns_test.h"
#include "rt/test_rt.h"

static const char zone_text[] =
    "1.2.0.192.in-addr.arpa. PTR mail.example.com.\nmail.example.com. A 192.0.2.1\nmail.example.com. AAAA "
    "2001:db8::1\n"
    "2.2.0.192.in-addr.arpa. PTR lies.example.com.\nlies.example.com. A 192.0.2.99\n"
    "3.2.0.192.in-addr.arpa. PTR absent.example.com.\n"
    "4.2.0.192.in-addr.arpa. PTR absent.example.com.\n4.2.0.192.in-addr.arpa. PTR "
    "four.example.com.\nfour.example.com. A 192.0.2.4\n"
    ";! servfail 5.2.0.192.in-addr.arpa\n"
    "6.2.0.192.in-addr.arpa. PTR temp.example.com.\n;! servfail temp.example.com\n"
    "7.2.0.192.in-addr.arpa. TXT \"no names\"\n"
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mail.example.com.\n";

static struct iprev_result look(struct dns *d, struct arena *a, const char *text)
{
    struct iprev_result r;
    struct ip ip;
    CHECK(ip_parse(sl_cstr(text), &ip));
    CHECK_OK(iprev_check(d, a, &ip, &r));
    CHECK((r.code == IPREV_PASS) == (r.problem.n == 0));
    return r;
}

TEST(iprev_results)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(zone_text);
    struct iprev_result r = look(z->dns, &a, "192.0.2.1");
    CHECK_INT(r.code, IPREV_PASS);
    CHECK_SL(r.name, "mail.example.com");
    CHECK_INT(look(z->dns, &a, "2001:db8::1").code, IPREV_PASS);
    r = look(z->dns, &a, "192.0.2.2");
    CHECK_INT(r.code, IPREV_FAIL);
    CHECK_SL(r.name, "lies.example.com");
    CHECK_INT(look(z->dns, &a, "192.0.2.3").code, IPREV_FAIL);
    r = look(z->dns, &a, "192.0.2.4");
    CHECK_INT(r.code, IPREV_PASS);
    CHECK_SL(r.name, "four.example.com");
    CHECK_INT(look(z->dns, &a, "192.0.2.5").code, IPREV_TEMPERROR);
    CHECK_INT(look(z->dns, &a, "192.0.2.6").code, IPREV_TEMPERROR);
    CHECK_INT(look(z->dns, &a, "192.0.2.7").code, IPREV_PERMERROR);
    CHECK_INT(look(z->dns, &a, "192.0.2.8").code, IPREV_PERMERROR);
    counted_close(z);
    ar_free(&a);
}

TEST(iprev_is_bounded)
{
    static char text[16384];
    struct arena a = {0};
    size_t n = 0;
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "1.2.0.192.in-addr.arpa. PTR n%d.example.com.\n", i);
    struct counted_dns *z = counted_open(text);
    CHECK_INT(look(z->dns, &a, "192.0.2.1").code, IPREV_FAIL);
    CHECK_INT(z->questions, 1 + IPREV_NAMES_MAX);
    counted_close(z);
    ar_free(&a);
}

TEST(helo_results)
{
    static const struct {
        const char *helo;
        enum helo_code want;
    } cases[] = {
        {"mail.example.com", HELO_MATCHES},
        {"MAIL.example.com", HELO_MATCHES},
        {"[192.0.2.1]", HELO_MATCHES},
        {"[192.0.2.2]", HELO_OTHER},
        {"[IPv6:2001:db8::1]", HELO_OTHER},
        {"lies.example.com", HELO_OTHER},
        {"absent.example.com", HELO_UNKNOWN},
        {"temp.example.com", HELO_TEMPERROR},
        {"localhost", HELO_BAD},
        {"", HELO_BAD},
        {"192.0.2.1", HELO_BAD},
        {"a_b c", HELO_BAD},
        {"[300.1.1.1]", HELO_BAD},
    };
    struct arena a = {0};
    struct counted_dns *z = counted_open(zone_text);
    struct ip ip = {4, {192, 0, 2, 1}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct helo_result r;
        CHECK_OK(helo_check(z->dns, &a, &ip, sl_cstr(cases[i].helo), &r));
        if (r.code != cases[i].want) test_fail(__FILE__, __LINE__, "%s is %d", cases[i].helo, (int)r.code);
        CHECK((r.code == HELO_MATCHES) == (r.problem.n == 0));
    }
    counted_close(z);
    ar_free(&a);
}
