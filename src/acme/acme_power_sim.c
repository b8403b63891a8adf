/* acme_power_sim.c - a certificate is renewed and the power goes at every durable step: the old one, with its
 * key, serves until the new one is there, and the account with the authority is kept. */
#define ERR_STATE openssl_ERR_STATE /* both sides have one */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include <jansson.h>

#include "acme_i.h"
#include "base/test.h"
#include "base/text.h"
#include "crypto/cert.h"
#include "rt/tls.h"
#include "sim/power.h"

#define URL "https://ca.test/"
#define JSON_BODY(text) ((struct fetch_answer){.status = 200, .body = SL_INIT(text)})

struct world {
    struct power p;
    struct dns *dns;
    struct fetch fetch;
    struct kv *kv;
    struct acme *acme;
    struct buf old, old_key, issued;
    struct arena a;
    unsigned accounts, orders;
    bool renewed; /* and it was said so */
};

/* ---- an authority that does what it should ---- */

/* For whoever asks, for an hour, by itself. */
static void issue(struct world *w, struct slice der)
{
    const unsigned char *p = (const unsigned char *)der.p;
    X509_REQ *q = d2i_X509_REQ(NULL, &p, (long)der.n);
    X509 *c = X509_new();
    EVP_PKEY *own = EVP_EC_gen("P-256");
    BIO *out = BIO_new(BIO_s_mem());
    char *pem;
    REQUIRE(q && c && own && out);
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:mail.one.test");
    time_t now = (time_t)rt_wall_seconds();
    ASN1_TIME_set(X509_getm_notBefore(c), now - 60);
    ASN1_TIME_set(X509_getm_notAfter(c), now + 3600);
    CHECK(X509_set_pubkey(c, X509_REQ_get0_pubkey(q)) && X509_add_ext(c, names, -1));
    CHECK(X509_sign(c, own, EVP_sha256()) > 0 && PEM_write_bio_X509(out, c));
    long n = BIO_get_mem_data(out, &pem);
    buf_clear(&w->issued);
    buf_bytes(&w->issued, pem, (size_t)n);
    X509_EXTENSION_free(names);
    X509_REQ_free(q);
    X509_free(c);
    EVP_PKEY_free(own);
    BIO_free(out);
}

static struct slice member(struct arena *a, struct slice object, const char *name)
{
    json_t *o = json_loadb(object.p, object.n, 0, NULL);
    struct slice out = {0};
    const char *text = json_string_value(json_object_get(o, name));
    CHECK(text && b64url_decode_ar(a, sl_cstr(text), &out) == 0);
    json_decref(o);
    return out;
}

static struct fetch_answer answer(struct world *w, const struct fetch_call *c, struct slice path)
{
    if (sl_eq(path, SL("dir")))
        return JSON_BODY("{\"newNonce\":\"" URL "nonce\",\"newAccount\":\"" URL
                         "account\",\"newOrder\":\"" URL "order\"}");
    if (sl_eq(path, SL("account"))) w->accounts++;
    if (sl_eq(path, SL("order"))) {
        w->orders++;
        buf_clear(&w->issued);
        return JSON_BODY("{\"status\":\"ready\",\"finalize\":\"" URL "finalize\",\"authorizations\":[\"" URL
                         "authz\"]}");
    }
    if (sl_eq(path, SL("authz")))
        return JSON_BODY(
            "{\"status\":\"valid\",\"identifier\":{\"type\":\"dns\",\"value\":\"mail.one.test\"}}");
    if (sl_eq(path, SL("finalize"))) issue(w, member(c->a, member(c->a, c->request->body, "payload"), "csr"));
    if (sl_eq(path, SL("cert"))) return (struct fetch_answer){.status = 200, .body = buf_slice(&w->issued)};
    return w->issued.n ? JSON_BODY("{\"status\":\"valid\",\"certificate\":\"" URL "cert\"}")
                       : JSON_BODY("{\"status\":\"ready\"}");
}

static int transfer(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    struct world *w = arg;
    struct slice path = sl_from(c->request->url, sizeof URL - 1);
    *out = answer(w, c, path);
    out->field = ar_array(c->a, struct fetch_field, 2);
    out->field[out->nfield++] = (struct fetch_field){SL("replay-nonce"), SL("n1")};
    out->field[out->nfield++] = (struct fetch_field){
        SL("location"), sl_eq(path, SL("account")) ? SL(URL "account/1") : SL(URL "order/1")};
    out->body = ar_dup(c->a, out->body);
    return 0;
}

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
    w->fetch.conf =
        (struct fetch_conf){.dns = w->dns, .private_hosts = true, .transfer = transfer, .transfer_arg = w};
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

static void begin(void *w) { power_run(w, keep_old); }

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
    CHECK(old || sl_eq(k.chain_pem, buf_slice(&w->issued)));
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
    CHECK(w->renewed && w->orders >= 1 && w->orders <= 1 + w->p.cuts);
    CHECK(w->accounts >= 1 && w->accounts <= 1 + w->p.cuts);
    buf_free(&w->old);
    buf_free(&w->old_key);
    buf_free(&w->issued);
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
