/* limits_test.c - what a client is told of limits (APPENDLIMIT, QUOTA), previews, and a connection that
 * changes its owner (UNAUTHENTICATE). */
#include "dialog_test.h"
#include "store/quota.h"

static void account_id(struct arena *a, struct account *out)
{
    CHECK_OK(account_get(w.store->directory, a, SL("alice@x.test"), out));
}

TEST(imapd_quota)
{
    struct arena a;
    struct account alice;
    start();
    ar_init(&a, 0);
    account_id(&a, &alice);
    const uint64_t three = 3;
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    append(c, "INBOX", "(\\Deleted) ", a_letter);
    TALK(c, "1 GETQUOTAROOT INBOX",
         "* QUOTAROOT INBOX account\n* QUOTA account (MAILBOX 6 10000)\n1 OK that is its quota\n");
    TALK(c, "2 GETQUOTA account", "* QUOTA account (MAILBOX 6 10000)\n2 OK that is the quota\n");
    CHECK_OK(account_set_quota(w.store, alice.id, 4096));
    TALK(c, "3 GETQUOTAROOT \"not there\"",
         "* QUOTAROOT \"not there\" account\n* QUOTA account (STORAGE 1 4 MAILBOX 6 10000)\n3 OK that is its "
         "quota\n");
    TALK(c, "4 GETQUOTA account", "* QUOTA account (STORAGE 1 4 MAILBOX ~)\n4 OK that is the quota\n");
    CHECK_OK(account_set_quotas(w.store, alice.id, &(struct account_quotas){.messages = &three}));
    TALK(c, "4b GETQUOTA account", "* QUOTA account (STORAGE 1 4 MESSAGE 2 3 ~)\n4b OK that is the quota\n");
    TALK(c, "4c SELECT INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n4c OK ~\n");
    TALK(c, "4d COPY 1:2 Trash", "4d NO [OVERQUOTA] the account holds 4 messages of the 3 it may\n");
    TALK(c, "4e COPY 1 Trash", "4e OK ~\n");
    TALK(c, "4f MOVE 2 Trash", "* OK ~\n* 2 EXPUNGE\n4f OK ~\n");
    TALK(c, "4g APPEND INBOX {4+}\r\na: b",
         "4g NO [OVERQUOTA] the account holds 3 messages of the 3 it may\n");
    CHECK_OK(account_set_quota(w.store, alice.id, 0));
    TALK(c, "4h GETQUOTA account", "* QUOTA account (MESSAGE 3 3 ~)\n4h OK that is the quota\n");
    CHECK_OK(account_set_quota(w.store, alice.id, 4096));
    TALK(c, "5 GETQUOTA other", "5 NO [NONEXISTENT] there is no such quota root\n");
    TALK(c, "6 STATUS Trash (DELETED DELETED-STORAGE APPENDLIMIT MAILBOXID)",
         "* STATUS Trash (DELETED 1 MAILBOXID (~) APPENDLIMIT 1048576 DELETED-STORAGE 134)\n6 OK ~\n");
    TALK(c, "7 SETQUOTA account (STORAGE 1)",
         "7 NO [NOPERM] limits of an account are set by the operator (tram account set)\n");
    TALK(c, "7b SETQUOTA account ()", "7b NO [NOPERM] ~\n");
    TALK(c, "7c SETQUOTA account (STORAGE)", "7c BAD ~\n");
    TALK(c, "7d SETQUOTA account (STORAGE 1 STORAGE)", "7d BAD ~\n");
    TALK(c, "8 CAPABILITY",
         "* CAPABILITY ~ QUOTA QUOTASET QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTA=RES-MAILBOX ~ "
         "APPENDLIMIT=1048576 ~\n8 OK ~\n");
    bye(&c);
    ar_free(&a);
    stop();
}

/* Roots below the account: whoever administers a mailbox limits it with what is below it. */
TEST(imapd_quota_of_trees)
{
    struct arena a;
    struct account alice;
    struct quota_limits three = {QUOTA_NONE, 3, QUOTA_NONE}, none = {QUOTA_NONE, QUOTA_NONE, QUOTA_NONE};
    start();
    ar_init(&a, 0);
    account_id(&a, &alice);
    struct conn *c = login();
    TALK(c, "1 SETQUOTA Work (MESSAGE 2 STORAGE 4 MAILBOX 2)",
         "* QUOTA Work (STORAGE 0 4 MESSAGE 0 2 MAILBOX 0 2)\n1 OK that is its quota now\n");
    TALK(c, "2 CREATE Work/one", "2 OK ~\n");
    append(c, "Work/one", "", a_letter);
    TALK(c, "3 CREATE Work/two",
         "3 NO [OVERQUOTA] the mailboxes from \"Work\" on hold 2 mailboxes of the 2 they may\n");
    append(c, "Work", "", a_letter);
    TALK(c, "4 APPEND Work {4+}\r\na: b",
         "4 NO [OVERQUOTA] the mailboxes from \"Work\" on hold 2 messages of the 2 they may\n");
    append(c, "INBOX", "", a_letter);
    select_inbox(c);
    TALK(c, "5 COPY 1 Work/one", "5 NO [OVERQUOTA] ~\n");
    TALK(c, "6 MOVE 1 Work", "6 NO [OVERQUOTA] ~\n");
    TALK(c, "7 GETQUOTAROOT Work/one",
         "* QUOTAROOT Work/one account Work\n* QUOTA account (MAILBOX 8 10000)\n"
         "* QUOTA Work (STORAGE 1 4 MESSAGE 2 2 MAILBOX 2 2)\n7 OK ~\n");
    TALK(c, "8 GETQUOTAROOT Workshop", "* QUOTAROOT Workshop account\n* QUOTA account ~\n8 OK ~\n");
    TALK(c, "9 RENAME Work/one Else", "9 OK ~\n");
    TALK(c, "10 GETQUOTA Work", "* QUOTA Work (STORAGE 1 4 MESSAGE 1 2 MAILBOX 1 2)\n10 OK ~\n");
    TALK(c, "11 MOVE 1 Work", "* OK [COPYUID ~\n* 1 EXPUNGE\n11 OK ~\n");
    TALK(c, "12 RENAME Else Work/back",
         "12 NO [OVERQUOTA] the mailboxes from \"Work\" on hold 2 messages of the 2 they may\n");
    /* the operator's stand above the owner's */
    CHECK_OK(quota_tree_set(w.store, alice.id, NULL, SL("Work"), &three, true));
    TALK(c, "13 GETQUOTA Work", "* QUOTA Work (MESSAGE 2 3)\n13 OK ~\n");
    TALK(c, "14 SETQUOTA Work ()", "14 NO [NOPERM] this limit is the operator's (tram quota)\n");
    TALK(c, "15 RENAME Else Work/back", "15 OK ~\n");
    TALK(c, "16 DELETE Work/back", "16 OK ~\n");
    TALK(c, "17 GETQUOTA Work", "* QUOTA Work (MESSAGE 2 3)\n17 OK ~\n");
    CHECK_OK(quota_tree_set(w.store, alice.id, NULL, SL("Work"), &none, true));
    TALK(c, "18 SETQUOTA Work ()", "18 NO [NONEXISTENT] these mailboxes have no limit\n");
    TALK(c, "19 SETQUOTA \"&AOk-/x\" (MESSAGE 0)", "* QUOTA &AOk-/x (MESSAGE 0 0)\n19 OK ~\n");
    TALK(c, "20 GETQUOTA \"&AOk-/x\"", "* QUOTA &AOk-/x (MESSAGE 0 0)\n20 OK ~\n");
    TALK(c, "21 CREATE \"&AOk-/x\"", "21 OK ~\n");
    TALK(c, "22 APPEND \"&AOk-/x\" {4+}\r\na: b", "22 NO [OVERQUOTA] ~\n");
    TALK(c, "23 SETQUOTA \"&AOk-/x\" ()", "* QUOTA &AOk-/x ()\n23 OK ~\n");
    TALK(c, "24 SETQUOTA Work (COWS 1)", "24 NO [NOPERM] COWS cannot be limited\n");
    TALK(c, "25 SETQUOTA \"a//b\" (MESSAGE 1)", "25 NO [CANNOT] ~\n");
    TALK(c, "26 GETQUOTAROOT \"a//b\"", "* QUOTAROOT a//b account\n~\n26 OK ~\n");
    TALK(c, "27 SETQUOTA inbox/sub/ (MESSAGE 1)", "* QUOTA INBOX/sub (MESSAGE 0 1)\n27 OK ~\n");
    bye(&c);
    ar_free(&a);
    stop();
}

TEST(imapd_unauthenticate)
{
    start();
    CHECK_OK(account_add(w.store->directory, SL("bob@x.test"), SL("builder")));
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    TALK(c, "1 ENABLE IMAP4rev2 UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT IMAP4rev2\n1 OK ~\n");
    select_inbox(c);
    TALK(c, "2 UNAUTHENTICATE", "2 OK logged out; the connection goes on\n");
    TALK(c, "3 FETCH 1 UID", "3 BAD log in first\n");
    TALK(c, "4 UNAUTHENTICATE", "4 BAD log in first\n");
    TALK(c, "5 LOGIN bob@x.test builder", "5 OK [CAPABILITY ~] logged in\n");
    TALK(c, "6 STATUS INBOX (MESSAGES)", "* STATUS INBOX (MESSAGES 0)\n6 OK ~\n");
    TALK(c, "7 FETCH 1 UID", "7 BAD select a mailbox first\n");
    TALK(c, "8 ENABLE IMAP4rev2", "* ENABLED IMAP4rev2\n8 OK ~\n"); /* it was off again */
    bye(&c);
    stop();
}

TEST(imapd_replace)
{
    struct arena a;
    struct account alice;
    start();
    ar_init(&a, 0);
    account_id(&a, &alice);
    struct conn *c = login();
    for (int i = 0; i < 3; i++) append(c, "INBOX", "", a_letter);
    select_inbox(c);
    TALK(c, "1 REPLACE 2 INBOX (\\Draft) {6+}\r\na\r\n\r\nb",
         "* OK [APPENDUID ~ 4] ~\n* 2 EXPUNGE\n* 3 EXISTS\n* ~ RECENT\n1 OK replaced\n");
    TALK(c, "2 FETCH 3 (UID FLAGS RFC822.SIZE)",
         "* 3 FETCH (UID 4 FLAGS (\\Draft) RFC822.SIZE 6)\n2 OK fetched\n");
    conn_puts(c, "3 UID REPLACE 1 Sent {5}\r\n");
    EXPECT(c, "+ go ahead\n");
    TALK(c, "a\r\n\r\n", "* OK [APPENDUID ~ 1] ~\n* 1 EXPUNGE\n3 OK replaced\n");
    TALK(c, "4 UID SEARCH ALL", "* SEARCH 3 4\n4 OK ~\n");
    append(c, "INBOX", "(\\Deleted) ", a_letter); /* goes while its successor is on its way */
    conn_puts(c, "4 UID REPLACE 5 Sent {5}\r\n");
    EXPECT(c, "+ go ahead\n");
    struct conn *other = login();
    select_inbox(other);
    TALK(other, "1 EXPUNGE", "* 3 EXPUNGE\n1 OK expunged\n");
    bye(&other);
    TALK(c, "a\r\n\r\n", "* 3 EXPUNGE\n4 NO [CANNOT] the message that is to be replaced is gone\n");
    TALK(c, "5 UID REPLACE 1 Sent {5+}\r\na\r\n\r\n",
         "5 NO [CANNOT] there is no such message to be replaced\n");
    TALK(c, "6 REPLACE 9 Sent {1+}\r\na", "6 NO [CANNOT] there is no such message to be replaced\n");
    TALK(c, "7 REPLACE 1 nowhere {1+}\r\na", "7 NO [TRYCREATE] ~\n");
    TALK(c, "8 REPLACE 1:2 Sent {1+}\r\na", "8 BAD ~\n");
    TALK(c, "9 REPLACE 1 Sent", "9 BAD ~\n");
    TALK(c, "10 REPLACE 1 Sent {1+}\r\na {1+}\r\nb", "10 BAD one message replaces another\n");
    /* what goes makes room for what comes */
    CHECK_OK(account_set_quota(w.store, alice.id, 160));
    TALK(c, "11 APPEND INBOX {60+}\r\n123456789012345678901234567890123456789012345678901234567890",
         "11 NO [OVERQUOTA] ~\n");
    TALK(c, "12 UID REPLACE 3 INBOX {60+}\r\n123456789012345678901234567890123456789012345678901234567890",
         "* OK [APPENDUID ~\n* 1 EXPUNGE\n* 2 EXISTS\n* ~\n12 OK ~\n");
    conn_puts(c, "13 EXAMINE INBOX\r\n");
    read_until(c, SL("13 OK"));
    TALK(c, "14 REPLACE 1 INBOX {1+}\r\na", "14 NO [NOPERM] ~\n");
    bye(&c);
    ar_free(&a);
    stop();
}

TEST(imapd_compress)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    TALK(c, "1 COMPRESS LZW", "1 BAD byte 12: DEFLATE was expected\n");
    TALK(c, "2 COMPRESS DEFLATE", "2 OK compressed from here on\n");
    conn_compress(c);
    select_inbox(c);
    TALK(c, "3 FETCH 1 BODY.PEEK[HEADER.FIELDS (TO)]",
         "* 1 FETCH (BODY[HEADER.FIELDS (TO)] {20}\nTo: alice@x.test\n\n)\n3 OK ~\n");
    TALK(c, "4 COMPRESS DEFLATE", "4 NO [COMPRESSIONACTIVE] ~\n");
    TALK(c, "5 IDLE", "+ idling\n");
    struct conn *other = login();
    append(other, "INBOX", "", a_letter);
    EXPECT(c, "* 2 EXISTS\n* ~ RECENT\n"); /* parked and woken meanwhile */
    TALK(c, "DONE", "5 OK ~\n");
    bye(&other);
    bye(&c);
    c = login();
    TALK(c, "1 COMPRESS DEFLATE\r\n2 NOOP", "1 BAD nothing may follow COMPRESS before its answer\n");
    conn_close(&c);
    stop();
}

static void preview(struct conn *c, const char *text, const char *want)
{
    static int tag;
    struct buf b = BUF_INIT;
    TALK(c, "d STORE 1:* +FLAGS.SILENT (\\Deleted)", "d OK ~\n");
    append(c, "INBOX", "", text);
    conn_puts(c, "e EXPUNGE\r\n");
    read_until(c, SL("e OK"));
    buf_printf(&b, "* 1 FETCH (PREVIEW %s)\np%d OK fetched\n", want, ++tag);
    buf_char(&b, 0);
    conn_printf(c, "p%d FETCH 1 PREVIEW\r\n", tag);
    CHECK_OK(conn_flush(c));
    expect_at(__FILE__, __LINE__, c, b.p);
    buf_free(&b);
}

TEST(imapd_preview)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    select_inbox(c);
    preview(c, "Subject: x\r\n\r\n> quoted\r\n  Hello,\r\n\tworld\r\n > more\r\nend", "\"Hello, world end\"");
    preview(c, "Subject: x\r\nContent-Type: image/png\r\n\r\nabc", "\"\"");
    preview(c,
            "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
            "<p>no</p>\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9\r\n--b--\r\n",
            "{5}\ncaf\xc3\xa9");
    preview(c,
            "Content-Type: text/html\r\n\r\n<html><head><title>t</title><style>p { x > y }</style></head>\r\n"
            "<body a=\">\"><!-- <b>no</b> -- > --><h1>A&amp;B</h1>w<b>or</b>d &lt;&#x41;&#66;&nosuch;"
            "<br>AT&T & co<script>if (a<b) {}</script></body></html>",
            "\"A&B word <AB&nosuch; AT&T & co\"");
    preview(c,
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Disposition: attachment\r\n\r\n"
            "not this\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nnor this\r\n--b--\r\n",
            "\"\"");
    TALK(c, "1 FETCH 1 (PREVIEW (LAZY) UID)", "* 1 FETCH (UID ~ PREVIEW \"\")\n1 OK fetched\n");
    TALK(c, "2 FETCH 1 PREVIEW (LAZY)", "* 1 FETCH (PREVIEW \"\")\n2 OK fetched\n");
    TALK(c, "3 FETCH 1 PREVIEW (CHANGEDSINCE 1)",
         "* OK [HIGHESTMODSEQ ~\n* 1 FETCH (MODSEQ ~ PREVIEW \"\")\n3 OK fetched\n");
    bye(&c);
    stop();
}

/* 200 characters, whatever is sent, and no more of it is read than needed. */
TEST(imapd_preview_is_cut)
{
    start();
    struct conn *c = login();
    struct buf b = BUF_INIT;
    buf_str(&b, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
    for (int i = 0; i < 300; i++) buf_str(&b, "\xc3\xa9");
    buf_char(&b, 0);
    append(c, "INBOX", "", b.p);
    buf_clear(&b);
    buf_str(&b, "Content-Type: text/html\r\n\r\n");
    for (int i = 0; i < 30000; i++) buf_str(&b, "<td class='x'> ");
    buf_str(&b, "late");
    buf_char(&b, 0);
    append(c, "INBOX", "", b.p);
    buf_free(&b);
    select_inbox(c);
    conn_puts(c, "1 FETCH 1:2 PREVIEW\r\n");
    read_until(c, SL("1 OK"));
    CHECK(sl_find(buf_slice(&got), SL("PREVIEW {400}")) != SL_NONE);
    CHECK(sl_find(buf_slice(&got), SL("PREVIEW \"\"")) != SL_NONE);
    bye(&c);
    stop();
}
