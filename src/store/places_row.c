/* places_row.c - the keys of rows by which messages are found by EMAILID and thread, and what keeps them
 * true: each change of messages puts and deletes its own, as soon as an account has such rows. */
#include "places_i.h"

/* ---- keys ---- */

struct slice places_key(char kind, uint64_t what, char room[KEY_ROOM])
{
    memcpy(room, "p/?/", 4);
    room[2] = kind;
    return sl(room, 4 + hex_digits(room + 4, what, 16));
}

static struct slice place_key(char kind, uint64_t what, uint32_t box, const struct message *m,
                              char room[KEY_ROOM])
{
    struct slice key = row_key_more(places_key(kind, what, room), box, 8, room);
    if (!m->batch) return row_key_more(key, m->uid, 8, room);
    key = row_key_more(key, m->batch, 16, room);
    return row_key_more(key, m->place, 8, room);
}

uint64_t places_hash(struct slice email_id) { return hash_stable(email_id, false); }

struct slice places_email_key(uint32_t box, const struct message *m, char room[KEY_ROOM])
{
    return place_key('e', places_hash(sl_cstr(m->email_id)), box, m, room);
}

struct slice places_thread_key(uint32_t box, const struct message *m, char room[KEY_ROOM])
{
    return place_key('t', m->thread, box, m, room);
}

bool places_key_take(struct slice key, uint32_t *box, struct message *m)
{
    enum { SINGLE = 20 + 18, BATCHED = 20 + 35 };
    uint64_t b, n, batch = 0;
    *m = (struct message){0};
    bool good = (key.n == SINGLE || key.n == BATCHED) && num_hex64(sl_sub(key, 21, 29), &b) &&
                (key.n == SINGLE || num_hex64(sl_sub(key, 30, 46), &batch)) && row_number(key, &n) == 0;
    if (!good) return false;
    *box = (uint32_t)b;
    m->batch = batch;
    if (batch) m->place = (uint32_t)n;
    else m->uid = (uint32_t)n;
    return true;
}

bool places_row_take(struct slice key, struct slice value, uint32_t *box, struct message *m)
{
    enum { SINGLE = 19, BATCHED = 36 };
    uint64_t b, batch = 0, n;
    bool good = (key.n == SINGLE || key.n == BATCHED) && num_hex64(sl_sub(key, 2, 10), &b) &&
                (key.n == SINGLE || num_hex64(sl_sub(key, 11, 27), &batch)) && row_number(key, &n) == 0;
    if (!good || message_row_get(value, batch ? 0 : (uint32_t)n, m)) return false;
    *box = (uint32_t)b;
    m->batch = batch;
    m->place = batch ? (uint32_t)n : 0;
    return true;
}

int places_account(struct store *s, const char *acc, struct account_row *out)
{
    char room[KEY_ROOM];
    struct arena a;
    struct slice value;
    ar_init(&a, 0);
    int e = kv_get(s->kv, account_object(acc, room), SL("a"), &a, &value);
    if (e == 0) e = account_row_get(value, out);
    ar_free(&a);
    return e;
}

/* ---- kept true ---- */

void places_put(struct kv_tx *tx, const struct account_row *a, uint32_t box, const struct message *m)
{
    char room[KEY_ROOM];
    if (a->places == PLACES_NONE) return;
    kv_tx_put(tx, places_email_key(box, m, room), SL("\1"));
    kv_tx_put(tx, places_thread_key(box, m, room), SL("\1"));
}

void places_del(struct kv_tx *tx, const struct account_row *a, uint32_t box, const struct message *m)
{
    char room[KEY_ROOM];
    if (a->places == PLACES_NONE) return;
    kv_tx_del(tx, places_email_key(box, m, room));
    kv_tx_del(tx, places_thread_key(box, m, room));
}

void places_forget(struct kv_tx *tx, struct account_row *a)
{
    if (a->places != PLACES_NONE) kv_tx_erase(tx, SL("p/"), SL("p0"));
    a->places = PLACES_NONE;
}

/* Each time another mark: a sweep that has passed these rows by must not take it for its own. */
void places_left(struct kv_tx *tx, const struct account_row *a)
{
    struct buf b = BUF_INIT;
    struct rec r;
    struct slice value;
    uint64_t before = 0;
    if (a->places == PLACES_NONE) return;
    if (kv_tx_get(tx, SL("p/x"), &value) == 0 && rec_open(&r, value, PLACES_MARK_ROW) == 0) /* errors stick */
        while (rec_next(&r))
            if (r.tag == 'm') before = rec_u64(&r);
    rec_begin(&b, PLACES_MARK_ROW);
    rec_put_u64(&b, 'm', before < a->modseq ? a->modseq : before + 1);
    kv_tx_put_record(tx, SL("p/x"), &b);
    buf_free(&b);
}
