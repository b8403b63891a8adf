/* rights.c - fields of an account's row besides its password: limits, app passwords, addresses that it may
 * send as. They are read with the account and go with it. */
#include <stdio.h>

#include "base/text.h"
#include "directory_i.h"
#include "kv/record.h"

enum { APP_VERSION = 1 };

/* ---- limits: the tags A, B, ... in the order of enum sender_limit ---- */

void sender_limits_put(struct buf *b, const struct sender_limits *l)
{
    for (int k = 0; k < SENDER_LIMITS; k++)
        if (l->v[k] != SENDER_UNSET) rec_put_u64(b, (uint8_t)('A' + k), (uint64_t)l->v[k]);
}

void sender_limits_take(struct rec *r, struct sender_limits *out)
{
    int k = r->tag - 'A';
    if (k < 0 || k >= SENDER_LIMITS) return;
    uint64_t v = rec_u64(r);
    if (v > SENDER_UNLIMITED) r->bad = true;
    else out->v[k] = (int64_t)v;
}

/* ---- keys of SCRAM-SHA-1 ---- */

enum { OLD_KEY = 20 };

void old_keys_put(struct buf *b, const uint8_t *stored_key, const uint8_t *server_key)
{
    uint8_t both[2 * OLD_KEY];
    memcpy(both, stored_key, OLD_KEY);
    memcpy(both + OLD_KEY, server_key, OLD_KEY);
    rec_put(b, 'h', sl((const char *)both, sizeof both));
    wipe(both, sizeof both);
}

bool old_keys_take(struct slice field, uint8_t *stored_key, uint8_t *server_key)
{
    if (field.n != 2 * OLD_KEY) return false;
    memcpy(stored_key, field.p, OLD_KEY);
    memcpy(server_key, field.p + OLD_KEY, OLD_KEY);
    return true;
}

/* ---- app passwords ---- */

void app_password_put(struct buf *b, const struct app_password *p)
{
    struct buf own = BUF_INIT;
    rec_begin(&own, APP_VERSION);
    rec_put(&own, 'i', sl_cstr(p->id));
    rec_put(&own, 'n', p->name);
    rec_put_u64(&own, 'p', p->protocols);
    rec_put(&own, 's', sl((const char *)p->stored_key, sizeof p->stored_key));
    rec_put(&own, 'v', sl((const char *)p->server_key, sizeof p->server_key));
    if (p->has_old) old_keys_put(&own, p->old_stored_key, p->old_server_key);
    rec_put_u64(&own, 'c', (uint64_t)p->created);
    sender_limits_put(&own, &p->limits);
    rec_put(b, 'p', buf_slice(&own));
    wipe(own.p, own.n);
    buf_free(&own);
}

static bool take_key(struct slice field, uint8_t out[32])
{
    if (field.n == 32) memcpy(out, field.p, 32);
    return field.n == 32;
}

static bool is_id(struct slice s)
{
    uint64_t n;
    return s.n == APP_ID && num_hex64(s, &n);
}

static int app_parse(struct slice field, struct app_password *p)
{
    struct rec r;
    int keys = 0;
    *p = (struct app_password){.limits = SENDER_LIMITS_UNSET};
    int e = rec_open(&r, field, APP_VERSION);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 'i':
            if (is_id(r.field)) snprintf(p->id, sizeof p->id, "%.*s", SLF(r.field));
            break;
        case 'n': p->name = r.field; break;
        case 'p': p->protocols = (unsigned)(rec_u64(&r) & LOGIN_ALL); break;
        case 's': keys += take_key(r.field, p->stored_key); break;
        case 'v': keys += take_key(r.field, p->server_key); break;
        case 'h':
            p->has_old = old_keys_take(r.field, p->old_stored_key, p->old_server_key);
            if (!p->has_old) r.bad = true;
            break;
        case 'c': p->created = (int64_t)rec_u64(&r); break;
        default: sender_limits_take(&r, &p->limits);
        }
    e = rec_error(&r);
    return e || (keys == 2 && p->id[0]) ? e : ERR_CORRUPT;
}

int app_password_take(struct arena *a, struct slice field, struct account *out)
{
    struct app_password p;
    int e = app_parse(field, &p);
    if (!e && out->napps == APP_PASSWORDS_MAX) e = ERR_CORRUPT;
    if (e) return err_set(ERR_CORRUPT, "an app password of %.*s is damaged", SLF(out->address));
    if (!out->app) out->app = ar_array(a, struct app_password, APP_PASSWORDS_MAX);
    out->app[out->napps++] = p;
    return 0;
}

/* ---- addresses that it may send as ---- */

void grant_take(struct arena *a, struct slice field, struct account *out)
{
    if (!out->grant) out->grant = ar_array(a, struct slice, GRANTS_MAX);
    out->grant[out->ngrants++] = field;
}
