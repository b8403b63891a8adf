/* pages.h - a letter with many recipients comes in pages, unseen until its envelope is there. */
#pragma once
#include "queue_i.h"

enum { QUEUE_PAGE = 250 /* recipients, or groups, of one transaction */ };

/* The row that stands for a letter's pages while there is no envelope. */
struct q_unseen {
    int64_t t;    /* when the last page was written */
    bool dropped; /* it was a letter, and is thrown away: the schedule may know its groups, `c` its recipients
                   */
};
MUST_CHECK int queue_unseen_get(struct slice row, struct q_unseen *out);

/* Within a transaction. note: a page is written now. there: ERR_BUSY when somebody gave the letter up. */
void queue_tx_pages_note(struct kv_tx *tx, struct arena *a, const struct letter_id *id, int64_t now);
MUST_CHECK int queue_tx_pages_there(struct kv_tx *tx, struct arena *a, const struct letter_id *id);
/* A letter that cannot be read is none any more: its envelope goes, its pages are left for
 * queue_pages_drop(). bad: the row that was found damaged or missing before this transaction (`gID/`: rows of
 * groups are missing); it is judged again here. ERR_STATE: it can be read by now, and nothing is changed;
 * ERR_NOT_FOUND: nothing is left of the letter, or it is being accepted. */
MUST_CHECK int queue_tx_pages_throw(struct kv_tx *tx, struct arena *a, const struct letter_id *id,
                                    struct slice bad);
/* Are there pages of it that nobody is to see? SUSPENDS. */
bool queue_pages_unseen(struct shard *s, const struct letter_id *id);
/* Erases the pages of a letter whose envelope did not come, or is gone; what is not done at an error is done
 * by the next start or the care. SUSPENDS. */
MUST_CHECK int queue_pages_drop(struct shard *s, const struct letter_id *id);
/* The same for all that nobody writes any more: all there are, when nobody accepts yet; else those that were
 * left an hour ago. SUSPENDS. */
MUST_CHECK int queue_pages_care(struct shard *s, bool all);
/* Writes the schedule rows that the envelope says are missing, and gives each to `offer`: what is due lives
 * until it returns. SUSPENDS. */
typedef void queue_pages_offer(void *ctx, const struct q_due *d);
MUST_CHECK int queue_pages_schedule(struct shard *s, const struct letter_id *id, queue_pages_offer *offer,
                                    void *ctx);
