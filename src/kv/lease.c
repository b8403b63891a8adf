/* lease.c - one owner at a time: a row "_lease/NAME" of the object, and a fencing
 * number that each new owner gets one higher, so that a late write of a former
 * owner can be told and refused. Fields: f fence, x expiry
 * in milliseconds since the Unix epoch by the engine's clock, o owner. One lease
 * over many objects leaves its number in each of them, in a row of the same name with f alone. */
#include "kv_i.h"
#include "record.h"

enum { LEASE_VERSION = 1 };

struct lease {
    uint64_t fence, expires_ms, ttl_ms;
    struct slice owner;
};

static int lease_key(char room[KV_KEY_MAX], struct slice name, struct slice *key)
{
    if (name.n == 0 || name.n > KV_KEY_MAX - 7)
        return err_set(ERR_USAGE, "the name of a lease is not allowed");
    memcpy(room, "_lease/", 7);
    memcpy(room + 7, name.p, name.n);
    *key = sl(room, 7 + name.n);
    return 0;
}

static int lease_parse(struct slice value, struct lease *out)
{
    struct rec r;
    *out = (struct lease){0};
    int e = rec_open(&r, value, LEASE_VERSION);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 'f': out->fence = rec_u64(&r); break;
        case 'x': out->expires_ms = rec_u64(&r); break;
        case 't': out->ttl_ms = rec_u64(&r); break;
        case 'o': out->owner = r.field; break;
        }
    return rec_error(&r);
}

static int lease_read(struct kv_tx *tx, struct slice name, char room[KV_KEY_MAX], struct slice *key,
                      struct lease *out)
{
    struct slice value;
    int e = lease_key(room, name, key);
    if (e == 0) e = kv_tx_get(tx, *key, &value);
    return e ? e : lease_parse(value, out);
}

struct take {
    struct slice name, owner;
    int64_t ttl_ms, left_ms;
    uint64_t fence;
};

static int take(struct kv_tx *tx, void *arg)
{
    struct take *t = arg;
    struct lease l = {0};
    char room[KV_KEY_MAX];
    struct slice key;
    struct buf b = BUF_INIT;
    uint64_t now = (uint64_t)(rt_wall() / 1000);
    int e = lease_read(tx, t->name, room, &key, &l);
    if (err_is_damage(e)) l = (struct lease){.fence = now * 1000}; /* above all that were counted up */
    else if (e && e != ERR_NOT_FOUND) return e;
    /* An expiry further off than the lease ever ran was given by a clock that was wrong. */
    bool running = e == 0 && l.expires_ms > now && l.expires_ms - now <= l.ttl_ms;
    if (running && !sl_eq(l.owner, t->owner)) {
        t->left_ms = (int64_t)(l.expires_ms - now);
        return err_set(ERR_BUSY, "%.*s is held by %.*s", SLF(t->name), SLF(l.owner));
    }
    t->fence = running ? l.fence : l.fence + 1;
    t->left_ms = t->ttl_ms;
    rec_begin(&b, LEASE_VERSION);
    rec_put_u64(&b, 'f', t->fence);
    rec_put_u64(&b, 'x', now + (uint64_t)t->ttl_ms);
    rec_put_u64(&b, 't', (uint64_t)t->ttl_ms);
    rec_put(&b, 'o', t->owner);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
    return 0;
}

int kv_lease(struct kv *kv, struct slice object, struct slice name, struct slice owner, int64_t ttl_ms,
             uint64_t *fence, int64_t *left_ms)
{
    if (owner.n == 0 || owner.n > KV_KEY_MAX || ttl_ms < 0)
        return err_set(ERR_USAGE, "the owner or time of a lease is not allowed");
    struct take t = {.name = name, .owner = owner, .ttl_ms = ttl_ms};
    int e = kv_transact(kv, object, take, &t);
    *fence = t.fence;
    *left_ms = t.left_ms;
    return e;
}

static void put_claim(struct kv_tx *tx, struct slice key, uint64_t fence)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, LEASE_VERSION);
    rec_put_u64(&b, 'f', fence);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
    tx->kv->claiming = true;
}

static int passed_on(struct slice name)
{
    return err_set(ERR_DENIED, "the lease %.*s has passed to another owner", SLF(name));
}

int kv_tx_claim(struct kv_tx *tx, struct slice name, uint64_t fence)
{
    struct lease l = {0};
    char room[KV_KEY_MAX];
    struct slice key;
    int e = lease_read(tx, name, room, &key, &l);
    if (e && e != ERR_NOT_FOUND && !err_is_damage(e)) return e;
    if (e == 0 && l.fence > fence) return passed_on(name);
    if (e || l.fence < fence) put_claim(tx, key, fence);
    return 0;
}

int kv_claimed(struct kv *kv, struct slice object, struct slice name, uint64_t fence)
{
    struct lease l = {0};
    char room[KV_KEY_MAX];
    struct arena a = {0};
    struct slice key, value;
    int e = lease_key(room, name, &key);
    if (e == 0) e = kv_get(kv, object, key, &a, &value);
    if (e == 0) e = lease_parse(value, &l);
    ar_free(&a);
    if (e) return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
    return l.fence > fence ? passed_on(name) : 0;
}

uint64_t kv_claims(const struct kv *kv) { return __atomic_load_n(&kv->claims, __ATOMIC_ACQUIRE) + 1; }

int kv_tx_fence(struct kv_tx *tx, struct slice name, uint64_t fence)
{
    struct lease l = {0};
    char room[KV_KEY_MAX];
    struct slice key;
    int e = lease_read(tx, name, room, &key, &l);
    if (e && e != ERR_NOT_FOUND) return e;
    return e || l.fence != fence ? passed_on(name) : 0;
}
