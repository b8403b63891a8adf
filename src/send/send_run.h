/* send_run.h - sends under way: letters from pages into the queue, events into counts. For src/send only. */
#pragma once
#include "base/list.h"
#include "event.h"
#include "send_i.h"

enum {
    RUN_WINDOW = 4000,           /* recipients of a send that may wait in the queue */
    RUN_BATCH = 256,             /* letters of one send's turn */
    RUN_AT_ONCE = 128,           /* of these under way together */
    RUN_BOUNCES_PERCENT = 10,    /* bulk mail of which more bounces waits for a word, */
    RUN_BOUNCES_LEAST = 500,     /* once so many recipients are at an end */
    RUN_COMPLAINTS_MILLE = 3,    /* and of which more complain, */
    RUN_COMPLAINTS_LEAST = 1000, /* once it is delivered to so many */
    RUN_LATE_S = 6 * 3600        /* a scheduled send that would begin later than that waits for a word */
};

struct run {
    struct letter_id id;
    char object[24], account[20];
    enum stream stream;
    unsigned options;
    uint32_t group;
    int64_t taken, send_at;
    uint64_t numbers, events; /* its events come behind that one */
    enum send_state state;    /* under the lock of sends */
    struct send_count count;
    uint64_t doubt;   /* letters below that may be in the queue, though the place is not behind them */
    unsigned asked;   /* counts who reads its state anew */
    int64_t again;    /* rt_now(): not before, after a failure */
    struct link turn; /* in the ring of those that have letters to give */
    struct link over; /* in the list of those that have come to their end */
    bool in_ring;
    bool unsure;  /* what state it is in by its rows: they could not be read */
    bool resumed; /* by a word of its sender: it is not too late any more */
};
/* One that was due later than it was taken, of which nothing is given yet. */
static inline bool run_is_fresh(const struct run *r) { return r->send_at > r->taken && !r->count.begun; }
/* Rows of one send are not as they were written: no reason to keep others waiting. */
static inline bool run_is_damage(int e) { return err_is_damage(e) || e == ERR_NOT_FOUND; }
bool send_name_parse(struct slice made, struct send_letter_name *out);

/* send_give.c: gives letters of the page under way to the queue and moves on. What cannot be read of a page
 * is passed over, counted as failed and logged. An error: to be tried again. SUSPENDS. */
struct given {
    struct send_count count; /* how far it is now, when it has: */
    bool moved;
    bool damaged; /* the error is that what all letters share cannot be read */
};
MUST_CHECK int run_give(struct sends *s, struct run *r, struct given *out);
/* send_count.c: counts events of an account's sends from *at on; counted() hears how each stands. SUSPENDS.
 */
typedef void run_counted(struct sends *s, const struct letter_id *id, const struct send_count *c);
MUST_CHECK int run_count(struct sends *s, struct slice account, uint64_t *at, bool *more,
                         run_counted *counted);
/* From any loop: what an attempt asks of a letter's send, copied, for it may end. False: it is not under way.
 */
bool run_copy(struct sends *s, const struct letter_id *id, struct run *out);
