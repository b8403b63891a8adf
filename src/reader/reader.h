/* reader.h - stored messages as programs that show and search mail need them: records, bytes, header section,
 * parts, decoded bodies, texts. It speaks no protocol; servers pick the messages and write the answers.
 *
 * A reader reads one message. It sees one that was expunged lately as it was (RFC 2180), and looks a body up
 * again that was moved meanwhile. One fiber at a time uses it. */
#pragma once
#include "mail/charset.h"
#include "mail/mime.h"
#include "store/mailbox.h"

enum {
    READER_CHUNK = 32 * 1024,     /* of a body that is walked through */
    READER_HEAD_MAX = 512 * 1024, /* of a header that is looked into */
};

/* ---- records ---- */

/* Records of messages that are asked for in ascending order, read in pages. */
struct reader_records {
    struct store *store;
    struct mailbox_ref box;
    struct arena a;
    struct message *v;
    size_t n, at;
    uint32_t last;       /* the last uid that will be asked for */
    struct message gone; /* one that was expunged lately */
};
/* The text in `box` outlives it. */
void reader_records_begin(struct reader_records *r, struct store *store, struct mailbox_ref box,
                          uint32_t last);
void reader_records_end(struct reader_records *r);
/* One that was expunged is told as it was, while that is remembered (RFC 2180); ERR_NOT_FOUND:
 * it is no more. Valid until the next one is asked for. SUSPENDS. */
MUST_CHECK int reader_record(struct reader_records *r, uint32_t uid, const struct message **out);

/* ---- a message ---- */

struct reader_patch {
    uint64_t at;     /* where its text begins; */
    uint64_t stored; /* where the stored message goes on behind it */
    struct slice text;
};
struct reader {
    struct store *store;
    struct mailbox_ref box;
    struct message m;
    struct arena tree_a, all_a;
    struct mime_tree *tree; /* when parsed: after reader_tree() */
    struct slice all;       /* the bytes, when they were read as a whole */
    char *window;           /* READER_CHUNK of the body, malloced; NULL: nobody read in small bites */
    uint64_t window_at;
    size_t window_n;
    uint64_t head_size;       /* of its header section, + 1; 0 = not known yet */
    bool as_is;               /* it needs no surrogate; */
    struct reader *surrogate; /* or this one, once it was asked for */
    /* of a surrogate: */
    struct reader_patch *patch; /* in patch_a */
    size_t npatch;
    struct arena patch_a;
    uint64_t stored; /* bytes of the message it stands for */
};
/* known: its record, or NULL. The text in `box` outlives it. ERR_NOT_FOUND: expunged; *out is NULL after an
 * error. SUSPENDS. */
MUST_CHECK int reader_open(struct reader **out, struct store *store, struct mailbox_ref box, uint32_t uid,
                           const struct message *known);
void reader_close(struct reader **rd);         /* harmless when it is NULL */
void reader_trim(struct reader **rd);          /* keeps no more than a small tree, or closes it */
MUST_CHECK int reader_tree(struct reader *rd); /* its parts, into rd->tree. SUSPENDS */
/* The message as one whose header sections, and those of its parts, are in ASCII (RFC 6858): another reader,
 * of the bytes, sizes and parts of that, which goes with this one; NULL: it is that already. all: also what
 * is in no charset that we know (mail/surrogate.h), always the same of one reader. SUSPENDS. */
MUST_CHECK int reader_surrogate(struct reader *rd, bool all, struct reader **out);
/* The same for who looks into the message's own header section only: most letters are not read further. */
MUST_CHECK int reader_head_surrogate(struct reader *rd, bool all, struct reader **out);
/* Bytes up to and with the empty line. SUSPENDS. */
MUST_CHECK int reader_head_size(struct reader *rd, uint64_t *out);
/* Its header section, but not more of it than READER_HEAD_MAX bytes, in `a`. SUSPENDS. */
MUST_CHECK int reader_head(struct reader *rd, struct arena *a, struct slice *out);
/* Bytes [at, at + n) into p; the number read, 0 at the end. SUSPENDS. */
MUST_CHECK int64_t reader_read(struct reader *rd, uint64_t at, void *p, size_t n);
/* The same into the arena, at most READER_HEAD_MAX bytes. SUSPENDS. */
MUST_CHECK int reader_range(struct reader *rd, uint64_t at, uint64_t n, struct arena *a, struct slice *out);

/* ---- decoded bodies ---- */

/* A part of a message, or of a message that lies encoded in it (mime_within). */
struct reader_span {
    const struct mime_part *within; /* NULL: offsets are those of the message; else of its decoded body */
    uint64_t at, n;
};
/* Walks through its bytes, piece by piece; stops when each() returns other than 0 and returns that.
 * ERR_CORRUPT: the message is shorter than it should be. SUSPENDS. */
MUST_CHECK int reader_span(struct reader *rd, struct reader_span span,
                           int (*each)(void *arg, struct slice piece), void *arg);
/* The same for the body of a part with its transfer encoding undone (RFC 3516). SUSPENDS. */
MUST_CHECK int reader_decoded(struct reader *rd, const struct mime_part *p,
                              int (*each)(void *arg, struct slice piece), void *arg);
/* And converted from its charset to UTF-8, cut between characters. SUSPENDS. */
MUST_CHECK int reader_text(struct reader *rd, const struct mime_part *p,
                           int (*each)(void *arg, struct slice utf8), void *arg);
struct reader_decoded {
    uint64_t size;
    bool nul; /* it holds a NUL */
};
/* What such a walk comes upon. SUSPENDS. */
MUST_CHECK int reader_decoded_size(struct reader *rd, const struct mime_part *p, struct reader_decoded *out);

/* ---- threads ---- */

/* The thread the message belongs to (RFC 8474), found out at the first time. ERR_NOT_FOUND: the message is
 * gone. SUSPENDS. */
MUST_CHECK int reader_thread(struct reader *rd, struct arena *a, uint64_t *out);
/* What message_threads() asks for, in the arena. */
MUST_CHECK int reader_relations(struct reader *rd, struct arena *a, struct message_relations *out);

/* ---- previews ---- */

enum { READER_PREVIEW_CHARS = 200, READER_PREVIEW_LOOKED_AT = 256 * 1024 };
/* The beginning of what the message says (RFC 8970 section 3.3), without markup and quoted lines, in the
 * arena; empty when it has no text. SUSPENDS. */
MUST_CHECK int reader_preview(struct reader *rd, struct arena *a, struct slice *out);

/* ---- searching texts ---- */

struct reader_needle {
    struct slice folded;
    bool head;             /* it may stand in the header as well */
    bool in_head, in_body; /* found in the message looked through last */
};
/* `how`: as the needles were folded, with collation_fold(). Looks for all needles in the decoded text parts
 * of a message, and for some in the header (with those of its parts), stops when all are found. SUSPENDS. */
MUST_CHECK int reader_search(struct reader *rd, enum collation how, struct reader_needle *v, size_t n);
/* Is there a field of that name that holds the folded text? Decoded and folded first. */
bool reader_head_holds(struct slice head, struct slice field, enum collation how, struct slice folded);
/* The same for the addresses in such fields as ENVELOPE tells them, without comments. */
bool reader_head_addresses(struct slice head, struct slice field, enum collation how, struct slice folded);

/* What the keys SUBJECT, FROM, TO, CC and BCC of SEARCH look into, folded as the default comparator does. */
void reader_folded_put(struct buf *out, struct slice head);
bool reader_folded_has(struct slice field, bool addresses);
/* What reader_head_holds() says of Subject, or reader_head_addresses() of the others. False when `kept` is
 * not whole. */
bool reader_folded_holds(struct slice kept, struct slice field, struct slice folded);

/* For an index of what is searched: all folded texts that reader_search() looks through, in pieces that
 * overlap by two bytes; and the values of the header's fields, as reader_head_holds() and
 * reader_head_addresses() see them. What a needle of three bytes or more is found in holds each run of three
 * bytes of it. SUSPEND. */
MUST_CHECK int reader_texts(struct reader *rd, void (*each)(void *arg, struct slice folded), void *arg);
MUST_CHECK int reader_fields(struct reader *rd, void (*each)(void *arg, struct slice folded), void *arg);
