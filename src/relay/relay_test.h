/* relay_test.h - for tests of the relay: made-up servers on loopback that answer in every way, good and bad,
 * a DNS zone that names them, and a letter to send. */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "queue/letter_source.h"
#include "relay_i.h"
#include "rt/serve_test.h"
#include "rt/test_rt.h"

enum step { GREET, EHLO, HELO, TLS, MAIL, RCPT, DATA, DOT, RSET, QUIT, AUTH, STEPS };
/* What a server does in place of an answer, known by the pointer. */
extern const char DROP[], SILENT[], ENDLESS[], LINES[], RESET[], EARLY[];

/* How a server behaves, and what it saw. */
struct server {
    struct serving door;
    const char *say[STEPS];      /* instead of the usual; NULL = usual */
    const char *caps, *tls_caps; /* lines of the EHLO answer, LF between; under TLS, NULL: the same */
    struct tls_ctx *tls;
    bool broken_tls, lmtp, liar; /* liar: lets in who he cannot prove to know */
    bool say_once;               /* and after that the usual */
    enum step loses;             /* this of commands that come in one go is out of order to it; 0: none is */
    bool piped;                  /* they did */
    uint32_t rounds;             /* of SCRAM; 0: as usual */
    int accepted;                /* recipients of the letter at hand */
    int times[STEPS], sessions, tls_sessions, at_once;
    int under_way, most_under_way; /* letters between MAIL and the answer to their last dot */
    char log[4000];                /* commands as heard */
    struct buf letter;
};

/* server_test.c. at: address and port. False: it does not listen; it is to be stopped all the same. */
bool server_start(struct server *s, const char *at);
void server_stop(struct server *s);
void server_restart(struct server *s); /* who talked to it loses the connection */
/* Both what it was told to say and what it has seen. */
void server_forget(struct server *s);
/* It has TLS now (in its place a new one), with a certificate of its own for that name, whose PEM *chain gets
 * (NULL: nobody wants it). caps are the test's to set. */
void server_offer_tls(struct server *s, const char *name, int days, struct buf *chain);

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

static const char relay_zone[] =
    "two.test. MX 10 a.two.test.\n"
    "a.two.test. A 127.0.0.2\n"
    "pair.test. MX 10 a.two.test.\npair.test. MX 20 b.two.test.\n"
    "b.two.test. A 127.0.0.3\n"
    "bare.test. A 127.0.0.2\n"
    "apple.test. MX 10 mx1.icloud.com.\nmx1.icloud.com. A 127.0.0.2\n"
    "other-apple.test. MX 10 mx2.icloud.com.\nmx2.icloud.com. A 127.0.0.2\n"
    "half-apple.test. MX 10 mx1.icloud.com.\nhalf-apple.test. MX 10 b.two.test.\n"
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

static inline bool begin(struct tester *t)
{
    static struct endpoint own; /* outlives the relay */
    char at[32];
    memset(t, 0, sizeof *t);
    if (!server_start(&t->a, "127.0.0.2:0")) return false;
    uint16_t port = listener_at(t->a.door.l)->port;
    snprintf(at, sizeof at, "127.0.0.3:%u", port);
    if (!server_start(&t->b, at)) return false;
    CHECK_OK(dns_open_zone_text(&t->dns, sl_cstr(relay_zone)));
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

static inline void end(struct tester *t)
{
    relay_close(&t->relay);
    server_stop(&t->a);
    server_stop(&t->b);
    tls_free(&t->client);
    dns_close(&t->dns);
    ar_free(&t->arena);
}

#define TEXT "Subject: dots\r\n\r\n.one\r\n..two\r\n.\r\nend\r\n"

/* A letter that lies nowhere: the same text again and again, made as it is asked for. */
static inline int64_t again_and_again(void *text, uint64_t at, void *p, size_t n)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < n; i++) ((char *)p)[i] = ((char *)text)[(at + i) % len];
    return (int64_t)n;
}

static inline int64_t cut_from(void *bytes, uint64_t at, void *p, size_t n)
{
    struct slice s = sl_sub(*(struct slice *)bytes, (size_t)at, (size_t)at + n);
    memcpy(p, s.p, s.n);
    return (int64_t)s.n;
}

static inline void prepare(struct tester *t, const char *domain, const char *to)
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

static inline void send(struct tester *t, const char *domain, const char *to)
{
    prepare(t, domain, to);
    relay_deliver(t->relay, &t->at);
}

static inline void reopen(struct tester *t)
{
    relay_close(&t->relay);
    CHECK_OK(relay_open(&t->relay, &t->conf));
}

#define HAS(text, word) CHECK(sl_find(text, SL(word)) != SL_NONE)
