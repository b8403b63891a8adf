/* own_policy.h - what this node promises to other servers about a domain of its own (RFC 8461): one text,
 * which the HTTP server serves and whose id `dns records` prints. */
#pragma once
#include "config.h"
#include "directory/directory.h"

/* The policy's text, in the arena: the host is the only MX, the mode is the domain's. */
struct slice own_mta_sts(const struct config *conf, struct arena *a, const struct domain *d);
/* The id of its record: another one for each other text. */
struct slice own_mta_sts_id(const struct config *conf, struct arena *a, const struct domain *d);
