/* care_i.h - going through everything a store holds; shared by sweep, verify and backup. */
#pragma once
#include "care.h"
#include "mailbox_i.h"

/* Only one of sweep and backup runs at a time: a backup must find every body its index names. */
MUST_CHECK int care_begin(struct store *s, struct slice who, uint64_t *fence); /* ERR_BUSY */
void care_end(struct store *s, struct slice who);
MUST_CHECK int care_renew(struct store *s, struct slice who);

/* Inside a transaction on an account: bad() says which mailboxes have one name, and which names and
 * mailboxes do not belong together. */
MUST_CHECK int verify_names(struct kv_tx *tx, void (*bad)(void *arg, const char *what), void *arg);
/* Calls each() with the id of every account that has rows; its non-zero value ends the walk. */
MUST_CHECK int accounts_each(struct store *s, int (*each)(void *arg, const char *acc), void *arg);
/* Every message row of the account, of all mailboxes, those being deleted too. A row that cannot
 * be read is given with m == NULL. */
MUST_CHECK int messages_each(struct store *s, const char *acc,
                             int (*each)(void *arg, uint32_t box, uint32_t uid, const struct message *m),
                             void *arg);

/* loss.c: packs up to this number are kept for a loss; 0 when there is none, all when that cannot be read. */
uint64_t loss_upto(struct store *s);
/* Called by store_open(): an engine that was opened without what its log had lost says so; that becomes a
 * row. */
MUST_CHECK int loss_take_note(struct store *s);
