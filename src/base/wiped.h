/* wiped.h - memory that tells nothing afterwards.
 *
 * As free(3) and realloc(3), but of what lay there nothing can be found: passwords and keys pass through the
 * buffers of every library, so those that take an allocator are given this one. */
#pragma once
#include "arena.h"

void wiped_free(void *p);
void *wiped_grow(void *p, size_t n) __attribute__((returns_nonnull));
