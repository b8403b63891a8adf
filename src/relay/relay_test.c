/* relay_test.c - the relay against made-up servers that answer in every way, good and bad: which one gets the
 * letter, and what each recipient hears. */
#include "relay_test.h"
#include "probe.h"

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
    reopen(&t);
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
    reopen(&t);
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
        {EHLO, "250 mx.test\r\n250 more", ATTEMPT_TEMPORARY,
         -1}, /* one answer ahead; to what the code was said, pipelining decides */
        {MAIL, "250 ok\r\n250 more", ATTEMPT_TEMPORARY, -1},
        {RCPT, "250 ok\r\n250 more", ATTEMPT_TEMPORARY, -1},
        {DATA, "354 go on\r\n250 more", ATTEMPT_TEMPORARY, -1},
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
            server_forget(&t.a);
            t.a.caps = pipelining ? "PIPELINING" : "";
            t.a.say[x[i].step] = x[i].say;
            relay_close(&t.relay); /* no kept connection, no memory of failures */
            CHECK_OK(relay_open(&t.relay, &t.conf));
            send(&t, "two.test", "one@two.test two@two.test");
            for (int k = 0; k < 2; k++)
                if (t.rcpt[k].result != x[i].result || (x[i].code >= 0 && t.rcpt[k].code != x[i].code))
                    test_fail(__FILE__, __LINE__, "step %d \"%s\": result %d code %d: %.*s", x[i].step,
                              x[i].say, t.rcpt[k].result, t.rcpt[k].code, SLF(t.rcpt[k].reply));
            CHECK(t.rcpt[0].reply.n && t.rcpt[0].host.n);
            if (x[i].code > 0 && sl_chr(sl_cstr(x[i].say), '\r') == SL_NONE) /* its words are kept */
                CHECK_SL(t.rcpt[0].reply, x[i].say);
            if (x[i].say[0] == 'h' || x[i].say[0] == '9') { /* and those that are no reply */
                HAS(t.rcpt[0].reply, "no SMTP reply: \"");
                CHECK(sl_find(t.rcpt[0].reply, sl_cstr(x[i].say)) != SL_NONE);
            }
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
        server_forget(&t.a);
        t.a.say[steps[i]] = SILENT;
        reopen(&t);
        prepare(&t, "two.test", "one@two.test");
        t.at.until = DEADLINE_IN(60 * RT_MS);
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, steps[i] == DOT ? ATTEMPT_UNCERTAIN : ATTEMPT_TEMPORARY);
        CHECK(t.rcpt[0].reply.n > 0);
    }
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
            server_forget(&t.a);
            server_forget(&t.b);
            t.a.caps = x[i].caps;
            t.a.say[MAIL] = x[i].mail;
            t.b.say[MAIL] = x[i].other;
            send(&t, "pair.test", "ok@pair.test");
            if (t.rcpt[0].result != x[i].result)
                test_fail(__FILE__, __LINE__, "case %zu: %d, %.*s", i, t.rcpt[0].result,
                          SLF(t.rcpt[0].reply));
        }
    server_forget(&t.a);
    server_forget(&t.b);
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
            server_forget(&t.a);
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
    reopen(&t);
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

/* Who answers, only not about this address, is not silent: that would be remembered against all of the
 * domain. */
TEST(relay_that_asks_tells_silence_about_an_address_from_a_silent_server)
{
    static const struct {
        const char *mail, *rcpt;
        enum relay_word want;
    } x[] = {{NULL, NULL, RELAY_TAKES},
             {NULL, DROP, RELAY_LATER},
             {NULL, RESET, RELAY_LATER},
             {DROP, NULL, RELAY_SILENT}};
    struct tester t;
    struct relay_said said;
    REQUIRE(begin(&t));
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        t.a.say[MAIL] = x[i].mail;
        t.a.say[RCPT] = x[i].rcpt;
        relay_verify(&t.conf, &t.arena, SL("two.test"), SL("ok@two.test"), &said);
        CHECK_INT(said.word, x[i].want);
    }
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
    server_forget(&t.b);
    t.a.say[DOT] = DROP;
    send(&t, "pair.test", "ok@pair.test");
    CHECK_INT(t.rcpt[0].result, t.b.times[DOT] ? ATTEMPT_DELIVERED : ATTEMPT_UNCERTAIN);
    reopen(&t);
    server_forget(&t.b);
    send(&t, "pair.test", "ok@pair.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_UNCERTAIN);
    CHECK_INT(t.b.sessions, 0); /* another host might make it two */
    end(&t);
}
