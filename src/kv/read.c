/* read.c - reading committed state: one value, pages of rows, names of objects.
 * What is in memory is read on the loop; the rest on an offload thread. */
#include <stdio.h>

#include "base/log.h"
#include "kv_i.h"

enum { STOP = 1 };

/* A read is tried from memory on the loop, then from disk on another thread. */
struct read {
    struct kv *kv;
    int (*fn)(struct read *r, enum kv_read how);
    struct arena *a;
    struct kv_range range;
    struct slice value;
    struct kv_page page;
    size_t limit, skip, cap, bytes;
    struct slice *name;
    char why[ERR_TEXT_MAX];
};

/* Nobody holds the gate while waiting for a thread: threads may wait for the gate. */
static int through_gate(struct read *r, enum kv_read how)
{
    int e = kv_gate_enter(r->kv);
    if (e) return e;
    e = r->fn(r, how);
    kv_gate_leave(r->kv);
    return e;
}

static int on_thread(struct read *r, enum kv_read how)
{
    int e = through_gate(r, how);
    if (e < 0) snprintf(r->why, sizeof r->why, "%s", err_text(e));
    return e;
}
static int read_on_thread(void *arg) { return on_thread(arg, KV_READ_DISK); }
static int on_on_thread(void *arg) { return on_thread(arg, KV_READ_ON); }
static int walk_on_thread(void *arg) { return on_thread(arg, KV_READ_WALK); }

static int told(const struct read *r, int e) { return e < 0 && r->why[0] ? err_set(e, "%s", r->why) : e; }

/* A walk goes to the other thread at once: it is nobody's answer. */
static int walk_run(struct read *r) { return told(r, offload_on(POOL_CARE, walk_on_thread, r)); }

static int run_with(struct read *r, int (*thread)(void *))
{
    int e = through_gate(r, fiber_current() ? KV_READ_CACHED : KV_READ_DISK);
    if (e == KV_WOULD_BLOCK) return told(r, offload(thread, r));
    if (e >= 0 || e == ERR_NOT_FOUND) fiber_breathe(); /* who reads on and on has it in memory, most likely */
    return e;
}
static int read_run(struct read *r) { return run_with(r, read_on_thread); }
static int on_run(struct read *r) { return run_with(r, on_on_thread); }

static int read_get(struct read *r, enum kv_read how)
{
    return r->kv->engine->get(r->kv, how, r->range.from, r->a, &r->value);
}

int kv_get(struct kv *kv, struct slice object, struct slice key, struct arena *a, struct slice *value)
{
    struct read r = {.kv = kv, .fn = read_get, .a = a};
    *value = SL("");
    if (!kv_name_ok(object) || !kv_name_ok(key))
        return err_set(ERR_USAGE, "an object or a key is not allowed");
    r.range.from = kv_full(r.range.from_room, object, key);
    int e = read_run(&r);
    *value = r.value;
    return e;
}

struct many {
    struct read r;
    struct slice object;
    const struct slice *key;
    struct slice *value;
    size_t n;
};

static int read_many(struct read *r, enum kv_read how)
{
    struct many *m = CONTAINER_OF(r, struct many, r);
    char room[KV_FULL_MAX];
    int e = 0;
    for (size_t i = 0; e == 0 && i < m->n; i++) {
        m->value[i] = (struct slice){0};
        e = r->kv->engine->get(r->kv, how, kv_full(room, m->object, m->key[i]), r->a, &m->value[i]);
        if (e == ERR_NOT_FOUND) e = 0;
    }
    return e;
}

int kv_get_many(struct kv *kv, struct slice object, const struct slice *key, size_t n, struct arena *a,
                struct slice *value)
{
    struct many m = {{.kv = kv, .fn = read_many, .a = a}, object, key, value, n};
    bool good = kv_name_ok(object);
    for (size_t i = 0; good && i < n; i++) good = kv_name_ok(key[i]);
    if (!good) return err_set(ERR_USAGE, "an object or a key is not allowed");
    return read_run(&m.r);
}

static int page_row(void *arg, struct slice full, struct slice value)
{
    struct read *r = arg;
    if (r->page.n == r->limit || r->bytes > KV_PAGE_BYTES) {
        r->page.more = true;
        return STOP;
    }
    if (r->page.n == r->cap) r->page.row = ar_grow(r->a, r->page.row, &r->cap, sizeof *r->page.row);
    r->bytes += full.n + value.n;
    r->page.row[r->page.n++] = (struct kv_row){ar_dup(r->a, sl_from(full, r->skip)), ar_dup(r->a, value)};
    return 0;
}

static int read_page(struct read *r, enum kv_read how)
{
    r->page = (struct kv_page){.row = r->page.row};
    r->bytes = 0;
    int e = r->kv->engine->scan(r->kv, how, r->range.from, r->range.to, page_row, r);
    return e == STOP ? 0 : e;
}

/* Whoever walks looks here whether it is to end: rows that are in memory suspend nobody. */
static bool canceled(void) { return fiber_current() && fiber_canceled(); }

static int page_run(struct kv *kv, int (*run)(struct read *r), struct slice object, struct slice from,
                    struct slice to, size_t limit, struct arena *a, struct kv_page *page)
{
    struct read r = {.kv = kv,
                     .fn = read_page,
                     .a = a,
                     .limit = limit > KV_PAGE_MAX ? KV_PAGE_MAX : limit,
                     .skip = object.n + 1};
    *page = (struct kv_page){0};
    if (canceled()) return ERR_CANCELED;
    int e = kv_range_make(&r.range, object, from, to);
    if (e) return e;
    r.cap = r.limit < 16 ? r.limit : 16;
    r.page.row = ar_array(a, struct kv_row, r.cap);
    e = run(&r);
    *page = r.page;
    return e;
}

int kv_scan_some(struct kv *kv, struct slice object, struct slice from, struct slice to, size_t limit,
                 struct arena *a, struct kv_page *page)
{
    return page_run(kv, read_run, object, from, to, limit, a, page);
}

/* With an error there is no page. */
static int whole(int e, struct kv_page *page)
{
    if (e) *page = (struct kv_page){0};
    return e;
}

int kv_scan(struct kv *kv, struct slice object, struct slice from, struct slice to, size_t limit,
            struct arena *a, struct kv_page *page)
{
    return whole(page_run(kv, read_run, object, from, to, limit, a, page), page);
}

int kv_scan_on(struct kv *kv, struct slice object, struct slice from, struct slice to, size_t limit,
               struct arena *a, struct kv_page *page)
{
    return whole(page_run(kv, on_run, object, from, to, limit, a, page), page);
}

int kv_walk(struct kv *kv, struct slice object, struct slice from, struct slice to, size_t limit,
            struct arena *a, struct kv_page *page)
{
    return whole(page_run(kv, walk_run, object, from, to, limit, a, page), page);
}

static int first_row(void *arg, struct slice full, struct slice value)
{
    (void)value;
    struct read *r = arg;
    if (r->page.n == r->limit) {
        r->page.more = true;
        return STOP;
    }
    struct slice object = sl_sub(full, 0, sl_chr(full, 0));
    r->name[r->page.n++] = ar_dup(r->a, object);
    char *next = r->range.from_room;
    memcpy(next, object.p, object.n);
    next[object.n] = 1;
    r->range.from = sl(next, object.n + 1);
    return STOP;
}

/* One seek for each object: from just past the last one's keys. */
static int read_objects(struct read *r, enum kv_read how)
{
    int e = STOP;
    while (e == STOP && !r->page.more)
        e = r->kv->engine->scan(r->kv, how, r->range.from, r->range.to, first_row, r);
    return e == STOP ? 0 : e;
}

int kv_objects(struct kv *kv, struct slice from, struct slice to, size_t limit, struct arena *a,
               struct slice **names, size_t *n, bool *more)
{
    *names = NULL;
    *n = 0;
    *more = false;
    if (canceled()) return ERR_CANCELED;
    if (from.n > KV_KEY_MAX + 1 || to.n > KV_KEY_MAX + 1) return err_set(ERR_USAGE, "a bound is too long");
    struct read r = {
        .kv = kv, .fn = read_objects, .a = a, .limit = limit > KV_PAGE_MAX ? KV_PAGE_MAX : limit};
    memcpy(r.range.from_room, from.p, from.n);
    memcpy(r.range.to_room, to.n ? to.p : "\x7f", to.n ? to.n : 1);
    r.range.from = sl(r.range.from_room, from.n);
    r.range.to = sl(r.range.to_room, to.n ? to.n : 1);
    r.name = ar_array(a, struct slice, r.limit);
    int e = read_run(&r);
    *names = r.name;
    *n = e ? 0 : r.page.n;
    *more = r.page.more;
    return e;
}

int kv_each_object(struct kv *kv, struct slice from, struct slice to, kv_object_visit *visit, void *arg)
{
    char last[KV_KEY_MAX + 1];
    struct arena a;
    struct slice *name;
    size_t n;
    bool more = true;
    int e = 0;
    ar_init(&a, 0);
    while (e == 0 && more) {
        e = kv_objects(kv, from, to, KV_PAGE_MAX, &a, &name, &n, &more);
        for (size_t i = 0; e == 0 && i < n; i++) e = visit(arg, name[i]);
        if (e || !n) break;
        memcpy(last, name[n - 1].p, name[n - 1].n);
        last[name[n - 1].n] = ' ';
        from = sl(last, name[n - 1].n + 1);
        ar_reset(&a);
    }
    ar_free(&a);
    return e;
}

int kv_passed_over(struct slice object, const char *doing, int e)
{
    if (!err_is_damage(e)) return e;
    log_error("kv", "the object %.*s is damaged and was not %s: %s", SLF(object), doing, err_text(e));
    return 0;
}
