/* tellings_sim.c - storms of letters that all fail, over virtual time: how many reports are made of them, to
 * whom, in which hour, and what the others come to. */
#include <stdio.h>

#include "base/log.h"
#include "base/test.h"
#include "base/text.h"
#include "own_test.h"
#include "queue_i.h"
#include "sim/sim.h"
#include "tellings.h"
#include "trace/trace.h"

enum { HOURS = 24 };
struct storm {
    struct sim *sim;
    struct sim_node *node;
    struct store *store;
    struct queue *queue;
    struct own_way way;
    enum letter_path path;
    int letters, domains, senders; /* in turns: of each domain so many addresses */
    unsigned notify;
    bool delivered; /* else all are refused */
    bool mixed;     /* each second sender is written in capitals */
    int reports, in_hour[HOURS], of_first, delays;
    int64_t began;
    struct queue_stats at_last;
    int untold; /* letters of which the trace says that nobody was told */
    struct letter_id last;
};

static void relay(void *ctx, struct attempt_letter *at)
{
    struct storm *w = ctx;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    struct attempt_rcpt *r = &at->rcpt[0];
    bool never = sl_starts(r->address, SL("never"));
    r->result = w->delivered ? ATTEMPT_DELIVERED : never ? ATTEMPT_TEMPORARY : ATTEMPT_PERMANENT;
    r->code = w->delivered ? 250 : never ? 450 : 550;
    r->reply = w->delivered ? SL("250 ok") : never ? SL("450 later") : SL("550 5.1.1 no such user");
    r->host = SL("mx.two.test [192.0.2.9]:25");
}

static int take_own(void *ctx, const struct letter_own *own)
{
    struct storm *w = ctx;
    int64_t hour = (rt_now() - w->began) / TELL_HOUR;
    w->reports++;
    if (hour < HOURS) w->in_hour[hour]++;
    w->of_first += sl_eq(own->to, SL("s0@d0.test"));
    w->delays += sl_find(own->text, SL("Action: delayed")) != SL_NONE;
    return 0;
}

static int open_all(struct storm *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct queue_conf c = own_way_queue(&w->way, 4);
    w->way = (struct own_way){&w->store, &w->queue};
    c.take = take_own, c.take_ctx = w;
    c.lifetime_s = 12 * 3600, c.delay_warning_s = 3600, c.retry_most_s = 3600;
    int e = kv_mem_open(&kv, NULL);
    if (!e) e = body_open(&b, "body", 1 << 20);
    if (!e) e = store_open(&w->store, kv, b);
    if (!e) e = queue_open(&w->queue, w->store, &c);
    w->began = rt_now();
    return e ? e : queue_start(w->queue, relay, w);
}

static int submit(struct storm *w, int i, struct slice to)
{
    char from[40];
    snprintf(from, sizeof from, w->mixed && i % 2 ? "S%d@D%d.TEST" : "s%d@d%d.test",
             i / w->domains % w->senders, i % w->domains);
    struct letter_rcpt r = {.address = to, .route = {.address = to}, .notify = w->notify};
    struct letter l = {.sender = sl_cstr(from),
                       .path = w->path,
                       .rcpt = &r,
                       .nrcpt = 1,
                       .head_size = 14,
                       .stream = STREAM_TRANSACTIONAL,
                       .received = rt_wall_seconds()};
    letter_id_new(&l.id);
    w->last = l.id;
    int e = body_put(w->store->body, BODY_QUEUE, SL("Subject: s\r\n\r\nbody\r\n"), SL(""), &l.body);
    return e ? e : accept_letter(w->queue, &l);
}

/* What the trace says of the last letter. */
static int read_last(struct storm *w)
{
    struct arena a = {0};
    struct trace_event *v;
    size_t n;
    int e = trace_read(w->store->trace, &w->last, &a, &v, &n);
    for (size_t i = 0; !e && i < n; i++)
        w->untold += sl_find(v[i].sentence, SL("the sender is not told: ")) != SL_NONE;
    ar_free(&a);
    return e;
}

static int blow(void *arg)
{
    struct storm *w = arg;
    int e = open_all(w);
    for (int i = 0; !e && i < w->letters; i++) e = submit(w, i, SL("user@two.test"));
    if (!e) e = fiber_sleep(HOURS * TELL_HOUR - RT_S);
    if (!e) e = read_last(w);
    if (!e) e = queue_stats(w->queue, &w->at_last);
    queue_close(&w->queue);
    store_close(&w->store);
    return e;
}

static struct storm run(struct storm w, int (*fn)(void *))
{
    w.sim = sim_new(7);
    w.domains += !w.domains, w.senders += !w.senders;
    log_set_level(LOG_ERROR + 1);
    w.node = sim_node(w.sim, "one.test", "192.0.2.1");
    sim_node_start(w.node, fn, &w);
    sim_run(w.sim, RT_NEVER);
    CHECK_INT(sim_node_result(w.node), 0);
    sim_free(&w.sim);
    CHECK_INT(w.at_last.letters, 0);
    CHECK_INT(w.at_last.reports, (uint64_t)w.reports);
    return w;
}

/* RFC 5321 section 6.1: each is told, as many an hour as anybody can look at. */
TEST(a_storm_of_our_own_letters_is_told_in_turns_and_wholly)
{
    struct storm w = run((struct storm){.path = PATH_OURS, .letters = 2 * TELL_OURS + 500}, blow);
    CHECK_INT(w.reports, 2 * TELL_OURS + 500);
    CHECK_INT(w.in_hour[0], TELL_OURS);
    for (int i = 1; i < HOURS; i++)
        CHECK(w.in_hour[i] <= 2 * TELL_OURS); /* of ours and of the counted hour */
    CHECK(w.at_last.reports_later >= TELL_OURS + 500 && w.at_last.reports_later < 40 * 2500);
    CHECK(w.at_last.reports_withheld == 0 && w.untold == 0);
}

/* RFC 5321 section 6.2: whose name was taken hears nothing, of success no more than of failure. */
TEST(a_forged_sender_hears_nothing)
{
    struct storm w = run((struct storm){.path = PATH_FORGED, .letters = 200}, blow);
    CHECK(w.reports == 0 && w.at_last.reports_withheld == 200 && w.untold == 1);
    w = run((struct storm){.path = PATH_FORGED,
                           .letters = 200,
                           .delivered = true,
                           .notify = NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY},
            blow);
    CHECK(w.reports == 0 && w.at_last.reports_withheld == 200);
}

TEST(senders_that_nothing_proves_hear_little_each_in_its_domain_and_together)
{
    struct storm w = run((struct storm){.path = PATH_UNPROVEN, .letters = 200}, blow);
    CHECK_INT(w.reports, TELL_UNPROVEN);
    CHECK(w.at_last.reports_withheld == 200 - TELL_UNPROVEN && w.untold == 1);
    w = run((struct storm){.path = PATH_UNPROVEN, .letters = 200, .mixed = true}, blow);
    CHECK_INT(w.reports, TELL_UNPROVEN);
    w = run((struct storm){.path = PATH_UNPROVEN, .letters = 500, .senders = 250}, blow);
    CHECK_INT(w.reports, TELL_UNPROVEN_DOMAIN);
    w = run((struct storm){.path = PATH_UNPROVEN, .letters = 4000, .senders = 20, .domains = 200}, blow);
    CHECK_INT(w.reports, TELL_UNPROVEN_ALL);
    CHECK(w.of_first <= TELL_UNPROVEN);
    CHECK_INT(w.at_last.reports_withheld, 4000 - TELL_UNPROVEN_ALL);
}

/* Of success they hear as often, and what is beyond that is not waited for. */
TEST(good_news_beyond_its_share_is_not_made)
{
    struct storm w = run(
        (struct storm){
            .path = PATH_OURS, .letters = TELL_OURS + 200, .delivered = true, .notify = NOTIFY_SUCCESS},
        blow);
    CHECK(w.reports == TELL_OURS && w.in_hour[0] == TELL_OURS);
    CHECK(w.at_last.reports_withheld == 200 && w.at_last.reports_later == 0);
}

TEST(proven_strangers_are_told_in_turns)
{
    struct storm w = run((struct storm){.path = PATH_PROVEN, .letters = 2 * TELL_PROVEN + 50}, blow);
    CHECK(w.reports == 2 * TELL_PROVEN + 50 && w.in_hour[0] == TELL_PROVEN);
    w = run((struct storm){.path = PATH_PROVEN, .letters = TELL_PROVEN_DOMAIN + 500, .senders = 2500}, blow);
    CHECK(w.reports == TELL_PROVEN_DOMAIN + 500 && w.in_hour[0] == TELL_PROVEN_DOMAIN);
}

/* What one of our people does keeps no other waiting. */
static int two_senders(void *arg)
{
    struct storm *w = arg;
    int e = open_all(w);
    w->domains = 2;
    for (int i = 0; !e && i < TELL_OURS + 300; i++) e = submit(w, 1, SL("user@two.test"));
    if (!e) e = fiber_sleep(60 * RT_S);
    int before = w->reports;
    if (!e) e = submit(w, 0, SL("user@three.test"));
    if (!e) e = fiber_sleep(5 * RT_S);
    CHECK(before == TELL_OURS && w->of_first == 1);
    if (!e) e = fiber_sleep(HOURS * TELL_HOUR);
    if (!e) e = queue_stats(w->queue, &w->at_last);
    queue_close(&w->queue);
    store_close(&w->store);
    return e;
}

TEST(a_storm_of_one_keeps_no_other_from_being_told)
{
    struct storm w = run((struct storm){.path = PATH_OURS}, two_senders);
    CHECK_INT(w.reports, TELL_OURS + 301);
}

/* Of a delay hears who surely wrote. */
static int late(void *arg)
{
    struct storm *w = arg;
    int e = open_all(w);
    for (int i = 0; !e && i < 5; i++) e = submit(w, i, SL("never@two.test"));
    if (!e) e = fiber_sleep(HOURS * TELL_HOUR - RT_S);
    if (!e) e = queue_stats(w->queue, &w->at_last);
    queue_close(&w->queue);
    store_close(&w->store);
    return e;
}

TEST(of_a_delay_hears_who_surely_wrote)
{
    static const int delays[] = {[PATH_OURS] = 5, [PATH_PROVEN] = 5, [PATH_UNPROVEN] = 0, [PATH_FORGED] = 0};
    static const int failures[] = {
        [PATH_OURS] = 5, [PATH_PROVEN] = 5, [PATH_UNPROVEN] = 5, [PATH_FORGED] = 0};
    for (int p = 0; p < LETTER_PATHS; p++) {
        struct storm w = run((struct storm){.path = (enum letter_path)p}, late);
        CHECK(w.delays == delays[p] && w.reports - w.delays == failures[p]);
    }
}
