/* berth.c - how many connections the whole node has to one site, those included that are kept for the next
 * letter. A delivery that has its place (queue/site.h) and no connection waits here at most for an idle one
 * of another loop to be closed. Used by every loop. */
#include <stdlib.h>

#include "relay_i.h"

struct berth *berth_get(struct relay *r, struct slice key, unsigned limit)
{
    lock_take(&r->lock);
    struct berth *p = map_get(&r->berths, key);
    if (!p) {
        p = xcalloc(1, sizeof *p + (size_t)rt_loops() * sizeof p->of[0]);
        p->key = xstrndup(key.p, key.n);
        map_put(&r->berths, key, p);
    }
    p->limit = limit;
    p->users++;
    lock_release(&r->lock);
    return p;
}

static void free_if_unused(struct relay *r, struct berth *p)
{
    if (p->users || p->used) return;
    map_del(&r->berths, sl_cstr(p->key));
    free(p->key);
    free(p);
}

void berth_put(struct relay *r, struct berth *p)
{
    lock_take(&r->lock);
    p->users--;
    free_if_unused(r, p);
    lock_release(&r->lock);
}

void berth_free_all(struct relay *r)
{
    struct map_iter it = {0};
    while (map_next(&r->berths, &it)) {
        struct berth *p = it.value;
        map_del(&r->berths, it.key);
        free(p->key);
        free(p);
    }
    map_free(&r->berths);
}

/* ---- connections ---- */

static void mark(uint64_t *set, int loop) { set[loop / 64] |= UINT64_C(1) << loop % 64; }

/* The first of the set, but for this one, which is taken out; or -1. */
static int take_first(uint64_t *set, int but)
{
    for (int i = 0; i < RELAY_LOOPS_MAX; i++) {
        uint64_t bit = UINT64_C(1) << i % 64;
        if (i == but || !(set[i / 64] & bit)) continue;
        set[i / 64] &= ~bit;
        return i;
    }
    return -1;
}

static int loop_with_idle(const struct berth *p, int but)
{
    for (int i = 0; i < rt_loops(); i++)
        if (i != but && p->of[i].idle) return i;
    return -1;
}

bool berth_take(struct relay *r, struct berth *p, int loop, int *idle)
{
    *idle = -1;
    lock_take(&r->lock);
    bool ok = p->used < p->limit;
    if (ok) p->used++;
    else mark(p->wanted, loop), *idle = loop_with_idle(p, loop);
    lock_release(&r->lock);
    return ok;
}

int berth_want(struct relay *r, struct berth *p, int loop)
{
    lock_take(&r->lock);
    mark(p->wanted, loop);
    int idle = loop_with_idle(p, loop);
    lock_release(&r->lock);
    return idle;
}

void berth_unwant(struct relay *r, struct berth *p, int loop)
{
    lock_take(&r->lock);
    p->wanted[loop / 64] &= ~(UINT64_C(1) << loop % 64);
    lock_release(&r->lock);
}

int berth_next(struct relay *r, struct berth *p, int loop)
{
    lock_take(&r->lock);
    int next = take_first(p->wanted, loop);
    lock_release(&r->lock);
    return next;
}

void berth_idle(struct relay *r, struct berth *p, int loop, int more)
{
    lock_take(&r->lock);
    p->of[loop].idle += (unsigned)more;
    lock_release(&r->lock);
}

bool berth_wanted(struct relay *r, struct berth *p)
{
    uint64_t any = 0;
    lock_take(&r->lock);
    for (size_t i = 0; i < COUNT_OF(p->wanted); i++) any |= p->wanted[i];
    lock_release(&r->lock);
    return any != 0;
}

void berth_call(struct relay *r, int loop, void (*fn)(void *arg), void *arg)
{
    __atomic_add_fetch(&r->calls, 1, __ATOMIC_RELAXED);
    rt_post(loop, fn, arg);
}

void berth_called(struct relay *r) { __atomic_sub_fetch(&r->calls, 1, __ATOMIC_RELEASE); }

struct call {
    struct relay_loop *loop;
    const struct berth *berth; /* to compare only: it may be gone */
};

static void call_loop(void *arg)
{
    struct call *c = arg;
    struct relay *r = c->loop->relay;
    r->wake(c->loop, c->berth);
    free(c);
    berth_called(r);
}

void berth_give(struct relay *r, struct berth *p)
{
    uint64_t wanted[COUNT_OF(p->wanted)];
    lock_take(&r->lock);
    memcpy(wanted, p->wanted, sizeof wanted);
    memset(p->wanted, 0, sizeof p->wanted);
    p->used--;
    free_if_unused(r, p);
    lock_release(&r->lock);
    for (int i; (i = take_first(wanted, -1)) >= 0;) {
        struct call *c = xcalloc(1, sizeof *c);
        *c = (struct call){&r->loop[i], p};
        berth_call(r, i, call_loop, c);
    }
}
