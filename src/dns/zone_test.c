/* zone_test.c - names, RDATA, master files and answers from them. */
#include "base/buf.h"
#include "base/test.h"
#include "dns_i.h"

static struct dns *zone(const char *text)
{
    struct dns *d = NULL;
    CHECK_OK(dns_open_zone_text(&d, sl_cstr(text)));
    return d;
}

static struct dns_answer ask(struct dns *d, struct arena *a, const char *name, enum dns_type type)
{
    struct dns_answer r = {0};
    CHECK_OK(dns_ask(d, a, sl_cstr(name), type, &r));
    return r;
}

static const char sample[] = "; a trial zone\n"
                             "$ORIGIN example.com.\n"
                             "$TTL 1h\n"
                             "@       IN SOA ns hostmaster.example.com. ( 2026112201 ; serial\n"
                             "                1d 2h 4w\n"
                             "                5m )   ; minimum\n"
                             "        NS   ns\n"
                             "        MX   20 backup\n"
                             "        60 IN MX 10 mail\n"
                             "        TXT  \"v=spf1 \" \"-all\"\n"
                             "mail    A    192.0.2.1\r\n"
                             "        IN 120 AAAA 2001:db8::1\n"
                             "www     CNAME mail\n"
                             "deep    CNAME a.b.c\n"
                             "loop    CNAME loop2\n"
                             "loop2   CNAME loop\n"
                             "out     CNAME mail.other.test.\n"
                             "gone    CNAME nothing\n"
                             "x.y.z   A 192.0.2.9\n"
                             "*.wild  A 192.0.2.7\n"
                             "*.wild  TXT any\n"
                             "a.b.wild TXT \"blocks\"\n"
                             "_25._tcp.mail TLSA 3 1 1 ( 0123456789ABCDEF0123456789abcdef\n"
                             "     0123456789abcdef0123456789abcdef )\n"
                             "_imaps._tcp SRV 0 1 993 mail\n"
                             "caa     CAA 0 issue \"ca.test; x=1\"\n"
                             "esc\\.aped\\032x TXT a\\\"b\\065\\;c \"sp ace;(no comment)\"\n"
                             "UPPER   TXT Case\n"
                             "odd     TYPE65280 \\# 4 0a00 0001\n"
                             "short   TYPE1 \\# 4 C0000263\n"
                             "$ORIGIN sub\n"
                             "rel     TXT nested\n"
                             "bad1.other.test. TXT x\n"
                             "1.2.0.192.in-addr.arpa. PTR mail.example.com.\n";

TEST(zone_types)
{
    struct arena a = {0};
    struct dns *d = zone(sample);
    REQUIRE(d);
    struct dns_answer r = ask(d, &a, "Example.COM.", DNS_MX);
    CHECK_INT(r.status, DNS_FOUND);
    REQUIRE(r.n == 2);
    CHECK(r.secure && !r.bogus);
    CHECK_INT(r.rr[0].mx.preference, 20);
    CHECK_SL(r.rr[0].mx.host, "backup.example.com");
    CHECK_SL(r.rr[1].mx.host, "mail.example.com");
    CHECK_INT(r.ttl, 60);
    CHECK_SL(r.canon, "example.com");

    r = ask(d, &a, "example.com", DNS_TXT);
    REQUIRE(r.n == 1);
    CHECK_SL(r.rr[0].txt, "v=spf1 -all");
    r = ask(d, &a, "mail.example.com", DNS_A);
    struct ip want;
    CHECK(ip_parse(SL("192.0.2.1"), &want) && r.n == 1 && ip_eq(&r.rr[0].ip, &want));
    r = ask(d, &a, "mail.example.com", DNS_AAAA);
    CHECK(ip_parse(SL("2001:db8::1"), &want) && r.n == 1 && ip_eq(&r.rr[0].ip, &want));
    CHECK_INT(r.ttl, 120);
    r = ask(d, &a, "_25._tcp.mail.example.com", DNS_TLSA);
    REQUIRE(r.n == 1);
    CHECK(r.rr[0].tlsa.usage == 3 && r.rr[0].tlsa.selector == 1 && r.rr[0].tlsa.matching == 1);
    CHECK_INT(r.rr[0].tlsa.data.n, 32);
    r = ask(d, &a, "_imaps._tcp.example.com", DNS_SRV);
    CHECK(r.n == 1 && r.rr[0].srv.port == 993 && r.rr[0].srv.weight == 1);
    CHECK_SL(r.rr[0].srv.target, "mail.example.com");
    r = ask(d, &a, "1.2.0.192.in-addr.arpa", DNS_PTR);
    REQUIRE(r.n == 1);
    CHECK_SL(r.rr[0].name, "mail.example.com");
    r = ask(d, &a, "caa.example.com", DNS_CAA);
    REQUIRE(r.n == 1);
    CHECK(r.rr[0].raw.n == 19 && !memcmp(r.rr[0].raw.p,
                                         "\0\5issue"
                                         "ca.test; x=1",
                                         19));
    r = ask(d, &a, "odd.example.com", 65280);
    CHECK(r.n == 1 && r.rr[0].raw.n == 4 && !memcmp(r.rr[0].raw.p, "\x0a\0\0\1", 4));
    r = ask(d, &a, "short.example.com", DNS_A);
    CHECK(r.n == 1 && ip_parse(SL("192.0.2.99"), &want) && ip_eq(&r.rr[0].ip, &want));
    r = ask(d, &a, "esc\\.aped\\032x.example.com", DNS_TXT);
    REQUIRE(r.n == 1);
    CHECK_SL(r.rr[0].txt, "a\"bA;csp ace;(no comment)");
    CHECK_SL(r.canon, "esc\\.aped\\032x.example.com");
    r = ask(d, &a, "rel.sub.example.com", DNS_TXT);
    CHECK_INT(r.status, DNS_FOUND);
    r = ask(d, &a, "upper.EXAMPLE.com", DNS_TXT);
    REQUIRE(r.n == 1);
    CHECK_SL(r.rr[0].txt, "Case");
    dns_close(&d);
    ar_free(&a);
}

TEST(zone_negative_answers)
{
    struct arena a = {0};
    struct dns *d = zone(sample);
    REQUIRE(d);
    struct dns_answer r = ask(d, &a, "mail.example.com", DNS_TXT);
    CHECK_INT(r.status, DNS_NODATA);
    CHECK_INT(r.ttl, 300); /* the SOA's minimum */
    CHECK_INT(ask(d, &a, "no.example.com", DNS_A).status, DNS_NXDOMAIN);
    CHECK_INT(ask(d, &a, "z.example.com", DNS_A).status, DNS_NODATA); /* empty non-terminal */
    CHECK_INT(ask(d, &a, "y.z.example.com", DNS_A).status, DNS_NODATA);
    CHECK_INT(ask(d, &a, "q.z.example.com", DNS_A).status, DNS_NXDOMAIN);
    CHECK_INT(ask(d, &a, "nowhere.invalid", DNS_A).status, DNS_NXDOMAIN);
    CHECK_INT(ask(d, &a, "other.test", DNS_A).status, DNS_NODATA);
    /* names nobody could be asked for */
    char label[70] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com";
    CHECK_INT(ask(d, &a, label, DNS_A).status, DNS_NXDOMAIN);
    CHECK_INT(ask(d, &a, "a..example.com", DNS_A).status, DNS_NXDOMAIN);
    CHECK_INT(ask(d, &a, "", DNS_A).status, DNS_NXDOMAIN);
    CHECK_INT(ask(d, &a, ".", DNS_A).status, DNS_NXDOMAIN);
    dns_close(&d);
    ar_free(&a);
}

TEST(zone_cnames)
{
    struct arena a = {0};
    struct dns *d = zone(sample);
    REQUIRE(d);
    struct dns_answer r = ask(d, &a, "www.example.com", DNS_A);
    CHECK(r.status == DNS_FOUND && r.n == 1);
    CHECK_SL(r.canon, "mail.example.com");
    r = ask(d, &a, "www.example.com", DNS_CNAME);
    CHECK(r.status == DNS_FOUND && r.n == 1);
    CHECK_SL(r.rr[0].name, "mail.example.com");
    CHECK_INT(ask(d, &a, "www.example.com", DNS_MX).status, DNS_NODATA);
    CHECK_INT(ask(d, &a, "gone.example.com", DNS_A).status, DNS_NXDOMAIN);
    CHECK_INT(ask(d, &a, "out.example.com", DNS_A).status, DNS_NXDOMAIN);
    r = ask(d, &a, "loop.example.com", DNS_A);
    CHECK_INT(r.status, DNS_TEMPFAIL);
    CHECK(r.why.n > 0);
    dns_close(&d);

    d = zone("n0. CNAME n1.\nn1. CNAME n2.\nn2. CNAME n3.\nn3. CNAME n4.\nn4. CNAME n5.\nn5. CNAME n6.\n"
             "n6. CNAME n7.\nn7. CNAME n8.\nn8. A 192.0.2.1\nm. CNAME n0.\n");
    CHECK_INT(ask(d, &a, "n0", DNS_A).status, DNS_FOUND); /* 8 */
    CHECK_INT(ask(d, &a, "m", DNS_A).status, DNS_TEMPFAIL);
    dns_close(&d);
    ar_free(&a);
}

TEST(zone_wildcards)
{
    struct arena a = {0};
    struct dns *d = zone(sample);
    REQUIRE(d);
    CHECK_INT(ask(d, &a, "foo.wild.example.com", DNS_A).status, DNS_FOUND);
    CHECK_SL(ask(d, &a, "foo.wild.example.com", DNS_A).canon, "foo.wild.example.com");
    CHECK_INT(ask(d, &a, "x.foo.wild.example.com", DNS_A).status, DNS_FOUND);
    CHECK_INT(ask(d, &a, "foo.wild.example.com", DNS_MX).status, DNS_NODATA);
    CHECK_INT(ask(d, &a, "wild.example.com", DNS_A).status, DNS_NODATA);
    CHECK_INT(ask(d, &a, "b.wild.example.com", DNS_A).status, DNS_NODATA);     /* exists: no wildcard */
    CHECK_INT(ask(d, &a, "c.b.wild.example.com", DNS_A).status, DNS_NXDOMAIN); /* RFC 4592 2.2.1 */
    CHECK_INT(ask(d, &a, "a.b.wild.example.com", DNS_A).status, DNS_NODATA);
    dns_close(&d);
    ar_free(&a);
}

TEST(zone_trial_lines)
{
    struct arena a = {0};
    struct dns *d =
        zone(";! servfail Fail.test\n;! bogus liar.test.\nfail.test. A 192.0.2.1\nok.test. A 192.0.2.1\n"
             "alias.test. CNAME fail.test.\n;! insecure plain.test\nmx.plain.test. A 192.0.2.2\n");
    REQUIRE(d);
    struct dns_answer r = ask(d, &a, "fail.test", DNS_A);
    CHECK_INT(r.status, DNS_TEMPFAIL);
    CHECK(!r.bogus && r.why.n);
    CHECK_INT(ask(d, &a, "alias.test", DNS_A).status, DNS_TEMPFAIL);
    r = ask(d, &a, "liar.test", DNS_TXT);
    CHECK(r.status == DNS_TEMPFAIL && r.bogus && !r.secure);
    CHECK(ask(d, &a, "ok.test", DNS_A).secure);
    CHECK(!ask(d, &a, "mx.plain.test", DNS_A).secure);
    dns_close(&d);
    d = zone(";! insecure\nok.test. A 192.0.2.1\n");
    CHECK(d && !ask(d, &a, "ok.test", DNS_A).secure);
    dns_close(&d);
    ar_free(&a);
}

TEST(zone_syntax_errors)
{
    static const struct {
        const char *text, *says;
    } t[] = {
        {"a.test. A 192.0.2.256\n", "zone:1: the data of the A record is wrong"},
        {"\n\na.test. A\n", "zone:3: the data of the A record is wrong"},
        {"a.test. A 192.0.2.1 192.0.2.2\n", "zone:1: the data of the A record is wrong"},
        {"a.test. AAAA 192.0.2.1\n", "zone:1: the data of the AAAA record is wrong"},
        {"a.test. MX mail.test.\n", "zone:1: the data of the MX record is wrong"},
        {"a.test. MX 70000 mail.test.\n", "zone:1: the data of the MX record is wrong"},
        {"a.test. TXT \"unclosed\n", "zone:1: a quotation mark is missing"},
        {"a.test. TXT (\n \"x\"\n", "zone:1: a closing parenthesis is missing"},
        {"a.test. TXT ) x\n", "zone:1: the parentheses do not match"},
        {"a.test. NAPTR x\n", "zone:1: \"NAPTR\" is no record type known here"},
        {"a.test. CH TXT x\n", "zone:1: \"CH\" is no record type known here"},
        {"a.test. IN\n", "zone:1: the type of the record is missing"},
        {" A 192.0.2.1\n", "zone:1: the first record has no name"},
        {"a..test. A 192.0.2.1\n", "zone:1: the record begins with no name"},
        {"\"a\" A 192.0.2.1\n", "zone:1: the record begins with no name"},
        {"$TTL\n", "zone:1: a directive takes one value"},
        {"$TTL soon\n", "zone:1: $TTL needs a time"},
        {"$ORIGIN a..b\n", "zone:1: $ORIGIN needs a domain name"},
        {"$INCLUDE /etc/passwd\n", "zone:1: only $ORIGIN and $TTL are understood"},
        {";! explode a.test\n", "zone:1: after \";!\" comes servfail, timeout, bogus or insecure"},
        {";! timeout\n", "zone:1: this line needs a domain name"},
        {"a.test. CNAME b.test.\na.test. A 192.0.2.1\n", "zone:2: a.test has a CNAME and other records"},
        {"a.test. CNAME b.test.\na.test. CNAME c.test.\n", "zone:2: a.test has two CNAMEs"},
        {"a.test. TYPE1 \\# 3 010203\n", "zone:1: the data of the A record is wrong"},
        {"a.test. TYPE999 \\# 3 0102\n", "zone:1: the data of the record record is wrong"},
        {"a.test. SOA a. b. 1 2 3 4\n", "zone:1: the data of the SOA record is wrong"},
        {"a.test. TXT \"\\999\"\n", "zone:1: the data of the TXT record is wrong"},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct dns *d = NULL;
        CHECK_ERR(dns_open_zone_text(&d, sl_cstr(t[i].text)), ERR_SYNTAX);
        CHECK_SL(sl_cstr(err_text(ERR_SYNTAX)), t[i].says);
    }
    struct dns *d = zone("");
    dns_close(&d);
    d = zone("a.test. TXT x"); /* no line end at the end */
    dns_close(&d);
    CHECK(!d);
}

TEST(zone_limits)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct dns *d = NULL;
    for (int i = 0; i < ANSWER_RR_MAX; i++) buf_printf(&b, "a.test. A 192.0.%d.%d\n", i / 256, i % 256);
    CHECK_OK(dns_open_zone_text(&d, buf_slice(&b)));
    CHECK(d && ask(d, &a, "a.test", DNS_A).n == ANSWER_RR_MAX);
    dns_close(&d);
    buf_str(&b, "a.test. A 198.51.100.1\n");
    CHECK_ERR(dns_open_zone_text(&d, buf_slice(&b)), ERR_LIMIT);
    buf_clear(&b);
    buf_str(&b, "a.test. TXT \"");
    for (int i = 0; i < 256; i++) buf_char(&b, 'x');
    buf_str(&b, "\"\n");
    CHECK_ERR(dns_open_zone_text(&d, buf_slice(&b)), ERR_SYNTAX);
    buf_clear(&b);
    buf_str(&b, "a.test. TXT");
    for (int i = 0; i < 5000; i++) buf_str(&b, " x");
    CHECK_ERR(dns_open_zone_text(&d, buf_slice(&b)), ERR_LIMIT);
    buf_free(&b);
    ar_free(&a);
}

TEST(dns_names)
{
    struct arena a = {0};
    struct slice out;
    char l63[64] = "", big[300] = "";
    memset(l63, 'a', 63);
    CHECK(dns_name_ok(sl_cstr(l63)) && dns_name_ok(SL("a.b.")) && dns_name_ok(SL("_dmarc.x")));
    CHECK(!dns_name_ok(SL("")) && !dns_name_ok(SL(".")) && !dns_name_ok(SL("a..b")) &&
          !dns_name_ok(SL(".a")));
    CHECK(!dns_name_ok(SL("a\\")) && !dns_name_ok(SL("a\\25")) && !dns_name_ok(SL("a\\256")) &&
          dns_name_ok(SL("a\\255")));
    snprintf(big, sizeof big, "%s.%s.%s.%.61s", l63, l63, l63, l63);
    CHECK(strlen(big) == 253 && dns_name_ok(sl_cstr(big)) && dns_name_ok(sl_cstr(strcat(big, "."))));
    snprintf(big, sizeof big, "%s.%s.%s.%.62s", l63, l63, l63, l63);
    CHECK(!dns_name_ok(sl_cstr(big)));
    snprintf(big, sizeof big, "%sa.com", l63);
    CHECK(!dns_name_ok(sl_cstr(big)));

    CHECK(dns_is_fqdn(SL("mail.example.com")) && dns_is_fqdn(SL("3com.com")) &&
          dns_is_fqdn(SL("xn--p1ai.xn--p1ai")));
    static const char *const no[] = {"com",    "",       "a_b.com", "-a.com", "a-.com",
                                     "a..com", "a.com.", "1.2.3.4", "a b.com"};
    for (size_t i = 0; i < COUNT_OF(no); i++) CHECK(!dns_is_fqdn(sl_cstr(no[i])));

    CHECK_OK(dns_to_ascii(&a, SL("Example.COM"), &out));
    CHECK_SL(out, "example.com");
    CHECK_OK(dns_to_ascii(&a,
                          SL("B\xC3\xBC"
                             "cher.Example"),
                          &out));
    CHECK_SL(out, "xn--bcher-kva.example");
    CHECK_SL(dns_to_unicode(&a, out), "b\xC3\xBC"
                                      "cher.example");
    CHECK_OK(dns_to_ascii(&a, SL("fa\xC3\x9F.de"), &out)); /* sharp s stays (IDNA2008) */
    CHECK_SL(out, "xn--fa-hia.de");
    CHECK_OK(dns_to_ascii(&a, SL("\xE4\xBE\x8B\xE3\x80\x82jp"), &out)); /* ideographic full stop */
    CHECK_SL(out, "xn--fsq.jp");
    CHECK_SL(dns_to_unicode(&a, SL("mail.test")), "mail.test");
    CHECK_SL(dns_to_unicode(&a, SL("xn--\xff.test")), "xn--\xff.test");
    /* what others registered is theirs: emoji, names of IDNA2003, hyphens beside an A-label */
    static const char *const theirs[] = {"xn--i-7iq.ws", "xn--ls8h.la", "r3---sn-abc.xn--bcher-kva.test"};
    for (size_t i = 0; i < COUNT_OF(theirs); i++) {
        CHECK_OK(dns_to_ascii(&a, sl_cstr(theirs[i]), &out));
        CHECK_SL(out, theirs[i]);
    }
    static const char *const bad[] = {"",
                                      ".",
                                      "a b.com",
                                      "\xff.com",
                                      "a..b",
                                      "xn--a-.test",
                                      "\xE2\x80\x8D.com",
                                      "a@b",
                                      "a\xEF\xBC\xA0"
                                      "b.de",
                                      "b\xC3\xBC cher.de"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(dns_to_ascii(&a, sl_cstr(bad[i]), &out), ERR_SYNTAX);
    ar_free(&a);
}

TEST(rdata_hostile)
{
    struct arena a = {0};
    struct dns_rr rr;
    static const struct {
        enum dns_type type;
        struct slice wire;
    } bad[] = {
        {DNS_A, SL_INIT("\1\2\3")},
        {DNS_A, SL_INIT("\1\2\3\4\5")},
        {DNS_AAAA, SL_INIT("")},
        {DNS_NS, SL_INIT("")},
        {DNS_NS, SL_INIT("\3ab")},
        {DNS_NS, SL_INIT("\1a")},
        {DNS_NS, SL_INIT("\1a\0x")},
        {DNS_NS, SL_INIT("\300\0")},
        {DNS_MX, SL_INIT("\0\1")},
        {DNS_MX, SL_INIT("\0\1\1a")},
        {DNS_TXT, SL_INIT("")},
        {DNS_TXT, SL_INIT("\5abc")},
        {DNS_SRV, SL_INIT("\0\1\0\1\0\1")},
        {DNS_TLSA, SL_INIT("\3\1\1")},
        {DNS_SOA, SL_INIT("\0\0\1\2\3\4")},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_ERR(rdata_parse(&a, bad[i].type, bad[i].wire, &rr), ERR_SYNTAX);
    char loop[300];
    memset(loop, 1, sizeof loop); /* labels without end */
    CHECK_ERR(rdata_parse(&a, DNS_NS, sl(loop, sizeof loop), &rr), ERR_SYNTAX);
    CHECK_OK(rdata_parse(&a, DNS_MX, SL("\0\0\0"), &rr)); /* null MX, RFC 7505 */
    CHECK_SL(rr.mx.host, "");
    ar_free(&a);
}
