/* certificate.h - which certificate a node serves: the authority's, when it has one (setting acme), else the
 * files that tram.conf names. */
#pragma once
#include "core.h"

struct acme_names;

/* PEM, in the arena. SUSPENDS, BLOCKS. */
MUST_CHECK int core_certificate(struct core *core, struct arena *a, struct slice *chain, struct slice *key);
/* The files' alone. For acme_on_first(). BLOCKS. */
MUST_CHECK int core_certificate_of_files(void *core, struct arena *a, struct slice *chain, struct slice *key);
/* What is known of the web names of our domains. */
void web_names_open(struct web_names **out);
void web_names_close(struct web_names **w);
/* Names are asked for in the order in which they were last. */
enum {
    CERTIFICATE_DOMAINS = 5000,   /* are looked at, in the order of their names, */
    CERTIFICATE_ASKED = 32,       /* so many names at the same time, */
    CERTIFICATE_ASKING_S = 60,    /* for so long */
    CERTIFICATE_SILENT_S = 600,   /* one that is silent is left alone for this, */
    CERTIFICATE_BEHIND_S = 21600, /* and then as if it had been asked for so much later */
    CERTIFICATE_HOSTS_EACH = 100  /* hosts of an account */
};
/* The names to have certified together: the host's, and of the web names of each domain (mta-sts.,
 * autoconfig., autodiscover.) those that the DNS shows to lead to an address of ours, at most ACME_NAMES_MAX;
 * one of which it is silent keeps its place among them while the present certificate is for it. For
 * acme_conf. SUSPENDS. */
MUST_CHECK int core_certificate_names(void *core, struct arena *a, struct acme_names *out);
/* Those that get certificates of their own: hosts of customers' links (directory/sending_domain.h) that lead
 * here, those first that have one, and the web names above that are more than fit into one certificate. What
 * is more than ACME_OTHERS_MAX is logged. For acme_conf. SUSPENDS. */
MUST_CHECK int core_certificate_others(void *core, struct arena *a, struct slice **out, size_t *n);
/* Is one served for that host, the node's or its own? SUSPENDS. */
MUST_CHECK int core_certificate_for(struct core *core, struct arena *a, struct slice host, bool *yes);

enum core_leads { LEADS_ELSEWHERE, LEADS_HERE, LEADS_UNKNOWN /* the DNS is silent */ };
/* Are all addresses of the name ours? 0 or ERR_CANCELED. SUSPENDS. */
MUST_CHECK int core_leads_here(struct core *core, struct arena *a, struct slice name, enum core_leads *out);
