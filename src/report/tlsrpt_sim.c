/* tlsrpt_sim.c - a day of TLS reports in the simulator, with a power cut at every durable step.
 *
 * Whatever is cut: every session that was counted on the disk is told, in one report with one id; who gets it
 * by mail gets it once; rows that were told are gone. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/test.h"
#include "dmarc_report.h"
#include "dmarc_store_i.h"
#include "mail/mime.h"
#include "queue/own_test.h"
#include "queue/queue.h"
#include "sim/power.h"
#include "tlsrpt_i.h"

enum { MAILED = 2, POSTED = 2, NOBODY = 3, DOMAINS = 4, SEEN_MAX = 32, GOOD = 5, BAD = 2 };
#define HOUR (3600 * RT_S)

static const char zone[] =
    "$ORIGIN test.\n$TTL 300\n@ SOA ns.test. root.test. 1 2 3 4 5\n"
    "_smtp._tls.d0 TXT \"v=TLSRPTv1; rua=mailto:in@d0.test\"\n"
    "_smtp._tls.d1 TXT \"v=TLSRPTv1;rua=mailto:in%2bx@d1.test?subject=y,ftp://d1.test\"\n"
    "_smtp._tls.d2 TXT \"v=TLSRPTv1; rua=https://web.test/reports\"\n"
    "_smtp._tls.d3 TXT \"v=TLSRPTv1; rua=mailto:in@d3.test\"\n_smtp._tls.d3 TXT \"v=TLSRPTv1; "
    "rua=mailto:x@d3.test\"\n"
    "web A 192.0.2.80\n";

struct seen { /* one report, as the other side got it */
    char domain[32], id[200];
    uint64_t good, bad;
    struct letter_id letter;
    int letters, posts;
};
struct world {
    struct power p;
    struct own_way way;
    struct store *store;
    struct queue *queue;
    struct dns *dns;
    struct fetch fetch;
    struct tlsrpt *t;
    struct seen seen[SEEN_MAX];
    size_t nseen;
    int refusals; /* of the web server, so many at first */
    bool durable; /* what was counted is on the disk */
    uint64_t left;
};

static bool any(struct arena *a, const struct mime_part *p)
{
    (void)a;
    return sl_eqi(p->subtype, SL("tlsrpt+gzip"));
}

static struct seen *seen_as(struct world *w, const struct tlsrpt_report *r)
{
    for (size_t i = 0; i < w->nseen; i++)
        if (sl_eq(sl_cstr(w->seen[i].id), r->id)) {
            CHECK(w->seen[i].good == r->good && w->seen[i].bad == r->bad);
            return &w->seen[i];
        }
    struct seen *s = &w->seen[w->nseen < SEEN_MAX - 1 ? w->nseen++ : SEEN_MAX - 1];
    snprintf(s->domain, sizeof s->domain, "%.*s", SLF(r->domain));
    snprintf(s->id, sizeof s->id, "%.*s", SLF(r->id));
    s->good = r->good;
    s->bad = r->bad;
    CHECK_INT(r->n, r->bad ? 1 : 0);
    if (r->bad) CHECK_SL(r->failure[0].result, "certificate-expired");
    if (r->bad) CHECK_SL(r->failure[0].host, "mx.test");
    return s;
}

/* The queue may bring a letter twice after a power cut; a report is never in two letters. */
static void came_by_letter(struct seen *s, const struct letter_id *id)
{
    if (s->letters++) CHECK(!strcmp(s->letter.s, id->s));
    s->letter = *id;
}

static void other_side(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    struct arena a = {0};
    struct buf json = BUF_INIT;
    struct slice text;
    struct tlsrpt_report r;
    bool read = body_get(w->store->body, &at->letter->body, 1 << 20, &a, &text) == 0;
    if (read) CHECK_OK(report_in_message(&a, text, any, &json));
    if (read) CHECK_OK(tlsrpt_parse(&a, buf_slice(&json), &r));
    CHECK(at->letter->wants.tls_optional);
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].result = read ? ATTEMPT_DELIVERED : ATTEMPT_TEMPORARY;
    if (read) came_by_letter(seen_as(w, &r), &at->letter->id);
    if (read && sl_eq(r.domain, SL("d1.test"))) CHECK_SL(at->rcpt[0].address, "in+x@d1.test");
    buf_free(&json);
    ar_free(&a);
}

static int web(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    struct world *w = arg;
    struct arena a = {0};
    struct buf json = BUF_INIT;
    struct tlsrpt_report r;
    CHECK_SL(c->request->method, "POST");
    CHECK_SL(c->request->field[0].value, "application/tlsrpt+gzip");
    CHECK_OK(dmarc_unpack(&json, c->request->body));
    CHECK_OK(tlsrpt_parse(&a, buf_slice(&json), &r));
    *out = (struct fetch_answer){.status = w->refusals > 0 ? 503 : 201};
    if (w->refusals-- <= 0) seen_as(w, &r)->posts++;
    buf_free(&json);
    ar_free(&a);
    return 0;
}

static int open_all(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct queue_conf c = own_way_queue(&w->way, 2);
    w->way = (struct own_way){&w->store, &w->queue};
    w->store = NULL;
    w->queue = NULL;
    w->dns = NULL;
    w->t = NULL;
    int e = kv_mem_open(&kv, "kv.log");
    if (e) return e;
    if ((e = body_open(&b, "body", 1 << 20)) != 0) {
        kv_close(&kv);
        return e;
    }
    e = store_open(&w->store, kv, b);
    if (!e) e = queue_open(&w->queue, w->store, &c);
    if (!e) e = queue_start(w->queue, other_side, w);
    if (!e) e = dns_open_zone_text(&w->dns, sl_cstr(zone));
    w->fetch.conf =
        (struct fetch_conf){.dns = w->dns, .private_hosts = true, .transfer = web, .transfer_arg = w};
    struct tlsrpt_conf rc = {.store = w->store,
                             .take = own_way_take,
                             .take_ctx = &w->way,
                             .dns = w->dns,
                             .fetch = &w->fetch,
                             .hostname = c.hostname,
                             .gather = true};
    if (!e) tlsrpt_open(&w->t, &rc);
    return e;
}

static void close_all(struct world *w)
{
    tlsrpt_close(&w->t);
    if (w->queue) queue_close(&w->queue);
    if (w->store) store_close(&w->store);
    if (w->dns) dns_close(&w->dns);
}

static void session(struct world *w, int d, bool good)
{
    char domain[16];
    snprintf(domain, sizeof domain, "d%d.test", d);
    struct tls_tlsa tlsa[] = {{3, 1, 1, SL("0123456789abcdef0123456789abcdef")}, {1, 1, 1, SL("x")}};
    struct policy p = {.level = POLICY_DANE, .tlsa = tlsa, .ntlsa = 1, .nuseless = 1};
    struct sts_found sts = {.known = true, .policy = {.mode = MTA_STS_ENFORCE, .max_age = 86400, .nmx = 1}};
    sts.policy.mx[0] = SL("mx.test");
    struct policy_session s = {.domain = sl_cstr(domain),
                               .kind = (enum policy_kind)(d % 3),
                               .policy = &p,
                               .sts = &sts,
                               .host = SL("mx.test"),
                               .ip = {4, {192, 0, 2, 1}},
                               .result = good ? POLICY_SUCCESS : POLICY_EXPIRED,
                               .reason = SL("it ended yesterday")};
    tlsrpt_note(w->t, &s);
}

static int days(struct world *w)
{
    int e = 0;
    for (int i = 0; !e && i < 32; i++) {
        struct tlsrpt_sent sent;
        e = tlsrpt_send(w->t, SL("one.test"), false, &sent);
        if (!e) e = fiber_sleep(HOUR);
    }
    return e;
}

static int first_days(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    w->refusals = 2;
    for (int d = 0; !e && d < DOMAINS; d++)
        for (int i = 0; i < GOOD + BAD; i++) session(w, d, i < GOOD);
    if (!e) e = dmarc_flush(w->store);
    if (!e) w->durable = true;
    if (!e) e = days(w);
    close_all(w);
    return e;
}

static int more_days(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    if (!e) e = days(w);
    close_all(w);
    return e;
}

static int take_stock(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct slice *name;
    struct queue_stats st = {0};
    size_t n = 0;
    bool more;
    int e = open_all(w);
    if (!e) e = kv_objects(w->store->kv, SL("rt:0"), SL("rt::"), 100, &a, &name, &n, &more);
    for (size_t i = 0; !e && i < n; i++) {
        struct kv_page page;
        e = kv_scan(w->store->kv, name[i], SL(""), SL(""), 1000, &a, &page);
        if (!e) w->left += page.n;
    }
    if (!e) e = queue_stats(w->queue, &st);
    CHECK_OK(e);
    CHECK_INT(st.letters, 0);
    ar_free(&a);
    close_all(w);
    return 0;
}

/* One report for each domain that asks for it, of all that was counted when it was on the disk before the
 * power went; else of at most that. */
static void check_told(void *arg)
{
    const struct world *w = arg;
    int reports[DOMAINS] = {0};
    for (size_t i = 0; i < w->nseen; i++) {
        const struct seen *s = &w->seen[i];
        int d = s->domain[1] - '0';
        REQUIRE(d >= 0 && d < NOBODY);
        reports[d]++;
        CHECK(w->durable ? s->good == GOOD && s->bad == BAD : s->good <= GOOD && s->bad <= BAD);
        CHECK(d < MAILED ? s->letters && !s->posts : !s->letters && s->posts);
    }
    for (int d = 0; d < NOBODY; d++) CHECK(w->durable ? reports[d] == 1 : reports[d] <= 1);
    CHECK_INT(reports[NOBODY], 0);
    CHECK_INT(w->left, 0);
    if (!w->p.cuts) CHECK(w->durable);
}

TEST(tlsrpt_a_power_cut_at_any_step_tells_all)
{
    power_cut_everywhere(&(struct power_test){.loops = 2,
                                              .size = sizeof(struct world),
                                              .work = first_days,
                                              .again = more_days,
                                              .stock = take_stock,
                                              .check = check_told,
                                              .least = 20});
}

/* A report before the day is over, and the rest when it is: nothing is told twice. */
static int early(void *arg)
{
    struct world *w = arg;
    struct tlsrpt_sent sent;
    CHECK_OK(open_all(w));
    for (int i = 0; i < GOOD + BAD; i++) session(w, 0, i < GOOD);
    CHECK_OK(tlsrpt_send(w->t, SL("one.test"), true, &sent));
    CHECK_INT(sent.letters, 1);
    CHECK_OK(tlsrpt_send(w->t, SL("one.test"), true, &sent));
    CHECK_INT(sent.letters, 0);
    session(w, 0, true);
    tlsrpt_close(&w->t); /* a restart in between counts on */
    CHECK_OK(dmarc_flush(w->store));
    close_all(w);
    CHECK_OK(open_all(w));
    session(w, 0, true);
    CHECK_OK(days(w));
    CHECK_INT(w->nseen, 2);
    CHECK_INT(w->seen[0].good + w->seen[1].good, GOOD + 2);
    CHECK_INT(w->seen[0].bad + w->seen[1].bad, BAD);
    close_all(w);
    return 0;
}

TEST(tlsrpt_early_reports)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct sim *s = sim_new(3);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.9");
    sim_node_start(n, early, w);
    sim_run(s, 100 * 24 * HOUR);
    CHECK(!sim_node_running(n));
    sim_free(&s);
    free(w);
}

/* ---- names that begin with each other ---- */

static int kin_told; /* lines of the log with the right count */

static void hear_kin(struct slice line)
{
    kin_told += sl_find(line, SL("TLS reports about 5 domains, the first of them a.tes,")) != SL_NONE;
}

/* Two policies each, so that the rows of one domain could lie around another's. */
static void kin_sessions(struct world *w)
{
    static const char *const kin[] = {"a.test", "a.test.example", "a.test-x", "a.test0", "a.tes"};
    for (size_t i = 0; i < COUNT_OF(kin); i++)
        for (int k = 0; k < 2; k++) {
            struct tls_tlsa tlsa = {3, 1, 1, k ? SL("x") : SL("y")};
            struct policy p = {.level = POLICY_DANE, .tlsa = &tlsa, .ntlsa = 1};
            tlsrpt_note(w->t, &(struct policy_session){.domain = sl_cstr(kin[i]),
                                                       .kind = POLICY_KIND_TLSA,
                                                       .policy = &p,
                                                       .host = SL("mx.test"),
                                                       .ip = {4, {192, 0, 2, 1}}});
        }
}

static int kin_web(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    (void)c;
    ++*(int *)arg;
    *out = (struct fetch_answer){.status = 201};
    return 0;
}

static int kin_dns(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    struct dns_rr *rr = ar_array(a, struct dns_rr, 1);
    (void)arg;
    *out = (struct dns_answer){.status = DNS_FOUND, .rr = rr, .n = 1};
    if (type == DNS_TXT) rr->txt = ar_printf(a, "v=TLSRPTv1; rua=https://web.%.*s/", SLF(sl_from(name, 11)));
    else if (type == DNS_A) CHECK(ip_parse(SL("192.0.2.80"), &rr->ip));
    else *out = (struct dns_answer){.status = DNS_NODATA};
    return 0;
}

/* Each gets its report in the first round, and each counts once when the day is given up. */
static int kin_day(void *arg)
{
    struct world *w = arg;
    struct tlsrpt_sent sent;
    int posts = 0;
    CHECK_OK(open_all(w));
    dns_close(&w->dns);
    w->dns = dns_open_func(kin_dns, w);
    w->fetch.conf = (struct fetch_conf){
        .dns = w->dns, .private_hosts = true, .transfer = kin_web, .transfer_arg = &posts};
    w->t->conf.dns = w->dns;
    kin_sessions(w);
    CHECK_OK(tlsrpt_send(w->t, SL("one.test"), true, &sent));
    CHECK_INT(posts, 5);
    CHECK_INT(sent.posts, 5);
    CHECK_INT(sent.domains, 5);
    CHECK_INT(sent.later, 0);
    kin_sessions(w);
    log_set_level(LOG_WARN);
    log_set_sink(hear_kin);
    CHECK_OK(fiber_sleep(8 * 24 * HOUR));
    CHECK_OK(tlsrpt_send(w->t, SL("one.test"), true, &sent));
    log_set_sink(NULL);
    log_set_level(LOG_ERROR + 1);
    CHECK_INT(kin_told, 1);
    close_all(w);
    return 0;
}

TEST(tlsrpt_names_that_begin_with_each_other)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct sim *s = sim_new(11);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.9");
    kin_told = 0;
    sim_node_start(n, kin_day, w);
    sim_run(s, 300 * HOUR);
    CHECK(!sim_node_running(n));
    sim_free(&s);
    free(w);
}

/* ---- slow receivers ---- */

enum { QUICK = 12, SLOW = 12, DEAD = 12, SHARED = 12, RECEIVERS = QUICK + SLOW + DEAD + SHARED, REFUSED = 4 };
struct crowd {
    struct world w;
    int64_t began, last_quick, last_slow;
    int at_slow, most_at_slow, quick, slow, dead, shared; /* at_slow, most: by all threads of the pool */
    int looked_at_slow;                                   /* questions where reports about them go */
};

/* Receivers q0, q1, ... are quick; the slow ones have one host, the dead ones too, and those that share one
 * that refuses the first reports. */
static int crowd_web(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    static const int refusal[REFUSED] = {404, 410, 413, 500};
    struct crowd *x = arg;
    bool slow = sl_eq(c->host, SL("slow.test")), dead = sl_eq(c->host, SL("dead.test"));
    bool shared = sl_eq(c->host, SL("common.test"));
    int now = slow ? __atomic_add_fetch(&x->at_slow, 1, __ATOMIC_SEQ_CST) : 0;
    if (now > x->most_at_slow) x->most_at_slow = now;
    rt_pause(dead ? c->timeout : slow ? 20 * RT_S : 100 * RT_MS);
    if (slow) __atomic_sub_fetch(&x->at_slow, 1, __ATOMIC_SEQ_CST);
    if (dead) x->dead++;
    else if (slow) x->slow++, x->last_slow = rt_wall();
    else if (shared) x->shared++;
    else x->quick++, x->last_quick = rt_wall();
    *out = (struct fetch_answer){.status = shared && x->shared <= REFUSED ? refusal[x->shared - 1] : 201};
    return dead ? err_set(ERR_TIMEOUT, "no answer") : 0;
}

static int crowd_dns(void *arg, struct arena *a, struct slice name, enum dns_type type,
                     struct dns_answer *out)
{
    struct crowd *x = arg;
    struct dns_rr *rr = ar_array(a, struct dns_rr, 1);
    *out = (struct dns_answer){.status = DNS_FOUND, .rr = rr, .n = 1};
    struct slice who = sl_from(name, sl_starts(name, SL("_smtp._tls.")) ? 11 : 0);
    const char *host = who.p[0] == 's'   ? "slow.test"
                       : who.p[0] == 'd' ? "dead.test"
                       : who.p[0] == 'c' ? "common.test"
                                         : NULL;
    x->looked_at_slow += type == DNS_TXT && who.p[0] == 's';
    if (type == DNS_TXT)
        rr->txt = ar_printf(a, "v=TLSRPTv1; rua=https://%.*s/", SLF(host ? sl_cstr(host) : who));
    else if (type == DNS_A) CHECK(ip_parse(SL("192.0.2.80"), &rr->ip));
    else *out = (struct dns_answer){.status = DNS_NODATA};
    return 0;
}

static int told_end;

static void hear_end(struct slice line)
{
    told_end += sl_find(line, SL("TLS reports about 11 domains, the first of them d")) != SL_NONE;
}

static int crowd_day(void *arg)
{
    struct crowd *x = arg;
    struct world *w = &x->w;
    struct tlsrpt_sent sent, again;
    const char kind[] = "qsdc"; /* 12 each */
    CHECK_OK(open_all(w));
    dns_close(&w->dns);
    w->dns = dns_open_func(crowd_dns, x);
    w->fetch.conf =
        (struct fetch_conf){.dns = w->dns, .private_hosts = true, .transfer = crowd_web, .transfer_arg = x};
    w->t->conf.dns = w->dns;
    for (int i = 0; i < RECEIVERS; i++) {
        char domain[24];
        snprintf(domain, sizeof domain, "%c%d.test", kind[i / 12], i);
        struct policy p = {.level = POLICY_ANY};
        tlsrpt_note(w->t, &(struct policy_session){.domain = sl_cstr(domain),
                                                   .policy = &p,
                                                   .host = SL("mx.test"),
                                                   .ip = {4, {192, 0, 2, 1}}});
    }
    x->began = rt_wall();
    CHECK_OK(tlsrpt_send(w->t, SL("one.test"), true, &sent));
    CHECK_INT(sent.posts, QUICK + SLOW + SHARED - REFUSED);
    CHECK_INT(sent.later, DEAD + REFUSED);
    CHECK(x->last_quick - x->began < 5000000);
    CHECK(x->last_slow - x->began < (SLOW * 20 + 60) * INT64_C(1000000));
    CHECK_INT(x->most_at_slow, 1);
    CHECK_INT(x->dead, 1);                /* the others were not kept waiting for it */
    CHECK(x->looked_at_slow <= 2 * SLOW); /* at each once or twice, however many wait for one host */
    CHECK_OK(tlsrpt_send(w->t, SL("one.test"), true, &again));
    CHECK_INT(x->dead, 1);
    CHECK(again.posts == REFUSED && again.later == DEAD);
    CHECK_OK(fiber_sleep(2 * HOUR));
    CHECK_OK(tlsrpt_send(w->t, SL("one.test"), true, &again));
    CHECK_INT(x->dead, 2);
    CHECK(x->quick == QUICK && x->slow == SLOW && again.later == DEAD);
    CHECK_OK(fiber_sleep(4 * 24 * HOUR)); /* the last day: only what was tried in vain is given up */
    CHECK_OK(tlsrpt_send(w->t, SL("one.test"), true, &again));
    CHECK_INT(x->dead, 3);
    CHECK_INT(again.domains, RECEIVERS - DEAD + 1); /* of the others nothing came since */
    CHECK_INT(again.later, DEAD - 1);
    log_set_level(LOG_WARN);
    log_set_sink(hear_end);
    CHECK_OK(fiber_sleep(3 * 24 * HOUR)); /* and then what could not even be tried, with a word */
    CHECK_OK(tlsrpt_send(w->t, SL("one.test"), true, &again));
    log_set_sink(NULL);
    log_set_level(LOG_ERROR + 1);
    CHECK_INT(told_end, 1);
    CHECK_INT(again.later, 0);
    close_all(w);
    return 0;
}

TEST(tlsrpt_a_slow_receiver_delays_no_other)
{
    struct crowd *x = xcalloc(1, sizeof *x);
    struct sim *s = sim_new(7);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.9");
    told_end = 0;
    sim_node_start(n, crowd_day, x);
    sim_run(s, 200 * HOUR);
    CHECK(!sim_node_running(n));
    sim_free(&s);
    free(x);
}

/* ---- damage ---- */

static int told_bad; /* lines of the log that tell of rows */

static void hear(struct slice line)
{
    if (sl_find(line, SL("1 rows about sessions with d0.test cannot be read")) != SL_NONE) told_bad++;
}

static int spoil_tx(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, *(struct slice *)key, SL("\001r"));
    return 0;
}

/* The others are told, and so is that one is missing. */
static int damaged(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct slice *day;
    struct kv_page page;
    size_t n;
    bool more;
    CHECK_OK(open_all(w));
    for (int i = 0; i < GOOD + BAD; i++) session(w, 0, i < GOOD);
    CHECK_OK(dmarc_flush(w->store));
    CHECK_OK(kv_objects(w->store->kv, SL("rt:0"), SL("rt::"), 1, &a, &day, &n, &more));
    CHECK_INT(n, 1);
    if (n != 1) return -1;
    CHECK_OK(kv_scan(w->store->kv, day[0], SL("o/"), SL("o0"), 10, &a, &page));
    CHECK_INT(page.n, 2);
    if (page.n != 2) return -1;
    CHECK_OK(kv_transact(w->store->kv, day[0], spoil_tx, &page.row[0].key));
    log_set_level(LOG_WARN);
    log_set_sink(hear);
    CHECK_OK(days(w));
    log_set_sink(NULL);
    log_set_level(LOG_ERROR + 1);
    CHECK_INT(told_bad, 1);
    CHECK_INT(w->nseen, 1);
    CHECK((w->seen[0].good == GOOD) != (w->seen[0].bad == BAD));
    ar_free(&a);
    close_all(w);
    return 0;
}

TEST(tlsrpt_a_damaged_row_hides_no_other)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct sim *s = sim_new(5);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.9");
    told_bad = 0;
    sim_node_start(n, damaged, w);
    sim_run(s, 100 * 24 * HOUR);
    CHECK(!sim_node_running(n));
    sim_free(&s);
    free(w);
}
