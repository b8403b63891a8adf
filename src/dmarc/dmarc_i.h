/* dmarc_i.h - what the parts of DMARC share. */
#pragma once
#include "dmarc.h"

size_t dmarc_labels(struct slice name);       /* "a.example.com": 3; "": 0 */
struct slice dmarc_parent(struct slice name); /* "example.com"; empty above a single label */
/* Sets *record when exactly one DMARC record stands at _dmarc.<domain>, else NULL. SUSPENDS.
 * 0 (look at ans->status too) or ERR_CANCELED. */
MUST_CHECK int dmarc_fetch(struct dns *d, struct arena *a, struct slice domain, struct dmarc_record **record,
                           struct dns_answer *ans);
/* The walk in two parts: one step (the first one for the domain itself), and all that follow,
 * with the organisational domain. SUSPENDS. 0 or ERR_CANCELED. */
MUST_CHECK int dmarc_walk_step(struct dns *d, struct arena *a, struct slice domain, struct dmarc_walk *w);
MUST_CHECK int dmarc_walk_rest(struct dns *d, struct arena *a, struct dmarc_walk *w);
