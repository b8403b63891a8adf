/* real_pool.c - offload: for each kind of work a few threads that take from one line. */
#include "real_i.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "base/arena.h"

struct task {
    struct turn turn;
    struct errand errand;
    struct completion done;
};

struct pool {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    struct turns waiting;
    pthread_t *threads;
    int n, nice;
    bool stop;
};
static struct pool pools[RT_POOLS];

static void run_task(struct task *t)
{
    errand_run(&t->errand);
    completion_signal(&t->done);
}

static void *pool_thread(void *arg)
{
    struct pool *p = arg;
    if (p->nice) setpriority(PRIO_PROCESS, 0, p->nice); /* of this thread alone (Linux) */
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        struct turn *x = turns_take(&p->waiting);
        if (x) {
            pthread_mutex_unlock(&p->mutex);
            run_task(CONTAINER_OF(x, struct task, turn));
            pthread_mutex_lock(&p->mutex);
        } else if (p->stop) {
            break;
        } else {
            pthread_cond_wait(&p->more, &p->mutex);
        }
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static void start_pool(enum rt_pool which, const char *name, int threads, int nice)
{
    struct pool *p = &pools[which];
    *p = (struct pool){.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
    turns_init(&p->waiting);
    p->n = threads;
    p->nice = nice;
    p->threads = xcalloc((size_t)threads, sizeof *p->threads);
    for (int i = 0; i < threads; i++) p->threads[i] = real_thread(name, pool_thread, p);
}

void real_pools_start(int loops, int disk_threads)
{
    start_pool(POOL_DISK, "disk", disk_threads > 0 ? disk_threads : 4, 0);
    start_pool(POOL_SIGN, "sign", loops, 0);
    start_pool(POOL_PASSWORD, "password", (loops + 1) / 2, 10);
    start_pool(POOL_FETCH, "fetch", 4, 0);
    start_pool(POOL_ASK, "ask", 4, 0);
    start_pool(POOL_PEOPLE, "people", 16, 0);
    start_pool(POOL_CARE, "care", 2, 0);
}

static void stop_pool(struct pool *p)
{
    pthread_mutex_lock(&p->mutex);
    p->stop = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->n; i++) pthread_join(p->threads[i], NULL);
    free(p->threads);
    turns_free(&p->waiting);
}

void real_pools_stop(void)
{
    for (int i = 0; i < RT_POOLS; i++) stop_pool(&pools[i]);
}

int offload_for(enum rt_pool pool, uint64_t asker, int (*fn)(void *), void *arg)
{
    if (!fiber_current()) return fn(arg);
    struct pool *p = &pools[pool];
    struct task t = {.turn.asker = asker, .errand = {.fn = fn, .arg = arg}};
    completion_init(&t.done);
    pthread_mutex_lock(&p->mutex);
    turns_put(&p->waiting, &t.turn);
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->mutex);
    completion_wait(&t.done);
    return errand_result(&t.errand);
}

int offload_on(enum rt_pool pool, int (*fn)(void *), void *arg) { return offload_for(pool, 0, fn, arg); }
