/* span.c - the buffers of a connection: bytes that came and wait to be used. */
#include "conn_i.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/wiped.h"

void span_free(struct span *s)
{
    if (s->size) memory_count(-(ptrdiff_t)s->size);
    wiped_free(s->p);
    *s = (struct span){0};
}

void span_release(struct span *s)
{
    if (s->p && s->from == s->to) span_free(s);
}

size_t span_room(struct span *s, size_t first, size_t most)
{
    size_t used = span_used(s);
    if (used >= most) return 0;
    if (s->from && (used == 0 || s->to == s->size)) {
        memmove(s->p, s->p + s->from, used);
        s->from = 0;
        s->to = used;
    }
    if (s->to == s->size) {
        size_t size = s->size ? s->size * 2 : first;
        if (size > most) size = most;
        s->p = wiped_grow(s->p, size);
        memory_count((ptrdiff_t)size - (ptrdiff_t)s->size);
        s->size = size;
    }
    size_t room = s->size - s->to;
    return room < most - used ? room : most - used;
}
