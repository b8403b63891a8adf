/* guard_i.h - inside the guard: entries, tables, and the rows that outlive a restart. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "guard.h"
#include "rt/rt.h"

enum {
    GUARD_NAME_MAX = 240, /* of a network, a login, or both */
    GUARD_PREFIX_MAX = 128,
};

struct count { /* in thousandths, as it was at `at` */
    int64_t score, at;
};
/* What is remembered under a kind and a name: 'n' failed logins of a network, 'a' of an account, 'p' probes
 * and 'e' evidence of a network, 'f' letters that an account got, 'k' a network that an account is known by,
 * 'h' shut out by hand. */
struct entry {
    struct link link; /* the one touched longest ago comes first */
    struct count n;
    int64_t shut; /* until then; 0: not; RT_NEVER: until it is lifted */
    int64_t kept; /* as its row says: until when it is shut; of a known pair: the day */
    const char *why;
    char key[]; /* kind, name */
};
struct table {
    struct map map;
    struct link oldest;
    size_t max;
};
struct guard {
    struct guard_conf conf;
    struct kv *kv; /* NULL: nothing is kept */
    struct lock lock;
    struct table wrong, known, hand;
    unsigned prefixes[2][GUARD_PREFIX_MAX + 1]; /* how many networks of that length are shut out by hand */
    struct map shares;
    struct map lines; /* logins that are not decided yet, and those that wait for them: struct line * by the
                         same names as `wrong` */
    uint64_t came;    /* logins that had to wait */
    size_t all, world, strangers;
    struct count evidence;
    uint64_t noted; /* rows since the last care */
};

/* ---- tables (table.c); under the lock ---- */

void table_open(struct table *t, size_t max);
void table_close(struct table *t);
struct entry *table_find(struct table *t, struct slice key);
struct entry *table_touch(struct table *t, struct slice key); /* makes it when it is not there */
void table_drop(struct table *t, struct entry *e);
static inline bool is_shut(const struct entry *e) { return e && e->shut > rt_now(); }

/* ---- names ---- */

struct key {
    char text[1 + GUARD_NAME_MAX + 1];
};
struct slice guard_key(struct key *k, char kind, struct slice name); /* cut to GUARD_NAME_MAX; lower case */
/* "192.0.2.1", "2001:db8::/64": the network whose share an address has. */
void guard_net_text(const struct ip *ip, char out[IP_TEXT_MAX + 4]);
/* "192.0.2.0/24": the first `bits` bits; an address of IPv4 without its length. */
void guard_prefix_text(const struct ip *ip, unsigned bits, char out[IP_TEXT_MAX + 4]);

/* The same parsed; of an IPv6 address without a length its /64. */
bool guard_net_parse(struct slice who, struct ip *ip, unsigned *bits);

struct slice net_key(struct key *k, char kind, const struct ip *ip); /* of the network of ip */

/* ---- counts (guard.c); under the lock ---- */

int64_t score_now(const struct entry *e, int64_t fades); /* in thousandths; e may be NULL */
/* Adds n to the count; what it is then, whole. */
int64_t score_add(struct table *t, struct slice key, int n, int64_t fades);
/* How long an answer waits at that score: `each` for every one above `free`, GUARD_SLOW at most. */
int64_t slowness(int64_t score, int64_t free, int64_t each);
void shut_out(struct guard *g, struct slice key, const char *why); /* of g->wrong, for GUARD_SHUT */
void visit_known(struct guard_visit *v); /* somebody logged in: no stranger's connection any more */

/* ---- one login (logins.c) ---- */

/* What is under way from a network, to an account, or to an account from a network that it is known by, and
 * who waits for it: who waits longest is the first. */
struct line {
    int64_t under_way;
    struct link waiting; /* struct place */
};
struct place {
    struct link link;
    struct guard_try *t;
};
/* A try that may begin, from try_begin() to try_end(): it counts as under way, as what it began as. */
struct guard_try {
    struct guard_visit *v;
    struct slice user;   /* borrowed */
    bool known;          /* the network was one that the account is known by */
    struct place at[2];  /* in the lines of which it lacks a place */
    uint64_t number;     /* by which they are in order */
    struct nudge *nudge; /* while it waits */
};
MUST_CHECK int try_begin(struct guard_try *t, struct guard_visit *v, struct slice user); /* SUSPENDS */
/* result: what proving it gave; a wrong one is counted. How long its answer waits, in nanoseconds. */
int64_t try_end(struct guard_try *t, int result);

/* ---- shut out by hand (table.c); under the lock ---- */

void hand_put(struct guard *g, struct slice key, int64_t shut); /* shut: rt_now() scale, or RT_NEVER */
void hand_drop(struct guard *g, struct entry *e);
void hand_expire(struct guard *g); /* drops those that are over */

/* ---- rows (rows.c) ---- */

/* A block by hand, durable when it returns; until: as shut. SUSPENDS. */
MUST_CHECK int rows_put_hand(struct guard *g, struct slice key, int64_t until);
MUST_CHECK int rows_forget(struct guard *g, struct slice name); /* all that shuts it out. SUSPENDS */
/* A row is written with the next commit, when it says something new. Under the lock; does not suspend. */
void keep_shut(struct guard *g, struct entry *e);
void keep_known(struct guard *g, struct entry *e);
