/* accept.h - a letter's body is durable, its envelope becomes so here.
 *
 * Every letter comes through accept_letter(), from intake. When it returns 0 the letter is durable for every
 * recipient and the caller may answer 250. ERR_UNKNOWN: it may be taken or not, so the
 * caller answers nothing; its id makes one of our own (once) safe to repeat. */
#pragma once
#include "letter.h"

struct queue;

/* One local recipient and nothing else: straight into the account. Otherwise onto a queue shard, for more
 * than 250 recipients in pages that nobody sees before the envelope is there (pages.c). Also writes the
 * trace's QUEUED/DELIVERED and index, and wakes the queue. SUSPENDS. Temporary errors: answer 4xx, nothing
 * was accepted. ERR_TOO_LONG, ERR_LIMIT with a sentence: a field or all recipients together are above their
 * limit (base/limits.h). */
MUST_CHECK int accept_letter(struct queue *q, struct letter *l);
/* Which class the body should be written in, decided before it arrives. */
static inline enum body_class accept_body_class(bool any_local) { return any_local ? BODY_MAIL : BODY_QUEUE; }
