/* decoded.c - a part's body with its transfer encoding undone, streamed (RFC 3516). */
#include <stdlib.h>

#include "base/log.h"
#include "mail/charset.h"
#include "reader.h"
#include "rt/rt.h"

static int walk(struct reader *rd, uint64_t at, uint64_t n, int (*each)(void *arg, struct slice piece),
                void *arg)
{
    char *chunk = xmalloc(READER_CHUNK);
    int e = 0;
    while (n && !e) {
        int64_t got = reader_read(rd, at, chunk, n < READER_CHUNK ? (size_t)n : READER_CHUNK);
        if (got <= 0) {
            e = got ? (int)got : err_set(ERR_CORRUPT, "the message is shorter than it should be");
            break;
        }
        at += (uint64_t)got;
        n -= (uint64_t)got;
        e = each(arg, sl(chunk, (size_t)got));
        fiber_breathe();
    }
    free(chunk);
    return e;
}

/* A window of what passes by. */
struct window {
    uint64_t at, from, to;
    int (*each)(void *arg, struct slice piece);
    void *arg;
    int result; /* of each() */
};

static int look_through(void *arg, struct slice piece)
{
    struct window *w = arg;
    uint64_t start = w->at, end = w->at += piece.n;
    if (end <= w->from) return 0;
    if (start < w->to)
        w->result = w->each(w->arg, sl_sub(piece, w->from > start ? (size_t)(w->from - start) : 0,
                                           w->to < end ? (size_t)(w->to - start) : piece.n));
    return w->result || w->at >= w->to;
}

int reader_span(struct reader *rd, struct reader_span span, int (*each)(void *arg, struct slice piece),
                void *arg)
{
    struct window w = {.from = span.at, .to = span.at + span.n, .each = each, .arg = arg};
    if (!span.n) return 0;
    if (!span.within) return walk(rd, span.at, span.n, each, arg);
    int e = reader_decoded(rd, span.within, look_through, &w);
    if (e < 0 || w.result) return e < 0 ? e : w.result;
    return w.at >= w.to ? 0 : err_set(ERR_CORRUPT, "the message is shorter than it should be");
}

struct decoding {
    struct mime_decoder decoder;
    struct buf out;
    int (*each)(void *arg, struct slice piece);
    void *arg;
};

static int decode(void *arg, struct slice encoded)
{
    struct decoding *x = arg;
    mime_decode(&x->decoder, encoded, &x->out);
    int e = x->each(x->arg, buf_slice(&x->out));
    buf_clear(&x->out);
    return e;
}

int reader_decoded(struct reader *rd, const struct mime_part *p, int (*each)(void *arg, struct slice piece),
                   void *arg)
{
    ASSERT(rd && p && each);
    struct decoding x = {.each = each, .arg = arg};
    mime_decode_begin(&x.decoder, p->encoding);
    int e = reader_span(rd, (struct reader_span){mime_within(p), p->body_at, p->body_size}, decode, &x);
    mime_decode_end(&x.decoder, &x.out);
    if (!e && x.out.n) e = each(arg, buf_slice(&x.out));
    buf_free(&x.out);
    return e;
}

struct converting {
    struct charset charset;
    struct buf utf8;
    int (*each)(void *arg, struct slice utf8);
    void *arg;
};

static int give(struct converting *c)
{
    int e = c->utf8.n ? c->each(c->arg, buf_slice(&c->utf8)) : 0;
    buf_clear(&c->utf8);
    return e;
}

static int convert(void *arg, struct slice piece)
{
    struct converting *c = arg;
    charset_feed(&c->charset, piece, &c->utf8);
    return give(c);
}

int reader_text(struct reader *rd, const struct mime_part *p, int (*each)(void *arg, struct slice utf8),
                void *arg)
{
    struct converting c = {.each = each, .arg = arg};
    struct arena a;
    ar_init(&a, 0);
    struct slice charset = mime_param_get(&a, p->param, p->nparam, SL("charset"));
    (void)!charset_begin(&c.charset, charset); /* one that nobody knows: as UTF-8 */
    ar_free(&a);
    int e = reader_decoded(rd, p, convert, &c);
    charset_end(&c.charset, &c.utf8);
    if (!e) e = give(&c);
    buf_free(&c.utf8);
    return e;
}

static int count(void *arg, struct slice piece)
{
    struct reader_decoded *c = arg;
    c->size += piece.n;
    c->nul |= sl_chr(piece, 0) != SL_NONE;
    return 0;
}

int reader_decoded_size(struct reader *rd, const struct mime_part *p, struct reader_decoded *out)
{
    *out = (struct reader_decoded){0};
    return reader_decoded(rd, p, count, out);
}
