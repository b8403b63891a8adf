/* quota.h - limits of trees of mailboxes, and owners who are to hear that their account, or such a tree, is
 * nearly full. The transaction that passes a mark leaves a row behind, in an object of its own, so that
 * nobody is told of what did not happen and a crash forgets nobody. */
#pragma once
#include "mailbox.h"

enum { QUOTA_MARK_FIRST = 90, QUOTA_MARK_LAST = 95 /* of 100, of bytes or of messages */ };

/* Is so much of a limit used? */
bool quota_reached(const struct account_usage *u, unsigned percent);

struct quota_passed {
    struct slice key; /* of the row */
    struct slice account;
    uint64_t tree;   /* quota_tree_id() of the limit; 0: the account's own */
    unsigned mark;   /* 0 when the row is damaged, like the rest */
    uint64_t modseq; /* of the account, when it was passed */
    int64_t when;    /* unix seconds */
};
/* Rows of accounts behind `after` (empty: all), ascending, at most limit; in the arena. SUSPENDS. */
MUST_CHECK int quota_passed_list(struct store *s, struct slice after, size_t limit, struct arena *a,
                                 struct quota_passed **out, size_t *n);
/* The owner was told, or need not be any more: forgets it, unless a mark was passed since. SUSPENDS. */
MUST_CHECK int quota_passed_done(struct store *s, const struct quota_passed *p);
/* There is a new one: as mailbox_watch(). Given up with kv_unwatch(). */
struct kv_watch *quota_watch(struct store *s, void (*fn)(void *), void *arg);

/* ---- limits of trees ---- */

/* The mailbox of a name, whether it is there or not, and all below it. */
enum { QUOTA_TREES_MAX = 32, QUOTA_TREES_OWN = 16 /* what an account has when its owner may make no more */ };
#define QUOTA_NONE UINT64_MAX /* there is no limit; 0: nothing may be there */
struct quota_limits {
    uint64_t bytes, messages, boxes; /* boxes: mailboxes */
};
struct quota_tree {
    struct slice name; /* as mailboxes' are: UTF-8, NFC */
    struct quota_load has;
    struct quota_limits limit;
    bool by_operator; /* the owner may not change it */
};
uint64_t quota_tree_id(struct slice name);
/* name as mailboxes have them. Does not suspend. */
bool quota_tree_has(const struct quota_tree *t, struct slice name);
/* Would a message of so many bytes fit? ERR_QUOTA. Does not suspend. */
MUST_CHECK int quota_tree_room(const struct quota_tree *t, uint64_t bytes);
/* Those of the account that the mailbox of this name is in, or would be (empty: all), in the arena. A damaged
 * row is logged and left out. ERR_SYNTAX. SUSPENDS. */
MUST_CHECK int quota_trees(struct store *s, const char *acc, struct slice name, struct arena *a,
                           struct quota_tree **out, size_t *n);
/* Sets the limits; what is there may be beyond them. All of them QUOTA_NONE: takes them away (ERR_NOT_FOUND:
 * there are none). A guest, who may be NULL, means the mailbox must[0]; ERR_NOT_FOUND: the name leads to
 * another. ERR_SYNTAX, ERR_LIMIT, ERR_EXISTS, ERR_DENIED: it is the operator's. SUSPENDS. */
MUST_CHECK int quota_tree_set(struct store *s, const char *acc, const struct mailbox_guest *guest,
                              struct slice name, const struct quota_limits *limit, bool by_operator);
