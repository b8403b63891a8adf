/* crowd.c - what a line, hop or sender leaves on the disk, and whether it wants to be read for. */
#include "dock.h"
#include "line.h"

void crowd_init(struct crowd *c, enum crowd_of of, size_t most)
{
    *c = (struct crowd){.of = of, .most = most};
    list_init(&c->link);
    for (int s = 0; s < STREAMS; s++)
        c->from[s] = c->later[s] = INT64_MAX, c->to[s] = c->later_to[s] = INT64_MIN;
}

/* A row stays on the disk. Of a shard that this pass has yet to read it comes with it, else with the next. */
void crowd_leave(struct ready *r, struct crowd *c, const struct shard *s, const struct q_due *d,
                 struct slice key)
{
    int shard = s->n / s->q->nloops;
    if (!c->left) c->at = 0, c->key[0] = 0;
    bool passed = shard < c->at || (shard == c->at && (c->reading || sl_cmp(key, sl_cstr(c->key)) < 0));
    int64_t *least = passed ? c->later : c->from, *last = passed ? c->later_to : c->to;
    if (d->due < least[d->stream]) least[d->stream] = d->due;
    if (d->due > last[d->stream]) last[d->stream] = d->due;
    c->left = true;
    if (list_empty(&c->link)) list_push(&r->crowds, &c->link);
    crowd_stir(r, c);
}

static size_t hop_most(const struct hop *h)
{
    return h->dock && dock_keeps_few(h->dock) ? h->under_way + HOP_FEW : h->crowd.most;
}

static size_t crowd_most(struct crowd *c)
{
    return c->of == OF_HOP ? hop_most(CONTAINER_OF(c, struct hop, crowd)) : c->most;
}

/* With so much it wants to be read for. */
static size_t crowd_low(struct crowd *c)
{
    const struct hop *h = CONTAINER_OF(c, struct hop, crowd);
    bool few = c->of == OF_HOP && h->dock && dock_keeps_few(h->dock);
    return few ? h->under_way + HOP_FEW / 4 : c->most / 4;
}

bool crowd_full(struct crowd *c) { return c->n >= crowd_most(c); }

bool crowd_has_room(struct crowd *c) { return c->n <= crowd_most(c) / 2; }

void crowd_stir(struct ready *r, struct crowd *c)
{
    bool wants = c->left && !c->reading && c->n <= crowd_low(c);
    if (wants && !c->hungry.at) heap_put(&r->hungry, &c->hungry, c->not_before);
    if (!wants) heap_remove(&r->hungry, &c->hungry);
}
