/* fetch_sim.c - servers that are slow, and those who wait for others. */
#include "fetch.h"

#include <stdlib.h>

#include "base/test.h"
#include "dns/dns.h"
#include "sim/sim.h"

enum { SLOW = 40 };

struct world {
    struct dns *dns;
    struct fetch f;
    unsigned done; /* of the slow ones; atomic */
    bool good;
};

/* slow.test takes 30 seconds, others no time. */
static int transfer(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    (void)arg;
    *out = (struct fetch_answer){.status = 200};
    if (!sl_eq(c->host, SL("slow.test"))) return 0;
    rt_pause(30 * RT_S < c->timeout ? 30 * RT_S : c->timeout);
    return c->timeout > 30 * RT_S ? 0 : err_set(ERR_TIMEOUT, "it takes its time");
}

static int ask(struct world *w, const char *url, uint64_t asker, bool waited_for, int64_t *took)
{
    struct arena a = {0};
    struct fetch_answer r;
    int64_t began = rt_now();
    struct fetch_request q = {
        .url = sl_cstr(url), .timeout = 60 * RT_S, .asker = asker, .waited_for = waited_for};
    int e = fetch(&w->f, &a, &q, &r);
    ar_free(&a);
    *took = rt_now() - began;
    return e;
}

/* An account's webhook on a server that is slow; nobody waits longer than was said. */
static void slow(void *arg)
{
    struct world *w = arg;
    int64_t took;
    (void)!ask(w, "https://slow.test/", 7, false, &took);
    CHECK(took <= 61 * RT_S);
    __atomic_add_fetch(&w->done, 1, __ATOMIC_RELAXED);
}

static int others_wait_for_nobody(void *arg)
{
    struct world *w = arg;
    struct group g;
    int64_t took;
    CHECK_OK(dns_open_zone_text(&w->dns, SL("slow.test. A 192.0.2.1\ngood.test. A 192.0.2.2\n")));
    w->f.conf =
        (struct fetch_conf){.dns = w->dns, .private_hosts = true, .transfer = transfer, .transfer_arg = w};
    group_init(&g);
    for (int i = 0; i < SLOW; i++) CHECK_OK(group_go(&g, "slow", slow, w));
    (void)!fiber_sleep(RT_S);
    CHECK_OK(ask(w, "https://good.test/", 0, true, &took)); /* somebody logs in */
    CHECK(took < RT_S);
    CHECK_OK(ask(w, "https://good.test/", 8, false, &took)); /* another account's turn is the next */
    CHECK(took < 31 * RT_S);
    (void)group_wait(&g);
    CHECK_INT(w->done, SLOW);
    dns_close(&w->dns);
    w->good = true;
    return 0;
}

TEST(fetch_who_is_slow_keeps_nobody_else)
{
    struct world w = {0};
    struct sim *s = sim_new(3);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.9");
    sim_node_start(n, others_wait_for_nobody, &w);
    sim_run(s, 3600 * RT_S);
    CHECK(!sim_node_running(n));
    CHECK(w.good);
    sim_free(&s);
}
