/* login_i.h - what the files of this folder share. */
#pragma once
#include <jansson.h>

#include "base/buf.h"
#include "base/map.h"
#include "login.h"
#include "rt/rt.h"

/* Passwords that were right lately, as keyed hashes, so that a client that logs in every
 * minute does not cost a key derivation each time. A changed password changes the
 * stored key, which is part of the hash. */
enum { REMEMBERED_MAX = 20000, SECRET = 32 };
static const int64_t remembered_for = 600 * RT_S, remembered_elsewhere = 60 * RT_S;

/* token.c: tokens that counted lately */
struct tokens {
    struct lock lock;
    struct map known; /* keyed hash of the token -> struct known * */
};
/* claims.c. The answer of an issuer that was asked; what a token says that a key of its issuer has signed.
 * *until: unix seconds until which it may be believed without asking again. ERR_DENIED, ERR_UNREACHABLE. */
MUST_CHECK int claims_told(const struct login_issuer *issuer, struct arena *a, struct slice answer,
                           int64_t now, struct slice *user, int64_t *until);
MUST_CHECK int claims_signed(const struct login_issuer *issuer, struct arena *a, const json_t *o, int64_t now,
                             struct slice *user, int64_t *until);
/* keys.c: the keys that the issuer publishes, as its answer has them */
struct issuer_keys {
    struct lock lock;
    struct buf text;
    int64_t fetched, tried; /* rt_now(); 0: never */
};
/* In the arena. fresh: a token names a key that is not among those kept. ERR_UNREACHABLE: there are none, and
 * the issuer cannot be asked. SUSPENDS. */
MUST_CHECK int issuer_keys(struct issuer_keys *k, const struct login_issuer *issuer, struct arena *a,
                           bool fresh, struct slice *out);
void login_forget(struct map *m); /* what is remembered in it, on the heap */

struct login {
    struct directory *dir;
    struct login_issuer issuer;
    struct tokens tokens;
    struct issuer_keys keys;
    struct lock lock;
    struct map until; /* hash -> struct remembered * */
    uint8_t secret[32];
    uint8_t decoys[SECRET]; /* the same as long as the store lives */
};
