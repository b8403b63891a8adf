/* journal.c - what changed in an account, by modseq: how views catch up without reading every message, and
 * how whoever follows the whole account hears of it. One row a transaction names each mailbox that it
 * changed. */
#include "mailbox_i.h"

enum { JOURNAL_ROW = 1 };

void leb_put(struct buf *b, uint64_t v)
{
    while (v > 127) {
        buf_char(b, (char)(v | 128));
        v >>= 7;
    }
    buf_char(b, (char)v);
}

bool leb_take(struct slice *s, uint64_t *v)
{
    *v = 0;
    for (size_t i = 0; i < s->n && i < 10; i++) {
        *v |= (uint64_t)(s->p[i] & 127) << 7 * i;
        if (s->p[i] & 128) continue;
        *s = sl_from(*s, i + 1);
        return true;
    }
    return false;
}

/* ---- writing ---- */

void journal_flags(struct journal_box *j, uint32_t uid, uint64_t flags)
{
    leb_put(&j->changes, uid - j->last_changed);
    leb_put(&j->changes, flags);
    j->last_changed = uid;
}

static void gone_end(struct journal_box *j)
{
    if (!j->gone_last) return;
    leb_put(&j->gone, j->gone_first - j->gone_before);
    leb_put(&j->gone, j->gone_last - j->gone_first);
    j->gone_before = j->gone_last;
    j->gone_last = 0;
}

void journal_gone(struct journal_box *j, uint32_t uid)
{
    if (j->gone_last && uid != j->gone_last + 1) gone_end(j);
    if (!j->gone_last) j->gone_first = uid;
    j->gone_last = uid;
}

void journal_added(struct journal_box *j, uint32_t first, uint32_t n)
{
    if (!j->first_added) j->first_added = first;
    j->added += n;
}

static void put_box(struct buf *b, struct journal_box *j)
{
    gone_end(j);
    if (!j->changes.n && !j->gone.n && !j->notes.n && !j->added && !j->kind) return;
    rec_put_u64(b, 'b', j->box);
    rec_opt_u64(b, 'k', j->kind);
    rec_opt_u64(b, 'u', j->first_added);
    rec_opt_u64(b, 'n', j->added);
    rec_opt(b, 'c', buf_slice(&j->changes));
    rec_opt(b, 'x', buf_slice(&j->gone));
    struct slice notes = buf_slice(&j->notes), note;
    while (notes.n && sl_next(&notes, '\n', &note)) rec_put(b, 'A', note);
}

void journal_note(struct journal_box *j, struct slice key)
{
    if (j->notes.n) buf_char(&j->notes, '\n');
    buf_put(&j->notes, key);
}

static struct slice journal_key(uint64_t modseq, char room[KEY_ROOM])
{
    memcpy(room, "j/", 2);
    return sl(room, 2 + hex_digits(room + 2, modseq, 16));
}

void journal_range(uint64_t after, uint64_t upto, struct journal_keys *out)
{
    out->from = journal_key(after + 1, out->room[0]);
    out->to = journal_key(upto + 1, out->room[1]);
}

static void prune(struct kv_tx *tx, struct account_row *a)
{
    struct journal_keys keys;
    if (a->modseq - a->journal_floor <= JOURNAL_MAX + JOURNAL_PRUNE) return;
    journal_range(a->journal_floor, a->modseq - JOURNAL_MAX, &keys);
    kv_tx_erase(tx, keys.from, keys.to);
    a->journal_floor = a->modseq - JOURNAL_MAX;
}

void journal_put(struct kv_tx *tx, struct account_row *a, struct journal_box *j, size_t n)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    rec_begin(&b, JOURNAL_ROW);
    size_t empty = b.n;
    for (size_t i = 0; i < n; i++) put_box(&b, &j[i]);
    if (b.n != empty) kv_tx_put_record(tx, journal_key(a->modseq, room), &b);
    buf_free(&b);
    prune(tx, a);
}

void journal_free(struct journal_box *j)
{
    buf_free(&j->changes);
    buf_free(&j->gone);
    buf_free(&j->notes);
    *j = (struct journal_box){.box = j->box};
}

/* ---- reading ---- */

int journal_open(struct slice value, struct journal_reader *out)
{
    *out = (struct journal_reader){0};
    int e = rec_open(&out->rec, value, JOURNAL_ROW);
    if (e) return e;
    while (rec_next(&out->rec)) {
    }
    e = rec_error(&out->rec);
    return e ? e : rec_open(&out->rec, value, JOURNAL_ROW);
}

bool journal_next_box(struct journal_reader *r)
{
    struct slice at = r->rec.rest;
    bool begun = false;
    r->changes = r->gone = (struct slice){0};
    r->notes = 0;
    r->changed_uid = r->gone_uid = r->gone_more = r->box = r->first_added = r->added = 0;
    r->kind = 0;
    for (; rec_next(&r->rec); at = r->rec.rest) {
        if (r->rec.tag == 'b' && begun) break;
        switch (r->rec.tag) {
        case 'b':
            begun = true;
            r->box = (uint32_t)rec_u64(&r->rec);
            break;
        case 'k': r->kind = (enum journal_kind)rec_u64(&r->rec); break;
        case 'u': r->first_added = (uint32_t)rec_u64(&r->rec); break;
        case 'n': r->added = (uint32_t)rec_u64(&r->rec); break;
        case 'c': r->changes = r->rec.field; break;
        case 'x': r->gone = r->rec.field; break;
        case 'A':
            if (r->notes < JOURNAL_NOTES_MAX) r->note[r->notes++] = r->rec.field;
            break;
        }
    }
    r->rec.rest = at; /* the next one begins there */
    return begun;
}

bool journal_next_flags(struct journal_reader *r, uint32_t *uid, uint64_t *flags)
{
    uint64_t step;
    if (!leb_take(&r->changes, &step) || !leb_take(&r->changes, flags)) return false;
    *uid = r->changed_uid += (uint32_t)step;
    return true;
}

bool journal_next_gone(struct journal_reader *r, uint32_t *uid)
{
    uint64_t step, more;
    if (r->gone_more) {
        r->gone_more--;
        *uid = ++r->gone_uid;
        return true;
    }
    if (!leb_take(&r->gone, &step) || !leb_take(&r->gone, &more) || more >= CHANGE_MAX) return false;
    *uid = r->gone_uid += (uint32_t)step;
    r->gone_more = (uint32_t)more;
    return true;
}
