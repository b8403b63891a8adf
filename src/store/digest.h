/* digest.h - what was computed of messages once and is kept: bytes for each message, opaque here. They lie in
 * parts of DIGEST_PART UIDs, each written when no message can come to it any more, and never changed: what a
 * message says never changes either. What is missing, damaged or of another version is computed again. */
#pragma once
#include "mailbox.h"

enum { DIGEST_PART = 32, DIGEST_MAX = 1900 /* bytes of one, so that a part fits into a row */ };
/* A small letter from g on for each kind, in the order of enum reader_digest_kind. */
#define DIGEST_KINDS "hnspol"
struct digest_key {
    struct mailbox_ref box;
    uint32_t uidvalidity;
    char kind;        /* of what is kept: one of DIGEST_KINDS */
    unsigned version; /* of the code that makes it */
};
struct digest {
    uint32_t part;               /* uid / DIGEST_PART */
    struct slice v[DIGEST_PART]; /* by uid % DIGEST_PART; p NULL: there is none */
};
struct digest_row {
    uint32_t part;
    struct slice bytes; /* as they lie: digest_parse() */
};
/* Of the parts from `first` on, *span of them, those that are there, ascending: *out and all it refers to in
 * the arena. *span becomes less when not so many were looked for. With a span of more than 1 what follows is
 * expected to be asked for next. SUSPENDS. */
MUST_CHECK int digest_read(struct store *s, const struct digest_key *k, uint32_t first, uint32_t *span,
                           struct arena *a, struct digest_row **out, size_t *n);
/* An error: it is of no use, and has to be made again. *out refers to the row's bytes. */
MUST_CHECK int digest_parse(const struct digest_key *k, const struct digest_row *row, struct digest *out);
/* Keeps parts, in one transaction: a few. ERR_NOT_FOUND: the mailbox has gone. SUSPENDS. */
MUST_CHECK int digest_write(struct store *s, const struct digest_key *k, const struct digest *v, size_t n);
/* These messages went (ascending): what is kept of parts of which none is left is erased, also of the index
 * of texts. What is not, because of an error or a crash, does no harm and goes with its mailbox. SUSPENDS. */
void digest_forget(struct store *s, struct mailbox_ref box, const uint32_t *uid, size_t n);
