/* wiped.c - memory that tells nothing afterwards. */
#include "wiped.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* What has a mapping of its own is given back to the system, or moved by it, without a copy that stays. */
static bool is_mapped(size_t size) { return size >= MEMORY_MAPPED; }

void wiped_free(void *p)
{
    size_t size = p ? malloc_usable_size(p) : 0;
    if (size && !is_mapped(size)) explicit_bzero(p, size);
    free(p);
}

void *wiped_grow(void *p, size_t n)
{
    size_t old = p ? malloc_usable_size(p) : 0;
    if (!old || is_mapped(old)) return xrealloc(p, n);
    if (n <= old) { /* stays where it is */
        explicit_bzero((char *)p + n, old - n);
        return xrealloc(p, n);
    }
    void *q = xmalloc(n);
    memcpy(q, p, old < n ? old : n);
    wiped_free(p);
    return q;
}
