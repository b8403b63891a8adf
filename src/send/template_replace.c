/* template_replace.c - legacy substitutions: each tag replaced by its value, wherever it stands. */
#include <stdlib.h>

#include "template_i.h"

enum { REPLACE_STEPS_MAX = 20 << 20 };

struct tag {
    struct slice key;
    const json_t *value;
};
struct tags { /* in the order of their bytes */
    struct tag *v;
    size_t n;
};

static int by_key(const void *a, const void *b)
{
    return sl_cmp(((const struct tag *)a)->key, ((const struct tag *)b)->key);
}

static struct tags sorted(struct arena *a, const json_t *object)
{
    struct tags t = {.v = ar_array(a, struct tag, json_object_size(object) + 1)};
    for (void *i = json_object_iter((json_t *)object); i; i = json_object_iter_next((json_t *)object, i)) {
        struct slice key = sl(json_object_iter_key(i), json_object_iter_key_len(i));
        if (key.n) t.v[t.n++] = (struct tag){key, json_object_iter_value(i)};
    }
    qsort(t.v, t.n, sizeof *t.v, by_key);
    return t;
}

/* The first of [from, to) whose byte `at` is not below c; keys that end there come before all. */
static size_t bound(const struct tags *t, size_t from, size_t to, size_t at, unsigned c)
{
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        struct slice key = t->v[middle].key;
        if (key.n <= at || (unsigned char)key.p[at] < c) from = middle + 1;
        else to = middle;
    }
    return from;
}

/* The longest key that the text begins with, or NULL. */
static const struct tag *find(const struct tags *t, struct slice s, uint32_t *steps)
{
    const struct tag *found = NULL;
    size_t from = 0, to = t->n;
    for (size_t i = 0; i < s.n && from < to && *steps; i++, --*steps) {
        unsigned c = (unsigned char)s.p[i];
        from = bound(t, from, to, i, c);
        to = bound(t, from, to, i, c + 1);
        if (from < to && t->v[from].key.n == i + 1) found = &t->v[from];
    }
    return found;
}

int template_replace(struct slice text, const json_t *substitutions, struct buf *out)
{
    struct arena a;
    uint32_t steps = REPLACE_STEPS_MAX;
    size_t begin = out->n;
    ar_init(&a, 0);
    struct tags t = sorted(&a, substitutions);
    while (text.n && steps && out->n - begin <= TEMPLATE_OUTPUT_MAX) {
        const struct tag *g = find(&t, text, &steps);
        struct tval v = tval_of(g ? g->value : NULL);
        if (!g) buf_char(out, text.p[0]);
        else if (!tval_text(out, &v, &steps)) break;
        text = sl_from(text, g ? g->key.n : 1);
    }
    ar_free(&a);
    if (!text.n && out->n - begin <= TEMPLATE_OUTPUT_MAX) return 0;
    out->n = begin;
    return steps ? err_set(ERR_LIMIT, "the text becomes longer than %d bytes", TEMPLATE_OUTPUT_MAX)
                 : err_set(ERR_LIMIT, "the substitutions take more than %d steps", REPLACE_STEPS_MAX);
}
