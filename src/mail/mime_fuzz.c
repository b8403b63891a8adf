/* mime_fuzz.c - any bytes, in any pieces: ranges lie inside one another, output is balanced. */
#include "base/fuzz.h"
#include "charset.h"
#include "mime_imap.h"

static void check_part(const struct mime_part *p, uint64_t from, uint64_t to)
{
    ASSERT(p->depth <= MIME_DEPTH_MAX + (p->kind == MIME_LEAF));
    ASSERT(p->head_at >= from && p->head_at + p->head_size <= p->body_at && p->body_at + p->body_size <= to);
    for (const struct mime_part *c = p->child; c; c = c->next)
        check_part(c, p->body_at, p->body_at + p->body_size);
    if (!p->inside) return;
    ASSERT(p->kind == MIME_LEAF && !p->child && mime_within(p->inside) == p && !mime_within(p));
    check_part(p->inside, 0, p->body_size);
}

/* Brackets outside of strings close what they open. */
static void check_balance(struct slice s)
{
    size_t depth = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"') {
            for (i++; s.p[i] != '"'; i++) {
                if (s.p[i] == '\\') i++;
                ASSERT(i + 1 < s.n);
            }
        } else if (s.p[i] == '{') {
            size_t n = 0;
            for (i++; s.p[i] != '}'; i++) n = n * 10 + (size_t)(s.p[i] - '0');
            i += 2 + n;
            ASSERT(i < s.n);
        } else if (s.p[i] == '(') {
            depth++;
        } else if (s.p[i] == ')') {
            ASSERT(depth--);
        }
    }
    ASSERT(depth == 0);
}

FUZZ
{
    struct arena a;
    struct buf out = BUF_INIT;
    ar_init(&a, 0);
    if (!input.n) return;
    size_t step = (unsigned char)input.p[0] % 16 + 1;
    struct slice m = sl_from(input, 1);
    struct mime_parser *p = mime_begin(&a);
    for (size_t i = 0; i < m.n; i += step) mime_feed(p, sl_sub(m, i, i + step));
    struct mime_tree *t = mime_finish(p), *u = mime_parse(&a, m);
    ASSERT(t->size == m.n && t->parts == u->parts && t->limited == u->limited);
    check_part(t->root, 0, m.n);
    mime_imap_envelope(&out, t->root->envelope);
    mime_imap_structure(&out, t->root, true);
    check_balance(buf_slice(&out));
    buf_clear(&out);
    struct mime_decoder d;
    struct charset c;
    mime_decode_begin(&d, t->root->encoding);
    mime_decode(&d, m, &out);
    mime_decode_end(&d, &out);
    struct buf text = BUF_INIT, folded = BUF_INIT;
    (void)!charset_begin(&c, mime_param_get(&a, t->root->param, t->root->nparam, SL("charset")));
    charset_feed(&c, buf_slice(&out), &text);
    charset_end(&c, &text);
    fold_utf8(&folded, buf_slice(&text));
    buf_free(&folded);
    buf_free(&text);
    buf_free(&out);
    ar_free(&a);
}
