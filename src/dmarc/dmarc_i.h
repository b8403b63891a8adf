/* dmarc_i.h - what the parts of DMARC share. */
#pragma once
#include "dmarc.h"

struct slice dmarc_parent(struct slice name); /* "example.com"; empty above a single label */
/* The walk in two parts: one step (the first one for the domain itself), and all that follow,
 * with the organisational domain. SUSPENDS. 0 or ERR_CANCELED. */
MUST_CHECK int dmarc_walk_step(struct dns *d, struct arena *a, struct slice domain, struct dmarc_walk *w);
MUST_CHECK int dmarc_walk_rest(struct dns *d, struct arena *a, struct dmarc_walk *w);
