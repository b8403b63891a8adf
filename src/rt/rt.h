/* rt.h - the runtime: loops, fibers, groups, time, and what crosses threads.
 *
 * One loop for each core, each a thread. A session is a fiber on one loop and
 * reads like a blocking program. A fiber never changes its loop. Functions
 * marked SUSPENDS may let other fibers of the loop run: after them, look shared
 * things up again. Functions marked BLOCKS stop the whole thread: call them on a
 * worker, inside offload(), or before the loops start.
 *
 * Each blocking call ends with ERR_TIMEOUT when the fiber's deadline passes and
 * with ERR_CANCELED from the moment the fiber is canceled.
 *
 * The simulated twin (sim.h) implements the same functions over a virtual clock,
 * network, disk and randomness; nothing outside rt reaches the world another way. */
#pragma once
#include "base/err.h"
#include "base/ip.h"
#include "base/list.h"
#include "base/slice.h"

#define SUSPENDS /* documentation: this call may suspend the fiber */
#define BLOCKS   /* documentation: this call may block the thread */

/* ---- start and stop ---- */

struct rt_opts {
    int loops;          /* 0 = one for each core */
    size_t stack_bytes; /* of a fiber; 0 = 256 KiB */
    int disk_threads;   /* of POOL_DISK; 0 = 4 */
};
/* Starts the loops, runs main_fn(arg) as the first fiber on loop 0, and when it
 * returns cancels what is left, stops the loops and returns its value. Raises the
 * number of open files to the most allowed. opts may be NULL. In the simulator a node's program is started by
 * sim_node_start(). */
int rt_run(const struct rt_opts *opts, int (*main_fn)(void *), void *arg);

int rt_loops(void);   /* how many loops this program has */
int rt_loop_id(void); /* the current one, from 0; -1 on a worker or offload thread */

/* Runs fn(arg) on loop `loop` in its own turn, in order of posting. From any
 * thread. fn must not suspend; it may start fibers with group_go(). */
void rt_post(int loop, void (*fn)(void *), void *arg);
/* Runs fn(arg) as a fiber on that loop and waits for its end; returns its value
 * (and the sentence of an error). SUSPENDS. Not cut short by cancel: fn runs
 * under the caller's deadline. */
int rt_call(int loop, int (*fn)(void *), void *arg);

/* Waits until one of the process's signals SIGTERM, SIGINT, SIGHUP arrives and
 * returns its number, or ERR_CANCELED, ERR_TIMEOUT. SUSPENDS. One waiter, on loop 0. */
int rt_wait_signal(void);

/* yes: from now on these signals end the program at once, until this is called with false. On loop 0 of a
 * program with one loop; in the simulator there are no signals. */
void rt_signals_end(bool yes);

size_t rt_files_max(void); /* so many files may this process have open */
/* Of all the files that this process may have open keeps `files` for files and `dials` for connections
 * that it makes itself: a connection that comes when only these are left is not accepted, and none is
 * made when only `files` are left (ERR_BUSY). *accepted: so many connections may be open that each can
 * open one file besides. ERR_LIMIT, and nothing is reserved, when that is less than `least`. All
 * zero: nothing is reserved any more. In the simulator descriptors do not end. */
MUST_CHECK int rt_reserve(size_t files, size_t dials, size_t least, size_t *accepted);

/* Ends the program at once and loudly: one line in the log, exit status 1, nothing is closed in
 * order. For what cannot go on without lying. Any thread. In the simulator the node loses its
 * power, and this returns. */
void rt_die(const char *who, const char *why);

/* ---- time and chance ---- */

#define RT_US INT64_C(1000)
#define RT_MS INT64_C(1000000)
#define RT_S INT64_C(1000000000)
#define RT_NEVER INT64_MAX
int64_t rt_now(void);  /* nanoseconds, monotonic; cached for a turn of the loop */
int64_t rt_wall(void); /* microseconds since the Unix epoch */
static inline int64_t rt_wall_seconds(void) { return rt_wall() / 1000000; }
uint64_t rt_memory(void);          /* bytes that the machine has */
void rt_random(void *p, size_t n); /* unpredictable (getrandom); from the seed in the simulator */
uint64_t rt_random_below(uint64_t n);
void rt_pause(int64_t ns); /* BLOCKS; on a worker or an offload thread */

/* ---- fibers ---- */

typedef void fiber_fn(void *arg);

/* Children that are waited for together. Belongs to the loop that made it. */
struct group {
    struct link fibers;
    struct waiter *waiter;
    size_t count;
    bool canceled;
};
void group_init(struct group *g);
/* Starts fn(arg) on this loop; it runs in a later turn. The child has no
 * deadline of its own at first. name: static string. ERR_LIMIT when the runtime
 * has no stack left for it. */
MUST_CHECK int group_go(struct group *g, const char *name, fiber_fn *fn, void *arg);
/* Waits for all children. SUSPENDS. When the caller is canceled or its deadline
 * passes meanwhile, the children are canceled, still waited for, and the code
 * returned; else 0. */
int group_wait(struct group *g);
void group_cancel(struct group *g); /* also cancels children that start later */

/* Narrows the fiber's absolute deadline (rt_now() scale) to the earlier of the
 * present one and `at`; returns the present one, for deadline_restore(). */
int64_t deadline_narrow(int64_t at);
void deadline_restore(int64_t before);
int64_t deadline_get(void);
#define DEADLINE_IN(ns) (rt_now() + (ns))

int fiber_sleep(int64_t ns); /* SUSPENDS. 0, ERR_CANCELED, ERR_TIMEOUT */
void fiber_yield(void);      /* SUSPENDS: others first */
void fiber_breathe(void);    /* SUSPENDS when this fiber has had its slice (1 ms): put into long loops.
                                  Does nothing on other threads */
bool fiber_canceled(void);
bool fiber_current(void); /* is the caller a fiber at all? */

/* ---- between fibers of one loop ---- */

struct waitq {
    struct link waiters;
};
void waitq_init(struct waitq *q);
int waitq_wait(struct waitq *q); /* SUSPENDS. 0 when woken, ERR_TIMEOUT, ERR_CANCELED */
void waitq_wake_one(struct waitq *q);
void waitq_wake_all(struct waitq *q);

/* First come, first served. */
struct fmutex {
    struct waitq q;
    bool held;
};
void fmutex_init(struct fmutex *m);
MUST_CHECK int fmutex_lock(struct fmutex *m); /* SUSPENDS. 0, ERR_TIMEOUT, ERR_CANCELED */
void fmutex_unlock(struct fmutex *m);

/* ---- between threads ---- */

/* A short lock for data that several loops use. Never held over a SUSPENDS
 * (asserted). */
struct lock {
    int word;
};
#define LOCK_INIT                                                                                            \
    {                                                                                                        \
        0                                                                                                    \
    }
void lock_take(struct lock *l);
void lock_release(struct lock *l);

/* One event, waited for by one fiber, signalled once from any thread. The memory
 * belongs to the waiter, so waiting is not cut short by cancel or deadline: the
 * signaller must signal in bounded time. */
struct completion {
    void *fiber;
    struct completion *next; /* on its way to the loop */
    int loop, done;
};
void completion_init(struct completion *c); /* by the fiber that will wait */
void completion_signal(struct completion *c);
void completion_wait(struct completion *c); /* SUSPENDS */

/* One fiber that waits for what others do on any loop or thread, with time limit and cancel. Those who wake
 * it may still be on their way when it has gone. */
struct nudge;
struct nudge *nudge_new(void); /* by the fiber that will wait */
/* SUSPENDS. 0: look again, under the lock of what it waits for; ERR_TIMEOUT, ERR_CANCELED. */
int nudge_wait(struct nudge *x);
void nudge_wake(struct nudge *x); /* under that lock: before its nudge_drop() */
void nudge_drop(struct nudge *x); /* NULL is allowed */

/* What is handed to threads, by kind: each has threads and a line of its own, so that no kind of work waits
 * for another. */
enum rt_pool {
    POOL_DISK,     /* files, short: 4 threads */
    POOL_SIGN,     /* signatures, about a millisecond of the processor each: a thread for each loop */
    POOL_PASSWORD, /* key derivations, new keys: tens of milliseconds each; a thread for each two loops, which
                      leaves the processor to whoever wants it */
    POOL_FETCH,    /* HTTP requests of our own, seconds each: 4 threads */
    POOL_ASK,      /* questions to other servers that a person waits for, seconds each: 4 threads */
    POOL_PEOPLE,   /* questions to a directory of people elsewhere, seconds each: 16 threads */
    POOL_CARE,     /* walks, copies, proofs of everything there is: 2 threads */
    RT_POOLS,
};
/* Runs fn(arg) on a thread of the pool and returns its value (and the sentence of
 * an error). SUSPENDS. Not cut short by cancel. fn may BLOCK; it must not use
 * fiber functions. On a thread that is no loop it just runs fn. */
int offload_on(enum rt_pool pool, int (*fn)(void *), void *arg);
/* The same for one of many: those who wait for the pool get its threads in turns by asker, so that whoever
 * asks a lot waits behind its own. 0: nobody in particular. */
int offload_for(enum rt_pool pool, uint64_t asker, int (*fn)(void *), void *arg);
static inline int offload(int (*fn)(void *), void *arg) { return offload_on(POOL_DISK, fn, arg); }

/* A thread of its own that handles jobs in groups: while it works on one group
 * the next gathers, so the group grows with the load and a lone job does not
 * wait for company. */
struct job {
    struct job *next;
    struct completion done;
    bool large; /* a group of its own, behind all that wait and are not; then those have their turn again */
};
struct worker;
/* handle(ctx, jobs) gets the waiting jobs as a list in order of arrival, at most
 * max_group of them. It may BLOCK. When it returns, all of them are done. The
 * sentence of an error does not cross: what the waiter needs goes into the job. */
MUST_CHECK int worker_new(struct worker **out, const char *name, size_t max_group,
                          void (*handle)(void *ctx, struct job *jobs), void *ctx);
void worker_do(struct worker *w, struct job *j); /* SUSPENDS until j is handled; on a plain thread: BLOCKS */
void worker_free(struct worker **w);             /* SUSPENDS: handles what waits, ends the thread */

/* ---- foreign descriptors (libunbound, inotify) ---- */

/* Waits until fd is readable. SUSPENDS. 0, ERR_TIMEOUT, ERR_CANCELED. Not in the simulator. */
int rt_wait_readable(int fd);

/* ---- seeing ---- */

struct rt_stats {
    size_t fibers, parked, stacks, switches, turns;
    size_t stack_most; /* deepest use seen of any stack, bytes, where it is known */
};
void rt_stats(struct rt_stats *out);
