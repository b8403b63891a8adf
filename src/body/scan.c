/* scan.c - walking through a pack file: at open when it has no seal, and to verify. */
#include <stdlib.h>

#include "base/text.h"
#include "body_i.h"

enum { WINDOW = 8 << 20 }; /* a whole record fits */

/* A part of the file in memory. */
struct window {
    struct file *file;
    uint64_t size, from;
    size_t n;
    uint8_t *p;
};

/* The bytes from `at` on, at least `need` (<= WINDOW) of them unless the file ends; NULL on an error. */
static const uint8_t *window_at(struct window *w, uint64_t at, size_t need, size_t *n, int *error)
{
    if (need > w->size - at) need = (size_t)(w->size - at);
    if (at < w->from || at + need > w->from + w->n) {
        uint64_t left = w->size - at;
        int64_t got = file_pread(w->file, w->p, left < WINDOW ? (size_t)left : WINDOW, at);
        if (got < 0) {
            *error = (int)got;
            return NULL;
        }
        w->from = at;
        w->n = (size_t)got;
    }
    *n = (size_t)(w->from + w->n - at);
    return w->p + (at - w->from);
}

/* The next valid header at or after *at; false at the end or on an error. */
static bool next_record(struct window *w, const struct pack_head *h, uint64_t *at, struct record *r,
                        int *error)
{
    while (*at + RECORD_HEADER <= w->size) {
        size_t n, found = 0;
        const uint8_t *p = window_at(w, *at, RECORD_HEADER, &n, error);
        if (!p || n < RECORD_HEADER) return false;
        if (record_search(h, *at, p, n, &found, r)) {
            *at += found;
            return true;
        }
        *at += (n - RECORD_HEADER + 8) &
               ~(size_t)7; /* every place in the window but the last few bytes was tried */
    }
    return false;
}

static int walk(struct window *w, const struct pack_head *h, scan_fn *each, void *arg, uint64_t *end)
{
    struct record r;
    uint64_t at = PACK_PAGE;
    int error = 0;
    *end = PACK_PAGE;
    while (next_record(w, h, &at, &r, &error) && r.kind == RECORD_BODY) {
        size_t n;
        const uint8_t *p = window_at(w, at, (size_t)(RECORD_HEADER + r.size + r.origin), &n, &error);
        if (!p) return error;
        bool whole = n >= RECORD_HEADER + r.size + r.origin;
        bool good = n >= RECORD_HEADER + r.size && crc32c(0, p + RECORD_HEADER, (size_t)r.size) == r.sum;
        struct slice origin = sl((const char *)p + RECORD_HEADER + r.size, r.origin);
        if (!whole || crc32c(0, origin.p, origin.n) != r.origin_sum) origin = (struct slice){0};
        each(arg, &r, origin, good ? 0 : ERR_CORRUPT);
        at += whole ? record_span(r.size, r.origin) : 8;
        if (whole) *end = at;
    }
    return error;
}

int pack_scan(struct file *f, const struct pack_head *h, uint64_t size, scan_fn *each, void *arg,
              uint64_t *end)
{
    struct window w = {.file = f, .size = size, .p = xmalloc(WINDOW)};
    int e = size < PACK_PAGE ? err_set(ERR_CORRUPT, "a pack is shorter than its header")
                             : walk(&w, h, each, arg, end);
    free(w.p);
    return e;
}

static int chunk_check(struct file *f, const struct large *l, uint64_t i, const uint8_t sum[4], uint8_t *room)
{
    uint64_t from, to;
    large_chunk(l, i, &from, &to);
    int64_t got = file_pread(f, room, (size_t)(to - from), from);
    if (got < 0) return (int)got;
    uint32_t want =
        (uint32_t)sum[0] | (uint32_t)sum[1] << 8 | (uint32_t)sum[2] << 16 | (uint32_t)sum[3] << 24;
    if ((uint64_t)got != to - from || crc32c(0, room, (size_t)got) != want)
        return err_set(ERR_CORRUPT, "a large body is damaged");
    return 0;
}

int large_check(struct file *f, const struct pack_head *h)
{
    struct large l = {.content = h->content, .prefix = h->prefix};
    size_t n = (size_t)large_chunks(&l) * 4;
    uint8_t *table = xmalloc(n + 1), *room = xmalloc(PACK_CHUNK);
    int64_t got = file_pread(f, table, n, large_table(&l));
    int e = got < 0 ? (int)got : 0;
    if (!e && ((size_t)got != n || crc32c(0, table, n) != h->table_sum))
        e = err_set(ERR_CORRUPT, "the table of checksums of a large body is damaged");
    for (uint64_t i = 0; !e && i < large_chunks(&l); i++) e = chunk_check(f, &l, i, table + 4 * i, room);
    free(table);
    free(room);
    return e;
}
