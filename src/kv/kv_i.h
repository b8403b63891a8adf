/* kv_i.h - between kv.c (transactions, notes, leases, pages) and the engines.
 *
 * An engine stores rows under full keys: object NUL key. Only the committer
 * thread writes, one batch at a time, so a transaction reads the engine's state
 * with the batch so far laid over it. */
#pragma once
#include "base/buf.h"
#include "base/map.h"
#include "hot.h"
#include "kv.h"
#include "omap.h"

enum {
    KV_FULL_MAX = 2 * KV_KEY_MAX + 1,
    KV_FORMAT = 1,            /* version of the index; docs/format.md */
    KV_NOTES_MAX = 4 << 20,   /* bytes of notes that may wait */
    KV_GROUP_BYTES = 4 << 20, /* a group that has grown past this is committed */
    KV_ERASES_MAX = 256,      /* ranges that a group erases */
    KV_WISHES_MAX = 256,      /* rows or ranges that are fetched before a transaction runs again */
    KV_FETCH_ROWS = 1000,     /* of a range */
    KV_RUNS_MAX = 6,          /* runs of a transaction before it may read the disk itself */
    KV_GAPS_MAX = 256,        /* long runs of rows that are erased, that a transaction knows to pass over */
    KV_WOULD_BLOCK = -1000,   /* an engine's answer to KV_READ_CACHED, _STEP and _COMMITTER_CACHED only */
};

enum kv_read {
    KV_READ_CACHED, /* from a loop: what is in memory, or KV_WOULD_BLOCK */
    KV_READ_DISK,   /* from an offload thread */
    KV_READ_STEP,   /* the same; KV_WOULD_BLOCK where very many rows that are erased have to be passed over */
    KV_READ_ON,     /* the same; what follows will be asked for next */
    KV_READ_WALK,   /* the same; what is read does not stay in memory */
    /* from the committer, the only writer: sees a state that nobody changes */
    KV_READ_COMMITTER,
    KV_READ_COMMITTER_CACHED, /* what is in memory and not behind very many erased rows, or KV_WOULD_BLOCK */
};

/* What a group changes: first the ranges are erased, then the rows put or deleted. */
struct kv_span {
    struct slice from, to; /* full keys */
};
struct kv_batch {
    struct omap rows;
    struct kv_span erased[KV_ERASES_MAX];
    size_t nerased;
};

struct kv_engine {
    const char *name;
    int (*get)(struct kv *kv, enum kv_read how, struct slice full, struct arena *a, struct slice *value);
    /* Rows in [from, to) ascending, to not empty; visit's non-zero value ends it and is returned. */
    int (*scan)(struct kv *kv, enum kv_read how, struct slice from, struct slice to, kv_visit *visit,
                void *arg);
    /* Makes the changes durable, all or none. Not called with an empty batch. ERR_FULL: certainly
     * nothing was done; any other error: perhaps done, the log knows once it is open again. */
    int (*write)(struct kv *kv, const struct kv_batch *changes);
    int (*backup)(struct kv *kv, const char *to);
    /* After a write that failed nothing is written before this has succeeded: closes the engine and
     * opens it again, with nobody inside of the gate. What it finds is durable, in files that were
     * written and synced anew, before it returns 0. After an error the engine is down: only reopen()
     * and close() may be called. */
    int (*reopen)(struct kv *kv);
    /* Is there space on the disk to write what the log holds anew? */
    bool (*room)(struct kv *kv);
    void (*close)(struct kv *kv); /* frees the engine's struct too */
};

enum kv_gate_state { KV_GATE_OPEN, KV_GATE_SHUT, KV_GATE_DOWN };

struct gate_waiter;
struct kv_gate {
    struct lock lock;
    enum kv_gate_state state;
    int why;       /* when down */
    int64_t tried; /* and when somebody who reads had it tried again, by rt_now() */
    size_t inside;
    struct gate_waiter *waiting;
    struct completion *drained; /* the committer waits for the last one inside */
};

/* Transactions under way: while one fetches, the committer does not know of it. */
struct kv_users {
    struct lock lock;
    size_t n;
    struct completion *none; /* kv_close() waits for the last */
};

struct kv_undo {
    struct onode *node;
    struct slice value;
    enum omap_kind kind;
};

/* The first member of an engine's own struct. */
struct kv {
    const struct kv_engine *engine;
    struct worker *committer;
    const char *path; /* of the engine's folder or file, set before kv_start(); NULL: in memory only */

    /* the committer's own */
    struct arena group, scratch; /* the batch; what one transaction read */
    struct kv_batch batch;
    struct kv_hot hot;
    bool claiming;        /* the group claims objects: kv_claims() grows behind it */
    size_t erased_before; /* ranges of the batch that are not this transaction's */
    struct kv_undo *undo;
    size_t nundo, undo_cap;
    struct buf said; /* struct said and its bytes, of the group */
    size_t said_before;
    struct buf draining;
    uint64_t number; /* of the last group that is durable; see commit.c */
    bool broken;     /* a write failed: nothing is written before the engine is open again */
    bool doubt;      /* and the log may hold group number + 1 */

    uint64_t claims; /* kv_claims() - 1; atomic */

    struct kv_gate gate;
    void (*mend)(struct kv *kv); /* has the committer try to open the engine again. SUSPENDS or BLOCKS */
    struct kv_users users;
    struct lock lock; /* what follows, up to watches */
    struct buf notes;
    struct kv_stats stats;
    struct kv_gap *gaps; /* of all transactions that run again */
    enum kv_fault fault;
    unsigned fault_times, refusals;
    int refusal; /* what the next `refusals` reopenings end with */

    struct lock watch_lock;
    struct map watches; /* object -> struct watch_list */
};

/* Rows that a transaction wanted and that were not in memory. */
struct kv_wishes {
    size_t n, cap;
    struct kv_wish {
        char from[KV_FULL_MAX + 1], to[KV_FULL_MAX + 1];
        size_t nfrom, nto; /* nto 0: one row */
    } * v;
    struct kv_gap *gap[KV_GAPS_MAX]; /* ascending in each fetch; kept from run to run */
    size_t ngaps;
};

/* gap.c. A range of full keys without a row that is committed: to_room shrinks when one is. */
struct kv_gap {
    struct kv_gap *next;
    struct slice from, to;
    char from_room[KV_FULL_MAX + 1], to_room[KV_FULL_MAX + 1];
};
/* From now on each row that is committed into [from, to) ends the gap in front of it. NULL: there are enough.
 */
struct kv_gap *kv_gap_open(struct kv *kv, struct kv_wishes *w, struct slice from, struct slice to);
/* The engine's first row from there on is this one, as was read since. */
void kv_gap_close(struct kv *kv, struct kv_gap *g, struct slice row);
/* By the committer, once a batch is written, whatever came of it. */
void kv_gaps_written(struct kv *kv);
void kv_wishes_free(struct kv *kv, struct kv_wishes *w);
/* Moves *at behind gaps; gives where the next one begins, at most `to`. */
struct slice kv_gaps_pass(const struct kv_wishes *w, struct slice *at, struct slice to);

struct kv_tx {
    struct kv *kv;
    struct slice object;
    enum kv_read how;
    struct kv_wishes *wishes;
    size_t bytes, told; /* put so far, with what was replaced; in other objects */
    int error;
    char room[KV_FULL_MAX]; /* object NUL, then the key at hand */
};

/* fetch.c. Notes one more; those that are too many are left for the next run. */
void kv_wish(struct kv_wishes *w, struct slice from, struct slice to);
/* Reads them, so that they are in memory; what cannot be read the transaction will find out. SUSPENDS. */
void kv_fetch(struct kv *kv, struct kv_wishes *w);
void kv_users_enter(struct kv_users *u);
void kv_users_leave(struct kv_users *u);
void kv_users_wait(struct kv_users *u); /* SUSPENDS until there is none; no new one may come */

/* tx.c. Takes back, or keeps for good, what was changed since the last kv_tx_keep(). */
void kv_tx_undo(struct kv *kv);
void kv_tx_keep(struct kv *kv);
/* Says what the group's transactions had to say, when they are durable; else forgets it. */
void kv_tx_said(struct kv *kv, bool durable);

/* After the engine is open: checks or writes the format record, starts the
 * committer. On failure the engine is closed. BLOCKS. */
MUST_CHECK int kv_start(struct kv *kv, const struct kv_engine *engine);

/* Makes the name of a new file or folder durable. BLOCKS. */
MUST_CHECK int kv_sync_parent(const char *path);

/* object NUL key into room of KV_FULL_MAX bytes. */
struct slice kv_full(char *room, struct slice object, struct slice key);
/* The range of full keys for [from, to) of an object. */
struct kv_range {
    char from_room[KV_FULL_MAX + 1], to_room[KV_FULL_MAX + 1];
    struct slice from, to;
};
MUST_CHECK int kv_range_make(struct kv_range *r, struct slice object, struct slice from, struct slice to);
/* As kv_scan(); with an error come the rows before it. */
MUST_CHECK int kv_scan_some(struct kv *kv, struct slice object, struct slice from, struct slice to,
                            size_t limit, struct arena *a, struct kv_page *page);
bool kv_name_ok(struct slice s); /* printable ASCII, 1 to KV_KEY_MAX bytes */

/* Around each use of the engine from elsewhere than the committer. enter SUSPENDS or BLOCKS while the
 * engine is being opened again, which is tried again each second that somebody asks; an error when that did
 * not succeed. */
MUST_CHECK int kv_gate_enter(struct kv *kv);
void kv_gate_leave(struct kv *kv);
bool kv_gate_wanted(struct kv *kv); /* the committer waits: whoever is inside for long leaves */
/* By the committer. shut BLOCKS until nobody is inside. */
void kv_gate_shut(struct kv *kv);
void kv_gate_open(struct kv *kv);
void kv_gate_down(struct kv *kv, int why);

/* commit.c. Takes up the number of the last group; after the engine was opened. BLOCKS. */
MUST_CHECK int kv_number_read(struct kv *kv, uint64_t *number);
/* Makes the batch durable. 0, or what each transaction in it is to hear: ERR_UNKNOWN, or not done. BLOCKS. */
MUST_CHECK int kv_commit(struct kv *kv);
/* Opens the engine again when a write failed before; while that fails nothing is read or written. BLOCKS. */
MUST_CHECK int kv_mend(struct kv *kv);
/* The fault to inject when it is one of those in [from, to], else KV_FAULT_NONE. */
enum kv_fault kv_fault_next(struct kv *kv, enum kv_fault from, enum kv_fault to);
/* The error that a reopening is to end with, or 0. */
int kv_refusal_next(struct kv *kv);

void kv_watches_init(struct kv *kv);
void kv_watches_free(struct kv *kv);
