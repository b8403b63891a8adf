/* h1.c - HTTP/1.1: the framing of bodies (RFC 9112 sections 6 and 7), the form of answers. */
#include <stdio.h>

#include "httpd_i.h"

static int bad(struct exchange *x, int e)
{
    x->s->over = true; /* nobody knows where the next request begins */
    return e;
}

static void go_on(struct exchange *x)
{
    if (!conn_peek(x->s->c).n) conn_puts(x->s->c, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* ---- the body ---- */

static int read_trailer(struct exchange *x)
{
    struct slice line;
    for (int n = 0; n <= HTTP_TRAILER_MAX; n++) {
        int e = conn_read_line(x->s->c, HTTP_CHUNK_LINE_MAX, &line);
        if (!e && !line.n) return 0;
        if (!e) e = http_trailer_field(line);
        if (e) return e;
    }
    return err_set(ERR_LIMIT, "there are too many fields after the last chunk");
}

/* The line in front of a chunk, and the end of the one before. 1: there is a chunk. */
static int next_chunk(struct exchange *x)
{
    struct slice line;
    int e = x->in_chunk ? conn_read_line(x->s->c, HTTP_CHUNK_LINE_MAX, &line) : 0;
    if (!e && x->in_chunk && line.n) e = err_set(ERR_SYNTAX, "a chunk is longer than it says");
    if (!e) e = conn_read_line(x->s->c, HTTP_CHUNK_LINE_MAX, &line);
    if (!e) e = http_chunk_size(line, &x->left);
    if (e) return e;
    x->in_chunk = true;
    return x->left ? 1 : read_trailer(x);
}

/* conn_consume() leaves the bytes where they are until the next read. */
static int read_piece(struct exchange *x, struct slice *piece)
{
    struct conn *c = x->s->c;
    int r = x->left ? 1 : x->r->chunked ? next_chunk(x) : 0;
    if (r > 0 && !conn_peek(c).n) r = conn_fill(c);
    if (r <= 0) return r;
    *piece = sl_sub(conn_peek(c), 0, x->left < SIZE_MAX ? (size_t)x->left : SIZE_MAX);
    x->left -= piece->n;
    conn_consume(c, piece->n);
    return 1;
}

static int read(struct exchange *x, struct slice *piece)
{
    conn_set_min_rate(x->s->c, HTTPD_RATE, HTTPD_GRACE);
    int r = read_piece(x, piece);
    conn_set_min_rate(x->s->c, 0, 0);
    return r < 0 ? bad(x, r) : r;
}

/* ---- the answer ---- */

static int send_out(struct exchange *x, struct slice bytes)
{
    int64_t before = deadline_narrow(DEADLINE_IN(HTTPD_WRITE));
    conn_write(x->s->c, bytes);
    int e = conn_error(x->s->c);
    deadline_restore(before);
    return e;
}

/* HTTP/1.0 has no chunks: there the end of the connection is the end of the content. */
static int begin(struct exchange *x, int64_t length)
{
    struct buf head = BUF_INIT;
    http_put_status(&head, x->status);
    buf_put(&head, buf_slice(&x->out));
    bool swallowed = x->body_over || x->left <= HTTPD_SWALLOW_MAX; /* what is still to come of the body */
    if (x->r->last || !swallowed || httpd_spent(x->s)) x->s->over = true;
    x->chunked = length == HTTPD_UNKNOWN && x->r->minor;
    if (length == HTTPD_UNKNOWN && !x->chunked) x->s->over = true;
    if (x->s->over) buf_str(&head, "Connection: close\r\n");
    if (length >= 0) buf_printf(&head, "Content-Length: %lld\r\n", (long long)length);
    if (x->chunked) buf_str(&head, "Transfer-Encoding: chunked\r\n");
    buf_str(&head, "\r\n");
    int e = send_out(x, buf_slice(&head));
    buf_free(&head);
    return e;
}

static int write(struct exchange *x, struct slice piece)
{
    char size[24];
    if (!x->chunked) return send_out(x, piece);
    (void)!send_out(x, sl(size, (size_t)snprintf(size, sizeof size, "%zx\r\n", piece.n)));
    (void)!send_out(x, piece);
    return send_out(x, SL("\r\n"));
}

static int end(struct exchange *x) { return x->chunked ? send_out(x, SL("0\r\n\r\n")) : 0; }

static const struct httpd_way way = {"1.1", read, go_on, begin, write, end};

/* ---- one request after another ---- */

/* Who is still sending a body that is answered already would lose the answer when the connection went away
 * under it: what comes is thrown away, until the client goes (RFC 9112 section 9.6). */
static void linger(struct httpd_session *s)
{
    int64_t before = deadline_narrow(DEADLINE_IN(HTTPD_LINGER));
    for (size_t all = 0; all < HTTPD_LINGER_MAX && !conn_error(s->c);) {
        all += conn_peek(s->c).n;
        conn_consume(s->c, conn_peek(s->c).n);
        if (conn_fill(s->c) <= 0) break;
    }
    deadline_restore(before);
}

static void one_request(struct httpd_session *s, struct exchange *x)
{
    httpd_exchange_begin(x, s, &way);
    int e = httpd_read_head(x);
    if (e) {
        s->over = x->body_over = true;
        if (!x->r->status) return; /* nobody is there */
        httpd_refuse(x, sl_cstr(err_text(e)));
    } else {
        x->left = x->r->length;
        x->body_over = !x->r->chunked && !x->r->length;
        httpd_run(x);
        if (!x->ended || !httpd_swallow(x)) s->over = true;
        bool comes = !x->body_over && (!x->r->expects || x->continued);
        if (x->ended && s->over && comes) linger(s);
    }
    httpd_exchange_end(x);
}

bool httpd_h1(struct httpd_session *s)
{
    struct exchange *x = httpd_exchange_new();
    bool idle = false;
    while (!s->over && !idle && !conn_error(s->c) && !fiber_canceled()) {
        idle = !conn_peek(s->c).n;
        if (!idle) one_request(s, x);
        fiber_breathe();
    }
    httpd_exchange_free(&x);
    s->until = DEADLINE_IN(HTTPD_IDLE);
    return idle;
}
