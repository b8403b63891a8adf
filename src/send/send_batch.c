/* send_batch.c - what was said to batches (send_batch.h). */
#include "send_batch.h"

#include "base/text.h"
#include "rt/rt.h"
#include "send_i.h"
#include "unsubscribe.h"

enum { ROW_VERSION = 1, NAME_MAX_BYTES = 100 };

static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_') return false;
    return s.n > 0 && s.n <= NAME_MAX_BYTES;
}

struct slice send_batch_name(struct sends *s, struct slice account, struct arena *a)
{
    uint64_t chance;
    rt_random(&chance, sizeof chance);
    return text_seal(s, a, "batch", ar_printf(a, "%.*s %016llx", SLF(account), (unsigned long long)chance));
}

bool send_batch_made(struct sends *s, struct slice account, struct slice batch)
{
    struct arena a = {0};
    struct slice text, of;
    bool made = is_name(batch) && text_unseal(s, &a, "batch", batch, &text);
    made = made && sl_eq(text_seal(s, &a, "batch", text), batch); /* base64 has spellings */
    made = made && sl_next(&text, ' ', &of) && sl_eq(of, account);
    ar_free(&a);
    return made;
}

static struct slice object_of(struct arena *a, struct slice account) { return ar_cat(a, SL("y:"), account); }

/* ---- rows ---- */

struct said {
    enum send_action what;
    int64_t when;
};

static int get_said(struct slice row, struct said *out)
{
    struct rec r;
    *out = (struct said){.what = SEND_PAUSE};
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'c': out->what = rec_u64(&r) ? SEND_CANCEL : SEND_PAUSE; break;
        case 't': out->when = (int64_t)rec_u64(&r); break;
        }
    return e ? e : rec_error(&r);
}

int send_batch_row_check(struct slice row) { return get_said(row, &(struct said){0}); }

struct saying {
    struct arena a;
    struct slice key;
    struct said said;
    struct kv_tx *tx;
    size_t n;
};

/* Counts, and forgets what is old. */
static int look_at(void *arg, struct slice key, struct slice value)
{
    struct saying *x = arg;
    struct said s;
    if (sl_eq(key, x->key)) return 0;
    if (get_said(value, &s) == 0 && s.when < x->said.when - SEND_BATCH_KEEP_S)
        kv_tx_del(x->tx, ar_dup(&x->a, key));
    else x->n++;
    return 0;
}

static bool is_canceled(struct kv_tx *tx, struct slice key)
{
    struct slice row;
    struct said s;
    return kv_tx_get(tx, key, &row) == 0 && get_said(row, &s) == 0 && s.what == SEND_CANCEL;
}

static int say_tx(struct kv_tx *tx, void *arg)
{
    struct saying *x = arg;
    struct buf b = BUF_INIT;
    x->tx = tx;
    x->n = 0;
    if (x->said.what == SEND_RESUME) {
        kv_tx_del(tx, x->key);
        return 0;
    }
    if (x->said.what == SEND_PAUSE && is_canceled(tx, x->key))
        return err_set(ERR_STATE, "the batch is canceled");
    int e = kv_tx_scan(tx, SL("b/"), SL("b0"), look_at, x);
    if (!e && x->n >= SEND_BATCHES_MAX)
        e = err_set(ERR_LIMIT, "%d batches of the account are paused or canceled: let some go on",
                    SEND_BATCHES_MAX);
    if (e) return e;
    rec_begin(&b, ROW_VERSION);
    rec_opt_u64(&b, 'c', x->said.what == SEND_CANCEL);
    rec_put_u64(&b, 't', (uint64_t)x->said.when);
    kv_tx_put_record(tx, x->key, &b);
    buf_free(&b);
    return 0;
}

int send_batch_put(struct sends *s, struct slice account, struct slice batch, enum send_action what)
{
    struct saying x = {.said = {what, rt_wall_seconds()}};
    if (!is_name(batch)) return err_set(ERR_SYNTAX, "it is no name of a batch");
    x.key = ar_cat(&x.a, SL("b/"), batch);
    int e = kv_transact(s->store->kv, object_of(&x.a, account), say_tx, &x);
    ar_free(&x.a);
    return e;
}

int send_batch_said(struct sends *s, struct slice account, struct slice batch, int64_t since,
                    enum send_action *out)
{
    struct arena a = {0};
    struct slice row;
    struct said said;
    *out = SEND_RESUME;
    int e = is_name(batch)
                ? kv_get(s->store->kv, object_of(&a, account), ar_cat(&a, SL("b/"), batch), &a, &row)
                : ERR_NOT_FOUND;
    if (!e && !(e = get_said(row, &said)) && said.when > since) *out = said.what;
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int send_batch_each(struct sends *s, struct slice account, send_batch_fn *each, void *arg)
{
    struct arena a = {0};
    struct kv_page page;
    struct said said;
    int e = kv_scan(s->store->kv, object_of(&a, account), SL("b/"), SL("b0"), SEND_BATCHES_MAX, &a, &page);
    for (size_t i = 0; !e && i < page.n; i++)
        if (get_said(page.row[i].value, &said) == 0) e = each(arg, sl_from(page.row[i].key, 2), said.what);
    ar_free(&a);
    return e;
}
