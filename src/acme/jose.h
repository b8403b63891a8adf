/* jose.h - signed requests in JSON: JSON Web Signature (RFC 7515) with ES256 (RFC 7518 section 3.4), and the
 * fingerprint of a key (RFC 7638). Pure. */
#pragma once
#include "base/arena.h"
#include "crypto/es256.h"

struct slice jose_thumbprint(struct arena *a, const struct es256 *k);

struct jose_head {
    struct slice url, nonce;
    struct slice kid; /* empty: the key itself stands in the head (RFC 8555 section 6.2) */
};
/* The flattened JSON form. payload: JSON, or empty (RFC 8555 section 6.3). In the arena. */
MUST_CHECK int jose_sign(struct arena *a, const struct es256 *k, const struct jose_head *head,
                         struct slice payload, struct slice *out);
