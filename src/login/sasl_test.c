/* sasl_test.c - the messages of a login. The exchange is tested through the servers. */
#include "sasl.h"

#include "base/test.h"

TEST(sasl_plain)
{
    struct sasl_plain p;
    CHECK_OK(sasl_plain_parse(sl("\0tim\0tanstaaftanstaaf", 21), &p)); /* RFC 4616 section 4 */
    CHECK_SL(p.authcid, "tim");
    CHECK_SL(p.password, "tanstaaftanstaaf");
    CHECK_OK(sasl_plain_parse(sl("Ursel\0Kurt\0xipj3plmq", 20), &p));
    CHECK_SL(p.authzid, "Ursel");
    CHECK_ERR(sasl_plain_parse(SL(""), &p), ERR_SYNTAX);
    CHECK_ERR(sasl_plain_parse(sl("\0a", 2), &p), ERR_SYNTAX);
    CHECK_ERR(sasl_plain_parse(sl("\0a\0", 3), &p), ERR_SYNTAX);
    CHECK_ERR(sasl_plain_parse(sl("\0\0b", 3), &p), ERR_SYNTAX);
    CHECK_ERR(sasl_plain_parse(sl("\0a\0b\0c", 6), &p), ERR_SYNTAX);
    CHECK_ERR(sasl_plain_parse(sl("\0a\0\xff", 4), &p), ERR_SYNTAX);
}

TEST(sasl_names)
{
    struct buf b = BUF_INIT;
    sasl_put(&b, (unsigned)SASL_ALL | SASL_SCRAM_SHA1 | SASL_TOKENS, "", " ");
    CHECK_SL(sl_trim(buf_slice(&b)), SASL_WORDS);
    buf_clear(&b);
    sasl_put(&b, sasl_offered(SASL_SCRAM_PLUS | SASL_LOGIN | SASL_EXTERNAL, NULL), "<", ">");
    CHECK_SL(buf_slice(&b), "<LOGIN>");
    CHECK_INT(sasl_offered(0, NULL), SASL_ALL & ~SASL_SCRAM_PLUS);
    buf_free(&b);
}

TEST(sasl_lines)
{
    struct arena a;
    struct slice s;
    ar_init(&a, 0);
    CHECK_OK(sasl_line_decode(&a, SL("AHRpbQ=="), &s));
    CHECK_INT(s.n, 4);
    CHECK_OK(sasl_line_decode(&a, SL("="), &s));
    CHECK_INT(s.n, 0);
    CHECK_ERR(sasl_line_decode(&a, SL("*"), &s), ERR_CANCELED);
    CHECK_ERR(sasl_line_decode(&a, SL("AHRpbQ"), &s), ERR_SYNTAX);
    CHECK_ERR(sasl_line_decode(&a, SL("!!"), &s), ERR_SYNTAX);
    ar_free(&a);
}

/* RFC 7628 section 4.1, and what is none. The exchange is tested with an issuer in tests/whole. */
TEST(sasl_bearer)
{
    static const char *const bad[] = {"",
                                      "\1\1",
                                      "n,a=u@x,\1auth=Bearer \1\1",
                                      "n,a=u@x,\1auth=Basic t\1\1",
                                      "p=x,a=u@x,\1auth=Bearer t\1\1",
                                      "n,b=u@x,\1auth=Bearer t\1\1",
                                      "n,a=u@x\1auth=Bearer t\1\1",
                                      "n,a=u@x,\1auth=Bearer t\1auth=Bearer t\1\1",
                                      "n,a=u@x,\1auth=Bearer a b\1\1",
                                      "n,a=u@x,\1auth=Bearer =\1\1"};
    struct sasl_bearer b;
    CHECK_OK(sasl_bearer_parse(SL("n,a=user@example.com,\1host=server.example.com\1port=587\1"
                                  "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\1\1"),
                               false, &b));
    CHECK_SL(b.user, "user@example.com");
    CHECK_SL(b.token, "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
    CHECK_OK(sasl_bearer_parse(SL("n,,\1auth=bearer t\1\1"), false, &b));
    CHECK_INT(b.user.n, 0);
    CHECK_OK(sasl_bearer_parse(SL("user=u@x\1auth=Bearer t.t-t\1\1"), true, &b));
    CHECK_SL(b.user, "u@x");
    CHECK_ERR(sasl_bearer_parse(SL("n,a=u@x,\1auth=Bearer t\1\1"), true, &b), ERR_SYNTAX);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_ERR(sasl_bearer_parse(sl_cstr(bad[i]), false, &b), ERR_SYNTAX);
}
