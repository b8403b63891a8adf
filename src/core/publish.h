/* publish.h - changes of the DNS by ourselves (RFC 2136). */
#pragma once
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
