/* letter_wants.h - what a sender asks of every server on the letter's way, beyond its delivery. It goes with
 * the envelope, through aliases and restarts, to the next server. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct letter_wants {
    bool requiretls;   /* leaves only over verified TLS to servers that promise the same (RFC 8689
                          section 4.2.1) */
    bool tls_optional; /* TLS-Required: No: what the receiving domain says of TLS is not obeyed
                          (section 4.2.2) */
};
/* Adds the field 'w' to a row; nothing when nothing is wanted. */
void letter_wants_put(struct buf *row, const struct letter_wants *w);
/* The value of that field. ERR_CORRUPT, ERR_VERSION. */
MUST_CHECK int letter_wants_get(struct slice field, struct letter_wants *w);
/* In words, with "; " between; empty when nothing is wanted. In a. */
struct slice letter_wants_text(struct arena *a, const struct letter_wants *w);
