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
    sasl_put(&b, SASL_ALL, "", " ");
    CHECK_SL(sl_trim(buf_slice(&b)), SASL_WORDS);
    buf_clear(&b);
    sasl_put(&b, sasl_offered(SASL_SCRAM_PLUS | SASL_LOGIN, false), "<", ">");
    CHECK_SL(buf_slice(&b), "<LOGIN>");
    CHECK_INT(sasl_offered(0, true), SASL_ALL);
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
