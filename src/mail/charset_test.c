/* charset_test.c - conversion and folding. */
#include "charset.h"

#include "base/test.h"
#include "base/text.h"

static struct arena ar;

static struct slice stream(const char *name, struct slice in, size_t step)
{
    struct charset c;
    struct buf b = BUF_INIT;
    CHECK_OK(charset_begin(&c, sl_cstr(name)));
    for (size_t i = 0; i < in.n; i += step) charset_feed(&c, sl_sub(in, i, i + step), &b);
    charset_end(&c, &b);
    struct slice out = ar_dup(&ar, buf_slice(&b));
    CHECK(utf8_valid(out));
    buf_free(&b);
    return out;
}

TEST(charset_streams)
{
    for (size_t step = 1; step < 6; step++) {
        CHECK_SL(stream("ISO-8859-1", SL("caf\xe9"), step), "caf\xc3\xa9");
        CHECK_SL(stream("iso-2022-jp", SL("\x1b$B%F\x1b(B."), step), "\xe3\x83\x86.");
        CHECK_SL(stream("Shift_JIS", SL("\x83\x65"), step), "\xe3\x83\x86");
        CHECK_SL(stream("utf-16le", SL("a\0\xac\x20"), step), "a\xe2\x82\xac");
        CHECK_SL(stream("UTF-8", SL("a\xe2\x82\xac\xff-\xe2\x82"), step),
                 "a\xe2\x82\xac\xef\xbf\xbd-\xef\xbf\xbd");
        CHECK_SL(stream("us-ascii", SL("\xc3\xa9\xc3"), step), "\xc3\xa9\xef\xbf\xbd");
        CHECK_SL(stream("gb2312", SL("\xc4\xe3"), step), "\xe4\xbd\xa0");
        CHECK_SL(stream("koi8-r", SL("\xf0"), step), "\xd0\x9f");
    }
    ar_free(&ar);
}

/* Their converters hold a letter back until they know what follows. */
TEST(charset_ends_with_its_last_letter)
{
    for (size_t step = 1; step < 4; step++) {
        CHECK_SL(stream("windows-1255", SL("\xf9\xec"), step), "\xd7\xa9\xd7\x9c");
        CHECK_SL(stream("windows-1258", SL("ta"), step), "ta");
        CHECK_SL(stream("TCVN", SL("ta"), step), "ta");
    }
    CHECK_SL(charset_to_utf8(&ar, SL("windows-1255"), SL("\xf9")), "\xd7\xa9");
    ar_free(&ar);
}

TEST(charset_names)
{
    CHECK(charset_known(SL("UTF-8")) && charset_known(SL("")) && charset_known(SL("windows-1252")));
    CHECK(!charset_known(SL("x-nonsense")));
    CHECK(!charset_known(SL("utf-8//TRANSLIT")));
    CHECK(!charset_known(SL("../../etc/passwd")));
    CHECK(!charset_known(SL("utf-8\0x")));
    CHECK_SL(charset_to_utf8(&ar, SL("nonsense"), SL("a\xff")), "a\xef\xbf\xbd");
    struct charset c;
    struct buf b = BUF_INIT;
    CHECK_ERR(charset_begin(&c, SL("nonsense")), ERR_UNSUPPORTED);
    charset_feed(&c, SL("ok"), &b);
    charset_end(&c, &b);
    CHECK_SL(buf_slice(&b), "ok");
    buf_free(&b);
    ar_free(&ar);
}

TEST(charset_garbage_stays_bounded_and_valid)
{
    static const char *const names[] = {"utf-16", "utf-32", "iso-2022-jp", "iso-2022-kr", "gb18030",
                                        "big5",   "utf-7",  "euc-jp",      "cp949"};
    char junk[3000];
    for (size_t i = 0; i < sizeof junk; i++) junk[i] = (char)(i * 2654435761u >> 13);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        for (size_t step = 1; step < 3000; step = step * 3 + 1)
            CHECK(stream(names[i], sl(junk, sizeof junk), step).n <= sizeof junk * 4);
    ar_free(&ar);
}

TEST(fold_makes_equal_text_equal)
{
    CHECK_SL(fold_utf8_ar(&ar, SL("Hello WORLD")), "hello world");
    char all[128], want[128];
    for (int i = 0; i < 128; i++) all[i] = (char)i, want[i] = sl_lower((char)i);
    CHECK(sl_eq(fold_utf8_ar(&ar, sl(all, 128)), sl(want, 128)));
    CHECK(sl_eq(fold_utf8_ar(&ar, sl(all + 3, 101)), sl(want + 3, 101)));
    CHECK(sl_eq(fold_utf8_ar(&ar, SL("STRASSE")), fold_utf8_ar(&ar, SL("stra\xc3\x9f"
                                                                       "e"))));
    CHECK(sl_eq(fold_utf8_ar(&ar, SL("\xc3\x89t\xc3\xa9")), fold_utf8_ar(&ar, SL("e\xcc\x81TE\xcc\x81"))));
    CHECK(sl_eq(fold_utf8_ar(&ar, SL("\xef\xac\x81n")), fold_utf8_ar(&ar, SL("FIN"))));
    CHECK(sl_eq(fold_utf8_ar(&ar, SL("\xd0\x9f\xd0\xa0\xd0\x98")),
                fold_utf8_ar(&ar, SL("\xd0\xbf\xd1\x80\xd0\xb8"))));
    CHECK(utf8_valid(fold_utf8_ar(&ar, SL("a\xff\xfe\xc3"))));
    struct buf b = BUF_INIT, f = BUF_INIT;
    for (int i = 0; i < 5000; i++) buf_str(&b, "\xd0\x9f");
    fold_utf8(&f, buf_slice(&b));
    CHECK_INT(f.n, 10000);
    buf_free(&b);
    buf_free(&f);
    ar_free(&ar);
}
