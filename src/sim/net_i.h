/* net_i.h - inside the simulated network: sockets and what travels between them.
 *
 * A stream is two sockets that know each other. What one sends lies in the other's
 * list of segments, in order, each with the time at which it is due; one timer a
 * socket waits for the first, and what is behind it waits with it. At most WINDOW bytes are under way or
 * unread in a direction. */
#pragma once
#include "base/buf.h"
#include "sim_i.h"

enum { WINDOW = 64 << 10, BACKLOG = 128 };

/* What listens at an endpoint; several handles (struct sock) may share it. */
struct port {
    struct link link; /* in sim->ports */
    struct sim_prog *prog;
    struct endpoint at;
    struct link handles; /* struct sock, by `of_port` */
    struct link backlog; /* struct sock, by `of_port`: connected, not accepted yet */
    size_t nbacklog;
};

enum sock_state { SOCK_LISTENING, SOCK_SYN_SENT, SOCK_SYN_ANSWERED, SOCK_SYN_REFUSED, SOCK_OPEN };

enum { ON_NO_LOOP = -1 };
struct sock {
    struct link link; /* in prog->socks */
    struct link of_port;
    struct link ringing; /* in sim->ringing */
    struct sim_prog *prog;
    uint64_t id;
    enum sock_state state;
    struct endpoint local, remote;
    struct sim_node *far; /* the other host */
    struct sock *peer;    /* NULL: closed, reset or not there yet */
    struct port *port;    /* while listening, or in its backlog */
    int error;            /* sticky */
    bool doomed;          /* a reset is on its way */
    size_t lost;          /* bytes sent to a peer that is gone */
    struct buf in;
    bool eof;
    struct link segments; /* under way to this socket */
    size_t flying;        /* bytes in them */
    unsigned tries;       /* of the first segment, or of the SYN, while cut off */
    struct timer arrival, dial;
    int loop; /* whose it is; ON_NO_LOOP: it is on its way to another, or nobody has accepted it */
    int want;
    void *watcher; /* struct sim_place: on which loop fn is called */
    void (*fn)(void *);
    void *arg;
};

enum segment_kind { SEG_DATA, SEG_FIN, SEG_RESET };

struct sock *sock_new(struct sim_prog *p, enum sock_state state);
void sock_free(struct sock *s);
/* How long a packet takes between two hosts. */
int64_t net_delay(const struct sim_node *a, const struct sim_node *b);
bool net_cut(const struct sim_node *a, const struct sim_node *b);
void net_segment(struct sock *to, enum segment_kind kind, const char *p, size_t n);
/* Tears the two ends apart. Each that is told sees a reset when it arrives. */
void net_reset(struct sock *s, bool tell_it, bool tell_peer);
size_t net_space(const struct sock *s); /* bytes that s may send now */
void net_ring(struct sock *s);          /* its watch is called soon if what it wants is there */
/* From now on the socket fails with e. */
void net_fail(struct sock *s, int e);
