/* allowance_sim.c - limits as hours and days go by, over restarts and power cuts. */
#include "allowance.h"

#include <stdio.h>

#include "base/log.h"
#include "base/test.h"
#include "kv/record.h"
#include "rt/rt.h"
#include "sim/sim.h"

enum { HOUR = 3600, DAY = 86400 };

static void in_world(int (*fn)(void *), void *arg)
{
    struct sim *s = sim_new(1);
    struct sim_node *n = sim_node(s, "x.test", "127.0.0.2");
    sim_node_start(n, fn, arg);
    sim_run(s, INT64_C(86400) * 600 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

static const struct sender_limits defaults = {.v = {[SENDER_LETTERS_HOUR] = 3,
                                                    [SENDER_LETTERS_DAY] = 6,
                                                    [SENDER_RCPTS_HOUR] = 10,
                                                    [SENDER_RCPTS_DAY] = 20,
                                                    [SENDER_FRESH_DAY] = 4,
                                                    [SENDER_RCPTS_LETTER] = 5,
                                                    [SENDER_HELD] = 3,
                                                    [SENDER_HELD_MIB] = 2}};

static struct allowance_of alice(void)
{
    return (struct allowance_of){
        .id = "alice", .limits = SENDER_LIMITS_UNSET, .key_limits = SENDER_LIMITS_UNSET};
}

static int take(struct allowance *a, const struct allowance_of *who, uint32_t rcpts, uint32_t fresh,
                struct allowance_end *end)
{
    return allowance_take(a, who, &(struct allowance_want){1, rcpts, fresh}, end);
}

static void sleep_s(int64_t s) { CHECK_OK(fiber_sleep(s * RT_S)); }

static int each_limit(void *arg)
{
    struct kv *kv;
    struct allowance *a;
    struct allowance_end end;
    struct allowance_of who = alice();
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, NULL));
    allowance_open(&a, kv, &defaults);
    int64_t start = rt_wall_seconds();
    CHECK_INT(take(a, &who, 6, 0, &end), ERR_LIMIT);
    CHECK_INT(end.which, SENDER_RCPTS_LETTER);
    CHECK_OK(take(a, &who, 5, 2, &end));
    CHECK_OK(take(a, &who, 4, 2, &end));
    CHECK_INT(take(a, &who, 1, 1, &end), ERR_LIMIT);
    CHECK_INT(end.which, SENDER_FRESH_DAY);
    CHECK(end.until > start + 23 * HOUR && end.until <= start + DAY);
    CHECK_INT(take(a, &who, 2, 0, &end), ERR_LIMIT);
    CHECK_INT(end.which, SENDER_RCPTS_HOUR);
    CHECK(sl_find(sl_cstr(err_text(ERR_LIMIT)), SL("10 recipients an hour")) != SL_NONE);
    CHECK_OK(take(a, &who, 1, 0, &end));
    CHECK_INT(take(a, &who, 1, 0, &end), ERR_LIMIT); /* of two that bind the one is told that ends last */
    CHECK(end.until > start + HOUR - ALLOWANCE_HOUR_SLOT && end.until <= start + HOUR);
    sleep_s(end.until - rt_wall_seconds() - 1);
    CHECK_INT(take(a, &who, 1, 0, &end), ERR_LIMIT);
    sleep_s(1);
    CHECK_OK(take(a, &who, 5, 0, &end)); /* what was told holds to the second */
    CHECK_OK(take(a, &who, 4, 0, &end));
    sleep_s(HOUR);
    CHECK_INT(take(a, &who, 2, 0, &end), ERR_LIMIT);
    CHECK_INT(end.which, SENDER_RCPTS_DAY);
    CHECK_OK(take(a, &who, 1, 0, &end));
    sleep_s(DAY);
    CHECK_OK(take(a, &who, 5, 4, &end));
    who.limits.v[SENDER_RCPTS_DAY] = 0;
    CHECK_INT(take(a, &who, 1, 0, &end), ERR_LIMIT);
    CHECK_INT(end.until, 0); /* never */
    who.limits.v[SENDER_RCPTS_DAY] = SENDER_UNLIMITED;
    for (int i = 0; i < 100; i++) CHECK_OK(take(a, &who, 1000, 1000, &end));
    who.limits.v[SENDER_RCPTS_LETTER] = 999;
    CHECK_INT(take(a, &who, 1000, 0, &end), ERR_LIMIT);
    CHECK_OK(
        allowance_take(a, &who, &(struct allowance_want){10, 9990, 0}, &end)); /* a send of ten letters */
    allowance_close(&a);
    kv_close(&kv);
    return 0;
}

TEST(each_limit_binds_and_ends_when_it_says) { in_world(each_limit, NULL); }

static int hold(struct allowance *a, const struct allowance_of *who, int64_t until, uint64_t bytes,
                struct allowance_end *end)
{
    struct allowance_held held = {.until = until, .bytes = bytes};
    int e = allowance_held_ask(a, who, &held, end);
    CHECK_INT(allowance_held_take(a, who, &held, end), e);
    CHECK(held.until == 0 ||
          (held.until >= until && (until - rt_wall_seconds()) / 64 + 10 >= held.until - until));
    return e;
}

static uint64_t held_now(struct allowance *a, enum sender_limit k)
{
    struct allowance_used used;
    CHECK_OK(allowance_used(a, "alice", SL(""), &used));
    return used.n[k];
}

/* RFC 4865 section 6: so many, so much; each until its time, also after a restart. */
static int holds(void *arg)
{
    struct kv *kv;
    struct allowance *a;
    struct allowance_end end;
    struct allowance_of who = alice();
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, NULL));
    allowance_open(&a, kv, &defaults);
    int64_t start = rt_wall_seconds() / 160 * 160; /* slots three hours off have 160 seconds */
    CHECK_OK(hold(a, &who, start + HOUR, 1000, &end));
    CHECK_OK(hold(a, &who, start + HOUR, 1000, &end));
    CHECK_OK(hold(a, &who, start + 2 * HOUR + 1, 1 << 20, &end));
    CHECK_INT(held_now(a, SENDER_HELD), 3);
    CHECK_INT(held_now(a, SENDER_HELD_MIB), 2);
    CHECK_INT(hold(a, &who, start + 3 * HOUR, 1, &end), ERR_LIMIT);
    CHECK_INT(end.which, SENDER_HELD);
    CHECK_INT(end.until, start + HOUR); /* then two places are free */
    CHECK(sl_find(sl_cstr(err_text(ERR_LIMIT)), SL("3 letters held for later; more can be")) != SL_NONE);
    allowance_close(&a);
    allowance_open(&a, kv, &defaults);
    CHECK_INT(hold(a, &who, start + 3 * HOUR, 1, &end), ERR_LIMIT);
    sleep_s(start + HOUR - 20 - rt_wall_seconds());
    CHECK_INT(hold(a, &who, start + 3 * HOUR, 1, &end), ERR_LIMIT);
    sleep_s(end.until - rt_wall_seconds());
    CHECK_INT(held_now(a, SENDER_HELD), 1);
    CHECK_INT(hold(a, &who, start + 3 * HOUR, (1 << 20) + 1, &end), ERR_LIMIT);
    CHECK_INT(end.which, SENDER_HELD_MIB);
    CHECK_INT(end.until, start + 2 * HOUR + 80);
    struct allowance_held later = {start + 3 * HOUR, 1 << 20};
    CHECK_OK(allowance_held_take(a, &who, &later, &end));
    sleep_s(HOUR / 2); /* its slot would be a shorter one now */
    CHECK_INT(held_now(a, SENDER_HELD), 2);
    allowance_held_return(a, &who, &later);
    CHECK_INT(held_now(a, SENDER_HELD), 1);
    CHECK_INT(hold(a, &who, start + 3 * HOUR, (2 << 20) + 1, &end), ERR_LIMIT); /* never */
    CHECK_INT(end.until, 0);
    who.limits.v[SENDER_HELD] = 0;
    CHECK_INT(hold(a, &who, start + 3 * HOUR, 1, &end), ERR_LIMIT);
    CHECK_INT(end.until, 0);
    who.limits.v[SENDER_HELD] = who.limits.v[SENDER_HELD_MIB] = SENDER_UNLIMITED;
    for (int i = 0; i < 100; i++) CHECK_OK(hold(a, &who, start + 4 * HOUR + 20 * i, UINT64_C(1) << 30, &end));
    allowance_close(&a);
    kv_close(&kv);
    return 0;
}

TEST(what_is_held_for_later_is_limited_until_its_time) { in_world(holds, NULL); }

/* Many GiB of one slot count as what they are, also when the other limit is what binds. */
static int hold_much(void *arg)
{
    struct kv *kv;
    struct allowance *a;
    struct allowance_end end;
    struct allowance_of who = alice();
    int64_t until = rt_wall_seconds() / 160 * 160 + HOUR;
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, NULL));
    allowance_open(&a, kv, &defaults);
    who.limits.v[SENDER_HELD] = 5;
    who.limits.v[SENDER_HELD_MIB] = SENDER_UNLIMITED;
    for (int i = 0; i < 5; i++) CHECK_OK(hold(a, &who, until, UINT64_C(1) << 30, &end));
    CHECK_INT(held_now(a, SENDER_HELD), 5);
    CHECK_INT(held_now(a, SENDER_HELD_MIB), 5 << 10);
    CHECK_INT(hold(a, &who, until, 1, &end), ERR_LIMIT);
    CHECK_INT(end.which, SENDER_HELD);
    allowance_close(&a);
    kv_close(&kv);
    return 0;
}

TEST(many_gib_that_are_held_are_counted) { in_world(hold_much, NULL); }

static int hold_many(void *arg)
{
    struct kv *kv;
    struct allowance *a;
    struct allowance_end end;
    struct allowance_of who = alice();
    struct arena rows;
    struct kv_page page;
    int64_t now = rt_wall_seconds();
    (void)arg;
    ar_init(&rows, 0);
    CHECK_OK(kv_mem_open(&kv, NULL));
    allowance_open(&a, kv, &defaults);
    who.limits.v[SENDER_HELD] = 5000;
    for (int i = 0; i < 3000; i++) CHECK_OK(hold(a, &who, now + 800 * (i + 1), 1, &end));
    CHECK_INT(held_now(a, SENDER_HELD), 3000);
    CHECK_OK(kv_scan(kv, SL("n:alice"), SL("h/"), SL("h0"), 5000, &rows, &page));
    CHECK(page.n > 100 && page.n < 500 && !page.more);
    who.limits.v[SENDER_HELD] = who.limits.v[SENDER_HELD_MIB] = SENDER_UNLIMITED;
    struct allowance_held any = {now + HOUR, UINT64_C(1) << 40};
    CHECK_OK(allowance_held_take(a, &who, &any, &end));
    CHECK_INT(any.until, 0);
    allowance_held_return(a, &who, &any);
    CHECK_INT(held_now(a, SENDER_HELD), 3000); /* nothing asks how many */
    allowance_close(&a);
    kv_close(&kv);
    ar_free(&rows);
    return 0;
}

TEST(many_letters_that_are_held_are_few_rows) { in_world(hold_many, NULL); }

static int keys(void *arg)
{
    struct kv *kv;
    struct allowance *a;
    struct allowance_end end;
    struct allowance_used used;
    struct allowance_of who = alice(), printer = alice();
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, NULL));
    allowance_open(&a, kv, &defaults);
    printer.key = SL("k1");
    printer.key_limits.v[SENDER_RCPTS_HOUR] = 2;
    CHECK_OK(take(a, &printer, 2, 0, &end));
    CHECK_INT(take(a, &printer, 1, 0, &end), ERR_LIMIT);
    CHECK(end.of_key && end.which == SENDER_RCPTS_HOUR);
    CHECK_OK(take(a, &who, 5, 0, &end)); /* the account's own share is not the key's */
    CHECK_OK(allowance_used(a, "alice", SL(""), &used));
    CHECK_INT(used.n[SENDER_RCPTS_HOUR], 7); /* but the key's counts in the account's */
    CHECK_OK(allowance_used(a, "alice", SL("k1"), &used));
    CHECK_INT(used.n[SENDER_RCPTS_HOUR], 2);
    allowance_return(a, &printer, &(struct allowance_want){1, 2, 0});
    CHECK_OK(take(a, &printer, 1, 0, &end));
    CHECK_OK(allowance_used(a, "alice", SL(""), &used));
    CHECK_INT(used.n[SENDER_RCPTS_HOUR], 6);
    CHECK(allowance_tell(a, "alice") && !allowance_tell(a, "alice"));
    sleep_s(DAY);
    CHECK(allowance_tell(a, "alice"));
    allowance_close(&a);
    kv_close(&kv);
    return 0;
}

TEST(a_key_has_limits_of_its_own_within_those_of_the_account) { in_world(keys, NULL); }

static int nothing(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("x"), SL("1"));
    return 0;
}

/* What was taken together with a letter that was committed is counted after the power is back. */
static int before_the_cut(void *arg)
{
    struct kv *kv;
    struct allowance *a;
    struct allowance_end end;
    struct allowance_of who = alice();
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, "index"));
    allowance_open(&a, kv, &defaults);
    CHECK_OK(take(a, &who, 5, 4, &end));
    allowance_wrote(a, "alice", SL("bob@two.test"));
    CHECK_OK(kv_transact(kv, SL("q:000"), nothing, NULL));
    CHECK_INT(fiber_sleep(100 * RT_S), ERR_CANCELED);
    allowance_close(&a);
    kv_close(&kv);
    return 0;
}

static int after_the_cut(void *arg)
{
    struct kv *kv;
    struct allowance *a;
    struct allowance_end end;
    struct allowance_used used;
    enum allowance_known known;
    struct allowance_of who = alice();
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, "index"));
    allowance_open(&a, kv, &defaults);
    CHECK_OK(allowance_used(a, "alice", SL(""), &used));
    CHECK_INT(used.n[SENDER_RCPTS_DAY], 5);
    CHECK_INT(used.n[SENDER_LETTERS_HOUR], 1);
    CHECK_INT(take(a, &who, 1, 1, &end), ERR_LIMIT);
    CHECK_INT(end.which, SENDER_FRESH_DAY);
    CHECK_OK(allowance_knows(a, "alice", SL("Bob@Two.test"), &known));
    CHECK_INT(known, ALLOWANCE_KNOWN);
    CHECK_OK(allowance_knows(a, "alice", SL("carol@two.test"), &known));
    CHECK_INT(known, ALLOWANCE_FRESH);
    CHECK_OK(allowance_knows(a, "carol", SL("bob@two.test"), &known));
    CHECK_INT(known, ALLOWANCE_FRESH);
    allowance_close(&a);
    kv_close(&kv);
    return 0;
}

TEST(what_was_sent_is_counted_after_a_power_cut)
{
    struct sim *s = sim_new(3);
    struct sim_node *n = sim_node(s, "x.test", "127.0.0.2");
    sim_node_start(n, before_the_cut, NULL);
    sim_run(s, 10 * RT_S);
    CHECK(sim_node_running(n));
    sim_kill(n);
    sim_node_start(n, after_the_cut, NULL);
    sim_run(s, 20 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

static bool has_row(struct kv *kv, const char *key)
{
    struct arena a;
    struct slice v;
    ar_init(&a, 0);
    int e = kv_get(kv, SL("n:alice"), sl_cstr(key), &a, &v);
    ar_free(&a);
    return e == 0;
}

static int spoil(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, sl_cstr(key), SL("\x01\x41\x7f"));
    return 0;
}

static int care(void *arg)
{
    struct kv *kv;
    struct allowance *a;
    struct allowance_end end;
    struct allowance_used used;
    enum allowance_known known;
    struct allowance_of who = alice();
    (void)arg;
    log_set_level(LOG_ERROR + 1);
    CHECK_OK(kv_mem_open(&kv, NULL));
    allowance_open(&a, kv, &defaults);
    CHECK_OK(take(a, &who, 1, 1, &end));
    allowance_wrote(a, "alice", SL("bob@two.test"));
    CHECK_OK(kv_transact(kv, SL("n:alice"), spoil, "c/spoilt"));
    CHECK_OK(allowance_care(a));
    CHECK(has_row(kv, "c"));
    sleep_s(31 * DAY);
    CHECK_OK(allowance_knows(a, "alice", SL("bob@two.test"), &known));
    CHECK_INT(known, ALLOWANCE_FADES);
    CHECK_OK(allowance_care(a));
    CHECK(!has_row(kv, "c") && has_row(kv, "c/spoilt"));
    sleep_s(380 * DAY);
    CHECK_OK(allowance_knows(a, "alice", SL("bob@two.test"), &known));
    CHECK_INT(known, ALLOWANCE_FRESH);
    CHECK_OK(allowance_care(a));
    struct kv_page page;
    struct arena scratch;
    ar_init(&scratch, 0);
    CHECK_OK(kv_scan(kv, SL("n:alice"), SL(""), SL(""), 10, &scratch, &page));
    CHECK_INT(page.n, 1); /* the spoilt one, which verify names */
    ar_free(&scratch);
    CHECK_OK(kv_transact(kv, SL("n:carol"), spoil, "c"));
    CHECK_OK(allowance_used(a, "carol", SL(""), &used)); /* counts begin anew, and the log says so */
    CHECK_INT(used.n[SENDER_RCPTS_DAY], 0);
    allowance_close(&a);
    kv_close(&kv);
    return 0;
}

TEST(rows_go_when_they_say_nothing_and_damaged_ones_hide_none) { in_world(care, NULL); }
