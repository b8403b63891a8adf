/* map.h - hash map from byte strings to pointers.
 *
 * Keys are copied in; values belong to the caller. Hashing is keyed (slice.h),
 * so a peer cannot choose colliding keys. Not for use by two threads at once. */
#pragma once
#include "slice.h"

struct map {
    struct map_entry **slot;
    size_t nslot, count;
    bool fold; /* keys equal under ASCII case folding are the same */
};

void map_init(struct map *m, bool fold);
void map_free(struct map *m); /* the values are not touched */
void *map_get(const struct map *m, struct slice key);
/* Puts or replaces; returns the value that was there before, or NULL. value is not NULL. */
void *map_put(struct map *m, struct slice key, void *value);
void *map_del(struct map *m, struct slice key); /* the value removed, or NULL */

/* Visits every entry in no particular order; deleting the visited entry is allowed.
 *     struct map_iter it = {0}; while (map_next(&m, &it)) use(it.key, it.value); */
struct map_iter {
    struct slice key;
    void *value;
    size_t at;
    struct map_entry *next;
    bool started;
};
bool map_next(const struct map *m, struct map_iter *it);
