/* srs.h - the return path of a letter that an alias sends on to another server: an address of ours, so that
 * SPF holds there, which leads back to the sender (the Sender Rewriting Scheme, M. Shevek, 2004,
 * libsrs2.net/srs/srs.pdf: SRS0, and SRS1 for what was rewritten before). */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "directory/directory.h"

enum { SRS_DAYS = 21 }; /* so long a report may come back */

struct srs {
    struct directory *directory; /* senders of its domains need none */
    struct slice domain;         /* ours, A-labels: the rewritten address lies in it */
    uint8_t key[32];
};
/* "SRS0=HASH=DAY=domain=local@ours"; out = sender where none is needed, or where it would be too long (a
 * local part has at most 64 bytes). In the arena. SUSPENDS. */
void srs_forward(const struct srs *s, struct arena *a, struct slice sender, struct slice *out);
/* Whom a local part of ours stands for, "local@domain". ERR_NOT_FOUND: it is none of these; ERR_DENIED: not
 * made here, or too long ago. Does not suspend. */
MUST_CHECK int srs_back(const struct srs *s, struct arena *a, struct slice local, struct slice *out);
