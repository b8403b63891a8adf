/* spf_grammar_test.c - the record grammar (RFC 7208 section 4.5, 4.6.1, 5, 6, 7.1, 12), macro
 * expansion (section 7.3, 7.4; RFC 8616 section 4), and the Received-SPF field (section 9.1). */
#include "base/test.h"
#include "base/text.h"
#include "spf_i.h"

static bool parses(const char *text)
{
    struct arena a = {0};
    struct spf_record r;
    bool ok = spf_record_parse(&a, sl_cstr(text), &r) == 0;
    ar_free(&a);
    return ok;
}

TEST(spf_version)
{
    CHECK(spf_is_record(SL("v=spf1")));
    CHECK(spf_is_record(SL("v=spf1 -all")));
    CHECK(spf_is_record(SL("V=SPF1 -all"))); /* literals of ABNF are case-insensitive */
    CHECK(!spf_is_record(SL("v=spf10 -all")));
    CHECK(!spf_is_record(SL("v=spf1\t-all")));
    CHECK(!spf_is_record(SL(" v=spf1 -all")));
    CHECK(!spf_is_record(SL("v=spf")));
    CHECK(!spf_is_record(SL("v=spf1-all")));
    CHECK(!spf_is_record(SL("")));
}

TEST(spf_good_records)
{
    static const char *const good[] = {
        "v=spf1",
        "v=spf1 ",
        "v=spf1   -all  ",
        "v=spf1 +mx a:colo.example.com/28 -all",
        "v=spf1 A -ALL",
        "v=spf1 a/24 a//64 a/24//64 mx/0 mx//0 mx/32//128",
        "v=spf1 a:example.com/24//64",
        "v=spf1 ip4:192.0.2.0/24 ip4:192.0.2.1 ip4:0.0.0.0/0 ip4:255.255.255.255/32",
        "v=spf1 ip6:2001:db8::/32 ip6:::1 ip6:::ffff:192.0.2.1 ip6:::/0 ip6:::1/128",
        "v=spf1 ptr ptr:example.com ?ptr:%{d}",
        "v=spf1 include:_spf.example.com ~all",
        "v=spf1 exists:%{ir}.%{l1r+-}._spf.%{d} -all",
        "v=spf1 exists:%{i}.%{d2}.example.com.",
        "v=spf1 a:%{d}",
        "v=spf1 a:%{d1r}",
        "v=spf1 a:%{d-.+,/_=}",
        "v=spf1 a:foo%%%_%-.example.com",
        "v=spf1 a:foo%%",
        "v=spf1 redirect=_spf.example.com",
        "v=spf1 mx exp=explain._spf.%{d} -all",
        "v=spf1 redirect=a.example.com exp=b.example.com mx",
        "v=spf1 foo=bar x-y.z_9=%{c} moo=",
        "v=spf1 foo=/:=%%",
        "v=spf1 a:example.museum-x",
        "v=spf1 a:example.1a",
        "v=spf1 a:a_b!c.example.com",
        "v=spf1 a:foo:bar.example.com",
        "v=spf1 a:example.com.",
        "v=spf1 exists:a/b.example.com",
        "v=spf1 a:%{d127}.example.com",
        "v=spf1 a:%{D}.example.com",
        "v=spf1 a:%{dR}",
        "v=spf1 default=a default=b",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!parses(good[i]))
            test_fail(__FILE__, __LINE__, "refused: %s (%s)", good[i], err_text(ERR_SYNTAX));
}

TEST(spf_bad_records)
{
    static const char *const bad[] = {
        "v=spf1 foo",
        "v=spf1 all:x",
        "v=spf1 all/8",
        "v=spf1 all.",
        "v=spf1 -",
        "v=spf1 +-all",
        "v=spf1 - all",
        "v=spf1\ta",
        "v=spf1 a\tmx",
        "v=spf1 include",
        "v=spf1 include:",
        "v=spf1 include:com",
        "v=spf1 include/24",
        "v=spf1 a:",
        "v=spf1 a:/24",
        "v=spf1 a:com",
        "v=spf1 a:example.com/33",
        "v=spf1 a:example.com//129",
        "v=spf1 a:example.com/024",
        "v=spf1 a:example.com/",
        "v=spf1 a/",
        "v=spf1 a//",
        "v=spf1 a/24/64",
        "v=spf1 a/24//",
        "v=spf1 a///64",
        "v=spf1 mx/-1",
        "v=spf1 a:192.0.2.1",
        "v=spf1 a:example.1",
        "v=spf1 a:example.-a",
        "v=spf1 a:example.a-",
        "v=spf1 a:.",
        "v=spf1 mx:",
        "v=spf1 ip4",
        "v=spf1 ip4:",
        "v=spf1 ip4:192.0.2",
        "v=spf1 ip4:192.0.2.256",
        "v=spf1 ip4:192.0.2.01",
        "v=spf1 ip4:192.0.2.1/33",
        "v=spf1 ip4:192.0.2.1/08",
        "v=spf1 ip4:192.0.2.1/",
        "v=spf1 ip4:::1",
        "v=spf1 ip4:192.0.2.1:25",
        "v=spf1 ip4:192.0.2.1//32",
        "v=spf1 ip4/24",
        "v=spf1 ip4:example.com",
        "v=spf1 ip6",
        "v=spf1 ip6:192.0.2.1",
        "v=spf1 ip6:2001:db8::g",
        "v=spf1 ip6:::1/129",
        "v=spf1 ip6:::1//64",
        "v=spf1 ip6:[::1]",
        "v=spf1 ip6:::1%eth0",
        "v=spf1 ptr:",
        "v=spf1 ptr/24",
        "v=spf1 ptr:example.com/24",
        "v=spf1 exists",
        "v=spf1 exists:",
        "v=spf1 exists:example.com/24",
        "v=spf1 exists/24",
        "v=spf1 redirect=",
        "v=spf1 redirect=com",
        "v=spf1 redirect",
        "v=spf1 redirect:example.com",
        "v=spf1 redirect=a.example.com redirect=a.example.com",
        "v=spf1 exp=",
        "v=spf1 exp=a.example.com exp=b.example.com",
        "v=spf1 -redirect=example.com",
        "v=spf1 =x",
        "v=spf1 1a=x",
        "v=spf1 foo=%",
        "v=spf1 foo=%{x}",
        "v=spf1 foo=a\177",
        "v=spf1 exists:%(ir).sbl.example.org",
        "v=spf1 a:%{d0}.example.com",
        "v=spf1 a:%{d00}",
        "v=spf1 a:%{d",
        "v=spf1 a:%{}",
        "v=spf1 a:%{dr2}",
        "v=spf1 a:%{d*}",
        "v=spf1 a:%{c}.example.com",
        "v=spf1 a:%{r}",
        "v=spf1 a:%{t}",
        "v=spf1 exp=%{c}",
        "v=spf1 redirect=%{t}.example.com",
        "v=spf1 a:%{q}",
        "v=spf1 a:foo%.example.com",
        "v=spf1 a:%{d}com",
        "v=spf1 a:%{d}/24/24",
        "v=spf1 ipv4:192.0.2.1",
        "v=spf1 ip:192.0.2.1",
        "v=spf1 a;mx",
        "v=spf1 \"a\"",
        "v=spf1 a:ex\303\244mple.com",
        "v=spf1 a:example.com%20x",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (parses(bad[i])) test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
    struct arena a = {0};
    struct spf_record r;
    CHECK_ERR(spf_record_parse(&a, sl("v=spf1 a\0 -all", 14), &r), ERR_SYNTAX);
    ar_free(&a);
}

TEST(spf_terms_are_read)
{
    struct arena a = {0};
    struct spf_record r;
    REQUIRE(spf_record_parse(
                &a, SL("v=spf1 ?a:x.example.com/24//64 ~ip6:::ffff:192.0.2.1/120 -all exp=e.example.com"),
                &r) == 0);
    REQUIRE(r.n == 3);
    CHECK_INT(r.term[0].kind, SPF_A);
    CHECK_INT(r.term[0].result, SPF_NEUTRAL);
    CHECK_SL(r.term[0].spec, "x.example.com");
    CHECK_INT(r.term[0].bits4, 24);
    CHECK_INT(r.term[0].bits6, 64);
    CHECK_SL(r.term[0].text, "?a:x.example.com/24//64");
    CHECK_INT(r.term[1].result, SPF_SOFTFAIL);
    CHECK_INT(r.term[1].net.family, 6); /* a mapped network stays IPv6: only ip4 lists IPv4 clients */
    CHECK_INT(r.term[1].bits6, 120);
    CHECK_INT(r.term[2].result, SPF_FAIL);
    CHECK(r.has_all);
    CHECK_SL(r.exp, "e.example.com");
    CHECK(!r.redirect.p);
    CHECK_ERR(spf_record_parse(&a, SL("v=spf1 a:b.example.com nonsense -all"), &r), ERR_SYNTAX);
    CHECK(strstr(err_text(ERR_SYNTAX), "\"nonsense\""));
    ar_free(&a);
}

static struct spf_vars example_vars(const char *ip)
{
    struct spf_vars v = {.local = SL("strong-bad"),
                         .sender_domain = SL("email.example.com"),
                         .domain = SL("email.example.com"),
                         .helo = SL("mx.example.org"),
                         .validated = SL("mx.example.org"),
                         .now = 1700000000};
    CHECK(ip_parse(sl_cstr(ip), &v.ip));
    return v;
}

TEST(spf_macros_section_7_4)
{
    static const struct {
        const char *macro, *want;
    } cases[] = {
        {"%{s}", "strong-bad@email.example.com"},
        {"%{o}", "email.example.com"},
        {"%{d}", "email.example.com"},
        {"%{d4}", "email.example.com"},
        {"%{d3}", "email.example.com"},
        {"%{d2}", "example.com"},
        {"%{d1}", "com"},
        {"%{dr}", "com.example.email"},
        {"%{d2r}", "example.email"},
        {"%{l}", "strong-bad"},
        {"%{l-}", "strong.bad"},
        {"%{lr}", "strong-bad"},
        {"%{lr-}", "bad.strong"},
        {"%{l1r-}", "strong"},
        {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
        {"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
        {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
        {"%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"},
        {"%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"},
        {"%{p}", "mx.example.org"},
        {"%{p2}", "example.org"},
        {"%{h}", "mx.example.org"},
        {"%{i}", "192.0.2.3"},
        {"%{c}", "192.0.2.3"},
        {"%{r}", "unknown"},
        {"%{t}", "1700000000"},
        {"a%%b%_c%-d", "a%b c%20d"},
        {"%{S}", "strong-bad%40email.example.com"},
        {"%{D2R}", "example.email"},
        {"%{d999}", "email.example.com"},
        {"%{d99999999999999999999}", "email.example.com"},
        {"%{o2.}", "example.com"},
        {"%{l1-}", "bad"},
    };
    struct arena a = {0};
    struct spf_vars v = example_vars("192.0.2.3");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice got = spf_expand(&a, sl_cstr(cases[i].macro), &v);
        if (!sl_eq(got, sl_cstr(cases[i].want)))
            test_fail(__FILE__, __LINE__, "%s is %.*s, not %s", cases[i].macro, SLF(got), cases[i].want);
    }
    v = example_vars("2001:db8::cb01");
    CHECK_SL(spf_expand(&a, SL("%{ir}.%{v}._spf.%{d2}"), &v),
             "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com");
    CHECK_SL(spf_expand(&a, SL("%{i}"), &v),
             "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1");
    CHECK_SL(spf_expand(&a, SL("%{c}"), &v), "2001:db8::cb01");
    ar_free(&a);
}

TEST(spf_macro_details)
{
    struct arena a = {0};
    struct spf_vars v = example_vars("192.0.2.3");
    /* "the list of parts might contain empty strings" */
    v.local = SL(".a..b.");
    CHECK_SL(spf_expand(&a, SL("%{lr}"), &v), ".b..a.");
    CHECK_SL(spf_expand(&a, SL("%{l2}"), &v), "b.");
    CHECK_SL(spf_expand(&a, SL("%{l2r}"), &v), "a.");
    CHECK_SL(spf_expand(&a, SL("%{l1}"), &v), "");
    v.local = SL("jack&jill=up-a_b3.c");
    CHECK_SL(spf_expand(&a, SL("%{L}"), &v), "jack%26jill%3Dup-a_b3.c");
    CHECK_SL(spf_expand(&a, SL("%{l-=_}"), &v), "jack&jill.up.a.b3.c");
    CHECK_SL(spf_expand(&a, SL("%{l1r-}"), &v), "jack&jill=up");
    CHECK(spf_macro_letters(SL("%{l}%%{x}%{Ir}")) == (1u << ('l' - 'a') | 1u << ('i' - 'a')));
    ar_free(&a);
}

TEST(spf_target_names)
{
    struct arena a = {0};
    struct slice name;
    CHECK(spf_target(&a, SL("example.com."), &name));
    CHECK_SL(name, "example.com");
    CHECK(!spf_target(&a, SL("foo..example.com"), &name));
    CHECK(!spf_target(&a, SL(".example.com"), &name));
    CHECK(!spf_target(&a, SL(""), &name));
    CHECK(!spf_target(&a, SL("\303\244.example.com"), &name));
    /* A label of 64 bytes can be in no name. */
    char label[80];
    memset(label, 'a', sizeof label);
    CHECK(!spf_target(&a, ar_printf(&a, "%.64s.example.com", label), &name));
    CHECK(spf_target(&a, ar_printf(&a, "%.63s.example.com", label), &name));
    /* Labels are taken off the left until 253 bytes are left (section 7.3). */
    struct slice ten = ar_printf(&a, "%.49s.", label), all = {0};
    for (int i = 0; i < 6; i++) all = ar_cat(&a, all, ten);
    all = ar_cat(&a, all, SL("com"));
    CHECK(all.n == 303 && spf_target(&a, all, &name));
    CHECK_INT(name.n, 253);
    CHECK(spf_target(&a, ar_cat(&a, SL("b."), sl_from(all, 50)), &name));
    CHECK_INT(name.n, 253);
    /* Bytes that mean something in a name's presentation are escaped, not obeyed. */
    CHECK(spf_target(&a, SL("a b\\.c\"d.example.com"), &name));
    CHECK_SL(name, "a\\032b\\092.c\\034d.example.com");
    ar_free(&a);
}

TEST(spf_explain_strings)
{
    CHECK(spf_explanation_ok(SL("%{i} is not one of %{d}'s designated mail servers.")));
    CHECK(spf_explanation_ok(SL("See http://%{d}/why.html?s=%{S}&i=%{I} %{c} %{r} %{t}")));
    CHECK(spf_explanation_ok(SL("")));
    CHECK(!spf_explanation_ok(SL("100% wrong")));
    CHECK(!spf_explanation_ok(SL("tab\there")));
    CHECK(!spf_explanation_ok(SL("gr\303\274n")));
    CHECK(!spf_explanation_ok(SL("%{z}")));
}

TEST(spf_received_field_is_safe)
{
    struct arena a = {0};
    struct spf_query q = {.mail_from = SL("evil\r\nX: y\")(@example.com"),
                          .helo = SL("mx\"\\) example"),
                          .receiver = SL("mybox.example.org")};
    CHECK(ip_parse(SL("2001:db8::1"), &q.ip));
    struct spf_result r = {.code = SPF_PASS, .sender = q.mail_from, .mechanism = SL("ip6:2001:db8::1")};
    struct slice f = spf_received_field(&a, &q, &r);
    CHECK(sl_starts(f, SL("Received-SPF: pass (mybox.example.org: domain of")));
    CHECK(sl_ends(f, SL(";\r\n")));
    CHECK(sl_find(f, SL("\r\nX:")) == SL_NONE);
    CHECK(sl_find(f, SL("envelope-from=\"evil??X: y\\\")(@example.com\"")) != SL_NONE);
    CHECK(sl_find(f, SL("client-ip=\"2001:db8::1\"")) != SL_NONE);
    CHECK(sl_find(f, SL("mechanism=\"ip6:2001:db8::1\"")) != SL_NONE);
    CHECK(sl_find(f, SL("receiver=mybox.example.org;")) != SL_NONE);
    CHECK(sl_find(f, SL("identity=mailfrom;")) != SL_NONE);
    /* Every CRLF but the last is a fold, and no line is long. */
    size_t line = 0;
    for (size_t i = 0; i < f.n; i++, line++) {
        if (f.p[i] != '\n') continue;
        CHECK(i + 1 == f.n || f.p[i + 1] == '\t');
        CHECK(line < 120);
        line = 0;
    }
    r = (struct spf_result){.code = SPF_TEMPERROR, .identity = SPF_HELO, .problem = SL("no answer")};
    f = spf_received_field(&a, &q, &r);
    CHECK(sl_find(f, SL("problem=\"no answer\"")) != SL_NONE);
    CHECK(sl_find(f, SL("identity=helo")) != SL_NONE);
    CHECK(sl_find(f, SL("envelope-from")) == SL_NONE);
    ar_free(&a);
}
