/* authres_test.c - the Authentication-Results field (RFC 8601): written, read, forged. */
#include "authres.h"

#include "base/test.h"
#include "base/text.h"

static void check_lines(struct slice f)
{
    size_t line = 0;
    for (size_t i = 0; i < f.n; i++, line++) {
        if (f.p[i] == '\r') CHECK(i + 1 < f.n && f.p[i + 1] == '\n');
        if (f.p[i] != '\n') continue;
        CHECK(i + 1 == f.n || f.p[i + 1] == '\t');
        CHECK(line <= 998);
        line = 0;
    }
    CHECK(sl_ends(f, SL("\r\n")));
}

TEST(authres_written)
{
    struct arena a = {0};
    struct authres r = {.authserv_id = SL("mail.example.org")};
    CHECK_SL(authres_field(&a, &r), "Authentication-Results: mail.example.org; none\r\n");
    struct authres_info *i = authres_add(&a, &r, SL("spf"), SL("pass"));
    authres_prop(&a, i, "smtp", "mailfrom", SL("example.com"));
    i = authres_add(&a, &r, SL("dkim"), SL("fail"));
    i->comment = SL("the body was (changed)");
    authres_prop(&a, i, "header", "i", SL("@example.com"));
    authres_prop(&a, i, "header", "b", SL("ab/+cd=="));
    authres_prop(&a, i, "header", "s", SL(""));
    i = authres_add(&a, &r, SL("dmarc"), SL("none"));
    i->reason = SL("say \"so\"");
    i = authres_add(&a, &r, SL("auth"), SL("pass"));
    authres_prop(&a, i, "smtp", "auth", SL("odd name@example.com"));
    struct slice f = authres_field(&a, &r);
    CHECK_SL(f, "Authentication-Results: mail.example.org;\r\n"
                "\tspf=pass smtp.mailfrom=example.com;\r\n"
                "\tdkim=fail (the body was \\(changed\\)) header.i=@example.com\r\n"
                "\theader.b=\"ab/+cd==\";\r\n"
                "\tdmarc=none reason=\"say \\\"so\\\"\";\r\n"
                "\tauth=pass smtp.auth=\"odd name\"@example.com\r\n");
    check_lines(f);
    ar_free(&a);
}

TEST(authres_hostile_values_are_harmless)
{
    static const char *const values[] = {
        "x\r\nX-Evil: yes",
        "x; dkim=pass header.d=bank.example",
        "x\" ; spf=pass",
        "x (",
        "x\\",
        ")",
        "\"",
        "a\tb",
        "\377\376",
        "a@b; dmarc=pass",
        "evil@exa mple.com",
        "\xe2\x80\xa8next",
        "@",
        "a@",
        "b\"c@example.com",
    };
    for (size_t k = 0; k < COUNT_OF(values); k++) {
        struct arena a = {0};
        struct authres r = {.authserv_id = SL("us.example")}, back;
        struct authres_info *i = authres_add(&a, &r, SL("spf"), SL("fail"));
        i->comment = i->reason = sl_cstr(values[k]);
        authres_prop(&a, i, "smtp", "helo", sl_cstr(values[k]));
        struct slice f = authres_field(&a, &r);
        check_lines(f);
        CHECK_OK(authres_parse(&a, sl_from(f, 23), &back));
        REQUIRE(back.n == 1);
        CHECK_SL(back.info[0].result, "fail");
        CHECK_INT(back.info[0].nprop, 1);
        ar_free(&a);
    }
}

TEST(authres_long_values_are_cut)
{
    struct arena a = {0};
    char big[5000];
    memset(big, 'x', sizeof big);
    struct authres r = {.authserv_id = sl(big, sizeof big)};
    struct authres_info *i = authres_add(&a, &r, SL("spf"), SL("fail"));
    i->comment = sl(big, sizeof big);
    authres_prop(&a, i, "smtp", "helo", sl(big, sizeof big));
    check_lines(authres_field(&a, &r));
    memset(big, '"', sizeof big);
    check_lines(authres_field(&a, &r));
    memset(big, '(', sizeof big);
    check_lines(authres_field(&a, &r));
    while (authres_add(&a, &r, SL("dkim"), SL("pass"))) continue;
    CHECK_INT(r.n, AUTHRES_INFO_MAX);
    CHECK_SL(r.info[0].method, "spf");
    ar_free(&a);
}

static struct authres read_ok(struct arena *a, const char *text)
{
    struct authres r;
    int e = authres_parse(a, sl_cstr(text), &r);
    if (e) test_fail(__FILE__, __LINE__, "\"%s\": %s", text, err_text(e));
    return r;
}

/* RFC 8601 appendix B, and section 2. */
TEST(authres_read_examples)
{
    struct arena a = {0};
    struct authres r = read_ok(&a, " example.org 1; none");
    CHECK_SL(r.authserv_id, "example.org");
    CHECK_INT(r.version, 1);
    CHECK_INT(r.n, 0);
    r = read_ok(&a, " example.com;\r\n          spf=pass smtp.mailfrom=example.net");
    REQUIRE(r.n == 1);
    CHECK_SL(r.info[0].prop[0].property, "mailfrom");
    r = read_ok(
        &a,
        "example.com; auth=pass (cram-md5) smtp.auth=sender@example.net; spf=pass smtp.mailfrom=example.net");
    REQUIRE(r.n == 2);
    CHECK_SL(r.info[0].prop[0].value, "sender@example.net");
    r = read_ok(
        &a,
        "foo.example.net (foobar) 1 (baz); dkim (Because I like it) / 1 (One yay) = (wait for it) fail\r\n"
        " policy (A dot can go here) . (like that) expired\r\n (this surprised me) = (as I wasn't expecting "
        "it) 1362471462");
    REQUIRE(r.n == 1);
    CHECK_SL(r.authserv_id, "foo.example.net");
    CHECK_SL(r.info[0].method, "dkim");
    CHECK_INT(r.info[0].version, 1);
    CHECK_SL(r.info[0].result, "fail");
    CHECK_SL(r.info[0].prop[0].ptype, "policy");
    CHECK_SL(r.info[0].prop[0].property, "expired");
    CHECK_SL(r.info[0].prop[0].value, "1362471462");
    r = read_ok(&a, "example.com; dkim=pass reason=\"good signature\" header.i=@mail-router.example.net; "
                    "dkim=fail reason=\"bad\" "
                    "header.i=@newyork.example.com");
    REQUIRE(r.n == 2);
    CHECK_SL(r.info[0].reason, "good signature");
    CHECK_SL(r.info[1].prop[0].value, "@newyork.example.com");
    r = read_ok(&a, "example.com; foo=pass bar.baz=blob (2 of 3 tests OK)");
    CHECK_SL(r.info[0].prop[0].value, "blob");
    r = read_ok(&a, "\"a b\"; dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from=example.com;");
    CHECK_SL(r.authserv_id, "a b");
    r = read_ok(&a, "x.example; dkim=pass header.b=aB/+9= header.i=\"odd user\"@example.com");
    CHECK_SL(r.info[0].prop[0].value, "aB/+9=");
    CHECK_SL(r.info[0].prop[1].value, "odd user@example.com");
    ar_free(&a);
}

TEST(authres_bad_ones)
{
    static const char *const bad[] = {
        "",
        ";",
        "; spf=pass",
        "x.example; spf",
        "x.example; spf=",
        "x.example; =pass",
        "x.example; spf=pass smtp",
        "x.example; spf=pass smtp.",
        "x.example; spf=pass smtp.mailfrom",
        "x.example; spf=pass smtp.mailfrom=",
        "x.example (open",
        "x.example; spf=pass reason=\"open",
        "x.example spf=pass",
        "x.example; spf=pass, dkim=pass",
        "x.example; spf/=pass",
        "((((((((((((((((((((((((((((((((((((deep",
    };
    struct arena a = {0};
    struct authres r;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (authres_parse(&a, sl_cstr(bad[i]), &r) != ERR_SYNTAX)
            test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
    CHECK_ERR(authres_parse(&a, SL("x.example 2; spf=pass"), &r), ERR_UNSUPPORTED);
    struct buf b = BUF_INIT;
    buf_str(&b, "x.example");
    for (int i = 0; i <= AUTHRES_INFO_MAX; i++) buf_str(&b, ";spf=pass");
    CHECK_ERR(authres_parse(&a, buf_slice(&b), &r), ERR_LIMIT);
    buf_free(&b);
    ar_free(&a);
}

TEST(authres_forged_ones_are_found)
{
    static const struct {
        const char *name, *body;
        bool forged;
    } cases[] = {
        {"Authentication-Results", " mail.us.example; dkim=pass header.d=bank.example", true},
        {"authentication-results", " MAIL.US.EXAMPLE; spf=pass", true},
        {"Authentication-Results ", "mail.us.example;none", true},
        {"Authentication-Results", " (hidden) mail.us.example (there) 1 ; spf=pass", true},
        {"Authentication-Results", "\r\n\t\"mail.us.example\"; spf=pass", true},
        {"Authentication-Results", " \"mail.us\\.example\"; spf=pass", true},
        {"Authentication-Results", " mail.us.example./x; spf=pass", true},
        {"Authentication-Results", " mail.us.example.; spf=pass", true},
        {"Authentication-Results", " mail.us.example spf=pass", true}, /* malformed, but starts as ours */
        {"Authentication-Results", " (open mail.us.example; spf=pass", true}, /* malformed, names us */
        {"Authentication-Results", " elsewhere.example 2; spf=pass",
         true}, /* a version that we do not know */
        {"Authentication-Results", " b\303\274cher.us.example; spf=pass", true},
        {"Authentication-Results", " xn--bcher-kva.us.example; spf=pass", true},
        {"Authentication-Results", " mail.other.example; spf=pass (mail.us.example)", false},
        {"Authentication-Results", " notmail.us.example; spf=pass", false},
        {"Authentication-Results", " elsewhere.example; spf=pass", false},
        {"ARC-Authentication-Results", " i=1; mail.us.example; spf=pass", false},
        {"X-Authentication-Results", " mail.us.example; spf=pass", false},
    };
    struct slice ours[] = {SL("mail.us.example"), SL("b\303\274cher.us.example"),
                           SL("xn--bcher-kva.us.example"), SL("")};
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (authres_is_forged(sl_cstr(cases[i].name), sl_cstr(cases[i].body), ours, COUNT_OF(ours)) !=
            cases[i].forged)
            test_fail(__FILE__, __LINE__, "%s:%s", cases[i].name, cases[i].body);
    ar_free(&a);
}
