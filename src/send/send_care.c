/* send_care.c - what sends leave behind: takes that were cut off, sends and events whose time is over, keys
 * of idempotency. */
#include "event.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "numbers.h"
#include "send_run.h"

enum { CUT_OFF_S = 3600, PAGE = 200 };

struct caring {
    struct sends *s;
    int64_t now;
    struct slice row; /* the one to be taken away, with what it names */
    struct letter_id id;
    struct slice account;
};

static bool id_at_end(struct slice key, struct letter_id *id)
{
    struct slice text = sl_from(key, sl_rchr(key, '/') + 1);
    *id = (struct letter_id){{0}};
    if (!letter_id_ok(text)) return false;
    memcpy(id->s, text.p, LETTER_ID_LEN);
    return true;
}

static int forget_tx(struct kv_tx *tx, void *arg)
{
    const struct caring *x = arg;
    struct arena a = {0};
    kv_tx_del(tx, x->row);
    if (x->account.n) kv_tx_del(tx, ar_printf(&a, "l/%.*s/%s", SLF(x->account), x->id.s));
    ar_free(&a);
    return 0;
}

static int forget_send(struct caring *x)
{
    char object[24];
    send_object(&x->id, object);
    int e = kv_erase(x->s->store->kv, sl_cstr(object), SL(" "), SL(""));
    return e ? e : kv_transact(x->s->store->kv, SL(SENDS_OBJECT), forget_tx, x);
}

static int64_t time_of(struct slice row)
{
    struct rec r;
    int64_t t = 0;
    if (rec_open(&r, row, 1) != 0) return 0;
    while (rec_next(&r))
        if (r.tag == 't') t = (int64_t)rec_u64(&r);
    return t;
}

/* A take that was cut off: nobody was told of it. One whose head is there, and cannot be read, was not. */
static int look_unfinished(struct caring *x, const struct kv_row *row)
{
    struct arena a = {0};
    struct send_head h;
    int64_t t = time_of(row->value);
    if (!id_at_end(row->key, &x->id)) return 0;
    if (t <= x->now && t > x->now - CUT_OFF_S && x->s->started_at < t) return 0;
    if (!send_hold(x->s, &x->id)) return 0;
    x->row = row->key;
    int e = send_head_read(x->s, &x->id, &a, &h);
    if (e == ERR_NOT_FOUND) e = forget_send(x);
    else if (!e || err_is_damage(e)) e = kv_transact(x->s->store->kv, SL(SENDS_OBJECT), forget_tx, x);
    send_let_go(x->s, &x->id);
    ar_free(&a);
    return e;
}

/* A send whose events are forgotten, too. */
static int look_over(struct caring *x, const struct kv_row *row)
{
    struct arena a = {0};
    struct send_head h = {0};
    if (!id_at_end(row->key, &x->id)) return 0;
    (void)!send_head_read(x->s, &x->id, &a, &h);
    x->row = row->key;
    x->account = h.account;
    int e = forget_send(x);
    x->account = SL("");
    ar_free(&a);
    return e;
}

static bool is_known(const struct caring *x, struct slice claim)
{
    return time_of(claim) > x->now - SEND_IDEMPOTENCY_S;
}

/* Looks again: it may have been asked under the key meanwhile. */
static int forget_key_tx(struct kv_tx *tx, void *arg)
{
    const struct caring *x = arg;
    struct slice claim;
    int e = kv_tx_get(tx, x->row, &claim);
    if (!e && !is_known(x, claim)) kv_tx_del(tx, x->row);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int look_key(struct caring *x, const struct kv_row *row)
{
    if (is_known(x, row->value)) return 0;
    x->row = row->key;
    return kv_transact(x->s->store->kv, SL(SENDS_OBJECT), forget_key_tx, x);
}

static int each_row(struct caring *x, const char *start, const char *to,
                    int (*look)(struct caring *x, const struct kv_row *row))
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    char from[KV_KEY_MAX + 2];
    snprintf(from, sizeof from, "%s", start);
    int e = 0;
    while (!e && page.more && !x->s->stopping) {
        ar_reset(&a);
        e = kv_scan(x->s->store->kv, SL(SENDS_OBJECT), ar_dup(&a, sl_cstr(from)), sl_cstr(to), PAGE, &a,
                    &page);
        for (size_t i = 0; !e && i < page.n && !x->s->stopping; i++) e = look(x, &page.row[i]);
        if (!page.n) break;
        snprintf(from, sizeof from, "%.*s ", SLF(page.row[page.n - 1].key));
    }
    ar_free(&a);
    return e;
}

int sends_care(struct sends *s)
{
    struct caring x = {.s = s, .now = rt_wall_seconds()};
    char over[24]; /* in order of time: what is younger is not read */
    snprintf(over, sizeof over, "o/%012lld", (long long)(x.now > EVENT_KEEP_S ? x.now - EVENT_KEEP_S : 0));
    int e = each_row(&x, "u/", "u0", look_unfinished);
    if (!e) e = each_row(&x, "o/", over, look_over);
    if (!e) e = each_row(&x, "i/", "i0", look_key);
    if (!e) e = sends_each_account(s, 'v', "rid of old events", event_expire);
    return e ? e : numbers_care(s);
}
