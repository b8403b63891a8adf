/* narrow_test.c - a search says the same with the index of texts as without. */
#include <string.h>

#include "dialog_test.h"
#include "imapd_i.h"
#include "store/grams.h"

enum { LETTERS = 1100, AT_ONCE = 100 };

static void put_letter(struct buf *b, int i)
{
    static const char *const tail[] = {
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nFrom: \"Bo \\\"B\\\" Berg\" <bo@b.test> "
        "(remark)\r\n\r\nplain %d\r\n",
        "Subject: one\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: "
        "quoted-printable\r\n\r\nstra=DFe %d\r\n",
        "Subject: two\r\nContent-Type: multipart/mixed; "
        "boundary=x\r\n\r\n--x\r\n\r\n\xe6\xbc\xa2\xe5\xad\x97 "
        "%d\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nin\r\n--x--\r\n",
        "Subject: three\r\n\tfolded\r\n\r\nnothing %d\r\n"};
    buf_printf(b, tail[i % COUNT_OF(tail)], i);
}

static void append_some(struct conn *c, int from, int to)
{
    for (int i = from; i < to; i += AT_ONCE) {
        struct buf b = BUF_INIT;
        conn_puts(c, "a APPEND INBOX");
        for (int k = i; k < i + AT_ONCE; k++) {
            buf_clear(&b);
            put_letter(&b, k);
            conn_printf(c, " {%zu+}\r\n", b.n);
            conn_write(c, buf_slice(&b));
        }
        conn_puts(c, "\r\n");
        EXPECT(c, "a OK ~\n");
        buf_free(&b);
    }
}

static const char *const searches[] = {"SUBJECT \"gr\xc3\xbc\xc3\x9f\"",
                                       "SUBJECT \"GR\xc3\x9cSSE\"",
                                       "FROM \"Bo \\\"B\\\" Berg <bo\"",
                                       "FROM remark",
                                       "BODY strasse",
                                       "TEXT \"STRASSE 1\"",
                                       "BODY \"\xe6\xbc\xa2\xe5\xad\x97\"",
                                       "TEXT \"\xe5\xad\x97\"",
                                       "BODY inner",
                                       "TEXT inner",
                                       "HEADER Subject inner",
                                       "SUBJECT \"three folded\"",
                                       "NOT TEXT plain",
                                       "OR SUBJECT one BODY \"nothing 7\"",
                                       "BODY \"plain 1\" NOT BODY \"plain 10\"",
                                       "FUZZY TEXT \"plain nonsense\"",
                                       "BODY \"\"",
                                       "TEXT zz",
                                       "TEXT \"subject: t\""};

/* All answers, one behind another. */
static void ask_all(struct conn *c, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < COUNT_OF(searches); i++) {
        conn_printf(c, "s SEARCH RETURN (ALL COUNT) CHARSET UTF-8 %s\r\n", searches[i]);
        read_until(c, SL("s "));
        if (!sl_starts(buf_slice(&got), SL("* ESEARCH "))) test_fail(__FILE__, __LINE__, "%s", searches[i]);
        buf_put(out, buf_slice(&got));
    }
}

/* Which messages of the first part the index leaves for the text. */
static unsigned count_left(struct mailbox_ref box, enum grams_kind kind, struct slice text)
{
    uint8_t bits[GRAMS_BITS];
    unsigned n = 0;
    memset(bits, 0xff, sizeof bits);
    CHECK_OK(grams_narrow(w.store, box, 0, kind, text, bits));
    for (size_t i = 0; i < sizeof bits; i++) n += (unsigned)__builtin_popcount(bits[i]);
    return n;
}

TEST(imapd_search_says_the_same_with_and_without_its_index)
{
    struct arena a;
    struct account alice;
    struct buf before = BUF_INIT, after = BUF_INIT;
    struct grams_state state;
    ar_init(&a, 0);
    start();
    struct conn *c = login();
    CHECK_OK(account_get(w.store->directory, &a, SL("alice@x.test"), &alice));
    struct mailbox_ref box = {.account = alice.id, .box = 1};
    append_some(c, 0, LETTERS);
    TALK(c, "1 SELECT INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n1 OK ~\n");
    ask_all(c, &before); /* and has it made */
    int64_t until = rt_now() + 60 * RT_S;
    while (grams_there(w.store, box, 0, &state) && rt_now() < until) CHECK_OK(fiber_sleep(RT_S / 50));
    CHECK_OK(grams_there(w.store, box, 0, &state));
    CHECK(state.unsure[0] == 1); /* there is no UID 0 */
    CHECK_INT(count_left(box, GRAMS_FIELDS, SL("inner")), 0);
    CHECK_INT(count_left(box, GRAMS_TEXTS, SL("nothing 1003")), 1);
    ask_all(c, &after);
    CHECK_SL(buf_slice(&after), ar_cstr(&a, buf_slice(&before)));
    TALK(c, "2 STORE 4,8 +FLAGS.SILENT (\\Deleted)", "2 OK ~\n");
    TALK(c, "3 EXPUNGE", "* 4 EXPUNGE\n* 7 EXPUNGE\n3 OK ~\n");
    TALK(c, "4 UID SEARCH BODY \"nothing 1\"", "* SEARCH 12 16 20 ~\n4 OK ~\n");
    bye(&c);
    stop();
    buf_free(&before);
    buf_free(&after);
    ar_free(&a);
}

/* Until so many places of the first part are told by the index. */
static void await_known(struct mailbox_ref box, unsigned n)
{
    struct grams_state state = {.known = 0};
    int64_t until = rt_now() + 60 * RT_S;
    while ((grams_there(w.store, box, 0, &state) || state.known < n) && rt_now() < until)
        CHECK_OK(fiber_sleep(RT_S / 50));
    CHECK_INT(state.known, n);
}

/* Of a mailbox that has few messages the index is made as well, and what came since is never left out. */
TEST(imapd_search_of_a_small_mailbox_says_the_same_while_it_grows)
{
    enum { FIRST = 100, MORE = 300 };
    struct arena a;
    struct account alice;
    struct buf before = BUF_INIT, after = BUF_INIT;
    ar_init(&a, 0);
    start();
    struct conn *c = login();
    CHECK_OK(account_get(w.store->directory, &a, SL("alice@x.test"), &alice));
    struct mailbox_ref box = {.account = alice.id, .box = 1};
    struct conn *other = login();
    append_some(c, 0, FIRST);
    TALK(c, "1 SELECT INBOX", "~\n~\n~\n~\n~\n~\n~\n~\n~\n1 OK ~\n");
    ask_all(c, &before);
    await_known(box, FIRST + 1);
    CHECK_INT(count_left(box, GRAMS_TEXTS, SL("nothing 99")), 1);
    ask_all(c, &after);
    CHECK_SL(buf_slice(&after), ar_cstr(&a, buf_slice(&before)));
    append_some(other, FIRST, MORE);
    conn_puts(c, "2 NOOP\r\n");
    read_until(c, SL("2 "));
    TALK(c, "3 SEARCH BODY \"nothing 1\"", "* SEARCH 12 16 20 104 108 ~\n3 OK ~\n");
    TALK(c, "4 SEARCH BODY \"nothing 299\"", "* SEARCH 300\n4 OK ~\n");
    ask_all(c, &before);
    await_known(box, MORE + 1);
    ask_all(c, &after);
    CHECK_SL(buf_slice(&after), ar_cstr(&a, buf_slice(&before)));
    TALK(c, "5 SEARCH BODY \"nothing 299\"", "* SEARCH 300\n5 OK ~\n");
    bye(&other);
    bye(&c);
    stop();
    buf_free(&before);
    buf_free(&after);
    ar_free(&a);
}
