/* tls_cert_test.c - certificates: chains, trust anchors, expiry, replacement, bad PEM. */
#include <stdio.h>
#include <stdlib.h>

#include "tls_i.h"
#include "tls_test.h"

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
static X509 *issue(const char *name, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, int64_t from,
                   int64_t to)
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

/* Greets everybody, on the loop that calls it, until the listener closes. */
static int greet_all(void *arg)
{
    struct two *t = arg;
    struct listener *l = t->l; /* its own copy: the closer clears the other */
    struct conn *c;
    struct slice line;
    while (listener_accept(l, &c) == 0) {
        CHECK_OK(conn_tls_accept(c, t->server));
        conn_puts(c, "220 hello\r\n");
        CHECK_ERR(conn_read_line(c, 100, &line), ERR_EOF);
        conn_close(&c);
    }
    return 0;
}

static void greet_here(void *arg) { CHECK_OK(greet_all(arg)); }
static void greet_there(void *arg) { CHECK_OK(rt_call(1, greet_all, arg)); }

TEST(one_context_serves_two_loops_while_certificates_change)
{
    struct two t;
    struct slice line;
    struct group g;
    two_init(&t, NULL);
    t.peer.verify = TLS_VERIFY_NONE;
    group_init(&g);
    CHECK_OK(group_go(&g, "here", greet_here, &t));
    CHECK_OK(group_go(&g, "there", greet_there, &t));
    for (int i = 0; i < 60; i++) {
        struct conn *c = NULL;
        CHECK_OK(conn_dial(&c, listener_at(t.l), NULL));
        REQUIRE(conn_tls_connect(c, t.client, &t.peer) == 0);
        CHECK_OK(conn_read_line(c, 100, &line));
        CHECK_SL(line, "220 hello");
        conn_close(&c);
        if (i % 10 == 0) make_cert(t.server, "mail.one.test", NULL, NULL);
    }
    listener_close(&t.l);
    CHECK_OK(group_wait(&g));
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

/* A certificate read again takes the place of the one before also when it bears other names. */
TEST(a_set_certificate_replaces_all_others)
{
    struct tls_ctx *t;
    struct buf a = BUF_INIT, ak = BUF_INIT, b = BUF_INIT, bk = BUF_INIT;
    struct slice old[] = {SL("mail.x.test"), SL("x.test")}, new = SL("mail.x.test");
    CHECK_OK(tls_server_new(&t, NULL));
    CHECK_OK(tls_self_signed(old, 2, 30, &a, &ak));
    CHECK_OK(tls_self_signed(&new, 1, 30, &b, &bk));
    CHECK_OK(tls_server_add_cert(t, buf_slice(&a), buf_slice(&ak)));
    CHECK_ERR(tls_server_set_cert(t, buf_slice(&b), buf_slice(&ak)), ERR_SYNTAX);
    CHECK_INT(t->certs->nnames, 2); /* what cannot be used changes nothing */
    CHECK_OK(tls_server_set_cert(t, buf_slice(&b), buf_slice(&bk)));
    CHECK(t->certs && !t->certs->next && t->certs->nnames == 1);
    tls_free(&t);
    buf_free(&a);
    buf_free(&ak);
    buf_free(&b);
    buf_free(&bk);
}

static bool holds_digest(X509 *x, const uint8_t digest[32])
{
    ASN1_OBJECT *id = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
    X509_EXTENSION *e = X509_get_ext(x, X509_get_ext_by_OBJ(x, id, -1));
    ASN1_OBJECT_free(id);
    if (!e || !X509_EXTENSION_get_critical(e)) return false;
    const ASN1_OCTET_STRING *s = X509_EXTENSION_get_data(e);
    const unsigned char *p = ASN1_STRING_get0_data(s);
    return ASN1_STRING_length(s) == 34 && p[0] == 4 && p[1] == 32 && memcmp(p + 2, digest, 32) == 0;
}
/* RFC 8737 section 3 */
TEST(a_proof_is_shown_to_who_offers_its_protocol_alone)
{
    static const char *const proof[] = {TLS_PROOF_PROTOCOL, NULL}, *const more[] = {TLS_PROOF_PROTOCOL,
                                                                                    "http/1.1", NULL};
    static const uint8_t digest[32] = {7, 8, 9};
    struct slice name = SL("mta-sts.one.test");
    struct two t;
    struct tls_info info;
    two_init(&t, NULL);
    CHECK_OK(tls_server_add_proof(t.server, name, digest));
    CHECK(holds_digest(t.server->proofs->leaf, digest));
    t.peer = (struct tls_peer){.name = name, .alpn = proof};
    two_start(&t);
    CHECK_INT(t.client_error, 0);
    CHECK_INT(t.server_error, ERR_DENIED); /* nothing is served over it */
    conn_tls_info(t.a, &info);
    CHECK(strcmp(info.alpn, TLS_PROOF_PROTOCOL) == 0);
    two_end(&t);
    t.peer.alpn = more; /* others are served as ever */
    CHECK(two_start(&t));
    two_end(&t);
    t.peer = (struct tls_peer){.name = SL("mail.one.test"),
                               .alpn = proof}; /* of this name nothing is to be proved */
    two_start(&t);
    CHECK_INT(t.client_error, ERR_TLS);
    CHECK_INT(t.server_error, ERR_TLS);
    two_end(&t);
    tls_server_drop_proof(t.server, name);
    CHECK(!t.server->proofs);
    t.peer.name = name;
    two_start(&t);
    CHECK_INT(t.client_error, ERR_TLS);
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
