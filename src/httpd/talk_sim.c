/* talk_sim.c - the server that httpd's tests talk to, and one connection. */
#include "talk_sim.h"

#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "sim/sim.h"

/* ---- a server of a few routes ---- */

static void hello(struct http_call *c)
{
    struct slice name = http_query(c, SL("name"));
    http_field(c, "X-Param", c->nparams ? c->param[0] : SL(""));
    http_answer(c, 200, "text/plain", name.p ? name : SL("hello"));
}

static void echo(struct http_call *c) { http_answer(c, 200, "text/plain", c->body); }

static void count(struct http_call *c)
{
    struct slice piece;
    size_t n = 0;
    int e;
    while ((e = http_read(c, &piece)) > 0) n += piece.n;
    if (e) http_fail(c, 400, "%s", err_text(e));
    else http_answer(c, 200, "text/plain", ar_printf(c->a, "%zu bytes", n));
}

static void many(struct http_call *c)
{
    static const char line[1024] = "a line that is long";
    http_stream_begin(c, 200, "text/plain");
    for (int i = 0; i < 1000 && !http_stream_write(c, sl(line, sizeof line)); i++) fiber_breathe();
    http_stream_end(c);
}

static void silent(struct http_call *c) { (void)c; }

/* Holds so many MiB for a second. */
static void hold(struct http_call *c)
{
    uint64_t n = 0;
    if (!num_u64(c->param[0], 1000, &n)) return;
    int e = http_hold(c, n << 20);
    if (!e) e = fiber_sleep(RT_S);
    if (e) http_fail(c, http_status_of(e), "%s", err_text(e));
    else http_answer(c, 200, "text/plain", SL("held"));
}

/* Has more to do when all is said. */
static void linger(struct http_call *c)
{
    http_answer(c, 200, "text/plain", SL("lingers"));
    (void)fiber_sleep(RT_S);
}

static int auth(struct http_call *c)
{
    struct slice who = http_request_value(c->request, SL("Authorization"));
    if (!sl_eq(who, SL("Bearer good"))) return err_set(ERR_DENIED, "the key is not known");
    c->key.scopes = SCOPE_MESSAGES_READ;
    return 0;
}

static int prove(struct http_call *c)
{
    return c->body.n ? 0 : err_set(ERR_DENIED, "the signature is wrong");
}

static void refuse(struct http_call *c, int status, const char *sentence)
{
    http_answer(c, status, "text/x-ours", ar_printf(c->a, "ours: %s", sentence));
}

static const struct http_route routes[] = {
    HTTP_ROUTE(GET, "/hello", NONE, hello, "", .flags = HTTP_ROUTE_PLAIN),
    HTTP_ROUTE(GET, "/hello/{who}", NONE, hello, "", .flags = HTTP_ROUTE_PLAIN),
    HTTP_ROUTE(POST, "/echo", NONE, echo, "", .flags = HTTP_ROUTE_PLAIN, .body_max = 1000),
    HTTP_ROUTE(POST, "/count", NONE, count, "", .flags = HTTP_ROUTE_PLAIN | HTTP_ROUTE_STREAM),
    HTTP_ROUTE(GET, "/many", NONE, many, "", .flags = HTTP_ROUTE_PLAIN | HTTP_ROUTE_STREAM),
    HTTP_ROUTE(GET, "/silent", NONE, silent, "", .flags = HTTP_ROUTE_PLAIN),
    HTTP_ROUTE(POST, "/mine", MESSAGES_READ, echo, "", .flags = HTTP_ROUTE_PLAIN),
    HTTP_ROUTE(GET, "/admin", ADMIN, hello, "", .flags = HTTP_ROUTE_PLAIN),
    HTTP_ROUTE(GET, "/inside", NONE, hello, ""),
    HTTP_ROUTE(GET, "/linger", NONE, linger, "", .flags = HTTP_ROUTE_PLAIN | HTTP_ROUTE_STREAM),
    HTTP_ROUTE(GET, "/hold/{n}", NONE, hold, "", .flags = HTTP_ROUTE_PLAIN),
    HTTP_ROUTE(GET, "/local", MESSAGES_READ, hello, "", .flags = HTTP_ROUTE_LOCAL),
};
static const struct http_route signed_routes[] = {
    HTTP_ROUTE(POST, "/signed/mine", MESSAGES_READ, echo, "", .flags = HTTP_ROUTE_PLAIN),
};
static const struct http_group signed_group = {.name = "signed",
                                               .prefix = "/signed",
                                               .route = signed_routes,
                                               .n = COUNT_OF(signed_routes),
                                               .auth = auth,
                                               .prove = prove,
                                               .error = refuse};
static const struct http_group group = {
    .name = "test", .prefix = "/", .route = routes, .n = COUNT_OF(routes), .auth = auth, .error = refuse};

/* ---- one connection ---- */

struct talk talk;

static void session(struct serving *s, struct conn *c)
{
    httpd_session(talk.httpd, !talk.tls, c, &s->sessions, NULL);
}

/* Also what was said before the connection was lost. */
static void overhear(struct conn *c)
{
    (void)conn_overhear(c);
    buf_put(&talk.heard, conn_peek(c));
    conn_consume(c, conn_peek(c).n);
}

static void hear(struct conn *c)
{
    int e = 0;
    int64_t before = deadline_narrow(DEADLINE_IN(talk.stay));
    while (e >= 0) {
        buf_put(&talk.heard, conn_peek(c));
        conn_consume(c, conn_peek(c).n);
        e = conn_fill(c);
    }
    deadline_restore(before);
    if (talk.bytes) overhear(c);
    talk.closed = e != ERR_TIMEOUT;
}

static void stop(void *arg)
{
    (void)arg;
    if (!fiber_sleep(talk.stop)) group_cancel(&talk.door.sessions);
}

static void be_client(struct tls_ctx *trust)
{
    struct endpoint at = *listener_at(talk.door.l);
    struct conn *c, *twin = NULL;
    static const char *const h2[] = {"h2", NULL};
    struct tls_peer peer = {.name = SL("x"), .verify = TLS_VERIFY_NONE, .alpn = talk.bytes ? h2 : NULL};
    if (talk.twin) {
        REQUIRE(conn_dial(&twin, &at, NULL) == 0);
        conn_puts(twin, talk.twin);
        CHECK_OK(conn_flush(twin));
        CHECK_OK(fiber_sleep(RT_S / 2));
    }
    REQUIRE(conn_dial(&c, &at, NULL) == 0);
    if (talk.tls) CHECK_OK(conn_tls_connect(c, trust, &peer));
    int64_t begin = rt_now();
    for (const struct slice *p = talk.bytes; p && p->p; p++) {
        if (p != talk.bytes && talk.gap) (void)!fiber_sleep(talk.gap);
        conn_write(c, *p);
        (void)!conn_flush(c);
        overhear(c);
    }
    for (const char *const *p = talk.say; p && *p; p++) {
        if (p != talk.say && talk.gap) (void)!fiber_sleep(talk.gap);
        conn_puts(c, *p);
        (void)!conn_flush(c);
    }
    hear(c);
    talk.took = rt_now() - begin;
    conn_close(&c);
    conn_close(&twin);
}

static int talk_main(void *arg)
{
    const struct http_group *const groups[] = {&group, &signed_group};
    struct httpd_conf conf = {.group = groups, .ngroups = 2, .https_port = 10443};
    struct tls_ctx *trust = NULL, *tls = NULL;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("x");
    (void)arg;
    if (talk.tls) {
        CHECK_OK(tls_self_signed(&name, 1, 10, &chain, &key));
        CHECK_OK(tls_server_new(&tls, NULL));
        CHECK_OK(tls_server_add_cert(tls, buf_slice(&chain), buf_slice(&key)));
        CHECK_OK(tls_client_new(&trust, SL("")));
    }
    conf.tls = tls;
    talk.door.session = session;
    CHECK_OK(httpd_open(&talk.httpd, &conf));
    CHECK_OK(serving_start(&talk.door, "127.0.0.1:0"));
    if (talk.stop) CHECK_OK(group_go(&talk.door.accepting, "stop", stop, NULL));
    be_client(trust);
    CHECK_OK(fiber_sleep(RT_S));
    talk.left = talk.door.sessions.count;
    serving_stop(&talk.door);
    httpd_close(&talk.httpd);
    if (trust) tls_free(&trust);
    if (tls) tls_free(&tls);
    buf_free(&chain);
    buf_free(&key);
    return 0;
}

struct slice dialog_of(struct talk how)
{
    struct buf heard = talk.heard;
    talk = how;
    talk.heard = heard;
    if (!talk.stay) talk.stay = 10 * RT_S;
    buf_clear(&talk.heard);
    struct sim *w = sim_new(1);
    struct sim_node *n = sim_node(w, "x.test", "127.0.0.2");
    sim_node_start(n, talk_main, NULL);
    sim_run(w, 10000 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&w);
    return buf_slice(&talk.heard);
}
size_t times(struct slice s, const char *word)
{
    size_t n = 0, at;
    for (; (at = sl_find(s, sl_cstr(word))) != SL_NONE; n++) s = sl_from(s, at + 1);
    return n;
}
