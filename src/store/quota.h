/* quota.h - owners who are to hear that their account is nearly full. The transaction that passes a mark
 * leaves a row behind, in an object of its own, so that nobody is told of what did not happen and a crash
 * forgets nobody. */
#pragma once
#include "mailbox.h"

enum { QUOTA_MARK_FIRST = 90, QUOTA_MARK_LAST = 95 /* of 100, of bytes or of messages */ };

/* Is so much of a limit used? */
bool quota_reached(const struct account_usage *u, unsigned percent);

struct quota_passed {
    struct slice account;
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
