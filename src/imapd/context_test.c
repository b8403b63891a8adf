/* context_test.c - searches that are kept up to date, and fuzzy ones, in dialogues. */
#include "dialog_test.h"

static void letter(struct conn *c, const char *flags, const char *subject, const char *body)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "Subject: %s\r\n\r\n%s\r\n", subject, body);
    buf_char(&b, 0);
    append(c, "INBOX", flags, b.p);
    buf_free(&b);
}

/* RFC 5267 section 4.3. */
TEST(imapd_context_search)
{
    start();
    struct conn *c = login(), *d = login();
    for (int i = 0; i < 3; i++) letter(c, "", "a", "x");
    select_inbox(c);
    select_inbox(d);
    TALK(c, "1 UID SEARCH RETURN (UPDATE COUNT) UNFLAGGED UNDELETED",
         "* ESEARCH (TAG \"1\") UID COUNT 3\n1 OK ~\n");
    TALK(c, "2 SEARCH RETURN (UPDATE) FLAGGED", "* ESEARCH (TAG \"2\")\n2 OK ~\n");
    TALK(c, "1 UID SEARCH RETURN (UPDATE) ALL", "1 BAD ~\n");
    TALK(c, "3 SEARCH RETURN (UPDATE COUNT) 1:3",
         "* ESEARCH (TAG \"3\") COUNT 3\n* NO [NOUPDATE \"3\"] ~\n3 OK ~\n");
    TALK(d, "4 STORE 2 +FLAGS.SILENT (\\Flagged)", "4 OK ~\n");
    TALK(c, "5 NOOP",
         "* 2 FETCH ~\n* ESEARCH (TAG \"2\") ADDTO (0 2)\n* ESEARCH (TAG \"1\") UID REMOVEFROM (0 2)\n5 OK "
         "done\n");
    letter(d, "", "new", "x");
    TALK(c, "6 NOOP", "* 4 EXISTS\n* ~ RECENT\n* ESEARCH (TAG \"1\") UID ADDTO (0 4)\n6 OK done\n");
    TALK(c, "7 STORE 1 +FLAGS (\\Flagged)",
         "* 1 FETCH ~\n* ESEARCH (TAG \"2\") ADDTO (0 1)\n* ESEARCH (TAG \"1\") UID REMOVEFROM (0 1)\n7 OK "
         "~\n");
    TALK(d, "8 MOVE 2,3 Trash", "* OK [COPYUID ~\n* 2 EXPUNGE\n* 2 EXPUNGE\n* 1 FETCH ~\n8 OK ~\n");
    TALK(c, "9 NOOP",
         "* ESEARCH (TAG \"2\") REMOVEFROM (0 2)\n* ESEARCH (TAG \"1\") UID REMOVEFROM (0 3)\n"
         "* 2 EXPUNGE\n* 2 EXPUNGE\n9 OK done\n");
    TALK(c, "10 CANCELUPDATE \"2\" \"none\"", "10 NO ~\n");
    TALK(c, "11 STORE 1 -FLAGS (\\Flagged)", "* 1 FETCH ~\n* ESEARCH (TAG \"1\") UID ADDTO (0 1)\n11 OK ~\n");
    TALK(c, "12 CANCELUPDATE \"1\"", "12 OK ~\n");
    TALK(c, "13 STORE 1 +FLAGS (\\Flagged)", "* 1 FETCH ~\n13 OK ~\n");
    TALK(c, "14 CANCELUPDATE", "14 BAD ~\n");
    for (int i = 0; i < 8; i++) {
        conn_printf(c, "u%d SEARCH RETURN (UPDATE) ALL\r\n", i);
        read_until(c, SL("u"));
        CHECK(sl_find(buf_slice(&got), SL("NOUPDATE")) == SL_NONE);
    }
    TALK(c, "15 SEARCH RETURN (UPDATE) ALL", "* ESEARCH ~\n* NO [NOUPDATE \"15\"] ~\n15 OK ~\n");
    bye(&c);
    bye(&d);
    stop();
}

TEST(imapd_context_sort)
{
    start();
    struct conn *c = login();
    letter(c, "", "b", "x");
    letter(c, "", "d", "x");
    letter(c, "", "f", "x");
    select_inbox(c);
    TALK(c, "1 UID SORT RETURN (UPDATE ALL) (SUBJECT) UTF-8 UNDELETED",
         "* ESEARCH (TAG \"1\") UID ALL 1:3\n1 OK ~\n");
    letter(c, "", "c", "x");
    CHECK(sl_find(buf_slice(&got), SL("* ESEARCH (TAG \"1\") UID ADDTO (2 4)\n")) != SL_NONE);
    TALK(c, "2 STORE 1:2 +FLAGS.SILENT (\\Deleted)",
         "* ESEARCH (TAG \"1\") UID REMOVEFROM (1 1 2 2)\n2 OK ~\n");
    TALK(c, "3 STORE 1:2 -FLAGS.SILENT (\\Deleted)", "* ESEARCH (TAG \"1\") UID ADDTO (1 1 3 2)\n3 OK ~\n");
    TALK(c, "4 UID SORT (SUBJECT) UTF-8 UNDELETED", "* SORT 1 4 2 3\n4 OK ~\n");
    bye(&c);
    stop();
}

/* RFC 6203: words, wherever they stand; how well they match. */
TEST(imapd_fuzzy)
{
    start();
    struct conn *c = login();
    letter(c, "", "the plan of the house", "nothing");
    letter(c, "", "house plans", "nothing");
    letter(c, "", "boat", "a plan, drawn on paper");
    select_inbox(c);
    TALK(c, "1 SEARCH SUBJECT \"house plan\"", "* SEARCH 2\n1 OK ~\n");
    TALK(c, "2 SEARCH FUZZY SUBJECT \"house plan\"", "* SEARCH 1 2\n2 OK ~\n");
    TALK(c, "3 SEARCH RETURN (RELEVANCY ALL) FUZZY TEXT \"house plan\"",
         "* ESEARCH (TAG \"3\") ALL 1:3 RELEVANCY (90 100 45)\n3 OK ~\n");
    TALK(c, "4 SORT (RELEVANCY) UTF-8 FUZZY TEXT \"house plan\"", "* SORT 2 1 3\n4 OK ~\n");
    TALK(c, "5 SORT RETURN (RELEVANCY PARTIAL 1:2) (RELEVANCY) UTF-8 FUZZY TEXT \"house plan\"",
         "* ESEARCH (TAG \"5\") PARTIAL (1:2 2,1) RELEVANCY (100 90)\n5 OK ~\n");
    TALK(c, "6 SEARCH FUZZY (OR SUBJECT planning SUBJECT boats) NOT 1", "* SEARCH 2 3\n6 OK ~\n");
    TALK(c, "7 SEARCH FUZZY FLAGGED", "* SEARCH\n7 OK ~\n");
    TALK(c, "8 SEARCH RETURN (RELEVANCY) ALL", "8 BAD ~\n");
    TALK(c, "9 SORT (RELEVANCY) UTF-8 ALL", "9 BAD ~\n");
    TALK(c, "10 SEARCH FUZZY", "10 BAD ~\n");
    TALK(c, "11 SEARCH FUZZY TEXT \"--- !\"", "* SEARCH\n11 OK ~\n");
    bye(&c);
    stop();
}
