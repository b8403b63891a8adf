/* omap.h - an ordered map of byte strings in memory: a skip list.
 *
 * The committer keeps the changes of a group in one, kv_mem its whole state.
 * With an arena, nodes and values live as long as the arena and are never
 * removed one by one; without, they are on the heap and belong to the map. */
#pragma once
#include "base/arena.h"
#include "base/slice.h"

enum { OMAP_LEVELS = 16 };

/* OMAP_NONE: the node says nothing about its key (its change was taken back). */
enum omap_kind { OMAP_NONE, OMAP_PUT, OMAP_DEL };

struct onode {
    struct slice key, value;
    enum omap_kind kind;
    bool warm;            /* kv_tx_put_warm() */
    struct onode *next[]; /* as many as the node is high */
};

struct omap {
    struct arena *arena;
    struct onode *first[OMAP_LEVELS];
    int levels;
    size_t count, bytes; /* nodes; bytes of keys and values put since the last clear */
    uint64_t dice;
};

void omap_init(struct omap *m, struct arena *a);
void omap_free(struct omap *m);  /* a heap map's nodes and values */
void omap_clear(struct omap *m); /* an arena map forgets its nodes; the caller resets the arena */
struct onode *omap_find(const struct omap *m, struct slice key); /* or NULL */
struct onode *omap_from(const struct omap *m, struct slice key); /* the first with a key >= key, or NULL */
static inline struct onode *omap_first(const struct omap *m) { return m->first[0]; }
static inline struct onode *omap_next(const struct onode *n) { return n->next[0]; }
/* The node of the key, made with kind OMAP_NONE when it was missing. */
struct onode *omap_node(struct omap *m, struct slice key);
/* Copies the value into the node; the node keeps its kind. */
void omap_set(struct omap *m, struct onode *n, struct slice value);
void omap_remove(struct omap *m, struct slice key); /* heap maps only */
