/* heap.c - a binary heap whose elements know their place. */
#include "heap.h"

#include <stdlib.h>

#include "arena.h"
#include "base/log.h"

static int before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void place(struct heap *h, size_t i, struct heap_node *x)
{
    h->v[i] = x;
    x->at = i + 1;
}

static void up(struct heap *h, size_t i, struct heap_node *x)
{
    while (i && before(x, h->v[(i - 1) / 2])) {
        place(h, i, h->v[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(h, i, x);
}

static void down(struct heap *h, size_t i, struct heap_node *x)
{
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= h->n) break;
        if (c + 1 < h->n && before(h->v[c + 1], h->v[c])) c++;
        if (!before(h->v[c], x)) break;
        place(h, i, h->v[c]);
        i = c;
    }
    place(h, i, x);
}

void heap_free(struct heap *h)
{
    free(h->v);
    *h = (struct heap){0};
}

void heap_put(struct heap *h, struct heap_node *x, int64_t key)
{
    heap_remove(h, x);
    if (h->n == h->size) {
        h->size = h->size ? h->size * 2 : 64;
        h->v = xrealloc(h->v, h->size * sizeof *h->v);
    }
    x->key = key;
    x->seq = h->seq++;
    up(h, h->n++, x);
}

void heap_remove(struct heap *h, struct heap_node *x)
{
    ASSERT(!x->at || (x->at <= h->n && h->v[x->at - 1] == x)); /* it is in this heap, or in none */
    if (!x->at) return;
    size_t i = x->at - 1;
    x->at = 0;
    struct heap_node *last = h->v[--h->n];
    if (last == x) return;
    if (i && before(last, h->v[(i - 1) / 2])) up(h, i, last);
    else down(h, i, last);
}
