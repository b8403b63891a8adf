/* tlsrpt_i.h - what the files of the TLS reports share. */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "kv/kv.h"
#include "policy/policy.h"
#include "tlsrpt.h"

enum { TLSRPT_DAY_S = 86400, TLSRPT_GEN = 14, TLSRPT_HASH = 16, TLSRPT_VERSION = 1 };

/* ---- tlsrpt_share.c: posts to receivers, side by side ---- */

struct tlsrpt_late { /* one domain of a day, that is to be told */
    struct link link;
    struct tlsrpt_host *host; /* where it waits */
    int64_t day;
    char object[16], name[KV_KEY_MAX + 1];
};
struct tlsrpt_share { /* of the one fiber that sends, and its children; zeroed at first */
    struct map hosts; /* name -> struct tlsrpt_host */
    struct link turn; /* hosts where domains wait, and that may be asked in this pass */
    struct link over; /* and that may not */
    struct waitq room;
    uint64_t pass;
    size_t late; /* domains that wait */
    int under_way;
    bool begun;
};
/* A walk over those who are to get a report begins. Nothing may be under way. */
void tlsrpt_share_begin(struct tlsrpt_share *s);
void tlsrpt_share_free(struct tlsrpt_share *s);
/* May the host be asked? ERR_BUSY: not now; ERR_UNREACHABLE: nor within the hour. */
MUST_CHECK int tlsrpt_share_look(struct tlsrpt_share *s, struct slice host);
/* A place for one post to the host; the same errors. SUSPENDS while there are as many under way as may be. */
MUST_CHECK int tlsrpt_share_take(struct tlsrpt_share *s, struct slice host);
/* Gives the place back. since: when the post began (rt_now()); answered: whatever it said of this report, it
 * may be asked for others. */
void tlsrpt_share_give(struct tlsrpt_share *s, struct slice host, int64_t since, bool answered);
/* The domain waits until the host may be asked; a copy of it does. */
void tlsrpt_share_put_off(struct tlsrpt_share *s, struct slice host, const struct tlsrpt_late *d);
/* The next that waits for a host which may be asked now, one of each host at a time; for tlsrpt_share_done().
 * NULL: there is none in this pass, or others are at it. */
struct tlsrpt_late *tlsrpt_share_next(struct tlsrpt_share *s);
void tlsrpt_share_done(struct tlsrpt_share *s, struct tlsrpt_late **d);
/* Those who still wait have to come again; how many. */
size_t tlsrpt_share_forget_late(struct tlsrpt_share *s);

struct tlsrpt {
    struct tlsrpt_conf conf;
    char hostname[256];
    struct lock lock;
    int64_t day; /* of this generation: days since 1970 */
    char gen[TLSRPT_GEN + 1];
    struct map counts;  /* "NAME/POLICY/ROW" -> (void *)count */
    struct map domains; /* NAME -> (void *)rows */
    uint64_t dropped;
    bool sending;
    struct tlsrpt_share share; /* of who is sending */
};
/* A new generation, greater than all before it: what was counted before is told by one report. */
void tlsrpt_rotate(struct tlsrpt *t);

/* ---- one report ---- */

struct tlsrpt_detail {
    enum policy_result result;
    struct slice host, ip, source, reason;
    uint64_t count;
};
struct tlsrpt_policy {
    struct slice key; /* POLICY, as in keys */
    struct slice domain;
    enum policy_kind kind;
    struct slice *string, *mx;
    size_t nstring, nmx;
    uint64_t good, bad;
    struct tlsrpt_detail *detail;
    size_t n, room;
};
struct tlsrpt_out {
    struct slice domain, submitter, contact, id; /* id: dot-atom@dot-atom */
    int64_t begin, end;
    struct tlsrpt_policy *policy;
    size_t n, room;
};
/* The document of section 4.4. Pure. */
void tlsrpt_json(struct buf *out, const struct tlsrpt_out *r);
/* The letter of section 5.3, without trace fields and signatures. Pure. */
void tlsrpt_message(struct buf *out, const struct tlsrpt_out *r, struct slice to, struct slice gzip);
struct slice tlsrpt_filename(struct arena *a, const struct tlsrpt_out *r);
