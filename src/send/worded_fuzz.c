/* worded_fuzz.c - any text is a report in words whose addresses and codes are such, or none. */
#include "base/fuzz.h"
#include "worded.h"

FUZZ
{
    struct arena a = {0};
    struct slice list;
    struct worded w;
    if (worded_begin(input, &list)) {
        ASSERT(list.n <= input.n);
        for (size_t before = list.n; worded_next(&a, &list, &w); before = list.n) {
            ASSERT(list.n < before && w.address.n > 2 && sl_chr(w.address, '@') != SL_NONE);
            ASSERT(w.code >= 400 && w.code < 600 && w.enhanced.n <= 9);
            ASSERT(sl_chr(w.why, '\n') == SL_NONE);
        }
    }
    ar_free(&a);
}
