/* refill_sim.c - what waits on the disk for its hop or sender, over virtual time: no letter that somebody
 * waits for stands behind bulk there, and a place that cannot be read keeps back what lies in it, nothing
 * else. */
#include <stdio.h>

#include "base/test.h"
#include "kv/unreadable_test.h"
#include "own_test.h"
#include "ready.h"
#include "sim/sim.h"

enum { WAITED_FOR = 12, SHARDS = 4 };
struct world {
    struct sim *sim;
    struct store *store;
    struct queue *queue;
    struct own_way way;
    int domains, each;   /* letters in bulk */
    int64_t back, takes; /* when the sites answer first; how long each letter lasts then */
    int64_t sent_at;     /* from then on one that is waited for every 90 s */
    int64_t sent[WAITED_FOR], begun[WAITED_FOR];
    size_t room;    /* in memory; 0: as it is */
    size_t damaged; /* the number of the first row of the first shard that cannot be read; 0: none */
    size_t rows;    /* how many cannot */
    int64_t mended, until;
    int seed, taken, taken_when_mended;
    int64_t begun_last, gap; /* the longest time in which nothing began, while something was left */
    uint64_t left;
};

/* ---- the other side ---- */

static void relay(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].result = ATTEMPT_TEMPORARY;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    if (rt_now() < w->back) {
        (void)fiber_sleep(RT_S);
        return;
    }
    struct slice to = at->rcpt[0].address;
    if (w->begun_last && rt_now() - w->begun_last > w->gap) w->gap = rt_now() - w->begun_last;
    w->begun_last = rt_now();
    if (sl_starts(to, SL("wait"))) w->begun[to.p[4] - 'a'] = rt_now();
    if (fiber_sleep(w->takes) != 0) return;
    for (size_t i = 0; i < at->nrcpt; i++) {
        at->rcpt[i].result = ATTEMPT_DELIVERED;
        at->rcpt[i].code = 250;
        at->rcpt[i].reply = SL("250 ok");
        at->rcpt[i].host = SL("mx.test");
        w->taken++;
    }
}

static int submit(struct world *w, const char *to, enum stream s)
{
    struct letter_rcpt r = {.address = sl_cstr(to), .route = {.address = sl_cstr(to)}};
    struct letter l = {.sender = SL("sender@s0.test"),
                       .rcpt = &r,
                       .nrcpt = 1,
                       .head_size = 14,
                       .stream = s,
                       .received = rt_wall_seconds()};
    letter_id_new(&l.id);
    int e = body_put(w->store->body, BODY_QUEUE, SL("Subject: s\r\n\r\nbody\r\n"), SL(""), &l.body);
    return e ? e : accept_letter(w->queue, &l);
}

static int send_all(struct world *w)
{
    char to[60];
    int e = 0;
    for (int i = 0; !e && i < w->domains * w->each; i++) {
        snprintf(to, sizeof to, "user@d%d.test", i % w->domains);
        e = submit(w, to, STREAM_BULK);
    }
    if (w->damaged)
        CHECK(unreadable_begin_rows(w->store->kv, w->queue->shard[0].object, 'd', w->damaged, w->rows));
    for (int i = 0; !e && w->sent_at && i < WAITED_FOR; i++) {
        e = fiber_sleep(i ? 90 * RT_S : w->sent_at - rt_now());
        snprintf(to, sizeof to, "wait%c@d0.test", 'a' + i);
        w->sent[i] = rt_now();
        if (!e) e = submit(w, to, STREAM_TRANSACTIONAL);
    }
    return e;
}

static int all(void *arg)
{
    struct world *w = arg;
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct queue_stats st = {0};
    w->way = (struct own_way){&w->store, &w->queue};
    struct queue_conf c = own_way_queue(&w->way, SHARDS);
    int e = kv_mem_open(&kv, NULL);
    if (!e) e = body_open(&b, "body", 1 << 20);
    if (!e) e = store_open(&w->store, kv, b);
    if (!e) e = queue_open(&w->queue, w->store, &c);
    if (!e) e = queue_start(w->queue, relay, w);
    if (!e && w->room) schedule_ready(w->queue->schedule[0])->items_most = w->room;
    if (!e) e = send_all(w);
    if (!e && w->damaged) {
        e = fiber_sleep(w->mended - rt_now());
        w->taken_when_mended = w->taken;
        unreadable_end(w->store->kv);
    }
    if (!e) e = fiber_sleep(w->until - rt_now());
    if (!e) e = queue_stats(w->queue, &st);
    w->left = st.letters;
    queue_close(&w->queue);
    store_close(&w->store);
    return e;
}

static void play(struct world *w)
{
    w->sim = sim_new(w->seed ? (uint64_t)w->seed : 1);
    struct sim_node *n = sim_node(w->sim, "one", "192.0.2.1");
    sim_node_start(n, all, w);
    sim_run(w->sim, RT_NEVER);
    CHECK_INT(sim_node_result(n), 0);
    sim_free(&w->sim);
}

/* Bulk waits on the disk for a site that was down, and then takes few: letters that come meanwhile, before
 * it is back and after. */
TEST(refill_what_is_waited_for_stands_behind_no_bulk)
{
    struct world w = {.domains = 1,
                      .each = 3000,
                      .back = 600 * RT_S,
                      .takes = 60 * RT_S,
                      .sent_at = 400 * RT_S,
                      .until = 4 * 3600 * RT_S};
    play(&w);
    for (int i = 0; i < WAITED_FOR; i++) {
        int64_t since = w.sent[i] > w.back ? w.sent[i] : w.back;
        printf("sent at %lld s, tried at %lld s\n", (long long)(w.sent[i] / RT_S),
               (long long)(w.begun[i] / RT_S));
        CHECK(w.begun[i] && w.begun[i] - since < 600 * RT_S);
    }
}

/* Sites that take all at once: what is left on the disk goes without a pause, the last of it too. */
TEST(refill_the_last_letters_go_at_once)
{
    for (int seed = 1; seed <= 16; seed++) {
        struct world w = {.seed = seed,
                          .domains = 1 + seed % 4,
                          .each = 1000 + 37 * seed,
                          .takes = (1 + seed % 5) * 20 * RT_MS,
                          .until = 600 * RT_S};
        play(&w);
        printf("seed %d: nothing began for %lld ms at most\n", seed, (long long)(w.gap / RT_MS));
        CHECK(w.taken == w.domains * w.each && w.left == 0);
        CHECK(w.gap < 500 * RT_MS);
    }
}

/* A block of the schedule that cannot be read: all letters but those in it go, and these when it can be read
 * again. */
static void beside_damage(size_t damaged, size_t rows)
{
    struct world w = {.domains = 20,
                      .each = 400,
                      .takes = 5 * RT_S,
                      .room = 1500,
                      .damaged = damaged,
                      .rows = rows,
                      .mended = 3 * 3600 * RT_S,
                      .until = 6 * 3600 * RT_S};
    play(&w);
    printf("%d of %d letters were taken beside the damage\n", w.taken_when_mended, w.domains * w.each);
    CHECK(w.taken_when_mended >= w.domains * w.each - (int)rows);
    CHECK_INT(w.taken, w.domains * w.each);
    CHECK_INT(w.left, 0);
}

TEST(refill_a_place_that_cannot_be_read_keeps_back_nothing_else)
{
    beside_damage(1200, 1);
    beside_damage(1200, 60);
    beside_damage(600, 400);
}
