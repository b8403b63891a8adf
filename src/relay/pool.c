/* pool.c - connections to one MX set, and those kept for the next letter. All on one loop. */
#include <stdlib.h>

#include "base/log.h"
#include "relay_i.h"

#define KEEP_IDLE (5 * RT_S)

/* A site that the shaping names counts its connections for all of its MX sets together, unless it says
 * otherwise; every other for its MX set. */
static void shape(struct pool *s, struct slice source, struct slice host)
{
    struct arena a = {0};
    struct relay *r = s->home->relay;
    shaping_limits(r->shaping, host, &s->limits);
    if (r->conf.site_connections) s->limits.v[SHAPE_CONNECTIONS].n = r->conf.site_connections;
    bool by_name = !s->limits.apart && !sl_eq(s->limits.site, SL("default"));
    struct slice site = ar_printf(&a, "%.*s|%.*s", SLF(source), SLF(s->limits.site));
    s->berth = berth_get(r, by_name ? site : sl_cstr(s->key), s->limits.v[SHAPE_CONNECTIONS].n);
    ar_free(&a);
}

struct pool *pool_get(struct relay_loop *l, struct slice source, struct slice mx_set, struct slice host)
{
    struct arena a = {0};
    struct slice key = ar_printf(&a, "%.*s|%.*s", SLF(source), SLF(mx_set));
    struct pool *s = map_get(&l->pools, key);
    if (!s) {
        s = xcalloc(1, sizeof *s);
        s->key = xstrndup(key.p, key.n);
        s->home = l;
        waitq_init(&s->room);
        list_init(&s->idle);
        map_put(&l->pools, key, s);
        shape(s, source, host);
    }
    ar_free(&a);
    s->users++;
    return s;
}

static void free_if_unused(struct pool *s)
{
    if (s->users || s->connections) return;
    map_del(&s->home->pools, sl_cstr(s->key));
    berth_put(s->home->relay, s->berth);
    free(s->key);
    free(s);
}

void pool_put(struct pool *s)
{
    s->users--;
    free_if_unused(s);
}

int pool_enter(struct pool *s, struct peer **kept)
{
    *kept = NULL;
    for (;;) {
        if (!list_empty(&s->idle)) {
            *kept = CONTAINER_OF(s->idle.prev, struct peer, link); /* the latest: most surely alive */
            list_remove(&(*kept)->link);
            return 0;
        }
        if (berth_take(s->home->relay, s->berth, rt_loop_id())) {
            s->connections++;
            return 0;
        }
        s->waiting++;
        int e = waitq_wait(&s->room);
        s->waiting--;
        if (e) return e;
    }
}

void pool_leave(struct pool *s)
{
    s->connections--;
    berth_give(s->home->relay, s->berth);
}

/* One of those who wait tries; where more do, the loop wants to be called again. */
void pool_wake(struct relay_loop *l, const struct berth *p)
{
    struct map_iter it = {0};
    while (map_next(&l->pools, &it)) {
        struct pool *s = it.value;
        if (s->berth != p || !s->waiting) continue;
        waitq_wake_one(&s->room);
        if (s->waiting > 1) berth_want(l->relay, s->berth, rt_loop_id());
    }
}

/* Closes what has been idle for long; true when there was something. SUSPENDS then. */
static bool close_idle(struct pool *s, int64_t before)
{
    bool any = false;
    while (!list_empty(&s->idle)) {
        struct peer *p = CONTAINER_OF(s->idle.next, struct peer, link);
        if (p->idle_since > before) break;
        list_remove(&p->link);
        peer_close(&p, !s->home->closing);
        pool_leave(s);
        any = true;
    }
    return any;
}

/* Goes over the pools of a loop once a second as long as there are any. */
static void tend(void *arg)
{
    struct relay_loop *l = arg;
    while (l->pools.count && !l->closing && fiber_sleep(RT_S) == 0) {
        struct map_iter it = {0};
        while (map_next(&l->pools, &it)) {
            struct pool *s = it.value;
            s->users++;
            bool wanted = !s->waiting && berth_wanted(l->relay, s->berth);
            bool closed = close_idle(s, wanted ? INT64_MAX : rt_now() - KEEP_IDLE);
            pool_put(s);
            if (closed) it = (struct map_iter){0}; /* others may have come and gone meanwhile */
            if (l->closing) break;
        }
    }
    l->tending = false;
}

void pool_keep(struct pool *s, struct peer *p)
{
    struct relay_loop *l = s->home;
    /* others wait, on other loops or for another MX set of the same site */
    if (l->closing || (!s->waiting && berth_wanted(l->relay, s->berth))) {
        peer_close(&p, false);
        pool_leave(s);
        return;
    }
    p->idle_since = rt_now();
    list_push(&s->idle, &p->link);
    waitq_wake_one(&s->room);
    if (!l->tending) l->tending = group_go(&l->fibers, "relay", tend, l) == 0;
}

int pool_close_all(void *arg)
{
    struct relay_loop *l = arg;
    l->closing = true;
    group_cancel(&l->fibers);
    group_wait(&l->fibers);
    while (l->pools.count) {
        struct map_iter it = {0};
        if (!map_next(&l->pools, &it)) break;
        struct pool *s = it.value;
        s->users++;
        close_idle(s, INT64_MAX);
        ASSERT(s->users == 1 && s->connections == 0); /* attempts have ended before */
        pool_put(s);
    }
    map_free(&l->pools);
    reach_free(l);
    return 0;
}
