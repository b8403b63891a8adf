/* account_sim.c - accounts are made and removed with power cuts at every durable step: after the
 * next start an account can be found and is whole, or nothing is left of it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "directory/directory.h"
#include "mailbox.h"
#include "sim/power.h"

struct world {
    struct power p;
    struct store *s;
    bool removed;        /* acknowledged */
    bool limits, quotas; /* the same */
};

static int open_store(struct world *w)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    int e = kv_mem_open(&kv, "index.log");
    if (e == 0) e = body_open(&b, "bodies", 3000);
    if (e == 0) return store_open(&w->s, kv, b); /* takes both over */
    kv_close(&kv);
    return e;
}

static int work(void *arg)
{
    struct world *w = arg;
    int e = open_store(w);
    if (e) return e;
    e = domain_add(w->s->directory, SL("one.test"));
    if (e == 0 || e == ERR_EXISTS) e = account_add(w->s->directory, SL("alice@one.test"), SL("secret"));
    if (e == 0) e = account_remove(w->s->directory, SL("alice@one.test"));
    w->removed = e == 0;
    if (w->removed) e = domain_remove(w->s->directory, SL("one.test"));
    store_close(&w->s);
    return e;
}

static int look(void *arg)
{
    struct world *w = arg;
    struct arena a;
    struct account acc;
    char id[20] = "";
    struct mailbox *box;
    struct slice *object;
    size_t n, boxes = 0;
    bool more;
    int e = open_store(w);
    CHECK_OK(e);
    if (e) return e;
    ar_init(&a, 0);
    e = account_get(w->s->directory, &a, SL("alice@one.test"), &acc);
    CHECK(e == 0 || e == ERR_NOT_FOUND);
    if (e == 0) snprintf(id, sizeof id, "%s", acc.id);
    if (e == 0) CHECK_OK(mailbox_list(w->s, id, &a, &box, &boxes));
    CHECK(e || boxes == 6);
    CHECK(!w->removed || e);
    CHECK_OK(kv_objects(w->s->kv, SL("u:"), SL("u;"), 10, &a, &object, &n, &more));
    CHECK_INT(n, e == 0);
    if (e == 0 && n) CHECK_SL(sl_from(object[0], 2), id);
    if (e == 0) CHECK_OK(account_remove(w->s->directory, SL("alice@one.test")));
    ar_free(&a);
    store_close(&w->s);
    return 0;
}

TEST(accounts_are_whole_or_gone_after_power_cuts_at_every_step)
{
    power_cut_everywhere(&(struct power_test){
        .size = sizeof(struct world), .work = work, .look = look, .rounds = 2, .seeds = 4, .least = 20});
}

/* ---- what an account may send, and what it may hold (`account set`) ---- */

enum { DAILY = 7, BYTES = 1000, MESSAGES = 3 };

static int set_all(void *arg)
{
    struct world *w = arg;
    struct arena a;
    struct account acc;
    struct sender_limits change;
    const uint64_t bytes = BYTES, messages = MESSAGES;
    int e = open_store(w);
    if (e) return e;
    ar_init(&a, 0);
    for (int k = 0; k < SENDER_LIMITS; k++) change.v[k] = SENDER_AS_IT_IS;
    change.v[SENDER_RCPTS_DAY] = DAILY;
    e = domain_add(w->s->directory, SL("one.test"));
    if (e == 0 || e == ERR_EXISTS) e = account_add(w->s->directory, SL("alice@one.test"), SL("secret"));
    if (e == 0 || e == ERR_EXISTS) e = account_get(w->s->directory, &a, SL("alice@one.test"), &acc);
    if (e == 0) e = account_set_limits(w->s->directory, SL("alice@one.test"), &change);
    if (e == 0) w->limits = true;
    if (e == 0) e = account_set_quotas(w->s, acc.id, &(struct account_quotas){&bytes, &messages});
    if (e == 0) w->quotas = true;
    ar_free(&a);
    store_close(&w->s);
    return e;
}

/* The limits of old or new; both quotas of old or both new, and never before the limits. */
static int look_at_all(void *arg)
{
    struct world *w = arg;
    struct arena a;
    struct account acc;
    struct account_usage u = {0};
    int e = open_store(w);
    CHECK_OK(e);
    if (e) return e;
    ar_init(&a, 0);
    e = account_get(w->s->directory, &a, SL("alice@one.test"), &acc);
    CHECK(e == 0 || e == ERR_NOT_FOUND);
    bool limits = e == 0 && acc.limits.v[SENDER_RCPTS_DAY] == DAILY;
    if (e == 0) CHECK_OK(account_usage(w->s, acc.id, &u));
    bool quotas = u.quota_bytes == BYTES;
    CHECK(quotas || u.quota_bytes == 0);
    CHECK_INT(u.quota_messages, quotas ? MESSAGES : 0);
    CHECK(limits || !quotas);
    CHECK((limits || !w->limits) && (quotas || !w->quotas));
    ar_free(&a);
    store_close(&w->s);
    return 0;
}

TEST(what_an_account_may_is_set_whole_or_not_after_power_cuts_at_every_step)
{
    power_cut_everywhere(&(struct power_test){
        .size = sizeof(struct world), .work = set_all, .look = look_at_all, .seeds = 4, .least = 15});
}
