/* real_run.c - the process: its loops turn, one thread each, from rt_run() until the first fiber has ended.
 */
#include "real_i.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum { EVENTS = 128, MOST_LOOPS = 256 };

static int signals = -1; /* signalfd, only while rt_run() runs */

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
        if (!real_inbox_empty(l)) ns = 0;
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
        real_read_inbox(l);
        real_sock_due(l);
        loop_fire_timers(&l->loop);
        loop_run_ready(&l->loop);
        look_outside(l);
    }
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
        for (int i = 0; i < rt_loops(); i++) (void)rt_call(i, cancel_here, &e);
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
    for (int i = rt_loops() - 1; i >= 0; i--) rt_post(i, stop_loop, real_loop_at(i));
}

static int count_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return CPU_COUNT(&set);
}

static sigset_t our_signals(void)
{
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGHUP);
    return ours;
}

void rt_signals_end(bool yes)
{
    sigset_t ours = our_signals();
    pthread_sigmask(yes ? SIG_UNBLOCK : SIG_BLOCK, &ours, NULL);
}

static void open_signals(sigset_t *before)
{
    sigset_t ours = our_signals();
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
    ASSERT(!loop_self() && rt_loops() == 0);
    if (!opts) opts = &plain;
    struct start s = {.fn = main_fn, .arg = arg};
    sigset_t before;
    open_signals(&before);
    raise_descriptor_limit();
    log_set_clock(wall_seconds);
    real_log_start();
    int n = opts->loops > 0 ? opts->loops : count_processors();
    if (n > MOST_LOOPS) n = MOST_LOOPS;
    real_loops_open(n, opts->stack_bytes);
    loop_set_self(&real_loop_at(0)->loop);
    stack_watch_thread();
    real_pools_start(n, opts->disk_threads);
    for (int i = 1; i < n; i++) real_loop_at(i)->thread = real_thread("loop", loop_thread, real_loop_at(i));
    ASSERT(fiber_start(NULL, "main", main_fiber, &s));
    run_loop(real_loop_at(0));
    for (int i = 1; i < n; i++) pthread_join(real_loop_at(i)->thread, NULL);
    real_pools_stop();
    real_loops_close();
    loop_set_self(NULL);
    stack_unwatch_thread();
    real_log_stop();
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
