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

/* Of a hop whose site is left alone for a while a few are enough in memory; of bulk also when it takes few.
 */
static bool keeps_few(const struct hop *h, enum stream s)
{
    return h->dock && (dock_rests(h->dock) || (s != STREAM_SYSTEM && h->dock->crawls));
}

/* What waits at a site that rests counts together, what is more urgent first: so many dead sites hold no more
 * memory than they must, and bulk keeps nothing else on the disk. */
static size_t counted(const struct hop *h, enum stream s)
{
    size_t n = h->n[s];
    for (int more = 0; dock_rests(h->dock) && more < (int)s; more++) n += h->n[more];
    return n;
}

bool hop_has_too_many(const struct hop *h, enum stream s)
{
    return keeps_few(h, s) && counted(h, s) > h->under_way + HOP_FEW;
}

/* Has it no more of the stream in memory than this part of what it may? */
static bool has_only(struct crowd *c, enum stream s, size_t part)
{
    const struct hop *h = c->of == OF_HOP ? CONTAINER_OF(c, struct hop, crowd) : NULL;
    if (h && keeps_few(h, s) && counted(h, s) > h->under_way + HOP_FEW / part) return false;
    return c->n <= c->most / part;
}

static bool has_left(const struct crowd *c, int s) { return c->rows[s].from != INT64_MAX; }

static bool has_only_of_any(struct crowd *c, size_t part)
{
    bool any = false;
    for (int s = 0; s < STREAMS; s++) any |= has_left(c, s) && has_only(c, (enum stream)s, part);
    return any;
}

bool crowd_full(struct crowd *c, enum stream s)
{
    const struct hop *h = c->of == OF_HOP ? CONTAINER_OF(c, struct hop, crowd) : NULL;
    return c->n >= c->most || (h && keeps_few(h, s) && counted(h, s) >= h->under_way + HOP_FEW);
}

bool crowd_spares(const struct crowd *c, enum stream s)
{
    const struct hop *h = c->of == OF_HOP ? CONTAINER_OF(c, struct hop, crowd) : NULL;
    return c->n < c->most + c->most / 4 && !(h && keeps_few(h, s));
}

bool crowd_has_room(struct crowd *c) { return has_only_of_any(c, 2); }

bool crowd_is_hindered(struct crowd *c)
{
    bool any = false;
    for (int s = 0; s < STREAMS; s++) any |= has_left(c, s) && !crowd_full(c, (enum stream)s);
    return !any;
}

/* What a sender has in memory may be all for sites that take long: then the rest of its letters waits for
 * little room, too, but is looked for less often. */
void crowd_stir(struct ready *r, struct crowd *c)
{
    bool wants = c->left && !c->reading, much = wants && has_only_of_any(c, 4);
    if (!much) wants = wants && c->of == OF_SHARE && !crowd_is_hindered(c);
    int64_t key = much || c->not_before > c->little_before ? c->not_before : c->little_before;
    if (!wants) heap_remove(&r->hungry, &c->hungry);
    else if (!c->hungry.at || c->hungry.key != key) heap_put(&r->hungry, &c->hungry, key);
}
