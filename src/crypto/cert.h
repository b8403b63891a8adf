/* cert.h - what is to be read from a certificate. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

/* SHA-256 over the SubjectPublicKeyInfo of the first certificate of a PEM chain: the data of a
 * TLSA record 3 1 1 (RFC 6698 section 2.1, RFC 7672 section 3.1.1). ERR_SYNTAX. */
MUST_CHECK int cert_spki_sha256(struct slice chain_pem, uint8_t out[32]);
/* Seconds since the epoch at which it ends to be valid. ERR_SYNTAX. */
MUST_CHECK int cert_expires(struct slice chain_pem, int64_t *when);
/* "/CN=mail.x.test for mail.x.test, x.test, until 2026-12-01T00:00:00Z": subject, names and end of the
 * first certificate, for people. In the arena. ERR_SYNTAX. */
MUST_CHECK int cert_describe(struct arena *a, struct slice chain_pem, struct slice *out);
