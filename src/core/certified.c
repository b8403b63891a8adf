/* certified.c - the names that the certificate of a node is to stand for. */
#include "certificate.h"

#include "base/log.h"
#include "directory/sending_domain.h"

/* Without addresses that the world sees nothing can be told: then any that is there will do. */
static bool is_ours(const struct core *core, const struct dns_rr *r)
{
    struct ip own[LISTEN_MAX];
    size_t n = config_public(core->conf, own);
    for (size_t i = 0; i < n; i++)
        if (ip_eq(&own[i], &r->ip)) return true;
    return n == 0;
}

int core_leads_here(struct core *core, struct arena *a, struct slice name, enum core_leads *out)
{
    static const enum dns_type types[] = {DNS_A, DNS_AAAA};
    bool any = false, all = true, silent = false;
    *out = LEADS_UNKNOWN;
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        struct dns_answer r;
        int e = dns_ask(core->dns, a, name, types[t], &r);
        if (e) return e;
        silent |= r.status == DNS_TEMPFAIL;
        any |= r.n > 0;
        for (size_t i = 0; i < r.n; i++) all = all && is_ours(core, &r.rr[i]);
    }
    *out = any && all ? LEADS_HERE : !any && silent ? LEADS_UNKNOWN : LEADS_ELSEWHERE;
    return 0;
}

int core_certificate_names(void *ctx, struct arena *a, struct acme_names *out)
{
    static const char *const web[] = {"mta-sts.", "autoconfig.", "autodiscover."};
    struct core *core = ctx;
    struct slice *domain;
    size_t ndomains;
    directory_domains(core->store->directory, a, &domain, &ndomains);
    *out = (struct acme_names){.v = ar_array(a, struct slice, ACME_NAMES_MAX),
                               .silent = ar_array(a, struct slice, ACME_NAMES_MAX),
                               .n = 1};
    out->v[0] = core->conf->hostname;
    for (size_t i = 0; i < ndomains; i++)
        for (size_t k = 0; k < COUNT_OF(web) && out->n < ACME_NAMES_MAX; k++) {
            struct slice name = ar_cat(a, sl_cstr(web[k]), domain[i]);
            enum core_leads to;
            int e = core_leads_here(core, a, name, &to);
            if (e) return e;
            if (to == LEADS_HERE) out->v[out->n++] = name;
            if (to == LEADS_UNKNOWN && out->nsilent < ACME_NAMES_MAX) out->silent[out->nsilent++] = name;
        }
    return 0;
}

/* ---- of customers' hosts ---- */

struct hosts {
    struct core *core;
    struct arena *a;
    struct slice *v, *account; /* a name, and whose */
    size_t n, left_out;
    bool certified; /* such are taken by this walk */
};

static size_t count_of(const struct hosts *h, struct slice account)
{
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) n += sl_eq(h->account[i], account);
    return n;
}

static int has_certificate(struct core *core, struct slice host, bool *yes)
{
    struct arena a = {0};
    struct acme_kept k;
    int e = acme_kept(core->store->kv, &a, host, &k);
    *yes = !e && k.chain_pem.n && k.until > rt_wall_seconds();
    ar_free(&a);
    return err_is_damage(e) ? 0 : e;
}

static int take_host(void *arg, const struct sending_domain *d)
{
    struct hosts *h = arg;
    bool has;
    if (d->damage.n || !d->verified || !(d->found & SENDING_LINKS)) return 0;
    struct slice host = sending_links_host(h->a, d);
    if (host.n > ACME_OTHERS_NAME_MAX) return 0;
    int e = has_certificate(h->core, host, &has);
    if (e || has != h->certified) return e;
    if (h->n == ACME_OTHERS_MAX || count_of(h, d->account) >= CERTIFICATE_HOSTS_EACH) {
        h->left_out++;
        return 0;
    }
    h->account[h->n] = ar_dup(h->a, d->account);
    h->v[h->n++] = host;
    return 0;
}

static void tell_left_out(struct core *core, size_t n)
{
    if (n && n != core->hosts_left_out)
        log_warn("acme",
                 "%zu hosts of customers get no certificate: %d of an account and %d of the node do, those "
                 "first that have one",
                 n, CERTIFICATE_HOSTS_EACH, ACME_OTHERS_MAX);
    core->hosts_left_out = n;
}

/* Those first that have a certificate: others that come put none of them out. */
int core_certificate_others(void *ctx, struct arena *a, struct slice **out, size_t *n)
{
    struct core *core = ctx;
    struct hosts h = {.core = core,
                      .a = a,
                      .v = ar_array(a, struct slice, ACME_OTHERS_MAX),
                      .account = ar_array(a, struct slice, ACME_OTHERS_MAX),
                      .certified = true};
    int e = sending_domain_each(core->store->directory, NULL, take_host, &h);
    h.certified = false;
    if (!e) e = sending_domain_each(core->store->directory, NULL, take_host, &h);
    if (!e) tell_left_out(core, h.left_out);
    *out = h.v;
    *n = h.n;
    return e;
}
