/* tx.c - within a transaction: the engine's state with the changes of the group laid over it.
 *
 * The batch holds ranges that are erased and rows that are put or deleted; a row wins over a range, for
 * what an erase finds in the batch it takes out. Each change can be taken back. */
#include "kv_i.h"

enum { STOP = 1, FEW_ROWS = 256, FEW_BYTES = 256 << 10 };

struct slice kv_tx_object(const struct kv_tx *tx) { return tx->object; }

/* Empty when the key is not allowed. */
static struct slice tx_full(struct kv_tx *tx, struct slice key)
{
    if (!kv_name_ok(key)) return sl(NULL, 0);
    memcpy(tx->room + tx->object.n + 1, key.p, key.n);
    return sl(tx->room, tx->object.n + 1 + key.n);
}

/* ---- ranges that the group erases ---- */

static bool erased(const struct kv_batch *b, struct slice full)
{
    for (size_t i = 0; i < b->nerased; i++)
        if (sl_cmp(b->erased[i].from, full) <= 0 && sl_cmp(full, b->erased[i].to) < 0) return true;
    return false;
}

/* Moves *at past what is erased; gives where the next erased range begins, at most `to`. */
static struct slice next_gap(const struct kv_batch *b, struct slice *at, struct slice to)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < b->nerased; i++) {
            if (sl_cmp(b->erased[i].from, *at) > 0 || sl_cmp(*at, b->erased[i].to) >= 0) continue;
            *at = b->erased[i].to;
            moved = true;
        }
    }
    for (size_t i = 0; i < b->nerased; i++) {
        struct slice from = b->erased[i].from;
        if (sl_cmp(from, *at) > 0 && sl_cmp(from, to) < 0) to = from;
    }
    return to;
}

/* ---- reading and changing rows ---- */

/* What is not in memory is noted, to be fetched before the transaction runs again (kv.c). Any error
 * is sticky: what was decided without this row cannot stand. */
static int read_failed(struct kv_tx *tx, int e, struct slice from, struct slice to)
{
    if (e != KV_WOULD_BLOCK) return tx->error = e;
    tx->error = KV_WOULD_BLOCK;
    kv_wish(tx->wishes, from, to);
    return err_set(ERR_IO, "a row is fetched from the disk first");
}

int kv_tx_get(struct kv_tx *tx, struct slice key, struct slice *value)
{
    struct slice full = tx_full(tx, key);
    if (!full.n) return err_set(ERR_USAGE, "a key is empty, too long or not printable");
    struct onode *n = omap_find(&tx->kv->batch.rows, full);
    if (n && n->kind == OMAP_PUT) {
        *value = n->value;
        return 0;
    }
    if (n && n->kind == OMAP_DEL) return ERR_NOT_FOUND;
    if (erased(&tx->kv->batch, full)) return ERR_NOT_FOUND;
    if (kv_hot_find(&tx->kv->hot, full, value)) {
        *value = ar_dup(&tx->kv->scratch, *value); /* another row may take its place */
        return 0;
    }
    int e = tx->kv->engine->get(tx->kv, tx->how, full, &tx->kv->scratch, value);
    if (!e) kv_hot_read(&tx->kv->hot, full, *value);
    return e && e != ERR_NOT_FOUND ? read_failed(tx, e, full, sl(NULL, 0)) : e;
}

void kv_tx_want(struct kv_tx *tx, struct slice key)
{
    struct slice full = tx_full(tx, key), value;
    if (tx->error != KV_WOULD_BLOCK || !full.n || omap_find(&tx->kv->batch.rows, full)) return;
    if (tx->kv->engine->get(tx->kv, tx->how, full, &tx->kv->scratch, &value) == KV_WOULD_BLOCK)
        kv_wish(tx->wishes, full, sl(NULL, 0));
}

static void undo_note(struct kv *kv, struct onode *n)
{
    if (kv->nundo == kv->undo_cap) {
        kv->undo_cap = kv->undo_cap ? 2 * kv->undo_cap : 64;
        kv->undo = xrealloc(kv->undo, kv->undo_cap * sizeof *kv->undo);
    }
    kv->undo[kv->nundo++] = (struct kv_undo){.node = n, .value = n->value, .kind = n->kind};
}

/* full: the key with its object's name in front, when both are allowed. */
static void tx_change(struct kv_tx *tx, struct slice full, enum omap_kind kind, struct slice value)
{
    if (tx->error) return;
    tx->bytes += full.n + value.n;
    if (!full.n) {
        tx->error = err_set(ERR_USAGE, "a key is empty, too long or not printable");
    } else if (kind == OMAP_PUT && (value.n == 0 || value.n > KV_VALUE_MAX)) {
        tx->error = err_set(ERR_USAGE, "a value of %zu bytes cannot be stored", value.n);
    } else if (tx->bytes > KV_BATCH_MAX) {
        tx->error = err_set(ERR_TOO_LONG, "one transaction changes more than %d bytes", KV_BATCH_MAX);
    } else {
        struct onode *n = omap_node(&tx->kv->batch.rows, full);
        undo_note(tx->kv, n);
        n->kind = kind;
        if (kind == OMAP_PUT) omap_set(&tx->kv->batch.rows, n, value);
    }
}

static void tx_put_record(struct kv_tx *tx, struct slice full, const struct buf *record)
{
    if (!record->over) tx_change(tx, full, OMAP_PUT, buf_slice(record));
    else if (!tx->error)
        tx->error =
            err_set(ERR_TOO_LONG, "a record is longer than %d bytes and cannot be stored", KV_VALUE_MAX);
}

void kv_tx_put(struct kv_tx *tx, struct slice key, struct slice value)
{
    tx_change(tx, tx_full(tx, key), OMAP_PUT, value);
}

void kv_tx_put_record(struct kv_tx *tx, struct slice key, const struct buf *record)
{
    tx_put_record(tx, tx_full(tx, key), record);
}

void kv_tx_del(struct kv_tx *tx, struct slice key) { tx_change(tx, tx_full(tx, key), OMAP_DEL, sl(NULL, 0)); }

void kv_tx_put_warm(struct kv_tx *tx, struct slice key, const struct buf *record)
{
    struct slice full = tx_full(tx, key);
    tx_put_record(tx, full, record);
    struct onode *n = tx->error ? NULL : omap_find(&tx->kv->batch.rows, full);
    if (n) n->warm = true;
}

/* All engines so far write one batch over all objects, so what is told goes with it. */
void kv_tx_note(struct kv_tx *tx, struct slice object, struct slice key, const struct buf *record)
{
    char room[KV_FULL_MAX];
    bool good = kv_name_ok(object) && kv_name_ok(key);
    size_t own = tx->bytes;
    tx->bytes = tx->told;
    tx_put_record(tx, good ? kv_full(room, object, key) : sl(NULL, 0), record);
    tx->told = tx->bytes;
    tx->bytes = own;
}

/* The engine's rows merged with the batch, which wins. */
struct merge {
    struct onode *next; /* of the batch, not yet passed */
    size_t skip;        /* object NUL */
    kv_visit *visit;
    void *arg;
    int said; /* what visit ended the scan with */
    struct slice at;
    char at_room[KV_FULL_MAX + 1]; /* just behind the engine's last row */
};

static int merge_visit(struct merge *m, struct slice full, struct slice value)
{
    return m->said = m->visit(m->arg, sl_from(full, m->skip), value);
}

/* Visits the batch's puts up to `until` (exclusive; empty = to the end of the range). */
static int merge_batch(struct merge *m, struct slice until)
{
    while (m->next && sl_cmp(m->next->key, until) < 0) {
        struct onode *n = m->next;
        int e = n->kind == OMAP_PUT ? merge_visit(m, n->key, n->value) : 0;
        m->next = omap_next(n); /* after the visit, which may have put more */
        if (e) return e;
    }
    return 0;
}

static int merge_row(void *arg, struct slice full, struct slice value)
{
    struct merge *m = arg;
    int e = merge_batch(m, full);
    if (full.n <= KV_FULL_MAX) {
        memcpy(m->at_room, full.p, full.n);
        m->at_room[full.n] = 0;
        m->at = sl(m->at_room, full.n + 1);
    }
    if (e) return e;
    if (m->next && sl_eq(m->next->key, full) && m->next->kind != OMAP_NONE)
        return 0; /* the batch knows better */
    return merge_visit(m, full, value);
}

static int tx_rows(struct kv_tx *tx, const struct kv_range *r, kv_visit *visit, void *arg)
{
    struct kv *kv = tx->kv;
    struct merge m = {
        .next = omap_from(&kv->batch.rows, r->from), .skip = tx->object.n + 1, .visit = visit, .arg = arg};
    int e = 0;
    for (struct slice at = r->from; e == 0 && sl_cmp(at, r->to) < 0;) {
        struct slice until = kv_gaps_pass(tx->wishes, &at, next_gap(&kv->batch, &at, r->to));
        m.at = at;
        if (sl_cmp(at, until) < 0) e = kv->engine->scan(kv, tx->how, at, until, merge_row, &m);
        at = until;
    }
    if (e && !m.said) return read_failed(tx, e, m.at, r->to);
    return e ? e : merge_batch(&m, r->to);
}

int kv_tx_scan(struct kv_tx *tx, struct slice from, struct slice to, kv_visit *visit, void *arg)
{
    struct kv_range r;
    int e = kv_range_make(&r, tx->object, from, to);
    return e ? (tx->error = e) : tx_rows(tx, &r, visit, arg);
}

/* ---- erasing ---- */

struct few {
    struct kv_tx *tx;
    size_t rows, bytes;
};

static int delete_few(void *arg, struct slice key, struct slice value)
{
    struct few *f = arg;
    f->bytes += value.n;
    if (++f->rows > FEW_ROWS || f->bytes > FEW_BYTES) return STOP;
    kv_tx_del(f->tx, key);
    return 0;
}

static void erase_range(struct kv_tx *tx, const struct kv_range *r)
{
    struct kv *kv = tx->kv;
    struct kv_batch *b = &kv->batch;
    if (b->nerased == KV_ERASES_MAX) {
        tx->error = err_set(ERR_TOO_LONG, "one transaction erases more than %d ranges", KV_ERASES_MAX / 2);
        return;
    }
    for (struct onode *n = omap_from(&b->rows, r->from); n && sl_cmp(n->key, r->to) < 0; n = omap_next(n)) {
        undo_note(kv, n);
        n->kind = OMAP_NONE;
    }
    b->erased[b->nerased++] = (struct kv_span){ar_dup(&kv->group, r->from), ar_dup(&kv->group, r->to)};
}

/* Few rows are deleted one by one: each range that was erased costs every later read a little. What
 * cannot be read can be erased. */
void kv_tx_erase(struct kv_tx *tx, struct slice from, struct slice to)
{
    struct kv_range r;
    struct few f = {.tx = tx};
    if (tx->error) return;
    tx->error = kv_range_make(&r, tx->object, from, to);
    if (tx->error || !tx_rows(tx, &r, delete_few, &f) || tx->error == KV_WOULD_BLOCK) return;
    tx->error = 0;
    erase_range(tx, &r);
}

/* ---- taking back ---- */

void kv_tx_undo(struct kv *kv)
{
    while (kv->nundo) {
        struct kv_undo *u = &kv->undo[--kv->nundo];
        u->node->value = u->value;
        u->node->kind = u->kind;
    }
    kv->batch.nerased = kv->erased_before;
    kv->said.n = kv->said_before;
}

void kv_tx_keep(struct kv *kv)
{
    kv->nundo = 0;
    kv->erased_before = kv->batch.nerased;
    kv->said_before = kv->said.n;
}

/* ---- what is said when it is durable ---- */

struct said {
    kv_say *say;
    size_t n;
};

void kv_tx_say(struct kv_tx *tx, kv_say *say, struct slice data)
{
    struct said x = {say, data.n};
    if (tx->error) return;
    buf_bytes(&tx->kv->said, &x, sizeof x);
    buf_put(&tx->kv->said, data);
}

static void wake(struct slice data)
{
    struct kv *kv;
    memcpy(&kv, data.p, sizeof kv);
    kv_notify(kv, sl_from(data, sizeof kv));
}

void kv_tx_notify(struct kv_tx *tx, struct slice object)
{
    struct buf b = BUF_INIT;
    buf_bytes(&b, &tx->kv, sizeof tx->kv);
    buf_put(&b, object);
    kv_tx_say(tx, wake, buf_slice(&b));
    buf_free(&b);
}

void kv_tx_said(struct kv *kv, bool durable)
{
    struct said x;
    for (struct slice s = buf_slice(&kv->said); durable && s.n; s = sl_from(s, sizeof x + x.n)) {
        memcpy(&x, s.p, sizeof x);
        x.say(sl_sub(s, sizeof x, sizeof x + x.n));
    }
    buf_clear(&kv->said);
    kv->said_before = 0;
}
