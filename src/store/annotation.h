/* annotation.h - small texts beside a mailbox or an account (RFC 5464): for all who see it, or for one alone.
 *
 * Functions SUSPEND unless said otherwise. box.box 0 stands for the account as a whole. */
#pragma once
#include "mailbox.h"

enum {
    ANNOTATION_NAME_MAX = 120,   /* bytes, with "/shared" or "/private" */
    ANNOTATION_VALUE_MAX = 8192, /* bytes */
    ANNOTATIONS_MAX = 64,        /* of a mailbox: shared ones, and those of each user */
    ANNOTATIONS_BYTES = 4 << 20, /* names and values of an account with all its mailboxes */
};

struct annotation {
    struct slice name;  /* "/shared/comment", in lower case */
    struct slice value; /* any bytes; p NULL: there is none */
};
/* Is it a name (section 3.2)? In lower case, in the arena. ERR_SYNTAX. Does not suspend. */
MUST_CHECK int annotation_name(struct arena *a, struct slice name, struct slice *out);
/* The shared ones and those of the user (an account's id), by name, in the arena. */
MUST_CHECK int annotation_list(struct store *s, struct mailbox_ref box, const char *user, struct arena *a,
                               struct annotation **out, size_t *n);
/* Sets all of them or none; a value with p NULL removes. The names are clean. ERR_NOT_FOUND no such mailbox,
 * ERR_TOO_LONG a value, ERR_LIMIT too many or too much. */
MUST_CHECK int annotation_set(struct store *s, struct mailbox_ref box, const char *user,
                              const struct annotation *v, size_t n);
/* Names of those that the user sees and that changed with modseqs in (*since, the account's], for each
 * mailbox (0: the account) in the order of the changes; *since moves on. ERR_STATE: it is not known any more.
 */
MUST_CHECK int annotation_changes(struct store *s, const char *acc, const char *user, uint64_t *since,
                                  void (*each)(void *arg, uint32_t box, struct slice name), void *arg);
