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

/* Section 8, RFC 6858: header fields in UTF-8 are for who enabled them; others are shown surrogates, and told
 * so. */
TEST(imapd_utf8_letters_for_older_clients)
{
    start();
    struct conn *c = login(), *rev2 = login();
    append(c, "INBOX", "", LETTER); /* taken: see RFC.md */
    append(c, "INBOX", "",
           "From: =?utf-8?q?Gr=C3=BC?= <\xc3\xbc@\xc3\xbc.test>\r\nMessage-ID: <a@b>\r\nX: "
           "\xc3\xbc\r\n\r\nx\r\n");
    append(c, "INBOX", "", "Subject: \xfc\r\n\r\n\xc3\xbc\r\n"); /* broken, not international */
    append(c, "INBOX", "", "Subject: a\r\n\r\n\xc3\xbc\r\n");
    select_inbox(c);
    TALK(c, "1 FETCH 1,4 ENVELOPE",
         "* 1 FETCH (ENVELOPE (NIL \"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\" ~)\n* 4 FETCH (ENVELOPE (NIL \"a\" ~)\n"
         "1 OK [DOWNGRADED 1] ~\n");
    TALK(c, "2 FETCH 1 BODY.PEEK[]",
         "* 1 FETCH (BODY[] {43}\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nx\n)\n2 OK [DOWNGRADED 1] ~\n");
    TALK(c, "3 FETCH 1 (RFC822.SIZE BODY.PEEK[]<9.5> BODY.PEEK[TEXT])",
         "* 1 FETCH (RFC822.SIZE 23 BODY[]<9> {5}\n=?utf BODY[TEXT] {3}\nx\n)\n3 OK [DOWNGRADED 1] ~\n");
    TALK(c, "4 UID FETCH 2 (ENVELOPE BODY.PEEK[HEADER])",
         "* 2 FETCH (UID 2 ENVELOPE (NIL NIL ((\"=?utf-8?b?R3LDvCDDvEDDvC50ZXN0?=\" NIL "
         "\"invalid\" "
         "\"internationalized-address.invalid\")) ~ \"<a@b>\") BODY[HEADER] {107}\n"
         "From: =?utf-8?b?R3LDvCDDvEDDvC50ZXN0?=\n <invalid@internationalized-address.invalid>\n"
         "Message-ID: <a@b>\n\n)\n4 OK [DOWNGRADED 2] ~\n");
    TALK(c, "5 FETCH 2:4 (BODY.PEEK[HEADER.FIELDS (SUBJECT X)])",
         "* 2 FETCH (BODY[HEADER.FIELDS (SUBJECT X)] {2}\n\n)\n"
         "* 3 FETCH (BODY[HEADER.FIELDS (SUBJECT X)] {14}\nSubject: \xfc\n\n)\n"
         "* 4 FETCH (BODY[HEADER.FIELDS (SUBJECT X)] {14}\nSubject: a\n\n)\n5 OK [DOWNGRADED 2] ~\n");
    TALK(c, "6 FETCH 3:4 (RFC822)",
         "* 3 FETCH (~ RFC822 {18}\nSubject: \xfc\n\n\xc3\xbc\n)\n* 4 FETCH (~ RFC822 {18}\nSubject: "
         "a\n\n\xc3\xbc\n)\n6 OK fetched\n");
    /* it is found by what it says */
    TALK(c, "7 SEARCH CHARSET UTF-8 SUBJECT {7+}\r\n" GRUSSE, "* SEARCH 1\n7 OK ~\n");
    TALK(c, "8 COPY 1 INBOX", "* 5 EXISTS\n* 5 RECENT\n8 OK ~\n");
    /* RFC 9051 section 4.3.1: who speaks IMAP4rev2 knows UTF-8 */
    TALK(rev2, "1 ENABLE IMAP4rev2", "* ENABLED IMAP4rev2\n1 OK ~\n");
    select_inbox(rev2);
    TALK(rev2, "2 FETCH 1,5 BODY.PEEK[]",
         "* 1 FETCH (BODY[] {23}\nSubject: " GRUSSE "\n\nx\n)\n* 5 FETCH (BODY[] {23}\nSubject: " GRUSSE
         "\n\nx\n)\n2 OK fetched\n");
    bye(&c);
    bye(&rev2);
    stop();
}

/* Many at once, so that what is computed once is at hand: it is of the letters as they are. */
TEST(imapd_surrogates_beside_what_was_computed)
{
    start();
    struct conn *c = login(), *utf8 = login();
    TALK(utf8, "1 ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n1 OK ~\n");
    for (int i = 0; i < 200; i++)
        append(c, "INBOX", "",
               i % 2 ? LETTER : "Subject: a\r\nContent-Type: text/plain; name=a\r\n\r\nx\r\n");
    for (int k = 0; k < 2; k++) {
        struct conn *who = k ? c : utf8;
        select_inbox(who);
        for (int again = 0; again < 2; again++) {
            conn_puts(who, "2 FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (SUBJECT)])\r\n");
            read_until(who, SL("2 OK"));
            CHECK((sl_find(buf_slice(&got), SL(GRUSSE)) == SL_NONE) == (k == 1));
            CHECK((sl_find(buf_slice(&got), SL("DOWNGRADED 2,4,6,8,")) != SL_NONE) == (k == 1));
        }
    }
    bye(&c);
    bye(&utf8);
    stop();
}
