/* login_sim.c - a session of somebody whom the directory elsewhere does not know any more. */
#include "base/test.h"
#include "login.h"
#include "people/people_test.h"
#include "sim/sim.h"

static int home_does(void *ctx, const char *id, struct slice mark)
{
    (void)ctx, (void)id, (void)mark;
    return 0;
}

static int home_made_as(void *ctx, const char *id, struct slice mark, bool *yes)
{
    *yes = true;
    return home_does(ctx, id, mark);
}

static int home_erases(void *ctx, const char *id) { return home_does(ctx, id, SL("")); }

static int session_ends(void *arg)
{
    struct table t = {.v = {{"uid=carol", "7", {"carol@one.test"}, "secret"}}, .n = 1};
    struct people_conf c = table_conf(&t);
    struct account_home home = {NULL, home_does, home_made_as, home_erases};
    struct directory *dir;
    struct people *people;
    struct authority x = {0};
    struct account acc;
    struct arena a;
    struct kv *kv;
    (void)arg;
    ar_init(&a, 0);
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(directory_open(&dir, kv, &home));
    people_open(&people, &c);
    directory_set_people(dir, people);
    CHECK_OK(domain_add(dir, SL("one.test")));
    CHECK_OK(account_elsewhere(dir, &a, SL("carol"), SL("one.test"), &acc));
    authority_begin(&x, dir, &acc, NULL);
    CHECK_OK(fiber_sleep(121 * RT_S));
    t.fails = ERR_UNREACHABLE; /* silence takes nothing from anybody */
    CHECK_OK(authority_check(&x));
    t.fails = 0;
    t.n = 0;
    CHECK_OK(authority_check(&x)); /* it is not asked all the time */
    CHECK_OK(fiber_sleep(61 * RT_S));
    CHECK_ERR(authority_check(&x), ERR_DENIED);
    authority_end(&x);
    directory_close(&dir);
    people_close(&people);
    kv_close(&kv);
    ar_free(&a);
    return 0;
}

TEST(login_of_a_person_gone_elsewhere_ends)
{
    struct sim *s = sim_new(1);
    struct sim_node *n = sim_node(s, "x.test", "127.0.0.2");
    sim_node_start(n, session_ends, NULL);
    sim_run(s, 1000 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}
