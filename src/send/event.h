/* event.h - what became of each recipient of what an account sent: one durable stream for each account, in
 * the order in which it happened. Webhooks, statistics, progress and suppression read it from a place of
 * their own (the id of the last event that they have seen), so reading twice does no harm.
 *
 * An event is made in the transaction that it tells of. Ids are microseconds since 1970, or one more than the
 * last one when the clock has not moved, or was wrong once (then the event's time stands beside it): they are
 * given on the thread that commits, so whoever has read up to one has missed none below. Object v:ACCOUNT.
 * Kept for EVENT_KEEP_S. */
#pragma once
#include "send.h"

enum { EVENT_KEEP_S = 30 * 86400, EVENT_READ_MAX = 1000, EVENT_TEXT_MAX = 1000 };

#define EVENT_KINDS(X)                                                                                       \
    X(PROCESSED, "processed")       /* its letter is in the queue */                                         \
    X(DROPPED, "dropped")           /* it gets nothing: reason */                                            \
    X(DEFERRED, "deferred")         /* not yet: the reply, until when */                                     \
    X(DELIVERED, "delivered")       /* the next server, or the mailbox here, has it */                       \
    X(BOUNCED, "bounced")           /* refused for good, or its time was over */                             \
    X(LATE_BOUNCE, "late-bounce")   /* a report came back after it was delivered */                          \
    X(COMPLAINT, "complaint")       /* a report of abuse */                                                  \
    X(UNSUBSCRIBED, "unsubscribed") /* from the group, or from all */                                        \
    X(RESUBSCRIBED, "resubscribed")                                                                          \
    X(FAILED, "failed") /* its letter cannot be made */                                                      \
    X(OPENED, "opened")                                                                                      \
    X(CLICKED, "clicked")
enum event_kind {
    EVENT_NONE,
#define X(name, word) EVENT_##name,
    EVENT_KINDS(X)
#undef X
        EVENT_KIND_COUNT
};
const char *event_word(enum event_kind k);

struct event {
    uint64_t id; /* given when it is made */
    uint64_t at; /* when that was: microseconds since 1970 */
    enum event_kind kind;
    struct letter_id send; /* empty: of no send */
    uint64_t page, number; /* its letter in the send */
    struct slice address;
    struct letter_id letter; /* of an event of no send; else send_letter_id() */
    enum send_reason reason; /* of DROPPED */
    uint32_t group;          /* of UNSUBSCRIBED, RESUBSCRIBED */
    int code;                /* of the reply, or 0 */
    uint32_t attempts;
    int64_t
        until; /* unix seconds: of DEFERRED, until when; of DELIVERED, the time that its letter asked for */
    struct slice enhanced, reply, host, class;
    bool expired;                /* bounced because its time was over */
    bool first;                  /* OPENED, CLICKED: of its letter and recipient */
    bool machine;                /* OPENED, CLICKED: by a scanner, or a proxy of the mail service */
    bool outside;                /* of a recipient whose letter never came into the queue */
    struct slice url, agent, ip; /* of OPENED, CLICKED */
};
struct slice event_id_text(uint64_t id, struct arena *a); /* 14 hex digits */
/* No event has an id above this, nor would one made now. */
uint64_t event_newest(struct sends *s);
/* From within any transaction. */
void event_tx_add(struct sends *s, struct kv_tx *tx, struct slice account, const struct event *e);
/* The same of what comes later than the send's own work: a report, a click. The send counts it in the same
 * transaction. key: of those under one key in the send no more than `most` are kept, those of machines apart
 * from people's, and the event says which is the first of all; empty: it always is. SUSPENDS. */
MUST_CHECK int event_add_late(struct sends *s, struct slice account, const struct event *e, struct slice key,
                              unsigned most);
/* Only counts it for its send: event_tx_add() has told it. SUSPENDS. */
MUST_CHECK int event_count_late(struct sends *s, const struct event *e);
/* Up to `limit` events behind `after` in order, in a; of one that cannot be read only the id is known (kind
 * EVENT_NONE). SUSPENDS. */
MUST_CHECK int event_read(struct sends *s, struct slice account, uint64_t after, size_t limit,
                          struct arena *a, struct event **out, size_t *n);
/* A row of the object v:ACCOUNT; slices point into it. ERR_CORRUPT. Does not suspend. */
MUST_CHECK int event_row_read(struct slice key, struct slice value, struct event *out);
/* Forgets what is older than EVENT_KEEP_S. SUSPENDS. */
MUST_CHECK int event_expire(struct sends *s, struct slice account);
