/* image.c - the stored image of a mailbox: its roll, packed, a row a page. Opening a mailbox reads it and the
 * journal since then, not a row for each message.
 *
 * Rows i/<box>/<part>: m modseq, d for each message LEB128 of the step to its uid, its flags, and the
 * distance of its modseq below m. Row i/<box>/head: m, v, u of the mailbox as of the image, n messages, p
 * parts: it stands for the whole. While more parts are written than fit into one transaction there is only
 * its w, by which their writer finds his work again. */
#include <stdlib.h>

#include "mailbox_i.h"

enum { IMAGE_ROW = 1, STEP_PARTS = 40, PART_DIGITS = 6, LOAD_PARTS = 100 };

struct image {
    uint64_t modseq, count, parts, writer;
    uint32_t uidvalidity, uidnext;
    struct slice data;
};

static int image_row(struct slice value, struct image *out)
{
    struct rec r;
    int e = rec_open(&r, value, IMAGE_ROW);
    if (e) return e;
    *out = (struct image){0};
    while (rec_next(&r)) switch (r.tag) {
        case 'm': out->modseq = rec_u64(&r); break;
        case 'v': out->uidvalidity = (uint32_t)rec_u64(&r); break;
        case 'u': out->uidnext = (uint32_t)rec_u64(&r); break;
        case 'n': out->count = rec_u64(&r); break;
        case 'p': out->parts = rec_u64(&r); break;
        case 'w': out->writer = rec_u64(&r); break;
        case 'd': out->data = r.field; break;
        }
    return rec_error(&r);
}

static struct slice head_key(uint32_t box, char room[KEY_ROOM])
{
    size_t n = row_prefix('i', box, room).n;
    memcpy(room + n, "head", 4);
    return sl(room, n + 4);
}

static struct slice part_key(uint32_t box, uint32_t number, char room[KEY_ROOM])
{
    return row_key('i', box, number, PART_DIGITS, room);
}

/* ---- loading ---- */

/* Most numbers have one byte. */
static inline bool take(struct slice *s, uint64_t *v)
{
    if (!s->n || s->p[0] & 128) return leb_take(s, v);
    *v = (uint8_t)s->p[0];
    s->p++, s->n--;
    return true;
}

/* False when the part is damaged. */
static bool unpack(struct roll *r, uint32_t number, const struct image *part)
{
    struct slice data = part->data;
    uint64_t step, flags, below, uid = (uint64_t)number * ROLL_PAGE;
    uint32_t n = data.n / 3 < ROLL_PAGE ? (uint32_t)(data.n / 3) : ROLL_PAGE;
    struct roll_page *p = roll_add_page(r, number, n);
    while (data.n) {
        if (p->n == n || !take(&data, &step) || !take(&data, &flags) || !take(&data, &below)) return false;
        uid += step;
        if ((!step && p->n) || uid >= r->uidnext || uid / ROLL_PAGE != number || below > part->modseq)
            return false;
        p->m[p->n++] =
            (struct roll_msg){.uid = (uint32_t)uid, .flags = flags, .modseq = part->modseq - below};
        p->flags |= flags;
    }
    r->n += p->n;
    return p->n > 0;
}

/* A mailbox that did not change since needs no journal. */
static bool fits(const struct image *i, const struct box_row *b, uint64_t journal_floor)
{
    return !i->writer && i->uidvalidity == b->m.uidvalidity && i->modseq <= b->m.modseq &&
           (i->modseq == b->m.modseq || i->modseq >= journal_floor) && i->uidnext <= b->m.uidnext &&
           i->count < i->uidnext;
}

/* Rows of parts, page by page; false when one is damaged. */
static int load_parts(struct store *s, struct mailbox_ref box, struct roll *r, bool *good)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct arena a;
    struct kv_page page = {.more = true};
    struct image part;
    uint64_t number = 0;
    struct slice first = part_key(box.box, 0, from);
    int e = 0;
    ar_init(&a, 0);
    while (e == 0 && *good && page.more) {
        e = kv_scan_on(s->kv, account_object(box.account, room), first, head_key(box.box, to), LOAD_PARTS, &a,
                       &page);
        for (size_t i = 0; e == 0 && *good && i < page.n; i++)
            *good = row_number(page.row[i].key, &number) == 0 && number <= UINT32_MAX / ROLL_PAGE &&
                    image_row(page.row[i].value, &part) == 0 && unpack(r, (uint32_t)number, &part);
        first = part_key(box.box, (uint32_t)number + 1, from);
        ar_reset(&a);
        fiber_breathe();
    }
    ar_free(&a);
    return e;
}

/* The row that stands for the whole; *good false: there is none to be used. */
static int load_head(struct store *s, struct mailbox_ref box, struct image *out, bool *good)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct arena a;
    struct slice value;
    ar_init(&a, 0);
    int e = kv_get(s->kv, account_object(box.account, room), head_key(box.box, key), &a, &value);
    *good = e == 0 && image_row(value, out) == 0;
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int image_load(struct store *s, const char *acc, const struct box_row *b, uint64_t journal_floor,
               struct roll **out)
{
    const struct mailbox_ref box = {.account = acc, .box = b->m.id};
    struct image head, after;
    bool good;
    *out = NULL;
    int e = load_head(s, box, &head, &good);
    if (e || !good || !fits(&head, b, journal_floor)) return e;
    struct roll *r = roll_new();
    r->modseq = head.modseq;
    r->uidvalidity = head.uidvalidity;
    r->uidnext = head.uidnext;
    e = load_parts(s, box, r, &good);
    good = good && r->n == head.count && r->npages == head.parts;
    bool still = good;
    if (e == 0 && good) e = load_head(s, box, &after, &still); /* written to meanwhile? */
    if (e == 0 && good && still && after.modseq == head.modseq && !after.writer) *out = roll_ref(r);
    roll_unref(&r); /* what is no good can be made anew from the messages */
    return e;
}

/* ---- saving ---- */

struct save {
    struct roll *r;
    uint32_t box;
    uint64_t base, writer; /* the image it goes out from; 0: none */
    bool first, last;      /* step */
    bool stop;             /* somebody else keeps a newer one */
    size_t from, to;       /* pages of this step */
};

static void put_part(struct kv_tx *tx, const struct save *s, const struct roll_page *p)
{
    char room[KEY_ROOM];
    uint64_t modseq = s->r->modseq;
    uint32_t last = p->number * ROLL_PAGE;
    struct buf b = BUF_INIT, data = BUF_INIT;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct roll_msg *m = &p->m[i];
        leb_put(&data, m->uid - last);
        leb_put(&data, m->flags);
        leb_put(&data, modseq > m->modseq ? modseq - m->modseq : 0);
        last = m->uid;
    }
    rec_begin(&b, IMAGE_ROW);
    rec_put_u64(&b, 'm', modseq);
    rec_put(&b, 'd', buf_slice(&data));
    kv_tx_put_record(tx, part_key(s->box, p->number, room), &b);
    buf_free(&data);
    buf_free(&b);
}

static void put_head(struct kv_tx *tx, const struct save *s)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    size_t parts = 0;
    for (size_t i = 0; i < s->r->npages; i++) parts += s->r->page[i].page->n > 0;
    rec_begin(&b, IMAGE_ROW);
    if (s->last) {
        rec_put_u64(&b, 'm', s->r->modseq);
        rec_put_u64(&b, 'v', s->r->uidvalidity);
        rec_put_u64(&b, 'u', s->r->uidnext);
        rec_opt_u64(&b, 'n', s->r->n);
        rec_opt_u64(&b, 'p', parts);
    } else {
        rec_put_u64(&b, 'w', s->writer);
    }
    kv_tx_put_record(tx, head_key(s->box, room), &b);
    buf_free(&b);
}

/* May this step be done? The first one looks whether the image is the one that clean pages are of, or begins
 * anew; the others whether nobody else has begun since. */
static int look_at_head(struct kv_tx *tx, struct save *s)
{
    char room[KEY_ROOM], to[KEY_ROOM];
    struct box_row b;
    struct image head = {0};
    struct slice value;
    int e = box_tx(tx, s->box, &b);
    if (e) return e;
    e = kv_tx_get(tx, head_key(s->box, room), &value);
    bool there = e == 0 && image_row(value, &head) == 0;
    if (e && e != ERR_NOT_FOUND) return e;
    s->stop = s->first ? there && !head.writer && head.modseq >= s->r->modseq : head.writer != s->writer;
    if (s->stop || !s->first) return 0;
    if (s->base && (!there || head.writer || head.modseq != s->base)) s->stop = true;
    if (!s->base) kv_tx_erase(tx, row_prefix('i', s->box, room), row_prefix_end('i', s->box, to));
    return 0;
}

static int save_step(struct kv_tx *tx, void *arg)
{
    struct save *s = arg;
    char room[KEY_ROOM];
    int e = look_at_head(tx, s);
    if (e || s->stop) return e;
    for (size_t i = s->from; i < s->to; i++) {
        const struct roll_page *p = s->r->page[i].page;
        if (s->base && !p->dirty) continue;
        if (p->n) put_part(tx, s, p);
        else kv_tx_del(tx, part_key(s->box, p->number, room));
    }
    put_head(tx, s);
    return 0;
}

/* The end of a step that begins at page `from`. */
static size_t step_end(const struct save *s, size_t from)
{
    size_t parts = 0;
    for (; from < s->r->npages && parts < STEP_PARTS; from++)
        parts += !s->base || s->r->page[from].page->dirty;
    return from;
}

int image_save(struct store *store, const char *acc, uint32_t box, struct roll *r, uint64_t base)
{
    char room[KEY_ROOM];
    struct save s = {.r = roll_ref(r), .box = box, .base = base, .first = true};
    int e = 0;
    rt_random(&s.writer, sizeof s.writer);
    s.writer |= 1;
    while (e == 0 && !s.last && !s.stop) {
        s.from = s.to;
        s.to = step_end(&s, s.from);
        s.last = s.to == r->npages;
        e = kv_transact_large(store->kv, account_object(acc, room), save_step, &s);
        s.first = false;
    }
    bool kept = e == 0 && !s.stop;
    for (size_t i = 0; kept && i < r->npages; i++) r->page[i].page->dirty = false;
    roll_unref(&s.r);
    return kept ? 0 : e ? e : ERR_BUSY;
}
