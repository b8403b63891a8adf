/* allowance.h - how much somebody of ours may send: letters and recipients an hour and a day, recipients of
 * one letter, and recipients a day to whom they never wrote before (the sign of a stolen account).
 *
 * One module for every way in: intake asks it, once for each letter and recipient, and so does who takes a
 * send over HTTP, once for the whole of it. What is counted is written with the commit that takes the letter,
 * or one before it, so that a letter that was taken is counted after a crash, too. Counts live in memory, of
 * those who sent lately, and come from their rows when they are not there. Any thread may call.
 * docs/limits.md names the figures. */
#pragma once
#include "directory/directory.h"

enum {
    ALLOWANCE_HOUR_SLOT = 150,     /* seconds after which a part of the hour's count passes, */
    ALLOWANCE_DAY_SLOT = 3600,     /* and of the day's */
    ALLOWANCE_SENDERS_MAX = 50000, /* whose counts are in memory */
    ALLOWANCE_FADING_DAYS = 30,    /* after which it is written down again that a recipient was written to */
    ALLOWANCE_HELD_SLOT = 10,      /* seconds, or this part of the wait when that is longer, after which */
    ALLOWANCE_HELD_PART = 64,      /* letters that were held count no more as such */
    ALLOWANCE_HELD_DAYS = 31,      /* no letter is held longer */
    ALLOWANCE_KNOWN_DAYS = 400,    /* a recipient that was not written to for so long is a new one again */
};

struct allowance;
/* kv outlives it; defaults: for who has no limit of their own, SENDER_UNLIMITED among them. */
void allowance_open(struct allowance **out, struct kv *kv, const struct sender_limits *defaults);
void allowance_close(struct allowance **a);

/* Who sends. */
struct allowance_of {
    const char *id;              /* of the account; of a user of the machine without one: '@' and the name */
    struct sender_limits limits; /* of the account: its own */
    struct slice key;            /* an app password or API key that was used, or empty: counted apart */
    struct sender_limits key_limits; /* its own; what is not set is bound by the account's alone */
};
/* What is limited for an account: its own, or the defaults. An account whose recipients a day are unlimited
 * is a sending account: what it has no limit of its own for is unlimited, too. */
struct sender_limits allowance_limits(const struct allowance *a, const struct sender_limits *own);

struct allowance_want {
    uint32_t letters, rcpts, fresh; /* fresh: recipients to whom the account never wrote */
};
struct allowance_end {
    enum sender_limit which; /* what was reached */
    bool of_key;
    int64_t until; /* unix seconds from which on it would be within it; 0: never */
};
/* Is that within all limits? ERR_LIMIT with the sentence and *end. Reads rows when the account has not sent
 * lately: SUSPENDS. */
MUST_CHECK int allowance_ask(struct allowance *a, const struct allowance_of *who,
                             const struct allowance_want *want, struct allowance_end *end);
/* The same, and if it is, counts it: durable with the next commit of this fiber. SUSPENDS. */
MUST_CHECK int allowance_take(struct allowance *a, const struct allowance_of *who,
                              const struct allowance_want *want, struct allowance_end *end);
/* What was taken came to nothing. SUSPENDS. */
void allowance_return(struct allowance *a, const struct allowance_of *who, const struct allowance_want *want);

/* Are new recipients limited for it at all? Else nobody needs to ask the following. */
bool allowance_counts_fresh(const struct allowance *a, const struct allowance_of *who);
enum allowance_known {
    ALLOWANCE_FRESH, /* the account has not written to it within ALLOWANCE_KNOWN_DAYS */
    ALLOWANCE_FADES, /* it has, but its row is getting old */
    ALLOWANCE_KNOWN,
};
/* Does the account know the address (as mail_addr_join() makes it)? SUSPENDS. */
MUST_CHECK int allowance_knows(struct allowance *a, const char *id, struct slice address,
                               enum allowance_known *out);
/* It has written to nobody of that address. *knew: there was a row that said so. SUSPENDS. */
MUST_CHECK int allowance_forget(struct allowance *a, const char *id, struct slice address, bool *knew);
/* It writes to it now, and it is not ALLOWANCE_KNOWN yet: durable with the next commit of this fiber. */
void allowance_wrote(struct allowance *a, const char *id, struct slice address);

/* Has nobody been told today (by UTC) that this account reached a limit? From now on somebody has. SUSPENDS.
 */
MUST_CHECK bool allowance_tell(struct allowance *a, const char *id);

/* A letter that waits for a time which its sender set (RFC 4865): so many of an account may wait at once, so
 * large together. */
struct allowance_held {
    int64_t until; /* unix seconds */
    uint64_t bytes;
};
/* Has it room? ERR_LIMIT with the sentence and *end. SUSPENDS. */
MUST_CHECK int allowance_held_ask(struct allowance *a, const struct allowance_of *who,
                                  const struct allowance_held *held, struct allowance_end *end);
/* The same, and if it has, counts it until then: durable when this returns. held->until: until when it really
 * counts, which is a little longer; 0: not at all, for the account may have any number. SUSPENDS. */
MUST_CHECK int allowance_held_take(struct allowance *a, const struct allowance_of *who,
                                   struct allowance_held *held, struct allowance_end *end);
/* What was taken, with that time, came to nothing. SUSPENDS. */
void allowance_held_return(struct allowance *a, const struct allowance_of *who,
                           const struct allowance_held *held);

struct allowance_used {
    uint64_t n[SENDER_LIMITS]; /* of SENDER_RCPTS_LETTER always 0; of what is held, that is now */
};
/* What was sent within the last hour and day; key as above, or empty. SUSPENDS. */
MUST_CHECK int allowance_used(struct allowance *a, const char *id, struct slice key,
                              struct allowance_used *out);

/* Once in a while: rows that say nothing any more go. SUSPENDS. */
MUST_CHECK int allowance_care(struct allowance *a);
