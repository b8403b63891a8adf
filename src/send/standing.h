/* standing.h - may an account go on with bulk mail? Receivers put up with so many bounces and complaints and
 * no more, and then they mind all that comes from here: above a share of either in the last days its bulk
 * mail pauses, over SMTP and HTTP alike, until the days that were bad are over, or an operator pardons it.
 * What somebody waits for goes on.
 *
 * People are counted, not letters: who bounces or complains again and again counts once in these days, so one
 * recipient stops nobody. Counted with the numbers (numbers.h), from letters of sends; rows q/ and f/ of
 * m:ACCOUNT. */
#pragma once
#include "event.h"

enum {
    STANDING_DAYS = 7,
    STANDING_BOUNCES_PERCENT = 10,
    STANDING_BOUNCES_LEAST = 2000, /* recipients at an end, of which the share is taken */
    STANDING_COMPLAINTS_MILLE = 3,
    STANDING_COMPLAINTS_LEAST = 5000, /* recipients who got their letters */
};
/* ERR_LIMIT with the sentence: it pauses until then (*until, unix seconds). SUSPENDS. */
MUST_CHECK int standing_ask(struct sends *s, struct slice account, int64_t *until);
/* What was until now counts no more. SUSPENDS. */
MUST_CHECK int standing_pardon(struct sends *s, struct slice account);

/* For numbers: in the transaction on m:ACCOUNT that counts these events, each once. */
MUST_CHECK int standing_tx_count(struct sends *s, struct kv_tx *tx, const struct event *e, size_t n);
MUST_CHECK int standing_care(struct sends *s, struct slice object); /* forgets old rows. SUSPENDS */
