/* map.c - a hash table with chains, from bytes to pointers. */
#include "map.h"

#include <stdlib.h>

#include "arena.h"

struct map_entry {
    struct map_entry *next;
    void *value;
    uint64_t hash;
    size_t n;
    char key[];
};

void map_init(struct map *m, bool fold) { *m = (struct map){.fold = fold}; }

void map_free(struct map *m)
{
    for (size_t i = 0; i < m->nslot; i++)
        for (struct map_entry *e = m->slot[i], *next; e; e = next) {
            next = e->next;
            free(e);
        }
    free(m->slot);
    map_init(m, m->fold);
}

static uint64_t hash_of(const struct map *m, struct slice key)
{
    return m->fold ? sl_hashi(key) : sl_hash(key);
}

static bool is_key(const struct map *m, const struct map_entry *e, uint64_t h, struct slice key)
{
    if (e->hash != h) return false;
    struct slice k = sl(e->key, e->n);
    return m->fold ? sl_eqi(k, key) : sl_eq(k, key);
}

/* The place that points at the entry, or the end of its chain. */
static struct map_entry **find(const struct map *m, struct slice key, uint64_t h)
{
    struct map_entry **at = &m->slot[h & (m->nslot - 1)];
    while (*at && !is_key(m, *at, h, key)) at = &(*at)->next;
    return at;
}

static void grow(struct map *m)
{
    size_t nslot = m->nslot ? m->nslot * 2 : 16;
    struct map_entry **slot = xcalloc(nslot, sizeof *slot);
    for (size_t i = 0; i < m->nslot; i++)
        for (struct map_entry *e = m->slot[i], *next; e; e = next) {
            next = e->next;
            e->next = slot[e->hash & (nslot - 1)];
            slot[e->hash & (nslot - 1)] = e;
        }
    free(m->slot);
    m->slot = slot;
    m->nslot = nslot;
}

void *map_get(const struct map *m, struct slice key)
{
    if (!m->nslot) return NULL;
    struct map_entry *e = *find(m, key, hash_of(m, key));
    return e ? e->value : NULL;
}

void *map_put(struct map *m, struct slice key, void *value)
{
    if (m->count >= m->nslot) grow(m);
    uint64_t h = hash_of(m, key);
    struct map_entry **at = find(m, key, h);
    if (*at) {
        void *old = (*at)->value;
        (*at)->value = value;
        return old;
    }
    struct map_entry *e = xmalloc(sizeof *e + key.n);
    *e = (struct map_entry){.value = value, .hash = h, .n = key.n};
    if (key.n) memcpy(e->key, key.p, key.n);
    *at = e;
    m->count++;
    return NULL;
}

void *map_del(struct map *m, struct slice key)
{
    if (!m->nslot) return NULL;
    struct map_entry **at = find(m, key, hash_of(m, key)), *e = *at;
    if (!e) return NULL;
    void *value = e->value;
    *at = e->next;
    free(e);
    m->count--;
    return value;
}

bool map_next(const struct map *m, struct map_iter *it)
{
    struct map_entry *e = it->next;
    if (!it->started) {
        it->started = true;
        e = NULL;
        it->at = 0;
    }
    while (!e && it->at < m->nslot) e = m->slot[it->at++];
    if (!e) return false;
    it->key = sl(e->key, e->n);
    it->value = e->value;
    it->next = e->next;
    return true;
}
