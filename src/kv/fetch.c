/* fetch.c - the committer does not wait for the disk: what a transaction wants and is not in memory, or
 * stands behind very many rows that are erased (gap.c), is read here, on an offload thread, while the
 * committer goes on with others. */
#include <stdlib.h>

#include "kv_i.h"

enum { STOP = 1 };

void kv_wish(struct kv_wishes *w, struct slice from, struct slice to)
{
    if (w->n == KV_WISHES_MAX) return;
    if (w->n == w->cap) {
        w->cap = w->cap ? 4 * w->cap : 4;
        w->v = xrealloc(w->v, w->cap * sizeof *w->v);
    }
    struct kv_wish *x = &w->v[w->n++];
    memcpy(x->from, from.p, from.n);
    if (to.n) memcpy(x->to, to.p, to.n); /* one key: no range */
    x->nfrom = from.n;
    x->nto = to.n;
}

struct fetch {
    struct kv *kv;
    struct kv_wishes *w;
    size_t rows;
    struct slice at; /* just behind the last row */
    char room[KV_FULL_MAX + 1];
};

static int count_row(void *arg, struct slice full, struct slice value)
{
    struct fetch *f = arg;
    (void)value;
    if (full.n <= KV_FULL_MAX) {
        memcpy(f->room, full.p, full.n);
        f->room[full.n] = 0;
        f->at = sl(f->room, full.n + 1);
    }
    return ++f->rows == KV_FETCH_ROWS ? STOP : 0;
}

static int first_row(void *arg, struct slice full, struct slice value)
{
    struct fetch *f = arg;
    int e = count_row(f, full, value);
    return e ? e : STOP;
}

/* 1: behind what is erased there is a row, and count_row() saw it. */
static int fetch_gap(struct fetch *f, struct slice to)
{
    char room[KV_FULL_MAX + 1];
    struct slice from = sl(room, f->at.n);
    memcpy(room, f->at.p, f->at.n);
    struct kv_gap *g = kv_gap_open(f->kv, f->w, from, to);
    if (!g) return 0;
    int e = f->kv->engine->scan(f->kv, KV_READ_DISK, from, to, first_row, f);
    if (e == STOP) kv_gap_close(f->kv, g, sl(f->at.p, f->at.n - 1));
    else if (e) kv_gap_close(f->kv, g, from); /* nobody knows: there is no gap */
    return e == STOP;
}

static void fetch_range(struct fetch *f, struct slice from, struct slice to)
{
    f->rows = 0;
    f->at = from;
    while (f->kv->engine->scan(f->kv, KV_READ_STEP, f->at, to, count_row, f) == KV_WOULD_BLOCK)
        if (!fetch_gap(f, to) || f->rows >= KV_FETCH_ROWS) break;
}

static int fetch_on_thread(void *arg)
{
    struct fetch *f = arg;
    const struct kv_engine *engine = f->kv->engine;
    struct arena a = {0};
    struct slice value;
    for (size_t i = 0; i < f->w->n; i++) {
        const struct kv_wish *x = &f->w->v[i];
        struct slice from = sl(x->from, x->nfrom), to = sl(x->to, x->nto);
        if (to.n) fetch_range(f, from, to);
        else (void)!engine->get(f->kv, KV_READ_DISK, from, &a, &value);
        ar_reset(&a);
    }
    ar_free(&a);
    return 0;
}

void kv_fetch(struct kv *kv, struct kv_wishes *w)
{
    struct fetch f = {.kv = kv, .w = w};
    if (kv_gate_enter(kv)) return;
    (void)!offload(fetch_on_thread, &f);
    kv_gate_leave(kv);
}

/* ---- who is under way ---- */

void kv_users_enter(struct kv_users *u)
{
    lock_take(&u->lock);
    u->n++;
    lock_release(&u->lock);
}

void kv_users_leave(struct kv_users *u)
{
    lock_take(&u->lock);
    struct completion *last = --u->n == 0 ? u->none : NULL;
    lock_release(&u->lock);
    if (last) completion_signal(last);
}

void kv_users_wait(struct kv_users *u)
{
    struct completion none;
    completion_init(&none);
    lock_take(&u->lock);
    bool wait = u->n > 0;
    if (wait) u->none = &none;
    lock_release(&u->lock);
    if (wait) completion_wait(&none);
}
