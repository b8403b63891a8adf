/* dkim_body.h - one pass over a message's body for every signature on it.
 *
 * A body is canonicalised and hashed while it streams by (RFC 6376 section 3.4.3, 3.4.4,
 * 3.7), at most once for each canonicalisation, however many DKIM and ARC signatures
 * ask: for l= the state of the running hash is kept at that length.
 *
 *     b = dkim_body_new(a);
 *     v = dkim_verify_new(a, &head, NULL, b);  c = arc_verify_new(a, &head, NULL, b);
 *     while (chunk) dkim_body_add(b, chunk);                 (any cutting into chunks)
 *     dkim_body_end(b);
 *     dkim_verify_end(v, dns, &dkim);  arc_verify_end(c, dns, &arc);
 *
 * The body is what follows the empty line, with CRLF line ends, without dot-stuffing.
 * Not for two threads at once. */
#pragma once
#include "base/arena.h"
#include "crypto/crypto.h"

enum dkim_canon { DKIM_SIMPLE, DKIM_RELAXED };
const char *dkim_canon_name(enum dkim_canon c); /* "simple" */

#define DKIM_WHOLE UINT64_MAX /* no l= */
enum { DKIM_HASHES_MAX = 64 };

struct dkim_body;
struct dkim_body *dkim_body_new(struct arena *a);
/* Says before the first dkim_body_add (later only what was said before) that the SHA-256 of the first
 * `length` canonical bytes will be asked for. Returns the number to ask with; ERR_LIMIT for more than
 * DKIM_HASHES_MAX different ones. */
int dkim_body_want(struct dkim_body *b, enum dkim_canon c, uint64_t length);
void dkim_body_add(struct dkim_body *b, struct slice chunk);
void dkim_body_end(struct dkim_body *b); /* must be called, also when the message is given up: frees */
/* After dkim_body_end. False when the canonical body is shorter than was asked. *rest:
 * canonical bytes behind the length (0 for DKIM_WHOLE). */
bool dkim_body_hash(const struct dkim_body *b, int want, uint8_t sha256[32], uint64_t *rest);
