/* conversation_test.c - base subjects and message identifiers. */
#include "conversation.h"

#include "base/buf.h"
#include "base/test.h"

static struct arena ar;

static void subject(const char *from, const char *base, bool reply)
{
    struct mail_subject s;
    mail_subject(&ar, sl_cstr(from), &s);
    CHECK_SL(s.base, base);
    if (s.reply != reply) test_fail(__FILE__, __LINE__, "\"%s\" is %sa reply", from, s.reply ? "" : "not ");
}

TEST(base_subject)
{
    subject("hello", "hello", false);
    subject("", "", false);
    subject("Re: hello", "hello", true);
    subject("RE: re:\tFwd:  hello   world ", "hello world", true);
    subject("Fw: hello (fwd) (FWD)", "hello", true);
    subject("[list] hello", "hello", false);
    subject("[list] Re: [other] hello", "hello", true);
    subject("Re[2]: hello", "hello", true);
    subject("Re [2] : hello", "hello", true);
    subject("Re[2] x: hello", "Re[2] x: hello", false);
    subject("[only]", "[only]", false); /* a blob may be the base */
    subject("[a][b]", "[b]", false);
    subject("Re: [a] [b]", "[b]", true);
    subject("[fwd: hello]", "hello", true);
    subject("[Fwd: Re: [list] hello (fwd)]", "hello", true);
    subject("[fwd: [fwd: hello]]", "hello", true);
    subject("Ref: hello", "Ref: hello", false);
    subject("reply: hello", "reply: hello", false);
    subject("=?utf-8?q?Re=3A_gr=C3=BC=C3=9Fe?=", "grüße", true);
    subject("Re:", "", true);
    subject("[unclosed hello", "[unclosed hello", false);
    ar_free(&ar);
}

/* A hundred thousand blobs are looked through once or twice, not once for each. */
TEST(base_subject_of_many_blobs)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 100000; i++) buf_str(&b, "[a]");
    struct mail_subject s;
    mail_subject(&ar, buf_slice(&b), &s);
    CHECK_SL(s.base, "[a]");
    buf_clear(&b);
    for (int i = 0; i < 100000; i++) buf_str(&b, "Re: ");
    buf_str(&b, "x");
    mail_subject(&ar, buf_slice(&b), &s);
    CHECK_SL(s.base, "x");
    buf_free(&b);
    ar_free(&ar);
}

static void ids(const char *body, size_t max, const char *joined)
{
    struct slice *v;
    struct buf b = BUF_INIT;
    size_t n = mail_message_ids(&ar, sl_cstr(body), max, &v);
    for (size_t i = 0; i < n; i++) buf_printf(&b, "%s%.*s", i ? " " : "", SLF(v[i]));
    CHECK_SL(buf_slice(&b), joined);
    buf_free(&b);
}

TEST(message_ids)
{
    ids("<a@x> <b@y>", 10, "a@x b@y");
    ids("<a@x><b@y>\t(comment) words <c@z>", 10, "a@x b@y c@z");
    ids("<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>", 10, "01KF8JCEOCBS0045PS@xxx.yyy.com"); /* RFC 5256 */
    ids("<\"a\\\"> b\"@x>", 10, "a\"> b@x");
    ids("< a @ x >", 10, "a@x");
    ids("<a@x <b@y>", 10, "b@y");
    ids("<> <a@x", 10, "");
    ids("<\"never closed> <b@y>", 10, "");
    ids("<1@x> <2@x> <3@x>", 2, "1@x 2@x");
    ids("", 10, "");
    ar_free(&ar);
}
