/* domain.c - a domain: added, removed, changed; and opening the directory, which finishes what was cut off.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "directory_i.h"
#include "dns/dns.h"

/* A removed domain may have left accounts whose erasure is not over. */
static int open_domain(void *arg, struct slice object)
{
    struct directory *dir = arg;
    struct arena a;
    struct slice row, name = sl_from(object, 2);
    ar_init(&a, 0);
    int e = kv_get(dir->kv, object, SL("."), &a, &row);
    if (!e) {
        struct domain d = {0};
        directory_remember(dir, name, true, directory_next_turn(dir));
        if (domain_parse(row, &d))
            log_error("directory", "the row of the domain %.*s is damaged: what is set for it is not known",
                      SLF(name));
    }
    ar_free(&a);
    if (e && e != ERR_NOT_FOUND) return e;
    e = accounts_finish(dir, name);
    if (e) log_warn("directory", "accounts of %.*s are not erased yet: %s", SLF(name), err_text(e));
    return 0;
}

int directory_open(struct directory **out, struct kv *kv, const struct account_home *home)
{
    ASSERT(kv && home->make && home->made_as && home->erase);
    struct directory *dir = *out = xcalloc(1, sizeof *dir);
    dir->kv = kv;
    dir->home = *home;
    map_init(&dir->domains, true);
    int e = kv_each_object(kv, SL("d:"), SL("d;"), open_domain, dir);
    if (e) directory_close(out);
    return e;
}

void directory_keep_sha1(struct directory *dir) { dir->keep_sha1 = true; }

void directory_close(struct directory **dir)
{
    if (!*dir) return;
    map_free(&(*dir)->domains);
    free((*dir)->first);
    free(*dir);
    *dir = NULL;
}

static int check_domain_name(struct arena *a, struct slice name, struct slice *ascii)
{
    int e = dns_to_ascii(a, name, ascii);
    if (!e && ascii->n > LIMIT_DOMAIN_HERE)
        return err_set(ERR_SYNTAX, "a mail domain here can have %d bytes at most", LIMIT_DOMAIN_HERE);
    if (!e && !dns_is_fqdn(*ascii)) e = ERR_SYNTAX;
    if (e)
        err_set(e, "%.*s cannot be a mail domain: it needs the form name.tld", SLF(printable(a, name, 100)));
    return e;
}

struct addition {
    struct directory *dir;
    struct domain d;
    const struct dkim_key *key;
    size_t nkeys;
    uint64_t turn;
};

static int add_domain(struct kv_tx *tx, void *arg)
{
    struct addition *x = arg;
    struct slice row;
    int e = kv_tx_get(tx, SL("."), &row);
    x->turn = directory_next_turn(x->dir);
    if (e != ERR_NOT_FOUND) return e ? e : ERR_EXISTS;
    domain_tx_put(tx, &x->d);
    for (size_t i = 0; i < x->nkeys; i++) dkim_key_put(tx, &x->key[i]);
    return 0;
}

/* After a transaction of which nobody knows whether it was done (ERR_UNKNOWN), what is there counts. */
static void look_again(struct directory *dir, struct slice name, uint64_t turn)
{
    struct arena a;
    struct slice row;
    ar_init(&a, 0);
    int e = kv_get(dir->kv, domain_object(&a, name), SL("."), &a, &row);
    if (!e || e == ERR_NOT_FOUND) directory_remember(dir, name, !e, turn);
    ar_free(&a);
}

/* What an alias domain stands for is here and stands for itself. */
static int check_alias_of(struct directory *dir, struct arena *a, struct slice of, struct slice *out)
{
    struct domain d = {0};
    int e = domain_get(dir, a, of, &d);
    if (!e && d.alias_of.n)
        e = err_set(ERR_STATE, "%.*s is an alias of %.*s itself: name that one", SLF(d.name),
                    SLF(d.alias_of));
    *out = d.name;
    return e;
}

static int add(struct directory *dir, struct slice name, bool keys, struct slice of)
{
    struct arena a;
    struct dkim_key pair[2];
    ar_init(&a, 0);
    struct addition x = {.dir = dir, .d.created = rt_wall_seconds()};
    int e = check_domain_name(&a, name, &x.d.name);
    if (!e && of.n) e = check_alias_of(dir, &a, of, &x.d.alias_of);
    if (!e && keys) {
        e = dkim_keys_make(&a, pair);
        x.key = pair;
        x.nkeys = 2;
    }
    if (!e) e = kv_transact(dir->kv, domain_object(&a, x.d.name), add_domain, &x);
    if (e == ERR_EXISTS) err_set(e, "the domain %.*s is here already", SLF(x.d.name));
    if (!e) directory_remember(dir, x.d.name, true, x.turn);
    if (e == ERR_UNKNOWN) look_again(dir, x.d.name, x.turn);
    directory_changed(dir);
    for (size_t i = 0; i < x.nkeys; i++) wipe((char *)pair[i].pem.p, pair[i].pem.n);
    ar_free(&a);
    return e;
}

int domain_add(struct directory *dir, struct slice name) { return add(dir, name, false, SL("")); }
int domain_add_with_keys(struct directory *dir, struct slice name) { return add(dir, name, true, SL("")); }
int domain_add_alias(struct directory *dir, struct slice name, struct slice of)
{
    return add(dir, name, true, of);
}

struct removal {
    struct directory *dir;
    struct slice domain;
    uint64_t turn;
};

static int found_one(void *arg, struct slice key, struct slice value)
{
    (void)arg, (void)key, (void)value;
    return 1;
}

/* The tombstones of accounts stay: they are needed until the erasures are over. */
static int remove_domain(struct kv_tx *tx, void *arg)
{
    struct removal *r = arg;
    struct slice row;
    int e = kv_tx_get(tx, SL("."), &row);
    r->turn = directory_next_turn(r->dir);
    if (e) return e;
    e = kv_tx_scan(tx, SL("a:"), SL("a;"), found_one, NULL);
    if (e) return e == 1 ? ERR_STATE : e;
    kv_tx_erase(tx, SL(""), SL("x:"));
    kv_tx_erase(tx, SL("x;"), SL(""));
    return 0;
}

/* Mail for an alias domain would go nowhere. */
static int no_alias_domains(struct directory *dir, struct arena *a, struct slice name)
{
    struct domain *d;
    size_t n;
    int e = domain_list(dir, a, &d, &n);
    for (size_t i = 0; !e && i < n; i++)
        if (sl_eq(d[i].alias_of, name))
            e = err_set(ERR_STATE, "%.*s is an alias of %.*s: remove it first", SLF(d[i].name), SLF(name));
    return e;
}

int domain_remove(struct directory *dir, struct slice name)
{
    struct arena a;
    ar_init(&a, 0);
    struct removal r = {.dir = dir};
    int e = check_domain_name(&a, name, &r.domain);
    bool said = !e && (e = no_alias_domains(dir, &a, r.domain)) != 0;
    if (!e) e = kv_transact(dir->kv, domain_object(&a, r.domain), remove_domain, &r);
    if (e == ERR_NOT_FOUND) err_set(e, "the domain %.*s is not here", SLF(r.domain));
    if (e == ERR_STATE && !said)
        err_set(e, "the domain %.*s still has accounts: remove them first (`tram account list`)",
                SLF(r.domain));
    if (!e) directory_remember(dir, r.domain, false, r.turn);
    if (e == ERR_UNKNOWN) look_again(dir, r.domain, r.turn);
    directory_changed(dir);
    ar_free(&a);
    return e;
}

int domain_get(struct directory *dir, struct arena *a, struct slice name, struct domain *out)
{
    struct slice row;
    *out = (struct domain){0};
    int e = domain_name(a, name, &out->name);
    if (!e) e = kv_get(dir->kv, domain_object(a, out->name), SL("."), a, &row);
    if (e == ERR_NOT_FOUND) return err_set(e, "the domain %.*s is not here", SLF(out->name));
    return e ? e : domain_parse(row, out);
}

static int by_name(const void *x, const void *y)
{
    const struct domain *a = x, *b = y;
    return sl_cmp(a->name, b->name);
}

int domain_list(struct directory *dir, struct arena *a, struct domain **out, size_t *n)
{
    struct slice *names;
    size_t all;
    directory_domains(dir, a, &names, &all);
    *out = ar_array(a, struct domain, all);
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        int e = domain_get(dir, a, names[i], &(*out)[*n]);
        if (e == ERR_NOT_FOUND) continue;
        if (err_is_damage(e)) (*out)[*n].damage = row_damage(a, e);
        else if (e) return e;
        ++*n;
    }
    if (*n) qsort(*out, *n, sizeof **out, by_name);
    return 0;
}

static int set_catch_all(struct kv_tx *tx, void *arg)
{
    struct domain d;
    int e = domain_tx(tx, &d);
    if (e) return e;
    d.catch_all = *(struct slice *)arg;
    domain_tx_put(tx, &d);
    return 0;
}

int domain_set_catch_all(struct directory *dir, struct slice name, struct slice address)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice domain;
    int e = domain_name(&a, name, &domain);
    if (!e && address.n) e = alias_target(dir, &a, address, &address);
    if (!e) e = directory_transact(dir, domain, set_catch_all, &address);
    ar_free(&a);
    return e;
}

static int set_sts(struct kv_tx *tx, void *arg)
{
    struct domain d;
    int e = domain_tx(tx, &d);
    if (e) return e;
    d.sts = *(enum domain_sts *)arg;
    domain_tx_put(tx, &d);
    return 0;
}

int domain_set_sts(struct directory *dir, struct slice name, enum domain_sts sts)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice domain;
    int e = domain_name(&a, name, &domain);
    if (!e) e = directory_transact(dir, domain, set_sts, &sts);
    ar_free(&a);
    return e;
}

int directory_row_check(struct arena *a, struct slice key, struct slice value)
{
    struct domain d = {0};
    struct account acc;
    struct alias alias;
    struct dkim_key k = {0};
    struct slice admin, local;
    struct maillist list;
    struct maillist_member member = {0};
    if (sl_starts(key, SL("L:"))) return maillist_parse(a, sl_from(key, 2), SL(""), value, &list);
    if (sl_starts(key, SL("M:"))) return maillist_member_parse(value, &member);
    if (sl_starts(key, SL("m:"))) return domain_admin_parse(value, &admin);
    if (sl_eq(key, SL("."))) return domain_parse(value, &d);
    if (sl_starts(key, SL("a:"))) return account_parse(a, sl_from(key, 2), SL(""), value, &acc);
    if (sl_starts(key, SL("l:"))) return alias_parse(a, value, &alias);
    if (sl_starts(key, SL("e:"))) return elsewhere_parse(value, &local);
    return sl_starts(key, SL("k:")) ? dkim_key_parse(value, &k) : 0;
}
