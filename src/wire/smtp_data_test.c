/* smtp_data_test.c - dots, line ends and their abuse, cut at every place. */
#include "base/test.h"
#include "smtp.h"

/* Feeds `in` in pieces of at most `piece` bytes; the clean bytes go to out. True when the end
 * was seen; *left: what followed it. */
static bool receive(struct smtp_data *d, const char *in, size_t n, size_t piece, struct buf *out,
                    size_t *left)
{
    smtp_data_begin(d);
    buf_clear(out);
    for (size_t at = 0; at < n; at += piece) {
        struct slice s = sl(in + at, n - at < piece ? n - at : piece), run;
        int what;
        do {
            what = smtp_data_feed(d, &s, &run);
            buf_put(out, run);
        } while (what == SMTP_DATA_RUN);
        if (what == SMTP_DATA_END) {
            *left = n - (size_t)(s.p - in);
            return true;
        }
        if (s.n) test_fail(__FILE__, __LINE__, "MORE left %zu bytes", s.n);
    }
    *left = 0;
    return false;
}

struct data_case {
    const char *in, *out;
    bool end;
    size_t left;
    enum smtp_fault fault;
};

static const struct data_case cases[] = {
    {"Hello\r\n.\r\n", "Hello\r\n", true, 0, SMTP_FAULT_NONE},
    {".\r\nQUIT\r\n", "", true, 6, SMTP_FAULT_NONE},
    {"..\r\n...a\r\n.b\r\n.\r\n", ".\r\n..a\r\nb\r\n", true, 0, SMTP_FAULT_NONE},
    {"a.\r\n.\r\n", "a.\r\n", true, 0, SMTP_FAULT_NONE},
    {"\r\n\r\n.\r\n", "\r\n\r\n", true, 0, SMTP_FAULT_NONE},
    {"a\r\n.\r", "a\r\n", false, 0, SMTP_FAULT_NONE},
    /* Smuggling: none of these is an end (RFC 5321 section 4.1.1.4). */
    {"a\n.\nb\r\n.\r\n", "a\n.\nb\r\n", true, 0, SMTP_FAULT_BARE_LF},
    {"a\r\n.\nb\r\n.\r\n", "a\r\n\nb\r\n", true, 0, SMTP_FAULT_BARE_LF},
    {"a\n.\r\nb\r\n.\r\n", "a\n.\r\nb\r\n", true, 0, SMTP_FAULT_BARE_LF},
    {"a\r.\r\nb\r\n.\r\n", "a\r.\r\nb\r\n", true, 0, SMTP_FAULT_BARE_CR},
    {"a\r\n.\rb\r\n.\r\n", "a\r\n\rb\r\n", true, 0, SMTP_FAULT_BARE_CR},
    {"a\r\r\n.\r\n", "a\r\r\n", true, 0, SMTP_FAULT_BARE_CR},
    {"\r\r\n.\r\n", "\r\r\n", true, 0, SMTP_FAULT_BARE_CR},
    {"\n.\r\n.\r\n", "\n.\r\n", true, 0, SMTP_FAULT_BARE_LF},
    {"a\r\n.\r\r\n.\r\n", "a\r\n\r\r\n", true, 0, SMTP_FAULT_BARE_CR},
    {".\r.\r\n.\r\n", "\r.\r\n", true, 0, SMTP_FAULT_BARE_CR},
    {"a\rb\nc\r\n.\r\n", "a\rb\nc\r\n", true, 0, SMTP_FAULT_BARE_CR},
};

TEST(data_received_in_pieces_of_every_size)
{
    struct buf out = BUF_INIT;
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        size_t n = strlen(cases[c].in);
        for (size_t piece = 1; piece <= n; piece++) {
            struct smtp_data d;
            size_t left;
            bool end = receive(&d, cases[c].in, n, piece, &out, &left);
            bool ok = end == cases[c].end && left == cases[c].left && d.fault == cases[c].fault &&
                      sl_eq(buf_slice(&out), sl_cstr(cases[c].out)) && d.size == out.n;
            if (!ok)
                test_fail(__FILE__, __LINE__, "case %zu in pieces of %zu: \"%.*s\"", c, piece, (int)out.n,
                          out.p);
        }
    }
    buf_free(&out);
}

TEST(data_counts_lines)
{
    struct smtp_data d;
    struct buf out = BUF_INIT;
    size_t left;
    const char *in = "12345\r\n..34\r\n\r\n1\r\n.\r\n";
    for (size_t piece = 1; piece < 20; piece++) {
        CHECK(receive(&d, in, strlen(in), piece, &out, &left));
        CHECK_INT(d.longest, 5);
        CHECK_INT(d.lines, 4);
    }
    buf_free(&out);
}

TEST(data_runs_are_cut_from_the_input)
{
    struct smtp_data d;
    smtp_data_begin(&d);
    const char *in = "line one\r\nline two\r\nline three";
    struct slice s = sl_cstr(in), run;
    CHECK_INT(smtp_data_feed(&d, &s, &run), SMTP_DATA_MORE);
    CHECK(run.p == in && run.n == strlen(in)); /* one run over many lines, nothing copied */
    s = SL("");
    CHECK_INT(smtp_data_feed(&d, &s, &run), SMTP_DATA_MORE);
    CHECK_INT(run.n, 0);
}

TEST(bdat_bytes_are_watched_too)
{
    struct smtp_data d;
    smtp_data_begin(&d);
    smtp_data_scan(&d, SL(".\r\n.\r"));
    smtp_data_scan(&d, SL("\n12345\r\n"));
    CHECK_INT(d.fault, SMTP_FAULT_NONE);
    CHECK_INT(d.longest, 5);
    CHECK_INT(d.size, 13);
    CHECK(smtp_data_whole(&d));
    smtp_data_scan(&d, SL("a\nb"));
    CHECK_INT(d.fault, SMTP_FAULT_BARE_LF);
    CHECK(!smtp_data_whole(&d));
    smtp_data_begin(&d);
    smtp_data_scan(&d, SL("a\r\n\r"));
    CHECK(!smtp_data_whole(&d));
}

static void send_all(const char *in, size_t n, size_t piece, struct buf *out)
{
    struct smtp_stuff st;
    smtp_stuff_begin(&st);
    buf_clear(out);
    for (size_t at = 0; at < n; at += piece) {
        struct slice s = sl(in + at, n - at < piece ? n - at : piece), run;
        while (smtp_stuff_next(&st, &s, &run)) buf_put(out, run);
        if (s.n) test_fail(__FILE__, __LINE__, "input is left over");
    }
    buf_put(out, smtp_stuff_end(&st));
}

TEST(data_sent)
{
    static const struct {
        const char *in, *out;
    } sent[] = {
        {"Hello\r\n", "Hello\r\n.\r\n"},
        {"", ".\r\n"},
        {".\r\n..a\r\n", "..\r\n...a\r\n.\r\n"},
        {"no end", "no end\r\n.\r\n"},
        {"a\nb\r\n", "a\r\nb\r\n.\r\n"},
        {"a\rb\r\n", "a\r\nb\r\n.\r\n"},
        {"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\r", "a\r\n.\r\n"},
        {"a\r\r\n.b\n\n", "a\r\n\r\n..b\r\n\r\n.\r\n"},
        {"\r.\r\n", "\r\n..\r\n.\r\n"},
    };
    struct buf out = BUF_INIT;
    for (size_t c = 0; c < COUNT_OF(sent); c++)
        for (size_t piece = 1; piece <= 12; piece++) {
            send_all(sent[c].in, strlen(sent[c].in), piece, &out);
            CHECK_SL(buf_slice(&out), sent[c].out);
        }
    buf_free(&out);
}

/* Whatever is sent comes back the same, when it was clean. */
TEST(data_sent_and_received)
{
    struct buf letter = BUF_INIT, wire = BUF_INIT, back = BUF_INIT;
    uint32_t x = 1;
    for (int i = 0; i < 500; i++) {
        x = x * 1664525 + 1013904223;
        for (uint32_t k = 0; k < (x >> 24) % 90; k++) buf_char(&letter, (x >> (k % 7)) & 1 ? '.' : 'a');
        buf_str(&letter, "\r\n");
    }
    for (size_t piece = 1; piece < 200; piece += 37) {
        struct smtp_data d;
        size_t left;
        send_all(letter.p, letter.n, piece, &wire);
        CHECK(receive(&d, wire.p, wire.n, piece + 3, &back, &left));
        CHECK(sl_eq(buf_slice(&back), buf_slice(&letter)));
        CHECK_INT(d.fault, SMTP_FAULT_NONE);
    }
    buf_free(&letter);
    buf_free(&wire);
    buf_free(&back);
}

/* The count is what smtp_stuff adds, but for doubled dots. */
TEST(smtp_lines_count_what_sending_adds)
{
    static const char *const texts[] = {"",         "a",        "a\r\n", "a\nb\n", "a\rb\r",
                                        "\n\r\n\r", "\r\r\n\n", "\n",    "\r",     "a\r\nb"};
    for (size_t t = 0; t < COUNT_OF(texts); t++)
        for (size_t step = 1; step < 5; step++) {
            struct smtp_lines l = {0};
            struct smtp_stuff s;
            struct slice in = sl_cstr(texts[t]), rest = in, run;
            size_t sent = 0;
            for (size_t i = 0; i < in.n; i += step) smtp_lines_feed(&l, sl_sub(in, i, i + step));
            smtp_stuff_begin(&s);
            while (smtp_stuff_next(&s, &rest, &run)) sent += run.n;
            sent += smtp_stuff_end(&s).n - 3;
            CHECK_INT(in.n + smtp_lines_end(&l), sent);
        }
}
