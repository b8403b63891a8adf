/* rt_test.c - fibers, groups, deadlines, cancel. */
#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "rt_i.h"
#include "test_rt.h"

/* ---- switching ---- */

struct ping {
    char text[64];
    size_t n;
};

static void say(struct ping *p, char c)
{
    if (p->n < sizeof p->text - 1) p->text[p->n++] = c;
}

static void say_a(void *arg)
{
    for (int i = 0; i < 3; i++) {
        say(arg, 'a');
        fiber_yield();
    }
}

static void say_b(void *arg)
{
    for (int i = 0; i < 3; i++) {
        say(arg, 'b');
        fiber_yield();
    }
}

TEST(fibers_take_turns)
{
    struct ping p = {0};
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "a", say_a, &p));
    CHECK_OK(group_go(&g, "b", say_b, &p));
    CHECK_INT(p.n, 0); /* a child runs in a later turn */
    CHECK_OK(group_wait(&g));
    CHECK_SL(sl_cstr(p.text), "ababab");
    CHECK(fiber_current());
}

static double keep_in_registers(int depth, double x)
{
    double y = x * 1.5 + depth;
    if (depth == 0) {
        fiber_yield();
        return y;
    }
    double z = keep_in_registers(depth - 1, y);
    return z + y;
}

static void compute(void *arg) { *(double *)arg = keep_in_registers(10, *(double *)arg); }

TEST(registers_survive)
{
    double v[50], want[50];
    struct group g;
    group_init(&g);
    for (int i = 0; i < 50; i++) {
        v[i] = want[i] = i * 0.25;
        CHECK_OK(group_go(&g, "compute", compute, &v[i]));
    }
    CHECK_OK(group_wait(&g));
    for (int i = 0; i < 50; i++) {
        compute(&want[i]);
        CHECK(v[i] == want[i]);
    }
}

/* volatile: the compiler must really use the stack */
static int deep(int n)
{
    volatile char room[1000];
    room[0] = (char)n;
    room[999] = (char)n;
    if (n == 0) {
        fiber_yield();
        return 0;
    }
    return deep(n - 1) + (room[0] == room[999]);
}

static void go_deep(void *arg) { *(int *)arg = deep(150); }

TEST(deep_stacks)
{
    for (int round = 0; round < 3; round++) {
        int got[8] = {0};
        struct group g;
        group_init(&g);
        for (int i = 0; i < 8; i++) CHECK_OK(group_go(&g, "deep", go_deep, &got[i]));
        CHECK_OK(group_wait(&g));
        for (int i = 0; i < 8; i++) CHECK_INT(got[i], 150);
    }
    struct rt_stats st;
    rt_stats(&st);
    CHECK(st.stack_most >= 150 * 1000);
    CHECK(st.stack_most <= 1 << 20);
}

static void count_up(void *arg)
{
    fiber_yield();
    ++*(int *)arg;
}

TEST(ten_thousand_fibers)
{
    int n = 0;
    struct group g;
    struct rt_stats st;
    group_init(&g);
    for (int i = 0; i < 10000; i++) CHECK_OK(group_go(&g, "count", count_up, &n));
    fiber_yield();
    rt_stats(&st);
    CHECK(st.fibers >= 10001);
    CHECK_OK(group_wait(&g));
    CHECK_INT(n, 10000);
    for (int i = 0; i < 10000; i++) CHECK_OK(group_go(&g, "count", count_up, &n));
    CHECK_OK(group_wait(&g));
    rt_stats(&st);
    CHECK_INT(n, 20000);
    CHECK(st.stacks <= 10010); /* reused */
}

static void fail_with(void *arg)
{
    int *e = arg;
    (void)err_set(*e, "this is %d", *e);
    fiber_yield();
    char want[32];
    snprintf(want, sizeof want, "this is %d", *e);
    CHECK_SL(sl_cstr(err_text(*e)), want);
}

TEST(each_fiber_has_its_sentence)
{
    int a = ERR_SYNTAX, b = ERR_IO;
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "a", fail_with, &a));
    CHECK_OK(group_go(&g, "b", fail_with, &b));
    CHECK_OK(group_wait(&g));
}

/* An unwinder finds the end of a fiber's stack and does not run off it. */
static void walk(void *arg)
{
    void *pc[64];
    *(int *)arg = backtrace(pc, 64);
}

TEST(a_stack_has_an_end)
{
    int n = 0;
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "walk", walk, &n));
    CHECK_OK(group_wait(&g));
    CHECK(n >= 2 && n <= 10);
}

/* What a child process that runs fn says on standard error before it dies; *sig: of what. */
static void last_words(void (*fn)(void), char *out, size_t size, int *sig)
{
    int p[2], status = 0;
    size_t n = 0;
    ssize_t k;
    REQUIRE(pipe(p) == 0);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        dup2(p[1], STDERR_FILENO);
        close(p[0]);
        close(p[1]);
        fn();
        _exit(0);
    }
    close(p[1]);
    while (n < size - 1 && (k = read(p[0], out + n, size - 1 - n)) > 0) n += (size_t)k;
    out[n] = 0;
    close(p[0]);
    REQUIRE(waitpid(child, &status, 0) == child);
    *sig = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static void use_up_memory(void)
{
    struct rlimit little = {256 << 20, 256 << 20};
    struct group g;
    group_init(&g);
    setrlimit(RLIMIT_AS, &little);
    for (int i = 0; i < 100000; i++) {
        int e = group_go(&g, "one more", count_up, &i);
        if (!e) continue;
        fprintf(stderr, "%s after %d: %s", err_name(e), i, err_text(e));
        _exit(7);
    }
}

TEST(no_memory_for_a_stack_is_an_error)
{
    static char said[4096];
    int sig = 0;
    if (WITH_ASAN) return; /* its shadow needs more than any limit */
    last_words(use_up_memory, said, sizeof said, &sig);
    CHECK(sl_starts(sl_cstr(said), SL("ERR_LIMIT after ")));
    CHECK(sl_find(sl_cstr(said), SL("no memory for one more fiber (one more)")) != SL_NONE);
    CHECK_INT(sig, 7);
}

static int run_over(int n)
{
    volatile char room[500];
    room[0] = (char)n;
    return n < 0 ? 0 : run_over(n + 1) + room[0];
}

static void overflow(void) { (void)run_over(0); }

static void wait_with_lock(void)
{
    static struct lock l = LOCK_INIT;
    lock_take(&l);
    fiber_yield();
}

TEST(a_lock_is_not_held_over_a_wait)
{
    static char said[4096];
    int sig = 0;
    last_words(wait_with_lock, said, sizeof said, &sig);
    CHECK(sl_find(sl_cstr(said), SL("a lock is held over a wait")) != SL_NONE);
    CHECK_INT(sig, SIGABRT);
}

TEST(an_overflow_names_the_fiber)
{
    static char said[4096];
    int sig = 0;
    last_words(overflow, said, sizeof said, &sig);
    CHECK(sl_find(sl_cstr(said), SL("the stack of a fiber ran over: main")) != SL_NONE);
    CHECK(sig != 0);
}

/* ---- time ---- */

TEST(sleep_and_deadlines)
{
    int64_t from = rt_now();
    CHECK_OK(fiber_sleep(3 * RT_MS));
    CHECK(rt_now() - from >= 3 * RT_MS);
    int64_t before = deadline_narrow(DEADLINE_IN(2 * RT_MS));
    CHECK_INT(before, RT_NEVER);
    int64_t inner = deadline_narrow(DEADLINE_IN(RT_S)); /* cannot widen */
    CHECK(deadline_get() == inner);
    deadline_restore(inner);
    CHECK_ERR(fiber_sleep(RT_S), ERR_TIMEOUT);
    CHECK_ERR(fiber_sleep(1), ERR_TIMEOUT);
    CHECK_SL(sl_cstr(err_text(ERR_TIMEOUT)), "the time allowed for this ran out");
    deadline_restore(before);
    CHECK_OK(fiber_sleep(0));
    CHECK(rt_wall_seconds() > 1500000000);
}

struct note {
    struct buf *b;
    int64_t ns;
    char c;
};

static void note_after(void *arg)
{
    struct note *n = arg;
    CHECK_OK(fiber_sleep(n->ns));
    buf_char(n->b, n->c);
}

TEST(timers_fire_in_order)
{
    struct buf b = BUF_INIT;
    struct note n[] = {{&b, 6 * RT_MS, 'c'}, {&b, 2 * RT_MS, 'a'}, {&b, 4 * RT_MS, 'b'}, {&b, 0, '0'}};
    struct group g;
    group_init(&g);
    for (size_t i = 0; i < COUNT_OF(n); i++) CHECK_OK(group_go(&g, "note", note_after, &n[i]));
    CHECK_OK(group_wait(&g));
    CHECK_SL(buf_slice(&b), "0abc");
    buf_free(&b);
}

/* ---- cancel in every blocking call ---- */

struct waits {
    struct waitq q;
    struct fmutex m;
    struct group inner;
    int pipe[2];
    int got[8];
    int n;
};

/* The place is taken when the call is over, so that n counts ended waits. */
static void got(struct waits *w, int e) { w->got[w->n++] = e; }

static void sleep_long(void *arg)
{
    struct waits *w = arg;
    got(w, fiber_sleep(1000 * RT_S));
    got(w, fiber_sleep(RT_S)); /* and from then on */
}

static void wait_queue(void *arg)
{
    struct waits *w = arg;
    got(w, waitq_wait(&w->q));
}

static void wait_mutex(void *arg)
{
    struct waits *w = arg;
    got(w, fmutex_lock(&w->m));
}

static void wait_readable(void *arg)
{
    struct waits *w = arg;
    got(w, rt_wait_readable(w->pipe[0]));
}

static void sleep_quietly(void *arg)
{
    (void)arg;
    CHECK_ERR(fiber_sleep(1000 * RT_S), ERR_CANCELED);
}

static void wait_group(void *arg)
{
    struct waits *w = arg;
    group_init(&w->inner);
    CHECK_OK(group_go(&w->inner, "inner", sleep_quietly, NULL));
    got(w, group_wait(&w->inner));
    CHECK_INT(w->inner.count, 0);
}

static fiber_fn *const waiters[] = {sleep_long, wait_queue, wait_mutex, wait_readable, wait_group};

TEST(cancel_ends_every_wait)
{
    for (size_t i = 0; i < COUNT_OF(waiters); i++) {
        struct waits w = {0};
        struct group g;
        waitq_init(&w.q);
        fmutex_init(&w.m);
        CHECK_OK(fmutex_lock(&w.m));
        REQUIRE(pipe(w.pipe) == 0);
        group_init(&g);
        CHECK_OK(group_go(&g, "waiter", waiters[i], &w));
        CHECK_OK(fiber_sleep(RT_MS));
        CHECK_INT(w.n, 0);
        group_cancel(&g);
        CHECK_OK(group_wait(&g));
        CHECK(w.n > 0);
        for (int k = 0; k < w.n; k++) CHECK_ERR(w.got[k], ERR_CANCELED);
        CHECK(list_empty(&w.q.waiters));
        close(w.pipe[0]);
        close(w.pipe[1]);
    }
}

static void with_deadline(void *arg)
{
    void **v = arg;
    (void)deadline_narrow(DEADLINE_IN(2 * RT_MS));
    ((fiber_fn *)v[0])(v[1]);
}

TEST(deadline_ends_every_wait)
{
    for (size_t i = 0; i < COUNT_OF(waiters); i++) {
        struct waits w = {0};
        struct group g;
        waitq_init(&w.q);
        fmutex_init(&w.m);
        CHECK_OK(fmutex_lock(&w.m));
        REQUIRE(pipe(w.pipe) == 0);
        group_init(&g);
        void *v[2] = {(void *)waiters[i], &w};
        CHECK_OK(group_go(&g, "waiter", with_deadline, v));
        CHECK_OK(group_wait(&g));
        CHECK(w.n > 0);
        for (int k = 0; k < w.n; k++) CHECK_ERR(w.got[k], ERR_TIMEOUT);
        close(w.pipe[0]);
        close(w.pipe[1]);
    }
}

static void started_late(void *arg)
{
    CHECK(fiber_canceled());
    *(int *)arg = fiber_sleep(RT_S);
}

TEST(cancel_reaches_later_children)
{
    int e = 0;
    struct group g;
    group_init(&g);
    group_cancel(&g);
    CHECK_OK(group_go(&g, "late", started_late, &e));
    CHECK_OK(group_wait(&g));
    CHECK_ERR(e, ERR_CANCELED);
}

static void never_gives_up(void *arg)
{
    bool *stop = arg;
    while (!*stop) CHECK_ERR(fiber_sleep(RT_S), ERR_CANCELED);
}

/* A mistake, but it must cost only time. */
TEST(a_canceled_fiber_that_goes_on_does_not_starve_others)
{
    bool stop = false;
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "stubborn", never_gives_up, &stop));
    group_cancel(&g);
    CHECK_OK(fiber_sleep(RT_MS));
    stop = true;
    CHECK_OK(group_wait(&g));
}

static void two_levels(void *arg)
{
    struct group g;
    group_init(&g);
    for (int i = 0; i < 3; i++) CHECK_OK(group_go(&g, "leaf", started_late, arg));
    CHECK_ERR(group_wait(&g), ERR_CANCELED);
}

static void leaf_sleep(void *arg)
{
    int *n = arg;
    if (fiber_sleep(1000 * RT_S) == ERR_CANCELED) ++*n;
}

static void parent_of_leaves(void *arg)
{
    struct group g;
    group_init(&g);
    for (int i = 0; i < 3; i++) CHECK_OK(group_go(&g, "leaf", leaf_sleep, arg));
    CHECK_ERR(group_wait(&g), ERR_CANCELED);
}

TEST(cancel_goes_down)
{
    int n = 0;
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "parent", parent_of_leaves, &n));
    CHECK_OK(fiber_sleep(RT_MS));
    group_cancel(&g);
    CHECK_OK(group_wait(&g));
    CHECK_INT(n, 3);
    group_init(&g);
    group_cancel(&g);
    CHECK_OK(group_go(&g, "parent", two_levels, &n)); /* canceled before it ran */
    CHECK_OK(group_wait(&g));
}

/* ---- queues and mutexes ---- */

struct order {
    struct waitq q;
    struct fmutex m;
    struct buf b;
};

static void in_order(void *arg)
{
    struct order *o = arg;
    CHECK_OK(waitq_wait(&o->q));
    buf_char(&o->b, 'w');
}

TEST(waitq_wakes_one_or_all)
{
    struct order o = {.b = BUF_INIT};
    struct group g;
    waitq_init(&o.q);
    waitq_wake_one(&o.q); /* nobody: no effect */
    group_init(&g);
    for (int i = 0; i < 5; i++) CHECK_OK(group_go(&g, "w", in_order, &o));
    CHECK_OK(fiber_sleep(0));
    waitq_wake_one(&o.q);
    CHECK_OK(fiber_sleep(0));
    CHECK_INT(o.b.n, 1);
    waitq_wake_all(&o.q);
    CHECK_OK(group_wait(&g));
    CHECK_INT(o.b.n, 5);
    buf_free(&o.b);
}

TEST(a_wake_is_not_lost_on_a_canceled_waiter)
{
    struct group doomed, g;
    struct waits w = {0};
    waitq_init(&w.q);
    group_init(&doomed);
    group_init(&g);
    CHECK_OK(group_go(&doomed, "doomed", wait_queue, &w));
    CHECK_OK(fiber_sleep(0));
    CHECK_OK(group_go(&g, "heir", wait_queue, &w));
    CHECK_OK(fiber_sleep(0));
    group_cancel(&doomed); /* woken, but has not run yet */
    waitq_wake_one(&w.q);
    CHECK_OK(group_wait(&doomed));
    CHECK_OK(group_wait(&g));
    CHECK_INT(w.n, 2);
    CHECK_ERR(w.got[0], ERR_CANCELED);
    CHECK_OK(w.got[1]);
}

static void lock_and_write(void *arg)
{
    struct order *o = arg;
    CHECK_OK(fmutex_lock(&o->m));
    buf_char(&o->b, '(');
    fiber_yield();
    buf_char(&o->b, ')');
    fmutex_unlock(&o->m);
}

TEST(fmutex_excludes)
{
    struct order o = {.b = BUF_INIT};
    struct group g;
    fmutex_init(&o.m);
    group_init(&g);
    for (int i = 0; i < 4; i++) CHECK_OK(group_go(&g, "m", lock_and_write, &o));
    CHECK_OK(group_wait(&g));
    CHECK_SL(buf_slice(&o.b), "()()()()");
    CHECK(!o.m.held);
    buf_free(&o.b);
}

/* ---- fairness ---- */

static void breathe_long(void *arg)
{
    int64_t until = world_now() + 8 * RT_MS;
    while (world_now() < until) fiber_breathe();
    *(bool *)arg = true;
}

TEST(breathing_lets_others_run)
{
    bool done = false;
    int turns = 0;
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "long", breathe_long, &done));
    while (!done) {
        fiber_yield();
        turns++;
    }
    CHECK(turns >= 4);
    CHECK_OK(group_wait(&g));
}

TEST(chance)
{
    int seen[6] = {0};
    for (int i = 0; i < 600; i++) {
        uint64_t x = rt_random_below(6);
        REQUIRE(x < 6);
        seen[x]++;
    }
    for (int i = 0; i < 6; i++) CHECK(seen[i] > 30);
    CHECK_INT(rt_random_below(1), 0);
    CHECK_INT(rt_random_below(0), 0);
}

TEST(no_random_bytes_are_given_twice)
{
    uint64_t seen[400];
    char odd[7], many[1000] = {0};
    for (int i = 0; i < 400; i++) {
        rt_random(&seen[i], sizeof seen[i]);
        rt_random(odd, 1 + (size_t)i % sizeof odd);
        for (int k = 0; k < i; k++) REQUIRE(seen[k] != seen[i]);
    }
    rt_random(many, sizeof many);
    for (size_t i = 0; i + 8 <= sizeof many; i += 8) CHECK(memcmp(many + i, "\0\0\0\0\0\0\0", 8) != 0);
}

/* Children that nobody waited for are canceled when the program ends. */
static struct group abandoned;
TEST(the_end_cancels_what_is_left)
{
    group_init(&abandoned);
    CHECK_OK(group_go(&abandoned, "left", sleep_quietly, NULL));
    CHECK_OK(fiber_sleep(0));
}
