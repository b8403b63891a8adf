/* gap.c - the committer does not pass over a million rows that are erased and not yet gone from the engine.
 *
 * A scan within a transaction ends where very many of them begin. They are passed over on another thread, and
 * the transaction runs again, knowing that there is nothing between two keys. That stays true whatever others
 * do meanwhile, because a gap is known before it is read, and what is committed into it makes it shorter. */
#include <stdlib.h>

#include "kv_i.h"

static struct slice copy(char room[KV_FULL_MAX + 1], struct slice s)
{
    memcpy(room, s.p, s.n);
    return sl(room, s.n);
}

struct kv_gap *kv_gap_open(struct kv *kv, struct kv_wishes *w, struct slice from, struct slice to)
{
    if (w->ngaps == KV_GAPS_MAX) return NULL;
    struct kv_gap *g = xmalloc(sizeof *g);
    g->from = copy(g->from_room, from);
    g->to = copy(g->to_room, to);
    w->gap[w->ngaps++] = g;
    lock_take(&kv->lock);
    g->next = kv->gaps;
    kv->gaps = g;
    lock_release(&kv->lock);
    return g;
}

static void shorten(struct kv_gap *g, struct slice row)
{
    if (sl_cmp(g->from, row) <= 0 && sl_cmp(row, g->to) < 0) g->to = copy(g->to_room, row);
}

void kv_gap_close(struct kv *kv, struct kv_gap *g, struct slice row)
{
    lock_take(&kv->lock);
    shorten(g, row);
    lock_release(&kv->lock);
}

void kv_gaps_written(struct kv *kv)
{
    lock_take(&kv->lock);
    for (struct kv_gap *g = kv->gaps; g; g = g->next)
        for (struct onode *n = omap_from(&kv->batch.rows, g->from); n && sl_cmp(n->key, g->to) < 0;
             n = omap_next(n))
            if (n->kind == OMAP_PUT) shorten(g, n->key);
    lock_release(&kv->lock);
}

void kv_wishes_free(struct kv *kv, struct kv_wishes *w)
{
    lock_take(&kv->lock);
    for (size_t i = 0; i < w->ngaps; i++)
        for (struct kv_gap **at = &kv->gaps; *at; at = &(*at)->next)
            if (*at == w->gap[i]) {
                *at = w->gap[i]->next;
                break;
            }
    lock_release(&kv->lock);
    for (size_t i = 0; i < w->ngaps; i++) free(w->gap[i]);
    free(w->v);
}

struct slice kv_gaps_pass(const struct kv_wishes *w, struct slice *at, struct slice to)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < w->ngaps; i++) {
            const struct kv_gap *g = w->gap[i];
            if (sl_cmp(g->from, *at) > 0 || sl_cmp(*at, g->to) >= 0) continue;
            *at = g->to;
            moved = true;
        }
    }
    for (size_t i = 0; i < w->ngaps; i++) {
        const struct kv_gap *g = w->gap[i];
        bool empty = sl_cmp(g->from, g->to) >= 0;
        if (!empty && sl_cmp(g->from, *at) > 0 && sl_cmp(g->from, to) < 0) to = g->from;
    }
    return to;
}
