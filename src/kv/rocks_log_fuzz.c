/* rocks_log_fuzz.c - bytes as a log of RocksDB, in blocks of any length; the first byte says which kind. */
#include "base/fuzz.h"
#include "rocks_log.h"

FUZZ
{
    if (!input.n) return;
    struct rocks_log w = {.kind = input.p[0] & 1 ? ROCKS_MANIFEST : ROCKS_WAL, .number = 9};
    size_t step = 1 + (unsigned char)input.p[0] * 130u;
    struct slice rest = sl_from(input, 1);
    while (rest.n) {
        size_t n = rest.n < step ? rest.n : step;
        rocks_log_block(&w, sl_sub(rest, 0, n));
        rest = sl_from(rest, n);
    }
    ASSERT(w.size == input.n - 1 && w.whole <= w.size);
    ASSERT(!w.broken || (w.broken_at >= w.whole && w.broken_at < w.size));
    ASSERT(!w.damaged || (w.broken && w.again_at >= w.broken_at));
    ASSERT(w.damaged || !w.lost_groups);
}
