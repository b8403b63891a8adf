/* arena.h - memory with one lifetime, freed all at once.
 *
 * Three lifetimes exist in Tram: a command's arena, a session's arena, and
 * objects with an owner. What must outlive its arena is copied on purpose.
 *
 * Allocation never returns NULL (the process ends when the machine has no
 * memory). `cap` is a budget: going over it sets a sticky flag, and the owner
 * that reads hostile input asks ar_over() at the points where it can still
 * refuse; limits on counts and lengths keep the overshoot small. */
#pragma once
#include "slice.h"

struct arena {
    struct arena_block *block; /* newest first */
    size_t used, cap;          /* bytes handed out; 0 = no cap */
};

void ar_init(struct arena *a, size_t cap);
/* Both leave nothing to be found of what lay in it. */
void ar_reset(struct arena *a); /* forget everything, keep one block for reuse */
void ar_free(struct arena *a);  /* give all memory back; usable again afterwards */
static inline bool ar_over(const struct arena *a) { return a->cap && a->used > a->cap; }

/* 16-byte aligned; ar_zalloc's is zeroed. n may be 0. */
void *ar_alloc(struct arena *a, size_t n) __attribute__((malloc, returns_nonnull));
void *ar_zalloc(struct arena *a, size_t n) __attribute__((malloc, returns_nonnull));
#define ar_new(a, type) ((type *)ar_zalloc(a, sizeof(type)))
#define ar_array(a, type, n) ((type *)ar_zalloc_n(a, n, sizeof(type)))
void *ar_zalloc_n(struct arena *a, size_t n, size_t size) __attribute__((malloc, returns_nonnull));

struct slice ar_dup(struct arena *a, struct slice s); /* NUL after the copy, not counted */
char *ar_cstr(struct arena *a, struct slice s);
struct slice ar_lower(struct arena *a, struct slice s);
struct slice ar_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct slice ar_cat(struct arena *a, struct slice x, struct slice y);

/* Grows an array that was allocated with ar_array, doubling its capacity; used as
 *     if (n == cap) v = ar_grow(a, v, &cap, sizeof *v); */
void *ar_grow(struct arena *a, void *v, size_t *cap, size_t size);

/* malloc that ends the process instead of returning NULL. Freed with free(). */
void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrndup(const char *p, size_t n) __attribute__((returns_nonnull));
