/* warm_sim.c - a new source over virtual days: it sends more each day, less when receivers put it off; what
 * it may not send waits, or leaves from where the pool says; a restart forgets nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "own_test.h"
#include "queue_i.h"
#include "sim/sim.h"

#define DAY (INT64_C(86400) * RT_S)
enum { DAYS = 8 };

struct world {
    struct sim *sim;
    struct sim_node *node;
    struct store *store;
    struct queue *queue;
    struct sources *sources;
    struct own_way way;
    const char *overflow;  /* the pool that takes over, or NULL */
    int a_day, days, grim, /* letters a day; so long; on that day half of what comes is put off, 0: never */
        hated,             /* on that day so many complain as */
        complaints;        /* says */
    int64_t begun;         /* unix days */
    int from_new[DAYS + 1], from_old[DAYS + 1], n;
    enum stream stream;
    char why[400];
};

static void relay(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    struct attempt_rcpt *r = &at->rcpt[0];
    int day = (int)(rt_wall_seconds() / 86400 - w->begun);
    r->result = ATTEMPT_TEMPORARY;
    r->reply = SL("nobody answers");
    if (!attempt_place(at, SL("mx.two.test"), SL("mx.two.test"), FROM_IPV4)) return;
    attempt_asks(at);
    if (day >= 0 && day <= DAYS) (sl_eq(at->from.name, SL("new")) ? w->from_new : w->from_old)[day]++;
    if (fiber_sleep(RT_S) != 0) return;
    bool no = w->grim && day == w->grim && w->n++ % 2;
    r->result = no ? ATTEMPT_TEMPORARY : ATTEMPT_DELIVERED;
    r->code = no ? 421 : 250;
    r->reply = no ? SL("421 4.7.0 too much mail, come back later") : SL("250 ok");
    r->host = SL("mx.two.test [192.0.2.9]:25");
}

static int add(struct world *w, const char *name, const char *pool, const char *ip)
{
    struct source s = {.name = sl_cstr(name), .pool = sl_cstr(pool)};
    CHECK(ip_parse(sl_cstr(ip), &s.ip));
    return source_add(w->sources, &s);
}

static int open_queue(struct world *w)
{
    struct queue_conf c = own_way_queue(&w->way, 4);
    int e = sources_open(&w->sources, w->store->kv);
    c.sources = w->sources;
    c.delay_warning_s = -1; /* reports would use the allowance, too */
    if (!e) e = queue_open(&w->queue, w->store, &c);
    return e ? e : queue_start(w->queue, relay, w);
}

static void close_queue(struct world *w)
{
    queue_close(&w->queue);
    sources_close(&w->sources);
}

static int open_all(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    w->way = (struct own_way){&w->store, &w->queue};
    int e = kv_mem_open(&kv, NULL);
    if (!e) e = body_open(&b, "body", 1 << 20);
    if (!e) e = store_open(&w->store, kv, b);
    if (!e) e = sources_open(&w->sources, kv);
    if (!e) e = add(w, "new", "main", "192.0.2.1");
    if (!e && w->overflow) e = add(w, "old", w->overflow, "192.0.2.2");
    if (!e && w->overflow)
        e = source_set_pool(w->sources,
                            &(struct source_pool){.name = SL(SOURCE_MAIN), .overflow = sl_cstr(w->overflow)});
    if (!e)
        e = source_warm(w->sources, SL("new"),
                        &(struct warm_curve){.first = 50, .growth = 100, .most = 1000});
    sources_close(&w->sources);
    return e ? e : open_queue(w);
}

static int submit(struct world *w, int n, struct letter_id *id)
{
    char to[64];
    snprintf(to, sizeof to, "u%d@two.test", n);
    struct letter_rcpt r = {.address = sl_cstr(to), .route = {.address = sl_cstr(to)}};
    struct letter l = {.sender = SL("s@one.test"),
                       .rcpt = &r,
                       .nrcpt = 1,
                       .head_size = 14,
                       .stream = w->stream,
                       .received = rt_wall_seconds()};
    letter_id_new(&l.id);
    *id = l.id;
    int e = body_put(w->store->body, BODY_QUEUE, SL("Subject: s\r\n\r\nbody\r\n"), SL(""), &l.body);
    return e ? e : accept_letter(w->queue, &l);
}

static int until_midnight(void) { return fiber_sleep((86400 - rt_wall_seconds() % 86400) * RT_S); }

static void ask_why(struct world *w, const struct letter_id *id)
{
    struct arena a = {0};
    struct queue_info info;
    if (queue_show(w->queue, id, &a, &info) == 0 && info.nrcpt)
        snprintf(w->why, sizeof w->why, "%.*s", SLF(info.rcpt[0].why));
    ar_free(&a);
}

static int days(void *arg)
{
    struct world *w = arg;
    struct letter_id id;
    int e = until_midnight();
    w->begun = rt_wall_seconds() / 86400;
    if (!e) e = open_all(w);
    for (int day = 0; !e && day < w->days; day++) {
        for (int i = 0; !e && i < w->a_day; i++) e = submit(w, i, &id);
        if (!e) e = fiber_sleep(DAY / 2);
        for (int i = 0; w->hated && day == w->hated && i < w->complaints; i++)
            source_warm_blame(w->sources, SL("new"), SL("default"));
        ask_why(w, &id);
        if (day == 1 && !e) { /* the server is started anew */
            close_queue(w);
            e = open_queue(w);
        }
        if (!e) e = until_midnight();
    }
    close_queue(w);
    store_close(&w->store);
    return e;
}

static void run(struct world *w)
{
    w->sim = sim_new(5);
    w->node = sim_node(w->sim, "one.test", "192.0.2.1");
    sim_node_start(w->node, days, w);
    sim_run(w->sim, RT_NEVER);
    CHECK_INT(sim_node_result(w->node), 0);
    sim_free(&w->sim);
}

TEST(a_new_source_sends_more_from_day_to_day)
{
    struct world w = {.a_day = 600, .days = 6, .stream = STREAM_TRANSACTIONAL};
    run(&w);
    static const int may[] = {50, 100, 200, 400, 800};
    for (size_t i = 0; i < COUNT_OF(may); i++) CHECK_INT(w.from_new[i], may[i]);
    CHECK_INT(w.from_new[5], 6 * 600 - 1550); /* it is warm */
}

TEST(bulk_leaves_a_part_of_an_allowance_to_others_and_says_what_it_waits_for)
{
    struct world w = {.a_day = 300, .days = 1, .stream = STREAM_BULK};
    run(&w);
    CHECK_INT(w.from_new[0], 40);
    if (sl_find(sl_cstr(w.why), SL("the source new is warming up: 40 of its 50 deliveries of today")) ==
        SL_NONE)
        test_fail(__FILE__, __LINE__, "it says: %s", w.why);
}

TEST(what_a_new_source_may_not_send_leaves_from_another_pool)
{
    struct world w = {.a_day = 300, .days = 2, .overflow = "old", .stream = STREAM_TRANSACTIONAL};
    run(&w);
    CHECK_INT(w.from_new[0], 50);
    CHECK_INT(w.from_old[0], 250);
    CHECK_INT(w.from_new[1], 100);
    CHECK_INT(w.from_old[1], 200);
}

TEST(a_new_source_that_is_put_off_sends_less_the_next_day)
{
    struct world w = {.a_day = 600, .days = 4, .grim = 2, .stream = STREAM_TRANSACTIONAL};
    run(&w);
    CHECK_INT(w.from_new[1], 100);
    CHECK_INT(w.from_new[2], 200);
    CHECK_INT(w.from_new[3], 100);
}

TEST(a_new_source_of_which_people_complain_sends_less_the_next_day)
{
    static const struct {
        int complaints, next;
    } all[] = {{1, 400}, {2, 200}, {3, 100}}; /* of 200 */
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct world w = {.a_day = 600,
                          .days = 4,
                          .hated = 2,
                          .complaints = all[i].complaints,
                          .stream = STREAM_TRANSACTIONAL};
        run(&w);
        CHECK_INT(w.from_new[2], 200);
        CHECK_INT(w.from_new[3], all[i].next);
    }
}
