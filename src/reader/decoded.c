/* decoded.c - a part's body with its transfer encoding undone, streamed (RFC 3516). */
#include <stdlib.h>

#include "mail/charset.h"
#include "reader.h"
#include "rt/rt.h"

int reader_decoded(struct reader *rd, const struct mime_part *p, int (*each)(void *arg, struct slice piece),
                   void *arg)
{
    struct mime_decoder d;
    struct buf out = BUF_INIT;
    char *chunk = xmalloc(READER_CHUNK);
    uint64_t at = p->body_at, end = p->body_at + p->body_size;
    int r = 0;
    mime_decode_begin(&d, p->encoding);
    while (at < end && !r) {
        int64_t got = reader_read(rd, at, chunk, end - at < READER_CHUNK ? (size_t)(end - at) : READER_CHUNK);
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
