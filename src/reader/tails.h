/* tails.h - digests of the newest messages of mailboxes, whose part (store/digest.h) is not full yet: in
 * memory only, within a budget, shared by all sessions of the node. What a message says never changes, and a
 * UID never means two, so nothing is ever taken back. Any thread. */
#pragma once
#include "store/digest.h"

struct reader_tails;
struct reader_tails *reader_tails_new(void);
void reader_tails_free(struct reader_tails **t);
/* False: it is not there. Adds to *out. */
bool reader_tails_get(struct reader_tails *t, const struct digest_key *k, uint32_t uid, struct buf *out);
/* Takes the place of another one. */
void reader_tails_put(struct reader_tails *t, const struct digest_key *k, uint32_t uid, struct slice bytes);
