/* authority_good_sim.c - an authority that does what it should. */
#define ERR_STATE openssl_ERR_STATE /* both sides have one */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include <jansson.h>

#include "authority_good_sim.h"
#include "base/test.h"
#include "base/text.h"
#include "rt/rt.h"

#define URL "https://ca.test/"
#define JSON_BODY(text) ((struct fetch_answer){.status = 200, .body = SL_INIT(text)})

/* For whoever asks, by itself. */
static void issue(struct good_authority *w, struct slice der)
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
    ASN1_TIME_set(X509_getm_notAfter(c), now + w->valid_s);
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

static struct fetch_answer answer(struct good_authority *w, const struct fetch_call *c, struct slice path)
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

int good_authority_transfer(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    struct good_authority *w = arg;
    struct slice path = sl_from(c->request->url, sizeof URL - 1);
    *out = answer(w, c, path);
    out->field = ar_array(c->a, struct fetch_field, 2);
    out->field[out->nfield++] = (struct fetch_field){SL("replay-nonce"), SL("n1")};
    out->field[out->nfield++] = (struct fetch_field){
        SL("location"), sl_eq(path, SL("account")) ? SL(URL "account/1") : SL(URL "order/1")};
    out->body = ar_dup(c->a, out->body);
    return 0;
}
