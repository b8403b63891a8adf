/* proxy_fuzz.c - no bytes in front of a connection do harm, and no more is read than the header. */
#include "base/fuzz.h"
#include "proxy.h"

FUZZ
{
    struct proxy_head h;
    size_t need = PROXY_FIRST;
    int r = 1;
    while (r == 1 && need <= input.n) {
        size_t had = need;
        r = proxy_parse(sl_sub(input, 0, need), &need, &h);
        ASSERT(r != 1 || (need > had && need <= PROXY_V2_HEAD + PROXY_V2_MAX));
        ASSERT(r || h.local || h.from.ip.family == 4 || h.from.ip.family == 6);
    }
}
