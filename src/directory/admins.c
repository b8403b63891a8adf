/* admins.c - accounts that administer a domain: rows of its object, by the accounts' ids, which are never
 * used again. */
#include "directory_i.h"
#include "kv/record.h"

enum { VERSION = 1 };

static struct slice admin_key(struct arena *a, struct slice id) { return ar_cat(a, SL("m:"), id); }

struct admin_change {
    struct slice key;
    struct buf row;
    bool on;
};

static int count_one(void *n, struct slice key, struct slice value)
{
    (void)key, (void)value;
    return ++*(size_t *)n > DOMAIN_ADMINS_MAX;
}

static int change_admin(struct kv_tx *tx, void *arg)
{
    const struct admin_change *c = arg;
    struct slice row;
    size_t n = 0;
    int e = kv_tx_get(tx, c->key, &row);
    if (!c->on) {
        if (!e) kv_tx_del(tx, c->key);
        return e;
    }
    if (e && e != ERR_NOT_FOUND) return e;
    bool fresh = e == ERR_NOT_FOUND;
    e = kv_tx_scan(tx, SL("m:"), SL("m;"), count_one, &n);
    if (e < 0) return e;
    if (fresh && n >= DOMAIN_ADMINS_MAX)
        return err_set(ERR_LIMIT, "a domain has at most %d administrators", DOMAIN_ADMINS_MAX);
    kv_tx_put_record(tx, c->key, &c->row);
    return 0;
}

int domain_admin_set(struct directory *dir, struct slice name, struct slice address, bool on)
{
    struct arena a;
    struct account acc;
    struct domain d;
    ar_init(&a, 0);
    struct admin_change c = {.row = BUF_INIT, .on = on};
    int e = domain_get(dir, &a, name, &d);
    if (!e && d.alias_of.n)
        e = err_set(ERR_STATE, "%.*s is an alias of %.*s: name that one", SLF(d.name), SLF(d.alias_of));
    if (!e) e = account_get(dir, &a, address, &acc);
    if (!e) {
        c.key = admin_key(&a, sl_cstr(acc.id));
        rec_begin(&c.row, VERSION);
        rec_put(&c.row, 'd', acc.address);
        e = directory_transact(dir, d.name, change_admin, &c);
        if (e == ERR_NOT_FOUND && !on)
            err_set(e, "%.*s does not administer %.*s", SLF(acc.address), SLF(d.name));
    }
    buf_free(&c.row);
    ar_free(&a);
    return e;
}

/* Whatever else the domain says: a damaged row of it keeps no account. Asked first, for most have no right.
 */
int domain_admin_forget(struct directory *dir, struct slice domain, const char *id)
{
    struct arena a = {0};
    bool is = false;
    int e = domain_admin_is(dir, domain, id, &is);
    if (!e && is) e = directory_delete(dir, domain, admin_key(&a, sl_cstr(id)));
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int domain_admin_is(struct directory *dir, struct slice domain, const char *id, bool *yes)
{
    struct arena a;
    struct slice row;
    ar_init(&a, 0);
    int e = kv_get(dir->kv, domain_object(&a, domain), admin_key(&a, sl_cstr(id)), &a, &row);
    *yes = !e;
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int domain_admins(struct directory *dir, struct arena *a, struct slice domain, struct slice **out, size_t *n)
{
    struct kv_page page;
    *n = 0;
    int e = kv_scan(dir->kv, domain_object(a, domain), SL("m:"), SL("m;"), DOMAIN_ADMINS_MAX, a, &page);
    if (e) return e;
    *out = ar_array(a, struct slice, page.n);
    for (size_t i = 0; i < page.n; i++) {
        struct slice *to = &(*out)[(*n)++], id = sl_from(page.row[i].key, 2);
        if (domain_admin_parse(page.row[i].value, to) || !to->n) *to = ar_cat(a, SL("account "), id);
    }
    return 0;
}
