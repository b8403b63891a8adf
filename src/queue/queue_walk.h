/* queue_walk.h - the letters that a filter fits. */
#pragma once
#include "queue_i.h"

/* Calls each() for the letters that match, in order of age within a shard, then for those of it whose
 * envelope is missing, until it returns non-zero. ERR_CORRUPT: rows cannot be read; all others were looked
 * at. SUSPENDS. */
typedef int queue_walk_fn(void *arg, const struct letter_id *id);
MUST_CHECK int queue_walk(struct queue *q, const struct queue_filter *f, queue_walk_fn *each, void *arg);
