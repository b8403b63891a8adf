/* mark.h - recipients of a group marked without an attempt. All of it SUSPENDS. */
#pragma once
#include "queue_i.h"

/* They failed: the sender is told, and that is their end; or that is tried again later, and *more becomes
 * false. */
MUST_CHECK int mark_bounced(const struct portion *p, bool *more);
/* The letter's time is over: those that wait have failed, QUEUE_ATTEMPT_RCPTS of them. */
MUST_CHECK int mark_expired(struct shard *s, const struct q_loaded *l);
/* Its sender wants it held for longer than anything else waits: a part of that time is over. Or who makes it
 * does not want it sent now. */
MUST_CHECK int mark_put_off(const struct portion *p);
