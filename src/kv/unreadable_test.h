/* unreadable_test.h - for tests: an index of which one range cannot be read, as with a damaged table file,
 * and that counts how often single rows are asked for. */
#pragma once
#include <stdio.h>

#include "kv_i.h"

static struct unreadable {
    const struct kv_engine *whole;
    struct kv_engine engine;
    struct slice start; /* how the keys begin, within every object; or empty, and one row: */
    char row[400];
    size_t nrow, skip;
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
    unreadable = (struct unreadable){.whole = kv->engine, .engine = *kv->engine, .start = start};
    unreadable.engine.get = unreadable_get;
    unreadable.engine.scan = unreadable_scan;
    kv->engine = &unreadable.engine;
}

struct unreadable_look {
    kv_visit *visit;
    void *arg;
    bool hit;
};

static inline int unreadable_look(void *arg, struct slice key, struct slice value)
{
    struct unreadable_look *x = arg;
    x->hit = sl_eq(key, sl(unreadable.row, unreadable.nrow));
    return x->hit ? -1 : x->visit(x->arg, key, value);
}

static inline int unreadable_scan_row(struct kv *kv, enum kv_read how, struct slice from, struct slice to,
                                      kv_visit *visit, void *arg)
{
    struct unreadable_look x = {visit, arg, false};
    int e = unreadable.whole->scan(kv, how, from, to, unreadable_look, &x);
    return x.hit ? err_set(ERR_CORRUPT, "a block is damaged") : e;
}

static inline int unreadable_pick(void *arg, struct slice key, struct slice value)
{
    (void)arg;
    (void)value;
    if (unreadable.skip-- > 0) return 0;
    memcpy(unreadable.row, key.p, key.n);
    unreadable.nrow = key.n;
    return 1;
}

/* Whoever reads over the row with the number n of the object's from `from` on; false: there is none. */
static inline bool unreadable_begin_row(struct kv *kv, const char *object, char from, size_t n)
{
    char least[100], last[100];
    int nleast = snprintf(least, sizeof least, "%s%c%c", object, 0, from);
    int nlast = snprintf(last, sizeof last, "%s%c%c", object, 0, from + 1);
    unreadable = (struct unreadable){.whole = kv->engine, .engine = *kv->engine, .skip = n};
    unreadable.engine.scan = unreadable_scan_row;
    (void)!unreadable.whole->scan(kv, KV_READ_DISK, sl(least, (size_t)nleast), sl(last, (size_t)nlast),
                                  unreadable_pick, NULL);
    kv->engine = &unreadable.engine;
    return unreadable.nrow > 0;
}

static inline void unreadable_end(struct kv *kv) { kv->engine = unreadable.whole; }
