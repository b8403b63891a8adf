/* login_sim.c - people of a directory elsewhere: who is not known any more, and who waits behind whom. */
#include <stdio.h>

#include "base/test.h"
#include "login.h"
#include "people/people_test.h"
#include "sasl.h"
#include "sim/sim.h"

static int home_does(void *ctx, const char *id, struct slice mark, struct slice address)
{
    (void)ctx, (void)id, (void)mark, (void)address;
    return 0;
}

static int home_made_as(void *ctx, const char *id, struct slice mark, bool *yes)
{
    *yes = true;
    return home_does(ctx, id, mark, SL(""));
}

static int home_erases(void *ctx, const char *id) { return home_does(ctx, id, SL(""), SL("")); }

struct world {
    struct table t;
    struct people *people;
    struct directory *dir;
    struct kv *kv;
    struct arena a;
    size_t asked; /* strangers */
};

static void begin(struct world *w)
{
    static const struct account_home home = {
        .make = home_does, .made_as = home_made_as, .erase = home_erases};
    *w = (struct world){.t = {.v = {{"uid=carol", "7", {"carol@one.test"}, "secret"}}, .n = 1}};
    struct people_conf c = table_conf(&w->t);
    ar_init(&w->a, 0);
    CHECK_OK(kv_mem_open(&w->kv, NULL));
    CHECK_OK(directory_open(&w->dir, w->kv, &home));
    people_open(&w->people, &c);
    directory_set_people(w->dir, w->people);
    CHECK_OK(domain_add(w->dir, SL("one.test")));
}

static void end(struct world *w)
{
    directory_close(&w->dir);
    people_close(&w->people);
    kv_close(&w->kv);
    ar_free(&w->a);
}

static int session_ends(void *arg)
{
    struct world w;
    struct authority x = {0};
    struct account acc;
    (void)arg;
    begin(&w);
    CHECK_OK(account_elsewhere(w.dir, &w.a, SL("carol"), SL("one.test"), ASK_FOR_LOGINS, &acc));
    authority_begin(&x, w.dir, &acc, NULL);
    CHECK_OK(fiber_sleep(121 * RT_S));
    w.t.fails = ERR_UNREACHABLE; /* silence takes nothing from anybody */
    CHECK_OK(authority_check(&x));
    w.t.fails = 0;
    w.t.n = 0;
    CHECK_OK(authority_check(&x)); /* it is not asked all the time */
    CHECK_OK(fiber_sleep(61 * RT_S));
    CHECK_ERR(authority_check(&x), ERR_DENIED);
    authority_end(&x);
    end(&w);
    return 0;
}

/* ---- strangers and people ---- */

static void takes_long(struct table *t)
{
    (void)t;
    rt_pause(100 * RT_MS);
}

static void write_to_somebody(void *arg)
{
    struct world *w = arg;
    struct routes r;
    struct arena a;
    char local[20];
    ar_init(&a, 0);
    snprintf(local, sizeof local, "n%zu", w->asked++);
    CHECK_OK(directory_resolve(w->dir, &a, sl_cstr(local), SL("one.test"), &r));
    ar_free(&a);
}

static int logs_in_meanwhile(void *arg)
{
    enum { STRANGERS = 200 };
    struct world w;
    struct login *l;
    struct account acc;
    struct group g;
    (void)arg;
    begin(&w);
    CHECK_OK(login_open(&l, w.kv, w.dir));
    w.t.on_search = takes_long;
    group_init(&g);
    for (int i = 0; i < STRANGERS; i++) CHECK_OK(group_go(&g, "stranger", write_to_somebody, &w));
    CHECK_OK(fiber_sleep(RT_MS));
    CHECK_OK(login_find(l, &w.a, SL("carol@one.test"), &acc));
    CHECK(w.t.searches < 64); /* those in hand, twice, and a few in between */
    CHECK_OK(group_wait(&g));
    CHECK_INT(w.t.searches, STRANGERS + 1);
    login_close(&l);
    end(&w);
    return 0;
}

/* ---- the first message of SCRAM ---- */

static int shut_out(void *arg, struct slice name, int (*prove)(void *), void *prove_arg)
{
    (void)arg, (void)name, (void)prove, (void)prove_arg;
    return err_set(ERR_BUSY, "too many logins have failed");
}

static int lets_in(void *arg, struct slice name, int (*prove)(void *), void *prove_arg)
{
    CHECK_SL(name, "carol@one.test");
    return *(int *)arg = prove(prove_arg);
}

static int scram_begins(void *arg)
{
    struct world w;
    struct login *l;
    struct sasl x;
    struct slice out, first = SL("n,,n=carol@one.test,r=rOprNGfwEbeRWgbNEkqO");
    int gave = -1;
    (void)arg;
    begin(&w);
    CHECK_OK(login_open(&l, w.kv, w.dir));
    x = (struct sasl){.login = l, .a = &w.a, .mechanism = SASL_SCRAM, .guard = shut_out};
    CHECK_ERR(sasl_start(&x, &first, &out), ERR_BUSY);
    CHECK_INT(w.t.searches, 0);
    x = (struct sasl){.login = l, .a = &w.a, .mechanism = SASL_SCRAM, .guard = lets_in, .guard_arg = &gave};
    CHECK_INT(sasl_start(&x, &first, &out), SASL_MORE);
    CHECK_INT(gave, 1); /* neither right nor wrong yet */
    CHECK_INT(w.t.searches, 1);
    login_close(&l);
    end(&w);
    return 0;
}

static void run(int (*fn)(void *))
{
    struct sim *s = sim_new(1);
    struct sim_node *n = sim_node(s, "x.test", "127.0.0.2");
    sim_node_start(n, fn, NULL);
    sim_run(s, 1000 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

TEST(login_of_a_person_gone_elsewhere_ends) { run(session_ends); }
TEST(login_of_people_elsewhere_waits_behind_no_strangers) { run(logs_in_meanwhile); }
TEST(login_who_is_shut_out_makes_no_search_by_scram) { run(scram_begins); }
