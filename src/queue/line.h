/* line.h - lines, their senders (shares) and hops in memory: found or made, gone when nothing is left of
 * them; where a line stands; and what of each crowd was left on the disk. The types are in ready.h. Nothing
 * here suspends. */
#pragma once
#include "ready.h"

enum {
    HOP_NAME = 400,
    LINE_NAME = 600,
};

/* Under which names they lie in the maps of `struct ready`; in text. */
struct slice hop_name(const struct source_plan *p, const struct q_due *d, char text[HOP_NAME]);
struct slice line_name(const struct ready *r, const struct q_due *d, char text[LINE_NAME]);

/* The line of what is due, with its share and its hop. */
struct line *line_get(struct ready *r, const struct q_due *d);
void line_away(struct ready *r, struct line *l);  /* it stands nowhere */
void line_check(struct ready *r, struct line *l); /* it, its share and its hop may be gone afterwards */
void hop_undock(struct ready *r, struct hop *h);  /* its dock, if it has one, goes with the last hop */

/* It has items and stands nowhere: it gets its turn. Senders take theirs one after another. */
void line_enter(struct ready *r, struct line *l);
/* It waits: in the list, or for room at its dock (NULL). */
void line_waits(struct line *l, enum where where, struct link *list);
void line_rests(struct ready *r, struct line *l);      /* until l->rest */
void line_wake(struct ready *r, struct link *waiting); /* the first of a list, if there is one */
bool share_has_room(const struct ready *r, const struct share *s);
bool hop_has_room(const struct hop *h);
void share_stir(struct ready *r, struct share *s); /* one that waits there may try, if there is room */
void hop_stir(struct ready *r, struct hop *h);
void dock_stir(struct ready *r, struct dock *d); /* the first of those who wait for room there may try */
/* What one line found or did, the next of its share, its hop and its dock may find as well. */
void line_stir(struct ready *r, struct share *s, struct hop *h);

void crowd_init(struct crowd *c, enum crowd_of of, size_t most);
/* A row stays on the disk. */
void crowd_leave(struct ready *r, struct crowd *c, const struct shard *s, const struct q_due *d,
                 struct slice key);
/* So many items wait in memory of a hop whose site is left alone or takes few, and of a line that rests: ten,
 * and the fewer the less memory is left, at last none. */
size_t ready_few(const struct ready *r);
/* Is there less memory left than it was, or much more? True: fewer are enough from now on. */
bool ready_tighten(struct ready *r);
bool ready_loosen(struct ready *r); /* true: there may be more from now on */
/* The rest may stay on the disk: its site is left alone, or takes few; it rests. */
bool hop_has_too_many(const struct ready *r, const struct hop *h, enum stream s);
bool line_has_too_many(const struct ready *r, const struct line *l);
bool crowd_full(const struct ready *r, struct crowd *c, enum stream s);
/* A quarter more, for what is to go first. */
bool crowd_spares(const struct crowd *c, enum stream s);
/* For as much again as it has of a stream that it left something of. */
bool crowd_has_room(const struct ready *r, struct crowd *c);
/* Of no stream that it left something of has it room for more. */
bool crowd_is_hindered(const struct ready *r, struct crowd *c);
/* What is left of it, in memory or on the disk, or how much it may have has changed: does it want to be read
 * for? */
void crowd_stir(struct ready *r, struct crowd *c);
/* Those that the row belongs to, line, hop and sender, as far as they are in memory. */
void crowds_of(const struct ready *r, const struct q_due *d, struct crowd *of[3]);
void crowd_done(struct ready *r, struct crowd *c); /* after reading: it may be gone afterwards */
