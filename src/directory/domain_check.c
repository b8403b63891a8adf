/* domain_check.c - do the rows of a domain agree with each other? Read page by page, while they change: what
 * is found wrong is looked at again. */
#include <stdio.h>

#include "directory_i.h"

enum { ENOUGH = 1 };

static int look_for_enabled(void *arg, struct arena *a, struct slice domain, const struct kv_row *row)
{
    struct account acc;
    if (fiber_canceled()) return ERR_CANCELED;
    if (account_parse(a, local_from_key(a, row->key), domain, row->value, &acc) || acc.disabled) return 0;
    *(bool *)arg = true;
    return ENOUGH;
}

static int look_for_key(void *arg, struct arena *a, struct slice domain, const struct kv_row *row)
{
    struct dkim_key k = {0};
    (void)a, (void)domain;
    if (fiber_canceled()) return ERR_CANCELED;
    if (dkim_key_parse(row->value, &k) || k.state != DKIM_KEY_ACTIVE) return 0;
    *(bool *)arg = true;
    return ENOUGH;
}

static int any(struct directory *dir, struct slice domain, char kind, directory_row_fn *look, bool *yes)
{
    *yes = false;
    int e = directory_each(dir, domain, kind, look, yes);
    return e == ENOUGH ? 0 : e;
}

/* An account that is there and enabled, or of which nothing can be said. */
static int takes_duties(struct directory *dir, struct arena *a, const struct domain *d, bool *yes)
{
    struct account acc;
    struct slice row;
    int e = kv_get(dir->kv, domain_object(a, d->name), local_key(a, 'a', d->first), a, &row);
    if (!e) e = account_parse(a, d->first, d->name, row, &acc);
    *yes = err_is_damage(e) || (!e && !acc.disabled); /* damage is told of elsewhere */
    return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
}

struct faults {
    bool unsigned_, idle, nobody;
};

static int find_faults(struct directory *dir, struct arena *a, const struct domain *d, struct faults *out)
{
    bool signs, takes = true, enabled = false;
    int e = any(dir, d->name, 'k', look_for_key, &signs);
    if (!e && d->first.n) e = takes_duties(dir, a, d, &takes);
    if (!e && !d->first.n) e = any(dir, d->name, 'a', look_for_enabled, &enabled);
    *out = (struct faults){!signs, !takes, enabled};
    return e;
}

static void tell(const struct domain *d, const struct faults *x, void (*bad)(void *arg, const char *what),
                 void *arg)
{
    char text[ERR_TEXT_MAX];
    snprintf(text, sizeof text, "the domain %.*s has no DKIM key that signs", SLF(d->name));
    if (x->unsigned_) bad(arg, text);
    snprintf(text, sizeof text, "the domain %.*s: postmaster's mail falls to %.*s, no enabled account there",
             SLF(d->name), SLF(d->first));
    if (x->idle) bad(arg, text);
    snprintf(text, sizeof text,
             "the domain %.*s: postmaster's mail falls to nobody, though there are accounts", SLF(d->name));
    if (x->nobody) bad(arg, text);
}

int domain_check(struct directory *dir, struct slice name, void (*bad)(void *arg, const char *what),
                 void *arg)
{
    struct arena a = {0};
    struct domain d;
    struct faults x[2] = {{0}};
    int e = domain_get(dir, &a, name, &d);
    if (!e) e = find_faults(dir, &a, &d, &x[0]);
    bool found = !e && (x[0].unsigned_ || x[0].idle || x[0].nobody);
    if (found) e = domain_get(dir, &a, name, &d); /* it may have changed between two of these */
    if (found && !e) e = find_faults(dir, &a, &d, &x[1]);
    if (found && !e)
        tell(&d,
             &(struct faults){x[0].unsigned_ && x[1].unsigned_, x[0].idle && x[1].idle,
                              x[0].nobody && x[1].nobody},
             bad, arg);
    ar_free(&a);
    return e && err_is_temporary(e) && !err_is_damage(e) ? e : 0; /* removed; told of elsewhere */
}
