/* handed_test.c - what local programs hand over. */
#include "base/test.h"
#include "handed.h"

static struct slice list(struct arena *a, const char *s)
{
    return mail_handed_list(a, sl_cstr(s), SL("x.test"));
}

TEST(handed_bare_names_are_completed)
{
    struct arena a = {0};
    CHECK_SL(list(&a, " root (Cron Daemon)"), " root@x.test (Cron Daemon)");
    CHECK_SL(list(&a, "Joe Doe <joe>"), "Joe Doe <joe@x.test>");
    CHECK_SL(list(&a, "a, b@y.test, \"c d\", <e>"), "a@x.test, b@y.test, \"c d\"@x.test, <e@x.test>");
    CHECK_SL(list(&a, "friends: a, b;, c"), "friends: a@x.test, b@x.test;, c@x.test");
    CHECK_SL(list(&a, "(who) a.b (x@y)\r\n"), "(who) a.b@x.test (x@y)\r\n");
    CHECK_SL(list(&a, "a,\r\n b"), "a@x.test,\r\n b@x.test");
    ar_free(&a);
}

TEST(handed_other_lists_stay_as_they_are)
{
    static const char *const stay[] = {"a@y.test",
                                       "A B <a@y.test>",
                                       "two words",
                                       "",
                                       " , ;",
                                       "undisclosed:;",
                                       "\"a@b\" <c@d>",
                                       "a @ y.test",
                                       "(a)",
                                       "Joe <joe@y.test> b",
                                       "<>",
                                       "a(c)b",
                                       "\"open",
                                       "a <b c>",
                                       "<a@b>, \"c\"@d",
                                       "(open",
                                       "a\\"};
    struct arena a = {0};
    for (size_t i = 0; i + 3 < COUNT_OF(stay); i++) CHECK_SL(list(&a, stay[i]), stay[i]);
    ar_free(&a);
}

TEST(handed_lines_of_a_header_section)
{
    CHECK(mail_handed_field(SL("Subject: x")));
    CHECK(mail_handed_field(SL("Subject : x\r\n")));
    CHECK(mail_handed_field(SL("From:")));
    CHECK(!mail_handed_field(SL("From root@host Sun Nov 29")));
    CHECK(!mail_handed_field(SL("Hello, world: this is text")));
    CHECK(!mail_handed_field(SL(": x")));
    CHECK(!mail_handed_field(SL("")));
    CHECK(!mail_handed_field(SL("\xc3\xa4: x")));
    CHECK(mail_handed_mbox_line(SL("From a@b Sun")));
    CHECK(!mail_handed_mbox_line(SL("From: a@b")));
}

static struct slice head(struct arena *a, const char *raw)
{
    struct buf b = BUF_INIT;
    CHECK_OK(mail_handed_head(a, sl_cstr(raw), SL("x.test"), SL("Me <me@x.test>"), &b));
    struct slice s = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return s;
}

TEST(handed_head_gets_a_from_that_will_do)
{
    struct arena a = {0};
    CHECK_SL(head(&a, ""), "From: Me <me@x.test>\r\n");
    CHECK_SL(head(&a, "From: root\r\nTo: a,\r\n b\r\n"),
             "From: root@x.test\r\nTo: a@x.test,\r\n b@x.test\r\n");
    CHECK_SL(head(&a, "From: no one\r\n"), "From: Me <me@x.test>\r\nX-Original-From: no one\r\n");
    CHECK_SL(head(&a, "From: a\r\nFrom: b\r\n"),
             "From: Me <me@x.test>\r\nX-Original-From: a@x.test\r\nX-Original-From: b@x.test\r\n");
    CHECK_SL(head(&a, "From: a\r\nSubject: 1\r\nsubject: 2\r\nBcc: c\r\nBcc: d\r\nX: 1\r\nX: 2\r\n"),
             "From: a@x.test\r\nSubject: 1\r\nX-Duplicate-subject: 2\r\nBcc: c@x.test\r\nBcc: d@x.test\r\n"
             "X: 1\r\nX: 2\r\n");
    ar_free(&a);
}
