/* unreadable_test.h - for tests: an index of which one range cannot be read, as with a damaged table file,
 * and that counts how often single rows are asked for. */
#pragma once
#include <stdio.h>

#include "kv_i.h"

static struct unreadable {
    const struct kv_engine *whole;
    struct kv_engine engine;
    struct slice start; /* how the keys begin, within every object; or empty, and rows one after another: */
    char row[400], last[400];
    size_t nrow, nlast, skip, rows;
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
    x->hit = sl_cmp(key, sl(unreadable.row, unreadable.nrow)) >= 0 &&
             sl_cmp(key, sl(unreadable.last, unreadable.nlast)) <= 0;
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
    if (unreadable.skip > 0) return unreadable.skip--, 0;
    if (!unreadable.nrow) memcpy(unreadable.row, key.p, unreadable.nrow = key.n);
    memcpy(unreadable.last, key.p, unreadable.nlast = key.n);
    return --unreadable.rows == 0;
}

/* Whoever reads over so many rows of the object's, from the one with the number n from `from` on; false:
 * there is none. */
static inline bool unreadable_begin_rows(struct kv *kv, const char *object, char from, size_t n, size_t rows)
{
    char least[100], last[100];
    int nleast = snprintf(least, sizeof least, "%s%c%c", object, 0, from);
    int nlast = snprintf(last, sizeof last, "%s%c%c", object, 0, from + 1);
    unreadable = (struct unreadable){.whole = kv->engine, .engine = *kv->engine, .skip = n, .rows = rows};
    unreadable.engine.scan = unreadable_scan_row;
    (void)!unreadable.whole->scan(kv, KV_READ_DISK, sl(least, (size_t)nleast), sl(last, (size_t)nlast),
                                  unreadable_pick, NULL);
    kv->engine = &unreadable.engine;
    return unreadable.nrow > 0;
}

static inline bool unreadable_begin_row(struct kv *kv, const char *object, char from, size_t n)
{
    return unreadable_begin_rows(kv, object, from, n, 1);
}

static inline void unreadable_end(struct kv *kv) { kv->engine = unreadable.whole; }
