/* combined_test.c - extensions together, at the limits of their values, in odd orders, and over LMTP. */
#include "base/test.h"
#include "rt/test_rt.h"
#include "talk_test.h"

#define FINE "250 2.1.0 Sender is fine"
#define TO_FINE "250 2.1.5 Recipient is fine"
#define GO_ON "354 Send the letter, end with a line that holds a dot only"
#define NOTHING "250 2.0.0 Done, nothing"
#define TOO_LARGE "552 5.3.4 The letter is larger than 1000 bytes; send less, or send a link"
#define CHUNK_FIRST "503 5.5.1 MAIL and an accepted RCPT come before BDAT"

static void come(struct client *cl, struct world *w, enum smtpd_kind kind)
{
    client_open(cl, w, kind);
    CHECK(sl_starts(talk(cl, kind == SMTPD_LMTP ? "LHLO front.one.test" : "EHLO mail.one.test"), SL("250-")));
    if (kind == SMTPD_SUBMISSIONS)
        CHECK_SL(talk_plain(cl, "alice@home.test", "wonderland"), "235 2.7.0 Welcome");
}

static struct slice say(struct client *cl, const char *before, const char *middle, const char *after)
{
    return talk(cl, ar_cstr(&cl->a, ar_printf(&cl->a, "%s%s%s", before, middle, after)));
}

static void chunk(struct client *cl, struct slice bytes, const char *last)
{
    conn_printf(cl->c, "BDAT %zu%s\r\n", bytes.n, last);
    client_send(cl, bytes);
}

static void thousand_bytes(struct world *w) { w->intake.size_max = 1000; }

static void two_recipients(struct client *cl, const char *options)
{
    CHECK_SL(say(cl, "MAIL FROM:<carol@one.test>", options, ""), FINE);
    CHECK_SL(talk(cl, "RCPT TO:<bob@home.test>"), TO_FINE);
    CHECK_SL(talk(cl, "RCPT TO:<alice@home.test>"), TO_FINE);
}

/* ---- LMTP (RFC 2033 sections 4.2 and 4.3) ---- */

TEST(lmtp_a_chunk_has_one_answer_and_the_last_one_for_each_recipient)
{
    struct world w;
    struct client cl;
    struct slice large, head = SL("From: carol@one.test\r\n\r\n");
    world_begin(&w, thousand_bytes);
    come(&cl, &w, SMTPD_LMTP);
    large = ar_printf(&cl.a, "%.*s%1200s\r\n", SLF(head), "");
    two_recipients(&cl, "");
    CHECK_SL(talk(&cl, "RCPT TO:<bob@home.test>"), TO_FINE); /* twice the same: two answers */
    chunk(&cl, head, "");
    CHECK_SL(client_reply(&cl), "250 2.0.0 24 bytes are here");
    chunk(&cl, SL("x\r\n"), " LAST");
    CHECK(sl_starts(client_reply(&cl), SL("250 2.1.5 <bob@home.test> is delivered as ")));
    CHECK(sl_starts(client_reply(&cl), SL("250 2.1.5 <alice@home.test> is delivered as ")));
    CHECK(sl_starts(client_reply(&cl), SL("250 2.1.5 <bob@home.test> is delivered as ")));
    CHECK_SL(talk(&cl, "NOOP"), NOTHING);
    /* one that is refused: once; who sent the others at once hears of the last for each recipient */
    two_recipients(&cl, "");
    chunk(&cl, large, "");
    chunk(&cl, SL("x\r\n"), "");
    chunk(&cl, SL("x\r\n"), " LAST");
    CHECK_SL(client_reply(&cl), TOO_LARGE);
    CHECK_SL(client_reply(&cl), CHUNK_FIRST);
    CHECK_SL(client_reply(&cl), CHUNK_FIRST);
    CHECK_SL(client_reply(&cl), CHUNK_FIRST);
    CHECK_SL(talk(&cl, "NOOP"), NOTHING);
    chunk(&cl, SL("x\r\n"), " LAST"); /* nobody is owed an answer any more */
    CHECK_SL(talk(&cl, "NOOP"), NOTHING);
    two_recipients(&cl, "");
    chunk(&cl, large, "");
    CHECK_SL(client_reply(&cl), TOO_LARGE);
    CHECK_SL(talk(&cl, "RSET"), "250 2.0.0 Forgotten");
    chunk(&cl, SL("x\r\n"), " LAST");
    CHECK_SL(talk(&cl, "NOOP"), NOTHING);
    two_recipients(&cl, ""); /* refused at the last one: for each */
    chunk(&cl, large, " LAST");
    CHECK_SL(client_reply(&cl), TOO_LARGE);
    CHECK_SL(client_reply(&cl), TOO_LARGE);
    CHECK_SL(talk(&cl, "NOOP"), NOTHING);
    client_close(&cl);
    CHECK_INT(handed.count, 1);
    world_end(&w);
}

TEST(lmtp_without_recipients)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    come(&cl, &w, SMTPD_LMTP);
    CHECK_SL(talk(&cl, "MAIL FROM:<carol@one.test>"), FINE);
    CHECK(sl_starts(talk(&cl, "RCPT TO:<nobody@home.test>"), SL("550 5.1.1 ")));
    CHECK_SL(talk(&cl, "DATA"), "503 5.5.1 No recipient was accepted");
    chunk(&cl, SL("From: carol@one.test\r\n\r\n"), " LAST"); /* no answer at all */
    CHECK_SL(talk(&cl, "NOOP"), NOTHING);
    chunk(&cl, SL("From: carol@one.test\r\n\r\n"), "");
    CHECK_SL(client_reply(&cl), CHUNK_FIRST);
    CHECK_SL(talk(&cl, "RCPT TO:<bob@home.test>"), TO_FINE); /* the letter may still go on */
    chunk(&cl, SL("From: carol@one.test\r\n\r\n"), " LAST");
    CHECK(sl_starts(client_reply(&cl), SL("250 2.1.5 <bob@home.test> is delivered as ")));
    client_close(&cl);
    world_end(&w);
}

/* ---- PRDR with chunks ---- */

TEST(prdr_answers_the_end_of_a_letter_and_not_a_chunk)
{
    struct world w;
    struct client cl;
    world_begin(&w, thousand_bytes);
    come(&cl, &w, SMTPD_MX);
    struct slice large = ar_printf(&cl.a, "From: carol@one.test\r\n\r\n%1200s\r\n", "");
    two_recipients(&cl, " PRDR");
    chunk(&cl, large, "");
    chunk(&cl, SL("x\r\n"), " LAST");
    CHECK_SL(client_reply(&cl), TOO_LARGE);
    CHECK_SL(client_reply(&cl), CHUNK_FIRST);
    CHECK_SL(talk(&cl, "NOOP"), NOTHING);
    two_recipients(&cl, " PRDR");
    chunk(&cl, large, " LAST");
    CHECK_SL(client_reply(&cl), "353 The answers for each recipient follow");
    for (int i = 0; i < 3; i++) CHECK_SL(client_reply(&cl), TOO_LARGE);
    CHECK_SL(talk(&cl, "NOOP"), NOTHING);
    client_close(&cl);
    world_end(&w);
}

/* Chunks behind one that was refused, or behind recipients of whom none was taken, are read however large
 * they are (RFC 3030 section 2), so that a client that sends all at once hears why. */
TEST(chunks_behind_a_refusal_are_read)
{
    enum { MIB = 1 << 20 };
    struct world w;
    struct client cl;
    char *x = xmalloc(3 * MIB);
    memset(x, 'x', 3 * MIB);
    world_begin(&w, NULL);
    come(&cl, &w, SMTPD_MX);
    client_send(&cl, SL("MAIL FROM:<carol@one.test>\r\nRCPT TO:<nobody@home.test>\r\n"));
    chunk(&cl, sl(x, 3 * MIB), "");
    chunk(&cl, sl(x, 3 * MIB), " LAST");
    CHECK_SL(client_reply(&cl), FINE);
    CHECK(sl_starts(client_reply(&cl), SL("550 5.1.1 There is no mailbox nobody@home.test here")));
    CHECK_SL(client_reply(&cl), CHUNK_FIRST);
    CHECK_SL(client_reply(&cl), CHUNK_FIRST);
    CHECK_SL(talk(&cl, "NOOP"), NOTHING);
    client_close(&cl);
    world_end(&w);
    free(x);
}

/* ---- all at once ---- */

TEST(forty_recipients_with_every_extension_at_once)
{
    static const char options[] = " SIZE=100 BODY=BINARYMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb BY=3600;NT "
                                  "MT-PRIORITY=-3 PRDR REQUIRETLS AUTH=<> HOLDFOR=60";
    static const char *const notify[] = {"NEVER", "SUCCESS", "FAILURE,DELAY", "SUCCESS,FAILURE,DELAY"};
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    come(&cl, &w, SMTPD_SUBMISSIONS);
    for (int turn = 0; turn < 2; turn++) { /* given up once, then to the end */
        struct slice bytes = SL("From: alice@home.test\r\nContent-Type: application/x-any\r\n"
                                "Content-Transfer-Encoding: binary\r\n\r\n\0\n.\r\n\r\xff");
        CHECK_SL(say(&cl, "MAIL FROM:<alice@home.test>", options, ""), FINE);
        for (int i = 0; i < 40; i++)
            CHECK_SL(
                talk(&cl, ar_cstr(&cl.a,
                                  ar_printf(&cl.a,
                                            "RCPT TO:<bob+%d@home.test> NOTIFY=%s ORCPT=rfc822;x+2B%d@y.test",
                                            i, notify[i % 4], i))),
                TO_FINE);
        CHECK(sl_starts(talk(&cl, "RCPT TO:<bob@home.test> NOTIFY=NEVER,DELAY"), SL("501 5.5.4 ")));
        CHECK(sl_starts(talk(&cl, "RCPT TO:<nobody@home.test>"), SL("550 5.1.1 ")));
        chunk(&cl, sl_sub(bytes, 0, 50), "");
        CHECK_SL(client_reply(&cl), "250 2.0.0 50 bytes are here");
        if (!turn) {
            CHECK_SL(talk(&cl, "RSET"), "250 2.0.0 Forgotten");
            CHECK_SL(say(&cl, "MAIL FROM:<alice@home.test>", "", ""), FINE); /* nothing of it is left */
            CHECK_SL(talk(&cl, "RCPT TO:<bob@home.test>"), TO_FINE);
            CHECK_SL(talk(&cl, "RCPT TO:<bob+1@home.test>"), TO_FINE);
            CHECK_SL(talk(&cl, "DATA"), GO_ON);
            client_send(&cl, SL("From: alice@home.test\r\n\r\na\nb\r\n.\r\n"));
            CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
            CHECK(!handed.binary && !handed.wants.requiretls && !handed.wants.by &&
                  !handed.wants.hold_until && !handed.wants.has_priority && !handed.ret[0] &&
                  !handed.envid[0]);
            CHECK(sl_ends(handed.bytes, SL("\r\n\r\na\r\nb\r\n")));
            continue;
        }
        chunk(&cl, sl_from(bytes, 50), "");
        chunk(&cl, SL(""), " LAST");
        CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 ")));
        CHECK_SL(client_reply(&cl), "353 The answers for each recipient follow");
        for (int i = 0; i < 40; i++)
            CHECK(sl_eq(client_reply(&cl), ar_printf(&cl.a, "250 2.1.5 <bob+%d@home.test> is fine", i)));
        CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
        CHECK(handed.binary && handed.wants.requiretls && handed.wants.by_mode == 'N' &&
              handed.wants.by_trace && handed.wants.hold_for == 60 && handed.wants.priority == -3);
        CHECK_SL(sl_cstr(handed.ret), "HDRS");
        CHECK_SL(sl_cstr(handed.envid), "a+b");
        CHECK(sl_ends(handed.bytes, SL("\r\n\r\n\0\n.\r\n\r\xff")));
    }
    CHECK_SL(talk(&cl, "NOOP"), NOTHING);
    client_close(&cl);
    world_end(&w);
}

/* Two recipients with one mailbox get one copy; nobody's wish to hear of it is lost (RFC 3461 section 4.1).
 */
TEST(wishes_of_two_recipients_with_one_mailbox)
{
    static const struct {
        const char *first, *second, *wishes;
    } x[] = {
        {"NOTIFY=NEVER ORCPT=rfc822;a@b", "NOTIFY=SUCCESS ORCPT=rfc822;c@d", "bob+2@home.test 2 rfc822;c@d"},
        {"NOTIFY=SUCCESS ORCPT=rfc822;a@b", "NOTIFY=NEVER ORCPT=rfc822;c@d", "bob+1@home.test 2 rfc822;a@b"},
        {"NOTIFY=NEVER", "", "bob+2@home.test 0 "},
        {"", "NOTIFY=NEVER", "bob+1@home.test 0 "},
        {"", "NOTIFY=FAILURE", "bob+1@home.test 0 "},
        {"NOTIFY=FAILURE", "", "bob+2@home.test 0 "},
        {"NOTIFY=SUCCESS", "NOTIFY=FAILURE,DELAY", "bob+1@home.test 14 "},
        {"", "NOTIFY=SUCCESS", "bob+1@home.test 14 "},
        {"NOTIFY=NEVER", "NOTIFY=NEVER", "bob+1@home.test 1 "},
    };
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    come(&cl, &w, SMTPD_MX);
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        CHECK_SL(talk(&cl, "MAIL FROM:<carol@one.test>"), FINE);
        CHECK_SL(say(&cl, "RCPT TO:<bob+1@home.test> ", x[i].first, ""), TO_FINE);
        CHECK_SL(say(&cl, "RCPT TO:<bob+2@home.test> ", x[i].second, ""), TO_FINE);
        CHECK_SL(talk(&cl, "DATA"), GO_ON);
        client_send(&cl, SL("From: carol@one.test\r\n\r\nx\r\n.\r\n"));
        CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
        CHECK_SL(sl_cstr(handed.wishes), x[i].wishes);
    }
    client_close(&cl);
    world_end(&w);
}

/* Nothing that was said in clear counts within TLS (RFC 3207 section 4.2), nor what EHLO began anew. */
TEST(what_was_said_before_is_forgotten)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    come(&cl, &w, SMTPD_MX);
    two_recipients(&cl, " PRDR BODY=BINARYMIME MT-PRIORITY=-9");
    CHECK(sl_starts(talk(&cl, "EHLO mail.one.test"), SL("250-")));
    CHECK_SL(talk(&cl, "RCPT TO:<bob@home.test>"), "503 5.5.1 MAIL comes first");
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test> PRDR BY=0;R"), SL("501 5.5.4 "))); /* nor this */
    CHECK_SL(talk(&cl, "RCPT TO:<bob@home.test>"), "503 5.5.1 MAIL comes first");
    client_starttls(&cl, &w);
    CHECK_SL(talk(&cl, "MAIL FROM:<carol@one.test>"), "503 5.5.1 Say EHLO first");
    CHECK(has(talk(&cl, "EHLO mail.one.test"), "\n250-REQUIRETLS\n"));
    two_recipients(&cl, " REQUIRETLS");
    CHECK_SL(talk(&cl, "DATA"), GO_ON);
    client_send(&cl, SL("From: carol@one.test\r\n\r\nx\r\n.\r\n"));
    CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
    CHECK(!handed.binary && !handed.wants.has_priority && handed.wants.requiretls);
    CHECK(sl_starts(talk(&cl, "HELO mail.one.test"), SL("250 "))); /* now without extensions */
    CHECK_SL(talk(&cl, "MAIL FROM:<carol@one.test> REQUIRETLS"),
             "555 5.5.4 REQUIRETLS is for those who say EHLO");
    client_close(&cl);
    world_end(&w);
}

/* ---- values ---- */

#define NOT_VALID(key) "501 5.5.4 the value of " key " is not valid"
#define TWICE(key) "501 5.5.4 the parameter " key " stands there twice"
#define TOO_FAR "501 5.5.4 A letter is held for 30 days at most"

TEST(parameters_at_and_beyond_the_limits_of_their_values)
{
    static const char *const x[][2] = {
        {"SIZE=0", FINE},
        {"size=00000000000000000001", FINE},
        {"SIZE=52428800", FINE},
        {"SIZE=000000000000000000001", NOT_VALID("SIZE")}, /* 20 digits: RFC 1870 section 4 */
        {"SIZE=",
         "501 5.5.4 after the address there may only be parameters written KEYWORD or KEYWORD=value"},
        {"SIZE=1 SIZE=1", TWICE("SIZE")},
        {"BODY=8bitmime", FINE},
        {"BODY", NOT_VALID("BODY")},
        {"BODY=7BIT BODY=8BITMIME", TWICE("BODY")},
        {"SMTPUTF8=1", NOT_VALID("SMTPUTF8")},
        {"SMTPUTF8 SMTPUTF8", TWICE("SMTPUTF8")},
        {"REQUIRETLS=",
         "501 5.5.4 after the address there may only be parameters written KEYWORD or KEYWORD=value"},
        {"REQUIRETLS REQUIRETLS", TWICE("REQUIRETLS")},
        {"HOLDFOR=1", FINE},
        {"HOLDFOR=2592000", FINE},
        {"HOLDFOR=2592001", TOO_FAR},
        {"HOLDFOR=999999999", TOO_FAR},
        {"HOLDFOR=1000000000", NOT_VALID("HOLDFOR")},
        {"HOLDFOR=-1", NOT_VALID("HOLDFOR")},
        {"HOLDFOR=0", NOT_VALID("HOLDFOR")},
        {"HOLDFOR", NOT_VALID("HOLDFOR")},
        {"HOLDFOR=5 HOLDFOR=5", TWICE("HOLDFOR")},
        {"HOLDUNTIL=2020-01-01T00:00:00Z", "501 5.5.4 The time until which to hold the letter is over"},
        {"HOLDUNTIL=9999-12-31T23:59:59Z", TOO_FAR},
        {"HOLDUNTIL=2099-02-30T00:00:00Z", NOT_VALID("HOLDUNTIL")},
        {"HOLDUNTIL=2099-01-01T00:00:00+00:00", NOT_VALID("HOLDUNTIL")},
        {"HOLDUNTIL=2099-01-01", NOT_VALID("HOLDUNTIL")},
        {"BY=999999999;R", FINE},
        {"BY=-999999999;N", FINE},
        {"BY=1000000000;R", NOT_VALID("BY")},
        {"BY=1;R BY=1;R", TWICE("BY")},
        {"HOLDFOR=60 BY=60;R", FINE},
        {"HOLDFOR=61 BY=60;N", "501 5.5.4 The letter would be held beyond the time it is to be delivered by"},
        {"HOLDFOR=1 BY=-1;N", "501 5.5.4 The letter would be held beyond the time it is to be delivered by"},
        {"MT-PRIORITY=9", FINE},
        {"MT-PRIORITY=-9", FINE},
        {"MT-PRIORITY=10", NOT_VALID("MT-PRIORITY")},
        {"MT-PRIORITY=09", NOT_VALID("MT-PRIORITY")},
        {"MT-PRIORITY=1 MT-PRIORITY=1", TWICE("MT-PRIORITY")},
        {"PRDR PRDR", TWICE("PRDR")},
        {"PRDR=YES", NOT_VALID("PRDR")},
        {"RET=full", FINE},
        {"RET=BODY", NOT_VALID("RET")},
        {"RET=FULL RET=HDRS", TWICE("RET")},
        {"ENVID=x+0A", "501 5.5.4 there is a control character in the value"},
        {"ENVID=x+2", "501 5.5.4 a + in xtext must be followed by two hexadecimal digits"},
        {"ENVID=\xC3\xBC", "501 5.5.4 the value holds bytes that are not ASCII"},
        {"ENVID=x+2b", "501 5.5.4 a + in xtext must be followed by two hexadecimal digits"},
        {"ENVID=a ENVID=b", TWICE("ENVID")},
        {"AUTH=<>", FINE},
        {"AUTH=",
         "501 5.5.4 after the address there may only be parameters written KEYWORD or KEYWORD=value"},
        {"FROB=1", "555 5.5.4 the parameter FROB is not known here"},
        {"NOTIFY=NEVER", "555 5.5.4 the parameter NOTIFY is not known here"},
        {"RCPTMAX=1", "555 5.5.4 the parameter RCPTMAX is not known here"},
    };
    static const char *const rcpt[][2] = {
        {"NOTIFY=never", TO_FINE},
        {"NOTIFY=DELAY,SUCCESS,FAILURE", TO_FINE},
        {"NOTIFY=SUCCESS,NEVER", NOT_VALID("NOTIFY")},
        {"NOTIFY=SUCCESS,", NOT_VALID("NOTIFY")},
        {"NOTIFY=,SUCCESS", NOT_VALID("NOTIFY")},
        {"NOTIFY", NOT_VALID("NOTIFY")},
        {"NOTIFY=SUCCESS NOTIFY=DELAY", TWICE("NOTIFY")},
        {"ORCPT=rfc822;x@y.test", TO_FINE},
        {"ORCPT=utf-8;x@y.test", TO_FINE},
        {"ORCPT=utf-8;\xC3\xBC@y.test", TO_FINE},
        {"ORCPT=utf-8;\\x{FC}@y.test", TO_FINE},
        {"ORCPT=utf-8;\xC3@y.test", "501 5.5.4 the value holds bytes that are not ASCII, nor UTF-8"},
        {"ORCPT=rfc822;\xC3\xBC@y.test", "501 5.5.4 the value holds bytes that are not ASCII"},
        {"ORCPT=x@y.test", NOT_VALID("ORCPT")},
        {"ORCPT=;x@y.test", NOT_VALID("ORCPT")},
        {"ORCPT=rfc822;", NOT_VALID("ORCPT")},
        {"ORCPT=rfc822;a+0D+0Ab", "501 5.5.4 there is a control character in the value"},
        {"ORCPT=rfc822;a ORCPT=rfc822;b", TWICE("ORCPT")},
        {"RET=FULL", "555 5.5.4 the parameter RET is not known here"},
    };
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        come(&cl, &w, SMTPD_SUBMISSIONS);
        struct slice got = say(&cl, "MAIL FROM:<alice@home.test> ", x[i][0], "");
        if (!sl_eq(got, sl_cstr(x[i][1]))) test_fail(__FILE__, __LINE__, "%s: %.*s", x[i][0], SLF(got));
        client_close(&cl);
    }
    for (size_t i = 0; i < COUNT_OF(rcpt); i++) {
        come(&cl, &w, SMTPD_SUBMISSIONS);
        CHECK_SL(talk(&cl, "MAIL FROM:<alice@home.test>"), FINE);
        struct slice got = say(&cl, "RCPT TO:<bob@home.test> ", rcpt[i][0], "");
        if (!sl_eq(got, sl_cstr(rcpt[i][1]))) test_fail(__FILE__, __LINE__, "%s: %.*s", rcpt[i][0], SLF(got));
        client_close(&cl);
    }
    world_end(&w);
}

/* ENVID has 100 bytes, ORCPT 500 at most (RFC 3461 sections 4.4, 4.2); 20 parameters are read. */
TEST(parameters_of_the_longest_size)
{
    struct world w;
    struct client cl;
    char id[102] = {0}, to[502] = {0};
    memset(id, 'i', 101);
    memset(to, 't', 501);
    memcpy(to, "rfc822;", 7);
    world_begin(&w, NULL);
    come(&cl, &w, SMTPD_SUBMISSIONS);
    CHECK_SL(say(&cl, "MAIL FROM:<alice@home.test> ENVID=", id, ""),
             "501 5.5.4 the value of ENVID is longer than 100 bytes");
    CHECK_SL(say(&cl, "MAIL FROM:<alice@home.test> ENVID=", id + 1, ""), FINE);
    CHECK_SL(say(&cl, "RCPT TO:<bob@home.test> ORCPT=", to, ""),
             "501 5.5.4 the value of ORCPT is longer than 500 bytes");
    to[500] = 0;
    CHECK_SL(say(&cl, "RCPT TO:<bob@home.test> ORCPT=", to, ""), TO_FINE);
    CHECK_SL(talk(&cl, "DATA"), GO_ON);
    client_send(&cl, SL("From: alice@home.test\r\n\r\nx\r\n.\r\n"));
    CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
    CHECK_SL(sl_cstr(handed.envid), id + 1);
    CHECK_SL(talk(&cl, "MAIL FROM:<alice@home.test> A B C D E F G H I J K L M N O P Q R S T U"),
             "501 5.5.4 more than 20 parameters");
    client_close(&cl);
    world_end(&w);
}
