/* sweep_damage.c - rows that do not tell what they refer to.
 *
 * Such a row may name any body there was when it was written, so packs that were there when it was first
 * found stay as long as it does: a row damage/OBJECT of _store keeps that moment. What is younger is swept
 * as ever. When other rows of the object are found damaged, the moment is a new one. */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "kv/record.h"
#include "sweep_i.h"

enum { DAMAGE_ROW = 1, KEYS_MAX = 10000, SHOWN_MAX = 100 };

struct damage {
    struct map keys; /* of the rows, each once, however often a row is read */
    bool open;       /* which rows there are is not known: the object could not be read to its end */
    uint64_t sum, pack;
};

void sweep_damaged(struct sweep *w, struct slice object, struct slice key)
{
    struct damage *d = map_get(&w->damaged, object);
    if (!d) {
        d = ar_new(&w->a, struct damage);
        *d = (struct damage){0};
        map_init(&d->keys, false);
        map_put(&w->damaged, object, d);
    }
    if (!key.n || d->keys.count == KEYS_MAX) d->open = true;
    else if (map_put(&d->keys, key, d)) return;
    w->report->damaged++;
    if (d->keys.count > SHOWN_MAX) return;
    log_error("care", "object %.*s: %s%.*s cannot be read: packs it may refer to are kept", SLF(object),
              key.n ? "the row " : "its end", SLF(key));
}

/* In whatever order they were met. */
static uint64_t sum_of(const struct damage *d)
{
    struct map_iter it = {0};
    uint64_t sum = 0;
    while (map_next(&d->keys, &it)) sum += crc32c(0, it.key.p, it.key.n);
    return sum;
}

static struct slice damage_key(struct slice object, char room[KEY_ROOM])
{
    static const char prefix[] = "damage/";
    size_t most = KV_KEY_MAX - (sizeof prefix - 1);
    int n =
        snprintf(room, KEY_ROOM, "%s%.*s", prefix, SLF(sl_sub(object, 0, object.n < most ? object.n : most)));
    return sl(room, (size_t)n);
}

/* The newest pack there was when just these rows were found damaged for the first time; 0: they were not. */
static uint64_t pack_at_first(struct slice row, const struct damage *d)
{
    struct rec r;
    uint64_t pack = 0, rows = 0, sum = 0;
    if (d->open || rec_open(&r, row, DAMAGE_ROW)) return 0;
    while (rec_next(&r)) switch (r.tag) {
        case 'p': pack = rec_u64(&r); break;
        case 'n': rows = rec_u64(&r); break;
        case 's': sum = rec_u64(&r); break;
        }
    return rec_error(&r) == 0 && rows == d->keys.count && sum == d->sum ? pack : 0;
}

static void put_damage(struct kv_tx *tx, struct slice key, const struct damage *d)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, DAMAGE_ROW);
    rec_put_u64(&b, 'p', d->pack);
    rec_put_u64(&b, 'n', d->keys.count);
    rec_put_u64(&b, 's', d->sum);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
}

static int forget(void *tx, struct slice key, struct slice value)
{
    (void)value;
    kv_tx_del(tx, key);
    return 0;
}

/* The rows damage/ become what this sweep has found. */
static int settle(struct kv_tx *tx, void *arg)
{
    struct sweep *w = arg;
    struct map_iter it = {0};
    struct slice row;
    char key[KEY_ROOM];
    int e = kv_tx_fence(tx, SL("care"), w->care.fence);
    if (e) return e; /* another one takes care by now, and may have found something else */
    w->keep_to = 0;
    while (map_next(&w->damaged, &it)) {
        struct damage *d = it.value;
        d->sum = sum_of(d);
        d->pack = kv_tx_get(tx, damage_key(it.key, key), &row) == 0 ? pack_at_first(row, d) : 0;
        if (!d->pack) d->pack = w->newest;
        if (d->pack > w->keep_to) w->keep_to = d->pack;
    }
    e = kv_tx_scan(tx, SL("damage/"), SL("damage0"), forget, tx);
    it = (struct map_iter){0};
    while (map_next(&w->damaged, &it)) put_damage(tx, damage_key(it.key, key), it.value);
    return e;
}

int sweep_settle_damage(struct sweep *w)
{
    struct kv_page page;
    struct body_pack *pack;
    size_t n = 0;
    int e = kv_scan(w->s->kv, SL("_store"), SL("damage/"), SL("damage0"), 1, &w->a, &page);
    if (e || (!page.n && !w->damaged.count)) return e;
    e = body_packs(w->s->body, &w->a, &pack,
                   &n); /* after marking: none that a damaged row could name is newer */
    for (size_t i = 0; i < n; i++)
        if (pack[i].number > w->newest) w->newest = pack[i].number;
    return e ? e : kv_transact(w->s->kv, SL("_store"), settle, w);
}

void sweep_forget_damage(struct sweep *w)
{
    struct map_iter it = {0};
    while (map_next(&w->damaged, &it)) map_free(&((struct damage *)it.value)->keys);
    map_free(&w->damaged);
}
