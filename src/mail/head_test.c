/* head_test.c - header sections, good and bad. */
#include "head.h"

#include "base/buf.h"
#include "base/test.h"

static struct arena ar;

static struct mail_head parse(const char *s)
{
    struct mail_head h;
    CHECK_OK(mail_head_parse(&ar, sl_cstr(s), &h));
    return h;
}

TEST(head_fields_are_slices_of_the_message)
{
    struct mail_head h = parse("From: a@b.test\r\nSubject:  one\r\n\ttwo \r\nX-Empty:\r\n\r\nbody: no\r\n");
    CHECK_INT(h.n, 3);
    CHECK(h.complete && !h.bad_fields);
    CHECK_SL(h.field[1].raw, "Subject:  one\r\n\ttwo \r\n");
    CHECK_SL(h.field[1].name, "Subject");
    CHECK_SL(h.field[1].body, "  one\r\n\ttwo ");
    CHECK_SL(h.field[2].body, "");
    CHECK_INT(h.size, strlen("From: a@b.test\r\nSubject:  one\r\n\ttwo \r\nX-Empty:\r\n"));
    CHECK_INT(h.body_at, h.size + 2);
    bool found;
    CHECK_SL(mail_head_get(&ar, &h, SL("subject"), &found), "one\ttwo");
    CHECK(found);
    CHECK_SL(mail_head_get(&ar, &h, SL("To"), &found), "");
    CHECK(!found);
    ar_free(&ar);
}

TEST(head_without_an_empty_line_is_incomplete)
{
    struct mail_head h = parse("A: 1\r\nB: 2");
    CHECK(!h.complete);
    CHECK_INT(h.n, 2);
    CHECK_SL(h.field[1].body, " 2");
    CHECK_INT(h.size, 10);
    CHECK_INT(h.body_at, 10);
    h = parse("");
    CHECK(!h.complete && h.n == 0);
    h = parse("\r\nbody");
    CHECK(h.complete && h.n == 0 && h.body_at == 2 && h.size == 0);
    h = parse("A: 1\r\n\r");
    CHECK(!h.complete && h.bad_fields);
    ar_free(&ar);
}

TEST(head_accepts_bare_lf_in_stored_mail)
{
    struct mail_head h = parse("A: 1\nB: 2\n 3\n\nbody");
    CHECK(h.complete);
    CHECK_INT(h.n, 2);
    CHECK_INT(h.body_at, 14);
    CHECK_SL(mail_head_get(&ar, &h, SL("B"), NULL), "2 3");
    ar_free(&ar);
}

TEST(head_marks_what_is_no_field)
{
    struct mail_head h = parse("From alice Sat Jan  1 10:00:00 2026\r\n"
                               " continuation\r\n"
                               "Old-Style  \t: yes\r\n"
                               ": no name\r\n"
                               "B\xc3\xa4r: x\r\n"
                               "no colon\r\n"
                               "To: b@c.test\r\n\r\n");
    CHECK_INT(h.n, 6);
    CHECK(h.bad_fields && h.complete);
    CHECK(h.field[0].bad && h.field[0].name.n == 0);
    CHECK_SL(h.field[0].raw, "From alice Sat Jan  1 10:00:00 2026\r\n continuation\r\n");
    CHECK(!h.field[1].bad);
    CHECK_SL(h.field[1].name, "Old-Style");
    CHECK(h.field[2].bad && h.field[3].bad && h.field[4].bad && !h.field[5].bad);
    CHECK(!mail_head_find(&h, SL(""), 0));
    CHECK_INT(mail_head_count(&h, SL("")), 0);
    h = parse(" starts with a blank\r\nA: 1\r\n\r\n");
    CHECK_INT(h.n, 2);
    CHECK(h.field[0].bad);
    ar_free(&ar);
}

TEST(head_finds_by_name_and_index)
{
    struct mail_head h = parse("Received: 1\r\nTo: x\r\nreceived: 2\r\nRECEIVED: 3\r\n\r\n");
    CHECK_INT(mail_head_count(&h, SL("Received")), 3);
    const struct mail_field *f = mail_head_find(&h, SL("Received"), 1);
    REQUIRE(f);
    CHECK_INT(f - h.field, 2);
    CHECK(!mail_head_find(&h, SL("Received"), 4));
    ar_free(&ar);
}

TEST(head_limits)
{
    struct buf b = BUF_INIT;
    struct mail_head h;
    for (int i = 0; i < MAIL_FIELDS_MAX; i++) buf_str(&b, "A: b\r\n");
    CHECK_OK(mail_head_parse(&ar, buf_slice(&b), &h));
    CHECK_INT(h.n, MAIL_FIELDS_MAX);
    buf_str(&b, "A: b\r\n");
    CHECK_ERR(mail_head_parse(&ar, buf_slice(&b), &h), ERR_LIMIT);
    buf_clear(&b);
    buf_str(&b, "A: ");
    while (b.n < MAIL_HEAD_MAX - 2) buf_char(&b, 'x');
    buf_str(&b, "\r\n\r\n");
    CHECK_OK(mail_head_parse(&ar, buf_slice(&b), &h));
    CHECK_INT(h.size, MAIL_HEAD_MAX);
    buf_clear(&b);
    buf_str(&b, "A: ");
    while (b.n < MAIL_HEAD_MAX - 1) buf_char(&b, 'x');
    buf_str(&b, "\r\n\r\n");
    CHECK_ERR(mail_head_parse(&ar, buf_slice(&b), &h), ERR_LIMIT);
    buf_free(&b);
    ar_free(&ar);
}

TEST(unfolding_leaves_no_line_ends)
{
    CHECK_SL(mail_unfold(&ar, SL(" a\r\n b\r\n\t c \r\n ")), "a b\t c");
    CHECK_SL(mail_unfold(&ar, SL("a\rb\nc\r\nd")), "a b c d");
    struct slice plain = SL("  plain ");
    CHECK(mail_unfold(&ar, plain).p == plain.p + 2);
    ar_free(&ar);
}
