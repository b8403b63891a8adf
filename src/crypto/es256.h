/* es256.h - keys on the curve P-256: signatures of JSON Web Signature (RFC 7518 section 3.4), requests for
 * certificates (RFC 2986), what ACME wants to know of a certificate. Nothing here suspends. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct es256;
MUST_CHECK int es256_new(struct es256 **out);
MUST_CHECK int es256_from_pem(struct slice pem, struct es256 **out); /* PKCS#8. ERR_SYNTAX */
void es256_pem(const struct es256 *k, struct buf *out);              /* PKCS#8 */
void es256_free(struct es256 **k);

enum { ES256_NUMBER = 32, ES256_SIGNATURE = 2 * ES256_NUMBER };
/* The point of the public key. */
void es256_public(const struct es256 *k, uint8_t x[ES256_NUMBER], uint8_t y[ES256_NUMBER]);
/* R and S of the signature over the SHA-256 of the bytes. */
MUST_CHECK int es256_sign(const struct es256 *k, struct slice bytes, uint8_t sig[ES256_SIGNATURE]);

/* A PKCS#10 request in DER for a certificate with these names (A-labels) for this key, added to out. */
MUST_CHECK int es256_request(const struct es256 *k, const struct slice *names, size_t n, struct buf *out);
/* SHA-256 over the SubjectPublicKeyInfo: the data of a TLSA record 3 1 1 (RFC 6698). */
void es256_spki_sha256(const struct es256 *k, uint8_t out[32]);
