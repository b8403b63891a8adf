/* site.h - receiving systems as the whole node sees them, each from each source: how much it gets at once,
 * and what it showed.
 *
 * A site is found by the MX set of a domain (domains with one set are one site); one that share/shaping
 * names counts for all of its sets together. A delivery takes a place at its site before it begins, and
 * none waits while it holds one. Used from every loop; nothing here suspends. Times are of rt_now(). */
#pragma once
#include "letter.h"
#include "shape/limits.h"

struct sites;
struct site;

/* wake(ctx, loop, site): on that loop, in its own turn: a place may be free. ctx outlives the sites. */
typedef void site_wake(void *ctx, int loop, const struct site *s);
struct sites *sites_open(struct shaping *shaping, site_wake *wake, void *ctx); /* takes the shaping over */
void sites_close(struct sites **all);     /* after the loops have let go of all */
bool sites_call(const struct sites *all); /* loops are being called, each with a site */

/* The site as it is seen from a source (empty: from the node's own address); limits and what it shows are of
 * that path alone. mx_set: what names the site, unless the shaping has a name for `host`, its most preferred
 * host. Each get is given back by one put. */
struct site *site_get(struct sites *all, struct slice source, struct slice mx_set, struct slice host);
struct site *site_again(struct site *s); /* one more hold of it */
void site_put(struct site *s);
struct slice site_name(const struct site *s);      /* with the source in front; lives with it */
struct slice site_bare_name(const struct site *s); /* without */
struct slice site_group(const struct site *s);     /* for warm-up: its section of share/shaping */

/* What binds. */
enum site_bind {
    SITE_HAS_ROOM,
    SITE_PLACES,  /* as many as it gets at once are under way */
    SITE_WINDOW,  /* as many as it has shown that it can take at once are */
    SITE_LETTERS, /* the letters of this minute */
    SITE_OPENS,   /* the connections of this minute */
    SITE_RESTS,   /* it refuses us */
    SITE_SPURNS,  /* it refuses what this sender domain sends */
    SITE_DOWN,    /* no server of it answers; one letter tries from time to time */
    SITE_WARMS,   /* its source is new, and has no allowance left today (ready.c) */
    SITE_CUT,     /* the proxy of its source does not do its part (dock.c) */
    SITE_NO_WAY,  /* no source has an address of a family of the site's (ready.c) */
};
/* A place for one delivery of a stream, from an address of `domain` (may be empty). Else *again: when it may
 * be worth another try, RT_NEVER: when the loop is woken. */
enum site_bind site_take(struct site *s, enum stream stream, struct slice domain, int64_t *again);

/* What a delivery came to, for the site. */
enum site_news {
    SITE_NO_NEWS,   /* nothing was tried, or what was said has to do with the letter alone */
    SITE_ANSWERED,  /* it speaks, and took nothing */
    SITE_GOOD,      /* it took a letter */
    SITE_SPURNED,   /* it refuses the sender for good: a policy, authentication, DNS or TLS of ours */
    SITE_BUSY,      /* "later", or the session broke */
    SITE_REFUSED,   /* it refuses us, whoever writes to whom */
    SITE_UNREACHED, /* no server of it answered */
    SITE_UNASKED,   /* none was asked: one that is down waits as long once more, else this is no news */
};
struct site_report {
    enum stream stream;
    struct slice domain; /* as with site_take() */
    enum site_news news;
    struct slice words; /* what was said, unless it was taken */
    int64_t since;      /* when the place was taken */
};
/* Gives the place back. */
void site_give(struct site *s, const struct site_report *r);
/* No server of it was even found, or none answered, and no place was taken: as SITE_UNREACHED. */
void site_miss(struct site *s, struct slice words);

/* May a connection be opened now? It counts against the rate. */
bool site_may_open(struct site *s);

/* Somebody wants it tried now, also when it is down. */
void site_nudge(struct site *s);

struct site_state {
    enum site_bind bind;        /* for this stream and domain */
    int64_t since, until;       /* unix seconds; 0: not known */
    unsigned under_way, places; /* so many deliveries of so many that are allowed now */
    struct shape_limits limits;
    char words[200]; /* what the site said */
    unsigned rate;   /* letters that it took in the last minute */
    int64_t heard;   /* unix seconds: when it last spoke, or did not answer; 0: never yet */
    char said[120];  /* what was said then; empty: it took a letter */
};
void site_look(struct site *s, enum stream stream, struct slice domain, struct site_state *out);
