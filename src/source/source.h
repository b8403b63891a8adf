/* source.h - the addresses that letters leave from: sources in pools, and which pool a letter goes by.
 *
 * Without any source letters leave as the node's configuration says. With some, a letter goes by the pool of
 * its campaign, else of its account, its sender's domain or its stream, as uses say, else by the pool `main`;
 * a pool without sources stands for `main`, and that one for the node's own address. All of it lies in the
 * object _source; a plan is what stands there as of one moment: it never changes, and is held by whoever
 * looks at it. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/ip.h"
#include "kv/kv.h"

enum {
    SOURCES_MAX = 1000,          /* of the node */
    SOURCE_USES_MAX = 5000,      /* of pools */
    SOURCE_NAME_MAX = 32,        /* of a source or a pool */
    SOURCE_VALUE_MAX = 120,      /* of a campaign, account, domain or stream in a use */
    SOURCE_WARM_MOST = 10000000, /* deliveries a day */
    SOURCE_WARM_FIRST = 50,      /* where nobody said otherwise */
    SOURCE_GROWTH = 50,
    SOURCE_WARM = 100000,
    SOURCE_GROWTH_MOST = 400, /* percent */
    SOURCE_LOGIN_MAX = 255,   /* bytes of a user's name, of a password (RFC 1929) */
    SOURCE_TROUBLE_MAX = 200,
    SOURCE_UNHEARD = 5, /* sites in a row from which no word came */
};
#define SOURCE_MAIN "main"

/* What a use goes by; the first that has one decides. */
enum source_by { SOURCE_CAMPAIGN, SOURCE_ACCOUNT, SOURCE_DOMAIN, SOURCE_STREAM, SOURCE_BYS };
const char *source_by_word(enum source_by by); /* "campaign" "account" "domain" "stream" */

/* How connections leave from a source: from an address of this machine, or by a proxy that has the address.
 */
enum source_via { VIA_NONE, VIA_SOCKS5, VIA_PROXY, SOURCE_VIAS };
struct source {
    struct slice name, pool;
    struct ip ip;      /* that receivers see */
    struct slice helo; /* its EHLO name; empty: the node's */
    int64_t added;     /* unix seconds */
    enum source_via via;
    struct endpoint at;          /* of the proxy */
    struct slice user, password; /* what it asks for; or empty */
};
/* "socks5://IP:PORT", "proxy://IP:PORT". ERR_SYNTAX with a sentence. */
MUST_CHECK int source_via_parse(struct slice text, struct source *out);
/* The same back, in a; empty: from this machine. */
struct slice source_via_text(struct arena *a, const struct source *s);
struct source_pool {
    struct slice name;
    struct slice overflow; /* the pool that takes over when its sources have no allowance left; empty: none */
    bool same;             /* what was put off leaves from the same source again */
};
/* Letters with this go by the pool. An account is named by its id; shown: its address then. */
struct source_use {
    enum source_by by;
    struct slice value, pool, shown;
};

/* The sources a letter may leave from: first those of its pool, then those that take over. */
struct source_way {
    struct slice name; /* of the pool, "pool/source" of a single source, empty: the node's own address */
    const struct source **v;
    size_t n, own; /* own: of the pool itself */
    bool same;
};
struct source_plan {
    unsigned holds; /* atomic */
    struct arena a;
    struct source *source;
    size_t nsource;
    struct source_pool *pool; /* that have rows, or sources */
    size_t npool;
    struct source_use *use;
    size_t nuse;
    struct source_way *way; /* of every pool with sources and of every source; the first: the node's own */
    size_t nway;
    unsigned *turn; /* source_turn() */
    struct source_login *login;
    size_t nlogin;
    struct map *names; /* plan.c's own */
};

struct sources;
/* What stands in kv; it outlives the sources. A row that cannot be read is named in the log and passed over.
 * SUSPENDS. */
MUST_CHECK int sources_open(struct sources **out, struct kv *kv);
void sources_close(struct sources **s);
/* changed(ctx) is called after each change, on the fiber that made it; room(ctx) when a source that was
 * refused to somebody (source_warm_take(), source_out()) can be left from again before the time that he was
 * told of: from any loop, and it does not suspend. NULL: nobody. */
void sources_watch(struct sources *s, void (*changed)(void *ctx), void (*room)(void *ctx), void *ctx);

/* The plan as it is now; given back by one drop. From any loop, none suspends. s NULL: a plan without
 * sources. */
struct source_plan *source_plan_now(struct sources *s);
struct source_plan *source_plan_hold(struct source_plan *p);
void source_plan_drop(struct source_plan **p);

/* What is known of a letter: what it goes by (empty: none), and the source that it is bound to, or empty. */
struct source_query {
    struct slice by[SOURCE_BYS];
    struct slice bound;
};
/* Never NULL; lives with the plan. *gone: the source it is bound to is not there, it is planned as if it were
 * not bound. */
const struct source_way *source_choose(const struct source_plan *p, const struct source_query *q, bool *gone);
/* Sources of a pool take turns over the whole node: which of a way's own is next. From any loop. */
size_t source_turn(struct source_plan *p, const struct source_way *w);
const struct source *source_find(const struct source_plan *p, struct slice name);          /* or NULL */
const struct source_way *source_way_named(const struct source_plan *p, struct slice name); /* or NULL */

/* ---- changes: durable when they return. All SUSPEND. ---- */

/* Adds or replaces. ERR_SYNTAX, ERR_EXISTS (another source has the address), ERR_LIMIT. */
MUST_CHECK int source_add(struct sources *s, const struct source *source);
MUST_CHECK int source_remove(struct sources *s, struct slice name); /* ERR_NOT_FOUND */
/* What its proxy asks for, until it is removed. ERR_NOT_FOUND, ERR_SYNTAX. */
MUST_CHECK int source_set_login(struct sources *s, struct slice name, struct slice user,
                                struct slice password);
MUST_CHECK int source_set_pool(struct sources *s, const struct source_pool *pool);
/* pool empty: letters with this go by no pool of their own any more (ERR_NOT_FOUND). */
MUST_CHECK int source_set_use(struct sources *s, const struct source_use *use);
/* ---- warm-up (warm.c): a new source makes few deliveries a day to each group of sites, and more from day to
 * day, as receivers let it. Days are of UTC. From any loop; only source_warm() suspends. ---- */

struct warm_curve {
    unsigned first, growth,
        most;      /* deliveries on the first day; percent more a day; from which on it is warm */
    int64_t begun; /* unix seconds */
    uint64_t mark; /* of this beginning, given by source_warm(); 0: not known */
};
enum warm_why { WARM_BEGAN, WARM_ROSE, WARM_UNUSED, WARM_PUT_OFF, WARM_FELL, WARM_BLAMED, WARM_WHYS };
struct warm_group {
    struct slice group;
    int64_t day;                    /* unix days: of the counts */
    unsigned days, allowance, sent; /* days on which it rose; of this day; used, also by what is under way */
    unsigned put_off, refused;      /* of those: "later"; us, whoever writes */
    unsigned blamed;                /* complaints that came on this day */
    enum warm_why why;              /* the allowance is what it is, after a day with */
    unsigned was, was_sent, was_put_off, was_blamed;
};
enum warm_news {
    WARM_NOTHING, /* it did not leave after all */
    WARM_UNASKED, /* the same, at once, as its site had no room: nobody who waits hears of it */
    WARM_LEFT,    /* it was taken, or refused for its own sake */
    WARM_DEFERRED,
    WARM_REFUSED
};
/* May one more delivery leave from there today? Then it counts, and is given back by one give. s NULL: yes.
 */
bool source_warm_take(struct sources *s, struct slice source, struct slice group, bool bulk);
void source_warm_give(struct sources *s, struct slice source, struct slice group, enum warm_news news);
/* The same without counting; *out when it is not warm: where it stands, its group's name not to be used. */
bool source_warm_group(struct sources *s, struct slice source, struct slice group, bool bulk,
                       struct warm_group *out);
/* All of a source's groups, in a. False: it is warm. */
bool source_warm_look(struct sources *s, struct slice source, struct arena *a, struct warm_curve *curve,
                      struct warm_group **out, size_t *n);
/* Somebody complained of a letter that left from there. */
void source_warm_blame(struct sources *s, struct slice source, struct slice group);
int64_t warm_next_day(void); /* unix seconds */
/* From now on, and from the beginning; NULL: it is warm. ERR_NOT_FOUND, ERR_SYNTAX. SUSPENDS. */
MUST_CHECK int source_warm(struct sources *s, struct slice source, const struct warm_curve *c);
/* ---- trouble.c: its proxy does not do its part. From any loop, none suspends; s NULL: nothing is wrong ----
 */

/* It cannot be left from now. *until: of rt_now(); why (or NULL): what is wrong, in words. */
bool source_out(struct sources *s, struct slice name, int64_t *until, char why[SOURCE_TROUBLE_MAX]);
/* It rests for half a minute, then for twice as long each time, ten minutes at most. */
void source_failed(struct sources *s, struct slice name, struct slice why);
void source_works(struct sources *s, struct slice name); /* it did its part: all is forgiven */
/* A connection by a proxy that says nothing itself ended before a word came from the site. True: so did those
 * to SOURCE_UNHEARD sites in a row, so it is the proxy, for anybody who looks at it. */
bool source_unheard(struct sources *s, struct slice name, struct slice site);

/* For `verify`: bad() is told of each row that cannot be read. */
MUST_CHECK int sources_verify(struct kv *kv, void (*bad)(void *arg, const char *what), void *arg);
