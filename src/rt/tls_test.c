/* tls_test.c - TLS between two ends in one process. */
#include "tls.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "conn.h"
#include "test_rt.h"
#include "tls_i.h"

/* ---- a server's and a client's end ---- */

struct two {
    struct tls_ctx *server, *client;
    struct listener *l;
    struct conn *a, *b; /* client, server */
    struct tls_peer peer;
    int server_error, client_error;
    char client_text[ERR_TEXT_MAX], server_text[ERR_TEXT_MAX];
    struct group g;
};

static void make_cert(struct tls_ctx *t, const char *name, const char *second, struct buf *chain_out)
{
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice names[2] = {sl_cstr(name), sl_cstr(second)};
    CHECK_OK(tls_self_signed(names, second ? 2 : 1, 30, &chain, &key));
    CHECK_OK(tls_server_add_cert(t, buf_slice(&chain), buf_slice(&key)));
    if (chain_out) buf_put(chain_out, buf_slice(&chain));
    buf_free(&chain);
    buf_free(&key);
}

/* A server for mail.one.test (and www.two.test), and a client that trusts it. */
static void two_init(struct two *t, const char *const *alpn)
{
    struct buf trusted = BUF_INIT;
    struct endpoint at;
    *t = (struct two){.peer = {.name = SL("mail.one.test"), .verify = TLS_VERIFY_PKIX}};
    CHECK_OK(tls_server_new(&t->server, alpn));
    make_cert(t->server, "mail.one.test", NULL, &trusted);
    make_cert(t->server, "www.two.test", "*.wild.test", &trusted);
    CHECK_OK(tls_client_new(&t->client, buf_slice(&trusted)));
    buf_free(&trusted);
    CHECK(endpoint_parse(SL("127.0.0.1:0"), &at));
    CHECK_OK(listener_open(&t->l, &at));
}

static void connect_plain(void *arg)
{
    struct two *t = arg;
    CHECK_OK(conn_dial(&t->a, listener_at(t->l), NULL));
}

static void client_side(void *arg)
{
    struct two *t = arg;
    t->client_error = conn_tls_connect(t->a, t->client, &t->peer);
    if (t->client_error) snprintf(t->client_text, sizeof t->client_text, "%s", err_text(t->client_error));
}

static void two_open(struct two *t)
{
    group_init(&t->g);
    CHECK_OK(group_go(&t->g, "dial", connect_plain, t));
    CHECK_OK(listener_accept(t->l, &t->b));
    CHECK_OK(group_wait(&t->g));
}

static void two_handshake(struct two *t)
{
    group_init(&t->g);
    CHECK_OK(group_go(&t->g, "client", client_side, t));
    t->server_error = conn_tls_accept(t->b, t->server);
    if (t->server_error) snprintf(t->server_text, sizeof t->server_text, "%s", err_text(t->server_error));
    CHECK_OK(group_wait(&t->g));
}

static bool says(const char *text, const char *part) { return sl_find(sl_cstr(text), sl_cstr(part)) != SL_NONE; }

static bool two_start(struct two *t)
{
    two_open(t);
    two_handshake(t);
    return t->server_error == 0 && t->client_error == 0;
}

static void two_end(struct two *t)
{
    conn_close(&t->a);
    conn_close(&t->b);
}

static void two_free(struct two *t)
{
    two_end(t);
    listener_close(&t->l);
    tls_free(&t->server);
    tls_free(&t->client);
}

/* One line each way, which also lets the client see the server's ticket. */
static void exchange(struct two *t)
{
    struct slice line;
    conn_puts(t->b, "220 hello\r\n");
    CHECK_OK(conn_flush(t->b));
    CHECK_OK(conn_read_line(t->a, 100, &line));
    CHECK_SL(line, "220 hello");
    conn_puts(t->a, "EHLO you\r\n");
    CHECK_OK(conn_flush(t->a));
    CHECK_OK(conn_read_line(t->b, 100, &line));
    CHECK_SL(line, "EHLO you");
}

/* ---- the ordinary case ---- */

TEST(tls_both_ways)
{
    struct two t;
    struct tls_info a, b;
    struct slice line;
    two_init(&t, NULL);
    REQUIRE(two_start(&t));
    exchange(&t);
    conn_tls_info(t.a, &a);
    conn_tls_info(t.b, &b);
    CHECK_SL(sl_cstr(a.version), "TLSv1.3");
    CHECK_SL(sl_cstr(a.cipher), b.cipher);
    CHECK(sl_starts(sl_cstr(a.cipher), SL("TLS_")));
    CHECK(a.bits >= 128);
    CHECK_SL(sl_cstr(a.verify), "ok");
    CHECK_SL(sl_cstr(b.sni), "mail.one.test");
    CHECK(!a.resumed);
    uint8_t x[32], y[32];
    CHECK_OK(conn_tls_exporter(t.a, x));
    CHECK_OK(conn_tls_exporter(t.b, y));
    CHECK(memcmp(x, y, 32) == 0);
    CHECK(conn_is_tls(t.a) && conn_is_tls(t.b));
    conn_puts(t.a, "last words\r\n");
    conn_close(&t.a); /* sends them, and says goodbye */
    CHECK_OK(conn_read_line(t.b, 100, &line));
    CHECK_SL(line, "last words");
    CHECK_ERR(conn_read_line(t.b, 100, &line), ERR_EOF);
    conn_puts(t.b, "too late\r\n");
    two_free(&t);
}

static void send_much(void *arg)
{
    struct buf b = BUF_INIT;
    for (int i = 0; i < 200000; i++) buf_printf(&b, "%07d\n", i);
    conn_write(arg, buf_slice(&b));
    CHECK_OK(conn_flush(arg));
    buf_free(&b);
}

static void read_much(void *arg)
{
    char got[9] = {0}, want[16];
    for (int i = 0; i < 200000; i++) {
        snprintf(want, sizeof want, "%07d\n", i);
        if (conn_read(arg, got, 8) || strcmp(got, want) != 0) {
            test_fail(__FILE__, __LINE__, "wrong at %d", i);
            return;
        }
    }
}

TEST(much_data_over_tls_both_ways_at_once)
{
    struct two t;
    two_init(&t, NULL);
    REQUIRE(two_start(&t));
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "send", send_much, t.a));
    CHECK_OK(group_go(&g, "read", read_much, t.b));
    CHECK_OK(group_wait(&g));
    CHECK_OK(group_go(&g, "send", send_much, t.b));
    CHECK_OK(group_go(&g, "read", read_much, t.a));
    CHECK_OK(group_wait(&g));
    CHECK_INT(conn_bytes_in(t.b), 1600000);
    two_free(&t);
}

TEST(starttls)
{
    struct two t;
    struct slice line;
    two_init(&t, NULL);
    two_open(&t);
    conn_puts(t.a, "STARTTLS\r\n");
    CHECK_OK(conn_flush(t.a));
    CHECK_OK(conn_read_line(t.b, 100, &line));
    CHECK_SL(line, "STARTTLS");
    CHECK_INT(conn_peek(t.b).n, 0);
    conn_puts(t.b, "220 go on\r\n"); /* goes out before the handshake */
    CHECK_OK(conn_flush(t.b));
    CHECK_OK(conn_read_line(t.a, 100, &line));
    two_handshake(&t);
    CHECK_OK(t.client_error);
    CHECK_OK(t.server_error);
    exchange(&t);
    two_free(&t);
}

/* ---- names and trust ---- */

static void try_peer(struct two *t, const char *name, enum tls_verify verify, const char *reason)
{
    t->peer.name = sl_cstr(name);
    t->peer.verify = verify;
    bool ok = two_start(t);
    CHECK(ok == !reason);
    if (reason) {
        CHECK_ERR(t->client_error, ERR_TLS);
        CHECK(says(t->client_text, reason));
        if (!says(t->client_text, reason)) printf("    said: %s\n", t->client_text);
        char b[1];
        CHECK(conn_read(t->a, b, 1) == ERR_TLS); /* sticky */
    } else {
        exchange(t);
    }
    two_end(t);
}

TEST(names_must_be_right)
{
    struct two t;
    two_init(&t, NULL);
    try_peer(&t, "mail.one.test", TLS_VERIFY_PKIX, NULL);
    try_peer(&t, "MAIL.one.test.", TLS_VERIFY_PKIX, NULL);
    try_peer(&t, "www.two.test", TLS_VERIFY_PKIX, NULL);
    try_peer(&t, "any.wild.test", TLS_VERIFY_PKIX, NULL);
    try_peer(&t, "a.b.wild.test", TLS_VERIFY_PKIX, "hostname mismatch");
    try_peer(&t, "other.test", TLS_VERIFY_PKIX, "hostname mismatch");
    try_peer(&t, "127.0.0.1", TLS_VERIFY_PKIX, "IP address mismatch");
    try_peer(&t, "other.test", TLS_VERIFY_NONE, NULL);
    two_free(&t);
}

TEST(strangers_are_not_believed)
{
    struct two t;
    struct tls_info info;
    two_init(&t, NULL);
    tls_free(&t.client);
    CHECK_OK(tls_client_new(&t.client, SL("")));
    try_peer(&t, "mail.one.test", TLS_VERIFY_PKIX, "self-signed certificate");
    t.peer.verify = TLS_VERIFY_NONE;
    REQUIRE(two_start(&t));
    conn_tls_info(t.a, &info);
    CHECK_SL(sl_cstr(info.verify), "self-signed certificate"); /* known, though not asked for */
    two_end(&t);
    t.peer.name = SL("");
    CHECK(two_start(&t));
    two_free(&t);
}

TEST(the_server_hears_why_it_was_refused)
{
    struct two t;
    two_init(&t, NULL);
    t.peer.name = SL("other.test");
    two_open(&t);
    two_handshake(&t);
    CHECK_ERR(t.client_error, ERR_TLS);
    char b[1];
    /* With TLS 1.3 the server is done before the client judges: the alert is the first thing it reads. */
    if (!t.server_error) t.server_error = conn_read(t.b, b, 1);
    CHECK_ERR(t.server_error, ERR_TLS);
    CHECK(says(err_text(ERR_TLS), "the other side gave up"));
    two_free(&t);
}

static void leaf_of(struct two *t, const char *name, uint8_t spki_sha256[32], struct buf *der)
{
    struct tls_cert *c = t->server->certs;
    while (c && tls_cert_fits(c, sl_cstr(name)) < 2) c = c->next;
    unsigned char *p = NULL, *q = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->leaf), &p), m = i2d_X509(c->leaf, &q);
    EVP_Digest(p, (size_t)n, spki_sha256, NULL, EVP_sha256(), NULL);
    buf_bytes(der, q, (size_t)m);
    OPENSSL_free(p);
    OPENSSL_free(q);
}

TEST(dane)
{
    struct two t;
    uint8_t right[32], wrong[32] = {1, 2, 3};
    struct buf der = BUF_INIT;
    two_init(&t, NULL);
    tls_free(&t.client);
    CHECK_OK(tls_client_new(&t.client, SL(""))); /* trusts no one */
    leaf_of(&t, "mail.one.test", right, &der);
    struct tls_tlsa r[] = {{3, 1, 1, sl(wrong, 32)}, {3, 1, 1, sl(right, 32)}};
    t.peer.tlsa = r;
    t.peer.ntlsa = 2;
    try_peer(&t, "mail.one.test", TLS_VERIFY_DANE, NULL);
    t.peer.ntlsa = 1;
    try_peer(&t, "mail.one.test", TLS_VERIFY_DANE, "not believed");
    struct tls_tlsa full = {3, 0, 0, buf_slice(&der)};
    t.peer.tlsa = &full;
    try_peer(&t, "mail.one.test", TLS_VERIFY_DANE, NULL);
    /* RFC 7672 section 3.1.1: the name in the certificate does not count with usage 3. The server
     * gives its default certificate to an unknown name. */
    t.peer.tlsa = &r[1];
    try_peer(&t, "unknown.test", TLS_VERIFY_DANE, NULL);
    struct tls_tlsa useless[] = {{0, 1, 1, sl(right, 32)}, {1, 1, 1, sl(right, 32)}, {3, 1, 1, sl(right, 5)}};
    t.peer.tlsa = useless;
    t.peer.ntlsa = 3;
    two_open(&t);
    t.peer.name = SL("mail.one.test");
    CHECK_ERR(conn_tls_connect(t.a, t.client, &t.peer), ERR_TLS);
    CHECK(says(err_text(ERR_TLS), "none of the 3 TLSA records"));
    buf_free(&der);
    two_free(&t);
}

/* ---- a small authority ---- */

static void extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(e && X509_add_ext(x, e, -1));
    X509_EXTENSION_free(e);
}

/* issuer == NULL: signs itself. */
static X509 *issue(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, int64_t from, int64_t to)
{
    X509 *x = X509_new();
    X509_NAME *n = X509_get_subject_name(x);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), issuer ? 2 : 1);
    X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer) : n);
    ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from);
    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)to);
    X509_set_pubkey(x, key);
    char alt[128];
    snprintf(alt, sizeof alt, "DNS:%s", name);
    extend(x, issuer ? issuer : x, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
    if (issuer) extend(x, issuer, NID_subject_alt_name, alt);
    CHECK(X509_sign(x, issuer_key, EVP_sha256()) > 0);
    return x;
}

static void put_cert(struct buf *out, X509 *x)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *p;
    PEM_write_bio_X509(b, x);
    long n = BIO_get_mem_data(b, &p);
    buf_bytes(out, p, (size_t)n);
    BIO_free(b);
}

struct authority {
    struct buf ca_pem, ca_der, chain, key;
};

static void authority_free(struct authority *a)
{
    buf_free(&a->ca_pem);
    buf_free(&a->ca_der);
    buf_free(&a->chain);
    buf_free(&a->key);
}

/* A chain of two for the name, valid in [from, to). */
static void authority_make(struct authority *a, const char *name, int64_t from, int64_t to)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = issue("An authority", ca_key, NULL, ca_key, from - 86400, to + 86400);
    X509 *leaf = issue(name, key, ca, ca_key, from, to);
    unsigned char *der = NULL;
    int n = i2d_X509(ca, &der);
    BIO *b = BIO_new(BIO_s_mem());
    char *p;
    *a = (struct authority){0};
    buf_bytes(&a->ca_der, der, (size_t)n);
    put_cert(&a->ca_pem, ca);
    put_cert(&a->chain, leaf);
    put_cert(&a->chain, ca);
    PEM_write_bio_PKCS8PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
    long len = BIO_get_mem_data(b, &p);
    buf_bytes(&a->key, p, (size_t)len);
    BIO_free(b);
    OPENSSL_free(der);
    X509_free(ca);
    X509_free(leaf);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

static void serve_from(struct two *t, struct authority *a)
{
    tls_free(&t->server);
    CHECK_OK(tls_server_new(&t->server, NULL));
    CHECK_OK(tls_server_add_cert(t->server, buf_slice(&a->chain), buf_slice(&a->key)));
}

TEST(chains_and_dane_with_a_trust_anchor)
{
    struct two t;
    struct authority a;
    int64_t now = rt_wall_seconds();
    two_init(&t, NULL);
    authority_make(&a, "mail.ca.test", now - 3600, now + 3600);
    serve_from(&t, &a);
    try_peer(&t, "mail.ca.test", TLS_VERIFY_PKIX, "not believed");
    struct tls_tlsa ta = {2, 0, 0, buf_slice(&a.ca_der)};
    t.peer.tlsa = &ta;
    t.peer.ntlsa = 1;
    try_peer(&t, "mail.ca.test", TLS_VERIFY_DANE, NULL);
    try_peer(&t, "unknown.test", TLS_VERIFY_DANE, "hostname mismatch"); /* with usage 2 the name counts */
    tls_free(&t.client);
    CHECK_OK(tls_client_new(&t.client, buf_slice(&a.ca_pem)));
    try_peer(&t, "mail.ca.test", TLS_VERIFY_PKIX, NULL);
    authority_free(&a);
    two_free(&t);
}

TEST(expired_certificates)
{
    struct two t;
    struct authority a;
    int64_t now = rt_wall_seconds();
    two_init(&t, NULL);
    authority_make(&a, "mail.ca.test", now - 7200, now - 3600);
    serve_from(&t, &a);
    tls_free(&t.client);
    CHECK_OK(tls_client_new(&t.client, buf_slice(&a.ca_pem)));
    try_peer(&t, "mail.ca.test", TLS_VERIFY_PKIX, "certificate has expired");
    authority_free(&a);
    two_free(&t);
}

/* ---- resumption ---- */

static bool resumed(struct two *t)
{
    struct tls_info a, b;
    if (!two_start(t)) return false;
    exchange(t);
    conn_tls_info(t->a, &a);
    conn_tls_info(t->b, &b);
    CHECK(a.resumed == b.resumed);
    CHECK(t->peer.verify == TLS_VERIFY_NONE || strcmp(a.verify, "ok") == 0);
    two_end(t);
    return a.resumed;
}

TEST(sessions_resume_for_the_same_name_and_rules_only)
{
    struct two t;
    two_init(&t, NULL);
    CHECK(!resumed(&t));
    CHECK(resumed(&t));
    CHECK(resumed(&t)); /* with the ticket of the second */
    t.peer.name = SL("www.two.test");
    CHECK(!resumed(&t));
    CHECK(resumed(&t));
    t.peer.name = SL("mail.one.test");
    t.peer.verify = TLS_VERIFY_NONE;
    CHECK(!resumed(&t));
    CHECK(resumed(&t));
    t.peer.verify = TLS_VERIFY_PKIX;
    CHECK(resumed(&t));
    two_free(&t);
}

TEST(ticket_keys_change)
{
    struct two t;
    two_init(&t, NULL);
    for (int tls13 = 1; tls13 >= 0; tls13--) {
        if (!tls13) SSL_CTX_set_max_proto_version(t.client->ssl, TLS1_2_VERSION);
        struct tls_ticket_key *k = t.server->ticket_keys;
        CHECK(!resumed(&t) || !tls13);
        CHECK(resumed(&t));
        struct tls_ticket_key first = k[0];
        k[0].born -= 13 * 3600;
        CHECK(resumed(&t)); /* the key before still opens, and the ticket is renewed */
        CHECK(memcmp(first.name, k[0].name, sizeof first.name) != 0);
        CHECK(memcmp(first.aes, k[1].aes, sizeof first.aes) == 0);
        CHECK(resumed(&t));
        k[0].born -= 30 * 3600; /* nobody came for more than a day */
        CHECK(!resumed(&t));
        CHECK_INT(k[1].born, 0);
        CHECK(resumed(&t));
    }
    two_free(&t);
}

TEST(the_session_cache_is_bounded)
{
    struct two t;
    two_init(&t, NULL);
    SSL_SESSION *s = SSL_SESSION_new();
    for (int i = 0; i < 3 * TLS_SESSIONS_MAX; i++) {
        char key[32];
        int n = snprintf(key, sizeof key, "%d", i);
        SSL_SESSION_up_ref(s);
        tls_session_put(t.client, sl(key, (size_t)n), s);
        SSL_SESSION_up_ref(s);
        tls_session_put(t.client, sl(key, (size_t)n), s); /* replaced */
    }
    CHECK_INT(t.client->sessions.count, TLS_SESSIONS_MAX);
    SSL_SESSION_free(s);
    two_free(&t);
}

/* ---- ALPN ---- */

TEST(alpn)
{
    static const char *const ours[] = {"imap", "http/1.1", NULL}, *const theirs[] = {"h2", "http/1.1", NULL},
                             *const strange[] = {"smtp", NULL};
    struct two t;
    struct tls_info info;
    two_init(&t, ours);
    t.peer.alpn = theirs;
    REQUIRE(two_start(&t));
    conn_tls_info(t.a, &info);
    CHECK_SL(sl_cstr(info.alpn), "http/1.1");
    conn_tls_info(t.b, &info);
    CHECK_SL(sl_cstr(info.alpn), "http/1.1");
    two_end(&t);
    t.peer.alpn = strange; /* RFC 7301 section 3.2: no_application_protocol */
    CHECK(!two_start(&t));
    CHECK_ERR(t.client_error, ERR_TLS);
    two_end(&t);
    t.peer.alpn = NULL;
    CHECK(two_start(&t));
    two_free(&t);
}

/* ---- certificates ---- */

TEST(certificates_are_replaced_while_serving)
{
    struct two t;
    struct buf fresh = BUF_INIT;
    two_init(&t, NULL);
    REQUIRE(two_start(&t)); /* an open session goes on with the old one */
    make_cert(t.server, "mail.one.test", NULL, &fresh);
    exchange(&t);
    two_end(&t);
    tls_free(&t.client);
    CHECK_OK(tls_client_new(&t.client, buf_slice(&fresh)));
    try_peer(&t, "mail.one.test", TLS_VERIFY_PKIX, NULL);
    int n = 0;
    for (struct tls_cert *c = t.server->certs; c; c = c->next) n++;
    CHECK_INT(n, 2);
    try_peer(&t, "nobody.test", TLS_VERIFY_NONE, NULL); /* the default is still the first */
    buf_free(&fresh);
    two_free(&t);
}

TEST(a_context_outlives_its_handle_while_used)
{
    struct two t;
    two_init(&t, NULL);
    REQUIRE(two_start(&t));
    tls_free(&t.server);
    tls_free(&t.client);
    exchange(&t);
    two_free(&t);
}

TEST(bad_pem_is_explained)
{
    struct tls_ctx *t;
    struct buf a = BUF_INIT, ak = BUF_INIT, b = BUF_INIT, bk = BUF_INIT;
    struct slice name = SL("x.test");
    CHECK_OK(tls_server_new(&t, NULL));
    CHECK_OK(tls_self_signed(&name, 1, 30, &a, &ak));
    CHECK_OK(tls_self_signed(&name, 1, 30, &b, &bk));
    CHECK_ERR(tls_server_add_cert(t, SL(""), buf_slice(&ak)), ERR_SYNTAX);
    CHECK(says(err_text(ERR_SYNTAX), "no certificate"));
    CHECK_ERR(tls_server_add_cert(t, buf_slice(&ak), buf_slice(&ak)), ERR_SYNTAX);
    CHECK_ERR(tls_server_add_cert(t, buf_slice(&a), SL("")), ERR_SYNTAX);
    CHECK(says(err_text(ERR_SYNTAX), "private key cannot be read"));
    CHECK_ERR(tls_server_add_cert(t, buf_slice(&a), buf_slice(&bk)), ERR_SYNTAX);
    CHECK(says(err_text(ERR_SYNTAX), "does not belong"));
    struct slice half = sl_sub(buf_slice(&a), 0, a.n / 2);
    CHECK_ERR(tls_server_add_cert(t, half, buf_slice(&ak)), ERR_SYNTAX);
    buf_put(&b, half); /* a good one, then half of another */
    CHECK_ERR(tls_server_add_cert(t, buf_slice(&b), buf_slice(&bk)), ERR_SYNTAX);
    CHECK_OK(tls_server_add_cert(t, buf_slice(&a), buf_slice(&ak)));
    struct tls_ctx *c = NULL;
    CHECK_ERR(tls_client_new(&c, SL("nothing")), ERR_SYNTAX);
    CHECK_ERR(tls_self_signed(&name, 0, 30, &a, &ak), ERR_USAGE);
    buf_free(&a);
    buf_free(&ak);
    buf_free(&b);
    buf_free(&bk);
    tls_free(&t);
    CHECK(t == NULL);
    tls_free(&t);
}

/* ---- peers that do not play along ---- */

static void talk_nonsense(void *arg)
{
    struct two *t = arg;
    conn_puts(t->a, "GET / HTTP/1.0\r\n\r\n");
    CHECK_OK(conn_flush(t->a));
}

TEST(a_peer_that_does_not_speak_tls)
{
    struct two t;
    two_init(&t, NULL);
    two_open(&t);
    CHECK_OK(group_go(&t.g, "nonsense", talk_nonsense, &t));
    CHECK_ERR(conn_tls_accept(t.b, t.server), ERR_TLS);
    CHECK(says(err_text(ERR_TLS), "does not speak TLS"));
    CHECK_OK(group_wait(&t.g));
    CHECK_ERR(conn_flush(t.b), ERR_TLS);
    two_end(&t);
    two_open(&t);
    conn_puts(t.b, "220 mail.one.test ESMTP\r\n");
    CHECK_OK(conn_flush(t.b));
    CHECK_ERR(conn_tls_connect(t.a, t.client, &t.peer), ERR_TLS);
    CHECK(says(err_text(ERR_TLS), "does not speak TLS"));
    two_free(&t);
}

TEST(a_peer_that_leaves_or_is_silent)
{
    struct two t;
    two_init(&t, NULL);
    two_open(&t);
    conn_close(&t.a);
    CHECK_ERR(conn_tls_accept(t.b, t.server), ERR_TLS);
    CHECK(says(err_text(ERR_TLS), "closed the connection"));
    two_end(&t);
    two_open(&t);
    int64_t before = deadline_narrow(DEADLINE_IN(2 * RT_MS));
    CHECK_ERR(conn_tls_connect(t.a, t.client, &t.peer), ERR_TIMEOUT);
    deadline_restore(before);
    two_free(&t);
}

static void accept_fiber(void *arg)
{
    struct two *t = arg;
    t->server_error = conn_tls_accept(t->b, t->server);
}

TEST(cancel_ends_a_handshake)
{
    struct two t;
    two_init(&t, NULL);
    two_open(&t);
    group_init(&t.g);
    CHECK_OK(group_go(&t.g, "accept", accept_fiber, &t));
    CHECK_OK(fiber_sleep(RT_MS));
    group_cancel(&t.g);
    CHECK_OK(group_wait(&t.g));
    CHECK_ERR(t.server_error, ERR_CANCELED);
    two_free(&t);
}

TEST(old_versions_are_refused)
{
    struct two t;
    two_init(&t, NULL);
    SSL_CTX_set_min_proto_version(t.client->ssl, TLS1_1_VERSION);
    SSL_CTX_set_max_proto_version(t.client->ssl, TLS1_1_VERSION);
    t.peer.verify = TLS_VERIFY_NONE;
    CHECK(!two_start(&t));
    CHECK_ERR(t.client_error, ERR_TLS);
    two_end(&t);
    SSL_CTX_set_min_proto_version(t.client->ssl, TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(t.client->ssl, TLS1_2_VERSION);
    REQUIRE(two_start(&t));
    exchange(&t);
    uint8_t x[32];
    struct tls_info info;
    conn_tls_info(t.b, &info);
    CHECK_SL(sl_cstr(info.version), "TLSv1.2");
    CHECK_ERR(conn_tls_exporter(t.a, x), ERR_STATE); /* RFC 9266 section 3 */
    two_end(&t);
    CHECK(resumed(&t));
    two_free(&t);
}

/* ---- parked under TLS ---- */

struct tls_parked {
    struct conn *c;
    struct group *g;
    char got[64];
};

static void tls_resumed(void *arg)
{
    struct tls_parked *k = arg;
    struct slice in = conn_peek(k->c);
    snprintf(k->got, sizeof k->got, "%.*s %d", SLF(in), conn_error(k->c));
    conn_consume(k->c, in.n);
    conn_puts(k->c, "heard\r\n");
    conn_close(&k->c);
}

TEST(parked_under_tls)
{
    struct two t;
    struct slice line;
    two_init(&t, NULL);
    REQUIRE(two_start(&t));
    exchange(&t);
    struct tls_parked k = {.c = t.b, .g = &t.g};
    group_init(&t.g);
    t.b = NULL;
    conn_puts(k.c, "* idling\r\n");
    conn_park(k.c, &t.g, RT_NEVER, tls_resumed, &k);
    CHECK_OK(conn_read_line(t.a, 100, &line));
    CHECK_SL(line, "* idling");
    conn_puts(t.a, "DONE\r\n");
    CHECK_OK(conn_flush(t.a));
    CHECK_OK(conn_read_line(t.a, 100, &line));
    CHECK_SL(line, "heard");
    CHECK_OK(group_wait(&t.g));
    CHECK_SL(sl_cstr(k.got), "DONE\r\n 0");
    two_free(&t);
}

/* The server's ticket is a record without data: it must not wake a parked client. */
TEST(records_without_data_wake_nobody)
{
    struct two t;
    two_init(&t, NULL);
    REQUIRE(two_start(&t));
    struct tls_parked k = {.c = t.a, .g = &t.g};
    group_init(&t.g);
    t.a = NULL;
    conn_park(k.c, &t.g, RT_NEVER, tls_resumed, &k);
    CHECK_OK(fiber_sleep(3 * RT_MS));
    CHECK_INT(t.g.count, 1);
    CHECK_SL(sl_cstr(k.got), "");
    CHECK_INT(t.client->sessions.count, 1); /* but the ticket was kept */
    conn_puts(t.b, "news\r\n");
    CHECK_OK(conn_flush(t.b));
    CHECK_OK(group_wait(&t.g));
    CHECK_SL(sl_cstr(k.got), "news\r\n 0");
    two_free(&t);
}
