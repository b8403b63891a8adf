/* mx_test.c - mail from the world: dialogues with port 25, answer by answer. */
#include "base/test.h"
#include "rt/test_rt.h"
#include "store/mailbox.h"
#include "talk_test.h"

static const char letter[] =
    "From: Carol <carol@one.test>\r\nTo: alice@home.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    "Message-ID: <1@one.test>\r\n\r\nHello\r\n..dot\r\n.\r\n";

TEST(mx_takes_a_letter)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    client_envelope(&cl, "carol@one.test");
    struct slice reply = client_letter(&cl, sl_cstr(letter));
    CHECK(sl_starts(reply, SL("250 2.0.0 Accepted as ")));
    CHECK_INT(handed.count, 1);
    CHECK(sl_ends(reply, sl_cstr(handed.id)));
    CHECK_SL(sl_cstr(handed.sender), "carol@one.test");
    CHECK_SL(sl_cstr(handed.rcpts), "here:alice@home.test");
    CHECK_SL(sl_cstr(handed.message_id), "<1@one.test>");
    CHECK_SL(sl_cstr(handed.subject), "Gr\xc3\xbc\xc3\x9f"
                                      "e");
    CHECK(!handed.junk && !handed.eight_bit && !handed.submitter[0]);
    CHECK(sl_starts(handed.bytes,
                    SL("Return-Path: <carol@one.test>\r\nAuthentication-Results: mx.home.test;")));
    CHECK_INT(handed.skip, strlen("Return-Path: <carol@one.test>\r\n"));
    CHECK(has(handed.bytes, "spf=pass"));
    CHECK(has(handed.bytes, "dmarc=pass"));
    CHECK(has(
        handed.bytes,
        "\r\nReceived: from mail.one.test (mail.one.test [127.0.0.1]) by mx.home.test with\r\n ESMTP id"));
    CHECK(has(handed.bytes, "for <alice@home.test>;"));
    CHECK(sl_ends(handed.bytes, SL("Message-ID: <1@one.test>\r\n\r\nHello\r\n.dot\r\n")));
    CHECK_SL(sl_from(handed.bytes, handed.head_size), "Hello\r\n.dot\r\n");
    CHECK_SL(talk(&cl, "QUIT"), "221 2.0.0 Goodbye");
    CHECK_SL(client_reply(&cl), "");
    client_close(&cl);
    world_end(&w);
}

static void add_crowd(struct world *w, const char *alias, int crowd)
{
    struct slice to[ALIAS_TARGETS_MAX];
    for (int i = 0; i < ALIAS_TARGETS_MAX; i++) to[i] = ar_printf(&w->a, "u%d-%d@elsewhere.test", crowd, i);
    CHECK_OK(alias_add(w->store->directory, sl_cstr(alias), to, COUNT_OF(to)));
}

TEST(mx_answers_in_words_what_is_above_a_limit)
{
    struct world w;
    struct client cl;
    struct slice both[2] = {SL("crowd0@home.test"), SL("crowd1@home.test")};
    enum { CROWDS = LIMIT_LETTER_RCPTS / ALIAS_TARGETS_MAX };
    char id[LIMIT_MESSAGE_ID + 2];
    world_begin(&w, NULL);
    for (int i = 0; i <= CROWDS; i++)
        add_crowd(&w, ar_cstr(&w.a, ar_printf(&w.a, "crowd%d@home.test", i)), i);
    CHECK_OK(alias_add(w.store->directory, SL("both@home.test"), both, 2));
    client_open(&cl, &w, SMTPD_MX);
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(talk(&cl, "RCPT TO:<both@home.test>"),
                    SL("550 5.5.3 The address both@home.test leads to more than 500 others")));
    memset(id, 'x', sizeof id);
    struct slice text =
        ar_printf(&cl.a, "From: carol@one.test\r\nMessage-ID: %.*s\r\n\r\n.\r\n", LIMIT_MESSAGE_ID + 1, id);
    CHECK(sl_starts(client_letter(&cl, text),
                    SL("554 5.6.0 The letter is not well-formed: the Message-ID has 999 bytes")));
    CHECK_INT(handed.count, 0);
    talk(&cl, "MAIL FROM:<carol@one.test>");
    for (int i = 0; i <= CROWDS; i++)
        CHECK(sl_starts(talk(&cl, ar_cstr(&cl.a, ar_printf(&cl.a, "RCPT TO:<crowd%d@home.test>", i))),
                        i < CROWDS ? SL("250 2.1.5") : SL("452 4.5.3 Too many recipients behind")));
    client_close(&cl);
    world_end(&w);
}

TEST(mx_takes_a_pipeline_and_many_letters)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test");
    for (unsigned i = 1; i <= 3; i++) {
        client_send(
            &cl,
            SL("MAIL FROM:<carol@one.test>\r\nRCPT TO:<alice@home.test>\r\nRCPT TO:<nobody@home.test>\r\n"
               "RCPT TO:<bob@home.test>\r\nDATA\r\n"));
        CHECK(sl_starts(client_reply(&cl), SL("250 2.1.0")));
        CHECK(sl_starts(client_reply(&cl), SL("250 2.1.5")));
        CHECK(sl_starts(client_reply(&cl), SL("550 5.1.1 There is no mailbox nobody@home.test here")));
        CHECK(sl_starts(client_reply(&cl), SL("250 2.1.5")));
        CHECK(sl_starts(client_reply(&cl), SL("354 ")));
        client_send(&cl, sl_cstr(letter));
        CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
        CHECK_INT(handed.count, i);
        CHECK_SL(sl_cstr(handed.rcpts), "here:alice@home.test here:bob@home.test");
        CHECK(!has(handed.bytes, " for <"));
    }
    client_close(&cl);
    world_end(&w);
}

TEST(mx_says_what_it_can)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    CHECK_SL(talk(&cl, "EHLO mail.one.test"),
             "250-mx.home.test at your service\n250-PIPELINING\n"
             "250-ENHANCEDSTATUSCODES\n250-SIZE 52428800\n250-8BITMIME\n"
             "250-SMTPUTF8\n250-DSN\n250-DELIVERBY\n250-MT-PRIORITY\n250-PRDR\n250-LIMITS RCPTMAX=1000\n"
             "250-CHUNKING\n250-BINARYMIME\n250 STARTTLS");
    CHECK_SL(talk(&cl, "HELO mail.one.test"), "250 mx.home.test at your service");
    client_starttls(&cl, &w);
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test>"),
                    SL("503 5.5.1 Say EHLO first"))); /* all is forgotten */
    struct slice ehlo = talk(&cl, "EHLO mail.one.test");
    CHECK(!has(ehlo, "STARTTLS") && !has(ehlo, "AUTH"));
    CHECK_SL(talk(&cl, "STARTTLS"), "503 5.5.1 TLS is already in use");
    CHECK(sl_starts(talk(&cl, "AUTH PLAIN AGEAYg=="), SL("503 5.5.1 There is no login on this port")));
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(client_letter(&cl, sl_cstr(letter)), SL("250 ")));
    CHECK(has(handed.bytes, "ESMTPS (TLSv1.3 TLS_"));
    client_close(&cl);
    world_end(&w);
}

TEST(mx_wants_commands_in_order)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    CHECK_SL(talk(&cl, "MAIL FROM:<carol@one.test>"), "503 5.5.1 Say EHLO first");
    CHECK_SL(talk(&cl, "EHLO"), "501 5.5.4 EHLO must name your host: EHLO host.example.com");
    CHECK(sl_starts(talk(&cl, "EHLO not/a/name"), SL("501 5.5.2 EHLO must give a host name")));
    CHECK(sl_starts(talk(&cl, "EHLO [127.0.0.1]"), SL("250-")));
    CHECK_SL(talk(&cl, "RCPT TO:<alice@home.test>"), "503 5.5.1 MAIL comes first");
    CHECK_SL(talk(&cl, "DATA"), "503 5.5.1 MAIL comes first");
    CHECK_SL(talk(&cl, "MAIL FROM:<carol@one.test"), "501 5.1.7 the address must stand in < and >");
    CHECK_SL(talk(&cl, "MAIL FROM:<carol@one.test>"), "250 2.1.0 Sender is fine");
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test>"), SL("503 5.5.1 A letter is under way")));
    CHECK(sl_starts(talk(&cl, "STARTTLS"), SL("503 5.5.1 A letter is under way")));
    CHECK_SL(talk(&cl, "DATA"), "554 5.5.1 No recipient was accepted");
    CHECK_SL(talk(&cl, "RCPT TO:<>"), "501 5.1.3 a recipient cannot be empty");
    CHECK_SL(talk(&cl, "RSET"), "250 2.0.0 Forgotten");
    CHECK_SL(talk(&cl, "RCPT TO:<alice@home.test>"), "503 5.5.1 MAIL comes first");
    CHECK(sl_starts(talk(&cl, "FROBNICATE"), SL("500 5.5.1 There is no such command")));
    CHECK_SL(talk(&cl, "NOOP x"), "250 2.0.0 Done, nothing");
    CHECK(sl_starts(talk(&cl, "VRFY alice"), SL("252 2.5.2 ")));
    CHECK(sl_starts(talk(&cl, "EXPN team"), SL("502 5.5.1 ")));
    CHECK(sl_starts(talk(&cl, "HELP"), SL("214-2.0.0 EHLO host\n")));
    CHECK_SL(talk(&cl, "DATA now"), "503 5.5.1 MAIL comes first");
    client_close(&cl);
    world_end(&w);
}

TEST(mx_is_no_open_relay)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test");
    talk(&cl, "MAIL FROM:<alice@home.test>");
    static const char *const elsewhere[] = {
        "x@away.test",   "x%away.test@other.test", "@home.test:x@away.test", "\"x@away.test\"@b.test",
        "x@[192.0.2.1]", "x@home.test.away.test"};
    for (size_t i = 0; i < COUNT_OF(elsewhere); i++) {
        struct slice r = talk(&cl, ar_cstr(&cl.a, ar_printf(&cl.a, "RCPT TO:<%s>", elsewhere[i])));
        if (!sl_starts(r, SL("550 5.7.1 Mail for ")))
            test_fail(__FILE__, __LINE__, "%s: %.*s", elsewhere[i], SLF(r));
    }
    CHECK(sl_starts(talk(&cl, "RCPT TO:<x%away.test@home.test>"), SL("550 5.1.1")));
    client_close(&cl);
    world_end(&w);
}

TEST(mx_resolves_recipients)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    CHECK_OK(account_disable(w.store->directory, SL("bob@home.test"), true));
    client_open(&cl, &w, SMTPD_MX);
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(talk(&cl, "RCPT TO:<bob@home.test>"),
                    SL("550 5.2.1 The mailbox bob@home.test is switched off")));
    CHECK(sl_starts(talk(&cl, "RCPT TO:<ALICE+list@home.test>"), SL("250 ")));
    CHECK(sl_starts(talk(&cl, "RCPT TO:<team@HOME.test>"), SL("250 ")));
    CHECK(sl_starts(talk(&cl, "RCPT TO:<postmaster>"), SL("250 ")));
    CHECK(sl_starts(talk(&cl, "RCPT TO:<j\xc3\xb6rg@home.test>"), SL("553 5.6.7 ")));
    CHECK(sl_starts(client_letter(&cl, sl_cstr(letter)), SL("250 ")));
    CHECK_SL(sl_cstr(handed.rcpts), "here:alice@home.test far@away.test"); /* alice once */
    client_close(&cl);
    world_end(&w);
}

static bool full_for_good;
static void over_quota(struct world *w) { w->intake.over_quota_is_final = full_for_good; }

TEST(mx_full_mailboxes_are_told_at_rcpt)
{
    struct world w;
    struct client cl;
    struct account alice, bob;
    struct slice both[2] = {SL("alice@home.test"), SL("bob@home.test")};
    for (int i = 0; i < 2; i++) {
        full_for_good = i;
        world_begin(&w, over_quota);
        CHECK_OK(account_get(w.store->directory, &w.a, SL("alice@home.test"), &alice));
        CHECK_OK(account_get(w.store->directory, &w.a, SL("bob@home.test"), &bob));
        CHECK_OK(alias_add(w.store->directory, SL("both@home.test"), both, 2));
        CHECK_OK(account_set_quota(w.store, alice.id, 1000));
        client_open(&cl, &w, SMTPD_MX);
        talk(&cl, "EHLO mail.one.test");
        talk(&cl, "MAIL FROM:<carol@one.test> SIZE=1000");
        CHECK(sl_starts(talk(&cl, "RCPT TO:<alice@home.test>"), SL("250 ")));
        talk(&cl, "RSET");
        talk(&cl, "MAIL FROM:<carol@one.test> SIZE=1001");
        CHECK_SL(talk(&cl, "RCPT TO:<alice@home.test>"),
                 full_for_good ? "552 5.2.2 The mailbox alice@home.test is full; its owner has to make room"
                               : "452 4.2.2 The mailbox alice@home.test is full; its owner has to make room");
        CHECK(sl_starts(talk(&cl, "RCPT TO:<both@home.test>"), SL("250 "))); /* bob has room */
        CHECK(sl_starts(talk(&cl, "RCPT TO:<team@home.test>"), SL("250 "))); /* and far@away.test */
        CHECK_OK(account_set_quota(w.store, bob.id, 1000));
        CHECK(sl_starts(talk(&cl, "RCPT TO:<both@home.test>"),
                        full_for_good ? SL("552 5.2.2 ") : SL("452 4.2.2 ")));
        CHECK(sl_starts(client_letter(&cl, sl_cstr(letter)), SL("250 ")));
        client_envelope(&cl, "carol@one.test"); /* it fills up while the letter comes */
        handed.fail_with = ERR_QUOTA;
        CHECK_SL(client_letter(&cl, sl_cstr(letter)),
                 full_for_good ? "552 5.2.2 The mailbox is full; its owner has to make room"
                               : "452 4.2.2 The mailbox is full; its owner has to make room");
        client_close(&cl);
        world_end(&w);
    }
}

/* A full mailbox for each of many recipients, none of whom is taken: no fault of who sends. */
TEST(mx_full_mailboxes_end_no_session)
{
    struct world w;
    struct client cl;
    struct account alice;
    full_for_good = false;
    world_begin(&w, over_quota);
    CHECK_OK(account_get(w.store->directory, &w.a, SL("alice@home.test"), &alice));
    CHECK_OK(account_set_quota(w.store, alice.id, 1000));
    for (int k = 0; k < 2; k++) {
        client_open(&cl, &w, k ? SMTPD_LMTP : SMTPD_MX);
        talk(&cl, k ? "LHLO mail.one.test" : "EHLO mail.one.test");
        CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test> SIZE=1001"), SL("250 ")));
        for (int i = 0; i < 300; i++)
            CHECK(sl_starts(talk(&cl, "RCPT TO:<alice@home.test>"), SL("452 4.2.2 ")));
        CHECK(sl_starts(talk(&cl, "RCPT TO:<bob@home.test>"), SL("250 ")));
        CHECK(sl_starts(client_letter(&cl, sl_cstr(letter)), SL("250 ")));
        client_close(&cl);
    }
    world_end(&w);
}

/* That a mailbox is switched off is no fault of who writes to it: the network is not counted as one that
 * guesses at recipients. */
TEST(mx_refusals_for_our_reasons_are_no_probes)
{
    struct world w;
    struct client cl;
    struct guard *g;
    struct guard_visit visit;
    struct ip ip;
    world_begin(&w, NULL);
    guard_open(&g, &(struct guard_conf){100, 100});
    CHECK(ip_parse(SL("192.0.2.1"), &ip));
    CHECK_OK(guard_enter(g, &visit, &ip, GUARD_WORLD));
    w.visit = &visit;
    CHECK_OK(account_disable(w.store->directory, SL("alice@home.test"), true));
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test");
    talk(&cl, "MAIL FROM:<carol@one.test>");
    size_t known = 0;
    for (int i = 0; i < 2 * GUARD_PROBES_FREE; i++) {
        CHECK(sl_starts(talk(&cl, "RCPT TO:<alice@home.test>"), SL("550 5.2.1 ")));
        if (!known) known = guard_entries(g); /* what the trace is told is counted as well */
        CHECK_INT(guard_entries(g), known);
    }
    CHECK(sl_starts(talk(&cl, "RCPT TO:<nobody@home.test>"), SL("550 5.1.1 ")));
    CHECK_INT(guard_entries(g), known + 1);
    client_close(&cl);
    world_end(&w);
    guard_leave(&visit);
    guard_close(&g);
}

TEST(mx_judges_senders)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    client_envelope(&cl, "eve@strict.test");
    struct slice r = client_letter(&cl, SL("From: eve@strict.test\r\n\r\nforged\r\n.\r\n"));
    CHECK(sl_starts(r, SL("550 5.7.")));
    CHECK_INT(handed.count, 0);
    client_envelope(&cl, "carol@one.test");
    r = client_letter(&cl, SL("From: alice@home.test\r\n\r\nforged in the header\r\n.\r\n"));
    CHECK(sl_starts(r, SL("550 5.7.")));
    client_envelope(&cl, "carol@one.test");
    r = client_letter(&cl, SL("From: x@suspect.test\r\n\r\ndoubtful\r\n.\r\n"));
    CHECK(sl_starts(r, SL("250 ")));
    CHECK(handed.junk);
    client_envelope(&cl, "carol@one.test");
    r = client_letter(&cl, SL("Subject: nobody\r\n\r\n.\r\n"));
    CHECK(sl_starts(r, SL("550 5.")));
    CHECK_INT(handed.count, 1);
    client_close(&cl);
    world_end(&w);
}

/* Whom a report about the letter would reach (queue/tellings.h). */
TEST(mx_knows_whose_the_return_path_is)
{
    static const struct {
        const char *sender, *from;
        enum letter_path path;
    } v[] = {{"carol@one.test", "carol@one.test", PATH_PROVEN},
             {"eve@soft.test", "eve@soft.test", PATH_FORGED},
             {"eve@plain.test", "eve@plain.test", PATH_UNPROVEN},
             {"eve@nothing.test", "eve@nothing.test", PATH_UNPROVEN},
             {"eve@plain.test", "x@suspect.test", PATH_FORGED},  /* into Junk */
             {"carol@one.test", "x@suspect.test", PATH_PROVEN}}; /* it is she who sent that */
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        client_envelope(&cl, v[i].sender);
        CHECK(sl_starts(client_letter(&cl, ar_printf(&w.a, "From: %s\r\n\r\nx\r\n.\r\n", v[i].from)),
                        SL("250 ")));
        if (handed.path != v[i].path)
            test_fail(__FILE__, __LINE__, "<%s>, from %s: %d", v[i].sender, v[i].from, (int)handed.path);
    }
    client_close(&cl);
    world_end(&w);
}

static void small_limits(struct world *w)
{
    w->intake.size_max = 1000;
    w->conf.rcpts_max = 2;
}

TEST(mx_limits)
{
    struct world w;
    struct client cl;
    struct buf b = BUF_INIT;
    world_begin(&w, small_limits);
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test");
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test> SIZE=1001"), SL("552 5.3.4 ")));
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test> SIZE=x"), SL("501 5.5.4 ")));
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test> FOO=x"), SL("555 5.5.4 ")));
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test> REQUIRETLS"), SL("555 5.5.4 ")));
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test> SIZE=1000 BODY=8BITMIME"), SL("250 ")));
    talk(&cl, "RCPT TO:<alice@home.test>");
    talk(&cl, "RCPT TO:<bob@home.test>");
    CHECK(sl_starts(talk(&cl, "RCPT TO:<team@home.test>"), SL("452 4.5.3 ")));
    buf_str(&b, "From: carol@one.test\r\n\r\n");
    while (b.n < 5000) buf_str(&b, "0123456789 0123456789 0123456789\r\n");
    buf_str(&b, ".\r\n");
    CHECK(sl_starts(client_letter(&cl, buf_slice(&b)), SL("552 5.3.4 The letter is larger than 1000 bytes")));
    client_envelope(&cl, "carol@one.test");
    buf_clear(&b);
    while (b.n < 300) buf_str(&b, "Received: x\r\n");
    buf_str(&b, "From: carol@one.test\r\n\r\n.\r\n");
    CHECK(sl_starts(client_letter(&cl, buf_slice(&b)), SL("250 ")));
    client_close(&cl);
    buf_free(&b);
    world_end(&w);
}

TEST(mx_keeps_delivery_options)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test");
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test> RET=HDRS ENVID=a+2Bb"), SL("250 ")));
    CHECK(sl_starts(talk(&cl, "RCPT TO:<alice@home.test> NOTIFY=SUCCESS ORCPT=rfc822;alice@home.test"),
                    SL("250 ")));
    CHECK(sl_starts(talk(&cl, "RCPT TO:<bob@home.test> NOTIFY=SOON"), SL("501 5.5.4 ")));
    CHECK(sl_starts(client_letter(&cl, sl_cstr(letter)), SL("250 ")));
    CHECK_SL(sl_cstr(handed.ret), "HDRS");
    CHECK_SL(sl_cstr(handed.envid), "a+b");
    client_close(&cl);
    world_end(&w);
}

TEST(mx_answers_only_what_is_durable)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    handed.fail_with = ERR_IO;
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(client_letter(&cl, sl_cstr(letter)), SL("451 4.3.0 The letter cannot be stored")));
    handed.fail_with = ERR_FULL;
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(client_letter(&cl, sl_cstr(letter)), SL("452 4.3.1 ")));
    handed.fail_with = 0;
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(client_letter(&cl, sl_cstr(letter)), SL("250 ")));
    handed.fail_with = ERR_UNKNOWN; /* neither yes nor no: the connection ends without an answer */
    client_envelope(&cl, "carol@one.test");
    CHECK_SL(client_letter(&cl, sl_cstr(letter)), "");
    handed.fail_with = 0;
    client_close(&cl);
    world_end(&w);
}

TEST(mx_duties_reach_postmaster)
{
    struct world w;
    struct client cl;
    static const char *const names[] = {"postmaster@mx.home.test",
                                        "mailer-daemon@home.test",
                                        "MAILER-DAEMON@mx.home.test",
                                        "abuse@mx.home.test",
                                        "postmaster",
                                        "root@home.test",
                                        "Root@mx.home.test"};
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test");
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        CHECK(sl_starts(client_try(&cl, names[i], "From: carol@one.test\r\n\r\n"), SL("250 ")));
        CHECK_SL(sl_cstr(handed.rcpts), "here:alice@home.test");
    }
    talk(&cl, "MAIL FROM:<carol@one.test>");
    CHECK(sl_starts(talk(&cl, "RCPT TO:<alice@mx.home.test>"), SL("550 ")));
    client_close(&cl);
    world_end(&w);
}

static void refuse_unknown(struct world *w) { w->intake.refuse_unknown_domains = true; }

/* Only names that are surely not there count: what the DNS does not tell refuses nothing. */
TEST(mx_domains_that_do_not_exist)
{
    static const struct {
        const char *sender, *from, *refused;
    } cases[] = {
        {"x@gone.test", "x@suspect.test", "550 5.1.8 The domain gone.test of the sender"},
        {"carol@one.test", "x@gone.test", "550 5.1.8 The domain gone.test of the author"},
        {"x@a.b.gone.test", "x@suspect.test", "550 5.1.8 "},
        {"", "x@suspect.test", "250 "},
        {"x@[192.0.2.1]", "x@suspect.test", "250 "},
        {"carol@one.test", "carol@one.test", "250 "},
    };
    for (int refuses = 0; refuses < 2; refuses++) {
        struct world w;
        struct client cl;
        world_begin(&w, refuses ? refuse_unknown : NULL);
        client_open(&cl, &w, SMTPD_MX);
        talk(&cl, "EHLO mail.one.test");
        for (size_t i = 0; i < COUNT_OF(cases); i++) {
            const char *want = refuses ? cases[i].refused : "250 ";
            talk(&cl, ar_cstr(&cl.a, ar_printf(&cl.a, "MAIL FROM:<%s>", cases[i].sender)));
            talk(&cl, "RCPT TO:<alice@home.test>");
            struct slice said = client_letter(&cl, ar_printf(&cl.a, "From: %s\r\n\r\n.\r\n", cases[i].from));
            if (!sl_starts(said, sl_cstr(want)))
                test_fail(__FILE__, __LINE__, "%s, %s: %.*s", cases[i].sender, cases[i].from, SLF(said));
        }
        client_close(&cl);
        world_end(&w);
    }
}

TEST(mx_quoted_senders_keep_their_quotes)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test");
    static const char *const senders[] = {"\"a b\"@one.test", "\"\\\"a\\\"\"@one.test", "\"a>b\"@one.test",
                                          "\"x@y\"@one.test"};
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        talk(&cl, ar_cstr(&cl.a, ar_printf(&cl.a, "MAIL FROM:<%s>", senders[i])));
        talk(&cl, "RCPT TO:<alice@home.test>");
        CHECK(sl_starts(client_letter(&cl, SL("From: carol@one.test\r\n\r\n.\r\n")), SL("250 ")));
        CHECK_SL(sl_cstr(handed.sender), senders[i]);
        CHECK(sl_starts(handed.bytes, ar_printf(&cl.a, "Return-Path: <%s>\r\n", senders[i])));
    }
    client_close(&cl);
    world_end(&w);
}

TEST(mx_our_own_limits_cost_no_budget)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    client_envelope(&cl, "carol@one.test"); /* one accepted, then many that are gone, as in an old list */
    for (int i = 0; i < 150; i++) CHECK(sl_starts(talk(&cl, "RCPT TO:<gone@home.test>"), SL("550 5.1.1 ")));
    CHECK(sl_starts(client_letter(&cl, sl_cstr(letter)), SL("250 ")));
    CHECK(sl_starts(client_reply(&cl), SL("421 "))); /* with nothing left to lose */
    client_close(&cl);
    client_open(&cl, &w, SMTPD_MX);
    client_envelope(&cl, "carol@one.test");
    for (int i = 1; i < 1000; i++) CHECK(sl_starts(talk(&cl, "RCPT TO:<bob@home.test>"), SL("250 ")));
    for (int i = 0; i < 100; i++) CHECK(sl_starts(talk(&cl, "RCPT TO:<bob@home.test>"), SL("452 4.5.3 ")));
    CHECK(sl_starts(client_letter(&cl, sl_cstr(letter)), SL("250 ")));
    client_close(&cl);
    world_end(&w);
}

TEST(mx_budgets)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    for (int i = 0; i < 19; i++) CHECK(sl_starts(talk(&cl, "BAD"), SL("500 ")));
    CHECK(sl_starts(talk(&cl, "BAD"), SL("500 ")));
    CHECK(sl_starts(client_reply(&cl), SL("421 4.7.0 Too many errors")));
    CHECK_SL(client_reply(&cl), "");
    client_close(&cl);
    client_open(&cl, &w, SMTPD_MX);
    for (int i = 0; i < 100; i++) CHECK(sl_starts(talk(&cl, "NOOP"), SL("250 ")));
    CHECK(sl_starts(client_reply(&cl), SL("421 4.7.0 Too many commands without a letter")));
    client_close(&cl);
    client_open(&cl, &w, SMTPD_MX);
    CHECK(sl_starts(talk(&cl, "GET / HTTP/1.1"), SL("421 4.7.0 This is a mail server")));
    CHECK_SL(client_reply(&cl), "");
    client_close(&cl);
    world_end(&w);
}

static void short_idle(struct world *w) { w->conf.idle_s = 1; }

TEST(mx_idle_and_broken_connections)
{
    struct world w;
    struct client cl;
    world_begin(&w, short_idle);
    client_open(&cl, &w, SMTPD_MX);
    CHECK_SL(client_reply(&cl), "421 4.4.2 Nothing was said for too long");
    client_close(&cl);
    client_open(&cl, &w, SMTPD_MX);
    client_envelope(&cl, "carol@one.test");
    talk(&cl, "DATA");
    client_send(&cl, SL("From: carol@one.test\r\n\r\nhalf a letter\r\n"));
    client_close(&cl); /* no dot: nothing may come of it */
    client_open(&cl, &w, SMTPD_MX);
    client_send(&cl, SL("EHLO mail.one.test\r\nSTARTTLS\r\nMAIL FROM:<injected@one.test>\r\n"));
    client_reply(&cl);
    CHECK(sl_starts(client_reply(&cl), SL("421 4.7.0 Commands were sent after STARTTLS")));
    CHECK_SL(client_reply(&cl), "");
    client_close(&cl);
    world_end(&w);
    CHECK_INT(handed.count, 0);
}
