/* relay_routes_test.c - letters by the routes of the configuration: smarthosts, logins, LMTP. */
#include "crypto/cert.h"
#include "relay_test.h"

static void set_routes(struct tester *t, const char *const *line, size_t n)
{
    static struct relay_route route[4];
    for (size_t i = 0; i < n; i++) {
        CHECK_OK(route_parse(&t->arena, ar_printf(&t->arena, line[i], t->conf.port), &route[i]));
        route[i].password = SL("secret");
    }
    t->conf.route = route;
    t->conf.nroutes = n;
    reopen(t);
}

/* A smarthost takes what no nearer route does, whatever the DNS says of the domain; the login goes over TLS.
 */
TEST(relay_routes)
{
    static const char *const routes[] = {"three.test via [127.0.0.3]:%u",
                                         "from:one.test * via a.two.test:%u user=u password-file=f"};
    struct tester t;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("a.two.test");
    REQUIRE(begin(&t));
    CHECK_OK(tls_self_signed(&name, 1, 30, &chain, &key));
    CHECK_OK(tls_server_new(&t.a.tls, NULL));
    CHECK_OK(tls_server_add_cert(t.a.tls, buf_slice(&chain), buf_slice(&key)));
    set_routes(&t, routes, 2);
    t.a.caps = "STARTTLS\nAUTH PLAIN LOGIN";
    send(&t, "three.test", "ok@three.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].host, "127.0.0.3 [127.0.0.3]:");
    send(&t, "nullmx.test", "ok@nullmx.test"); /* nobody vouches for its certificate: no password */
    CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(t.rcpt[0].reply,
        "because the route asks for a certificate that is valid for the host; while TLS was begun");
    CHECK_INT(t.a.times[AUTH], 0);
    struct tls_ctx *stranger = t.client;
    CHECK_OK(tls_client_new(&t.client, buf_slice(&chain)));
    t.conf.tls = t.client;
    reopen(&t);
    server_forget(&t.a);
    send(&t, "nullmx.test", "ok@nullmx.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].tls, "certificate verified");
    HAS(sl_cstr(t.a.log), "|AUTH PLAIN AHUAc2VjcmV0|MAIL FROM:<alice@one.test>|");
    send(&t, "other.test", "ok@other.test"); /* one site: the session is kept */
    CHECK_INT(t.a.times[AUTH], 1);
    server_forget(&t.a);
    t.a.say[AUTH] = "535 5.7.8 wrong";
    reopen(&t);
    send(&t, "nullmx.test", "ok@nullmx.test"); /* it can be mended */
    CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(t.rcpt[0].reply, "as u failed: 535 5.7.8 wrong");
    prepare(&t, "nullmx.test", "ok@nullmx.test"); /* other senders have no route */
    t.letter.sender = SL("bob@elsewhere.test");
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    relay_close(&t.relay);
    tls_free(&stranger);
    CHECK_OK(relay_open(&t.relay, &t.conf));
    buf_free(&chain);
    buf_free(&key);
    end(&t);
}

/* RFC 2033: an answer for each recipient; those of which nothing was heard are uncertain. */
TEST(relay_lmtp)
{
    static const char *const routes[] = {"* via lmtp:127.0.0.2:%u"};
    struct tester t;
    REQUIRE(begin(&t));
    set_routes(&t, routes, 1);
    t.a.caps = "PIPELINING";
    send(&t, "two.test", "one@two.test no@two.test two@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.rcpt[1].result, ATTEMPT_PERMANENT);
    CHECK_INT(t.rcpt[2].result, ATTEMPT_TEMPORARY);
    CHECK_SL(t.rcpt[2].reply, "452 4.2.2 full");
    CHECK(t.a.times[EHLO] == 1 && t.a.times[HELO] == 0);
    HAS(sl_cstr(t.a.log), "LHLO mail.one.test|");
    reopen(&t);
    server_forget(&t.a);
    t.a.say[DOT] = DROP;
    send(&t, "two.test", "one@two.test two@two.test");
    CHECK(t.rcpt[0].result == ATTEMPT_UNCERTAIN && t.rcpt[1].result == ATTEMPT_UNCERTAIN);
    end(&t);
}
