/* kv.c - what all engines share: the committer, notes, opening and closing.
 *
 * One thread runs the waiting transactions one after another. Each sees the
 * engine's state with the changes of the group laid over it; one that fails has
 * its own changes taken back. The engine then makes the group durable at once. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "kv_i.h"
#include "rt/file.h"

enum { KV_GROUP_MAX = 512 };

enum { STOP = 1 };

/* ---- names ---- */

/* ---- the committer ---- */

struct txn {
    struct job job;
    struct slice object;
    kv_fn *fn;
    void *arg;
    int status;
    bool may_wait; /* it may read the disk itself */
    struct kv_wishes *wishes;
    char why[ERR_TEXT_MAX];
};

static void batch_clear(struct kv *kv)
{
    omap_clear(&kv->batch.rows);
    kv->batch.nerased = kv->erased_before = 0;
    ar_reset(&kv->group);
}

static bool batch_full(const struct kv_batch *b)
{
    return b->rows.bytes > KV_GROUP_BYTES || b->nerased > KV_ERASES_MAX / 2;
}

static int txn_fail(struct txn *t, int status)
{
    t->status = status;
    snprintf(t->why, sizeof t->why, "%s", err_text(status));
    return status;
}

static int txn_run(struct kv *kv, struct txn *t)
{
    struct kv_tx tx = {.kv = kv,
                       .object = t->object,
                       .how = t->may_wait ? KV_READ_COMMITTER : KV_READ_COMMITTER_CACHED,
                       .wishes = t->wishes};
    t->wishes->n = 0;
    memcpy(tx.room, t->object.p, t->object.n);
    tx.room[t->object.n] = 0;
    int e = t->fn(&tx, t->arg);
    if (tx.error && (e >= 0 || tx.error == KV_WOULD_BLOCK)) e = tx.error;
    if (e < 0) kv_tx_undo(kv);
    if (e < 0 && e != KV_WOULD_BLOCK) txn_fail(t, e);
    else t->status = e;
    return e;
}

/* Runs one transaction into the batch. True when its answer is settled whatever the commit says. */
static bool txn_apply(struct kv *kv, struct txn *t)
{
    int e = txn_run(kv, t);
    if (e == KV_WOULD_BLOCK) {
        ar_reset(&kv->scratch);
        return true; /* it comes again */
    }
    enum kv_fault f = kv_fault_next(kv, KV_FAULT_IO, KV_FAULT_RERUN);
    if (f == KV_FAULT_RERUN) {
        kv_tx_undo(kv);
        e = txn_run(kv, t);
    }
    bool settled = e >= 0 && f != KV_FAULT_NONE && f != KV_FAULT_RERUN;
    if (settled) {
        if (f != KV_FAULT_UNKNOWN_DONE) kv_tx_undo(kv);
        int why = f == KV_FAULT_IO ? ERR_IO : f == KV_FAULT_FULL ? ERR_FULL : ERR_UNKNOWN;
        txn_fail(t, err_set(why, "a fault was injected"));
    }
    kv_tx_keep(kv);
    ar_reset(&kv->scratch);
    return settled;
}

/* Makes the batch durable; on failure every transaction in it that is not
 * settled gets the error, those that said no as well: they may have judged by changes that are now not there.
 */
static void group_commit(struct kv *kv, struct txn **in, size_t n)
{
    int e = kv_commit(kv);
    if (kv->claiming) __atomic_fetch_add(&kv->claims, 1, __ATOMIC_RELEASE); /* whatever e says is there */
    kv->claiming = false;
    kv_gaps_written(kv);
    if (e || kv->batch.nerased) kv_hot_forget(&kv->hot);
    else kv_hot_wrote(&kv->hot, &kv->batch.rows);
    kv_tx_said(kv, e == 0);
    for (size_t i = 0; e && i < n; i++) txn_fail(in[i], e);
    lock_take(&kv->lock);
    kv->stats.transactions += n;
    kv->stats.groups++;
    kv->stats.bytes += kv->batch.rows.bytes;
    lock_release(&kv->lock);
    batch_clear(kv);
}

static uint32_t take_u32(struct slice *s)
{
    uint32_t v;
    memcpy(&v, s->p, sizeof v);
    *s = sl_from(*s, sizeof v);
    return v;
}

/* Puts the waiting notes into the batch. */
static void notes_drain(struct kv *kv)
{
    lock_take(&kv->lock);
    struct buf full = kv->notes;
    kv->notes = kv->draining;
    lock_release(&kv->lock);
    for (struct slice s = buf_slice(&full); s.n;) {
        uint32_t klen = take_u32(&s), vlen = take_u32(&s);
        struct onode *node = omap_node(&kv->batch.rows, sl_sub(s, 0, klen));
        node->kind = OMAP_PUT;
        omap_set(&kv->batch.rows, node, sl_sub(s, klen, klen + vlen));
        s = sl_from(s, klen + vlen);
    }
    buf_clear(&full);
    kv->draining = full;
}

/* A group that failed leaves the engine closed, or with changes of which nobody knows yet: none is run before
 * it is mended, and who comes behind one that could not be hears why. The notes wait on. */
static void handle(void *ctx, struct job *jobs)
{
    struct kv *kv = ctx;
    struct txn *in[KV_GROUP_MAX];
    size_t n = 0;
    int e = kv_mend(kv);
    if (e == 0) notes_drain(kv);
    for (struct job *j = jobs; j; j = j->next) {
        struct txn *t = CONTAINER_OF(j, struct txn, job);
        if (e == 0) e = kv_mend(kv);
        if (e) {
            txn_fail(t, e);
            continue;
        }
        if (!txn_apply(kv, t)) in[n++] = t;
        if (n == KV_GROUP_MAX || batch_full(&kv->batch)) {
            group_commit(kv, in, n);
            n = 0;
        }
    }
    if (e == 0) group_commit(kv, in, n);
}

/* What the transaction wanted is fetched, and it runs again. */
static void run_again(struct kv *kv, struct txn *t, bool may_wait)
{
    kv_fetch(kv, t->wishes);
    lock_take(&kv->lock);
    if (may_wait) kv->stats.waited++;
    else kv->stats.fetched++;
    lock_release(&kv->lock);
    t->may_wait = may_wait;
    t->status = ERR_CANCELED;
    worker_do(kv->committer, &t->job);
}

static int transact(struct kv *kv, struct slice object, kv_fn *fn, void *arg, bool large)
{
    ASSERT(kv && fn);
    if (!kv_name_ok(object)) return err_set(ERR_USAGE, "the name of an object is not allowed");
    struct kv_wishes wishes = {0};
    struct txn t = {.job = {.large = large},
                    .object = object,
                    .fn = fn,
                    .arg = arg,
                    .status = ERR_CANCELED,
                    .wishes = &wishes};
    kv_users_enter(&kv->users);
    worker_do(kv->committer, &t.job);
    for (int runs = 1; t.status == KV_WOULD_BLOCK; runs++) run_again(kv, &t, runs == KV_RUNS_MAX);
    kv_users_leave(&kv->users);
    kv_wishes_free(kv, &wishes);
    return t.status < 0 && t.why[0] ? err_set(t.status, "%s", t.why) : t.status;
}

int kv_transact(struct kv *kv, struct slice object, kv_fn *fn, void *arg)
{
    return transact(kv, object, fn, arg, false);
}

int kv_transact_large(struct kv *kv, struct slice object, kv_fn *fn, void *arg)
{
    return transact(kv, object, fn, arg, true);
}

static int nothing(struct kv_tx *tx, void *arg)
{
    (void)tx, (void)arg;
    return 0;
}

/* Notes that wait are written with the next transaction: this is one. */
int kv_flush(struct kv *kv, struct slice object) { return kv_transact(kv, object, nothing, NULL); }

/* Before any transaction the committer mends. */
static void mend(struct kv *kv) { (void)!kv_flush(kv, SL("_format")); }

void kv_note(struct kv *kv, struct slice object, struct slice key, struct slice value)
{
    bool fits = kv_name_ok(object) && kv_name_ok(key) && value.n > 0 && value.n <= KV_VALUE_MAX;
    if (!fits)
        log_error("kv", "a note for %.*s is lost: it has %zu bytes or a key that cannot be stored",
                  SLF(kv_name_ok(object) ? object : SL("an object")), value.n);
    uint32_t klen = (uint32_t)(object.n + 1 + key.n), vlen = (uint32_t)value.n;
    lock_take(&kv->lock);
    fits = fits && kv->notes.n + klen + vlen <= KV_NOTES_MAX;
    char *p = fits ? buf_space(&kv->notes, 8 + klen + vlen) : NULL;
    if (p) {
        memcpy(p, &klen, 4);
        memcpy(p + 4, &vlen, 4);
        kv_full(p + 8, object, key);
        memcpy(p + 8 + klen, value.p, vlen);
        kv->notes.n += 8 + klen + vlen;
        kv->stats.notes++;
    } else {
        kv->stats.notes_dropped++;
    }
    lock_release(&kv->lock);
}

void kv_note_record(struct kv *kv, struct slice object, struct slice key, const struct buf *record)
{
    struct slice value = buf_slice(record);
    kv_note(kv, object, key, value); /* one that did not fit is empty */
}

void kv_stats(struct kv *kv, struct kv_stats *out)
{
    lock_take(&kv->lock);
    *out = kv->stats;
    lock_release(&kv->lock);
}

/* ---- opening and closing ---- */

int kv_sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrndup(".", 1);
    int e = path_sync_dir(dir);
    free(dir);
    return e;
}

static int any_row(void *arg, struct slice full, struct slice value)
{
    (void)arg, (void)full, (void)value;
    return STOP;
}

static int format_write(struct kv *kv, struct slice full)
{
    char version[16];
    int n = snprintf(version, sizeof version, "%d", KV_FORMAT);
    struct onode *node = omap_node(&kv->batch.rows, full);
    node->kind = OMAP_PUT;
    omap_set(&kv->batch.rows, node, sl(version, (size_t)n));
    int e = kv->engine->write(kv, &kv->batch);
    batch_clear(kv);
    return e;
}

static int format_check(struct kv *kv)
{
    char room[KV_FULL_MAX];
    struct slice full = kv_full(room, SL("_format"), SL("kv")), value;
    int e = kv->engine->get(kv, KV_READ_COMMITTER, full, &kv->scratch, &value);
    if (e == ERR_NOT_FOUND) {
        e = kv->engine->scan(kv, KV_READ_COMMITTER, SL(" "), SL("\x7f"), any_row, NULL);
        if (e == STOP) return err_set(ERR_CORRUPT, "the index holds data but no record of its format");
        return e ? e : format_write(kv, full);
    }
    if (e) return e;
    if (!sl_eq(value, SL("1")))
        return err_set(ERR_VERSION, "the index has format %.*s; this program reads format %d only",
                       SLF(sl_sub(value, 0, 16)), KV_FORMAT);
    return 0;
}

static void committer_free(struct kv *kv)
{
    ar_free(&kv->group);
    ar_free(&kv->scratch);
    buf_free(&kv->notes);
    buf_free(&kv->draining);
    buf_free(&kv->said);
    kv_hot_free(&kv->hot);
    free(kv->undo);
    kv_watches_free(kv);
}

int kv_start(struct kv *kv, const struct kv_engine *engine)
{
    kv->engine = engine;
    kv->mend = mend;
    kv->lock = (struct lock)LOCK_INIT;
    kv->users.lock = (struct lock)LOCK_INIT;
    ar_init(&kv->group, 0);
    ar_init(&kv->scratch, 0);
    omap_init(&kv->batch.rows, &kv->group);
    kv_watches_init(kv);
    int e = format_check(kv);
    if (e == 0) e = kv_number_read(kv, &kv->number);
    ar_reset(&kv->scratch);
    if (e == 0) e = worker_new(&kv->committer, "commit", KV_GROUP_MAX, handle, kv);
    if (e == 0) return 0;
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", err_text(e));
    committer_free(kv);
    engine->close(kv);
    return err_set(e, "%s", why);
}

static int close_on_thread(void *arg)
{
    struct kv *kv = arg;
    handle(kv, NULL); /* the last notes */
    committer_free(kv);
    kv->engine->close(kv);
    return 0;
}

void kv_close(struct kv **kvp)
{
    struct kv *kv = *kvp;
    if (!kv) return;
    *kvp = NULL;
    kv_users_wait(&kv->users);
    worker_free(&kv->committer);
    if (fiber_current()) offload(close_on_thread, kv);
    else close_on_thread(kv);
}

struct erase {
    struct slice from, to;
};

static int erase(struct kv_tx *tx, void *arg)
{
    const struct erase *e = arg;
    kv_tx_erase(tx, e->from, e->to);
    return 0;
}

int kv_erase(struct kv *kv, struct slice object, struct slice from, struct slice to)
{
    return kv_transact(kv, object, erase, &(struct erase){from, to});
}
