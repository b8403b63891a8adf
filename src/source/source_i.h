/* source_i.h - what the files of the sources share: a plan that is being made, rows. */
#pragma once
#include "base/map.h"
#include "rt/rt.h"
#include "source.h"

#define SOURCE_OBJECT SL("_source")

struct sources {
    struct kv *kv;
    struct lock lock; /* over plan */
    struct source_plan *plan;
    uint64_t asked, read; /* which reading the plan is of: a later one that was quicker stands */
    void (*changed)(void *ctx);
    void *ctx;
};

bool source_name_ok(struct slice name); /* a-z, 0-9, -, . and _, at most SOURCE_NAME_MAX */

/* ---- plan.c ---- */

/* Of what was read into its source, pool and use: the ways and names. */
struct source_plan *source_plan_new(void);
void source_plan_finish(struct source_plan *p);
struct source_pool *source_pool_get(struct source_plan *p, struct slice name); /* or NULL */

/* ---- source_rows.c ---- */

/* All rows of the object as a plan. bad (or NULL) is told of each that cannot be read. SUSPENDS. */
MUST_CHECK int source_rows_read(struct kv *kv, struct source_plan **out,
                                void (*bad)(void *arg, const char *what), void *arg);
