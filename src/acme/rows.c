/* rows.c - object _acme: `a` the account, `c` certificate and keys. docs/format.md tells the fields. */
#include "acme_i.h"
#include "crypto/crypto.h"
#include "kv/record.h"

enum { VERSION = 1 };

struct account_put {
    struct slice key;
    struct buf *b;
};

static int put_tx(struct kv_tx *tx, void *arg)
{
    const struct account_put *x = arg;
    kv_tx_put_record(tx, x->key, x->b);
    return 0;
}

static int put(struct kv *kv, struct slice key, struct buf *b)
{
    struct account_put x = {key, b};
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
    return put(kv, SL("a"), &b);
}

int acme_kept(struct kv *kv, struct arena *a, struct acme_kept *out)
{
    struct slice value;
    struct rec r;
    *out = (struct acme_kept){0};
    int e = kv_get(kv, ACME_OBJECT, SL("c"), a, &value);
    if (e == ERR_NOT_FOUND) return 0;
    if (!e) e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'c': out->chain_pem = r.field; break;
        case 'k': out->key_pem = r.field; break;
        case 'n': out->next_key_pem = r.field; break;
        case 'f': out->from = (int64_t)rec_u64(&r); break;
        case 'u': out->until = (int64_t)rec_u64(&r); break;
        case 'r': out->renew_at = (int64_t)rec_u64(&r); break;
        case 'e': out->failed_at = (int64_t)rec_u64(&r); break;
        case 'N': out->failures = (uint32_t)(rec_u64(&r) & UINT32_MAX); break;
        case 'p': out->way = (uint32_t)(rec_u64(&r) % ACME_WAYS); break;
        case 'w': out->why = r.field; break;
        }
    if (!e) e = rec_error(&r);
    if (e) *out = (struct acme_kept){0};
    return e;
}

int acme_kept_put(struct kv *kv, const struct acme_kept *v)
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
    rec_opt_u64(&b, 'N', v->failures);
    rec_opt_u64(&b, 'p', v->way);
    rec_opt(&b, 'w', sl_sub(v->why, 0, 300));
    return put(kv, SL("c"), &b);
}
