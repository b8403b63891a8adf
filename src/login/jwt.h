/* jwt.h - tokens that can be judged without asking: signed by a key of a published set (JSON Web Tokens, RFC
 * 7519; as access tokens, RFC 9068). Pure. */
#pragma once
#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"

enum { JWT_MAX = 16 << 10 };

/* Three parts in base64url with dots between? */
bool jwt_is_one(struct slice token);
/* The claims of a token that a key of the set (RFC 7517 section 5, JSON) has signed: *claims is an object for
 * json_decref(); what they say is for the caller to judge. ERR_NOT_FOUND: no key of the set is the one that
 * the token names. ERR_DENIED: it is not believed. ERR_SYNTAX: it is no such token, or the set is none. */
MUST_CHECK int jwt_verify(struct arena *a, struct slice token, struct slice keys, json_t **claims);
