/* kv_mem.c - the index in memory, with a log file: for tests and the simulator.
 *
 * The log is a header (magic, version, salt) and records, one a group:
 * length, checksum, then the changes. A record counts from the moment its sync
 * succeeded. A torn tail is cut off at open; a whole record behind a place that holds none proves
 * that something synced was damaged (loss.h). After a write or sync that failed
 * nothing is written until the log is read again and written anew. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "kv_i.h"
#include "loss.h"
#include "rt/file.h"

enum { HEADER = 16, RECORD_HEAD = 8, RECORD_MAX = 64 << 20 };
static const char log_magic[8] = "TRAMKV1\n";

enum { STEP_ROWS = 3 }; /* when cold, as if very many erased rows came after each third */

struct kv_mem {
    struct kv kv;
    struct lock lock; /* the committer changes rows under it, loops read under it */
    struct omap rows;
    bool down;         /* it could not be opened again: nobody may read or write */
    bool cold;         /* only what is in warm counts as being in memory */
    struct omap warm;  /* where reads from the disk began */
    struct file *file; /* NULL: nothing is kept */
    char *path;
    uint64_t end;
    uint32_t salt;
    struct buf record; /* the committer's, reused */
    char damage[128];  /* found at open, in words */
};

static struct kv_mem *mem(struct kv *kv) { return CONTAINER_OF(kv, struct kv_mem, kv); }

/* ---- reading ---- */

static void hold(struct kv_mem *m, enum kv_read how)
{
    if (how < KV_READ_COMMITTER) lock_take(&m->lock);
}

static void unhold(struct kv_mem *m, enum kv_read how)
{
    if (how < KV_READ_COMMITTER) lock_release(&m->lock);
}

static bool warms(const struct kv_mem *m, enum kv_read how)
{
    return m->cold && (how == KV_READ_DISK || how == KV_READ_ON || how == KV_READ_STEP);
}

/* Would reading from here wait for the disk? For tests: everything is in memory in truth. */
static bool would_block(struct kv_mem *m, enum kv_read how, struct slice from)
{
    lock_take(&m->lock);
    ASSERT(!m->down);
    if (warms(m, how)) omap_node(&m->warm, from)->kind = OMAP_PUT;
    bool cold = m->cold && how == KV_READ_COMMITTER_CACHED && !omap_find(&m->warm, from);
    lock_release(&m->lock);
    return cold;
}

void kv_mem_cool(struct kv *kv)
{
    struct kv_mem *m = mem(kv);
    lock_take(&m->lock);
    omap_free(&m->warm);
    omap_init(&m->warm, NULL);
    m->cold = true;
    lock_release(&m->lock);
}

static int mem_get(struct kv *kv, enum kv_read how, struct slice full, struct arena *a, struct slice *value)
{
    struct kv_mem *m = mem(kv);
    if (would_block(m, how, full)) return KV_WOULD_BLOCK;
    hold(m, how);
    struct onode *n = omap_find(&m->rows, full);
    if (n) *value = ar_dup(a, n->value);
    unhold(m, how);
    return n ? 0 : ERR_NOT_FOUND;
}

static int mem_scan(struct kv *kv, enum kv_read how, struct slice from, struct slice to, kv_visit *visit,
                    void *arg)
{
    struct kv_mem *m = mem(kv);
    int e = 0;
    if (would_block(m, how, from)) return KV_WOULD_BLOCK;
    hold(m, how);
    struct onode *n = omap_from(&m->rows, from);
    for (size_t seen = 0; e == 0 && n && sl_cmp(n->key, to) < 0; n = omap_next(n)) {
        if (warms(m, how)) omap_node(&m->warm, n->key)->kind = OMAP_PUT;
        if (m->cold && how == KV_READ_STEP && ++seen > STEP_ROWS) e = KV_WOULD_BLOCK;
        else e = visit(arg, n->key, n->value);
    }
    unhold(m, how);
    return e;
}

/* ---- the log ---- */

static void put_u32(struct buf *b, uint32_t v)
{
    uint8_t p[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    buf_bytes(b, p, sizeof p);
}

static uint32_t get_u32(const void *at)
{
    const uint8_t *p = at;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_change(struct buf *b, char kind, struct slice key, struct slice value)
{
    buf_char(b, kind);
    put_u32(b, (uint32_t)key.n);
    put_u32(b, (uint32_t)value.n);
    buf_put(b, key);
    buf_put(b, value);
}

/* length, checksum over salt, place and changes; each change: kind, key length, value length, key, value;
 * of a range that is erased the value is its end */
static void record_make(struct kv_mem *m, const struct kv_batch *changes)
{
    struct buf *b = &m->record;
    buf_clear(b);
    put_u32(b, 0);
    put_u32(b, 0);
    for (size_t i = 0; i < changes->nerased; i++)
        put_change(b, 'E', changes->erased[i].from, changes->erased[i].to);
    for (struct onode *n = omap_first(&changes->rows); n; n = omap_next(n)) {
        if (n->kind == OMAP_PUT) put_change(b, 'P', n->key, n->value);
        if (n->kind == OMAP_DEL) put_change(b, 'D', n->key, SL(""));
    }
}

static uint32_t record_sum(uint32_t salt, uint64_t at, struct slice changes)
{
    uint8_t seed[12];
    for (int i = 0; i < 4; i++) seed[i] = (uint8_t)(salt >> 8 * i);
    for (int i = 0; i < 8; i++) seed[4 + i] = (uint8_t)(at >> 8 * i);
    return crc32c(crc32c(0, seed, sizeof seed), changes.p, changes.n);
}

static void record_seal(struct buf *b, uint32_t salt, uint64_t at)
{
    uint32_t n = (uint32_t)(b->n - RECORD_HEAD),
             sum = record_sum(salt, at, sl_from(buf_slice(b), RECORD_HEAD));
    for (int i = 0; i < 4; i++) {
        b->p[i] = (char)(n >> 8 * i);
        b->p[4 + i] = (char)(sum >> 8 * i);
    }
}

/* ERR_FULL only from the write, which then was cut short: the record is not whole. */
static int log_write_record(struct kv_mem *m)
{
    record_seal(&m->record, m->salt, m->end);
    int e = file_pwrite(m->file, m->record.p, m->record.n, m->end);
    if (e) return e;
    e = file_sync(m->file);
    if (e == ERR_FULL) return err_set(ERR_IO, "%s", err_text(e));
    if (e == 0) m->end += m->record.n;
    return e;
}

static void apply_erase(struct kv_mem *m, struct slice from, struct slice to)
{
    struct onode *n;
    while ((n = omap_from(&m->rows, from)) && sl_cmp(n->key, to) < 0) omap_remove(&m->rows, n->key);
}

static void apply(struct kv_mem *m, enum omap_kind kind, struct slice key, struct slice value)
{
    if (kind == OMAP_DEL) {
        omap_remove(&m->rows, key);
        return;
    }
    struct onode *n = omap_node(&m->rows, key);
    n->kind = OMAP_PUT;
    omap_set(&m->rows, n, value);
}

static int write_log(struct kv_mem *m, const struct kv_batch *changes)
{
    if (!m->file) return 0;
    record_make(m, changes);
    return log_write_record(m);
}

static void apply_all(struct kv_mem *m, const struct kv_batch *changes)
{
    lock_take(&m->lock);
    for (size_t i = 0; i < changes->nerased; i++)
        apply_erase(m, changes->erased[i].from, changes->erased[i].to);
    for (struct onode *n = omap_first(&changes->rows); n; n = omap_next(n))
        if (n->kind != OMAP_NONE) apply(m, n->kind, n->key, n->value);
    lock_release(&m->lock);
}

static int mem_write(struct kv *kv, const struct kv_batch *changes)
{
    struct kv_mem *m = mem(kv);
    enum kv_fault f = kv_fault_next(kv, KV_FAULT_WRITE_DONE, KV_FAULT_WRITE_FULL);
    if (f == KV_FAULT_WRITE_FULL) return err_set(ERR_FULL, "a fault was injected");
    int e = f == KV_FAULT_WRITE_LOST ? 0 : write_log(m, changes);
    if (e == 0 && (f == KV_FAULT_NONE || (f == KV_FAULT_WRITE_DONE && !m->file))) apply_all(m, changes);
    return e || f == KV_FAULT_NONE ? e : err_set(ERR_IO, "a fault was injected");
}

/* False when the changes are not well formed (the checksum was right, so: not written by this program). */
static bool replay(struct kv_mem *m, struct slice s)
{
    while (s.n >= 9) {
        char kind = s.p[0];
        uint32_t kn = get_u32(s.p + 1), vn = get_u32(s.p + 5);
        s = sl_from(s, 9);
        if (kn > KV_FULL_MAX || vn > KV_VALUE_MAX || s.n < (size_t)kn + vn) return false;
        struct slice key = sl_sub(s, 0, kn), value = sl_sub(s, kn, kn + vn);
        if (kind == 'E') apply_erase(m, key, value);
        else apply(m, kind == 'P' ? OMAP_PUT : OMAP_DEL, key, value);
        s = sl_from(s, kn + vn);
    }
    return s.n == 0;
}

/* The changes of the record at place `at` of the log, at the start of s; empty when there is none. */
static struct slice log_record(const struct kv_mem *m, struct slice s, uint64_t at)
{
    struct slice none = {0};
    if (s.n < RECORD_HEAD) return none;
    uint32_t n = get_u32(s.p);
    if (n == 0 || n > RECORD_MAX || n > s.n - RECORD_HEAD) return none;
    struct slice changes = sl_sub(s, RECORD_HEAD, RECORD_HEAD + n);
    return record_sum(m->salt, at, changes) == get_u32(s.p + 4) ? changes : none;
}

/* What stands at m->end, the start of s, is no record. False: a torn tail; true: damage, for a record
 * stands behind it. */
static bool log_look_behind(struct kv_mem *m, struct slice s)
{
    for (size_t i = 1; i < s.n; i++) {
        uint64_t at = m->end + i;
        if (!log_record(m, sl_from(s, i), at).n) continue;
        snprintf(m->damage, sizeof m->damage, "at byte %llu (a whole group stands behind it at byte %llu)",
                 (unsigned long long)m->end, (unsigned long long)at);
        return true;
    }
    return false;
}

static int log_replay(struct kv_mem *m, const char *path, struct slice s)
{
    for (struct slice changes; (changes = log_record(m, s, m->end)).n;
         s = sl_from(s, RECORD_HEAD + changes.n)) {
        if (!replay(m, changes)) return err_set(ERR_CORRUPT, "a record of the index log is not well formed");
        m->end += RECORD_HEAD + changes.n;
    }
    if (!s.n) return 0;
    int e = 0;
    if (log_look_behind(m, s)) e = loss_accepted(path, m->damage) ? 0 : loss_refuse(path, m->damage);
    if (e == 0) e = file_truncate(m->file, m->end);
    return e ? e : file_sync(m->file);
}

/* What follows the header. In one read: a disk that fails now and then must not fail each time. */
static int log_read(struct kv_mem *m, const char *path, uint64_t size)
{
    char *all = xmalloc(size - HEADER + 1);
    int64_t got = file_pread(m->file, all, size - HEADER, HEADER);
    m->end = HEADER;
    int e = got < 0 ? (int)got : log_replay(m, path, sl(all, (size_t)got));
    free(all);
    return e;
}

static int log_create(struct kv_mem *m, const char *path)
{
    char head[HEADER] = {0};
    rt_random(&m->salt, sizeof m->salt);
    memcpy(head, log_magic, sizeof log_magic);
    for (int i = 0; i < 4; i++) head[8 + i] = (char)(m->salt >> 8 * i);
    uint32_t sum = crc32c(0, head, 12);
    for (int i = 0; i < 4; i++) head[12 + i] = (char)(sum >> 8 * i);
    m->end = HEADER;
    int e = file_truncate(m->file, 0);
    if (e == 0) e = file_pwrite(m->file, head, sizeof head, 0);
    if (e == 0) e = file_sync(m->file);
    return e ? e : kv_sync_parent(path);
}

static int log_open(struct kv_mem *m, const char *path)
{
    uint8_t head[HEADER];
    uint64_t size;
    int e = file_open(&m->file, path, FILE_WRITE | FILE_CREATE);
    if (e == 0) e = file_size(m->file, &size);
    if (e) return e;
    int64_t got = file_pread(m->file, head, sizeof head, 0);
    if (got < 0) return (int)got;
    /* A log whose header never got durable held nothing that was acknowledged. */
    if (got < HEADER || (size == HEADER && crc32c(0, head, 12) != get_u32(head + 12)))
        return log_create(m, path);
    if (memcmp(head, log_magic, sizeof log_magic))
        return err_set(ERR_VERSION, "%s is no log of an index of this version", path);
    if (crc32c(0, head, 12) != get_u32(head + 12))
        return err_set(ERR_CORRUPT, "the header of %s is damaged", path);
    m->salt = get_u32(head + 8);
    return log_read(m, path, size);
}

/* ---- care ---- */

static int copy_rows(struct kv_mem *m, struct kv_mem *to)
{
    struct arena a;
    struct kv_batch all = {0};
    ar_init(&a, 0);
    omap_init(&all.rows, &a);
    lock_take(&m->lock);
    for (struct onode *n = omap_first(&m->rows); n; n = omap_next(n)) {
        struct onode *copy = omap_node(&all.rows, n->key);
        copy->kind = OMAP_PUT;
        omap_set(&all.rows, copy, n->value);
    }
    lock_release(&m->lock);
    int e = write_log(to, &all);
    if (e == 0) apply_all(to, &all);
    ar_free(&a);
    return e;
}

static void mem_close(struct kv *kv)
{
    struct kv_mem *m = mem(kv);
    if (m->file) file_close(&m->file);
    omap_free(&m->rows);
    omap_free(&m->warm);
    buf_free(&m->record);
    free(m->path);
    free(m);
}

static struct kv_mem *mem_new(void)
{
    struct kv_mem *m = xcalloc(1, sizeof *m);
    m->lock = (struct lock)LOCK_INIT;
    omap_init(&m->rows, NULL);
    omap_init(&m->warm, NULL);
    return m;
}

/* The folder holds one log, "kv.log", that kv_mem_open() reads. */
static int mem_backup(struct kv *kv, const char *to)
{
    int e = path_mkdir(to);
    if (e) return e;
    char path[4096];
    snprintf(path, sizeof path, "%s/kv.log", to);
    struct kv_mem *copy = mem_new();
    e = log_open(copy, path);
    if (e == 0) e = copy_rows(mem(kv), copy);
    mem_close(&copy->kv);
    return e;
}

/* The rows of the log at path, in a log written anew under the same name. */
static int log_renew(const char *path, struct kv_mem *fresh)
{
    char temp[4096];
    struct kv_mem *old = mem_new();
    snprintf(temp, sizeof temp, "%s.new", path);
    int e = log_open(old, path);
    if (e == 0) e = file_open(&fresh->file, temp, FILE_WRITE | FILE_CREATE);
    if (e == 0) e = log_create(fresh, temp);
    if (e == 0) e = copy_rows(old, fresh);
    if (e == 0) e = path_rename(temp, path);
    if (e == 0) e = kv_sync_parent(path);
    mem_close(&old->kv);
    return e;
}

static void swap_logs(struct kv_mem *m, struct kv_mem *fresh)
{
    struct omap rows = m->rows;
    struct file *file = m->file;
    lock_take(&m->lock);
    m->rows = fresh->rows;
    lock_release(&m->lock);
    m->file = fresh->file;
    m->end = fresh->end;
    m->salt = fresh->salt;
    fresh->rows = rows;
    fresh->file = file;
}

static int read_anew(struct kv_mem *m)
{
    struct kv_mem *fresh = mem_new();
    int e = log_renew(m->path, fresh);
    if (e == 0) swap_logs(m, fresh);
    mem_close(&fresh->kv);
    return e;
}

static int mem_reopen(struct kv *kv)
{
    struct kv_mem *m = mem(kv);
    int e = kv_refusal_next(kv);
    if (e) err_set(e, "a fault was injected");
    else if (m->path) e = read_anew(m);
    m->down = e != 0;
    return e;
}

static bool mem_room(struct kv *kv)
{
    struct kv_mem *m = mem(kv);
    uint64_t space;
    if (kv->refusals && kv->refusal == ERR_FULL) return kv_refusal_next(kv) == 0;
    return !m->path || path_free_space(m->path, &space) || space >= m->end + m->record.n + (16 << 10);
}

int kv_mem_open(struct kv **out, const char *path)
{
    static const struct kv_engine engine = {"mem",      mem_get,    mem_scan, mem_write,
                                            mem_backup, mem_reopen, mem_room, mem_close};
    struct kv_mem *m = mem_new();
    if (path) m->kv.path = m->path = xstrndup(path, strlen(path));
    int e = path ? log_open(m, path) : 0;
    if (e) {
        mem_close(&m->kv);
        return e;
    }
    e = kv_start(&m->kv, &engine);
    if (e == 0) *out = &m->kv;
    return e;
}

int kv_mem_accept_loss(const char *path)
{
    struct kv_mem *m = mem_new();
    int e = log_open(m, path);
    if (e == ERR_CORRUPT && m->damage[0]) e = loss_accept(path, m->damage);
    else if (e == 0) e = err_set(ERR_STATE, "the log %s is not damaged: there is no loss to accept", path);
    mem_close(&m->kv);
    return e;
}
