/* account.c - accounts as rows of their domain's object.
 *
 * Made: a tombstone first, then the mailboxes, then the row takes the tombstone's place in one
 * transaction: an account that can be found is whole, and one that was not finished is erased.
 * Removed: the row gives way to a tombstone in the same transaction, then the account's object
 * is erased, then the tombstone goes. directory_open takes both up where a crash left them.
 *
 * A tombstone of an account in the making holds a mark that the account's object bears too, so
 * that nothing is erased but what was made with it. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "directory_i.h"
#include "kv/record.h"
#include "mail/addr.h"
#include "trace/letter_id.h"

enum { ACCOUNT_VERSION = 1, ID_TRIES = 3, MARK = 16 };
#define NO_PLUS "an account's name cannot hold a +: name+anything reaches the account name"

static void account_record(struct buf *b, const struct account *acc)
{
    struct buf keys = BUF_INIT;
    scram_keys_text(&acc->keys, &keys);
    rec_begin(b, ACCOUNT_VERSION);
    rec_put(b, 'i', sl_cstr(acc->id));
    rec_put_u64(b, 'c', (uint64_t)acc->created);
    rec_put(b, 'k', buf_slice(&keys));
    if (acc->old.iterations) old_keys_put(b, acc->old.stored_key, acc->old.server_key);
    rec_opt_u64(b, 'd', acc->disabled_here);
    rec_opt(b, 'e', acc->elsewhere);
    rec_opt_u64(b, 'q', acc->gone);
    rec_opt_u64(b, 'v', acc->authority);
    rec_opt(b, 'l', acc->language);
    sender_limits_put(b, &acc->limits);
    for (size_t i = 0; i < acc->napps; i++) app_password_put(b, &acc->app[i]);
    for (size_t i = 0; i < acc->ngrants; i++) rec_put(b, 'g', acc->grant[i]);
    wipe(keys.p, keys.n);
    buf_free(&keys);
}

int account_parse(struct arena *a, struct slice local, struct slice domain, struct slice value,
                  struct account *out)
{
    struct rec r;
    int e = rec_open(&r, value, ACCOUNT_VERSION);
    if (e) return e;
    *out = (struct account){.local = local, .domain = domain, .limits = SENDER_LIMITS_UNSET};
    out->address = mail_addr_join(a, local, domain);
    while (rec_next(&r)) switch (r.tag) {
        case 'i':
            if (r.field.n < sizeof out->id) snprintf(out->id, sizeof out->id, "%.*s", SLF(r.field));
            break;
        case 'c': out->created = (int64_t)rec_u64(&r); break;
        case 'd': out->disabled_here = rec_u64(&r) != 0; break;
        case 'e': out->elsewhere = r.field; break;
        case 'q': out->gone = rec_u64(&r) != 0; break;
        case 'v': out->authority = rec_u64(&r); break;
        case 'l': out->language = r.field; break;
        case 'k':
            e = scram_keys_parse(r.field, &out->keys);
            if (e) return err_set(ERR_CORRUPT, "the keys of %.*s are damaged", SLF(out->address));
            break;
        case 'h':
            out->old.kind = SCRAM_SHA1;
            if (!old_keys_take(r.field, out->old.stored_key, out->old.server_key)) r.bad = true;
            break;
        case 'p':
            e = app_password_take(a, r.field, out);
            if (e) return e;
            break;
        case 'g':
            if (out->ngrants == GRANTS_MAX) r.bad = true;
            else grant_take(a, r.field, out);
            break;
        default: sender_limits_take(&r, &out->limits);
        }
    out->disabled = out->disabled_here || out->gone;
    if (out->old.kind == SCRAM_SHA1) {
        out->old.iterations = out->keys.iterations;
        memcpy(out->old.salt, out->keys.salt, sizeof out->old.salt);
    }
    if (!out->id[0])
        return err_set(ERR_CORRUPT, "the record of %.*s does not name its object", SLF(out->address));
    return rec_error(&r);
}

int account_row_parse(struct arena *a, struct slice domain, struct slice key, struct slice value,
                      struct account *out)
{
    return account_parse(a, local_from_key(a, key), domain, value, out);
}

static int no_such_account(struct slice address)
{
    return err_set(ERR_NOT_FOUND, "there is no account %.*s", SLF(address));
}

int account_read(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                 struct account *out)
{
    struct slice row;
    uint64_t generation = directory_generation(dir); /* before the row: a later change must be seen */
    int e = kv_get(dir->kv, domain_object(a, domain), local_key(a, 'a', local), a, &row);
    if (!e) e = account_parse(a, local, domain, row, out);
    if (!e) out->generation = generation;
    return e;
}

int account_get(struct directory *dir, struct arena *a, struct slice address, struct account *out)
{
    struct slice local, domain;
    int e = address_split_here(dir, a, address, &local, &domain);
    if (!e) e = account_read(dir, a, local, domain, out);
    return e == ERR_NOT_FOUND ? no_such_account(address) : e;
}

/* What a row that cannot be read still says of which account it is: its id, or ERR_CORRUPT. */
static int row_id(struct slice row, struct account *out)
{
    struct rec r;
    if (rec_open(&r, row, UINT8_MAX)) return ERR_CORRUPT;
    while (rec_next(&r))
        if (r.tag == 'i' && letter_id_ok(r.field)) snprintf(out->id, sizeof out->id, "%.*s", SLF(r.field));
    return out->id[0] ? 0 : ERR_CORRUPT;
}

static int says_no_mailboxes(struct slice address)
{
    return err_set(ERR_CORRUPT,
                   "the record of %.*s does not say any more which mailboxes are its own: `tram verify "
                   "--repair` takes it from the image of the domain",
                   SLF(address));
}

int account_get_damaged(struct directory *dir, struct arena *a, struct slice address, struct account *out)
{
    struct slice local, domain, row;
    int e = account_get(dir, a, address, out);
    if (!err_is_damage(e)) return e;
    e = address_split_here(dir, a, address, &local, &domain);
    if (!e) e = kv_get(dir->kv, domain_object(a, domain), local_key(a, 'a', local), a, &row);
    *out = (struct account){.local = local, .domain = domain};
    if (!e) out->address = mail_addr_join(a, local, domain);
    if (!e) e = row_id(row, out);
    return err_is_damage(e) ? says_no_mailboxes(address) : e;
}

static void put_account(struct kv_tx *tx, struct slice key, const struct account *acc)
{
    struct buf b = BUF_INIT;
    account_record(&b, acc);
    kv_tx_put_record(tx, key, &b);
    wipe(b.p, b.n);
    buf_free(&b);
}

/* ---- whom a domain's duties fall to (RFC 5321 section 4.5.1): its first account that is enabled ---- */

struct first {
    struct arena *a;
    struct slice but; /* the key of one that does not count */
    int64_t created;
    struct slice local;
};

static int look_at_first(void *arg, struct slice key, struct slice value)
{
    struct first *f = arg;
    struct account acc;
    if (sl_eq(key, f->but)) return 0;
    struct slice local = local_from_key(f->a, key);
    if (account_parse(f->a, local, (struct slice){0}, value, &acc) || acc.disabled) return 0;
    if (f->local.n && acc.created >= f->created) return 0;
    f->local = local;
    f->created = acc.created;
    return 0;
}

/* The account with this key is here and enabled, or it is not. */
static int duties_follow(struct kv_tx *tx, struct arena *a, struct slice key, const struct account *acc,
                         bool enabled)
{
    struct domain d;
    int e = domain_tx(tx, &d);
    if (err_is_damage(e)) return 0; /* it says nothing of duties, and nothing is written into it */
    if (e) return e;
    bool his = sl_eq(d.first, acc->local);
    if (enabled ? d.first.n > 0 : !his) return 0;
    struct first f = {.a = a, .but = key};
    if (enabled) f.local = acc->local;
    else e = kv_tx_scan(tx, SL("a:"), SL("a;"), look_at_first, &f);
    if (e) return e;
    d.first = f.local;
    domain_tx_put(tx, &d);
    return 0;
}

/* ---- news ---- */

/* Hints go to the watchers of an object that has no rows. */
static struct slice news_object(const char *acc, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, "a:%s", acc));
}

/* Who looks on an account looks again when it was changed (e: how that ended), or may have been. */
static void account_notify(struct directory *dir, const char *acc, int e)
{
    char room[KV_KEY_MAX];
    if (e == 0 || e == ERR_UNKNOWN) kv_notify(dir->kv, news_object(acc, room));
}

struct kv_watch *account_watch(struct directory *dir, const char *acc, void (*fn)(void *), void *arg)
{
    char room[KV_KEY_MAX];
    return kv_watch(dir->kv, news_object(acc, room), fn, arg);
}

/* ---- whose account a person elsewhere has ---- */

struct slice elsewhere_key(struct arena *a, struct slice id) { return ar_cat(a, SL("e:"), id); }

int elsewhere_parse(struct slice row, struct slice *local)
{
    struct rec r;
    *local = (struct slice){0};
    int e = rec_open(&r, row, ACCOUNT_VERSION);
    if (e) return e;
    while (rec_next(&r))
        if (r.tag == 'n') *local = r.field;
    e = rec_error(&r);
    return e || local->n ? e : ERR_CORRUPT;
}

static bool has_id(const struct account *acc) { return acc->elsewhere.n && !sl_eq(acc->elsewhere, SL("-")); }

static void elsewhere_tx_put(struct kv_tx *tx, struct arena *a, struct slice id, struct slice local)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, ACCOUNT_VERSION);
    rec_put(&b, 'n', local);
    kv_tx_put_record(tx, elsewhere_key(a, id), &b);
    buf_free(&b);
}

/* A person has one account in a domain. A row that names an account that is gone, or is unreadable, is no
 * claim. ERR_EXISTS. */
static int elsewhere_tx_claim(struct kv_tx *tx, struct arena *a, const struct account *acc)
{
    struct slice row, local;
    struct account now;
    if (!has_id(acc)) return 0;
    int e = kv_tx_get(tx, elsewhere_key(a, acc->elsewhere), &row);
    if (!e) e = elsewhere_parse(row, &local);
    if (!e) e = kv_tx_get(tx, local_key(a, 'a', local), &row);
    if (!e && account_parse(a, local, (struct slice){0}, row, &now) == 0 &&
        sl_eq(now.elsewhere, acc->elsewhere))
        return ERR_EXISTS;
    if (e && e != ERR_NOT_FOUND && !err_is_damage(e)) return e;
    elsewhere_tx_put(tx, a, acc->elsewhere, acc->local);
    return 0;
}

/* ---- making ---- */

struct derivation {
    struct slice password;
    const struct scram_keys *like;
    struct password_keys *out;
    bool old;
};

static int derive(void *arg)
{
    struct derivation *d = arg;
    const struct scram_keys *like = d->like;
    int e = scram_derive(SCRAM_SHA256, d->password, like->salt, like->iterations, &d->out->keys);
    if (!e && d->old) e = scram_derive(SCRAM_SHA1, d->password, like->salt, like->iterations, &d->out->old);
    return e;
}

int password_keys_like(struct directory *dir, struct slice password, const struct scram_keys *like,
                       struct password_keys *out)
{
    *out = (struct password_keys){0};
    if (!password.n) return err_set(ERR_SYNTAX, "the password is empty");
    return offload_on(POOL_PASSWORD, derive, &(struct derivation){password, like, out, dir->keep_sha1});
}

static int derive_keys(struct directory *dir, struct slice password, struct password_keys *out)
{
    struct scram_keys fresh = {.iterations = PASSWORD_ITERATIONS};
    rt_random(fresh.salt, sizeof fresh.salt);
    return password_keys_like(dir, password, &fresh, out);
}

struct making {
    struct arena *a;
    struct account acc;
    struct slice key, tombstone, mark;
    char random[MARK];
};

/* Somebody elsewhere takes no name of ours, whatever it stands for: ERR_EXISTS then, and another may do. */
static int name_is_free(struct kv_tx *tx, const struct making *m)
{
    struct slice row;
    bool elsewhere = m->acc.elsewhere.n > 0;
    int e = kv_tx_get(tx, m->key, &row);
    if (e == ERR_NOT_FOUND && elsewhere) e = kv_tx_get(tx, local_key(m->a, 'l', m->acc.local), &row);
    if (e != ERR_NOT_FOUND) return e ? e : ERR_EXISTS;
    e = maillist_tx_free(tx, m->a, m->acc.local);
    return e == ERR_STATE && elsewhere ? ERR_EXISTS : e;
}

static int announce(struct kv_tx *tx, void *arg)
{
    struct making *m = arg;
    struct buf b = BUF_INIT;
    int e = name_is_free(tx, m);
    if (e) return e;
    rec_begin(&b, ACCOUNT_VERSION);
    rec_put(&b, 'w', m->mark);
    kv_tx_put_record(tx, m->tombstone, &b);
    buf_free(&b);
    return 0;
}

static int appear(struct kv_tx *tx, void *arg)
{
    struct making *m = arg;
    struct slice row;
    int e = name_is_free(tx, m);
    if (e) return e;
    e = kv_tx_get(tx, m->tombstone, &row);
    if (e) return e == ERR_NOT_FOUND ? ERR_STATE : e;
    if (m->acc.elsewhere.n) e = elsewhere_tx_claim(tx, m->a, &m->acc);
    if (e) return e;
    kv_tx_del(tx, m->tombstone);
    put_account(tx, m->key, &m->acc);
    return duties_follow(tx, m->a, m->key, &m->acc, true);
}

static int erase_buried(struct directory *dir, struct slice domain, struct slice tombstone,
                        struct slice value);

static void begin_making(struct making *m)
{
    struct letter_id id;
    letter_id_new(&id);
    snprintf(m->acc.id, sizeof m->acc.id, "%s", id.s);
    rt_random(m->random, sizeof m->random);
    m->mark = sl(m->random, sizeof m->random);
    m->tombstone = ar_printf(m->a, "x:%s", m->acc.id);
}

/* Whatever became of the attempt: nothing is left of an account that cannot be found. */
static void unmake(struct directory *dir, struct making *m)
{
    struct slice row;
    int e = kv_get(dir->kv, domain_object(m->a, m->acc.domain), m->tombstone, m->a, &row);
    if (!e) e = erase_buried(dir, m->acc.domain, m->tombstone, row);
    if (e && e != ERR_NOT_FOUND)
        log_warn("directory", "what was made of %.*s is not erased yet: %s", SLF(m->acc.address),
                 err_text(e));
}

/* *taken: the id names another account, which is left alone. */
static int make(struct directory *dir, struct making *m, bool *taken)
{
    begin_making(m);
    int e = directory_transact(dir, m->acc.domain, announce, m);
    if (e) return e;
    e = dir->home.make(dir->home.ctx, m->acc.id, m->mark, m->acc.address);
    *taken = e == ERR_EXISTS;
    if (!e) e = directory_transact(dir, m->acc.domain, appear, m);
    if (e) {
        struct account now;
        if (e == ERR_UNKNOWN && account_get(dir, m->a, m->acc.address, &now) == 0 &&
            !strcmp(now.id, m->acc.id))
            return 0;
        unmake(dir, m);
    }
    return e;
}

/* Keys of a password that nobody knows, not even we. */
static void random_keys(struct password_keys *out)
{
    struct scram_keys *k = &out->keys;
    *out = (struct password_keys){.keys = {.iterations = PASSWORD_ITERATIONS}};
    rt_random(k->salt, sizeof k->salt);
    rt_random(k->stored_key, sizeof k->stored_key);
    rt_random(k->server_key, sizeof k->server_key);
}

/* id: of a person elsewhere, who has no password here; else empty. */
static int add(struct directory *dir, struct slice address, struct slice password, struct slice id)
{
    struct arena a;
    ar_init(&a, 0);
    struct making m = {.a = &a,
                       .acc = {.created = rt_wall_seconds(), .limits = SENDER_LIMITS_UNSET, .elsewhere = id}};
    struct slice row;
    bool taken = true;
    struct password_keys keys = {0};
    int e = address_split_here(dir, &a, address, &m.acc.local, &m.acc.domain);
    m.acc.address = address;
    if (!e && sl_chr(m.acc.local, '+') != SL_NONE) e = err_set(ERR_SYNTAX, NO_PLUS);
    if (!e) {
        m.key = local_key(&a, 'a', m.acc.local);
        e = kv_get(dir->kv, domain_object(&a, m.acc.domain), m.key, &a, &row);
        e = e == ERR_NOT_FOUND ? 0 : e ? e : ERR_EXISTS;
    }
    if (id.n) random_keys(&keys);
    else if (!e) e = derive_keys(dir, password, &keys);
    m.acc.keys = keys.keys;
    m.acc.old = keys.old;
    for (int i = 0; !e && taken && i < ID_TRIES; i++) {
        taken = false;
        e = make(dir, &m, &taken);
        if (taken && i + 1 < ID_TRIES) e = 0;
    }
    if (e == ERR_EXISTS) err_set(e, "the account %.*s exists already", SLF(address));
    ar_free(&a);
    return e;
}

int account_add(struct directory *dir, struct slice address, struct slice password)
{
    return add(dir, address, password, SL(""));
}

int account_add_elsewhere(struct directory *dir, struct slice address, struct slice id)
{
    return add(dir, address, SL(""), id);
}

/* ---- changing ---- */

static int change_account(struct kv_tx *tx, void *arg)
{
    struct account_change *c = arg;
    struct slice row;
    c->missing = false;
    int e = kv_tx_get(tx, c->key, &row);
    if (!e) e = account_parse(c->a, c->local, sl_from(kv_tx_object(tx), 2), row, &c->acc);
    bool was = c->acc.disabled, claimed = !e && has_id(&c->acc);
    struct slice id = c->acc.elsewhere;
    if (!e) e = c->change(c);
    bool moved = !e && !sl_eq(c->acc.elsewhere, id);
    if (moved) e = elsewhere_tx_claim(tx, c->a, &c->acc);
    if (e) return e;
    if (moved && claimed) kv_tx_del(tx, elsewhere_key(c->a, id));
    put_account(tx, c->key, &c->acc);
    return was == c->acc.disabled ? 0 : duties_follow(tx, c->a, c->key, &c->acc, !c->acc.disabled);
}

int account_change(struct directory *dir, struct slice address, struct account_change *c)
{
    struct arena a;
    ar_init(&a, 0);
    c->a = &a;
    struct slice domain;
    int e = address_split_here(dir, &a, address, &c->local, &domain);
    c->key = local_key(&a, 'a', c->local);
    if (!e) {
        e = directory_transact(dir, domain, change_account, c);
        if (e == ERR_NOT_FOUND && !c->missing) e = no_such_account(address);
    }
    account_notify(dir, c->acc.id, e);
    ar_free(&a);
    return e;
}

/* The salt of those that share it stays. Whoever had his password elsewhere has it here from now on. */
static int change_keys(struct account_change *c)
{
    const struct password_keys *new = c->arg;
    const struct scram_keys *keys = &new->keys;
    c->acc.elsewhere = (struct slice){0};
    c->acc.gone = false;
    c->acc.disabled = c->acc.disabled_here;
    if (c->acc.napps && (memcmp(keys->salt, c->acc.keys.salt, sizeof keys->salt) ||
                         keys->iterations != c->acc.keys.iterations))
        return ERR_STATE;
    c->acc.keys = new->keys;
    c->acc.old = new->old;
    c->acc.authority++;
    return 0;
}

int account_password(struct directory *dir, struct slice address, struct slice password)
{
    struct password_keys keys = {0};
    struct arena a;
    int e = ERR_STATE;
    ar_init(&a, 0);
    for (int i = 0; e == ERR_STATE && i < ID_TRIES; i++) { /* again when app passwords came meanwhile */
        struct account now;
        e = account_get(dir, &a, address, &now);
        if (!e && now.elsewhere.n && dir->people) {
            e = err_set(ERR_DENIED,
                        "the password of %.*s lies in the directory elsewhere (ldap): change it there",
                        SLF(now.address));
            break;
        }
        if (!e) /* the salt stays: one that changes tells whoever asks that there is an account (SCRAM) */
            e = now.napps || now.keys.iterations == PASSWORD_ITERATIONS
                    ? password_keys_like(dir, password, &now.keys, &keys)
                    : derive_keys(dir, password, &keys);
        if (!e)
            e = account_change(dir, address, &(struct account_change){.change = change_keys, .arg = &keys});
    }
    wipe(&keys, sizeof keys);
    ar_free(&a);
    return e;
}

static int change_disabled(struct account_change *c)
{
    c->acc.disabled_here = *(bool *)c->arg;
    c->acc.disabled = c->acc.disabled_here || c->acc.gone;
    c->acc.authority++;
    return 0;
}

int account_disable(struct directory *dir, struct slice address, bool disabled)
{
    return account_change(dir, address,
                          &(struct account_change){.change = change_disabled, .arg = &disabled});
}

static int change_limits(struct account_change *c)
{
    const struct sender_limits *change = c->arg;
    for (int k = 0; k < SENDER_LIMITS; k++)
        if (change->v[k] > SENDER_AS_IT_IS) c->acc.limits.v[k] = change->v[k];
    return 0;
}

int account_set_limits(struct directory *dir, struct slice address, const struct sender_limits *change)
{
    return account_change(dir, address,
                          &(struct account_change){.change = change_limits, .arg = (void *)change});
}

/* ---- another name ---- */

struct renaming {
    struct arena *a;
    struct slice local, to, domain; /* names */
    struct account acc;
};

static void put_alias(struct kv_tx *tx, struct slice key, const struct slice *target, size_t n,
                      struct slice renamed)
{
    struct buf b = BUF_INIT;
    alias_record(&b, target, n, renamed);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
}

/* An alias of the old name that keeps letters and sends them on does so under the new one. */
static int move_alias(struct kv_tx *tx, const struct renaming *r)
{
    struct slice row, was = mail_addr_join(r->a, r->local, r->domain),
                      now = mail_addr_join(r->a, r->to, r->domain);
    struct slice old_key = local_key(r->a, 'l', r->local), new_key = local_key(r->a, 'l', r->to);
    struct alias x = {0}, there = {0};
    int e = kv_tx_get(tx, new_key, &row);
    if (!e) e = alias_parse(r->a, row, &there);
    if (!e && !(there.n == 1 && sl_eq(there.target[0], was)))
        return err_set(ERR_EXISTS, "there is an alias %.*s already", SLF(now));
    if (!e) kv_tx_del(tx, new_key);
    if (!e || e == ERR_NOT_FOUND) e = kv_tx_get(tx, old_key, &row);
    if (!e) e = alias_parse(r->a, row, &x);
    if (e && e != ERR_NOT_FOUND) return e;
    if (!e && alias_has(&x, was)) {
        for (size_t i = 0; i < x.n; i++)
            if (sl_eq(x.target[i], was)) x.target[i] = now;
        put_alias(tx, new_key, x.target, x.n, SL(""));
    }
    put_alias(tx, old_key, &now, 1, sl_cstr(r->acc.id));
    return 0;
}

static int rename_account(struct kv_tx *tx, void *arg)
{
    struct renaming *r = arg;
    struct slice row, key = local_key(r->a, 'a', r->local), to = local_key(r->a, 'a', r->to);
    struct domain d;
    int e = kv_tx_get(tx, to, &row);
    if (e != ERR_NOT_FOUND)
        return e ? e
                 : err_set(ERR_EXISTS, "the account %.*s@%.*s exists already", SLF(r->to), SLF(r->domain));
    e = kv_tx_get(tx, key, &row);
    if (!e) e = account_parse(r->a, r->local, r->domain, row, &r->acc);
    if (!e) e = maillist_tx_free(tx, r->a, r->to);
    if (!e) e = move_alias(tx, r);
    if (!e) e = domain_tx(tx, &d);
    if (e) return e;
    r->acc.authority++; /* what sessions remember of it is its old name */
    if (has_id(&r->acc)) elsewhere_tx_put(tx, r->a, r->acc.elsewhere, r->to);
    put_account(tx, to, &r->acc);
    kv_tx_del(tx, key);
    if (!sl_eq(d.first, r->local)) return 0;
    d.first = r->to;
    domain_tx_put(tx, &d);
    return 0;
}

int account_rename(struct directory *dir, struct slice address, struct slice to)
{
    struct arena a;
    ar_init(&a, 0);
    struct renaming r = {.a = &a};
    struct slice domain;
    int e = address_split_here(dir, &a, address, &r.local, &r.domain);
    if (!e) e = address_split_here(dir, &a, to, &r.to, &domain);
    if (!e && !sl_eq(domain, r.domain))
        e = err_set(ERR_USAGE,
                    "an account stays in its domain; `tram domain add %.*s --alias-of %.*s` gives all of "
                    "them that name, too",
                    SLF(domain), SLF(r.domain));
    if (!e && sl_chr(r.to, '+') != SL_NONE) e = err_set(ERR_SYNTAX, NO_PLUS);
    if (!e) {
        e = directory_transact(dir, r.domain, rename_account, &r);
        if (e == ERR_NOT_FOUND) e = no_such_account(address);
    }
    account_notify(dir, r.acc.id, e);
    ar_free(&a);
    return e;
}

/* ---- removing ---- */

struct burial {
    struct arena *a;
    struct slice local, key, tombstone, row;
    struct account acc;
};

/* A row that cannot be read may still say which object is the account's: that is all that removing takes.
 * What is damaged is not put into the tombstone. */
static int bury_damaged(struct burial *b, struct slice row)
{
    struct buf fresh = BUF_INIT;
    b->acc = (struct account){.local = b->local};
    int e = row_id(row, &b->acc);
    if (e) return e;
    rec_begin(&fresh, ACCOUNT_VERSION);
    rec_put(&fresh, 'i', sl_cstr(b->acc.id));
    b->row = ar_dup(b->a, buf_slice(&fresh));
    buf_free(&fresh);
    return 0;
}

static int bury(struct kv_tx *tx, void *arg)
{
    struct burial *b = arg;
    struct slice row;
    int e = kv_tx_get(tx, b->key, &row);
    if (!e) e = account_parse(b->a, b->local, (struct slice){0}, row, &b->acc);
    if (!e) b->row = ar_dup(b->a, row);
    else if (err_is_damage(e)) e = bury_damaged(b, row);
    if (e) return e;
    b->tombstone = ar_printf(b->a, "x:%s", b->acc.id);
    kv_tx_put(tx, b->tombstone, b->row);
    kv_tx_del(tx, b->key);
    if (has_id(&b->acc)) kv_tx_del(tx, elsewhere_key(b->a, b->acc.elsewhere));
    return duties_follow(tx, b->a, b->key, &b->acc, false);
}

static int tombstone_mark(struct slice value, struct slice *mark)
{
    struct rec r;
    *mark = (struct slice){0};
    int e = rec_open(&r, value, ACCOUNT_VERSION);
    if (e) return e;
    while (rec_next(&r))
        if (r.tag == 'w') *mark = r.field;
    return rec_error(&r);
}

static int delete_tombstone(struct kv_tx *tx, void *arg)
{
    kv_tx_del(tx, *(struct slice *)arg);
    return 0;
}

/* The domain itself may be gone already. */
static int erase_buried(struct directory *dir, struct slice domain, struct slice tombstone,
                        struct slice value)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice mark;
    bool ours = true;
    const char *id = ar_cstr(&a, sl_from(tombstone, 2));
    int e = tombstone_mark(value, &mark);
    if (!e && mark.n) e = dir->home.made_as(dir->home.ctx, id, mark, &ours);
    if (!e && ours) e = dir->home.erase(dir->home.ctx, id);
    if (!e) e = kv_transact(dir->kv, domain_object(&a, domain), delete_tombstone, &tombstone);
    ar_free(&a);
    return e;
}

int account_remove(struct directory *dir, struct slice address)
{
    struct arena a;
    ar_init(&a, 0);
    struct burial b = {.a = &a};
    struct slice domain;
    int e = address_split_here(dir, &a, address, &b.local, &domain);
    b.key = local_key(&a, 'a', b.local);
    if (!e) {
        e = directory_transact(dir, domain, bury, &b);
        if (e == ERR_NOT_FOUND) e = no_such_account(address);
        if (e == ERR_CORRUPT) e = says_no_mailboxes(address);
    }
    account_notify(dir, b.acc.id, e);
    if (!e) e = erase_buried(dir, domain, b.tombstone, b.row);
    ar_free(&a);
    return e;
}

int accounts_finish(struct directory *dir, struct slice domain)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice from = SL("x:");
    struct kv_page page = {.more = true};
    int e = 0;
    while (!e && page.more) {
        e = kv_scan(dir->kv, domain_object(&a, domain), from, SL("x;"), KV_PAGE_MAX, &a, &page);
        for (size_t k = 0; !e && k < page.n; k++) {
            e = erase_buried(dir, domain, page.row[k].key, page.row[k].value);
            if (!err_is_damage(e)) continue;
            log_error("directory", "object d:%.*s: the row %.*s, a removed account, cannot be carried on: %s",
                      SLF(domain), SLF(page.row[k].key), err_text(e));
            e = 0;
        }
        if (!e && page.n) from = kv_after(&a, page.row[page.n - 1].key);
    }
    ar_free(&a);
    return e;
}

/* ---- listing ---- */

struct listing {
    int (*each)(void *arg, struct account *acc);
    void *arg;
};

static int list_account(void *arg, struct arena *a, struct slice domain, const struct kv_row *row)
{
    struct listing *x = arg;
    struct account acc;
    struct slice local = local_from_key(a, row->key);
    int e = account_parse(a, local, domain, row->value, &acc);
    if (err_is_damage(e))
        acc = (struct account){.local = local,
                               .domain = domain,
                               .address = mail_addr_join(a, local, domain),
                               .damage = row_damage(a, e)};
    else if (e) return e;
    return x->each(x->arg, &acc);
}

int account_each(struct directory *dir, struct slice domain, int (*each)(void *arg, struct account *acc),
                 void *arg)
{
    struct listing x = {each, arg};
    return directory_each(dir, domain, 'a', list_account, &x);
}
