/* letter_wants.h - what a sender asks of every server on the letter's way, beyond its delivery. It goes with
 * the envelope, through aliases and restarts, to the next server. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { LETTER_HOLD_MAX_S = 30 * 86400 }; /* a letter is held for its sender so long at most */

struct letter_wants {
    bool requiretls;    /* leaves only over verified TLS to servers that promise the same (RFC 8689
                           section 4.2.1) */
    int64_t hold_until; /* released then, unix seconds; 0: at once (RFC 4865) */
    uint32_t hold_for;  /* said as so many seconds; 0: as a time */
    int64_t by;         /* to be delivered by then, unix seconds; 0: whenever (RFC 2852) */
    char by_mode;       /* else N: the sender hears of it, R: it goes back */
    bool by_trace;      /* each server on the way reports that it passed it on */
    bool has_priority;  /* MT-PRIORITY was said (RFC 6710): */
    int8_t priority;    /* -9 to 9, higher first */
    bool tls_optional;  /* TLS-Required: No: what the receiving domain says of TLS is not obeyed
                           (section 4.2.2) */
};
/* Is it to be held at this time? One that lies further off than any is held was written by a clock that was
 * wrong. */
static inline bool letter_is_held(const struct letter_wants *w, int64_t now)
{
    return w->hold_until > now && w->hold_until <= now + LETTER_HOLD_MAX_S;
}
/* Until when it is tried: its lifetime from its release on, and with R no longer than it says. */
static inline int64_t letter_expires(const struct letter_wants *w, int64_t now, int64_t lifetime_s)
{
    int64_t t = (letter_is_held(w, now) ? w->hold_until : now) + lifetime_s;
    return w->by && w->by_mode == 'R' && w->by < t ? w->by : t;
}
/* Adds the field 'w' to a row; nothing when nothing is wanted. */
void letter_wants_put(struct buf *row, const struct letter_wants *w);
/* The value of that field. ERR_CORRUPT, ERR_VERSION. */
MUST_CHECK int letter_wants_get(struct slice field, struct letter_wants *w);
/* In words, with "; " between; empty when nothing is wanted. In a. */
struct slice letter_wants_text(struct arena *a, const struct letter_wants *w);
