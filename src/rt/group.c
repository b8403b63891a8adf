/* group.c - children that are waited for together: fibers and parked connections. */
#include "rt_i.h"

#include "base/log.h"

void group_init(struct group *g)
{
    *g = (struct group){0};
    list_init(&g->fibers);
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
