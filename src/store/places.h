/* places.h - where the messages of an account are that have an EMAILID, or belong to a thread (RFC 8474), in
 * whatever mailboxes. The rows are made when somebody of the account first asks, in small steps (a step is
 * 125 messages, about 2 ms); from then on each change of messages keeps them true. */
#pragma once
#include "mailbox.h"

struct place {
    uint32_t box, uid;
};
struct places {
    struct place *v; /* by mailbox, then by uid */
    size_t n;
};
/* Before each step and each row; done: how many there were. What it returns other than 0 ends the looking. */
struct places_asker {
    int (*go_on)(void *arg, size_t done);
    void *arg;
};
struct places_in {
    const char *account;
    uint32_t box;                     /* in this mailbox alone; 0: in all */
    const struct places_asker *asker; /* NULL: whoever waits, waits */
};
/* In the arena. Nobody has such an EMAILID: none. ERR_LIMIT: more than the arena's cap. SUSPEND. */
MUST_CHECK int places_of_email_id(struct store *s, struct places_in in, struct slice email_id,
                                  struct arena *a, struct places *out);
/* thread 0: those of which nobody asked yet to which thread they belong (message_thread()). */
MUST_CHECK int places_of_thread(struct store *s, struct places_in in, uint64_t thread, struct arena *a,
                                struct places *out);
