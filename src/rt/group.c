/* group.c - children that are waited for together: fibers and parked connections. */
#include "rt_i.h"

#include "base/log.h"

void group_init(struct group *g)
{
    *g = (struct group){0};
    list_init(&g->fibers);
}

void group_join(struct group *g, struct member *m, void (*cancel)(struct member *))
{
    m->group = g;
    m->cancel = cancel;
    list_push(&g->fibers, &m->link);
    g->count++;
    if (g->canceled) cancel(m);
}

void group_leave(struct member *m)
{
    struct group *g = m->group;
    if (!g) return;
    m->group = NULL;
    list_remove(&m->link);
    if (--g->count == 0 && g->waiter) fiber_wake(g->waiter->fiber, 0);
}

int group_go(struct group *g, const char *name, fiber_fn *fn, void *arg)
{
    if (fiber_start(g, name, fn, arg)) return 0;
    return err_set(ERR_LIMIT, "there is no memory for one more fiber (%s)", name);
}

int group_wait(struct group *g)
{
    struct waiter w = {.fiber = fiber_self()};
    int first = 0;
    while (g->count) {
        ASSERT(!g->waiter && "one fiber waits for a group");
        g->waiter = &w;
        int e = 0;
        if (first) fiber_block_hard();
        else e = fiber_block();
        g->waiter = NULL;
        if (!e) continue;
        first = e;
        group_cancel(g);
    }
    return first;
}

void group_cancel(struct group *g)
{
    g->canceled = true;
    LIST_EACH(struct member, m, &g->fibers, link) m->cancel(m);
}
