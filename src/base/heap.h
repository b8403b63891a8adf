/* heap.h - binary heap of elements that hold their own node, least key first.
 * Equal keys leave in the order in which they came (seq), so that runs repeat. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    uint64_t seq;
    size_t at; /* place in the heap + 1; 0 = in no heap */
};
struct heap {
    struct heap_node **v;
    size_t n, size;
    uint64_t seq;
};

void heap_free(struct heap *h);
void heap_put(struct heap *h, struct heap_node *x, int64_t key); /* moves it when already in */
void heap_remove(struct heap *h, struct heap_node *x);           /* no effect when in no heap */
static inline struct heap_node *heap_least(const struct heap *h) { return h->n ? h->v[0] : NULL; }
