/* news_sim.c - who waits for events hears of each in its time, whatever the others are doing. */
#include "base/test.h"
#include "dns/dns.h"
#include "event.h"
#include "fetch/fetch.h"
#include "rt/file.h"
#include "send_i.h"
#include "sim/sim.h"
#include "store/mailbox.h"
#include "webhook.h"

enum { CALLS = 8 };
struct world {
    struct sim *sim;
    struct sim_node *node;
    struct store *store;
    struct sends *sends;
    struct dns *dns;
    struct fetch fetch;
    struct account account;
    struct arena a;
    int status;        /* what the receiver answers */
    int64_t at[CALLS]; /* when it was called */
    size_t calls;
};

static int transfer(void *ctx, const struct fetch_call *c, struct fetch_answer *out)
{
    struct world *w = ctx;
    (void)c;
    if (w->calls < CALLS) w->at[w->calls] = rt_now();
    w->calls++;
    out->status = w->status;
    return 0;
}

static int open_all(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct sends_conf c = {.hostname = SL("mail.one.test"), .fetch = &w->fetch, .webhook_private = true};
    int e = kv_mem_open(&kv, NULL);
    if (!e) e = body_open(&b, "body", 1 << 20);
    if (!e) e = store_open(&w->store, kv, b);
    c.store = w->store;
    if (!e) e = path_write("zone", SL("hook.test. IN A 127.0.0.9\n"), 0600);
    if (!e) e = dns_open_zone(&w->dns, "zone");
    w->fetch.conf =
        (struct fetch_conf){.dns = w->dns, .private_hosts = true, .transfer = transfer, .transfer_arg = w};
    if (!e) e = domain_add(w->store->directory, SL("one.test"));
    if (!e) e = account_add(w->store->directory, SL("news@one.test"), SL("secret"));
    if (!e) e = account_get(w->store->directory, &w->a, SL("news@one.test"), &w->account);
    if (!e) e = sends_open(&w->sends, &c);
    if (!e) e = sends_start(w->sends, NULL);
    struct webhook h = {
        .account = sl_cstr(w->account.id), .name = SL("hook"), .url = SL("https://hook.test/x")};
    struct slice key;
    if (!e) e = webhook_add(w->sends, &h, &w->a, &key);
    return e ? e : fiber_sleep(10 * RT_S); /* all have looked, and wait */
}

static void close_all(struct world *w)
{
    sends_stop(w->sends);
    sends_close(&w->sends);
    store_close(&w->store);
    dns_close(&w->dns);
    ar_free(&w->a);
}

static int tell_tx(struct kv_tx *tx, void *arg)
{
    struct world *w = arg;
    event_tx_add(w->sends, tx, sl_cstr(w->account.id),
                 &(struct event){.kind = EVENT_DELIVERED, .address = SL("bob@two.test")});
    return 0;
}

static int tell(struct world *w) { return kv_transact(w->store->kv, SL("any"), tell_tx, w); }

static void run(struct world *w, int (*fn)(void *))
{
    w->sim = sim_new(7);
    w->node = sim_node(w->sim, "one.test", "192.0.2.1");
    sim_node_start(w->node, fn, w);
    sim_run(w->sim, RT_NEVER);
    CHECK_INT(sim_node_result(w->node), 0);
    sim_free(&w->sim);
}

static int receiver_fails(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    if (!e) e = tell(w);
    if (!e) e = fiber_sleep(100 * RT_S);
    close_all(w);
    return e;
}

TEST(a_webhook_that_fails_is_called_again_when_its_row_says_so)
{
    struct world w = {.status = 500};
    run(&w, receiver_fails);
    CHECK(w.calls >= 3 && w.calls < CALLS);
    for (size_t i = 1; i < w.calls && i < CALLS; i++) {
        int64_t waited = (w.at[i] - w.at[i - 1]) / RT_S;
        if (waited < 30 || waited > 41)
            test_fail(__FILE__, __LINE__, "call %zu came after %lld s", i, (long long)waited);
    }
}

/* The runner has work for a while, and looks when it is done. */
static int runner_is_busy(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    w->sends->news_for |= SENDS_RUNNER;
    if (!e) e = tell(w);
    if (!e) e = fiber_sleep(5 * RT_S);
    close_all(w);
    return e;
}

TEST(events_reach_webhooks_while_the_runner_of_sends_is_busy)
{
    struct world w = {.status = 200};
    run(&w, runner_is_busy);
    CHECK_INT(w.calls, 1);
}
