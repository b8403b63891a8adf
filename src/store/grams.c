/* grams.c - the object f:ACCOUNT: rows BOX/PART/KIND-BUCKET/PIECE hold grams, BOX/PART says that all of them
 * are there. A gram, 3 bytes, is spread by a multiplication that loses nothing; its upper 8 bits are the
 * bucket. */
#include "grams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "mailbox_i.h"

enum {
    VERSION = 1, /* of what is gathered (reader/grams.c, mail/charset.c) and how: other parts are made anew */
    BUCKETS = 256,
    PAIRS_MAX = 6000000, /* of a part, */
    BUCKET_MAX = 200000, /* and of a bucket, which has at most 36 pieces then */
    PIECE_MAX = 40000,   /* bytes */
    ASKED_MAX = 8,       /* grams of a text that are looked for */
    DENSE = 100,         /* more messages than these are told by bits */
    PLACE_BITS = 10,
    PIECES_MAX = 64,
    WRITE_MOST = 60000 /* bytes of one transaction, but for the last bucket's */
};

static uint32_t spread(const char *p)
{
    uint32_t gram =
        (uint32_t)(unsigned char)p[0] << 16 | (uint32_t)(unsigned char)p[1] << 8 | (unsigned char)p[2];
    return gram * 0x9e3779b1u & 0xffffff;
}

static struct slice object_of(const char *acc, char room[KEY_ROOM])
{
    return sl(room, (size_t)snprintf(room, KEY_ROOM, "f:%s", acc));
}

static struct slice part_key(uint32_t box, uint32_t part, char room[KEY_ROOM])
{
    return sl(room, (size_t)snprintf(room, KEY_ROOM, "%08x/%06x", box, part));
}

/* "0000000a/000003/1-ff" */
static struct slice bucket_key(uint32_t box, uint32_t part, unsigned kind, unsigned bucket,
                               char room[KEY_ROOM])
{
    return sl(room, (size_t)snprintf(room, KEY_ROOM, "%08x/%06x/%u-%02x", box, part, kind, bucket));
}

static void set_bit(uint8_t *bits, unsigned place) { bits[place / 8] |= (uint8_t)(1u << place % 8); }

/* ---- gathering ---- */

struct pairs { /* rest of the gram, place */
    uint32_t *v;
    size_t n, cap;
};
struct grams {
    struct pairs bucket[GRAMS_KINDS][BUCKETS];
    size_t pairs;
    uint8_t unsure[GRAMS_BITS];
    uint64_t *seen; /* grams of the text at hand, and which they are */
    struct pairs list;
    unsigned place, known;
    enum grams_kind kind;
};

struct grams *grams_begin(void)
{
    struct grams *g = xcalloc(1, sizeof *g);
    g->seen = xcalloc((1u << 24) / 64, sizeof *g->seen);
    g->known = GRAMS_PART;
    return g;
}

void grams_free(struct grams **p)
{
    struct grams *g = *p;
    *p = NULL;
    if (!g) return;
    for (size_t k = 0; k < GRAMS_KINDS; k++)
        for (size_t b = 0; b < BUCKETS; b++) free(g->bucket[k][b].v);
    free(g->list.v);
    free(g->seen);
    free(g);
}

static void push(struct pairs *p, uint32_t v)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap + p->cap / 2 : 64;
        p->v = xrealloc(p->v, p->cap * sizeof *p->v);
    }
    p->v[p->n++] = v;
}

/* Each gram of a message counts once. */
static void forget_seen(struct grams *g)
{
    for (size_t i = 0; i < g->list.n; i++) g->seen[g->list.v[i] / 64] = 0;
    g->list.n = 0;
}

void grams_add(struct grams *g, unsigned place, enum grams_kind kind, struct slice folded)
{
    if (place != g->place || kind != g->kind) forget_seen(g);
    g->place = place;
    g->kind = kind;
    for (size_t i = 0; i + 3 <= folded.n; i++) {
        uint32_t x = spread(folded.p + i);
        uint64_t bit = (uint64_t)1 << x % 64;
        if (g->seen[x / 64] & bit) continue;
        struct pairs *to = &g->bucket[kind][x >> 16];
        if (g->pairs == PAIRS_MAX || to->n == BUCKET_MAX) {
            grams_unsure(g, place);
            return;
        }
        g->seen[x / 64] |= bit;
        push(&g->list, x);
        push(to, (x & 0xffff) << PLACE_BITS | place);
        g->pairs++;
    }
}

void grams_unsure(struct grams *g, unsigned place) { set_bit(g->unsure, place); }

void grams_known(struct grams *g, unsigned n)
{
    g->known = n;
    for (; n < GRAMS_PART; n++) grams_unsure(g, n);
}

/* ---- a bucket as bytes ----
 * For each gram in order: step from the one before, number of messages (0: 128 bytes of bits follow), steps
 * of their places. A step is a run of bytes 255 and a last one below, which add up. */

static void put_step(struct buf *b, uint32_t d)
{
    for (; d >= 255; d -= 255) buf_char(b, (char)255);
    buf_char(b, (char)d);
}

static bool take_step(struct slice *s, uint32_t *d)
{
    for (*d = 0; s->n && *d < 1u << 20;) {
        unsigned char c = (unsigned char)s->p[0];
        *s = sl_from(*s, 1);
        *d += c;
        if (c < 255) return true;
    }
    return false;
}

static void put_places(struct buf *b, const uint32_t *v, size_t n)
{
    uint8_t bits[GRAMS_BITS] = {0};
    uint32_t before = 0, mask = GRAMS_PART - 1;
    buf_char(b, n > DENSE ? 0 : (char)n);
    for (size_t i = 0; i < n; i++) {
        if (n > DENSE) set_bit(bits, v[i] & mask);
        else put_step(b, (v[i] & mask) - before);
        before = v[i] & mask;
    }
    if (n > DENSE) buf_bytes(b, bits, sizeof bits);
}

/* The places of the next gram; false: the bytes are damaged. */
static bool take_places(struct slice *s, uint8_t bits[GRAMS_BITS])
{
    uint32_t at = 0, d;
    if (!s->n) return false;
    unsigned n = (unsigned char)s->p[0];
    *s = sl_from(*s, 1);
    memset(bits, 0, GRAMS_BITS);
    if (!n && s->n >= GRAMS_BITS) {
        memcpy(bits, s->p, GRAMS_BITS);
        *s = sl_from(*s, GRAMS_BITS);
        return true;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!take_step(s, &d) || (at += d) >= GRAMS_PART) return false;
        set_bit(bits, at);
    }
    return n > 0;
}

/* Which messages have the gram, by one piece; *found: it is there. */
static int look_into(struct slice s, uint32_t rest, uint8_t bits[GRAMS_BITS], bool *found)
{
    uint32_t at = 0, d;
    for (bool first = true; s.n; first = false) {
        if (!take_step(&s, &d) || (!d && !first) || (at += d) > 0xffff || !take_places(&s, bits))
            return err_set(ERR_CORRUPT, "a piece of the text index is damaged");
        *found = at == rest;
        if (at >= rest) return 0;
    }
    return 0;
}

/* ---- writing ---- */

struct piece {
    unsigned kind, bucket, number;
    struct buf bytes;
};
struct writing {
    struct store *s;
    const char *account;
    uint32_t box, part;
    struct piece piece[PIECES_MAX + PIECES_MAX]; /* of one transaction */
    size_t n, bytes;
    const struct grams *g;
    uint32_t uidvalidity;
    uint64_t made;
};

static int by_value(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static int write_pieces(struct kv_tx *tx, void *arg)
{
    struct writing *w = arg;
    struct buf b = BUF_INIT;
    char key[KEY_ROOM];
    for (size_t i = 0; i < w->n; i++) {
        const struct piece *p = &w->piece[i];
        size_t n = bucket_key(w->box, w->part, p->kind, p->bucket, key).n;
        rec_begin(&b, 1);
        rec_put(&b, 'g', buf_slice(&p->bytes));
        int more = snprintf(key + n, sizeof key - n, "/%02x", p->number);
        kv_tx_put_record(tx, sl(key, n + (size_t)more), &b);
    }
    buf_free(&b);
    return 0;
}

static int write_gathered(struct writing *w)
{
    char room[KEY_ROOM];
    int e = w->n ? kv_transact_large(w->s->kv, object_of(w->account, room), write_pieces, w) : 0;
    for (size_t i = 0; i < w->n; i++) buf_free(&w->piece[i].bytes);
    w->n = w->bytes = 0;
    return e;
}

static struct piece *next_piece(struct writing *w, unsigned kind, unsigned bucket, unsigned number)
{
    ASSERT(w->n < COUNT_OF(w->piece));
    struct piece *p = &w->piece[w->n++];
    *p = (struct piece){kind, bucket, number, BUF_INIT};
    return p;
}

static void cut_pieces(struct writing *w, unsigned kind, unsigned bucket, struct pairs *p)
{
    uint32_t before = 0;
    struct piece *to = next_piece(w, kind, bucket, 0);
    qsort(p->v, p->n, sizeof *p->v, by_value);
    for (size_t i = 0, end; i < p->n; i = end) {
        uint32_t rest = p->v[i] >> PLACE_BITS;
        for (end = i + 1; end < p->n && p->v[end] >> PLACE_BITS == rest; end++) {
        }
        if (to->bytes.n > PIECE_MAX) {
            w->bytes += to->bytes.n;
            to = next_piece(w, kind, bucket, to->number + 1);
            before = 0;
        }
        put_step(&to->bytes, rest - before);
        put_places(&to->bytes, p->v + i, end - i);
        before = rest;
    }
    w->bytes += to->bytes.n;
}

/* A mailbox of a few messages has little in each bucket: some of them go in one transaction. */
static int write_bucket(struct writing *w, unsigned kind, unsigned bucket, struct pairs *p)
{
    if (!p->n) return 0;
    cut_pieces(w, kind, bucket, p);
    free(p->v);
    *p = (struct pairs){0};
    fiber_breathe();
    return w->bytes > WRITE_MOST || w->n >= PIECES_MAX ? write_gathered(w) : 0;
}

static int write_head(struct kv_tx *tx, void *arg)
{
    struct writing *w = arg;
    struct buf b = BUF_INIT;
    char room[KEY_ROOM];
    rec_begin(&b, 1);
    rec_put_u64(&b, 'v', VERSION);
    rec_put_u64(&b, 'u', w->uidvalidity);
    rec_put(&b, 'x', sl((const char *)w->g->unsure, GRAMS_BITS));
    rec_put_u64(&b, 'n', w->g->known);
    rec_put_u64(&b, 'w', w->made);
    kv_tx_put_record(tx, part_key(w->box, w->part, room), &b);
    buf_free(&b);
    return 0;
}

static int box_validity(struct store *s, struct mailbox_ref box, uint32_t *out)
{
    struct arena a;
    struct mailbox m;
    ar_init(&a, 0);
    int e = mailbox_get(s, box.account, box.box, &a, &m);
    if (e == 0) *out = m.uidvalidity;
    ar_free(&a);
    return e;
}

static int write_part(struct writing *w, struct grams *g)
{
    char room[KEY_ROOM];
    int e = 0;
    for (unsigned k = 0; k < GRAMS_KINDS * BUCKETS && e == 0; k++)
        e = write_bucket(w, k / BUCKETS, k % BUCKETS, &g->bucket[k / BUCKETS][k % BUCKETS]);
    int last = write_gathered(w);
    if (e == 0) e = last;
    return e ? e : kv_transact(w->s->kv, object_of(w->account, room), write_head, w);
}

int grams_write(struct grams *g, struct store *s, struct mailbox_ref box, uint32_t part)
{
    struct writing *w = xcalloc(1, sizeof *w);
    *w = (struct writing){.s = s, .account = box.account, .box = box.box, .part = part, .g = g};
    rt_random(&w->made, sizeof w->made);
    int e = box_validity(s, box, &w->uidvalidity);
    if (e == 0) e = grams_erase(s, box, part);
    if (e == 0) e = write_part(w, g);
    if (e == 0)
        e = box_validity(s, box, &w->uidvalidity); /* who deleted it meanwhile found nothing to erase */
    if (e == ERR_NOT_FOUND && grams_erase(s, box, UINT32_MAX) == 0) e = ERR_NOT_FOUND;
    free(w);
    return e;
}

int grams_erase(struct store *s, struct mailbox_ref box, uint32_t part)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    if (part == UINT32_MAX) {
        snprintf(from, sizeof from, "%08x/", box.box);
        snprintf(to, sizeof to, "%08x0", box.box);
    } else {
        part_key(box.box, part, from);
        part_key(box.box, part + 1, to);
    }
    return kv_erase(s->kv, object_of(box.account, room), sl_cstr(from), sl_cstr(to));
}

/* ---- asking ---- */

static int state_get(struct slice value, uint32_t validity, struct grams_state *out)
{
    struct slice bits = SL("");
    struct rec r;
    uint64_t version = 0, of = 0;
    *out = (struct grams_state){.known = GRAMS_PART};
    int e = rec_open(&r, value, 1);
    while (e == 0 && rec_next(&r)) {
        if (r.tag == 'v') version = rec_u64(&r);
        else if (r.tag == 'u') of = rec_u64(&r);
        else if (r.tag == 'x') bits = r.field;
        else if (r.tag == 'n') out->known = (unsigned)rec_u64(&r);
        else if (r.tag == 'w') out->made = rec_u64(&r);
    }
    if (e == 0) e = rec_error(&r);
    if (e || version != VERSION || of != validity || bits.n != GRAMS_BITS)
        return err_set(ERR_NOT_FOUND, "the part of the text index is not as it is made now");
    memcpy(out->unsure, bits.p, GRAMS_BITS);
    return 0;
}

int grams_there(struct store *s, struct mailbox_ref box, uint32_t part, struct grams_state *out)
{
    struct arena a;
    struct slice value;
    uint32_t validity;
    char room[KEY_ROOM], key[KEY_ROOM];
    ar_init(&a, 0);
    int e = kv_get(s->kv, object_of(box.account, room), part_key(box.box, part, key), &a, &value);
    if (e == 0) e = box_validity(s, box, &validity);
    if (e == 0) e = state_get(value, validity, out);
    ar_free(&a);
    return e;
}

static int find_gram(struct store *s, struct mailbox_ref box, uint32_t part, enum grams_kind kind, uint32_t x,
                     uint8_t bits[GRAMS_BITS])
{
    struct arena a;
    struct kv_page page;
    bool found = false;
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct slice prefix = bucket_key(box.box, part, kind, x >> 16, from);
    memcpy(to, from, prefix.n);
    from[prefix.n] = '/';
    to[prefix.n] = '0';
    ar_init(&a, 0);
    int e = kv_scan(s->kv, object_of(box.account, room), sl(from, prefix.n + 1), sl(to, prefix.n + 1),
                    PIECES_MAX, &a, &page);
    for (size_t i = 0; e == 0 && i < page.n && !found; i++) {
        struct rec r;
        struct slice piece = SL("");
        e = rec_open(&r, page.row[i].value, 1);
        while (e == 0 && rec_next(&r))
            if (r.tag == 'g') piece = r.field;
        if (e == 0) e = rec_error(&r);
        if (e == 0) e = look_into(piece, x & 0xffff, bits, &found);
    }
    if (!found) memset(bits, 0, GRAMS_BITS);
    ar_free(&a);
    return e;
}

int grams_narrow(struct store *s, struct mailbox_ref box, uint32_t part, enum grams_kind kind,
                 struct slice folded, uint8_t maybe[GRAMS_BITS])
{
    uint8_t bits[GRAMS_BITS];
    size_t n = folded.n - 2, asked = n < ASKED_MAX ? n : ASKED_MAX;
    int e = 0;
    for (size_t i = 0; i < asked && e == 0; i++) {
        size_t at = asked > 1 ? i * (n - 1) / (asked - 1) : 0;
        e = find_gram(s, box, part, kind, spread(folded.p + at), bits);
        for (size_t k = 0; k < GRAMS_BITS && e == 0; k++) maybe[k] &= bits[k];
    }
    return e;
}
