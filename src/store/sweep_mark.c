/* sweep_mark.c - which packs are referred to, and by how many bytes.
 *
 * An account is read page by page while it changes. A message that is copied or moved
 * meanwhile gets a new UID, so what may have been missed lies at or above the uidnext that its
 * mailbox had when the reading began: that is read next, and again what came during
 * this, each time less. When an account is busy even then, the last bit is read inside a
 * transaction: however busy an account is, its reading ends.
 *
 * What an account refers to is remembered with its modseq, within a limit on memory: an
 * account that did not change is not read again. */
#include <stdlib.h>

#include "sweep_i.h"

enum { CATCH_UPS = 4, REMEMBER_BYTES = 32 << 20 };

/* ---- what is remembered from sweep to sweep ---- */

struct part {
    uint64_t pack, bytes, bodies;
};
struct known {
    uint64_t modseq;
    size_t n;
    struct part part[];
};
struct sweep_memory {
    struct map accounts, before; /* id -> struct known; before: not looked at in this sweep yet */
    size_t bytes;
};

static size_t weight(const char *acc, const struct known *k)
{
    return sizeof *k + k->n * sizeof k->part[0] + strlen(acc) + 64;
}

static void forget(struct sweep_memory *m, struct map *in, const char *acc)
{
    struct known *k = map_del(in, sl_cstr(acc));
    if (k) m->bytes -= weight(acc, k);
    free(k);
}

void sweep_forget_account(struct sweep *w, const char *acc)
{
    forget(w->s->swept, &w->s->swept->accounts, acc);
}

static void forget_all(struct map *accounts)
{
    struct map_iter it = {0};
    while (map_next(accounts, &it)) free(it.value);
    map_free(accounts);
}

void store_sweep_forget(struct store *s)
{
    if (!s->swept) return;
    forget_all(&s->swept->accounts);
    forget_all(&s->swept->before);
    free(s->swept);
    s->swept = NULL;
}

static void memory_begin(struct store *s)
{
    if (!s->swept) {
        s->swept = xcalloc(1, sizeof *s->swept);
        map_init(&s->swept->accounts, false);
        map_init(&s->swept->before, false);
    }
    struct map_iter it = {0}; /* left there by a sweep that did not end */
    while (map_next(&s->swept->before, &it)) {
        struct known *twice = map_put(&s->swept->accounts, it.key, it.value);
        if (twice) s->swept->bytes -= sizeof *twice + twice->n * sizeof twice->part[0] + it.key.n + 64;
        free(twice);
    }
    map_free(&s->swept->before);
    s->swept->before = s->swept->accounts;
    map_init(&s->swept->accounts, false);
}

/* Accounts that are gone. */
static void memory_end(struct store *s)
{
    struct map_iter it = {0};
    while (map_next(&s->swept->before, &it)) {
        struct known *k = it.value;
        s->swept->bytes -= sizeof *k + k->n * sizeof k->part[0] + it.key.n + 64;
        free(k);
    }
    map_free(&s->swept->before);
    map_init(&s->swept->before, false);
}

/* ---- marking ---- */

struct live *sweep_live(struct sweep *w, uint64_t pack, bool make)
{
    struct slice key = sl(&pack, sizeof pack);
    struct live *l = map_get(&w->packs, key);
    if (l || !make) return l;
    l = ar_new(&w->a, struct live);
    map_put(&w->packs, key, l);
    return l;
}

static void mark_known(struct sweep *w, const struct known *k)
{
    for (size_t i = 0; i < k->n; i++) {
        sweep_live(w, k->part[i].pack, true)->bytes += k->part[i].bytes;
        w->report->bodies_alive += k->part[i].bodies;
    }
}

static const struct slice queue_name = SL("q");

static int mark_letter(void *arg, struct slice letter, struct slice ref)
{
    struct sweep *w = arg;
    struct body_ref r;
    int rc = care_check(&w->care);
    if (body_ref_parse(ref, &r)) sweep_damaged(w, queue_name, letter);
    else sweep_live(w, body_ref_pack(&r), true)->bytes += body_ref_size(&r) + 48;
    return rc;
}

/* One account that is being read. */
struct reading {
    struct sweep *w;
    struct map parts;   /* 8 bytes of a pack's number -> struct part */
    struct map uidnext; /* 4 bytes of a mailbox -> its uidnext when the reading under way began; 8 bytes of a
                         * batch that nobody saw then -> how many rows it had */
    struct map fresh;   /* the same, for the reading after it */
    bool damaged;
};

static void reading_add(struct reading *r, const struct body_ref *ref)
{
    uint64_t pack = body_ref_pack(ref);
    struct part *p = map_get(&r->parts, sl(&pack, sizeof pack));
    if (!p) {
        p = xcalloc(1, sizeof *p);
        p->pack = pack;
        map_put(&r->parts, sl(&pack, sizeof pack), p);
    }
    p->bytes += body_ref_size(ref) + 48;
    p->bodies++;
}

/* key empty: there are rows that cannot be seen. */
static void read_damage(struct reading *r, struct slice key)
{
    char room[KEY_ROOM];
    r->damaged = true;
    sweep_damaged(r->w, account_object(r->w->acc, room), key);
}

static int read_row(void *arg, struct slice key, struct slice value)
{
    struct reading *r = arg;
    struct message m;
    if (message_row_get(value, 0, &m) == 0) reading_add(r, &m.body);
    else read_damage(r, key);
    return 0;
}

static int note_uidnext(void *arg, struct slice key, struct slice value)
{
    struct reading *r = arg;
    struct box_row b;
    uint64_t id;
    if (row_number(key, &id) || box_row_get(value, (uint32_t)id, &b))
        return 0; /* then all of it is read again */
    uint32_t box = (uint32_t)id;
    map_put(&r->fresh, sl(&box, sizeof box), (void *)(uintptr_t)(b.m.uidnext ? b.m.uidnext : 1));
    return 0;
}

static int note_batch(void *arg, struct slice key, struct slice value)
{
    struct reading *r = arg;
    struct batch_header h;
    uint64_t id;
    if (row_number(key, &id) == 0 && batch_header_get(value, &h) == 0)
        map_put(&r->fresh, sl(&id, sizeof id), (void *)(uintptr_t)h.n);
    return 0; /* else all of it is read again */
}

static int note_uidnexts(struct reading *r)
{
    map_free(&r->uidnext);
    r->uidnext = r->fresh;
    map_init(&r->fresh, false);
    int rc = rows_each(r->w->s, r->w->acc, SL("b/"), SL("b0"), note_uidnext, r);
    return rc ? rc : rows_each(r->w->s, r->w->acc, SL("h/"), SL("h0"), note_batch, r);
}

/* ---- what was added ---- */

/* Rows in a range of keys, by pages or in a transaction. */
struct added {
    struct reading *r;
    struct kv_tx *tx; /* or NULL */
};

static int each_row(struct added *x, struct slice from, struct slice to, kv_visit *visit, void *arg)
{
    return x->tx ? kv_tx_scan(x->tx, from, to, visit, arg)
                 : rows_each(x->r->w->s, x->r->w->acc, from, to, visit, arg);
}

static uint32_t noted(struct reading *r, const void *p, size_t n)
{
    return (uint32_t)(uintptr_t)map_get(&r->uidnext, sl(p, n));
}

/* The rows of a batch that were not there when the last reading began. */
static int added_to_batch(struct added *x, uint32_t box, uint64_t id)
{
    struct batch_rows rows;
    batch_rows(box, id, noted(x->r, &id, sizeof id), &rows);
    return each_row(x, rows.from, rows.to, read_row, x->r);
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
    uint32_t box = (uint32_t)id, uid = noted(x->r, &box, sizeof box);
    int rc = each_row(x, row_key('m', box, uid, 8, from), row_prefix_end('m', box, to), read_row, x->r);
    if (rc) return rc;
    return each_row(x, row_key('g', box, uid, 8, from), row_prefix_end('g', box, to), added_range, x);
}

static int read_added(struct added *x)
{
    int rc = each_row(x, SL("b/"), SL("b0"), added_in_box, x);
    return rc ? rc : each_row(x, SL("h/"), SL("h0"), added_unseen, x);
}

/* While nothing can change: there is nothing left to miss. */
static int read_added_tx(struct kv_tx *tx, void *arg) { return read_added(&(struct added){arg, tx}); }

/* 0 without a row: it is being erased, its rows are read all the same. */
static int modseq_of(struct store *s, const char *acc, uint64_t *out)
{
    char room[KEY_ROOM];
    struct arena a;
    struct slice value;
    struct account_row row = {0};
    ar_init(&a, 0);
    int rc = kv_get(s->kv, account_object(acc, room), SL("a"), &a, &value);
    if (rc == 0 && account_row_get(value, &row)) row.modseq = 0; /* damaged: read, and not remembered */
    *out = row.modseq;
    ar_free(&a);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int read_account(struct reading *r, uint64_t *modseq)
{
    struct sweep *w = r->w;
    char room[KEY_ROOM];
    uint64_t after = *modseq;
    int rc = note_uidnexts(r);
    if (rc == 0) rc = rows_each(w->s, w->acc, SL("m/"), SL("m0"), read_row, r);
    if (rc == 0) rc = rows_each(w->s, w->acc, SL("y/"), SL("y0"), read_row, r);
    if (rc == 0) rc = modseq_of(w->s, w->acc, &after);
    for (int i = 0; rc == 0 && after != *modseq && i < CATCH_UPS; i++) {
        *modseq = after;
        rc = note_uidnexts(r);
        if (rc == 0) rc = read_added(&(struct added){.r = r});
        if (rc == 0) rc = modseq_of(w->s, w->acc, &after);
    }
    if (rc || after == *modseq) return rc;
    *modseq = 0; /* which one it has is not known: not to be remembered */
    map_free(&r->uidnext);
    r->uidnext = r->fresh;
    map_init(&r->fresh, false);
    return kv_transact(w->s->kv, account_object(w->acc, room), read_added_tx, r);
}

/* Rows of mailboxes that are being deleted, and of batches that are given up, go without a change of the
 * modseq. */
static int found(void *arg, struct slice key, struct slice value)
{
    (void)arg, (void)key, (void)value;
    return 1;
}

static bool may_remember(struct reading *r, uint64_t modseq)
{
    return modseq && !r->damaged && rows_each(r->w->s, r->w->acc, SL("x/"), SL("x0"), found, NULL) == 0 &&
           rows_each(r->w->s, r->w->acc, SL("h/"), SL("h0"), found, NULL) == 0;
}

static struct known *known_from(struct reading *r, uint64_t modseq)
{
    struct known *k = xcalloc(1, sizeof *k + r->parts.count * sizeof k->part[0]);
    struct map_iter it = {0};
    k->modseq = modseq;
    while (map_next(&r->parts, &it)) k->part[k->n++] = *(struct part *)it.value;
    return k;
}

static void remember(struct sweep *w, struct known *k)
{
    struct sweep_memory *m = w->s->swept;
    if (m->bytes + weight(w->acc, k) > REMEMBER_BYTES) {
        free(k);
        return;
    }
    m->bytes += weight(w->acc, k);
    map_put(&m->accounts, sl_cstr(w->acc), k);
}

static int mark_by_reading(struct sweep *w, uint64_t modseq)
{
    struct reading r = {.w = w};
    map_init(&r.parts, false);
    map_init(&r.uidnext, false);
    map_init(&r.fresh, false);
    w->report->accounts_read++;
    int rc = mailbox_finish_deletes(w->s, w->acc);
    if (rc == 0) rc = batch_care(w->s, w->acc);
    if (rc == ERR_CORRUPT) rc = 0; /* what could not be deleted is read */
    if (rc == 0) rc = read_account(&r, &modseq);
    if (rc == ERR_CORRUPT) {
        read_damage(&r, (struct slice){0});
        rc = 0;
    }
    struct known *k = known_from(&r, modseq);
    if (rc == 0) mark_known(w, k);
    if (rc == 0 && may_remember(&r, modseq)) remember(w, k);
    else free(k);
    struct map_iter it = {0};
    while (map_next(&r.parts, &it)) free(it.value);
    map_free(&r.parts);
    map_free(&r.uidnext);
    map_free(&r.fresh);
    return rc;
}

static int mark_account(void *arg, const char *acc)
{
    struct sweep *w = arg;
    struct sweep_memory *m = w->s->swept;
    uint64_t modseq;
    w->acc = acc;
    int rc = care_check(&w->care);
    if (rc == 0) rc = modseq_of(w->s, acc, &modseq);
    if (rc) return rc;
    struct known *k = map_get(&m->before, sl_cstr(acc));
    if (!k || k->modseq != modseq) {
        forget(m, &m->before, acc);
        return mark_by_reading(w, modseq);
    }
    mark_known(w, k);
    (void)map_del(&m->before, sl_cstr(acc));
    map_put(&m->accounts, sl_cstr(acc), k);
    return 0;
}

int sweep_mark(struct sweep *w)
{
    memory_begin(w->s);
    int rc = w->queue ? w->queue->refs(w->queue->ctx, w->s, mark_letter, w) : 0;
    if (rc == ERR_CORRUPT) {
        sweep_damaged(w, queue_name, (struct slice){0});
        rc = 0;
    }
    if (rc == 0) rc = accounts_each(w->s, mark_account, w);
    if (rc == 0) memory_end(w->s);
    return rc;
}

bool sweep_account_moves(struct sweep *w, const char *acc)
{
    const struct known *k = map_get(&w->s->swept->accounts, sl_cstr(acc));
    bool moves = !k;
    for (size_t i = 0; k && i < k->n && !moves; i++) {
        struct live *l = sweep_live(w, k->part[i].pack, false);
        moves = l && l->move;
    }
    return moves;
}
