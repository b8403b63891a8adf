/* letter_source.c - a stored letter as a source of what leaves (letter_source.h). */
#include "letter_source.h"

#include "base/log.h"
#include "letter.h"

int64_t letter_source_read(const struct letter_source *src, uint64_t at, void *p, size_t n)
{
    ASSERT(at <= src->size && n);
    uint64_t left = src->size - at;
    if (!left) return 0;
    int64_t got = src->read(src->ctx, at, p, left < n ? (size_t)left : n);
    ASSERT(got <= (int64_t)n);
    return got ? got : err_set(ERR_CORRUPT, "the letter ends before its end");
}

struct stored {
    struct body_store *b;
    const struct letter *l;
};

static int64_t stored_read(void *ctx, uint64_t at, void *p, size_t n)
{
    const struct stored *s = ctx;
    return body_read(s->b, &s->l->body, s->l->skip + at, p, n);
}

struct letter_source letter_source_stored(struct arena *a, struct body_store *b, const struct letter *l)
{
    struct stored *s = ar_array(a, struct stored, 1);
    uint64_t all = body_ref_size(&l->body);
    *s = (struct stored){b, l};
    return (struct letter_source){.size = all > l->skip ? all - l->skip : 0,
                                  .head = l->head_size > l->skip ? l->head_size - l->skip : 0,
                                  .eight_bit = l->eight_bit,
                                  .smtputf8 = l->smtputf8,
                                  .binary = l->binary,
                                  .read = stored_read,
                                  .ctx = s};
}
