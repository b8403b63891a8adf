/* sock.c - how simulated sockets come to be and go: listening, connecting, accepting,
 * watching, closing. */
#include "net_i.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"

enum { SYN_TRIES = 6 };

struct sock *sock_new(struct sim_prog *p, enum sock_state state)
{
    struct sock *s = xcalloc(1, sizeof *s);
    s->prog = p;
    s->state = state;
    s->loop = rt_loop_id();
    s->id = ++the_sim->socks;
    list_init(&s->of_port);
    list_init(&s->ringing);
    list_init(&s->segments);
    list_push(&p->socks, &s->link);
    return s;
}

void sock_free(struct sock *s)
{
    net_fail(s, ERR_CANCELED);
    timer_clear(&s->dial);
    list_remove(&s->link);
    list_remove(&s->of_port);
    list_remove(&s->ringing);
    buf_free(&s->in);
    free(s);
}

/* ---- watches ---- */

static bool is_due(const struct sock *s)
{
    if (s->error) return true;
    if (s->state == SOCK_LISTENING) return s->port && s->port->nbacklog;
    if (s->state != SOCK_OPEN) return false;
    return ((s->want & SOCK_IN) && (s->in.n || s->eof)) || ((s->want & SOCK_OUT) && net_space(s));
}

void net_ring(struct sock *s)
{
    if (s->want && is_due(s) && list_empty(&s->ringing)) list_push(&the_sim->ringing, &s->ringing);
}

void sock_watch(struct sock *s, int want, void (*fn)(void *), void *arg)
{
    ASSERT(!want || s->loop == rt_loop_id());
    list_remove(&s->ringing);
    s->want = want;
    s->watcher = the_sim->loop.node;
    s->fn = fn;
    s->arg = arg;
    net_ring(s);
}

void sock_leave(struct sock *s)
{
    ASSERT(!s->want && s->loop == rt_loop_id());
    s->loop = ON_NO_LOOP;
}

void sock_enter(struct sock *s)
{
    ASSERT(!s->want && s->loop == ON_NO_LOOP);
    s->loop = rt_loop_id();
}

void sim_ring_all(struct sim *w)
{
    size_t n = 0;
    LIST_EACH(struct sock, s, &w->ringing, ringing) n += s != NULL;
    for (; n && !list_empty(&w->ringing); n--) {
        struct sock *s = CONTAINER_OF(list_shift(&w->ringing), struct sock, ringing);
        if (!s->want || !is_due(s)) continue;
        s->want = 0;
        w->loop.now = ++w->now;
        w->loop.node = s->watcher;
        s->fn(s->arg);
        w->loop.node = NULL;
    }
}

/* ---- addresses ---- */

static bool owns(const struct sim_node *n, const struct ip *ip)
{
    for (size_t i = 0; i < n->nip; i++)
        if (ip_eq(&n->ip[i], ip)) return true;
    return false;
}

/* The host that answers at ip for somebody on node `self`, or NULL. Any loopback address
 * that no node was given is one's own. */
static struct sim_node *host_of(struct sim_node *self, const struct ip *ip)
{
    if (ip_is_unspecified(ip) || owns(self, ip)) return self;
    LIST_EACH(struct sim_node, n, &the_sim->nodes, link)
    if (owns(n, ip)) return n;
    return ip_is_loopback(ip) ? self : NULL;
}

static uint16_t free_port(struct sim_node *n)
{
    if (n->next_port < 32768) n->next_port = 32768;
    return n->next_port++;
}

/* The address from which a connection leaves. */
static int source(struct sim_node *n, const struct ip *to, const struct ip *from, struct ip *out)
{
    if (from && from->family) {
        *out = *from;
        if (host_of(n, from) == n) return 0;
        return err_set(ERR_UNREACHABLE, "the source address is not one of %s", n->name);
    }
    if (host_of(n, to) == n) {
        *out = *to;
        return 0;
    }
    for (size_t i = 0; i < n->nip; i++)
        if (n->ip[i].family == to->family) {
            *out = n->ip[i];
            return 0;
        }
    return err_set(ERR_UNREACHABLE, "%s has no address of IPv%d", n->name, to->family);
}

/* ---- listening ---- */

static bool same_ip(const struct ip *listening, const struct ip *asked, bool both_ways)
{
    if (listening->family != asked->family) return false;
    if (ip_eq(listening, asked) || ip_is_unspecified(listening)) return true;
    return both_ways && ip_is_unspecified(asked);
}

static struct port *port_at(struct sim_node *n, const struct endpoint *at, bool both_ways)
{
    LIST_EACH(struct port, p, &the_sim->ports, link)
    {
        if (p->prog->node != n || p->prog->dead) continue;
        if (at->path[0] || p->at.path[0]) {
            if (strcmp(at->path, p->at.path) == 0) return p;
        } else if (p->at.port == at->port && same_ip(&p->at.ip, &at->ip, both_ways)) return p;
    }
    return NULL;
}

static int may_listen(struct sim_node *n, struct endpoint *at)
{
    char text[ENDPOINT_TEXT_MAX];
    if (!at->path[0] && host_of(n, &at->ip) != n)
        return err_set(ERR_UNREACHABLE, "%s is not an address of %s", endpoint_format(at, text), n->name);
    if (!at->path[0] && !at->port) do
            at->port = free_port(n);
        while (port_at(n, at, true));
    if (port_at(n, at, true)) return err_set(ERR_BUSY, "%s is in use already", endpoint_format(at, text));
    return 0;
}

static struct sock *handle(struct port *p)
{
    struct sock *s = sock_new(p->prog, SOCK_LISTENING);
    s->port = p;
    s->local = p->at;
    list_push(&p->handles, &s->of_port);
    return s;
}

/* Nobody hands sockets over to a simulated program, and no port is out of its reach. */
int listener_reserve(const struct endpoint *at)
{
    (void)at;
    return 0;
}

int listener_inherit(int fd)
{
    (void)fd;
    return err_set(ERR_UNSUPPORTED, "nothing is handed over in the simulator");
}

void listener_rest(void) {}

int sock_listen(struct sock **out, struct endpoint *at)
{
    struct sim_prog *prog = sim_prog_now();
    int e = sim_alive();
    if (!e) e = may_listen(prog->node, at);
    if (e) return e;
    struct port *p = xcalloc(1, sizeof *p);
    p->prog = prog;
    p->at = *at;
    list_init(&p->handles);
    list_init(&p->backlog);
    list_push(&the_sim->ports, &p->link);
    *out = handle(p);
    return 0;
}

int sock_share(struct sock **out, struct sock *listening)
{
    if (listening->error) return sock_connected(listening);
    *out = handle(listening->port);
    return 0;
}

/* Nobody accepts here any more. */
static void port_close(struct port *p)
{
    LIST_EACH(struct sock, s, &p->backlog, of_port)
    {
        net_reset(s, false, true);
        sock_free(s);
    }
    LIST_EACH(struct sock, s, &p->handles, of_port)
    {
        list_remove(&s->of_port);
        s->port = NULL;
    }
    list_remove(&p->link);
    free(p);
}

static bool no_descriptor(void)
{
    if (!rng_chance(&the_sim->net, the_sim->faults.no_descriptor)) return false;
    sim_note(EV_FAULT, 0, 0);
    return true;
}

int sock_accept(struct sock *l, struct sock **out, struct endpoint *peer)
{
    if (l->error) return sock_connected(l);
    if (!l->port->nbacklog) return SOCK_AGAIN;
    if (no_descriptor()) return err_set(ERR_BUSY, "cannot accept a connection: no descriptor is left");
    struct sock *s = CONTAINER_OF(list_shift(&l->port->backlog), struct sock, of_port);
    l->port->nbacklog--;
    s->port = NULL;
    s->loop = rt_loop_id();
    *peer = s->remote;
    *out = s;
    return 0;
}

/* ---- connecting ---- */

static void answer_arrives(struct timer *t);

static void dial_fails(struct sock *s, int e)
{
    s->error = e;
    sim_note(EV_REFUSE, s->id, (uint64_t)-e);
    net_ring(s);
}

/* The packet got lost: again after one second, two, four ... */
static void dial_again(struct sock *s, void (*what)(struct timer *))
{
    if (s->tries > SYN_TRIES) dial_fails(s, ERR_TIMEOUT);
    else timer_set(&s->dial, the_sim->now + (RT_S << s->tries++), what);
}

static void connect_to(struct sock *s, struct port *p)
{
    struct sock *q = sock_new(p->prog, SOCK_OPEN);
    q->loop = ON_NO_LOOP;
    q->local = s->remote;
    q->remote = s->local;
    q->far = s->prog->node;
    q->peer = s;
    s->peer = q;
    q->port = p;
    list_push(&p->backlog, &q->of_port);
    p->nbacklog++;
    LIST_EACH(struct sock, h, &p->handles, of_port) net_ring(h);
}

static void syn_arrives(struct timer *t)
{
    struct sock *s = CONTAINER_OF(t, struct sock, dial);
    struct sim *w = the_sim;
    w->loop.node = s->prog->on_loop;
    bool away = s->far != s->prog->node;
    if (away && (!s->far->up || net_cut(s->prog->node, s->far))) {
        dial_again(s, syn_arrives);
        return;
    }
    struct port *p = port_at(s->far, &s->remote, false);
    bool refused = !p || (away && rng_chance(&w->net, w->faults.refuse));
    if (!refused && p->nbacklog >= BACKLOG) {
        dial_again(s, syn_arrives);
        return;
    }
    s->state = refused ? SOCK_SYN_REFUSED : SOCK_SYN_ANSWERED;
    if (!refused) connect_to(s, p);
    timer_set(t, w->now + net_delay(s->prog->node, s->far), answer_arrives);
}

static void answer_arrives(struct timer *t)
{
    struct sock *s = CONTAINER_OF(t, struct sock, dial);
    the_sim->loop.node = s->prog->on_loop;
    if (s->state == SOCK_OPEN) return;
    if (s->far != s->prog->node && net_cut(s->prog->node, s->far)) dial_again(s, answer_arrives);
    else if (s->state == SOCK_SYN_REFUSED) dial_fails(s, ERR_REFUSED);
    else {
        s->state = SOCK_OPEN;
        net_ring(s);
    }
}

static void no_route(struct timer *t)
{
    struct sock *s = CONTAINER_OF(t, struct sock, dial);
    the_sim->loop.node = s->prog->on_loop;
    dial_fails(s, ERR_UNREACHABLE);
}

int sock_connect(struct sock **out, const struct endpoint *to, const struct ip *from)
{
    struct sim_prog *p = sim_prog_now();
    struct sim_node *n = p->node;
    struct endpoint local = {0};
    int e = sim_alive();
    if (!e && !to->path[0]) e = source(n, &to->ip, from, &local.ip);
    if (!e && no_descriptor()) e = err_set(ERR_BUSY, "cannot connect: no descriptor is left");
    if (e) return e;
    if (!to->path[0]) local.port = free_port(n);
    struct sock *s = *out = sock_new(p, SOCK_SYN_SENT);
    s->local = local;
    s->remote = *to;
    s->far = to->path[0] ? n : host_of(n, &to->ip);
    sim_note(EV_CONNECT, s->id, to->port);
    timer_set(&s->dial, the_sim->now + net_delay(n, s->far), s->far ? syn_arrives : no_route);
    return SOCK_AGAIN;
}

int sock_peer_user(struct sock *s, uint32_t *user)
{
    *user = 0; /* a node has one user */
    return s->remote.path[0] || s->local.path[0] ? 0
                                                 : err_set(ERR_UNSUPPORTED, "only a Unix socket has users");
}

/* ---- the end ---- */

/* Its place in the world goes: the port it listened at, the stream it was an end of. */
static void leave(struct sock *s, bool reset)
{
    timer_clear(&s->dial);
    if (s->state == SOCK_LISTENING) {
        struct port *p = s->port;
        s->port = NULL;
        list_remove(&s->of_port);
        if (p && list_empty(&p->handles)) port_close(p);
        return;
    }
    if (!s->peer) return;
    if (reset || s->state != SOCK_OPEN) {
        net_reset(s, false, true);
        return;
    }
    net_segment(s->peer, SEG_FIN, NULL, 0);
    s->peer->peer = NULL;
    s->peer = NULL;
}

void sock_close(struct sock **sp)
{
    struct sock *s = *sp;
    if (!s) return;
    *sp = NULL;
    sim_note(EV_CLOSE, s->id, 0);
    leave(s, false);
    sock_free(s);
}

void sim_net_drop(struct sim_prog *p)
{
    LIST_EACH(struct port, x, &the_sim->ports, link)
    if (x->prog == p) port_close(x);
    LIST_EACH(struct sock, s, &p->socks, link)
    {
        leave(s, true);
        net_fail(s, ERR_CANCELED);
    }
}

void sim_net_free(struct sim_prog *p) { LIST_EACH(struct sock, s, &p->socks, link) sock_free(s); }
