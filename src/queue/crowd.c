/* crowd.c - what a line, hop or sender leaves on the disk, and whether it wants to be read for. */
#include "dock.h"
#include "line.h"

void crowd_init(struct crowd *c, enum crowd_of of, size_t most)
{
    *c = (struct crowd){.of = of, .most = most};
    list_init(&c->link);
    for (int s = 0; s < STREAMS; s++)
        c->rows[s] = (struct left_rows){.from = INT64_MAX, INT64_MIN, .later = INT64_MAX, INT64_MIN};
}

/* A row stays on the disk. Of a shard that this pass has yet to read it comes with it, else with the next. */
void crowd_leave(struct ready *r, struct crowd *c, const struct shard *s, const struct q_due *d,
                 struct slice key)
{
    int shard = s->n / s->q->nloops;
    struct left_rows *x = &c->rows[d->stream];
    bool here = c->reading && c->stream == (int)d->stream;
    bool passed = shard < x->at || (shard == x->at && (here || sl_cmp(key, sl_cstr(x->key)) < 0));
    int64_t *least = passed ? &x->later : &x->from, *last = passed ? &x->later_to : &x->to;
    if (d->due < *least) *least = d->due;
    if (d->due > *last) *last = d->due;
    c->left = true;
    if (list_empty(&c->link)) list_push(&r->crowds, &c->link), r->ncrowds++;
    crowd_stir(r, c);
}

/* ---- how much of it is enough in memory ---- */

/* From so many sixteenths of the memory on, so many of each. What rests so leaves a part of it to what can
 * go, however many sites, domains and senders it is of: bulk may use 12 sixteenths, others more. */
static const struct {
    size_t from, few;
} steps[] = {{0, 10}, {4, 3}, {8, 1}, {10, 0}};
#define LOOSE_AFTER (300 * RT_S)

static size_t step_from(const struct ready *r, size_t i) { return r->items_most * steps[i].from / 16; }

size_t ready_few(const struct ready *r) { return steps[r->tight].few; }

bool ready_tighten(struct ready *r)
{
    if (r->tight + 1 == COUNT_OF(steps) || r->items.count < step_from(r, r->tight + 1)) return false;
    r->tight++;
    r->tight_at = rt_now();
    return true;
}

bool ready_loosen(struct ready *r)
{
    if (!r->tight || r->items.count >= step_from(r, r->tight) / 2) return false;
    if (rt_now() < r->tight_at + LOOSE_AFTER) return false; /* what comes back may be too much again */
    r->tight--;
    r->tight_at = rt_now();
    return true;
}

/* Of a hop whose site is left alone for a while a few are enough in memory; of what is not our own report
 * also when it takes few. */
static bool keeps_few(const struct hop *h, enum stream s)
{
    return h->dock && (dock_rests(h->dock) || (s != STREAM_SYSTEM && h->dock->crawls));
}

/* One at least for a site that takes some. */
static size_t few_of(const struct ready *r, const struct hop *h)
{
    size_t few = ready_few(r);
    return few || dock_rests(h->dock) ? few : 1;
}

/* What waits at a site that rests counts together, what is more urgent first: so many dead sites hold no more
 * memory than they must, and bulk keeps nothing else on the disk. */
static size_t counted(const struct hop *h, enum stream s)
{
    size_t n = h->n[s];
    for (int more = 0; dock_rests(h->dock) && more < (int)s; more++) n += h->n[more];
    return n;
}

bool hop_has_too_many(const struct ready *r, const struct hop *h, enum stream s)
{
    return keeps_few(h, s) && counted(h, s) > h->under_way + few_of(r, h);
}

bool line_has_too_many(const struct ready *r, const struct line *l)
{
    return l->where == AT_REST && l->crowd.n > l->under_way + ready_few(r);
}

/* Few are to be there, and more than this part of them are. */
static bool has_few(const struct ready *r, const struct crowd *c, enum stream s, size_t part)
{
    if (c->of == OF_HOP) {
        const struct hop *h = CONTAINER_OF(c, struct hop, crowd);
        if (!keeps_few(h, s)) return false;
        size_t few = few_of(r, h);
        return !few || counted(h, s) > h->under_way + few / part;
    }
    if (c->of == OF_LINE) {
        const struct line *l = CONTAINER_OF(c, struct line, crowd);
        size_t few = ready_few(r);
        return l->where == AT_REST && (!few || c->n > l->under_way + few / part);
    }
    return false;
}

/* Has it no more of the stream in memory than this part of what it may? */
static bool has_only(const struct ready *r, struct crowd *c, enum stream s, size_t part)
{
    return !has_few(r, c, s, part) && c->n <= c->most / part;
}

static bool has_left(const struct crowd *c, int s) { return c->rows[s].from != INT64_MAX; }

static bool has_only_of_any(const struct ready *r, struct crowd *c, size_t part)
{
    bool any = false;
    for (int s = 0; s < STREAMS; s++) any |= has_left(c, s) && has_only(r, c, (enum stream)s, part);
    return any;
}

bool crowd_full(const struct ready *r, struct crowd *c, enum stream s)
{
    if (c->n >= c->most) return true;
    if (c->of == OF_LINE) {
        const struct line *l = CONTAINER_OF(c, struct line, crowd);
        return l->where == AT_REST && c->n >= l->under_way + ready_few(r);
    }
    const struct hop *h = c->of == OF_HOP ? CONTAINER_OF(c, struct hop, crowd) : NULL;
    return h && keeps_few(h, s) && counted(h, s) >= h->under_way + few_of(r, h);
}

bool crowd_spares(const struct crowd *c, enum stream s)
{
    const struct hop *h = c->of == OF_HOP ? CONTAINER_OF(c, struct hop, crowd) : NULL;
    return c->n < c->most + c->most / 4 && !(h && keeps_few(h, s));
}

bool crowd_has_room(const struct ready *r, struct crowd *c) { return has_only_of_any(r, c, 2); }

bool crowd_is_hindered(const struct ready *r, struct crowd *c)
{
    bool any = false;
    for (int s = 0; s < STREAMS; s++) any |= has_left(c, s) && !crowd_full(r, c, (enum stream)s);
    return !any;
}

/* What a sender has in memory may be all for sites that take long: then the rest of its letters waits for
 * little room, too, but is looked for less often. */
void crowd_stir(struct ready *r, struct crowd *c)
{
    bool wants = c->left && !c->reading, much = wants && has_only_of_any(r, c, 4);
    if (!much) wants = wants && c->of == OF_SHARE && !crowd_is_hindered(r, c);
    int64_t key = much || c->not_before > c->little_before ? c->not_before : c->little_before;
    if (!wants) heap_remove(&r->hungry, &c->hungry);
    else if (!c->hungry.at || c->hungry.key != key) heap_put(&r->hungry, &c->hungry, key);
}
