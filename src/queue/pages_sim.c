/* pages_sim.c - a letter with many recipients, and the power cut at every step of its coming: it is there for
 * all of them or for none, and what was written of one that is not there is gone. */
#include <stdio.h>

#include "base/test.h"
#include "base/text.h"
#include "own_test.h"
#include "queue_i.h"
#include "sim/power.h"

enum { DOMAINS = 300, CROWD = 550, N = DOMAINS + CROWD, GROUPS = DOMAINS + 2, SHARDS = 2 };

struct world {
    struct power p;
    struct own_way way;
    struct store *store;
    struct queue *queue;
    bool acknowledged;
    unsigned seen[N]; /* deliveries */
    unsigned largest; /* attempt: recipients */
};

static struct slice address_of(size_t i, char room[40])
{
    const char *form = i < DOMAINS ? "r%zu@d%zu.test" : "r%zu@crowd.test";
    return sl(room, (size_t)snprintf(room, 40, form, i, i));
}

static void relay(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    if (at->nrcpt > w->largest) w->largest = (unsigned)at->nrcpt;
    for (size_t i = 0; i < at->nrcpt; i++) {
        uint64_t n = N;
        struct slice a = at->rcpt[i].address;
        CHECK(num_u64(sl_sub(a, 1, sl_chr(a, '@')), N - 1, &n));
        if (n < N) w->seen[n]++;
        at->rcpt[i].result = ATTEMPT_DELIVERED;
        at->rcpt[i].code = 250;
        at->rcpt[i].reply = SL("250 ok");
    }
}

static int open_all(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct queue_conf c = own_way_queue(&w->way, SHARDS);
    w->way = (struct own_way){&w->store, &w->queue};
    w->store = NULL;
    w->queue = NULL;
    int e = kv_mem_open(&kv, "kv.log");
    if (e) return e;
    if ((e = body_open(&b, "body", 1 << 20)) != 0) {
        kv_close(&kv);
        return e;
    }
    e = store_open(&w->store, kv, b);
    return e ? e : queue_open(&w->queue, w->store, &c);
}

static int close_all(struct world *w, int e)
{
    queue_close(&w->queue);
    store_close(&w->store);
    return e;
}

static int submit(struct world *w)
{
    static const char text[] = "Subject: to many\r\n\r\nbody\r\n";
    struct arena a = {0};
    char room[40];
    struct letter l = {
        .sender = SL("sender@six.test"), .nrcpt = N, .head_size = sizeof text - 7, .received = 1000};
    letter_id_new(&l.id);
    l.rcpt = ar_array(&a, struct letter_rcpt, N);
    for (size_t i = 0; i < N; i++) {
        struct slice to = ar_dup(&a, address_of(i, room));
        l.rcpt[i] = (struct letter_rcpt){.address = to, .route = {.address = to}};
    }
    int e = body_put(w->store->body, BODY_QUEUE, sl_cstr(text), SL(""), &l.body);
    if (!e) e = accept_letter(w->queue, &l);
    w->acknowledged |= !e;
    ar_free(&a);
    return e;
}

static int accept_it(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    return close_all(w, e ? e : submit(w));
}

static int a_day(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    if (!e) e = queue_start(w->queue, relay, w);
    if (!e) e = fiber_sleep(86400 * RT_S);
    return close_all(w, e);
}

/* Nothing but counts, and whose the shard is, is left of any letter. */
static void nothing_left(struct world *w, struct arena *a)
{
    struct kv_page page;
    for (int i = 0; i < SHARDS; i++) {
        CHECK_OK(kv_scan(w->store->kv, shard_object(&w->queue->shard[i]), SL(""), SL(""), 1000, a, &page));
        for (size_t k = 0; k < page.n; k++)
            if (!sl_eq(page.row[k].key, SL("_lease/queue"))) CHECK_SL(page.row[k].key, "c");
    }
}

static void complain(void *arg, const char *what)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "verify: %s", what);
}

/* Whatever there is of it, nobody complains: rows that nobody sees yet are known. */
static int look(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    if (!e) e = queue_verify(w->queue, w->store, complain, NULL);
    return close_all(w, e);
}

static int take_stock(void *arg)
{
    struct world *w = arg;
    struct queue_stats st = {0};
    struct arena a = {0};
    int e = open_all(w);
    if (!e) e = queue_start(w->queue, relay, w);
    if (!e) e = fiber_sleep(86400 * RT_S);
    if (!e) e = queue_stats(w->queue, &st);
    CHECK_OK(e);
    CHECK_INT(st.letters + st.recipients, 0);
    if (!e) nothing_left(w, &a);
    ar_free(&a);
    return close_all(w, e);
}

static void check(void *arg)
{
    struct world *w = arg;
    size_t reached = 0;
    for (size_t i = 0; i < N; i++) reached += w->seen[i] > 0;
    CHECK(reached == N || (reached == 0 && !w->acknowledged));
    CHECK(w->largest <= QUEUE_ATTEMPT_RCPTS);
}

static const struct power_test power = {.size = sizeof(struct world),
                                        .work = accept_it,
                                        .again = a_day,
                                        .look = look,
                                        .stock = take_stock,
                                        .check = check,
                                        .sparse = 30,
                                        .least = 12};

TEST(a_letter_to_many_comes_whole_or_not_at_all) { power_cut_everywhere(&power); }

/* In bounded transactions: its rows come in several, and no group has more recipients than a group may have.
 */
static int count_rows(void *arg)
{
    struct world *w = arg;
    struct kv_stats before, after;
    struct arena a = {0};
    struct kv_page page;
    size_t groups = 0;
    int e = open_all(w);
    kv_stats(w->store->kv, &before);
    if (!e) e = submit(w);
    kv_stats(w->store->kv, &after);
    CHECK(after.transactions - before.transactions >= N / 250 + 2);
    for (int i = 0; i < SHARDS; i++) {
        CHECK_OK(kv_scan(w->store->kv, shard_object(&w->queue->shard[i]), SL("d"), SL("e"), 1000, &a, &page));
        groups += page.n;
    }
    CHECK_INT(groups, GROUPS);
    ar_free(&a);
    return close_all(w, e);
}

TEST(a_letter_to_many_is_taken_in_pages)
{
    struct world *w = power_begin(&power, 1);
    power_run(w, count_rows);
    CHECK_INT(sim_node_result(w->p.node), 0);
    CHECK(w->acknowledged);
    power_run(w, a_day);
    for (size_t i = 0; i < N; i++) CHECK_INT(w->seen[i], 1);
    power_end(&power, w);
}

/* Each transaction of its coming runs twice. */
static int run_twice(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    if (e) return close_all(w, e);
    kv_mem_inject(w->store->kv, KV_FAULT_RERUN, 1000);
    return close_all(w, submit(w));
}

/* One of its transactions ends so that nobody knows how: it is refused, or there. */
static int unknown_end(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    if (e) return close_all(w, e);
    kv_mem_inject(w->store->kv, KV_FAULT_UNKNOWN_DONE, 1);
    CHECK(submit(w) != ERR_UNKNOWN); /* the first page: what was written is taken back */
    kv_mem_inject(w->store->kv, KV_FAULT_NONE, 0);
    return close_all(w, 0);
}

TEST(a_letter_to_many_may_be_run_twice)
{
    struct world *w = power_begin(&power, 2);
    power_run(w, run_twice);
    CHECK_INT(sim_node_result(w->p.node), 0);
    power_run(w, a_day);
    for (size_t i = 0; i < N; i++) CHECK_INT(w->seen[i], 1);
    power_end(&power, w);
}

TEST(a_letter_to_many_of_which_a_page_is_in_doubt_is_refused)
{
    struct world *w = power_begin(&power, 3);
    power_run(w, unknown_end);
    CHECK_INT(sim_node_result(w->p.node), 0);
    CHECK(!w->acknowledged);
    power_run(w, a_day);
    for (size_t i = 0; i < N; i++) CHECK_INT(w->seen[i], 0);
    power_end(&power, w);
}

/* ---- thrown away ---- */

struct damaged {
    struct world w;
    struct letter_id id;
    bool thrown; /* the order was carried out */
    uint64_t transactions;
};

static int name_of(void *arg, const struct queue_info *info)
{
    *(struct letter_id *)arg = info->id;
    return 0;
}

static int spoil_envelope(struct kv_tx *tx, void *arg)
{
    struct arena a = {0};
    kv_tx_put(tx, queue_key_envelope(&a, arg), SL("\1x"));
    ar_free(&a);
    return 0;
}

static int comes_damaged(void *arg)
{
    struct damaged *d = arg;
    struct world *w = &d->w;
    int e = open_all(w);
    if (!e) e = submit(w);
    if (!e) e = queue_list(w->queue, &(struct queue_filter){.limit = 1}, name_of, &d->id);
    if (!e)
        e = kv_transact(w->store->kv, shard_object(queue_shard(w->queue, &d->id)), spoil_envelope, &d->id);
    return close_all(w, e);
}

static void make_damaged(void *arg)
{
    power_run(arg, comes_damaged);
    CHECK_INT(sim_node_result(((struct power *)arg)->node), 0);
}

static int throw_it_away(void *arg)
{
    struct damaged *d = arg;
    struct world *w = &d->w;
    struct kv_stats before, after;
    int e = open_all(w);
    if (e) return close_all(w, e);
    kv_stats(w->store->kv, &before);
    e = queue_act(w->queue, &d->id, QUEUE_DROP);
    if (e == ERR_NOT_FOUND && w->p.cuts) e = 0; /* it was done before the power went */
    kv_stats(w->store->kv, &after);
    d->transactions = after.transactions - before.transactions;
    d->thrown |= !e;
    return close_all(w, e);
}

static void count_complaint(void *arg, const char *what)
{
    (void)what;
    ++*(size_t *)arg;
}

static int count_listed(void *arg, const struct queue_info *info)
{
    (void)info;
    ++*(size_t *)arg;
    return 0;
}

/* It is there, damaged, or thrown away: then nobody sees it or complains, though rows of it may be left. */
static int look_for_it(void *arg)
{
    struct damaged *d = arg;
    struct world *w = &d->w;
    struct arena a = {0};
    struct queue_info info;
    size_t complaints = 0, listed = 0;
    int e = open_all(w);
    if (e) return close_all(w, e);
    int found = queue_show(w->queue, &d->id, &a, &info);
    CHECK_OK(queue_verify(w->queue, w->store, count_complaint, &complaints));
    CHECK_OK(queue_list(w->queue, &(struct queue_filter){.limit = 10}, count_listed, &listed));
    CHECK(found == 0 || found == ERR_NOT_FOUND);
    CHECK_INT(listed, found == 0);
    CHECK(found == 0 ? complaints >= 1 && !d->thrown : complaints == 0);
    ar_free(&a);
    return close_all(w, 0);
}

static void check_thrown(void *arg)
{
    struct damaged *d = arg;
    CHECK(d->thrown);
    if (!d->w.p.cuts) CHECK(d->transactions > (N + GROUPS) / 250);
    for (size_t i = 0; i < N; i++) CHECK_INT(d->w.seen[i], 0);
}

/* A letter to many whose envelope is damaged goes in bounded steps, and is nobody's from the first on. */
TEST(a_damaged_letter_to_many_is_thrown_away_in_pages)
{
    power_cut_everywhere(&(struct power_test){.size = sizeof(struct damaged),
                                              .begin = make_damaged,
                                              .work = throw_it_away,
                                              .look = look_for_it,
                                              .stock = take_stock,
                                              .check = check_thrown,
                                              .least = 8});
}
