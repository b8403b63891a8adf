/* cache_test.c - the cache in front of a slow resolver, and master files that change. */
#include <stdlib.h>

#include "dns_i.h"
#include "rt/file.h"
#include "rt/test_rt.h"

#define NOBODY ((struct dns_asker){0})

struct slow {
    struct flight *pending[8];
    size_t n, started;
    bool at_once;
    struct dns_answer answer;
};

static void slow_start(void *ctx, struct flight *f)
{
    struct slow *s = ctx;
    s->started++;
    if (s->at_once) flight_finish(f, &s->answer);
    else s->pending[s->n++] = f;
}

static struct dns_answer mx_answer(uint32_t ttl)
{
    static struct dns_rr rr[2];
    rr[0] = (struct dns_rr){.ttl = ttl, .mx = {10, SL("a.test")}};
    rr[1] = (struct dns_rr){.ttl = ttl, .mx = {20, SL("b.test")}};
    return (struct dns_answer){
        .status = DNS_FOUND, .ttl = ttl, .canon = SL("x.test"), .rr = rr, .n = 2, .secure = true};
}

TEST(cache_keeps_answers)
{
    struct arena a = {0};
    struct slow s = {.at_once = true, .answer = mx_answer(100)};
    struct cache *c = cache_new(100000, slow_start, &s);
    struct dns_answer r;
    struct cache_stats st;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(cache_ask(c, &a, NOBODY, SL("x.test"), DNS_MX, &r));
        CHECK(r.status == DNS_FOUND && r.n == 2 && r.secure);
        CHECK_SL(r.rr[1].mx.host, "b.test");
        CHECK_SL(r.canon, "x.test");
        CHECK(r.ttl <= 100 && r.ttl >= 98 && r.rr[0].ttl == r.ttl);
    }
    CHECK_INT(s.started, 1);
    CHECK_OK(cache_ask(c, &a, NOBODY, SL("x.test"), DNS_SRV, &r)); /* another type is another question */
    CHECK_INT(s.started, 2);
    s.answer = (struct dns_answer){.status = DNS_NXDOMAIN, .ttl = 0};
    CHECK_OK(cache_ask(c, &a, NOBODY, SL("zero.test"), DNS_A, &r)); /* ttl 0 is not kept */
    CHECK_OK(cache_ask(c, &a, NOBODY, SL("zero.test"), DNS_A, &r));
    CHECK_INT(s.started, 4);
    cache_stats(c, &st);
    CHECK(st.hits == 2 && st.asked == 4);
    cache_free(&c);
    ar_free(&a);
}

TEST(cache_is_bounded)
{
    struct arena a = {0};
    struct slow s = {.at_once = true, .answer = mx_answer(1000)};
    struct cache *c = cache_new(5000, slow_start, &s);
    struct dns_answer r;
    struct cache_stats st;
    for (int i = 0; i < 200; i++) {
        CHECK_OK(cache_ask(c, &a, NOBODY, ar_printf(&a, "n%d.test", i), DNS_MX, &r));
        CHECK_OK(cache_ask(c, &a, NOBODY, SL("n0.test"), DNS_MX, &r)); /* used often: stays */
    }
    cache_stats(c, &st);
    CHECK(st.bytes <= 5000 && st.entries > 3 && st.entries < 50);
    CHECK_INT(s.started, 200);
    cache_free(&c);
    c = cache_new(1, slow_start, &s); /* smaller than one entry: answers still arrive */
    CHECK_OK(cache_ask(c, &a, NOBODY, SL("n0.test"), DNS_MX, &r));
    CHECK_INT(r.n, 2);
    cache_free(&c);
    ar_free(&a);
}

struct asker {
    struct cache *c;
    int64_t wait;
    int result;
    size_t records;
};
static void asker(void *arg)
{
    struct asker *k = arg;
    struct arena a = {0};
    struct dns_answer r = {0};
    deadline_narrow(DEADLINE_IN(k->wait));
    k->result = cache_ask(k->c, &a, NOBODY, SL("x.test"), DNS_MX, &r);
    k->records = r.n;
    ar_free(&a);
}

TEST(cache_joins_questions)
{
    struct slow s = {0};
    struct cache *c = cache_new(100000, slow_start, &s);
    struct asker k[3] = {{c, 10 * RT_S, 1, 0}, {c, 10 * RT_S, 1, 0}, {c, 20 * RT_MS, 1, 0}};
    struct group g, impatient;
    struct cache_stats st;
    group_init(&g);
    group_init(&impatient);
    CHECK_OK(group_go(&g, "asker", asker, &k[0]));
    CHECK_OK(group_go(&g, "asker", asker, &k[1]));
    CHECK_OK(group_go(&impatient, "asker", asker, &k[2]));
    CHECK_OK(group_wait(&impatient));
    CHECK_ERR(k[2].result, ERR_TIMEOUT); /* one gives up, the question goes on */
    REQUIRE(s.n == 1);
    s.answer = mx_answer(100);
    flight_finish(s.pending[0], &s.answer);
    CHECK_OK(group_wait(&g));
    CHECK(k[0].result == 0 && k[1].result == 0 && k[0].records == 2 && k[1].records == 2);
    cache_stats(c, &st);
    CHECK(st.joined == 2 && st.asked == 1);

    struct asker late = {c, RT_S, 1, 0};
    CHECK_OK(group_go(&g, "asker", asker, &late)); /* from the cache */
    CHECK_OK(group_wait(&g));
    CHECK(late.result == 0 && late.records == 2 && s.started == 1);
    cache_free(&c);
}

static int ask_from_loop(void *arg)
{
    asker(arg);
    return 0;
}

static int finish_from_pool(void *arg)
{
    struct slow *s = arg;
    flight_finish(s->pending[0], &s->answer);
    return 0;
}

static void finish_later(void *arg)
{
    fiber_sleep(5 * RT_MS);
    offload(finish_from_pool, arg);
}

TEST(cache_serves_other_loops)
{
    struct slow s = {.answer = mx_answer(100)};
    struct cache *c = cache_new(100000, slow_start, &s);
    struct asker k[2] = {{c, 10 * RT_S, 1, 0}, {c, 10 * RT_S, 1, 0}};
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "asker", asker, &k[0]));
    CHECK_OK(group_go(&g, "finisher", finish_later, &s));
    rt_call(rt_loops() - 1, ask_from_loop, &k[1]);
    CHECK_OK(group_wait(&g));
    CHECK(k[0].records == 2 && k[1].records == 2 && s.started == 1);
    cache_free(&c);
}

TEST(zone_file_is_read_again)
{
    struct arena a = {0};
    struct dns *d = NULL;
    struct dns_answer r;
    char path[64];
    snprintf(path, sizeof path, "/tmp/tram-zone-test-%llx", (unsigned long long)rt_random_below(UINT64_MAX));
    REQUIRE(dns_open_zone(&d, path) == 0); /* a file that is not there yet says nothing about any name */
    CHECK_OK(dns_ask(d, &a, SL("a.test"), DNS_A, &r));
    CHECK_INT(r.status, DNS_TEMPFAIL);
    CHECK_OK(path_write(path, SL("a.test. A 192.0.2.1\n"), 0600));
    CHECK_OK(fiber_sleep(110 * RT_MS));
    CHECK_OK(dns_ask(d, &a, SL("a.test"), DNS_A, &r));
    CHECK_INT(r.status, DNS_FOUND);
    CHECK_OK(path_write(path, SL("b.test. A 192.0.2.1\nb.test. A 192.0.2.2\n"), 0600));
    CHECK_OK(fiber_sleep(110 * RT_MS)); /* looks at most every 100 ms */
    CHECK_OK(dns_ask(d, &a, SL("a.test"), DNS_A, &r));
    CHECK_INT(r.status, DNS_NXDOMAIN);
    CHECK_OK(dns_ask(d, &a, SL("b.test"), DNS_A, &r));
    CHECK_INT(r.n, 2);
    CHECK_OK(path_write(path, SL("broken\n"), 0600));
    CHECK_OK(fiber_sleep(110 * RT_MS));
    CHECK_OK(dns_ask(d, &a, SL("b.test"), DNS_A, &r)); /* what cannot be read changes nothing */
    CHECK_INT(r.n, 2);
    CHECK_OK(path_unlink(path));
    CHECK_OK(fiber_sleep(110 * RT_MS));
    CHECK_OK(dns_ask(d, &a, SL("b.test"), DNS_A, &r));
    CHECK_INT(r.n, 2);
    dns_close(&d);
    ar_free(&a);
}

TEST(dns_time_out_is_temporary)
{
    struct arena a = {0};
    struct dns *d = NULL;
    struct dns_answer r;
    REQUIRE(dns_open_zone_text(&d, SL(";! timeout slow.test\nslow.test. A 192.0.2.1\n")) == 0);
    int64_t before = deadline_narrow(DEADLINE_IN(20 * RT_MS));
    CHECK_OK(dns_ask(d, &a, SL("slow.test"), DNS_A, &r));
    deadline_restore(before);
    CHECK_INT(r.status, DNS_TEMPFAIL);
    CHECK_SL(r.why, "there was no answer in time");
    dns_close(&d);
    ar_free(&a);
}

static int odd_resolver(void *arg, struct arena *a, struct slice name, enum dns_type type,
                        struct dns_answer *out)
{
    (void)arg, (void)type;
    if (sl_eq(name, SL("error.test"))) return err_set(ERR_IO, "a broken cable");
    if (sl_eq(name, SL("cancel.test"))) return ERR_CANCELED;
    out->status = DNS_FOUND;
    out->n = 1;
    out->rr = ar_new(a, struct dns_rr);
    out->rr->txt = ar_dup(a, name);
    return 0;
}

TEST(dns_by_function)
{
    struct arena a = {0};
    struct dns *d = dns_open_func(odd_resolver, NULL);
    struct dns_answer r;
    CHECK_OK(dns_ask(d, &a, SL("Upper.Test."), DNS_TXT, &r));
    CHECK_SL(r.rr[0].txt, "upper.test");
    CHECK_SL(r.canon, "upper.test");
    CHECK_OK(dns_ask(d, &a, SL("error.test"), DNS_TXT, &r));
    CHECK_INT(r.status, DNS_TEMPFAIL);
    CHECK_SL(r.why, "a broken cable");
    CHECK_ERR(dns_ask(d, &a, SL("cancel.test"), DNS_TXT, &r), ERR_CANCELED);
    CHECK_OK(dns_ask(d, &a, SL("a..b"), DNS_TXT, &r));
    CHECK_INT(r.status, DNS_NXDOMAIN);
    dns_close(&d);
    CHECK(!d);
    ar_free(&a);
}

/* ---- shares ---- */

enum { SILENT = 200 };
struct crowd {
    struct dns *dns;
    uint64_t who;
    size_t answered, told;
    int under_way, most;
};

/* Nobody answers within an hour, but for one name. */
static int silent_resolver(void *arg, struct arena *a, struct slice name, enum dns_type type,
                           struct dns_answer *out)
{
    struct crowd *x = arg;
    (void)a, (void)type;
    out->status = DNS_NODATA;
    if (sl_eq(name, SL("good.test"))) return 0;
    if (++x->under_way > x->most) x->most = x->under_way;
    int e = fiber_sleep(3600 * RT_S);
    x->under_way--;
    return e;
}

static void one_of_crowd(void *arg)
{
    struct crowd *x = arg;
    struct arena a = {0};
    struct dns_answer r;
    (void)deadline_narrow(DEADLINE_IN(100 * RT_MS));
    CHECK_OK(dns_ask(dns_share(&a, x->dns, x->who, 0), &a, SL("silent.test"), DNS_TXT, &r));
    x->answered += r.status != DNS_TEMPFAIL;
    x->told += sl_eq(r.why, SL("too many questions of the same asker are under way"));
    ar_free(&a);
}

TEST(who_asks_the_silent_waits_for_its_own_questions_only)
{
    struct arena a = {0};
    struct crowd x = {.who = 7};
    struct group g;
    struct dns_answer r;
    x.dns = dns_open_func(silent_resolver, &x);
    group_init(&g);
    for (int i = 0; i < SILENT; i++) CHECK_OK(group_go(&g, "crowd", one_of_crowd, &x));
    CHECK_OK(fiber_sleep(10 * RT_MS)); /* all have asked: they run before a timer on this loop does */
    CHECK_INT(x.most, DNS_SHARE);
    CHECK_OK(dns_ask(dns_share(&a, x.dns, 8, 0), &a, SL("good.test"), DNS_TXT, &r));
    CHECK_INT(r.status, DNS_NODATA);
    CHECK_OK(group_wait(&g));
    CHECK(x.answered == 0 && x.told > 0);
    CHECK_OK(dns_ask(dns_share(&a, x.dns, 7, 0), &a, SL("good.test"), DNS_TXT, &r));
    CHECK_INT(r.status, DNS_NODATA); /* each place was given back */
    dns_close(&x.dns);
    ar_free(&a);
}

TEST(all_shares_together_leave_room_for_our_own_questions)
{
    struct arena a = {0};
    struct crowd x[DNS_UNDER_WAY_MAX / DNS_SHARE];
    struct group g;
    struct dns_answer r;
    struct dns *dns = dns_open_func(silent_resolver, &x[0]);
    group_init(&g);
    x[0].under_way = x[0].most = 0;
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        x[i] = (struct crowd){.dns = dns, .who = i + 1};
        for (int k = 0; k < DNS_SHARE; k++) CHECK_OK(group_go(&g, "crowd", one_of_crowd, &x[i]));
    }
    CHECK_OK(fiber_sleep(10 * RT_MS));
    CHECK_INT(x[0].most, DNS_UNDER_WAY_MAX / 4 * 3);
    CHECK_OK(dns_ask(dns_share(&a, dns, 5000, 0), &a, SL("good.test"), DNS_TXT, &r));
    CHECK_SL(r.why, "too many questions are under way");
    CHECK_OK(dns_ask(dns, &a, SL("good.test"), DNS_TXT, &r));
    CHECK_INT(r.status, DNS_NODATA);
    CHECK_OK(group_wait(&g));
    dns_close(&dns);
    ar_free(&a);
}
