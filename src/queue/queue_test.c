/* queue_test.c - letters through the queue: here, elsewhere, held, steered by an operator, when the store
 * fails. */
#include "queue_test.h"
#include "mail/head.h"
#include "trace/trace.h"

TEST(queue_letter_leaves_when_one_recipient_is_elsewhere)
{
    struct letter_rcpt rcpt[] = {{.route = {.local = true}}, {.route = {.address = SL("bob@two.test")}}};
    CHECK(letter_leaves(&(struct letter){.rcpt = rcpt, .nrcpt = 2}));
    CHECK(!letter_leaves(&(struct letter){.rcpt = rcpt, .nrcpt = 1}));
    CHECK(!letter_leaves(&(struct letter){0}));
}

TEST(queue_one_local_goes_straight)
{
    struct tester t;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "x@two.test", "bob@one.test");
    CHECK_OK(accept_letter(t.q, &l)); /* the schedule does not even run */
    REQUIRE(inbox(&t, "bob@one.test", &m) == 1);
    CHECK_SL(text_of(&t, &m[0]), TEXT);
    CHECK_INT(m[0].head_size, 45);
    CHECK(is_empty(&t));
    end(&t);
}

TEST(queue_attempt_gets_what_is_for_others)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "x@one.test", "carol@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    go(&t);
    CHECK(until(&t, is_empty));
    CHECK_SL(sl(t.bytes, t.nbytes), "Subject: test\r\n\r\nHello\r\n"); /* no Return-Path */
    CHECK_INT(t.sent.size, t.nbytes);
    CHECK_INT(t.sent.head, l.head_size - l.skip);
    end(&t);
}

TEST(queue_an_id_that_names_another_letter_loses_none)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "x@two.test", "carol@two.test"),
                  other = letter_to(&t, "y@two.test", "carol@two.test");
    other.id = l.id;
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_ERR(accept_letter(t.q, &other), ERR_BUSY);
    letter_id_new(&other.id);
    CHECK_OK(accept_letter(t.q, &other));
    CHECK_INT(stats(&t).letters, 2);
    end(&t);
}

TEST(queue_an_id_that_was_delivered_before_loses_no_other_letter)
{
    struct tester t;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "x@two.test", "bob@one.test"), again = l;
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_OK(body_pin(t.f.s->body, &again.body));
    CHECK_OK(accept_letter(t.q, &again));
    CHECK_INT(inbox(&t, "bob@one.test", &m), 1);
    struct letter other = letter_to(&t, "y@two.test", "bob@one.test");
    body_unpin(t.f.s->body, &other.body);
    CHECK_OK(body_put(t.f.s->body, BODY_MAIL, SL("Subject: another\r\n\r\none\r\n"), SL(""), &other.body));
    other.id = l.id;
    CHECK_OK(accept_letter(t.q, &other));
    CHECK_INT(inbox(&t, "bob@one.test", &m), 2);
    /* a letter of our own may be made anew, with another date: then it is the same */
    other.id = again.id = (struct letter_id){"0123456789abcdef"};
    other.once = again.once = true;
    CHECK_OK(accept_letter(t.q, &other));
    CHECK_OK(accept_letter(t.q, &again));
    CHECK_INT(inbox(&t, "bob@one.test", &m), 3);
    end(&t);
}

TEST(queue_local_and_remote)
{
    struct tester t;
    struct message *m;
    struct trace_event *ev;
    size_t nev;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test",
                                "bob@one.test alice@one.test ok@two.test fine@two.test ok@three.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 2); /* two domains, one attempt each */
    CHECK_INT(t.rcpts, 3);
    CHECK_INT(inbox(&t, "bob@one.test", &m), 1);
    CHECK_INT(inbox(&t, "alice@one.test", &m), 1);
    CHECK_INT(stats(&t).delivered, 5);
    CHECK_INT(stats(&t).recipients, 0);
    CHECK_OK(trace_read(t.f.s->trace, &l.id, &t.f.a, &ev, &nev));
    size_t relayed = 0, delivered = 0;
    for (size_t i = 0; i < nev; i++)
        relayed += ev[i].kind == TRACE_RELAYED, delivered += ev[i].kind == TRACE_DELIVERED;
    CHECK(relayed == 3 && delivered == 2);
    end(&t);
}

/* Nobody knows whether it was taken: it is counted, and found. */
TEST(queue_shows_what_is_uncertain)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "unsure@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, one_deferred));
    CHECK_INT(stats(&t).uncertain, 1);
    CHECK_INT(listed(&t, &(struct queue_filter){.uncertain = true}), 1);
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    CHECK(info.nrcpt == 1 && info.rcpt[0].uncertain);
    end(&t);
}

TEST(queue_waits_and_is_steered)
{
    struct tester t;
    struct queue_info info;
    size_t n;
    struct queue_filter all = {0}, domain = {.domain = SL("TWO.test")}, other = {.domain = SL("nine.test")};
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "temp@two.test ok@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, one_deferred));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 2);
    CHECK_SL(info.rcpt[0].state, "waiting");
    CHECK_SL(info.rcpt[0].reply, "451 4.7.1 come back later");
    CHECK_SL(info.rcpt[0].host, "mx.two.test [192.0.2.1]:25");
    CHECK_INT(info.rcpt[0].attempts, 1);
    CHECK(!info.rcpt[0].uncertain);
    const struct queue_filter fits[] = {{.class = info.rcpt[0].class},
                                        {.host = SL("mx.two.test")},
                                        {.host = SL("Two.test"), .before = rt_wall_seconds() + 10},
                                        {.sender = SL("alice@one.test"), .host = SL("test")}};
    const struct queue_filter fits_not[] = {{.class = SL("nonsense")},
                                            {.host = SL("o.test")},
                                            {.uncertain = true},
                                            {.before = 1},
                                            {.address = SL("ok@two.test"), .host = SL("two.test")}};
    for (size_t i = 0; i < COUNT_OF(fits); i++) CHECK_INT(listed(&t, &fits[i]), 1);
    for (size_t i = 0; i < COUNT_OF(fits_not); i++) CHECK_INT(listed(&t, &fits_not[i]), 0);
    int64_t in = info.rcpt[0].next_try - rt_wall_seconds();
    CHECK(in >= 43 && in <= 73); /* a minute, give or take a fifth */
    CHECK_SL(info.rcpt[1].state, "delivered");
    CHECK_SL(info.subject, "test");
    CHECK_INT(info.size, sizeof TEXT - 1 - 27);
    int64_t lifetime = info.expires - info.received; /* it may have been a moment on its way in */
    CHECK(lifetime >= 5 * 86400 && lifetime <= 5 * 86400 + 60);
    CHECK_INT(listed(&t, &all), 1);
    CHECK_INT(listed(&t, &other), 0);

    CHECK_INT(t.attempts, 1);
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RETRY));
    for (int i = 0; i < 20000 && t.attempts < 2; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.attempts, 2);
    CHECK(until(&t, none_under_way));

    CHECK_OK(queue_act(t.q, &l.id, QUEUE_HOLD));
    CHECK_ERR(queue_act(t.q, &l.id, QUEUE_RETRY), ERR_STATE);
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    CHECK_SL(info.rcpt[0].state, "held");
    CHECK(info.rcpt[0].why.n > 0 && info.rcpt[0].next_try == 0);
    CHECK_INT(stats(&t).due, 0);
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RELEASE));
    for (int i = 0; i < 20000 && t.attempts < 3; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.attempts, 3);
    CHECK(until(&t, none_under_way));
    CHECK_OK(queue_act_all(t.q, &domain, QUEUE_DROP, &n));
    CHECK_INT(n, 1);
    CHECK(is_empty(&t));
    CHECK_ERR(queue_show(t.q, &l.id, &t.f.a, &info), ERR_NOT_FOUND);
    CHECK_ERR(queue_act(t.q, &l.id, QUEUE_RETRY), ERR_NOT_FOUND);
    struct message *m;
    CHECK_INT(inbox(&t, "alice@one.test", &m), 0); /* dropping tells nobody */
    end(&t);
}

TEST(queue_held_when_it_comes)
{
    struct tester t;
    struct queue_info info;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test alice@one.test ok@three.test");
    l.hold = SL("the moon is full");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 20000 && inbox(&t, "alice@one.test", &m) == 0; i++) fiber_sleep(RT_MS);
    CHECK_INT(inbox(&t, "alice@one.test", &m), 1); /* what stays here is not held */
    CHECK(until(&t, none_under_way));
    CHECK_INT(t.attempts, 0);
    CHECK_INT(stats(&t).due, 0);
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 3);
    CHECK_SL(info.rcpt[0].state, "held");
    CHECK_SL(info.rcpt[0].why, "the moon is full");
    CHECK_SL(info.rcpt[1].state, "delivered");
    CHECK_SL(info.rcpt[2].state, "held");
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RELEASE));
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 2);

    l = letter_to(&t, "alice@one.test", "temp@two.test");
    l.hold = SL("the moon is full");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RELEASE));
    CHECK(until(&t, one_deferred));
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_HOLD));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    CHECK_SL(info.rcpt[0].why, "an operator holds it until it is released");
    end(&t);
}

TEST(queue_dropped_while_sending)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    t.slow = true;
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 20000 && !t.under_way; i++) fiber_sleep(RT_MS);
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    CHECK_SL(info.rcpt[0].state, "sending");
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_DROP));
    waitq_wake_all(&t.slow_end);
    CHECK(until(&t, none_under_way));
    CHECK(is_empty(&t));
    end(&t);
}

TEST(queue_many_recipients_in_portions)
{
    struct tester t;
    struct buf to = BUF_INIT;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 250; i++) buf_printf(&to, "%sr%d@two.test", i ? " " : "", i);
    buf_char(&to, 0);
    struct letter l = letter_to(&t, "alice@one.test", to.p);
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 3);
    CHECK_INT(t.rcpts, 250);
    buf_free(&to);
    end(&t);
}

TEST(queue_survives_being_reopened)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "alice@one.test", "unsure@two.test ok@three.test");
    CHECK_OK(accept_letter(t.q, &l)); /* never started */
    queue_close(&t.q);
    CHECK_OK(open_queue(&t, (struct queue_conf){.shards = 5}));
    CHECK_INT(t.q->nshards, 1); /* fixed when the store was made */
    go(&t);
    CHECK(until(&t, one_deferred));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 2);
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RETRY));
    for (int i = 0; i < 20000 && t.attempts < 3; i++) fiber_sleep(RT_MS);
    CHECK_SL(sl_cstr(t.first_host), "mx.two.test [192.0.2.1]:25"); /* the same host first */
    end(&t);
}

static int count_ref(void *arg, struct slice letter_name, struct slice ref)
{
    CHECK(letter_id_ok(letter_name));
    struct body_ref r;
    CHECK_OK(body_ref_parse(ref, &r));
    ++*(int *)arg;
    return 0;
}

TEST(queue_names_its_bodies)
{
    struct tester t;
    int n = 0;
    REQUIRE(begin(&t, NULL));
    for (int i = 0; i < 3; i++) {
        struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
        CHECK_OK(accept_letter(t.q, &l));
        CHECK_OK(accept_letter(t.q, &l)); /* the same id: the same letter */
    }
    struct care_queue care = queue_care(t.q);
    CHECK_OK(care.refs(care.ctx, t.f.s, count_ref, &n));
    CHECK_INT(n, 3);
    CHECK_INT(stats(&t).letters, 3);
    CHECK_INT(stats(&t).due, 3);
    end(&t);
}

TEST(queue_store_that_fails)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
    kv_mem_inject(t.f.s->kv, KV_FAULT_FULL, 1);
    CHECK_ERR(accept_letter(t.q, &l), ERR_FULL);
    CHECK(is_empty(&t));
    kv_mem_inject(t.f.s->kv, KV_FAULT_UNKNOWN_DONE, 1);
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_INT(stats(&t).letters, 1);
    letter_id_new(&l.id);
    CHECK_OK(body_put(t.f.s->body, BODY_MAIL, SL(TEXT), SL(""), &l.body));
    kv_mem_inject(t.f.s->kv, KV_FAULT_UNKNOWN_NOT_DONE, 1);
    CHECK_ERR(accept_letter(t.q, &l), ERR_UNKNOWN);
    kv_mem_inject(t.f.s->kv, KV_FAULT_RERUN, 1);
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_INT(stats(&t).letters, 2);
    CHECK_INT(stats(&t).recipients, 2);
    struct letter direct = letter_to(&t, "x@two.test", "bob@one.test");
    kv_mem_inject(t.f.s->kv, KV_FAULT_UNKNOWN_DONE, 1);
    CHECK_OK(accept_letter(t.q, &direct)); /* its name tells that it is there */
    direct = letter_to(&t, "x@two.test", "bob@one.test");
    kv_mem_inject(t.f.s->kv, KV_FAULT_WRITE_DONE, 1);
    kv_mem_refuse(t.f.s->kv, ERR_FULL, 3);
    CHECK_ERR(accept_letter(t.q, &direct), ERR_UNKNOWN); /* not ERR_FULL, what the second try says */
    end(&t);
}

TEST(queue_moves_table)
{
    static const struct {
        enum q_state from, to;
        bool legal;
    } t[] = {
        {Q_WAITING, Q_WAITING, true}, {Q_WAITING, Q_DELIVERED, true}, {Q_WAITING, Q_FAILED, true},
        {Q_WAITING, Q_HELD, true},    {Q_WAITING, Q_DROPPED, true},   {Q_WAITING, Q_BOUNCED, false},
        {Q_HELD, Q_WAITING, true},    {Q_HELD, Q_BOUNCED, false},     {Q_FAILED, Q_BOUNCED, true},
        {Q_FAILED, Q_WAITING, false}, {Q_FAILED, Q_DELIVERED, false}, {Q_FAILED, Q_HELD, false},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) CHECK(q_may_move(t[i].from, t[i].to) == t[i].legal);
    for (int to = 0; to < Q_STATES; to++) /* an end is an end */
        CHECK(!q_may_move(Q_DELIVERED, to) && !q_may_move(Q_BOUNCED, to) && !q_may_move(Q_DROPPED, to));
    CHECK(!q_is_end(Q_WAITING) && !q_is_end(Q_HELD) && !q_is_end(Q_FAILED) && q_is_end(Q_DROPPED));
}

TEST(queue_retry_grows)
{
    struct queue q = {.retry_first_s = 300, .retry_most_s = 14400};
    int64_t last = 0;
    for (uint32_t n = 1; n < 40; n++) {
        int64_t s = retry_interval(&q, n, 0, 0);
        CHECK(s >= 240 && s <= 14400 * 6 / 5);
        if (n % 4 == 0 && n < 10) {
            CHECK(s > last);
            last = s;
        }
    }
    CHECK(retry_interval(&q, 30, 0, 0) >= 14400 * 4 / 5);
    CHECK(retry_interval(&q, 1, 10, 20) >= 3000 * 4 / 5); /* a full mailbox, for example */
    CHECK(retry_interval(&q, 30, 10, 20) <= 6000 * 6 / 5);
    CHECK(retry_interval(&q, 1, 1000, 0) <= 14400 * 6 / 5);
}

/* The class, and the rule that decided, stand in the recipient's row; a 5yz that speaks of a moment is
 * tried again, and each class has its own wait. */
TEST(queue_understands_replies)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "fast@two.test full@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, one_deferred));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 2);
    for (size_t i = 0; i < 2; i++) {
        bool fast = sl_starts(info.rcpt[i].address, SL("fast"));
        int64_t in = info.rcpt[i].next_try - info.rcpt[i].last_try, want = fast ? 5 * 60 : 60 * 60;
        CHECK_SL(info.rcpt[i].state, "waiting");
        CHECK_SL(info.rcpt[i].class, fast ? "rate" : "full");
        CHECK_SL(info.rcpt[i].rule, fast ? "tencent/frequency" : "words/over-quota");
        CHECK(in >= want * 4 / 5 && in <= want * 6 / 5 + 1);
    }
    end(&t);
}

struct walking {
    struct tester *t;
    size_t seen;
    int result;
};

static int stop_after_some(void *arg, const struct queue_info *info)
{
    struct walking *x = arg;
    (void)info;
    return ++x->seen == 3 ? ERR_EOF : 0;
}

static void retry_all(void *arg)
{
    struct walking *x = arg;
    x->result = queue_act_all(x->t->q, &(struct queue_filter){0}, QUEUE_HOLD, &x->seen);
}

TEST(queue_walks_end_when_nobody_wants_them_any_more)
{
    enum { LETTERS = 10 };
    struct tester t;
    struct walking x = {.t = &t};
    struct group g;
    REQUIRE(begin(&t, NULL));
    for (int i = 0; i < LETTERS; i++) {
        struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
        CHECK_OK(accept_letter(t.q, &l));
    }
    CHECK_INT(listed(&t, &(struct queue_filter){.limit = 4}), 4);
    CHECK_ERR(queue_list(t.q, &(struct queue_filter){0}, stop_after_some, &x), ERR_EOF);
    CHECK_INT(x.seen, 3);
    group_init(&g);
    CHECK_OK(group_go(&g, "retry", retry_all, &x));
    group_cancel(&g); /* the server is to stop */
    (void)group_wait(&g);
    CHECK_ERR(x.result, ERR_CANCELED);
    CHECK_INT(x.seen, 0);
    CHECK_INT(listed(&t, &(struct queue_filter){0}), LETTERS);
    end(&t);
}

static enum stream stream_of(const char *head, const struct letter_wants *w)
{
    struct arena a;
    struct mail_head h;
    ar_init(&a, 0);
    CHECK_OK(mail_head_parse(&a, sl_cstr(head), &h));
    enum stream s = letter_stream(&a, &h, w);
    ar_free(&a);
    return s;
}

TEST(queue_knows_bulk_by_its_head_and_by_a_low_priority)
{
    const struct letter_wants none = {0}, low = {.has_priority = true, .priority = -1},
                              high = {.has_priority = true, .priority = 4};
    CHECK_INT(stream_of("Subject: x\r\n\r\n", &none), STREAM_TRANSACTIONAL);
    CHECK_INT(stream_of("Precedence: first-class\r\n\r\n", &none), STREAM_TRANSACTIONAL);
    CHECK_INT(stream_of("precedence:  Bulk\r\n\r\n", &none), STREAM_BULK);
    CHECK_INT(stream_of("Precedence: list\r\n\r\n", &none), STREAM_BULK);
    CHECK_INT(stream_of("Precedence: junk\r\n\r\n", &none), STREAM_BULK);
    CHECK_INT(stream_of("List-Id: <l.x.test>\r\n\r\n", &high), STREAM_BULK);
    CHECK_INT(stream_of("Subject: x\r\n\r\n", &low), STREAM_BULK);
    CHECK_INT(stream_of("Subject: x\r\n\r\n", &high), STREAM_TRANSACTIONAL);
}
