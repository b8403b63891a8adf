/* care.h - keeping the store small and sound: sweep, verify, backup. All SUSPEND. */
#pragma once
#include "store.h"

struct sweep_report {
    uint64_t packs, dropped, compacted, bytes_freed, bodies_alive;
};
/* Finds what is alive (queue objects first, then accounts: a letter on its way from one to
 * the other is seen in at least one), drops sealed packs in which nothing is, and moves the
 * rest out of packs of which less than a third is. Packs younger than min_age_s or pinned are
 * left alone. bytes_per_second limits the moving. queue_refs: calls each() for every body the
 * queue refers to (the queue's records are not known here); may be NULL. */
typedef int sweep_refs(void *ctx, struct store *s, int (*each)(void *arg, struct slice ref), void *arg);
MUST_CHECK int store_sweep(struct store *s, sweep_refs *queue_refs, void *ctx, int64_t min_age_s,
                           uint64_t bytes_per_second, struct sweep_report *out);
/* Every record, reference and body; bad() says in a sentence what is damaged and whom it
 * concerns. Returns 0 or ERR_CORRUPT when anything was bad. */
MUST_CHECK int store_verify(struct store *s, void (*bad)(void *arg, const char *sentence), void *arg);
/* ---- after a loss that was accepted (kv_loss()) ---- */

/* Opening the store notes it. Until store_loss_close() no pack up to `upto` is swept or moved out of: rows
 * that were lost may have referred to their bodies. */
struct store_loss {
    int64_t when;      /* unix seconds: when the index was opened without what was lost */
    uint64_t upto;     /* number of the newest pack at that time */
    struct slice what; /* in words; in the arena */
};
MUST_CHECK int store_loss(struct store *s, struct arena *a, struct store_loss *out); /* ERR_NOT_FOUND: none */
MUST_CHECK int store_loss_close(struct store *s);                                    /* ERR_NOT_FOUND */
/* Every body in these packs that nothing refers to: what was lost, and what was deleted or sent on but not
 * swept by then. status: 0, or ERR_CORRUPT for its bytes. each() runs on another thread while this waits. */
MUST_CHECK int store_loss_bodies(struct store *s, const struct store_loss *l, sweep_refs *queue_refs,
                                 void *ctx, void (*each)(void *arg, const struct body_ref *ref, int status),
                                 void *arg);

MUST_CHECK int store_backup(struct store *s, const char *to_dir); /* ERR_EXISTS */
