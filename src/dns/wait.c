/* wait.c - a fiber of any loop that waits, no longer than its deadline, for what another thread will do. */
#include <stdlib.h>

#include "base/arena.h"
#include "dns_i.h"

struct wait *wait_new(struct link *list)
{
    struct wait *w = xcalloc(1, sizeof *w);
    w->users = 2;
    w->loop = rt_loop_id();
    waitq_init(&w->q);
    list_push(list, &w->link);
    return w;
}

/* On the waiter's loop. */
static void wait_over(void *arg)
{
    struct wait *w = arg;
    w->done = true;
    waitq_wake_all(&w->q);
    if (--w->users == 0) free(w);
}

void wait_end(struct wait *w) { rt_post(w->loop, wait_over, w); }

int wait_for(struct wait *w, struct lock *lock, bool *ended)
{
    int e = 0;
    while (!w->done && !e) e = waitq_wait(&w->q);
    if (w->done) e = 0;
    lock_take(lock);
    *ended = list_empty(&w->link);
    if (!*ended) w->users--; /* nobody will end it any more */
    list_remove(&w->link);
    lock_release(lock);
    if (--w->users == 0) free(w);
    return e;
}
