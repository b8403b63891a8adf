/* roll.h - the messages of a mailbox as of one modseq: uid, flags and modseq of each, in order of uid.
 *
 * A roll is shared and does not change; a changed one is made as a copy that shares all pages but those it
 * changes. So sessions that see a mailbox as of different moments together need little more memory than one.
 * A page has the messages of ROLL_PAGE uids in a row, so a page has one number for good, and its image one
 * row. Everything here belongs to one loop and does not suspend. */
#pragma once
#include "base/slice.h"

enum { ROLL_PAGE = 1024 };

struct __attribute__((packed, aligned(4))) roll_msg {
    uint64_t flags, modseq;
    uint32_t uid;
};
struct roll_page {
    uint32_t refs, number; /* uids from number * ROLL_PAGE on */
    uint32_t n, room;
    bool dirty, holes; /* dirty: not as the stored image has it; holes: some are marked as gone */
    uint64_t flags;    /* that some message has, or had */
    struct roll_msg m[];
};
struct roll_place {
    size_t start; /* messages before it */
    struct roll_page *page;
};
struct roll {
    uint32_t refs;
    uint32_t uidvalidity, uidnext, names;
    uint64_t modseq;
    size_t n, npages, room; /* n: messages */
    struct roll_place *page;
};

struct roll *roll_new(void);
struct roll *roll_ref(struct roll *r);
void roll_unref(struct roll **r); /* harmless when it is NULL */

/* How many messages have a lower uid. */
size_t roll_rank(const struct roll *r, uint32_t uid);
/* The message at index i, which is below n. */
const struct roll_msg *roll_at(const struct roll *r, size_t i);
const struct roll_msg *roll_find(const struct roll *r, uint32_t uid); /* NULL: there is none */

/* A copy to change; then roll_settle(). Only it may be handed to the functions below. */
struct roll *roll_copy(const struct roll *r);
/* The uid is above all there are. */
void roll_add(struct roll *r, const struct roll_msg *m);
/* To write to; NULL: there is none. */
struct roll_msg *roll_edit(struct roll *r, uint32_t uid);
void roll_note_flags(struct roll *r, const struct roll_msg *m); /* after each edit */
void roll_remove(struct roll *r, uint32_t uid);
void roll_settle(struct roll *r);
/* A page for reading an image into it, behind all others, with room for n messages. */
struct roll_page *roll_add_page(struct roll *r, uint32_t number, uint32_t n);
