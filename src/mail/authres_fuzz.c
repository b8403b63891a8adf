/* authres_fuzz.c - any bytes as an Authentication-Results payload; what was read is written, and
 * what was written is read again as the same. */
#include "authres.h"
#include "base/fuzz.h"

FUZZ
{
    struct arena a = {0};
    struct authres r, again;
    struct slice ours = SL("us.example");
    authres_is_forged(SL("Authentication-Results"), input, &ours, 1);
    if (authres_parse(&a, input, &r) == 0 && r.authserv_id.n) {
        struct slice field = authres_field(&a, &r);
        for (size_t i = 0; i + 1 < field.n; i++)
            if (field.p[i] == '\n') ASSERT(field.p[i + 1] == '\t');
        ASSERT(authres_parse(&a, sl_from(field, 23), &again) == 0);
        ASSERT(again.n == r.n);
        for (size_t i = 0; i < r.n; i++) ASSERT(sl_eq(again.info[i].result, r.info[i].result));
    }
    ar_free(&a);
}
