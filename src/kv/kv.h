/* kv.h - the index: objects, each an ordered map that changes as one.
 *
 * The unit of atomicity is an object (an account, a shard of the queue, a
 * domain's directory). Nothing spans two objects: what must cross goes in an
 * order that is safe to repeat. Object names and keys are printable ASCII, 1 to
 * 200 bytes; values 1 to 65536 bytes of anything; a transaction changes at most
 * 4 MiB. One conformance suite (kv_test.c) runs on every engine. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "rt/rt.h"

struct kv;
struct kv_tx;

enum {
    KV_KEY_MAX = 200,
    KV_VALUE_MAX = 65536,
    KV_BATCH_MAX = 4 << 20,
    KV_PAGE_MAX = 1000,
    KV_PAGE_BYTES = 4 << 20
};

/* Opens or creates. BLOCKS. ERR_VERSION, ERR_BUSY (another process has it), ERR_CORRUPT. */
MUST_CHECK int kv_rocks_open(struct kv **out, const char *dir);
/* How much memory blocks of rows, indexes and bloom filters may take; 32 MiB until it is set. */
void kv_rocks_cache(struct kv *kv, uint64_t bytes);
/* In memory, for tests and simulation. With a path the log is kept in one file
 * through rt's file.h, so that a simulated crash keeps what was synced (and
 * maybe more) and loses the rest; NULL: nothing is kept. BLOCKS. */
MUST_CHECK int kv_mem_open(struct kv **out, const char *path);
/* Damage in the middle of the log, where something that was synced is not there any more, is told from a
 * torn tail: opening is refused with ERR_CORRUPT until the loss is accepted here; then it opens with what
 * stands before the damage, and kv_loss() gives notice. ERR_STATE: there is no such damage. BLOCKS. */
MUST_CHECK int kv_rocks_accept_loss(const char *dir);
MUST_CHECK int kv_mem_accept_loss(const char *path);
void kv_close(struct kv **kv); /* SUSPENDS: waits for transactions under way */

/* ---- changing ---- */

/* Runs fn(tx, arg) on the object, serialised with every other transaction on it;
 * when it returns 0 and kv_transact returns 0, the change is durable. fn runs on
 * another thread and perhaps more than once: it touches only tx and arg, and does
 * not suspend. A negative value of fn drops the change and is returned.
 * SUSPENDS. ERR_FULL, ERR_IO: not done. ERR_UNKNOWN: perhaps done, and nobody can say before there
 * is space on the disk: read again later, tell nobody "done" or "not done".
 * After a write error the engine is opened again in place and the log says which groups are done;
 * when that fails for good the program ends. */
typedef int kv_fn(struct kv_tx *tx, void *arg);
MUST_CHECK int kv_transact(struct kv *kv, struct slice object, kv_fn *fn, void *arg);
/* The same for a part of something large, about 2 ms of the committer: it is committed by itself, behind the
 * others that wait; between two such all others that wait have their turn. So they wait for one at most. */
MUST_CHECK int kv_transact_large(struct kv *kv, struct slice object, kv_fn *fn, void *arg);

/* Within fn. get: the value is valid until fn returns; ERR_NOT_FOUND; other errors are sticky. Sees the
 * transaction's own writes. put and del: sticky errors, reported by kv_transact. What is not in memory is
 * fetched while others go on: the get or scan fails, and whatever fn then returns it is run again. */
MUST_CHECK int kv_tx_get(struct kv_tx *tx, struct slice key, struct slice *value);
/* Of many rows that fn is going to get, behind one that was not in memory: what of them is not there either
 * is fetched along with it, so that the next run finds all. Does nothing when no get or scan failed so. */
void kv_tx_want(struct kv_tx *tx, struct slice key);
void kv_tx_put(struct kv_tx *tx, struct slice key, struct slice value);
/* A record (kv/record.h): ERR_TOO_LONG, sticky like put's errors, when it did not fit. */
void kv_tx_put_record(struct kv_tx *tx, struct slice key, const struct buf *record);
/* The same of a row that another transaction reads soon: it will find it in memory. */
void kv_tx_put_warm(struct kv_tx *tx, struct slice key, const struct buf *record);
void kv_tx_del(struct kv_tx *tx, struct slice key);
/* What the transaction tells another object (events, counters): a put of a record there, made with the
 * transaction's own changes and taken back with them; never dropped. Nothing of the other object is
 * read: whoever tells knows a key that nobody else writes. Sticky errors as put's; at most 4 MiB, counted
 * apart. */
void kv_tx_note(struct kv_tx *tx, struct slice object, struct slice key, const struct buf *record);
/* Once the transaction is durable, and only then, say() gets a copy of these bytes, on the committer's
 * thread: what is to be heard of once, however often the transaction runs (a line of the log). It must not
 * block for long. */
typedef void kv_say(struct slice data);
void kv_tx_say(struct kv_tx *tx, kv_say *say, struct slice data);
/* Once the transaction is durable: kv_notify() of another object, which it told something. */
void kv_tx_notify(struct kv_tx *tx, struct slice object);
/* Keys in [from, to) ascending; to empty = to the end of the object. visit gets
 * slices valid during the call; non-zero stops the scan and is returned. visit
 * may put and del (whether the scan sees that is not defined). Other errors are sticky. */
typedef int kv_visit(void *arg, struct slice key, struct slice value);
int kv_tx_scan(struct kv_tx *tx, struct slice from, struct slice to, kv_visit *visit, void *arg);
/* Erases the keys in [from, to); to empty = to the end of the object. However many rows there are, it
 * costs the transaction no more than a few hundred. Sticky errors as put's; ERR_TOO_LONG: more than 128 large
 * ranges in one transaction. */
void kv_tx_erase(struct kv_tx *tx, struct slice from, struct slice to);
/* The same as a transaction of its own. SUSPENDS. */
MUST_CHECK int kv_erase(struct kv *kv, struct slice object, struct slice from, struct slice to);
/* The name of the object this transaction is on. */
struct slice kv_tx_object(const struct kv_tx *tx);

/* Puts that ride on the next group commit without waiting for it: ordered before
 * any transaction submitted later by the same fiber, lost if the machine dies
 * before the next sync. For traces and statistics. Does not suspend; dropped
 * (and counted) when too much waits. What can be no row is dropped with a line in the
 * log: whoever makes a note keeps it short. */
void kv_note(struct kv *kv, struct slice object, struct slice key, struct slice value);
void kv_note_record(struct kv *kv, struct slice object, struct slice key, const struct buf *record);
/* Until what was noted for the object is there to be read, and durable. SUSPENDS. */
MUST_CHECK int kv_flush(struct kv *kv, struct slice object);

/* ---- reading ---- */

/* Committed state. SUSPENDS when the block is not in memory, and now and then for others. ERR_NOT_FOUND. */
MUST_CHECK int kv_get(struct kv *kv, struct slice object, struct slice key, struct arena *a,
                      struct slice *value);
/* Several of one object: those that are not in memory are read in one go. value[i].p NULL: there is none. */
MUST_CHECK int kv_get_many(struct kv *kv, struct slice object, const struct slice *key, size_t n,
                           struct arena *a, struct slice *value);
/* A page of at most `limit` (<= KV_PAGE_MAX) rows with keys in [from, to), copied
 * into the arena, fewer when they have more than KV_PAGE_BYTES; to empty = to the end. *more: there are
 * further rows; go on from kv_after(last key). SUSPENDS. */
struct kv_row {
    struct slice key, value;
};
struct kv_page {
    struct kv_row *row;
    size_t n;
    bool more;
};
MUST_CHECK int kv_scan(struct kv *kv, struct slice object, struct slice from, struct slice to, size_t limit,
                       struct arena *a, struct kv_page *page);
/* The same for whoever must go on beside damage: rows that cannot be read are passed over, and *hole says
 * that some of them may lie before the first row of the page, or behind its last one when that is so.
 * SUSPENDS. */
MUST_CHECK int kv_scan_over(struct kv *kv, struct slice object, struct slice from, struct slice to,
                            size_t limit, struct arena *a, struct kv_page *page, bool *hole);
/* The same for whoever reads on, page by page: of what is not in memory the disk is asked for more at once
 * than this page holds. SUSPENDS. */
MUST_CHECK int kv_scan_on(struct kv *kv, struct slice object, struct slice from, struct slice to,
                          size_t limit, struct arena *a, struct kv_page *page);
/* The same for whoever walks through much that nobody will ask for again: what is read from the disk
 * leaves no trace in the cache. SUSPENDS, always. */
MUST_CHECK int kv_walk(struct kv *kv, struct slice object, struct slice from, struct slice to, size_t limit,
                       struct arena *a, struct kv_page *page);
/* The least key after `key`: key + " " (0x20 is the least byte a key may hold). */
struct slice kv_after(struct arena *a, struct slice key);
/* The end of the range of keys that start with prefix. */
struct slice kv_prefix_end(struct arena *a, struct slice prefix);
/* Names of objects in [from, to), ascending, at most limit. SUSPENDS. */
MUST_CHECK int kv_objects(struct kv *kv, struct slice from, struct slice to, size_t limit, struct arena *a,
                          struct slice **names, size_t *n, bool *more);
/* Each of them, in order; what is not 0 of visit() ends the walk, and is what it gives. SUSPENDS. */
typedef int kv_object_visit(void *arg, struct slice object);
MUST_CHECK int kv_each_object(struct kv *kv, struct slice from, struct slice to, kv_object_visit *visit,
                              void *arg);
/* What care came to with one object of many: damage in one keeps nothing from the others. Logs it, and gives
 * what the walk goes on with. */
int kv_passed_over(struct slice object, const char *doing, int e);

/* ---- hints ---- */

/* kv_notify(object) makes every watcher of the object run its fn, on the loop
 * that made the watch, in its own turn; calls are joined. Hints: lossy,
 * repeatable; the receiver re-reads. fn must not suspend. */
struct kv_watch;
struct kv_watch *kv_watch(struct kv *kv, struct slice object, void (*fn)(void *), void *arg);
void kv_unwatch(struct kv_watch **w); /* from the loop that made it; fn does not run afterwards */
void kv_notify(struct kv *kv, struct slice object);

/* ---- leases: one owner at a time, with a fencing number ---- */

/* Takes or renews the lease `name` on the object for ttl_ms by the engine's clock (0: it ends at once, and
 * whoever takes it next is a new owner). *fence grows with each new owner. ERR_BUSY: somebody else has it
 * (*left_ms). A row that is damaged counts as one that has ended. */
MUST_CHECK int kv_lease(struct kv *kv, struct slice object, struct slice name, struct slice owner,
                        int64_t ttl_ms, uint64_t *fence, int64_t *left_ms);
/* Inside a transaction: ERR_DENIED unless the lease still has this fence. */
MUST_CHECK int kv_tx_fence(struct kv_tx *tx, struct slice name, uint64_t fence);
/* The same where one lease is over many objects, and this transaction's object is another than the lease's:
 * each keeps the highest number it was used under. ERR_DENIED: that is above this one; else it becomes this
 * one. */
MUST_CHECK int kv_tx_claim(struct kv_tx *tx, struct slice name, uint64_t fence);
/* Looks without a transaction: ERR_DENIED when the object was used under a higher number. SUSPENDS. */
MUST_CHECK int kv_claimed(struct kv *kv, struct slice object, struct slice name, uint64_t fence);
/* Grows when an object may have been claimed: what kv_claimed() said, asked after this, holds as long as it
 * stays. Never 0. On any thread. */
uint64_t kv_claims(const struct kv *kv);

/* ---- care ---- */

/* A consistent copy into a new folder while running (checkpoint, hard links). SUSPENDS. */
MUST_CHECK int kv_backup(struct kv *kv, const char *to);
/* Reads and checks everything; calls bad() for what is damaged. SUSPENDS. */
MUST_CHECK int kv_verify(struct kv *kv, void (*bad)(void *arg, const char *what), void *arg);
/* The loss that was accepted before opening, in words, until kv_loss_done(): ERR_NOT_FOUND when there
 * is none. Who hears of it makes its own note durable, then calls kv_loss_done(). SUSPEND. */
MUST_CHECK int kv_loss(struct kv *kv, struct buf *what);
MUST_CHECK int kv_loss_done(struct kv *kv);
struct kv_stats {
    uint64_t transactions, groups, notes, notes_dropped, bytes;
    uint64_t reopened; /* times the engine was opened again after a write error */
    uint64_t fetched;  /* runs of transactions that were put off to fetch what was not in memory */
    uint64_t waited;   /* transactions that read the disk while all others waited, after several such runs */
};
void kv_stats(struct kv *kv, struct kv_stats *out);

/* ---- days that have not come ---- */

/* For an object that is named by a day that has not come: a clock that was wrong made it, and its age says
 * nothing (nor is it certain that the clock is right now). So it counts from when it was first found, which
 * a row of it remembers; *over: that is more than keep_s ago. SUSPENDS. */
#define KV_STRAY "stray"
MUST_CHECK int kv_stray_day(struct kv *kv, struct slice object, int64_t keep_s, bool *over);

/* For tests on kv_mem. */
enum kv_fault {
    KV_FAULT_NONE,
    /* the next transactions end this way */
    KV_FAULT_IO,
    KV_FAULT_FULL,
    KV_FAULT_UNKNOWN_DONE,
    KV_FAULT_UNKNOWN_NOT_DONE,
    KV_FAULT_RERUN,
    /* the next groups cannot be written, nor any after them until the engine is opened again; then
     * the group is there or it is not */
    KV_FAULT_WRITE_DONE,
    KV_FAULT_WRITE_LOST,
    KV_FAULT_WRITE_FULL, /* not done, and known */
};
/* From here on each row, and each place where a scan begins, counts as one that is not in memory until
 * it was read once: every transaction has to be run again. */
void kv_mem_cool(struct kv *kv);
void kv_mem_inject(struct kv *kv, enum kv_fault fault, unsigned times);
/* The next openings again end with this error: ERR_IO, ERR_BUSY (no descriptor is left); ERR_FULL:
 * there is no room to try. */
void kv_mem_refuse(struct kv *kv, int error, unsigned times);
