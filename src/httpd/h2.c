/* h2.c - HTTP/2 (RFC 9113): a connection. libnghttp2 knows frames, windows and HPACK and does no I/O; one
 * fiber reads and writes, each request runs on a fiber of its own and is handed to the same functions as one
 * of HTTP/1.1. */
#include <malloc.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/wiped.h"
#include "h2_i.h"

/* ---- memory of libnghttp2, counted ---- */

static void *taken(void *p)
{
    memory_count((ptrdiff_t)malloc_usable_size(p));
    return p;
}

static void give_back(void *p, void *arg)
{
    (void)arg;
    if (p) memory_count(-(ptrdiff_t)malloc_usable_size(p));
    wiped_free(p);
}

static void *take(size_t n, void *arg)
{
    (void)arg;
    return taken(xmalloc(n));
}

static void *take_zeroed(size_t n, size_t size, void *arg)
{
    (void)arg;
    return taken(xcalloc(n, size));
}

static void *take_more(void *p, size_t n, void *arg)
{
    (void)arg;
    if (p) memory_count(-(ptrdiff_t)malloc_usable_size(p));
    return taken(wiped_grow(p, n));
}

/* ---- its end ---- */

/* New requests are not taken any more; those that are there are answered (section 6.8). */
static void leave(struct h2 *h, uint32_t why)
{
    if (h->leaving) return;
    h->leaving = true;
    int32_t last = nghttp2_session_get_last_proc_stream_id(h->ng);
    (void)!nghttp2_submit_goaway(h->ng, NGHTTP2_FLAG_NONE, last, why, NULL, 0);
}

/* Who takes more than a share: nothing is answered any more. */
static void throw_out(struct h2 *h, const char *why)
{
    if (h->s->over) return;
    log_info(h->s->who, "the connection ends: %s", why);
    h->s->over = true;
    leave(h, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void charge(struct h2 *h, struct slice bytes)
{
    uint64_t faded = (uint64_t)((rt_now() - h->price_at) / (RT_S / H2_PRICE_FADES));
    h->price_at += (int64_t)faded * (RT_S / H2_PRICE_FADES);
    h->price = h->price > faded ? h->price - faded : 0;
    h->price += h2_price(&h->frames, bytes);
    if (h->price > H2_PRICE_MAX) throw_out(h, "too many frames that ask for nothing");
}

/* ---- a request ---- */

static void give_up(struct stream *t, uint32_t why)
{
    if (!t->gone) (void)!nghttp2_submit_rst_stream(t->h->ng, NGHTTP2_FLAG_NONE, t->id, why);
}

static void run_stream(void *arg)
{
    struct stream *t = arg;
    struct exchange *x = t->x;
    struct h2 *h = t->h;
    x->body_over = t->in_end && !t->in.n;
    if (x->r->status) httpd_refuse(x, t->why);
    else httpd_run(x);
    if (!x->ended) give_up(t, NGHTTP2_INTERNAL_ERROR);
    else if (!httpd_swallow(x) || !t->in_end) give_up(t, NGHTTP2_NO_ERROR); /* RFC 9113 section 8.1 */
    httpd_exchange_end(x);
    if (httpd_spent(h->s)) leave(h, NGHTTP2_NO_ERROR);
    h2_stream_drop(t);
    t->running = false;
    h->idle = rt_now();
    conn_nudge(h->s->c);
    if (t->gone) h2_stream_free(&t);
}

static struct stream *stream_of(struct h2 *h, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h->ng, id);
}

static int begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    if (h->n - h->ending >= H2_STREAMS || h->n >= H2_STREAMS + H2_ENDING || h->leaving)
        return nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
    struct stream *t = xcalloc(1, sizeof *t);
    t->h = h;
    t->id = frame->hd.stream_id;
    t->x = httpd_exchange_new();
    waitq_init(&t->more);
    waitq_init(&t->room);
    list_push(&h->streams, &t->link);
    h->n++;
    h->heading = rt_now();
    httpd_exchange_begin(t->x, h->s, &h2_way);
    t->x->stream = t;
    return nghttp2_session_set_stream_user_data(ng, t->id, t);
}

/* The first fault decides what is answered. */
static void judge(struct stream *t, int e)
{
    if (e && !t->why.p) t->why = ar_dup(&t->x->a, sl_cstr(err_text(e)));
}

/* What stands in front of the fields, as HTTP/1.1 has it, so that both are judged alike. */
static void take_line(struct stream *t)
{
    struct exchange *x = t->x;
    if (t->has_line) return;
    t->has_line = true;
    judge(t, http_request_line(x->r, ar_printf(&x->a, "%.*s %.*s HTTP/1.1", SLF(t->method), SLF(t->path))));
    if (!x->r->status && t->authority.p)
        judge(t, http_request_field(x->r, ar_cat(&x->a, SL("host: "), t->authority)));
}

static void take_field(struct stream *t, struct slice name, struct slice value)
{
    struct exchange *x = t->x;
    struct slice *pseudo = sl_eq(name, SL(":method"))      ? &t->method
                           : sl_eq(name, SL(":path"))      ? &t->path
                           : sl_eq(name, SL(":authority")) ? &t->authority
                                                           : NULL;
    if (pseudo) {
        *pseudo = ar_dup(&x->a, value);
        return;
    }
    if (name.n && name.p[0] == ':') return;
    take_line(t);
    if (x->r->status || (sl_eq(name, SL("host")) && sl_eq(value, t->authority))) return;
    judge(t, http_request_field(x->r, ar_printf(&x->a, "%.*s: %.*s", SLF(name), SLF(value))));
}

static int header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t n,
                  const uint8_t *value, size_t m, uint8_t flags, void *arg)
{
    struct h2 *h = arg;
    struct stream *t = stream_of(h, frame->hd.stream_id);
    (void)ng, (void)flags;
    if (!t) return 0;
    t->head_bytes += n + m + 32;
    bool trailer = frame->headers.cat != NGHTTP2_HCAT_REQUEST;
    if (t->head_bytes > H2_BOMB || (trailer && ++t->trailers > HTTP_TRAILER_MAX)) {
        throw_out(h, "the fields of a request are too many");
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    if (trailer) return 0;
    if (t->head_bytes > HTTP_HEAD_MAX + 32 * HTTP_FIELDS_MAX && !t->x->r->status) {
        t->x->r->status = 431;
        judge(t, err_set(ERR_LIMIT, "the fields of the request are too many or too long"));
    }
    take_field(t, sl((const char *)name, n), sl((const char *)value, m));
    return 0;
}

static void start(struct h2 *h, struct stream *t, bool ended)
{
    struct exchange *x = t->x;
    take_line(t);
    if (!x->r->status) judge(t, http_request_end(x->r));
    t->in_end = ended;
    t->started = t->running = true;
    if (!group_go(&h->running, "http2", run_stream, t)) return;
    t->running = false;
    give_up(t, NGHTTP2_REFUSED_STREAM);
}

static int frame_received(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;
    (void)ng;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    struct stream *t = stream_of(h, frame->hd.stream_id);
    bool ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    h->heading = 0;
    if (!t) return 0;
    if (!t->started) start(h, t, ended);
    if (ended) t->in_end = true;
    if (ended) waitq_wake_all(&t->more);
    return 0;
}

static int data_received(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t n,
                         void *arg)
{
    struct stream *t = stream_of(arg, id);
    (void)flags;
    if (!t || !t->running) { /* nobody reads it any more */
        (void)!nghttp2_session_consume(ng, id, n);
        return 0;
    }
    buf_bytes(&t->in, data, n);
    waitq_wake_all(&t->more);
    return 0;
}

static int frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *arg)
{
    struct h2 *h = arg;
    bool answers = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    (void)ng;
    if (answers) h->price = h->price > H2_PRICE_ANSWER ? h->price - H2_PRICE_ANSWER : 0;
    return 0;
}

static void lose(struct stream *t)
{
    t->gone = true;
    t->ending = t->running && t->out_sent;
    t->h->ending += t->ending;
    waitq_wake_all(&t->more);
    waitq_wake_all(&t->room);
    if (!t->running) h2_stream_free(&t);
}

static int closed(nghttp2_session *ng, int32_t id, uint32_t why, void *arg)
{
    struct h2 *h = arg;
    struct stream *t = stream_of(h, id);
    (void)ng, (void)why;
    h->heading = 0;
    if (t) lose(t);
    return 0;
}

/* ---- a connection ---- */

static int open_session(struct h2 *h)
{
    nghttp2_mem mem = {NULL, take, give_back, take_zeroed, take_more};
    nghttp2_session_callbacks *cb;
    nghttp2_option *option;
    if (nghttp2_session_callbacks_new(&cb)) return ERR_LIMIT;
    if (nghttp2_option_new(&option)) {
        nghttp2_session_callbacks_del(cb);
        return ERR_LIMIT;
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, data_received);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, closed);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    int e = nghttp2_session_server_new3(&h->ng, cb, h, option, &mem);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(cb);
    return e ? err_set(ERR_LIMIT, "HTTP/2: %s", nghttp2_strerror(e)) : 0;
}

static int greet(struct h2 *h)
{
    static const nghttp2_settings_entry ours[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, H2_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX},
        {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
    };
    int e = nghttp2_submit_settings(h->ng, NGHTTP2_FLAG_NONE, ours, COUNT_OF(ours));
    if (!e) e = nghttp2_session_set_local_window_size(h->ng, NGHTTP2_FLAG_NONE, 0, H2_CONNECTION);
    return e ? err_set(ERR_LIMIT, "HTTP/2: %s", nghttp2_strerror(e)) : 0;
}

int httpd_h2_new(struct httpd_session *s)
{
    struct h2 *h = xcalloc(1, sizeof *h);
    h->s = s;
    h->price_at = h->idle = rt_now();
    list_init(&h->streams);
    group_init(&h->running);
    s->h2 = h;
    int e = open_session(h);
    if (!e) e = greet(h);
    if (!e) return 0;
    nghttp2_session_del(h->ng);
    free(h);
    s->h2 = NULL;
    return e;
}

static void hear(struct h2 *h)
{
    struct slice in = conn_peek(h->s->c);
    if (!in.n || h->s->over) return;
    charge(h, in);
    ssize_t n = h->s->over ? 0 : nghttp2_session_mem_recv(h->ng, (const uint8_t *)in.p, in.n);
    if (n < 0) h->s->over = true;
    conn_consume(h->s->c, in.n);
}

/* As much as the connection's buffer has room for: nothing here waits. */
static void say(struct h2 *h)
{
    enum { ROOM = 32 << 10 }; /* a frame has 16 KiB at most */
    const uint8_t *p;
    ssize_t n;
    while (conn_pending(h->s->c) < ROOM && (n = nghttp2_session_mem_send(h->ng, &p)) > 0)
        conn_write(h->s->c, sl((const char *)p, (size_t)n));
}

/* When the connection has waited enough: for the rest of a head, for a request, for the client to take the
 * end of an answer. Functions that run have deadlines of their own. */
static int64_t patience(const struct h2 *h)
{
    if (h->heading) return h->heading + HTTPD_HEAD;
    if (h->running.count) return RT_NEVER;
    return h->idle + (h->n ? HTTPD_WRITE : HTTPD_IDLE);
}

static bool wants(const struct h2 *h)
{
    return nghttp2_session_want_write(h->ng) || nghttp2_session_want_read(h->ng);
}

/* Functions that run are told, and their last words sent as far as there is room. */
static void finish(struct h2 *h)
{
    int e = conn_error(h->s->c);
    bool lost = e && e != ERR_CANCELED && e != ERR_TIMEOUT;
    leave(h, NGHTTP2_NO_ERROR);
    if (!lost) say(h);
    group_cancel(&h->running);
    (void)group_wait(&h->running);
    if (!lost) say(h);
    while (!list_empty(&h->streams)) {
        struct stream *t = CONTAINER_OF(h->streams.next, struct stream, link);
        h2_stream_free(&t);
    }
    nghttp2_session_del(h->ng);
    free(h);
}

bool httpd_h2(struct httpd_session *s)
{
    struct h2 *h = s->h2;
    int e = 0;
    if (!conn_peek(s->c).n) { /* is anybody there any more? What was parked is run again for that, too */
        conn_nudge(s->c);
        e = conn_turn(s->c);
    }
    while (!s->over && !e && !fiber_canceled()) {
        hear(h);
        say(h);
        if (s->over || !wants(h)) break;
        if (h->leaving && !h->n && !nghttp2_session_want_write(h->ng)) break;
        if (!h->n && !h->heading && !nghttp2_session_want_write(h->ng) && !conn_peek(s->c).n) {
            s->until = patience(h);
            if (rt_now() < s->until) return true;
            break;
        }
        int64_t before = deadline_narrow(patience(h));
        e = conn_turn(s->c);
        deadline_restore(before);
    }
    s->h2 = NULL;
    finish(h);
    return false;
}
