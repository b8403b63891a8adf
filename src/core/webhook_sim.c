/* webhook_sim.c - webhooks over days: receivers that are down, hang, redirect or answer garbage. Each event
 * is taken once and in order, and one receiver keeps no other from its events. */
#include <stdio.h>

#include "base/test.h"
#include "base/text.h"
#include "config.h"
#include "core.h"
#include "fetch/fetch.h"
#include "send/event.h"
#include "send/webhook.h"
#include "sim/sim.h"
#include "store/store.h"

enum { WELL, DOWN, HANGS, REDIRECTS, GARBAGE, HOOKS };
static const char *const names[HOOKS] = {"well", "down", "hangs", "redirects", "garbage"};
enum { EVENTS = 60, DAY = 86400 };

struct heard {
    size_t calls, events; /* taken, in order, each once */
    bool wrong;
    uint64_t last;
    int64_t begun, first, taken; /* when: its first call, the last that was taken */
};
struct world {
    struct sim_node *node; /* where its clock is moved */
    struct config conf;
    struct core core;
    struct arena a;
    struct account alice;
    struct heard heard[HOOKS];
    uint64_t told; /* events so far */
};

/* The addresses of the events in the body are n1@two.test, n2@two.test, ...: 0 when there is none behind at.
 */
static uint64_t number_in(struct slice body, size_t *at)
{
    size_t from = sl_find(sl_from(body, *at), SL("\"email\":\"n"));
    uint64_t n = 0;
    if (from == SL_NONE) return 0;
    for (*at += from + 10; *at < body.n && is_digit(body.p[*at]); ++*at)
        n = n * 10 + (uint64_t)(body.p[*at] - '0');
    return n;
}

static void take_all(struct heard *h, struct slice body)
{
    size_t at = 0;
    for (uint64_t n; (n = number_in(body, &at)) != 0; h->last = n, h->events++) h->wrong |= n != h->last + 1;
    h->taken = rt_wall_seconds();
}

static int transfer(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    struct world *w = arg;
    int i = 0;
    while (i < HOOKS && sl_find(c->request->url, sl_cstr(names[i])) == SL_NONE) i++;
    if (i == HOOKS) return ERR_USAGE;
    struct heard *h = &w->heard[i];
    if (!h->calls++) h->first = rt_wall_seconds();
    int64_t since = rt_wall_seconds() - h->first;
    out->status = i == DOWN && since < 2 * DAY ? 500 : i == REDIRECTS ? 302 : 200;
    if (i == HANGS) return err_set(ERR_TIMEOUT, "hook.test is silent");
    if (out->status != 200) return 0;
    take_all(h, c->request->body);
    out->body = SL("<html>\xff\xfe nothing of use");
    return i == GARBAGE && h->calls % 2 ? err_set(ERR_LIMIT, "the answer is too large") : 0;
}

static int add_tx(struct kv_tx *tx, void *arg)
{
    struct world *w = arg;
    char address[40];
    snprintf(address, sizeof address, "n%llu@two.test", (unsigned long long)w->told);
    event_tx_add(w->core.sends, tx, sl_cstr(w->alice.id),
                 &(struct event){.kind = EVENT_DELIVERED, .address = sl_cstr(address)});
    return 0;
}

static void tell_some(struct world *w, size_t n)
{
    while (n--) {
        w->told++;
        CHECK_OK(kv_transact(w->core.store->kv, SL("_sends"), add_tx, w));
    }
}

static void open_world(struct world *w)
{
    struct kv *kv;
    struct body_store *body;
    struct dns *dns;
    CHECK_OK(dns_open_zone_text(&dns, SL("mail.one.test. IN A 192.0.2.1\nhook.test. IN A 192.0.2.9\n")));
    CHECK_OK(kv_mem_open(&kv, "index.log"));
    CHECK_OK(body_open(&body, "bodies", 0));
    CHECK_OK(core_open_on(&w->core, &w->conf, dns, kv, body));
    w->core.fetch->conf.transfer = transfer;
    w->core.fetch->conf.transfer_arg = w;
    CHECK_OK(domain_add(w->core.store->directory, SL("one.test")));
    CHECK_OK(account_add(w->core.store->directory, SL("alice@one.test"), SL("secret")));
    CHECK_OK(account_get(w->core.store->directory, &w->a, SL("alice@one.test"), &w->alice));
    for (int i = 0; i < HOOKS; i++) {
        struct slice key;
        struct webhook h = {.account = sl_cstr(w->alice.id),
                            .name = sl_cstr(names[i]),
                            .url = ar_printf(&w->a, "https://hook.test/%s", names[i])};
        CHECK_OK(webhook_add(w->core.sends, &h, &w->a, &key));
    }
}

static struct webhook state_of(struct world *w, int i)
{
    struct webhook h;
    CHECK_OK(webhook_get(w->core.sends, sl_cstr(w->alice.id), sl_cstr(names[i]), &w->a, &h));
    return h;
}

static void days(struct world *w)
{
    for (size_t i = 0; i < EVENTS; i++) {
        tell_some(w, 1);
        CHECK_OK(fiber_sleep(3600 * RT_S));
    }
    CHECK(w->heard[WELL].events == EVENTS && w->heard[GARBAGE].events == EVENTS);
    CHECK(w->heard[WELL].taken >= rt_wall_seconds() - 3600);
    CHECK_INT(w->heard[DOWN].events, EVENTS); /* it was down for two days of them */
    CHECK(w->heard[DOWN].calls > 40 && w->heard[DOWN].calls < 400);
    struct webhook h = state_of(w, HANGS);
    CHECK(!h.paused && h.failing && sl_find(h.why, SL("silent")) != SL_NONE);
    CHECK_OK(fiber_sleep(DAY * RT_S));
    for (int i = HANGS; i <= REDIRECTS; i++) {
        h = state_of(w, i);
        CHECK(h.paused && w->heard[i].events == 0);
    }
    CHECK(sl_find(h.why, SL("302")) != SL_NONE);
    size_t calls = w->heard[HANGS].calls;
    tell_some(w, 150); /* more than a batch */
    CHECK_OK(fiber_sleep(DAY * RT_S));
    CHECK_INT(w->heard[HANGS].calls, calls); /* it is left alone until somebody says so */
    CHECK_INT(w->heard[WELL].events, EVENTS + 150);
}

/* The node was off for five days, or its clock jumped: nobody can say that the receiver took nothing so long.
 */
static int run_off(void *arg)
{
    struct world *w = arg;
    open_world(w);
    CHECK_OK(sends_start(w->core.sends, w->core.queue));
    CHECK_OK(fiber_sleep(5 * RT_S));
    tell_some(w, 1);
    CHECK_OK(fiber_sleep(2 * 3600 * RT_S));
    CHECK(state_of(w, HANGS).failing);
    sim_clock_skew(w->node, 5 * (int64_t)DAY * 1000000);
    size_t calls = w->heard[HANGS].calls;
    CHECK_OK(fiber_sleep(2 * 3600 * RT_S));
    CHECK(w->heard[HANGS].calls > calls && !state_of(w, HANGS).paused);
    CHECK_OK(fiber_sleep(3 * DAY * RT_S));
    CHECK(state_of(w, HANGS).paused); /* now it is */
    sends_stop(w->core.sends);
    core_close(&w->core);
    ar_free(&w->a);
    return 0;
}

static int run(void *arg)
{
    struct world *w = arg;
    open_world(w);
    CHECK_OK(sends_start(w->core.sends, w->core.queue));
    CHECK_OK(fiber_sleep(5 * RT_S));
    days(w);
    for (int i = 0; i < HOOKS; i++) CHECK(!w->heard[i].wrong);
    sends_stop(w->core.sends);
    core_close(&w->core);
    ar_free(&w->a);
    return 0;
}

TEST(events_wait_for_receivers_that_are_down_hang_or_redirect)
{
    struct world w = {0};
    struct sim *s = sim_new(3);
    config_defaults(&w.conf);
    w.conf.hostname = SL("mail.one.test");
    w.conf.webhook_private = true;
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.1");
    sim_node_start(n, run, &w);
    sim_run(s, 30 * (int64_t)DAY * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

TEST(a_node_that_was_off_blames_no_receiver_for_that)
{
    struct world w = {0};
    struct sim *s = sim_new(4);
    config_defaults(&w.conf);
    w.conf.hostname = SL("mail.one.test");
    w.conf.webhook_private = true;
    struct sim_node *n = w.node = sim_node(s, "one.test", "192.0.2.1");
    sim_node_start(n, run_off, &w);
    sim_run(s, 30 * (int64_t)DAY * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}
