/* silence_sim.c - peers of SMTP that fall silent, at whatever moment: the last thing that each hears, and
 * after how long the server ends the connection. A peer that vanished without a word (a half-open connection)
 * looks the same. docs/hygiene.md names the test. */
#include <signal.h>
#include <stdio.h>

#include "base/test.h"
#include "base/text.h"
#include "rt/conn.h"
#include "serve.h"
#include "world_sim.h"

enum { MX = 10025, SUBMISSION = 10587, SUBMISSIONS = 10465, LMTP = 10024 };
enum layer { CLEAR, AT_ONCE /* TLS from the first byte */, STARTTLS };

static const struct silent {
    uint16_t port;
    enum layer layer;
    const char *said; /* then not a byte more */
    const char *last; /* that it hears; "": nothing at all */
    int64_t seconds;
} silents[] = {
/* 300 s between commands (RFC 5321 section 4.5.3.2.7), 60 amid a login or a handshake; a letter that has
 * begun must come at 100 bytes a second on average after 120 s. */
#define QUIET "421 4.4.2 Nothing was said for too long"
#define LOGIN "AUTH PLAIN AGFsaWNlQG9uZS50ZXN0AHNlY3JldA==\r\n" /* alice@one.test, secret */
#define TO_BOB "MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@one.test>\r\n"
#define AS_ALICE "MAIL FROM:<alice@one.test>\r\nRCPT TO:<bob@one.test>\r\n"
    {MX, CLEAR, "", QUIET, 300},
    {MX, CLEAR, "EHLO x.te", QUIET, 300},
    {MX, CLEAR, "EHLO x.test\r\n" TO_BOB, QUIET, 300},
    {MX, CLEAR, "EHLO x.test\r\n" TO_BOB "DATA\r\n", QUIET, 120},
    {MX, CLEAR, "EHLO x.test\r\n" TO_BOB "DATA\r\nFrom: a@elsewhere.test\r\n\r\nhal", QUIET, 120},
    {MX, CLEAR, "EHLO x.test\r\n" TO_BOB "BDAT 100\r\nFrom: a@elsewhere.test\r\n", QUIET, 120},
    {MX, CLEAR, "EHLO x.test\r\nBDAT 100 LAST\r\nFrom: a@elsewhere.test\r\n", QUIET, 120},
    {MX, CLEAR, "STARTTLS\r\n", "220 2.0.0 Begin TLS", 60},
    {MX, STARTTLS, "", QUIET, 300},
    {SUBMISSION, CLEAR, "", QUIET, 300},
    {SUBMISSION, CLEAR, "EHLO x.test\r\nSTAR", QUIET, 300},
    {SUBMISSION, CLEAR, "STARTTLS\r\n", "220 2.0.0 Begin TLS", 60},
    {SUBMISSION, STARTTLS, "EHLO x.test\r\nAUTH LOGIN\r\n", QUIET, 60},
    {SUBMISSION, STARTTLS, "EHLO x.test\r\n" LOGIN, QUIET, 300},
    {SUBMISSION, STARTTLS, "EHLO x.test\r\n" LOGIN AS_ALICE "DATA\r\nFrom: alice@one.test\r\n", QUIET, 120},
    {SUBMISSIONS, CLEAR, "", "", 60},
    {SUBMISSIONS, CLEAR, "\x16\x03\x01\x02", "", 60},
    {SUBMISSIONS, AT_ONCE, "", QUIET, 300},
    {SUBMISSIONS, AT_ONCE, "EHLO x.test\r\nAUTH PLAIN\r\n", QUIET, 60},
    {SUBMISSIONS, AT_ONCE, "EHLO x.test\r\n" LOGIN AS_ALICE, QUIET, 300},
    {SUBMISSIONS, AT_ONCE, "EHLO x.test\r\n" LOGIN AS_ALICE "BDAT 100 LAST\r\nFrom: alice", QUIET, 120},
    {LMTP, CLEAR, "", QUIET, 300},
    {LMTP, CLEAR, "LHLO x.test\r\n" TO_BOB "DATA\r\nFrom: a@elsewhere.test\r\n", QUIET, 120},
    {LMTP, CLEAR, "LHLO x.test\r\n" TO_BOB "BDAT 100 LAST\r\nFrom:", QUIET, 120},
    {LMTP, STARTTLS, "", QUIET, 300},
};

struct outcome {
    const struct silent *what;
    char last[200];
    int64_t took;
    bool closed;
};

static int begin_tls(struct conn *c, struct tls_ctx *tls)
{
    struct tls_peer peer = {.name = SL("mail.one.test"), .verify = TLS_VERIFY_NONE};
    return conn_tls_connect(c, tls, &peer);
}

static int speak(const struct silent *x, struct conn *c, struct tls_ctx *tls)
{
    struct slice line;
    int e = 0;
    if (x->layer == AT_ONCE) e = begin_tls(c, tls);
    if (!e && x->layer == STARTTLS) {
        e = conn_read_line(c, 4096, &line);
        conn_puts(c, "STARTTLS\r\n");
        if (!e) e = conn_read_line(c, 4096, &line);
        if (!e) e = begin_tls(c, tls);
    }
    conn_puts(c, x->said);
    return e ? e : conn_flush(c);
}

static int silent_main(void *arg)
{
    struct outcome *o = arg;
    struct endpoint at = {.port = o->what->port};
    struct tls_ctx *tls;
    struct conn *c;
    struct slice line;
    ip_parse(SL("198.51.100.2"), &at.ip);
    CHECK_OK(tls_client_new(&tls, SL("")));
    CHECK_OK(conn_dial(&c, &at, NULL));
    (void)deadline_narrow(DEADLINE_IN(7200 * RT_S));
    CHECK_OK(speak(o->what, c, tls));
    int64_t from = rt_now();
    int e;
    while ((e = conn_read_line(c, 4096, &line)) == 0)
        if (line.n && (unsigned char)line.p[0] >= 32) snprintf(o->last, sizeof o->last, "%.*s", SLF(line));
    o->took = rt_now() - from;
    o->closed = e != ERR_TIMEOUT;
    conn_close(&c);
    tls_free(&tls);
    return 0;
}

static struct sim *world;
static struct sim_node *host;
static int64_t now;

static void serve_world(struct server *s)
{
    server_configure(s);
    s->conf.lmtp_listen.port = LMTP;
    ip_parse(SL("198.51.100.2"), &s->conf.lmtp_listen.ip);
    world = sim_new(1);
    host = sim_node(world, "mail.one.test", "127.0.0.2,198.51.100.2");
    sim_node_start(host, server_main, s);
    for (now = 0; !s->ready && !s->failed && now < 600 * RT_S;) now = sim_run(world, now + RT_S);
    CHECK(s->ready);
}

static void end_world(void)
{
    sim_signal(host, SIGTERM);
    sim_run(world, now + 2400 * RT_S);
    CHECK(!sim_node_running(host));
    sim_free(&world);
}

TEST(connections_that_fall_silent_end_with_exactly_this)
{
    static struct outcome o[COUNT_OF(silents)];
    struct server s = {0};
    serve_world(&s);
    for (size_t i = 0; i < COUNT_OF(silents); i++) { /* each is a network of its own */
        char name[20], address[20];
        snprintf(name, sizeof name, "peer%zu.test", i);
        snprintf(address, sizeof address, "203.0.%zu.9", i);
        o[i] = (struct outcome){.what = &silents[i]};
        sim_node_start(sim_node(world, name, address), silent_main, &o[i]);
    }
    now = sim_run(world, now + 3600 * RT_S);
    for (size_t i = 0; i < COUNT_OF(silents); i++) {
        const struct silent *x = &silents[i];
        int64_t s_took = o[i].took / RT_S;
        if (!o[i].closed || strcmp(o[i].last, x->last) != 0 || s_took < x->seconds - 1 ||
            s_took > x->seconds + 5)
            test_fail(__FILE__, __LINE__, "%u, layer %d, after \"%s\": \"%s\" after %lld s", x->port,
                      (int)x->layer, x->said, o[i].last, (long long)s_took);
    }
    end_world();
}
