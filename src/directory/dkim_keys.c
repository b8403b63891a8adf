/* dkim_keys.c - the private keys with which a domain signs, as rows of its object. */
#include "base/civil.h"
#include "base/text.h"
#include "directory_i.h"
#include "kv/record.h"

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

int dkim_key_parse(struct slice value, struct dkim_key *out)
{
    struct rec r;
    *out = (struct dkim_key){.selector = out->selector};
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
    return known ? rec_error(&r)
                 : err_set(ERR_CORRUPT, "the record of a key names a kind or state that there is not");
}

int dkim_keys(struct directory *dir, struct arena *a, struct slice domain, struct dkim_key **out, size_t *n)
{
    struct kv_page page;
    int e = domain_name(a, domain, &domain);
    if (!e) e = kv_scan(dir->kv, domain_object(a, domain), SL("k:"), SL("k;"), KV_PAGE_MAX, a, &page);
    if (e) return e;
    *out = ar_array(a, struct dkim_key, page.n);
    for (*n = 0; *n < page.n; ++*n) {
        struct dkim_key *k = &(*out)[*n];
        k->selector = sl_from(page.row[*n].key, 2);
        if (dkim_key_parse(page.row[*n].value, k)) k->state = DKIM_KEY_DAMAGED;
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

void dkim_key_put(struct kv_tx *tx, const struct dkim_key *k)
{
    struct arena a;
    struct buf b = BUF_INIT;
    ar_init(&a, 0);
    key_record(&b, k);
    kv_tx_put_record(tx, key_row(&a, k->selector), &b);
    wipe(b.p, b.n);
    buf_free(&b);
    ar_free(&a);
}

/* A key that does not exist yet. The caller wipes its pem. */
static int new_key(struct arena *a, struct slice selector, enum key_kind kind, enum dkim_key_state state,
                   struct dkim_key *out)
{
    struct making m = {.kind = kind};
    int e = offload_on(POOL_PASSWORD, make_key, &m);
    if (e) return e;
    struct buf pem = BUF_INIT;
    sign_key_pem(m.key, &pem);
    sign_key_free(&m.key);
    int64_t now = rt_wall_seconds();
    *out = (struct dkim_key){selector, kind, state, now, now, ar_dup(a, buf_slice(&pem))};
    wipe(pem.p, pem.n);
    buf_free(&pem);
    return 0;
}

static bool selector_ok(struct slice s)
{
    if (!s.n || s.n > SELECTOR_MAX) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-') return false;
    return is_alnum(s.p[0]) && is_alnum(s.p[s.n - 1]);
}

static int not_there(int e, struct slice domain, struct slice selector)
{
    if (e != ERR_NOT_FOUND) return e;
    return err_set(e, "%.*s has no DKIM key with the selector %.*s", SLF(domain), SLF(selector));
}

static int waits_already(void *arg, struct slice key, struct slice value)
{
    const struct dkim_key *next = arg;
    struct dkim_key k = {0};
    (void)key;
    return dkim_key_parse(value, &k) == 0 && k.kind == next->kind && k.state == DKIM_KEY_PUBLISH;
}

static int add_key(struct kv_tx *tx, void *arg)
{
    struct dkim_key *k = arg;
    struct arena a;
    struct slice row;
    ar_init(&a, 0);
    int e = kv_tx_get(tx, key_row(&a, k->selector), &row);
    ar_free(&a);
    if (e != ERR_NOT_FOUND) return e ? e : ERR_EXISTS;
    e = k->state == DKIM_KEY_PUBLISH ? kv_tx_scan(tx, SL("k:"), SL("k;"), waits_already, k) : 0;
    if (e) return e < 0 ? e : ERR_STATE;
    dkim_key_put(tx, k);
    return 0;
}

int dkim_key_add(struct directory *dir, struct slice domain, struct slice selector, enum key_kind kind,
                 enum dkim_key_state state)
{
    struct arena a;
    struct dkim_key k;
    if (!selector_ok(selector))
        return err_set(ERR_SYNTAX, "a selector has 1 to %d letters, digits and hyphens", SELECTOR_MAX);
    ar_init(&a, 0);
    int e = domain_name(&a, domain, &domain);
    if (!e) e = new_key(&a, selector, kind, state, &k);
    if (!e) {
        e = directory_transact(dir, domain, add_key, &k);
        wipe((char *)k.pem.p, k.pem.n);
    }
    if (e == ERR_EXISTS)
        err_set(e, "%.*s has a DKIM key with the selector %.*s already", SLF(domain), SLF(selector));
    if (e == ERR_STATE) err_set(e, "a new DKIM key of this kind waits already in %.*s", SLF(domain));
    ar_free(&a);
    return e;
}

int dkim_keys_make(struct arena *a, struct dkim_key pair[2])
{
    struct civil today = civil_from_unix(rt_wall_seconds());
    int e =
        new_key(a, ar_printf(a, "r%04d%02d", today.year, today.month), KEY_RSA, DKIM_KEY_ACTIVE, &pair[0]);
    if (e) return e;
    return new_key(a, ar_printf(a, "e%04d%02d", today.year, today.month), KEY_ED25519, DKIM_KEY_ACTIVE,
                   &pair[1]);
}

struct takeover {
    struct kv_tx *tx;
    struct arena *a;
    struct dkim_key next;
    struct slice *retired;
    size_t n, cap;
};

static int retire_row(void *arg, struct slice key, struct slice value)
{
    struct takeover *t = arg;
    struct dkim_key k = {0};
    if (dkim_key_parse(value, &k)) return 0; /* it does not sign */
    if (k.kind != t->next.kind || k.state != DKIM_KEY_ACTIVE) return 0;
    k.selector = sl_from(ar_dup(t->a, key), 2);
    k.state = DKIM_KEY_RETIRED;
    k.changed = rt_wall_seconds();
    dkim_key_put(t->tx, &k);
    if (t->n == t->cap) t->retired = ar_grow(t->a, t->retired, &t->cap, sizeof *t->retired);
    t->retired[t->n++] = k.selector;
    return 0;
}

static int take_over(struct kv_tx *tx, void *arg)
{
    struct takeover *t = arg;
    struct slice row;
    int e = kv_tx_get(tx, key_row(t->a, t->next.selector), &row);
    if (!e) e = dkim_key_parse(row, &t->next);
    if (e) return e;
    if (t->next.state != DKIM_KEY_PUBLISH) return ERR_STATE;
    t->next.pem = ar_dup(t->a, t->next.pem);
    t->tx = tx;
    t->n = 0;
    e = kv_tx_scan(tx, SL("k:"), SL("k;"), retire_row, t);
    t->next.state = DKIM_KEY_ACTIVE;
    t->next.changed = rt_wall_seconds();
    dkim_key_put(tx, &t->next);
    wipe((char *)t->next.pem.p, t->next.pem.n);
    return e;
}

int dkim_key_take_over(struct directory *dir, struct arena *a, struct slice domain, struct slice selector,
                       struct slice **retired, size_t *n)
{
    struct takeover t = {.a = a, .next.selector = selector};
    int e = domain_name(a, domain, &domain);
    if (!e) e = not_there(directory_transact(dir, domain, take_over, &t), domain, selector);
    *retired = t.retired;
    *n = e ? 0 : t.n;
    return e == ERR_STATE ? err_set(e, "the DKIM key %.*s waits no more", SLF(selector)) : e;
}

int dkim_key_remove(struct directory *dir, struct slice domain, struct slice selector)
{
    struct arena a;
    ar_init(&a, 0);
    int e = domain_name(&a, domain, &domain);
    if (!e) e = not_there(directory_delete(dir, domain, key_row(&a, selector)), domain, selector);
    ar_free(&a);
    return e;
}
