/* answer.c - status, fields and content of an answer. */
#include <stdarg.h>
#include <stdio.h>

#include "httpd_i.h"

void http_field(struct http_call *c, const char *name, struct slice value)
{
    http_put_field(&c->session->fields, sl_cstr(name), value);
}

void http_counts(const struct http_call *c, uint64_t out[HTTP_CLASSES])
{
    for (int i = 0; i < HTTP_CLASSES; i++)
        out[i] = __atomic_load_n(&c->session->server->answers[i], __ATOMIC_RELAXED);
}

static void put_length(struct httpd_session *s, int status, size_t n)
{
    if (status != 204 && status != 304) buf_printf(&s->out, "Content-Length: %zu\r\n", n); /* 8.6 */
}

/* A connection ends after what could not be read, and when it has had its share. */
static bool goes_on(const struct httpd_session *s)
{
    return !s->over && !s->r->last && s->requests < HTTPD_REQUESTS_MAX && s->cost < HTTPD_STRANGER_MAX &&
           rt_now() - s->fruitful < HTTPD_STRANGER;
}

static void put_head(struct httpd_session *s, int status, const char *type)
{
    char date[HTTP_DATE_MAX];
    s->status = status;
    __atomic_add_fetch(&s->server->answers[status / 100 % HTTP_CLASSES], 1, __ATOMIC_RELAXED);
    if (status >= 400 && !s->call.key.scopes) s->cost += HTTPD_REFUSED;
    buf_clear(&s->out);
    http_put_status(&s->out, status);
    http_put_field(&s->out, SL("Date"), sl_cstr(http_date(rt_wall_seconds(), date)));
    if (type) http_put_field(&s->out, SL("Content-Type"), sl_cstr(type));
    if (type) buf_str(&s->out, "X-Content-Type-Options: nosniff\r\n");
    buf_put(&s->out, buf_slice(&s->fields));
    if (sl_findi(buf_slice(&s->fields), SL("cache-control:")) == SL_NONE)
        buf_str(&s->out, "Cache-Control: no-store\r\n");
    if (!goes_on(s)) s->over = true;
    if (s->over) buf_str(&s->out, "Connection: close\r\n");
}

static int send_out(struct httpd_session *s, struct slice bytes)
{
    int64_t before = deadline_narrow(DEADLINE_IN(HTTPD_WRITE));
    conn_write(s->c, bytes);
    int e = conn_error(s->c);
    deadline_restore(before);
    return e;
}

void http_answer(struct http_call *c, int status, const char *type, struct slice body)
{
    struct httpd_session *s = c->session;
    if (s->status) return;
    put_head(s, status, type);
    put_length(s, status, body.n);
    buf_str(&s->out, "\r\n");
    (void)!send_out(s, buf_slice(&s->out));
    if (s->r->method != HTTP_HEAD) (void)!send_out(s, body);
    if (s->r->method != HTTP_HEAD) s->bytes_out += body.n;
    s->ended = true;
}

void http_fail(struct http_call *c, int status, const char *fmt, ...)
{
    char sentence[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    if (c->group && c->group->error) c->group->error(c, status, sentence);
    else http_answer(c, status, "text/plain; charset=utf-8", ar_printf(c->a, "%s\n", sentence));
}

int http_status_of(int e)
{
    switch (e) {
    case ERR_SYNTAX:
    case ERR_USAGE: return 400;
    case ERR_DENIED: return 403;
    case ERR_NOT_FOUND: return 404;
    case ERR_EXISTS:
    case ERR_CONFLICT:
    case ERR_STATE: return 409;
    case ERR_TOO_LONG: return 413;
    case ERR_LIMIT: return 429;
    case ERR_UNSUPPORTED: return 501;
    case ERR_FULL:
    case ERR_QUOTA: return 507;
    default: return err_is_temporary(e) ? 503 : 500;
    }
}

/* HTTP/1.0 has no chunks: there the end of the connection is the end of the content. */
void http_stream_begin(struct http_call *c, int status, const char *type)
{
    struct httpd_session *s = c->session;
    if (s->status) return;
    put_head(s, status, type);
    s->chunked = s->r->minor;
    buf_str(&s->out, s->chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
    (void)!send_out(s, buf_slice(&s->out));
}

int http_stream_write(struct http_call *c, struct slice piece)
{
    struct httpd_session *s = c->session;
    char size[24];
    if (!piece.n || s->r->method == HTTP_HEAD) return conn_error(s->c);
    s->bytes_out += piece.n;
    if (!s->chunked) return send_out(s, piece);
    (void)!send_out(s, sl(size, (size_t)snprintf(size, sizeof size, "%zx\r\n", piece.n)));
    (void)!send_out(s, piece);
    return send_out(s, SL("\r\n"));
}

void http_stream_end(struct http_call *c)
{
    struct httpd_session *s = c->session;
    if (s->chunked && s->r->method != HTTP_HEAD) (void)!send_out(s, SL("0\r\n\r\n"));
    s->ended = true;
}
