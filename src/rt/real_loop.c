/* real_loop.c - the real loops: one thread each, epoll, and messages between them. */
#include "real_i.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"

enum { EVENTS = 128, MOST_LOOPS = 256 };

static struct real_loop *loops;
static int nloops;
static int signals = -1; /* signalfd, only while rt_run() runs */

static struct real_loop *real_loop_at(int id)
{
    ASSERT(id >= 0 && id < nloops);
    return &loops[id];
}

int rt_loops(void) { return nloops; }

int rt_loop_id(void)
{
    struct loop *l = loop_self();
    return l ? l->id : -1;
}

void rt_stats(struct rt_stats *out)
{
    *out = (struct rt_stats){0};
    for (int i = 0; i < nloops; i++) loop_stats(&loops[i].loop, out);
}

/* ---- clocks and chance ---- */

int64_t world_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * RT_S + t.tv_nsec;
}

int64_t rt_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void from_kernel(char *at, size_t n)
{
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        ASSERT(got > 0 && "the system has no randomness");
        at += got;
        n -= (size_t)got;
    }
}

/* Small requests share system calls: each thread keeps some random bytes, and wipes them as it gives
 * them away. The process never forks, so no two ever give the same. */
uint64_t rt_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : (uint64_t)1 << 30;
}

void rt_random(void *p, size_t n)
{
    enum { POOL = 256, SMALL = 32 }; /* up to 256 bytes the kernel gives all at once */
    static __thread char pool[POOL];
    static __thread size_t left;
    if (n > SMALL) {
        from_kernel(p, n);
        return;
    }
    if (left < n) {
        from_kernel(pool, POOL);
        left = POOL;
    }
    left -= n;
    memcpy(p, pool + left, n);
    explicit_bzero(pool + left, n);
}

void rt_pause(int64_t ns)
{
    struct timespec t = {ns / RT_S, ns % RT_S};
    while (nanosleep(&t, &t) != 0) continue;
}

void rt_die(const char *who, const char *why)
{
    log_set_sink(NULL); /* straight to standard error: the thread that writes may not get to it */
    log_error(who, "the program ends: %s", why);
    _exit(1);
}

/* ---- threads ---- */

void futex_wait(int *word, int while_it_is)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
}

void futex_wait_for(int *word, int while_it_is, int64_t ns)
{
    struct timespec t = {ns / RT_S, ns % RT_S};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, &t, NULL, 0);
}

void futex_wake(int *word, int most) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0); }

static void all_but_faults(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigfillset(set);
    for (size_t i = 0; i < COUNT_OF(faults); i++) sigdelset(set, faults[i]);
}

pthread_t real_thread(const char *name, void *(*fn)(void *), void *arg)
{
    sigset_t none, before;
    all_but_faults(&none);
    pthread_t t;
    pthread_sigmask(SIG_BLOCK, &none, &before);
    int e = pthread_create(&t, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e) {
        log_error("rt", "cannot start the thread %s: %s", name, strerror(e));
        abort();
    }
    pthread_setname_np(t, name);
    return t;
}

/* ---- messages ---- */

static void kick(struct real_loop *l)
{
    if (!__atomic_exchange_n(&l->asleep, 0, __ATOMIC_SEQ_CST)) return;
    uint64_t one = 1;
    ssize_t n = write(l->event, &one, sizeof one);
    (void)n; /* the counter cannot be full: it is read each time */
}

static void real_post(struct real_loop *l, struct message *m)
{
    PUSH_CHAIN(&l->messages, m, m);
    if (loop_self() != &l->loop) kick(l);
}

void real_complete(int loop, struct completion *first, struct completion *last)
{
    struct real_loop *l = real_loop_at(loop);
    PUSH_CHAIN(&l->completed, first, last);
    if (loop_self() != &l->loop) kick(l);
}

static void read_inbox(struct real_loop *l)
{
    struct message *m;
    struct completion *c;
    TAKE_IN_ORDER(struct message, &l->messages, &m);
    while (m) {
        struct message *next = m->next;
        m->fn(m->arg);
        free(m);
        m = next;
    }
    TAKE_IN_ORDER(struct completion, &l->completed, &c);
    while (c) {
        struct completion *next = c->next; /* the waiter owns c and may be gone once it runs */
        struct fiber *f = c->fiber;
        c->done = 1;
        if (f) fiber_wake(f, 0);
        c = next;
    }
}

static bool inbox_empty(struct real_loop *l)
{
    return !__atomic_load_n(&l->messages, __ATOMIC_SEQ_CST) &&
           !__atomic_load_n(&l->completed, __ATOMIC_SEQ_CST);
}

void rt_post(int loop, void (*fn)(void *), void *arg)
{
    struct message *m = xmalloc(sizeof *m);
    *m = (struct message){.fn = fn, .arg = arg};
    real_post(real_loop_at(loop), m);
}

struct call {
    struct errand errand;
    int64_t deadline;
    struct completion done;
};

static void call_fiber(void *arg)
{
    struct call *c = arg;
    (void)deadline_narrow(c->deadline);
    errand_run(&c->errand);
    completion_signal(&c->done);
}

static void call_start(void *arg)
{
    struct call *c = arg;
    if (fiber_start(NULL, "call", call_fiber, c)) return;
    c->errand.result = ERR_LIMIT;
    snprintf(c->errand.text, sizeof c->errand.text, "there is no memory for one more fiber (call)");
    completion_signal(&c->done);
}

int rt_call(int loop, int (*fn)(void *), void *arg)
{
    struct call c = {.errand = {.fn = fn, .arg = arg}, .deadline = deadline_get()};
    completion_init(&c.done);
    rt_post(loop, call_start, &c);
    completion_wait(&c.done);
    return errand_result(&c.errand);
}

/* ---- a turn ---- */

static int wait_for_events(struct real_loop *l, struct epoll_event *events, int64_t ns)
{
    static bool no_pwait2;
    if (!no_pwait2) {
        struct timespec t = {ns / RT_S, ns % RT_S};
        int n = epoll_pwait2(l->epoll, events, EVENTS, ns == RT_NEVER ? NULL : &t, NULL);
        if (n >= 0 || errno != ENOSYS) return n;
        no_pwait2 = true;
    }
    int64_t ms = ns == RT_NEVER ? -1 : (ns + RT_MS - 1) / RT_MS;
    return epoll_wait(l->epoll, events, EVENTS, ms > INT_MAX ? INT_MAX : (int)ms);
}

static int64_t may_sleep(struct real_loop *l)
{
    if (l->loop.nready || !list_empty(&l->due) || l->stop) return 0;
    int64_t at = loop_next_timer(&l->loop);
    if (at == RT_NEVER) return RT_NEVER;
    int64_t now = world_now();
    return at > now ? at - now : 0;
}

static void look_outside(struct real_loop *l)
{
    struct epoll_event events[EVENTS];
    int64_t ns = may_sleep(l);
    if (ns) {
        __atomic_store_n(&l->asleep, 1, __ATOMIC_SEQ_CST);
        if (!inbox_empty(l)) ns = 0;
    }
    int n = wait_for_events(l, events, ns);
    __atomic_store_n(&l->asleep, 0, __ATOMIC_SEQ_CST);
    l->loop.now = world_now();
    for (int i = 0; i < n; i++) {
        uint64_t count;
        if (events[i].data.ptr) real_sock_event(events[i].data.ptr, events[i].events);
        else if (read(l->event, &count, sizeof count) < 0) continue; /* somebody else's kick was enough */
    }
}

static void run_loop(struct real_loop *l)
{
    while (!l->stop) {
        l->loop.now = world_now();
        read_inbox(l);
        real_sock_due(l);
        loop_fire_timers(&l->loop);
        loop_run_ready(&l->loop);
        look_outside(l);
    }
}

static void open_loop(struct real_loop *l, int id, size_t stack_bytes)
{
    loop_init(&l->loop, id, stack_bytes);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(l->epoll >= 0 && l->event >= 0);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET};
    ASSERT(epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->event, &e) == 0);
    l->messages = NULL;
    l->completed = NULL;
    l->asleep = 0;
    l->stop = false;
    list_init(&l->due);
}

static void close_loop(struct real_loop *l)
{
    struct message *m;
    TAKE_IN_ORDER(struct message, &l->messages, &m);
    for (struct message *next; m; m = next) { /* posted too late to run */
        next = m->next;
        free(m);
    }
    close(l->epoll);
    close(l->event);
    loop_free(&l->loop);
}

static void *loop_thread(void *arg)
{
    struct real_loop *l = arg;
    loop_set_self(&l->loop);
    stack_watch_thread();
    run_loop(l);
    loop_set_self(NULL);
    stack_unwatch_thread();
    return NULL;
}

/* ---- the end: cancel what is left, wait for it, stop ---- */

struct ending {
    struct fiber *main;
    size_t left;
    bool tell;
};

static int cancel_here(void *arg)
{
    struct ending *e = arg;
    struct loop *l = loop_self();
    loop_cancel_all(l, NULL, e->main);
    LIST_EACH(struct fiber, f, &l->fibers, all)
    {
        if (f == e->main || f == fiber_self()) continue;
        e->left++;
        if (e->tell) log_warn("rt", "waiting for the fiber %s to end", f->name);
    }
    e->left += l->nparked;
    return 0;
}

/* Two quiet rounds in a row: a message on its way from one loop to another has arrived. */
static void end_all_fibers(struct fiber *main_fiber)
{
    int quiet = 0;
    for (int round = 0; quiet < 2; round++) {
        struct ending e = {.main = main_fiber, .tell = round == 5000};
        for (int i = 0; i < nloops; i++) (void)rt_call(i, cancel_here, &e);
        quiet = e.left ? 0 : quiet + 1;
        if (e.left) (void)fiber_sleep(RT_MS);
    }
}

struct start {
    int (*fn)(void *);
    void *arg;
    int result;
};

static void stop_loop(void *arg) { ((struct real_loop *)arg)->stop = true; }

static void main_fiber(void *arg)
{
    struct start *s = arg;
    struct fiber *f = fiber_self();
    s->result = s->fn(s->arg);
    f->canceled = false;
    f->deadline = RT_NEVER;
    end_all_fibers(f);
    for (int i = nloops - 1; i >= 0; i--) rt_post(i, stop_loop, &loops[i]);
}

static int count_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return CPU_COUNT(&set);
}

static void open_signals(sigset_t *before)
{
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ours, before);
    signal(SIGPIPE, SIG_IGN);
    signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    ASSERT(signals >= 0);
}

/* A connection is a descriptor: take as many as the administrator allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur >= r.rlim_max) return;
    r.rlim_cur = r.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &r) != 0)
        log_warn("rt", "cannot raise the number of open files: %s", strerror(errno));
}

static int64_t wall_seconds(void) { return rt_wall_seconds(); }

int rt_run(const struct rt_opts *opts, int (*main_fn)(void *), void *arg)
{
    static const struct rt_opts plain;
    ASSERT(!loop_self() && nloops == 0);
    if (!opts) opts = &plain;
    struct start s = {.fn = main_fn, .arg = arg};
    sigset_t before;
    open_signals(&before);
    raise_descriptor_limit();
    log_set_clock(wall_seconds);
    real_log_start();
    nloops = opts->loops > 0 ? opts->loops : count_processors();
    if (nloops > MOST_LOOPS) nloops = MOST_LOOPS;
    loops = xcalloc((size_t)nloops, sizeof *loops);
    for (int i = 0; i < nloops; i++) open_loop(&loops[i], i, opts->stack_bytes);
    loop_set_self(&loops[0].loop);
    stack_watch_thread();
    real_pools_start(nloops, opts->disk_threads);
    for (int i = 1; i < nloops; i++) loops[i].thread = real_thread("loop", loop_thread, &loops[i]);
    ASSERT(fiber_start(NULL, "main", main_fiber, &s));
    run_loop(&loops[0]);
    for (int i = 1; i < nloops; i++) pthread_join(loops[i].thread, NULL);
    real_pools_stop();
    for (int i = 0; i < nloops; i++) close_loop(&loops[i]);
    loop_set_self(NULL);
    stack_unwatch_thread();
    real_log_stop();
    free(loops);
    loops = NULL;
    nloops = 0;
    close(signals);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return s.result;
}

int rt_wait_signal(void)
{
    for (;;) {
        struct signalfd_siginfo info;
        if (read(signals, &info, sizeof info) == (ssize_t)sizeof info) return (int)info.ssi_signo;
        int e = rt_wait_readable(signals);
        if (e) return e;
    }
}
