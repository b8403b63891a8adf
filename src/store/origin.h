/* origin.h - what the record of each body says of where the body belongs (docs/format.md, section 5): with
 * images of accounts and directory (store/rescue.h) all that is needed to make a lost index again.
 *
 * A record (kv/record.h) whose first field says of what kind it is. Letters are queue/letter_origin.c's. */
#pragma once
#include "kv/record.h"
#include "mailbox.h"

enum origin_kind {
    ORIGIN_NONE,
    ORIGIN_MESSAGE = 'm', /* appended to a mailbox */
    ORIGIN_LETTER = 'l',  /* came through accept */
    ORIGIN_IMAGE = 'i',   /* the rows of an object of the index, at one moment */
};
enum { ORIGIN_VERSION = 1 };

void origin_begin(struct buf *b, enum origin_kind kind); /* then rec_put() what it has */
/* ORIGIN_NONE: there is none, it is damaged, or a newer program's. *r: the fields after the kind. */
enum origin_kind origin_open(struct slice origin, struct rec *r);

/* A message of account acc, in the mailbox of this id and name. ERR_LIMIT: it does not fit. */
MUST_CHECK int origin_message(struct buf *b, const char *acc, const struct mailbox *box,
                              const struct message_new *m);
struct origin_message {
    char acc[20];
    uint32_t box;      /* by id when it is there and was made before the name was given again */
    struct slice name; /* of the mailbox at that time */
    struct message_new m;
    struct slice keyword[MAILBOX_KEYWORDS_MAX];
};
/* m.body stays empty; slices point into the origin. ERR_CORRUPT. */
MUST_CHECK int origin_message_get(struct rec *r, struct origin_message *out);
