/* body.c - what body.h promises, by whichever engine the store has. */
#include "base/log.h"
#include "engine.h"

int body_begin(struct body_store *b, enum body_class cls, struct body_writer **out)
{
    ASSERT(b && cls >= 0 && cls < BODY_CLASSES);
    return b->engine->begin(b, cls, out);
}

int body_write(struct body_writer *w, struct slice bytes) { return w->store->engine->write(w, bytes); }

uint64_t body_written(const struct body_writer *w) { return w->written; }

struct slice body_small(const struct body_writer *w) { return w->store->engine->small(w); }

int64_t body_read_back(struct body_writer *w, uint64_t at, void *p, size_t n)
{
    return w->store->engine->read_back(w, at, p, n);
}

int body_finish(struct body_writer **wp, struct slice prefix, struct slice origin, struct body_ref *ref)
{
    struct body_writer *w = *wp;
    *wp = NULL;
    return w->store->engine->finish(w, prefix, origin, ref);
}

void body_abandon(struct body_writer **wp)
{
    if (*wp) (*wp)->store->engine->abandon(*wp);
    *wp = NULL;
}

int body_put(struct body_store *b, enum body_class cls, struct slice bytes, struct slice origin,
             struct body_ref *ref)
{
    struct body_writer *w;
    int e = body_begin(b, cls, &w);
    if (e) return e;
    e = body_write(w, bytes);
    if (e == 0) return body_finish(&w, sl(NULL, 0), origin, ref);
    body_abandon(&w);
    return e;
}

int body_pin(struct body_store *b, const struct body_ref *ref) { return b->engine->pin(b, ref); }
void body_unpin(struct body_store *b, const struct body_ref *ref) { b->engine->unpin(b, ref); }

int64_t body_read(struct body_store *b, const struct body_ref *ref, uint64_t at, void *p, size_t n)
{
    return b->engine->read(b, ref, at, p, n);
}

int body_get(struct body_store *b, const struct body_ref *ref, size_t max, struct arena *a, struct slice *out)
{
    uint64_t size = body_ref_size(ref);
    size_t n = size < max ? (size_t)size : max;
    char *p = ar_alloc(a, n + 1);
    int64_t got = body_read(b, ref, 0, p, n);
    if (got < 0) return (int)got;
    p[got] = 0;
    *out = sl(p, (size_t)got);
    return 0;
}

int body_packs(struct body_store *b, struct arena *a, struct body_pack **out, size_t *n)
{
    return b->engine->packs(b, a, out, n);
}

int body_drop_pack(struct body_store *b, uint64_t number) { return b->engine->drop_pack(b, number); }

int body_move(struct body_store *b, const struct body_ref *from, enum body_class cls, struct body_ref *to)
{
    return b->engine->move(b, from, cls, to);
}

uint64_t body_stamp(struct body_store *b) { return b->engine->stamp(b); }
uint64_t body_settled(struct body_store *b) { return b->engine->settled(b); }

int body_verify(struct body_store *b, uint64_t number, void (*each)(void *arg, const struct body_seen *seen),
                void *arg)
{
    return b->engine->verify(b, number, each, arg);
}

int body_backup(struct body_store *b, const char *to, int (*go_on)(void *arg), void *arg)
{
    return b->engine->backup(b, to, go_on, arg);
}

void body_close(struct body_store **bp)
{
    if (*bp) (*bp)->engine->close(*bp);
    *bp = NULL;
}
