/* imapd_test.c - dialogues with the server over loopback, with exact answers. */
#include "dialog_test.h"

#include "base/text.h"
#include "store/origin.h"

/* ---- before login ---- */

TEST(imapd_no_login_in_clear)
{
    start();
    struct conn *c = dial(false);
    EXPECT(c, "* OK [CAPABILITY IMAP4rev1 IMAP4rev2 SASL-IR LITERAL+ ID STARTTLS LOGINDISABLED IDLE] ~\n");
    TALK(c, "1 LOGIN alice@x.test secret", "1 NO [PRIVACYREQUIRED] turn on TLS first\n");
    TALK(c,
         "2 AUTHENTICATE PLAIN AGFsaWNlQHgudGVzdABzZWNyZXQ=", "2 NO [PRIVACYREQUIRED] turn on TLS first\n");
    TALK(c, "3 SELECT INBOX", "3 BAD log in first\n");
    TALK(c, "4 FOO", "4 BAD there is no such command\n");
    TALK(c, "5 NOOP x", "5 BAD byte 7: the end of the command was expected\n");
    TALK(c, "6 STARTTLS", "6 OK begin TLS now\n");
    struct tls_peer peer = {.name = SL("mail.x.test"), .verify = TLS_VERIFY_NONE};
    CHECK_OK(conn_tls_connect(c, w.client_tls, &peer));
    TALK(c, "7 CAPABILITY", "* CAPABILITY IMAP4rev1 ~ AUTH=SCRAM-SHA-256 AUTH=PLAIN IDLE\n7 OK ~\n");
    TALK(c, "8 LOGIN alice@x.test wrong", "8 NO [AUTHENTICATIONFAILED] the name or the password is wrong\n");
    TALK(c, "9 LOGIN {12+}\r\nalice@x.test {6+}\r\nsecret", "9 OK [CAPABILITY ~] logged in\n");
    TALK(c, "10 LOGIN alice@x.test secret", "10 BAD you have logged in already\n");
    bye(&c);
    stop();
}

/* A command that was sent in clear must not count after STARTTLS. */
TEST(imapd_nothing_follows_starttls)
{
    start();
    struct conn *c = dial(false);
    EXPECT(c, "* OK ~\n");
    TALK(c, "1 STARTTLS\r\n2 NOOP", "1 BAD nothing may follow STARTTLS before TLS is on\n");
    struct slice line;
    CHECK_ERR(conn_read_line(c, 100, &line), ERR_EOF);
    conn_close(&c);
    stop();
}

TEST(imapd_sessions_of_an_account_are_limited)
{
    enum { MOST = 20 };
    static struct conn *v[MOST];
    start();
    for (int i = 0; i < MOST; i++) v[i] = login();
    struct conn *c = dial(true);
    EXPECT(c, "* OK ~\n");
    TALK(c, "1 LOGIN alice@x.test secret", "1 NO [LIMIT] ~\n");
    EXPECT(c, "* BYE ~\n");
    conn_close(&c);
    bye(&v[0]);
    c = login();
    bye(&c);
    for (int i = 1; i < MOST; i++) conn_close(&v[i]);
    stop();
}

TEST(imapd_authenticate)
{
    start();
    struct conn *c = dial(true);
    EXPECT(c, "* OK ~\n");
    TALK(c, "1 AUTHENTICATE PLAIN *", "1 BAD that was no base64\n");
    TALK(c, "2 AUTHENTICATE GSSAPI", "2 NO [CANNOT] ~\n");
    TALK(c, "3 AUTHENTICATE PLAIN", "+ \n");
    TALK(c, "*", "3 BAD given up\n");
    TALK(c, "4 AUTHENTICATE PLAIN AGFsaWNlQHgudGVzdAB3cm9uZw==", "4 NO [AUTHENTICATIONFAILED] ~\n");
    TALK(c, "5 AUTHENTICATE PLAIN", "+ \n");
    TALK(c, "AAAA", "5 BAD ~\n");
    TALK(c, "6 AUTHENTICATE SCRAM-SHA-256 biwsbj1hbGljZUB4LnRlc3Qscj1hYmM=", "+ cj1hYm~\n");
    TALK(c, "Yz1iaXdzLHI9YWJjLHA9", "6 ~\n");
    TALK(c, "5 AUTHENTICATE PLAIN", "+ \n");
    TALK(c, "AGFsaWNlQHgudGVzdABzZWNyZXQ=", "5 OK [CAPABILITY ~] logged in\n");
    bye(&c);
    stop();
}

TEST(imapd_bad_input)
{
    start();
    struct conn *c = dial(false);
    EXPECT(c, "* OK ~\n");
    TALK(c, "", "* BAD byte 1: a tag was expected\n");
    TALK(c, "a", "* BAD byte 2: a space was expected\n");
    TALK(c, "a ", "a BAD byte 3: an atom was expected\n");
    TALK(c, "a LOGIN {999999}", "a BAD the literal is too large\n");
    TALK(c, "a UID NOOP", "a BAD there is no such command\n");
    for (int i = 0; i < 41000; i++) conn_puts(c, "x");
    TALK(c, "", "* BAD the line is too long\n");
    conn_puts(c, "a NOOP\n");
    EXPECT(c, "a BAD lines end in CRLF\n");
    conn_puts(c, "t1 ID (");
    for (int i = 0; i < 41000; i++) conn_puts(c, "x");
    TALK(c, "", "t1 BAD the line is too long\n");
    TALK(c, "a NOOP", "a OK done\n");
    for (int i = 0; i < 12; i++) TALK(c, "b FOO", "b BAD there is no such command\n");
    EXPECT(c, "* BYE too many bad commands\n");
    conn_close(&c);
    c = dial(false);
    EXPECT(c, "* OK ~\n");
    TALK(c, "a LOGIN {99999999+}", "a BAD the literal is too large\n");
    EXPECT(c, "* BYE [TOOBIG] the literal is too large\n");
    conn_close(&c);
    stop();
}

/* ---- mailboxes ---- */

TEST(imapd_mailboxes)
{
    start();
    struct conn *c = login();
    TALK(c, "1 LIST \"\" \"\"", "* LIST (\\Noselect) \"/\" \"\"\n1 OK ~\n");
    TALK(c, "2 LIST \"\" *",
         "* LIST (\\HasNoChildren) \"/\" INBOX\n* LIST (\\HasNoChildren \\Archive) \"/\" Archive\n"
         "* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\n* LIST (\\HasNoChildren \\Junk) \"/\" Junk\n"
         "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\n* LIST (\\HasNoChildren \\Trash) \"/\" Trash\n2 OK "
         "these are the mailboxes\n");
    TALK(c, "3 CREATE a/b/c", "3 OK [MAILBOXID (M~)] created\n");
    TALK(c, "4 CREATE a/b/c", "4 NO [ALREADYEXISTS] ~\n");
    TALK(c, "5 CREATE &AOk-/", "5 OK [MAILBOXID (M~)] created\n");
    TALK(c, "6 LIST \"\" a%", "* LIST (\\HasChildren) \"/\" a\n6 OK ~\n");
    TALK(c, "7 LIST a/ %", "* LIST (\\HasChildren) \"/\" a/b\n7 OK ~\n");
    TALK(c, "8 LIST \"\" \"&*\"", "8 BAD ~\n");
    TALK(c, "9 DELETE a/b", "9 OK deleted\n");
    TALK(c, "10 LIST \"\" a*",
         "* LIST (\\HasChildren) \"/\" a\n* LIST (\\Noselect \\HasChildren) \"/\" a/b\n* LIST "
         "(\\HasNoChildren) \"/\" a/b/c\n10 OK ~\n");
    TALK(c, "11 RENAME a x", "11 OK renamed\n");
    TALK(c, "12 LIST \"\" x/*",
         "* LIST (\\Noselect \\HasChildren) \"/\" x/b\n* LIST (\\HasNoChildren) \"/\" x/b/c\n12 OK ~\n");
    TALK(c, "13 DELETE INBOX", "13 NO [NOPERM] ~\n");
    TALK(c, "14 DELETE nothing", "14 NO [NONEXISTENT] ~\n");
    TALK(c, "15 SUBSCRIBE x/b/c", "15 OK subscribed\n");
    TALK(c, "16 LSUB \"\" x/%", "* LSUB (\\Noselect) \"/\" x/b\n16 OK ~\n");
    TALK(c, "17 LSUB \"\" x*", "* LSUB () \"/\" x/b/c\n17 OK ~\n");
    TALK(c, "18 LIST (SUBSCRIBED) \"\" x* RETURN (CHILDREN)",
         "* LIST (\\HasNoChildren \\Subscribed) \"/\" x/b/c\n18 OK ~\n");
    TALK(c, "19 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" x",
         "* LIST (\\HasChildren) \"/\" x (\"CHILDINFO\" (\"SUBSCRIBED\"))\n19 OK ~\n");
    TALK(c, "20 UNSUBSCRIBE x/b/c", "20 OK no longer subscribed\n");
    TALK(c, "21 NAMESPACE", "* NAMESPACE ((\"\" \"/\")) ((\"#user/\" \"/\")) NIL\n21 OK ~\n");
    TALK(c, "22 STATUS inbox (MESSAGES UIDNEXT UNSEEN SIZE)",
         "* STATUS INBOX (MESSAGES 0 UIDNEXT 1 UNSEEN 0 SIZE 0)\n22 OK ~\n");
    TALK(c, "23 STATUS nothing (MESSAGES)", "23 NO [NONEXISTENT] ~\n");
    TALK(c, "24 LIST (SPECIAL-USE) \"\" * RETURN (STATUS (MESSAGES))",
         "* LIST (\\HasNoChildren \\Archive) \"/\" Archive\n* STATUS Archive (MESSAGES 0)\n"
         "* LIST (\\HasNoChildren \\Drafts) \"/\" Drafts\n* STATUS Drafts (MESSAGES 0)\n"
         "* LIST (\\HasNoChildren \\Junk) \"/\" Junk\n* STATUS Junk (MESSAGES 0)\n"
         "* LIST (\\HasNoChildren \\Sent) \"/\" Sent\n* STATUS Sent (MESSAGES 0)\n"
         "* LIST (\\HasNoChildren \\Trash) \"/\" Trash\n* STATUS Trash (MESSAGES 0)\n24 OK ~\n");
    TALK(c, "25 ID (\"name\" \"test\")", "* ID (\"name\" \"Tram\")\n25 OK ~\n");
    TALK(c, "26 ENABLE CONDSTORE FOO", "* ENABLED CONDSTORE\n26 OK enabled\n");
    bye(&c);
    stop();
}

/* ---- messages ---- */

static const char mixed[] =
    "Subject: two parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: "
    "quoted-printable\r\n\r\n"
    "caf=E9 au =\r\nlait\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>x</p>\r\n--b--\r\n";

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

/* RFC 8474 sections 5.2 and 6: one thread in two mailboxes, whoever is asked first. */
TEST(imapd_threads_relatives)
{
    char line[80];
    start();
    struct conn *c = login();
    append(c, "INBOX", "",
           "Message-ID: <b@x.test>\r\nReferences: <a@x.test>\r\nSubject: Re: plans\r\n\r\nx\r\n");
    append(c, "Archive", "", "Message-ID: <a@x.test>\r\nSubject: plans\r\n\r\nx\r\n");
    append(c, "Archive", "", "Message-ID: <c@x.test>\r\nSubject: others\r\n\r\nx\r\n");
    select_inbox(c);
    conn_puts(c, "1 FETCH 1 THREADID\r\n");
    conn_flush(c);
    read_until(c, SL("1 "));
    size_t at = sl_find(buf_slice(&got), SL("THREADID (T"));
    REQUIRE(at != SL_NONE);
    struct slice id = sl_from(buf_slice(&got), at + 10);
    snprintf(line, sizeof line, "3 SEARCH THREADID %.*s\r\n", SLF(sl_sub(id, 0, sl_chr(id, ')'))));
    TALK(c, "2 SELECT Archive", "~\n~\n~\n~\n~\n~\n~\n~\n~\n2 OK ~\n");
    conn_puts(c, line);
    conn_flush(c);
    EXPECT(c, "* SEARCH 1\n3 OK ~\n");
    TALK(c, "4 SEARCH THREADID Tffff", "* SEARCH\n4 OK ~\n");
    TALK(c, "5 SEARCH NOT THREADID M1", "* SEARCH 1 2\n5 OK ~\n");
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

/* Longer than any name that could match. */
TEST(imapd_list_takes_no_pattern_without_end)
{
    start();
    struct conn *c = login();
    conn_puts(c, "1 LIST \"");
    for (int i = 0; i < 990; i++) conn_puts(c, "x");
    conn_puts(c, "\" (xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx *)\r\n");
    EXPECT(c, "1 NO [LIMIT] reference and pattern have more than 1000 bytes\n");
    TALK(c, "2 LIST \"\" INBOX", "* LIST (\\HasNoChildren) \"/\" INBOX\n2 OK these are the mailboxes\n");
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

/* RFC 3501 section 9 (CHAR8), RFC 3516 section 4.4 */
TEST(imapd_nul_only_in_literal8)
{
    start();
    struct conn *c = login();
    conn_write(c, SL("1 APPEND INBOX {9+}\r\nA: b\r\n\r\n\0\r\n"));
    EXPECT(c, "1 BAD only a literal8, ~{...}, may hold NUL\n");
    conn_write(c, SL("2 APPEND INBOX ~{9+}\r\nA: b\r\n\r\n\0\r\n"));
    EXPECT(c, "2 OK [APPENDUID ~] appended\n");
    select_inbox(c);
    TALK(c, "3 FETCH 1 (BODY.PEEK[] BODY.PEEK[TEXT])",
         "* 1 FETCH (BODY[] {9}\nA: b\n\n? BODY[TEXT] {1}\n?)\n3 OK fetched\n");
    conn_puts(c, "4 FETCH 1 BINARY.PEEK[]\r\n");
    read_until(c, SL("4 OK"));
    CHECK(sl_eq(buf_slice(&got), SL("* 1 FETCH (BINARY[] ~{9}\nA: b\n\n\0)\n4 OK fetched\n")));
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

TEST(imapd_search_in_addresses)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "",
           "From: \"Doe, J\\\"oe\" <joe@x.test> (secret comment)\r\nTo: root, =?utf-8?q?J=C3=B6rg?= "
           "<j@y.test>\r\n\r\nx\r\n");
    append(c, "INBOX", "",
           "From: <MAILER-DAEMON>\r\nCc: friends: ;\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"
           "--b\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n--b\r\n"
           "Content-Type: text/plain; charset=windows-1255\r\nContent-Transfer-Encoding: "
           "quoted-printable\r\n\r\n=F9=EC\r\n--b--\r\n");
    select_inbox(c);
    TALK(c, "1 SEARCH FROM secret", "* SEARCH\n1 OK ~\n");
    TALK(c, "2 SEARCH HEADER FROM secret", "* SEARCH 1\n2 OK ~\n");
    TALK(c, "3 SEARCH FROM {17+}\r\nDoe, J\"oe <joe@x.", "* SEARCH 1\n3 OK ~\n");
    TALK(c, "4 SEARCH TO root TO {5+}\r\nJ\xc3\xb6rg", "* SEARCH 1\n4 OK ~\n");
    TALK(c, "5 SEARCH FROM mailer-daemon CC friends", "* SEARCH 2\n5 OK ~\n");
    TALK(c, "6 SEARCH BODY 5.1.1", "* SEARCH 2\n6 OK ~\n");
    TALK(c, "7 SEARCH CHARSET UTF-8 BODY {4+}\r\n\xd7\xa9\xd7\x9c", "* SEARCH 2\n7 OK ~\n");
    TALK(c, "8 SEARCH OLDER 0", "8 BAD ~\n");
    TALK(c, "9 ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n9 OK ~\n");
    TALK(c, "10 SEARCH CHARSET UTF-8 ALL", "10 BAD ~\n");
    bye(&c);
    stop();
}

/* RFC 7162 section 3.1, RFC 4731 section 3.2 */
TEST(imapd_condstore_tells_the_modseq)
{
    start();
    struct conn *c = login();
    for (int i = 0; i < 3; i++) append(c, "INBOX", "", a_letter);
    select_inbox(c);
    TALK(c, "1 STORE 1 +FLAGS.SILENT (\\Flagged)", "1 OK stored\n");
    TALK(c, "2 ENABLE CONDSTORE",
         "* ENABLED CONDSTORE\n* OK [HIGHESTMODSEQ ~] the last change\n2 OK enabled\n");
    TALK(c, "3 FETCH 1:3 MODSEQ",
         "* 1 FETCH (MODSEQ (16))\n* 2 FETCH (MODSEQ (14))\n* 3 FETCH (MODSEQ (15))\n3 OK fetched\n");
    TALK(c, "4 SEARCH RETURN (MIN) MODSEQ 1", "* ESEARCH (TAG \"4\") MIN 1 MODSEQ 16\n4 OK ~\n");
    TALK(c, "5 SEARCH RETURN (MAX) MODSEQ 1", "* ESEARCH (TAG \"5\") MAX 3 MODSEQ 15\n5 OK ~\n");
    TALK(c, "6 SEARCH RETURN (MIN MAX) 2:3 MODSEQ 1",
         "* ESEARCH (TAG \"6\") MIN 2 MAX 3 MODSEQ 15\n6 OK ~\n");
    TALK(c, "7 SEARCH RETURN (MAX COUNT) MODSEQ 1",
         "* ESEARCH (TAG \"7\") MAX 3 COUNT 3 MODSEQ 16\n7 OK ~\n");
    bye(&c);
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

TEST(imapd_rev2)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    TALK(c, "1 ENABLE IMAP4rev2", "* ENABLED IMAP4rev2\n1 OK enabled\n");
    TALK(c, "2 CREATE \"&-\xc3\xa9\"", "2 OK ~\n");
    TALK(c, "3 LIST \"\" &*", "* LIST (\\HasNoChildren) \"/\" \"&-\xc3\xa9\"\n3 OK ~\n");
    TALK(c, "4 SELECT inbox",
         "* FLAGS ~\n* OK [PERMANENTFLAGS ~\n* 1 EXISTS\n* OK [UIDVALIDITY ~\n* OK [UIDNEXT 2] ~\n"
         "* OK [HIGHESTMODSEQ ~\n* OK [MAILBOXID ~\n* LIST () \"/\" INBOX\n4 OK [READ-WRITE] selected\n");
    TALK(c, "5 SEARCH ALL", "* ESEARCH (TAG \"5\") ALL 1\n5 OK searched\n");
    TALK(c, "6 EXAMINE Trash", "* OK [CLOSED] ~\n~\n~\n* 0 EXISTS\n~\n~\n~\n~\n~\n6 OK ~\n");
    bye(&c);
    stop();
}

TEST(imapd_does_not_answer_what_is_not_known)
{
    start();
    struct conn *c = login();
    kv_mem_inject(w.kv, KV_FAULT_UNKNOWN_DONE, 1);
    TALK(c, "1 APPEND INBOX {6+}\r\na: b\r\n",
         "* BYE [UNAVAILABLE] it is not known whether the command was carried out\n");
    conn_close(&c);
    c = login();
    TALK(c, "2 STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 1)\n2 OK ~\n");
    kv_mem_inject(w.kv, KV_FAULT_UNKNOWN_NOT_DONE, 1);
    TALK(c, "3 CREATE box", "* BYE [UNAVAILABLE] it is not known whether the command was carried out\n");
    conn_close(&c);
    stop();
}

TEST(imapd_append)
{
    start();
    struct conn *c = login();
    TALK(c, "1 APPEND nothing {5}", "1 NO [TRYCREATE] there is no such mailbox\n");
    TALK(c, "2 APPEND INBOX {2000000}", "2 NO [TOOBIG] ~\n");
    TALK(c, "3 APPEND INBOX", "3 BAD ~\n");
    TALK(c, "4 APPEND INBOX (\\Recent) {5}", "+ go ahead\n");
    TALK(c, "hello", "4 BAD ~\n");
    TALK(c, "5 APPEND {5}", "+ go ahead\n");
    TALK(c, "INBOX (\\Draft) {6}", "+ go ahead\n");
    TALK(c, "a: b\r\n", "5 OK [APPENDUID ~ 1] appended\n");
    TALK(c, "6 APPEND nothing {5+}\r\nhello", "6 NO [TRYCREATE] there is no such mailbox\n");
    TALK(c, "7 APPEND INBOX {5+}\r\nhello more", "7 BAD byte 2: the end of the command was expected\n");
    TALK(c, "8 APPEND INBOX {0+}\r\n", "8 NO [CANNOT] ~\n");
    TALK(c, "9 STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 1)\n9 OK ~\n");
    TALK(c, "A APPEND INBOX (\\Seen) {6+}\r\na: 1\r\n (\\Draft) ~{6+}\r\na: 2\r\n",
         "A OK [APPENDUID ~ 2:3] appended\n");
    TALK(c, "B APPEND INBOX {6+}\r\na: 1\r\n {2000000}", "B NO [TOOBIG] ~\n");
    TALK(c, "C APPEND INBOX {6+}\r\na: 1\r\n () x{6+}\r\na: 2\r\n",
         "C BAD byte 5: the end of the command was expected\n");
    TALK(c, "D APPEND INBOX UTF8 (~{6+}\r\na: 3\r\n)", "D OK [APPENDUID ~ 4] appended\n");
    TALK(c, "E APPEND INBOX UTF8 (~{6+}\r\na: 3\r\n", "E BAD byte 1: ')' was expected\n");
    TALK(c, "F STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 4)\nF OK ~\n");
    char *big = xmalloc(900001);
    for (int i = 0; i < 900000; i++) big[i] = i % 70 ? 'x' : '\n';
    for (int i = 1; i < 900000; i++)
        if (big[i] == '\n') big[i - 1] = '\r';
    memcpy(big, "A: b\r\n\r\n", 8);
    big[900000] = 0;
    append(c, "INBOX", "", big);
    TALK(c, "10 SELECT INBOX", "~\n~\n* 5 EXISTS\n~\n~\n~\n~\n~\n~\n10 OK [READ-WRITE] selected\n");
    conn_puts(c, "11 FETCH 5 BODY[]\r\n");
    CHECK_OK(conn_flush(c));
    read_until(c, SL("11 OK"));
    struct buf lf = BUF_INIT; /* as read_until() gives it */
    for (int i = 0; i < 900000; i++)
        if (big[i] != '\r') buf_char(&lf, big[i]);
    CHECK(sl_find(buf_slice(&got), buf_slice(&lf)) != SL_NONE);
    CHECK(sl_startsi(buf_slice(&got), SL("* 5 FETCH (FLAGS (\\Recent \\Seen) BODY[] {900000}\n")));
    buf_free(&lf);
    free(big);
    bye(&c);
    stop();
}

TEST(imapd_store_copy_move_expunge)
{
    start();
    struct conn *c = login();
    for (int i = 0; i < 4; i++) append(c, "INBOX", "", a_letter);
    conn_puts(c, "0 SELECT INBOX\r\n");
    read_until(c, SL("0 OK"));
    TALK(c, "1 STORE 1:2 +FLAGS (\\Flagged)",
         "* 1 FETCH (FLAGS (\\Flagged))\n* 2 FETCH (FLAGS (\\Flagged))\n1 OK stored\n");
    TALK(c, "2 UID STORE 1 FLAGS.SILENT (\\Deleted)", "2 OK stored\n");
    TALK(c, "3 UID STORE 1 -FLAGS (\\Seen)", "* 1 FETCH (UID 1 FLAGS (\\Deleted))\n3 OK stored\n");
    TALK(c, "4 STORE 3 +FLAGS ($New)",
         "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $New)\n"
         "* OK [PERMANENTFLAGS (\\* \\Seen \\Answered \\Flagged \\Deleted \\Draft $New)] these can be kept\n"
         "* 3 FETCH (FLAGS ($New))\n4 OK stored\n");
    TALK(c, "5 COPY 2:3 Trash", "5 OK [COPYUID ~ 2:3 1:2] copied\n");
    TALK(c, "6 COPY 2 nothing", "6 NO [TRYCREATE] ~\n");
    TALK(c, "7 EXPUNGE", "* 1 EXPUNGE\n7 OK expunged\n");
    TALK(c, "8 MOVE 1 Junk", "* OK [COPYUID ~ 2 1] moved\n* 1 EXPUNGE\n8 OK moved\n");
    TALK(c, "9 STORE 1:2 +FLAGS.SILENT (\\Deleted)", "9 OK stored\n");
    TALK(c, "10 UID EXPUNGE 4", "* 2 EXPUNGE\n10 OK expunged\n");
    TALK(c, "11 UID FETCH 1:* FLAGS", "* 1 FETCH (UID 3 FLAGS (\\Deleted $New))\n11 OK fetched\n");
    TALK(c, "12 CLOSE", "12 OK closed\n");
    TALK(c, "13 STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 0)\n13 OK ~\n");
    TALK(c, "14 FETCH 1 FLAGS", "14 BAD select a mailbox first\n");
    TALK(c, "15 EXAMINE Trash",
         "~\n* OK [PERMANENTFLAGS ()] these can be kept\n* 2 EXISTS\n~\n~\n~\n~\n~\n~\n15 OK [READ-ONLY] "
         "selected\n");
    TALK(c, "16 STORE 1 FLAGS (\\Seen)", "16 NO [READ-ONLY] ~\n");
    TALK(c, "17 FETCH 1:2 FLAGS", "* 1 FETCH (FLAGS (\\Flagged))\n* 2 FETCH (FLAGS ($New))\n17 OK fetched\n");
    TALK(c, "18 UNSELECT", "18 OK ~\n");
    bye(&c);
    stop();
}

TEST(imapd_condstore)
{
    start();
    struct conn *c = login();
    for (int i = 0; i < 2; i++) append(c, "INBOX", "", a_letter);
    conn_puts(c, "0 SELECT INBOX (CONDSTORE)\r\n");
    read_until(c, SL("0 OK"));
    TALK(c, "1 UID STORE 1:2 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)",
         "1 OK [MODIFIED 1:2] some were changed meanwhile\n");
    TALK(c, "2 STORE 1 +FLAGS (\\Seen)", "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (~))\n2 OK stored\n");
    TALK(c, "3 FETCH 1:* (FLAGS) (CHANGEDSINCE 999999)", "3 OK fetched\n");
    TALK(c, "4 SEARCH MODSEQ 1", "* SEARCH 1 2 (MODSEQ ~)\n4 OK searched\n");
    bye(&c);
    stop();
}

/* The number behind a word in what was read last. */
static unsigned long long number_after(const char *word)
{
    uint64_t n = 0;
    size_t at = sl_find(buf_slice(&got), sl_cstr(word));
    CHECK(at != SL_NONE);
    struct slice rest = at == SL_NONE ? SL("") : sl_from(buf_slice(&got), at + strlen(word));
    CHECK(num_u64(sl_sub(rest, 0, sl_chr(rest, ']')), UINT64_MAX, &n));
    return n;
}

static void select_resync(struct conn *c, const char *parameters, const char *want)
{
    conn_printf(c, "s SELECT INBOX (QRESYNC (%s))\r\n", parameters);
    conn_flush(c);
    EXPECT(c, "* OK [CLOSED] ~\n* FLAGS ~\n* OK [PERMANENTFLAGS ~\n");
    EXPECT(c, "~ EXISTS\n~ RECENT\n* OK [UNSEEN ~\n* OK [UIDVALIDITY ~\n* OK [UIDNEXT ~\n");
    EXPECT(c, "* OK [HIGHESTMODSEQ ~\n* OK [MAILBOXID ~\n");
    EXPECT(c, want);
}

/* RFC 7162 section 3.2. */
TEST(imapd_qresync_tells_what_went)
{
    char about[100];
    start();
    struct conn *c = login();
    for (int i = 0; i < 6; i++) append(c, "INBOX", "", a_letter);
    select_inbox(c);
    unsigned long long validity = number_after("UIDVALIDITY "), before = number_after("HIGHESTMODSEQ ");
    TALK(c, "1 SELECT INBOX (QRESYNC (1 1))", "1 BAD ~\n");
    TALK(c, "2 ENABLE QRESYNC", "* ENABLED QRESYNC\n* OK [HIGHESTMODSEQ ~] the last change\n2 OK enabled\n");
    TALK(c, "3 STORE 2,4 +FLAGS.SILENT (\\Deleted)",
         "* 2 FETCH (UID 2 MODSEQ (~))\n* 4 FETCH (UID 4 MODSEQ (~))\n3 OK stored\n");
    TALK(c, "4 EXPUNGE", "* VANISHED 2,4\n4 OK [HIGHESTMODSEQ ~] expunged\n");
    TALK(c, "5 STORE 3 +FLAGS (\\Seen)", "* 3 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (~))\n5 OK stored\n");
    TALK(c, "6 FETCH 1:3 FLAGS (CHANGEDSINCE 1 VANISHED)", "6 BAD ~\n");
    TALK(c, "7 UID FETCH 1:5 FLAGS (VANISHED)", "7 BAD ~\n");
    conn_printf(c, "8 UID FETCH 3:* (FLAGS) (CHANGEDSINCE %llu VANISHED)\r\n", before);
    conn_flush(c);
    EXPECT(c, "* VANISHED (EARLIER) 4\n* 3 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (~))\n8 OK fetched\n");
    snprintf(about, sizeof about, "%llu %llu", validity, before);
    select_resync(c, about,
                  "* VANISHED (EARLIER) 2,4\n* 3 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (~))\ns OK ~\n");
    snprintf(about, sizeof about, "%llu %llu 1:3,6", validity, before);
    select_resync(c, about, "* VANISHED (EARLIER) 2\ns OK ~\n");
    snprintf(about, sizeof about, "%llu %llu 1:6 (1:3 1,3,6)", validity, before); /* 1 and 3 are true */
    select_resync(c, about, "* VANISHED (EARLIER) 4\n* 3 FETCH (UID 5 ~\ns OK ~\n");
    snprintf(about, sizeof about, "%llu %llu", validity - 1, before);
    select_resync(c, about, "s OK ~\n");
    TALK(c, "9 SELECT INBOX (QRESYNC (1 1 1:*", "9 BAD ~\n");
    bye(&c);
    stop();
}

/* A change that lies behind one that may not be told yet: the client must not take it for the last. */
TEST(imapd_qresync_names_no_modseq_too_high)
{
    start();
    struct conn *c = login(), *plain = login();
    for (int i = 0; i < 3; i++) append(c, "INBOX", "", a_letter);
    TALK(c, "1 ENABLE QRESYNC", "* ENABLED QRESYNC\n1 OK ~\n");
    select_inbox(c);
    unsigned long long before = number_after("HIGHESTMODSEQ ");
    select_inbox(plain);
    TALK(plain, "1 STORE 1 +FLAGS.SILENT (\\Deleted)", "1 OK ~\n");
    TALK(plain, "2 EXPUNGE", "* 1 EXPUNGE\n2 OK expunged\n");
    TALK(plain, "3 STORE 2 +FLAGS.SILENT (\\Seen)", "3 OK ~\n");
    conn_puts(c, "2 FETCH 2 UID\r\n");
    conn_flush(c);
    read_until(c, SL("2 OK"));
    CHECK(number_after("HIGHESTMODSEQ ") == before);
    TALK(c, "3 NOOP", "* VANISHED 1\n3 OK ~\n");
    bye(&c);
    bye(&plain);
    stop();
}

/* The same where the answer has another code, or is NO (section 6 has such an example). */
TEST(imapd_qresync_names_the_modseq_beside_another_code)
{
    static const char *const commands[] = {
        "FETCH 1:3 FLAGS",
        "SEARCH ALL",
        "SORT (SIZE) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "STORE 1:2 +FLAGS (\\Flagged)",
        "STORE 2 (UNCHANGEDSINCE 1) +FLAGS (\\Flagged)",
        "SEARCH CHARSET x-none ALL",
    };
    start();
    struct conn *c = login(), *plain = login();
    for (int i = 0; i < 3; i++) append(c, "INBOX", "", a_letter);
    TALK(c, "1 ENABLE QRESYNC", "* ENABLED QRESYNC\n1 OK ~\n");
    select_inbox(c);
    unsigned long long before = number_after("HIGHESTMODSEQ ");
    select_inbox(plain);
    TALK(plain, "1 STORE 1 +FLAGS.SILENT (\\Deleted)", "1 OK ~\n");
    TALK(plain, "2 EXPUNGE", "* 1 EXPUNGE\n2 OK expunged\n");
    TALK(plain, "3 STORE 2 +FLAGS.SILENT (\\Seen)", "3 OK ~\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        conn_printf(c, "t %s\r\n", commands[i]);
        conn_flush(c);
        read_until(c, SL("t "));
        CHECK(sl_find(buf_slice(&got), SL("VANISHED")) == SL_NONE);
        CHECK(number_after("OK [HIGHESTMODSEQ ") == before);
    }
    TALK(c, "3 NOOP", "* VANISHED 1\n3 OK ~\n");
    TALK(c, "4 FETCH 1 FLAGS", "* 1 FETCH (~)\n4 OK fetched\n");
    bye(&c);
    bye(&plain);
    stop();
}

TEST(imapd_search)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    append(c, "INBOX", "(\\Seen) \"17-Jul-1996 02:44:25 -0700\" ", mixed);
    append(c, "INBOX", "(\\Flagged k1) ", "Subject: third\r\nX-Test: a\r\n\r\nnothing here\r\n");
    conn_puts(c, "0 SELECT INBOX\r\n");
    read_until(c, SL("0 OK"));
    TALK(c, "1 SEARCH ALL", "* SEARCH 1 2 3\n1 OK searched\n");
    TALK(c, "2 SEARCH UNSEEN NOT FLAGGED", "* SEARCH 1\n2 OK searched\n");
    TALK(c, "3 UID SEARCH OR SUBJECT THIRD SUBJECT parts", "* SEARCH 2 3\n3 OK searched\n");
    TALK(c, "4 SEARCH CHARSET UTF-8 SUBJECT {7+}\r\nGR\xc3\x9cSSE", "* SEARCH 1\n4 OK searched\n");
    TALK(c, "5 SEARCH BODY \"caf\xc3\xa9 au lait\"", "* SEARCH 2\n5 OK searched\n");
    TALK(c, "6 SEARCH TEXT bob@", "* SEARCH 1\n6 OK searched\n");
    TALK(c, "7 SEARCH BODY bob@", "* SEARCH\n7 OK searched\n");
    TALK(c, "8 SEARCH HEADER X-Test \"\"", "* SEARCH 3\n8 OK searched\n");
    TALK(c, "9 SEARCH ON 17-Jul-1996", "* SEARCH 2\n9 OK searched\n");
    TALK(c, "10 SEARCH SENTON 7-Feb-1994", "* SEARCH 1\n10 OK searched\n");
    TALK(c, "11 SEARCH LARGER 200", "* SEARCH 2\n11 OK searched\n");
    TALK(c, "12 SEARCH KEYWORD k1 UNKEYWORD k2", "* SEARCH 3\n12 OK searched\n");
    TALK(c, "13 SEARCH CHARSET x-none ALL", "13 NO [BADCHARSET (UTF-8 US-ASCII)] ~\n");
    TALK(c, "14 SEARCH RETURN (MIN MAX COUNT ALL) ALL",
         "* ESEARCH (TAG \"14\") MIN 1 MAX 3 COUNT 3 ALL 1:3\n14 OK searched\n");
    TALK(c, "15 UID SEARCH RETURN () FLAGGED SEEN", "* ESEARCH (TAG \"15\") UID\n15 OK searched\n");
    TALK(c, "16 SEARCH RETURN (SAVE) SEEN", "16 OK searched\n");
    TALK(c, "17 FETCH $ UID", "* 2 FETCH (UID 2)\n17 OK fetched\n");
    TALK(c, "18 SEARCH 2:* UID 1:2", "* SEARCH 2\n18 OK searched\n");
    TALK(c, "19 SEARCH YOUNGER 1000", "* SEARCH 1 3\n19 OK searched\n");
    TALK(c, "20 SEARCH NOT OLD", "* SEARCH 1 2 3\n20 OK searched\n");
    TALK(c, "21 SEARCH TEXT quoted-printable", "* SEARCH 2\n21 OK searched\n");
    TALK(c, "22 SEARCH FOO", "22 BAD ~\n");
    bye(&c);
    stop();
}

/* ---- two sessions ---- */

TEST(imapd_two_sessions)
{
    start();
    struct conn *a = login(), *b = login();
    for (int i = 0; i < 3; i++) append(a, "INBOX", "", a_letter);
    conn_puts(a, "0 SELECT INBOX\r\n");
    read_until(a, SL("0 OK"));
    conn_puts(b, "0 SELECT INBOX\r\n");
    read_until(b, SL("0 OK"));
    TALK(b, "1 STORE 2 +FLAGS.SILENT (\\Deleted)", "1 OK stored\n");
    TALK(b, "2 EXPUNGE", "* 2 EXPUNGE\n2 OK expunged\n");
    append(b, "INBOX", "", mixed);
    /* FETCH may not tell of the EXPUNGE: the numbers still are those that a knows. */
    TALK(a, "1 FETCH 3 UID", "* 3 FETCH (UID 3)\n* 4 EXISTS\n* ~ RECENT\n1 OK fetched\n");
    /* A message that is gone is shown until the client is told (RFC 2180, RFC 5530). */
    TALK(a, "2 FETCH 2 (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (To)])",
         "* 2 FETCH (UID 2 RFC822.SIZE 134 BODY[HEADER.FIELDS (To)] {20}\nTo: alice@x.test\n\n)\n2 OK "
         "[EXPUNGEISSUED] fetched\n");
    TALK(a, "2 SEARCH SUBJECT Gr BODY Alice", "* SEARCH 1 2 3\n2 OK [EXPUNGEISSUED] searched\n");
    TALK(a, "2 STORE 1:2 +FLAGS (\\Seen)",
         "* 1 FETCH (FLAGS (\\Seen))\n* 2 FETCH (FLAGS (\\Seen \\Deleted))\n2 OK [EXPUNGEISSUED] stored\n");
    TALK(a, "2 STORE 1:2 -FLAGS.SILENT (\\Seen)", "2 OK [EXPUNGEISSUED] stored\n");
    TALK(a, "2 FETCH 2 FLAGS", "* 2 FETCH (FLAGS (\\Deleted))\n2 OK [EXPUNGEISSUED] fetched\n");
    TALK(a, "2 COPY 1:2 Trash", "* 2 EXPUNGE\n2 NO [EXPUNGEISSUED] ~\n");
    TALK(a, "3 STATUS Trash (MESSAGES)", "* STATUS Trash (MESSAGES 0)\n3 OK ~\n");
    TALK(a, "4 FETCH 1:* UID", "* 1 FETCH (UID 1)\n* 2 FETCH (UID 3)\n* 3 FETCH (UID 4)\n4 OK fetched\n");
    TALK(b, "3 STORE 1 +FLAGS (\\Answered)", "* 1 FETCH (FLAGS (\\Answered))\n3 OK stored\n");
    TALK(a, "5 NOOP", "* 1 FETCH (UID 1 FLAGS (\\Answered))\n5 OK done\n");
    bye(&a);
    bye(&b);
    stop();
}

/* RFC 3501 section 2.3.2: the first session that is told has them, also after a restart. */
TEST(imapd_recent)
{
    start();
    struct conn *a = login(), *b = login();
    for (int i = 0; i < 2; i++) append(a, "INBOX", "", a_letter);
    TALK(a, "1 STATUS INBOX (RECENT)", "* STATUS INBOX (RECENT 2)\n1 OK ~\n");
    TALK(a, "2 EXAMINE INBOX",
         "* FLAGS ~\n* OK ~\n* 2 EXISTS\n* 2 RECENT\n~\n~\n~\n~\n~\n2 OK [READ-ONLY] selected\n");
    TALK(b, "3 STATUS INBOX (RECENT)", "* STATUS INBOX (RECENT 2)\n3 OK ~\n"); /* EXAMINE takes none */
    TALK(b, "4 ENABLE IMAP4rev2", "* ENABLED IMAP4rev2\n4 OK ~\n");
    select_inbox(b);
    TALK(a, "5 STATUS INBOX (RECENT)", "* STATUS INBOX (RECENT 2)\n5 OK ~\n"); /* nor does rev2 */
    select_inbox(a);
    TALK(a, "6 SEARCH RECENT", "* SEARCH 1 2\n6 OK ~\n");
    TALK(a, "7 STORE 1 +FLAGS (\\Seen)", "* 1 FETCH (FLAGS (\\Recent \\Seen))\n7 OK ~\n");
    TALK(a, "8 SEARCH NEW", "* SEARCH 2\n8 OK ~\n");
    TALK(b, "9 STATUS INBOX (RECENT)",
         "* STATUS INBOX (RECENT 0)\n* 1 FETCH (UID 1 FLAGS (\\Seen))\n9 OK ~\n");
    bye(&a);
    bye(&b);
    struct imapd_conf conf = {.store = w.store,
                              .login = w.login,
                              .tls = w.server_tls,
                              .hostname = SL("mail.x.test"),
                              .sessions_max = 20};
    imapd_close(&w.imapd);
    CHECK_OK(imapd_open(&w.imapd, &conf));
    a = login();
    append(a, "INBOX", "", a_letter);
    TALK(a, "1 STATUS INBOX (RECENT)", "* STATUS INBOX (RECENT 1)\n1 OK ~\n");
    select_inbox(a);
    TALK(a, "2 SEARCH OLD", "* SEARCH 1 2\n2 OK ~\n");
    TALK(a, "3 FETCH 1:3 FLAGS",
         "* 1 FETCH (FLAGS (\\Seen))\n* 2 FETCH (FLAGS ())\n* 3 FETCH (FLAGS (\\Recent))\n3 OK ~\n");
    bye(&a);
    stop();
}

TEST(imapd_idle)
{
    start();
    struct conn *a = login(), *b = login();
    TALK(a, "0 IDLE", "+ idling\n"); /* with nothing selected */
    TALK(a, "done", "0 OK idle no more\n");
    append(a, "INBOX", "", a_letter);
    conn_puts(a, "0 SELECT INBOX\r\n");
    read_until(a, SL("0 OK"));
    TALK(a, "1 IDLE", "+ idling\n");
    append(b, "INBOX", "", mixed);
    EXPECT(a, "* 2 EXISTS\n* 2 RECENT\n");
    conn_puts(b, "0 SELECT INBOX\r\n");
    read_until(b, SL("0 OK"));
    TALK(b, "1 STORE 1 +FLAGS (\\Deleted)", "* 1 FETCH (FLAGS (\\Deleted))\n1 OK stored\n");
    EXPECT(a, "* 1 FETCH (UID 1 FLAGS (\\Deleted))\n");
    TALK(b, "2 EXPUNGE", "* 1 EXPUNGE\n2 OK expunged\n");
    EXPECT(a, "* 1 EXPUNGE\n");
    TALK(a, "DONE", "1 OK idle no more\n");
    TALK(a, "2 IDLE", "+ idling\n");
    TALK(a, "x NOOP", "2 BAD DONE was expected\n");
    TALK(a, "3 NOOP", "3 OK done\n");
    TALK(b, "3 CREATE box", "3 OK ~\n");
    conn_puts(a, "4 SELECT box\r\n");
    read_until(a, SL("4 OK"));
    TALK(a, "5 IDLE", "+ idling\n");
    TALK(b, "4 DELETE box", "4 OK deleted\n");
    EXPECT(a, "* BYE the mailbox was deleted\n");
    conn_close(&a);
    bye(&b);
    stop();
}

TEST(imapd_says_good_bye_when_the_server_stops)
{
    start();
    struct conn *a = login(), *b = login();
    TALK(b, "1 IDLE", "+ idling\n");
    group_cancel(&w.sessions);
    EXPECT(a, "* BYE [UNAVAILABLE] the server is shutting down\n");
    EXPECT(b, "* BYE [UNAVAILABLE] the server is shutting down\n");
    conn_close(&a);
    conn_close(&b);
    stop();
}

/* Commands that come all at once are answered in order. */
TEST(imapd_pipelined)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    conn_puts(c, "1 SELECT INBOX\r\n2 FETCH 1 UID\r\n3 NOOP\r\n4 IDLE\r\nDONE\r\n5 CLOSE\r\n");
    read_until(c, SL("1 OK"));
    EXPECT(c, "* 1 FETCH (UID 1)\n2 OK fetched\n");
    EXPECT(c, "3 OK done\n");
    EXPECT(c, "+ idling\n");
    EXPECT(c, "4 OK idle no more\n");
    EXPECT(c, "5 OK closed\n");
    bye(&c);
    stop();
    buf_free(&got);
}

static void count_origin(void *arg, const struct body_seen *seen)
{
    struct origin_message m;
    struct rec r;
    bool good = origin_open(seen->origin, &r) == ORIGIN_MESSAGE && origin_message_get(&r, &m) == 0;
    CHECK(seen->status == 0 && good);
    if (!good) return;
    CHECK(m.acc[0] && m.box && sl_eq(m.name, SL("Sent")) && m.m.head_size == 8);
    CHECK(m.m.flags == FLAG_SEEN && m.m.nkeywords == 1 && sl_eq(m.m.keyword[0], SL("$MDNSent")));
    CHECK(m.m.internal_date == 1700000000 && m.m.internal_zone == 60);
    ++*(int *)arg;
}

/* The body alone tells where the message lay (docs/format.md section 5). */
TEST(imapd_append_names_the_origin)
{
    int seen = 0;
    start();
    struct conn *c = login();
    TALK(c, "1 APPEND Sent (\\Seen $MDNSent) \"14-Nov-2023 23:13:20 +0100\" {9+}\r\na: b\r\n\r\nc",
         "1 OK [APPENDUID ~ 1] appended\n");
    bye(&c);
    CHECK_OK(body_verify(w.body, 0, count_origin, &seen));
    CHECK_INT(seen, 1);
    stop();
}

static int passwd(struct directory *d, struct slice who) { return account_password(d, who, SL("another")); }
static int disable(struct directory *d, struct slice who) { return account_disable(d, who, true); }

/* Nothing that the client says or waits for ends these sessions before the answer is given up. */
TEST(imap_an_idle_session_ends_when_its_account_changes)
{
    static const char gone[] = "* BYE [EXPIRED] the account was changed: log in again\n";
    static int (*const change[])(struct directory *, struct slice) = {passwd, disable, account_remove};
    for (size_t i = 0; i < COUNT_OF(change); i++) {
        start();
        CHECK_OK(account_add(w.store->directory, SL("bob@x.test"), SL("builder")));
        struct conn *idle = login(), *parked = login(), *bob = dial(true);
        conn_puts(idle, "s SELECT INBOX\r\n");
        read_until(idle, SL("s OK"));
        conn_puts(idle, "i IDLE\r\n");
        read_until(idle, SL("+ idling"));
        conn_puts(bob, "b LOGIN bob@x.test builder\r\n");
        read_until(bob, SL("b OK"));
        CHECK_OK(change[i](w.store->directory, SL("alice@x.test")));
        EXPECT(idle, gone);
        EXPECT(parked, gone);
        conn_puts(bob, "n NOOP\r\n"); /* another account's goes on */
        read_until(bob, SL("n OK"));
        conn_close(&idle);
        conn_close(&parked);
        conn_close(&bob);
        stop();
    }
}

/* RFC 7301: who names other protocols only meant somebody else; who names none is served. */
TEST(imap_tls_for_another_protocol_is_refused)
{
    static const char *const wrong[] = {"pop3", "http/1.1", NULL}, *const right[] = {"h2", "imap", NULL};
    static const struct {
        const char *const *alpn;
        int error;
    } cases[] = {{wrong, ERR_TLS}, {right, 0}, {NULL, 0}};
    start();
    for (size_t i = 0; i < 2 * COUNT_OF(cases); i++) {
        struct tls_peer peer = {.name = SL("mail.x.test"), .alpn = cases[i / 2].alpn};
        struct conn *c = NULL;
        CHECK_OK(conn_dial(&c, listener_at(i % 2 ? w.tls : w.plain), NULL));
        if (i % 2 == 0) TALK(c, "s STARTTLS", "~\ns OK begin TLS now\n");
        CHECK_ERR(conn_tls_connect(c, w.client_tls, &peer), cases[i / 2].error);
        conn_close(&c);
    }
    stop();
}
