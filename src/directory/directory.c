/* directory.c - which domains are here, how names are written, and changes of a domain's object. */
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

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

static int domain_not_here(struct slice domain)
{
    return err_set(ERR_NOT_FOUND, "the domain %.*s is not here: add it with `tram domain add %.*s`",
                   SLF(domain), SLF(domain));
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
uint64_t directory_next_turn(struct directory *d)
{
    return __atomic_add_fetch(&d->turn, 1, __ATOMIC_ACQ_REL);
}

void directory_remember(struct directory *d, struct slice domain, bool here, uint64_t turn)
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

struct slice row_damage(struct arena *a, int e) { return ar_printf(a, "%s", err_text(e)); }

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
    rec_opt(b, 'A', d->alias_of);
    rec_opt(b, 'o', d->first);
    rec_opt_u64(b, 's', d->sts);
}

int domain_admin_parse(struct slice row, struct slice *address)
{
    struct rec r;
    *address = (struct slice){0};
    int e = rec_open(&r, row, DOMAIN_VERSION);
    if (e) return e;
    while (rec_next(&r))
        if (r.tag == 'd') *address = r.field;
    return rec_error(&r);
}

int domain_parse(struct slice row, struct domain *out)
{
    struct rec r;
    *out = (struct domain){.name = out->name};
    int e = rec_open(&r, row, DOMAIN_VERSION);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 'c': out->created = (int64_t)rec_u64(&r); break;
        case 'a': out->catch_all = r.field; break;
        case 'A': out->alias_of = r.field; break;
        case 'o': out->first = r.field; break;
        case 's': out->sts = (enum domain_sts)rec_u64(&r); break;
        }
    if ((unsigned)out->sts > DOMAIN_STS_NONE)
        return err_set(ERR_CORRUPT, "the record of a domain names a mode that there is not");
    return rec_error(&r);
}

int domain_tx(struct kv_tx *tx, struct domain *out)
{
    struct slice row;
    *out = (struct domain){.name = sl_from(kv_tx_object(tx), 2)};
    int e = kv_tx_get(tx, SL("."), &row);
    return e ? e : domain_parse(row, out);
}

void domain_tx_put(struct kv_tx *tx, const struct domain *d)
{
    struct buf b = BUF_INIT;
    domain_record(&b, d);
    kv_tx_put_record(tx, SL("."), &b);
    buf_free(&b);
}

/* ---- walking ---- */

static int each_of_domain(struct directory *dir, struct slice domain, char kind, directory_row_fn *each,
                          void *arg)
{
    char from_room[KV_KEY_MAX + 2] = {kind, ':'}, to[] = {kind, ';', 0};
    struct kv_page page = {.more = true};
    struct arena a;
    int e = 0;
    ar_init(&a, 0);
    struct slice from = sl_cstr(from_room);
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(dir->kv, domain_object(&a, domain), from, sl_cstr(to), KV_PAGE_MAX, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) e = each(arg, &a, domain, &page.row[i]);
        if (!page.n) break;
        from = kv_after(&a, page.row[page.n - 1].key);
        memcpy(from_room, from.p, from.n);
        from.p = from_room;
    }
    ar_free(&a);
    return e;
}

int directory_each(struct directory *dir, struct slice domain, char kind, directory_row_fn *each, void *arg)
{
    struct slice *names = &domain;
    size_t n = 1;
    struct arena a;
    ar_init(&a, 0);
    int e = domain.n ? domain_name(&a, domain, &domain) : 0;
    if (!domain.n) directory_domains(dir, &a, &names, &n);
    for (size_t i = 0; !e && i < n; i++) e = each_of_domain(dir, names[i], kind, each, arg);
    ar_free(&a);
    return e;
}
