/* multisearch_test.c - ESEARCH over several mailboxes in dialogues (RFC 7377). */
#include "dialog_test.h"

TEST(imapd_multisearch)
{
    start();
    struct conn *c = login();
    TALK(c, "1 CREATE a/b/c", "1 OK ~\n");
    TALK(c, "2 CREATE Gr&APw-n", "2 OK ~\n");
    append(c, "INBOX", "", a_letter);
    append(c, "a", "(\\Seen) ", a_letter);
    append(c, "a/b/c", "", a_letter);
    append(c, "a/b/c", "(\\Seen keyword) ", a_letter);
    append(c, "Gr&APw-n", "(\\Seen) ", a_letter);
    TALK(c, "3 ESEARCH IN (personal) SUBJECT \"=?utf-8?q?Gr\"", "3 OK ~\n");
    TALK(c, "4 ESEARCH IN (personal) FROM bob",
         "* ESEARCH (TAG \"4\" MAILBOX INBOX UIDVALIDITY ~) UID ALL 1\n"
         "* ESEARCH (TAG \"4\" MAILBOX Gr&APw-n UIDVALIDITY ~) UID ALL 1\n"
         "* ESEARCH (TAG \"4\" MAILBOX a UIDVALIDITY ~) UID ALL 1\n"
         "* ESEARCH (TAG \"4\" MAILBOX a/b/c UIDVALIDITY ~) UID ALL 1:2\n4 OK ~\n");
    TALK(c, "5 ESEARCH IN (subtree-one a inboxes) RETURN (COUNT) ALL",
         "* ESEARCH (TAG \"5\" MAILBOX INBOX UIDVALIDITY ~) UID COUNT 1\n"
         "* ESEARCH (TAG \"5\" MAILBOX a UIDVALIDITY ~) UID COUNT 1\n5 OK ~\n");
    TALK(c, "6 ESEARCH IN (subtree (a none)) RETURN (MIN MAX) KEYWORD keyword",
         "* ESEARCH (TAG \"6\" MAILBOX a/b/c UIDVALIDITY ~) UID MIN 2 MAX 2\n6 OK ~\n");
    TALK(c, "7 ESEARCH IN (mailboxes (\"a\" Gr&APw-n) subscribed) SEEN",
         "* ESEARCH (TAG \"7\" MAILBOX Gr&APw-n UIDVALIDITY ~) UID ALL 1\n"
         "* ESEARCH (TAG \"7\" MAILBOX a UIDVALIDITY ~) UID ALL 1\n7 OK ~\n");
    TALK(c, "8 ESEARCH IN (selected) ALL", "8 BAD no mailbox is selected\n");
    TALK(c, "9 ESEARCH ALL", "9 BAD no mailbox is selected\n");
    TALK(c, "10 ESEARCH IN (selected-delayed) ALL", "10 BAD ~\n");
    select_inbox(c);
    TALK(c, "11 ESEARCH IN (personal) RETURN (SAVE) ALL", "11 BAD ~\n");
    TALK(c, "12 ESEARCH IN (personal) 1:*", "12 BAD ~\n");
    TALK(c, "13 ESEARCH RETURN (SAVE ALL) 1:*",
         "* ESEARCH (TAG \"13\" MAILBOX INBOX UIDVALIDITY ~) UID ALL 1\n13 OK ~\n");
    TALK(c, "14 UID FETCH $ UID", "* 1 FETCH (UID 1)\n14 OK ~\n");
    TALK(c, "14b ESEARCH IN (selected) RETURN (SAVE) UNSEEN", "14b OK ~\n");
    TALK(c, "15 ESEARCH IN (selected) RETURN (UPDATE COUNT) UNSEEN",
         "* ESEARCH (TAG \"15\" MAILBOX INBOX UIDVALIDITY ~) UID COUNT 1\n15 OK ~\n");
    TALK(c, "16 STORE 1 +FLAGS.SILENT (\\Seen)", "* ESEARCH (TAG \"15\") UID REMOVEFROM (0 1)\n16 OK ~\n");
    TALK(c, "17 FETCH 1 FLAGS", "* 1 FETCH (FLAGS (\\Seen))\n17 OK ~\n"); /* the selected one is as it was */
    TALK(c, "18 ESEARCH IN () ALL", "18 BAD ~\n");
    TALK(c, "19 ESEARCH IN (mailboxes) ALL", "19 BAD ~\n");
    TALK(c, "20 ESEARCH IN (personal) RETURN (PARTIAL 2:2) UNDELETED",
         "* ESEARCH (TAG \"20\" MAILBOX INBOX UIDVALIDITY ~) UID PARTIAL (2:2 NIL)\n"
         "* ESEARCH (TAG \"20\" MAILBOX Gr&APw-n UIDVALIDITY ~) UID PARTIAL (2:2 NIL)\n"
         "* ESEARCH (TAG \"20\" MAILBOX a UIDVALIDITY ~) UID PARTIAL (2:2 NIL)\n"
         "* ESEARCH (TAG \"20\" MAILBOX a/b/c UIDVALIDITY ~) UID PARTIAL (2:2 2)\n20 OK ~\n");
    bye(&c);
    stop();
}
