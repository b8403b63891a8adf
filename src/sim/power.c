/* power.c - runs a test's world with the power cut at every step (power.h). */
#include "power.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/test.h"
#include "base/text.h"

/* The sanitizers look for faults in the code, which the steps share: they go over each third, and five times
 * as slowly. That every step is survived, the program without them shows. */
#if defined(__SANITIZE_ADDRESS__)
enum { EVERY = 3 };
#else
enum { EVERY = 1 };
#endif

static uint64_t asked(const char *name)
{
    const char *value = getenv(name);
    uint64_t n = 0;
    return value && num_u64(sl_cstr(value), 1000000000, &n) ? n : 0;
}

uint64_t power_seeds(uint64_t usual) { return (usual + EVERY - 1) / EVERY + asked("SEEDS") / 20; }

void power_run(void *w, int (*fn)(void *))
{
    struct power *p = w;
    sim_node_start(p->node, fn, w);
    sim_run(p->sim, RT_NEVER);
    CHECK(!sim_node_running(p->node));
}

void *power_begin(const struct power_test *t, uint64_t seed)
{
    struct power *p = xcalloc(1, t->size);
    p->sim = sim_new(seed);
    p->node = sim_node(p->sim, "one.test", t->addresses ? t->addresses : "192.0.2.1");
    sim_node_loops(p->node, t->loops ? t->loops : 1);
    if (t->begin) t->begin(p);
    return p;
}

void power_end(const struct power_test *t, void *w)
{
    struct power *p = w;
    if (t->stock) power_run(w, t->stock);
    if (t->check) t->check(w);
    sim_free(&p->sim);
    free(w);
}

static void work(const struct power_test *t, void *w)
{
    if (t->drive) t->drive(w);
    else power_run(w, t->work);
}

/* goes_on: who drives the world has booted what had lost its power. */
static void go_on(const struct power_test *t, struct power *p, bool goes_on)
{
    if (t->again) power_run(p, t->again);
    else if (!t->drive || !goes_on) work(t, p);
    if (t->must_end) CHECK_INT(sim_node_result(p->node), 0);
    sim_kill(p->node); /* what was acknowledged needs no end in order */
    if (t->look) power_run(p, t->look);
}

static uint64_t whole(const struct power_test *t)
{
    struct power *p = power_begin(t, 1);
    uint64_t before = sim_steps(p->node);
    test_run_is("seed 1, no power cut");
    work(t, p);
    if (t->must_end) CHECK_INT(sim_node_result(p->node), 0);
    uint64_t steps = sim_steps(p->node) - before;
    if (t->look) power_run(p, t->look);
    power_end(t, p);
    return steps;
}

static void cut_at(const struct power_test *t, uint64_t seed, uint64_t step)
{
    struct power *p = power_begin(t, seed);
    test_run_is("SEED=%llu STEP=%llu", (unsigned long long)seed, (unsigned long long)step);
    do {
        sim_kill_at_step(p->node, step);
        work(t, p);
        sim_kill_at_step(p->node, 0);
        p->cuts++;
        if (t->look) power_run(p, t->look);
    } while (p->cuts < t->rounds);
    go_on(t, p, true);
    power_end(t, p);
}

void power_cut_everywhere(const struct power_test *t)
{
    if (asked("STEP")) {
        cut_at(t, asked("SEED"), asked("STEP"));
        return;
    }
    uint64_t steps = whole(t) + 10,
             seeds = power_seeds(t->seeds ? t->seeds : 1); /* other seeds make other groups */
    CHECK(steps - 10 >= t->least);
    printf("    %llu durable steps, the power cut at each%s\n", (unsigned long long)(steps - 10),
           EVERY > 1 && !asked("SEEDS") ? " third" : "");
    for (uint64_t k = 1; k <= steps; k += asked("SEEDS") ? 1 : t->sparse && k > t->sparse ? 5 : EVERY)
        for (uint64_t seed = 1; seed <= seeds; seed++) cut_at(t, seed * 100000 + k, k);
    test_run_is("%s", "");
}

void power_bad_disk(const struct power_test *t, unsigned seeds, bool keep,
                    struct sim_faults (*faults)(uint64_t))
{
    for (uint64_t seed = 1; seed <= power_seeds(seeds); seed++) {
        struct power *p = power_begin(t, seed);
        struct sim_faults bad = faults(seed);
        test_run_is("seed %llu, a bad disk", (unsigned long long)seed);
        sim_faults(p->sim, &bad);
        work(t, p);
        p->cuts++;
        if (!keep) sim_kill(p->node);
        sim_faults(p->sim, &(struct sim_faults){0});
        if (t->look) power_run(p, t->look);
        go_on(t, p, false);
        power_end(t, p);
    }
    test_run_is("%s", "");
}
