/* places.h - where the messages of an account are that have an EMAILID, or belong to a thread (RFC 8474), in
 * whatever mailboxes. The rows are made when somebody of the account first asks, in small steps (a step is
 * 125 messages, about 2 ms); from then on each change of messages keeps them true. */
#pragma once
#include "mailbox.h"

struct place {
    uint32_t box, uid;
};
struct places {
    struct place *v; /* by mailbox, then those that came singly by uid, then those of batches */
    size_t n;
};
/* In the arena. box: in this mailbox alone; 0: in all. Nobody has such an EMAILID: none. SUSPEND. */
MUST_CHECK int places_of_email_id(struct store *s, const char *acc, struct slice email_id, uint32_t box,
                                  struct arena *a, struct places *out);
/* thread 0: those of which nobody asked yet to which thread they belong (message_thread()). */
MUST_CHECK int places_of_thread(struct store *s, const char *acc, uint64_t thread, uint32_t box,
                                struct arena *a, struct places *out);
