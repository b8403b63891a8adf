/* watch.h - looking on: lines of the log go to whoever watches at the moment they are told, chosen by what
 * they name. Nobody who tells waits for a watcher: what one does not read in time is dropped and counted. */
#pragma once
#include "base/log.h"
#include "trace.h"

enum {
    WATCH_MAX = 16,          /* watchers at the same time, each with */
    WATCH_RING = 256 * 1024, /* bytes of lines that it has not read yet, */
    WATCH_LETTERS = 256,     /* and so many letters that it follows, the last ones */
};

/* What is empty fits all. The slices live as long as the watch. */
struct watch_filter {
    enum log_level least;
    bool letters;        /* only what happens to letters */
    bool named;          /* of these only those that watch_letter() names */
    struct slice events; /* words of TRACE_KINDS, "session", "accepted"...; commas between */
    /* What the line names; a letter whose line fits is followed from then on, whatever its lines name. */
    struct slice address, domain, host;
    struct slice session; /* its id */
    /* Or nothing but the next session that begins with this peer (dialogue_begins()): its address as it is
     * printed, its name, or the domain that a letter leaves for. */
    struct slice begins;
};
struct watch_line {
    int64_t time;      /* unix microseconds */
    uint64_t lost;     /* so many lines before this one were dropped */
    struct slice json; /* log_json(); empty: only `lost` is told */
};

struct watch;
/* From now on. ERR_LIMIT: too many watch. */
MUST_CHECK int watch_open(struct watch **out, const struct watch_filter *f);
void watch_close(struct watch **w); /* NULL is allowed */
/* Follows this letter, too. */
void watch_letter(struct watch *w, const struct letter_id *id);
/* An address of the letter: who wants to see what has to do with it follows the letter. */
void watch_about(const struct letter_id *id, struct slice address);
/* The next line; false: there is none at this moment. Does not suspend. */
bool watch_next(struct watch *w, struct arena *a, struct watch_line *out);
/* Can an event have this name? */
bool watch_event_ok(struct slice word);
