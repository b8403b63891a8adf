/* webhook.c - where events are told to: rows, and the key that signs them (webhook.h). */
#include "webhook.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/es256.h"
#include "event.h"
#include "fetch/fetch.h"
#include "send_i.h"
#include "webhook_i.h"

enum { ROW_VERSION = 1 };

static struct slice key_of(struct arena *a, char kind, struct slice account, struct slice name)
{
    return ar_printf(a, "%c/%.*s/%.*s", kind, SLF(account), SLF(name));
}

/* ---- rows ---- */

static enum webhook_form webhook_form_of(uint64_t n)
{
    return n < WEBHOOK_FORMS ? (enum webhook_form)n : WEBHOOK_SENDGRID;
}

static int get_settings(struct slice row, struct webhook *h, struct slice *pem)
{
    struct rec r;
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'u': h->url = r.field; break;
        case 'e': h->kinds = (unsigned)rec_u64(&r); break;
        case 'k': *pem = r.field; break;
        case 'n': h->title = r.field; break;
        case 'm': h->form = webhook_form_of(rec_u64(&r)); break;
        case 'x': h->off = rec_u64(&r) != 0; break;
        case 'b': h->bare = rec_u64(&r) != 0; break;
        case 'c': h->created = (int64_t)rec_u64(&r); break;
        case 't': h->changed = (int64_t)rec_u64(&r); break;
        }
    return e ? e : rec_error(&r);
}

static void put_settings(struct buf *b, const struct webhook *h, struct slice pem)
{
    rec_begin(b, ROW_VERSION);
    rec_put(b, 'u', h->url);
    rec_opt_u64(b, 'e', h->kinds);
    rec_put(b, 'k', pem);
    rec_opt(b, 'n', h->title);
    rec_opt_u64(b, 'm', h->form);
    rec_opt_u64(b, 'x', h->off);
    rec_opt_u64(b, 'b', h->bare);
    rec_put_u64(b, 'c', (uint64_t)h->created);
    rec_put_u64(b, 't', (uint64_t)h->changed);
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

int webhook_row_check(struct slice key, struct slice row)
{
    struct webhook h = {0};
    struct slice pem;
    return sl_starts(key, SL("w/")) ? get_settings(row, &h, &pem) : get_place(row, &h);
}

/* SubjectPublicKeyInfo of a point on P-256 (RFC 5480 section 2). */
struct slice webhook_public_key(struct arena *a, const struct es256 *k)
{
    static const uint8_t head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};
    uint8_t der[sizeof head + 2 * ES256_NUMBER];
    memcpy(der, head, sizeof head);
    es256_public(k, der + sizeof head, der + sizeof head + ES256_NUMBER);
    return b64_encode_ar(a, sl((const char *)der, sizeof der));
}

static bool is_lost(int e) { return e == ERR_NOT_FOUND || err_is_damage(e); }

/* ---- adding, changing, removing ---- */

struct adding {
    struct sends *s;
    const struct webhook *h;
    struct arena *a;
    struct slice key, place, pem, prefix;
    uint64_t last; /* event of the node */
    int64_t now;
    webhook_change_fn *change;
    void *arg;
};

/* What an account has beside the row of that key. */
struct others {
    struct slice key, url;
    size_t n;
    bool told; /* this URL */
};

static int look_row(void *arg, struct slice key, struct slice value)
{
    struct others *o = arg;
    struct webhook h = {0};
    struct slice pem;
    if (sl_eq(key, o->key)) return 0;
    o->n++;
    o->told |= get_settings(value, &h, &pem) == 0 && sl_eq(h.url, o->url);
    return 0;
}

static int others_allow(struct kv_tx *tx, const struct adding *x, struct slice url)
{
    struct arena a = {0};
    struct others o = {.key = x->key, .url = url};
    int e = kv_tx_scan(tx, x->prefix, kv_prefix_end(&a, x->prefix), look_row, &o);
    ar_free(&a);
    if (e) return e;
    if (o.told) return err_set(ERR_EXISTS, "there is a webhook of that URL");
    return o.n < WEBHOOKS_MAX ? 0
                              : err_set(ERR_LIMIT, "an account has no more than %d webhooks", WEBHOOKS_MAX);
}

static void put_rows(struct kv_tx *tx, const struct adding *x, const struct webhook *h, struct slice pem,
                     uint64_t after)
{
    struct buf b = BUF_INIT;
    put_settings(&b, h, pem);
    kv_tx_put_record(tx, x->key, &b);
    put_place(&b, &(struct webhook){.after = after});
    kv_tx_put_record(tx, x->place, &b);
    buf_free(&b);
}

static int add_tx(struct kv_tx *tx, void *arg)
{
    const struct adding *x = arg;
    struct slice row;
    int e = kv_tx_get(tx, x->key, &row);
    if (!e) return err_set(ERR_EXISTS, "there is a webhook of that name");
    if (e == ERR_NOT_FOUND) e = others_allow(tx, x, x->h->url);
    if (!e) put_rows(tx, x, x->h, x->pem, x->last);
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

/* Its URL as it is kept, in a. */
static int fits(const struct sends *s, struct arena *a, struct webhook *h)
{
    if (h->title.n > WEBHOOK_TITLE_MAX || !utf8_valid(h->title))
        return err_set(ERR_SYNTAX, "a title has no more than %d bytes of UTF-8", WEBHOOK_TITLE_MAX);
    return fetch_url_take(a, h->url, s->webhook_private, &h->url);
}

static void begin(struct adding *x, struct sends *s, struct slice account, struct slice name, struct arena *a)
{
    *x = (struct adding){.s = s,
                         .a = a,
                         .key = key_of(a, 'w', account, name),
                         .place = key_of(a, 'W', account, name),
                         .prefix = key_of(a, 'w', account, SL("")),
                         .now = rt_wall()};
    lock_take(&s->lock);
    x->last = s->last_event;
    lock_release(&s->lock);
}

static int write(struct adding *x, kv_fn *tx)
{
    int e = kv_transact(x->s->store->kv, SL(SENDS_OBJECT), tx, x);
    if (!e && x->s->tell) x->s->tell(x->s, NULL);
    return e;
}

/* With a key that signs, which a row that tx adds is given. */
static int write_with_key(struct adding *x, struct sends *s, const struct webhook *h, struct arena *a,
                          struct slice *public, kv_fn *tx)
{
    struct es256 *k = NULL;
    struct buf pem = BUF_INIT;
    struct webhook full = *h;
    int e = name_fits(h->name);
    if (!e) e = fits(s, a, &full);
    if (!e) e = es256_new(&k);
    if (e) return e;
    es256_pem(k, &pem);
    *public = webhook_public_key(a, k);
    begin(x, s, h->account, h->name, a);
    x->h = &full;
    x->pem = buf_slice(&pem);
    full.created = full.changed = x->now;
    e = write(x, tx);
    if (pem.p) wipe(pem.p, pem.n);
    buf_free(&pem);
    es256_free(&k);
    return e;
}

int webhook_add(struct sends *s, const struct webhook *h, struct arena *a, struct slice *public)
{
    struct adding x;
    return write_with_key(&x, s, h, a, public, add_tx);
}

static int change_tx(struct kv_tx *tx, void *arg)
{
    const struct adding *x = arg;
    struct slice row, place, pem = {0};
    struct webhook h = {0};
    int e = kv_tx_get(tx, x->key, &row);
    if (e == ERR_NOT_FOUND) return err_set(e, "there is no webhook of that name");
    if (!e) e = get_settings(row, &h, &pem);
    if (e) return e;
    e = kv_tx_get(tx, x->place, &place);
    if (!e) e = get_place(place, &h);
    if (is_lost(e)) h.after = x->last; /* it goes on from here */
    else if (e) return e;
    bool was_off = h.off;
    x->change(x->arg, &h);
    h.changed = x->now;
    e = fits(x->s, x->a, &h);
    if (!e) e = others_allow(tx, x, h.url);
    if (!e) put_rows(tx, x, &h, pem, was_off && !h.off ? x->last : h.after);
    return e;
}

int webhook_change(struct sends *s, struct slice account, struct slice name, webhook_change_fn *change,
                   void *arg)
{
    struct arena a = {0};
    struct adding x;
    int e = name_fits(name);
    begin(&x, s, account, name, &a);
    x.change = change;
    x.arg = arg;
    if (!e) e = write(&x, change_tx);
    ar_free(&a);
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

/* ---- kinds that are told to one URL ---- */

struct only {
    struct adding x; /* x.h: to whom, under a name that is new */
    struct kv_tx *tx;
    bool fresh, told;
    struct slice found; /* the key of the one of that URL */
};

static struct slice place_of(struct arena *a, struct slice key)
{
    return ar_cat(a, SL("W"), sl_from(key, 1));
}

static int take_kinds(void *arg, struct slice key, struct slice value)
{
    struct only *o = arg;
    struct webhook h = {0};
    struct slice pem = {0};
    struct buf b = BUF_INIT;
    if (get_settings(value, &h, &pem) || h.form == WEBHOOK_SENDGRID) return 0;
    unsigned taken = o->x.h->kinds & ~WEBHOOK_CHOSEN;
    bool heard = h.kinds & taken;
    o->told |= heard;
    key = ar_dup(o->x.a, key);
    if (sl_eq(h.url, o->x.h->url)) {
        o->found = key;
    } else if (heard && (h.kinds &= ~taken) & ~WEBHOOK_CHOSEN) {
        h.changed = o->x.now;
        put_settings(&b, &h, pem);
        kv_tx_put_record(o->tx, key, &b);
    } else if (heard) {
        kv_tx_del(o->tx, key);
        kv_tx_del(o->tx, place_of(o->x.a, key));
    }
    buf_free(&b);
    return 0;
}

static void become(void *arg, struct webhook *h)
{
    const struct webhook *want = arg;
    h->kinds |= want->kinds | WEBHOOK_CHOSEN;
    h->form = want->form;
    h->off = want->off;
}

static int only_tx(struct kv_tx *tx, void *arg)
{
    struct only *o = CONTAINER_OF((struct adding *)arg, struct only, x);
    struct adding x = o->x;
    struct arena a = {0};
    o->tx = tx;
    o->told = false;
    o->found = SL("");
    int e = kv_tx_scan(tx, x.prefix, kv_prefix_end(&a, x.prefix), take_kinds, o);
    ar_free(&a);
    if (e) return e;
    if (o->told && o->fresh) return err_set(ERR_EXISTS, "there is a URL for these events already: change it");
    if (!x.h->url.n) return o->told ? 0 : err_set(ERR_NOT_FOUND, "there is no URL for these events");
    if (!o->found.n) return add_tx(tx, &x);
    x.key = o->found;
    x.place = place_of(x.a, x.key);
    x.change = become;
    x.arg = (void *)x.h;
    return change_tx(tx, &x);
}

int webhook_tell_only(struct sends *s, const struct webhook *h, bool fresh)
{
    struct only o = {.fresh = fresh};
    struct webhook full = *h;
    struct arena a = {0};
    struct slice public;
    int e;
    full.kinds |= WEBHOOK_CHOSEN;
    if (h->url.n) {
        e = write_with_key(&o.x, s, &full, &a, &public, only_tx);
    } else {
        begin(&o.x, s, h->account, h->name, &a);
        o.x.h = &full;
        e = write(&o.x, only_tx);
    }
    ar_free(&a);
    return e;
}

/* ---- its place in the stream ---- */

struct placing {
    struct slice key, place;
    struct webhook now;
    uint64_t from; /* the place that it is moved from; 0: whatever it is */
    uint64_t last; /* event of the node: where one goes on whose place is lost */
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
    if (e) return e;
    e = kv_tx_get(tx, x->place, &row);
    if (!e) e = get_place(row, &there);
    bool lost = is_lost(e);
    if (e && !lost) return e;
    if (x->from && !lost && there.after != x->from) return 0; /* it was told to begin elsewhere meanwhile */
    if (x->keep) x->now.after = lost ? x->last : there.after;
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
    lock_take(&s->lock);
    x->last = s->last_event;
    lock_release(&s->lock);
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

/* One whose place is lost is told nothing, and says so, until somebody says where it goes on. */
static int read_place(struct sends *s, struct arena *a, struct webhook *h)
{
    struct slice row;
    struct webhook there = {0};
    int e = kv_get(s->store->kv, SL(SENDS_OBJECT), key_of(a, 'W', h->account, h->name), a, &row);
    if (!e) e = get_place(row, &there);
    if (is_lost(e))
        there =
            (struct webhook){.paused = true,
                             .why = SL("how far it is in the events cannot be read: when it is resumed it "
                                       "goes on from now, or behind the event that is named")};
    else if (e) return e;
    h->after = there.after, h->paused = there.paused, h->failing = there.failing;
    h->next = there.next, h->why = there.why;
    return 0;
}

int webhook_read(struct sends *s, struct slice key, struct slice row, struct arena *a, struct webhook *out,
                 struct es256 **signs)
{
    struct slice rest = sl_from(key, 2), pem = {0};
    *out = (struct webhook){0};
    if (!sl_next(&rest, '/', &out->account)) return ERR_CORRUPT;
    out->name = rest;
    int e = get_settings(row, out, &pem);
    if (!e) e = read_place(s, a, out);
    if (!e && signs) e = es256_from_pem(pem, signs);
    if (!e && signs) out->public_key = webhook_public_key(a, *signs);
    return e;
}

int webhook_get_key(struct sends *s, struct slice account, struct slice name, struct arena *a,
                    struct webhook *out, struct es256 **signs)
{
    struct slice row, key = key_of(a, 'w', account, name);
    int e = name_fits(name);
    if (!e) e = kv_get(s->store->kv, SL(SENDS_OBJECT), key, a, &row);
    if (e == ERR_NOT_FOUND) return err_set(e, "there is no webhook of that name");
    return e ? e : webhook_read(s, key, row, a, out, signs);
}

int webhook_get(struct sends *s, struct slice account, struct slice name, struct arena *a,
                struct webhook *out)
{
    struct es256 *k = NULL;
    int e = webhook_get_key(s, account, name, a, out, &k);
    es256_free(&k);
    return e;
}

struct telling {
    bool keys;
    webhook_each_fn *each;
    void *arg;
};

static int tell_row(struct sends *s, const struct kv_row *row, struct arena *a, void *arg)
{
    const struct telling *t = arg;
    struct webhook h;
    struct es256 *k = NULL;
    int e = webhook_read(s, row->key, row->value, a, &h, t->keys ? &k : NULL);
    if (e) log_error("send", "the webhook %.*s cannot be read: %s", SLF(row->key), err_text(e));
    es256_free(&k);
    return e ? 0 : t->each(t->arg, &h);
}

static int walk(struct sends *s, struct slice account, bool keys, webhook_each_fn *each, void *arg)
{
    return sends_each_row(s, "w", account, tell_row, &(struct telling){keys, each, arg});
}

int webhook_each(struct sends *s, struct slice account, webhook_each_fn *each, void *arg)
{
    return walk(s, account, true, each, arg);
}

int webhook_each_keyless(struct sends *s, webhook_each_fn *each, void *arg)
{
    return walk(s, SL(""), false, each, arg);
}
