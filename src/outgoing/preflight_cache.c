/* preflight_cache.c - what a preflight found, kept for as long as it may be believed.
 *
 * One buffer an entry: the fixed part and all texts behind it. When the cache is full it
 * is emptied: the entries live for minutes, so this costs one question each. */
#include <stdlib.h>

#include "base/map.h"
#include "preflight.h"
#include "rt/rt.h"

struct entry {
    int64_t until; /* rt_now() scale */
    struct preflight_result r;
    char text[];
};
struct preflight_cache {
    struct lock lock;
    struct map map;
    size_t max;
};

struct preflight_cache *preflight_cache_new(size_t entries_max)
{
    struct preflight_cache *c = xcalloc(1, sizeof *c);
    c->max = entries_max ? entries_max : 10000;
    map_init(&c->map, true);
    return c;
}

static void forget_all(struct preflight_cache *c)
{
    struct map_iter it = {0};
    while (map_next(&c->map, &it)) free(it.value);
    map_free(&c->map);
}

void preflight_cache_free(struct preflight_cache **c)
{
    if (!*c) return;
    forget_all(*c);
    free(*c);
    *c = NULL;
}

static struct slice domain_of(struct slice address)
{
    size_t at = sl_rchr(address, '@');
    return at == SL_NONE ? address : sl_from(address, at + 1);
}

static struct slice key_of(struct arena *a, const struct preflight_query *q)
{
    char ip[IP_TEXT_MAX];
    struct slice k = ar_printf(a, "%s %.*s %.*s %.*s", ip_format(&q->ip, ip), SLF(q->helo),
                               SLF(domain_of(q->mail_from)), SLF(q->author));
    for (size_t i = 0; i < q->nkey; i++)
        k = ar_printf(a, "%.*s %.*s/%.*s", SLF(k), SLF(q->key[i].selector), SLF(q->key[i].domain));
    return k;
}

static size_t text_size(const struct preflight_result *r)
{
    size_t n = r->sentence.n + r->line.n;
    for (size_t i = 0; i < r->n; i++) n += r->item[i].sentence.n + r->item[i].line.n;
    return n;
}

static void move_text(struct slice *s, char **to)
{
    if (s->n) memcpy(*to, s->p, s->n);
    s->p = *to;
    *to += s->n;
}

/* Copies every text of *r behind `to`. */
static void move_texts(struct preflight_result *r, char *to)
{
    move_text(&r->sentence, &to);
    move_text(&r->line, &to);
    for (size_t i = 0; i < r->n; i++) {
        move_text(&r->item[i].sentence, &to);
        move_text(&r->item[i].line, &to);
    }
}

static void keep(struct preflight_cache *c, struct slice key, const struct preflight_result *r)
{
    struct entry *e = xmalloc(sizeof *e + text_size(r));
    e->until = rt_now() + r->seconds * RT_S;
    e->r = *r;
    move_texts(&e->r, e->text);
    lock_take(&c->lock);
    if (c->map.count >= c->max) forget_all(c);
    free(map_put(&c->map, key, e));
    lock_release(&c->lock);
}

static bool find(struct preflight_cache *c, struct arena *a, struct slice key, struct preflight_result *out)
{
    lock_take(&c->lock);
    const struct entry *e = map_get(&c->map, key);
    bool fresh = e && rt_now() < e->until;
    if (fresh) {
        *out = e->r;
        move_texts(out, ar_alloc(a, text_size(out)));
        out->seconds = (e->until - rt_now()) / RT_S;
        out->remembered = true;
    }
    lock_release(&c->lock);
    return fresh;
}

int preflight_cached(struct preflight_cache *c, struct dns *d, struct arena *a,
                     const struct preflight_query *q, struct preflight_result *out)
{
    struct slice key = key_of(a, q);
    if (find(c, a, key, out)) return 0;
    int e = preflight_check(d, a, q, out);
    if (e == 0 && out->cacheable) keep(c, key, out);
    return e;
}
