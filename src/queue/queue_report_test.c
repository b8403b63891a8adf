/* queue_report_test.c - what senders are told: bounces, reports of success, in whose words. */
#include "mail/head.h"
#include "mail/mime.h"
#include "queue_test.h"
#include "trace/trace.h"

TEST(queue_permanent_failure_bounces)
{
    struct tester t;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "perm@two.test ok@two.test perm2@three.test");
    l.ret = SL("FULL");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    REQUIRE(inbox(&t, "alice@one.test", &m) == 2); /* one a domain */
    struct slice text = text_of(&t, &m[0]);
    CHECK(sl_starts(text, SL("Return-Path: <>\r\n")));
    CHECK(sl_find(text, SL("550 5.1.1 no such user")) != SL_NONE);
    CHECK(sl_find(text, SL("mailer-daemon@one.test")) != SL_NONE);
    CHECK(sl_find(text, SL("Hello\r\n")) != SL_NONE && sl_find(text, SL("Return-Path: <x@")) == SL_NONE);
    CHECK_INT(stats(&t).bounced, 2);

    l = letter_to(&t, "", "perm@two.test"); /* nobody to tell */
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    l = letter_to(&t, "alice@one.test", "perm@two.test");
    l.rcpt[0].notify = NOTIFY_NEVER;
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    l = letter_to(&t, "ghost@one.test", "perm@two.test"); /* nobody of that name */
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_INT(inbox(&t, "alice@one.test", &m), 2);
    CHECK_INT(t.attempts, 5);

    l = letter_to(&t, "someone@four.test", "perm@two.test"); /* the report goes out again */
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 7);
    end(&t);
}

/* The reply's class chooses the words, the letter its language. */
TEST(queue_report_speaks_by_class_in_the_senders_language)
{
    struct tester t;
    struct message *m;
    struct buf words = BUF_INIT;
    struct mime_decoder d;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "block@two.test");
    struct slice text = SL("Content-Language: vi\r\nSubject: test\r\n\r\nHello\r\n");
    l.skip = 0, l.head_size = (uint32_t)mail_head_end(text);
    CHECK_OK(body_put(t.f.s->body, BODY_MAIL, text, SL(""), &l.body));
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    REQUIRE(inbox(&t, "alice@one.test", &m) == 1);
    text = text_of(&t, &m[0]);
    const struct mime_part *root = mime_parse(&t.f.a, text)->root, *part = root->child;
    REQUIRE(root->nchild == 3 && part->nlanguage == 2);
    CHECK_SL(part->language[0], "vi");
    CHECK_SL(part->language[1], "en");
    mime_decode_begin(&d, part->encoding);
    mime_decode(&d, sl_sub(text, part->body_at, part->body_at + part->body_size), &words);
    mime_decode_end(&d, &words);
    CHECK(sl_find(buf_slice(&words), SL("Máy chủ bên nhận không tin cậy máy chủ đã gửi thư")) != SL_NONE);
    CHECK(sl_find(buf_slice(&words), SL("    550 5.7.1 Your IP is on our blacklist\r\n")) != SL_NONE);
    buf_free(&words);
    end(&t);
}

/* The language of the nth of so many letters in INBOX. */
static struct slice told_in(struct tester *t, const char *who, int nth)
{
    struct message *m;
    int n = (int)inbox(t, who, &m);
    CHECK_INT(n, nth);
    if (n < nth) return SL("");
    const struct mime_part *root = mime_parse(&t->f.a, text_of(t, &m[nth - 1]))->root;
    return root->nchild == 3 && root->child->nlanguage ? root->child->language[0] : SL("");
}

/* An account's language counts for what it sent under any name, before what the letter says; of a letter that
 * nobody sent by an account, that of the account which has the return path. */
TEST(queue_report_speaks_the_language_of_the_account)
{
    struct tester t;
    struct account bob;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct directory *dir = t.f.s->directory;
    CHECK_OK(account_set_language(dir, SL("bob@one.test"), SL("de")));
    CHECK_OK(account_get(dir, &t.f.a, SL("bob@one.test"), &bob));
    CHECK_SL(bob.language, "de");
    static const struct {
        const char *from, *tag;
        bool by_bob;
    } step[] = {
        {"bob@one.test", "de", false}, {"alice@one.test", "de", true}, {"alice@one.test", "en", false}};
    int told[2] = {0};
    for (size_t i = 0; i < COUNT_OF(step); i++) {
        struct letter l = letter_to(&t, step[i].from, "perm@two.test");
        if (step[i].by_bob) l.submitter = sl_cstr(bob.id);
        CHECK_OK(accept_letter(t.q, &l));
        CHECK(until(&t, is_empty));
        CHECK_SL(told_in(&t, step[i].from, ++told[step[i].from[0] == 'a']), step[i].tag);
    }
    CHECK_OK(account_set_language(dir, SL("bob@one.test"), SL("")));
    CHECK_OK(account_get(dir, &t.f.a, SL("bob@one.test"), &bob));
    CHECK_INT(bob.language.n, 0);
    end(&t);
}

TEST(queue_reports_find_quoted_senders)
{
    struct tester t;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct slice target = SL("alice@one.test");
    static const char *const senders[] = {"\"a b\"@one.test",
                                          "\"\\\"bob\\\"\"@one.test"}; /* the second is not bob */
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        CHECK_OK(alias_add(t.f.s->directory, sl_cstr(senders[i]), &target, 1));
        struct letter l = letter_to(&t, senders[i], "perm@two.test");
        CHECK_OK(accept_letter(t.q, &l));
        CHECK(until(&t, is_empty));
        REQUIRE(inbox(&t, "alice@one.test", &m) == i + 1);
        CHECK(sl_find(text_of(&t, &m[i]), ar_printf(&t.f.a, "To: <%s>\r\n", senders[i])) != SL_NONE);
    }
    CHECK_INT(inbox(&t, "bob@one.test", &m), 0);
    end(&t);
}

/* What is final by its code, in words that speak of a moment, is told as both. */
TEST(queue_tells_of_a_refusal_at_odds_with_itself)
{
    struct tester t;
    struct trace_event *e;
    size_t n, odd = 0, plain = 0;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "odd@two.test perm@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_OK(trace_read(t.f.s->trace, &l.id, &t.f.a, &e, &n));
    for (size_t i = 0; i < n; i++) {
        if (e[i].kind != TRACE_BOUNCED) continue;
        odd += sl_find(e[i].sentence,
                       SL("500 5.3.0 try again later; final by its code, its words are taken for: "
                          "temporary; ")) != SL_NONE;
        plain += sl_find(e[i].sentence, SL("550 5.1.1 no such user; taken for: invalid; ")) != SL_NONE;
    }
    CHECK(odd == 1 && plain == 1);
    end(&t);
}

/* RFC 8689 section 5: a report asks for TLS as its letter did, and tells the header section only. */
TEST(queue_reports_are_guarded_as_their_letters)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "sender@away.test", "perm@two.test");
    l.ret = SL("FULL");
    l.wants.requiretls = true;
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    CHECK_SL(info.wants, "verified TLS all the way (REQUIRETLS)");
    go(&t);
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 2);
    struct slice report = sl(t.bytes, t.nbytes);
    CHECK(t.wants.requiretls && sl_find(report, SL("report-type=delivery-status")) != SL_NONE);
    CHECK(sl_find(report, SL("Hello\r\n")) == SL_NONE);
    end(&t);
}

TEST(queue_success_report)
{
    struct tester t;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "bob@one.test");
    l.ret = SL("FULL"); /* not for a success (RFC 3461 section 4.3) */
    l.rcpt[0].notify = NOTIFY_SUCCESS;
    l.rcpt[0].orcpt = SL("rfc822;Bob@one.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_INT(inbox(&t, "bob@one.test", &m), 1);
    REQUIRE(inbox(&t, "alice@one.test", &m) == 1);
    CHECK(sl_find(text_of(&t, &m[0]), SL("Action: delivered")) != SL_NONE);
    CHECK(sl_find(text_of(&t, &m[0]), SL("Hello\r\n")) == SL_NONE);
    end(&t);
}

/* Notes of refusals fill what may wait: those of a letter that is accepted go with its own transaction. */
TEST(queue_refusals_push_out_nothing_of_an_accepted_letter)
{
    static const char *const to[] = {"bob@one.test", "ok@two.test"};
    struct tester t;
    struct kv_stats k = {0};
    struct trace_event *e;
    size_t n;
    char big[60000];
    memset(big, 'x', sizeof big);
    REQUIRE(begin(&t, NULL));
    for (size_t i = 0; i < COUNT_OF(to); i++) {
        struct letter l = letter_to(&t, "alice@one.test", to[i]);
        struct trace_event in[] = {{.id = l.id, .kind = TRACE_RECEIVED, .sentence = SL("from a stranger")},
                                   {.id = l.id, .kind = TRACE_CHECKED, .sentence = SL("accept")}};
        uint64_t before = k.notes_dropped;
        for (int row = 0; k.notes_dropped == before; row++) {
            kv_note(t.f.s->kv, SL("refused"), ar_printf(&t.f.a, "%d", row), sl(big, sizeof big));
            kv_stats(t.f.s->kv, &k);
        }
        for (int row = 0; row < 6000; row++) kv_note(t.f.s->kv, SL("refused"), SL("small"), sl(big, 10));
        l.events = in;
        l.nevents = 2;
        CHECK_OK(accept_letter(t.q, &l));
        CHECK_OK(trace_read(t.f.s->trace, &l.id, &t.f.a, &e, &n));
        REQUIRE(n == 3);
        CHECK(e[0].kind == TRACE_RECEIVED && e[1].kind == TRACE_CHECKED);
        CHECK(e[2].kind == (i ? TRACE_QUEUED : TRACE_DELIVERED));
    }
    end(&t);
}
