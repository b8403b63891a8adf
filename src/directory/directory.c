/* directory.c - the domains that are here, and the rows of their objects. */
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

#include "base/log.h"
#include "base/text.h"
#include "directory_i.h"
#include "dns/dns.h"
#include "kv/record.h"
#include "mail/addr.h"

enum { DOMAIN_VERSION = 1 };

struct slice domain_object(struct arena *a, struct slice domain) { return ar_cat(a, SL("d:"), domain); }

static bool plain_in_key(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '.' || c == '+' || c == '_' || c == '-';
}

struct slice local_key(struct arena *a, char kind, struct slice local)
{
    char *p = ar_alloc(a, 2 + 3 * local.n + 1);
    size_t n = 0;
    p[n++] = kind, p[n++] = ':';
    for (size_t i = 0; i < local.n; i++) {
        char c = sl_lower(local.p[i]);
        if (plain_in_key(c)) {
            p[n++] = c;
        } else {
            p[n++] = '%';
            p[n++] = "0123456789abcdef"[(unsigned char)c >> 4];
            p[n++] = "0123456789abcdef"[c & 15];
        }
    }
    return sl(p, n);
}

struct slice local_from_key(struct arena *a, struct slice key)
{
    key = sl_from(key, 2);
    char *p = ar_alloc(a, key.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < key.n; i++) {
        uint64_t byte;
        if (key.p[i] == '%' && i + 2 < key.n && num_hex64(sl_sub(key, i + 1, i + 3), &byte)) {
            p[n++] = (char)byte;
            i += 2;
        } else {
            p[n++] = key.p[i];
        }
    }
    return sl(p, n);
}

struct slice local_name(struct arena *a, struct slice local)
{
    size_t n = 0;
    if (is_ascii(local)) return ar_lower(a, local);
    uint8_t *p = u8_tolower((const uint8_t *)local.p, local.n, NULL, UNINORM_NFC, NULL, &n);
    if (!p) return ar_lower(a, local); /* no UTF-8: address_split() refuses it */
    struct slice out = ar_dup(a, sl((char *)p, n));
    free(p);
    return out;
}

int domain_name(struct arena *a, struct slice name, struct slice *out)
{
    int e = dns_to_ascii(a, name, out);
    if (e) err_set(e, "%.*s is no domain", SLF(printable(a, name, 100)));
    return e;
}

int address_split(struct arena *a, struct slice address, struct slice *local, struct slice *domain)
{
    struct slice d;
    int e = mail_addr_split(a, address, local, &d);
    if (e)
        return err_set(ERR_SYNTAX, "%.*s is not an address of the form name@domain",
                       SLF(printable(a, address, 100)));
    if (d.n && d.p[0] == '[')
        return err_set(ERR_SYNTAX, "%.*s has an address literal where a domain is needed", SLF(address));
    return domain_name(a, d, domain);
}

int address_split_here(struct directory *dir, struct arena *a, struct slice address, struct slice *local,
                       struct slice *domain)
{
    bool here;
    int e = address_split(a, address, local, domain);
    if (!e) e = domain_is_local(dir, *domain, &here);
    if (e) return e;
    if (!here) return domain_not_here(*domain);
    *local = local_name(a, *local);
    if (local->n > LOCAL_PART_MAX)
        return err_set(ERR_SYNTAX, "the part before the @ is longer than %d bytes", LOCAL_PART_MAX);
    return 0;
}

int domain_not_here(struct slice domain)
{
    return err_set(ERR_NOT_FOUND, "the domain %.*s is not here: add it with `tram domain add %.*s`",
                   SLF(domain), SLF(domain));
}

/* ---- changing ---- */

struct change {
    kv_fn *fn;
    void *arg;
    bool gone;
};

/* The domain may have been removed since somebody looked. */
static int change(struct kv_tx *tx, void *arg)
{
    struct change *c = arg;
    struct slice row;
    int e = kv_tx_get(tx, SL("."), &row);
    c->gone = e == ERR_NOT_FOUND;
    return e ? e : c->fn(tx, c->arg);
}

int directory_transact(struct directory *dir, struct slice domain, kv_fn *fn, void *arg)
{
    struct arena a;
    ar_init(&a, 0);
    struct change c = {.fn = fn, .arg = arg};
    int e = kv_transact(dir->kv, domain_object(&a, domain), change, &c);
    directory_changed(dir);
    ar_free(&a);
    return e == ERR_NOT_FOUND && c.gone ? domain_not_here(domain) : e;
}

static int delete_one(struct kv_tx *tx, void *arg)
{
    struct slice *key = arg, row;
    int e = kv_tx_get(tx, *key, &row);
    if (!e) kv_tx_del(tx, *key);
    return e;
}

int directory_delete(struct directory *dir, struct slice domain, struct slice key)
{
    return directory_transact(dir, domain, delete_one, &key);
}

void directory_changed(struct directory *dir) { __atomic_add_fetch(&dir->generation, 1, __ATOMIC_ACQ_REL); }
uint64_t directory_generation(struct directory *dir)
{
    return __atomic_load_n(&dir->generation, __ATOMIC_ACQUIRE);
}

/* ---- which domains are here ---- */

/* Whoever waited for an earlier transaction may come later: the one with the higher number is right. */
static uint64_t next_turn(struct directory *d) { return __atomic_add_fetch(&d->turn, 1, __ATOMIC_ACQ_REL); }

static void remember(struct directory *d, struct slice domain, bool here, uint64_t turn)
{
    lock_take(&d->lock);
    if ((uintptr_t)map_get(&d->domains, domain) >> 1 < turn)
        map_put(&d->domains, domain, (void *)((uintptr_t)turn << 1 | here));
    lock_release(&d->lock);
}

static bool is_here(void *value) { return (uintptr_t)value & 1; }

void directory_domains(struct directory *dir, struct arena *a, struct slice **names, size_t *n)
{
    lock_take(&dir->lock);
    *names = ar_array(a, struct slice, dir->domains.count);
    *n = 0;
    struct map_iter it = {0};
    while (map_next(&dir->domains, &it))
        if (is_here(it.value)) (*names)[(*n)++] = ar_dup(a, it.key);
    lock_release(&dir->lock);
}

bool row_is_unreadable(int e) { return e == ERR_CORRUPT || e == ERR_VERSION; }

struct slice row_damage(struct arena *a, int e) { return ar_printf(a, "%s", err_text(e)); }

/* A removed domain may have left accounts whose erasure is not over. */
static int domain_parse(struct slice row, struct domain *out);

static int open_domain(struct directory *dir, struct arena *a, struct slice object)
{
    struct slice row, name = sl_from(object, 2);
    int e = kv_get(dir->kv, object, SL("."), a, &row);
    if (e && e != ERR_NOT_FOUND) return e;
    if (!e) {
        struct domain d;
        remember(dir, name, true, next_turn(dir));
        if (domain_parse(row, &d))
            log_error("directory", "the row of the domain %.*s is damaged: what is set for it is not known",
                      SLF(name));
    }
    e = accounts_finish(dir, name);
    if (e) log_warn("directory", "accounts of %.*s are not erased yet: %s", SLF(name), err_text(e));
    return 0;
}

int directory_open(struct directory **out, struct kv *kv, const struct account_home *home)
{
    struct directory *dir = *out = xcalloc(1, sizeof *dir);
    dir->kv = kv;
    dir->home = *home;
    map_init(&dir->domains, true);
    struct arena a;
    ar_init(&a, 0);
    struct slice from = SL("d:"), *name;
    size_t n;
    bool more = true;
    int e = 0;
    while (!e && more) {
        e = kv_objects(kv, from, SL("d;"), 1000, &a, &name, &n, &more);
        for (size_t i = 0; !e && i < n; i++) e = open_domain(dir, &a, name[i]);
        if (!e && n) from = kv_after(&a, name[n - 1]);
    }
    ar_free(&a);
    if (e) directory_close(out);
    return e;
}

void directory_close(struct directory **dir)
{
    if (!*dir) return;
    map_free(&(*dir)->domains);
    free((*dir)->first);
    free(*dir);
    *dir = NULL;
}

int domain_is_local(struct directory *dir, struct slice name, bool *yes)
{
    struct arena a;
    ar_init(&a, 0);
    *yes = false;
    if (dns_to_ascii(&a, name, &name) == 0) { /* what can be no domain is none of ours */
        lock_take(&dir->lock);
        *yes = is_here(map_get(&dir->domains, name));
        lock_release(&dir->lock);
    }
    ar_free(&a);
    return 0;
}

/* ---- a domain ---- */

static void domain_record(struct buf *b, const struct domain *d)
{
    rec_begin(b, DOMAIN_VERSION);
    rec_put_u64(b, 'c', (uint64_t)d->created);
    rec_opt(b, 'a', d->catch_all);
    rec_opt(b, 'o', d->first);
}

static int domain_parse(struct slice row, struct domain *out)
{
    struct rec r;
    int e = rec_open(&r, row, DOMAIN_VERSION);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 'c': out->created = (int64_t)rec_u64(&r); break;
        case 'a': out->catch_all = r.field; break;
        case 'o': out->first = r.field; break;
        }
    return rec_error(&r);
}

int tx_domain(struct kv_tx *tx, struct domain *out)
{
    struct slice row;
    *out = (struct domain){.name = sl_from(kv_tx_object(tx), 2)};
    int e = kv_tx_get(tx, SL("."), &row);
    return e ? e : domain_parse(row, out);
}

void tx_domain_put(struct kv_tx *tx, const struct domain *d)
{
    struct buf b = BUF_INIT;
    domain_record(&b, d);
    kv_tx_put_record(tx, SL("."), &b);
    buf_free(&b);
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
    x->turn = next_turn(x->dir);
    if (e != ERR_NOT_FOUND) return e ? e : ERR_EXISTS;
    tx_domain_put(tx, &x->d);
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
    if (!e || e == ERR_NOT_FOUND) remember(dir, name, !e, turn);
    ar_free(&a);
}

static int add(struct directory *dir, struct slice name, bool keys)
{
    struct arena a;
    struct dkim_key pair[2];
    ar_init(&a, 0);
    struct addition x = {.dir = dir, .d.created = rt_wall_seconds()};
    int e = check_domain_name(&a, name, &x.d.name);
    if (!e && keys) {
        e = dkim_keys_make(&a, pair);
        x.key = pair;
        x.nkeys = 2;
    }
    if (!e) e = kv_transact(dir->kv, domain_object(&a, x.d.name), add_domain, &x);
    if (e == ERR_EXISTS) err_set(e, "the domain %.*s is here already", SLF(x.d.name));
    if (!e) remember(dir, x.d.name, true, x.turn);
    if (e == ERR_UNKNOWN) look_again(dir, x.d.name, x.turn);
    directory_changed(dir);
    for (size_t i = 0; i < x.nkeys; i++) wipe((char *)pair[i].pem.p, pair[i].pem.n);
    ar_free(&a);
    return e;
}

int domain_add(struct directory *dir, struct slice name) { return add(dir, name, false); }
int domain_add_with_keys(struct directory *dir, struct slice name) { return add(dir, name, true); }

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
    r->turn = next_turn(r->dir);
    if (e) return e;
    e = kv_tx_scan(tx, SL("a:"), SL("a;"), found_one, NULL);
    if (e) return e == 1 ? ERR_STATE : e;
    kv_tx_erase(tx, SL(""), SL("x:"));
    kv_tx_erase(tx, SL("x;"), SL(""));
    return 0;
}

int domain_remove(struct directory *dir, struct slice name)
{
    struct arena a;
    ar_init(&a, 0);
    struct removal r = {.dir = dir};
    int e = check_domain_name(&a, name, &r.domain);
    if (!e) e = kv_transact(dir->kv, domain_object(&a, r.domain), remove_domain, &r);
    if (e == ERR_NOT_FOUND) err_set(e, "the domain %.*s is not here", SLF(r.domain));
    if (e == ERR_STATE)
        err_set(e, "the domain %.*s still has accounts: remove them first (`tram account list`)",
                SLF(r.domain));
    if (!e) remember(dir, r.domain, false, r.turn);
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
        if (row_is_unreadable(e)) (*out)[*n].damage = row_damage(a, e);
        else if (e) return e;
        ++*n;
    }
    qsort(*out, *n, sizeof **out, by_name);
    return 0;
}

static int set_catch_all(struct kv_tx *tx, void *arg)
{
    struct domain d;
    int e = tx_domain(tx, &d);
    if (e) return e;
    d.catch_all = *(struct slice *)arg;
    tx_domain_put(tx, &d);
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

int directory_row_check(struct arena *a, struct slice key, struct slice value)
{
    struct domain d;
    struct account acc;
    struct alias alias;
    struct dkim_key k;
    if (sl_eq(key, SL("."))) return domain_parse(value, &d);
    if (sl_starts(key, SL("a:"))) return account_parse(a, sl_from(key, 2), SL(""), value, &acc);
    if (sl_starts(key, SL("l:"))) return alias_parse(a, value, &alias);
    return sl_starts(key, SL("k:")) ? dkim_key_parse(value, &k) : 0;
}
