/* http_test.c - what is a request, and each known form of smuggling that is none. */
#include "http.h"

#include "base/test.h"

/* A head of lines with \n between: 0, or the status that refuses it. */
static int head(const char *text, struct http_request *r)
{
    struct slice rest = sl_cstr(text), line;
    *r = (struct http_request){0};
    (void)!sl_next(&rest, '\n', &line);
    int e = http_request_line(r, line);
    while (!e && sl_next(&rest, '\n', &line)) e = http_request_field(r, line);
    if (!e) e = http_request_end(r);
    return e ? r->status : 0;
}

TEST(http_requests)
{
    struct http_request r;
    CHECK_INT(head("POST /v1/messages?a=b HTTP/1.1\nHost: mail.one.test:443\ncontent-LENGTH:\t12 \n"
                   "Expect: 100-Continue\nConnection: keep-alive, Close",
                   &r),
              0);
    CHECK_INT(r.method, HTTP_POST);
    CHECK_SL(r.path, "/v1/messages");
    CHECK_SL(r.query, "a=b");
    CHECK_SL(r.host, "mail.one.test:443");
    CHECK(r.has_length && r.length == 12 && r.expects && r.last && !r.chunked);
    CHECK_INT(head("GET / HTTP/1.0", &r), 0);
    CHECK(r.last && !r.host.n && !r.has_length);
    CHECK_INT(head("OPTIONS * HTTP/1.1\nHost: x", &r), 0);
    CHECK_INT(head("DELETE /a%20b HTTP/1.1\nHost: x\nTransfer-Encoding: Chunked", &r), 0);
    CHECK(r.chunked && !r.last);
    CHECK_INT(head("BREW /pot HTTP/1.3\nHost: x", &r), 0); /* RFC 9110 section 2.5 */
    CHECK_INT(r.method, HTTP_OTHER);
}

/* RFC 9112 sections 3 to 6 and 11.2; what servers and intermediaries are known to read differently. */
TEST(http_smuggling)
{
    static const struct {
        int status;
        const char *head;
    } bad[] = {
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length: 5\nTransfer-Encoding: chunked"}, /* 6.3 */
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length: 5\nContent-Length: 6"},
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length: 5\nContent-Length: 5"},
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length: 5, 5"},
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length: +5"},
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length: -1"},
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length: 0x5"},
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length: 5 5"},
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length:"},
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length: 99999999999999999999"},
        {400, "POST / HTTP/1.1\nHost: x\nContent-Length : 5"}, /* 5.1 */
        {400, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding : chunked"},
        {400, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\nTransfer-Encoding: identity"},
        {501, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked, identity"},
        {501, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: gzip, chunked"},
        {501, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: xchunked"},
        {501, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: \"chunked\""},
        {501, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding:"},
        {400, "POST / HTTP/1.1\nHost: x\nTransfer-Encoding: \x0b"
              "chunked"},
        {400, "POST / HTTP/1.1\nHost: x\nA: b\rTransfer-Encoding: chunked"},  /* a bare CR: 2.2 */
        {400, "POST / HTTP/1.0\nTransfer-Encoding: chunked"},                 /* 6.1 */
        {400, "POST / HTTP/1.1\nHost: x\nA: b\n Transfer-Encoding: chunked"}, /* folded: 5.2 */
        {400, "POST / HTTP/1.1\n Host: x"},
        {400, "GET / HTTP/1.1\nHost: x\nHost: y"}, /* 3.2 */
        {400, "GET / HTTP/1.1\nHost: x\nhost: x"},
        {400, "GET / HTTP/1.1"},
        {400, "GET / HTTP/1.1\nHost:"},
        {400, "GET / HTTP/1.1\nHost: a b"},
        {400, "GET / HTTP/1.1\nHost: user@x"},
        {400, "GET / HTTP/1.1\nHost: x/y"},
        {400, "GET http://other.test/ HTTP/1.1\nHost: x"}, /* 3.2.2 */
        {400, "GET https:// HTTP/1.1\nHost: x"},
        {400, "CONNECT other.test:443 HTTP/1.1\nHost: x"},
        {400, "GET * HTTP/1.1\nHost: x"},
        {400, "GET x HTTP/1.1\nHost: x"},
        {400, "GET /a#b HTTP/1.1\nHost: x"},
        {400, "GET /a%2 HTTP/1.1\nHost: x"},
        {400, "GET /a%zz HTTP/1.1\nHost: x"},
        {400, "GET /a%00 HTTP/1.1\nHost: x"},
        {400, "GET /\xc3\xbc HTTP/1.1\nHost: x"},
        {400, "GET  / HTTP/1.1\nHost: x"},
        {400, "GET / x HTTP/1.1\nHost: x"},
        {400, "GET /\tHTTP/1.1\nHost: x"},
        {400, "GET /"},
        {400, "GET / HTTP/1.1 \nHost: x"},
        {400, "GET / http/1.1\nHost: x"},
        {400, "GET / HTTP/1.10\nHost: x"},
        {400, "\nHost: x"},
        {505, "PRI * HTTP/2.0\n"},
        {505, "GET / HTTP/2.0\nHost: x"},
        {400, "G(T / HTTP/1.1\nHost: x"},
        {400, "GET / HTTP/1.1\nHost: x\nno colon"},
        {400, "GET / HTTP/1.1\nHost: x\n: empty"},
        {400, "GET / HTTP/1.1\nHost: x\nA: \x7f"},
        {400, "GET / HTTP/1.1\nHost: x\nAuthorization: Bearer a\nAuthorization: Bearer b"},
        {417, "GET / HTTP/1.1\nHost: x\nExpect: tea"},
    };
    struct http_request r;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (head(bad[i].head, &r) != bad[i].status)
            test_fail(__FILE__, __LINE__, "\"%s\" gives %d, not %d", bad[i].head, r.status, bad[i].status);
}

TEST(http_heads_are_bounded)
{
    static char text[2 * HTTP_HEAD_MAX];
    struct http_request r;
    size_t n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\nHost: x");
    for (int i = 0; i < HTTP_FIELDS_MAX; i++) n += (size_t)snprintf(text + n, sizeof text - n, "\nA: b");
    CHECK_INT(head(text, &r), 431);
    n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\nHost: x");
    for (int i = 0; i < 5; i++) n += (size_t)snprintf(text + n, sizeof text - n, "\nA: %8000d", i);
    CHECK_INT(head(text, &r), 431);
}

/* RFC 9112 section 7.1. */
TEST(http_chunks)
{
    uint64_t size;
    CHECK_OK(http_chunk_size(SL("1aF"), &size));
    CHECK_INT(size, 0x1af);
    CHECK_OK(http_chunk_size(SL("0;name=\"value\""), &size));
    CHECK_INT(size, 0);
    static const char *const bad[] = {"",
                                      " 5",
                                      "5 ",
                                      "+5",
                                      "-5",
                                      "0x5",
                                      "5 ;x",
                                      ";x",
                                      "g",
                                      "5\r",
                                      "5;a\rb",
                                      "5,5",
                                      "fffffffffffffffff",
                                      "00000000000"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (http_chunk_size(sl_cstr(bad[i]), &size) != ERR_SYNTAX)
            test_fail(__FILE__, __LINE__, "\"%s\" is taken for a size", bad[i]);
    CHECK_OK(http_trailer_field(SL("Digest: x")));
    CHECK_ERR(http_trailer_field(SL(" folded: x")), ERR_SYNTAX);
    CHECK_ERR(http_trailer_field(SL("a b: x")), ERR_SYNTAX);
}

TEST(http_paths_and_queries)
{
    struct arena a = {0};
    struct slice p[HTTP_PARAMS_MAX], rest = SL("a=1&&b=x+y%26z&c&d=%"), name, value;
    size_t n;
    CHECK(http_path_fits("/v1/messages/{id}", SL("/v1/messages/a%2Fb"), p, &n));
    CHECK_INT(n, 1);
    CHECK_SL(p[0], "a%2Fb");
    CHECK_SL(http_segment(&a, p[0]), "a/b");
    CHECK(http_path_fits("/", SL("/"), p, &n));
    CHECK(!http_path_fits("/v1/messages/{id}", SL("/v1/messages/"), p, &n));
    CHECK(!http_path_fits("/v1/messages/{id}", SL("/v1/messages/a/b"), p, &n));
    CHECK(!http_path_fits("/v1/messages", SL("/v1/messages/"), p, &n));
    CHECK(!http_path_fits("/v1", SL("/V1"), p, &n));
    CHECK(http_query_next(&a, &rest, &name, &value));
    CHECK_SL(value, "1");
    CHECK(http_query_next(&a, &rest, &name, &value));
    CHECK_SL(name, "b");
    CHECK_SL(value, "x y&z");
    CHECK(http_query_next(&a, &rest, &name, &value));
    CHECK(http_query_next(&a, &rest, &name, &value));
    CHECK_SL(value, "%");
    CHECK(!http_query_next(&a, &rest, &name, &value));
    ar_free(&a);
}

TEST(http_who_asks)
{
    struct arena a = {0};
    struct slice scheme, rest, user, password;
    CHECK_OK(http_credentials(SL("Basic dXNlcjpwYTpzcw=="), &scheme, &rest)); /* RFC 7617 section 2 */
    CHECK_OK(http_basic(&a, rest, &user, &password));
    CHECK_SL(user, "user");
    CHECK_SL(password, "pa:ss");
    CHECK_ERR(http_basic(&a, SL("dXNlcg=="), &user, &password), ERR_SYNTAX);
    CHECK_ERR(http_basic(&a, SL("?"), &user, &password), ERR_SYNTAX);
    CHECK_ERR(http_credentials(SL("Bearer"), &scheme, &rest), ERR_SYNTAX);
    CHECK_ERR(http_credentials(SL(""), &scheme, &rest), ERR_SYNTAX);
    ar_free(&a);
}

TEST(http_answers)
{
    struct buf b = BUF_INIT;
    char date[HTTP_DATE_MAX];
    http_put_status(&b, 404);
    http_put_field(&b, SL("X"), SL("a\r\nSet-Cookie: b"));
    CHECK_SL(buf_slice(&b), "HTTP/1.1 404 Not Found\r\nX: a  Set-Cookie: b\r\n");
    CHECK_SL(sl_cstr(http_date(784111777, date)), "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110 5.6.7 */
    buf_free(&b);
}
