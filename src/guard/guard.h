/* guard.h - who takes more than a share: connections, failed logins and recipients that are probed,
 * counted by network and account over all sessions and protocols of the node.
 *
 * A network is an IPv4 address or an IPv6 /64 (a household's, RFC 6177). Counts fade with time. They are
 * in memory only and bounded: the one that was touched longest ago makes room. What matters outlives a
 * restart: blocks, and the networks that owners are known by (guard_load). What is asked for the
 * good of an owner comes first: an account is never shut to a network from which its owner logged in.
 * Any thread may call; nothing suspends unless it says so. docs/limits.md names the figures. */
#pragma once
#include "base/err.h"
#include "base/ip.h"

enum {
    GUARD_STRANGERS = 50,       /* connections of one network on port 25, or before their login */
    GUARD_STRANGERS_WIDE = 200, /* and of an IPv4 /24 around it */
    GUARD_ENTRIES_MAX = 50000,  /* networks and accounts that are remembered for what went wrong */
    GUARD_KNOWN_MAX = 50000,    /* and pairs of them for a login that was right */
    GUARD_LOGINS_FREE = 5,      /* failed logins of a network before its answers become slow, */
    GUARD_LOGINS_MAX = 30,      /* before it is shut out, */
    GUARD_LOGINS_ACCOUNT = 50,  /* and of an account before it is shut to networks that it does not know */
    GUARD_PROBES_FREE = 20,     /* recipients that do not exist before their refusals become slow, */
    GUARD_EVIDENCE = 100,       /* refusals of a network that are written into the trace, */
    GUARD_EVIDENCE_ALL = 2000,  /* and of all */
    GUARD_PROBES_MAX = 500,     /* before the network is shut out from port 25 */
    GUARD_HASTY = 25,           /* recipients that do not exist: so much is speaking before the greeting */
    GUARD_FLOOD = 500,          /* letters of the world to one account before others are put off */
    GUARD_SHUT_MINUTES = 15,    /* how long a network or account is shut out */
    GUARD_BLOCKS_MAX = 10000,   /* networks and accounts that are shut out by hand */
    GUARD_KNOWN_DAYS = 90,      /* that a network is known by which nobody logged in */
    GUARD_ROWS_MAX = 100000,    /* of all this on the disk */
};
#define GUARD_LOGIN_FADES                                                                                    \
    (60 * (int64_t)1000000000) /* one failed login of a network is forgotten this often */
#define GUARD_ACCOUNT_FADES (300 * (int64_t)1000000000)     /* one of an account */
#define GUARD_EVIDENCE_FADES (10 * (int64_t)1000000000)     /* one more may be written this often, */
#define GUARD_EVIDENCE_ALL_FADES ((int64_t)1000000000 / 10) /* and of all */
#define GUARD_FLOOD_FADES (2 * (int64_t)1000000000)         /* one more may come this often */
#define GUARD_PROBE_FADES (10 * (int64_t)1000000000)
#define GUARD_SHUT (GUARD_SHUT_MINUTES * 60 * (int64_t)1000000000)
#define GUARD_LETTER                                                                                         \
    (60 * (int64_t)1000000000) /* from a recipient to what comes next, in which nobody takes the place */
#define GUARD_WAIT (20 * (int64_t)1000000000) /* a login waits so long for others that are under way */
#define GUARD_SLOW (10 * (int64_t)1000000000) /* the longest wait before an answer */

struct guard;
struct guard_conf {
    size_t connections; /* at the same time; a half is the most for port 25, three quarters for strangers */
    size_t per_network; /* of these from one network, strangers and users together */
};
void guard_open(struct guard **out, const struct guard_conf *conf);
void guard_limit(struct guard *g, const struct guard_conf *conf); /* other limits from now on */
void guard_close(struct guard **g);

struct kv;
/* What earlier runs kept in kv comes back, and is kept there from now on; kv outlives g. A row that cannot be
 * read is named in the log and passed over. Right after guard_open(). SUSPENDS. */
MUST_CHECK int guard_load(struct guard *g, struct kv *kv);
/* Every few minutes: rows that say nothing any more go, what was noted is durable. SUSPENDS. */
MUST_CHECK int guard_care(struct guard *g);
/* For `verify`: bad() is told of each row that cannot be read. SUSPENDS. */
MUST_CHECK int guard_check(struct kv *kv, void (*bad)(void *arg, const char *what), void *arg);

/* ---- connections ---- */

enum guard_door { GUARD_WORLD /* port 25 */, GUARD_USERS /* submission, IMAP, POP3 */ };
/* Whose going makes a place: nobody's is needed, one at the same door, anybody's. */
enum guard_full { GUARD_NOT_FULL, GUARD_FULL_DOOR, GUARD_FULL_ALL };
/* One connection. Belongs to the caller from guard_enter() to guard_leave(). Sessions without a guard
 * (tests) have NULL, which every function takes and lets through. */
struct guard_visit {
    struct guard *g;
    struct ip ip;
    enum guard_door door;
    bool inside, known;   /* counted; and no stranger any more */
    enum guard_full full; /* it was refused because too many are inside, wherever from */
    bool fruitful;        /* something came of it: it has not to give way as long as others may */
    int64_t letter; /* rt_now() when it had a recipient accepted last, of a letter that is under way; or 0 */
    bool gave_way;  /* its place went to another: guard_give_way() */
};
/* Its connection is to end, for somebody else has its place now. v may be NULL. */
/* Is it amid a letter, and its next word not long overdue? Then it does not give way. */
bool guard_in_letter(const struct guard_visit *v);
static inline bool guard_gave_way(const struct guard_visit *v) { return v && v->gave_way; }
/* 0, or ERR_LIMIT (too many connections) or ERR_DENIED (shut out), with the sentence for the peer.
 * The host itself (127.0.0.1, ::1) speaks for many and has no share of its own. */
MUST_CHECK int guard_enter(struct guard *g, struct guard_visit *v, const struct ip *ip, enum guard_door door);
/* When too many are inside, a stranger of whom nothing came for longest gives way to who comes: its place is
 * free at once. */
void guard_give_way(struct guard_visit *v);
void guard_leave(struct guard_visit *v); /* no effect when it did not enter */

/* ---- logins ---- */

/* A login: runs prove(arg) when it may be tried, and returns its value, with the sentence of an error. Only
 * what was proved wrong (ERR_DENIED, ERR_SYNTAX, ERR_NOT_FOUND) is counted; one that is right (0) makes the
 * network known to the account, and its connection no stranger's; a value above 0 means neither. As many may
 * be under way at the same time as may still fail before somebody is shut out, so who guesses at once gets no
 * more guesses than one after another; others wait for them, GUARD_WAIT at most, who waits longest is next.
 * ERR_BUSY with the sentence: shut out for now, or waited in vain; nothing was proved then. A wrong one waits
 * before it is told. prove() reads nothing from the peer: while it runs others wait. user: as
 * login_counted() has it. visit: a struct guard_visit or NULL, so that it fits struct sasl. SUSPENDS. */
MUST_CHECK int guard_prove(void *visit, struct slice user, int (*prove)(void *arg), void *arg);
/* Does no block by hand say no to the account that was proved? Asked inside of prove(), or after it: who was
 * proved may have named nobody (a token, a key), or by another of his addresses. ERR_BUSY with the sentence.
 * visit: as above. */
MUST_CHECK int guard_allows(void *visit, struct slice account);
/* Whose turn it is when many wait (offload_for()): the network, as a number that is not 0. 0
 * without a visit. */
uint64_t guard_asker(const struct guard_visit *v);

/* ---- recipients ---- */

/* Someone asked for a recipient who is not here; *delay: how long the answer waits. ERR_DENIED with the
 * sentence when the network is shut out. */
MUST_CHECK int guard_probe(struct guard_visit *v, int64_t *delay);

/* A client of port 25 spoke before the greeting (RFC 5321 section 4.3.1): senders of junk do. It counts as
 * GUARD_HASTY recipients that do not exist. */
void guard_hasty(struct guard_visit *v);

/* Has the account had so many letters from the world lately that one more is put off? The host itself is not
 * counted. */
bool guard_flooded(struct guard_visit *v, struct slice account);
void guard_received(struct guard_visit *v, struct slice account); /* it got one more */

/* May a refusal be written into the trace? A flood of them would push out what happened to letters that
 * were taken: a network has a share, and all together have one; the rest is only counted. */
bool guard_evidence(struct guard_visit *v);

/* ---- for the operator ---- */

#define GUARD_WHY_LOGINS "too many failed logins"
#define GUARD_WHY_ACCOUNT "too many failed logins from networks that it does not know"
#define GUARD_WHY_PROBES "too many recipients that do not exist, or words before the greeting"
struct guard_block {
    char who[256]; /* an address, a network (2001:db8::/64), or a login as somebody gave it */
    const char *why;
    int64_t left; /* nanoseconds until it ends; RT_NEVER: it lasts until it is lifted */
    bool by_hand;
};
/* Fills v with those who are shut out, at most max; the number of all. */
size_t guard_blocks(struct guard *g, struct guard_block *v, size_t max);
size_t guard_entries(struct guard *g); /* networks and accounts that are remembered for what went wrong */
/* Shuts out an address, a network of any length (of an IPv6 address its /64) from every port, or an account
 * (as login_name() has it) from logging in, its owner too, for so long; RT_NEVER: until it is lifted.
 * Durable. ERR_SYNTAX, ERR_LIMIT, or why it could not be kept. SUSPENDS. */
MUST_CHECK int guard_block(struct guard *g, struct slice who, int64_t ns);
/* An account gets another name: where it is shut out by hand under `from` it is so under `to`, as long at
 * least. 1: and was not before; else 0, or as guard_block(). SUSPENDS. */
MUST_CHECK int guard_follow(struct guard *g, struct slice from, struct slice to);
/* Lifts what was shut out by hand or by itself, and what is counted against it. ERR_SYNTAX, ERR_NOT_FOUND, or
 * why it is only lifted until a restart. SUSPENDS. */
MUST_CHECK int guard_unblock(struct guard *g, struct slice who);
