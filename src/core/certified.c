/* certified.c - the names that the certificate of a node is to stand for. */
#include "certificate.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
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

/* ---- web names ---- */

struct web_names {
    struct lock lock;
    struct map silent; /* those of which the DNS said nothing: until when they are left alone, seconds */
    struct buf more;   /* those that lead here and do not fit into the node's certificate, each in a line */
};

void web_names_open(struct web_names **out)
{
    *out = xcalloc(1, sizeof **out);
    map_init(&(*out)->silent, false);
}

void web_names_close(struct web_names **w)
{
    if (!*w) return;
    map_free(&(*w)->silent);
    buf_free(&(*w)->more);
    free(*w);
    *w = NULL;
}

static bool is_left_alone(struct web_names *w, struct slice name)
{
    lock_take(&w->lock);
    uintptr_t until = (uintptr_t)map_get(&w->silent, name);
    bool yes = until && rt_now() / RT_S < (int64_t)until;
    if (until && !yes) map_del(&w->silent, name);
    lock_release(&w->lock);
    return yes;
}

static void leave_alone(struct web_names *w, struct slice name)
{
    lock_take(&w->lock);
    map_put(&w->silent, name, (void *)(uintptr_t)(rt_now() / RT_S + CERTIFICATE_SILENT_S));
    lock_release(&w->lock);
}

/* Many names, some at the same time. */
struct asking {
    struct core *core;
    const struct slice *name;
    enum core_leads *to;
    size_t n, next;
    int64_t end;
};

static void ask_some(void *arg)
{
    struct asking *x = arg;
    struct arena a = {0};
    while (x->next < x->n && !fiber_canceled()) {
        size_t i = x->next++;
        ar_reset(&a);
        if (rt_now() >= x->end || is_left_alone(x->core->web, x->name[i])) continue;
        if (core_leads_here(x->core, &a, x->name[i], &x->to[i])) break;
        if (x->to[i] == LEADS_UNKNOWN) leave_alone(x->core->web, x->name[i]);
        fiber_breathe();
    }
    ar_free(&a);
}

static int ask_all(struct asking *x)
{
    struct group g;
    int e = 0;
    group_init(&g);
    for (size_t i = 0; !e && i < CERTIFICATE_ASKED && i < x->n; i++) e = group_go(&g, "names", ask_some, x);
    int waited = group_wait(&g);
    return e ? e : waited;
}

static int by_name(const void *x, const void *y)
{
    return sl_cmp(*(const struct slice *)x, *(const struct slice *)y);
}

/* In the order of their names: another start of the program must not choose others. */
static size_t web_names_of(struct core *core, struct arena *a, struct slice **out)
{
    static const char *const web[] = {"mta-sts.", "autoconfig.", "autodiscover."};
    struct slice *domain;
    size_t ndomains, n = 0;
    directory_domains(core->store->directory, a, &domain, &ndomains);
    if (ndomains) qsort(domain, ndomains, sizeof *domain, by_name);
    if (ndomains > CERTIFICATE_DOMAINS) ndomains = CERTIFICATE_DOMAINS;
    *out = ar_array(a, struct slice, ndomains * COUNT_OF(web) + 1);
    for (size_t i = 0; i < ndomains; i++)
        for (size_t k = 0; k < COUNT_OF(web); k++) (*out)[n++] = ar_cat(a, sl_cstr(web[k]), domain[i]);
    return n;
}

/* The first ones stand in the node's certificate. */
static void sort_out(struct web_names *w, struct arena *a, const struct asking *x, struct acme_names *out)
{
    out->silent = ar_array(a, struct slice, x->n + 1);
    lock_take(&w->lock);
    buf_clear(&w->more);
    for (size_t i = 0; i < x->n; i++) {
        if (x->to[i] == LEADS_UNKNOWN) out->silent[out->nsilent++] = x->name[i];
        else if (x->to[i] == LEADS_HERE && out->n < ACME_NAMES_MAX) out->v[out->n++] = x->name[i];
        else if (x->to[i] == LEADS_HERE) buf_printf(&w->more, "%.*s\n", SLF(x->name[i]));
    }
    lock_release(&w->lock);
}

int core_certificate_names(void *ctx, struct arena *a, struct acme_names *out)
{
    struct core *core = ctx;
    struct slice *name;
    struct asking x = {.core = core, .end = rt_now() + CERTIFICATE_ASKING_S * RT_S};
    x.n = web_names_of(core, a, &name);
    x.name = name;
    x.to = ar_array(a, enum core_leads, x.n + 1);
    for (size_t i = 0; i < x.n; i++) x.to[i] = LEADS_UNKNOWN;
    *out = (struct acme_names){.v = ar_array(a, struct slice, ACME_NAMES_MAX), .n = 1};
    out->v[0] = core->conf->hostname;
    int e = ask_all(&x);
    if (!e) sort_out(core->web, a, &x, out);
    return e;
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
        log_warn(
            "acme",
            "%zu hosts get no certificate: %d of an account and %d of the node do, those first of customers "
            "that have one",
            n, CERTIFICATE_HOSTS_EACH, ACME_OTHERS_MAX);
    core->hosts_left_out = n;
}

static void take_more(struct hosts *h)
{
    struct web_names *w = h->core->web;
    struct slice rest, name;
    if (!w) return;
    lock_take(&w->lock);
    rest = ar_dup(h->a, buf_slice(&w->more));
    lock_release(&w->lock);
    while (sl_next(&rest, '\n', &name)) {
        if (!name.n || name.n > ACME_OTHERS_NAME_MAX) continue;
        if (h->n < ACME_OTHERS_MAX) h->v[h->n++] = name;
        else h->left_out++;
    }
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
    if (!e) take_more(&h);
    if (!e) tell_left_out(core, h.left_out);
    *out = h.v;
    *n = h.n;
    return e;
}
