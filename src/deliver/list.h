/* list.h - the last hop of what is written to a distribution list (directory/maillist.h): it becomes one
 * letter to all its members, or who wrote is a member no more. */
#pragma once
#include "dns/dns.h"
#include "queue/last_hop.h"

struct list_hop { /* borrowed, outlives every letter */
    struct store *store;
    letter_take *take; /* the way in for what is distributed */
    void *take_ctx;
    struct dns *dns; /* what authors' domains want; NULL: nobody is asked, and From stays */
};
/* A queue_deliver for the accounts of maillist_is(). What is distributed has an id that follows from the
 * letter's and the list's, so that each member is written to once however often this is called: whoever was a
 * member the first time. ERR_NOT_FOUND: the list is gone. SUSPENDS. */
MUST_CHECK int list_take(const struct list_hop *h, struct last_hop *d);
