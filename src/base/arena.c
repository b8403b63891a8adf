/* arena.c - memory that goes at once: blocks, and an allocator that does not return when there is none. */
#include "arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"

enum { FIRST_BLOCK = 4096 - 64, LARGEST_BLOCK = 1 << 20, ALIGN = 16 };

struct arena_block {
    struct arena_block *older;
    size_t size, used;
    _Alignas(ALIGN) char data[];
};

static _Noreturn void out_of_memory(size_t n)
{
    fprintf(stderr, "tram: out of memory (%zu bytes wanted)\n", n);
    abort();
}

void *xmalloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p) out_of_memory(n);
    return p;
}

void *xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);
    if (!p) out_of_memory(n * size);
    return p;
}

void *xrealloc(void *p, size_t n)
{
    void *q = realloc(p, n ? n : 1);
    if (!q) out_of_memory(n);
    return q;
}

char *xstrndup(const char *p, size_t n)
{
    char *q = xmalloc(n + 1);
    if (n) memcpy(q, p, n);
    q[n] = 0;
    return q;
}

void ar_init(struct arena *a, size_t cap) { *a = (struct arena){.cap = cap}; }

/* Whatever was parsed or decoded there may have been a password. */
static void wipe_block(struct arena_block *b)
{
    if (b->used) explicit_bzero(b->data, b->used);
    b->used = 0;
}

void ar_free(struct arena *a)
{
    size_t freed = 0;
    for (struct arena_block *b = a->block, *older; b; b = older) {
        older = b->older;
        freed += sizeof *b + b->size;
        wipe_block(b);
        free(b);
    }
    if (freed) memory_count(-(ptrdiff_t)freed);
    a->block = NULL;
    a->used = 0;
}

void ar_reset(struct arena *a)
{
    struct arena_block *keep = a->block;
    if (keep && keep->size > LARGEST_BLOCK) keep = NULL;
    if (keep) {
        a->block = keep->older;
        ar_free(a);
        keep->older = NULL;
        wipe_block(keep);
        a->block = keep;
    } else {
        ar_free(a);
    }
    a->used = 0;
}

static struct arena_block *block_for(struct arena *a, size_t n)
{
    size_t size = a->block ? a->block->size * 2 : FIRST_BLOCK;
    if (size > LARGEST_BLOCK) size = LARGEST_BLOCK;
    if (size < n) size = n;
    struct arena_block *b = xmalloc(sizeof *b + size);
    memory_count((ptrdiff_t)(sizeof *b + size));
    *b = (struct arena_block){.older = a->block, .size = size};
    return a->block = b;
}

void *ar_alloc(struct arena *a, size_t n)
{
    if (n > SIZE_MAX / 2) out_of_memory(n);
    size_t want = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct arena_block *b = a->block;
    if (!b || b->size - b->used < want) b = block_for(a, want);
    void *p = b->data + b->used;
    b->used += want;
    a->used += want;
    return p;
}

void *ar_zalloc(struct arena *a, size_t n) { return memset(ar_alloc(a, n), 0, n); }

void *ar_zalloc_n(struct arena *a, size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total)) out_of_memory(SIZE_MAX);
    return ar_zalloc(a, total);
}

struct slice ar_dup(struct arena *a, struct slice s)
{
    char *p = ar_alloc(a, s.n + 1);
    if (s.n) memcpy(p, s.p, s.n);
    p[s.n] = 0;
    return sl(p, s.n);
}

char *ar_cstr(struct arena *a, struct slice s) { return (char *)ar_dup(a, s).p; }

struct slice ar_lower(struct arena *a, struct slice s)
{
    char *p = ar_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++) p[i] = sl_lower(s.p[i]);
    p[s.n] = 0;
    return sl(p, s.n);
}

/* Written into what is left of the block; only what does not fit there is written again. */
struct slice ar_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    struct arena_block *b = a->block;
    size_t room = b ? b->size - b->used : 0;
    char *at = room ? b->data + b->used : NULL;
    int n = vsnprintf(at, room, fmt, ap);
    va_end(ap);
    if (n < 0) n = 0;
    char *p = ar_alloc(a, (size_t)n + 1);
    if (p != at) { /* a new block */
        vsnprintf(p, (size_t)n + 1, fmt, again);
        if (room) explicit_bzero(at, room); /* nobody would wipe what is not used */
    }
    va_end(again);
    return sl(p, (size_t)n);
}

struct slice ar_cat(struct arena *a, struct slice x, struct slice y)
{
    char *p = ar_alloc(a, x.n + y.n + 1);
    if (x.n) memcpy(p, x.p, x.n);
    if (y.n) memcpy(p + x.n, y.p, y.n);
    p[x.n + y.n] = 0;
    return sl(p, x.n + y.n);
}

void *ar_grow(struct arena *a, void *v, size_t *cap, size_t size)
{
    size_t old = *cap;
    *cap = old ? old * 2 : 8;
    void *bigger = ar_zalloc_n(a, *cap, size);
    if (old) memcpy(bigger, v, old * size);
    return bigger;
}
