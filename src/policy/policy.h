/* policy.h - what another server must show of itself before a letter goes to it: what DNSSEC proves about its
 * keys (DANE, RFC 7672), else what its domain promises over HTTPS (MTA-STS, RFC 8461), else whatever works.
 */
#pragma once
#include "dns/dns.h"
#include "rt/tls.h"

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
    size_t ntlsa;
};

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
