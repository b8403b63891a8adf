/* rescue_account.c - an account made again from its image.
 *
 * Twice through the image: first the mailboxes, ranges and highest numbers, then the rows. UIDNEXT, MODSEQ
 * and the numbers of mailboxes jump, so that what clients were told after the image means nothing else now;
 * each message gets the new MODSEQ, for its flags may be older than a client knows. Counters are counted.
 * Nobody sees the account before its row is there, which is put last. */
#include "rescue_i.h"

#include <stdio.h>
#include <stdlib.h>

enum { PUT_MAX = 500, PUT_BYTES = 1 << 20 };
static const uint64_t a_day = 86400ull * 1000000;

struct box_seen {
    uint32_t id;
    struct slice value;
    uint32_t uid; /* highest */
    struct box_row row;
};

struct restoring {
    struct rescue *r;
    struct rescue_account *acc;
    struct arena a;
    struct map boxes;  /* 4 bytes of a mailbox -> struct box_seen */
    struct map ranges; /* 4 bytes of a mailbox and 8 of a batch -> struct batch_range */
    struct account_row row;
    uint64_t modseq;
    uint64_t stamp;
    struct buf rows; /* that wait to be put */
    size_t nrows;
};

/* ---- putting ---- */

static int put_rows(struct kv_tx *tx, void *arg)
{
    struct slice rows = *(struct slice *)arg, key, value;
    while (rows_take(&rows, &key, &value)) kv_tx_put(tx, key, value);
    return 0;
}

static int put_waiting(struct restoring *x)
{
    char room[KEY_ROOM];
    struct slice rows = buf_slice(&x->rows);
    int e = x->nrows ? kv_transact(x->r->s->kv, account_object(x->acc->id, room), put_rows, &rows) : 0;
    buf_clear(&x->rows);
    x->nrows = 0;
    return e;
}

static int put_later(struct restoring *x, struct slice key, struct slice value)
{
    rows_add(&x->rows, key, value);
    return ++x->nrows < PUT_MAX && x->rows.n < PUT_BYTES ? 0 : put_waiting(x);
}

/* ---- once through: mailboxes, ranges, highest numbers ---- */

static struct box_seen *box_of(struct restoring *x, uint32_t id)
{
    return map_get(&x->boxes, sl(&id, sizeof id));
}

static void see_box(struct restoring *x, struct slice key, struct slice value)
{
    struct box_row row;
    uint64_t id;
    if (row_number(key, &id) || box_row_get(value, (uint32_t)id, &row)) {
        x->r->report->rows_lost++;
        return;
    }
    uint32_t box = (uint32_t)id;
    struct box_seen *b = box_of(x, box);
    if (!b) {
        b = ar_new(&x->a, struct box_seen);
        b->id = box;
        map_put(&x->boxes, sl(&box, sizeof box), b);
    }
    b->value = ar_dup(&x->a, value);
    if (row.m.modseq > x->modseq) x->modseq = row.m.modseq;
}

struct range_key {
    uint32_t box;
    uint64_t batch;
} __attribute__((packed));

static void see_range(struct restoring *x, struct slice key)
{
    struct batch_range range, *keep;
    struct range_key k = {0};
    uint32_t box;
    if (batch_range_get(key, &box, &range)) {
        x->r->report->rows_lost++;
        return;
    }
    k = (struct range_key){box, range.batch};
    keep = ar_new(&x->a, struct batch_range);
    *keep = range;
    map_put(&x->ranges, sl(&k, sizeof k), keep);
    if (range.modseq > x->modseq) x->modseq = range.modseq;
}

static int first_look(void *arg, struct slice key, struct slice value)
{
    struct restoring *x = arg;
    if (sl_starts(key, SL("b/"))) see_box(x, key, value);
    else if (sl_starts(key, SL("g/"))) see_range(x, key);
    else if (sl_eq(key, SL("a")) && account_row_get(value, &x->row)) x->r->report->rows_lost++;
    return 0;
}

/* ---- again: the rows ---- */

/* A row of m/ or y/: which message, in which mailbox. False: it is damaged, or of nothing that is here. */
static bool message_of(struct restoring *x, struct slice key, struct slice value, uint32_t *box,
                       struct message *m)
{
    uint64_t b = 0, batch = 0;
    if (key.p[0] == 'm') return message_of_row(key, value, box, m);
    bool good = key.n > 28 && num_hex64(sl_sub(key, 2, 10), &b) && num_hex64(sl_sub(key, 11, 27), &batch);
    struct range_key k = {(uint32_t)b, batch};
    struct batch_range *range = good ? map_get(&x->ranges, sl(&k, sizeof k)) : NULL;
    *box = (uint32_t)b;
    if (!range || batch_message_get(key, value, range, m)) return false;
    m->batch = 0, m->place = 0; /* it is a plain row from now on */
    return m->uid >= range->first && m->uid <= range->last;
}

static void miss(struct restoring *x, uint32_t box, const struct message *m)
{
    struct rescue *r = x->r;
    struct missing *keep = ar_new(&r->own, struct missing);
    *keep = (struct missing){.acc = x->acc, .box = box, .m = *m};
    keep->m.remarks = ar_dup(&r->own, m->remarks);
    keep->next = map_put(&r->missing, body_ref_content(&m->body), keep);
    x->acc->gone++;
}

static int put_message(struct restoring *x, uint32_t box, const struct message *m)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    message_row_record(&b, m);
    int e = put_later(x, row_key('m', box, m->uid, 8, room), buf_slice(&b));
    buf_free(&b);
    return e;
}

static int restore_message(struct restoring *x, struct slice key, struct slice value)
{
    struct message m;
    uint32_t box;
    if (!message_of(x, key, value, &box, &m)) {
        x->r->report->rows_lost += key.p[0] == 'm';
        return 0;
    }
    struct box_seen *b = box_of(x, box);
    if (!b) return 0; /* its mailbox was deleted meanwhile */
    if (m.uid > b->uid) b->uid = m.uid;
    m.modseq = x->modseq;
    uint64_t pack = body_ref_pack(&m.body);
    if (!map_get(&x->r->packs, sl(&pack, sizeof pack))) {
        miss(x, box, &m);
        return 0;
    }
    /* its body's stamp may be as high as the image's: then it is young, or in a pack of a clock that was
     * ahead */
    if ((uint64_t)m.save_date * 1000000 + a_day >= x->stamp || pack >= x->stamp)
        rescue_remember(x->r, x->acc->id, &m.body);
    x->acc->messages++;
    return put_message(x, box, &m);
}

static int restore_row(void *arg, struct slice key, struct slice value)
{
    struct restoring *x = arg;
    if (sl_starts(key, SL("m/")) || sl_starts(key, SL("y/"))) return restore_message(x, key, value);
    bool ours = sl_eq(key, SL("a")) || sl_starts(key, SL("b/")) || sl_starts(key, SL("g/")) ||
                sl_starts(key, SL("x/"));
    return ours ? 0 : put_later(x, key, value);
}

/* ---- the mailboxes, with what is in them ---- */

static void begin_count(struct restoring *x, struct box_seen *b)
{
    (void)!box_row_get(b->value, b->id, &b->row); /* it was read before */
    struct mailbox *m = &b->row.m;
    m->exists = m->unseen = m->deleted = 0;
    m->size = 0;
    memset(b->row.users, 0, sizeof b->row.users);
    if (m->uidnext <= b->uid) m->uidnext = b->uid + 1;
    uint32_t room = (UINT32_MAX - m->uidnext) / 2;
    m->uidnext += room < RESCUE_JUMP ? room : RESCUE_JUMP;
    m->modseq = x->modseq;
    if (m->uidvalidity > x->row.uidvalidity) x->row.uidvalidity = m->uidvalidity;
    if (b->id >= x->row.next_box) x->row.next_box = b->id + 1;
}

static int count_row(void *arg, struct slice key, struct slice value)
{
    struct restoring *x = arg;
    struct message m;
    uint32_t box;
    if (!message_of_row(key, value, &box, &m)) return 0;
    struct box_seen *b = box_of(x, box);
    if (b) count_message(&x->row, &b->row, &m, 1);
    return 0;
}

static int count_names(void *arg, struct slice key, struct slice value)
{
    struct restoring *x = arg;
    struct rec r;
    (void)key;
    if (rec_open(&r, value, UINT8_MAX)) return 0;
    while (rec_next(&r)) x->row.subscriptions += r.tag == 'n';
    return 0;
}

static int put_box(struct kv_tx *tx, void *arg)
{
    struct box_seen *b = arg;
    box_row_put(tx, NULL, &b->row);
    mailbox_name_put(tx, b->row.m.name, b->id);
    return 0;
}

static int put_account(struct kv_tx *tx, void *arg)
{
    account_row_put(tx, arg);
    return 0;
}

static int end_account(struct restoring *x)
{
    char room[KEY_ROOM];
    struct store *s = x->r->s;
    struct slice object = account_object(x->acc->id, room);
    struct map_iter it = {0};
    x->acc->quota = x->row.quota; /* what is younger must fit */
    x->acc->quota_messages = x->row.quota_messages;
    x->row.quota = x->row.quota_messages = x->row.bytes = x->row.messages = 0;
    x->row.trees = 0;  /* as if there were none, until they are counted */
    x->row.places = 0; /* they are in no image */
    x->row.boxes = (uint32_t)x->boxes.count;
    x->row.subscriptions = 0;
    x->row.modseq = x->row.journal_floor = x->modseq;
    while (map_next(&x->boxes, &it)) begin_count(x, it.value);
    x->row.next_box += RESCUE_JUMP;
    int e = rows_each(s, x->acc->id, SL("m/"), SL("m0"), count_row, x);
    if (e == 0) e = rows_each(s, x->acc->id, SL("s/"), SL("s0"), count_names, x);
    it = (struct map_iter){0};
    while (e == 0 && map_next(&x->boxes, &it)) e = kv_transact(s->kv, object, put_box, it.value);
    return e ? e : kv_transact(s->kv, object, put_account, &x->row);
}

/* ---- one account ---- */

static int restore(struct restoring *x, const struct body_ref *head)
{
    int e = image_rows(x->r->s, head, first_look, x);
    if (x->row.modseq > x->modseq) x->modseq = x->row.modseq;
    x->modseq += RESCUE_JUMP;
    if (e == 0 && !box_of(x, INBOX_ID)) return ERR_NOT_FOUND; /* a damaged image, or of an erased account */
    if (e == 0) e = image_rows(x->r->s, head, restore_row, x);
    if (e == 0) e = put_waiting(x);
    return e ? e : end_account(x);
}

int rescue_account(struct rescue *r, struct rescue_account *acc)
{
    char room[KEY_ROOM];
    struct head_seen *h;
    int e = rescue_image(r, account_object(acc->id, room), &h);
    if (e == 0) {
        struct restoring x = {.r = r, .acc = acc, .stamp = h->stamp};
        ar_init(&x.a, 0);
        map_init(&x.boxes, false);
        map_init(&x.ranges, false);
        acc->image = h->when;
        acc->stamp = h->stamp;
        e = restore(&x, &h->head);
        buf_free(&x.rows);
        map_free(&x.boxes);
        map_free(&x.ranges);
        ar_free(&x.a);
    }
    if (e != ERR_NOT_FOUND) return e;
    acc->image = 0;
    acc->stamp = 0;
    return mailbox_make_defaults(r->s, acc->id);
}

/* ---- a body that was found elsewhere ---- */

struct bring_back {
    const struct missing *m;
    const struct body_ref *ref;
};

static int bring_back(struct kv_tx *tx, void *arg)
{
    const struct bring_back *x = arg;
    struct account_row a;
    struct box_row b;
    struct message m = x->m->m;
    int e = account_tx(tx, &a);
    if (e == 0) e = box_tx(tx, x->m->box, &b);
    if (e) return e;
    m.body = *x->ref;
    message_row_put(tx, x->m->box, &m);
    places_put(tx, &a, x->m->box, &m);
    count_message(&a, &b, &m, 1);
    box_row_put(tx, &a, &b);
    account_row_put(tx, &a);
    return 0;
}

int rescue_missing(struct rescue *r, struct missing *m, const struct body_ref *ref)
{
    struct bring_back x = {m, ref};
    int e = account_transact(r->s, m->acc->id, bring_back, &x);
    if (e) return e;
    m->acc->gone--;
    m->acc->messages++;
    rescue_remember(r, m->acc->id, ref);
    return 0;
}
