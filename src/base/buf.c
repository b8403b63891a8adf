/* buf.c - bytes that grow. */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "memory.h"
#include "wiped.h"

void buf_free(struct buf *b)
{
    if (b->size) memory_count(-(ptrdiff_t)b->size);
    wiped_free(b->p);
    *b = (struct buf){.cap = b->cap, .spill = b->spill, .spill_arg = b->spill_arg};
}

char *buf_space(struct buf *b, size_t n)
{
    if (b->over) return NULL;
    if (n > SIZE_MAX / 4 - b->n || (b->cap && b->n + n > b->cap)) {
        b->over = true;
        return NULL;
    }
    if (b->n + n > b->size) {
        size_t size = b->size ? b->size : 256;
        while (size < b->n + n) size *= 2;
        b->p = wiped_grow(b->p, size);
        memory_count((ptrdiff_t)(size - b->size));
        b->size = size;
    }
    return b->p + b->n;
}

/* Also bytes of its own, which may move when it grows. */
void buf_bytes(struct buf *b, const void *p, size_t n)
{
    size_t own = (uintptr_t)p - (uintptr_t)b->p;
    bool is_own = b->p && own < b->n;
    char *to = n ? buf_space(b, n) : NULL;
    if (!to) return;
    memcpy(to, is_own ? b->p + own : p, n);
    b->n += n;
}

void buf_put(struct buf *b, struct slice s) { buf_bytes(b, s.p, s.n); }
void buf_str(struct buf *b, const char *s) { buf_bytes(b, s, strlen(s)); }
void buf_char(struct buf *b, char c) { buf_bytes(b, &c, 1); }

/* Written where there is room and counted in the same pass; only what did not fit is written again. */
void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    size_t room = b->size - b->n;
    int n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, ap);
    va_end(ap);
    char *to = n > 0 ? buf_space(b, (size_t)n + 1) : NULL;
    if (to && (size_t)n >= room) vsnprintf(to, (size_t)n + 1, fmt, again);
    if (to) b->n += (size_t)n;
    va_end(again);
}

void buf_u64(struct buf *b, uint64_t v)
{
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + v % 10);
    while (v /= 10);
    buf_bytes(b, digits + at, sizeof digits - at);
}

void buf_drop(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}
