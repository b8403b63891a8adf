/* decoded.c - a part's body with its transfer encoding undone, streamed (RFC 3516). */
#include <stdlib.h>

#include "imapd_i.h"

/* Walks through the decoded bytes; stops when each() returns non-zero. */
static int walk(struct imapd_session *s, struct imapd_letter *l, const struct mime_part *p,
                int (*each)(void *arg, struct slice piece), void *arg)
{
    struct mime_decoder d;
    struct buf out = BUF_INIT;
    char *chunk = xmalloc(IMAPD_CHUNK);
    uint64_t at = p->body_at, end = p->body_at + p->body_size;
    int r = 0;
    mime_decode_begin(&d, p->encoding);
    while (at < end && !r) {
        int64_t got =
            imapd_letter_read(s, l, at, chunk, end - at < IMAPD_CHUNK ? (size_t)(end - at) : IMAPD_CHUNK);
        if (got <= 0) {
            r = got ? (int)got : err_set(ERR_CORRUPT, "the message is shorter than it should be");
            break;
        }
        at += (uint64_t)got;
        mime_decode(&d, sl(chunk, (size_t)got), &out);
        if (at == end) mime_decode_end(&d, &out);
        r = each(arg, buf_slice(&out));
        buf_clear(&out);
        fiber_breathe();
    }
    free(chunk);
    buf_free(&out);
    return r;
}

static int count(void *arg, struct slice piece)
{
    struct imapd_decoded *c = arg;
    c->size += piece.n;
    c->nul |= sl_chr(piece, 0) != SL_NONE;
    return 0;
}

int imapd_decoded_size(struct imapd_session *s, struct imapd_letter *l, const struct mime_part *p,
                       struct imapd_decoded *out)
{
    *out = (struct imapd_decoded){0};
    return walk(s, l, p, count, out);
}

struct window {
    struct imapd_session *s;
    uint64_t at, from, to;
};

static int write_window(void *arg, struct slice piece)
{
    struct window *w = arg;
    uint64_t start = w->at, end = w->at + piece.n;
    w->at = end;
    if (end <= w->from || start >= w->to) return start >= w->to;
    size_t a = w->from > start ? (size_t)(w->from - start) : 0;
    imapd_write(w->s, sl_sub(piece, a, w->to < end ? (size_t)(w->to - start) : piece.n));
    return conn_error(w->s->c) || w->at >= w->to;
}

int imapd_decoded_write(struct imapd_session *s, struct imapd_letter *l, const struct mime_part *p,
                        uint64_t from, uint64_t n)
{
    struct window w = {.s = s, .from = from, .to = from + n};
    if (!n) return 0;
    int r = walk(s, l, p, write_window, &w);
    return r < 0 ? r : 0;
}
