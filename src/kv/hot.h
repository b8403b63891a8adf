/* hot.h - rows that the committer reads again and again: whose a shard is, counts, sums.
 *
 * The committer is the only writer, so what it read or wrote last is what the engine holds; a lookup here
 * costs a tenth of one in an engine. A row comes in when it is read, or written to be read soon
 * (kv_tx_put_warm()), follows every group that is durable, and
 * all are forgotten when what the engine holds is in doubt. The committer's own. */
#pragma once
#include "omap.h"

enum {
    KV_HOT_ROWS = 2048,  /* a row has one place, by its key; the last one read has it */
    KV_HOT_BYTES = 1024, /* of a row with its key; longer ones are read from the engine each time */
};

struct kv_hot {
    struct kv_hot_row {
        char *bytes; /* the key, then the value; on the heap */
        uint32_t room, key, value;
        bool there;
    } row[KV_HOT_ROWS];
};

/* *value: valid until the next change of the table. */
bool kv_hot_find(const struct kv_hot *h, struct slice full, struct slice *value);
/* The engine holds this row. */
void kv_hot_read(struct kv_hot *h, struct slice full, struct slice value);
/* The engine holds what these rows say. */
void kv_hot_wrote(struct kv_hot *h, const struct omap *rows);
void kv_hot_forget(struct kv_hot *h);
void kv_hot_free(struct kv_hot *h);
