/* maillist.c - distribution lists: a row for the list (L:), one for each member (M:), in their domain's
 * object.
 *
 * A member's row is named by the list's id and a hash of the address in lower case and NFC: a list that is
 * made again has none of the members of the one before it, and Bob@ and bob@ are one member. */
#include "maillist.h"

#include <stdio.h>

#include "base/text.h"
#include "directory_i.h"
#include "kv/record.h"
#include "mail/addr.h"

enum { LIST_VERSION = 1, MEMBER_VERSION = 1 };

/* ---- rows ---- */

static void take_sender(struct arena *a, struct slice address, size_t *cap, struct maillist *out)
{
    if (out->nsenders == *cap) out->sender = ar_grow(a, out->sender, cap, sizeof *out->sender);
    out->sender[out->nsenders++] = address;
}

static void take_field(struct arena *a, struct rec *r, size_t *cap, struct maillist *out)
{
    switch (r->tag) {
    case 'i':
        if (letter_id_ok(r->field)) snprintf(out->id, sizeof out->id, "%.*s", SLF(r->field));
        break;
    case 'c': out->created = (int64_t)rec_u64(r); break;
    case 'n': out->name = r->field; break;
    case 'o': out->owner = r->field; break;
    case 'p': out->post = (enum maillist_post)rec_u64(r); break;
    case 'f': out->from = (enum maillist_from)rec_u64(r); break;
    case 'h': out->hourly = (uint32_t)rec_u64(r); break;
    case 'm': out->members = rec_u64(r); break;
    case 'b': out->bytes = rec_u64(r); break;
    case 's': take_sender(a, r->field, cap, out); break;
    }
}

int maillist_parse(struct arena *a, struct slice local, struct slice domain, struct slice value,
                   struct maillist *out)
{
    struct rec r;
    size_t cap = 0;
    *out = (struct maillist){.local = local, .domain = domain, .address = mail_addr_join(a, local, domain)};
    int e = rec_open(&r, value, LIST_VERSION);
    if (e) return e;
    while (rec_next(&r)) take_field(a, &r, &cap, out);
    e = rec_error(&r);
    if (!e && (!out->id[0] || !out->owner.n || (unsigned)out->post > MAILLIST_BY_ANYONE ||
               (unsigned)out->from > MAILLIST_FROM_KEPT || out->hourly > MAILLIST_HOURLY_MAX))
        e = err_set(ERR_CORRUPT, "the record of the list %.*s is damaged", SLF(out->address));
    return e;
}

static int put_list(struct kv_tx *tx, struct slice key, const struct maillist *l)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, LIST_VERSION);
    rec_put(&b, 'i', sl_cstr(l->id));
    rec_put_u64(&b, 'c', (uint64_t)l->created);
    rec_opt(&b, 'n', l->name);
    rec_put(&b, 'o', l->owner);
    rec_opt_u64(&b, 'p', l->post);
    rec_opt_u64(&b, 'f', l->from);
    rec_put_u64(&b, 'h', l->hourly);
    rec_opt_u64(&b, 'm', l->members);
    rec_opt_u64(&b, 'b', l->bytes);
    for (size_t i = 0; i < l->nsenders; i++) rec_put(&b, 's', l->sender[i]);
    int e = b.over ? err_set(ERR_LIMIT, "the addresses of who may write to a list are too long together") : 0;
    if (!e) kv_tx_put_record(tx, key, &b);
    buf_free(&b);
    return e;
}

int maillist_member_parse(struct slice value, struct maillist_member *out)
{
    struct rec r;
    *out = (struct maillist_member){.key = out->key};
    int e = rec_open(&r, value, MEMBER_VERSION);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 'w': out->address = r.field; break;
        case 't': out->since = (int64_t)rec_u64(&r); break;
        }
    e = rec_error(&r);
    if (!e && (!out->address.n || !utf8_valid(out->address)))
        e = err_set(ERR_CORRUPT, "the record of a list's member is damaged");
    if (e) out->address = SL("");
    return e;
}

static void put_member(struct kv_tx *tx, struct slice key, struct slice address, int64_t since)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, MEMBER_VERSION);
    rec_put(&b, 'w', address);
    rec_put_u64(&b, 't', (uint64_t)since);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
}

static struct slice member_key(struct arena *a, const char *id, struct slice address)
{
    uint8_t sum[HASH_MAX];
    struct buf hex = BUF_INIT;
    hash_once(HASH_SHA256, local_name(a, address), sum); /* the domain is in A-labels */
    hex_encode(&hex, sl((const char *)sum, 16));
    struct slice key = ar_printf(a, "M:%s/%.*s", id, SLF(buf_slice(&hex)));
    buf_free(&hex);
    return key;
}

/* ---- names ---- */

static int read_list(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                     struct maillist *out)
{
    struct slice row;
    int e = kv_get(dir->kv, domain_object(a, domain), local_key(a, 'L', local), a, &row);
    return e ? e : maillist_parse(a, local, domain, row, out);
}

int maillist_named(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                   struct maillist *out, enum maillist_role *role)
{
    struct slice base;
    int e = local.n ? read_list(dir, a, local, domain, out) : ERR_NOT_FOUND;
    *role = MAILLIST_ITSELF;
    for (size_t i = 0; e == ERR_NOT_FOUND && i < MAILLIST_NAMES; i++)
        if (maillist_base(local, i, &base, role)) e = read_list(dir, a, base, domain, out);
    return e;
}

/* ---- changing ---- */

struct change {
    struct directory *dir;
    struct arena *a;
    struct slice local, domain, key;
    struct maillist l;           /* as it is, then as it is to be */
    const struct maillist *what; /* of add and set */
    unsigned bits;
    struct slice *address; /* of members */
    size_t n, changed;
    int64_t now;
    int (*fn)(struct kv_tx *tx, struct change *c);
};

static int change_list(struct kv_tx *tx, void *arg)
{
    struct change *c = arg;
    struct slice row;
    int e = kv_tx_get(tx, c->key, &row);
    if (!e) e = maillist_parse(c->a, c->local, c->domain, row, &c->l);
    if (!e) e = c->fn(tx, c);
    return e ? e : put_list(tx, c->key, &c->l);
}

static int no_such_list(struct slice address)
{
    return err_set(ERR_NOT_FOUND, "there is no list %.*s", SLF(address));
}

static int find(struct change *c, struct slice address)
{
    int e = address_split_here(c->dir, c->a, address, &c->local, &c->domain);
    if (!e) c->key = local_key(c->a, 'L', c->local);
    return e;
}

static int change(struct change *c, struct slice address, int (*fn)(struct kv_tx *tx, struct change *c))
{
    struct slice row;
    c->fn = fn;
    int e = find(c, address);
    if (e) return e;
    e = directory_transact(c->dir, c->domain, change_list, c);
    if (e == ERR_NOT_FOUND && /* the list, or the whole domain */
        kv_get(c->dir->kv, domain_object(c->a, c->domain), SL("."), c->a, &row) == 0)
        e = no_such_list(address);
    return e;
}

/* Addresses as they are kept. */
static int addresses(struct directory *dir, struct arena *a, const struct slice *in, size_t n,
                     struct slice **out)
{
    int e = 0;
    *out = ar_array(a, struct slice, n);
    for (size_t i = 0; !e && i < n; i++) e = alias_target(dir, a, in[i], &(*out)[i]);
    return e;
}

/* The fields that somebody gives, as they are kept. */
static int take_over(struct directory *dir, struct arena *a, const struct maillist *what, unsigned bits,
                     struct maillist *out)
{
    int e = 0;
    *out = *what;
    if (bits & MAILLIST_SET_NAME && (what->name.n > MAILLIST_NAME_MAX || !utf8_valid(what->name)))
        return err_set(ERR_LIMIT, "what a list is called has %d bytes of UTF-8 at most", MAILLIST_NAME_MAX);
    if (bits & MAILLIST_SET_SENDERS && what->nsenders > MAILLIST_SENDERS_MAX)
        return err_set(ERR_LIMIT, "at most %d addresses can be named that may write to a list",
                       MAILLIST_SENDERS_MAX);
    if (bits & MAILLIST_SET_OWNER) e = alias_target(dir, a, what->owner, &out->owner);
    if (!e && bits & MAILLIST_SET_SENDERS) e = addresses(dir, a, what->sender, what->nsenders, &out->sender);
    return e;
}

/* What comes back for it would go to nobody. */
static int owns_itself(const struct change *c, struct slice owner)
{
    struct maillist l;
    enum maillist_role role;
    struct slice local, domain;
    bool here = false;
    int e = address_split(c->a, owner, &local, &domain);
    if (!e) e = domain_is_local(c->dir, domain, &here);
    if (e || !here) return e;
    bool self = sl_eq(domain, c->domain) && sl_starts(local, c->local) &&
                (local.n == c->local.n || sl_chr(sl_from(local, c->local.n), '-') == 0);
    if (!self) {
        e = maillist_named(c->dir, c->a, local, domain, &l, &role);
        if (e == ERR_NOT_FOUND) return 0;
    }
    return e ? e
             : err_set(ERR_USAGE, "%.*s is a list, or a name of one: who owns a list is a person",
                       SLF(owner));
}

static int add_list(struct kv_tx *tx, void *arg)
{
    struct change *c = arg;
    int e = maillist_tx_new(tx, c->a, c->local);
    return e ? e : put_list(tx, c->key, &c->l);
}

static int check_new(const struct change *c)
{
    if (c->local.n > MAILLIST_LOCAL_MAX)
        return err_set(ERR_SYNTAX, "the part before the @ of a list has %d bytes at most",
                       MAILLIST_LOCAL_MAX);
    if (sl_chr(c->local, '+') != SL_NONE) return err_set(ERR_SYNTAX, "a list's name cannot hold a +");
    return 0;
}

int maillist_add(struct directory *dir, const struct maillist *what)
{
    struct arena a;
    struct letter_id id;
    ar_init(&a, 0);
    struct change c = {.dir = dir, .a = &a};
    int e = find(&c, what->address);
    if (!e) e = check_new(&c);
    if (!e) e = take_over(dir, &a, what, MAILLIST_SET_NAME | MAILLIST_SET_OWNER | MAILLIST_SET_SENDERS, &c.l);
    if (!e) e = owns_itself(&c, c.l.owner);
    if (!e) {
        letter_id_new(&id);
        snprintf(c.l.id, sizeof c.l.id, "%s", id.s);
        c.l.created = rt_wall_seconds();
        c.l.members = c.l.bytes = 0;
        e = directory_transact(dir, c.domain, add_list, &c);
    }
    ar_free(&a);
    return e;
}

static int set_list(struct kv_tx *tx, struct change *c)
{
    (void)tx;
    const struct maillist *w = c->what;
    if (c->bits & MAILLIST_SET_NAME) c->l.name = w->name;
    if (c->bits & MAILLIST_SET_OWNER) c->l.owner = w->owner;
    if (c->bits & MAILLIST_SET_POST) c->l.post = w->post;
    if (c->bits & MAILLIST_SET_FROM) c->l.from = w->from;
    if (c->bits & MAILLIST_SET_HOURLY) c->l.hourly = w->hourly;
    if (c->bits & MAILLIST_SET_SENDERS) c->l.sender = w->sender, c->l.nsenders = w->nsenders;
    return 0;
}

int maillist_set(struct directory *dir, const struct maillist *what, unsigned bits)
{
    struct arena a;
    struct maillist now;
    ar_init(&a, 0);
    struct change c = {.dir = dir, .a = &a, .what = &now, .bits = bits};
    int e = find(&c, what->address);
    if (!e) e = take_over(dir, &a, what, bits, &now);
    if (!e && bits & MAILLIST_SET_OWNER) e = owns_itself(&c, now.owner);
    if (!e) e = change(&c, what->address, set_list);
    ar_free(&a);
    return e;
}

/* A list whose row is damaged goes as well: its members stay behind, found by nobody, until the domain goes.
 */
static int remove_list(struct kv_tx *tx, void *arg)
{
    struct change *c = arg;
    struct slice row;
    int e = kv_tx_get(tx, c->key, &row);
    if (e) return e;
    if (maillist_parse(c->a, c->local, c->domain, row, &c->l) == 0)
        kv_tx_erase(tx, ar_printf(c->a, "M:%s/", c->l.id), ar_printf(c->a, "M:%s0", c->l.id));
    kv_tx_del(tx, c->key);
    return 0;
}

int maillist_remove(struct directory *dir, struct slice address)
{
    struct arena a;
    ar_init(&a, 0);
    struct change c = {.dir = dir, .a = &a};
    int e = find(&c, address);
    if (!e) {
        e = directory_transact(dir, c.domain, remove_list, &c);
        if (e == ERR_NOT_FOUND) e = no_such_list(address);
    }
    ar_free(&a);
    return e;
}

/* ---- members ---- */

static int add_members(struct kv_tx *tx, struct change *c)
{
    struct slice row;
    c->changed = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct maillist_member m = {0};
        struct slice key = member_key(c->a, c->l.id, c->address[i]);
        int e = kv_tx_get(tx, key, &row);
        if (e && e != ERR_NOT_FOUND) return e;
        if (!e && maillist_member_parse(row, &m) == 0) continue;
        put_member(tx, key, c->address[i], c->now);
        c->changed++;
        if (!e) continue; /* it was there, damaged, and is counted */
        c->l.members++;
        c->l.bytes += c->address[i].n;
    }
    if (c->l.members > MAILLIST_MEMBERS_MAX)
        return err_set(ERR_LIMIT, "a list has %d members at most", MAILLIST_MEMBERS_MAX);
    if (c->l.bytes > MAILLIST_BYTES_MAX)
        return err_set(ERR_LIMIT, "the addresses of a list's members have %d bytes together at most",
                       MAILLIST_BYTES_MAX);
    return 0;
}

static int remove_members(struct kv_tx *tx, struct change *c)
{
    struct slice row;
    c->changed = 0;
    for (size_t i = 0; i < c->n; i++) {
        struct slice key = member_key(c->a, c->l.id, c->address[i]);
        int e = kv_tx_get(tx, key, &row);
        if (e == ERR_NOT_FOUND) continue;
        if (e) return e;
        kv_tx_del(tx, key);
        c->changed++;
        if (c->l.members) c->l.members--;
        c->l.bytes -= c->l.bytes < c->address[i].n ? c->l.bytes : c->address[i].n;
    }
    return 0;
}

static int no_lists(struct change *c)
{
    int e = 0;
    for (size_t i = 0; !e && i < c->n; i++) {
        struct slice local, domain;
        struct maillist l;
        enum maillist_role role;
        bool here = false;
        e = address_split(c->a, c->address[i], &local, &domain);
        if (!e) e = domain_is_local(c->dir, domain, &here);
        if (e || !here) continue;
        e = maillist_named(c->dir, c->a, local, domain, &l, &role);
        if (e == ERR_NOT_FOUND) e = 0;
        else if (!e)
            e = err_set(ERR_USAGE, "%.*s is a list, or a name of one, and no member of a list",
                        SLF(c->address[i]));
    }
    return e;
}

static int change_members(struct directory *dir, struct slice list, const struct slice *address, size_t n,
                          bool add, size_t *changed)
{
    struct arena a;
    ar_init(&a, 0);
    struct change c = {.dir = dir, .a = &a, .n = n, .now = rt_wall_seconds()};
    int e = n > MAILLIST_CHANGE_MAX
                ? err_set(ERR_LIMIT, "%d members can be named at once", MAILLIST_CHANGE_MAX)
                : addresses(dir, &a, address, n, &c.address);
    if (!e && add) e = no_lists(&c);
    if (!e) e = change(&c, list, add ? add_members : remove_members);
    *changed = e ? 0 : c.changed;
    ar_free(&a);
    return e;
}

int maillist_members_add(struct directory *dir, struct slice list, const struct slice *address, size_t n,
                         size_t *changed)
{
    return change_members(dir, list, address, n, true, changed);
}

int maillist_members_remove(struct directory *dir, struct slice list, const struct slice *address, size_t n,
                            size_t *changed)
{
    return change_members(dir, list, address, n, false, changed);
}

/* ---- reading ---- */

int maillist_get(struct directory *dir, struct arena *a, struct slice address, struct maillist *out)
{
    struct slice local, domain;
    int e = address_split_here(dir, a, address, &local, &domain);
    if (e) return e;
    e = read_list(dir, a, local, domain, out);
    return e == ERR_NOT_FOUND ? no_such_list(address) : e;
}

int maillist_members(struct directory *dir, struct arena *a, const struct maillist *l,
                     struct maillist_member **out, size_t *n)
{
    struct kv_page page = {.more = true};
    size_t cap = 0;
    struct slice from = ar_printf(a, "M:%s/", l->id), to = ar_printf(a, "M:%s0", l->id);
    int e = 0;
    *out = NULL;
    *n = 0;
    while (!e && page.more) {
        e = kv_scan(dir->kv, domain_object(a, l->domain), from, to, KV_PAGE_MAX, a, &page);
        for (size_t i = 0; !e && i < page.n; i++) {
            if (*n == cap) *out = ar_grow(a, *out, &cap, sizeof **out);
            struct maillist_member *m = &(*out)[(*n)++];
            *m = (struct maillist_member){.key = page.row[i].key};
            if (maillist_member_parse(page.row[i].value, m) != 0) m->since = 0; /* shown as damaged */
        }
        if (!page.n) break;
        from = kv_after(a, page.row[page.n - 1].key);
    }
    return e;
}

int maillist_has(struct directory *dir, const struct maillist *l, struct slice address, bool *yes)
{
    struct arena a;
    struct slice kept, row;
    struct maillist_member m = {0};
    ar_init(&a, 0);
    *yes = false;
    int e = alias_target(dir, &a, address, &kept);
    if (e == ERR_SYNTAX) e = ERR_NOT_FOUND; /* what is no address is no member */
    if (!e) e = kv_get(dir->kv, domain_object(&a, l->domain), member_key(&a, l->id, kept), &a, &row);
    if (!e) e = maillist_member_parse(row, &m);
    *yes = e == 0;
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

bool maillist_names_sender(const struct maillist *l, struct slice address)
{
    for (size_t i = 0; i < l->nsenders; i++)
        if (sl_eqi(l->sender[i], address)) return true;
    return false;
}

struct listing {
    int (*each)(void *arg, struct maillist *l);
    void *arg;
};

static int list_one(void *arg, struct arena *a, struct slice domain, const struct kv_row *row)
{
    struct listing *x = arg;
    struct maillist l;
    int e = maillist_parse(a, local_from_key(a, row->key), domain, row->value, &l);
    if (err_is_damage(e)) l.damage = row_damage(a, e);
    else if (e) return e;
    return x->each(x->arg, &l);
}

int maillist_each(struct directory *dir, struct slice domain, int (*each)(void *arg, struct maillist *l),
                  void *arg)
{
    struct listing x = {each, arg};
    return directory_each(dir, domain, 'L', list_one, &x);
}

struct slice maillist_list_id(struct arena *a, const struct maillist *l)
{
    bool plain = l->local.n && l->local.p[0] != '.' && !sl_ends(l->local, SL(".")) &&
                 sl_find(l->local, SL("..")) == SL_NONE;
    for (size_t i = 0; i < l->local.n; i++)
        plain &= is_alnum(l->local.p[i]) || sl_chr(SL(".-_"), l->local.p[i]) != SL_NONE;
    return ar_printf(a, "%.*s.%.*s", SLF(plain ? l->local : sl_cstr(l->id)), SLF(l->domain));
}
