/* trace.c - events of letters: written as notes, found by id, Message-ID or address.
 *
 * All rows of a letter lie in the object of the day in which its id was made, t:<yyyymmdd>:
 *   e/<id>/<microseconds, 16 hex digits><serial, 4>   one event
 *   a/<16 hex digits of SHA-256(address, lower case)>/<id>
 *   m/<16 hex digits of SHA-256(Message-ID without <>)>/<id> */
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/civil.h"
#include "base/text.h"
#include "kv/record.h"
#include "store_i.h"

enum { EVENT_VERSION = 1, SENTENCE_MAX = 4000, DATA_MAX = 16000, WHO_MAX = 400, DAY_MAX = 16 };

struct trace {
    uint32_t serial;
};

static const char *const words[] = {
#define X(name, word) word,
    TRACE_KINDS(X)
#undef X
};

const char *trace_word(enum trace_kind k) { return (size_t)k < COUNT_OF(words) ? words[k] : "event"; }

int trace_open(struct store *s)
{
    s->trace = xcalloc(1, sizeof *s->trace);
    return 0;
}

void trace_close(struct store *s)
{
    free(s->trace);
    s->trace = NULL;
}

/* ---- names ---- */

static struct slice day_object(int64_t unix_seconds, char out[DAY_MAX])
{
    struct civil c = civil_from_unix(unix_seconds);
    int n = snprintf(out, DAY_MAX, "t:%04u%02u%02u", (unsigned)c.year % 10000, (unsigned)c.month % 100, (unsigned)c.day % 100);
    return sl(out, (size_t)n);
}

static struct slice bare_message_id(struct slice s)
{
    s = sl_trim(s);
    return s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>' ? sl_sub(s, 1, s.n - 1) : s;
}

/* "a/<hash>/" */
static struct slice index_prefix(struct arena *a, char kind, struct slice what)
{
    uint8_t digest[32];
    struct buf b = BUF_INIT;
    hash_once(HASH_SHA256, kind == 'a' ? ar_lower(a, what) : what, digest);
    buf_printf(&b, "%c/", kind);
    hex_encode(&b, sl(digest, 8));
    buf_char(&b, '/');
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

/* ---- writing ---- */

void trace_add(struct store *s, const struct trace_event *e)
{
    char day[DAY_MAX], key[64];
    struct buf b = BUF_INIT;
    int64_t time = e->time ? e->time : rt_wall();
    uint32_t serial = __atomic_add_fetch(&s->trace->serial, 1, __ATOMIC_RELAXED) & 0xffff;
    rec_begin(&b, EVENT_VERSION);
    rec_put_u64(&b, 'k', e->kind);
    rec_opt(&b, 'w', sl_sub(e->who, 0, WHO_MAX));
    rec_opt(&b, 's', sl_sub(e->sentence, 0, SENTENCE_MAX));
    if (e->data.n <= DATA_MAX) rec_opt(&b, 'd', e->data);
    int n = snprintf(key, sizeof key, "e/%s/%016llx%04x", e->id.s, (unsigned long long)time, serial);
    kv_note(s->kv, day_object(letter_id_time(&e->id), day), sl(key, (size_t)n), buf_slice(&b));
    buf_free(&b);
}

void trace_addf(struct store *s, const struct letter_id *id, enum trace_kind kind, struct slice who, const char *fmt, ...)
{
    char sentence[SENTENCE_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(sentence, sizeof sentence, fmt, ap);
    va_end(ap);
    if (n < 0) n = 0;
    if ((size_t)n >= sizeof sentence) n = (int)sizeof sentence - 1;
    struct trace_event e = {.id = *id, .kind = kind, .who = who, .sentence = sl(sentence, (size_t)n)};
    trace_add(s, &e);
}

static void index_one(struct store *s, struct arena *a, const struct letter_id *id, char kind, struct slice what)
{
    char day[DAY_MAX];
    if (!what.n) return;
    kv_note(s->kv, day_object(letter_id_time(id), day), ar_cat(a, index_prefix(a, kind, what), sl_cstr(id->s)), SL("\1"));
}

void trace_index(struct store *s, const struct letter_id *id, struct slice message_id, struct slice sender,
                 const struct slice *recipient, size_t n)
{
    struct arena a;
    ar_init(&a, 0);
    index_one(s, &a, id, 'm', bare_message_id(message_id));
    index_one(s, &a, id, 'a', sender);
    for (size_t i = 0; i < n; i++) index_one(s, &a, id, 'a', recipient[i]);
    ar_free(&a);
}

/* ---- reading ---- */

static int event_parse(struct slice key, struct slice value, struct trace_event *out)
{
    struct rec r;
    uint64_t time;
    int e = rec_open(&r, value, EVENT_VERSION);
    if (e) return e;
    size_t slash = sl_rchr(key, '/');
    if (slash == SL_NONE || !num_hex64(sl_sub(key, slash + 1, slash + 17), &time)) return ERR_CORRUPT;
    out->time = (int64_t)time;
    while (rec_next(&r)) switch (r.tag) {
        case 'k': out->kind = (enum trace_kind)rec_u64(&r); break;
        case 'w': out->who = r.field; break;
        case 's': out->sentence = r.field; break;
        case 'd': out->data = r.field; break;
        }
    return rec_error(&r);
}

int trace_read(struct store *s, const struct letter_id *id, struct arena *a, struct trace_event **out, size_t *n)
{
    char day[DAY_MAX];
    struct slice object = day_object(letter_id_time(id), day), prefix = ar_printf(a, "e/%s/", id->s);
    struct slice from = prefix, to = kv_prefix_end(a, prefix);
    struct kv_page page = {.more = true};
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    while (page.more) {
        int e = kv_scan(s->kv, object, from, to, KV_PAGE_MAX, a, &page);
        if (e) return e;
        for (size_t i = 0; i < page.n; i++) {
            if (*n == cap) *out = ar_grow(a, *out, &cap, sizeof **out);
            struct trace_event *ev = &(*out)[*n];
            *ev = (struct trace_event){.id = *id};
            if (event_parse(page.row[i].key, page.row[i].value, ev) == 0) ++*n; /* one damaged event hides no other */
        }
        if (page.n) from = kv_after(a, page.row[page.n - 1].key);
    }
    return *n ? 0 : ERR_NOT_FOUND;
}

static void id_of_key(struct slice key, struct letter_id *id)
{
    struct slice text = sl_from(key, key.n - LETTER_ID_LEN);
    memcpy(id->s, text.p, LETTER_ID_LEN);
    id->s[LETTER_ID_LEN] = 0;
}

/* The newest `limit` ids of one day under a prefix, newest first. */
static int find_in_day(struct store *s, struct slice object, struct slice prefix, size_t limit, struct arena *a,
                       struct letter_id *out, size_t *n)
{
    struct slice from = prefix, to = kv_prefix_end(a, prefix);
    struct kv_page page = {.more = true};
    struct letter_id *ring = ar_array(a, struct letter_id, limit);
    size_t seen = 0;
    while (page.more) {
        int e = kv_scan(s->kv, object, from, to, KV_PAGE_MAX, a, &page);
        if (e) return e;
        for (size_t i = 0; i < page.n; i++)
            if (page.row[i].key.n >= LETTER_ID_LEN) id_of_key(page.row[i].key, &ring[seen++ % limit]);
        if (page.n) from = kv_after(a, page.row[page.n - 1].key);
    }
    for (size_t i = 0; i < seen && i < limit; i++) out[(*n)++] = ring[(seen - 1 - i) % limit];
    return 0;
}

static int days(struct store *s, struct slice to, struct arena *a, struct slice **names, size_t *n)
{
    bool more;
    return kv_objects(s->kv, SL("t:"), to, 1000, a, names, n, &more);
}

int trace_find(struct store *s, struct slice what, size_t limit, struct arena *a, struct letter_id **out, size_t *n)
{
    struct slice *day;
    size_t ndays, most = limit;
    what = sl_trim(what);
    *n = 0;
    *out = ar_array(a, struct letter_id, limit);
    if (letter_id_ok(what)) {
        struct trace_event *ev;
        size_t count;
        struct letter_id id;
        memcpy(id.s, what.p, what.n);
        id.s[what.n] = 0;
        int e = trace_read(s, &id, a, &ev, &count);
        if (!e) (*out)[(*n)++] = id;
        return e == ERR_NOT_FOUND ? 0 : e;
    }
    int e = days(s, SL("t;"), a, &day, &ndays);
    for (size_t i = ndays; !e && i-- > 0 && *n < most;) {
        /* An address and a Message-ID look alike: both are asked for. */
        size_t before = *n;
        e = find_in_day(s, day[i], index_prefix(a, 'a', what), most - before, a, *out, n);
        if (!e && *n == before && *n < most) e = find_in_day(s, day[i], index_prefix(a, 'm', bare_message_id(what)), most - *n, a, *out, n);
    }
    return e;
}

/* ---- forgetting ---- */

enum { FORGET_AT_ONCE = 1000 };

struct forgetting {
    struct kv_tx *tx;
    size_t n;
};

static int forget_row(void *arg, struct slice key, struct slice value)
{
    struct forgetting *f = arg;
    (void)value;
    kv_tx_del(f->tx, key);
    return ++f->n >= FORGET_AT_ONCE;
}

static int forget_some(struct kv_tx *tx, void *arg)
{
    struct forgetting *f = arg;
    *f = (struct forgetting){.tx = tx};
    int r = kv_tx_scan(tx, SL(" "), (struct slice){0}, forget_row, f);
    return r < 0 ? r : 0;
}

int trace_expire(struct store *s, int keep_days)
{
    struct arena a;
    struct slice *day;
    size_t n;
    char oldest[DAY_MAX];
    ar_init(&a, 0);
    int e = days(s, day_object(rt_wall_seconds() - (int64_t)keep_days * 86400, oldest), &a, &day, &n);
    for (size_t i = 0; !e && i < n; i++) {
        struct forgetting f;
        do e = kv_transact(s->kv, day[i], forget_some, &f);
        while (!e && f.n >= FORGET_AT_ONCE);
    }
    ar_free(&a);
    return e;
}
