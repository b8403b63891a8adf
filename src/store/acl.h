/* acl.h - who else may do what with a mailbox (RFC 4314). The owner may do everything, always.
 *
 * Functions SUSPEND unless said otherwise. */
#pragma once
#include "mailbox.h"

enum acl_right { /* in the order of ACL_LETTERS */
                 ACL_LOOKUP = 1,
                 ACL_READ = 2,
                 ACL_SEEN = 4,
                 ACL_WRITE = 8,
                 ACL_INSERT = 16,
                 ACL_POST = 32,
                 ACL_CREATE = 64,
                 ACL_DELETE = 128,
                 ACL_MARK = 256, /* as deleted */
                 ACL_EXPUNGE = 512,
                 ACL_ADMIN = 1024,
                 ACL_ANNOTATE = 2048, /* shared annotations of messages (RFC 5257) */
                 ACL_ALL = 4095
};
#define ACL_LETTERS "lrswipkxtean"
#define ACL_ANYONE SL("anyone")               /* who sends a letter from the world too: for ACL_POST */
#define ACL_AUTHENTICATED SL("authenticated") /* who has an account here */
enum { ACL_MAX = 100, ACL_OWNERS_MAX = 1000 };

struct acl_entry {
    struct slice who; /* address of an account, ACL_ANYONE or ACL_AUTHENTICATED */
    char id[20];      /* of that account; empty: it is one of these two */
    bool negative;    /* these rights are taken away */
    unsigned rights;  /* enum acl_right bits */
};
/* ERR_DENIED with the first right of `need` that is missing. Does not suspend. */
MUST_CHECK int acl_allow(unsigned rights, unsigned need);
/* The list of a mailbox, in the arena. */
MUST_CHECK int acl_read(struct store *s, struct mailbox_ref box, struct arena *a, struct acl_entry **out,
                        size_t *n);
/* What the user (an account's id; empty: a stranger) may do by this list. Does not suspend. */
unsigned acl_rights_of(const struct acl_entry *v, size_t n, const char *user);
enum acl_op { ACL_SET, ACL_ADD, ACL_REMOVE };
/* Changes the rights of e->who; an entry without rights goes. owner: the address of the mailbox's account, by
 * which others find it. ERR_NOT_FOUND no such mailbox, ERR_LIMIT. */
MUST_CHECK int acl_change(struct store *s, struct mailbox_ref box, struct slice owner,
                          const struct acl_entry *e, enum acl_op op);

/* Of the account's mailboxes those that the user may know of (ACL_LOOKUP), the oldest first, at most max: a
 * row is read for each mailbox that has a list. A damaged one is logged, and hides no other. */
struct acl_shared {
    uint32_t box;
    unsigned rights;
};
MUST_CHECK int acl_shared(struct store *s, const char *acc, const char *user, size_t max, struct arena *a,
                          struct acl_shared **out, size_t *n);

/* Accounts that shared something with the user, or with everybody, once: some may have taken it back. */
struct acl_owner {
    char id[20];
    struct slice address;
};
MUST_CHECK int acl_owners(struct store *s, const char *user, struct arena *a, struct acl_owner **out,
                          size_t *n);
