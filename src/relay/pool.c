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
    ASSERT(s->users > 0);
    s->users--;
    free_if_unused(s);
}

/* ---- those that nobody uses ---- */

static struct peer *idle_take(struct pool *s, struct link *which)
{
    list_remove(which);
    berth_idle(s->home->relay, s->berth, rt_loop_id(), -1);
    return CONTAINER_OF(which, struct peer, link);
}

/* Closes what has been idle for long; true when there was something. SUSPENDS then. */
static bool close_idle(struct pool *s, int64_t before)
{
    bool any = false;
    while (!list_empty(&s->idle)) {
        if (CONTAINER_OF(s->idle.next, struct peer, link)->idle_since > before) break;
        struct peer *p = idle_take(s, s->idle.next);
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

static void idle_add(struct pool *s, struct peer *p)
{
    struct relay_loop *l = s->home;
    list_push(&s->idle, &p->link);
    berth_idle(l->relay, s->berth, rt_loop_id(), 1);
    waitq_wake_one(&s->room);
    if (!l->tending) l->tending = group_go(&l->fibers, "relay", tend, l) == 0;
}

/* ---- from loop to loop ---- */

/* A connection on its way to a loop on which somebody waits, with its place. */
struct passed {
    struct relay_loop *to;
    struct berth *berth; /* lives: the place is used */
    struct peer *peer;
    char key[];
};
/* Somebody waits on another loop than this one, which has some that nobody uses. */
struct asked {
    struct relay_loop *loop;
    const struct berth *berth; /* to compare only: it may be gone */
    char key[];
};

static void arrive(void *arg);

/* To a loop on which somebody waits. False: there is none. */
static bool pass(struct pool *s, struct peer *p)
{
    struct relay *r = s->home->relay;
    int to = berth_next(r, s->berth, rt_loop_id());
    if (to < 0) return false;
    struct passed *x = xmalloc(sizeof *x + strlen(s->key) + 1);
    *x = (struct passed){.to = &r->loop[to], .berth = s->berth, .peer = p};
    memcpy(x->key, s->key, strlen(s->key) + 1);
    conn_leave(p->c);
    s->connections--;
    berth_call(r, to, arrive, x);
    return true;
}

/* The latest used first. True: some were, and the pool may be gone. */
static bool pass_idle(struct pool *s)
{
    bool any = false, more = true;
    s->users++;
    while (more && !s->waiting && !list_empty(&s->idle)) {
        struct peer *p = idle_take(s, s->idle.prev);
        more = pass(s, p);
        if (more) any = true;
        else idle_add(s, p);
    }
    pool_put(s);
    return any;
}

static void give_idle(void *arg)
{
    struct asked *x = arg;
    struct relay_loop *l = x->loop;
    struct relay *r = l->relay;
    struct pool *same = l->closing ? NULL : map_get(&l->pools, sl_cstr(x->key));
    bool given = same && same->berth == x->berth && pass_idle(same);
    struct map_iter it = {0};
    while (!l->closing && !given && map_next(&l->pools, &it)) { /* of another MX set: it makes room */
        struct pool *s = it.value;
        if (s->berth == x->berth) given = pass_idle(s);
    }
    free(x);
    berth_called(r);
}

static void ask(struct pool *s, int loop)
{
    if (loop < 0) return;
    struct relay *r = s->home->relay;
    struct asked *x = xmalloc(sizeof *x + strlen(s->key) + 1);
    *x = (struct asked){&r->loop[loop], s->berth};
    memcpy(x->key, s->key, strlen(s->key) + 1);
    berth_call(r, loop, give_idle, x);
}

/* It is for who waits for the same MX set, and kept when nobody waits any more; else it makes room. */
static void arrive(void *arg)
{
    struct passed *x = arg;
    struct relay_loop *l = x->to;
    struct relay *r = l->relay;
    struct pool *s = l->closing ? NULL : map_get(&l->pools, sl_cstr(x->key));
    if (s && s->berth != x->berth) s = NULL; /* its place is one of the other */
    conn_enter(x->peer->c);
    if (s && (s->waiting || !s->berth->of[rt_loop_id()].waiting)) {
        s->connections++;
        idle_add(s, x->peer);
        if (s->berth->of[rt_loop_id()].waiting > 1) /* for the same MX set or another */
            ask(s, berth_want(r, s->berth, rt_loop_id()));
    } else {
        conn_abort(x->peer->c); /* this is no fiber, which could wait until it has said goodbye */
        peer_close(&x->peer, false);
        berth_give(r, x->berth);
        if (!l->closing) pool_wake(l, x->berth);
    }
    free(x);
    berth_called(r);
}

/* ---- for a letter, and back ---- */

/* For a connection of the site to be closed, or to come. */
static int wait_for_room(struct pool *s, int idle)
{
    struct relay *r = s->home->relay;
    int loop = rt_loop_id();
    s->waiting++;
    s->berth->of[loop].waiting++;
    ask(s, idle);
    int e = waitq_wait(&s->room);
    s->waiting--;
    if (--s->berth->of[loop].waiting == 0) berth_unwant(r, s->berth, loop);
    return e;
}

int pool_enter(struct pool *s, struct peer **kept)
{
    int idle;
    *kept = NULL;
    for (;;) {
        if (!list_empty(&s->idle)) {
            *kept = idle_take(s, s->idle.prev); /* the latest: most surely alive */
            return 0;
        }
        if (berth_take(s->home->relay, s->berth, rt_loop_id(), &idle)) {
            s->connections++;
            return 0;
        }
        int e = wait_for_room(s, idle);
        if (e) return e;
    }
}

void pool_leave(struct pool *s)
{
    ASSERT(s->connections > 0);
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
        if (s->waiting > 1) ask(s, berth_want(l->relay, s->berth, rt_loop_id()));
    }
}

void pool_keep(struct pool *s, struct peer *p)
{
    struct relay_loop *l = s->home;
    p->idle_since = rt_now();
    if (!l->closing && s->waiting) return idle_add(s, p);
    if (!l->closing && pass(s, p)) return;
    if (!l->closing && !berth_wanted(l->relay, s->berth)) return idle_add(s, p);
    peer_close(&p, false); /* for another MX set of the same site */
    pool_leave(s);
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
