/* alias.c - aliases: rows of their domain's object. */
#include "base/text.h"
#include "directory_i.h"
#include "kv/record.h"
#include "mail/addr.h"

enum { ALIAS_VERSION = 1 };

int alias_parse(struct arena *a, struct slice value, struct alias *out)
{
    struct rec r;
    int e = rec_open(&r, value, ALIAS_VERSION);
    if (e) return e;
    size_t cap = 0;
    out->target = NULL;
    out->n = 0;
    out->renamed = SL("");
    while (rec_next(&r)) {
        if (r.tag == 'r') out->renamed = r.field;
        if (r.tag != 't') continue;
        if (!r.field.n || !utf8_valid(r.field))
            return err_set(ERR_CORRUPT, "a target of an alias is damaged");
        if (out->n == cap) out->target = ar_grow(a, out->target, &cap, sizeof *out->target);
        out->target[out->n++] = r.field;
    }
    return rec_error(&r);
}

void alias_record(struct buf *b, const struct slice *target, size_t n, struct slice renamed)
{
    rec_begin(b, ALIAS_VERSION);
    for (size_t i = 0; i < n; i++) rec_put(b, 't', target[i]);
    if (renamed.n) rec_put(b, 'r', renamed);
}

int alias_get(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
              struct alias *out)
{
    struct slice row;
    int e = kv_get(dir->kv, domain_object(a, domain), local_key(a, 'l', local), a, &row);
    return e ? e : alias_parse(a, row, out);
}

/* Elsewhere Bob@ and bob@ are two (RFC 5321 section 2.4); the domain is in A-labels already. */
bool alias_has(const struct alias *x, struct slice target)
{
    for (size_t i = 0; i < x->n; i++)
        if (sl_eq(x->target[i], target)) return true;
    return false;
}

int alias_target(struct directory *dir, struct arena *a, struct slice address, struct slice *out)
{
    struct slice local, domain;
    bool here;
    int e = address_split(a, address, &local, &domain);
    if (!e) e = domain_is_local(dir, domain, &here);
    if (e) return e;
    if (here) local = local_name(a, local);
    *out = mail_addr_join(a, local, domain);
    return 0;
}

struct alias_change {
    struct arena *a;
    struct slice local, key;
    struct slice *target; /* none to remove: all go */
    size_t n;
    bool add;
};

static int put_targets(struct kv_tx *tx, const struct alias_change *c, const struct alias *was)
{
    struct alias asked = {.target = c->target, .n = c->n},
                 now = {.target = ar_array(c->a, struct slice, was->n + c->n)};
    for (size_t i = 0; i < was->n; i++)
        if (c->add || !alias_has(&asked, was->target[i])) now.target[now.n++] = was->target[i];
    if (!c->add && was->n == now.n) return ERR_NOT_FOUND;
    for (size_t i = 0; c->add && i < c->n; i++)
        if (!alias_has(&now, c->target[i])) now.target[now.n++] = c->target[i];
    if (now.n > ALIAS_TARGETS_MAX)
        return err_set(ERR_LIMIT, "an alias can lead to at most %d addresses", ALIAS_TARGETS_MAX);
    if (!now.n) {
        kv_tx_del(tx, c->key);
        return 0;
    }
    struct buf b = BUF_INIT;
    alias_record(&b, now.target, now.n, SL("")); /* from now on it is what somebody made of it */
    int e = !b.over && b.n <= LIMIT_ALIAS_BYTES
                ? 0
                : err_set(ERR_LIMIT,
                          "the addresses of an alias can have %d bytes together: make two, and let this one "
                          "lead to both",
                          LIMIT_ALIAS_BYTES);
    if (!e) kv_tx_put_record(tx, c->key, &b);
    buf_free(&b);
    return e;
}

static int change_alias(struct kv_tx *tx, void *arg)
{
    struct alias_change *c = arg;
    struct alias was = {0};
    struct slice row;
    int e = kv_tx_get(tx, c->key, &row);
    if (e == ERR_NOT_FOUND && c->add) e = maillist_tx_free(tx, c->a, c->local);
    else if (!e) e = alias_parse(c->a, row, &was);
    if (e) return e;
    if (c->n) return put_targets(tx, c, &was);
    kv_tx_del(tx, c->key);
    return 0;
}

static int alias_change(struct directory *dir, struct slice address, const struct slice *target, size_t n,
                        bool add)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice local, domain;
    struct alias_change c = {.a = &a, .add = add, .n = n, .target = ar_array(&a, struct slice, n)};
    int e = address_split_here(dir, &a, address, &local, &domain);
    for (size_t i = 0; i < n && !e; i++) e = alias_target(dir, &a, target[i], &c.target[i]);
    if (!e) {
        c.local = local;
        c.key = local_key(&a, 'l', local);
        e = directory_transact(dir, domain, change_alias, &c);
        if (e == ERR_NOT_FOUND && !add)
            e = n ? err_set(e, "%.*s does not lead to %.*s", SLF(address), SLF(target[0]))
                  : err_set(e, "there is no alias %.*s", SLF(address));
    }
    ar_free(&a);
    return e;
}

int alias_add(struct directory *dir, struct slice address, const struct slice *target, size_t n)
{
    return alias_change(dir, address, target, n, true);
}

int alias_remove(struct directory *dir, struct slice address, const struct slice *target)
{
    return alias_change(dir, address, target, target ? 1 : 0, false);
}

struct listing {
    int (*each)(void *arg, struct alias *x);
    void *arg;
};

static int list_alias(void *arg, struct arena *a, struct slice domain, const struct kv_row *row)
{
    struct listing *l = arg;
    struct alias x = {.address = mail_addr_join(a, local_from_key(a, row->key), domain)};
    int e = alias_parse(a, row->value, &x);
    if (err_is_damage(e)) {
        x.damage = row_damage(a, e);
        x.n = 0;
    } else if (e) return e;
    return l->each(l->arg, &x);
}

int alias_each(struct directory *dir, struct slice domain, int (*each)(void *arg, struct alias *x), void *arg)
{
    struct listing x = {each, arg};
    return directory_each(dir, domain, 'l', list_alias, &x);
}
