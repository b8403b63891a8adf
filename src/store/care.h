/* care.h - keeping the store small and sound: sweep, verify, backup. All SUSPEND, and end with
 * ERR_CANCELED soon after the fiber is canceled. One sweep or backup runs at a time: ERR_BUSY. */
#pragma once
#include "store.h"

/* The queue's part: its records are not known here. */
struct care_queue {
    void *ctx;
    /* Calls each() for every letter in the queue of s with its body's reference (empty: the record
     * is damaged); its non-zero value ends the walk and is returned. */
    int (*refs)(void *ctx, struct store *s, int (*each)(void *arg, struct slice letter, struct slice ref),
                void *arg);
    /* The letter's body lies at `to` now, if it is still the one at `from`. */
    int (*relink)(void *ctx, struct store *s, struct slice letter, const struct body_ref *from,
                  const struct body_ref *to);
};

struct sweep_report {
    uint64_t packs, dropped, compacted, bytes_freed, bodies_alive;
    uint64_t accounts_read; /* of which rows were read: those that changed since the last sweep */
    uint64_t damaged;       /* rows that do not tell what they refer to */
    uint64_t kept;          /* packs that stay because of these, or of a loss */
};
/* Finds what is alive (queue objects first, then accounts: a letter on its way from one to
 * the other is seen in at least one), drops sealed packs in which nothing is, and moves the
 * rest out of packs of which less than a third is, some packs each time. Packs younger than
 * min_age_s or pinned are left alone. bytes_per_second limits the moving (0: no limit).
 * A row that cannot be read might name any body there was when it was first found so: packs made until
 * then stay as long as it does (a row of _store keeps that moment); what came later is swept.
 * queue: may be NULL. */
MUST_CHECK int store_sweep(struct store *s, const struct care_queue *queue, int64_t min_age_s,
                           uint64_t bytes_per_second, struct sweep_report *out);
void store_sweep_forget(struct store *s); /* what sweeps remember; for store_close */
/* Every record, reference and body; bad() says in a sentence what is damaged and whom it
 * concerns. Returns 0 or ERR_CORRUPT when anything was bad. */
typedef void verify_bad(void *arg, const char *sentence);
/* queue: the same for the queue's rows, which are not known here; may be NULL. */
typedef int verify_queue(void *ctx, struct store *s, verify_bad *bad, void *arg);
MUST_CHECK int store_verify(struct store *s, verify_queue *queue, void *ctx, verify_bad *bad, void *arg);
/* Reads a body through. ERR_CORRUPT, ERR_NOT_FOUND. */
MUST_CHECK int store_read_body(struct store *s, const struct body_ref *ref);

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
 * swept by then. each() runs on another thread while this waits. */
MUST_CHECK int store_loss_bodies(struct store *s, const struct store_loss *l, const struct care_queue *queue,
                                 void (*each)(void *arg, const struct body_seen *seen), void *arg);

/* Copies the running store into the new folder: to_dir/index, to_dir/bodies. Then opens the copied
 * index with open_index and looks whether each pack that it names is in the copy: ERR_NOT_FOUND
 * when one is not. ERR_EXISTS: the folder is there already. ERR_DENIED: the lease was lost, the
 * copy may lack bodies. After an error the copy is not whole and of no use. */
MUST_CHECK int store_backup(struct store *s, const struct care_queue *queue,
                            int (*open_index)(struct kv **out, const char *dir), const char *to_dir);
