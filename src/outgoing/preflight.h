/* preflight.h - before a letter of ours leaves: what would a strict receiver say to it?
 *
 * The same code that judges what comes in judges what goes out: SPF for the return path
 * from the address it will leave from, our keys as the world sees them, alignment with
 * the From field, reverse DNS and HELO of the address. What is not in order comes
 * with a sentence for people and, where DNS can mend it, the line to publish. */
#pragma once
#include "base/err.h"
#include "base/ip.h"

struct dns;
struct sign_key;

enum { PREFLIGHT_ITEMS_MAX = 24, PREFLIGHT_KEYS_MAX = 8, PREFLIGHT_SECONDS = 60 };

struct preflight_key {
    struct slice domain, selector; /* A-labels */
    struct sign_key *key;          /* the world must see its public half */
};
struct preflight_query {
    struct ip ip;           /* the address it will leave from; family 0: not known, then nothing that
                               depends on it (SPF, reverse DNS, HELO) is looked at */
    struct slice helo;      /* our EHLO name */
    struct slice mail_from; /* the return path; empty: null */
    struct slice author;    /* domain of the From address, A- or U-labels; empty: there is not exactly one */
    const struct preflight_key *key; /* the signatures it will carry */
    size_t nkey;
};

enum preflight_state {
    PREFLIGHT_RIGHT,
    PREFLIGHT_WEAK,    /* works, but something breaks easily (no DMARC record, one leg only) */
    PREFLIGHT_UNKNOWN, /* the DNS gave no answer now */
    PREFLIGHT_WRONG,   /* a strict receiver refuses or quarantines because of this */
};
const char *preflight_state_name(enum preflight_state s); /* "right" "weak" "unknown" "wrong" */

struct preflight_item {
    const char *what; /* "spf" "dkim" "dmarc" "ptr" "helo" "from" */
    enum preflight_state state;
    struct slice sentence;
    struct slice line; /* the master-file line to publish, names absolute; empty when none helps */
};
struct preflight_result {
    enum preflight_state verdict; /* the worst of all items */
    struct slice sentence;        /* why: of the first item that gave the verdict */
    struct slice line;            /* its line */
    struct preflight_item item[PREFLIGHT_ITEMS_MAX];
    size_t n;
    int64_t seconds; /* how long this may be believed */
    bool cacheable;  /* false when it depends on the local part of the return path */
    bool remembered; /* nothing was asked for it: the same was said before */
};
/* SUSPENDS at most PREFLIGHT_SECONDS. 0 or ERR_CANCELED. Slices in the arena. */
MUST_CHECK int preflight_check(struct dns *d, struct arena *a, const struct preflight_query *q,
                               struct preflight_result *out);

/* Results by (address, HELO, return path's domain, author domain, keys), for as long as they may
 * be believed; bounded. Usable from every loop. */
struct preflight_cache;
struct preflight_cache *preflight_cache_new(size_t entries_max); /* 0 = 10000 */
void preflight_cache_free(struct preflight_cache **c);
/* As preflight_check; asks the DNS only when it must (then SUSPENDS). */
MUST_CHECK int preflight_cached(struct preflight_cache *c, struct dns *d, struct arena *a,
                                const struct preflight_query *q, struct preflight_result *out);
