/* dock.h - the paths of a dock, one from each source to its site: which of them has room, and in words why
 * none has. Nothing here suspends. */
#pragma once
#include "ready.h"

/* The source of a path; NULL: the node's own address. */
const struct source *dock_source(const struct dock *d, size_t path);
/* Has the site an address of the family of the source's? NULL, or families not known: yes. */
bool dock_reaches(const struct dock *d, const struct source *s);

/* What came of asking the paths of a dock for a place. */
struct dock_asked {
    const struct dock *d;
    const struct line *l;
    enum site_bind bind; /* SITE_HAS_ROOM: a place on `path` is taken; else what binds on one of them */
    int64_t again;       /* rt_now(): when it is worth asking again */
    size_t path;
    bool any, spurns, warms, other; /* some path was asked; refuses the sender's domain; its source has no
                                       allowance left today; has no room for another reason, but for one
                                       whose source is in trouble: its proxy keeps nothing from the rest */
};
/* A place for the next of the line. Sources of a pool take turns; when all that it can leave from, but
 * those in trouble, have no allowance left, others take over. */
struct dock_asked dock_take(struct sources *all, const struct dock *d, const struct line *l);
/* Its site is left alone for a while. */
static inline bool dock_rests(const struct dock *d) { return d->bind == SITE_DOWN || d->bind == SITE_RESTS; }
/* Or it takes few: of its hops a few items are enough in memory, of bulk when it is for that alone. */
static inline bool dock_keeps_few(const struct dock *d) { return d->crawls || dock_rests(d); }
/* What binds there from now on. */
void dock_binds(struct ready *r, struct dock *d, enum site_bind bind);
/* It may be asked again: nothing binds, and the first of those who wait may try. */
void dock_open(struct ready *r, struct dock *d);
/* Would what is due find room there now? */
bool dock_has_room(struct sources *all, const struct dock *d, const struct q_due *due);
/* Why what is due finds no room there, in a sentence in the arena. */
struct slice dock_why(struct sources *all, const struct dock *d, const struct q_due *due, struct arena *a);
/* "WHAT; since ..., until ..."; unix seconds, until 0: until one ends. */
struct slice wait_words(struct arena *a, struct slice what, int64_t since, int64_t until);
