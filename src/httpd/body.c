/* body.c - the body of a request, by its length or in chunks (RFC 9112 sections 6 and 7). */
#include "base/memory.h"
#include "httpd_i.h"

static int bad(struct httpd_session *s, int e)
{
    s->over = s->body_over = true; /* nobody knows where the next request begins */
    return e;
}

/* RFC 9110 section 10.1.1: whoever waits is told to go on, once, and only when the body is wanted. */
static void tell_to_go_on(struct httpd_session *s)
{
    if (s->r->expects && !s->continued && !conn_peek(s->c).n)
        conn_puts(s->c, "HTTP/1.1 100 Continue\r\n\r\n");
    s->continued = true;
}

static int read_trailer(struct httpd_session *s)
{
    struct slice line;
    for (int n = 0; n <= HTTP_TRAILER_MAX; n++) {
        int e = conn_read_line(s->c, HTTP_CHUNK_LINE_MAX, &line);
        if (!e && !line.n) return 0;
        if (!e) e = http_trailer_field(line);
        if (e) return e;
    }
    return err_set(ERR_LIMIT, "there are too many fields after the last chunk");
}

/* The line in front of a chunk, and the end of the one before. 1: there is a chunk. */
static int next_chunk(struct httpd_session *s)
{
    struct slice line;
    int e = s->in_chunk ? conn_read_line(s->c, HTTP_CHUNK_LINE_MAX, &line) : 0;
    if (!e && s->in_chunk && line.n) e = err_set(ERR_SYNTAX, "a chunk is longer than it says");
    if (!e) e = conn_read_line(s->c, HTTP_CHUNK_LINE_MAX, &line);
    if (!e) e = http_chunk_size(line, &s->left);
    if (e) return e;
    s->in_chunk = true;
    if (s->left) return 1;
    e = read_trailer(s);
    if (!e) s->body_over = true;
    return e;
}

static int read_piece(struct httpd_session *s, struct slice *piece)
{
    int e = 1;
    if (!s->left && s->r->chunked) e = next_chunk(s);
    else if (!s->left) s->body_over = true;
    if (e < 0) return bad(s, e);
    if (s->body_over) return 0;
    if (!conn_peek(s->c).n && (e = conn_fill(s->c)) < 0) return bad(s, e);
    *piece = sl_sub(conn_peek(s->c), 0, s->left < SIZE_MAX ? (size_t)s->left : SIZE_MAX);
    s->left -= piece->n;
    s->bytes_in += piece->n;
    conn_consume(s->c, piece->n);
    return 1;
}

/* conn_consume() leaves the bytes where they are until the next read. */
static int next_piece(struct httpd_session *s, struct slice *piece)
{
    if (s->body_over) return 0;
    tell_to_go_on(s);
    int64_t before = deadline_narrow(DEADLINE_IN(HTTPD_READ));
    conn_set_min_rate(s->c, HTTPD_RATE, HTTPD_GRACE);
    int r = read_piece(s, piece);
    conn_set_min_rate(s->c, 0, 0);
    deadline_restore(before);
    return r;
}

int http_read(struct http_call *c, struct slice *piece) { return next_piece(c->session, piece); }

int httpd_read_body(struct httpd_session *s, uint64_t max)
{
    struct slice piece;
    int r;
    if (s->r->length > max) return 413;
    while ((r = next_piece(s, &piece)) > 0) {
        if (s->body.n + piece.n > max) return 413;
        if (memory_over() && s->body.n > MEMORY_FAIR) return 503;
        buf_put(&s->body, piece);
    }
    s->call.body = buf_slice(&s->body);
    return !r ? 0 : r == ERR_TIMEOUT ? 408 : 400;
}

bool httpd_swallow(struct httpd_session *s)
{
    struct slice piece;
    uint64_t all = 0;
    int r = 1;
    if (s->r->expects && !s->continued && !s->body_over) return false; /* the body may come, or not */
    while (!s->over && (r = next_piece(s, &piece)) > 0)
        if ((all += piece.n) > HTTPD_SWALLOW_MAX) return false;
    return !s->over && !r;
}
