/* person.h - what the node knows of a person, by their address: every row that names them, told or erased.
 *
 * Rows are found by walking the index, not by indexes over it, so nothing is missed because it was written in
 * a way that nobody thought of. Erased is by stars, one for each byte of the address, so that no row changes
 * its shape and what others need of it stays; rows that are about nothing else go. Each page of rows is a
 * transaction of its own: what was broken off is begun again, and finds what is left. Memory is that of a
 * page.
 */
#pragma once
#include "rt/rt.h"

struct core;
struct send_about;

struct person {
    struct slice address;                         /* in canonical form */
    struct slice local, escaped, domain, swapped; /* its parts as text has them; within JSON; in SRS */
    struct slice id;                              /* of their account here, or empty */
    struct slice unread; /* why the row of their account cannot be read, so that id is not known; or empty */
    bool tags;           /* the domain is ours: local+tag is theirs, too */
};
/* Lies in a. ERR_SYNTAX. SUSPENDS. */
MUST_CHECK int person_of(struct core *core, struct arena *a, struct slice address, struct person *out);
/* Where the text names them, from *at on: *at, *n. "bob@x" is not named by "jim.bob@x" or "bob@x.y". Does not
 * suspend. */
bool person_in(const struct person *p, struct slice text, size_t *at, size_t *n);

/* clang-format off */
#define PERSON_PLACES(X)                                                                                     \
    X(TRACE, "trace") X(EVENTS, "events") X(SENDS, "sends") X(SUPPRESSION, "suppression")                     \
    X(WRITTEN_TO, "written-to") X(GUARD, "guard") X(BLOCKS, "blocks") X(HINTS, "hints") X(SHARED, "shared")   \
    X(QUEUE, "queue") X(DIRECTORY, "directory") X(KEYS, "keys") X(SOURCES, "sources") X(ALERTS, "alerts")     \
    X(REPORTS, "reports") X(AUDIT, "audit") X(INBOUND, "inbound")
/* clang-format on */
enum person_place {
#define X(name, word) PERSON_##name,
    PERSON_PLACES(X)
#undef X
        PERSON_NPLACES
};
const char *person_word(enum person_place p);

/* Something that names them; lasts for the call. */
struct person_found {
    enum person_place place;
    struct slice object, key, value; /* the row; of a letter of a send only the object */
    const struct send_about *letter; /* PERSON_SENDS */
    struct slice *text;              /* what in the row names them */
    size_t n;
};
struct person_tally {
    uint64_t found, erased; /* rows; of sends letters */
    uint64_t left;          /* of those that may be erased: not yet, and later they can be */
    uint64_t damaged;       /* rows, or whole objects, that could not be read to their end: what there is was
                             * looked at */
};
struct person_report {
    struct person_tally at[PERSON_NPLACES];
    uint64_t suppressing; /* accounts that write to them no more, by a keyed hash of the address */
};
/* Each thing that is known. each()'s non-zero value ends the walk and is returned. SUSPENDS. */
typedef int person_found_fn(void *arg, const struct person_found *f);
MUST_CHECK int person_each(struct core *core, const struct person *p, person_found_fn *each, void *arg,
                           struct person_report *out);
/* Erases what can be. Of an account of ours that is gone (p->id empty) the traces, too. SUSPENDS. */
MUST_CHECK int person_erase(struct core *core, const struct person *p, struct person_report *out);
/* The sends of an account: those that are over go, the others are canceled and counted in *left. SUSPENDS. */
MUST_CHECK int person_end_sends(struct core *core, const struct person *p, uint64_t *gone, uint64_t *left);
/* Why what is found there stays, in a sentence; NULL: it is erased. */
const char *person_stays(enum person_place p);
