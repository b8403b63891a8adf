/* stray.c - objects named by days that have not come: they count from when they were first found. */
#include "kv.h"
#include "record.h"
#include "rt/rt.h"

struct stray {
    int64_t now, keep_s;
    bool over;
};

static int stray_tx(struct kv_tx *tx, void *arg)
{
    struct stray *x = arg;
    struct slice row;
    struct rec r;
    int64_t seen = 0;
    int e = kv_tx_get(tx, SL(KV_STRAY), &row);
    if (e == 0) e = rec_open(&r, row, 1);
    while (e == 0 && rec_next(&r))
        if (r.tag == 't') seen = (int64_t)rec_u64(&r);
    x->over = seen && seen <= x->now && x->now - seen > x->keep_s;
    if (seen && seen <= x->now) return 0;
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    rec_put_u64(&b, 't', (uint64_t)x->now);
    kv_tx_put_record(tx, SL(KV_STRAY), &b);
    buf_free(&b);
    return 0;
}

int kv_stray_day(struct kv *kv, struct slice object, int64_t keep_s, bool *over)
{
    struct stray x = {.now = rt_wall_seconds(), .keep_s = keep_s};
    int e = kv_transact(kv, object, stray_tx, &x);
    *over = e == 0 && x.over;
    return e;
}
