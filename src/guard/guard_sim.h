/* guard_sim.h - for tests: a world with nothing but a guard, and tries that are decided at once. */
#pragma once
#include "guard_i.h"

#include "base/test.h"
#include "sim/sim.h"

static inline void in_world(int (*fn)(void *), void *arg)
{
    struct sim *s = sim_new(1);
    struct sim_node *n = sim_node(s, "x.test", "127.0.0.2");
    sim_node_start(n, fn, arg);
    sim_run(s, 100000 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

static inline struct ip at(const char *text)
{
    struct ip ip;
    CHECK(ip_parse(sl_cstr(text), &ip));
    return ip;
}

static inline struct guard *make(size_t connections, size_t per_network)
{
    struct guard *g;
    guard_open(&g, &(struct guard_conf){.connections = connections, .per_network = per_network});
    return g;
}

/* A try that is decided at once; *delay, when not NULL: how long its answer waits. */
static inline int decided(struct guard_visit *v, const char *user, int result, int64_t *delay)
{
    struct guard_try t;
    int e = try_begin(&t, v, sl_cstr(user));
    int64_t wait = e ? 0 : try_end(&t, result);
    if (delay) *delay = wait;
    return e;
}

static inline int wrong(struct guard_visit *v, const char *user)
{
    return decided(v, user, ERR_DENIED, NULL);
}
static inline int right(struct guard_visit *v, const char *user) { return decided(v, user, 0, NULL); }
