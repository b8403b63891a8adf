/* convert_fuzz.c - any bytes: what can be converted is fit afterwards, has the same parts, and each says the
 * same. */
#include "base/fuzz.h"
#include "base/text.h"
#include "convert.h"

static const struct mime_part *next_part(const struct mime_part *p)
{
    if (p->child) return p->child;
    while (p && !p->next) p = p->parent;
    return p ? p->next : NULL;
}

static void decoded(struct slice m, const struct mime_part *p, struct buf *out)
{
    struct mime_decoder d;
    buf_clear(out);
    mime_decode_begin(&d, p->encoding);
    mime_decode(&d, sl_sub(m, (size_t)p->body_at, (size_t)(p->body_at + p->body_size)), out);
    mime_decode_end(&d, out);
}

static bool was_identity(const struct mime_part *p)
{
    return p->encoding != MIME_QP && p->encoding != MIME_BASE64;
}

/* Leaf by leaf. The last text may have got the end of its last line. */
static void same_parts(struct arena *a, struct slice before, struct slice after)
{
    struct mime_tree *t = mime_parse(a, before), *u = mime_parse(a, after);
    const struct mime_part *p = t->root, *q = u->root;
    struct buf x = BUF_INIT, y = BUF_INIT;
    ASSERT(t->parts == u->parts);
    for (; p; p = next_part(p), q = next_part(q)) {
        ASSERT(p->kind == q->kind && sl_eq(p->subtype, q->subtype));
        if (p->child || !was_identity(p)) continue;
        decoded(before, p, &x);
        decoded(after, q, &y);
        ASSERT(sl_starts(buf_slice(&y), buf_slice(&x)) && y.n <= x.n + 2);
    }
    buf_free(&x);
    buf_free(&y);
}

static void fit(struct slice s, enum mail_convert_to to)
{
    struct slice line;
    ASSERT(to == MAIL_CONVERT_TO_8BIT || is_ascii(s));
    ASSERT((!s.n || sl_ends(s, SL("\r\n"))) && sl_chr(s, 0) == SL_NONE);
    while (sl_next(&s, '\n', &line)) ASSERT(!line.n || sl_chr(line, '\r') == line.n - 1);
}

FUZZ
{
    struct arena a;
    struct buf out = BUF_INIT;
    ar_init(&a, 0);
    if (!input.n) return;
    size_t step = (unsigned char)input.p[0] % 32 + 1;
    enum mail_convert_to to = input.p[0] & 64 ? MAIL_CONVERT_TO_8BIT : MAIL_CONVERT_TO_7BIT;
    struct slice m = sl_from(input, 1);
    struct mail_convert *c = mail_convert_begin(&a, to);
    for (size_t i = 0; i < m.n; i += step) mail_convert_look(c, sl_sub(m, i, i + step));
    for (size_t i = 0; i < m.n; i += step) mail_convert_weigh(c, sl_sub(m, i, i + step));
    if (mail_convert_decide(c) == 0) {
        mail_convert_start(c);
        for (size_t i = 0; i < m.n; i += step) mail_convert_next(c, sl_sub(m, i, i + step), &out);
        mail_convert_finish(c, &out);
        fit(buf_slice(&out), to);
        same_parts(&a, m, buf_slice(&out));
    }
    mail_convert_free(c);
    buf_free(&out);
    ar_free(&a);
}
