/* surrogate.h - header sections in UTF-8 (RFC 6532) for programs that know no such thing: what stands in
 * place of each field that is not ASCII (RFC 6858, "Simplified POP and IMAP Downgrading"). Pure.
 *
 * Header sections of the message and its parts come one after another, in ascending order, each in pieces of
 * any size; what is kept are the patches that make the surrogate of the message, within fixed limits whatever
 * the bytes are. What would pass them is left out of the surrogate, never sent as it is. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum {
    MAIL_SURROGATE_FIELD_MAX = 512 * 1024, /* bytes of a field; a longer one is left out */
    MAIL_SURROGATE_TEXT_MAX = 4 << 20,     /* bytes of all that stands in place of fields */
    MAIL_SURROGATE_PATCHES_MAX = 20000,    /* and one more for each part */
    MAIL_SURROGATE_PARAM_MAX = 250,        /* bytes of a parameter; a longer one is left out */
};

/* Bytes [from, to) of the message are replaced by the text; nothing, and the field is left out. */
struct mail_patch {
    uint64_t from, to;
    struct slice text;
};
struct mail_surrogate {
    struct arena *a;
    bool all;
    struct mail_patch *patch;
    size_t n, room;
    size_t text; /* bytes of it */
    /* the section at hand: */
    uint64_t at, from; /* where we are; where the field at hand began */
    struct buf field;
    bool fresh, eight, long_field, cut; /* fresh: at the start of a line; cut: the patches are used up */
};
/* all: also fields that hold bytes above 127 which are no UTF-8; else these are left as they are: such a
 * letter is broken, not international, and what it means only its reader can guess. */
void mail_surrogate_begin(struct mail_surrogate *x, struct arena *a, bool all);
void mail_surrogate_head(struct mail_surrogate *x, uint64_t at); /* a section begins */
void mail_surrogate_next(struct mail_surrogate *x, struct slice bytes);
void mail_surrogate_head_end(struct mail_surrogate *x);
void mail_surrogate_insert(struct mail_surrogate *x, uint64_t at,
                           struct slice text);     /* the text outlives x */
void mail_surrogate_end(struct mail_surrogate *x); /* the patches stay */
