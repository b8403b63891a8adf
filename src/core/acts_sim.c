/* acts_sim.c - what was answered as done is there whenever the power goes: one act after the other of those
 * that people and programs do, each row by row as it stands in docs/format.md, the power cut at every durable
 * step. What was not answered is there whole, or not at all. */
#include <stdio.h>

#include "base/test.h"
#include "base/text.h"
#include "config.h"
#include "directory/api_key.h"
#include "directory/sending_domain.h"
#include "guard/guard.h"
#include "own_sim.h"
#include "send/inbound.h"
#include "send/suppression.h"
#include "send/webhook.h"
#include "sim/power.h"
#include "source/source.h"
#include "store/quota.h"

enum { TREE = 5000, ACTS_MAX = 16 };

struct world {
    struct power p;
    struct config conf;
    bool done[ACTS_MAX];
    size_t from, to; /* which of the acts */
    size_t over;     /* looked at, at the end */
};

/* Where an act is done: an account, a core. */
struct here {
    struct core *core;
    struct arena *a;
    struct account acc;
};

static bool is_done(int e) { return e == 0 || e == ERR_EXISTS; }

/* ---- the acts: done, and whether it is there ---- */

static int claim(struct here *h)
{
    struct sending_domain d;
    return sending_domain_add(h->core->store->directory, h->a, h->acc.id, SL("shop.example"), SL(""), SL(""),
                              &d);
}

static bool claim_there(struct here *h)
{
    struct sending_domain d;
    int e = sending_domain_get(h->core->store->directory, h->a, h->acc.id, SL("shop.example"), &d);
    CHECK(!e || e == ERR_NOT_FOUND);
    return !e && d.pem.n && d.selector.n;
}

static int limit(struct here *h)
{
    struct quota_limits l = {.bytes = TREE, .messages = QUOTA_NONE, .boxes = 3};
    return quota_tree_set(h->core->store, h->acc.id, NULL, SL("Archive"), &l, true);
}

static bool limit_there(struct here *h)
{
    struct quota_tree *t;
    size_t n;
    CHECK_OK(quota_trees(h->core->store, h->acc.id, SL("Archive"), h->a, &t, &n));
    CHECK(n == 0 || (n == 1 && t->limit.bytes == TREE && t->limit.boxes == 3 && t->by_operator));
    return n == 1;
}

static int app(struct here *h)
{
    struct slice password;
    struct app_password what = {.name = SL("phone"), .protocols = 1, .limits = SENDER_LIMITS_UNSET};
    return app_password_add(h->core->store->directory, h->a, h->acc.address, &what, &password);
}

static bool app_there(struct here *h)
{
    CHECK(h->acc.napps <= 1);
    return h->acc.napps == 1 && sl_eq(h->acc.app[0].name, SL("phone"));
}

static int count_key(void *n, struct api_key *k)
{
    CHECK(!k->damage.n && sl_eq(k->name, SL("shop")));
    ++*(size_t *)n;
    return 0;
}

static size_t keys_of(struct here *h)
{
    size_t n = 0;
    CHECK_OK(api_key_each(h->core->keys, count_key, &n));
    return n;
}

/* A second one would be another key: whoever did not hear of the first asks what there is. */
static int key(struct here *h)
{
    struct slice whole;
    struct api_key k = {.address = h->acc.address, .name = SL("shop"), .scopes = 1};
    return keys_of(h) ? ERR_EXISTS : api_key_add(h->core->keys, h->a, &k, &whole);
}

static bool key_there(struct here *h) { return keys_of(h) == 1; }

static int block(struct here *h) { return guard_block(h->core->guard, SL("198.51.100.0/24"), 0); }

static bool block_there(struct here *h)
{
    struct slice row;
    int e = kv_get(h->core->store->kv, SL("_guard"), SL("h/198.51.100.0/24"), h->a, &row);
    CHECK(!e || e == ERR_NOT_FOUND);
    return !e;
}

static int suppress(struct here *h)
{
    struct suppression_entry e = {
        .address = SL("x@two.test"), .reason = SEND_OUT_COMPLAINED, .evidence = SL("said so")};
    return suppression_add(h->core->sends, sl_cstr(h->acc.id), &e);
}

static bool suppress_there(struct here *h)
{
    struct suppression_entry *e;
    size_t n;
    CHECK_OK(suppression_get(h->core->sends, sl_cstr(h->acc.id), SL("x@two.test"), h->a, &e, &n));
    CHECK(n <= 1);
    return n == 1 && e->reason == SEND_OUT_COMPLAINED && sl_eq(e->evidence, SL("said so"));
}

static int warm(struct here *h)
{
    struct source s = {.name = SL("new"), .pool = SL("bulk"), .helo = SL("out.one.test")};
    struct warm_curve c = {.first = 50, .growth = 30, .most = 5000};
    CHECK(ip_parse(SL("192.0.2.77"), &s.ip));
    int e = source_add(h->core->sources, &s);
    return is_done(e) ? source_warm(h->core->sources, s.name, &c) : e;
}

static bool warm_there(struct here *h)
{
    struct warm_curve c;
    struct warm_group *g;
    size_t n;
    return source_warm_look(h->core->sources, SL("new"), h->a, &c, &g, &n) && c.first == 50 && c.most == 5000;
}

static int hook(struct here *h)
{
    struct slice key_pem;
    struct webhook w = {.account = sl_cstr(h->acc.id), .name = SL("all"), .url = SL("https://hook.test/x")};
    return webhook_add(h->core->sends, &w, h->a, &key_pem);
}

static bool hook_there(struct here *h)
{
    struct webhook w;
    int e = webhook_get(h->core->sends, sl_cstr(h->acc.id), SL("all"), h->a, &w);
    CHECK(!e || e == ERR_NOT_FOUND);
    return !e && sl_eq(w.url, SL("https://hook.test/x"));
}

static int route(struct here *h)
{
    struct slice key_pem;
    struct inbound in = {
        .name = SL("hook@one.test"), .account = sl_cstr(h->acc.id), .url = SL("https://hook.test/in")};
    return inbound_add(h->core->sends, &in, h->a, &key_pem);
}

static bool route_there(struct here *h)
{
    struct inbound in;
    int e = inbound_get(h->core->sends, sl_cstr(h->acc.id), SL("hook@one.test"), h->a, &in);
    CHECK(!e || e == ERR_NOT_FOUND);
    return !e && sl_eq(in.url, SL("https://hook.test/in"));
}

static int alias(struct here *h)
{
    struct slice to[2] = {SL("alice@one.test"), SL("bob@two.test")};
    return alias_add(h->core->store->directory, SL("sales@one.test"), to, 2);
}

static int count_alias(void *n, struct alias *x)
{
    CHECK_INT(x->n, 2);
    ++*(size_t *)n;
    return 0;
}

static bool alias_there(struct here *h)
{
    size_t n = 0;
    CHECK_OK(alias_each(h->core->store->directory, SL("one.test"), count_alias, &n));
    return n == 1;
}

static const struct act {
    int (*act)(struct here *h); /* ERR_EXISTS: it was done before */
    bool (*there)(struct here *h);
} acts[] = {{limit, limit_there}, {app, app_there},           {key, key_there},   {block, block_there},
            {warm, warm_there},   {suppress, suppress_there}, {hook, hook_there}, {route, route_there},
            {alias, alias_there}, {claim, claim_there}};
_Static_assert(COUNT_OF(acts) <= ACTS_MAX, "done[] has room");

/* ---- the world ---- */

static int open_core(struct core *core, struct world *w)
{
    return own_core_open(core, &w->conf, "mail.one.test. IN A 192.0.2.1\n");
}

static int with_core(struct world *w, int (*fn)(struct world *w, struct here *h))
{
    struct arena a = {0};
    struct core *core = ar_new(&a, struct core);
    struct here h = {.core = core, .a = &a};
    int e = open_core(core, w);
    if (!e) e = account_get(core->store->directory, &a, SL("alice@one.test"), &h.acc);
    if (!e) e = fn(w, &h);
    if (core->store) core_close(core);
    ar_free(&a);
    return e;
}

static int make_account(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct core *core = ar_new(&a, struct core);
    int e = open_core(core, w);
    if (!e) e = domain_add(core->store->directory, SL("one.test"));
    if (!e) e = account_add(core->store->directory, SL("alice@one.test"), SL("secret"));
    CHECK_OK(e);
    if (core->store) core_close(core);
    ar_free(&a);
    return e;
}

static int do_all(struct world *w, struct here *h)
{
    int e = 0;
    for (size_t i = w->from; !e && i < w->to; i++) {
        if (w->done[i]) continue;
        e = acts[i].act(h);
        if (!is_done(e)) break;
        w->done[i] = true;
        e = 0;
    }
    return e;
}

static void heard(void *arg, const char *sentence)
{
    (void)arg;
    test_fail(__FILE__, __LINE__, "%s", sentence);
}

static int look_at_all(struct world *w, struct here *h)
{
    w->over = 0;
    for (size_t i = w->from; i < w->to; i++) {
        bool there = acts[i].there(h);
        if (w->done[i] && !there) test_fail(__FILE__, __LINE__, "act %zu was answered, and is not there", i);
        w->over += there;
    }
    CHECK_OK(guard_check(h->core->store->kv, heard, NULL));
    return 0;
}

static int work(void *w) { return with_core(w, do_all); }
static int look(void *w) { return with_core(w, look_at_all); }

static void begin_with(struct world *w, size_t from, size_t to)
{
    config_defaults(&w->conf);
    w->conf.hostname = SL("mail.one.test");
    w->from = from, w->to = to;
    power_run(w, make_account);
}

/* A claim makes a key, which takes long, so it is alone. */
static void begin(void *w) { begin_with(w, 0, COUNT_OF(acts) - 1); }
static void begin_claim(void *w) { begin_with(w, COUNT_OF(acts) - 1, COUNT_OF(acts)); }

static void check(void *arg)
{
    const struct world *w = arg;
    CHECK_INT(w->over, w->to - w->from);
}

static const struct power_test power = {.size = sizeof(struct world),
                                        .begin = begin,
                                        .work = work,
                                        .look = look,
                                        .stock = look,
                                        .check = check,
                                        .must_end = true,
                                        .least = COUNT_OF(acts) - 1};

TEST(what_was_answered_as_done_is_there_wherever_the_power_goes) { power_cut_everywhere(&power); }

TEST(a_claim_that_was_answered_is_there_wherever_the_power_goes)
{
    struct power_test claim_power = power;
    claim_power.begin = begin_claim;
    claim_power.least = 1;
    power_cut_everywhere(&claim_power);
}
