/* queue_verify.c - is every row of the queue what it should be? Reports, changes nothing. */
#include <stdio.h>

#include "base/text.h"
#include "kv/record.h"
#include "pages.h"
#include "queue_i.h"

struct verify {
    struct queue *q;
    struct shard *s;
    struct arena a; /* of a page */
    verify_bad *bad;
    void *arg;
};

static void say(struct verify *v, struct slice key, const char *what)
{
    char text[ERR_TEXT_MAX];
    snprintf(text, sizeof text, "object %s: the row %.*s %s", v->s->object, SLF(key), what);
    v->bad(v->arg, text);
}

static bool key_id(struct slice key, struct letter_id *id)
{
    if (key.n <= LETTER_ID_LEN || !letter_id_ok(sl_sub(key, 1, LETTER_ID_LEN + 1))) return false;
    *id = (struct letter_id){{0}};
    memcpy(id->s, key.p + 1, LETTER_ID_LEN);
    return true;
}

/* Its letter may have come to its end since the page was read: then there is nothing to complain of. */
static bool still_there(struct verify *v, struct slice key)
{
    struct slice row;
    return kv_get(v->q->store->kv, shard_object(v->s), key, &v->a, &row) == 0;
}

static void check_envelope(struct verify *v, const struct kv_row *row, const struct letter_id *id)
{
    struct q_envelope env;
    if (row->key.n != LETTER_ID_LEN + 1 || q_envelope_get(row->value, id, &env) != 0) {
        say(v, row->key, "is damaged: a letter's envelope");
        return;
    }
    int e = env.l.made.n ? 0 : store_read_body(v->q->store, &env.l.body);
    if ((e == ERR_CORRUPT || e == ERR_NOT_FOUND) && still_there(v, row->key))
        say(v, row->key, "names a body that cannot be read");
}

static void check_group(struct verify *v, const struct kv_row *row, const struct letter_id *id)
{
    struct q_group g;
    uint64_t n;
    struct q_envelope e;
    struct slice env;
    if (row->key.n != 23 || !num_u64(sl_from(row->key, 18), 99999, &n) ||
        q_group_get(row->value, (uint32_t)n, &g) != 0)
        say(v, row->key, "is damaged: a group of recipients");
    else if (kv_get(v->q->store->kv, shard_object(v->s), queue_key_envelope(&v->a, id), &v->a, &env) != 0) {
        if (!still_there(v, queue_key_accepting(&v->a, id)) && still_there(v, row->key))
            say(v, row->key, "belongs to a letter whose envelope is missing");
    } else if (g.due && q_envelope_get(env, id, &e) == 0 && (!e.unscheduled || n < e.unscheduled) &&
               !still_there(v, queue_key_due(&v->a, e.l.stream, g.due, id, g.n)) && still_there(v, row->key))
        say(v, row->key, "waits for a time at which the schedule does not know it");
}

static bool text_is_time(struct slice s)
{
    uint64_t t;
    return num_u64(s, INT64_MAX, &t);
}

static bool is_record(struct slice value)
{
    struct rec r;
    if (rec_open(&r, value, UINT8_MAX) != 0) return false;
    while (rec_next(&r)) {
    }
    return !r.bad;
}

static void check_row(struct verify *v, const struct kv_row *row)
{
    struct letter_id id;
    struct q_rcpt r;
    struct q_due due;
    struct q_unseen unseen;
    int64_t at;
    bool named = key_id(row->key, &id), good = named;
    switch (row->key.p[0]) {
    case 'e':
        if (named) check_envelope(v, row, &id);
        break;
    case 'g':
        if (named) check_group(v, row, &id);
        break;
    case 'r': good = named && q_rcpt_get(row->key, row->value, &r) == 0; break;
    case 'd': good = q_due_get(row->key, row->value, &due) == 0; break;
    case 'x': good = queue_key_age_parse(row->key, &at, &id); break;
    case 'h': good = named && queue_unseen_get(row->value, &unseen) == 0; break;
    case 's': good = named && row->key.n == 23; break;
    case 'z': good = named && text_is_time(row->value); break;
    default: good = is_record(row->value); break; /* counts, leases */
    }
    if (!good) say(v, row->key, "is damaged");
}

/* A place that cannot be read hides nothing behind it. */
static int read_on(struct verify *v, struct slice from, struct kv_page *page, bool *hole)
{
    struct kv *kv = v->q->store->kv;
    bool there;
    if (fiber_canceled()) return ERR_CANCELED;
    int e = kv_walk(kv, shard_object(v->s), from, SL(""), 200, &v->a, page);
    if (!err_is_damage(e)) return *hole = false, e;
    if (!*hole) say(v, from, "is followed by rows that cannot be read");
    *hole = true;
    return kv_scan_over(kv, shard_object(v->s), from, SL(""), 200, &v->a, page, &there);
}

static int check_shard(struct verify *v)
{
    struct slice from = SL("");
    struct kv_page page = {.more = true};
    char next[KV_KEY_MAX + 2];
    bool hole = false; /* told of one */
    int e = 0;
    while (!e && page.more) {
        ar_reset(&v->a);
        e = read_on(v, from, &page, &hole);
        for (size_t i = 0; !e && i < page.n; i++) check_row(v, &page.row[i]);
        if (!e && page.n)
            from = sl(next, (size_t)snprintf(next, sizeof next, "%.*s ", SLF(page.row[page.n - 1].key)));
        fiber_breathe();
    }
    return e;
}

int queue_verify(void *queue, struct store *s, verify_bad *bad, void *arg)
{
    struct verify v = {.q = queue, .bad = bad, .arg = arg};
    int e = 0;
    (void)s;
    for (int k = 0; !e && k < v.q->nshards; k++) {
        v.s = &v.q->shard[k];
        e = check_shard(&v);
    }
    ar_free(&v.a);
    return e;
}
