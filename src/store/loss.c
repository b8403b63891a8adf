/* loss.c - what was lost with the index's log, once that was accepted: until somebody has judged it, no
 * body that was there at that time is swept, for rows that were lost may have referred to it. */
#include "rescue_i.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "kv/record.h"

enum { WHAT_MAX = 2000 };

static int loss_row_get(struct slice row, struct store_loss *out)
{
    struct rec r;
    *out = (struct store_loss){0};
    int e = rec_open(&r, row, 1);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 't': out->when = (int64_t)rec_u64(&r); break;
        case 'p': out->upto = rec_u64(&r); break;
        case 'w': out->what = r.field; break;
        }
    return rec_error(&r);
}

int store_loss(struct store *s, struct arena *a, struct store_loss *out)
{
    struct slice row;
    int e = kv_get(s->kv, SL("_store"), SL("loss"), a, &row);
    return e ? e : loss_row_get(row, out);
}

uint64_t loss_upto(struct store *s)
{
    struct arena a;
    struct store_loss l = {0};
    ar_init(&a, 0);
    int e = store_loss(s, &a, &l);
    if (e && e != ERR_NOT_FOUND) {
        log_error("care", "whether bodies are kept for a loss cannot be read: %s; all are kept", err_text(e));
        l.upto = UINT64_MAX;
    }
    ar_free(&a);
    return l.upto;
}

/* ---- from the engine's note to a row ---- */

struct loss_new {
    struct store_loss l;
    struct buf row;
};

/* An earlier loss that was not judged yet is kept in mind. */
static int put_loss(struct kv_tx *tx, void *arg)
{
    struct loss_new *n = arg;
    struct store_loss before;
    struct slice old;
    struct arena a;
    ar_init(&a, 0);
    struct slice what = n->l.what;
    if (kv_tx_get(tx, SL("loss"), &old) == 0 && loss_row_get(old, &before) == 0 && !sl_eq(before.what, what))
        what = ar_printf(&a, "%.*s; before that %.*s", SLF(what), SLF(before.what));
    rec_begin(&n->row, 1);
    rec_put_u64(&n->row, 't', (uint64_t)n->l.when);
    rec_put_u64(&n->row, 'p', n->l.upto);
    rec_put(&n->row, 'w', utf8_cut(what, WHAT_MAX));
    kv_tx_put_record(tx, SL("loss"), &n->row);
    ar_free(&a);
    return 0;
}

static uint64_t newest_pack(struct store *s, struct arena *a)
{
    struct body_pack *pack;
    size_t n;
    uint64_t newest = 0;
    if (body_packs(s->body, a, &pack, &n)) return UINT64_MAX;
    for (size_t i = 0; i < n; i++)
        if (pack[i].number > newest) newest = pack[i].number;
    return newest;
}

int loss_note(struct store *s, struct slice what)
{
    struct arena a;
    struct loss_new n = {.l = {.when = rt_wall_seconds(), .what = what}, .row = BUF_INIT};
    ar_init(&a, 0);
    n.l.upto = newest_pack(s, &a);
    int e = kv_transact(s->kv, SL("_store"), put_loss, &n);
    buf_free(&n.row);
    ar_free(&a);
    return e;
}

int loss_take_note(struct store *s)
{
    struct buf what = BUF_INIT;
    int e = kv_loss(s->kv, &what);
    if (e == 0) {
        log_error("store",
                  "the index was opened without what was lost of its log: %.*s; no body is swept that "
                  "was there, until tram verify --close-loss",
                  SLF(buf_slice(&what)));
        e = loss_note(s, buf_slice(&what));
        if (e == 0) e = kv_loss_done(s->kv);
    }
    buf_free(&what);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int del_loss(struct kv_tx *tx, void *arg)
{
    struct slice row;
    (void)arg;
    int e = kv_tx_get(tx, SL("loss"), &row);
    if (e == 0) kv_tx_del(tx, SL("loss"));
    return e;
}

int store_loss_close(struct store *s)
{
    int e = kv_transact(s->kv, SL("_store"), del_loss, NULL);
    return e == ERR_NOT_FOUND ? err_set(e, "no bodies are kept for a loss") : e;
}

/* ---- what nothing refers to ---- */

struct orphans {
    struct store *s;
    uint64_t upto;
    struct map known; /* references into packs up to `upto` */
    void (*each)(void *arg, const struct body_seen *seen);
    void *arg;
};

static void know(struct orphans *o, const struct body_ref *r)
{
    if (body_ref_pack(r) <= o->upto) map_put(&o->known, body_ref_slice(r), (void *)1);
}

static int know_queued(void *arg, struct slice letter, struct slice ref)
{
    struct body_ref r;
    (void)letter;
    if (body_ref_parse(ref, &r) == 0) know(arg, &r);
    return 0;
}

static int know_message(void *arg, uint32_t box, uint32_t uid, const struct message *m)
{
    (void)box, (void)uid;
    if (m) know(arg, &m->body);
    return 0;
}

static int know_account(void *arg, const char *acc)
{
    struct orphans *o = arg;
    return messages_each(o->s, acc, know_message, o);
}

static void one_record(void *arg, const struct body_seen *seen)
{
    struct orphans *o = arg;
    if (!map_get(&o->known, body_ref_slice(&seen->ref))) o->each(o->arg, seen);
}

static int read_packs(struct orphans *o)
{
    struct arena a;
    struct body_pack *pack;
    size_t n;
    ar_init(&a, 0);
    int e = body_packs(o->s->body, &a, &pack, &n);
    for (size_t i = 0; e == 0 && i < n; i++) {
        if (pack[i].number > o->upto || pack[i].cls == BODY_IMAGE) continue;
        e = body_verify(o->s->body, pack[i].number, one_record, o);
        if (e == ERR_CORRUPT || e == ERR_NOT_FOUND)
            e = 0; /* its header is damaged: nothing in it can be found */
    }
    ar_free(&a);
    return e;
}

int store_loss_bodies(struct store *s, const struct store_loss *l, const struct care_queue *queue,
                      void (*each)(void *arg, const struct body_seen *seen), void *arg)
{
    struct orphans o = {.s = s, .upto = l->upto, .each = each, .arg = arg};
    map_init(&o.known, false);
    int e = queue ? queue->refs(queue->ctx, s, know_queued, &o) : 0;
    if (e == 0) e = accounts_each(s, know_account, &o);
    if (e == 0) e = read_packs(&o);
    map_free(&o.known);
    return e;
}
