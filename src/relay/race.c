/* race.c - connecting to one of several addresses of a host (RFC 8305): who is silent costs a quarter of a
 * second, not the time that a connection may take. */
#include <stdio.h>

#include "relay_i.h"

#define NEXT_AFTER (250 * RT_MS) /* RFC 8305 section 5: the Connection Attempt Delay */

struct runner {
    struct race *race;
    size_t i;
    struct conn *c;
    int e;
    bool done;
};

static void run(void *arg)
{
    struct runner *x = arg;
    struct race *r = x->race;
    (void)deadline_narrow(r->until);
    x->e = via_dial(r->conf, &r->to[x->i], &x->c, &r->part[x->i]);
    if (x->e) snprintf(r->why[x->i], sizeof r->why[x->i], "%s", err_text(x->e));
    x->done = true;
    waitq_wake_all(&r->news);
}

static void start(struct race *r, struct group *g, struct runner *x, size_t i)
{
    x[i] = (struct runner){.race = r, .i = i};
    x[i].e = group_go(g, "dial", run, &x[i]);
    if (!x[i].e) return;
    snprintf(r->why[i], sizeof r->why[i], "%s", err_text(x[i].e));
    x[i].done = true;
}

/* How many have failed; *winner: the first that is connected. */
static size_t look(const struct runner *x, size_t begun, size_t *winner)
{
    size_t failed = 0;
    for (size_t i = 0; i < begun; i++) {
        failed += x[i].done && x[i].e;
        if (x[i].done && !x[i].e && *winner == RACE_NOBODY) *winner = i;
    }
    return failed;
}

/* False: it is over, by time or because nobody wants it any more. */
static bool wait_for_news(struct race *r, int64_t until)
{
    int64_t before = deadline_narrow(until);
    int e = waitq_wait(&r->news);
    deadline_restore(before);
    return e != ERR_CANCELED && rt_now() < r->until;
}

/* What became of each; whoever is connected and has not won goes. */
static int settle(struct race *r, struct runner *x, size_t begun)
{
    bool over = rt_now() >= r->until;
    int last = ERR_CANCELED;
    for (size_t i = 0; i < begun; i++) {
        r->late[i] = x[i].e == ERR_CANCELED || (!x[i].e && i != r->winner);
        if (i == r->winner) r->c = x[i].c;
        else if (x[i].c) conn_close(&x[i].c);
        if (x[i].e && (x[i].e != ERR_CANCELED || over)) {
            r->late[i] = false;
            r->e[i] = last = x[i].e == ERR_CANCELED ? ERR_TIMEOUT : x[i].e;
        }
    }
    return r->winner != RACE_NOBODY ? 0 : last;
}

int race_run(struct race *r)
{
    struct runner x[MX_ADDRESSES_MAX] = {{0}};
    struct group g;
    size_t begun = 0;
    int64_t next = 0;
    bool on = true;
    group_init(&g);
    waitq_init(&r->news);
    r->winner = RACE_NOBODY;
    while (on) {
        size_t failed = look(x, begun, &r->winner);
        if (r->winner != RACE_NOBODY || failed == r->n) break;
        if (begun < r->n && (failed == begun || rt_now() >= next)) {
            next = rt_now() + NEXT_AFTER;
            start(r, &g, x, begun++);
        } else {
            on = wait_for_news(r, begun < r->n ? next : r->until);
        }
    }
    group_cancel(&g);
    (void)group_wait(&g);
    return settle(r, x, begun);
}
