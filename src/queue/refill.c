/* refill.c - reading again what a line, hop or sender (struct crowd) left on the disk. All that want it at a
 * moment are read for in one pass: stream after stream, each from where it stopped the last time, as far as
 * something of it was left, the shards of a loop in turn; a row is looked at once for all of them. So what a
 * letter costs grows neither with the queue nor with how many wait. */
#include "refill.h"

#include <stdio.h>

#include "base/log.h"

enum {
    CROWDS_AT_ONCE = 1000,
    CROWDS_LOOKED_AT = 300, /* whether they have room, in one pass */
    ROWS_AT_ONCE = 250,
    MEMORY_PART = 64,         /* is to be free: it is not read for one letter at a time */
    TURNS = 100,              /* then others have theirs: what has become due, say */
    AGAIN_AFTER_ERROR_S = 10, /* twice as long each time, */
    HOLES_MOST = 6,           /* so often: 320 s */
    LITTLE_S = 8,             /* between passes for a sender that has little room, and the same */
    VAIN_MOST = 7,
};

struct pass {
    struct ahead *h;
    int64_t now;      /* unix seconds */
    struct crowd **v; /* in order of where they stand */
    size_t n;
    bool told; /* of a place that cannot be read */
};

/* ---- where a crowd stands ---- */

static struct left_rows *rows_of(struct crowd *c) { return &c->rows[c->stream]; }

static int order(const struct crowd *c, int stream, int at, struct slice key)
{
    const struct left_rows *x = &c->rows[c->stream];
    if (c->stream != stream) return c->stream - stream;
    return x->at != at ? x->at - at : sl_cmp(sl_cstr(x->key), key);
}

static void put_key(char out[READY_KEY], struct slice key, const char *behind)
{
    snprintf(out, READY_KEY, "%.*s%s", SLF(key), behind);
}

/* What it left of the stream it stands in, that is due by now: to = where that ends, in its shard. False:
 * nothing, from where it stands on. */
static bool range(struct crowd *c, int64_t now, char from[READY_KEY], char to[READY_KEY])
{
    struct arena a = {0};
    const struct left_rows *x = rows_of(c);
    int64_t last = x->to < now ? x->to : now;
    bool any = x->from <= last;
    if (any) {
        put_key(from, queue_key_due_from(&a, (enum stream)c->stream, x->from), "");
        put_key(to, queue_key_due_from(&a, (enum stream)c->stream, last + 1), "");
        any = strcmp(x->key, to) < 0;
    }
    ar_free(&a);
    return any;
}

/* All of its rows of the stream were looked at: what was left meanwhile is for the next time, and what was
 * left while the clock was ahead. */
static void stream_done(const struct pass *p, struct left_rows *x)
{
    bool ahead = x->to != INT64_MIN && x->to > p->now;
    if (ahead && x->from <= p->now) x->from = p->now + 1;
    if (!ahead || x->later < x->from) x->from = x->later;
    if (!ahead || x->later_to > x->to) x->to = x->later_to;
    x->later = INT64_MAX;
    x->later_to = INT64_MIN;
    x->at = 0;
    x->key[0] = 0;
}

/* To the next stream of which there is room for more. */
static void next_stream(const struct pass *p, struct crowd *c)
{
    do c->stream++;
    while (c->stream < STREAMS && crowd_full(p->h->ready, c, (enum stream)c->stream));
}

/* To the next place where something of it may be, and to where. False: there is none. */
static bool seek(const struct pass *p, struct crowd *c, char to[READY_KEY])
{
    char from[READY_KEY];
    const struct queue *q = p->h->q;
    for (; c->stream < STREAMS; next_stream(p, c)) {
        struct left_rows *x = rows_of(c);
        for (; p->h->loop + x->at * q->nloops < q->nshards; x->at++, x->key[0] = 0)
            if (range(c, p->now, from, to)) {
                if (strcmp(x->key, from) < 0) put_key(x->key, sl_cstr(from), "");
                return true;
            }
        stream_done(p, x);
    }
    return false;
}

/* ---- who is read for ---- */

/* Not any more. Others that want it have their turn before it does again. */
static void let_go(struct pass *p, struct crowd *c, int64_t pause)
{
    size_t i = 0;
    while (p->v[i] != c) i++;
    memmove(p->v + i, p->v + i + 1, (--p->n - i) * sizeof(struct crowd *));
    c->not_before = rt_now() + pause;
    c->vain = c->took ? 0 : c->vain + (c->vain < VAIN_MOST);
    c->little_before = rt_now() + (LITTLE_S * RT_S << c->vain);
    crowd_done(p->h->ready, c);
}

/* It has been looked for in all streams of which there is room. */
static void finish(struct pass *p, struct crowd *c)
{
    c->left = false;
    for (int s = 0; s < STREAMS; s++) c->left |= c->rows[s].from != INT64_MAX;
    int64_t pause = c->took || crowd_is_hindered(p->h->ready, c) ? 0 : RT_S;
    c->holes = c->damaged ? c->holes + (c->holes < HOLES_MOST) : 0;
    if (c->damaged) pause = (AGAIN_AFTER_ERROR_S * RT_S) << (c->holes - 1);
    let_go(p, c, pause);
}

/* Where it stands has changed, forwards. */
static void sort_in(struct pass *p, struct crowd *c)
{
    char to[READY_KEY];
    size_t i = 0;
    if (!seek(p, c, to)) {
        finish(p, c);
        return;
    }
    struct slice key = sl_cstr(rows_of(c)->key);
    while (p->v[i] != c) i++;
    size_t low = i + 1, high = p->n; /* the first that does not stand before it lies between them */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (order(p->v[mid], c->stream, rows_of(c)->at, key) < 0) low = mid + 1;
        else high = mid;
    }
    memmove(p->v + i, p->v + i + 1, (low - 1 - i) * sizeof(struct crowd *));
    p->v[low - 1] = c;
}

static void add(struct pass *p, struct crowd *c)
{
    heap_remove(&p->h->ready->hungry, &c->hungry);
    c->reading = true;
    c->damaged = c->took = false;
    c->stream = -1;
    next_stream(p, c);
    memmove(p->v + 1, p->v, p->n++ * sizeof(struct crowd *));
    p->v[0] = c;
    sort_in(p, c);
}

/* Those that want it, and when there is one, those that soon will: their rows lie among each other. */
static void gather(struct pass *p)
{
    struct ready *r = p->h->ready;
    int64_t now = rt_now();
    struct heap_node *first = heap_least(&r->hungry);
    if (!first || first->key > now) return;
    for (; p->n < CROWDS_AT_ONCE && first && first->key <= now; first = heap_least(&r->hungry))
        add(p, CONTAINER_OF(first, struct crowd, hungry));
    size_t most = CROWDS_LOOKED_AT < r->ncrowds ? CROWDS_LOOKED_AT : r->ncrowds;
    for (size_t i = 0; i < most && p->n < CROWDS_AT_ONCE && !list_empty(&r->crowds); i++) {
        struct crowd *c = CONTAINER_OF(list_shift(&r->crowds), struct crowd, link);
        list_push(&r->crowds, &c->link); /* in turn: there may be very many that have no room */
        if (!c->reading && c->not_before <= now && crowd_has_room(r, c)) add(p, c);
    }
}

/* ---- rows ---- */

/* Which of those that are read for have it before them? The rest of them are behind it already. */
static size_t whose(const struct pass *p, const struct q_due *d, int at, struct slice key,
                    struct crowd *of[3])
{
    size_t n = 0;
    struct crowd *all[3];
    crowds_of(p->h->ready, d, all);
    for (int i = 0; i < 3; i++)
        if (all[i] && all[i]->reading && order(all[i], (int)d->stream, at, key) <= 0) of[n++] = all[i];
    return n;
}

static bool take_row(struct pass *p, struct shard *s, int at, const struct kv_row *row)
{
    struct q_due d;
    struct crowd *of[3];
    bool any = false;
    if (q_due_get(row->key, row->value, &d) != 0) return false; /* `tram verify` tells of it */
    size_t n = whose(p, &d, at, row->key, of), left = 0;
    for (size_t i = 0; i < n; i++) {
        if (!crowd_full(p->h->ready, of[i], d.stream)) {
            of[left++] = of[i];
            continue;
        }
        put_key(rows_of(of[i])->key, row->key, "");
        let_go(p, of[i], 0);
    }
    size_t before = p->h->ready->items.count;
    if (left) any = ready_add(p->h->ready, s, &d, row->key) != NO_ROOM;
    for (size_t i = 0; i < left; i++) of[i]->took |= p->h->ready->items.count > before;
    for (size_t i = 0; i < left && !any; i++) {
        put_key(rows_of(of[i])->key, row->key, "");
        let_go(p, of[i], RT_S);
    }
    return any;
}

/* Rows before `to` in that shard cannot be read: whoever may have some there comes back. */
static void note_hole(struct pass *p, int at, int stream, struct slice to)
{
    for (size_t i = 0; i < p->n && order(p->v[i], stream, at, to) < 0; i++) {
        struct left_rows *x = rows_of(p->v[i]);
        if (x->from < x->later) x->later = x->from;
        if (x->to > x->later_to) x->later_to = x->to;
        p->v[i]->damaged = true;
    }
}

/* A shard that cannot be read: whoever has something there goes on in the next one, and comes back. */
static void step_over(struct pass *p, const struct shard *s, int at, int stream, int e)
{
    if (!p->told)
        log_warn("queue", "what was left in the schedule of %s cannot be read: %s", s->object, err_text(e));
    p->told = true;
    while (p->n && order(p->v[0], stream, at + 1, SL("")) < 0) {
        struct left_rows *x = rows_of(p->v[0]);
        if (x->from < x->later) x->later = x->from;
        if (x->to > x->later_to) x->later_to = x->to;
        x->at++;
        x->key[0] = 0;
        p->v[0]->damaged = true;
        sort_in(p, p->v[0]);
    }
}

/* Of the first of them, and what lies there of the others. */
static int read_some(struct pass *p)
{
    struct arena rows = {0};
    struct kv_page page = {0};
    struct ahead *h = p->h;
    char from[READY_KEY], to[READY_KEY] = "";
    int at = rows_of(p->v[0])->at, stream = p->v[0]->stream;
    struct shard *s = &h->q->shard[h->loop + at * h->q->nloops];
    bool any = false, hole;
    (void)seek(p, p->v[0], to); /* it stands where something may be: for where that ends */
    if (!ready_has_memory(h->ready, (enum stream)stream, h->ready->items_most / MEMORY_PART)) {
        let_go(p, p->v[0], RT_S);
        return 0;
    }
    put_key(from, sl_cstr(rows_of(p->v[0])->key), "");
    int e = kv_scan_over(h->q->store->kv, shard_object(s), sl_cstr(from), sl_cstr(to), ROWS_AT_ONCE, &rows,
                         &page, &hole);
    h->ready->looked += page.n;
    if (!e && hole) note_hole(p, at, stream, page.n ? page.row[page.n - 1].key : sl_cstr(to));
    for (size_t i = 0; !e && i < page.n; i++) any |= take_row(p, s, at, &page.row[i]);
    if (!e && page.more) put_key(to, page.row[page.n - 1].key, " ");
    while (!e && p->n && order(p->v[0], stream, at, sl_cstr(to)) < 0) {
        put_key(rows_of(p->v[0])->key, sl_cstr(to), "");
        sort_in(p, p->v[0]);
    }
    if (e && e != ERR_CANCELED) step_over(p, s, at, stream, e);
    ar_free(&rows);
    if (any) waitq_wake_all(h->news);
    return e == ERR_CANCELED ? e : 0;
}

bool refill(struct ahead *h)
{
    struct arena a = {0};
    struct pass p = {.h = h, .now = rt_wall_seconds(), .v = ar_array(&a, struct crowd *, CROWDS_AT_ONCE)};
    int e = 0;
    gather(&p);
    bool any = p.n > 0;
    for (int i = 0; !e && p.n && i < TURNS; i++) {
        e = read_some(&p);
        fiber_breathe();
    }
    while (p.n) let_go(&p, p.v[0], e ? AGAIN_AFTER_ERROR_S * RT_S : 0);
    ar_free(&a);
    return any;
}
