/* trace.h - what happened to each letter, with its cause. Written with the transaction that did it, or as
 * notes that ride on commits (kv_note); read by `tram trace`. Kept for a set time (default 30 days). */
#pragma once
#include "base/arena.h"
#include "kv/kv.h"
#include "letter_id.h"

#define TRACE_KINDS(X)                                                                                       \
    X(RECEIVED, "received") /* a session handed it over: who, how, which TLS, size */                        \
    X(REFUSED, "refused")   /* it was refused, with the reply */                                             \
    X(UNKNOWN, "unknown")   /* neither taken nor refused: nobody knows whether it is stored */               \
    X(CHECKED, "checked")   /* SPF, DKIM, DMARC...: the verdict with its evidence */                         \
    X(JUDGED, "judged")     /* by its words: how much they are those of junk, and why */                     \
    X(FILTERED, "filtered") /* a filter (milter) changed it, wanted it held, or failed */                    \
    X(SIGNED, "signed")                                                                                      \
    X(REWRITTEN, "rewritten") /* alias, catch-all, header repaired */                                        \
    X(QUEUED, "queued")                                                                                      \
    X(DELIVERED, "delivered") /* into a mailbox here */                                                      \
    X(RELAYED, "relayed")     /* accepted by the next server: host, TLS, its reply */                        \
    X(DEFERED, "deferred")    /* not yet: why, until when */                                                 \
    X(BOUNCED, "bounced")     /* failed for good; the sender is told (or why not) */                         \
    X(DELAY_TOLD, "delay-told")                                                                              \
    X(HELD, "held")                                                                                          \
    X(RELEASED, "released")                                                                                  \
    X(DROPPED, "dropped")                                                                                    \
    X(RETRIED, "retried")                                                                                    \
    X(ANSWERED, "answered")     /* an automatic letter came back about it */                                 \
    X(UNREADABLE, "unreadable") /* never stored: here is an event whose row cannot be read, and why */

enum trace_kind {
#define X(name, word) TRACE_##name,
    TRACE_KINDS(X)
#undef X
};
const char *trace_word(enum trace_kind k);

/* kv stays the caller's and outlives it. */
struct trace *trace_open(struct kv *kv);
void trace_close(struct trace **t);

struct trace_event {
    struct letter_id id;
    int64_t time; /* unix microseconds; 0 = now */
    enum trace_kind kind;
    struct slice who;        /* the recipient it concerns, or empty */
    struct slice sentence;   /* for people, complete: "SPF passed: 192.0.2.1 may send for one.test" */
    struct slice data;       /* a JSON object for programs, or empty */
    const char *session;     /* who served it, for the log only: "smtpd 192.0.2.1:25 ID"; or NULL */
    struct slice session_id; /* of that session, by which the letter is found; or empty */
};
/* Each event is a line of the log as well (log_event): event, id, to, session, why. Does not suspend. */
void trace_add(struct trace *t, const struct trace_event *e);
enum { TRACE_TOGETHER_MAX = 6 };
void trace_addf(struct trace *t, const struct letter_id *id, enum trace_kind kind, struct slice who,
                const char *fmt, ...) PRINTF_LIKE(5, 6);
/* From within a transaction: the event is made with its changes, or not at all, and never dropped; the log
 * hears of it once, when it is durable. */
void trace_tx_addf(struct trace *t, struct kv_tx *tx, const struct letter_id *id, enum trace_kind kind,
                   struct slice who, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* n events of one letter that come together, at most TRACE_TOGETHER_MAX (0: none): one row instead of one
 * each, with the id and time of the first. */
void trace_tx_add_together(struct trace *t, struct kv_tx *tx, const struct trace_event *e, size_t n);
/* Makes the letter findable by these. Any may be empty. Addresses compare without case. */
void trace_index(struct trace *t, const struct letter_id *id, struct slice message_id, struct slice sender,
                 const struct slice *recipient, size_t n);
void trace_tx_index(struct trace *t, struct kv_tx *tx, const struct letter_id *id, struct slice message_id,
                    struct slice sender, const struct slice *recipient, size_t n);

/* Events of one letter in order of time; one that cannot be read is there as TRACE_UNREADABLE. SUSPENDS.
 * ERR_NOT_FOUND. */
MUST_CHECK int trace_read(struct trace *t, const struct letter_id *id, struct arena *a,
                          struct trace_event **out, size_t *n);
/* Letters by id, Message-ID (with or without <>) or address; newest first, at most limit (> 0). *damaged:
 * rows that were looked at and cannot be read: letters may be missing. SUSPENDS. */
MUST_CHECK int trace_find(struct trace *t, struct slice what, size_t limit, struct arena *a,
                          struct letter_id **out, size_t *n, size_t *damaged);
/* Letters that a session handed over or was refused; as above. */
MUST_CHECK int trace_find_session(struct trace *t, struct slice session, size_t limit, struct arena *a,
                                  struct letter_id **out, size_t *n, size_t *damaged);
/* Letters by what their events name; each that is empty or 0 fits all. */
struct trace_filter {
    struct slice domain; /* of a recipient or the sender */
    struct slice host;   /* a name or an address of a server or client */
    int64_t since;       /* letters that came then or later; unix seconds */
};
/* The newest of those that fit, newest first, at most limit (> 0). In the arena. *damaged: as above.
 * SUSPENDS. */
MUST_CHECK int trace_last(struct trace *t, const struct trace_filter *f, size_t limit, struct arena *a,
                          struct letter_id **out, size_t *n, size_t *damaged);
/* A row of a day as trace_read() would read it. ERR_CORRUPT. Does not suspend. */
MUST_CHECK int trace_row_check(struct arena *a, struct slice key, struct slice value);
/* The events of such a row, which have no id; none for a row that only finds letters. As above. */
MUST_CHECK int trace_row_read(struct arena *a, struct slice key, struct slice value, struct trace_event **out,
                              size_t *n);
/* Forgets days older than keep_days. SUSPENDS. */
MUST_CHECK int trace_expire(struct trace *t, int keep_days);
