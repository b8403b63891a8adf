/* mailbox_row.c - the rows of an account: keys, values, and reading them in a transaction. */
#include <stdio.h>

#include "mailbox_i.h"

enum { ZONE_ZERO = 1440 /* minutes of a day: no zone is stored as a negative number */ };
enum { ACCOUNT_ROW = 1, BOX_ROW = 1, MESSAGE_ROW = 1 };

/* ---- keys ---- */

struct slice account_object(const char *acc, char room[KEY_ROOM])
{
    size_t n = strnlen(acc, KV_KEY_MAX - 2); /* an id from a damaged row names an object without rows */
    memcpy(room, "u:", 2);
    memcpy(room + 2, acc, n);
    return sl(room, n + 2);
}

struct slice box_key(char kind, uint32_t box, char room[KEY_ROOM])
{
    room[0] = kind;
    room[1] = '/';
    return sl(room, 2 + hex_digits(room + 2, box, 8));
}

static struct slice key_box_and(char kind, uint32_t box, char end, char room[KEY_ROOM])
{
    size_t n = box_key(kind, box, room).n;
    room[n++] = end;
    return sl(room, n);
}

struct slice row_prefix(char kind, uint32_t box, char room[KEY_ROOM])
{
    return key_box_and(kind, box, '/', room);
}

struct slice row_prefix_end(char kind, uint32_t box, char room[KEY_ROOM])
{
    return key_box_and(kind, box, '0', room); /* '0' follows '/' */
}

struct slice row_key(char kind, uint32_t box, uint64_t n, int digits, char room[KEY_ROOM])
{
    size_t at = row_prefix(kind, box, room).n;
    return sl(room, at + hex_digits(room + at, n, digits));
}

struct slice row_key_more(struct slice key, uint64_t n, int digits, char room[KEY_ROOM])
{
    room[key.n] = '/';
    return sl(room, key.n + 1 + hex_digits(room + key.n + 1, n, digits));
}

struct slice message_row_key(uint32_t box, const struct message *m, char room[KEY_ROOM])
{
    if (!m->batch) return row_key('m', box, m->uid, 8, room);
    return row_key_more(row_key('y', box, m->batch, 16, room), m->place, 8, room);
}

int row_number(struct slice key, uint64_t *out)
{
    size_t slash = sl_rchr(key, '/');
    if (slash != SL_NONE && num_hex64(sl_from(key, slash + 1), out)) return 0;
    return err_set(ERR_CORRUPT, "the key %.*s of an account is damaged", SLF(key));
}

/* ---- the account ---- */

int account_row_get(struct slice value, struct account_row *out)
{
    struct rec r;
    int e = rec_open(&r, value, ACCOUNT_ROW);
    if (e) return e;
    *out = (struct account_row){0};
    while (rec_next(&r)) switch (r.tag) {
        case 'm': out->modseq = rec_u64(&r); break;
        case 'i': out->next_box = (uint32_t)rec_u64(&r); break;
        case 'v': out->uidvalidity = (uint32_t)rec_u64(&r); break;
        case 'c': out->boxes = (uint32_t)rec_u64(&r); break;
        case 'k': out->subscriptions = (uint32_t)rec_u64(&r); break;
        case 's': out->bytes = rec_u64(&r); break;
        case 'n': out->messages = rec_u64(&r); break;
        case 'q': out->quota = rec_u64(&r); break;
        case 'Q': out->quota_messages = rec_u64(&r); break;
        case 'w': out->warned = (unsigned)rec_u64(&r); break;
        case 'A': out->noted = rec_u64(&r); break;
        case 'f': out->journal_floor = rec_u64(&r); break;
        case 'r': out->trees = (uint32_t)rec_u64(&r); break;
        case 't': out->threaded = rec_u64(&r); break;
        case 'p': out->places = (unsigned)rec_u64(&r); break;
        }
    return rec_error(&r);
}

void account_row_put(struct kv_tx *tx, const struct account_row *a)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, ACCOUNT_ROW);
    rec_put_u64(&b, 'm', a->modseq);
    rec_put_u64(&b, 'i', a->next_box);
    rec_put_u64(&b, 'v', a->uidvalidity);
    rec_opt_u64(&b, 'c', a->boxes);
    rec_opt_u64(&b, 'k', a->subscriptions);
    rec_opt_u64(&b, 's', a->bytes);
    rec_opt_u64(&b, 'n', a->messages);
    rec_opt_u64(&b, 'q', a->quota);
    rec_opt_u64(&b, 'Q', a->quota_messages);
    rec_opt_u64(&b, 'w', quota_judge(tx, a));
    rec_opt_u64(&b, 'A', a->noted);
    rec_opt_u64(&b, 'f', a->journal_floor);
    rec_opt_u64(&b, 'r', a->trees);
    rec_opt_u64(&b, 't', a->threaded);
    rec_opt_u64(&b, 'p', a->places);
    kv_tx_put_record(tx, SL("a"), &b);
    buf_free(&b);
}

/* ---- a mailbox ---- */

static void box_field(struct rec *r, struct box_row *b)
{
    struct mailbox *m = &b->m;
    switch (r->tag) {
    case 'N': m->name = r->field; break;
    case 'v': m->uidvalidity = (uint32_t)rec_u64(r); break;
    case 'u': m->uidnext = (uint32_t)rec_u64(r); break;
    case 'm': m->modseq = rec_u64(r); break;
    case 'e': m->exists = (uint32_t)rec_u64(r); break;
    case 'n': m->unseen = (uint32_t)rec_u64(r); break;
    case 'd': m->deleted = (uint32_t)rec_u64(r); break;
    case 's': m->size = rec_u64(r); break;
    case 'U': m->use = (unsigned)rec_u64(r); break;
    case 'k':
        if (m->nkeywords < MAILBOX_KEYWORDS_MAX) b->keyword[m->nkeywords++] = r->field;
        break;
    case 'c':
        if (m->nkeywords) b->users[m->nkeywords - 1] = (uint32_t)rec_u64(r);
        break;
    case 'g': m->names = (uint32_t)rec_u64(r); break;
    }
}

int box_row_get(struct slice value, uint32_t id, struct box_row *out)
{
    struct rec r;
    int e = rec_open(&r, value, BOX_ROW);
    if (e) return e;
    *out = (struct box_row){.m.id = id};
    out->m.keyword = out->keyword;
    while (rec_next(&r)) box_field(&r, out);
    out->was.name = out->m.name;
    out->was.size = out->m.size;
    out->was.exists = out->m.exists;
    return rec_error(&r);
}

void box_row_put(struct kv_tx *tx, const struct account_row *a, const struct box_row *row)
{
    const struct mailbox *m = &row->m;
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    rec_begin(&b, BOX_ROW);
    rec_put(&b, 'N', m->name);
    rec_put_u64(&b, 'v', m->uidvalidity);
    rec_put_u64(&b, 'u', m->uidnext);
    rec_put_u64(&b, 'm', m->modseq);
    rec_opt_u64(&b, 'e', m->exists);
    rec_opt_u64(&b, 'n', m->unseen);
    rec_opt_u64(&b, 'd', m->deleted);
    rec_opt_u64(&b, 's', m->size);
    rec_opt_u64(&b, 'U', m->use);
    rec_opt_u64(&b, 'g', m->names);
    for (size_t i = 0; i < m->nkeywords; i++) {
        rec_put(&b, 'k', row->keyword[i]);
        rec_opt_u64(&b, 'c', row->users[i]);
    }
    quota_trees_moved(tx, a, row, false);
    kv_tx_put_record(tx, box_key('b', m->id, room), &b);
    buf_free(&b);
}

/* ---- a message ---- */

int message_row_get(struct slice value, uint32_t uid, struct message *out)
{
    struct rec r;
    int e = rec_open(&r, value, MESSAGE_ROW), ref = ERR_CORRUPT;
    if (e) return e;
    memset(out, 0, sizeof *out);
    out->uid = uid;
    while (rec_next(&r)) switch (r.tag) {
        case 'm': out->modseq = rec_u64(&r); break;
        case 'f': out->flags = rec_u64(&r); break;
        case 'd': out->internal_date = (int64_t)rec_u64(&r); break;
        case 'z': out->internal_zone = (int)(rec_u64(&r) & 0xfff) - ZONE_ZERO; break;
        case 't': out->save_date = (int64_t)rec_u64(&r); break;
        case 's': out->size = rec_u64(&r); break;
        case 'b': out->by_lines = rec_u64(&r); break;
        case 'h': out->head_size = (uint32_t)rec_u64(&r); break;
        case 'r': ref = body_ref_parse(r.field, &out->body); break;
        case 'T': out->thread = rec_u64(&r); break;
        case 'N': out->remarks = r.field; break;
        case 'e': snprintf(out->email_id, sizeof out->email_id, "%.*s", SLF(r.field)); break;
        }
    e = rec_error(&r);
    return e ? e : ref ? err_set(ERR_CORRUPT, "the record of message %u is damaged", uid) : 0;
}

void message_row_record(struct buf *b, const struct message *m)
{
    rec_begin(b, MESSAGE_ROW);
    rec_opt_u64(b, 'm', m->modseq);
    rec_opt_u64(b, 'f', m->flags);
    rec_put_u64(b, 'd', (uint64_t)m->internal_date);
    rec_opt_u64(b, 'z', m->internal_zone ? (uint64_t)(m->internal_zone + ZONE_ZERO) : 0);
    rec_put_u64(b, 't', (uint64_t)m->save_date);
    rec_put_u64(b, 's', m->size);
    rec_opt_u64(b, 'b', m->by_lines);
    rec_opt_u64(b, 'h', m->head_size);
    rec_put(b, 'r', body_ref_slice(&m->body));
    rec_put(b, 'e', sl_cstr(m->email_id));
    rec_opt_u64(b, 'T', m->thread);
    rec_opt(b, 'N', m->remarks);
}

void message_row_put(struct kv_tx *tx, uint32_t box, const struct message *m)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    message_row_record(&b, m);
    kv_tx_put_record(tx, message_row_key(box, m, room), &b);
    buf_free(&b);
}

/* ---- in a transaction ---- */

int account_tx(struct kv_tx *tx, struct account_row *out)
{
    struct slice value;
    int e = kv_tx_get(tx, SL("a"), &value);
    if (e == ERR_NOT_FOUND) return err_set(e, "there is no account %.*s", SLF(sl_from(kv_tx_object(tx), 2)));
    return e ? e : account_row_get(value, out);
}

int box_tx(struct kv_tx *tx, uint32_t id, struct box_row *out)
{
    char room[KEY_ROOM];
    struct slice value;
    int e = kv_tx_get(tx, box_key('b', id, room), &value);
    if (e == ERR_NOT_FOUND) return err_set(e, "there is no such mailbox");
    return e ? e : box_row_get(value, id, out);
}

struct by_name {
    struct kv_tx *tx;
    struct slice name;
    struct box_row *out;
};

static int try_box(void *arg, struct slice key, struct slice value)
{
    struct by_name *f = arg;
    uint64_t id;
    (void)value;
    int e = row_number(key, &id);
    if (e == 0) e = box_tx(f->tx, (uint32_t)id, f->out);
    if (e == ERR_NOT_FOUND) return 0;
    return e ? e : sl_eq(f->out->m.name, f->name);
}

int box_tx_named(struct kv_tx *tx, struct slice name, struct box_row *out)
{
    char from[KEY_ROOM], to[KEY_ROOM];
    uint32_t sum = crc32c(0, name.p, name.n);
    if (sl_eq(name, SL("INBOX"))) return box_tx(tx, INBOX_ID, out);
    struct by_name f = {tx, name, out};
    int e = kv_tx_scan(tx, row_prefix('n', sum, from), row_prefix_end('n', sum, to), try_box, &f);
    return e == 1 ? 0 : e < 0 ? e : err_set(ERR_NOT_FOUND, "there is no mailbox of this name");
}

int account_transact(struct store *s, const char *acc, kv_fn *fn, void *arg)
{
    return account_transact_part(s, acc, 1, fn, arg);
}

int account_transact_part(struct store *s, const char *acc, size_t n, kv_fn *fn, void *arg)
{
    char room[KEY_ROOM];
    struct slice object = account_object(acc, room);
    int e = (n > CHANGE_FEW ? kv_transact_large : kv_transact)(s->kv, object, fn, arg);
    if (e >= 0 || e == ERR_UNKNOWN) kv_notify(s->kv, object); /* it may be done */
    return e;
}

int object_range(struct store *s, struct slice object, struct slice from, struct slice to,
                 int (*each)(void *arg, struct slice key, struct slice value), void *arg)
{
    char next[KEY_ROOM + 1];
    struct kv_page page = {.more = true};
    struct arena a;
    int e = 0;
    ar_init(&a, 0);
    while (e == 0 && page.more) {
        e = fiber_canceled() ? ERR_CANCELED : kv_walk(s->kv, object, from, to, KV_PAGE_MAX, &a, &page);
        for (size_t i = 0; e == 0 && i < page.n; i++) e = each(arg, page.row[i].key, page.row[i].value);
        if (e == 0 && page.n)
            from = sl(next, (size_t)snprintf(next, sizeof next, "%.*s ", SLF(page.row[page.n - 1].key)));
        ar_reset(&a);
        fiber_breathe();
    }
    ar_free(&a);
    return e;
}

int rows_each(struct store *s, const char *acc, struct slice from, struct slice to,
              int (*each)(void *arg, struct slice key, struct slice value), void *arg)
{
    char room[KEY_ROOM];
    return object_range(s, account_object(acc, room), from, to, each, arg);
}

int account_rows_each(const struct account_rows *r, struct slice from, struct slice to, kv_visit *each,
                      void *arg)
{
    return r->tx ? kv_tx_scan(r->tx, from, to, each, arg) : rows_each(r->s, r->acc, from, to, each, arg);
}

/* ---- counting ---- */

/* The index for a new name; MAILBOX_KEYWORDS_MAX when every one has its messages. */
static size_t free_keyword(struct box_row *b)
{
    size_t i = 0;
    if (b->m.nkeywords < MAILBOX_KEYWORDS_MAX) return b->m.nkeywords++;
    while (i < MAILBOX_KEYWORDS_MAX && (b->users[i] || b->taken >> i & 1)) i++;
    b->m.names += i < MAILBOX_KEYWORDS_MAX;
    return i;
}

int box_keyword(struct box_row *b, struct slice name, bool make)
{
    size_t i = 0;
    while (i < b->m.nkeywords && !sl_eqi(b->keyword[i], name)) i++;
    if (i == b->m.nkeywords) {
        i = make ? free_keyword(b) : MAILBOX_KEYWORDS_MAX;
        if (i == MAILBOX_KEYWORDS_MAX) return -1;
        b->keyword[i] = name;
    }
    b->taken |= (uint64_t)1 << i;
    return FLAG_KEYWORD_FIRST + (int)i;
}

static void count_keywords(struct box_row *b, uint64_t flags, uint32_t one)
{
    for (uint64_t left = flags >> FLAG_KEYWORD_FIRST; left; left &= left - 1) {
        uint32_t *users = &b->users[__builtin_ctzll(left)];
        if (*users || one == 1) *users += one;
    }
}

void count_flags(struct box_row *b, uint64_t old, uint64_t now)
{
    if ((old ^ now) & FLAG_SEEN) b->m.unseen += now & FLAG_SEEN ? UINT32_MAX : 1;
    if ((old ^ now) & FLAG_DELETED) b->m.deleted += now & FLAG_DELETED ? 1 : UINT32_MAX;
    count_keywords(b, now & ~old, 1);
    count_keywords(b, old & ~now, UINT32_MAX);
}

void count_message(struct account_row *a, struct box_row *b, const struct message *m, int sign)
{
    uint32_t one = sign > 0 ? 1 : UINT32_MAX;
    b->m.exists += one;
    if (!(m->flags & FLAG_SEEN)) b->m.unseen += one;
    if (m->flags & FLAG_DELETED) b->m.deleted += one;
    count_keywords(b, m->flags, one);
    uint64_t size = m->size + m->remarks.n; /* both are kept for the account's owner */
    if (sign < 0) size = 0 - size;
    b->m.size += size;
    a->bytes += size;
    a->messages += sign > 0 ? 1 : UINT64_MAX;
}
