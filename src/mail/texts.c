/* texts.c - the text parts of a message, decoded. */
#include "texts.h"

#include "base/text.h"

#include "charset.h"
#include "mime.h"

static void add_text(struct arena *a, const struct mime_part *p, struct slice message, struct buf *out)
{
    struct mime_decoder d;
    struct buf raw = BUF_INIT;
    struct slice body = sl_sub(message, (size_t)p->body_at, (size_t)(p->body_at + p->body_size));
    mime_decode_begin(&d, p->encoding);
    mime_decode(&d, body, &raw);
    mime_decode_end(&d, &raw);
    struct slice charset = mime_param_get(a, p->param, p->nparam, SL("charset"));
    struct slice text = charset_to_utf8(a, charset, buf_slice(&raw));
    size_t room = out->cap - out->n;
    buf_put(out, utf8_cut(text, room ? room - 1 : 0));
    buf_char(out, '\n');
    buf_free(&raw);
}

/* The parts in the order in which they stand. */
static const struct mime_part *next_part(const struct mime_part *p)
{
    if (p->child) return p->child;
    while (p && !p->next) p = p->parent;
    return p ? p->next : NULL;
}

struct slice mail_texts(struct arena *a, struct slice message, size_t max)
{
    struct arena scratch = {0};
    struct buf text;
    buf_init(&text, max);
    const struct mime_tree *t = mime_parse(&scratch, message);
    for (const struct mime_part *p = t->root; p && text.n + 1 < max; p = next_part(p))
        if (p->kind == MIME_LEAF && sl_eqi(p->type, SL("text"))) add_text(&scratch, p, message, &text);
    struct slice out = ar_dup(a, buf_slice(&text));
    buf_free(&text);
    ar_free(&scratch);
    return out;
}
