/* simulator.h - addresses that behave, for who tries sending: WHAT@simulator.HOSTNAME, also WHAT+anything@,
 * take the road of every letter and answer as a real receiver would, so that events, webhooks and numbers
 * come as they come from the world. Nothing is filed, and what they answer enters nobody into the suppression
 * list. Only for letters of our own people: the domain is in no DNS. */
#pragma once
#include "queue/last_hop.h"
#include "send.h"

#define SIMULATED(X)                                                                                         \
    X(SUCCESS, "success")       /* takes it */                                                               \
    X(BOUNCE, "bounce")         /* 550: nobody of that name */                                               \
    X(SOFTBOUNCE, "softbounce") /* 452: full, until the letter's time is over */                             \
    X(LATEBOUNCE, "latebounce") /* takes it, and reports later that it failed (RFC 3464) */                  \
    X(COMPLAINT, "complaint")   /* takes it, and its reader complains (RFC 5965) */                          \
    X(OOTO, "ooto")             /* takes it, and answers that it is away (RFC 3834) */                       \
    X(SUPPRESSED, "suppressed") /* stands on every suppression list */
enum simulated {
    SIMULATED_NOBODY, /* of that domain, and none of these */
#define X(name, word) SIMULATED_##name,
    SIMULATED(X)
#undef X
        SIMULATED_COUNT
};
const char *simulated_word(enum simulated w); /* "success" */

/* The account of a route for such an address: no account has this name. */
#define SIMULATOR_ACCOUNT "~simulator"

/* Is it an address of the simulator of the node with this name? *what: which. Does not suspend. */
bool simulator_is(struct slice hostname, struct slice local, struct slice domain, enum simulated *what);
bool simulator_is_address(struct sends *s, struct slice address, enum simulated *what);
/* As queue_deliver says: ERR_NOT_FOUND of bounce@, ERR_QUOTA of softbounce@. SUSPENDS. */
MUST_CHECK int simulator_take(struct sends *s, struct last_hop *d);
