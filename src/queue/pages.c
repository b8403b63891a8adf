/* pages.c - a letter with many recipients comes in pages: no transaction is larger for it than for others.
 *
 * First the rows of its recipients and groups, page by page; nobody sees them, for they are found by the
 * envelope. A row h stands for them meanwhile, and each page looks whether it is still there: who takes it
 * away ends the letter. Then one transaction writes the envelope and takes the row away: the letter is there,
 * whole. The schedule rows of its first groups come with that, the rest follows in pages; the envelope says
 * from which group on they are missing, and the letter is due to be looked at for its age at once (age.c),
 * which goes on where an end of the program broke it off.
 *
 * A letter that cannot be read is thrown away in the same way back: a row h in place of the envelope, then
 * its rows, page by page. */
#include "pages.h"

#include <stdio.h>

#include "base/text.h"
#include "kv/record.h"
#include "queue_i.h"

enum { ACCEPTING_ROW = 1, ABANDONED_S = 3600 };

int queue_unseen_get(struct slice row, struct q_unseen *out)
{
    struct rec r;
    *out = (struct q_unseen){0};
    int e = rec_open(&r, row, ACCEPTING_ROW);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 't': out->t = (int64_t)rec_u64(&r); break;
        case 'd': out->dropped = rec_u64(&r) != 0; break;
        }
    return rec_error(&r);
}

void queue_tx_pages_note(struct kv_tx *tx, struct arena *a, const struct letter_id *id, int64_t now)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, ACCEPTING_ROW);
    rec_put_u64(&b, 't', (uint64_t)now);
    kv_tx_put_record(tx, queue_key_accepting(a, id), &b);
    buf_free(&b);
}

int queue_tx_pages_there(struct kv_tx *tx, struct arena *a, const struct letter_id *id)
{
    struct slice row;
    int e = kv_tx_get(tx, queue_key_accepting(a, id), &row);
    return e == ERR_NOT_FOUND ? err_set(ERR_BUSY, "the letter %s took too long and was given up", id->s) : e;
}

/* ---- giving up ---- */

struct counting {
    size_t n, most;
};

static int count_row(void *arg, struct slice key, struct slice value)
{
    struct counting *c = arg;
    (void)key, (void)value;
    return ++c->n == c->most;
}

/* Rows of this kind ('g', 'r') that the letter has; counting ends at `most`. */
static int count_rows(struct kv_tx *tx, struct arena *a, char kind, const struct letter_id *id,
                      struct counting *c)
{
    struct slice from = ar_printf(a, "%c%s/", kind, id->s);
    c->n = 0;
    int e = kv_tx_scan(tx, from, kv_prefix_end(a, from), count_row, c);
    return e < 0 ? e : 0;
}

/* Of a letter whose envelope is not there. */
static int has_rows(struct kv_tx *tx, struct arena *a, const struct letter_id *id)
{
    struct counting c = {.most = 1};
    int e = count_rows(tx, a, 'g', id, &c);
    if (!e && !c.n) e = count_rows(tx, a, 'r', id, &c);
    return e || c.n ? e : err_set(ERR_NOT_FOUND, "no letter %s is in the queue", id->s);
}

/* Its envelope is good: is the row that was not still bad? */
static int is_bad(struct kv_tx *tx, struct arena *a, const struct q_envelope *env, struct slice key,
                  bool *bad)
{
    struct counting c = {.most = env->groups};
    struct slice row;
    struct q_group g;
    struct q_rcpt r;
    *bad = false;
    if (key.p[key.n - 1] == '/') {
        int e = env->groups ? count_rows(tx, a, 'g', &env->l.id, &c) : 0;
        *bad = c.n < env->groups;
        return e;
    }
    int e = kv_tx_get(tx, key, &row);
    if (!e)
        *bad =
            key.p[0] == 'g' ? q_group_get(row, 0, &g) != 0 : key.p[0] == 'r' && q_rcpt_get(key, row, &r) != 0;
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* Since somebody looked, its envelope may have come, or the letter to its end. */
static int judge_again(struct kv_tx *tx, struct arena *a, const struct letter_id *id, struct slice key)
{
    struct slice row;
    struct q_envelope env;
    bool bad = false;
    int e = kv_tx_get(tx, queue_key_accepting(a, id), &row);
    if (!e) return err_set(ERR_NOT_FOUND, "no letter %s is in the queue", id->s);
    if (e == ERR_NOT_FOUND) e = kv_tx_get(tx, queue_key_envelope(a, id), &row);
    if (e == ERR_NOT_FOUND) return has_rows(tx, a, id);
    if (e || q_envelope_get(row, id, &env) != 0) return e;
    e = is_bad(tx, a, &env, key, &bad);
    if (!e && bad) kv_tx_del(tx, queue_key_age(a, env.age, id));
    return e || bad ? e
                    : err_set(ERR_STATE, "%s has changed meanwhile and can be read; nothing is thrown away",
                              id->s);
}

int queue_tx_pages_throw(struct kv_tx *tx, struct arena *a, const struct letter_id *id, struct slice bad)
{
    struct buf b = BUF_INIT;
    int e = judge_again(tx, a, id, bad);
    if (e) return e;
    kv_tx_del(tx, queue_key_envelope(a, id));
    queue_tx_count(tx, -1, 0);
    rec_begin(&b, ACCEPTING_ROW);
    rec_put_u64(&b, 'd', 1);
    kv_tx_put_record(tx, queue_key_accepting(a, id), &b);
    buf_free(&b);
    return 0;
}

bool queue_pages_unseen(struct shard *s, const struct letter_id *id)
{
    struct arena a = {0};
    struct slice row;
    bool there = kv_get(s->q->store->kv, shard_object(s), queue_key_accepting(&a, id), &a, &row) == 0;
    ar_free(&a);
    return there;
}

struct drop {
    const struct letter_id *id;
    int64_t older; /* than this; INT64_MAX: whatever its age */
    struct kv_tx *tx;
    struct arena *a;
    size_t n; /* rows of this page */
    bool more;
    char last[KV_KEY_MAX + 2], from[KV_KEY_MAX + 2]; /* behind the last row of this page, of those before */
};

static int drop_rcpt(void *arg, struct slice key, struct slice value)
{
    struct drop *d = arg;
    (void)value;
    kv_tx_del(d->tx, key);
    snprintf(d->last, sizeof d->last, "%.*s ", SLF(key));
    return ++d->n == QUEUE_PAGE;
}

/* Its stream is not known any more. */
static int drop_group(void *arg, struct slice key, struct slice value)
{
    struct drop *d = arg;
    struct q_group g;
    uint64_t n;
    if (key.n == 23 && num_u64(sl_from(key, 18), 99999, &n) && q_group_get(value, (uint32_t)n, &g) == 0 &&
        g.due)
        for (int i = 0; i < STREAMS; i++)
            kv_tx_del(d->tx, queue_key_due(d->a, (enum stream)i, g.due, d->id, g.n));
    return drop_rcpt(d, key, value);
}

/* Rows of this kind from where the page before ended: what is erased is not read again. */
static int drop_rows(struct drop *d, char kind, kv_visit *visit)
{
    struct slice all = ar_printf(d->a, "%c%s/", kind, d->id->s);
    return kv_tx_scan(d->tx, d->from[0] == kind ? sl_cstr(d->from) : all, kv_prefix_end(d->a, all), visit, d);
}

/* Recipients first, which are counted; then groups. */
static int drop_page(struct drop *d)
{
    d->n = 0;
    int e = d->from[0] == 'g' ? 0 : drop_rows(d, 'r', drop_rcpt);
    if (e >= 0 && d->n) queue_tx_count(d->tx, 0, -(int64_t)d->n);
    if (e == 0 && !d->n) e = drop_rows(d, 'g', drop_group);
    d->more = d->n > 0;
    return e < 0 ? e : 0;
}

static int drop_tx(struct kv_tx *tx, void *arg)
{
    struct drop *d = arg;
    struct arena a = {0};
    struct slice row, key = queue_key_accepting(&a, d->id);
    struct q_unseen u;
    int e = kv_tx_get(tx, key, &row);
    bool there = e == 0 && (queue_unseen_get(row, &u) != 0 || u.t < d->older);
    d->tx = tx;
    d->a = &a;
    d->more = false;
    if (there && u.dropped) e = drop_page(d);
    if (there && !e && !d->more) {
        queue_tx_erase_rows(tx, &a, d->id);
        kv_tx_del(tx, key);
    }
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e; /* it is there, or was given up */
}

static int drop(struct shard *s, const struct letter_id *id, int64_t older)
{
    struct drop d = {.id = id, .older = older, .more = true};
    int e = 0;
    while (!e && d.more) {
        e = fiber_canceled() ? ERR_CANCELED : shard_transact_large(s, drop_tx, &d);
        memcpy(d.from, d.last, sizeof d.from);
    }
    return e;
}

int queue_pages_drop(struct shard *s, const struct letter_id *id) { return drop(s, id, INT64_MAX); }

static int forget_row(struct kv_tx *tx, void *arg)
{
    kv_tx_del(tx, *(const struct slice *)arg);
    return 0;
}

int queue_pages_care(struct shard *s, bool all)
{
    struct kv *kv = s->q->store->kv;
    struct kv_page page = {.more = true};
    struct arena a = {0};
    struct slice from = SL("h");
    bool hole;
    int e = 0;
    while (!e && page.more) {
        e = kv_scan_over(kv, shard_object(s), from, SL("i"), KV_PAGE_MAX, &a, &page, &hole);
        for (size_t i = 0; !e && i < page.n; i++) {
            struct slice key = page.row[i].key;
            struct letter_id id = {{0}};
            bool good = letter_id_ok(sl_from(key, 1));
            if (good) memcpy(id.s, key.p + 1, LETTER_ID_LEN);
            e = good ? drop(s, &id, all ? INT64_MAX : rt_wall_seconds() - ABANDONED_S)
                     : shard_transact(s, forget_row, &key);
        }
        if (page.n) from = kv_after(&a, page.row[page.n - 1].key);
    }
    ar_free(&a);
    return e;
}

/* ---- the schedule rows that are missing ---- */

struct schedule_rest {
    struct shard *s;
    const struct letter_id *id;
    struct arena *a;
    struct q_due *due; /* of this page */
    size_t n;
    bool more;
};

static void due_row(struct kv_tx *tx, struct schedule_rest *x, struct arena *a, const struct q_envelope *e,
                    uint32_t n)
{
    struct slice row;
    struct q_group g;
    struct buf b = BUF_INIT;
    if (kv_tx_get(tx, queue_key_group(a, &e->l.id, n), &row) != 0 || q_group_get(row, n, &g) != 0) return;
    if (g.closed || !g.due) return;
    struct q_due *d = &x->due[x->n++];
    q_due_of(d, e, &g, g.due, false);
    q_due_put(&b, d);
    kv_tx_put_record(tx, queue_key_due(a, d->stream, d->due, &d->id, n), &b);
    buf_free(&b);
    d->hop = ar_dup(x->a, d->hop);
    d->domain = ar_dup(x->a, d->domain);
    d->account = ar_dup(x->a, d->account);
}

static int schedule_tx(struct kv_tx *tx, void *arg)
{
    struct schedule_rest *x = arg;
    struct arena a = {0};
    struct q_envelope e;
    struct slice row, key = queue_key_envelope(&a, x->id);
    struct buf b = BUF_INIT;
    int bad = kv_tx_get(tx, key, &row);
    if (!bad) bad = q_envelope_get(row, x->id, &e);
    x->n = 0;
    x->more = false;
    if (!bad && e.unscheduled) {
        uint32_t until = e.unscheduled + QUEUE_PAGE < e.groups ? e.unscheduled + QUEUE_PAGE : e.groups;
        for (uint32_t i = e.unscheduled; i < until; i++) due_row(tx, x, &a, &e, i);
        x->more = until < e.groups;
        e.unscheduled = x->more ? until : 0;
        if (!x->more) queue_tx_age_begin(tx, &a, x->s->q, &e);
        q_envelope_put(&b, &e);
        kv_tx_put_record(tx, key, &b);
    }
    buf_free(&b);
    ar_free(&a);
    return bad;
}

int queue_pages_schedule(struct shard *s, const struct letter_id *id, queue_pages_offer *offer, void *ctx)
{
    struct arena a = {0};
    struct schedule_rest x = {.s = s, .id = id, .a = &a, .more = true};
    int e = 0;
    while (!e && x.more) {
        ar_reset(&a);
        x.due = ar_array(&a, struct q_due, QUEUE_PAGE);
        e = shard_transact_large(s, schedule_tx, &x);
        for (size_t i = 0; !e && i < x.n; i++) offer(ctx, &x.due[i]);
    }
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e; /* it came to its end meanwhile */
}
