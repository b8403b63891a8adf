/* decoded.c - a part's body with its transfer encoding undone, streamed (RFC 3516). */
#include <stdlib.h>

#include "mail/charset.h"
#include "reader.h"
#include "rt/rt.h"

static int walk(struct reader *rd, uint64_t at, uint64_t n, int (*each)(void *arg, struct slice piece),
                void *arg)
{
    char *chunk = xmalloc(READER_CHUNK);
    int r = 0;
    while (n && !r) {
        int64_t got = reader_read(rd, at, chunk, n < READER_CHUNK ? (size_t)n : READER_CHUNK);
        if (got <= 0) {
            r = got ? (int)got : err_set(ERR_CORRUPT, "the message is shorter than it should be");
            break;
        }
        at += (uint64_t)got;
        n -= (uint64_t)got;
        r = each(arg, sl(chunk, (size_t)got));
        fiber_breathe();
    }
    free(chunk);
    return r;
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
    int r = reader_decoded(rd, span.within, look_through, &w);
    if (r < 0 || w.result) return r < 0 ? r : w.result;
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
    int r = x->each(x->arg, buf_slice(&x->out));
    buf_clear(&x->out);
    return r;
}

int reader_decoded(struct reader *rd, const struct mime_part *p, int (*each)(void *arg, struct slice piece),
                   void *arg)
{
    struct decoding x = {.each = each, .arg = arg};
    mime_decode_begin(&x.decoder, p->encoding);
    int r = reader_span(rd, (struct reader_span){mime_within(p), p->body_at, p->body_size}, decode, &x);
    mime_decode_end(&x.decoder, &x.out);
    if (!r && x.out.n) r = each(arg, buf_slice(&x.out));
    buf_free(&x.out);
    return r;
}

struct converting {
    struct charset charset;
    struct buf utf8;
    int (*each)(void *arg, struct slice utf8);
    void *arg;
};

static int give(struct converting *c)
{
    int r = c->utf8.n ? c->each(c->arg, buf_slice(&c->utf8)) : 0;
    buf_clear(&c->utf8);
    return r;
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
    if (charset_begin(&c.charset, mime_param_get(&a, p->param, p->nparam, SL("charset"))) != 0) {
    } /* as UTF-8, then */
    ar_free(&a);
    int r = reader_decoded(rd, p, convert, &c);
    charset_end(&c.charset, &c.utf8);
    if (!r) r = give(&c);
    buf_free(&c.utf8);
    return r;
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
