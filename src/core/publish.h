/* publish.h - changes of the DNS by ourselves (RFC 2136). */
#pragma once
#include "acme/acme.h"
#include "config.h"
#include "dns/update.h"

struct core_primary {
    struct endpoint at;
    struct dns_key key; /* its name is empty: no server takes changes */
};
/* As tram.conf says. In the arena. BLOCKS. */
MUST_CHECK int core_primary_read(const struct config *conf, struct arena *a, struct core_primary *out);
/* For acme_conf.publish; ctx: struct core. SUSPENDS. */
MUST_CHECK int core_publish_proof(void *ctx, struct arena *a, struct slice name, struct slice text,
                                  bool there);
/* For acme_conf.keys: by updates where a server takes them, and else only looked at. ctx: struct core.
 * SUSPENDS. */
MUST_CHECK int core_publish_keys(void *ctx, struct arena *a, const struct acme_keys *k,
                                 struct acme_shown *was);
/* Where the TLSA records of a node stand. */
struct slice core_keys_name(const struct config *conf, struct arena *a);
