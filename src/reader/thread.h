/* thread.h - messages put in threads: who answers whom (RFC 5256 section 3). It knows messages only by what
 * is handed in, and speaks no protocol. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

struct thread_message { /* texts are borrowed */
    struct slice id;    /* its identifier as mail_message_ids() gives it, or empty */
    struct slice *ref;  /* identifiers of its ancestors, the oldest first */
    size_t nref;
    struct slice subject; /* its base subject as a collation key, or empty */
    bool reply;           /* the subject says that it is a reply or a forward */
    int64_t sent;         /* "sent date", unix seconds */
};
enum { THREAD_NOBODY = -1 };
struct thread_node {
    struct thread_node *parent, *child, *next; /* child: the first; next: the next sibling, in order */
    int64_t message; /* index, or THREAD_NOBODY: a root of which only answers are there */
};
enum thread_order {
    THREAD_ORDEREDSUBJECT, /* same base subject */
    THREAD_REFERENCES,     /* ancestry, then threads with the same subject put together */
    THREAD_REFS,           /* ancestry alone, threads by their latest message */
};
/* The first root of the forest, its siblings behind it; NULL for no messages. Messages are in the order of
 * their mailbox. The nodes lie in the arena. ERR_LIMIT: an ancestry so tangled that it takes too long to
 * follow, or more memory than the arena's cap. SUSPENDS (breathes). */
MUST_CHECK int thread_build(struct arena *a, enum thread_order order, const struct thread_message *v,
                            size_t n, struct thread_node **out);
