/* dns_check.h - does the world's DNS say what this node needs it to say? */
#pragma once
#include "core/core.h"

enum dns_finding {
    FINDING_RIGHT,
    FINDING_WRONG,
    FINDING_MISSING,
    FINDING_DANGEROUS,
    FINDING_UNKNOWN,
    FINDING_ABSENT_OPTIONAL
};
const char *dns_finding_name(enum dns_finding f); /* "right" "wrong" ... */

struct dns_checked {
    struct slice what, name; /* "SPF", the name that was asked */
    enum dns_finding finding;
    struct slice sentence; /* what is so, and what follows */
    struct slice publish;  /* the line that would be right; empty when there is nothing to publish */
};
/* Asks the DNS about everything that `dns records` prints, and about dangers, all at the same time. A
 * resolver that answers nothing is the only finding then. dns: core_fresh_dns(), where what was asked before
 * must not count. In the arena. SUSPENDS at most half a minute. */
MUST_CHECK int dns_check_domain(struct core *core, struct dns *dns, struct arena *a, struct slice domain,
                                struct slice certificate, struct dns_checked **out, size_t *count);
/* Is that the only finding? Then no letter can leave, whatever the domain, and nothing else need be asked. */
bool dns_check_dead(const struct dns_checked *v, size_t n);
