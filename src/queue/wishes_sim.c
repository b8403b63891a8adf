/* wishes_sim.c - what senders ask for (letter_wants.h) over days of virtual time, with a restart in the
 * middle: a letter held until its time, one that goes back when its time is over, one whose sender hears of
 * it, reports of letters that went on. */
#include "base/test.h"
#include "base/text.h"
#include "letter_source.h"
#include "own_test.h"
#include "queue_i.h"
#include "sim/sim.h"
#include "store/mailbox.h"

#define HOUR 3600
#define TEXT "Subject: s\r\n\r\nbody\r\n"

struct world {
    struct own_way way;
    struct sim *sim;
    struct sim_node *node;
    struct store *store;
    struct queue *queue;
    struct letter_wants wants;
    const char *to; /* a server that begins with "later" never takes it, one with "by" watches the time */
    unsigned notify;
    int shards;
    bool idle;           /* nothing is sent yet */
    int64_t began;       /* when it was handed over; the rest counts from then, in seconds */
    int64_t first, last; /* attempts; -1: none */
    struct buf reports;  /* texts, one after the other */
    int nreports;
    int64_t reported[4];
    int8_t priority;
    struct {
        int8_t priority;
        int64_t at;
    } order[20]; /* the first attempts at letters */
    size_t nattempts;
    bool slow; /* each takes ten seconds, and a place at the site */
};

static void take_report(struct world *w, struct attempt_letter *at)
{
    char text[4096];
    int64_t n = letter_source_read(at->source, 0, text, sizeof text);
    if (n > 0) buf_bytes(&w->reports, text, (size_t)n);
    if (w->nreports < 4) w->reported[w->nreports] = rt_wall_seconds() - w->began;
    w->nreports++;
    w->priority = at->letter->wants.priority;
}

/* False: the site has no room now. */
static bool take_turn(struct world *w, struct attempt_letter *at)
{
    if (!attempt_place(at, SL("mx.two.test"), SL("mx.two.test"), FROM_IPV4)) return false;
    attempt_asks(at);
    CHECK(w->nattempts < COUNT_OF(w->order));
    w->order[w->nattempts].priority = at->letter->wants.priority;
    w->order[w->nattempts++].at = rt_now();
    return fiber_sleep(10 * RT_S) == 0;
}

static void relay(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    int64_t now = rt_wall_seconds() - w->began;
    bool report = !at->letter->sender.n;
    if (report) take_report(w, at);
    else w->last = now, w->first = w->first < 0 ? now : w->first;
    if (!report && w->slow && !take_turn(w, at)) return;
    for (size_t i = 0; i < at->nrcpt; i++) {
        struct attempt_rcpt *r = &at->rcpt[i];
        bool later = !report && sl_starts(r->address, SL("later"));
        r->result = later ? ATTEMPT_TEMPORARY : ATTEMPT_DELIVERED;
        r->code = later ? 450 : 250;
        r->reply = later ? SL("450 later") : SL("250 ok");
        r->host = SL("mx.two.test [192.0.2.9]:25");
        r->by_taken = sl_starts(r->address, SL("by"));
    }
}

static int open_all(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct queue_conf c = own_way_queue(&w->way, w->shards ? w->shards : 2);
    w->way = (struct own_way){&w->store, &w->queue};
    w->store = NULL;
    w->queue = NULL;
    int e = kv_mem_open(&kv, "kv.log");
    if (!e) e = body_open(&b, "body", 1 << 20);
    if (!e) e = store_open(&w->store, kv, b);
    if (!e) e = queue_open(&w->queue, w->store, &c);
    return e ? e : w->idle ? 0 : queue_start(w->queue, relay, w);
}

static void close_all(struct world *w)
{
    queue_close(&w->queue);
    store_close(&w->store);
}

static int hand_over(struct world *w)
{
    struct slice to = sl_cstr(w->to);
    struct letter_rcpt rcpt = {.address = to, .route = {.address = to}, .notify = w->notify};
    struct letter l = {
        .sender = SL("sender@six.test"), .rcpt = &rcpt, .nrcpt = 1, .head_size = 14, .wants = w->wants};
    w->began = l.received = rt_wall_seconds();
    l.wants.hold_until += l.wants.hold_until ? w->began : 0;
    l.wants.by += l.wants.by ? w->began : 0;
    letter_id_new(&l.id);
    int e = body_put(w->store->body, BODY_QUEUE, SL(TEXT), SL(""), &l.body);
    return e ? e : accept_letter(w->queue, &l);
}

static int days(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    if (!e) e = hand_over(w);
    if (!e) e = fiber_sleep(30 * 60 * RT_S);
    close_all(w);
    if (!e) e = open_all(w); /* all of it lies on the disk */
    if (!e) e = fiber_sleep(INT64_C(40) * 24 * HOUR * RT_S);
    struct queue_stats st;
    if (!e) e = queue_stats(w->queue, &st);
    CHECK(!e && st.letters == 0);
    close_all(w);
    return e;
}

static void run(struct world *w, const char *to, unsigned notify, struct letter_wants wants)
{
    *w = (struct world){
        .sim = sim_new(1), .to = to, .notify = notify, .wants = wants, .first = -1, .last = -1};
    w->node = sim_node(w->sim, "one.test", "192.0.2.1");
    sim_node_start(w->node, days, w);
    sim_run(w->sim, RT_NEVER);
    CHECK_INT(sim_node_result(w->node), 0);
    sim_free(&w->sim);
}

static bool told(const struct world *w, const char *what)
{
    return sl_find(buf_slice(&w->reports), sl_cstr(what)) != SL_NONE;
}

/* RFC 4865 section 4.2: not before its time, and from then on as long as any other. */
TEST(a_letter_is_held_until_its_sender_wants_it)
{
    static const int64_t waits[] = {60, 5 * HOUR, 29 * 24 * HOUR};
    struct world w;
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        run(&w, "ok@two.test", 0, (struct letter_wants){.hold_until = waits[i]});
        CHECK(w.first >= waits[i] && w.first < waits[i] + 300);
        CHECK_INT(w.nreports, 0);
    }
    run(&w, "later@two.test", 0,
        (struct letter_wants){.hold_until = 20 * 24 * HOUR, .hold_for = 20 * 24 * HOUR});
    CHECK(w.first >= 20 * 24 * HOUR && w.last > 24 * 24 * HOUR && w.last < 26 * 24 * HOUR);
    CHECK(w.nreports == 2 &&
          w.reported[0] > 20 * 24 * HOUR + 3 * HOUR); /* late, counted from its release; failed */
    CHECK(told(&w, "Future-Release-Request: for;1728000\r\n") && told(&w, "\r\nArrival-Date: "));
    buf_free(&w.reports);
}

/* RFC 2852 section 4.1.3: no attempt after that, and it goes back. */
TEST(a_letter_goes_back_when_its_time_is_over)
{
    struct world w;
    run(&w, "later@two.test", 0,
        (struct letter_wants){.by = HOUR, .by_mode = 'R', .has_priority = true, .priority = 4});
    CHECK(w.first < 10 && w.last < HOUR);
    CHECK(w.nreports == 1 && w.reported[0] >= HOUR && w.reported[0] < HOUR + 60);
    CHECK(told(&w, "Action: failed\r\nStatus: 5.4.7\r\n") && told(&w, "\r\nDeliver-By-Date: "));
    CHECK(told(&w, "450 later") && w.priority == 4); /* RFC 6710 section 4.6 */
    buf_free(&w.reports);
    run(&w, "by@two.test", 0, (struct letter_wants){.by = HOUR, .by_mode = 'R'});
    CHECK_INT(w.nreports, 0);
}

/* With N its sender hears of it, and it is tried on; a warning of delay that came before does not count. */
TEST(a_sender_hears_that_the_time_is_over)
{
    static const int64_t by[] = {HOUR, 30 * HOUR};
    for (size_t i = 0; i < COUNT_OF(by); i++) {
        struct world w;
        run(&w, "later@two.test", 0, (struct letter_wants){.by = by[i], .by_mode = 'N'});
        CHECK(w.last > 4 * 24 * HOUR);
        CHECK_INT(w.nreports, 2 + (int)i);
        CHECK(w.reported[i] >= by[i] && w.reported[i] < by[i] + 60);
        CHECK(told(&w, "Action: delayed\r\nStatus: 4.4.7\r\n") && told(&w, "Action: failed\r\n"));
        buf_free(&w.reports);
        run(&w, "later@two.test", NOTIFY_NEVER, (struct letter_wants){.by = by[i], .by_mode = 'N'});
        CHECK_INT(w.nreports, 0);
    }
}

/* Section 4.1.4. */
TEST(a_letter_that_went_on_is_reported)
{
    static const struct {
        const char *to;
        char mode;
        bool trace;
        unsigned notify;
        int reports;
    } x[] = {
        {"ok@two.test", 'N', false, 0, 1}, /* to a server that does not watch the time */
        {"ok@two.test", 'N', false, NOTIFY_FAILURE, 1},
        {"ok@two.test", 'N', false, NOTIFY_NEVER, 0},
        {"ok@two.test", 'N', false, NOTIFY_SUCCESS, 1},
        {"by@two.test", 'N', false, 0, 0},
        {"by@two.test", 'N', true, 0, 1},
        {"by@two.test", 'R', true, NOTIFY_FAILURE, 1},
        {"by@two.test", 'R', true, NOTIFY_NEVER, 0},
    };
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        struct world w;
        run(&w, x[i].to, x[i].notify,
            (struct letter_wants){.by = HOUR, .by_mode = x[i].mode, .by_trace = x[i].trace});
        CHECK_INT(w.nreports, x[i].reports);
        CHECK(!w.nreports || told(&w, "Action: relayed\r\nStatus: 2.0.0\r\n"));
        buf_free(&w.reports);
    }
}

static int many(void *arg)
{
    struct world *w = arg;
    w->idle = true;
    int e = open_all(w);
    for (int i = 0; !e && i < 19; i++) {
        w->wants = (struct letter_wants){.has_priority = true, .priority = (int8_t)(i * 7 % 19 - 9)};
        e = hand_over(w);
    }
    close_all(w);
    w->idle = false;
    if (!e) e = open_all(w); /* after a restart their order is another */
    if (!e) e = fiber_sleep(600 * RT_S);
    close_all(w);
    return e;
}

/* RFC 6710 section 5.1: what waits together leaves in order of priority, also after a restart. */
TEST(letters_that_wait_leave_by_priority)
{
    int64_t turns = 1;
    struct world w = {.sim = sim_new(1), .to = "ok@two.test", .shards = 1, .slow = true};
    w.node = sim_node(w.sim, "one.test", "192.0.2.1");
    sim_node_start(w.node, many, &w);
    sim_run(w.sim, RT_NEVER);
    CHECK_INT(sim_node_result(w.node), 0);
    CHECK_INT(w.nattempts, 19);
    CHECK_INT(w.order[0].priority, 9);
    for (size_t i = 1; i < w.nattempts; i++) /* those that begin in one moment began in this order */
        if (w.order[i].at > w.order[i - 1].at + RT_S) {
            turns++;
            for (size_t k = 0; k < i; k++) CHECK(w.order[k].priority > w.order[i].priority);
        }
    CHECK(turns > 2);
    sim_free(&w.sim);
}
