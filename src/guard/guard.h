/* guard.h - who takes more than a share: connections, failed logins and recipients that are probed,
 * counted by network and account over all sessions and protocols of the node.
 *
 * A network is an IPv4 address or an IPv6 /64 (a household's, RFC 6177). Counts fade with time. They are
 * in memory only and bounded: the one that was touched longest ago makes room. What is asked for the
 * good of an owner comes first: an account is never shut to a network from which its owner logged in.
 * Any thread may call; nothing suspends unless it says so. docs/limits.md names the figures. */
#pragma once
#include "base/err.h"
#include "base/ip.h"

enum {
    GUARD_STRANGERS = 50,      /* connections of one network on port 25, or before their login */
    GUARD_ENTRIES_MAX = 50000, /* networks and accounts that are remembered for what went wrong */
    GUARD_KNOWN_MAX = 50000,   /* and pairs of them for a login that was right */
    GUARD_LOGINS_FREE = 5,     /* failed logins of a network before its answers become slow, */
    GUARD_LOGINS_MAX = 30,     /* before it is shut out, */
    GUARD_LOGINS_ACCOUNT = 50, /* and of an account before it is shut to networks that it does not know */
    GUARD_PROBES_FREE = 20,    /* recipients that do not exist before their refusals become slow, */
    GUARD_EVIDENCE = 100,      /* refusals of a network that are written into the trace, */
    GUARD_EVIDENCE_ALL = 2000, /* and of all */
    GUARD_PROBES_MAX = 500,    /* before the network is shut out from port 25 */
};
#define GUARD_LOGIN_FADES                                                                                    \
    (60 * (int64_t)1000000000) /* one failed login of a network is forgotten this often */
#define GUARD_ACCOUNT_FADES (300 * (int64_t)1000000000)     /* one of an account */
#define GUARD_EVIDENCE_FADES (10 * (int64_t)1000000000)     /* one more may be written this often, */
#define GUARD_EVIDENCE_ALL_FADES ((int64_t)1000000000 / 10) /* and of all */
#define GUARD_PROBE_FADES (10 * (int64_t)1000000000)
#define GUARD_SHUT (900 * (int64_t)1000000000) /* how long a network or account is shut out */
#define GUARD_SLOW (10 * (int64_t)1000000000)  /* the longest wait before an answer */

struct guard;
struct guard_conf {
    size_t connections; /* at the same time; a half is the most for port 25, three quarters for strangers */
    size_t per_network; /* of these from one network, strangers and users together */
};
void guard_open(struct guard **out, const struct guard_conf *conf);
void guard_close(struct guard **g);

/* ---- connections ---- */

enum guard_door { GUARD_WORLD /* port 25 */, GUARD_USERS /* submission, IMAP, POP3 */ };
/* One connection. Belongs to the caller from guard_enter() to guard_leave(). Sessions without a guard
 * (tests) have NULL, which every function takes and lets through. */
struct guard_visit {
    struct guard *g;
    struct ip ip;
    enum guard_door door;
    bool inside, known; /* counted; and no stranger any more */
};
/* 0, or ERR_LIMIT (too many connections) or ERR_DENIED (shut out), with the sentence for the peer.
 * The host itself (127.0.0.1, ::1) speaks for many and has no share of its own. */
MUST_CHECK int guard_enter(struct guard *g, struct guard_visit *v, const struct ip *ip, enum guard_door door);
void guard_leave(struct guard_visit *v); /* no effect when it did not enter */

/* ---- logins ---- */

/* Before a password is looked at: ERR_BUSY with the sentence when the network or the account is shut out
 * for now. Else the try counts as failed until guard_logged_in(). user: as given. */
MUST_CHECK int guard_try(struct guard_visit *v, struct slice user);
int guard_gate(void *visit, struct slice user); /* the same, for struct sasl */
/* It was right: the network is one that the account is known by, the connection no stranger's. */
void guard_logged_in(struct guard_visit *v, struct slice user);
/* It could not be judged (the store is out of order): it does not count. */
void guard_untried(struct guard_visit *v, struct slice user);
/* How long the answer to a failed login waits, in nanoseconds. */
int64_t guard_login_delay(struct guard_visit *v, struct slice user);
/* Whose turn it is when many wait (offload_for(), dns_asked_by()): the network, as a number that is not 0. 0
 * without a visit. */
uint64_t guard_asker(const struct guard_visit *v);
/* What came of a try that guard_try() let through: 0 right, ERR_DENIED wrong, else it could not be judged.
 * A wrong one waits here. SUSPENDS. */
void guard_tried(struct guard_visit *v, struct slice user, int result);

/* ---- recipients ---- */

/* Someone asked for a recipient who is not here; *delay: how long the answer waits. ERR_DENIED with the
 * sentence when the network is shut out. */
MUST_CHECK int guard_probe(struct guard_visit *v, int64_t *delay);

/* May a refusal be written into the trace? A flood of them would push out what happened to letters that
 * were taken: a network has a share, and all together have one; the rest is only counted. */
bool guard_evidence(struct guard_visit *v);

/* ---- for the operator ---- */

struct guard_block {
    char who[256]; /* an address, a network (2001:db8::/64), or a login */
    const char *why;
    int64_t left; /* nanoseconds until it ends */
};
/* Fills v with those who are shut out, at most max; the number of all. */
size_t guard_blocks(struct guard *g, struct guard_block *v, size_t max);
size_t guard_entries(struct guard *g); /* networks and accounts that are remembered for what went wrong */
/* Shuts a network (address or IPv6 /64) out for so long, until a restart at most. ERR_SYNTAX. */
MUST_CHECK int guard_block(struct guard *g, struct slice who, int64_t ns);
MUST_CHECK int guard_unblock(struct guard *g, struct slice who); /* ERR_NOT_FOUND */
