/* account_life.c - accounts made and removed.
 *
 * Made: a tombstone first, then the mailboxes, then the row takes the tombstone's place in one
 * transaction: an account that can be found is whole, and one that was not finished is erased.
 * Removed: the row gives way to a tombstone in the same transaction, then the account's object
 * is erased, then the tombstone goes. directory_open takes both up where a crash left them.
 *
 * A tombstone of an account in the making holds a mark that the account's object bears too, so
 * that nothing is erased but what was made with it. */
#include <stdio.h>

#include "account_i.h"
#include "base/log.h"
#include "kv/record.h"
#include "trace/letter_id.h"

enum { ID_TRIES = 3, MARK = 16 };

/* ---- making ---- */

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
    account_put(tx, m->key, &m->acc);
    return account_duties(tx, m->a, m->key, &m->acc, true);
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
    else if (!e) e = password_keys_new(dir, password, &keys);
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
    int e = account_row_id(row, &b->acc);
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
    if (elsewhere_has_id(&b->acc)) kv_tx_del(tx, elsewhere_key(b->a, b->acc.elsewhere));
    return account_duties(tx, b->a, b->key, &b->acc, false);
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
        if (e == ERR_NOT_FOUND) e = account_missing(address);
        if (e == ERR_CORRUPT) e = account_lost_id(address);
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
