/* uids_test.c - sessions that speak of UIDs only, batches of UIDs, and how much one command may take. */
#include "dialog_test.h"
#include "imapd_i.h"

static void append_some(struct conn *c, size_t n)
{
    for (size_t i = 0; i < n; i++) append(c, "INBOX", "", a_letter);
}

/* RFC 9586: no sequence number either way. */
TEST(imapd_uidonly)
{
    start();
    struct conn *c = login(), *d = login();
    append_some(c, 4);
    select_inbox(d);
    TALK(d, "0 STORE 1 +FLAGS.SILENT (\\Deleted)", "0 OK stored\n");
    TALK(d, "0 EXPUNGE", "* 1 EXPUNGE\n0 OK expunged\n");
    TALK(c, "1 ENABLE UIDONLY", "* ENABLED UIDONLY\n1 OK enabled\n");
    TALK(c, "2 SELECT INBOX (QRESYNC (1 1))", "2 BAD ~\n");
    TALK(c, "3 SELECT INBOX",
         "* FLAGS (~)\n* OK [PERMANENTFLAGS (~)] ~\n* 3 EXISTS\n* 0 RECENT\n* OK [UIDVALIDITY ~\n* OK "
         "[UIDNEXT 5] ~\n"
         "* OK [HIGHESTMODSEQ ~\n* OK [MAILBOXID ~\n3 OK [READ-WRITE] selected\n");
    TALK(c, "4 FETCH 1 FLAGS", "4 BAD [UIDREQUIRED] ~\n");
    TALK(c, "5 STORE 1 +FLAGS (\\Seen)", "5 BAD [UIDREQUIRED] ~\n");
    TALK(c, "6 COPY 1 Trash", "6 BAD [UIDREQUIRED] ~\n");
    TALK(c, "7 MOVE 1 Trash", "7 BAD [UIDREQUIRED] ~\n");
    TALK(c, "8 SEARCH ALL", "8 BAD [UIDREQUIRED] ~\n");
    TALK(c, "9 SORT (DATE) UTF-8 ALL", "9 BAD [UIDREQUIRED] ~\n");
    TALK(c, "10 THREAD REFS UTF-8 ALL", "10 BAD [UIDREQUIRED] ~\n");
    TALK(c, "11 UID SEARCH NOT (OR 1 2:3)", "11 BAD [UIDREQUIRED] ~\n");
    TALK(c, "12 REPLACE 1 INBOX {4+}\r\na: b", "12 BAD [UIDREQUIRED] ~\n");
    TALK(c, "13 UID SEARCH RETURN (SAVE) UID 2:3", "13 OK searched\n");
    TALK(c, "14 UID SEARCH $", "* SEARCH 2 3\n14 OK searched\n");
    TALK(c, "15 UID FETCH 2 (FLAGS)", "* 2 UIDFETCH (FLAGS ())\n15 OK fetched\n");
    TALK(c, "16 UID FETCH 2 (UID RFC822.SIZE)", "* 2 UIDFETCH (UID 2 RFC822.SIZE ~)\n16 OK fetched\n");
    TALK(c, "17 UID STORE 3 +FLAGS (\\Flagged)", "* 3 UIDFETCH (FLAGS (\\Flagged))\n17 OK stored\n");
    TALK(d, "18 UID STORE 4 +FLAGS (\\Deleted)",
         "* 3 FETCH (UID 4 FLAGS (\\Deleted))\n* 2 FETCH ~\n18 OK stored\n");
    TALK(d, "19 EXPUNGE", "* 3 EXPUNGE\n19 OK expunged\n");
    TALK(c, "20 NOOP", "* VANISHED 4\n20 OK done\n");
    TALK(c, "21 UNAUTHENTICATE", "21 OK ~\n");
    TALK(c, "22 LOGIN alice@x.test secret", "22 OK ~\n");
    select_inbox(c);
    TALK(c, "23 FETCH 1 UID", "* 1 FETCH (UID 2)\n23 OK fetched\n");
    bye(&c);
    bye(&d);
    stop();
}

TEST(imapd_uidbatches)
{
    start();
    struct conn *c = login();
    TALK(c, "1 UIDBATCHES 500", "1 BAD select a mailbox first\n");
    select_inbox(c);
    TALK(c, "2 UIDBATCHES 500", "* UIDBATCHES (TAG \"2\")\n2 OK ~\n");
    for (int i = 0; i < 11; i++) {
        conn_puts(c, "m APPEND INBOX ");
        for (int k = 0; k < 100; k++) conn_puts(c, k ? " {4+}\r\na: b" : "{4+}\r\na: b");
        conn_puts(c, "\r\n");
        read_until(c, SL("m OK"));
    }
    TALK(c, "3 UIDBATCHES 500", "* UIDBATCHES (TAG \"3\") 1100:601,600:101,100:1\n3 OK ~\n");
    TALK(c, "4 UID STORE 101:104,1100 +FLAGS.SILENT (\\Deleted)", "4 OK stored\n");
    conn_puts(c, "5 EXPUNGE\r\n");
    read_until(c, SL("5 OK"));
    TALK(c, "6 UIDBATCHES 500", "* UIDBATCHES (TAG \"6\") 1099:600,599:96,95:1\n6 OK ~\n");
    TALK(c, "7 UIDBATCHES 500 2", "* UIDBATCHES (TAG \"7\") 599:96\n7 OK ~\n");
    TALK(c, "8 UIDBATCHES 500 3:4294967295", "* UIDBATCHES (TAG \"8\") 95:1\n8 OK ~\n");
    TALK(c, "9 UIDBATCHES 4294967295 4294967295:4294967295", "* UIDBATCHES (TAG \"9\")\n9 OK ~\n");
    TALK(c, "10 UIDBATCHES 499", "10 NO [TOOSMALL] ~\n");
    TALK(c, "11 UIDBATCHES 0", "11 BAD ~\n");
    TALK(c, "12 UIDBATCHES 500 0:1", "12 BAD ~\n");
    TALK(c, "13 UIDBATCHES 500 2:1", "13 BAD ~\n");
    bye(&c);
    stop();
}

/* RFC 9738: the newest ones are worked on, and the lowest UID of them is told. */
TEST(imapd_messagelimit)
{
    start();
    w.imapd->conf.messages_max = 2;
    w.imapd->conf.saved_max = 1;
    struct conn *c = login();
    TALK(c, "1 CAPABILITY", "* CAPABILITY ~ MESSAGELIMIT=2 SAVELIMIT=1 ~\n1 OK ~\n");
    append_some(c, 4);
    select_inbox(c);
    TALK(
        c, "2 UID FETCH 1:* UID",
        "* 3 FETCH (UID 3)\n* 4 FETCH (UID 4)\n2 OK [MESSAGELIMIT 2 3] fetched as many as one command may\n");
    TALK(c, "3 UID FETCH 1:2 UID", "* 1 FETCH (UID 1)\n* 2 FETCH (UID 2)\n3 OK fetched\n");
    TALK(c, "4 STORE 1:3 +FLAGS.SILENT (\\Deleted)", "4 OK [MESSAGELIMIT 2 2] ~\n");
    TALK(c, "5 SEARCH ALL", "* SEARCH 3 4\n5 OK [MESSAGELIMIT 2 3] ~\n");
    TALK(c, "6 SORT (DATE) UTF-8 ALL", "6 NO [MESSAGELIMIT 2] ~\n");
    TALK(c, "7 THREAD REFS UTF-8 ALL", "7 NO [MESSAGELIMIT 2] ~\n");
    TALK(c, "8 COPY 1:3 Trash", "8 NO [MESSAGELIMIT 2] ~\n");
    TALK(c, "9 MOVE 1:3 Trash", "9 NO [MESSAGELIMIT 2] ~\n");
    TALK(c, "10 SEARCH RETURN (SAVE) UID 3:4", "10 NO [MESSAGELIMIT 1] ~\n");
    TALK(c, "11 FETCH $ UID", "11 OK fetched\n");
    TALK(c, "12 UID STORE 1 +FLAGS.SILENT (\\Deleted)", "12 OK stored\n");
    TALK(c, "13 UID EXPUNGE 1:3", "* 2 EXPUNGE\n* 2 EXPUNGE\n13 OK [MESSAGELIMIT 2 2] ~\n");
    bye(&c);
    stop();
}

/* RFC 9585. */
TEST(imapd_inprogress)
{
    start();
    w.imapd->conf.progress = -1; /* each time */
    struct conn *c = login();
    append_some(c, 2);
    select_inbox(c);
    TALK(c, "1 SEARCH TEXT alice",
         "* OK [INPROGRESS (\"1\" 0 2)] ~\n* OK [INPROGRESS (\"1\" 1 2)] ~\n* SEARCH 1 2\n1 OK searched\n");
    TALK(c, "2 SORT (DATE) UTF-8 1",
         "* OK [INPROGRESS (\"2\" 0 2)] ~\n* OK [INPROGRESS (\"2\" 1 2)] ~\n* OK [INPROGRESS (\"2\" 0 1)] "
         "~\n* SORT 1\n2 OK ~\n");
    bye(&c);
    stop();
}

/* RFC 9051 section 9: nz-number begins with none of the digits 0. RFC 7162 section 7: of what QRESYNC takes.
 */
TEST(imapd_numbers_are_exact)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", "Subject: a\r\n\r\nb\r\n");
    select_inbox(c);
    TALK(c, "1 FETCH 01 UID", "1 BAD byte 9: such a number does not begin with 0\n");
    TALK(c, "2 FETCH 1:01 UID", "2 BAD byte 11: ~\n");
    TALK(c, "3 UID FETCH 00 UID", "3 BAD ~ 0 is no message number\n");
    TALK(c, "4 FETCH 1 BODY[01]", "4 BAD byte 16: ~\n");
    TALK(c, "5 FETCH 1 BODY[]<0.01>", "5 BAD byte 20: ~\n");
    TALK(c, "6 FETCH 1 BODY[]<00.1>", "* 1 FETCH (FLAGS (\\Recent \\Seen) BODY[]<0> {1}\nS)\n6 OK ~\n");
    TALK(c, "7 SEARCH RETURN (PARTIAL 01:2) ALL", "7 BAD ~\n");
    TALK(c, "8 UIDBATCHES 0500", "8 BAD ~\n");
    TALK(c, "9 ENABLE QRESYNC", "* ENABLED QRESYNC\n* OK [HIGHESTMODSEQ ~] ~\n9 OK ~\n");
    TALK(c, "10 SELECT INBOX (QRESYNC (0 1))", "10 BAD ~ 0 is no UIDVALIDITY\n");
    TALK(c, "11 SELECT INBOX (QRESYNC (1 1 1:*))", "11 BAD ~ UIDs without * were expected\n");
    TALK(c, "12 SELECT INBOX (QRESYNC (1 1 $))", "12 BAD ~\n");
    bye(&c);
    stop();
}

/* RFC 6154 sections 3 and 6: any atom may come; what cannot be given makes no mailbox. */
TEST(imapd_a_special_use_that_is_not_known)
{
    start();
    struct conn *c = login();
    TALK(c, "1 CREATE a (USE (\\Foo))", "1 NO [USEATTR] this special use is not known\n");
    TALK(c, "2 CREATE a (USE (\\Archive \\Foo))", "2 NO [USEATTR] ~\n");
    TALK(c, "3 CREATE a (USE (\\Archive \\))", "3 BAD ~\n");
    TALK(c, "4 CREATE a (USE (\\Archive ))", "4 BAD ~\n");
    TALK(c, "5 LIST \"\" a", "5 OK ~\n");
    TALK(c, "6 CREATE a (USE ())", "6 OK ~\n");
    bye(&c);
    stop();
}
