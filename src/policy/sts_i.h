/* sts_i.h - what sts.c and sts_rows.c share: the rows of object _sts (docs/format.md). */
#pragma once
#include "base/map.h"
#include "policy.h"

#define STS_OBJECT SL("_sts")

struct sts_loop {
    struct map flights; /* domain -> struct flight, of this loop */
    struct map none;    /* domains of which no policy is kept, as long as none was written since `seen` */
    uint64_t seen;
};
struct sts {
    struct sts_conf conf;
    int loops;
    struct sts_loop *loop;
    uint64_t written; /* policies; atomic */
};

struct sts_failure {
    struct slice id; /* that was announced */
    int64_t when;
    enum sts_trouble trouble;
    struct slice why;
};
/* ERR_NOT_FOUND; a damaged row counts as none, with a line in the log. SUSPEND. */
MUST_CHECK int sts_row_policy(struct sts *s, struct arena *a, struct slice domain, struct sts_found *out);
MUST_CHECK int sts_row_failure(struct sts *s, struct arena *a, struct slice domain, struct sts_failure *out);
/* used: somebody writes to the domain now. */
MUST_CHECK int sts_row_keep(struct sts *s, struct slice domain, const struct sts_found *p, bool used);
MUST_CHECK int sts_row_fail(struct sts *s, struct slice domain, const struct sts_failure *f);
/* The domain was written to today. SUSPENDS. */
void sts_row_used(struct sts *s, struct arena *a, struct slice domain);
/* Forgets all of the domain unless its policy was fetched anew since. SUSPENDS. */
MUST_CHECK int sts_row_forget(struct sts *s, struct slice domain, int64_t fetched);
/* A row that cannot be read is deleted, with a line in the log: the next letter has it fetched anew.
 * SUSPENDS.
 */
MUST_CHECK int sts_row_clear(struct sts *s, const struct kv_row *row);
/* Days since it was last written to; a large number when nobody knows. SUSPENDS. */
MUST_CHECK int sts_row_unused(struct sts *s, struct arena *a, struct slice domain, int64_t *days);
/* The name in a row of either kind; empty: it cannot be read. */
struct slice sts_row_domain(struct slice value);
MUST_CHECK int sts_policy_read(struct arena *a, struct slice value, struct sts_found *out);
MUST_CHECK int sts_failure_read(struct slice value, struct sts_failure *out);
/* Does it hold at this time? */
bool sts_holds(const struct sts_found *p, int64_t now);
