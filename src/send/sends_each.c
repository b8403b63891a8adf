/* sends_each.c - one after the other: the accounts that have objects of a kind of ours, and rows of the
 * common object. */
#include <stdio.h>

#include "send_i.h"

enum { STOPPING = 1 };

struct visiting {
    struct sends *s;
    const char *doing;
    sends_account *visit;
};

static int visit_one(void *arg, struct slice object)
{
    const struct visiting *v = arg;
    if (v->s->stopping) return STOPPING;
    return kv_passed_over(object, v->doing, v->visit(v->s, sl_from(object, 2)));
}

int sends_each_account(struct sends *s, char kind, const char *doing, sends_account *visit)
{
    char from[] = {kind, ':', 0}, to[] = {kind, ';', 0};
    struct visiting v = {s, doing, visit};
    int e = kv_each_object(s->store->kv, sl_cstr(from), sl_cstr(to), visit_one, &v);
    return e == STOPPING ? 0 : e;
}

int sends_each_row(struct sends *s, const char *kind, struct slice account, sends_row *visit, void *arg)
{
    enum { PAGE = 100 };
    struct arena a = {0}, keep = {0};
    struct kv_page page = {.more = true};
    struct slice prefix = ar_printf(&keep, account.n ? "%s/%.*s/" : "%s/", kind, SLF(account));
    struct slice end = kv_prefix_end(&keep, prefix), from = prefix;
    char last[KV_KEY_MAX + 2];
    int e = 0;
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(s->store->kv, SL(SENDS_OBJECT), from, end, PAGE, &a, &page);
        if (e || !page.n) break;
        from = sl(last, (size_t)snprintf(last, sizeof last, "%.*s ", SLF(page.row[page.n - 1].key)));
        for (size_t i = 0; !e && i < page.n; i++) e = visit(s, &page.row[i], &a, arg);
    }
    ar_free(&a);
    ar_free(&keep);
    return e;
}
