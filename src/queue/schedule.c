/* schedule.c - what to try next, in one shard: the schedule rows, read in order of time,
 * in bounded portions, and started fairly by next hop.
 *
 * In memory are only groups that are due: at most HOP_READY of one next hop and ITEMS_MAX in
 * all. What does not fit stays in its row; `cursor` remembers from where on to read. A
 * next hop has few attempts under way at once, and one only while its last attempt reached
 * no server, so that neither a slow nor a dead one takes the places of the others. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "queue_i.h"
#include "trace/trace.h"

enum {
    UNDER_WAY_MAX = 250, /* attempts at once in a shard */
    HOP_UNDER_WAY = 8,
    HOP_READY = 200,
    ITEMS_MAX = 5000,
    PAGE = 500,
    LOOK_AT_LEAST_S = 300, /* the schedule is read again after so long without a reason */
    AGAIN_AFTER_ERROR_S = 10,
    HOP_REMEMBER_S = 900,
    HOPS_REMEMBERED = 20000,
};
#define FIRST_KEY "d"

struct item {
    struct link link; /* in its hop's ready list */
    struct hop *hop;
    struct shard *shard;
    struct letter_id id;
    uint32_t g;
    int64_t due;           /* the time in the schedule row it was read from */
    bool under_way, again; /* again: offered anew while it was under way */
};
struct hop {
    struct link link;  /* in shard->ready, when something can be started */
    struct link items; /* ready ones */
    size_t nready, under_way;
    bool failing;       /* the last attempt reached no server */
    int64_t last;       /* rt_now() of the last end of an attempt */
    int64_t not_before; /* rt_now() */
    char cursor[48];    /* from here on its rows were left on the disk; "" = none were */
    char *name;
};

static struct slice item_key(const struct letter_id *id, uint32_t g, char text[32])
{
    return sl(text, (size_t)snprintf(text, 32, "%s/%05u", id->s, g));
}

/* Leaves a row on the disk, to be read again from there. */
static void leave(char cursor[48], struct slice key)
{
    if (cursor[0] && sl_cmp(sl_cstr(cursor), key) <= 0) return;
    snprintf(cursor, 48, "%.*s", SLF(key));
}

/* ---- next hops ---- */

static struct hop *hop_get(struct shard *s, struct slice name)
{
    struct hop *h = map_get(&s->hops, name);
    if (h) return h;
    h = xcalloc(1, sizeof *h);
    h->name = xstrndup(name.p, name.n);
    list_init(&h->link);
    list_init(&h->items);
    map_put(&s->hops, name, h);
    return h;
}

/* Its rows from key on are left on the disk, to be read when there is room again. */
static void hop_leave(struct shard *s, struct hop *h, struct slice key)
{
    if (!h->cursor[0]) s->hops_left++;
    leave(h->cursor, key);
}

static void hop_free(struct shard *s, struct hop *h)
{
    list_remove(&h->link);
    map_del(&s->hops, sl_cstr(h->name));
    free(h->name);
    free(h);
}

/* Puts it into, or takes it from, the round of those with something to start. */
static void hop_place(struct shard *s, struct hop *h)
{
    bool can = h->nready && h->under_way < (h->failing ? 1 : HOP_UNDER_WAY);
    if (!can) list_remove(&h->link);
    else if (list_empty(&h->link)) list_push(&s->ready, &h->link);
    bool remember = h->failing && s->hops.count < HOPS_REMEMBERED;
    if (!h->nready && !h->under_way && !h->cursor[0] && !remember) hop_free(s, h);
}

/* ---- items ---- */

/* A group that is due. key: of its schedule row. False: there is no room for anything. */
static bool item_add(struct shard *s, struct slice key, const struct letter_id *id, uint32_t g,
                     struct slice hop)
{
    char text[32];
    struct slice k = item_key(id, g, text);
    struct item *it = map_get(&s->items, k);
    if (it) {
        it->again = it->under_way;
        return true;
    }
    if (s->items.count >= ITEMS_MAX) return false;
    struct hop *h = hop_get(s, hop);
    if (h->nready >= HOP_READY || h->cursor[0]) {
        hop_leave(s, h, key);
        return true;
    }
    it = xcalloc(1, sizeof *it);
    *it = (struct item){.hop = h, .shard = s, .id = *id, .g = g};
    struct letter_id same;
    (void)queue_key_due_parse(key, &it->due, &same, &g);
    list_push(&h->items, &it->link);
    h->nready++;
    map_put(&s->items, k, it);
    hop_place(s, h);
    return true;
}

static void item_free(struct shard *s, struct item *it)
{
    char text[32];
    map_del(&s->items, item_key(&it->id, it->g, text));
    free(it);
}

/* ---- reading the schedule ---- */

/* The rows of one page. False: there was no room for the row that cursor now names. */
static bool take_page(struct shard *s, const struct kv_page *page, char cursor[48], struct hop *only)
{
    for (size_t i = 0; i < page->n; i++) {
        int64_t due;
        struct letter_id id;
        uint32_t g;
        struct slice key = page->row[i].key, hop = page->row[i].value;
        bool wanted = queue_key_due_parse(key, &due, &id, &g) && (!only || sl_eq(hop, sl_cstr(only->name)));
        bool full = wanted && ((only && only->nready >= HOP_READY) || !item_add(s, key, &id, g, hop));
        snprintf(cursor, 48, "%.*s%s", SLF(key), full ? "" : " "); /* with a blank: the least key after it */
        if (full) return false;
    }
    return true;
}

/* Rows from cursor on that are due, of one next hop or (only == NULL) of all; cursor becomes
 * where to go on. 1: there was no room for all of them. */
static int read_rows(struct shard *s, char cursor[48], struct hop *only, int64_t now)
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    bool room = true;
    int e = 0;
    while (!e && room && page.more) {
        ar_reset(&a);
        struct slice from = ar_dup(&a, sl_cstr(cursor[0] ? cursor : FIRST_KEY));
        struct slice to = ar_printf(&a, "d%012lld", (long long)now + 1);
        e = kv_scan(s->q->store->kv, shard_object(s), from, to, PAGE, &a, &page);
        if (!e) room = take_page(s, &page, cursor, only);
        fiber_breathe();
    }
    ar_free(&a);
    return e ? e : !room;
}

/* *after: seconds until the first row after `now` is due. */
static int next_due(struct shard *s, int64_t now, int64_t *after)
{
    struct arena a = {0};
    struct kv_page page;
    struct letter_id id;
    uint32_t g;
    *after = LOOK_AT_LEAST_S;
    int e = kv_scan(s->q->store->kv, shard_object(s), ar_printf(&a, "d%012lld", (long long)now + 1), SL("e"),
                    1, &a, &page);
    int64_t due;
    if (!e && page.n && queue_key_due_parse(page.row[0].key, &due, &id, &g) && due - now < *after)
        *after = due - now;
    ar_free(&a);
    return e;
}

/* Rows later than anything waits were written by a clock that was wrong: they are due. 1: there are more. */
static int read_impossible(struct shard *s, int64_t now)
{
    struct arena a = {0};
    struct kv_page page;
    bool more = false;
    struct slice from = ar_printf(&a, "d%012lld", (long long)(now + retry_longest(s->q) + 1));
    int e = kv_scan(s->q->store->kv, shard_object(s), from, SL("e"), PAGE, &a, &page);
    for (size_t i = 0; !e && i < page.n; i++) {
        int64_t due;
        struct letter_id id;
        uint32_t g;
        struct slice key = page.row[i].key;
        bool known = queue_key_due_parse(key, &due, &id, &g);
        if (known && !item_add(s, key, &id, g, page.row[i].value)) more = true;
    }
    more |= !e && page.more;
    ar_free(&a);
    return e ? e : more;
}

/* Next hops that failed and that nobody has asked for since. */
static void forget_failures(struct shard *s, int64_t now)
{
    struct map_iter it = {0};
    while (map_next(&s->hops, &it)) {
        struct hop *h = it.value;
        if (h->failing && !h->nready && !h->under_way && now - h->last > HOP_REMEMBER_S * RT_S)
            h->failing = false;
        hop_place(s, h);
    }
}

/* The schedule is to be read in so many seconds, if not before. */
static void look_in(struct shard *s, int64_t seconds)
{
    int64_t at = rt_now() + seconds * RT_S;
    if (at < s->look_at) s->look_at = at;
}

/* Reads on in the rows of all; afterwards s->look_at says when to look again. */
static void read_schedule(struct shard *s)
{
    int64_t now = rt_wall_seconds();
    s->again = false;
    s->look_at = INT64_MAX;                    /* offers that come while this reads move it back */
    if (s->items.count == 0) s->cursor[0] = 0; /* nothing is in memory: what was passed over is found now */
    int64_t next = AGAIN_AFTER_ERROR_S;
    int e = read_rows(s, s->cursor, NULL, now);
    if (e == 1) s->again = true;
    if (e >= 0) e = next_due(s, now, &next);
    if (e >= 0) e = read_impossible(s, now);
    if (e == 1) next = AGAIN_AFTER_ERROR_S;
    if (e < 0 && e != ERR_CANCELED)
        log_warn("queue", "cannot read the schedule of %s: %s", s->object, err_text(e));
    look_in(s, next);
    forget_failures(s, rt_now());
}

static void refill_hop(struct shard *s, struct hop *h, int64_t now)
{
    char cursor[48];
    memcpy(cursor, h->cursor, sizeof cursor);
    h->cursor[0] = 0;
    s->hops_left--;
    h->not_before = rt_now() + RT_S;
    h->under_way++; /* it must not go while this suspends */
    int e = read_rows(s, cursor, h, now);
    if (e) hop_leave(s, h, sl_cstr(cursor));
    if (e < 0) h->not_before = rt_now() + AGAIN_AFTER_ERROR_S * RT_S;
    else if (h->nready >= HOP_READY) h->not_before = rt_now();
    h->under_way--;
}

/* Next hops of which rows were left on the disk. */
static void tend_hops(struct shard *s)
{
    struct map_iter it = {0};
    while (map_next(&s->hops, &it)) {
        struct hop *h = it.value;
        if (h->cursor[0] && h->nready < HOP_READY / 4 && rt_now() >= h->not_before) {
            refill_hop(s, h, rt_wall_seconds());
            it = (struct map_iter){0}; /* the map may have changed meanwhile */
        }
        hop_place(s, h);
    }
}

/* ---- attempts ---- */

struct quarantine {
    const struct item *it;
    bool taken;
};

static int quarantine_tx(struct kv_tx *tx, void *arg)
{
    struct quarantine *q = arg;
    struct arena a = {0};
    int e = queue_tx_quarantine(tx, &a, &q->it->id, q->it->g, q->it->due, &q->taken);
    ar_free(&a);
    return e;
}

/* Its rows cannot be read, or it came to its end meanwhile: then nothing is left in the schedule. What
 * is there is taken out, so that neither this one is tried for ever nor others wait for it. */
static int quarantine(struct shard *s, const struct item *it, int why)
{
    struct arena a = {0};
    struct slice row;
    struct quarantine q = {.it = it};
    char text[ERR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", err_text(why));
    int e = kv_get(s->q->store->kv, shard_object(s), queue_key_due(&a, it->due, &it->id, it->g), &a, &row);
    ar_free(&a);
    if (e) return e == ERR_NOT_FOUND && why == ERR_NOT_FOUND ? 0 : e == ERR_NOT_FOUND ? why : e;
    e = kv_transact(s->q->store->kv, shard_object(s), quarantine_tx, &q);
    if (e || !q.taken) return e ? e : why;
    log_error("queue",
              "%s: a row of this letter is damaged or missing (%s); it is not tried any more, see `tram "
              "queue show %s`",
              it->id.s, text, it->id.s);
    trace_addf(s->q->store->trace, &it->id, TRACE_HELD, SL(""),
               "a row of it is damaged or missing: %s; it is not tried any more, an operator can drop it",
               text);
    return 0;
}

static bool is_unreadable(int e) { return e == ERR_NOT_FOUND || e == ERR_CORRUPT || e == ERR_VERSION; }

static void attempt(void *arg)
{
    struct item *it = arg;
    struct shard *s = it->shard;
    struct hop *h = it->hop;
    bool reached = true;
    int e = work_group(s, &it->id, it->g, &reached);
    if (is_unreadable(e)) e = quarantine(s, it, e);
    struct letter_id id = it->id;
    uint32_t g = it->g;
    bool again = it->again;
    item_free(s, it);
    s->under_way--;
    h->under_way--;
    h->failing = !reached;
    h->last = rt_now();
    if (is_unreadable(e)) { /* it is read again from its true place in the schedule */
        log_warn("queue", "%s: a row of this letter cannot be read: %s", id.s, err_text(e));
    } else if (e && !s->stopping) {
        log_warn("queue", "%s: the state of the attempt could not be recorded: %s", id.s, err_text(e));
        hop_leave(s, h, sl_cstr(FIRST_KEY));
        h->not_before = h->last + AGAIN_AFTER_ERROR_S * RT_S;
        look_in(s, AGAIN_AFTER_ERROR_S);
    } else if (again) {
        struct arena a = {0};
        struct slice key = queue_key_due(&a, rt_wall_seconds(), &id, g);
        if (!item_add(s, key, &id, g, sl_cstr(h->name))) {
            leave(s->cursor, key);
            s->again = true;
        }
        ar_free(&a);
    }
    hop_place(s, h);
    waitq_wake_all(&s->news);
}

static void start_ready(struct shard *s)
{
    while (s->under_way < UNDER_WAY_MAX && !list_empty(&s->ready)) {
        struct hop *h = CONTAINER_OF(list_shift(&s->ready), struct hop, link);
        struct item *it = CONTAINER_OF(list_shift(&h->items), struct item, link);
        h->nready--;
        it->under_way = true;
        if (group_go(&s->fibers, "delivery", attempt, it) != 0) { /* no stack left: later */
            it->under_way = false;
            list_unshift(&h->items, &it->link);
            h->nready++;
            hop_place(s, h);
            return;
        }
        h->under_way++;
        s->under_way++;
        hop_place(s, h);
    }
}

static bool hops_waiting(struct shard *s)
{
    struct map_iter it = {0};
    while (s->hops_left && map_next(&s->hops, &it)) {
        struct hop *h = it.value;
        if (h->cursor[0] && h->nready < HOP_READY / 4 && rt_now() >= h->not_before) return true;
    }
    return false;
}

static void forget_old(struct shard *s)
{
    s->forget_at = rt_now() + 3600 * RT_S;
    int e = queue_forget_names(s);
    if (e && e != ERR_CANCELED) log_warn("queue", "cannot tidy %s: %s", s->object, err_text(e));
}

static void scheduler(void *arg)
{
    struct shard *s = arg;
    while (!s->stopping && !fiber_canceled()) {
        bool room = s->items.count < ITEMS_MAX / 2;
        if (rt_now() >= s->forget_at) forget_old(s);
        if ((s->again && room) || rt_now() >= s->look_at) read_schedule(s);
        if (hops_waiting(s)) tend_hops(s);
        start_ready(s);
        int64_t left = s->look_at - rt_now();
        if (left < RT_S) left = RT_S;
        if (left > LOOK_AT_LEAST_S * RT_S) left = LOOK_AT_LEAST_S * RT_S;
        int64_t before = deadline_narrow(DEADLINE_IN(left));
        int e = waitq_wait(&s->news);
        deadline_restore(before);
        if (e == ERR_CANCELED) break;
    }
}

/* ---- from outside ---- */

static void offer_here(struct shard *s, int64_t due, const struct letter_id *id, uint32_t g, struct slice hop)
{
    if (!s->running || s->stopping) return; /* found in the schedule at the start */
    int64_t now = rt_wall_seconds();
    due = queue_time(s->q, due, now);
    if (due > now) {
        look_in(s, due - now);
    } else {
        struct arena a = {0};
        struct slice key = queue_key_due(&a, due, id, g);
        if (!item_add(s, key, id, g, hop)) {
            leave(s->cursor, key);
            s->again = true;
        }
        ar_free(&a);
    }
    waitq_wake_all(&s->news);
}

struct offer {
    struct shard *s;
    int64_t due;
    struct letter_id id;
    uint32_t g;
    size_t n;
    char hop[];
};

static void offer_arrives(void *arg)
{
    struct offer *o = arg;
    offer_here(o->s, o->due, &o->id, o->g, sl(o->hop, o->n));
    free(o);
}

void schedule_offer(struct shard *s, int64_t due, const struct letter_id *id, uint32_t g, struct slice hop)
{
    if (rt_loop_id() == s->loop) {
        offer_here(s, due, id, g, hop);
        return;
    }
    struct offer *o = xmalloc(sizeof *o + hop.n);
    *o = (struct offer){s, due, *id, g, hop.n};
    memcpy(o->hop, hop.p, hop.n);
    rt_post(s->loop, offer_arrives, o);
}

bool schedule_sending(struct shard *s, const struct letter_id *id, uint32_t g)
{
    char text[32];
    struct item *it = s->running ? map_get(&s->items, item_key(id, g, text)) : NULL;
    return it && it->under_way;
}

int schedule_start(struct shard *s)
{
    map_init(&s->items, false);
    map_init(&s->hops, true);
    list_init(&s->ready);
    waitq_init(&s->news);
    group_init(&s->fibers);
    group_init(&s->scheduler);
    s->look_at = 0;
    s->running = true;
    return group_go(&s->scheduler, "schedule", scheduler, s);
}

void schedule_stop(struct shard *s, int64_t until)
{
    if (!s->running) return;
    s->stopping = true;
    waitq_wake_all(&s->news);
    group_wait(&s->scheduler);
    int64_t before = deadline_narrow(until);
    group_wait(&s->fibers); /* past the deadline the attempts are cut short */
    deadline_restore(before);
    s->running = false;
    struct map_iter it = {0};
    while (map_next(&s->items, &it)) free(it.value);
    map_free(&s->items);
    it = (struct map_iter){0};
    while (map_next(&s->hops, &it)) {
        struct hop *h = it.value;
        free(h->name);
        free(h);
    }
    map_free(&s->hops);
}
