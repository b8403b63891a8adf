/* smtp_fuzz.c - SMTP commands, replies and mail data from hostile bytes. */
#include "smtp.h"

#include "base/fuzz.h"

static void commands(struct arena *a, struct slice line)
{
    struct smtp_command c;
    struct smtp_mail_opts m;
    struct smtp_rcpt_opts r;
    if (smtp_command_parse(a, line, &c)) return;
    if (c.verb == SMTP_MAIL) (void)!smtp_mail_opts(a, &c, &m);
    if (c.verb == SMTP_RCPT) (void)!smtp_rcpt_opts(a, &c, &r);
    if (c.path.address.n) { /* what was parsed must parse again, to the same */
        struct smtp_path again;
        struct slice s = ar_printf(a, "<%.*s>", SLF(c.path.address));
        ASSERT(smtp_path_parse(a, s, false, &again) == 0);
        ASSERT(sl_eq(again.local, c.path.local) && sl_eq(again.domain, c.path.domain));
    }
}

static void replies(struct arena *a, struct slice text)
{
    struct smtp_reply r;
    struct smtp_ehlo e;
    struct slice line;
    smtp_reply_begin(&r, a);
    while (sl_next(&text, '\n', &line)) {
        int got = smtp_reply_line(&r, line);
        if (got < 0) return;
        if (got == 0) continue;
        smtp_ehlo_parse(&r, &e);
        smtp_reply_begin(&r, a);
    }
}

/* In one piece and byte by byte the result must be the same; sent again it must come back. */
static void data(struct slice in)
{
    struct smtp_data whole, bytes, back;
    struct buf x = BUF_INIT, y = BUF_INIT, w = BUF_INIT, z = BUF_INIT;
    struct slice rest = in, run;
    int end1, end2 = SMTP_DATA_MORE;
    smtp_data_begin(&whole);
    do {
        end1 = smtp_data_feed(&whole, &rest, &run);
        buf_put(&x, run);
    } while (end1 == SMTP_DATA_RUN);
    smtp_data_begin(&bytes);
    for (size_t i = 0; i < in.n && end2 != SMTP_DATA_END; i++) {
        struct slice one = sl(in.p + i, 1);
        do {
            end2 = smtp_data_feed(&bytes, &one, &run);
            buf_put(&y, run);
        } while (end2 == SMTP_DATA_RUN);
    }
    ASSERT(end1 == end2 && sl_eq(buf_slice(&x), buf_slice(&y)) && whole.fault == bytes.fault);
    ASSERT(whole.longest == bytes.longest && whole.lines == bytes.lines && whole.size == x.n);
    struct smtp_stuff st;
    smtp_stuff_begin(&st);
    rest = buf_slice(&x);
    while (smtp_stuff_next(&st, &rest, &run)) buf_put(&w, run);
    buf_put(&w, smtp_stuff_end(&st));
    smtp_data_begin(&back);
    rest = buf_slice(&w);
    do {
        end1 = smtp_data_feed(&back, &rest, &run);
        buf_put(&z, run);
    } while (end1 == SMTP_DATA_RUN);
    ASSERT(end1 == SMTP_DATA_END && rest.n == 0 && back.fault == SMTP_FAULT_NONE);
    if (!whole.fault && (x.n == 0 || sl_ends(buf_slice(&x), SL("\r\n"))))
        ASSERT(sl_eq(buf_slice(&x), buf_slice(&z)));
    buf_free(&x), buf_free(&y), buf_free(&w), buf_free(&z);
}

FUZZ
{
    struct arena a;
    ar_init(&a, 0);
    commands(&a, input);
    replies(&a, input);
    data(input);
    ar_free(&a);
}
