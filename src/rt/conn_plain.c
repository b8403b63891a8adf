/* conn_plain.c - the bytes of a connection as they travel, in TLS or in clear: its buffers, its sticky
 * errors, sending and receiving. What compression makes of them (conn_flate.c) lies above. */
#include "conn_i.h"

#include "base/log.h"

/* ---- errors and waiting ---- */

int conn_fail(struct conn *c, int e)
{
    if (!c->err) c->err = e;
    c->out.from = c->out.to = 0;
    span_release(&c->out);
    return c->err;
}

int conn_wait(struct conn *c, int want)
{
    ASSERT(!c->waiting && !c->parked && "one fiber uses a connection");
    c->waiting = fiber_self();
    int e = sock_wait(c->sock, want);
    c->waiting = NULL;
    return c->err ? c->err : e;
}

/* ---- reading and writing ---- */

ssize_t conn_receive_plain(struct conn *c, void *p, size_t n)
{
    ssize_t k = c->tls ? tls_link_read(c->tls, p, n) : sock_recv(c->sock, p, n);
    if (k > 0) {
        c->bytes_in += (uint64_t)k;
        c->rate_bytes += (uint64_t)k;
        c->unanswered = true;
    } else if (k == ERR_EOF) {
        c->read_err = ERR_EOF; /* a half-closed peer may still be told things */
    } else if (k != SOCK_AGAIN) {
        conn_fail(c, (int)k);
    }
    return k;
}

/* One attempt to send the pending output followed by s. Bytes of both that went. */
static ssize_t send_some(struct conn *c, struct slice s)
{
    size_t have = span_used(&c->out);
    struct iovec v[2] = {{c->out.p + c->out.from, have}, {(void *)s.p, s.n}};
    if (c->tls) return have ? tls_link_write(c->tls, v[0].iov_base, have) : tls_link_write(c->tls, s.p, s.n);
    return have ? sock_send(c->sock, v, s.n ? 2 : 1) : sock_send(c->sock, v + 1, 1);
}

int conn_send(struct conn *c, struct slice *s)
{
    ssize_t k = send_some(c, *s);
    if (k == SOCK_AGAIN) return SOCK_AGAIN;
    if (k < 0) return conn_fail(c, (int)k);
    size_t sent = (size_t)k, have = span_used(&c->out), mine = sent < have ? sent : have;
    c->bytes_out += sent;
    c->unanswered = false;
    c->out.from += mine;
    *s = sl_from(*s, sent - mine);
    struct fiber *f = fiber_self();
    if (f) f->io_spent += sent;
    return 0;
}

int conn_wait_for_output(struct conn *c)
{
    int e = conn_wait(c, c->tls ? tls_link_wants(c->tls) : SOCK_OUT);
    return e ? conn_fail(c, e) : 0;
}

size_t conn_out_room(struct conn *c, size_t most) { return span_room(&c->out, CONN_OUT_FIRST, most); }

/* Copies what fits of s into the output buffer. */
static void keep(struct conn *c, struct slice *s)
{
    size_t room;
    while (s->n && (room = conn_out_room(c, CONN_OUT_MAX))) {
        size_t k = s->n < room ? s->n : room;
        memcpy(c->out.p + c->out.to, s->p, k);
        c->out.to += k;
        *s = sl_from(*s, k);
    }
}

void conn_write_plain(struct conn *c, struct slice s)
{
    while (s.n && !c->err) {
        if (s.n + span_used(&c->out) <= CONN_OUT_MAX) {
            keep(c, &s);
            return;
        }
        int e = conn_send(c, &s);
        if (e == SOCK_AGAIN) {
            keep(c, &s);
            if (s.n) e = conn_wait_for_output(c);
        }
        if (!c->err) fiber_spend(0);
    }
}
