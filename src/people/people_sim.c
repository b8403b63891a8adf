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

struct
try {
    struct world *w;
    const char *dn;
    int result;
    int64_t took;
};

static void try(void *arg)
{
    struct try *t = arg;
    int64_t begun = rt_now();
    t->result = people_prove(t->w->p, sl_cstr(t->dn), SL("secret"), ASKER);
    t->took = rt_now() - begun;
}

#define AL "uid=al,dc=one,dc=test"
#define BO "uid=bo,dc=one,dc=test"

/* One person's password hangs there, and six ask about it: others are answered at once, also letters'
 * questions. */
static int one_hangs(void *arg)
{
    struct world *w = arg;
    struct people_entry p;
    struct try t[7];
    struct group g;
    w->t = (struct table){.v = {{AL, "7", {"al@one.test"}, "secret"}, {BO, "8", {"bo@one.test"}, "secret"}},
                          .n = 2,
                          .hangs = AL};
    group_init(&g);
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        t[i] = (struct try){.w = w, .dn = i < 6 ? AL : BO};
        CHECK_OK(group_go(&g, "try", try, &t[i]));
    }
    CHECK_OK(fiber_sleep(RT_MS));
    CHECK_OK(find(w, "al", &p));
    CHECK_INT(rt_now() / RT_S, 0);
    CHECK_OK(group_wait(&g));
    CHECK_OK(t[6].result);
    CHECK(t[6].took < RT_S);
    int asked = 0;
    for (size_t i = 0; i < 6; i++) {
        CHECK(t[i].result == ERR_TIMEOUT || t[i].result == ERR_IO);
        asked += t[i].result == ERR_IO;
    }
    CHECK_INT(asked, 1);
    CHECK_INT(w->t.binds, 2); /* of one it was asked, the others heard of it */
    CHECK_OK(fiber_sleep(31 * RT_S));
    w->t.hangs = NULL;
    CHECK_OK(people_prove(w->p, SL(AL), SL("secret"), ASKER));
    return 0;
}

/* However many do not answer, letters' questions have a thread. */
static int many_hang(void *arg)
{
    struct world *w = arg;
    struct people_entry p;
    struct try t[5];
    struct group g;
    char dn[COUNT_OF(t)][30];
    group_init(&g);
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        snprintf(dn[i], sizeof dn[i], "uid=%zu", i);
        t[i] = (struct try){.w = w, .dn = dn[i]};
        w->t.slow = 5 * RT_S;
        CHECK_OK(group_go(&g, "try", try, &t[i]));
    }
    CHECK_OK(fiber_sleep(RT_MS));
    CHECK_OK(find(w, "al", &p));
    CHECK_INT(rt_now() / RT_S, 0);
    CHECK_OK(group_wait(&g));
    CHECK_INT(rt_now() / RT_S, 10); /* three at once */
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
TEST(people_whose_password_hangs_hold_up_nobody_else)
{
    run(one_hangs);
    run(many_hang);
}
TEST(people_that_are_remembered_are_bounded) { run(is_bounded); }
