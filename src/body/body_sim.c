/* body_sim.c - power cuts at every durable step: what body_finish acknowledged can be read afterwards. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "body.h"
#include "pack.h"
#include "rt/file.h"
#include "sim/power.h"

enum { WRITERS = 3, ROUNDS = 4, BODIES = WRITERS * ROUNDS };

struct kept {
    struct body_ref ref;
    bool acked;
};

struct world {
    struct power p;
    struct body_store *b;
    struct kept kept[BODIES];
    size_t readable;
    uint64_t stamp;
    int64_t skew;
    int rounds;
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
    int e = body_begin(w->b, i % 2 ? BODY_MAIL : BODY_QUEUE, &x);
    if (e == 0) e = body_write(x, sl_sub(s, s.n / 3, s.n));
    if (e == 0)
        return body_finish(&x, sl_sub(s, 0, s.n / 3 < BODY_PREFIX_MAX ? s.n / 3 : 0), SL(""),
                           &w->kept[i].ref);
    body_abandon(&x);
    return e;
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
    int e = body_open(&w->b, "bodies", 12000);
    if (e) return e;
    group_init(&g);
    for (unsigned i = 0; i < WRITERS; i++) {
        x[i] = (struct writer){w, i};
        if (group_go(&g, "writer", writer, &x[i])) break;
    }
    e = group_wait(&g);
    body_close(&w->b);
    return e;
}

static int look(void *arg)
{
    struct world *w = arg;
    struct arena a;
    int e = body_open(&w->b, "bodies", 12000);
    CHECK_OK(e);
    if (e) return e;
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

static void check_all(void *arg)
{
    const struct world *w = arg;
    CHECK_INT(w->readable, BODIES);
}

static const struct power_test power = {
    .size = sizeof(struct world), .work = work, .look = look, .check = check_all, .seeds = 4, .least = 30};

TEST(acknowledged_bodies_survive_a_power_cut_at_every_step) { power_cut_everywhere(&power); }

/* ---- a disk that cannot be read ---- */

static int open_and_close(void *arg)
{
    struct world *w = arg;
    int e = body_open(&w->b, "bodies", 12000);
    CHECK_OK(e);
    if (e == 0) body_close(&w->b);
    return e;
}

TEST(packs_that_cannot_be_read_stop_no_start)
{
    struct world *w = power_begin(&power, 1);
    power_run(w, work);
    sim_kill(w->p.node);
    sim_faults(w->p.sim, &(struct sim_faults){.read_fails = 1000000});
    power_run(w, open_and_close);
    sim_faults(w->p.sim, &(struct sim_faults){0});
    power_run(w, look);
    power_end(&power, w);
}

static int half_written(void *arg)
{
    char name[PACK_NAME_MAX], path[PACK_NAME_MAX + 8];
    (void)arg;
    pack_name(BODY_MAIL, 1, true, name);
    snprintf(path, sizeof path, "bodies/%s", name);
    return path_mkdir(path); /* which unlink() does not remove */
}

TEST(a_half_written_pack_that_cannot_be_removed_stops_no_start)
{
    struct world *w = power_begin(&power, 1);
    power_run(w, work);
    power_run(w, half_written);
    power_run(w, look);
    power_end(&power, w);
}

/* ---- clocks ---- */

/* Stamps while the clock goes back, and after it went back while nothing ran. */
static int stamp_backwards(void *arg)
{
    struct world *w = arg;
    struct body_ref ref;
    int e = body_open(&w->b, "bodies", 12000);
    if (e) return e;
    CHECK(body_stamp(w->b) > w->stamp);
    CHECK_OK(body_put(w->b, BODY_MAIL, SL("letter"), SL(""), &ref));
    body_unpin(w->b, &ref);
    CHECK_OK(fiber_sleep(60 * RT_S));
    CHECK_OK(body_put(w->b, BODY_MAIL, SL("another"), SL(""), &ref));
    w->stamp = body_stamp(w->b);
    w->skew -= INT64_C(3600) * 1000000;
    sim_clock_skew(w->p.node, w->skew);
    CHECK(body_stamp(w->b) >= w->stamp);
    CHECK(body_settled(w->b) <= body_stamp(w->b));
    body_unpin(w->b, &ref);
    CHECK(body_settled(w->b) >= w->stamp);
    if (w->rounds % 2) { /* stamps count on: those of bodies are as durable as before */
        for (int i = 0; i < 3000; i++) {
            if (i % 1000 == 0) CHECK_OK(body_put(w->b, BODY_MAIL, SL("late"), SL(""), &ref));
            uint64_t stamp = body_stamp(w->b);
            CHECK(stamp > w->stamp);
            w->stamp = stamp;
        }
        CHECK_OK(body_put(w->b, BODY_MAIL, SL("last"), SL(""), &ref));
    }
    if (w->rounds++ >= 4) sim_kill(w->p.node); /* the power goes */
    body_close(&w->b);
    return 0;
}

TEST(a_clock_that_goes_back_makes_no_stamp_lower)
{
    static const struct power_test empty = {.size = sizeof(struct world)};
    struct world *w = power_begin(&empty, 1);
    for (int i = 0; i < 8; i++) power_run(w, stamp_backwards);
    power_end(&empty, w);
}

static const int64_t years = INT64_C(86400) * 365 * 1000000;

/* Writes with the clock far ahead, then with one far behind; names stay new and ages small. */
static int work_with_jumps(void *arg)
{
    struct world *w = arg;
    struct body_pack *pack;
    struct arena a;
    size_t n;
    uint64_t last = 0;
    int e = body_open(&w->b, "bodies", 2000); /* each body ends its pack */
    if (e) return e;
    ar_init(&a, 0);
    for (unsigned i = 0; i < BODIES; i++) {
        sim_clock_skew(w->p.node, i % 3 == 0 ? 30 * years : i % 3 == 1 ? -years : 0);
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
    struct world *w = power_begin(&power, 1);
    power_run(w, work_with_jumps);
    sim_kill(w->p.node);
    sim_clock_skew(w->p.node, 0);
    power_run(w, look);
    power_end(&power, w);
}

static struct sim_faults writes_fail(uint64_t seed)
{
    (void)seed;
    return (struct sim_faults){.write_fails = 50000, .disk_full = 30000};
}

TEST(a_body_whose_write_failed_is_not_acknowledged) { power_bad_disk(&power, 60, false, writes_fail); }
