/* mta_sts.h - the policy of a mail domain about TLS towards its servers (RFC 8461 section 3.2). Pure. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum { MTA_STS_MX_MAX = 100, MTA_STS_TEXT_MAX = 64 << 10, MTA_STS_AGE_MAX = 31557600 };
enum mta_sts_mode { MTA_STS_NONE, MTA_STS_TESTING, MTA_STS_ENFORCE };
const char *mta_sts_mode_name(enum mta_sts_mode m); /* "none" "testing" "enforce" */

struct mta_sts_policy {
    enum mta_sts_mode mode;
    uint32_t max_age;                /* seconds */
    struct slice mx[MTA_STS_MX_MAX]; /* patterns in lower case: "mail.one.test", "*.one.test" */
    size_t nmx;
};
/* Of fields that stand twice the first counts, mx apart; unknown ones are passed over. ERR_SYNTAX with what
 * is wrong, ERR_LIMIT. Slices point into the arena. */
MUST_CHECK int mta_sts_parse(struct arena *a, struct slice text, struct mta_sts_policy *out);
/* Does a pattern of the policy allow this host (section 4.1)? "*." stands for exactly one label. */
bool mta_sts_allows(const struct mta_sts_policy *p, struct slice host);

/* The id= of a record "v=STSv1; id=...;" (section 3.1): 1 to 32 letters and digits. Empty: it is no such
 * record. */
struct slice mta_sts_id(struct slice txt);
