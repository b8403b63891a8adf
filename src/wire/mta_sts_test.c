/* mta_sts_test.c - policies as served, and what is none (RFC 8461 sections 3.1, 3.2, 4.1). */
#include "mta_sts.h"

#include "base/test.h"
#include "base/text.h"

TEST(mta_sts_policy_of_the_rfc)
{
    struct arena a = {0};
    struct mta_sts_policy p;
    CHECK_OK(mta_sts_parse(&a,
                           SL("version: STSv1\r\nmode: enforce\r\nmx: mail.Example.com\r\n"
                              "mx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n"),
                           &p));
    CHECK_INT(p.mode, MTA_STS_ENFORCE);
    CHECK_INT(p.max_age, 604800);
    CHECK_INT(p.nmx, 3);
    CHECK(mta_sts_allows(&p, SL("MAIL.example.com")));
    CHECK(mta_sts_allows(&p, SL("a.example.net")));
    CHECK(!mta_sts_allows(&p, SL("a.b.example.net")));
    CHECK(!mta_sts_allows(&p, SL("example.net")));
    CHECK(!mta_sts_allows(&p, SL(".example.net")));
    CHECK(!mta_sts_allows(&p, SL("example.com")));
    /* the last line without its end, bare LF, blanks, unknown fields, one that stands twice */
    CHECK_OK(mta_sts_parse(
        &a, SL("version:STSv1\nmode :testing\nfoo: bar\nmode: enforce\nmax_age: 1\nmx: a.test"), &p));
    CHECK_INT(p.mode, MTA_STS_TESTING);
    CHECK_OK(mta_sts_parse(&a, SL("version: STSv1\nmode: none\nmax_age: 0\n"), &p));
    ar_free(&a);
}

TEST(mta_sts_what_is_no_policy)
{
    static const char *const wrong[] = {
        "",
        "\n",
        "mode: enforce\nversion: STSv1\nmx: a.test\nmax_age: 1\n",
        "version: STSv2\nmode: none\nmax_age: 1\n",
        "<html><title>404</title></html>",
        "version: STSv1\nmode: enforce\nmax_age: 1\n",
        "version: STSv1\nmx: a.test\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a.test\n",
        "version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 31557601\n",
        "version: STSv1\nmode: enforce\nmx: a.test\nmax_age: -1\n",
        "version: STSv1\nmode: enforce\nmx: *\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: *.*.test\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a.test.\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a..test\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: a test\nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nmx: \nmax_age: 1\n",
        "version: STSv1\nmode: enforce\nnonsense\nmx: a.test\nmax_age: 1\n",
    };
    struct arena a = {0};
    struct mta_sts_policy p;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (mta_sts_parse(&a, sl_cstr(wrong[i]), &p) != ERR_SYNTAX)
            test_fail(__FILE__, __LINE__, "%s", wrong[i]);
    CHECK_ERR(mta_sts_parse(&a, SL("version: STSv1\n\0mode: none"), &p), ERR_SYNTAX);
    ar_free(&a);
}

TEST(mta_sts_records)
{
    CHECK_SL(mta_sts_id(SL("v=STSv1; id=20160831085700Z;")), "20160831085700Z");
    CHECK_SL(mta_sts_id(SL("v=STSv1;id=1")), "1");
    CHECK_SL(mta_sts_id(SL("v=STSv1; x=y; id=abc ; z")), "abc");
    static const char *const none[] = {"",
                                       "v=STSv1",
                                       "v=STSv1;",
                                       "v=STSv1; id=;",
                                       "v=STSv1; id=a-b",
                                       "v=STSv2; id=1",
                                       "id=1; v=STSv1",
                                       "v=STSv1; id=123456789012345678901234567890123"};
    for (size_t i = 0; i < COUNT_OF(none); i++) CHECK_INT(mta_sts_id(sl_cstr(none[i])).n, 0);
}
