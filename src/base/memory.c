/* memory.c - one number for what sessions and letters hold. */
#include "memory.h"

#include <malloc.h>

static struct {
    size_t used, most, budget; /* most: since memory was given back */
} memory;

void memory_begin(void)
{
    mallopt(M_TRIM_THRESHOLD, MEMORY_LETTER);
    mallopt(M_MMAP_THRESHOLD, MEMORY_MAPPED);
}

static size_t get(const size_t *p) { return __atomic_load_n(p, __ATOMIC_RELAXED); }

void memory_count(ptrdiff_t bytes)
{
    size_t now = __atomic_add_fetch(&memory.used, (size_t)bytes, __ATOMIC_RELAXED);
    if (bytes > 0 && now > get(&memory.most)) __atomic_store_n(&memory.most, now, __ATOMIC_RELAXED);
}

size_t memory_used(void) { return get(&memory.used); }

void memory_set_budget(size_t bytes) { __atomic_store_n(&memory.budget, bytes, __ATOMIC_RELAXED); }

bool memory_over(void)
{
    size_t budget = get(&memory.budget);
    return budget && get(&memory.used) > budget;
}

bool memory_refuses(const struct arena *a) { return ar_over(a) || (a->used > MEMORY_FAIR && memory_over()); }

/* The C library keeps what is freed between blocks that live on: the peak of an hour ago would stay for ever.
 */
void memory_give_back(void)
{
    enum { MUCH = 16 << 20 };
    size_t used = get(&memory.used);
    if (get(&memory.most) < used + MUCH) return;
    __atomic_store_n(&memory.most, used, __ATOMIC_RELAXED);
    malloc_trim(0);
}
