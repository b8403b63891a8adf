/* httpd.c - the session: requests one after another, each read, run, answered, told in one line of the log.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "httpd_i.h"

static void session_run(struct httpd_session *s);

static void resume(void *arg)
{
    struct httpd_session *s = arg;
    if (fiber_canceled() || (!conn_peek(s->c).n && rt_now() >= s->until) || guard_gave_way(s->visit))
        s->over = true;
    session_run(s);
}

/* Who keeps a connection open between two requests holds no stack. */
static void session_run(struct httpd_session *s)
{
    if (s->h2 ? httpd_h2(s) : httpd_h1(s)) {
        conn_park(s->c, s->g, s->until, resume, s);
        return;
    }
    conn_close(&s->c);
    free(s);
}

static int begin_tls(struct httpd_session *s)
{
    static const char *const alpn[] = {"h2", "http/1.1", NULL};
    struct tls_info info;
    int64_t before = deadline_narrow(DEADLINE_IN(HTTPD_HEAD));
    int e = conn_tls_accept_as(s->c, s->server->conf.tls, alpn);
    deadline_restore(before);
    if (!e) conn_tls_info(s->c, &info);
    if (!e && !strcmp(info.alpn, "h2")) return httpd_h2_new(s);
    if (e) log_info(s->who, "TLS did not come about: %s", err_text(e));
    return e;
}

void httpd_session(struct httpd *server, bool plain, struct conn *c, struct group *g,
                   struct guard_visit *visit)
{
    ASSERT(c && g && (plain || server->conf.tls));
    char peer[ENDPOINT_TEXT_MAX];
    struct httpd_session *s = xcalloc(1, sizeof *s);
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
    ASSERT(conf->ngroups && "somebody answers");
    *out = xcalloc(1, sizeof **out);
    (*out)->conf = *conf;
    holders_init(&(*out)->holders);
    return 0;
}

void httpd_close(struct httpd **s)
{
    holders_free(&(*s)->holders);
    free(*s);
    *s = NULL;
}
