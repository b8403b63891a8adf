/* tellings.h - how many reports an hour go to a sender: a storm of letters that fail makes no storm of
 * reports, and who may have been forged hears little (docs/delivery.md). Counted in memory, from the start of
 * the server; any loop. */
#pragma once
#include "letter.h"

enum {
    TELL_OURS = 1000,          /* to one address an hour, of letters of our own people: others later */
    TELL_PROVEN = 100,         /* the same, of strangers that SPF passes: others later, */
    TELL_PROVEN_DOMAIN = 2000, /* and to one domain */
    TELL_UNPROVEN = 10,        /* the same, of strangers that nothing proves: others never, */
    TELL_UNPROVEN_DOMAIN = 100,
    TELL_UNPROVEN_ALL = 1000,
    TELL_KNOWN_MAX = 20000, /* addresses and domains of a kind that are remembered */
};
#define TELL_HOUR (3600 * RT_S)

struct tellings;
struct tellings *tellings_open(void);
void tellings_close(struct tellings **t);
/* May one more report go to that sender? 0: it counts. ERR_DENIED: it never does, ERR_BUSY: later; with a
 * sentence. Does not suspend. */
MUST_CHECK int tellings_take(struct tellings *t, enum letter_path path, struct slice sender);
void tellings_return(struct tellings *t, enum letter_path path, struct slice sender); /* it did not go */
