/* socks5_fuzz.c - no reply of a SOCKS5 server does harm, and no more is read than it. */
#include "base/fuzz.h"
#include "socks5.h"

FUZZ
{
    struct socks5_reply r;
    size_t need = SOCKS5_REPLY_FIRST, had;
    int e = 1;
    while (e == 1 && need <= input.n) {
        had = need;
        e = socks5_reply_parse(sl_sub(input, 0, need), &need, &r);
        ASSERT(e != 1 || (need > had && need <= SOCKS5_REPLY_MAX));
        ASSERT(e || !r.from.family || r.from.family == 4 || r.from.family == 6);
    }
}
