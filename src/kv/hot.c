/* hot.c - a table with one place for each row, by its checksum: who comes last has it (hot.h). */
#include "hot.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"

static size_t place_of(struct slice full) { return crc32c(0, full.p, full.n) % KV_HOT_ROWS; }

static bool is_of(const struct kv_hot_row *r, struct slice full)
{
    return r->there && r->key == full.n && memcmp(r->bytes, full.p, full.n) == 0;
}

bool kv_hot_find(const struct kv_hot *h, struct slice full, struct slice *value)
{
    const struct kv_hot_row *r = &h->row[place_of(full)];
    if (!is_of(r, full)) return false;
    *value = sl(r->bytes + r->key, r->value);
    return true;
}

static void set(struct kv_hot_row *r, struct slice full, struct slice value)
{
    size_t n = full.n + value.n;
    r->there = n <= KV_HOT_BYTES;
    if (!r->there) return;
    if (n > r->room) {
        size_t room = n + n / 2 < KV_HOT_BYTES ? n + n / 2 : KV_HOT_BYTES; /* a count grows */
        memory_count((ptrdiff_t)(room - r->room));
        free(r->bytes);
        r->bytes = xmalloc(room);
        r->room = (uint32_t)room;
    }
    memcpy(r->bytes, full.p, full.n);
    if (value.n) memcpy(r->bytes + full.n, value.p, value.n);
    r->key = (uint32_t)full.n;
    r->value = (uint32_t)value.n;
}

void kv_hot_read(struct kv_hot *h, struct slice full, struct slice value)
{
    set(&h->row[place_of(full)], full, value);
}

void kv_hot_wrote(struct kv_hot *h, const struct omap *rows)
{
    for (struct onode *n = omap_first(rows); n; n = omap_next(n)) {
        struct kv_hot_row *r = &h->row[place_of(n->key)];
        bool wanted = n->kind == OMAP_PUT && n->warm;
        if (n->kind == OMAP_NONE || !(wanted || is_of(r, n->key))) continue;
        if (n->kind == OMAP_PUT) set(r, n->key, n->value);
        else r->there = false;
    }
}

void kv_hot_forget(struct kv_hot *h)
{
    for (size_t i = 0; i < KV_HOT_ROWS; i++) h->row[i].there = false;
}

void kv_hot_free(struct kv_hot *h)
{
    for (size_t i = 0; i < KV_HOT_ROWS; i++) {
        memory_count(-(ptrdiff_t)h->row[i].room);
        free(h->row[i].bytes);
    }
    memset(h, 0, sizeof *h);
}
