/* order.c - a merge sort that breathes: libc's cannot be interrupted, and a million texts take a second. */
#include "order.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "rt/rt.h"

enum { COMPARES_A_BREATH = 1024 };

struct sorting {
    int (*cmp)(const void *ctx, const void *a, const void *b);
    const void *ctx;
    unsigned compares;
};

static bool is_after(struct sorting *s, const void *a, const void *b)
{
    if (++s->compares % COMPARES_A_BREATH == 0) fiber_breathe();
    return s->cmp(s->ctx, a, b) > 0;
}

/* The runs from[0, mid) and from[mid, n) into to. */
static void merge(struct sorting *s, void **from, size_t mid, size_t n, void **to)
{
    size_t left = 0, right = mid;
    while (left < mid && right < n)
        *to++ = is_after(s, from[left], from[right]) ? from[right++] : from[left++];
    memcpy(to, from + left, (mid - left) * sizeof *to);
    memcpy(to + (mid - left), from + right, (n - right) * sizeof *to);
}

void order_sort(void **v, size_t n, int (*cmp)(const void *ctx, const void *a, const void *b),
                const void *ctx)
{
    struct sorting s = {.cmp = cmp, .ctx = ctx};
    if (n < 2) return;
    void **other = xcalloc(n, sizeof *other), **from = v, **to = other;
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t at = 0; at < n; at += 2 * run) {
            size_t left = n - at, two = 2 * run < left ? 2 * run : left;
            merge(&s, from + at, run < two ? run : two, two, to + at);
        }
        void **swap = from;
        from = to;
        to = swap;
    }
    if (from != v) memcpy(v, from, n * sizeof *v);
    free(other);
}
