/* inbox_rename.c - RENAME of INBOX (RFC 9051 section 6.3.6): its messages move to a new mailbox, INBOX and
 * what is below it stay. So do messages that come meanwhile.
 *
 * One transaction asks all there is to ask, makes the mailbox, and leaves word (f/BOX) of what is to move;
 * from then on it is done, some messages at a time. What a crash leaves half way the care moves on. */
#include <stdio.h>

#include "base/log.h"
#include "mailbox_i.h"

enum { MOVING_ROW = 1 };

struct inbox_move {
    const struct mailbox_guest *guest;
    struct slice to;
    uint32_t box;
    uint32_t before; /* UIDs below this one move */
    size_t stayed;   /* so many cannot, */
    uint32_t first;  /* from this one on, */
    int error;       /* for this reason */
    char why[200];
};

static int moving_get(struct slice value, uint32_t *before)
{
    struct rec r;
    int e = rec_open(&r, value, MOVING_ROW);
    *before = 0;
    while (e == 0 && rec_next(&r))
        if (r.tag == 'u') *before = (uint32_t)rec_u64(&r);
    if (e == 0) e = rec_error(&r);
    return e || *before ? e : ERR_CORRUPT;
}

static void moving_put(struct kv_tx *tx, const struct inbox_move *x)
{
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    rec_begin(&b, MOVING_ROW);
    rec_put_u64(&b, 'u', x->before);
    kv_tx_put_record(tx, box_key('f', x->box, room), &b);
    buf_free(&b);
}

static int any_row(void *arg, struct slice key, struct slice value)
{
    (void)arg, (void)key, (void)value;
    return 1;
}

/* Two at once would share the messages out. */
static int is_free(struct kv_tx *tx)
{
    int e = kv_tx_scan(tx, SL("f/"), SL("f0"), any_row, NULL);
    return e == 1 ? err_set(ERR_BUSY, "INBOX is being renamed") : e;
}

static int begin(struct kv_tx *tx, void *arg)
{
    struct inbox_move *x = arg;
    struct account_row a;
    struct box_row inbox, b;
    int e = account_tx(tx, &a);
    if (e == 0) e = is_free(tx);
    if (e == 0) e = guest_makes_tx(tx, x->guest, 1, x->to);
    if (e == 0) e = box_tx(tx, INBOX_ID, &inbox);
    if (e == 0)
        e = quota_tree_fit(tx, &a, inbox.m.name, x->to, (struct quota_load){inbox.m.size, inbox.m.exists, 1});
    x->before = inbox.m.uidnext;
    if (e == 0) e = mailbox_create_tx(tx, &a, x->to, 0, &b);
    if (e) return e;
    x->box = b.m.id;
    moving_put(tx, x);
    account_row_put(tx, &a);
    return annotations_copy_tx(tx, INBOX_ID, b.m.id); /* RFC 5464 section 4.1 */
}

static int end(struct kv_tx *tx, void *arg)
{
    char room[KEY_ROOM];
    kv_tx_del(tx, box_key('f', *(const uint32_t *)arg, room));
    return 0;
}

/* At every turn anew: nobody waits for it. What a later version wrote waits for that. */
static bool lasts(int e)
{
    return e == ERR_CORRUPT || (e && e != ERR_VERSION && e != ERR_NOT_FOUND && !err_is_temporary(e));
}

static void stays(struct inbox_move *x, uint32_t uid, int e)
{
    if (x->stayed++) return;
    x->first = uid;
    x->error = e;
    snprintf(x->why, sizeof x->why, "%s", err_text(e));
}

/* One that cannot be moved keeps no other from it. */
static int move_page(struct store *s, struct mailbox_ref inbox, struct uids uids, struct inbox_move *x)
{
    int e = message_move_promised(s, inbox, uids, x->box);
    if (!lasts(e)) return e;
    e = 0;
    for (size_t i = 0; e == 0 && i < uids.n; i++) {
        e = message_move_promised(s, inbox, (struct uids){uids.v + i, 1}, x->box);
        if (!lasts(e)) continue;
        stays(x, uids.v[i], e);
        e = 0;
        fiber_breathe();
    }
    return e;
}

static int move_all(struct store *s, struct mailbox_ref inbox, struct inbox_move *x)
{
    struct arena page;
    int e = 0;
    ar_init(&page, 0);
    for (uint32_t from = 1; e == 0 && from < x->before; ar_reset(&page)) {
        struct message *m;
        uint32_t uids[KV_PAGE_MAX];
        size_t n, all;
        e = message_list(s, inbox, from, KV_PAGE_MAX, &page, &m, &all);
        if (lasts(e))
            log_error("store",
                      "account %s: INBOX cannot be read from UID %u on, what lies there stays in it: %s",
                      inbox.account, from, err_text(e));
        if (lasts(e)) stays(x, from, e);
        for (n = 0; e == 0 && n < all && m[n].uid < x->before; n++) uids[n] = m[n].uid;
        if (e || !n) break;
        from = uids[n - 1] + 1;
        e = move_page(s, inbox, (struct uids){uids, n}, x);
        fiber_breathe();
    }
    ar_free(&page);
    return e;
}

/* Until all is there that can be. The mailbox may be gone since: what is in INBOX still stays there, then. */
static int move_on(struct store *s, const char *acc, struct inbox_move *x)
{
    char room[KEY_ROOM];
    int e = move_all(s, (struct mailbox_ref){.account = acc, .box = INBOX_ID}, x);
    if (e && e != ERR_NOT_FOUND && !lasts(e)) return e;
    if (x->stayed)
        log_error("store",
                  "account %s: INBOX was renamed, but %zu messages stay in it, UID %u is the first: %s", acc,
                  x->stayed, x->first, x->why);
    int ended = kv_transact(s->kv, account_object(acc, room), end, &x->box);
    return e == ERR_NOT_FOUND && ended == 0 ? e : ended;
}

int inbox_rename(struct store *s, const char *acc, const struct mailbox_guest *guest, struct slice to)
{
    struct inbox_move x = {.guest = guest, .to = to};
    int e = inbox_rename_finish(s, acc); /* what was there for another name goes there */
    if (e == 0) e = guest_transact(s, acc, guest, begin, &x);
    if (e == 0) e = move_on(s, acc, &x);
    if (e || !x.stayed) return e;
    return err_set(x.error, "INBOX was renamed, but %zu messages stay in it: %s", x.stayed, x.why);
}

static int drop_row(struct kv_tx *tx, void *key)
{
    kv_tx_del(tx, *(const struct slice *)key);
    return 0;
}

/* Whither it was to go nobody knows any more: what is in INBOX stays there. */
static int drop_damaged(struct store *s, const char *acc, struct slice key)
{
    char room[KEY_ROOM];
    log_error(
        "store",
        "account %s: the row %.*s is damaged: INBOX was being renamed, what has not moved yet stays in it",
        acc, SLF(key));
    return kv_transact(s->kv, account_object(acc, room), drop_row, &key);
}

static int finish_row(struct store *s, const char *acc, const struct kv_row *row)
{
    struct inbox_move x = {0};
    uint64_t id = 0;
    int e = row_number(row->key, &id);
    if (e == 0) e = moving_get(row->value, &x.before);
    if (e == ERR_VERSION)
        return err_set(e, "INBOX is being renamed, and a later version wrote down where its messages go");
    if (e || id <= INBOX_ID || id > UINT32_MAX) return drop_damaged(s, acc, row->key);
    x.box = (uint32_t)id;
    e = move_on(s, acc, &x);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int inbox_rename_finish(struct store *s, const char *acc)
{
    char room[KEY_ROOM];
    struct arena a;
    struct kv_page page;
    ar_init(&a, 0);
    int e = kv_scan(s->kv, account_object(acc, room), SL("f/"), SL("f0"), KV_PAGE_MAX, &a, &page);
    for (size_t i = 0; e == 0 && i < page.n; i++) e = finish_row(s, acc, &page.row[i]);
    ar_free(&a);
    return e;
}
