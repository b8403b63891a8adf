/* webhook_i.h - rows of webhooks, for who tells events. For src/send only. */
#pragma once
#include "crypto/es256.h"
#include "webhook.h"

/* A row w/ACCOUNT/NAME of _sends and its place; slices point into key and row or lie in a. *signs is given
 * back with es256_free(); NULL: the key is not read, nor the public one. ERR_CORRUPT, ERR_NOT_FOUND.
 * SUSPENDS. */
MUST_CHECK int webhook_read(struct sends *s, struct slice key, struct slice row, struct arena *a,
                            struct webhook *out, struct es256 **signs);
/* The one of that name, as webhook_read(). */
MUST_CHECK int webhook_get_key(struct sends *s, struct slice account, struct slice name, struct arena *a,
                               struct webhook *out, struct es256 **signs);
/* Of all accounts, without their keys, of which reading one costs more than all the rest. SUSPENDS. */
MUST_CHECK int webhook_each_keyless(struct sends *s, webhook_each_fn *each, void *arg);
/* Everything up to `to` was taken; nothing when it was told to begin elsewhere meanwhile. SUSPENDS. */
MUST_CHECK int webhook_moved(struct sends *s, const struct webhook *h, uint64_t to);
/* It was not: h->failing, next, why, paused are kept. SUSPENDS. */
MUST_CHECK int webhook_failed(struct sends *s, const struct webhook *h);
/* Its public half: DER (SubjectPublicKeyInfo) in base64, in a. */
struct slice webhook_public_key(struct arena *a, const struct es256 *k);
/* webhook_run.c: the signature of the bytes, as the header field holds it; in a. Does not suspend. */
MUST_CHECK int webhook_sign(const struct es256 *k, struct arena *a, struct slice bytes, struct slice *out);
/* webhook_json.c: events as one body, in a; empty: it hears none of them. *took: the body is of the first so
 * many. SUSPENDS (reads of the sends what comes back with events). */
struct event;
MUST_CHECK int webhook_body(struct sends *s, const struct webhook *h, const struct event *e, size_t n,
                            struct arena *a, struct slice *out, size_t *took);
