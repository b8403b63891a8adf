/* over.c - reading on where some rows cannot be read: a damaged block of a table hides the rows in it, and
 * every scan that comes to it ends there. Where they begin again is found by halves. */
#include <stdio.h>

#include "base/log.h"
#include "kv_i.h"

enum {
    FIRST = 0x20, /* of the bytes of a key */
    BYTES = 96,   /* a bound may hold one more */
    OCTAVES = 32, /* each the half of the one before, */
    HALVES = 5,   /* in which 31 places are looked at */
    LONGEST = 40, /* a place is told apart by so many bytes when no row says how long keys are */
};

#define TELL_EVERY (60 * RT_S)
#define NEARER_FOR (10 * RT_S) /* a disk may take seconds to say that it cannot read a place */

/* A bound as the digits of a number below 1. */
struct place {
    unsigned char digit[KV_KEY_MAX + 1];
};

static struct place place_of(struct slice s)
{
    struct place p = {{0}};
    for (size_t i = 0; i < s.n && i < sizeof p.digit; i++) p.digit[i] = (unsigned char)(s.p[i] - FIRST);
    return p;
}

static struct slice slice_of(const struct place *p, size_t n, char room[KV_KEY_MAX + 1])
{
    while (n && !p->digit[n - 1]) n--;
    for (size_t i = 0; i < n; i++) room[i] = (char)(p->digit[i] + FIRST);
    return sl(room, n);
}

/* Half of the way, in n digits. False: nothing lies between them. */
static bool between(const struct place *low, const struct place *high, size_t n, struct place *out)
{
    unsigned sum[KV_KEY_MAX + 1], carry = 0;
    *out = (struct place){{0}};
    for (size_t i = n; i-- > 0; carry = sum[i] / BYTES, sum[i] %= BYTES)
        sum[i] = low->digit[i] + high->digit[i] + carry;
    for (size_t i = 0; i < n; i++) {
        unsigned all = carry * BYTES + sum[i];
        out->digit[i] = (unsigned char)(all / 2);
        carry = all % 2;
    }
    return memcmp(out->digit, low->digit, n) > 0;
}

/* One place, and not all of the index at this moment. */
static bool is_readable(struct kv *kv)
{
    struct arena a = {0};
    struct kv_page page;
    int e = kv_scan(kv, SL("~"), SL(""), SL(""), 1, &a, &page);
    ar_free(&a);
    return !e;
}

static bool is_hole(int e) { return err_is_damage(e) || e == ERR_IO; }

struct over {
    struct kv *kv;
    struct slice object, to;
};

static int look(const struct over *x, const struct place *at, size_t n, size_t *row)
{
    char room[KV_KEY_MAX + 1];
    struct arena a = {0};
    struct kv_page page = {0};
    struct slice from = slice_of(at, n, room);
    int e = kv_scan_some(x->kv, x->object, from, x->to, 1, &a, &page);
    if (page.n) *row = page.row[0].key.n;
    ar_free(&a);
    return page.n ? 0 : e;
}

/* Between the places that are searched: `low` cannot be read, `high` can, or is the end. */
struct span {
    struct place low, high;
    size_t n, row; /* digits that tell places apart; the longest key that was seen */
    int64_t until; /* rt_now() at which it is enough that some rows can be read */
};

/* 1: it can be read, and is the new end; 0: it cannot. */
static int probe(const struct over *x, struct span *s, const struct place *at)
{
    int e = look(x, at, s->n, &s->row);
    if (s->row > s->n) s->n = s->row;
    if (e) return is_hole(e) ? 0 : e;
    s->high = *at;
    return 1;
}

/* By halves, to where it ends. */
static int halve(const struct over *x, struct span *s)
{
    struct place mid;
    while (between(&s->low, &s->high, s->n, &mid)) {
        int e = probe(x, s, &mid);
        if (e < 0) return e;
        if (!e) s->low = mid;
    }
    return 0;
}

/* Looks here and there between the two, down to halves of halves. */
static int sample(const struct over *x, struct span *s, const struct place *low, const struct place *high,
                  int halves)
{
    struct place mid;
    if (!halves || rt_now() >= s->until || !between(low, high, s->n, &mid)) return 0;
    int e = probe(x, s, &mid);
    if (!e) e = sample(x, s, low, &mid, halves - 1);
    return e ? e : sample(x, s, &mid, high, halves - 1);
}

/* What was come to may be the end of another hole than the one that begins at `from`: is there a row between
 * the two? Near and far are looked at alike, for nobody knows how long the first one is. */
static int nearer(const struct over *x, const struct place *from, struct span *s)
{
    struct place far = s->low, half;
    int e = 0;
    for (int i = 0; !e && i < OCTAVES && rt_now() < s->until && between(from, &far, s->n, &half);
         i++, far = half) {
        e = sample(x, s, &half, &far, HALVES);
        if (!e) e = probe(x, s, &half);
    }
    return e;
}

/* The least place from which on rows can be read again; `to`, when there is none. `from` cannot be read. */
static int resume(const struct over *x, struct slice from, char room[KV_KEY_MAX + 1], struct slice *out)
{
    const struct place begin = place_of(from);
    struct span s = {begin, place_of(x->to), LONGEST > from.n ? LONGEST : from.n, 0, rt_now() + NEARER_FOR};
    int e = 1;
    if (!x->to.n) s.high.digit[0] = BYTES - 1;
    while (e > 0) {
        s.low = begin;
        e = halve(x, &s);
        if (!e) e = nearer(x, &begin, &s);
    }
    *out = slice_of(&s.high, s.n, room);
    return e;
}

/* Now and then: it is come to again and again. */
static void tell(struct slice object, struct slice from, const char *why)
{
    static int64_t said;
    int64_t now = rt_now(), before = __atomic_load_n(&said, __ATOMIC_RELAXED);
    if (before && now >= before && now - before < TELL_EVERY) return;
    __atomic_store_n(&said, now, __ATOMIC_RELAXED);
    log_error("kv", "rows of the object %.*s cannot be read, from %.*s on, and are passed over: %s",
              SLF(object), SLF(from), why);
}

int kv_scan_over(struct kv *kv, struct slice object, struct slice from, struct slice to, size_t limit,
                 struct arena *a, struct kv_page *page, bool *hole)
{
    char room[KV_KEY_MAX + 1];
    struct over x = {kv, object, to};
    *hole = false;
    int e = kv_scan_some(kv, object, from, to, limit, a, page);
    if (!is_hole(e)) return e;
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", err_text(e));
    if (!page->n && !is_readable(kv)) return err_set(e, "%s", why);
    *hole = true;
    if (page->n) return page->more = true, 0; /* the next one begins where it cannot be read */
    tell(object, from, why);
    e = resume(&x, from, room, &from);
    if (!e) e = kv_scan_some(kv, object, from, to, limit, a, page);
    if (!is_hole(e)) return e;
    page->more = page->n > 0;
    return 0;
}
