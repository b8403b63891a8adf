/* real_worker.c - a thread that handles what was given to it in groups. */
#include "real_i.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"

struct worker {
    struct job *waiting; /* a stack, last first */
    struct job *large;   /* the thread's own: large ones in order of arrival */
    int asleep;          /* the thread waits on this word while it is 1 */
    int stop;
    int wanted; /* while it lingers: how many jobs more it waits for */
    size_t max_group;
    size_t target;     /* jobs that the next group waits for */
    unsigned patience; /* groups until it may be more than the last one was */
    void (*handle)(void *ctx, struct job *jobs);
    void *ctx;
    pthread_t thread;
    struct completion **group; /* of the jobs in hand */
};

static void wake_worker(struct worker *w)
{
    if (__atomic_exchange_n(&w->asleep, 0, __ATOMIC_SEQ_CST)) futex_wake(&w->asleep, 1);
}

static void submit(struct worker *w, struct job *j)
{
    PUSH_CHAIN(&w->waiting, j, j);
    wake_worker(w);
    if (__atomic_load_n(&w->wanted, __ATOMIC_SEQ_CST) > 0 &&
        __atomic_sub_fetch(&w->wanted, 1, __ATOMIC_SEQ_CST) == 0)
        futex_wake(&w->wanted, 1);
}

static struct job **end_of(struct job **list)
{
    while (*list) list = &(*list)->next;
    return list;
}

/* Appends what has arrived to the list, or to that of the large ones. */
static void gather(struct worker *w, struct job **list)
{
    struct job **tail = end_of(list), **large = end_of(&w->large);
    TAKE_IN_ORDER(struct job, &w->waiting, tail);
    for (struct job *j; (j = *tail);) {
        if (!j->large) {
            tail = &j->next;
            continue;
        }
        *tail = j->next;
        j->next = NULL;
        *large = j;
        large = &j->next;
    }
}

/* Each loop is woken once for all of its jobs. Chains keep the order of arrival: an
 * inbox is a stack, so the last job of a loop comes first in its chain. */
static void signal_group(struct completion **group, size_t n)
{
    for (size_t i = n; i--;) {
        struct completion *c = group[i], *last = c;
        if (!c) continue;
        if (!c->fiber) {
            real_signal_thread(c);
            continue;
        }
        int loop = c->loop;
        for (size_t k = i; k--;) {
            if (!group[k] || !group[k]->fiber || group[k]->loop != loop) continue;
            last->next = group[k];
            last = group[k];
            group[k] = NULL;
        }
        real_complete(loop, c, last);
    }
}

/* Cuts at most `most` jobs from the front of *list and handles them. */
static void handle_group(struct worker *w, struct job **list, size_t most)
{
    struct job *first = *list, **at = list;
    size_t n = 0;
    if (!first) return;
    for (; *at && n < most; at = &(*at)->next) w->group[n++] = &(*at)->done;
    struct job *rest = *at;
    *at = NULL;
    *list = rest;
    w->handle(w->ctx, first);
    signal_group(w->group, n);
}

static size_t count_jobs(const struct job *j, size_t most)
{
    size_t n = 0;
    for (; j && n < most; j = j->next) n++;
    return n;
}

/* False when the time was over before. Whoever came just before `wanted` was set is not counted. */
static bool wait_for_jobs(struct worker *w, size_t n, int64_t ns)
{
    int64_t end = world_now() + ns;
    int v;
    __atomic_store_n(&w->wanted, (int)n, __ATOMIC_SEQ_CST);
    while ((v = __atomic_load_n(&w->wanted, __ATOMIC_SEQ_CST)) > 0 && ns > 0) {
        futex_wait_for(&w->wanted, v, ns);
        ns = end - world_now();
    }
    __atomic_store_n(&w->wanted, 0, __ATOMIC_SEQ_CST);
    return v <= 0;
}

/* A sync costs the same whatever the size of its group, some 60 us of processor time. Under load a group
 * therefore waits until it is as large as the last one was, half a millisecond at most: those of the last
 * one are on their way back. Now and then one more is waited for; when it does not come, all who would
 * come are here. A lone job and a few sessions in turns never wait. */
static void linger(struct worker *w, struct job **list)
{
    enum { COMPANY = 4, ENOUGH = 24, PATIENCE = 32, WAIT = 500 * 1000 };
    size_t here = count_jobs(*list, w->max_group);
    bool late = false;
    if (w->target > COMPANY && here < w->target) {
        late = !wait_for_jobs(w, w->target - here, WAIT);
        gather(w, list);
        here = count_jobs(*list, w->max_group);
        late = late && here < w->target;
    }
    if (late) w->patience = PATIENCE;
    else if (w->patience) w->patience--;
    w->target = here + (!w->patience && here >= COMPANY && here < ENOUGH);
}

/* After a longer sleep the sessions of the last group are gone. */
static void sleep_until_woken(struct worker *w)
{
    enum { GONE = 5 * 1000 * 1000 };
    int64_t since = world_now();
    futex_wait(&w->asleep, 1);
    if (world_now() - since > GONE) w->target = 0;
}

static bool stopping(struct worker *w) { return __atomic_load_n(&w->stop, __ATOMIC_SEQ_CST); }

static void *worker_thread(void *arg)
{
    struct worker *w = arg;
    struct job *list = NULL;
    for (;;) {
        bool stop = stopping(w); /* asked first: what was submitted before it is seen */
        gather(w, &list);
        if (list || w->large) {
            if (list && !stop) linger(w, &list);
            handle_group(w, &list, w->max_group);
            handle_group(w, &w->large, 1);
            continue;
        }
        if (stop) return NULL;
        __atomic_store_n(&w->asleep, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&w->waiting, __ATOMIC_SEQ_CST) || stopping(w)) continue;
        sleep_until_woken(w);
    }
}

int worker_new(struct worker **out, const char *name, size_t max_group,
               void (*handle)(void *ctx, struct job *jobs), void *ctx)
{
    struct worker *w = xcalloc(1, sizeof *w);
    w->max_group = max_group ? max_group : 1;
    w->group = xcalloc(w->max_group, sizeof(struct completion *));
    w->handle = handle;
    w->ctx = ctx;
    w->thread = real_thread(name, worker_thread, w);
    *out = w;
    return 0;
}

void worker_do(struct worker *w, struct job *j)
{
    completion_init(&j->done);
    submit(w, j);
    completion_wait(&j->done);
}

static int join_worker(void *arg)
{
    pthread_join(((struct worker *)arg)->thread, NULL);
    return 0;
}

void worker_free(struct worker **out)
{
    struct worker *w = *out;
    if (!w) return;
    *out = NULL;
    __atomic_store_n(&w->stop, 1, __ATOMIC_SEQ_CST);
    wake_worker(w);
    (void)offload(join_worker, w);
    free(w->group);
    free(w);
}
