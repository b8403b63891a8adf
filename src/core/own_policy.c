/* own_policy.c - the MTA-STS policies of our domains. */
#include "own_policy.h"

#include "base/text.h"
#include "wire/mta_sts.h"

/* How long others keep a policy: not long while it is tried out, or on its way out (RFC 8461 section 2.6). */
static unsigned max_age(enum mta_sts_mode m) { return m == MTA_STS_ENFORCE ? 14 * 86400 : 86400; }

struct slice own_mta_sts(const struct config *conf, struct arena *a, const struct domain *d)
{
    enum mta_sts_mode mode = d->sts == DOMAIN_STS_ENFORCE ? MTA_STS_ENFORCE
                             : d->sts == DOMAIN_STS_NONE  ? MTA_STS_NONE
                                                          : MTA_STS_TESTING;
    return ar_printf(a, "version: STSv1\r\nmode: %s\r\nmx: %.*s\r\nmax_age: %u\r\n", mta_sts_mode_name(mode),
                     SLF(conf->hostname), max_age(mode));
}

struct slice own_mta_sts_id(const struct config *conf, struct arena *a, const struct domain *d)
{
    return ar_printf(a, "%016llx", (unsigned long long)hash_stable(own_mta_sts(conf, a, d), false));
}
