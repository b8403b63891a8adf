/* milter_fuzz.c - what a mad filter says. */
#include "base/fuzz.h"
#include "milter.h"

static void check_value(struct arena *a, struct slice value)
{
    struct slice v = milter_header_value(a, value, false);
    for (size_t i = 0; i < v.n; i++) {
        ASSERT(v.p[i] != 0);
        if (v.p[i] == '\n')
            ASSERT(i && v.p[i - 1] == '\r' && i + 1 < v.n && (v.p[i + 1] == ' ' || v.p[i + 1] == '\t'));
        if (v.p[i] == '\r') ASSERT(i + 1 < v.n && v.p[i + 1] == '\n');
    }
}

static void check_reply(struct arena *a, const struct milter_reply *r)
{
    if (r->kind == MILTER_SAYS_CODE)
        ASSERT(r->code >= 400 && r->code < 600 && r->enhanced[0] == '0' + r->code / 100);
    if (r->name.n) ASSERT(sl_chr(r->name, ':') == SL_NONE && sl_chr(r->name, '\n') == SL_NONE);
    check_value(a, r->value);
}

FUZZ
{
    struct arena a = {0};
    struct milter_reply r;
    struct buf b = BUF_INIT;
    size_t size;
    check_value(&a, input);
    milter_put_header(&b, SL("Name"), input, false);
    ASSERT(milter_packet(buf_slice(&b), &size) == 0 && size == b.n);
    while (milter_packet(input, &size) == 0 && size) {
        if (milter_reply_parse(&a, sl_sub(input, 0, size), &r) == 0) check_reply(&a, &r);
        input = sl_from(input, size);
    }
    buf_free(&b);
    ar_free(&a);
}
