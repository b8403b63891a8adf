/* mx.c - the hosts that take mail for a domain (RFC 5321 section 5.1, RFC 7505). */
#include <stdlib.h>

#include "base/text.h"
#include "relay_i.h"

static int dns_failed(struct verdict *why, struct arena *a, struct slice name, const struct dns_answer *r)
{
    verdict_set(why, ATTEMPT_TEMPORARY, "4.4.3",
                ar_printf(a, "DNS gave no answer about %.*s: %.*s", SLF(name), SLF(r->why)));
    return -1;
}

/* 0.0.0.0 and :: are the machine that connects; who listens on them is met at every loopback address. */
static bool leads_here(const struct ip *to, const struct ip *own)
{
    if (to->family != own->family) return false;
    return ip_eq(to, own) || ip_is_unspecified(to) || (ip_is_unspecified(own) && ip_is_loopback(to));
}

static bool is_own(const struct relay_conf *c, const struct mx_host *h)
{
    for (size_t i = 0; i < h->n; i++)
        for (size_t k = 0; k < c->nown; k++)
            if (c->own[k].port == c->port && leads_here(&h->ip[i], &c->own[k].ip)) return true;
    return false;
}

static unsigned family_of(const struct ip *ip)
{
    return ip->family == 4 ? FROM_IPV4 : ip->family == 6 ? FROM_IPV6 : 0;
}

/* From one of our addresses only hosts of its family can be reached. */
static unsigned families_from(const struct relay_conf *c)
{
    if (c->families) return c->families;
    return c->source.family ? family_of(&c->source) | family_of(&c->other) : FROM_IPV4 | FROM_IPV6;
}

static int add_addresses(const struct relay_conf *c, struct arena *a, struct mx_host *h, enum dns_type type,
                         bool *failed, struct dns_answer *r)
{
    if (!(families_from(c) & (type == DNS_A ? FROM_IPV4 : FROM_IPV6))) return 0;
    int e = dns_ask(c->dns, a, h->name, type, r);
    if (e) return e;
    if (r->status == DNS_TEMPFAIL) *failed = true;
    if (r->status == DNS_FOUND) {
        h->secure = r->secure && (h->secure || !h->n);
        h->canon = r->canon;
    }
    for (size_t i = 0; r->status == DNS_FOUND && i < r->n && h->n < MX_ADDRESSES_MAX; i++)
        h->ip[h->n++] = ip_unmapped(&r->rr[i].ip);
    return 0;
}

/* Equal ones in random order, which the RFC wants. */
static void sort_hosts(struct mx_list *l)
{
    for (size_t i = l->n; i > 1; i--) {
        size_t k = rt_random_below(i);
        struct mx_host t = l->v[i - 1];
        l->v[i - 1] = l->v[k];
        l->v[k] = t;
    }
    for (size_t i = 1; i < l->n; i++) /* insertion keeps the order of equal ones; qsort may not */
        for (size_t k = i; k && l->v[k - 1].preference > l->v[k].preference; k--) {
            struct mx_host t = l->v[k];
            l->v[k] = l->v[k - 1];
            l->v[k - 1] = t;
        }
}

/* The names in the MX records, or the domain itself when there are none. */
static int names(const struct relay_conf *c, struct arena *a, struct slice domain, struct mx_list *out,
                 struct verdict *why)
{
    struct dns_answer r;
    if (dns_ask(c->dns, a, domain, DNS_MX, &r) != 0) {
        verdict_set(why, ATTEMPT_TEMPORARY, "4.3.0", SL("the server is shutting down"));
        return -1;
    }
    if (r.status == DNS_TEMPFAIL) return dns_failed(why, a, domain, &r);
    out->secure = r.secure;
    out->domain = domain;
    out->canon = r.canon;
    if (r.status == DNS_NXDOMAIN) {
        verdict_set(why, ATTEMPT_PERMANENT, "5.1.2",
                    ar_printf(a, "the domain %.*s does not exist", SLF(domain)));
        return -1;
    }
    if (r.status == DNS_NODATA) {
        out->v = ar_new(a, struct mx_host);
        out->v->name = domain;
        out->n = 1;
        return 0;
    }
    if (r.n == 1 && !r.rr[0].mx.host.n) { /* RFC 7505 section 3 */
        verdict_set(why, ATTEMPT_PERMANENT, "5.1.10",
                    ar_printf(a, "the domain %.*s takes no mail (null MX)", SLF(domain)));
        return -1;
    }
    out->v = ar_array(a, struct mx_host, r.n);
    for (size_t i = 0; i < r.n; i++)
        if (r.rr[i].mx.host.n)
            out->v[out->n++] = (struct mx_host){.name = r.rr[i].mx.host, .preference = r.rr[i].mx.preference};
    sort_hosts(out);
    return 0;
}

static int by_name(const void *x, const void *y)
{
    return sl_cmp(*(const struct slice *)x, *(const struct slice *)y);
}

/* Hosts of the most preferred level, by name, as one word; of more than are tried the rest as a number and a
 * mark: the site is the same one whichever of them are tried. */
static struct slice site_key(struct arena *a, const struct mx_list *l)
{
    struct slice *name = ar_array(a, struct slice, l->n), key = {0}, rest = {0};
    size_t n = 0;
    for (; n < l->n && l->v[n].preference == l->v[0].preference; n++) name[n] = l->v[n].name;
    if (n) qsort(name, n, sizeof *name, by_name);
    for (size_t i = 0; i < n && i < MX_HOSTS_MAX; i++)
        key = ar_printf(a, "%.*s %.*s", SLF(key), SLF(name[i]));
    if (n <= MX_HOSTS_MAX) return key;
    uint64_t mark = 0;
    for (size_t i = MX_HOSTS_MAX; i < n; i++) {
        rest = ar_printf(a, "%llx %.*s", (unsigned long long)mark, SLF(name[i]));
        mark = hash_stable(rest, true);
    }
    return ar_printf(a, "%.*s +%zu:%016llx", SLF(key), n - MX_HOSTS_MAX, (unsigned long long)mark);
}

/* From the level at which we ourselves are named on, hosts are dropped, so that mail cannot go round in
 * circles; and of those that are left all but the ones that are tried. */
static void cut_hosts(const struct relay_conf *c, struct mx_list *l, bool *loops)
{
    size_t n = 0;
    while (n < l->n && !sl_eqi(l->v[n].name, c->hostname)) n++;
    *loops = n < l->n;
    if (*loops)
        for (l->n = n; l->n && l->v[l->n - 1].preference == l->v[n].preference;) l->n--;
    if (l->n > MX_HOSTS_MAX) l->n = MX_HOSTS_MAX;
}

/* None has an address of a family that we leave from. Has one an address at all? */
static bool have_others(const struct relay_conf *conf, struct arena *a, struct mx_host *h, size_t n)
{
    struct relay_conf all = *conf;
    struct dns_answer r;
    bool failed = false;
    all.families = FROM_IPV4 | FROM_IPV6;
    for (size_t i = 0; i < n && families_from(conf) != all.families; i++)
        if (add_addresses(&all, a, &h[i], DNS_A, &failed, &r) != 0 ||
            add_addresses(&all, a, &h[i], DNS_AAAA, &failed, &r) != 0 || failed || h[i].n)
            return true;
    return false;
}

/* what: "... has an", "... is no". */
static int not_reached(const struct relay_conf *c, struct arena *a, struct verdict *why, struct slice what)
{
    const char *ours = families_from(c) == FROM_IPV4 ? "IPv4" : "IPv6";
    verdict_set(why, ATTEMPT_TEMPORARY, "4.4.4", /* an address of ours is wanting, and nobody's is wrong */
                ar_printf(a, "%.*s %s address, and the letter leaves from %s addresses alone", SLF(what),
                          ours, ours));
    return -1;
}

/* Addresses of all; from the level at which one is ours on, hosts are dropped as above. */
static int addresses(const struct relay_conf *c, struct arena *a, struct mx_list *l, struct verdict *why,
                     bool *loops)
{
    bool failed = false;
    struct dns_answer r, bad = {0};
    size_t kept = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct mx_host *h = &l->v[i];
        bool one = false;
        if (add_addresses(c, a, h, DNS_A, &one, &r) != 0) r.status = DNS_TEMPFAIL, one = true;
        if (one) bad = r;
        failed |= one;
        one = false;
        if (add_addresses(c, a, h, DNS_AAAA, &one, &r) != 0) r.status = DNS_TEMPFAIL, one = true;
        if (one) bad = r;
        failed |= one;
        if (!is_own(c, h)) continue;
        *loops = true;
        for (l->n = i; l->n && l->v[l->n - 1].preference == h->preference;) l->n--;
    }
    struct slice first = l->n ? l->v[0].name : SL("");
    size_t all = l->n;
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].n) l->v[kept++] = l->v[i];
    l->n = kept;
    if (!kept && failed) return dns_failed(why, a, first, &bad);
    if (kept || !have_others(c, a, l->v, all)) return 0;
    return not_reached(c, a, why, ar_printf(a, "no mail server of %.*s has an", SLF(l->domain)));
}

static int comes_back(struct arena *a, struct verdict *why, struct slice domain)
{
    verdict_set(why, ATTEMPT_PERMANENT, "5.4.6",
                ar_printf(a, "mail for %.*s comes back to this server, which does not take it", SLF(domain)));
    return -1;
}

static int literal(const struct relay_conf *c, struct arena *a, struct slice domain, struct mx_list *out,
                   struct verdict *why)
{
    out->v = ar_new(a, struct mx_host);
    out->v->name = domain;
    out->site = domain;
    out->n = out->v->n = 1;
    if (ip_parse_literal(domain, &out->v->ip[0])) {
        if (is_own(c, out->v)) return comes_back(a, why, domain);
        if (families_from(c) & family_of(&out->v->ip[0])) return 0;
        return not_reached(c, a, why, ar_printf(a, "%.*s is no", SLF(domain)));
    }
    verdict_set(why, ATTEMPT_PERMANENT, "5.1.3", ar_printf(a, "%.*s is no address", SLF(domain)));
    return -1;
}

/* One host, under its own name or address. It may be on this very machine: whatever the letter's sources,
 * this leaves from the node's own address. */
static int by_route(const struct relay_conf *conf, struct arena *a, const struct relay_route *r,
                    struct mx_list *out, struct verdict *why)
{
    struct relay_conf own = *conf, *c = &own;
    own.families = 0;
    struct mx_host *h = out->v = ar_new(a, struct mx_host);
    struct dns_answer answer = {0};
    bool failed = false;
    out->n = 1;
    out->route = r;
    out->secure = true; /* whom the operator names needs no proof */
    out->site =
        ar_printf(a, "route %s%.*s:%u %.*s%s%.*s", r->lmtp ? "lmtp:" : "", SLF(r->path.n ? r->path : r->host),
                  r->port, SLF(r->user), r->certificate_file.n ? " " : "", SLF(r->certificate_file));
    *h = (struct mx_host){.name = r->path.n ? r->path : r->host, .path = r->path, .port = r->port};
    if (r->path.n) {
        uint64_t mark = sl_hash(r->path);
        memcpy(h->ip[0].b, &mark, sizeof mark);
        h->n = 1;
        return 0;
    }
    if (ip_parse(r->host, &h->ip[0])) {
        h->n = 1;
        return 0;
    }
    out->domain = r->host;
    if (add_addresses(c, a, h, DNS_A, &failed, &answer) != 0) failed = true;
    if (add_addresses(c, a, h, DNS_AAAA, &failed, &answer) != 0) failed = true;
    if (h->n) return 0;
    if (failed) return dns_failed(why, a, r->host, &answer);
    verdict_set(why, ATTEMPT_TEMPORARY, "4.4.4", /* it may be mended: nobody's address is wrong */
                ar_printf(a, "the host %.*s of the route has no address", SLF(r->host)));
    return -1;
}

int mx_find(const struct relay_conf *c, struct arena *a, struct slice sender, struct slice domain,
            struct mx_list *out, struct verdict *why)
{
    struct slice ascii;
    bool loops = false, address = sl_starts(domain, SL("["));
    *out = (struct mx_list){0};
    if (!address && dns_to_ascii(a, domain, &ascii) != 0) {
        verdict_set(why, ATTEMPT_PERMANENT, "5.1.2", ar_printf(a, "%.*s is no domain", SLF(domain)));
        return -1;
    }
    const struct relay_route *r = route_find(c->route, c->nroutes, sender, address ? domain : ascii);
    if (r) return by_route(c, a, r, out, why);
    if (address) return literal(c, a, domain, out, why);
    if (names(c, a, ascii, out, why) != 0) return -1;
    out->site = site_key(a, out);
    cut_hosts(c, out, &loops);
    if (addresses(c, a, out, why, &loops) != 0) return -1;
    if (out->n) return 0;
    if (loops) return comes_back(a, why, ascii);
    verdict_set(why, ATTEMPT_PERMANENT, "5.4.4",
                ar_printf(a, "no mail server of %.*s has an address", SLF(ascii)));
    return -1;
}
