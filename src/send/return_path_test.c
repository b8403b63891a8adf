/* return_path_test.c - what may be said by a report that comes home: who writes it has had the letter, and
 * may be anybody of those. */
#include "return_path.h"

#include "event.h"
#include "send_test.h"
#include "source/source.h"
#include "suppression.h"
#include "trace/trace.h"
#include "track.h"
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

/* What its diagnostic says, under this status. */
static void fail_so(struct tester *t, uint64_t number, const char *of, const char *status, const char *words)
{
    report(t, number, "message/delivery-status",
           ar_printf(&t->x.f.a,
                     "Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; %s\r\nAction: failed\r\n"
                     "Status: %s\r\nDiagnostic-Code: smtp; %s\r\n",
                     of, status, words));
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

TEST(return_path_what_leaves_a_doubt_suppresses_nobody_the_first_time)
{
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    fail_so(&t, 0, "only@two.test", "4.4.7", "450 4.1.1 User unknown");
    fail_so(&t, 1, "second@two.test", "5.0.0", "550 mailbox unavailable");
    (void)events(&t, &n);
    CHECK_INT(n, 2);
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_NONE);
    CHECK_INT(judge(&t, "second@two.test"), SEND_OUT_NONE);
    send_fixture_end(&t.x);
}

static int spoil_counts(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("c"), SL("damage"));
    return 0;
}

/* A send's counts that cannot be read keep no complaint: it would come again and again, and never be told. */
TEST(return_path_a_complaint_is_told_though_its_send_cannot_count_it)
{
    struct tester t;
    size_t n;
    char object[24];
    if (!begin(&t)) return;
    send_object(&t.send, object);
    CHECK_OK(kv_transact(t.x.f.s->kv, sl_cstr(object), spoil_counts, NULL));
    complain(&t, 0, SL("abuse"), "only@two.test");
    complain(&t, 0, SL("abuse"), "only@two.test");
    struct event *v = events(&t, &n);
    REQUIRE(n == 1);
    CHECK_INT(v[0].kind, EVENT_COMPLAINT);
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

TEST(return_path_an_entry_that_was_taken_away_comes_not_back_by_the_same_complaint)
{
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    complain(&t, 0, SL("abuse"), "only@two.test");
    CHECK_OK(suppression_remove(t.x.s, sl_cstr(t.x.account.id), SL("only@two.test"), SEND_OUT_NONE, 0, &n));
    CHECK_INT(n, 1);
    complain(&t, 0, SL("abuse"), "only@two.test");
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_NONE);
    fail_late(&t, 0, "only@two.test"); /* that is another thing */
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_INVALID);
    CHECK_OK(suppression_remove(t.x.s, sl_cstr(t.x.account.id), SL("only@two.test"), SEND_OUT_NONE, 0, &n));
    fail_late(&t, 0, "only@two.test");
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_NONE);
    send_fixture_end(&t.x);
}

/* Once for each letter and recipient, whoever says it again. */
TEST(return_path_a_complaint_slows_the_warm_up_of_the_source_that_the_letter_left_from)
{
    struct tester t;
    struct warm_curve c = {.first = 50, .growth = 50, .most = 1000};
    struct source new = {.name = SL("new"), .pool = SL("main")};
    struct trace_event left = {.kind = TRACE_RELAYED,
                               .who = SL("only@two.test"),
                               .sentence = SL("accepted"),
                               .data = SL("{\"source\": \"new\", \"group\": \"google\"}")};
    struct warm_group *g;
    size_t n;
    if (!begin(&t)) return;
    struct sources *s;
    CHECK(ip_parse(SL("192.0.2.1"), &new.ip));
    CHECK_OK(sources_open(&s, t.x.f.s->kv));
    CHECK_OK(source_add(s, &new));
    CHECK_OK(source_warm(s, SL("new"), &c));
    t.x.s->sources = s;
    send_letter_id(&t.send, 0, &left.id);
    trace_add(t.x.f.s->trace, &left);
    complain(&t, 1, SL("abuse"), "first@two.test"); /* of it nothing is known */
    complain(&t, 0, SL("not-spam"), "only@two.test");
    complain(&t, 0, SL("abuse"), "only@two.test");
    complain(&t, 0, SL("abuse"), "only@two.test");
    CHECK(source_warm_look(s, SL("new"), &t.x.f.a, &c, &g, &n));
    CHECK(n == 1 && sl_eq(g[0].group, SL("google")) && g[0].blamed == 1);
    t.x.s->sources = NULL;
    sources_close(&s);
    send_fixture_end(&t.x);
}

TEST(return_path_a_later_report_may_say_more)
{
    struct tester t;
    if (!begin(&t)) return;
    report(&t, 0, "message/delivery-status",
           SL("Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; only@two.test\r\nAction: "
              "failed\r\nStatus: 5.7.1\r\n"
              "Diagnostic-Code: smtp; 550 5.7.1 your address is on a block list\r\n"));
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_NONE); /* it speaks of us */
    fail_late(&t, 0, "only@two.test");
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_INVALID);
    send_fixture_end(&t.x);
}

TEST(return_path_a_message_id_alone_names_its_letter)
{
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct send_ref ref = {.send = t.send, .number = 0};
    struct slice id = send_message_id(t.x.s, a, &ref, SL("one.test"));
    const char *reader = "X-HmXmrOriginalRecipient: <only@two.test>\r\n";
    struct letter_id letter;
    send_letter_id(&t.send, 0, &letter); /* what another reader of the send can work out is not enough */
    const char *guessed = ar_printf(a, "Message-ID: <%s@one.test>\r\n%s", letter.s, reader).p;
    const char *forged =
        ar_printf(a, "Message-ID: <m-%s-0-0-0123456789abcdef@one.test>\r\n%s", t.send.s, reader).p;
    come_to(&t, "abuse@one.test", feedback(&t, "", guessed));
    come_to(&t, "abuse@one.test", feedback(&t, "", forged));
    (void)events(&t, &n);
    CHECK_INT(n, 0);
    CHECK(!return_path_is_ours(t.x.s, sl_sub(id, 1, sl_chr(id, '@'))));
    come_to(&t, "abuse@one.test",
            feedback(&t, "", ar_printf(a, "Message-ID: %.*s\r\n%s", SLF(id), reader).p));
    struct event *v = events(&t, &n);
    REQUIRE(n == 1);
    CHECK_SL(v[0].address, "only@two.test");
    CHECK_INT(judge(&t, "only@two.test"), SEND_OUT_COMPLAINED);
    send_fixture_end(&t.x);
}

/* A part of a multipart/report, encoded. */
static void encoded(struct tester *t, const char *type, enum mime_encoding how, const char *text)
{
    struct mime_encoder e;
    struct buf b = BUF_INIT;
    struct arena *a = &t->x.f.a;
    mime_encode_begin(&e, how);
    mime_encode(&e, sl_cstr(text), &b);
    mime_encode_end(&e, &b);
    come_home(t, 'r', 0,
              ar_printf(a,
                        "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: %s\r\n"
                        "Content-Transfer-Encoding: %s\r\n\r\n%.*s\r\n--x--\r\n",
                        type, how == MIME_QP ? "quoted-printable" : "base64", SLF(buf_slice(&b))));
    buf_free(&b);
}

TEST(return_path_reads_reports_that_are_encoded)
{
    struct tester t;
    size_t n;
    if (!begin(&t)) return;
    encoded(
        &t, "message/delivery-status", MIME_BASE64,
        "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; only@two.test\nAction: failed\nStatus: 5.1.1\n");
    encoded(&t, "message/feedback-report", MIME_QP,
            "Feedback-Type: abuse\r\nOriginal-Rcpt-To: only@two.test\r\n");
    struct event *v = events(&t, &n);
    REQUIRE(n == 2);
    CHECK_INT(v[0].kind, EVENT_LATE_BOUNCE);
    CHECK_SL(v[0].enhanced, "5.1.1");
    CHECK_INT(v[1].kind, EVENT_COMPLAINT);
    send_fixture_end(&t.x);
}

TEST(return_path_automatic_letters_are_told_of_and_count_for_nothing)
{
    struct tester t;
    struct letter_id id;
    struct trace_event *v;
    size_t n;
    if (!begin(&t)) return;
    for (int i = 0; i < 9; i++)
        come_home(&t, 'r', 0,
                  SL("Subject: =?utf-8?q?Out=1b[2J?= of office\r\nAuto-Submitted: auto-replied\r\n\r\nI am "
                     "away.\r\n"));
    (void)events(&t, &n);
    CHECK_INT(n, 0);
    send_letter_id(&t.send, 0, &id);
    CHECK_OK(trace_read(t.x.f.s->trace, &id, &t.x.f.a, &v, &n));
    REQUIRE(n == 5);
    CHECK_INT(v[0].kind, TRACE_ANSWERED);
    CHECK(sl_find(v[0].sentence, SL("of office\", auto-replied")) != SL_NONE);
    CHECK(sl_chr(v[0].sentence, '\033') == SL_NONE);
    send_fixture_end(&t.x);
}

TEST(track_scanners_leave_room_for_people)
{
    struct tester t;
    size_t n, people = 0, first = 0;
    if (!begin(&t)) return;
    struct track click = {.send = t.send, .url = SL("https://x.test/")};
    for (int i = 0; i < 2 * TRACK_EVENTS_MAX; i++)
        CHECK_OK(track_add(t.x.s, &click, &(struct track_visit){.agent = SL("SafeLinks"), .machine = true}));
    for (int i = 0; i < 3; i++)
        CHECK_OK(track_add(t.x.s, &click, &(struct track_visit){.agent = SL("Mozilla/5.0 (X11)")}));
    struct event *v = events(&t, &n);
    for (size_t i = 0; i < n; i++) people += !v[i].machine, first += v[i].first;
    CHECK_INT(n, TRACK_EVENTS_MAX + 3);
    CHECK_INT(people, 3);
    CHECK_INT(first, 1);
    send_fixture_end(&t.x);
}
