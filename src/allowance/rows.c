/* rows.c - what is kept of senders: object n:ID, a row of counts for the account and for each of its keys,
 * and a row for each recipient that it has written to (docs/format.md). Written as notes, which are durable
 * with the commit that follows; lost at most with a machine that dies before it. */
#include <stdio.h>

#include "allowance_i.h"
#include "base/log.h"
#include "base/text.h"
#include "kv/record.h"

enum { VERSION = 1, PAGE = 1000, DELETES = 500 };

struct slice sender_object(struct slice id, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, "n:%.*s", SLF(id)));
}

static struct slice counts_key(struct slice key, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, key.n ? "c/%.*s" : "c", SLF(key)));
}

static struct slice known_key(struct slice address, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, "n/%016llx",
                                     (unsigned long long)hash_stable(address, true)));
}

/* ---- what is held (held.c) ---- */

/* What lies further off than anything is held was written by a clock that was wrong. */
bool held_counts(struct slice key, int64_t now, int64_t *end)
{
    uint64_t n;
    if (!num_u64(sl_from(key, 2), INT64_MAX, &n)) return false;
    *end = (int64_t)n;
    return *end > now && *end <= now + ALLOWANCE_HELD_DAYS * 86400;
}

/* ---- counts ---- */

/* Of each count: A + k the number of its newest slot, a + k from there back what each slot has. */
static void counts_put(struct buf *b, const struct counts *c)
{
    rec_begin(b, VERSION);
    rec_opt_u64(b, 't', (uint64_t)c->told);
    for (int k = 0; k < COUNTED; k++) {
        const struct tally *t = &c->t[k];
        int64_t last = TALLY_SLOTS - 1;
        while (last >= 0 && !t->n[(t->at + TALLY_SLOTS - last) % TALLY_SLOTS]) last--;
        if (last < 0) continue;
        rec_put_u64(b, (uint8_t)('A' + k), (uint64_t)t->at);
        for (int64_t i = 0; i <= last; i++)
            rec_put_u64(b, (uint8_t)('a' + k), t->n[(t->at + TALLY_SLOTS - i) % TALLY_SLOTS]);
    }
}

static int counts_read(struct slice value, struct counts *out)
{
    struct rec r;
    int64_t slots[COUNTED] = {0};
    *out = (struct counts){0};
    int e = rec_open(&r, value, VERSION);
    if (e) return e;
    while (rec_next(&r)) {
        int k = r.tag - 'a', K = r.tag - 'A';
        uint64_t v = rec_u64(&r);
        if (r.tag == 't') out->told = (int64_t)(v & INT32_MAX);
        else if (K >= 0 && K < COUNTED && v <= INT64_MAX / 86400) out->t[K].at = (int64_t)v;
        else if (k >= 0 && k < COUNTED && v <= UINT32_MAX && slots[k] < TALLY_SLOTS)
            out->t[k].n[(out->t[k].at + TALLY_SLOTS - slots[k]++) % TALLY_SLOTS] = (uint32_t)v;
        else if ((K >= 0 && K < COUNTED) || (k >= 0 && k < COUNTED)) r.bad = true;
    }
    return rec_error(&r);
}

int counts_load(struct allowance *a, struct slice id, struct slice key, struct counts *out)
{
    char object[KV_KEY_MAX], room[KV_KEY_MAX];
    struct arena scratch;
    struct slice row;
    ar_init(&scratch, 0);
    *out = (struct counts){0};
    int e = kv_get(a->kv, sender_object(id, object), counts_key(key, room), &scratch, &row);
    int bad = e ? 0 : counts_read(row, out);
    if (bad) {
        log_error("allowance", "what %.*s has sent cannot be read, its counts begin anew: %s", SLF(id),
                  err_text(bad));
        *out = (struct counts){0};
    }
    ar_free(&scratch);
    return e == ERR_NOT_FOUND ? 0 : e;
}

void counts_note(struct allowance *a, struct slice id, struct slice key, const struct counts *c)
{
    char object[KV_KEY_MAX], room[KV_KEY_MAX];
    struct buf b = BUF_INIT;
    counts_put(&b, c);
    kv_note_record(a->kv, sender_object(id, object), counts_key(key, room), &b);
    buf_free(&b);
}

/* ---- whom it has written to ---- */

static int known_read(struct slice value, int64_t *day)
{
    struct rec r;
    *day = 0;
    int e = rec_open(&r, value, VERSION);
    if (e) return e;
    while (rec_next(&r))
        if (r.tag == 'd') *day = (int64_t)(rec_u64(&r) & INT32_MAX);
    return rec_error(&r);
}

/* A day that has not come was written by a clock that was wrong: it means today. */
static int64_t age_of(int64_t day) { return day > today() ? 0 : today() - day; }

int allowance_knows(struct allowance *a, const char *id, struct slice address, enum allowance_known *out)
{
    char object[KV_KEY_MAX], room[KV_KEY_MAX];
    struct arena scratch;
    struct slice row;
    int64_t day;
    ar_init(&scratch, 0);
    int e = kv_get(a->kv, sender_object(sl_cstr(id), object), known_key(address, room), &scratch, &row);
    bool there = !e && known_read(row, &day) == 0; /* one that cannot be read is written anew */
    *out = !there || age_of(day) > ALLOWANCE_KNOWN_DAYS ? ALLOWANCE_FRESH
           : age_of(day) > ALLOWANCE_FADING_DAYS        ? ALLOWANCE_FADES
                                                        : ALLOWANCE_KNOWN;
    ar_free(&scratch);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int forget_row(struct kv_tx *tx, void *key)
{
    kv_tx_del(tx, sl_cstr(key));
    return 0;
}

int allowance_forget(struct allowance *a, const char *id, struct slice address, bool *knew)
{
    char object[KV_KEY_MAX], key[KV_KEY_MAX];
    struct arena scratch;
    struct slice row;
    ar_init(&scratch, 0);
    known_key(address, key);
    struct slice name = sender_object(sl(id, strlen(id)), object);
    int e = kv_get(a->kv, name, sl_cstr(key), &scratch, &row);
    *knew = !e;
    if (!e) e = kv_transact(a->kv, name, forget_row, key);
    ar_free(&scratch);
    return e == ERR_NOT_FOUND ? 0 : e;
}

void allowance_wrote(struct allowance *a, const char *id, struct slice address)
{
    char object[KV_KEY_MAX], room[KV_KEY_MAX];
    struct buf b = BUF_INIT;
    rec_begin(&b, VERSION);
    rec_put_u64(&b, 'd', (uint64_t)today());
    kv_note_record(a->kv, sender_object(sl_cstr(id), object), known_key(address, room), &b);
    buf_free(&b);
}

/* ---- care ---- */

/* Of a key that is not known, or a row that cannot be read, nothing is said here: `verify` names it. */
static bool is_over(struct slice key, struct slice value)
{
    struct counts c;
    int64_t day, newest = 0;
    if (sl_starts(key, SL("n/"))) return known_read(value, &day) == 0 && age_of(day) > ALLOWANCE_KNOWN_DAYS;
    if (sl_starts(key, SL("h/"))) return !held_counts(key, rt_wall_seconds(), &day);
    if (!sl_eq(key, SL("c")) && !sl_starts(key, SL("c/"))) return false;
    if (counts_read(value, &c)) return false;
    for (int k = 0; k < COUNTED; k++)
        if (c.t[k].at * slot_seconds(k) > newest) newest = c.t[k].at * slot_seconds(k);
    return newest + 2 * 86400 < rt_wall_seconds() && c.told + 2 < today();
}

struct care {
    struct slice key[DELETES];
    size_t n;
};

/* A row that was written anew meanwhile stays. */
static int delete_rows(struct kv_tx *tx, void *arg)
{
    const struct care *c = arg;
    for (size_t i = 0; i < c->n; i++) {
        struct slice value;
        int e = kv_tx_get(tx, c->key[i], &value);
        if (e && e != ERR_NOT_FOUND) return e;
        if (!e && is_over(c->key[i], value)) kv_tx_del(tx, c->key[i]);
    }
    return 0;
}

static int care_object(struct kv *kv, struct slice object)
{
    struct arena a;
    struct kv_page page = {.more = true};
    char from[KV_KEY_MAX + 1] = "";
    int e = 0;
    ar_init(&a, 0);
    struct care *c = ar_new(&a, struct care);
    while (!e && page.more) {
        struct arena rows;
        ar_init(&rows, 0);
        c->n = 0;
        e = kv_walk(kv, object, sl_cstr(from), SL(""), DELETES, &rows, &page);
        for (size_t i = 0; !e && i < page.n; i++)
            if (is_over(page.row[i].key, page.row[i].value)) c->key[c->n++] = page.row[i].key;
        if (!e && c->n) e = kv_transact(kv, object, delete_rows, c);
        if (!e && page.n) snprintf(from, sizeof from, "%.*s", SLF(kv_after(&rows, page.row[page.n - 1].key)));
        ar_free(&rows);
        fiber_breathe();
    }
    ar_free(&a);
    return e;
}

static int care_one(void *kv, struct slice object)
{
    return kv_passed_over(object, "rid of what is over", care_object(kv, object));
}

int allowance_care(struct allowance *a)
{
    if (a->cared == today()) return 0;
    int e = kv_each_object(a->kv, SL("n:"), SL("n;"), care_one, a->kv);
    if (!e) a->cared = today();
    return e;
}
