/* certificate.h - which certificate a node serves: the authority's, when it has one (setting acme), else the
 * files that tram.conf names. */
#pragma once
#include "core.h"

/* PEM, in the arena. SUSPENDS, BLOCKS. */
MUST_CHECK int core_certificate(struct core *core, struct arena *a, struct slice *chain, struct slice *key);
/* The files' alone. For acme_on_first(). BLOCKS. */
MUST_CHECK int core_certificate_of_files(void *core, struct arena *a, struct slice *chain, struct slice *key);
/* The names to have certified: the host's, and of the web names of each domain (mta-sts., autoconfig.,
 * autodiscover.) those that the DNS shows to lead to an address of ours, at most ACME_NAMES_MAX. For
 * acme_conf. SUSPENDS. */
MUST_CHECK int core_certificate_names(void *core, struct arena *a, struct acme_names *out);
enum { CERTIFICATE_HOSTS_EACH = 100 }; /* of an account */
/* Hosts of customers' links (directory/sending_domain.h) that lead here: each gets a certificate of its own.
 * Those first that have one; what is more than fits is logged. For acme_conf. SUSPENDS. */
MUST_CHECK int core_certificate_others(void *core, struct arena *a, struct slice **out, size_t *n);
/* Is one served for that host, the node's or its own? SUSPENDS. */
MUST_CHECK int core_certificate_for(struct core *core, struct arena *a, struct slice host, bool *yes);

enum core_leads { LEADS_ELSEWHERE, LEADS_HERE, LEADS_UNKNOWN /* the DNS is silent */ };
/* Are all addresses of the name ours? 0 or ERR_CANCELED. SUSPENDS. */
MUST_CHECK int core_leads_here(struct core *core, struct arena *a, struct slice name, enum core_leads *out);
