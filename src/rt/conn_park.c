/* conn_park.c - a waiting connection holds no stack.
 *
 * A parked connection is a member of its group like a fiber: group_wait() waits
 * for it, and cancel makes it run again, canceled, so that it can clean up. */
#include "conn_i.h"

#include "base/log.h"

#define TRY_AGAIN (10 * RT_MS) /* when there was no stack to run on */

static void watch(struct conn *c);
static void run_again(struct conn *c);

static void on_timer(struct timer *t) { run_again(CONTAINER_OF(t, struct conn, timer)); }
static void on_cancel(struct member *m) { run_again(CONTAINER_OF(m, struct conn, member)); }

/* The fiber joins the group before the parked connection leaves it, so that its count never
 * touches 0 between. */
static void run_again(struct conn *c)
{
    struct loop *l = loop_self();
    void *node = l->node;
    l->node = c->member.node;
    sock_watch(c->sock, 0, NULL, NULL);
    struct fiber *f = fiber_start(c->member.group, "resumed", c->resume, c->resume_arg);
    l->node = node;
    if (!f) {
        timer_set(&c->timer, rt_now() + TRY_AGAIN, on_timer);
        return;
    }
    timer_clear(&c->timer);
    c->parked = false;
    list_remove(&c->member.parked);
    l->nparked--;
    group_leave(&c->member);
}

/* Bytes, an end or an error are taken here, so that the fiber sees them with conn_peek() and
 * conn_error(); TLS records that hold no data wake nobody. */
static bool arrived(struct conn *c)
{
    int sent = conn_try_send(c);
    if (sent && sent != SOCK_AGAIN) return true;
    return conn_receive(c, c->in_max) != SOCK_AGAIN;
}

static void on_ready(void *arg)
{
    struct conn *c = arg;
    if (arrived(c)) run_again(c);
    else watch(c);
}

static void watch(struct conn *c)
{
    int want = c->tls ? tls_link_wants(c->tls) : SOCK_IN;
    if (span_used(&c->out)) want |= SOCK_OUT;
    span_release(&c->in);
    sock_watch(c->sock, want, on_ready, c);
}

void conn_park(struct conn *c, struct group *g, int64_t until, fiber_fn *resume, void *arg)
{
    struct loop *l = loop_self();
    ASSERT(!c->parked && !c->waiting);
    c->resume = resume;
    c->resume_arg = arg;
    c->parked = true;
    c->member.node = l->node;
    list_init(&c->member.link);
    list_push(&l->parked, &c->member.parked);
    l->nparked++;
    flate_rest(c);
    bool now = conn_error(c) || span_used(&c->in) || arrived(c);
    group_join(g, &c->member, on_cancel); /* runs it again at once when g is canceled */
    if (!c->parked) return;
    if (now) {
        run_again(c);
        return;
    }
    if (until != RT_NEVER) timer_set(&c->timer, until, on_timer);
    watch(c);
}

void conn_wake(struct conn *c)
{
    if (c->parked) run_again(c);
}

bool conn_hurry(struct conn *c)
{
    if (!c->parked) return c->waiting && !c->rate && fiber_wake(c->waiting, ERR_TIMEOUT);
    conn_wake(c);
    return true;
}

void conn_abort(struct conn *c)
{
    if (!c->err) conn_fail(c, ERR_CANCELED);
    if (c->waiting) fiber_wake(c->waiting, ERR_CANCELED);
    conn_wake(c);
}
