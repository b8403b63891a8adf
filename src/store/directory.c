/* directory.c - the domains that are here, and the rows of their objects. */
#include "base/text.h"
#include "dns/dns.h"
#include "kv/record.h"
#include "mail/addr.h"
#include "store_i.h"

#include <stdlib.h>

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

int address_split(struct arena *a, struct slice address, struct slice *local, struct slice *domain)
{
    struct slice d;
    int e = mail_addr_split(a, address, local, &d);
    if (e)
        return err_set(ERR_SYNTAX, "%.*s is not an address of the form name@domain",
                       SLF(printable(a, address, 100)));
    *local = ar_lower(a, *local);
    if (local->n > LOCAL_PART_MAX)
        return err_set(ERR_SYNTAX, "the part before the @ is longer than %d bytes", LOCAL_PART_MAX);
    if (d.n && d.p[0] == '[')
        return err_set(ERR_SYNTAX, "%.*s has an address literal where a domain is needed", SLF(address));
    return dns_to_ascii(a, d, domain);
}

int address_split_here(struct store *s, struct arena *a, struct slice address, struct slice *local,
                       struct slice *domain)
{
    bool here;
    int e = address_split(a, address, local, domain);
    if (!e) e = domain_is_local(s, *domain, &here);
    if (!e && !here)
        e = err_set(ERR_NOT_FOUND, "the domain %.*s is not here: add it with `tram domain add %.*s`",
                    SLF(*domain), SLF(*domain));
    return e;
}

struct put {
    struct slice key;
    const struct buf *record;
    enum row_must must;
};

static int put_row(struct kv_tx *tx, void *arg)
{
    struct put *p = arg;
    struct slice old;
    int e = kv_tx_get(tx, p->key, &old);
    if (e && e != ERR_NOT_FOUND) return e;
    if (p->must == ROW_NEW && !e) return ERR_EXISTS;
    if (p->must == ROW_OLD && e) return ERR_NOT_FOUND;
    if (p->record) kv_tx_put_record(tx, p->key, p->record);
    else kv_tx_del(tx, p->key);
    return 0;
}

int directory_put(struct store *s, struct slice object, struct slice key, const struct buf *record,
                  enum row_must must)
{
    struct put p = {key, record, must};
    int e = kv_transact(s->kv, object, put_row, &p);
    directory_changed(s);
    return e;
}

void directory_changed(struct store *s) { __atomic_add_fetch(&s->directory->generation, 1, __ATOMIC_ACQ_REL); }
uint64_t directory_generation(struct store *s)
{
    return __atomic_load_n(&s->directory->generation, __ATOMIC_ACQUIRE);
}

static void remember(struct directory *d, struct slice domain, bool here)
{
    lock_take(&d->lock);
    if (here) map_put(&d->domains, domain, d);
    else map_del(&d->domains, domain);
    lock_release(&d->lock);
}

void directory_domains(struct store *s, struct arena *a, struct slice **names, size_t *n)
{
    struct directory *d = s->directory;
    lock_take(&d->lock);
    *names = ar_array(a, struct slice, d->domains.count);
    *n = 0;
    struct map_iter it = {0};
    while (map_next(&d->domains, &it)) (*names)[(*n)++] = ar_dup(a, it.key);
    lock_release(&d->lock);
}

int directory_open(struct store *s)
{
    struct directory *d = s->directory = xcalloc(1, sizeof *d);
    map_init(&d->domains, true);
    d->logins = login_memory_new();
    struct arena a;
    ar_init(&a, 0);
    struct slice from = SL("d:"), *name;
    size_t n;
    bool more = true;
    int e = 0;
    while (more && !(e = kv_objects(s->kv, from, SL("d;"), 1000, &a, &name, &n, &more))) {
        for (size_t i = 0; i < n; i++) {
            struct slice row;
            e = kv_get(s->kv, name[i], SL("."), &a, &row);
            if (e == ERR_NOT_FOUND) continue; /* what a removed domain left behind */
            if (e) break;
            remember(d, sl_from(name[i], 2), true);
        }
        if (n) from = kv_after(&a, name[n - 1]);
        if (e && e != ERR_NOT_FOUND) break;
    }
    ar_free(&a);
    if (e && e != ERR_NOT_FOUND) return e;
    return accounts_finish_removals(s);
}

void directory_close(struct store *s)
{
    if (!s->directory) return;
    map_free(&s->directory->domains);
    login_memory_free(&s->directory->logins);
    free(s->directory);
    s->directory = NULL;
}

int domain_is_local(struct store *s, struct slice name, bool *yes)
{
    struct directory *d = s->directory;
    if (name.n && name.p[name.n - 1] == '.') name.n--;
    lock_take(&d->lock);
    *yes = map_get(&d->domains, name) != NULL;
    lock_release(&d->lock);
    return 0;
}

static void domain_record(struct buf *b, const struct domain *d)
{
    rec_begin(b, DOMAIN_VERSION);
    rec_put_u64(b, 'c', (uint64_t)d->created);
    rec_opt(b, 'a', d->catch_all);
}

static int put_domain(struct store *s, struct arena *a, const struct domain *d, enum row_must must)
{
    struct buf b = BUF_INIT;
    domain_record(&b, d);
    int e = directory_put(s, domain_object(a, d->name), SL("."), &b, must);
    buf_free(&b);
    return e;
}

static int check_domain_name(struct arena *a, struct slice name, struct slice *ascii)
{
    int e = dns_to_ascii(a, name, ascii);
    if (!e && !dns_is_fqdn(*ascii)) e = ERR_SYNTAX;
    if (e) err_set(e, "%.*s cannot be a mail domain: it needs the form name.tld", SLF(printable(a, name, 100)));
    return e;
}

int domain_add(struct store *s, struct slice name)
{
    struct arena a;
    ar_init(&a, 0);
    struct domain d = {.created = rt_wall_seconds()};
    int e = check_domain_name(&a, name, &d.name);
    if (!e) e = put_domain(s, &a, &d, ROW_NEW);
    if (e == ERR_EXISTS) err_set(e, "the domain %.*s is here already", SLF(d.name));
    if (!e) remember(s->directory, d.name, true);
    ar_free(&a);
    return e;
}

struct removal {
    struct slice domain;
    bool has_account;
};

static int delete_row(void *arg, struct slice key, struct slice value)
{
    (void)value;
    kv_tx_del(arg, key);
    return 0;
}

static int found_one(void *arg, struct slice key, struct slice value)
{
    (void)arg, (void)key, (void)value;
    return 1;
}

static int remove_domain(struct kv_tx *tx, void *arg)
{
    struct removal *r = arg;
    struct slice row;
    int e = kv_tx_get(tx, SL("."), &row);
    if (e) return e;
    r->has_account = kv_tx_scan(tx, SL("a:"), SL("a;"), found_one, NULL) == 1;
    if (r->has_account) return ERR_STATE;
    return kv_tx_scan(tx, SL(" "), (struct slice){0}, delete_row, tx);
}

int domain_remove(struct store *s, struct slice name)
{
    struct arena a;
    ar_init(&a, 0);
    struct removal r = {0};
    int e = check_domain_name(&a, name, &r.domain);
    if (!e) e = kv_transact(s->kv, domain_object(&a, r.domain), remove_domain, &r);
    if (e == ERR_NOT_FOUND) err_set(e, "the domain %.*s is not here", SLF(r.domain));
    if (e == ERR_STATE)
        err_set(e, "the domain %.*s still has accounts: remove them first (`tram account list`)",
                SLF(r.domain));
    if (!e) remember(s->directory, r.domain, false);
    directory_changed(s);
    ar_free(&a);
    return e;
}

int domain_get(struct store *s, struct arena *a, struct slice name, struct domain *out)
{
    struct slice row;
    *out = (struct domain){.name = ar_lower(a, name)};
    int e = kv_get(s->kv, domain_object(a, out->name), SL("."), a, &row);
    if (e == ERR_NOT_FOUND) return err_set(e, "the domain %.*s is not here", SLF(name));
    struct rec r;
    if (!e) e = rec_open(&r, row, DOMAIN_VERSION);
    if (e) return e;
    while (rec_next(&r)) {
        if (r.tag == 'c') out->created = (int64_t)rec_u64(&r);
        if (r.tag == 'a') out->catch_all = r.field;
    }
    return rec_error(&r);
}

static int by_name(const void *x, const void *y)
{
    const struct domain *a = x, *b = y;
    return sl_cmp(a->name, b->name);
}

int domain_list(struct store *s, struct arena *a, struct domain **out, size_t *n)
{
    struct slice *names;
    size_t all;
    directory_domains(s, a, &names, &all);
    *out = ar_array(a, struct domain, all);
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        int e = domain_get(s, a, names[i], &(*out)[*n]);
        if (e == ERR_NOT_FOUND) continue;
        if (e) return e;
        ++*n;
    }
    qsort(*out, *n, sizeof **out, by_name);
    return 0;
}

int domain_set_catch_all(struct store *s, struct slice name, struct slice address)
{
    struct arena a;
    ar_init(&a, 0);
    struct domain d;
    struct slice local, domain;
    int e = domain_get(s, &a, name, &d);
    if (!e && address.n) e = address_split(&a, address, &local, &domain);
    d.catch_all = address;
    if (!e) e = put_domain(s, &a, &d, ROW_OLD);
    ar_free(&a);
    return e;
}
