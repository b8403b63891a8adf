/* grams.h - which messages may hold a text: an index of all runs of three bytes ("grams") in the folded texts
 * of messages. It only narrows: who asks looks into the messages that are left. Runs of bytes need no words,
 * so languages without spaces are no different.
 *
 * A mailbox is indexed in parts of GRAMS_PART UIDs: what a message says never changes, and one that went is
 * asked for by nobody, so a part to which no message can come any more is made once and for good. One that
 * is not full is made of the messages that are there, and anew when many have come. What is not there is
 * looked through as before, so the index may be missing, old or damaged without an answer being wrong. */
#pragma once
#include "mailbox.h"

enum { GRAMS_PART = 1024, GRAMS_BITS = GRAMS_PART / 8 };
enum grams_kind {
    GRAMS_FIELDS, /* values of the header fields, and their addresses as people read them */
    GRAMS_TEXTS,  /* everything that SEARCH TEXT looks through */
    GRAMS_KINDS
};

/* ---- making a part; only the last of these suspends ---- */

struct grams;
struct grams *grams_begin(void); /* up to 30 MB while it lives */
void grams_free(struct grams **g);
/* A folded text of the message at a place (its UID within the part); it may come in pieces that overlap by
 * two bytes. Messages come one after the other. */
void grams_add(struct grams *g, unsigned place, enum grams_kind kind, struct slice folded);
/* Nobody knows what the message says: it is never left out. */
void grams_unsure(struct grams *g, unsigned place);
/* Only messages below this place were added: it is not known what the others say. */
void grams_known(struct grams *g, unsigned n);
/* Keeps the part: seen when its last row is there, in the place of what was there. Takes what was added.
 * ERR_NOT_FOUND: the mailbox has gone. SUSPENDS. */
MUST_CHECK int grams_write(struct grams *g, struct store *s, struct mailbox_ref box, uint32_t part);

/* ---- asking; SUSPEND ---- */

struct grams_state {
    uint8_t unsure[GRAMS_BITS]; /* bits of the messages that are never left out */
    unsigned known;             /* grams_known(); GRAMS_PART: all */
    uint64_t made;              /* another number each time it is made */
};
/* Is the part there? ERR_NOT_FOUND: no, or as older code made it. */
MUST_CHECK int grams_there(struct store *s, struct mailbox_ref box, uint32_t part, struct grams_state *out);
/* To be believed when grams_there() says the same behind it as before it: a part may be made anew meanwhile.
 * Takes the bits of those messages out of maybe that do not hold the folded text, which has at least three
 * bytes. ERR_CORRUPT. */
MUST_CHECK int grams_narrow(struct store *s, struct mailbox_ref box, uint32_t part, enum grams_kind kind,
                            struct slice folded, uint8_t maybe[GRAMS_BITS]);
/* The part, or (part UINT32_MAX) all of the mailbox, is there no more. */
MUST_CHECK int grams_erase(struct store *s, struct mailbox_ref box, uint32_t part);
