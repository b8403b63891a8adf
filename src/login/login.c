/* login.c - is this person who they say they are? */
#include "base/log.h"
#include "login_i.h"

#include <stdlib.h>
#include <string.h>

#include "kv/record.h"
#include "mail/addr.h"
#include "rt/rt.h"

/* The node's secret from which the salts of those come who have no account. */
static int keep_secret(struct kv_tx *tx, void *arg)
{
    struct login *l = arg;
    struct slice row, secret = {0};
    struct rec r;
    int e = kv_tx_get(tx, SL("secret"), &row);
    if (e == ERR_NOT_FOUND) {
        struct buf b = BUF_INIT;
        rec_begin(&b, 1);
        rec_put(&b, 's', sl((char *)l->decoys, SECRET));
        kv_tx_put_record(tx, SL("secret"), &b);
        buf_free(&b);
        return 0;
    }
    if (!e) e = rec_open(&r, row, 1);
    if (e) return e;
    while (rec_next(&r))
        if (r.tag == 's') secret = r.field;
    if (secret.n != SECRET) return err_set(ERR_CORRUPT, "the secret of the store is damaged");
    memcpy(l->decoys, secret.p, SECRET);
    return rec_error(&r);
}

void login_forget(struct map *m)
{
    struct map_iter it = {0};
    while (map_next(m, &it)) free(it.value);
    map_free(m);
}

int login_open(struct login **out, struct kv *kv, struct directory *dir)
{
    ASSERT(kv && dir);
    struct login *l = *out = xcalloc(1, sizeof *l);
    l->dir = dir;
    map_init(&l->until, false);
    map_init(&l->tokens.known, false);
    rt_random(l->secret, sizeof l->secret);
    rt_random(l->decoys, sizeof l->decoys);
    int e = kv_transact(kv, SL("_secret"), keep_secret, l);
    if (e) login_close(out);
    return e;
}

void login_set_issuer(struct login *l, const struct login_issuer *issuer) { l->issuer = *issuer; }

void login_close(struct login **l)
{
    if (!*l) return;
    login_forget(&(*l)->until);
    login_forget(&(*l)->tokens.known);
    buf_free(&(*l)->keys.text);
    wipe((*l)->secret, sizeof(*l)->secret);
    wipe((*l)->decoys, sizeof(*l)->decoys);
    free(*l);
    *l = NULL;
}

/* No name of a user begins with NUL: salts tell nothing of marks. */
void login_mark(const struct login *l, struct slice what, uint8_t out[32])
{
    struct buf b = BUF_INIT;
    buf_char(&b, 0);
    buf_put(&b, what);
    hmac_sha256(sl((const char *)l->decoys, sizeof l->decoys), buf_slice(&b), out);
    buf_free(&b);
}

/* Over all passwords of the account: when one of them changes, none is remembered. */
static void fingerprint(struct login *l, const struct account *acc, struct slice password, uint8_t out[32])
{
    struct buf b = BUF_INIT;
    buf_str(&b, acc->id);
    buf_bytes(&b, acc->keys.stored_key, sizeof acc->keys.stored_key);
    for (size_t i = 0; i < acc->napps; i++)
        buf_bytes(&b, acc->app[i].stored_key, sizeof acc->app[i].stored_key);
    buf_put(&b, password);
    hmac_sha256(sl(l->secret, sizeof l->secret), buf_slice(&b), out);
    wipe(b.p, b.n);
    buf_free(&b);
}

struct remembered {
    int64_t until;
    size_t which; /* 0: the account's own password; else its app password number which - 1 */
};

static bool remembered(struct login *l, const uint8_t print[32], size_t *which)
{
    lock_take(&l->lock);
    struct remembered *r = map_get(&l->until, sl(print, 32));
    bool yes = r && r->until > rt_now();
    if (yes) *which = r->which;
    lock_release(&l->lock);
    return yes;
}

static void remember_login(struct login *l, const uint8_t print[32], size_t which, bool elsewhere)
{
    struct remembered *r = xmalloc(sizeof *r);
    *r = (struct remembered){rt_now() + (elsewhere ? remembered_elsewhere : remembered_for), which};
    lock_take(&l->lock);
    if (l->until.count >= REMEMBERED_MAX) login_forget(&l->until);
    free(map_put(&l->until, sl(print, 32), r));
    lock_release(&l->lock);
}

/* A bare name is one of the only domain here. */
static struct slice whole_address(struct login *l, struct arena *a, struct slice user)
{
    struct slice *domain;
    size_t n;
    if (sl_chr(user, '@') != SL_NONE) return user;
    directory_domains(l->dir, a, &domain, &n);
    return n == 1 ? ar_printf(a, "%.*s@%.*s", SLF(user), SLF(domain[0])) : user;
}

/* A name at an alias domain is the same name at the one that it stands for. */
static int find_by_alias_domain(struct login *l, struct arena *a, struct slice user, struct account *out)
{
    struct slice local, domain;
    struct domain d;
    int e = address_split(a, user, &local, &domain);
    if (!e) e = domain_get(l->dir, a, domain, &d);
    if (!e && !d.alias_of.n) e = ERR_NOT_FOUND;
    return e ? e : account_read(l->dir, a, local_name(a, local), d.alias_of, out);
}

/* The same of somebody who is kept elsewhere and has no account yet, or logs in by another of his addresses.
 */
static int find_elsewhere(struct login *l, struct arena *a, struct slice user, struct account *out)
{
    struct slice local, domain;
    struct domain d;
    int e = address_split(a, user, &local, &domain);
    if (!e) e = domain_get(l->dir, a, domain, &d);
    if (e) return e;
    local = local_name(a, local);
    e = account_elsewhere(l->dir, a, local, domain, ASK_FOR_LOGINS, out);
    if (e != ERR_NOT_FOUND || !d.alias_of.n) return e;
    return account_elsewhere(l->dir, a, local, d.alias_of, ASK_FOR_LOGINS, out);
}

int login_find(struct login *l, struct arena *a, struct slice user, struct account *out)
{
    user = whole_address(l, a, user);
    if (sl_chr(user, '@') == SL_NONE)
        return err_set(ERR_NOT_FOUND, "the login needs the whole address, name@domain");
    int e = account_get(l->dir, a, user, out);
    if (e == ERR_NOT_FOUND) e = find_by_alias_domain(l, a, user, out);
    if (!e) account_refresh(l->dir, a, ASK_FOR_LOGINS, out);
    if (e == ERR_NOT_FOUND) e = find_elsewhere(l, a, user, out);
    if (e == ERR_SYNTAX) return ERR_NOT_FOUND;
    if (!e && out->disabled) return err_set(ERR_DENIED, "the account %.*s is disabled", SLF(out->address));
    return e;
}

/* By an alias domain it is the name at the domain that this stands for, whether anybody has it or not: what
 * is held against it, by hand too, binds there as well, and the salts of all spellings tell nothing. */
struct slice login_name(struct login *l, struct arena *a, struct slice user)
{
    struct slice local, domain;
    struct account acc;
    struct domain d;
    user = whole_address(l, a, user);
    if (address_split(a, user, &local, &domain)) return local_name(a, user);
    local = local_name(a, local);
    if (domain_get(l->dir, a, domain, &d) == 0 && d.alias_of.n &&
        account_read(l->dir, a, local, domain, &acc) == ERR_NOT_FOUND)
        domain = d.alias_of; /* it has no account of its own, which would come first */
    return mail_addr_join(a, local, domain);
}

struct seek {
    struct login *login;
    struct arena *a;
    struct slice user, *name;
};

static int seek_account(void *arg)
{
    const struct seek *s = arg;
    struct account acc;
    int e = login_find(s->login, s->a, s->user, &acc);
    if (!e || e == ERR_DENIED) *s->name = acc.address; /* also of one that is disabled */
    return e && e != ERR_DENIED && e != ERR_NOT_FOUND ? e : 1;
}

int login_counted(struct login *l, struct arena *a, struct slice user, login_guard *guard, void *guard_arg,
                  struct slice *name)
{
    struct account acc;
    struct seek s = {l, a, user, name};
    *name = login_name(l, a, user);
    if (!directory_has_people(l->dir) || account_get(l->dir, a, *name, &acc) != ERR_NOT_FOUND) return 0;
    int e = guard(guard_arg, *name, seek_account, &s);
    return e < 0 ? e : 0;
}

/* Spellings of one name get one salt, as they do when there is an account. */
void login_decoy(struct login *l, struct slice user, struct scram_keys *out)
{
    struct arena a;
    ar_init(&a, 0);
    scram_decoy(login_name(l, &a, user), l->decoys, out);
    out->iterations = PASSWORD_ITERATIONS;
    ar_free(&a);
}

int login_certified(struct login *l, struct arena *a, const struct slice *address, size_t n,
                    struct slice user, struct account *out)
{
    struct account one, wanted;
    bool found = false;
    int e = user.n ? login_find(l, a, user, &wanted) : 0;
    for (size_t i = 0; !e && i < n; i++) {
        e = login_find(l, a, address[i], &one);
        if (e == ERR_NOT_FOUND || e == ERR_DENIED) e = 0;
        else if (!e && user.n && strcmp(one.id, wanted.id) != 0) continue;
        else if (!e && found && strcmp(one.id, out->id) != 0)
            return err_set(ERR_DENIED, "the certificate is for several accounts: the client must name one");
        else if (!e) *out = one, found = true;
    }
    if (e && e != ERR_NOT_FOUND && e != ERR_DENIED) return e;
    return found ? 0 : err_set(ERR_DENIED, "the certificate is for nobody here, or for another");
}

struct check {
    const struct account *acc;      /* or NULL: */
    const struct scram_keys *decoy; /* what no password fits */
    struct slice password;
    size_t which;
};

/* One derivation for all passwords of the account: they share salt and count. */
static int check_passwords(void *arg)
{
    struct check *c = arg;
    struct scram_keys got;
    const struct scram_keys *like = c->acc ? &c->acc->keys : c->decoy;
    int e = scram_derive(SCRAM_SHA256, c->password, like->salt, like->iterations, &got);
    bool found = !e && same_secret(sl(got.stored_key, 32), sl(like->stored_key, 32));
    c->which = 0;
    for (size_t i = 0; !e && c->acc && i < c->acc->napps; i++)
        if (same_secret(sl(got.stored_key, 32), sl(c->acc->app[i].stored_key, 32))) {
            found = true;
            c->which = i + 1;
        }
    wipe(&got, sizeof got);
    return found ? 0 : ERR_DENIED;
}

int login_with(struct login *l, struct account *acc, const struct app_password *app, unsigned protocol)
{
    acc->by = app;
    if (!app) return 0;
    if (!(app->protocols & protocol))
        return err_set(ERR_DENIED, "the app password \"%.*s\" is not for this protocol", SLF(app->name));
    app_password_used(l->dir, acc->id, app->id);
    return 0;
}

static const struct app_password *app_number(const struct account *acc, size_t which)
{
    return which && which <= acc->napps ? &acc->app[which - 1] : NULL;
}

/* Nobody learns that a password is right by which no login is taken: neither from the answer nor its time. */
static bool is_allowed(const struct login_try *t, const struct account *acc)
{
    return !t->allows || !t->allows(t->allows_arg, acc->address);
}

int login_password(struct login *l, struct arena *a, const struct login_try *t, struct account *out)
{
    uint8_t print[32];
    struct scram_keys decoy;
    struct check c = {.acc = out, .password = t->password};
    int found = login_find(l, a, t->user, out);
    if (found && found != ERR_NOT_FOUND && found != ERR_DENIED) return found;
    bool allowed = !found && is_allowed(t, out);
    if (!found) {
        fingerprint(l, out, t->password, print);
        if (allowed && remembered(l, print, &c.which))
            return login_with(l, out, app_number(out, c.which), t->protocol);
    } else {
        login_decoy(l, t->user, &decoy);
        c.acc = NULL;
        c.decoy = &decoy;
    }
    int e = offload_for(POOL_PASSWORD, t->asker, check_passwords, &c);
    bool elsewhere = e == ERR_DENIED && !found && out->elsewhere.n; /* app passwords are never told there */
    if (elsewhere) e = account_prove(l->dir, out, t->password, t->asker);
    if (!e && allowed) {
        remember_login(l, print, c.which, elsewhere);
        return login_with(l, out, app_number(out, c.which), t->protocol);
    }
    if (!e && !found)
        log_info("login", "%.*s is shut out by hand: a right password is refused", SLF(out->address));
    if (e && (e == ERR_CANCELED || e == ERR_TIMEOUT || elsewhere) && e != ERR_DENIED) return e;
    return err_set(ERR_DENIED, "user name or password is wrong");
}

int login_prove(void *arg)
{
    const struct login_proof *p = arg;
    return login_password(p->login, p->a, p->said, p->out);
}
