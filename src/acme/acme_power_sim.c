/* acme_power_sim.c - a certificate is renewed and the power goes at every durable step: the old one, with its
 * key, serves until the new one is there, and the account with the authority is kept. */
#include "acme_i.h"
#include "authority_good_sim.h"
#include "base/test.h"
#include "crypto/cert.h"
#include "dns/dns.h"
#include "rt/tls.h"
#include "sim/power.h"

#define URL "https://ca.test/"

struct world {
    struct power p;
    struct dns *dns;
    struct fetch fetch;
    struct kv *kv;
    struct acme *acme;
    struct buf old, old_key;
    struct good_authority ca;
    bool renewed; /* and it was said so */
};

static int names(void *ctx, struct arena *a, struct acme_names *out)
{
    (void)ctx;
    *out = (struct acme_names){.v = ar_array(a, struct slice, 1), .n = 1};
    out->v[0] = SL("mail.one.test");
    return 0;
}

/* ---- the node ---- */

static int open_all(struct world *w)
{
    w->kv = NULL, w->acme = NULL, w->dns = NULL;
    int e = dns_open_zone_text(&w->dns, SL("ca.test. A 192.0.2.1\n"));
    if (!e) e = kv_mem_open(&w->kv, "kv.log");
    if (e) return e;
    w->fetch.conf = (struct fetch_conf){
        .dns = w->dns, .private_hosts = true, .transfer = good_authority_transfer, .transfer_arg = &w->ca};
    acme_open(&w->acme,
              &(struct acme_conf){
                  .kv = w->kv, .fetch = &w->fetch, .directory = SL(URL "dir"), .names = names, .ctx = w});
    return 0;
}

static void close_all(struct world *w)
{
    if (w->acme) acme_close(&w->acme);
    if (w->kv) kv_close(&w->kv);
    if (w->dns) dns_close(&w->dns);
}

static int keep_old(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    int64_t now = rt_wall_seconds();
    if (!e) e = tls_self_signed(&(struct slice)SL_INIT("mail.one.test"), 1, 10, &w->old, &w->old_key);
    struct acme_kept k = {.chain_pem = buf_slice(&w->old),
                          .key_pem = buf_slice(&w->old_key),
                          .from = now - 80 * 86400,
                          .until = now + 10 * 86400,
                          .renew_at = now};
    if (!e) e = acme_kept_put(w->kv, &k);
    CHECK_OK(e);
    close_all(w);
    return 0;
}

static void begin(void *arg)
{
    ((struct world *)arg)->ca.valid_s = 3600;
    power_run(arg, keep_old);
}

static int work(void *arg)
{
    struct world *w = arg;
    int e = open_all(w);
    if (!e && !w->renewed) e = acme_renew(w->acme);
    w->renewed |= !e;
    close_all(w);
    return e;
}

/* What is served: a chain, and the key of its first certificate. */
static int look(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct acme_kept k;
    uint8_t chain[32], own[32];
    struct es256 *key = NULL;
    CHECK_OK(open_all(w));
    CHECK_OK(acme_kept(w->kv, &a, SL(""), &k));
    bool old = sl_eq(k.chain_pem, buf_slice(&w->old));
    CHECK(old || sl_eq(k.chain_pem, buf_slice(&w->ca.issued)));
    CHECK(!w->renewed || !old);
    if (old) {
        CHECK(sl_eq(k.key_pem, buf_slice(&w->old_key)));
    } else {
        CHECK_OK(es256_from_pem(k.key_pem, &key));
        CHECK_OK(cert_spki_sha256(k.chain_pem, chain));
        es256_spki_sha256(key, own);
        CHECK(memcmp(chain, own, sizeof own) == 0 && k.next_key_pem.n && k.failures == 0);
    }
    es256_free(&key);
    ar_free(&a);
    close_all(w);
    return 0;
}

static void check(void *arg)
{
    struct world *w = arg;
    CHECK(w->renewed && w->ca.orders >= 1 && w->ca.orders <= 1 + w->p.cuts);
    CHECK(w->ca.accounts >= 1 && w->ca.accounts <= 1 + w->p.cuts);
    buf_free(&w->old);
    buf_free(&w->old_key);
    buf_free(&w->ca.issued);
}

TEST(acme_the_old_certificate_serves_until_the_new_one_is_there_wherever_the_power_goes)
{
    power_cut_everywhere(&(struct power_test){.size = sizeof(struct world),
                                              .begin = begin,
                                              .work = work,
                                              .look = look,
                                              .stock = look,
                                              .check = check,
                                              .must_end = true,
                                              .least = 2});
}
