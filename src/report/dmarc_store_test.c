/* dmarc_store_test.c - DMARC reports gathered, sent, received and read again, on a store in memory. */
#include "crypto/crypto.h"
#include "dmarc_store_i.h"
#include "mailauth/mailauth.h"
#include "queue/own_test.h"
#include "queue/queue.h"
#include "store/store_test.h"

static const char zone[] =
    "$ORIGIN test.\n$TTL 300\n@ SOA ns.test. root.test. 1 2 3 4 5\n"
    "one A 192.0.2.1\n_dmarc.one TXT \"v=DMARC1; p=reject; rua=mailto:dmarc-reports@one.test\"\n"
    "two A 192.0.2.2\n_dmarc.two TXT \"v=DMARC1; p=reject; rua=mailto:agg@two.test\"\n"
    "ext A 192.0.2.3\n_dmarc.ext TXT \"v=DMARC1; p=none\"\n"
    "away A 192.0.2.4\n_dmarc.away TXT \"v=DMARC1; p=none\"\nyes._report._dmarc.away TXT \"x\"\n"
    "agreed.test._report._dmarc.away TXT \"v=DMARC1\"\n"
    ";! servfail _dmarc.broken.test\n";

struct tester {
    struct own_way way;
    struct fixture f;
    struct queue *q;
    bool draining; /* the queue's schedule runs */
    struct dns *dns;
    struct dmarc_store *ds;
    unsigned letters;
    char to[4][80];
    struct slice text; /* of the last letter, in the fixture's arena */
};

static void catch_letter(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    for (size_t i = 0; i < at->nrcpt; i++) {
        snprintf(t->to[t->letters++ % 4], sizeof t->to[0], "%.*s", SLF(at->rcpt[i].address));
        CHECK_INT(at->rcpt[i].notify, NOTIFY_NEVER);
        at->rcpt[i].result = ATTEMPT_DELIVERED;
    }
    CHECK_SL(at->letter->sender, "postmaster@one.test");
    CHECK_OK(body_get(t->f.s->body, &at->letter->body, 1 << 20, &t->f.a, &t->text));
}

static int open_reports(struct tester *t)
{
    struct dmarc_store_conf c = {.store = t->f.s,
                                 .take = own_way_take,
                                 .take_ctx = &t->way,
                                 .dns = t->dns,
                                 .hostname = SL("mail.one.test"),
                                 .gather = true};
    return dmarc_store_open(&t->ds, &c);
}

static bool begin(struct tester *t)
{
    *t = (struct tester){0};
    struct queue_conf c = own_way_queue(&t->way, 1);
    t->way = (struct own_way){&t->f.s, &t->q};
    if (!fixture_begin(&t->f)) return false;
    CHECK_OK(domain_add(t->f.s->directory, SL("one.test")));
    CHECK_OK(account_add(t->f.s->directory, SL("alice@one.test"), SL("secret")));
    CHECK_OK(dns_open_zone_text(&t->dns, sl_cstr(zone)));
    CHECK_OK(queue_open(&t->q, t->f.s, &c));
    CHECK_OK(open_reports(t));
    return t->ds != NULL;
}

static void end(struct tester *t)
{
    dmarc_store_close(&t->ds);
    queue_close(&t->q);
    dns_close(&t->dns);
    fixture_end(&t->f);
}

/* A letter from `ip` that claims to be of `domain`, whose record is `text`. */
static void came(struct tester *t, const char *ip, const char *domain, const char *text, bool pass)
{
    struct dmarc_record *r = ar_new(&t->f.a, struct dmarc_record);
    struct mailauth_verdict v = {.disposition = pass ? MAILAUTH_ACCEPT : MAILAUTH_REJECT,
                                 .sentence = SL("made up")};
    struct ip source;
    CHECK(ip_parse(sl_cstr(ip), &source));
    CHECK_OK(dmarc_record_parse(&t->f.a, sl_cstr(text), r));
    v.spf.domain = sl_cstr(domain);
    v.spf.code = pass ? SPF_PASS : SPF_FAIL;
    v.dmarc = (struct dmarc_result){.code = pass ? DMARC_PASS : DMARC_FAIL,
                                    .author = sl_cstr(domain),
                                    .policy_domain = sl_cstr(domain),
                                    .org = sl_cstr(domain),
                                    .record = r,
                                    .tag = "p",
                                    .published = r->p,
                                    .applied = pass ? DMARC_P_NONE : r->p,
                                    .spf_aligned = pass};
    dmarc_store_note(t->ds, &source, &v);
}

static void came_from_two(struct tester *t, unsigned good, unsigned bad)
{
    for (unsigned i = 0; i < good; i++)
        came(t, "192.0.2.2", "two.test", "v=DMARC1; p=reject; rua=mailto:agg@two.test", true);
    for (unsigned i = 0; i < bad; i++)
        came(t, "203.0.113.9", "two.test", "v=DMARC1; p=reject; rua=mailto:agg@two.test", false);
}

static struct dmarc_sent send_now(struct tester *t)
{
    struct dmarc_sent sent;
    CHECK_OK(dmarc_store_send(t->ds, SL("one.test"), true, &sent));
    return sent;
}

static bool is_empty(struct tester *t)
{
    struct queue_stats st;
    CHECK_OK(queue_stats(t->q, &st));
    return st.letters == 0;
}

static void start(struct tester *t)
{
    if (!t->draining) CHECK_OK(queue_start(t->q, catch_letter, t));
    t->draining = true;
}

static void drain(struct tester *t)
{
    start(t);
    for (int i = 0; i < 20000 && !is_empty(t); i++)
        if (fiber_sleep(2 * RT_MS) != 0) break;
    CHECK(is_empty(t));
}

static struct dmarc_report report_in(struct tester *t, struct slice letter)
{
    struct buf xml = BUF_INIT;
    struct dmarc_report r = {0};
    CHECK_OK(dmarc_report_in_message(&t->f.a, letter, &xml));
    CHECK_OK(dmarc_report_parse(&t->f.a, ar_dup(&t->f.a, buf_slice(&xml)), &r));
    buf_free(&xml);
    return r;
}

static uint64_t count_from(const struct dmarc_report *r, const char *ip)
{
    struct ip want;
    uint64_t n = 0;
    CHECK(ip_parse(sl_cstr(ip), &want));
    for (size_t i = 0; i < r->n; i++)
        if (ip_eq(&r->row[i].source, &want)) n += r->row[i].count;
    return n;
}

/* Rows of today's object that begin with prefix. */
static size_t rows(struct tester *t, const char *object, const char *prefix)
{
    struct kv_page page;
    struct slice from = sl_cstr(prefix);
    CHECK_OK(dmarc_flush(t->f.s));
    CHECK_OK(kv_scan(t->f.s->kv, sl_cstr(object), from, kv_prefix_end(&t->f.a, from), KV_PAGE_MAX, &t->f.a,
                     &page));
    return page.n;
}

static const char *today(struct tester *t)
{
    return ar_cstr(&t->f.a, ar_cat(&t->f.a, SL("r:"), dmarc_day_text(&t->f.a, rt_wall_seconds())));
}

TEST(dmarc_store_counts_and_sends_once)
{
    struct tester t;
    REQUIRE(begin(&t));
    came_from_two(&t, 5, 3);
    came(&t, "192.0.2.7", "quiet.test", "v=DMARC1; p=reject", true); /* asks for nothing */
    CHECK_INT(rows(&t, today(&t), "o/"), 2);
    struct dmarc_sent sent = send_now(&t);
    CHECK_INT(sent.domains, 1);
    CHECK_INT(sent.letters, 1);
    CHECK_INT(rows(&t, today(&t), "o/"), 0);
    drain(&t);
    REQUIRE(t.letters == 1);
    CHECK_SL(sl_cstr(t.to[0]), "agg@two.test");
    struct dmarc_report r = report_in(&t, t.text);
    CHECK_INT(r.n, 2);
    CHECK_INT(count_from(&r, "192.0.2.2"), 5);
    CHECK_INT(count_from(&r, "203.0.113.9"), 3);
    CHECK_SL(r.published.domain, "two.test");
    CHECK_SL(r.org_name, "one.test");
    CHECK_SL(r.email, "postmaster@one.test");
    CHECK(r.begin % 86400 == 0 && r.end >= r.begin && r.end <= rt_wall_seconds());

    sent = send_now(&t); /* nothing is new */
    CHECK_INT(sent.domains + sent.letters + sent.later, 0);
    came_from_two(&t, 1, 0); /* not added to what was told */
    sent = send_now(&t);
    CHECK_INT(sent.letters, 1);
    drain(&t);
    struct dmarc_report again = report_in(&t, t.text);
    CHECK_INT(count_from(&again, "192.0.2.2"), 1);
    CHECK_INT(again.n, 1);
    CHECK(again.begin == r.end + 1 && !sl_eq(again.report_id, r.report_id)); /* periods do not overlap */
    end(&t);
}

TEST(dmarc_store_counts_go_on_after_a_restart)
{
    struct tester t;
    REQUIRE(begin(&t));
    came_from_two(&t, 4, 0);
    CHECK_OK(dmarc_flush(t.f.s));
    dmarc_store_close(&t.ds);
    CHECK_OK(open_reports(&t));
    came_from_two(&t, 3, 1);
    CHECK_INT(send_now(&t).letters, 1);
    drain(&t);
    struct dmarc_report r = report_in(&t, t.text);
    CHECK_INT(r.n, 2); /* the two generations of a row are one */
    CHECK_INT(count_from(&r, "192.0.2.2"), 7);
    end(&t);
}

TEST(dmarc_store_days_that_are_over)
{
    struct tester t;
    struct dmarc_sent sent;
    struct kv_page page;
    REQUIRE(begin(&t));
    int64_t day = rt_wall_seconds() / DMARC_DAY_S * DMARC_DAY_S - DMARC_DAY_S;
    came_from_two(&t, 2, 2);
    CHECK_OK(dmarc_flush(t.f.s));
    CHECK_OK(kv_scan(t.f.s->kv, sl_cstr(today(&t)), SL(""), SL(""), 100, &t.f.a, &page));
    dmarc_store_rotate(t.ds);
    struct slice yesterday = ar_cat(&t.f.a, SL("r:"), dmarc_day_text(&t.f.a, day));
    struct slice long_ago = ar_cat(&t.f.a, SL("r:"), dmarc_day_text(&t.f.a, day - 20 * DMARC_DAY_S));
    for (size_t i = 0; i < page.n; i++) kv_note(t.f.s->kv, yesterday, page.row[i].key, page.row[i].value);
    for (size_t i = 0; i < page.n; i++) kv_note(t.f.s->kv, long_ago, page.row[i].key, page.row[i].value);
    CHECK_OK(dmarc_store_send(t.ds, SL("one.test"), false, &sent));
    CHECK_INT(sent.letters, 1); /* today has to wait, what is too old is dropped */
    drain(&t);
    struct dmarc_report r = report_in(&t, t.text);
    CHECK_INT(r.begin, day);
    CHECK_INT(r.end, day + DMARC_DAY_S - 1);
    CHECK_INT(rows(&t, ar_cstr(&t.f.a, yesterday), "o/"), 0);
    CHECK_INT(rows(&t, ar_cstr(&t.f.a, yesterday), "p/"), 0);
    CHECK_INT(rows(&t, ar_cstr(&t.f.a, yesterday), "s/"), 1);
    CHECK_INT(rows(&t, ar_cstr(&t.f.a, long_ago), ""), 0);
    CHECK_INT(rows(&t, today(&t), "o/"), 2);
    end(&t);
}

/* What a crash after each durable step leaves is made by failing the steps after it. */
TEST(dmarc_store_repeats_with_the_same_name)
{
    struct tester t;
    struct slice row;
    REQUIRE(begin(&t));
    came_from_two(&t, 2, 0);
    CHECK_OK(dmarc_flush(t.f.s));
    dmarc_store_rotate(t.ds);
    start(&t);
    CHECK_INT(send_now(&t).letters, 1);
    drain(&t);
    REQUIRE(t.letters == 1);
    struct dmarc_report first = report_in(&t, t.text);
    /* back to "promised", rows there again: as if the machine had died before "sent" was written */
    CHECK_OK(kv_get(t.f.s->kv, sl_cstr(today(&t)), SL("s/two.test"), &t.f.a, &row));
    struct buf b = BUF_INIT;
    buf_put(&b, row);
    REQUIRE(b.n > 4 && b.p[1] == 's' && b.p[3] == 3);
    b.p[3] = 1;
    kv_note(t.f.s->kv, sl_cstr(today(&t)), SL("s/two.test"), buf_slice(&b));
    buf_free(&b);
    dmarc_store_close(&t.ds);
    CHECK_OK(open_reports(&t));
    came_from_two(&t, 9, 0); /* later than the promise: not part of it */
    struct dmarc_sent sent = send_now(&t);
    CHECK_INT(sent.later, 0);
    drain(&t);
    CHECK_INT(t.letters, 1); /* no second letter under that name */
    CHECK_INT(rows(&t, today(&t), "o/"), 1);
    CHECK_INT(send_now(&t).letters, 1); /* and these in the next report */
    drain(&t);
    struct dmarc_report next = report_in(&t, t.text);
    CHECK_INT(count_from(&next, "192.0.2.2"), 9);
    CHECK(next.begin == first.end + 1);
    end(&t);
}

TEST(dmarc_store_store_errors_lose_nothing)
{
    struct tester t;
    struct dmarc_sent sent;
    REQUIRE(begin(&t));
    came_from_two(&t, 2, 1);
    for (unsigned failing = 0; failing < 2; failing++) {
        CHECK_OK(dmarc_flush(t.f.s));
        kv_mem_inject(t.f.s->kv, failing ? KV_FAULT_FULL : KV_FAULT_IO, 1000);
        (void)!dmarc_store_send(t.ds, SL("one.test"), true, &sent);
        CHECK_INT(sent.letters, 0);
        kv_mem_inject(t.f.s->kv, KV_FAULT_NONE, 0);
    }
    CHECK_INT(send_now(&t).letters, 1);
    drain(&t);
    struct dmarc_report r = report_in(&t, t.text);
    CHECK_INT(count_from(&r, "192.0.2.2"), 2);
    CHECK_INT(count_from(&r, "203.0.113.9"), 1);
    end(&t);
}

TEST(dmarc_store_only_where_it_is_wanted)
{
    struct tester t;
    REQUIRE(begin(&t));
    came(&t, "192.0.2.5", "stranger.test", "v=DMARC1; p=none; rua=mailto:victim@ext.test", false);
    came(&t, "192.0.2.5", "agreed.test", "v=DMARC1; p=none; rua=mailto:in@away.test", true);
    came(&t, "192.0.2.5", "small.test", "v=DMARC1; p=none; rua=mailto:a@small.test!10", true);
    came(&t, "192.0.2.5", "large.test", "v=DMARC1; p=none; rua=mailto:a@large.test!10m,mailto:b@large.test",
         true);
    struct dmarc_sent sent = send_now(&t);
    CHECK_INT(sent.domains, 4);
    CHECK_INT(sent.letters, 3);
    drain(&t);
    CHECK_INT(t.letters, 3);
    for (unsigned i = 0; i < 3; i++) CHECK(!strstr(t.to[i], "victim") && !strstr(t.to[i], "small"));
    CHECK_INT(rows(&t, today(&t), "o/"), 0);
    came(&t, "192.0.2.5", "later.test", "v=DMARC1; p=none; rua=mailto:in@broken.test",
         true); /* the DNS does not answer */
    sent = send_now(&t);
    CHECK_INT(sent.later, 1);
    CHECK_INT(rows(&t, today(&t), "o/"), 1);
    end(&t);
}

TEST(dmarc_store_many_domains)
{
    struct tester t;
    enum { DOMAINS = 450 };
    REQUIRE(begin(&t));
    for (unsigned i = 0; i < DOMAINS; i++) {
        char *domain = ar_cstr(&t.f.a, ar_printf(&t.f.a, "d%u.test", i));
        bool away = i % 10 == 0; /* one in ten has a consumer whose DNS is down */
        char *text = ar_cstr(
            &t.f.a, ar_printf(&t.f.a, "v=DMARC1; p=none; rua=mailto:in@%s", away ? "broken.test" : domain));
        came(&t, "192.0.2.5", domain, text, true);
    }
    struct dmarc_sent sent = send_now(&t);
    CHECK_INT(sent.letters, DOMAINS - DOMAINS / 10);
    CHECK_INT(sent.later, DOMAINS / 10);
    CHECK_INT(rows(&t, today(&t), "o/"), DOMAINS / 10);
    drain(&t);
    CHECK_INT(t.letters, DOMAINS - DOMAINS / 10);
    end(&t);
}

static void send_again(void *arg)
{
    struct dmarc_sent sent;
    CHECK_ERR(dmarc_store_send(arg, SL("one.test"), true, &sent), ERR_BUSY);
}

TEST(dmarc_store_sends_one_at_a_time)
{
    struct tester t;
    struct group g;
    REQUIRE(begin(&t));
    came_from_two(&t, 1, 0);
    group_init(&g);
    CHECK_OK(group_go(&g, "again", send_again, t.ds)); /* runs when the first waits */
    CHECK_INT(send_now(&t).letters, 1);
    group_wait(&g);
    CHECK_INT(send_now(&t).letters, 0);
    end(&t);
}

TEST(dmarc_store_rows_are_bounded)
{
    struct tester t;
    REQUIRE(begin(&t));
    for (uint32_t i = 0; i < DMARC_GATHER_ROWS + 10; i++) {
        char ip[32];
        snprintf(ip, sizeof ip, "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
        came(&t, ip, "two.test", "v=DMARC1; p=reject; rua=mailto:agg@two.test", true);
        if (i % 1000 == 0) CHECK_OK(dmarc_flush(t.f.s));
        ar_reset(&t.f.a);
    }
    CHECK_INT(t.ds->rows, DMARC_GATHER_ROWS);
    CHECK_INT(t.ds->dropped, 10);
    came(&t, "10.0.0.1", "two.test", "v=DMARC1; p=reject; rua=mailto:agg@two.test",
         true); /* a known row goes on */
    CHECK_INT(t.ds->dropped, 10);
    CHECK_INT(send_now(&t).letters, 1);
    CHECK_INT(t.ds->dropped, 0);
    CHECK_INT(rows(&t, today(&t), "o/"), 0);
    end(&t);
}

TEST(dmarc_store_our_own_domain_stays_here)
{
    struct tester t;
    struct dmarc_history h;
    REQUIRE(begin(&t));
    for (int i = 0; i < 3; i++)
        came(&t, "203.0.113.9", "one.test", "v=DMARC1; p=reject; rua=mailto:dmarc-reports@one.test", false);
    struct dmarc_sent sent = send_now(&t);
    CHECK_INT(sent.letters, 0);
    CHECK_INT(sent.kept, 1);
    CHECK(is_empty(&t));
    CHECK_OK(dmarc_store_read(t.ds, &t.f.a, SL("one.test"), 0, &h));
    CHECK_INT(h.reports, 1);
    REQUIRE(h.n == 1);
    CHECK_INT(h.line[0].count, 3);
    CHECK(h.line[0].disposition == DMARC_D_REJECT && !h.line[0].spf && !h.line[0].dkim);
    CHECK_SL(h.line[0].reporter[0], "one.test");
    CHECK_INT(h.failing, 3);
    end(&t);
}

TEST(dmarc_store_odd_domains_have_keys)
{
    struct arena a;
    char text[260];
    ar_init(&a, 0);
    CHECK_SL(hash_name(&a, SL("One.Test")), "one.test");
    CHECK_INT(hash_name(&a, SL("a/b.test")).n, 33);
    CHECK_INT(hash_name(&a, SL("")).n, 33);
    memset(text, 'a', sizeof text);
    CHECK_INT(hash_name(&a, sl(text, 253)).n, 33);
    ar_free(&a);
}

/* ---- receiving ---- */

static struct slice report_xml(struct tester *t, const char *domain, const char *id, int64_t end_at,
                               unsigned nrows, bool reject)
{
    struct buf b = BUF_INIT;
    struct dmarc_report_meta m = {.org_name = SL("Reporter Inc."),
                                  .email = SL("r@two.test"),
                                  .report_id = sl_cstr(id),
                                  .begin = end_at - 86399,
                                  .end = end_at,
                                  .generator = SL("test")};
    struct dmarc_published p = {.domain = sl_cstr(domain), .p = DMARC_P_REJECT};
    dmarc_xml_begin(&b, &m, &p);
    for (unsigned i = 0; i < nrows; i++) {
        struct dmarc_row row = {.source = {4, {192, 0, (uint8_t)(i >> 8), (uint8_t)i}},
                                .count = i + 1,
                                .header_from = sl_cstr(domain),
                                .spf_domain = sl_cstr(domain),
                                .spf_result = SL("fail"),
                                .disposition = reject ? DMARC_D_REJECT : DMARC_D_NONE,
                                .dkim_aligned = !reject};
        dmarc_xml_row(&b, &row);
    }
    dmarc_xml_end(&b);
    struct slice xml = ar_dup(&t->f.a, buf_slice(&b));
    buf_free(&b);
    return xml;
}

static struct slice report_letter(struct tester *t, struct slice xml)
{
    struct buf gz = BUF_INIT, out = BUF_INIT;
    CHECK_OK(dmarc_gzip(&gz, xml));
    struct dmarc_mail m = {.from = SL("r@two.test"),
                           .to = SL("dmarc-reports@one.test"),
                           .policy_domain = SL("one.test"),
                           .submitter = SL("two.test"),
                           .report_id = SL("x@two.test"),
                           .begin = 1,
                           .end = 2,
                           .date = 3,
                           .gzip = buf_slice(&gz)};
    dmarc_report_message(&out, &m);
    struct slice text = ar_dup(&t->f.a, buf_slice(&out));
    buf_free(&gz);
    buf_free(&out);
    return text;
}

static void take(struct tester *t, struct slice letter_text, const char *author)
{
    struct body_ref ref;
    struct letter_id id;
    letter_id_new(&id);
    CHECK_OK(body_put(t->f.s->body, BODY_MAIL, letter_text, SL(""), &ref));
    dmarc_store_take(t->ds, &id, &ref, sl_cstr(author));
    body_unpin(t->f.s->body, &ref);
}

static struct dmarc_history read_all(struct tester *t, int64_t since)
{
    struct dmarc_history h = {0};
    CHECK_OK(dmarc_store_read(t->ds, &t->f.a, SL("one.test"), since, &h));
    return h;
}

static int put_head(struct kv_tx *tx, void *arg)
{
    struct buf b = BUF_INIT;
    dmarc_kept_put(&b, arg);
    kv_tx_put_record(tx, SL("h/20990101/0123456789abcdef"), &b);
    buf_free(&b);
    return 0;
}

TEST(dmarc_history_ends_when_a_head_lies_about_its_rows)
{
    struct tester t;
    struct dmarc_kept k = {.org = SL("o"), .author = SL("o.test"), .end = 1, .chunks = UINT64_C(1) << 40};
    REQUIRE(begin(&t));
    CHECK_OK(kv_transact(t.f.s->kv, dmarc_in_object(&t.f.a, SL("one.test")), put_head, &k));
    CHECK_INT(read_all(&t, 0).reports, 1);
    end(&t);
}

TEST(dmarc_intake_keeps_each_report_once)
{
    struct tester t;
    REQUIRE(begin(&t));
    int64_t now = rt_wall_seconds();
    struct slice good = report_letter(&t, report_xml(&t, "one.test", "1@two.test", now - 86400, 2, false));
    take(&t, good, "two.test");
    take(&t, good, "two.test");
    take(&t, report_letter(&t, report_xml(&t, "sub.one.test", "1@three.test", now - 10, 1, true)),
         "Three.test");
    take(&t, report_letter(&t, report_xml(&t, "one.test", "9@four.test", now - 10, 1, true)),
         ""); /* not proved */
    struct dmarc_history h = read_all(&t, 0);
    CHECK_INT(h.reports, 2);
    CHECK_INT(h.unproved, 1);
    CHECK_INT(h.passing, 3);
    CHECK_INT(h.failing, 1);
    REQUIRE(h.n == 3);
    CHECK_INT(h.line[0].count, 2);
    CHECK(h.line[0].dkim && !h.line[0].spf && h.line[0].source.b[3] == 1);
    CHECK_SL(h.line[0].reporter[0], "two.test");
    CHECK_INT(read_all(&t, now - 3600).reports, 1);
    CHECK_INT(read_all(&t, now + 90000).reports, 0);
    CHECK_ERR(dmarc_store_read(t.ds, &t.f.a, SL("two.test"), 0, &h), ERR_NOT_FOUND);
    end(&t);
}

TEST(dmarc_intake_same_sources_are_one_line)
{
    struct tester t;
    REQUIRE(begin(&t));
    int64_t now = rt_wall_seconds();
    take(&t, report_letter(&t, report_xml(&t, "one.test", "1@two.test", now, 1, true)), "two.test");
    take(&t, report_letter(&t, report_xml(&t, "one.test", "2@two.test", now, 1, true)), "two.test");
    take(&t, report_letter(&t, report_xml(&t, "one.test", "1@two.test", now, 1, true)),
         "three.test"); /* another reporter's id */
    struct dmarc_history h = read_all(&t, 0);
    CHECK_INT(h.reports, 3);
    REQUIRE(h.n == 1);
    CHECK_INT(h.line[0].count, 3);
    CHECK_INT(h.line[0].nreporter, 2);
    end(&t);
}

TEST(dmarc_intake_refuses_what_is_none)
{
    struct tester t;
    REQUIRE(begin(&t));
    int64_t now = rt_wall_seconds();
    struct slice xml = report_xml(&t, "one.test", "1@two.test", now, 1, true);
    CHECK_ERR(dmarc_intake(t.ds, SL("Subject: x\r\n\r\nhello\r\n"), false, SL(""), SL("two.test")),
              ERR_NOT_FOUND);
    CHECK_ERR(dmarc_intake(t.ds, SL(""), false, SL(""), SL("two.test")), ERR_NOT_FOUND);
    CHECK_ERR(dmarc_intake(t.ds, sl_sub(xml, 0, xml.n / 2), true, SL(""), SL("two.test")), ERR_SYNTAX);
    CHECK_ERR(dmarc_intake(t.ds, SL("<!DOCTYPE x [<!ENTITY a \"b\">]><feedback>&a;</feedback>"), true, SL(""),
                           SL("two.test")),
              ERR_DENIED);
    CHECK_ERR(dmarc_intake(t.ds, report_xml(&t, "two.test", "1@two.test", now, 1, true), true, SL(""),
                           SL("two.test")),
              ERR_NOT_FOUND);
    CHECK_ERR(dmarc_intake(t.ds, report_xml(&t, "one.test", "1@two.test", now + 10 * 86400, 1, true), true,
                           SL(""), SL("two.test")),
              ERR_SYNTAX);
    CHECK_ERR(dmarc_intake(t.ds, report_xml(&t, "one.test", "1@two.test", now - 90 * 86400, 1, true), true,
                           SL(""), SL("two.test")),
              ERR_SYNTAX);
    take(&t, report_letter(&t, SL("<feedback>")), "two.test"); /* only told in the log */
    CHECK_INT(read_all(&t, 0).reports, 0);
    CHECK_OK(dmarc_intake(t.ds, xml, true, SL(""), SL("two.test")));
    CHECK_ERR(dmarc_intake(t.ds, xml, true, SL(""), SL("two.test")), ERR_EXISTS);
    end(&t);
}

TEST(dmarc_intake_is_bounded)
{
    struct tester t;
    char id[40];
    int64_t now = rt_wall_seconds();
    REQUIRE(begin(&t));
    for (int i = 0; i < DMARC_IN_OF_ONE + 1; i++) { /* one reporter */
        snprintf(id, sizeof id, "%d@two.test", i);
        int e =
            dmarc_intake(t.ds, report_xml(&t, "one.test", id, now, 1, true), true, SL(""), SL("two.test"));
        CHECK_ERR(e, i < DMARC_IN_OF_ONE ? 0 : ERR_LIMIT);
    }
    for (int i = 0; i < DMARC_IN_UNPROVED + 1; i++) { /* anybody */
        snprintf(id, sizeof id, "%d@any.test", i);
        int e = dmarc_intake(t.ds, report_xml(&t, "one.test", id, now, 1, true), true, SL(""), SL(""));
        CHECK_ERR(e, i < DMARC_IN_UNPROVED ? 0 : ERR_LIMIT);
    }
    CHECK_OK(dmarc_intake(t.ds, report_xml(&t, "one.test", "big@four.test", now, DMARC_IN_ROWS + 100, false),
                          true, SL(""), SL("four.test")));
    struct dmarc_history h = read_all(&t, 0);
    uint64_t want = (uint64_t)(DMARC_IN_ROWS + 100) * (DMARC_IN_ROWS + 101) / 2, listed = 0;
    CHECK_INT(h.reports, DMARC_IN_OF_ONE + 1);
    CHECK_INT(h.unproved, DMARC_IN_UNPROVED);
    CHECK_INT(h.passing, want);
    CHECK(h.not_listed > 0);
    for (size_t i = 0; i < h.n; i++) listed += h.line[i].count;
    CHECK_INT(listed + h.not_listed, h.passing + h.failing);
    end(&t);
}

TEST(dmarc_intake_is_forgotten)
{
    struct tester t;
    struct kv_page page;
    REQUIRE(begin(&t));
    CHECK_OK(dmarc_intake(t.ds, report_xml(&t, "one.test", "1@two.test", rt_wall_seconds(), 3, true), true,
                          SL(""), SL("two.test")));
    CHECK_OK(dmarc_store_expire(t.ds));
    CHECK_INT(read_all(&t, 0).reports, 1);
    /* the same rows under a day long ago */
    CHECK_OK(kv_scan(t.f.s->kv, SL("r:in:one.test"), SL(""), SL(""), 100, &t.f.a, &page));
    size_t before = page.n;
    for (size_t i = 0; i < page.n; i++) {
        struct slice key = page.row[i].key;
        if (key.n < 12 || key.p[1] != '/') continue;
        kv_note(t.f.s->kv, SL("r:in:one.test"),
                ar_printf(&t.f.a, "%c/20200102%.*s", key.p[0], SLF(sl_from(key, 10))), page.row[i].value);
    }
    CHECK(rows(&t, "r:in:one.test", "") > before);
    CHECK_OK(dmarc_store_expire(t.ds));
    CHECK_INT(rows(&t, "r:in:one.test", ""), before);
    CHECK_INT(read_all(&t, 0).reports, 1);
    end(&t);
}
