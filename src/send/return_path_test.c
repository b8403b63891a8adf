/* return_path_test.c - what may be said by a report that comes home: who writes it has had the letter, and
 * may be anybody of those. */
#include "return_path.h"

#include "event.h"
#include "send_test.h"
#include "suppression.h"
#include "unsubscribe.h"

struct tester {
    struct send_fixture x;
    struct letter_id send;
};

/* A send of two letters: for one, and for two. */
static bool begin(struct tester *t)
{
    struct send_taken done;
    if (!send_fixture_begin(&t->x)) return false;
    struct arena *a = &t->x.f.a;
    struct send s = test_send(&t->x);
    struct send_addr cc = {SL(""), SL("second@two.test"), 0};
    struct send_letter l[] = {test_letter(a, SL("only@two.test")), test_letter(a, SL("first@two.test"))};
    l[1].cc = (struct send_addrs){&cc, 1};
    CHECK_OK(send_take(t->x.s, &s, l, 2, a, &done));
    t->send = done.id;
    return true;
}

static void come_home(struct tester *t, char kind, uint64_t number, struct slice text)
{
    struct arena *a = &t->x.f.a;
    struct send_ref ref = {.kind = kind, .send = t->send, .number = number};
    struct slice local = send_ref_text(t->x.s, a, &ref);
    struct letter l = {0};
    CHECK(return_path_is_ours(t->x.s, local));
    letter_id_new(&l.id);
    CHECK_OK(body_put(t->x.f.s->body, BODY_QUEUE, text, SL(""), &l.body));
    struct last_hop d = {
        .letter = &l, .account = RETURN_PATH_ACCOUNT, .address = ar_cat(a, local, SL("@one.test"))};
    CHECK_OK(return_path_take(t->x.s, &d));
    body_unpin(t->x.f.s->body, &l.body);
}

static void report(struct tester *t, uint64_t number, const char *type, struct slice fields)
{
    struct arena *a = &t->x.f.a;
    come_home(t, 'r', number,
              ar_printf(a,
                        "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: %s\r\n\r\n"
                        "%.*s\r\n--x--\r\n",
                        type, SLF(fields)));
}

static void complain(struct tester *t, uint64_t number, struct slice type, const char *of)
{
    report(t, number, "message/feedback-report",
           ar_printf(&t->x.f.a, "Feedback-Type: %.*s\r\nOriginal-Rcpt-To: <%s>\r\n", SLF(type), of));
}

static void fail_late(struct tester *t, uint64_t number, const char *of)
{
    report(t, number, "message/delivery-status",
           ar_printf(&t->x.f.a,
                     "Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; %s\r\nAction: failed\r\n"
                     "Status: 5.1.1\r\nRemote-MTA: dns; a\033[31m.test\r\n"
                     "Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n",
                     of));
}

/* What came to another address of ours. */
static void come_to(struct tester *t, const char *address, struct slice text)
{
    struct letter l = {0};
    letter_id_new(&l.id);
    CHECK_OK(body_put(t->x.f.s->body, BODY_QUEUE, text, SL(""), &l.body));
    struct last_hop d = {.letter = &l, .account = RETURN_PATH_ACCOUNT, .address = sl_cstr(address)};
    CHECK_OK(return_path_take(t->x.s, &d));
    body_unpin(t->x.f.s->body, &l.body);
}

/* A complaint with the head of the letter; report: the part that says so, or empty (Microsoft's form). */
static struct slice feedback(struct tester *t, const char *report, const char *head)
{
    struct slice part = SL("");
    if (*report)
        part = ar_printf(&t->x.f.a, "--x\r\nContent-Type: message/feedback-report\r\n\r\n%s\r\n", report);
    return ar_printf(
        &t->x.f.a,
        "Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n%.*s--x\r\n"
        "Content-Type: message/rfc822\r\n\r\n%s\r\nHello\r\n--x--\r\n",
        SLF(part), head);
}

static struct event *events(struct tester *t, size_t *n)
{
    struct event *v;
    CHECK_OK(event_read(t->x.s, sl_cstr(t->x.account.id), 0, 1000, &t->x.f.a, &v, n));
    return v;
}

static enum send_reason judge(struct tester *t, const char *address)
{
    enum send_reason why;
    CHECK_OK(suppression_judge(
        t->x.s, &(struct suppression_ask){sl_cstr(t->x.account.id), sl_cstr(address), STREAM_BULK, 0, 0},
        &why));
    return why;
}

static struct send_info show(struct tester *t)
{
    struct send_info info = {0};
    CHECK_OK(send_show(t->x.s, &t->send, &t->x.f.a, &info));
    return info;
}

TEST(return_path_whoever_complains_again_and_again_has_complained_once)
{
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    for (int i = 0; i < 5; i++) complain(&t, 0, SL("abuse"), "only@two.test");
    for (int i = 0; i < 5; i++) fail_late(&t, 0, i % 2 ? "only@two.test" : "ONLY@two.test");
    struct event *v = events(&t, &n);
    CHECK_INT(n, 2);
    CHECK_INT(show(&t).complained, 1);
    CHECK_INT(show(&t).late, 1);
    CHECK_INT(v[1].kind, EVENT_LATE_BOUNCE);
    CHECK(sl_chr(v[1].host, '\033') == SL_NONE);
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_COMPLAINED);
    send_fixture_end(&t.x);
}

TEST(return_path_a_reader_suppresses_no_other_reader)
{
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    complain(&t, 1, SL("abuse"), "second@two.test");
    fail_late(&t, 1, "second@two.test");
    fail_late(&t, 1, "only@two.test"); /* of another letter */
    (void)events(&t, &n);
    CHECK_INT(n, 2); /* told as it was said */
    CHECK_INT(judge(&t, "second@two.test"), SEND_OUT_NONE);
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_NONE);
    send_fixture_end(&t.x);
}

/* A record holds 65,536 bytes. */
TEST(return_path_a_report_has_words_of_any_length)
{
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    char *word = ar_alloc(&t.x.f.a, 70000);
    memset(word, 'w', 70000);
    complain(&t, 0, sl(word, 70000), "only@two.test");
    complain(&t, 0, SL("not-spam"), "only@two.test");
    struct event *v = events(&t, &n);
    CHECK_INT(n, 1);
    CHECK(n && v[0].class.n < 40);
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_COMPLAINED);
    send_fixture_end(&t.x);
}

TEST(return_path_leaving_is_told_once_each_time)
{
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    struct slice acc = sl_cstr(t.x.account.id);
    come_home(&t, 'u', 0, SL("Subject: unsubscribe\r\n\r\n"));
    come_home(&t, 'u', 0, SL("Subject: unsubscribe\r\n\r\n"));
    come_home(&t, 'u', 1, SL("Subject: unsubscribe\r\n\r\n")); /* whose link was it? */
    (void)events(&t, &n);
    CHECK_INT(n, 1);
    CHECK_INT(show(&t).unsubscribed, 1);
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_UNSUBSCRIBED);
    CHECK_INT(judge(&t, "first@two.test"), SEND_OUT_NONE);
    CHECK_OK(suppression_remove(t.x.s, acc, SL("only@two.test"), SEND_OUT_UNSUBSCRIBED, 0, &n));
    come_home(&t, 'u', 0, SL("Subject: unsubscribe\r\n\r\n"));
    (void)events(&t, &n);
    CHECK_INT(n, 2);
    send_fixture_end(&t.x);
}

TEST(return_path_complaints_at_abuse_are_those_that_cite_a_letter_of_ours)
{
    static const char arf[] = "Feedback-Type: abuse\r\nVersion: 1\r\n", nothing[] = "From: news@one.test\r\n";
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct send_ref ref = {.kind = 'r', .send = t.send, .number = 0};
    const char *path = ar_printf(a, "Return-Path: <%.*s@one.test>\r\n", SLF(send_ref_text(t.x.s, a, &ref))).p;
    const char *ms = ar_printf(a, "%sX-HmXmrOriginalRecipient: <only@two.test>\r\n", path).p;
    const char *false_path =
        ar_printf(a, "Return-Path: <r-%s-0-0-0123456789abcdef@one.test>\r\n", t.send.s).p;
    come_to(&t, "abuse@one.test", feedback(&t, arf, nothing));
    come_to(&t, "abuse@one.test", feedback(&t, arf, false_path));
    come_to(&t, "abuse@one.test", feedback(&t, "Feedback-Type: not-spam\r\n", path));
    come_to(&t, "abuse@one.test", feedback(&t, "", path)); /* somebody who sends the letter on */
    come_to(&t, "abuse@one.test", SL("Subject: hello\r\n\r\nPlease call.\r\n"));
    come_to(&t, "other@one.test", feedback(&t, arf, path));
    (void)events(&t, &n);
    CHECK_INT(n, 0);
    come_to(&t, "Abuse@one.test", feedback(&t, arf, path));
    come_to(&t, "feedback@one.test", feedback(&t, "", ms)); /* the same once more, as Microsoft says it */
    struct event *v = events(&t, &n);
    REQUIRE(n == 1);
    CHECK_INT(v[0].kind, EVENT_COMPLAINT);
    CHECK_SL(v[0].address, "only@two.test");
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_COMPLAINED);
    send_fixture_end(&t.x);
}

TEST(return_path_microsofts_form_is_enough)
{
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct send_ref ref = {.kind = 'u', .send = t.send, .number = 1};
    const char *head =
        ar_printf(a,
                  "List-Unsubscribe: <https://x/>, <mailto:%.*s@one.test?subject=unsubscribe>\r\n"
                  "X-HmXmrOriginalRecipient: second@two.test\r\n",
                  SLF(send_ref_text(t.x.s, a, &ref)))
            .p;
    come_to(&t, "fbl@one.test", feedback(&t, "", head));
    struct event *v = events(&t, &n);
    REQUIRE(n == 1);
    CHECK_SL(v[0].address, "second@two.test");
    CHECK_INT(judge(&t, "second@two.test"), SEND_OUT_NONE); /* of a letter for two, either can have said it */
    send_fixture_end(&t.x);
}

TEST(return_path_reports_in_words)
{
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    come_home(&t, 'r', 0, SL("Subject: Out of office\r\n\r\nI am away.\r\n"));
    (void)events(&t, &n);
    CHECK_INT(n, 0);
    come_home(&t, 'r', 0,
              SL("Subject: failure notice\r\n\r\nHi. This is the qmail-send program at two.test.\r\n\r\n"
                 "<only@two.test>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\n"
                 "--- Below this line is a copy of the message.\r\n"));
    struct event *v = events(&t, &n);
    REQUIRE(n == 1);
    CHECK_INT(v[0].kind, EVENT_LATE_BOUNCE);
    CHECK_SL(v[0].enhanced, "5.1.1");
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_INVALID);
    send_fixture_end(&t.x);
}
