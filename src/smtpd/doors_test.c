/* doors_test.c - the same attacks at each of the four doors: port 25, 587, 465, LMTP. What one of them hears
 * is written down for all; attack_test.c has more of them. docs/hygiene.md names the attacks. */
#include <stdlib.h>

#include "base/test.h"
#include "rt/test_rt.h"
#include "talk_test.h"

enum stage {
    GREETED,  /* on 465 within TLS */
    SECURED,  /* TLS on 587 and 465, EHLO or LHLO, no login */
    READY,    /* for MAIL: logged in on 587 and 465 */
    ENVELOPE, /* after MAIL and one RCPT */
};

static const struct door {
    const char *name, *hello, *sender;
} doors[SMTPD_DOORS] = {{"25", "EHLO mail.one.test", "carol@one.test"},
                        {"587", "EHLO laptop", "alice@home.test"},
                        {"465", "EHLO laptop", "alice@home.test"},
                        {"LMTP", "LHLO front.one.test", "carol@one.test"}};

/* "\1" becomes the door's sender, "\2" its EHLO. */
static struct slice fill_in(struct arena *a, enum smtpd_kind kind, struct slice text)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == 1) buf_str(&b, doors[kind].sender);
        else if (text.p[i] == 2) buf_str(&b, doors[kind].hello);
        else buf_char(&b, text.p[i]);
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

static struct slice ask(struct client *cl, enum smtpd_kind kind, const char *line)
{
    return talk(cl, ar_cstr(&cl->a, fill_in(&cl->a, kind, sl_cstr(line))));
}

static void come(struct client *cl, struct world *w, enum smtpd_kind kind, enum stage stage)
{
    bool people = kind == SMTPD_SUBMISSION || kind == SMTPD_SUBMISSIONS;
    client_open(cl, w, kind);
    if (stage == GREETED) return;
    if (kind == SMTPD_SUBMISSION) client_starttls(cl, w);
    CHECK(sl_starts(ask(cl, kind, "\2"), SL("250-mx.home.test")));
    if (stage == SECURED) return;
    if (people) CHECK_SL(talk_plain(cl, "alice@home.test", "wonderland"), "235 2.7.0 Welcome");
    if (stage == READY) return;
    CHECK_SL(ask(cl, kind, "MAIL FROM:<\1>"), "250 2.1.0 Sender is fine");
    CHECK_SL(talk(cl, "RCPT TO:<bob@home.test>"), "250 2.1.5 Recipient is fine");
}

#define B(text) SL_INIT(text)

#define HELLO "250-mx.home.test*"
#define FINE "250 2.1.0 Sender is fine"
#define TO_FINE "250 2.1.5 Recipient is fine"
#define GO_ON "354 Send the letter, end with a line that holds a dot only"
#define TAKEN "250 2.0.0 Accepted as *"
#define DELIVERED "250 2.1.5 <bob@home.test> is delivered as *"
#define NOTHING "250 2.0.0 Done, nothing"
#define FORGOTTEN "250 2.0.0 Forgotten"
#define NO_COMMAND "500 5.5.1 There is no such command; HELP lists those that there are"
#define NO_LOGIN "503 5.5.1 There is no login on this port; mail programs log in on port 587 or 465"
#define LOGIN_FIRST "530 5.7.0 Log in first"
#define LOGGED_IN "503 5.5.1 You are logged in already"
#define IN_USE "503 5.5.1 TLS is already in use"
#define UNDER_WAY "503 5.5.1 A letter is under way; end it, or give it up with RSET"
#define NO_CHUNK "501 5.5.4 BDAT is written BDAT size or BDAT size LAST"
#define CHUNK_FIRST "503 5.5.1 MAIL and an accepted RCPT come before BDAT"
#define NO_SIZE "501 5.5.4 the value of SIZE is not valid"
#define NO_HTTP "421 4.7.0 This is a mail server; HTTP is not spoken here"
#define NOBODY "550 5.1.1 There is no mailbox nobody@home.test here; look for a typing error before the @"
#define TOO_LARGE "552 5.3.4 Letters of more than 52428800 bytes are not taken here"
#define LINES "500 5.5.2 Lines must end in CR LF"
#define TO_ASCII "553 5.6.7 Addresses must be ASCII, or MAIL must say SMTPUTF8"
#define CLOSED "-"
#define NOT_HERE "!"
#define EARLY "421 4.7.0 Commands were sent after STARTTLS before its answer; the connection is closed"
#define LF_ALONE                                                                                             \
    "554 5.5.2 A line of the letter ends in LF without CR; lines must end in CR LF (RFC 5321 section 2.3.8)"
#define CR_ALONE                                                                                             \
    "554 5.5.2 A line of the letter ends in CR without LF; lines must end in CR LF (RFC 5321 section 2.3.8)"
#define CONTROL "there is a control character in the command"
#define HEAD "From: \1\r\n\r\n"

/* Answers with LF between them, one that ends in * may go on, "-" is the end of the connection; an empty
 * string: as at the door before; "!": not tried at this door. So many letters are taken as are said to
 * be. */
static const struct row {
    const char *name;
    enum stage stage;
    struct slice sent;
    const char *said[SMTPD_DOORS];
} rows[] = {
    /* ---- STARTTLS, and TLS that is none ---- */
    {"a command behind STARTTLS",
     GREETED,
     B("\2\r\nSTARTTLS\r\nMAIL FROM:<\1>\r\n"),
     {HELLO "\n" EARLY "\n" CLOSED, "", HELLO "\n" IN_USE "\n" LOGIN_FIRST, HELLO "\n" EARLY "\n" CLOSED}},
    {"STARTTLS with an argument",
     GREETED,
     B("STARTTLS now\r\n"),
     {"501 5.5.4 STARTTLS takes no argument", "", IN_USE, "501 5.5.4 STARTTLS takes no argument"}},
    {"STARTTLS amid a letter", ENVELOPE, B("STARTTLS\r\n"), {UNDER_WAY, IN_USE, "", UNDER_WAY}},
    {"a ClientHello in clear", GREETED, B("\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03\r\n"), {NO_COMMAND}},
    /* ---- logins in one piece ---- */
    {"a login and a letter in one piece",
     SECURED,
     B("AUTH PLAIN AGFsaWNlQGhvbWUudGVzdABubw==\r\nMAIL FROM:<\1>\r\nRCPT TO:<bob@home.test>\r\n"),
     {NO_LOGIN "\n" FINE "\n" TO_FINE,
      "535 5.7.8 User name or password is wrong"
      "\n" LOGIN_FIRST "\n" LOGIN_FIRST,
      "", NO_LOGIN "\n" FINE "\n" TO_FINE}},
    {"commands where a password is due",
     SECURED,
     B("AUTH LOGIN\r\nMAIL FROM:<\1>\r\nRSET\r\n"),
     {NO_LOGIN "\n" FINE "\n" FORGOTTEN,
      "334 VXNlcm5hbWU6"
      "\n501 5.5.2 what is said in a login is base64, and this is none"
      "\n" FORGOTTEN,
      "", NO_LOGIN "\n" FINE "\n" FORGOTTEN}},
    {"a login amid a letter", ENVELOPE, B("AUTH PLAIN AGEAYg==\r\n"), {NO_LOGIN, LOGGED_IN, "", NO_LOGIN}},
    {"a login before the greeting of the client",
     GREETED,
     B("AUTH PLAIN AGEAYg==\r\n"),
     {NO_LOGIN, "538 5.7.11 Begin TLS with STARTTLS before you log in", "503 5.5.1 Say EHLO first",
      NO_LOGIN}},
    {"a mechanism of 8-bit bytes",
     SECURED,
     B("AUTH PL\xc3\xa4IN\r\n"),
     {NO_LOGIN, "501 5.5.4 AUTH is written AUTH mechanism or AUTH mechanism initial-response", "", NO_LOGIN}},
    {"NUL in base64",
     SECURED,
     B("AUTH PLAIN AG\0EA\r\n"),
     {NO_LOGIN, "501 5.5.4 there is a control character in the command", "", NO_LOGIN}},
    /* ---- commands behind DATA and behind the dot ---- */
    {"commands behind DATA",
     ENVELOPE,
     B("DATA\r\nMAIL FROM:<\1>\r\nRCPT TO:<bob@home.test>\r\n\r\n" HEAD ".\r\n"),
     {GO_ON "\n550 5.7.1 The author of this message cannot be determined: there is no From field",
      GO_ON "\n554 5.6.0 The letter is not well-formed: the letter has no From field", "",
      GO_ON "\n" DELIVERED}},
    {"commands behind the dot",
     ENVELOPE,
     B("DATA\r\n" HEAD "x\r\n.\r\nMAIL FROM:<\1>\r\nRCPT TO:<nobody@home.test>\r\nRSET\r\n"),
     {GO_ON "\n" TAKEN "\n" FINE "\n" NOBODY "\n" FORGOTTEN, "", "",
      GO_ON "\n" DELIVERED "\n" FINE "\n" NOBODY "\n" FORGOTTEN}},
    {"commands behind a letter that was refused",
     ENVELOPE,
     B("DATA\r\n x\r\n" HEAD "x\r\n.\r\nMAIL FROM:<\1>\r\nRSET\r\n"),
     {GO_ON "\n554 5.6.0 The first line of the header section begins with a blank"
            "\n" FINE "\n" FORGOTTEN,
      GO_ON "\n554 5.6.0 The letter is not well-formed: this line of the header is no field:  x"
            "\n" FINE "\n" FORGOTTEN,
      "", GO_ON "\n" DELIVERED "\n" FINE "\n" FORGOTTEN}},
    /* ---- ends of lines ---- */
    {"LF . LF",
     ENVELOPE,
     B("DATA\r\n" HEAD "a\n.\nMAIL FROM:<\1>\r\nDATA\r\nb\r\n.\r\n"),
     {GO_ON "\n" LF_ALONE, GO_ON "\n" TAKEN, "", GO_ON "\n" DELIVERED}},
    {"LF . CR LF",
     ENVELOPE,
     B("DATA\r\n" HEAD "a\n.\r\nMAIL FROM:<\1>\r\nDATA\r\nb\r\n.\r\n"),
     {GO_ON "\n" LF_ALONE, GO_ON "\n" TAKEN, "", GO_ON "\n" DELIVERED}},
    {"CR LF . LF",
     ENVELOPE,
     B("DATA\r\n" HEAD "a\r\n.\nMAIL FROM:<\1>\r\nDATA\r\nb\r\n.\r\n"),
     {GO_ON "\n" LF_ALONE, GO_ON "\n" TAKEN, "", GO_ON "\n" DELIVERED}},
    {"CR . CR",
     ENVELOPE,
     B("DATA\r\n" HEAD "a\r.\rMAIL FROM:<\1>\rDATA\rb\r\n.\r\n"),
     {GO_ON "\n" CR_ALONE, GO_ON "\n" TAKEN, "", GO_ON "\n" DELIVERED}},
    {"CR LF . CR",
     ENVELOPE,
     B("DATA\r\n" HEAD "a\r\n.\rMAIL FROM:<\1>\r\nDATA\r\nb\r\n.\r\n"),
     {GO_ON "\n" CR_ALONE, GO_ON "\n" TAKEN, "", GO_ON "\n" DELIVERED}},
    {"CR . CR LF",
     ENVELOPE,
     B("DATA\r\n" HEAD "a\r.\r\nMAIL FROM:<\1>\r\nDATA\r\nb\r\n.\r\n"),
     {GO_ON "\n" CR_ALONE, GO_ON "\n" TAKEN, "", GO_ON "\n" DELIVERED}},
    {"CR LF . CR CR LF",
     ENVELOPE,
     B("DATA\r\n" HEAD "a\r\n.\r\r\nMAIL FROM:<\1>\r\nDATA\r\nb\r\n.\r\n"),
     {GO_ON "\n" CR_ALONE, GO_ON "\n" TAKEN, "", GO_ON "\n" DELIVERED}},
    {"CR LF NUL . CR LF",
     ENVELOPE,
     B("DATA\r\n" HEAD "a\r\n\0.\r\nMAIL FROM:<\1>\r\nDATA\r\nb\r\n.\r\n"),
     {GO_ON "\n" TAKEN, "", "", GO_ON "\n" DELIVERED}},
    {"CR LF . NUL CR LF",
     ENVELOPE,
     B("DATA\r\n" HEAD "a\r\n.\0\r\nMAIL FROM:<\1>\r\nDATA\r\nb\r\n.\r\n"),
     {GO_ON "\n" TAKEN, "", "", GO_ON "\n" DELIVERED}},
    {"LF in the header section",
     ENVELOPE,
     B("DATA\r\nX: y\n" HEAD ".\r\n"),
     {GO_ON "\n" LF_ALONE, GO_ON "\n" TAKEN, "", GO_ON "\n" DELIVERED}},
    {"LF by BDAT",
     ENVELOPE,
     B("BDAT 36 LAST\r\nFrom: <alice@home.test>\r\n\r\na\n.\nb\r\n\r\n"),
     {LF_ALONE, TAKEN, "", DELIVERED}},
    {"a command that ends in LF", READY, B("RSET\nNOOP\r\n"), {LINES "\n" NOTHING}},
    {"a command that ends in CR", READY, B("RSET\rVRFY x\r\nNOOP\r\n"), {NO_COMMAND "\n" NOTHING}},
    {"CR CR LF",
     READY,
     B("RSET\r\r\nNOOP\r\n"),
     {"501 5.5.4 there is a control character in the command"
      "\n" NOTHING}},
    {"LF in an address", READY, B("MAIL FROM:<\1\n>\r\nNOOP\r\n"), {LINES "\n" NO_COMMAND "\n" NOTHING}},
    {"an empty line", READY, B("\r\nNOOP\r\n"), {NO_COMMAND "\n" NOTHING}},
    /* ---- NUL and 8-bit bytes ---- */
    {"NUL in a verb", READY, B("NO\0OP\r\n"), {NO_COMMAND}},
    {"NUL in an address",
     READY,
     B("MAIL FROM:<a\0b@one.test>\r\n"),
     {"501 5.1.7 there is a control character in the command"}},
    {"NUL behind a command", READY, B("RSET\0\r\n"), {NO_COMMAND}},
    {"NUL in a header section",
     ENVELOPE,
     B("DATA\r\nX: a\0b\r\n" HEAD "x\r\n.\r\n"),
     {GO_ON "\n554 5.6.0 There is a NUL in the header section (RFC 5322 section 2.2)", GO_ON "\n" TAKEN, "",
      GO_ON "\n" DELIVERED}},
    {"NUL in a body",
     ENVELOPE,
     B("DATA\r\n" HEAD "a\0b\r\n.\r\n"),
     {GO_ON "\n" TAKEN, "", "", GO_ON "\n" DELIVERED}},
    {"8-bit bytes in a verb", READY, B("\xc3\x84HLO x\r\n"), {NO_COMMAND}},
    {"8-bit bytes that are no UTF-8 in an address",
     READY,
     B("MAIL FROM:<j\xfc@one.test> SMTPUTF8\r\n"),
     {"501 5.1.7 the address is not valid UTF-8"}},
    {"UTF-8 without SMTPUTF8", READY, B("MAIL FROM:<j\xc3\xbc@one.test>\r\n"), {TO_ASCII}},
    {"UTF-8 in a recipient without SMTPUTF8", ENVELOPE, B("RCPT TO:<j\xc3\xbc@home.test>\r\n"), {TO_ASCII}},
    {"8-bit bytes in a parameter's name",
     READY,
     B("MAIL FROM:<\1> S\xc3\x8fZE=1\r\n"),
     {"501 5.5.4 after the address there may only be parameters written KEYWORD or KEYWORD=value"}},
    {"8-bit bytes in a parameter's value",
     READY,
     B("MAIL FROM:<\1> BODY=8\xc3\x8fT\r\n"),
     {"501 5.5.4 the value of BODY is not valid"}},
    {"8-bit bytes in the name of a host",
     GREETED,
     B("EHLO m\xe4il.test\r\n"),
     {"501 5.5.2 EHLO must give a host name or an address literal like [192.0.2.1]", HELLO, "",
      "500 5.5.1 This is LMTP: say LHLO"}},
    {"UTF-8 in the name of a host",
     GREETED,
     B("EHLO m\xc3\xa4il.test\r\n"),
     {HELLO, "", "", "500 5.5.1 This is LMTP: say LHLO"}},
    /* ---- chunks ---- */
    {"a chunk larger than any letter", ENVELOPE, B("BDAT 9223372036854775807\r\n"), {TOO_LARGE "\n" CLOSED}},
    {"one as large as two", ENVELOPE, B("BDAT 104857601\r\n"), {TOO_LARGE "\n" CLOSED}},
    {"chunks of sizes that are none",
     ENVELOPE,
     B("BDAT 18446744073709551616\r\nBDAT -1\r\nBDAT 0x10\r\nBDAT\r\nBDAT 1 FIRST\r\nBDAT 1 LAST LAST\r\n"),
     {NO_CHUNK "\n" NO_CHUNK "\n" NO_CHUNK "\n" NO_CHUNK "\n" NO_CHUNK "\n" NO_CHUNK}},
    {"a chunk of commands without a letter",
     READY,
     B("BDAT 6\r\nQUIT\r\nNOOP\r\n"),
     {CHUNK_FIRST "\n" NOTHING}},
    {"the last one of them",
     READY,
     B("BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"),
     {CHUNK_FIRST "\n" NOTHING, "", "", NOTHING}},
    {"an absurd chunk without a letter", READY, B("BDAT 9223372036854775807\r\n"), {CHUNK_FIRST "\n" CLOSED}},
    {"a chunk before anything else", GREETED, B("BDAT 1048577\r\n"), {CHUNK_FIRST "\n" CLOSED}},
    {"a chunk before the login",
     SECURED,
     B("BDAT 1048577\r\n"),
     {NOT_HERE, CHUNK_FIRST "\n" CLOSED, "", NOT_HERE}},
    {"DATA behind a chunk",
     ENVELOPE,
     B("BDAT 3\r\nX: DATA\r\nRSET\r\n"),
     {"250 2.0.0 3 bytes are here\n503 5.5.1 A letter that was begun with BDAT goes on with "
      "BDAT\n" FORGOTTEN}},
    /* ---- SIZE ---- */
    {"a letter that is said to be too large",
     READY,
     B("MAIL FROM:<\1> SIZE=52428801\r\n"),
     {"552 5.3.4 Letters of more than 52428800 bytes are not taken here; send less, or send a link"}},
    {"sizes that are none",
     READY,
     B("MAIL FROM:<\1> SIZE=18446744073709551616\r\nMAIL FROM:<\1> SIZE=-1\r\nMAIL FROM:<\1> SIZE\r\n"
       "MAIL FROM:<\1> SIZE=1 SIZE=2\r\n"),
     {NO_SIZE "\n" NO_SIZE "\n" NO_SIZE "\n501 5.5.4 the parameter SIZE stands there twice"}},
    {"a size of nothing for a letter of something",
     READY,
     B("MAIL FROM:<\1> SIZE=0\r\nRCPT TO:<bob@home.test>\r\nDATA\r\n" HEAD "x\r\n.\r\n"),
     {FINE "\n" TO_FINE "\n" GO_ON "\n" TAKEN, "", "", FINE "\n" TO_FINE "\n" GO_ON "\n" DELIVERED}},
    /* ---- others ---- */
    {"HTTP", GREETED, B("POST / HTTP/1.1\r\n"), {NO_HTTP "\n" CLOSED}},
    {"the PROXY header of who is not listed",
     GREETED,
     B("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
     {NO_COMMAND}},
    {"XCLIENT of who is not listed",
     GREETED,
     B("XCLIENT ADDR=192.0.2.1\r\n"),
     {"550 5.7.0 XCLIENT is not taken from your address"}},
    {"LHLO, EHLO and HELO at the wrong door",
     GREETED,
     B("LHLO x.test\r\nEHLO x.test\r\nHELO x.test\r\n"),
     {"500 5.5.1 This is not LMTP: say EHLO"
      "\n" HELLO "\n250 mx.home.test at your service",
      "", "",
      HELLO "\n500 5.5.1 This is LMTP: say LHLO"
            "\n500 5.5.1 This is LMTP: say LHLO"}},
    {"a letter without a recipient",
     READY,
     B("MAIL FROM:<\1>\r\nDATA\r\nRSET\r\n"),
     {FINE "\n554 5.5.1 No recipient was accepted"
           "\n" FORGOTTEN,
      "", "",
      FINE "\n503 5.5.1 No recipient was accepted"
           "\n" FORGOTTEN}},
};

static bool is_as_said(struct client *cl, struct slice got, struct slice want)
{
    if (sl_eq(want, SL(CLOSED))) /* by the server; before it there may be a TLS alert */
        return conn_error(cl->c) != ERR_TIMEOUT && (!got.n || (unsigned char)got.p[0] < 32);
    return sl_ends(want, SL("*")) ? sl_starts(got, sl_sub(want, 0, want.n - 1)) : sl_eq(got, want);
}

static bool lines_end_well(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\r' && (i + 1 == s.n || s.p[i + 1] != '\n')) return false;
        if (s.p[i] == '\n' && (!i || s.p[i - 1] != '\r')) return false;
    }
    return true;
}

static void try_row(struct world *w, enum smtpd_kind kind, const struct row *r, const char *said)
{
    struct client cl;
    struct slice rest = sl_cstr(said), want;
    unsigned letters = handed.count;
    bool closed = false;
    come(&cl, w, kind, r->stage);
    client_send(&cl, fill_in(&cl.a, kind, r->sent));
    while (!closed && sl_next(&rest, '\n', &want)) {
        struct slice got = client_reply(&cl);
        closed = sl_eq(want, SL(CLOSED));
        letters += sl_eq(want, SL(TAKEN)) || sl_eq(want, SL(DELIVERED));
        if (!is_as_said(&cl, got, want))
            test_fail(__FILE__, __LINE__, "%s, %s: \"%.*s\" and not \"%.*s\"", r->name, doors[kind].name,
                      SLF(got), SLF(want));
    }
    if (!closed && !sl_eq(talk(&cl, "NOOP"), SL(NOTHING)))
        test_fail(__FILE__, __LINE__, "%s, %s: out of step", r->name, doors[kind].name);
    if (handed.count != letters || !lines_end_well(handed.bytes))
        test_fail(__FILE__, __LINE__, "%s, %s: %u letters and not %u, the last one \"%.*s\"", r->name,
                  doors[kind].name, handed.count, letters, SLF(handed.bytes));
    client_close(&cl);
}

TEST(each_door_answers_each_attack_with_exactly_this)
{
    struct world w;
    world_begin(&w, NULL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *said = "";
        for (enum smtpd_kind k = SMTPD_MX; k <= SMTPD_LMTP; k++) {
            if (rows[i].said[k] && *rows[i].said[k]) said = rows[i].said[k];
            if (strcmp(said, NOT_HERE) != 0) try_row(&w, k, &rows[i], said);
        }
    }
    world_end(&w);
}

/* ---- what is large ---- */

static void repeat(struct client *cl, struct slice s, size_t times)
{
    for (size_t i = 0; i < times; i++) client_send(cl, s);
}

/* What is said to a letter: at LMTP for the one recipient. */
static void answered(struct client *cl, enum smtpd_kind kind, const char *want)
{
    struct slice got = client_reply(cl);
    if (!is_as_said(cl, got, sl_cstr(want)))
        test_fail(__FILE__, __LINE__, "%s: \"%.*s\"", doors[kind].name, SLF(got));
}

/* A line of 1 GiB, as a command and in a letter: passed over, in the memory of a short one. */
TEST(a_line_without_end_is_passed_over)
{
    enum { MIB = 1 << 20 };
    struct world w;
    struct client cl;
    char *x = xmalloc(MIB);
    memset(x, 'x', MIB);
    world_begin(&w, NULL);
    for (enum smtpd_kind k = SMTPD_MX; k <= SMTPD_LMTP; k++) {
        come(&cl, &w, k, GREETED);
        repeat(&cl, sl(x, MIB), 1024);
        bool login = k == SMTPD_SUBMISSION || k == SMTPD_SUBMISSIONS; /* which has longer lines */
        CHECK_SL(talk(&cl, ""), login ? "500 5.5.6 The line is longer than 12288 bytes"
                                      : "500 5.5.6 The line is longer than 4096 bytes");
        client_close(&cl);
        come(&cl, &w, k, ENVELOPE);
        CHECK_SL(talk(&cl, "DATA"), GO_ON);
        client_send(&cl, fill_in(&cl.a, k, SL(HEAD)));
        repeat(&cl, sl(x, MIB), 1024);
        client_send(&cl, SL("\r\n.\r\n"));
        answered(&cl, k, "552 5.3.4 The letter is larger than 52428800 bytes; send less, or send a link");
        CHECK_SL(talk(&cl, "NOOP"), NOTHING);
        client_close(&cl);
    }
    CHECK_INT(handed.count, 0);
    world_end(&w);
    free(x);
}

/* 100,000 recipients: a thousand are taken, ten thousand more are refused in words, then it ends. */
TEST(a_hundred_thousand_recipients)
{
    struct world w;
    struct client cl;
    struct buf many = BUF_INIT;
    world_begin(&w, NULL);
    for (int i = 0; i < 100; i++) buf_str(&many, "RCPT TO:<alice@home.test>\r\n");
    for (enum smtpd_kind k = SMTPD_MX; k <= SMTPD_LMTP; k++) {
        size_t taken = 1, refused = 0, i = 0;
        struct slice got;
        come(&cl, &w, k, ENVELOPE);
        do {
            if (i % 100 == 0 && i < 100000) client_send(&cl, buf_slice(&many));
            ar_reset(&cl.a);
            got = client_reply(&cl);
            taken += sl_eq(got, SL(TO_FINE));
            refused += sl_eq(got, SL("452 4.5.3 Too many recipients; send another letter to the others"));
        } while (++i == taken - 1 + refused);
        CHECK_SL(got, "421 4.7.0 Too many errors; the connection is closed");
        CHECK(taken == 1000 && refused == 10000);
        client_close(&cl);
    }
    buf_free(&many);
    world_end(&w);
}

/* A header section without end: refused when it is too long, and the letter passed over up to its end. */
TEST(a_header_section_without_end)
{
    static const struct {
        struct slice line;
        const char *said;
    } x[] = {{B(" y and more of it in each line of this field, without an end\r\n"),
              "552 5.3.4 The header section is longer than 262144 bytes"},
             {B("X: y\r\n"), "552 5.3.4 the header section has more than 2000 fields"}};
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    for (enum smtpd_kind k = SMTPD_MX; k <= SMTPD_LMTP; k++)
        for (size_t i = 0; i < COUNT_OF(x); i++) { /* one field of many lines, many fields */
            come(&cl, &w, k, ENVELOPE);
            CHECK_SL(talk(&cl, "DATA"), GO_ON);
            client_send(&cl, fill_in(&cl.a, k, SL("From: \1\r\nX: y\r\n")));
            repeat(&cl, x[i].line, 10000);
            client_send(&cl, SL("\r\n.\r\n"));
            answered(&cl, k, x[i].said);
            CHECK_SL(talk(&cl, "NOOP"), NOTHING);
            client_close(&cl);
        }
    world_end(&w);
}

/* SIZE that lies, and letters that are larger than they may be, by DATA and in chunks: what is too large is
 * read to its end and refused, and the session stays in step (RFC 1870 section 6.3, RFC 3030 section 2). */
static void thousand_bytes(struct world *w) { w->intake.size_max = 1000; }

TEST(a_letter_larger_than_it_says)
{
    static const char no[] = "552 5.3.4 The letter is larger than 1000 bytes; send less, or send a link";
    struct world w;
    struct client cl;
    world_begin(&w, thousand_bytes);
    for (enum smtpd_kind k = SMTPD_MX; k <= SMTPD_LMTP; k++) {
        come(&cl, &w, k, READY);
        for (int way = 0; way < 3; way++) {
            CHECK_SL(ask(&cl, k, "MAIL FROM:<\1> SIZE=10"), FINE);
            CHECK_SL(talk(&cl, "RCPT TO:<bob@home.test>"), TO_FINE);
            struct slice letter = fill_in(&cl.a, k, ar_printf(&cl.a, HEAD "%1200s\r\n", ""));
            if (way == 0) CHECK_SL(talk(&cl, "DATA"), GO_ON);
            else conn_printf(cl.c, "BDAT %zu%s\r\n", letter.n, way == 1 ? " LAST" : "");
            client_send(&cl, letter);
            if (way == 0) client_send(&cl, SL(".\r\n"));
            answered(&cl, k, no);
            CHECK_SL(talk(&cl, "NOOP"), NOTHING);
        }
        client_close(&cl);
    }
    CHECK_INT(handed.count, 0);
    world_end(&w);
}

/* ---- TLS that is none ---- */

TEST(garbage_where_tls_begins_ends_the_connection)
{
    static const struct slice garbage[] = {
        B("EHLO x.test\r\nMAIL FROM:<carol@one.test>\r\n"),
        B("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        B("\x16\x03\x01\xff\xff\x01\x00\xff\xfb\x03\x03"), /* a record that is too long */
        B("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00"
          "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"),     /* SSL 2 */
        B("\x16\x03\x01\x00\x04\x02\x00\x00\x00"), /* a ServerHello */
        B("\x17\x03\x03\x00\x05QUIT\r"),           /* data before a handshake */
        B("\x15\x03\x03\x00\x02\x02\x28"),         /* an alert */
        B("GET / HTTP/1.1\r\n\r\n")};
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    for (enum smtpd_kind k = SMTPD_MX; k <= SMTPD_LMTP; k++)
        for (size_t i = 0; i < COUNT_OF(garbage); i++) {
            cl = (struct client){0};
            ASSERT(conn_dial(&cl.c, listener_at(w.door[k].l), NULL) == 0);
            if (k != SMTPD_SUBMISSIONS) {
                client_reply(&cl);
                CHECK_SL(talk(&cl, "STARTTLS"), "220 2.0.0 Begin TLS");
            }
            client_send(&cl, garbage[i]);
            answered(&cl, k, CLOSED);
            client_close(&cl);
        }
    CHECK_INT(handed.count, 0);
    for (enum smtpd_kind k = SMTPD_MX; k <= SMTPD_LMTP; k++) { /* and the server is there for others */
        come(&cl, &w, k, ENVELOPE);
        client_close(&cl);
    }
    world_end(&w);
}
