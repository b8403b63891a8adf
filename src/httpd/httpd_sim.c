/* httpd_sim.c - the server and clients of HTTP/1.1 that are hasty, slow, hostile or gone, over virtual time.
 */
#include "talk_sim.h"

#include <stdio.h>

#include "base/test.h"

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

/* RFC 9112 section 9.6: what is still on its way takes the answer from nobody, and holds nobody for long. */
TEST(httpd_stays_for_a_body_that_is_refused)
{
    static const char head[] = "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n";
    struct slice s = dialog_of((struct talk){
        .say = (const char *const[]){head, "abc", "def", "ghi", NULL}, .gap = RT_S, .stay = 60 * RT_S});
    CHECK(sl_starts(s, SL("HTTP/1.1 413 ")) && has(s, "Connection: close\r\n") && talk.closed);
    CHECK(talk.took >= HTTPD_LINGER && talk.took < HTTPD_LINGER + 5 * RT_S);
    CHECK_INT(times(s, "HTTP/1.1"), 1); /* what comes is no request */
    s = dialog_of(
        (struct talk){.say = (const char *const[]){head, GET, NULL}, .gap = RT_S, .stay = 60 * RT_S});
    CHECK_INT(times(s, "HTTP/1.1"), 1);
    (void)dialog_of(
        (struct talk){.say = (const char *const[]){head, "abc", NULL}, .gap = RT_S, .stay = RT_S});
    CHECK_INT(talk.left, 0); /* it goes with its client */
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
