/* rescue_mend.c - single rows that cannot be read, taken from the image of their object.
 *
 * What a message is does not change: its body, size and dates in the image are right; its flags may be older.
 * A mailbox's or an account's row may be older: its numbers jump, and what it counts is counted again. All of
 * an object in one transaction, so that nobody sees the half of it. */
#include "rescue_i.h"

#include <stdio.h>

#include "base/log.h"

enum { MEND_MAX = 1000 };

struct damaged {
    struct damaged *next;
    struct slice key, good; /* good: as the image has it, or empty */
    bool mended;
};

struct mending {
    struct store *s;
    void (*say)(void *arg, const char *sentence);
    void *arg;
    struct slice object;
    struct image_row image;
    struct arena a;
    struct map rows; /* key -> struct damaged */
    struct damaged *first;
    struct kv_tx *tx; /* while one runs */
    uint64_t modseq;
    bool invented; /* the account's row is lost: a new one is in its place */
    struct account_row account;
    struct box_row *box;
    struct batch_range batch;
};

/* ---- finding ---- */

static int find_damaged(void *arg, struct slice key, struct slice value)
{
    struct mending *x = arg;
    struct arena a;
    ar_init(&a, 0);
    bool good = image_row_good(&a, x->object, key, value);
    ar_free(&a);
    if (good || x->rows.count == MEND_MAX) return 0;
    struct damaged *d = ar_new(&x->a, struct damaged);
    *d = (struct damaged){.next = x->first, .key = ar_dup(&x->a, key)};
    x->first = d;
    map_put(&x->rows, key, d);
    return 0;
}

static int find_good(void *arg, struct slice key, struct slice value)
{
    struct mending *x = arg;
    struct damaged *d = map_get(&x->rows, key);
    if (d && image_row_good(&x->a, x->object, key, value)) d->good = ar_dup(&x->a, value);
    return 0;
}

static bool is_message(struct slice key) { return sl_starts(key, SL("m/")) || sl_starts(key, SL("y/")); }

/* A message whose body has been moved since is not found by its row in the image. */
static void drop_moved(struct mending *x)
{
    for (struct damaged *d = x->first; d; d = d->next) {
        struct message m;
        if (!sl_starts(x->object, SL("u:")) || !d->good.n || !is_message(d->key)) continue;
        if (message_row_get(d->good, 0, &m) || body_pin(x->s->body, &m.body)) d->good = SL("");
        else body_unpin(x->s->body, &m.body);
    }
}

/* ---- an account, in its transaction ---- */

static int highest_of_box(void *arg, struct slice key, struct slice value)
{
    struct mending *x = arg;
    struct box_row b;
    uint64_t id;
    if (row_number(key, &id) || box_row_get(value, (uint32_t)id, &b)) return 0;
    if (b.m.modseq > x->modseq) x->modseq = b.m.modseq;
    if (b.m.uidvalidity > x->account.uidvalidity) x->account.uidvalidity = b.m.uidvalidity;
    if (id >= x->account.next_box) x->account.next_box = (uint32_t)id + 1;
    return 0;
}

static void put_message(struct mending *x, const struct damaged *d)
{
    struct message m;
    struct buf b = BUF_INIT;
    if (message_row_get(d->good, 0, &m)) return;
    m.modseq = x->modseq;
    message_row_record(&b, &m);
    kv_tx_put_record(x->tx, d->key, &b);
    buf_free(&b);
}

/* Is it damaged still? */
static bool still(struct mending *x, const struct damaged *d)
{
    struct slice now;
    return d->good.n && kv_tx_get(x->tx, d->key, &now) == 0 && !image_row_good(&x->a, x->object, d->key, now);
}

static int count_message_row(void *arg, struct slice key, struct slice value)
{
    struct mending *x = arg;
    struct message m;
    uint64_t n;
    if (row_number(key, &n)) return 0;
    int e = x->batch.first ? batch_message_get(key, value, &x->batch, &m)
                           : message_row_get(value, (uint32_t)n, &m);
    if (e) return 0; /* not mended */
    count_message(&x->account, x->box, &m, 1);
    if (m.uid >= x->box->m.uidnext) x->box->m.uidnext = m.uid + 1;
    return 0;
}

static int count_batch(void *arg, struct slice key, struct slice value)
{
    struct mending *x = arg;
    struct batch_rows rows;
    uint32_t box;
    (void)value;
    if (batch_range_get(key, &box, &x->batch)) return 0;
    batch_rows(box, x->batch.batch, 0, &rows);
    return kv_tx_scan(x->tx, rows.from, rows.to, count_message_row, x);
}

static int count_box(struct mending *x)
{
    char from[KEY_ROOM], to[KEY_ROOM];
    uint32_t id = x->box->m.id;
    x->batch = (struct batch_range){0};
    int e = kv_tx_scan(x->tx, row_prefix('m', id, from), row_prefix_end('m', id, to), count_message_row, x);
    return e ? e : kv_tx_scan(x->tx, row_prefix('g', id, from), row_prefix_end('g', id, to), count_batch, x);
}

/* Counted anew; of one whose row is older than it was the numbers jump. */
static int settle_box(void *arg, struct slice key, struct slice value)
{
    struct mending *x = arg;
    struct box_row b;
    uint64_t id;
    if (row_number(key, &id) || box_row_get(value, (uint32_t)id, &b)) return 0;
    struct damaged *d = map_get(&x->rows, key);
    b.m.exists = b.m.unseen = b.m.deleted = 0;
    b.m.size = 0;
    memset(b.users, 0, sizeof b.users);
    x->box = &b;
    x->account.boxes++;
    int e = count_box(x);
    if (e) return e;
    if (d && d->mended) {
        uint32_t room = (UINT32_MAX - b.m.uidnext) / 2;
        b.m.uidnext += room < RESCUE_JUMP ? room : RESCUE_JUMP;
    }
    b.m.modseq = x->modseq;
    box_row_put(x->tx, NULL, &b);
    mailbox_name_put(x->tx, b.m.name, (uint32_t)id);
    return 0;
}

static int count_names(void *arg, struct slice key, struct slice value)
{
    struct mending *x = arg;
    struct rec r;
    (void)key;
    if (rec_open(&r, value, UINT8_MAX)) return 0;
    while (rec_next(&r)) x->account.subscriptions += r.tag == 'n';
    return 0;
}

/* Rows but messages at once: *older, they may be older than they were. */
static bool put_good(struct mending *x, bool *older)
{
    bool any = *older = false;
    for (struct damaged *d = x->first; d; d = d->next) {
        d->mended = still(x, d);
        any = any || d->mended;
        if (!d->mended || is_message(d->key)) continue;
        kv_tx_put(x->tx, d->key, d->good);
        *older = true;
    }
    return any;
}

/* A row that is lost is as old as can be: what the mailboxes tell is all that is known of its numbers. */
static int take_numbers(struct mending *x, bool older)
{
    struct slice row;
    int e = kv_tx_get(x->tx, SL("a"), &row);
    if (e == 0) e = account_row_get(row, &x->account);
    if (e && e != ERR_NOT_FOUND && !err_is_damage(e)) return e;
    x->invented = e != 0;
    if (x->invented) x->account = (struct account_row){0};
    older = older || x->invented;
    x->modseq = 0;
    e = kv_tx_scan(x->tx, SL("b/"), SL("b0"), highest_of_box, x);
    if (x->account.modseq > x->modseq) x->modseq = x->account.modseq;
    x->modseq += older ? RESCUE_JUMP : 1;
    x->account.next_box += older ? RESCUE_JUMP : 0;
    x->account.bytes = x->account.messages = x->account.boxes = x->account.subscriptions = 0;
    return e;
}

static int mend_account(struct kv_tx *tx, void *arg)
{
    struct mending *x = arg;
    bool older;
    x->tx = tx;
    x->account = (struct account_row){0};
    x->invented = false;
    if (!put_good(x, &older)) return 0;
    int e = take_numbers(x, older);
    for (struct damaged *d = x->first; d; d = d->next)
        if (d->mended && is_message(d->key)) put_message(x, d);
    if (e == 0) e = kv_tx_scan(tx, SL("b/"), SL("b0"), settle_box, x);
    if (e == 0) e = kv_tx_scan(tx, SL("s/"), SL("s0"), count_names, x);
    x->account.modseq = x->account.journal_floor = x->modseq; /* no row of the journal tells of this */
    places_forget(tx, &x->account);
    size_t wrong;
    if (e == 0) e = quota_trees_settle(tx, &x->account, &wrong);
    if (e == 0) account_row_put(tx, &x->account);
    return e;
}

static int mend_domain(struct kv_tx *tx, void *arg)
{
    struct mending *x = arg;
    bool older;
    x->tx = tx;
    (void)!put_good(x, &older);
    return 0;
}

/* ---- one object ---- */

static void tell_invented(struct mending *x)
{
    struct arena a;
    ar_init(&a, 0);
    x->say(x->arg,
           ar_printf(&a,
                     "object %.*s: the row a was lost and is made anew from the mailboxes: its numbers "
                     "jump, its quota is gone and has to be set again",
                     SLF(x->object))
               .p);
    ar_free(&a);
}

static void tell(struct mending *x)
{
    if (x->invented) tell_invented(x);
    for (struct damaged *d = x->first; d; d = d->next) {
        struct arena a;
        if (x->invented && sl_eq(d->key, SL("a"))) continue;
        ar_init(&a, 0);
        struct slice what =
            d->mended ? ar_printf(&a,
                                  "object %.*s: the row %.*s is as the image of %lld s ago has it: what was "
                                  "changed of it since is as before",
                                  SLF(x->object), SLF(d->key), (long long)(rt_wall_seconds() - x->image.when))
                      : ar_printf(&a, "object %.*s: the row %.*s is in no image that could mend it",
                                  SLF(x->object), SLF(d->key));
        x->say(x->arg, what.p);
        ar_free(&a);
    }
}

static void tell_refused(struct mending *x, struct slice object, int e)
{
    struct arena a;
    ar_init(&a, 0);
    x->say(x->arg, ar_printf(&a, "object %.*s: nothing of it is mended: %s", SLF(object), err_text(e)).p);
    ar_free(&a);
}

static int mend_object(struct mending *x)
{
    bool account = sl_starts(x->object, SL("u:"));
    int e = object_rows(x->s, x->object, find_damaged, x);
    if (e || !x->first) return e;
    e = image_rows(x->s, &x->image.head, find_good, x);
    if (e) return e;
    drop_moved(x);
    e = kv_transact_large(x->s->kv, x->object, account ? mend_account : mend_domain, x);
    if (e == 0) tell(x);
    return e;
}

static int forget_image(struct kv_tx *tx, void *arg)
{
    kv_tx_del(tx, *(struct slice *)arg);
    return 0;
}

static bool is_unreadable(int e) { return err_is_damage(e) || e == ERR_NOT_FOUND; }

/* An image that is damaged gives way to a new one; an object that cannot be read to its end keeps its image.
 */
static int each_image(void *arg, struct slice object, struct slice value)
{
    struct mending *all = arg;
    struct mending x = {.s = all->s, .say = all->say, .arg = all->arg, .object = object};
    int e = image_row_get(value, &x.image);
    if (e == 0) e = image_rows(x.s, &x.image.head, NULL, NULL);
    if (is_unreadable(e)) {
        log_error("care", "the image of %.*s is damaged and made anew: %s", SLF(object), err_text(e));
        return kv_transact(x.s->kv, SL("_images"), forget_image, &object);
    }
    if (e || image_is_list(object)) return e;
    ar_init(&x.a, 0);
    map_init(&x.rows, false);
    e = mend_object(&x);
    map_free(&x.rows);
    ar_free(&x.a);
    if (!is_unreadable(e)) return e;
    tell_refused(all, object, e);
    return 0;
}

/* Limits of mailboxes whose numbers are wrong, whatever made them so. */
static int mend_trees(void *arg, const char *acc)
{
    struct mending *all = arg;
    struct arena a;
    size_t wrong = 0;
    int e = account_transact(all->s, acc, quota_trees_recount, &wrong);
    if (e || !wrong) return is_unreadable(e) ? 0 : e; /* its row is told of elsewhere */
    ar_init(&a, 0);
    all->say(all->arg,
             ar_printf(&a, "account %s: what its limits of mailboxes hold is counted anew: %zu were wrong",
                       acc, wrong)
                 .p);
    ar_free(&a);
    return 0;
}

/* Messages that would not be found by EMAILID or thread. */
static int mend_places(void *arg, const char *acc)
{
    struct mending *all = arg;
    struct arena a;
    size_t wrong;
    int e = places_mend(all->s, acc, &wrong);
    if (e || !wrong) return e;
    ar_init(&a, 0);
    all->say(all->arg, ar_printf(&a,
                                 "account %s: the rows by which messages are found by EMAILID and thread are "
                                 "made anew when somebody asks: %zu messages lacked some",
                                 acc, wrong)
                           .p);
    ar_free(&a);
    return 0;
}

int rescue_mend(struct store *s, void (*say)(void *arg, const char *sentence), void *arg)
{
    struct mending all = {.s = s, .say = say, .arg = arg};
    int e = images_each(s, each_image, &all);
    if (e == 0) e = accounts_each(s, mend_trees, &all);
    return e ? e : accounts_each(s, mend_places, &all);
}
