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
        p = xcalloc(1, sizeof *p);
        p->key = xstrndup(key.p, key.n);
        map_put(&r->berths, key, p);
    }
    p->limit = limit;
    p->users++;
    lock_release(&r->lock);
    return p;
}

void berth_put(struct relay *r, struct berth *p)
{
    lock_take(&r->lock);
    if (--p->users == 0 && !p->used) {
        map_del(&r->berths, sl_cstr(p->key));
        free(p->key);
        free(p);
    }
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

bool berth_take(struct relay *r, struct berth *p, int loop)
{
    lock_take(&r->lock);
    bool ok = p->used < p->limit;
    if (ok) p->used++;
    else p->wanted[loop / 64] |= UINT64_C(1) << loop % 64;
    lock_release(&r->lock);
    return ok;
}

void berth_want(struct relay *r, struct berth *p, int loop)
{
    lock_take(&r->lock);
    p->wanted[loop / 64] |= UINT64_C(1) << loop % 64;
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

struct call {
    struct relay_loop *loop;
    const struct berth *berth; /* to compare only: it may be gone */
};

static void call_loop(void *arg)
{
    struct call *c = arg;
    c->loop->relay->wake(c->loop, c->berth);
    __atomic_sub_fetch(&c->loop->relay->calls, 1, __ATOMIC_RELEASE);
    free(c);
}

void berth_give(struct relay *r, struct berth *p)
{
    uint64_t wanted[COUNT_OF(p->wanted)];
    lock_take(&r->lock);
    p->used--;
    memcpy(wanted, p->wanted, sizeof wanted);
    memset(p->wanted, 0, sizeof p->wanted);
    lock_release(&r->lock);
    for (int i = 0; i < RELAY_LOOPS_MAX; i++) {
        if (!(wanted[i / 64] >> i % 64 & 1)) continue;
        struct call *c = xcalloc(1, sizeof *c);
        *c = (struct call){&r->loop[i], p};
        __atomic_add_fetch(&r->calls, 1, __ATOMIC_RELAXED);
        rt_post(i, call_loop, c);
    }
}
