/* order.h - putting many things in order without holding up the loop. */
#pragma once
#include <stddef.h>

/* Stable. cmp: below, at or above 0. SUSPENDS (breathes): what is compared must not change meanwhile. */
void order_sort(void **v, size_t n, int (*cmp)(const void *ctx, const void *a, const void *b),
                const void *ctx);
