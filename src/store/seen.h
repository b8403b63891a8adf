/* seen.h - \Seen of a shared mailbox for everybody but its owner. */
#pragma once
#include "mailbox_i.h"

enum { SEEN_PART = 1024, SEEN_BYTES = SEEN_PART / 8 };

/* Changes of one user's set within a transaction; UIDs that come ascending cost one row each 1,024. */
struct seen_change {
    uint32_t box, part;
    const char *user; /* account id */
    bool there, changed;
    uint8_t bits[SEEN_BYTES];
};
void seen_begin(struct seen_change *c, uint32_t box, const char *user);
MUST_CHECK int seen_is(struct kv_tx *tx, struct seen_change *c, uint32_t uid, bool *yes);
MUST_CHECK int seen_set(struct kv_tx *tx, struct seen_change *c, uint32_t uid, bool yes);
void seen_end(struct kv_tx *tx, struct seen_change *c); /* writes what is not written yet */

/* What a user has seen, as it was read. */
struct seen_part;
struct seen_set {
    struct seen_part *v; /* ascending */
    size_t n, room;
};
/* Into *out, in place of what is there; after an error that stays. SUSPENDS. */
MUST_CHECK int seen_read(struct store *s, const char *acc, uint32_t box, const char *user,
                         struct seen_set *out);
/* The same of the messages with UIDs from part * SEEN_PART on. SUSPENDS. */
MUST_CHECK int seen_read_part(struct store *s, const char *acc, uint32_t box, const char *user, uint32_t part,
                              struct seen_set *out);
bool seen_has(const struct seen_set *s, uint32_t uid);
void seen_free(struct seen_set *s);
