/* dnslist_test.c - lists in a DNS of the tests. */
#include "base/test.h"
#include "dnslist.h"
#include "rt/test_rt.h"

static const char zone[] = "$ORIGIN test.\n$TTL 300\n@ SOA ns.test. root.test. 1 2 3 4 5\n"
                           "2.0.0.127.bad A 127.0.0.2\n"
                           "1.2.0.192.bad A 127.0.0.4\n1.2.0.192.bad TXT \"sends junk\"\n"
                           "9.2.0.192.bad A 203.0.113.1\n" /* a name that was sold */
                           "8.2.0.192.bad A 127.255.255.254\n"
                           "1.2.0.192.good A 127.0.0.1\n"
                           "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bad A 127.0.0.2\n"
                           "evil.example.names A 127.0.1.2\n"
                           ";! servfail 7.2.0.192.bad.test\n";

static void lines(struct dnslists *l, const char *const *v, size_t n)
{
    *l = (struct dnslists){0};
    for (size_t i = 0; i < n; i++) CHECK_OK(dnslist_parse(sl_cstr(v[i]), &l->v[l->n++]));
}

TEST(dnslist_scores)
{
    static const char *const v[] = {"bad.test address 5", "good.test address -2",
                                    "names.test helo,sender,url 3"};
    static const struct {
        const char *ip, *helo, *sender, *hits;
        int score;
    } x[] = {
        {"192.0.2.1", "mail.fine.example", "fine.example",
         "bad.test 5 (192.0.2.1: sends junk); good.test -2 (192.0.2.1)", 3},
        {"192.0.2.2", "mail.fine.example", "fine.example", "", 0},
        {"192.0.2.9", "", "", "", 0},
        {"192.0.2.8", "", "", "", 0},
        {"192.0.2.7", "[192.0.2.7]", "", "", 0},
        {"2001:db8::1", "", "evil.example", "bad.test 5 (2001:db8::1); names.test 3 (evil.example)", 8},
        {"192.0.2.2", "a.b.evil.example", "c.evil.example", "names.test 3 (a.b.evil.example)", 3},
    };
    struct dnslists l;
    struct dns *dns;
    struct arena a = {0};
    lines(&l, v, COUNT_OF(v));
    CHECK_OK(dns_open_zone_text(&dns, sl_cstr(zone)));
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        struct dnslist_facts f = {.helo = sl_cstr(x[i].helo), .sender = sl_cstr(x[i].sender)};
        struct dnslist_score s = {0};
        CHECK(ip_parse(sl_cstr(x[i].ip), &f.address));
        CHECK_OK(dnslist_ask(&l, dns, &a, &f, DNSLIST_ADDRESS | DNSLIST_HELO | DNSLIST_SENDER, &s));
        CHECK_INT(s.score, x[i].score);
        CHECK_SL(buf_slice(&s.hits), x[i].hits);
        buf_free(&s.hits);
    }
    dns_close(&dns);
    ar_free(&a);
}

TEST(dnslist_finds_hosts_of_urls)
{
    struct arena a = {0};
    struct slice v[DNSLIST_URLS_MAX];
    struct slice text =
        SL("see http://One.Example/x, <a href=\"https://u:p@two.example:8080?q\"> ftp://three.example "
           "http://192.0.2.1/ http://one.example. https://[::1]/ http:// x://y https://four.example#f");
    CHECK_INT(dnslist_hosts(&a, text, v), 3);
    CHECK_SL(v[0], "one.example");
    CHECK_SL(v[1], "two.example");
    CHECK_SL(v[2], "four.example");
    struct buf b = BUF_INIT;
    for (int i = 0; i < 50; i++) buf_printf(&b, "http://h%d.example ", i);
    CHECK_INT(dnslist_hosts(&a, buf_slice(&b), v), DNSLIST_URLS_MAX);
    buf_free(&b);
    ar_free(&a);
}

TEST(dnslist_lines_of_the_configuration)
{
    struct dnslist l;
    CHECK_OK(dnslist_parse(SL(" zen.example.org  address,url -7 "), &l));
    CHECK_SL(sl_cstr(l.zone), "zen.example.org");
    CHECK(l.about == (DNSLIST_ADDRESS | DNSLIST_URL) && l.weight == -7);
    static const char *const bad[] = {"",
                                      "zen.example.org",
                                      "zen.example.org address",
                                      "zen.example.org color 5",
                                      "zen.example.org address 0",
                                      "zen.example.org address 101",
                                      "zen address 1",
                                      "zen.example.org address 5 6",
                                      "zen.example.org address --5"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(dnslist_parse(sl_cstr(bad[i]), &l), ERR_SYNTAX);
}
