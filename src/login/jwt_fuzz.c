/* jwt_fuzz.c - any bytes as a signed token, and behind the first line feed as the set of keys that may have
 * signed it. */
#include "base/fuzz.h"
#include "jwt.h"

FUZZ
{
    struct arena a = {0};
    json_t *claims = NULL;
    size_t line = sl_chr(input, '\n');
    struct slice token = sl_sub(input, 0, line), keys = line < input.n ? sl_from(input, line + 1) : SL("");
    if (jwt_verify(&a, token, keys, &claims) == 0) ASSERT(json_is_object(claims));
    json_decref(claims);
    ar_free(&a);
}
