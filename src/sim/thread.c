/* thread.c - what crosses threads in the real world, on the one thread of the simulator:
 * posts, calls, completions, offload, workers, signals. A handler that would run on a thread
 * is a fiber of its program, so other fibers run between its steps on the disk. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "rt/addresses.h"
#include "sim_i.h"

int rt_run(const struct rt_opts *opts, int (*main_fn)(void *), void *arg)
{
    (void)opts;
    ASSERT(fiber_current() && "a node's program is started by sim_node_start()");
    return main_fn(arg);
}

int rt_loops(void) { return the_sim && the_sim->loop.node ? sim_prog_now()->loops : 1; }
int rt_loop_id(void) { return the_sim && the_sim->loop.node ? sim_here()->loop : 0; }

void rt_pause(int64_t ns) { sim_thread_pause(ns, ns); }

size_t rt_addresses(struct ip *out, size_t max)
{
    const struct sim_node *n = sim_self();
    size_t k = n->nip < max ? n->nip : max;
    memcpy(out, n->ip, k * sizeof *out);
    return k;
}

size_t rt_lasting_addresses(struct ip *out, size_t max) { return rt_addresses(out, max); }

size_t rt_files_max(void) { return SIZE_MAX; }

int rt_reserve(size_t files, size_t dials, size_t least, size_t *accepted)
{
    (void)files, (void)dials, (void)least;
    *accepted = SIZE_MAX;
    return 0;
}

void rt_die(const char *who, const char *why)
{
    log_info(who, "the program on %s ends: %s", sim_self()->name, why);
    sim_kill(sim_self());
}

int rt_wait_readable(int fd)
{
    (void)fd;
    return err_set(ERR_UNSUPPORTED, "a simulated program has no descriptors");
}

void rt_stats(struct rt_stats *out)
{
    *out = (struct rt_stats){0};
    loop_stats(&the_sim->loop, out);
}

/* ---- posts and calls ---- */

struct post {
    struct link link;
    void (*fn)(void *);
    void *arg;
};

void rt_post(int loop, void (*fn)(void *), void *arg)
{
    struct sim_prog *p = sim_prog_now();
    ASSERT(loop >= 0 && loop < p->loops);
    struct sim_place *at = &p->on_loop[loop];
    struct post *x = xcalloc(1, sizeof *x);
    x->fn = fn;
    x->arg = arg;
    if (list_empty(&at->posts)) {
        list_push(&the_sim->posting, &at->posting);
        the_sim->nposting++;
    }
    list_push(&at->posts, &x->link);
}

void sim_run_post(struct sim_place *at)
{
    struct post x, *first = CONTAINER_OF(list_shift(&at->posts), struct post, link);
    x = *first;
    free(first);
    if (list_empty(&at->posts)) {
        list_remove(&at->posting);
        the_sim->nposting--;
    }
    the_sim->loop.node = at;
    sim_note(EV_POST, at->prog->id, (uint64_t)at->loop);
    x.fn(x.arg);
    the_sim->loop.node = NULL;
}

/* A function that runs as a fiber of its own while the caller waits for its end. */
struct call {
    struct completion done;
    int (*fn)(void *);
    void *arg;
    int64_t deadline;
    int result;
};

static void run_call(void *arg)
{
    struct call *c = arg;
    (void)deadline_narrow(c->deadline);
    c->result = c->fn(c->arg);
    completion_signal(&c->done);
}

static int call_at(struct sim_place *at, const char *name, int (*fn)(void *), void *arg, int64_t deadline)
{
    struct call c = {.fn = fn, .arg = arg, .deadline = deadline};
    completion_init(&c.done);
    if (!sim_fiber(at, name, run_call, &c))
        return err_set(ERR_LIMIT, "there is no memory for one more fiber (%s)", name);
    completion_wait(&c.done);
    return c.result;
}

int rt_call(int loop, int (*fn)(void *), void *arg)
{
    struct sim_prog *p = sim_prog_now();
    ASSERT(loop >= 0 && loop < p->loops);
    return call_at(&p->on_loop[loop], "call", fn, arg, deadline_get());
}

/* ---- offload ---- */

static const int pool_threads[RT_POOLS] = {
    [POOL_DISK] = 4, [POOL_SIGN] = 1,    [POOL_PASSWORD] = 1, [POOL_FETCH] = 4,
    [POOL_ASK] = 4,  [POOL_PEOPLE] = 16, [POOL_CARE] = 2};

struct task {
    struct turn turn;
    struct errand errand;
    struct completion done;
    struct sim_pool *pool;
};

/* A thread of the pool, for as long as there is work. */
static void run_tasks(void *arg)
{
    struct sim_pool *p = ((struct task *)arg)->pool;
    for (struct task *t = arg; t;) {
        errand_run(&t->errand);
        completion_signal(&t->done);
        struct turn *next = turns_take(&p->waiting);
        t = next ? CONTAINER_OF(next, struct task, turn) : NULL;
    }
    p->busy--;
}

int offload_for(enum rt_pool pool, uint64_t asker, int (*fn)(void *), void *arg)
{
    if (sim_here()->loop < 0) return fn(arg);
    struct sim_prog *prog = sim_prog_now();
    struct sim_pool *p = &prog->pools[pool];
    struct task t = {.turn.asker = asker, .errand = {.fn = fn, .arg = arg}, .pool = p};
    completion_init(&t.done);
    if (p->busy == pool_threads[pool]) {
        turns_put(&p->waiting, &t.turn);
    } else {
        if (!sim_fiber(&prog->on_thread, "offload", run_tasks, &t))
            return err_set(ERR_LIMIT, "there is no memory for one more fiber (offload)");
        p->busy++;
    }
    completion_wait(&t.done);
    return errand_result(&t.errand);
}

int offload_on(enum rt_pool pool, int (*fn)(void *), void *arg) { return offload_for(pool, 0, fn, arg); }

/* ---- completions ---- */

enum { NOT_DONE, WAITED_FOR, DONE };

void completion_init(struct completion *c)
{
    *c = (struct completion){.fiber = fiber_self(), .done = NOT_DONE};
}

void completion_signal(struct completion *c)
{
    bool wake = c->done == WAITED_FOR;
    ASSERT(c->done != DONE);
    c->done = DONE;
    if (wake) ASSERT(fiber_wake(c->fiber, 0));
}

void completion_wait(struct completion *c)
{
    ASSERT(c->fiber && c->fiber == fiber_self() && "the fiber that waits is the one that initialised it");
    if (c->done == DONE) return;
    c->done = WAITED_FOR;
    fiber_block_hard();
    ASSERT(c->done == DONE);
}

/* ---- workers ---- */

struct worker {
    const char *name;
    size_t max_group;
    void (*handle)(void *ctx, struct job *jobs);
    void *ctx;
    struct sim_prog *prog;
    struct job *first, *large; /* those that wait, in order of arrival */
    bool turn_of_large;
    bool busy;
    struct completion *idle; /* worker_free() waits */
};

int worker_new(struct worker **out, const char *name, size_t max_group,
               void (*handle)(void *ctx, struct job *jobs), void *ctx)
{
    struct worker *w = *out = xcalloc(1, sizeof *w);
    w->name = name;
    w->max_group = max_group ? max_group : 1;
    w->handle = handle;
    w->ctx = ctx;
    w->prog = sim_prog_now();
    return 0;
}

/* The first jobs, at most `most`, cut off as a list of their own. */
static struct job *cut(struct job **list, size_t most)
{
    struct job *group = *list, *j = group;
    for (size_t n = 1; n < most && j->next; n++) j = j->next;
    *list = j->next;
    j->next = NULL;
    return group;
}

/* A group, a large one, a group, ... */
static struct job *take_group(struct worker *w)
{
    bool large = w->large && (w->turn_of_large || !w->first);
    w->turn_of_large = !large;
    return large ? cut(&w->large, 1) : w->first ? cut(&w->first, w->max_group) : NULL;
}

static void work(void *arg)
{
    struct worker *w = arg;
    for (struct job *group; (group = take_group(w));) {
        w->handle(w->ctx, group);
        for (struct job *j = group, *next; j; j = next) {
            next = j->next; /* once signalled, j may be gone */
            completion_signal(&j->done);
        }
    }
    w->busy = false;
    if (w->idle) completion_signal(w->idle);
}

/* A worker that has no fiber gets one when there is work. */
static void rouse(struct worker *w)
{
    if (w->busy) return;
    w->busy = true;
    ASSERT(sim_fiber(&w->prog->on_thread, w->name, work, w) && "a stack for a worker");
}

void worker_do(struct worker *w, struct job *j)
{
    struct job **at = j->large ? &w->large : &w->first;
    completion_init(&j->done);
    j->next = NULL;
    while (*at) at = &(*at)->next;
    *at = j;
    rouse(w);
    completion_wait(&j->done);
}

void worker_free(struct worker **w)
{
    struct worker *x = *w;
    if (!x) return;
    struct completion idle;
    completion_init(&idle);
    x->idle = &idle;
    if (x->busy) completion_wait(&idle);
    free(x);
    *w = NULL;
}

/* ---- signals ---- */

void sim_signal(struct sim_node *n, int signo)
{
    LIST_EACH(struct sim_prog, p, &n->progs, link)
    {
        void *node = n->sim->loop.node;
        p->signal_bits |= 1u << signo;
        n->sim->loop.node = p->on_loop; /* main waits on the first loop */
        waitq_wake_all(&p->signals);
        n->sim->loop.node = node;
    }
    sim_note(EV_SIGNAL, n->id, (uint64_t)signo);
}

void rt_signals_end(bool yes) { (void)yes; }

int rt_wait_signal(void)
{
    struct sim_prog *p = sim_prog_now();
    while (!p->signal_bits) {
        int e = waitq_wait(&p->signals);
        if (e) return e;
    }
    int signo = __builtin_ctz(p->signal_bits);
    p->signal_bits &= p->signal_bits - 1;
    return signo;
}
