/* alias.c - aliases, and where a letter for an address goes. */
#include <stdlib.h>

#include "base/text.h"
#include "dns/dns.h"
#include "kv/record.h"
#include "store_i.h"

enum { ALIAS_VERSION = 1, RESOLVE_STEPS_MAX = 2000 };

static int alias_parse(struct arena *a, struct slice value, struct alias *out)
{
    struct rec r;
    int e = rec_open(&r, value, ALIAS_VERSION);
    if (e) return e;
    size_t cap = 0;
    out->target = NULL;
    out->n = 0;
    while (rec_next(&r)) {
        if (r.tag != 't') continue;
        if (out->n == cap) out->target = ar_grow(a, out->target, &cap, sizeof *out->target);
        out->target[out->n++] = r.field;
    }
    return rec_error(&r);
}

static int alias_get(struct store *s, struct arena *a, struct slice local, struct slice domain,
                     struct alias *out)
{
    struct slice row;
    int e = kv_get(s->kv, domain_object(a, domain), local_key(a, 'l', local), a, &row);
    return e ? e : alias_parse(a, row, out);
}

static bool has_target(const struct alias *x, struct slice target)
{
    for (size_t i = 0; i < x->n; i++)
        if (sl_eqi(x->target[i], target)) return true;
    return false;
}

static int normal_target(struct arena *a, struct slice target, struct slice *out)
{
    struct slice local, domain;
    int e = address_split(a, target, &local, &domain);
    if (!e) *out = ar_printf(a, "%.*s@%.*s", SLF(local), SLF(domain));
    return e;
}

int alias_add(struct store *s, struct slice address, const struct slice *target, size_t n)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice local, domain, to;
    struct alias x = {0};
    struct buf b = BUF_INIT;
    int e = address_split_here(s, &a, address, &local, &domain);
    if (!e) {
        e = alias_get(s, &a, local, domain, &x);
        if (e == ERR_NOT_FOUND) e = 0;
    }
    if (!e && x.n + n > ALIAS_TARGETS_MAX)
        e = err_set(ERR_LIMIT, "an alias can lead to at most %d addresses", ALIAS_TARGETS_MAX);
    rec_begin(&b, ALIAS_VERSION);
    for (size_t i = 0; i < x.n; i++) rec_put(&b, 't', x.target[i]);
    for (size_t i = 0; i < n && !e; i++) {
        e = normal_target(&a, target[i], &to);
        if (!e && !has_target(&x, to)) rec_put(&b, 't', to);
    }
    if (!e) e = directory_put(s, domain_object(&a, domain), local_key(&a, 'l', local), &b, ROW_ANY);
    buf_free(&b);
    ar_free(&a);
    return e;
}

int alias_remove(struct store *s, struct slice address)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice local, domain;
    int e = address_split_here(s, &a, address, &local, &domain);
    if (!e)
        e = directory_put(s, domain_object(&a, domain), local_key(&a, 'l', local), NULL, ROW_OLD);
    if (e == ERR_NOT_FOUND) err_set(e, "there is no alias %.*s", SLF(address));
    ar_free(&a);
    return e;
}

int alias_list(struct store *s, struct arena *a, struct slice domain, struct alias **out, size_t *n)
{
    struct slice *names = &domain;
    size_t all = 1, cap = 0;
    if (!domain.n) directory_domains(s, a, &names, &all);
    *out = NULL;
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        struct slice object = domain_object(a, ar_lower(a, names[i])), from = SL("l:");
        struct kv_page page = {.more = true};
        while (page.more) {
            int e = kv_scan(s->kv, object, from, SL("l;"), KV_PAGE_MAX, a, &page);
            for (size_t k = 0; !e && k < page.n; k++) {
                if (*n == cap) *out = ar_grow(a, *out, &cap, sizeof **out);
                struct alias *x = &(*out)[(*n)++];
                x->address = ar_printf(a, "%.*s@%.*s", SLF(local_from_key(a, page.row[k].key)), SLF(names[i]));
                e = alias_parse(a, page.row[k].value, x);
            }
            if (e) return e;
            if (page.n) from = kv_after(a, page.row[page.n - 1].key);
        }
    }
    return 0;
}

/* ---- resolving ---- */

struct resolving {
    struct store *s;
    struct arena *a;
    struct routes *out;
    size_t cap, steps;
    bool disabled_seen, loop_seen, fallback_used;
};

static void add_route(struct resolving *r, struct route to)
{
    for (size_t i = 0; i < r->out->n; i++) {
        struct route *have = &r->out->v[i];
        if (have->local == to.local &&
            (to.local ? strcmp(have->account, to.account) == 0 : sl_eqi(have->address, to.address)))
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

static int resolve_address(struct resolving *r, struct slice address, int depth);

static int expand(struct resolving *r, const struct alias *x, int depth)
{
    r->out->rewritten = true;
    for (size_t i = 0; i < x->n; i++) {
        int e = resolve_address(r, x->target[i], depth + 1);
        if (e && e != ERR_NOT_FOUND) return e;
    }
    return 0;
}

/* Exactly this local part: 0 when there was an account or alias (it may have added
 * nothing, when disabled), ERR_NOT_FOUND when neither. */
static int resolve_exact(struct resolving *r, struct slice local, struct slice detail, struct slice domain,
                         int depth)
{
    struct slice row, object = domain_object(r->a, domain);
    struct account acc;
    int e = kv_get(r->s->kv, object, local_key(r->a, 'a', local), r->a, &row);
    if (!e) e = account_parse(r->a, local, domain, row, &acc);
    if (!e) add_account(r, &acc, detail);
    if (e != ERR_NOT_FOUND) return e;
    struct alias x;
    e = alias_get(r->s, r->a, local, domain, &x);
    return e ? e : expand(r, &x, depth);
}

static int resolve_catch_all(struct resolving *r, struct slice domain, int depth)
{
    struct domain d;
    int e = domain_get(r->s, r->a, domain, &d);
    if (e) return e;
    if (!d.catch_all.n) return ERR_NOT_FOUND;
    r->fallback_used = true;
    struct alias x = {.target = &d.catch_all, .n = 1};
    return expand(r, &x, depth);
}

static const struct account *oldest(const struct account *v, size_t n)
{
    const struct account *best = NULL;
    for (size_t i = 0; i < n; i++)
        if (!v[i].disabled && (!best || v[i].created < best->created)) best = &v[i];
    return best;
}

/* RFC 5321 section 4.5.1 and RFC 2142: these must reach somebody; so must the address that our
 * DMARC records name. */
static int resolve_duty(struct resolving *r, struct slice local, struct slice domain)
{
    if (!sl_eq(local, SL("postmaster")) && !sl_eq(local, SL("abuse")) && !sl_eq(local, SL("dmarc-reports")))
        return ERR_NOT_FOUND;
    struct account *v;
    size_t n;
    int e = account_list(r->s, r->a, domain, &v, &n);
    const struct account *acc = e ? NULL : oldest(v, n);
    if (!e && !acc) {
        e = account_list(r->s, r->a, (struct slice){0}, &v, &n);
        acc = e ? NULL : oldest(v, n);
    }
    if (e) return e;
    if (!acc) return err_set(ERR_BUSY, "there is no account yet that could take mail for %.*s", SLF(local));
    r->out->rewritten = r->fallback_used = true;
    add_account(r, acc, (struct slice){0});
    return 0;
}

static int resolve_local(struct resolving *r, struct slice local, struct slice domain, int depth)
{
    int e = resolve_exact(r, local, (struct slice){0}, domain, depth);
    size_t plus = sl_chr(local, '+');
    if (e == ERR_NOT_FOUND && plus != SL_NONE && plus > 0)
        e = resolve_exact(r, sl_sub(local, 0, plus), sl_from(local, plus + 1), domain, depth);
    if (e == ERR_NOT_FOUND) e = resolve_catch_all(r, domain, depth);
    if (e == ERR_NOT_FOUND) e = resolve_duty(r, local, domain);
    return e;
}

static int resolve_address(struct resolving *r, struct slice address, int depth)
{
    struct slice local, domain;
    bool here;
    if (depth > ALIAS_DEPTH_MAX || r->out->n > ALIAS_TARGETS_MAX || r->steps++ > RESOLVE_STEPS_MAX) {
        r->loop_seen = true;
        return 0;
    }
    int e = address_split(r->a, address, &local, &domain);
    if (e) return e;
    e = domain_is_local(r->s, domain, &here);
    if (e) return e;
    if (here) return resolve_local(r, local, domain, depth);
    add_route(r, (struct route){.address = address});
    return 0;
}

static int resolve_from(struct resolving *r, struct slice local, struct slice domain)
{
    struct routes *out = r->out;
    *out = (struct routes){.result = RESOLVED};
    int e = resolve_local(r, local, domain, 0);
    if (e == ERR_NOT_FOUND) out->result = RESOLVED_NO_USER;
    else if (e) return e;
    else if (!out->n)
        out->result = r->loop_seen ? RESOLVED_LOOP : r->disabled_seen ? RESOLVED_DISABLED : RESOLVED_NO_USER;
    return 0;
}

/* The domain of a bare "postmaster": the first one here. */
static struct slice home_domain(struct store *s, struct arena *a)
{
    struct slice *names, least = {0};
    size_t n;
    directory_domains(s, a, &names, &n);
    for (size_t i = 0; i < n; i++)
        if (!least.n || sl_cmp(names[i], least) < 0) least = names[i];
    return least;
}

int directory_resolve(struct store *s, struct arena *a, struct slice local, struct slice domain,
                      struct routes *out)
{
    struct resolving r = {.s = s, .a = a, .out = out};
    bool here = false;
    *out = (struct routes){.result = RESOLVED_NOT_LOCAL};
    local = ar_lower(a, local);
    domain = ar_lower(a, domain);
    if (!domain.n && sl_eq(local, SL("postmaster"))) domain = home_domain(s, a);
    int e = domain.n ? domain_is_local(s, domain, &here) : 0;
    if (!e && !here && !is_ascii(domain) && dns_to_ascii(a, domain, &domain) == 0)
        e = domain_is_local(s, domain, &here);
    if (e || !here) return e;
    return resolve_from(&r, local, domain);
}

int login_may_send_as(struct store *s, const struct account *acc, struct slice local, struct slice domain)
{
    struct arena a;
    ar_init(&a, 0);
    struct routes routes;
    struct resolving r = {.s = s, .a = &a, .out = &routes};
    bool here = false;
    int e = domain_is_local(s, domain, &here);
    if (!e && here) {
        e = resolve_from(&r, ar_lower(&a, local), ar_lower(&a, domain));
        bool own = !e && routes.result == RESOLVED && routes.n == 1 && routes.v[0].local && !r.fallback_used &&
                   strcmp(routes.v[0].account, acc->id) == 0;
        if (own) goto out;
    }
    if (!e)
        e = err_set(
            ERR_DENIED,
            "%.*s may not send as %.*s@%.*s: it is neither its address nor an alias that leads to it alone",
            SLF(acc->address), SLF(local), SLF(domain));
out:
    ar_free(&a);
    return e;
}
