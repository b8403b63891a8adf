/* account.c - accounts as rows of their domain's object.
 *
 * Made: mailboxes first, then the row, so that an account that can be found is whole.
 * Removed: the row gives way to a tombstone in the same transaction, then the
 * account's object is erased, then the tombstone goes; store_open takes this up
 * where a crash left it. */
#include <stdio.h>
#include <stdlib.h>

#include "kv/record.h"
#include "mailbox.h"
#include "store_i.h"

enum { ACCOUNT_VERSION = 1, SCRAM_ITERATIONS = 20000 };

static void account_record(struct buf *b, const struct account *acc)
{
    struct buf keys = BUF_INIT;
    scram_keys_text(&acc->keys, &keys);
    rec_begin(b, ACCOUNT_VERSION);
    rec_put(b, 'i', sl_cstr(acc->id));
    rec_put_u64(b, 'c', (uint64_t)acc->created);
    rec_put(b, 'k', buf_slice(&keys));
    rec_opt_u64(b, 'd', acc->disabled);
    wipe(keys.p, keys.n);
    buf_free(&keys);
}

int account_parse(struct arena *a, struct slice local, struct slice domain, struct slice value,
                  struct account *out)
{
    struct rec r;
    int e = rec_open(&r, value, ACCOUNT_VERSION);
    if (e) return e;
    *out = (struct account){.local = local, .domain = domain};
    out->address = ar_printf(a, "%.*s@%.*s", SLF(local), SLF(domain));
    while (rec_next(&r)) switch (r.tag) {
        case 'i': if (r.field.n < sizeof out->id) snprintf(out->id, sizeof out->id, "%.*s", SLF(r.field)); break;
        case 'c': out->created = (int64_t)rec_u64(&r); break;
        case 'd': out->disabled = rec_u64(&r) != 0; break;
        case 'k':
            e = scram_keys_parse(r.field, &out->keys);
            if (e) return err_set(ERR_CORRUPT, "the keys of %.*s are damaged", SLF(out->address));
        }
    if (!out->id[0]) return err_set(ERR_CORRUPT, "the record of %.*s does not name its object", SLF(out->address));
    return rec_error(&r);
}

static int no_such_account(struct slice address)
{
    return err_set(ERR_NOT_FOUND, "there is no account %.*s", SLF(address));
}

int account_get(struct store *s, struct arena *a, struct slice address, struct account *out)
{
    struct slice local, domain, row;
    int e = address_split_here(s, a, address, &local, &domain);
    if (!e) e = kv_get(s->kv, domain_object(a, domain), local_key(a, 'a', local), a, &row);
    if (e == ERR_NOT_FOUND) return no_such_account(address);
    return e ? e : account_parse(a, local, domain, row, out);
}

static int put_account(struct store *s, struct arena *a, const struct account *acc, enum row_must must)
{
    struct buf b = BUF_INIT;
    account_record(&b, acc);
    int e = directory_put(s, domain_object(a, acc->domain), local_key(a, 'a', acc->local), &b, must);
    wipe(b.p, b.n);
    buf_free(&b);
    return e;
}

struct derivation {
    struct slice password;
    struct scram_keys *out;
    uint8_t salt[16];
};

static int derive(void *arg)
{
    struct derivation *d = arg;
    return scram_derive(d->password, d->salt, SCRAM_ITERATIONS, d->out);
}

static int derive_keys(struct slice password, struct scram_keys *out)
{
    if (!password.n) return err_set(ERR_SYNTAX, "the password is empty");
    struct derivation d = {.password = password, .out = out};
    rt_random(d.salt, sizeof d.salt);
    return offload(derive, &d);
}

int account_add(struct store *s, struct slice address, struct slice password)
{
    struct arena a;
    ar_init(&a, 0);
    struct account acc = {.created = rt_wall_seconds()};
    struct slice row;
    int e = address_split_here(s, &a, address, &acc.local, &acc.domain);
    if (!e && sl_chr(acc.local, '+') != SL_NONE)
        e = err_set(ERR_SYNTAX, "an account's name cannot hold a +: name+anything reaches the account name");
    if (!e) {
        e = kv_get(s->kv, domain_object(&a, acc.domain), local_key(&a, 'a', acc.local), &a, &row);
        e = e == ERR_NOT_FOUND ? 0 : e ? e : ERR_EXISTS;
    }
    struct letter_id id;
    letter_id_new(&id);
    snprintf(acc.id, sizeof acc.id, "%s", id.s);
    if (!e) e = derive_keys(password, &acc.keys);
    if (!e) e = mailbox_make_defaults(s, acc.id);
    if (!e) e = put_account(s, &a, &acc, ROW_NEW);
    if (e == ERR_EXISTS) err_set(e, "the account %.*s exists already", SLF(address));
    ar_free(&a);
    return e;
}

int account_password(struct store *s, struct slice address, struct slice password)
{
    struct arena a;
    ar_init(&a, 0);
    struct account acc;
    int e = account_get(s, &a, address, &acc);
    if (!e) e = derive_keys(password, &acc.keys);
    if (!e) e = put_account(s, &a, &acc, ROW_OLD);
    ar_free(&a);
    return e;
}

int account_disable(struct store *s, struct slice address, bool disabled)
{
    struct arena a;
    ar_init(&a, 0);
    struct account acc;
    int e = account_get(s, &a, address, &acc);
    acc.disabled = disabled;
    if (!e) e = put_account(s, &a, &acc, ROW_OLD);
    ar_free(&a);
    return e;
}

struct burial {
    struct slice key, tombstone;
};

static int bury(struct kv_tx *tx, void *arg)
{
    struct burial *b = arg;
    struct slice row;
    int e = kv_tx_get(tx, b->key, &row);
    if (e) return e;
    kv_tx_put(tx, b->tombstone, row);
    kv_tx_del(tx, b->key);
    return 0;
}

static int erase_buried(struct store *s, struct slice object, struct slice tombstone)
{
    struct arena a;
    ar_init(&a, 0);
    int e = account_erase(s, ar_cstr(&a, sl_from(tombstone, 2)));
    if (!e) e = directory_put(s, object, tombstone, NULL, ROW_ANY);
    ar_free(&a);
    return e;
}

int account_remove(struct store *s, struct slice address)
{
    struct arena a;
    ar_init(&a, 0);
    struct account acc;
    int e = account_get(s, &a, address, &acc);
    if (!e) {
        struct slice object = domain_object(&a, acc.domain);
        struct burial b = {local_key(&a, 'a', acc.local), ar_printf(&a, "x:%s", acc.id)};
        e = kv_transact(s->kv, object, bury, &b);
        directory_changed(s);
        if (!e) e = erase_buried(s, object, b.tombstone);
    }
    ar_free(&a);
    return e;
}

int accounts_finish_removals(struct store *s)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice *domain;
    size_t n;
    int e = 0;
    directory_domains(s, &a, &domain, &n);
    for (size_t i = 0; i < n && !e; i++) {
        struct slice object = domain_object(&a, domain[i]);
        struct kv_page page;
        e = kv_scan(s->kv, object, SL("x:"), SL("x;"), KV_PAGE_MAX, &a, &page);
        for (size_t k = 0; !e && k < page.n; k++) e = erase_buried(s, object, page.row[k].key);
    }
    ar_free(&a);
    return e;
}

static int by_address(const void *x, const void *y)
{
    const struct account *a = x, *b = y;
    return sl_cmp(a->address, b->address);
}

int account_list(struct store *s, struct arena *a, struct slice domain, struct account **out, size_t *n)
{
    struct slice *names = &domain;
    size_t all = 1, cap = 0;
    if (!domain.n) directory_domains(s, a, &names, &all);
    *out = NULL;
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        struct slice object = domain_object(a, ar_lower(a, names[i])), from = SL("a:");
        struct kv_page page = {.more = true};
        while (page.more) {
            int e = kv_scan(s->kv, object, from, SL("a;"), KV_PAGE_MAX, a, &page);
            if (e) return e;
            for (size_t k = 0; k < page.n; k++) {
                if (*n == cap) *out = ar_grow(a, *out, &cap, sizeof **out);
                e = account_parse(a, local_from_key(a, page.row[k].key), names[i], page.row[k].value,
                                  &(*out)[*n]);
                if (e) return e;
                ++*n;
            }
            if (page.n) from = kv_after(a, page.row[page.n - 1].key);
        }
    }
    if (*n) qsort(*out, *n, sizeof **out, by_address);
    return 0;
}
