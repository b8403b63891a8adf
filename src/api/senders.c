/* senders.c - domains of customers by numbers. */
#include "senders.h"

#include "base/log.h"
#include "base/text.h"
#include "store/store.h"

int64_t sender_number(const struct sending_domain *d)
{
    uint64_t n = 0;
    (void)num_hex64(sl_from(d->selector, 1), &n); /* "t" and 12 hex digits */
    return (int64_t)(n & ((1ull << 48) - 1));
}

int64_t sender_account_number(const struct http_call *c)
{
    return (int64_t)(hash_stable(sl_cstr(c->key.account->id), false) >> 16);
}

bool sender_has(const struct sending_domain *d, unsigned bits)
{
    return d->verified && (d->found & bits) == bits;
}

struct walking {
    int (*each)(void *arg, const struct sending_domain *d);
    void *arg;
    int64_t number;
    struct slice name; /* in a */
    struct arena *a;
};

static int readable(void *arg, const struct sending_domain *d)
{
    const struct walking *w = arg;
    return d->damage.n ? 0 : w->each(w->arg, d);
}

int sender_each(struct http_call *c, int (*each)(void *arg, const struct sending_domain *d), void *arg)
{
    return sending_domain_each(api_of(c)->core->store->directory, c->key.account->id, readable,
                               &(struct walking){.each = each, .arg = arg});
}

static int look_for(void *arg, const struct sending_domain *d)
{
    struct walking *w = arg;
    if (sender_number(d) != w->number) return 0;
    w->name = ar_dup(w->a, d->name);
    return 1;
}

int sender_find(struct http_call *c, struct slice named, struct sending_domain *out)
{
    struct walking w = {.a = c->a, .name = named};
    uint64_t number;
    if (num_u64(named, INT64_MAX, &number)) {
        w.number = (int64_t)number;
        int e = sender_each(c, look_for, &w);
        if (e != 1)
            return e ? e : err_set(ERR_NOT_FOUND, "no domain of the account has the number %.*s", SLF(named));
    } else if (sl_starts(named, SL("*@"))) {
        w.name = sl_from(named, 2);
    }
    return sending_domain_get(api_of(c)->core->store->directory, c->a, c->key.account->id, w.name, out);
}

int sender_verify(struct http_call *c, struct sending_domain *d)
{
    return sending_verify(api_of(c)->core, c->a, c->key.account->id, d->name, d);
}

int sender_glance(struct http_call *c, struct sending_domain *d)
{
    return sending_glance(api_of(c)->core, c->a, c->key.account->id, d->name, d);
}
