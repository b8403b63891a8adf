/* hostile_test.c - bounded service for whoever sends what no client would. */
#include "base/memory.h"
#include "dialog_test.h"

/* Whatever byte stands in a name, there is an answer, and the session goes on. */
TEST(imapd_names_of_every_byte)
{
    size_t made = 0, listed = 0;
    struct slice rest, line;
    start();
    struct conn *c = login();
    for (int byte = 0; byte < 256; byte++) {
        char name[] = {'q', (char)byte, 'z'};
        conn_puts(c, "a CREATE {3+}\r\n");
        conn_write(c, sl(name, sizeof name));
        conn_puts(c, "\r\n");
        read_until(c, SL("a "));
        made += sl_starts(buf_slice(&got), SL("a OK"));
        TALK(c, "b NOOP", "b OK done\n");
    }
    conn_puts(c, "c LIST \"\" q*\r\n");
    read_until(c, SL("c OK"));
    for (rest = buf_slice(&got); sl_next(&rest, '\n', &line);)
        listed += sl_starts(line, SL("* LIST")) && sl_find(line, SL("\\NonExistent")) == SL_NONE;
    CHECK(made >= 85); /* printing ASCII but "*", "%", and what else is no name; "q/z" makes two */
    CHECK_INT(listed, made + 1);
    bye(&c);
    stop();
}

/* A literal of a gigabyte is neither kept nor read, keys nested 10,000 deep are no recursion; what leaves the
 * session a place to go on from lets it go on. */
TEST(imapd_bounds_who_is_logged_in)
{
    static const char *const deep[] = {"(", "NOT ", "OR ALL "};
    start();
    struct conn *c = login();
    select_inbox(c);
    TALK(c, "1 APPEND INBOX {1073741824}", "1 NO [TOOBIG] ~\n");
    TALK(c, "2 REPLACE 1 INBOX {1073741824}", "2 NO ~\n");
    TALK(c, "3 APPEND INBOX CATENATE (TEXT {1073741824}", "3 NO [TOOBIG] ~\n");
    TALK(c, "4 SEARCH SUBJECT {1073741824}", "4 BAD the literal is too large\n");
    TALK(c, "5 APPEND INBOX {18446744073709551616}", "5 BAD ~\n");
    for (size_t k = 0; k < COUNT_OF(deep); k++) {
        size_t n = strlen(deep[k]) * 10000 < 39000 ? 10000 : 39000 / strlen(deep[k]);
        conn_puts(c, "6 SEARCH ");
        for (size_t i = 0; i < n; i++) conn_puts(c, deep[k]);
        TALK(c, "ALL", "6 BAD byte ~: the search keys are nested too deep\n");
        TALK(c, "7 NOOP", "7 OK done\n");
    }
    TALK(c, "8 SEARCH EMAILID \"\"", "8 BAD ~\n");
    TALK(c, "9 SEARCH SUBJECT {1073741824+}", "9 BAD the literal is too large\n");
    EXPECT(c, "* BYE [TOOBIG] the literal is too large\n");
    conn_close(&c);
    c = login();
    TALK(c, "1 APPEND INBOX {1073741824+}", "1 NO [TOOBIG] ~\n");
    EXPECT(c, "* BYE [TOOBIG] ~\n");
    conn_close(&c);
    stop();
}

static struct slice without_cr(struct buf *b, struct slice text)
{
    buf_clear(b);
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '\r') buf_char(b, text.p[i]);
    return buf_slice(b);
}

static void append_large(struct conn *c, struct slice text)
{
    conn_printf(c, "p APPEND INBOX {%zu+}\r\n", text.n);
    conn_write(c, text);
    conn_puts(c, "\r\n");
    CHECK_OK(conn_flush(c));
    read_until(c, SL("p OK"));
}

static void described(const char *what, struct slice text, const char *structure)
{
    struct buf plain = BUF_INIT;
    start();
    struct conn *c = login();
    append_large(c, text);
    select_inbox(c);
    conn_puts(c, "1 FETCH 1 (BODYSTRUCTURE ENVELOPE PREVIEW)\r\n");
    struct slice line;
    int64_t before = deadline_narrow(DEADLINE_IN(20 * RT_S));
    CHECK_OK(conn_read_line(c, 32 << 20, &line));
    deadline_restore(before);
    if (sl_find(line, sl_cstr(structure)) == SL_NONE)
        test_fail(__FILE__, __LINE__, "%s: described as %.*s", what, SLF(sl_sub(line, 0, 300)));
    read_until(c, SL("1 OK"));
    conn_puts(c, "2 FETCH 1 BODY.PEEK[]\r\n");
    read_until(c, SL("2 OK"));
    if (sl_find(buf_slice(&got), without_cr(&plain, text)) == SL_NONE)
        test_fail(__FILE__, __LINE__, "%s: not served as it came", what);
    TALK(c, "3 SEARCH TEXT needle", "* SEARCH 1\n3 OK ~\n");
    buf_free(&plain);
    bye(&c);
    stop();
}

/* Stored and served byte by byte, and described as well as can be. */
TEST(imapd_serves_letters_of_any_form)
{
    struct buf b = BUF_INIT;
    buf_str(&b, "Content-Type: multipart/mixed; boundary=b\r\nSubject: needle\r\n\r\n");
    for (int i = 0; i < 10000; i++) buf_str(&b, "--b\r\n\r\nx\r\n");
    buf_str(&b, "--b--\r\n");
    described("10,000 parts", buf_slice(&b), "BODYSTRUCTURE (");
    buf_clear(&b);
    for (int i = 0; i < 9000; i++) buf_printf(&b, "X-%d: needle %090d\r\n", i, i);
    buf_str(&b, "Subject: found\r\n\r\nx\r\n");
    described("1 MB of header", buf_slice(&b), "BODYSTRUCTURE (");
    static const struct {
        const char *what, *text, *structure;
    } x[] = {
        {"a charset that is none", "Content-Type: text/plain; charset=x-none\r\n\r\nneedle \xff\xfe\r\n",
         "(\"text\" \"plain\""},
        {"broken base64", "Subject: needle\r\nContent-Transfer-Encoding: base64\r\n\r\n!!=not@base64\r\n",
         "(\"text\""},
        {"no boundary", "Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nneedle\r\n", "BODYSTRUCTURE ("},
        {"an empty boundary",
         "Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nneedle\r\n--\r\n", "BODYSTRUCTURE ("},
        {"a boundary within itself",
         "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: "
         "multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nneedle\r\n--a--\r\n",
         "BODYSTRUCTURE ("},
        {"no end of the header", "Subject: needle", "BODYSTRUCTURE ("},
        {"no header", "\r\nneedle\r\n", "BODYSTRUCTURE ("},
        {"lines that are no field", "what is this\r\n\x01\x02: \x7f\r\nSubject: needle\r\n\r\n",
         "BODYSTRUCTURE ("},
    };
    for (size_t i = 0; i < COUNT_OF(x); i++) described(x[i].what, sl_cstr(x[i].text), x[i].structure);
    buf_free(&b);
}

/* Answers of 360 MB that nobody takes are made as they are taken; others are served meanwhile. */
TEST(imapd_who_never_reads_costs_little)
{
    struct buf b = BUF_INIT;
    start();
    struct conn *c = login(), *other = login();
    buf_str(&b, "Subject: large\r\n\r\n");
    while (b.n < 900000) buf_str(&b, "a line of a large letter\r\n");
    for (int i = 0; i < 8; i++) append_large(other, buf_slice(&b));
    select_inbox(c);
    select_inbox(other);
    size_t before = memory_used();
    for (int i = 0; i < 50; i++) conn_puts(c, "1 FETCH 1:* BODY.PEEK[]\r\n");
    CHECK_OK(conn_flush(c));
    for (int i = 0; i < 100; i++)
        TALK(other, "2 FETCH 1 (UID RFC822.SIZE)", "* 1 FETCH (UID 1 RFC822.SIZE ~)\n2 OK ~\n");
    CHECK(memory_used() < before + (4 << 20));
    conn_close(&c);
    TALK(other, "3 NOOP", "3 OK done\n");
    buf_free(&b);
    bye(&other);
    stop();
}
