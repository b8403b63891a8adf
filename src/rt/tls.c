/* tls.c - contexts for TLS as servers and clients make them: certificates by name, whom to trust. */
#include "tls_i.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"

void tls_free(struct tls_ctx **out)
{
    struct tls_ctx *t = *out;
    *out = NULL;
    if (t) tls_ctx_drop(t);
}

static int make(struct tls_ctx **out, bool server)
{
    struct tls_ctx *t = xcalloc(1, sizeof *t);
    t->refs = 1;
    t->server = server;
    map_init(&t->sessions, false);
    ERR_clear_error();
    t->ssl = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    if (!t->ssl || SSL_CTX_set_min_proto_version(t->ssl, TLS1_2_VERSION) != 1) {
        tls_free(&t);
        return tls_fail("cannot start TLS");
    }
    SSL_CTX_set_app_data(t->ssl, t);
    SSL_CTX_set_mode(t->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_options(t->ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_read_ahead(t->ssl, 1); /* a record in one system call, not two */
    *out = t;
    return 0;
}

/* ---- servers ---- */

/* The certificate is set on the session itself, which takes references of its own: the context's
 * may be replaced meanwhile. */
static int use_proof(SSL *ssl, struct tls_ctx *t)
{
    lock_take(&t->lock);
    struct tls_cert *c = t->proofs;
    while (c && !tls_cert_fits(c, sl_cstr(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)))) c = c->next;
    int ok = c ? SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) : 0;
    lock_release(&t->lock);
    return ok;
}

static int use_cert(SSL *ssl, void *arg)
{
    struct tls_ctx *t = arg;
    if (tls_link_wants_proof(ssl)) return use_proof(ssl, t);
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct slice name = sl_cstr(sni);
    if (sl_ends(name, SL("."))) name.n--;
    lock_take(&t->lock);
    struct tls_cert *best = t->certs;
    int fit = 0;
    for (struct tls_cert *c = t->certs; c && name.n && fit < 2; c = c->next) {
        int f = tls_cert_fits(c, name);
        if (f > fit) best = c, fit = f;
    }
    int ok = best ? SSL_use_cert_and_key(ssl, best->leaf, best->key, best->chain, 1) : 0;
    lock_release(&t->lock);
    return ok;
}

/* Without this an unknown name would not be echoed; a wrong one is no reason to refuse. */
static int accept_name(SSL *ssl, int *alert, void *arg)
{
    (void)ssl, (void)alert, (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

int tls_server_new(struct tls_ctx **out, const char *const *alpn)
{
    struct tls_ctx *t;
    int e = make(&t, true);
    if (e) return e;
    if (SSL_CTX_set_cipher_list(t->ssl, TLS_CIPHERS) != 1) {
        tls_free(&t);
        return tls_fail("cannot choose ciphers");
    }
    SSL_CTX_set_options(t->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_dh_auto(t->ssl, 1);
    SSL_CTX_set_session_id_context(t->ssl, (const unsigned char *)"tram", 4);
    SSL_CTX_set_session_cache_mode(t->ssl, SSL_SESS_CACHE_OFF); /* tickets hold all the state */
    SSL_CTX_set_num_tickets(t->ssl, 1);
    tls_ticket_start(t);
    SSL_CTX_set_client_hello_cb(t->ssl, tls_look_at_hello, t);
    SSL_CTX_set_cert_cb(t->ssl, use_cert, t);
    SSL_CTX_set_tlsext_servername_callback(t->ssl, accept_name);
    t->alpn_n = tls_alpn_wire(alpn, t->alpn, sizeof t->alpn);
    SSL_CTX_set_alpn_select_cb(t->ssl, tls_choose_alpn, t);
    *out = t;
    return 0;
}

/* A certificate that OpenSSL would refuse in each handshake (a key or a signature that is too weak) is
 * refused here, where somebody hears of it, and the one before it goes on. */
static int read_servable(struct tls_ctx *t, struct tls_cert **out, struct slice chain_pem,
                         struct slice key_pem)
{
    int e = tls_cert_read(out, chain_pem, key_pem);
    if (e) return e;
    SSL *ssl = SSL_new(t->ssl);
    if (!ssl || SSL_use_cert_and_key(ssl, (*out)->leaf, (*out)->key, (*out)->chain, 1) != 1) {
        e = tls_fail("the certificate cannot be served");
        tls_cert_free(*out);
    }
    SSL_free(ssl);
    return e;
}

int tls_server_add_cert(struct tls_ctx *t, struct slice chain_pem, struct slice key_pem)
{
    struct tls_cert *c, *old = NULL;
    ASSERT(t->server);
    int e = read_servable(t, &c, chain_pem, key_pem);
    if (e) return e;
    lock_take(&t->lock);
    struct tls_cert **at = &t->certs;
    while (*at && !tls_cert_same_names(*at, c)) at = &(*at)->next;
    old = *at;
    if (old) c->next = old->next;
    *at = c;
    lock_release(&t->lock);
    tls_cert_free(old);
    return 0;
}

int tls_server_set_cert(struct tls_ctx *t, struct slice chain_pem, struct slice key_pem)
{
    struct tls_cert *c;
    ASSERT(t->server);
    int e = read_servable(t, &c, chain_pem, key_pem);
    if (e) return e;
    lock_take(&t->lock);
    struct tls_cert *old = t->certs;
    t->certs = c;
    lock_release(&t->lock);
    tls_certs_free(old);
    return 0;
}

int tls_server_add_proof(struct tls_ctx *t, struct slice name, const uint8_t digest[32])
{
    struct tls_cert *c;
    ASSERT(t->server);
    int e = tls_cert_proof(&c, name, digest);
    if (e) return e;
    lock_take(&t->lock);
    c->next = t->proofs;
    t->proofs = c;
    lock_release(&t->lock);
    return 0;
}

void tls_server_drop_proof(struct tls_ctx *t, struct slice name)
{
    lock_take(&t->lock);
    struct tls_cert **at = &t->proofs, *c;
    while (*at && tls_cert_fits(*at, name) != 2) at = &(*at)->next;
    c = *at;
    if (c) *at = c->next;
    lock_release(&t->lock);
    tls_cert_free(c);
}

/* ---- clients ---- */

static int add_trusted(struct tls_ctx *t, struct slice pem)
{
    BIO *b = BIO_new_mem_buf(pem.p, (int)pem.n);
    X509_STORE *store = SSL_CTX_get_cert_store(t->ssl);
    int n = 0;
    X509 *x;
    while ((x = PEM_read_bio_X509(b, NULL, NULL, NULL))) {
        n += X509_STORE_add_cert(store, x);
        X509_free(x);
    }
    BIO_free(b);
    ERR_clear_error();
    return n ? 0 : err_set(ERR_SYNTAX, "there is no certificate in the PEM data to trust");
}

/* The whole store is read once, here: OpenSSL's own default looks into a folder during each
 * handshake. SSL_CERT_FILE is the variable other programs with OpenSSL heed. */
static void trust_system(struct tls_ctx *t)
{
    const char *const bundles[] = {getenv(X509_get_default_cert_file_env()),
                                   X509_get_default_cert_file(),
                                   "/etc/ssl/certs/ca-certificates.crt",
                                   "/etc/pki/tls/certs/ca-bundle.crt",
                                   "/etc/ssl/ca-bundle.pem",
                                   "/etc/ssl/cert.pem"};
    for (size_t i = 0; i < COUNT_OF(bundles); i++)
        if (bundles[i] && SSL_CTX_load_verify_file(t->ssl, bundles[i]) == 1) return;
    log_warn("tls", "there is no file of trusted certificates on this machine: no peer can be verified");
}

static int keep_session(SSL *ssl, SSL_SESSION *s)
{
    struct tls_ctx *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct slice key = tls_link_session_key(ssl);
    if (!key.n || !SSL_SESSION_is_resumable(s)) return 0;
    tls_session_put(t, key, s);
    return 1; /* the reference is ours */
}

int tls_client_new(struct tls_ctx **out, struct slice extra_ca_pem)
{
    struct tls_ctx *t;
    int e = make(&t, false);
    if (e) return e;
    trust_system(t);
    SSL_CTX_dane_enable(t->ssl);
    SSL_CTX_set_session_cache_mode(t->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t->ssl, keep_session);
    ERR_clear_error();
    if (extra_ca_pem.n) e = add_trusted(t, extra_ca_pem);
    if (e) tls_free(&t);
    else *out = t;
    return e;
}
