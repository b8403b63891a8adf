/* omap.c - the skip list of omap.h. Heights come from a counter's hash, so runs repeat and no key can choose
 * them. */
#include "omap.h"

#include <stdlib.h>

#include "base/log.h"

void omap_init(struct omap *m, struct arena *a)
{
    *m = (struct omap){.arena = a, .levels = 1, .dice = 0x9e3779b97f4a7c15u};
}

void omap_free(struct omap *m)
{
    for (struct onode *n = m->arena ? NULL : m->first[0], *next; n; n = next) {
        next = n->next[0];
        free((char *)n->value.p);
        free(n);
    }
    omap_init(m, m->arena);
}

void omap_clear(struct omap *m)
{
    ASSERT(m->arena);
    memset(m->first, 0, sizeof m->first);
    m->levels = 1;
    m->count = m->bytes = 0;
}

static int key_cmp(struct slice a, struct slice b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* The links at each level that point at the first node >= key. */
static struct onode *seek(const struct omap *m, struct slice key, struct onode ***links)
{
    struct onode **at = (struct onode **)m->first;
    struct onode *stop = NULL; /* already known to be >= key */
    for (int l = m->levels - 1; l >= 0; l--) {
        while (at[l] && at[l] != stop && key_cmp(at[l]->key, key) < 0) at = at[l]->next;
        stop = at[l];
        if (links) links[l] = &at[l];
    }
    return at[0];
}

struct onode *omap_from(const struct omap *m, struct slice key) { return seek(m, key, NULL); }

struct onode *omap_find(const struct omap *m, struct slice key)
{
    if (!m->count) return NULL;
    struct onode *n = seek(m, key, NULL);
    return n && sl_eq(n->key, key) ? n : NULL;
}

static int throw_height(struct omap *m)
{
    m->dice ^= m->dice << 13;
    m->dice ^= m->dice >> 7;
    m->dice ^= m->dice << 17;
    int h = 1;
    for (uint64_t d = m->dice; h < OMAP_LEVELS && (d & 3) == 0; d >>= 2) h++;
    return h;
}

static struct onode *node_new(struct omap *m, struct slice key, int height)
{
    size_t head = sizeof(struct onode) + (size_t)height * sizeof(struct onode *);
    struct onode *n = m->arena ? ar_alloc(m->arena, head + key.n) : xmalloc(head + key.n);
    char *copy = (char *)n + head;
    memcpy(copy, key.p, key.n);
    *n = (struct onode){.key = sl(copy, key.n), .kind = OMAP_NONE};
    return n;
}

struct onode *omap_node(struct omap *m, struct slice key)
{
    struct onode **links[OMAP_LEVELS];
    struct onode *n = seek(m, key, links);
    if (n && sl_eq(n->key, key)) return n;
    int height = throw_height(m);
    for (; m->levels < height; m->levels++) links[m->levels] = &m->first[m->levels];
    n = node_new(m, key, height);
    for (int l = 0; l < height; l++) {
        n->next[l] = *links[l];
        *links[l] = n;
    }
    m->count++;
    m->bytes += key.n;
    return n;
}

void omap_set(struct omap *m, struct onode *n, struct slice value)
{
    char *copy = m->arena ? ar_alloc(m->arena, value.n) : xmalloc(value.n + 1);
    memcpy(copy, value.p, value.n);
    if (!m->arena) free((char *)n->value.p);
    n->value = sl(copy, value.n);
    m->bytes += value.n;
}

void omap_remove(struct omap *m, struct slice key)
{
    ASSERT(!m->arena);
    struct onode **links[OMAP_LEVELS];
    struct onode *n = seek(m, key, links);
    if (!n || !sl_eq(n->key, key)) return;
    for (int l = 0; l < m->levels && *links[l] == n; l++) *links[l] = n->next[l];
    m->count--;
    free((char *)n->value.p);
    free(n);
}
