/* kv_rocks.c - the index on RocksDB, through its C interface.
 *
 * A row's RocksDB key is the object's name, NUL, the key. One synced write a
 * group; the log files are reused, so that a sync need not change the file's
 * metadata. Values are small, hence small blocks, bloom filters, and little
 * memory while nothing happens.
 *
 * After a failed write RocksDB refuses every other until it is opened again; its own way back
 * from a full disk asks for more space than there may ever be. So kv_rocks is closed and opened
 * again (commit.c), which flushes what the log holds into new tables and syncs them. */
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "kv_i.h"
#include "loss.h"
#include "rocks_files.h"
#include "rt/file.h"

/* Traces lie in a column family of their own: they are written with every letter and read by nobody, and
 * must not be merged with, or lie between, what each delivery reads. Both are flushed together, else a log
 * that is damaged could leave one ahead of the other. */
enum { MAIN, TRACE, FAMILIES, CACHE_FIRST = 32 << 20, READ_ON = 256 << 10 };
/* Rows that were erased lie there until tables are merged, and a scan passes over each of them: 100,000 are
 * 15 to 30 ms. More of them than these between two rows are as good as not in memory for who reads on a loop,
 * and for the committer, which everybody waits for (gap.c). */
enum { SKIPPED_MOST = 1000, SKIPPED_BY_ALL = 4000 };
static const char *const family_name[FAMILIES] = {"default", "trace"};
static const struct slice trace_from = {"t:", 2}, trace_to = {"t;", 2}; /* objects in TRACE */

struct kv_rocks {
    struct kv kv;
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family[FAMILIES];
    rocksdb_options_t *opts;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read, *cached; /* cached: nothing that is not in memory */
    rocksdb_writeoptions_t *sync;
    rocksdb_writebatch_t *batch; /* the committer's, reused */
    char *dir;
};

static struct kv_rocks *rocks(struct kv *kv) { return CONTAINER_OF(kv, struct kv_rocks, kv); }

/* Turns RocksDB's message into a code and a sentence, and frees it. */
static int rocks_err(const struct kv_rocks *r, const char *doing, char *message)
{
    struct slice m = sl_cstr(message);
    int code = ERR_IO;
    if (sl_find(m, SL("No space left")) != SL_NONE || sl_find(m, SL("NoSpace")) != SL_NONE ||
        sl_find(m, SL("quota exceeded")) != SL_NONE)
        code = ERR_FULL;
    else if (sl_starts(m, SL("Corruption"))) code = ERR_CORRUPT;
    else if (sl_find(m, SL("lock hold")) != SL_NONE || sl_find(m, SL("While lock file")) != SL_NONE)
        code = ERR_BUSY;
    if (code == ERR_BUSY) err_set(code, "another process has the store %s open", r->dir);
    else err_set(code, "cannot %s the index in %s: %s", doing, r->dir, message);
    rocksdb_free(message);
    return code;
}

static bool incomplete(const char *message) { return !strncmp(message, "Result incomplete", 17); }

/* ---- reading ---- */

static bool only_memory(enum kv_read how) { return how == KV_READ_CACHED || how == KV_READ_COMMITTER_CACHED; }

/* Rows that are erased, between two that are there; 0: any number. */
static uint64_t skipped_most(enum kv_read how)
{
    if (how == KV_READ_CACHED) return SKIPPED_MOST;
    return how == KV_READ_STEP || how == KV_READ_COMMITTER_CACHED ? SKIPPED_BY_ALL : 0;
}

static rocksdb_column_family_handle_t *family_of(const struct kv_rocks *r, struct slice full)
{
    return r->family[sl_starts(full, trace_from) ? TRACE : MAIN];
}

/* No row is empty: with an empty one RocksDB says of a table that is not open that it may hold the key. */
static int rocks_get(struct kv *kv, enum kv_read how, struct slice full, struct arena *a, struct slice *value)
{
    struct kv_rocks *r = rocks(kv);
    char *e = NULL;
    rocksdb_pinnableslice_t *pin = rocksdb_get_pinned_cf(r->db, only_memory(how) ? r->cached : r->read,
                                                         family_of(r, full), full.p, full.n, &e);
    if (e && incomplete(e)) {
        rocksdb_free(e);
        return KV_WOULD_BLOCK;
    }
    if (e) return rocks_err(r, "read", e);
    if (!pin) return ERR_NOT_FOUND;
    size_t n;
    const char *p = rocksdb_pinnableslice_value(pin, &n);
    bool maybe = n == 0 && only_memory(how);
    if (!maybe) *value = ar_dup(a, sl(p, n));
    rocksdb_pinnableslice_destroy(pin);
    return maybe ? KV_WOULD_BLOCK : 0;
}

static int rows(rocksdb_iterator_t *it, kv_visit *visit, void *arg)
{
    int e = 0;
    for (; e == 0 && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        size_t kn, vn;
        const char *k = rocksdb_iter_key(it, &kn), *v = rocksdb_iter_value(it, &vn);
        e = visit(arg, sl(k, kn), sl(v, vn));
    }
    return e;
}

static int scan_family(struct kv_rocks *r, int family, rocksdb_readoptions_t *o, struct slice from,
                       kv_visit *visit, void *arg)
{
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, o, r->family[family]);
    rocksdb_iter_seek(it, from.p, from.n);
    int e = rows(it, visit, arg);
    char *said = NULL;
    if (e == 0) rocksdb_iter_get_error(it, &said);
    if (said && incomplete(said)) {
        rocksdb_free(said);
        e = KV_WOULD_BLOCK;
    } else if (said) {
        e = rocks_err(r, "read", said);
    }
    rocksdb_iter_destroy(it);
    return e;
}

static struct slice lesser(struct slice a, struct slice b) { return sl_cmp(a, b) < 0 ? a : b; }

/* What lies before the traces, the traces, what lies behind them. */
static int rocks_scan(struct kv *kv, enum kv_read how, struct slice from, struct slice to, kv_visit *visit,
                      void *arg)
{
    struct kv_rocks *r = rocks(kv);
    const struct slice end[] = {lesser(to, trace_from), lesser(to, trace_to), to};
    int e = 0;
    for (size_t i = 0; e == 0 && i < COUNT_OF(end); i++) {
        if (sl_cmp(from, end[i]) >= 0) continue;
        rocksdb_readoptions_t *o = rocksdb_readoptions_create();
        rocksdb_readoptions_set_iterate_upper_bound(o, end[i].p, end[i].n);
        if (only_memory(how)) rocksdb_readoptions_set_read_tier(o, 1);
        if (skipped_most(how)) rocksdb_readoptions_set_max_skippable_internal_keys(o, skipped_most(how));
        if (how == KV_READ_WALK) rocksdb_readoptions_set_fill_cache(o, 0);
        if (how == KV_READ_WALK || how == KV_READ_ON) rocksdb_readoptions_set_readahead_size(o, READ_ON);
        e = scan_family(r, i == 1 ? TRACE : MAIN, o, from, visit, arg);
        rocksdb_readoptions_destroy(o);
        from = end[i];
    }
    return e;
}

/* ---- writing ---- */

static int rocks_write(struct kv *kv, const struct kv_batch *changes)
{
    struct kv_rocks *r = rocks(kv);
    rocksdb_set_perf_level(rocksdb_disable); /* of this thread: its counters are read by nobody */
    rocksdb_writebatch_clear(r->batch);
    for (size_t i = 0; i < changes->nerased; i++) {
        const struct kv_span *s = &changes->erased[i];
        rocksdb_writebatch_delete_range_cf(r->batch, family_of(r, s->from), s->from.p, s->from.n, s->to.p,
                                           s->to.n);
    }
    for (struct onode *n = omap_first(&changes->rows); n; n = omap_next(n)) {
        rocksdb_column_family_handle_t *f = family_of(r, n->key);
        if (n->kind == OMAP_PUT)
            rocksdb_writebatch_put_cf(r->batch, f, n->key.p, n->key.n, n->value.p, n->value.n);
        else if (n->kind == OMAP_DEL) rocksdb_writebatch_delete_cf(r->batch, f, n->key.p, n->key.n);
    }
    char *said = NULL;
    rocksdb_write(r->db, r->sync, r->batch, &said);
    if (!said) return 0;
    /* An append that found no space has cut the batch short; a failed sync, and any other error, may
     * have left the whole batch in the log. */
    bool cut_short = sl_find(sl_cstr(said), SL("While appending")) != SL_NONE;
    int e = rocks_err(r, "write", said);
    return e == ERR_FULL && !cut_short ? err_set(ERR_IO, "%s", err_text(e)) : e;
}

/* ---- care ---- */

static int rocks_backup(struct kv *kv, const char *to)
{
    struct kv_rocks *r = rocks(kv);
    char *e = NULL;
    rocksdb_checkpoint_t *c = rocksdb_checkpoint_object_create(r->db, &e);
    if (e) return rocks_err(r, "copy", e);
    rocksdb_checkpoint_create(c, to, 0, &e);
    rocksdb_checkpoint_object_destroy(c);
    return e ? rocks_err(r, "copy", e) : 0;
}

/* ---- opening and closing ---- */

static void close_db(struct kv_rocks *r)
{
    if (!r->db) return;
    for (int i = 0; i < FAMILIES; i++) rocksdb_column_family_handle_destroy(r->family[i]);
    rocksdb_close(r->db);
    r->db = NULL;
}

static void rocks_close(struct kv *kv)
{
    struct kv_rocks *r = rocks(kv);
    close_db(r);
    rocksdb_options_destroy(r->opts);
    rocksdb_cache_destroy(r->cache);
    rocksdb_readoptions_destroy(r->read);
    rocksdb_readoptions_destroy(r->cached);
    rocksdb_writeoptions_destroy(r->sync);
    rocksdb_writebatch_destroy(r->batch);
    free(r->dir);
    free(r);
}

static void set_tables(struct kv_rocks *r)
{
    rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_size(t, 8 << 10);
    rocksdb_block_based_options_set_block_cache(t, r->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(t, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(t, 1);
    rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_format_version(t, 5);
    rocksdb_options_set_block_based_table_factory(r->opts, t);
    rocksdb_block_based_options_destroy(t);
}

/* RocksDB's diary (the file LOG) stays empty: a line that finds no space on the disk makes the next one an
 * assertion that fails, and a full disk would end the program. What fails is told by its functions. */
static void set_log(rocksdb_options_t *o)
{
    enum { NOTHING = 5 };
    rocksdb_options_set_info_log_level(o, NOTHING);
    rocksdb_options_set_keep_log_file_num(o, 2);
    rocksdb_options_set_stats_dump_period_sec(o, 0);
    rocksdb_options_set_stats_persist_period_sec(o, 0);
}

static void set_options(struct kv_rocks *r)
{
    static const int packing[7] = {rocksdb_no_compression,  rocksdb_no_compression,  rocksdb_lz4_compression,
                                   rocksdb_lz4_compression, rocksdb_lz4_compression, rocksdb_lz4_compression,
                                   rocksdb_lz4_compression};
    rocksdb_options_t *o = r->opts;
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_atomic_flush(o, 1);
    rocksdb_options_set_paranoid_checks(o, 1);
    rocksdb_options_set_write_buffer_size(o, 8 << 20);
    rocksdb_options_set_arena_block_size(o, 256 << 10);
    rocksdb_options_set_max_write_buffer_number(o, 3);
    /* each delivery asks for a row that is not there yet */
    rocksdb_options_set_memtable_prefix_bloom_size_ratio(o, 0.02);
    rocksdb_options_set_memtable_whole_key_filtering(o, 1);
    rocksdb_options_set_level0_file_num_compaction_trigger(
        o, 8); /* fewer, larger merges: 20 % less CPU a letter */
    rocksdb_options_set_target_file_size_base(o, 32 << 20);
    rocksdb_options_set_max_bytes_for_level_base(o, 64 << 20);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_compression_per_level(o, packing, COUNT_OF(packing));
    rocksdb_options_set_max_background_jobs(o, 2);
    /* a table goes to the disk while it is made; at its end, all of it would stand before the log's sync */
    rocksdb_options_set_bytes_per_sync(o, 256 << 10);
    rocksdb_options_set_max_open_files(o, 256);
    rocksdb_options_set_table_cache_numshardbits(o, 2);        /* of the 64 by default each holds 4 */
    rocksdb_options_set_allow_concurrent_memtable_write(o, 0); /* one writer */
    rocksdb_options_set_recycle_log_file_num(o, 3);
    rocksdb_options_set_max_total_wal_size(o, 32 << 20);
    rocksdb_options_set_wal_recovery_mode(o, 2); /* to a point in time: a torn tail is cut */
    set_log(o);
    set_tables(r);
}

/* The number of the oldest log with rows that are in no table file. */
static int first_log_needed(const struct kv_rocks *r, uint64_t *number)
{
    char *e = NULL;
    size_t n; /* one, when the program died while the store was made */
    rocksdb_column_family_handle_t *f[FAMILIES];
    const rocksdb_options_t *opts[FAMILIES] = {r->opts, r->opts};
    char **names = rocksdb_list_column_families(r->opts, r->dir, &n, &e);
    if (e) return rocks_err(r, "look at", e);
    rocksdb_list_column_families_destroy(names, n);
    if (n > FAMILIES) return err_set(ERR_VERSION, "the index in %s has %zu column families", r->dir, n);
    rocksdb_t *db =
        rocksdb_open_for_read_only_column_families(r->opts, r->dir, (int)n, family_name, opts, f, 0, &e);
    if (e) return rocks_err(r, "look at", e);
    int unknown = rocksdb_property_int(db, "rocksdb.min-log-number-to-keep", number);
    for (size_t i = 0; i < n; i++) rocksdb_column_family_handle_destroy(f[i]);
    rocksdb_close(db);
    return unknown ? err_set(ERR_IO, "the index in %s does not say which logs it needs", r->dir) : 0;
}

/* 1: a log that is needed is damaged in its middle. */
static int look_at_files(const struct kv_rocks *r, struct rocks_damage *d)
{
    uint64_t needed;
    int e = rocks_files_look(r->dir, 0, d);
    if (e != 1) return e;
    e = first_log_needed(r, &needed);
    return e ? e : rocks_files_look(r->dir, needed, d);
}

static int check_files(const struct kv_rocks *r)
{
    struct rocks_damage d;
    int e = look_at_files(r, &d);
    if (e != 1) return e;
    return loss_accepted(r->dir, d.what) ? 0 : loss_refuse(r->dir, d.what);
}

struct log_files {
    const struct kv_rocks *r;
    uint64_t bytes;
};

static int weigh_log(void *arg, const char *name)
{
    struct log_files *l = arg;
    char path[4096];
    struct file *f;
    uint64_t size = 0;
    if (!sl_ends(sl_cstr(name), SL(".log"))) return 0;
    snprintf(path, sizeof path, "%s/%s", l->r->dir, name);
    if (file_open(&f, path, FILE_READ)) return 0;
    if (file_size(f, &size) == 0) l->bytes += size;
    file_close(&f);
    return 0;
}

/* Opening flushes what the logs hold, and writes a manifest. */
static int ask_room(const struct kv_rocks *r)
{
    enum { BESIDES = 1 << 20 };
    struct log_files l = {.r = r};
    uint64_t space;
    if (path_list(r->dir, weigh_log, &l) || path_free_space(r->dir, &space) || space >= l.bytes + BESIDES)
        return 0;
    return err_set(
        ERR_FULL, "the disk of %s has %llu KB free, and the index needs %llu KB to be opened: make room",
        r->dir, (unsigned long long)(space >> 10), (unsigned long long)((l.bytes + BESIDES) >> 10));
}

static bool rocks_room(struct kv *kv) { return ask_room(rocks(kv)) == 0; }

static int open_db(struct kv_rocks *r)
{
    char *said = NULL;
    int e = check_files(r);
    if (!e) e = ask_room(r);
    if (e) return e;
    const rocksdb_options_t *opts[FAMILIES] = {r->opts, r->opts};
    r->db = rocksdb_open_column_families(r->opts, r->dir, FAMILIES, family_name, opts, r->family, &said);
    if (!said) return 0;
    r->db = NULL;
    return rocks_err(r, "open", said);
}

static int rocks_reopen(struct kv *kv)
{
    struct kv_rocks *r = rocks(kv);
    close_db(r);
    return open_db(r);
}

/* Half of the cache is kept for indexes of tables and bloom filters, as long as they need it (RocksDB's
 * default), so that rows that are read once cannot push them out. */
void kv_rocks_cache(struct kv *kv, uint64_t bytes)
{
    rocksdb_cache_set_capacity(rocks(kv)->cache, (size_t)bytes);
}

static struct kv_rocks *rocks_new(const char *dir)
{
    struct kv_rocks *r = xcalloc(1, sizeof *r);
    r->dir = xstrndup(dir, strlen(dir));
    r->opts = rocksdb_options_create();
    r->cache = rocksdb_cache_create_lru(CACHE_FIRST);
    r->read = rocksdb_readoptions_create();
    r->cached = rocksdb_readoptions_create();
    rocksdb_readoptions_set_read_tier(r->cached, 1);
    r->sync = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(r->sync, 1);
    r->batch = rocksdb_writebatch_create();
    set_options(r);
    r->kv.path = r->dir;
    return r;
}

int kv_rocks_accept_loss(const char *dir)
{
    struct kv_rocks *r = rocks_new(dir);
    struct rocks_damage d;
    int e = look_at_files(r, &d);
    if (e == 1) e = loss_accept(dir, d.what);
    else if (e == 0)
        e = err_set(ERR_STATE, "the log of the index in %s is not damaged: there is no loss to accept", dir);
    rocks_close(&r->kv);
    return e;
}

int kv_rocks_open(struct kv **out, const char *dir)
{
    int e = path_mkdir(dir);
    if (e == 0 || e == ERR_EXISTS) e = kv_sync_parent(dir);
    if (e) return e;
    struct kv_rocks *r = rocks_new(dir);
    e = open_db(r);
    if (e) {
        rocks_close(&r->kv);
        return e;
    }
    static const struct kv_engine engine = {"rocks",      rocks_get,    rocks_scan, rocks_write,
                                            rocks_backup, rocks_reopen, rocks_room, rocks_close};
    e = kv_start(&r->kv, &engine);
    if (e == 0) *out = &r->kv;
    return e;
}
