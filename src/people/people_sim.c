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
    uint64_t asker; /* 0: ASKER */
    int result;
    int64_t took;
};

static void try(void *arg)
{
    struct try *t = arg;
    int64_t begun = rt_now();
    t->result = people_prove(t->w->p, sl_cstr(t->dn), SL("secret"), t->asker ? t->asker : ASKER);
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
    struct try t[PEOPLE_PROOFS + 2];
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
    CHECK_INT(rt_now() / RT_S, 10); /* twelve at once */
    return 0;
}

/* Starts one for each of n people whose DNs begin with that. */
static void try_all(struct world *w, struct group *g, struct try *t, char (*dn)[30], const char *begin,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(dn[i], sizeof dn[i], "%s%zu", begin, i);
        t[i] = (struct try){.w = w, .dn = dn[i]};
        CHECK_OK(group_go(g, "try", try, &t[i]));
        CHECK_OK(fiber_sleep(RT_MS)); /* in this order */
    }
}

/* Nine that hang, at first and once it is known of them; then twenty. */
static int others_have_places(void *arg)
{
    struct world *w = arg;
    static const size_t many[] = {9, 9, 20, 20};
    struct try t[20], other;
    char dn[20][30];
    w->t.hangs = "uid=h";
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        struct group g;
        group_init(&g);
        other = (struct try){.w = w, .dn = AL};
        try_all(w, &g, t, dn, "uid=h", many[i]);
        CHECK_OK(fiber_sleep(RT_MS));
        CHECK_OK(group_go(&g, "try", try, &other));
        CHECK_OK(group_wait(&g));
        CHECK_OK(other.result);
        CHECK(other.took < RT_S);
        for (size_t k = 0; k < many[i]; k++) CHECK(t[k].result == ERR_IO || t[k].result == ERR_TIMEOUT);
        CHECK_OK(fiber_sleep(31 * RT_S));
    }
    return 0;
}

/* Who hangs again is left alone for twice as long. */
static int ever_longer(void *arg)
{
    static const int spans[] = {30, 60, 120, 240, 480, 480};
    struct world *w = arg;
    w->t.hangs = AL;
    for (size_t i = 0; i < COUNT_OF(spans); i++) {
        CHECK_ERR(people_prove(w->p, SL(AL), SL("secret"), ASKER), ERR_IO);
        CHECK_INT(w->t.binds, i + 1);
        CHECK_OK(fiber_sleep((spans[i] - 1) * RT_S));
        CHECK_ERR(people_prove(w->p, SL(AL), SL("secret"), ASKER), ERR_TIMEOUT);
        CHECK_INT(w->t.binds, i + 1);
        CHECK_OK(fiber_sleep(2 * RT_S));
    }
    CHECK_OK(fiber_sleep(480 * RT_S)); /* forgotten */
    CHECK_ERR(people_prove(w->p, SL(AL), SL("secret"), ASKER), ERR_IO);
    CHECK_OK(fiber_sleep(31 * RT_S));
    w->t.hangs = NULL;
    CHECK_OK(people_prove(w->p, SL(AL), SL("secret"), ASKER));
    return 0;
}

/* Who makes a person's password hang is not asked for; the owner elsewhere is. */
static int owner_is_asked(void *arg)
{
    struct world *w = arg;
    w->t.hangs = AL;
    for (uint64_t asker = 2; asker < 5; asker++)
        CHECK_ERR(people_prove(w->p, SL(AL), SL("guess"), asker), ERR_IO);
    w->t.hangs = NULL;
    for (uint64_t asker = 2; asker < 5; asker++)
        CHECK_ERR(people_prove(w->p, SL(AL), SL("guess"), asker), ERR_TIMEOUT);
    CHECK_OK(people_prove(w->p, SL(AL), SL("secret"), ASKER));
    return 0;
}

/* Askers have turns, and each one's own are in order. */
static int has_turns(void *arg)
{
    enum { FLOOD = 4 * PEOPLE_PROOFS };
    struct world *w = arg;
    struct try t[FLOOD], other = {.w = w, .dn = AL, .asker = 2};
    char dn[FLOOD][30];
    struct group g;
    group_init(&g);
    w->t.slow = 2 * RT_S;
    try_all(w, &g, t, dn, "uid=", FLOOD);
    CHECK_OK(fiber_sleep(RT_MS));
    CHECK_OK(group_go(&g, "try", try, &other));
    CHECK_OK(group_wait(&g));
    CHECK_OK(other.result);
    CHECK(other.took < 5 * RT_S); /* behind those who ask now, and one of those who wait */
    for (size_t i = 1; i < FLOOD; i++)
        CHECK(t[i].result == ERR_DENIED && t[i].took > t[i - 1].took - RT_S / 2);
    CHECK(t[FLOOD - 1].took < 11 * RT_S);
    return 0;
}

/* Who waits gives up in time, and leaves the line. */
static int gives_up(void *arg)
{
    struct world *w = arg;
    struct try t[4 * PEOPLE_PROOFS];
    char dn[COUNT_OF(t)][30];
    struct group g;
    group_init(&g);
    w->t.slow = 15 * RT_S;
    try_all(w, &g, t, dn, "uid=", COUNT_OF(t));
    CHECK_OK(group_wait(&g));
    size_t denied = 0;
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        denied += t[i].result == ERR_DENIED;
        if (t[i].result != ERR_DENIED) CHECK(t[i].result == ERR_TIMEOUT && t[i].took / RT_S == 20);
    }
    CHECK_INT(denied, 2 * PEOPLE_PROOFS);
    w->t.slow = 0;
    CHECK_OK(people_prove(w->p, SL(AL), SL("secret"), ASKER));
    return 0;
}

/* Room for those who are new is made by those that are over, not by those that count. */
static int keeps_what_counts(void *arg)
{
    enum { ROUNDS = PEOPLE_SLOW_MAX / 2 / PEOPLE_PROOFS + 2 };
    struct world *w = arg;
    struct try t[PEOPLE_PROOFS];
    char dn[COUNT_OF(t)][30], begin[20];
    w->t.hangs = "uid=";
    for (int i = 0; i < 5; i++) {
        CHECK_ERR(people_prove(w->p, SL(AL), SL("secret"), ASKER), ERR_IO);
        if (i < 4) CHECK_OK(fiber_sleep((31 << i) * RT_S));
    }
    for (int i = 0; i < ROUNDS; i++) {
        struct group g;
        group_init(&g);
        snprintf(begin, sizeof begin, "uid=h%d-", i);
        try_all(w, &g, t, dn, begin, COUNT_OF(t));
        CHECK_OK(group_wait(&g));
    }
    CHECK_INT(w->t.binds, 5 + ROUNDS * PEOPLE_PROOFS);
    CHECK_ERR(people_prove(w->p, SL(AL), SL("secret"), ASKER), ERR_TIMEOUT);
    CHECK_INT(w->t.binds, 5 + ROUNDS * PEOPLE_PROOFS);
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
    run(others_have_places);
}
TEST(people_whose_password_hangs_again_are_asked_about_ever_less) { run(ever_longer); }
TEST(people_are_asked_about_for_others_than_who_made_it_hang) { run(owner_is_asked); }
TEST(people_prove_themselves_in_turns)
{
    run(has_turns);
    run(gives_up);
}
TEST(people_whose_password_hangs_are_not_forgotten_for_others) { run(keeps_what_counts); }
TEST(people_that_are_remembered_are_bounded) { run(is_bounded); }
