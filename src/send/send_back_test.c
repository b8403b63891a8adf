/* send_back_test.c - sends that come back from their image: held, whatever of their rows is damaged. */
#include "send_test.h"

struct tester {
    struct send_fixture x;
    struct send_taken t;
    struct send_back back;
    char object[24];
};

static bool begin(struct tester *t, int64_t later, struct slice idempotency)
{
    *t = (struct tester){0};
    if (!send_fixture_begin(&t->x)) return false;
    struct send s = test_send(&t->x);
    struct send_letter l[] = {test_letter(&t->x.f.a, SL("b@two.test")),
                              test_letter(&t->x.f.a, SL("c@two.test"))};
    s.campaign = SL("June");
    s.idempotency = idempotency, s.digest = SL("d1");
    s.send_at = later ? rt_wall_seconds() + later : 0;
    CHECK_OK(send_take(t->x.s, &s, l, COUNT_OF(l), &t->x.f.a, &t->t));
    send_object(&t->t.id, t->object);
    return true;
}

static void end(struct tester *t) { send_fixture_end(&t->x); }

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

static void put_row(struct tester *t, const char *key, struct slice value)
{
    CHECK_OK(kv_transact(t->x.f.s->kv, sl_cstr(t->object), put_tx, &(struct putting){key, value}));
}

static void put_count(struct tester *t, const struct send_count *c)
{
    struct buf b = BUF_INIT;
    send_count_put(&b, c);
    put_row(t, "c", buf_slice(&b));
    buf_free(&b);
}

static void put_order(struct tester *t, enum send_state state)
{
    struct buf b = BUF_INIT;
    send_order_put(&b, &(struct send_order){state, 1, SL("")});
    put_row(t, "s", buf_slice(&b));
    buf_free(&b);
}

/* What all sends know of it is lost with the index, too. */
static struct send_info come_back(struct tester *t)
{
    struct send_info info = {0};
    struct store *s = t->x.f.s;
    CHECK_OK(kv_erase(s->kv, SL(SENDS_OBJECT), SL(" "), SL("")));
    CHECK_OK(send_take_back(s, sl_cstr(t->object), 1000, &t->x.f.a, &t->back));
    CHECK_SL(sl_cstr(t->back.id.s), t->t.id.s);
    if (!t->back.gone) CHECK_OK(send_show(t->x.s, &t->t.id, &t->x.f.a, &info));
    return info;
}

static bool is_known_to_all(struct tester *t)
{
    struct slice row;
    struct arena *a = &t->x.f.a;
    struct kv *kv = t->x.f.s->kv;
    return kv_get(kv, SL(SENDS_OBJECT), ar_printf(a, "a/%s", t->t.id.s), a, &row) == 0 &&
           kv_get(kv, SL(SENDS_OBJECT), ar_printf(a, "l/%s/%s", t->x.account.id, t->t.id.s), a, &row) == 0;
}

/* It may have been canceled since: that was acknowledged, and is in no image. */
TEST(send_that_had_not_begun_comes_back_held)
{
    struct tester t;
    if (!begin(&t, 3600, SL(""))) return;
    struct send_info info = come_back(&t);
    CHECK(t.back.held && !t.back.begun && !t.back.given && !t.back.lost);
    CHECK_SL(info.state, "paused");
    CHECK(sl_find(info.why, SL("had not begun")) != SL_NONE && sl_find(info.why, SL("canceled")) != SL_NONE);
    CHECK(is_known_to_all(&t));
    end(&t);
}

TEST(send_with_a_damaged_count_or_order_comes_back_held)
{
    static const char *const keys[] = {"c", "s"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        struct tester t;
        if (!begin(&t, 0, SL(""))) return;
        put_row(&t, keys[i], SL("\1x"));
        struct send_info info = come_back(&t);
        CHECK(t.back.held && !t.back.gone && t.back.unknown == (i == 0));
        CHECK_SL(info.state, "paused");
        CHECK(sl_find(info.why, i ? SL("the index was lost") : SL("cannot be read")) != SL_NONE);
        CHECK(is_known_to_all(&t));
        end(&t);
    }
}

TEST(send_without_a_head_is_told_as_lost_and_leaves_nothing)
{
    struct tester t;
    struct kv_page page;
    if (!begin(&t, 0, SL(""))) return;
    put_row(&t, "h", SL("\1x"));
    come_back(&t);
    CHECK(t.back.gone && t.back.when == 1000);
    CHECK_OK(kv_scan(t.x.f.s->kv, sl_cstr(t.object), SL(" "), SL(""), 1, &t.x.f.a, &page));
    CHECK_INT(page.n, 0);
    end(&t);
}

/* It would name a row that cannot be; the other sends come back all the same. */
TEST(send_whose_head_names_an_account_that_cannot_be_is_told_as_lost)
{
    struct tester t;
    struct send_head h;
    struct buf b = BUF_INIT;
    if (!begin(&t, 0, SL(""))) return;
    CHECK_OK(send_head_read(t.x.s, &t.t.id, &t.x.f.a, &h));
    h.account = SL("\1x");
    send_head_put(&b, &h);
    put_row(&t, "h", buf_slice(&b));
    buf_free(&b);
    come_back(&t);
    CHECK(t.back.gone);
    end(&t);
}

TEST(send_that_comes_back_counts_as_lost_what_was_counted_as_queued)
{
    struct tester t;
    if (!begin(&t, 0, SL(""))) return;
    put_count(&t, &(struct send_count){
                      .next = 1, .queued = 5, .ended = 3, .delivered = 2, .failed = 1, .begun = 1});
    struct send_info info = come_back(&t);
    CHECK(t.back.held && t.back.begun && t.back.given == 1 && t.back.lost == 2);
    CHECK_INT(info.failed, 3);
    CHECK_INT(info.waiting, 0);
    end(&t);
}

/* Nobody gets it again, even though its count cannot be read. */
TEST(send_that_was_over_comes_back_over)
{
    for (int damaged = 0; damaged < 2; damaged++) {
        struct tester t;
        if (!begin(&t, 0, SL(""))) return;
        put_count(&t, &(struct send_count){.next = 2, .queued = 3, .ended = 2, .begun = 1, .over = 2});
        if (damaged) put_row(&t, "c", SL("\1x"));
        put_order(&t, SEND_FINISHED);
        struct send_info info = come_back(&t);
        CHECK(t.back.over && !t.back.held && !t.back.lost);
        CHECK_SL(info.state, "finished");
        CHECK(info.over && !info.failed);
        struct send_count c;
        CHECK_OK(send_count_read(t.x.s, t.object, &t.x.f.a, &c));
        CHECK_INT(c.next, 2);
        end(&t);
    }
}

TEST(send_that_was_canceled_stays_so)
{
    struct tester t;
    if (!begin(&t, 0, SL(""))) return;
    put_order(&t, SEND_CANCELED);
    CHECK_SL(come_back(&t).state, "canceled");
    CHECK(!t.back.held);
    end(&t);
}

TEST(send_that_comes_back_is_the_same_under_its_key_of_idempotency)
{
    struct tester t;
    struct send_taken again;
    if (!begin(&t, 0, SL("key-1"))) return;
    come_back(&t);
    struct send s = test_send(&t.x);
    struct send_letter l = test_letter(&t.x.f.a, SL("b@two.test"));
    s.idempotency = SL("key-1"), s.digest = SL("d1");
    CHECK_OK(send_take(t.x.s, &s, &l, 1, &t.x.f.a, &again));
    CHECK(again.before && !strcmp(again.id.s, t.t.id.s));
    s.digest = SL("d2");
    CHECK_ERR(send_take(t.x.s, &s, &l, 1, &t.x.f.a, &again), ERR_EXISTS);
    end(&t);
}
