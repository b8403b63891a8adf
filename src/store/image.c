/* image.c - the stored image of a mailbox: uid, flags and modseq of each message, packed, as of
 * one modseq. Opening a mailbox reads it and the journal since then, not a row for each message.
 *
 * Rows i/<box>/<part>, each a record: m modseq, v uidvalidity, u uidnext, n messages, p parts
 * (in part 0), d data: for each message LEB128 of the step to its uid, its flags, and the
 * distance of its modseq below m. */
#include <stdlib.h>

#include "mailbox_i.h"

enum { IMAGE_ROW = 1, PART_BYTES = 60000, PARTS_MAX = 60 };

struct view_msg *view_add(struct view *v)
{
    if (v->n == v->size) {
        v->size = v->size ? 2 * v->size : 64;
        v->msg = xrealloc(v->msg, v->size * sizeof *v->msg);
    }
    return memset(&v->msg[v->n++], 0, sizeof *v->msg);
}

struct image {
    uint64_t modseq, count, parts;
    uint32_t uidvalidity, uidnext;
    struct slice data;
};

static int image_row(struct slice value, struct image *out)
{
    struct rec r;
    int rc = rec_open(&r, value, IMAGE_ROW);
    if (rc) return rc;
    *out = (struct image){0};
    while (rec_next(&r)) switch (r.tag) {
        case 'm': out->modseq = rec_u64(&r); break;
        case 'v': out->uidvalidity = (uint32_t)rec_u64(&r); break;
        case 'u': out->uidnext = (uint32_t)rec_u64(&r); break;
        case 'n': out->count = rec_u64(&r); break;
        case 'p': out->parts = rec_u64(&r); break;
        case 'd': out->data = r.field; break;
        }
    return rec_error(&r);
}

/* Most numbers have one byte. */
static inline bool take(struct slice *s, uint64_t *v)
{
    if (!s->n || s->p[0] & 128) return leb_take(s, v);
    *v = (uint8_t)s->p[0];
    s->p++, s->n--;
    return true;
}

/* False when the data is damaged. The view has room for all of them. */
static bool unpack(struct view *v, struct slice data, const struct image *image)
{
    uint64_t step, flags, below;
    uint64_t uid = v->n ? v->msg[v->n - 1].uid : 0;
    while (data.n) {
        if (v->n == image->count || !take(&data, &step) || !take(&data, &flags) || !take(&data, &below))
            return false;
        uid += step;
        if (!step || uid >= image->uidnext || below > image->modseq) return false;
        v->msg[v->n++] =
            (struct view_msg){.uid = (uint32_t)uid, .flags = flags, .modseq = image->modseq - below};
    }
    return true;
}

static void make_room(struct view *v, size_t count)
{
    v->size = count + 64;
    v->msg = xrealloc(v->msg, v->size * sizeof *v->msg);
}

static bool fits(const struct image *i, const struct box_row *b)
{
    return i->uidvalidity == b->m.uidvalidity && i->modseq <= b->m.modseq && i->modseq >= b->journal_floor &&
           i->uidnext <= b->m.uidnext && i->count < i->uidnext;
}

int image_load(struct view *v, const struct box_row *b, bool *found)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct arena a;
    struct kv_page page;
    struct image first = {0}, part;
    ar_init(&a, 0);
    *found = false;
    int rc = kv_scan(v->store->kv, account_object(v->acc, room), row_prefix('i', b->m.id, from),
                     row_prefix_end('i', b->m.id, to), KV_PAGE_MAX, &a, &page);
    bool good = rc == 0 && page.n && image_row(page.row[0].value, &first) == 0 && first.parts == page.n &&
                fits(&first, b);
    if (good) make_room(v, (size_t)first.count);
    for (size_t i = 0; good && i < page.n; i++)
        good = image_row(page.row[i].value, &part) == 0 && part.modseq == first.modseq &&
               unpack(v, part.data, &first);
    ar_free(&a);
    *found = good && v->n == first.count;
    if (!*found) v->n = 0; /* it can be made anew from the messages */
    if (*found) v->modseq = first.modseq, v->uidnext = first.uidnext;
    return rc;
}

/* ---- saving ---- */

struct save {
    const struct view *v;
    struct buf data[PARTS_MAX];
    size_t parts;
    uint64_t count;
};

static int pack(struct save *s)
{
    const struct view *v = s->v;
    uint32_t last = 0;
    for (size_t i = 0; i < v->n; i++) {
        const struct view_msg *m = &v->msg[i];
        if (m->gone) continue;
        if (!s->parts || s->data[s->parts - 1].n > PART_BYTES) {
            if (s->parts == PARTS_MAX) return ERR_TOO_LONG;
            s->parts++;
        }
        struct buf *b = &s->data[s->parts - 1];
        leb_put(b, m->uid - last);
        leb_put(b, m->flags);
        leb_put(b, v->modseq > m->modseq ? v->modseq - m->modseq : 0);
        last = m->uid;
        s->count++;
    }
    if (!s->parts) s->parts = 1;
    return 0;
}

static int delete_row(void *arg, struct slice key, struct slice value)
{
    (void)value;
    kv_tx_del(arg, key);
    return 0;
}

static void put_part(struct kv_tx *tx, const struct save *s, size_t i)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    rec_begin(&b, IMAGE_ROW);
    rec_put_u64(&b, 'm', s->v->modseq);
    rec_put_u64(&b, 'v', s->v->uidvalidity);
    rec_put_u64(&b, 'u', s->v->uidnext);
    if (i == 0) rec_put_u64(&b, 'n', s->count);
    if (i == 0) rec_put_u64(&b, 'p', s->parts);
    rec_put(&b, 'd', buf_slice(&s->data[i]));
    kv_tx_put_record(tx, row_key('i', s->v->box, i, 4, room), &b);
    buf_free(&b);
}

static int save(struct kv_tx *tx, void *arg)
{
    struct save *s = arg;
    struct box_row b;
    struct image old;
    struct slice value;
    char from[KEY_ROOM], to[KEY_ROOM];
    int rc = box_tx(tx, s->v->box, &b);
    if (rc) return rc;
    bool newer = kv_tx_get(tx, row_key('i', s->v->box, 0, 4, from), &value) == 0 &&
                 image_row(value, &old) == 0 && old.uidvalidity == s->v->uidvalidity &&
                 old.modseq >= s->v->modseq;
    if (newer || b.m.uidvalidity != s->v->uidvalidity) return 0;
    rc = kv_tx_scan(tx, row_prefix('i', s->v->box, from), row_prefix_end('i', s->v->box, to), delete_row, tx);
    for (size_t i = 0; rc == 0 && i < s->parts; i++) put_part(tx, s, i);
    return rc;
}

int image_save(const struct view *v)
{
    char room[KEY_ROOM];
    struct save *s = xcalloc(1, sizeof *s);
    s->v = v;
    int rc = pack(s);
    if (rc == 0) rc = kv_transact(v->store->kv, account_object(v->acc, room), save, s);
    for (size_t i = 0; i < s->parts; i++) buf_free(&s->data[i]);
    free(s);
    return rc;
}
