/* conversation.h - by what messages are put together: base subject and message identifiers (RFC 5256
 * sections 2.1 and 3). Pure. */
#pragma once
#include "base/arena.h"
#include "base/slice.h"

struct mail_subject {
    struct slice base; /* UTF-8 */
    bool reply;        /* something was removed that says reply or forward */
};
/* body: of a Subject field, as mail_head_get() gives it. The result lies in the arena or points into body. */
void mail_subject(struct arena *a, struct slice body, struct mail_subject *out);

/* The identifiers in a Message-ID, References or In-Reply-To field, the first `max` of them, without angle
 * brackets, blanks and quoting, so that two spellings of one are the same bytes. Other text is passed over.
 * *out lies in the arena. Returns how many. */
size_t mail_message_ids(struct arena *a, struct slice body, size_t max, struct slice **out);
