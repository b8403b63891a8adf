/* submission_test.c - mail from our users: logins, who may send as whom, repairs, signatures. */
#include "base/test.h"
#include "base/text.h"
#include "rt/test_rt.h"
#include "store/store.h"
#include "talk_test.h"

/* On port 465, logged in as alice. */
static void alice(struct client *cl, struct world *w)
{
    client_open(cl, w, SMTPD_SUBMISSIONS);
    talk(cl, "EHLO laptop");
    CHECK_SL(talk_plain(cl, "alice@home.test", "wonderland"), "235 2.7.0 Welcome");
}

TEST(submission_of_a_letter)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_SUBMISSION);
    struct slice ehlo = talk(&cl, "EHLO my_laptop");
    CHECK(has(ehlo, "STARTTLS") && !has(ehlo, "AUTH"));
    CHECK_SL(talk(&cl, "MAIL FROM:<alice@home.test>"), "530 5.7.0 Begin TLS with STARTTLS, then log in");
    CHECK_SL(talk_plain(&cl, "alice@home.test", "wonderland"),
             "538 5.7.11 Begin TLS with STARTTLS before you log in");
    client_starttls(&cl, &w);
    ehlo = talk(&cl, "EHLO my_laptop");
    CHECK(has(ehlo, "250 AUTH SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN") && !has(ehlo, "STARTTLS"));
    CHECK_SL(talk(&cl, "MAIL FROM:<alice@home.test>"), "530 5.7.0 Log in first");
    CHECK_SL(talk_plain(&cl, "alice@home.test", "wonderland"), "235 2.7.0 Welcome");
    CHECK_SL(talk(&cl, "MAIL FROM:<alice@home.test>"), "250 2.1.0 Sender is fine");
    CHECK_SL(talk(&cl, "RCPT TO:<carol@one.test>"), "250 2.1.5 Recipient is fine");
    CHECK_SL(talk(&cl, "RCPT TO:<bob@home.test>"), "250 2.1.5 Recipient is fine");
    CHECK(sl_starts(client_letter(&cl, SL("From: Alice <alice@home.test>\r\nTo: carol@one.test\r\nBcc: "
                                          "bob@home.test\r\n\r\nHello\r\n.\r\n")),
                    SL("250 2.0.0 Accepted as ")));
    CHECK_SL(sl_cstr(handed.rcpts), "carol@one.test here:bob@home.test");
    CHECK(handed.submitter[0]);
    CHECK(!has(handed.bytes, "Bcc"));
    CHECK(has(handed.bytes, "\r\nDate: ") && has(handed.bytes, "\r\nMessage-ID: <"));
    CHECK(has(handed.bytes, "with ESMTPSA (TLSv1.3") || has(handed.bytes, "with\r\n ESMTPSA (TLSv1.3"));
    CHECK(has(handed.bytes, "Authentication-Results: mx.home.test;\r\n\tauth=pass"));
    CHECK(has(handed.bytes, "DKIM-Signature: "));
    CHECK(has(handed.bytes, "d=home.test"));
    CHECK_SL(sl_from(handed.bytes, handed.head_size), "Hello\r\n");
    client_close(&cl);
    world_end(&w);
}

TEST(a_letter_sent_as_an_alias_does_not_tell_the_login)
{
    struct world w;
    struct client cl;
    struct slice to = SL("alice@home.test");
    world_begin(&w, NULL);
    CHECK_OK(alias_add(w.store->directory, SL("sales@home.test"), &to, 1));
    alice(&cl, &w);
    CHECK_SL(talk(&cl, "MAIL FROM:<sales@home.test>"), "250 2.1.0 Sender is fine");
    CHECK_SL(talk(&cl, "RCPT TO:<carol@one.test>"), "250 2.1.5 Recipient is fine");
    CHECK(sl_starts(client_letter(&cl, SL("From: sales@home.test\r\n\r\nHello\r\n.\r\n")), SL("250 2.0.0 ")));
    CHECK(has(handed.bytes, "auth=pass") && !has(handed.bytes, "alice"));
    client_close(&cl);
    world_end(&w);
}

TEST(submission_under_own_addresses_only)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    alice(&cl, &w);
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<bob@home.test>"), SL("550 5.7.1 ")));
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<alice@one.test>"), SL("550 5.7.1 ")));
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<Alice+tag@HOME.test>"), SL("250 ")));
    talk(&cl, "RCPT TO:<carol@one.test>");
    CHECK(sl_starts(client_letter(&cl, SL("From: Boss <bob@home.test>\r\n\r\nx\r\n.\r\n")),
                    SL("550 5.7.1 In From: ")));
    talk(&cl, "MAIL FROM:<alice@home.test>");
    talk(&cl, "RCPT TO:<carol@one.test>");
    CHECK(
        sl_starts(client_letter(&cl, SL("From: alice@home.test\r\nSender: bob@home.test\r\n\r\nx\r\n.\r\n")),
                  SL("550 5.7.1 In Sender: ")));
    talk(&cl, "MAIL FROM:<alice@home.test>");
    talk(&cl, "RCPT TO:<carol@one.test>");
    CHECK(sl_starts(client_letter(&cl, SL("From: alice@home.test\r\nFrom: bob@home.test\r\n\r\nx\r\n.\r\n")),
                    SL("554 5.6.0 ")));
    talk(&cl, "MAIL FROM:<>"); /* a receipt */
    talk(&cl, "RCPT TO:<carol@one.test>");
    CHECK(sl_starts(client_letter(&cl, SL("From: alice@home.test\r\n\r\nread\r\n.\r\n")), SL("250 ")));
    CHECK_SL(sl_cstr(handed.sender), "");
    CHECK_INT(handed.count, 1);
    client_close(&cl);
    world_end(&w);
}

/* RFC 5322 section 3.6.6: the newest resent fields say who sends it. */
TEST(submission_of_a_letter_sent_again)
{
    static const struct {
        const char *head, *answer;
    } cases[] = {
        {"Resent-From: alice@home.test\r\nResent-To: carol@one.test\r\nFrom: carol@one.test\r\n", "250 "},
        {"Resent-From: alice@home.test\r\nResent-From: carol@one.test\r\nFrom: carol@one.test\r\n", "250 "},
        {"Resent-From: carol@one.test\r\nFrom: alice@home.test\r\n", "550 5.7.1 In Resent-From: "},
        {"Resent-Sender: carol@one.test\r\nResent-From: alice@home.test\r\nFrom: carol@one.test\r\n",
         "550 5.7.1 In Resent-Sender: "},
        {"Resent-From: carol@one.test\r\nResent-From: alice@home.test\r\nFrom: carol@one.test\r\n",
         "550 5.7.1 In Resent-From: "},
        {"Resent-From: alice@home.test, x@one.test\r\nFrom: carol@one.test\r\n",
         "550 5.7.1 In Resent-From: "},
        {"Resent-From: alice@home.test\r\nFrom: bob@home.test\r\n", "550 5.7.1 In From: "},
        {"Resent-From: nobody\r\nFrom: carol@one.test\r\n", "554 5.6.0 "},
        {"Resent-Sender: alice@home.test\r\nFrom: carol@one.test\r\n", "554 5.6.0 "},
        {"Resent-To: carol@one.test\r\nFrom: carol@one.test\r\n", "550 5.7.1 In From: "},
        {"Resent-Subject: x\r\nSubject: y\r\nResent-From: alice@home.test\r\nFrom: carol@one.test\r\n",
         "550 5.7.1 In From: "},
    };
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    alice(&cl, &w);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena a = {0};
        talk(&cl, "MAIL FROM:<alice@home.test>");
        talk(&cl, "RCPT TO:<dave@one.test>");
        struct slice said =
            client_letter(&cl, ar_printf(&a, "%sDate: x\r\n\r\nHello\r\n.\r\n", cases[i].head));
        if (!sl_starts(said, sl_cstr(cases[i].answer)))
            test_fail(__FILE__, __LINE__, "%s: %.*s", cases[i].head, SLF(said));
        if (*cases[i].answer == '2')
            CHECK(has(handed.bytes, "DKIM-Signature: ") && has(handed.bytes, "d=home.test"));
        ar_free(&a);
    }
    client_close(&cl);
    world_end(&w);
}

TEST(submission_wants_well_formed_letters)
{
    struct world w;
    struct client cl;
    struct buf b = BUF_INIT;
    world_begin(&w, NULL);
    alice(&cl, &w);
    static const char *const bad[] = {
        "Subject: no author\r\n\r\n.\r\n", "From: alice@home.test\r\nnot a field\r\n\r\n.\r\n",
        "From: alice@home.test\r\nSubject: a\r\nSubject: b\r\n\r\n.\r\n", ".\r\n"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        talk(&cl, "MAIL FROM:<alice@home.test>");
        talk(&cl, "RCPT TO:<carol@one.test>");
        CHECK(
            sl_starts(client_letter(&cl, sl_cstr(bad[i])), SL("554 5.6.0 The letter is not well-formed: ")));
    }
    buf_str(&b, "From: alice@home.test\r\n\r\n");
    for (int i = 0; i < 999; i++) buf_char(&b, 'x');
    buf_str(&b, "\r\n.\r\n");
    talk(&cl, "MAIL FROM:<alice@home.test>");
    talk(&cl, "RCPT TO:<carol@one.test>");
    CHECK(sl_starts(client_letter(&cl, buf_slice(&b)),
                    SL("554 5.6.0 A line of the letter is longer than 998 bytes")));
    client_close(&cl);
    buf_free(&b);
    world_end(&w);
}

/* ---- logins ---- */

static struct slice b64(struct client *cl, const char *s) { return b64_encode_ar(&cl->a, sl_cstr(s)); }

TEST(login_in_every_way)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_SUBMISSIONS);
    talk(&cl, "EHLO x");
    CHECK_SL(talk(&cl, "AUTH LOGIN"), "334 VXNlcm5hbWU6");
    CHECK_SL(talk(&cl, ar_cstr(&cl.a, b64(&cl, "alice@home.test"))), "334 UGFzc3dvcmQ6");
    CHECK_SL(talk(&cl, ar_cstr(&cl.a, b64(&cl, "wonderland"))), "235 2.7.0 Welcome");
    CHECK_SL(talk(&cl, "AUTH PLAIN"), "503 5.5.1 You are logged in already");
    client_close(&cl);
    client_open(&cl, &w, SMTPD_SUBMISSIONS);
    talk(&cl, "EHLO x");
    CHECK_SL(talk(&cl, "AUTH PLAIN"), "334 ");
    struct slice plain =
        b64_encode_ar(&cl.a, ar_printf(&cl.a, "%calice%cwonderland", 0, 0)); /* one domain: no @ needed */
    CHECK_SL(talk(&cl, ar_cstr(&cl.a, plain)), "235 2.7.0 Welcome");
    client_close(&cl);
    client_open(&cl, &w, SMTPD_SUBMISSIONS);
    talk(&cl, "EHLO x");
    CHECK_SL(talk(&cl, "AUTH PLAIN"), "334 ");
    CHECK_SL(talk(&cl, "*"), "501 5.7.0 The login is given up");
    CHECK_SL(talk(&cl, "AUTH CRAM-MD5"), "504 5.5.4 this way to log in is not known here, known are "
                                         "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN");
    CHECK(sl_starts(talk(&cl, "AUTH PLAIN !!!"), SL("501 5.5.2 ")));
    CHECK(sl_starts(talk(&cl, "AUTH PLAIN AAAA"), SL("501 5.5.2 ")));
    CHECK_SL(talk(&cl, "NOOP"), "250 2.0.0 Done, nothing");
    client_close(&cl);
    world_end(&w);
}

TEST(login_refused)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    CHECK_OK(account_disable(w.store->directory, SL("bob@home.test"), true));
    client_open(&cl, &w, SMTPD_SUBMISSIONS);
    talk(&cl, "EHLO x");
    CHECK_SL(talk_plain(&cl, "nobody@home.test", "x"), "535 5.7.8 User name or password is wrong");
    CHECK_SL(talk_plain(&cl, "bob@home.test", "builder"), "535 5.7.8 User name or password is wrong");
    CHECK_SL(talk_plain(&cl, "alice@home.test", "wrong"),
             "421 4.7.0 Too many failed logins; try again later");
    CHECK_SL(client_reply(&cl), "");
    client_close(&cl);
    client_open(&cl, &w, SMTPD_SUBMISSIONS);
    talk(&cl, "EHLO x");
    struct slice as_bob =
        b64_encode_ar(&cl.a, ar_printf(&cl.a, "bob@home.test%calice@home.test%cwonderland", 0, 0));
    CHECK(sl_starts(talk(&cl, ar_cstr(&cl.a, ar_printf(&cl.a, "AUTH PLAIN %.*s", SLF(as_bob)))),
                    SL("535 5.7.8 ")));
    client_close(&cl);
    world_end(&w);
}

/* The client's half of SCRAM-SHA-256 (RFC 5802 section 3), by hand. */
static struct slice scram_proof(struct client *cl, const char *password, struct slice bare,
                                struct slice server_first, struct slice final_bare)
{
    struct slice rest = server_first, part, salt;
    uint8_t raw[16], client_key[32], stored[32], sig[32];
    struct scram_keys k;
    uint64_t rounds;
    CHECK(sl_next(&rest, ',', &part) && sl_next(&rest, ',', &part));
    CHECK_OK(b64_decode_ar(&cl->a, sl_from(part, 2), true, &salt));
    CHECK(sl_next(&rest, ',', &part) && num_u64(sl_from(part, 2), UINT32_MAX, &rounds) &&
          salt.n == sizeof raw);
    memcpy(raw, salt.p, sizeof raw);
    (void)k;
    /* Hi() is PBKDF2; U1 = HMAC(password, salt + INT(1)) */
    uint8_t u[32], hi[32];
    hmac_sha256(sl_cstr(password), ar_cat(&cl->a, sl(raw, 16), sl("\0\0\0\1", 4)), u);
    memcpy(hi, u, 32);
    for (uint64_t i = 1; i < rounds; i++) {
        hmac_sha256(sl_cstr(password), sl(u, 32), u);
        for (int j = 0; j < 32; j++) hi[j] ^= u[j];
    }
    hmac_sha256(sl(hi, 32), SL("Client Key"), client_key);
    hash_once(HASH_SHA256, sl(client_key, 32), stored);
    hmac_sha256(sl(stored, 32),
                ar_printf(&cl->a, "%.*s,%.*s,%.*s", SLF(bare), SLF(server_first), SLF(final_bare)), sig);
    for (int i = 0; i < 32; i++) client_key[i] ^= sig[i];
    return b64_encode_ar(&cl->a, sl(client_key, 32));
}

static struct slice scram(struct client *cl, const char *user, const char *password)
{
    struct arena *a = &cl->a;
    struct slice bare = ar_printf(a, "n=%s,r=fyko+d2lbbFgONRv9qkxdawL", user), first, server_first, nonce;
    first = b64_encode_ar(a, ar_printf(a, "n,,%.*s", SLF(bare)));
    struct slice reply = talk(cl, ar_cstr(a, ar_printf(a, "AUTH SCRAM-SHA-256 %.*s", SLF(first))));
    if (!sl_starts(reply, SL("334 "))) return reply;
    CHECK_OK(b64_decode_ar(a, sl_from(reply, 4), true, &server_first));
    struct slice rest = server_first;
    CHECK(sl_next(&rest, ',', &nonce));
    struct slice final_bare = ar_printf(a, "c=biws,%.*s", SLF(nonce));
    struct slice proof = scram_proof(cl, password, bare, server_first, final_bare);
    reply = talk(cl, ar_cstr(a, b64_encode_ar(a, ar_printf(a, "%.*s,p=%.*s", SLF(final_bare), SLF(proof)))));
    return sl_starts(reply, SL("334 ")) ? talk(cl, "") : reply;
}

TEST(login_with_scram)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_SUBMISSIONS);
    talk(&cl, "EHLO x");
    CHECK_SL(scram(&cl, "alice@home.test", "wrong"), "535 5.7.8 User name or password is wrong");
    CHECK_SL(scram(&cl, "nobody@home.test", "x"), "535 5.7.8 User name or password is wrong");
    CHECK_SL(scram(&cl, "alice@home.test", "wonderland"), "235 2.7.0 Welcome");
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<alice@home.test>"), SL("250 ")));
    client_close(&cl);
    world_end(&w);
}

static void no_plus(struct world *w) { w->conf.logins = SASL_SCRAM | SASL_PLAIN; }

TEST(submission_offers_what_the_setting_says)
{
    struct world w;
    struct client cl;
    world_begin(&w, no_plus);
    client_open(&cl, &w, SMTPD_SUBMISSION);
    client_starttls(&cl, &w);
    CHECK(has(talk(&cl, "EHLO me"), "250 AUTH SCRAM-SHA-256 PLAIN"));
    CHECK_SL(talk(&cl, "AUTH SCRAM-SHA-256-PLUS"),
             "504 5.5.4 this way to log in is not known here, known are SCRAM-SHA-256 PLAIN");
    CHECK(sl_starts(talk(&cl, "AUTH LOGIN"), SL("504 ")));
    /* y: the client could bind and sees that we do not offer it */
    CHECK(sl_starts(talk(&cl, "AUTH SCRAM-SHA-256 eSwsbj1hbGljZUBob21lLnRlc3Qscj1mcm9iYXJmcm9iYXI="),
                    SL("334 ")));
    CHECK(sl_starts(talk(&cl, "*"), SL("501 ")));
    CHECK_SL(talk_plain(&cl, "alice@home.test", "wonderland"), "235 2.7.0 Welcome");
    CHECK(!has(talk(&cl, "EHLO me"), "AUTH"));
    client_close(&cl);
    world_end(&w);
}

static void from_alice(struct client *cl)
{
    CHECK(sl_starts(talk(cl, "MAIL FROM:<alice@home.test>"), SL("250 ")));
    CHECK(sl_starts(talk(cl, "RCPT TO:<bob@home.test>"), SL("250 ")));
}

TEST(submission_mends_line_ends)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_SUBMISSION);
    client_starttls(&cl, &w);
    CHECK(sl_starts(talk(&cl, "EHLO me"), SL("250")));
    CHECK_SL(talk_plain(&cl, "alice@home.test", "wonderland"), "235 2.7.0 Welcome");
    from_alice(&cl);
    /* LF . LF, LF . CR LF and CR LF . LF end nothing: one letter comes of it */
    CHECK(sl_starts(
        client_letter(
            &cl, SL("From: alice@home.test\nSubject: x\n\none\n.\ntwo\n..\r\nMAIL FROM:<a@home.test>\r\n..\n"
                    "three\rfour\r\n.\r\n")),
        SL("250 2.0.0 Accepted as ")));
    CHECK_INT(handed.count, 1);
    CHECK(sl_ends(handed.bytes,
                  SL("\r\n\r\none\r\n.\r\ntwo\r\n..\r\nMAIL FROM:<a@home.test>\r\n.\r\nthree\r\nfour\r\n")));
    CHECK(has(handed.bytes, "\r\nSubject: x\r\n"));
    from_alice(&cl);
    client_send(&cl, SL("BDAT 27\r\nFrom: alice@home.test\n\none\nBDAT 5 LAST\r\ntwo\n."));
    CHECK(sl_starts(client_reply(&cl), SL("250 ")));
    CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
    CHECK(sl_ends(handed.bytes, SL("\r\n\r\none\r\ntwo\r\n.\r\n")));
    client_close(&cl);
    world_end(&w);
}

static int passwd(struct directory *d, struct slice who) { return account_password(d, who, SL("another")); }
static int disable(struct directory *d, struct slice who) { return account_disable(d, who, true); }

static void in_as(struct client *cl, struct world *w, const char *user, const char *password)
{
    client_open(cl, w, SMTPD_SUBMISSIONS);
    talk(cl, "EHLO x");
    CHECK_SL(talk_plain(cl, user, password), "235 2.7.0 Welcome");
}

/* Nothing that the client says or waits for ends these sessions before the reply is given up. */
TEST(submission_an_idle_session_ends_when_its_account_changes)
{
    static const char gone[] = "421 4.7.0 the account was changed: log in again";
    static int (*const change[])(struct directory *, struct slice) = {passwd, disable, account_remove};
    for (size_t i = 0; i < COUNT_OF(change); i++) {
        struct world w;
        struct client idle, begun, data, bob;
        world_begin(&w, NULL);
        in_as(&idle, &w, "alice@home.test", "wonderland");
        in_as(&begun, &w, "alice@home.test", "wonderland");
        CHECK(sl_starts(talk(&begun, "MAIL FROM:<alice@home.test>"), SL("250 ")));
        in_as(&data, &w, "alice@home.test", "wonderland");
        CHECK(sl_starts(talk(&data, "MAIL FROM:<alice@home.test>"), SL("250 ")));
        CHECK(sl_starts(talk(&data, "RCPT TO:<bob@home.test>"), SL("250 ")));
        CHECK(sl_starts(talk(&data, "DATA"), SL("354 ")));
        in_as(&bob, &w, "bob@home.test", "builder");
        CHECK_OK(change[i](w.store->directory, SL("alice@home.test")));
        CHECK_SL(client_reply(&idle), gone);
        CHECK_SL(client_reply(&idle), "");
        CHECK_SL(client_reply(&begun), gone);
        struct slice late = talk(&data, "From: alice@home.test\r\n\r\nlate\r\n.");
        if (change[i] != account_remove) CHECK_SL(late, gone);
        else CHECK(sl_starts(late, SL("550 5.7.1 "))); /* nobody has that address any more */
        CHECK_INT(handed.count, 0);
        CHECK_SL(talk(&bob, "NOOP"), "250 2.0.0 Done, nothing"); /* another account's goes on */
        client_close(&idle);
        client_close(&begun);
        client_close(&data);
        client_close(&bob);
        world_end(&w);
    }
}

/* RFC 7301: who names other protocols only meant somebody else; who names none is served. */
TEST(smtp_tls_for_another_protocol_is_refused)
{
    static const char *const wrong[] = {"imap", "http/1.1", NULL}, *const right[] = {"h2", "smtp", NULL};
    static const struct {
        const char *const *alpn;
        int error;
    } cases[] = {{wrong, ERR_TLS}, {right, 0}, {NULL, 0}};
    struct world w;
    world_begin(&w, NULL);
    for (size_t i = 0; i < 3 * COUNT_OF(cases); i++) {
        enum smtpd_kind kind = (enum smtpd_kind)(i % 3);
        struct tls_peer peer = {.name = SL("mx.home.test"), .alpn = cases[i / 3].alpn};
        struct client cl = {0};
        ASSERT(conn_dial(&cl.c, listener_at(w.door[kind].l), NULL) == 0);
        if (kind != SMTPD_SUBMISSIONS) CHECK_SL(client_reply(&cl), "220 mx.home.test ESMTP Tram");
        if (kind != SMTPD_SUBMISSIONS) CHECK_SL(talk(&cl, "STARTTLS"), "220 2.0.0 Begin TLS");
        CHECK_ERR(conn_tls_connect(cl.c, w.client_tls, &peer), cases[i / 3].error);
        client_close(&cl);
    }
    world_end(&w);
}

/* ---- how much somebody may send ---- */

static struct allowance *allowance;

static void limited(struct world *w)
{
    static const struct sender_limits few = {.v = {[SENDER_LETTERS_HOUR] = 100,
                                                   [SENDER_LETTERS_DAY] = 3,
                                                   [SENDER_RCPTS_HOUR] = 4,
                                                   [SENDER_RCPTS_DAY] = 100,
                                                   [SENDER_FRESH_DAY] = 3,
                                                   [SENDER_RCPTS_LETTER] = 3,
                                                   [SENDER_HELD] = 2,
                                                   [SENDER_HELD_MIB] = 1}};
    allowance_open(&allowance, w->store->kv, &few);
    w->intake.allowance = allowance;
    w->intake.take = intake_take;
}

static void limits_end(struct world *w)
{
    world_end(w);
    allowance_close(&allowance);
}

static struct slice send_to(struct client *cl, const char *rcpt)
{
    CHECK_SL(talk(cl, "MAIL FROM:<alice@home.test>"), "250 2.1.0 Sender is fine");
    CHECK_SL(talk(cl, rcpt), "250 2.1.5 Recipient is fine");
    return client_letter(cl, SL("From: alice@home.test\r\n\r\nHello\r\n.\r\n"));
}

TEST(submission_within_limits)
{
    struct world w;
    struct client cl;
    world_begin(&w, limited);
    alice(&cl, &w);
    talk(&cl, "MAIL FROM:<alice@home.test>");
    for (int i = 0; i < 3; i++)
        CHECK_SL(
            talk(&cl, i ? i == 1 ? "RCPT TO:<b@one.test>" : "RCPT TO:<A@one.test>" : "RCPT TO:<a@one.test>"),
            "250 2.1.5 Recipient is fine");
    CHECK_SL(talk(&cl, "RCPT TO:<c@one.test>"),
             "452 4.5.3 One letter can have 3 recipients; send another one to the others");
    CHECK(sl_starts(client_letter(&cl, SL("From: alice@home.test\r\n\r\nHello\r\n.\r\n")), SL("250 ")));
    talk(&cl, "MAIL FROM:<alice@home.test>");
    CHECK_SL(talk(&cl, "RCPT TO:<c@one.test>"), "250 2.1.5 Recipient is fine");
    struct slice said = talk(&cl, "RCPT TO:<a@one.test>");
    CHECK(sl_starts(said,
                    SL("450 4.7.1 The limit is reached: 4 recipients an hour; more can be sent from 20")));
    CHECK(sl_ends(said, SL("Z on")));
    CHECK_INT(handed.count, 2); /* alice, who is postmaster here, was told; once */
    CHECK(has(handed.bytes, "Subject: A sending limit is reached: alice@home.test") && !handed.sender[0]);
    CHECK(sl_starts(client_letter(&cl, SL("From: alice@home.test\r\n\r\nHello\r\n.\r\n")), SL("250 ")));
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<alice@home.test>"), SL("450 4.7.1 ")));
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<>"), SL("450 4.7.1 "))); /* receipts count as well */
    CHECK_INT(handed.count, 3);
    client_close(&cl);
    limits_end(&w);
}

static struct slice send_held(struct client *cl, const char *mail, struct slice body)
{
    struct slice said = talk(cl, mail);
    if (!sl_starts(said, SL("250 "))) return said;
    CHECK_SL(talk(cl, "RCPT TO:<bob@home.test>"), "250 2.1.5 Recipient is fine");
    CHECK(sl_starts(talk(cl, "DATA"), SL("354 ")));
    client_send(cl, SL("From: alice@home.test\r\n\r\n"));
    client_send(cl, body);
    client_send(cl, SL("\r\n.\r\n"));
    return client_reply(cl);
}

/* RFC 4865 section 6 items 2 to 5: at MAIL by what it says, at the end by what came; what is not taken is not
 * counted. */
TEST(submission_holds_so_many_letters_for_later)
{
    struct world w;
    struct client cl;
    struct buf large = BUF_INIT;
    struct sender_limits change;
    world_begin(&w, limited);
    for (int k = 0; k < SENDER_LIMITS; k++) change.v[k] = SENDER_AS_IT_IS;
    change.v[SENDER_LETTERS_DAY] = change.v[SENDER_RCPTS_HOUR] = SENDER_UNLIMITED;
    CHECK_OK(account_set_limits(w.store->directory, SL("alice@home.test"), &change));
    alice(&cl, &w);
    for (int i = 0; i < 20000; i++)
        buf_str(&large, "a line of sixty characters, which comes again and again...\r\n");
    CHECK_SL(talk(&cl, "MAIL FROM:<alice@home.test> HOLDFOR=600 SIZE=1048577"),
             "552 5.7.16 That is above the limit: 1 MiB held for later");
    CHECK_SL(send_held(&cl, "MAIL FROM:<alice@home.test> HOLDFOR=600", buf_slice(&large)),
             "552 5.7.16 That is above the limit: 1 MiB held for later");
    CHECK(sl_starts(send_held(&cl, "MAIL FROM:<alice@home.test> HOLDFOR=600", SL("x")), SL("250 ")));
    CHECK(sl_starts(send_held(&cl, "MAIL FROM:<alice@home.test> HOLDFOR=60", SL("x")), SL("250 ")));
    CHECK(sl_starts(send_held(&cl, "MAIL FROM:<alice@home.test> HOLDFOR=60", SL("x")),
                    SL("552 5.7.16 The limit is reached: 2 letters held for later; more can be sent from ")));
    CHECK(sl_starts(send_held(&cl, "MAIL FROM:<alice@home.test>", SL("x")), SL("250 "))); /* at once */
    buf_free(&large);
    client_close(&cl);
    limits_end(&w);
}

/* The budget of a session counts faults of its client, not our limits: each recipient hears when to come
 * again, the session goes on, and a letter is taken. */
TEST(recipients_that_are_put_off_cost_no_session)
{
    struct world w;
    struct client cl;
    struct sender_limits change;
    world_begin(&w, limited);
    for (int k = 0; k < SENDER_LIMITS; k++) change.v[k] = SENDER_AS_IT_IS;
    change.v[SENDER_FRESH_DAY] = 1;
    change.v[SENDER_RCPTS_HOUR] = SENDER_UNLIMITED;
    CHECK_OK(account_set_limits(w.store->directory, SL("alice@home.test"), &change));
    alice(&cl, &w);
    CHECK(sl_starts(send_to(&cl, "RCPT TO:<carol@one.test>"), SL("250 ")));
    CHECK_SL(talk(&cl, "MAIL FROM:<alice@home.test>"), "250 2.1.0 Sender is fine");
    for (int i = 0; i < 300; i++)
        CHECK(sl_starts(talk(&cl, "RCPT TO:<dave@one.test>"), SL("450 4.7.1 The limit is reached: 1 new ")));
    CHECK_SL(talk(&cl, "RCPT TO:<carol@one.test>"), "250 2.1.5 Recipient is fine");
    CHECK(sl_starts(client_letter(&cl, SL("From: alice@home.test\r\n\r\nHello\r\n.\r\n")), SL("250 ")));
    client_close(&cl);
    limits_end(&w);
}

/* What a session read when it began is not what binds. */
TEST(limits_that_are_changed_bind_sessions_that_are_open)
{
    struct world w;
    struct client cl;
    struct sender_limits change;
    world_begin(&w, limited);
    alice(&cl, &w);
    for (int k = 0; k < SENDER_LIMITS; k++) change.v[k] = SENDER_AS_IT_IS;
    change.v[SENDER_RCPTS_DAY] = 0;
    CHECK_OK(account_set_limits(w.store->directory, SL("alice@home.test"), &change));
    CHECK_SL(talk(&cl, "MAIL FROM:<alice@home.test>"),
             "550 5.7.1 That is above the limit: 0 recipients a day");
    change.v[SENDER_RCPTS_DAY] = SENDER_UNLIMITED;
    CHECK_OK(account_set_limits(w.store->directory, SL("alice@home.test"), &change));
    for (int i = 0; i < 5; i++) CHECK(sl_starts(send_to(&cl, "RCPT TO:<bob@home.test>"), SL("250 ")));
    change.v[SENDER_FRESH_DAY] = 1;
    CHECK_OK(account_set_limits(w.store->directory, SL("alice@home.test"), &change));
    CHECK(sl_starts(send_to(&cl, "RCPT TO:<carol@one.test>"), SL("250 ")));
    talk(&cl, "MAIL FROM:<alice@home.test>");
    CHECK_SL(talk(&cl, "RCPT TO:<carol@one.test>"), "250 2.1.5 Recipient is fine");
    CHECK(sl_starts(talk(&cl, "RCPT TO:<dave@one.test>"),
                    SL("450 4.7.1 The limit is reached: 1 new recipients a day; ")));
    client_close(&cl);
    limits_end(&w);
}

/* A letter that was not taken is not counted, and one that comes in over two sessions at once counts once
 * each. */
TEST(what_is_not_taken_is_not_counted)
{
    struct world w;
    struct client cl, other;
    world_begin(&w, limited);
    alice(&cl, &w);
    alice(&other, &w);
    handed.fail_with = ERR_FULL;
    for (int i = 0; i < 5; i++) CHECK(sl_starts(send_to(&cl, "RCPT TO:<bob@home.test>"), SL("452 ")));
    handed.fail_with = 0;
    for (int i = 0; i < 2; i++) CHECK(sl_starts(send_to(&cl, "RCPT TO:<bob@home.test>"), SL("250 ")));
    CHECK_SL(talk(&other, "MAIL FROM:<alice@home.test>"), "250 2.1.0 Sender is fine");
    CHECK_SL(talk(&other, "RCPT TO:<bob@home.test>"), "250 2.1.5 Recipient is fine");
    CHECK(sl_starts(send_to(&cl, "RCPT TO:<bob@home.test>"), SL("250 ")));
    CHECK(sl_starts(client_letter(&other, SL("From: alice@home.test\r\n\r\nHello\r\n.\r\n")),
                    SL("450 4.7.1 The limit is reached: 3 letters a day; ")));
    client_close(&cl);
    client_close(&other);
    limits_end(&w);
}
