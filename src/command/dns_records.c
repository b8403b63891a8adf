/* dns_records.c - what to publish for a domain. */
#include "dns_records.h"

#include "base/text.h"
#include "core/own_policy.h"
#include "core/publish.h"
#include "crypto/cert.h"
#include "crypto/es256.h"
#include "dkim/dkim_record.h"
#include "report/dmarc_store.h"
#include "report/tlsrpt.h"
#include "source/source.h"
#include "store/store.h"

struct lines {
    struct arena *a;
    struct dns_line *v;
    size_t n, cap;
};

static struct dns_line *add(struct lines *l, struct slice name, enum dns_type type, struct slice data,
                            const char *what, const char *why)
{
    if (l->n == l->cap) l->v = ar_grow(l->a, l->v, &l->cap, sizeof *l->v);
    l->v[l->n] = (struct dns_line){.name = name, .type = type, .data = data, .what = what, .why = why};
    return &l->v[l->n++];
}

static struct dns_line *add_txt(struct lines *l, struct slice name, struct slice text, const char *what,
                                const char *why)
{
    struct dns_line *line = add(l, name, DNS_TXT, dkim_txt_quote(l->a, text), what, why);
    line->text = text;
    return line;
}

static void add_addresses(struct lines *l, const struct config *c, struct slice host, const char *why)
{
    char ip[IP_TEXT_MAX];
    struct ip seen[LISTEN_MAX];
    size_t n = config_public(c, seen);
    for (size_t i = 0; i < n; i++) {
        struct slice text = ar_dup(l->a, sl_cstr(ip_format(&seen[i], ip)));
        add(l, host, seen[i].family == 4 ? DNS_A : DNS_AAAA, text, "address", why);
    }
}

/* Sources that letters leave from besides the host's own addresses, as SPF has them: " ip4:192.0.2.7". */
static struct slice spf_sources(struct arena *a, struct core *core)
{
    char text[IP_TEXT_MAX];
    struct ip own[LISTEN_MAX];
    struct slice out = SL("");
    size_t n = config_public(core->conf, own);
    struct source_plan *p = source_plan_now(core->sources);
    for (size_t i = 0; i < p->nsource; i++) {
        const struct ip *ip = &p->source[i].ip;
        bool ours = false;
        for (size_t k = 0; k < n; k++) ours |= ip_eq(ip, &own[k]);
        if (!ours) out = ar_printf(a, "%.*s ip%d:%s", SLF(out), ip->family == 6 ? 6 : 4, ip_format(ip, text));
    }
    source_plan_drop(&p);
    return out;
}

static void add_reverse(struct lines *l, const struct config *c)
{
    struct ip seen[LISTEN_MAX];
    size_t n = config_public(c, seen);
    for (size_t i = 0; i < n; i++)
        add(l, ip_reverse_name(l->a, &seen[i]), DNS_PTR, ar_printf(l->a, "%.*s.", SLF(c->hostname)),
            "reverse name", "receivers want the address to name the host (ask who gave you the address)");
}

static int add_dkim(struct lines *l, struct core *core, struct slice domain)
{
    struct dkim_key *k;
    size_t count;
    int e = dkim_keys(core->store->directory, l->a, domain, &k, &count);
    for (size_t i = 0; !e && i < count; i++) {
        struct sign_key *key;
        if (k[i].state == DKIM_KEY_DAMAGED) continue;
        e = sign_key_from_pem(k[i].pem, &key);
        if (e) break;
        add_txt(l, dkim_key_name(l->a, k[i].selector, domain), dkim_record_text(l->a, key, ""), "DKIM",
                "the key with which letters are signed");
        sign_key_free(&key);
    }
    return e;
}

static void add_tlsa(struct lines *l, const struct config *c, const uint8_t digest[32], const char *why)
{
    struct buf b = BUF_INIT;
    buf_str(&b, "3 1 1 ");
    hex_encode(&b, sl(digest, 32));
    struct dns_line *line =
        add(l, core_keys_name(c, l->a), DNS_TLSA, ar_dup(l->a, buf_slice(&b)), "TLSA", why);
    line->optional = true;
    buf_free(&b);
}

/* Of the key in use and, where an authority certifies us, of the next one: it must have stood in the DNS for
 * a while when the certificate changes (RFC 7671 section 8.1). */
static void add_keys(struct core *core, struct lines *l, struct slice certificate)
{
    uint8_t digest[32];
    struct es256 *next;
    struct acme_kept k = {0};
    if (certificate.n && cert_spki_sha256(certificate, digest) == 0)
        add_tlsa(l, core->conf, digest, "DANE: proves our TLS certificate where the zone is signed");
    if (core->acme && acme_kept(core->store->kv, l->a, SL(""), &k)) return;
    if (!k.next_key_pem.n || es256_from_pem(k.next_key_pem, &next)) return;
    es256_spki_sha256(next, digest);
    es256_free(&next);
    add_tlsa(l, core->conf, digest, "DANE: the same for the key of the next certificate");
}

static void add_srv(struct lines *l, const struct config *c, struct slice domain, const char *service,
                    unsigned port)
{
    struct dns_line *line = add(l, ar_printf(l->a, "_%s._tcp.%.*s", service, SLF(domain)), DNS_SRV,
                                ar_printf(l->a, "0 1 %u %.*s.", port + c->port_offset, SLF(c->hostname)),
                                "autoconfig", "mail clients find their servers (RFC 6186, 8314)");
    line->optional = true;
}

static void add_alias(struct lines *l, const struct config *c, struct slice domain, const char *host)
{
    if (!c->http) return;
    struct dns_line *line = add(l, ar_printf(l->a, "%s.%.*s", host, SLF(domain)), DNS_CNAME,
                                ar_printf(l->a, "%.*s.", SLF(c->hostname)), "autoconfig",
                                "where mail clients ask for their settings");
    line->optional = true;
}

int dns_records_of(struct core *core, struct arena *a, struct slice domain, struct slice certificate,
                   struct dns_line **out, size_t *count)
{
    const struct config *c = core->conf;
    struct lines l = {.a = a};
    struct domain d;
    int e = domain_get(core->store->directory, a, domain, &d);
    if (e) return e;
    add_addresses(&l, c, c->hostname, "where the host is");
    add_reverse(&l, c);
    add(&l, d.name, DNS_MX, ar_printf(a, "10 %.*s.", SLF(c->hostname)), "MX",
        "mail for the domain comes to this host");
    struct slice sources = spf_sources(a, core);
    add_txt(&l, d.name, ar_printf(a, "v=spf1 mx%.*s -all", SLF(sources)), "SPF",
            "only the domain's mail hosts may send for it");
    if (!sl_eqi(c->hostname, d.name))
        add_txt(&l, c->hostname, ar_printf(a, "v=spf1 a%.*s -all", SLF(sources)), "SPF",
                "the host's own name, for HELO and bounces");
    e = add_dkim(&l, core, d.name);
    if (e) return e;
    add_txt(&l, ar_cat(a, SL("_dmarc."), d.name),
            ar_printf(a, "v=DMARC1; p=reject; rua=mailto:" DMARC_REPORTS_LOCAL "@%.*s", SLF(d.name)), "DMARC",
            "receivers refuse what is not proved to come from the domain, and report");
    struct dns_line *line = add_txt(&l, ar_cat(a, SL("_smtp._tls."), d.name),
                                    ar_printf(a, "v=TLSRPTv1; rua=mailto:" TLSRPT_LOCAL "@%.*s", SLF(d.name)),
                                    "TLSRPT", "senders report TLS trouble");
    line->optional = true;
    line = add_txt(&l, ar_cat(a, SL("_mta-sts."), d.name),
                   ar_printf(a, "v=STSv1; id=%.*s", SLF(own_mta_sts_id(c, a, &d))), "MTA-STS",
                   "senders insist on TLS with this host, as the policy says that is served over HTTPS");
    line->optional = true;
    line = add(&l, ar_cat(a, SL("mta-sts."), d.name), DNS_CNAME, ar_printf(a, "%.*s.", SLF(c->hostname)),
               "MTA-STS", "where the policy is fetched");
    line->optional = true;
    add_alias(&l, c, d.name, "autoconfig");
    add_alias(&l, c, d.name, "autodiscover");
    add_keys(core, &l, certificate);
    add_srv(&l, c, d.name, "submission", 587);
    add_srv(&l, c, d.name, "submissions", 465);
    add_srv(&l, c, d.name, "imap", 143);
    add_srv(&l, c, d.name, "imaps", 993);
    add_srv(&l, c, d.name, "pop3", 110);
    add_srv(&l, c, d.name, "pop3s", 995);
    if (c->http) add_srv(&l, c, d.name, "autodiscover", 443);
    *out = l.v;
    *count = l.n;
    return 0;
}

struct slice dns_line_text(struct arena *a, const struct dns_line *l)
{
    return ar_printf(a, "%.*s. IN %s %.*s", SLF(l->name), dns_type_name(l->type), SLF(l->data));
}

struct slice dns_txt_line(struct arena *a, struct slice name, struct slice text)
{
    return dns_line_text(a,
                         &(struct dns_line){.name = name, .type = DNS_TXT, .data = dkim_txt_quote(a, text)});
}
