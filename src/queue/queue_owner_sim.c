/* queue_owner_sim.c - the queue has one owner: one that was taken over wakes up late, and neither delivers
 * nor records nor takes anything any more; whose number cannot be read stops nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "own_test.h"
#include "queue_i.h"
#include "sim/sim.h"

struct holder {
    struct world *w;
    struct queue *queue;
    struct own_way way;
    int asked, taken;
};
struct world {
    struct sim *sim;
    struct sim_node *node;
    struct store *store;
    struct holder one, two;
    int taken;
    size_t in_inbox;
    uint64_t left;
    char why[ERR_TEXT_MAX];
};

/* later@ is put off by the first who comes; at slow@ the first who comes is stuck for long. */
static void relay(void *ctx, struct attempt_letter *at)
{
    struct holder *h = ctx;
    struct attempt_rcpt *r = &at->rcpt[0];
    bool first = h == &h->w->one;
    *r = (struct attempt_rcpt){.address = r->address, .result = ATTEMPT_TEMPORARY, .reply = SL("450 later")};
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    h->asked++;
    if (first && sl_starts(r->address, SL("later"))) return;
    if (first && fiber_sleep(3600 * RT_S) != 0) return; /* it has heard that the queue is another's */
    r->result = ATTEMPT_DELIVERED;
    r->code = 250;
    r->reply = SL("250 ok");
    h->taken++;
    h->w->taken++;
}

static int open_queue(struct world *w, struct holder *h)
{
    h->w = w;
    h->way = (struct own_way){&w->store, &h->queue};
    struct queue_conf c = own_way_queue(&h->way, 4);
    return queue_open(&h->queue, w->store, &c);
}

static int open_store(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    int e = kv_mem_open(&kv, "kv.log");
    if (!e) e = body_open(&b, "body", 0);
    if (!e) e = store_open(&w->store, kv, b);
    return e ? e : mailbox_make_defaults(w->store, "acc1");
}

static int submit(struct world *w, struct holder *h, const char *to)
{
    static const struct slice text = SL_INIT("Subject: one\r\n\r\nbody\r\n");
    struct letter_rcpt rcpt = {.address = sl_cstr(to), .route = {.address = sl_cstr(to)}};
    if (sl_starts(rcpt.address, SL("me@"))) rcpt.route.local = true, strcpy(rcpt.route.account, "acc1");
    struct letter l = {
        .sender = SL(""), .rcpt = &rcpt, .nrcpt = 1, .head_size = 16, .received = rt_wall_seconds()};
    letter_id_new(&l.id);
    int e = body_put(w->store->body, BODY_MAIL, text, SL(""), &l.body);
    return e ? e : accept_letter(h->queue, &l);
}

static void count_inbox(struct world *w)
{
    struct arena a = {0};
    struct mailbox box;
    struct message *m;
    CHECK_OK(mailbox_find(w->store, "acc1", SL("INBOX"), &a, &box));
    CHECK_OK(message_list(w->store, (struct mailbox_ref){.account = "acc1", .box = box.id}, 1, 1000, &a, &m,
                          &w->in_inbox));
    ar_free(&a);
}

static int passes_on(void *arg)
{
    struct world *w = arg;
    struct queue_stats st = {0};
    int e = open_store(w);
    if (!e) e = open_queue(w, &w->one);
    if (!e) e = queue_start(w->one.queue, relay, &w->one);
    if (!e) e = submit(w, &w->one, "later@two.test");
    if (!e) e = submit(w, &w->one, "slow@three.test");
    if (!e) e = fiber_sleep(5 * RT_S);
    if (!e) e = open_queue(w, &w->two); /* the first knows nothing of it */
    if (!e) e = queue_start(w->two.queue, relay, &w->two);
    if (!e) e = fiber_sleep(3 * 3600 * RT_S);
    CHECK_OK(e);
    CHECK_ERR(submit(w, &w->one, "new@two.test"), ERR_BUSY);
    snprintf(w->why, sizeof w->why, "%s", err_text(ERR_BUSY));
    CHECK_OK(submit(w, &w->two, "new@two.test"));
    CHECK_OK(submit(w, &w->two, "me@one.test"));
    (void)!fiber_sleep(3600 * RT_S);
    CHECK_OK(queue_stats(w->two.queue, &st));
    w->left = st.letters + st.recipients;
    count_inbox(w);
    queue_close(&w->one.queue);
    queue_close(&w->two.queue);
    store_close(&w->store);
    return e;
}

static void run(struct world *w, uint64_t seed, int (*program)(void *))
{
    *w = (struct world){.sim = sim_new(seed)};
    w->node = sim_node(w->sim, "one.test", "192.0.2.1");
    sim_node_loops(w->node, 2);
    sim_node_start(w->node, program, w);
    sim_run(w->sim, RT_NEVER);
    CHECK_INT(sim_node_result(w->node), 0);
    sim_free(&w->sim);
}

TEST(who_was_taken_over_stops_when_it_wakes_up)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world w;
        run(&w, seed, passes_on);
        CHECK_INT(w.one.asked, 2); /* what it had begun before, and nothing after */
        CHECK_INT(w.one.taken, 0);
        CHECK_INT(w.taken, 3); /* each once */
        CHECK_INT(w.in_inbox, 1);
        CHECK_INT(w.left, 0);
        CHECK(strstr(w.why, "another process has taken over the queue"));
    }
}

static int spoil(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("_lease/queue"), SL("\x07"));
    return 0;
}

static int damaged(void *arg)
{
    struct world *w = arg;
    int e = open_store(w);
    if (!e) e = open_queue(w, &w->one);
    if (!e) e = kv_transact(w->store->kv, SL("_store"), spoil, NULL);
    for (int i = 0; !e && i < 4; i++)
        e = kv_transact(w->store->kv, shard_object(&w->one.queue->shard[i]), spoil, NULL);
    CHECK_OK(e);
    queue_close(&w->one.queue);
    e = open_queue(w, &w->two);
    if (!e) e = queue_start(w->two.queue, relay, &w->two);
    if (!e) e = submit(w, &w->two, "new@two.test");
    if (!e) e = fiber_sleep(60 * RT_S);
    queue_close(&w->two.queue);
    store_close(&w->store);
    return e;
}

TEST(a_number_that_is_damaged_stops_nothing)
{
    struct world w;
    run(&w, 1, damaged);
    CHECK_INT(w.two.taken, 1);
}
