/* digests.h - what is told of messages again and again, computed once (store/digest.h): asked for in
 * ascending order of UIDs. A part that is missing is made when somebody asks for many messages, and for
 * READER_ENOUGH of that part or all that are there: no choice of UIDs has more read than a few times as much.
 * What is made of the newest messages, whose part is not full yet, is kept in memory (tails.h). What is too
 * long, and all of a part of which something cannot be read at this time, is computed each time by whoever
 * asks. */
#pragma once
#include "store/digest.h"

struct reader_tails;

enum reader_digest_kind {
    READER_HEAD,      /* the fields of reader_digest_has(), as they are, with an empty line */
    READER_ENVELOPE,  /* as mime_imap_envelope() writes it */
    READER_STRUCTURE, /* as mime_imap_structure() does, extended */
    READER_PREVIEW,   /* reader_preview() */
    READER_ORDER,     /* reader_keys_put() */
    READER_FOLDED,    /* reader_folded_put() */
    READER_KINDS
};
enum {
    READER_MANY = 64,
    READER_SOME = 8,
    READER_ENOUGH = 8,
    READER_KEPT_MAX = 8,
    READER_AHEAD = 64 /* rows that are read at once, when they are short */
};
/* Who asks. */
struct reader_digests_asker {
    size_t (*count)(void *arg, uint32_t from, uint32_t to); /* messages that have UIDs in [from, to) */
    int (*go_on)(void *arg);                                /* an error: nobody waits for them any more */
    void *arg;
    struct reader_tails *tails; /* or NULL */
};
struct reader_digests {
    struct store *store;
    struct digest_key key;
    enum reader_digest_kind kind;
    uint32_t uidnext;
    struct reader_digests_asker asker;
    bool make;                /* parts that are missing */
    bool make_tail;           /* what is missing of the newest */
    uint32_t missed_in;       /* the part, + 1, */
    unsigned missed;          /* of which so many were asked for in vain, */
    uint32_t missed_last;     /* this one last */
    uint32_t first, span;     /* parts that were looked for; span 0: none yet */
    struct digest_row *there; /* those of them that were there, */
    size_t nthere;
    struct arena a;                      /* here */
    struct digest open;                  /* the one that is looked into, */
    uint32_t opened;                     /* + 1; 0: none is */
    bool of_use;                         /* it could be understood */
    uint32_t failed;                     /* the part that could not be made, + 1 */
    struct digest kept[READER_KEPT_MAX]; /* made, and to be written */
    struct arena kept_a;
    size_t nkept;
    struct buf tail; /* of the newest, what was asked for last */
};
struct reader_digests_of {
    struct store *store;
    struct mailbox_ref box; /* whose text outlives what is begun */
    uint32_t uidvalidity, uidnext;
};
/* many: so many messages are asked for (READER_MANY and more: parts are made; READER_SOME: what is kept in
 * memory only). */
void reader_digests_begin(struct reader_digests *x, const struct reader_digests_of *of,
                          enum reader_digest_kind kind, size_t many,
                          const struct reader_digests_asker *asker);
/* False: it is to be computed. *out is valid until the next one is asked for. SUSPENDS. */
bool reader_digest(struct reader_digests *x, uint32_t uid, struct slice *out);
void reader_digests_end(struct reader_digests *x); /* SUSPENDS */
/* Is a field of that name in READER_HEAD, when the message has it? */
bool reader_digest_has(struct slice field);
