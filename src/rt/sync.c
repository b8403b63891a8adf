/* sync.c - wait queues and mutexes between fibers of one loop, short locks between threads,
 * and what an errand on another fiber or thread brings back. */
#include "rt_i.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* ---- locks: 0 free, 1 taken, 2 taken and somebody sleeps ---- */

static __thread int held;

__attribute__((noinline)) int locks_held(void)
{
    __asm__ volatile("");
    return held;
}

__attribute__((noinline)) static void count_held(int by)
{
    __asm__ volatile("");
    held += by;
}

static bool try_lock(struct lock *l)
{
    int free = 0;
    return __atomic_compare_exchange_n(&l->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void lock_slowly(struct lock *l)
{
    for (int i = 0; i < 64; i++)
        if (try_lock(l)) return;
    while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE) != 0)
        syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void lock_take(struct lock *l)
{
    if (!try_lock(l)) lock_slowly(l);
    count_held(1);
}

void lock_release(struct lock *l)
{
    count_held(-1);
    if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2)
        syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
