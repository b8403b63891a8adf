/* relay_i.h - what the files of the relay share: hosts, connections, sessions with peers. */
#pragma once
#include "base/map.h"
#include "mail/convert.h"
#include "relay.h"
#include "shape/limits.h"
#include "wire/smtp.h"

enum { RELAY_LOOPS_MAX = 256, MX_HOSTS_MAX = 10, MX_ADDRESSES_MAX = 4 };

/* What became of a step: the words and codes that go into an attempt's result. */
struct verdict {
    enum attempt result;
    int code;
    char enhanced[12];
    struct slice text; /* in the attempt's arena */
    bool elsewhere;    /* permanent for this server only: another of the domain may take it */
    bool cut;          /* the proxy of the source did not do its part */
    bool unheard;      /* it connected, and the connection ended at once, before a word came */
    bool policy;       /* it answers, but does not show what its domain promises of its TLS */
};
void verdict_set(struct verdict *v, enum attempt result, const char *enhanced, struct slice text);
/* By the reply's code: 2yz delivered, 5yz permanent, all else temporary. What the server refuses for
 * its own limits (size, 8-bit, SMTPUTF8, parameters) is permanent for this server only. */
void verdict_reply(struct verdict *v, const struct smtp_reply *r);
/* A connection that failed while `during` (may be ""): temporary. */
void verdict_error(struct verdict *v, struct arena *a, int e, const char *during);

/* ---- mx.c: where does a domain's mail go? ---- */

struct mx_host {
    struct slice name;
    struct slice path; /* of a Unix socket, instead of addresses: then ip is only a mark */
    uint16_t port;     /* 0: the usual one */
    uint16_t preference;
    struct ip ip[MX_ADDRESSES_MAX];
    size_t n;
    bool secure;        /* DNSSEC proves the addresses */
    struct slice canon; /* the name at the end of its aliases */
    bool judged;        /* policy is known: */
    struct policy policy;
};
struct peer;
struct mx_list {
    struct mx_host *v;
    size_t n;
    bool secure;                     /* DNSSEC proves the names */
    struct slice domain, canon;      /* in A-labels, and at the end of its aliases; empty for an address */
    const struct relay_route *route; /* they are not of the DNS but of the operator; or NULL */
    struct slice site; /* names of the most preferred hosts: domains with the same are one site */
    bool anyhow;       /* the letter sets aside what the domain asks of TLS (RFC 8689 section 4.2.2) */
    bool sts_asked;    /* sts is known: */
    struct sts_found sts;
};
/* The operator's route for a letter of `sender` (empty: the null sender), else RFC 5321 section 5.1. 0, or -1
 * with the reason. SUSPENDS. */
MUST_CHECK int mx_find(const struct relay_conf *conf, struct arena *a, struct slice sender,
                       struct slice domain, struct mx_list *out, struct verdict *why);

/* ---- ask.c: what a server must show ---- */

/* What the host must show before a letter goes to it; asked for once. Errors are for the moment. SUSPENDS. */
MUST_CHECK int mx_judge(const struct relay_conf *conf, struct arena *a, struct mx_list *l, struct mx_host *h);
/* The domain's MTA-STS policy; asked for once. SUSPENDS. */
MUST_CHECK int mx_policy(const struct relay_conf *conf, struct arena *a, struct mx_list *l);
/* Tells who gathers reports (RFC 8460) of a session that was tried, or of a host that is passed over (p
 * NULL).
 */
void mx_note(const struct relay_conf *conf, const struct mx_list *l, const struct mx_host *h,
             const struct peer *p);
/* Do DNSSEC or a policy prove which servers are the domain's (RFC 8689 section 4.2.1)? */
bool mx_proved(const struct mx_list *l);

/* Which of our addresses a connection to this one leaves from; family 0: the system's choice. */
static inline struct ip relay_from(const struct relay_conf *c, const struct ip *to)
{
    return c->other.family && c->other.family == to->family ? c->other : c->source;
}

struct relay;

/* ---- berth.c: connections of the whole node to one site, idle ones too. From any loop, none suspends ----
 */

struct berth {
    char *key;
    unsigned users, used, limit;           /* sites of loops; connections */
    uint64_t wanted[RELAY_LOOPS_MAX / 64]; /* loops with somebody who waits for a connection */
    struct {
        unsigned idle;    /* connections that nobody uses */
        unsigned waiting; /* fibers that wait for one; the loop's own */
    } of[];               /* each loop */
};
struct berth *berth_get(struct relay *r, struct slice key, unsigned limit);
void berth_put(struct relay *r, struct berth *p);
void berth_free_all(struct relay *r);
/* False: as many as allowed are open; the loop is called (wake) when one is closed, and *idle is another that
 * has one which nobody uses, or -1. */
bool berth_take(struct relay *r, struct berth *p, int loop, int *idle);
void berth_give(struct relay *r, struct berth *p);
/* Somebody waits still. Returns as *idle above. */
int berth_want(struct relay *r, struct berth *p, int loop);
void berth_unwant(struct relay *r, struct berth *p, int loop); /* nobody there waits any more */
/* Another loop with somebody who waits, who is not counted as waiting any more; or -1. */
int berth_next(struct relay *r, struct berth *p, int loop);
void berth_idle(struct relay *r, struct berth *p, int loop, int more); /* so many more, or fewer */
bool berth_wanted(struct relay *r, struct berth *p);
/* On the loop, in its own turn; relay_close() waits for it. */
void berth_call(struct relay *r, int loop, void (*fn)(void *arg), void *arg);
void berth_called(struct relay *r);
/* ---- pool.c: connections from one source to one MX set, on one loop ---- */

struct peer;
struct berth;
struct pool {
    char *key;
    struct relay_loop *home;
    struct berth *berth;
    struct shape_limits limits;
    unsigned waiting;     /* for room */
    unsigned users;       /* fibers that hold a pointer */
    unsigned connections; /* open or being opened, idle ones too */
    struct waitq room;
    struct link idle; /* struct peer, the latest used last */
};
struct relay_loop {
    struct relay *relay;
    struct map pools;
    struct map reach; /* struct reach_path -> struct reach, of addresses with which something is wrong */
    size_t reach_forget_at; /* at so many those that no longer matter are looked for */
    struct group fibers;
    bool tending, closing;
};
struct relay {
    struct relay_conf conf;
    struct shaping *shaping;
    struct lock lock; /* the berths and what is in them */
    struct map berths;
    void (*wake)(struct relay_loop *l, const struct berth *b); /* pool_wake */
    unsigned calls; /* of loops, on their way, some with a connection; atomic */
    struct relay_loop loop[RELAY_LOOPS_MAX];
};
/* Connections from a source (its name, or empty) to an MX set; host: the most preferred of them. */
struct pool *pool_get(struct relay_loop *l, struct slice source, struct slice mx_set, struct slice host);
void pool_wake(struct relay_loop *l, const struct berth *p); /* a connection of the place was closed */
void pool_put(struct pool *s);
/* A place for one connection; *kept: an idle one that is open already, or NULL. SUSPENDS. */
MUST_CHECK int pool_enter(struct pool *s, struct peer **kept);
void pool_leave(struct pool *s);                /* the connection of that place is closed */
void pool_keep(struct pool *s, struct peer *p); /* idle for a while, for the next letter */
int pool_close_all(void *loop);                 /* on its loop. SUSPENDS */

/* ---- reach.c: which addresses answer, and how; on one loop, none suspends ---- */

/* An address of others as it is seen from one of ours (family 0: the system's choice). */
struct reach_path {
    struct ip to, from;
};
/* Why the address is left alone for now (valid until the loop turns), or NULL. */
const char *reach_down(struct relay_loop *l, const struct reach_path *p);
void reach_failed(struct relay_loop *l, const struct reach_path *p, const struct verdict *v);
void reach_good(struct relay_loop *l, const struct reach_path *p); /* a session came about: all is forgiven */
bool reach_tls(struct relay_loop *l, const struct reach_path *p);  /* is TLS to be tried? */
void reach_set_tls(struct relay_loop *l, const struct reach_path *p, bool works);
/* Does it keep count of commands that are said in one go? */
bool reach_pipelines(struct relay_loop *l, const struct reach_path *p);
void reach_astray(struct relay_loop *l, const struct reach_path *p); /* it did not */
void reach_free(struct relay_loop *l);

/* It was silent when another address of its host answered: for a while it comes after those. */
void reach_late(struct relay_loop *l, const struct reach_path *p);
bool reach_was_late(struct relay_loop *l, const struct reach_path *p);

/* ---- via.c: connecting, from the source's address or by its proxy ---- */

/* What is known of the source's proxy: nothing, or there is none; it did not do its part, as the error's
 * sentence says; it answered when it was asked for an address, or a server greeted from behind it. */
enum via_part { VIA_UNKNOWN, VIA_CUT, VIA_WORKS };
/* Errors are those of conn_dial() unless *part is VIA_CUT; *out is NULL then. SUSPENDS. */
MUST_CHECK int via_dial(const struct relay_conf *conf, const struct endpoint *to, struct conn **out,
                        enum via_part *part);

/* ---- race.c: connecting to one of several addresses ---- */

enum { RACE_NOBODY = MX_ADDRESSES_MAX };
struct race {
    struct endpoint to[MX_ADDRESSES_MAX]; /* in the order in which they are tried */
    size_t n;
    const struct relay_conf *conf;
    int64_t until; /* rt_now() scale */
    /* out: */
    struct conn *c; /* to the one that was connected first, */
    size_t winner;
    int e[MX_ADDRESSES_MAX];              /* why an address failed, or 0, */
    char why[MX_ADDRESSES_MAX][160];      /* in words */
    bool late[MX_ADDRESSES_MAX];          /* it was begun and did not answer in time */
    enum via_part part[MX_ADDRESSES_MAX]; /* what the proxy did */
    struct waitq news;
};
/* The next address is begun a quarter of a second after the one before it, or when that has failed. 0, or an
 * error when all have failed. SUSPENDS. */
MUST_CHECK int race_run(struct race *r);

/* ---- peer.c: a session with a server ---- */

enum { PEER_HOST_MAX = 320 };
struct peer {
    struct link link;
    struct conn *c;
    unsigned ext, auth;
    bool lmtp; /* RFC 2033: LHLO, and an answer for each recipient */
    uint64_t size_max;
    uint32_t by_min;             /* of DELIVERBY, seconds */
    uint32_t rcpt_max, mail_max; /* of RFC 9422; 0: none told */
    unsigned letters;
    bool verified;           /* over TLS, and its certificate is its own */
    enum policy_level level; /* what it has shown of itself; */
    char proved_for[256];    /* to mail for this domain alone, or "" */
    uint64_t proved_by;      /* with DANE: the mark of the records */
    bool degraded;           /* in clear though it offers TLS: what it refuses may be for that */
    struct ip ip;
    int64_t idle_since;
    enum via_part via; /* what its opening has shown of the source's proxy */
    bool told;         /* what follows says something of its TLS: */
    enum policy_result outcome;
    char reason[200];
    char host[PEER_HOST_MAX]; /* "mx.two.test [127.0.0.3]:25" */
    char *who;                /* for who looks on; NULL: nobody does */
    bool logging_in;          /* what is said is for nobody's eyes */
    char tls[300];            /* how it is encrypted, or why not */
};
/* route: by which the host was found, or NULL. Connects, greets, logs in, and encrypts when the peer offers
 * it and use_tls (which a host with a policy gets always). 0; -1 with the reason; 1: TLS failed, to be tried
 * again without. SUSPENDS. */
struct peer_to {
    const struct mx_host *host;
    const struct ip *ip; /* of its addresses */
    struct conn *c;      /* connected to it already: taken over; or NULL */
    struct slice domain; /* of the letters */
};
MUST_CHECK int peer_open(const struct relay_conf *conf, const struct relay_route *route, struct arena *a,
                         const struct peer_to *to, bool use_tls, struct peer **out, struct verdict *why);
void peer_name(const struct relay_conf *conf, const struct mx_host *host, const struct ip *ip,
               char out[PEER_HOST_MAX]);
#define PEER_CONNECT_TIME (30 * RT_S)
/* May a letter for `domain` that asks this of the host go over the session? */
bool peer_suits(const struct peer *p, const struct policy *ask, struct slice domain);
/* Says QUIT when the session is in order, and waits for the answer a moment. SUSPENDS. */
void peer_close(struct peer **p, bool wait);
/* One reply within `limit` nanoseconds; one that came before the connection broke counts. Lines and
 * replies of any length keep their code, the text is cut. SUSPENDS. ERR_SYNTAX, ERR_LIMIT: it
 * speaks nonsense. */
MUST_CHECK int peer_hear(struct peer *p, struct arena *a, int64_t limit, struct smtp_reply *r);

/* ---- hear.c ---- */

/* One reply with this code: 0, else -1 with the reason. SUSPENDS. */
MUST_CHECK int peer_expect(struct peer *p, struct arena *a, int64_t limit, int want, const char *during,
                           struct smtp_reply *r, struct verdict *why);

/* ---- dialogue.c: what is said, told to who looks on ---- */

/* The session is for letters to this domain from now on. */
void peer_serves(struct peer *p, struct slice domain);
void peer_ends(struct peer *p);
void peer_say(struct peer *p, struct slice commands); /* lines with their ends. SUSPENDS when much waits */
/* A line of a login; before: what of its begin may be told, or "". SUSPENDS when much waits. */
void peer_say_secret(struct peer *p, const char *before, struct slice line);
void peer_said(struct peer *p, struct slice line);  /* it */
void peer_give(struct peer *p, struct slice bytes); /* of a letter. SUSPENDS when much waits */
void peer_gave(struct peer *p, uint64_t n);         /* all of it */

/* ---- login.c ---- */

/* Logs in as the route has it, if it has a login; one that fails is for the operator to mend. 0, or -1 with
 * the reason. SUSPENDS. */
MUST_CHECK int peer_log_in(struct peer *p, struct arena *a, const struct relay_route *r, struct verdict *why);

/* ---- convert.c ---- */

/* The letter converted: what it is read from lies in the attempt's arena, and convert_end() must be called.
 * ERR_UNSUPPORTED with a phrase: it cannot be. Other errors are for the moment. SUSPENDS. */
struct conversion;
MUST_CHECK int convert_letter(const struct relay_conf *conf, struct attempt_letter *at,
                              enum mail_convert_to to, struct conversion **out);
const struct letter_source *convert_source(const struct conversion *v);
void convert_end(struct conversion **v);

/* ---- transaction.c ---- */

/* It may leave over verified TLS only; a report goes as well as it can (RFC 8689 section 5). */
static inline bool requires_tls(const struct letter *l) { return l->wants.requiretls && l->sender.n; }

struct transaction_end { /* what it leaves of the session */
    bool usable;         /* it can take another letter */
    bool fresh;          /* it broke before it answered anything: worth a new session */
    bool astray;         /* it lost count of what was said to it: worth a new one, without pipelining */
};
/* Hands the letter over for the n recipients of `rcpt`; fills in their results. SUSPENDS. */
struct transaction_end transaction(const struct relay_conf *conf, struct peer *p, struct attempt_letter *at,
                                   struct attempt_rcpt *const *rcpt, size_t n);
