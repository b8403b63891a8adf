/* sends_each.c - the accounts that have objects of a kind of ours, one after the other. */
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
