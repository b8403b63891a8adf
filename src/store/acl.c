/* acl.c - access lists of mailboxes (RFC 4314): row c/BOX beside the mailbox. So that others find what is
 * shared with them, each has a row o/OWNER for whoever shared something with them once, and the object
 * _shared one for those who shared with everybody. These are only hints: what counts is the list beside the
 * mailbox. */
#include "acl.h"

#include <stdio.h>

#include "base/log.h"
#include "mailbox_i.h"

enum { ACL_ROW = 1, HINT_ROW = 1, LISTS_AT_ONCE = 100 };
#define SHARED SL("_shared")

/* ---- the list ---- */

static int parse_list(struct arena *a, struct slice value, struct acl_entry **out, size_t *n)
{
    struct rec r;
    int e = rec_open(&r, value, ACL_ROW);
    *out = ar_array(a, struct acl_entry, ACL_MAX + 1);
    *n = 0;
    while (e == 0 && rec_next(&r)) {
        struct acl_entry *at = *n ? &(*out)[*n - 1] : NULL;
        if (r.tag == 'w' && *n < ACL_MAX) (*out)[(*n)++].who = ar_dup(a, r.field);
        else if (at && r.tag == 'i') snprintf(at->id, sizeof at->id, "%.*s", SLF(r.field));
        else if (at && r.tag == 'n') at->negative = rec_u64(&r) != 0;
        else if (at && r.tag == 'r') at->rights = (unsigned)rec_u64(&r) & ACL_ALL;
    }
    return e ? e : rec_error(&r);
}

int acl_read(struct store *s, struct mailbox_ref box, struct arena *a, struct acl_entry **out, size_t *n)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct slice value;
    *n = 0;
    *out = NULL;
    int e = kv_get(s->kv, account_object(box.account, room), box_key('c', box.box, key), a, &value);
    if (e == ERR_NOT_FOUND) return 0;
    return e ? e : parse_list(a, value, out, n);
}

static bool means(const struct acl_entry *e, const char *user)
{
    if (e->id[0]) return strcmp(e->id, user) == 0;
    return user[0] || sl_eq(e->who, ACL_ANYONE);
}

unsigned acl_rights_of(const struct acl_entry *v, size_t n, const char *user)
{
    unsigned rights = 0, taken = 0;
    for (size_t i = 0; i < n; i++) {
        if (!means(&v[i], user)) continue;
        if (v[i].negative) taken |= v[i].rights;
        else rights |= v[i].rights;
    }
    return rights & ~taken;
}

int acl_allow(unsigned rights, unsigned need)
{
    static const char letters[] = ACL_LETTERS;
    for (unsigned i = 0; i < sizeof letters - 1; i++)
        if (need & ~rights & 1u << i)
            return err_set(ERR_DENIED, "the right \"%c\" on the mailbox is missing", letters[i]);
    return 0;
}

/* ---- what is shared with somebody ---- */

static unsigned rights_in_row(const char *acc, const char *user, const struct kv_row *row, uint64_t *box)
{
    struct arena a;
    struct acl_entry *v;
    size_t n;
    ar_init(&a, 0);
    int e = row_number(row->key, box);
    if (e == 0) e = parse_list(&a, row->value, &v, &n);
    unsigned rights = e ? 0 : acl_rights_of(v, n, user);
    ar_free(&a);
    if (e)
        log_error("imap", "account %s, row %.*s: this access list is damaged, nobody else sees the mailbox",
                  acc, SLF(row->key));
    fiber_breathe();
    return rights;
}

int acl_shared(struct store *s, const char *acc, const char *user, size_t max, struct arena *a,
               struct acl_shared **out, size_t *n)
{
    char room[KEY_ROOM];
    struct kv_page page = {.more = true};
    struct arena rows;
    struct slice from = SL("c/");
    size_t cap = 16;
    uint64_t box;
    int e = 0;
    *n = 0;
    *out = ar_array(a, struct acl_shared, cap);
    ar_init(&rows, 0);
    while (e == 0 && page.more && *n < max) {
        e = kv_scan(s->kv, account_object(acc, room), from, SL("c0"), LISTS_AT_ONCE, &rows, &page);
        for (size_t i = 0; e == 0 && i < page.n && *n < max; i++) {
            unsigned rights = rights_in_row(acc, user, &page.row[i], &box);
            if (!(rights & ACL_LOOKUP)) continue;
            if (*n == cap) *out = ar_grow(a, *out, &cap, sizeof **out);
            (*out)[(*n)++] = (struct acl_shared){(uint32_t)box, rights};
        }
        if (e == 0 && page.n) from = kv_after(a, page.row[page.n - 1].key);
        ar_reset(&rows);
    }
    ar_free(&rows);
    return e;
}

/* ---- for a guest ---- */

struct as_guest {
    const struct mailbox_guest *guest;
    kv_fn *fn;
    void *arg;
};

static int allowed(struct kv_tx *tx, const struct mailbox_guest *g, uint32_t box, unsigned need)
{
    char room[KEY_ROOM];
    struct arena a;
    struct slice value;
    struct acl_entry *v;
    size_t n = 0;
    ar_init(&a, 0);
    int e = kv_tx_get(tx, box_key('c', box, room), &value);
    if (e == 0) e = parse_list(&a, value, &v, &n);
    if (e == 0 || e == ERR_NOT_FOUND) e = acl_allow(n ? acl_rights_of(v, n, g->id) : 0, need);
    ar_free(&a);
    return e;
}

static int run_as_guest(struct kv_tx *tx, void *arg)
{
    const struct as_guest *x = arg;
    int e = 0;
    for (size_t i = 0; e == 0 && i < COUNT_OF(x->guest->must); i++)
        if (x->guest->must[i].box) e = allowed(tx, x->guest, x->guest->must[i].box, x->guest->must[i].need);
    return e ? e : x->fn(tx, x->arg);
}

int guest_means_tx(struct kv_tx *tx, const struct mailbox_guest *guest, struct slice name)
{
    struct box_row b;
    int e = guest ? box_tx_named(tx, name, &b) : 0;
    if (e || !guest || b.m.id == guest->must[0].box) return e;
    return err_set(ERR_NOT_FOUND, "the mailbox has another name now");
}

int guest_makes_tx(struct kv_tx *tx, const struct mailbox_guest *guest, size_t i, struct slice name)
{
    struct box_row b;
    if (!guest) return 0;
    while (mailbox_parent(name, &name)) {
        int e = box_tx_named(tx, name, &b);
        if (e == ERR_NOT_FOUND) continue;
        if (e || b.m.id == guest->must[i].box) return e;
        break;
    }
    return err_set(ERR_NOT_FOUND, "the mailbox above it has another name now");
}

int mailbox_transact(struct store *s, struct mailbox_ref box, size_t n, kv_fn *fn, void *arg)
{
    struct as_guest x = {box.guest, fn, arg};
    return box.guest ? account_transact_part(s, box.account, n, run_as_guest, &x)
                     : account_transact_part(s, box.account, n, fn, arg);
}

int guest_transact(struct store *s, const char *acc, const struct mailbox_guest *guest, kv_fn *fn, void *arg)
{
    return mailbox_transact(s, (struct mailbox_ref){.account = acc, .guest = guest}, 1, fn, arg);
}

/* ---- changing ---- */

struct changing {
    uint32_t box;
    const struct acl_entry *e;
    enum acl_op op;
    struct arena *a;
};

static bool same_who(const struct acl_entry *x, const struct acl_entry *y)
{
    if (x->negative != y->negative || strcmp(x->id, y->id) != 0) return false;
    return x->id[0] || sl_eq(x->who, y->who); /* the address of an account changes with its name */
}

static int change_list(const struct changing *x, struct acl_entry *v, size_t *n)
{
    size_t i = 0;
    while (i < *n && !same_who(&v[i], x->e)) i++;
    if (i == ACL_MAX) return err_set(ERR_LIMIT, "a mailbox may be shared with %d others", ACL_MAX);
    if (i == *n) {
        v[(*n)++] = *x->e;
        v[i].rights = 0;
    }
    v[i].who = x->e->who;
    if (x->op == ACL_SET) v[i].rights = x->e->rights;
    else if (x->op == ACL_ADD) v[i].rights |= x->e->rights;
    else v[i].rights &= ~x->e->rights;
    if (!v[i].rights) v[i] = v[--*n];
    return 0;
}

static void put_list(struct kv_tx *tx, struct slice key, const struct acl_entry *v, size_t n)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, ACL_ROW);
    for (size_t i = 0; i < n; i++) {
        rec_put(&b, 'w', v[i].who);
        rec_opt(&b, 'i', sl_cstr(v[i].id));
        rec_opt_u64(&b, 'n', v[i].negative);
        rec_put_u64(&b, 'r', v[i].rights);
    }
    if (n) kv_tx_put_record(tx, key, &b);
    else kv_tx_del(tx, key);
    buf_free(&b);
}

static int change(struct kv_tx *tx, void *arg)
{
    struct changing *x = arg;
    struct account_row a;
    struct box_row b;
    struct slice value;
    struct acl_entry *v = ar_array(x->a, struct acl_entry, ACL_MAX + 1);
    size_t n = 0;
    char room[KEY_ROOM];
    struct slice key = box_key('c', x->box, room);
    int e = account_tx(tx, &a);
    if (e == 0) e = box_tx(tx, x->box, &b);
    if (e) return e;
    e = kv_tx_get(tx, key, &value);
    if (e == 0) e = parse_list(x->a, value, &v, &n);
    else if (e == ERR_NOT_FOUND) e = 0;
    if (e == 0) e = change_list(x, v, &n);
    if (e) return e;
    a.modseq++; /* nothing changes without a change of the account's row */
    account_row_put(tx, &a);
    put_list(tx, key, v, n);
    return 0;
}

/* ---- hints ---- */

struct hint {
    const char *owner;
    struct slice address;
    bool mine; /* the object is an account, which must be there */
};

static int put_hint(struct kv_tx *tx, void *arg)
{
    const struct hint *h = arg;
    struct account_row a;
    char room[KEY_ROOM];
    struct buf b = BUF_INIT;
    int e = h->mine ? account_tx(tx, &a) : 0;
    if (e) return e;
    rec_begin(&b, HINT_ROW);
    rec_put(&b, 'a', h->address);
    kv_tx_put_record(tx, sl(room, (size_t)snprintf(room, sizeof room, "o/%s", h->owner)), &b);
    buf_free(&b);
    return 0;
}

static int tell_other(struct store *s, struct mailbox_ref box, struct slice owner, const struct acl_entry *e)
{
    char room[KEY_ROOM];
    struct hint h = {box.account, owner, e->id[0] != 0};
    struct slice object = h.mine ? account_object(e->id, room) : SHARED;
    int r = kv_transact(s->kv, object, put_hint, &h);
    if (r == 0 || r == ERR_UNKNOWN)
        kv_notify(s->kv, object); /* sessions that watch what is shared with them look anew */
    return r;
}

int acl_change(struct store *s, struct mailbox_ref box, struct slice owner, const struct acl_entry *e,
               enum acl_op op)
{
    struct arena a;
    struct changing x = {box.box, e, op, &a};
    ar_init(&a, 0);
    int r = op != ACL_REMOVE && e->rights ? tell_other(s, box, owner, e) : 0;
    if (r == 0) r = guest_transact(s, box.account, box.guest, change, &x);
    ar_free(&a);
    return r;
}

static int hint_get(struct slice value, struct slice *address)
{
    struct rec r;
    int e = rec_open(&r, value, HINT_ROW);
    *address = SL("");
    while (e == 0 && rec_next(&r))
        if (r.tag == 'a') *address = r.field;
    return e ? e : rec_error(&r);
}

/* A damaged row hides no other. */
static int read_hints(struct store *s, struct slice object, const char *user, struct arena *a,
                      struct acl_owner *v, size_t *n)
{
    struct kv_page page;
    int e = kv_scan(s->kv, object, SL("o/"), SL("o0"), ACL_OWNERS_MAX, a, &page);
    for (size_t i = 0; e == 0 && i < page.n && *n < ACL_OWNERS_MAX; i++) {
        struct acl_owner *o = &v[*n];
        struct slice id = sl_from(page.row[i].key, 2);
        bool known = sl_eq(id, sl_cstr(user));
        for (size_t k = 0; k < *n; k++) known |= sl_eq(sl_cstr(v[k].id), id);
        e = hint_get(page.row[i].value, &o->address);
        snprintf(o->id, sizeof o->id, "%.*s", SLF(id));
        *n += e == 0 && !known;
        if (!err_is_damage(e)) continue;
        log_error("store", "object %.*s: the row %.*s is damaged; what that account shares is not listed",
                  SLF(object), SLF(page.row[i].key));
        e = 0;
    }
    return e;
}

int acl_owners(struct store *s, const char *user, struct arena *a, struct acl_owner **out, size_t *n)
{
    char room[KEY_ROOM];
    *out = ar_array(a, struct acl_owner, ACL_OWNERS_MAX + 1);
    *n = 0;
    int e = read_hints(s, account_object(user, room), user, a, *out, n);
    return e ? e : read_hints(s, SHARED, user, a, *out, n);
}

/* ---- with the mailbox ---- */

int acl_inherit_tx(struct kv_tx *tx, uint32_t above, uint32_t box)
{
    char room[KEY_ROOM];
    struct slice value;
    int e = kv_tx_get(tx, box_key('c', above, room), &value);
    if (e == 0) kv_tx_put(tx, box_key('c', box, room), value);
    return e == ERR_NOT_FOUND ? 0 : e;
}
