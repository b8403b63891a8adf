/* accept.h - the one way in: a letter's body is durable, its envelope becomes so here.
 *
 * SMTP (from the world and from our users), sendmail, bounces and reports all come
 * through accept_letter(). When it returns 0 the letter is durable for every
 * recipient and the caller may answer 250. ERR_UNKNOWN: it may be taken or not, so the
 * caller answers nothing; its name makes accept_once() safe to repeat. */
#pragma once
#include "directory/directory.h"
#include "mail/head.h"
#include "store/store.h"

struct queue;

enum {
    LETTER_RCPTS_MAX = LIMIT_LETTER_RCPTS,
    LETTER_ROWS_MAX = KV_BATCH_MAX - 65536, /* bytes of all recipients' rows: letter_rcpt_rows() */
    NOTIFY_DEFAULT = 0,
    NOTIFY_NEVER = 1,
    NOTIFY_SUCCESS = 2,
    NOTIFY_FAILURE = 4,
    NOTIFY_DELAY = 8
};

struct letter_rcpt {
    struct slice address; /* as in RCPT TO, in canonical form (mail_addr_join) */
    struct route route;   /* where it goes, from directory_resolve (an alias: one letter_rcpt a route) */
    unsigned notify;      /* NOTIFY_ bits (RFC 3461) */
    struct slice orcpt;
};
/* At most so many bytes of rows are made of a recipient: its own, its group's, its schedule's. */
static inline size_t letter_rcpt_rows(const struct letter_rcpt *r)
{
    return 320 + 3 * r->route.address.n + r->orcpt.n + r->route.detail.n;
}
struct letter {
    struct letter_id id;
    struct slice sender; /* return path, in canonical form; empty = null */
    struct letter_rcpt *rcpt;
    size_t nrcpt;
    struct body_ref body; /* pinned; accept_letter takes over the pin, whatever it returns */
    uint32_t skip;        /* bytes at the start that are for local eyes only (the Return-Path line) */
    uint32_t head_size;   /* header section with its empty line, from the start of the body (skip included) */
    int64_t received;     /* unix seconds */
    bool eight_bit, smtputf8;         /* there are 8-bit bytes in it; addresses or header need SMTPUTF8 */
    bool junk;                        /* goes to Junk (quarantine) */
    struct slice submitter;           /* account id of the user who sent it, or empty */
    struct slice message_id, subject; /* for trace and lists, from letter_fields(); may be empty */
    struct slice ret, envid;          /* RFC 3461 */
    struct slice hold; /* not empty: its remote recipients wait for an operator; a sentence that says why */
};
/* What the letter's rows keep of its header section: the Message-ID, and the Subject decoded and cut
 * to LIMIT_SUBJECT. In a. ERR_TOO_LONG with a sentence: a Message-ID above LIMIT_MESSAGE_ID. */
MUST_CHECK int letter_fields(struct arena *a, const struct mail_head *head, struct slice *message_id,
                             struct slice *subject);
/* What the body's record says of it: given to body_finish(), so that a lost index can be made again. All
 * of the letter but its body is known by then. ERR_LIMIT: too many recipients. */
MUST_CHECK int letter_origin(struct buf *b, const struct letter *l);
/* For a letter in memory: body_put() with its origin. local: one of its recipients is here. SUSPENDS. */
MUST_CHECK int letter_put(struct store *s, struct letter *l, struct slice text, bool local);
/* r: from origin_open(). The body stays empty; slices point into the origin, recipients lie in the arena.
 * ERR_CORRUPT. */
struct rec;
MUST_CHECK int letter_origin_get(struct rec *r, struct arena *a, struct letter *l);
/* One local recipient and nothing else: straight into the account. Otherwise one
 * transaction on a queue shard. Also writes the trace's QUEUED/DELIVERED and index, and
 * wakes the queue. SUSPENDS. Temporary errors: answer 4xx, nothing was accepted. ERR_TOO_LONG, ERR_LIMIT
 * with a sentence: a field or all recipients together are above their limit (base/limits.h). */
MUST_CHECK int accept_letter(struct queue *q, struct letter *l);
/* The same for a letter of our own under an id that is always the same for the same cause: the
 * second time nothing happens. */
MUST_CHECK int accept_once(struct queue *q, struct letter *l);
/* Has it a recipient that is not here? */
static inline bool letter_leaves(const struct letter *l)
{
    for (size_t i = 0; i < l->nrcpt; i++)
        if (!l->rcpt[i].route.local) return true;
    return false;
}
/* Which class the body should be written in, decided before it arrives. */
static inline enum body_class accept_body_class(bool any_local) { return any_local ? BODY_MAIL : BODY_QUEUE; }
