/* fetch_test.c - requests to a server of our own: what is taken, what is refused before anybody connects. */
#include "fetch.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "dns/dns.h"
#include "rt/conn.h"
#include "rt/file.h"
#include "rt/test_rt.h"

/* A web server that answers each connection with the same bytes. */
struct web {
    struct tls_ctx *tls;       /* NULL: in clear */
    struct listener *l, *door; /* the same; door stays for the fiber when l is closed */
    struct group g;
    struct slice answer;
    struct dns *dns;
    struct fetch f;
    char asked[2000], ca[64];
    size_t visits;
    bool silent;
};

static void serve_one(struct web *w, struct conn *c)
{
    struct slice line;
    size_t n = 0, length = 0;
    w->visits++;
    if (w->tls && conn_tls_accept(c, w->tls)) return;
    while (conn_read_line(c, 2000, &line) == 0) {
        n += (size_t)snprintf(w->asked + n, sizeof w->asked - n, "%.*s\n", SLF(line));
        if (sl_startsi(line, SL("content-length: "))) length = (size_t)(line.p[16] - '0');
        if (!line.n) break;
    }
    if (length && conn_read(c, w->asked + n, length) == 0) w->asked[n + length] = 0;
    if (w->silent) (void)!fiber_sleep(5 * RT_S);
    else conn_write(c, w->answer);
}

static void web_fiber(void *arg)
{
    struct web *w = arg;
    struct listener *l = w->door;
    struct conn *c;
    while (listener_accept(l, &c) == 0) {
        serve_one(w, c);
        conn_close(&c);
    }
}

static void trust(struct web *w, const char *name)
{
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice s = sl_cstr(name);
    CHECK_OK(tls_self_signed(&s, 1, 30, &chain, &key));
    CHECK_OK(tls_server_new(&w->tls, NULL));
    CHECK_OK(tls_server_add_cert(w->tls, buf_slice(&chain), buf_slice(&key)));
    snprintf(w->ca, sizeof w->ca, "fetch_test.%d.pem", (int)getpid());
    CHECK_OK(path_write(w->ca, buf_slice(&chain), 0600));
    w->f.conf.ca = sl_cstr(w->ca);
    buf_free(&chain);
    buf_free(&key);
}

/* name: of the certificate; NULL: in clear. */
static void web_begin(struct web *w, const char *name, const char *answer)
{
    struct endpoint at = {0};
    *w = (struct web){.answer = sl_cstr(answer)};
    REQUIRE(ip_parse(SL("127.0.0.1"), &at.ip));
    if (name) trust(w, name);
    CHECK_OK(listener_open(&w->l, &at));
    w->door = w->l;
    CHECK_OK(dns_open_zone_text(&w->dns, SL("$ORIGIN test.\n@ SOA ns. root. 1 2 3 4 5\nweb A 127.0.0.1\n"
                                            "ten A 10.0.0.1\nmapped AAAA ::ffff:127.0.0.1\nzero A 0.0.0.0\n"
                                            "both A 127.0.0.3\nboth A 127.0.0.1\n;! timeout quiet.test\n")));
    w->f.conf.dns = w->dns;
    w->f.conf.private_hosts = true;
    group_init(&w->g);
    CHECK_OK(group_go(&w->g, "web", web_fiber, w));
}

static void web_end(struct web *w)
{
    listener_close(&w->l);
    group_cancel(&w->g);
    (void)group_wait(&w->g);
    dns_close(&w->dns);
    tls_free(&w->tls);
    if (w->ca[0]) (void)unlink(w->ca);
}

static struct fetch_request request(struct web *w, struct arena *a, const char *host)
{
    return (struct fetch_request){
        .url = ar_printf(a, "%s://%s:%u/path?q", w->tls ? "https" : "http", host, listener_at(w->l)->port),
        .clear = !w->tls,
        .timeout = 3 * RT_S};
}

static const char hello[] =
    "HTTP/1.1 200 OK\r\nContent-Type: Text/Plain; charset=utf-8\r\nContent-Length: 5\r\n"
    "X-Thing: a\r\nConnection: close\r\n\r\nhello";

TEST(fetch_of_a_page)
{
    struct arena a = {0};
    struct web w;
    struct fetch_answer r;
    web_begin(&w, "web.test", hello);
    struct fetch_request q = request(&w, &a, "web.test");
    struct fetch_field f = {SL("X-Ours"), SL("yes")};
    q.field = &f, q.nfield = 1;
    CHECK_OK(fetch(&w.f, &a, &q, &r));
    CHECK_INT(r.status, 200);
    CHECK_SL(r.body, "hello");
    CHECK_SL(r.type, "text/plain");
    CHECK_SL(fetch_header(&r, "x-thing"), "a");
    CHECK_SL(fetch_header(&r, "x-none"), "");
    struct slice asked = sl_cstr(w.asked);
    CHECK(sl_starts(asked, SL("GET /path?q HTTP/")));
    CHECK(sl_find(asked, SL("X-Ours: yes")) != SL_NONE && sl_find(asked, SL("Host: web.test:")) != SL_NONE);
    q.method = SL("POST"), q.body = SL("data=1");
    CHECK_OK(fetch(&w.f, &a, &q, &r));
    asked = sl_cstr(w.asked);
    CHECK(sl_starts(asked, SL("POST /path?q HTTP/")) && sl_ends(asked, SL("data=1")));
    web_end(&w);
    ar_free(&a);
}

/* Only a certificate for the name that was asked for, and from whom is trusted. */
TEST(fetch_believes_the_right_certificate_only)
{
    struct arena a = {0};
    struct web w;
    struct fetch_answer r;
    web_begin(&w, "other.test", hello);
    struct fetch_request q = request(&w, &a, "web.test");
    CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_TLS);
    w.f.conf.ca = SL("");
    q = request(&w, &a, "other.test");
    CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_NOT_FOUND);
    web_end(&w);
    web_begin(&w, "web.test", hello);
    w.f.conf.ca = SL("");
    q = request(&w, &a, "web.test");
    CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_TLS);
    CHECK(!w.asked[0]);
    web_end(&w);
    ar_free(&a);
}

TEST(fetch_within_limits)
{
    struct arena a = {0};
    struct web w;
    struct fetch_answer r;
    web_begin(&w, NULL, hello);
    struct fetch_request q = request(&w, &a, "web.test");
    q.size_max = 4;
    CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_LIMIT);
    q.size_max = 5;
    CHECK_OK(fetch(&w.f, &a, &q, &r));
    w.answer = SL("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwithout a length");
    CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_LIMIT);
    struct buf b = BUF_INIT;
    buf_str(&b, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 8000; i++) buf_printf(&b, "X-%d: 12345678\r\n", i);
    buf_str(&b, "\r\n");
    w.answer = buf_slice(&b);
    CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_LIMIT);
    w.answer = SL("220 mail.test ESMTP\r\n");
    CHECK(fetch(&w.f, &a, &q, &r) != 0);
    /* a redirect is an answer, nobody goes there */
    w.answer = SL("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n");
    w.visits = 0;
    CHECK_OK(fetch(&w.f, &a, &q, &r));
    CHECK_INT(r.status, 302);
    CHECK_SL(fetch_header(&r, "location"), "http://127.0.0.1/");
    CHECK_INT(w.visits, 1);
    w.silent = true;
    q.timeout = 300 * RT_MS;
    CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_TIMEOUT);
    buf_free(&b);
    web_end(&w);
    ar_free(&a);
}

/* The first address refuses: the second one answers. */
TEST(fetch_tries_the_addresses_of_a_host)
{
    struct arena a = {0};
    struct web w;
    struct fetch_answer r;
    web_begin(&w, NULL, hello);
    struct fetch_request q = request(&w, &a, "both.test");
    CHECK_OK(fetch(&w.f, &a, &q, &r));
    web_end(&w);
    ar_free(&a);
}

/* A stranger names the URL: nothing of our own network is asked. */
TEST(fetch_keeps_out_of_private_networks)
{
    static const char *const hosts[] = {"web.test",  "ten.test",        "mapped.test", "zero.test",
                                        "127.0.0.1", "10.1.2.3",        "[::1]",       "[::ffff:10.0.0.1]",
                                        "[fe80::1]", "169.254.169.254", "100.64.1.1",  "[64:ff9b::a00:1]",
                                        "224.0.0.1"};
    struct arena a = {0};
    struct web w;
    struct fetch_answer r;
    web_begin(&w, NULL, hello);
    w.f.conf.private_hosts = false;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct fetch_request q = request(&w, &a, hosts[i]);
        int e = fetch(&w.f, &a, &q, &r);
        if (e != ERR_DENIED) test_fail(__FILE__, __LINE__, "%s: %s", hosts[i], err_text(e));
    }
    CHECK_INT(w.visits, 0);
    struct fetch_request q = request(&w, &a, "web.test");
    q.private_hosts = true;
    CHECK_OK(fetch(&w.f, &a, &q, &r));
    q = request(&w, &a, "nobody.test");
    CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_NOT_FOUND);
    q = request(&w, &a, "quiet.test");
    q.timeout = RT_S / 5; /* which its question uses up */
    CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_DNS);
    web_end(&w);
    ar_free(&a);
}

/* A name as people write it, once, where it is given. */
TEST(fetch_url_is_kept_in_a_labels)
{
    static const char *const pairs[][2] = {
        {"https://b\303\274cher.test:8443/x?y", "https://xn--bcher-kva.test:8443/x?y"},
        {"https://bu\314\210cher.test", "https://xn--bcher-kva.test"},    /* decomposed */
        {"HTTPS://\357\275\227eb\343\200\202test/", "HTTPS://web.test/"}, /* full width */
        {"https://Web.test/A", "https://Web.test/A"},
        {"https://[::1]:443/", "https://[::1]:443/"}};
    static const char *const bad[] = {"https://b\303\274 cher.test/", "https://web.test/b\303\274",
                                      "https://\357\274\217/",        "b\303\274cher.test",
                                      "https://\303.test/",           "https://us\303\251r@web.test/",
                                      "http://b\303\274cher.test/"};
    struct arena a = {0};
    struct slice got;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        CHECK_OK(fetch_url_take(&a, sl_cstr(pairs[i][0]), false, &got));
        CHECK_SL(got, pairs[i][1]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK(fetch_url_take(&a, sl_cstr(bad[i]), false, &got) < 0);
    ar_free(&a);
}

TEST(fetch_takes_proper_requests_only)
{
    static const char *const urls[] = {"",
                                       "http://web.test/",
                                       "ftp://web.test/",
                                       "file:///etc/passwd",
                                       "https://",
                                       "https:///x",
                                       "https://user@web.test/",
                                       "https://user:secret@web.test/",
                                       "https://web.test:0/",
                                       "https://web.test:99999/",
                                       "https://web.test:x/",
                                       "https://web.test/a b",
                                       "https://web.test/\r\nX: y",
                                       "https://b\303\274cher.test/",
                                       "https://%77eb.test/",
                                       "https://127.1/",
                                       "https://0x7f.1/",
                                       "https://web.0x1/",
                                       "https://2130706433/",
                                       "https://a..test/",
                                       "https://web.test,other.test/",
                                       "https://[web.test]x/"};
    struct arena a = {0};
    struct web w;
    struct fetch_answer r;
    web_begin(&w, NULL, hello);
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct fetch_request q = {.url = sl_cstr(urls[i])};
        int e = fetch(&w.f, &a, &q, &r);
        if (e != ERR_USAGE) test_fail(__FILE__, __LINE__, "%s: %s", urls[i], err_text(e));
    }
    static const struct fetch_field bad[] = {
        {SL_INIT("X"), SL_INIT("a\r\nY: b")}, {SL_INIT("X: y"), SL_INIT("z")}, {SL_INIT(""), SL_INIT("z")}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct fetch_request q = request(&w, &a, "web.test");
        q.field = &bad[i], q.nfield = 1;
        CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_USAGE);
    }
    struct fetch_request q = request(&w, &a, "web.test");
    q.method = SL("GET /other HTTP/1.1\r\nX:");
    CHECK_ERR(fetch(&w.f, &a, &q, &r), ERR_USAGE);
    CHECK_INT(w.visits, 0);
    web_end(&w);
    ar_free(&a);
}
