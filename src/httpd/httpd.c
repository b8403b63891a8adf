/* httpd.c - the session: requests one after another, each read, run, answered, told in one line of the log.
 */
#include <stdio.h>
#include <stdlib.h>

#include "httpd_i.h"

static void tell(struct httpd_session *s)
{
    char status[16], in[24], out[24], ms[24], peer[IP_TEXT_MAX];
    snprintf(status, sizeof status, "%d", s->status);
    snprintf(in, sizeof in, "%llu", (unsigned long long)s->bytes_in);
    snprintf(out, sizeof out, "%llu", (unsigned long long)s->bytes_out);
    snprintf(ms, sizeof ms, "%lld", (long long)((rt_now() - s->began) / RT_MS));
    LOG_EVENT(LOG_INFO, s->who, {"peer", sl_cstr(ip_format(&s->call.peer, peer))}, {"method", s->r->word},
              {"path", sl_sub(s->r->path, 0, 200)}, {"status", sl_cstr(status)}, {"in", sl_cstr(in)},
              {"out", sl_cstr(out)}, {"ms", sl_cstr(ms)}, {"key", sl_cstr(s->call.key.id)});
}

static void begin(struct httpd_session *s)
{
    ar_reset(&s->a);
    buf_clear(&s->fields);
    buf_clear(&s->body);
    s->r = ar_new(&s->a, struct http_request);
    s->call = (struct http_call){.a = &s->a, .request = s->r, .visit = s->visit, .session = s};
    s->call.peer = conn_peer(s->c)->ip;
    s->call.tls = conn_is_tls(s->c);
    s->call.local = ip_is_loopback(&s->call.peer);
    s->began = rt_now();
    s->left = s->bytes_in = s->bytes_out = 0;
    s->body_over = s->continued = s->in_chunk = s->chunked = s->ended = false;
    s->status = 0;
    s->requests++;
    s->cost++;
}

static void one_request(struct httpd_session *s)
{
    begin(s);
    int e = httpd_read_head(s);
    if (e) {
        s->over = s->body_over = true;
        if (!s->r->status) return; /* nobody is there */
        http_fail(&s->call, s->r->status, "%s", err_text(e));
    } else {
        s->left = s->r->length;
        s->body_over = !s->r->chunked && !s->r->length;
        httpd_run(s);
        if (!httpd_swallow(s)) s->over = true;
    }
    if (s->call.key.scopes) s->cost = 0, s->fruitful = rt_now();
    tell(s);
}

static void session_end(struct httpd_session *s)
{
    buf_free(&s->fields);
    buf_free(&s->out);
    buf_free(&s->body);
    ar_free(&s->a);
    conn_close(&s->c);
    free(s);
}

static void session_run(struct httpd_session *s);

static void resume(void *arg)
{
    struct httpd_session *s = arg;
    if (fiber_canceled() || (!conn_peek(s->c).n && rt_now() >= s->until)) s->over = true;
    session_run(s);
}

/* Who keeps a connection open between two requests holds no stack. */
static void park(struct httpd_session *s)
{
    buf_free(&s->fields);
    buf_free(&s->out);
    buf_free(&s->body);
    ar_free(&s->a);
    s->r = NULL;
    s->until = DEADLINE_IN(HTTPD_IDLE);
    conn_park(s->c, s->g, s->until, resume, s);
}

static void session_run(struct httpd_session *s)
{
    while (!s->over && !conn_error(s->c)) {
        if (!conn_peek(s->c).n && !fiber_canceled()) {
            park(s);
            return;
        }
        if (fiber_canceled()) break;
        one_request(s);
        fiber_breathe();
    }
    session_end(s);
}

static int begin_tls(struct httpd_session *s)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    int64_t before = deadline_narrow(DEADLINE_IN(HTTPD_HEAD));
    int e = conn_tls_accept_as(s->c, s->server->conf.tls, alpn);
    deadline_restore(before);
    if (e) log_info(s->who, "TLS did not come about: %s", err_text(e));
    return e;
}

void httpd_session(struct httpd *server, bool plain, struct conn *c, struct group *g,
                   struct guard_visit *visit)
{
    char peer[ENDPOINT_TEXT_MAX];
    struct httpd_session *s = xcalloc(1, sizeof *s);
    s->a.cap = HTTPD_MEMORY;
    s->server = server;
    s->g = g;
    s->c = c;
    s->visit = visit;
    s->plain = plain;
    s->fruitful = rt_now();
    endpoint_format(conn_peer(c), peer);
    snprintf(s->who, sizeof s->who, "httpd %.50s", peer);
    if (!plain && begin_tls(s)) s->over = true;
    session_run(s);
}

int httpd_open(struct httpd **out, const struct httpd_conf *conf)
{
    *out = xcalloc(1, sizeof **out);
    (*out)->conf = *conf;
    return 0;
}

void httpd_close(struct httpd **s)
{
    free(*s);
    *s = NULL;
}
