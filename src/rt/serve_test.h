/* serve_test.h - for tests, in the simulator too: a server at an address, whatever it speaks. */
#pragma once
#include <stdlib.h>

#include "base/arena.h"
#include "base/test.h"
#include "conn.h"
#include "rt.h"

struct serving {
    /* In a fiber of `sessions`; closes c, or gives it to who does. */
    void (*session)(struct serving *s, struct conn *c);
    void *ctx;
    struct listener *l;
    struct group sessions, accepting;
};
struct served {
    struct serving *s;
    struct conn *c;
};

static inline void serving_session(void *arg)
{
    struct served x = *(struct served *)arg;
    free(arg);
    x.s->session(x.s, x.c);
}

/* In this fiber, until it is late or canceled. */
static inline void serving_accept(struct serving *s)
{
    struct conn *c;
    while (listener_accept(s->l, &c) == 0) {
        struct served *x = xmalloc(sizeof *x);
        *x = (struct served){s, c};
        CHECK_OK(group_go(&s->sessions, "session", serving_session, x));
    }
}

/* session and ctx are set. */
static inline int serving_listen(struct serving *s, const char *at)
{
    struct endpoint e;
    group_init(&s->sessions);
    group_init(&s->accepting);
    return endpoint_parse(sl_cstr(at), &e) ? listener_open(&s->l, &e) : err_set(ERR_SYNTAX, "no endpoint");
}

static inline void serving_fiber(void *s) { serving_accept(s); }

static inline int serving_start(struct serving *s, const char *at)
{
    int e = serving_listen(s, at);
    return e ? e : group_go(&s->accepting, "accept", serving_fiber, s);
}

/* Nobody is accepted any more, and the sessions there are end; it can be started again. Harmless when it was
 * not started. */
static inline void serving_stop(struct serving *s)
{
    if (!s->l) return;
    group_cancel(&s->accepting);
    (void)group_wait(&s->accepting);
    group_cancel(&s->sessions);
    (void)group_wait(&s->sessions);
    listener_close(&s->l);
}

/* The whole of a node of the simulator that serves: until its fiber is late or canceled. An error: it does
 * not listen. */
static inline int serving_run(struct serving *s, const char *at)
{
    int e = serving_listen(s, at);
    if (!e) serving_accept(s);
    serving_stop(s);
    return e;
}
