/* real_sock.c - non-blocking sockets over epoll, edge-triggered.
 *
 * `ready` remembers the edges: a bit is set by an event and cleared when a call
 * found nothing more to do, so that a call that cannot succeed costs no system
 * call. A short read clears it as well: what arrives later makes a new event. */
#include "real_sock_i.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"

static struct sock *sock_make(int fd)
{
    struct sock *s = xcalloc(1, sizeof *s);
    s->loop = real_self();
    s->fd = fd;
    s->ready = SOCK_IN | SOCK_OUT;
    list_init(&s->due);
    return s;
}

/* ---- descriptors that are kept free ---- */

/* The system gives the lowest number that is free: a descriptor with number n means that n are open. */
static int accept_below = INT_MAX, dial_below = INT_MAX;

size_t rt_files_max(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur > INT_MAX) return INT_MAX;
    return (size_t)r.rlim_cur;
}

int rt_reserve(size_t files, size_t dials, size_t least, size_t *accepted)
{
    uint64_t all = rt_files_max(), own = 32 + 4 * (uint64_t)rt_loops(), kept = files + dials + own;
    if (all < kept + 2 * least)
        return err_set(ERR_LIMIT,
                       "this process may have %llu files open, and needs at least %llu: raise the limit "
                       "(LimitNOFILE= of the service, or ulimit -n)",
                       (unsigned long long)all, (unsigned long long)(kept + 2 * least));
    *accepted = (all - kept) / 2;
    __atomic_store_n(&accept_below, files + dials ? (int)(all - files - dials) : INT_MAX, __ATOMIC_RELAXED);
    __atomic_store_n(&dial_below, files ? (int)(all - files) : INT_MAX, __ATOMIC_RELAXED);
    return 0;
}

static bool beyond(int fd, const int *limit) { return fd >= __atomic_load_n(limit, __ATOMIC_RELAXED); }

/* ---- addresses ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
};

static socklen_t to_sys(const struct endpoint *e, union address *a)
{
    memset(a, 0, sizeof *a);
    if (e->path[0]) {
        a->un.sun_family = AF_UNIX;
        memcpy(a->un.sun_path, e->path, strnlen(e->path, sizeof a->un.sun_path - 1));
        return sizeof a->un;
    }
    if (e->ip.family == 6) {
        a->v6.sin6_family = AF_INET6;
        a->v6.sin6_port = htons(e->port);
        memcpy(&a->v6.sin6_addr, e->ip.b, 16);
        return sizeof a->v6;
    }
    a->v4.sin_family = AF_INET;
    a->v4.sin_port = htons(e->port);
    memcpy(&a->v4.sin_addr, e->ip.b, 4);
    return sizeof a->v4;
}

static void from_sys(const union address *a, struct endpoint *e)
{
    memset(e, 0, sizeof *e);
    if (a->any.sa_family == AF_INET) {
        e->ip.family = 4;
        memcpy(e->ip.b, &a->v4.sin_addr, 4);
        e->port = ntohs(a->v4.sin_port);
    } else if (a->any.sa_family == AF_INET6) {
        e->ip.family = 6;
        memcpy(e->ip.b, &a->v6.sin6_addr, 16);
        e->port = ntohs(a->v6.sin6_port);
    } else if (a->any.sa_family == AF_UNIX) {
        memcpy(e->path, a->un.sun_path, strnlen(a->un.sun_path, sizeof e->path - 1));
    }
}

static void local_of(const struct sock *s, struct endpoint *out)
{
    union address a = {0};
    socklen_t n = sizeof a;
    if (getsockname(s->fd, &a.any, &n) == 0) from_sys(&a, out);
    else memset(out, 0, sizeof *out);
}

int sock_peer_user(struct sock *s, uint32_t *user)
{
    struct ucred c;
    socklen_t n = sizeof c;
    if (getsockopt(s->fd, SOL_SOCKET, SO_PEERCRED, &c, &n) != 0 || n != sizeof c || c.uid == (uid_t)-1)
        return err_set(ERR_UNSUPPORTED, "only a Unix socket has users");
    *user = c.uid;
    return 0;
}

static int fail(int fd, const char *what, const struct endpoint *at)
{
    char text[ENDPOINT_TEXT_MAX];
    int en = errno;
    if (fd >= 0) close(fd);
    return err_errno(en, "%s %s", what, endpoint_format(at, text));
}

/* ---- listening ---- */

/* A Unix socket nobody answers on was left behind by a process that died. */
static bool stale(const struct endpoint *at, const union address *a, socklen_t n)
{
    struct stat st;
    if (lstat(at->path, &st) != 0 || !S_ISSOCK(st.st_mode)) return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool dead = connect(fd, &a->any, n) != 0 && errno == ECONNREFUSED;
    close(fd);
    return dead;
}

static int bind_unix(int fd, const struct endpoint *at, const union address *a, socklen_t n)
{
    mode_t mode = at->everyone ? 0666 : 0600;
    if (stale(at, a, n)) (void)unlink(at->path);
    if (fchmod(fd, 0600) != 0) return -1; /* the mode of the name that bind() makes */
    if (bind(fd, &a->any, n) != 0) return -1;
    return chmod(at->path, mode);
}

static int bind_inet(int fd, const union address *a, socklen_t n)
{
    int one = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0) return -1;
    if (a->any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) != 0)
        return -1;
    return bind(fd, &a->any, n);
}

/* Accepted connections inherit it: NATs on the way do not forget them, a peer that is gone is noticed. */
static void keep_alive(int fd)
{
    int one = 1, idle = 180, between = 30;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between);
}

/* ---- sockets that listen before there are loops ---- */

enum { KEPT_MAX = 1024 };
static struct {
    int fd;
    bool lent; /* whoever handed it over goes on with it when this process has ended */
} kept[KEPT_MAX];
static size_t nkept;

static bool same_address(int fd, const union address *a)
{
    union address b;
    socklen_t m = sizeof b;
    memset(&b, 0, sizeof b);
    if (getsockname(fd, &b.any, &m) != 0 || b.any.sa_family != a->any.sa_family) return false;
    if (a->any.sa_family == AF_INET6)
        return b.v6.sin6_port == a->v6.sin6_port &&
               memcmp(&b.v6.sin6_addr, &a->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
    if (a->any.sa_family == AF_INET)
        return b.v4.sin_port == a->v4.sin_port && b.v4.sin_addr.s_addr == a->v4.sin_addr.s_addr;
    return strncmp(b.un.sun_path, a->un.sun_path, sizeof a->un.sun_path) == 0;
}

/* The socket that is kept for the address, or -1. */
static int take_kept(const union address *a, bool *lent)
{
    *lent = false;
    for (size_t i = 0; i < nkept; i++)
        if (same_address(kept[i].fd, a)) {
            int fd = kept[i].fd;
            *lent = kept[i].lent;
            kept[i] = kept[--nkept];
            return fd;
        }
    return -1;
}

static int keep(int fd, bool lent)
{
    int is = 0, type = 0;
    socklen_t n = sizeof is, m = sizeof type;
    bool listens = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is, &n) == 0 && is &&
                   getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &m) == 0 && type == SOCK_STREAM;
    if (!listens) return err_set(ERR_USAGE, "descriptor %d is no stream socket that listens", fd);
    if (nkept == KEPT_MAX) return err_set(ERR_USAGE, "more than %d sockets are handed over", KEPT_MAX);
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
        return err_errno(errno, "a socket that was handed over cannot be used");
    keep_alive(fd);
    kept[nkept].fd = fd;
    kept[nkept++].lent = lent;
    return 0;
}

int listener_inherit(int fd) { return keep(fd, true); }

/* *fd listens there from now on. */
static int listen_at(int *out, const struct endpoint *at, const union address *a, socklen_t n)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(fd, "cannot make a socket for", at);
    int e = at->path[0] ? bind_unix(fd, at, a, n) : bind_inet(fd, a, n);
    if (!at->path[0]) keep_alive(fd);
    if (e != 0 || listen(fd, 4096) != 0) return fail(fd, "cannot listen on", at);
    *out = fd;
    return 0;
}

int listener_reserve(const struct endpoint *at)
{
    union address a;
    socklen_t n = to_sys(at, &a);
    bool lent;
    int fd = take_kept(&a, &lent); /* it was handed over */
    int e = fd < 0 ? listen_at(&fd, at, &a, n) : 0;
    return e ? e : keep(fd, lent);
}

void listener_rest(void)
{
    while (nkept) {
        int fd = kept[--nkept].fd;
        union address a = {0};
        struct endpoint at = {0};
        socklen_t n = sizeof a;
        char text[ENDPOINT_TEXT_MAX];
        if (getsockname(fd, &a.any, &n) == 0) from_sys(&a, &at);
        log_warn("rt",
                 "the socket %s was handed over, and nothing of this node listens there: who connects to it "
                 "waits in vain",
                 endpoint_format(&at, text));
        close(fd);
    }
}

int sock_listen(struct sock **out, struct endpoint *at)
{
    union address a;
    socklen_t n = to_sys(at, &a);
    bool lent;
    int fd = take_kept(&a, &lent);
    int e = fd < 0 ? listen_at(&fd, at, &a, n) : 0;
    if (e) return e;
    *out = sock_make(fd);
    (*out)->shared = true;
    (*out)->master = !lent; /* who lent it lets others connect meanwhile, and starts us again */
    if (!at->path[0]) local_of(*out, at);
    return 0;
}

int sock_share(struct sock **out, struct sock *listening)
{
    int fd = fcntl(listening->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return err_errno(errno, "cannot share a listening socket");
    *out = sock_make(fd);
    (*out)->shared = true;
    return 0;
}

static void no_delay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

int sock_accept(struct sock *l, struct sock **out, struct endpoint *peer)
{
    for (;;) {
        union address a = {0};
        socklen_t n = sizeof a;
        int fd = accept4(l->fd, &a.any, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0 && a.any.sa_family != AF_UNIX && beyond(fd, &accept_below)) {
            close(fd);
            return err_set(ERR_BUSY, "a connection is not accepted: the last descriptors are kept for mail");
        }
        if (fd >= 0) {
            if (a.any.sa_family != AF_UNIX) no_delay(fd);
            *out = sock_make(fd);
            from_sys(&a, peer);
            return 0;
        }
        if (errno == EAGAIN) break;
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            return err_set(ERR_BUSY, "cannot accept a connection: %s", strerror(errno));
        if (errno == EBADF || errno == EINVAL || errno == ENOTSOCK)
            return err_errno(errno, "cannot accept a connection");
    }
    l->ready &= (uint8_t)~SOCK_IN;
    return SOCK_AGAIN;
}

/* ---- connecting ---- */

int sock_connect(struct sock **out, const struct endpoint *to, const struct ip *from)
{
    union address a, own;
    socklen_t n = to_sys(to, &a);
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fail(fd, "cannot make a socket for", to);
    if (!to->path[0] && beyond(fd, &dial_below)) {
        errno = EMFILE;
        return fail(fd, "cannot make a socket for", to);
    }
    if (from && from->family && !to->path[0]) {
        struct endpoint source = {.ip = *from};
        int one = 1;
        socklen_t own_n = to_sys(&source, &own);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, &own.any, own_n) != 0) return fail(fd, "cannot leave from", &source);
    }
    if (!to->path[0]) no_delay(fd);
    int e = connect(fd, &a.any, n);
    if (e != 0 && errno == EAGAIN && to->path[0]) errno = ECONNREFUSED; /* its backlog is full */
    if (e != 0 && errno != EINPROGRESS) return fail(fd, "cannot connect to", to);
    *out = sock_make(fd);
    if (e == 0) return 0;
    (*out)->ready = 0;
    return SOCK_AGAIN;
}

int sock_connected(struct sock *s)
{
    int en = 0;
    socklen_t n = sizeof en;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &en, &n) != 0) en = errno;
    if (!en) return 0;
    int e = err_errno(en, "connect");
    return err_set(e, "%s", strerror(en));
}

/* ---- bytes ---- */

ssize_t sock_recv(struct sock *s, void *p, size_t n)
{
    if (!(s->ready & SOCK_IN)) return SOCK_AGAIN;
    ssize_t got = recv(s->fd, p, n, 0);
    if (got > 0) {
        if ((size_t)got < n && !s->hup) s->ready &= (uint8_t)~SOCK_IN;
        return got;
    }
    if (got == 0) return err_set(ERR_EOF, "the other side closed the connection");
    if (errno != EAGAIN && errno != EINTR) return err_errno(errno, "the connection broke");
    if (errno == EAGAIN) s->ready &= (uint8_t)~SOCK_IN;
    return SOCK_AGAIN;
}

void sock_ack(struct sock *s)
{
    int one = 1;
    setsockopt(s->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
}

ssize_t sock_send(struct sock *s, const struct iovec *v, int n)
{
    if (!(s->ready & SOCK_OUT)) return SOCK_AGAIN;
    struct msghdr m = {.msg_iov = (struct iovec *)v, .msg_iovlen = (size_t)n};
    ssize_t sent = sendmsg(s->fd, &m, MSG_NOSIGNAL);
    if (sent >= 0) return sent;
    if (errno != EAGAIN && errno != EINTR) return err_errno(errno, "the connection broke");
    if (errno == EAGAIN) s->ready &= (uint8_t)~SOCK_OUT;
    return SOCK_AGAIN;
}

/* Closing with unread input resets the connection, which may destroy what was sent. */
static void drain(int fd)
{
    char waste[4096];
    for (int i = 0; i < 64; i++)
        if (recv(fd, waste, sizeof waste, MSG_DONTWAIT) <= 0) break;
}

void sock_close(struct sock **out)
{
    struct sock *s = *out;
    if (!s) return;
    *out = NULL;
    list_remove(&s->due);
    if (!s->shared) drain(s->fd);
    if (s->master) shutdown(s->fd, SHUT_RDWR); /* the address is free at once */
    /* A shared listener lives on in its other descriptors, and so would its place in the epoll set. */
    if (s->shared && s->registered) epoll_ctl(s->loop->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    close(s->fd);
    free(s);
}

/* ---- events ---- */

static void register_sock(struct sock *s)
{
    struct epoll_event e = {.events = EPOLLET | EPOLLIN, .data.ptr = s};
    e.events |= s->shared ? (uint32_t)EPOLLEXCLUSIVE : (uint32_t)(EPOLLOUT | EPOLLRDHUP);
    ASSERT(s->loop == real_self() && "a socket belongs to the loop that made it");
    if (epoll_ctl(s->loop->epoll, EPOLL_CTL_ADD, s->fd, &e) == 0) s->registered = true;
    else log_error("rt", "cannot watch a socket: %s", strerror(errno));
}

void sock_leave(struct sock *s)
{
    ASSERT(!s->shared && !s->want && s->loop == real_self());
    list_remove(&s->due);
    if (s->registered) epoll_ctl(s->loop->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    s->registered = false;
    s->loop = NULL;
}

void sock_enter(struct sock *s)
{
    ASSERT(!s->loop);
    s->loop = real_self();
    s->ready = SOCK_IN | SOCK_OUT; /* edges that nobody saw */
}

void sock_watch(struct sock *s, int want, void (*fn)(void *arg), void *arg)
{
    s->want = (uint8_t)want;
    s->fn = fn;
    s->arg = arg;
    list_remove(&s->due);
    if (!want) return;
    if (s->ready & want) list_push(&s->loop->due, &s->due);
    else if (!s->registered) register_sock(s);
}

static void call_watch(struct sock *s)
{
    void (*fn)(void *) = s->fn;
    list_remove(&s->due);
    s->want = 0;
    fn(s->arg);
}

void real_sock_event(void *sock, uint32_t events)
{
    struct sock *s = sock;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) s->ready |= SOCK_IN;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) s->ready |= SOCK_OUT;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) s->hup = true;
    if (s->ready & s->want) call_watch(s);
}

void real_sock_due(struct real_loop *l)
{
    struct link *x, now;
    list_init(&now);
    while ((x = list_shift(&l->due))) list_push(&now, x);
    while ((x = list_shift(&now))) call_watch(CONTAINER_OF(x, struct sock, due));
}
