/* exchange.c - a request and its answer, from begin to end: its line of the log, what it costs its
 * connection. */
#include <stdio.h>
#include <stdlib.h>

#include "httpd_i.h"

static void tell(const struct exchange *x)
{
    char status[16], in[24], out[24], ms[24], peer[IP_TEXT_MAX];
    snprintf(status, sizeof status, "%d", x->status);
    snprintf(in, sizeof in, "%llu", (unsigned long long)x->bytes_in);
    snprintf(out, sizeof out, "%llu", (unsigned long long)x->bytes_out);
    snprintf(ms, sizeof ms, "%lld", (long long)((rt_now() - x->began) / RT_MS));
    LOG_EVENT(LOG_INFO, x->s->who, {"peer", sl_cstr(ip_format(&x->call.peer, peer))},
              {"http", sl_cstr(x->way->version)}, {"method", x->r->word},
              {"path", sl_sub(x->r->path, 0, 200)}, {"status", sl_cstr(status)}, {"in", sl_cstr(in)},
              {"out", sl_cstr(out)}, {"ms", sl_cstr(ms)}, {"key", sl_cstr(x->call.key.id)});
}

struct exchange *httpd_exchange_new(void)
{
    struct exchange *x = xcalloc(1, sizeof *x);
    x->a.cap = HTTPD_MEMORY;
    return x;
}

void httpd_exchange_begin(struct exchange *x, struct httpd_session *s, const struct httpd_way *way)
{
    struct arena a = x->a;
    struct buf fields = x->fields, out = x->out;
    ar_reset(&a);
    buf_clear(&fields);
    buf_clear(&out);
    *x = (struct exchange){.s = s, .way = way, .a = a, .fields = fields, .out = out, .began = rt_now()};
    x->r = ar_new(&x->a, struct http_request);
    x->call = (struct http_call){.a = &x->a, .request = x->r, .visit = s->visit, .exchange = x};
    x->call.peer = conn_peer(s->c)->ip;
    x->call.tls = conn_is_tls(s->c);
    x->call.local = ip_is_loopback(&x->call.peer);
    s->requests++;
    s->cost++;
}

void httpd_exchange_end(struct exchange *x)
{
    if (x->proved) x->s->cost = 0, x->s->fruitful = rt_now();
    http_let_go(&x->call, x->counted);
    httpd_let_go(x, x->holds);
    buf_free(&x->body);
    tell(x);
}

void httpd_exchange_free(struct exchange **out)
{
    struct exchange *x = *out;
    *out = NULL;
    buf_free(&x->fields);
    buf_free(&x->out);
    ar_free(&x->a);
    free(x);
}

bool httpd_spent(const struct httpd_session *s)
{
    return s->requests >= HTTPD_REQUESTS_MAX || s->cost >= HTTPD_STRANGER_MAX ||
           rt_now() - s->fruitful >= HTTPD_STRANGER;
}
