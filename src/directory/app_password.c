/* app_password.c - further passwords of an account and addresses that it may send as: given and taken back,
 * each in one transaction on the account's row. */
#include <stdio.h>

#include "base/text.h"
#include "directory_i.h"
#include "kv/record.h"
#include "mail/addr.h"

enum { USE_VERSION = 1, PASSWORD_GROUPS = 4, PASSWORD_GROUP = 5 };

static const struct app_password *find_app(const struct account *acc, struct slice which)
{
    for (size_t i = 0; i < acc->napps; i++)
        if (sl_eq(acc->app[i].name, which) || sl_eq(sl_cstr(acc->app[i].id), which)) return &acc->app[i];
    return NULL;
}

/* "kq4zr-..": 100 bits that nobody mistypes: no 0 and o, 1 and l. */
static struct slice make_password(struct arena *a)
{
    uint8_t chance[PASSWORD_GROUPS * PASSWORD_GROUP];
    struct buf b = BUF_INIT;
    rt_random(chance, sizeof chance);
    for (size_t i = 0; i < sizeof chance; i++)
        buf_printf(&b, "%s%c", i && i % PASSWORD_GROUP == 0 ? "-" : "",
                   "abcdefghijkmnpqrstuvwxyz23456789"[chance[i] & 31]);
    struct slice s = ar_dup(a, buf_slice(&b));
    wipe(chance, sizeof chance);
    wipe(b.p, b.n);
    buf_free(&b);
    return s;
}

struct app_addition {
    struct app_password app;
    struct password_keys keys; /* with the salt that the account had */
};

static int add_app(struct account_change *c)
{
    struct app_addition *x = c->arg;
    struct account *acc = &c->acc;
    if (memcmp(acc->keys.salt, x->keys.keys.salt, sizeof x->keys.keys.salt) ||
        acc->keys.iterations != x->keys.keys.iterations)
        return err_set(ERR_BUSY, "the password of the account was changed at this moment: try again");
    if (find_app(acc, x->app.name) || find_app(acc, sl_cstr(x->app.id)))
        return err_set(ERR_EXISTS, "there is an app password \"%.*s\" already", SLF(x->app.name));
    if (acc->napps == APP_PASSWORDS_MAX)
        return err_set(ERR_LIMIT, "an account can have %d app passwords: remove one", APP_PASSWORDS_MAX);
    if (!acc->app) acc->app = ar_array(c->a, struct app_password, APP_PASSWORDS_MAX);
    acc->app[acc->napps++] = x->app;
    return 0;
}

static int check_name(struct slice name)
{
    if (name.n && name.n <= APP_NAME_MAX && utf8_valid(name)) {
        struct slice rest = name;
        uint32_t cp;
        while (utf8_next(&rest, &cp))
            if (text_steers(cp)) return err_set(ERR_USAGE, "the name holds control characters");
        return 0;
    }
    return err_set(ERR_USAGE, "the name of an app password must be UTF-8 of 1 to %d bytes", APP_NAME_MAX);
}

int app_password_add(struct directory *dir, struct arena *a, struct slice address,
                     const struct app_password *what, struct slice *password)
{
    struct app_addition x = {.app = *what};
    struct account acc;
    uint8_t id[APP_ID / 2];
    int e = check_name(what->name);
    if (!e && !(what->protocols & LOGIN_ALL)) e = err_set(ERR_USAGE, "say for which protocols: " LOGIN_WORDS);
    if (!e) e = account_get(dir, a, address, &acc);
    if (e) return e;
    *password = make_password(a);
    e = password_keys_like(dir, *password, &acc.keys, &x.keys);
    if (e) return e;
    rt_random(id, sizeof id);
    for (size_t i = 0; i < sizeof id; i++) hex_digits(x.app.id + 2 * i, id[i], 2);
    x.app.created = rt_wall_seconds();
    memcpy(x.app.stored_key, x.keys.keys.stored_key, sizeof x.app.stored_key);
    memcpy(x.app.server_key, x.keys.keys.server_key, sizeof x.app.server_key);
    x.app.has_old = x.keys.old.iterations != 0;
    memcpy(x.app.old_stored_key, x.keys.old.stored_key, sizeof x.app.old_stored_key);
    memcpy(x.app.old_server_key, x.keys.old.server_key, sizeof x.app.old_server_key);
    e = account_change(dir, address, &(struct account_change){.change = add_app, .arg = &x});
    wipe(&x, sizeof x);
    return e;
}

static int remove_app(struct account_change *c)
{
    struct slice which = *(struct slice *)c->arg;
    const struct app_password *p = find_app(&c->acc, which);
    if (!p) {
        c->missing = true;
        return err_set(ERR_NOT_FOUND, "there is no app password \"%.*s\"", SLF(which));
    }
    for (size_t i = (size_t)(p - c->acc.app); i + 1 < c->acc.napps; i++) c->acc.app[i] = c->acc.app[i + 1];
    c->acc.napps--;
    return 0;
}

int app_password_remove(struct directory *dir, struct slice address, struct slice which)
{
    return account_change(dir, address, &(struct account_change){.change = remove_app, .arg = &which});
}

/* ---- when one was used: beside what the account has sent ---- */

static struct slice sent_object(const char *acc, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, "n:%s", acc));
}

static struct slice use_key(const char *id, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, "u/%s", id));
}

void app_password_used(struct directory *dir, const char *acc, const char *id)
{
    char object[KV_KEY_MAX], key[KV_KEY_MAX];
    struct buf b = BUF_INIT;
    rec_begin(&b, USE_VERSION);
    rec_put_u64(&b, 't', (uint64_t)rt_wall_seconds());
    kv_note_record(dir->kv, sent_object(acc, object), use_key(id, key), &b);
    buf_free(&b);
}

int app_password_last_use(struct directory *dir, const char *acc, const char *id, int64_t *when)
{
    char object[KV_KEY_MAX], key[KV_KEY_MAX];
    struct arena a;
    struct slice row;
    struct rec r;
    *when = 0;
    ar_init(&a, 0);
    int e = kv_get(dir->kv, sent_object(acc, object), use_key(id, key), &a, &row);
    if (!e) e = rec_open(&r, row, USE_VERSION);
    while (!e && rec_next(&r))
        if (r.tag == 't') *when = (int64_t)rec_u64(&r);
    if (!e) e = rec_error(&r);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* ---- its language ---- */

static int change_language(struct account_change *c)
{
    const struct slice *tag = c->arg;
    c->acc.language = *tag;
    return 0;
}

int account_set_language(struct directory *dir, struct slice address, struct slice tag)
{
    return account_change(dir, address, &(struct account_change){.change = change_language, .arg = &tag});
}

/* ---- addresses that it may send as ---- */

struct grant_change {
    struct slice as;
    bool may;
};

static int change_grants(struct account_change *c)
{
    const struct grant_change *x = c->arg;
    struct account *acc = &c->acc;
    size_t at = 0;
    while (at < acc->ngrants && !sl_eq(acc->grant[at], x->as)) at++;
    bool there = at < acc->ngrants;
    if (x->may && there) return err_set(ERR_EXISTS, "%.*s may do that already", SLF(acc->address));
    if (x->may && acc->ngrants == GRANTS_MAX)
        return err_set(ERR_LIMIT, "%d addresses can be granted to an account", GRANTS_MAX);
    c->missing = !x->may && !there;
    if (c->missing)
        return err_set(ERR_NOT_FOUND, "%.*s was not granted to %.*s", SLF(x->as), SLF(acc->address));
    if (x->may) grant_take(c->a, x->as, acc);
    for (; there && at + 1 < acc->ngrants; at++) acc->grant[at] = acc->grant[at + 1];
    acc->ngrants -= there;
    return 0;
}

/* "local@domain" or "@domain" as the row has it. */
static int grant_name(struct directory *dir, struct arena *a, struct slice as, struct slice *out)
{
    struct slice local, domain;
    bool here = false;
    if (!sl_starts(as, SL("@"))) {
        int e = address_split_here(dir, a, as, &local, &domain);
        if (!e) *out = mail_addr_join(a, local, domain);
        return e;
    }
    int e = domain_name(a, sl_from(as, 1), &domain);
    if (!e) e = domain_is_local(dir, domain, &here);
    if (!e && !here) e = err_set(ERR_NOT_FOUND, "the domain %.*s is not here", SLF(domain));
    if (!e) *out = ar_cat(a, SL("@"), domain);
    return e;
}

int account_grant(struct directory *dir, struct slice address, struct slice as, bool may)
{
    struct arena a;
    ar_init(&a, 0);
    struct grant_change x = {.may = may};
    int e = grant_name(dir, &a, as, &x.as);
    if (!e) e = account_change(dir, address, &(struct account_change){.change = change_grants, .arg = &x});
    ar_free(&a);
    return e;
}
