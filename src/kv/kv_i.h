/* kv_i.h - between kv.c (transactions, notes, leases, pages) and the engines.
 *
 * An engine stores rows under full keys: object NUL key. Only the committer
 * thread writes, one batch at a time, so a transaction reads the engine's state
 * with the batch so far laid over it. */
#pragma once
#include "base/buf.h"
#include "base/map.h"
#include "kv.h"
#include "omap.h"

enum {
    KV_FULL_MAX = 2 * KV_KEY_MAX + 1,
    KV_FORMAT = 1,                 /* version of the index; docs/format.md */
    KV_NOTES_MAX = 4 << 20,        /* bytes of notes that may wait */
    KV_GROUP_BYTES = 4 << 20,      /* a group that has grown past this is committed */
    KV_WOULD_BLOCK = -1000,        /* an engine's answer to KV_READ_CACHED only */
};

enum kv_read {
    KV_READ_CACHED,    /* from a loop: what is in memory, or KV_WOULD_BLOCK */
    KV_READ_DISK,      /* from an offload thread */
    KV_READ_COMMITTER, /* from the committer, the only writer: sees a state that nobody changes */
};

struct kv_engine {
    const char *name;
    int (*get)(struct kv *kv, enum kv_read how, struct slice full, struct arena *a, struct slice *value);
    /* Rows in [from, to) ascending, to not empty; visit's non-zero value ends it and is returned. */
    int (*scan)(struct kv *kv, enum kv_read how, struct slice from, struct slice to, kv_visit *visit,
                void *arg);
    /* Makes the changes durable, all or none. Not called with an empty map. */
    int (*write)(struct kv *kv, const struct omap *changes);
    int (*backup)(struct kv *kv, const char *to);
    int (*verify)(struct kv *kv, void (*bad)(void *arg, const char *what), void *arg);
    void (*close)(struct kv *kv); /* frees the engine's struct too */
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

    /* the committer's own */
    struct arena group, scratch; /* the batch; what one transaction read */
    struct omap batch;
    struct kv_undo *undo;
    size_t nundo, undo_cap;
    struct buf draining;

    struct lock lock; /* what follows, up to watches */
    struct buf notes;
    struct kv_stats stats;
    enum kv_fault fault;
    unsigned fault_times;

    struct lock watch_lock;
    struct map watches; /* object -> struct watch_list */
};

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
bool kv_name_ok(struct slice s); /* printable ASCII, 1 to KV_KEY_MAX bytes */

void kv_watches_init(struct kv *kv);
void kv_watches_free(struct kv *kv);
