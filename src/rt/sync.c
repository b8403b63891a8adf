/* sync.c - wait queues and mutexes between fibers of one loop, and what an errand on another fiber or thread
 * brings back. */
#include "rt_i.h"

#include "base/log.h"

void waitq_init(struct waitq *q) { list_init(&q->waiters); }

int waitq_wait(struct waitq *q)
{
    struct waiter w = {.fiber = fiber_self()};
    list_push(&q->waiters, &w.link);
    int e = fiber_block();
    list_remove(&w.link);
    return e;
}

/* Who waits is woken on its own loop: from another one, or a thread, by rt_post() or a completion. */
static void must_be_here(const struct fiber *f)
{
    struct loop *l = loop_self();
    ASSERT(f->loop == l && f->member.node == l->node && "a fiber of this loop");
}

/* A waiter that time or cancel woke first still stands in the queue until it runs. */
static bool wake_first(struct waitq *q)
{
    struct link *l;
    while ((l = list_shift(&q->waiters))) {
        struct fiber *f = CONTAINER_OF(l, struct waiter, link)->fiber;
        must_be_here(f);
        if (fiber_wake(f, 0)) return true;
    }
    return false;
}

void waitq_wake_one(struct waitq *q) { (void)wake_first(q); }

void waitq_wake_all(struct waitq *q)
{
    while (wake_first(q)) continue;
}

void fmutex_init(struct fmutex *m)
{
    waitq_init(&m->q);
    m->held = false;
}

int fmutex_lock(struct fmutex *m)
{
    if (m->held) return waitq_wait(&m->q); /* woken by fmutex_unlock(): it is ours */
    int e = fiber_check();
    if (!e) m->held = true;
    return e;
}

void fmutex_unlock(struct fmutex *m)
{
    ASSERT(m->held);
    if (!wake_first(&m->q)) m->held = false;
}

void errand_run(struct errand *e)
{
    e->result = e->fn(e->arg);
    const char *text = e->result < 0 ? err_text(e->result) : "";
    size_t n = strnlen(text, sizeof e->text - 1);
    memcpy(e->text, text, n);
    e->text[n] = 0;
}

int errand_result(struct errand *e) { return e->result < 0 ? err_set(e->result, "%s", e->text) : e->result; }
