/* found_test.c - SORT, THREAD and pages of results in dialogues. */
#include "dialog_test.h"
#include "rt/file.h"

static void append_letter(struct conn *c, const char *from, const char *subject, const char *date,
                          const char *rest)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "From: %s\r\nSubject: %s\r\nDate: %s\r\n%s\r\nx\r\n", from, subject, date, rest);
    buf_char(&b, 0);
    append(c, "INBOX", "", b.p);
    buf_free(&b);
}

static void append_four(struct conn *c)
{
    append_letter(c, "Zoe <b@x.test>", "Re: [list] plan", "Tue, 3 Jan 2006 10:00:00 +0000",
                  "Message-ID: <2@x>\r\nIn-Reply-To: <1@x> (Monday)\r\n");
    append_letter(c, "=?utf-8?q?=C3=89mile?= <c@x.test>", "plan", "Mon, 2 Jan 2006 10:00:00 +0000",
                  "Message-ID: <1@x>\r\n");
    append_letter(c, "a@x.test", "other_", "Tue, 3 Jan 2006 12:00:00 +0300", "Message-ID: <3@x>\r\n");
    append_letter(c, "<d@x.test>", "Other", "no date", "References: <0@x> <1@x> <2@x>\r\n");
}

TEST(imapd_sort)
{
    start();
    struct conn *c = login();
    append_four(c);
    select_inbox(c);
    TALK(c, "1 SORT (SUBJECT) UTF-8 ALL", "* SORT 4 3 1 2\n1 OK sorted\n");
    TALK(c, "2 SORT (SUBJECT REVERSE DATE) US-ASCII ALL", "* SORT 4 3 1 2\n2 OK sorted\n");
    TALK(c, "3 SORT (DATE) UTF-8 1:3", "* SORT 2 3 1\n3 OK sorted\n");
    TALK(c, "4 SORT (REVERSE FROM) UTF-8 ALL", "* SORT 4 2 1 3\n4 OK sorted\n");
    TALK(c, "5 UID SORT (DISPLAYFROM) UTF-8 ALL", "* SORT 3 4 2 1\n5 OK sorted\n");
    TALK(c, "6 SORT (REVERSE SIZE ARRIVAL) UTF-8 UID 1:2", "* SORT 1 2\n6 OK sorted\n");
    TALK(c, "7 SORT (CC) UTF-8 SUBJECT plan", "* SORT 1 2\n7 OK sorted\n");
    TALK(c, "8 UID SORT RETURN (MIN MAX COUNT ALL) (DATE) UTF-8 1:3",
         "* ESEARCH (TAG \"8\") UID MIN 2 MAX 1 COUNT 3 ALL 2:3,1\n8 OK sorted\n");
    TALK(c, "9 SORT RETURN (PARTIAL -1:-2) (DATE) UTF-8 1:3",
         "* ESEARCH (TAG \"9\") PARTIAL (-1:-2 3,1)\n9 OK sorted\n");
    TALK(c, "10 SORT RETURN (SAVE) (REVERSE DATE) UTF-8 1:2", "10 OK sorted\n");
    TALK(c, "11 SEARCH $", "* SEARCH 1 2\n11 OK searched\n");
    TALK(c, "12 SORT (FOO) UTF-8 ALL", "12 BAD byte 10: a sort criterion was expected\n");
    TALK(c, "13 SORT (DATE) x-none ALL", "13 NO [BADCHARSET (UTF-8 US-ASCII)] ~\n");
    TALK(c, "14 SORT () UTF-8 ALL", "14 BAD ~\n");
    TALK(c, "15 SORT (DATE) UTF-8 TEXT nowhere", "* SORT\n15 OK sorted\n");
    bye(&c);
    stop();
}

TEST(imapd_thread)
{
    start();
    struct conn *c = login();
    append_four(c);
    append_letter(c, "e@x.test", "Re: plan", "Wed, 4 Jan 2006 10:00:00 +0000", "References: <9@x>\r\n");
    append_letter(c, "e@x.test", "alone", "Thu, 5 Jan 2006 10:00:00 +0000", "References: <8@x>\r\n");
    append_letter(c, "e@x.test", "alone", "Fri, 6 Jan 2006 10:00:00 +0000", "References: <8@x>\r\n");
    select_inbox(c);
    TALK(c, "1 THREAD REFERENCES UTF-8 ALL", "* THREAD (2 (1 4)(5))(3)((6)(7))\n1 OK threaded\n");
    TALK(c, "2 THREAD ORDEREDSUBJECT UTF-8 ALL", "* THREAD (2 (1)(5))(3)(6 7)(4)\n2 OK threaded\n");
    TALK(c, "3 UID THREAD REFS UTF-8 ALL", "* THREAD (3)(5)((6)(7))(2 1 4)\n3 OK threaded\n");
    TALK(c, "4 THREAD REFERENCES UTF-8 TEXT nowhere", "* THREAD\n4 OK threaded\n");
    TALK(c, "5 THREAD FOO UTF-8 ALL", "5 BAD ~\n");
    bye(&c);
    stop();
}

/* Changes the byte behind these in the file. */
static int spoil_behind(void *what, const char *name)
{
    char path[400], bytes[64 * 1024];
    snprintf(path, sizeof path, "%s/%s", w.dir, name);
    FILE *f = fopen(path, "r+");
    if (!f) return 0;
    size_t n = fread(bytes, 1, sizeof bytes, f), at = sl_find(sl(bytes, n), sl_cstr(what));
    if (at != SL_NONE) {
        CHECK(fseek(f, (long)(at + strlen(what)), SEEK_SET) == 0 && fputc('#', f) == '#');
    }
    fclose(f);
    return 0;
}

/* A message that cannot be read takes nothing away from the others, and can still be told of. */
TEST(imapd_finds_beside_what_cannot_be_read)
{
    static char name[] = "Subject: plan\r\nDate: Mon, 2 ";
    start();
    struct conn *c = login();
    append_four(c);
    CHECK_OK(path_list(w.dir, spoil_behind, name));
    select_inbox(c);
    TALK(c, "1 UID FETCH 2 BODY.PEEK[HEADER]", "1 NO [CORRUPTION] ~\n");
    TALK(c, "2 SORT (SUBJECT) UTF-8 ALL", "* SORT 2 4 3 1\n2 OK sorted\n");
    TALK(c, "3 THREAD ORDEREDSUBJECT UTF-8 1:3", "* THREAD (3)(1)(2)\n3 OK threaded\n");
    TALK(c, "4 SEARCH HEADER Subject o", "* SEARCH 3 4\n4 OK searched\n");
    TALK(c, "5 SEARCH NOT FROM x.test", "* SEARCH 2\n5 OK searched\n");
    TALK(c, "6 SEARCH BODY x", "* SEARCH 1 3 4\n6 OK searched\n");
    TALK(c, "7 SEARCH UID 2", "* SEARCH 2\n7 OK searched\n");
    bye(&c);
    stop();
}

TEST(imapd_partial)
{
    start();
    struct conn *c = login();
    for (int i = 0; i < 5; i++) append(c, "INBOX", i == 3 ? "(\\Seen) " : "", a_letter);
    select_inbox(c);
    TALK(c, "1 UID SEARCH RETURN (PARTIAL 1:2) UNSEEN",
         "* ESEARCH (TAG \"1\") UID PARTIAL (1:2 1:2)\n1 OK searched\n");
    TALK(c, "2 UID SEARCH RETURN (PARTIAL -1:-2 COUNT) UNSEEN",
         "* ESEARCH (TAG \"2\") UID COUNT 4 PARTIAL (-1:-2 3,5)\n2 OK searched\n");
    TALK(c, "3 SEARCH RETURN (PARTIAL 4:9) UNSEEN", "* ESEARCH (TAG \"3\") PARTIAL (4:9 5)\n3 OK searched\n");
    TALK(c, "4 SEARCH RETURN (PARTIAL 5:9) UNSEEN",
         "* ESEARCH (TAG \"4\") PARTIAL (5:9 NIL)\n4 OK searched\n");
    TALK(c, "5 SEARCH RETURN (SAVE PARTIAL 2:3 MIN) ALL",
         "* ESEARCH (TAG \"5\") MIN 1 PARTIAL (2:3 2:3)\n5 OK searched\n");
    TALK(c, "6 UID SEARCH $", "* SEARCH 1 2 3\n6 OK searched\n");
    TALK(c, "7 SEARCH RETURN (PARTIAL 1:2 ALL) ALL", "7 BAD ~ PARTIAL and ALL exclude each other\n");
    TALK(c, "8 SEARCH RETURN (PARTIAL 0:2) ALL", "8 BAD ~\n");
    TALK(c, "9 UID FETCH 2:* FLAGS (PARTIAL -1:-2)",
         "* 4 FETCH (UID 4 FLAGS (\\Seen))\n* 5 FETCH (UID 5 FLAGS ())\n9 OK fetched\n");
    TALK(c, "10 UID FETCH 2:* FLAGS (PARTIAL 2:2)", "* 3 FETCH (UID 3 FLAGS ())\n10 OK fetched\n");
    TALK(c, "11 FETCH 2:* FLAGS (PARTIAL 1:2)", "11 BAD ~\n");
    TALK(c, "12 UID FETCH 2:* FLAGS (PARTIAL 7:8)", "12 OK fetched\n");
    bye(&c);
    stop();
}
