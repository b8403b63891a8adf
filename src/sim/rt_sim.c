/* rt_sim.c - tests of the simulated runtime: the order from the seed, virtual time, what crosses
 * threads elsewhere, power cuts. */
#include <stdlib.h>
#include <time.h>

#include "base/arena.h"
#include "base/test.h"
#include "rt/file.h"
#include "sim.h"

struct world {
    struct sim *sim;
    struct sim_node *node;
    char order[64];
    size_t n;
    int64_t at[8];
    int calls, canceled;
    bool stop;
};

static struct world *world_new(uint64_t seed)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->sim = sim_new(seed);
    w->node = sim_node(w->sim, "one.test", "192.0.2.1,2001:db8::1");
    return w;
}

static void world_free(struct world *w)
{
    sim_free(&w->sim);
    free(w);
}

/* Runs one program to its end. */
static int run(struct world *w, int (*fn)(void *))
{
    sim_node_start(w->node, fn, w);
    sim_run(w->sim, RT_NEVER);
    CHECK(!sim_node_running(w->node));
    return sim_node_result(w->node);
}

/* ---- order ---- */

struct letter {
    struct world *w;
    char c;
};
static void say(void *arg)
{
    struct letter *l = arg;
    for (int i = 0; i < 4; i++) {
        l->w->order[l->w->n++] = l->c;
        fiber_yield();
    }
}
static int choir(void *arg)
{
    struct letter l[4];
    struct group g;
    group_init(&g);
    for (int i = 0; i < 4; i++) {
        l[i] = (struct letter){arg, (char)('a' + i)};
        CHECK_OK(group_go(&g, "say", say, &l[i]));
    }
    return group_wait(&g);
}
static uint64_t sing(uint64_t seed, char order[64])
{
    struct world *w = world_new(seed);
    CHECK_OK(run(w, choir));
    CHECK_INT(w->n, 16);
    memcpy(order, w->order, 64);
    uint64_t d = sim_digest(w->sim);
    world_free(w);
    return d;
}
TEST(same_seed_same_run)
{
    char a[64], b[64];
    int other = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t da = sing(seed, a), db = sing(seed, b);
        CHECK(da == db);
        CHECK(strcmp(a, b) == 0);
        db = sing(seed + 100, b);
        CHECK(da != db);
        other += strcmp(a, b) != 0;
    }
    CHECK(other >= 19);
}

/* ---- time ---- */

static int sleeper(void *arg)
{
    struct world *w = arg;
    w->at[0] = rt_now();
    int64_t wall = rt_wall_seconds();
    for (int i = 0; i < 5 * 24 * 60; i++) {
        int e = fiber_sleep(60 * RT_S);
        if (e) return e;
    }
    w->at[1] = rt_now();
    CHECK_INT(rt_wall_seconds() - wall, 5 * 86400);
    CHECK_INT(time(NULL), rt_wall_seconds());
    return 5;
}
TEST(five_days_pass_at_once)
{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    struct world *w = world_new(1);
    CHECK_INT(run(w, sleeper), 5);
    clock_gettime(CLOCK_MONOTONIC, &b);
    CHECK((w->at[1] - w->at[0]) / RT_S == 5 * 86400);
    CHECK(b.tv_sec - a.tv_sec < 2);
    world_free(w);
    CHECK(time(NULL) >= b.tv_sec); /* the machine's again */
}

static int late(void *arg)
{
    struct world *w = arg;
    struct waitq q;
    waitq_init(&q);
    int64_t from = rt_now(), before = deadline_narrow(DEADLINE_IN(3 * RT_S));
    CHECK_ERR(waitq_wait(&q), ERR_TIMEOUT);
    CHECK_ERR(fiber_sleep(RT_S), ERR_TIMEOUT);
    w->at[0] = rt_now() - from;
    deadline_restore(before);
    CHECK_OK(fiber_sleep(RT_S));
    return 0;
}
TEST(deadlines)
{
    struct world *w = world_new(1);
    CHECK_OK(run(w, late));
    CHECK(w->at[0] >= 3 * RT_S && w->at[0] < 3 * RT_S + RT_MS);
    world_free(w);
}

/* A loop that only looks at the clock comes to its end. */
static int impatient(void *arg)
{
    (void)arg;
    int64_t end = rt_now() + 50 * RT_MS;
    while (rt_now() < end) fiber_yield();
    return 0;
}
TEST(running_takes_time)
{
    struct world *w = world_new(1);
    CHECK_OK(run(w, impatient));
    world_free(w);
}

static int hours(void *arg)
{
    struct world *w = arg;
    while (!fiber_sleep(3600 * RT_S)) w->calls++;
    w->canceled = fiber_canceled();
    return 0;
}
TEST(runs_until_a_time)
{
    struct world *w = world_new(1);
    sim_node_start(w->node, hours, w);
    CHECK_INT(sim_run(w->sim, 10 * 3600 * RT_S + RT_S), 10 * 3600 * RT_S + RT_S);
    CHECK_INT(w->calls, 10);
    CHECK(sim_node_running(w->node));
    sim_kill(w->node);
    sim_run(w->sim, RT_NEVER);
    CHECK(!sim_node_running(w->node));
    CHECK_INT(w->calls, 10);
    CHECK(w->canceled);
    world_free(w);
}

static int wall(void *arg)
{
    struct world *w = arg;
    int64_t now = rt_now(), before = rt_wall();
    sim_clock_skew(w->node, -3600 * INT64_C(1000000));
    CHECK_INT(rt_wall() - before, -3600 * INT64_C(1000000));
    CHECK(rt_now() == now);
    return 0;
}
TEST(wall_clock_jumps)
{
    struct world *w = world_new(1);
    CHECK_OK(run(w, wall));
    world_free(w);
}

/* ---- chance ---- */

static int dice(void *arg)
{
    struct world *w = arg;
    int count[6] = {0};
    rt_random(w->order, sizeof w->order);
    for (int i = 0; i < 6000; i++) count[rt_random_below(6)]++;
    for (int i = 0; i < 6; i++) CHECK(count[i] > 850 && count[i] < 1150);
    return 0;
}
TEST(chance_comes_from_the_seed)
{
    char first[2][64];
    for (int i = 0; i < 3; i++) {
        struct world *w = world_new(i < 2 ? 7 : 8);
        CHECK_OK(run(w, dice));
        if (i < 2) memcpy(first[i], w->order, 64);
        else CHECK(memcmp(first[0], w->order, 64) != 0);
        world_free(w);
    }
    CHECK(memcmp(first[0], first[1], 64) == 0);
}

/* ---- threads that are none ---- */

static int slow_thing(void *arg)
{
    struct world *w = arg;
    struct file *f;
    CHECK_INT(rt_loop_id(), -1);
    CHECK_OK(file_open(&f, "slow", FILE_WRITE | FILE_CREATE));
    int before = w->calls;
    for (int i = 0; i < 20; i++) {
        CHECK_OK(file_pwrite(f, "x", 1, (uint64_t)i));
        CHECK_OK(file_sync(f));
    }
    file_close(&f);
    CHECK(w->calls > before); /* others ran meanwhile */
    w->stop = true;
    return 42;
}
static void others(void *arg)
{
    struct world *w = arg;
    while (!w->stop) {
        w->calls++;
        if (fiber_sleep(RT_MS)) return;
    }
}
static int offloads(void *arg)
{
    struct world *w = arg;
    struct group g;
    group_init(&g);
    CHECK_INT(rt_loop_id(), 0);
    CHECK_INT(rt_loops(), 1);
    CHECK_OK(group_go(&g, "others", others, w));
    int64_t from = rt_now();
    CHECK_INT(offload(slow_thing, w), 42);
    CHECK(rt_now() - from > RT_MS);
    return group_wait(&g);
}
TEST(offload_lets_others_run)
{
    struct world *w = world_new(1);
    CHECK_OK(run(w, offloads));
    world_free(w);
}

/* ---- each kind of work has its threads, each asker its turns ---- */

struct errands {
    struct world *w;
    struct group g;
    enum rt_pool pool;
    uint64_t asker;
    int64_t done; /* when the last one was */
};
static int derive(void *arg)
{
    (void)arg;
    rt_pause(30 * RT_MS); /* of the processor */
    return 0;
}
static int glance(void *arg)
{
    (void)arg;
    rt_pause(RT_MS);
    return 0;
}
static void one_errand(void *arg)
{
    struct errands *e = arg;
    CHECK_OK(offload_for(e->pool, e->asker,
                         e->pool == POOL_PASSWORD || e->pool == POOL_CARE ? derive : glance, NULL));
    e->done = rt_now();
}
static int guessers_and_others(void *arg)
{
    enum { GUESSES = 400 };
    struct errands stranger = {.pool = POOL_PASSWORD, .asker = 7}, user = {.pool = POOL_PASSWORD, .asker = 8},
                   care = {.pool = POOL_CARE}, other[] = {{.pool = POOL_DISK}, {.pool = POOL_SIGN}};
    struct group g;
    int64_t from = rt_now();
    (void)arg;
    group_init(&g);
    for (int i = 0; i < GUESSES; i++) {
        CHECK_OK(group_go(&g, "stranger", one_errand, &stranger));
        CHECK_OK(group_go(&g, "care", one_errand, &care));
    }
    CHECK_OK(fiber_sleep(RT_MS));
    CHECK_OK(group_go(&g, "user", one_errand, &user));
    for (size_t i = 0; i < COUNT_OF(other); i++) CHECK_OK(group_go(&g, "other", one_errand, &other[i]));
    CHECK_OK(group_wait(&g));
    for (size_t i = 0; i < COUNT_OF(other); i++) CHECK(other[i].done - from < 10 * RT_MS);
    CHECK(user.done - from < 100 * RT_MS); /* behind the one in hand and one more of the stranger's */
    CHECK(stranger.done - from >= GUESSES * 30 * RT_MS);
    return 0;
}
TEST(who_asks_a_lot_waits_behind_its_own)
{
    struct world *w = world_new(1);
    CHECK_OK(run(w, guessers_and_others));
    world_free(w);
}

struct item {
    struct job job;
    int no;
};
struct shop {
    struct world *w;
    struct worker *worker;
    struct file *f;
    int groups, jobs, most, next;
};
static void handle(void *ctx, struct job *jobs)
{
    struct shop *s = ctx;
    int n = 0;
    for (struct job *j = jobs; j; j = j->next) {
        struct item *i = CONTAINER_OF(j, struct item, job);
        n++;
        i->no = ++s->jobs;
        (void)!file_pwrite(s->f, "x", 1, (uint64_t)i->no);
    }
    (void)!file_sync(s->f);
    s->groups++;
    if (n > s->most) s->most = n;
}
static void customer(void *arg)
{
    struct shop *s = arg;
    for (int i = 0; i < 5; i++) {
        struct item x = {0};
        worker_do(s->worker, &x.job);
        CHECK(x.no > 0);
    }
}
static int shopping(void *arg)
{
    struct shop s = {.w = arg};
    struct group g;
    group_init(&g);
    CHECK_OK(file_open(&s.f, "shop", FILE_WRITE | FILE_CREATE));
    CHECK_OK(worker_new(&s.worker, "shop", 8, handle, &s));
    for (int i = 0; i < 20; i++) CHECK_OK(group_go(&g, "customer", customer, &s));
    CHECK_OK(group_wait(&g));
    CHECK_INT(s.jobs, 100);
    CHECK(s.groups < 60); /* jobs gathered while one group was worked on */
    CHECK_INT(s.most, 8);
    worker_free(&s.worker);
    file_close(&s.f);
    return 0;
}
TEST(worker_takes_groups)
{
    struct world *w = world_new(1);
    CHECK_OK(run(w, shopping));
    world_free(w);
}

struct customer {
    struct shop *s;
    bool large;
    int most; /* large jobs done between asking and being served */
};
static void shop_alone(void *ctx, struct job *jobs)
{
    struct shop *s = ctx;
    handle(ctx, jobs);
    for (struct job *j = jobs; j; j = j->next) {
        CHECK(!j->large || (j == jobs && !j->next));
        s->next += j->large;
    }
}
static void ask_often(void *arg)
{
    struct customer *c = arg;
    for (int i = 0; i < 20; i++) {
        struct item x = {.job.large = c->large};
        int before = c->s->next;
        worker_do(c->s->worker, &x.job);
        if (c->s->next - before > c->most) c->most = c->s->next - before;
        fiber_yield();
    }
}
/* Many large jobs and some others: these wait for one large one each time, and all come to their end. */
static int large_shopping(void *arg)
{
    struct shop s = {.w = arg};
    struct customer c[10];
    struct group g;
    group_init(&g);
    CHECK_OK(file_open(&s.f, "shop", FILE_WRITE | FILE_CREATE));
    CHECK_OK(worker_new(&s.worker, "shop", 8, shop_alone, &s));
    for (int i = 0; i < 10; i++) {
        c[i] = (struct customer){.s = &s, .large = i % 3 != 0};
        CHECK_OK(group_go(&g, "customer", ask_often, &c[i]));
    }
    CHECK_OK(group_wait(&g));
    CHECK_INT(s.jobs, 200);
    for (int i = 0; i < 10; i += 3) CHECK(c[i].most <= 2); /* one was in hand, one comes behind the group */
    worker_free(&s.worker);
    file_close(&s.f);
    return 0;
}
TEST(a_worker_does_large_jobs_between_the_others)
{
    struct world *w = world_new(1);
    CHECK_OK(run(w, large_shopping));
    world_free(w);
}

static void posted(void *arg)
{
    struct letter *l = arg;
    l->w->order[l->w->n++] = l->c;
}
static int called(void *arg)
{
    (void)arg;
    CHECK(deadline_get() != RT_NEVER);
    return fiber_sleep(10 * RT_S);
}
static int posts(void *arg)
{
    struct world *w = arg;
    struct letter l[10];
    for (int i = 0; i < 10; i++) {
        l[i] = (struct letter){w, (char)('0' + i)};
        rt_post(0, posted, &l[i]);
    }
    CHECK_OK(fiber_sleep(RT_S));
    CHECK_SL(sl_cstr(w->order), "0123456789");
    int64_t before = deadline_narrow(DEADLINE_IN(RT_S));
    CHECK_ERR(rt_call(0, called, NULL), ERR_TIMEOUT);
    deadline_restore(before);
    return 0;
}
TEST(posts_keep_their_order)
{
    for (uint64_t seed = 1; seed < 10; seed++) {
        struct world *w = world_new(seed);
        CHECK_OK(run(w, posts));
        world_free(w);
    }
}

static int signaled(void *arg)
{
    (void)arg;
    CHECK_INT(rt_wait_signal(), 1);
    CHECK_INT(rt_wait_signal(), 15);
    (void)deadline_narrow(DEADLINE_IN(RT_S));
    return rt_wait_signal();
}
TEST(signals)
{
    struct world *w = world_new(1);
    sim_node_start(w->node, signaled, w);
    sim_run(w->sim, RT_S);
    CHECK(sim_node_running(w->node));
    sim_signal(w->node, 1);
    sim_run(w->sim, 2 * RT_S);
    sim_signal(w->node, 15);
    sim_run(w->sim, RT_NEVER);
    CHECK_ERR(sim_node_result(w->node), ERR_TIMEOUT);
    world_free(w);
}

/* ---- the end of programs ---- */

static void endless(void *arg)
{
    struct world *w = arg;
    while (!fiber_sleep(RT_S)) continue;
    w->canceled++;
}
static int leaves_children(void *arg)
{
    struct world *w = arg;
    static struct group g; /* outlives this function */
    group_init(&g);
    for (int i = 0; i < 5; i++) CHECK_OK(group_go(&g, "endless", endless, w));
    CHECK_OK(fiber_sleep(10 * RT_S));
    return 3;
}
TEST(the_end_of_main_cancels_what_is_left)
{
    struct world *w = world_new(1);
    CHECK_INT(run(w, leaves_children), 3);
    CHECK_INT(w->canceled, 5);
    world_free(w);
}

/* Dies in the middle of a worker's group: nothing has effect afterwards, all unwinds. */
static int dies(void *arg)
{
    struct shop s = {.w = arg};
    struct group g;
    group_init(&g);
    int e = file_open(&s.f, "shop", FILE_WRITE | FILE_CREATE);
    if (e) return e;
    CHECK_OK(worker_new(&s.worker, "shop", 8, handle, &s));
    for (int i = 0; i < 20; i++) CHECK_OK(group_go(&g, "customer", customer, &s));
    e = group_wait(&g);
    CHECK_ERR(path_mkdir("/late"), ERR_CANCELED);
    CHECK_ERR(fiber_sleep(1), ERR_CANCELED);
    worker_free(&s.worker);
    file_close(&s.f);
    s.w->calls++;
    return e;
}
static int looks(void *arg)
{
    struct world *w = arg;
    CHECK(!path_exists("/late"));
    CHECK_INT(w->calls, 1); /* the old run is gone before the new one begins */
    return 9;
}
TEST(power_cut_in_a_worker)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct world *w = world_new(seed);
        sim_kill_at_step(w->node, 1 + seed * 3);
        sim_node_start(w->node, dies, w);
        sim_run(w->sim, RT_NEVER);
        CHECK_INT(w->calls, 1);
        CHECK_INT(sim_steps(w->node), 1 + seed * 3);
        CHECK_INT(run(w, looks), 9);
        world_free(w);
    }
}

static int kills_itself(void *arg)
{
    struct world *w = arg;
    if (w->calls++) return 5;
    sim_kill(w->node);
    sim_node_start(w->node, kills_itself, w); /* boots when this run is gone */
    CHECK_ERR(fiber_sleep(RT_S), ERR_CANCELED);
    CHECK_INT(w->calls, 1);
    return 4;
}
TEST(power_cut_from_within)
{
    struct world *w = world_new(1);
    CHECK_INT(run(w, kills_itself), 5);
    CHECK_INT(w->calls, 2);
    world_free(w);
}

TEST(a_world_may_be_left_while_it_runs)
{
    struct world *w = world_new(1);
    sim_node_start(w->node, hours, w);
    sim_node_start(w->node, hours, w);
    sim_run(w->sim, 100 * 3600 * RT_S);
    world_free(w);
}
