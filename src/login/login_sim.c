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

/* ---- by which name failures are counted ---- */

struct counts {
    char name[4][64]; /* that the guard was asked about, in order */
    size_t n;
    bool shut;
};

static int count_name(void *arg, struct slice name, int (*prove)(void *), void *prove_arg)
{
    struct counts *c = arg;
    if (c->n < COUNT_OF(c->name)) snprintf(c->name[c->n], sizeof c->name[0], "%.*s", SLF(name));
    c->n++;
    return c->shut ? err_set(ERR_BUSY, "too many logins have failed") : prove(prove_arg);
}

/* The names that a wrong password for `user` is counted under, with a blank between. */
static struct slice names_of(struct world *w, struct login *l, struct counts *c, const char *user, int result)
{
    struct sasl x = {.login = l, .a = &w->a, .mechanism = SASL_PLAIN, .guard = count_name, .guard_arg = c};
    struct slice out, message, names = SL("");
    message = ar_cat(&w->a, ar_cat(&w->a, sl("", 1), sl_cstr(user)), sl("\0guess", 6));
    c->n = 0;
    CHECK_ERR(sasl_start(&x, &message, &out), result);
    for (size_t i = 0; i < message.n; i++) CHECK(!message.p[i]); /* a password was in it */
    for (size_t i = 0; i < c->n; i++) names = ar_printf(&w->a, "%.*s%s ", SLF(names), c->name[i]);
    return names;
}

static int counts_by_account(void *arg)
{
    struct world w;
    struct login *l;
    struct counts c = {0};
    struct account acc;
    (void)arg;
    begin(&w);
    w.t.v[0].address[1] = "office@one.test";
    CHECK_OK(login_open(&l, w.kv, w.dir));
    /* looked up under the name that was given, counted under the account's: the search makes it */
    CHECK_SL(names_of(&w, l, &c, "Office@one.test", ERR_DENIED), "office@one.test carol@one.test ");
    CHECK_SL(names_of(&w, l, &c, "office@one.test", ERR_DENIED), "office@one.test carol@one.test ");
    CHECK_SL(names_of(&w, l, &c, "carol@one.test", ERR_DENIED), "carol@one.test ");
    CHECK_SL(names_of(&w, l, &c, "nobody@one.test", ERR_DENIED), "nobody@one.test nobody@one.test ");
    CHECK_OK(domain_add_alias(w.dir, SL("alias.test"), SL("one.test")));
    CHECK_SL(names_of(&w, l, &c, "office@alias.test", ERR_DENIED), "office@one.test carol@one.test ");
    CHECK_OK(login_find(l, &w.a, SL("office@one.test"), &acc)); /* disabled ones are counted as well */
    CHECK_OK(account_disable(w.dir, acc.address, true));
    CHECK_SL(names_of(&w, l, &c, "office@one.test", ERR_DENIED), "office@one.test carol@one.test ");
    CHECK_OK(account_disable(w.dir, acc.address, false));
    c.shut = true;
    size_t before = w.t.searches;
    CHECK_SL(names_of(&w, l, &c, "other@one.test", ERR_BUSY), "other@one.test ");
    CHECK_INT(w.t.searches, before); /* who is shut out is not looked up */
    c.shut = false;
    w.t.fails = ERR_UNREACHABLE;
    CHECK_SL(names_of(&w, l, &c, "third@one.test", ERR_UNREACHABLE), "third@one.test ");
    directory_set_people(w.dir, NULL); /* nobody elsewhere: one question as ever */
    CHECK_SL(names_of(&w, l, &c, "nobody@one.test", ERR_DENIED), "nobody@one.test ");
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
TEST(login_failures_count_for_the_account_whichever_address_is_given) { run(counts_by_account); }
