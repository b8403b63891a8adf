/* rt_i.h - inside the runtime: the seam between its common code and the world.
 *
 * Common (self.c fiber.c stack.c group.c sync.c nudge.c lock.c turns.c addresses.c sock.c conn*.c tls*.c):
 * fibers, groups, timers, wait queues, deadlines, buffered connections, TLS. They know one
 * struct loop, the one of this thread, and the world functions below.
 * World (real_*.c or sim_*.c, linked alternatively): everything under "the world
 * gives", and of the public headers:
 *   rt.h    rt_run rt_loops rt_loop_id rt_files_max rt_reserve rt_die rt_pause rt_post rt_call rt_wait_signal
 *           rt_signals_end
 * rt_wall rt_random completion_* offload_* worker_* rt_wait_readable rt_stats (with loop_stats()) file.h
 * everything All else of rt.h, conn.h and tls.h is common.
 *
 * In the simulator one loop runs the fibers of all nodes on one thread: a fiber
 * has a node, inherited by what it starts; loop->node is the node of the code
 * that runs now. Timers remember it. Other callbacks (sock_watch) run
 * with loop->node set by the world. The real world leaves it NULL. */
#pragma once
#include <sys/uio.h>

#include "base/heap.h"
#include "base/map.h"
#include "conn.h"
#include "rt.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif

/* ---- switching stacks (switch.c) ---- */

struct context {
    void *sp;
    const void *bottom; /* lowest address and size of the stack: for ASan */
    size_t size;
    void *fake; /* ASan's fake stack while switched away */
};
/* Saves the present context in *from and continues *to. */
void context_switch(struct context *from, struct context *to);
/* The same for the last time: from's stack is not needed again. */
_Noreturn void context_leave(struct context *from, struct context *to);
/* A context that starts entry() on the stack; entry must never return. */
void context_make(struct context *c, void *bottom, size_t size, void (*entry)(void));
void context_landed(struct context *self, struct context *from); /* first thing in entry() */

/* ---- stacks (stack.c) ---- */

/* Lies at the high end of its own mapping, with the struct fiber just below. */
struct stack {
    struct link link; /* in the pool */
    char *bottom;     /* lowest usable byte; the guard is below */
    size_t size;      /* usable bytes below this struct */
};
struct stack_pool {
    struct link free; /* last used first */
    size_t size;      /* of new stacks, guard not counted; 0 = the default */
    size_t all, nfree;
    size_t most; /* deepest use seen */
};
struct stack *stack_take(struct stack_pool *p); /* NULL: the system gives no more */
void stack_give(struct stack_pool *p, struct stack *s);
void stack_pool_free(struct stack_pool *p);
/* Installs the handler, and this thread's alternate stack, that name the fiber on overflow. */
void stack_watch_thread(void);
void stack_unwatch_thread(void);

/* ---- timers ---- */

struct timer {
    struct heap_node node;
    void (*fn)(struct timer *);
    void *world_node;
};
void timer_set(struct timer *t, int64_t at, void (*fn)(struct timer *)); /* on this thread's loop */
void timer_clear(struct timer *t);                                       /* no effect when not set */

/* ---- fibers and loops (fiber.c) ---- */

/* What a group holds: its fibers, and its parked connections. */
struct member {
    struct link link;
    struct link parked;  /* in loop->parked when it stands for a parked connection */
    struct group *group; /* or NULL */
    void *node;
    void (*cancel)(struct member *);
};
struct waiter {
    struct link link; /* in a waitq */
    struct fiber *fiber;
};

enum fiber_state { FIBER_READY, FIBER_RUNNING, FIBER_WAITING, FIBER_WAITING_HARD, FIBER_ENDED };

struct fiber {
    struct context context;
    struct link ready; /* in loop->ready while FIBER_READY */
    struct link all;   /* in loop->fibers */
    struct member member;
    struct loop *loop;
    struct stack *stack;
    const char *name;
    fiber_fn *fn;
    void *arg;
    enum fiber_state state;
    bool canceled;
    bool shielded; /* cancel is noted but blocking calls go on (conn_close) */
    int wake_code;
    int64_t deadline;
    struct timer timer;
    size_t io_spent; /* bytes moved since the last suspension */
    unsigned breaths, refusals;
    struct err_slot err;
};

/* Something that others may still ask until the loop ends: freed by loop_free(). */
struct remains {
    struct link link;
    void (*free)(struct remains *);
};

struct loop {
    int id;
    void *node;            /* the simulated node whose code runs now */
    struct fiber *current; /* NULL: the loop itself, or a callback */
    struct context home;
    struct link ready; /* fibers that can run, in order */
    size_t nready;
    struct link fibers; /* all that live */
    size_t nfibers;
    struct link parked;  /* members that are parked connections */
    struct link remains; /* struct remains */
    size_t nparked;
    struct heap timers;
    int64_t now;        /* what rt_now() says; the world refreshes it each turn */
    int64_t slice_from; /* when the running fiber got the processor */
    size_t switches, turns;
    struct stack_pool stacks;
};

/* self.c. The loop of this thread, or NULL. Not inlined, so that no thread-local address
 * is kept over a switch. */
struct loop *loop_self(void);
void loop_set_self(struct loop *l);
struct fiber *fiber_self(void); /* NULL outside of fibers */

void loop_init(struct loop *l, int id, size_t stack_bytes);
void loop_free(struct loop *l); /* no fiber lives any more */
void loop_stats(const struct loop *l, struct rt_stats *add);
/* Switches from the loop into a fiber of loop->ready and returns when it suspends or ends. */
void loop_run_fiber(struct loop *l, struct fiber *f);
/* Runs what is ready now (what becomes ready meanwhile waits for the next turn). */
void loop_run_ready(struct loop *l);
int64_t loop_next_timer(const struct loop *l); /* RT_NEVER when there is none */
void loop_fire_timers(struct loop *l);         /* those due at loop->now */

/* A fiber outside of any group (g == NULL: the first of a program) or in g. NULL: no stack. It
 * is on loop->ready, with member.node = loop->node. */
struct fiber *fiber_start(struct group *g, const char *name, fiber_fn *fn, void *arg);
void fiber_cancel(struct fiber *f);
/* Cancels every fiber (but `except`) and parked connection whose node is `node`; with node NULL, all. */
void loop_cancel_all(struct loop *l, void *node, struct fiber *except);

/* Suspends the current fiber until fiber_wake(), its deadline or cancel: 0 or
 * the code given to fiber_wake(), ERR_TIMEOUT, ERR_CANCELED. Fails at once when
 * canceled or late. The caller then takes itself out of whatever it waits in. */
MUST_CHECK int fiber_block(void);
MUST_CHECK int fiber_check(void); /* what fiber_block() would fail with at once, else 0; may yield */
void fiber_block_hard(void);      /* not cut short by cancel or deadline */
/* False when f does not wait any more (something else woke it first). */
bool fiber_wake(struct fiber *f, int code);
/* Counts n bytes of I/O; suspends when this fiber has had its share. */
void fiber_spend(size_t n);

void group_join(struct group *g, struct member *m, void (*cancel)(struct member *));
void group_leave(struct member *m); /* wakes the waiter after the last one */

/* Number of struct locks this thread holds (asserted 0 on suspension). */
int locks_held(void);

/* A function run elsewhere (another fiber or thread) while its caller waits: its value comes
 * back, and the sentence that goes with an error. */
struct errand {
    int (*fn)(void *);
    void *arg;
    int result;
    char text[ERR_TEXT_MAX];
};
void errand_run(struct errand *e);   /* there */
int errand_result(struct errand *e); /* here, afterwards */

/* ---- who waits for a thread of a pool (turns.c) ---- */

struct turn { /* one that waits; belongs to whoever put it in */
    struct link link;
    uint64_t asker;
};
/* Turns by asker; each asker's own in order of coming. Not for use by two threads at once. */
struct turns {
    struct map lanes;  /* by asker, of those who wait */
    struct link order; /* the lanes, the next first */
};
void turns_init(struct turns *t);
void turns_free(struct turns *t); /* nobody waits any more */
void turns_put(struct turns *t, struct turn *x);
struct turn *turns_take(struct turns *t); /* NULL: nobody waits */

/* ---- the world gives ---- */

int64_t world_now(void); /* the clock behind rt_now(), not cached; any thread */

/* One non-blocking socket. A connection belongs to the loop that made it. Functions
 * return 0 or a count, SOCK_AGAIN, or ERR_* with the sentence set; none suspends. */
struct sock;
enum { SOCK_IN = 1, SOCK_OUT = 2 };
#define SOCK_AGAIN (-1000)

/* *at gets the real port when 0 was asked. */
MUST_CHECK int sock_listen(struct sock **out, struct endpoint *at);
/* The same listening socket for use (accept, watch) by the present loop. Closing a share leaves
 * the others; closing the socket of sock_listen() ends listening at once and frees the address. */
MUST_CHECK int sock_share(struct sock **out, struct sock *listening);
/* ERR_BUSY: descriptors or memory ran out, try again later. Other errors of the
 * single connection are passed over inside. */
MUST_CHECK int sock_accept(struct sock *l, struct sock **out, struct endpoint *peer);
/* Starts connecting: 0 = connected, SOCK_AGAIN = wait for SOCK_OUT, then ask sock_connected(),
 * whose sentence is the reason alone. */
MUST_CHECK int sock_connect(struct sock **out, const struct endpoint *to, const struct ip *from);
MUST_CHECK int sock_connected(struct sock *s);
MUST_CHECK int sock_peer_user(struct sock *s, uint32_t *user);
void sock_ack(struct sock *s); /* acknowledges at once what came; for this time only */
MUST_CHECK ssize_t sock_recv(struct sock *s, void *p, size_t n);            /* > 0; ERR_EOF at the end */
MUST_CHECK ssize_t sock_send(struct sock *s, const struct iovec *v, int n); /* > 0; ERR_EOF: peer is gone */
/* Nobody watches it; then it is of the loop that enters it, and of none between. */
void sock_leave(struct sock *s);
void sock_enter(struct sock *s);
/* What was sent still arrives (input left unread must not destroy it). *s becomes NULL. */
void sock_close(struct sock **s);
/* Calls fn(arg) once, from the loop, never from inside this call, when one of
 * `want` may succeed or the socket failed. One watch a socket: a new one replaces
 * the old, want = 0 ends it, and sock_close() too. */
void sock_watch(struct sock *s, int want, void (*fn)(void *arg), void *arg);

/* Waits with sock_watch (sock.c, common). SUSPENDS. 0, ERR_TIMEOUT, ERR_CANCELED. */
MUST_CHECK int sock_wait(struct sock *s, int want);
