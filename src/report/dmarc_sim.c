/* dmarc_sim.c - a day of DMARC reports in the simulator, with a power cut at every durable step.
 *
 * Whatever is cut: every letter that was counted on the disk is told exactly once; a report that
 * is sent again is the same letter with the same report id; rows that were told are gone. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "dmarc_store_i.h"
#include "mailauth/mailauth.h"
#include "queue/own_test.h"
#include "queue/queue.h"
#include "sim/power.h"
#include "store/mailbox.h"

enum { DOMAINS = 3, SEEN_MAX = 32, GOOD = 5, BAD = 2 };
#define HOUR (3600 * RT_S)
#define ACC "acc1"

static const char zone[] = "$ORIGIN test.\n$TTL 300\n@ SOA ns.test. root.test. 1 2 3 4 5\n"
                           "one A 192.0.2.1\nd0 A 192.0.2.2\nd1 A 192.0.2.3\nd2 A 192.0.2.4\n";

struct seen { /* one report, as the other side got it */
    char domain[32], report_id[128];
    struct letter_id letter;
    uint64_t count;
};
struct world {
    struct power p;
    struct own_way way;
    struct store *store;
    struct queue *queue;
    struct dns *dns;
    struct dmarc_store *ds;
    struct seen seen[SEEN_MAX];
    size_t nseen;
    bool durable; /* what was counted is on the disk */
    bool early;   /* reports are asked for before the day is over, too */
    uint64_t left, own;
};

static void keep_seen(struct world *w, const struct letter_id *id, const struct dmarc_report *r)
{
    struct seen s = {.letter = *id};
    snprintf(s.domain, sizeof s.domain, "%.*s", SLF(r->published.domain));
    snprintf(s.report_id, sizeof s.report_id, "%.*s", SLF(r->report_id));
    for (size_t i = 0; i < r->n; i++) s.count += r->row[i].count;
    for (size_t i = 0; i < w->nseen; i++) {
        if (strcmp(w->seen[i].report_id, s.report_id)) continue;
        CHECK(!strcmp(w->seen[i].letter.s, s.letter.s)); /* never two letters of one report */
        CHECK_INT(w->seen[i].count, s.count);
        return;
    }
    if (w->nseen < SEEN_MAX) w->seen[w->nseen++] = s;
}

static void other_side(void *ctx, struct attempt_letter *at)
{
    struct world *w = ctx;
    struct arena a = {0};
    struct buf xml = BUF_INIT;
    struct slice text;
    struct dmarc_report r;
    bool read = body_get(w->store->body, &at->letter->body, 1 << 20, &a, &text) == 0;
    if (read) CHECK_OK(dmarc_report_in_message(&a, text, &xml));
    if (read) CHECK_OK(dmarc_report_parse(&a, buf_slice(&xml), &r));
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].result = read ? ATTEMPT_DELIVERED : ATTEMPT_TEMPORARY;
    if (read) keep_seen(w, &at->letter->id, &r);
    buf_free(&xml);
    ar_free(&a);
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
    w->ds = NULL;
    int e = kv_mem_open(&kv, "kv.log");
    if (e) return e;
    if ((e = body_open(&b, "body", 1 << 20)) != 0) {
        kv_close(&kv);
        return e;
    }
    e = store_open(&w->store, kv, b);
    if (!e) e = domain_add(w->store->directory, SL("one.test"));
    if (e == ERR_EXISTS) e = 0;
    if (!e) e = queue_open(&w->queue, w->store, &c);
    if (!e) e = queue_start(w->queue, other_side, w);
    if (!e) e = dns_open_zone_text(&w->dns, sl_cstr(zone));
    struct dmarc_store_conf rc = {.store = w->store,
                                  .take = own_way_take,
                                  .take_ctx = &w->way,
                                  .dns = w->dns,
                                  .hostname = c.hostname,
                                  .gather = true};
    return e ? e : dmarc_store_open(&w->ds, &rc);
}

static void close_all(struct world *w)
{
    dmarc_store_close(&w->ds);
    if (w->queue) queue_close(&w->queue);
    if (w->store) store_close(&w->store);
    if (w->dns) dns_close(&w->dns);
}

static void came(struct world *w, const char *domain, bool pass)
{
    struct arena a = {0};
    struct dmarc_record *r = ar_new(&a, struct dmarc_record);
    struct ip source = {4, {192, 0, 2, pass ? 1 : 66}};
    bool own = !strcmp(domain, "one.test");
    struct slice text =
        ar_printf(&a, "v=DMARC1; p=reject; rua=mailto:%s@%s", own ? DMARC_REPORTS_LOCAL : "in", domain);
    CHECK_OK(dmarc_record_parse(&a, text, r));
    struct mailauth_verdict v = {.disposition = pass ? MAILAUTH_ACCEPT : MAILAUTH_REJECT,
                                 .sentence = SL("made up")};
    v.dmarc = (struct dmarc_result){.code = pass ? DMARC_PASS : DMARC_FAIL,
                                    .author = sl_cstr(domain),
                                    .policy_domain = sl_cstr(domain),
                                    .record = r,
                                    .published = DMARC_P_REJECT,
                                    .spf_aligned = pass};
    dmarc_store_note(w->ds, &source, &v);
    ar_free(&a);
}

static int days(struct world *w)
{
    int e = 0;
    for (int i = 0; !e && i < 30; i++) {
        struct dmarc_sent sent;
        e = dmarc_store_send(w->ds, SL("one.test"), w->early, &sent);
        if (!e) e = fiber_sleep(HOUR);
    }
    return e;
}

static int first_days(void *arg)
{
    static const char *const domain[] = {"d0.test", "d1.test", "d2.test", "one.test"};
    struct world *w = arg;
    int e = open_all(w);
    for (size_t d = 0; !e && d < COUNT_OF(domain); d++) {
        for (int i = 0; i < GOOD; i++) came(w, domain[d], true);
        for (int i = 0; i < BAD; i++) came(w, domain[d], false);
    }
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
    struct dmarc_history h = {0};
    struct queue_stats st = {0};
    size_t n = 0;
    bool more;
    int e = open_all(w);
    if (!e) e = kv_objects(w->store->kv, SL("r:0"), SL("r::"), 100, &a, &name, &n, &more);
    for (size_t i = 0; !e && i < n; i++) {
        struct kv_page page;
        e = kv_scan(w->store->kv, name[i], SL("o/"), SL("o0"), 1000, &a, &page);
        if (!e) w->left += page.n;
    }
    if (!e) e = dmarc_store_read(w->ds, &a, SL("one.test"), 0, &h);
    if (!e) e = queue_stats(w->queue, &st);
    CHECK_OK(e);
    w->own = h.passing + h.failing;
    CHECK_INT(st.letters, 0);
    CHECK(h.reports <= 1);
    ar_free(&a);
    close_all(w);
    return 0;
}

/* Exactly what was counted, when it was on the disk before the power went; else at most that. */
static void check_told(void *arg)
{
    const struct world *w = arg;
    uint64_t told[DOMAINS] = {0}, all = GOOD + BAD;
    for (size_t i = 0; i < w->nseen; i++)
        for (unsigned d = 0; d < DOMAINS; d++)
            if (w->seen[i].domain[1] == (char)('0' + d)) told[d] += w->seen[i].count;
    for (int d = 0; d < DOMAINS; d++)
        if (w->durable ? told[d] != all : told[d] > all)
            test_fail(__FILE__, __LINE__, "domain %d: %llu letters are told", d, (unsigned long long)told[d]);
    if (w->durable ? w->own != all : w->own > all)
        test_fail(__FILE__, __LINE__, "%llu letters are kept", (unsigned long long)w->own);
    CHECK_INT(w->left, 0);
    if (!w->p.cuts) CHECK(w->durable);
    if (!w->p.cuts) CHECK_INT(w->nseen, DOMAINS);
}

static void early(void *arg) { ((struct world *)arg)->early = true; }

static void cut_everywhere(void (*begin)(void *))
{
    power_cut_everywhere(&(struct power_test){.loops = 2,
                                              .size = sizeof(struct world),
                                              .begin = begin,
                                              .work = first_days,
                                              .again = more_days,
                                              .stock = take_stock,
                                              .check = check_told,
                                              .least = 20});
}

TEST(dmarc_a_power_cut_at_any_step_tells_all_once) { cut_everywhere(NULL); }
TEST(dmarc_early_reports_too) { cut_everywhere(early); }
