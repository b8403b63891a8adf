/* tails.c - digests of the newest messages, kept in memory: a table of places, each for whoever came to it
 * last. */
#include "tails.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"
#include "rt/rt.h"

enum { TAIL_PLACES = 4096, TAIL_BYTES = 4 << 20 };

struct tail_key { /* without gaps: it is compared as bytes */
    char account[24];
    uint32_t box, uidvalidity, uid;
    unsigned version;
    char kind[8];
};
struct place {
    struct tail_key key;
    struct slice bytes; /* p NULL: nobody is here */
};
struct reader_tails {
    struct lock lock;
    struct place *place; /* NULL: nothing was kept yet */
    size_t bytes, hand;  /* whose bytes go next when they are too many */
};

struct reader_tails *reader_tails_new(void)
{
    struct reader_tails *t = xcalloc(1, sizeof *t);
    t->lock = (struct lock)LOCK_INIT;
    return t;
}

static void leave(struct reader_tails *t, struct place *p)
{
    if (!p->bytes.p) return;
    t->bytes -= p->bytes.n;
    memory_count(-(ptrdiff_t)p->bytes.n);
    free((void *)p->bytes.p);
    p->bytes = (struct slice){0};
}

void reader_tails_free(struct reader_tails **out)
{
    struct reader_tails *t = *out;
    *out = NULL;
    if (!t) return;
    for (size_t i = 0; t->place && i < TAIL_PLACES; i++) leave(t, &t->place[i]);
    free(t->place);
    free(t);
}

static struct tail_key key_of(const struct digest_key *k, uint32_t uid)
{
    struct tail_key key;
    memset(&key, 0, sizeof key);
    snprintf(key.account, sizeof key.account, "%s", k->box.account);
    key.box = k->box.box;
    key.uidvalidity = k->uidvalidity;
    key.uid = uid;
    key.version = k->version;
    key.kind[0] = k->kind;
    return key;
}

static struct place *place_of(struct reader_tails *t, const struct tail_key *key)
{
    return &t->place[hash_stable(sl(key, sizeof *key), false) % TAIL_PLACES];
}

bool reader_tails_get(struct reader_tails *t, const struct digest_key *k, uint32_t uid, struct buf *out)
{
    struct tail_key key = key_of(k, uid);
    lock_take(&t->lock);
    struct place *p = t->place ? place_of(t, &key) : NULL;
    bool here = p && p->bytes.p && memcmp(&p->key, &key, sizeof key) == 0;
    if (here) buf_put(out, p->bytes);
    lock_release(&t->lock);
    return here;
}

void reader_tails_put(struct reader_tails *t, const struct digest_key *k, uint32_t uid, struct slice bytes)
{
    struct tail_key key = key_of(k, uid);
    char *copy = xmalloc(bytes.n ? bytes.n : 1);
    if (bytes.n) memcpy(copy, bytes.p, bytes.n);
    lock_take(&t->lock);
    if (!t->place) t->place = xcalloc(TAIL_PLACES, sizeof *t->place);
    while (t->bytes > TAIL_BYTES) leave(t, &t->place[t->hand++ % TAIL_PLACES]);
    struct place *p = place_of(t, &key);
    leave(t, p);
    p->key = key;
    p->bytes = sl(copy, bytes.n);
    t->bytes += bytes.n;
    memory_count((ptrdiff_t)bytes.n);
    lock_release(&t->lock);
}
