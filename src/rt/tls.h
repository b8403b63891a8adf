/* tls.h - contexts for TLS over a conn. OpenSSL stays inside tls.c.
 * TLS 1.2 and 1.3 only (RFC 8996). A context may be used by every loop. */
#pragma once
#include "base/err.h"
#include "base/slice.h"

struct tls_ctx;

/* A server's context. ALPN (RFC 7301): `alpn` is a NULL-terminated list of
 * protocol names, or NULL. Certificates are added by name; the first added one is the
 * default, SNI chooses among the others. Session tickets allow resumption. */
MUST_CHECK int tls_server_new(struct tls_ctx **out, const char *const *alpn);
/* PEM bytes of a chain and its private key. ERR_SYNTAX names what is wrong. Replaces
 * the certificate for the same set of names, so that renewal needs no restart. */
MUST_CHECK int tls_server_add_cert(struct tls_ctx *t, struct slice chain_pem, struct slice key_pem);
/* The same, in the place of all certificates that were there, whatever their names. */
MUST_CHECK int tls_server_set_cert(struct tls_ctx *t, struct slice chain_pem, struct slice key_pem);

/* A client's context, with the system's trust store (and extra_ca_pem when not empty). */
MUST_CHECK int tls_client_new(struct tls_ctx **out, struct slice extra_ca_pem);
void tls_free(struct tls_ctx **t);

enum tls_verify {
    TLS_VERIFY_NONE, /* opportunistic: encrypt, believe nobody; the result is still computed */
    TLS_VERIFY_PKIX, /* chain and name must be right, else ERR_TLS */
    TLS_VERIFY_DANE, /* one of the TLSA records must match (RFC 7672), else ERR_TLS */
};
struct tls_tlsa {
    uint8_t usage, selector, matching;
    struct slice data;
};
struct tls_peer {
    struct slice name; /* for SNI and the certificate check */
    enum tls_verify verify;
    const struct tls_tlsa *tlsa;
    size_t ntlsa;
    const char *const *alpn; /* NULL-terminated or NULL */
};

struct tls_info {
    char version[16], cipher[48]; /* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
    char sni[256], alpn[32];
    char verify[128]; /* "ok" or why the peer's certificate would not be believed */
    bool resumed;
    int bits;
};

/* A self-signed certificate for the names (first = subject), for new homes:
 * P-256, PEM into the two buffers. days: lifetime. */
struct buf;
MUST_CHECK int tls_self_signed(const struct slice *names, size_t n, int days, struct buf *chain_pem,
                               struct buf *key_pem);
