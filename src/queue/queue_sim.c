/* queue_sim.c - five days of retries in the simulator, with a power cut at every durable step.
 *
 * Whatever is cut: a letter that accept_letter() took ends, for each recipient, in exactly one
 * of delivered and bounced; a delivery here happens once; the report about a failure is made
 * once; a delivery elsewhere may happen twice only where the cut fell between the other
 * server's yes and its being recorded, or where the other server's answer was lost. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "letter_source.h"
#include "own_test.h"
#include "queue_i.h"
#include "sim/ledger.h"
#include "sim/power.h"
#include "store/mailbox.h"
#include "trace/trace.h"

enum { LETTERS = 3, REPORTS_MAX = 64 };
enum rcpt { OK, LATER, PERM, UNSURE, NEVER, ME, RCPTS };
static const char *const to[RCPTS] = {"ok@two.test",      "later@two.test",  "perm@three.test",
                                      "unsure@four.test", "never@five.test", "me@one.test"};
#define DAY (86400 * RT_S)
#define ACC "acc1"

struct world {
    struct power p;
    struct own_way way;
    struct store *store;
    struct queue *queue;
    struct ledger books;
    int asked_later[LETTERS];
    struct letter_id reports[REPORTS_MAX]; /* names of letters with a null sender */
    size_t nreports;
    struct letter_id id[LETTERS];
    bool chaos;                /* the other servers fail at random */
    int64_t first;             /* how long the first program runs; 0 = 7 days */
    int64_t skew[3], after[2]; /* the wall clock when letters come, and each time after so long (rt_now) */
    size_t in_queue;
};

static struct ledger_line *line_of(struct world *w, int64_t letter, struct slice address)
{
    size_t i = 0;
    while (i < RCPTS && !sl_eq(address, sl_cstr(to[i]))) i++;
    bool known = letter >= 0 && letter < LETTERS && i < RCPTS;
    CHECK(known);
    return known ? &w->books.line[letter][i] : &w->books.line[LEDGER_LETTERS - 1][0]; /* never offered */
}

static bool is_new(struct world *w, const struct letter_id *id)
{
    for (size_t i = 0; i < w->nreports; i++)
        if (!strcmp(w->reports[i].s, id->s)) return false;
    if (w->nreports < REPORTS_MAX) w->reports[w->nreports++] = *id;
    return true;
}

/* Whom of which letter a report speaks of (RFC 3464); the same one that comes twice is one. */
static void report_seen(struct world *w, const struct attempt_letter *at)
{
    char text[16000];
    uint64_t letter = 0;
    int64_t n = letter_source_read(at->source, 0, text, sizeof text);
    if (n < 0 || !is_new(w, &at->letter->id)) return;
    struct slice all = sl(text, (size_t)n), field, from = SL("Final-Recipient: rfc822; ");
    size_t subject = sl_find(all, SL("Subject: letter-"));
    CHECK(subject != SL_NONE && num_u64(sl_sub(all, subject + 16, subject + 17), LETTERS - 1, &letter));
    for (size_t i; (i = sl_find(all, from)) != SL_NONE;) {
        all = sl_from(all, i + from.n);
        struct ledger_line *x = line_of(w, (int64_t)letter, sl_sub(all, 0, sl_find(all, SL("\r\n"))));
        field = sl_from(all, sl_find(all, SL("\r\n")) + 2);
        if (sl_starts(field, SL("Action: failed"))) x->seen[LEDGER_BOUNCED]++;
        else CHECK(sl_starts(field, SL("Action: delayed")));
    }
}

static void says(struct attempt_rcpt *r, enum attempt what, int code)
{
    r->result = what;
    r->code = code;
    r->reply = what == ATTEMPT_DELIVERED   ? SL("250 ok")
               : what == ATTEMPT_PERMANENT ? SL("550 no")
                                           : SL("450 later");
    r->host = SL("mx.two.test [192.0.2.9]:25");
}

static void takes(struct world *w, int64_t letter, struct attempt_rcpt *r)
{
    struct ledger_line *x = line_of(w, letter, r->address);
    bool again = sl_starts(r->address, SL("unsure")) && !x->unanswered;
    x->seen[LEDGER_DELIVERED]++;
    x->unanswered += again;
    says(r, again ? ATTEMPT_UNCERTAIN : ATTEMPT_DELIVERED, again ? 0 : 250);
}

/* One recipient's server. */
static void other_server(struct world *w, const struct attempt_letter *at, struct attempt_rcpt *r)
{
    int64_t letter = at->letter->received - 1000;
    if (w->chaos && rt_random_below(3) == 0) {
        says(r, ATTEMPT_TEMPORARY, 421);
    } else if (!at->letter->sender.n) {
        report_seen(w, at);
        says(r, ATTEMPT_DELIVERED, 250);
    } else if (sl_starts(r->address, SL("perm"))) {
        says(r, ATTEMPT_PERMANENT, 550);
    } else if (sl_starts(r->address, SL("never")) ||
               (sl_starts(r->address, SL("later")) && w->asked_later[letter % LETTERS]++ < 3)) {
        says(r, ATTEMPT_TEMPORARY, 450);
    } else {
        takes(w, letter, r);
    }
}

static void relay(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    for (size_t i = 0; i < at->nrcpt; i++)
        at->rcpt[i].result = ATTEMPT_TEMPORARY, at->rcpt[i].reply = SL("canceled");
    if (fiber_sleep((int64_t)rt_random_below(3 * RT_S)) != 0) return; /* the power went */
    for (size_t i = 0; i < at->nrcpt; i++) other_server(w, at, &at->rcpt[i]);
}

static int open_all(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct queue_conf c = own_way_queue(&w->way, 2);
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
    if (!e) e = mailbox_make_defaults(w->store, ACC);
    if (!e) e = queue_open(&w->queue, w->store, &c);
    if (!e) e = queue_start(w->queue, relay, w);
    return e;
}

static void close_all(struct world *w)
{
    queue_close(&w->queue);
    store_close(&w->store);
}

static int submit(struct world *w, int n)
{
    struct letter_rcpt rcpt[RCPTS];
    char text[60];
    int size = snprintf(text, sizeof text, "Subject: letter-%d\r\n\r\nbody\r\n", n);
    struct letter l = {.sender = SL("sender@six.test"),
                       .rcpt = rcpt,
                       .nrcpt = RCPTS,
                       .head_size = (uint32_t)size - 6,
                       .received = 1000 + n};
    letter_id_new(&l.id);
    for (int i = 0; i < RCPTS; i++)
        rcpt[i] = (struct letter_rcpt){.address = sl_cstr(to[i]), .route = {.address = sl_cstr(to[i])}};
    rcpt[ME].route = (struct route){.local = true, .account = ACC, .address = sl_cstr(to[ME])};
    int e = body_put(w->store->body, BODY_MAIL, sl(text, (size_t)size), SL(""), &l.body);
    if (e) return e;
    w->id[n] = l.id;
    for (int i = 0; i < RCPTS; i++) w->books.line[n][i].offered = true;
    e = accept_letter(w->queue, &l);
    for (int i = 0; i < RCPTS; i++) w->books.line[n][i].acknowledged = !e;
    return e;
}

static int first_days(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    for (int i = 0; !e && i < LETTERS; i++) {
        e = submit(w, i);
        if (!e) e = fiber_sleep((int64_t)rt_random_below(2 * RT_S));
    }
    if (!e) e = fiber_sleep(w->first ? w->first : 7 * DAY);
    close_all(w);
    return e;
}

/* The clock is wrong by skew[0] when the letters come, by skew[1] after a while, by skew[2] at the end. */
static int days_with_jumps(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    sim_clock_skew(w->p.node, w->skew[0]);
    for (int i = 0; !e && i < LETTERS; i++) e = submit(w, i);
    for (int i = 0; !e && i < 2; i++) {
        e = fiber_sleep(w->after[i]);
        sim_clock_skew(w->p.node, w->skew[i + 1]);
    }
    if (!e) e = fiber_sleep(7 * DAY);
    close_all(w);
    return e;
}

static int more_days(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    if (!e) e = fiber_sleep(7 * DAY);
    close_all(w);
    return e;
}

/* What happened to a letter is told with what happened, whenever the power went. */
static void read_events(struct world *w, struct arena *a, int letter)
{
    struct trace_event *e;
    size_t n = 0, queued = 0, ends = 0, warned = 0;
    CHECK_OK(trace_read(w->store->trace, &w->id[letter], a, &e, &n));
    for (size_t i = 0; i < n; i++) {
        bool there = e[i].kind == TRACE_RELAYED || e[i].kind == TRACE_DELIVERED,
             back = e[i].kind == TRACE_BOUNCED;
        queued += e[i].kind == TRACE_QUEUED;
        warned += e[i].kind == TRACE_DELAY_TOLD;
        ends += there || back;
        if (there || back) line_of(w, letter, e[i].who)->traced[back ? LEDGER_BOUNCED : LEDGER_DELIVERED]++;
    }
    CHECK_INT(queued, 1);
    CHECK_INT(ends, RCPTS);
    CHECK_INT(warned, 1);
}

static int take_stock(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct queue_stats st = {0};
    struct mailbox box;
    struct message *m;
    size_t n = 0;
    int e = open_all(w);
    if (!e) e = queue_stats(w->queue, &st);
    if (!e) e = mailbox_find(w->store, ACC, SL("INBOX"), &a, &box);
    if (!e)
        e = message_list(w->store, (struct mailbox_ref){.account = ACC, .box = box.id}, 1, 1000, &a, &m, &n);
    CHECK_OK(e);
    w->in_queue = st.letters + st.recipients;
    for (size_t i = 0; i < n; i++)
        line_of(w, m[i].internal_date - 1000, sl_cstr(to[ME]))->seen[LEDGER_DELIVERED]++;
    for (int i = 0; i < LETTERS; i++)
        if (w->books.line[i][ME].acknowledged) read_events(w, &a, i);
    w->books.has_trace = true;
    ar_free(&a);
    close_all(w);
    return 0;
}

static void check_ends(void *arg)
{
    struct world *w = arg;
    size_t taken = 0, tried = 0;
    for (int i = 0; i < LETTERS; i++) {
        taken += w->books.line[i][ME].acknowledged;
        tried += w->books.line[i][ME].offered;
        for (int k = 0; k < ME; k++)
            w->books.line[i][k].unanswered += w->p.cuts; /* a yes that was not recorded */
    }
    ledger_judge(&w->books, true);
    CHECK_INT(w->in_queue, 0);
    /* each letter: one report of perm, one of never when its time was over, one warning of delay */
    if (w->nreports < 3 * taken || w->nreports > 3 * tried)
        test_fail(__FILE__, __LINE__, "%zu reports of %zu taken and %zu tried letters", w->nreports, taken,
                  tried);
}

static const struct power_test power = {.loops = 2,
                                        .size = sizeof(struct world),
                                        .work = first_days,
                                        .again = more_days,
                                        .stock = take_stock,
                                        .check = check_ends,
                                        .sparse = 150,
                                        .least = 100};

TEST(every_letter_ends_within_its_lifetime)
{
    struct world *w = power_begin(&power, 1);
    power_run(w, first_days);
    CHECK_INT(sim_node_result(w->p.node), 0);
    CHECK_INT(w->nreports, 3 * LETTERS);
    power_end(&power, w);
}

/* Whatever the clock says at accept and between attempts: nothing waits for a time that a wrong clock wrote.
 */
TEST(a_clock_that_jumps_keeps_no_letter)
{
    static const int64_t year = INT64_C(365) * 86400 * 1000000;
    static const struct {
        int64_t skew[3], after[2];
    } jumps[] = {
        {{year, 0, 0}, {1, 1}},                                /* wrong at accept only */
        {{year, year, 0}, {30 * RT_S, 60 * RT_S}},             /* wrong during retries too */
        {{year, -year, 0}, {100 * RT_S, 100 * RT_S}},          /* from one side to the other */
        {{0, -year, -year}, {100 * RT_S, 100 * RT_S}},         /* back for good */
        {{7200000000, 0, 0}, {1, 1}},                          /* two hours */
        {{30 * year, 30 * year, 0}, {600 * RT_S, 3000 * RT_S}} /* and back when some have ended */
    };
    for (size_t i = 0; i < COUNT_OF(jumps); i++) {
        struct world *w = power_begin(&power, 500 + i);
        memcpy(w->skew, jumps[i].skew, sizeof w->skew);
        memcpy(w->after, jumps[i].after, sizeof w->after);
        power_run(w, days_with_jumps);
        CHECK_INT(sim_node_result(w->p.node), 0);
        power_end(&power, w);
    }
}

TEST(a_power_cut_at_any_step_loses_nothing) { power_cut_everywhere(&power); }

TEST(many_power_cuts)
{
    for (uint64_t seed = 1; seed <= power_seeds(10); seed++) {
        struct world *w = power_begin(&power, seed);
        w->chaos = true;
        for (; w->p.cuts < 8; w->p.cuts++) {
            sim_kill_at_step(w->p.node, w->p.cuts ? 5 + seed + (uint64_t)w->p.cuts * 7 : 20 + seed * 3);
            power_run(w, w->p.cuts ? more_days : first_days);
        }
        sim_kill_at_step(w->p.node, 0);
        power_run(w, more_days);
        power_end(&power, w);
    }
}

/* Made in good times; and an index that has given up writing stays so until the next start. */
static void one_day_is_bad(void *arg)
{
    struct world *w = arg;
    power_run(w, more_days);
    w->first = DAY;
}

static struct sim_faults writes_fail(uint64_t seed)
{
    (void)seed;
    return (struct sim_faults){.write_fails = 20000, .disk_full = 10000};
}

TEST(a_disk_that_fails_now_and_then)
{
    struct power_test bad = power;
    bad.begin = one_day_is_bad;
    power_bad_disk(&bad, 10, true, writes_fail);
}

TEST(the_same_seed_gives_the_same_days)
{
    uint64_t digest[2];
    for (int i = 0; i < 2; i++) {
        struct world *w = power_begin(&power, 77);
        w->chaos = true;
        power_run(w, first_days);
        digest[i] = sim_digest(w->p.sim);
        power_end(&power, w);
    }
    CHECK(digest[0] == digest[1]);
}
