/* acl_test.c - mailboxes that accounts share, in dialogues (RFC 4314). */
#include "dialog_test.h"
#include "store/care.h"

static void start_two(void)
{
    start();
    CHECK_OK(account_add(w.store->directory, SL("bob@x.test"), SL("secret")));
    CHECK_OK(account_add(w.store->directory, SL("carol@x.test"), SL("secret")));
}

static struct conn *login_as(const char *name)
{
    struct conn *c = dial(true);
    EXPECT(c, "* OK ~\n");
    conn_printf(c, "l LOGIN %s@x.test secret\r\n", name);
    EXPECT(c, "l OK ~\n");
    return c;
}

TEST(imapd_acl)
{
    start_two();
    struct conn *a = login(), *b = login_as("bob");
    TALK(a, "1 CREATE Team", "1 OK ~\n");
    TALK(a, "2 GETACL Team", "* ACL Team alice@x.test lrswipkxteacd\n2 OK ~\n");
    TALK(a, "3 MYRIGHTS Team", "* MYRIGHTS Team lrswipkxteacd\n3 OK ~\n");
    TALK(a, "4 LISTRIGHTS Team bob@x.test",
         "* LISTRIGHTS Team bob@x.test \"\" l r s w i p k x t e a c d\n4 OK ~\n");
    TALK(a, "5 LISTRIGHTS Team alice@x.test", "* LISTRIGHTS Team alice@x.test lrswipkxteacd\n5 OK ~\n");
    TALK(b, "6 SELECT #user/alice@x.test/Team", "6 NO [NONEXISTENT] ~\n");
    TALK(b, "7 MYRIGHTS #user/alice@x.test/Team", "7 NO [NONEXISTENT] ~\n");
    TALK(a, "8 SETACL Team bob@x.test lq", "8 BAD ~\n");
    TALK(a, "9 SETACL Team nobody@x.test l", "9 NO [NONEXISTENT] ~\n");
    TALK(a, "10 SETACL Team alice@x.test l", "10 NO [CANNOT] ~\n");
    TALK(a, "11 SETACL Team Bob@X.test l", "11 OK ~\n");
    TALK(b, "12 LIST \"\" %",
         "~INBOX\n* LIST (\\Noselect \\HasChildren) \"/\" #user\n~\n~\n~\n~\n~\n12 OK ~\n");
    TALK(b, "13 LIST \"\" #user/* RETURN (MYRIGHTS STATUS (MESSAGES))",
         "* LIST (\\NonExistent \\HasChildren) \"/\" #user/alice@x.test\n"
         "* LIST (\\HasNoChildren) \"/\" #user/alice@x.test/Team\n* MYRIGHTS #user/alice@x.test/Team l\n13 "
         "OK ~\n");
    TALK(b, "14 STATUS #user/alice@x.test/Team (MESSAGES)", "14 NO [NOPERM] ~\n");
    TALK(b, "15 SELECT #user/alice@x.test/Team", "15 NO [NOPERM] ~\n");
    TALK(b, "16 GETACL #user/alice@x.test/Team", "16 NO [NOPERM] ~\n");
    TALK(a, "17 SETACL Team bob@x.test +rd", "17 OK ~\n");
    TALK(a, "18 SETACL Team -bob@x.test e", "18 OK ~\n");
    TALK(a, "19 GETACL Team",
         "* ACL Team alice@x.test lrswipkxteacd bob@x.test lrted -bob@x.test ed\n19 OK ~\n");
    TALK(b, "20 MYRIGHTS #user/alice@x.test/Team", "* MYRIGHTS #user/alice@x.test/Team lrtd\n20 OK ~\n");
    TALK(a, "21 CREATE Team/below", "21 OK ~\n");
    TALK(b, "22 MYRIGHTS #user/alice@x.test/Team/below",
         "* MYRIGHTS #user/alice@x.test/Team/below lrtd\n22 OK ~\n");
    TALK(a, "23 DELETEACL Team bob@x.test", "23 OK ~\n");
    TALK(b, "24 MYRIGHTS #user/alice@x.test/Team", "24 NO [NONEXISTENT] ~\n");
    TALK(a, "25 SETACL Team anyone lr", "25 OK ~\n");
    struct conn *c = login_as("carol");
    TALK(c, "26 LIST \"\" #user/%/%", "* LIST (\\HasNoChildren) \"/\" #user/alice@x.test/Team\n26 OK ~\n");
    TALK(c, "27 NAMESPACE", "* NAMESPACE ((\"\" \"/\")) ((\"#user/\" \"/\")) NIL\n27 OK ~\n");
    TALK(c, "28 SUBSCRIBE #user/alice@x.test/Team", "28 OK ~\n");
    TALK(c, "29 LSUB \"\" #user/*", "* LSUB () \"/\" #user/alice@x.test/Team\n29 OK ~\n");
    TALK(c, "30 DELETE #user/alice@x.test/Team", "30 NO [NOPERM] ~\n");
    TALK(c, "31 RENAME #user/alice@x.test/Team x", "31 NO [NOPERM] ~\n");
    TALK(c, "32 CREATE #user/alice@x.test/Team/mine", "32 NO [NOPERM] ~\n");
    TALK(c, "33 CREATE #user/alice@x.test/top", "33 NO [NOPERM] ~\n");
    TALK(c, "34 SETACL #user/alice@x.test/Team carol@x.test lrswipkxtea", "34 NO [NOPERM] ~\n");
    static const char *const nowhere[] = {
        "#user",    "#user/",  "#user/alice@x.test",    "#user/alice@x.test/",
        "#user//x", "#user/x", "#user/no@x.test/INBOX", "#user/alice@x.test/INBOX"};
    for (size_t i = 0; i < COUNT_OF(nowhere); i++) {
        conn_printf(c, "35 SELECT %s\r\n", nowhere[i]);
        EXPECT(c, "35 NO ~\n");
    }
    TALK(a, "36 DELETE Team/below", "36 OK ~\n");
    TALK(a, "37 DELETE Team", "37 OK ~\n");
    TALK(a, "38 CREATE Team", "38 OK ~\n");
    TALK(c, "39 MYRIGHTS #user/alice@x.test/Team", "39 NO [NONEXISTENT] ~\n"); /* the list went with it */
    TALK(a, "40 SETACL Team carol@x.test k", "40 OK ~\n");
    TALK(c, "41 CREATE #user/alice@x.test/Team/mine",
         "41 OK ~\n"); /* RFC 4314 section 4: no other is asked for */
    bye(&a);
    bye(&b);
    bye(&c);
    stop();
}

/* What each right allows in the selected mailbox, and what others see of it. */
TEST(imapd_acl_messages)
{
    start_two();
    struct conn *a = login(), *b = login_as("bob");
    append(a, "INBOX", "", a_letter);
    TALK(a, "1 SETACL INBOX bob@x.test lr", "1 OK ~\n");
    TALK(b, "2 SELECT #user/alice@x.test/INBOX",
         "* FLAGS (~)\n* OK [PERMANENTFLAGS ()] ~\n* 1 EXISTS\n* ~ RECENT\n* OK [UNSEEN 1] ~\n* OK "
         "[UIDVALIDITY ~\n"
         "* OK [UIDNEXT 2] ~\n* OK [HIGHESTMODSEQ ~\n* OK [MAILBOXID ~\n2 OK [READ-ONLY] selected\n");
    TALK(b, "3 STORE 1 +FLAGS (\\Seen)", "3 NO [READ-ONLY] ~\n");
    TALK(a, "4 SETACL INBOX bob@x.test lrst", "4 OK ~\n");
    TALK(b, "5 SELECT #user/alice@x.test/INBOX",
         "* FLAGS (~)\n* OK [PERMANENTFLAGS (\\Seen \\Deleted)] ~\n~\n~\n~\n~\n~\n~\n~\n5 OK [READ-WRITE] "
         "selected\n");
    TALK(b, "6 STORE 1 +FLAGS (\\Flagged word)", "6 NO [NOPERM] ~\n");
    TALK(b, "7 STORE 1 +FLAGS (\\Flagged \\Seen word)", "* 1 FETCH (FLAGS (\\Seen))\n7 OK ~\n");
    TALK(a, "8 SELECT INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n8 OK ~\n"); /* unseen still */
    TALK(a, "9 STORE 1 +FLAGS (\\Answered mine)",
         "* FLAGS (~)\n* OK ~\n* 1 FETCH (FLAGS (\\Answered mine))\n9 OK ~\n");
    TALK(b, "10 STORE 1 FLAGS (\\Deleted)",
         "~\n~\n* 1 FETCH (FLAGS (\\Answered \\Deleted mine))\n10 OK ~\n"); /* the others stay */
    TALK(b, "11 EXPUNGE", "11 NO [NOPERM] ~\n");
    TALK(b, "12 MOVE 1 Trash", "12 NO [NOPERM] ~\n");
    TALK(b, "13 CLOSE", "13 OK ~\n");
    TALK(a, "14 NOOP", "* 1 FETCH (FLAGS (\\Answered \\Deleted mine))\n14 OK ~\n");
    TALK(b, "15 APPEND #user/alice@x.test/INBOX {4+}\r\na: b", "15 NO [NOPERM] ~\n");
    TALK(a, "16 SETACL INBOX bob@x.test lrsie", "16 OK ~\n");
    TALK(b, "17 APPEND #user/alice@x.test/INBOX (\\Seen \\Flagged word) {4+}\r\na: b",
         "17 OK [APPENDUID ~ 2] ~\n");
    TALK(a, "18 IDLE", "+ idling\n");
    EXPECT(a, "* 2 EXISTS\n* 1 RECENT\n");
    conn_puts(a, "DONE\r\n");
    EXPECT(a, "18 OK ~\n");
    TALK(a, "19 FETCH 2 FLAGS", "* 2 FETCH (FLAGS ())\n19 OK ~\n");
    TALK(b, "20 SELECT #user/alice@x.test/INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n20 OK ~\n");
    TALK(b, "21 FETCH 1 BODY[TEXT]", "* 1 FETCH (~BODY[TEXT] {14}\nHello, Alice\n)\n21 OK ~\n");
    TALK(b, "22 EXPUNGE", "* 1 EXPUNGE\n22 OK ~\n");
    TALK(a, "23 SETACL INBOX bob@x.test lr", "* 1 EXPUNGE\n23 OK ~\n");
    TALK(b, "24 EXPUNGE", "24 NO [NOPERM] ~\n"); /* the right that counts is that of now */
    TALK(a, "25 SETACL INBOX bob@x.test \"\"", "25 OK ~\n");
    TALK(b, "26 FETCH 1 BODY.PEEK[]", "* BYE ~\n");
    conn_close(&b);
    bye(&a);
    stop();
}

/* What was told in the second pair of brackets and behind it: "(M...))", "(m...) THREADID (T...))". */
static void keep_ids(char was[400])
{
    struct slice s = buf_slice(&got);
    s = sl_from(s, sl_chr(s, '(') + 1);
    s = sl_from(s, sl_chr(s, '('));
    snprintf(was, 400, "%.*s", SLF(sl_sub(s, 0, sl_chr(s, '\n'))));
}

/* RFC 8474: ids are one's own among all that a client sees, and those of a copy are those of what it was
 * copied from, in another account too. */
TEST(imapd_object_ids_of_several_accounts)
{
    char was[400];
    start_two();
    struct conn *a = login(), *b = login_as("bob");
    append(a, "INBOX", "", a_letter);
    append(b, "INBOX", "", "Subject: another\r\n\r\nx\r\n");
    TALK(a, "1 SETACL INBOX bob@x.test lrs", "1 OK ~\n");
    TALK(b, "2 STATUS INBOX (MAILBOXID)", "* STATUS INBOX (MAILBOXID (~))\n2 OK ~\n");
    keep_ids(was);
    TALK(b, "3 STATUS #user/alice@x.test/INBOX (MAILBOXID)", "* STATUS ~ (MAILBOXID (~))\n3 OK ~\n");
    CHECK(sl_find(buf_slice(&got), sl_cstr(was)) == SL_NONE);
    select_inbox(b);
    TALK(b, "4 FETCH 1 (EMAILID THREADID)", "* 1 FETCH (EMAILID (~) THREADID (~))\n4 OK ~\n");
    keep_ids(was);
    TALK(b, "5 SELECT #user/alice@x.test/INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n5 OK ~\n");
    TALK(b, "6 FETCH 1 (EMAILID THREADID)", "* 1 FETCH (EMAILID (~) THREADID (~))\n6 OK ~\n");
    CHECK(sl_find(buf_slice(&got), sl_cstr(was)) == SL_NONE);
    keep_ids(was);
    TALK(b, "7 COPY 1 Archive", "7 OK [COPYUID ~] copied\n");
    TALK(b, "8 SELECT Archive", "~\n~\n~\n~\n~\n~\n~\n~\n~\n8 OK ~\n");
    TALK(b, "9 FETCH 1 (EMAILID THREADID)", "* 1 FETCH (EMAILID (~) THREADID (~))\n9 OK ~\n");
    CHECK(sl_find(buf_slice(&got), sl_cstr(was)) != SL_NONE);
    bye(&a);
    bye(&b);
    stop();
}

static int spoil(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, *(struct slice *)key, SL("no record"));
    return 0;
}

/* RFC 4314 section 4, "s": who has read a message says nothing about others. */
TEST(imapd_acl_seen_is_everybodys_own)
{
    struct arena arena;
    struct account alice, bob;
    struct kv_page page;
    start_two();
    ar_init(&arena, 0);
    CHECK_OK(account_get(w.store->directory, &arena, SL("alice@x.test"), &alice));
    CHECK_OK(account_get(w.store->directory, &arena, SL("bob@x.test"), &bob));
    struct slice object = ar_cat(&arena, SL("u:"), sl_cstr(alice.id));
    struct conn *a = login(), *b = login_as("bob"), *b2 = login_as("bob");
    TALK(a, "1 CREATE Team", "1 OK ~\n");
    for (int i = 0; i < 3; i++) append(a, "Team", i ? "" : "(\\Seen) ", a_letter);
    TALK(a, "2 SETACL Team bob@x.test lrswite", "2 OK ~\n");
    TALK(b, "3 SELECT #user/alice@x.test/Team",
         "~\n~\n* 3 EXISTS\n~\n* OK [UNSEEN 1] ~\n~\n~\n~\n~\n3 OK ~\n");
    conn_puts(b2, "3 SELECT #user/alice@x.test/Team\r\n");
    read_until(b2, SL("3 OK"));
    conn_puts(a, "3 SELECT Team\r\n");
    read_until(a, SL("3 OK"));
    TALK(b, "4 STORE 1:2 +FLAGS (\\Seen \\Flagged)",
         "* 1 FETCH (FLAGS (\\Seen \\Flagged))\n* 2 FETCH (FLAGS (\\Seen \\Flagged))\n4 OK ~\n");
    TALK(b, "5 STORE 1 -FLAGS (\\Seen)", "* 1 FETCH (FLAGS (\\Flagged))\n5 OK ~\n");
    TALK(b2, "6 NOOP", "* 1 FETCH (FLAGS (\\Flagged))\n* 2 FETCH (FLAGS (\\Seen \\Flagged))\n6 OK ~\n");
    TALK(a, "7 NOOP", "* 1 FETCH (FLAGS (\\Seen \\Flagged))\n* 2 FETCH (FLAGS (\\Flagged))\n7 OK ~\n");
    TALK(b, "8 SEARCH UNSEEN", "* SEARCH 1 3\n8 OK ~\n");
    TALK(a, "9 SEARCH UNSEEN", "* SEARCH 2 3\n9 OK ~\n");
    TALK(b, "10 STATUS #user/alice@x.test/Team (UNSEEN)", "* STATUS ~ (UNSEEN 2)\n10 OK ~\n");
    TALK(b, "11 FETCH 3 BODY[TEXT]", "* 3 FETCH (FLAGS (\\Seen) BODY[TEXT] {14}\nHello, Alice\n)\n11 OK ~\n");
    TALK(a, "12 FETCH 3 FLAGS", "* 3 FETCH (FLAGS ())\n~\n12 OK ~\n");
    TALK(b, "13 STORE 3 FLAGS (\\Answered)", "* 3 FETCH (FLAGS (\\Answered))\n13 OK ~\n");
    TALK(a, "14 STORE 3 FLAGS (\\Seen)", "* 3 FETCH (FLAGS (\\Seen))\n14 OK ~\n");
    TALK(b, "15 FETCH 3 FLAGS", "* 3 FETCH (~)\n* 3 FETCH (FLAGS ())\n15 OK ~\n");
    TALK(b, "16 COPY 2 #user/alice@x.test/Team", "* 4 EXISTS\n* ~ RECENT\n16 OK ~\n"); /* seen as before */
    TALK(b, "17 APPEND #user/alice@x.test/Team (\\Seen) {4+}\r\na: b", "* 5 EXISTS\n* ~ RECENT\n17 OK ~\n");
    TALK(b, "18 SEARCH SEEN", "* SEARCH 2 4 5\n18 OK ~\n");
    TALK(a, "19 UID SEARCH SEEN", "* SEARCH 1 3\n~\n~\n19 OK ~\n");
    TALK(b, "20 COPY 2,3 Archive", "20 OK ~\n");
    TALK(b2, "21 EXAMINE Archive", "~\n~\n~\n~\n* OK [UNSEEN 2] ~\n~\n~\n~\n~\n21 OK ~\n");
    TALK(b, "22 SEARCH RETURN (UPDATE ALL) UNSEEN", "* ESEARCH (TAG \"22\") ALL 1,3\n22 OK ~\n");
    TALK(b, "23 STORE 1 +FLAGS (\\Seen)", "~\n~\n23 OK ~\n");
    struct slice key = ar_printf(&arena, "v/00000007/%s/000000", bob.id);
    CHECK_OK(kv_transact(w.store->kv, object, spoil, &key));
    TALK(a, "24 STORE 1 +FLAGS (\\Answered)", "* 1 FETCH (FLAGS (~))\n24 OK ~\n");
    log_set_level((enum log_level)(LOG_ERROR + 1));
    TALK(b, "25 NOOP", "~\n~\n25 OK ~\n");
    TALK(b, "26 SEARCH SEEN", "* SEARCH\n26 OK ~\n"); /* damaged: nothing is known to be seen */
    TALK(b, "27 STORE 5 +FLAGS (\\Seen)", "* 5 FETCH (FLAGS (\\Recent \\Seen))\n27 OK ~\n");
    TALK(b, "28 SEARCH SEEN", "* SEARCH 5\n28 OK ~\n");
    log_set_level(LOG_ERROR);
    bye(&b);
    bye(&b2);
    TALK(a, "29 DELETE Team", "29 OK ~\n");
    CHECK_OK(kv_scan(w.store->kv, object, SL("v/"), SL("v0"), 10, &arena, &page));
    CHECK_INT(page.n, 0);
    conn_close(&a);
    ar_free(&arena);
    stop();
}

/* What was copied to another account stays there, whatever becomes of where it came from. */
TEST(imapd_acl_copies)
{
    start_two();
    struct conn *a = login(), *b = login_as("bob");
    struct sweep_report report;
    append(a, "INBOX", "(\\Flagged word) ", a_letter);
    append(a, "INBOX", "", a_letter);
    TALK(a, "1 SETACL INBOX bob@x.test lrte", "1 OK ~\n");
    TALK(b, "2 SELECT #user/alice@x.test/INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n2 OK ~\n");
    TALK(b, "3 COPY 1:2 Archive", "3 OK [COPYUID ~ 1:2 1:2] copied\n");
    TALK(b, "4 MOVE 2 INBOX", "* OK [COPYUID ~ 2 1] moved\n* 2 EXPUNGE\n4 OK ~\n");
    TALK(b, "5 COPY 1 #user/alice@x.test/Archive", "5 NO [TRYCREATE] ~\n");
    TALK(a, "6 SELECT INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n6 OK ~\n");
    TALK(a, "7 STORE 1 +FLAGS.SILENT (\\Deleted)", "7 OK ~\n");
    TALK(a, "8 EXPUNGE", "* 1 EXPUNGE\n8 OK ~\n");
    CHECK_OK(store_sweep(w.store, NULL, 0, 0, &report));
    CHECK_OK(account_remove(w.store->directory, SL("alice@x.test")));
    CHECK_OK(store_sweep(w.store, NULL, 0, 0, &report));
    conn_close(&a);
    TALK(b, "9 SELECT Archive", "~\n~\n~\n~\n~\n~\n~\n~\n~\n9 OK ~\n");
    TALK(b, "10 UID FETCH 1 (FLAGS BODY.PEEK[TEXT])",
         "* 1 FETCH (UID 1 FLAGS (\\Flagged word) BODY[TEXT] {14}\nHello, Alice\n)\n10 OK ~\n");
    TALK(b, "11 LIST \"\" #user/*", "11 OK ~\n");
    TALK(b, "12 NOTIFY SET (subtree #user (MessageNew MessageExpunge))", "12 OK ~\n");
    bye(&b);
    stop();
}

/* Whoever shares more with everybody than is shown of it costs nobody else anything. */
TEST(imapd_shares_of_one_account_are_bounded)
{
    start_two();
    struct arena arena = {0};
    struct account alice;
    struct mailbox box;
    char name[32];
    size_t lines = 0;
    struct conn *a = login(), *b = login_as("bob");
    CHECK_OK(account_get(w.store->directory, &arena, SL("alice@x.test"), &alice));
    TALK(a, "1 CREATE Team", "1 OK ~\n");
    TALK(a, "2 SETACL Team anyone lr", "2 OK ~\n");
    for (int i = 0; i < 2001; i++) { /* with the access list of what they lie in */
        snprintf(name, sizeof name, "Team/%d", i);
        CHECK_OK(mailbox_create(w.store, alice.id, sl_cstr(name), 0, &arena, &box));
    }
    TALK(b, "3 LIST \"\" INBOX", "* LIST (\\HasNoChildren) \"/\" INBOX\n3 OK ~\n");
    conn_puts(b, "4 LIST \"\" #user/%/*\r\n");
    read_until(b, SL("4 OK"));
    for (size_t i = 0; i < got.n; i++) lines += got.p[i] == '\n';
    CHECK_INT(lines, 1000 + 1);
    TALK(b, "5 NOTIFY SET (subtree #user (MessageNew MessageExpunge)) (personal (MessageNew MessageExpunge))",
         "5 OK ~\n");
    append(a, "Team", "", a_letter);
    EXPECT(b, "* STATUS #user/alice@x.test/Team (~)\n");
    append(a, "Team/2000", "", a_letter);
    TALK(b, "6 ESEARCH IN (subtree #user) ALL",
         "* ESEARCH (TAG \"6\" MAILBOX #user/alice@x.test/Team UIDVALIDITY ~) UID ALL 1\n6 OK ~\n");
    TALK(b, "7 SELECT #user/alice@x.test/Team/2000", "~\n~\n~\n~\n~\n~\n~\n~\n~\n7 OK ~\n");
    bye(&a);
    bye(&b);
    ar_free(&arena);
    stop();
}

#define SELECTED "~\n~\n~\n~\n~\n~\n~\n~\n~\n"

/* RFC 7377, 5465 and 9208 speak of others' mailboxes as of one's own. */
TEST(imapd_others_mailboxes_are_searched)
{
    start_two();
    struct arena arena = {0};
    struct account alice;
    struct conn *a = login(), *b = login_as("bob");
    CHECK_OK(account_get(w.store->directory, &arena, SL("alice@x.test"), &alice));
    TALK(a, "1 CREATE Team/below", "1 OK ~\n");
    TALK(a, "2 CREATE hidden", "2 OK ~\n");
    append(a, "Team", "", a_letter);
    append(a, "Team/below", "(\\Seen) ", a_letter);
    append(a, "hidden", "", a_letter);
    append(b, "INBOX", "", a_letter);
    TALK(a, "3 SETACL Team bob@x.test lrs", "3 OK ~\n");
    TALK(a, "4 SETACL Team/below bob@x.test lrs", "4 OK ~\n");
    TALK(a, "5 SETACL hidden bob@x.test l", "5 OK ~\n");
    TALK(b, "6 ESEARCH IN (personal) ALL",
         "* ESEARCH (TAG \"6\" MAILBOX INBOX UIDVALIDITY ~) UID ALL 1\n6 OK ~\n");
    TALK(b, "7 ESEARCH IN (subtree #user) UNSEEN", /* \Seen is bob's */
         "* ESEARCH (TAG \"7\" MAILBOX #user/alice@x.test/Team UIDVALIDITY ~) UID ALL 1\n"
         "* ESEARCH (TAG \"7\" MAILBOX #user/alice@x.test/Team/below UIDVALIDITY ~) UID ALL 1\n7 OK ~\n");
    TALK(b,
         "8 ESEARCH IN (mailboxes (#user/alice@x.test/Team INBOX #user/alice@x.test/hidden)) RETURN (COUNT) "
         "ALL",
         "* ESEARCH (TAG \"8\" MAILBOX INBOX UIDVALIDITY ~) UID COUNT 1\n"
         "* ESEARCH (TAG \"8\" MAILBOX #user/alice@x.test/Team UIDVALIDITY ~) UID COUNT 1\n8 OK ~\n");
    TALK(b, "9 SUBSCRIBE #user/alice@x.test/Team/below", "9 OK ~\n");
    TALK(b, "10 UNSUBSCRIBE INBOX", "10 OK ~\n");
    TALK(b, "11 ESEARCH IN (subscribed) ALL",
         "* ESEARCH (TAG \"11\" MAILBOX #user/alice@x.test/Team/below UIDVALIDITY ~) UID ALL 1\n11 OK ~\n");
    TALK(b, "12 SELECT #user/alice@x.test/Team", SELECTED "12 OK ~\n");
    TALK(b, "13 ESEARCH ALL",
         "* ESEARCH (TAG \"13\" MAILBOX #user/alice@x.test/Team UIDVALIDITY ~) UID ALL 1\n13 OK ~\n");
    TALK(b, "14 ESEARCH IN (selected inboxes) UNSEEN",
         "* ESEARCH (TAG \"14\" MAILBOX INBOX UIDVALIDITY ~) UID ALL 1\n"
         "* ESEARCH (TAG \"14\" MAILBOX #user/alice@x.test/Team UIDVALIDITY ~) UID ALL 1\n14 OK ~\n");
    TALK(b, "15 ESEARCH RETURN (SAVE UPDATE COUNT) UNSEEN",
         "* ESEARCH (TAG \"15\" MAILBOX #user/alice@x.test/Team UIDVALIDITY ~) UID COUNT 1\n15 OK ~\n");
    TALK(b, "16 UID STORE $ +FLAGS.SILENT (\\Seen)",
         "* ESEARCH (TAG \"15\") UID REMOVEFROM (0 1)\n16 OK ~\n");
    TALK(b, "17 SORT (ARRIVAL) UTF-8 SEEN", "* SORT 1\n17 OK ~\n");
    TALK(b, "18 THREAD REFERENCES UTF-8 SEEN", "* THREAD (1)\n18 OK ~\n");
    TALK(b, "19 GETQUOTAROOT #user/alice@x.test/Team",
         "* QUOTAROOT #user/alice@x.test/Team #user/alice@x.test/\n"
         "* QUOTA #user/alice@x.test/ (MAILBOX 9 10000)\n19 OK that is its quota\n");
    CHECK_OK(account_set_quota(w.store, alice.id, 4096));
    TALK(b, "20 GETQUOTAROOT #user/alice@x.test/Team",
         "* QUOTAROOT #user/alice@x.test/Team #user/alice@x.test/\n"
         "* QUOTA #user/alice@x.test/ (STORAGE 1 4 ~)\n20 OK that is its quota\n");
    TALK(b, "21 GETQUOTA #user/alice@x.test/", "* QUOTA #user/alice@x.test/ (STORAGE 1 4 ~)\n21 OK ~\n");
    TALK(b, "22 GETQUOTAROOT #user/alice@x.test/hidden", "22 NO [NOPERM] ~\n");
    TALK(b, "23 GETQUOTAROOT #user/alice@x.test/INBOX", "23 NO [NONEXISTENT] ~\n");
    struct conn *c = login_as("carol");
    TALK(c, "24 GETQUOTA #user/alice@x.test/", "24 NO [NONEXISTENT] ~\n");
    TALK(c, "25 ESEARCH IN (subtree #user) ALL", "25 OK ~\n");
    bye(&a);
    bye(&b);
    bye(&c);
    ar_free(&arena);
    stop();
}

/* Of another account's mailboxes: who may read one hears of its limits, who administers it sets them. */
TEST(imapd_quota_of_others_trees)
{
    start_two();
    struct conn *c = login(), *b = login_as("bob");
    TALK(c, "1 CREATE Team/x", "1 OK ~\n");
    TALK(c, "2 SETACL Team bob@x.test lri", "2 OK ~\n");
    TALK(b, "3 SETQUOTA #user/alice@x.test/Team (MESSAGE 1)", "3 NO [NOPERM] ~\n");
    TALK(c, "4 SETACL Team bob@x.test lria", "4 OK ~\n");
    TALK(b, "5 SETQUOTA #user/alice@x.test/Team (MESSAGE 1)",
         "* QUOTA #user/alice@x.test/Team (MESSAGE 0 1)\n5 OK ~\n");
    append(b, "#user/alice@x.test/Team", "", a_letter);
    TALK(b, "6 APPEND #user/alice@x.test/Team {4+}\r\na: b", "6 NO [OVERQUOTA] ~\n");
    TALK(b, "7 GETQUOTAROOT #user/alice@x.test/Team",
         "* QUOTAROOT #user/alice@x.test/Team #user/alice@x.test/ #user/alice@x.test/Team\n"
         "* QUOTA #user/alice@x.test/ (MAILBOX 8 10000)\n"
         "* QUOTA #user/alice@x.test/Team (MESSAGE 1 1)\n7 OK ~\n");
    TALK(b, "8 GETQUOTA #user/alice@x.test/Team", "* QUOTA #user/alice@x.test/Team (MESSAGE 1 1)\n8 OK ~\n");
    TALK(b, "9 GETQUOTA #user/alice@x.test/Team/x", "9 NO [NONEXISTENT] ~\n");
    TALK(b, "10 SETQUOTA #user/alice@x.test/ (MESSAGE 1)", "10 NO [NOPERM] ~\n");
    TALK(c, "11 DELETEACL Team bob@x.test", "11 OK ~\n");
    TALK(b, "12 GETQUOTA #user/alice@x.test/Team", "12 NO [NONEXISTENT] ~\n");
    TALK(b, "13 SETQUOTA #user/alice@x.test/Team ()", "13 NO [NONEXISTENT] ~\n");
    TALK(c, "14 GETQUOTA Team", "* QUOTA Team (MESSAGE 1 1)\n14 OK ~\n");
    bye(&b);
    bye(&c);
    stop();
}

TEST(imapd_notify_others_mailboxes)
{
    start_two();
    struct conn *a = login(), *b = login_as("bob");
    TALK(b,
         "1 NOTIFY SET (subtree #user (MessageNew MessageExpunge FlagChange MailboxName "
         "MailboxMetadataChange))",
         "1 OK ~\n");
    TALK(a, "2 CREATE Team", "2 OK ~\n");
    append(a, "Team", "", a_letter);
    TALK(a, "3 SETACL Team bob@x.test l", "3 OK ~\n");
    EXPECT(b, "* LIST (\\HasNoChildren) \"/\" #user/alice@x.test/Team\n"
              "* LIST (\\NonExistent \\HasChildren) \"/\" #user/alice@x.test\n");
    append(a, "Team", "", a_letter); /* may not be read: is not told */
    TALK(a, "4 SETACL Team bob@x.test lrs", "4 OK ~\n");
    EXPECT(b, "* STATUS #user/alice@x.test/Team (MESSAGES 2 UIDNEXT 3 UIDVALIDITY ~ UNSEEN 2)\n");
    append(a, "Team", "(\\Seen) ", a_letter);
    EXPECT(b, "* STATUS #user/alice@x.test/Team (MESSAGES 3 UIDNEXT 4 UIDVALIDITY ~ UNSEEN 3)\n");
    TALK(a, "5 SETMETADATA Team (/shared/comment \"x\" /private/comment \"mine\")", "5 OK ~\n");
    EXPECT(b, "* METADATA #user/alice@x.test/Team /shared/comment\n");
    struct conn *b2 = login_as("bob");
    TALK(b2, "6 SELECT #user/alice@x.test/Team", SELECTED "6 OK ~\n");
    TALK(b2, "7 STORE 2 +FLAGS.SILENT (\\Seen)", "7 OK ~\n");
    EXPECT(b, "* STATUS #user/alice@x.test/Team (MESSAGES 3 UIDNEXT 4 UIDVALIDITY ~ UNSEEN 2)\n");
    TALK(b, "8 SELECT #user/alice@x.test/Team", SELECTED "8 OK ~\n");
    append(a, "Team", "", a_letter); /* selected: that is another group's */
    TALK(a, "9 RENAME Team Crew", "9 OK ~\n");
    EXPECT(
        b,
        "* LIST (\\HasNoChildren) \"/\" #user/alice@x.test/Crew (\"OLDNAME\" (#user/alice@x.test/Team))\n");
    TALK(b, "10 UNSELECT", "10 OK ~\n");
    TALK(a, "11 DELETEACL Crew bob@x.test", "11 OK ~\n");
    EXPECT(b, "* LIST (\\NonExistent \\HasNoChildren) \"/\" #user/alice@x.test/Crew\n"
              "* LIST (\\NonExistent \\HasNoChildren) \"/\" #user/alice@x.test\n");
    CHECK_OK(account_remove(w.store->directory, SL("alice@x.test")));
    TALK(b, "12 CREATE own", "12 OK ~\n"); /* and the news go on */
    TALK(b, "13 NOTIFY SET (subtree own (MailboxName))", "13 OK ~\n");
    TALK(b2, "14 LOGOUT", "* BYE ~\n14 OK ~\n");
    conn_close(&b2);
    conn_close(&a);
    bye(&b);
    stop();
}

/* RFC 2342: the third namespace holds the mailboxes of one account. */
TEST(imapd_public_mailboxes)
{
    start_two();
    struct conn *a = login(), *b = login_as("bob");
    TALK(a, "1 NAMESPACE", "* NAMESPACE ((\"\" \"/\")) ((\"#user/\" \"/\")) NIL\n1 OK ~\n");
    TALK(a, "2 SELECT #public/News", "2 NO [NONEXISTENT] ~\n");
    CHECK_OK(account_add(w.store->directory, SL("public@x.test"), SL("secret")));
    TALK(a, "3 NAMESPACE",
         "* NAMESPACE ((\"\" \"/\")) ((\"#user/\" \"/\")) ((\"#public/\" \"/\"))\n3 OK ~\n");
    struct conn *p = login_as("public");
    TALK(p, "4 CREATE News/old", "4 OK ~\n");
    TALK(p, "5 SETACL News authenticated lrsp", "5 OK ~\n");
    TALK(p, "6 SETACL News anyone p", "6 OK ~\n");
    TALK(p, "7 SETACL News alice@x.test lrswite", "7 OK ~\n");
    TALK(
        p, "8 GETACL News",
        "* ACL News public@x.test lrswipkxteacd authenticated lrsp anyone p alice@x.test lrswited\n8 OK ~\n");
    TALK(b, "9 LIST \"\" #public/*", "* LIST (\\HasNoChildren) \"/\" #public/News\n9 OK ~\n");
    TALK(b, "10 LIST \"\" #user/*", "10 OK ~\n");
    TALK(b, "11 MYRIGHTS #public/News", "* MYRIGHTS #public/News lrsp\n11 OK ~\n");
    TALK(b, "12 SELECT #PUBLIC/News", "~\n~\n* 0 EXISTS\n~\n~\n~\n~\n~\n12 OK [READ-WRITE] ~\n");
    TALK(b, "13 IDLE", "+ idling\n");
    append(a, "#public/News", "", a_letter);
    EXPECT(b, "* 1 EXISTS\n* 1 RECENT\n");
    conn_puts(b, "DONE\r\n");
    EXPECT(b, "13 OK ~\n");
    TALK(b, "14 STORE 1 +FLAGS (\\Seen)", "~\n14 OK ~\n");
    TALK(a, "15 STATUS #public/News (UNSEEN)", "* STATUS #public/News (UNSEEN 1)\n15 OK ~\n");
    TALK(b, "16 APPEND #public/News {4+}\r\na: b", "16 NO [NOPERM] ~\n");
    TALK(b, "17 SUBSCRIBE #public/News", "17 OK ~\n");
    TALK(b, "18 LSUB \"\" #public/*", "* LSUB () \"/\" #public/News\n18 OK ~\n");
    TALK(b, "19 ESEARCH IN (subtree #public) SEEN",
         "* ESEARCH (TAG \"19\" MAILBOX #public/News UIDVALIDITY ~) UID ALL 1\n19 OK ~\n");
    TALK(b, "20 CREATE #public/mine", "20 NO [NOPERM] ~\n");
    TALK(p, "21 SETACL News -bob@x.test lr", "21 OK ~\n");
    TALK(b, "22 NOOP", "* BYE ~\n");
    conn_close(&b);
    bye(&a);
    bye(&p);
    stop();
}

/* Pieces of messages, replacing, names and annotations, with another's mailbox at either end. */
TEST(imapd_others_mailboxes_in_every_command)
{
    start_two();
    struct conn *a = login(), *b = login_as("bob"), *c = login_as("carol");
    TALK(a, "1 CREATE Team/sub", "1 OK ~\n");
    for (int i = 0; i < 3; i++) append(a, "Team/sub", "", a_letter);
    TALK(a, "2 SETACL Team bob@x.test lrk", "2 OK ~\n");
    TALK(a, "3 SETACL Team/sub bob@x.test lrswix", "3 OK ~\n");
    TALK(b, "4 SELECT #user/alice@x.test/Team/sub", SELECTED "4 OK [READ-WRITE] ~\n");
    TALK(b, "5 REPLACE 1 INBOX {4+}\r\na: b", "5 NO [NOPERM] ~\n");
    TALK(a, "6 SETACL Team/sub bob@x.test +te", "6 OK ~\n");
    TALK(b, "7 REPLACE 1 INBOX {4+}\r\na: b", "* OK [APPENDUID ~ 1] ~\n* 1 EXPUNGE\n7 OK replaced\n");
    TALK(b, "8 UID REPLACE 2 #user/alice@x.test/Team/sub (\\Seen) {4+}\r\nc: d",
         "* OK [APPENDUID ~ 4] ~\n* 1 EXPUNGE\n* 2 EXISTS\n* ~ RECENT\n8 OK replaced\n");
    TALK(b, "9 FETCH 2 (UID FLAGS)", "* 2 FETCH (UID 4 FLAGS (\\Seen))\n9 OK ~\n");
    TALK(b,
         "10 APPEND INBOX CATENATE (URL \"/%23user/alice@x.test/Team/sub/;UID=3/;SECTION=HEADER\" TEXT "
         "{1+}\r\n!)",
         "10 OK [APPENDUID ~ 2] ~\n");
    TALK(b,
         "11 APPEND #user/alice@x.test/Team/sub CATENATE (URL \"/INBOX/;UID=2\" URL "
         "\"/;UID=3/;SECTION=TEXT\")",
         "* 3 EXISTS\n* ~ RECENT\n11 OK [APPENDUID ~ 5] ~\n");
    TALK(c, "12 APPEND INBOX CATENATE (URL \"/%23user/alice@x.test/Team/sub/;UID=3\")", "12 NO [BADURL ~\n");
    TALK(b, "15 SETMETADATA #user/alice@x.test/Team/sub (/shared/comment \"all\" /private/comment \"bob\")",
         "15 OK ~\n");
    TALK(a, "16 GETMETADATA Team/sub (/shared/comment /private/comment)",
         "* METADATA Team/sub (/shared/comment \"all\" /private/comment NIL)\n16 OK ~\n");
    TALK(b, "17 SUBSCRIBE #USER/Alice@X.test/Team/sub", "17 OK ~\n");
    TALK(b, "18 RENAME #user/alice@x.test/Team/sub #user/alice@x.test/top", "18 NO [NOPERM] ~\n");
    TALK(b, "19 RENAME #user/alice@x.test/Team/sub mine", "19 NO [CANNOT] ~\n");
    TALK(b, "20 RENAME #user/alice@x.test/Team/sub #user/alice@x.test/Team/other", "20 OK ~\n");
    TALK(b, "21 ESEARCH RETURN (COUNT) ALL", /* by the name it has now */
         "* ESEARCH (TAG \"21\" MAILBOX #user/alice@x.test/Team/other UIDVALIDITY ~) UID COUNT 3\n21 OK ~\n");
    TALK(b, "22 LSUB \"\" #user/*", "* LSUB () \"/\" #user/alice@x.test/Team/sub\n22 OK ~\n");
    TALK(b, "23 UID SEARCH RETURN (SAVE) SEEN", "23 OK ~\n");
    TALK(b, "24 UID COPY $ #user/alice@x.test/Team/other",
         "* 4 EXISTS\n* ~ RECENT\n24 OK [COPYUID ~ 4 6] copied\n");
    TALK(b, "25 UID MOVE $ INBOX", "* OK [COPYUID ~ 4 3] moved\n* 2 EXPUNGE\n25 OK ~\n");
    TALK(b, "26 UIDBATCHES 500", "* UIDBATCHES ~\n26 OK ~\n");
    TALK(b, "27 NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))", "27 OK ~\n");
    TALK(a, "28 SELECT Team/other", SELECTED "28 OK ~\n");
    TALK(a, "29 STORE 1 +FLAGS.SILENT (\\Flagged)", "29 OK ~\n");
    EXPECT(b, "* 1 FETCH (UID 3 FLAGS (\\Flagged))\n");
    TALK(a, "30 UNSELECT", "30 OK ~\n");
    TALK(a, "31 DELETEACL Team/other bob@x.test", "31 OK ~\n");
    EXPECT(b, "* BYE ~\n");
    conn_close(&b);
    bye(&a);
    bye(&c);
    stop();
}

/* A client knows mailboxes by the names that LIST gave: every answer has those, however a command spells one.
 */
TEST(imapd_answers_name_a_mailbox_as_lists_do)
{
    start_two();
    struct conn *c = login();
    TALK(c, "1 CREATE e&AwE-", "1 OK [MAILBOXID (M~)] created\n"); /* decomposed; U+00E9 is AOk */
    TALK(c, "2 LIST \"\" e&AwE-", "* LIST (\\HasNoChildren) \"/\" &AOk-\n2 OK ~\n");
    TALK(c, "3 STATUS e&AwE- (MESSAGES)", "* STATUS &AOk- (MESSAGES 0)\n3 OK ~\n");
    TALK(c, "4 GETACL e&AwE-", "* ACL &AOk- alice@x.test lrswipkxteacd\n4 OK ~\n");
    TALK(c, "5 MYRIGHTS e&AwE-", "* MYRIGHTS &AOk- lrswipkxteacd\n5 OK ~\n");
    TALK(c, "6 LISTRIGHTS e&AwE- bob@x.test", "* LISTRIGHTS &AOk- bob@x.test \"\" ~\n6 OK ~\n");
    TALK(c, "7 SETMETADATA e&AwE- (/private/comment \"x\")", "7 OK ~\n");
    TALK(c, "8 GETMETADATA e&AwE- /private/comment", "* METADATA &AOk- (/private/comment \"x\")\n8 OK ~\n");
    TALK(c, "9 GETQUOTAROOT e&AwE-", "* QUOTAROOT &AOk- account\n* QUOTA account ~\n9 OK ~\n");
    TALK(c, "10 GETQUOTAROOT e&AwE-/new", "* QUOTAROOT &AOk-/new account\n* QUOTA account ~\n10 OK ~\n");
    TALK(c, "11 GETQUOTAROOT iNbOx", "* QUOTAROOT INBOX account\n* QUOTA account ~\n11 OK ~\n");
    TALK(c, "12 MYRIGHTS inbox", "* MYRIGHTS INBOX lrswipkxteacd\n12 OK ~\n");
    TALK(c, "13 GETMETADATA inbox /private/comment", "* METADATA INBOX (/private/comment NIL)\n13 OK ~\n");
    TALK(c, "14 GETACL \"#user/ALICE@x.test/inbox\"", "* ACL INBOX alice@x.test lrswipkxteacd\n14 OK ~\n");
    TALK(c, "15 ENABLE IMAP4rev2", "* ENABLED ~\n15 OK ~\n");
    TALK(c, "16 EXAMINE \"e\xcc\x81\"",
         "* FLAGS ~\n* OK [PERMANENTFLAGS ~\n* 0 EXISTS\n* OK ~\n* OK ~\n* OK ~\n* OK ~\n* LIST () \"/\" "
         "\"\xc3\xa9\" (\"OLDNAME\" (\"e\xcc\x81\"))\n16 OK ~\n");
    TALK(c, "17 CREATE \"o\xcc\x88\"",
         "* LIST () \"/\" \"\xc3\xb6\" (\"OLDNAME\" (\"o\xcc\x88\"))\n17 OK ~\n");
    TALK(c, "18 RENAME \"o\xcc\x88\" x", "* LIST () \"/\" x (\"OLDNAME\" (\"o\xcc\x88\"))\n18 OK ~\n");
    TALK(c, "19 RENAME x \"u\xcc\x88\"", "* LIST () \"/\" \"\xc3\xbc\" (\"OLDNAME\" (x))\n19 OK ~\n");
    TALK(c, "20 DELETE \"u\xcc\x88\"",
         "* LIST (\\NonExistent) \"/\" \"\xc3\xbc\" (\"OLDNAME\" (\"u\xcc\x88\"))\n20 OK ~\n");
    TALK(c, "20a APPEND \"e\xcc\x81\" {2+}\r\nx\n",
         "* LIST () \"/\" \"\xc3\xa9\" (\"OLDNAME\" (\"e\xcc\x81\"))\n* 1 EXISTS\n20a OK ~\n");
    TALK(c, "21 CREATE y", "21 OK ~\n");
    TALK(c, "22 RENAME y z", "22 OK ~\n");
    bye(&c);
    stop();
}
