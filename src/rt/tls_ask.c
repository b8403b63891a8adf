/* tls_ask.c - a server's clients that prove by a certificate who they are. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "tls_i.h"

enum { ADDRESSES_MAX = 16 };

/* What is asked is replaced as a whole: connections that are open keep what they were asked by. */
struct tls_asking {
    X509_STORE *store;
    STACK_OF(X509_NAME) * names;                /* tells a client which certificate to choose */
    unsigned char mark[SSL_MAX_SID_CTX_LENGTH]; /* no session of other authorities is resumed */
};

void tls_asking_free(struct tls_asking *k)
{
    if (!k) return;
    X509_STORE_free(k->store);
    sk_X509_NAME_pop_free(k->names, X509_NAME_free);
    free(k);
}

static bool take_authority(struct tls_asking *k, X509 *x)
{
    X509_NAME *name = X509_NAME_dup(X509_get_subject_name(x));
    if (name && sk_X509_NAME_push(k->names, name)) return X509_STORE_add_cert(k->store, x) == 1;
    X509_NAME_free(name);
    return false;
}

/* The number of authorities; -1: one cannot be used. */
static int take_all(struct tls_asking *k, STACK_OF(X509_INFO) * all)
{
    int n = 0;
    bool good = true, revoked = false;
    for (int i = 0; good && i < sk_X509_INFO_num(all); i++) {
        X509_INFO *info = sk_X509_INFO_value(all, i);
        if (info->x509) good = take_authority(k, info->x509), n++;
        if (good && info->crl) good = X509_STORE_add_crl(k->store, info->crl) == 1, revoked = true;
    }
    if (revoked) X509_STORE_set_flags(k->store, X509_V_FLAG_CRL_CHECK);
    return good ? n : -1;
}

static int read_authorities(struct tls_asking *k, struct slice pem)
{
    BIO *b = BIO_new_mem_buf(pem.p, pem.n > INT32_MAX ? INT32_MAX : (int)pem.n);
    STACK_OF(X509_INFO) *all = PEM_X509_INFO_read_bio(b, NULL, NULL, NULL);
    int n = all ? take_all(k, all) : -1;
    sk_X509_INFO_pop_free(all, X509_INFO_free);
    BIO_free(b);
    if (n > 0) return 0;
    return err_set(ERR_SYNTAX,
                   n ? "the authorities of clients cannot be read: %s"
                     : "there is no authority of clients in the PEM data (%s)",
                   tls_reason());
}

int tls_server_ask(struct tls_ctx *t, struct slice pem)
{
    struct tls_asking *k = xcalloc(1, sizeof *k), *old;
    ASSERT(t->server);
    ERR_clear_error();
    k->store = X509_STORE_new();
    k->names = sk_X509_NAME_new_null();
    ASSERT(k->store && k->names);
    int e = read_authorities(k, pem);
    unsigned n = 0;
    if (!e && EVP_Digest(pem.p, pem.n, k->mark, &n, EVP_sha256(), NULL) != 1) e = tls_fail("cannot hash");
    if (e) {
        tls_asking_free(k);
        return e;
    }
    lock_take(&t->lock);
    old = t->asking;
    t->asking = k;
    lock_release(&t->lock);
    tls_asking_free(old);
    return 0;
}

/* A certificate that is not believed is no reason to end the connection: there are other ways to log in. What
 * was found stays the result of the verification. */
static int go_on(int good, X509_STORE_CTX *ctx)
{
    (void)good, (void)ctx;
    return 1;
}

int tls_ask(struct tls_ctx *t, SSL *ssl)
{
    lock_take(&t->lock);
    struct tls_asking *k = t->asking;
    bool good = true;
    if (k) {
        SSL_set_verify(ssl, SSL_VERIFY_PEER, go_on);
        good = SSL_set1_verify_cert_store(ssl, k->store) == 1 &&
               SSL_set_session_id_context(ssl, k->mark, sizeof k->mark) == 1;
        STACK_OF(X509_NAME) *names = SSL_dup_CA_list(k->names);
        if (names) SSL_set_client_CA_list(ssl, names);
    }
    lock_release(&t->lock);
    return good ? 0 : tls_fail("cannot ask for a certificate");
}

/* ---- whom it names ---- */

/* An rfc822Name (RFC 5280 section 4.2.1.6), or a SmtpUTF8Mailbox (RFC 9598 section 3). */
static const ASN1_STRING *address_of(const GENERAL_NAME *g)
{
    if (g->type == GEN_EMAIL) return g->d.rfc822Name;
    if (g->type != GEN_OTHERNAME || OBJ_obj2nid(g->d.otherName->type_id) != NID_id_on_SmtpUTF8Mailbox ||
        g->d.otherName->value->type != V_ASN1_UTF8STRING)
        return NULL;
    return g->d.otherName->value->value.utf8string;
}

static size_t take_addresses(const X509 *x, struct arena *a, struct slice *out)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    size_t n = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && n < ADDRESSES_MAX; i++) {
        const ASN1_STRING *s = address_of(sk_GENERAL_NAME_value(all, i));
        if (!s || ASN1_STRING_length(s) <= 0) continue;
        struct slice v = sl((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
        if (!utf8_valid(v) || sl_chr(v, 0) != SL_NONE) continue;
        if (a) out[n] = ar_dup(a, v);
        n++;
    }
    GENERAL_NAMES_free(all);
    ERR_clear_error();
    return n;
}

/* A session that goes on was verified when it began: it may have ended meanwhile. */
static bool counts_now(const SSL *ssl, const X509 *x)
{
    time_t now = (time_t)rt_wall_seconds();
    return SSL_get_verify_result(ssl) == X509_V_OK && X509_cmp_time(X509_get0_notBefore(x), &now) < 0 &&
           X509_cmp_time(X509_get0_notAfter(x), &now) > 0;
}

size_t tls_client_addresses(const SSL *ssl, struct arena *a, struct slice **out)
{
    X509 *x = SSL_is_server(ssl) && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER)
                  ? SSL_get0_peer_certificate(ssl)
                  : NULL;
    if (!x || !counts_now(ssl, x)) return 0;
    if (a) *out = ar_array(a, struct slice, ADDRESSES_MAX);
    return take_addresses(x, a, a ? *out : NULL);
}
