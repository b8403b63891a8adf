/* deliver.h - the last hop here: into which mailbox of its account a letter goes. (A recipient's own rules
 * will stand here.) */
#pragma once
#include "queue/last_hop.h"

/* A queue_deliver; store: struct store. Into the inbox, as junk what intake judged so, or into the mailbox
 * that the address names (user+mailbox) when anyone may post there. SUSPENDS. */
MUST_CHECK int deliver_letter(void *store, struct last_hop *d);
