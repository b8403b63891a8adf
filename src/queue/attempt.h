/* attempt.h - one attempt at recipients of a group, and what it came to. */
#pragma once
#include "queue_i.h"

/* Tries the recipients and records what each came to, again and again until that is durable; *rest becomes
 * true when some of them are neither delivered nor dropped. SUSPENDS. */
MUST_CHECK int attempt_now(const struct portion *p, bool *rest);
/* Records results that came without an attempt. SUSPENDS. */
MUST_CHECK int attempt_none(const struct portion *p, const struct attempt_rcpt *result);
