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

/* ---- the end of a letter ---- */

struct erasing {
    struct kv_tx *tx;
    struct arena *a;
    const struct letter_id *id;
    int64_t rcpts;
};

static int erase_row(void *arg, struct slice key, struct slice value)
{
    struct erasing *x = arg;
    if (key.p[0] == 'r') x->rcpts++;
    struct q_group g;
    uint64_t n;
    if (key.p[0] == 'g' && key.n == 23 && num_u64(sl_from(key, 18), 99999, &n) &&
        q_group_get(value, (uint32_t)n, &g) == 0 && g.due)
        kv_tx_del(x->tx, queue_key_due(x->a, g.due, x->id, g.n));
    kv_tx_del(x->tx, key);
    return 0;
}

int queue_tx_erase_letter(struct kv_tx *tx, struct arena *a, const struct letter_id *id)
{
    struct erasing x = {tx, a, id, 0};
    static const char kinds[] = {'g', 'r', 's'};
    for (size_t i = 0; i < sizeof kinds; i++) {
        struct slice from = ar_printf(a, "%c%s/", kinds[i], id->s);
        int e = kv_tx_scan(tx, from, kv_prefix_end(a, from), erase_row, &x);
        if (e) return e;
    }
    kv_tx_del(tx, queue_key_envelope(a, id));
    queue_tx_count(tx, -1, -x.rcpts);
    return 0;
}

static int close_group(struct kv_tx *tx, struct arena *a, const struct letter_id *id)
{
    struct slice row, key = queue_key_envelope(a, id);
    struct q_envelope e;
    int bad = kv_tx_get(tx, key, &row);
    if (!bad) bad = q_envelope_get(row, id, &e);
    if (bad) return bad;
    if (!e.open) return err_set(ERR_CORRUPT, "the envelope of %s counts fewer groups than there are", id->s);
    if (--e.open == 0) return queue_tx_erase_letter(tx, a, id);
    struct buf b = BUF_INIT;
    q_envelope_put(&b, &e);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
    return 0;
}

/* ---- rows that cannot be read ---- */

static bool group_is_due(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t n,
                         int64_t due)
{
    struct slice row;
    struct q_envelope e;
    struct q_group g;
    return kv_tx_get(tx, queue_key_envelope(a, id), &row) == 0 && q_envelope_get(row, id, &e) == 0 &&
           kv_tx_get(tx, queue_key_group(a, id, n), &row) == 0 && q_group_get(row, n, &g) == 0 &&
           g.due == due;
}

int queue_tx_quarantine(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t g,
                        int64_t due, bool *taken)
{
    struct slice row, key = queue_key_due(a, due, id, g);
    int e = kv_tx_get(tx, key, &row);
    *taken = !e && !group_is_due(tx, a, id, g, due);
    if (*taken) kv_tx_del(tx, key);
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* ---- a group after a change ---- */

struct tally {
    uint32_t open;
    int64_t next; /* least next_try of those that have something to do, 0 = none */
};

static int tally_row(void *arg, struct slice key, struct slice value)
{
    struct tally *t = arg;
    struct q_rcpt r;
    bool damaged = q_rcpt_get(key, value, &r) != 0; /* stays for `tram verify`; the others go on */
    if (!damaged && q_is_end(r.state)) return 0;
    t->open++;
    if (damaged) return 0;
    if (r.state != Q_HELD && (!t->next || r.next_try < t->next)) t->next = r.next_try;
    return 0;
}

int queue_tx_settle(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t n)
{
    struct slice row, from = ar_printf(a, "r%s/%05u/", id->s, n);
    struct q_group g;
    struct tally t = {0};
    int e = kv_tx_get(tx, queue_key_group(a, id, n), &row);
    if (!e) e = q_group_get(row, n, &g);
    if (e || g.closed) return e;
    e = kv_tx_scan(tx, from, kv_prefix_end(a, from), tally_row, &t);
    if (e) return e;
    kv_tx_del(tx, queue_key_sending(a, id, n));
    if (g.due && g.due != t.next) kv_tx_del(tx, queue_key_due(a, g.due, id, n));
    if (t.next && g.due != t.next) kv_tx_put(tx, queue_key_due(a, t.next, id, n), g.hop);
    bool changed = g.due != t.next || !t.open;
    g.due = t.next;
    g.closed = t.open == 0;
    if (changed) put_group(tx, a, id, &g);
    return g.closed ? close_group(tx, a, id) : 0;
}
