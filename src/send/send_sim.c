/* send_sim.c - a send in the simulator, the power cut at every durable step of its taking, its letters' way
 * and its counting, or the disk failing: taken once under its key, nobody twice but where an answer was lost,
 * nobody skipped, each end told by one event, and in the end the counts add up. */
#include <stdio.h>

#include "base/test.h"
#include "base/text.h"
#include "event.h"
#include "numbers.h"
#include "queue/letter_source.h"
#include "queue/own_test.h"
#include "send_i.h"
#include "sim/ledger.h"
#include "sim/power.h"
#include "store/mailbox.h"

enum { LETTERS = 7 };
enum rcpt { OK, LATER, PERM, ME, RCPTS }; /* the last one is here */
static const char *const who[RCPTS] = {"ok%d@two.test", "later%d@two.test", "perm%d@three.test",
                                       "news+%d@one.test"};

struct world {
    struct power p;
    struct own_way way;
    struct store *store;
    struct queue *queue;
    struct sends *sends;
    struct ledger books;
    bool asked[LETTERS], acknowledged, ended, cancels;
    struct letter_id id;
};

static struct ledger_line *line_of(struct world *w, struct slice address)
{
    for (int i = 0; i < LETTERS; i++)
        for (int k = 0; k < RCPTS; k++) {
            char text[40];
            snprintf(text, sizeof text, who[k], i);
            if (sl_eq(address, sl_cstr(text))) return &w->books.line[i][k];
        }
    test_fail(__FILE__, __LINE__, "%.*s is nobody's", SLF(address));
    return &w->books.line[LEDGER_LETTERS - 1][0];
}

static void relay(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    char start[200];
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    CHECK(letter_source_read(at->source, 0, start, sizeof start) > 0);
    for (size_t i = 0; i < at->nrcpt; i++)
        at->rcpt[i].result = ATTEMPT_TEMPORARY, at->rcpt[i].reply = SL("canceled");
    if (fiber_sleep((int64_t)rt_random_below(3 * RT_S)) != 0) return; /* the power went */
    for (size_t i = 0; i < at->nrcpt; i++) {
        struct attempt_rcpt *r = &at->rcpt[i];
        bool perm = sl_starts(r->address, SL("perm")), later = sl_starts(r->address, SL("later"));
        struct ledger_line *x = line_of(w, r->address);
        bool wait = later && !w->asked[(x - w->books.line[0]) / LEDGER_RCPTS];
        if (wait) w->asked[(x - w->books.line[0]) / LEDGER_RCPTS] = true;
        r->result = perm ? ATTEMPT_PERMANENT : wait ? ATTEMPT_TEMPORARY : ATTEMPT_DELIVERED;
        r->code = perm ? 550 : wait ? 450 : 250;
        r->reply = perm ? SL("550 no") : wait ? SL("450 later") : SL("250 ok");
        r->host = SL("mx.two.test [192.0.2.9]:25");
        x->seen[LEDGER_DELIVERED] += r->result == ATTEMPT_DELIVERED;
    }
}

static int open_all(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct queue_conf c = own_way_queue(&w->way, 2);
    struct sends_conf sc = {.hostname = SL("mail.one.test")};
    w->way = (struct own_way){&w->store, &w->queue};
    w->store = NULL, w->queue = NULL, w->sends = NULL;
    int e = kv_mem_open(&kv, "kv.log");
    if (e) return e;
    if ((e = body_open(&b, "body", 1 << 20)) != 0) {
        kv_close(&kv);
        return e;
    }
    e = store_open(&w->store, kv, b);
    sc.store = w->store;
    if (!e) e = sends_open(&w->sends, &sc);
    if (!e) c.maker = sends_maker(w->sends);
    if (!e) e = queue_open(&w->queue, w->store, &c);
    if (!e) e = sends_start(w->sends, w->queue);
    if (!e) e = queue_start(w->queue, relay, w);
    return e;
}

static void close_all(struct world *w)
{
    sends_stop(w->sends);
    queue_close(&w->queue);
    sends_close(&w->sends);
    if (w->store) store_close(&w->store);
}

static int people(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    if (!e) e = domain_add(w->store->directory, SL("one.test"));
    if (!e) e = account_add(w->store->directory, SL("news@one.test"), SL("secret"));
    close_all(w);
    return e;
}

static void begin(void *arg)
{
    power_run(arg, people);
    CHECK_INT(sim_node_result(((struct world *)arg)->p.node), 0);
}

static int add_letters(struct send_writer *w, struct arena *a)
{
    int e = 0;
    for (int i = 0; !e && i < LETTERS; i++) {
        struct send_addr *v = ar_array(a, struct send_addr, RCPTS);
        for (int k = 0; k < RCPTS; k++) v[k].address = ar_printf(a, who[k], i);
        struct send_letter l = {.to = {v, 2}, .cc = {v + 2, 1}, .bcc = {v + 3, 1}};
        l.data = ar_printf(a, "{\"x\":\"%022000d\"}", i); /* two letters a page */
        e = send_add(w, &l);
    }
    return e;
}

/* Asked for until it is answered, always under the same key. */
static int take(struct world *w, struct arena *a)
{
    static struct send_part part = {SL_INIT("text/plain"), SL_INIT("Hello\r\n")};
    struct account acc;
    struct send_writer *writer = NULL;
    struct send_taken done;
    struct send s = {.account = &acc,
                     .from = {SL(""), SL("news@one.test"), 0},
                     .idempotency = SL("once"),
                     .campaign = SL("June"),
                     .stream = STREAM_BULK,
                     .part = &part,
                     .nparts = 1};
    int e = account_get(w->store->directory, a, SL("news@one.test"), &acc);
    for (int i = 0; i < LETTERS; i++)
        for (int k = 0; k < RCPTS; k++) w->books.line[i][k].offered = true;
    if (!e) e = send_begin(w->sends, &s, a, &writer, &done);
    if (!e && writer) e = add_letters(writer, a);
    if (!e && writer) e = send_commit(&writer, a, &done);
    send_abandon(&writer);
    if (e) return e;
    if (w->acknowledged) CHECK(!strcmp(w->id.s, done.id.s));
    w->id = done.id;
    w->acknowledged = true;
    for (int i = 0; i < LETTERS; i++)
        for (int k = 0; k < RCPTS; k++) w->books.line[i][k].acknowledged = true;
    return 0;
}

/* Somewhere on its way, and until it is told that it is. */
static int cancel(struct world *w)
{
    int e = 0;
    if (fiber_sleep((int64_t)rt_random_below(2 * RT_S)) != 0) return ERR_CANCELED;
    do e = send_act(w->sends, &w->id, SEND_CANCEL, SL("no"));
    while (e && err_is_temporary(e) && fiber_sleep(RT_S) == 0);
    return e == ERR_STATE ? 0 : e;
}

static int work(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct send_info info = {0};
    int e = open_all(w);
    while (!e && (e = take(w, &a)) != 0 && err_is_temporary(e) && fiber_sleep(RT_S) == 0) e = 0;
    if (!e && w->cancels) e = cancel(w);
    for (int i = 0; !e && i < 2000 && !info.over; i++) {
        ar_reset(&a);
        e = send_show(w->sends, &w->id, &a, &info);
        if (!e && !info.over) e = fiber_sleep(10 * RT_S);
    }
    w->ended = info.over != 0;
    ar_free(&a);
    close_all(w);
    return e;
}

static void count_event(struct world *w, const struct event *e)
{
    struct ledger_line *x = line_of(w, e->address);
    CHECK(!strcmp(e->send.s, w->id.s));
    if (e->kind == EVENT_DELIVERED) x->traced[LEDGER_DELIVERED]++;
    if (e->kind == EVENT_BOUNCED) x->traced[LEDGER_BOUNCED]++, x->seen[LEDGER_BOUNCED]++;
}

/* What was counted by day is what the events say, wherever the power went. */
static void check_numbers(struct world *w, struct slice account, const struct send_info *info,
                          struct arena *a)
{
    struct numbers_ask ask = {.account = account, .by = NUMBERS_BY_ALL, .each = NUMBERS_WHOLE};
    struct numbers_row *v;
    size_t n;
    CHECK_OK(numbers_days(&ask, SL(""), SL("")));
    ask.from = 0, ask.to += 2;
    CHECK_OK(numbers_table(w->sends, &ask, a, &v, &n));
    REQUIRE(n == 1);
    CHECK_INT(v->n.n[NUMBER_ACCEPTED], LETTERS * RCPTS);
    CHECK_INT(v->n.n[NUMBER_DELIVERED], info->delivered);
    CHECK_INT(v->n.n[NUMBER_BOUNCED], info->bounced);
    CHECK_INT(v->n.n[NUMBER_DROPPED], info->dropped);
    CHECK_INT(v->n.n[NUMBER_DEFERRED], info->deferred);
}

/* Of a send that was canceled: each recipient has one end, and what is said of it adds up. */
static int stock_canceled(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct account acc;
    struct send_info info = {0};
    struct queue_stats st = {0};
    struct event *v;
    size_t n = 0, ends = 0;
    int e = open_all(w);
    if (!e) e = account_get(w->store->directory, &a, SL("news@one.test"), &acc);
    if (!e) e = event_read(w->sends, sl_cstr(acc.id), 0, 1000, &a, &v, &n);
    for (size_t i = 0; !e && i < n; i++) {
        enum event_kind k = v[i].kind;
        bool end = k == EVENT_DELIVERED || k == EVENT_BOUNCED || k == EVENT_DROPPED || k == EVENT_FAILED;
        if (end) line_of(w, v[i].address)->traced[LEDGER_DELIVERED]++, ends++;
    }
    if (!e) e = send_show(w->sends, &w->id, &a, &info);
    if (!e) e = queue_stats(w->queue, &st);
    CHECK_OK(e);
    for (int i = 0; i < LETTERS; i++)
        for (int k = 0; k < RCPTS; k++) CHECK_INT(w->books.line[i][k].traced[LEDGER_DELIVERED], 1);
    CHECK_INT(info.delivered + info.bounced + info.dropped + info.failed, LETTERS * RCPTS);
    check_numbers(w, sl_cstr(acc.id), &info, &a);
    CHECK_INT(info.waiting, 0);
    CHECK_INT(st.letters, 0);
    close_all(w);
    ar_free(&a);
    return 0;
}

static int stock(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct account acc;
    struct send_info info = {0};
    struct queue_stats st = {0};
    struct event *v;
    struct mailbox box;
    struct message *m;
    size_t n = 0, messages = 0, queued = 0;
    int e = open_all(w);
    if (!e) e = account_get(w->store->directory, &a, SL("news@one.test"), &acc);
    if (!e) e = event_read(w->sends, sl_cstr(acc.id), 0, 1000, &a, &v, &n);
    for (size_t i = 0; !e && i < n; i++) count_event(w, &v[i]), queued += v[i].kind == EVENT_PROCESSED;
    if (!e) e = send_show(w->sends, &w->id, &a, &info);
    if (!e) e = queue_stats(w->queue, &st);
    if (!e) e = mailbox_find(w->store, acc.id, SL("INBOX"), &a, &box);
    if (!e)
        e = message_list(w->store, (struct mailbox_ref){.account = acc.id, .box = box.id}, 1, 1000, &a, &m,
                         &messages);
    CHECK_OK(e);
    CHECK_INT(messages, LETTERS);
    for (int i = 0; i < LETTERS; i++) w->books.line[i][ME].seen[LEDGER_DELIVERED]++;
    CHECK_SL(info.state, "finished");
    check_numbers(w, sl_cstr(acc.id), &info, &a);
    CHECK_INT(queued, LETTERS * RCPTS);
    CHECK_INT(info.queued, LETTERS * RCPTS);
    CHECK_INT(info.delivered, LETTERS * 3);
    CHECK_INT(info.bounced, LETTERS);
    CHECK_INT(info.waiting, 0);
    CHECK_INT(st.letters, 0);
    for (int i = 0; i < LETTERS; i++)
        for (int k = 0; k < RCPTS; k++) {
            struct ledger_line *x = &w->books.line[i][k];
            CHECK_INT(x->traced[LEDGER_DELIVERED] + x->traced[LEDGER_BOUNCED], 1);
        }
    w->books.has_trace = true;
    close_all(w);
    ar_free(&a);
    return 0;
}

static void check(void *arg)
{
    struct world *w = arg;
    CHECK(w->ended);
    for (int i = 0; i < LETTERS; i++)
        for (int k = 0; k < ME; k++)
            w->books.line[i][k].unanswered += w->p.cuts; /* a yes that was not recorded */
    ledger_judge(&w->books, true);
}

static const struct power_test power = {.loops = 2,
                                        .size = sizeof(struct world),
                                        .begin = begin,
                                        .work = work,
                                        .stock = stock,
                                        .check = check,
                                        .sparse = 60,
                                        .least = 40};

static void begin_canceled(void *arg)
{
    ((struct world *)arg)->cancels = true;
    begin(arg);
}

static void check_canceled(void *arg) { CHECK(((struct world *)arg)->ended); }

static const struct power_test power_canceled = {.loops = 2,
                                                 .size = sizeof(struct world),
                                                 .begin = begin_canceled,
                                                 .work = work,
                                                 .stock = stock_canceled,
                                                 .check = check_canceled,
                                                 .sparse = 60,
                                                 .least = 30};

TEST(a_send_reaches_everybody_once)
{
    struct world *w = power_begin(&power, 1);
    power_run(w, work);
    CHECK_INT(sim_node_result(w->p.node), 0);
    power_end(&power, w);
}

TEST(a_power_cut_at_any_step_of_a_send_skips_nobody) { power_cut_everywhere(&power); }

static struct sim_faults writes_fail(uint64_t seed)
{
    (void)seed;
    return (struct sim_faults){.write_fails = 20000, .disk_full = 10000};
}

TEST(a_send_on_a_disk_that_fails) { power_bad_disk(&power, 6, true, writes_fail); }

TEST(a_power_cut_at_any_step_of_a_send_that_is_canceled) { power_cut_everywhere(&power_canceled); }

TEST(a_send_that_is_canceled_on_a_disk_that_fails) { power_bad_disk(&power_canceled, 20, true, writes_fail); }
