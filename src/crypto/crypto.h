/* crypto.h - hashes, signatures, password keys. OpenSSL stays inside this folder.
 * Nothing here suspends; RSA signing costs about 0.6 ms, key generation 100 ms (offload it). */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum hash_kind { HASH_SHA1, HASH_SHA256, HASH_MD5 };
enum { HASH_MAX = 32 };
size_t hash_size(enum hash_kind k);

struct hash {
    void *ctx;
    enum hash_kind kind;
};
void hash_init(struct hash *h, enum hash_kind k);
void hash_add(struct hash *h, struct slice bytes);
void hash_end(struct hash *h, uint8_t out[HASH_MAX]);     /* frees; h may be initialised again */
void hash_copy(struct hash *to, const struct hash *from); /* `to` is ended or dropped on its own */
void hash_drop(struct hash *h); /* frees without a result; harmless after hash_end() */
void hash_once(enum hash_kind k, struct slice bytes, uint8_t out[HASH_MAX]);

/* What stands for a domain's name in a key of the index: itself in lower case, or "~" and half of its SHA-256
 * when it is longer than 120 bytes or has others than letters, digits, ".", "-", "_". */
struct slice hash_name(struct arena *a, struct slice name);

void hmac_sha256(struct slice key, struct slice bytes, uint8_t out[32]);
bool same_secret(struct slice a, struct slice b); /* in constant time */
void wipe(void *p, size_t n);
/* What OpenSSL gives back, TLS with it, is wiped. Once, before anything else of it. */
void crypto_begin(void);

/* ---- signatures (DKIM, ARC) ---- */

enum key_kind { KEY_RSA, KEY_ED25519 };
struct sign_key;   /* private */
struct verify_key; /* public */

MUST_CHECK int sign_key_new(enum key_kind k, int bits, struct sign_key **out); /* bits: RSA only */
MUST_CHECK int sign_key_from_pem(struct slice pem, struct sign_key **out);     /* PKCS#8 or PKCS#1 */
void sign_key_pem(struct sign_key *k, struct buf *out);                        /* PKCS#8 */
/* The p= bytes of a DKIM record: SubjectPublicKeyInfo for RSA (RFC 6376 3.6.1), the
 * 32 bytes for Ed25519 (RFC 8463 section 4.2). */
void sign_key_public(struct sign_key *k, struct buf *out);
enum key_kind sign_key_kind(const struct sign_key *k);
int sign_key_bits(const struct sign_key *k);
/* RSA: RSASSA-PKCS1-v1_5 over the SHA-256 digest (RFC 6376 3.3.2); Ed25519: PureEdDSA
 * over the digest bytes (RFC 8463 section 3). Usable from several threads. */
MUST_CHECK int sign_digest(struct sign_key *k, const uint8_t sha256[32], struct buf *sig);
void sign_key_free(struct sign_key **k);

/* From the p= bytes; also accepts a bare RSAPublicKey (PKCS#1). ERR_SYNTAX. */
MUST_CHECK int verify_key_from(enum key_kind k, struct slice p, struct verify_key **out);
int verify_key_bits(const struct verify_key *k);
/* 0 good, ERR_DENIED wrong, ERR_SYNTAX signature of impossible form. */
MUST_CHECK int verify_digest(struct verify_key *k, enum hash_kind h, const uint8_t *digest, struct slice sig);
void verify_key_free(struct verify_key **k);

/* ---- passwords: keys of SCRAM-SHA-256 and SCRAM-SHA-1 (RFC 5802, 7677), no password is kept ---- */

/* OpaqueString (RFC 8265 section 4.2): other spaces become SPACE, NFC; adds the result
 * to out. ERR_SYNTAX: empty, no UTF-8, or a character that FreeformClass keeps out
 * (controls, unassigned, private use, invisible); ERR_TOO_LONG: over 1024 bytes. */
MUST_CHECK int opaque_string(struct slice s, struct buf *out);

enum { SCRAM_ROUNDS = 10000 }; /* for new keys */
enum scram_kind { SCRAM_SHA256, SCRAM_SHA1 };
struct scram_keys {
    enum scram_kind kind;
    uint32_t iterations;
    uint8_t salt[16], stored_key[32], server_key[32]; /* scram_size() bytes of the two count */
};
/* Bytes of each key. */
static inline size_t scram_size(enum scram_kind k) { return k == SCRAM_SHA1 ? 20 : 32; }
/* Prepares the password (opaque_string), then PBKDF2: about 5 ms at 10000 rounds;
 * offload it. ERR_SYNTAX, ERR_TOO_LONG: the password; ERR_USAGE: iterations outside 1 to 1000000. */
MUST_CHECK int scram_derive(enum scram_kind kind, struct slice password, const uint8_t salt[16],
                            uint32_t iterations, struct scram_keys *out);
/* Of SCRAM_SHA256 only. */
void scram_keys_text(const struct scram_keys *k,
                     struct buf *out); /* "SCRAM-SHA-256$10000:salt$stored:server" */
MUST_CHECK int scram_keys_parse(struct slice s, struct scram_keys *out); /* ERR_SYNTAX */

/* The server's half of the exchange. Bytes in and out are the SASL messages, not
 * base64. Start with a zeroed struct; when the connection has channel binding data
 * (conn_tls_exporter, so that -PLUS was offered) put it into cb_data and cb_size first:
 * a client that claims not to have been offered it is then refused (RFC 5802 section 6). */
struct scram_server {
    struct arena *a;
    struct slice user; /* after scram_first: as the client gave it, prepared */
    struct slice nonce, gs2, client_first_bare, server_first;
    struct scram_keys keys;
    /* Keys of further passwords of the user, with the same salt and count: set before scram_final(), which
     * tries the proof on each. */
    const struct scram_keys *other;
    size_t nother, which; /* which: after it, whose it was: 0 keys, 1 other[0], 2 other[1], ... */
    bool plus;
    uint8_t cb_data[64];
    size_t cb_size;
    char cb_name[24]; /* "tls-exporter" with -PLUS, the only one accepted (RFC 9266) */
};
/* client-first; plus: the client chose SCRAM-SHA-256-PLUS. Everything kept is copied
 * into the arena. Afterwards look the user up and call scram_challenge (with made-up
 * keys for an unknown user, so that it is not told apart: scram_decoy).
 * ERR_SYNTAX, ERR_TOO_LONG; ERR_DENIED: binding refused, or an authorisation identity
 * other than the user. */
MUST_CHECK int scram_first(struct scram_server *s, struct arena *a, struct slice client_first, bool plus);
/* server_nonce: printable ASCII without comma, at least 18 random characters. */
struct slice scram_challenge(struct scram_server *s, const struct scram_keys *k, struct slice server_nonce);
/* client-final: 0 and the server's signature message, or ERR_DENIED / ERR_SYNTAX. */
MUST_CHECK int scram_final(struct scram_server *s, struct slice client_final, struct slice *server_final);
/* Keys (of SCRAM_SHA256) that look real and are always the same for the same user and secret; no
 * password fits them. */
void scram_decoy(struct slice user, const uint8_t secret[32], struct scram_keys *out);

/* The client's half, of SCRAM-SHA-256. Start with a zeroed struct; where the server offers -PLUS and there is
 * channel binding data (conn_tls_exporter, RFC 9266) put it into `binding` and set plus; where there is data
 * and the server does not offer it set could_bind, so that a server which did offer it notices who took the
 * offer away (RFC 5802 section 6). */
struct scram_client {
    bool plus, could_bind;
    uint8_t binding[32];
    struct arena *a; /* from here on by the functions */
    struct slice nonce, gs2, first_bare;
    bool asked;
    uint8_t server_signature[32];
};
/* client-first; nonce: printable ASCII without comma, at least 18 random characters. ERR_SYNTAX,
 * ERR_TOO_LONG: the name. */
MUST_CHECK int scram_client_first(struct scram_client *c, struct arena *a, struct slice user,
                                  struct slice nonce, struct slice *out);
/* client-final, for the server's challenge. Costs its rounds: offload it. ERR_SYNTAX, ERR_DENIED: the
 * challenge; ERR_SYNTAX, ERR_TOO_LONG: the password. */
MUST_CHECK int scram_client_final(struct scram_client *c, struct slice password, struct slice server_first,
                                  struct slice *out);
/* Does the server prove that it knows the password's keys? Until then nothing is believed of it. ERR_DENIED,
 * ERR_SYNTAX. */
MUST_CHECK int scram_client_verify(const struct scram_client *c, struct slice server_final);
