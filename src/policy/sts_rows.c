/* sts_rows.c - what is kept of the policies of other domains: object _sts, rows p/ policies, f/ fetches that
 * failed, u/ the day of the last use. */
#include "base/log.h"
#include "crypto/crypto.h"
#include "kv/record.h"
#include "sts_i.h"

enum { VERSION = 1, DAY_S = 86400 };

/* The row of a kind ("p", "f", "u") about a domain. */
static struct slice sts_key(struct arena *a, const char *kind, struct slice domain)
{
    return ar_printf(a, "%s/%.*s", kind, SLF(hash_name(a, domain)));
}

/* ---- rows to values ---- */

/* A policy that a clock which was ahead wrote is as old as can be, and holds until it is fetched again. */
bool sts_holds(const struct sts_found *p, int64_t now)
{
    return p->known && now < p->fetched + (int64_t)p->policy.max_age;
}

int sts_policy_read(struct arena *a, struct slice value, struct sts_found *out)
{
    struct rec r;
    uint64_t mode = 0, age = 0;
    *out = (struct sts_found){0};
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'i': out->id = r.field; break;
        case 'm': mode = rec_u64(&r); break;
        case 'a': age = rec_u64(&r); break;
        case 't': out->fetched = (int64_t)rec_u64(&r); break;
        case 'x':
            if (out->policy.nmx < MTA_STS_MX_MAX) out->policy.mx[out->policy.nmx++] = ar_dup(a, r.field);
            break;
        }
    if (!e) e = rec_error(&r);
    if (!e && (mode > MTA_STS_ENFORCE || age > MTA_STS_AGE_MAX || out->fetched <= 0))
        e = err_set(ERR_CORRUPT, "its fields make no sense");
    if (e) return e;
    int64_t now = rt_wall_seconds();
    out->policy.mode = (enum mta_sts_mode)mode;
    out->policy.max_age = (uint32_t)age;
    if (out->fetched > now) out->fetched = now - STS_REFRESH_S;
    out->expires = out->fetched + (int64_t)age;
    out->known = true;
    return 0;
}

int sts_failure_read(struct slice value, struct sts_failure *out)
{
    struct rec r;
    *out = (struct sts_failure){0};
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'i': out->id = r.field; break;
        case 't': out->when = (int64_t)rec_u64(&r); break;
        case 'k': out->trouble = (enum sts_trouble)(rec_u64(&r) & 3); break;
        case 'w': out->why = r.field; break;
        }
    return e ? e : rec_error(&r);
}

struct slice sts_row_domain(struct slice value)
{
    struct rec r;
    struct slice domain = {0};
    if (rec_open(&r, value, VERSION) != 0) return domain;
    while (rec_next(&r))
        if (r.tag == 'd') domain = r.field;
    return rec_error(&r) ? SL("") : domain;
}

/* ---- reading ---- */

/* A damaged row is as none: the next fetch writes it anew. */
static int damaged(struct slice domain, int e)
{
    if (e != ERR_CORRUPT && e != ERR_VERSION) return e;
    log_warn("policy", "what is kept of the MTA-STS policy of %.*s cannot be read: %s", SLF(domain),
             err_text(e));
    return err_set(ERR_NOT_FOUND, "the row is damaged");
}

int sts_row_policy(struct sts *s, struct arena *a, struct slice domain, struct sts_found *out)
{
    struct slice value;
    *out = (struct sts_found){0};
    int e = kv_get(s->conf.kv, STS_OBJECT, sts_key(a, "p", domain), a, &value);
    if (!e) e = damaged(domain, sts_policy_read(a, value, out));
    if (e) *out = (struct sts_found){0};
    return e;
}

int sts_row_failure(struct sts *s, struct arena *a, struct slice domain, struct sts_failure *out)
{
    struct slice value;
    *out = (struct sts_failure){0};
    int e = kv_get(s->conf.kv, STS_OBJECT, sts_key(a, "f", domain), a, &value);
    return e ? e : damaged(domain, sts_failure_read(value, out));
}

/* ---- writing ---- */

static void put_day(struct buf *b)
{
    rec_begin(b, VERSION);
    rec_put_u64(b, 'd', (uint64_t)(rt_wall_seconds() / DAY_S));
}

struct writing {
    struct slice put, del, used; /* or empty */
    struct buf *record, *day;
};

static int write_tx(struct kv_tx *tx, void *arg)
{
    const struct writing *w = arg;
    kv_tx_put_record(tx, w->put, w->record);
    if (w->del.n) kv_tx_del(tx, w->del);
    if (w->used.n) kv_tx_put_record(tx, w->used, w->day);
    return 0;
}

int sts_row_keep(struct sts *s, struct slice domain, const struct sts_found *p, bool used)
{
    struct arena a = {0};
    struct buf b = BUF_INIT, day = BUF_INIT;
    struct writing w = {
        .put = sts_key(&a, "p", domain), .del = sts_key(&a, "f", domain), .record = &b, .day = &day};
    if (used) w.used = sts_key(&a, "u", domain);
    put_day(&day);
    rec_begin(&b, VERSION);
    rec_put(&b, 'd', domain);
    rec_put(&b, 'i', p->id);
    rec_put_u64(&b, 'm', p->policy.mode);
    rec_put_u64(&b, 'a', p->policy.max_age);
    rec_put_u64(&b, 't', (uint64_t)p->fetched);
    for (size_t i = 0; i < p->policy.nmx; i++) rec_put(&b, 'x', p->policy.mx[i]);
    int e = kv_transact(s->conf.kv, STS_OBJECT, write_tx, &w);
    __atomic_add_fetch(&s->written, 1, __ATOMIC_ACQ_REL);
    buf_free(&b);
    buf_free(&day);
    ar_free(&a);
    return e;
}

int sts_row_fail(struct sts *s, struct slice domain, const struct sts_failure *f)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct writing w = {.put = sts_key(&a, "f", domain), .record = &b};
    rec_begin(&b, VERSION);
    rec_put(&b, 'd', domain);
    rec_put(&b, 'i', f->id);
    rec_put_u64(&b, 't', (uint64_t)f->when);
    rec_put_u64(&b, 'k', f->trouble);
    rec_put(&b, 'w', sl_sub(f->why, 0, 500));
    int e = kv_transact(s->conf.kv, STS_OBJECT, write_tx, &w);
    buf_free(&b);
    ar_free(&a);
    return e;
}

struct forgetting {
    struct slice policy, failure, used;
    int64_t fetched;
};

static int forget_tx(struct kv_tx *tx, void *arg)
{
    const struct forgetting *f = arg;
    struct slice value;
    struct sts_found p;
    struct arena a = {0};
    int e = kv_tx_get(tx, f->policy, &value);
    bool anew = !e && sts_policy_read(&a, value, &p) == 0 && p.fetched > f->fetched;
    ar_free(&a);
    if (e && e != ERR_NOT_FOUND) return e;
    if (anew) return 0;
    kv_tx_del(tx, f->policy);
    kv_tx_del(tx, f->failure);
    kv_tx_del(tx, f->used);
    return 0;
}

int sts_row_forget(struct sts *s, struct slice domain, int64_t fetched)
{
    struct arena a = {0};
    struct forgetting f = {sts_key(&a, "p", domain), sts_key(&a, "f", domain), sts_key(&a, "u", domain),
                           fetched};
    int e = kv_transact(s->conf.kv, STS_OBJECT, forget_tx, &f);
    ar_free(&a);
    return e;
}

/* Unless it has been written anew meanwhile. */
static int clear_tx(struct kv_tx *tx, void *arg)
{
    const struct kv_row *row = arg;
    struct slice value;
    int e = kv_tx_get(tx, row->key, &value);
    if (!e && sl_eq(value, row->value)) kv_tx_del(tx, row->key);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int sts_row_clear(struct sts *s, const struct kv_row *row)
{
    struct kv_row copy = *row;
    log_warn("policy", "the row %.*s of _sts cannot be read: it is deleted", SLF(row->key));
    return kv_transact(s->conf.kv, STS_OBJECT, clear_tx, &copy);
}

/* ---- use ---- */

int sts_row_unused(struct sts *s, struct arena *a, struct slice domain, int64_t *days)
{
    struct slice value;
    struct rec r;
    int64_t day = 0;
    int e = kv_get(s->conf.kv, STS_OBJECT, sts_key(a, "u", domain), a, &value);
    if (e && e != ERR_NOT_FOUND) return e;
    if (!e && rec_open(&r, value, VERSION) == 0)
        while (rec_next(&r))
            if (r.tag == 'd') day = (int64_t)rec_u64(&r);
    *days = rt_wall_seconds() / DAY_S - day;
    return 0;
}

void sts_row_used(struct sts *s, struct arena *a, struct slice domain)
{
    int64_t days;
    struct buf b = BUF_INIT;
    if (sts_row_unused(s, a, domain, &days) != 0 || days == 0) return;
    put_day(&b);
    kv_note_record(s->conf.kv, STS_OBJECT, sts_key(a, "u", domain), &b);
    buf_free(&b);
}
