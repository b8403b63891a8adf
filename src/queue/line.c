/* line.c - lines, senders and hops: found or made, gone when nothing is left of them; what each leaves on the
 * disk. */
#include "line.h"

#include "base/map.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    LINE_ITEMS = 100,
    HOP_ITEMS = 2000,
    SHARE_PART = 4, /* of the items in memory one sender may have this part */
};

/* ---- senders, hops, docks, lines: found or made, gone when nothing is left of them ---- */

static struct slice share_name(const struct q_due *d) { return d->account.n ? d->account : d->domain; }

/* By which sources it leaves, as the plan says now. */
static const struct source_way *way_of(const struct ready *r, const struct q_due *d)
{
    bool gone;
    return queue_way(r->plan, d, &gone);
}

struct slice hop_name(const struct source_plan *p, const struct q_due *d, char text[HOP_NAME])
{
    bool gone;
    const char *mark = d->tell ? "!" : d->local ? "@" : "";
    struct slice way = queue_way(p, d, &gone)->name;
    int n = snprintf(text, HOP_NAME, "%s%.*s%s%.*s", mark, SLF(d->tell ? SL("") : d->hop), way.n ? "|" : "",
                     SLF(way));
    return sl(text, (size_t)(n < HOP_NAME ? n : HOP_NAME - 1));
}

struct slice line_name(const struct ready *r, const struct q_due *d, char text[LINE_NAME])
{
    char hop[HOP_NAME];
    struct slice h = hop_name(r->plan, d, hop);
    int n = snprintf(text, LINE_NAME, "%d %d %.*s %.*s %.*s", (int)d->stream, d->priority, SLF(d->account),
                     SLF(d->domain), SLF(h));
    return sl(text, (size_t)(n < LINE_NAME ? n : LINE_NAME - 1));
}

static struct share *share_get(struct ready *r, struct slice name)
{
    struct share *s = map_get(&r->shares, name);
    if (s) return s;
    s = xcalloc(1, sizeof *s);
    crowd_init(&s->crowd, OF_SHARE, r->items_most / SHARE_PART);
    s->name = xstrndup(name.p, name.n);
    list_init(&s->waiting);
    map_put(&r->shares, name, s);
    return s;
}

static struct hop *hop_get(struct ready *r, const struct q_due *d)
{
    char text[HOP_NAME];
    struct slice name = hop_name(r->plan, d, text);
    struct hop *h = map_get(&r->hops, name);
    if (h) return h;
    h = xcalloc(1, sizeof *h);
    crowd_init(&h->crowd, OF_HOP, HOP_ITEMS);
    h->name = xstrndup(name.p, name.n);
    h->local = d->local || d->tell;
    h->quiet = rt_now();
    h->plan = source_plan_hold(r->plan);
    h->way = way_of(r, d);
    list_init(&h->dock_link);
    list_init(&h->lines);
    list_init(&h->waiting);
    map_put(&r->hops, name, h);
    return h;
}

static void forget_dock(struct ready *r, struct dock *d)
{
    struct slice site = site_bare_name(d->path[0]);
    struct dock *first = map_get(&r->of_site, site);
    for (struct dock **at = &first; *at; at = &(*at)->same)
        if (*at == d) {
            *at = d->same;
            break;
        }
    if (first) map_put(&r->of_site, site, first);
    else map_del(&r->of_site, site);
    if (map_get(&r->docks, sl_cstr(d->name)) == d) map_del(&r->docks, sl_cstr(d->name));
}

void hop_undock(struct ready *r, struct hop *h)
{
    struct dock *d = h->dock;
    list_remove(&h->dock_link);
    h->dock = NULL;
    crowd_stir(r, &h->crowd);
    if (d && !list_empty(&d->hops)) dock_stir(r, d); /* whose turn it was may have gone with it */
    if (!d || !list_empty(&d->hops)) return;
    heap_remove(&r->alarms, &d->alarm);
    forget_dock(r, d);
    for (size_t i = 0; i < d->npath; i++) site_put(d->path[i]);
    heap_free(&d->lines);
    free(d->path);
    free(d->name);
    free(d);
}

static void hop_check(struct ready *r, struct hop *h)
{
    if (!list_empty(&h->lines) || h->under_way || h->crowd.left || h->crowd.reading) return;
    hop_undock(r, h);
    map_del(&r->hops, sl_cstr(h->name));
    source_plan_drop(&h->plan);
    free(h->name);
    free(h);
}

static void share_check(struct ready *r, struct share *s)
{
    if (s->lines || s->quick || s->slow || s->crowd.left || s->crowd.reading) return;
    map_del(&r->shares, sl_cstr(s->name));
    free(s->name);
    free(s);
}

static struct slice copy(struct slice s) { return sl(xstrndup(s.p, s.n), s.n); }

static void line_free(struct line *l)
{
    free((char *)l->like.hop.p);
    free((char *)l->like.domain.p);
    free((char *)l->like.account.p);
    free((char *)l->like.campaign.p);
    free((char *)l->like.bound.p);
    free(l->name);
    free(l);
}

struct line *line_get(struct ready *r, const struct q_due *d)
{
    char text[LINE_NAME];
    struct slice name = line_name(r, d, text);
    struct line *l = map_get(&r->lines, name);
    if (l) return l;
    l = xcalloc(1, sizeof *l);
    crowd_init(&l->crowd, OF_LINE, LINE_ITEMS);
    l->name = xstrndup(name.p, name.n);
    l->stream = d->stream;
    l->like = (struct q_due){.stream = d->stream,
                             .priority = d->priority,
                             .local = d->local,
                             .tell = d->tell,
                             .hop = copy(d->hop),
                             .domain = copy(d->domain),
                             .account = copy(d->account),
                             .campaign = copy(d->campaign),
                             .bound = copy(d->bound)};
    l->share = share_get(r, share_name(d));
    l->share->lines++;
    l->hop = hop_get(r, d);
    list_push(&l->hop->lines, &l->hop_link);
    list_init(&l->items);
    list_init(&l->link);
    map_put(&r->lines, name, l);
    return l;
}

void line_away(struct ready *r, struct line *l)
{
    if (l->where == READY) heap_remove(&r->able, &l->node);
    if (l->where == AT_DOCK) heap_remove(&l->hop->dock->lines, &l->node);
    if (l->where == AT_REST) heap_remove(&r->rests, &l->node);
    list_remove(&l->link);
    l->where = NOWHERE;
}

/* With nothing left of it, it does not take the turn that it was given: another has it. */
static void give_turn_back(struct ready *r, struct line *l)
{
    bool had = l->where == READY;
    line_away(r, l);
    if (had) line_stir(r, l->share, l->hop);
}

void line_check(struct ready *r, struct line *l)
{
    bool rests = l->where == AT_REST && l->crowd.left; /* until then all of it may be on the disk */
    if (list_empty(&l->items) && !rests) give_turn_back(r, l);
    if (!list_empty(&l->items) || l->under_way || l->crowd.left || l->crowd.reading) return;
    struct hop *h = l->hop;
    struct share *s = l->share;
    list_remove(&l->hop_link);
    s->lines--;
    map_del(&r->lines, sl_cstr(l->name));
    line_free(l);
    hop_check(r, h);
    share_check(r, s);
}

static struct line *line_of(struct crowd *c) { return CONTAINER_OF(c, struct line, crowd); }
static struct share *share_of(struct crowd *c) { return CONTAINER_OF(c, struct share, crowd); }
static struct hop *hop_of(struct crowd *c) { return CONTAINER_OF(c, struct hop, crowd); }

void crowds_of(const struct ready *r, const struct q_due *d, struct crowd *of[3])
{
    char text[LINE_NAME];
    struct line *l = map_get(&r->lines, line_name(r, d, text));
    struct hop *h = l ? l->hop : map_get(&r->hops, hop_name(r->plan, d, text));
    struct share *s = l ? l->share : map_get(&r->shares, share_name(d));
    of[0] = l ? &l->crowd : NULL;
    of[1] = h ? &h->crowd : NULL;
    of[2] = s ? &s->crowd : NULL;
}

void crowd_done(struct ready *r, struct crowd *c)
{
    c->reading = false;
    if (!c->left && !list_empty(&c->link)) list_remove(&c->link), r->ncrowds--;
    crowd_stir(r, c);
    if (c->of == OF_LINE) line_check(r, line_of(c));
    else if (c->of == OF_SHARE) share_check(r, share_of(c));
    else hop_check(r, hop_of(c));
}
