/* sending_domain.c - rows of the object _senders: claims, and which account has a domain. */
#include "sending_domain.h"

#include <stdio.h>

#include "base/text.h"
#include "directory_i.h"
#include "dns/dns.h"
#include "kv/record.h"

enum { VERSION = 1, RSA_BITS = 2048, LABEL_MAX = 63, PAGE = 100 };
#define OBJECT SL("_senders")

/* ---- rows ---- */

static struct slice claim_key(struct arena *a, struct slice account, struct slice name)
{
    return ar_printf(a, "c/%.*s/%.*s", SLF(account), SLF(name));
}
static struct slice owner_key(struct arena *a, struct slice name) { return ar_cat(a, SL("d/"), name); }

static void claim_put(struct kv_tx *tx, struct arena *a, const struct sending_domain *d)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, VERSION);
    rec_put_u64(&b, 'c', (uint64_t)d->created);
    rec_put(&b, 's', d->selector);
    rec_put(&b, 'k', d->pem);
    rec_put(&b, 'r', d->returns);
    rec_put(&b, 'l', d->links);
    rec_opt_u64(&b, 'm', d->found);
    rec_opt_u64(&b, 'v', (uint64_t)d->verified);
    rec_opt_u64(&b, 't', (uint64_t)d->looked);
    rec_opt_u64(&b, 'f', (uint64_t)d->failing);
    rec_opt_u64(&b, 'y', (uint64_t)d->missing);
    rec_opt_u64(&b, 'x', (uint64_t)d->lost);
    rec_opt(&b, 'w', sl_sub(d->why, 0, 500));
    kv_tx_put_record(tx, claim_key(a, d->account, d->name), &b);
    wipe(b.p, b.n);
    buf_free(&b);
}

/* account and name are of the key. */
static int claim_parse(struct slice row, struct sending_domain *d)
{
    struct rec r;
    *d = (struct sending_domain){.account = d->account, .name = d->name};
    int e = rec_open(&r, row, VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'c': d->created = (int64_t)rec_u64(&r); break;
        case 's': d->selector = r.field; break;
        case 'k': d->pem = r.field; break;
        case 'r': d->returns = r.field; break;
        case 'l': d->links = r.field; break;
        case 'm': d->found = (unsigned)(rec_u64(&r) & UINT32_MAX); break;
        case 'v': d->verified = (int64_t)rec_u64(&r); break;
        case 't': d->looked = (int64_t)rec_u64(&r); break;
        case 'f': d->failing = (int64_t)rec_u64(&r); break;
        case 'y': d->missing = (int64_t)rec_u64(&r); break;
        case 'x': d->lost = (int64_t)rec_u64(&r); break;
        case 'w': d->why = r.field; break;
        }
    if (!e) e = rec_error(&r);
    if (!e && (!d->selector.n || !d->pem.n || !d->returns.n || !d->links.n))
        e = err_set(ERR_CORRUPT, "the row of a sending domain names no key or no hosts");
    return e;
}

static int owner_parse(struct slice row, struct slice *account)
{
    struct rec r;
    *account = (struct slice){0};
    int e = rec_open(&r, row, VERSION);
    while (!e && rec_next(&r))
        if (r.tag == 'a') *account = r.field;
    if (!e) e = rec_error(&r);
    return !e && !account->n ? ERR_CORRUPT : e;
}

int sending_domain_row_check(struct slice key, struct slice row)
{
    struct sending_domain d = {0};
    struct slice account;
    if (sl_starts(key, SL("c/"))) return claim_parse(row, &d);
    return sl_starts(key, SL("d/")) ? owner_parse(row, &account) : 0;
}

static void owner_put(struct kv_tx *tx, struct arena *a, const struct sending_domain *d)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, VERSION);
    rec_put(&b, 'a', d->account);
    kv_tx_put_record(tx, owner_key(a, d->name), &b);
    buf_free(&b);
}

/* Who has it; empty: nobody. One whose claim is gone, damaged or not proved has nothing. */
static int owner_tx(struct kv_tx *tx, struct arena *a, struct slice name, struct slice *account)
{
    struct slice row;
    struct sending_domain d = {0};
    *account = (struct slice){0};
    int e = kv_tx_get(tx, owner_key(a, name), &row);
    if (!e) e = owner_parse(row, account);
    if (!e) {
        *account = ar_dup(a, *account);
        e = kv_tx_get(tx, claim_key(a, *account, name), &row);
    }
    if (!e) e = claim_parse(row, &d);
    if (e || !d.verified) *account = (struct slice){0};
    /* a damaged row: whoever proves it has it; of one of a later version only that says who has it */
    return e == ERR_NOT_FOUND || e == ERR_CORRUPT ? 0 : e;
}

/* ---- names ---- */

static int name_of(struct directory *dir, struct arena *a, struct slice name, struct slice *out)
{
    bool here = false;
    int e = domain_name(a, name, out);
    if (!e && (!dns_is_fqdn(*out) || out->n > SENDING_DOMAIN_BYTES))
        e = err_set(ERR_SYNTAX,
                    "%.*s cannot be a sending domain: it needs the form name.tld, and %d bytes at most",
                    SLF(printable(a, name, 100)), SENDING_DOMAIN_BYTES);
    if (!e) e = domain_is_local(dir, *out, &here);
    if (!e && here)
        e = err_set(ERR_STATE, "%.*s is a mail domain of this node: its accounts send already", SLF(*out));
    return e;
}

static int label_of(struct arena *a, struct slice said, struct slice *out)
{
    *out = ar_lower(a, said);
    if (!out->n) return 0;
    bool good = out->n <= LABEL_MAX && is_alnum(out->p[0]) && is_alnum(out->p[out->n - 1]);
    for (size_t i = 0; i < out->n; i++) good &= is_alnum(out->p[i]) || out->p[i] == '-';
    return good ? 0
                : err_set(ERR_SYNTAX,
                          "%.*s is no label before a domain: 1 to %d letters, digits and hyphens, no dot",
                          SLF(printable(a, said, 100)), LABEL_MAX);
}

/* What is said of them; empty stays empty. */
static int labels_of(struct arena *a, struct slice returns, struct slice links, struct sending_domain *d)
{
    int e = label_of(a, returns, &d->returns);
    return e ? e : label_of(a, links, &d->links);
}

/* Those that were said, and others for those that were not. */
static int labels_fill(struct sending_domain *d, struct slice returns, struct slice links)
{
    if (!d->returns.n) d->returns = returns;
    if (!d->links.n) d->links = links;
    return sl_eq(d->returns, d->links) ? err_set(ERR_SYNTAX, "what comes back and links need a host each")
                                       : 0;
}

struct slice sending_return_host(struct arena *a, const struct sending_domain *d)
{
    return ar_printf(a, "%.*s.%.*s", SLF(d->returns), SLF(d->name));
}
struct slice sending_links_host(struct arena *a, const struct sending_domain *d)
{
    return ar_printf(a, "%.*s.%.*s", SLF(d->links), SLF(d->name));
}

/* ---- a claim ---- */

static int new_key(void *arg)
{
    struct sign_key **key = arg;
    return sign_key_new(KEY_RSA, RSA_BITS, key);
}

/* Made for this claim alone: whoever puts it into the domain's DNS means this account. */
static int make_key(struct arena *a, struct sending_domain *d)
{
    struct sign_key *key;
    struct buf pem = BUF_INIT;
    uint64_t chance;
    int e = offload_on(POOL_CARE, new_key, &key);
    if (e) return e;
    sign_key_pem(key, &pem);
    sign_key_free(&key);
    d->pem = ar_dup(a, buf_slice(&pem));
    wipe(pem.p, pem.n);
    buf_free(&pem);
    rt_random(&chance, sizeof chance);
    d->selector = ar_printf(a, "t%012llx", (unsigned long long)(chance >> 16));
    return 0;
}

struct adding {
    struct arena *a;
    const struct sending_domain *d;
    size_t all, open;
    uint64_t today; /* claims of the account, those that were removed again, too */
};

static struct slice day_key(struct arena *a, struct slice account) { return ar_cat(a, SL("n/"), account); }
static uint64_t day_of(const struct adding *x) { return (uint64_t)(x->d->created / 86400); }

/* A row that cannot be read counts nothing. */
static int count_today(struct kv_tx *tx, struct adding *x)
{
    struct slice row;
    struct rec r;
    uint64_t day = 0, n = 0;
    int e = kv_tx_get(tx, day_key(x->a, x->d->account), &row);
    if (!e && rec_open(&r, row, VERSION) == 0)
        while (rec_next(&r)) {
            if (r.tag == 'd') day = rec_u64(&r);
            if (r.tag == 'n') n = rec_u64(&r);
        }
    x->today = day == day_of(x) ? n : 0;
    return e == ERR_NOT_FOUND ? 0 : e;
}

static void put_today(struct kv_tx *tx, const struct adding *x)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, VERSION);
    rec_put_u64(&b, 'd', day_of(x));
    rec_put_u64(&b, 'n', x->today + 1);
    kv_tx_put_record(tx, day_key(x->a, x->d->account), &b);
    buf_free(&b);
}

static int count_claim(void *arg, struct slice key, struct slice value)
{
    struct adding *x = arg;
    struct sending_domain d = {0};
    (void)key;
    x->all++;
    x->open += claim_parse(value, &d) || !d.verified;
    return 0;
}

static int may_add_tx(struct kv_tx *tx, void *arg)
{
    struct adding *x = arg;
    struct slice row, from = claim_key(x->a, x->d->account, SL(""));
    x->all = x->open = 0;
    int e = kv_tx_get(tx, claim_key(x->a, x->d->account, x->d->name), &row);
    if (e != ERR_NOT_FOUND) return e ? e : ERR_EXISTS;
    e = kv_tx_scan(tx, from, kv_prefix_end(x->a, from), count_claim, x);
    if (!e) e = count_today(tx, x);
    if (!e && x->today >= SENDING_DOMAINS_DAY)
        e = err_set(ERR_LIMIT,
                    "%d sending domains of the account were added today: the next ones tomorrow (UTC)",
                    SENDING_DOMAINS_DAY);
    if (!e && x->all >= SENDING_DOMAINS_MAX)
        e = err_set(ERR_LIMIT, "an account has at most %d sending domains", SENDING_DOMAINS_MAX);
    if (!e && x->open >= SENDING_DOMAINS_OPEN)
        e = err_set(ERR_LIMIT,
                    "%d sending domains of the account are not proved: publish their records or remove some",
                    SENDING_DOMAINS_OPEN);
    return e;
}

static int add_tx(struct kv_tx *tx, void *arg)
{
    struct adding *x = arg;
    int e = may_add_tx(tx, x);
    if (e) return e;
    claim_put(tx, x->a, x->d);
    put_today(tx, x);
    return 0;
}

int sending_domain_add(struct directory *dir, struct arena *a, const char *account, struct slice name,
                       struct slice returns, struct slice links, struct sending_domain *out)
{
    struct adding x = {.a = a, .d = out};
    *out = (struct sending_domain){.account = sl_cstr(account), .created = rt_wall_seconds()};
    int e = name_of(dir, a, name, &out->name);
    if (!e) e = labels_of(a, returns, links, out);
    if (!e) e = labels_fill(out, SENDING_RETURNS, SENDING_LINKED);
    if (!e) e = kv_transact(dir->kv, OBJECT, may_add_tx, &x); /* a key costs much: not for nothing */
    if (!e) e = make_key(a, out);
    if (!e) e = kv_transact(dir->kv, OBJECT, add_tx, &x);
    return e == ERR_EXISTS ? err_set(e, "%.*s is a sending domain of the account already", SLF(out->name))
                           : e;
}

struct changing {
    struct arena *a;
    struct sending_domain d; /* whose, and what it is to be */
};

static int claim_tx(struct kv_tx *tx, struct arena *a, const struct sending_domain *whose,
                    struct sending_domain *out)
{
    struct slice row;
    *out = (struct sending_domain){.account = whose->account, .name = whose->name};
    int e = kv_tx_get(tx, claim_key(a, out->account, out->name), &row);
    return e ? e : claim_parse(ar_dup(a, row), out);
}

static int not_there(int e, struct slice name)
{
    return e == ERR_NOT_FOUND ? err_set(e, "%.*s is no sending domain of the account", SLF(name)) : e;
}

static int hosts_tx(struct kv_tx *tx, void *arg)
{
    const struct changing *x = arg;
    struct sending_domain d, to = x->d;
    int e = claim_tx(tx, x->a, &x->d, &d);
    if (!e) e = labels_fill(&to, d.returns, d.links);
    if (e) return e;
    if (!sl_eq(d.returns, to.returns)) d.found &= ~(unsigned)SENDING_RETURN;
    if (!sl_eq(d.links, to.links)) d.found &= ~(unsigned)(SENDING_LINKS | SENDING_TLS);
    if (!sl_eq(d.returns, to.returns) || !sl_eq(d.links, to.links)) d.looked = 0; /* not of these */
    d.returns = to.returns, d.links = to.links;
    claim_put(tx, x->a, &d);
    return 0;
}

int sending_domain_hosts(struct directory *dir, const char *account, struct slice name, struct slice returns,
                         struct slice links)
{
    struct arena a = {0};
    struct changing x = {.a = &a, .d.account = sl_cstr(account)};
    int e = domain_name(&a, name, &x.d.name);
    if (!e) e = labels_of(&a, returns, links, &x.d);
    if (!e) e = not_there(kv_transact(dir->kv, OBJECT, hosts_tx, &x), x.d.name);
    ar_free(&a);
    return e;
}

int sending_domain_get(struct directory *dir, struct arena *a, const char *account, struct slice name,
                       struct sending_domain *out)
{
    struct slice row;
    *out = (struct sending_domain){.account = sl_cstr(account)};
    int e = domain_name(a, name, &out->name);
    if (e) return e;
    if (out->name.n > SENDING_DOMAIN_BYTES) return not_there(ERR_NOT_FOUND, out->name);
    e = kv_get(dir->kv, OBJECT, claim_key(a, out->account, out->name), a, &row);
    return e ? not_there(e, out->name) : claim_parse(row, out);
}

/* A claim, by its key: "c/ACCOUNT/NAME". */
static void names_of(struct slice key, struct sending_domain *d)
{
    struct slice rest = sl_from(key, 2);
    (void)!sl_next(&rest, '/', &d->account);
    d->name = rest;
}

struct others {
    const struct sending_domain *than;
    bool may_have; /* one that is proved, or cannot be read */
};

static int look_for_other(void *arg, struct slice key, struct slice value)
{
    struct others *x = arg;
    struct sending_domain d = {0};
    names_of(key, &d);
    if (!sl_eq(d.name, x->than->name) || sl_eq(d.account, x->than->account)) return 0;
    x->may_have = claim_parse(value, &d) || d.verified;
    return x->may_have;
}

/* Who has it cannot be read: letters wait as long as somebody may, whose next look writes it again. All
 * claims are read, which damage alone is worth. */
static int give_up_damaged(struct kv_tx *tx, const struct changing *x)
{
    struct others o = {.than = &x->d};
    int e = kv_tx_scan(tx, SL("c/"), SL("c0"), look_for_other, &o);
    if (e >= 0 && !o.may_have) kv_tx_del(tx, owner_key(x->a, x->d.name));
    return e < 0 ? e : 0;
}

static int remove_tx(struct kv_tx *tx, void *arg)
{
    const struct changing *x = arg;
    struct slice row, owner, key = claim_key(x->a, x->d.account, x->d.name);
    int e = kv_tx_get(tx, key, &row);
    if (e) return e;
    kv_tx_del(tx, key);
    e = kv_tx_get(tx, owner_key(x->a, x->d.name), &row);
    if (!e) e = owner_parse(row, &owner);
    if (!e && sl_eq(owner, x->d.account)) kv_tx_del(tx, owner_key(x->a, x->d.name));
    if (e == ERR_CORRUPT) return give_up_damaged(tx, x);
    return e == ERR_NOT_FOUND || e == ERR_VERSION ? 0 : e; /* what a later version wrote stays */
}

int sending_domain_remove(struct directory *dir, const char *account, struct slice name)
{
    struct arena a = {0};
    struct changing x = {.a = &a, .d.account = sl_cstr(account)};
    int e = domain_name(&a, name, &x.d.name);
    if (!e && x.d.name.n > SENDING_DOMAIN_BYTES) e = ERR_NOT_FOUND;
    if (!e) e = kv_transact(dir->kv, OBJECT, remove_tx, &x);
    directory_changed(dir);
    e = not_there(e, x.d.name);
    ar_free(&a);
    return e;
}

/* ---- walking ---- */

int sending_domain_each(struct directory *dir, const char *account,
                        int (*each)(void *arg, const struct sending_domain *d), void *arg)
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    char from[KV_KEY_MAX + 2], to[40];
    snprintf(from, sizeof from, account ? "c/%s/" : "c/", account);
    snprintf(to, sizeof to, account ? "c/%s0" : "c0", account);
    int e = 0;
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_walk(dir->kv, OBJECT, ar_dup(&a, sl_cstr(from)), sl_cstr(to), PAGE, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) {
            struct sending_domain d = {0};
            names_of(page.row[i].key, &d);
            int bad = claim_parse(page.row[i].value, &d);
            if (bad) d.damage = row_damage(&a, bad);
            snprintf(from, sizeof from, "%.*s ", SLF(page.row[i].key));
            e = each(arg, &d);
        }
    }
    ar_free(&a);
    return e;
}

struct forgetting {
    struct directory *dir;
    const char *account;
};

static int forget_one(void *arg, const struct sending_domain *d)
{
    const struct forgetting *x = arg;
    int e = sending_domain_remove(x->dir, x->account, d->name);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int sending_domains_forget(struct directory *dir, const char *account)
{
    struct arena a = {0};
    struct slice key = day_key(&a, sl_cstr(account));
    int e = sending_domain_each(dir, account, forget_one, &(struct forgetting){dir, account});
    if (!e) e = kv_erase(dir->kv, OBJECT, key, kv_after(&a, key));
    ar_free(&a);
    return e;
}

/* ---- proof ---- */

struct looking {
    struct arena *a;
    const struct sending_domain *read; /* as it was when the DNS was asked */
    const struct sending_look *look;
    struct sending_domain now;
    int64_t at;
    enum sending_change change;
};

/* A time that has not come was written by a clock that was wrong. */
static int64_t since(int64_t then, int64_t now) { return then > 0 && then <= now ? then : now; }

static void lose(struct looking *x, struct kv_tx *tx)
{
    struct sending_domain *d = &x->now;
    kv_tx_del(tx, owner_key(x->a, d->name));
    d->verified = d->failing = d->missing = 0;
    d->lost = x->at;
    x->change = SENDING_LOST;
}

static bool key_is_missing(const struct looking *x) { return x->look->known & ~x->look->found & SENDING_KEY; }

/* It has the domain, and its key is not seen: silence before says nothing of how long the key is gone. */
static void missed(struct looking *x, struct kv_tx *tx)
{
    struct sending_domain *d = &x->now;
    d->failing = since(d->failing, x->at);
    if (key_is_missing(x)) d->missing = since(d->missing, x->at);
    bool gone = key_is_missing(x) && x->at - d->missing >= SENDING_GRACE_S;
    if (gone || x->at - d->failing >= SENDING_SILENT_S) lose(x, tx);
}

/* It had the domain, and the row that says so is gone or damaged: it stands for what the claim says, unless
 * the key is known to be missing. Does it have it? */
static bool still_has(struct looking *x, struct kv_tx *tx)
{
    if (key_is_missing(x)) {
        lose(x, tx);
        return false;
    }
    owner_put(tx, x->a, &x->now);
    x->change = SENDING_PROVED;
    return true;
}

static void judge(struct looking *x, struct kv_tx *tx, struct slice owner)
{
    struct sending_domain *d = &x->now;
    bool mine = sl_eq(owner, d->account), seen = x->look->found & x->look->known & SENDING_KEY;
    if (!owner.n && d->verified) mine = still_has(x, tx);
    if (mine && seen) d->verified = since(d->verified, x->at), d->failing = d->missing = 0;
    else if (mine) missed(x, tx);
    else d->verified = d->failing = d->missing = 0;
    if (mine || !seen) return;
    if (owner.n) {
        d->why = SL("another account of this node proves the domain, and has it until its records are gone");
        return;
    }
    owner_put(tx, x->a, d);
    d->verified = x->at;
    d->lost = 0;
    x->change = SENDING_PROVED;
}

static int looked_tx(struct kv_tx *tx, void *arg)
{
    struct looking *x = arg;
    struct sending_domain *d = &x->now;
    struct slice owner;
    unsigned known = x->look->known;
    x->change = SENDING_AS_IT_WAS;
    x->at = rt_wall_seconds();
    int e = claim_tx(tx, x->a, x->read, d);
    if (!e && !sl_eq(d->selector, x->read->selector)) e = ERR_NOT_FOUND;
    if (!e) e = owner_tx(tx, x->a, d->name, &owner);
    if (e) return e;
    bool other_return = !sl_eq(d->returns, x->read->returns), other_links = !sl_eq(d->links, x->read->links);
    if (other_return) known &= ~(unsigned)SENDING_RETURN;
    if (other_links) known &= ~(unsigned)(SENDING_LINKS | SENDING_TLS);
    d->found = (d->found & ~known) | (x->look->found & known);
    d->looked = other_return || other_links ? 0 : x->at; /* its hosts are still to be looked at */
    d->why = x->look->why;
    judge(x, tx, owner);
    claim_put(tx, x->a, d);
    return 0;
}

int sending_domain_looked(struct directory *dir, struct arena *a, struct sending_domain *d,
                          const struct sending_look *look, enum sending_change *change)
{
    struct looking x = {.a = a, .read = d, .look = look};
    int e = kv_transact(dir->kv, OBJECT, looked_tx, &x);
    *change = e ? SENDING_AS_IT_WAS : x.change;
    if (*change != SENDING_AS_IT_WAS) directory_changed(dir);
    if (e) return not_there(e, d->name);
    *d = x.now;
    return 0;
}

int sending_domain_stands(struct directory *dir, const struct sending_domain *d)
{
    struct arena a = {0};
    struct slice row, account;
    int e = kv_get(dir->kv, OBJECT, owner_key(&a, d->name), &a, &row);
    if (!e) e = owner_parse(row, &account);
    if (!e && !sl_eq(account, d->account)) e = ERR_CORRUPT; /* two say so: a look settles it */
    ar_free(&a);
    return e == ERR_NOT_FOUND || err_is_damage(e) ? ERR_CORRUPT : e;
}

int sending_domain_of(struct directory *dir, struct arena *a, struct slice name, struct sending_domain *out)
{
    struct slice row;
    bool here = false;
    *out = (struct sending_domain){.name = name};
    if (!name.n || name.n > SENDING_DOMAIN_BYTES) return ERR_NOT_FOUND;
    int e = domain_is_local(dir, name, &here);
    if (!e && here) e = ERR_NOT_FOUND;
    if (!e) e = kv_get(dir->kv, OBJECT, owner_key(a, name), a, &row);
    if (!e) e = owner_parse(row, &out->account);
    if (!e) e = kv_get(dir->kv, OBJECT, claim_key(a, out->account, name), a, &row);
    if (!e) e = claim_parse(row, out);
    if (err_is_damage(e)) /* also of a later version: letters wait for who mends it */
        return err_set(ERR_CORRUPT, "who has the sending domain %.*s cannot be read", SLF(name));
    return !e && !out->verified ? ERR_NOT_FOUND : e;
}
