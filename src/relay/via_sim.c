/* via_sim.c - letters that leave by a proxy, and proxies that do it wrong in every way: which of it is the
 * source's trouble, what is the receiver's, and how long it lasts (RFC 1928, RFC 1929, the PROXY protocol).
 */
#include "base/test.h"
#include "base/text.h"
#include "queue/letter_source.h"
#include "relay_i.h"
#include "rt/serve_test.h"
#include "sim/sim.h"
#include "wire/proxy.h"

enum kind {
    GOOD,
    NAMES,  /* its address is a name */
    MAPPED, /* its address is an IPv4-mapped one */
    SPEAKS_SMTP,
    SILENT,
    LETS_NOBODY_IN,
    ENDS, /* after it let us in */
    ENDS_EARLY,
    NO_SUCH_ADDRESS,
    IS_ELSEWHERE,
    CANNOT_CONNECT,
    NOT_OF_THIS_KIND,
    ABSENT,
    STALLS, /* from here on it is the receiver's */
    FORBIDS,
    FAILS,
    UNHEARD_OF,
    REFUSED,
    UNREACHABLE
};
struct world {
    struct sim *sim;
    struct sim_node *tram, *proxy, *direct;
    enum kind kind;
    bool v2, wants_login;
    const char *user;
    int letters;
    struct attempt_rcpt got;
    char reply[400];
    int64_t took;
    bool noted; /* the proxy has shown that it works */
};

/* ---- who is connected to ---- */

static void smtp(struct world *w, struct conn *c)
{
    struct slice line;
    bool data = false;
    conn_puts(c, "220 mx.test\r\n");
    while (conn_read_line(c, 500, &line) == 0) {
        bool end = data && sl_eq(line, SL("."));
        if (data && !end) continue;
        data = sl_startsi(line, SL("DATA"));
        w->letters += end;
        conn_puts(c, data ? "354 go on\r\n" : "250 ok\r\n");
    }
}

/* ---- the proxy, which is the other server as well ---- */

static bool lets_in(struct world *w, struct conn *c)
{
    uint8_t in[300];
    if (conn_read(c, in, 2) != 0 || in[0] != 5 || conn_read(c, in, in[1]) != 0) return false;
    if (w->kind == SPEAKS_SMTP) conn_puts(c, "220 mx.test ESMTP\r\n");
    if (w->kind == LETS_NOBODY_IN) conn_write(c, sl("\5\xff", 2));
    if (w->kind == SPEAKS_SMTP || w->kind == LETS_NOBODY_IN) return false;
    conn_write(c, sl(w->wants_login ? "\5\2" : "\5\0", 2));
    if (!w->wants_login) return true;
    if (conn_read(c, in, 2) != 0 || in[0] != 1 || conn_read(c, in, (size_t)in[1] + 1) != 0) return false;
    bool good = in[0] == 'm' && in[1] == 'e' && in[2] == 6;
    if (conn_read(c, in, in[2]) != 0) return false;
    good = good && memcmp(in, "secret", 6) == 0;
    conn_write(c, sl(good ? "\1\0" : "\1\1", 2));
    return good;
}

static void by_socks5(struct world *w, struct conn *c)
{
    static const char *const replies[] = {
        [NO_SUCH_ADDRESS] = "\5\0\0\7\0\0\0\0\0\0", [FORBIDS] = "\5\2\0\1\0\0\0\0\0\0",
        [FAILS] = "\5\1\0\1\0\0\0\0\0\0",           [IS_ELSEWHERE] = "\5\0\0\1\xcb\0\x71\5\0\x19",
        [REFUSED] = "\5\5\0\1\0\0\0\0\0\0",         [UNREACHABLE] = "\5\4\0\1\0\0\0\0\0\0",
        [CANNOT_CONNECT] = "\5\7\0\1\0\0\0\0\0\0",  [NOT_OF_THIS_KIND] = "\5\x8\0\1\0\0\0\0\0\0",
        [UNHEARD_OF] = "\5\xf0\0\1\0\0\0\0\0\0"};
    char name[262] = {5, 0, 0, 3, (char)255};
    uint8_t in[10];
    if (!lets_in(w, c) || w->kind == ENDS || conn_read(c, in, sizeof in) != 0) return;
    CHECK(memcmp(in, "\5\1\0\1\xc0\0\2\x0a\0\x19", 10) == 0); /* 192.0.2.10:25 */
    if (w->kind == STALLS) {
        (void)!fiber_sleep(600 * RT_S);
        return;
    }
    if (w->kind == ENDS_EARLY) conn_write(c, sl("\5\0\0", 3));
    else if (w->kind == NAMES) conn_write(c, sl(name, sizeof name));
    else if (w->kind == MAPPED)
        conn_write(c, sl("\5\0\0\4\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\1\0\x19", 22));
    else if (w->kind == GOOD) conn_write(c, sl("\5\0\0\1\xc6\x33\x64\1\0\x19", 10)); /* 198.51.100.1 */
    else conn_write(c, sl(replies[w->kind], 10));
    if (w->kind <= MAPPED || w->kind == IS_ELSEWHERE) smtp(w, c);
}

static void by_header(struct world *w, struct conn *c)
{
    char in[28], from[IP_TEXT_MAX], to[IP_TEXT_MAX];
    struct proxy_head h;
    size_t need;
    if (conn_read(c, in, sizeof in) != 0 || w->kind == ENDS) return;
    CHECK_OK(proxy_parse(sl(in, sizeof in), &need, &h));
    CHECK_SL(sl_cstr(ip_format(&h.from.ip, from)), "198.51.100.1");
    CHECK_SL(sl_cstr(ip_format(&h.to.ip, to)), "192.0.2.10");
    CHECK_INT(h.to.port, 25);
    smtp(w, c);
}

static void session(struct serving *s, struct conn *c)
{
    struct world *w = s->ctx;
    if (w->kind == SILENT) (void)!fiber_sleep(600 * RT_S);
    else if (w->v2) by_header(w, c);
    else by_socks5(w, c);
    conn_close(&c);
}

static int proxy_main(void *arg)
{
    struct serving s = {.session = session, .ctx = arg};
    deadline_narrow(DEADLINE_IN(7200 * RT_S));
    return serving_run(&s, "198.51.100.1:1080");
}

/* ---- who is met without it ---- */

static void direct(struct serving *s, struct conn *c)
{
    smtp(s->ctx, c);
    conn_close(&c);
}

static int direct_main(void *arg)
{
    struct serving s = {.session = direct, .ctx = arg};
    deadline_narrow(DEADLINE_IN(7200 * RT_S));
    return serving_run(&s, "192.0.2.10:25");
}

/* ---- a letter ---- */

static int64_t read_text(void *text, uint64_t at, void *p, size_t n)
{
    struct slice s = sl_sub(sl_cstr(text), (size_t)at, (size_t)at + n);
    memcpy(p, s.p, s.n);
    return (int64_t)s.n;
}

static void send_one(struct world *w, struct relay *r)
{
    static char text[] = "Subject: s\r\n\r\nHello\r\n";
    struct arena a = {0};
    struct source from = {.name = SL("far"), .pool = SL("main"), .via = w->v2 ? VIA_PROXY : VIA_SOCKS5};
    struct attempt_rcpt rcpt = {.address = SL("user@two.test")};
    struct letter l = {.sender = SL("sender@one.test")};
    struct letter_source src = {.size = sizeof text - 1, .head = 14, .read = read_text, .ctx = text};
    CHECK(ip_parse(SL("198.51.100.1"), &from.ip));
    CHECK(endpoint_parse(w->kind == ABSENT ? SL("198.51.100.1:1081") : SL("198.51.100.1:1080"), &from.at));
    if (w->user) from.user = sl_cstr(w->user), from.password = SL("secret");
    struct attempt_letter at = {.letter = &l,
                                .source = &src,
                                .domain = SL("two.test"),
                                .rcpt = &rcpt,
                                .nrcpt = 1,
                                .a = &a,
                                .from = from,
                                .until = DEADLINE_IN(600 * RT_S)};
    int64_t begun = rt_now();
    relay_deliver(r, &at);
    w->took = rt_now() - begun;
    w->noted = at.noted;
    w->got = rcpt;
    snprintf(w->reply, sizeof w->reply, "%.*s", SLF(rcpt.reply));
    ar_free(&a);
}

struct expected {
    enum kind kind;
    const char *words; /* NULL: the letter is delivered */
    int most;          /* seconds */
};

static void expect(struct world *w, struct relay *r, const struct expected *x)
{
    w->kind = x->kind;
    send_one(w, r);
    bool good = (w->got.result == ATTEMPT_DELIVERED) == !x->words;
    if (!good || (x->words && sl_find(sl_cstr(w->reply), sl_cstr(x->words)) == SL_NONE))
        test_fail(__FILE__, __LINE__, "kind %d (%s): %s", x->kind, x->words ? x->words : "", w->reply);
    CHECK(w->got.result != ATTEMPT_PERMANENT);
    CHECK(w->took <= x->most * RT_S);
    (void)!fiber_sleep(60 * RT_S); /* no connection is kept so long, and who was left alone is tried again */
}

static void all_kinds(struct world *w, struct relay *r)
{
    static const struct expected all[] = {
        {GOOD, NULL, 1},
        {NAMES, NULL, 1},
        {MAPPED, NULL, 1},
        {SPEAKS_SMTP, "the source far: its proxy 198.51.100.1:1080 does not do its part: it speaks no SOCKS5",
         1},
        {SILENT, "the source far: its proxy 198.51.100.1:1080 does not answer", 11},
        {LETS_NOBODY_IN, "the source far: its proxy 198.51.100.1:1080 does not do its part: it wants a login",
         1},
        {ENDS, "the source far: its proxy 198.51.100.1:1080 does not answer", 1},
        {ENDS_EARLY, "the source far: its proxy 198.51.100.1:1080 does not answer", 1},
        {NO_SUCH_ADDRESS, "its reply is none of SOCKS5", 1},
        {CANNOT_CONNECT, "it does not know how to connect", 1},
        {NOT_OF_THIS_KIND, "it does not know this kind of address", 1},
        {IS_ELSEWHERE, "it connects from 203.0.113.5, not from 198.51.100.1", 1},
        {ABSENT, "the source far: its proxy 198.51.100.1:1081 does not answer", 1},
        {STALLS, "no answer from behind the proxy in time", 31},
        {FORBIDS, "the proxy says: its rules do not allow the connection", 1},
        {FAILS, "the proxy says: the connection failed", 1},
        {UNHEARD_OF, "the proxy says: it fails with a code that SOCKS5 does not have", 1},
        {REFUSED, "the proxy says: the connection was refused", 1},
        {UNREACHABLE, "the proxy says: the host cannot be reached", 1},
        {GOOD, NULL, 1},
    };
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        expect(w, r, &all[i]);
        bool source = sl_starts(sl_cstr(w->reply), SL("the source far"));
        CHECK_INT(source, all[i].kind > MAPPED && all[i].kind < STALLS);
        CHECK_INT(w->noted, all[i].kind <= MAPPED || all[i].kind > STALLS);
    }
    for (int i = 0; i < 4; i++) { /* what the proxy does wrong has nobody left alone by the relay */
        w->kind = ENDS;
        send_one(w, r);
    }
    expect(w, r, &(struct expected){GOOD, NULL, 1});
    w->wants_login = true;
    expect(w, r, &(struct expected){GOOD, "it wants a login", 1});
    w->user = "me";
    expect(w, r, &(struct expected){GOOD, NULL, 1});
    w->user = "us";
    expect(w, r, &(struct expected){GOOD, "it refuses the login", 1});
    w->v2 = true;
    expect(w, r, &(struct expected){GOOD, NULL, 1});
    CHECK(w->noted);
    expect(w, r,
           &(struct expected){ENDS, "greeting", 1}); /* whoever it was, it is no sign of a proxy that works */
    CHECK(!w->noted);
    expect(w, r, &(struct expected){ABSENT, "its proxy 198.51.100.1:1081 does not answer", 1});
    w->v2 = false;
}

/* Whom the operator names is met without the proxy, whose address is none of ours. */
static void by_route(struct world *w, struct relay_conf *rc)
{
    struct arena a = {0};
    struct relay_route route;
    struct relay *r = NULL;
    rc->route = &route, rc->nroutes = 1;
    CHECK_OK(route_parse(&a, SL("* via 192.0.2.10 tls=none"), &route));
    CHECK_OK(relay_open(&r, rc));
    expect(w, r, &(struct expected){ABSENT, NULL, 1});
    relay_close(&r);
    ar_free(&a);
}

static int tram_main(void *arg)
{
    struct world *w = arg;
    struct dns *d = NULL;
    struct relay *r = NULL;
    int e = dns_open_zone_text(&d, SL("two.test. MX 10 mx.two.test.\nmx.two.test. A 192.0.2.10\n"));
    struct relay_conf rc = {.dns = d, .hostname = SL("mail.one.test"), .port = 25};
    if (!e) e = relay_open(&r, &rc);
    if (!e) all_kinds(w, r);
    relay_close(&r);
    if (!e) by_route(w, &rc);
    dns_close(&d);
    return e;
}

TEST(what_a_proxy_does_wrong_is_its_sources_trouble)
{
    struct world w = {.sim = sim_new(11)};
    w.tram = sim_node(w.sim, "one.test", "192.0.2.1");
    w.proxy = sim_node(w.sim, "proxy", "198.51.100.1");
    w.direct = sim_node(w.sim, "mx.two.test", "192.0.2.10");
    sim_node_start(w.proxy, proxy_main, &w);
    sim_node_start(w.direct, direct_main, &w);
    sim_node_start(w.tram, tram_main, &w);
    sim_run(w.sim, RT_NEVER);
    CHECK_INT(sim_node_result(w.tram), 0);
    CHECK_INT(w.letters, 8);
    sim_free(&w.sim);
}
