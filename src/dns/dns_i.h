/* dns_i.h - what the files of this folder share: names and RDATA in wire form, the
 * kinds of resolvers, and the zone that a master file is read into. */
#pragma once
#include "base/map.h"
#include "dns.h"

/* ---- names ---- */

enum { NAME_WIRE_MAX = 255, NAME_CNAMES_MAX = 8, ANSWER_RR_MAX = 512 };
#define NAME_TEXT_MAX 1024 /* every byte as \DDD */

struct wire_name {
    uint8_t b[NAME_WIRE_MAX]; /* labels with their lengths, lower case, root at the end */
    size_t n;
};
/* Presentation form with escapes, final dot or not; "." or "" is the root. */
bool name_to_wire(struct slice text, struct wire_name *out);
/* The uncompressed name at the start of p; bytes used, or 0 when it is no name. text: at
 * least NAME_TEXT_MAX bytes; the root is "". */
size_t name_from_wire(struct slice p, char *text, struct slice *out);
/* Without its first label; empty for a single label. */
struct slice name_parent(struct slice name);

/* ---- RDATA ---- */

/* RDATA in wire form, names not compressed. ERR_SYNTAX when it does not fit the type. */
MUST_CHECK int rdata_parse(struct arena *a, enum dns_type type, struct slice wire, struct dns_rr *out);
/* "MX" or "TYPE15" to 15; 0 when unknown. */
unsigned dns_type_from_name(struct slice s);
/* How the RDATA of a type is written in a master file; NULL for types only known as
 * TYPEnnn. b, s, l: numbers of 8, 16, 32 bits; T: seconds with units; n: name; 4, 6:
 * addresses; t: one character-string; +: more of the same; x: hex, to the end; q: one
 * string without a length byte, to the end. */
const char *rdata_form(unsigned type);

/* ---- kinds of resolvers ---- */

struct dns_asker { /* on whose behalf; who 0: nobody's share */
    uint64_t who;
    size_t share;
};
struct dns {
    /* name: lower case, without final dot. May return ERR_TIMEOUT for a time-out. */
    int (*ask)(struct dns *d, struct arena *a, struct dns_asker by, struct slice name, enum dns_type type,
               struct dns_answer *out);
    void (*close)(struct dns *d); /* frees d */
};
/* The answer for failures; why: static. */
static inline void answer_tempfail(struct dns_answer *out, struct slice why)
{
    *out = (struct dns_answer){.status = DNS_TEMPFAIL, .why = why};
}

/* ---- a zone in memory ---- */

struct zone;
enum zone_fail { ZONE_SERVFAIL = 1, ZONE_TIMEOUT, ZONE_BOGUS, ZONE_INSECURE };

struct zone *zone_new(void);
void zone_free(struct zone **z);
/* owner: canonical text. ERR_SYNTAX: CNAME beside other data; ERR_LIMIT: too many records. */
MUST_CHECK int zone_add(struct zone *z, struct slice owner, unsigned type, uint32_t ttl, struct slice rdata);
void zone_set_fail(struct zone *z, struct slice name, enum zone_fail how);
void zone_set_insecure(struct zone *z);
/* The data of a record of that type, in the arena; false: there is none. */
bool zone_one(const struct zone *z, struct arena *a, unsigned type, struct slice *out);
/* 0, or ERR_TIMEOUT when the question was to end in a time-out. Does not suspend. */
MUST_CHECK int zone_ask(const struct zone *z, struct arena *a, struct slice name, enum dns_type type,
                        struct dns_answer *out);
/* Reads a master file's text into z, which is only good for freeing after an error.
 * what: for messages, the file's name. */
MUST_CHECK int zone_parse(struct zone *z, struct slice text, const char *what);

/* ---- a cache in front of a resolver that answers later ---- */

/* ---- a fiber that waits for what another thread will do (wait.c) ---- */

/* It may give up before, so it counts its two users, both on the waiter's loop. */
struct wait {
    struct link link;
    struct waitq q;
    int loop, users;
    bool done;
};
struct wait *wait_new(struct link *list); /* by the fiber; under the list's lock */
void wait_end(struct wait *w);            /* by whoever took it out of the list; any thread */
/* SUSPENDS. 0, or ERR_TIMEOUT, ERR_CANCELED, and then *ended: somebody took it out of the list nevertheless.
 * Frees w. lock: the list's. */
MUST_CHECK int wait_for(struct wait *w, struct lock *lock, bool *ended);

/* ---- shares of the questions that wait for an answer (share.c) ---- */

struct shares;
struct shares *shares_new(void);
void shares_free(struct shares **s); /* nobody has a place any more */
/* Takes a place; waits for one when the asker's are taken. SUSPENDS. ERR_CANCELED; ERR_LIMIT: not
 * within the deadline, or those of all are taken. */
MUST_CHECK int shares_enter(struct shares *s, struct dns_asker by);
void shares_leave(struct shares *s, uint64_t who); /* any thread */

struct cache;
struct flight; /* a question under way, for all that ask it meanwhile */
/* start(ctx, f): begins to ask, from any loop, without suspending; it leads to one
 * flight_finish(f), from any thread, perhaps at once. */
struct cache *cache_new(size_t max_bytes, void (*start)(void *ctx, struct flight *f), void *ctx);
void cache_free(struct cache **c); /* nothing is under way any more */
/* SUSPENDS until the answer, the deadline (ERR_TIMEOUT) or ERR_CANCELED. A question that has to be asked
 * takes a place of the asker's share until it is answered. */
MUST_CHECK int cache_ask(struct cache *c, struct arena *a, struct dns_asker by, struct slice name,
                         enum dns_type type, struct dns_answer *out);
struct slice flight_name(const struct flight *f); /* NUL-terminated */
enum dns_type flight_type(const struct flight *f);
void flight_finish(struct flight *f, const struct dns_answer *r); /* copies r */
struct cache_stats {
    size_t entries, bytes;
    uint64_t hits, joined, asked;
};
void cache_stats(struct cache *c, struct cache_stats *out);
