/* maildir_test.c - names of files in a Maildir. */
#include "maildir.h"

#include "base/test.h"

TEST(maildir_names_of_other_programs)
{
    static const struct {
        const char *name;
        uint64_t time;
        unsigned marks;
        uint32_t letters;
        bool as_is, passed;
    } known[] = {
        {"1700000000.M20046P2137.host,S=4542,W=4642:2,Sac", 1700000000, MARK_SEEN, 5, false, false},
        {"1700000000.M1P2.host,S=4642,W=4642:2,FRST", 1700000000, 15, 0, true, false},
        {"1700000000.R17.host,U=5:2,DFPRST", 1700000000, 31, 0, false, true},
        {"1700000000.host", 1700000000, 0, 0, false, false},
        {"1700000000.host:1,S", 1700000000, 0, 0, false, false}, /* experimental: says nothing */
        {"unusual:2,S", 0, MARK_SEEN, 0, false, false},
        {"99999999999999999999.x:2,", 0, 0, 0, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct maildir_name n;
        CHECK(maildir_name_parse(sl_cstr(known[i].name), &n));
        CHECK_INT(n.time, known[i].time);
        CHECK_INT(n.marks, known[i].marks);
        CHECK_INT(n.letters, known[i].letters);
        CHECK(n.as_is == known[i].as_is && n.passed == known[i].passed && !n.uid);
    }
    struct maildir_name n;
    CHECK(!maildir_name_parse(SL(".hidden"), &n) && !maildir_name_parse(SL(""), &n));
}

TEST(maildir_names_are_read_as_written)
{
    struct buf b = BUF_INIT;
    struct maildir_name n = {.time = 1700000000,
                             .zone = -90,
                             .validity = 7,
                             .uid = 4294967295,
                             .marks = 31,
                             .passed = true,
                             .letters = 0x2000001},
                        got;
    maildir_name_put(&b, &n, 100, 100);
    CHECK_SL(buf_slice(&b), "1700000000.V7U4294967295.tram,V=7,U=4294967295,S=100,W=100,Z=-90:2,DFPRSTaz");
    CHECK(maildir_name_parse(buf_slice(&b), &got));
    CHECK(got.time == n.time && got.zone == n.zone && got.validity == 7 && got.uid == n.uid);
    CHECK(got.marks == 31 && got.passed && got.letters == n.letters && got.as_is);
    buf_free(&b);
}

TEST(maildir_keywords_of_dovecot)
{
    unsigned at;
    struct slice name;
    CHECK(maildir_keyword(SL("0 $Junk"), &at, &name));
    CHECK_INT(at, 0);
    CHECK_SL(name, "$Junk");
    CHECK(maildir_keyword(SL("25 x"), &at, &name) && at == 25);
    CHECK(!maildir_keyword(SL("26 x"), &at, &name) && !maildir_keyword(SL("x"), &at, &name));
    CHECK(!maildir_keyword(SL("1 "), &at, &name) && !maildir_keyword(SL("-1 x"), &at, &name));
}
