/* queue_care.c - the queue's part in sweep and backup: which bodies it refers to, and bodies that move. */
#include <stdio.h>

#include "queue_i.h"

static int refs_of_page(const struct kv_page *page,
                        int (*each)(void *arg, struct slice letter, struct slice ref), void *arg)
{
    int e = 0;
    for (size_t i = 0; !e && i < page->n; i++) {
        struct q_envelope env;
        struct letter_id id = {{0}};
        struct slice letter = sl_from(page->row[i].key, 1);
        if (letter_id_ok(letter)) memcpy(id.s, letter.p, LETTER_ID_LEN);
        bool good = id.s[0] && q_envelope_get(page->row[i].value, &id, &env) == 0;
        if (good && env.l.made.n) continue; /* it has no body */
        e = each(arg, letter, good ? body_ref_slice(&env.l.body) : (struct slice){0});
    }
    return e;
}

static int queue_body_refs(void *queue, struct store *st,
                           int (*each)(void *arg, struct slice letter, struct slice ref), void *arg)
{
    struct queue *q = queue;
    int e = 0;
    for (int k = 0; !e && k < q->nshards; k++) {
        struct arena a = {0};
        struct slice from = SL("e");
        struct kv_page page = {.more = true};
        char last[KV_KEY_MAX + 2];
        while (!e && page.more) {
            ar_reset(&a);
            if (fiber_canceled()) e = ERR_CANCELED;
            else e = kv_scan(st->kv, shard_object(&q->shard[k]), from, SL("f"), KV_PAGE_MAX, &a, &page);
            if (!e) e = refs_of_page(&page, each, arg);
            if (e || !page.n) break;
            snprintf(last, sizeof last, "%.*s ", SLF(page.row[page.n - 1].key));
            from = sl_cstr(last);
        }
        ar_free(&a);
    }
    return e;
}

struct moving {
    const struct letter_id *id;
    const struct body_ref *from, *to;
};

static int move_tx(struct kv_tx *tx, void *arg)
{
    struct moving *x = arg;
    struct q_envelope e;
    struct arena a = {0};
    struct slice row, key = queue_key_envelope(&a, x->id);
    struct buf b = BUF_INIT;
    int bad = kv_tx_get(tx, key, &row);
    if (!bad) bad = q_envelope_get(row, x->id, &e);
    if (!bad && strcmp(e.l.body.s, x->from->s) == 0) {
        e.l.body = *x->to;
        q_envelope_put(&b, &e);
        kv_tx_put_record(tx, key, &b);
    }
    buf_free(&b);
    ar_free(&a);
    return bad;
}

static int queue_body_moved(void *queue, struct store *st, struct slice letter, const struct body_ref *from,
                            const struct body_ref *to)
{
    struct letter_id id = {{0}};
    (void)st;
    if (!letter_id_ok(letter)) return ERR_NOT_FOUND;
    memcpy(id.s, letter.p, LETTER_ID_LEN);
    struct moving x = {&id, from, to};
    return shard_transact(queue_shard(queue, &id), move_tx, &x);
}

struct care_queue queue_care(struct queue *q)
{
    return (struct care_queue){.ctx = q, .refs = queue_body_refs, .relink = queue_body_moved};
}
