/* net.c - the simulated network: segments that travel, wait, and get lost. */
#include "net_i.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"

enum { SEGMENT_MAX = 16 << 10, RETRIES = 15 };
#define RETRY_FIRST (200 * RT_MS)
#define RETRY_MOST (120 * RT_S)

struct segment {
    struct link link;
    enum segment_kind kind;
    int64_t due;
    size_t n;
    char data[];
};

/* ---- hosts ---- */

bool net_cut(const struct sim_node *a, const struct sim_node *b)
{
    LIST_EACH(struct cut, c, &the_sim->cuts, link)
    if ((c->a == a && c->b == b) || (c->a == b && c->b == a)) return true;
    return false;
}

void sim_partition(struct sim *s, struct sim_node *a, struct sim_node *b, bool cut)
{
    LIST_EACH(struct cut, c, &s->cuts, link)
    {
        if (!((c->a == a && c->b == b) || (c->a == b && c->b == a))) continue;
        list_remove(&c->link);
        free(c);
    }
    if (!cut) return;
    struct cut *c = xcalloc(1, sizeof *c);
    c->a = a;
    c->b = b;
    list_push(&s->cuts, &c->link);
}

int64_t net_delay(const struct sim_node *a, const struct sim_node *b)
{
    struct sim *s = the_sim;
    if (a == b) return rng_between(&s->net, 10 * RT_US, 50 * RT_US);
    if (!s->faults.delay_max) return rng_between(&s->net, 200 * RT_US, 20 * RT_MS);
    return rng_between(&s->net, s->faults.delay_min, s->faults.delay_max);
}

/* ---- arrival ---- */

static void drop_segments(struct sock *s)
{
    struct link *l;
    while ((l = list_shift(&s->segments))) free(CONTAINER_OF(l, struct segment, link));
    s->flying = 0;
    timer_clear(&s->arrival);
}

void net_fail(struct sock *s, int e)
{
    if (!s->error) s->error = e;
    drop_segments(s);
    net_ring(s);
}

/* The sender has tried long enough. The receiver learns nothing of it. */
static void give_up(struct sock *to)
{
    struct sock *from = to->peer;
    drop_segments(to);
    to->peer = NULL;
    if (!from) return;
    from->peer = NULL;
    net_fail(from, ERR_TIMEOUT);
}

static void take_in(struct sock *s, const struct segment *g)
{
    s->flying -= g->n;
    sim_note(EV_ARRIVE, s->id, g->n << 2 | g->kind);
    if (g->kind == SEG_DATA) buf_bytes(&s->in, g->data, g->n);
    else if (g->kind == SEG_FIN) s->eof = true;
    else if (!s->error) s->error = ERR_EOF;
}

static void arrive(struct timer *t)
{
    struct sock *s = CONTAINER_OF(t, struct sock, arrival);
    struct sim *w = the_sim;
    w->loop.node = s->prog->on_loop;
    if (s->far != s->prog->node && net_cut(s->far, s->prog->node)) {
        int64_t wait = s->tries < 10 ? RETRY_FIRST << s->tries : RETRY_MOST;
        if (++s->tries > RETRIES) give_up(s);
        else timer_set(t, w->now + (wait < RETRY_MOST ? wait : RETRY_MOST), arrive);
        return;
    }
    s->tries = 0;
    if (s->state == SOCK_SYN_ANSWERED) s->state = SOCK_OPEN; /* as good as the answer */
    while (!list_empty(&s->segments)) {
        struct segment *g = CONTAINER_OF(s->segments.next, struct segment, link);
        if (g->due > w->now) {
            timer_set(t, g->due, arrive);
            break;
        }
        list_remove(&g->link);
        take_in(s, g);
        free(g);
    }
    net_ring(s);
}

void net_segment(struct sock *to, enum segment_kind kind, const char *p, size_t n)
{
    struct sim *w = the_sim;
    struct segment *g = xmalloc(sizeof *g + n);
    *g = (struct segment){.kind = kind, .n = n};
    if (n) memcpy(g->data, p, n);
    g->due = w->now + net_delay(to->prog->node, to->far);
    if (to->prog->node != to->far && rng_chance(&w->net, w->faults.stall)) {
        g->due += rng_between(&w->net, 60 * RT_S, 600 * RT_S);
        sim_note(EV_FAULT, to->id, 0);
    }
    to->flying += n;
    bool first = list_empty(&to->segments);
    list_push(&to->segments, &g->link);
    sim_note(EV_SEND, to->id, n ? sl_hash(sl(p, n)) : kind);
    if (first) timer_set(&to->arrival, g->due, arrive);
}

void net_reset(struct sock *s, bool tell_it, bool tell_peer)
{
    struct sock *peer = s->peer;
    sim_note(EV_RESET, s->id, 0);
    s->peer = NULL;
    if (tell_it && !s->doomed) {
        s->doomed = true;
        net_segment(s, SEG_RESET, NULL, 0);
    }
    if (!peer) return;
    peer->peer = NULL;
    if (tell_peer && !peer->doomed) {
        peer->doomed = true;
        net_segment(peer, SEG_RESET, NULL, 0);
    }
}

/* ---- sending and receiving ---- */

size_t net_space(const struct sock *s)
{
    size_t used = s->peer ? s->peer->flying + s->peer->in.n : s->lost; /* lost: until the reset arrives */
    return used < WINDOW ? WINDOW - used : 0;
}

static int failure(const struct sock *s)
{
    switch (s->error) {
    case ERR_REFUSED: return err_set(s->error, "the connection was refused");
    case ERR_UNREACHABLE: return err_set(s->error, "there is no way to this address");
    case ERR_TIMEOUT: return err_set(s->error, "the host does not answer");
    case ERR_CANCELED: return err_set(s->error, "the node %s has lost its power", s->prog->node->name);
    default: return err_set(s->error, "the other side reset the connection");
    }
}

int sock_connected(struct sock *s)
{
    if (s->error) return failure(s);
    return s->state == SOCK_OPEN ? 0 : SOCK_AGAIN;
}

void sock_ack(struct sock *s) { (void)s; }

ssize_t sock_recv(struct sock *s, void *p, size_t n)
{
    ASSERT(s->loop == rt_loop_id());
    if (s->error == ERR_CANCELED) return failure(s);
    if (s->in.n) {
        if (n > s->in.n) n = s->in.n;
        memcpy(p, s->in.p, n);
        buf_drop(&s->in, n);
        if (s->peer) net_ring(s->peer); /* there is room again */
        return (ssize_t)n;
    }
    if (s->eof) return err_set(ERR_EOF, "the other side closed the connection");
    return s->error ? failure(s) : SOCK_AGAIN;
}

/* Sends n bytes in segments, unless a fault breaks the connection. */
static void send_bytes(struct sock *s, const char *p, size_t n)
{
    struct sim *w = the_sim;
    while (n) {
        size_t k = n < SEGMENT_MAX ? n : SEGMENT_MAX;
        if (rng_below(&w->net, 8) == 0) k = 1 + (size_t)rng_below(&w->net, k);
        if (s->far != s->prog->node && rng_chance(&w->net, w->faults.reset)) {
            sim_note(EV_FAULT, s->id, 1);
            net_reset(s, true, true);
            return;
        }
        net_segment(s->peer, SEG_DATA, p, k);
        p += k;
        n -= k;
    }
}

ssize_t sock_send(struct sock *s, const struct iovec *v, int n)
{
    ASSERT(s->loop == rt_loop_id());
    if (s->error) return failure(s);
    if (s->state != SOCK_OPEN) return SOCK_AGAIN;
    size_t space = net_space(s), sent = 0;
    if (!space) return SOCK_AGAIN;
    if (rng_below(&the_sim->net, 16) == 0) space = 1 + (size_t)rng_below(&the_sim->net, space);
    for (int i = 0; i < n && sent < space; i++) {
        size_t k = v[i].iov_len < space - sent ? v[i].iov_len : space - sent;
        if (s->peer) send_bytes(s, v[i].iov_base, k);
        else net_reset(s, true, false);
        if (!s->peer) s->lost += k;
        sent += k;
    }
    return (ssize_t)sent;
}
