/* pages.h - a letter with many recipients comes in pages, unseen until its envelope is there. */
#pragma once
#include "queue_i.h"

enum { QUEUE_PAGE = 250 /* recipients, or groups, of one transaction */ };

/* When the last page was written. */
bool queue_pages_time(struct slice row, int64_t *t);

/* Within a transaction. note: a page is written now. there: ERR_BUSY when somebody gave the letter up. */
void queue_tx_pages_note(struct kv_tx *tx, struct arena *a, const struct letter_id *id, int64_t now);
MUST_CHECK int queue_tx_pages_there(struct kv_tx *tx, struct arena *a, const struct letter_id *id);
/* Erases the pages of a letter whose envelope did not come. SUSPENDS. */
void queue_pages_drop(struct shard *s, const struct letter_id *id);
/* The same for all that nobody writes any more: all there are, when nobody accepts yet; else those that were
 * left an hour ago. SUSPENDS. */
MUST_CHECK int queue_pages_care(struct shard *s, bool all);
/* Writes the schedule rows that the envelope says are missing, and gives each to `offer`: what is due lives
 * until it returns. SUSPENDS. */
typedef void queue_pages_offer(void *ctx, const struct q_due *d);
MUST_CHECK int queue_pages_schedule(struct shard *s, const struct letter_id *id, queue_pages_offer *offer,
                                    void *ctx);
