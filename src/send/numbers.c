/* numbers.c - figures of a day: added up, as rows, as times (numbers.h). */
#include "numbers_i.h"

#include <stdio.h>

#include "base/civil.h"
#include "base/text.h"
#include "crypto/crypto.h"

enum { ROW_VERSION = 1, DAY_S = 86400 };

const char *number_word(enum number n)
{
    static const char *const words[] = {
#define X(name, word) word,
        NUMBERS(X)
#undef X
    };
    return n < NUMBER_COUNT ? words[n] : "";
}

static const struct {
    char letter;
    const char *word;
} kinds[] = {
#define X(name, letter, word) {letter, word},
    NUMBERS_BY(X)
#undef X
};

bool numbers_by_named(struct slice word, enum numbers_by *out)
{
    for (size_t i = 0; i < NUMBERS_BY_COUNT; i++)
        if (sl_eq(word, sl_cstr(kinds[i].word))) return *out = (enum numbers_by)i, true;
    return false;
}

bool numbers_each_named(struct slice word, enum numbers_each *out)
{
    static const char *const words[] = {"day", "week", "month", "all"};
    for (size_t i = 0; i < NUMBERS_EACH; i++)
        if (sl_eq(word, sl_cstr(words[i]))) return *out = (enum numbers_each)i, true;
    return false;
}

static void add(uint64_t *to, const uint64_t *more, size_t n)
{
    for (size_t i = 0; i < n; i++) to[i] += more[i];
}

void numbers_add(struct numbers *to, const struct numbers *more)
{
    add(to->n, more->n, NUMBER_COUNT);
    add(to->bounced, more->bounced, REPLY_NCLASSES);
    add(to->dropped, more->dropped, SEND_OUT_COUNT);
    add(to->took, more->took, NUMBERS_BUCKETS);
    to->received += more->received;
}

/* ---- times ---- */

/* A doubling is four buckets: 1, 1.25, 1.5, 1.75 times the power of two below. */
size_t numbers_bucket(uint64_t ms)
{
    if (!ms) return 0;
    size_t doublings = 63 - (size_t)__builtin_clzll(ms);
    uint64_t quarter = doublings >= 2 ? ms >> (doublings - 2) & 3 : ms << (2 - doublings) & 3;
    size_t n = doublings * 4 + quarter;
    return n < NUMBERS_BUCKETS ? n : NUMBERS_BUCKETS - 1;
}

uint64_t numbers_bucket_ms(size_t bucket)
{
    uint64_t next = (4 + bucket % 4 + 1) << (bucket / 4); /* in quarters of a millisecond */
    return (next - 1) / 4;
}

uint64_t numbers_within(const struct numbers *n, double of)
{
    uint64_t all = 0, below = 0;
    for (size_t i = 0; i < NUMBERS_BUCKETS; i++) all += n->took[i];
    if (!all) return 0;
    uint64_t want = (uint64_t)(of * (double)all + 0.999999);
    if (want > all) want = all;
    for (size_t i = 0; i < NUMBERS_BUCKETS; i++)
        if ((below += n->took[i]) >= want && below) { /* the middle of the bucket */
            uint64_t least = i ? numbers_bucket_ms(i - 1) + 1 : 0, most = numbers_bucket_ms(i);
            return least >= most ? most : least + (most - least) / 2;
        }
    return 0;
}

/* ---- rows ---- */

static void put_list(struct buf *b, uint8_t tag, const uint64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v[i]) {
            rec_put_u64(b, tag, i);
            rec_put_u64(b, 'v', v[i]);
        }
}

void numbers_put(struct buf *b, struct slice name, const struct numbers *n)
{
    rec_begin(b, ROW_VERSION);
    rec_opt(b, 'n', name);
    put_list(b, 'c', n->n, NUMBER_COUNT);
    put_list(b, 'b', n->bounced, REPLY_NCLASSES);
    put_list(b, 'd', n->dropped, SEND_OUT_COUNT);
    put_list(b, 't', n->took, NUMBERS_BUCKETS);
    rec_opt_u64(b, 'i', n->received);
}

int numbers_get(struct slice row, struct slice *name, struct numbers *n)
{
    struct rec r;
    uint64_t ignored, *at = &ignored, i;
    *n = (struct numbers){0};
    *name = SL("");
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'n': *name = r.field; break;
        case 'c': at = (i = rec_u64(&r)) < NUMBER_COUNT ? &n->n[i] : &ignored; break;
        case 'b': at = (i = rec_u64(&r)) < REPLY_NCLASSES ? &n->bounced[i] : &ignored; break;
        case 'd': at = (i = rec_u64(&r)) < SEND_OUT_COUNT ? &n->dropped[i] : &ignored; break;
        case 't': at = (i = rec_u64(&r)) < NUMBERS_BUCKETS ? &n->took[i] : &ignored; break;
        case 'v': *at = rec_u64(&r); break;
        case 'i': n->received = rec_u64(&r); break;
        }
    return e ? e : rec_error(&r);
}

/* ---- keys ---- */

struct slice numbers_object(struct slice account, struct arena *a) { return ar_cat(a, SL("m:"), account); }

struct slice numbers_prefix(enum numbers_by by, int64_t day, struct arena *a)
{
    struct civil c = civil_from_unix(day * DAY_S);
    return ar_printf(a, "%c/%04d%02d%02d/", kinds[by].letter, c.year, c.month, c.day);
}

struct slice numbers_key(enum numbers_by by, int64_t day, struct slice name, struct arena *a)
{
    uint8_t sum[HASH_MAX];
    struct buf b = BUF_INIT;
    buf_put(&b, numbers_prefix(by, day, a));
    hash_once(HASH_SHA256, name, sum);
    if (name.n) hex_encode(&b, sl((const char *)sum, 16));
    else buf_str(&b, "-");
    struct slice key = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return key;
}

struct slice numbers_day_text(int64_t day, struct arena *a)
{
    struct civil c = civil_from_unix(day * DAY_S);
    return ar_printf(a, "%04d-%02d-%02d", c.year, c.month, c.day);
}

bool numbers_day_named(struct slice text, int64_t *day)
{
    char whole[CIVIL_TEXT_MAX];
    int64_t seconds;
    if (text.n != 10) return false;
    snprintf(whole, sizeof whole, "%.*sT00:00:00Z", SLF(text));
    if (!civil_parse(sl_cstr(whole), &seconds)) return false;
    *day = seconds / DAY_S;
    return true;
}

int numbers_days(struct numbers_ask *ask, struct slice from, struct slice to)
{
    int64_t today = rt_wall_seconds() / DAY_S;
    ask->to = today;
    if (to.n && !numbers_day_named(to, &ask->to))
        return err_set(ERR_USAGE, "the last day must be such as 2026-11-30");
    ask->from = ask->to - 29;
    if (from.n && !numbers_day_named(from, &ask->from))
        return err_set(ERR_USAGE, "the first day must be such as 2026-11-01");
    if (ask->from > ask->to) return err_set(ERR_USAGE, "the first day is behind the last one");
    if (ask->to > today) ask->to = today;
    if (ask->from <= ask->to - NUMBERS_KEEP_DAYS) ask->from = ask->to - NUMBERS_KEEP_DAYS + 1;
    return 0;
}
