/* extension_test.c - each SMTP extension as its RFC says, answer by answer. README names these tests. */
#include "base/civil.h"
#include "base/test.h"
#include "rt/test_rt.h"
#include "talk_test.h"
#include "wire/smtp.h"

/* Both ports, ready for MAIL; the sender is one that may send from there. */
static const struct port {
    enum smtpd_kind kind;
    const char *sender;
} ports[] = {{SMTPD_MX, "carol@one.test"}, {SMTPD_SUBMISSION, "alice@home.test"}};

static struct slice hello(struct client *cl, struct world *w, enum smtpd_kind kind)
{
    client_open(cl, w, kind);
    if (kind == SMTPD_MX) return talk(cl, "EHLO mail.one.test");
    client_starttls(cl, w);
    talk(cl, "EHLO me");
    CHECK_SL(talk_plain(cl, "alice@home.test", "wonderland"), "235 2.7.0 Welcome");
    return talk(cl, "EHLO me");
}

static struct slice mail(struct client *cl, const char *sender, const char *options)
{
    return talk(cl, ar_cstr(&cl->a, ar_printf(&cl->a, "MAIL FROM:<%s>%s", sender, options)));
}

static void rcpt(struct client *cl, const char *to)
{
    CHECK_SL(talk(cl, ar_cstr(&cl->a, ar_printf(&cl->a, "RCPT TO:<%s>", to))), "250 2.1.5 Recipient is fine");
}

static struct slice chunk(struct client *cl, struct slice bytes, const char *last)
{
    conn_printf(cl->c, "BDAT %zu%s\r\n", bytes.n, last);
    client_send(cl, bytes);
    return client_reply(cl);
}

#define BINARY "\0a\r\n.\r\nMAIL FROM:<>\n\rb\n\r\r\n\xff"

TEST(extension_binarymime)
{
    struct world w;
    struct client cl;
    struct slice body = sl(BINARY, sizeof BINARY - 1);
    world_begin(&w, NULL);
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        CHECK(has(hello(&cl, &w, ports[i].kind), "-CHUNKING\n250"));
        CHECK(has(talk(&cl, "EHLO mail.one.test"), "BINARYMIME"));
        CHECK_SL(mail(&cl, ports[i].sender, " BODY=BINARYMIME"), "250 2.1.0 Sender is fine");
        rcpt(&cl, "bob@home.test");
        /* RFC 3030 section 3: never by DATA; the letter may still go on */
        CHECK_SL(talk(&cl, "DATA"), "503 5.5.1 A letter with BODY=BINARYMIME comes by BDAT");
        struct slice head = ar_printf(&cl.a, "From: %s\r\nSubject: x\r\n\r\n", ports[i].sender);
        CHECK(sl_starts(chunk(&cl, head, ""), SL("250 ")));
        CHECK(sl_starts(chunk(&cl, sl_sub(body, 0, 9), ""), SL("250 ")));
        CHECK(sl_starts(chunk(&cl, sl_from(body, 9), " LAST"), SL("250 2.0.0 Accepted as ")));
        CHECK(sl_eq(sl_from(handed.bytes, handed.head_size), body));
        CHECK(handed.binary);
        /* header and body in one chunk, and the next letter is text again */
        CHECK_SL(mail(&cl, ports[i].sender, " BODY=BINARYMIME"), "250 2.1.0 Sender is fine");
        rcpt(&cl, "bob@home.test");
        CHECK(sl_starts(chunk(&cl, ar_cat(&cl.a, head, body), " LAST"), SL("250 2.0.0 Accepted as ")));
        CHECK(sl_eq(sl_from(handed.bytes, handed.head_size), body));
        CHECK_SL(mail(&cl, ports[i].sender, " BODY=8BITMIME"), "250 2.1.0 Sender is fine");
        rcpt(&cl, "bob@home.test");
        CHECK(sl_starts(chunk(&cl, ar_cat(&cl.a, head, SL("one")), " LAST"), SL("250 2.0.0 Accepted as ")));
        CHECK(!handed.binary && sl_ends(handed.bytes, SL("\r\n\r\none\r\n")));
        client_close(&cl);
    }
    world_end(&w);
}

/* What was declared binary and is text may go to any server. */
TEST(extension_binarymime_that_is_text_is_text)
{
    static char longest[999 + 3];
    static const struct {
        const char *body;
        bool binary;
    } x[] = {{"", false},        {"a\r\n", false},  {"a\r\n\r\n.\r\n\xe4\r\n", false},
             {"a", true},        {"a\n", true},     {"\r\r\n", true},
             {"a\rb\r\n", true}, {"\na\r\n", true}, {"a\r", true},
             {longest, true}};
    struct world w;
    struct client cl;
    memset(longest, 'x', sizeof longest - 3);
    memcpy(longest + sizeof longest - 3, "\r\n", 3);
    world_begin(&w, NULL);
    hello(&cl, &w, SMTPD_MX);
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        CHECK_SL(mail(&cl, "carol@one.test", " BODY=BINARYMIME"), "250 2.1.0 Sender is fine");
        rcpt(&cl, "bob@home.test");
        CHECK(sl_starts(chunk(&cl, SL("From: carol@one.test\r\n\r\n"), ""), SL("250 ")));
        for (const char *p = x[i].body; *p; p++) CHECK(sl_starts(chunk(&cl, sl(p, 1), ""), SL("250 ")));
        CHECK(sl_starts(chunk(&cl, SL(""), " LAST"), SL("250 2.0.0 Accepted as ")));
        CHECK_INT(handed.binary, x[i].binary);
        CHECK_SL(sl_from(handed.bytes, handed.head_size), x[i].body);
    }
    client_close(&cl);
    world_end(&w);
}

TEST(extension_binarymime_has_a_header_of_lines)
{
    static const char *const heads[] = {"From: carol@one.test\nSubject: x\r\n\r\n",
                                        "\nFrom: carol@one.test\r\n\r\n",
                                        "From: carol@one.test\rX: y\r\n\r\n"};
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    hello(&cl, &w, SMTPD_MX);
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        CHECK_SL(mail(&cl, "carol@one.test", " BODY=BINARYMIME"), "250 2.1.0 Sender is fine");
        rcpt(&cl, "bob@home.test");
        CHECK_SL(chunk(&cl, sl_cstr(heads[i]), " LAST"),
                 "554 5.5.2 A line of the header section does not end in CR LF (RFC 5321 section 2.3.8)");
    }
    client_close(&cl);
    world_end(&w);
}

static void two_recipients(struct world *w) { w->conf.rcpts_max = 2; }

/* RFC 8689 sections 2, 3, 4.1. */
TEST(extension_requiretls)
{
    static const struct {
        const char *option, *field;
        bool required, optional;
    } x[] = {
        {" REQUIRETLS", "", true, false},
        {" REQUIRETLS", "TLS-Required: No\r\n", true, false}, /* the parameter counts */
        {"", "TLS-Required: No\r\n", false, true},
        {"", "TLS-required:\r\n  no\r\n", false, true},
        {"", "TLS-Required: No\r\nTLS-Required: No\r\n", false, false}, /* it must stand there once */
        {"", "TLS-Required: Yes\r\n", false, false},
        {"", "", false, false},
    };
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    CHECK(!has(hello(&cl, &w, SMTPD_MX), "REQUIRETLS")); /* in clear it would be a lie */
    CHECK_SL(mail(&cl, "carol@one.test", " REQUIRETLS"), "555 5.5.4 REQUIRETLS is not offered here");
    client_starttls(&cl, &w);
    CHECK(has(talk(&cl, "EHLO mail.one.test"), "\n250-REQUIRETLS\n"));
    CHECK(sl_starts(mail(&cl, "carol@one.test", " REQUIRETLS=x"), SL("501 5.5.4 ")));
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        CHECK_SL(mail(&cl, "carol@one.test", x[i].option), "250 2.1.0 Sender is fine");
        rcpt(&cl, "team@home.test"); /* an alias that sends on: the wish goes with it */
        talk(&cl, "DATA");
        conn_printf(cl.c, "From: carol@one.test\r\n%s\r\nx\r\n.\r\n", x[i].field);
        CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
        CHECK(handed.wants.requiretls == x[i].required && handed.wants.tls_optional == x[i].optional);
    }
    client_close(&cl);
    CHECK(has(hello(&cl, &w, SMTPD_SUBMISSION), "\n250-REQUIRETLS\n"));
    client_close(&cl);
    world_end(&w);
}

/* RFC 4865 section 4.2; on submission only. */
TEST(extension_futurerelease)
{
    static const char too_long[] = "501 5.5.4 A letter is held for 30 days at most";
    struct world w;
    struct client cl;
    char until[CIVIL_TEXT_MAX], far[CIVIL_TEXT_MAX];
    int64_t now = rt_wall_seconds(), soon = now + 3600;
    world_begin(&w, NULL);
    CHECK(!has(hello(&cl, &w, SMTPD_MX), "FUTURERELEASE"));
    CHECK_SL(mail(&cl, "carol@one.test", " HOLDFOR=10"), "555 5.5.4 FUTURERELEASE is not offered here");
    client_close(&cl);
    CHECK(has(hello(&cl, &w, SMTPD_SUBMISSION), "\n250-FUTURERELEASE 2592000 20"));
    civil_format(soon, until);
    civil_format(now + LETTER_HOLD_MAX_S + 3600, far);
    for (int i = 0; i < 2; i++) {
        const char *option = i ? ar_cstr(&cl.a, ar_printf(&cl.a, " HOLDUNTIL=%s", until)) : " HOLDFOR=3600";
        CHECK_SL(mail(&cl, "alice@home.test", option), "250 2.1.0 Sender is fine");
        rcpt(&cl, "bob@home.test");
        talk(&cl, "DATA");
        client_send(&cl, SL("From: alice@home.test\r\n\r\nx\r\n.\r\n"));
        CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
        CHECK(handed.wants.hold_until >= soon && handed.wants.hold_until < soon + 60);
        CHECK_INT(handed.wants.hold_for, i ? 0 : 3600);
    }
    CHECK_SL(mail(&cl, "alice@home.test", " HOLDFOR=2592001"), too_long);
    CHECK_SL(mail(&cl, "alice@home.test", ar_cstr(&cl.a, ar_printf(&cl.a, " HOLDUNTIL=%s", far))), too_long);
    CHECK_SL(mail(&cl, "alice@home.test", ar_cstr(&cl.a, ar_printf(&cl.a, " HOLDUNTIL=%s HOLDFOR=1", until))),
             "501 5.5.4 HOLDFOR and HOLDUNTIL exclude each other");
    CHECK_SL(mail(&cl, "alice@home.test", " HOLDFOR=3600 BY=60;R"),
             "501 5.5.4 The letter would be held beyond the time it is to be delivered by");
    CHECK(sl_starts(mail(&cl, "alice@home.test", " HOLDFOR=0"), SL("501 5.5.4 ")));
    client_close(&cl);
    world_end(&w);
}

/* RFC 2852 section 4. */
TEST(extension_deliverby)
{
    static const struct {
        const char *by;
        int64_t seconds;
        char mode;
        bool trace;
    } x[] = {{"120;R", 120, 'R', false},
             {"+120;rt", 120, 'R', true},
             {"-20;N", -20, 'N', false},
             {"0;nT", 0, 'N', true}};
    static const char *const bad[] = {"0;R",    "-1;R",    "120",          "120;", "120;X",
                                      "120;RX", "120;RTT", "1234567890;N", "x;N",  "--1;N"};
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    CHECK(has(hello(&cl, &w, SMTPD_MX), "\n250-DELIVERBY\n"));
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        mail(&cl, "carol@one.test", ar_cstr(&cl.a, ar_printf(&cl.a, " BY=%s", x[i].by)));
        rcpt(&cl, "bob@home.test");
        talk(&cl, "DATA");
        client_send(&cl, SL("From: carol@one.test\r\n\r\nx\r\n.\r\n"));
        CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
        int64_t left = handed.wants.by - rt_wall_seconds();
        CHECK(left <= x[i].seconds && left > x[i].seconds - 20);
        CHECK(handed.wants.by_mode == x[i].mode && handed.wants.by_trace == x[i].trace);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_SL(mail(&cl, "carol@one.test", ar_cstr(&cl.a, ar_printf(&cl.a, " BY=%s", bad[i]))),
                 "501 5.5.4 the value of BY is not valid");
    client_close(&cl);
    world_end(&w);
}

/* RFC 6710 section 4.1: strangers may lower it only. */
TEST(extension_mt_priority)
{
    static const struct {
        const char *value, *stranger;
        int at_stranger, at_user;
    } x[] = {
        {"3", "250 2.3.6 0 is the priority; higher ones are for users who log in", 0, 3},
        {"-4", "250 2.1.0 Sender is fine", -4, -4},
        {"0", "250 2.1.0 Sender is fine", 0, 0},
    };
    static const char *const bad[] = {"10", "-0", "+1", "x", "-10", "--1"};
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    for (size_t k = 0; k < COUNT_OF(ports); k++) {
        CHECK(has(hello(&cl, &w, ports[k].kind), "\n250-MT-PRIORITY\n"));
        for (size_t i = 0; i < COUNT_OF(x); i++) {
            const char *option = ar_cstr(&cl.a, ar_printf(&cl.a, " MT-PRIORITY=%s", x[i].value));
            CHECK_SL(mail(&cl, ports[k].sender, option), k ? "250 2.1.0 Sender is fine" : x[i].stranger);
            rcpt(&cl, "bob@home.test");
            talk(&cl, "DATA");
            conn_printf(cl.c, "From: %s\r\n\r\nx\r\n.\r\n", ports[k].sender);
            CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
            int want = k ? x[i].at_user : x[i].at_stranger;
            CHECK(handed.wants.has_priority && handed.wants.priority == want);
            CHECK(has(handed.bytes, ar_cstr(&cl.a, ar_printf(&cl.a, " PRIORITY %d;", want))));
        }
        for (size_t i = 0; i < COUNT_OF(bad); i++)
            CHECK_SL(mail(&cl, ports[k].sender, ar_cstr(&cl.a, ar_printf(&cl.a, " MT-PRIORITY=%s", bad[i]))),
                     "501 5.5.4 the value of MT-PRIORITY is not valid");
        client_close(&cl);
    }
    world_end(&w);
}

TEST(extension_limits)
{
    struct world w;
    struct client cl;
    world_begin(&w, two_recipients);
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        CHECK(has(hello(&cl, &w, ports[i].kind), "\n250-LIMITS RCPTMAX=2\n"));
        mail(&cl, ports[i].sender, "");
        rcpt(&cl, "bob@home.test");
        rcpt(&cl, "alice@home.test");
        CHECK_SL(talk(&cl, "RCPT TO:<team@home.test>"),
                 "452 4.5.3 Too many recipients; send another letter to the others");
        client_close(&cl);
    }
    world_end(&w);
}

TEST(extension_prdr)
{
    static const char good[] = "From: carol@one.test\r\n\r\nx\r\n.\r\n",
                      bad[] = " From: carol@one.test\r\n\r\nx\r\n.\r\n";
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    CHECK(has(hello(&cl, &w, SMTPD_MX), "\n250-PRDR\n"));
    for (int i = 0; i < 2; i++) {
        CHECK_SL(mail(&cl, "carol@one.test", " PRDR"), "250 2.1.0 Sender is fine");
        rcpt(&cl, "bob@home.test");
        CHECK(sl_starts(talk(&cl, "RCPT TO:<nobody@home.test>"), SL("550 5.1.1 ")));
        rcpt(&cl, "alice@home.test");
        talk(&cl, "DATA");
        client_send(&cl, sl_cstr(i ? bad : good));
        CHECK_SL(client_reply(&cl), "353 The answers for each recipient follow");
        const char *no = "554 5.6.0 The first line of the header section begins with a blank";
        CHECK_SL(client_reply(&cl), i ? no : "250 2.1.5 <bob@home.test> is fine");
        CHECK_SL(client_reply(&cl), i ? no : "250 2.1.5 <alice@home.test> is fine");
        CHECK(sl_starts(client_reply(&cl), sl_cstr(i ? no : "250 2.0.0 Accepted as ")));
    }
    mail(&cl, "carol@one.test", " PRDR"); /* one recipient: the answer for it is the answer */
    rcpt(&cl, "bob@home.test");
    talk(&cl, "DATA");
    client_send(&cl, sl_cstr(good));
    CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
    mail(&cl, "carol@one.test", ""); /* nor without the word */
    rcpt(&cl, "bob@home.test");
    rcpt(&cl, "alice@home.test");
    talk(&cl, "DATA");
    client_send(&cl, sl_cstr(good));
    CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
    CHECK_SL(talk(&cl, "NOOP"), "250 2.0.0 Done, nothing");
    client_close(&cl);
    world_end(&w);
}

static void no_advertising(struct world *w) { w->intake.no_soliciting = SL("net.example:ADV,org.example:X"); }

/* RFC 3865 sections 2.1 to 2.5; for mail from other servers only. */
TEST(extension_no_soliciting)
{
    static const char no[] =
        "550 5.7.1 Letters of this class are not wanted here: SOLICIT=net.example:ADV,org.example:X";
    struct world w;
    struct client cl;
    world_begin(&w, no_advertising);
    CHECK(has(hello(&cl, &w, SMTPD_MX), "\n250-NO-SOLICITING net.example:ADV,org.example:X\n"));
    CHECK_SL(mail(&cl, "carol@one.test", " SOLICIT=org.example:ADLT,NET.example:adv"), no);
    CHECK(sl_starts(mail(&cl, "carol@one.test", " SOLICIT=1x"), SL("501 5.5.4 ")));
    CHECK(sl_starts(mail(&cl, "carol@one.test", " SOLICIT=a,"), SL("501 5.5.4 ")));
    CHECK_SL(mail(&cl, "carol@one.test", " SOLICIT=org.example:ADLT"), "250 2.1.0 Sender is fine");
    rcpt(&cl, "bob@home.test");
    talk(&cl, "DATA"); /* a lie in MAIL helps nobody */
    client_send(&cl, SL("From: carol@one.test\r\nSolicitation: x:Y,org.example:X\r\n\r\nx\r\n.\r\n"));
    CHECK_SL(client_reply(&cl), no);
    client_close(&cl);
    CHECK(!has(hello(&cl, &w, SMTPD_SUBMISSION), "NO-SOLICITING"));
    client_close(&cl);
    world_end(&w);
    world_begin(&w, NULL);
    CHECK(!has(hello(&cl, &w, SMTPD_MX), "NO-SOLICITING"));
    CHECK_SL(mail(&cl, "carol@one.test", " SOLICIT=a:B"), "555 5.5.4 NO-SOLICITING is not offered here");
    client_close(&cl);
    world_end(&w);
}

/* RFC 1870 section 6: judged at MAIL by what is said, while it arrives by what comes. */
static void thousand_bytes(struct world *w) { w->intake.size_max = 1000; }

TEST(extension_size)
{
    static const char no[] = "552 5.3.4 Letters of more than 1000 bytes are not taken here";
    struct world w;
    struct client cl;
    char line[81] = {0};
    world_begin(&w, thousand_bytes);
    CHECK(has(hello(&cl, &w, SMTPD_MX), "\n250-SIZE 1000\n"));
    memset(line, 'x', 80);
    CHECK(sl_starts(mail(&cl, "carol@one.test", " SIZE=1001"), sl_cstr(no)));
    CHECK(sl_starts(mail(&cl, "carol@one.test", " SIZE=18446744073709551616"), SL("501 5.5.4 ")));
    CHECK_SL(mail(&cl, "carol@one.test", " SIZE=10"), "250 2.1.0 Sender is fine"); /* a lie */
    rcpt(&cl, "bob@home.test");
    talk(&cl, "DATA");
    client_send(&cl, SL("From: carol@one.test\r\n\r\n"));
    for (int i = 0; i < 20; i++) conn_printf(cl.c, "%s\r\n", line);
    client_send(&cl, SL(".\r\n"));
    CHECK_SL(client_reply(&cl), "552 5.3.4 The letter is larger than 1000 bytes; send less, or send a link");
    CHECK_SL(mail(&cl, "carol@one.test", " SIZE=10"), "250 2.1.0 Sender is fine");
    rcpt(&cl, "bob@home.test");
    CHECK(sl_starts(chunk(&cl, ar_printf(&cl.a, "From: carol@one.test\r\n\r\n%900s", ""), ""), SL("250 ")));
    CHECK_SL(chunk(&cl, ar_printf(&cl.a, "%900s", ""), ""),
             "552 5.3.4 The letter is larger than 1000 bytes; send less, or send a link");
    CHECK_SL(talk(&cl, "NOOP"), "250 2.0.0 Done, nothing"); /* section 6.3; the session goes on */
    client_close(&cl);
    world_end(&w);
}

/* RFC 5321 sections 3.5, 4.1.1.8, 7.3. */
TEST(extension_vrfy_and_help)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    hello(&cl, &w, SMTPD_MX);
    const char *yes = "252 2.5.2 Send a letter and see; addresses are not verified in advance";
    CHECK_SL(talk(&cl, "VRFY alice"), yes); /* one that is here, one that is not: the same */
    CHECK_SL(talk(&cl, "VRFY nobody@home.test"), yes);
    CHECK_SL(talk(&cl, "VRFY"), "501 5.5.4 VRFY needs an argument");
    CHECK_SL(talk(&cl, "EXPN team"), "502 5.5.1 Lists are not expanded here");
    struct slice help = talk(&cl, "HELP");
    for (enum smtp_verb v = SMTP_UNKNOWN + 1; v < SMTP_VERB_COUNT; v++) /* LHLO is LMTP's */
        CHECK(v == SMTP_LHLO ||
              has(help, ar_cstr(&cl.a, ar_printf(&cl.a, "214-2.0.0 %s", smtp_verb_name(v)))));
    CHECK(sl_ends(help, SL("\n214 2.0.0 These are the commands (RFC 5321)")));
    CHECK(sl_eq(talk(&cl, "HELP MAIL"), help));
    client_close(&cl);
    world_end(&w);
}

/* ---- BURL (RFC 4468) ---- */

static int read_url(void *arg, struct slice url, const char *account, uint64_t max,
                    int (*each)(void *arg, struct slice piece), void *each_arg)
{
    (void)arg, (void)account, (void)max;
    if (sl_eq(url, SL("imap://denied"))) return err_set(ERR_DENIED, "the URL is for somebody else");
    if (sl_eq(url, SL("imap://large"))) return err_set(ERR_TOO_LONG, "too large");
    if (sl_eq(url, SL("imap://later"))) return err_set(ERR_IO, "the disk");
    if (!sl_eq(url, SL("imap://head"))) return err_set(ERR_SYNTAX, "the URL names no message");
    int e = each(each_arg, SL("From: alice@home.test\r\n"));
    return e ? e : each(each_arg, SL("Subject: x\r\n\r\n"));
}

static void with_urls(struct world *w) { w->conf.url = read_url; }

TEST(extension_burl)
{
    struct world w;
    struct client cl;
    world_begin(&w, with_urls);
    CHECK(!has(hello(&cl, &w, SMTPD_MX), "BURL"));
    CHECK_SL(talk(&cl, "BURL imap://head LAST"), "502 5.5.1 Letters do not come by URL here");
    client_close(&cl);
    CHECK(has(hello(&cl, &w, SMTPD_SUBMISSION), "BURL imap"));
    CHECK_SL(talk(&cl, "BURL imap://head LAST"), "503 5.5.1 MAIL comes first");
    CHECK_SL(mail(&cl, "alice@home.test", ""), "250 2.1.0 Sender is fine");
    CHECK_SL(talk(&cl, "BURL imap://head LAST"), "554 5.5.1 No recipient was accepted");
    CHECK_SL(talk(&cl, "BURL"), "501 5.5.4 BURL is written BURL url or BURL url LAST");
    rcpt(&cl, "bob@home.test");
    CHECK_SL(talk(&cl, "BURL imap://head"), "250 2.0.0 37 bytes are here");
    CHECK(sl_starts(talk(&cl, "DATA"), SL("503 ")));
    CHECK(sl_starts(chunk(&cl, SL("one"), ""), SL("250 ")));
    CHECK(sl_starts(talk(&cl, "BURL imap://head LAST"), SL("250 2.0.0 Accepted as ")));
    CHECK(has(handed.bytes, "\r\n\r\noneFrom: alice@home.test\r\nSubject: x\r\n\r\n"));
    static const char *const wrong[][2] = {
        {"BURL imap://denied LAST", "554 5.7.0 the URL is for somebody else"},
        {"BURL imap://large", "552 5.3.4 too large"},
        {"BURL imap://later LAST", "451 4.6.6 The URL cannot be read at this moment"},
        {"BURL nonsense LAST", "554 5.6.6 the URL names no message"}};
    unsigned before = handed.count;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) { /* the letter is over each time */
        CHECK_SL(mail(&cl, "alice@home.test", ""), "250 2.1.0 Sender is fine");
        rcpt(&cl, "bob@home.test");
        CHECK_SL(talk(&cl, wrong[i][0]), wrong[i][1]);
    }
    CHECK_INT(handed.count, before);
    client_close(&cl);
    world_end(&w);
}
