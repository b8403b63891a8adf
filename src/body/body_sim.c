/* body_sim.c - power cuts at every durable step: what body_finish acknowledged can be read afterwards. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "body.h"
#include "sim/sim.h"

enum { WRITERS = 3, ROUNDS = 4, BODIES = WRITERS * ROUNDS };

struct kept {
    struct body_ref ref;
    bool acked;
};

struct world {
    struct sim *sim;
    struct sim_node *node;
    struct body_store *b;
    struct kept kept[BODIES];
    size_t readable;
};

struct writer {
    struct world *w;
    unsigned i;
};

/* Body number i: small ones, and now and then a large one. */
static struct slice bytes_of(struct arena *a, unsigned i)
{
    size_t n = i % 5 == 4 ? BODY_SMALL + 70000 : i * 700 % 9000;
    char *p = ar_alloc(a, n + 1);
    for (size_t k = 0; k < n; k++) p[k] = (char)((k >> 8) * 31 + k * (i + 1));
    return sl(p, n);
}

static int write_body(struct world *w, struct arena *a, unsigned i)
{
    struct body_writer *x;
    struct slice s = bytes_of(a, i);
    int rc = body_begin(w->b, i % 2 ? BODY_MAIL : BODY_QUEUE, &x);
    if (rc == 0) rc = body_write(x, sl_sub(s, s.n / 3, s.n));
    if (rc == 0)
        return body_finish(&x, sl_sub(s, 0, s.n / 3 < BODY_PREFIX_MAX ? s.n / 3 : 0), SL(""),
                           &w->kept[i].ref);
    body_abandon(&x);
    return rc;
}

static void writer(void *arg)
{
    struct writer *x = arg;
    struct arena a;
    ar_init(&a, 0);
    for (unsigned r = 0; r < ROUNDS; r++) {
        unsigned i = r * WRITERS + x->i;
        if (x->w->kept[i].acked) continue;
        x->w->kept[i].acked = write_body(x->w, &a, i) == 0;
        fiber_yield();
    }
    ar_free(&a);
}

static int work(void *arg)
{
    struct world *w = arg;
    struct writer x[WRITERS];
    struct group g;
    int rc = body_open(&w->b, "bodies", 12000);
    if (rc) return rc;
    group_init(&g);
    for (unsigned i = 0; i < WRITERS; i++) {
        x[i] = (struct writer){w, i};
        if (group_go(&g, "writer", writer, &x[i])) break;
    }
    rc = group_wait(&g);
    body_close(&w->b);
    return rc;
}

static int look(void *arg)
{
    struct world *w = arg;
    struct arena a;
    int rc = body_open(&w->b, "bodies", 12000);
    CHECK_OK(rc);
    if (rc) return rc;
    ar_init(&a, 0);
    w->readable = 0;
    for (unsigned i = 0; i < BODIES; i++) {
        struct slice got = {0};
        if (!w->kept[i].acked) continue;
        CHECK_OK(body_get(w->b, &w->kept[i].ref, SIZE_MAX, &a, &got));
        CHECK(sl_eq(got, bytes_of(&a, i)));
        w->readable++;
    }
    ar_free(&a);
    body_close(&w->b);
    return 0;
}

/* How many seeds for each step: a few, or more for a long campaign (SEEDS=1000). */
static uint64_t seeds(void)
{
    uint64_t n;
    const char *asked = getenv("SEEDS");
    return asked && num_u64(sl_cstr(asked), 1000000, &n) ? 4 + n / 20 : 4;
}

static void run(struct world *w, int (*fn)(void *))
{
    sim_node_start(w->node, fn, w);
    sim_run(w->sim, RT_NEVER);
    CHECK(!sim_node_running(w->node));
}

static struct world *world_new(uint64_t seed)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->sim = sim_new(seed);
    w->node = sim_node(w->sim, "one.test", "192.0.2.1");
    return w;
}

static void world_free(struct world *w)
{
    sim_free(&w->sim);
    free(w);
}

TEST(acknowledged_bodies_survive_a_power_cut_at_every_step)
{
    struct world *whole = world_new(0);
    run(whole, work);
    uint64_t steps = sim_steps(whole->node) + 10; /* other seeds make other groups */
    world_free(whole);
    for (uint64_t k = 1; k <= steps; k++) {
        for (uint64_t seed = 1; seed <= seeds(); seed++) {
            struct world *w = world_new(seed * 100000 + k);
            sim_kill_at_step(w->node, k);
            run(w, work);
            sim_kill_at_step(w->node, 0);
            run(w, look);
            run(w, work); /* the rest, after the restart */
            sim_kill(w->node);
            run(w, look);
            CHECK_INT(w->readable, BODIES);
            world_free(w);
        }
    }
    CHECK(steps > 30);
}

/* ---- a disk that cannot be read ---- */

static int open_and_close(void *arg)
{
    struct world *w = arg;
    int rc = body_open(&w->b, "bodies", 12000);
    CHECK_OK(rc);
    if (rc == 0) body_close(&w->b);
    return rc;
}

TEST(packs_that_cannot_be_read_stop_no_start)
{
    struct world *w = world_new(1);
    struct sim_faults f = {.read_fails = 1000000};
    run(w, work);
    sim_kill(w->node);
    sim_faults(w->sim, &f);
    run(w, open_and_close);
    f = (struct sim_faults){0};
    sim_faults(w->sim, &f);
    run(w, look);
    CHECK_INT(w->readable, BODIES);
    world_free(w);
}

/* ---- clocks ---- */

static const int64_t years = INT64_C(86400) * 365 * 1000000;

/* Writes with the clock far ahead, then with one far behind; names stay new and ages small. */
static int work_with_jumps(void *arg)
{
    struct world *w = arg;
    struct body_pack *pack;
    struct arena a;
    size_t n;
    uint64_t last = 0;
    int rc = body_open(&w->b, "bodies", 2000); /* each body ends its pack */
    if (rc) return rc;
    ar_init(&a, 0);
    for (unsigned i = 0; i < BODIES; i++) {
        sim_clock_skew(w->node, i % 3 == 0 ? 30 * years : i % 3 == 1 ? -years : 0);
        w->kept[i].acked = write_body(w, &a, i) == 0;
        CHECK(w->kept[i].acked);
        if (body_ref_pack(&w->kept[i].ref) < last) CHECK(i % 5 != 4); /* a large one is newer than any */
        if (body_ref_pack(&w->kept[i].ref) > last) last = body_ref_pack(&w->kept[i].ref);
    }
    CHECK_OK(body_packs(w->b, &a, &pack, &n));
    for (size_t i = 0; i < n; i++) CHECK(pack[i].age_s < 60);
    CHECK_OK(fiber_sleep(1000 * RT_S));
    CHECK_OK(body_packs(w->b, &a, &pack, &n));
    for (size_t i = 0; i < n; i++) CHECK(pack[i].age_s >= 1000 && pack[i].age_s < 1060);
    ar_free(&a);
    body_close(&w->b);
    return 0;
}

TEST(a_clock_that_jumps_makes_no_pack_old_or_young)
{
    struct world *w = world_new(1);
    run(w, work_with_jumps);
    sim_kill(w->node);
    sim_clock_skew(w->node, 0);
    run(w, look);
    CHECK_INT(w->readable, BODIES);
    world_free(w);
}

TEST(a_body_whose_write_failed_is_not_acknowledged)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world *w = world_new(seed);
        struct sim_faults f = {.write_fails = 50000, .disk_full = 30000};
        sim_faults(w->sim, &f);
        run(w, work);
        sim_kill(w->node);
        f = (struct sim_faults){0};
        sim_faults(w->sim, &f);
        run(w, look);
        world_free(w);
    }
}
