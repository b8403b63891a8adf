/* account.c - accounts as rows of their domain's object: read, changed, renamed, listed. How they come and
 * go: account_life.c. */
#include <stdio.h>

#include "account_i.h"
#include "kv/record.h"
#include "mail/addr.h"
#include "trace/letter_id.h"

enum { TRIES = 3 };

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
            if (letter_id_ok(r.field)) snprintf(out->id, sizeof out->id, "%.*s", SLF(r.field));
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

int account_missing(struct slice address)
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
    return e == ERR_NOT_FOUND ? account_missing(address) : e;
}

int account_row_id(struct slice row, struct account *out)
{
    struct rec r;
    if (rec_open(&r, row, UINT8_MAX)) return ERR_CORRUPT;
    while (rec_next(&r))
        if (r.tag == 'i' && letter_id_ok(r.field)) snprintf(out->id, sizeof out->id, "%.*s", SLF(r.field));
    return out->id[0] ? 0 : ERR_CORRUPT;
}

int account_lost_id(struct slice address)
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
    if (!e) e = account_row_id(row, out);
    return err_is_damage(e) ? account_lost_id(address) : e;
}

void account_put(struct kv_tx *tx, struct slice key, const struct account *acc)
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

int account_duties(struct kv_tx *tx, struct arena *a, struct slice key, const struct account *acc,
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

void account_notify(struct directory *dir, const char *acc, int e)
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

static void elsewhere_tx_put(struct kv_tx *tx, struct arena *a, struct slice id, struct slice local)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, ACCOUNT_VERSION);
    rec_put(&b, 'n', local);
    kv_tx_put_record(tx, elsewhere_key(a, id), &b);
    buf_free(&b);
}

int elsewhere_tx_claim(struct kv_tx *tx, struct arena *a, const struct account *acc)
{
    struct slice row, local;
    struct account now;
    if (!elsewhere_has_id(acc)) return 0;
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

/* ---- keys ---- */

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

int password_keys_new(struct directory *dir, struct slice password, struct password_keys *out)
{
    struct scram_keys fresh = {.iterations = PASSWORD_ITERATIONS};
    rt_random(fresh.salt, sizeof fresh.salt);
    return password_keys_like(dir, password, &fresh, out);
}

/* ---- changing ---- */

static int change_account(struct kv_tx *tx, void *arg)
{
    struct account_change *c = arg;
    struct slice row;
    c->missing = false;
    int e = kv_tx_get(tx, c->key, &row);
    if (!e) e = account_parse(c->a, c->local, sl_from(kv_tx_object(tx), 2), row, &c->acc);
    bool was = c->acc.disabled, claimed = !e && elsewhere_has_id(&c->acc);
    struct slice id = c->acc.elsewhere;
    if (!e) e = c->change(c);
    bool moved = !e && !sl_eq(c->acc.elsewhere, id);
    if (moved) e = elsewhere_tx_claim(tx, c->a, &c->acc);
    if (e) return e;
    if (moved && claimed) kv_tx_del(tx, elsewhere_key(c->a, id));
    account_put(tx, c->key, &c->acc);
    return was == c->acc.disabled ? 0 : account_duties(tx, c->a, c->key, &c->acc, !c->acc.disabled);
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
        if (e == ERR_NOT_FOUND && !c->missing) e = account_missing(address);
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
    for (int i = 0; e == ERR_STATE && i < TRIES; i++) { /* again when app passwords came meanwhile */
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
                    : password_keys_new(dir, password, &keys);
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
    if (elsewhere_has_id(&r->acc)) elsewhere_tx_put(tx, r->a, r->acc.elsewhere, r->to);
    account_put(tx, to, &r->acc);
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
        if (e == ERR_NOT_FOUND) e = account_missing(address);
    }
    account_notify(dir, r.acc.id, e);
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
