/* mta_sts_fuzz.c - any bytes as an MTA-STS policy, and as the record that announces it. */
#include "base/fuzz.h"
#include "mta_sts.h"

FUZZ
{
    struct arena a = {0};
    struct mta_sts_policy p;
    ASSERT(mta_sts_id(input).n <= 32);
    if (mta_sts_parse(&a, input, &p) == 0) {
        ASSERT(p.nmx <= MTA_STS_MX_MAX && p.max_age <= MTA_STS_AGE_MAX && p.mode <= MTA_STS_ENFORCE);
        for (size_t i = 0; i < p.nmx; i++)
            ASSERT(sl_starts(p.mx[i], SL("*.")) || mta_sts_allows(&p, p.mx[i])); /* a name allows itself */
    }
    ar_free(&a);
}
