/* dkim_keys.c - the private keys with which a domain signs, as rows of its object. */
#include "base/civil.h"
#include "base/text.h"
#include "kv/record.h"
#include "store_i.h"

enum { DKIM_KEY_VERSION = 1, DKIM_RSA_BITS = 2048, SELECTOR_MAX = 63 };

static struct slice key_row(struct arena *a, struct slice selector)
{
    return ar_cat(a, SL("k:"), ar_lower(a, selector));
}

static void key_record(struct buf *b, const struct dkim_key *k)
{
    rec_begin(b, DKIM_KEY_VERSION);
    rec_put_u64(b, 't', k->kind);
    rec_put_u64(b, 's', k->state);
    rec_put_u64(b, 'c', (uint64_t)k->created);
    rec_put_u64(b, 'h', (uint64_t)k->changed);
    rec_put(b, 'p', k->pem);
}

static int key_parse(struct slice value, struct dkim_key *out)
{
    struct rec r;
    int e = rec_open(&r, value, DKIM_KEY_VERSION);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 't': out->kind = (enum key_kind)rec_u64(&r); break;
        case 's': out->state = (enum dkim_key_state)rec_u64(&r); break;
        case 'c': out->created = (int64_t)rec_u64(&r); break;
        case 'h': out->changed = (int64_t)rec_u64(&r); break;
        case 'p': out->pem = r.field; break;
        }
    bool known = (unsigned)out->kind <= KEY_ED25519 && (unsigned)out->state <= DKIM_KEY_RETIRED;
    return known ? rec_error(&r) : err_set(ERR_CORRUPT, "the record of a key names a kind or state that there is not");
}

int dkim_keys(struct store *s, struct arena *a, struct slice domain, struct dkim_key **out, size_t *n)
{
    struct kv_page page;
    int e = kv_scan(s->kv, domain_object(a, ar_lower(a, domain)), SL("k:"), SL("k;"), KV_PAGE_MAX, a, &page);
    if (e) return e;
    *out = ar_array(a, struct dkim_key, page.n);
    for (*n = 0; *n < page.n; ++*n) {
        struct dkim_key *k = &(*out)[*n];
        k->selector = sl_from(page.row[*n].key, 2);
        e = key_parse(page.row[*n].value, k);
        if (e) return err_prefix(e, "DKIM key %.*s of %.*s", SLF(k->selector), SLF(domain));
    }
    return 0;
}

struct making {
    enum key_kind kind;
    struct sign_key *key;
};

static int make_key(void *arg)
{
    struct making *m = arg;
    return sign_key_new(m->kind, DKIM_RSA_BITS, &m->key);
}

static int put_key(struct store *s, struct slice domain, const struct dkim_key *k, enum row_must must)
{
    struct arena a;
    struct buf b = BUF_INIT;
    ar_init(&a, 0);
    key_record(&b, k);
    int e = directory_put(s, domain_object(&a, ar_lower(&a, domain)), key_row(&a, k->selector), &b,
                          must);
    wipe(b.p, b.n);
    buf_free(&b);
    ar_free(&a);
    return e;
}

static bool selector_ok(struct slice s)
{
    if (!s.n || s.n > SELECTOR_MAX) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-') return false;
    return is_alnum(s.p[0]) && is_alnum(s.p[s.n - 1]);
}

int dkim_key_add(struct store *s, struct slice domain, struct slice selector, enum key_kind kind,
                 enum dkim_key_state state)
{
    if (!selector_ok(selector))
        return err_set(ERR_SYNTAX, "a selector has 1 to %d letters, digits and hyphens", SELECTOR_MAX);
    struct making m = {.kind = kind};
    int e = offload(make_key, &m);
    if (e) return e;
    struct buf pem = BUF_INIT;
    sign_key_pem(m.key, &pem);
    sign_key_free(&m.key);
    int64_t now = rt_wall_seconds();
    struct dkim_key k = {selector, kind, state, now, now, buf_slice(&pem)};
    e = put_key(s, domain, &k, ROW_NEW);
    if (e == ERR_EXISTS)
        err_set(e, "%.*s has a DKIM key with the selector %.*s already", SLF(domain), SLF(selector));
    wipe(pem.p, pem.n);
    buf_free(&pem);
    return e;
}

int dkim_keys_first(struct store *s, struct slice domain)
{
    struct arena a;
    ar_init(&a, 0);
    struct civil today = civil_from_unix(rt_wall_seconds());
    int e = dkim_key_add(s, domain, ar_printf(&a, "r%04d%02d", today.year, today.month), KEY_RSA,
                         DKIM_KEY_ACTIVE);
    if (!e)
        e = dkim_key_add(s, domain, ar_printf(&a, "e%04d%02d", today.year, today.month), KEY_ED25519,
                         DKIM_KEY_ACTIVE);
    ar_free(&a);
    return e;
}

int dkim_key_set_state(struct store *s, struct slice domain, struct slice selector, enum dkim_key_state state)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice row;
    struct dkim_key k = {.selector = selector};
    int e = kv_get(s->kv, domain_object(&a, ar_lower(&a, domain)), key_row(&a, selector), &a, &row);
    if (e == ERR_NOT_FOUND)
        err_set(e, "%.*s has no DKIM key with the selector %.*s", SLF(domain), SLF(selector));
    if (!e) e = key_parse(row, &k);
    if (!e && k.state != state) {
        k.state = state;
        k.changed = rt_wall_seconds();
        e = put_key(s, domain, &k, ROW_OLD);
    }
    ar_free(&a);
    return e;
}

int dkim_key_remove(struct store *s, struct slice domain, struct slice selector)
{
    struct arena a;
    ar_init(&a, 0);
    int e = directory_put(s, domain_object(&a, ar_lower(&a, domain)), key_row(&a, selector),
                          NULL, ROW_OLD);
    if (e == ERR_NOT_FOUND)
        err_set(e, "%.*s has no DKIM key with the selector %.*s", SLF(domain), SLF(selector));
    ar_free(&a);
    return e;
}
