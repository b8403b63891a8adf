/* inbound.c - whose mail is handed to which URL: rows, and the names in memory (inbound.h). */
#include "inbound.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "fetch/fetch.h"
#include "inbound_i.h"
#include "mail/addr.h"
#include "send_i.h"
#include "store/mailbox.h"
#include "webhook_i.h"

enum { ROW_VERSION = 1, RAW = 1, SPAM_CHECK = 2, MAILBOX = 4, GIVEN = 8 };
/* What routes need of a row. */
struct known {
    char account[20], holder[20];
    int64_t domain_made;
    bool given, damaged;
};

/* ---- names ---- */

void inbound_token(struct slice name, char out[INBOUND_TOKEN])
{
    uint8_t sum[HASH_MAX];
    hash_once(HASH_SHA256, name, sum);
    for (int i = 0; i < 8; i++) hex_digits(out + 2 * i, sum[i], 2);
    out[INBOUND_TOKEN - 1] = 0;
}

/* "help@One.Test" or "One.Test." as it is compared; *domain points into it. ERR_SYNTAX. */
static int name_of(struct arena *a, struct slice given, struct slice *name, struct slice *domain)
{
    struct slice local;
    int e = sl_chr(given, '@') == SL_NONE ? domain_name(a, given, name) : 0;
    if (!e && sl_chr(given, '@') == SL_NONE) return *domain = *name, 0;
    if (!e) e = address_split(a, given, &local, domain);
    if (!e) *name = mail_addr_join(a, local_name(a, local), *domain);
    return e;
}

static int is_here(struct sends *s, struct slice domain)
{
    bool here = false;
    int e = domain_is_local(s->store->directory, domain, &here);
    if (!e && !here)
        e = err_set(ERR_NOT_FOUND,
                    "%.*s is no domain of this server: whoever runs it adds it with `tram domain add`",
                    SLF(domain));
    return e;
}

int inbound_may(struct sends *s, const struct account *acc, struct slice given)
{
    struct arena a = {0};
    struct slice name, domain;
    bool yes = false;
    int e = name_of(&a, given, &name, &domain);
    if (!e) e = is_here(s, domain);
    if (!e && !(yes = sl_eq(name, acc->address)))
        e = domain_admin_is(s->store->directory, domain, acc->id, &yes);
    if (!e && !yes)
        e = err_set(ERR_DENIED,
                    "%.*s is neither the address of this account nor at a domain that it administers (`tram "
                    "domain admin add`)",
                    SLF(name));
    ar_free(&a);
    return e;
}

/* False: it is damaged. */
static bool know(struct known *k, const struct inbound *in)
{
    *k = (struct known){.domain_made = in->domain_made, .given = in->given};
    if (!in->account.n || in->account.n >= sizeof k->account || in->holder.n >= sizeof k->holder)
        return false;
    memcpy(k->account, in->account.p, in->account.n);
    if (in->holder.n) memcpy(k->holder, in->holder.p, in->holder.n);
    return true;
}

/* Its id, or "" when no account has the name. */
static int holder_now(struct sends *s, struct arena *a, struct slice name, struct slice *id)
{
    size_t at = sl_rchr(name, '@');
    struct account acc;
    *id = SL("");
    if (at == SL_NONE) return 0;
    int e = account_read(s->store->directory, a, sl_sub(name, 0, at), sl_from(name, at + 1), &acc);
    if (!e) *id = ar_dup(a, sl_cstr(acc.id));
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int is_as_given(struct sends *s, const struct known *k, struct slice domain, bool *yes)
{
    struct arena a = {0};
    struct domain d;
    int e = domain_get(s->store->directory, &a, domain, &d);
    *yes = !e && d.created == k->domain_made;
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int is_gone(struct sends *s, const char *account, bool *gone)
{
    struct account_usage u;
    int e = account_usage(s->store, account, &u);
    *gone = e == ERR_NOT_FOUND;
    return *gone || err_is_damage(e) ? 0 : e; /* a damaged one is there */
}

/* Does the row hold for a name that this account has now? */
static int holds(struct sends *s, const struct known *k, struct slice name, struct slice holder, bool *yes)
{
    size_t at = sl_rchr(name, '@');
    struct slice domain = at == SL_NONE ? name : sl_from(name, at + 1);
    bool gone = false;
    *yes = false;
    int e = is_gone(s, k->account, &gone);
    if (e || gone) return e;
    if ((*yes = sl_eq(holder, sl_cstr(k->account)))) return 0;
    e = domain_admin_is(s->store->directory, domain, k->account, yes);
    if (!e && !*yes && k->given && sl_eq(holder, sl_cstr(k->holder))) e = is_as_given(s, k, domain, yes);
    return e;
}

int inbound_holds(struct sends *s, const struct inbound *in)
{
    struct arena a = {0};
    struct slice holder;
    struct known k;
    bool yes = false;
    int e = know(&k, in) ? holder_now(s, &a, in->name, &holder) : ERR_CORRUPT;
    if (!e) e = holds(s, &k, in->name, holder, &yes);
    ar_free(&a);
    return e ? e : yes ? 0 : ERR_NOT_FOUND;
}

/* ---- rows ---- */

static int get_row(struct slice row, struct inbound *in, struct slice *pem)
{
    struct rec r;
    unsigned flags = 0;
    *in = (struct inbound){0};
    *pem = SL("");
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'n': in->name = r.field; break;
        case 'a': in->account = r.field; break;
        case 'u': in->url = r.field; break;
        case 'k': *pem = r.field; break;
        case 'o': flags = (unsigned)rec_u64(&r); break;
        case 'c': in->created = (int64_t)rec_u64(&r); break;
        case 't': in->changed = (int64_t)rec_u64(&r); break;
        case 'h': in->holder = r.field; break;
        case 'd': in->domain_made = (int64_t)rec_u64(&r); break;
        }
    in->raw = flags & RAW, in->spam_check = flags & SPAM_CHECK, in->mailbox = flags & MAILBOX;
    in->given = flags & GIVEN;
    if (!e) e = rec_error(&r);
    return e ? e : in->name.n && in->account.n && in->url.n ? 0 : ERR_CORRUPT;
}

int inbound_row_check(struct slice row)
{
    struct inbound in;
    struct slice pem;
    return get_row(row, &in, &pem);
}

static void put_row(struct kv_tx *tx, struct slice key, const struct inbound *in, struct slice pem)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, ROW_VERSION);
    rec_put(&b, 'n', in->name);
    rec_put(&b, 'a', in->account);
    rec_put(&b, 'u', in->url);
    rec_put(&b, 'k', pem);
    rec_opt_u64(&b, 'o',
                (in->raw ? RAW : 0) | (in->spam_check ? SPAM_CHECK : 0) | (in->mailbox ? MAILBOX : 0) |
                    (in->given ? GIVEN : 0));
    rec_opt(&b, 'h', in->holder);
    if (in->given) rec_put_u64(&b, 'd', (uint64_t)in->domain_made);
    rec_put_u64(&b, 'c', (uint64_t)in->created);
    rec_put_u64(&b, 't', (uint64_t)in->changed);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
}

struct change {
    struct sends *s;
    struct arena a;
    char token[INBOUND_TOKEN];
    struct slice account, name, domain, key, own, pem; /* own: the row that lists it with its account */
    struct inbound in;
    struct slice stale; /* account of a row there that holds no more */
    inbound_change_fn *fn;
    void *arg;
    int64_t now;
};

static struct slice own_key(struct change *x, struct slice account)
{
    return ar_printf(&x->a, "B/%.*s/%s", SLF(account), x->token);
}

static int begin(struct change *x, struct sends *s, struct slice account, struct slice given)
{
    *x = (struct change){.s = s, .account = account, .now = rt_wall()};
    int e = name_of(&x->a, given, &x->name, &x->domain);
    if (e) return e;
    inbound_token(x->name, x->token);
    x->key = ar_printf(&x->a, "b/%s", x->token);
    x->own = own_key(x, account);
    return 0;
}

static int count_one(void *n, struct slice key, struct slice value)
{
    (void)key, (void)value;
    ++*(size_t *)n;
    return 0;
}

/* Of a row that holds no more. */
static int take_place(struct kv_tx *tx, struct change *x)
{
    struct slice row, pem;
    struct inbound there;
    int e = kv_tx_get(tx, x->key, &row);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    if (!x->stale.n || get_row(row, &there, &pem) != 0 || !sl_eq(there.account, x->stale))
        return err_set(ERR_EXISTS, "mail for %.*s is handed to a URL already", SLF(x->name));
    kv_tx_del(tx, own_key(x, x->stale));
    return 0;
}

static int add_tx(struct kv_tx *tx, void *arg)
{
    struct change *x = arg;
    struct slice prefix = ar_printf(&x->a, "B/%.*s/", SLF(x->account));
    size_t n = 0;
    int e = take_place(tx, x);
    if (!e) e = kv_tx_scan(tx, prefix, kv_prefix_end(&x->a, prefix), count_one, &n);
    if (!e && n >= INBOUNDS_MAX)
        e = err_set(ERR_LIMIT, "an account has the mail of no more than %d names handed to URLs",
                    INBOUNDS_MAX);
    if (e) return e;
    put_row(tx, x->key, &x->in, x->pem);
    kv_tx_put(tx, x->own, SL("1"));
    return 0;
}

/* The row of that name and account, read within the transaction. */
static int own_row(struct kv_tx *tx, struct change *x)
{
    struct slice row;
    int e = kv_tx_get(tx, x->key, &row);
    if (!e) e = get_row(row, &x->in, &x->pem);
    if (!e && x->account.n && !sl_eq(x->in.account, x->account)) e = ERR_NOT_FOUND;
    return e == ERR_NOT_FOUND ? err_set(e, "mail for %.*s is handed to no URL", SLF(x->name)) : e;
}

static int change_tx(struct kv_tx *tx, void *arg)
{
    struct change *x = arg;
    int e = own_row(tx, x);
    if (e) return e;
    x->fn(x->arg, &x->in);
    x->in.changed = x->now;
    e = fetch_url_take(&x->a, x->in.url, x->s->webhook_private, &x->in.url);
    if (!e) put_row(tx, x->key, &x->in, x->pem);
    return e;
}

/* A damaged one can be taken away by who runs the server, who does not say whose it is. */
static int remove_tx(struct kv_tx *tx, void *arg)
{
    struct change *x = arg;
    int e = own_row(tx, x);
    bool damaged = err_is_damage(e);
    if (e && !(damaged && !x->account.n)) return e;
    if (!e) kv_tx_del(tx, own_key(x, x->in.account));
    kv_tx_del(tx, x->key);
    return 0;
}

/* in NULL: the row cannot be read. */
static struct known *new_known(const struct inbound *in)
{
    struct known *k = xcalloc(1, sizeof *k);
    k->damaged = !in || !know(k, in);
    return k;
}

static int read_known(struct sends *s, struct slice token, struct known **out)
{
    struct arena a = {0};
    struct inbound in;
    struct slice row, pem;
    int e = kv_get(s->store->kv, SL(SENDS_OBJECT), ar_cat(&a, SL("b/"), token), &a, &row);
    bool good = !e && get_row(row, &in, &pem) == 0;
    *out = e == ERR_NOT_FOUND ? NULL : new_known(good ? &in : NULL);
    ar_free(&a);
    return e;
}

/* After a change, whatever it came to: what is known is what the row says now. Of two who look at once the
 * later one is right. */
static void look_again(struct sends *s, struct slice token)
{
    bool mine = false;
    while (!mine) {
        struct known *k, *was;
        lock_take(&s->lock);
        uint64_t turn = ++s->inbound_turn;
        lock_release(&s->lock);
        int e = read_known(s, token, &k);
        lock_take(&s->lock);
        mine = turn == s->inbound_turn || e == ERR_CANCELED;
        was = !mine ? k : k ? map_put(&s->inbounds, token, k) : map_del(&s->inbounds, token);
        lock_release(&s->lock);
        free(was);
    }
}

static int write(struct change *x, kv_fn *fn)
{
    return kv_transact(x->s->store->kv, SL(SENDS_OBJECT), fn, x);
}

/* What a row that an operator gave is bound to. */
static int bind_to_now(struct change *x)
{
    struct domain d;
    int e = domain_get(x->s->store->directory, &x->a, x->domain, &d);
    if (!e) e = holder_now(x->s, &x->a, x->name, &x->in.holder);
    if (!e) x->in.domain_made = d.created;
    return e;
}

static int look_for_stale(struct change *x)
{
    struct slice row, pem;
    struct inbound there;
    int e = kv_get(x->s->store->kv, SL(SENDS_OBJECT), x->key, &x->a, &row);
    if (!e && get_row(row, &there, &pem) != 0) return 0;
    if (!e && (e = inbound_holds(x->s, &there)) == ERR_NOT_FOUND) x->stale = there.account;
    return e == ERR_NOT_FOUND ? 0 : e;
}

int inbound_add(struct sends *s, const struct inbound *in, struct arena *a, struct slice *public_key)
{
    struct es256 *k = NULL;
    struct buf pem = BUF_INIT;
    struct slice url;
    struct change x;
    int e = begin(&x, s, in->account, in->name);
    if (!e) e = is_here(s, x.domain);
    if (!e) e = fetch_url_take(&x.a, in->url, s->webhook_private, &url);
    if (!e) e = look_for_stale(&x);
    if (!e) e = es256_new(&k);
    if (!e) {
        es256_pem(k, &pem);
        *public_key = webhook_public_key(a, k);
        x.in = *in;
        x.in.url = url;
        x.in.name = x.name;
        x.in.created = x.in.changed = x.now;
        x.in.holder = SL("");
        x.pem = buf_slice(&pem);
        if (in->given) e = bind_to_now(&x);
        if (!e) e = write(&x, add_tx);
    }
    if (x.token[0]) look_again(s, sl_cstr(x.token));
    if (pem.p) wipe(pem.p, pem.n);
    buf_free(&pem);
    es256_free(&k);
    ar_free(&x.a);
    return e;
}

int inbound_change(struct sends *s, struct slice account, struct slice name, inbound_change_fn *change,
                   void *arg)
{
    struct change x;
    int e = begin(&x, s, account, name);
    x.fn = change;
    x.arg = arg;
    if (!e) e = write(&x, change_tx);
    ar_free(&x.a);
    return e;
}

int inbound_remove(struct sends *s, struct slice account, struct slice name)
{
    struct change x;
    int e = begin(&x, s, account, name);
    if (!e) e = write(&x, remove_tx);
    if (x.token[0]) look_again(s, sl_cstr(x.token));
    ar_free(&x.a);
    return e;
}

struct leaving {
    struct slice account;
    struct arena a;
    struct slice token[INBOUNDS_MAX];
    size_t n;
};

static int keep_token(void *arg, struct slice key, struct slice value)
{
    struct leaving *x = arg;
    (void)value;
    x->token[x->n++] = ar_dup(&x->a, sl_from(key, sl_rchr(key, '/') + 1));
    return x->n == COUNT_OF(x->token);
}

/* One that cannot be read goes, too: it is on the account's list. */
static int leave_tx(struct kv_tx *tx, void *arg)
{
    struct leaving *x = arg;
    struct slice row, pem, prefix = ar_printf(&x->a, "B/%.*s/", SLF(x->account));
    struct inbound in;
    x->n = 0;
    int e = kv_tx_scan(tx, prefix, kv_prefix_end(&x->a, prefix), keep_token, x);
    if (e > 0) e = 0;
    for (size_t i = 0; !e && i < x->n; i++) {
        struct slice key = ar_cat(&x->a, SL("b/"), x->token[i]);
        kv_tx_del(tx, ar_cat(&x->a, prefix, x->token[i]));
        e = kv_tx_get(tx, key, &row);
        if (!e && (get_row(row, &in, &pem) != 0 || sl_eq(in.account, x->account))) kv_tx_del(tx, key);
        if (!e && get_row(row, &in, &pem) == 0 && !sl_eq(in.account, x->account)) x->token[i] = SL("");
        if (e == ERR_NOT_FOUND) e = 0;
    }
    return e;
}

int inbound_forget(struct sends *s, struct slice account)
{
    struct leaving x = {.account = account};
    int e = kv_transact(s->store->kv, SL(SENDS_OBJECT), leave_tx, &x);
    for (size_t i = 0; i < x.n; i++)
        if (x.token[i].n) look_again(s, x.token[i]);
    ar_free(&x.a);
    return e;
}

/* ---- seeing ---- */

int inbound_read(struct sends *s, struct slice token, struct arena *a, struct inbound *out,
                 struct es256 **key)
{
    struct slice row, pem;
    *out = (struct inbound){0};
    int e = kv_get(s->store->kv, SL(SENDS_OBJECT), ar_cat(a, SL("b/"), token), a, &row);
    if (!e) e = get_row(row, out, &pem);
    if (!e) e = es256_from_pem(pem, key) ? ERR_CORRUPT : 0;
    if (!e) out->public_key = webhook_public_key(a, *key);
    return e;
}

int inbound_get(struct sends *s, struct slice account, struct slice name, struct arena *a,
                struct inbound *out)
{
    struct change x;
    struct es256 *k = NULL;
    int e = begin(&x, s, account, name);
    if (!e) e = inbound_read(s, sl_cstr(x.token), a, out, &k);
    if (!e && !sl_eq(out->account, account)) e = ERR_NOT_FOUND;
    if (e == ERR_NOT_FOUND) e = err_set(e, "mail for %.*s is handed to no URL", SLF(x.name));
    es256_free(&k);
    ar_free(&x.a);
    return e;
}

struct telling {
    inbound_each_fn *each;
    void *arg;
};

/* Of a row b/ or B/, which ends with the token. */
static int tell_row(struct sends *s, const struct kv_row *row, struct arena *a, void *arg)
{
    const struct telling *t = arg;
    struct inbound in;
    struct es256 *k = NULL;
    struct slice token = sl_from(row->key, sl_rchr(row->key, '/') + 1);
    int e = inbound_read(s, token, a, &in, &k);
    es256_free(&k);
    if (!e) return t->each(t->arg, &in);
    if (e != ERR_NOT_FOUND) /* removed meanwhile */
        log_error("send", "the URL %.*s that mail is handed to cannot be read: %s", SLF(token), err_text(e));
    return e == ERR_CANCELED ? e : 0;
}

int inbound_each(struct sends *s, struct slice account, inbound_each_fn *each, void *arg)
{
    return sends_each_row(s, account.n ? "B" : "b", account, tell_row, &(struct telling){each, arg});
}

static int remember_row(struct sends *s, const struct kv_row *row, struct arena *a, void *arg)
{
    struct inbound in;
    struct slice pem;
    (void)a, (void)arg;
    /* one that cannot be read is known all the same: letters for it wait */
    bool whole = get_row(row->value, &in, &pem) == 0;
    free(map_put(&s->inbounds, sl_from(row->key, 2), new_known(whole ? &in : NULL)));
    return 0;
}

int inbound_open(struct sends *s) { return sends_each_row(s, "b", SL(""), remember_row, NULL); }

void inbound_close(struct sends *s)
{
    struct map_iter it = {0};
    while (map_next(&s->inbounds, &it)) free(it.value);
    map_free(&s->inbounds);
}

/* ---- routes ---- */

static bool have_any(struct sends *s)
{
    lock_take(&s->lock);
    bool yes = s->inbounds.count != 0;
    lock_release(&s->lock);
    return yes;
}

static struct route route_to(const char *token, struct slice address)
{
    struct route r = {.local = true, .address = address};
    snprintf(r.account, sizeof r.account, "%c%s", LAST_HOP_CALL, token);
    return r;
}

/* Is mail of the name, which that account (or nobody: "") has, handed over now? */
static int leads(struct sends *s, struct slice name, struct slice holder, char token[INBOUND_TOKEN],
                 bool *yes)
{
    struct known known = {.damaged = true};
    inbound_token(name, token);
    lock_take(&s->lock);
    struct known *k = map_get(&s->inbounds, sl_cstr(token));
    if (k) known = *k;
    lock_release(&s->lock);
    *yes = k && known.damaged;
    return k && !known.damaged ? holds(s, &known, name, holder, yes) : 0;
}

/* A name that nobody has: is it one of them, or its domain? */
static int nobody_leads(struct sends *s, struct arena *a, struct slice local, struct slice domain,
                        char token[INBOUND_TOKEN], bool *yes)
{
    size_t plus = sl_chr(local, '+');
    int e = leads(s, mail_addr_join(a, local, domain), SL(""), token, yes);
    if (!e && !*yes && plus != SL_NONE && plus)
        e = leads(s, mail_addr_join(a, sl_sub(local, 0, plus), domain), SL(""), token, yes);
    if (!e && !*yes) e = leads(s, domain, SL(""), token, yes);
    return e;
}

static int resolved(struct sends *s, struct slice address, struct routes *out)
{
    char token[INBOUND_TOKEN];
    bool yes;
    int e = 0;
    for (size_t i = 0; !e && i < out->n; i++) {
        if (!out->v[i].local) continue;
        e = leads(s, out->v[i].address, sl_cstr(out->v[i].account), token, &yes);
        if (!e && yes) out->v[i] = route_to(token, address);
    }
    return e;
}

int inbound_routes(struct sends *s, struct arena *a, struct slice local, struct slice domain,
                   struct routes *out)
{
    char token[INBOUND_TOKEN];
    struct domain d;
    bool yes = false;
    if (!have_any(s) || (out->result != RESOLVED && out->result != RESOLVED_NO_USER)) return 0;
    struct slice address = mail_addr_join(a, local, domain);
    if (out->result == RESOLVED) return resolved(s, address, out);
    int e = domain_get(s->store->directory, a, domain, &d);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    local = local_name(a, local);
    e = nobody_leads(s, a, local, d.name, token, &yes);
    if (!e && !yes && d.alias_of.n) e = nobody_leads(s, a, local, d.alias_of, token, &yes);
    if (e || !yes) return e;
    *out = (struct routes){.result = RESOLVED, .v = ar_new(a, struct route), .n = 1};
    out->v[0] = route_to(token, address);
    return 0;
}
