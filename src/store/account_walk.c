/* account_walk.c - all of an account, read page by page while it changes.
 *
 * A message that is copied or moved meanwhile gets a new UID, so what may have been missed lies at or above
 * the uidnext that its mailbox had when the reading began: that is read next, and again what came during
 * this, each time less. When an account is busy even then, the last bit is read inside a transaction: however
 * busy an account is, its reading ends. */
#include "care_i.h"

enum { CATCH_UPS = 4 };

struct walk {
    struct store *s;
    const char *acc;
    int (*each)(void *arg, struct slice key, struct slice value);
    void *arg;
    struct map uidnext; /* 4 bytes of a mailbox -> its uidnext when the reading under way began; 8 bytes of a
                         * batch that nobody saw then -> how many rows it had */
    struct map fresh;   /* the same, for the reading after it */
    struct buf last;    /* rows_add(): what was read in the transaction */
};

void rows_add(struct buf *b, struct slice key, struct slice value)
{
    leb_put(b, key.n);
    buf_put(b, key);
    leb_put(b, value.n);
    buf_put(b, value);
}

static bool take_bytes(struct slice *rows, struct slice *out)
{
    uint64_t n;
    if (!leb_take(rows, &n) || n > rows->n) return false;
    *out = sl_sub(*rows, 0, n);
    *rows = sl_from(*rows, n);
    return true;
}

bool rows_take(struct slice *rows, struct slice *key, struct slice *value)
{
    return take_bytes(rows, key) && take_bytes(rows, value);
}

int account_modseq(struct store *s, const char *acc, uint64_t *out)
{
    char room[KEY_ROOM];
    struct arena a;
    struct slice value;
    struct account_row row = {0};
    ar_init(&a, 0);
    int e = kv_get(s->kv, account_object(acc, room), SL("a"), &a, &value);
    if (e == 0 && account_row_get(value, &row)) row.modseq = 0;
    *out = row.modseq;
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int note_uidnext(void *arg, struct slice key, struct slice value)
{
    struct walk *w = arg;
    struct box_row b;
    uint64_t id;
    if (row_number(key, &id) || box_row_get(value, (uint32_t)id, &b))
        return 0; /* then all of it is read again */
    uint32_t box = (uint32_t)id;
    map_put(&w->fresh, sl(&box, sizeof box), (void *)(uintptr_t)(b.m.uidnext ? b.m.uidnext : 1));
    return 0;
}

static int note_batch(void *arg, struct slice key, struct slice value)
{
    struct walk *w = arg;
    struct batch_header h;
    uint64_t id;
    if (row_number(key, &id) == 0 && batch_header_get(value, &h) == 0)
        map_put(&w->fresh, sl(&id, sizeof id), (void *)(uintptr_t)h.n);
    return 0; /* else all of it is read again */
}

/* What was noted last becomes what was added since. */
static void turn_over(struct walk *w)
{
    map_free(&w->uidnext);
    w->uidnext = w->fresh;
    map_init(&w->fresh, false);
}

static int note_uidnexts(struct walk *w)
{
    turn_over(w);
    int e = rows_each(w->s, w->acc, SL("b/"), SL("b0"), note_uidnext, w);
    return e ? e : rows_each(w->s, w->acc, SL("h/"), SL("h0"), note_batch, w);
}

/* ---- what was added ---- */

/* Rows in a range of keys, by pages or in a transaction. */
struct added {
    struct walk *w;
    struct kv_tx *tx; /* or NULL */
};

static int each_row(struct added *x, struct slice from, struct slice to, kv_visit *visit, void *arg)
{
    return x->tx ? kv_tx_scan(x->tx, from, to, visit, arg)
                 : rows_each(x->w->s, x->w->acc, from, to, visit, arg);
}

static int keep_row(void *arg, struct slice key, struct slice value)
{
    rows_add(arg, key, value);
    return 0;
}

/* In a transaction nobody may wait: rows are kept, and given behind it. */
static int give_rows(struct added *x, struct slice from, struct slice to)
{
    return x->tx ? each_row(x, from, to, keep_row, &x->w->last)
                 : each_row(x, from, to, x->w->each, x->w->arg);
}

static uint32_t noted(struct walk *w, const void *p, size_t n)
{
    return (uint32_t)(uintptr_t)map_get(&w->uidnext, sl(p, n));
}

/* The rows of a batch that were not there when the last reading began. */
static int added_to_batch(struct added *x, uint32_t box, uint64_t id)
{
    struct batch_rows rows;
    batch_rows(box, id, noted(x->w, &id, sizeof id), &rows);
    return give_rows(x, rows.from, rows.to);
}

static int added_unseen(void *arg, struct slice key, struct slice value)
{
    uint64_t box, id;
    (void)value;
    if (!num_hex64(sl_sub(key, 2, 10), &box) || row_number(key, &id)) return 0;
    return added_to_batch(arg, (uint32_t)box, id);
}

static int added_range(void *arg, struct slice key, struct slice value)
{
    struct batch_range range;
    uint32_t box;
    (void)value;
    return batch_range_get(key, &box, &range) ? 0 : added_to_batch(arg, box, range.batch);
}

/* What a mailbox did not have when the last reading began lies at or above the uidnext of then. */
static int added_in_box(void *arg, struct slice key, struct slice value)
{
    struct added *x = arg;
    char from[KEY_ROOM], to[KEY_ROOM];
    uint64_t id;
    (void)value;
    if (row_number(key, &id)) return 0;
    uint32_t box = (uint32_t)id, uid = noted(x->w, &box, sizeof box);
    int e = give_rows(x, row_key('m', box, uid, 8, from), row_prefix_end('m', box, to));
    if (e) return e;
    return each_row(x, row_key('g', box, uid, 8, from), row_prefix_end('g', box, to), added_range, x);
}

/* Unseen batches first: what becomes seen meanwhile is given twice rather than never. */
static int read_added(struct added *x)
{
    int e = each_row(x, SL("h/"), SL("h0"), added_unseen, x);
    return e ? e : each_row(x, SL("b/"), SL("b0"), added_in_box, x);
}

/* While nothing can change: there is nothing left to miss. */
static int read_added_tx(struct kv_tx *tx, void *arg)
{
    struct walk *w = arg;
    buf_clear(&w->last);
    return read_added(&(struct added){w, tx});
}

static int read_last(struct walk *w)
{
    char room[KEY_ROOM];
    struct slice rows, key, value;
    turn_over(w);
    int e = kv_transact(w->s->kv, account_object(w->acc, room), read_added_tx, w);
    rows = buf_slice(&w->last);
    while (e == 0 && rows_take(&rows, &key, &value)) e = w->each(w->arg, key, value);
    return e;
}

static int read_kinds(struct walk *w, const char *kinds)
{
    char from[3] = "?/", to[3] = "?0";
    int e = 0;
    if (!kinds) return rows_each(w->s, w->acc, SL(""), SL(""), w->each, w->arg);
    for (; e == 0 && *kinds; kinds++) {
        from[0] = to[0] = *kinds;
        e = rows_each(w->s, w->acc, sl_cstr(from), sl_cstr(to), w->each, w->arg);
    }
    return e;
}

static int walk(struct walk *w, const char *kinds, uint64_t *modseq)
{
    uint64_t after = *modseq;
    int e = note_uidnexts(w);
    if (e == 0) e = read_kinds(w, kinds);
    if (e == 0) e = account_modseq(w->s, w->acc, &after);
    for (int i = 0; e == 0 && after != *modseq && i < CATCH_UPS; i++) {
        *modseq = after;
        e = note_uidnexts(w);
        if (e == 0) e = read_added(&(struct added){.w = w});
        if (e == 0) e = account_modseq(w->s, w->acc, &after);
    }
    if (e || after == *modseq) return e;
    *modseq = 0; /* which one it has is not known */
    return read_last(w);
}

int account_walk(struct store *s, const char *acc, const char *kinds,
                 int (*each)(void *arg, struct slice key, struct slice value), void *arg, uint64_t *modseq)
{
    struct walk w = {.s = s, .acc = acc, .each = each, .arg = arg};
    map_init(&w.uidnext, false);
    map_init(&w.fresh, false);
    int e = walk(&w, kinds, modseq);
    map_free(&w.uidnext);
    map_free(&w.fresh);
    buf_free(&w.last);
    return e;
}
