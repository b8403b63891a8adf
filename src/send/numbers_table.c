/* numbers_table.c - numbers of some days for who asks, added up as wanted; and what is old forgotten. */
#include <stdio.h>
#include <stdlib.h>

#include "base/civil.h"
#include "base/log.h"
#include "numbers_i.h"
#include "rt/rt.h"
#include "standing.h"

enum { PAGE = 200, CATCH_UP = 40 };

struct gathering {
    struct sends *s;
    const struct numbers_ask *ask;
    struct arena *a;
    struct slice object;
    struct map rows; /* by day and name -> struct numbers_row */
    struct map names;
    bool only_names;
    char key[300];
};

int64_t numbers_period(const struct numbers_ask *ask, int64_t day)
{
    int64_t first = day;
    if (ask->each == NUMBERS_WHOLE) first = ask->from;
    if (ask->each == NUMBERS_WEEK) first = day - (day + 3) % 7; /* 1970 began on a Thursday */
    if (ask->each == NUMBERS_MONTH) first = day - (civil_from_unix(day * 86400).day - 1);
    return first < ask->from ? ask->from : first;
}

static int row_of(struct gathering *g, int64_t day, struct slice name, struct numbers_row **out)
{
    int n = snprintf(g->key, sizeof g->key, "%lld %.*s", (long long)day, SLF(sl_sub(name, 0, 255)));
    struct slice key = sl(g->key, (size_t)n);
    if ((*out = map_get(&g->rows, key))) return 0;
    if (g->rows.count >= NUMBERS_ROWS_MAX)
        return err_set(ERR_LIMIT, "these are more than %d rows: ask for fewer days, or for one name",
                       NUMBERS_ROWS_MAX);
    struct numbers_row *r = *out = ar_new(g->a, struct numbers_row);
    *r = (struct numbers_row){.day = day, .name = ar_dup(g->a, name)};
    map_put(&g->rows, key, r);
    return 0;
}

static int take(struct gathering *g, int64_t day, struct slice row)
{
    struct numbers n;
    struct numbers_row *r;
    struct slice name;
    int e = numbers_get(row, &name, &n);
    if (e) {
        log_error("send", "numbers of %.*s cannot be read and are missing in what is told", SLF(g->object));
        return 0;
    }
    e = row_of(g, g->only_names ? 0 : numbers_period(g->ask, day), name, &r);
    if (!e && !g->only_names) numbers_add(&r->n, &n);
    return e;
}

static int take_one(struct gathering *g, int64_t day)
{
    struct arena a = {0};
    struct slice row;
    int e = kv_get(g->s->store->kv, g->object, numbers_key(g->ask->by, day, g->ask->name, &a), &a, &row);
    if (!e) e = take(g, day, row);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int take_all(struct gathering *g, int64_t day)
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    struct slice from = numbers_prefix(g->ask->by, day, &a), to = kv_prefix_end(&a, from);
    int e = 0;
    while (!e && page.more) {
        e = kv_scan(g->s->store->kv, g->object, from, to, PAGE, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) e = take(g, day, page.row[i].value);
        if (!page.n) break;
        from = kv_after(&a, page.row[page.n - 1].key);
    }
    ar_free(&a);
    return e;
}

static int by_day_and_name(const void *x, const void *y)
{
    const struct numbers_row *a = x, *b = y;
    return a->day != b->day ? (a->day < b->day ? -1 : 1) : sl_cmp(a->name, b->name);
}

static int gather(struct gathering *g)
{
    int64_t today = rt_wall_seconds() / 86400, from = g->ask->from, to = g->ask->to;
    bool more = true;
    int e = 0;
    if (from < today - NUMBERS_KEEP_DAYS) from = today - NUMBERS_KEEP_DAYS; /* nothing is older */
    if (to > today + 1) to = today + 1; /* nor of later days, but for clocks */
    map_init(&g->rows, false);
    g->object = numbers_object(g->ask->account, g->a);
    for (int i = 0; !e && more && i < CATCH_UP; i++) e = numbers_count(g->s, g->ask->account, &more);
    for (int64_t day = from; !e && day <= to; day++)
        e = g->ask->name.n || g->ask->by == NUMBERS_BY_ALL ? take_one(g, day) : take_all(g, day);
    return e;
}

int numbers_table(struct sends *s, const struct numbers_ask *ask, struct arena *a, struct numbers_row **out,
                  size_t *n)
{
    struct gathering g = {.s = s, .ask = ask, .a = a};
    struct map_iter it = {0};
    int e = gather(&g);
    *n = 0;
    *out = ar_array(a, struct numbers_row, g.rows.count);
    while (!e && map_next(&g.rows, &it)) (*out)[(*n)++] = *(struct numbers_row *)it.value;
    if (*n) qsort(*out, *n, sizeof **out, by_day_and_name);
    map_free(&g.rows);
    return e;
}

static int by_bytes(const void *x, const void *y)
{
    return sl_cmp(*(const struct slice *)x, *(const struct slice *)y);
}

int numbers_names(struct sends *s, const struct numbers_ask *ask, struct arena *a, struct slice **out,
                  size_t *n)
{
    struct gathering g = {.s = s, .ask = ask, .a = a, .only_names = true};
    struct map_iter it = {0};
    int e = gather(&g);
    *n = 0;
    *out = ar_array(a, struct slice, g.rows.count);
    while (!e && map_next(&g.rows, &it)) {
        const struct numbers_row *r = it.value;
        if (r->name.n) (*out)[(*n)++] = r->name;
    }
    if (*n) qsort(*out, *n, sizeof **out, by_bytes);
    map_free(&g.rows);
    return e;
}

/* ---- care ---- */

static int forget_old(struct sends *s, struct slice account)
{
    struct arena a = {0};
    struct slice object = numbers_object(account, &a);
    int64_t before = rt_wall_seconds() / 86400 - NUMBERS_KEEP_DAYS + 1;
    int e = 0;
    for (int by = 0; !e && by < NUMBERS_BY_COUNT; by++) {
        struct slice to = numbers_prefix((enum numbers_by)by, before, &a);
        struct slice from = sl_sub(to, 0, 2); /* KIND/ */
        e = kv_erase(s->store->kv, object, from, to);
        if (!e) e = kv_erase(s->store->kv, object, ar_cat(&a, SL("n/"), from), ar_cat(&a, SL("n/"), to));
    }
    if (!e) e = standing_care(s, object);
    ar_free(&a);
    return e;
}

int numbers_care(struct sends *s) { return sends_each_account(s, 'm', "rid of old numbers", forget_old); }
