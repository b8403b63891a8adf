/* remark_i.h - annotations of a message as they lie: field N of its row, a record with a field a for each, in
 * which n is the entry, w the user whose own it is (left out: it is shared), m the modseq of its last change
 * and v its value (left out: it went, and is remembered for sessions that are to hear of that). Nothing here
 * suspends. */
#pragma once
#include "mailbox_i.h"
#include "remark.h"

/* One as it lies there. */
struct lying {
    struct remark r;
    struct slice who; /* empty: it is shared */
};
enum { LYING_MAX = 512, LYING_BESIDES = 40 }; /* more do not fit into a row; bytes of one beside its texts */

/* The same entry of the same holder. */
static inline bool remark_same(const struct lying *x, const struct lying *y)
{
    return sl_eq(x->who, y->who) && sl_eq(x->r.entry, y->r.entry);
}
/* v has room for LYING_MAX. */
MUST_CHECK int remarks_take(struct slice field, struct lying *v, size_t *n);
struct slice remarks_row(struct buf *out, const struct lying *v, size_t n); /* empty where there are none */
/* After a change by the user. ERR_LIMIT. */
MUST_CHECK int remarks_fit(const struct lying *v, size_t n, struct slice owner, struct slice user);
MUST_CHECK int remark_fits(const struct remark *r); /* ERR_TOO_LONG */
