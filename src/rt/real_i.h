/* real_i.h - inside the real world: loops on threads with epoll. */
#pragma once
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* the first include of each real_*.c is this file */
#endif
#include <pthread.h>

#include "rt_i.h"

struct message {
    struct message *next;
    void (*fn)(void *);
    void *arg;
};

/* Puts a chain (first to last by next) on an inbox, which is a stack: last in first. Any thread. */
#define PUSH_CHAIN(stack, first, last)                                                                       \
    do {                                                                                                     \
        (last)->next = __atomic_load_n(stack, __ATOMIC_RELAXED);                                             \
    } while (                                                                                                \
        !__atomic_compare_exchange_n(stack, &(last)->next, first, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
/* Empties an inbox into *out, in order of arrival. By its owner alone. */
#define TAKE_IN_ORDER(type, stack, out)                                                                      \
    do {                                                                                                     \
        *(out) = NULL;                                                                                       \
        for (type *x = __atomic_exchange_n(stack, NULL, __ATOMIC_ACQUIRE), *next; x; x = next) {             \
            next = x->next;                                                                                  \
            x->next = *(out);                                                                                \
            *(out) = x;                                                                                      \
        }                                                                                                    \
    } while (0)

/* A loop and what other threads give it. The two inboxes are stacks, last first. */
struct real_loop {
    struct loop loop; /* first */
    pthread_t thread;
    int epoll, event;
    int asleep; /* it waits in epoll: whoever sets this to 0 writes to event */
    bool stop;
    struct message *messages;
    struct completion *completed;
    struct link due; /* sockets whose watch is to be called without a new event */
};

static inline struct real_loop *real_self(void) { return (struct real_loop *)loop_self(); }

/* real_loop.c. All loops, from rt_run() to its end. */
void real_loops_open(int n, size_t stack_bytes);
void real_loops_close(void);
struct real_loop *real_loop_at(int id);
/* Gives a chain (first to last by next) to its loop and wakes that. Any thread. */
void real_complete(int loop, struct completion *first, struct completion *last);

/* On the loop's own thread: what was given to it runs. */
void real_read_inbox(struct real_loop *l);
bool real_inbox_empty(struct real_loop *l);

/* real_completion.c. A waiter that is no fiber sleeps on `done` itself; c may be gone once it is set. */
void real_signal_thread(struct completion *c);

/* real_sock.c: for the loop's turn */
void real_sock_event(void *sock, uint32_t events);
void real_sock_due(struct real_loop *l);

/* real_pool.c: the threads of offload_on() */
void real_pools_start(int loops, int disk_threads);
void real_pools_stop(void);

/* real_log.c: the thread that writes log lines */
void real_log_start(void);
void real_log_stop(void);

/* real_thread.c. Starts a thread with every signal blocked but those of faults; ends the process when it
 * cannot. */
pthread_t real_thread(const char *name, void *(*fn)(void *), void *arg);

void futex_wait(int *word, int while_it_is);
void futex_wait_for(int *word, int while_it_is, int64_t ns);
void futex_wake(int *word, int most);
