/* httpd_sim.c - the server and clients that are hasty, slow, hostile or gone, over virtual time. */
#include "httpd_i.h"

#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "rt/serve_test.h"
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

static struct talk {
    const char *const *say; /* pieces, NULL at the end */
    int64_t gap;            /* between two of them */
    int64_t stay;           /* how long the client listens at most */
    bool tls;
    const char *twin; /* another connection says this first, and listens to nothing */
    struct buf heard;
    int64_t took;
    bool closed; /* by the server */
    struct httpd *httpd;
    struct serving door;
} talk;

static void session(struct serving *s, struct conn *c)
{
    httpd_session(talk.httpd, !talk.tls, c, &s->sessions, NULL);
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
    talk.closed = e != ERR_TIMEOUT;
}

static void be_client(struct tls_ctx *trust)
{
    struct endpoint at = *listener_at(talk.door.l);
    struct conn *c, *twin = NULL;
    struct tls_peer peer = {.name = SL("x"), .verify = TLS_VERIFY_NONE};
    if (talk.twin) {
        REQUIRE(conn_dial(&twin, &at, NULL) == 0);
        conn_puts(twin, talk.twin);
        CHECK_OK(conn_flush(twin));
        CHECK_OK(fiber_sleep(RT_S / 2));
    }
    REQUIRE(conn_dial(&c, &at, NULL) == 0);
    if (talk.tls) CHECK_OK(conn_tls_connect(c, trust, &peer));
    int64_t begin = rt_now();
    for (const char *const *p = talk.say; *p; p++) {
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
    be_client(trust);
    serving_stop(&talk.door);
    httpd_close(&talk.httpd);
    if (trust) tls_free(&trust);
    if (tls) tls_free(&tls);
    buf_free(&chain);
    buf_free(&key);
    return 0;
}

/* Says the pieces, a gap between them, and what the server said until it closed, or `stay` passed. */
static struct slice dialog_of(struct talk how)
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
#define dialog(...) dialog_of((struct talk){.say = (const char *const[]){__VA_ARGS__, NULL}})

#define within_tls(...) dialog_of((struct talk){.say = (const char *const[]){__VA_ARGS__, NULL}, .tls = true})

static size_t times(struct slice s, const char *word)
{
    size_t n = 0, at;
    for (; (at = sl_find(s, sl_cstr(word))) != SL_NONE; n++) s = sl_from(s, at + 1);
    return n;
}

static bool has(struct slice s, const char *word) { return times(s, word) > 0; }

#define HOST "Host: x\r\n"
#define GET "GET /hello HTTP/1.1\r\n" HOST "\r\n"

/* ---- what is served ---- */

TEST(httpd_answers_in_order_and_stays)
{
    struct slice s = dialog(GET "GET /hello?name=a+b HTTP/1.1\r\n" HOST "\r\n", GET);
    CHECK_INT(times(s, "HTTP/1.1 200 OK\r\n"), 3);
    CHECK(has(s, "\r\n\r\nhelloHTTP") && has(s, "\r\n\r\na bHTTP"));
    CHECK(!talk.closed);
    CHECK(has(dialog("GET /hello/a%2Fb HTTP/1.1\r\n" HOST "\r\n"), "X-Param: a/b\r\n"));
    CHECK(has(dialog("GET /hello/a%0D%0ASet-Cookie:%20b HTTP/1.1\r\n" HOST "\r\n"),
              "X-Param: a  Set-Cookie: b\r\n"));
}

TEST(httpd_the_end_of_a_connection)
{
    CHECK(
        has(dialog("GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" GET), "Connection: close\r\n"));
    CHECK(talk.closed);
    CHECK_INT(times(buf_slice(&talk.heard), "200 OK"), 1);
    (void)dialog("GET /hello HTTP/1.0\r\n\r\n" GET);
    CHECK(talk.closed);
    CHECK_INT(times(buf_slice(&talk.heard), "200 OK"), 1);
    CHECK(has(dialog("\r\n" GET), "200 OK"));      /* RFC 9112 section 2.2 */
    CHECK(has(dialog("\r\n\r\n" GET), "400 Bad")); /* but one only */
}

TEST(httpd_head_and_options)
{
    struct slice s = dialog("HEAD /hello HTTP/1.1\r\n" HOST "\r\n" GET);
    CHECK_INT(times(s, "Content-Length: 5\r\n"), 2);
    CHECK_INT(times(s, "hello"), 1);
    s = within_tls("OPTIONS /hello HTTP/1.1\r\n" HOST "\r\nOPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    CHECK_INT(times(s, "204 No Content"), 2);
    CHECK(has(s, "Allow: OPTIONS, GET, HEAD\r\n"));
    s = within_tls("DELETE /hello HTTP/1.1\r\n" HOST "\r\n");
    CHECK(has(s, "405 Method") && has(s, "Allow: OPTIONS, GET, HEAD\r\n") && has(s, "text/x-ours"));
    CHECK(has(within_tls("BREW /hello HTTP/1.1\r\n" HOST "\r\n"), "501 Not Impl"));
    CHECK(has(within_tls("GET /nothing HTTP/1.1\r\n" HOST "\r\n"), "ours: there is nothing"));
    CHECK(has(within_tls("GET /silent HTTP/1.1\r\n" HOST "\r\n"), "500 Internal"));
}

TEST(httpd_bodies)
{
    CHECK(has(dialog("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" GET),
              "\r\n\r\nabcHTTP/1.1 200"));
    CHECK(has(dialog("POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                     "3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nA: b\r\n\r\n" GET),
              "\r\n\r\nabcdHTTP/1.1 200"));
    CHECK(has(dialog("POST /count HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", "3\r\n", "a",
                     "bc\r", "\n0\r\n\r\n"),
              "\r\n\r\n3 bytes"));
    struct slice s = dialog("POST /echo HTTP/1.1\r\n" HOST "\r\n" GET); /* no body at all */
    CHECK_INT(times(s, "200 OK"), 2);
    s = within_tls("POST /nothing HTTP/1.1\r\n" HOST
                   "Content-Length: 3\r\n\r\nabc" GET); /* one that nobody wants */
    CHECK(has(s, "404") && has(s, "200 OK"));
}

TEST(httpd_bodies_are_bounded)
{
    CHECK(
        has(dialog("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n"), "413 Content Too Large"));
    static char chunk[2048];
    snprintf(chunk, sizeof chunk,
             "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3e9\r\n%01001d\r\n0\r\n\r\n",
             0);
    CHECK(has(dialog(chunk), "413 Content Too Large"));
}

/* RFC 9110 section 10.1.1. */
TEST(httpd_expect_continue)
{
    static const char head[] =
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    struct slice s = dialog_of((struct talk){.say = (const char *const[]){head, "abc", NULL}, .gap = RT_S});
    CHECK(sl_starts(s, SL("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")));
    s = within_tls("POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n" GET);
    CHECK(!has(s, "100 Continue") && has(s, "404") && !has(s, "200 OK") && talk.closed);
}

TEST(httpd_streams_whatever_the_length)
{
    struct slice s = dialog("GET /many HTTP/1.1\r\n" HOST "\r\n" GET);
    CHECK(has(s, "Transfer-Encoding: chunked\r\n") && has(s, "0\r\n\r\nHTTP/1.1 200 OK"));
    CHECK(s.n > 1024 * 1000);
    s = dialog("GET /many HTTP/1.0\r\n\r\n");
    CHECK(!has(s, "chunked") && talk.closed && s.n > 1024 * 1000);
}

/* ---- who asks ---- */

TEST(httpd_asks_who_it_is)
{
    struct slice s =
        dialog("POST /mine HTTP/1.1\r\n" HOST "Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n");
    CHECK(has(s, "401 Unauthorized") && has(s, "WWW-Authenticate: ") && has(s, "ours: the key"));
    CHECK(!has(s, "100 Continue"));
    s = dialog("POST /mine HTTP/1.1\r\n" HOST "Authorization: Bearer good\r\nContent-Length: 1\r\n\r\nx");
    CHECK(has(s, "\r\n\r\nx"));
    s = dialog("GET /admin HTTP/1.1\r\n" HOST "Authorization: Bearer good\r\n\r\n");
    CHECK(has(s, "403 Forbidden") && has(s, "lacks the scope admin"));
}

TEST(httpd_clear_text_leads_to_tls)
{
    struct slice s = dialog("GET /inside?a=b HTTP/1.1\r\nHost: mail.one.test:10080\r\n\r\n");
    CHECK(has(s, "301 Moved") && has(s, "Location: https://mail.one.test:10443/inside?a=b\r\n"));
    CHECK(has(dialog("GET /inside HTTP/1.1\r\nHost: [::1]\r\n\r\n"),
              "Location: https://[::1]:10443/inside\r\n"));
    CHECK(has(dialog("POST /inside HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"), "403 Forbidden"));
    s = dialog_of((struct talk){.say = (const char *const[]){"GET /inside HTTP/1.1\r\n" HOST "\r\n", NULL},
                                .tls = true});
    CHECK(has(s, "200 OK"));
}

/* A proxy here speaks for others. */
TEST(httpd_the_host_itself_needs_no_key)
{
    CHECK(has(dialog("GET /local HTTP/1.1\r\n" HOST "\r\n"), "200 OK"));
    CHECK(has(dialog("GET /local HTTP/1.1\r\n" HOST "X-Forwarded-For: 198.51.100.1\r\n\r\n"), "301 Moved"));
    CHECK(
        has(within_tls("GET /local HTTP/1.1\r\n" HOST "Forwarded: for=198.51.100.1\r\n\r\n"), "401 Unauth"));
}

/* Who only names a key is a stranger. */
TEST(httpd_a_key_counts_when_it_is_proved)
{
    static const char *pile[101];
    for (int i = 0; i < 100; i++)
        pile[i] =
            "POST /signed/mine HTTP/1.1\r\n" HOST "Authorization: Bearer good\r\nContent-Length: 0\r\n\r\n";
    struct slice s = dialog_of((struct talk){.say = pile});
    CHECK_INT(times(s, "401 Unauthorized"), HTTPD_STRANGER_MAX / (HTTPD_REFUSED + 1) + 1);
    CHECK(talk.closed);
}

#define HOLD(mib) "GET /hold/" mib " HTTP/1.1\r\n" HOST "\r\n"
TEST(httpd_memory_has_shares)
{
    CHECK(has(dialog(HOLD("192")), "200 OK"));
    CHECK(has(dialog(HOLD("193")), "413 Content Too Large"));
    CHECK_INT(times(dialog(HOLD("100") HOLD("192") HOLD("192")), "200 OK"), 3);
    struct slice s = dialog_of((struct talk){
        .say = (const char *const[]){HOLD("100"), HOLD("192"), NULL}, .gap = RT_S, .twin = HOLD("192")});
    CHECK(times(s, "429 Too Many") == 1 && times(s, "200 OK") == 1); /* and then the other is over */
}

/* ---- hostile ---- */

/* Whatever cannot be read in one way only is answered once, and the connection ends. */
TEST(httpd_no_request_hides_in_another)
{
    static const struct {
        const char *say, *status;
    } bad[] = {
        {"POST /echo HTTP/1.1\r\n" HOST
         "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" GET,
         "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" GET, "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: x\r\n\r\n" GET, "501"},
        {"POST /echo HTTP/1.1\n" HOST "\r\n" GET, "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0\n\r\n" GET, "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "X: a\rContent-Length: 44\r\n\r\n" GET, "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "X: a\r\n Content-Length: 44\r\n\r\n" GET, "400"},
        {"GET http://x/hello HTTP/1.1\r\n" HOST "\r\n" GET, "400"},
        {"GET /hello HTTP/1.1\r\n" HOST HOST "\r\n" GET, "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n" GET,
         "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n" GET,
         "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n" GET, "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3;\n\r\nabc\r\n0\r\n\r\n" GET,
         "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\n" GET, "400"},
        {"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n x: y\r\n\r\n" GET, "400"},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" GET, "505"},
        {"EHLO x\r\nMAIL FROM:<a@x>\r\n" GET, "400"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct slice s = dialog(bad[i].say);
        if (times(s, "HTTP/1.1 ") != 1 || !sl_starts(sl_from(s, 9), sl_cstr(bad[i].status)) || !talk.closed)
            test_fail(__FILE__, __LINE__, "\"%s\" gives \"%.*s\"", bad[i].say, SLF(s));
    }
}

TEST(httpd_slow_clients_end)
{
    struct slice s = dialog_of((struct talk){.say = (const char *const[]){"GET", NULL}, .stay = 1000 * RT_S});
    CHECK(has(s, "408 Request Timeout") && talk.closed && talk.took <= 2 * HTTPD_HEAD);
    (void)dialog_of((struct talk){.say = (const char *const[]){NULL}, .stay = 1000 * RT_S});
    CHECK(talk.closed && !talk.heard.n && talk.took <= 2 * HTTPD_IDLE);
    const char *drip[200] = {"POST /count HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n"};
    for (int i = 1; i < 199; i++) drip[i] = "x";
    s = dialog_of((struct talk){.say = drip, .gap = RT_S, .stay = 1000 * RT_S});
    CHECK(!has(s, "200 OK") && talk.closed);
    s = dialog_of((struct talk){.say = (const char *const[]){GET, GET, GET, NULL}, .gap = 50 * RT_S});
    CHECK_INT(times(s, "200 OK"), 3);
}

TEST(httpd_strangers_have_a_share)
{
    static const char *pile[2001];
    for (int i = 0; i < 2000; i++) pile[i] = "GET /nothing HTTP/1.1\r\n" HOST "\r\n";
    struct slice s = dialog_of((struct talk){.say = pile, .tls = true});
    CHECK_INT(times(s, "404 Not Found"), HTTPD_STRANGER_MAX / (HTTPD_REFUSED + 1) + 1);
    CHECK(talk.closed);
    s = dialog_of((struct talk){.say = pile});
    CHECK_INT(times(s, "301 Moved"), HTTPD_STRANGER_MAX);
    CHECK(talk.closed);
}
