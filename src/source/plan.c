/* plan.c - which sources a letter may leave from, as the rows say. */
#include <stdlib.h>
#include <string.h>

#include "source_i.h"

const char *source_by_word(enum source_by by)
{
    static const char *const words[] = {"campaign", "account", "domain", "stream"};
    return words[by];
}

struct source_plan *source_plan_new(void)
{
    struct source_plan *p = xcalloc(1, sizeof *p);
    p->holds = 1;
    p->names = xcalloc(1, sizeof *p->names);
    map_init(p->names, true);
    return p;
}

struct source_plan *source_plan_hold(struct source_plan *p)
{
    __atomic_add_fetch(&p->holds, 1, __ATOMIC_RELAXED);
    return p;
}

void source_plan_drop(struct source_plan **pp)
{
    struct source_plan *p = *pp;
    *pp = NULL;
    if (!p || __atomic_sub_fetch(&p->holds, 1, __ATOMIC_ACQ_REL)) return;
    map_free(p->names);
    free(p->names);
    ar_free(&p->a);
    free(p);
}

/* ---- names: "s" source, "p" pool, "w" way, "u" and its kind a use ---- */

static struct slice name_of(struct arena *a, const char *kind, struct slice name)
{
    return ar_printf(a, "%s %.*s", kind, SLF(name));
}

static void *named(const struct source_plan *p, const char *kind, struct slice name)
{
    char room[SOURCE_VALUE_MAX + SOURCE_NAME_MAX + 8];
    size_t k = strlen(kind);
    if (k + 1 + name.n > sizeof room) return NULL;
    memcpy(room, kind, k);
    room[k] = ' ';
    if (name.n) memcpy(room + k + 1, name.p, name.n);
    return map_get(p->names, sl(room, k + 1 + name.n));
}

static void put_name(struct source_plan *p, const char *kind, struct slice name, void *v)
{
    map_put(p->names, name_of(&p->a, kind, name), v);
}

static const char *use_kind(enum source_by by)
{
    static const char *const kinds[] = {"uc", "ua", "ud", "us"};
    return kinds[by];
}

const struct source *source_find(const struct source_plan *p, struct slice name)
{
    return named(p, "s", name);
}

const struct source_way *source_way_named(const struct source_plan *p, struct slice name)
{
    return named(p, "w", name);
}

/* ---- ways ---- */

static int by_pool(const void *x, const void *y)
{
    const struct source *a = *(const struct source *const *)x, *b = *(const struct source *const *)y;
    int c = sl_cmp(a->pool, b->pool);
    return c ? c : sl_cmp(a->name, b->name);
}

/* Where in the sources in order of pools those of this one begin; *n: how many they are. */
static const struct source **of_pool(const struct source_plan *p, const struct source **all,
                                     struct slice pool, size_t *n)
{
    size_t low = 0, high = p->nsource;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (sl_cmp(all[mid]->pool, pool) < 0) low = mid + 1;
        else high = mid;
    }
    *n = 0;
    while (low + *n < p->nsource && sl_eq(all[low + *n]->pool, pool)) ++*n;
    return all + low;
}

static void add_way(struct source_plan *p, const struct source_way *w)
{
    p->way[p->nway] = *w;
    put_name(p, "w", w->name, &p->way[p->nway++]);
}

static void add_pool_way(struct source_plan *p, const struct source **all, const struct source_pool *pool)
{
    size_t own, more = 0;
    const struct source **mine = of_pool(p, all, pool->name, &own), **others = NULL;
    if (pool->overflow.n && !sl_eq(pool->overflow, pool->name))
        others = of_pool(p, all, pool->overflow, &more);
    if (!own) return;
    const struct source **v = ar_array(&p->a, const struct source *, own + more);
    memcpy(v, mine, own * sizeof *v);
    if (more) memcpy(v + own, others, more * sizeof *v);
    add_way(
        p, &(struct source_way){.name = pool->name, .v = v, .n = own + more, .own = own, .same = pool->same});
}

static void add_single_way(struct source_plan *p, const struct source *s)
{
    const struct source **v = ar_array(&p->a, const struct source *, 1);
    v[0] = s;
    add_way(p,
            &(struct source_way){ar_printf(&p->a, "%.*s/%.*s", SLF(s->pool), SLF(s->name)), v, 1, 1, false});
}

/* A pool need not have a row. */
static void complete_pools(struct source_plan *p)
{
    size_t room = p->npool;
    for (size_t i = 0; i < p->npool; i++) put_name(p, "p", p->pool[i].name, &p->pool[i]);
    for (size_t i = 0; i < p->nsource; i++) {
        if (named(p, "p", p->source[i].pool)) continue;
        if (p->npool == room) p->pool = ar_grow(&p->a, p->pool, &room, sizeof *p->pool);
        p->pool[p->npool] = (struct source_pool){.name = p->source[i].pool};
        put_name(p, "p", p->pool[p->npool].name, &p->pool[p->npool]);
        p->npool++;
    }
    for (size_t i = 0; i < p->npool; i++) put_name(p, "p", p->pool[i].name, &p->pool[i]); /* they moved */
}

static void give_logins(struct source_plan *p)
{
    for (size_t i = 0; i < p->nlogin; i++) {
        struct source *s = named(p, "s", p->login[i].name);
        if (s) s->user = p->login[i].user, s->password = p->login[i].password;
    }
}

void source_plan_finish(struct source_plan *p)
{
    for (size_t i = 0; i < p->nsource; i++) put_name(p, "s", p->source[i].name, &p->source[i]);
    give_logins(p);
    for (size_t i = 0; i < p->nuse; i++) put_name(p, use_kind(p->use[i].by), p->use[i].value, &p->use[i]);
    complete_pools(p);
    p->way = ar_array(&p->a, struct source_way, 1 + p->npool + p->nsource);
    p->turn = ar_array(&p->a, unsigned, 1 + p->npool + p->nsource);
    add_way(p, &(struct source_way){.name = SL("")});
    const struct source **all = ar_array(&p->a, const struct source *, p->nsource);
    for (size_t i = 0; i < p->nsource; i++) all[i] = &p->source[i];
    if (p->nsource) qsort(all, p->nsource, sizeof *all, by_pool);
    for (size_t i = 0; i < p->npool; i++) add_pool_way(p, all, &p->pool[i]);
    for (size_t i = 0; i < p->nsource; i++) add_single_way(p, &p->source[i]);
}

/* ---- choice ---- */

size_t source_turn(struct source_plan *p, const struct source_way *w)
{
    return w->own ? __atomic_fetch_add(&p->turn[w - p->way], 1, __ATOMIC_RELAXED) % w->own : 0;
}

static const struct source_way *bound_to(const struct source_plan *p, struct slice name)
{
    const struct source *s = source_find(p, name);
    char room[2 * SOURCE_NAME_MAX + 2];
    if (!s || s->pool.n + s->name.n + 1 > sizeof room) return NULL;
    memcpy(room, s->pool.p, s->pool.n);
    room[s->pool.n] = '/';
    memcpy(room + s->pool.n + 1, s->name.p, s->name.n);
    return source_way_named(p, sl(room, s->pool.n + 1 + s->name.n));
}

const struct source_way *source_choose(const struct source_plan *p, const struct source_query *q, bool *gone)
{
    const struct source_way *w = q->bound.n ? bound_to(p, q->bound) : NULL;
    *gone = q->bound.n && !w;
    for (int by = 0; !w && by < SOURCE_BYS; by++) {
        const struct source_use *u =
            q->by[by].n && p->nuse ? named(p, use_kind((enum source_by)by), q->by[by]) : NULL;
        if (u) w = source_way_named(p, u->pool);
    }
    if (!w) w = source_way_named(p, SL(SOURCE_MAIN));
    return w ? w : &p->way[0];
}
