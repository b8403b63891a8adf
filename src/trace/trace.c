/* trace.c - events of letters, and finding letters by what people know of them.
 *
 * A day's objects begin with t:<day>, day = the letter's first day as 5 hex digits of days since 1970; it is
 * forgotten as a whole. The events of a letter lie together, by its first hour:
 *
 * - t:<day>.e<hour>, key e/<letter>/<time>/<n>: an event, or several; time in microseconds, 14 hex digits
 *
 * Indexes are told apart by the first digit of the hash, so that each question is asked of one object of a
 * day. The letter's id is complemented there, so that the newest comes first; the value holds what was
 * hashed.
 *
 * - t:<day>.i<digit>, key a/<hash>/<later letter>: letters by address, hash of it in lower case
 * - t:<day>.i<digit>, key m/<hash>/<later letter>: letters by Message-ID without <>
 * - t:<day>.i<digit>, key s/<hash>/<later letter>: letters by the session that handed them over
 *
 * Older programs wrote all of it to t:<day>, where it is read as well. What belongs to a transaction is told
 * with it (kv_tx_note), the rest is written as kv_note. */
#include "trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "kv/record.h"
#include "rt/rt.h"
#include "watch.h"

enum { TRACE_ROW = 1, TRACE_ROWS = 2 }; /* one event in a row; several */
enum {
    KEY_ROOM = KV_KEY_MAX + 1,
    DAY_SECONDS = 86400,
    HOUR_SECONDS = 3600,
    TEXT_MAX = 8000,
    TEXT_TOGETHER = 5000 /* of more than four events */,
    SENTENCE_MAX = 2000
};

struct trace {
    struct kv *kv;
    struct lock lock;
    uint32_t serial; /* tells events of the same microsecond apart */
};

struct trace *trace_open(struct kv *kv)
{
    struct trace *t = xcalloc(1, sizeof *t);
    t->kv = kv;
    t->lock = (struct lock)LOCK_INIT;
    return t;
}

void trace_close(struct trace **t)
{
    free(*t);
    *t = NULL;
}

const char *trace_word(enum trace_kind k)
{
    static const char *const words[] = {
#define X(name, word) [TRACE_##name] = word,
        TRACE_KINDS(X)
#undef X
    };
    return (size_t)k < COUNT_OF(words) ? words[k] : "unknown";
}

static int kind_of(struct slice word, enum trace_kind *out)
{
#define X(name, w)                                                                                           \
    if (sl_eq(word, SL(w))) return *out = TRACE_##name, 0;
    TRACE_KINDS(X)
#undef X
    return err_set(ERR_VERSION, "an event of an unknown kind");
}

/* ---- keys ---- */

static struct slice day_object(int64_t seconds, char room[KEY_ROOM])
{
    memcpy(room, "t:", 2);
    return sl(room, 2 + hex_digits(room + 2, (uint64_t)(seconds / DAY_SECONDS), 5));
}

/* Of an object's name; false: it is none of a day. */
static bool day_of(struct slice object, int64_t *day)
{
    uint64_t number;
    if (!num_hex64(sl_sub(object, 2, 7), &number)) return false;
    *day = (int64_t)number;
    return true;
}

/* Where events of letters of this hour lie. */
static struct slice hour_object(int64_t seconds, char room[KEY_ROOM])
{
    size_t n = day_object(seconds, room).n;
    return sl(room, n + (size_t)snprintf(room + n, KEY_ROOM - n, ".e%02d",
                                         (int)(seconds % DAY_SECONDS / HOUR_SECONDS)));
}

/* Where rows by this text lie. */
static struct slice index_object(int64_t seconds, struct slice what, char room[KEY_ROOM])
{
    size_t n = day_object(seconds, room).n;
    return sl(room, n + (size_t)snprintf(room + n, KEY_ROOM - n, ".i%x",
                                         (unsigned)(hash_stable(what, true) >> 60)));
}

/* Swaps 0 and v, 1 and u... in base32hex: the order of ids turns round. */
static void complement(const char *id, char out[LETTER_ID_LEN + 1])
{
    static const char digit[] = "0123456789abcdefghijklmnopqrstuv";
    for (int i = 0; i < LETTER_ID_LEN; i++) {
        const char *d = strchr(digit, id[i]);
        out[i] = d && *d ? digit[31 - (d - digit)] : '0';
    }
    out[LETTER_ID_LEN] = 0;
}

/* ---- writing ---- */

static struct slice event_key(const struct letter_id *id, int64_t time, uint32_t serial, char room[KEY_ROOM])
{
    size_t n = 2;
    memcpy(room, "e/", 2);
    memcpy(room + n, id->s, LETTER_ID_LEN);
    room[n += LETTER_ID_LEN] = '/';
    n += 1 + hex_digits(room + n + 1, (uint64_t)time, 14);
    room[n] = '/';
    return sl(room, n + 1 + hex_digits(room + n + 1, serial, 8));
}

static void put_event(struct buf *b, const struct trace_event *e, size_t most)
{
    rec_put(b, 'k', sl_cstr(trace_word(e->kind)));
    rec_opt(b, 'w', utf8_cut(e->who, most));
    rec_opt(b, 's', utf8_cut(e->sentence, most));
    rec_opt(b, 'i', sl_sub(e->session_id, 0, LETTER_ID_LEN));
}

struct told {
    enum trace_kind kind;
    struct letter_id id;
    size_t who, session, sentence; /* bytes, behind this in this order */
};

static void say(struct slice data)
{
    struct told x;
    memcpy(&x, data.p, sizeof x);
    struct slice who = sl_sub(data, sizeof x, sizeof x + x.who), rest = sl_from(data, sizeof x + x.who);
    LOG_EVENT(LOG_INFO, "letter", {"event", sl_cstr(trace_word(x.kind))}, {"id", sl_cstr(x.id.s)},
              {"to", who}, {"session", sl_sub(rest, 0, x.session)}, {"why", sl_from(rest, x.session)});
}

/* A transaction may run again, or come to nothing: what it did is told when it is durable. */
static void tell(struct kv_tx *tx, const struct trace_event *e)
{
    struct slice session = sl_cstr(e->session ? e->session : "");
    struct told x = {e->kind, e->id, e->who.n, session.n, e->sentence.n};
    struct buf b = BUF_INIT;
    buf_bytes(&b, &x, sizeof x);
    buf_put(&b, e->who);
    buf_put(&b, session);
    buf_put(&b, e->sentence);
    if (tx) kv_tx_say(tx, say, buf_slice(&b));
    else say(buf_slice(&b));
    buf_free(&b);
}

/* With the transaction when there is one, else as a note. */
static void put_row(struct trace *t, struct kv_tx *tx, struct slice object, struct slice key,
                    const struct buf *b)
{
    if (tx) kv_tx_note(tx, object, key, b);
    else kv_note_record(t->kv, object, key, b);
}

static struct slice index_key(char kind, struct slice what, const struct letter_id *id, char room[KEY_ROOM])
{
    room[0] = kind;
    room[1] = '/';
    size_t n = 2 + hex_digits(room + 2, hash_stable(what, true), 16);
    room[n++] = '/';
    complement(id->s, room + n);
    return sl(room, n + LETTER_ID_LEN);
}

static void index_one(struct trace *t, struct kv_tx *tx, const struct letter_id *id, char kind,
                      struct slice what)
{
    char object[KEY_ROOM], key[KEY_ROOM];
    struct buf b = BUF_INIT;
    if (!what.n || what.n > TEXT_MAX || !letter_id_ok(sl_cstr(id->s))) return;
    if (kind == 'a') watch_about(id, what);
    rec_begin(&b, TRACE_ROW);
    rec_put(&b, 'w', what);
    put_row(t, tx, index_object(letter_id_time(id), what, object), index_key(kind, what, id, key), &b);
    buf_free(&b);
}

/* A row may hold KV_VALUE_MAX bytes: data goes alone, and is left out when it is too long. */
static void add(struct trace *t, struct kv_tx *tx, const struct trace_event *e, size_t n)
{
    char object[KEY_ROOM], key[KEY_ROOM];
    struct buf b = BUF_INIT;
    if (!letter_id_ok(sl_cstr(e->id.s))) return;
    int64_t time = e->time ? e->time : rt_wall();
    lock_take(&t->lock);
    uint32_t serial = t->serial++;
    lock_release(&t->lock);
    rec_begin(&b, n == 1 ? TRACE_ROW : TRACE_ROWS);
    for (size_t i = 0; i < n; i++) put_event(&b, &e[i], n > 4 ? TEXT_TOGETHER : TEXT_MAX);
    if (n == 1 && e->data.n <= KV_VALUE_MAX - 3 * TEXT_MAX) rec_opt(&b, 'd', e->data);
    ASSERT(n >= 1 && n <= TRACE_TOGETHER_MAX); /* these fit, however long their texts */
    put_row(t, tx, hour_object(letter_id_time(&e->id), object), event_key(&e->id, time, serial, key), &b);
    for (size_t i = 0; i < n; i++) {
        tell(tx, &e[i]);
        index_one(t, tx, &e[i].id, 's', e[i].session_id);
    }
    buf_free(&b);
}

void trace_tx_add_together(struct trace *t, struct kv_tx *tx, const struct trace_event *e, size_t n)
{
    if (n) add(t, tx, e, n);
}

void trace_add(struct trace *t, const struct trace_event *e) { add(t, NULL, e, 1); }

static void addf(struct trace *t, struct kv_tx *tx, const struct letter_id *id, enum trace_kind kind,
                 struct slice who, const char *fmt, va_list ap)
{
    char text[SENTENCE_MAX + 4]; /* room for the whole character at which it is cut */
    int n = vsnprintf(text, sizeof text, fmt, ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    add(t, tx,
        &(struct trace_event){
            .id = *id, .kind = kind, .who = who, .sentence = utf8_cut(sl(text, len), SENTENCE_MAX)},
        1);
}

void trace_addf(struct trace *t, const struct letter_id *id, enum trace_kind kind, struct slice who,
                const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    addf(t, NULL, id, kind, who, fmt, ap);
    va_end(ap);
}

void trace_tx_addf(struct trace *t, struct kv_tx *tx, const struct letter_id *id, enum trace_kind kind,
                   struct slice who, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    addf(t, tx, id, kind, who, fmt, ap);
    va_end(ap);
}

static struct slice bare_message_id(struct slice s)
{
    s = sl_trim(s);
    if (sl_starts(s, SL("<")) && sl_ends(s, SL(">"))) s = sl_sub(s, 1, s.n - 1);
    return s;
}

void trace_tx_index(struct trace *t, struct kv_tx *tx, const struct letter_id *id, struct slice message_id,
                    struct slice sender, const struct slice *recipient, size_t n)
{
    if (!letter_id_ok(sl_cstr(id->s))) return;
    index_one(t, tx, id, 'm', bare_message_id(message_id));
    index_one(t, tx, id, 'a', sender);
    for (size_t i = 0; i < n; i++) index_one(t, tx, id, 'a', recipient[i]);
}

void trace_index(struct trace *t, const struct letter_id *id, struct slice message_id, struct slice sender,
                 const struct slice *recipient, size_t n)
{
    trace_tx_index(t, NULL, id, message_id, sender, recipient, n);
}

/* ---- reading ---- */

/* What the newest letters' events are noted for. */
static int flush_today(struct trace *t)
{
    char object[KEY_ROOM];
    return kv_flush(t->kv, day_object(rt_wall_seconds(), object));
}

/* What trace_read has found so far. */
struct reading {
    const struct letter_id *id;
    struct arena *a;
    struct trace_event *v;
    size_t n, cap;
};

/* The fields of a row: each event begins with its kind. */
static int row_events(struct reading *x, struct rec *r, int64_t time)
{
    struct trace_event *ev = NULL;
    int e = 0;
    while (e == 0 && rec_next(r)) {
        if (r->tag == 'k') {
            if (x->n == x->cap) x->v = ar_grow(x->a, x->v, &x->cap, sizeof *x->v);
            ev = &x->v[x->n++];
            *ev = (struct trace_event){.id = *x->id, .time = time};
            e = kind_of(r->field, &ev->kind);
        } else if (ev && r->tag == 'w') {
            ev->who = r->field;
        } else if (ev && r->tag == 's') {
            ev->sentence = r->field;
        } else if (ev && r->tag == 'd') {
            ev->data = r->field;
        } else if (ev && r->tag == 'i') {
            ev->session_id = r->field;
        }
    }
    return e ? e : rec_error(r);
}

static int event_row(struct reading *x, struct slice key, struct slice value)
{
    struct rec r;
    uint64_t time;
    struct slice rest = key, piece;
    size_t before = x->n;
    for (int i = 0; i < 3; i++)
        if (!sl_next(&rest, '/', &piece)) return err_set(ERR_CORRUPT, "the key of an event is damaged");
    if (!num_hex64(piece, &time)) return err_set(ERR_CORRUPT, "the key of an event is damaged");
    int e = rec_open(&r, value, TRACE_ROWS);
    if (e == 0) e = row_events(x, &r, (int64_t)time);
    if (e) x->n = before;
    return e;
}

int trace_row_read(struct arena *a, struct slice key, struct slice value, struct trace_event **out, size_t *n)
{
    struct letter_id none = {{0}};
    struct reading x = {.id = &none, .a = a, .cap = 4, .v = ar_array(a, struct trace_event, 4)};
    int e = sl_starts(key, SL("e/")) ? event_row(&x, key, value) : 0;
    *out = x.v;
    *n = x.n;
    return e;
}

int trace_row_check(struct arena *a, struct slice key, struct slice value)
{
    struct trace_event *v;
    size_t n;
    return trace_row_read(a, key, value, &v, &n);
}

/* Damaged, or of a later program. */
static void say_unreadable(struct reading *x, struct slice key, int why)
{
    if (x->n == x->cap) x->v = ar_grow(x->a, x->v, &x->cap, sizeof *x->v);
    x->v[x->n++] = (struct trace_event){
        .id = *x->id,
        .time = x->n > 1 ? x->v[x->n - 2].time : letter_id_time(x->id) * 1000000,
        .kind = TRACE_UNREADABLE,
        .sentence = ar_printf(x->a, "an event cannot be read, the row %.*s: %s", SLF(key), err_text(why))};
}

static int read_object(struct trace *t, struct reading *x, struct slice object)
{
    struct kv_page page = {.more = true};
    struct slice from = ar_printf(x->a, "e/%s/", x->id->s), to = kv_prefix_end(x->a, from);
    int e = 0;
    while (e == 0 && page.more) {
        e = kv_scan(t->kv, object, from, to, KV_PAGE_MAX, x->a, &page);
        for (size_t i = 0; e == 0 && i < page.n; i++) {
            int bad = event_row(x, page.row[i].key, page.row[i].value);
            if (bad) say_unreadable(x, page.row[i].key, bad);
        }
        if (e == 0 && page.n) from = kv_after(x->a, page.row[page.n - 1].key);
    }
    return e;
}

int trace_read(struct trace *t, const struct letter_id *id, struct arena *a, struct trace_event **out,
               size_t *n)
{
    char object[KEY_ROOM];
    struct reading x = {.id = id, .a = a, .cap = 16};
    *n = 0;
    *out = x.v = ar_array(a, struct trace_event, x.cap);
    if (!letter_id_ok(sl_cstr(id->s))) return err_set(ERR_SYNTAX, "this is no letter's id");
    int64_t time = letter_id_time(id);
    int e = kv_flush(t->kv, hour_object(time, object));
    if (e == 0) e = read_object(t, &x, day_object(time, object)); /* older */
    if (e == 0) e = read_object(t, &x, hour_object(time, object));
    *out = x.v;
    *n = x.n;
    if (e == 0 && !*n) return err_set(ERR_NOT_FOUND, "there are no events of letter %s", id->s);
    return e;
}

struct find {
    struct trace *t;
    struct arena *a;
    struct slice what;
    char kind;
    size_t limit, n, damaged;
    struct letter_id *v;
};

/* What the row is about; false: it is damaged. */
static bool row_what(struct slice value, struct slice *what)
{
    struct rec r;
    if (rec_open(&r, value, TRACE_ROW)) return false;
    while (rec_next(&r)) {
        if (r.tag != 'w') continue;
        *what = r.field;
        return true;
    }
    return false;
}

static bool found_already(const struct find *f, const char *id)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcmp(f->v[i].s, id)) return true;
    return false;
}

static void find_row(struct find *f, const struct kv_row *row)
{
    char later[LETTER_ID_LEN + 1], id[LETTER_ID_LEN + 1];
    size_t slash = sl_rchr(row->key, '/');
    struct slice what;
    bool good = slash != SL_NONE && letter_id_ok(sl_from(row->key, slash + 1)) && row_what(row->value, &what);
    f->damaged += !good;
    if (!good || !sl_eqi(what, f->what)) return; /* another one with the same sum */
    memcpy(later, row->key.p + slash + 1, LETTER_ID_LEN);
    later[LETTER_ID_LEN] = 0;
    complement(later, id);
    if (!found_already(f, id)) memcpy(f->v[f->n++].s, id, sizeof id);
}

static int find_in_object(struct find *f, struct slice object)
{
    struct slice from =
        ar_printf(f->a, "%c/%016llx/", f->kind, (unsigned long long)hash_stable(f->what, true));
    struct slice to = kv_prefix_end(f->a, from);
    struct kv_page page = {.more = true};
    int e = 0;
    while (e == 0 && page.more && f->n < f->limit) {
        e = kv_scan(f->t->kv, object, from, to, f->limit, f->a, &page);
        for (size_t i = 0; e == 0 && i < page.n && f->n < f->limit; i++) find_row(f, &page.row[i]);
        if (e == 0 && page.n) from = kv_after(f->a, page.row[page.n - 1].key);
    }
    return e;
}

struct days {
    int64_t *v;
    size_t n;
};

/* The days there are, oldest first. */
static int days_of(struct trace *t, struct arena *a, struct days *out)
{
    char room[KEY_ROOM];
    struct slice *name, from = SL("t:");
    size_t n = 1, cap = 32;
    int64_t day;
    bool more;
    int e = 0;
    *out = (struct days){ar_array(a, int64_t, cap), 0};
    while (e == 0 && n) {
        e = kv_objects(t->kv, from, SL("t;"), 1, a, &name, &n, &more);
        if (e || !n) break;
        if (!day_of(name[0], &day)) { /* nothing of ours */
            from = kv_after(a, name[0]);
            continue;
        }
        if (out->n == cap) out->v = ar_grow(a, out->v, &cap, sizeof *out->v);
        out->v[out->n++] = day;
        from = ar_dup(a, day_object((day + 1) * DAY_SECONDS, room));
        fiber_breathe();
    }
    return e;
}

static int find_in_days(struct find *f, char kind, struct slice what)
{
    char object[KEY_ROOM];
    struct days days;
    int e = days_of(f->t, f->a, &days);
    f->kind = kind;
    f->what = what;
    for (size_t i = days.n; e == 0 && i-- > 0 && f->n < f->limit; fiber_breathe()) {
        int64_t seconds = days.v[i] * DAY_SECONDS;
        e = find_in_object(f, index_object(seconds, what, object));
        if (e == 0) e = find_in_object(f, day_object(seconds, object)); /* of older programs */
    }
    return e;
}

int trace_find_session(struct trace *t, struct slice session, size_t limit, struct arena *a,
                       struct letter_id **out, size_t *n, size_t *damaged)
{
    ASSERT(limit > 0);
    struct find f = {.t = t, .a = a, .limit = limit, .v = ar_array(a, struct letter_id, limit + 1)};
    int e = flush_today(t);
    if (e == 0) e = find_in_days(&f, 's', sl_trim(session));
    *out = f.v;
    *n = f.n;
    *damaged = f.damaged;
    return e;
}

int trace_find(struct trace *t, struct slice what, size_t limit, struct arena *a, struct letter_id **out,
               size_t *n, size_t *damaged)
{
    ASSERT(limit > 0);
    *damaged = 0;
    what = sl_trim(what);
    struct find f = {.t = t, .a = a, .limit = limit, .v = ar_array(a, struct letter_id, limit + 1)};
    *out = f.v;
    *n = 0;
    int e = flush_today(t);
    if (e || !limit) return e;
    if (letter_id_ok(what)) {
        struct trace_event *ev;
        size_t events;
        memcpy(f.v[0].s, what.p, LETTER_ID_LEN);
        e = trace_read(t, &f.v[0], a, &ev, &events);
        *n = e == 0;
        if (e != ERR_NOT_FOUND) return e;
    }
    e = find_in_days(&f, 'a', what);
    if (e == 0 && !f.n) e = find_in_days(&f, 'm', bare_message_id(what));
    *n = f.n;
    *damaged = f.damaged;
    return e;
}

/* ---- the newest ---- */

struct window {
    struct trace *t;
    struct arena *a;
    struct slice at_domain, host; /* empty: whatever */
    struct letter_id *v;          /* of this window, oldest first */
    size_t n, cap, damaged;
};

static bool fits(struct window *w, const struct letter_id *id, const struct kv_row *row)
{
    struct reading x = {.id = id, .a = w->a, .cap = 4};
    x.v = ar_array(w->a, struct trace_event, x.cap);
    if (!w->at_domain.n && !w->host.n) return true;
    if (event_row(&x, row->key, row->value)) {
        w->damaged++;
        return false;
    }
    bool domain = !w->at_domain.n, host = !w->host.n;
    for (size_t i = 0; i < x.n; i++) {
        struct slice who = x.v[i].who, sentence = x.v[i].sentence;
        domain = domain || text_names(who, w->at_domain) || text_names(sentence, w->at_domain);
        host = host || text_names(sentence, w->host);
    }
    return domain && host;
}

static void window_row(struct window *w, const struct kv_row *row)
{
    struct letter_id id;
    if (row->key.n < 2 + LETTER_ID_LEN || !letter_id_ok(sl_sub(row->key, 2, 2 + LETTER_ID_LEN))) {
        w->damaged++;
        return;
    }
    memcpy(id.s, row->key.p + 2, LETTER_ID_LEN);
    id.s[LETTER_ID_LEN] = 0;
    bool again = w->n && !strcmp(w->v[w->n - 1].s, id.s);
    if (again || !fits(w, &id, row)) return;
    if (w->n == w->cap) w->v = ar_grow(w->a, w->v, &w->cap, sizeof *w->v);
    w->v[w->n++] = id;
}

static int scan_object(struct window *w, struct slice object, int64_t begin, int64_t end)
{
    struct letter_id first, after;
    struct kv_page page = {.more = true};
    letter_id_floor(&first, begin);
    letter_id_floor(&after, end);
    struct slice from = ar_printf(w->a, "e/%s", first.s), to = ar_printf(w->a, "e/%s", after.s);
    int e = 0;
    while (e == 0 && page.more) {
        e = kv_scan(w->t->kv, object, from, to, KV_PAGE_MAX, w->a, &page);
        for (size_t i = 0; e == 0 && i < page.n; i++) window_row(w, &page.row[i]);
        if (e == 0 && page.n) from = kv_after(w->a, page.row[page.n - 1].key);
    }
    return e;
}

static int by_id(const void *x, const void *y)
{
    const struct letter_id *a = x, *b = y;
    return strcmp(a->s, b->s);
}

/* Letters that came from begin to before end (microseconds), both of one hour. */
static int scan_window(struct window *w, int64_t begin, int64_t end)
{
    char object[KEY_ROOM];
    size_t n = 0;
    int e = scan_object(w, day_object(begin / 1000000, object), begin, end); /* of older programs */
    bool both = w->n > 0;
    if (e == 0) e = scan_object(w, hour_object(begin / 1000000, object), begin, end);
    if (e || !both) return e;
    qsort(w->v, w->n, sizeof *w->v, by_id);
    for (size_t i = 0; i < w->n; i++)
        if (!n || strcmp(w->v[n - 1].s, w->v[i].s)) w->v[n++] = w->v[i];
    w->n = n;
    return 0;
}

/* Back from `end` over what has nothing: to the end of the newest day that there is, or stays in its midst;
 * INT64_MIN: there is none. Microseconds. Later days are taken away. */
static int64_t over_gap(struct days *days, int64_t end)
{
    const int64_t whole = DAY_SECONDS * (int64_t)1000000;
    while (days->n && days->v[days->n - 1] * whole >= end) days->n--;
    if (!days->n) return INT64_MIN;
    int64_t over = (days->v[days->n - 1] + 1) * whole;
    return over < end ? over : end;
}

int trace_last(struct trace *t, const struct trace_filter *f, size_t limit, struct arena *a,
               struct letter_id **out, size_t *n, size_t *damaged)
{
    const int64_t minute = 60000000, hour = HOUR_SECONDS * (int64_t)1000000;
    int64_t end = rt_wall() + minute, oldest = INT64_MAX, span = 2 * minute;
    struct window w = {.t = t, .a = a, .host = f->host};
    struct days days;
    ASSERT(limit > 0);
    if (f->domain.n) w.at_domain = ar_cat(a, SL("@"), f->domain);
    *out = ar_array(a, struct letter_id, limit);
    *n = 0;
    int e = flush_today(t);
    if (e == 0) e = days_of(t, a, &days);
    if (e == 0 && days.n) oldest = days.v[0] * DAY_SECONDS * 1000000;
    if (e == 0 && oldest < f->since * 1000000) oldest = f->since * 1000000;
    if (e == 0) end = over_gap(&days, end);
    while (e == 0 && *n < limit && end > oldest) { /* wider and wider, back in time, an hour at most */
        int64_t begin = end - span, full = (end - 1) / hour * hour;
        if (begin < full) begin = full;
        if (begin < oldest) begin = oldest;
        w.n = 0;
        e = scan_window(&w, begin, end);
        for (size_t i = w.n; e == 0 && i-- > 0 && *n < limit;) (*out)[(*n)++] = w.v[i];
        end = over_gap(&days, begin);
        if (span < hour) span *= 4;
        fiber_breathe();
    }
    *damaged = w.damaged;
    return e;
}

/* ---- forgetting ---- */

struct expiring {
    struct trace *t;
    int64_t first, last, keep_s; /* days that are kept; a later one was named by a clock that was wrong */
};

static int expire_object(void *arg, struct slice object)
{
    const struct expiring *x = arg;
    int64_t day;
    int e = 0;
    if (!day_of(object, &day)) return 0;
    bool over = day < x->first;
    if (day > x->last) e = kv_stray_day(x->t->kv, object, x->keep_s, &over);
    if (e == 0 && over) e = kv_erase(x->t->kv, object, SL(""), SL(""));
    return kv_passed_over(object, "forgotten", e);
}

int trace_expire(struct trace *t, int keep_days)
{
    int64_t today = rt_wall_seconds() / DAY_SECONDS;
    struct expiring x = {t, today - keep_days, today + 1, (int64_t)keep_days * DAY_SECONDS};
    return kv_each_object(t->kv, SL("t:"), SL("t;"), expire_object, &x);
}
