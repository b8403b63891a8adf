/* belongings_sim.c - what an account has in rows of many is taken away, whatever else of these is damaged. */
#include "belongings.h"
#include "config.h"

#include "base/test.h"
#include "body/body.h"
#include "directory/api_key.h"
#include "directory/sending_domain.h"
#include "kv/record.h"
#include "sim/sim.h"
#include "store/store.h"

struct world {
    struct config conf;
    struct core core;
    struct arena a;
    struct account alice;
};

static int ask(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    (void)arg, (void)a, (void)name, (void)type;
    *out = (struct dns_answer){.status = DNS_NXDOMAIN};
    return 0;
}

static void open_world(struct world *w)
{
    struct kv *kv;
    struct body_store *body;
    CHECK_OK(kv_mem_open(&kv, "index.log"));
    CHECK_OK(body_open(&body, "bodies", 0));
    CHECK_OK(core_open_on(&w->core, &w->conf, dns_open_func(ask, w), kv, body));
    struct directory *dir = w->core.store->directory;
    CHECK_OK(domain_add(dir, SL("one.test")));
    CHECK_OK(domain_add(dir, SL("two.test")));
    CHECK_OK(domain_add(dir, SL("three.test")));
    CHECK_OK(domain_add(dir, SL("four.test")));
    CHECK_OK(account_add(dir, SL("alice@one.test"), SL("secret")));
    CHECK_OK(account_get(dir, &w->a, SL("alice@one.test"), &w->alice));
}

static int spoil_tx(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, *(struct slice *)key, SL("\xff torn"));
    return 0;
}

static void spoil(struct world *w, struct slice object, struct slice key)
{
    CHECK_OK(kv_transact(w->core.store->kv, object, spoil_tx, &key));
}

static void give(struct world *w)
{
    struct directory *dir = w->core.store->directory;
    struct api_key k = {.address = w->alice.address, .name = SL("k"), .scopes = 1};
    struct sending_domain d;
    struct slice whole;
    CHECK_OK(domain_admin_set(dir, SL("two.test"), w->alice.address, true));
    CHECK_OK(domain_admin_set(dir, SL("three.test"), w->alice.address, true));
    CHECK_OK(api_key_add(w->core.keys, &w->a, &k, &whole));
    CHECK_OK(sending_domain_add(dir, &w->a, w->alice.id, SL("shop.example"), SL(""), SL(""), &d));
    CHECK_OK(sending_domain_add(dir, &w->a, w->alice.id, SL("torn.example"), SL(""), SL(""), &d));
}

static void damage(struct world *w)
{
    spoil(w, SL("d:four.test"), SL(".")); /* where she administers nothing */
    spoil(w, SL("d:two.test"), SL("."));
    spoil(w, SL("d:one.test"), SL(".")); /* her own */
    spoil(w, SL("d:three.test"), ar_printf(&w->a, "m:%s", w->alice.id));
    spoil(w, SL("_senders"), ar_printf(&w->a, "c/%s/torn.example", w->alice.id));
    spoil(w, SL("_sends"), ar_printf(&w->a, "w/%s/1", w->alice.id));
    spoil(w, SL("_keys"), SL("k/aaaaaaaaaaaaaaaa"));
}

static int count(void *n, const struct sending_domain *d)
{
    (void)d;
    ++*(size_t *)n;
    return 0;
}

static int count_key(void *n, struct api_key *k)
{
    *(size_t *)n += !k->damage.n;
    return 0;
}

static int spoil_own_tx(struct kv_tx *tx, void *id)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    rec_put(&b, 'i', sl_cstr(id));
    rec_put(&b, 'k', SL("no keys"));
    kv_tx_put_record(tx, SL("a:bob"), &b);
    buf_free(&b);
    return 0;
}

/* Nor does its own row, as long as that says which mailboxes are the account's. */
static void own_row(struct world *w)
{
    struct directory *dir = w->core.store->directory;
    const struct slice address = SL("bob@five.test");
    struct account bob;
    struct sending_domain d;
    size_t domains = 0;
    CHECK_OK(domain_add(dir, SL("five.test")));
    CHECK_OK(account_add(dir, address, SL("secret")));
    CHECK_OK(account_get(dir, &w->a, address, &bob));
    CHECK_OK(domain_admin_set(dir, SL("five.test"), address, true));
    CHECK_OK(sending_domain_add(dir, &w->a, bob.id, SL("bob.example"), SL(""), SL(""), &d));
    CHECK_OK(kv_transact(w->core.store->kv, SL("d:five.test"), spoil_own_tx, bob.id));
    CHECK_ERR(account_get(dir, &w->a, address, &bob), ERR_CORRUPT);
    CHECK_OK(account_get_damaged(dir, &w->a, address, &bob));
    CHECK(sl_eq(bob.address, address) && sl_eq(bob.domain, SL("five.test")));
    CHECK_OK(belongings_drop(&w->core, &bob));
    CHECK_OK(sending_domain_each(dir, NULL, count, &domains));
    CHECK_INT(domains, 0);
    CHECK_OK(account_remove(dir, address));
    CHECK_ERR(account_get_damaged(dir, &w->a, address, &bob), ERR_NOT_FOUND);
    spoil(w, SL("d:five.test"), SL("a:carl"));
    CHECK_ERR(account_get_damaged(dir, &w->a, SL("carl@five.test"), &bob), ERR_CORRUPT); /* whose? */
}

static int run(void *arg)
{
    struct world *w = arg;
    struct directory *dir;
    struct account acc;
    size_t domains = 0, keys = 0;
    bool two = true, three = true;
    open_world(w);
    dir = w->core.store->directory;
    give(w);
    damage(w);
    CHECK_OK(belongings_drop(&w->core, &w->alice));
    CHECK_OK(domain_admin_is(dir, SL("two.test"), w->alice.id, &two));
    CHECK_OK(domain_admin_is(dir, SL("three.test"), w->alice.id, &three));
    CHECK(!two && !three);
    CHECK_OK(sending_domain_each(dir, NULL, count, &domains));
    CHECK_OK(api_key_each(w->core.keys, count_key, &keys));
    CHECK(domains == 0 && keys == 0);
    CHECK_OK(account_get(dir, &w->a, w->alice.address, &acc));
    CHECK(acc.disabled); /* whoever is cut off here leaves nobody who could send */
    CHECK_OK(belongings_drop(&w->core, &w->alice));
    CHECK_OK(account_remove(dir, w->alice.address));
    own_row(w);
    core_close(&w->core);
    ar_free(&w->a);
    return 0;
}

TEST(damaged_rows_of_others_keep_no_account_from_being_removed)
{
    struct world w = {0};
    struct sim *s = sim_new(11);
    config_defaults(&w.conf);
    w.conf.hostname = SL("mail.one.test");
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.1");
    sim_node_start(n, run, &w);
    sim_run(s, 86400 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}
