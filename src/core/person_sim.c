/* person_sim.c - somebody is forgotten while the power goes at every durable step: begun again, nothing of
 * theirs is left but what has to stay, and nothing of others is gone. */
#include "config.h"
#include "own_sim.h"
#include "person.h"

#include "allowance/allowance.h"
#include "base/test.h"
#include "directory/api_key.h"
#include "guard/guard.h"
#include "kv/record.h"
#include "send/event.h"
#include "send/suppression.h"
#include "sim/power.h"
#include "sim/sim.h"
#include "store/store.h"
#include "trace/trace.h"

enum { LETTERS = 60 /* more than a page of rows */ };
static const struct slice bob = SL_INIT("bob@two.test"), ann = SL_INIT("ann@two.test");

struct world {
    struct power p;
    struct config conf;
    bool sown;
    struct person_report bob, ann;
    enum send_reason judged;
    size_t keys;
};

static int open_core(struct core *core, struct world *w)
{
    return own_core_open(core, &w->conf, "mail.one.test. IN A 192.0.2.1\n");
}

static int people(struct directory *d)
{
    int e = domain_add(d, SL("one.test"));
    if (!e || e == ERR_EXISTS) e = account_add(d, SL("news@one.test"), SL("secret"));
    if (!e || e == ERR_EXISTS) e = alias_add(d, SL("both@one.test"), &bob, 1);
    return e == ERR_EXISTS ? 0 : e;
}

static void sow_trace(struct core *core)
{
    struct letter_id id;
    const struct slice to[] = {bob, ann};
    for (int i = 0; i < LETTERS; i++) {
        letter_id_new(&id);
        trace_index(core->store->trace, &id, SL(""), SL("news@one.test"), to, 2);
        trace_addf(core->store->trace, &id, TRACE_QUEUED, SL(""), "queued for bob@two.test and ann@two.test");
        trace_addf(core->store->trace, &id, TRACE_RELAYED, i & 1 ? bob : ann, "accepted by the peer");
    }
}

static int sow_events(struct kv_tx *tx, void *arg)
{
    struct core *core = arg;
    event_tx_add(core->sends, tx, SL("news"),
                 &(struct event){.kind = EVENT_BOUNCED, .address = bob, .reply = SL("550 <bob@two.test>?")});
    event_tx_add(core->sends, tx, SL("news"), &(struct event){.kind = EVENT_DELIVERED, .address = ann});
    return 0;
}

/* A row that is no record any more, and still tells of bob. */
static int sow_damage(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("e/0000000000000000/00000000000000/00000000"), SL("\xff torn: bob@two.test \xff"));
    return 0;
}

/* Of others, with the name of bob in it. */
static int sow_key(struct core *core)
{
    struct arena a = {0};
    struct api_key k = {.address = SL("news@one.test"), .name = SL("for bob@two.test"), .scopes = 1};
    struct slice whole;
    int e = api_key_add(core->keys, &a, &k, &whole);
    ar_free(&a);
    return e;
}

static int sow(struct core *core)
{
    struct kv *kv = core->store->kv;
    int e = people(core->store->directory);
    if (!e) e = sow_key(core);
    if (!e) e = guard_block(core->guard, bob, RT_NEVER);
    sow_trace(core);
    allowance_wrote(core->allowance, "news", bob);
    if (!e) e = kv_transact(kv, SL("_sends"), sow_events, core);
    if (!e) e = kv_transact(kv, SL("t:00001"), sow_damage, NULL);
    const struct suppression_entry entry = {
        .address = bob, .reason = SEND_OUT_BY_HAND, .evidence = SL("bob@two.test wrote so")};
    return e ? e : suppression_add(core->sends, SL("news"), &entry);
}

static int erase(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct core *core = ar_new(&a, struct core);
    struct person p;
    struct person_report rep;
    int e = open_core(core, w);
    if (!e && !w->sown) e = sow(core);
    w->sown |= !e;
    if (!e) e = person_of(core, &a, SL("Bob@TWO.test"), &p);
    if (!e) e = person_erase(core, &p, &rep);
    if (core->store) core_close(core);
    ar_free(&a);
    return e;
}

static int count_key(void *n, struct api_key *k)
{
    *(size_t *)n += sl_eq(k->name, SL("for ************")) && !k->damage.n;
    return 0;
}

static int take_stock(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct core *core = ar_new(&a, struct core);
    struct person p, q;
    int e = open_core(core, w);
    if (!e) e = person_of(core, &a, bob, &p);
    if (!e) e = person_of(core, &a, ann, &q);
    if (!e) e = person_each(core, &p, NULL, NULL, &w->bob);
    if (!e) e = person_each(core, &q, NULL, NULL, &w->ann);
    const struct suppression_ask ask = {.account = SL("news"), .address = bob, .stream = STREAM_BULK};
    if (!e) e = suppression_judge(core->sends, &ask, &w->judged);
    if (!e) e = api_key_each(core->keys, count_key, &w->keys);
    CHECK_OK(e);
    if (core->store) core_close(core);
    ar_free(&a);
    return 0;
}

static void begin(void *arg)
{
    struct world *w = arg;
    config_defaults(&w->conf);
    w->conf.hostname = SL("mail.one.test");
}

static void check(void *arg)
{
    const struct world *w = arg;
    for (int i = 0; i < PERSON_NPLACES; i++) {
        uint64_t stays = i == PERSON_DIRECTORY || i == PERSON_BLOCKS; /* the alias, what an operator did */
        if (w->bob.at[i].found != stays)
            test_fail(__FILE__, __LINE__, "%s: %llu are left", person_word((enum person_place)i),
                      (unsigned long long)w->bob.at[i].found);
    }
    CHECK_INT(w->judged, SEND_OUT_BY_HAND);
    CHECK(w->keys >= 1); /* as often as it was sown */
    CHECK_INT(w->bob.suppressing, 1);
    CHECK(w->ann.at[PERSON_TRACE].found >= 2 * LETTERS);
    CHECK(w->ann.at[PERSON_EVENTS].found >= 1);
}

TEST(a_person_is_forgotten_whenever_the_power_goes)
{
    power_cut_everywhere(&(struct power_test){.loops = 2,
                                              .size = sizeof(struct world),
                                              .begin = begin,
                                              .work = erase,
                                              .stock = take_stock,
                                              .check = check,
                                              .must_end = true,
                                              .least = 15});
}

/* ---- damage ---- */

static const struct slice carl = SL_INIT("carl@one.test");

static int torn(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, *(struct slice *)key, SL("\xff torn: carl@one.test"));
    return 0;
}

static void tear(struct core *core, struct slice object, struct slice key)
{
    CHECK_OK(kv_transact(core->store->kv, object, torn, &key));
}

/* A letter to carl, of a send of which nobody knows whether it is over. */
static int sow_send(struct kv_tx *tx, void *arg)
{
    struct buf letter = BUF_INIT, page = BUF_INIT;
    (void)arg;
    rec_put(&letter, 't', carl);
    rec_put(&page, 'L', buf_slice(&letter));
    kv_tx_put(tx, SL("p/0000000000/000"), buf_slice(&page));
    kv_tx_put(tx, SL("c"), SL("\xff torn"));
    buf_free(&letter);
    buf_free(&page);
    return 0;
}

/* A row of each kind of object that is walked, and the row of the account. */
static void tear_all(struct core *core)
{
    tear(core, SL("d:one.test"), SL("a:carl"));
    CHECK_OK(kv_transact(core->store->kv, SL("s:0000000000000001"), sow_send, NULL));
    tear(core, SL("s:0000000000000002"), SL("p/00"));
    tear(core, SL("x:news"), SL("a/torn"));
    tear(core, SL("n:news"), SL("torn"));
    tear(core, SL("v:news"), SL("torn"));
    tear(core, SL("u:news"), SL("c/1"));
    tear(core, SL("u:news"), SL("o/torn"));
    tear(core, SL("_keys"), SL("k/torn"));
    tear(core, SL("_guard"), SL("a/torn"));
    tear(core, SL("q:news"), SL("e/torn"));
    tear(core, SL("_source"), SL("u/torn"));
}

static int forget_carl(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct core *core = ar_new(&a, struct core);
    struct person p;
    struct person_report rep;
    struct letter_id id;
    letter_id_new(&id);
    CHECK_OK(open_core(core, w));
    CHECK_OK(people(core->store->directory));
    CHECK_OK(account_add(core->store->directory, carl, SL("secret")));
    trace_index(core->store->trace, &id, SL(""), SL("news@one.test"), &carl, 1);
    trace_addf(core->store->trace, &id, TRACE_QUEUED, SL(""), "queued for carl@one.test");
    tear_all(core);
    CHECK_OK(person_of(core, &a, carl, &p));
    CHECK(p.unread.n && !p.id.n && p.tags); /* and not: nobody of ours */
    CHECK_OK(person_erase(core, &p, &rep));
    CHECK(rep.at[PERSON_TRACE].erased >= 1);
    CHECK_INT(rep.at[PERSON_SENDS].damaged, 1);
    CHECK_INT(rep.at[PERSON_SENDS].left, 0); /* it would be waited for in vain */
    CHECK(rep.at[PERSON_EVENTS].erased >= 1);
    CHECK_OK(person_each(core, &p, NULL, NULL, &rep));
    CHECK_INT(rep.at[PERSON_TRACE].found, 0);
    CHECK_INT(rep.at[PERSON_EVENTS].found, 0);
    CHECK(rep.at[PERSON_SENDS].found == 1);
    core_close(core);
    ar_free(&a);
    return 0;
}

TEST(a_damaged_row_keeps_nobody_from_being_forgotten)
{
    struct world w = {0};
    struct sim *s = sim_new(12);
    begin(&w);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.1");
    sim_node_start(n, forget_carl, &w);
    sim_run(s, 86400 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}
