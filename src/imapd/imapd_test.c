/* imapd_test.c - dialogues with a session: before the login, mailboxes, two sessions beside one another,
 * IDLE, the end. */
#include "base/memory.h"
#include "dialog_test.h"

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

/* Commands that are above limits of ours are no bad commands: the session goes on. */
TEST(imapd_limits_of_ours_end_no_session)
{
    start();
    struct conn *c = login();
    struct buf many = BUF_INIT;
    buf_str(&many, "a SEARCH");
    for (int set = 0; set < 2; set++) {
        buf_str(&many, " UID 1");
        for (int i = 3; i < 38000; i += 2) buf_printf(&many, ",%d", i);
    }
    TALK(c, "s SELECT INBOX", "~\n~\n~\n~\n~\n~\n~\n~\ns OK ~\n");
    memory_set_budget(1);
    for (int i = 0; i < 40; i++) {
        conn_write(c, buf_slice(&many));
        TALK(c, "", "a BAD the command takes too much memory\n");
    }
    memory_set_budget(0);
    buf_clear(&many);
    buf_str(&many, "a SEARCH");
    for (int i = 0; i < 20000; i++) buf_str(&many, " SEEN");
    for (int i = 0; i < 40; i++) {
        conn_write(c, buf_slice(&many));
        TALK(c, "", "a BAD byte ~: too many search keys\n");
    }
    TALK(c, "a NOOP", "a OK done\n");
    buf_free(&many);
    conn_close(&c);
    stop();
}

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
    TALK(c, "10b DELETE a/b", "10b NO [HASCHILDREN] ~\n");
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

/* Thunderbird takes the highest UID that it hears of for the one up to which it knows all. */
TEST(imapd_a_changed_flag_names_no_uid_that_was_not_asked_for)
{
    static const char *const enable[] = {"", "ENABLE CONDSTORE", "ENABLE IMAP4rev2"};
    for (size_t i = 0; i < COUNT_OF(enable); i++) {
        start();
        struct conn *a = login(), *b = login();
        if (*enable[i]) {
            conn_printf(a, "e %s\r\n", enable[i]);
            read_until(a, SL("e OK"));
        }
        for (int k = 0; k < 3; k++) append(b, "INBOX", "", "a: b\r\n\r\n");
        select_inbox(a);
        select_inbox(b);
        TALK(a, "1 UID FETCH 1 (FLAGS)", "* 1 FETCH (UID 1 FLAGS (~))\n1 OK ~\n");
        conn_puts(b, "2 UID STORE 1,3 +FLAGS (\\Flagged)\r\n");
        read_until(b, SL("2 OK"));
        conn_puts(a, "3 NOOP\r\n");
        read_until(a, SL("3 OK"));
        CHECK(sl_find(buf_slice(&got), SL("* 1 FETCH (UID 1 FLAGS (")) != SL_NONE);
        CHECK(sl_find(buf_slice(&got), i ? SL("* 3 FETCH (UID 3 FLAGS (") : SL("* 3 FETCH (FLAGS (")) !=
              SL_NONE);
        conn_puts(a, "4 FETCH 1:* (UID FLAGS)\r\n");
        read_until(a, SL("4 OK"));
        conn_puts(b, "5 UID STORE 2:3 -FLAGS (\\Flagged \\Seen)\r\n6 UID STORE 2:3 +FLAGS (\\Answered)\r\n");
        read_until(b, SL("6 OK"));
        conn_puts(a, "7 NOOP\r\n");
        read_until(a, SL("7 OK"));
        CHECK(sl_find(buf_slice(&got), SL("* 3 FETCH (UID 3 FLAGS (")) != SL_NONE);
        bye(&a);
        bye(&b);
        stop();
    }
}

static int put_box(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, SL("b/00000001"), *(struct slice *)arg);
    return 0;
}

TEST(imapd_idle_hears_what_could_not_be_told_at_once)
{
    struct arena x = {0};
    struct account alice;
    struct slice row, bad = SL("\1damaged");
    start();
    struct conn *a = login(), *b = login();
    CHECK_OK(account_get(w.store->directory, &x, SL("alice@x.test"), &alice));
    struct slice object = ar_cat(&x, SL("u:"), sl_cstr(alice.id));
    append(b, "INBOX", "", a_letter);
    select_inbox(a);
    TALK(a, "1 IDLE", "+ idling\n");
    kv_mem_inject(w.kv, KV_FAULT_UNKNOWN_DONE, 1);
    TALK(b, "1 APPEND INBOX {6+}\r\na: b\r\n", "* BYE [UNAVAILABLE] ~\n");
    EXPECT(a, "* 2 EXISTS\n* 2 RECENT\n");
    TALK(a, "DONE", "1 OK ~\n");
    conn_close(&b);
    b = login();
    append(b, "INBOX", "", a_letter);
    CHECK_OK(kv_get(w.kv, object, SL("b/00000001"), &x, &row));
    CHECK_OK(kv_transact(w.kv, object, put_box, &bad));
    TALK(a, "2 IDLE", "+ idling\n");
    CHECK_OK(fiber_sleep(RT_S / 2));                    /* it looks meanwhile, and cannot read it */
    CHECK_OK(kv_transact(w.kv, object, put_box, &row)); /* and nobody is told */
    EXPECT(a, "* 3 EXISTS\n* 3 RECENT\n");
    TALK(a, "DONE", "2 OK ~\n");
    bye(&a);
    bye(&b);
    ar_free(&x);
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
    EXPECT(a, "* 1 FETCH (FLAGS (\\Deleted))\n");
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
    group_cancel(&w.plain.sessions);
    group_cancel(&w.tls.sessions);
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

static int passwd(struct directory *d, struct slice who) { return account_password(d, who, SL("another")); }
static int disable(struct directory *d, struct slice who) { return account_disable(d, who, true); }

/* Nothing that the client says or waits for ends these sessions before the answer is given up. */
TEST(imap_an_idle_session_ends_when_its_account_changes)
{
    static const char gone[] = "* BYE [EXPIRED] the account was changed: log in again\n";
    static int (*const change[])(struct directory *, struct slice) = {passwd, disable, account_remove};
    for (size_t i = 0; i < 2 * COUNT_OF(change); i++) {
        bool unknown = i >= COUNT_OF(change); /* whether it was changed; it was */
        start();
        CHECK_OK(account_add(w.store->directory, SL("bob@x.test"), SL("builder")));
        struct conn *idle = login(), *parked = login(), *bob = dial(true);
        conn_puts(idle, "s SELECT INBOX\r\n");
        read_until(idle, SL("s OK"));
        conn_puts(idle, "i IDLE\r\n");
        read_until(idle, SL("+ idling"));
        conn_puts(bob, "b LOGIN bob@x.test builder\r\n");
        read_until(bob, SL("b OK"));
        if (unknown) kv_mem_inject(w.kv, KV_FAULT_UNKNOWN_DONE, 1);
        CHECK_ERR(change[i % COUNT_OF(change)](w.store->directory, SL("alice@x.test")),
                  unknown ? ERR_UNKNOWN : 0);
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
        CHECK_OK(conn_dial(&c, listener_at(i % 2 ? w.tls.l : w.plain.l), NULL));
        if (i % 2 == 0) TALK(c, "s STARTTLS", "~\ns OK begin TLS now\n");
        CHECK_ERR(conn_tls_connect(c, w.client_tls, &peer), cases[i / 2].error);
        conn_close(&c);
    }
    stop();
}
