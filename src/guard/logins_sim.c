/* logins_sim.c - many logins at once: who may begin, who waits, who is next. */
#include "guard_sim.h"

#include <stdio.h>

#include "base/log.h"

enum { OFFICE = GUARD_STRANGERS, DERIVING = 30 };

struct crowd {
    struct guard *g;
    int64_t takes;             /* to prove one */
    size_t in, wrong, refused; /* what came of them */
    size_t most, now;          /* under way at the same time */
};
struct person {
    struct crowd *crowd;
    struct guard_visit v;
    char user[20];
    bool right;
};

static int derive(void *arg)
{
    struct person *p = arg;
    struct crowd *c = p->crowd;
    if (++c->now > c->most) c->most = c->now;
    CHECK_OK(fiber_sleep(c->takes));
    c->now--;
    return p->right ? 0 : err_set(ERR_DENIED, "wrong password");
}

/* Who guesses goes on until shut out. */
static void log_in(void *arg)
{
    struct person *p = arg;
    int e;
    do {
        e = guard_prove(&p->v, sl_cstr(p->user), derive, p);
        if (e == ERR_DENIED) CHECK_SL(sl_cstr(err_text(e)), "wrong password");
        p->crowd->in += e == 0, p->crowd->wrong += e == ERR_DENIED, p->crowd->refused += e == ERR_BUSY;
    } while (e == ERR_DENIED);
}

static void enter(struct person *p, struct crowd *c, const char *address, const char *user, bool is_right)
{
    struct ip ip = at(address);
    *p = (struct person){.crowd = c, .right = is_right};
    snprintf(p->user, sizeof p->user, "%s", user);
    CHECK_OK(guard_enter(c->g, &p->v, &ip, GUARD_USERS));
}

static void all_at_once(struct person *p, size_t n)
{
    struct group all;
    group_init(&all);
    for (size_t i = 0; i < n; i++) CHECK_OK(group_go(&all, "person", log_in, &p[i]));
    CHECK_OK(group_wait(&all));
    for (size_t i = 0; i < n; i++) guard_leave(&p[i].v);
    CHECK_INT(p->crowd->g->lines.count, 0);
}

/* An office where all log in at once for the first time; then one man with fifty programs, twice. */
static int right_at_once(void *arg)
{
    struct guard_block block[4];
    struct person p[OFFICE];
    (void)arg;
    for (int round = 0; round < 3; round++) {
        struct crowd c = {.g = make(100, 100), .takes = DERIVING * RT_MS};
        char user[20];
        for (int i = 0; i < OFFICE; i++) {
            snprintf(user, sizeof user, "u%d@x.test", round ? 0 : i);
            enter(&p[i], &c, "192.0.2.1", user, true);
        }
        if (round == 2) CHECK_OK(right(&p[0].v, "u0@x.test")); /* the network is known */
        all_at_once(p, OFFICE);
        CHECK_INT(c.in, OFFICE);
        CHECK_INT(guard_blocks(c.g, block, 4), 0);
        guard_close(&c.g);
    }
    return 0;
}

TEST(fifty_right_logins_at_once_get_in) { in_world(right_at_once, NULL); }

static int wrong_at_once(void *arg)
{
    static struct person p[8 * OFFICE];
    struct guard_block block[10];
    char address[20];
    (void)arg;
    log_set_level(LOG_ERROR);
    for (int networks = 1; networks <= 8; networks += 7) { /* from one network, and 400 sessions from eight */
        struct crowd c = {.g = make(1000, 100), .takes = DERIVING * RT_MS};
        for (int i = 0; i < networks * OFFICE; i++) {
            snprintf(address, sizeof address, "192.0.%d.1", i % networks);
            enter(&p[i], &c, address, "alice@x.test", false);
        }
        all_at_once(p, (size_t)networks * OFFICE);
        size_t most = networks == 1 ? GUARD_LOGINS_MAX + 1 : GUARD_LOGINS_ACCOUNT + 1;
        CHECK_INT(c.in, 0);
        CHECK(c.most <= most);
        CHECK(c.wrong >= most && c.wrong <= most + 3); /* some faded while answers waited */
        CHECK_INT(c.refused, (size_t)networks * OFFICE);
        CHECK(guard_blocks(c.g, block, 10) >= 1);
        guard_close(&c.g);
    }
    return 0;
}

TEST(guesses_at_once_are_no_more_than_one_after_another) { in_world(wrong_at_once, NULL); }

/* Those who mistype theirs shut out none of those who know it, as long as they are too few for that. */
static int mixed_at_once(void *arg)
{
    struct crowd c = {.g = make(100, 100), .takes = DERIVING * RT_MS};
    struct person p[OFFICE];
    char user[20];
    (void)arg;
    log_set_level(LOG_ERROR);
    for (int i = 0; i < OFFICE; i++) {
        snprintf(user, sizeof user, "u%d@x.test", i);
        enter(&p[i], &c, "192.0.2.1", user, i % 10 != 0);
    }
    all_at_once(p, OFFICE); /* five guess until the network is shut out */
    CHECK_INT(c.in, OFFICE - 5);
    CHECK(c.wrong > GUARD_LOGINS_MAX && c.wrong <= GUARD_LOGINS_MAX + 5);
    CHECK_INT(c.refused, 5);
    guard_close(&c.g);
    return 0;
}

TEST(right_logins_among_guesses_get_in) { in_world(mixed_at_once, NULL); }

/* More come from one network than may be under way, and each comes again when it is through: who came first
 * begins first. */
enum { QUEUE = 60, ROUNDS = 3 };

struct queue {
    struct guard *g;
    size_t order[QUEUE * ROUNDS], begun, came;
};
struct in_queue {
    struct guard_visit v;
    struct queue *q;
    size_t number;
};

static int take_turn(void *arg)
{
    struct in_queue *x = arg;
    x->q->order[x->q->begun++] = x->number;
    CHECK_OK(fiber_sleep((200 + (int64_t)(x->number * 37 % 50)) * RT_MS));
    return 0;
}

static void queue_up(void *arg)
{
    struct in_queue *x = arg;
    char user[20];
    for (int i = 0; i < ROUNDS; i++) {
        x->number = x->q->came++;
        snprintf(user, sizeof user, "u%zu@x.test", x->number); /* whom the network is not known for */
        CHECK_OK(guard_prove(&x->v, sl_cstr(user), take_turn, x));
    }
}

static int in_order(void *arg)
{
    static struct queue q;
    static struct in_queue x[QUEUE];
    struct group all;
    struct ip ip = at("192.0.2.1");
    (void)arg;
    q = (struct queue){.g = make(1000, 100)};
    group_init(&all);
    for (size_t i = 0; i < QUEUE; i++) {
        x[i] = (struct in_queue){.q = &q, .v = {.g = q.g, .ip = ip, .door = GUARD_USERS}};
        CHECK_OK(group_go(&all, "try", queue_up, &x[i]));
        CHECK_OK(fiber_sleep(RT_MS));
    }
    CHECK(q.begun < QUEUE);
    CHECK_OK(group_wait(&all));
    CHECK_INT(q.begun, QUEUE * ROUNDS);
    for (size_t i = 0; i < q.begun; i++) CHECK_INT(q.order[i], i);
    CHECK_INT(q.g->lines.count, 0);
    guard_close(&q.g);
    return 0;
}

TEST(who_waits_longest_for_a_login_is_next) { in_world(in_order, NULL); }

/* The account of one is full; others of his network do not wait behind him. */
static int beside(void *arg)
{
    struct guard *g = make(1000, 1000);
    struct guard_try busy[GUARD_LOGINS_ACCOUNT + 1], other;
    struct guard_visit v[GUARD_LOGINS_ACCOUNT + 1], me;
    char address[20];
    struct crowd c = {.g = g, .takes = RT_MS};
    struct person p;
    struct group all;
    (void)arg;
    for (size_t i = 0; i < COUNT_OF(busy); i++) {
        snprintf(address, sizeof address, "192.0.%zu.1", i);
        struct ip ip = at(address);
        CHECK_OK(guard_enter(g, &v[i], &ip, GUARD_USERS));
        CHECK_OK(try_begin(&busy[i], &v[i], SL("alice@x.test")));
    }
    enter(&p, &c, "203.0.113.1", "alice@x.test", true);
    group_init(&all);
    CHECK_OK(group_go(&all, "person", log_in, &p));
    CHECK_OK(fiber_sleep(RT_S));
    CHECK_INT(c.in, 0); /* waits for her account */
    struct ip ip = at("203.0.113.1");
    int64_t began = rt_now();
    CHECK_OK(guard_enter(g, &me, &ip, GUARD_USERS));
    CHECK_OK(try_begin(&other, &me, SL("bob@x.test")));
    CHECK_INT(rt_now() - began, 0);
    CHECK_INT(try_end(&other, 0), 0);
    CHECK_INT(try_end(&busy[0], 0), 0);
    CHECK_OK(group_wait(&all));
    CHECK_INT(c.in, 1);
    CHECK(rt_now() - began < RT_S / 10); /* woken by that end */
    for (size_t i = 1; i < COUNT_OF(busy); i++) CHECK_INT(try_end(&busy[i], 0), 0);
    for (size_t i = 0; i < COUNT_OF(busy); i++) guard_leave(&v[i]);
    guard_leave(&p.v), guard_leave(&me);
    CHECK_INT(g->lines.count, 0);
    guard_close(&g);
    return 0;
}

TEST(who_waits_for_an_account_holds_up_nobody_else) { in_world(beside, NULL); }

/* A directory elsewhere that does not answer. */
static int in_vain(void *arg)
{
    struct crowd c = {.g = make(100, 100), .takes = 3 * GUARD_WAIT};
    struct person p[OFFICE];
    struct guard_block block[4];
    int64_t began = rt_now();
    (void)arg;
    for (int i = 0; i < OFFICE; i++) enter(&p[i], &c, "192.0.2.1", "alice@x.test", true);
    all_at_once(p, OFFICE);
    CHECK_INT(c.in, GUARD_LOGINS_MAX + 1);
    CHECK_INT(c.refused, OFFICE - GUARD_LOGINS_MAX - 1);
    CHECK(rt_now() - began < 3 * GUARD_WAIT + RT_S);
    CHECK_INT(guard_blocks(c.g, block, 4), 0);
    guard_close(&c.g);
    return 0;
}

TEST(a_login_waits_for_others_but_not_for_ever) { in_world(in_vain, NULL); }
