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

/* Clients of connections that ask (conn_tls_accept_login()) may prove who they are by a certificate of one of
 * these authorities (PEM). When revocation lists of the authorities stand among them, each authority that
 * issued to a client needs one. Replaces what was there. ERR_SYNTAX: there is none, or one cannot be used. */
MUST_CHECK int tls_server_ask(struct tls_ctx *t, struct slice authorities_pem);

/* Proves to an authority that a name leads here (RFC 8737 section 3): who asks for the name and offers
 * "acme-tls/1" alone gets a certificate made for this, with the digest in it, and nothing else: its handshake
 * ends in ERR_DENIED. Until it is dropped. name: static or as long as that. */
#define TLS_PROOF_PROTOCOL "acme-tls/1"
MUST_CHECK int tls_server_add_proof(struct tls_ctx *t, struct slice name, const uint8_t digest[32]);
void tls_server_drop_proof(struct tls_ctx *t, struct slice name);

/* A client's context, with the system's trust store (and extra_ca_pem when not empty). */
MUST_CHECK int tls_client_new(struct tls_ctx **out, struct slice extra_ca_pem);
void tls_free(struct tls_ctx **t);

enum tls_verify {
    TLS_VERIFY_NONE, /* opportunistic: encrypt, believe nobody; the result is still computed */
    TLS_VERIFY_PKIX, /* chain and name must be right, else ERR_TLS */
    TLS_VERIFY_DANE, /* one of the TLSA records must match (RFC 7672), else ERR_TLS */
};
/* Why a peer's certificate is not believed. */
enum tls_fault {
    TLS_FAULT_NONE,
    TLS_FAULT_NAME,      /* it is for another name */
    TLS_FAULT_EXPIRED,   /* or not valid yet */
    TLS_FAULT_UNTRUSTED, /* no authority that is trusted stands behind it */
    TLS_FAULT_OTHER,     /* with TLSA records: none matches */
};
struct tls_tlsa {
    uint8_t usage, selector, matching;
    struct slice data;
};
/* Can it prove a mail server (RFC 7672 section 3.1: usages 2 and 3 alone; data that fits its kind)? */
bool tls_tlsa_usable(const struct tls_tlsa *r);
struct tls_peer {
    struct slice name; /* for SNI and the certificate check */
    enum tls_verify verify;
    const struct slice *also; /* names that the certificate may bear as well */
    size_t nalso;
    const struct tls_tlsa *tlsa;
    size_t ntlsa;
    enum tls_fault *fault;   /* out, when the handshake fails for the certificate; or NULL */
    const char *const *alpn; /* NULL-terminated or NULL */
    bool ask;                /* the client of a server may show a certificate */
    bool stranger;           /* the client of a server may have older ciphers, for it would come in clear */
    struct slice show;       /* PEM of a chain and its key that a client shows to who asks, or empty */
};

struct tls_info {
    char version[16], cipher[48]; /* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
    char sni[256], alpn[32];
    char verify[128]; /* "ok" or why the peer's certificate would not be believed */
    enum tls_fault fault;
    int tlsa_usage; /* of the TLSA record that matched; -1: none was asked for, or a session went on */
    bool resumed;
    int bits;
};

/* A self-signed certificate for the names (first = subject), for new homes:
 * P-256, PEM into the two buffers. days: lifetime. */
struct buf;
MUST_CHECK int tls_self_signed(const struct slice *names, size_t n, int days, struct buf *chain_pem,
                               struct buf *key_pem);
