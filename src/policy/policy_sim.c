/* policy_sim.c - MTA-STS policies as days go by: what is fetched when, what holds how long, what is
 * forgotten. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "policy.h"
#include "sim/sim.h"

#define DAY (86400 * RT_S)
#define ENFORCE "version: STSv1\nmode: enforce\nmx: a.two.test\nmx: *.two.test\nmax_age: 604800\n"

/* The policy server of two.test, and what it was asked. */
struct web {
    const char *body, *type;
    int status, error;
    int visits;
    int64_t slow;
};

static int transfer(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    struct web *w = arg;
    __atomic_add_fetch(&w->visits, 1, __ATOMIC_RELAXED);
    CHECK_SL(c->host, "mta-sts.two.test");
    int64_t slow = w->slow < c->timeout ? w->slow : c->timeout;
    if (slow) rt_pause(slow);
    if (slow < w->slow) return err_set(ERR_TIMEOUT, "it takes its time");
    if (w->error) return err_set(w->error, "so it is");
    *out = (struct fetch_answer){.status = w->status, .body = ar_dup(c->a, sl_cstr(w->body))};
    out->field = ar_new(c->a, struct fetch_field);
    out->nfield = 1;
    out->field[0] = (struct fetch_field){SL("content-type"), sl_cstr(w->type)};
    return 0;
}

struct world {
    struct web web;
    const char *txt; /* the zone's line, or "" */
    struct dns *dns;
    struct fetch fetch;
    struct kv *kv;
    struct sts *sts;
    struct arena a;
};

static void announce(struct world *w, const char *line)
{
    char text[400];
    dns_close(&w->dns);
    snprintf(text, sizeof text, "two.test. MX 10 a.two.test.\nmta-sts.two.test. A 192.0.2.1\n%s\n", line);
    CHECK_OK(dns_open_zone_text(&w->dns, sl_cstr(text)));
    w->fetch.conf.dns = w->dns;
    sts_close(&w->sts);
    sts_open(&w->sts, &(struct sts_conf){.kv = w->kv, .dns = w->dns, .fetch = &w->fetch});
}

#define ID(id) "_mta-sts.two.test. TXT \"v=STSv1; id=" id ";\""

static void begin(struct world *w)
{
    *w = (struct world){.web = {.body = ENFORCE, .type = "text/plain; charset=us-ascii", .status = 200}};
    w->fetch.conf.transfer = transfer;
    w->fetch.conf.transfer_arg = &w->web;
    w->fetch.conf.private_hosts = true;
    CHECK_OK(kv_mem_open(&w->kv, NULL));
    announce(w, ID("one"));
}

static int end(struct world *w)
{
    sts_close(&w->sts);
    kv_close(&w->kv);
    dns_close(&w->dns);
    ar_free(&w->a);
    return 0;
}

static struct sts_found find(struct world *w)
{
    struct sts_found f;
    CHECK_OK(sts_find(w->sts, w->dns, &w->a, SL("two.test"), &f));
    return f;
}

static void run(int (*fn)(void *), int loops)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct sim *s = sim_new(7);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.9");
    sim_node_loops(n, loops);
    sim_node_start(n, fn, w);
    sim_run(s, 1000 * DAY);
    CHECK(!sim_node_running(n));
    sim_free(&s);
    free(w);
}

/* ---- what is fetched, and when ---- */

static int life(void *arg)
{
    struct world *w = arg;
    begin(w);
    struct sts_found f = find(w);
    CHECK(f.known && f.policy.mode == MTA_STS_ENFORCE && f.policy.nmx == 2 && !f.trouble);
    CHECK_INT(f.expires - f.fetched, 604800);
    f = find(w);
    CHECK(f.known && mta_sts_allows(&f.policy, SL("b.two.test")));
    CHECK_INT(w->web.visits, 1); /* the id is the same */
    announce(w, ID("two"));
    w->web.body = "version: STSv1\nmode: testing\nmx: c.two.test\nmax_age: 86400\n";
    f = find(w);
    CHECK(f.known && f.policy.mode == MTA_STS_TESTING && sl_eq(f.id, SL("two")));
    CHECK_INT(w->web.visits, 2);
    announce(w, ""); /* what holds does so without a record */
    CHECK(find(w).known);
    announce(w, ";! timeout _mta-sts.two.test");
    CHECK(find(w).known);
    announce(w, ID("two") "\n" ID("three")); /* two records are none */
    CHECK(find(w).known);
    CHECK_OK(fiber_sleep(DAY + RT_S));
    CHECK(!find(w).known); /* its max_age is over */
    CHECK_INT(w->web.visits, 2);
    announce(w, ID("two"));
    CHECK(find(w).known);
    CHECK_INT(w->web.visits, 3);
    return end(w);
}

TEST(sts_policies_hold_for_their_time) { run(life, 1); }

static int troubles(void *arg)
{
    static const struct {
        const char *body, *type;
        int status, error;
        enum sts_trouble trouble;
        const char *words;
    } x[] = {
        {ENFORCE, "text/plain", 200, ERR_TLS, STS_WEBPKI, "cannot be fetched"},
        {ENFORCE, "text/plain", 200, ERR_REFUSED, STS_FETCH_ERROR, "cannot be fetched"},
        {ENFORCE, "text/plain", 301, 0, STS_FETCH_ERROR, "answered with 301"},
        {ENFORCE, "text/html", 200, 0, STS_INVALID, "served as \"text/html\""},
        {"version: STSv2\n", "text/plain", 200, 0, STS_INVALID, "is no policy"},
        {"version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 31557601\n", "text/plain", 200, 0, STS_INVALID,
         "max_age"},
    };
    struct world *w = arg;
    for (int held = 0; held <= 1; held++) /* without a policy, and with one that holds */
        for (size_t i = 0; i < COUNT_OF(x); i++) {
            begin(w);
            if (held) CHECK(find(w).known);
            announce(w, ID("new"));
            w->web = (struct web){
                .body = x[i].body, .type = x[i].type, .status = x[i].status, .error = x[i].error};
            for (int again = 0; again < 3; again++) {
                struct sts_found f = find(w);
                CHECK_INT(f.known, held);
                CHECK_INT(f.trouble, x[i].trouble);
                CHECK(sl_find(f.why, sl_cstr(x[i].words)) != SL_NONE);
            }
            CHECK_INT(w->web.visits, 1); /* not again within five minutes */
            CHECK_OK(fiber_sleep((STS_AGAIN_S + 1) * RT_S));
            w->web = (struct web){.body = ENFORCE, .type = "text/plain", .status = 200};
            CHECK(find(w).known && !find(w).trouble);
            CHECK_INT(w->web.visits, 1);
            end(w);
        }
    return 0;
}

TEST(sts_goes_on_as_before_when_a_policy_cannot_be_had) { run(troubles, 1); }

/* ---- many at once ---- */

struct asker {
    struct world *w;
    int64_t time; /* that it has; 0: enough */
    bool known;
    int e;
};

static void ask(void *arg)
{
    struct asker *k = arg;
    struct arena a = {0};
    struct sts_found f;
    int64_t before = deadline_narrow(k->time ? DEADLINE_IN(k->time) : RT_NEVER);
    k->e = sts_find(k->w->sts, k->w->dns, &a, SL("two.test"), &f);
    deadline_restore(before);
    k->known = !k->e && f.known;
    ar_free(&a);
}

static int crowd(void *arg)
{
    enum { MANY = 50 };
    struct world *w = arg;
    struct asker k[MANY];
    struct group g;
    begin(w);
    w->web.slow = 3 * RT_S;
    group_init(&g);
    for (int i = 0; i < MANY; i++) {
        k[i] = (struct asker){.w = w};
        CHECK_OK(group_go(&g, "ask", ask, &k[i]));
    }
    CHECK_OK(group_wait(&g));
    for (int i = 0; i < MANY; i++) CHECK(!k[i].e && k[i].known);
    CHECK_INT(w->web.visits, 1);
    return end(w);
}

TEST(sts_fetches_once_for_a_crowd) { run(crowd, 2); }

/* Two wait for the fetch of a third who has no time himself. He learns nothing, and spoils nothing for them.
 */
static int hurried(void *arg)
{
    struct world *w = arg;
    struct asker k[3] = {{.w = w, .time = RT_S}, {.w = w}, {.w = w}};
    struct group g;
    begin(w);
    w->web.slow = 3 * RT_S;
    group_init(&g);
    for (size_t i = 0; i < COUNT_OF(k); i++) {
        CHECK_OK(group_go(&g, "ask", ask, &k[i]));
        CHECK_OK(fiber_sleep(RT_MS));
    }
    CHECK_OK(group_wait(&g));
    CHECK_INT(k[0].e, ERR_TIMEOUT);
    CHECK(k[1].known && k[2].known);
    CHECK_INT(w->web.visits, 2);
    return end(w);
}

TEST(sts_a_hurried_letter_spoils_nothing_for_others) { run(hurried, 1); }

/* ---- care ---- */

static int care(void *arg)
{
    struct world *w = arg;
    begin(w);
    CHECK(find(w).known);
    CHECK_OK(sts_refresh(w->sts));
    CHECK_INT(w->web.visits, 1);
    for (int day = 0; day < 20; day++) { /* fetched each day, so it never ends though nobody writes */
        CHECK_OK(fiber_sleep(DAY + RT_S));
        CHECK_OK(sts_refresh(w->sts));
    }
    CHECK_INT(w->web.visits, 21);
    announce(w, "");
    CHECK(find(w).known);
    w->web.error = ERR_REFUSED; /* what holds is kept, and tried again each hour */
    CHECK_OK(fiber_sleep(DAY + RT_S));
    for (int i = 0; i < 3; i++) CHECK_OK(sts_refresh(w->sts));
    CHECK_INT(w->web.visits, 22);
    CHECK_OK(fiber_sleep(3700 * RT_S));
    CHECK_OK(sts_refresh(w->sts));
    CHECK_INT(w->web.visits, 23);
    CHECK(find(w).known);
    w->web.error = 0;
    for (int day = 0; day < STS_UNUSED_DAYS + 2; day++) {
        CHECK_OK(fiber_sleep(DAY + RT_S));
        CHECK_OK(sts_refresh(w->sts));
    }
    CHECK(!find(w).known); /* nobody has written for so long */
    struct kv_page page;
    CHECK_OK(kv_scan(w->kv, SL("_sts"), SL(""), SL(""), 100, &w->a, &page));
    CHECK_INT(page.n, 0);
    return end(w);
}

TEST(sts_is_kept_fresh_while_it_is_used) { run(care, 1); }

/* A policy for a day, as large providers have it, is there before it ends. */
static int short_lived(void *arg)
{
    struct world *w = arg;
    begin(w);
    w->web.body = "version: STSv1\nmode: enforce\nmx: a.two.test\nmax_age: 86400\n";
    CHECK(find(w).known);
    for (int hour = 0; hour < 100; hour++) {
        CHECK_OK(fiber_sleep(3600 * RT_S));
        CHECK_OK(sts_refresh(w->sts));
        w->web.error = hour % 13 ? ERR_REFUSED : 0; /* most of the time it cannot be had */
        int visits = w->web.visits;
        announce(w, "");
        CHECK(find(w).known);
        CHECK_INT(w->web.visits, visits);
        announce(w, ID("one"));
    }
    return end(w);
}

TEST(sts_is_fetched_again_before_it_ends) { run(short_lived, 1); }

/* ---- damage ---- */

static int damage_tx(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("p/two.test"), SL("\001m\377"));
    kv_tx_put(tx, SL("f/two.test"), SL("\001t"));
    return 0;
}

static int damaged(void *arg)
{
    struct world *w = arg;
    begin(w);
    CHECK(find(w).known);
    CHECK_OK(kv_transact(w->kv, SL("_sts"), damage_tx, NULL));
    CHECK(find(w).known); /* fetched anew */
    CHECK_INT(w->web.visits, 2);
    CHECK_OK(kv_transact(w->kv, SL("_sts"), damage_tx, NULL));
    CHECK_OK(sts_refresh(w->sts)); /* nobody writes there any more, and nothing of it stays */
    struct kv_page page;
    CHECK_OK(kv_scan(w->kv, SL("_sts"), SL("f/"), SL("p0"), 100, &w->a, &page));
    CHECK_INT(page.n, 0);
    CHECK(find(w).known);
    CHECK_INT(w->web.visits, 3);
    return end(w);
}

TEST(sts_mends_a_damaged_row) { run(damaged, 1); }
