/* nudge.c - who waits is woken on its own loop. */
#include <stdlib.h>

#include "base/arena.h"
#include "rt.h"

struct nudge {
    int loop, users;
    struct waitq q;
};

struct nudge *nudge_new(void)
{
    struct nudge *x = xcalloc(1, sizeof *x);
    x->loop = rt_loop_id();
    x->users = 1;
    waitq_init(&x->q);
    return x;
}

int nudge_wait(struct nudge *x) { return waitq_wait(&x->q); }

void nudge_drop(struct nudge *x)
{
    if (x && __atomic_sub_fetch(&x->users, 1, __ATOMIC_ACQ_REL) == 0) free(x);
}

static void arrives(void *arg)
{
    struct nudge *x = arg;
    waitq_wake_all(&x->q);
    nudge_drop(x);
}

void nudge_wake(struct nudge *x)
{
    __atomic_add_fetch(&x->users, 1, __ATOMIC_ACQ_REL);
    rt_post(x->loop, arrives, x);
}
