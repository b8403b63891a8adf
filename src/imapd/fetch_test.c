/* fetch_test.c - FETCH: envelopes, structures, parts, in pieces, as bytes. */
#include "dialog_test.h"

TEST(imapd_select_and_fetch)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    append(c, "INBOX", "(\\Seen $Work) \"17-Jul-1996 02:44:25 -0700\" ", mixed);
    TALK(
        c, "1 SELECT INBOX",
        "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Work)\n"
        "* OK [PERMANENTFLAGS (\\* \\Seen \\Answered \\Flagged \\Deleted \\Draft $Work)] these can be kept\n"
        "* 2 EXISTS\n* 2 RECENT\n* OK [UNSEEN 1] the first unseen one\n* OK [UIDVALIDITY ~] ids are valid\n"
        "* OK [UIDNEXT 3] the next id\n* OK [HIGHESTMODSEQ ~] the last change\n* OK [MAILBOXID (M~)] its id\n"
        "1 OK [READ-WRITE] selected\n");
    TALK(c, "2 FETCH 1:* (UID FLAGS RFC822.SIZE)",
         "* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 134)\n* 2 FETCH (UID 2 FLAGS (\\Seen $Work) RFC822.SIZE "
         "231)\n2 OK fetched\n");
    TALK(c, "3 FETCH 2 INTERNALDATE",
         "* 2 FETCH (INTERNALDATE \"17-Jul-1996 02:44:25 -0700\")\n3 OK fetched\n");
    TALK(c, "4 FETCH 1 ENVELOPE",
         "* 1 FETCH (ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800\" \"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\" "
         "((\"Bob\" NIL \"bob\" \"y.test\")) ((\"Bob\" NIL \"bob\" \"y.test\")) ((\"Bob\" NIL \"bob\" "
         "\"y.test\")) "
         "((NIL NIL \"alice\" \"x.test\")) NIL NIL NIL NIL))\n4 OK fetched\n");
    TALK(c, "5 UID FETCH 2 BODYSTRUCTURE",
         "* 2 FETCH (UID 2 BODYSTRUCTURE ((\"text\" \"plain\" (\"charset\" \"iso-8859-1\") NIL NIL "
         "\"quoted-printable\" 17 1 NIL NIL NIL NIL)"
         "(\"text\" \"html\" NIL NIL NIL \"7bit\" 8 0 NIL NIL NIL NIL) \"mixed\" (\"boundary\" \"b\") NIL "
         "NIL NIL))\n5 OK fetched\n");
    TALK(c, "6 FETCH 1 (BODY.PEEK[HEADER.FIELDS (To Cc)] BODY.PEEK[TEXT]<7.3>)",
         "* 1 FETCH (BODY[HEADER.FIELDS (To Cc)] {20}\nTo: alice@x.test\n\n BODY[TEXT]<7> {3}\nAli)\n6 OK "
         "fetched\n");
    TALK(c, "7 FETCH 2 (BODY.PEEK[2] BODY.PEEK[1.MIME] BODY.PEEK[3])",
         "* 2 FETCH (BODY[2] {8}\n<p>x</p> BODY[1.MIME] {93}\nContent-Type: text/plain; charset=iso-8859-1\n"
         "Content-Transfer-Encoding: quoted-printable\n\n BODY[3] NIL)\n7 OK fetched\n");
    TALK(c, "8 FETCH 1 BODY[TEXT]",
         "* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {14}\nHello, Alice\n)\n8 OK fetched\n");
    TALK(c, "9 FETCH 1 BODY[TEXT]<100.5>", "* 1 FETCH (BODY[TEXT]<100> {0}\n)\n9 OK fetched\n");
    TALK(c, "10 FETCH 3 FLAGS", "10 BAD there are only 2 messages\n");
    TALK(c, "11 UID FETCH 99 FLAGS", "11 OK fetched\n");
    TALK(c, "12 FETCH 1 FOO", "12 BAD byte 12: a fetch item was expected\n");
    TALK(c, "13 FETCH 1 RFC822.HEADER",
         "* 1 FETCH (RFC822.HEADER {120}\nFrom: Bob <bob@y.test>\nTo: alice@x.test\n"
         "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nDate: Mon, 7 Feb 1994 21:52:25 -0800\n\n)\n13 OK fetched\n");
    TALK(c, "14 FETCH 1 (EMAILID THREADID MODSEQ)",
         "* OK [HIGHESTMODSEQ ~] the last change\n* 1 FETCH (MODSEQ (~) EMAILID (~) THREADID (T~))\n14 OK "
         "fetched\n");
    bye(&c);
    stop();
}

/* What is told of a message in base64 is served. */
TEST(imapd_serves_parts_of_an_encoded_message)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "",
           "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
           "U3ViamVjdDogaW5uZXINCkNvbnRlbnQtVHlwZTogbXVsdGlwYXJ0L21peGVkOyBi\r\n"
           "b3VuZGFyeT1xDQoNCi0tcQ0KDQpvbmUNCi0tcQ0KQ29udGVudC1UcmFuc2Zlci1F\r\n"
           "bmNvZGluZzogYmFzZTY0DQoNCmRIZHYNCi0tcS0tDQo=\r\n");
    select_inbox(c);
    TALK(c,
         "1 FETCH 1 (BODY.PEEK[1.1] BODY.PEEK[1.2]<1.9> BINARY.PEEK[1.2] BODY.PEEK[1.2.MIME] "
         "BINARY.SIZE[1.2])",
         "* 1 FETCH (BODY[1.1] {3}\none BODY[1.2]<1> {3}\nHdv BINARY[1.2] {3}\ntwo BODY[1.2.MIME] {37}\n"
         "Content-Transfer-Encoding: base64\n\n BINARY.SIZE[1.2] 3)\n1 OK fetched\n");
    TALK(
        c, "2 FETCH 1 (BODY.PEEK[1.HEADER.FIELDS (Subject)] BODY.PEEK[1.3])",
        "* 1 FETCH (BODY[1.HEADER.FIELDS (Subject)] {18}\nSubject: inner\n\n BODY[1.3] NIL)\n2 OK fetched\n");
    TALK(
        c, "3 FETCH 1 BODY",
        "* 1 FETCH (BODY (\"message\" \"rfc822\" NIL NIL NIL \"base64\" 178 (NIL \"inner\" ~ ((~\"7bit\" 3 0)"
        "(~\"base64\" 4 0) \"mixed\") 3))\n3 OK fetched\n");
    bye(&c);
    stop();
}

/* The items are a set (RFC 9051 section 6.4.5 speaks of what to return, not how often). */
TEST(imapd_tells_an_item_once)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    conn_puts(c, "s SELECT INBOX\r\n");
    read_until(c, SL("s OK"));
    TALK(c,
         "1 FETCH 1 (BODY.PEEK[1] UID BODY BODY.PEEK[1]<0.2> BODY BODY.PEEK[1] UID BODY.PEEK[1]<0.2> "
         "BODY.PEEK[1]<0.3>)",
         "* 1 FETCH (UID 1 BODY[1] {14}\nHello, Alice\n BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") "
         "NIL NIL "
         "\"7bit\" 14 1) BODY[1]<0> {2}\nHe BODY[1]<0> {3}\nHel)\n1 OK fetched\n");
    bye(&c);
    stop();
}

/* A letter that takes megabytes to describe is described piece by piece. */
TEST(imapd_describes_a_large_letter_in_pieces)
{
    enum { PARTS = 40, ADDRESSES = 2000 };
    struct buf b = BUF_INIT;
    struct slice line;
    start();
    struct conn *c = login();
    buf_str(&b, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    for (int i = 0; i < PARTS; i++) {
        buf_str(&b, "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: ");
        for (int k = 0; k < ADDRESSES; k++) buf_str(&b, "a@b,\r\n ");
        buf_str(&b, "a@b\r\n\r\nx\r\n");
    }
    buf_str(&b, "--b--\r\n");
    conn_printf(c, "p APPEND INBOX {%zu+}\r\n", b.n);
    conn_write(c, buf_slice(&b));
    conn_puts(c, "\r\n");
    read_until(c, SL("p OK"));
    conn_puts(c, "s SELECT INBOX\r\n");
    read_until(c, SL("s OK"));
    conn_puts(c, "1 FETCH 1 (BODYSTRUCTURE BODYSTRUCTURE ENVELOPE)\r\n");
    int64_t before = deadline_narrow(DEADLINE_IN(20 * RT_S));
    CHECK_OK(conn_read_line(c, 32 << 20, &line));
    deadline_restore(before);
    CHECK(line.n > 3 << 20);
    size_t senders = 0; /* From, and Sender and Reply-To that are taken from it */
    for (size_t i = 0; i + 15 < line.n; i++) senders += memcmp(line.p + i, "(NIL NIL \"a\" \"b", 15) == 0;
    CHECK_INT(senders, 3 * PARTS * (ADDRESSES + 1));
    CHECK(sl_ends(line, SL(" ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL))")));
    read_until(c, SL("1 OK"));
    buf_free(&b);
    bye(&c);
    stop();
}

TEST(imapd_dates_keep_their_zone)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "\"7-May-2026 01:00:00 +0530\" ", a_letter);
    select_inbox(c);
    TALK(c, "1 FETCH 1 INTERNALDATE",
         "* 1 FETCH (INTERNALDATE \"07-May-2026 01:00:00 +0530\")\n1 OK fetched\n");
    TALK(c, "2 SEARCH ON 7-May-2026", "* SEARCH 1\n2 OK ~\n"); /* the 6th in UTC */
    TALK(c, "3 SEARCH BEFORE 7-May-2026", "* SEARCH\n3 OK ~\n");
    TALK(c, "4 COPY 1 Trash", "4 OK ~\n");
    conn_puts(c, "5 EXAMINE Trash\r\n");
    read_until(c, SL("5 OK"));
    TALK(c, "6 FETCH 1 INTERNALDATE",
         "* 1 FETCH (INTERNALDATE \"07-May-2026 01:00:00 +0530\")\n6 OK fetched\n");
    bye(&c);
    stop();
}

TEST(imapd_long_lines)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    select_inbox(c);
    conn_puts(c, "1 UID FETCH ");
    for (int i = 1; i < 32000; i += 2) conn_printf(c, "%d,", i);
    TALK(c, "1 UID", "* 1 FETCH (UID 1)\n1 OK fetched\n");
    conn_puts(c, "2 UID FETCH ");
    for (int i = 0; i < 300000; i++) conn_puts(c, "1");
    TALK(c, " UID", "2 BAD the line is too long\n");
    bye(&c);
    c = dial(false);
    EXPECT(c, "* OK ~\n");
    conn_puts(c, "i ID (");
    for (int i = 0; i < 30; i++) conn_printf(c, "%s\"%030d\" \"%01024d\"", i ? " " : "", i, i);
    TALK(c, ")", "* ID ~\ni OK ~\n");
    conn_close(&c);
    stop();
}

TEST(imapd_binary)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", mixed);
    append(c, "INBOX", "",
           "Content-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\nYWIA\r\nY2Q=\r\n");
    append(c, "INBOX", "", "Content-Transfer-Encoding: x-odd\r\n\r\nabc");
    conn_puts(c, "0 SELECT INBOX\r\n");
    read_until(c, SL("0 OK"));
    TALK(c, "1 FETCH 1 (BINARY.PEEK[1] BINARY.SIZE[1] BINARY.PEEK[2]<1.3> BINARY.PEEK[3])",
         "* 1 FETCH (BINARY[1] {12}\ncaf\xe9 au lait BINARY.SIZE[1] 12 BINARY[2]<1> {3}\np>x BINARY[3] "
         "NIL)\n1 OK fetched\n");
    conn_puts(c, "2 FETCH 2 BINARY[1]\r\n");
    read_until(c, SL("2 OK"));
    CHECK(sl_eq(buf_slice(&got),
                SL("* 2 FETCH (FLAGS (\\Recent \\Seen) BINARY[1] ~{5}\nab\0cd)\n2 OK fetched\n")));
    TALK(c, "3 FETCH 3 BINARY.PEEK[1]", "3 NO [UNKNOWN-CTE] ~\n");
    TALK(c, "4 FETCH 3 BINARY.SIZE[]", "* 3 FETCH (BINARY.SIZE[] 39)\n4 OK fetched\n");
    bye(&c);
    stop();
}
