/* ready.h - what is due and in memory, on one loop, and which of it is to be started next.
 *
 *   item   a group that is due
 *   line   items of one stream, one priority, one sender and one next hop, in order of time
 *   share  a sender: an account here, or a domain; senders take turns
 *   hop    a next hop: a domain, or an account here
 *   dock   a site as this loop sees it from the sources of one way: the paths (site.h) and the lines that
 * wait for room on one of them
 *
 * A line stands in the heap of those that can be started, in order of stream, priority and then of turn, or
 * waits where something binds: at its dock, its hop, or its share. Nothing here suspends. */
#pragma once
#include "base/map.h"
#include "queue_i.h"

enum { READY_KEY = 48 };

/* Of a line, a share or a hop at most so many items are in memory. The rows of the others are left on the
 * disk and read again, shard after shard, when there is room (ahead.c). */
struct left_rows {           /* of one stream: none waits for those of a stream behind it */
    int64_t from, to;        /* least and last time left: of shards still to be read, */
    int64_t later, later_to; /* and of those already read */
    int at;                  /* the shard that is being read, of this loop's */
    char key[READY_KEY];     /* how far; "" = it begins */
};
struct crowd {
    enum crowd_of { OF_LINE, OF_SHARE, OF_HOP } of;
    struct link link; /* in ready->crowds while something is left */
    size_t n, most;
    bool left, reading;
    bool damaged, took; /* this time: some of it could not be read; some came into memory */
    unsigned holes;     /* so often in a row some could not */
    int stream;         /* while it is read for: of which stream */
    struct left_rows rows[STREAMS];
    int64_t not_before, little_before; /* rt_now(): little_before: when there is room, but little */
    unsigned vain;                     /* passes in a row that brought nothing of it */
    struct heap_node hungry;           /* in ready->hungry: something is left, and there is room for it */
};
struct share {
    struct crowd crowd;
    char *name;
    size_t lines, quick, slow;
    int64_t turn;
    struct link waiting; /* lines, for one of its deliveries to end */
    bool able;           /* stall.c's own */
};
struct dock {
    struct source_plan *plan; /* of its way; its hops hold it */
    const struct source_way *way;
    struct site **path; /* from each of the way's sources */
    size_t npath;
    char *name;
    struct dock *same; /* the next of the same site, by another way */
    unsigned families; /* of the site's addresses; 0: not known */
    struct link hops;
    enum site_bind bind; /* what bound last */
    enum stream shut;    /* this stream and those behind it find no room; STREAMS: none does */
    int64_t since;       /* unix seconds: when the first of those who wait began to */
    struct heap lines;   /* which wait for room */
    struct heap_node alarm;
    int64_t asked;     /* rt_now(): when one last asked for a place */
    bool could;        /* there was room when the watchdog last looked */
    unsigned starts;   /* since ready_weigh() last looked, */
    bool seen, crawls; /* which it has done before; it takes few, and more wait for it */
};
struct hop {
    struct crowd crowd;
    char *name;
    bool local, known;        /* known: at which dock */
    struct source_plan *plan; /* held */
    const struct source_way *way;
    struct dock *dock;
    struct link dock_link, lines;
    size_t n[STREAMS], under_way; /* n: in memory, of each stream; together crowd.n */
    int64_t quiet, told; /* rt_now(): since when nothing is under way; when the log was told of that */
    struct link waiting; /* lines, for the first delivery to find the site, or for one of an account to end */
    bool able;           /* stall.c's own */
};
enum where { NOWHERE, READY, AT_DOCK, AT_HOP, AT_SHARE, AT_REST };
struct line {
    struct crowd crowd;
    char *name;
    struct q_due like; /* what its rows have in common */
    enum stream stream;
    struct share *share;
    struct hop *hop;
    struct link hop_link, items;
    enum where where;
    struct heap_node node; /* READY, AT_DOCK, AT_REST */
    struct link link;      /* AT_HOP, AT_SHARE */
    int64_t since, stands; /* when it began to wait there: unix seconds, rt_now() */
    bool could;            /* READY: it could have been started when the watchdog last looked */
    int64_t rest;          /* rt_now(): AT_REST until then */
    size_t under_way;
};
enum pace { WAITS, QUICK, SLOW };
struct item {
    struct link link; /* in its line, or in ready->quick while it is quick */
    struct line *line;
    struct shard *shard;
    struct letter_id id;
    uint32_t g;
    int64_t due; /* the time in the row it was read from */
    enum pace pace;
    void *again;     /* schedule.c: it was offered anew while it was under way */
    int64_t started; /* rt_now() */
    struct site *place;
    const struct source *from; /* of the place; lives with the plan of its hop at that time: */
    struct source_plan *from_plan;
    int64_t placed;
    bool answered; /* its place was given back before its end */
};
struct ready {
    struct sites *sites;
    struct sources *sources;  /* or NULL */
    struct source_plan *plan; /* held */
    struct map items, lines, shares, hops, docks;
    struct map of_site;              /* bare name of a site -> the first of its docks */
    struct heap hungry;              /* crowds, by when they may be read for */
    struct heap able, alarms, rests; /* rests: lines of sender domains that a site refuses for a while */
    size_t ncrowds;                  /* in crowds */
    struct link crowds, quick;       /* quick: items under way, oldest first */
    int64_t turn;
    size_t nquick, nslow, quick_most, slow_most, items_most;
    size_t nanswered; /* items that are */
    unsigned tight;   /* how little memory is left (ready_few()), */
    int64_t tight_at; /* rt_now(): as it was found then */
    uint64_t looked;  /* rows on the disk at which ahead.c and refill.c have looked */
    bool closing;
    bool no_stack; /* for the last that was to be started */
};
void ready_init(struct ready *r, struct sites *sites, struct sources *sources, struct source_plan *plan,
                int loops); /* takes the plan over */
/* Another plan, which is taken over: all that waits goes, to be read again. */
void ready_replan(struct ready *r, struct source_plan *plan);
void ready_free(struct ready *r); /* nothing is under way any more */

enum added { ADDED, LEFT, NO_ROOM };
/* A group that is due; key: of its row. LEFT: to be read again when there is room for its like. */
enum added ready_add(struct ready *r, struct shard *s, const struct q_due *d, struct slice key);
/* Is there memory for one more of the stream, and `more` besides? */
bool ready_has_memory(const struct ready *r, enum stream s, size_t more);
/* The next that can be started, under way from now on, its place taken; NULL: nothing can. */
struct item *ready_next(struct ready *r);
void ready_drop(struct ready *r, struct item *it); /* it waits, and need not any more */
/* It could not be started after all. */
void ready_back(struct ready *r, struct item *it);
/* The delivery has found its site. False: no room there. */
struct ready_site {
    struct slice mx_set, host; /* as of site_get() */
    unsigned families;         /* of its addresses; 0: any */
    bool routed;               /* as in attempt_letter */
};
bool ready_place(struct ready *r, struct item *it, const struct ready_site *to);
/* Its site has said all that it will of it: its place is another's while what it said is recorded. */
void ready_answered(struct ready *r, struct item *it, const struct trip *trip);
/* The sources are others now than those it was planned for. */
bool ready_is_outdated(const struct ready *r, const struct item *it);
/* It ended. no_room: it waits again; else it is gone afterwards. */
void ready_end(struct ready *r, struct item *it, const struct trip *trip);
void ready_site_free(struct ready *r, const struct site *s);
/* A source may have room that had none: its allowance, or the proxy that it leaves by. */
void ready_source_free(struct ready *r);
/* An operator wants what goes where this goes tried now: a site that is down gets a letter at once. */
void ready_nudge(struct ready *r, const struct q_due *d);
/* What time alone changes: docks to be tried again, deliveries that are slow now. */
void ready_tick(struct ready *r);
/* rt_now(): when time changes something next. A start changes it: who finds no room sets an alarm. */
int64_t ready_next_tick(const struct ready *r);
struct item *ready_find(const struct ready *r, const struct letter_id *id, uint32_t g);
/* Has the node a place for one more delivery of the stream? */
bool ready_has_place(const struct ready *r, enum stream s);
/* Why a group that is due is not under way, in a sentence. */
struct slice ready_why(struct ready *r, const struct q_due *d, struct arena *a);

/* Which sites take so few that of what waits for them little is enough in memory? Every 20 s. True: some of
 * it may have to be read again. */
bool ready_weigh(struct ready *r);

/* The next hop that has had letters in memory and no attempt for `quiet` ns, and was not named for as long;
 * its name and the reason. NULL: none. */
const char *ready_watch(struct ready *r, int64_t quiet, struct arena *a, struct slice *why, size_t *n);

/* ---- stall.c ---- */

/* What is due, for which there is room, and which nobody has tried for `quiet` ns: there is no such thing,
 * but for a fault of ours. It may be tried from now on. Returns how many lines; in a: what holds the first,
 * in words, and the hop it goes to. */
size_t ready_stalled(struct ready *r, int64_t quiet, struct arena *a, struct slice *where, struct slice *hop);
