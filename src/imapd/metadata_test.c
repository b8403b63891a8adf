/* metadata_test.c - METADATA and FILTERS in dialogues. */
#include "dialog_test.h"
#include "store/annotation.h"

TEST(imapd_metadata)
{
    start();
    struct conn *c = login(), *d = login();
    TALK(c, "1 GETMETADATA \"\" /shared/admin",
         "* METADATA \"\" (/shared/admin \"mailto:postmaster@x.test\")\n1 OK ~\n");
    TALK(c, "2 SETMETADATA \"\" (/shared/comment x)", "2 BAD ~\n");
    TALK(c, "3 SETMETADATA \"\" (/shared/comment \"x\")", "3 NO [NOPERM] ~\n");
    TALK(c, "4 SETMETADATA INBOX (/Shared/Comment {5+}\r\na\r\nb\xff /private/vendor/x/y \"\")",
         "4 OK kept\n");
    TALK(d, "5 GETMETADATA INBOX (/shared/comment /private/comment)",
         "* METADATA INBOX (/shared/comment {5}\na\nb\xff /private/comment NIL)\n5 OK ~\n");
    bye(&d);
    static const char with_nul[] = "6 SETMETADATA INBOX (/private/comment ~{3+}\r\na\0b)\r\n";
    conn_write(c, sl(with_nul, sizeof with_nul - 1));
    CHECK_OK(conn_flush(c));
    EXPECT(c, "6 OK kept\n");
    conn_puts(c, "7 GETMETADATA INBOX /private/comment\r\n");
    read_until(c, SL("7 OK"));
    CHECK(sl_find(buf_slice(&got), sl("~{3}\na\0b)\n", 10)) != SL_NONE);
    TALK(c, "8 GETMETADATA INBOX (DEPTH 1) /private/vendor", "8 OK ~\n");
    TALK(c, "9 GETMETADATA INBOX (DEPTH infinity MAXSIZE 4) (/shared /private/vendor)",
         "* METADATA INBOX (/private/vendor/x/y \"\")\n9 OK [METADATA LONGENTRIES 5] ~\n");
    TALK(c, "10 GETMETADATA (DEPTH infinity) INBOX /private/vendor",
         "* METADATA INBOX (/private/vendor/x/y \"\")\n10 OK ~\n");
    TALK(c, "11 LIST \"\" (INBOX Junk) RETURN (METADATA (/private/vendor/x/y))",
         "* LIST (~) \"/\" INBOX\n* METADATA INBOX (/private/vendor/x/y \"\")\n"
         "* LIST (~) \"/\" Junk\n* METADATA Junk (/private/vendor/x/y NIL)\n11 OK ~\n");
    TALK(c, "12 SETMETADATA INBOX (/private/vendor/x/y NIL)", "12 OK kept\n");
    TALK(c, "13 GETMETADATA INBOX /private/vendor/x/y",
         "* METADATA INBOX (/private/vendor/x/y NIL)\n13 OK ~\n");
    TALK(c, "14 GETMETADATA Nowhere /private/comment", "14 NO [NONEXISTENT] ~\n");
    TALK(c, "15 RENAME INBOX Old", "15 OK renamed\n");
    TALK(c, "16 GETMETADATA Old /shared/comment",
         "* METADATA Old (/shared/comment {5}\na\nb\xff)\n16 OK ~\n");
    TALK(c, "17 DELETE Old", "17 OK deleted\n");
    TALK(c, "18 CREATE Old", "18 OK ~\n");
    TALK(c, "19 GETMETADATA Old /shared/comment", "* METADATA Old (/shared/comment NIL)\n19 OK ~\n");
    bye(&c);
    stop();
}

TEST(imapd_metadata_limits)
{
    start();
    struct conn *c = login();
    static const char *const bad[] = {"comment",     "/other/x",       "/shared/",   "/shared//x",
                                      "/private/a%", "/private/a\x80", "/private/x/"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        conn_printf(c, "1 GETMETADATA INBOX (DEPTH 1) \"%s\"\r\n", bad[i]);
        EXPECT(c, "1 BAD ~\n");
        conn_printf(c, "1 SETMETADATA INBOX (/private/x \"v\" \"%s\" \"v\")\r\n", bad[i]);
        EXPECT(c, "1 BAD ~\n");
        TALK(c, "2 NOOP", "2 OK done\n");
    }
    TALK(c, "2b GETMETADATA INBOX /private/x", "* METADATA INBOX (/private/x NIL)\n2b OK ~\n");
    TALK(c, "3 GETMETADATA INBOX (DEPTH 2) /private/x", "3 BAD ~\n");
    TALK(c, "4 GETMETADATA INBOX (MAXSIZE) /private/x", "4 BAD ~\n");
    TALK(c, "5 SETMETADATA INBOX /private/x \"y\"", "5 BAD ~\n");
    TALK(c, "6 SETMETADATA INBOX ()", "6 BAD ~\n");
    conn_printf(c, "7 SETMETADATA INBOX (/private/a \"1\" /private/b {%d+}\r\n", ANNOTATION_VALUE_MAX + 1);
    for (int i = 0; i <= ANNOTATION_VALUE_MAX; i++) conn_puts(c, "x");
    TALK(c, ")", "7 NO [METADATA MAXSIZE 8192] ~\n");
    TALK(c, "8 GETMETADATA INBOX /private/a", "* METADATA INBOX (/private/a NIL)\n8 OK ~\n");
    conn_puts(c, "9 SETMETADATA INBOX (");
    for (int i = 0; i < ANNOTATIONS_MAX; i++) conn_printf(c, "%s/private/n%d \"v\"", i ? " " : "", i);
    TALK(c, ")", "9 OK kept\n");
    TALK(c, "10 SETMETADATA INBOX (/private/one \"more\")", "10 NO [METADATA TOOMANY] ~\n");
    TALK(c, "11 SETMETADATA INBOX (/private/n1 NIL /private/one \"more\" /shared/x \"y\")", "11 OK kept\n");
    bye(&c);
    stop();
}

TEST(imapd_filters)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    append(c, "INBOX", "(\\Flagged) ", "Subject: other\r\n\r\nx\r\n");
    select_inbox(c);
    TALK(c, "1 SETMETADATA \"\" (/private/filters/values/bob \"FROM \\\"bob@y.test\\\"\")", "1 OK kept\n");
    TALK(c, "2 SETMETADATA \"\" (/private/filters/values/two \"OR FILTER bob FLAGGED\")", "2 OK kept\n");
    TALK(c, "3 SEARCH FILTER bob", "* SEARCH 1\n3 OK ~\n");
    TALK(c, "4 SEARCH NOT FILTER BOB", "* SEARCH 2\n4 OK ~\n");
    TALK(c, "5 UID SEARCH FILTER two 1:2", "* SEARCH 1 2\n5 OK ~\n");
    TALK(c, "6 SEARCH FILTER none", "6 NO [UNDEFINED-FILTER none] ~\n");
    TALK(c, "7 SEARCH CHARSET iso-8859-1 FILTER bob", "7 BAD [BADCHARSET (UTF-8 US-ASCII)] ~\n");
    TALK(c, "8 SETMETADATA \"\" (/private/filters/values/bad \"OR SMALLER\")", "8 NO [CANNOT] ~\n");
    TALK(c, "9 SETMETADATA \"\" (/private/filters/values/loop \"FILTER loop\")", "9 OK kept\n");
    TALK(c, "10 SEARCH FILTER loop", "10 NO [UNDEFINED-FILTER loop] ~\n");
    TALK(c, "11 SEARCH FILTER a/b", "11 BAD ~\n");
    TALK(c, "12 SETMETADATA \"\" (/private/filters/values/numbers \"1:2\")", "12 OK kept\n");
    TALK(c, "13 ENABLE UIDONLY", "* ENABLED UIDONLY\n13 OK enabled\n");
    TALK(c, "14 UID SEARCH FILTER numbers", "14 BAD [UIDREQUIRED] ~\n");
    TALK(c, "15 UID SORT (DATE) UTF-8 FILTER bob", "* SORT 1\n15 OK sorted\n");
    bye(&c);
    stop();
}
