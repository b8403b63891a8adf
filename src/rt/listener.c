/* listener.c - accepting connections on every loop from one listening socket.
 *
 * Each loop has a share of the listener, from its first accept to the accept that
 * ends with an error. Accept loops on several threads cannot all be told in time
 * that the listener closes, so what is left of it, a few hundred bytes, stays
 * with the closing loop until that ends: whoever still asks hears ERR_CANCELED. */
#include "conn_i.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"

#define EXHAUSTED_PAUSE (50 * RT_MS)
enum { ACCEPT_COST = 4096 }; /* counts as so many bytes moved: others get their turn after 16 */

struct share {
    struct share *next;
    struct listener *listener;
    struct sock *sock; /* NULL: closed */
    struct fiber *waiting;
    bool inside; /* a fiber is in listener_accept() */
    int loop;
};

struct listener {
    struct remains remains; /* once it is closed */
    struct sock *sock;
    struct endpoint at;
    struct lock lock;
    struct share *shares; /* under lock */
    bool closed;          /* under lock */
};

int listener_open(struct listener **out, const struct endpoint *at)
{
    struct endpoint real = *at;
    struct sock *s;
    int e = sock_listen(&s, &real);
    if (e) return e;
    struct listener *l = xcalloc(1, sizeof *l);
    l->sock = s;
    l->at = real;
    *out = l;
    return 0;
}

const struct endpoint *listener_at(const struct listener *l) { return &l->at; }

/* On the share's own loop. A fiber inside of accept notices, and closes the socket itself. */
static void close_share(void *arg)
{
    struct share *s = arg;
    if (s->waiting) fiber_wake(s->waiting, ERR_CANCELED);
    else if (!s->inside) sock_close(&s->sock);
}

static void free_listener(struct remains *r)
{
    struct listener *l = CONTAINER_OF(r, struct listener, remains);
    for (struct share *s = l->shares, *next; s; s = next) {
        next = s->next;
        sock_close(&s->sock);
        free(s);
    }
    free(l);
}

void listener_close(struct listener **out)
{
    struct listener *l = *out;
    struct loop *loop = loop_self();
    if (!l) return;
    *out = NULL;
    lock_take(&l->lock);
    l->closed = true;
    sock_close(&l->sock);
    for (struct share *s = l->shares; s; s = s->next) {
        if (loop && s->loop == rt_loop_id()) close_share(s);
        else rt_post(s->loop, close_share, s);
    }
    lock_release(&l->lock);
    l->remains.free = free_listener;
    if (loop) list_push(&loop->remains, &l->remains.link);
    else free_listener(&l->remains);
}

static struct share *my_share(struct listener *l)
{
    struct share *s;
    lock_take(&l->lock);
    for (s = l->shares; s && s->loop != rt_loop_id(); s = s->next) continue;
    if (!s) {
        s = xcalloc(1, sizeof *s);
        *s = (struct share){.next = l->shares, .listener = l, .loop = rt_loop_id()};
        l->shares = s;
    }
    lock_release(&l->lock);
    return s;
}

/* The memory goes in a later turn: a close_share() may be on its way to it. */
static void drop_share(struct share *s)
{
    struct listener *l = s->listener;
    sock_close(&s->sock);
    lock_take(&l->lock);
    struct share **at = &l->shares;
    while (*at != s) at = &(*at)->next;
    *at = s->next;
    lock_release(&l->lock);
    rt_post(s->loop, free, s);
}

/* The share's socket, made when missing; ERR_CANCELED once the listener is closed. */
static int open_share(struct share *s)
{
    struct listener *l = s->listener;
    int e = 0;
    lock_take(&l->lock);
    if (l->closed) e = ERR_CANCELED;
    else if (!s->sock) e = sock_share(&s->sock, l->sock);
    lock_release(&l->lock);
    return e == ERR_CANCELED ? err_set(e, "the listener was closed") : e;
}

static int wait_for_caller(struct share *s)
{
    s->waiting = fiber_self();
    int e = sock_wait(s->sock, SOCK_IN);
    s->waiting = NULL;
    return e;
}

static int try_accept(struct share *s, struct conn **out)
{
    struct sock *sock;
    struct endpoint peer;
    int e = open_share(s);
    if (!e) e = sock_accept(s->sock, &sock, &peer);
    if (e) return e;
    *out = conn_make(sock);
    (*out)->peer = peer;
    return 0;
}

int listener_accept(struct listener *l, struct conn **out)
{
    struct share *s = my_share(l);
    bool told = false;
    ASSERT(!s->inside && "one fiber of a loop accepts");
    s->inside = true;
    int e = fiber_check();
    while (!e) {
        e = try_accept(s, out);
        if (!e) {
            fiber_spend(ACCEPT_COST);
            s->inside = false;
            return 0;
        }
        if (e == SOCK_AGAIN) {
            e = wait_for_caller(s);
        } else if (e == ERR_BUSY) {
            if (!told) log_warn("rt", "%s; trying again", err_text(e));
            told = true;
            e = fiber_sleep(EXHAUSTED_PAUSE);
        }
    }
    drop_share(s);
    return e;
}
