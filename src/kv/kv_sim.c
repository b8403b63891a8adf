/* kv_sim.c - power cuts at every durable step: what kv_transact acknowledged is there afterwards. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "kv.h"
#include "sim/power.h"

enum { WRITERS = 4, ROUNDS = 6 };

struct world {
    struct power p;
    struct kv *kv;
    uint64_t tried[WRITERS], acked[WRITERS];
    uint64_t reopened;
};

struct writer {
    struct world *w;
    int i;
    uint64_t value;
};

static struct slice key_of(int i, char c, char room[8])
{
    return sl(room, (size_t)snprintf(room, 8, "%c%d", c, i));
}

static int write_pair(struct kv_tx *tx, void *arg)
{
    struct writer *x = arg;
    char key[8], value[32];
    struct slice v = sl(value, (size_t)snprintf(value, sizeof value, "%llu", (unsigned long long)x->value));
    kv_tx_put(tx, key_of(x->i, 'a', key), v);
    kv_tx_put(tx, key_of(x->i, 'b', key), v);
    return 0;
}

enum { RANGE = 300 };

/* Rows of a range, more than are deleted one by one, appear and are erased; the row "range" says which. */
static int turn_range(struct kv_tx *tx, void *arg)
{
    struct slice now;
    char key[16];
    (void)arg;
    bool there = kv_tx_get(tx, SL("range"), &now) == 0 && sl_eq(now, SL("there"));
    if (there) kv_tx_erase(tx, SL("k/"), SL("k0"));
    for (int i = 0; !there && i < RANGE; i++)
        kv_tx_put(tx, sl(key, (size_t)snprintf(key, sizeof key, "k/%03d", i)), SL("v"));
    kv_tx_put(tx, SL("range"), there ? SL("gone") : SL("there"));
    return 0;
}

static void writer(void *arg)
{
    struct writer *x = arg;
    for (int r = 0; r < ROUNDS; r++) {
        x->value = x->w->tried[x->i] = x->w->tried[x->i] + 1;
        kv_note(x->w->kv, SL("n"), SL("note"), SL("rides along"));
        if (kv_transact(x->w->kv, SL("o"), write_pair, x) == 0) x->w->acked[x->i] = x->value;
        if (x->i == 0) (void)!kv_transact(x->w->kv, SL("e"), turn_range, NULL);
        fiber_yield();
    }
}

static int work(void *arg)
{
    struct world *w = arg;
    struct writer x[WRITERS];
    struct group g;
    int e = kv_mem_open(&w->kv, "kv.log");
    if (e) return e;
    kv_mem_cool(w->kv); /* transactions run again */
    group_init(&g);
    for (int i = 0; i < WRITERS; i++) {
        x[i] = (struct writer){.w = w, .i = i};
        if (group_go(&g, "writer", writer, &x[i])) break;
    }
    e = group_wait(&g);
    struct kv_stats st;
    kv_stats(w->kv, &st);
    w->reopened += st.reopened;
    kv_close(&w->kv);
    return e;
}

static uint64_t value_of(struct kv *kv, struct arena *a, struct slice key)
{
    struct slice v;
    uint64_t n = 0;
    int e = kv_get(kv, SL("o"), key, a, &v);
    if (e != ERR_NOT_FOUND) CHECK_OK(e);
    if (e == 0) CHECK(num_u64(v, UINT64_MAX, &n));
    return n;
}

static void look_at_range(struct kv *kv, struct arena *a)
{
    struct slice now;
    struct kv_page page;
    int e = kv_get(kv, SL("e"), SL("range"), a, &now);
    bool there = e == 0 && sl_eq(now, SL("there"));
    CHECK(e == 0 || e == ERR_NOT_FOUND);
    CHECK_OK(kv_scan(kv, SL("e"), SL("k/"), SL("k0"), KV_PAGE_MAX, a, &page));
    CHECK_INT(page.n, there ? RANGE : 0);
}

static int look(void *arg)
{
    struct world *w = arg;
    struct arena a;
    int e = kv_mem_open(&w->kv, "kv.log");
    CHECK_OK(e);
    if (e) return e;
    ar_init(&a, 0);
    for (int i = 0; i < WRITERS; i++) {
        char key[8];
        uint64_t one = value_of(w->kv, &a, key_of(i, 'a', key)),
                 two = value_of(w->kv, &a, key_of(i, 'b', key));
        CHECK_INT(one, two); /* whole transactions only */
        CHECK(one >= w->acked[i] && one <= w->tried[i]);
        w->acked[i] = one;
    }
    look_at_range(w->kv, &a);
    ar_free(&a);
    kv_close(&w->kv);
    return 0;
}

static const struct power_test power = {
    .size = sizeof(struct world), .work = work, .look = look, .seeds = 5, .least = 20};

TEST(what_was_acknowledged_survives_a_power_cut_at_every_step) { power_cut_everywhere(&power); }

/* The disk fails while work goes on, the power goes, and what was acknowledged is there. Gives how many
 * times the index was opened again, and whether the program gave up. */
static uint64_t failing_disk(uint64_t seed, struct sim_faults f, bool *gave_up)
{
    struct world *w = power_begin(&power, seed);
    power_run(w, work);
    sim_faults(w->p.sim, &f);
    power_run(w, work);
    *gave_up = sim_node_result(w->p.node) != 0;
    sim_kill(w->p.node);
    sim_faults(w->p.sim, &(struct sim_faults){0});
    power_run(w, look);
    uint64_t reopened = w->reopened;
    power_end(&power, w);
    return reopened;
}

/* ---- large work beside small ---- */

struct beside {
    struct kv *kv;
    int large_done; /* parts of something large that were run */
    int small_done;
    int most; /* of the first, while a small one waited */
};

static int part_of_large(struct kv_tx *tx, void *arg)
{
    struct beside *b = arg;
    b->large_done++;
    kv_tx_put(tx, SL("large"), SL("part"));
    return 0;
}

static int small(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("small"), SL("one"));
    return 0;
}

static void do_large(void *arg)
{
    struct beside *b = arg;
    for (int i = 0; i < 20; i++) CHECK_OK(kv_transact_large(b->kv, SL("l"), part_of_large, b));
}

static void do_small(void *arg)
{
    struct beside *b = arg;
    for (int i = 0; i < 20; i++) {
        int before = b->large_done;
        CHECK_OK(kv_transact(b->kv, SL("s"), small, NULL));
        if (b->large_done - before > b->most) b->most = b->large_done - before;
        b->small_done++;
    }
}

static int large_and_small(void *arg)
{
    struct beside *b = arg;
    struct group g;
    int e = kv_mem_open(&b->kv, "kv.log");
    if (e) return e;
    group_init(&g);
    for (int i = 0; i < 8; i++) CHECK_OK(group_go(&g, "large", do_large, b));
    for (int i = 0; i < 2; i++) CHECK_OK(group_go(&g, "small", do_small, b));
    CHECK_OK(group_wait(&g));
    kv_close(&b->kv);
    return 0;
}

TEST(who_waits_beside_large_work_waits_for_one_part_of_it)
{
    struct beside b = {0};
    struct sim *s = sim_new(1);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.1");
    sim_node_start(n, large_and_small, &b);
    sim_run(s, RT_NEVER);
    CHECK_OK(sim_node_result(n));
    sim_free(&s);
    CHECK_INT(b.large_done, 8 * 20);
    CHECK_INT(b.small_done, 2 * 20);
    CHECK(b.most <= 2); /* the one in hand, and the one that is begun before the answer is heard */
}

/* ---- groups behind one that failed ---- */

enum { CROWD = 12, CROWD_ROWS = 20 };

struct crowd {
    struct kv *kv;
    int refusal; /* what keeps the engine from being opened again, once */
    int run, unknown;
};

struct crowded {
    struct crowd *c;
    int i;
};

/* Four of these fill a group; the group of the third ends in doubt, and is in the log. */
static int put_much(struct kv_tx *tx, void *arg)
{
    static char much[60000];
    struct crowded *x = arg;
    char key[16];
    struct slice before;
    memset(much, 'x', sizeof much);
    if (++x->c->run == 3) {
        kv_mem_inject(x->c->kv, KV_FAULT_WRITE_DONE, 1);
        kv_mem_refuse(x->c->kv, x->c->refusal, 1);
    }
    (void)!kv_tx_get(tx, SL("k"), &before);
    for (int i = 0; i < CROWD_ROWS; i++)
        kv_tx_put(tx, sl(key, (size_t)snprintf(key, sizeof key, "%02d/%02d", x->i, i)),
                  sl(much, sizeof much));
    return 0;
}

static void come(void *arg)
{
    struct crowded *x = arg;
    char key[16];
    struct slice v;
    struct arena a = {0};
    int e = kv_transact(x->c->kv, SL("o"), put_much, x);
    CHECK(e == 0 || e == ERR_UNKNOWN || e == x->c->refusal);
    x->c->unknown += e == ERR_UNKNOWN;
    if (e == 0)
        CHECK_OK(
            kv_get(x->c->kv, SL("o"), sl(key, (size_t)snprintf(key, sizeof key, "%02d/00", x->i)), &a, &v));
    ar_free(&a);
}

static int crowd(void *arg)
{
    struct crowd *c = arg;
    struct crowded x[CROWD];
    struct group g;
    int e = kv_mem_open(&c->kv, "kv.log");
    if (e) return e;
    group_init(&g);
    for (int i = 0; i < CROWD; i++) {
        x[i] = (struct crowded){c, i};
        CHECK_OK(group_go(&g, "come", come, &x[i]));
    }
    CHECK_OK(group_wait(&g));
    kv_close(&c->kv);
    return 0;
}

TEST(a_group_behind_one_in_doubt_is_not_taken_for_it)
{
    static const int refusals[] = {ERR_FULL, ERR_CANCELED}; /* there is no room to try; it fails */
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct crowd c = {.refusal = refusals[i]};
        struct sim *s = sim_new(1);
        struct sim_node *n = sim_node(s, "one.test", "192.0.2.1");
        sim_node_start(n, crowd, &c);
        sim_run(s, RT_NEVER);
        CHECK_OK(sim_node_result(n));
        sim_free(&s);
        CHECK(c.unknown > 0);
        CHECK(c.run >= CROWD / 2);
    }
}

/* A lease that was taken while the clock was a year ahead. */
static int lease_with_jumps(void *arg)
{
    struct sim_node *node = sim_self();
    struct kv *kv = NULL;
    uint64_t one, two;
    int64_t left;
    (void)arg;
    int e = kv_mem_open(&kv, NULL);
    if (e) return e;
    sim_clock_skew(node, INT64_C(31536000) * 1000000);
    CHECK_OK(kv_lease(kv, SL("q"), SL("l"), SL("one"), 60000, &one, &left));
    CHECK_ERR(kv_lease(kv, SL("q"), SL("l"), SL("two"), 60000, &two, &left), ERR_BUSY);
    sim_clock_skew(node, 0);
    CHECK_OK(kv_lease(kv, SL("q"), SL("l"), SL("two"), 60000, &two, &left));
    CHECK_INT(two, one + 1);
    kv_close(&kv);
    return 0;
}

TEST(a_lease_given_by_a_wrong_clock_is_over_when_the_clock_is_right)
{
    struct sim *s = sim_new(1);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.1");
    sim_node_start(n, lease_with_jumps, NULL);
    sim_run(s, RT_NEVER);
    CHECK_OK(sim_node_result(n));
    sim_free(&s);
}

TEST(a_failing_disk_loses_nothing_that_was_acknowledged)
{
    uint64_t reopened = 0, given_up = 0;
    for (uint64_t seed = 1; seed <= power_seeds(200); seed++) {
        bool gave_up;
        uint32_t hard = seed % 3 == 0 ? 4 : 1;
        struct sim_faults f = {.write_fails = 60000 * hard,
                               .disk_full = 30000 * hard,
                               .sync_full = 60000 * hard,
                               .no_descriptor = 30000 * hard};
        reopened += failing_disk(seed, f, &gave_up);
        given_up += gave_up;
    }
    CHECK(reopened > 50);
    CHECK(given_up > 0);
}

TEST(a_dead_disk_ends_the_program)
{
    bool gave_up;
    CHECK_INT(failing_disk(1, (struct sim_faults){.write_fails = 1000000}, &gave_up), 0);
    CHECK(gave_up);
}
