/* attack_test.c - one attacker after the other, and exactly what each hears; doors_test.c has those of every
 * door. docs/hygiene.md names the attacks. */
#include "base/test.h"
#include "rt/test_rt.h"
#include "talk_test.h"

enum how {
    CLEAR,
    IN_TLS,
    USER,
    ENVELOPE,
    BINARY
}; /* where the attack begins; ENVELOPE: in clear, after RCPT */

#define B(text) SL_INIT(text)
#define EHLO_OK "250-mx.home.test at your service*"
#define MAIL_OK "250 2.1.0 Sender is fine"
#define RCPT_OK "250 2.1.5 Recipient is fine"
#define GO_ON "354 Send the letter, end with a line that holds a dot only"
#define LF_ALONE                                                                                             \
    "554 5.5.2 A line of the letter ends in LF without CR; lines must end in CR LF (RFC 5321 section 2.3.8)"
#define CR_ALONE                                                                                             \
    "554 5.5.2 A line of the letter ends in CR without LF; lines must end in CR LF (RFC 5321 section 2.3.8)"
#define CONTROL "there is a control character in the command"
#define CLOSED ""

/* A reply that ends in * may go on. After the last one the session is still in step, if it is not closed. */
static const struct attack {
    const char *name;
    enum smtpd_kind kind;
    enum how how;
    struct slice sent;
    const char *reply[8];
} attacks[] = {
    {"commands behind STARTTLS",
     SMTPD_MX,
     CLEAR,
     B("EHLO x.test\r\nSTARTTLS\r\nMAIL FROM:<injected@one.test>\r\n"),
     {EHLO_OK, "421 4.7.0 Commands were sent after STARTTLS before its answer; the connection is closed",
      CLOSED}},
    {"the same on submission",
     SMTPD_SUBMISSION,
     CLEAR,
     B("EHLO x\r\nSTARTTLS\r\nAUTH PLAIN AGEAYg==\r\n"),
     {EHLO_OK, "421 4.7.0 Commands were sent after STARTTLS before its answer; the connection is closed",
      CLOSED}},
    {"no TLS behind STARTTLS", SMTPD_MX, CLEAR, B("STARTTLS\r\n"), {"220 2.0.0 Begin TLS", CLOSED}},
    {"no TLS on the port of TLS", SMTPD_SUBMISSIONS, CLEAR, B("EHLO x\r\nQUIT\r\n"), {CLOSED}},
    {"a password in clear",
     SMTPD_SUBMISSION,
     CLEAR,
     B("EHLO x\r\nAUTH PLAIN AGEAYg==\r\nMAIL FROM:<alice@home.test>\r\n"),
     {EHLO_OK, "538 5.7.11 Begin TLS with STARTTLS before you log in",
      "530 5.7.0 Begin TLS with STARTTLS, then log in"}},
    {"a login and commands in one piece",
     SMTPD_SUBMISSION,
     IN_TLS,
     B("AUTH LOGIN\r\nMAIL FROM:<alice@home.test>\r\nRCPT TO:<bob@home.test>\r\n"),
     {"334 VXNlcm5hbWU6", "501 5.5.2 *", "530 5.7.0 Log in first"}},
    {"a failed login and a letter in one piece",
     SMTPD_SUBMISSION,
     IN_TLS,
     B("AUTH PLAIN AGFsaWNlQGhvbWUudGVzdABubw==\r\nMAIL FROM:<alice@home.test>\r\nRCPT "
       "TO:<bob@home.test>\r\nDATA\r\n"),
     {"535 5.7.8 *", "530 5.7.0 Log in first", "530 5.7.0 Log in first", "530 5.7.0 Log in first"}},
    {"a second login",
     SMTPD_SUBMISSION,
     USER,
     B("AUTH PLAIN AGEAYg==\r\n"),
     {"503 5.5.1 You are logged in already"}},
    {"commands behind DATA",
     SMTPD_MX,
     ENVELOPE,
     B("DATA\r\nMAIL FROM:<x@one.test>\r\n\r\nFrom: carol@one.test\r\n.\r\nNOOP\r\n"),
     {GO_ON, "550 5.7.1 The author of this message cannot be determined: there is no From field",
      "250 2.0.0 Done, nothing"}},
    {"a second letter behind LF . LF",
     SMTPD_MX,
     ENVELOPE,
     B("DATA\r\nFrom: carol@one.test\r\n\r\na\n.\nMAIL FROM:<x@one.test>\r\nDATA\r\n.\r\n"),
     {GO_ON, LF_ALONE}},
    {"behind LF . CR LF",
     SMTPD_MX,
     ENVELOPE,
     B("DATA\r\nFrom: carol@one.test\r\n\r\na\n.\r\nMAIL FROM:<x@one.test>\r\nDATA\r\n.\r\n"),
     {GO_ON, LF_ALONE}},
    {"behind CR LF . LF",
     SMTPD_MX,
     ENVELOPE,
     B("DATA\r\nFrom: carol@one.test\r\n\r\na\r\n.\nMAIL FROM:<x@one.test>\r\nDATA\r\n.\r\n"),
     {GO_ON, LF_ALONE}},
    {"behind CR . CR",
     SMTPD_MX,
     ENVELOPE,
     B("DATA\r\nFrom: carol@one.test\r\n\r\na\r.\rMAIL FROM:<x@one.test>\rDATA\r.\r\n.\r\n"),
     {GO_ON, CR_ALONE}},
    {"behind CR LF . CR",
     SMTPD_MX,
     ENVELOPE,
     B("DATA\r\nFrom: carol@one.test\r\n\r\na\r\n.\rMAIL FROM:<x@one.test>\r\n.\r\n"),
     {GO_ON, CR_ALONE}},
    {"LF in a letter by BDAT",
     SMTPD_MX,
     ENVELOPE,
     B("BDAT 29 LAST\r\nFrom: carol@one.test\r\n\r\na\nb\r\n"),
     {LF_ALONE}},
    {"commands that end in LF",
     SMTPD_MX,
     CLEAR,
     B("EHLO x.test\nNOOP\r\n"),
     {"500 5.5.2 Lines must end in CR LF", "250 2.0.0 Done, nothing"}},
    {"commands that hold CR",
     SMTPD_MX,
     CLEAR,
     B("EHLO x.test\rRSET\r\nNOOP\r\n"),
     {"501 5.5.4 " CONTROL, "250 2.0.0 Done, nothing"}},
    {"NUL in a command",
     SMTPD_MX,
     CLEAR,
     B("EHLO x.test\r\nMAIL FROM:<a\0b@one.test>\r\n"),
     {EHLO_OK, "501 5.1.7 " CONTROL}},
    {"NUL in a header section",
     SMTPD_MX,
     ENVELOPE,
     B("DATA\r\nFrom: carol@one.test\r\nFrom\0: x@y.test\r\n\r\n.\r\n"),
     {GO_ON, "554 5.6.0 There is a NUL in the header section (RFC 5322 section 2.2)"}},
    {"a header section that a trace field would swallow",
     SMTPD_MX,
     ENVELOPE,
     B("DATA\r\n x\r\nFrom: carol@one.test\r\n\r\n.\r\n"),
     {GO_ON, "554 5.6.0 The first line of the header section begins with a blank"}},
    {"two authors' fields",
     SMTPD_MX,
     ENVELOPE,
     B("DATA\r\nFrom: carol@one.test\r\nFrom: x@strict.test\r\n\r\n.\r\n"),
     {GO_ON, "550 5.7.1 *"}},
    {"8-bit bytes in an address",
     SMTPD_MX,
     CLEAR,
     B("EHLO x.test\r\nMAIL FROM:<j\xc3\xbc@one.test>\r\n"),
     {EHLO_OK, "553 5.6.7 Addresses must be ASCII, or MAIL must say SMTPUTF8"}},
    {"8-bit bytes that are no UTF-8",
     SMTPD_MX,
     CLEAR,
     B("EHLO x.test\r\nMAIL FROM:<j\xfc@one.test> SMTPUTF8\r\n"),
     {EHLO_OK, "501 5.1.7 *"}},
    {"8-bit bytes in a name",
     SMTPD_MX,
     CLEAR,
     B("EHLO m\xe4il.test\r\n"),
     {"501 5.5.2 EHLO must give a host name *"}},
    {"8-bit bytes in a verb",
     SMTPD_MX,
     CLEAR,
     B("\xc3\x84HLO\r\n"),
     {"500 5.5.1 There is no such command; HELP lists those that there are"}},
    {"a chunk larger than any letter",
     SMTPD_MX,
     ENVELOPE,
     B("BDAT 9223372036854775807\r\n"),
     {"552 5.3.4 Letters of more than 52428800 bytes are not taken here", CLOSED}},
    {"a chunk of a size that is none",
     SMTPD_MX,
     ENVELOPE,
     B("BDAT 18446744073709551616\r\nBDAT -1\r\n"),
     {"501 5.5.4 BDAT is written BDAT size or BDAT size LAST",
      "501 5.5.4 BDAT is written BDAT size or BDAT size LAST"}},
    {"a chunk of commands without a letter",
     SMTPD_MX,
     CLEAR,
     B("EHLO x.test\r\nBDAT 6\r\nQUIT\r\nNOOP\r\n"),
     {EHLO_OK, "503 5.5.1 MAIL and an accepted RCPT come before BDAT", "250 2.0.0 Done, nothing"}},
    {"SIZE of a letter that is too large",
     SMTPD_MX,
     CLEAR,
     B("EHLO x.test\r\nMAIL FROM:<a@one.test> SIZE=52428801\r\n"),
     {EHLO_OK,
      "552 5.3.4 Letters of more than 52428800 bytes are not taken here; send less, or send a link"}},
    {"two subjects",
     SMTPD_MX,
     ENVELOPE,
     B("DATA\r\nFrom: carol@one.test\r\nSubject: a\r\nSubject: b\r\n\r\n.\r\n"),
     {GO_ON, "250 2.0.0 Accepted as *"}},
    {"a user's NUL",
     SMTPD_SUBMISSION,
     USER,
     B("MAIL FROM:<alice@home.test>\r\nRCPT TO:<bob@home.test>\r\nDATA\r\nFrom: alice@home.test\r\nX: "
       "a\0b\r\n\r\n.\r\n"),
     {MAIL_OK, RCPT_OK, GO_ON, "250 2.0.0 Accepted as *"}},
    {"a user's first line that begins with a blank",
     SMTPD_SUBMISSION,
     USER,
     B("MAIL FROM:<alice@home.test>\r\nRCPT TO:<bob@home.test>\r\nDATA\r\n x\r\nFrom: "
       "alice@home.test\r\n\r\n.\r\n"),
     {MAIL_OK, RCPT_OK, GO_ON, "554 5.6.0 The letter is not well-formed: *"}},
    {"a user's 8-bit address",
     SMTPD_SUBMISSION,
     USER,
     B("MAIL FROM:<alice@home.test>\r\nRCPT TO:<j\xc3\xbc@one.test>\r\n"),
     {MAIL_OK, "553 5.6.7 Addresses must be ASCII, or MAIL must say SMTPUTF8"}},
    {"another protocol",
     SMTPD_MX,
     CLEAR,
     B("GET / HTTP/1.1\r\nHost: x\r\n"),
     {"421 4.7.0 This is a mail server; HTTP is not spoken here", CLOSED}},
};

static void begin(struct client *cl, struct world *w, const struct attack *x)
{
    *cl = (struct client){0};
    ASSERT(conn_dial(&cl->c, listener_at(w->door[x->kind].l), NULL) == 0);
    if (x->kind == SMTPD_SUBMISSIONS) return;
    CHECK_SL(client_reply(cl), "220 mx.home.test ESMTP Tram");
    if (x->how == IN_TLS || x->how == USER) client_starttls(cl, w);
    if (x->how != CLEAR) CHECK(sl_starts(talk(cl, "EHLO mail.one.test"), SL("250-")));
    if (x->how == USER) CHECK_SL(talk_plain(cl, "alice@home.test", "wonderland"), "235 2.7.0 Welcome");
    if (x->how != ENVELOPE) return;
    CHECK_SL(talk(cl, "MAIL FROM:<carol@one.test>"), MAIL_OK);
    CHECK_SL(talk(cl, "RCPT TO:<alice@home.test>"), RCPT_OK);
}

static bool is_as_said(struct slice got, const char *want)
{
    struct slice w = sl_cstr(want);
    return sl_ends(w, SL("*")) ? sl_starts(got, sl_sub(w, 0, w.n - 1)) : sl_eq(got, w);
}

TEST(each_attack_hears_exactly_this)
{
    struct world w;
    world_begin(&w, NULL);
    for (size_t i = 0; i < COUNT_OF(attacks); i++) {
        const struct attack *x = &attacks[i];
        struct client cl;
        bool closed = false;
        begin(&cl, &w, x);
        client_send(&cl, x->sent);
        for (size_t k = 0; k < COUNT_OF(x->reply) && x->reply[k]; k++) {
            struct slice got = client_reply(&cl);
            closed |= !*x->reply[k];
            if (sl_eq(got, SL("220 2.0.0 Begin TLS")))
                client_send(&cl, SL("no TLS at all, whatever you make of it\r\n"));
            /* OpenSSL may tell in its own language that this is none; that is no reply */
            if (!is_as_said(got, x->reply[k]) && !(closed && (got.n == 0 || (unsigned char)got.p[0] < 32)))
                test_fail(__FILE__, __LINE__, "%s: answer %zu is \"%.*s\"", x->name, k, SLF(got));
        }
        if (!closed) CHECK_SL(talk(&cl, "NOOP"), "250 2.0.0 Done, nothing"); /* in step */
        client_close(&cl);
    }
    struct client cl; /* and the server is there for others */
    client_open(&cl, &w, SMTPD_MX);
    client_close(&cl);
    world_end(&w);
}
