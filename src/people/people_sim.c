/* people_sim.c - what is remembered of a directory elsewhere, for how long, and what its silence means. */
#include <stdio.h>

#include "base/test.h"
#include "people_test.h"
#include "sim/sim.h"

static const struct table one_person = {
    .v = {{"uid=al,dc=one,dc=test", "7", {"al@one.test", "alice@one.test"}, "secret"}}, .n = 1};

enum { ASKER = 1 };

struct world {
    struct table t;
    struct people *p;
    struct arena a;
};

static int find(struct world *w, const char *local, struct people_entry *out)
{
    return people_find(w->p, &w->a, sl_cstr(local), SL("one.test"), ASKER, out);
}

static int remembers(void *arg)
{
    struct world *w = arg;
    struct people_entry p;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(find(w, "al", &p));
        CHECK(sl_eq(p.dn, SL("uid=al,dc=one,dc=test")) && sl_eq(p.id, SL("entryuuid=37")) && p.n == 2);
        CHECK(sl_eq(p.address[1], SL("alice@one.test")));
        CHECK_ERR(find(w, "nobody", &p), ERR_NOT_FOUND);
    }
    CHECK_INT(w->t.searches, 2);
    CHECK_OK(fiber_sleep(16 * RT_S));
    CHECK_OK(find(w, "al", &p));
    CHECK_ERR(find(w, "nobody", &p), ERR_NOT_FOUND);
    CHECK_INT(w->t.searches, 3); /* that nobody is there is asked sooner */
    CHECK_OK(fiber_sleep(60 * RT_S));
    w->t.n = 0;
    CHECK_ERR(find(w, "al", &p), ERR_NOT_FOUND);
    CHECK_ERR(people_find(w->p, &w->a, SL("al"), SL("two.test"), ASKER, &p), ERR_NOT_FOUND);
    CHECK_INT(w->t.searches, 4); /* two.test is not theirs */
    return 0;
}

static int is_silent(void *arg)
{
    struct world *w = arg;
    struct people_entry p;
    w->t.fails = ERR_UNREACHABLE;
    CHECK_ERR(find(w, "al", &p), ERR_UNREACHABLE);
    CHECK_ERR(find(w, "nobody", &p), ERR_UNREACHABLE);
    CHECK_ERR(people_prove(w->p, SL("uid=al,dc=one,dc=test"), SL("secret"), 0), ERR_UNREACHABLE);
    CHECK_INT(w->t.searches + w->t.binds, 1); /* the others did not wait for it */
    w->t.fails = 0;
    CHECK_OK(fiber_sleep(6 * RT_S));
    CHECK_OK(find(w, "al", &p));
    w->t.fails = ERR_IO; /* one question that it cannot answer says nothing of others */
    CHECK_ERR(find(w, "odd", &p), ERR_IO);
    w->t.fails = 0;
    CHECK_OK(find(w, "alice", &p));
    return 0;
}

static int proves(void *arg)
{
    struct world *w = arg;
    struct slice dn = SL("uid=al,dc=one,dc=test");
    CHECK_OK(people_prove(w->p, dn, SL("secret"), 0));
    CHECK_ERR(people_prove(w->p, dn, SL("guess"), 0), ERR_DENIED);
    CHECK_INT(w->t.binds, 2);
    CHECK_ERR(people_prove(w->p, dn, SL(""), 0), ERR_DENIED); /* RFC 4513 section 5.1.2: would succeed */
    CHECK_ERR(people_prove(w->p, SL(""), SL("secret"), 0), ERR_DENIED);
    CHECK_INT(w->t.binds, 2);
    return 0;
}

static int is_bounded(void *arg)
{
    struct world *w = arg;
    struct people_entry p;
    char local[20];
    for (int i = 0; i < PEOPLE_KNOWN_MAX + 2; i++) {
        snprintf(local, sizeof local, "n%d", i);
        CHECK_ERR(find(w, local, &p), ERR_NOT_FOUND);
        ar_reset(&w->a);
    }
    CHECK_INT(w->t.searches, PEOPLE_KNOWN_MAX + 2);
    CHECK_ERR(find(w, "n0", &p), ERR_NOT_FOUND); /* forgotten with all others */
    CHECK_INT(w->t.searches, PEOPLE_KNOWN_MAX + 3);
    return 0;
}

static void run(int (*fn)(void *))
{
    static const struct slice domain[] = {SL_INIT("one.test")};
    struct world w = {.t = one_person};
    struct people_conf c = table_conf(&w.t);
    struct sim *s = sim_new(1);
    struct sim_node *n = sim_node(s, "x.test", "127.0.0.2");
    c.domain = domain;
    c.ndomains = 1;
    ar_init(&w.a, 0);
    people_open(&w.p, &c);
    sim_node_start(n, fn, &w);
    sim_run(s, 100000 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
    people_close(&w.p);
    ar_free(&w.a);
}

TEST(people_are_remembered_shortly) { run(remembers); }
TEST(people_of_a_silent_directory_are_not_asked_for_by_all) { run(is_silent); }
TEST(people_prove_themselves_with_a_password_only) { run(proves); }
TEST(people_that_are_remembered_are_bounded) { run(is_bounded); }
