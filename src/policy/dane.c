/* dane.c - TLSA records of a mail server: where they are looked for and what they ask (RFC 7672
 * section 2.2.2, 2.2.3, 3.2.2). */
#include "policy.h"

/* What DNS did not tell. */
static void shut(struct arena *a, struct slice name, const char *type, const struct dns_answer *r,
                 struct policy *out)
{
    out->shut = true;
    out->bogus = r->bogus;
    out->why = ar_printf(a, "the DNS does not tell what keys it has (%s of %.*s): %.*s%s", type, SLF(name),
                         SLF(r->why), r->bogus ? " (DNSSEC disproves the answer)" : "");
}

/* Those that can be used come first. */
static void take_records(struct arena *a, const struct dns_answer *r, struct slice owner, struct policy *out)
{
    size_t n = r->n < POLICY_TLSA_MAX ? r->n : POLICY_TLSA_MAX;
    out->tlsa = ar_array(a, struct tls_tlsa, n);
    for (size_t i = 0; i < n; i++) {
        struct tls_tlsa t = {r->rr[i].tlsa.usage, r->rr[i].tlsa.selector, r->rr[i].tlsa.matching,
                             r->rr[i].tlsa.data};
        bool usable = tls_tlsa_usable(&t);
        out->mark += sl_hash(t.data) * (1 + t.usage + 4u * t.selector + 8u * t.matching); /* in any order */
        out->tlsa[usable ? out->ntlsa++ : n - ++out->nuseless] = t;
    }
    out->level = out->ntlsa ? POLICY_DANE : POLICY_ENCRYPTED;
    out->why = out->ntlsa
                   ? ar_printf(a, "DNSSEC proves %zu TLSA record%s at %.*s (DANE)", out->ntlsa,
                               out->ntlsa == 1 ? "" : "s", SLF(owner))
                   : ar_printf(a,
                               "DNSSEC proves TLSA records at %.*s, none of which can be used: TLS it is, "
                               "with whatever certificate",
                               SLF(owner));
}

/* RFC 7672 section 3.2.2: with an authority of the domain's own (usage 2) the certificate is for the base, or
 * the domain that is written to, before or after its aliases. Names do not count with usage 3 (3.2.1). */
static void take_names(const struct dane_host *h, struct policy *out)
{
    const struct slice more[] = {h->next_hop, h->next_hop_canon};
    bool count = false;
    for (size_t i = 0; i < out->ntlsa; i++) count |= out->tlsa[i].usage == 2;
    for (size_t i = 0; count && i < COUNT_OF(more); i++) {
        bool known = !more[i].n || sl_eqi(more[i], out->base);
        for (size_t k = 0; k < out->nalso; k++) known |= sl_eqi(out->also[k], more[i]);
        if (!known) out->also[out->nalso++] = more[i];
    }
}

/* 1: the candidate has records; 0: it has none that count. */
static int try_base(struct dns *dns, struct arena *a, const struct dane_host *h, struct slice base,
                    struct policy *out)
{
    struct dns_answer r;
    struct slice owner = ar_printf(a, "_%u._tcp.%.*s", h->port, SLF(base));
    int e = dns_ask(dns, a, owner, DNS_TLSA, &r);
    if (e) return e;
    if (r.status == DNS_TEMPFAIL) {
        shut(a, owner, "TLSA", &r, out);
        return 1;
    }
    if (r.status != DNS_FOUND || !r.secure) return 0;
    out->base = base;
    out->mark = sl_hashi(base);
    take_records(a, &r, owner, out);
    take_names(h, out);
    return 1;
}

/* An alias in a signed zone that leads to one that is not: the alias itself may have records. 1: it may. */
static int alias_is_secure(struct dns *dns, struct arena *a, const struct dane_host *h, struct policy *out)
{
    struct dns_answer r;
    if (!h->canon.n || sl_eqi(h->canon, h->name)) return 0;
    int e = dns_ask(dns, a, h->name, DNS_CNAME, &r);
    if (e) return e;
    if (r.status == DNS_TEMPFAIL) shut(a, h->name, "CNAME", &r, out);
    return r.status == DNS_FOUND && r.secure;
}

int dane_find(struct dns *dns, struct arena *a, const struct dane_host *h, struct policy *out)
{
    *out = (struct policy){.why = SL("there are no TLSA records that DNSSEC proves")};
    bool alias = h->canon.n && !sl_eqi(h->canon, h->name);
    int e = 0;
    if (!h->secure) {
        e = alias_is_secure(dns, a, h, out);
        if (e <= 0 || out->shut) return e < 0 ? e : 0;
    } else if (alias) {
        e = try_base(dns, a, h, h->canon, out);
        if (e) return e < 0 ? e : 0;
    }
    e = try_base(dns, a, h, h->name, out);
    return e < 0 ? e : 0;
}
