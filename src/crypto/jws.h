/* jws.h - signatures of JSON Web Signature (RFC 7518 section 3, RFC 8037) by public keys that others publish:
 * RSA of 2048 to 8192 bits, P-256, P-384, P-521, Ed25519. Nothing here suspends. */
#pragma once
#include "base/err.h"
#include "base/slice.h"

/* The members of a JSON Web Key (RFC 7518 section 6, RFC 8037 section 2) that make the key, decoded. */
struct jws_key {
    struct slice type;  /* kty: "RSA", "EC", "OKP" */
    struct slice curve; /* crv: "P-256", "P-384", "P-521", "Ed25519" */
    struct slice n, e;  /* RSA */
    struct slice x, y;  /* EC; OKP has x alone */
};
/* 0: sig is the key's signature over the bytes in the way `alg` names (RS, PS and ES with 256, 384 and 512,
 * EdDSA). ERR_DENIED: it is not. ERR_UNSUPPORTED: no such algorithm ("none" and those with a shared secret
 * are none), or the key is not of its kind. ERR_SYNTAX: the key is none, or too weak. */
MUST_CHECK int jws_verify(const struct jws_key *k, struct slice alg, struct slice bytes, struct slice sig);
