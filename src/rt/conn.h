/* conn.h - one buffered stream: plain TCP, TLS or a Unix socket; client or server.
 *
 * Errors are sticky: after the first one every call fails with it and writes
 * are dropped, so that a session asks once. Only a read that ended by time or
 * cancel leaves the writing side usable, so that a last word ("421 ...") can be
 * said: conn_close() sends it. A read that must wait first sends what is pending,
 * so pipelining needs no other code. A conn belongs to the loop that made it
 * (or that it has entered), and one fiber uses it at a time (conn_wake and conn_abort excepted). Buffers
 * are given back while nothing is in them. */
#pragma once
#include "rt.h"
#include "tls.h"

struct arena;
struct conn;
struct listener;

/* ---- coming to be ---- */

/* Binds and listens (SO_REUSEADDR; IPV6_V6ONLY). at->path: a Unix socket, mode
 * 0600 (0666 for everyone), a stale one is replaced. Every loop may accept from the same listener.
 * ERR_BUSY port in use, ERR_DENIED. The sentence names the address. */
MUST_CHECK int listener_open(struct listener **out, const struct endpoint *at);
/* What listener_open() shall find open already, once; on the real network, before there are loops. BLOCKS.
 * Binds and listens now, while that is still allowed; errors as above. */
MUST_CHECK int listener_reserve(const struct endpoint *at);
/* The same with a listening stream socket that who started the program hands over (sd_listen_fds(3)): takes
 * it over. ERR_USAGE: it is none, or there are too many. */
MUST_CHECK int listener_inherit(int fd);
/* All that are wanted are open: what was handed over and is none of them is told in the log, and closed. */
void listener_rest(void);
/* Waiting accepts end with ERR_CANCELED, and later ones (with a copy of the pointer) too. */
void listener_close(struct listener **l);
const struct endpoint *listener_at(const struct listener *l); /* with the real port when 0 was asked */
/* SUSPENDS. When descriptors run out it waits and tries again by itself. One fiber a loop. */
MUST_CHECK int listener_accept(struct listener *l, struct conn **out);

/* Connects; from: source address or NULL. SUSPENDS until the deadline.
 * ERR_REFUSED, ERR_UNREACHABLE, ERR_TIMEOUT, ERR_CANCELED. */
MUST_CHECK int conn_dial(struct conn **out, const struct endpoint *to, const struct ip *from);

/* Sends what is pending (at most 5 s, less near the deadline), says goodbye in
 * TLS, closes and frees; *c becomes NULL. SUSPENDS. NULL is allowed. */
void conn_close(struct conn **c);
/* fn(arg) runs once, at the end of conn_close(): for counts that outlive the fiber of a session
 * which parks. It must not suspend. */
void conn_on_close(struct conn *c, void (*fn)(void *arg), void *arg);
/* Makes the present and every later call on c fail with ERR_CANCELED; from the
 * same loop. The owner still closes it. Wakes it when it is parked. */
void conn_abort(struct conn *c);

/* A quiet connection goes to another loop: it leaves the one that it is on and enters the other, and nobody
 * uses it between. Not parked, not in a call, nothing pending. */
void conn_leave(struct conn *c);
void conn_enter(struct conn *c);

/* Somebody else needs the place: the wait for the peer that is under way ends with ERR_TIMEOUT, as if its
 * time were over, and a parked connection resumes. false, and nothing happens: it does not wait now, or its
 * input must come at a least rate. From the same loop. */
bool conn_hurry(struct conn *c);

const struct endpoint *conn_peer(const struct conn *c);
void conn_set_peer(struct conn *c, const struct endpoint *peer); /* somebody trusted says who it really is */
/* Of a Unix socket: the number of the user at the other end, as the kernel knows it. ERR_UNSUPPORTED. */
MUST_CHECK int conn_peer_user(const struct conn *c, uint32_t *user);
int conn_error(const struct conn *c); /* 0 or the sticky error */

/* ---- reading ---- */

/* Bytes received and not yet consumed. Valid until the next call that reads. */
struct slice conn_peek(const struct conn *c);
/* Receives more, at least one byte, flushing pending output first. SUSPENDS.
 * Number of bytes added, or ERR_EOF, ERR_TIMEOUT, ... ERR_LIMIT when the buffer
 * already holds the most it may (conn_set_buffer). */
MUST_CHECK int conn_fill(struct conn *c);
void conn_consume(struct conn *c, size_t n);
/* Takes what has come in until now, without waiting for more and even when writing has failed: what
 * a peer said before it reset the connection is still there to be read. Unconsumed bytes.
 * SUSPENDS for one turn of the loop. */
size_t conn_overhear(struct conn *c);
/* A line without its CRLF, at most max bytes. Valid until the next call that
 * reads. ERR_TOO_LONG: the line was longer and has been passed over to its end;
 * not sticky. ERR_SYNTAX: a bare LF ended the line (line holds it without the
 * LF); not sticky. A bare CR is left inside the line. SUSPENDS. */
MUST_CHECK int conn_read_line(struct conn *c, size_t max, struct slice *line);
/* Exactly n bytes into p. SUSPENDS. */
MUST_CHECK int conn_read(struct conn *c, void *p, size_t n);
/* The most unconsumed bytes the input buffer may hold (16 KiB at first). */
void conn_set_buffer(struct conn *c, size_t max);
/* From now on input must arrive at bytes_per_second on average after `grace`
 * nanoseconds, else reads fail with ERR_TIMEOUT; 0 ends it. Only the time spent
 * waiting for input counts. */
void conn_set_min_rate(struct conn *c, uint64_t bytes_per_second, int64_t grace);

/* ---- writing ---- */

/* Adds to the output buffer; SUSPENDS when it is full (64 KiB) until it drains. */
void conn_write(struct conn *c, struct slice s);
void conn_puts(struct conn *c, const char *s);
void conn_printf(struct conn *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
int conn_flush(struct conn *c);            /* SUSPENDS. 0 or the sticky error */
size_t conn_pending(const struct conn *c); /* bytes not yet handed to the kernel */

/* For a protocol that reads and writes at once, with other fibers that have something to write: sends what it
 * can of what is pending, receives what there is, and waits until it could do one of the two or somebody
 * nudges. 0, or as conn_fill(). SUSPENDS. */
MUST_CHECK int conn_turn(struct conn *c);
/* Ends the present or the next conn_turn(). From the same loop. */
void conn_nudge(struct conn *c);

/* The addresses of the machine that are up, but for loopback and those of a link alone (RFC 4291 section
 * 2.5.6): how many of them are in out, at most max. BLOCKS for a moment. */
size_t rt_addresses(struct ip *out, size_t max);

/* ---- TLS ---- */

/* Handshakes on the open connection. The caller has checked that conn_peek() is
 * empty (RFC 3207 section 5: nothing sent in clear may count after STARTTLS;
 * asserted). Pending output is flushed first. SUSPENDS. ERR_TLS with the reason. */
MUST_CHECK int conn_tls_accept(struct conn *c, struct tls_ctx *tls);
/* The same for one of several protocols that share a context: alpn (NULL-terminated, together at most 32
 * bytes, static) names what is spoken here, in place of the context's list. A client that names only others
 * is refused, so that nobody leads a browser to this port; one that names nothing is not (RFC 7301
 * section 3.2). */
MUST_CHECK int conn_tls_accept_as(struct conn *c, struct tls_ctx *tls, const char *const *alpn);
/* The same for strangers who would come in clear otherwise (port 25): one that has nothing better may have
 * forward secrecy with CBC as well (RFC 7435 section 3). */
MUST_CHECK int conn_tls_accept_stranger(struct conn *c, struct tls_ctx *tls, const char *const *alpn);
/* The same where people log in: the client is asked for a certificate, when tls_server_ask() said by whom.
 * One that shows none, or one that is not believed, goes on. */
MUST_CHECK int conn_tls_accept_login(struct conn *c, struct tls_ctx *tls, const char *const *alpn);
/* The addresses in the certificate (RFC 5280 rfc822Name, RFC 9598) by which the client has proved who it is:
 * how many; 0 when it has not. a: where *out is to lie, or NULL: they are only counted. */
size_t conn_tls_client(const struct conn *c, struct arena *a, struct slice **out);
MUST_CHECK int conn_tls_connect(struct conn *c, struct tls_ctx *tls, const struct tls_peer *peer);
bool conn_is_tls(const struct conn *c);
void conn_tls_info(const struct conn *c, struct tls_info *out);
/* tls-exporter channel binding (RFC 9266), 32 bytes. ERR_STATE without TLS 1.3. */
MUST_CHECK int conn_tls_exporter(const struct conn *c, uint8_t out[32]);

/* ---- compression ---- */

/* From now on what is written and read are DEFLATE streams (RFC 1951), the compressed bytes inside TLS. What
 * was written before goes out as it is. The caller has checked that conn_peek() is empty (asserted). Data
 * that cannot be decompressed is the sticky error ERR_SYNTAX. */
void conn_compress(struct conn *c);
bool conn_is_compressed(const struct conn *c);

/* ---- parking: a waiting connection holds no stack ---- */

/* The calling fiber gives c up and returns from its function soon after. When
 * bytes arrive, the peer closes, conn_wake() is called, `until` (rt_now() scale)
 * passes or the group is canceled, a fresh fiber of group g runs resume(arg);
 * what happened is to be seen with conn_peek(), conn_error() and rt_now().
 * Pending output is sent first, in the background. */
void conn_park(struct conn *c, struct group *g, int64_t until, fiber_fn *resume, void *arg);
/* News for a parked connection. From the same loop. No effect when it is not parked. */
void conn_wake(struct conn *c);

/* ---- counts, for metrics and tests ---- */
uint64_t conn_bytes_in(const struct conn *c);
uint64_t conn_bytes_out(const struct conn *c);
