/* ahead.c - reading the schedule. Each shard is read in order of stream and time, in portions, the shards of
 * a loop in turn; `cursor` remembers from where on. What finds no room stays in its row: of one line, hop or
 * sender until there is room for its like (refill.c), of all until there is room for anything. */
#include "ahead.h"

#include <stdio.h>

#include "base/log.h"
#include "pages.h"
#include "refill.h"

enum {
    PORTION = 100,         /* rows of a shard and stream in one go */
    LOOK_AT_LEAST_S = 300, /* a shard is read again after so long without a reason */
    AGAIN_AFTER_ERROR_S = 10,
    MEMORY_PART = 64, /* is little room */
    LITTLE_S = 5,     /* between readings for that; twice as long each time that they bring nothing, */
    VAIN_MOST = 7,    /* so often */
};
#define NOTHING "~" /* a cursor behind all rows */

void ahead_init(struct ahead *h, struct queue *q, struct ready *r, struct waitq *news, int loop)
{
    *h = (struct ahead){.q = q, .ready = r, .news = news, .loop = loop};
    for (int i = loop; i < q->nshards; i += q->nloops) heap_put(&h->shards, &q->shard[i].look, 0);
}

void ahead_free(struct ahead *h)
{
    for (int i = h->loop; i < h->q->nshards; i += h->q->nloops) heap_remove(&h->shards, &h->q->shard[i].look);
    heap_free(&h->shards);
}

static void look_at(struct ahead *h, struct shard *s, int64_t at)
{
    if (at < s->look.key || !s->look.at) heap_put(&h->shards, &s->look, at);
}

/* There may be something due in the shard in so many seconds. */
static void ahead_look_in(struct ahead *h, struct shard *s, int64_t seconds)
{
    look_at(h, s, rt_now() + (seconds > LOOK_AT_LEAST_S ? LOOK_AT_LEAST_S : seconds) * RT_S);
}

/* From key on it is read again. */
static void back_to(struct shard *s, enum stream stream, struct slice key)
{
    char *c = s->cursor[stream];
    if (c[0] && sl_cmp(sl_cstr(c), key) > 0) snprintf(c, sizeof s->cursor[0], "%.*s", SLF(key));
}

static void back_to_due(struct shard *s, const struct q_due *d)
{
    struct arena a = {0};
    back_to(s, d->stream, queue_key_due_from(&a, d->stream, d->due));
    ar_free(&a);
}

void ahead_later(struct ahead *h, struct shard *s, const struct q_due *d, int64_t now)
{
    back_to_due(s, d); /* it was read beyond it while the clock was ahead */
    ahead_look_in(h, s, d->due - now);
}

/* Did something of it find no room? */
static void set_again(struct ahead *h, struct shard *s, bool again)
{
    h->nagain += again - s->again;
    s->again = again;
}

void ahead_leave(struct ahead *h, struct shard *s, const struct q_due *d)
{
    back_to_due(s, d);
    set_again(h, s, true);
}

static void from_the_first(struct shard *s)
{
    for (int i = 0; i < STREAMS; i++) s->cursor[i][0] = 0;
}

void ahead_restart(struct ahead *h)
{
    for (int i = h->loop; i < h->q->nshards; i += h->q->nloops) {
        from_the_first(&h->q->shard[i]);
        ahead_look_in(h, &h->q->shard[i], 0);
    }
}

void ahead_error(struct ahead *h, struct shard *s)
{
    from_the_first(s);
    ahead_look_in(h, s, AGAIN_AFTER_ERROR_S);
}

/* ---- a shard ---- */

static enum added add_row(struct ahead *h, struct shard *s, const struct kv_row *row)
{
    struct q_due d;
    if (q_due_get(row->key, row->value, &d) != 0) return ADDED; /* `tram verify` tells of it */
    return ready_add(h->ready, s, &d, row->key);
}

static void note_hole(struct shard *s, enum stream stream, const char *from)
{
    char *hole = s->hole[stream];
    if (!hole[0] || strcmp(from, hole) < 0) snprintf(hole, sizeof s->hole[0], "%s", from);
    if (!s->hole_at) s->hole_at = rt_now() + LOOK_AT_LEAST_S * RT_S;
}

/* What could not be read perhaps can now. */
static void try_holes(struct shard *s)
{
    if (!s->hole_at || rt_now() < s->hole_at) return;
    for (int i = 0; i < STREAMS; i++) {
        if (s->hole[i][0]) back_to(s, (enum stream)i, sl_cstr(s->hole[i]));
        s->hole[i][0] = 0;
    }
    s->hole_at = 0;
}

/* Rows of a stream in [from, to), a portion of them; from becomes where to go on: behind what cannot be read,
 * too. 0, 1: there are more, 2: there was no room for all; or an error. */
static int read_rows(struct ahead *h, struct shard *s, enum stream stream, char from[48], struct slice to)
{
    struct arena a = {0};
    struct kv_page page = {0};
    bool room = true, hole;
    int e = kv_scan_over(h->q->store->kv, shard_object(s), sl_cstr(from), to, PORTION, &a, &page, &hole);
    h->ready->looked += page.n;
    if (hole) note_hole(s, stream, from);
    if (hole && !e && !page.n) snprintf(from, 48, "%.*s", SLF(to));
    for (size_t i = 0; !e && room && i < page.n; i++) {
        room = add_row(h, s, &page.row[i]) != NO_ROOM;
        snprintf(from, 48, "%.*s%s", SLF(page.row[i].key),
                 room ? " " : ""); /* with a blank: the least after it */
    }
    ar_free(&a);
    if (page.n) waitq_wake_all(h->news);
    return e ? e : !room ? 2 : page.more;
}

/* What is due of a stream; its cursor goes on, but not over what is left behind it meanwhile. */
static int read_stream(struct ahead *h, struct shard *s, enum stream stream, int64_t now)
{
    struct arena a = {0};
    char from[48];
    struct slice first = queue_key_due_from(&a, stream, 0);
    snprintf(from, sizeof from, "%.*s", SLF(s->cursor[stream][0] ? sl_cstr(s->cursor[stream]) : first));
    snprintf(s->cursor[stream], sizeof s->cursor[stream], NOTHING);
    int e = read_rows(h, s, stream, from, queue_key_due_from(&a, stream, now + 1));
    back_to(s, stream, sl_cstr(from));
    ar_free(&a);
    return e;
}

/* Rows later than anything waits were written by a clock that was wrong: they are due. */
static int read_impossible(struct ahead *h, struct shard *s, enum stream stream, int64_t now)
{
    struct arena a = {0};
    char from[48];
    snprintf(from, sizeof from, "%.*s", SLF(queue_key_due_from(&a, stream, now + retry_longest(s->q) + 1)));
    int e = read_rows(h, s, stream, from, queue_key_due_from(&a, stream + 1, 0));
    ar_free(&a);
    return e;
}

/* Seconds until the first row after `now` is due. */
static int next_due(struct shard *s, enum stream stream, int64_t now, int64_t *after)
{
    struct arena a = {0};
    struct kv_page page;
    struct q_due d;
    bool hole;
    int e = kv_scan_over(s->q->store->kv, shard_object(s), queue_key_due_from(&a, stream, now + 1),
                         queue_key_due_from(&a, stream + 1, 0), 1, &a, &page, &hole);
    if (!e && page.n && q_due_get(page.row[0].key, page.row[0].value, &d) == 0 && d.due - now < *after)
        *after = d.due - now;
    ar_free(&a);
    return e;
}

static void forget_names(struct shard *s)
{
    if (rt_now() < s->forget_at) return;
    s->forget_at = rt_now() + 3600 * RT_S;
    int e = queue_forget_names(s);
    if (!e) e = queue_pages_care(s, false);
    if (e && e != ERR_CANCELED) log_warn("queue", "cannot tidy %s: %s", s->object, err_text(e));
}

static void read_shard(struct ahead *h, struct shard *s)
{
    int64_t now = rt_wall_seconds(), next = LOOK_AT_LEAST_S;
    bool more = false;
    int e = 0;
    forget_names(s);
    if (h->ready->items.count == 0 && list_empty(&h->ready->crowds))
        from_the_first(s);                   /* what was passed
                                               over is found now */
    if (now < s->read_at) from_the_first(s); /* the clock was ahead, and what came since lies before that */
    s->read_at = now;
    try_holes(s);
    set_again(h, s, false);
    heap_put(&h->shards, &s->look, RT_NEVER); /* offers that come while this reads move it back */
    for (int i = 0; e >= 0 && i < STREAMS; i++) {
        e = read_stream(h, s, (enum stream)i, now);
        more |= e == 1;
        if (e == 2) set_again(h, s, true);
        if (e >= 0) e = next_due(s, (enum stream)i, now, &next);
        if (e >= 0) e = read_impossible(h, s, (enum stream)i, now);
        if (e > 0) next = AGAIN_AFTER_ERROR_S;
    }
    if (e < 0 && e != ERR_CANCELED)
        log_warn("queue", "cannot read the schedule of %s: %s", s->object, err_text(e));
    ahead_look_in(h, s, e < 0 ? AGAIN_AFTER_ERROR_S : more ? 0 : next);
}

/* ---- who is next ---- */

/* rt_now(): when a shard is read of which not all found room. At once when there is much again; what is in
 * memory may be all for sites that take long, so for little room, too, but less often. */
static int64_t hungry_at(const struct ahead *h)
{
    const struct ready *r = h->ready;
    if (!h->nagain) return RT_NEVER;
    bool many = r->ncrowds >= r->items_most; /* sites and senders that left something on the disk */
    if (r->items.count < r->items_most / 2 && !many) return rt_now();
    if (!ready_has_memory(r, STREAM_TRANSACTIONAL, r->items_most / MEMORY_PART)) return RT_NEVER;
    return h->little_before > rt_now() ? h->little_before : rt_now();
}

/* The first of them from h->next on, which becomes the one behind it. */
static struct shard *hungry_shard(const struct ahead *h, int *next)
{
    int n = (h->q->nshards - h->loop + h->q->nloops - 1) / h->q->nloops;
    for (int i = 0; i < n; i++) {
        struct shard *s = &h->q->shard[h->loop + (h->next + i) % n * h->q->nloops];
        if (!s->again) continue;
        *next = (h->next + i + 1) % n;
        return s;
    }
    return NULL;
}

bool ahead_read(struct ahead *h)
{
    bool any = refill(h);
    struct heap_node *first = heap_least(&h->shards);
    bool due = first && first->key <= rt_now(), hungry = !due && hungry_at(h) <= rt_now();
    struct shard *s = due      ? CONTAINER_OF(first, struct shard, look)
                      : hungry ? hungry_shard(h, &h->next)
                               : NULL;
    size_t before = h->ready->items.count;
    if (s) read_shard(h, s);
    if (s && hungry) {
        h->vain = h->ready->items.count > before ? 0 : h->vain + (h->vain < VAIN_MOST);
        h->little_before = rt_now() + (LITTLE_S * RT_S << h->vain);
    }
    return any || s;
}

int64_t ahead_next(const struct ahead *h)
{
    const struct heap_node *shard = heap_least(&h->shards), *crowd = heap_least(&h->ready->hungry);
    int64_t next = shard ? shard->key : RT_NEVER, again = hungry_at(h);
    if (again < next) next = again;
    return crowd && crowd->key < next ? crowd->key : next;
}
