/* places_i.h - the rows by which messages are found by EMAILID and thread (places.c says how); shared by who
 * keeps them, makes and reads them, and looks whether all are there. */
#pragma once
#include "mailbox_i.h"

enum { PLACES_NONE, PLACES_MAKING, PLACES_ALL }; /* account_row.places */
enum { PLACES_MARK_ROW = 1, PLACES_STEP = 125 /* messages of one transaction */ };

uint64_t places_hash(struct slice email_id);
/* "p/<kind>/<what>" */
struct slice places_key(char kind, uint64_t what, char room[KEY_ROOM]);
/* The keys of a message's two rows. */
struct slice places_email_key(uint32_t box, const struct message *m, char room[KEY_ROOM]);
struct slice places_thread_key(uint32_t box, const struct message *m, char room[KEY_ROOM]);
/* Of such a key the mailbox, and uid or batch and place. false: it is damaged. */
bool places_key_take(struct slice key, uint32_t *box, struct message *m);
/* "m/<box>/<uid>" or "y/<box>/<batch>/<place>" and its value. false: damaged. */
bool places_row_take(struct slice key, struct slice value, uint32_t *box, struct message *m);
MUST_CHECK int places_account(struct store *s, const char *acc, struct account_row *out);
