/* arc.h - ARC: reading and verifying a chain, sealing (RFC 8617).
 *
 * Every failure is permanent (section 5.2.1), a DNS failure too; the reason tells it. A
 * chain that passes says who handled the message and what they saw; whether a sealer is
 * believed is the caller's decision: of the sets, only those from oldest_pass on (all,
 * when it is 0) cover the message as it is now. */
#pragma once
#include "dkim.h"

enum {
    ARC_SETS_MAX = 50, /* RFC 8617 section 4.2.1 */
    ARC_KEYS_MAX = 24, /* different keys asked for in one chain */
};

enum arc_status { ARC_NONE, ARC_PASS, ARC_FAIL };
const char *arc_status_name(enum arc_status s); /* "none" "pass" "fail": also the values of cv= */

/* One ARC Set. What could not be read is empty. */
struct arc_set {
    int instance;                            /* 1 ... */
    struct slice seal_domain, seal_selector; /* d= s= of the ARC-Seal, A-labels in lower case */
    struct slice ams_domain, ams_selector;
    struct slice cv;              /* as written */
    struct slice aar;             /* what follows "i=N;" in the AAR, unfolded: the authres-payload */
    struct slice aar_id;          /* its authserv-id */
    enum dkim_result seal_result; /* DKIM_NONE = not looked at */
    enum dkim_result ams_result;
    struct slice reason;                     /* when one of the two did not pass */
    int64_t timestamp;                       /* t= of the seal, or -1 */
    size_t aar_field, ams_field, seal_field; /* indices in head->field; SIZE_MAX = missing */
};
struct arc_result {
    enum arc_status status;
    struct slice reason; /* a sentence; also for pass */
    struct arc_set *set; /* set[0] is the lowest instance seen; contiguous only when not fail */
    size_t n;
    int highest;     /* highest instance seen, 0 = none */
    int oldest_pass; /* section 5.2 step 5: 0 = all message signatures verify; -1 = not known */
    bool ended;      /* the newest seal says cv=fail: nothing more may be added (5.1 step 2) */
    bool temporary;  /* the failure was a DNS failure */
};

struct arc_verify;
/* Reads the chain and tells b which hashes are needed. Lifetimes as dkim_verify_new. */
struct arc_verify *arc_verify_new(struct arena *a, const struct mail_head *head,
                                  const struct dkim_policy *policy, struct dkim_body *b);
/* May be called before, as dkim_verify_ask: asks for the keys of the newest set. */
int arc_verify_ask(struct arc_verify *v, struct dns *dns);
/* After dkim_body_end. SUSPENDS: at most ARC_KEYS_MAX questions. 0 or ERR_CANCELED. */
MUST_CHECK int arc_verify_end(struct arc_verify *v, struct dns *dns, struct arc_result *out);

/* ---- sealing ---- */

struct arc_sealer {
    struct slice domain, selector; /* A-labels */
    struct sign_key *key;
    struct slice authres; /* authserv-id and results: the body of our Authentication-Results field */
    const struct dkim_field_rule *rules; /* what the message signature covers; NULL = the default */
    size_t nrules;
};
struct arc_seal;
/* head: the message as it leaves, DKIM-Signatures included. arrived: what arc_verify_end
 * said of it when it came. sealer, arrived, head, b must live until arc_seal_end.
 * ERR_STATE: nothing may be added (the chain ended, or has 50 sets). Else as dkim_sign_new. */
MUST_CHECK int arc_seal_new(struct arena *a, const struct mail_head *head, const struct arc_sealer *sealer,
                            const struct arc_result *arrived, int64_t now, struct dkim_body *b,
                            struct arc_seal **out);
/* After dkim_body_end: appends ARC-Seal, ARC-Message-Signature and
 * ARC-Authentication-Results, folded, in this order, each with its CRLF. Two signatures. */
MUST_CHECK int arc_seal_end(struct arc_seal *s, struct buf *out);
