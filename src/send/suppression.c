/* suppression.c - who gets nothing, and why: a row for each address, named by a keyed hash of it, which holds
 * every reason there is. */
#include "suppression.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "event.h"
#include "mail/addr.h"
#include "send_i.h"
#include "shape/reply.h"
#include "simulator.h"

enum { ROW_VERSION = 1, PAGE = 500 };

/* ---- names and rows ---- */

static void object_of(struct slice account, char out[40])
{
    snprintf(out, 40, "x:%.*s", (int)(account.n < 30 ? account.n : 30), account.p);
}

/* The row of an address: a name that only this node can make, so that who is forgotten is not named by it. */
static int row_name(struct sends *s, struct arena *a, struct slice address, struct slice *key,
                    struct slice *canonical)
{
    struct slice local, domain;
    struct buf hex = BUF_INIT;
    uint8_t mark[32];
    int e = address_split(a, address, &local, &domain);
    if (e) return e;
    *canonical = mail_addr_join(a, local, domain);
    struct slice same = ar_printf(a, "suppression %.*s@%.*s", SLF(local_name(a, local)), SLF(domain));
    hmac_sha256(sl((const char *)s->secret, sizeof s->secret), same, mark);
    hex_encode(&hex, sl((const char *)mark, 16));
    *key = ar_printf(a, "a/%.*s", SLF(buf_slice(&hex)));
    buf_free(&hex);
    return 0;
}

/* A refusal that counts when it repeats. since 0: there is none. */
struct doubt {
    int64_t since;
    struct slice letter;
    bool late;
};

struct entries {
    struct slice address;
    struct suppression_entry v[SUPPRESSION_ENTRIES_MAX];
    size_t n;
    struct doubt doubt;
};

static int get_entry(struct slice field, struct suppression_entry *e)
{
    struct rec r;
    int bad = rec_open(&r, field, ROW_VERSION);
    *e = (struct suppression_entry){0};
    while (!bad && rec_next(&r)) switch (r.tag) {
        case 'r': e->reason = (enum send_reason)rec_u64(&r); break;
        case 'g': e->group = (uint32_t)rec_u64(&r); break;
        case 't': e->since = (int64_t)rec_u64(&r); break;
        case 'x': e->expires = (int64_t)rec_u64(&r); break;
        case 'w': e->evidence = r.field; break;
        case 'l': e->letter = r.field; break;
        }
    if (!bad && (e->reason <= SEND_OUT_NONE || e->reason >= SEND_OUT_COUNT))
        bad = err_set(ERR_CORRUPT, "an entry of the suppression list is damaged");
    return bad ? bad : rec_error(&r);
}

static int get_doubt(struct slice field, struct doubt *d)
{
    struct rec r;
    int bad = rec_open(&r, field, ROW_VERSION);
    *d = (struct doubt){0};
    while (!bad && rec_next(&r)) switch (r.tag) {
        case 't': d->since = (int64_t)rec_u64(&r); break;
        case 'l': d->letter = r.field; break;
        case 'b': d->late = rec_u64(&r) != 0; break;
        }
    return bad ? bad : rec_error(&r);
}

int suppression_row_check(struct slice row)
{
    struct rec r;
    struct suppression_entry one;
    struct doubt doubt;
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) {
        if (r.tag == 'e') e = get_entry(r.field, &one);
        if (r.tag == 'd') e = get_doubt(r.field, &doubt);
    }
    return e ? e : rec_error(&r);
}

/* What cannot be read of a row may have been any reason: its address gets nothing until somebody takes the
 * entry that says so away. */
static void get_row(struct slice row, struct entries *out)
{
    struct rec r;
    int e = rec_open(&r, row, ROW_VERSION);
    bool damaged = e != 0;
    out->n = 0;
    out->address = (struct slice){0};
    out->doubt = (struct doubt){0};
    while (!e && rec_next(&r)) {
        if (r.tag == 'a') out->address = r.field;
        if (r.tag == 'd' && get_doubt(r.field, &out->doubt)) out->doubt = (struct doubt){0};
        if (r.tag != 'e' || out->n == SUPPRESSION_ENTRIES_MAX) continue;
        if (get_entry(r.field, &out->v[out->n]) == 0) out->n++;
        else damaged = true;
    }
    if (!e && rec_error(&r)) damaged = true;
    if (damaged && out->n == SUPPRESSION_ENTRIES_MAX) out->n--;
    if (damaged)
        out->v[out->n++] = (struct suppression_entry){.reason = SEND_OUT_BY_HAND,
                                                      .evidence = SL("the row of this address is damaged")};
    if (damaged) log_error("send", "a row of the suppression list is damaged: its address gets nothing");
    for (size_t i = 0; i < out->n; i++) out->v[i].address = out->address;
}

static void put_row(struct kv_tx *tx, struct slice key, const struct entries *x)
{
    struct buf b = BUF_INIT, one = BUF_INIT;
    rec_begin(&b, ROW_VERSION);
    rec_opt(&b, 'a', x->address);
    for (size_t i = 0; i < x->n; i++) {
        const struct suppression_entry *e = &x->v[i];
        rec_begin(&one, ROW_VERSION);
        rec_put_u64(&one, 'r', e->reason);
        rec_opt_u64(&one, 'g', e->group);
        rec_put_u64(&one, 't', (uint64_t)e->since);
        rec_opt_u64(&one, 'x', (uint64_t)e->expires);
        rec_opt(&one, 'w', utf8_cut(e->evidence, SUPPRESSION_EVIDENCE_MAX));
        rec_opt(&one, 'l', e->letter);
        rec_put(&b, 'e', buf_slice(&one));
    }
    if (x->doubt.since) {
        rec_begin(&one, ROW_VERSION);
        rec_put_u64(&one, 't', (uint64_t)x->doubt.since);
        rec_opt(&one, 'l', x->doubt.letter);
        rec_opt_u64(&one, 'b', x->doubt.late);
        rec_put(&b, 'd', buf_slice(&one));
    }
    if (x->n || x->doubt.since) kv_tx_put_record(tx, key, &b);
    else kv_tx_del(tx, key);
    buf_free(&one);
    buf_free(&b);
}

static bool is_over(const struct suppression_entry *e, int64_t now)
{
    return e->expires && e->expires <= now;
}

static bool is_same(const struct suppression_entry *e, enum send_reason reason, uint32_t group)
{
    return e->reason == reason && e->group == group;
}

/* ---- changing ---- */

void suppression_by_reply(const struct reply_verdict *v, struct suppression_entry *e)
{
    bool for_good = v->class == REPLY_INVALID && v->suppress == REPLY_SUPPRESS;
    e->reason = v->class == REPLY_INVALID ? SEND_OUT_INVALID : SEND_OUT_BOUNCED;
    e->expires = for_good ? 0 : e->since + SUPPRESSION_BOUNCED_S;
}

struct changing {
    struct slice key, canonical;
    const struct suppression_entry *entry; /* to be added; or NULL */
    const struct event *told;              /* when it is new, or was there; or NULL */
    struct sends *s;
    struct slice account;
    enum send_reason reason; /* to be removed; NONE: all */
    uint32_t group;
    bool forget;
    bool doubted, late; /* the entry is added when it repeats; a report says so */
    bool came_through;
    bool fresh; /* out: there was no such entry */
    size_t n;
    int64_t now;
};

/* Groups leave room for the other reasons. *fresh: it was not there before. */
static int add_entry(struct entries *all, const struct suppression_entry *e, bool *fresh)
{
    size_t i = 0, most = SUPPRESSION_ENTRIES_MAX;
    if (e->reason == SEND_OUT_LEFT_GROUP) most -= SEND_OUT_COUNT;
    while (i < all->n && !is_same(&all->v[i], e->reason, e->group)) i++;
    *fresh = i == all->n;
    if (*fresh && all->n >= most) return err_set(ERR_LIMIT, "the address has left %zu groups already", most);
    all->v[i] = *e;
    all->n += *fresh;
    return 0;
}

static void keep_others(struct entries *all, struct changing *x)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->n; i++) {
        bool goes = x->reason == SEND_OUT_NONE ? !x->entry && !x->forget && !x->came_through
                                               : is_same(&all->v[i], x->reason, x->group);
        if (is_over(&all->v[i], x->now)) continue;
        if (goes) x->n++;
        else all->v[kept++] = all->v[i];
    }
    all->n = kept;
}

/* False: it is the first of its kind, and noted, or the same once more. */
static bool repeats(struct doubt *d, const struct suppression_entry *e, bool late)
{
    int64_t age = e->since - d->since;
    bool counts = d->since && age >= 0 && age <= SUPPRESSION_BOUNCED_S;
    if (counts && (age < SUPPRESSION_DOUBT_S || sl_eq(d->letter, e->letter))) return false;
    *d = counts ? (struct doubt){0} : (struct doubt){e->since, e->letter, late};
    return counts;
}

static int enter(struct entries *all, struct changing *x)
{
    if (x->doubted && !repeats(&all->doubt, x->entry, x->late)) return 0;
    all->address = x->canonical;
    return add_entry(all, x->entry, &x->fresh);
}

static int change_tx(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct slice row;
    struct entries *all = xcalloc(1, sizeof *all);
    int e = kv_tx_get(tx, x->key, &row);
    x->n = 0;
    x->fresh = false;
    bool there = !e;
    if (there) get_row(row, all);
    if (e == ERR_NOT_FOUND) e = 0;
    if (!e) keep_others(all, x);
    if (!e && x->entry) e = enter(all, x);
    if (!x->entry && x->reason == SEND_OUT_NONE && !(x->came_through && all->doubt.late))
        all->doubt = (struct doubt){0};
    if (!e && x->told && (x->entry ? x->fresh : x->n > 0)) event_tx_add(x->s, tx, x->account, x->told);
    if (x->forget) all->address = SL("");
    if (!e && x->forget && !there) e = ERR_NOT_FOUND;
    if (!e && (there || x->entry)) put_row(tx, x->key, all);
    free(all);
    return e;
}

static int change(struct sends *s, struct slice account, struct slice address, struct changing *x)
{
    struct arena a = {0};
    char object[40];
    object_of(account, object);
    x->now = rt_wall_seconds();
    int e = row_name(s, &a, address, &x->key, &x->canonical);
    if (!e) e = kv_transact(s->store->kv, sl_cstr(object), change_tx, x);
    ar_free(&a);
    return e;
}

int suppression_add_told(struct sends *s, struct slice account, const struct suppression_entry *e,
                         const struct event *told, bool *fresh)
{
    struct suppression_entry full = *e;
    struct changing x = {.entry = &full, .told = told, .s = s, .account = account};
    if (!full.since) full.since = rt_wall_seconds();
    *fresh = false;
    if (e->reason <= SEND_OUT_NONE || e->reason >= SEND_OUT_CANCELED)
        return err_set(ERR_USAGE, "that is no reason for which somebody gets nothing");
    int bad = change(s, account, e->address, &x);
    *fresh = !bad && x.fresh;
    return bad;
}

int suppression_add(struct sends *s, struct slice account, const struct suppression_entry *e)
{
    bool fresh;
    return suppression_add_told(s, account, e, NULL, &fresh);
}

int suppression_add_doubted(struct sends *s, struct slice account, const struct suppression_entry *e,
                            bool late)
{
    struct changing x = {.entry = e, .doubted = true, .late = late};
    ASSERT(e->since > 0 && e->reason > SEND_OUT_NONE && e->reason < SEND_OUT_CANCELED);
    return change(s, account, e->address, &x);
}

int suppression_came_through(struct sends *s, struct slice account, struct slice address)
{
    struct arena a = {0};
    struct slice key, canonical, row;
    char object[40];
    object_of(account, object);
    int e = row_name(s, &a, address, &key, &canonical);
    if (!e) e = kv_get(s->store->kv, sl_cstr(object), key, &a, &row); /* nearly always there is none */
    ar_free(&a);
    if (!e) e = change(s, account, address, &(struct changing){.came_through = true});
    return e == ERR_NOT_FOUND ? 0 : e;
}

int suppression_remove(struct sends *s, struct slice account, struct slice address, enum send_reason reason,
                       uint32_t group, size_t *n)
{
    struct changing x = {.reason = reason, .group = group};
    int e = change(s, account, address, &x);
    *n = e ? 0 : x.n;
    return e;
}

int suppression_remove_told(struct sends *s, struct slice account, const struct suppression_entry *e,
                            const struct event *told)
{
    struct changing x = {.reason = e->reason, .group = e->group, .told = told, .s = s, .account = account};
    return change(s, account, e->address, &x);
}

int suppression_forget(struct sends *s, struct slice account, struct slice address)
{
    int e = change(s, account, address, &(struct changing){.forget = true});
    return e == ERR_NOT_FOUND ? err_set(e, "nothing is known of %.*s", SLF(address)) : e;
}

/* ---- asking ---- */

static bool is_bypassed(const struct suppression_entry *e, const struct suppression_ask *ask)
{
    unsigned o = ask->options;
    if (o & SEND_BYPASS_ALL) return true;
    switch (e->reason) {
    case SEND_OUT_BOUNCED:
    case SEND_OUT_INVALID: return o & SEND_BYPASS_BOUNCES;
    case SEND_OUT_COMPLAINED: return o & SEND_BYPASS_SPAM;
    case SEND_OUT_UNSUBSCRIBED:
        return o & SEND_BYPASS_UNSUBSCRIBED ||
               (ask->stream != STREAM_BULK && !(o & SEND_HONOUR_UNSUBSCRIBED));
    case SEND_OUT_LEFT_GROUP: return o & SEND_BYPASS_UNSUBSCRIBED || !ask->group || e->group != ask->group;
    default: return false;
    }
}

int suppression_judge(struct sends *s, const struct suppression_ask *ask, enum send_reason *out)
{
    struct arena a = {0};
    struct slice key, canonical, row;
    char object[40];
    object_of(ask->account, object);
    enum simulated what;
    const struct suppression_entry played = {.reason = SEND_OUT_BOUNCED};
    *out = SEND_OUT_NONE;
    if (simulator_is_address(s, ask->address, &what) && what == SIMULATED_SUPPRESSED &&
        !is_bypassed(&played, ask))
        *out = played.reason;
    int e = row_name(s, &a, ask->address, &key, &canonical);
    if (!e) e = kv_get(s->store->kv, sl_cstr(object), key, &a, &row);
    if (!e) {
        struct entries *all = ar_new(&a, struct entries);
        int64_t now = rt_wall_seconds();
        get_row(row, all);
        for (size_t i = 0; i < all->n && !*out; i++)
            if (!is_over(&all->v[i], now) && !is_bypassed(&all->v[i], ask)) *out = all->v[i].reason;
    }
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int suppression_get(struct sends *s, struct slice account, struct slice address, struct arena *a,
                    struct suppression_entry **out, size_t *n)
{
    struct slice key, canonical, row;
    struct entries *all = ar_new(a, struct entries);
    char object[40];
    object_of(account, object);
    int64_t now = rt_wall_seconds();
    int e = row_name(s, a, address, &key, &canonical);
    if (!e) e = kv_get(s->store->kv, sl_cstr(object), key, a, &row);
    if (!e) get_row(row, all);
    *out = all->v;
    *n = 0;
    for (size_t i = 0; !e && i < all->n; i++)
        if (!is_over(&all->v[i], now)) all->v[(*n)++] = all->v[i];
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int each_of_row(const struct kv_row *row, suppression_each_fn *each, void *arg)
{
    struct entries *all = xcalloc(1, sizeof *all);
    int64_t now = rt_wall_seconds();
    int e = 0;
    get_row(row->value, all);
    for (size_t i = 0; !e && i < all->n; i++)
        if (!is_over(&all->v[i], now)) e = each(arg, &all->v[i], row->key);
    free(all);
    return e;
}

int suppression_each(struct sends *s, struct slice account, struct slice after, suppression_each_fn *each,
                     void *arg)
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    char object[40], from[KV_KEY_MAX + 2] = "a/";
    int e = 0;
    object_of(account, object);
    if (after.n && after.n < KV_KEY_MAX) snprintf(from, sizeof from, "%.*s ", SLF(after));
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(s->store->kv, sl_cstr(object), ar_dup(&a, sl_cstr(from)), SL("b"), PAGE, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) e = each_of_row(&page.row[i], each, arg);
        if (!page.n) break;
        snprintf(from, sizeof from, "%.*s ", SLF(page.row[page.n - 1].key));
    }
    ar_free(&a);
    return e;
}
