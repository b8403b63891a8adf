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
static void find(struct exchange *x, unsigned *methods)
{
    const struct httpd_conf *conf = &x->s->server->conf;
    struct slice param[HTTP_PARAMS_MAX];
    size_t n;
    for (size_t g = 0; g < conf->ngroups; g++)
        for (size_t i = 0; i < conf->group[g]->n; i++) {
            const struct http_route *t = &conf->group[g]->route[i];
            if (!http_path_fits(t->path, x->r->path, param, &n)) continue;
            *methods |= 1u << t->method;
            if (x->call.route || !serves(t, x->r->method)) continue;
            x->call.route = t;
            x->call.group = conf->group[g];
            x->call.nparams = n;
            for (size_t k = 0; k < n; k++) x->call.param[k] = http_segment(&x->a, param[k]);
        }
}

/* Whole segments: what is under /v3/send is not /v3/senders. */
static bool is_under(struct slice path, struct slice prefix)
{
    struct slice rest = sl_from(path, prefix.n);
    return sl_starts(path, prefix) && (!rest.n || rest.p[0] == '/' || prefix.p[prefix.n - 1] == '/');
}

/* In whose form an address that is no route is refused: the longest prefix. */
static void find_group(struct exchange *x)
{
    size_t longest = 0;
    for (size_t g = 0; g < x->s->server->conf.ngroups; g++) {
        const struct http_group *y = x->s->server->conf.group[g];
        if (!y->prefix || strlen(y->prefix) < longest || !is_under(x->r->path, sl_cstr(y->prefix))) continue;
        longest = strlen(y->prefix);
        x->call.group = y;
    }
}

void httpd_refuse(struct exchange *x, struct slice why)
{
    find_group(x);
    http_fail(&x->call, x->r->status, "%.*s", SLF(why));
}

static void put_allow(struct exchange *x, unsigned methods)
{
    char text[128] = "OPTIONS";
    if (methods & 1u << HTTP_GET) methods |= 1u << HTTP_HEAD;
    for (int m = HTTP_GET; m < HTTP_OPTIONS; m++)
        if (methods & 1u << m) {
            strncat(text, ", ", sizeof text - strlen(text) - 1);
            strncat(text, http_method_name((enum http_method)m), sizeof text - strlen(text) - 1);
        }
    http_field(&x->call, "Allow", sl_cstr(text));
}

static void no_route(struct exchange *x, unsigned methods)
{
    find_group(x);
    if (x->r->method == HTTP_OTHER) {
        http_fail(&x->call, 501, "this server does not know the method");
    } else if (x->r->method == HTTP_OPTIONS && (methods || sl_eq(x->r->path, SL("*")))) {
        put_allow(x, methods ? methods : ~0u);
        http_answer(&x->call, 204, NULL, SL(""));
    } else if (methods) {
        put_allow(x, methods);
        http_fail(&x->call, 405, "the method does not fit this address");
    } else {
        const char *nothing = x->call.group ? x->call.group->nothing : NULL;
        http_fail(&x->call, 404, "%s", nothing ? nothing : "there is nothing at this address");
    }
}

/* ---- may it? ---- */

/* Port 80 leads to the other one. Only GET and HEAD, whose method a 301 leaves alone (RFC 9110
 * section 15.4.2). */
static void redirect(struct exchange *x)
{
    struct slice host = x->r->host;
    size_t colon = sl_rchr(host, ':'), bracket = sl_rchr(host, ']');
    if (colon != SL_NONE && (bracket == SL_NONE || colon > bracket)) host = sl_sub(host, 0, colon);
    if (!host.n || !sl_starts(x->r->path, SL("/")) ||
        (x->r->method != HTTP_GET && x->r->method != HTTP_HEAD)) {
        http_fail(&x->call, 403, "this is served within TLS only");
        return;
    }
    char port[8] = "";
    if (x->s->server->conf.https_port != 443)
        snprintf(port, sizeof port, ":%u", x->s->server->conf.https_port);
    http_field(&x->call, "Location",
               ar_printf(&x->a, "https://%.*s%s%.*s%s%.*s", SLF(host), port, SLF(x->r->path),
                         x->r->query.p ? "?" : "", SLF(x->r->query)));
    http_answer(&x->call, 301, NULL, SL(""));
}

static void refuse_asker(struct exchange *x, int e)
{
    int status = e == ERR_DENIED || e == ERR_SYNTAX ? 401 : e == ERR_LIMIT || e == ERR_BUSY ? 429 : 503;
    if (status == 401) http_field(&x->call, "WWW-Authenticate", SL("Bearer, Basic realm=\"Tram\""));
    http_fail(&x->call, status, "%s", err_text(e));
}

static bool may(struct exchange *x)
{
    const struct http_route *t = x->call.route;
    if (!t->scope || ((t->flags & HTTP_ROUTE_LOCAL) && x->call.local)) return true;
    int e = x->call.group->auth(&x->call);
    x->proved = !e && !x->call.group->prove;
    if (e) refuse_asker(x, e);
    else if (!(x->call.key.scopes & (t->scope | SCOPE_ADMIN)))
        http_fail(&x->call, 403, "the key lacks the scope %s", api_scope_word(t->scope));
    return !x->status;
}

static bool in_clear(const struct exchange *x)
{
    unsigned flags = x->call.route ? x->call.route->flags : 0;
    return (flags & HTTP_ROUTE_PLAIN) || ((flags & HTTP_ROUTE_LOCAL) && x->call.local);
}

/* ---- running it ---- */

static bool take_body(struct exchange *x)
{
    const struct http_route *t = x->call.route;
    if (t->flags & HTTP_ROUTE_STREAM) return true;
    int e = httpd_read_body(x, t->body_max ? t->body_max : HTTP_BODY_SMALL);
    int status = e == ERR_TOO_LONG ? 413 : e == ERR_TIMEOUT ? 408 : http_status_of(e);
    if (e) http_fail(&x->call, status, "%s", err_text(e));
    return !e;
}

static void run(struct exchange *x)
{
    if (!may(x) || !take_body(x)) return;
    int e = x->call.key.scopes && x->call.group->prove ? x->call.group->prove(&x->call) : 0;
    if (e) {
        refuse_asker(x, e);
        return;
    }
    x->proved = x->call.key.scopes;
    if (memory_refuses(&x->a)) {
        http_fail(&x->call, 503, "there is no memory to spare for it; try again later");
        return;
    }
    bool watched = x->call.key.scopes && x->call.group->watch;
    if (watched) x->call.group->watch(&x->call, 0);
    int64_t before = deadline_get();
    if (!(x->call.route->flags & HTTP_ROUTE_STREAM)) before = deadline_narrow(DEADLINE_IN(HTTPD_WORK));
    x->call.route->run(&x->call);
    deadline_restore(before);
    if (watched) x->call.group->watch(&x->call, x->status);
}

/* A proxy on this host hands over what others ask: they are not the host itself. */
static bool passed_on(const struct http_request *r)
{
    static const struct slice names[] = {SL_INIT("Forwarded"), SL_INIT("X-Forwarded-For"),
                                         SL_INIT("X-Real-IP"), SL_INIT("Via")};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (http_request_value(r, names[i]).p) return true;
    return false;
}

void httpd_run(struct exchange *x)
{
    unsigned methods = 0;
    if (passed_on(x->r)) x->call.local = false;
    find(x, &methods);
    if (x->s->plain && !in_clear(x)) redirect(x);
    else if (!x->call.route) no_route(x, methods);
    else run(x);
    if (!x->status) http_fail(&x->call, 500, "nothing was answered");
}
