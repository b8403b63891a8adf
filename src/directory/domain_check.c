/* domain_check.c - do the rows of a domain agree with each other? */
#include <stdio.h>

#include "directory_i.h"

struct domain_rows {
    struct arena a;
    struct slice first; /* whom the duties fall to */
    size_t enabled, unreadable;
    bool first_enabled, signs;
};

static int look_at_account(void *arg, struct slice key, struct slice value)
{
    struct domain_rows *d = arg;
    struct account acc;
    ar_reset(&d->a);
    struct slice local = local_from_key(&d->a, key);
    if (account_parse(&d->a, local, (struct slice){0}, value, &acc)) d->unreadable++; /* told of elsewhere */
    else if (!acc.disabled) d->enabled++, d->first_enabled |= sl_eq(local, d->first);
    return 0;
}

static int look_at_key(void *arg, struct slice key, struct slice value)
{
    struct domain_rows *d = arg;
    struct dkim_key k = {0};
    (void)key;
    d->signs |= dkim_key_parse(value, &k) == 0 && k.state == DKIM_KEY_ACTIVE;
    return 0;
}

int domain_check(struct kv_tx *tx, void (*bad)(void *arg, const char *what), void *arg)
{
    struct domain row;
    char text[ERR_TEXT_MAX];
    int e = domain_tx(tx, &row);
    if (e) return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e; /* removed; told of elsewhere */
    struct domain_rows d = {.first = row.first};
    ar_init(&d.a, 0);
    e = kv_tx_scan(tx, SL("a:"), SL("a;"), look_at_account, &d);
    if (e == 0) e = kv_tx_scan(tx, SL("k:"), SL("k;"), look_at_key, &d);
    ar_free(&d.a);
    if (e) return e;
    if (!d.signs) {
        snprintf(text, sizeof text, "the domain %.*s has no DKIM key that signs", SLF(row.name));
        bad(arg, text);
    }
    if (d.unreadable) return 0; /* he may be one of those */
    if (row.first.n && !d.first_enabled) {
        snprintf(text, sizeof text,
                 "the domain %.*s: postmaster's mail falls to %.*s, no enabled account there", SLF(row.name),
                 SLF(row.first));
        bad(arg, text);
    }
    if (!row.first.n && d.enabled) {
        snprintf(text, sizeof text,
                 "the domain %.*s: postmaster's mail falls to nobody, though there are accounts",
                 SLF(row.name));
        bad(arg, text);
    }
    return 0;
}
