/* h2_stream.c - a request of HTTP/2 and its answer (RFC 9113 section 8): bytes wait in the stream until the
 * function reads them, or the client's window has room for them. */
#include <stdlib.h>

#include "h2_i.h"

static int given_up(void) { return err_set(ERR_EOF, "the client gave the request up"); }

void h2_stream_drop(struct stream *t)
{
    (void)!nghttp2_session_consume_connection(t->h->ng, t->in.n + t->piece.n);
    buf_free(&t->in);
    buf_free(&t->piece);
}

void h2_stream_free(struct stream **out)
{
    struct stream *t = *out;
    *out = NULL;
    list_remove(&t->link);
    t->h->n--;
    t->h->ending -= t->ending;
    t->h->idle = rt_now();
    h2_stream_drop(t);
    buf_free(&t->out);
    httpd_exchange_free(&t->x);
    free(t);
}

/* ---- the body ---- */

/* Who has shown who it is may send faster. */
static void widen(struct stream *t)
{
    if (t->wide || !t->x->proved) return;
    t->wide = true;
    (void)!nghttp2_session_set_local_window_size(t->h->ng, NGHTTP2_FLAG_NONE, 0, H2_CONNECTION_PROVED);
    (void)!nghttp2_session_set_local_window_size(t->h->ng, NGHTTP2_FLAG_NONE, t->id, H2_WINDOW_PROVED);
}

/* What the function has read makes room in the windows. */
static void consume(struct stream *t)
{
    if (t->gone) (void)!nghttp2_session_consume_connection(t->h->ng, t->piece.n);
    else (void)!nghttp2_session_consume(t->h->ng, t->id, t->piece.n);
    if (!t->gone) widen(t);
    conn_nudge(t->h->s->c);
    buf_free(&t->piece);
}

static int wait_for_more(struct stream *t)
{
    int64_t from = rt_now(), earned = (int64_t)(t->x->bytes_in / HTTPD_RATE) * RT_S;
    int64_t before = deadline_narrow(from + HTTPD_GRACE + earned - t->waited);
    int e = waitq_wait(&t->more);
    deadline_restore(before);
    t->waited += rt_now() - from;
    return e;
}

static int read(struct exchange *x, struct slice *piece)
{
    struct stream *t = x->stream;
    consume(t);
    while (!t->in.n) {
        int e = t->gone ? given_up() : 0;
        if (!e && t->in_end) return 0;
        if (!e) e = wait_for_more(t);
        if (e) return e;
    }
    t->piece = t->in;
    t->in = (struct buf)BUF_INIT;
    *piece = buf_slice(&t->piece);
    return 1;
}

static void go_on(struct exchange *x)
{
    struct stream *t = x->stream;
    nghttp2_nv status = {(uint8_t *)":status", (uint8_t *)"100", 7, 3, NGHTTP2_NV_FLAG_NONE};
    if (t->gone || t->in_end || t->in.n) return;
    (void)!nghttp2_submit_headers(t->h->ng, NGHTTP2_FLAG_NONE, t->id, NULL, &status, 1, NULL);
}

/* ---- the answer ---- */

enum { ANSWER_FIELDS = 60 };
struct fields {
    nghttp2_nv v[ANSWER_FIELDS];
    size_t n;
};

/* They live as long as the arena; libnghttp2 copies them. */
static void put(struct fields *f, struct slice name, struct slice value)
{
    if (f->n < ANSWER_FIELDS)
        f->v[f->n++] =
            (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p, name.n, value.n, NGHTTP2_NV_FLAG_NONE};
}

/* Lines as HTTP/1.1 has them; names are in lower case here (section 8.2). */
static void put_lines(struct arena *a, struct fields *f, struct slice lines)
{
    struct slice line;
    while (sl_next(&lines, '\n', &line)) {
        size_t colon = sl_chr(line, ':');
        if (colon != SL_NONE)
            put(f, ar_lower(a, sl_sub(line, 0, colon)), ar_dup(a, sl_trim(sl_from(line, colon + 1))));
    }
}

static ssize_t give(nghttp2_session *ng, int32_t id, uint8_t *to, size_t most, uint32_t *flags,
                    nghttp2_data_source *source, void *arg)
{
    struct stream *t = source->ptr;
    (void)ng, (void)id, (void)arg;
    size_t n = t->out.n < most ? t->out.n : most;
    if (!n && !t->out_end) return NGHTTP2_ERR_DEFERRED;
    if (n) memcpy(to, t->out.p, n);
    buf_drop(&t->out, n);
    t->out_sent = t->out_end && !t->out.n;
    if (t->out_sent) *flags |= NGHTTP2_DATA_FLAG_EOF;
    waitq_wake_all(&t->room);
    return (ssize_t)n;
}

static int begin(struct exchange *x, int64_t length)
{
    struct stream *t = x->stream;
    struct fields f = {.n = 0};
    nghttp2_data_provider from = {.source.ptr = t, .read_callback = give};
    if (t->gone) return given_up();
    put(&f, SL(":status"), ar_printf(&x->a, "%d", x->status));
    put_lines(&x->a, &f, buf_slice(&x->out));
    if (length >= 0) put(&f, SL("content-length"), ar_printf(&x->a, "%lld", (long long)length));
    t->out_sent = x->r->method == HTTP_HEAD || length == HTTPD_NONE || length == 0;
    int e = nghttp2_submit_response(t->h->ng, t->id, f.v, f.n, t->out_sent ? NULL : &from);
    conn_nudge(t->h->s->c);
    return e ? err_set(ERR_EOF, "the answer cannot be sent: %s", nghttp2_strerror(e)) : 0;
}

/* Gives up what the client does not take. */
static int wait_for_room(struct stream *t)
{
    int64_t before = deadline_narrow(DEADLINE_IN(HTTPD_WRITE));
    int e = t->gone ? given_up() : waitq_wait(&t->room);
    deadline_restore(before);
    if (e && !t->gone) (void)!nghttp2_submit_rst_stream(t->h->ng, NGHTTP2_FLAG_NONE, t->id, NGHTTP2_CANCEL);
    return e;
}

static void offer(struct stream *t)
{
    if (!t->gone) (void)!nghttp2_session_resume_data(t->h->ng, t->id);
    conn_nudge(t->h->s->c);
}

static int write(struct exchange *x, struct slice piece)
{
    struct stream *t = x->stream;
    while (piece.n) {
        int e = t->gone ? given_up() : t->out.n >= H2_OUT ? wait_for_room(t) : 0;
        if (e) return e;
        struct slice some = sl_sub(piece, 0, t->out.n < H2_OUT ? H2_OUT - t->out.n : 0);
        buf_put(&t->out, some);
        piece = sl_from(piece, some.n);
        offer(t);
    }
    return 0;
}

static int end(struct exchange *x)
{
    struct stream *t = x->stream;
    int e = 0;
    t->out_end = true;
    offer(t);
    while (!e && !t->out_sent) e = wait_for_room(t);
    return e;
}

const struct httpd_way h2_way = {"2", read, go_on, begin, write, end};
