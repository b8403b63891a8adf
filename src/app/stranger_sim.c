/* stranger_sim.c - what a stranger may take of a whole server: answers, bytes and virtual time are
 * counted (issue: nobody is too much). Each case is one way to be a nuisance without a login. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/test.h"
#include "base/text.h"
#include "core/config.h"
#include "guard/guard.h"
#include "rt/conn.h"
#include "serve.h"
#include "session_sim.h"
#include "world_sim.h"

enum {
    SMTP = 10025,
    SUBMISSION = 10587,
    IMAP = 10143,
    POP3 = 10110,
    IMAPS = 10993,
    POP3S = 10995,
    SUBMISSIONS = 10465,
    LMTP = 10024,
    HTTP = 10080,
    HTTPS = 10443
};

struct stranger {
    uint16_t port;
    const char *first; /* said once */
    const char *again; /* and this as long as somebody listens */
    bool tls;
    int64_t pause; /* between two of them; 0: a flood */
    /* what came of it */
    size_t answers; /* lines */
    size_t wrong;   /* passwords that were looked at */
    bool right;
    uint64_t sent;
    int64_t took;
    bool closed; /* by the server */
};

static int hear(struct stranger *x, struct conn *c)
{
    int e = conn_fill(c);
    struct slice in = conn_peek(c);
    for (size_t i = 0; i < in.n; i++) x->answers += in.p[i] == '\n';
    for (size_t i = 0; i < in.n; i++) x->wrong += sl_starts(sl_from(in, i), SL("password is wrong"));
    x->right |= sl_find(in, SL("logged in\r\n")) != SL_NONE;
    conn_consume(c, in.n);
    return e < 0 ? e : 0;
}

/* Talks until the server ends it, or for so long that it never would. */
static void talk(struct stranger *x, struct conn *c)
{
    enum { AT_ONCE = 100, ROUNDS = 400 };
    int e = hear(x, c);
    conn_puts(c, x->first);
    for (int round = 0; !e && round < ROUNDS; round++) {
        for (int i = 0; i < (x->pause ? 1 : AT_ONCE); i++) conn_puts(c, x->again);
        e = hear(x, c);
        if (!e && x->pause) e = fiber_sleep(x->pause);
    }
    x->closed = e && e != ERR_CANCELED && e != ERR_TIMEOUT;
}

static int stranger_main(void *arg)
{
    struct stranger *x = arg;
    struct endpoint at = {.port = x->port};
    struct conn *c;
    ip_parse(SL("198.51.100.2"), &at.ip);
    if (conn_dial(&c, &at, NULL)) return 1;
    int64_t before = deadline_narrow(DEADLINE_IN(36000 * RT_S)), from = rt_now();
    struct tls_peer name = {.name = SL("mail.one.test"), .verify = TLS_VERIFY_NONE};
    struct tls_ctx *tls = NULL;
    int e = x->tls ? tls_client_new(&tls, SL("")) : 0;
    if (!e && x->tls) e = conn_tls_connect(c, tls, &name);
    if (!e) talk(x, c);
    x->closed |= e != 0;
    x->took = rt_now() - from;
    x->sent = conn_bytes_out(c);
    conn_close(&c);
    if (tls) tls_free(&tls);
    deadline_restore(before);
    return 0;
}

struct world {
    struct sim *s;
    struct sim_node *host, *peer;
    struct server server;
    int64_t now;
    size_t memory;
};

static void world_make(struct world *w)
{
    *w = (struct world){.memory = memory_used()};
    w->s = sim_new(1);
    w->host = sim_node(w->s, "mail.one.test", "127.0.0.2,198.51.100.2");
    w->peer = sim_node(w->s, "stranger.test", "203.0.113.9");
    server_configure(&w->server);
}

static void world_boot(struct world *w)
{
    sim_node_start(w->host, server_main, &w->server);
    while (!w->server.ready && !w->server.failed && w->now < 600 * RT_S)
        w->now = sim_run(w->s, w->now + RT_S);
}

static void world_begin(struct world *w)
{
    world_make(w);
    world_boot(w);
}

static void world_end(struct world *w)
{
    sim_signal(w->host, SIGTERM);
    sim_run(w->s, w->now + 2400 * RT_S);
    CHECK(!sim_node_running(w->host));
    sim_free(&w->s);
    memory_set_budget(0);
    CHECK_INT(memory_used(), w->memory); /* what is counted is given back to the byte */
}

static void peer_does(struct world *w, int (*fn)(void *), void *arg)
{
    sim_node_start(w->peer, fn, arg);
    for (int64_t end = w->now + 40000 * RT_S; sim_node_running(w->peer) && w->now < end;)
        w->now = sim_run(w->s, w->now + 10 * RT_S);
}

static void meet(struct stranger *v, size_t n)
{
    struct world w;
    world_begin(&w);
    for (size_t i = 0; i < n; i++) peer_does(&w, stranger_main, &v[i]);
    world_end(&w);
}

TEST(a_flood_of_commands_that_lead_nowhere_ends)
{
    struct stranger v[] = {
        {.port = IMAP, .first = "", .again = "a NOOP\r\n"},
        {.port = IMAP, .first = "", .again = "a CAPABILITY\r\n"},
        {.port = IMAP, .first = "", .again = "a ID NIL\r\n"},
        {.port = POP3, .first = "", .again = "CAPA\r\n"},
        {.port = POP3, .first = "", .again = "QUIET\r\n"},
        {.port = SMTP, .first = "", .again = "NOOP\r\n"},
        {.port = SMTP, .first = "", .again = "EHLO a.test\r\n"},
        {.port = SMTP, .first = "EHLO a.test\r\n", .again = "MAIL FROM:<a@elsewhere.test>\r\nRSET\r\n"},
        {.port = SMTP,
         .first = "EHLO a.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@one.test>\r\n",
         .again = "BDAT 0\r\n"},
        {.port = SMTP, .first = "", .again = "HELP\r\n"},
        {.port = SUBMISSION, .first = "EHLO a.test\r\n", .again = "RSET\r\n"},
        {.port = HTTP, .first = "", .again = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
        {.port = HTTPS, .first = "", .again = "GET /v1/keys HTTP/1.1\r\nHost: x\r\n\r\n", .tls = true},
        {.port = HTTPS, .first = "", .again = "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", .tls = true},
    };
    meet(v, COUNT_OF(v));
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        if (!v[i].closed) test_fail(__FILE__, __LINE__, "served for ever: %s", v[i].again);
        if (v[i].answers > 2000)
            test_fail(__FILE__, __LINE__, "%zu lines of answers to: %s", v[i].answers, v[i].again);
    }
}

TEST(a_slow_session_that_leads_nowhere_ends_by_the_clock)
{
    struct stranger v[] = {
        {.port = IMAP, .first = "", .again = "a NOOP\r\n", .pause = 20 * RT_S, .took = 60},
        {.port = IMAP, .first = "a LOGIN x {4000}\r\n", .again = "x", .pause = 20 * RT_S, .took = 60},
        {.port = POP3, .first = "", .again = "CAPA\r\n", .pause = 20 * RT_S, .took = 120},
        {.port = SUBMISSION, .first = "", .again = "NOOP\r\n", .pause = 20 * RT_S, .took = 300},
        {.port = SMTP, .first = "", .again = "NOOP\r\n", .pause = 100 * RT_S, .took = 1800},
        {.port = HTTP, .first = "", .again = "G", .pause = 20 * RT_S, .took = 60},
        {.port = HTTPS,
         .first = "GET / HTTP/1.1\r\n",
         .again = "A: b\r\n",
         .pause = 20 * RT_S,
         .took = 60,
         .tls = true},
        {.port = HTTP,
         .first = "",
         .again = "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
         .pause = 20 * RT_S,
         .took = 600},
    };
    int64_t most[COUNT_OF(v)];
    for (size_t i = 0; i < COUNT_OF(v); i++) most[i] = v[i].took + v[i].pause / RT_S + 10;
    meet(v, COUNT_OF(v));
    for (size_t i = 0; i < COUNT_OF(v); i++)
        if (!v[i].closed || v[i].took / RT_S > most[i])
            test_fail(__FILE__, __LINE__, "%s%s: %lld s", v[i].first, v[i].again,
                      (long long)(v[i].took / RT_S));
}

TEST(a_chunk_of_absurd_size_is_not_swallowed)
{
    static const char text[] = "0123456789012345678901234567890123456789012345678901234567890123456789";
    struct stranger v[] = {
        {.port = SMTP, .first = "BDAT 9000000000000000000\r\n", .again = text},
        {.port = SUBMISSION, .first = "EHLO a.test\r\nBDAT 18446744073709551615 LAST\r\n", .again = text},
        {.port = SMTP,
         .first = "EHLO a.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@one.test>\r\nBDAT "
                  "9000000000000000000\r\n",
         .again = text},
        {.port = SMTP, .first = "BDAT 1000000\r\n", .again = "x", .pause = 60 * RT_S},
    };
    meet(v, COUNT_OF(v));
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        CHECK(v[i].closed);
        CHECK(v[i].sent < 100000);
        CHECK(v[i].took < 1000 * RT_S);
    }
}

/* ---- the least rate belongs to a letter, not to the session ---- */

static int patient_main(void *arg)
{
    bool *heard = arg;
    struct endpoint at = {.port = SMTP};
    struct conn *c;
    ip_parse(SL("198.51.100.2"), &at.ip);
    if (conn_dial(&c, &at, NULL)) return 1;
    struct slice line;
    conn_puts(c, "EHLO a.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@one.test>\r\n");
    conn_puts(c, "BDAT 3\r\na:bRSET\r\n");
    int e = conn_flush(c);
    if (!e) e = fiber_sleep(250 * RT_S);
    conn_puts(c, "NOOP\r\n");
    while (!e && !*heard) {
        e = conn_read_line(c, 1000, &line);
        *heard = !e && sl_eq(line, SL("250 2.0.0 Done, nothing"));
    }
    conn_close(&c);
    return e;
}

TEST(the_least_rate_ends_with_the_transaction)
{
    struct world w;
    bool heard = false;
    world_begin(&w);
    peer_does(&w, patient_main, &heard);
    CHECK(heard);
    world_end(&w);
}

TEST(recipients_that_are_probed_are_answered_ever_more_slowly)
{
    struct stranger v[12];
    size_t answers = 0;
    for (size_t i = 0; i < COUNT_OF(v); i++)
        v[i] = (struct stranger){.port = SMTP,
                                 .first = "EHLO a.test\r\nMAIL FROM:<a@elsewhere.test>\r\n",
                                 .again = "RCPT TO:<nobody@one.test>\r\n"};
    meet(v, COUNT_OF(v));
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        CHECK(v[i].closed);
        answers += v[i].answers;
    }
    CHECK(v[0].took > 100 * RT_S);
    CHECK(v[4].took > 400 * RT_S);
    CHECK(answers < (100 + 20) * COUNT_OF(v)); /* 20 for greeting and EHLO */
}

TEST(guessed_passwords_are_counted_over_all_protocols)
{
    static const struct stranger kinds[] = {
        {.port = IMAPS, .first = "", .again = "a LOGIN alice@one.test wrong\r\n", .pause = RT_S},
        {.port = POP3S, .first = "", .again = "USER bob@one.test\r\nPASS wrong\r\n", .pause = RT_S},
        {.port = SUBMISSIONS,
         .first = "EHLO a.test\r\n",
         .again = "AUTH PLAIN AGNhcm9sQG9uZS50ZXN0AHdyb25n\r\n",
         .pause = RT_S},
    };
    struct stranger v[26], right = {.port = IMAPS, .first = "a LOGIN alice@one.test secret\r\n", .again = ""};
    size_t wrong = 0;
    v[0] = right; /* the owner of one account is known here */
    for (size_t i = 1; i < COUNT_OF(v); i++) v[i] = kinds[1 + i % 2];
    v[25] = right;
    for (size_t i = 0; i < COUNT_OF(v); i++) v[i].tls = true;
    meet(v, COUNT_OF(v));
    for (size_t i = 1; i < 25; i++) wrong += v[i].wrong;
    CHECK(v[0].right && v[25].right);
    CHECK(wrong >= 20 && wrong < 2 * GUARD_LOGINS_MAX);
}

/* ---- a DNS that is silent about a stranger's domains ---- */

enum { SIGNED = 12, SIGNATURES = 8 };

/* A letter with signatures of domains about which the DNS never says anything. */
static int silent_main(void *arg)
{
    struct conn *c;
    struct slice line;
    struct endpoint at = {.port = SMTP};
    (void)arg;
    ip_parse(SL("198.51.100.2"), &at.ip);
    if (conn_dial(&c, &at, NULL)) return 1;
    conn_puts(c, "EHLO a.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@one.test>\r\nDATA\r\n");
    for (int i = 0; i < SIGNATURES; i++)
        conn_printf(c,
                    "DKIM-Signature: v=1; a=rsa-sha256; d=silent.test; s=s%d; h=from; "
                    "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n",
                    i);
    conn_puts(c, "From: a@elsewhere.test\r\n\r\n.\r\nQUIT\r\n");
    while (conn_read_line(c, 1000, &line) == 0) continue;
    conn_close(&c);
    return 0;
}

/* *arg: how long the letter took, in nanoseconds. */
static int good_letter_main(void *arg)
{
    struct conn *c;
    struct slice line;
    struct endpoint at = {.port = SMTP};
    int64_t from = rt_now();
    bool taken = false;
    ip_parse(SL("198.51.100.2"), &at.ip);
    if (conn_dial(&c, &at, NULL)) return 1;
    conn_puts(c, "EHLO b.test\r\nMAIL FROM:<b@elsewhere.test>\r\nRCPT TO:<bob@one.test>\r\nDATA\r\n"
                 "From: b@elsewhere.test\r\n\r\nhello\r\n.\r\nQUIT\r\n");
    while (conn_read_line(c, 1000, &line) == 0) taken |= sl_find(line, SL("Accepted as")) != SL_NONE;
    conn_close(&c);
    *(int64_t *)arg = taken ? rt_now() - from : INT64_MAX;
    return 0;
}

TEST(a_stranger_whose_domains_are_silent_keeps_nobody_waiting)
{
    struct world w;
    int64_t took = INT64_MAX;
    world_make(&w);
    w.server.dns_ports = DNS_SHARE + 8;
    world_boot(&w);
    struct sim_node *good = sim_node(w.s, "good.test", "203.0.113.10");
    for (int i = 0; i < SIGNED; i++) sim_node_start(w.peer, silent_main, NULL);
    w.now = sim_run(w.s, w.now + 2 * RT_S);
    sim_node_start(good, good_letter_main, &took);
    w.now = sim_run(w.s, w.now + 5 * RT_S);
    CHECK(took < 2 * RT_S);
    w.now = sim_run(w.s, w.now + 300 * RT_S);
    CHECK(!sim_node_running(w.peer));
    world_end(&w);
}

/* ---- many connections at once ---- */

enum { CROWD = 200 };
struct crowd {
    size_t served, turned_away;
};

static int crowd_main(void *arg)
{
    static const uint16_t ports[] = {SMTP, SUBMISSION, IMAP, POP3};
    struct crowd *x = arg;
    struct conn *c[CROWD];
    struct endpoint at = {0};
    struct slice line;
    ip_parse(SL("198.51.100.2"), &at.ip);
    for (int i = 0; i < CROWD; i++) {
        at.port = ports[i % COUNT_OF(ports)];
        if (conn_dial(&c[i], &at, NULL)) return 1;
        if (conn_read_line(c[i], 1000, &line)) continue;
        bool away = sl_starts(line, SL("421")) || sl_starts(line, SL("* BYE")) || sl_starts(line, SL("-ERR"));
        x->turned_away += away;
        x->served += !away;
    }
    for (int i = 0; i < CROWD; i++) conn_close(&c[i]);
    return 0;
}

TEST(one_network_has_a_share_of_the_places)
{
    struct world w;
    struct crowd crowd = {0};
    world_begin(&w);
    peer_does(&w, crowd_main, &crowd);
    CHECK_INT(crowd.served, GUARD_STRANGERS);
    CHECK_INT(crowd.turned_away, CROWD - GUARD_STRANGERS);
    world_end(&w);
}

/* LMTP trusts who reaches it; one of those that goes mad leaves room for the world. */
static int lmtp_main(void *arg)
{
    enum { MANY = SERVE_LMTP_MAX + 20 };
    static struct conn *c[MANY];
    struct crowd *x = arg;
    struct endpoint at = {.port = LMTP};
    struct slice line;
    ip_parse(SL("198.51.100.2"), &at.ip);
    for (int i = 0; i < MANY; i++) {
        if (conn_dial(&c[i], &at, NULL)) return 1;
        if (conn_read_line(c[i], 1000, &line)) continue;
        x->served += sl_starts(line, SL("220"));
        x->turned_away += sl_eq(line, SL("421 4.3.2 too many connections at this moment: try again later"));
    }
    for (int i = 0; i < MANY; i++) conn_close(&c[i]);
    CHECK_OK(fiber_sleep(RT_S));
    if (conn_dial(&c[0], &at, NULL)) return 1;
    x->served += conn_read_line(c[0], 1000, &line) == 0 && sl_starts(line, SL("220"));
    conn_close(&c[0]);
    return 0;
}

TEST(connections_of_lmtp_are_bounded)
{
    struct world w;
    struct crowd crowd = {0};
    world_make(&w);
    w.server.conf.lmtp_listen = (struct endpoint){.port = LMTP};
    ip_parse(SL("198.51.100.2"), &w.server.conf.lmtp_listen.ip);
    world_boot(&w);
    peer_does(&w, lmtp_main, &crowd);
    CHECK_INT(crowd.served, SERVE_LMTP_MAX + 1);
    CHECK_INT(crowd.turned_away, 20);
    world_end(&w);
}

/* ---- many networks that say a byte a second ---- */

enum { DRIP_NETS = 30, DRIP_EACH = 45, DRIPS = DRIP_NETS * DRIP_EACH, DRIP_PLACES = 400 };
/* Of both ends here, most of it their stacks. */
enum { DRIP_BYTES = 100 << 10 };

struct drips {
    uint16_t port;
    size_t greeted, refused, gave_way, inside, most;
};

static void drip(void *arg)
{
    struct drips *x = arg;
    struct conn *c;
    struct slice line;
    struct endpoint at = {.port = x->port};
    ip_parse(SL("198.51.100.2"), &at.ip);
    if (conn_dial(&c, &at, NULL)) return;
    bool in = x->port == HTTP || /* says nothing by itself */
              (conn_read_line(c, 1000, &line) == 0 && !sl_starts(line, SL("421")) &&
               !sl_starts(line, SL("* BYE")) && !sl_starts(line, SL("-ERR")));
    x->greeted += in, x->refused += !in, x->inside += in;
    if (x->inside > x->most) x->most = x->inside;
    while (in && !conn_overhear(c) && !conn_error(c)) {
        conn_puts(c, "x");
        if (conn_flush(c) || fiber_sleep(RT_S)) break;
    }
    x->gave_way += in && conn_read_line(c, 1000, &line) == 0 &&
                   sl_find(line, SL("thers wait for this place")) != SL_NONE;
    x->inside -= in;
    conn_close(&c);
}

static int drips_main(void *arg)
{
    struct group g;
    group_init(&g);
    for (int i = 0; i < DRIP_EACH; i++) {
        if (group_go(&g, "drip", drip, arg)) return 1;
        if (fiber_sleep(RT_MS)) return 0;
    }
    return group_wait(&g);
}

static void drips_at(uint16_t port, size_t places)
{
    struct world w;
    struct drips x = {.port = port};
    char name[32], ip[32];
    int64_t took = INT64_MAX;
    world_make(&w);
    w.server.conf.connections_max = DRIP_PLACES;
    world_boot(&w);
    struct sim_node *good = sim_node(w.s, "good.test", "203.0.113.10");
    size_t before = memory_used();
    for (int i = 0; i < DRIP_NETS; i++) {
        snprintf(name, sizeof name, "drip%d.test", i);
        snprintf(ip, sizeof ip, "203.0.%d.1", i);
        sim_node_start(sim_node(w.s, name, ip), drips_main, &x);
        w.now = sim_run(w.s, w.now + RT_S);
    }
    w.now = sim_run(w.s, w.now + 20 * RT_S);
    CHECK_INT(x.greeted, DRIPS);
    CHECK_INT(x.refused, 0);
    CHECK_INT(x.inside, places);
    CHECK_INT(x.gave_way, port == HTTP ? 0 : DRIPS - places); /* and were told so */
    CHECK(memory_used() - before < places * DRIP_BYTES);
    sim_node_start(good, good_letter_main, &took);
    w.now = sim_run(w.s, w.now + 10 * RT_S);
    CHECK(took < 2 * RT_S);
    world_end(&w);
}

TEST(strangers_that_say_a_byte_a_second_give_way_to_who_comes)
{
    drips_at(SMTP, DRIP_PLACES / 2);
    drips_at(IMAP, DRIP_PLACES / 4 * 3);
    drips_at(POP3, DRIP_PLACES / 4 * 3);
    drips_at(SUBMISSION, DRIP_PLACES / 4 * 3);
    drips_at(HTTP, DRIP_PLACES / 4 * 3);
}

/* ---- places that are held by letters under way ---- */

static bool hears(struct conn *c, const char *what)
{
    struct slice line;
    while (conn_read_line(c, 1000, &line) == 0) {
        if (sl_find(line, sl_cstr(what)) != SL_NONE) return true;
        if (sl_starts(line, SL("4")) || sl_starts(line, SL("5"))) return false;
    }
    return false;
}

enum { LETTER_NETS = 5, LETTERS = DRIP_PLACES / 2, LETTER_COMERS = 10 };
struct letters {
    int64_t pause; /* between the recipient and the text */
    size_t begun, taken;
};

static void letter(void *arg)
{
    struct letters *x = arg;
    struct conn *c;
    struct endpoint at = {.port = SMTP};
    ip_parse(SL("198.51.100.2"), &at.ip);
    if (conn_dial(&c, &at, NULL)) return;
    conn_puts(c, "EHLO a.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@one.test>\r\n");
    bool begun = hears(c, "Recipient is fine");
    x->begun += begun;
    if (begun && fiber_sleep(x->pause) == 0) {
        conn_puts(c, "DATA\r\nFrom: a@elsewhere.test\r\n\r\nhello\r\n.\r\n");
        x->taken += hears(c, "Accepted as");
    }
    conn_close(&c);
}

static int letters_main(void *arg)
{
    struct group g;
    group_init(&g);
    for (int i = 0; i < LETTERS / LETTER_NETS; i++)
        if (group_go(&g, "letter", letter, arg)) return 1;
    return group_wait(&g);
}

static int comers_main(void *arg)
{
    struct group g;
    group_init(&g);
    for (int i = 0; i < LETTER_COMERS; i++)
        if (group_go(&g, "drip", drip, arg)) return 1;
    return group_wait(&g);
}

static void start_at(struct world *w, const char *ip, int (*fn)(void *), void *arg)
{
    sim_node_start(sim_node(w->s, ip, ip), fn, arg);
    w->now = sim_run(w->s, w->now + RT_S);
}

/* All of port 25 is taken by letters, and some are about to log in; then more come to port 25. */
static void letters_with(struct letters *x, struct drips *logging_in, struct drips *comers,
                         int64_t comes_after)
{
    static const char *const nets[LETTER_NETS] = {"203.0.1.1", "203.0.2.1", "203.0.3.1", "203.0.4.1",
                                                  "203.0.5.1"};
    struct world w;
    world_make(&w);
    w.server.conf.connections_max = DRIP_PLACES;
    world_boot(&w);
    for (int i = 0; i < LETTER_NETS; i++) start_at(&w, nets[i], letters_main, x);
    start_at(&w, "203.0.6.1", comers_main, logging_in);
    w.now = sim_run(w.s, w.now + comes_after);
    start_at(&w, "203.0.7.1", comers_main, comers);
    w.now = sim_run(w.s, w.now + x->pause + 20 * RT_S);
    CHECK_INT(x->begun, LETTERS);
    CHECK_INT(logging_in->greeted, LETTER_COMERS);
    CHECK_INT(logging_in->gave_way, 0);
    world_end(&w);
}

TEST(who_sends_a_letter_or_logs_in_does_not_give_way_for_nothing)
{
    struct letters x = {.pause = 30 * RT_S};
    struct drips logging_in = {.port = IMAP}, comers = {.port = SMTP};
    letters_with(&x, &logging_in, &comers, 2 * RT_S);
    CHECK_INT(comers.refused, LETTER_COMERS);
    CHECK_INT(x.taken, LETTERS);
}

TEST(who_began_a_letter_and_says_nothing_more_gives_way)
{
    struct letters x = {.pause = 200 * RT_S};
    struct drips logging_in = {.port = IMAP}, comers = {.port = SMTP};
    letters_with(&x, &logging_in, &comers, GUARD_LETTER);
    CHECK_INT(comers.greeted, LETTER_COMERS);
    CHECK_INT(x.taken, LETTERS - LETTER_COMERS);
}

/* What the session fuzzers find can be found again. */
TEST(a_session_of_hostile_bytes_is_the_same_each_time)
{
    static const struct {
        enum session_kind kind;
        const char *input;
    } cases[] = {
        {SESSION_SMTP, "EHLO x\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<alice@one.test>\r\nDATA\r\n\x1e"
                       "From: a@elsewhere.test\r\n\r\nx\r\n.\r\n\xff\r\n"},
        {SESSION_SUBMISSION, "STARTTLS\r\n\x1e\x1d"
                             "EHLO x\r\nAUTH LOGIN\r\nYQ==\r\n\x1eYQ==\r\n"},
        {SESSION_IMAP_IN, "1 SELECT INBOX\r\n2 FETCH 1:* ALL\r\n3 STORE 1 FLAGS (a b\r\n\x1e"},
        {SESSION_POP3_IN, "RETR 1\r\nDELE 1\r\nQUIT\r\n"},
        {SESSION_RELAY, "220 x\r\n\x1e"
                        "250 x\r\n\x1e"
                        "250 ok\r\n\x1e"
                        "250 ok\r\n\x1e"
                        "354 go\r\n\x1e"
                        "4"},
        {SESSION_LMTP, "LHLO x\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<alice@one.test>\r\nDATA\r\n\x1e"
                       "Subject: x\r\n\r\nx\r\n.\r\n\xff\r\n"},
    };
    uint64_t first[COUNT_OF(cases)];
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        size_t k = i % COUNT_OF(cases);
        uint64_t digest = session_play(cases[k].kind, sl_cstr(cases[k].input));
        if (i < COUNT_OF(cases)) first[k] = digest;
        else CHECK_INT(digest, first[k]);
    }
    CHECK(session_play(SESSION_POP3_IN, SL("RETR 2\r\nQUIT\r\n")) != first[3]);
}

/* ---- memory ---- */

enum { HOARDERS = 45, FIELDS = 1800 };

/* A letter whose header section is as large as it may be, and whose end does not come. */
static int hoarder_main(void *arg)
{
    struct conn *c;
    struct endpoint at = {.port = SMTP};
    (void)arg;
    ip_parse(SL("198.51.100.2"), &at.ip);
    if (conn_dial(&c, &at, NULL)) return 1;
    conn_puts(c, "EHLO a.test\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@one.test>\r\nDATA\r\n");
    for (int i = 0; i < FIELDS; i++) conn_printf(c, "X-%d: %0120d\r\n", i, i);
    conn_puts(c, "From: a@elsewhere.test\r\n\r\nx");
    int e = conn_flush(c);
    if (!e) e = fiber_sleep(100 * RT_S);
    conn_close(&c);
    return 0;
}

struct modest { /* somebody who was here before */
    bool refused, taken;
};

static int modest_main(void *arg)
{
    struct modest *x = arg;
    struct conn *c;
    struct endpoint at = {.port = SMTP};
    ip_parse(SL("198.51.100.2"), &at.ip);
    if (conn_dial(&c, &at, NULL)) return 1;
    conn_puts(c, "EHLO b.test\r\n");
    CHECK(hears(c, "250 "));
    CHECK_OK(fiber_sleep(60 * RT_S));
    conn_puts(c, "MAIL FROM:<b@elsewhere.test>\r\n");
    x->refused = !hears(c, "250") && !conn_error(c);
    CHECK_OK(fiber_sleep(120 * RT_S));
    conn_puts(c, "MAIL FROM:<b@elsewhere.test>\r\n");
    x->taken = hears(c, "250 ");
    conn_close(&c);
    return 0;
}

TEST(above_the_budget_of_memory_new_letters_and_sessions_wait_outside)
{
    struct world w;
    struct modest modest = {0};
    struct crowd crowd = {0};
    int64_t took = INT64_MAX;
    world_make(&w);
    w.server.conf.index_cache = 1 << 20;
    w.server.conf.memory = w.server.conf.index_cache + CONFIG_MEMORY_LEAST;
    world_boot(&w);
    struct sim_node *good = sim_node(w.s, "good.test", "203.0.113.10"),
                    *late = sim_node(w.s, "late.test", "203.0.113.11");
    sim_node_start(good, modest_main, &modest);
    w.now = sim_run(w.s, w.now + RT_S);
    CHECK(!memory_over());
    for (int i = 0; i < HOARDERS; i++) sim_node_start(w.peer, hoarder_main, NULL);
    w.now = sim_run(w.s, w.now + 50 * RT_S);
    CHECK(memory_over());
    CHECK(memory_used() < 3 * (size_t)CONFIG_MEMORY_LEAST);
    sim_node_start(late, crowd_main, &crowd);
    w.now = sim_run(w.s, w.now + 250 * RT_S);
    CHECK_INT(crowd.served, 0);
    CHECK(modest.refused && modest.taken);
    CHECK(!memory_over());
    sim_node_start(late, good_letter_main, &took);
    w.now = sim_run(w.s, w.now + 10 * RT_S);
    CHECK(took < 2 * RT_S);
    world_end(&w);
}
