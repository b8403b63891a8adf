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
    struct buf chain = BUF_INIT;
    REQUIRE(begin(&t));
    server_offer_tls(&t.a, "a.two.test", 30, &chain);
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

/* ---- logins ---- */

struct login_world {
    struct tester t;
    struct buf chain;
    struct tls_ctx *stranger;
};

static bool login_begin(struct login_world *w, const char *options)
{
    char line[200];
    const char *lines[] = {line};
    *w = (struct login_world){0};
    if (!begin(&w->t)) return false;
    server_offer_tls(&w->t.a, "a.two.test", 30, &w->chain);
    w->stranger = w->t.client;
    CHECK_OK(tls_client_new(&w->t.client, buf_slice(&w->chain)));
    w->t.conf.tls = w->t.client;
    snprintf(line, sizeof line, "* via a.two.test:%%u tls=verified %s", options);
    set_routes(&w->t, lines, 1);
    return true;
}

static void login_end(struct login_world *w)
{
    tls_free(&w->stranger);
    buf_free(&w->chain);
    end(&w->t);
}

static void try_login(struct login_world *w, const char *caps)
{
    reopen(&w->t);
    server_forget(&w->t.a);
    w->t.a.caps = caps;
    send(&w->t, "nullmx.test", "ok@nullmx.test");
}

TEST(relay_proves_that_it_knows_the_password_and_tells_it_nobody)
{
    struct login_world w;
    REQUIRE(login_begin(&w, "user=u password-file=f"));
    try_login(&w, "STARTTLS\nAUTH PLAIN LOGIN SCRAM-SHA-256");
    CHECK_INT(w.t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(sl_cstr(w.t.a.log), "|AUTH SCRAM-SHA-256 ");
    CHECK(!strstr(w.t.a.log, "AHUAc2VjcmV0") && !strstr(w.t.a.log, "c2VjcmV0"));
    try_login(&w, "STARTTLS\nAUTH PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS");
    CHECK_INT(w.t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(sl_cstr(w.t.a.log), "|AUTH SCRAM-SHA-256-PLUS ");
    w.t.a.liar = true; /* a server that does not know it, and says welcome all the same */
    try_login(&w, "STARTTLS\nAUTH PLAIN SCRAM-SHA-256");
    CHECK_INT(w.t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(w.t.rcpt[0].reply, "as u failed: the server does not prove that it knows the password");
    CHECK(!strstr(w.t.a.log, "MAIL FROM") && !strstr(w.t.a.log, "AUTH PLAIN"));
    w.t.a.liar = false;
    w.t.a.rounds = 1; /* it would make the password cheap to guess */
    try_login(&w, "STARTTLS\nAUTH PLAIN SCRAM-SHA-256");
    CHECK_INT(w.t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(w.t.rcpt[0].reply, "too few to keep the password");
    w.t.a.rounds = 0;
    reopen(&w.t);
    server_forget(&w.t.a);
    w.t.a.say[AUTH] = "235 2.7.0 come in"; /* before anything was asked */
    send(&w.t, "nullmx.test", "ok@nullmx.test");
    CHECK_INT(w.t.rcpt[0].result, ATTEMPT_TEMPORARY);
    CHECK(!strstr(w.t.a.log, "MAIL FROM"));
    login_end(&w);
}

static struct buf told;
static struct lock telling = LOCK_INIT;

static void hear_talk(const struct log_line *l)
{
    if (l->level > LOG_TALK || l->n < 2) return;
    lock_take(&telling);
    buf_printf(&told, "%c: %.*s|", l->f[0].value.p[0] - 32, SLF(l->f[1].value));
    lock_release(&telling);
}

TEST(relay_tells_who_looks_on_no_password)
{
    struct login_world w;
    REQUIRE(login_begin(&w, "user=u password-file=f"));
    log_set_tap(hear_talk, LOG_TALK);
    try_login(&w, "STARTTLS\nAUTH PLAIN LOGIN");
    HAS(buf_slice(&told), "C: STARTTLS|S: 220 ");
    HAS(buf_slice(&told), "|C: AUTH PLAIN ...|S: 235 ...|C: MAIL FROM:<alice@one.test>|");
    HAS(buf_slice(&told), "bytes of a letter)|S: 250 ");
    try_login(&w, "STARTTLS\nAUTH PLAIN SCRAM-SHA-256");
    log_set_tap(NULL, LOG_ERROR);
    HAS(buf_slice(&told), "|C: AUTH SCRAM-SHA-256 ...|S: 334 ...|C: (");
    HAS(buf_slice(&told), "bytes of the login)|S: 334 ...|");
    CHECK(sl_find(buf_slice(&told), SL("AHUAc2VjcmV0")) == SL_NONE);
    CHECK(sl_find(buf_slice(&told), SL("Subject")) == SL_NONE);
    buf_free(&told);
    login_end(&w);
}

TEST(relay_logs_in_as_the_route_says)
{
    struct login_world w;
    REQUIRE(login_begin(&w, "user=u password-file=f login=scram"));
    try_login(&w, "STARTTLS\nAUTH PLAIN LOGIN");
    CHECK_INT(w.t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(w.t.rcpt[0].reply, "does not offer SCRAM-SHA-256");
    CHECK_INT(w.t.a.times[AUTH], 0);
    login_end(&w);
    REQUIRE(login_begin(&w, "user=u password-file=f login=plain"));
    try_login(&w, "STARTTLS\nAUTH PLAIN SCRAM-SHA-256");
    CHECK_INT(w.t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(sl_cstr(w.t.a.log), "|AUTH PLAIN AHUAc2VjcmV0|");
    login_end(&w);
}

/* A certificate instead of a password: shown to who asks, and named by EXTERNAL where that is offered. */
TEST(relay_shows_its_certificate)
{
    static struct relay_route route;
    struct login_world w;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("mail.one.test");
    REQUIRE(login_begin(&w, "certificate-file=f"));
    CHECK_OK(tls_self_signed(&name, 1, 30, &chain, &key));
    route = w.t.conf.route[0];
    route.certificate = ar_cat(&w.t.arena, buf_slice(&chain), buf_slice(&key));
    w.t.conf.route = &route;
    try_login(&w, "STARTTLS\nAUTH PLAIN EXTERNAL");
    CHECK_INT(w.t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(sl_cstr(w.t.a.log), "|AUTH EXTERNAL =|MAIL FROM");
    try_login(&w, "STARTTLS\nAUTH PLAIN");
    CHECK_INT(w.t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(w.t.a.times[AUTH], 0);
    route.certificate = SL("no PEM");
    try_login(&w, "STARTTLS");
    CHECK_INT(w.t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(w.t.rcpt[0].reply, "the certificate to show");
    buf_free(&chain);
    buf_free(&key);
    login_end(&w);
}

/* A route is gone by from the node's own address: the host has none of the family of the letter's sources,
 * and is reached all the same. */
TEST(relay_a_route_needs_no_source)
{
    static const char *const routes[] = {"* via a.two.test:%u tls=none"};
    struct tester t;
    REQUIRE(begin(&t));
    set_routes(&t, routes, 1);
    prepare(&t, "three.test", "ok@three.test");
    t.at.families = FROM_IPV6;
    t.at.from = (struct source){.name = SL("six"), .helo = SL("six.test")};
    CHECK(ip_parse(SL("::1"), &t.at.from.ip));
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK(t.at.routed && !t.at.from.name.n);
    CHECK(sl_find(sl_cstr(t.a.log), SL("six.test")) == SL_NONE);
    end(&t);
}

/* A certificate whose time is over is as good as none where any will do, and keeps the letter where one must
 * hold; a name that is another's likewise. */
TEST(relay_certificates_that_are_no_good)
{
    static const char *const routes[] = {"two.test via a.two.test:%u tls=verified"};
    static const struct {
        const char *name;
        int days;
        const char *words;
    } x[] = {{"a.two.test", -1, "certificate has expired"}, {"b.two.test", 30, "hostname mismatch"}};
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        struct tester t;
        struct buf chain = BUF_INIT;
        REQUIRE(begin(&t));
        server_offer_tls(&t.a, x[i].name, x[i].days, &chain);
        struct tls_ctx *stranger = t.client;
        CHECK_OK(tls_client_new(&t.client, buf_slice(&chain))); /* which it would trust */
        t.conf.tls = t.client;
        t.a.caps = "STARTTLS";
        set_routes(&t, routes, 1);
        send(&t, "pair.test", "ok@pair.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
        HAS(t.rcpt[0].tls, "certificate not verified: ");
        if (sl_find(t.rcpt[0].tls, sl_cstr(x[i].words)) == SL_NONE)
            test_fail(__FILE__, __LINE__, "%.*s", SLF(t.rcpt[0].tls));
        send(&t, "two.test", "ok@two.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
        if (sl_find(t.rcpt[0].reply, sl_cstr(x[i].words)) == SL_NONE)
            test_fail(__FILE__, __LINE__, "%.*s", SLF(t.rcpt[0].reply));
        relay_close(&t.relay);
        tls_free(&stranger);
        CHECK_OK(relay_open(&t.relay, &t.conf));
        buf_free(&chain);
        end(&t);
    }
}
