/* message.c - messages of a mailbox: read, added, delivered exactly once. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "mailbox_i.h"

/* ---- reading ---- */

int message_get(struct store *s, struct mailbox_ref box, uint32_t uid, struct message *out)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct arena a;
    struct slice value;
    ar_init(&a, 0);
    int rc = kv_get(s->kv, account_object(box.account, room), row_key('m', box.box, uid, 8, key), &a, &value);
    if (rc == 0) rc = message_row_get(value, uid, out);
    else if (rc == ERR_NOT_FOUND) err_set(rc, "the message with UID %u is gone", uid);
    ar_free(&a);
    return rc;
}

/* One page of rows from uid *next on; *next becomes the uid after it, 0 at the end. A damaged row hides no
 * other. */
static int list_page(struct store *s, struct mailbox_ref box, uint32_t *next, size_t limit, struct arena *a,
                     struct message **out, size_t *n, size_t *cap)
{
    char room[KEY_ROOM], first[KEY_ROOM], end[KEY_ROOM];
    struct arena rows;
    struct kv_page page;
    uint64_t uid = 0;
    ar_init(&rows, 0);
    int rc = kv_scan(s->kv, account_object(box.account, room), row_key('m', box.box, *next, 8, first),
                     row_prefix_end('m', box.box, end), limit, &rows, &page);
    for (size_t i = 0; rc == 0 && i < page.n; i++) {
        rc = row_number(page.row[i].key, &uid);
        if (rc) break;
        if (*n == *cap) *out = ar_grow(a, *out, cap, sizeof **out);
        rc = message_row_get(page.row[i].value, (uint32_t)uid, &(*out)[*n]);
        if (rc == 0) ++*n;
        else if (rc == ERR_CORRUPT) {
            log_error("store",
                      "account %s, mailbox %u: the record %.*s is damaged and left out; see tram verify",
                      box.account, box.box, SLF(page.row[i].key));
            rc = 0;
        }
    }
    if (rc == 0) *next = page.more ? (uint32_t)uid + 1 : 0;
    ar_free(&rows);
    return rc;
}

int message_list(struct store *s, struct mailbox_ref box, uint32_t from, size_t limit, struct arena *a,
                 struct message **out, size_t *n)
{
    size_t cap = 0;
    int rc = 0;
    *out = NULL;
    *n = 0;
    for (uint32_t next = from; rc == 0 && next && *n < limit;)
        rc = list_page(s, box, &next, limit - *n, a, out, n, &cap);
    return rc;
}

/* ---- adding ---- */

int box_flags(struct box_row *b, uint64_t bits, const struct slice *keyword, size_t n, bool make,
              uint64_t *out)
{
    int rc = 0;
    *out = bits & (((uint64_t)1 << FLAG_KEYWORD_FIRST) - 1);
    for (size_t i = 0; i < n; i++) {
        bool fits = keyword[i].n && keyword[i].n <= KEYWORD_MAX;
        int bit = fits ? box_keyword(b, keyword[i], make) : -1;
        if (bit >= 0) *out |= (uint64_t)1 << bit;
        else if (make)
            rc = err_set(ERR_LIMIT, "the keyword %.*s does not fit: a mailbox may have %d that are in use",
                         SLF(sl_sub(keyword[i], 0, 100)), MAILBOX_KEYWORDS_MAX);
    }
    return rc;
}

static int quota_check(const struct account_row *a, uint64_t more)
{
    if (!a->quota || a->bytes + more <= a->quota) return 0;
    return err_set(ERR_QUOTA, "the account holds %llu bytes of the %llu it may", (unsigned long long)a->bytes,
                   (unsigned long long)a->quota);
}

static int add_messages(struct kv_tx *tx, struct account_row *a, struct box_row *b,
                        const struct message_new *m, size_t n, bool hints)
{
    uint64_t more = 0, flags;
    for (size_t i = 0; i < n; i++) more += m[i].size;
    int rc = quota_check(a, more);
    if (rc) return rc;
    if (UINT32_MAX - b->m.uidnext <= n) return err_set(ERR_LIMIT, "the mailbox has used up its UIDs");
    b->m.modseq = ++a->modseq;
    for (size_t i = 0; i < n; i++) {
        rc = box_flags(b, m[i].flags, m[i].keyword, m[i].nkeywords, true, &flags);
        if (rc && !hints) return rc;
        struct message row = {.uid = b->m.uidnext++,
                              .modseq = a->modseq,
                              .flags = flags,
                              .internal_date = m[i].internal_date,
                              .internal_zone = m[i].internal_zone,
                              .save_date = rt_wall_seconds(),
                              .size = m[i].size,
                              .by_lines = m[i].by_lines,
                              .head_size = m[i].head_size,
                              .body = m[i].body};
        /* RFC 8474: never the same for two messages; the modseq is new, the uid counts within it. */
        snprintf(row.email_id, sizeof row.email_id, "m%llx-%hx",
                 (unsigned long long)(a->modseq & 0xffffffffff), (unsigned short)i);
        message_row_put(tx, b->m.id, &row);
        count_message(a, b, &row, 1);
    }
    box_row_put(tx, b);
    account_row_put(tx, a);
    return 0;
}

struct append {
    uint32_t box;
    const struct message_new *m;
    size_t n;
    uint32_t uidvalidity, first_uid;
};

static int append(struct kv_tx *tx, void *arg)
{
    struct append *p = arg;
    struct account_row a;
    struct box_row b;
    int rc = account_tx(tx, &a);
    if (rc == 0) rc = box_tx(tx, p->box, &b);
    if (rc) return rc;
    p->uidvalidity = b.m.uidvalidity;
    p->first_uid = b.m.uidnext;
    return add_messages(tx, &a, &b, p->m, p->n, false);
}

int message_append(struct store *s, struct mailbox_ref box, const struct message_new *m, size_t n,
                   uint32_t *uidvalidity, uint32_t *first_uid)
{
    struct append p = {.box = box.box, .m = m, .n = n};
    if (n == 0 || n > COPY_MAX)
        return err_set(ERR_LIMIT, "at most %d messages can be added at once", COPY_MAX);
    int rc = account_transact(s, box.account, append, &p);
    *uidvalidity = p.uidvalidity;
    *first_uid = p.first_uid;
    return rc;
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
    int rc = rec_open(&r, value, DELIVERY_ROW);
    if (rc) return rc;
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
    int rc = kv_tx_get(tx, SL("e"), &from);
    if (rc && rc != ERR_NOT_FOUND) return rc;
    if (!sl_starts(from, SL("d/")) || from.n > KV_KEY_MAX) from = SL("d/"); /* damaged: from the start */
    rc = kv_tx_scan(tx, from, SL("d0"), forget_row, &f);
    if (rc < 0) return rc;
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
    int rc = account_tx(tx, &a);
    if (rc) return rc;
    memcpy(room, "d/", 2);
    memcpy(room + 2, d->id.p, d->id.n);
    struct slice key = sl(room, 2 + d->id.n);
    rc = kv_tx_get(tx, key, &value);
    d->duplicate = rc == 0;
    if (rc == 0) return delivery_row(value, &time, &d->uid);
    if (rc == ERR_NOT_FOUND) rc = box_tx_named(tx, d->box_name, &b);
    if (rc == ERR_NOT_FOUND) rc = box_tx(tx, INBOX_ID, &b);
    if (rc) return rc;
    d->uid = b.m.uidnext;
    rc = add_messages(tx, &a, &b, d->m, 1, true);
    if (rc) return rc;
    delivery_row_put(tx, key, d->uid);
    if (d->m->tell) rc = d->m->tell(tx, d->m->tell_arg);
    if (rc) return rc;
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
    int rc = account_transact(s, acc, deliver, &d);
    ar_free(&a);
    *uid = d.uid;
    *duplicate = rc == 0 && d.duplicate;
    return rc;
}
