/* resolve.c - where a letter for an address goes, and who may send under it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "directory_i.h"
#include "dns/dns.h"
#include "mail/addr.h"
#include "sending_domain.h"

enum { RESOLVE_STEPS_MAX = 2000 };

/* The aliases on the way to the address at hand: one that is met again leads in a circle. */
struct step {
    struct slice who;
    const struct step *up;
    int depth;
};

struct resolving {
    struct directory *dir;
    struct arena *a;
    struct routes *out;
    uint64_t asker; /* for whom the directory elsewhere is asked: ASK_FOR_LETTERS, ASK_FOR_LOGINS, or 0 */
    struct map expanded; /* aliases whose targets are in out already */
    size_t cap, steps;
    char home[20];           /* id of the account whose own address, perhaps with a +tag, was asked for */
    struct slice stands_for; /* the domain whose name it is, when an alias domain was asked about */
    bool disabled_seen, loop_seen, fallback_used;
    bool too_many; /* some were left out, so none may be taken */
};

static bool same_place(const struct route *x, const struct route *y)
{
    if (x->local != y->local) return false;
    return x->local ? strcmp(x->account, y->account) == 0 : sl_eq(x->address, y->address);
}

static void add_route(struct resolving *r, struct route to)
{
    for (size_t i = 0; i < r->out->n; i++)
        if (same_place(&r->out->v[i], &to)) return;
    if (r->out->n == ALIAS_TARGETS_MAX) {
        r->too_many = true;
        return;
    }
    if (r->out->n == r->cap) r->out->v = ar_grow(r->a, r->out->v, &r->cap, sizeof *r->out->v);
    r->out->v[r->out->n++] = to;
}

static void add_account(struct resolving *r, const struct account *acc, struct slice detail)
{
    if (acc->disabled) {
        r->disabled_seen = true;
        return;
    }
    struct route to = {.local = true, .address = acc->address, .detail = detail};
    memcpy(to.account, acc->id, sizeof to.account);
    add_route(r, to);
}

/* ---- aliases ---- */

static int resolve_address(struct resolving *r, struct slice address, const struct step *up);

static bool on_the_way(const struct step *up, struct slice who)
{
    while (up && !sl_eq(up->who, who)) up = up->up;
    return up != NULL;
}

static int expand(struct resolving *r, struct slice who, const struct alias *x, const struct step *up)
{
    struct step here = {who, up, up ? up->depth + 1 : 1};
    r->out->rewritten = true;
    if (map_put(&r->expanded, who, r)) return 0;
    for (size_t i = 0; i < x->n; i++) {
        int e = resolve_address(r, x->target[i], &here);
        if (e && e != ERR_NOT_FOUND) return e;
    }
    return 0;
}

/* What is written to a list waits for being distributed; to its other names, for the owner or for who leaves.
 */
static int resolve_list(struct resolving *r, struct slice local, struct slice domain, const struct step *up)
{
    struct maillist l;
    enum maillist_role role;
    int e = maillist_named(r->dir, r->a, local, domain, &l, &role);
    struct slice who = mail_addr_join(r->a, local, domain);
    if (e) return e;
    if (role == MAILLIST_OWNER) {
        if (!on_the_way(up, who)) return expand(r, who, &(struct alias){.target = &l.owner, .n = 1}, up);
        r->loop_seen = true;
        return 0;
    }
    struct route to = {.local = true, .address = l.address};
    snprintf(to.account, sizeof to.account, "%s%s", role == MAILLIST_LEAVES ? MAILLIST_LEAVE : MAILLIST_POST,
             l.id);
    add_route(r, to);
    return 0;
}

/* Exactly this local part: 0 when there was an account, alias or list (it may have added nothing, when
 * disabled), ERR_NOT_FOUND when none. An account hides an alias of its name, unless that names
 * the account itself: then letters are kept and sent on. */
static int resolve_exact(struct resolving *r, struct slice local, struct slice detail, struct slice domain,
                         const struct step *up)
{
    struct account acc;
    struct alias x;
    struct slice who = mail_addr_join(r->a, local, domain);
    int e = account_read(r->dir, r->a, local, domain, &acc);
    bool account = e == 0;
    if (account) {
        account_refresh(r->dir, r->a, r->asker, &acc);
        add_account(r, &acc, detail);
        if (!up) memcpy(r->home, acc.id, sizeof r->home);
        if (acc.disabled) return 0;
    }
    if (e && e != ERR_NOT_FOUND) return e;
    e = alias_get(r->dir, r->a, local, domain, &x);
    if (e == ERR_NOT_FOUND) return account ? 0 : resolve_list(r, local, domain, up);
    if (e) return e;
    if (account && !alias_has(&x, who)) return 0;
    if (!on_the_way(up, who)) return expand(r, who, &x, up);
    if (!account) r->loop_seen = true;
    return 0;
}

static int resolve_catch_all(struct resolving *r, struct slice domain, const struct step *up)
{
    struct domain d;
    struct slice who = ar_cat(r->a, SL("@"), domain);
    int e = domain_get(r->dir, r->a, domain, &d);
    if (e) return e;
    if (!d.catch_all.n) return ERR_NOT_FOUND;
    if (on_the_way(up, who)) { /* it leads to a name that nobody has */
        r->loop_seen = true;
        return 0;
    }
    r->fallback_used = true;
    struct alias x = {.target = &d.catch_all, .n = 1};
    return expand(r, who, &x, up);
}

/* ---- duties ---- */

static struct slice first_known(struct directory *d, struct arena *a, uint64_t generation)
{
    struct slice address = {0};
    lock_take(&d->lock);
    if (d->first && d->first_at == generation) address = ar_dup(a, sl_cstr(d->first));
    lock_release(&d->lock);
    return address;
}

static void first_remember(struct directory *d, struct slice address, uint64_t generation)
{
    char *copy = xstrndup(address.p, address.n);
    lock_take(&d->lock);
    char *old = d->first;
    d->first = copy;
    d->first_at = generation;
    lock_release(&d->lock);
    free(old);
}

/* The node's oldest account of those that the domains' duties fall to; empty when there is none.
 * Looked for once after each change of the directory. */
static int first_of_node(struct resolving *r, struct slice *address)
{
    uint64_t generation = directory_generation(r->dir);
    struct domain *d;
    size_t n;
    int64_t oldest = 0;
    *address = first_known(r->dir, r->a, generation);
    if (address->n) return 0;
    int e = domain_list(r->dir, r->a, &d, &n);
    for (size_t i = 0; !e && i < n; i++) {
        struct account acc;
        if (!d[i].first.n) continue;
        e = account_read(r->dir, r->a, d[i].first, d[i].name, &acc);
        if (e == ERR_NOT_FOUND) e = 0;
        else if (!e && (!address->n || acc.created < oldest)) *address = acc.address, oldest = acc.created;
    }
    if (!e && address->n) first_remember(r->dir, *address, generation);
    return e;
}

static int duty_account(struct resolving *r, struct slice domain, struct account *acc)
{
    struct domain d;
    struct slice address;
    int e = domain_get(r->dir, r->a, domain, &d);
    if (!e) e = d.first.n ? account_read(r->dir, r->a, d.first, domain, acc) : ERR_NOT_FOUND;
    if (e != ERR_NOT_FOUND) return e;
    e = first_of_node(r, &address);
    if (e) return e;
    size_t at = sl_rchr(address, '@');
    if (at == SL_NONE) return ERR_NOT_FOUND;
    return account_read(r->dir, r->a, sl_sub(address, 0, at), sl_from(address, at + 1), acc);
}

/* RFC 5321 section 4.5.1 and RFC 2142: these must reach somebody; so must the addresses that our
 * DMARC and TLSRPT records name. */
static bool is_duty(struct slice local)
{
    return sl_eq(local, SL("postmaster")) || sl_eq(local, SL("abuse")) || sl_eq(local, SL("dmarc-reports")) ||
           sl_eq(local, SL("tls-reports"));
}

static int resolve_duty(struct resolving *r, struct slice local, struct slice domain)
{
    struct account acc;
    if (!is_duty(local)) return ERR_NOT_FOUND;
    int e = duty_account(r, domain, &acc);
    if (e == ERR_NOT_FOUND)
        return err_set(ERR_BUSY, "there is no account yet that could take mail for %.*s", SLF(local));
    if (e) return e;
    r->out->rewritten = r->fallback_used = true;
    add_account(r, &acc, (struct slice){0});
    return 0;
}

/* ---- an address ---- */

/* A person of a directory elsewhere who has that name, or what stands before its +. */
static int resolve_elsewhere(struct resolving *r, struct slice local, struct slice domain,
                             const struct step *up)
{
    struct account acc;
    size_t plus = sl_chr(local, '+');
    struct slice name = plus == SL_NONE || !plus ? local : sl_sub(local, 0, plus);
    int e = account_elsewhere(r->dir, r->a, name, domain, r->asker, &acc);
    if (e && is_duty(name)) return ERR_NOT_FOUND; /* somebody here takes it, whoever may be elsewhere */
    if (e) return e;
    bool own = sl_eq(acc.local, name) && sl_eq(acc.domain, domain);
    if (!own) r->out->rewritten = true;
    if (own && !up) memcpy(r->home, acc.id, sizeof r->home);
    add_account(r, &acc, sl_from(local, name.n + (name.n < local.n)));
    return 0;
}

/* An account or alias of that name, or of what stands before its +. */
static int resolve_name(struct resolving *r, struct slice local, struct slice domain, const struct step *up)
{
    int e = resolve_exact(r, local, (struct slice){0}, domain, up);
    size_t plus = sl_chr(local, '+');
    if (e == ERR_NOT_FOUND && plus != SL_NONE && plus > 0)
        e = resolve_exact(r, sl_sub(local, 0, plus), sl_from(local, plus + 1), domain, up);
    return e;
}

/* What no name of an alias domain takes is a name of the domain that it stands for. */
static int follow_domain(struct resolving *r, struct slice local, struct slice *domain, const struct step *up)
{
    struct domain d;
    int e = domain_get(r->dir, r->a, *domain, &d);
    if (e || !d.alias_of.n) return e ? e : ERR_NOT_FOUND;
    *domain = d.alias_of;
    e = resolve_name(r, local, d.alias_of, up);
    if (!e && !up) r->stands_for = d.alias_of;
    return e;
}

static int resolve_local(struct resolving *r, struct slice local, struct slice domain, const struct step *up)
{
    struct slice asked = domain;
    int e = resolve_name(r, local, domain, up);
    if (e == ERR_NOT_FOUND) e = follow_domain(r, local, &domain, up);
    if (e == ERR_NOT_FOUND) e = resolve_elsewhere(r, local, asked, up); /* behind all that are our own */
    if (e == ERR_NOT_FOUND && !sl_eq(asked, domain)) e = resolve_elsewhere(r, local, domain, up);
    if (e == ERR_NOT_FOUND) e = resolve_catch_all(r, domain, up);
    if (e == ERR_NOT_FOUND) e = resolve_duty(r, local, domain);
    return e;
}

static int resolve_address(struct resolving *r, struct slice address, const struct step *up)
{
    struct slice local, domain;
    bool here;
    if (up->depth > ALIAS_DEPTH_MAX || r->too_many || r->steps++ > RESOLVE_STEPS_MAX) {
        r->too_many = true;
        return 0;
    }
    int e = address_split(r->a, address, &local, &domain);
    if (e) return e;
    e = domain_is_local(r->dir, domain, &here);
    if (e) return e;
    if (here) return resolve_local(r, local_name(r->a, local), domain, up);
    add_route(r, (struct route){.address = address});
    return 0;
}

/* local and domain as local_name() and domain_name() have them. */
static int resolve_from(struct resolving *r, struct slice local, struct slice domain)
{
    struct routes *out = r->out;
    *out = (struct routes){.result = RESOLVED};
    map_init(&r->expanded, false);
    int e = resolve_local(r, local, domain, NULL);
    map_free(&r->expanded);
    if (!e && r->too_many) out->result = RESOLVED_TOO_MANY;
    else if (e == ERR_NOT_FOUND) out->result = RESOLVED_NO_USER;
    else if (e) return e;
    else if (!out->n)
        out->result = r->loop_seen ? RESOLVED_LOOP : r->disabled_seen ? RESOLVED_DISABLED : RESOLVED_NO_USER;
    return 0;
}

/* The domain of a bare "postmaster": the first one here. */
static struct slice home_domain(struct directory *dir, struct arena *a)
{
    struct slice *names, least = {0};
    size_t n;
    directory_domains(dir, a, &names, &n);
    for (size_t i = 0; i < n; i++)
        if (!least.n || sl_cmp(names[i], least) < 0) least = names[i];
    return least;
}

static int resolve(struct resolving *r, struct slice local, struct slice domain)
{
    bool here = false;
    *r->out = (struct routes){.result = RESOLVED_NOT_LOCAL};
    local = local_name(r->a, local);
    if (!domain.n && sl_eq(local, SL("postmaster"))) domain = home_domain(r->dir, r->a);
    int e = domain_is_local(r->dir, domain, &here);
    if (!e && here) e = domain_name(r->a, domain, &domain);
    return e || !here ? e : resolve_from(r, local, domain);
}

int directory_resolve(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                      struct routes *out)
{
    struct resolving r = {.dir = dir, .a = a, .out = out, .asker = ASK_FOR_LETTERS};
    return resolve(&r, local, domain);
}

/* ---- may the account send as that address? ---- */

/* Leads the address to one account here alone, and not only as a fallback? */
static bool leads_to(const struct resolving *r, const char *id)
{
    const struct routes *to = r->out;
    return to->result == RESOLVED && to->n == 1 && to->v[0].local && !r->fallback_used &&
           strcmp(to->v[0].account, id) == 0;
}

/* A grant names the address, its whole domain, or, by an old name, the account that was renamed since. Any
 * other alias that leads to somebody lends nothing but itself. */
static int is_granted(struct directory *dir, struct arena *a, struct slice grant, struct slice local,
                      struct slice domain, const char *home, bool *yes)
{
    size_t at = sl_rchr(grant, '@'), plus = sl_chr(local, '+');
    struct slice base = plus == SL_NONE || !plus ? local : sl_sub(local, 0, plus), gl = sl_sub(grant, 0, at);
    struct alias x;
    *yes = at != SL_NONE && sl_eq(sl_from(grant, at + 1), domain) &&
           (!at || sl_eq(gl, local) || sl_eq(gl, base));
    if (*yes || at == SL_NONE || !at || !home[0] || !sl_eq(sl_from(grant, at + 1), domain)) return 0;
    int e = alias_get(dir, a, gl, domain, &x);
    *yes = !e && sl_eq(x.renamed, sl_cstr(home));
    return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
}

/* As it is now: what the session read may be long ago. home: the account whose own address it is, or empty.
 */
static int has_grant(struct directory *dir, struct arena *a, const struct account *acc, struct slice local,
                     struct slice domain, const char *home, bool *yes)
{
    struct account now;
    bool here;
    *yes = false;
    int e = domain_is_local(dir, domain, &here);
    if (!e && here) e = domain_name(a, domain, &domain);
    if (e || !here) return e;
    e = account_read(dir, a, acc->local, acc->domain, &now);
    for (size_t i = 0; !e && !*yes && i < now.ngrants; i++)
        e = is_granted(dir, a, now.grant[i], local_name(a, local), domain, home, yes);
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* A domain of others that the account has proved, with every name there. */
static int has_domain(struct directory *dir, struct arena *a, const struct account *acc, struct slice domain,
                      bool *yes)
{
    struct sending_domain d;
    int e = domain_name(a, domain, &domain);
    if (!e) e = sending_domain_of(dir, a, domain, &d);
    *yes = !e && sl_eq(d.account, sl_cstr(acc->id));
    return e == ERR_NOT_FOUND || e == ERR_SYNTAX ? 0 : e;
}

int account_may_send_as(struct directory *dir, const struct account *acc, struct slice local,
                        struct slice domain)
{
    struct arena a;
    ar_init(&a, 0);
    struct routes routes;
    struct resolving r = {.dir = dir, .a = &a, .out = &routes, .asker = ASK_FOR_LOGINS};
    int e = resolve(&r, local, domain);
    bool may = !e && (strcmp(r.home, acc->id) == 0 || leads_to(&r, acc->id));
    if (!e && !may) e = has_grant(dir, &a, acc, local, r.stands_for.n ? r.stands_for : domain, r.home, &may);
    if (!e && !may && routes.result == RESOLVED_NOT_LOCAL) e = has_domain(dir, &a, acc, domain, &may);
    if (!e && !may)
        e = err_set(
            ERR_DENIED,
            "%.*s may not send as %.*s: it is neither its address nor an alias that leads to it alone, "
            "nor granted to it",
            SLF(acc->address), SLF(mail_addr_join(&a, local, domain)));
    ar_free(&a);
    return e;
}

/* ---- what an alias really does ---- */

static int judge_target(struct directory *dir, struct arena *a, struct slice who, struct slice target,
                        enum alias_end *out)
{
    struct slice local, domain;
    struct routes routes;
    struct resolving r = {.dir = dir, .a = a, .out = &routes};
    *out = ALIAS_ARRIVES;
    if (sl_eq(target, who)) return 0;
    int e = address_split(a, target, &local, &domain);
    if (!e) e = resolve(&r, local, domain);
    if (e == ERR_BUSY) return 0; /* a duty, and nobody yet */
    if (e) return e;
    if (routes.result == RESOLVED_TOO_MANY) *out = ALIAS_MANY;
    else if (r.loop_seen) *out = ALIAS_CIRCLE;
    else if (routes.result == RESOLVED_NOT_LOCAL) *out = ALIAS_LEAVES;
    else if (routes.result == RESOLVED_DISABLED) *out = ALIAS_DISABLED;
    else if (routes.result == RESOLVED_NO_USER) *out = ALIAS_NOBODY;
    return 0;
}

int alias_effect(struct directory *dir, struct arena *a, struct slice address, struct alias_effect *out)
{
    struct slice local, domain, who;
    struct account acc;
    struct alias x;
    *out = (struct alias_effect){0};
    int e = address_split_here(dir, a, address, &local, &domain);
    if (!e) e = alias_get(dir, a, local, domain, &x);
    if (e) return e;
    who = mail_addr_join(a, local, domain);
    e = account_read(dir, a, local, domain, &acc);
    if (e && e != ERR_NOT_FOUND) return e;
    out->kept = !e && alias_has(&x, who);
    out->hidden = !e && !out->kept;
    out->target = x.target;
    out->n = x.n;
    out->end = ar_array(a, enum alias_end, x.n);
    e = 0;
    for (size_t i = 0; !e && i < x.n; i++) {
        e = judge_target(dir, a, who, x.target[i], &out->end[i]);
        if (!out->kept && sl_eq(x.target[i], who)) out->end[i] = ALIAS_CIRCLE;
    }
    return e;
}
