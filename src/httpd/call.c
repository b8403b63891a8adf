/* call.c - from a request to the function of its route: method, path, way, scope. */
#include <stdio.h>

#include "base/memory.h"
#include "httpd_i.h"

struct slice http_query(const struct http_call *c, struct slice name)
{
    struct slice rest = c->request->query, key, value;
    while (http_query_next(c->a, &rest, &key, &value))
        if (sl_eq(key, name)) return value;
    return (struct slice){0};
}

/* ---- which route? ---- */

static bool serves(const struct http_route *t, enum http_method m)
{
    return t->method == m || (t->method == HTTP_GET && m == HTTP_HEAD);
}

/* Finds the route, and by the way which methods the path has. */
static void find(struct httpd_session *s, unsigned *methods)
{
    const struct httpd_conf *conf = &s->server->conf;
    struct slice param[HTTP_PARAMS_MAX];
    size_t n;
    for (size_t g = 0; g < conf->ngroups; g++)
        for (size_t i = 0; i < conf->group[g]->n; i++) {
            const struct http_route *t = &conf->group[g]->route[i];
            if (!http_path_fits(t->path, s->r->path, param, &n)) continue;
            *methods |= 1u << t->method;
            if (s->call.route || !serves(t, s->r->method)) continue;
            s->call.route = t;
            s->call.group = conf->group[g];
            s->call.nparams = n;
            for (size_t k = 0; k < n; k++) s->call.param[k] = http_segment(&s->a, param[k]);
        }
}

/* The group in whose form an address that is no route is refused: the longest prefix. */
static void find_group(struct httpd_session *s)
{
    size_t longest = 0;
    for (size_t g = 0; g < s->server->conf.ngroups; g++) {
        const struct http_group *x = s->server->conf.group[g];
        if (!x->prefix || strlen(x->prefix) < longest || !sl_starts(s->r->path, sl_cstr(x->prefix))) continue;
        longest = strlen(x->prefix);
        s->call.group = x;
    }
}

static void put_allow(struct httpd_session *s, unsigned methods)
{
    char text[128] = "OPTIONS";
    if (methods & 1u << HTTP_GET) methods |= 1u << HTTP_HEAD;
    for (int m = HTTP_GET; m < HTTP_OPTIONS; m++)
        if (methods & 1u << m) {
            strncat(text, ", ", sizeof text - strlen(text) - 1);
            strncat(text, http_method_name((enum http_method)m), sizeof text - strlen(text) - 1);
        }
    http_field(&s->call, "Allow", sl_cstr(text));
}

static void no_route(struct httpd_session *s, unsigned methods)
{
    find_group(s);
    if (s->r->method == HTTP_OTHER) {
        http_fail(&s->call, 501, "this server does not know the method");
    } else if (s->r->method == HTTP_OPTIONS && (methods || sl_eq(s->r->path, SL("*")))) {
        put_allow(s, methods ? methods : ~0u);
        http_answer(&s->call, 204, NULL, SL(""));
    } else if (methods) {
        put_allow(s, methods);
        http_fail(&s->call, 405, "the method does not fit this address");
    } else {
        http_fail(&s->call, 404, "there is nothing at this address");
    }
}

/* ---- may it? ---- */

/* Port 80 leads to the other one. Only GET and HEAD, whose method a 301 leaves alone (RFC 9110
 * section 15.4.2). */
static void redirect(struct httpd_session *s)
{
    struct slice host = s->r->host;
    size_t colon = sl_rchr(host, ':'), bracket = sl_rchr(host, ']');
    if (colon != SL_NONE && (bracket == SL_NONE || colon > bracket)) host = sl_sub(host, 0, colon);
    if (!host.n || !sl_starts(s->r->path, SL("/")) ||
        (s->r->method != HTTP_GET && s->r->method != HTTP_HEAD)) {
        http_fail(&s->call, 403, "this is served within TLS only");
        return;
    }
    char port[8] = "";
    if (s->server->conf.https_port != 443) snprintf(port, sizeof port, ":%u", s->server->conf.https_port);
    http_field(&s->call, "Location",
               ar_printf(&s->a, "https://%.*s%s%.*s%s%.*s", SLF(host), port, SLF(s->r->path),
                         s->r->query.p ? "?" : "", SLF(s->r->query)));
    http_answer(&s->call, 301, NULL, SL(""));
}

static void refuse_asker(struct httpd_session *s, int e)
{
    int status = e == ERR_DENIED || e == ERR_SYNTAX ? 401 : e == ERR_LIMIT || e == ERR_BUSY ? 429 : 503;
    if (status == 401) http_field(&s->call, "WWW-Authenticate", SL("Bearer, Basic realm=\"Tram\""));
    http_fail(&s->call, status, "%s", err_text(e));
}

static bool may(struct httpd_session *s)
{
    const struct http_route *t = s->call.route;
    if (!t->scope || ((t->flags & HTTP_ROUTE_LOCAL) && s->call.local)) return true;
    int e = s->call.group->auth(&s->call);
    if (e) refuse_asker(s, e);
    else if (!(s->call.key.scopes & (t->scope | SCOPE_ADMIN)))
        http_fail(&s->call, 403, "the key lacks the scope %s", api_scope_word(t->scope));
    return !s->status;
}

static bool in_clear(const struct httpd_session *s)
{
    unsigned flags = s->call.route ? s->call.route->flags : 0;
    return (flags & HTTP_ROUTE_PLAIN) || ((flags & HTTP_ROUTE_LOCAL) && s->call.local);
}

/* ---- running it ---- */

static bool take_body(struct httpd_session *s)
{
    const struct http_route *t = s->call.route;
    if (t->flags & HTTP_ROUTE_STREAM) return true;
    uint64_t max = t->body_max ? t->body_max : HTTP_BODY_SMALL;
    int status = httpd_read_body(s, max);
    if (status == 413)
        http_fail(&s->call, 413, "the body is longer than %llu bytes", (unsigned long long)max);
    else if (status == 503) http_fail(&s->call, 503, "there is no memory to spare for it; try again later");
    else if (status) http_fail(&s->call, status, "the body of the request could not be read");
    return !status;
}

static void run(struct httpd_session *s)
{
    if (!may(s) || !take_body(s)) return;
    int e = s->call.route->scope && s->call.key.scopes && s->call.group->prove
                ? s->call.group->prove(&s->call)
                : 0;
    if (e) {
        refuse_asker(s, e);
        return;
    }
    if (memory_refuses(&s->a)) {
        http_fail(&s->call, 503, "there is no memory to spare for it; try again later");
        return;
    }
    int64_t before = deadline_get();
    if (!(s->call.route->flags & HTTP_ROUTE_STREAM)) before = deadline_narrow(DEADLINE_IN(HTTPD_WORK));
    s->call.route->run(&s->call);
    deadline_restore(before);
}

void httpd_run(struct httpd_session *s)
{
    unsigned methods = 0;
    find(s, &methods);
    if (s->plain && !in_clear(s)) redirect(s);
    else if (!s->call.route) no_route(s, methods);
    else run(s);
    if (!s->status) http_fail(&s->call, 500, "nothing was answered");
    if (!s->ended) s->over = true;
}
