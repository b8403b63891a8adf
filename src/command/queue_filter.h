/* queue_filter.h - which letters of the queue are meant, as an operator says it. */
#pragma once
#include <jansson.h>

#include "queue/queue.h"

/* Slices lie in a, or in args. ERR_USAGE with a sentence. */
MUST_CHECK int queue_filter_of(struct arena *a, json_t *args, struct queue_filter *out);
bool queue_filter_is_any(json_t *args); /* every letter is meant */
