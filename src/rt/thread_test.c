/* thread_test.c - what crosses threads: calls, posts, offload, workers, locks, signals. */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "rt_i.h"
#include "test_rt.h"

/* ---- loops ---- */

static int where(void *arg)
{
    (void)arg;
    fiber_yield();
    return rt_loop_id();
}

TEST(calls_to_other_loops)
{
    CHECK_INT(rt_loops(), 2);
    CHECK_INT(rt_loop_id(), 0);
    CHECK_INT(rt_call(1, where, NULL), 1);
    CHECK_INT(rt_call(0, where, NULL), 0);
    CHECK_INT(rt_loop_id(), 0);
}

static int sleep_there(void *arg)
{
    (void)arg;
    return fiber_sleep(1000 * RT_S);
}

TEST(a_call_inherits_the_deadline)
{
    int64_t before = deadline_narrow(DEADLINE_IN(2 * RT_MS));
    CHECK_ERR(rt_call(1, sleep_there, NULL), ERR_TIMEOUT);
    deadline_restore(before);
}

static int add_there(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static void call_often(void *arg)
{
    for (int i = 0; i < 100; i++) CHECK_OK(rt_call(1, add_there, arg));
}

TEST(many_calls_at_once)
{
    int n = 0;
    struct group g;
    group_init(&g);
    for (int i = 0; i < 50; i++) CHECK_OK(group_go(&g, "caller", call_often, &n));
    CHECK_OK(group_wait(&g));
    CHECK_INT(n, 5000);
}

struct posted {
    int seen[1000];
    int n;
    struct completion done;
};
struct post_one {
    struct posted *p;
    int i;
};

static void arrive(void *arg)
{
    struct post_one *o = arg;
    o->p->seen[o->p->n++] = o->i;
    if (o->p->n == 1000) completion_signal(&o->p->done);
}

TEST(posts_keep_their_order)
{
    static struct posted p;
    static struct post_one one[1000];
    memset(&p, 0, sizeof p);
    completion_init(&p.done);
    for (int i = 0; i < 1000; i++) {
        one[i] = (struct post_one){&p, i};
        rt_post(1, arrive, &one[i]);
    }
    completion_wait(&p.done);
    for (int i = 0; i < 1000; i++) CHECK_INT(p.seen[i], i);
}

/* ---- offload and workers ---- */

static int blocking_work(void *arg)
{
    CHECK(!fiber_current());
    CHECK_INT(rt_loop_id(), -1);
    usleep(1000);
    return *(int *)arg + 1;
}

static void offload_some(void *arg)
{
    int *n = arg;
    for (int i = 0; i < 5; i++) *n = offload(blocking_work, n);
}

TEST(offload_returns_values)
{
    int n[10] = {0};
    struct group g;
    group_init(&g);
    for (int i = 0; i < 10; i++) CHECK_OK(group_go(&g, "offload", offload_some, &n[i]));
    group_cancel(&g); /* does not cut it short */
    CHECK_OK(group_wait(&g));
    for (int i = 0; i < 10; i++) CHECK_INT(n[i], 5);
}

static int fail_there(void *arg)
{
    (void)arg;
    return err_set(ERR_QUOTA, "on loop %d there was no room", rt_loop_id());
}

TEST(a_sentence_comes_back_from_elsewhere)
{
    CHECK_ERR(offload(fail_there, NULL), ERR_QUOTA);
    CHECK_SL(sl_cstr(err_text(ERR_QUOTA)), "on loop -1 there was no room");
    CHECK_ERR(rt_call(1, fail_there, NULL), ERR_QUOTA);
    CHECK_SL(sl_cstr(err_text(ERR_QUOTA)), "on loop 1 there was no room");
}

struct sum {
    struct job job;
    int value, group;
};
struct summer {
    int total, groups, biggest, handled;
    bool in_order;
    int last;
};

static void add_up(void *ctx, struct job *jobs)
{
    struct summer *s = ctx;
    int n = 0;
    s->groups++;
    for (struct job *j = jobs; j; j = j->next, n++) {
        struct sum *x = CONTAINER_OF(j, struct sum, job);
        if (x->value < s->last) s->in_order = false;
        s->last = x->value;
        s->total += x->value;
        x->group = s->groups;
    }
    s->handled += n;
    if (n > s->biggest) s->biggest = n;
    usleep(500);
}

struct user {
    struct worker *w;
    int value;
};

static void use_worker(void *arg)
{
    struct user *u = arg;
    struct sum x = {.value = u->value};
    worker_do(u->w, &x.job);
    CHECK(x.group > 0);
}

static int use_worker_there(void *arg)
{
    use_worker(arg);
    return 0;
}

TEST(a_worker_gathers_groups)
{
    struct summer s = {.in_order = true, .last = -1};
    struct worker *w;
    static struct user u[200];
    struct group g;
    CHECK_OK(worker_new(&w, "adder", 64, add_up, &s));
    group_init(&g);
    for (int i = 0; i < 200; i++) {
        u[i] = (struct user){w, i};
        CHECK_OK(group_go(&g, "user", use_worker, &u[i]));
    }
    CHECK_OK(group_wait(&g));
    CHECK_INT(s.handled, 200);
    CHECK_INT(s.total, 199 * 200 / 2);
    CHECK(s.in_order);
    CHECK(s.groups < 20);
    CHECK(s.biggest <= 64);
    s.last = -1;
    CHECK_OK(rt_call(1, use_worker_there, &u[7]));
    CHECK_INT(s.handled, 201);
    worker_free(&w);
    CHECK(w == NULL);
}

struct queue_of_jobs {
    struct worker *w;
    char groups[64]; /* s and L for each, a blank between groups */
    int begun, go;
};
struct one_job {
    struct job job;
    struct queue_of_jobs *q;
};

static void write_groups(void *ctx, struct job *jobs)
{
    struct queue_of_jobs *q = ctx;
    size_t n = strlen(q->groups);
    __atomic_store_n(&q->begun, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&q->go, __ATOMIC_ACQUIRE)) usleep(100);
    for (struct job *j = jobs; j; j = j->next) q->groups[n++] = j->large ? 'L' : 's';
    q->groups[n] = ' ';
}

static void do_one(void *arg)
{
    struct one_job *x = arg;
    worker_do(x->q->w, &x->job);
}

/* While the first is in hand the others come, and wait together. */
TEST(a_worker_does_large_jobs_by_themselves_behind_the_others)
{
    struct queue_of_jobs q = {0};
    struct one_job x[6];
    struct group g;
    CHECK_OK(worker_new(&q.w, "queue", 64, write_groups, &q));
    group_init(&g);
    for (int i = 0; i < 6; i++) {
        x[i] = (struct one_job){.job.large = i == 1 || i == 3, .q = &q};
        CHECK_OK(group_go(&g, "job", do_one, &x[i]));
        do CHECK_OK(fiber_sleep(RT_MS));
        while (!__atomic_load_n(&q.begun, __ATOMIC_ACQUIRE));
    }
    __atomic_store_n(&q.go, 1, __ATOMIC_RELEASE);
    CHECK_OK(group_wait(&g));
    worker_free(&q.w);
    CHECK_SL(sl_cstr(q.groups), "s sss L L ");
}

static void use_worker_often(void *arg)
{
    for (int i = 0; i < 40; i++) use_worker(arg);
}

static int use_worker_often_there(void *arg)
{
    use_worker_often(arg);
    return 0;
}

/* Sessions that come back again and again, from two loops: groups keep their size while a few of them
 * end, and the end comes for all. */
TEST(a_worker_waits_for_company_under_load)
{
    struct summer s = {0};
    struct worker *w;
    struct user u = {.value = 1};
    struct group g;
    CHECK_OK(worker_new(&w, "adder", 64, add_up, &s));
    u.w = w;
    group_init(&g);
    for (int i = 0; i < 24; i++) CHECK_OK(group_go(&g, "user", use_worker_often, &u));
    CHECK_OK(rt_call(1, use_worker_often_there, &u));
    CHECK_OK(group_wait(&g));
    CHECK_INT(s.handled, 25 * 40);
    CHECK(s.biggest >= 12);
    CHECK(s.groups < 25 * 40 / 4);
    worker_free(&w);
}

struct plain_user {
    struct worker *w;
};

static int from_a_thread(void *arg)
{
    struct user u = {((struct plain_user *)arg)->w, 5};
    use_worker(&u);
    return 0;
}

TEST(a_plain_thread_may_use_a_worker)
{
    struct summer s = {0};
    struct plain_user p;
    CHECK_OK(worker_new(&p.w, "adder", 8, add_up, &s));
    for (int i = 0; i < 5; i++) CHECK_OK(offload(from_a_thread, &p));
    worker_free(&p.w);
    CHECK_INT(s.handled, 5);
    CHECK_INT(s.total, 25);
}

static struct lock shared_lock = LOCK_INIT;

static int count_locked(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        lock_take(&shared_lock);
        ++*(int *)arg;
        lock_release(&shared_lock);
    }
    return 0;
}

static void offload_count(void *arg) { CHECK_OK(offload(count_locked, arg)); }

TEST(locks_exclude_threads)
{
    int n = 0;
    struct group g;
    group_init(&g);
    for (int i = 0; i < 4; i++) CHECK_OK(group_go(&g, "count", offload_count, &n));
    CHECK_OK(count_locked(&n));
    CHECK_OK(group_wait(&g));
    CHECK_INT(n, 100000);
    CHECK_INT(locks_held(), 0);
}

TEST(signals_arrive)
{
    kill(getpid(), SIGHUP);
    CHECK_INT(rt_wait_signal(), SIGHUP);
    int64_t before = deadline_narrow(DEADLINE_IN(2 * RT_MS));
    CHECK_ERR(rt_wait_signal(), ERR_TIMEOUT);
    deadline_restore(before);
}
