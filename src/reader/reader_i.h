/* reader_i.h - inside reader: how a message's record and bytes are come by. */
#pragma once
#include "reader.h"

struct reader *reader_of(struct store *store, struct mailbox_ref box, const struct message *m);

/* bytes.c: */
MUST_CHECK int reader_record_of(struct store *store, struct mailbox_ref box, uint32_t uid,
                                struct message *out);
MUST_CHECK int64_t reader_bytes(struct reader *rd, uint64_t at, void *p, size_t n); /* SUSPENDS */
