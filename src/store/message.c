/* message.c - messages of a mailbox: read, added, delivered exactly once. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "mailbox_i.h"
#include "seen.h"

/* ---- reading ---- */

int message_get_in(struct store *s, struct mailbox_ref box, uint32_t uid, struct arena *a,
                   struct message *out)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct slice value;
    int e = kv_get(s->kv, account_object(box.account, room), row_key('m', box.box, uid, 8, key), a, &value);
    if (e == 0) e = message_row_get(value, uid, out);
    else if (e == ERR_NOT_FOUND) e = batch_message_find(s, box, uid, a, out);
    if (e == ERR_NOT_FOUND) err_set(e, "the message with UID %u is gone", uid);
    return e;
}

int message_get(struct store *s, struct mailbox_ref box, uint32_t uid, struct message *out)
{
    struct arena a;
    ar_init(&a, 0);
    int e = message_get_in(s, box, uid, &a, out);
    out->remarks.p = NULL;
    ar_free(&a);
    return e;
}

int message_tx(struct kv_tx *tx, uint32_t box, uint32_t uid, struct batch_range *near, struct message *out)
{
    char room[KEY_ROOM];
    struct batch_range range = {0};
    struct slice value;
    if (!near) near = &range;
    bool in_batch = near->first <= uid && uid <= near->last; /* then it has no plain row */
    int e = in_batch ? ERR_NOT_FOUND : kv_tx_get(tx, row_key('m', box, uid, 8, room), &value);
    if (e == ERR_NOT_FOUND) return batch_message_tx(tx, box, uid, near, out);
    return e ? e : message_row_get(value, uid, out);
}

void messages_want(struct kv_tx *tx, uint32_t box, const uint32_t *uid, size_t n,
                   const struct batch_range *near)
{
    char room[KEY_ROOM];
    for (size_t i = 0; i < n; i++) {
        struct message m = {.uid = uid[i]};
        if (near->first <= uid[i] && uid[i] <= near->last) {
            m.batch = near->batch;
            m.place = uid[i] - near->first;
        }
        kv_tx_want(tx, message_row_key(box, &m, room));
    }
}

/* Rows of neighbours. */
struct neighbours {
    const uint32_t *uid;
    size_t n, at;
    struct message *out;
};

static int neighbour(void *arg, struct slice key, struct slice value)
{
    struct neighbours *x = arg;
    uint64_t uid;
    if (row_number(key, &uid)) return 0; /* a key that is none says nothing */
    while (x->at < x->n && x->uid[x->at] < uid) x->at++;
    if (x->at == x->n || x->uid[x->at] != uid) return 0;
    int e = message_row_get(value, (uint32_t)uid, &x->out[x->at]);
    x->out[x->at].remarks.p = NULL; /* the row does not stay */
    return e;
}

int message_whole_tx(struct kv_tx *tx, uint32_t box, struct batch_range *near, struct message *m)
{
    return m->remarks.n && !m->remarks.p ? message_tx(tx, box, m->uid, near, m) : 0;
}

/* Ascending, and most of what lies between them is asked for? */
static bool are_neighbours(const uint32_t *uid, size_t n)
{
    enum { FEW = 8, BETWEEN = 3 };
    if (n < FEW || uid[n - 1] == UINT32_MAX || uid[n - 1] - uid[0] >= BETWEEN * n) return false;
    for (size_t i = 1; i < n; i++)
        if (uid[i] <= uid[i - 1]) return false;
    return true;
}

int messages_tx(struct kv_tx *tx, uint32_t box, const uint32_t *uid, size_t n, struct batch_range *near,
                struct message *out)
{
    char from[KEY_ROOM], to[KEY_ROOM];
    struct neighbours x = {.uid = uid, .n = n, .out = out};
    int e = 0;
    memset(out, 0, n * sizeof *out);
    if (are_neighbours(uid, n)) {
        e = kv_tx_scan(tx, row_key('m', box, uid[0], 8, from), row_key('m', box, uid[n - 1] + 1, 8, to),
                       neighbour, &x);
        return e ? e : batch_messages_tx(tx, box, uid, n, near, out);
    }
    for (size_t i = 0; e == 0 && i < n; i++) {
        e = message_tx(tx, box, uid[i], near, &out[i]);
        if (e != ERR_NOT_FOUND) continue;
        out[i].uid = 0;
        e = 0;
    }
    if (e) messages_want(tx, box, uid, n, near);
    return e;
}

/* A list that is being read. */
struct listing {
    struct store *s;
    struct mailbox_ref box;
    size_t limit;
    struct arena *a;
    struct message *v;
    size_t n, cap;
    uint32_t next; /* uid from which to go on; 0: that was all */
};

/* A damaged row hides no other. */
static int list_row(struct listing *l, const struct kv_row *row, const struct batch_range *in)
{
    uint64_t uid = 0;
    if (l->n == l->cap) l->v = ar_grow(l->a, l->v, &l->cap, sizeof *l->v);
    int e = in ? 0 : row_number(row->key, &uid);
    if (e) return e;
    e = in ? batch_message_get(row->key, row->value, in, &l->v[l->n])
           : message_row_get(row->value, (uint32_t)uid, &l->v[l->n]);
    l->v[l->n].remarks.p = NULL;
    l->n += e == 0;
    if (!err_is_damage(e)) return e;
    log_error("store", "account %s, mailbox %u: the record %.*s is damaged and left out; see tram verify",
              l->box.account, l->box.box, SLF(row->key));
    return 0;
}

static int list_scan(struct listing *l, struct slice from, struct slice to, struct arena *rows,
                     struct kv_page *page)
{
    enum { MANY = 64 };
    char room[KEY_ROOM];
    struct slice object = account_object(l->box.account, room);
    size_t left = l->limit - l->n;
    if (left >= MANY) return kv_scan_on(l->s->kv, object, from, to, left, rows, page);
    return kv_scan(l->s->kv, object, from, to, left, rows, page);
}

/* A page of the batch that has l->next. */
static int list_batch(struct listing *l, const struct batch_range *r, struct arena *rows)
{
    struct batch_rows keys;
    struct kv_page page;
    uint64_t place = 0;
    batch_rows(l->box.box, r->batch, l->next - r->first, &keys);
    int e = list_scan(l, keys.from, keys.to, rows, &page);
    for (size_t i = 0; e == 0 && i < page.n; i++) e = list_row(l, &page.row[i], r);
    if (e == 0 && page.more) e = row_number(page.row[page.n - 1].key, &place);
    if (e == 0) l->next = page.more ? r->first + (uint32_t)place + 1 : r->last + 1;
    return e;
}

/* A page of plain rows, up to the next batch. They are read before ranges are looked for: whoever finds one
 * that came after a batch finds the batch. */
static int list_page(struct listing *l)
{
    char first[KEY_ROOM], end[KEY_ROOM];
    struct arena rows;
    struct kv_page page;
    struct batch_range r;
    uint64_t uid = 0;
    ar_init(&rows, 0);
    int e = list_scan(l, row_key('m', l->box.box, l->next, 8, first), row_prefix_end('m', l->box.box, end),
                      &rows, &page);
    int found = e ? e : batch_range_find(l->s, l->box, l->next, &r);
    if (found && found != ERR_NOT_FOUND) e = found;
    uint32_t until = found ? UINT32_MAX : r.first;
    for (size_t i = 0; e == 0 && i < page.n; i++) {
        e = row_number(page.row[i].key, &uid);
        if (e || uid >= until) break;
        e = list_row(l, &page.row[i], NULL);
    }
    if (e) goto out;
    if (!found && l->next >= until) e = list_batch(l, &r, &rows);
    else if (page.more && uid < until) l->next = (uint32_t)uid + 1;
    else l->next = found ? 0 : until;
out:
    ar_free(&rows);
    return e;
}

int message_list(struct store *s, struct mailbox_ref box, uint32_t from, size_t limit, struct arena *a,
                 struct message **out, size_t *n)
{
    ASSERT(limit && limit <= KV_PAGE_MAX);
    struct listing l = {.s = s, .box = box, .limit = limit, .a = a, .next = from};
    int e = 0;
    while (e == 0 && l.next && l.n < limit) e = list_page(&l);
    *out = l.v;
    *n = l.n;
    return e;
}

/* ---- adding ---- */

int box_flags(struct box_row *b, uint64_t bits, const struct slice *keyword, size_t n, bool make,
              uint64_t *out)
{
    int e = 0;
    *out = bits & (((uint64_t)1 << FLAG_KEYWORD_FIRST) - 1);
    for (size_t i = 0; i < n; i++) {
        bool fits = keyword[i].n && keyword[i].n <= KEYWORD_MAX;
        int bit = fits ? box_keyword(b, keyword[i], make) : -1;
        if (bit >= 0) *out |= (uint64_t)1 << bit;
        else if (make)
            e = err_set(ERR_LIMIT, "the keyword %.*s does not fit: a mailbox may have %d that are in use",
                        SLF(sl_sub(keyword[i], 0, 100)), MAILBOX_KEYWORDS_MAX);
    }
    return e;
}

/* RFC 8474: never the same for two messages; the modseq is new, the number counts within it. */
static void new_row(const struct message_new *m, struct slice account, uint64_t modseq, size_t number,
                    struct message *out)
{
    *out = (struct message){.modseq = modseq,
                            .internal_date = m->internal_date,
                            .internal_zone = m->internal_zone,
                            .save_date = rt_wall_seconds(),
                            .size = m->size,
                            .by_lines = m->by_lines,
                            .head_size = m->head_size,
                            .body = m->body,
                            .thread = m->thread,
                            .remarks = m->remarks};
    if (m->email_id) snprintf(out->email_id, sizeof out->email_id, "%s", m->email_id);
    else
        snprintf(out->email_id, sizeof out->email_id, "m%.*s-%llx-%x", SLF(sl_sub(account, 0, 19)),
                 (unsigned long long)(modseq & 0xffffffffff), (unsigned)(number & 0xffffff));
}

static int add_messages(struct kv_tx *tx, struct account_row *a, struct box_row *b,
                        const struct message_new *m, size_t n, bool hints, bool guest)
{
    struct message row;
    uint64_t more = 0;
    for (size_t i = 0; i < n; i++) more += m[i].size + m[i].remarks.n;
    int e = quota_check(a, more, n);
    if (e == 0) e = quota_tree_fit(tx, a, SL(""), b->m.name, (struct quota_load){more, n, 0});
    if (e) return e;
    if (UINT32_MAX - b->m.uidnext <= n) return err_set(ERR_LIMIT, "the mailbox has used up its UIDs");
    struct journal_box added = {.box = b->m.id};
    journal_added(&added, b->m.uidnext, (uint32_t)n);
    b->m.modseq = ++a->modseq;
    for (size_t i = 0; i < n; i++) {
        new_row(&m[i], sl_from(kv_tx_object(tx), 2), a->modseq, i, &row);
        row.uid = b->m.uidnext++;
        e = box_flags(b, m[i].flags, m[i].keyword, m[i].nkeywords, true, &row.flags);
        if (e && !hints) return e;
        if (guest) row.flags &= ~(uint64_t)FLAG_SEEN;
        message_row_put(tx, b->m.id, &row);
        places_put(tx, a, b->m.id, &row);
        count_message(a, b, &row, 1);
    }
    journal_put(tx, a, &added, 1);
    box_row_put(tx, a, b);
    account_row_put(tx, a);
    return 0;
}

/* What a guest appends with \Seen is seen by it, and by nobody else; the UIDs are known. */
static int append_seen(struct kv_tx *tx, void *arg)
{
    const struct message_append *p = arg;
    struct seen_change c;
    int e = 0;
    seen_begin(&c, p->box, p->guest);
    for (size_t i = 0; e == 0 && i < p->n; i++)
        if (p->m[i].flags & FLAG_SEEN) e = seen_set(tx, &c, p->first_uid + (uint32_t)i, true);
    seen_end(tx, &c);
    return e;
}

int message_append_tx(struct kv_tx *tx, void *arg)
{
    struct message_append *p = arg;
    struct account_row a;
    struct box_row b;
    int e = account_tx(tx, &a);
    if (e == 0) e = box_tx(tx, p->box, &b);
    if (e) return e;
    p->uidvalidity = b.m.uidvalidity;
    p->first_uid = b.m.uidnext;
    if (p->guest) e = append_seen(tx, p);
    return e ? e : add_messages(tx, &a, &b, p->m, p->n, false, p->guest);
}

static int append_page(struct kv_tx *tx, struct batch *b, struct box_row *to, void *arg)
{
    struct message_append *p = arg;
    struct message row;
    int e = 0;
    for (size_t i = 0; e == 0 && i < p->n; i++) {
        new_row(&p->m[i], sl_from(kv_tx_object(tx), 2), b->id, b->n, &row);
        e = box_flags(to, p->m[i].flags, p->m[i].keyword, p->m[i].nkeywords, true, &row.flags);
        if (p->guest) row.flags &= ~(uint64_t)FLAG_SEEN;
        if (e == 0) batch_add(tx, b, &row);
    }
    return e;
}

/* How many go into one transaction. */
static size_t append_part(const struct message_new *m, size_t n)
{
    size_t part = 0, bytes = 0;
    while (part < n && part < CHANGE_MAX && bytes <= CHANGE_BYTES) bytes += m[part++].remarks.n;
    return part;
}

static int append_batch(struct store *s, struct mailbox_ref box, struct message_append *p, size_t n)
{
    struct batch b;
    struct message_append all = *p;
    int e = batch_begin(&b, s, box);
    if (e) return e;
    for (; e == 0 && n; p->m += p->n, n -= p->n) {
        p->n = append_part(p->m, n);
        e = batch_page(&b, append_page, p);
    }
    if (e == 0) e = batch_see(&b);
    if (e) batch_drop(&b);
    p->uidvalidity = b.uidvalidity;
    all.first_uid = p->first_uid = b.first_uid;
    return e || !p->guest ? e : mailbox_transact(s, box, all.n, append_seen, &all);
}

int message_append(struct store *s, struct mailbox_ref box, const struct message_new *m, size_t n,
                   uint32_t *uidvalidity, uint32_t *first_uid)
{
    struct message_append p = {.box = box.box, .m = m, .n = n, .guest = box.guest ? box.guest->id : NULL};
    if (n == 0) return err_set(ERR_USAGE, "there is nothing to add");
    bool many = append_part(m, n) < n;
    int e = many ? append_batch(s, box, &p, n) : mailbox_transact(s, box, n, message_append_tx, &p);
    *uidvalidity = p.uidvalidity;
    *first_uid = p.first_uid;
    return e;
}

/* ---- delivering, exactly once ---- */

enum { DELIVERY_ROW = 1, FORGET_EVERY = 256, FORGET_LOOKS = 512 };

struct delivery {
    struct slice id, box_name;
    const struct message_new *m;
    uint32_t uid;
    bool duplicate;
};

static int delivery_row(struct slice value, int64_t *time, uint32_t *uid)
{
    struct rec r;
    int e = rec_open(&r, value, DELIVERY_ROW);
    if (e) return e;
    while (rec_next(&r)) {
        if (r.tag == 't') *time = (int64_t)rec_u64(&r);
        if (r.tag == 'u') *uid = (uint32_t)rec_u64(&r);
    }
    return rec_error(&r);
}

static void delivery_row_put(struct kv_tx *tx, struct slice key, uint32_t uid)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, DELIVERY_ROW);
    rec_put_u64(&b, 't', (uint64_t)rt_wall_seconds());
    rec_put_u64(&b, 'u', uid);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
}

/* Now and then a delivery looks at some of the remembered ids and forgets the old ones:
 * the row "e" says where the next look starts. */
struct forget {
    struct kv_tx *tx;
    int64_t before;
    int left;
    char next[KEY_ROOM];
};

static int forget_row(void *arg, struct slice key, struct slice value)
{
    struct forget *f = arg;
    int64_t time = 0;
    uint32_t uid;
    /* one that cannot be read does not say its age: verify names it */
    if (delivery_row(value, &time, &uid) == 0 && time < f->before) kv_tx_del(f->tx, key);
    if (--f->left) return 0;
    snprintf(f->next, sizeof f->next, "%.*s", SLF(key));
    return 1;
}

static int forget_old(struct kv_tx *tx)
{
    struct forget f = {.tx = tx, .before = rt_wall_seconds() - DELIVERY_DAYS * 86400, .left = FORGET_LOOKS};
    struct slice from = SL("d/");
    int e = kv_tx_get(tx, SL("e"), &from);
    if (e && e != ERR_NOT_FOUND) return e;
    if (!sl_starts(from, SL("d/")) || from.n > KV_KEY_MAX) from = SL("d/"); /* damaged: from the start */
    e = kv_tx_scan(tx, from, SL("d0"), forget_row, &f);
    if (e < 0) return e;
    kv_tx_put(tx, SL("e"), f.next[0] ? sl_cstr(f.next) : SL("d/"));
    return 0;
}

static int deliver(struct kv_tx *tx, void *arg)
{
    struct delivery *d = arg;
    struct account_row a;
    struct box_row b;
    struct slice value;
    int64_t time;
    char room[KEY_ROOM];
    int e = account_tx(tx, &a);
    if (e) return e;
    memcpy(room, "d/", 2);
    memcpy(room + 2, d->id.p, d->id.n);
    struct slice key = sl(room, 2 + d->id.n);
    e = kv_tx_get(tx, key, &value);
    d->duplicate = e == 0;
    if (e == 0) return delivery_row(value, &time, &d->uid);
    if (e == ERR_NOT_FOUND) e = box_tx_named(tx, d->box_name, &b);
    if (e == ERR_NOT_FOUND) e = box_tx(tx, INBOX_ID, &b);
    if (e) return e;
    d->uid = b.m.uidnext;
    e = add_messages(tx, &a, &b, d->m, 1, true, false);
    if (e) return e;
    delivery_row_put(tx, key, d->uid);
    if (d->m->tell) e = d->m->tell(tx, d->m->tell_arg);
    if (e) return e;
    return a.modseq % FORGET_EVERY ? 0 : forget_old(tx);
}

int message_deliver(struct store *s, const char *acc, struct slice delivery_id, struct slice box_name,
                    const struct message_new *m, uint32_t *uid, bool *duplicate)
{
    struct arena a;
    struct delivery d = {.id = delivery_id, .m = m};
    if (!delivery_id.n || delivery_id.n > KV_KEY_MAX - 2)
        return err_set(ERR_USAGE, "a delivery id of %zu bytes", delivery_id.n);
    ar_init(&a, 0);
    if (mailbox_name(&a, box_name, &d.box_name)) d.box_name = SL("INBOX");
    int e = account_transact(s, acc, deliver, &d);
    ar_free(&a);
    *uid = d.uid;
    *duplicate = e == 0 && d.duplicate;
    return e;
}
