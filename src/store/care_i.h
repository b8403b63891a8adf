/* care_i.h - going through everything a store holds; shared by sweep, verify and backup. */
#pragma once
#include "care.h"
#include "mailbox_i.h"

/* The right to take care, held under a lease that a fiber renews. Only one of sweep and backup runs
 * at a time: a backup must find every body its index names. */
struct care {
    struct store *s;
    char who[32]; /* no two runs have one name */
    uint64_t fence;
    int64_t until; /* rt_now(): so long the lease is certainly ours */
    bool lost;
    struct group keeper;
};
MUST_CHECK int care_begin(struct care *c, struct store *s, const char *what); /* ERR_BUSY */
/* Before each step that takes something away or relies on nothing being taken: 0, ERR_CANCELED, or
 * ERR_DENIED when the lease may be another's by now. */
MUST_CHECK int care_check(struct care *c);
void care_end(struct care *c);

/* bad() says which mailboxes have one name, and which names and mailboxes do not belong together. */
MUST_CHECK int verify_names(const struct account_rows *rows, void (*bad)(void *arg, const char *what),
                            void *arg);
/* bad() says where the row of an account does not agree with what it counts, and the same of its limits and
 * of the names of its mailboxes. Reads by pages, so that nobody waits for it. SUSPENDS. */
MUST_CHECK int verify_account(struct store *s, const char *acc, void (*bad)(void *arg, const char *what),
                              void *arg);
/* Calls each() with the id of every account that has rows; its non-zero value ends the walk. */
MUST_CHECK int accounts_each(struct store *s, int (*each)(void *arg, const char *acc), void *arg);
/* Takes "m/BBBBBBBB/UUUUUUUU" and its value apart; false when they are damaged (box and uid are what
 * the key says, or 0). */
bool message_of_row(struct slice key, struct slice value, uint32_t *box, struct message *m);
/* Every message row of the account, of all mailboxes, those being deleted too; also of batches that nobody
 * sees yet: their uid is 0. A row that cannot be read is given with m == NULL. */
MUST_CHECK int messages_each(struct store *s, const char *acc,
                             int (*each)(void *arg, uint32_t box, uint32_t uid, const struct message *m),
                             void *arg);

/* ---- account_walk.c ---- */

/* Gives every row of these kinds (the first letters of their keys; NULL: of all), while the account changes,
 * and then the rows of messages that were added, copied or moved meanwhile, until none is missing: a row may
 * be given twice, the later one is right, and what was expunged meanwhile may be given. *modseq: in, what
 * account_modseq() said; out, the modseq that all is certainly of, or 0. SUSPENDS; so may each(), whose
 * non-zero value ends the walk. */
MUST_CHECK int account_walk(struct store *s, const char *acc, const char *kinds,
                            int (*each)(void *arg, struct slice key, struct slice value), void *arg,
                            uint64_t *modseq);
/* Rows one behind the other: key and value, each behind its length as LEB128 (docs/format.md, section 5). */
void rows_add(struct buf *b, struct slice key, struct slice value);
bool rows_take(struct slice *rows, struct slice *key, struct slice *value); /* false at the end, or damaged */

/* loss.c: packs up to this number are kept for a loss; 0 when there is none, all when that cannot be read. */
uint64_t loss_upto(struct store *s);
/* Called by store_open(): an engine that was opened without what its log had lost says so; that becomes a
 * row. */
MUST_CHECK int loss_take_note(struct store *s);
