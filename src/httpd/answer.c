/* answer.c - status, fields and content of an answer. */
#include <stdarg.h>
#include <stdio.h>

#include "httpd_i.h"

void http_field(struct http_call *c, const char *name, struct slice value)
{
    http_put_field(&c->exchange->fields, sl_cstr(name), value);
}

void http_counts(const struct http_call *c, uint64_t out[HTTP_CLASSES])
{
    for (int i = 0; i < HTTP_CLASSES; i++)
        out[i] = __atomic_load_n(&c->exchange->s->server->answers[i], __ATOMIC_RELAXED);
}

static void put_head(struct exchange *x, int status, const char *type)
{
    char date[HTTP_DATE_MAX];
    x->status = status;
    __atomic_add_fetch(&x->s->server->answers[status / 100 % HTTP_CLASSES], 1, __ATOMIC_RELAXED);
    if (status >= 400 && !x->proved) x->s->cost += HTTPD_REFUSED;
    buf_clear(&x->out);
    http_put_field(&x->out, SL("Date"), sl_cstr(http_date(rt_wall_seconds(), date)));
    if (type) http_put_field(&x->out, SL("Content-Type"), sl_cstr(type));
    if (type) buf_str(&x->out, "X-Content-Type-Options: nosniff\r\n");
    if (!x->s->plain)
        buf_str(&x->out, "Strict-Transport-Security: max-age=31536000\r\n"); /* RFC 6797 section 7 */
    buf_put(&x->out, buf_slice(&x->fields));
    if (sl_findi(buf_slice(&x->fields), SL("cache-control:")) == SL_NONE)
        buf_str(&x->out, "Cache-Control: no-store\r\n");
}

void http_answer(struct http_call *c, int status, const char *type, struct slice body)
{
    struct exchange *x = c->exchange;
    if (x->status) return;
    put_head(x, status, type);
    bool none = status == 204 || status == 304, head = x->r->method == HTTP_HEAD; /* RFC 9110 section 8.6 */
    int e = x->way->begin(x, none ? HTTPD_NONE : (int64_t)body.n);
    if (!none && !head && body.n) {
        if (!e) e = x->way->write(x, body);
        x->bytes_out += body.n;
    }
    if (!e) (void)!x->way->end(x);
    x->ended = true;
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

void http_stream_begin(struct http_call *c, int status, const char *type)
{
    struct exchange *x = c->exchange;
    if (x->status) return;
    put_head(x, status, type);
    (void)!x->way->begin(x, HTTPD_UNKNOWN);
}

int http_stream_write(struct http_call *c, struct slice piece)
{
    struct exchange *x = c->exchange;
    if (!piece.n || x->r->method == HTTP_HEAD) return conn_error(x->s->c);
    x->bytes_out += piece.n;
    return x->way->write(x, piece);
}

void http_stream_end(struct http_call *c)
{
    struct exchange *x = c->exchange;
    if (x->r->method != HTTP_HEAD) (void)!x->way->end(x);
    x->ended = true;
}
