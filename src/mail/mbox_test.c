/* mbox_test.c - messages in mbox files. */
#include "mbox.h"

#include "base/test.h"

TEST(mbox_lines_in_front)
{
    static const struct {
        const char *line;
        int64_t seconds; /* -1: without a date; -2: no such line */
        int zone;
    } known[] = {
        {"From alice@one.test Sun Nov 22 21:34:26 2026", 1795383266, 0},
        {"From - Sun Nov  1 01:02:03 2026\r", 1793494923, 0},
        {"From alice Sun Nov 22 21:34:26 +0100 2026", 1795379666, 60},
        {"From alice Sun Nov 22 21:34:26 2026 -0030", 1795385066, -30},
        {"From alice Sun Nov 22 21:34 UTC 2026", 1795383240, 0},
        {"From a b c Sun Nov 22 21:34:26 2026", 1795383266, 0},
        {"From here on it is Nov 22 a good day", -1, 0},
        {"From ", -1, 0},
        {"From: alice", -2, 0},
        {">From alice Sun Nov 22 21:34:26 2026", -2, 0},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct mail_date d = {0};
        bool dated, is = mbox_from_line(sl_cstr(known[i].line), &d, &dated);
        CHECK(is == (known[i].seconds != -2));
        CHECK(dated == (known[i].seconds >= 0));
        if (dated) CHECK_INT(d.seconds, known[i].seconds);
        if (dated) CHECK_INT(d.zone, known[i].zone);
    }
}

TEST(mbox_fields_of_other_programs)
{
    struct arena a;
    struct mbox_head h;
    ar_init(&a, 0);
    mbox_head_parse(
        &a,
        SL("Received: from x\n by y; Sun, 22 Nov 2026 21:34:26 +0100\nStatus: RO\nSubject: s\n"
           "X-Status: AF\nX-Keywords: $Junk  two \n $junk (bad\nContent-Length: 17\nX-UID: 3\n\n"),
        &h);
    CHECK_SL(h.text, "Received: from x\n by y; Sun, 22 Nov 2026 21:34:26 +0100\nSubject: s\n\n");
    CHECK_INT(h.marks.set, MARK_SEEN | MARK_ANSWERED | MARK_FLAGGED);
    CHECK_INT(h.marks.n, 2);
    CHECK_SL(h.marks.keyword[0], "$Junk");
    CHECK_SL(h.marks.keyword[1], "two");
    CHECK(h.has_length && h.length == 17 && !h.ours && !h.pseudo);
    CHECK(h.dated && h.date.seconds == 1795379666);

    mbox_head_parse(
        &a, SL("X-Mozilla-Status: 1003\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys: $label1\nA: b\n\n"), &h);
    CHECK_INT(h.marks.set, MARK_SEEN | MARK_ANSWERED);
    CHECK_INT(h.marks.n, 2);
    CHECK_SL(h.text, "A: b\n\n");
    mbox_head_parse(&a, SL("Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\n"),
                    &h);
    CHECK(h.pseudo);
    ar_free(&a);
}

TEST(mbox_what_is_written_is_read)
{
    struct arena a;
    struct buf b = BUF_INIT;
    struct mbox_head h = {.size = 1234, .as_is = true, .zone = -90, .marks.set = 31}, got;
    ar_init(&a, 0);
    CHECK(mail_marks_add(&h.marks, SL("$Junk")) && mail_marks_add(&h.marks, SL("two")));
    CHECK(mail_marks_add(&h.marks, SL("TWO")) && !mail_marks_add(&h.marks, SL("a b")));
    mbox_head_put(&b, SL(""), 1795383266, &h);
    buf_str(&b, "Status: mine\nX-UID: mine\n\n");
    CHECK_SL(buf_slice(&b),
             "From MAILER-DAEMON Sun Nov 22 21:34:26 2026\nX-Tram-Message: 1234 as-is -90\n"
             "Status: RO\nX-Status: AFTD\nX-Keywords: $Junk two\nStatus: mine\nX-UID: mine\n\n");
    mbox_head_parse(&a, sl_from(buf_slice(&b), sl_chr(buf_slice(&b), '\n') + 1), &got);
    CHECK(got.ours && got.as_is && got.size == 1234 && got.zone == -90);
    CHECK_INT(got.marks.set, 31);
    CHECK_INT(got.marks.n, 2);
    CHECK_SL(got.text, "Status: mine\nX-UID: mine\n\n");
    buf_free(&b);
    ar_free(&a);
}

/* The text in pieces of each size, so that every border is tried. */
static void check_text(struct mbox_text how, const char *in, const char *out)
{
    struct slice s = sl_cstr(in);
    for (size_t step = 1; step <= s.n; step++) {
        struct mbox_text t = how;
        struct buf b = BUF_INIT;
        for (size_t at = 0; at < s.n; at += step) mbox_text_next(&t, sl_sub(s, at, at + step), &b);
        mbox_text_end(&t, &b);
        CHECK_SL(buf_slice(&b), out);
        buf_free(&b);
    }
}

TEST(mbox_text_there_and_back)
{
    struct mbox_text out = {.quote = true, .to_lf = true}, in = {.unquote = true, .to_crlf = true};
    check_text(out, "From a\r\n>From b\r\n>>Fro\r\nx From \r\n>", ">From a\n>>From b\n>>Fro\nx From \n>");
    check_text(in, ">From a\n>>From b\n>>Fro\nx From \n>", "From a\r\n>From b\r\n>>Fro\r\nx From \r\n>");
    check_text(in, "From a\n", "From a\r\n"); /* bare: nothing to take away */
    check_text(in, "a\r\nb\rc\r\r\nd\r", "a\r\nb\rc\r\r\nd\r");
    check_text((struct mbox_text){.quote = true}, "a\r\nFrom \n\r\r\n", "a\r\n>From \n\r\r\n");
    check_text((struct mbox_text){0}, ">From \r\n\r", ">From \r\n\r");
}

TEST(mbox_ends)
{
    static const struct {
        const char *text;
        uint64_t end, next;
    } known[] = {
        {"body\n\nFrom x Sun Nov 22 21:34:26 2026\nA: b\n", 5, 6},
        {"body\r\n\r\nFrom x Sun Nov 22 21:34:26 2026\r\n", 6, 8},
        {"From x Sun Nov 22 21:34:26 2026\n", 0, 0}, /* no body at all */
        {"body\nFrom x Sun Nov 22 21:34:26 2026\n\nFrom here\n", 48, 48},
        {"body\n\n", 5, 6},
        {"body\n\n\n", 6, 7},
        {"body", 4, 4},
        {"", 0, 0},
        {"body\n\nFrom x Sun Nov 22 21:34:26 2026", 5, 6},
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        struct slice s = sl_cstr(known[i].text);
        for (size_t step = 1; step <= s.n + 1; step++) {
            struct mbox_end e = {.empty = true};
            for (size_t at = 0; at < s.n && !mbox_end_next(&e, sl_sub(s, at, at + step)); at += step)
                continue;
            mbox_end_last(&e);
            CHECK_INT(e.text, known[i].end);
            CHECK_INT(e.found, known[i].next);
        }
    }
}
