/* annotation.c - annotations of mailboxes and accounts (RFC 5464). Rows t/BOX/-/NAME for all who see the
 * mailbox, t/BOX/ACCOUNT/NAME for one user alone; NAME without "/shared/" or "/private/". */
#include "annotation.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "mailbox_i.h"

enum { ANNOTATION_ROW = 1 };

/* ---- names ---- */

static const struct slice shared = SL_INIT("/shared/"), private = SL_INIT("/private/");

/* No '*' or '%', nothing beyond ASCII, no empty component (section 3.2). */
int annotation_name(struct arena *a, struct slice name, struct slice *out)
{
    bool good = name.n <= ANNOTATION_NAME_MAX && name.n && name.p[name.n - 1] != '/';
    char *low = ar_alloc(a, name.n);
    for (size_t i = 0; i < name.n && good; i++) {
        low[i] = sl_lower(name.p[i]);
        good = low[i] > 32 && low[i] < 127 && low[i] != '*' && low[i] != '%' &&
               !(i && low[i] == '/' && low[i - 1] == '/');
    }
    *out = sl(low, name.n);
    if (good && (sl_starts(*out, shared) || sl_starts(*out, private))) return 0;
    return err_set(ERR_SYNTAX, "an entry is /shared/... or /private/..., of at most %d characters",
                   ANNOTATION_NAME_MAX);
}

static bool is_shared(struct slice name) { return sl_starts(name, shared); }

static struct slice below(struct slice name) { return sl_from(name, is_shared(name) ? shared.n : private.n); }

/* "t/0000000a/-/" or "t/0000000a/ACCOUNT/", and what stands behind it. */
static struct slice note_key(uint32_t box, const char *user, struct slice rest, char room[KEY_ROOM])
{
    return sl(room, (size_t)snprintf(room, KEY_ROOM, "t/%08x/%s/%.*s", box, user, SLF(rest)));
}

static struct slice note_end(uint32_t box, const char *user, char room[KEY_ROOM])
{
    return sl(room, (size_t)snprintf(room, KEY_ROOM, "t/%08x/%s0", box, user));
}

static int note_get(struct slice value, struct slice *out)
{
    struct rec r;
    int e = rec_open(&r, value, ANNOTATION_ROW);
    *out = SL("");
    while (e == 0 && rec_next(&r))
        if (r.tag == 'v') *out = r.field;
    return e ? e : rec_error(&r);
}

/* ---- reading ---- */

/* A damaged row hides no other. */
static int add_notes(struct store *s, struct mailbox_ref box, const char *user, struct arena *a,
                     struct annotation *v, size_t *n)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct slice start = note_key(box.box, user, SL(""), from);
    struct slice scope = *user == '-' ? shared : private;
    struct kv_page page;
    int e = kv_scan(s->kv, account_object(box.account, room), start, note_end(box.box, user, to),
                    ANNOTATIONS_MAX, a, &page);
    for (size_t i = 0; e == 0 && i < page.n; i++) {
        struct annotation *t = &v[*n];
        t->name = ar_cat(a, scope, sl_from(page.row[i].key, start.n));
        e = note_get(page.row[i].value, &t->value);
        *n += e == 0;
        if (!err_is_damage(e)) continue;
        log_error("store", "account %s, mailbox %u: the annotation %.*s is damaged and left out", box.account,
                  box.box, SLF(t->name));
        e = 0;
    }
    return e;
}

static int by_name(const void *x, const void *y)
{
    return sl_cmp(((const struct annotation *)x)->name, ((const struct annotation *)y)->name);
}

int annotation_list(struct store *s, struct mailbox_ref box, const char *user, struct arena *a,
                    struct annotation **out, size_t *n)
{
    *out = ar_array(a, struct annotation, 2 * ANNOTATIONS_MAX);
    *n = 0;
    int e = add_notes(s, box, "-", a, *out, n);
    if (e == 0) e = add_notes(s, box, user, a, *out, n);
    qsort(*out, *n, sizeof **out, by_name);
    return e;
}

/* ---- setting ---- */

struct setting {
    uint32_t box;
    const char *user;
    const struct annotation *v;
    size_t n;
};

static int count_note(void *arg, struct slice key, struct slice value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
    return 0;
}

static int count_notes(struct kv_tx *tx, uint32_t box, const char *user)
{
    char from[KEY_ROOM], to[KEY_ROOM];
    size_t n = 0;
    int e = kv_tx_scan(tx, note_key(box, user, SL(""), from), note_end(box, user, to), count_note, &n);
    if (e == 0 && n > ANNOTATIONS_MAX)
        e = err_set(ERR_LIMIT, "a mailbox may have %d entries of a kind", ANNOTATIONS_MAX);
    return e;
}

/* One entry; what the account keeps grows and shrinks by key and value. */
static int set_note(struct kv_tx *tx, struct account_row *a, const struct setting *x,
                    const struct annotation *t, struct journal_box *journal)
{
    char room[KEY_ROOM];
    struct slice old, key = note_key(x->box, is_shared(t->name) ? "-" : x->user, below(t->name), room);
    struct buf b = BUF_INIT;
    if (t->value.n > ANNOTATION_VALUE_MAX)
        return err_set(ERR_TOO_LONG, "an entry may have %d bytes", ANNOTATION_VALUE_MAX);
    int e = kv_tx_get(tx, key, &old);
    if (e && e != ERR_NOT_FOUND) return e;
    if (e == 0) a->noted -= key.n + old.n;
    if (e == 0 || t->value.p) journal_note(journal, sl_from(key, 11)); /* behind "t/0000000a/" */
    if (t->value.p) {
        rec_begin(&b, ANNOTATION_ROW);
        rec_put(&b, 'v', t->value);
        a->noted += key.n + b.n;
        kv_tx_put_record(tx, key, &b);
        buf_free(&b);
    } else if (e == 0) {
        kv_tx_del(tx, key);
    }
    if (a->noted > ANNOTATIONS_BYTES)
        return err_set(ERR_LIMIT, "the entries of an account may have %d bytes together", ANNOTATIONS_BYTES);
    return 0;
}

static int set_notes(struct kv_tx *tx, void *arg)
{
    const struct setting *x = arg;
    struct account_row a;
    struct box_row b;
    struct journal_box journal = {.box = x->box};
    int e = account_tx(tx, &a);
    if (e == 0 && x->box) e = box_tx(tx, x->box, &b);
    for (size_t i = 0; e == 0 && i < x->n; i++) e = set_note(tx, &a, x, &x->v[i], &journal);
    if (e == 0) e = count_notes(tx, x->box, "-");
    if (e == 0) e = count_notes(tx, x->box, x->user);
    if (e == 0) {
        a.modseq++;
        journal_put(tx, &a, &journal, 1);
        account_row_put(tx, &a);
    }
    journal_free(&journal);
    return e;
}

int annotation_set(struct store *s, struct mailbox_ref box, const char *user, const struct annotation *v,
                   size_t n)
{
    struct setting x = {box.box, user, v, n};
    return guest_transact(s, box.account, box.guest, set_notes, &x);
}

/* ---- what changed ---- */

struct changes {
    const char *user;
    uint64_t last;
    void (*each)(void *arg, uint32_t box, struct slice name);
    void *arg;
};

/* "-/comment", or "ACCOUNT/comment" of the user. */
static void tell_change(struct changes *x, uint32_t box, struct slice note)
{
    char name[ANNOTATION_NAME_MAX + 40];
    struct slice who;
    if (!sl_next(&note, '/', &who)) return;
    bool all = sl_eq(who, SL("-"));
    if (!all && !sl_eq(who, sl_cstr(x->user))) return;
    int n = snprintf(name, sizeof name, "%s%.*s", all ? shared.p : private.p, SLF(note));
    x->each(x->arg, box, sl(name, (size_t)n < sizeof name ? (size_t)n : sizeof name - 1));
}

static int read_change(void *arg, struct slice key, struct slice value)
{
    struct changes *x = arg;
    struct journal_reader j;
    int e = row_number(key, &x->last);
    if (e == 0) e = journal_open(value, &j);
    while (e == 0 && journal_next_box(&j))
        for (size_t i = 0; i < j.notes; i++) tell_change(x, j.box, j.note[i]);
    return e;
}

int annotation_changes(struct store *s, const char *acc, const char *user, uint64_t *since,
                       void (*each)(void *arg, uint32_t box, struct slice name), void *arg)
{
    struct changes x = {.user = user, .last = *since, .each = each, .arg = arg};
    struct journal_keys keys;
    char room[KEY_ROOM];
    struct arena a;
    struct slice value;
    struct account_row row;
    ar_init(&a, 0);
    int e = kv_get(s->kv, account_object(acc, room), SL("a"), &a, &value);
    if (e == 0) e = account_row_get(value, &row);
    ar_free(&a);
    if (e) return e;
    if (row.journal_floor > *since) e = err_set(ERR_STATE, "the journal does not reach back so far");
    journal_range(*since, row.modseq, &keys);
    if (e == 0) e = rows_each(s, acc, keys.from, keys.to, read_change, &x);
    *since = row.modseq;
    return e;
}

/* ---- with the mailbox ---- */

static int sum_note(void *arg, struct slice key, struct slice value)
{
    *(uint64_t *)arg += key.n + value.n;
    return 0;
}

int annotations_erase_tx(struct kv_tx *tx, uint32_t box)
{
    char from[KEY_ROOM], to[KEY_ROOM];
    struct account_row a;
    uint64_t bytes = 0;
    int e = kv_tx_scan(tx, row_prefix('t', box, from), row_prefix_end('t', box, to), sum_note, &bytes);
    if (e || !bytes) return e;
    kv_tx_erase(tx, row_prefix('t', box, from), row_prefix_end('t', box, to));
    e = account_tx(tx, &a);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    a.noted -= bytes < a.noted ? bytes : a.noted;
    account_row_put(tx, &a);
    return 0;
}

struct copying {
    struct kv_tx *tx;
    uint32_t to;
    uint64_t bytes;
};

static int copy_note(void *arg, struct slice key, struct slice value)
{
    struct copying *c = arg;
    char room[KEY_ROOM], box[9];
    snprintf(room, sizeof room, "%.*s", SLF(key));
    snprintf(box, sizeof box, "%08x", c->to);
    memcpy(room + 2, box, 8);
    kv_tx_put(c->tx, sl(room, key.n), value);
    c->bytes += key.n + value.n;
    return 0;
}

int annotations_copy_tx(struct kv_tx *tx, uint32_t box, uint32_t to)
{
    char first[KEY_ROOM], end[KEY_ROOM];
    struct copying c = {tx, to, 0};
    struct account_row a;
    int e = account_tx(tx, &a);
    if (e == 0) e = kv_tx_scan(tx, row_prefix('t', box, first), row_prefix_end('t', box, end), copy_note, &c);
    if (e || !c.bytes) return e;
    a.noted += c.bytes;
    if (a.noted > ANNOTATIONS_BYTES)
        return err_set(ERR_LIMIT, "the entries of an account may have %d bytes together", ANNOTATIONS_BYTES);
    account_row_put(tx, &a);
    return 0;
}
