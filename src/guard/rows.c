/* rows.c - what outlives a restart: blocks by hand, blocks under way, networks that owners are known by.
 *
 * Object _guard, a row each, under its kind and its name (docs/format.md). What happens by itself is noted
 * (kv_note) and rides on somebody else's commit; what the operator does is durable when it is answered. */
#include "guard_i.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "kv/kv.h"
#include "kv/record.h"

enum { VERSION = 1, PAGE = 1000, DAY_S = 86400, DELETES = 500 };
#define OBJECT SL("_guard")
#define STALE (60 * RT_S) /* a row that says less than this too little is not written again */

/* ---- one row ---- */

struct row {
    struct slice name;
    int64_t until; /* seconds since 1970; 0: without an end */
    int64_t day;   /* of the last login: days since 1970 */
};

/* "h/192.0.2.0%2f24"; a longer one is cut, and the row has the whole name. */
static struct slice row_key(struct slice key, char out[KV_KEY_MAX])
{
    size_t n = 0;
    out[n++] = key.p[0];
    out[n++] = '/';
    for (size_t i = 1; i < key.n && n + 3 <= KV_KEY_MAX; i++) {
        unsigned char c = (unsigned char)key.p[i];
        if (c > 0x20 && c < 0x7f && c != '%') {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            n += hex_digits(out + n, c, 2);
        }
    }
    return sl(out, n);
}

static void row_put(struct buf *b, const struct row *r)
{
    rec_begin(b, VERSION);
    rec_put(b, 'n', r->name);
    rec_opt_u64(b, 'u', (uint64_t)r->until);
    rec_opt_u64(b, 'd', (uint64_t)r->day);
}

static int row_read(struct slice value, struct row *out)
{
    struct rec r;
    *out = (struct row){0};
    int e = rec_open(&r, value, VERSION);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 'n': out->name = r.field; break;
        case 'u': out->until = (int64_t)rec_u64(&r); break;
        case 'd': out->day = (int64_t)rec_u64(&r); break;
        }
    e = rec_error(&r);
    if (!e && (!out->name.n || out->name.n > GUARD_NAME_MAX || sl_chr(out->name, 0) != SL_NONE ||
               out->until < 0 || out->day < 0 || out->day > INT32_MAX))
        e = err_set(ERR_CORRUPT, "its fields make no sense");
    return e;
}

/* A time on the runtime's clock as one of the wall's, and back. */
static int64_t to_wall(int64_t at)
{
    return at == RT_NEVER ? 0 : rt_wall_seconds() + (at - rt_now() + RT_S - 1) / RT_S;
}

static int64_t from_wall(int64_t until)
{
    int64_t left = until - rt_wall_seconds();
    if (!until || left > (RT_NEVER - rt_now()) / RT_S) return RT_NEVER;
    return rt_now() + (left > 0 ? left : 0) * RT_S;
}

static int64_t today(void) { return rt_wall_seconds() / DAY_S; }

static void note(struct guard *g, struct entry *e, struct row r)
{
    char room[KV_KEY_MAX];
    struct buf b = BUF_INIT;
    r.name = sl_cstr(e->key + 1);
    row_put(&b, &r);
    kv_note_record(g->kv, OBJECT, row_key(sl_cstr(e->key), room), &b);
    buf_free(&b);
    g->noted++;
}

void keep_shut(struct guard *g, struct entry *e)
{
    if (!g->kv || e->shut - e->kept < STALE) return;
    e->kept = e->shut;
    note(g, e, (struct row){.until = to_wall(e->shut)});
}

void keep_known(struct guard *g, struct entry *e)
{
    if (!g->kv || e->kept == today()) return;
    e->kept = today();
    note(g, e, (struct row){.day = today()});
}

/* ---- by hand ---- */

struct hand {
    struct slice key;
    struct row row;
};

static int put_hand(struct kv_tx *tx, void *arg)
{
    char room[KV_KEY_MAX];
    struct hand *h = arg;
    struct buf b = BUF_INIT;
    row_put(&b, &h->row);
    kv_tx_put_record(tx, row_key(h->key, room), &b);
    buf_free(&b);
    return 0;
}

int rows_put_hand(struct guard *g, struct slice key, int64_t until)
{
    struct hand h = {key, {.name = sl_from(key, 1), .until = to_wall(until)}};
    return g->kv ? kv_transact(g->kv, OBJECT, put_hand, &h) : 0;
}

static int forget(struct kv_tx *tx, void *arg)
{
    char room[KV_KEY_MAX];
    struct key k;
    for (const char *kind = "hnpa"; *kind; kind++)
        kv_tx_del(tx, row_key(guard_key(&k, *kind, *(struct slice *)arg), room));
    return 0;
}

int rows_forget(struct guard *g, struct slice name)
{
    return g->kv ? kv_transact(g->kv, OBJECT, forget, &name) : 0;
}

/* ---- a start ---- */

static bool is_over(char kind, const struct row *r)
{
    if (kind == 'k') return r->day + GUARD_KNOWN_DAYS < today();
    return r->until && r->until <= rt_wall_seconds();
}

/* A block under way lasts no longer than one does, whatever a clock said that was wrong. */
static int64_t bounded(int64_t until)
{
    int64_t most = rt_now() + GUARD_SHUT;
    return until < most ? until : most;
}

static const char *why_of(char kind)
{
    return kind == 'p' ? GUARD_WHY_PROBES : kind == 'a' ? GUARD_WHY_ACCOUNT : GUARD_WHY_LOGINS;
}

static void take_row(struct guard *g, char kind, const struct row *r)
{
    struct key k;
    struct slice key = guard_key(&k, kind, r->name);
    if (is_over(kind, r)) return;
    if (kind == 'h') {
        if (g->hand.map.count < g->hand.max) hand_put(g, key, from_wall(r->until));
    } else if (kind == 'k') {
        table_touch(&g->known, key)->kept = r->day;
    } else {
        struct entry *e = table_touch(&g->wrong, key);
        e->shut = e->kept = bounded(from_wall(r->until));
        e->why = why_of(kind);
    }
}

static bool is_kind(struct slice key) { return key.n > 2 && key.p[1] == '/' && strchr("hknpa", key.p[0]); }

/* Calls fn for each row of the guard; e: why it cannot be read. */
static int each_row(struct kv *kv, void (*fn)(void *arg, struct slice key, const struct row *r, int e),
                    void *arg)
{
    struct arena a;
    struct kv_page page = {.more = true};
    char from[KV_KEY_MAX + 1] = "";
    int e = 0;
    ar_init(&a, 0);
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_walk(kv, OBJECT, sl_cstr(from), SL(""), PAGE, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) {
            struct row r = {0};
            struct slice key = page.row[i].key;
            int bad =
                is_kind(key) ? row_read(page.row[i].value, &r) : err_set(ERR_CORRUPT, "no such row is known");
            fn(arg, key, &r, bad);
        }
        if (!e && page.n) snprintf(from, sizeof from, "%.*s", SLF(kv_after(&a, page.row[page.n - 1].key)));
        fiber_breathe();
    }
    ar_free(&a);
    return e;
}

static void load_row(void *arg, struct slice key, const struct row *r, int e)
{
    struct guard *g = arg;
    if (e) log_error("guard", "the row %.*s cannot be read and is passed over: %s", SLF(key), err_text(e));
    if (e) return;
    lock_take(&g->lock);
    take_row(g, key.p[0], r);
    lock_release(&g->lock);
}

int guard_load(struct guard *g, struct kv *kv)
{
    int e = each_row(kv, load_row, g);
    if (!e) g->kv = kv;
    return e;
}

struct checking {
    void (*bad)(void *arg, const char *what);
    void *arg;
};

static void check_row(void *arg, struct slice key, const struct row *r, int e)
{
    struct checking *c = arg;
    char what[400];
    (void)r;
    if (!e) return;
    snprintf(what, sizeof what, "the row %.*s of _guard: %s", SLF(key), err_text(e));
    c->bad(c->arg, what);
}

int guard_check(struct kv *kv, void (*bad)(void *arg, const char *what), void *arg)
{
    return each_row(kv, check_row, &(struct checking){bad, arg});
}

/* ---- care ---- */

struct care {
    struct kv *kv;
    struct arena a;
    struct slice key[DELETES];
    size_t n, rows;
    int e;
};

/* A row that was written anew meanwhile stays. */
static int delete_rows(struct kv_tx *tx, void *arg)
{
    struct care *c = arg;
    struct slice value;
    struct row r;
    int e = 0;
    for (size_t i = 0; i < c->n && !e; i++) {
        e = kv_tx_get(tx, c->key[i], &value);
        bool mine = !e && row_read(value, &r) == 0;
        if (mine && (is_over(c->key[i].p[0], &r) || c->rows > GUARD_ROWS_MAX)) kv_tx_del(tx, c->key[i]);
        if (e == ERR_NOT_FOUND) e = 0;
    }
    return e;
}

static void delete_batch(struct care *c)
{
    if (!c->e) c->e = kv_transact(c->kv, OBJECT, delete_rows, c);
    c->n = 0;
    ar_reset(&c->a);
}

static void care_row(void *arg, struct slice key, const struct row *r, int e)
{
    struct care *c = arg;
    bool surplus = ++c->rows > GUARD_ROWS_MAX && key.p[0] != 'h';
    if (e || !(surplus || is_over(key.p[0], r))) return;
    c->key[c->n++] = ar_dup(&c->a, key);
    if (c->n == DELETES) delete_batch(c);
}

int guard_care(struct guard *g)
{
    lock_take(&g->lock);
    bool idle = !g->kv || !g->noted;
    g->noted = 0;
    hand_expire(g);
    lock_release(&g->lock);
    if (idle) return 0;
    struct care c = {.kv = g->kv};
    ar_init(&c.a, 0);
    delete_batch(&c); /* nothing yet; the notes that wait are written */
    int e = each_row(g->kv, care_row, &c);
    delete_batch(&c);
    ar_free(&c.a);
    return e ? e : c.e;
}
