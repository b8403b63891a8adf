/* batch.c - messages that come in great numbers at once (COPY of a large set, import): their rows are written
 * unseen, page by page, and become seen by one short transaction that also gives them their UIDs.
 *
 * A batch has a number of its account's (the modseq with which it began). Its rows lie at
 * y/<box>/<batch>/<place>, the place counting from 0. While nobody sees them a row h/<box>/<batch> stands for
 * them; each page looks whether it is still there, so who takes it away ends the batch. Seen, they are the
 * messages of a range of UIDs: the first UID and the place make the UID. The row of the range,
 * g/<box>/<last>/<first>/<batch>/<modseq>, has all in its key. Rows stay where they are for good, so that no
 * reader, who reads without a lock, can miss one on its way. Who reads plain rows first and then looks for
 * ranges misses none either: a plain row above a range was written after the range. */
#include "mailbox_i.h"

enum { BATCH_ROW = 1, BATCH_HOURS = 1 };

/* ---- rows ---- */

static struct slice header_key(uint32_t box, uint64_t batch, char room[KEY_ROOM])
{
    return row_key('h', box, batch, 16, room);
}

static struct slice range_key(uint32_t box, const struct batch_range *r, char room[KEY_ROOM])
{
    struct slice key = row_key('g', box, r->last, 8, room);
    key = row_key_more(key, r->first, 8, room);
    key = row_key_more(key, r->batch, 16, room);
    return row_key_more(key, r->modseq, 16, room);
}

int batch_range_get(struct slice key, uint32_t *box, struct batch_range *out)
{
    uint64_t b, first, last;
    bool good = key.n == 62 && num_hex64(sl_sub(key, 2, 10), &b) && num_hex64(sl_sub(key, 11, 19), &last) &&
                num_hex64(sl_sub(key, 20, 28), &first) && num_hex64(sl_sub(key, 29, 45), &out->batch) &&
                num_hex64(sl_from(key, 46), &out->modseq) && first && first <= last && out->batch;
    if (!good) return err_set(ERR_CORRUPT, "the key %.*s of an account is damaged", SLF(key));
    *box = (uint32_t)b;
    out->first = (uint32_t)first;
    out->last = (uint32_t)last;
    return 0;
}

static struct slice rows_from(uint32_t box, uint64_t batch, uint32_t place, char room[KEY_ROOM])
{
    return message_row_key(box, &(struct message){.batch = batch, .place = place}, room);
}

static struct slice rows_end(uint32_t box, uint64_t batch, char room[KEY_ROOM])
{
    struct slice key = row_key('y', box, batch, 16, room);
    room[key.n] = '0'; /* follows '/' */
    return sl(room, key.n + 1);
}

void batch_rows(uint32_t box, uint64_t batch, uint32_t place, struct batch_rows *out)
{
    out->from = rows_from(box, batch, place, out->room[0]);
    out->to = rows_end(box, batch, out->room[1]);
}

int batch_message_get(struct slice key, struct slice value, const struct batch_range *r, struct message *out)
{
    uint64_t place;
    int e = row_number(key, &place);
    uint32_t uid = r->first ? r->first + (uint32_t)place : 0;
    if (e == 0) e = message_row_get(value, uid, out);
    out->uid = uid;
    out->batch = r->batch;
    out->place = (uint32_t)place;
    if (!out->modseq) out->modseq = r->modseq;
    return e;
}

/* ---- ranges ---- */

struct find_range {
    struct batch_range *out;
    int e;
};

static int first_range(void *arg, struct slice key, struct slice value)
{
    struct find_range *f = arg;
    uint32_t box;
    (void)value;
    f->e = batch_range_get(key, &box, f->out);
    return f->e ? 0 : 1; /* a key that is none says nothing */
}

static int batch_range_tx(struct kv_tx *tx, uint32_t box, uint32_t uid, struct batch_range *out)
{
    char from[KEY_ROOM], to[KEY_ROOM];
    struct find_range f = {.out = out};
    int e = kv_tx_scan(tx, row_key('g', box, uid, 8, from), row_prefix_end('g', box, to), first_range, &f);
    return e == 1 ? 0 : e < 0 ? e : err_set(ERR_NOT_FOUND, "there is no batch above UID %u", uid);
}

int batch_range_find(struct store *s, struct mailbox_ref box, uint32_t uid, struct batch_range *out)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct arena a;
    struct kv_page page;
    uint32_t id;
    ar_init(&a, 0);
    int e = kv_scan(s->kv, account_object(box.account, room), row_key('g', box.box, uid, 8, from),
                    row_prefix_end('g', box.box, to), 1, &a, &page);
    if (e == 0) e = page.n ? batch_range_get(page.row[0].key, &id, out) : ERR_NOT_FOUND;
    ar_free(&a);
    return e;
}

static bool has(const struct batch_range *r, uint32_t uid) { return r->first <= uid && uid <= r->last; }

int batch_message_tx(struct kv_tx *tx, uint32_t box, uint32_t uid, struct batch_range *near,
                     struct message *out)
{
    char room[KEY_ROOM];
    struct slice value;
    int e = has(near, uid) ? 0 : batch_range_tx(tx, box, uid, near);
    if (e || !has(near, uid)) return e ? e : ERR_NOT_FOUND;
    struct slice key = rows_from(box, near->batch, uid - near->first, room);
    e = kv_tx_get(tx, key, &value);
    return e ? e : batch_message_get(key, value, near, out);
}

struct batch_reading {
    const struct batch_range *in;
    const uint32_t *uid;
    size_t n, at;
    struct message *out;
};

static int read_batch_row(void *arg, struct slice key, struct slice value)
{
    struct batch_reading *r = arg;
    uint64_t place;
    if (row_number(key, &place)) return 0; /* a key that is none says nothing */
    uint64_t uid = r->in->first + place;
    while (r->at < r->n && r->uid[r->at] < uid) r->at++;
    if (r->at == r->n || r->uid[r->at] != uid) return 0;
    int e = batch_message_get(key, value, r->in, &r->out[r->at]);
    r->out[r->at].remarks.p = NULL; /* the row does not stay */
    return e;
}

/* The rows of the range from the first of these UIDs on; *at: the first UID behind it. */
static int read_batch(struct kv_tx *tx, uint32_t box, struct batch_reading *r, size_t *at)
{
    char from[KEY_ROOM], to[KEY_ROOM];
    size_t end = r->at = *at;
    while (end < r->n && r->uid[end] <= r->in->last) end++;
    *at = end;
    return kv_tx_scan(tx, rows_from(box, r->in->batch, r->uid[r->at] - r->in->first, from),
                      rows_from(box, r->in->batch, r->uid[end - 1] - r->in->first + 1, to), read_batch_row,
                      r);
}

int batch_messages_tx(struct kv_tx *tx, uint32_t box, const uint32_t *uid, size_t n, struct batch_range *near,
                      struct message *out)
{
    struct batch_reading r = {.in = near, .uid = uid, .n = n, .out = out};
    int e = 0;
    for (size_t i = 0; e == 0 && i < n;) {
        if (out[i].uid) {
            i++;
            continue;
        }
        if (!has(near, uid[i])) e = batch_range_tx(tx, box, uid[i], near);
        if (e) return e == ERR_NOT_FOUND ? 0 : e; /* nor has any of the following one */
        if (has(near, uid[i])) e = read_batch(tx, box, &r, &i);
        else
            while (i < n && uid[i] < near->first) i++;
    }
    return e;
}

int batch_message_find(struct store *s, struct mailbox_ref box, uint32_t uid, struct arena *a,
                       struct message *out)
{
    char room[KEY_ROOM], object[KEY_ROOM];
    struct batch_range r;
    struct slice value;
    int e = batch_range_find(s, box, uid, &r);
    if (e || r.first > uid) return e ? e : ERR_NOT_FOUND;
    struct slice key = rows_from(box.box, r.batch, uid - r.first, room);
    e = kv_get(s->kv, account_object(box.account, object), key, a, &value);
    return e ? e : batch_message_get(key, value, &r, out);
}

/* ---- writing ---- */

int batch_header_get(struct slice value, struct batch_header *out)
{
    struct rec r;
    *out = (struct batch_header){0};
    int e = rec_open(&r, value, BATCH_ROW);
    while (e == 0 && rec_next(&r)) {
        if (r.tag == 't') out->time = (int64_t)rec_u64(&r);
        if (r.tag == 'n') out->n = (uint32_t)rec_u64(&r);
    }
    return e ? e : rec_error(&r);
}

static void header_put(struct kv_tx *tx, const struct batch *p)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    rec_begin(&b, BATCH_ROW);
    rec_put_u64(&b, 't', (uint64_t)rt_wall_seconds());
    rec_opt_u64(&b, 'n', p->n);
    kv_tx_put_record(tx, header_key(p->box, p->id, room), &b);
    buf_free(&b);
}

static int begin(struct kv_tx *tx, void *arg)
{
    struct batch *p = arg;
    struct account_row a;
    int e = account_tx(tx, &a);
    if (e == 0) e = box_tx(tx, p->box, &p->count);
    if (e) return e;
    p->id = ++a.modseq;
    p->names = p->count.m.names;
    p->count = (struct box_row){0};
    header_put(tx, p);
    account_row_put(tx, &a);
    return 0;
}

int batch_begin(struct batch *p, struct store *s, struct mailbox_ref to)
{
    char room[KEY_ROOM];
    *p = (struct batch){.s = s, .account = to.account, .guest = to.guest, .box = to.box};
    return kv_transact(s->kv, account_object(to.account, room), begin, p);
}

static int still_there(struct kv_tx *tx, const struct batch *p, const struct box_row *to)
{
    char room[KEY_ROOM];
    struct slice value;
    int e = kv_tx_get(tx, header_key(p->box, p->id, room), &value);
    if (e == ERR_NOT_FOUND) return err_set(ERR_BUSY, "it took too long and was given up");
    if (e == 0 && to->m.names != p->names)
        return err_set(ERR_BUSY, "the mailbox's keywords changed meanwhile: try again");
    return e;
}

void batch_add(struct kv_tx *tx, struct batch *p, struct message *m)
{
    m->uid = 0;
    m->modseq = 0;
    m->batch = p->id;
    m->place = p->n++;
    count_message(&p->usage, &p->count, m, 1);
    places_put(tx, &p->account_row, p->box, m);
    message_row_put(tx, p->box, m);
}

/* May what is in the batch so far be in the mailbox? */
static int batch_fits(struct kv_tx *tx, const struct account_row *a, const struct batch *p,
                      const struct box_row *to)
{
    int e = quota_check(a, p->usage.bytes, p->n);
    return e ? e : quota_tree_fit(tx, a, SL(""), to->m.name, (struct quota_load){p->usage.bytes, p->n, 0});
}

struct page {
    struct batch *p;
    batch_fill *fill;
    void *arg;
    struct batch before;
};

static int page(struct kv_tx *tx, void *arg)
{
    struct page *g = arg;
    struct batch *p = g->p;
    struct account_row a;
    struct box_row to;
    *p = g->before;
    int e = account_tx(tx, &a);
    if (e == 0) e = box_tx(tx, p->box, &to);
    if (e == 0) e = still_there(tx, p, &to);
    size_t keywords = e ? 0 : to.m.nkeywords;
    if (e == 0) p->account_row = a;
    if (e == 0) e = g->fill(tx, p, &to, g->arg);
    if (e == 0) e = batch_fits(tx, &a, p, &to);
    if (e) return e;
    if (to.m.names != p->names) return err_set(ERR_LIMIT, "the mailbox has no room for more keywords");
    if (to.m.nkeywords != keywords) box_row_put(tx, &a, &to);
    a.modseq++; /* a sweep that reads the account sees that there is more */
    header_put(tx, p);
    account_row_put(tx, &a);
    return 0;
}

int batch_page(struct batch *p, batch_fill *fill, void *arg)
{
    char room[KEY_ROOM];
    struct page g = {p, fill, arg, *p};
    int e = kv_transact_large(p->s->kv, account_object(p->account, room), page, &g);
    if (e) *p = g.before;
    return e;
}

static void add_counts(struct box_row *b, const struct box_row *more)
{
    b->m.exists += more->m.exists;
    b->m.unseen += more->m.unseen;
    b->m.deleted += more->m.deleted;
    b->m.size += more->m.size;
    for (size_t i = 0; i < MAILBOX_KEYWORDS_MAX; i++) b->users[i] += more->users[i];
}

static int see(struct kv_tx *tx, void *arg)
{
    struct batch *p = arg;
    struct account_row a;
    struct box_row to;
    char room[KEY_ROOM];
    int e = account_tx(tx, &a);
    if (e == 0) e = box_tx(tx, p->box, &to);
    if (e == 0) e = still_there(tx, p, &to);
    if (e == 0) e = batch_fits(tx, &a, p, &to);
    if (e) return e;
    if (UINT32_MAX - to.m.uidnext <= p->n) return err_set(ERR_LIMIT, "the mailbox has used up its UIDs");
    p->uidvalidity = to.m.uidvalidity;
    p->first_uid = to.m.uidnext;
    to.m.uidnext += p->n;
    to.m.modseq = ++a.modseq;
    add_counts(&to, &p->count);
    a.bytes += p->usage.bytes;
    a.messages += p->usage.messages;
    struct batch_range r = {p->id, a.modseq, p->first_uid, to.m.uidnext - 1};
    kv_tx_put(tx, range_key(p->box, &r, room), SL("\1"));
    kv_tx_del(tx, header_key(p->box, p->id, room));
    journal_put(tx, &a, &(struct journal_box){.box = p->box, .first_added = p->first_uid, .added = p->n}, 1);
    box_row_put(tx, &a, &to);
    account_row_put(tx, &a);
    return 0;
}

int batch_see(struct batch *p)
{
    if (!p->n) batch_drop(p);
    return p->n ? guest_transact(p->s, p->account, p->guest, see, p) : 0;
}

/* ---- giving up ---- */

struct drop {
    uint32_t box;
    uint64_t id;
    int64_t older; /* than this, or from a time that cannot be; 0: whatever its age */
};

static bool is_old(const struct batch_header *h, int64_t before)
{
    return h->time < before || h->time > before + 2 * BATCH_HOURS * 3600;
}

static int drop(struct kv_tx *tx, void *arg)
{
    const struct drop *d = arg;
    struct account_row a;
    struct batch_rows rows;
    struct batch_header h;
    struct slice value;
    char room[KEY_ROOM];
    int e = kv_tx_get(tx, header_key(d->box, d->id, room), &value);
    if (e) return e == ERR_NOT_FOUND ? 0 : e; /* seen, or given up */
    bool damaged = batch_header_get(value, &h) != 0;
    if (d->older && !damaged && !is_old(&h, d->older)) return 0;
    e = account_tx(tx, &a);
    if (e == 0) places_left(tx, &a);
    batch_rows(d->box, d->id, 0, &rows);
    kv_tx_erase(tx, rows.from, rows.to);
    kv_tx_del(tx, header_key(d->box, d->id, room));
    return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
}

void batch_drop(struct batch *p)
{
    char room[KEY_ROOM];
    struct drop d = {.box = p->box, .id = p->id};
    (void)!kv_transact(p->s->kv, account_object(p->account, room), drop, &d); /* else the care does it */
}

struct care_of {
    struct store *s;
    const char *acc;
    int64_t before;
};

static int look_at_header(void *arg, struct slice key, struct slice value)
{
    struct care_of *c = arg;
    struct batch_header h;
    uint64_t box, id;
    char room[KEY_ROOM];
    bool damaged = batch_header_get(value, &h) != 0;
    if (!damaged && !is_old(&h, c->before)) return 0;
    if (!num_hex64(sl_sub(key, 2, 10), &box) || row_number(key, &id)) return 0;
    struct drop d = {(uint32_t)box, id, c->before};
    return kv_transact(c->s->kv, account_object(c->acc, room), drop, &d);
}

static int any_row(void *arg, struct slice key, struct slice value)
{
    (void)arg, (void)key, (void)value;
    return 1;
}

/* A range whose messages all went says nothing any more. What was seen never gets another row: so they are
 * looked for outside, where it holds nobody up that many were deleted. */
static int drop_spent(struct kv_tx *tx, void *arg)
{
    kv_tx_del(tx, *(const struct slice *)arg);
    return 0;
}

static int look_at_range(void *arg, struct slice key, struct slice value)
{
    struct care_of *c = arg;
    struct batch_range r;
    struct batch_rows rows;
    uint32_t box;
    char room[KEY_ROOM];
    (void)value;
    if (batch_range_get(key, &box, &r)) return 0;
    batch_rows(box, r.batch, 0, &rows);
    int e = rows_each(c->s, c->acc, rows.from, rows.to, any_row, NULL);
    return e ? e < 0 ? e : 0 : kv_transact(c->s->kv, account_object(c->acc, room), drop_spent, &key);
}

int batch_care(struct store *s, const char *acc)
{
    struct care_of c = {s, acc, rt_wall_seconds() - BATCH_HOURS * 3600};
    int e = rows_each(s, acc, SL("h/"), SL("h0"), look_at_header, &c);
    return e ? e : rows_each(s, acc, SL("g/"), SL("g0"), look_at_range, &c);
}
