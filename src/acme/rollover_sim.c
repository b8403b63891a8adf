/* rollover_sim.c - whoever goes by TLSA records never sees a wrong key: with a DNS server that does
 * what it should, refuses, is silent, forgets; and wherever the power goes. */
#include <stdio.h>
#include <stdlib.h>

#include "acme_i.h"
#include "authority_good_sim.h"
#include "base/test.h"
#include "crypto/cert.h"
#include "dns/dns.h"
#include "rt/tls.h"
#include "sim/power.h"

enum { SET_MAX = 6, SETS_MAX = 64, TTL_S = 3600, HASH = 32, CERTIFICATE_S = 9 * 86400 };

enum mood { GOOD, REFUSES, SILENT, ONLY_READ };
struct set {
    uint8_t v[SET_MAX][HASH];
    size_t n;
    int64_t until; /* it stood there; 0: it does */
};
struct world {
    struct power p;
    struct dns *dns;
    struct fetch fetch;
    struct kv *kv;
    struct acme *acme;
    struct good_authority ca;
    enum mood mood;
    struct set set[SETS_MAX]; /* the last one is there now */
    size_t nset;
    struct buf file, file_key; /* what is served at first */
    uint8_t served[HASH];
    int changes, keys; /* certificates, and how often the key was another one */
    bool on_disk, done;
};

/* ---- records ---- */

static struct set *set_now(struct world *w) { return &w->set[w->nset - 1]; }

static bool has(const struct set *s, const void *hash)
{
    for (size_t i = 0; i < s->n; i++)
        if (!memcmp(s->v[i], hash, HASH)) return true;
    return false;
}

static struct set *next_set(struct world *w)
{
    if (w->nset == SETS_MAX) memmove(w->set, w->set + 1, --w->nset * sizeof *w->set);
    w->set[w->nset] = *set_now(w);
    set_now(w)->until = rt_wall_seconds();
    return &w->set[w->nset++];
}

static void put_record(struct world *w, const void *hash)
{
    struct set *s = next_set(w);
    REQUIRE(s->n < SET_MAX);
    memcpy(s->v[s->n++], hash, HASH);
}

static void take_record(struct world *w, const void *hash)
{
    struct set *s = next_set(w);
    for (size_t i = 0; i < s->n; i++)
        if (!memcmp(s->v[i], hash, HASH)) memmove(s->v[i], s->v[--s->n], HASH);
}

/* Who remembers a set believes a key that is in it; two TTLs later nobody does. */
static void check_believed(struct world *w)
{
    int64_t now = rt_wall_seconds();
    for (size_t i = 0; i < w->nset; i++) {
        const struct set *s = &w->set[i];
        bool remembered = !s->until || s->until > now - 2 * TTL_S;
        if (remembered && s->n && !has(s, w->served))
            test_fail(__FILE__, __LINE__, "certificate %d has a key of which set %zu knows nothing",
                      w->changes, i);
    }
}

static int keys(void *ctx, struct arena *a, const struct acme_keys *k, struct acme_shown *was)
{
    struct world *w = ctx;
    (void)a;
    *was = (struct acme_shown){0};
    if (w->mood == SILENT) {
        int e = fiber_sleep(15 * RT_S);
        return e ? e : err_set(ERR_TIMEOUT, "no answer of the DNS server");
    }
    const struct set *s = set_now(w);
    *was = (struct acme_shown){.known = true, .used = s->n > 0, .ttl = TTL_S};
    was->present = k->present.n && has(s, k->present.p);
    was->next = has(s, k->next.p);
    bool right = was->next && (was->present || !k->present.n);
    for (size_t i = 0; i < k->ngone; i++) right &= !has(s, k->gone[i].p);
    if (!was->used || right) return 0;
    if (w->mood == REFUSES) return err_set(ERR_DENIED, "the DNS server says no");
    if (w->mood == ONLY_READ) return err_set(ERR_NOT_FOUND, "no record of the next key");
    if (k->present.n && !was->present) put_record(w, k->present.p);
    if (!was->next) put_record(w, k->next.p);
    for (size_t i = 0; i < k->ngone; i++)
        if (has(set_now(w), k->gone[i].p)) take_record(w, k->gone[i].p);
    return 0;
}

/* ---- the node ---- */

static int names(void *ctx, struct arena *a, struct acme_names *out)
{
    (void)ctx;
    *out = (struct acme_names){.v = ar_array(a, struct slice, 1), .n = 1};
    out->v[0] = SL("mail.one.test");
    return 0;
}

static int served(void *ctx, struct arena *a, struct slice *chain, struct slice *key)
{
    struct world *w = ctx;
    *chain = ar_dup(a, buf_slice(&w->file));
    *key = ar_dup(a, buf_slice(&w->file_key));
    return 0;
}

static void changed(void *arg, struct slice name, struct slice chain, struct slice key)
{
    struct world *w = arg;
    uint8_t hash[HASH];
    (void)name, (void)key;
    CHECK_OK(cert_spki_sha256(chain, hash));
    w->changes++;
    w->keys += memcmp(hash, w->served, HASH) != 0;
    memcpy(w->served, hash, HASH);
    check_believed(w);
}

static int open_all(struct world *w)
{
    w->kv = NULL, w->acme = NULL, w->dns = NULL;
    int e = dns_open_zone_text(&w->dns, SL("ca.test. A 192.0.2.1\n"));
    if (!e) e = kv_mem_open(&w->kv, w->on_disk ? "kv.log" : NULL);
    if (e) return e;
    w->fetch.conf = (struct fetch_conf){
        .dns = w->dns, .private_hosts = true, .transfer = good_authority_transfer, .transfer_arg = &w->ca};
    acme_open(&w->acme, &(struct acme_conf){.kv = w->kv,
                                            .fetch = &w->fetch,
                                            .directory = SL("https://ca.test/dir"),
                                            .names = names,
                                            .keys = keys,
                                            .ctx = w});
    acme_on_change(w->acme, changed, w);
    acme_on_first(w->acme, served, w);
    return 0;
}

static void close_all(struct world *w)
{
    if (w->acme) acme_close(&w->acme);
    if (w->kv) kv_close(&w->kv);
    if (w->dns) dns_close(&w->dns);
}

static void make_file(struct world *w)
{
    CHECK_OK(tls_self_signed(&(struct slice)SL_INIT("mail.one.test"), 1, 900, &w->file, &w->file_key));
    CHECK_OK(cert_spki_sha256(buf_slice(&w->file), w->served));
    w->nset = 1;
    w->ca.valid_s = CERTIFICATE_S;
}

static void free_files(struct world *w)
{
    buf_free(&w->file), buf_free(&w->file_key), buf_free(&w->ca.issued);
}

/* The node runs on for so many days; each hour somebody looks. */
static void days(struct world *w, int n)
{
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "acme", acme_keep, w->acme));
    for (int i = 0; i < 24 * n; i++) {
        CHECK_OK(fiber_sleep(3600 * RT_S));
        check_believed(w);
    }
    group_cancel(&g);
    (void)group_wait(&g);
}

static struct acme_rollover rollover(struct world *w, struct arena *a)
{
    struct acme_rollover r;
    CHECK_OK(acme_rollover(w->kv, a, &r));
    return r;
}

static void begin(struct world *w, bool used)
{
    make_file(w);
    if (used) put_record(w, w->served);
    CHECK_OK(open_all(w));
}

static void end(struct world *w)
{
    close_all(w);
    free_files(w);
}

/* The first certificate has the key of the files, whose record stands there; then each has its own. */
static int run_good(void *arg)
{
    struct world *w = arg;
    begin(w, true);
    days(w, 37);
    CHECK(w->changes >= 6 && w->changes <= 7);
    CHECK_INT(w->keys, w->changes - 1);
    CHECK_INT(set_now(w)->n, 2);
    end(w);
    return 0;
}

/* Where nobody uses them none is put there. */
static int run_unused(void *arg)
{
    struct world *w = arg;
    begin(w, false);
    days(w, 20);
    CHECK(w->changes >= 3 && w->keys == w->changes);
    CHECK_INT(set_now(w)->n, 0);
    end(w);
    return 0;
}

/* Renewed in time with the same key, and it is told; once the server does what it should, keys change. */
static int run_bad(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    enum mood mood = w->mood;
    w->mood = GOOD;
    begin(w, true);
    days(w, 1);
    w->mood = mood;
    put_record(w, "a record of somebody else's key.");
    days(w, 7); /* the next key is known by now, so the second certificate has it: */
    CHECK(w->changes == 2 && w->keys == 1);
    days(w, 18); /* and those that follow have none that is */
    CHECK(w->changes == 5 && w->keys == 1);
    struct acme_rollover r = rollover(w, &a);
    CHECK(r.failed && r.why.n && rt_wall_seconds() - r.failed > 15 * 86400);
    w->mood = GOOD;
    days(w, 7);
    CHECK(w->keys == 2);
    r = rollover(w, &a);
    CHECK(!r.failed && !r.why.n && r.since && !r.nold);
    CHECK_INT(set_now(w)->n, 3);
    ar_free(&a);
    end(w);
    return 0;
}

/* Somebody takes the next key's record out, just before the renewal. */
static int run_taken_out(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    begin(w, true);
    days(w, 3);
    struct acme_rollover r = rollover(w, &a);
    CHECK(r.next.n && r.since && has(set_now(w), r.next.p));
    take_record(w, r.next.p);
    CHECK_OK(acme_renew(w->acme));
    CHECK(w->changes == 2 && w->keys == 0);
    CHECK(has(set_now(w), r.next.p));
    CHECK_OK(acme_renew(w->acme)); /* it stands there again, since a moment */
    CHECK(w->changes == 3 && w->keys == 0);
    days(w, 1);
    CHECK_OK(acme_renew(w->acme));
    CHECK(w->changes == 4 && w->keys == 1);
    days(w, 1);
    CHECK_INT(set_now(w)->n, 2);
    ar_free(&a);
    end(w);
    return 0;
}

/* The files' key cannot be asked for (it is RSA, say): its own record is put beside, and waited for. */
static int run_first(void *arg)
{
    struct world *w = arg;
    begin(w, true);
    buf_clear(&w->file_key);
    buf_str(&w->file_key, "-----BEGIN PRIVATE KEY-----\nMIIB");
    days(w, 1);
    CHECK(w->changes == 1 && w->keys == 1);
    days(w, 1);
    CHECK_INT(set_now(w)->n, 2);
    end(w);
    return 0;
}

static int put_later_tx(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("t"), SL("\115"));
    return 0;
}

static int spoil_tx(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("t"), SL("\1s\x7fx"));
    return 0;
}

/* A row that cannot be read, or that a later version wrote, costs no certificate and no belief. */
static int run_row(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct slice value;
    begin(w, true);
    days(w, 4);
    CHECK_OK(kv_transact(w->kv, ACME_OBJECT, spoil_tx, NULL));
    CHECK_OK(acme_renew(w->acme));
    CHECK(w->changes == 2 && w->keys == 0);
    days(w, 7);
    CHECK(w->changes == 3 && w->keys == 1);
    CHECK_OK(kv_transact(w->kv, ACME_OBJECT, put_later_tx, NULL));
    days(w, 7);
    CHECK(w->changes == 4 && w->keys == 1);
    CHECK_OK(kv_get(w->kv, ACME_OBJECT, SL("t"), &a, &value));
    CHECK(sl_eq(value, SL("\115")));
    ar_free(&a);
    end(w);
    return 0;
}

static void play(int (*fn)(void *), enum mood mood)
{
    struct world *w = xcalloc(1, sizeof *w);
    struct sim *s = sim_new(7);
    w->mood = mood;
    struct sim_node *node = sim_node(s, "one.test", "192.0.2.9");
    sim_node_start(node, fn, w);
    sim_run(s, 400 * 86400 * RT_S);
    CHECK(!sim_node_running(node));
    sim_free(&s);
    free(w);
}

TEST(rollover_each_certificate_has_a_key_that_the_dns_knew_before) { play(run_good, GOOD); }
TEST(rollover_puts_no_record_where_there_is_none) { play(run_unused, GOOD); }
TEST(rollover_with_a_server_that_refuses_the_key_stays) { play(run_bad, REFUSES); }
TEST(rollover_with_a_server_that_is_silent_the_key_stays) { play(run_bad, SILENT); }
TEST(rollover_where_nobody_takes_changes_the_key_stays) { play(run_bad, ONLY_READ); }
TEST(rollover_a_record_that_was_taken_out) { play(run_taken_out, GOOD); }
TEST(rollover_the_first_certificate_waits_for_a_key_of_its_own) { play(run_first, GOOD); }
TEST(rollover_a_row_that_cannot_be_read) { play(run_row, GOOD); }

/* ---- wherever the power goes ---- */

static int begin_program(void *arg)
{
    struct world *w = arg;
    w->on_disk = true;
    make_file(w);
    put_record(w, w->served);
    return 0;
}

static void begin_power(void *w) { power_run(w, begin_program); }

/* From the files' key to a second certificate with a key of its own, and the record of the first one gone. */
static int work(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    for (int i = 0; !e && i < 2; i++) {
        e = fiber_sleep(4 * 3600 * RT_S);
        if (!e && w->keys < 1) e = acme_renew(w->acme);
    }
    if (!e) e = fiber_sleep(2 * ACME_OLD_KEY_S * RT_S);
    if (!e) e = rollover_look(w->acme);
    w->done |= !e;
    close_all(w);
    return e;
}

static int look(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct acme_kept k;
    CHECK_OK(open_all(w));
    CHECK_OK(acme_kept(w->kv, &a, SL(""), &k));
    if (k.chain_pem.n) CHECK_OK(cert_spki_sha256(k.chain_pem, w->served));
    check_believed(w);
    struct acme_rollover r = rollover(w, &a);
    if (r.since) CHECK(has(set_now(w), r.next.p));
    ar_free(&a);
    close_all(w);
    return 0;
}

/* The present and the next one are there, and nothing else is. */
static int stock(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    CHECK_OK(open_all(w));
    struct acme_rollover r = rollover(w, &a);
    CHECK(w->done && w->keys && r.since && has(set_now(w), r.next.p) && has(set_now(w), w->served));
    CHECK_INT(set_now(w)->n, 2);
    ar_free(&a);
    close_all(w);
    return 0;
}

static void check(void *arg) { free_files(arg); }

TEST(rollover_wherever_the_power_goes)
{
    power_cut_everywhere(&(struct power_test){.size = sizeof(struct world),
                                              .begin = begin_power,
                                              .work = work,
                                              .look = look,
                                              .stock = stock,
                                              .check = check,
                                              .must_end = true,
                                              .least = 5});
}
