/* policy.h - what another server must show of itself before a letter goes to it: what DNSSEC proves about its
 * keys (DANE, RFC 7672), else what its domain promises over HTTPS (MTA-STS, RFC 8461), else whatever works.
 */
#pragma once
#include "dns/dns.h"
#include "fetch/fetch.h"
#include "kv/kv.h"
#include "rt/tls.h"
#include "wire/mta_sts.h"

enum policy_level {
    POLICY_ANY,       /* TLS where it works, in clear where it does not (RFC 7435) */
    POLICY_ENCRYPTED, /* TLS, whoever it is: there are TLSA records, and none can be used */
    POLICY_PKIX,      /* a certificate of an authority for the host's name */
    POLICY_DANE,      /* a certificate that matches a TLSA record */
};

enum { POLICY_TLSA_MAX = 64, POLICY_NAMES_MAX = 3 };
/* What one host must show. */
struct policy {
    enum policy_level level;
    bool shut;                           /* nothing may go to it for now: why */
    struct slice why;                    /* how it comes to this, a sentence; in the arena */
    struct slice base;                   /* DANE: the name that is asked for and stands in the certificate */
    struct slice also[POLICY_NAMES_MAX]; /* or one of these */
    size_t nalso;
    struct tls_tlsa *tlsa;
    size_t ntlsa, nuseless; /* those that can be used; the others behind them */
    uint64_t mark;          /* of base and records: another one when they change */
    bool bogus;             /* DNSSEC disproved what it asked for */
};

/* ---- what came of it, for reports to the domain (RFC 8460) ---- */

enum policy_kind { POLICY_KIND_NONE, POLICY_KIND_STS, POLICY_KIND_TLSA };
enum policy_result { /* section 4.3, in the order of policy_result_word() */
                     POLICY_SUCCESS,
                     POLICY_NO_STARTTLS,
                     POLICY_WRONG_HOST,
                     POLICY_EXPIRED,
                     POLICY_NOT_TRUSTED,
                     POLICY_FAILURE,
                     POLICY_TLSA_INVALID,
                     POLICY_DNSSEC_INVALID,
                     POLICY_STS_FETCH,
                     POLICY_STS_INVALID,
                     POLICY_STS_WEBPKI,
                     POLICY_RESULTS
};
const char *policy_result_word(enum policy_result r); /* "certificate-expired"; "" for success */
const char *policy_kind_word(enum policy_kind k);     /* "sts" "tlsa" "no-policy-found" */
struct sts_found;
struct policy_session {
    struct slice domain; /* in A-labels */
    enum policy_kind kind;
    const struct policy *policy; /* of the host, with its TLSA records */
    const struct sts_found *sts; /* of the domain */
    struct slice host;           /* of MX */
    struct ip ip, source;        /* theirs and ours; family 0: not known */
    enum policy_result result;
    struct slice reason; /* in words */
};
/* Does not suspend; from any loop. */
typedef void policy_note(void *ctx, const struct policy_session *s);

/* ---- dane.c ---- */

struct dane_host {
    struct slice name, canon; /* as MX says, and at the end of its aliases */
    bool secure;              /* DNSSEC proves its addresses */
    uint16_t port;
    struct slice next_hop, next_hop_canon; /* the domain that is written to; empty canon: the same */
};
/* Only for a host whose name DNSSEC proves (a secure MX set, or the domain itself). Any answer that does not
 * come shuts the host (RFC 7672 section 2.1.2). ERR_CANCELED alone. SUSPENDS. */
MUST_CHECK int dane_find(struct dns *dns, struct arena *a, const struct dane_host *host, struct policy *out);

/* ---- sts.c: policies of other domains, kept on the disk (RFC 8461) ---- */

struct sts;
struct sts_conf { /* borrowed */
    struct kv *kv;
    struct dns *dns; /* for refreshing */
    const struct fetch *fetch;
};
enum {
    STS_FETCH_S = 60,      /* a policy is waited for so long at most (RFC 8461 section 3.3) */
    STS_AGAIN_S = 300,     /* after one that could not be fetched */
    STS_REFRESH_S = 86400, /* a policy is fetched again when it is older, or half of its max_age is over */
    STS_UNUSED_DAYS = 30,  /* and forgotten when nobody wrote to the domain for so long */
};
void sts_open(struct sts **out, const struct sts_conf *conf);
void sts_close(struct sts **s); /* nobody asks any more */

/* What went wrong on the way to a policy, as TLS reports name it (RFC 8460 section 4.3.2.2). */
enum sts_trouble { STS_FINE, STS_FETCH_ERROR, STS_INVALID, STS_WEBPKI };
struct sts_found {
    bool known; /* there is a policy that holds: */
    struct mta_sts_policy policy;
    struct slice id;
    int64_t fetched, expires; /* unix seconds */
    enum sts_trouble trouble; /* also with an older policy that still holds */
    struct slice why;         /* of the trouble, a phrase */
};
/* domain: the very domain that is written to, in A-labels and lower case. dns: on whose behalf. In the arena.
 * ERR_CANCELED, ERR_TIMEOUT (the caller's deadline), and errors of the index. SUSPENDS: until the policy has
 * been fetched, where a new one is announced. */
MUST_CHECK int sts_find(struct sts *s, struct dns *dns, struct arena *a, struct slice domain,
                        struct sts_found *out);
/* Fetches anew what is old and in use, forgets what is over or unused. SUSPENDS. */
MUST_CHECK int sts_refresh(struct sts *s);
/* The policy that a domain serves now. *trouble: why it counts for nothing, with the phrase. ERR_CANCELED
 * and ERR_TIMEOUT (the caller's deadline) alone. SUSPENDS. */
MUST_CHECK int sts_fetch(const struct fetch *f, struct arena *a, struct slice domain,
                         struct mta_sts_policy *out, enum sts_trouble *trouble, struct slice *why);
/* The id that the TXT records announce, empty when there is none or not exactly one (section 3.1). */
struct slice sts_announced(const struct dns_answer *txt);
