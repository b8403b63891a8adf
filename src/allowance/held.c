/* held.c - what waits for a time that its sender set (RFC 4865 section 6): a row for each slot in which
 * something of it is released, in the object of the sender. A slot that is over counts no more. Slots are the
 * longer the farther they are off, so that there are few of them however many letters wait. */
#include <stdio.h>

#include "allowance_i.h"
#include "base/log.h"
#include "kv/record.h"

enum { VERSION = 1, MIB = 1 << 20 };
/* No slot has more: above the highest limit (config.c), and all slots together are no overflow. */
#define SLOT_BYTES_MAX (UINT64_C(1) << 52)

static const char first[] = "h/", last[] = "h0";

/* The slot ends when all of it is released. */
static int64_t slot_end(int64_t until, int64_t now)
{
    int64_t slot = ALLOWANCE_HELD_SLOT;
    while (slot * 2 * ALLOWANCE_HELD_PART <= until - now) slot *= 2;
    return (until + slot - 1) / slot * slot;
}

static struct slice held_key(int64_t end, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, "h/%012lld", (long long)end));
}

/* One that cannot be read counts as one letter: it is gone when its time is over. */
static struct held_slot slot_read(struct slice value)
{
    struct held_slot s = {0};
    struct rec r;
    int e = rec_open(&r, value, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'n': s.letters = rec_u64(&r); break;
        case 'b': s.bytes = rec_u64(&r); break;
        }
    if (e || rec_error(&r) || s.letters > UINT32_MAX || s.bytes > SLOT_BYTES_MAX)
        s = (struct held_slot){.letters = 1};
    return s;
}

/* ---- may that be held as well? ---- */

struct holding {
    uint64_t more;         /* bytes of the letter */
    int64_t slot_end;      /* of the slot that it falls into, */
    struct held_slot slot; /* as it was */
    uint64_t letters, bytes;
    uint64_t most, most_bytes; /* of what waits already; UINT64_MAX: any */
    uint64_t over, over_bytes; /* still above that, while the slots are looked at once more */
    int64_t now, until;        /* from which on it could be held */
    bool back;                 /* it came to nothing */
};

static int sum(void *arg, struct slice key, struct slice value)
{
    struct holding *h = arg;
    int64_t end;
    if (!held_counts(key, h->now, &end)) return 0;
    struct held_slot s = slot_read(value);
    h->letters += s.letters;
    h->bytes += s.bytes;
    if (end == h->slot_end) h->slot = s;
    return 0;
}

static uint64_t less(uint64_t a, uint64_t b) { return a > b ? a - b : 0; }

/* Once this slot is over, is enough gone? */
static int find_end(void *arg, struct slice key, struct slice value)
{
    struct holding *h = arg;
    int64_t end;
    if (!held_counts(key, h->now, &end)) return 0;
    struct held_slot s = slot_read(value);
    h->over = less(h->over, s.letters);
    h->over_bytes = less(h->over_bytes, s.bytes);
    h->until = end;
    return !h->over && !h->over_bytes; /* then the others need no look */
}

/* In a transaction: what waits, and from when on there would be room. */
static int look(struct kv_tx *tx, struct holding *h)
{
    h->slot = (struct held_slot){0};
    h->letters = h->bytes = 0, h->until = 0;
    int e = kv_tx_scan(tx, sl_cstr(first), sl_cstr(last), sum, h);
    h->over = less(h->letters, h->most), h->over_bytes = less(h->bytes, h->most_bytes);
    if (e || (!h->over && !h->over_bytes)) return e;
    e = kv_tx_scan(tx, sl_cstr(first), sl_cstr(last), find_end, h);
    return e < 0 ? e : 0;
}

static int look_tx(struct kv_tx *tx, void *arg) { return look(tx, arg); }

static void put(struct kv_tx *tx, const struct holding *h)
{
    struct held_slot s = h->slot;
    struct buf b = BUF_INIT;
    char room[KV_KEY_MAX];
    struct slice key = held_key(h->slot_end, room);
    if (h->back) s.letters = less(s.letters, 1), s.bytes = less(s.bytes, h->more);
    else s.letters++, s.bytes += h->more;
    rec_begin(&b, VERSION);
    rec_put_u64(&b, 'n', s.letters);
    rec_put_u64(&b, 'b', s.bytes);
    if (s.letters) kv_tx_put_record(tx, key, &b);
    else kv_tx_del(tx, key);
    buf_free(&b);
}

static int put_tx(struct kv_tx *tx, void *arg)
{
    struct holding *h = arg;
    int e = look(tx, h);
    if (!e && (h->back || !h->until)) put(tx, h);
    return e;
}

static int64_t limit_of(const struct sender_limits *l, enum sender_limit k)
{
    return l->v[k] < 0 ? SENDER_UNLIMITED : l->v[k];
}

/* How much may wait before it, so that it has room. */
static void bounds(struct holding *h, int64_t letters, int64_t mib)
{
    h->most = letters >= SENDER_UNLIMITED ? UINT64_MAX : less((uint64_t)letters, 1);
    h->most_bytes = mib >= SENDER_UNLIMITED ? UINT64_MAX : less((uint64_t)mib * MIB, h->more);
}

static int ask(struct allowance *a, const struct allowance_of *who, struct holding *h,
               struct allowance_end *end, kv_fn *fn)
{
    char object[KV_KEY_MAX];
    struct sender_limits l = allowance_limits(a, &who->limits);
    int64_t letters = limit_of(&l, SENDER_HELD), mib = limit_of(&l, SENDER_HELD_MIB);
    bounds(h, letters, mib);
    *end = (struct allowance_end){.which = SENDER_HELD};
    if (!letters) return allowance_say(end, letters);
    if (mib < SENDER_UNLIMITED && h->more > (uint64_t)mib * MIB) {
        end->which = SENDER_HELD_MIB;
        return allowance_say(end, mib);
    }
    if (h->most == UINT64_MAX && h->most_bytes == UINT64_MAX) {
        h->slot_end = 0; /* nobody asks how many, so they are not counted */
        return 0;
    }
    int e = kv_transact(a->kv, sender_object(sl_cstr(who->id), object), fn, h);
    if (e || !h->until) return e;
    end->until = h->until;
    if (h->letters <= h->most) end->which = SENDER_HELD_MIB;
    return allowance_say(end, end->which == SENDER_HELD ? letters : mib);
}

static struct holding holding_of(const struct allowance_held *held)
{
    int64_t now = rt_wall_seconds();
    return (struct holding){.more = held->bytes, .slot_end = slot_end(held->until, now), .now = now};
}

int allowance_held_ask(struct allowance *a, const struct allowance_of *who, const struct allowance_held *held,
                       struct allowance_end *end)
{
    struct holding h = holding_of(held);
    return ask(a, who, &h, end, look_tx);
}

int allowance_held_take(struct allowance *a, const struct allowance_of *who, struct allowance_held *held,
                        struct allowance_end *end)
{
    struct holding h = holding_of(held);
    int e = ask(a, who, &h, end, put_tx);
    held->until = e ? 0 : h.slot_end;
    return e;
}

void allowance_held_return(struct allowance *a, const struct allowance_of *who,
                           const struct allowance_held *held)
{
    char object[KV_KEY_MAX];
    struct holding h = {.more = held->bytes,
                        .slot_end = held->until,
                        .now = rt_wall_seconds(),
                        .most = UINT64_MAX,
                        .most_bytes = UINT64_MAX,
                        .back = true};
    if (!held->until) return;
    int e = kv_transact(a->kv, sender_object(sl_cstr(who->id), object), put_tx, &h);
    if (e) log_warn("allowance", "%s: a letter that was not taken counts as held: %s", who->id, err_text(e));
}

int held_used(struct allowance *a, const char *id, struct allowance_used *out)
{
    char object[KV_KEY_MAX];
    struct holding h = {.now = rt_wall_seconds(), .most = UINT64_MAX, .most_bytes = UINT64_MAX};
    int e = kv_transact(a->kv, sender_object(sl_cstr(id), object), look_tx, &h);
    out->n[SENDER_HELD] = h.letters;
    out->n[SENDER_HELD_MIB] = (h.bytes + MIB - 1) / MIB;
    return e;
}
