/* remark.c - annotations of messages (RFC 5257), read and set. */
#include "remark_i.h"

#include <stdlib.h>

/* ---- reading ---- */

int remark_list(struct store *s, struct mailbox_ref box, uint32_t uid, const char *user, struct arena *a,
                struct remark **out, size_t *n)
{
    struct message m;
    struct lying *v = ar_array(a, struct lying, LYING_MAX);
    size_t all = 0;
    int e = message_get_in(s, box, uid, a, &m);
    if (e == 0) e = remarks_take(m.remarks, v, &all);
    *out = ar_array(a, struct remark, all + 1);
    *n = 0;
    for (size_t i = 0; i < all && e == 0; i++)
        if (v[i].r.shared || sl_eq(v[i].who, sl_cstr(user))) (*out)[(*n)++] = v[i].r;
    return e;
}

/* ---- setting ---- */

struct setting {
    uint32_t box;
    const struct remark_change *as;
    const uint32_t *uid;
    size_t n;
    struct gather failed;
    size_t failed_before; /* by the parts before this one */
    struct journal_box journal;
    struct batch_range near;
    struct lying *v; /* of the message at hand */
    struct buf made;
    size_t bytes;  /* of rows written by this transaction */
    int64_t grown; /* by so much, all of them */
};

static void forget_gone(struct lying *v, size_t *n)
{
    size_t gone = 0, oldest = 0;
    for (size_t i = 0; i < *n; i++) {
        if (v[i].r.value.p) continue;
        if (!gone++ || v[i].r.modseq < v[oldest].r.modseq) oldest = i;
    }
    if (gone <= REMARKS_GONE_MAX) return;
    memmove(v + oldest, v + oldest + 1, (--*n - oldest) * sizeof *v);
}

/* True: it changed. */
static bool apply(struct lying *v, size_t *n, struct lying one)
{
    size_t at = 0;
    while (at < *n && !remark_same(&v[at], &one)) at++;
    if (at == *n && !one.r.value.p) return false;
    if (at < *n && !v[at].r.value.p == !one.r.value.p && sl_eq(v[at].r.value, one.r.value)) return false;
    v[at] = one;
    *n += at == *n;
    forget_gone(v, n);
    return true;
}

static int set_one(struct kv_tx *tx, struct setting *x, uint64_t modseq, uint32_t uid)
{
    struct message m;
    size_t n, before;
    bool changed = false;
    int e = message_tx(tx, x->box, uid, &x->near, &m);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    if (x->as->unchanged_since && m.modseq > x->as->unchanged_since) {
        gather_add(&x->failed, uid);
        return 0;
    }
    e = remarks_take(m.remarks, x->v, &n);
    if (e) return e;
    before = m.remarks.n;
    for (size_t i = 0; i < x->as->n; i++) {
        struct lying one = {.r = x->as->v[i], .who = x->as->v[i].shared ? SL("") : sl_cstr(x->as->user)};
        one.r.modseq = modseq;
        changed |= apply(x->v, &n, one);
    }
    if (!changed) return 0;
    e = remarks_fit(x->v, n, sl_from(kv_tx_object(tx), 2), sl_cstr(x->as->user));
    if (e) return e;
    m.remarks = remarks_row(&x->made, x->v, n);
    m.modseq = modseq;
    x->grown += (int64_t)m.remarks.n - (int64_t)before;
    x->bytes += m.remarks.n;
    message_row_put(tx, x->box, &m);
    journal_flags(&x->journal, uid, m.flags);
    return 0;
}

static int set_end(struct kv_tx *tx, struct setting *x, struct account_row *a, struct box_row *b)
{
    uint64_t more = x->grown > 0 ? (uint64_t)x->grown : 0;
    int e = more ? quota_check(a, more, 0) : 0;
    if (e == 0 && more) e = quota_tree_fit(tx, a, SL(""), b->m.name, (struct quota_load){more, 0, 0});
    if (e) return e;
    a->bytes += (uint64_t)x->grown;
    b->m.size += (uint64_t)x->grown;
    b->m.modseq = ++a->modseq;
    journal_put(tx, a, &x->journal, 1);
    box_row_put(tx, a, b);
    account_row_put(tx, a);
    return 0;
}

static int set_remarks(struct kv_tx *tx, void *arg)
{
    struct setting *x = arg;
    struct account_row a;
    struct box_row b;
    x->failed.n = x->failed_before;
    x->bytes = 0;
    x->grown = 0;
    journal_free(&x->journal);
    int e = account_tx(tx, &a);
    if (e == 0) e = box_tx(tx, x->box, &b);
    for (size_t i = 0; e == 0 && i < x->n; i++) {
        e = set_one(tx, x, a.modseq + 1, x->uid[i]);
        if (x->bytes > CHANGE_BYTES) x->n = i + 1; /* the others in the next one */
    }
    if (e) messages_want(tx, x->box, x->uid, x->n, &x->near);
    return e || !x->journal.changes.n ? e : set_end(tx, x, &a, &b);
}

int remark_set(struct store *s, struct mailbox_ref box, struct uids uids, const struct remark_change *change,
               struct arena *a, struct uids *failed)
{
    struct setting x = {.box = box.box,
                        .as = change,
                        .journal.box = box.box,
                        .v = xcalloc(LYING_MAX + change->n + 1, sizeof *x.v)};
    int e = 0;
    for (size_t i = 0; i < change->n && e == 0; i++) e = remark_fits(&change->v[i]);
    for (size_t at = 0; e == 0 && at < uids.n; at += x.n) {
        x.uid = uids.v + at;
        x.n = uids.n - at < CHANGE_MAX ? uids.n - at : CHANGE_MAX;
        x.failed_before = x.failed.n;
        e = mailbox_transact(s, box, x.n, set_remarks, &x);
    }
    journal_free(&x.journal);
    buf_free(&x.made);
    free(x.v);
    gather_hand_out(&x.failed, a, failed);
    return e;
}
