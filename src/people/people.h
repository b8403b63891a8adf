/* people.h - the people of a directory elsewhere (LDAP, RFC 4511): who has an address, and is that their
 * password?
 *
 * libldap asks, on threads of its own (POOL_PEOPLE). What it said is remembered: that somebody is there for a
 * minute, that nobody is for a quarter of one; after it could not be asked nobody asks again for five
 * seconds. Only "asked, and there is no such entry" is no: whatever else goes wrong is temporary. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "rt/rt.h"

enum {
    PEOPLE_KNOWN_MAX = 20000, /* addresses that are remembered; then all are forgotten */
    PEOPLE_PROOFS = 12,       /* passwords that are asked about at once, of one person one, */
    PEOPLE_SUSPECTS = 6,      /* and of people whose password was not answered about lately */
    PEOPLE_SLOW_MAX = 2000,   /* of these, and of who asked about them, are remembered */
    PEOPLE_ADDRESSES_MAX = 64,
    PEOPLE_SERVERS_MAX = 4,
    PEOPLE_DN_MAX = 1000,      /* bytes */
    PEOPLE_ID_MAX = 64,        /* bytes of the value */
    PEOPLE_ATTRIBUTE_MAX = 60, /* and of the attribute's name: both are in the key of a row */
    PEOPLE_FILTER_MAX = 2000,
    PEOPLE_QUOTA_MAX = 40, /* bytes of its text */
};

/* An entry. */
struct people_entry {
    struct slice dn;
    struct slice id; /* the attribute that never changes, as NAME=HEX with the name in lower case; or empty */
    struct slice *address;
    size_t n;
    struct slice
        quota;  /* how many bytes the account may hold, as the directory says it; empty: it does not */
    bool fresh; /* it was asked just now, not remembered */
};

struct people_conf;
/* One question, asked on a thread of the pool: what a test hands in instead of libldap. BLOCKS.
 * filter: a whole one. out->id: the value alone, in hex. ERR_NOT_FOUND: there is no entry; else a temporary
 * error in words, ERR_UNREACHABLE when nobody's question can be answered now. */
typedef int people_search(void *arg, const struct people_conf *c, struct slice filter, struct arena *a,
                          struct people_entry *out);
/* ERR_DENIED: that is not the password of the entry; else a temporary error. Neither dn nor password is
 * empty. */
typedef int people_bind(void *arg, const struct people_conf *c, struct slice dn, struct slice password);

struct people_conf {
    struct slice server;  /* ldaps://HOST[:PORT], or ldap:// with StartTLS; in clear only to this machine;
                             several  with blanks between: each when the one before it does not answer */
    struct slice base;    /* below which people are */
    struct slice filter;  /* RFC 4515, with %s the address, %u what stands before its @, %d its domain */
    struct slice address; /* the attribute that holds a person's addresses; empty: the one asked for */
    struct slice id;      /* the attribute that is the person's for ever (entryUUID, RFC 4530); empty: none */
    struct slice quota;   /* the attribute that says how much an account may hold; empty: none does */
    struct slice login, password; /* as whom it is asked; or empty: anonymously */
    struct slice authorities;     /* PEM file; empty: as libldap's ldap.conf says */
    const struct slice *domain;   /* whose people are there; none: of every domain here */
    size_t ndomains;
    people_search *search; /* NULL: libldap */
    people_bind *bind;
    void *arg;
};

/* Do these settings make sense? ERR_SYNTAX in words. Pure. */
MUST_CHECK int people_check(const struct people_conf *c);
/* A value inside a filter (RFC 4515 section 3): what could be read as its syntax becomes \XX. Pure. */
void people_escape(struct buf *b, struct slice value);
/* The filter for an address. Pure. ERR_TOO_LONG. */
MUST_CHECK int people_filter(struct arena *a, struct slice pattern, struct slice local, struct slice domain,
                             struct slice *out);

struct people;
/* What c points to outlives it. */
void people_open(struct people **out, const struct people_conf *c);
void people_close(struct people **p);
bool people_cover(const struct people *p, struct slice domain); /* are people of that domain there? */
/* Is the id (or an empty one) of the attribute that the settings name now? */
bool people_id_counts(const struct people *p, struct slice id);
/* Who has this address, given as local_name() and domain_name() have it? The person lies in the arena.
 * ERR_NOT_FOUND: nobody; temporary errors: it cannot be known. asker: as offload_for() has it. SUSPENDS. */
MUST_CHECK int people_find(struct people *p, struct arena *a, struct slice local, struct slice domain,
                           uint64_t asker, struct people_entry *out);
/* The same of an id, whatever the addresses are now; also of an id that does not count any more. SUSPENDS. */
MUST_CHECK int people_find_id(struct people *p, struct arena *a, struct slice id, uint64_t asker,
                              struct people_entry *out);
/* Is that the password of the entry? 0, ERR_DENIED, or a temporary error. An empty password is none, whatever
 * the server would say (RFC 4513 section 5.1.2). Who gets no answer in time is not asked about for half a
 * minute and more by the same asker; by others he is, and there are places for others. Askers have turns.
 * SUSPENDS. */
MUST_CHECK int people_prove(struct people *p, struct slice dn, struct slice password, uint64_t asker);
