/* mailbox.c - the mailboxes of an account: found, made, subscribed; the account as a whole. */
#include <stdlib.h>

#include "base/log.h"
#include "mailbox_i.h"
#include "quota.h"

/* ---- reading ---- */

static void copy_out(struct arena *a, const struct box_row *b, struct mailbox *out)
{
    *out = b->m;
    out->name = ar_dup(a, b->m.name);
    out->keyword = ar_array(a, struct slice, b->m.nkeywords);
    for (size_t i = 0; i < b->m.nkeywords; i++) out->keyword[i] = ar_dup(a, b->keyword[i]);
}

/* A damaged row hides no other. */
static int left_out(const char *acc, struct slice key, int e)
{
    if (!err_is_damage(e)) return e;
    log_error("store", "account %s: the row %.*s is damaged and left out; see tram verify", acc, SLF(key));
    return 0;
}

static int subscriptions_each(struct store *s, const char *acc, struct arena *a,
                              int (*each)(void *arg, struct slice name), void *arg)
{
    char room[KEY_ROOM];
    struct kv_page page = {.more = true};
    struct slice from = SL("s/");
    while (page.more) {
        int e = kv_scan(s->kv, account_object(acc, room), from, SL("s0"), KV_PAGE_MAX, a, &page);
        for (size_t i = 0; e == 0 && i < page.n; i++) {
            struct rec r;
            e = rec_open(&r, page.row[i].value, 1);
            while (e == 0 && rec_next(&r))
                if (r.tag == 'n') e = each(arg, r.field);
            if (e == 0) e = rec_error(&r);
            e = left_out(acc, page.row[i].key, e);
        }
        if (e) return e;
        if (page.n) from = kv_after(a, page.row[page.n - 1].key);
    }
    return 0;
}

static int note_name(void *arg, struct slice name)
{
    map_put(arg, name, (void *)1);
    return 0;
}

static int subscribed_set(struct store *s, const char *acc, struct map *set)
{
    struct arena a;
    ar_init(&a, 0);
    map_init(set, false);
    int e = subscriptions_each(s, acc, &a, note_name, set);
    ar_free(&a);
    return e;
}

static int by_name(const void *x, const void *y)
{
    const struct mailbox *p = x, *q = y;
    if ((p->id == INBOX_ID) != (q->id == INBOX_ID)) return p->id == INBOX_ID ? -1 : 1;
    return sl_cmp(p->name, q->name);
}

static int list_boxes(struct store *s, const char *acc, struct arena *a, struct mailbox **out, size_t *n)
{
    char room[KEY_ROOM];
    size_t cap = 16;
    struct kv_page page = {.more = true};
    struct slice from = SL("b/");
    *n = 0;
    *out = ar_array(a, struct mailbox, cap);
    while (page.more) {
        int e = kv_scan(s->kv, account_object(acc, room), from, SL("b0"), KV_PAGE_MAX, a, &page);
        for (size_t i = 0; e == 0 && i < page.n; i++) {
            struct box_row row;
            uint64_t id;
            e = row_number(page.row[i].key, &id);
            if (e == 0) e = box_row_get(page.row[i].value, (uint32_t)id, &row);
            if (e) {
                e = left_out(acc, page.row[i].key, e);
                continue;
            }
            if (*n == cap) *out = ar_grow(a, *out, &cap, sizeof **out);
            copy_out(a, &row, &(*out)[(*n)++]);
        }
        if (e) return e;
        if (page.n) from = kv_after(a, page.row[page.n - 1].key);
    }
    return 0;
}

int mailbox_list(struct store *s, const char *acc, struct arena *a, struct mailbox **out, size_t *n)
{
    struct map subscribed;
    int e = subscribed_set(s, acc, &subscribed);
    if (e == 0) e = list_boxes(s, acc, a, out, n);
    if (e == 0) {
        for (size_t i = 0; i < *n; i++) (*out)[i].subscribed = map_get(&subscribed, (*out)[i].name);
        qsort(*out, *n, sizeof **out, by_name);
    }
    map_free(&subscribed);
    return e;
}

static int is_subscribed(struct store *s, const char *acc, struct slice name, struct arena *a, bool *yes)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct slice value;
    struct rec r;
    *yes = false;
    int e = kv_get(s->kv, account_object(acc, room), box_key('s', crc32c(0, name.p, name.n), key), a, &value);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    e = rec_open(&r, value, 1);
    while (e == 0 && rec_next(&r)) *yes = *yes || sl_eq(r.field, name);
    return left_out(acc, sl_cstr(key), e);
}

int mailbox_get(struct store *s, const char *acc, uint32_t id, struct arena *a, struct mailbox *out)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct box_row row;
    struct slice value;
    int e = kv_get(s->kv, account_object(acc, room), box_key('b', id, key), a, &value);
    if (e == ERR_NOT_FOUND) return err_set(e, "there is no such mailbox");
    if (e == 0) e = box_row_get(value, id, &row);
    if (e) return e;
    copy_out(a, &row, out);
    return is_subscribed(s, acc, out->name, a, &out->subscribed);
}

int mailbox_find(struct store *s, const char *acc, struct slice name, struct arena *a, struct mailbox *out)
{
    char room[KEY_ROOM], from[KEY_ROOM], to[KEY_ROOM];
    struct kv_page page;
    int damage = 0, e = mailbox_name(a, name, &name);
    if (e) return e;
    if (sl_eq(name, SL("INBOX"))) return mailbox_get(s, acc, INBOX_ID, a, out);
    uint32_t sum = crc32c(0, name.p, name.n);
    e = kv_scan(s->kv, account_object(acc, room), row_prefix('n', sum, from), row_prefix_end('n', sum, to),
                KV_PAGE_MAX, a, &page);
    for (size_t i = 0; e == 0 && i < page.n; i++) {
        uint64_t id;
        e = row_number(page.row[i].key, &id);
        if (e == 0) e = mailbox_get(s, acc, (uint32_t)id, a, out);
        if (e == 0 && sl_eq(out->name, name)) return 0;
        if (err_is_damage(e)) damage = e;                  /* it may be another of this sum */
        if (e == ERR_NOT_FOUND || err_is_damage(e)) e = 0; /* deleted between the two reads */
    }
    if (e == 0 && damage) return err_set(damage, "the record of the mailbox is damaged; see tram verify");
    return e ? e : err_set(ERR_NOT_FOUND, "there is no mailbox \"%.*s\"", SLF(sl_sub(name, 0, 200)));
}

/* ---- making ---- */

void mailbox_name_put(struct kv_tx *tx, struct slice name, uint32_t id)
{
    char room[KEY_ROOM];
    kv_tx_put(tx, row_key('n', crc32c(0, name.p, name.n), id, 8, room), SL("\1"));
}

void mailbox_name_del(struct kv_tx *tx, struct slice name, uint32_t id)
{
    char room[KEY_ROOM];
    kv_tx_del(tx, row_key('n', crc32c(0, name.p, name.n), id, 8, room));
}

/* Greater than every one given before in this account, so that a name with its
 * uidvalidity never means two mailboxes (RFC 9051 section 2.3.1.1). */
static uint32_t next_uidvalidity(struct account_row *a)
{
    int64_t now = rt_wall_seconds();
    bool sane = now > a->uidvalidity && now <= INT32_MAX; /* a wrong clock must not use the numbers up */
    a->uidvalidity = sane ? (uint32_t)now : a->uidvalidity + 1;
    return a->uidvalidity;
}

/* RFC 4314 section 4: who may use the one above may use what is made in it. */
static int inherit(struct kv_tx *tx, struct slice name, uint32_t id)
{
    struct slice above;
    struct box_row b;
    if (!mailbox_parent(name, &above)) return 0;
    int e = box_tx_named(tx, above, &b);
    return e ? (e == ERR_NOT_FOUND ? 0 : e) : acl_inherit_tx(tx, b.m.id, id);
}

static int make_box(struct kv_tx *tx, struct account_row *a, struct slice name, unsigned use,
                    struct box_row *out)
{
    if (a->boxes >= MAILBOXES_MAX)
        return err_set(ERR_LIMIT, "an account may have %d mailboxes", MAILBOXES_MAX);
    *out = (struct box_row){.m = {.id = a->next_box++, .name = name, .uidnext = 1, .use = use}};
    int e = quota_tree_fit(tx, a, SL(""), name, (struct quota_load){.boxes = 1});
    if (e) return e;
    out->m.uidvalidity = next_uidvalidity(a);
    out->m.modseq = ++a->modseq;
    journal_put(tx, a, &(struct journal_box){.box = out->m.id, .kind = JOURNAL_MADE}, 1);
    a->boxes++;
    mailbox_name_put(tx, name, out->m.id);
    box_row_put(tx, a, out);
    return inherit(tx, name, out->m.id);
}

/* Makes the mailbox and what is missing above it. */
int mailbox_make(struct kv_tx *tx, struct account_row *a, struct slice name, unsigned use,
                 struct box_row *out)
{
    struct box_row above;
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] != '/') continue;
        int e = box_tx_named(tx, sl_sub(name, 0, i), &above);
        if (e == ERR_NOT_FOUND) e = make_box(tx, a, sl_sub(name, 0, i), 0, &above);
        if (e) return e;
    }
    return make_box(tx, a, name, use, out);
}

/* ---- a new account's mailboxes, and what they are for ---- */

static const struct {
    struct slice name;
    unsigned use;
} defaults[] = {
    {SL_INIT("INBOX"), 0},       {SL_INIT("Drafts"), USE_DRAFTS}, {SL_INIT("Sent"), USE_SENT},
    {SL_INIT("Junk"), USE_JUNK}, {SL_INIT("Trash"), USE_TRASH},   {SL_INIT("Archive"), USE_ARCHIVE},
};

static int find_use(void *arg, struct slice key, struct slice value)
{
    struct box_row b;
    (void)key;
    return box_row_get(value, 0, &b) == 0 && b.m.use & *(unsigned *)arg;
}

/* A mailbox that comes back under the name it had at first comes back to its use, unless another
 * one has taken that over. */
static unsigned use_of_name(struct kv_tx *tx, struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(defaults); i++) {
        unsigned use = defaults[i].use;
        if (use && sl_eq(defaults[i].name, name))
            return kv_tx_scan(tx, SL("b/"), SL("b0"), find_use, &use) == 0 ? use : 0;
    }
    return 0;
}

struct create {
    const struct mailbox_guest *guest;
    struct slice name;
    unsigned use;
    uint32_t id;
};

int mailbox_create_tx(struct kv_tx *tx, struct account_row *a, struct slice name, unsigned use,
                      struct box_row *out)
{
    int e = box_tx_named(tx, name, out);
    if (e == 0) return err_set(ERR_EXISTS, "the mailbox exists already");
    if (e != ERR_NOT_FOUND) return e;
    return mailbox_make(tx, a, name, use ? use : use_of_name(tx, name), out);
}

static int create(struct kv_tx *tx, void *arg)
{
    struct create *c = arg;
    struct account_row a;
    struct box_row b;
    int e = account_tx(tx, &a);
    if (e == 0) e = guest_makes_tx(tx, c->guest, 0, c->name);
    if (e == 0) e = mailbox_create_tx(tx, &a, c->name, c->use, &b);
    if (e) return e;
    account_row_put(tx, &a);
    c->id = b.m.id;
    return 0;
}

int mailbox_create(struct store *s, const char *acc, struct slice name, unsigned use, struct arena *a,
                   struct mailbox *out)
{
    return mailbox_create_as(s, acc, NULL, name, use, a, out);
}

int mailbox_create_as(struct store *s, const char *acc, const struct mailbox_guest *guest, struct slice name,
                      unsigned use, struct arena *a, struct mailbox *out)
{
    struct create c = {.guest = guest, .use = use};
    int e = mailbox_name(a, name, &c.name);
    if (e == 0) e = guest_transact(s, acc, guest, create, &c);
    return e ? e : mailbox_get(s, acc, c.id, a, out);
}

/* ---- subscriptions ---- */

struct subscribe {
    struct slice name;
    bool yes;
};

static int subscribe(struct kv_tx *tx, void *arg)
{
    struct subscribe *c = arg;
    struct account_row a;
    struct slice value;
    struct rec r;
    struct buf b = BUF_INIT;
    char room[KEY_ROOM];
    bool was = false, others = false;
    struct slice key = box_key('s', crc32c(0, c->name.p, c->name.n), room);
    int e = account_tx(tx, &a);
    if (e) return e;
    rec_begin(&b, 1);
    e = kv_tx_get(tx, key, &value);
    if (e == 0) e = rec_open(&r, value, 1);
    while (e == 0 && rec_next(&r)) {
        bool same = sl_eq(r.field, c->name);
        was = was || same;
        others = others || !same;
        if (!same) rec_put(&b, 'n', r.field);
    }
    if (c->yes) rec_put(&b, 'n', c->name);
    e = e == ERR_NOT_FOUND ? 0 : e;
    if (e == 0 && b.over) e = err_set(ERR_LIMIT, "this name cannot be subscribed");
    if (e == 0 && c->yes && !was && a.subscriptions >= MAILBOXES_MAX)
        e = err_set(ERR_LIMIT, "an account may have %d subscriptions", MAILBOXES_MAX);
    if (e == 0 && was != c->yes) {
        a.subscriptions += c->yes ? 1 : UINT32_MAX;
        a.modseq++; /* nothing changes without a change of the account's row */
        account_row_put(tx, &a);
        if (c->yes || others) kv_tx_put_record(tx, key, &b);
        else kv_tx_del(tx, key);
    }
    buf_free(&b);
    return e;
}

/* Also a mailbox of another account: "#user/ADDRESS/NAME", or a public one: "#public/NAME". */
static int subscription_name(struct arena *a, struct slice name, struct slice *out)
{
    if (!sl_startsi(name, SL("#user/")) && !sl_startsi(name, SL("#public/")))
        return mailbox_name(a, name, out);
    int e = mailbox_name(a, sl_from(name, 1), out);
    if (e == 0) *out = ar_cat(a, SL("#"), *out);
    return e;
}

int mailbox_subscribe(struct store *s, const char *acc, struct slice name, bool yes)
{
    struct arena a;
    struct subscribe c = {.yes = yes};
    ar_init(&a, 0);
    int e = subscription_name(&a, name, &c.name);
    if (e == 0) e = account_transact(s, acc, subscribe, &c);
    ar_free(&a);
    return e;
}

struct names {
    struct arena *a;
    struct slice *v;
    size_t n, cap;
};

static int add_name(void *arg, struct slice name)
{
    struct names *l = arg;
    if (l->n == l->cap) l->v = ar_grow(l->a, l->v, &l->cap, sizeof *l->v);
    l->v[l->n++] = name;
    return 0;
}

static int slice_order(const void *x, const void *y)
{
    return sl_cmp(*(const struct slice *)x, *(const struct slice *)y);
}

int mailbox_subscriptions(struct store *s, const char *acc, struct arena *a, struct slice **names, size_t *n)
{
    struct names l = {.a = a, .cap = 16, .v = ar_array(a, struct slice, 16)};
    int e = subscriptions_each(s, acc, a, add_name, &l);
    qsort(l.v, l.n, sizeof *l.v, slice_order);
    *names = l.v;
    *n = e ? 0 : l.n;
    return e;
}

/* ---- a new account ---- */

int mailbox_defaults(struct kv_tx *tx, void *arg)
{
    (void)arg;
    struct account_row a = {.next_box = INBOX_ID};
    struct box_row b;
    int e = account_tx(tx, &a);
    if (e && e != ERR_NOT_FOUND) return e;
    for (size_t i = 0; i < COUNT_OF(defaults); i++) {
        e = box_tx_named(tx, defaults[i].name, &b);
        if (e == ERR_NOT_FOUND) e = make_box(tx, &a, defaults[i].name, defaults[i].use, &b);
        if (e) return e;
    }
    account_row_put(tx, &a);
    for (size_t i = 0; e == 0 && i < COUNT_OF(defaults); i++)
        e = subscribe(tx, &(struct subscribe){defaults[i].name, true});
    return e;
}

int mailbox_make_defaults(struct store *s, const char *acc)
{
    return account_transact(s, acc, mailbox_defaults, NULL);
}

/* The mark lies beside the account's rows until they go. */
/* ---- recent ---- */

enum { RECENT_ROW = 1 };

int mailbox_recent(struct store *s, const char *acc, uint32_t box, uint32_t *first)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct arena a;
    struct slice value;
    struct rec r;
    *first = 1;
    ar_init(&a, 0);
    int e = kv_get(s->kv, account_object(acc, room), row_key('r', box, 0, 4, key), &a, &value);
    if (e == 0) e = rec_open(&r, value, RECENT_ROW);
    while (e == 0 && rec_next(&r))
        if (r.tag == 'u') *first = (uint32_t)rec_u64(&r);
    if (e == 0) e = rec_error(&r);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

void mailbox_recent_note(struct store *s, const char *acc, uint32_t box, uint32_t first)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct buf b = BUF_INIT;
    rec_begin(&b, RECENT_ROW);
    rec_put_u64(&b, 'u', first);
    kv_note_record(s->kv, account_object(acc, room), row_key('r', box, 0, 4, key), &b);
    buf_free(&b);
}

/* ---- the account as a whole ---- */

static int read_row(struct store *s, const char *acc, struct account_row *out)
{
    char room[KEY_ROOM];
    struct arena a;
    struct slice value;
    *out = (struct account_row){0};
    ar_init(&a, 0);
    int e = kv_get(s->kv, account_object(acc, room), SL("a"), &a, &value);
    if (e == 0) e = account_row_get(value, out);
    ar_free(&a);
    return e;
}

int account_usage(struct store *s, const char *acc, struct account_usage *out)
{
    struct account_row row;
    int e = read_row(s, acc, &row);
    *out = (struct account_usage){row.bytes, row.messages, row.quota, row.quota_messages, row.boxes};
    return e;
}

int account_room(struct store *s, const char *acc, uint64_t bytes)
{
    struct account_row row;
    struct quota_tree *t;
    struct arena a;
    size_t n = 0;
    ar_init(&a, 0);
    int e = read_row(s, acc, &row);
    if (e == 0) e = quota_check(&row, bytes, 1);
    if (e == 0 && row.trees) e = quota_trees(s, acc, SL("INBOX"), &a, &t, &n);
    for (size_t i = 0; e == 0 && i < n; i++) e = quota_tree_room(&t[i], bytes);
    ar_free(&a);
    return e;
}

static int set_quotas(struct kv_tx *tx, void *arg)
{
    const struct account_quotas *q = arg;
    struct account_row a;
    int e = account_tx(tx, &a);
    if (e) return e;
    if (q->bytes) a.quota = *q->bytes;
    if (q->messages) a.quota_messages = *q->messages;
    account_row_put(tx, &a);
    return 0;
}

int account_set_quotas(struct store *s, const char *acc, const struct account_quotas *q)
{
    return account_transact(s, acc, set_quotas, (void *)q);
}

int account_set_quota(struct store *s, const char *acc, uint64_t bytes)
{
    return account_set_quotas(s, acc, &(struct account_quotas){.bytes = &bytes});
}

struct kv_watch *mailbox_watch(struct store *s, const char *acc, void (*fn)(void *), void *arg)
{
    char room[KEY_ROOM];
    return kv_watch(s->kv, account_object(acc, room), fn, arg);
}
