/* tls_link.c - one TLS session over a non-blocking socket.
 *
 * OpenSSL reads and writes through a BIO over sock_recv() and sock_send(), so
 * that the simulator's sockets serve as well. No call suspends: OpenSSL keeps
 * its errors in a queue of the thread, which other fibers would fill meanwhile. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/memory.h"
#include "tls_i.h"

struct tls_link {
    SSL *ssl; /* of a server: none until the client's first record is there */
    struct tls_ctx *ctx;
    struct sock *sock;
    int wants;
    int io_error;           /* what the socket said, when it failed */
    bool done;              /* the handshake is */
    bool proof;             /* server: the client offers acme-tls/1 and nothing else */
    bool stranger;          /* server: older ciphers, too */
    bool ask;               /* server: for a certificate */
    struct span early;      /* server: what came before there was a session */
    unsigned char alpn[32]; /* server: wire form of what this connection speaks */
    unsigned alpn_n;
    enum tls_fault *fault; /* client: where to tell why the certificate was not believed, or NULL */
    char session_key[TLS_NAME_MAX + 32];
    char io_text[128];
};

/* ---- the BIO ---- */

static int io_result(BIO *b, struct tls_link *l, ssize_t k, bool reading)
{
    BIO_clear_retry_flags(b);
    if (k > 0) return (int)k;
    if (k == SOCK_AGAIN) {
        l->wants = reading ? SOCK_IN : SOCK_OUT;
        if (reading) BIO_set_retry_read(b);
        else BIO_set_retry_write(b);
        return -1;
    }
    l->io_error = (int)k;
    snprintf(l->io_text, sizeof l->io_text, "%s", err_text((int)k));
    return k == ERR_EOF && reading ? 0 : -1;
}

static int read_early(BIO *b, struct tls_link *l, char *p, size_t n)
{
    size_t k = span_used(&l->early) < n ? span_used(&l->early) : n;
    memcpy(p, l->early.p + l->early.from, k);
    l->early.from += k;
    span_release(&l->early);
    BIO_clear_retry_flags(b);
    return (int)k;
}

static int bio_read(BIO *b, char *p, int n)
{
    struct tls_link *l = BIO_get_data(b);
    if (n > 0 && span_used(&l->early)) return read_early(b, l, p, (size_t)n);
    return n <= 0 ? 0 : io_result(b, l, sock_recv(l->sock, p, (size_t)n), true);
}

static int bio_write(BIO *b, const char *p, int n)
{
    struct tls_link *l = BIO_get_data(b);
    struct iovec v = {(void *)p, (size_t)(n < 0 ? 0 : n)};
    return n <= 0 ? 0 : io_result(b, l, sock_send(l->sock, &v, 1), false);
}

static long bio_ctrl(BIO *b, int cmd, long num, void *p)
{
    struct tls_link *l = BIO_get_data(b);
    (void)num, (void)p;
    if (cmd == BIO_CTRL_FLUSH) return 1;
    if (cmd == BIO_CTRL_EOF) return l && l->io_error == ERR_EOF;
    return 0;
}

static BIO_METHOD *method;
static CRYPTO_ONCE method_once = CRYPTO_ONCE_STATIC_INIT;

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sock");
    ASSERT(method);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
}

static void attach_bio(struct tls_link *l)
{
    CRYPTO_THREAD_run_once(&method_once, make_method);
    BIO *b = BIO_new(method);
    ASSERT(b);
    BIO_set_data(b, l);
    BIO_set_init(b, 1);
    SSL_set_bio(l->ssl, b, b);
}

/* ---- what a client asks of its peer ---- */

/* Only a peer judged by the same rules may be resumed, so they are part of the key. */
static void make_session_key(struct tls_link *l, const struct tls_peer *peer)
{
    uint64_t h = 0;
    for (size_t i = 0; i < peer->ntlsa; i++) {
        const struct tls_tlsa *r = &peer->tlsa[i];
        h = h * 31 + sl_hash(r->data) + r->usage * 7u + r->selector * 5u + r->matching * 3u;
    }
    for (size_t i = 0; i < peer->nalso; i++) h = h * 31 + sl_hash(peer->also[i]);
    if (peer->show.n) h = h * 31 + sl_hash(peer->show); /* nor goes on who was somebody else */
    snprintf(l->session_key, sizeof l->session_key, "%d %016llx %.*s", peer->verify, (unsigned long long)h,
             SLF(sl_sub(peer->name, 0, TLS_NAME_MAX)));
}

/* What is not hashed must be a certificate or a key. */
static bool is_whole(const struct tls_tlsa *r)
{
    const unsigned char *p = (const unsigned char *)r->data.p, *end = p + r->data.n;
    X509 *cert = r->selector ? NULL : d2i_X509(NULL, &p, (long)r->data.n);
    EVP_PKEY *key = r->selector ? d2i_PUBKEY(NULL, &p, (long)r->data.n) : NULL;
    bool good = (cert || key) && p == end;
    X509_free(cert);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return good;
}

bool tls_tlsa_usable(const struct tls_tlsa *r)
{
    if ((r->usage != 2 && r->usage != 3) || r->selector > 1) return false;
    switch (r->matching) {
    case 0: return is_whole(r);
    case 1: return r->data.n == 32;
    case 2: return r->data.n == 64;
    default: return false;
    }
}

/* RFC 7672 section 3.1: usages 0 and 1 are unusable for SMTP; 3.1.1: with usage 3 the name does not count. */
static int use_tlsa(SSL *ssl, const struct tls_peer *peer, const char *name)
{
    int usable = 0;
    char also[TLS_NAME_MAX + 1];
    if (SSL_dane_enable(ssl, name) <= 0) return tls_fail("cannot use DANE");
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    for (size_t i = 0; i < peer->nalso; i++) {
        snprintf(also, sizeof also, "%.*s", SLF(sl_sub(peer->also[i], 0, TLS_NAME_MAX)));
        if (!SSL_add1_host(ssl, also)) return tls_fail("a name for the peer is of no use");
    }
    for (size_t i = 0; i < peer->ntlsa; i++) {
        const struct tls_tlsa *r = &peer->tlsa[i];
        if (!tls_tlsa_usable(r)) continue;
        const unsigned char *data = (const unsigned char *)r->data.p;
        if (SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching, data, r->data.n) > 0) usable++;
    }
    ERR_clear_error();
    return usable ? 0 : err_set(ERR_TLS, "none of the %zu TLSA records can be used", peer->ntlsa);
}

static int judge_by_name(SSL *ssl, const char *name)
{
    struct ip ip;
    X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (!name[0]) return 0;
    bool is_ip = ip_parse(sl_cstr(name), &ip);
    bool ok = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(p, name) : SSL_set1_host(ssl, name);
    return ok ? 0 : tls_fail("the peer's name is of no use");
}

static int set_alpn(SSL *ssl, const char *const *names)
{
    unsigned char wire[256];
    if (!names || !*names) return 0;
    unsigned n = tls_alpn_wire(names, wire, sizeof wire);
    if (!n || SSL_set_alpn_protos(ssl, wire, n) != 0)
        return err_set(ERR_USAGE, "the list of protocol names is too long");
    return 0;
}

/* RFC 8446 section 4.4.2: sent when the server asks for one. */
static int show_own(SSL *ssl, struct slice pem)
{
    struct tls_cert *c;
    if (!pem.n) return 0;
    int e = tls_cert_read(&c, pem, pem);
    if (e) return err_set(ERR_TLS, "the certificate to show: %s", err_text(e));
    if (SSL_use_cert_and_key(ssl, c->leaf, c->key, c->chain, 1) != 1) e = tls_fail("the certificate to show");
    tls_cert_free(c);
    return e;
}

static int prepare_client(struct tls_link *l, const struct tls_peer *peer)
{
    char name[TLS_NAME_MAX + 1];
    struct ip ip;
    if (peer->name.n > TLS_NAME_MAX || sl_chr(peer->name, 0) != SL_NONE)
        return err_set(ERR_TLS, "the peer's name is of no use");
    struct slice bare = sl_ends(peer->name, SL(".")) ? sl_sub(peer->name, 0, peer->name.n - 1) : peer->name;
    snprintf(name, sizeof name, "%.*s", SLF(bare));
    if (name[0] && !ip_parse(bare, &ip)) SSL_set_tlsext_host_name(l->ssl, name); /* RFC 6066 section 3 */
    int e = peer->verify == TLS_VERIFY_DANE ? use_tlsa(l->ssl, peer, name) : judge_by_name(l->ssl, name);
    if (!e) e = set_alpn(l->ssl, peer->alpn);
    if (!e) e = show_own(l->ssl, peer->show);
    if (e) return e;
    SSL_set_verify(l->ssl, peer->verify == TLS_VERIFY_NONE ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    /* Weak encryption to a peer that nobody authenticates still beats none (RFC 7435 section 3). */
    if (peer->verify == TLS_VERIFY_NONE) SSL_set_security_level(l->ssl, 0);
    l->fault = peer->fault;
    if (l->fault) *l->fault = TLS_FAULT_NONE;
    make_session_key(l, peer);
    SSL_SESSION *old = tls_session_take(l->ctx, sl_cstr(l->session_key));
    if (old) SSL_set_session(l->ssl, old);
    SSL_SESSION_free(old);
    return 0;
}

/* Only who does not speak TLS 1.3 (RFC 8446 section 4.2.1) costs the making of another list. Without tickets,
 * for with one it would resume the session where strangers' ciphers are refused. */
static bool choose_ciphers(SSL *ssl, const struct tls_link *l)
{
    const unsigned char *p;
    size_t n;
    if (!l->stranger || SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &p, &n)) return true;
    SSL_set_options(ssl, SSL_OP_NO_TICKET);
    return SSL_set_cipher_list(ssl, TLS_CIPHERS_STRANGER) == 1;
}

/* RFC 8737 section 3: an authority offers this one protocol, where others offer those that they want to
 * speak. */
int tls_look_at_hello(SSL *ssl, int *alert, void *arg)
{
    static const unsigned char only[] = "\0\x0b\x0a" TLS_PROOF_PROTOCOL; /* RFC 7301 section 3.1 */
    const unsigned char *p;
    size_t n;
    (void)arg;
    struct tls_link *l = SSL_get_app_data(ssl);
    if (!choose_ciphers(ssl, l)) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    l->proof = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &p, &n) &&
               n == sizeof only - 1 && memcmp(p, only, n) == 0;
    if (l->proof) SSL_set_num_tickets(ssl, 0);
    return SSL_CLIENT_HELLO_SUCCESS;
}

bool tls_link_wants_proof(SSL *ssl) { return ((struct tls_link *)SSL_get_app_data(ssl))->proof; }

/* What this connection speaks, else what its context does. A client that offers only other protocols meant
 * somebody else (RFC 7301 section 3.2). */
int tls_choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
                    unsigned in_n, void *arg)
{
    const struct tls_ctx *t = arg;
    const struct tls_link *l = SSL_get_app_data(ssl);
    const unsigned char *ours = l->alpn_n ? l->alpn : t->alpn;
    unsigned n = l->alpn_n ? l->alpn_n : t->alpn_n;
    unsigned char *chosen;
    if (l->proof) {
        *out = in + 1;
        *out_n = in[0];
        return SSL_TLSEXT_ERR_OK;
    }
    if (!n) return SSL_TLSEXT_ERR_NOACK;
    if (SSL_select_next_proto(&chosen, out_n, ours, n, in, in_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

enum { TLS_MEMORY = 32 << 10 }; /* of OpenSSL, a session, about */

static int make_session(struct tls_link *l)
{
    ERR_clear_error();
    l->ssl = SSL_new(l->ctx->ssl);
    if (!l->ssl) return tls_fail("cannot start TLS");
    memory_count(TLS_MEMORY);
    SSL_set_app_data(l->ssl, l);
    X509_VERIFY_PARAM_set_time(SSL_get0_param(l->ssl), (time_t)rt_wall_seconds());
    attach_bio(l);
    return 0;
}

int tls_link_new(struct tls_link **out, struct tls_ctx *t, struct sock *s, bool server,
                 const struct tls_peer *peer)
{
    struct tls_link *l = xcalloc(1, sizeof *l);
    ASSERT(t->server == server);
    l->ctx = t;
    l->sock = s;
    tls_ctx_hold(t);
    *out = l;
    if (server) {
        l->stranger = peer && peer->stranger;
        l->ask = peer && peer->ask;
        if (peer) l->alpn_n = tls_alpn_wire(peer->alpn, l->alpn, sizeof l->alpn);
        return 0;
    }
    int e = make_session(l);
    if (e) return e;
    SSL_set_connect_state(l->ssl);
    return prepare_client(l, peer);
}

void tls_link_free(struct tls_link **out)
{
    struct tls_link *l = *out;
    if (!l) return;
    *out = NULL;
    if (l->ssl) memory_count(-TLS_MEMORY);
    SSL_free(l->ssl);
    span_free(&l->early);
    tls_ctx_drop(l->ctx);
    free(l);
}

struct slice tls_link_session_key(SSL *ssl)
{
    struct tls_link *l = SSL_get_app_data(ssl);
    return sl_cstr(l ? l->session_key : NULL);
}

/* ---- errors ---- */

static bool not_tls(int reason)
{
    return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
           reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_RECORD_LENGTH_MISMATCH;
}

static enum tls_fault fault_of(long verify)
{
    switch (verify) {
    case X509_V_OK: return TLS_FAULT_NONE;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return TLS_FAULT_NAME;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return TLS_FAULT_EXPIRED;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED: return TLS_FAULT_UNTRUSTED;
    default: return TLS_FAULT_OTHER;
    }
}

static int explain(struct tls_link *l, const char *what)
{
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    int reason = ERR_GET_REASON(code);
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    long verify = SSL_get_verify_result(l->ssl);
    if (!text) text = "no reason given";
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK && l->fault)
        *l->fault = fault_of(verify);
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
        return err_set(ERR_TLS, "%s: the certificate of the other side is not believed: %s", what,
                       X509_verify_cert_error_string(verify));
    if (reason > SSL_AD_REASON_OFFSET) return err_set(ERR_TLS, "%s: the other side gave up: %s", what, text);
    if (not_tls(reason))
        return err_set(ERR_TLS, "%s: the other side does not speak TLS here (%s)", what, text);
    return err_set(ERR_TLS, "%s: %s", what, text);
}

/* After a call that gave r <= 0, with nothing in between. */
static int result(struct tls_link *l, int r, const char *what)
{
    int e = SSL_get_error(l->ssl, r);
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
        l->wants = e == SSL_ERROR_WANT_READ ? SOCK_IN : SOCK_OUT;
        return SOCK_AGAIN;
    }
    if (e == SSL_ERROR_ZERO_RETURN) return err_set(ERR_EOF, "the other side closed the connection");
    bool cut = e == SSL_ERROR_SSL && ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (e == SSL_ERROR_SYSCALL || cut) {
        ERR_clear_error();
        if (!l->done) return err_set(ERR_TLS, "%s: the other side closed the connection meanwhile", what);
        int io = l->io_error ? l->io_error : ERR_EOF;
        return err_set(io, "%s", l->io_text[0] ? l->io_text : "the other side closed the connection");
    }
    return explain(l, what);
}

/* ---- working ---- */

/* TLS 1.2 gives no new ticket with a resumption: the old one serves again. */
static void keep_used_session(struct tls_link *l)
{
    if (SSL_is_server(l->ssl) || !SSL_session_reused(l->ssl) || SSL_version(l->ssl) >= TLS1_3_VERSION) return;
    SSL_SESSION *s = SSL_get1_session(l->ssl);
    if (s) tls_session_put(l->ctx, sl_cstr(l->session_key), s);
}

/* What is no handshake, or longer than a record may be (RFC 8446 section 5.1), is judged at once: OpenSSL
 * says what it is. */
static bool first_record_is_there(struct slice in)
{
    enum { HANDSHAKE = 22, HEAD = 5, LONGEST = 16 << 10 };
    if (in.n && in.p[0] != HANDSHAKE) return true;
    if (in.n < HEAD) return false;
    size_t length = (size_t)(unsigned char)in.p[3] << 8 | (unsigned char)in.p[4];
    return length > LONGEST || in.n - HEAD >= length;
}

/* A session of OpenSSL takes tens of kilobytes as soon as it waits for the client; who connects and says
 * nothing, or a byte now and then, costs what it said. */
static int hear_client(struct tls_link *l)
{
    enum { FIRST = 1 << 10, MOST = 4 << 10 };
    size_t room;
    while (!first_record_is_there(sl(l->early.p, l->early.to)) &&
           (room = span_room(&l->early, FIRST, MOST))) {
        ssize_t k = sock_recv(l->sock, l->early.p + l->early.to, room);
        l->wants = SOCK_IN;
        if (k > 0) l->early.to += (size_t)k;
        else if (k == SOCK_AGAIN) span_release(&l->early);
        if (k == SOCK_AGAIN) return SOCK_AGAIN;
        if (k <= 0)
            return err_set(ERR_TLS,
                           "the TLS handshake failed: the other side closed the connection meanwhile");
    }
    int e = make_session(l);
    if (e) return e;
    SSL_set_accept_state(l->ssl);
    return l->ask ? tls_ask(l->ctx, l->ssl) : 0;
}

int tls_link_handshake(struct tls_link *l)
{
    int e = l->ssl ? 0 : hear_client(l);
    if (e) return e;
    ERR_clear_error();
    int r = SSL_do_handshake(l->ssl);
    if (r != 1) return result(l, r, "the TLS handshake failed");
    if (l->proof) return err_set(ERR_DENIED, "an authority looked for the proof of a name, and saw it");
    keep_used_session(l);
    l->done = true;
    l->wants = SOCK_IN;
    return 0;
}

ssize_t tls_link_read(struct tls_link *l, void *p, size_t n)
{
    size_t got;
    ERR_clear_error();
    int r = SSL_read_ex(l->ssl, p, n, &got);
    return r == 1 ? (ssize_t)got : result(l, r, "TLS failed");
}

ssize_t tls_link_write(struct tls_link *l, const void *p, size_t n)
{
    size_t sent;
    ERR_clear_error();
    int r = SSL_write_ex(l->ssl, p, n, &sent);
    return r == 1 ? (ssize_t)sent : result(l, r, "TLS failed");
}

int tls_link_wants(const struct tls_link *l) { return l->wants ? l->wants : SOCK_IN; }

void tls_link_goodbye(struct tls_link *l)
{
    ERR_clear_error();
    if (l->done && !l->io_error) (void)SSL_shutdown(l->ssl);
    ERR_clear_error();
}

/* ---- telling ---- */

static void copy(char *to, size_t size, const char *from) { snprintf(to, size, "%s", from ? from : ""); }

static void verify_text(SSL *ssl, char *out, size_t size)
{
    long v = SSL_get_verify_result(ssl);
    if (!SSL_is_server(ssl) && !SSL_get0_peer_certificate(ssl)) copy(out, size, "no certificate");
    else copy(out, size, v == X509_V_OK ? "ok" : X509_verify_cert_error_string(v));
}

void tls_link_info(const struct tls_link *l, struct tls_info *out)
{
    const unsigned char *alpn;
    unsigned alpn_n;
    *out = (struct tls_info){0};
    copy(out->version, sizeof out->version, SSL_get_version(l->ssl));
    copy(out->cipher, sizeof out->cipher, SSL_get_cipher_name(l->ssl));
    copy(out->sni, sizeof out->sni, SSL_get_servername(l->ssl, TLSEXT_NAMETYPE_host_name));
    SSL_get0_alpn_selected(l->ssl, &alpn, &alpn_n);
    snprintf(out->alpn, sizeof out->alpn, "%.*s", (int)alpn_n, alpn ? (const char *)alpn : "");
    verify_text(l->ssl, out->verify, sizeof out->verify);
    out->fault = fault_of(SSL_get_verify_result(l->ssl));
    out->tlsa_usage = -1;
    uint8_t usage, selector, matching;
    const unsigned char *data;
    size_t n;
    if (!SSL_is_server(l->ssl) && SSL_get0_dane_tlsa(l->ssl, &usage, &selector, &matching, &data, &n) >= 0)
        out->tlsa_usage = usage;
    out->resumed = SSL_session_reused(l->ssl) == 1;
    out->bits = SSL_get_cipher_bits(l->ssl, NULL);
}

size_t tls_link_client(const struct tls_link *l, struct arena *a, struct slice **out)
{
    return tls_client_addresses(l->ssl, a, out);
}

/* RFC 9266 section 2; section 3: only where every handshake has a master secret of its own. */
int tls_link_exporter(struct tls_link *l, uint8_t out[32])
{
    static const char label[] = "EXPORTER-Channel-Binding";
    if (SSL_version(l->ssl) < TLS1_3_VERSION) return err_set(ERR_STATE, "channel binding needs TLS 1.3");
    ERR_clear_error();
    if (SSL_export_keying_material(l->ssl, out, 32, label, sizeof label - 1, NULL, 0, 0) != 1)
        return tls_fail("cannot export keying material");
    return 0;
}
