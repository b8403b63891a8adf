/* utf8_test.c - UTF8=ACCEPT (RFC 6855): names and letters in UTF-8, for who enables it and who does not. */
#include "dialog_test.h"

#define GRUSSE                                                                                               \
    "Gr\xc3\xbc\xc3\x9f"                                                                                     \
    "e"
#define GRUSSE7 "Gr&APwA3w-e" /* modified UTF-7 (RFC 3501 section 5.1.3) */
#define LETTER "Subject: " GRUSSE "\r\n\r\nx\r\n"

TEST(imapd_utf8_accept)
{
    start();
    struct conn *c = login(), *old = login();
    TALK(c, "1 ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n1 OK ~\n");
    /* section 3: quoted strings hold UTF-8, and nothing that is none */
    TALK(c, "2 CREATE \"" GRUSSE "\"", "2 OK ~\n");
    TALK(c,
         "3 CREATE \"Gr\xfc\xdf"
         "e\"",
         "3 BAD byte 11: the quoted string is not in UTF-8\n");
    TALK(c, "4 CREATE \"\xed\xa0\x80\"", "4 BAD ~\n");           /* a surrogate */
    TALK(c, "5 CREATE \"a\xe2\x80\xa8z\"", "5 NO [CANNOT] ~\n"); /* a line separator */
    TALK(c, "6 CREATE \"a\xc2\x85z\"", "6 NO [CANNOT] ~\n");     /* a control character */
    TALK(c, "7 CREATE \"u\xcc\x88\"", "7 OK ~\n");               /* Net-Unicode: NFC */
    TALK(c, "8 LIST \"\" \"Gr%\"", "* LIST (\\HasNoChildren) \"/\" \"" GRUSSE "\"\n8 OK ~\n");
    TALK(c, "9 LIST \"\" \xc3\xbc", "9 BAD ~\n"); /* not in an atom */
    TALK(c, "10 LIST \"\" \"\xc3\xbc\"", "* LIST (\\HasNoChildren) \"/\" \"\xc3\xbc\"\n10 OK ~\n");
    TALK(c, "11 LSUB \"\" \"Gr%\"", "11 OK ~\n");
    TALK(c, "12 GETACL \"" GRUSSE "\"", "* ACL \"" GRUSSE "\" ~\n12 OK ~\n");
    TALK(c, "13 STATUS \"" GRUSSE "\" (MESSAGES)", "* STATUS \"" GRUSSE "\" (MESSAGES 0)\n13 OK ~\n");
    TALK(c, "14 CREATE " GRUSSE7, "14 OK ~\n"); /* UTF-7 means itself now: another name */
    /* who did not enable it gets ASCII */
    TALK(old, "1 LIST \"\" \"Gr&APwA3w-%\"", "* LIST (\\HasNoChildren) \"/\" " GRUSSE7 "\n1 OK ~\n");
    TALK(old, "2 STATUS " GRUSSE7 " (MESSAGES)", "* STATUS " GRUSSE7 " (MESSAGES 0)\n2 OK ~\n");
    TALK(old, "3 LIST \"\" \"Gr&-APw%\"", "* LIST (\\HasNoChildren) \"/\" Gr&-APwA3w-e\n3 OK ~\n");
    /* section 4 */
    TALK(c, "15 APPEND \"" GRUSSE "\" UTF8 (~{23+}\r\n" LETTER ")", "15 OK [APPENDUID ~ 1] appended\n");
    TALK(c, "16 APPEND \"" GRUSSE "\" CATENATE (UTF8 (~{23+}\r\n" LETTER ") TEXT {3+}\r\ny\r\n)",
         "16 OK [APPENDUID ~ 2] appended\n");
    TALK(c, "17 APPEND \"" GRUSSE "\" UTF8 (~{23+}\r\n" LETTER, "17 BAD ~\n");
    conn_puts(c, "18 SELECT \"" GRUSSE "\"\r\n");
    read_until(c, SL("18 OK"));
    TALK(c, "19 FETCH 1:2 (RFC822.SIZE BODY.PEEK[HEADER])",
         "* 1 FETCH (RFC822.SIZE 23 BODY[HEADER] {20}\nSubject: " GRUSSE "\n\n)\n"
         "* 2 FETCH (RFC822.SIZE 26 BODY[HEADER] {20}\nSubject: " GRUSSE "\n\n)\n19 OK ~\n");
    TALK(c, "20 FETCH 1 ENVELOPE", "* 1 FETCH (ENVELOPE (NIL {7}\n" GRUSSE " ~)\n20 OK ~\n");
    TALK(c, "21 SEARCH SUBJECT \"" GRUSSE "\"", "* SEARCH 1 2\n21 OK ~\n");
    TALK(c, "22 SEARCH CHARSET UTF-8 SUBJECT x", "22 BAD ~\n");
    bye(&c);
    bye(&old);
    stop();
}

/* Sections 7 and 8: nothing beyond ASCII outside of literals, and the letter as it is. */
TEST(imapd_utf8_letters_for_older_clients)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", LETTER); /* taken: see RFC.md */
    append(c, "INBOX", "",
           "From: =?utf-8?q?Gr=C3=BC?= <\xc3\xbc@\xc3\xbc.test>\r\nSubject: \xfc\r\n\r\nx\r\n");
    select_inbox(c);
    TALK(c, "1 FETCH 1 ENVELOPE", "* 1 FETCH (ENVELOPE (NIL {7}\n" GRUSSE " ~)\n1 OK ~\n");
    conn_puts(c, "2 FETCH 1:2 (ENVELOPE BODYSTRUCTURE PREVIEW BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n");
    read_until(c, SL("2 OK"));
    struct slice rest = buf_slice(&got), line;
    bool literal = false;
    while (sl_next(&rest, '\n', &line)) {
        bool quoted = false;
        for (size_t i = 0; i < line.n && !literal; i++) {
            if (line.p[i] == '"') quoted = !quoted;
            CHECK(!quoted || (unsigned char)line.p[i] < 128);
        }
        literal = sl_ends(line, SL("}")) || sl_ends(line, SL("}\r"));
    }
    TALK(c, "3 FETCH 1 BODY.PEEK[]", "* 1 FETCH (BODY[] {23}\nSubject: " GRUSSE "\n\nx\n)\n3 OK ~\n");
    TALK(c, "4 SEARCH CHARSET UTF-8 SUBJECT {7+}\r\n" GRUSSE, "* SEARCH 1\n4 OK ~\n");
    bye(&c);
    stop();
}
