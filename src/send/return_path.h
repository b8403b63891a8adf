/* return_path.h - what comes back to the addresses that letters of sends name: late reports of failure (RFC
 * 3464), complaints (RFC 5965), who leaves by mail. Everything else that is sent there is an automatic
 * letter: the trace of the letter it answers tells of it, and it changes nothing. */
#pragma once
#include "base/slice.h"

struct last_hop;
struct sends;

/* The account of a route for such an address: no account has this name. */
#define RETURN_PATH_ACCOUNT "~returns"

/* Is it an address of ours of that kind? domain: of this node. Does not suspend. */
bool return_path_is_ours(struct sends *s, struct slice local);
/* Is it one of the names that complaints of other servers come to (abuse, feedback, fbl, complaints)? What is
 * one is read as well as filed. Pure. */
bool return_path_hears(struct slice local);
/* Reads the letter; what it says becomes durable with d->tell. As queue_deliver says. SUSPENDS. */
/* A letter that is filed nowhere is where it belongs: what d->tell tells becomes durable. SUSPENDS. */
MUST_CHECK int return_path_told(struct sends *s, struct last_hop *d);
MUST_CHECK int return_path_take(struct sends *s, struct last_hop *d);
