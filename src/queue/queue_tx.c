/* queue_tx.c - changes of a letter's rows, inside a transaction. */
#include "base/text.h"
#include "kv/record.h"
#include "queue_i.h"

int queue_tx_rcpt(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t g, uint32_t n,
                  struct q_rcpt *out)
{
    struct slice row, key = queue_key_rcpt(a, id, g, n);
    int e = kv_tx_get(tx, key, &row);
    return e ? e : q_rcpt_get(key, row, out);
}

void queue_tx_put_rcpt(struct kv_tx *tx, struct arena *a, const struct letter_id *id, const struct q_rcpt *r)
{
    struct buf b = BUF_INIT;
    q_rcpt_put(&b, r);
    kv_tx_put_record(tx, queue_key_rcpt(a, id, r->g, r->n), &b);
    buf_free(&b);
}

static void put_group(struct kv_tx *tx, struct arena *a, const struct letter_id *id, const struct q_group *g)
{
    struct buf b = BUF_INIT;
    q_group_put(&b, g);
    kv_tx_put_record(tx, queue_key_group(a, id, g->n), &b);
    buf_free(&b);
}

int queue_tx_bind(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t n,
                  struct slice source, bool fixed)
{
    struct slice row;
    struct q_group g;
    int e = kv_tx_get(tx, queue_key_group(a, id, n), &row);
    if (!e) e = q_group_get(row, n, &g);
    if (e) return e;
    bool same = sl_eq(g.bound, source) && g.fixed == (fixed && source.n);
    if (same || g.closed || (g.fixed && !fixed)) return 0;
    g.bound = source;
    g.fixed = fixed && source.n;
    put_group(tx, a, id, &g);
    return 0;
}

static int64_t added(uint64_t n, int64_t by) { return (int64_t)n + by > 0 ? (int64_t)n + by : 0; }

void queue_tx_count(struct kv_tx *tx, int64_t letters, int64_t rcpts)
{
    struct slice row;
    struct rec r;
    uint64_t l = 0, n = 0;
    if (kv_tx_get(tx, SL("c"), &row) == 0 && rec_open(&r, row, 1) == 0)
        while (rec_next(&r)) {
            if (r.tag == 'l') l = rec_u64(&r);
            if (r.tag == 'r') n = rec_u64(&r);
        }
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    rec_put_u64(&b, 'l', (uint64_t)added(l, letters));
    rec_put_u64(&b, 'r', (uint64_t)added(n, rcpts));
    kv_tx_put_record(tx, SL("c"), &b);
    buf_free(&b);
}

/* Whenever it is said to have come. */
void queue_tx_age_begin(struct kv_tx *tx, struct arena *a, const struct queue *q, struct q_envelope *e)
{
    struct q_envelope as = *e;
    int64_t now = as.l.received = rt_wall_seconds();
    int64_t at = queue_next_age(q, &as, now);
    kv_tx_del(tx, queue_key_age(a, e->age, &e->l.id));
    kv_tx_put(tx, queue_key_age(a, at, &e->l.id), SL("1"));
    e->age = at;
}

/* ---- the end of a letter ---- */

static int read_envelope(struct kv_tx *tx, struct arena *a, const struct letter_id *id, struct q_envelope *e)
{
    struct slice row;
    int bad = kv_tx_get(tx, queue_key_envelope(a, id), &row);
    return bad ? bad : q_envelope_get(row, id, e);
}

static void erase_prefix(struct kv_tx *tx, struct arena *a, char kind, const struct letter_id *id)
{
    struct slice from = ar_printf(a, "%c%s/", kind, id->s);
    kv_tx_erase(tx, from, kv_prefix_end(a, from));
}

void queue_tx_erase_rows(struct kv_tx *tx, struct arena *a, const struct letter_id *id)
{
    for (const char *kind = "grs"; *kind; kind++) erase_prefix(tx, a, *kind, id);
}

static void delete_single(struct kv_tx *tx, struct arena *a, const struct letter_id *id)
{
    kv_tx_del(tx, queue_key_group(a, id, 0));
    kv_tx_del(tx, queue_key_rcpt(a, id, 0, 0));
    kv_tx_del(tx, queue_key_sending(a, id, 0));
}

/* All its groups are closed, so the schedule knows none of them; it may be a letter of very many rows. */
static int end_letter(struct kv_tx *tx, struct arena *a, const struct q_envelope *e)
{
    if (q_is_single(e)) delete_single(tx, a, &e->l.id);
    else queue_tx_erase_rows(tx, a, &e->l.id);
    kv_tx_del(tx, queue_key_age(a, e->age, &e->l.id));
    kv_tx_del(tx, queue_key_envelope(a, &e->l.id));
    queue_tx_count(tx, -1, -(int64_t)e->rcpts);
    return 0;
}

static int close_group(struct kv_tx *tx, struct arena *a, const struct letter_id *id)
{
    struct q_envelope e;
    int bad = read_envelope(tx, a, id, &e);
    if (bad) return bad;
    if (!e.open) return err_set(ERR_CORRUPT, "the envelope of %s counts fewer groups than there are", id->s);
    if (--e.open == 0) return end_letter(tx, a, &e);
    struct buf b = BUF_INIT;
    q_envelope_put(&b, &e);
    kv_tx_put_record(tx, queue_key_envelope(a, id), &b);
    buf_free(&b);
    return 0;
}

/* ---- rows that cannot be read ---- */

static bool group_is_due(struct kv_tx *tx, struct arena *a, const struct q_due *d)
{
    struct slice row;
    struct q_envelope e;
    struct q_group g;
    return read_envelope(tx, a, &d->id, &e) == 0 && e.l.stream == d->stream &&
           kv_tx_get(tx, queue_key_group(a, &d->id, d->g), &row) == 0 && q_group_get(row, d->g, &g) == 0 &&
           g.due == d->due;
}

int queue_tx_quarantine(struct kv_tx *tx, struct arena *a, const struct q_due *d, bool *taken)
{
    struct slice row, key = queue_key_due(a, d->stream, d->due, &d->id, d->g);
    int e = kv_tx_get(tx, key, &row);
    *taken = !e && !group_is_due(tx, a, d);
    if (*taken) kv_tx_del(tx, key);
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* ---- a group after a change ---- */

struct tally {
    uint32_t open;
    int64_t next; /* least next_try of those that have something to do, 0 = none */
    bool tell;    /* then there is nothing to send, only to tell */
};

static int tally_row(void *arg, struct slice key, struct slice value)
{
    struct tally *t = arg;
    struct q_rcpt r;
    bool damaged = q_rcpt_get(key, value, &r) != 0; /* stays for `tram verify`; the others go on */
    if (!damaged && q_is_end(r.state)) return 0;
    t->open++;
    if (damaged) return 0;
    if (r.state == Q_HELD || (t->next && (r.next_try > t->next || (r.next_try == t->next && !t->tell))))
        return 0;
    t->next = r.next_try;
    t->tell = r.state == Q_FAILED;
    return 0;
}

static int tally_group(struct kv_tx *tx, struct arena *a, const struct q_envelope *e, uint32_t g,
                       struct tally *t)
{
    struct slice row, key = queue_key_rcpt(a, &e->l.id, 0, 0);
    if (q_is_single(e) && g == 0 && kv_tx_get(tx, key, &row) == 0) return tally_row(t, key, row);
    struct slice from = queue_key_rcpts(a, &e->l.id, g);
    return kv_tx_scan(tx, from, kv_prefix_end(a, from), tally_row, t);
}

static void put_due(struct kv_tx *tx, struct arena *a, const struct q_due *d)
{
    struct buf b = BUF_INIT;
    q_due_put(&b, d);
    kv_tx_put_record(tx, queue_key_due(a, d->stream, d->due, &d->id, d->g), &b);
    buf_free(&b);
}

int queue_tx_settle(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t n)
{
    struct slice row;
    struct q_envelope env;
    struct q_group g;
    struct q_due d;
    struct tally t = {0};
    int e = kv_tx_get(tx, queue_key_group(a, id, n), &row);
    if (!e) e = q_group_get(row, n, &g);
    if (e || g.closed) return e;
    e = read_envelope(tx, a, id, &env);
    if (!e) e = tally_group(tx, a, &env, n, &t);
    if (e) return e;
    q_due_of(&d, &env, &g, t.next, t.tell);
    if (g.due && g.due != t.next) kv_tx_del(tx, queue_key_due(a, d.stream, g.due, id, n));
    if (t.next) put_due(tx, a, &d);
    bool changed = g.due != t.next || !t.open;
    g.due = t.next;
    g.closed = t.open == 0;
    if (changed) put_group(tx, a, id, &g);
    return g.closed ? close_group(tx, a, id) : 0;
}

int queue_tx_settle_ended(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t g)
{
    kv_tx_del(tx, queue_key_sending(a, id, g));
    return queue_tx_settle(tx, a, id, g);
}
