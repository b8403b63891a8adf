/* lines_test.c - whatever ends a line, and wherever the input is cut, CR LF comes out. */
#include "lines.h"

#include "base/buf.h"
#include "base/test.h"

static void feed(struct mail_lines *m, struct slice in, struct buf *out)
{
    for (struct slice run; mail_lines_next(m, &in, &run);) {
        CHECK(run.n > 0 && !m->cr);
        buf_put(out, run);
    }
}

TEST(line_ends_are_mended_wherever_the_input_is_cut)
{
    static const struct {
        const char *in, *out;
        bool mended;
        size_t longest;
    } rows[] = {
        {"", "", false, 0},
        {"a\r\nbc\r\n", "a\r\nbc\r\n", false, 2},
        {"a\nbc\n", "a\r\nbc\r\n", true, 2},
        {"a\rbc\r", "a\r\nbc\r\n", true, 2},
        {"a\r\r\nb", "a\r\nb\r\n", true, 1}, /* LF made CR LF twice */
        {"a\r\r\nb\r\r\n\r\r\nc\r\r\n", "a\r\nb\r\n\r\nc\r\n", true, 1},
        {"a\r\rb\r\r", "a\r\n\r\nb\r\n\r\n", true, 1},
        {"a\r\r\rb", "a\r\n\r\n\r\nb\r\n", true, 1},
        {"a\n\r\nb\n\rc", "a\r\n\r\nb\r\n\r\nc\r\n", true, 1},
        {"\r\n\r\n", "\r\n\r\n", false, 0},
        {"\n.\n", "\r\n.\r\n", true, 1},
        {"no end", "no end\r\n", false, 6},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice in = sl_cstr(rows[i].in);
        for (size_t cut = 0; cut <= in.n; cut++) {
            struct mail_lines m = {0};
            struct buf b = BUF_INIT;
            feed(&m, sl_sub(in, 0, cut), &b);
            feed(&m, sl_from(in, cut), &b);
            buf_put(&b, mail_lines_end(&m));
            CHECK_SL(buf_slice(&b), rows[i].out);
            CHECK_INT(m.mended, rows[i].mended);
            CHECK_INT(m.longest, rows[i].longest);
            CHECK_INT(mail_lines_end(&m).n, 0);
            buf_free(&b);
        }
    }
}
