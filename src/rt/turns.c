/* turns.c - who waits for a thread of a pool: the askers in turns, each one's own in order of coming. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "rt_i.h"

struct lane {
    struct link link; /* in turns->order */
    struct link waiting;
};

static struct slice lane_key(const uint64_t *asker) { return sl(asker, sizeof *asker); }

void turns_init(struct turns *t)
{
    map_init(&t->lanes, false);
    list_init(&t->order);
}

void turns_free(struct turns *t)
{
    ASSERT(list_empty(&t->order));
    map_free(&t->lanes);
}

void turns_put(struct turns *t, struct turn *x)
{
    struct lane *lane = map_get(&t->lanes, lane_key(&x->asker));
    if (!lane) {
        lane = xcalloc(1, sizeof *lane);
        list_init(&lane->waiting);
        list_push(&t->order, &lane->link);
        map_put(&t->lanes, lane_key(&x->asker), lane);
    }
    list_push(&lane->waiting, &x->link);
}

struct turn *turns_take(struct turns *t)
{
    struct link *l = list_shift(&t->order);
    if (!l) return NULL;
    struct lane *lane = CONTAINER_OF(l, struct lane, link);
    struct turn *x = CONTAINER_OF(list_shift(&lane->waiting), struct turn, link);
    if (!list_empty(&lane->waiting)) {
        list_push(&t->order, &lane->link);
    } else {
        map_del(&t->lanes, lane_key(&x->asker));
        free(lane);
    }
    return x;
}
