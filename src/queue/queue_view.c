/* queue_view.c - seeing and steering: what waits and why; retry, hold, release, drop. */
#include <stdio.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "kv/record.h"
#include "pages.h"
#include "queue_i.h"
#include "queue_walk.h"
#include "trace/trace.h"

enum { ACT_CHUNK = 500, DUE_COUNT_MAX = 100000 };

/* ---- seeing ---- */

/* What only the schedule knows, asked for on its loop. */
struct schedule_ask {
    struct shard *s;
    const struct q_envelope *e;
    const struct q_group *group; /* by number; those that could be read */
    size_t groups;
    const struct q_rcpt *rcpt;
    size_t n;
    struct arena *a;
    bool *sending;
    struct slice *why; /* of those that are due */
};

static int ask_schedule(void *arg)
{
    struct schedule_ask *x = arg;
    int64_t now = rt_wall_seconds();
    for (size_t i = 0; i < x->n; i++) {
        const struct q_rcpt *r = &x->rcpt[i];
        if (r->state != Q_WAITING) continue;
        x->sending[i] = schedule_sending(x->s, &x->e->l.id, r->g);
        const struct q_group *g = r->g < x->groups ? &x->group[r->g] : NULL;
        struct q_due d;
        if (x->sending[i] || !g || !g->hop.n || queue_time(x->s->q, r->next_try, now) > now) continue;
        q_due_of(&d, x->e, g, g->due, false);
        x->why[i] = schedule_why(x->s, &d, x->a);
    }
    return 0;
}

/* hold: why the letter was held when it came. */
static struct slice why(const struct queue *q, struct arena *a, const struct q_rcpt *r, struct slice hold,
                        bool sending, struct slice waits)
{
    char when[CIVIL_TEXT_MAX];
    if (sending) return SL("an attempt is under way");
    if (r->damaged) return SL("its row in the index cannot be read; it can be dropped with its letter");
    switch (r->state) {
    case Q_HELD: return r->barred ? hold : SL("an operator holds it until it is released");
    case Q_FAILED: return SL("it failed for good; the sender is being told");
    case Q_DELIVERED: return SL("it was delivered");
    case Q_BOUNCED: return SL("it failed for good");
    case Q_DROPPED: return SL("an operator threw it away");
    default: break;
    }
    if (waits.n) return waits;
    if (!r->attempts) return SL("it has not been tried yet");
    return ar_printf(a, "%s, it is tried again at %s",
                     r->uncertain ? "the answer to the end of the data was lost" : "it was not taken",
                     civil_format(queue_time(q, r->next_try, rt_wall_seconds()), when));
}

static struct slice state_of(const struct q_rcpt *r, bool sending)
{
    return sending ? SL("sending") : r->damaged ? SL("damaged") : sl_cstr(q_state_word(r->state));
}

struct looking {
    struct arena *a;
    struct slice first; /* the first row that cannot be read */
    size_t bad, groups;
    struct q_group *group; /* by number, as far as they can be read; room for `room` */
    size_t room;
};

static void note_bad(struct looking *x, struct slice key)
{
    if (!x->bad++) x->first = ar_dup(x->a, key);
}

static int look_at_group(struct shard *s, struct looking *x, const struct letter_id *id)
{
    struct slice prefix = ar_printf(x->a, "g%s/", id->s), from = prefix, to = kv_prefix_end(x->a, prefix);
    struct kv_page page = {.more = true};
    struct q_group g;
    int e = 0;
    while (!e && page.more) {
        e = kv_scan(s->q->store->kv, shard_object(s), from, to, KV_PAGE_MAX, x->a, &page);
        for (size_t i = 0; !e && i < page.n; i++, x->groups++) {
            uint64_t n = UINT64_MAX;
            bool good = q_group_get(page.row[i].value, 0, &g) == 0;
            if (!good) note_bad(x, page.row[i].key);
            if (good && num_u64(sl_from(page.row[i].key, 18), 99999, &n) && n < x->room)
                g.n = (uint32_t)n, x->group[n] = g;
        }
        if (!e && page.n) from = kv_after(x->a, page.row[page.n - 1].key);
    }
    return e;
}

/* Which rows of a letter cannot be read; env: 0 or why the envelope could not. */
static int damage_of(struct shard *s, const struct q_envelope *e, int env, const struct q_rcpt *r, size_t n,
                     struct looking *x, struct slice *out)
{
    struct arena *a = x->a;
    *out = SL("");
    if (env) note_bad(x, queue_key_envelope(a, &e->l.id));
    int bad = look_at_group(s, x, &e->l.id);
    for (size_t i = 0; i < n; i++)
        if (r[i].damaged) note_bad(x, r[i].key);
    if (!env && x->groups < e->groups) note_bad(x, ar_printf(a, "g%s/", e->l.id.s));
    if (x->bad)
        *out = ar_printf(a, "%zu of its rows in the index cannot be read or %s missing, the first is %.*s",
                         x->bad, x->bad == 1 ? "is" : "are", SLF(x->first));
    return bad;
}

/* The schedule looks at such a letter now and then; its time is told. */
static void tell_held(struct arena *a, const struct letter_wants *w, struct queue_info *out)
{
    char when[CIVIL_TEXT_MAX];
    for (size_t i = 0; i < out->nrcpt; i++) {
        struct queue_rcpt_info *r = &out->rcpt[i];
        if (!r->next_try || r->attempts) continue;
        r->next_try = w->hold_until;
        r->why = ar_printf(a, "its sender wants it held until %s", civil_format(w->hold_until, when));
    }
}

/* By which sources the groups leave that still have something to send; texts lie in a. */
static struct slice *ways_of(const struct queue *q, const struct q_envelope *e, const struct looking *look,
                             struct arena *a)
{
    struct source_plan *p = source_plan_now(q->sources);
    struct slice *text = ar_array(a, struct slice, look->room);
    for (size_t i = 0; i < look->room; i++) {
        struct q_due d;
        if (!look->group[i].hop.n || look->group[i].closed || look->group[i].local) continue;
        q_due_of(&d, e, &look->group[i], 0, false);
        text[i] = queue_way_text(a, p, &d);
    }
    source_plan_drop(&p);
    return text;
}

/* *bad: the row that damage is told of; or empty. */
static int info_of(struct shard *s, const struct q_envelope *e, int env, struct arena *a,
                   struct queue_info *out, struct slice *bad_row)
{
    struct q_rcpt *r;
    size_t n;
    struct slice damage;
    int bad = queue_load_rcpts(s, &e->l.id, -1, a, &r, &n);
    size_t room = 0; /* rows come in order of group, but for those whose key is damaged */
    for (size_t i = 0; i < n; i++)
        if (r[i].g >= room) room = r[i].g + 1;
    struct looking look = {.a = a, .room = room, .group = ar_array(a, struct q_group, room)};
    if (!bad) bad = damage_of(s, e, env, r, n, &look, &damage);
    *bad_row = look.first;
    if (bad) return bad;
    if (env == ERR_NOT_FOUND && !n && !look.groups) return ERR_NOT_FOUND;
    struct schedule_ask x = {
        s, e, look.group, room, r, n, a, ar_array(a, bool, n), ar_array(a, struct slice, n)};
    rt_call(s->loop, ask_schedule, &x);
    *out = (struct queue_info){.id = e->l.id,
                               .sender = e->l.sender,
                               .message_id = e->l.message_id,
                               .subject = e->l.subject,
                               .received = e->l.received,
                               .expires = e->expires,
                               .size = e->l.made.n ? 0 : body_ref_size(&e->l.body) - e->l.skip,
                               .rcpt = ar_array(a, struct queue_rcpt_info, n),
                               .nrcpt = n,
                               .wants = letter_wants_text(a, &e->l.wants),
                               .damage = damage};
    struct slice *ways = ways_of(s->q, e, &look, a);
    for (size_t i = 0; i < n; i++)
        out->rcpt[i] =
            (struct queue_rcpt_info){.address = r[i].address,
                                     .state = state_of(&r[i], x.sending[i]),
                                     .reply = r[i].reply,
                                     .host = r[i].host,
                                     .class = r[i].class,
                                     .rule = r[i].rule,
                                     .source = r[i].source,
                                     .way = q_is_end(r[i].state) ? SL("") : ways[r[i].g],
                                     .next_try = r[i].state == Q_WAITING || r[i].state == Q_FAILED
                                                     ? queue_time(s->q, r[i].next_try, rt_wall_seconds())
                                                     : 0,
                                     .last_try = r[i].last_try,
                                     .attempts = r[i].attempts,
                                     .uncertain = r[i].uncertain,
                                     .why = why(s->q, a, &r[i], e->l.hold, x.sending[i], x.why[i])};
    if (letter_is_held(&e->l.wants, rt_wall_seconds())) tell_held(a, &e->l.wants, out);
    return 0;
}

static bool is_unreadable(int e) { return e == ERR_NOT_FOUND || err_is_damage(e); }

static int show(struct queue *q, const struct letter_id *id, struct arena *a, struct queue_info *out,
                struct slice *bad_row)
{
    struct shard *s = queue_shard(q, id);
    struct q_envelope e;
    int env = queue_load_envelope(s, id, a, &e), bad;
    bool unseen = env == ERR_NOT_FOUND && queue_pages_unseen(s, id);
    /* the envelope takes the place of the row of what is unseen: it may have come between the two */
    if (env == ERR_NOT_FOUND && !unseen) env = queue_load_envelope(s, id, a, &e);
    bad = env;
    if (!unseen && is_unreadable(env))
        e = (struct q_envelope){.l = {.id = *id, .received = letter_id_time(id)}}, bad = 0;
    if (!bad) bad = info_of(s, &e, env, a, out, bad_row);
    return bad == ERR_NOT_FOUND ? err_set(bad, "no letter %s is in the queue", id->s) : bad;
}

int queue_show(struct queue *q, const struct letter_id *id, struct arena *a, struct queue_info *out)
{
    struct slice bad_row;
    return show(q, id, a, out, &bad_row);
}

struct listing {
    struct queue *q;
    queue_each_fn *each;
    void *arg;
    struct arena a; /* of one letter */
    size_t left;
};

static int list_one(void *arg, const struct letter_id *id)
{
    struct listing *x = arg;
    struct queue_info info;
    ar_reset(&x->a);
    int e = queue_show(x->q, id, &x->a, &info);
    if (e) return e == ERR_CANCELED ? e : 0; /* else it has just gone */
    e = x->each(x->arg, &info);
    return e ? e : --x->left == 0;
}

int queue_list(struct queue *q, const struct queue_filter *f, queue_each_fn *each, void *arg)
{
    struct listing x = {.q = q, .each = each, .arg = arg, .left = f->limit ? f->limit : 1000};
    int e = queue_walk(q, f, list_one, &x);
    ar_free(&x.a);
    return e;
}

/* ---- steering ---- */

static const struct {
    unsigned from; /* states that it changes, as bits */
    enum q_state to;
    enum trace_kind kind;
    const char *sentence;
} actions[] = {
    [QUEUE_RETRY] = {1u << Q_WAITING | 1u << Q_FAILED, Q_STATES, TRACE_RETRIED,
                     "an operator wants it tried now"},
    [QUEUE_HOLD] = {1u << Q_WAITING, Q_HELD, TRACE_HELD, "an operator holds it until it is released"},
    [QUEUE_RELEASE] = {1u << Q_HELD, Q_WAITING, TRACE_RELEASED, "an operator released it; it is tried now"},
    [QUEUE_DROP] = {1u << Q_WAITING | 1u << Q_HELD | 1u << Q_FAILED, Q_DROPPED, TRACE_DROPPED,
                    "an operator threw it away; nobody is told"},
};

struct acting {
    struct queue *q;
    const struct letter *l; /* its envelope, or what can be known of it */
    const struct letter_id *id;
    enum queue_action what;
    const struct q_rcpt *r;
    size_t n, changed;
    bool told; /* by a part before this one */
    bool lost; /* rows without which something of it cannot go on */
    int64_t now;
};

static void tell_maker(struct kv_tx *tx, const struct acting *x, const struct q_rcpt *r)
{
    struct made_news news = {.letter = x->l,
                             .what = MADE_DROPPED,
                             .address = q_rcpt_asked(r),
                             .n = r->n,
                             .reply = SL("an operator threw it away")};
    x->q->maker.tell(x->q->maker.ctx, tx, &news);
}

/* What is held is not tried, whatever its rows say; for all else they must be there. */
static bool can_go_on(struct kv_tx *tx, struct arena *a, const struct acting *x, uint32_t g)
{
    struct slice row;
    struct q_envelope e;
    struct q_group group;
    return x->what == QUEUE_HOLD ||
           (kv_tx_get(tx, queue_key_envelope(a, x->id), &row) == 0 && q_envelope_get(row, x->id, &e) == 0 &&
            kv_tx_get(tx, queue_key_group(a, x->id, g), &row) == 0 && q_group_get(row, g, &group) == 0);
}

static int act_tx(struct kv_tx *tx, void *arg)
{
    struct acting *x = arg;
    struct arena a = {0};
    int e = 0;
    bool lost = false;
    x->changed = 0;
    for (size_t i = 0; !e && i < x->n; i++) {
        struct q_rcpt r = {.state = Q_STATES};
        if (!i || x->r[i].g != x->r[i - 1].g) lost = !can_go_on(tx, &a, x, x->r[i].g);
        x->lost |= lost;
        if (lost) continue; /* it hides no other group of the letter */
        if (!x->r[i].damaged) e = queue_tx_rcpt(tx, &a, x->id, x->r[i].g, x->r[i].n, &r);
        if (!e && r.state < Q_STATES && actions[x->what].from & 1u << r.state) {
            if (actions[x->what].to != Q_STATES) q_move(&r, actions[x->what].to);
            r.next_try = x->now;
            queue_tx_put_rcpt(tx, &a, x->id, &r);
            if (r.state == Q_DROPPED && x->l->made.n) tell_maker(tx, x, &r);
            x->changed++;
        }
        /* rows come in order of group: settle each once, after its last row here */
        if (!e && (i + 1 == x->n || x->r[i + 1].g != x->r[i].g))
            e = queue_tx_settle(tx, &a, x->id, x->r[i].g);
        if (x->what == QUEUE_HOLD && is_unreadable(e))
            e = 0; /* its group cannot be read, so it is not tried */
    }
    if (!e && x->changed && !x->told)
        trace_tx_addf(x->q->store->trace, tx, x->id, actions[x->what].kind, SL(""), "%s",
                      actions[x->what].sentence);
    ar_free(&a);
    return e;
}

static void offer_groups(struct shard *s, struct arena *a, const struct acting *x)
{
    struct q_envelope e;
    if (queue_load_envelope(s, x->id, a, &e) != 0) return;
    for (size_t i = 0; i < x->n; i++) {
        struct slice row;
        struct q_group g;
        struct q_due d;
        if (i && x->r[i].g == x->r[i - 1].g) continue;
        if (kv_get(s->q->store->kv, shard_object(s), queue_key_group(a, x->id, x->r[i].g), a, &row) == 0 &&
            q_group_get(row, x->r[i].g, &g) == 0 && g.due) {
            q_due_of(&d, &e, &g, g.due, false);
            if (x->what == QUEUE_RETRY || x->what == QUEUE_RELEASE) schedule_want(s, &d);
            else schedule_offer(s, &d);
        }
    }
}

struct dropping {
    struct store *store;
    const struct letter_id *id;
    struct slice damage, row; /* the first row that is damaged */
};

static int throw_tx(struct kv_tx *tx, void *arg)
{
    const struct dropping *x = arg;
    struct arena a = {0};
    int e = queue_tx_pages_throw(tx, &a, x->id, x->row);
    if (!e)
        trace_tx_addf(x->store->trace, tx, x->id, TRACE_DROPPED, SL(""),
                      "an operator threw it away; nobody is told. %.*s", SLF(x->damage));
    ar_free(&a);
    return e;
}

/* A letter that cannot be read goes as a whole: nothing of it could come to an end. */
static int drop_damaged(struct queue *q, const struct letter_id *id, bool *done)
{
    struct shard *s = queue_shard(q, id);
    struct arena a = {0};
    struct queue_info info;
    struct slice row;
    *done = false;
    int e = show(q, id, &a, &info, &row);
    if (!e && info.damage.n) {
        struct dropping x = {q->store, id, info.damage, row};
        e = shard_transact(s, throw_tx, &x);
        *done = !e;
    }
    if (*done && queue_pages_drop(s, id) != 0)
        log_warn("queue", "%s is thrown away; its rows go with the next start", id->s);
    ar_free(&a);
    return e;
}

int queue_act(struct queue *q, const struct letter_id *id, enum queue_action what)
{
    struct shard *s = queue_shard(q, id);
    struct arena a = {0};
    struct q_rcpt *r;
    size_t n, changed = 0;
    bool dropped = false, lost = false;
    int e = what == QUEUE_DROP ? drop_damaged(q, id, &dropped) : 0;
    if (e || dropped) return e;
    e = queue_load_rcpts(s, id, -1, &a, &r, &n);
    if (!e && !n) e = err_set(ERR_NOT_FOUND, "no letter %s is in the queue", id->s);
    struct q_envelope env;
    if (!e && queue_load_envelope(s, id, &a, &env) != 0) env = (struct q_envelope){0};
    for (size_t at = 0; !e && at < n; at += ACT_CHUNK) {
        struct acting x = {.q = q,
                           .l = &env.l,
                           .told = changed > 0,
                           .id = id,
                           .what = what,
                           .r = r + at,
                           .n = n - at < ACT_CHUNK ? n - at : ACT_CHUNK,
                           .now = rt_wall_seconds()};
        e = shard_transact(s, act_tx, &x);
        changed += x.changed;
        lost |= x.lost;
        if (!e) offer_groups(s, &a, &x);
    }
    ar_free(&a);
    if (e) return e;
    if (!changed && lost)
        return err_set(ERR_CORRUPT,
                       "rows of %s cannot be read or are missing: it can be held, and dropped as a whole "
                       "(`tram queue show %s`)",
                       id->s, id->s);
    if (!changed) return err_set(ERR_STATE, "nothing of %s is in a state for this", id->s);
    return 0;
}

struct acting_all {
    struct queue *q;
    enum queue_action what;
    size_t n;
};

static int act_one(void *arg, const struct letter_id *id)
{
    struct acting_all *x = arg;
    int e = queue_act(x->q, id, x->what);
    x->n += !e;
    return e == ERR_STATE || is_unreadable(e) ? 0 : e; /* it moved on meanwhile, or is damaged */
}

int queue_act_all(struct queue *q, const struct queue_filter *f, enum queue_action what, size_t *n)
{
    struct acting_all x = {.q = q, .what = what};
    int e = queue_walk(q, f, act_one, &x);
    *n = x.n;
    return e;
}

/* ---- another source ---- */

struct rerouting {
    struct queue *q;
    struct slice source;
    const struct letter_id *id;
    const struct q_rcpt *r;
    size_t n, changed, all; /* groups of this part; letters of all */
    bool told;
};

static bool begins_group(const struct rerouting *x, size_t i) { return !i || x->r[i].g != x->r[i - 1].g; }

static int reroute_tx(struct kv_tx *tx, void *arg)
{
    struct rerouting *x = arg;
    struct arena a = {0};
    struct slice row;
    struct q_group g;
    int e = 0;
    x->changed = 0;
    for (size_t i = 0; !e && i < x->n; i++) {
        if (!begins_group(x, i)) continue;
        e = kv_tx_get(tx, queue_key_group(&a, x->id, x->r[i].g), &row);
        if (!e) e = q_group_get(row, x->r[i].g, &g);
        if (is_unreadable(e)) { /* it hides no other group of the letter */
            e = 0;
            continue;
        }
        if (!e && (g.local || g.closed)) continue;
        if (!e) e = queue_tx_bind(tx, &a, x->id, g.n, x->source, true);
        if (!e) e = queue_tx_settle(tx, &a, x->id, g.n);
        x->changed++;
    }
    if (!e && x->changed && !x->told)
        trace_tx_addf(
            x->q->store->trace, tx, x->id, TRACE_RETRIED, SL(""), "an operator wants it to leave %s%.*s",
            x->source.n ? "from the source " : "from whichever source is planned for it", SLF(x->source));
    ar_free(&a);
    return e;
}

static int find_source(const struct queue *q, struct slice source)
{
    struct source_plan *p = source_plan_now(q->sources);
    bool known = !source.n || source_find(p, source);
    source_plan_drop(&p);
    return known ? 0 : err_set(ERR_NOT_FOUND, "there is no source %.*s", SLF(source));
}

int queue_reroute(struct queue *q, const struct letter_id *id, struct slice source)
{
    struct shard *s = queue_shard(q, id);
    struct arena a = {0};
    struct q_rcpt *r;
    size_t n = 0, changed = 0;
    int e = find_source(q, source);
    if (!e) e = queue_load_rcpts(s, id, -1, &a, &r, &n);
    if (!e && !n) e = err_set(ERR_NOT_FOUND, "no letter %s is in the queue", id->s);
    for (size_t at = 0; !e && at < n; at += ACT_CHUNK) {
        struct rerouting x = {.q = q, .source = source, .id = id, .r = r + at, .told = changed > 0};
        x.n = n - at < ACT_CHUNK ? n - at : ACT_CHUNK;
        e = shard_transact(s, reroute_tx, &x);
        changed += x.changed;
        if (!e) offer_groups(s, &a, &(struct acting){.id = id, .what = QUEUE_HOLD, .r = x.r, .n = x.n});
    }
    ar_free(&a);
    return e || changed ? e : err_set(ERR_STATE, "nothing of %s waits to leave", id->s);
}

static int reroute_one(void *arg, const struct letter_id *id)
{
    struct rerouting *x = arg;
    int e = queue_reroute(x->q, id, x->source);
    x->all += !e;
    return e == ERR_NOT_FOUND || e == ERR_STATE || is_unreadable(e) ? 0 : e; /* it moved on, or is damaged */
}

int queue_reroute_all(struct queue *q, const struct queue_filter *f, struct slice source, size_t *n)
{
    struct rerouting x = {.q = q, .source = source};
    int e = find_source(q, source);
    if (!e) e = queue_walk(q, f, reroute_one, &x);
    *n = x.all;
    return e;
}

/* ---- counts ---- */

static int read_counts(struct slice row, struct queue_stats *out)
{
    struct rec r;
    int e = rec_open(&r, row, 1);
    while (!e && rec_next(&r)) {
        if (r.tag == 'l') out->letters += rec_u64(&r);
        if (r.tag == 'r') out->recipients += rec_u64(&r);
    }
    return e ? e : rec_error(&r);
}

/* Deliveries of a stream that are due, as far as they are counted. */
static int count_due(struct shard *s, enum stream stream, int64_t now, struct queue_stats *out)
{
    char last[KV_KEY_MAX + 2];
    struct arena a = {0}, ends = {0};
    struct kv_page page = {.more = true};
    struct slice to = queue_key_due_from(&ends, stream, now + 1);
    bool hole;
    int e = 0;
    snprintf(last, sizeof last, "%.*s", SLF(queue_key_due_from(&ends, stream, 0)));
    while (!e && page.more && out->due < DUE_COUNT_MAX) {
        ar_reset(&a);
        e = kv_scan_over(s->q->store->kv, shard_object(s), sl_cstr(last), to, KV_PAGE_MAX, &a, &page, &hole);
        if (!e) out->due += page.n;
        if (!e && page.n) snprintf(last, sizeof last, "%.*s ", SLF(page.row[page.n - 1].key));
    }
    out->due_more |= !e && page.more;
    ar_free(&a);
    ar_free(&ends);
    return e;
}

/* *none: the shard counts no letters. */
static int count_shard(struct shard *s, struct queue_stats *out, bool *none)
{
    struct arena a = {0};
    struct slice row;
    uint64_t before = out->letters;
    int e = kv_get(s->q->store->kv, shard_object(s), SL("c"), &a, &row);
    *none = !e && read_counts(row, out) == 0 && out->letters == before;
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int queue_counts(struct queue *q, struct queue_stats *out)
{
    bool none;
    int e = 0;
    for (int i = 0; !e && i < q->nshards; i++) e = count_shard(&q->shard[i], out, &none);
    return e;
}

/* When the oldest letter of a shard came; 0: it has none. */
static int find_oldest(struct shard *s, struct queue_stats *out)
{
    struct arena a = {0};
    struct kv_page page = {0};
    struct letter_id id = {{0}};
    bool hole;
    int e = kv_scan_over(s->q->store->kv, shard_object(s), SL("e"), SL("f"), 1, &a, &page, &hole);
    if (!e && page.n && letter_id_ok(sl_from(page.row[0].key, 1))) {
        memcpy(id.s, page.row[0].key.p + 1, LETTER_ID_LEN);
        int64_t t = letter_id_time(&id);
        if (!out->oldest || t < out->oldest) out->oldest = t;
    }
    ar_free(&a);
    return e;
}

int queue_stats(struct queue *q, struct queue_stats *out)
{
    int64_t now = rt_wall_seconds();
    *out = (struct queue_stats){.delivered = __atomic_load_n(&q->delivered, __ATOMIC_RELAXED),
                                .bounced = __atomic_load_n(&q->bounced, __ATOMIC_RELAXED),
                                .deferred = __atomic_load_n(&q->deferred, __ATOMIC_RELAXED),
                                .uncertain = __atomic_load_n(&q->uncertain, __ATOMIC_RELAXED),
                                .stalled = __atomic_load_n(&q->stalled, __ATOMIC_RELAXED),
                                .reports = __atomic_load_n(&q->reports, __ATOMIC_RELAXED),
                                .reports_withheld = __atomic_load_n(&q->reports_withheld, __ATOMIC_RELAXED),
                                .reports_later = __atomic_load_n(&q->reports_later, __ATOMIC_RELAXED)};
    for (int i = 0; i < q->nloops; i++) out->sending += schedule_under_way(q->schedule[i]);
    int e = 0;
    for (int i = 0; !e && i < q->nshards; i++) {
        bool none;
        e = count_shard(&q->shard[i], out, &none);
        for (int stream = 0; !e && !none && stream < STREAMS; stream++)
            e = count_due(&q->shard[i], (enum stream)stream, now, out);
        if (!e && !none) e = find_oldest(&q->shard[i], out);
        e = kv_passed_over(shard_object(&q->shard[i]), "counted", e);
    }
    return e;
}
