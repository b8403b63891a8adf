/* ahead_sim.c - what it costs to find on the disk what there was no room for in memory: letters to many
 * domains, of each more than fits, are read a few times each, whatever their order. Over virtual time. */
#include <stdio.h>

#include "base/test.h"
#include "own_test.h"
#include "ready.h"
#include "sim/sim.h"

struct world {
    struct sim *sim;
    struct store *store;
    struct queue *queue;
    struct own_way way;
    int domains, each, senders;
    int slow;           /* so many of the domains take twenty minutes for each letter, */
    enum stream stream; /* with slow ones */
    bool of_all;        /* of all senders; else of those whose other letters none wait for */
    bool mixed;         /* else the letters to one domain come one after another */
    size_t room;        /* in memory */
    int taken;
    int64_t last, last_well; /* last_well: of a domain that is not slow */
    uint64_t looked, left, stalled;
    size_t crowds;
};

static void relay(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].result = ATTEMPT_TEMPORARY;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    bool slow = sl_starts(at->domain, SL("slow"));
    if (fiber_sleep(slow ? 1200 * RT_S : w->slow ? RT_S : 5 * RT_S) != 0) return;
    for (size_t i = 0; i < at->nrcpt; i++) {
        at->rcpt[i].result = ATTEMPT_DELIVERED;
        at->rcpt[i].code = 250;
        at->rcpt[i].reply = SL("250 ok");
        at->rcpt[i].host = SL("mx.test");
        w->taken++;
        w->last = rt_now();
        if (!slow) w->last_well = rt_now();
    }
    size_t crowds = 0;
    LIST_EACH(struct crowd, c, &schedule_ready(w->queue->schedule[0])->crowds, link) crowds++;
    if (crowds > w->crowds) w->crowds = crowds;
}

static int submit(struct world *w, int domain)
{
    char to[40], from[40];
    snprintf(to, sizeof to, "user@%s%d.test", domain < w->slow ? "slow" : "d", domain);
    int sender = domain >= w->slow && w->slow && !w->of_all ? w->senders : domain % w->senders;
    snprintf(from, sizeof from, "sender@s%d.test", sender);
    struct letter_rcpt r = {.address = sl_cstr(to), .route = {.address = sl_cstr(to)}};
    struct letter l = {.sender = sl_cstr(from),
                       .rcpt = &r,
                       .nrcpt = 1,
                       .head_size = 14,
                       .stream = w->slow ? w->stream : STREAM_TRANSACTIONAL,
                       .received = rt_wall_seconds()};
    letter_id_new(&l.id);
    int e = body_put(w->store->body, BODY_QUEUE, SL("Subject: s\r\n\r\nbody\r\n"), SL(""), &l.body);
    return e ? e : accept_letter(w->queue, &l);
}

static int all(void *arg)
{
    struct world *w = arg;
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct queue_stats st = {0};
    w->way = (struct own_way){&w->store, &w->queue};
    struct queue_conf c = own_way_queue(&w->way, 4);
    int e = kv_mem_open(&kv, NULL);
    if (!e) e = body_open(&b, "body", 1 << 20);
    if (!e) e = store_open(&w->store, kv, b);
    if (!e) e = queue_open(&w->queue, w->store, &c);
    if (!e) e = queue_start(w->queue, relay, w);
    if (!e) schedule_ready(w->queue->schedule[0])->items_most = w->room;
    for (int i = 0; !e && i < w->domains * w->each; i++)
        e = submit(w, w->mixed ? i % w->domains : i / w->each);
    while (!e && w->taken < w->domains * w->each && rt_now() < 48 * 3600 * RT_S) e = fiber_sleep(60 * RT_S);
    if (!e) e = queue_stats(w->queue, &st);
    w->left = st.letters;
    w->stalled = st.stalled;
    w->looked = schedule_ready(w->queue->schedule[0])->looked;
    queue_close(&w->queue);
    store_close(&w->store);
    return e;
}

/* How many rows are looked at for a letter. */
static double rows_a_letter(struct world *w)
{
    w->sim = sim_new(1);
    struct sim_node *n = sim_node(w->sim, "one", "192.0.2.1");
    sim_node_start(n, all, w);
    sim_run(w->sim, RT_NEVER);
    CHECK_INT(sim_node_result(n), 0);
    CHECK_INT(w->left, 0);
    CHECK_INT(w->stalled, 0);
    CHECK_INT(w->taken, w->domains * w->each);
    double rows = (double)w->looked / (w->domains * w->each);
    printf("%d domains, %d letters each, %s, %d senders: %.1f rows looked at for a letter, %zu crowds, all "
           "after %lld s\n",
           w->domains, w->each, w->mixed ? "mixed" : "one after another", w->senders, rows, w->crowds,
           (long long)(w->last / RT_S));
    sim_free(&w->sim);
    return rows;
}

/* Of a queue as long as you like: more letters to more domains cost no more for each. */
static void few_rows(struct world w) { CHECK(rows_a_letter(&w) < 4); }

TEST(ahead_domains_one_after_another)
{
    few_rows((struct world){.domains = 100, .each = 160, .senders = 10, .room = 1500});
    few_rows((struct world){.domains = 200, .each = 160, .senders = 40, .room = 1500});
}

TEST(ahead_domains_mixed)
{
    few_rows((struct world){.domains = 12, .each = 1000, .senders = 10, .room = 1500, .mixed = true});
}

TEST(ahead_one_sender) { few_rows((struct world){.domains = 60, .each = 160, .senders = 1, .room = 1500}); }

/* Four senders in bulk whose letters go to sites that take long, and more of them than memory takes. */
static void beside_slow_ones(bool of_all, enum stream stream)
{
    struct world w = {.domains = 90, .each = 40, .senders = 4, .room = 1500, .slow = 60};
    w.of_all = of_all, w.stream = stream;
    (void)rows_a_letter(&w);
    printf("the others were there after %lld s\n", (long long)(w.last_well / RT_S));
    CHECK(w.last_well < 600 * RT_S);
}

TEST(ahead_slow_senders_leave_memory_to_others) { beside_slow_ones(false, STREAM_BULK); }
TEST(ahead_slow_domains_leave_memory_to_the_rest_of_a_sender) { beside_slow_ones(true, STREAM_BULK); }
TEST(ahead_slow_transactional_senders_leave_memory_to_others)
{
    beside_slow_ones(false, STREAM_TRANSACTIONAL);
    beside_slow_ones(true, STREAM_TRANSACTIONAL);
}
