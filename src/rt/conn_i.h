/* conn_i.h - inside a connection: its buffers, its sticky errors, its TLS layer. */
#pragma once
#include "conn.h"
#include "rt_i.h"

enum {
    CONN_IN_FIRST = 16 << 10, /* input buffer, and the most it may hold unless told otherwise */
    CONN_OUT_FIRST = 4 << 10,
    CONN_OUT_MAX = 64 << 10,
};

/* Bytes [from, to) of p are in use. */
struct span {
    char *p;
    size_t from, to, size;
};
static inline size_t span_used(const struct span *s) { return s->to - s->from; }
/* span.c */
/* Makes room for at least one byte without passing `most` bytes in use; the room it has then. */
size_t span_room(struct span *s, size_t first, size_t most);
void span_free(struct span *s);
void span_release(struct span *s); /* when nothing is in it */

struct conn {
    struct sock *sock;
    struct tls_link *tls;  /* NULL: plain */
    struct flate *flate;   /* NULL: not compressed */
    struct fiber *waiting; /* in a call on this connection */
    struct span in, out;
    size_t in_max, scanned; /* scanned: input bytes known to hold no LF */
    bool turning, nudged;   /* in conn_turn(); conn_nudge() was called since */
    bool skipping;          /* inside a line that was too long */
    bool unanswered;        /* bytes came since something was sent */
    int err;                /* sticky, for everything */
    int read_err;           /* sticky, for reading only */
    uint64_t bytes_in, bytes_out;
    uint64_t rate; /* least bytes a second, 0 = none */
    int64_t rate_grace, rate_waited;
    uint64_t rate_bytes;
    struct member member; /* stands for the parked connection in its group */
    bool parked;
    struct timer timer;
    fiber_fn *resume;
    void *resume_arg;
    void (*closed)(void *arg); /* conn_on_close */
    void *closed_arg;
    struct endpoint peer;
};

/* conn.c */
struct conn *conn_make(struct sock *s);
/* One attempt to receive into the input buffer, at most `limit` unconsumed bytes. > 0, SOCK_AGAIN or a
 * (then sticky) error. Does not suspend. */
ssize_t conn_receive(struct conn *c, size_t limit);
/* One attempt to send what is pending; 0 = all sent, SOCK_AGAIN, or a (then sticky) error. */
int conn_try_send(struct conn *c);

/* conn_plain.c */
/* Waits for `want` of the socket (when TLS wants the other direction, that). SUSPENDS. */
int conn_wait(struct conn *c, int want);
int conn_wait_for_output(struct conn *c); /* 0 or the (then sticky) error. SUSPENDS. */
int conn_fail(struct conn *c, int e);     /* makes e the sticky error; returns it */
/* One attempt to send what is pending and *s behind it; both are shortened. 0, SOCK_AGAIN or the (then
 * sticky) error. */
int conn_send(struct conn *c, struct slice *s);
/* conn_write() and conn_receive() without what conn_flate.c makes of it. write SUSPENDS. */
void conn_write_plain(struct conn *c, struct slice s);
ssize_t conn_receive_plain(struct conn *c, void *p, size_t n);
/* Makes room in the output buffer without passing `most` bytes in use; how much there is. */
size_t conn_out_room(struct conn *c, size_t most);

/* conn_flate.c: for a connection that is compressed. Only write suspends. */
void flate_write(struct conn *c, struct slice s);
void flate_flush(struct conn *c); /* all that was written into the output buffer; also when not compressed */
void flate_rest(struct conn *c);  /* the same, and the compressor's memory is given back */
ssize_t flate_receive(struct conn *c, void *p, size_t n); /* as conn_receive(), into p */
void flate_free(struct conn *c);

/* tls.c: one TLS session over a socket. Calls never suspend. */
struct tls_link;
MUST_CHECK int tls_link_new(struct tls_link **out, struct tls_ctx *t, struct sock *s, bool server,
                            const struct tls_peer *peer);
void tls_link_free(struct tls_link **l);
MUST_CHECK int tls_link_handshake(struct tls_link *l); /* 0, SOCK_AGAIN, ERR_* */
MUST_CHECK ssize_t tls_link_read(struct tls_link *l, void *p, size_t n);
MUST_CHECK ssize_t tls_link_write(struct tls_link *l, const void *p, size_t n);
int tls_link_wants(const struct tls_link *l); /* after SOCK_AGAIN: SOCK_IN or SOCK_OUT */
void tls_link_goodbye(struct tls_link *l);    /* sends close_notify if it can at once */
void tls_link_info(const struct tls_link *l, struct tls_info *out);
size_t tls_link_client(const struct tls_link *l, struct arena *a, struct slice **out);
MUST_CHECK int tls_link_exporter(struct tls_link *l, uint8_t out[32]);
