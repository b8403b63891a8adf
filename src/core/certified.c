/* certified.c - the names that the certificate of a node is to stand for. */
#include "certificate.h"
#include "config.h"

#include <stdlib.h>

#include "acme/acme.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "crypto/cert.h"
#include "directory/sending_domain.h"
#include "store/store.h"

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

/* What was heard of a name last, in a pointer, for a map: when, and where it leads. */
struct heard {
    int64_t at; /* seconds of rt_now(); -1: it was not asked for yet */
    enum core_leads leads;
};

static void *heard_pack(struct heard h) { return (void *)((uintptr_t)(h.at + 1) << 2 | (uintptr_t)h.leads); }

static struct heard heard_of(const struct map *m, struct slice name)
{
    uintptr_t p = (uintptr_t)map_get(m, name);
    return p ? (struct heard){(int64_t)(p >> 2) - 1, (enum core_leads)(p & 3)}
             : (struct heard){-1, LEADS_UNKNOWN};
}

struct web_names {
    struct lock lock;
    struct map heard; /* of those that were asked for */
    struct buf more;  /* those that lead here and do not fit into the node's certificate, each in a line */
    size_t unasked, left_out; /* what was told last */
};

void web_names_open(struct web_names **out)
{
    *out = xcalloc(1, sizeof **out);
    map_init(&(*out)->heard, false);
}

void web_names_close(struct web_names **w)
{
    if (!*w) return;
    map_free(&(*w)->heard);
    buf_free(&(*w)->more);
    free(*w);
    *w = NULL;
}

/* Many names, some at the same time. */
struct asking {
    struct core *core;
    const struct slice *name;
    struct heard *of;      /* each name */
    struct asking_turn *v; /* all, in the order in which they are asked for */
    size_t n, next;
    int64_t end;
};
struct asking_turn {
    int64_t turn;
    size_t i; /* of the name */
};

static bool is_left_alone(const struct heard *h)
{
    return h->at >= 0 && h->leads == LEADS_UNKNOWN && rt_now() / RT_S < h->at + CERTIFICATE_SILENT_S;
}

static int by_turn(const void *x, const void *y)
{
    const struct asking_turn *a = x, *b = y;
    if (a->turn != b->turn) return a->turn < b->turn ? -1 : 1;
    return a->i < b->i ? -1 : a->i > b->i;
}

/* Who has waited longest comes first, and who was silent waits longer: when the time is too short for all,
 * the next look goes on where this one ends, and the dead keep nobody from being asked for. */
static void line_up(struct asking *x, struct arena *a)
{
    struct web_names *w = x->core->web;
    x->of = ar_array(a, struct heard, x->n + 1);
    x->v = ar_array(a, struct asking_turn, x->n + 1);
    lock_take(&w->lock);
    for (size_t i = 0; i < x->n; i++) x->of[i] = heard_of(&w->heard, x->name[i]);
    lock_release(&w->lock);
    for (size_t i = 0; i < x->n; i++) {
        bool silent = x->of[i].at >= 0 && x->of[i].leads == LEADS_UNKNOWN;
        x->v[i] = (struct asking_turn){x->of[i].at + (silent ? CERTIFICATE_BEHIND_S : 0), i};
    }
    if (x->n) qsort(x->v, x->n, sizeof *x->v, by_turn);
}

/* What was heard of names that are no longer ours is forgotten. */
static void keep_heard(const struct asking *x)
{
    struct web_names *w = x->core->web;
    struct map m, old;
    map_init(&m, false);
    for (size_t i = 0; i < x->n; i++)
        if (x->of[i].at >= 0) map_put(&m, x->name[i], heard_pack(x->of[i]));
    lock_take(&w->lock);
    old = w->heard;
    w->heard = m;
    lock_release(&w->lock);
    map_free(&old);
}

static void ask_some(void *arg)
{
    struct asking *x = arg;
    struct arena a = {0};
    enum core_leads leads;
    while (x->next < x->n && rt_now() < x->end && !fiber_canceled()) {
        size_t i = x->v[x->next++].i;
        ar_reset(&a);
        if (is_left_alone(&x->of[i])) continue;
        if (core_leads_here(x->core, &a, x->name[i], &leads)) break;
        x->of[i] = (struct heard){rt_now() / RT_S, leads};
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

/* In the order of their names: another start of the program must not choose others. *left_out: domains that
 * are too many. */
static size_t web_names_of(struct core *core, struct arena *a, struct slice **out, size_t *left_out)
{
    static const char *const web[] = {"mta-sts.", "autoconfig.", "autodiscover."};
    struct slice *domain;
    size_t ndomains, n = 0;
    directory_domains(core->store->directory, a, &domain, &ndomains);
    if (ndomains) qsort(domain, ndomains, sizeof *domain, by_name);
    *left_out = ndomains > CERTIFICATE_DOMAINS ? ndomains - CERTIFICATE_DOMAINS : 0;
    ndomains -= *left_out;
    *out = ar_array(a, struct slice, ndomains * COUNT_OF(web) + 1);
    for (size_t i = 0; i < ndomains; i++)
        for (size_t k = 0; k < COUNT_OF(web); k++) (*out)[n++] = ar_cat(a, sl_cstr(web[k]), domain[i]);
    return n;
}

static void tell_unasked(struct web_names *w, const struct asking *x, size_t left_out)
{
    size_t unasked = 0;
    for (size_t i = 0; i < x->n; i++) unasked += x->of[i].at < 0;
    lock_take(&w->lock);
    bool news = unasked && unasked != w->unasked, news_left_out = left_out && left_out != w->left_out;
    w->unasked = unasked;
    w->left_out = left_out;
    lock_release(&w->lock);
    if (news)
        log_warn("acme",
                 "of %zu of %zu web names the DNS was not asked yet in %d seconds: the next look does",
                 unasked, x->n, CERTIFICATE_ASKING_S);
    if (news_left_out)
        log_warn("acme", "the web names of %zu domains get no certificate: those of the first %d by name do",
                 left_out, CERTIFICATE_DOMAINS);
}

/* Which silent names the present certificate is for. A damaged one is for none. */
static int hold_places(const struct asking *x, struct arena *a, bool *holds)
{
    struct acme_kept k;
    int e = acme_kept(x->core->store->kv, a, SL(""), &k);
    for (size_t i = 0; !e && k.chain_pem.n && i < x->n; i++) {
        if (x->of[i].leads != LEADS_UNKNOWN) continue;
        holds[i] = cert_is_for(k.chain_pem, x->name[i]);
        fiber_breathe();
    }
    return err_is_damage(e) ? 0 : e;
}

/* The first ones stand in the node's certificate. None takes the place of one that is silent for a while:
 * that would be a certificate without it, and one more when it is heard of again. */
static int sort_out(struct asking *x, struct arena *a, struct acme_names *out)
{
    struct web_names *w = x->core->web;
    bool *holds = ar_array(a, bool, x->n + 1);
    int e = hold_places(x, a, holds);
    if (e) return e;
    out->silent = ar_array(a, struct slice, x->n + 1);
    lock_take(&w->lock);
    buf_clear(&w->more);
    for (size_t i = 0, places = out->n; i < x->n; i++) {
        enum core_leads leads = x->of[i].leads;
        if (leads == LEADS_UNKNOWN) {
            out->silent[out->nsilent++] = x->name[i];
            places += holds[i];
        } else if (leads == LEADS_HERE && places < ACME_NAMES_MAX) {
            out->v[out->n++] = x->name[i];
            places++;
        } else if (leads == LEADS_HERE) {
            buf_printf(&w->more, "%.*s\n", SLF(x->name[i]));
        }
    }
    lock_release(&w->lock);
    return 0;
}

int core_certificate_names(void *ctx, struct arena *a, struct acme_names *out)
{
    struct core *core = ctx;
    struct slice *name;
    size_t left_out;
    struct asking x = {.core = core, .end = rt_now() + CERTIFICATE_ASKING_S * RT_S};
    x.n = web_names_of(core, a, &name, &left_out);
    x.name = name;
    *out = (struct acme_names){.v = ar_array(a, struct slice, ACME_NAMES_MAX), .n = 1};
    out->v[0] = core->conf->hostname;
    line_up(&x, a);
    int e = ask_all(&x);
    keep_heard(&x);
    if (e) return e;
    tell_unasked(core->web, &x, left_out);
    return sort_out(&x, a, out);
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
