/* refill.c - reading again what a line, hop or sender (struct crowd) left on the disk. All that want it at a
 * moment are read for in one pass: each from where it stopped the last time, as far as something of it was
 * left, the shards of a loop in turn; a row is looked at once for all of them. So what a letter costs grows
 * neither with the queue nor with how many wait. */
#include "refill.h"

#include <stdio.h>

#include "base/log.h"

enum {
    CROWDS_AT_ONCE = 1000,
    ROWS_AT_ONCE = 250,
    MEMORY_PART = 64, /* is to be free: it is not read for one letter at a time */
    TURNS = 100,      /* then others have theirs: what has become due, say */
    AGAIN_AFTER_ERROR_S = 10,
};

struct pass {
    struct ahead *h;
    int64_t now;      /* unix seconds */
    struct crowd **v; /* in order of where they stand */
    size_t n;
};

/* ---- where a crowd stands ---- */

static int order(const struct crowd *c, int at, struct slice key)
{
    return c->at != at ? c->at - at : sl_cmp(sl_cstr(c->key), key);
}

static void put_key(char out[READY_KEY], struct slice key, const char *behind)
{
    snprintf(out, READY_KEY, "%.*s%s", SLF(key), behind);
}

/* What it left of a stream that is due by now: to = where that ends, in its shard. False: nothing, from where
 * it stands on. */
static bool range(const struct crowd *c, enum stream s, int64_t now, char from[READY_KEY], char to[READY_KEY])
{
    struct arena a = {0};
    int64_t last = c->to[s] < now ? c->to[s] : now;
    bool any = c->from[s] <= last;
    if (any) {
        put_key(from, queue_key_due_from(&a, s, c->from[s]), "");
        put_key(to, queue_key_due_from(&a, s, last + 1), "");
        any = strcmp(c->key, to) < 0;
    }
    ar_free(&a);
    return any;
}

/* To the next place where something of it may be, of which stream, and to where. False: there is none. */
static bool seek(const struct pass *p, struct crowd *c, enum stream *of, char to[READY_KEY])
{
    char from[READY_KEY];
    const struct queue *q = p->h->q;
    for (; p->h->loop + c->at * q->nloops < q->nshards; c->at++, c->key[0] = 0)
        for (int s = 0; s < STREAMS; s++)
            if (range(c, (enum stream)s, p->now, from, to)) {
                if (strcmp(c->key, from) < 0) put_key(c->key, sl_cstr(from), "");
                *of = (enum stream)s;
                return true;
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
    crowd_done(p->h->ready, c);
}

/* All of its rows were looked at: what was left meanwhile is for the next time, and what was left while the
 * clock was ahead. */
static void finish(struct pass *p, struct crowd *c)
{
    c->left = false;
    for (int s = 0; s < STREAMS; s++) {
        bool ahead = c->to[s] != INT64_MIN && c->to[s] > p->now;
        if (ahead && c->from[s] <= p->now) c->from[s] = p->now + 1;
        if (!ahead || c->later[s] < c->from[s]) c->from[s] = c->later[s];
        if (!ahead || c->later_to[s] > c->to[s]) c->to[s] = c->later_to[s];
        c->later[s] = INT64_MAX;
        c->later_to[s] = INT64_MIN;
        c->left |= c->from[s] != INT64_MAX;
    }
    c->at = 0;
    c->key[0] = 0;
    let_go(p, c, crowd_full(c) ? 0 : RT_S);
}

/* Where it stands has changed, forwards. */
static void sort_in(struct pass *p, struct crowd *c)
{
    char to[READY_KEY];
    enum stream of;
    size_t i = 0;
    if (!seek(p, c, &of, to)) {
        finish(p, c);
        return;
    }
    while (p->v[i] != c) i++;
    for (; i + 1 < p->n && order(p->v[i + 1], c->at, sl_cstr(c->key)) < 0; i++) p->v[i] = p->v[i + 1];
    p->v[i] = c;
}

static void add(struct pass *p, struct crowd *c)
{
    heap_remove(&p->h->ready->hungry, &c->hungry);
    c->reading = true;
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
    LIST_EACH(struct crowd, c, &r->crowds, link)
    if (p->n < CROWDS_AT_ONCE && !c->reading && c->not_before <= now && crowd_has_room(c)) add(p, c);
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
        if (all[i] && all[i]->reading && order(all[i], at, key) <= 0) of[n++] = all[i];
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
        if (!crowd_full(of[i])) {
            of[left++] = of[i];
            continue;
        }
        put_key(of[i]->key, row->key, "");
        let_go(p, of[i], 0);
    }
    if (left) any = ready_add(p->h->ready, s, &d, row->key) != NO_ROOM;
    for (size_t i = 0; i < left && !any; i++) {
        put_key(of[i]->key, row->key, "");
        let_go(p, of[i], RT_S);
    }
    return any;
}

/* Of the first of them, and what lies there of the others. */
static int read_some(struct pass *p)
{
    struct arena rows = {0};
    struct kv_page page = {0};
    struct ahead *h = p->h;
    char from[READY_KEY], to[READY_KEY] = "";
    int at = p->v[0]->at;
    struct shard *s = &h->q->shard[h->loop + at * h->q->nloops];
    enum stream of = STREAM_BULK;
    bool any = false;
    (void)seek(p, p->v[0], &of, to); /* it stands where something may be: for where that ends */
    if (!ready_has_memory(h->ready, of, h->ready->items_most / MEMORY_PART)) {
        let_go(p, p->v[0], RT_S);
        return 0;
    }
    put_key(from, sl_cstr(p->v[0]->key), "");
    int e = kv_scan(h->q->store->kv, shard_object(s), sl_cstr(from), sl_cstr(to), ROWS_AT_ONCE, &rows, &page);
    h->ready->looked += page.n;
    for (size_t i = 0; !e && i < page.n; i++) any |= take_row(p, s, at, &page.row[i]);
    if (!e && page.more) put_key(to, page.row[page.n - 1].key, " ");
    while (!e && p->n && order(p->v[0], at, sl_cstr(to)) < 0) {
        put_key(p->v[0]->key, sl_cstr(to), "");
        sort_in(p, p->v[0]);
    }
    ar_free(&rows);
    if (any) waitq_wake_all(h->news);
    return e;
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
    if (e && e != ERR_CANCELED)
        log_warn("queue", "what was left in the schedule cannot be read: %s", err_text(e));
    while (p.n) let_go(&p, p.v[0], e ? AGAIN_AFTER_ERROR_S * RT_S : 0);
    ar_free(&a);
    return any;
}
