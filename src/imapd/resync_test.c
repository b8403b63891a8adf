/* resync_test.c - CONDSTORE and QRESYNC (RFC 7162). */
#include "base/text.h"
#include "dialog_test.h"

TEST(imapd_condstore)
{
    start();
    struct conn *c = login();
    for (int i = 0; i < 2; i++) append(c, "INBOX", "", a_letter);
    conn_puts(c, "0 SELECT INBOX (CONDSTORE)\r\n");
    read_until(c, SL("0 OK"));
    TALK(c, "1 UID STORE 1:2 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)",
         "1 OK [MODIFIED 1:2] some were changed meanwhile\n");
    TALK(c, "2 STORE 1 +FLAGS (\\Seen)", "* 1 FETCH (UID 1 FLAGS (\\Seen) MODSEQ (~))\n2 OK stored\n");
    TALK(c, "3 FETCH 1:* (FLAGS) (CHANGEDSINCE 999999)", "3 OK fetched\n");
    TALK(c, "4 SEARCH MODSEQ 1", "* SEARCH 1 2 (MODSEQ ~)\n4 OK searched\n");
    bye(&c);
    stop();
}

/* RFC 7162 section 3.1, RFC 4731 section 3.2 */
TEST(imapd_condstore_tells_the_modseq)
{
    start();
    struct conn *c = login();
    for (int i = 0; i < 3; i++) append(c, "INBOX", "", a_letter);
    select_inbox(c);
    TALK(c, "1 STORE 1 +FLAGS.SILENT (\\Flagged)", "1 OK stored\n");
    TALK(c, "2 ENABLE CONDSTORE",
         "* ENABLED CONDSTORE\n* OK [HIGHESTMODSEQ ~] the last change\n2 OK enabled\n");
    TALK(c, "3 FETCH 1:3 MODSEQ",
         "* 1 FETCH (MODSEQ (16))\n* 2 FETCH (MODSEQ (14))\n* 3 FETCH (MODSEQ (15))\n3 OK fetched\n");
    TALK(c, "4 SEARCH RETURN (MIN) MODSEQ 1", "* ESEARCH (TAG \"4\") MIN 1 MODSEQ 16\n4 OK ~\n");
    TALK(c, "5 SEARCH RETURN (MAX) MODSEQ 1", "* ESEARCH (TAG \"5\") MAX 3 MODSEQ 15\n5 OK ~\n");
    TALK(c, "6 SEARCH RETURN (MIN MAX) 2:3 MODSEQ 1",
         "* ESEARCH (TAG \"6\") MIN 2 MAX 3 MODSEQ 15\n6 OK ~\n");
    TALK(c, "7 SEARCH RETURN (MAX COUNT) MODSEQ 1",
         "* ESEARCH (TAG \"7\") MAX 3 COUNT 3 MODSEQ 16\n7 OK ~\n");
    bye(&c);
    stop();
}

/* The number behind a word in what was read last. */
static unsigned long long number_after(const char *word)
{
    uint64_t n = 0;
    size_t at = sl_find(buf_slice(&got), sl_cstr(word));
    CHECK(at != SL_NONE);
    struct slice rest = at == SL_NONE ? SL("") : sl_from(buf_slice(&got), at + strlen(word));
    CHECK(num_u64(sl_sub(rest, 0, sl_chr(rest, ']')), UINT64_MAX, &n));
    return n;
}

static void select_resync(struct conn *c, const char *parameters, const char *want)
{
    conn_printf(c, "s SELECT INBOX (QRESYNC (%s))\r\n", parameters);
    conn_flush(c);
    EXPECT(c, "* OK [CLOSED] ~\n* FLAGS ~\n* OK [PERMANENTFLAGS ~\n");
    EXPECT(c, "~ EXISTS\n~ RECENT\n* OK [UNSEEN ~\n* OK [UIDVALIDITY ~\n* OK [UIDNEXT ~\n");
    EXPECT(c, "* OK [HIGHESTMODSEQ ~\n* OK [MAILBOXID ~\n");
    EXPECT(c, want);
}

/* RFC 7162 section 3.2. */
TEST(imapd_qresync_tells_what_went)
{
    char about[100];
    start();
    struct conn *c = login();
    for (int i = 0; i < 6; i++) append(c, "INBOX", "", a_letter);
    select_inbox(c);
    unsigned long long validity = number_after("UIDVALIDITY "), before = number_after("HIGHESTMODSEQ ");
    TALK(c, "1 SELECT INBOX (QRESYNC (1 1))", "1 BAD ~\n");
    TALK(c, "2 ENABLE QRESYNC", "* ENABLED QRESYNC\n* OK [HIGHESTMODSEQ ~] the last change\n2 OK enabled\n");
    TALK(c, "3 STORE 2,4 +FLAGS.SILENT (\\Deleted)",
         "* 2 FETCH (UID 2 MODSEQ (~))\n* 4 FETCH (UID 4 MODSEQ (~))\n3 OK stored\n");
    TALK(c, "3a SELECT INBOX (QRESYNC (1 1 1:6 (1:2 1)))", "3a BAD ~\n"); /* section 7 */
    TALK(c, "3b SELECT INBOX (QRESYNC (1 1 (2,1 1,2)))", "3b BAD ~\n");
    TALK(c, "3c SELECT INBOX (QRESYNC (1 1 (1:* 1:*)))", "3c BAD ~\n");
    TALK(c, "4 EXPUNGE", "* VANISHED 2,4\n4 OK [HIGHESTMODSEQ ~] expunged\n");
    TALK(c, "5 STORE 3 +FLAGS (\\Seen)", "* 3 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (~))\n5 OK stored\n");
    TALK(c, "6 FETCH 1:3 FLAGS (CHANGEDSINCE 1 VANISHED)", "6 BAD ~\n");
    TALK(c, "7 UID FETCH 1:5 FLAGS (VANISHED)", "7 BAD ~\n");
    conn_printf(c, "8 UID FETCH 3:* (FLAGS) (CHANGEDSINCE %llu VANISHED)\r\n", before);
    conn_flush(c);
    EXPECT(c, "* VANISHED (EARLIER) 4\n* 3 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (~))\n8 OK fetched\n");
    snprintf(about, sizeof about, "%llu %llu", validity, before);
    select_resync(c, about,
                  "* VANISHED (EARLIER) 2,4\n* 3 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (~))\ns OK ~\n");
    snprintf(about, sizeof about, "%llu %llu 1:3,6", validity, before);
    select_resync(c, about, "* VANISHED (EARLIER) 2\ns OK ~\n");
    snprintf(about, sizeof about, "%llu %llu 1:6 (1:3 1,3,6)", validity, before); /* 1 and 3 are true */
    select_resync(c, about, "* VANISHED (EARLIER) 4\n* 3 FETCH (UID 5 ~\ns OK ~\n");
    snprintf(about, sizeof about, "%llu %llu", validity - 1, before);
    select_resync(c, about, "s OK ~\n");
    TALK(c, "9 SELECT INBOX (QRESYNC (1 1 1:*", "9 BAD ~\n");
    bye(&c);
    stop();
}

/* A change that lies behind one that may not be told yet: the client must not take it for the last. */
TEST(imapd_qresync_names_no_modseq_too_high)
{
    start();
    struct conn *c = login(), *plain = login();
    for (int i = 0; i < 3; i++) append(c, "INBOX", "", a_letter);
    TALK(c, "1 ENABLE QRESYNC", "* ENABLED QRESYNC\n1 OK ~\n");
    select_inbox(c);
    unsigned long long before = number_after("HIGHESTMODSEQ ");
    select_inbox(plain);
    TALK(plain, "1 STORE 1 +FLAGS.SILENT (\\Deleted)", "1 OK ~\n");
    TALK(plain, "2 EXPUNGE", "* 1 EXPUNGE\n2 OK expunged\n");
    TALK(plain, "3 STORE 2 +FLAGS.SILENT (\\Seen)", "3 OK ~\n");
    conn_puts(c, "2 FETCH 2 UID\r\n");
    conn_flush(c);
    read_until(c, SL("2 OK"));
    CHECK(number_after("HIGHESTMODSEQ ") == before);
    TALK(c, "3 NOOP", "* VANISHED 1\n3 OK ~\n");
    bye(&c);
    bye(&plain);
    stop();
}

/* The same where the answer has another code, or is NO (section 6 has such an example). */
TEST(imapd_qresync_names_the_modseq_beside_another_code)
{
    static const char *const commands[] = {
        "FETCH 1:3 FLAGS",
        "SEARCH ALL",
        "SORT (SIZE) UTF-8 ALL",
        "THREAD REFERENCES UTF-8 ALL",
        "STORE 1:2 +FLAGS (\\Flagged)",
        "STORE 2 (UNCHANGEDSINCE 1) +FLAGS (\\Flagged)",
        "SEARCH CHARSET x-none ALL",
    };
    start();
    struct conn *c = login(), *plain = login();
    for (int i = 0; i < 3; i++) append(c, "INBOX", "", a_letter);
    TALK(c, "1 ENABLE QRESYNC", "* ENABLED QRESYNC\n1 OK ~\n");
    select_inbox(c);
    unsigned long long before = number_after("HIGHESTMODSEQ ");
    select_inbox(plain);
    TALK(plain, "1 STORE 1 +FLAGS.SILENT (\\Deleted)", "1 OK ~\n");
    TALK(plain, "2 EXPUNGE", "* 1 EXPUNGE\n2 OK expunged\n");
    TALK(plain, "3 STORE 2 +FLAGS.SILENT (\\Seen)", "3 OK ~\n");
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        conn_printf(c, "t %s\r\n", commands[i]);
        conn_flush(c);
        read_until(c, SL("t "));
        CHECK(sl_find(buf_slice(&got), SL("VANISHED")) == SL_NONE);
        CHECK(number_after("OK [HIGHESTMODSEQ ") == before);
    }
    TALK(c, "3 NOOP", "* VANISHED 1\n3 OK ~\n");
    TALK(c, "4 FETCH 1 FLAGS", "* 1 FETCH (~)\n4 OK fetched\n");
    bye(&c);
    bye(&plain);
    stop();
}
