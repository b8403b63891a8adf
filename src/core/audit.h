/* audit.h - what administrators and keys did: who, from where, what, with which outcome; bounded, and kept
 * for a set time.
 *
 * An act stands there before it is done, durably, and gets its outcome afterwards: one without an outcome was
 * cut off, done or not. Passwords are not among its words. */
#pragma once
#include "kv/kv.h"

enum {
    AUDIT_MOST = 100000, /* acts that are kept; the care that follows removes the oldest beyond */
    AUDIT_AHEAD = 10000, /* so many more at most until then */
    AUDIT_WORDS = 2000,  /* bytes of each text */
    AUDIT_ID = 24,
    AUDIT_REFUSED_MOST = 1000, /* refused acts a day (UTC): those who ask in vain push out nobody's */
};
enum { AUDIT_BEGUN = -1 };

struct audit_act {
    int64_t time_us;          /* since 1970 */
    struct slice who, from;   /* "root", "key ID of ADDRESS"; an IP address, or empty: this machine */
    struct slice what, words; /* a command or a route; its arguments as JSON */
    struct slice error;       /* the sentence, or empty */
    int status;               /* as of a command, or of HTTP; AUDIT_BEGUN */
    bool damaged;             /* of audit_each(): the row cannot be read, only its time is known */
};

struct audit; /* usable from every loop */
/* kv stays the caller's and outlives it. */
void audit_open(struct audit **out, struct kv *kv, int64_t keep_s);
void audit_close(struct audit **x);
/* May one more refused act be noted today? Then it counts. */
bool audit_refusal_fits(struct audit *x);
/* Durable when it returns 0; sets time_us. id: for audit_end(). SUSPENDS. */
MUST_CHECK int audit_begin(struct audit *x, struct audit_act *act, char id[AUDIT_ID + 1]);
/* The same act with its outcome, durably. SUSPENDS. */
void audit_end(struct audit *x, const char *id, const struct audit_act *act);
/* Each act since then, the oldest first; the act lasts for the call. What each() returns, unless 0, ends the
 * walk and is returned. SUSPENDS. */
MUST_CHECK int audit_each(struct audit *x, int64_t since_us,
                          int (*each)(void *arg, const struct audit_act *act), void *arg);
/* Removes what is older than keep_s, and the oldest beyond AUDIT_MOST. SUSPENDS. */
MUST_CHECK int audit_care(struct audit *x);
