/* words_test.c - dates and encoded-words. */
#include "base/test.h"
#include "base/text.h"
#include "date.h"
#include "encoded.h"

static struct arena ar;

static struct mail_date date(const char *s)
{
    struct mail_date d;
    int e = mail_date_parse(sl_cstr(s), &d);
    if (e) test_fail(__FILE__, __LINE__, "\"%s\" is refused: %s", s, err_text(e));
    return d;
}

TEST(date_forms)
{
    struct mail_date d = date("Fri, 21 Nov 1997 09:55:06 -0600"); /* RFC 5322 appendix A */
    CHECK_INT(d.seconds, 880127706);
    CHECK_INT(d.zone, -360);
    CHECK(d.zone_known);
    CHECK_INT(date("Fri,\r\n  21\r\n  Nov\r\n 1997\r\n 09:55\r\n -0600 (Newfoundland Time)").seconds,
              880127700);
}

TEST(date_obsolete_forms)
{
    CHECK_INT(date("21 Nov 97 09:55:06 GMT").seconds, 880106106);
    CHECK_INT(date("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600").seconds, 880127706);
    CHECK_INT(date("Fri, 21 Nov 1997 09:55:06 CST").seconds, 880127706);
    CHECK_INT(date("21 Nov 1997 09:55 +0000").seconds, 880106100);
    CHECK(!date("21 Nov 1997 09:55:06 Q").zone_known);
    CHECK(!date("21 Nov 1997 09:55:06 -0000").zone_known);
    CHECK_INT(date("21-Nov-1997 09:55:06 +0000").seconds, 880106106);
    CHECK_INT(date("1 January 00 00:00:00 +0000").seconds, 946684800);
    CHECK_INT(date("1 Jan 100 00:00:00 +0000").seconds, 946684800);
    CHECK_INT(date("Fri, 21 Nov 1997 09:55:06").seconds, 880106106);
}

TEST(date_refused)
{
    static const char *const bad[] = {"",
                                      "yesterday",
                                      "31 Feb 2026 00:00:00 +0000",
                                      "1 Foo 2026 00:00:00 +0000",
                                      "1 Jan 2026 25:00:00 +0000",
                                      "1 Jan 2026 00:61:00 +0000",
                                      "1 Jan 1969 00:00:00 +0000",
                                      "1 Jan 2026",
                                      "1 Jan 2026 00:00:00 +00",
                                      "1 Jan 2026 00:00:00 +0075",
                                      "1 Jan 1970 00:00:00 +0100",
                                      "1 Jan 20261 00:00:00 +0000",
                                      "(((((("};
    struct mail_date d;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (mail_date_parse(sl_cstr(bad[i]), &d) != ERR_SYNTAX)
            test_fail(__FILE__, __LINE__, "\"%s\" is taken", bad[i]);
}

TEST(date_both_ways)
{
    char b[MAIL_DATE_MAX];
    CHECK_SL(sl_cstr(mail_date_format(1795383266, 0, b)), "Sun, 22 Nov 2026 21:34:26 +0000");
    CHECK_SL(sl_cstr(mail_date_format(880127706, -360, b)), "Fri, 21 Nov 1997 09:55:06 -0600");
    CHECK_SL(sl_cstr(mail_date_format(0, 330, b)), "Thu, 1 Jan 1970 05:30:00 +0530");
    for (int64_t t = 0; t < INT64_C(200000000000); t += INT64_C(6311434567)) {
        CHECK_INT(date(mail_date_format(t, 0, b)).seconds, t);
    }
}

TEST(words_decode_examples_of_rfc2047)
{
    CHECK_SL(mail_words_decode(&ar, SL("=?US-ASCII?Q?Keith_Moore?=")), "Keith Moore");
    CHECK_SL(mail_words_decode(&ar, SL("=?ISO-8859-1?Q?Andr=E9?= Pirard")), "Andr\xc3\xa9 Pirard");
    CHECK_SL(mail_words_decode(&ar, SL("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= "
                                       "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=")),
             "If you can read this you understand the example.");
    CHECK_SL(mail_words_decode(&ar, SL("(=?ISO-8859-1?Q?a?=)")), "(a)"); /* section 8 */
    CHECK_SL(mail_words_decode(&ar, SL("(=?ISO-8859-1?Q?a?= b)")), "(a b)");
    CHECK_SL(mail_words_decode(&ar, SL("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)")), "(ab)");
    CHECK_SL(mail_words_decode(&ar, SL("(=?ISO-8859-1?Q?a_b?=)")), "(a b)");
    CHECK_SL(mail_words_decode(&ar, SL("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)")), "(a b)");
    CHECK_SL(mail_words_decode(&ar, SL("=?US-ASCII*EN?Q?Keith_Moore?=")), "Keith Moore"); /* RFC 2231 */
    ar_free(&ar);
}

TEST(words_cut_apart_are_joined)
{
    /* One character in two words: wrong, and common. */
    CHECK_SL(mail_words_decode(&ar, SL("=?utf-8?q?=C3?= =?utf-8?q?=B6?=")), "\xc3\xb6");
    CHECK_SL(mail_words_decode(&ar, SL("=?utf-8?b?w7Y=?= and =?utf-8?b?w7Y=?=")), "\xc3\xb6 and \xc3\xb6");
    ar_free(&ar);
}

TEST(words_malformed_stay)
{
    static const char *const same[] = {
        "=?utf-8?q?a=?=", "=?utf-8?q?a=4?=",         "=?utf-8?x?a?=",  "=??q?a?=",
        "=?utf-8?q?a",    "=?utf-8?q?a b?=",         "=?utf-8?q",      "=?",
        "plain text",     "=?no-such-charset?q?a?=", "=?utf-8?b?!!!?="};
    for (size_t i = 0; i < COUNT_OF(same); i++) CHECK_SL(mail_words_decode(&ar, sl_cstr(same[i])), same[i]);
    CHECK_SL(mail_words_decode(&ar, SL("a\x01\x7f"
                                       "b\xff")),
             "a  b\xef\xbf\xbd");
    CHECK_SL(mail_words_decode(&ar, SL("=?utf-8?q?a=0D=0Ab?=")), "a  b");
    ar_free(&ar);
}

TEST(words_encode)
{
    CHECK_SL(mail_text_encode(&ar, SL("Plain (text), \"yes\"")), "Plain (text), \"yes\"");
    CHECK_SL(mail_text_encode(&ar, SL("Gr\xc3\xbc\xc3\x9f"
                                      "e")),
             "=?utf-8?q?Gr=C3=BC=C3=9Fe?=");
    CHECK_SL(mail_phrase_encode(&ar, SL("Mary Smith")), "Mary Smith");
    CHECK_SL(mail_phrase_encode(&ar, SL("Smith, \"M\"")), "\"Smith, \\\"M\\\"\"");
    CHECK_SL(mail_phrase_encode(&ar, SL("")), "\"\"");
    CHECK_SL(mail_phrase_encode(&ar, SL(" a")), "\" a\"");
    CHECK_SL(mail_words_decode(&ar, mail_text_encode(&ar, SL("=?utf-8?q?a?="))), "=?utf-8?q?a?=");
    ar_free(&ar);
}

TEST(words_both_ways_within_75_bytes)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 300; i++) {
        buf_str(&b, i % 7 ? "x y" : "");
        utf8_put(&b, (uint32_t)(0xa0 + i * 97));
    }
    struct slice in = buf_slice(&b), enc = mail_text_encode(&ar, in), rest = enc, word;
    CHECK(is_ascii(enc));
    while (sl_next(&rest, ' ', &word)) CHECK(word.n <= 75);
    CHECK(sl_eq(mail_words_decode(&ar, enc), in));
    buf_clear(&b);
    for (int i = 0; i < 300; i++) utf8_put(&b, 0x4e00 + (uint32_t)i);
    enc = mail_phrase_encode(&ar, buf_slice(&b));
    CHECK(sl_starts(enc, SL("=?utf-8?b?")));
    CHECK(sl_eq(mail_words_decode(&ar, enc), buf_slice(&b)));
    buf_free(&b);
    ar_free(&ar);
}
