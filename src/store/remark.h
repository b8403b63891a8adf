/* remark.h - annotations of messages (RFC 5257): small texts beside a message, for all who see it or for one
 * user alone. They lie in the message's own row, so whatever becomes of the message becomes of them.
 *
 * Functions SUSPEND unless said otherwise. */
#pragma once
#include "mailbox.h"

enum {
    REMARK_NAME_MAX = 100,   /* bytes of an entry's name */
    REMARK_VALUE_MAX = 1800, /* bytes of a value */
    REMARKS_MAX = 16,        /* of a message: shared ones, and those of each user */
    REMARKS_SHARE = 20480,   /* bytes of a message's shared ones, of its owner's own, of all other users' */
    REMARKS_GONE_MAX = 10,   /* entries of which is remembered that they went */
};

struct remark {
    struct slice entry; /* "/comment" */
    bool shared;        /* else the user's own */
    struct slice value; /* any bytes; p NULL: there is none any more, or it is to go */
    uint64_t modseq;    /* of its last change; 0: it came with the message */
};
/* The shared ones of a message and those of the user (an account's id), in the arena; those that went too,
 * as far as that is remembered. ERR_NOT_FOUND: the message is gone. */
MUST_CHECK int remark_list(struct store *s, struct mailbox_ref box, uint32_t uid, const char *user,
                           struct arena *a, struct remark **out, size_t *n);
struct remark_change {
    const char *user; /* whose own are meant */
    const struct remark *v;
    size_t n;
    uint64_t unchanged_since; /* as in struct flags_change */
};
/* Sets all of them beside each of the messages; those gone are passed over. *failed, in the arena: what was
 * left because of unchanged_since. ERR_TOO_LONG: a value; ERR_LIMIT: one message has too many; ERR_QUOTA. Of
 * a large set those before may have them then. */
MUST_CHECK int remark_set(struct store *s, struct mailbox_ref box, struct uids uids,
                          const struct remark_change *change, struct arena *a, struct uids *failed);
/* For struct message_new: as they lie in a row, in the arena. ERR_TOO_LONG, ERR_LIMIT. Does not suspend. */
MUST_CHECK int remark_pack(struct arena *a, const char *user, const struct remark *v, size_t n,
                           struct slice *out);
