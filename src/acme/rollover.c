/* rollover.c - keys change without those who go by the DNS seeing a wrong one (TLSA records "3 1 1", RFC 7671
 * section 8.1): the next key's record stands beside the present one's for two TTLs before a certificate is
 * asked for with it; until then the next certificate has the present key. So nothing ever waits for the DNS.
 *
 * Row `t` tells how far that is. Every step may be done again. */
#include <stdio.h>

#include "acme_i.h"
#include "base/civil.h"
#include "base/log.h"
#include "crypto/cert.h"
#include "crypto/crypto.h"
#include "kv/record.h"

enum {
    VERSION = 1,
    HASH = 32,
    TTL_MOST_S = 7 * 86400,
    SPREAD_S = 3600 /* until the other servers have it */
};

/* ---- the row ---- */

static int parse(struct slice value, struct acme_rollover *out)
{
    struct rec r;
    *out = (struct acme_rollover){0};
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'u': out->used = rec_u64(&r) != 0; break;
        case 'n': out->next = r.field; break;
        case 's': out->since = (int64_t)rec_u64(&r); break;
        case 'r': out->ready = (int64_t)rec_u64(&r); break;
        case 'o':
            if (out->nold < ACME_OLD_KEYS_MAX) out->old[out->nold++] = r.field;
            break;
        case 'x': out->replaced = (int64_t)rec_u64(&r); break;
        case 'f': out->failed = (int64_t)rec_u64(&r); break;
        case 'w': out->why = r.field; break;
        }
    if (!e) e = rec_error(&r);
    if (e) *out = (struct acme_rollover){0};
    return e;
}

static void make_record(const struct acme_rollover *v, struct buf *b)
{
    rec_begin(b, VERSION);
    rec_opt_u64(b, 'u', v->used);
    rec_opt(b, 'n', v->next);
    rec_opt_u64(b, 's', (uint64_t)v->since);
    rec_opt_u64(b, 'r', (uint64_t)v->ready);
    for (size_t i = 0; i < v->nold; i++) rec_put(b, 'o', v->old[i]);
    rec_opt_u64(b, 'x', (uint64_t)v->replaced);
    rec_opt_u64(b, 'f', (uint64_t)v->failed);
    rec_opt(b, 'w', sl_sub(v->why, 0, 300));
}

int acme_rollover(struct kv *kv, struct arena *a, struct acme_rollover *out)
{
    struct slice value;
    *out = (struct acme_rollover){0};
    int e = kv_get(kv, ACME_OBJECT, SL("t"), a, &value);
    return e == ERR_NOT_FOUND ? 0 : e ? e : parse(value, out);
}

/* What became of it. next: the key that it is about. */
struct step {
    void (*apply)(struct acme_rollover *r, const struct step *s);
    struct slice next, old, why;
    const struct slice *gone; /* records that do not stand there any more */
    size_t ngone;
    uint32_t ttl;
    bool used, stands, missing; /* the next key's, as far as is known */
    int64_t now;
};

static bool is_among(const struct slice *v, size_t n, struct slice s)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) any |= sl_eq(v[i], s);
    return any;
}

static void drop_gone(struct acme_rollover *r, const struct step *s)
{
    size_t n = 0;
    for (size_t i = 0; i < r->nold; i++)
        if (!is_among(s->gone, s->ngone, r->old[i])) r->old[n++] = r->old[i];
    r->nold = n;
}

/* RFC 7671 section 8.1: two TTLs. */
static int64_t wait_of(uint32_t ttl) { return 2 * (int64_t)(ttl < TTL_MOST_S ? ttl : TTL_MOST_S) + SPREAD_S; }

static void stands(struct acme_rollover *r, const struct step *s)
{
    if (r->since && r->since <= s->now && sl_eq(r->next, s->next)) return;
    r->next = s->next;
    r->since = s->now;
    r->ready = s->now + wait_of(s->ttl);
}

static void seen(struct acme_rollover *r, const struct step *s)
{
    if (!s->used) {
        *r = (struct acme_rollover){0};
        return;
    }
    r->used = true;
    r->failed = 0;
    r->why = SL("");
    drop_gone(r, s);
    if (s->missing) r->since = 0; /* it was put there just now */
    stands(r, s);
}

static void failed(struct acme_rollover *r, const struct step *s)
{
    r->used |= s->used;
    if (!r->failed || r->failed > s->now) r->failed = s->now;
    r->why = s->why;
    if (s->stands) stands(r, s);
    if (s->missing) r->since = r->ready = 0;
}

static void replaced(struct acme_rollover *r, const struct step *s)
{
    if (is_among(r->old, r->nold, s->old)) return;
    if (r->nold == ACME_OLD_KEYS_MAX) memmove(r->old, r->old + 1, --r->nold * sizeof *r->old);
    r->old[r->nold++] = s->old;
    r->replaced = s->now;
}

/* A row that is damaged counts as none: it is seen anew what stands there. One of a later version stays. */
static int step_tx(struct kv_tx *tx, void *arg)
{
    const struct step *s = arg;
    struct acme_rollover r = {0};
    struct slice value = {0};
    struct buf b = BUF_INIT;
    int e = kv_tx_get(tx, SL("t"), &value);
    if (e && e != ERR_NOT_FOUND) return e;
    if (!e && parse(value, &r) == ERR_VERSION) return 0;
    s->apply(&r, s);
    make_record(&r, &b);
    if (!sl_eq(buf_slice(&b), value)) kv_tx_put_record(tx, SL("t"), &b);
    buf_free(&b);
    return 0;
}

/* Kept, and in r, also when it cannot be kept. */
static void note(struct acme *x, struct step *s, struct acme_rollover *r)
{
    s->now = rt_wall_seconds();
    int e = kv_transact(x->conf.kv, ACME_OBJECT, step_tx, s);
    if (e && e != ERR_CANCELED)
        log_warn("acme", "how far the change of keys is in the DNS cannot be noted: %s", err_text(e));
    s->apply(r, s);
}

int acme_kept_take(struct kv *kv, const struct acme_kept *v, struct slice old)
{
    struct step s = {.apply = replaced, .old = old, .now = rt_wall_seconds()};
    return acme_kept_put_with(kv, v, old.n ? step_tx : NULL, &s);
}

/* ---- what the DNS shows ---- */

static struct slice hash_of_chain(struct arena *a, struct slice chain)
{
    uint8_t hash[HASH];
    if (!chain.n || cert_spki_sha256(chain, hash)) return SL("");
    return ar_dup(a, sl((char *)hash, HASH));
}

static struct slice hash_of_key(struct arena *a, const struct es256 *key)
{
    uint8_t hash[HASH];
    es256_spki_sha256(key, hash);
    return ar_dup(a, sl((char *)hash, HASH));
}

static struct slice hash_of_pem(struct arena *a, struct slice pem)
{
    struct es256 *key;
    if (!pem.n || es256_from_pem(pem, &key)) return SL("");
    struct slice hash = hash_of_key(a, key);
    es256_free(&key);
    return hash;
}

/* Kept, or else in the files. */
static void present(struct acme *x, struct arena *a, const struct acme_kept *k, struct slice *chain,
                    struct slice *key)
{
    *chain = k->chain_pem;
    *key = k->key_pem;
    if (chain->n || !x->served) return;
    if (x->served(x->served_arg, a, chain, key)) *chain = *key = SL("");
}

/* Those that are taken away now: the certificate with the new key has proved itself for an hour. */
static size_t to_be_gone(const struct acme_rollover *r, const struct acme_keys *q, struct slice *out)
{
    int64_t now = rt_wall_seconds();
    size_t n = 0;
    if (r->replaced <= now && now - r->replaced < ACME_OLD_KEY_S) return 0;
    for (size_t i = 0; i < r->nold; i++)
        if (!sl_eq(r->old[i], q->present) && !sl_eq(r->old[i], q->next)) out[n++] = r->old[i];
    return n;
}

static void note_failed(struct acme *x, struct arena *a, int e, struct step *s, struct acme_rollover *r)
{
    struct slice before = r->why;
    s->apply = failed;
    s->why = ar_dup(a, sl_cstr(err_text(e)));
    if (!sl_eq(before, s->why)) log_warn("acme", "TLSA records: %.*s", SLF(s->why));
    note(x, s, r);
}

static void note_seen(struct acme *x, struct step *s, struct acme_rollover *r)
{
    char text[CIVIL_TEXT_MAX];
    int64_t before = r->since;
    s->apply = seen;
    note(x, s, r);
    if (r->since && r->since != before)
        log_info("acme",
                 "the TLSA record of the next key stands in the DNS; a certificate has that key from %s on",
                 civil_format(r->ready, text));
}

/* What cannot be read is as what the DNS does not tell. */
static int read_row(struct acme *x, struct arena *a, struct acme_rollover *r)
{
    int e = acme_rollover(x->conf.kv, a, r);
    if (!e || e == ERR_CANCELED || e == ERR_CORRUPT) return e == ERR_CORRUPT ? 0 : e;
    *r = (struct acme_rollover){.used = true, .failed = rt_wall_seconds()};
    r->why = ar_dup(a, sl_cstr(err_text(e)));
    return 0;
}

static int look(struct acme *x, struct arena *a, const struct acme_kept *k, struct acme_rollover *r,
                struct acme_shown *was)
{
    struct slice gone[ACME_OLD_KEYS_MAX], chain, key;
    struct step s = {.gone = gone};
    *r = (struct acme_rollover){0};
    *was = (struct acme_shown){0};
    if (!x->conf.keys) return 0;
    int e = read_row(x, a, r);
    if (e) return e;
    present(x, a, k, &chain, &key);
    struct acme_keys q = {
        .present = hash_of_chain(a, chain), .next = hash_of_pem(a, k->next_key_pem), .gone = gone};
    if (!q.next.n) return 0;
    q.ngone = s.ngone = to_be_gone(r, &q, gone);
    e = x->conf.keys(x->conf.ctx, a, &q, was);
    if (e == ERR_CANCELED) return e;
    s.next = q.next;
    s.used = was->used;
    s.ttl = was->ttl;
    s.stands = was->next;
    s.missing = was->known && !was->next;
    if (e) note_failed(x, a, e, &s, r);
    else note_seen(x, &s, r);
    return 0;
}

int rollover_look(struct acme *x)
{
    struct arena a = {0};
    struct acme_kept k;
    struct acme_rollover r;
    struct acme_shown was;
    int e = acme_kept(x->conf.kv, &a, SL(""), &k);
    if (!e) e = look(x, &a, &k, &r, &was);
    ar_free(&a);
    return e;
}

/* ---- the key to be certified ---- */

static bool is_everywhere(const struct acme_rollover *r) { return r->since && r->ready <= rt_wall_seconds(); }

static bool is_known(const struct acme_rollover *r, struct slice next)
{
    return is_everywhere(r) && sl_eq(r->next, next);
}

const char *acme_rollover_waits(const struct acme_rollover *r)
{
    return is_everywhere(r) ? "the next certificate may have the next key, whose record is known; then keys "
                              "wait until that is mended"
                            : "certificates keep the present key until it is mended";
}

/* At first there are files, whose key may stand in the DNS, and may be one that cannot be asked for. Then the
 * next key is waited for, a day at most. */
static int first_key(struct acme *x, struct arena *a, const struct acme_kept *k,
                     const struct acme_rollover *r, const struct acme_shown *was, bool by_hand,
                     struct slice *pem)
{
    char text[CIVIL_TEXT_MAX];
    struct slice chain, key;
    int64_t last = r->since + 86400;
    present(x, a, k, &chain, &key);
    if (was->present && hash_of_pem(a, key).n) {
        *pem = key;
        return 0;
    }
    if (by_hand || !r->since || is_known(r, r->next)) return 0;
    if (r->ready < last) last = r->ready;
    if (last <= rt_wall_seconds()) return 0;
    return err_set(ERR_DNS,
                   "the record of the key to be certified stands in the DNS beside another since a short "
                   "while: who goes by TLSA records knows it from %s on, and then a certificate is asked for",
                   civil_format(last, text));
}

int rollover_key(struct acme *x, struct arena *a, const struct acme_kept *k, bool by_hand, struct es256 **out)
{
    struct acme_rollover r = {0};
    struct acme_shown was;
    struct slice pem = k->next_key_pem;
    int e = k->name.n ? 0 : look(x, a, k, &r, &was);
    if (!e && (r.used || r.failed) && !is_known(&r, hash_of_pem(a, pem))) {
        if (k->key_pem.n) pem = k->key_pem;
        else e = first_key(x, a, k, &r, &was, by_hand, &pem);
    }
    return e ? e : es256_from_pem(pem, out);
}

struct slice rollover_replaced(struct acme *x, struct arena *a, const struct acme_kept *k,
                               const struct es256 *key)
{
    struct slice chain, own;
    if (k->name.n || !x->conf.keys) return SL("");
    present(x, a, k, &chain, &own);
    struct slice old = hash_of_chain(a, chain);
    return sl_eq(old, hash_of_key(a, key)) ? SL("") : old;
}
