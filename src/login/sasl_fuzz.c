/* sasl_fuzz.c - the messages of a login from hostile bytes. */
#include "sasl.h"

#include "base/fuzz.h"

FUZZ
{
    struct sasl_plain p;
    struct slice s;
    struct arena a;
    ar_init(&a, 0);
    if (sasl_plain_parse(input, &p) == 0)
        ASSERT(p.authcid.n && p.password.n && p.password.n <= SASL_FIELD_MAX);
    (void)!sasl_line_decode(&a, input, &s);
    ar_free(&a);
}
