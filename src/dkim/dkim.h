/* dkim.h - DKIM: verifying and signing (RFC 6376, 8301, 8463, 8616).
 *
 * Result words are those of RFC 8601 section 2.7.1, chosen like this:
 *   pass       verified, and nothing below stands against it
 *   fail       body hash or signature do not match; l= is more than the body; expired (x=)
 *   policy     verified, but not taken: bytes of the body behind l= are not covered; a
 *              second From, Subject, ... stands beside the signed one; t= lies in the
 *              future; more signatures than are looked at
 *   neutral    syntax errors; a version, algorithm, canonicalisation or query that we do not know
 *   permerror  a required tag is missing, From is not signed, i= is outside of d=; no key,
 *              revoked, malformed or unfit key; rsa-sha1, and RSA keys below 1024 bits
 *              (RFC 8301: "permanently failed", whatever the local policy)
 *   temperror  the DNS gave no answer
 *
 * Why l= is "policy" by default: RFC 6376 section 8.2 warns that what is appended may replace
 * all that a reader sees, and section 6.1.3 lets a verifier take such a signature as
 * invalid. Nobody who only appends a footer needs a pass: one who needs it can sign again.
 * A length that covers the whole body is harmless and passes. */
#pragma once
#include "crypto/crypto.h"
#include "dkim_body.h"
#include "dkim_record.h"
#include "dns/dns.h"
#include "mail/head.h"

enum {
    DKIM_SIGS_MAX = 8,      /* signatures evaluated, and so DNS questions asked, for one message */
    DKIM_LISTED_MAX = 32,   /* signatures reported */
    DKIM_FIELD_MAX = 32768, /* bytes of one signature field */
    DKIM_NAMES_MAX = 512,   /* names in h= */
};

enum dkim_result {
    DKIM_NONE,
    DKIM_PASS,
    DKIM_FAIL,
    DKIM_POLICY,
    DKIM_NEUTRAL,
    DKIM_TEMPERROR,
    DKIM_PERMERROR,
};
const char *dkim_result_name(enum dkim_result r); /* "pass"; static */

/* ---- verifying ---- */

/* NULL stands for the defaults (all zero). */
struct dkim_policy {
    bool partial_body_ok; /* pass although l= leaves bytes uncovered */
    bool extra_fields_ok; /* pass although an unsigned second From, Subject, ... is there */
    bool ignore_time;     /* x= and t= are not looked at (old letters under test) */
    int64_t now;          /* seconds since the epoch; 0 = the clock */
};

/* One signature. Slices live in the arena or in the message's header; those that could
 * not be read are empty. */
struct dkim_sig_result {
    enum dkim_result result;
    struct slice reason; /* a sentence without full stop; also for pass ("2048-bit key") */
    struct slice domain; /* d= as A-labels in lower case: what DMARC compares */
    struct slice domain_written, selector_written; /* as they stand in the field */
    struct slice selector;                         /* s= as A-labels */
    struct slice algorithm;                        /* "rsa-sha256" */
    enum dkim_canon head_canon, body_canon;
    struct slice identity; /* i= decoded, "@domain" when there is none */
    struct slice names;    /* h= without blanks: "from:to:subject" */
    struct slice b_prefix; /* header.b (RFC 6008): 8 characters or as many as tell them apart */
    int key_bits;          /* 0 = no key was read */
    bool testing;          /* the key says t=y: RFC 6376 3.6.1 wants it taken as unsigned, fail or pass */
    bool weak;             /* RSA below 2048 bits (RFC 8301 section 3.2) */
    bool has_length;       /* l= is there */
    uint64_t length, uncovered; /* l=, and canonical body bytes behind it */
    int64_t timestamp, expires; /* t=, x=; -1 = none */
    size_t field;               /* index in head->field */
};
struct dkim_results {
    struct dkim_sig_result *v; /* in the order of the header, from the top */
    size_t n;
    size_t unlisted;          /* signatures beyond DKIM_LISTED_MAX */
    enum dkim_result overall; /* none; else pass when one passed; else the most telling of the others */
};

struct dkim_verify;
/* Reads the signatures of a message and tells b which hashes are needed. a, head (and
 * the bytes it points to) and b must live until dkim_verify_end. policy is copied. */
struct dkim_verify *dkim_verify_new(struct arena *a, const struct mail_head *head,
                                    const struct dkim_policy *policy, struct dkim_body *b);
/* May be called before: asks for the keys while the body still streams by, from another fiber
 * of the same loop that has ended before dkim_verify_end. SUSPENDS. 0 or ERR_CANCELED. */
int dkim_verify_ask(struct dkim_verify *v, struct dns *dns);
/* After dkim_body_end: asks for the keys (all at once, each name once, at most
 * DKIM_SIGS_MAX questions) and judges. SUSPENDS; within the fiber's deadline: a time-out is
 * temperror. Returns 0 with the results in the arena, or ERR_CANCELED. */
MUST_CHECK int dkim_verify_end(struct dkim_verify *v, struct dns *dns, struct dkim_results *out);

/* "fail d=example.org s=sel1 the body was changed" for people and `tram check dkim`. */
struct slice dkim_sig_line(struct arena *a, const struct dkim_sig_result *r);

/* ---- signing ---- */

struct dkim_field_rule {
    struct slice name;
    bool oversign; /* named once more than it occurs, so that none can be added (RFC 6376 8.15) */
};
struct dkim_signer {
    struct slice domain, selector; /* A-labels */
    struct sign_key *key;          /* kind decides a=: rsa-sha256 or ed25519-sha256 */
    enum dkim_canon head_canon, body_canon;
    struct slice identity;               /* i= (unencoded), or empty */
    const struct dkim_field_rule *rules; /* NULL = dkim_default_rules: RFC 6376 section 5.4.1 */
    size_t nrules;
    bool timestamp;   /* t= now */
    int64_t lifetime; /* x= now + lifetime; 0 = none */
};
extern const struct dkim_field_rule dkim_default_rules[];
extern const size_t dkim_default_nrules;

struct dkim_sign;
/* Prepares n signatures (RSA and Ed25519 side by side: RFC 8463 section 6) over one
 * message. signers, head, b must live until dkim_sign_end. now: seconds since the epoch.
 * ERR_SYNTAX: the message has no From. ERR_DENIED: an RSA key below 1024 bits.
 * ERR_USAGE: domain, selector or identity that cannot be in a signature. */
MUST_CHECK int dkim_sign_new(struct arena *a, const struct mail_head *head, const struct dkim_signer *signers,
                             size_t n, int64_t now, struct dkim_body *b, struct dkim_sign **out);
/* After dkim_body_end: appends the complete DKIM-Signature fields, folded, each with its
 * CRLF, in the order of the signers; they go before the first field of the message. Does
 * not suspend and may run in offload() (RSA-2048: 0.6 ms). ERR_TOO_LONG when out is full. */
MUST_CHECK int dkim_sign_end(struct dkim_sign *s, struct buf *out);
