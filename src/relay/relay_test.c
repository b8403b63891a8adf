/* relay_test.c - the relay against made-up servers on loopback that answer in every way,
 * good and bad, and a DNS zone that names them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "crypto/cert.h"
#include "relay_i.h"
#include "rt/test_rt.h"

enum step { GREET, EHLO, HELO, TLS, MAIL, RCPT, DATA, DOT, RSET, QUIT, AUTH, STEPS };
static const char DROP[] = "(closes)", SILENT[] = "(says nothing)", ENDLESS[] = "(a line without end)",
                  LINES[] = "(lines without end)", RESET[] = "(drops after half of the data)",
                  EARLY[] = "(refuses after half of the data, and drops)";

/* How a server behaves, and what it saw. */
struct server {
    struct listener *l;
    struct group g;
    const char *say[STEPS]; /* instead of the usual; NULL = usual */
    const char *caps;       /* lines of the EHLO answer, LF between */
    struct tls_ctx *tls;
    bool broken_tls, lmtp;
    int accepted; /* recipients of the letter at hand */
    int times[STEPS], sessions, tls_sessions, at_once;
    int under_way, most_under_way; /* letters between MAIL and the answer to their last dot */
    char log[4000];                /* commands as heard */
    struct buf letter;
};
struct tester {
    struct arena arena;
    struct server a, b; /* 127.0.0.2, 127.0.0.3 */
    struct dns *dns;
    struct relay *relay;
    struct relay_conf conf;
    struct tls_ctx *client;
    struct attempt_rcpt rcpt[150];
    struct letter letter;
    struct letter_source source;
    struct attempt_letter at;
};

/* ---- the made-up server ---- */

static void note(struct server *s, struct slice line)
{
    size_t n = strlen(s->log);
    snprintf(s->log + n, sizeof s->log - n, "%.*s|", SLF(line));
}

/* False: the session ends. */
static bool answer(struct server *s, struct conn *c, enum step step, const char *usual)
{
    const char *say = s->say[step] ? s->say[step] : usual;
    s->times[step]++;
    if (step == MAIL && ++s->under_way > s->most_under_way) s->most_under_way = s->under_way;
    if (step == DOT) s->under_way--;
    if (say == DROP) return false;
    if (say == SILENT) {
        fiber_sleep(3600 * RT_S);
        return false;
    }
    if (say == ENDLESS)
        for (int i = 0; i < 2000 && !conn_error(c); i++)
            conn_puts(c, "220-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    else if (say == LINES)
        for (int i = 0; i < 5000 && !conn_error(c); i++) conn_puts(c, "250-and another one\r\n");
    else conn_printf(c, "%s\r\n", say);
    return say != ENDLESS && say != LINES && strncmp(say, "421", 3) != 0;
}

static bool take_letter(struct server *s, struct conn *c)
{
    struct smtp_data d;
    smtp_data_begin(&d);
    buf_clear(&s->letter);
    for (;;) {
        if (conn_peek(c).n == 0 && conn_fill(c) < 0) return false;
        struct slice in = conn_peek(c), run;
        size_t had = in.n;
        int what;
        do {
            what = smtp_data_feed(&d, &in, &run);
            buf_put(&s->letter, run);
        } while (what == SMTP_DATA_RUN);
        conn_consume(c, had - in.n);
        if (s->say[DOT] == RESET && d.size > 1000) return false;
        if (s->say[DOT] == EARLY && d.size > 1000) {
            conn_puts(c, "552-5.3.4 this is\r\n552 5.3.4 too much\r\n");
            return conn_flush(c) != 0; /* what was sent and is not read resets the connection */
        }
        CHECK_INT(d.fault, SMTP_FAULT_NONE);
        if (what == SMTP_DATA_END && s->lmtp) { /* each has an answer, the last of several a bad one */
            for (int i = 1; i <= s->accepted; i++)
                if (!answer(s, c, DOT,
                            i > 1 && i == s->accepted ? "452 4.2.2 full" : "250 2.0.0 taken as 17"))
                    return false;
            return true;
        }
        if (what == SMTP_DATA_END) return answer(s, c, DOT, "250 2.0.0 taken as 17");
    }
}

static bool take_chunk(struct server *s, struct conn *c, struct slice line)
{
    uint64_t n;
    struct slice rest = sl_from(line, 5), size;
    (void)sl_next(&rest, ' ', &size);
    CHECK(num_u64(size, 1 << 20, &n) && sl_eq(rest, SL("LAST")));
    for (buf_clear(&s->letter); s->letter.n < n;) {
        if (conn_peek(c).n == 0 && conn_fill(c) < 0) return false;
        struct slice in = sl_sub(conn_peek(c), 0, (size_t)n - s->letter.n);
        buf_put(&s->letter, in);
        conn_consume(c, in.n);
    }
    return answer(s, c, DOT, "250 2.0.0 taken as 17");
}

static bool hello(struct server *s, struct conn *c)
{
    if (s->say[EHLO]) return answer(s, c, EHLO, "");
    s->times[EHLO]++;
    conn_puts(c, "250-mx.test\r\n");
    struct slice caps = sl_cstr(s->caps ? s->caps : ""), one;
    while (sl_next(&caps, '\n', &one))
        if (!sl_eqi(one, SL("STARTTLS")) || !conn_is_tls(c)) conn_printf(c, "250-%.*s\r\n", SLF(one));
    conn_puts(c, "250 HELP\r\n");
    return true;
}

static bool start_tls(struct server *s, struct conn *c)
{
    if (!answer(s, c, TLS, "220 go ahead")) return false;
    if (s->say[TLS]) return true;
    if (s->broken_tls) conn_puts(c, "this is no TLS at all, whatever you make of it\r\n");
    if (conn_flush(c) != 0 || s->broken_tls || conn_tls_accept(c, s->tls) != 0) return false;
    s->tls_sessions++;
    return true;
}

static bool rcpt(struct server *s, struct conn *c, struct slice line)
{
    if (sl_find(line, SL("<no")) != SL_NONE) return answer(s, c, RCPT, "550 5.1.1 no such user");
    if (sl_find(line, SL("<later")) != SL_NONE)
        return answer(s, c, RCPT, "450-4.2.0 mailbox\r\n450 4.2.0 busy");
    if (sl_find(line, SL("<full")) != SL_NONE) return answer(s, c, RCPT, "552 too many");
    s->accepted++;
    return answer(s, c, RCPT, "250 2.1.5 fine");
}

static bool command(struct server *s, struct conn *c, struct slice line)
{
    note(s, line);
    if (sl_startsi(line, SL("EHLO"))) return hello(s, c);
    if (sl_startsi(line, SL("HELO"))) return answer(s, c, HELO, "250 mx.test");
    if (sl_startsi(line, SL("STARTTLS"))) return start_tls(s, c);
    s->lmtp |= sl_startsi(line, SL("LHLO"));
    if (sl_startsi(line, SL("LHLO"))) return hello(s, c);
    if (sl_startsi(line, SL("AUTH"))) return answer(s, c, AUTH, "235 2.7.0 welcome");
    if (sl_startsi(line, SL("MAIL"))) s->accepted = 0;
    if (sl_startsi(line, SL("MAIL"))) return answer(s, c, MAIL, "250 2.1.0 ok");
    if (sl_startsi(line, SL("RCPT"))) return rcpt(s, c, line);
    if (sl_startsi(line, SL("RSET"))) return answer(s, c, RSET, "250 2.0.0 ok");
    if (sl_startsi(line, SL("DATA")))
        return answer(s, c, DATA, "354 go on") &&
               ((s->say[DATA] && strncmp(s->say[DATA], "354", 3)) || take_letter(s, c));
    if (sl_startsi(line, SL("BDAT"))) return take_chunk(s, c, line);
    if (sl_startsi(line, SL("QUIT"))) answer(s, c, QUIT, "221 bye");
    return false;
}

struct session {
    struct server *s;
    struct conn *c;
};

static void session(void *arg)
{
    struct session x = *(struct session *)arg;
    struct slice line;
    free(arg);
    x.s->sessions++;
    x.s->at_once++;
    if (answer(x.s, x.c, GREET, "220 mx.test ESMTP"))
        while (conn_read_line(x.c, 4096, &line) == 0 && command(x.s, x.c, line)) {
        }
    conn_close(&x.c);
    x.s->at_once--;
}

static void serve(void *arg)
{
    struct server *s = arg;
    struct conn *c;
    while (listener_accept(s->l, &c) == 0) {
        struct session *x = xcalloc(1, sizeof *x);
        *x = (struct session){s, c};
        if (group_go(&s->g, "session", session, x) != 0) conn_close(&c);
    }
}

static bool server_start(struct server *s, const char *at)
{
    struct endpoint e;
    *s = (struct server){0};
    group_init(&s->g);
    return endpoint_parse(sl_cstr(at), &e) && listener_open(&s->l, &e) == 0 &&
           group_go(&s->g, "serve", serve, s) == 0;
}

static void server_stop(struct server *s)
{
    group_cancel(&s->g);
    group_wait(&s->g);
    if (s->l) listener_close(&s->l);
    buf_free(&s->letter);
    tls_free(&s->tls);
}

/* ---- the tester ---- */

static const char zone[] =
    "two.test. MX 10 a.two.test.\n"
    "a.two.test. A 127.0.0.2\n"
    "pair.test. MX 10 a.two.test.\npair.test. MX 20 b.two.test.\n"
    "b.two.test. A 127.0.0.3\n"
    "bare.test. A 127.0.0.2\n"
    "apple.test. MX 10 mx1.icloud.com.\nmx1.icloud.com. A 127.0.0.2\n"
    "other-apple.test. MX 10 mx2.icloud.com.\nmx2.icloud.com. A 127.0.0.2\n"
    "alias.test. CNAME two.test.\n"
    "nullmx.test. MX 0 .\n"
    "noaddr.test. MX 10 nowhere.test.\n"
    "dead.test. MX 10 dead.dead.test.\ndead.dead.test. A 127.0.0.9\n"
    "half.test. MX 10 dead.dead.test.\nhalf.test. MX 20 b.two.test.\n"
    "own.test. MX 10 mail.one.test.\nmail.one.test. A 127.0.0.1\n"
    "own2.test. MX 10 other.one.test.\nother.one.test. A 127.0.0.1\n"
    "backup.test. MX 10 a.two.test.\nbackup.test. MX 20 mail.one.test.\nbackup.test. MX 30 b.two.test.\n"
    ";! servfail fail.test\n;! servfail mxfail.two.test\n"
    "mxfail.test. MX 10 mxfail.two.test.\n"
    "xn--bcher-kva.test. MX 10 a.two.test.\n";

static bool begin(struct tester *t)
{
    static struct endpoint own; /* outlives the relay */
    char at[32];
    memset(t, 0, sizeof *t);
    if (!server_start(&t->a, "127.0.0.2:0")) return false;
    uint16_t port = listener_at(t->a.l)->port;
    snprintf(at, sizeof at, "127.0.0.3:%u", port);
    if (!server_start(&t->b, at)) return false;
    CHECK_OK(dns_open_zone_text(&t->dns, sl_cstr(zone)));
    CHECK_OK(tls_client_new(&t->client, SL("")));
    own = (struct endpoint){.ip = {4, {127, 0, 0, 1}}, .port = port};
    t->conf = (struct relay_conf){.dns = t->dns,
                                  .tls = t->client,
                                  .hostname = SL("mail.one.test"),
                                  .port = port,
                                  .source = {4, {127, 0, 0, 1}},
                                  .own = &own,
                                  .nown = 1};
    CHECK_OK(relay_open(&t->relay, &t->conf));
    return true;
}

static void end(struct tester *t)
{
    relay_close(&t->relay);
    server_stop(&t->a);
    server_stop(&t->b);
    tls_free(&t->client);
    dns_close(&t->dns);
    ar_free(&t->arena);
}

#define TEXT "Subject: dots\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"
#define LINE ".a line that begins with a dot, and is of some length\r\n"

/* A letter that lies nowhere: the same text again and again, made as it is asked for. */
static int64_t again_and_again(void *text, uint64_t at, void *p, size_t n)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < n; i++) ((char *)p)[i] = ((char *)text)[(at + i) % len];
    return (int64_t)n;
}

static int64_t cut_from(void *bytes, uint64_t at, void *p, size_t n)
{
    struct slice s = sl_sub(*(struct slice *)bytes, (size_t)at, (size_t)at + n);
    memcpy(p, s.p, s.n);
    return (int64_t)s.n;
}

static void prepare(struct tester *t, const char *domain, const char *to)
{
    struct slice rest = sl_cstr(to), one;
    t->letter = (struct letter){.sender = SL("alice@one.test")};
    letter_id_new(&t->letter.id);
    t->source =
        (struct letter_source){.size = sizeof TEXT - 1, .head = 19, .read = again_and_again, .ctx = TEXT};
    t->at = (struct attempt_letter){.letter = &t->letter,
                                    .source = &t->source,
                                    .domain = sl_cstr(domain),
                                    .rcpt = t->rcpt,
                                    .a = &t->arena,
                                    .until = DEADLINE_IN(20 * RT_S)};
    memset(t->rcpt, 0, sizeof t->rcpt);
    while (sl_next(&rest, ' ', &one)) t->rcpt[t->at.nrcpt++].address = one;
}

static void send(struct tester *t, const char *domain, const char *to)
{
    prepare(t, domain, to);
    relay_deliver(t->relay, &t->at);
}

static void forget(struct server *s)
{
    memset(s->say, 0, sizeof s->say);
    memset(s->times, 0, sizeof s->times);
    s->log[0] = 0;
    s->sessions = s->tls_sessions = s->under_way = s->most_under_way = 0;
    s->lmtp = false;
}

#define WRONG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HAS(text, word) CHECK(sl_find(text, SL(word)) != SL_NONE)

TEST(relay_delivers_and_keeps_the_connection)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "PIPELINING\nSIZE 1000\n8BITMIME\nENHANCEDSTATUSCODES";
    send(&t, "two.test", "ok@two.test no@two.test later@two.test full@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_SL(t.rcpt[0].reply, "250 2.0.0 taken as 17");
    CHECK_SL(sl_cstr(t.rcpt[0].enhanced), "2.0.0");
    HAS(t.rcpt[0].host, "a.two.test [127.0.0.2]:");
    HAS(t.rcpt[0].tls, "not encrypted: not offered");
    CHECK_INT(t.rcpt[1].result, ATTEMPT_PERMANENT);
    CHECK_INT(t.rcpt[1].code, 550);
    CHECK_SL(t.rcpt[1].reply, "550 5.1.1 no such user");
    CHECK_INT(t.rcpt[2].result, ATTEMPT_TEMPORARY);
    CHECK_SL(t.rcpt[2].reply, "450-4.2.0 mailbox\n450 4.2.0 busy");
    CHECK_INT(t.rcpt[3].result, ATTEMPT_TEMPORARY); /* 552 to RCPT */
    CHECK_SL(buf_slice(&t.a.letter), "Subject: dots\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n");
    HAS(sl_cstr(t.a.log), "EHLO mail.one.test|MAIL FROM:<alice@one.test> SIZE=38|RCPT TO:<ok@two.test>|");
    send(&t, "two.test", "ok@two.test");
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.sessions, 1);
    send(&t, "alias.test", "ok@alias.test"); /* the same servers: the same site */
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.sessions, 1);
    send(&t, "two.test", "no@two.test no2@two.test"); /* nobody taken, then the connection still good */
    CHECK_INT(t.rcpt[1].result, ATTEMPT_PERMANENT);
    end(&t);
}

TEST(relay_without_pipelining)
{
    struct tester t;
    REQUIRE(begin(&t));
    send(&t, "bare.test", "ok@bare.test no@bare.test");
    CHECK(t.rcpt[0].result == ATTEMPT_DELIVERED && t.rcpt[1].result == ATTEMPT_PERMANENT);
    send(&t, "bare.test", "no@bare.test");
    CHECK_INT(t.a.times[RSET], 1);
    CHECK_INT(t.a.times[DATA], 1);
    t.a.say[EHLO] = "500 what?"; /* an old server */
    t.a.say[MAIL] = NULL;
    relay_close(&t.relay);
    CHECK_OK(relay_open(&t.relay, &t.conf));
    send(&t, "bare.test", "ok@bare.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.times[HELO], 1);
    end(&t);
}

TEST(relay_mx_choice)
{
    struct tester t;
    REQUIRE(begin(&t));
    static const struct {
        const char *domain;
        enum attempt result;
        const char *enhanced;
    } x[] = {
        {"nullmx.test", ATTEMPT_PERMANENT, "5.1.10"}, {"nothere.test", ATTEMPT_PERMANENT, "5.1.2"},
        {"noaddr.test", ATTEMPT_PERMANENT, "5.4.4"},  {"fail.test", ATTEMPT_TEMPORARY, "4.4.3"},
        {"mxfail.test", ATTEMPT_TEMPORARY, "4.4.3"},  {"own.test", ATTEMPT_PERMANENT, "5.4.6"},
        {"own2.test", ATTEMPT_PERMANENT, "5.4.6"},    {"dead.test", ATTEMPT_TEMPORARY, "4.4.1"},
        {"a..b", ATTEMPT_PERMANENT, "5.1.2"},         {"[127.0.0.2", ATTEMPT_PERMANENT, "5.1.3"},
    };
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        send(&t, x[i].domain, "u@x.test");
        CHECK_INT(t.rcpt[0].result, x[i].result);
        CHECK_SL(sl_cstr(t.rcpt[0].enhanced), x[i].enhanced);
        CHECK(t.rcpt[0].reply.n > 10);
    }
    CHECK_INT(t.a.sessions, 0);
    send(&t, "pair.test", "u@pair.test");
    CHECK(t.a.times[DOT] == 1 && t.b.times[DOT] == 0); /* the preferred one */
    send(&t, "half.test", "u@half.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED); /* the first is dead */
    CHECK_INT(t.b.times[DOT], 1);
    send(&t,
         "b\xC3\xBC"
         "cher.test",
         "u@b\xC3\xBC"
         "cher.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(sl_cstr(t.a.log), "RCPT TO:<u@xn--bcher-kva.test>");
    send(&t, "[127.0.0.3]", "u@[127.0.0.3]");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(sl_cstr(t.b.log), "RCPT TO:<u@[127.0.0.3]>");
    t.a.say[GREET] = "554 go away";
    relay_close(&t.relay);
    CHECK_OK(relay_open(&t.relay, &t.conf));
    send(&t, "backup.test", "u@backup.test"); /* we are its second: only the first may be used */
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    CHECK_INT(t.rcpt[0].code, 554);
    send(&t, "pair.test", "u@pair.test"); /* the second says yes */
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    end(&t);
}

TEST(relay_servers_that_misbehave)
{
    struct tester t;
    REQUIRE(begin(&t));
    static const struct {
        enum step step;
        const char *say;
        enum attempt result;
        int code;
    } x[] = {
        {GREET, "421 busy", ATTEMPT_TEMPORARY, 421},
        {GREET, "554 no", ATTEMPT_PERMANENT, 554},
        {GREET, DROP, ATTEMPT_TEMPORARY, 0},
        {GREET, "hello there", ATTEMPT_TEMPORARY, 0},
        {GREET, ENDLESS, ATTEMPT_TEMPORARY, 0},
        {GREET, LINES, ATTEMPT_TEMPORARY, 0},
        {GREET, "250 not a greeting", ATTEMPT_TEMPORARY, 250},
        {EHLO, "421 busy", ATTEMPT_TEMPORARY, 421},
        {EHLO, DROP, ATTEMPT_TEMPORARY, 0},
        {EHLO, LINES, ATTEMPT_TEMPORARY, 0},
        {EHLO, "450 no", ATTEMPT_TEMPORARY, 450},
        {MAIL, "450 4.7.1 later", ATTEMPT_TEMPORARY, 450},
        {MAIL, "550 no", ATTEMPT_PERMANENT, 550},
        {MAIL, DROP, ATTEMPT_TEMPORARY, 0},
        {MAIL, "99 bananas", ATTEMPT_TEMPORARY, 0},
        {MAIL, "354 what", ATTEMPT_TEMPORARY, 354},
        {MAIL, "421 bye", ATTEMPT_TEMPORARY, 421},
        {RCPT, "450 later", ATTEMPT_TEMPORARY, 450},
        {RCPT, "550 no", ATTEMPT_PERMANENT, 550},
        {RCPT, DROP, ATTEMPT_TEMPORARY, 0},
        {RCPT, "250-\r\n551 other code", ATTEMPT_TEMPORARY, 0},
        {RCPT, "550-\r\n551 other code", ATTEMPT_PERMANENT, 551},
        {RCPT, "421 bye", ATTEMPT_TEMPORARY, 421},
        {DATA, "450 later", ATTEMPT_TEMPORARY, 450},
        {DATA, "554 no", ATTEMPT_PERMANENT, 554},
        {DATA, "250 ok", ATTEMPT_TEMPORARY, 250},
        {DATA, DROP, ATTEMPT_TEMPORARY, 0},
        {DATA, "421 bye", ATTEMPT_TEMPORARY, 421},
        {DOT, "450 later", ATTEMPT_TEMPORARY, 450},
        {DOT, "554 5.7.1 spam", ATTEMPT_PERMANENT, 554},
        {DOT, DROP, ATTEMPT_UNCERTAIN, 0},
        {DOT, "gibberish", ATTEMPT_UNCERTAIN, 0},
        {DOT, ENDLESS, ATTEMPT_UNCERTAIN, 0},
        {DOT, "421 bye", ATTEMPT_TEMPORARY, 421},
    };
    for (int pipelining = 0; pipelining < 2; pipelining++)
        for (size_t i = 0; i < COUNT_OF(x); i++) {
            forget(&t.a);
            t.a.caps = pipelining ? "PIPELINING" : "";
            t.a.say[x[i].step] = x[i].say;
            relay_close(&t.relay); /* no kept connection, no memory of failures */
            CHECK_OK(relay_open(&t.relay, &t.conf));
            send(&t, "two.test", "one@two.test two@two.test");
            for (int k = 0; k < 2; k++)
                if (t.rcpt[k].result != x[i].result || t.rcpt[k].code != x[i].code)
                    test_fail(__FILE__, __LINE__, "step %d \"%s\": result %d code %d: %.*s", x[i].step,
                              x[i].say, t.rcpt[k].result, t.rcpt[k].code, SLF(t.rcpt[k].reply));
            CHECK(t.rcpt[0].reply.n && t.rcpt[0].host.n);
            if (x[i].code && !sl_chr(sl_cstr(x[i].say), '\r')) /* its words are kept */
                CHECK_SL(t.rcpt[0].reply, x[i].say);
        }
    CHECK_INT(t.a.at_once, 0);
    end(&t);
}

TEST(relay_silent_servers_end_in_time)
{
    struct tester t;
    REQUIRE(begin(&t));
    static const enum step steps[] = {GREET, EHLO, MAIL, RCPT, DATA, DOT};
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        forget(&t.a);
        t.a.say[steps[i]] = SILENT;
        relay_close(&t.relay);
        CHECK_OK(relay_open(&t.relay, &t.conf));
        prepare(&t, "two.test", "one@two.test");
        t.at.until = DEADLINE_IN(60 * RT_MS);
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, steps[i] == DOT ? ATTEMPT_UNCERTAIN : ATTEMPT_TEMPORARY);
        CHECK(t.rcpt[0].reply.n > 0);
    }
    end(&t);
}

TEST(relay_tls)
{
    struct tester t;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("a.two.test");
    REQUIRE(begin(&t));
    CHECK_OK(tls_self_signed(&name, 1, 30, &chain, &key));
    CHECK_OK(tls_server_new(&t.a.tls, NULL));
    CHECK_OK(tls_server_add_cert(t.a.tls, buf_slice(&chain), buf_slice(&key)));
    t.a.caps = "PIPELINING\nSTARTTLS";
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.tls_sessions, 1);
    HAS(t.rcpt[0].tls, "TLSv1.3 ");
    HAS(t.rcpt[0].tls, "certificate not verified");
    CHECK_INT(t.a.times[EHLO], 2); /* again under TLS */
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.a.sessions, 1);

    forget(&t.a);
    t.a.say[TLS] = "454 4.7.0 not now";
    relay_close(&t.relay);
    CHECK_OK(relay_open(&t.relay, &t.conf));
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].tls, "not encrypted: STARTTLS was answered 454");

    forget(&t.a);
    t.a.broken_tls = true;
    relay_close(&t.relay);
    CHECK_OK(relay_open(&t.relay, &t.conf));
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].tls, "not encrypted: TLS failed");
    CHECK_INT(t.a.sessions, 2);

    /* a server that demands TLS, and whose handshake broke: what it says in clear is not its last word */
    static const char *const demands[] = {"530 5.7.0 Must issue a STARTTLS command first", "550 5.7.1 no",
                                          "554 no"};
    for (size_t i = 0; i < COUNT_OF(demands); i++)
        for (int step = MAIL; step <= RCPT; step++) {
            forget(&t.a);
            t.a.broken_tls = true;
            t.a.say[step] = demands[i];
            relay_close(&t.relay);
            CHECK_OK(relay_open(&t.relay, &t.conf));
            send(&t, "two.test", "ok@two.test");
            CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
            CHECK_SL(t.rcpt[0].reply, demands[i]);
            forget(&t.a);
            t.a.broken_tls = false; /* and it is asked for TLS at once the next time */
            send(&t, "two.test", "ok@two.test");
            CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
            HAS(t.rcpt[0].tls, "TLSv1.3 ");
        }
    t.a.broken_tls = true;
    relay_close(&t.relay);
    CHECK_OK(relay_open(&t.relay, &t.conf));
    send(&t, "two.test", "no@two.test"); /* a wrong address is wrong in clear as well */
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    buf_free(&chain);
    buf_free(&key);
    end(&t);
}

TEST(relay_what_one_server_refuses_another_may_take)
{
    struct tester t;
    REQUIRE(begin(&t));
    static const struct {
        const char *caps, *mail, *other; /* of the first; the second's answer to MAIL */
        enum attempt result;
    } x[] = {
        {"SIZE 20", NULL, NULL, ATTEMPT_DELIVERED},
        {"", "552 5.3.4 too big", NULL, ATTEMPT_DELIVERED},
        {"", "555 5.5.4 what?", NULL, ATTEMPT_DELIVERED},
        {"SIZE 20", NULL, "450 later", ATTEMPT_TEMPORARY},
        {"SIZE 20", NULL, "552 too big", ATTEMPT_PERMANENT},
        {"", "552 5.2.2 mailbox full", NULL, ATTEMPT_PERMANENT},
        {"", "550 no", NULL, ATTEMPT_PERMANENT},
        {"", "450 later", "552 too big", ATTEMPT_TEMPORARY},
    };
    for (size_t i = 0; i < COUNT_OF(x); i++)
        for (int round = 0; round < 2; round++) { /* the second over kept connections */
            if (!round) {
                relay_close(&t.relay);
                CHECK_OK(relay_open(&t.relay, &t.conf));
            }
            forget(&t.a);
            forget(&t.b);
            t.a.caps = x[i].caps;
            t.a.say[MAIL] = x[i].mail;
            t.b.say[MAIL] = x[i].other;
            send(&t, "pair.test", "ok@pair.test");
            if (t.rcpt[0].result != x[i].result)
                test_fail(__FILE__, __LINE__, "case %zu: %d, %.*s", i, t.rcpt[0].result,
                          SLF(t.rcpt[0].reply));
        }
    forget(&t.a);
    forget(&t.b);
    prepare(&t, "pair.test", "ok@pair.test");
    t.b.caps = "8BITMIME";
    t.source.eight_bit = true;
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    end(&t);
}

TEST(relay_replies_of_any_length_keep_their_code)
{
    struct tester t;
    struct buf b = BUF_INIT;
    REQUIRE(begin(&t));
    for (int lines = 0; lines < 2; lines++) {
        buf_clear(&b);
        buf_str(&b, "550 5.7.1 ");
        if (lines) buf_clear(&b);
        for (int i = 0; i < 500; i++) buf_str(&b, lines ? "550-5.7.1 and so on\r\n" : "and so on ");
        if (lines) buf_str(&b, "550 5.7.1 end");
        buf_char(&b, 0);
        for (int step = GREET; step <= DOT; step++) {
            if (step == EHLO || step == HELO || step == TLS) continue;
            forget(&t.a);
            t.a.say[step] = b.p;
            relay_close(&t.relay);
            CHECK_OK(relay_open(&t.relay, &t.conf));
            send(&t, "two.test", "ok@two.test");
            CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
            CHECK_INT(t.rcpt[0].code, 550);
            CHECK(t.rcpt[0].reply.n > 3000 && t.rcpt[0].reply.n < 5000);
        }
    }
    buf_free(&b);
    end(&t);
}

TEST(relay_what_a_server_cannot_take)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "SIZE 20\nPIPELINING";
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    CHECK_SL(sl_cstr(t.rcpt[0].enhanced), "5.3.4");
    t.a.caps = "PIPELINING";
    relay_close(&t.relay);
    CHECK_OK(relay_open(&t.relay, &t.conf));
    prepare(&t, "two.test", "ok@two.test");
    struct slice bytes = SL("Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n\xe4\r\n--b--\r\n");
    t.source = (struct letter_source){
        .size = bytes.n, .head = 46, .eight_bit = true, .read = cut_from, .ctx = &bytes};
    relay_deliver(t.relay, &t.at);
    CHECK_SL(sl_cstr(t.rcpt[0].enhanced), "5.6.3");
    HAS(t.rcpt[0].reply,
        " takes no 8-bit text (8BITMIME), and this one cannot be converted: a part that would have "
        "to be is signed (multipart/signed)");
    prepare(&t, "two.test", "ok@two.test");
    t.source.smtputf8 = true;
    relay_deliver(t.relay, &t.at);
    CHECK_SL(sl_cstr(t.rcpt[0].enhanced), "5.6.7");
    send(&t, "two.test", "\xC3\xA4@two.test ok@two.test");
    CHECK_SL(sl_cstr(t.rcpt[0].enhanced), "5.6.7");
    CHECK_INT(t.rcpt[1].result, ATTEMPT_DELIVERED);
    send(&t, "two.test", "a\rb@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    CHECK(sl_find(sl_cstr(t.a.log), SL("\r")) == SL_NONE);
    CHECK_INT(t.a.sessions, 2);
    end(&t);
}

static void reopen(struct tester *t)
{
    relay_close(&t->relay);
    CHECK_OK(relay_open(&t->relay, &t->conf));
}

/* RFC 8689 section 4.2.1: over verified TLS, to a server that promises the same, of a domain whose servers
 * are proved; a report goes anyhow (section 5). */
TEST(relay_requires_tls)
{
    enum { CLEAR = 1, STRANGE = 2, BROKEN = 4, FOREIGN = 8, REPORT = 16 };
    static const struct {
        int how;
        const char *caps;
        enum attempt result;
        const char *enhanced, *words;
    } x[] = {
        {0, "STARTTLS\nREQUIRETLS\nPIPELINING", ATTEMPT_DELIVERED, "2.0.0", "taken"},
        {0, "STARTTLS", ATTEMPT_PERMANENT, "5.7.30", "does not promise it (REQUIRETLS)"},
        {CLEAR, "REQUIRETLS", ATTEMPT_PERMANENT, "5.7.10", "does not offer it"},
        {STRANGE, "STARTTLS\nREQUIRETLS", ATTEMPT_PERMANENT, "5.7.10", "is not proved: TLSv1.3"},
        {BROKEN, "STARTTLS\nREQUIRETLS", ATTEMPT_TEMPORARY, "4.7.10", "it did not come about"},
        {FOREIGN, "STARTTLS\nREQUIRETLS", ATTEMPT_PERMANENT, "5.7.30", "neither DNSSEC nor MTA-STS"},
        {REPORT, "STARTTLS", ATTEMPT_DELIVERED, "2.0.0", "taken"},
        {REPORT | CLEAR, "REQUIRETLS", ATTEMPT_DELIVERED, "2.0.0", "taken"},
    };
    struct tester t;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("a.two.test");
    struct dns *dns;
    REQUIRE(begin(&t));
    CHECK_OK(tls_self_signed(&name, 1, 30, &chain, &key));
    CHECK_OK(tls_server_new(&t.a.tls, NULL));
    CHECK_OK(tls_server_add_cert(t.a.tls, buf_slice(&chain), buf_slice(&key)));
    CHECK_OK(
        dns_open_zone_text(&dns, SL(";! insecure\ntwo.test. MX 10 a.two.test.\na.two.test. A 127.0.0.2\n")));
    struct tls_ctx *stranger = t.client, *friend;
    struct dns *signed_zone = t.dns;
    CHECK_OK(tls_client_new(&friend, buf_slice(&chain)));
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        forget(&t.a);
        t.conf.tls = x[i].how & STRANGE ? stranger : friend;
        t.conf.dns = x[i].how & FOREIGN ? dns : signed_zone;
        t.a.broken_tls = x[i].how & BROKEN;
        t.a.caps = x[i].caps;
        reopen(&t);
        prepare(&t, "two.test", "ok@two.test");
        if (x[i].how & REPORT) t.letter.sender = SL("");
        t.letter.wants.requiretls = true;
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, x[i].result);
        CHECK_SL(sl_cstr(t.rcpt[0].enhanced), x[i].enhanced);
        CHECK(sl_find(t.rcpt[0].reply, sl_cstr(x[i].words)) != SL_NONE);
        bool said = sl_find(sl_cstr(t.a.log), SL("> REQUIRETLS|")) != SL_NONE;
        CHECK(said == (i == 0));
        CHECK(t.a.times[MAIL] == (x[i].result == ATTEMPT_DELIVERED));
    }
    relay_close(&t.relay);
    t.conf.tls = t.client = stranger, t.conf.dns = t.dns = signed_zone;
    CHECK_OK(relay_open(&t.relay, &t.conf));
    tls_free(&friend);
    dns_close(&dns);
    buf_free(&chain);
    buf_free(&key);
    end(&t);
}

/* The next server of the domain may promise what the first does not (section 4.2.1). */
TEST(relay_looks_for_a_server_that_promises_tls)
{
    struct tester t;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice names[] = {SL("a.two.test"), SL("b.two.test")};
    REQUIRE(begin(&t));
    CHECK_OK(tls_self_signed(names, 2, 30, &chain, &key));
    for (struct server *s = &t.a; s; s = s == &t.a ? &t.b : NULL) {
        CHECK_OK(tls_server_new(&s->tls, NULL));
        CHECK_OK(tls_server_add_cert(s->tls, buf_slice(&chain), buf_slice(&key)));
    }
    tls_free(&t.client);
    CHECK_OK(tls_client_new(&t.client, buf_slice(&chain)));
    t.conf.tls = t.client;
    t.a.caps = "STARTTLS", t.b.caps = "STARTTLS\nREQUIRETLS";
    reopen(&t);
    prepare(&t, "pair.test", "ok@pair.test");
    t.letter.wants.requiretls = true;
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].host, "b.two.test");
    CHECK_INT(t.a.times[MAIL], 0);
    buf_free(&chain);
    buf_free(&key);
    end(&t);
}

/* What the zone proves of a server's keys binds: RFC 7672 section 2.2. */
TEST(relay_dane)
{
    enum { CLEAR = 1, BROKEN = 2, ANYHOW = 4, PAIR = 8, OLD = 16 };
    static const struct {
        int how;
        const char *records; /* %s: what the server has, "x": something else */
        enum attempt result;
        const char *words;
    } x[] = {
        {0, "TLSA 3 1 1 %s", ATTEMPT_DELIVERED, ", certificate proved by DANE"},
        {OLD, "TLSA 3 1 1 %s", ATTEMPT_DELIVERED, ", certificate proved by DANE"}, /* dates do not count */
        {0, "TLSA 3 1 1 " WRONG, ATTEMPT_TEMPORARY, "over TLS alone, because DNSSEC proves 1 TLSA record"},
        {CLEAR, "TLSA 3 1 1 %s", ATTEMPT_TEMPORARY, "not encrypted: not offered"},
        {BROKEN, "TLSA 3 1 1 %s", ATTEMPT_TEMPORARY, "while TLS was begun"},
        {0, "TLSA 1 1 1 " WRONG, ATTEMPT_DELIVERED, "certificate not verified"},
        {CLEAR, "TLSA 1 1 1 " WRONG, ATTEMPT_TEMPORARY, "none of which can be used"},
        {ANYHOW | CLEAR, "TLSA 3 1 1 %s", ATTEMPT_DELIVERED, "not encrypted: not offered"},
        {PAIR, "TLSA 3 1 1 " WRONG, ATTEMPT_DELIVERED, "not encrypted: not offered"}, /* b takes it */
        {0, "CNAME fail.test.", ATTEMPT_TEMPORARY, "is passed over: the DNS does not tell what keys it has"},
        {PAIR, "CNAME fail.test.", ATTEMPT_DELIVERED, "not encrypted: not offered"},
    };
    struct tester t;
    struct buf chain = BUF_INIT, key = BUF_INIT, hex = BUF_INIT;
    struct slice name = SL("of.no.matter.test");
    uint8_t digest[32];
    REQUIRE(begin(&t));
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        char text[2000], records[200];
        test_run_is("case %zu", i);
        forget(&t.a);
        buf_clear(&chain), buf_clear(&key), buf_clear(&hex);
        CHECK_OK(tls_self_signed(&name, 1, x[i].how & OLD ? -3 : 30, &chain, &key));
        CHECK_OK(cert_spki_sha256(buf_slice(&chain), digest));
        hex_encode(&hex, sl(digest, 32));
        tls_free(&t.a.tls);
        CHECK_OK(tls_server_new(&t.a.tls, NULL));
        CHECK_OK(tls_server_add_cert(t.a.tls, buf_slice(&chain), buf_slice(&key)));
        snprintf(records, sizeof records, x[i].records, ar_cstr(&t.arena, buf_slice(&hex)));
        snprintf(text, sizeof text, "%s_%u._tcp.a.two.test. %s\n", zone, t.conf.port, records);
        relay_close(&t.relay);
        dns_close(&t.dns);
        CHECK_OK(dns_open_zone_text(&t.dns, sl_cstr(text)));
        t.conf.dns = t.dns;
        CHECK_OK(relay_open(&t.relay, &t.conf));
        t.a.caps = x[i].how & CLEAR ? "" : "STARTTLS";
        t.a.broken_tls = x[i].how & BROKEN;
        prepare(&t, x[i].how & PAIR ? "pair.test" : "two.test", "ok@two.test");
        t.letter.wants.tls_optional = x[i].how & ANYHOW;
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, x[i].result);
        CHECK(sl_find(x[i].result == ATTEMPT_DELIVERED ? t.rcpt[0].tls : t.rcpt[0].reply,
                      sl_cstr(x[i].words)) != SL_NONE);
        if (x[i].result != ATTEMPT_DELIVERED) CHECK_INT(t.a.times[MAIL], 0);
    }
    test_run_is("%s", "");
    buf_free(&chain);
    buf_free(&key);
    buf_free(&hex);
    end(&t);
}

/* What a domain promises over HTTPS binds, where DANE does not: RFC 8461 section 5. */
static int serve_policy(void *arg, const struct fetch_call *c, struct fetch_answer *out)
{
    (void)c;
    *out = (struct fetch_answer){.status = 200, .body = sl_cstr(*(const char **)arg), .nfield = 1};
    out->field = ar_new(c->a, struct fetch_field);
    out->field[0] = (struct fetch_field){SL("content-type"), SL("text/plain")};
    return 0;
}

TEST(relay_mta_sts)
{
    enum { STRANGE = 1, CLEAR = 2, PROMISE = 4, ANYHOW = 8, DANE = 16, OTHER = 32 };
    static const char enforce[] = "version: STSv1\nmode: enforce\nmx: a.two.test\nmax_age: 9999\n",
                      testing[] = "version: STSv1\nmode: testing\nmx: z.two.test\nmax_age: 9999\n",
                      other[] = "version: STSv1\nmode: enforce\nmx: *.three.test\nmax_age: 9999\n";
    static const struct {
        int how;
        const char *policy;
        enum attempt result;
        const char *words;
    } x[] = {
        {0, enforce, ATTEMPT_DELIVERED, ", certificate verified"},
        {STRANGE, enforce, ATTEMPT_TEMPORARY,
         "asks for a certificate that is valid for the host; while TLS was"},
        {OTHER, enforce, ATTEMPT_TEMPORARY, "hostname mismatch"},
        {CLEAR, enforce, ATTEMPT_TEMPORARY, "not encrypted: not offered"},
        {0, other, ATTEMPT_TEMPORARY,
         "a.two.test is passed over: the MTA-STS policy of two.test does not name"},
        {ANYHOW | CLEAR, other, ATTEMPT_DELIVERED, "not encrypted: not offered"},
        {STRANGE, testing, ATTEMPT_DELIVERED, "certificate not verified"},
        {CLEAR, testing, ATTEMPT_DELIVERED, "not encrypted: not offered"},
        {STRANGE | DANE, other, ATTEMPT_DELIVERED, "certificate proved by DANE"},
        {PROMISE, enforce, ATTEMPT_DELIVERED, ", certificate verified"},
        {PROMISE, testing, ATTEMPT_PERMANENT, "neither DNSSEC nor MTA-STS proves"},
    };
    struct tester t;
    struct buf chain = BUF_INIT, key = BUF_INIT, hex = BUF_INIT;
    struct slice name = SL("a.two.test"), wrong = SL("b.two.test");
    uint8_t digest[32];
    const char *policy;
    struct fetch fetch = {
        .conf = {.private_hosts = true, .transfer = serve_policy, .transfer_arg = (void *)&policy}};
    REQUIRE(begin(&t));
    struct tls_ctx *stranger = t.client;
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        char text[2200];
        struct kv *kv;
        test_run_is("case %zu", i);
        forget(&t.a);
        relay_close(&t.relay);
        buf_clear(&chain), buf_clear(&key), buf_clear(&hex);
        CHECK_OK(tls_self_signed(x[i].how & OTHER ? &wrong : &name, 1, 30, &chain, &key));
        CHECK_OK(cert_spki_sha256(buf_slice(&chain), digest));
        hex_encode(&hex, sl(digest, 32));
        tls_free(&t.a.tls);
        CHECK_OK(tls_server_new(&t.a.tls, NULL));
        CHECK_OK(tls_server_add_cert(t.a.tls, buf_slice(&chain), buf_slice(&key)));
        CHECK_OK(tls_client_new(&t.client, buf_slice(&chain)));
        snprintf(text, sizeof text,
                 "%s%s_mta-sts.two.test. TXT \"v=STSv1; id=1\"\nmta-sts.two.test. A 127.0.0.8\n"
                 "_%u._tcp.a.two.test. TLSA 3 1 1 %s\n",
                 x[i].how & DANE ? "" : ";! insecure\n", zone, t.conf.port,
                 ar_cstr(&t.arena, buf_slice(&hex)));
        dns_close(&t.dns);
        CHECK_OK(dns_open_zone_text(&t.dns, sl_cstr(text)));
        CHECK_OK(kv_mem_open(&kv, NULL));
        fetch.conf.dns = t.conf.dns = t.dns;
        t.conf.tls = x[i].how & STRANGE ? stranger : t.client;
        policy = x[i].policy;
        sts_open(&t.conf.sts, &(struct sts_conf){.kv = kv, .dns = t.dns, .fetch = &fetch});
        CHECK_OK(relay_open(&t.relay, &t.conf));
        t.a.caps = x[i].how & CLEAR ? "" : "STARTTLS\nREQUIRETLS";
        prepare(&t, "two.test", "ok@two.test");
        t.letter.wants.tls_optional = x[i].how & ANYHOW;
        t.letter.wants.requiretls = x[i].how & PROMISE;
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, x[i].result);
        CHECK(sl_find(x[i].result == ATTEMPT_DELIVERED ? t.rcpt[0].tls : t.rcpt[0].reply,
                      sl_cstr(x[i].words)) != SL_NONE);
        if (x[i].result != ATTEMPT_DELIVERED) CHECK_INT(t.a.times[MAIL], 0);
        relay_close(&t.relay);
        sts_close(&t.conf.sts);
        kv_close(&kv);
        tls_free(&t.client);
    }
    test_run_is("%s", "");
    t.client = stranger;
    buf_free(&chain);
    buf_free(&key);
    buf_free(&hex);
    end(&t);
}

/* A session is kept for all domains of a site; a host that is none of the domain's gets no letter of it. */
TEST(relay_uses_kept_sessions_with_hosts_of_the_domain_alone)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.say[GREET] = "421 not now"; /* so b, which only pair.test names, is where a session is kept */
    send(&t, "pair.test", "ok@pair.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].host, "b.two.test");
    forget(&t.a);
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].host, "a.two.test");
    CHECK_INT(t.b.times[MAIL], 1);
    end(&t);
}

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
    forget(&t.a);
    send(&t, "nullmx.test", "ok@nullmx.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].tls, "certificate verified");
    HAS(sl_cstr(t.a.log), "|AUTH PLAIN AHUAc2VjcmV0|MAIL FROM:<alice@one.test>|");
    send(&t, "other.test", "ok@other.test"); /* one site: the session is kept */
    CHECK_INT(t.a.times[AUTH], 1);
    forget(&t.a);
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
    forget(&t.a);
    t.a.say[DOT] = DROP;
    send(&t, "two.test", "one@two.test two@two.test");
    CHECK(t.rcpt[0].result == ATTEMPT_UNCERTAIN && t.rcpt[1].result == ATTEMPT_UNCERTAIN);
    end(&t);
}

/* RFC 2852 section 4.1.4, RFC 6710 section 4.2. */
TEST(relay_tells_the_time_and_the_priority)
{
    static const struct {
        const char *caps;
        int64_t by;
        char mode;
        unsigned notify;
        enum attempt result;
        const char *enhanced, *said;
    } x[] = {
        {"DELIVERBY\nMT-PRIORITY", 100, 'R', 0, ATTEMPT_DELIVERED, "2.0.0", " MT-PRIORITY=3|"},
        {"DELIVERBY 90", 100, 'R', 0, ATTEMPT_DELIVERED, "2.0.0", ";R|"},
        {"DELIVERBY 200", 100, 'R', 0, ATTEMPT_PERMANENT, "5.4.7", ""},
        {"", 100, 'R', 0, ATTEMPT_PERMANENT, "5.3.3", ""},
        {"DELIVERBY 200\nDSN", -100, 'N', 0, ATTEMPT_DELIVERED, "2.0.0", "RCPT TO:<ok@pair.test>|"},
        {"DSN", 100, 'N', 0, ATTEMPT_DELIVERED, "2.0.0", "RCPT TO:<ok@pair.test> NOTIFY=FAILURE,DELAY|"},
        {"DSN", 100, 'N', NOTIFY_SUCCESS, ATTEMPT_DELIVERED, "2.0.0", " NOTIFY=SUCCESS,DELAY|"},
        {"DSN", 100, 'N', NOTIFY_NEVER, ATTEMPT_DELIVERED, "2.0.0", " NOTIFY=NEVER|"},
    };
    struct tester t;
    REQUIRE(begin(&t));
    t.b.caps = "DELIVERBY"; /* not asked: section 7 */
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        forget(&t.a);
        t.a.caps = x[i].caps;
        reopen(&t);
        prepare(&t, "pair.test", "ok@pair.test");
        t.rcpt[0].notify = x[i].notify;
        t.letter.wants = (struct letter_wants){
            .by = rt_wall_seconds() + x[i].by, .by_mode = x[i].mode, .has_priority = true, .priority = 3};
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, x[i].result);
        CHECK_SL(sl_cstr(t.rcpt[0].enhanced), x[i].enhanced);
        CHECK(sl_find(sl_cstr(t.a.log), sl_cstr(x[i].said)) != SL_NONE);
        bool watched = sl_starts(sl_cstr(x[i].caps), SL("DELIVERBY")) && x[i].result == ATTEMPT_DELIVERED;
        CHECK(t.rcpt[0].by_taken == watched);
        const char *form = x[i].by < 0 ? " BY=-10" : " BY="; /* seconds that are left */
        CHECK((sl_find(sl_cstr(t.a.log), sl_cstr(form)) != SL_NONE) == watched);
    }
    CHECK_INT(t.b.sessions, 0);
    end(&t);
}

/* RFC 3030: each byte as it is, in one chunk, behind the answers to RCPT. */
TEST(relay_binary_letters)
{
    static const char *const caps[] = {"CHUNKING\nBINARYMIME\nPIPELINING", "CHUNKING\nBINARYMIME"};
    struct slice bytes = SL("X: y\r\n\r\n\0\n.\r\n\r\xff.");
    struct tester t;
    REQUIRE(begin(&t));
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        forget(&t.a);
        t.a.caps = caps[i];
        relay_close(&t.relay);
        CHECK_OK(relay_open(&t.relay, &t.conf));
        prepare(&t, "two.test", "no@two.test ok@two.test");
        t.source = (struct letter_source){
            .size = bytes.n, .head = 8, .binary = true, .eight_bit = true, .read = cut_from, .ctx = &bytes};
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].code, 550);
        CHECK_INT(t.rcpt[1].result, ATTEMPT_DELIVERED);
        CHECK(sl_eq(buf_slice(&t.a.letter), bytes));
        HAS(sl_cstr(t.a.log), "MAIL FROM:<alice@one.test> BODY=BINARYMIME|");
        CHECK_INT(t.a.times[DATA], 0);
        t.at.nrcpt = 1; /* nobody is taken: nothing is sent, the session is good for another */
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.a.times[RSET], 1);
    }
    t.a.caps = "CHUNKING\nPIPELINING"; /* it takes lines of ASCII only */
    reopen(&t);
    t.at.nrcpt = 2;
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[1].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[1].tls, ", converted for it");
    CHECK_SL(buf_slice(&t.a.letter),
             "X: y\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
             "Content-Transfer-Encoding: base64\r\n\r\nAAouDQoN/y4=\r\n");
    end(&t);
}

static int64_t broken_read(void *left, uint64_t at, void *p, size_t n)
{
    (void)at;
    if (--*(int *)left < 0) return err_set(ERR_IO, "the disk fails");
    memset(p, 'x', n);
    memcpy(p, "A: b\r\n\r\n\xe4", n < 9 ? n : 9);
    return (int64_t)n;
}

/* RFC 6152 section 3: converted, and SIZE tells what comes; a large letter as well, to the first server and
 * then to the next. What cannot be read is for the moment. */
TEST(relay_converts_for_servers_that_take_less)
{
    struct tester t;
    struct buf letter = BUF_INIT, decoded = BUF_INIT;
    struct mime_decoder d;
    REQUIRE(begin(&t));
    buf_str(&letter, "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n"
                     "Content-Transfer-Encoding: 8bit\r\n\r\n");
    size_t head = letter.n;
    for (int i = 0; i < 20000; i++) buf_printf(&letter, ".%d caf\xc3\xa9 and then some more words\r\n", i);
    struct slice bytes = buf_slice(&letter);
    t.a.caps = t.b.caps = "PIPELINING\nSIZE";
    t.a.say[DOT] = EARLY;
    prepare(&t, "pair.test", "ok@pair.test");
    t.source = (struct letter_source){
        .size = bytes.n, .head = (uint32_t)head, .eight_bit = true, .read = cut_from, .ctx = &bytes};
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    struct slice got = buf_slice(&t.b.letter);
    char size[40];
    snprintf(size, sizeof size, " SIZE=%zu|", got.n);
    CHECK(sl_find(sl_cstr(t.b.log), sl_cstr(size)) != SL_NONE && is_ascii(got));
    CHECK(sl_starts(got, SL("Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nMIME-Version: "
                            "1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")));
    mime_decode_begin(&d, MIME_QP);
    mime_decode(&d, sl_from(got, sl_find(got, SL("\r\n\r\n")) + 4), &decoded);
    mime_decode_end(&d, &decoded);
    CHECK(sl_eq(buf_slice(&decoded), sl_from(bytes, head)));
    for (int reads = 0; reads < 9; reads++) { /* at each step of it */
        int left = reads;
        prepare(&t, "two.test", "ok@two.test");
        t.source = (struct letter_source){
            .size = 40000, .head = 8, .eight_bit = true, .read = broken_read, .ctx = &left};
        relay_deliver(t.relay, &t.at);
        CHECK(t.rcpt[0].result == ATTEMPT_TEMPORARY || (reads == 8 && t.rcpt[0].result == ATTEMPT_PERMANENT));
    }
    buf_free(&letter);
    buf_free(&decoded);
    end(&t);
}

/* draft-hall-prdr-00: what is said for a recipient behind the letter is its answer, when the last one is
 * good. */
TEST(relay_hears_an_answer_for_each_recipient)
{
    static const struct {
        const char *said;
        enum attempt result[2];
        int code[2];
    } x[] = {
        {"353 they follow\r\n250 2.1.5 a\r\n550 5.7.1 b\r\n250 2.0.0 all",
         {ATTEMPT_DELIVERED, ATTEMPT_PERMANENT},
         {250, 550}},
        {"353 they follow\r\n450 4.2.0 a\r\n250 2.1.5 b\r\n250 2.0.0 all",
         {ATTEMPT_TEMPORARY, ATTEMPT_DELIVERED},
         {450, 250}},
        {"353 they follow\r\n250 2.1.5 a\r\n550 5.7.1 b\r\n451 4.3.0 none",
         {ATTEMPT_TEMPORARY, ATTEMPT_TEMPORARY},
         {451, 451}},
        {"250 2.0.0 all", {ATTEMPT_DELIVERED, ATTEMPT_DELIVERED}, {250, 250}},
    };
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "PRDR\nPIPELINING";
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        t.a.say[DOT] = x[i].said;
        send(&t, "two.test", "one@two.test no@two.test two@two.test");
        HAS(sl_cstr(t.a.log), "MAIL FROM:<alice@one.test> PRDR|");
        CHECK(t.rcpt[0].result == x[i].result[0] && t.rcpt[0].code == x[i].code[0]);
        CHECK_INT(t.rcpt[1].result, ATTEMPT_PERMANENT);
        CHECK(t.rcpt[2].result == x[i].result[1] && t.rcpt[2].code == x[i].code[1]);
    }
    t.a.say[DOT] = "353 they follow\r\n250 2.1.5 a"; /* and no more: nobody knows */
    prepare(&t, "two.test", "one@two.test two@two.test");
    t.at.until = DEADLINE_IN(RT_S);
    relay_deliver(t.relay, &t.at);
    CHECK(t.rcpt[0].result == ATTEMPT_UNCERTAIN && t.rcpt[1].result == ATTEMPT_UNCERTAIN);
    end(&t);
}

/* RFC 9422: letters of a session, recipients of a letter. */
TEST(relay_obeys_the_limits_that_a_server_tells)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "LIMITS MAILMAX=2 RCPTMAX=2\nPIPELINING";
    send(&t, "two.test", "a@two.test b@two.test c@two.test");
    for (int i = 0; i < 3; i++) CHECK_INT(t.rcpt[i].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.times[MAIL], 2);
    CHECK_INT(t.a.sessions, 1);
    send(&t, "two.test", "a@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.sessions, 2);
    end(&t);
}

TEST(relay_passes_dsn_and_8bit_on)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "DSN\n8BITMIME\nSMTPUTF8";
    prepare(&t, "two.test", "ok@two.test never@two.test");
    t.letter.ret = SL("HDRS");
    t.letter.envid = SL("a+b=c");
    t.source.eight_bit = t.source.smtputf8 = true;
    t.rcpt[0].notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
    t.rcpt[0].orcpt = SL("rfc822;Ok+1@two.test");
    t.rcpt[1].notify = NOTIFY_NEVER;
    relay_deliver(t.relay, &t.at);
    CHECK(t.rcpt[0].result == ATTEMPT_DELIVERED && t.rcpt[0].dsn_taken);
    HAS(sl_cstr(t.a.log), "MAIL FROM:<alice@one.test> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc|");
    HAS(sl_cstr(t.a.log), "RCPT TO:<ok@two.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ok+2B1@two.test|");
    HAS(sl_cstr(t.a.log), "RCPT TO:<never@two.test> NOTIFY=NEVER|");
    prepare(&t, "two.test", "ok@two.test");
    t.letter.sender = SL("");
    relay_deliver(t.relay, &t.at);
    HAS(sl_cstr(t.a.log), "MAIL FROM:<>|");
    end(&t);
}

TEST(relay_stale_connection_is_replaced)
{
    struct tester t;
    REQUIRE(begin(&t));
    send(&t, "two.test", "ok@two.test");
    group_cancel(&t.a.g); /* the server restarts */
    group_wait(&t.a.g);
    t.a.g.canceled = false;
    CHECK_OK(group_go(&t.a.g, "serve", serve, &t.a));
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.sessions, 2);
    end(&t);
}

TEST(relay_same_host_first_after_uncertainty)
{
    struct tester t;
    REQUIRE(begin(&t));
    prepare(&t, "pair.test", "ok@pair.test");
    t.at.first_host = SL("b.two.test [127.0.0.3]:25");
    relay_deliver(t.relay, &t.at);
    CHECK(t.a.sessions == 0 && t.b.times[DOT] == 1);
    forget(&t.b);
    t.a.say[DOT] = DROP;
    send(&t, "pair.test", "ok@pair.test");
    CHECK_INT(t.rcpt[0].result, t.b.times[DOT] ? ATTEMPT_DELIVERED : ATTEMPT_UNCERTAIN);
    relay_close(&t.relay);
    CHECK_OK(relay_open(&t.relay, &t.conf));
    forget(&t.b);
    send(&t, "pair.test", "ok@pair.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_UNCERTAIN);
    CHECK_INT(t.b.sessions, 0); /* another host might make it two */
    end(&t);
}

/* How large it is, the test says, and never has it whole. */
static void prepare_large(struct tester *t, int lines)
{
    prepare(t, "two.test", "ok@two.test");
    t->source.size = (uint64_t)lines * (sizeof LINE - 1);
    t->source.ctx = LINE;
}

static int64_t torn(void *ctx, uint64_t at, void *p, size_t n)
{
    return at ? 0 : again_and_again(ctx, at, p, n);
}

TEST(relay_large_letter_streams)
{
    struct tester t;
    REQUIRE(begin(&t));
    prepare_large(&t, 20000);
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.letter.n, 20000 * 55);
    CHECK(sl_starts(buf_slice(&t.a.letter), SL(".a line")));
    t.a.say[DOT] = RESET;
    prepare_large(&t, 60000);
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY); /* the final dot was never said */
    t.a.say[DOT] = EARLY;
    prepare_large(&t, 60000);
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    CHECK_SL(t.rcpt[0].reply, "552-5.3.4 this is\n552 5.3.4 too much");
    end(&t);
}

TEST(relay_letter_that_ends_too_early_is_not_handed_over)
{
    struct tester t;
    REQUIRE(begin(&t));
    prepare_large(&t, 20000);
    t.source.read = torn;
    relay_deliver(t.relay, &t.at);
    CHECK(t.rcpt[0].result != ATTEMPT_DELIVERED && t.rcpt[0].result != ATTEMPT_UNCERTAIN);
    CHECK_INT(t.a.times[DOT], 0);
    end(&t);
}

struct one_more {
    struct tester *t;
    const char *domain;
    struct attempt_rcpt rcpt;
};
static void deliver_one(void *arg)
{
    struct one_more *x = arg;
    struct arena a = {0};
    x->rcpt = (struct attempt_rcpt){.address = SL("ok@two.test")};
    struct attempt_letter at = {.letter = &x->t->letter,
                                .source = &x->t->source,
                                .domain = sl_cstr(x->domain ? x->domain : "two.test"),
                                .rcpt = &x->rcpt,
                                .nrcpt = 1,
                                .a = &a,
                                .until = DEADLINE_IN(20 * RT_S)};
    relay_deliver(x->t->relay, &at);
    ar_free(&a);
}

static int call_deliver(void *arg)
{
    deliver_one(arg);
    return 0;
}

struct elsewhere {
    struct one_more x;
    int loop;
};
static void deliver_elsewhere(void *arg)
{
    struct elsewhere *e = arg;
    CHECK_OK(rt_call(e->loop, call_deliver, &e->x));
}

/* Over all loops, and for all domains of a site that the shaping names. */
TEST(relay_connections_of_a_site_are_limited)
{
    struct tester t;
    struct elsewhere x[40];
    struct group g;
    REQUIRE(begin(&t));
    relay_close(&t.relay);
    t.conf.site_connections = 3;
    CHECK_OK(relay_open(&t.relay, &t.conf));
    prepare(&t, "apple.test", "ok@two.test");
    group_init(&g);
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        x[i] = (struct elsewhere){.x = {.t = &t, .domain = i & 1 ? "apple.test" : "other-apple.test"},
                                  .loop = (int)(i / 2) % rt_loops()};
        CHECK_OK(group_go(&g, "deliver", deliver_elsewhere, &x[i]));
    }
    CHECK_OK(group_wait(&g));
    for (size_t i = 0; i < COUNT_OF(x); i++) CHECK_INT(x[i].x.rcpt.result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.times[DOT], COUNT_OF(x));
    /* the server hears of the end of a connection late, of the end of a letter in time */
    CHECK(t.a.most_under_way <= 3 && t.a.most_under_way > 0);
    end(&t);
}

TEST(relay_letters_and_recipients_are_limited)
{
    struct tester t;
    REQUIRE(begin(&t));
    for (int i = 0; i < 6; i++)
        send(&t, "apple.test", "ok@apple.test"); /* five a connection, says the shaping */
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.sessions, 2);
    prepare(&t, "two.test", "ok@two.test");
    for (t.at.nrcpt = 0; t.at.nrcpt < 120; t.at.nrcpt++) t.rcpt[t.at.nrcpt].address = SL("ok@two.test");
    forget(&t.a);
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[119].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.times[MAIL], 2); /* a hundred a transaction */
    end(&t);
}

TEST(relay_dead_site_is_left_alone_for_a_while)
{
    struct tester t;
    REQUIRE(begin(&t));
    for (int i = 0; i < 4; i++) send(&t, "dead.test", "u@dead.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(t.rcpt[0].reply, "a moment ago");
    end(&t);
}

TEST(relay_one_dead_server_of_two_takes_no_site_down)
{
    struct tester t;
    struct one_more x[6];
    struct group g;
    REQUIRE(begin(&t));
    prepare(&t, "half.test", "ok@half.test");
    group_init(&g);
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        x[i].t = &t;
        x[i].domain = "half.test";
        CHECK_OK(group_go(&g, "deliver", deliver_one, &x[i]));
    }
    CHECK_OK(group_wait(&g));
    for (size_t i = 0; i < COUNT_OF(x); i++) CHECK_INT(x[i].rcpt.result, ATTEMPT_DELIVERED);
    send(&t, "half.test", "ok@half.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    send(&t, "dead.test", "u@dead.test"); /* the same address: it is known to be dead */
    HAS(t.rcpt[0].reply, "a moment ago");
    end(&t);
}
