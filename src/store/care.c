/* care.c - who may take care, and walks over everything. */
#include "care_i.h"

#include <stdio.h>

enum { CARE_LEASE_MS = 120 * 1000 };

/* ---- one at a time ---- */

/* 0, or why the lease is not ours. */
static int renew(struct care *c, uint64_t *fence)
{
    int64_t left, began = rt_now();
    int e = kv_lease(c->s->kv, SL("_store"), SL("care"), sl_cstr(c->who), CARE_LEASE_MS, fence, &left);
    if (e == 0) c->until = began + CARE_LEASE_MS * RT_MS;
    if (e == ERR_BUSY)
        err_set(e, "a sweep or a backup that was broken off keeps others out for %lld s more: try again then",
                (long long)(left + 999) / 1000);
    return e;
}

static void keep(void *arg)
{
    struct care *c = arg;
    while (!c->lost && fiber_sleep(CARE_LEASE_MS / 4 * RT_MS) == 0) {
        uint64_t fence = c->fence;
        int64_t until = c->until;
        int e =
            renew(c, &fence); /* a disk that fails for a moment is tried again: the time has not run out */
        c->lost = e == ERR_BUSY || fence != c->fence;
        if (c->lost) c->until = until;
    }
}

/* Of this process by itself: no clock and no lease lets a second one in. */
static bool enter(struct store *s) { return !__atomic_exchange_n(&s->cared_for, true, __ATOMIC_ACQ_REL); }
static void leave(struct store *s) { __atomic_store_n(&s->cared_for, false, __ATOMIC_RELEASE); }

int care_begin(struct care *c, struct store *s, const char *what)
{
    uint64_t chance;
    *c = (struct care){.s = s};
    rt_random(&chance, sizeof chance);
    snprintf(c->who, sizeof c->who, "%.14s-%016llx", what, (unsigned long long)chance);
    if (!enter(s)) return err_set(ERR_BUSY, "a sweep or a backup is running");
    group_init(&c->keeper);
    int e = renew(c, &c->fence);
    if (e == 0) {
        e = group_go(&c->keeper, "care", keep, c);
        if (e) care_end(c);
    } else {
        leave(s);
    }
    return e;
}

int care_check(struct care *c)
{
    if (fiber_canceled()) return ERR_CANCELED;
    if (c->lost || rt_now() >= c->until)
        return err_set(ERR_DENIED,
                       "another sweep or backup may have begun: this one could not renew its lease");
    return 0;
}

void care_end(struct care *c)
{
    uint64_t fence;
    int64_t left;
    group_cancel(&c->keeper);
    (void)group_wait(&c->keeper);
    if (!c->lost) (void)!kv_lease(c->s->kv, SL("_store"), SL("care"), sl_cstr(c->who), 0, &fence, &left);
    leave(c->s);
}

/* ---- walks ---- */

struct visiting {
    int (*each)(void *arg, const char *acc);
    void *arg;
};

static int visit_account(void *arg, struct slice object)
{
    const struct visiting *v = arg;
    char acc[KV_KEY_MAX + 1];
    snprintf(acc, sizeof acc, "%.*s", SLF(sl_from(object, 2)));
    return fiber_canceled() ? ERR_CANCELED : v->each(v->arg, acc);
}

int accounts_each(struct store *s, int (*each)(void *arg, const char *acc), void *arg)
{
    return kv_each_object(s->kv, SL("u:"), SL("u;"), visit_account, &(struct visiting){each, arg});
}

bool message_of_row(struct slice key, struct slice value, uint32_t *box, struct message *m)
{
    uint64_t b = 0, uid = 0;
    bool good = key.n == 19 && num_hex64(sl_sub(key, 2, 10), &b) && num_hex64(sl_from(key, 11), &uid);
    *box = (uint32_t)b;
    if (good && message_row_get(value, (uint32_t)uid, m) == 0) return true;
    m->uid = (uint32_t)uid;
    return false;
}

struct giving {
    int (*each)(void *arg, uint32_t box, uint32_t uid, const struct message *m);
    void *arg;
    struct store *s;
    const char *acc;
    struct batch_range range; /* of the batch at hand; first 0: nobody sees it yet */
    uint32_t box;
};

static int give_row(void *arg, struct slice key, struct slice value)
{
    struct giving *g = arg;
    struct message m;
    uint32_t box;
    bool good = message_of_row(key, value, &box, &m);
    return g->each(g->arg, box, m.uid, good ? &m : NULL);
}

static int give_batch_row(void *arg, struct slice key, struct slice value)
{
    struct giving *g = arg;
    struct message m = {0};
    bool good = batch_message_get(key, value, &g->range, &m) == 0;
    return g->each(g->arg, g->box, m.uid, good ? &m : NULL);
}

static int give_batch(struct giving *g)
{
    struct batch_rows rows;
    batch_rows(g->box, g->range.batch, 0, &rows);
    return rows_each(g->s, g->acc, rows.from, rows.to, give_batch_row, g);
}

static int give_range(void *arg, struct slice key, struct slice value)
{
    struct giving *g = arg;
    (void)value;
    return batch_range_get(key, &g->box, &g->range) == 0 ? give_batch(g) : 0;
}

static int give_unseen(void *arg, struct slice key, struct slice value)
{
    struct giving *g = arg;
    uint64_t box;
    (void)value;
    g->range = (struct batch_range){0};
    if (!num_hex64(sl_sub(key, 2, 10), &box) || row_number(key, &g->range.batch)) return 0;
    g->box = (uint32_t)box;
    return give_batch(g);
}

/* Unseen batches first: one that becomes seen meanwhile is given twice rather than never. */
int messages_each(struct store *s, const char *acc,
                  int (*each)(void *arg, uint32_t box, uint32_t uid, const struct message *m), void *arg)
{
    struct giving g = {.each = each, .arg = arg, .s = s, .acc = acc};
    int e = rows_each(s, acc, SL("m/"), SL("m0"), give_row, &g);
    if (e == 0) e = rows_each(s, acc, SL("h/"), SL("h0"), give_unseen, &g);
    return e ? e : rows_each(s, acc, SL("g/"), SL("g0"), give_range, &g);
}
