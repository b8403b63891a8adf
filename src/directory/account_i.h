/* account_i.h - what the files of accounts share: their row, and what is changed with it. */
#pragma once
#include "directory_i.h"

enum { ACCOUNT_VERSION = 1 };
#define NO_PLUS "an account's name cannot hold a +: name+anything reaches the account name"

MUST_CHECK int account_missing(struct slice address); /* ERR_NOT_FOUND in words */
/* What a row that cannot be read still says of which account it is: its id, or ERR_CORRUPT. */
MUST_CHECK int account_row_id(struct slice row, struct account *out);
MUST_CHECK int account_lost_id(struct slice address); /* that it does not, in words */
void account_put(struct kv_tx *tx, struct slice key, const struct account *acc);
/* The account with this key is here and enabled, or it is not: whom the duties of its domain fall to. */
MUST_CHECK int account_duties(struct kv_tx *tx, struct arena *a, struct slice key, const struct account *acc,
                              bool enabled);
/* Who looks on an account looks again when it was changed (e: how that ended), or may have been. */
void account_notify(struct directory *dir, const char *acc, int e);

/* ---- of people elsewhere ---- */

static inline bool elsewhere_has_id(const struct account *acc)
{
    return acc->elsewhere.n && !sl_eq(acc->elsewhere, SL("-"));
}
/* A person has one account in a domain. A row that names an account that is gone, or is unreadable, is no
 * claim. ERR_EXISTS. */
MUST_CHECK int elsewhere_tx_claim(struct kv_tx *tx, struct arena *a, const struct account *acc);

/* password_keys_like() with a salt of its own. */
MUST_CHECK int password_keys_new(struct directory *dir, struct slice password, struct password_keys *out);
