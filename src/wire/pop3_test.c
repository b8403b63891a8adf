/* pop3_test.c - POP3 commands and responses. */
#include "pop3.h"

#include "base/test.h"

TEST(pop3_commands)
{
    struct pop3_command c;
    CHECK_OK(pop3_command_parse(SL("USER alice@one.test "), &c));
    CHECK_INT(c.verb, POP3_USER);
    CHECK_SL(c.arg, "alice@one.test");
    CHECK_OK(pop3_command_parse(SL("pass  my secret "), &c));
    CHECK_SL(c.arg, " my secret ");
    CHECK_OK(pop3_command_parse(SL("LIST"), &c));
    CHECK(!c.has_number);
    CHECK_OK(pop3_command_parse(SL("LIST 3"), &c));
    CHECK(c.has_number && c.number == 3);
    CHECK_OK(pop3_command_parse(SL("TOP 1 0"), &c));
    CHECK(c.number == 1 && c.lines == 0);
    CHECK_OK(pop3_command_parse(SL("AUTH"), &c));
    CHECK_OK(pop3_command_parse(SL("AUTH PLAIN dGVzdA=="), &c));
    CHECK_SL(c.initial, "dGVzdA==");
    CHECK_OK(pop3_command_parse(SL("XYZ"), &c));
    CHECK_INT(c.verb, POP3_UNKNOWN);
    CHECK_OK(pop3_command_parse(SL(""), &c));
    static const char *const bad[] = {
        "USER",   "PASS",       "RETR",      "RETR x",  "RETR 0", "RETR -1",          "RETR 1 2",
        "TOP 1",  "TOP 1 x",    "TOP 1 2 3", "LIST x",  "UIDL 0", "DELE 99999999999", "STAT 1",
        "QUIT x", "AUTH a b c", "NOOP \x01", "AUTH P(", "CAPA x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (pop3_command_parse(sl_cstr(bad[i]), &c) != ERR_SYNTAX)
            test_fail(__FILE__, __LINE__, "\"%s\" is taken", bad[i]);
}

TEST(pop3_responses)
{
    struct buf b = BUF_INIT;
    pop3_ok(&b, "%d messages\r\nx", 3);
    pop3_err(&b, "IN-USE", "locked");
    pop3_err(&b, NULL, "no %s", "such");
    CHECK_SL(buf_slice(&b), "+OK 3 messages??x\r\n-ERR [IN-USE] locked\r\n-ERR no such\r\n");
    buf_free(&b);
}

/* Bytes of the answer to TOP when the letter comes in pieces. */
static size_t top(struct slice letter, uint32_t lines, size_t piece, bool *done)
{
    struct pop3_top t;
    size_t total = 0;
    pop3_top_begin(&t, lines);
    *done = false;
    for (size_t at = 0; at < letter.n && !*done; at += piece)
        total += pop3_top_feed(&t, sl_sub(letter, at, at + piece), done);
    return total;
}

TEST(pop3_top_counts_lines)
{
    struct slice letter = SL("A: 1\r\nB: 2\r\n\r\none\r\ntwo\r\nthree\r\n");
    bool done;
    for (size_t piece = 1; piece <= letter.n; piece++) {
        CHECK_INT(top(letter, 0, piece, &done), 14);
        CHECK(done);
        CHECK_INT(top(letter, 2, piece, &done), 24);
        CHECK(done);
        CHECK_INT(top(letter, 99, piece, &done), letter.n);
        CHECK(!done);
        CHECK_INT(top(SL("A: 1\n\none\ntwo\n"), 1, piece, &done), 10);
        CHECK_INT(top(SL("A: 1\r\n"), 1, piece, &done), 6);
        CHECK(!done);
        CHECK_INT(top(SL("\r\nbody"), 0, piece, &done), 2);
    }
    CHECK_INT(top(SL(""), 1, 1, &done), 0);
}
