/* search_test.c - SEARCH and THREAD. */
#include "dialog_test.h"

TEST(imapd_search)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "", a_letter);
    append(c, "INBOX", "(\\Seen) \"17-Jul-1996 02:44:25 -0700\" ", mixed);
    append(c, "INBOX", "(\\Flagged k1) ", "Subject: third\r\nX-Test: a\r\n\r\nnothing here\r\n");
    conn_puts(c, "0 SELECT INBOX\r\n");
    read_until(c, SL("0 OK"));
    TALK(c, "1 SEARCH ALL", "* SEARCH 1 2 3\n1 OK searched\n");
    TALK(c, "2 SEARCH UNSEEN NOT FLAGGED", "* SEARCH 1\n2 OK searched\n");
    TALK(c, "3 UID SEARCH OR SUBJECT THIRD SUBJECT parts", "* SEARCH 2 3\n3 OK searched\n");
    TALK(c, "4 SEARCH CHARSET UTF-8 SUBJECT {7+}\r\nGR\xc3\x9cSSE", "* SEARCH 1\n4 OK searched\n");
    TALK(c, "5 SEARCH BODY \"caf\xc3\xa9 au lait\"", "* SEARCH 2\n5 OK searched\n");
    TALK(c, "6 SEARCH TEXT bob@", "* SEARCH 1\n6 OK searched\n");
    TALK(c, "7 SEARCH BODY bob@", "* SEARCH\n7 OK searched\n");
    TALK(c, "8 SEARCH HEADER X-Test \"\"", "* SEARCH 3\n8 OK searched\n");
    TALK(c, "9 SEARCH ON 17-Jul-1996", "* SEARCH 2\n9 OK searched\n");
    TALK(c, "10 SEARCH SENTON 7-Feb-1994", "* SEARCH 1\n10 OK searched\n");
    TALK(c, "11 SEARCH LARGER 200", "* SEARCH 2\n11 OK searched\n");
    TALK(c, "12 SEARCH KEYWORD k1 UNKEYWORD k2", "* SEARCH 3\n12 OK searched\n");
    TALK(c, "13 SEARCH CHARSET x-none ALL", "13 NO [BADCHARSET (UTF-8 US-ASCII)] ~\n");
    TALK(c, "14 SEARCH RETURN (MIN MAX COUNT ALL) ALL",
         "* ESEARCH (TAG \"14\") MIN 1 MAX 3 COUNT 3 ALL 1:3\n14 OK searched\n");
    TALK(c, "15 UID SEARCH RETURN () FLAGGED SEEN", "* ESEARCH (TAG \"15\") UID\n15 OK searched\n");
    TALK(c, "16 SEARCH RETURN (SAVE) SEEN", "16 OK searched\n");
    TALK(c, "17 FETCH $ UID", "* 2 FETCH (UID 2)\n17 OK fetched\n");
    TALK(c, "18 SEARCH 2:* UID 1:2", "* SEARCH 2\n18 OK searched\n");
    TALK(c, "19 SEARCH YOUNGER 1000", "* SEARCH 1 3\n19 OK searched\n");
    TALK(c, "20 SEARCH NOT OLD", "* SEARCH 1 2 3\n20 OK searched\n");
    TALK(c, "21 SEARCH TEXT quoted-printable", "* SEARCH 2\n21 OK searched\n");
    TALK(c, "22 SEARCH FOO", "22 BAD ~\n");
    bye(&c);
    stop();
}

/* RFC 5255 section 4. */
TEST(imapd_comparator)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "",
           "From: b@x.test\r\nSubject: \xc3\x89t\xc3\xa9\r\n\r\nStra\xc3\x9f"
           "e\r\n");
    append(c, "INBOX", "", "From: B@x.test\r\nSubject: Zoo\r\n\r\nSTRASSE\r\n");
    append(c, "INBOX", "", "From: a@x.test\r\nSubject: apple\r\n\r\nstrasse\r\n");
    TALK(c, "1 COMPARATOR", "* COMPARATOR i;unicode-casemap\n1 OK ~\n");
    select_inbox(c);
    TALK(c, "2 SEARCH BODY strasse", "* SEARCH 1 2 3\n2 OK ~\n");
    TALK(c, "3 SEARCH SUBJECT {3+}\r\n\xc3\xa9t", "* SEARCH 1\n3 OK ~\n");
    TALK(c, "4 COMPARATOR \"cz;*\" i;ascii-casemap", "* COMPARATOR i;ascii-casemap\n4 OK ~\n");
    TALK(c, "5 SEARCH BODY strasse", "* SEARCH 2 3\n5 OK ~\n");
    TALK(c, "6 SEARCH SUBJECT {3+}\r\n\xc3\xa9t", "* SEARCH\n6 OK ~\n"); /* E-acute is another letter */
    TALK(c, "7 SORT (SUBJECT) UTF-8 ALL", "* SORT 3 2 1\n7 OK ~\n");
    TALK(c, "8 SEARCH FROM b@X HEADER Subject zOO", "* SEARCH 2\n8 OK ~\n");
    TALK(c, "9 COMPARATOR \"I;OCTET\"", "* COMPARATOR i;octet\n9 OK ~\n");
    TALK(c, "10 SEARCH BODY strasse", "* SEARCH 3\n10 OK ~\n");
    TALK(c, "11 SEARCH FROM B@x", "* SEARCH 2\n11 OK ~\n");
    TALK(c, "12 SEARCH HEADER Subject zoo", "* SEARCH\n12 OK ~\n");
    TALK(c, "13 SORT (FROM) UTF-8 ALL", "* SORT 2 3 1\n13 OK ~\n");
    TALK(c, "14 SEARCH RETURN (UPDATE) SUBJECT zoo", "* ESEARCH (TAG \"14\")\n14 OK ~\n");
    TALK(c, "15 COMPARATOR \"-i;*\"",
         "* COMPARATOR -i;unicode-casemap (i;unicode-casemap i;ascii-casemap i;octet)\n15 OK ~\n");
    TALK(c, "16 SORT (SUBJECT) UTF-8 ALL", "* SORT 2 1 3\n16 OK ~\n");
    TALK(c, "17 SORT (REVERSE SUBJECT) UTF-8 ALL", "* SORT 3 1 2\n17 OK ~\n");
    append(c, "INBOX", "", "Subject: ZOO\r\n\r\n"); /* no news for who asked with i;octet */
    TALK(c, "18 NOOP", "18 OK ~\n");
    TALK(c, "19 COMPARATOR \"*;nobody-*\" x", "19 NO [BADCOMPARATOR] ~\n");
    TALK(c, "20 COMPARATOR", "* COMPARATOR -i;unicode-casemap\n20 OK ~\n");
    TALK(c, "21 COMPARATOR \"a b\"", "21 BAD ~\n");
    TALK(c, "22 COMPARATOR \"**\"", "22 BAD ~\n");
    TALK(c, "23 COMPARATOR \"\"", "23 BAD ~\n");
    TALK(c, "24 COMPARATOR i;octet (", "24 BAD ~\n");
    TALK(c, "25 COMPARATOR +default", "* COMPARATOR i;unicode-casemap\n25 OK ~\n");
    TALK(c, "26 COMPARATOR \"*ascii*map\" \"i;*\"",
         "* COMPARATOR i;ascii-casemap (i;unicode-casemap i;ascii-casemap i;octet)\n26 OK ~\n");
    bye(&c);
    stop();
}

TEST(imapd_search_in_addresses)
{
    start();
    struct conn *c = login();
    append(c, "INBOX", "",
           "From: \"Doe, J\\\"oe\" <joe@x.test> (secret comment)\r\nTo: root, =?utf-8?q?J=C3=B6rg?= "
           "<j@y.test>\r\n\r\nx\r\n");
    append(c, "INBOX", "",
           "From: <MAILER-DAEMON>\r\nCc: friends: ;\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"
           "--b\r\nContent-Type: message/delivery-status\r\n\r\nStatus: 5.1.1\r\n--b\r\n"
           "Content-Type: text/plain; charset=windows-1255\r\nContent-Transfer-Encoding: "
           "quoted-printable\r\n\r\n=F9=EC\r\n--b--\r\n");
    select_inbox(c);
    TALK(c, "1 SEARCH FROM secret", "* SEARCH\n1 OK ~\n");
    TALK(c, "2 SEARCH HEADER FROM secret", "* SEARCH 1\n2 OK ~\n");
    TALK(c, "3 SEARCH FROM {17+}\r\nDoe, J\"oe <joe@x.", "* SEARCH 1\n3 OK ~\n");
    TALK(c, "4 SEARCH TO root TO {5+}\r\nJ\xc3\xb6rg", "* SEARCH 1\n4 OK ~\n");
    TALK(c, "5 SEARCH FROM mailer-daemon CC friends", "* SEARCH 2\n5 OK ~\n");
    TALK(c, "6 SEARCH BODY 5.1.1", "* SEARCH 2\n6 OK ~\n");
    TALK(c, "7 SEARCH CHARSET UTF-8 BODY {4+}\r\n\xd7\xa9\xd7\x9c", "* SEARCH 2\n7 OK ~\n");
    TALK(c, "8 SEARCH OLDER 0", "8 BAD ~\n");
    TALK(c, "9 ENABLE UTF8=ACCEPT", "* ENABLED UTF8=ACCEPT\n9 OK ~\n");
    TALK(c, "10 SEARCH CHARSET UTF-8 ALL", "10 BAD ~\n");
    bye(&c);
    stop();
}

static void search_for(struct conn *c, const char *what, struct slice id, const char *answer)
{
    char line[120];
    snprintf(line, sizeof line, "s SEARCH %s %.*s\r\n", what, SLF(id));
    conn_puts(c, line);
    conn_flush(c);
    EXPECT(c, answer);
}

static void do_it(struct conn *c, const char *commands, struct slice until)
{
    conn_puts(c, commands);
    conn_flush(c);
    read_until(c, until);
}

/* RFC 8474 section 6, in whatever mailboxes the message is. */
TEST(imapd_searches_for_an_emailid_where_the_message_went)
{
    char id[64];
    start();
    struct conn *c = login(), *b = login();
    append(c, "INBOX", "", "Subject: one\r\n\r\nx\r\n");
    append(c, "INBOX", "", "Subject: two\r\n\r\nx\r\n");
    select_inbox(c);
    conn_puts(c, "1 FETCH 2 EMAILID\r\n");
    conn_flush(c);
    read_until(c, SL("1 "));
    size_t at = sl_find(buf_slice(&got), SL("EMAILID (")) + 9;
    struct slice told = sl_from(buf_slice(&got), at);
    snprintf(id, sizeof id, "%.*s", SLF(sl_sub(told, 0, sl_chr(told, ')'))));
    search_for(c, "EMAILID", sl_cstr(id), "* SEARCH 2\ns OK ~\n");
    search_for(c, "NOT EMAILID", sl_cstr(id), "* SEARCH 1\ns OK ~\n");
    search_for(c, "OR SUBJECT one EMAILID", sl_cstr(id), "* SEARCH 1 2\ns OK ~\n");
    search_for(c, "SUBJECT one EMAILID", sl_cstr(id), "* SEARCH\ns OK ~\n");
    do_it(c, "2 COPY 2 INBOX\r\n3 NOOP\r\n", SL("3 OK"));
    search_for(c, "EMAILID", sl_cstr(id), "* SEARCH 2 3\ns OK ~\n");
    select_inbox(b);
    do_it(b, "4 MOVE 2 Archive\r\n", SL("4 OK"));
    search_for(b, "EMAILID", sl_cstr(id), "* SEARCH 2\ns OK ~\n");
    do_it(c, "5 SELECT Archive\r\n", SL("5 OK"));
    search_for(c, "EMAILID", sl_cstr(id), "* SEARCH 1\ns OK ~\n");
    search_for(c, "EMAILID", SL("M-nobody"), "* SEARCH\ns OK ~\n");
    bye(&c);
    bye(&b);
    stop();
}

/* RFC 8474 sections 5.2 and 6: one thread in two mailboxes, whoever is asked first. */
TEST(imapd_threads_relatives)
{
    char line[80];
    start();
    struct conn *c = login();
    append(c, "INBOX", "",
           "Message-ID: <b@x.test>\r\nReferences: <a@x.test>\r\nSubject: Re: plans\r\n\r\nx\r\n");
    append(c, "Archive", "", "Message-ID: <a@x.test>\r\nSubject: plans\r\n\r\nx\r\n");
    append(c, "Archive", "", "Message-ID: <c@x.test>\r\nSubject: others\r\n\r\nx\r\n");
    select_inbox(c);
    conn_puts(c, "1 FETCH 1 THREADID\r\n");
    conn_flush(c);
    read_until(c, SL("1 "));
    size_t at = sl_find(buf_slice(&got), SL("THREADID (T"));
    REQUIRE(at != SL_NONE);
    struct slice id = sl_from(buf_slice(&got), at + 10);
    snprintf(line, sizeof line, "3 SEARCH THREADID %.*s\r\n", SLF(sl_sub(id, 0, sl_chr(id, ')'))));
    TALK(c, "2 SELECT Archive", "~\n~\n~\n~\n~\n~\n~\n~\n~\n2 OK ~\n");
    conn_puts(c, line);
    conn_flush(c);
    EXPECT(c, "* SEARCH 1\n3 OK ~\n");
    TALK(c, "4 SEARCH THREADID Tffff", "* SEARCH\n4 OK ~\n");
    TALK(c, "5 SEARCH NOT THREADID M1", "* SEARCH 1 2\n5 OK ~\n");
    bye(&c);
    stop();
}

/* Many are found out in one transaction, whoever asks; and each is told the thread it would get alone. */
TEST(imapd_finds_out_many_threads_at_once)
{
    enum { N = 80 };
    struct kv_stats before, after;
    char text[200];
    start();
    struct conn *c = login();
    for (int i = 0; i < N; i++) {
        snprintf(text, sizeof text,
                 "Message-ID: <m%d@x.test>\r\nReferences: <m%d@x.test>\r\nSubject: Re: topic %d\r\n\r\nx\r\n",
                 i, i % 10 ? i - 1 : 1000 + i, i / 10);
        append(c, i < N / 2 ? "INBOX" : "Archive", "", text);
    }
    select_inbox(c);
    kv_stats(w.kv, &before);
    do_it(c, "1 FETCH 1:* THREADID\r\n", SL("1 OK"));
    kv_stats(w.kv, &after);
    CHECK(after.transactions - before.transactions < 10);
    size_t told = 0, same = 0;
    char last[40] = "";
    for (struct slice rest = buf_slice(&got); sl_find(rest, SL("THREADID (T")) != SL_NONE; told++) {
        rest = sl_from(rest, sl_find(rest, SL("THREADID (T")) + 10);
        struct slice id = sl_sub(rest, 0, sl_chr(rest, ')'));
        same += sl_eq(id, sl_cstr(last));
        snprintf(last, sizeof last, "%.*s", SLF(id));
    }
    CHECK_INT(told, N / 2);
    CHECK_INT(same, N / 2 - 4); /* four threads of ten */
    do_it(c, "2 SELECT Archive\r\n", SL("2 OK"));
    kv_stats(w.kv, &before);
    search_for(c, "THREADID", sl_cstr(last), "* SEARCH\ns OK ~\n");
    kv_stats(w.kv, &after);
    CHECK(after.transactions - before.transactions < 20);
    do_it(c, "3 FETCH 1 THREADID\r\n", SL("3 OK"));
    struct slice id = sl_from(buf_slice(&got), sl_find(buf_slice(&got), SL("THREADID (T")) + 10);
    snprintf(last, sizeof last, "%.*s", SLF(sl_sub(id, 0, sl_chr(id, ')'))));
    search_for(c, "THREADID", sl_cstr(last), "* SEARCH 1 2 3 4 5 6 7 8 9 10\ns OK ~\n");
    bye(&c);
    stop();
}
