/* care.c - copying and checking the whole index while it runs. Neither keeps the engine for long:
 * a check goes from page to page and leaves the gate in between. Behind a block that cannot be read it goes
 * on where the next rows are. */
#include <stdio.h>

#include "kv_i.h"

enum { STOP = 1, PAGE = 1000 };

struct care {
    struct kv *kv;
    const char *to;
    void (*bad)(void *arg, const char *what);
    void *arg;
    char why[ERR_TEXT_MAX];

    char from_room[KV_FULL_MAX + 9]; /* of a check: where the next page starts */
    struct slice from;
    size_t rows, damaged; /* of this page */
};

static int care_run(int (*fn)(void *), struct care *c)
{
    int e = fiber_current() ? offload_on(POOL_CARE, fn, c) : fn(c);
    return e < 0 && c->why[0] ? err_set(e, "%s", c->why) : e;
}

static int keep_why(struct care *c, int e)
{
    if (e < 0) snprintf(c->why, sizeof c->why, "%s", err_text(e));
    return e;
}

static int backup_on_thread(void *arg)
{
    struct care *c = arg;
    int e = kv_gate_enter(c->kv);
    if (e == 0) {
        e = c->kv->engine->backup(c->kv, c->to);
        kv_gate_leave(c->kv);
    }
    return keep_why(c, e);
}

int kv_backup(struct kv *kv, const char *to)
{
    struct care c = {.kv = kv, .to = to};
    return care_run(backup_on_thread, &c);
}

static bool row_ok(struct slice full, struct slice value)
{
    size_t nul = sl_chr(full, 0);
    return nul != SL_NONE && kv_name_ok(sl_sub(full, 0, nul)) && kv_name_ok(sl_from(full, nul + 1)) &&
           value.n > 0 && value.n <= KV_VALUE_MAX;
}

static int check_row(void *arg, struct slice full, struct slice value)
{
    struct care *c = arg;
    if (!row_ok(full, value)) c->damaged++;
    if (full.n > KV_FULL_MAX) return 0; /* no place to go on from */
    memcpy(c->from_room, full.p, full.n);
    c->from_room[full.n] = 0; /* the least key after it */
    c->from = sl(c->from_room, full.n + 1);
    return ++c->rows >= PAGE || kv_gate_wanted(c->kv) ? STOP : 0;
}

static int scan_page(struct care *c)
{
    int e = kv_gate_enter(c->kv);
    if (e) return e;
    c->rows = c->damaged = 0;
    e = c->kv->engine->scan(c->kv, KV_READ_WALK, c->from, SL("\x7f"), check_row, c);
    kv_gate_leave(c->kv);
    return e;
}

static int page_on_thread(void *arg) { return keep_why(arg, scan_page(arg)); }

/* ---- behind a damaged block ---- */

/* The eight bytes from `at` on as a number, in the order of keys. */
static uint64_t digits(struct slice key, size_t at)
{
    uint64_t n = 0;
    for (size_t i = at; i < at + 8; i++) n = n << 8 | (i < key.n ? (uint8_t)key.p[i] : 0);
    return n;
}

static int any_row(void *arg, struct slice full, struct slice value)
{
    (void)arg, (void)full, (void)value;
    return STOP;
}

static bool readable(struct care *c, struct slice from)
{
    if (kv_gate_enter(c->kv)) return false;
    int e = c->kv->engine->scan(c->kv, KV_READ_DISK, from, SL("\x7f"), any_row, NULL);
    kv_gate_leave(c->kv);
    return e == STOP || e == 0;
}

static struct slice with_digits(char *room, size_t at, uint64_t n)
{
    for (int i = 7; i >= 0; i--, n >>= 8) room[at + (size_t)i] = (char)n;
    return sl(room, at + 8);
}

/* Where rows can be read again: among the keys that have the first `at` bytes of the last good one the least
 * from which reading succeeds, found by halving. False: none of them can be. */
static bool find_behind(struct care *c, size_t at)
{
    char room[KV_FULL_MAX + 9];
    memcpy(room, c->from.p, at);
    uint64_t low = digits(c->from, at), high = UINT64_MAX;
    if (!readable(c, with_digits(room, at, high))) return false;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (readable(c, with_digits(room, at, middle))) high = middle;
        else low = middle;
    }
    c->from = with_digits(c->from_room, at, high);
    return true;
}

static int skip_on_thread(void *arg)
{
    struct care *c = arg;
    if (c->from.p != c->from_room) memcpy(c->from_room, c->from.p, c->from.n), c->from.p = c->from_room;
    for (size_t at = c->from.n < KV_FULL_MAX ? c->from.n : KV_FULL_MAX; at-- > 0;)
        if (find_behind(c, at)) return STOP;
    return 0;
}

/* ---- page by page ---- */

static int check_page(struct care *c)
{
    if (fiber_current() && fiber_canceled()) return ERR_CANCELED;
    int e = care_run(page_on_thread, c);
    for (; c->damaged; c->damaged--)
        c->bad(c->arg, "the index holds a row whose key or value is not allowed");
    if (e != ERR_CORRUPT) return e;
    c->bad(c->arg, err_text(e));
    return care_run(skip_on_thread, c);
}

int kv_verify(struct kv *kv, void (*bad)(void *arg, const char *what), void *arg)
{
    struct care c = {.kv = kv, .bad = bad, .arg = arg, .from = SL(" ")};
    int e = STOP;
    while (e == STOP) e = check_page(&c);
    return e;
}
