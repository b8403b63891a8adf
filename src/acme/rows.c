/* rows.c - object _acme: `a` the account, `c` certificate and keys, `n/NAME` those for a name of others; `t`
 * is rollover.c's. * docs/format.md tells the fields. */
#include "acme_i.h"

#include <stdio.h>

#include "crypto/crypto.h"
#include "kv/record.h"

enum { VERSION = 1 };

struct row_put {
    struct slice key;
    struct buf *b;
    kv_fn *with; /* or NULL */
    void *with_arg;
};

static int put_tx(struct kv_tx *tx, void *arg)
{
    const struct row_put *x = arg;
    kv_tx_put_record(tx, x->key, x->b);
    return x->with ? x->with(tx, x->with_arg) : 0;
}

static int put(struct kv *kv, struct slice key, struct buf *b, kv_fn *with, void *with_arg)
{
    struct row_put x = {key, b, with, with_arg};
    int e = kv_transact(kv, ACME_OBJECT, put_tx, &x);
    if (b->n) wipe(b->p, b->n); /* private keys */
    buf_free(b);
    return e;
}

int acme_account_get(struct kv *kv, struct arena *a, struct acme_account *out)
{
    struct slice value;
    struct rec r;
    *out = (struct acme_account){0};
    int e = kv_get(kv, ACME_OBJECT, SL("a"), a, &value);
    if (e == ERR_NOT_FOUND) return 0;
    if (!e) e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'd': out->directory = r.field; break;
        case 'u': out->url = r.field; break;
        case 'k': out->key_pem = r.field; break;
        }
    return e ? e : rec_error(&r);
}

int acme_account_put(struct kv *kv, const struct acme_account *v)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, VERSION);
    rec_put(&b, 'd', v->directory);
    rec_put(&b, 'u', v->url);
    rec_put(&b, 'k', v->key_pem);
    return put(kv, SL("a"), &b, NULL, NULL);
}

static struct slice kept_key(struct arena *a, struct slice name)
{
    return name.n ? ar_cat(a, SL("n/"), name) : SL("c");
}

static int kept_parse(struct slice value, struct acme_kept *out)
{
    struct rec r;
    struct slice name = out->name;
    *out = (struct acme_kept){.name = name};
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'c': out->chain_pem = r.field; break;
        case 'k': out->key_pem = r.field; break;
        case 'n': out->next_key_pem = r.field; break;
        case 'f': out->from = (int64_t)rec_u64(&r); break;
        case 'u': out->until = (int64_t)rec_u64(&r); break;
        case 'r': out->renew_at = (int64_t)rec_u64(&r); break;
        case 'e': out->failed_at = (int64_t)rec_u64(&r); break;
        case 's': out->silent_since = (int64_t)rec_u64(&r); break;
        case 'a': out->advised = rec_u64(&r) != 0; break;
        case 'N': out->failures = (uint32_t)(rec_u64(&r) & UINT32_MAX); break;
        case 'p': out->way = (uint32_t)(rec_u64(&r) % ACME_WAYS); break;
        case 'w': out->why = r.field; break;
        }
    if (!e) e = rec_error(&r);
    if (e) *out = (struct acme_kept){.name = name};
    return e;
}

int acme_kept(struct kv *kv, struct arena *a, struct slice name, struct acme_kept *out)
{
    struct slice value;
    *out = (struct acme_kept){.name = name};
    int e = kv_get(kv, ACME_OBJECT, kept_key(a, name), a, &value);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    return kept_parse(value, out);
}

int acme_each(struct kv *kv, acme_each_fn *each, void *arg)
{
    enum { AT_ONCE = 20 };
    struct arena a = {0};
    struct kv_page page = {.more = true};
    char from[KV_KEY_MAX + 2] = "n/";
    int e = 0;
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(kv, ACME_OBJECT, ar_dup(&a, sl_cstr(from)), SL("n0"), AT_ONCE, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) {
            struct acme_kept k = {.name = sl_from(page.row[i].key, 2)};
            int bad = kept_parse(page.row[i].value, &k);
            k.damage = bad;
            if (bad) k.why = ar_dup(&a, sl_cstr(err_text(bad)));
            snprintf(from, sizeof from, "%.*s ", SLF(page.row[i].key));
            e = each(arg, &k);
        }
    }
    ar_free(&a);
    return e;
}

static int drop_tx(struct kv_tx *tx, void *key)
{
    kv_tx_del(tx, *(const struct slice *)key);
    return 0;
}

int acme_kept_drop(struct kv *kv, struct slice name)
{
    struct arena a = {0};
    struct slice key = kept_key(&a, name);
    int e = kv_transact(kv, ACME_OBJECT, drop_tx, &key);
    ar_free(&a);
    return e;
}

int acme_kept_put_with(struct kv *kv, const struct acme_kept *v, kv_fn *with, void *with_arg)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, VERSION);
    rec_opt(&b, 'c', v->chain_pem);
    rec_opt(&b, 'k', v->key_pem);
    rec_opt(&b, 'n', v->next_key_pem);
    rec_opt_u64(&b, 'f', (uint64_t)v->from);
    rec_opt_u64(&b, 'u', (uint64_t)v->until);
    rec_opt_u64(&b, 'r', (uint64_t)v->renew_at);
    rec_opt_u64(&b, 'e', (uint64_t)v->failed_at);
    rec_opt_u64(&b, 's', (uint64_t)v->silent_since);
    rec_opt_u64(&b, 'a', v->advised);
    rec_opt_u64(&b, 'N', v->failures);
    rec_opt_u64(&b, 'p', v->way);
    rec_opt(&b, 'w', sl_sub(v->why, 0, 300));
    struct arena a = {0};
    int e = put(kv, kept_key(&a, v->name), &b, with, with_arg);
    ar_free(&a);
    return e;
}

int acme_kept_put(struct kv *kv, const struct acme_kept *v) { return acme_kept_put_with(kv, v, NULL, NULL); }
