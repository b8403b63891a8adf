/* addr_test.c - address lists: the examples of RFC 5322 appendix A, and hostile ones. */
#include "addr.h"

#include "base/test.h"

static struct arena ar;

static struct mail_addrs parse(const char *s)
{
    struct mail_addrs l;
    CHECK_OK(mail_addrs_parse(&ar, sl_cstr(s), &l));
    return l;
}

/* Printing is the inverse of parsing, for every local part there can be. */
TEST(addr_join_and_split_are_inverse)
{
    static const char alphabet[] = "ab.@\"\\ <>(),;:[]+=%!\xc3\xa4";
    uint32_t chance = 1;
    for (int round = 0; round < 20000; round++) {
        char text[12];
        size_t n = 0, want = 1 + (size_t)round % 9;
        while (n < want) {
            chance = chance * 1664525 + 1013904223;
            size_t k = (chance >> 16) % (sizeof alphabet - 2); /* the last letter is two bytes */
            text[n++] = alphabet[k];
            if (k == sizeof alphabet - 3) text[n++] = alphabet[k + 1];
        }
        struct slice said = sl(text, n), local, domain;
        struct slice spec = mail_addr_join(&ar, said, SL("x.test"));
        CHECK_OK(mail_addr_split(&ar, spec, &local, &domain));
        CHECK(sl_eq(local, said) && sl_eq(domain, SL("x.test")));
        CHECK(sl_eq(mail_addr_join(&ar, local, domain), spec));
        struct mail_addrs l;
        CHECK_OK(mail_addrs_parse(&ar, ar_printf(&ar, "<%.*s>", SLF(spec)), &l));
        CHECK(l.n == 1 && !l.bad && sl_eq(l.v[0].local, said));
    }
    ar_reset(&ar);
}

TEST(addr_examples_of_rfc5322)
{
    struct mail_addrs l = parse("Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>");
    CHECK_INT(l.n, 3);
    CHECK(!l.bad);
    CHECK_SL(l.v[0].name, "Mary Smith");
    CHECK_SL(l.v[0].local, "mary");
    CHECK_SL(l.v[0].domain, "x.test");
    CHECK_SL(l.v[1].name, "");
    CHECK_SL(l.v[1].domain, "example.org");
    CHECK_SL(l.v[2].name, "Who?");
    l = parse("<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>");
    CHECK_INT(l.n, 2);
    CHECK_SL(l.v[1].name, "Giant; \"Big\" Box");
    l = parse("A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;");
    CHECK_INT(l.n, 3);
    CHECK_SL(l.v[2].group, "A Group");
    l = parse("Undisclosed recipients:;");
    CHECK(l.n == 0 && !l.bad);
    l = parse("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>");
    CHECK_INT(l.n, 1);
    CHECK_SL(l.v[0].name, "Pete");
    CHECK_SL(l.v[0].local, "pete");
    CHECK_SL(l.v[0].domain, "silly.test");
    l = parse("A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
              "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)");
    CHECK_INT(l.n, 3);
    CHECK(!l.bad);
    CHECK_SL(l.v[0].group, "A Group");
    CHECK_SL(l.v[0].domain, "public.example");
    CHECK_SL(l.v[2].name, "John");
    l = parse("Joe Q. Public <john.q.public@example.com>");
    CHECK_SL(l.v[0].name, "Joe Q. Public");
    l = parse("Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example");
    CHECK_INT(l.n, 2);
    CHECK_SL(l.v[0].route, "@node.test");
    CHECK_SL(l.v[0].local, "mary");
    CHECK_SL(l.v[1].domain, "test.example");
    ar_free(&ar);
}

TEST(addr_unusual_but_good)
{
    struct mail_addrs l =
        parse("\"john doe\"@x.test, a@[192.0.2.1], b@[IPv6:2001:db8::1], j\xc3\xb6rg@b\xc3\xbc"
              "cher.test");
    CHECK_INT(l.n, 4);
    CHECK(!l.bad);
    CHECK_SL(l.v[0].local, "john doe");
    CHECK_SL(l.v[1].domain, "[192.0.2.1]");
    CHECK_SL(l.v[2].domain, "[IPv6:2001:db8::1]");
    CHECK_SL(l.v[3].local, "j\xc3\xb6rg");
    l = parse("eric@x.test (Eric Allman)");
    CHECK_SL(l.v[0].name, "Eric Allman");
    l = parse("=?utf-8?q?J=C3=B6rg?= <j@x.test>");
    CHECK_SL(l.v[0].name, "=?utf-8?q?J=C3=B6rg?=");
    l = parse("a@b.test <a@b.test>");
    CHECK_SL(l.v[0].name, "a@b.test");
    CHECK_SL(l.v[0].local, "a");
    ar_free(&ar);
}

TEST(addr_bad_elements_are_passed_over)
{
    struct mail_addrs l = parse("not an address, good@x.test, <>, <broken@>, also@y.test");
    CHECK_INT(l.n, 2);
    CHECK(l.bad);
    CHECK_SL(l.v[1].local, "also");
    CHECK_ERR(mail_addrs_parse(&ar, SL("alice"), &l), ERR_SYNTAX);
    CHECK_ERR(mail_addrs_parse(&ar, SL("<a@b.test"), &l), ERR_SYNTAX);
    CHECK_ERR(mail_addrs_parse(&ar, SL("a@b@c"), &l), ERR_SYNTAX);
    CHECK_ERR(mail_addrs_parse(&ar, SL("a b@c"), &l), ERR_SYNTAX);
    CHECK_ERR(mail_addrs_parse(&ar, SL("@b.test"), &l), ERR_SYNTAX); /* whose? */
    CHECK_ERR(mail_addrs_parse(&ar, SL("N <(c) @b.test>"), &l), ERR_SYNTAX);
    CHECK_ERR(mail_addrs_parse(&ar, SL(".@b.test"), &l), ERR_SYNTAX);
    CHECK_INT(parse("\"\"@b.test").n, 1); /* RFC 5322 section 3.2.4 allows it */
    CHECK_ERR(mail_addrs_parse(&ar, SL("a@b..c"), &l), ERR_SYNTAX);
    CHECK_ERR(mail_addrs_parse(&ar, SL("\"a\x01\"@b"), &l), ERR_SYNTAX);
    CHECK_OK(mail_addrs_parse(&ar, SL(" \r\n "), &l));
    CHECK_INT(l.n, 0);
    CHECK_ERR(mail_addrs_parse(&ar, SL("(((((unclosed"), &l), 0);
    CHECK_ERR(mail_addrs_parse(&ar, SL("\"unclosed"), &l), ERR_SYNTAX);
    l = parse("Two <a@b.test> junk, c@d.test");
    CHECK(l.n == 2 && l.bad);
    ar_free(&ar);
}

/* Costs must grow with the length, not with its square. */
TEST(addr_hostile_lengths)
{
    static const char *const units[] = {"<,", "(",   "\"", "[",  "[a",   ",", "a@b.test,",
                                        ":",  "a:;", "\\", "((", "<@a,", ")", "a<"};
    for (size_t u = 0; u < COUNT_OF(units); u++) {
        struct buf b = BUF_INIT;
        struct mail_addrs l;
        while (b.n < 256 * 1024) buf_str(&b, units[u]);
        int e = mail_addrs_parse(&ar, buf_slice(&b), &l);
        CHECK(e == 0 || e == ERR_SYNTAX || e == ERR_LIMIT);
        CHECK(l.n <= MAIL_ADDRS_MAX);
        buf_free(&b);
        ar_free(&ar);
    }
}

TEST(addr_written_with_quotes_only_where_needed)
{
    struct mail_addr m = {.name = SL("Joe Q. Public"), .local = SL("john doe"), .domain = SL("x.test")};
    CHECK_SL(mail_addr_spec(&ar, &m), "\"john doe\"@x.test");
    CHECK_SL(mail_addr_text(&ar, &m), "\"Joe Q. Public\" <\"john doe\"@x.test>");
    m = (struct mail_addr){.name = SL("J\xc3\xb6rg"), .local = SL("a.b"), .domain = SL("x.test")};
    CHECK_SL(mail_addr_text(&ar, &m), "=?utf-8?q?J=C3=B6rg?= <a.b@x.test>");
    m.name = SL("=?utf-8?q?J=C3=B6rg?=");
    CHECK_SL(mail_addr_text(&ar, &m), "=?utf-8?q?J=C3=B6rg?= <a.b@x.test>");
    m = (struct mail_addr){.local = SL("a\r\n\"\\"), .domain = SL("x\r\n.test")};
    CHECK_SL(mail_addr_text(&ar, &m), "\"a\\\"\\\\\"@x.test");
    m = (struct mail_addr){.local = SL(""), .domain = SL("x.test")};
    CHECK_SL(mail_addr_spec(&ar, &m), "\"\"@x.test");
    ar_free(&ar);
}

TEST(addr_split_is_strict)
{
    struct slice l, d;
    CHECK_OK(mail_addr_split(&ar, SL("alice@x.test"), &l, &d));
    CHECK_SL(l, "alice");
    CHECK_SL(d, "x.test");
    CHECK_OK(mail_addr_split(&ar, SL("\"a@b \\\"c\"@x.test"), &l, &d));
    CHECK_SL(l, "a@b \"c");
    CHECK_OK(mail_addr_split(&ar, SL("a@[192.0.2.1]"), &l, &d));
    CHECK_OK(mail_addr_split(&ar, SL("\xc3\xb6@\xc3\xb6.test"), &l, &d));
    static const char *const bad[] = {"alice", "@x.test", "a@",     "a..b@x", ".a@x",     "a.@x",
                                      "a b@x", "a@x.",    "a@x y",  "\"a@x",  "\"a\"b@x", "a@[1.2.3.4",
                                      "a@[]",  "a\x01@x", "\xff@x", "",       "a@b@c",    "\"a\x01\"@x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int e = mail_addr_split(&ar, sl_cstr(bad[i]), &l, &d);
        if (e != ERR_SYNTAX) test_fail(__FILE__, __LINE__, "\"%s\" is taken", bad[i]);
    }
    struct buf b = BUF_INIT;
    for (int i = 0; i < 64; i++) buf_char(&b, 'x');
    buf_str(&b, "@x.test");
    CHECK_OK(mail_addr_split(&ar, buf_slice(&b), &l, &d));
    buf_clear(&b);
    for (int i = 0; i < 65; i++) buf_char(&b, 'x');
    buf_str(&b, "@x.test");
    CHECK_ERR(mail_addr_split(&ar, buf_slice(&b), &l, &d), ERR_TOO_LONG);
    buf_free(&b);
    ar_free(&ar);
}
