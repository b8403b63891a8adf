/* unreadable_test.h - for tests: an index of which one range cannot be read, as with a damaged table file,
 * and that counts how often single rows are asked for. */
#pragma once
#include "kv_i.h"

static struct unreadable {
    const struct kv_engine *whole;
    struct kv_engine engine;
    struct slice start; /* how the keys begin, within every object */
    unsigned asked;
} unreadable;

static inline int unreadable_get(struct kv *kv, enum kv_read how, struct slice full, struct arena *a,
                                 struct slice *value)
{
    unreadable.asked++;
    return unreadable.whole->get(kv, how, full, a, value);
}

static inline int unreadable_scan(struct kv *kv, enum kv_read how, struct slice from, struct slice to,
                                  kv_visit *visit, void *arg)
{
    if (sl_ends(from, unreadable.start)) return err_set(ERR_CORRUPT, "a block is damaged");
    return unreadable.whole->scan(kv, how, from, to, visit, arg);
}

/* Until unreadable_end(). */
static inline void unreadable_begin(struct kv *kv, struct slice start)
{
    unreadable = (struct unreadable){kv->engine, *kv->engine, start, 0};
    unreadable.engine.get = unreadable_get;
    unreadable.engine.scan = unreadable_scan;
    kv->engine = &unreadable.engine;
}

static inline void unreadable_end(struct kv *kv) { kv->engine = unreadable.whole; }
