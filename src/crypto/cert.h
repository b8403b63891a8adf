/* cert.h - what is to be read from a certificate. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* SHA-256 over the SubjectPublicKeyInfo of the first certificate of a PEM chain: the data of a
 * TLSA record 3 1 1 (RFC 6698 section 2.1, RFC 7672 section 3.1.1). ERR_SYNTAX. */
MUST_CHECK int cert_spki_sha256(struct slice chain_pem, uint8_t out[32]);
/* Data and signature over it in one (CMS, RFC 5652), as DER added to out. ERR_TLS. Some ms: offload it. */
MUST_CHECK int cms_sign(struct slice chain_pem, struct slice key_pem, struct slice data, struct buf *out);
/* Seconds since the epoch at which it ends to be valid. ERR_SYNTAX. */
MUST_CHECK int cert_expires(struct slice chain_pem, int64_t *when);
/* The same and its beginning. ERR_SYNTAX. */
MUST_CHECK int cert_validity(struct slice chain_pem, int64_t *from, int64_t *until);
/* How an authority knows its certificate when it advises to renew it (RFC 9773 section 4.1): base64url of the
 * authority's key identifier, ".", base64url of the serial number; empty when it has no such identifier. In
 * the arena. ERR_SYNTAX. */
MUST_CHECK int cert_renewal_id(struct arena *a, struct slice chain_pem, struct slice *out);
/* Does it stand for this name? */
bool cert_is_for(struct slice chain_pem, struct slice name);
/* "/CN=mail.x.test for mail.x.test, x.test, until 2026-12-01T00:00:00Z": subject, names and end of the
 * first certificate, for people. In the arena. ERR_SYNTAX. */
MUST_CHECK int cert_describe(struct arena *a, struct slice chain_pem, struct slice *out);

/* ---- is it the right one? ---- */

enum cert_grade {
    CERT_FINE,
    CERT_WARN,    /* it wants attention */
    CERT_WRONG,   /* it can be served, and who checks does not believe it */
    CERT_USELESS, /* it cannot be served */
};
struct cert_finding {
    enum cert_grade grade;
    struct slice sentence;
};
enum { CERT_WARN_DAYS = 21 }; /* before its end */
struct cert_pair {
    struct slice chain_pem, key_pem; /* as they stand in the files */
    struct slice host;               /* under which peers look for it */
    int64_t now;                     /* unix seconds */
};
/* Readable, a pair, of this time, for the host, its chain whole and trusted by this machine: what the
 * certificate is, and each thing that is not so, at least one finding. In the arena. BLOCKS (the system's
 * trust store). */
void cert_judge(struct arena *a, const struct cert_pair *c, struct cert_finding **out, size_t *n);
