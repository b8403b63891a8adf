/* pack_fuzz.c - bytes as a pack's page, as records, and as references. */
#include "base/fuzz.h"
#include "pack.h"

FUZZ
{
    struct pack_head h = {.number = 1, .salt = 2};
    struct record r;
    struct body_ref ref, again;
    struct place p;
    if (body_ref_parse(input, &ref) == 0) {
        ASSERT(place_get(&ref, &p) == 0);
        place_put(&p, &again);
        ASSERT(sl_eq(body_ref_slice(&ref), body_ref_slice(&again)));
    }
    struct pack_head got;
    if (pack_head_get(&got, (const uint8_t *)input.p, input.n) == 0) h = got;
    for (size_t at = 0; record_search(&h, PACK_PAGE, (const uint8_t *)input.p, input.n, &at, &r); at += 8)
        ASSERT(r.offset == PACK_PAGE + at);
}
