/* send_batch_act.c - what is said to a batch, said to its sends. */
#include "base/log.h"
#include "base/text.h"
#include "send_batch.h"
#include "send_i.h"

struct telling {
    struct slice batch, why;
    enum send_action what;
    int first; /* failure */
};

static bool is_of(struct slice row, struct slice batch)
{
    struct rec r;
    if (rec_open(&r, row, 1) != 0) return false;
    while (rec_next(&r))
        if (r.tag == 'b') return sl_eq(r.field, batch);
    return false;
}

/* Its row in the account's list says which batch it is of: the others are not read. */
static int tell_one(struct sends *s, const struct kv_row *row, struct arena *a, void *arg)
{
    struct telling *x = arg;
    struct letter_id id = {{0}};
    struct slice name = sl_from(row->key, sl_rchr(row->key, '/') + 1);
    (void)a;
    if (!letter_id_ok(name) || !is_of(row->value, x->batch)) return 0;
    memcpy(id.s, name.p, LETTER_ID_LEN);
    int e = send_act(s, &id, x->what, x->why);
    if (!e || e == ERR_STATE || e == ERR_NOT_FOUND) return 0;
    if (e == ERR_CANCELED) return e;
    log_error("send", "the send %s of the batch %.*s is not told: %s", id.s, SLF(x->batch), err_text(e));
    if (!x->first) x->first = e;
    return 0;
}

/* The row first: a send that is taken meanwhile sees it, or is seen here, or sees it when it is to be run. */
int send_batch_act(struct sends *s, struct slice account, struct slice batch, enum send_action what,
                   struct slice why)
{
    struct telling x = {.batch = batch, .why = why, .what = what};
    int e = send_batch_put(s, account, batch, what);
    if (!e) e = sends_each_row(s, "l", account, tell_one, &x);
    return e ? e : x.first;
}
