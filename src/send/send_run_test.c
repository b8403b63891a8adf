/* send_run_test.c - sends under way: letters made when they leave, counted, held, canceled, started again. */
#include "base/text.h"
#include "event.h"
#include "mail/head.h"
#include "queue/letter_source.h"
#include "queue/own_test.h"
#include "send_batch.h"
#include "send_test.h"
#include "suppression.h"
#include "unsubscribe.h"

struct tester {
    struct send_fixture x;
    struct own_way way;
    struct queue *q;
    size_t seen;     /* recipients whose letter was taken by a server; atomic */
    bool slow;       /* it answers "later" */
    struct buf text; /* of the last letter; under the lock: loops deliver */
    struct lock lock;
};

static void relay(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    struct buf b = BUF_INIT;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    for (uint64_t from = 0; from < at->source->size;) {
        char piece[700];
        int64_t n = letter_source_read(at->source, from, piece, sizeof piece);
        if (n <= 0) {
            test_fail(__FILE__, __LINE__, "the source ends at %llu: %s", (unsigned long long)from,
                      err_text((int)n));
            break;
        }
        buf_bytes(&b, piece, (size_t)n);
        from += (uint64_t)n;
    }
    lock_take(&t->lock);
    buf_clear(&t->text);
    buf_put(&t->text, buf_slice(&b));
    lock_release(&t->lock);
    buf_free(&b);
    for (size_t i = 0; i < at->nrcpt; i++) {
        struct attempt_rcpt *r = &at->rcpt[i];
        bool bad = sl_starts(r->address, SL("bad"));
        r->result = t->slow ? ATTEMPT_TEMPORARY : bad ? ATTEMPT_PERMANENT : ATTEMPT_DELIVERED;
        r->code = t->slow ? 450 : bad ? 550 : 250;
        snprintf(r->enhanced, sizeof r->enhanced, "%s", bad ? "5.1.1" : "2.0.0");
        r->reply = t->slow ? SL("450 later") : bad ? SL("550 5.1.1 User unknown") : SL("250 ok");
        r->host = SL("mx.two.test [192.0.2.9]:25");
        __atomic_add_fetch(&t->seen, r->result == ATTEMPT_DELIVERED, __ATOMIC_SEQ_CST);
    }
}

static bool begin(struct tester *t)
{
    *t = (struct tester){0};
    if (!send_fixture_begin(&t->x)) return false;
    t->way = (struct own_way){&t->x.f.s, &t->q};
    struct queue_conf c = own_way_queue(&t->way, 4);
    c.maker = sends_maker(t->x.s);
    CHECK_OK(queue_open(&t->q, t->x.f.s, &c));
    CHECK_OK(sends_start(t->x.s, t->q));
    CHECK_OK(queue_start(t->q, relay, t));
    return t->q != NULL;
}

static void end(struct tester *t)
{
    sends_stop(t->x.s);
    queue_close(&t->q);
    buf_free(&t->text);
    send_fixture_end(&t->x);
}

static struct send_info show(struct tester *t, const struct letter_id *id)
{
    struct send_info info = {0};
    CHECK_OK(send_show(t->x.s, id, &t->x.f.a, &info));
    return info;
}

/* Until the send is in that state; at most ten seconds. */
static bool wait_for(struct tester *t, const struct letter_id *id, const char *state)
{
    for (int i = 0; i < 1000; i++) {
        if (sl_eq(show(t, id).state, sl_cstr(state))) return true;
        (void)!fiber_sleep(10 * RT_MS);
    }
    test_fail(__FILE__, __LINE__, "the send is %.*s, not %s", SLF(show(t, id).state), state);
    return false;
}

static size_t count_events(struct tester *t, enum event_kind k)
{
    struct event *e;
    size_t n, seen = 0;
    uint64_t last = 0;
    CHECK_OK(event_read(t->x.s, sl_cstr(t->x.account.id), 0, 1000, &t->x.f.a, &e, &n));
    for (size_t i = 0; i < n; i++) {
        CHECK(e[i].id > last);
        last = e[i].id;
        seen += e[i].kind == k;
    }
    return seen;
}

TEST(send_runs_to_its_end)
{
    enum { N = 600 };
    struct tester t;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct send s = test_send(&t.x);
    struct send_letter *l = ar_array(a, struct send_letter, N);
    struct send_taken done;
    for (int i = 0; i < N; i++)
        l[i] = test_letter(a, ar_printf(a, "%s%d@d%d.test", i % 100 == 5 ? "bad" : "r", i, i % 7));
    l[3] = test_letter(a, SL("nobody@one.test"));
    l[4] = test_letter(a, SL("news@one.test"));
    s.campaign = SL("June");
    CHECK_OK(send_take(t.x.s, &s, l, N, a, &done));
    if (!wait_for(&t, &done.id, "finished")) return;
    struct send_info i = show(&t, &done.id);
    CHECK_INT(i.delivered, N - 7);
    CHECK_INT(i.bounced, 7);
    CHECK_INT(i.waiting, 0);
    CHECK_INT(i.queued, N - 1);
    CHECK_INT(t.seen, N - 8); /* one was delivered here */
    struct suppression_entry *e;
    size_t n;
    CHECK_OK(suppression_get(t.x.s, sl_cstr(t.x.account.id), SL("BAD5@d5.test"), a, &e, &n));
    REQUIRE(n == 1);
    CHECK_INT(e->reason, SEND_OUT_INVALID);
    CHECK_SL(e->evidence, "550 5.1.1 User unknown");
    end(&t);
}

static struct slice message_id(struct tester *t, const struct letter_id *send)
{
    return send_message_id(t->x.s, &t->x.f.a, &(struct send_ref){.send = *send}, SL("one.test"));
}

/* Each tag becomes a link of many more bytes: a letter has only so many of them. */
TEST(send_letters_have_only_so_many_links_to_leave_by)
{
    struct tester t;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    for (int more = 0; more < 2; more++) {
        struct buf b = BUF_INIT;
        for (int i = 0; i < UNSUBSCRIBE_LINKS_MAX + more; i++) buf_str(&b, "<%asm_preferences_url%>\r\n");
        struct send_part part = {SL("text/plain"), ar_dup(a, buf_slice(&b))};
        struct send s = test_send(&t.x);
        struct send_letter l = test_letter(a, SL("b@two.test"));
        struct send_taken done;
        s.part = &part;
        CHECK_OK(send_take(t.x.s, &s, &l, 1, a, &done));
        if (!wait_for(&t, &done.id, "finished")) return;
        CHECK_INT(show(&t, &done.id).delivered, !more);
        buf_free(&b);
    }
    end(&t);
}

TEST(send_letters_are_whole_messages)
{
    struct tester t;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct send s = test_send(&t.x);
    struct send_letter l = test_letter(a, SL("b@two.test"));
    struct send_taken done;
    struct mail_head h;
    l.to.v->name = SL("Đặng, \"X\"");
    l.subject = SL("Own");
    l.fields = (struct send_fields){&(struct send_field){SL("X-Own"), SL("1")}, 1};
    CHECK_OK(send_take(t.x.s, &s, &l, 1, a, &done));
    if (!wait_for(&t, &done.id, "finished")) return;
    CHECK_OK(mail_head_parse(a, buf_slice(&t.text), &h));
    CHECK_SL(mail_head_get(a, &h, SL("Message-ID"), NULL), message_id(&t, &done.id).p);
    CHECK_SL(mail_head_get(a, &h, SL("Subject"), NULL), "Own");
    CHECK_SL(mail_head_get(a, &h, SL("X-Own"), NULL), "1");
    CHECK(sl_find(mail_head_get(a, &h, SL("To"), NULL), SL("<b@two.test>")) != SL_NONE);
    CHECK(sl_ends(buf_slice(&t.text), SL("Hello\r\n")));
    /* large ones are made piece by piece */
    struct send_file file = {SL("big.bin"), SL(""), SL(""), false, {NULL, 0}};
    struct buf big = BUF_INIT;
    for (int i = 0; i < 300000; i++) buf_printf(&big, "%d,", i);
    file.bytes = buf_slice(&big);
    s.file = &file, s.nfiles = 1;
    CHECK_OK(send_take(t.x.s, &s, &l, 1, a, &done));
    if (!wait_for(&t, &done.id, "finished")) return;
    CHECK_INT(show(&t, &done.id).delivered, 1);
    CHECK(t.text.n > big.n / 3 * 4);
    /* whole messages of the sender's own */
    s.nfiles = 0;
    s.raw = SL("From: news@one.test\r\nSubject: Raw\r\nBcc: c@three.test\r\nX-Junk: no\r\n"
               "Authentication-Results: MAIL.one.test; dkim=pass header.d=two.test\r\n"
               "Authentication-Results: mx.two.test; dkim=pass header.d=two.test\r\n\r\nBody\r\n");
    CHECK_OK(send_take(t.x.s, &s, &l, 1, a, &done));
    if (!wait_for(&t, &done.id, "finished")) return;
    CHECK(sl_find(buf_slice(&t.text), SL("Subject: Raw\r\n")) != SL_NONE &&
          sl_find(buf_slice(&t.text), SL("c@three")) == SL_NONE);
    CHECK(sl_find(buf_slice(&t.text), SL("X-Junk")) == SL_NONE &&
          sl_find(buf_slice(&t.text), SL("MAIL.one")) == SL_NONE &&
          sl_find(buf_slice(&t.text), SL("mx.two.test; dkim=pass")) != SL_NONE);
    CHECK(sl_find(buf_slice(&t.text), message_id(&t, &done.id)) != SL_NONE);
    buf_free(&big);
    end(&t);
}

/* What was said to its batch, and not to it before the power was cut, it hears when it is to be run; what was
 * said to itself later stands. */
TEST(send_hears_what_was_said_to_its_batch)
{
    struct tester t;
    if (!begin(&t)) return;
    struct slice account = sl_cstr(t.x.account.id);
    struct send s = test_send(&t.x);
    struct send_letter l = test_letter(&t.x.f.a, SL("b@two.test"));
    struct send_taken canceled, paused, free_;
    sends_stop(t.x.s);
    t.x.s->stopping = false;
    s.batch = SL("stopped");
    CHECK_OK(send_take(t.x.s, &s, &l, 1, &t.x.f.a, &canceled));
    s.batch = SL("held");
    CHECK_OK(send_take(t.x.s, &s, &l, 1, &t.x.f.a, &paused));
    s.batch = SL("other");
    CHECK_OK(send_take(t.x.s, &s, &l, 1, &t.x.f.a, &free_));
    CHECK_OK(send_batch_put(t.x.s, account, SL("stopped"), SEND_CANCEL));
    CHECK_OK(send_batch_put(t.x.s, account, SL("held"), SEND_PAUSE));
    CHECK_OK(sends_start(t.x.s, t.q));
    if (!wait_for(&t, &free_.id, "finished") || !wait_for(&t, &canceled.id, "canceled") ||
        !wait_for(&t, &paused.id, "paused"))
        return;
    CHECK_INT(t.seen, 1);
    sends_stop(t.x.s);
    t.x.s->stopping = false;
    CHECK_OK(send_act(t.x.s, &paused.id, SEND_RESUME, SL("its sender")));
    CHECK_OK(sends_start(t.x.s, t.q));
    if (!wait_for(&t, &paused.id, "finished")) return;
    CHECK_INT(t.seen, 2);
    end(&t);
}

TEST(send_that_is_canceled_or_paused_sends_nothing)
{
    struct tester t;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct send s = test_send(&t.x);
    struct send_letter l[] = {test_letter(a, SL("b@two.test")), test_letter(a, SL("c@two.test"))};
    struct send_taken done, late;
    s.send_at = rt_wall_seconds() + 3600, s.campaign = SL("x");
    CHECK_OK(send_take(t.x.s, &s, l, 2, a, &done));
    CHECK_OK(send_act(t.x.s, &done.id, SEND_PAUSE, SL("not yet")));
    CHECK_ERR(send_act(t.x.s, &done.id, SEND_PAUSE, SL("")), ERR_STATE);
    CHECK_SL(show(&t, &done.id).why, "not yet");
    CHECK_OK(send_act(t.x.s, &done.id, SEND_CANCEL, SL("never")));
    for (int i = 0; i < 1000 && !show(&t, &done.id).over; i++) (void)!fiber_sleep(10 * RT_MS);
    CHECK_SL(show(&t, &done.id).state, "canceled");
    CHECK_INT(show(&t, &done.id).dropped, 2);
    CHECK_ERR(send_act(t.x.s, &done.id, SEND_RESUME, SL("")), ERR_STATE);
    s.send_at = rt_wall_seconds() - 10 * 3600; /* long ago */
    CHECK_OK(send_take(t.x.s, &s, l, 2, a, &late));
    if (!wait_for(&t, &late.id, "paused")) return;
    CHECK_INT(t.seen, 0);
    CHECK_OK(send_act(t.x.s, &late.id, SEND_RESUME, SL("")));
    if (!wait_for(&t, &late.id, "finished")) return;
    CHECK_INT(t.seen, 2);
    struct letter_id none = {"0123456789abcdef"};
    CHECK_ERR(send_act(t.x.s, &none, SEND_PAUSE, SL("")), ERR_NOT_FOUND);
    end(&t);
}

TEST(send_asks_again_before_each_attempt)
{
    struct tester t;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct send s = test_send(&t.x);
    struct send_letter l = test_letter(a, SL("b@two.test"));
    struct send_taken done;
    t.slow = true;
    CHECK_OK(send_take(t.x.s, &s, &l, 1, a, &done));
    for (int i = 0; i < 1000 && !show(&t, &done.id).deferred; i++) (void)!fiber_sleep(10 * RT_MS);
    struct suppression_entry e = {.address = SL("b@two.test"), .reason = SEND_OUT_UNSUBSCRIBED};
    CHECK_OK(suppression_add(t.x.s, sl_cstr(t.x.account.id), &e));
    struct letter_id id;
    send_letter_id(&done.id, 0, &id);
    t.slow = false;
    CHECK_OK(queue_act(t.q, &id, QUEUE_RETRY));
    if (!wait_for(&t, &done.id, "finished")) return;
    CHECK_INT(t.seen, 0);
    CHECK_INT(show(&t, &done.id).dropped, 1);
    CHECK_INT(count_events(&t, EVENT_DROPPED), 1);
    end(&t);
}

struct putting {
    const char *key;
    struct slice value;
};

static int put_tx(struct kv_tx *tx, void *arg)
{
    const struct putting *p = arg;
    kv_tx_put(tx, sl_cstr(p->key), p->value);
    return 0;
}

static void put_row(struct tester *t, const char *object, const char *key, struct slice value)
{
    CHECK_OK(kv_transact(t->x.f.s->kv, sl_cstr(object), put_tx, &(struct putting){key, value}));
}

/* Letters of two to a page, of a send that waits for a word. */
static void take_paused(struct tester *t, size_t n, struct send_taken *done)
{
    struct arena *a = &t->x.f.a;
    struct send s = test_send(&t->x);
    struct send_letter *l = ar_array(a, struct send_letter, n);
    for (size_t i = 0; i < n; i++) {
        l[i] = test_letter(a, ar_printf(a, "r%zu@two.test", i));
        l[i].data = ar_printf(a, "{\"x\":\"%022000zu\"}", i);
    }
    s.send_at = rt_wall_seconds() - 10 * 3600;
    CHECK_OK(send_take(t->x.s, &s, l, n, a, done));
    wait_for(t, &done->id, "paused");
}

TEST(send_with_damaged_pages_comes_to_its_end)
{
    struct tester t;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct send_taken done;
    struct slice page;
    char object[24];
    take_paused(&t, 10, &done);
    send_object(&done.id, object);
    put_row(&t, object, send_key_page(a, 0, 0).p, SL("damage")); /* 0 and 1 */
    CHECK_OK(send_page_read(t.x.s, &done.id, 4, a, &page));
    put_row(&t, object, send_key_page(a, 4, 0).p, sl_sub(page, 0, page.n - 9)); /* 5 */
    CHECK_OK(send_page_read(t.x.s, &done.id, 6, a, &page));
    char *at = (char *)page.p + sl_find(page, SL("r7@two"));
    memset(at - 6, 0xff, 4);
    put_row(&t, object, send_key_page(a, 6, 0).p, page); /* within letter 7 */
    CHECK_OK(kv_erase(t.x.f.s->kv, sl_cstr(object), send_key_page(a, 8, 0), send_key_page(a, 8, 9)));
    CHECK_OK(send_act(t.x.s, &done.id, SEND_RESUME, SL("")));
    if (!wait_for(&t, &done.id, "finished")) return;
    struct send_info i = show(&t, &done.id);
    CHECK_INT(i.delivered, 4); /* 2, 3, 4, 6 */
    CHECK_INT(i.failed, 6);
    CHECK_INT(i.waiting, 0);
    end(&t);
}

TEST(send_with_damaged_content_waits_for_a_word_and_can_be_canceled)
{
    struct tester t;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct send_taken done;
    char object[24];
    take_paused(&t, 3, &done);
    send_object(&done.id, object);
    put_row(&t, object, send_key_common(a, 0).p, SL("damage"));
    CHECK_OK(send_act(t.x.s, &done.id, SEND_RESUME, SL("")));
    if (!wait_for(&t, &done.id, "paused")) return;
    CHECK(sl_find(show(&t, &done.id).why, SL("cannot be read")) != SL_NONE);
    CHECK_OK(send_act(t.x.s, &done.id, SEND_CANCEL, SL("")));
    for (int i = 0; i < 1000 && !show(&t, &done.id).over; i++) (void)!fiber_sleep(10 * RT_MS);
    CHECK(show(&t, &done.id).over != 0);
    CHECK_SL(show(&t, &done.id).state, "canceled");
    CHECK_INT(show(&t, &done.id).dropped, 3);
    CHECK_INT(t.seen, 0);
    end(&t);
}

TEST(send_that_is_followed_again_enters_nobody_again)
{
    struct tester t;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct slice account = sl_cstr(t.x.account.id);
    struct send s = test_send(&t.x);
    struct send_letter slow = test_letter(a, SL("b@two.test")), bad = test_letter(a, SL("bad@two.test"));
    struct send_taken first, second;
    struct suppression_entry *e;
    size_t n;
    t.slow = true;
    CHECK_OK(send_take(t.x.s, &s, &slow, 1, a, &first));
    for (int i = 0; i < 1000 && !show(&t, &first.id).deferred; i++) (void)!fiber_sleep(10 * RT_MS);
    t.slow = false;
    CHECK_OK(send_take(t.x.s, &s, &bad, 1, a, &second));
    if (!wait_for(&t, &second.id, "finished")) return;
    CHECK_OK(suppression_remove(t.x.s, account, SL("bad@two.test"), SEND_OUT_NONE, 0, &n));
    CHECK_INT(n, 1);
    sends_stop(t.x.s); /* the first goes on from its own last event, which is before the bounce */
    t.x.s->stopping = false;
    CHECK_OK(sends_start(t.x.s, t.q));
    struct letter_id id;
    send_letter_id(&first.id, 0, &id);
    CHECK_OK(queue_act(t.q, &id, QUEUE_RETRY));
    if (!wait_for(&t, &first.id, "finished")) return;
    CHECK_OK(suppression_get(t.x.s, account, SL("bad@two.test"), a, &e, &n));
    CHECK_INT(n, 0);
    end(&t);
}

TEST(send_whose_count_is_damaged_keeps_no_other_from_its_end)
{
    struct tester t;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct send s = test_send(&t.x);
    struct send_letter slow = test_letter(a, SL("b@two.test")), good = test_letter(a, SL("c@two.test"));
    struct send_taken first, second;
    struct letter_id id;
    char object[24];
    t.slow = true;
    CHECK_OK(send_take(t.x.s, &s, &slow, 1, a, &first));
    for (int i = 0; i < 1000 && !show(&t, &first.id).deferred; i++) (void)!fiber_sleep(10 * RT_MS);
    t.slow = false;
    send_object(&first.id, object);
    put_row(&t, object, "c", SL("damage"));
    send_letter_id(&first.id, 0, &id);
    CHECK_OK(queue_act(t.q, &id, QUEUE_RETRY));
    for (int i = 0; i < 1000 && !count_events(&t, EVENT_DELIVERED); i++) (void)!fiber_sleep(10 * RT_MS);
    CHECK_OK(send_take(t.x.s, &s, &good, 1, a, &second));
    wait_for(&t, &second.id, "finished");
    end(&t);
}

/* One of which so much is known at the start. */
static bool is_paused_for(struct tester *t, const struct send_count *c, const char *word)
{
    struct arena *a = &t->x.f.a;
    struct send s = test_send(&t->x);
    struct send_letter l[] = {test_letter(a, SL("a@two.test")), test_letter(a, SL("b@two.test"))};
    struct send_taken done;
    struct buf b = BUF_INIT;
    char object[24];
    sends_stop(t->x.s);
    t->x.s->stopping = false;
    CHECK_OK(send_take(t->x.s, &s, l, COUNT_OF(l), a, &done));
    send_object(&done.id, object);
    send_count_put(&b, c);
    put_row(t, object, "c", buf_slice(&b));
    buf_free(&b);
    CHECK_OK(sends_start(t->x.s, t->q));
    for (int i = 0; i < 1000 && !sl_eq(show(t, &done.id).state, SL("paused")); i++) {
        if (show(t, &done.id).over) return false;
        (void)!fiber_sleep(10 * RT_MS);
    }
    bool says = sl_find(show(t, &done.id).why, sl_cstr(word)) != SL_NONE;
    CHECK_INT(show(t, &done.id).queued, c->queued);
    CHECK_OK(send_act(t->x.s, &done.id, SEND_RESUME, SL("")));
    wait_for(t, &done.id, "finished");
    return says;
}

TEST(send_that_bounces_or_is_complained_of_too_much_waits_for_a_word)
{
    struct tester t;
    if (!begin(&t)) return;
    struct send_count bounces = {.queued = 500, .ended = 500, .delivered = 449, .bounced = 51, .begun = 1};
    struct send_count complaints = {
        .queued = 1000, .ended = 1000, .delivered = 1000, .complained = 4, .begun = 1};
    CHECK(is_paused_for(&t, &bounces, "51 of the first 500 recipients bounced"));
    CHECK(is_paused_for(&t, &complaints, "4 of the first 1000 recipients complained"));
    bounces.delivered++, bounces.bounced--;
    complaints.complained--;
    CHECK(!is_paused_for(&t, &bounces, ""));
    CHECK(!is_paused_for(&t, &complaints, ""));
    end(&t);
}
