/* key.c - names of objects, keys and ranges as the engines store them. */
#include "kv_i.h"

bool kv_name_ok(struct slice s)
{
    if (s.n == 0 || s.n > KV_KEY_MAX) return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x20 || s.p[i] > 0x7e) return false;
    return true;
}

struct slice kv_full(char *room, struct slice object, struct slice key)
{
    memcpy(room, object.p, object.n);
    room[object.n] = 0;
    if (key.n) memcpy(room + object.n + 1, key.p, key.n);
    return sl(room, object.n + 1 + key.n);
}

int kv_range_make(struct kv_range *r, struct slice object, struct slice from, struct slice to)
{
    /* A bound may be one byte longer than a key (kv_after of the longest). */
    if (!kv_name_ok(object) || from.n > KV_KEY_MAX + 1 || to.n > KV_KEY_MAX + 1)
        return err_set(ERR_USAGE, "the name of an object or the bound of a range is not allowed");
    r->from = kv_full(r->from_room, object, from);
    r->to = kv_full(r->to_room, object, to);
    if (!to.n) r->to_room[object.n] = 1; /* just past every key of the object */
    return 0;
}

struct slice kv_after(struct arena *a, struct slice key) { return ar_cat(a, key, SL(" ")); }

struct slice kv_prefix_end(struct arena *a, struct slice prefix)
{
    struct slice s = ar_dup(a, prefix);
    if (s.n) ((char *)s.p)[s.n - 1]++; /* at most 0x7f, for a key holds nothing above 0x7e */
    return s;
}
