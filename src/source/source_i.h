/* source_i.h - what the files of the sources share: a plan that is being made, rows. */
#pragma once
#include "base/map.h"
#include "rt/rt.h"
#include "source.h"

#define SOURCE_OBJECT SL("_source")

struct sources {
    struct kv *kv;
    struct lock lock; /* over plan, curves and places */
    struct source_plan *plan;
    struct map curves, places; /* warm.c's own */
    struct map troubles;       /* trouble.c's own */
    uint64_t asked, read;      /* which reading the plan is of: a later one that was quicker stands */
    struct source_watch {
        void (*changed)(void *ctx), (*room)(void *ctx);
        void *ctx;
    } watch; /* under the lock */
};

/* ---- warm.c ---- */

/* Into s; NULL: only judges. SUSPENDS. */
MUST_CHECK int warm_read(struct kv *kv, struct sources *s, void (*bad)(void *arg, const char *what),
                         void *arg);
void warm_forget(struct sources *s, struct slice source);
void warm_tx_erase(struct kv_tx *tx, struct arena *a, struct slice source);
void warm_close(struct sources *s);

void trouble_close(struct sources *s);

/* ---- plan.c ---- */

/* Of a source that the plan need not have. */
struct source_login {
    struct slice name, user, password;
};

/* Of what was read into its source, pool and use: the ways and names. */
struct source_plan *source_plan_new(void);
void source_plan_finish(struct source_plan *p);
/* Tells who watches. */
static inline void sources_changed(struct sources *s)
{
    lock_take(&s->lock);
    struct source_watch tell = s->watch;
    lock_release(&s->lock);
    if (tell.changed) tell.changed(tell.ctx);
}
