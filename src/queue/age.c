/* age.c - what time alone does to a letter, wherever it waits and whatever keeps it: the sender is told of
 * the delay, and when its time is over what still waits fails. Each letter has one row by the time at which
 * it is looked at next, so that this is found without a look at any other. */
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "pages.h"
#include "queue_i.h"
#include "trace/trace.h"

enum {
    DAY_S = 86400,
    LAST_S = 600, /* so long after its time the last attempt may begin */
    LATE_S = 3600,
    UNTOLD_S = 3600, /* when the sender could not be told of a delay, it is looked at again after so long */
};

bool queue_key_age_parse(struct slice key, int64_t *at, struct letter_id *id)
{
    uint64_t t;
    if (key.n != 30 || key.p[0] != 'x' || key.p[13] != '/' || !num_u64(sl_sub(key, 1, 13), INT64_MAX, &t) ||
        !letter_id_ok(sl_from(key, 14)))
        return false;
    *id = (struct letter_id){{0}};
    memcpy(id->s, key.p + 14, LETTER_ID_LEN);
    *at = (int64_t)t;
    return true;
}

struct right_times {
    const struct letter_id *id;
    int64_t received, expires;
};

static int right_times_tx(struct kv_tx *tx, void *arg)
{
    struct right_times *x = arg;
    struct arena a = {0};
    struct slice row, key = queue_key_envelope(&a, x->id);
    struct q_envelope e;
    struct buf b = BUF_INIT;
    int bad = kv_tx_get(tx, key, &row);
    if (!bad) bad = q_envelope_get(row, x->id, &e);
    if (!bad) {
        if (e.l.received > x->received) e.l.received = x->received;
        if (e.expires > x->expires) e.expires = x->expires;
        q_envelope_put(&b, &e);
        kv_tx_put_record(tx, key, &b);
    }
    buf_free(&b);
    ar_free(&a);
    return bad;
}

/* A letter that came while the clock was ahead: its time begins now, else it would wait until then. */
int age_right(struct shard *s, struct q_envelope *e, int64_t now)
{
    int64_t most = letter_expires(&e->l.wants, now, s->q->lifetime_s);
    if (now >= e->l.received && e->expires <= most) return 0;
    struct right_times x = {&e->l.id, now, most};
    if (e->l.received > x.received) e->l.received = x.received;
    if (e->expires > x.expires) e->expires = x.expires;
    return shard_transact(s, right_times_tx, &x);
}

struct delay {
    struct store *store;
    struct q_envelope *e;
    size_t rcpts;   /* of which the sender is told; 0: of none */
    int64_t before; /* what was told later than this counts as told */
};

static int delay_told_tx(struct kv_tx *tx, void *arg)
{
    const struct delay *d = arg;
    const struct letter_id *id = &d->e->l.id;
    struct q_envelope e;
    struct arena a = {0};
    struct slice row, key = queue_key_envelope(&a, id);
    struct buf b = BUF_INIT;
    int bad = kv_tx_get(tx, key, &row);
    if (!bad) bad = q_envelope_get(row, id, &e);
    bool first = !bad && e.delay_told < d->before; /* another group of it may have been quicker */
    if (first) {
        e.delay_told = d->e->delay_told;
        q_envelope_put(&b, &e);
        kv_tx_put_record(tx, key, &b);
    }
    if (first && d->rcpts)
        trace_tx_addf(d->store->trace, tx, id, TRACE_DELAY_TOLD, SL(""),
                      "the sender is told that %zu recipient%s wait%s", d->rcpts, d->rcpts == 1 ? "" : "s",
                      d->rcpts == 1 ? "s" : "");
    buf_free(&b);
    ar_free(&a);
    return bad;
}

/* Once for a letter, when some recipient has waited for long, and when the time is over that it was to be
 * delivered by. */
static bool is_warning_due(const struct queue *q, const struct q_envelope *e, int64_t now)
{
    int64_t late = queue_late_at(e);
    if (letter_is_held(&e->l.wants, now)) return false;
    if (late && now >= late) return true;
    return q->delay_warning_s >= 0 && !e->delay_told && now - queue_waits_since(e) >= q->delay_warning_s;
}

static int warn_of_delay(struct shard *s, struct q_envelope *e, struct arena *a, struct bounce_told *told)
{
    struct q_rcpt *all, *late[QUEUE_ATTEMPT_RCPTS];
    size_t n, nlate = 0;
    int64_t now = rt_wall_seconds();
    if (!is_warning_due(s->q, e, now)) return 0;
    int bad = queue_load_rcpts(s, &e->l.id, -1, a, &all, &n);
    for (size_t i = 0; !bad && i < n && nlate < QUEUE_ATTEMPT_RCPTS; i++)
        if (all[i].state == Q_WAITING) late[nlate++] = &all[i];
    if (bad || !nlate) return bad;
    bad = bounce_tell(s->q, e, late, nlate, BOUNCE_DELAYED, a, told);
    struct delay d = {s->q->store, e, told->told ? nlate : 0, e->delay_told + 1};
    e->delay_told = now;
    if (!bad) bad = shard_transact(s, delay_told_tx, &d);
    return bad;
}

/* ---- its time ---- */

struct looking {
    struct shard *s;
    const struct letter_id *id;
    int64_t at, now; /* at: of the row that was found */
    bool untold;     /* of the delay, which its sender is to hear of */
    struct arena *a;
    struct q_due *over; /* room for all groups, made by the first page */
    size_t n, before;   /* before: found by the pages before this one */
    uint32_t from;      /* group */
    bool more;
};

static void put_age(struct kv_tx *tx, struct arena *a, const struct letter_id *id, int64_t from, int64_t to)
{
    kv_tx_del(tx, queue_key_age(a, from, id));
    kv_tx_put(tx, queue_key_age(a, to, id), SL("1"));
}

/* The group is due now, wherever it stood in the schedule: for its last attempt, or only to be told of. */
static void group_due(struct kv_tx *tx, struct looking *x, struct arena *a, const struct q_envelope *e,
                      uint32_t n, bool tell)
{
    struct slice row, key = queue_key_group(a, &e->l.id, n);
    struct buf b = BUF_INIT;
    struct q_group g;
    if (kv_tx_get(tx, key, &row) != 0 || q_group_get(row, n, &g) != 0 || g.closed || !g.due) return;
    if (!tell && g.due <= x->now) return;
    g.hop = ar_dup(x->a, g.hop);
    kv_tx_del(tx, queue_key_due(a, e->l.stream, g.due, &e->l.id, n));
    g.due = x->now;
    q_group_put(&b, &g);
    kv_tx_put_record(tx, key, &b);
    struct q_due *d = &x->over[x->n++];
    q_due_of(d, e, &g, x->now, tell);
    d->domain = ar_dup(x->a, d->domain);
    d->account = ar_dup(x->a, d->account);
    q_due_put(&b, d);
    kv_tx_put_record(tx, queue_key_due(a, d->stream, d->due, &d->id, n), &b);
    buf_free(&b);
}

static int64_t next_look(const struct looking *x, const struct q_envelope *e, bool last)
{
    if (last) return x->now + LAST_S;
    if (x->now >= e->expires) return x->now + DAY_S; /* only what is held is left */
    int64_t next = queue_next_age(x->s->q, e, x->now);
    return x->untold && x->now + UNTOLD_S < next ? x->now + UNTOLD_S : next;
}

/* Its row and what its envelope says of it. */
static void move_age(struct kv_tx *tx, struct arena *a, struct q_envelope *e, int64_t to)
{
    struct buf b = BUF_INIT;
    if (e->age == to) return;
    put_age(tx, a, &e->l.id, e->age, to);
    e->age = to;
    q_envelope_put(&b, e);
    kv_tx_put_record(tx, queue_key_envelope(a, &e->l.id), &b);
    buf_free(&b);
}

/* With R no attempt is made any more (RFC 2852 section 4.1.3). */
static bool is_by(const struct q_envelope *e) { return e->l.wants.by && e->l.wants.by_mode == 'R'; }

static int look_tx(struct kv_tx *tx, void *arg)
{
    struct looking *x = arg;
    struct arena a = {0};
    struct q_envelope e;
    struct slice row;
    int bad = kv_tx_get(tx, queue_key_envelope(&a, x->id), &row);
    if (!bad) bad = q_envelope_get(row, x->id, &e);
    x->n = x->before;
    x->more = false;
    if (bad == ERR_NOT_FOUND || (!bad && e.age != x->at)) {
        kv_tx_del(tx, queue_key_age(&a, x->at, x->id));
    } else if (err_is_damage(bad)) { /* `tram verify` tells of it */
        put_age(tx, &a, x->id, x->at, x->now + DAY_S);
    } else if (!bad) {
        bool over = x->now >= e.expires, last = over && e.age <= e.expires;
        uint32_t groups = e.groups < LETTER_RCPTS_MAX ? e.groups : LETTER_RCPTS_MAX;
        if (over && !x->over) x->over = ar_array(x->a, struct q_due, groups);
        uint32_t until = over && x->from + QUEUE_PAGE < groups ? x->from + QUEUE_PAGE : groups;
        x->more = over && until < groups;
        if (!x->more) move_age(tx, &a, &e, next_look(x, &e, last));
        for (uint32_t i = x->from; over && i < until; i++) group_due(tx, x, &a, &e, i, !last || is_by(&e));
        bad = ERR_NOT_FOUND; /* as for the others: what is wrong with a row is no error of this */
    }
    ar_free(&a);
    return bad == ERR_NOT_FOUND || err_is_damage(bad) ? 0 : bad;
}

/* Groups page by page; the last page moves the letter's row, so that all is done again when it does not come
 * to that. */
static int look_in_pages(struct looking *x)
{
    int bad = shard_transact(x->s, look_tx, x);
    while (!bad && x->more) {
        x->from += QUEUE_PAGE;
        x->before = x->n;
        bad = shard_transact_large(x->s, look_tx, x);
    }
    return bad;
}

/* Somebody ended before all that is due of the letter was in the schedule. */
struct found_due {
    struct arena *a;
    struct q_due *v;
    size_t n, size;
};

static void find_due(void *arg, const struct q_due *d)
{
    struct found_due *f = arg;
    if (f->n == f->size) f->v = ar_grow(f->a, f->v, &f->size, sizeof *f->v);
    struct q_due *own = &f->v[f->n++];
    *own = *d;
    own->hop = ar_dup(f->a, d->hop);
    own->domain = ar_dup(f->a, d->domain);
    own->account = ar_dup(f->a, d->account);
}

static int schedule_rest(struct shard *s, const struct letter_id *id, struct arena *a, struct q_due **due,
                         size_t *n)
{
    struct found_due f = {.a = a, .v = ar_array(a, struct q_due, 16), .size = 16};
    int bad = queue_pages_schedule(s, id, find_due, &f);
    *due = f.v;
    *n = f.n; /* those that were written are there, whatever became of the others */
    return bad;
}

int64_t age_latest(const struct queue *q) { return LETTER_HOLD_MAX_S + q->lifetime_s + 2 * DAY_S; }

int age_look(struct shard *s, int64_t at, const struct letter_id *id, struct arena *a, struct q_due **over,
             size_t *n)
{
    struct q_envelope e = {0};
    char when[CIVIL_TEXT_MAX];
    struct bounce_told told = {0};
    struct looking x = {.s = s, .id = id, .at = at, .now = rt_wall_seconds(), .a = a};
    int bad = queue_load_envelope(s, id, a, &e);
    if (!bad && e.unscheduled) return schedule_rest(s, id, a, over, n);
    if (!bad) bad = age_right(s, &e, x.now);
    if (!bad && e.age == at && x.now < e.expires && (bad = warn_of_delay(s, &e, a, &told)) != 0 &&
        bad != ERR_CANCELED) {
        if (!told.later)
            log_warn("queue", "%s: the sender cannot be told of the delay now: %s", id->s, err_text(bad));
        x.untold = true;
        bad = 0;
    }
    if (!bad || bad == ERR_NOT_FOUND || err_is_damage(bad)) bad = look_in_pages(&x);
    if (!bad && at > e.expires && x.now > e.expires + LATE_S && e.expires)
        log_warn("queue",
                 "%s: its time was over at %s, and something of it waits still; see `tram queue show %s`",
                 id->s, civil_format(e.expires, when), id->s);
    *over = x.over;
    *n = bad ? 0 : x.n;
    return bad;
}
