/* spf_test.c - check_host() (RFC 7208): the examples of appendix A, and the results of sections
 * 2 to 6. */
#include "spf_test.h"

/* ---- appendix A ---- */

static const char appendix_a[] =
    "example.com. MX 10 mail-a.example.com.\n"
    "example.com. MX 20 mail-b.example.com.\n"
    "example.com. A 192.0.2.10\nexample.com. A 192.0.2.11\n"
    "amy.example.com. A 192.0.2.65\nbob.example.com. A 192.0.2.66\n"
    "mail-a.example.com. A 192.0.2.129\nmail-b.example.com. A 192.0.2.130\n"
    "www.example.com. CNAME example.com.\n"
    "example.org. MX 10 mail-c.example.org.\nmail-c.example.org. A 192.0.2.140\n"
    "10.2.0.192.in-addr.arpa. PTR example.com.\n11.2.0.192.in-addr.arpa. PTR example.com.\n"
    "65.2.0.192.in-addr.arpa. PTR amy.example.com.\n66.2.0.192.in-addr.arpa. PTR bob.example.com.\n"
    "129.2.0.192.in-addr.arpa. PTR mail-a.example.com.\n130.2.0.192.in-addr.arpa. PTR mail-b.example.com.\n"
    "140.2.0.192.in-addr.arpa. PTR mail-c.example.org.\n4.0.0.10.in-addr.arpa. PTR bob.example.com.\n";

static struct counted_dns *with_record(const char *record)
{
    static char zone[8192];
    snprintf(zone, sizeof zone, "%sexample.com. TXT \"%s\"\n", appendix_a, record);
    return counted_open(zone);
}

TEST(spf_appendix_a1)
{
    static const struct {
        const char *record, *passes, *fails;
    } cases[] = {
        {"v=spf1 +all", "192.0.2.1 10.0.0.4 2001:db8::1", ""},
        {"v=spf1 a -all", "192.0.2.10 192.0.2.11", "192.0.2.65 192.0.2.129 10.0.0.4 2001:db8::1"},
        {"v=spf1 a:example.org -all", "", "192.0.2.10 192.0.2.140"},
        {"v=spf1 mx -all", "192.0.2.129 192.0.2.130", "192.0.2.10 192.0.2.140"},
        {"v=spf1 mx:example.org -all", "192.0.2.140", "192.0.2.129"},
        {"v=spf1 mx mx:example.org -all", "192.0.2.129 192.0.2.130 192.0.2.140", "192.0.2.65"},
        {"v=spf1 mx/30 mx:example.org/30 -all", "192.0.2.128 192.0.2.131 192.0.2.140 192.0.2.143",
         "192.0.2.132 192.0.2.144"},
        {"v=spf1 ptr -all", "192.0.2.65 192.0.2.10", "192.0.2.140 10.0.0.4 192.0.2.200"},
        {"v=spf1 ip4:192.0.2.128/28 -all", "192.0.2.129", "192.0.2.65"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena a = {0};
        struct counted_dns *z = with_record(cases[i].record);
        char ip[64];
        struct slice list = sl_cstr(cases[i].passes), one;
        while (sl_next(&list, ' ', &one))
            if (one.n && snprintf(ip, sizeof ip, "%.*s", SLF(one)) > 0) WANT(ip, "x@example.com", SPF_PASS);
        list = sl_cstr(cases[i].fails);
        while (sl_next(&list, ' ', &one))
            if (one.n && snprintf(ip, sizeof ip, "%.*s", SLF(one)) > 0) WANT(ip, "x@example.com", SPF_FAIL);
        counted_close(z);
        ar_free(&a);
    }
}

TEST(spf_appendix_a2_a3_a4)
{
    static char zone[8192];
    struct arena a = {0};
    snprintf(zone, sizeof zone, "%s%s", appendix_a,
             "example.com. TXT \"v=spf1 mx -all\"\nexample.net. TXT \"v=spf1 ip4:203.0.113.7 -all\"\n"
             "example.org. TXT \"v=spf1 include:example.com include:example.net -all\"\n"
             "la.example.org. TXT \"v=spf1 redirect=example.org\"\n"
             "users.example.com. TXT \"v=spf1 mx:example.com include:mobile-users._spf.%{d} "
             "include:remote-users._spf.%{d} -all\"\n"
             "mobile-users._spf.users.example.com. TXT \"v=spf1 exists:%{l1r+}.%{d}\"\n"
             "remote-users._spf.users.example.com. TXT \"v=spf1 exists:%{ir}.%{l1r+}.%{d}\"\n"
             "mary.mobile-users._spf.users.example.com. A 127.0.0.2\n"
             "15.15.168.192.joel.remote-users._spf.users.example.com. A 127.0.0.2\n"
             "both.example.com. TXT \"v=spf1 -include:ip4._spf.%{d} -include:ptr._spf.%{d} +all\"\n"
             "ip4._spf.both.example.com. TXT \"v=spf1 -ip4:192.0.2.0/24 +all\"\n"
             "ptr._spf.both.example.com. TXT \"v=spf1 -ptr:example.com +all\"\n");
    struct counted_dns *z = counted_open(zone);
    WANT("192.0.2.129", "x@example.org", SPF_PASS);
    WANT("203.0.113.7", "x@la.example.org", SPF_PASS);
    WANT("203.0.113.8", "x@la.example.org", SPF_FAIL);
    WANT("198.51.100.1", "mary+folder@users.example.com", SPF_PASS);
    WANT("192.168.15.15", "joel@users.example.com", SPF_PASS);
    WANT("192.168.15.16", "joel@users.example.com", SPF_FAIL);
    WANT("198.51.100.1", "fred@users.example.com", SPF_FAIL);
    WANT("192.0.2.65", "x@both.example.com", SPF_PASS);
    WANT("192.0.2.140", "x@both.example.com", SPF_FAIL);
    WANT("10.0.0.4", "x@both.example.com", SPF_FAIL);
    counted_close(z);
    ar_free(&a);
}

/* ---- sections 2.3, 2.4, 4.3 to 4.5: identities, domains, records ---- */

static const char basics[] =
    "one.example. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
    "two.example. TXT \"v=spf1 -all\"\ntwo.example. TXT \"v=spf1 +all\"\n"
    "mixed.example. TXT \"other\"\nmixed.example. TXT \"v=spf10 -all\"\nmixed.example. TXT \"v=spf1 "
    "ip4:192.0.2.1 -all\"\n"
    "mixed.example. TXT \"caf\\195\\169\"\n"
    "split.example. TXT \"v=spf1 ip4:192.0.2\" \".1 -all\"\n"
    "none.example. TXT \"nothing here\"\nnodata.example. A 192.0.2.1\n"
    "upper.example. TXT \"V=SpF1 IP4:192.0.2.1 -ALL\"\n"
    "empty.example. TXT \"v=spf1\"\n"
    "bad.example. TXT \"v=spf1 ip4:192.0.2.1 +all nonsense\"\n"
    "late.example. TXT \"v=spf1 +all a:\"\n"
    "bytes.example. TXT \"v=spf1 ip4:192.0.2.1 a:caf\\195\\169.example -all\"\n"
    ";! servfail fails.example\n"
    "xn--bcher-kva.example. TXT \"v=spf1 exists:%{d}.%{o}.who.example -all\"\n"
    "xn--bcher-kva.example.xn--bcher-kva.example.who.example. A 127.0.0.1\n"
    "local.example. TXT \"v=spf1 exists:%{l}.who.example a:%{s}.who.example ip4:192.0.2.9 -all\"\n"
    "user.who.example. A 127.0.0.1\n"
    "mapped.example. TXT \"v=spf1 ip6:::ffff:192.0.2.0/96 -all\"\n"
    "map0.example. TXT \"v=spf1 ip6:::/0 ?all\"\n"
    "all4.example. TXT \"v=spf1 ip4:0.0.0.0/0 -all\"\n"
    "dot.example. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
    "alias.example. CNAME one.example.\n"
    "xn--.example. TXT \"v=spf1 +all\"\n";

TEST(spf_records_are_selected)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(basics);
    WANT("192.0.2.1", "x@one.example", SPF_PASS);
    WANT("192.0.2.2", "x@one.example", SPF_FAIL);
    WANT("192.0.2.1", "x@two.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@mixed.example", SPF_PASS);
    WANT("192.0.2.1", "x@split.example", SPF_PASS);
    WANT("192.0.2.1", "x@none.example", SPF_NONE);
    WANT("192.0.2.1", "x@nodata.example", SPF_NONE);
    WANT("192.0.2.1", "x@absent.example", SPF_NONE);
    WANT("192.0.2.1", "x@upper.example", SPF_PASS);
    WANT("192.0.2.1", "x@ONE.Example", SPF_PASS);
    WANT("192.0.2.1", "x@one.example.", SPF_PASS);
    WANT("192.0.2.1", "x@alias.example", SPF_PASS);
    WANT("192.0.2.1", "x@empty.example", SPF_NEUTRAL);
    WANT("192.0.2.1", "x@fails.example", SPF_TEMPERROR);
    counted_close(z);
    ar_free(&a);
}

/* Section 4.6: "if there are any syntax errors anywhere in the record": before the match, too. */
TEST(spf_syntax_is_judged_first)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(basics);
    WANT("192.0.2.1", "x@bad.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@late.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@bytes.example", SPF_PERMERROR);
    counted_close(z);
    ar_free(&a);
}

TEST(spf_malformed_domains_are_none)
{
    static const char *const from[] = {
        "x@com",
        "x@localhost",
        "x@",
        "x@.",
        "x@[192.0.2.1]",
        "x@one..example",
        "x@.one.example",
        "x@one.example..",
        "x@0123456789012345678901234567890123456789012345678901234567890123.example",
        "x@one .example",
        "x@\"one\".example",
        "x@one\\.example",
        "x@1.2.3.4",
        "x@one.example\r\nX: y",
        "x@\377\376.example",
    };
    struct arena a = {0};
    struct counted_dns *z = counted_open(basics);
    for (size_t i = 0; i < COUNT_OF(from); i++) WANT("192.0.2.1", from[i], SPF_NONE);
    counted_close(z);
    ar_free(&a);
}

TEST(spf_identities)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(basics);
    struct spf_result r = check_full(z->dns, &a, SPF_HELO, "192.0.2.1", "one.example", "x@two.example");
    CHECK_INT(r.code, SPF_PASS);
    CHECK_SL(r.sender, "postmaster@one.example");
    CHECK_INT(r.identity, SPF_HELO);
    r = check_full(z->dns, &a, SPF_MAILFROM, "192.0.2.2", "one.example", ""); /* section 2.4: the null path */
    CHECK_INT(r.code, SPF_FAIL);
    CHECK_SL(r.sender, "postmaster@one.example");
    CHECK_SL(r.domain, "one.example");
    static const char *const not_names[] = {"[192.0.2.1]",     "[IPv6:2001:db8::1]", "localhost", "",
                                            "JUMPIN' JUPITER", "a b.example"};
    for (size_t i = 0; i < COUNT_OF(not_names); i++) {
        r = check_full(z->dns, &a, SPF_HELO, "192.0.2.1", not_names[i], "x@one.example");
        CHECK_INT(r.code, SPF_NONE);
    }
    r = check(z->dns, &a, "192.0.2.1", "@one.example"); /* section 4.3: no local part */
    CHECK_SL(r.sender, "postmaster@one.example");
    CHECK_INT(r.code, SPF_PASS);
    r = check(z->dns, &a, "192.0.2.1", "one.example");
    CHECK_SL(r.sender, "postmaster@one.example");
    r = check(z->dns, &a, "192.0.2.1", "\"a@two.example\"@one.example");
    CHECK_SL(r.domain, "one.example");
    counted_close(z);
    ar_free(&a);
}

TEST(spf_international)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(basics);
    struct spf_result r = check(z->dns, &a, "192.0.2.1", "x@b\303\274cher.example");
    CHECK_INT(r.code, SPF_PASS);
    CHECK_SL(r.domain, "xn--bcher-kva.example");
    WANT("192.0.2.1", "x@xn--bcher-kva.example", SPF_PASS);
    WANT("192.0.2.5", "user@local.example", SPF_PASS);
    /* RFC 8616 section 4: terms with a local part that is not ASCII match nothing. */
    WANT("192.0.2.5", "\303\274ser@local.example", SPF_FAIL);
    WANT("192.0.2.9", "\303\274ser@local.example", SPF_PASS);
    counted_close(z);
    ar_free(&a);
}

TEST(spf_address_families)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(basics);
    WANT("192.0.2.1", "x@all4.example", SPF_PASS);
    WANT("2001:db8::1", "x@all4.example", SPF_FAIL);
    WANT("::ffff:192.0.2.1", "x@one.example", SPF_PASS);
    WANT("192.0.2.1", "x@mapped.example", SPF_FAIL); /* IPv4 clients are listed with ip4 only */
    WANT("192.0.2.1", "x@map0.example", SPF_NEUTRAL);
    WANT("2001:db8::1", "x@map0.example", SPF_PASS);
    /* The same address handed over as the sixteen bytes of a mapped one. */
    struct spf_result r;
    struct spf_query q = {.mail_from = SL("x@one.example"),
                          .ip = {6, {[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 0, [14] = 2, [15] = 1}}};
    CHECK_OK(spf_check(z->dns, &a, &q, &r));
    CHECK_INT(r.code, SPF_PASS);
    counted_close(z);
    ar_free(&a);
}

/* ---- section 5: mechanisms ---- */

static const char mechanisms[] =
    "q.example. TXT \"v=spf1 +ip4:192.0.2.1 -ip4:192.0.2.2 ~ip4:192.0.2.3 ?ip4:192.0.2.4\"\n"
    "afterall.example. TXT \"v=spf1 -all ip4:192.0.2.1 redirect=one.example\"\n"
    "beforeall.example. TXT \"v=spf1 redirect=pass.example ?all\"\n"
    "pass.example. TXT \"v=spf1 +all\"\nfail.example. TXT \"v=spf1 -all\"\nsoft.example. TXT \"v=spf1 "
    "~all\"\n"
    "neutral.example. TXT \"v=spf1 ?all\"\nbad.example. TXT \"v=spf1 foo\"\nnone.example. TXT \"x\"\n"
    "i.pass.example. TXT \"v=spf1 ~include:pass.example -all\"\n"
    "i.fail.example. TXT \"v=spf1 include:fail.example ?all\"\n"
    "i.soft.example. TXT \"v=spf1 include:soft.example -all\"\n"
    "i.neutral.example. TXT \"v=spf1 include:neutral.example -all\"\n"
    "i.bad.example. TXT \"v=spf1 include:bad.example -all\"\n"
    "i.none.example. TXT \"v=spf1 include:none.example -all\"\n"
    "i.absent.example. TXT \"v=spf1 include:absent.example -all\"\n"
    "i.temp.example. TXT \"v=spf1 include:temp.example +all\"\n"
    "i.invalid.example. TXT \"v=spf1 include:a..example +all\"\n"
    "r.none.example. TXT \"v=spf1 redirect=none.example\"\n"
    "r.absent.example. TXT \"v=spf1 redirect=absent.example\"\n"
    "r.fail.example. TXT \"v=spf1 redirect=fail.example\"\n"
    "r.temp.example. TXT \"v=spf1 redirect=temp.example\"\n"
    "r.invalid.example. TXT \"v=spf1 redirect=%{d}..example\"\n"
    "r.r.example. TXT \"v=spf1 redirect=r.fail.example\"\n"
    ";! servfail temp.example\n"
    "a4.example. A 192.0.2.1\na4.example. A 192.0.2.2\na6.example. AAAA 2001:db8::1\n"
    "a.example. TXT \"v=spf1 a:a4.example a:a6.example -all\"\n"
    "a24.example. TXT \"v=spf1 a:a4.example/24//64 a:a6.example/24//64 -all\"\n"
    "a0.example. TXT \"v=spf1 a:a4.example/0 -all\"\n"
    "acname.example. TXT \"v=spf1 a:alias.example -all\"\nalias.example. CNAME a4.example.\n"
    "atemp.example. TXT \"v=spf1 ip4:192.0.2.1 a:temp.example -all\"\n"
    "ainvalid.example. TXT \"v=spf1 a:a..example ip4:192.0.2.1 -all\"\n"
    "mx.example. MX 10 a4.example.\nmx.example. MX 20 a6.example.\n"
    "mx.example. TXT \"v=spf1 mx -all\"\nmx64.example. TXT \"v=spf1 mx:mx.example//64 -all\"\n"
    "mximplicit.example. A 192.0.2.1\nmximplicit.example. TXT \"v=spf1 mx -all\"\n"
    "mxnull.example. MX 0 .\nmxnull.example. TXT \"v=spf1 mx -all\"\n"
    "mxtemp.example. MX 10 temp.example.\nmxtemp.example. TXT \"v=spf1 mx -all\"\n"
    "exists.example. TXT \"v=spf1 exists:%{ir}.%{l1r+-}._spf.%{d} -all\"\n"
    "1.2.0.192.someuser._spf.exists.example. A 127.0.0.2\n"
    "e6.example. TXT \"v=spf1 exists:a4.example -all\"\n"
    "e66.example. TXT \"v=spf1 exists:a6.example -all\"\n"
    "mod.example. TXT \"v=spf1 moo=x foo=%{c} moo=y ip4:192.0.2.1 default=-all\"\n";

TEST(spf_qualifiers_and_default)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(mechanisms);
    WANT("192.0.2.1", "x@q.example", SPF_PASS);
    WANT("192.0.2.2", "x@q.example", SPF_FAIL);
    WANT("192.0.2.3", "x@q.example", SPF_SOFTFAIL);
    WANT("192.0.2.4", "x@q.example", SPF_NEUTRAL);
    struct spf_result r = check(z->dns, &a, "192.0.2.5", "x@q.example");
    CHECK_INT(r.code, SPF_NEUTRAL);
    CHECK_SL(r.mechanism, "default");
    WANT("192.0.2.1", "x@afterall.example", SPF_FAIL);
    WANT("192.0.2.1", "x@beforeall.example", SPF_NEUTRAL);
    WANT("192.0.2.1", "x@mod.example", SPF_PASS);
    WANT("192.0.2.2", "x@mod.example", SPF_NEUTRAL);
    counted_close(z);
    ar_free(&a);
}

TEST(spf_include_table)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(mechanisms);
    WANT("192.0.2.1", "x@i.pass.example", SPF_SOFTFAIL);
    WANT("192.0.2.1", "x@i.fail.example", SPF_NEUTRAL);
    WANT("192.0.2.1", "x@i.soft.example", SPF_FAIL);
    WANT("192.0.2.1", "x@i.neutral.example", SPF_FAIL);
    WANT("192.0.2.1", "x@i.bad.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@i.none.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@i.absent.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@i.temp.example", SPF_TEMPERROR);
    WANT("192.0.2.1", "x@i.invalid.example", SPF_PERMERROR);
    struct spf_result r = check(z->dns, &a, "192.0.2.1", "x@i.pass.example");
    CHECK_SL(r.mechanism, "~include:pass.example");
    CHECK_SL(r.at, "i.pass.example");
    counted_close(z);
    ar_free(&a);
}

TEST(spf_redirect)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(mechanisms);
    WANT("192.0.2.1", "x@r.none.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@r.absent.example", SPF_PERMERROR);
    WANT("192.0.2.1", "x@r.fail.example", SPF_FAIL);
    WANT("192.0.2.1", "x@r.temp.example", SPF_TEMPERROR);
    WANT("192.0.2.1", "x@r.invalid.example", SPF_PERMERROR);
    struct spf_result r = check(z->dns, &a, "192.0.2.1", "x@r.r.example");
    CHECK_INT(r.code, SPF_FAIL);
    CHECK_SL(r.at, "fail.example");
    CHECK_SL(r.domain, "r.r.example");
    CHECK_INT(r.terms, 2);
    counted_close(z);
    ar_free(&a);
}

TEST(spf_a_and_mx)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(mechanisms);
    WANT("192.0.2.2", "x@a.example", SPF_PASS);
    WANT("192.0.2.3", "x@a.example", SPF_FAIL);
    WANT("2001:db8::1", "x@a.example", SPF_PASS);
    WANT("192.0.2.200", "x@a24.example", SPF_PASS);
    WANT("192.0.3.1", "x@a24.example", SPF_FAIL);
    WANT("2001:db8::ffff", "x@a24.example", SPF_PASS);
    WANT("2001:db8:1::1", "x@a24.example", SPF_FAIL);
    WANT("203.0.113.1", "x@a0.example", SPF_PASS);
    WANT("2001:db8::1", "x@a0.example", SPF_FAIL);
    WANT("192.0.2.1", "x@acname.example", SPF_PASS);
    WANT("192.0.2.1", "x@atemp.example", SPF_PASS);
    WANT("192.0.2.2", "x@atemp.example", SPF_TEMPERROR);
    WANT("192.0.2.1", "x@ainvalid.example", SPF_PASS); /* section 4.8: no match */
    WANT("192.0.2.2", "x@mx.example", SPF_PASS);
    WANT("2001:db8::1", "x@mx.example", SPF_PASS);
    WANT("2001:db8::2", "x@mx.example", SPF_FAIL);
    WANT("2001:db8::2", "x@mx64.example", SPF_PASS);
    WANT("192.0.2.1", "x@mximplicit.example", SPF_FAIL); /* section 5.4: no implicit MX */
    WANT("192.0.2.1", "x@mxnull.example", SPF_FAIL);
    WANT("192.0.2.1", "x@mxtemp.example", SPF_TEMPERROR);
    counted_close(z);
    ar_free(&a);
}

TEST(spf_exists)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(mechanisms);
    WANT("192.0.2.1", "someuser-tag@exists.example", SPF_PASS);
    WANT("192.0.2.1", "other@exists.example", SPF_FAIL);
    WANT("2001:db8::1", "x@e6.example", SPF_PASS); /* A is asked even for IPv6 clients */
    WANT("2001:db8::1", "x@e66.example", SPF_FAIL);
    struct spf_result r = check(z->dns, &a, "192.0.2.1", "someuser-tag@exists.example");
    CHECK(r.per_user);
    CHECK(!check(z->dns, &a, "192.0.2.1", "x@a.example").per_user);
    counted_close(z);
    ar_free(&a);
}

/* ---- section 5.5: ptr, and %{p} ---- */

static const char names[] =
    "p.example. TXT \"v=spf1 ptr -all\"\npo.example. TXT \"v=spf1 ptr:other.example -all\"\n"
    "1.2.0.192.in-addr.arpa. PTR mail.p.example.\nmail.p.example. A 192.0.2.1\n"
    "2.2.0.192.in-addr.arpa. PTR mailp.example.\nmailp.example. A 192.0.2.2\n"    /* not below p.example */
    "3.2.0.192.in-addr.arpa. PTR lies.p.example.\nlies.p.example. A 192.0.2.99\n" /* not confirmed */
    "4.2.0.192.in-addr.arpa. PTR fails.p.example.\n4.2.0.192.in-addr.arpa. PTR good.p.example.\n"
    "good.p.example. A 192.0.2.4\n;! servfail fails.p.example\n"
    ";! servfail 5.2.0.192.in-addr.arpa\n"
    "6.2.0.192.in-addr.arpa. PTR P.Example.\np.example. A 192.0.2.6\n"
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR six.p.example.\n"
    "six.p.example. AAAA 2001:db8::1\n"
    "m.example. TXT \"v=spf1 exists:%{p}.seen.example -all\"\n"
    "mail.p.example.seen.example. A 127.0.0.1\nunknown.seen.example. A 127.0.0.1\n"
    "7.2.0.192.in-addr.arpa. PTR zz.other.example.\n7.2.0.192.in-addr.arpa. PTR sub.m.example.\n"
    "zz.other.example. A 192.0.2.7\nsub.m.example. A 192.0.2.7\nsub.m.example.seen.example. A 127.0.0.1\n"
    "8.2.0.192.in-addr.arpa. PTR sub.m.example.\n8.2.0.192.in-addr.arpa. PTR m.example.\n"
    "m.example. A 192.0.2.8\nsub.m.example. A 192.0.2.8\nm.example.seen.example. A 127.0.0.1\n";

TEST(spf_ptr)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(names);
    WANT("192.0.2.1", "x@p.example", SPF_PASS);
    WANT("192.0.2.1", "x@po.example", SPF_FAIL);
    WANT("192.0.2.2", "x@p.example", SPF_FAIL);
    WANT("192.0.2.3", "x@p.example", SPF_FAIL);
    WANT("192.0.2.4", "x@p.example", SPF_PASS); /* an error of one name skips that name */
    WANT("192.0.2.5", "x@p.example", SPF_FAIL); /* an error of the PTR question is no match */
    WANT("192.0.2.6", "x@p.example", SPF_PASS);
    WANT("192.0.2.66", "x@p.example", SPF_FAIL);
    WANT("2001:db8::1", "x@p.example", SPF_PASS);
    counted_close(z);
    ar_free(&a);
}

TEST(spf_macro_p)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(names);
    WANT("192.0.2.1", "x@m.example", SPF_PASS);
    WANT("192.0.2.3", "x@m.example", SPF_PASS); /* not confirmed: "unknown" */
    WANT("192.0.2.5", "x@m.example", SPF_PASS); /* DNS error: "unknown" */
    WANT("192.0.2.7", "x@m.example", SPF_PASS); /* a name below <domain> before any other */
    WANT("192.0.2.8", "x@m.example", SPF_PASS); /* <domain> itself before all */
    struct spf_result r = check(z->dns, &a, "192.0.2.8", "x@m.example");
    CHECK_SL(z->last, "m.example.seen.example");
    CHECK_INT(r.terms, 2); /* exists, and the question for the names */
    counted_close(z);
    ar_free(&a);
}

TEST(spf_ptr_looks_at_ten_names)
{
    static char zone[8192];
    struct arena a = {0};
    size_t n = (size_t)snprintf(zone, sizeof zone, "p.example. TXT \"v=spf1 ptr -all\"\n");
    for (int i = 0; i < 12; i++)
        n += (size_t)snprintf(zone + n, sizeof zone - n,
                              "1.2.0.192.in-addr.arpa. PTR h%02d.p.example.\nh%02d.p.example. A 192.0.2.%d\n",
                              i, i, i == 10 ? 1 : 77);
    struct counted_dns *z = counted_open(zone);
    struct spf_result r = check(z->dns, &a, "192.0.2.1", "x@p.example");
    CHECK_INT(r.code, SPF_FAIL);
    CHECK_INT(r.questions, 1 + 1 + 10);
    counted_close(z);
    ar_free(&a);
}

/* ---- section 6.2: explanations ---- */

static const char explained[] =
    "e.example. TXT \"v=spf1 ip4:192.0.2.1 -all exp=why.e.example\"\n"
    "why.e.example. TXT \"%{i} is not one of %{d}'s servers; see http://%{d}/why?s=%{S}&i=%{I} %{c} %{r}\"\n"
    "p.example. TXT \"v=spf1 -all exp=whyp.e.example\"\nwhyp.e.example. TXT \"you are %{p}\"\n"
    "inc.example. TXT \"v=spf1 include:e.example -all exp=mine.example\"\nmine.example. TXT \"mine %{d}\"\n"
    "noexp.example. TXT \"v=spf1 include:e.example -all\"\n"
    "red.example. TXT \"v=spf1 redirect=e2.example exp=mine.example\"\n"
    "e2.example. TXT \"v=spf1 -all exp=theirs.example\"\ntheirs.example. TXT \"theirs %{d} %{o}\"\n"
    "red2.example. TXT \"v=spf1 redirect=e3.example exp=mine.example\"\ne3.example. TXT \"v=spf1 -all\"\n"
    "two.example. TXT \"v=spf1 -all exp=twice.example\"\ntwice.example. TXT \"a\"\ntwice.example. TXT \"b\"\n"
    "syn.example. TXT \"v=spf1 -all exp=syntax.example\"\nsyntax.example. TXT \"100%\"\n"
    "utf.example. TXT \"v=spf1 -all exp=utf8.example\"\nutf8.example. TXT \"caf\\195\\169\"\n"
    "ctl.example. TXT \"v=spf1 -all exp=control.example\"\ncontrol.example. TXT \"a\\013\\010b\"\n"
    "temp.example. TXT \"v=spf1 -all exp=temp2.example\"\n;! servfail temp2.example\n"
    "gone.example. TXT \"v=spf1 -all exp=nowhere.example\"\n"
    "parts.example. TXT \"v=spf1 -all exp=parts2.example\"\nparts2.example. TXT \"one \" \"sentence\"\n"
    "soft.example. TXT \"v=spf1 ~all exp=mine.example\"\n"
    "crlf.example. TXT \"v=spf1 -all exp=crlf2.example\"\ncrlf2.example. TXT \"hello %{h}\"\n"
    "invalid.example. TXT \"v=spf1 -all exp=%{l}..example\"\n"
    "ten.example. TXT \"v=spf1 a:a1.n.example a:a1.n.example a:a1.n.example a:a1.n.example a:a1.n.example "
    "a:a1.n.example "
    "a:a1.n.example a:a1.n.example a:a1.n.example a:a1.n.example -all exp=mine.example\"\na1.n.example. A "
    "10.0.0.1\n";

#define EXPLAINS(ip, from, want)                                                                             \
    do {                                                                                                     \
        struct spf_result r_ = check(z->dns, &a, ip, from);                                                  \
        CHECK_INT(r_.code, SPF_FAIL);                                                                        \
        CHECK(r_.explained);                                                                                 \
        CHECK_SL(r_.explanation, want);                                                                      \
    } while (0)
#define NOT_EXPLAINED(from)                                                                                  \
    do {                                                                                                     \
        struct spf_result r_ = check(z->dns, &a, "192.0.2.5", from);                                         \
        CHECK_INT(r_.code, SPF_FAIL);                                                                        \
        CHECK(!r_.explained);                                                                                \
        CHECK(sl_starts(r_.explanation, SL("192.0.2.5 is not permitted to send mail for ")));                \
    } while (0)

TEST(spf_explanations)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(explained);
    EXPLAINS(
        "192.0.2.5", "a-b@e.example",
        "192.0.2.5 is not one of e.example's servers; see http://e.example/why?s=a-b%40e.example&i=192.0.2.5 "
        "192.0.2.5 mx.receiver.test");
    EXPLAINS("2001:db8::1", "x@p.example", "you are unknown");
    EXPLAINS("192.0.2.5", "x@inc.example", "mine inc.example");
    NOT_EXPLAINED("x@noexp.example"); /* the exp of an include must not be used */
    EXPLAINS("192.0.2.5", "x@red.example", "theirs e2.example red.example");
    NOT_EXPLAINED("x@red2.example"); /* nor that of a record that redirects */
    EXPLAINS("192.0.2.5", "x@parts.example", "one sentence");
    EXPLAINS("192.0.2.5", "x@ten.example", "mine ten.example"); /* exp does not count to the limit */
    CHECK(!check(z->dns, &a, "192.0.2.5", "x@soft.example").explanation.n);
    CHECK(!check(z->dns, &a, "192.0.2.1", "x@e.example").explanation.n);
    counted_close(z);
    ar_free(&a);
}

TEST(spf_explanations_that_are_passed_over)
{
    struct arena a = {0};
    struct counted_dns *z = counted_open(explained);
    NOT_EXPLAINED("x@two.example");
    NOT_EXPLAINED("x@syn.example");
    NOT_EXPLAINED("x@utf.example");
    NOT_EXPLAINED("x@ctl.example");
    NOT_EXPLAINED("x@temp.example");
    NOT_EXPLAINED("x@gone.example");
    NOT_EXPLAINED("x@invalid.example");
    struct spf_result r = check_full(z->dns, &a, SPF_MAILFROM, "192.0.2.5", "mx\r\n250 ok", "x@crlf.example");
    CHECK(!r.explained); /* what the client said cannot bring a line end into the reply */
    counted_close(z);
    ar_free(&a);
}
