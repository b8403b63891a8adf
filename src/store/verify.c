/* verify.c - is everything there that should be? Rows that can be read, counters that agree
 * with what they count, bodies that are whole. Reports, changes nothing. */
#include "directory/sending_domain.h"
#include "rescue_i.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

struct verify {
    struct store *s;
    void (*bad)(void *arg, const char *sentence);
    void *arg;
    const char *acc;
    struct map good; /* references whose bodies have been read */
    struct box_row box;
    struct kv_tx *tx;                          /* in which it is counted, or NULL */
    struct batch_range batch;                  /* whose rows are being counted; first 0: plain ones */
    uint32_t exists, unseen, deleted, current; /* of the mailbox at hand */
    uint32_t users[MAILBOX_KEYWORDS_MAX];      /* messages that have each keyword */
    uint64_t unnamed;                          /* bits of keywords that have no name, in any message */
    uint64_t size, bytes, messages;
    size_t faults;
    struct buf said; /* sentences not told yet, each with a NUL; what does not fit is only counted */
};

/* Some checks run on the committer's thread: what they find is told later, by the fiber. */
static void say(struct verify *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct verify *v, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    v->faults++;
    buf_bytes(&v->said, text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    buf_char(&v->said, 0);
}

static void tell(struct verify *v)
{
    for (size_t at = 0; at < v->said.n; at += strlen(v->said.p + at) + 1) v->bad(v->arg, v->said.p + at);
    buf_clear(&v->said);
}

/* ---- bodies ---- */

int store_read_body(struct store *s, const struct body_ref *ref)
{
    enum { PIECE = 1 << 20 };
    char *piece = xmalloc(PIECE);
    int64_t got = 1;
    for (uint64_t at = 0; got > 0 && at < body_ref_size(ref); at += (uint64_t)got) {
        got = fiber_canceled() ? ERR_CANCELED : body_read(s->body, ref, at, piece, PIECE);
        fiber_breathe();
    }
    free(piece);
    return got < 0 ? (int)got : 0;
}

static int check_body(struct verify *v, uint32_t box, uint32_t uid, const struct message *m)
{
    if (map_get(&v->good, body_ref_slice(&m->body))) return 0;
    struct message again;
    int e = store_read_body(v->s, &m->body);
    /* Moved by a sweep or expunged since the row was read: then there is nothing to complain of. */
    if (e == ERR_NOT_FOUND &&
        message_get(v->s, (struct mailbox_ref){.account = v->acc, .box = box}, uid, &again) == ERR_NOT_FOUND)
        return 0;
    if (e == ERR_NOT_FOUND && strcmp(again.body.s, m->body.s)) e = store_read_body(v->s, &again.body);
    if (e == ERR_CORRUPT || e == ERR_NOT_FOUND)
        say(v, "account %s, mailbox %u, message %u: its body %s cannot be read: %s", v->acc, box, uid,
            m->body.s, err_text(e));
    else if (e) return e;
    else if (body_ref_size(&m->body) != m->size)
        say(v, "account %s, mailbox %u, message %u: has %llu bytes but is recorded with %llu", v->acc, box,
            uid, (unsigned long long)body_ref_size(&m->body), (unsigned long long)m->size);
    else map_put(&v->good, body_ref_slice(&m->body), (void *)1);
    return 0;
}

/* ---- accounts ---- */

static int check_message(void *arg, uint32_t box, uint32_t uid, const struct message *m)
{
    struct verify *v = arg;
    if (!m) {
        say(v, "account %s, mailbox %u, message %u: its record is damaged", v->acc, box, uid);
        return 0;
    }
    return check_body(v, box, uid, m);
}

static int count_row(void *arg, struct slice key, struct slice value)
{
    struct verify *v = arg;
    struct message m;
    uint64_t uid;
    if (row_number(key, &uid)) return 0;
    int e = v->batch.first ? batch_message_get(key, value, &v->batch, &m)
                           : message_row_get(value, (uint32_t)uid, &m);
    if (e) return 0; /* told of already */
    v->exists++;
    v->unseen += !(m.flags & FLAG_SEEN);
    v->deleted += (m.flags & FLAG_DELETED) != 0;
    v->size += m.size + m.remarks.n;
    for (uint64_t left = m.flags >> FLAG_KEYWORD_FIRST; left; left &= left - 1) {
        int i = __builtin_ctzll(left);
        if ((size_t)i < v->box.m.nkeywords) v->users[i]++;
        else v->unnamed |= (uint64_t)1 << i;
    }
    if (m.uid >= v->box.m.uidnext || m.modseq > v->box.m.modseq)
        say(v, "account %s, mailbox %u, message %u: its UID or MODSEQ is above the mailbox's", v->acc,
            v->box.m.id, m.uid);
    return 0;
}

static void compare_box(struct verify *v)
{
    const struct mailbox *b = &v->box.m;
    if (b->exists != v->exists || b->unseen != v->unseen || b->deleted != v->deleted || b->size != v->size)
        say(v,
            "account %s, mailbox %u: counts %u messages (%u unseen, %u deleted, %llu bytes), has %u (%u, %u, "
            "%llu)",
            v->acc, b->id, b->exists, b->unseen, b->deleted, (unsigned long long)b->size, v->exists,
            v->unseen, v->deleted, (unsigned long long)v->size);
    for (size_t i = 0; i < b->nkeywords; i++)
        if (v->box.users[i] != v->users[i])
            say(v, "account %s, mailbox %u: counts %u messages with the keyword %.*s, has %u", v->acc, b->id,
                v->box.users[i], SLF(sl_sub(b->keyword[i], 0, 100)), v->users[i]);
    if (v->unnamed)
        say(v, "account %s, mailbox %u: messages have keywords without a name (bits %llx)", v->acc, b->id,
            (unsigned long long)v->unnamed);
}

static void begin_count(struct verify *v)
{
    v->exists = v->unseen = v->deleted = 0;
    v->size = v->unnamed = 0;
    memset(v->users, 0, sizeof v->users);
}

/* Rows in a range of keys, in a transaction or by pages. */
static int count_range(struct verify *v, struct kv_tx *tx, char kind, kv_visit *each)
{
    char from[KEY_ROOM], to[KEY_ROOM];
    struct slice first = row_prefix(kind, v->current, from), end = row_prefix_end(kind, v->current, to);
    return tx ? kv_tx_scan(tx, first, end, each, v) : rows_each(v->s, v->acc, first, end, each, v);
}

static int count_batch(void *arg, struct slice key, struct slice value)
{
    struct verify *v = arg;
    struct batch_rows rows;
    uint32_t box;
    (void)value;
    if (batch_range_get(key, &box, &v->batch)) {
        say(v, "account %s: %s", v->acc, err_text(ERR_CORRUPT));
        return 0;
    }
    batch_rows(box, v->batch.batch, 0, &rows);
    return v->tx ? kv_tx_scan(v->tx, rows.from, rows.to, count_row, v)
                 : rows_each(v->s, v->acc, rows.from, rows.to, count_row, v);
}

static int count_rows(struct verify *v, struct kv_tx *tx)
{
    v->tx = tx;
    v->batch = (struct batch_range){0};
    int e = count_range(v, tx, 'm', count_row);
    if (e == 0) e = count_range(v, tx, 'g', count_batch);
    v->tx = NULL;
    return e;
}

/* In one transaction, so that the counters and what they count are of one moment. */
static int count_box(struct kv_tx *tx, void *arg)
{
    struct verify *v = arg;
    begin_count(v);
    int e = box_tx(tx, v->current, &v->box);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    e = count_rows(v, tx);
    if (e == 0) compare_box(v);
    return e;
}

/* 1: the mailbox changed while it was read. Rows are told of only when it did not. */
static int count_pages(struct verify *v, struct arena *a)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct slice object = account_object(v->acc, room), before, after;
    size_t said = v->said.n, faults = v->faults;
    begin_count(v);
    int e = kv_get(v->s->kv, object, box_key('b', v->current, key), a, &before);
    if (e == 0) e = box_row_get(before, v->current, &v->box);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    e = count_rows(v, NULL);
    if (e == 0) e = kv_get(v->s->kv, object, box_key('b', v->current, key), a, &after);
    if (e == ERR_NOT_FOUND || (e == 0 && !sl_eq(before, after))) e = 1;
    if (e == 0) compare_box(v);
    else v->said.n = said, v->faults = faults;
    return e;
}

/* A large one that rests for no moment: that it was not compared is said, and is no fault. */
static int count_patiently(struct verify *v, struct arena *a)
{
    enum { TRIES = 10 };
    int e = 1;
    for (int i = 0; e == 1 && i < TRIES; i++) {
        int pause = fiber_sleep((int64_t)rt_random_below(2 * RT_S));
        e = pause ? pause : count_pages(v, a);
    }
    if (e == 1)
        log_warn("care", "account %s, mailbox %u changes all the time: what it counts was not compared",
                 v->acc, v->current);
    return e == 1 ? 0 : e;
}

/* Page by page, so that nobody waits for it; a small one that changes all the time at a stroke. */
static int check_box(struct verify *v)
{
    enum { TRIES = 3, STROKE = 2000 };
    char room[KEY_ROOM];
    struct arena a;
    ar_init(&a, 0);
    int e = 1;
    for (int i = 0; e == 1 && i < TRIES; i++) e = count_pages(v, &a);
    if (e == 1)
        e = v->exists > STROKE ? count_patiently(v, &a)
                               : kv_transact_large(v->s->kv, account_object(v->acc, room), count_box, v);
    ar_free(&a);
    return err_is_damage(e) ? 0 : e; /* told of already */
}

static void bad_account(void *arg, const char *what)
{
    struct verify *v = arg;
    say(v, "account %s: %s", v->acc, what);
}

static int check_account(void *arg, const char *acc)
{
    struct verify *v = arg;
    struct arena a;
    struct mailbox *box;
    size_t n = 0;
    v->acc = acc;
    ar_init(&a, 0);
    int e = verify_account(v->s, acc, bad_account, v);
    if (e == 0) e = mailbox_list(v->s, acc, &a, &box, &n);
    if (err_is_damage(e)) e = 0; /* told of already */
    for (size_t i = 0; e == 0 && i < n; i++) {
        v->current = box[i].id;
        e = check_box(v);
    }
    size_t lost = 0;
    if (e == 0) e = places_check(v->s, acc, &lost);
    if (lost) say(v, "account %s: %zu messages are not found by their EMAILID or thread", acc, lost);
    tell(v);
    if (e == 0) e = messages_each(v->s, acc, check_message, v);
    tell(v);
    ar_free(&a);
    return e;
}

static void bad_index(void *arg, const char *what) { say(arg, "%s", what); }

/* ---- every row of every object ---- */

/* Pieces of what is longer than a row (content and pages of sends, texts of templates), and counts. */
static bool is_piece(struct slice object, struct slice key)
{
    static const char *const of_sends[] = {"b/", "p/", "r/", "t/"};
    if (sl_starts(object, SL("y:"))) return sl_starts(key, SL("c/"));
    for (size_t i = 0; sl_starts(object, SL("s:")) && i < COUNT_OF(of_sends); i++)
        if (sl_starts(key, sl_cstr(of_sends[i]))) return true;
    return false;
}

/* What is no record: bare text, and the queue's, which it checks itself. */
static bool is_bare(struct slice object, struct slice key)
{
    return sl_eq(object, SL("_format")) || (sl_eq(object, SL("_store")) && sl_eq(key, SL("queue-shards"))) ||
           (sl_starts(object, SL("u:")) && (sl_eq(key, SL("e")) || sl_eq(key, SL("w"))));
}

/* A key is all that such a row says: its value is the digit 1. */
static bool is_mark(struct slice object, struct slice key)
{
    if (sl_starts(object, SL("m:"))) return sl_starts(key, SL("f/"));
    return sl_eq(object, SL("_sends")) && (sl_starts(key, SL("o/")) || sl_starts(key, SL("B/")));
}

/* Every record has version 1 but rows of the trace, of which the second holds several events. */
static uint8_t newest_version(struct slice object) { return sl_starts(object, SL("t:")) ? 2 : 1; }

static int check_row(struct arena *a, struct slice object, const struct kv_row *row)
{
    struct rec r;
    if (is_bare(object, row->key) || is_piece(object, row->key)) return 0;
    if (is_mark(object, row->key)) return sl_eq(row->value, SL("1")) ? 0 : ERR_CORRUPT;
    int e = rec_open(&r, row->value, newest_version(object));
    while (e == 0 && rec_next(&r)) {
    }
    if (e == 0) e = rec_error(&r);
    if (e == 0 && sl_starts(object, SL("t:"))) e = trace_row_check(a, row->key, row->value);
    if (e == 0 && sl_starts(object, SL("d:"))) e = directory_row_check(a, row->key, row->value);
    if (e == 0 && sl_eq(object, SL("_senders"))) e = sending_domain_row_check(row->key, row->value);
    return e;
}

static int check_object(struct verify *v, struct slice object)
{
    struct arena a = {0};
    struct slice from = SL("");
    struct kv_page page = {.more = true};
    char next[KEY_ROOM + 1];
    int e = 0;
    while (e == 0 && page.more) {
        ar_reset(&a);
        e = fiber_canceled() ? ERR_CANCELED : kv_walk(v->s->kv, object, from, SL(""), KV_PAGE_MAX, &a, &page);
        for (size_t i = 0; e == 0 && i < page.n; i++) {
            int bad = check_row(&a, object, &page.row[i]);
            if (bad)
                say(v, "object %.*s: the row %.*s is %s", SLF(object), SLF(page.row[i].key),
                    bad == ERR_VERSION ? "of a version that this program does not know: use a newer Tram"
                                       : "damaged");
        }
        if (e == 0 && page.n)
            from = sl(next, (size_t)snprintf(next, sizeof next, "%.*s ", SLF(page.row[page.n - 1].key)));
        tell(v);
        fiber_breathe();
    }
    if (e == ERR_CORRUPT) {
        say(v, "object %.*s: cannot be read to its end: %s", SLF(object), err_text(e));
        e = 0;
    }
    ar_free(&a);
    return e;
}

/* The queue has a look of its own. */
static int visit_object(void *arg, struct slice object)
{
    struct verify *v = arg;
    if (sl_starts(object, SL("q:"))) return 0;
    int e = check_object(v, object);
    if (e == 0 && sl_starts(object, SL("d:")))
        e = domain_check(v->s->directory, sl_from(object, 2), bad_index, v);
    tell(v);
    return e;
}

int store_verify(struct store *s, verify_queue *queue, void *ctx, verify_bad *bad, void *arg)
{
    struct verify v = {.s = s, .bad = bad, .arg = arg};
    map_init(&v.good, false);
    buf_init(&v.said, 1 << 20);
    int e = kv_verify(s->kv, bad_index, &v);
    tell(&v);
    if (e == 0) e = kv_each_object(s->kv, SL(" "), SL("\x7f"), visit_object, &v);
    if (e == 0) e = accounts_each(s, check_account, &v);
    if (e == 0) e = images_verify(s, bad_index, &v);
    if (e == 0 && queue) e = queue(ctx, s, bad_index, &v);
    tell(&v);
    map_free(&v.good);
    buf_free(&v.said);
    if (e) return e;
    return v.faults ? err_set(ERR_CORRUPT, "%zu faults were found", v.faults) : 0;
}
