/* numbers_test.c - events counted: by what they belong to, once, bounded, in spite of damage. */
#include "numbers_i.h"
#include "send_test.h"

struct tester {
    struct send_fixture x;
    struct slice account;
};

static bool begin(struct tester *t)
{
    *t = (struct tester){0};
    if (!send_fixture_begin(&t->x)) return false;
    t->account = sl_cstr(t->x.account.id);
    return true;
}

struct telling {
    struct tester *t;
    const struct event *e;
};

static int tell_tx(struct kv_tx *tx, void *arg)
{
    struct telling *x = arg;
    event_tx_add(x->t->x.s, tx, x->t->account, x->e);
    return 0;
}

static void tell(struct tester *t, const struct event *e)
{
    CHECK_OK(kv_transact(t->x.f.s->kv, SL("any"), tell_tx, &(struct telling){t, e}));
}

static void take(struct tester *t, struct send *s, struct letter_id *id)
{
    struct send_letter l = test_letter(&t->x.f.a, SL("bob@two.test"));
    struct send_taken done;
    CHECK_OK(send_take(t->x.s, s, &l, 1, &t->x.f.a, &done));
    *id = done.id;
}

static struct numbers_row *rows(struct tester *t, enum numbers_by by, struct slice name, size_t *n)
{
    struct numbers_row *v = NULL;
    struct numbers_ask ask = {.account = t->account, .by = by, .name = name};
    CHECK_OK(numbers_days(&ask, SL(""), SL("")));
    CHECK_OK(numbers_table(t->x.s, &ask, &t->x.f.a, &v, n));
    return v;
}

static uint64_t number(struct tester *t, enum numbers_by by, struct slice name, enum number which)
{
    size_t n;
    struct numbers_row *v = rows(t, by, name, &n);
    return n == 1 ? v->n.n[which] : 0;
}

TEST(numbers_count_each_event_where_it_belongs)
{
    struct tester t;
    if (!begin(&t)) return;
    struct slice cats[] = {SL("offers"), SL("red"), SL("red")};
    struct send s = test_send(&t.x);
    struct letter_id first, second;
    struct slice *names;
    size_t n;
    s.campaign = SL("June"), s.category = cats, s.ncategories = 3, s.key = SL("key1");
    take(&t, &s, &first);
    s.campaign = SL("July"), s.ncategories = 1;
    take(&t, &s, &second);
    struct slice to = SL("bob@Two.test");
    tell(&t, &(struct event){.kind = EVENT_PROCESSED, .send = first, .address = to});
    tell(&t, &(struct event){.kind = EVENT_DELIVERED,
                             .send = first,
                             .address = to,
                             .host = SL("a.mx.two.test [192.0.2.1]:25")});
    tell(&t, &(struct event){.kind = EVENT_PROCESSED, .send = second, .address = to});
    tell(&t, &(struct event){.kind = EVENT_BOUNCED,
                             .send = second,
                             .address = to,
                             .class = SL("invalid"),
                             .host = SL("b.mx.two.test [192.0.2.1]:25")});
    tell(&t, &(struct event){.kind = EVENT_DROPPED,
                             .send = second,
                             .address = to,
                             .reason = SEND_OUT_COMPLAINED,
                             .outside = true});
    for (int again = 0; again < 2; again++) {
        CHECK_INT(number(&t, NUMBERS_BY_ALL, SL(""), NUMBER_ACCEPTED), 3);
        CHECK_INT(number(&t, NUMBERS_BY_ALL, SL(""), NUMBER_DELIVERED), 1);
        CHECK_INT(number(&t, NUMBERS_BY_KEY, SL("key1"), NUMBER_PROCESSED), 2);
        CHECK_INT(number(&t, NUMBERS_BY_CAMPAIGN, SL("June"), NUMBER_DELIVERED), 1);
        CHECK_INT(number(&t, NUMBERS_BY_CAMPAIGN, SL("July"), NUMBER_BOUNCED), 1);
        CHECK_INT(number(&t, NUMBERS_BY_CATEGORY, SL("red"), NUMBER_PROCESSED), 1);
        CHECK_INT(number(&t, NUMBERS_BY_CATEGORY, SL("offers"), NUMBER_PROCESSED), 2);
        CHECK_INT(number(&t, NUMBERS_BY_DOMAIN, SL("two.test"), NUMBER_ACCEPTED), 3);
        CHECK_INT(number(&t, NUMBERS_BY_SITE, SL("two.test"), NUMBER_BOUNCED), 1);
    }
    struct numbers_row *v = rows(&t, NUMBERS_BY_CAMPAIGN, SL(""), &n);
    REQUIRE(n == 2);
    CHECK_SL(v[0].name, "July");
    CHECK_INT(v[0].n.bounced[REPLY_INVALID], 1);
    CHECK_INT(v[0].n.dropped[SEND_OUT_COMPLAINED], 1);
    struct numbers_ask ask = {.account = t.account, .by = NUMBERS_BY_CATEGORY};
    CHECK_OK(numbers_days(&ask, SL(""), SL("")));
    CHECK_OK(numbers_names(t.x.s, &ask, &t.x.f.a, &names, &n));
    CHECK_INT(n, 2);
    ask.from = -(1LL << 40), ask.to = 1LL << 40; /* who asks for every day there is has an answer soon */
    CHECK_OK(numbers_names(t.x.s, &ask, &t.x.f.a, &names, &n));
    CHECK_INT(n, 2);
    ask.by = NUMBERS_BY_ALL;
    CHECK_OK(numbers_table(t.x.s, &ask, &t.x.f.a, &v, &n));
    CHECK(n == 1 && v[0].n.n[NUMBER_ACCEPTED] == 3);
    send_fixture_end(&t.x);
}

/* A million names cost no more than NUMBERS_NAMES_MAX rows a day. */
TEST(numbers_of_many_names_are_bounded_and_add_up)
{
    enum { N = NUMBERS_NAMES_MAX + 300 };
    struct tester t;
    if (!begin(&t)) return;
    size_t n;
    uint64_t sum = 0;
    for (int i = 0; i < N; i++)
        tell(&t, &(struct event){.kind = EVENT_PROCESSED, .address = ar_printf(&t.x.f.a, "a@d%d.test", i)});
    struct numbers_row *v = rows(&t, NUMBERS_BY_DOMAIN, SL(""), &n);
    REQUIRE(n == NUMBERS_NAMES_MAX + 1);
    CHECK_SL(v[0].name, "");
    CHECK_INT(v[0].n.n[NUMBER_PROCESSED], 300);
    for (size_t i = 0; i < n; i++) sum += v[i].n.n[NUMBER_PROCESSED];
    CHECK_INT(sum, N);
    send_fixture_end(&t.x);
}

struct putting {
    struct slice key;
};

static int damage_tx(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, ((struct putting *)arg)->key, SL("\x01x"));
    return 0;
}

TEST(numbers_that_are_damaged_hide_no_others)
{
    struct tester t;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct slice to = SL("b@two.test"), object = numbers_object(t.account, a);
    int64_t today = rt_wall_seconds() / 86400;
    size_t n;
    tell(&t, &(struct event){.kind = EVENT_PROCESSED, .address = to});
    tell(&t, &(struct event){.kind = EVENT_PROCESSED, .address = SL("c@three.test")});
    rows(&t, NUMBERS_BY_ALL, SL(""), &n);
    struct slice keys[] = {numbers_key(NUMBERS_BY_DOMAIN, today, SL("two.test"), a), SL("e")};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        CHECK_OK(kv_transact(t.x.f.s->kv, object, damage_tx, &(struct putting){keys[i]}));
        rows(&t, NUMBERS_BY_DOMAIN, SL(""), &n);
        CHECK_INT(n, i ? 2 : 1);
        tell(&t, &(struct event){.kind = EVENT_PROCESSED, .address = to});
        rows(&t, NUMBERS_BY_DOMAIN, SL(""), &n);
        CHECK_INT(n, 2);
    }
    CHECK_INT(number(&t, NUMBERS_BY_DOMAIN, SL("three.test"), NUMBER_PROCESSED), 1);
    send_fixture_end(&t.x);
}

TEST(numbers_of_times)
{
    struct numbers n = {0};
    uint64_t last = 0;
    for (size_t i = 1; i < NUMBERS_BUCKETS; i++) {
        uint64_t ms = numbers_bucket_ms(i);
        CHECK(ms >= last);
        last = ms;
    }
    for (uint64_t ms = 1; ms < 5 * 86400000ull; ms += ms / 3 + 1) {
        size_t b = numbers_bucket(ms);
        CHECK(ms <= numbers_bucket_ms(b) && (!b || ms > numbers_bucket_ms(b - 1)));
    }
    CHECK_INT(numbers_within(&n, 0.5), 0);
    for (uint64_t ms = 1; ms <= 1000; ms++) n.took[numbers_bucket(ms)]++;
    CHECK(numbers_within(&n, 0.5) > 450 && numbers_within(&n, 0.5) < 550);
    CHECK(numbers_within(&n, 0.95) > 855 && numbers_within(&n, 0.95) < 1045);
    n = (struct numbers){0};
    n.took[numbers_bucket(UINT64_MAX)]++;
    CHECK(numbers_within(&n, 0.5) > 86400000);
}

TEST(numbers_of_days)
{
    struct arena a = {0};
    struct numbers_ask ask = {0};
    int64_t day;
    CHECK(numbers_day_named(SL("2026-11-30"), &day));
    CHECK_SL(numbers_day_text(day, &a), "2026-11-30");
    CHECK(!numbers_day_named(SL("2026-02-30"), &day));
    CHECK(!numbers_day_named(SL("30.11.2026"), &day));
    CHECK_ERR(numbers_days(&ask, SL("2026-03-02"), SL("2026-03-01")), ERR_USAGE);
    CHECK_OK(numbers_days(&ask, SL("1999-01-01"), SL("")));
    CHECK_INT(ask.to - ask.from, NUMBERS_KEEP_DAYS - 1);
    ar_free(&a);
}

struct raw {
    const char *object;
    struct slice key, value;
};

static int raw_tx(struct kv_tx *tx, void *arg)
{
    const struct raw *r = arg;
    kv_tx_put(tx, r->key, r->value);
    return 0;
}

static void put_raw(struct tester *t, const char *object, struct slice key, struct slice value)
{
    CHECK_OK(kv_transact(t->x.f.s->kv, sl_cstr(object), raw_tx, &(struct raw){object, key, value}));
}

TEST(numbers_and_events_outlive_a_clock_that_was_wrong)
{
    struct tester t;
    struct event *v;
    struct buf old = BUF_INIT;
    char object[40];
    size_t n;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    uint64_t now = (uint64_t)rt_wall(), years = 3600ull * 24 * 3650 * 1000000;
    t.x.s->last_event = now + years;
    tell(&t, &(struct event){.kind = EVENT_DELIVERED, .address = SL("bob@two.test")});
    CHECK_INT(number(&t, NUMBERS_BY_ALL, SL(""), NUMBER_DELIVERED), 1); /* today */
    CHECK_OK(event_read(t.x.s, t.account, 0, 10, a, &v, &n));
    CHECK_INT(n, 1);
    CHECK(n && v[0].id > now + years && v[0].at >= now && v[0].at < now + years / 2);
    rec_begin(&old, 1);
    rec_put_u64(&old, 'k', EVENT_DELIVERED);
    rec_put_u64(&old, 'T', now - 31ull * 86400 * 1000000);
    snprintf(object, sizeof object, "v:%s", t.x.account.id);
    for (uint64_t i = 0; i < 700; i++)
        put_raw(&t, object, event_id_text(now + years / 2 + i, a), buf_slice(&old));
    CHECK_OK(event_expire(t.x.s, t.account));
    CHECK_OK(event_read(t.x.s, t.account, 0, 10, a, &v, &n));
    CHECK_INT(n, 1);
    buf_free(&old);
    send_fixture_end(&t.x);
}

TEST(numbers_a_damaged_row_of_ids_stops_no_start)
{
    struct tester t;
    if (!begin(&t)) return;
    put_raw(&t, SENDS_OBJECT, SL("e"), SL("\377"));
    struct sends_conf c = {.store = t.x.f.s, .hostname = SL("mail.one.test")};
    sends_close(&t.x.s);
    CHECK_OK(sends_open(&t.x.s, &c));
    if (t.x.s) tell(&t, &(struct event){.kind = EVENT_DELIVERED, .address = SL("bob@two.test")});
    if (t.x.s) CHECK_INT(number(&t, NUMBERS_BY_ALL, SL(""), NUMBER_DELIVERED), 1);
    send_fixture_end(&t.x);
}
