/* load.c - reading a letter's rows outside of a transaction. */
#include "base/log.h"
#include "base/text.h"
#include "queue_i.h"

int queue_load_envelope(struct shard *s, const struct letter_id *id, struct arena *a, struct q_envelope *e)
{
    struct slice row;
    int bad = kv_get(s->q->store->kv, shard_object(s), queue_key_envelope(a, id), a, &row);
    return bad ? bad : q_envelope_get(row, id, e);
}

/* It is held, so that nothing is done about it, and hides no other. */
static void mark_damaged(struct q_rcpt *r, struct slice key)
{
    uint64_t g = 0, n = 0;
    if (key.n == 29) (void)(num_u64(sl_sub(key, 18, 23), 99999, &g) && num_u64(sl_from(key, 24), 99999, &n));
    *r = (struct q_rcpt){.g = (uint32_t)g,
                         .n = (uint32_t)n,
                         .state = Q_HELD,
                         .damaged = true,
                         .key = key,
                         .address = SL("(damaged)")};
    log_error("queue", "the row %.*s is damaged; see `tram verify`", SLF(key));
}

int queue_load_rcpts(struct shard *s, const struct letter_id *id, int64_t g, struct arena *a,
                     struct q_rcpt **out, size_t *n)
{
    struct slice prefix = g < 0 ? ar_printf(a, "r%s/", id->s) : queue_key_rcpts(a, id, (uint32_t)g);
    struct slice from = prefix, to = kv_prefix_end(a, prefix);
    struct kv_page page = {.more = true};
    size_t cap = 16;
    *out = ar_array(a, struct q_rcpt, cap);
    *n = 0;
    while (page.more) {
        int e = kv_scan(s->q->store->kv, shard_object(s), from, to, KV_PAGE_MAX, a, &page);
        if (e) return e;
        for (size_t i = 0; i < page.n; i++) {
            if (*n == cap) *out = ar_grow(a, *out, &cap, sizeof **out);
            struct q_rcpt *r = &(*out)[(*n)++];
            if (q_rcpt_get(page.row[i].key, page.row[i].value, r) != 0) mark_damaged(r, page.row[i].key);
        }
        if (page.n) from = kv_after(a, page.row[page.n - 1].key);
    }
    return 0;
}

int queue_load_group_rcpts(struct shard *s, const struct q_envelope *e, uint32_t g, struct arena *a,
                           struct q_rcpt **out, size_t *n)
{
    struct slice row, key = queue_key_rcpt(a, &e->l.id, 0, 0);
    if (q_is_single(e) && g == 0 && kv_get(s->q->store->kv, shard_object(s), key, a, &row) == 0) {
        *out = ar_new(a, struct q_rcpt);
        *n = 1;
        if (q_rcpt_get(key, row, *out) != 0) mark_damaged(*out, key);
        return 0;
    }
    return queue_load_rcpts(s, &e->l.id, g, a, out, n);
}
