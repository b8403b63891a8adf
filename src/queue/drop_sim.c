/* drop_sim.c - letters are thrown away while they are accepted, tried, put off and recorded: each ends once,
 * as delivered or as dropped, and nothing of it is left. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "own_test.h"
#include "queue_i.h"
#include "sim/power.h"
#include "sim/sim.h"

enum { LETTERS = 120, RCPTS = 3 };

struct world {
    struct sim *sim;
    struct sim_node *node;
    struct store *store;
    struct queue *queue;
    struct own_way way;
    struct letter_id id[LETTERS];
    int taken[LETTERS][RCPTS], accepted, dropped;
    bool over;
    uint64_t left;
};

static void relay(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    for (size_t i = 0; i < at->nrcpt; i++) {
        at->rcpt[i].result = ATTEMPT_TEMPORARY;
        at->rcpt[i].reply = SL("nobody answers");
    }
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    if (fiber_sleep((int64_t)rt_random_below(400 * RT_MS)) != 0) return;
    for (size_t i = 0; i < at->nrcpt; i++) {
        unsigned n = 0, k = 0;
        struct attempt_rcpt *r = &at->rcpt[i];
        bool later = rt_random_below(3) == 0;
        r->result = later ? ATTEMPT_TEMPORARY : ATTEMPT_DELIVERED;
        r->code = later ? 450 : 250;
        r->reply = later ? SL("450 4.2.1 later") : SL("250 ok");
        if (!later && sscanf(ar_cstr(at->a, r->address), "u%u-%u@", &n, &k) == 2 && n < LETTERS && k < RCPTS)
            w->taken[n][k]++;
    }
}

static int open_all(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    w->way = (struct own_way){&w->store, &w->queue};
    struct queue_conf c = own_way_queue(&w->way, 4);
    c.retry_first_s = 1, c.retry_most_s = 2;
    int e = kv_mem_open(&kv, NULL);
    if (!e) e = body_open(&b, "body", 1 << 20);
    if (!e) e = store_open(&w->store, kv, b);
    if (!e) e = queue_open(&w->queue, w->store, &c);
    return e ? e : queue_start(w->queue, relay, w);
}

static int submit(struct world *w, int n)
{
    char to[RCPTS][40];
    struct letter_rcpt r[RCPTS] = {0};
    struct letter l = {.sender = SL("s@one.test"),
                       .rcpt = r,
                       .nrcpt = 1 + rt_random_below(RCPTS),
                       .head_size = 14,
                       .received = rt_wall_seconds()};
    for (int i = 0; i < RCPTS; i++) {
        snprintf(to[i], sizeof to[i], "u%d-%d@%c.test", n, i, (char)('a' + rt_random_below(3)));
        r[i].address = r[i].route.address = sl_cstr(to[i]);
    }
    letter_id_new(&l.id);
    w->id[n] = l.id; /* it may be thrown away before it is accepted */
    int e = body_put(w->store->body, BODY_QUEUE, SL("Subject: s\r\n\r\nbody\r\n"), SL(""), &l.body);
    if (!e) e = accept_letter(w->queue, &l);
    w->accepted = n + 1;
    return e;
}

/* One letter, or all that fit: those too of which nothing is known yet. */
static void thrower(void *arg)
{
    struct world *w = arg;
    while (!w->over && fiber_sleep((int64_t)rt_random_below(60 * RT_MS)) == 0) {
        int n = (int)rt_random_below((uint64_t)w->accepted + 1);
        size_t all = 0;
        int e = 0;
        if (rt_random_below(20) == 0)
            e = queue_act_all(w->queue, &(struct queue_filter){.domain = SL("a.test")}, QUEUE_DROP, &all);
        else if (n < LETTERS && w->id[n].s[0]) e = queue_act(w->queue, &w->id[n], QUEUE_DROP), all = !e;
        w->dropped += (int)all;
        if (e && e != ERR_NOT_FOUND) test_fail(__FILE__, __LINE__, "a drop fails: %s", err_text(e));
    }
}

static void bad_row(void *arg, const char *sentence)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "%s", sentence);
}

static int life(void *arg)
{
    struct world *w = arg;
    struct queue_stats st = {0};
    struct group g;
    group_init(&g);
    int e = open_all(w);
    for (int i = 0; !e && i < 3; i++) e = group_go(&g, "thrower", thrower, w);
    for (int i = 0; !e && i < LETTERS; i++) {
        e = submit(w, i);
        if (!e) e = fiber_sleep((int64_t)rt_random_below(50 * RT_MS));
    }
    w->over = true;
    group_wait(&g);
    if (!e) e = fiber_sleep(600 * RT_S);
    if (!e) e = queue_stats(w->queue, &st);
    w->left = st.letters + st.recipients + st.due + st.sending;
    if (!e) e = queue_verify(w->queue, w->store, bad_row, NULL);
    queue_close(&w->queue);
    store_close(&w->store);
    return e;
}

static void run(uint64_t seed)
{
    struct world w = {.sim = sim_new(seed)};
    int twice = 0;
    w.node = sim_node(w.sim, "one.test", "192.0.2.1");
    sim_node_start(w.node, life, &w);
    sim_run(w.sim, RT_NEVER);
    CHECK_INT(sim_node_result(w.node), 0);
    CHECK_INT(w.left, 0);
    CHECK(w.dropped > 10);
    for (int i = 0; i < LETTERS; i++)
        for (int k = 0; k < RCPTS; k++) twice += w.taken[i][k] > 1;
    CHECK_INT(twice, 0);
    sim_free(&w.sim);
}

TEST(letters_thrown_away_at_any_moment_leave_nothing)
{
    for (uint64_t seed = 1; seed <= power_seeds(4); seed++) run(seed);
}
