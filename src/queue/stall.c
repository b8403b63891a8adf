/* stall.c - what is due and has room, and which nobody tries: the watchdog of the schedule. It finds what
 * only a fault of ours can leave standing, whatever the fault, and sets it going. */
#include "dock.h"
#include "line.h"

struct stall {
    struct ready *ready;
    int64_t before; /* rt_now(): what stands since then or longer */
    struct arena *a;
    struct slice where, hop; /* of the first */
    size_t n;
};

static void found(struct stall *x, const struct line *l, struct slice where)
{
    if (x->n++) return;
    x->where = where;
    x->hop = ar_dup(x->a, l->like.tell ? l->like.domain : l->like.hop);
}

/* A line that has its turn gives it to the next of its share and its hop, so these stand well. */
static void mark_able(struct ready *r)
{
    struct map_iter it = {0};
    while (map_next(&r->lines, &it)) {
        struct line *l = it.value;
        l->share->able = l->hop->able = false;
    }
    it = (struct map_iter){0};
    while (map_next(&r->lines, &it)) {
        struct line *l = it.value;
        if (l->where == READY) l->share->able = l->hop->able = true;
    }
}

static bool hop_stands(const struct hop *h) { return !h->able && !h->under_way && hop_has_room(h); }

static bool share_stands(const struct ready *r, const struct share *s)
{
    return !s->able && !s->quick && share_has_room(r, s);
}

/* Where there was no place, or no stack, until a moment ago, it has its turn at once: so it is looked at
 * twice.
 */
static bool turn_is_passed_over(const struct ready *r, struct line *l)
{
    bool could = ready_has_place(r, l->stream) && !r->no_stack, twice = could && l->could;
    l->could = could;
    return twice;
}

/* Has nobody tried it though it could go? In words where it stands; empty: all is well. */
static struct slice line_stalled(const struct stall *x, struct line *l)
{
    const struct ready *r = x->ready;
    if (list_empty(&l->items) || l->stands > x->before) return SL("");
    switch (l->where) {
    case NOWHERE: return SL("it stands nowhere");
    case READY: return turn_is_passed_over(r, l) ? SL("it has its turn") : SL("");
    case AT_HOP: return hop_stands(l->hop) ? SL("it waits for its domain") : SL("");
    case AT_SHARE: return share_stands(r, l->share) ? SL("it waits for its sender") : SL("");
    case AT_REST: return l->rest <= x->before ? SL("its rest is over") : SL("");
    case AT_DOCK: break; /* with the others that wait there */
    }
    return SL("");
}

static void look_at_lines(struct stall *x)
{
    struct map_iter it = {0};
    while (map_next(&x->ready->lines, &it)) {
        struct line *l = it.value;
        struct slice where = line_stalled(x, l);
        if (!where.n) continue;
        found(x, l, where);
        line_away(x->ready, l);
        line_enter(x->ready, l);
    }
}

static void look_at_docks(struct stall *x)
{
    struct map_iter it = {0};
    while (map_next(&x->ready->docks, &it)) {
        struct dock *d = it.value;
        struct heap_node *first = heap_least(&d->lines);
        bool could = d->could;
        d->could = false;
        if (!first || d->asked > x->before) continue;
        struct line *l = CONTAINER_OF(first, struct line, node);
        if (l->stands > x->before || !ready_has_place(x->ready, l->stream)) continue;
        if (!dock_has_room(x->ready->sources, d, &l->like)) continue;
        d->could = true; /* perhaps since a moment ago: so it is looked at twice */
        if (!could) continue;
        found(x, l, SL("it waits for its site"));
        d->asked = rt_now();
        dock_open(x->ready, d);
    }
}

size_t ready_stalled(struct ready *r, int64_t quiet, struct arena *a, struct slice *where, struct slice *hop)
{
    struct stall x = {.ready = r, .before = rt_now() - quiet, .a = a};
    mark_able(r);
    look_at_lines(&x);
    look_at_docks(&x);
    if (x.n) *where = x.where, *hop = x.hop;
    return x.n;
}
