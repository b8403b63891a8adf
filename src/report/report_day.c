/* report_day.c - the days that reports are made of: their names, and their end. */
#include "report_day.h"

#include <stdio.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"

bool report_day_of(struct slice object, struct slice prefix, int64_t *day)
{
    uint64_t n;
    if (object.n != prefix.n + 8 || !num_u64(sl_from(object, prefix.n), 99991231, &n)) return false;
    struct civil c = {.year = (int)(n / 10000), .month = (int)(n / 100 % 100), .day = (int)(n % 100)};
    return civil_to_unix(&c, day);
}

struct left { /* domains about which something was not told */
    char name[KV_KEY_MAX + 1], first[KV_KEY_MAX + 1];
    size_t n;
};

static void count_left(struct left *l, struct slice key)
{
    struct slice name = sl_from(key, 2);
    name = sl_sub(name, 0, sl_chr(name, '/') == SL_NONE ? name.n : sl_chr(name, '/'));
    if (l->n && sl_eq(name, sl_cstr(l->name))) return; /* another policy of the same */
    snprintf(l->name, sizeof l->name, "%.*s", SLF(name));
    if (!l->n++) memcpy(l->first, l->name, sizeof l->first);
}

static int find_left(struct kv *kv, struct slice object, struct left *l)
{
    struct arena a = {0}, next = {0};
    struct kv_page page = {.more = true};
    struct slice from = SL("p/");
    int e = 0;
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_walk(kv, object, from, SL("p0"), KV_PAGE_MAX, &a, &page);
        if (e || !page.n) break;
        for (size_t i = 0; i < page.n; i++) count_left(l, page.row[i].key);
        ar_reset(&next);
        from = kv_after(&next, page.row[page.n - 1].key);
    }
    ar_free(&a);
    ar_free(&next);
    return e;
}

int report_day_erase(struct kv *kv, struct slice object, const char *what)
{
    struct left l = {0};
    int e = find_left(kv, object, &l);
    if (e && !err_is_damage(e)) return e;
    if (e)
        log_error("report", "%s of a day (%.*s) are given up, and cannot be read: %s", what, SLF(object),
                  err_text(e));
    else if (l.n)
        log_warn("report",
                 "%s about %zu domains, the first of them %s, are given up: none was taken in all the "
                 "days since %.*s, or what they are made of cannot be read",
                 what, l.n, l.first, SLF(sl_from(object, sl_chr(object, ':') + 1)));
    return kv_erase(kv, object, SL(""), SL(""));
}
