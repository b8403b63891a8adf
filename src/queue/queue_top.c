/* queue_top.c - the queue at a glance: what waits and what goes, by site and by the way it leaves.
 *
 * Of a queue of any size at most so many rows of the schedule are read, shard after shard; letters lie in
 * shards by their id, so those that were read stand for the others. Which site a domain has, what is under
 * way and what binds is asked of each loop's schedule. */
#include <stdio.h>
#include <stdlib.h>

#include "base/civil.h"
#include "base/text.h"
#include "line.h"

enum { SAMPLE = 100000 };

/* Of one next hop and way. */
struct tally {
    struct slice name, hop, way;
    bool local, tell, placed; /* placed: counted at a site */
    uint64_t now, later;
    int64_t next; /* the least time of those that are due later */
};
/* A row in the making. */
struct spot {
    struct slice name; /* of its dock or hop in ready.h */
    int64_t next;
    struct queue_top_row row;
};
struct glance {
    struct queue *q;
    struct source_plan *plan;
    struct arena *a;
    struct map tallies, spots;
    int64_t now;
    uint64_t rows;
    int shards; /* that were read */
    bool cut;   /* and one of them not to its end */
    struct ready *ready;
    struct spot **top;
    size_t ntop;
};

/* ---- what the schedule has on the disk ---- */

static struct tally *tally_of(struct glance *x, const struct q_due *d)
{
    char text[HOP_NAME];
    struct slice name = d->local ? SL("@") : hop_name(x->plan, d, text);
    struct tally *t = map_get(&x->tallies, name);
    bool gone;
    if (t) return t;
    t = ar_array(x->a, struct tally, 1);
    *t = (struct tally){.name = ar_dup(x->a, name),
                        .hop = ar_dup(x->a, d->hop),
                        .way = ar_dup(x->a, queue_way(x->plan, d, &gone)->name),
                        .local = d->local,
                        .tell = d->tell};
    map_put(&x->tallies, name, t);
    return t;
}

static void count_due(struct glance *x, const struct q_due *d)
{
    struct tally *t = tally_of(x, d);
    int64_t due = queue_time(x->q, d->due, x->now);
    if (due <= x->now) t->now++;
    else t->later++;
    if (due > x->now && (!t->next || due < t->next)) t->next = due;
}

static int count_shard(struct glance *x, struct shard *s)
{
    char last[KV_KEY_MAX + 2] = "d";
    struct arena a = {0};
    struct kv_page page = {.more = true};
    struct q_due d;
    bool hole;
    int e = 0;
    while (!e && page.more && x->rows < 2 * SAMPLE) {
        ar_reset(&a);
        e = kv_scan_over(x->q->store->kv, shard_object(s), sl_cstr(last), SL("e"), KV_PAGE_MAX, &a, &page,
                         &hole);
        for (size_t i = 0; !e && i < page.n; i++)
            if (q_due_get(page.row[i].key, page.row[i].value, &d) == 0) count_due(x, &d);
        if (!e && page.n) snprintf(last, sizeof last, "%.*s ", SLF(page.row[page.n - 1].key));
        x->rows += e ? 0 : page.n;
        fiber_breathe();
    }
    x->cut |= !e && page.more;
    ar_free(&a);
    return e;
}

/* ---- where it belongs ---- */

static struct spot *spot_of(struct glance *x, struct slice name, struct slice site, struct slice way)
{
    struct spot *s = map_get(&x->spots, name);
    if (s) return s;
    s = ar_array(x->a, struct spot, 1);
    *s = (struct spot){.name = ar_dup(x->a, name)};
    s->row.site = ar_dup(x->a, site);
    s->row.way = ar_dup(x->a, way);
    map_put(&x->spots, name, s);
    return s;
}

static void place(struct spot *s, struct tally *t)
{
    if (t->placed) return;
    t->placed = true;
    s->row.waiting += t->now;
    s->row.later += t->later;
    s->row.domains += !t->local && !t->tell;
    if (t->next && (!s->next || t->next < s->next)) s->next = t->next;
}

static struct spot *spot_of_hop(struct glance *x, const struct hop *h)
{
    if (h->dock)
        return spot_of(x, sl_cstr(h->dock->name), site_bare_name(h->dock->path[0]), h->dock->way->name);
    bool here = h->name[0] == '@', told = h->name[0] == '!';
    struct slice name = here ? SL("@") : sl_cstr(h->name);
    struct slice domain = sl_sub(name, 0, sl_chr(name, '|') == SL_NONE ? name.n : sl_chr(name, '|'));
    return spot_of(x, name,
                   here   ? SL("accounts here")
                   : told ? SL("senders to be told")
                          : domain,
                   h->way->name);
}

static int look_at_hops(void *arg)
{
    struct glance *x = arg;
    struct map_iter it = {0};
    while (map_next(&x->ready->hops, &it)) {
        const struct hop *h = it.value;
        struct spot *s = spot_of_hop(x, h);
        struct tally *t = map_get(&x->tallies, h->name[0] == '@' ? SL("@") : sl_cstr(h->name));
        if (t) place(s, t);
        s->row.under_way += h->under_way;
    }
    return 0;
}

/* Those of which nothing is in memory. */
static void place_others(struct glance *x)
{
    struct map_iter it = {0};
    while (map_next(&x->tallies, &it)) {
        struct tally *t = it.value;
        struct slice site = t->local ? SL("accounts here") : t->tell ? SL("senders to be told") : t->hop;
        if (!t->placed) place(spot_of(x, t->name, site, t->way), t);
    }
}

static int by_size(const void *pa, const void *pb)
{
    const struct queue_top_row *a = &(*(struct spot *const *)pa)->row, *b = &(*(struct spot *const *)pb)->row;
    uint64_t na = a->waiting + a->under_way, nb = b->waiting + b->under_way;
    if (na != nb) return na < nb ? 1 : -1;
    if (a->later != b->later) return a->later < b->later ? 1 : -1;
    int c = sl_cmp(a->site, b->site);
    return c ? c : sl_cmp(a->way, b->way);
}

/* What is under way has its row on the disk still. */
static void finish_row(const struct glance *x, struct queue_top_row *r, struct queue_top *out)
{
    unsigned all = (unsigned)x->q->nshards, read = (unsigned)x->shards;
    r->waiting = r->waiting * all / read;
    r->later = r->later * all / read;
    r->waiting -= r->under_way < r->waiting ? r->under_way : r->waiting;
    out->waiting += r->waiting;
    out->later += r->later;
    out->under_way += r->under_way;
}

static void choose(struct glance *x, size_t limit, struct queue_top *out)
{
    struct map_iter it = {0};
    size_t n = 0;
    x->top = xcalloc(x->spots.count + 1, sizeof(struct spot *));
    while (map_next(&x->spots, &it)) x->top[n++] = it.value;
    for (size_t i = 0; i < n; i++) finish_row(x, &x->top[i]->row, out);
    qsort(x->top, n, sizeof(struct spot *), by_size);
    x->ntop = n < limit ? n : limit;
    out->others = n - x->ntop;
}

/* ---- what binds, and what was said ---- */

static void look_at_paths(struct glance *x, const struct dock *d, struct queue_top_row *r)
{
    r->source = ar_array(x->a, struct queue_top_source, d->npath);
    r->nsource = d->npath;
    for (size_t i = 0; i < d->npath; i++) {
        struct site_state st;
        site_look(d->path[i], STREAM_TRANSACTIONAL, SL(""), &st);
        r->source[i] =
            (struct queue_top_source){.name = d->way->n ? ar_dup(x->a, d->way->v[i]->name) : SL(""),
                                      .under_way = st.under_way,
                                      .places = st.places,
                                      .rate = st.rate,
                                      .heard = st.heard,
                                      .said = ar_dup(x->a, sl_cstr(st.said))};
        r->rate += st.rate;
        if (st.heard >= r->heard) r->heard = st.heard, r->said = r->source[i].said;
    }
}

static struct slice why_of(struct glance *x, const struct hop *h)
{
    LIST_EACH(struct line, l, &h->lines, hop_link)
    {
        struct item *first = CONTAINER_OF(l->items.next, struct item, link);
        struct q_due d = l->like;
        if (list_empty(&l->items)) continue;
        d.id = first->id, d.g = first->g;
        return ready_why(x->ready, &d, x->a);
    }
    return SL("");
}

static int look_at_top(void *arg)
{
    struct glance *x = arg;
    for (size_t i = 0; i < x->ntop; i++) {
        struct queue_top_row *r = &x->top[i]->row;
        const struct dock *d = map_get(&x->ready->docks, x->top[i]->name);
        const struct hop *h = map_get(&x->ready->hops, x->top[i]->name);
        if (d && !r->nsource) look_at_paths(x, d, r);
        if (d) LIST_EACH(struct hop, one, &d->hops, dock_link) if (!r->why.n) r->why = why_of(x, one);
        if (h && !r->why.n) r->why = why_of(x, h);
    }
    return 0;
}

static int each_loop(struct glance *x, int (*look)(void *))
{
    int e = 0;
    for (int i = 0; !e && i < x->q->nloops; i++) {
        x->ready = schedule_ready(x->q->schedule[i]);
        if (x->ready) e = rt_call(i, look, x);
    }
    return e;
}

static void tell_when(struct glance *x, struct spot *s)
{
    char when[CIVIL_TEXT_MAX];
    struct queue_top_row *r = &s->row;
    if (!r->why.n && r->waiting && !x->q->started) r->why = SL("the queue is not running");
    if (!r->why.n && !r->waiting && r->later && s->next)
        r->why = ar_printf(x->a, "the next is due at %s", civil_format(s->next, when));
}

int queue_top(struct queue *q, size_t limit, struct arena *a, struct queue_top *out)
{
    struct queue_stats counts = {0};
    struct glance x = {.q = q, .plan = source_plan_now(q->sources), .a = a, .now = rt_wall_seconds()};
    map_init(&x.tallies, true);
    map_init(&x.spots, true);
    *out = (struct queue_top){.now = x.now, .running = q->started};
    int e = queue_counts(q, &counts);
    for (; !e && x.shards < q->nshards && x.rows < SAMPLE; x.shards++)
        e = count_shard(&x, &q->shard[x.shards]);
    if (!e) e = each_loop(&x, look_at_hops);
    if (!e) {
        place_others(&x);
        choose(&x, limit, out);
        e = each_loop(&x, look_at_top);
        out->letters = counts.letters;
        out->recipients = counts.recipients;
        out->estimated = x.cut || x.shards < q->nshards;
        out->row = ar_array(a, struct queue_top_row, x.ntop);
        for (size_t i = 0; i < x.ntop; i++) tell_when(&x, x.top[i]), out->row[i] = x.top[i]->row;
        out->n = x.ntop;
    }
    free(x.top);
    map_free(&x.tallies);
    map_free(&x.spots);
    source_plan_drop(&x.plan);
    return e;
}
