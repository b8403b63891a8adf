/* attempt.h - one attempt at recipients of a group, and what it came to. */
#pragma once
#include "queue_i.h"

/* Tries the n recipients (at most QUEUE_ATTEMPT_RCPTS) and records what each came to, again and again until
 * that is durable; *rest becomes true when some of them are neither delivered nor dropped. a: scratch.
 * SUSPENDS. */
MUST_CHECK int attempt_now(struct shard *s, const struct q_loaded *l, struct q_rcpt *const *rcpt, size_t n,
                           struct arena *a, struct trip *trip, bool *rest);
/* Records results that came without an attempt. SUSPENDS. */
MUST_CHECK int attempt_none(struct shard *s, const struct q_loaded *l, struct q_rcpt *const *rcpt,
                            const struct attempt_rcpt *result, size_t n, struct arena *a,
                            const struct trip *trip);
