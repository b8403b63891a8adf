/* webhook_power_sim.c - events are told to a webhook and the power goes at every durable step: what was noted
 * as happened is heard, in order, and again only where the power went before it was written down. */
#include <stdio.h>

#include "base/test.h"
#include "base/text.h"
#include "config.h"
#include "fetch/fetch.h"
#include "own_sim.h"
#include "send/event.h"
#include "send/webhook.h"
#include "sim/power.h"
#include "store/store.h"

enum { EVENTS = 12 };

struct world {
    struct power p;
    struct config conf;
    struct core *core; /* while a program runs */
    unsigned heard[EVENTS + 1];
    size_t noted; /* events whose transaction was answered */
    bool wrong;   /* a call whose events are not in order, or more than one where it wants a call for each */
    enum webhook_form form;
};

/* The addresses are n01@two.test, n02@two.test, ... */
static int transfer(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    struct world *w = arg;
    static const struct slice mark = SL_INIT("\"email\":\"n");
    struct slice rest = c->request->body;
    uint64_t last = 0, n;
    for (size_t at; (at = sl_find(rest, mark)) != SL_NONE; last = n) {
        rest = sl_from(rest, at + mark.n);
        if (!num_u64(sl_sub(rest, 0, 2), EVENTS, &n)) n = 0;
        w->wrong |=
            n < last ||
            (last && w->form == WEBHOOK_MAILJET_ONE); /* one that was not answered may be there, and again */
        w->heard[n]++;
    }
    *out = (struct fetch_answer){.status = 204};
    return 0;
}

static int open_core(struct world *w, struct core *core)
{
    int e = own_core_open(core, &w->conf, "mail.one.test. IN A 192.0.2.1\nhook.test. IN A 192.0.2.9\n");
    if (e) return e;
    core->fetch->conf.transfer = transfer;
    core->fetch->conf.transfer_arg = w;
    return 0;
}

struct telling {
    struct world *w;
    struct account acc;
};

static int note_tx(struct kv_tx *tx, void *arg)
{
    struct telling *t = arg;
    char address[40];
    snprintf(address, sizeof address, "n%02zu@two.test", t->w->noted + 1);
    event_tx_add(t->w->core->sends, tx, sl_cstr(t->acc.id),
                 &(struct event){.kind = EVENT_DELIVERED, .address = sl_cstr(address)});
    return 0;
}

/* One after the other; one that was not answered is noted again. */
static int tell(struct world *w, struct arena *a)
{
    struct telling t = {.w = w};
    struct slice key;
    int e = account_get(w->core->store->directory, a, SL("alice@one.test"), &t.acc);
    if (e) return e;
    struct webhook h = {
        .account = sl_cstr(t.acc.id), .name = SL("all"), .url = SL("https://hook.test/"), .form = w->form};
    e = webhook_add(w->core->sends, &h, a, &key);
    if (!e || e == ERR_EXISTS) e = sends_start(w->core->sends, w->core->queue);
    while (!e && w->noted < EVENTS) {
        e = kv_transact(w->core->store->kv, SL("_sends"), note_tx, &t);
        if (!e) w->noted++;
        if (!e && w->noted % 3 == 0) e = fiber_sleep(5 * RT_S);
    }
    return e ? e : fiber_sleep(120 * RT_S);
}

static int with_core(struct world *w, int (*fn)(struct world *w, struct arena *a))
{
    struct arena a = {0};
    w->core = ar_new(&a, struct core);
    int e = open_core(w, w->core);
    if (!e) e = fn(w, &a);
    if (w->core->store) {
        sends_stop(w->core->sends);
        core_close(w->core);
    }
    ar_free(&a);
    return e;
}

static int make(struct world *w, struct arena *a)
{
    (void)a;
    CHECK_OK(domain_add(w->core->store->directory, SL("one.test")));
    CHECK_OK(account_add(w->core->store->directory, SL("alice@one.test"), SL("secret")));
    return 0;
}

static int make_account(void *w) { return with_core(w, make); }
static int work(void *w) { return with_core(w, tell); }

static void begin(void *arg)
{
    struct world *w = arg;
    config_defaults(&w->conf);
    w->conf.hostname = SL("mail.one.test");
    w->conf.webhook_private = true;
    power_run(w, make_account);
}

static void begin_one(void *arg)
{
    struct world *w = arg;
    w->form = WEBHOOK_MAILJET_ONE;
    begin(arg);
}

static void check(void *arg)
{
    const struct world *w = arg;
    CHECK(w->noted == EVENTS && !w->wrong && !w->heard[0]);
    for (size_t i = 1; i <= EVENTS; i++)
        if (w->heard[i] < 1 || w->heard[i] > 1 + 2 * w->p.cuts)
            test_fail(__FILE__, __LINE__, "event %zu was heard %u times, the power went %u times", i,
                      w->heard[i], w->p.cuts);
}

TEST(events_are_heard_wherever_the_power_goes)
{
    power_cut_everywhere(&(struct power_test){.size = sizeof(struct world),
                                              .begin = begin,
                                              .work = work,
                                              .check = check,
                                              .must_end = true,
                                              .least = EVENTS});
}

TEST(events_are_heard_one_by_one_wherever_the_power_goes)
{
    power_cut_everywhere(&(struct power_test){.size = sizeof(struct world),
                                              .begin = begin_one,
                                              .work = work,
                                              .check = check,
                                              .must_end = true,
                                              .least = EVENTS});
}
