/* append_test.c - APPEND, and changes of what is there: STORE, COPY, MOVE, EXPUNGE. */
#include "dialog_test.h"
#include "store/origin.h"

TEST(imapd_append)
{
    start();
    struct conn *c = login();
    TALK(c, "1 APPEND nothing {5}", "1 NO [TRYCREATE] there is no such mailbox\n");
    TALK(c, "2 APPEND INBOX {2000000}", "2 NO [TOOBIG] ~\n");
    TALK(c, "3 APPEND INBOX", "3 BAD ~\n");
    TALK(c, "4 APPEND INBOX (a*) {5}", "+ go ahead\n");
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

/* RFC 9051 section 9: a blank is exactly one, and none stands where none is asked for. The session goes on.
 */
TEST(imapd_a_blank_is_one_blank)
{
    start();
    struct conn *c = login();
    TALK(c, "1 APPEND  INBOX {6+}\r\na: b\r\n", "1 BAD ~\n");
    TALK(c, "2 APPEND INBOX (\\Seen ) {6+}\r\na: b\r\n", "2 BAD ~\n");
    TALK(c, "3 APPEND INBOX (\\Seen)  {6+}\r\na: b\r\n", "3 BAD ~\n");
    TALK(c, "4 APPEND INBOX {6+}\r\na: b\r\n ", "4 BAD ~\n");
    TALK(c, "5 APPEND INBOX {6+}\r\na: c\r\n  () {6+}\r\na: d\r\n", "5 BAD ~\n");
    /* flags as a FETCH told them, \Recent included */
    TALK(c, "6 APPEND INBOX (\\Recent \\Seen) {6+}\r\na: b\r\n", "6 OK [APPENDUID ~ 1] appended\n");
    select_inbox(c);
    static const char *const wrong[] = {
        "SELECT INBOX ",
        "SELECT  INBOX ( CONDSTORE ) ",
        "NOOP  ",
        "CHECK ",
        "CAPABILITY ",
        "NAMESPACE ",
        "LIST  \"\"  *  RETURN  ( STATUS ( MESSAGES  UNSEEN ) ) ",
        "LIST ( ) \"\" ( INBOX ) ",
        "STATUS INBOX ( MESSAGES ) ",
        "ID ( \"name\"  \"x\" ) ",
        "ID NIL ",
        "LIST \"\"\t*",
        "FETCH 1 ( FLAGS)",
        "FETCH 1 (FLAGS )",
        "FETCH 1 (FLAGS  UID)",
        "FETCH 1 BODY[ HEADER]",
        "FETCH 1 BODY[HEADER.FIELDS  (SUBJECT)]",
        "FETCH 1 BODY[]< 0.1>",
        "FETCH 1 , 2 FLAGS",
        "STORE 1 +FLAGS  (\\Seen)",
        "STORE 1 + FLAGS (\\Seen)",
        "SEARCH ALL  ALL",
        "SEARCH SINCE \" 7-May-2026\"",
        "ENABLE  CONDSTORE ",
        "FETCH 1 FLAGS ",
        "UID FETCH  1:*  ( UID  BODY.PEEK[HEADER.FIELDS ( Subject )] ) ",
        "FETCH 1 ( FLAGS )  ( CHANGEDSINCE 1 ) ",
        "STORE 1  +FLAGS  ( \\Recent \\Flagged ) ",
        "STORE 1 +FLAGS \\Seen ",
        "SEARCH  RETURN ( )  ( SEEN  FLAGGED )  ALL ",
        "SEARCH OR ( SEEN ) ( FLAGGED ) ",
        "SORT ( REVERSE  DATE ) UTF-8  ALL ",
        "THREAD REFERENCES  UTF-8 ALL ",
        "COPY 1  Drafts ",
        "GETQUOTAROOT INBOX ",
        "SUBSCRIBE INBOX ",
        "UID EXPUNGE 1:* ",
        "EXPUNGE ",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        conn_printf(c, "h %s\r\n", wrong[i]);
        CHECK_OK(conn_flush(c));
        read_until(c, SL("h "));
        if (!sl_starts(buf_slice(&got), SL("h BAD ")))
            test_fail(__FILE__, __LINE__, "\"%s\" is answered \"%.*s\"", wrong[i], SLF(buf_slice(&got)));
        if (i % 10) continue; /* who is wrong too often is sent away */
        bye(&c);
        c = login();
        select_inbox(c);
    }
    TALK(c, "8 FETCH 1  FLAGS", "8 BAD byte 11: ~\n");
    TALK(c, "9 FETCH 1 FLAGS", "* 1 FETCH (FLAGS (\\Seen))\n9 OK ~\n");
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

/* Gone elsewhere before the client could hear of it: never passed over without a word (RFC 2180 section 4.4,
 * RFC 5530). */
TEST(imapd_copies_of_what_is_gone_are_told)
{
    start();
    struct conn *a = login(), *b = login();
    for (int i = 0; i < 4; i++) append(a, "INBOX", "", a_letter);
    struct conn *const both[] = {a, b};
    for (int i = 0; i < 2; i++) {
        conn_puts(both[i], "0 SELECT INBOX\r\n");
        read_until(both[i], SL("0 OK"));
    }
    TALK(b, "1 STORE 1:2 +FLAGS.SILENT (\\Deleted)", "1 OK stored\n");
    TALK(b, "2 EXPUNGE", "* 1 EXPUNGE\n* 1 EXPUNGE\n2 OK expunged\n");
    TALK(a, "1 COPY 1 Trash", "* 1 EXPUNGE\n* 1 EXPUNGE\n1 NO [EXPUNGEISSUED] ~\n");
    TALK(a, "2 STATUS Trash (MESSAGES)", "* STATUS Trash (MESSAGES 0)\n2 OK ~\n");
    bye(&a);
    bye(&b);
    stop();
}

TEST(imapd_uid_copies_of_what_is_gone_are_told)
{
    start();
    struct conn *a = login(), *b = login();
    for (int i = 0; i < 5; i++) append(a, "INBOX", "", a_letter);
    TALK(a, "0 SELECT INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n0 OK ~\n");
    TALK(b, "0 SELECT INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n0 OK ~\n");
    TALK(b, "1 STORE 1:2 +FLAGS.SILENT (\\Deleted)", "1 OK stored\n");
    TALK(b, "2 EXPUNGE", "* 1 EXPUNGE\n* 1 EXPUNGE\n2 OK expunged\n");
    TALK(a, "1 UID COPY 1:2 Trash",
         "* 1 EXPUNGE\n* 1 EXPUNGE\n1 OK [EXPUNGEISSUED] these messages are gone, there is none to copy\n");
    TALK(b, "3 STORE 1 +FLAGS.SILENT (\\Deleted)", "3 OK stored\n");
    TALK(b, "4 EXPUNGE", "* 1 EXPUNGE\n4 OK expunged\n");
    TALK(a, "2 UID MOVE 3:4 Trash",
         "* OK [EXPUNGEISSUED] ~\n* OK [COPYUID ~ 4 1] moved\n* 1 EXPUNGE\n* 1 EXPUNGE\n2 OK moved but those "
         "that are gone\n");
    TALK(a, "3 UID MOVE 100 Trash", "3 OK moved\n"); /* there never was one (RFC 9051 section 6.4.9) */
    bye(&a);
    bye(&b);
    stop();
}
