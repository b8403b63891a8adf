/* login.c - is this person who they say they are? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv/record.h"
#include "store_i.h"

/* Passwords that were right lately, as keyed hashes, so that a client that logs in every
 * minute does not cost a key derivation each time. A changed password changes the
 * stored key, which is part of the hash. */
enum { REMEMBERED_MAX = 20000, SECRET = 32 };
static const int64_t remembered_for = 600 * RT_S;

struct login_memory {
    struct lock lock;
    struct map until; /* hash -> int64_t * */
    uint8_t secret[32];
    uint8_t decoys[SECRET]; /* the same as long as the store lives */
};

/* The node's secret from which the salts of those come who have no account. */
static int keep_secret(struct kv_tx *tx, void *arg)
{
    struct login_memory *m = arg;
    struct slice row, secret = {0};
    struct rec r;
    int e = kv_tx_get(tx, SL("secret"), &row);
    if (e == ERR_NOT_FOUND) {
        struct buf b = BUF_INIT;
        rec_begin(&b, 1);
        rec_put(&b, 's', sl((char *)m->decoys, SECRET));
        kv_tx_put_record(tx, SL("secret"), &b);
        buf_free(&b);
        return 0;
    }
    if (!e) e = rec_open(&r, row, 1);
    if (e) return e;
    while (rec_next(&r))
        if (r.tag == 's') secret = r.field;
    if (secret.n != SECRET) return err_set(ERR_CORRUPT, "the secret of the store is damaged");
    memcpy(m->decoys, secret.p, SECRET);
    return rec_error(&r);
}

int login_memory_open(struct store *s)
{
    struct login_memory *m = s->directory->logins = xcalloc(1, sizeof *m);
    map_init(&m->until, false);
    rt_random(m->secret, sizeof m->secret);
    rt_random(m->decoys, sizeof m->decoys);
    return kv_transact(s->kv, SL("_store"), keep_secret, m);
}

static void forget_all(struct login_memory *m)
{
    struct map_iter it = {0};
    while (map_next(&m->until, &it)) free(it.value);
    map_free(&m->until);
}

void login_memory_free(struct login_memory **m)
{
    if (!*m) return;
    forget_all(*m);
    wipe((*m)->secret, sizeof(*m)->secret);
    wipe((*m)->decoys, sizeof(*m)->decoys);
    free(*m);
    *m = NULL;
}

static void fingerprint(struct login_memory *m, const struct account *acc, struct slice password,
                        uint8_t out[32])
{
    struct buf b = BUF_INIT;
    buf_str(&b, acc->id);
    buf_bytes(&b, acc->keys.stored_key, sizeof acc->keys.stored_key);
    buf_put(&b, password);
    hmac_sha256(sl(m->secret, sizeof m->secret), buf_slice(&b), out);
    wipe(b.p, b.n);
    buf_free(&b);
}

static bool remembered(struct login_memory *m, const uint8_t print[32])
{
    lock_take(&m->lock);
    int64_t *until = map_get(&m->until, sl(print, 32));
    bool yes = until && *until > rt_now();
    lock_release(&m->lock);
    return yes;
}

static void remember_login(struct login_memory *m, const uint8_t print[32])
{
    int64_t *until = xmalloc(sizeof *until);
    *until = rt_now() + remembered_for;
    lock_take(&m->lock);
    if (m->until.count >= REMEMBERED_MAX) forget_all(m);
    free(map_put(&m->until, sl(print, 32), until));
    lock_release(&m->lock);
}

/* A bare name is one of the only domain here. */
static struct slice whole_address(struct store *s, struct arena *a, struct slice user)
{
    struct slice *domain;
    size_t n;
    if (sl_chr(user, '@') != SL_NONE) return user;
    directory_domains(s, a, &domain, &n);
    return n == 1 ? ar_printf(a, "%.*s@%.*s", SLF(user), SLF(domain[0])) : user;
}

int login_find(struct store *s, struct arena *a, struct slice user, struct account *out)
{
    user = whole_address(s, a, user);
    if (sl_chr(user, '@') == SL_NONE)
        return err_set(ERR_NOT_FOUND, "the login needs the whole address, name@domain");
    int e = account_get(s, a, user, out);
    if (e == ERR_SYNTAX) return ERR_NOT_FOUND;
    if (!e && out->disabled) return err_set(ERR_DENIED, "the account %.*s is disabled", SLF(out->address));
    return e;
}

/* Spellings of one name get one salt, as they do when there is an account. */
void login_decoy(struct store *s, struct slice user, struct scram_keys *out)
{
    struct arena a;
    struct slice local, domain;
    ar_init(&a, 0);
    user = whole_address(s, &a, user);
    if (address_split(&a, user, &local, &domain) == 0)
        user = ar_printf(&a, "%.*s@%.*s", SLF(local_name(&a, local)), SLF(domain));
    else user = local_name(&a, user);
    scram_decoy(user, s->directory->logins->decoys, out);
    out->iterations = LOGIN_ITERATIONS;
    ar_free(&a);
}

struct check {
    const struct scram_keys *keys;
    struct slice password;
};

static int check_password(void *arg)
{
    struct check *c = arg;
    return scram_check_password(c->keys, c->password);
}

int login_password(struct store *s, struct arena *a, struct slice user, struct slice password,
                   struct account *out)
{
    struct login_memory *m = s->directory->logins;
    uint8_t print[32];
    struct scram_keys decoy;
    int found = login_find(s, a, user, out);
    if (found && found != ERR_NOT_FOUND && found != ERR_DENIED) return found;
    if (!found) {
        fingerprint(m, out, password, print);
        if (remembered(m, print)) return 0;
    } else {
        login_decoy(s, user, &decoy);
    }
    struct check c = {found ? &decoy : &out->keys, password};
    int e = offload(check_password, &c);
    if (!e && !found) {
        remember_login(m, print);
        return 0;
    }
    if (e == ERR_CANCELED || e == ERR_TIMEOUT) return e;
    return err_set(ERR_DENIED, "user name or password is wrong");
}

/* ---- authority ---- */

/* Hints about an account's authority go to the watchers of an object that has no rows. */
static struct slice authority_object(const char *acc, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, "a:%s", acc));
}

void authority_notify(struct store *s, const char *acc)
{
    char room[KV_KEY_MAX];
    kv_notify(s->kv, authority_object(acc, room));
}

struct kv_watch *authority_watch(struct store *s, const char *acc, void (*fn)(void *), void *arg)
{
    char room[KV_KEY_MAX];
    return kv_watch(s->kv, authority_object(acc, room), fn, arg);
}

void authority_begin(struct authority *x, const struct account *acc)
{
    snprintf(x->id, sizeof x->id, "%s", acc->id);
    snprintf(x->local, sizeof x->local, "%.*s", SLF(acc->local));
    snprintf(x->domain, sizeof x->domain, "%.*s", SLF(acc->domain));
    x->version = acc->authority;
    x->generation = acc->generation;
}

int authority_check(struct authority *x, struct store *s)
{
    struct arena a;
    struct account now;
    uint64_t generation = directory_generation(s);
    if (x->generation == generation) return 0;
    ar_init(&a, 0);
    int e = account_read(s, &a, sl_cstr(x->local), sl_cstr(x->domain), &now);
    bool same = !e && strcmp(now.id, x->id) == 0 && now.authority == x->version && !now.disabled;
    if (!e && same) x->generation = now.generation;
    ar_free(&a);
    if (e && e != ERR_NOT_FOUND) return e;
    return same ? 0 : err_set(ERR_DENIED, "the account was changed: log in again");
}
