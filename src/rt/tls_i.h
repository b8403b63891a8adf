/* tls_i.h - inside TLS: contexts and certificates. Only tls*.c include it: OpenSSL stays there. */
#pragma once
#define ERR_STATE OPENSSL_ERR_STATE /* both sides have one */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include "base/buf.h"
#include "base/map.h"
#include "conn_i.h"
#include "tls.h"

/* What a server takes in TLS 1.2 (in 1.3 all there are): forward secrecy and authenticated encryption (RFC
 * 9325 section 4.2), what Mozilla's guide calls intermediate; and from strangers who would come in clear. */
#define TLS_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define TLS_CIPHERS_STRANGER TLS_CIPHERS ":DHE+AESGCM:DHE+CHACHA20:ECDHE+AES:DHE+AES:-AESCCM"

enum { TLS_NAME_MAX = 255, TLS_SESSIONS_MAX = 1024, TLS_TICKET_NAME = 16 };

struct tls_ticket_key {
    unsigned char name[TLS_TICKET_NAME], aes[32], mac[32];
    int64_t born; /* Unix seconds; 0 = no key */
};

/* A certificate with its chain and key; several names may lead to it. */
struct tls_cert {
    struct tls_cert *next;
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    struct slice *names; /* lower case, sorted, without doubles */
    size_t nnames;
};

struct tls_asking; /* tls_ask.c */
struct tls_ctx {
    SSL_CTX *ssl;
    bool server;
    int refs;                             /* of links; atomic */
    struct lock lock;                     /* over what follows */
    struct tls_cert *certs;               /* in the order they were added */
    struct tls_asking *asking;            /* server: tls_server_ask(), or NULL */
    struct tls_cert *proofs;              /* shown to an authority (RFC 8737), never served */
    struct tls_ticket_key ticket_keys[2]; /* server: the present one, the one before */
    struct map sessions;                  /* client: peer and policy -> SSL_SESSION */
    unsigned char alpn[256];              /* server: wire form, in order of preference */
    unsigned alpn_n;
};

/* tls_error.c. Clears OpenSSL's queue of this thread into a sentence: "<what>: <reason>". Returns ERR_TLS. */
int tls_fail(const char *what);
const char *tls_reason(void); /* the reason alone; static or OpenSSL's; clears the queue */

/* tls_ctx.c. Names in wire form (RFC 7301 section 3.1); the length, or 0 when they do not fit. */
unsigned tls_alpn_wire(const char *const *names, unsigned char *out, size_t size);

/* tls_link.c: OpenSSL asks a server for its choice; arg: the context. */
int tls_choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n, const unsigned char *in,
                    unsigned in_n, void *arg);

void tls_ctx_hold(struct tls_ctx *t);
void tls_ctx_drop(struct tls_ctx *t);

/* tls_cert.c */
MUST_CHECK int tls_cert_read(struct tls_cert **out, struct slice chain_pem, struct slice key_pem);
void tls_cert_free(struct tls_cert *c);
void tls_certs_free(struct tls_cert *first); /* and those behind it */
/* For one name, self-signed, with an acmeIdentifier that holds the digest (RFC 8737 section 3). */
MUST_CHECK int tls_cert_proof(struct tls_cert **out, struct slice name, const uint8_t digest[32]);
bool tls_cert_same_names(const struct tls_cert *a, const struct tls_cert *b);
/* How well the certificate fits the name: 2 exactly, 1 by a wildcard, 0 not. */
int tls_cert_fits(const struct tls_cert *c, struct slice name);

/* tls_ctx.c: sessions for resumption. Taking removes: a ticket is used once (RFC 8446 appendix C.4). */
void tls_session_put(struct tls_ctx *t, struct slice key, SSL_SESSION *s);
SSL_SESSION *tls_session_take(struct tls_ctx *t, struct slice key);

/* tls_ask.c: the client of this session may show a certificate, when its context says by whom. */
MUST_CHECK int tls_ask(struct tls_ctx *t, SSL *ssl);
void tls_asking_free(struct tls_asking *k);
/* conn_tls_client() */
size_t tls_client_addresses(const SSL *ssl, struct arena *a, struct slice **out);

void tls_ticket_start(struct tls_ctx *t); /* tls_ticket.c */

/* tls_link.c: does this client ask for a proof and nothing else? */
bool tls_link_wants_proof(SSL *ssl);
int tls_look_at_hello(SSL *ssl, int *alert, void *arg);

/* tls_link.c: the key of the link that an SSL belongs to, for the new-session callback */
struct slice tls_link_session_key(SSL *ssl);
