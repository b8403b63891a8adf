/* webhook.c - where events are told to: rows, and the key that signs them (webhook.h). */
#include "webhook.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/es256.h"
#include "event.h"
#include "send_i.h"
#include "webhook_i.h"

enum { ROW_VERSION = 1 };

static struct slice key_of(struct arena *a, char kind, struct slice account, struct slice name)
{
    return ar_printf(a, "%c/%.*s/%.*s", kind, SLF(account), SLF(name));
}

/* ---- rows ---- */

static int get_settings(struct slice row, struct webhook *h, struct slice *pem)
{
    struct rec r;
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'u': h->url = r.field; break;
        case 'e': h->kinds = (unsigned)rec_u64(&r); break;
        case 'k': *pem = r.field; break;
        }
    return e ? e : rec_error(&r);
}

static int get_place(struct slice row, struct webhook *h)
{
    struct rec r;
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'a': h->after = rec_u64(&r); break;
        case 'p': h->paused = rec_u64(&r) != 0; break;
        case 'f': h->failing = (int64_t)rec_u64(&r); break;
        case 'n': h->next = (int64_t)rec_u64(&r); break;
        case 'w': h->why = r.field; break;
        }
    return e ? e : rec_error(&r);
}

static void put_place(struct buf *b, const struct webhook *h)
{
    rec_begin(b, ROW_VERSION);
    rec_put_u64(b, 'a', h->after);
    rec_opt_u64(b, 'p', h->paused);
    rec_opt_u64(b, 'f', (uint64_t)h->failing);
    rec_opt_u64(b, 'n', (uint64_t)h->next);
    rec_opt(b, 'w', utf8_cut(h->why, 300));
}

/* SubjectPublicKeyInfo of a point on P-256 (RFC 5480 section 2). */
static struct slice public_key(struct arena *a, const struct es256 *k)
{
    static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
    uint8_t der[sizeof head + 2 * ES256_NUMBER];
    memcpy(der, head, sizeof head);
    es256_public(k, der + sizeof head, der + sizeof head + ES256_NUMBER);
    return b64_encode_ar(a, sl((const char *)der, sizeof der));
}

/* ---- adding, removing ---- */

struct adding {
    struct sends *s;
    const struct webhook *h;
    struct slice key, place, pem, prefix;
};

static int count_row(void *n, struct slice key, struct slice value)
{
    (void)key, (void)value;
    ++*(size_t *)n;
    return 0;
}

static int add_tx(struct kv_tx *tx, void *arg)
{
    const struct adding *x = arg;
    struct arena a = {0};
    struct slice row;
    struct buf b = BUF_INIT;
    size_t n = 0;
    int e = kv_tx_get(tx, x->key, &row);
    if (!e) e = err_set(ERR_EXISTS, "there is a webhook of that name");
    else if (e == ERR_NOT_FOUND) e = kv_tx_scan(tx, x->prefix, kv_prefix_end(&a, x->prefix), count_row, &n);
    if (!e && n >= WEBHOOKS_MAX)
        e = err_set(ERR_LIMIT, "an account has no more than %d webhooks", WEBHOOKS_MAX);
    if (!e) {
        rec_begin(&b, ROW_VERSION);
        rec_put(&b, 'u', x->h->url);
        rec_opt_u64(&b, 'e', x->h->kinds);
        rec_put(&b, 'k', x->pem);
        kv_tx_put_record(tx, x->key, &b);
        put_place(&b, &(struct webhook){.after = x->h->after});
        kv_tx_put_record(tx, x->place, &b);
    }
    buf_free(&b);
    ar_free(&a);
    return e;
}

static int name_fits(struct slice name)
{
    bool good = name.n && name.n <= WEBHOOK_NAME_MAX;
    for (size_t i = 0; i < name.n; i++) good &= is_alnum(name.p[i]) || name.p[i] == '-' || name.p[i] == '_';
    return good ? 0
                : err_set(ERR_SYNTAX, "a webhook has a name of 1 to %d letters, digits, - and _",
                          WEBHOOK_NAME_MAX);
}

int webhook_add(struct sends *s, const struct webhook *h, struct arena *a, struct slice *public)
{
    struct es256 *k = NULL;
    struct buf pem = BUF_INIT;
    struct webhook full = *h;
    lock_take(&s->lock);
    full.after = s->last_event;
    lock_release(&s->lock);
    int e = name_fits(h->name);
    if (!e && !sl_starts(h->url, SL("https://")) && !(s->webhook_private && sl_starts(h->url, SL("http://"))))
        e = err_set(ERR_SYNTAX, "a webhook has a URL that begins with https://");
    if (!e && (h->url.n > FETCH_URL_MAX || !is_ascii(h->url)))
        e = err_set(ERR_SYNTAX, "the URL is too long, or not ASCII");
    if (!e) e = es256_new(&k);
    if (e) return e;
    es256_pem(k, &pem);
    *public = public_key(a, k);
    struct adding x = {s,
                       &full,
                       key_of(a, 'w', h->account, h->name),
                       key_of(a, 'W', h->account, h->name),
                       buf_slice(&pem),
                       key_of(a, 'w', h->account, SL(""))};
    e = kv_transact(s->store->kv, SL(SENDS_OBJECT), add_tx, &x);
    if (pem.p) wipe(pem.p, pem.n);
    buf_free(&pem);
    es256_free(&k);
    if (!e && s->tell) s->tell(s, NULL);
    return e;
}

static int remove_tx(struct kv_tx *tx, void *arg)
{
    const struct adding *x = arg;
    struct slice row;
    int e = kv_tx_get(tx, x->key, &row);
    kv_tx_del(tx, x->key);
    kv_tx_del(tx, x->place);
    return e == ERR_NOT_FOUND ? err_set(e, "there is no webhook of that name") : e;
}

int webhook_remove(struct sends *s, struct slice account, struct slice name)
{
    struct arena a = {0};
    int e = name_fits(name);
    struct adding x = {.key = key_of(&a, 'w', account, name), .place = key_of(&a, 'W', account, name)};
    if (!e) e = kv_transact(s->store->kv, SL(SENDS_OBJECT), remove_tx, &x);
    ar_free(&a);
    return e;
}

/* ---- its place in the stream ---- */

struct placing {
    struct slice key, place;
    struct webhook now;
    uint64_t from; /* the place that it is moved from; 0: whatever it is */
    bool keep;     /* the place stays, only what is said of it changes */
};

static int place_tx(struct kv_tx *tx, void *arg)
{
    struct placing *x = arg;
    struct slice row;
    struct webhook there = {0};
    struct buf b = BUF_INIT;
    int e = kv_tx_get(tx, x->key, &row);
    if (e == ERR_NOT_FOUND) return err_set(e, "there is no webhook of that name");
    if (!e && kv_tx_get(tx, x->place, &row) == 0) e = get_place(row, &there);
    if (e) return e;
    if (x->from && there.after != x->from) return 0; /* it was told to begin elsewhere meanwhile */
    if (x->keep) x->now.after = there.after;
    put_place(&b, &x->now);
    kv_tx_put_record(tx, x->place, &b);
    buf_free(&b);
    return 0;
}

static int put(struct sends *s, struct slice account, struct slice name, struct placing *x)
{
    struct arena a = {0};
    x->key = key_of(&a, 'w', account, name);
    x->place = key_of(&a, 'W', account, name);
    int e = kv_transact(s->store->kv, SL(SENDS_OBJECT), place_tx, x);
    ar_free(&a);
    return e;
}

int webhook_moved(struct sends *s, const struct webhook *h, uint64_t to)
{
    return put(s, h->account, h->name, &(struct placing){.now = {.after = to}, .from = h->after});
}

int webhook_failed(struct sends *s, const struct webhook *h)
{
    return put(s, h->account, h->name, &(struct placing){.now = *h, .keep = true});
}

int webhook_resume(struct sends *s, struct slice account, struct slice name, uint64_t after)
{
    int e = name_fits(name);
    if (!e) e = put(s, account, name, &(struct placing){.now = {.after = after}, .keep = !after});
    if (!e && s->tell) s->tell(s, NULL);
    return e;
}

/* ---- seeing ---- */

int webhook_read(struct sends *s, struct slice key, struct slice row, struct arena *a, struct webhook *out,
                 struct es256 **signs)
{
    struct slice rest = sl_from(key, 2), pem = {0}, place;
    *out = (struct webhook){0};
    if (!sl_next(&rest, '/', &out->account)) return ERR_CORRUPT;
    out->name = rest;
    int e = get_settings(row, out, &pem);
    if (!e) e = kv_get(s->store->kv, SL(SENDS_OBJECT), key_of(a, 'W', out->account, out->name), a, &place);
    if (!e) e = get_place(place, out);
    if (!e) e = es256_from_pem(pem, signs);
    if (!e) out->public_key = public_key(a, *signs);
    return e;
}

int webhook_each(struct sends *s, struct slice account, webhook_each_fn *each, void *arg)
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    char from[KV_KEY_MAX + 2], to[KV_KEY_MAX];
    int e = 0;
    snprintf(from, sizeof from, account.n ? "w/%.*s/" : "w/", SLF(account));
    snprintf(to, sizeof to, account.n ? "w/%.*s0" : "w0", SLF(account));
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(s->store->kv, SL(SENDS_OBJECT), ar_dup(&a, sl_cstr(from)), sl_cstr(to), 100, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) {
            struct webhook h;
            struct es256 *k = NULL;
            int bad = webhook_read(s, page.row[i].key, page.row[i].value, &a, &h, &k);
            if (bad)
                log_error("send", "the webhook %.*s cannot be read: %s", SLF(page.row[i].key), err_text(bad));
            else e = each(arg, &h);
            es256_free(&k);
        }
        if (!page.n) break;
        snprintf(from, sizeof from, "%.*s ", SLF(page.row[page.n - 1].key));
    }
    ar_free(&a);
    return e;
}
