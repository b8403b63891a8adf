/* limits_fuzz.c - shaping data from hostile bytes. */
#include "limits.h"

#include "base/fuzz.h"

FUZZ
{
    struct shaping *s;
    struct shape_limits l;
    struct buf out = BUF_INIT;
    if (shaping_read(&s, input) != 0) return;
    shaping_check(s, &out);
    shaping_limits(s, sl_sub(input, 0, 30), &l);
    for (int i = 0; i < SHAPE_NLIMITS; i++) ASSERT(l.v[i].n && l.v[i].source.n);
    buf_free(&out);
    shaping_close(&s);
}
