/* real_loop.c - the real loops there are, and what threads give them: messages and completions. */
#include "real_i.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"

static struct real_loop *loops;
static int nloops;

struct real_loop *real_loop_at(int id)
{
    ASSERT(id >= 0 && id < nloops);
    return &loops[id];
}

int rt_loops(void) { return nloops; }

int rt_loop_id(void)
{
    struct loop *l = loop_self();
    return l ? l->id : -1;
}

void rt_stats(struct rt_stats *out)
{
    *out = (struct rt_stats){0};
    for (int i = 0; i < nloops; i++) loop_stats(&loops[i].loop, out);
}

/* ---- messages ---- */

static void kick(struct real_loop *l)
{
    if (!__atomic_exchange_n(&l->asleep, 0, __ATOMIC_SEQ_CST)) return;
    uint64_t one = 1;
    ssize_t n = write(l->event, &one, sizeof one);
    (void)n; /* the counter cannot be full: it is read each time */
}

static void real_post(struct real_loop *l, struct message *m)
{
    PUSH_CHAIN(&l->messages, m, m);
    if (loop_self() != &l->loop) kick(l);
}

void real_complete(int loop, struct completion *first, struct completion *last)
{
    struct real_loop *l = real_loop_at(loop);
    PUSH_CHAIN(&l->completed, first, last);
    if (loop_self() != &l->loop) kick(l);
}

void real_read_inbox(struct real_loop *l)
{
    struct message *m;
    struct completion *c;
    TAKE_IN_ORDER(struct message, &l->messages, &m);
    while (m) {
        struct message *next = m->next;
        m->fn(m->arg);
        free(m);
        m = next;
    }
    TAKE_IN_ORDER(struct completion, &l->completed, &c);
    while (c) {
        struct completion *next = c->next; /* the waiter owns c and may be gone once it runs */
        struct fiber *f = c->fiber;
        c->done = 1;
        if (f) fiber_wake(f, 0);
        c = next;
    }
}

bool real_inbox_empty(struct real_loop *l)
{
    return !__atomic_load_n(&l->messages, __ATOMIC_SEQ_CST) &&
           !__atomic_load_n(&l->completed, __ATOMIC_SEQ_CST);
}

void rt_post(int loop, void (*fn)(void *), void *arg)
{
    struct message *m = xmalloc(sizeof *m);
    *m = (struct message){.fn = fn, .arg = arg};
    real_post(real_loop_at(loop), m);
}

/* ---- begin and end ---- */

static void open_loop(struct real_loop *l, int id, size_t stack_bytes)
{
    loop_init(&l->loop, id, stack_bytes);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ASSERT(l->epoll >= 0 && l->event >= 0);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET};
    ASSERT(epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->event, &e) == 0);
    l->messages = NULL;
    l->completed = NULL;
    l->asleep = 0;
    l->stop = false;
    list_init(&l->due);
}

static void close_loop(struct real_loop *l)
{
    struct message *m;
    TAKE_IN_ORDER(struct message, &l->messages, &m);
    for (struct message *next; m; m = next) { /* posted too late to run */
        next = m->next;
        free(m);
    }
    close(l->epoll);
    close(l->event);
    loop_free(&l->loop);
}

void real_loops_open(int n, size_t stack_bytes)
{
    nloops = n;
    loops = xcalloc((size_t)n, sizeof *loops);
    for (int i = 0; i < n; i++) open_loop(&loops[i], i, stack_bytes);
}

void real_loops_close(void)
{
    for (int i = 0; i < nloops; i++) close_loop(&loops[i]);
    free(loops);
    loops = NULL;
    nloops = 0;
}
