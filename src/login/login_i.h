/* login_i.h - what the files of this folder share. */
#pragma once
#include "base/map.h"
#include "login.h"
#include "rt/rt.h"

/* Passwords that were right lately, as keyed hashes, so that a client that logs in every
 * minute does not cost a key derivation each time. A changed password changes the
 * stored key, which is part of the hash. */
enum { REMEMBERED_MAX = 20000, SECRET = 32 };
static const int64_t remembered_for = 600 * RT_S;

/* token.c: tokens that counted lately */
struct tokens {
    struct lock lock;
    struct map known; /* keyed hash of the token -> struct known * */
};
void login_forget(struct map *m); /* what is remembered in it, on the heap */

struct login {
    struct directory *dir;
    struct login_issuer issuer;
    struct tokens tokens;
    struct lock lock;
    struct map until; /* hash -> struct remembered * */
    uint8_t secret[32];
    uint8_t decoys[SECRET]; /* the same as long as the store lives */
};
