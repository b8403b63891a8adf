/* reply_fuzz.c - replies and rules from hostile bytes. */
#include "base/buf.h"
#include "base/fuzz.h"
#include "reply_i.h"

/* The same whatever stands in front of it as an address or URL; it ends in every case. */
static void classify(struct arena *a, struct slice text)
{
    static struct replies *r;
    struct reply_verdict v;
    if (!r) ASSERT(replies_open(&r) == 0);
    struct reply_in in = {.code = text.n && text.p[0] & 1 ? 550 : 450, .text = text};
    reply_class(r, a, &in, &v);
    ASSERT(v.class < REPLY_NCLASSES && v.rule);
    ASSERT(in.code == 550 || v.suppress == REPLY_KEEP);
    in.code = 0;
    reply_class(r, a, &in, &v);
    ASSERT(v.suppress == REPLY_KEEP && !v.pause);
}

static void rules(struct arena *a, struct slice text)
{
    struct replies *r;
    struct buf out = BUF_INIT;
    if (replies_read(&r, text) != 0) return;
    struct reply_verdict v;
    struct reply_in in = {.code = 550, .text = text};
    reply_class(r, a, &in, &v);
    if (r->n < 20) replies_check(r, sl_sub(text, 0, 500), &out);
    buf_free(&out);
    replies_close(&r);
}

FUZZ
{
    struct arena a = {0};
    struct slice rest = sl_sub(input, 0, 32 * 1024), line;
    rules(&a, rest);
    while (sl_next(&rest, '\n', &line)) {
        struct reply_line l;
        int bad;
        ar_reset(&a);
        bool is = reply_line_read(&a, line, &l, &bad);
        classify(&a, is ? l.in.text : line);
    }
    ar_free(&a);
}
