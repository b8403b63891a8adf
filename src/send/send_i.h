/* send_i.h - what the files of the sending service share: rows, the service in memory. */
#pragma once
#include "base/map.h"
#include "kv/record.h"
#include "send.h"
#include "store/store.h"
#include "trace/letter_id.h"

enum {
    SEND_PAGE_BYTES = 48000, /* a page of letters is closed above that */
    SEND_ROW_BYTES = 60000,  /* of one row of a page or of the common part */
    SEND_FLUSH_BYTES = 1 << 20,
};

#define SENDS_OBJECT "_sends"

struct sends {
    struct store *store;
    struct slice hostname;
    uint8_t secret[32];
    struct lock lock;
    struct map taking; /* ids of sends that are being taken; under the lock */
};

/* ---- rows (send_rows.c) ---- */

enum send_state { SEND_RUNS, SEND_PAUSED, SEND_CANCELED, SEND_FINISHED, SEND_STATES };

/* What is fixed when a send is taken, but for its content. */
struct send_head {
    struct slice account, address; /* id and address of the account */
    struct slice key, campaign, batch;
    struct slice category[SEND_CATEGORIES_MAX];
    size_t ncategories;
    enum stream stream;
    unsigned options;
    uint32_t group;
    int64_t taken, send_at; /* unix seconds */
    uint64_t letters, recipients, left_out;
    uint64_t numbers; /* letters with those of which everybody was left out: numbers below it are given */
};
void send_head_put(struct buf *b, const struct send_head *h);
/* Slices point into the row. ERR_CORRUPT, ERR_VERSION. */
MUST_CHECK int send_head_get(struct slice row, struct send_head *h);

/* The content: what of a struct send is not in its head. b: without a cap. */
void send_common_put(struct buf *b, const struct send *s);
MUST_CHECK int send_common_get(struct slice blob, struct arena *a, struct send *s);
void send_letter_put(struct buf *b, const struct send_letter *l);
MUST_CHECK int send_letter_get(struct slice field, struct arena *a, struct send_letter *l);

void send_object(const struct letter_id *send, char out[24]); /* "s:ID" */
struct slice send_key_page(struct arena *a, uint64_t first, unsigned row);
struct slice send_key_common(struct arena *a, unsigned row);

/* ---- reading (sends.c); all SUSPEND. ERR_NOT_FOUND, ERR_CORRUPT ---- */

MUST_CHECK int send_head_read(struct sends *s, const struct letter_id *id, struct arena *a,
                              struct send_head *out);
MUST_CHECK int send_common_read(struct sends *s, const struct letter_id *id, struct arena *a,
                                struct send *out);
/* A page of letters: fields 'L', each a letter. */
MUST_CHECK int send_page_read(struct sends *s, const struct letter_id *id, uint64_t first, struct arena *a,
                              struct slice *out);
