/* notify_test.c - NOTIFY in dialogues (RFC 5465). */
#include "dialog_test.h"

TEST(imapd_notify_other_mailboxes)
{
    start();
    struct conn *c = login(), *d = login();
    TALK(d, "0 CREATE Lists/a", "0 OK ~\n");
    TALK(c,
         "1 NOTIFY SET STATUS (subtree Lists (MessageNew MessageExpunge FlagChange)) (personal (MailboxName "
         "SubscriptionChange))",
         "* STATUS Lists (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ~ UNSEEN 0)\n"
         "* STATUS Lists/a (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ~ UNSEEN 0)\n1 OK ~\n");
    append(d, "Lists/a", "", a_letter);
    EXPECT(c, "* STATUS Lists/a (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ~ UNSEEN 1)\n");
    append(d, "INBOX", "", a_letter);
    TALK(d, "1 SELECT Lists/a", "~\n~\n~\n~\n~\n~\n~\n~\n~\n1 OK ~\n");
    TALK(d, "2 STORE 1 +FLAGS.SILENT (\\Seen)", "2 OK ~\n");
    EXPECT(c, "* STATUS Lists/a (MESSAGES 1 UIDNEXT 2 UIDVALIDITY ~ UNSEEN 0)\n");
    TALK(d, "3 CREATE New/one", "3 OK ~\n");
    EXPECT(c, "* LIST (\\HasChildren) \"/\" New\n* LIST (\\HasNoChildren) \"/\" New/one\n* LIST "
              "(\\HasChildren) \"/\" New\n");
    TALK(d, "4 RENAME New Old", "4 OK ~\n");
    EXPECT(c, "* LIST (\\HasChildren) \"/\" Old (\"OLDNAME\" (New))\n");
    TALK(d, "5 SUBSCRIBE Old", "5 OK ~\n");
    EXPECT(c, "* LIST (\\HasChildren \\Subscribed) \"/\" Old\n");
    TALK(d, "6 DELETE Old/one", "6 OK ~\n");
    EXPECT(c, "* LIST (\\NonExistent \\HasNoChildren) \"/\" Old/one\n* LIST (\\HasNoChildren \\Subscribed) "
              "\"/\" Old\n");
    TALK(c,
         "7 NOTIFY SET (mailboxes (Lists/a INBOX) (MailboxMetadataChange)) (inboxes (ServerMetadataChange))",
         "7 OK ~\n");
    TALK(d, "8 SETMETADATA Lists/a (/shared/comment \"x\" /private/comment NIL)", "8 OK ~\n");
    EXPECT(c, "* METADATA Lists/a /shared/comment\n");
    TALK(d, "9 SETMETADATA \"\" (/private/comment \"x\")", "9 OK ~\n");
    EXPECT(c, "* METADATA \"\" /private/comment\n");
    append(d, "Lists/a", "", a_letter);
    TALK(c, "10 NOTIFY NONE", "10 OK ~\n");
    TALK(d, "11 CREATE Another", "11 OK ~\n");
    TALK(c, "12 NOOP", "12 OK done\n");
    bye(&c);
    bye(&d);
    stop();
}

TEST(imapd_notify_selected)
{
    start();
    struct conn *c = login(), *d = login();
    append(d, "INBOX", "", a_letter);
    select_inbox(c);
    select_inbox(d);
    TALK(c,
         "1 NOTIFY SET (selected (MessageNew (UID FLAGS BODY.PEEK[HEADER.FIELDS (FROM)]) MessageExpunge "
         "FlagChange))",
         "1 OK ~\n");
    append(d, "INBOX", "", a_letter);
    EXPECT(c, "* 2 EXISTS\n* ~ RECENT\n");
    read_until(c, SL(")"));
    CHECK_SL(buf_slice(&got),
             "* 2 FETCH (UID 2 FLAGS () BODY[HEADER.FIELDS (FROM)] {26}\nFrom: Bob <bob@y.test>\n\n)\n");
    TALK(d, "2 STORE 1 +FLAGS.SILENT (\\Deleted)", "2 OK ~\n");
    EXPECT(c, "* 1 FETCH (UID 1 FLAGS (\\Deleted))\n");
    TALK(d, "3 EXPUNGE", "* 1 EXPUNGE\n3 OK ~\n");
    EXPECT(c, "* 1 EXPUNGE\n"); /* while no command runs */
    TALK(c, "4 NOTIFY SET (selected-delayed (MessageNew MessageExpunge))", "4 OK ~\n");
    append(d, "INBOX", "", a_letter);
    EXPECT(c, "* 2 EXISTS\n* ~ RECENT\n");
    TALK(d, "5 STORE 1 +FLAGS.SILENT (\\Deleted)", "5 OK ~\n");
    TALK(d, "6 EXPUNGE", "* 1 EXPUNGE\n6 OK ~\n");
    append(d, "INBOX", "", a_letter);
    EXPECT(c, "* 3 EXISTS\n* ~ RECENT\n"); /* the one that went is still among them */
    TALK(c, "7 FETCH 1 UID", "* 1 FETCH (~)\n7 OK [EXPUNGEISSUED] fetched\n");
    TALK(c, "8 NOOP", "* 1 EXPUNGE\n8 OK done\n");
    TALK(c, "9 NOTIFY SET (inboxes (MessageNew MessageExpunge))",
         "9 OK ~\n"); /* of the selected one: nothing */
    append(d, "INBOX", "", a_letter);
    TALK(c, "10 NOOP", "10 OK done\n");
    TALK(c, "11 UNSELECT", "11 OK ~\n");
    append(d, "INBOX", "", a_letter);
    EXPECT(c, "* STATUS INBOX (MESSAGES 4 UIDNEXT 7 UIDVALIDITY ~ UNSEEN 4)\n");
    bye(&c);
    bye(&d);
    stop();
}

/* RFC 5465 section 5.1: also of messages whose UIDs the client has not asked for. */
TEST(imapd_notify_of_flags_names_the_uid)
{
    start();
    struct conn *c = login(), *d = login();
    for (int i = 0; i < 3; i++) append(d, "INBOX", "", a_letter);
    select_inbox(d);
    TALK(d, "2 STORE 1 +FLAGS.SILENT (\\Deleted)", "2 OK ~\n");
    TALK(d, "3 EXPUNGE", "* 1 EXPUNGE\n3 OK ~\n");
    select_inbox(c);
    TALK(c, "1 NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))", "1 OK ~\n");
    TALK(d, "4 STORE 2 +FLAGS.SILENT (\\Flagged)", "4 OK ~\n");
    EXPECT(c, "* 2 FETCH (UID 3 FLAGS (\\Flagged))\n");
    TALK(c, "2 NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange))", "2 OK ~\n");
    TALK(c, "3 FETCH 1 BODY[HEADER.FIELDS (X)]", /* the same within what was asked for */
         "* 1 FETCH (UID 2 FLAGS (\\Seen) BODY[HEADER.FIELDS (X)] {2}\n\n)\n3 OK fetched\n");
    bye(&c);
    bye(&d);
    stop();
}

TEST(imapd_notify_arguments)
{
    start();
    struct conn *c = login();
    static const char *const bad[] = {"",
                                      "SET",
                                      "SET (selected)",
                                      "SET (selected (MessageNew))",
                                      "SET (selected (MessageExpunge))",
                                      "SET (selected (FlagChange))",
                                      "SET (selected (MailboxName))",
                                      "SET (selected NONE) (selected-delayed NONE)",
                                      "SET (personal (MessageNew (UID) MessageExpunge))",
                                      "SET (subtree-one x (MailboxName))",
                                      "SET (selected (MessageNew (FOO) MessageExpunge))",
                                      "NONE x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        conn_printf(c, "1 NOTIFY %s\r\n", bad[i]);
        EXPECT(c, "1 BAD ~\n");
        TALK(c, "2 NOOP", "2 OK done\n");
    }
    TALK(c, "3 NOTIFY SET (personal (MailboxName AnnotationChange))",
         "3 NO [BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange "
         "MailboxMetadataChange ServerMetadataChange)] ~\n");
    TALK(c, "4 NOTIFY SET (selected NONE) (mailboxes none MessageNew MessageExpunge)", "4 OK ~\n");
    bye(&c);
    stop();
}

/* Section 5.8: what was noted meanwhile is told by halves only with a word, and then nothing more. */
TEST(imapd_notify_of_too_many_annotations)
{
    static const char *const box[] = {"INBOX", "Drafts", "Sent", "Trash"};
    start();
    struct conn *c = login(), *other = login();
    TALK(c, "1 NOTIFY SET (personal (MailboxMetadataChange))", "1 OK ~\n");
    conn_puts(c, "2 APPEND INBOX {4}\r\n");
    EXPECT(c, "+ go ahead\n");
    for (size_t i = 0; i < COUNT_OF(box); i++) {
        conn_printf(other, "1 SETMETADATA %s (/shared/n0 \"x\"", box[i]);
        for (int k = 1; k < 60; k++) conn_printf(other, " /shared/n%d \"x\"", k);
        TALK(other, ")", "1 OK ~\n");
    }
    conn_puts(c, "a: b\r\n");
    read_until(c, SL("* OK [NOTIFICATIONOVERFLOW]"));
    TALK(other, "2 SETMETADATA INBOX (/shared/n0 \"y\")", "2 OK ~\n");
    TALK(c, "3 NOOP", "3 OK done\n");
    bye(&other);
    bye(&c);
    stop();
}

/* More mailboxes than are watched hinder nobody who does not ask to have them watched. */
TEST(imapd_notify_of_too_many_mailboxes)
{
    start();
    struct conn *c = login();
    for (int i = 0; i < 2001; i++) conn_printf(c, "0 CREATE many/%d\r\n", i);
    conn_puts(c, "1 NOTIFY SET (personal (MailboxName SubscriptionChange))\r\n");
    read_until(c, SL("1 NO [NOTIFICATIONOVERFLOW]"));
    TALK(c, "2 NOTIFY NONE", "2 OK ~\n");
    TALK(c, "3 NOTIFY SET (selected (MessageNew MessageExpunge))", "3 OK ~\n");
    bye(&c);
    stop();
}
