/* dmarc_store_i.h - what the files of the DMARC reports share. */
#pragma once
#include "base/map.h"
#include "dmarc_store.h"

enum { DMARC_DAY_S = 86400, DMARC_GEN_LEN = 14, DMARC_ROWKEY_LEN = 32, DMARC_ROW_VERSION = 1 };

struct dmarc_store {
    struct dmarc_store_conf conf;
    char hostname[256];
    struct worker *reader; /* reads reports that came in */
    struct lock lock;
    /* Counts of this generation: a new one begins with each day, start and early report, so that a
     * count in memory never goes on where a report has already told it. */
    int64_t day;                 /* days since 1970 */
    char gen[DMARC_GEN_LEN + 1]; /* microseconds since 1970 in hex: sorts by time */
    struct map domains;          /* name in keys -> struct dmarc_gathering */
    size_t rows;
    uint64_t dropped; /* letters that were not counted: too many different rows */
    bool sending;
    unsigned reading; /* letters with reports in memory now */
};

/* A new generation, greater than all before it. */
void dmarc_store_rotate(struct dmarc_store *ds);
/* "20261122" */
struct slice dmarc_day_text(struct arena *a, int64_t seconds);
/* Makes notes that wait part of what is read. SUSPENDS. */
MUST_CHECK int dmarc_flush(struct store *s);
/* Deletes rows. SUSPENDS. */
MUST_CHECK int dmarc_delete(struct store *s, struct slice object, const struct slice *key, size_t n);

/* Keeps a report; id: of its letter, or empty; author: see dmarc_store_take(). `in` is a letter or,
 * when xml, the report itself. SUSPENDS. ERR_EXISTS: it was kept before. */
MUST_CHECK int dmarc_intake(struct dmarc_store *ds, struct slice in, bool xml, struct slice id,
                            struct slice author);
/* The domain of ours that a report about `domain` concerns: itself or one above it. ERR_NOT_FOUND. SUSPENDS.
 */
MUST_CHECK int dmarc_own_domain(struct dmarc_store *ds, struct arena *a, struct slice domain,
                                struct slice *out);
struct slice dmarc_in_object(struct arena *a, struct slice domain);
/* dmarc_intake.c: the thread's function */
void dmarc_read_jobs(void *ctx, struct job *jobs);

/* The first row of a report that was kept (dmarc_history.c). */
struct dmarc_kept {
    struct slice org, email, report_id, author, letter;
    int64_t begin, end, taken;
    uint64_t messages, passing, more; /* more: messages whose rows are not kept */
    uint64_t bytes, chunks;
};
void dmarc_kept_put(struct buf *b, const struct dmarc_kept *k);
/* Numbers in rows of their own: field n. Within a transaction. */
int64_t dmarc_tx_number(struct kv_tx *tx, struct slice key); /* 0 when there is none */
void dmarc_tx_add(struct kv_tx *tx, struct slice key, int64_t by);
