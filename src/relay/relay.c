/* relay.c - a letter to one domain: its servers are found and tried in order until each
 * recipient has an answer. */
#include "relay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay_i.h"

enum {
    SITE_CONNECTIONS = 20,
    ADDRESSES_TRIED = 8,   /* of one attempt */
    SESSIONS_TRIED = 2,    /* with servers that answered: one that says "later" has a second */
    LETTERS_A_SESSION = 100,
};
#define NO_TLS_FOR (600 * RT_S)

struct delivery {
    struct relay *relay;
    struct attempt_letter *at;
    struct site *site;
    struct attempt_rcpt **open; /* still without a final answer */
    size_t nopen;
    int sessions, tries;
};

static void give_open(struct delivery *d, const struct verdict *v, const char *host)
{
    for (size_t i = 0; i < d->nopen; i++) {
        struct attempt_rcpt *r = d->open[i];
        r->result = v->result;
        r->code = v->code;
        memcpy(r->enhanced, v->enhanced, sizeof r->enhanced);
        r->reply = v->text;
        r->tls = (struct slice){0};
        r->host = ar_dup(d->at->a, sl_cstr(host));
    }
}

static void drop_answered(struct delivery *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->nopen; i++)
        if (d->open[i]->result == ATTEMPT_TEMPORARY) d->open[n++] = d->open[i];
    d->nopen = n;
}

/* ---- one session ---- */

/* Lets the peer take the open recipients, in as many transactions as it wants. The session is
 * kept or closed afterwards; the place at the site is given up with it. False: a kept session
 * had gone stale, and nothing was said. */
static bool use_peer(struct delivery *d, struct peer *p)
{
    const struct relay_conf *conf = &d->relay->conf;
    size_t most = p->rcpt_max && p->rcpt_max < d->nopen ? p->rcpt_max : d->nopen;
    bool usable = true, fresh = false, kept = p->letters > 0;
    for (size_t at = 0; usable && at < d->nopen; at += most) {
        size_t n = d->nopen - at < most ? d->nopen - at : most;
        transaction(conf, p, d->at, d->open + at, n, &usable, &fresh);
        if (p->letters >= LETTERS_A_SESSION) break;
    }
    bool stale = kept && fresh;
    if (usable && p->letters < LETTERS_A_SESSION) {
        site_keep(d->site, p);
    } else {
        peer_close(&p, true);
        site_leave(d->site);
    }
    if (!stale) d->sessions++;
    drop_answered(d);
    return !stale;
}

/* A new session. True when the peer could be talked to. */
static bool try_address(struct delivery *d, const struct mx_host *host, const struct ip *ip)
{
    struct peer *p = NULL;
    struct verdict why = {0};
    bool tls = d->site->no_tls_until <= rt_now();
    int e = peer_open(&d->relay->conf, d->at->a, host, ip, tls, &p, &why);
    if (e == 1) { /* opportunistic: rather in clear than not at all (RFC 7435) */
        log_info("relay", "%s: TLS failed, trying without: %.*s", p->host, SLF(why.text));
        d->site->no_tls_until = rt_now() + NO_TLS_FOR;
        conn_close(&p->c);
        free(p);
        p = NULL;
        e = peer_open(&d->relay->conf, d->at->a, host, ip, false, &p, &why);
    }
    if (e) {
        give_open(d, &why, p->host);
        peer_close(&p, true);
        site_leave(d->site);
        site_failed(d->site, &why);
        return false;
    }
    d->site->failures = 0;
    use_peer(d, p);
    return true;
}

/* ---- the whole ---- */

static void fail_all(struct delivery *d, enum attempt result, const char *enhanced, struct slice text)
{
    struct verdict v;
    verdict_set(&v, result, enhanced, text);
    give_open(d, &v, "");
}

/* The host whose answer to the final dot was lost knows best. */
static void put_first(struct mx_list *l, struct slice host)
{
    size_t blank = sl_chr(host, ' ');
    struct slice name = blank == SL_NONE ? host : sl_sub(host, 0, blank);
    for (size_t i = 1; name.n && i < l->n; i++) {
        if (!sl_eqi(l->v[i].name, name)) continue;
        struct mx_host h = l->v[i];
        memmove(l->v + 1, l->v, i * sizeof *l->v);
        l->v[0] = h;
        return;
    }
}

static bool goes_on(const struct delivery *d)
{
    return d->nopen && d->sessions < SESSIONS_TRIED && d->tries < ADDRESSES_TRIED && !fiber_canceled();
}

static int enter(struct delivery *d, struct peer **kept)
{
    int e = site_enter(d->site, kept);
    if (!e) return 0;
    fail_all(d, ATTEMPT_TEMPORARY, "4.4.5",
             e == ERR_CANCELED ? SL("the server is shutting down")
                               : SL("no connection to this site came free: as many as allowed are in use"));
    return e;
}

static void try_hosts(struct delivery *d, const struct mx_list *l)
{
    struct peer *kept;
    size_t addresses = 0;
    for (size_t i = 0; i < l->n; i++) addresses += l->v[i].n;
    for (;;) { /* kept sessions first; one that has gone stale costs nothing but the next */
        if (enter(d, &kept) != 0) return;
        if (!kept) break;
        if (use_peer(d, kept) && !d->nopen) return;
        if (d->sessions) { /* it said "later": another server may not */
            if (addresses == 1 || enter(d, &kept) != 0) return;
            if (kept) peer_close(&kept, true);
            break;
        }
    }
    bool place = true; /* try_address gives it up */
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < l->v[i].n && goes_on(d); k++) {
            if (!place && enter(d, &kept) != 0) return;
            if (!place && kept) peer_close(&kept, true);
            d->tries++;
            place = false;
            try_address(d, &l->v[i], &l->v[i].ip[k]);
        }
    if (place) site_leave(d->site);
}

static void deliver(struct delivery *d)
{
    struct mx_list hosts;
    struct verdict why;
    int64_t now = rt_now();
    if (mx_find(&d->relay->conf, d->at->a, d->at->domain, &hosts, &why) != 0) {
        give_open(d, &why, "");
        return;
    }
    put_first(&hosts, d->at->first_host);
    d->site = site_get(&d->relay->loop[rt_loop_id()], hosts.site);
    if (d->site->down_until > now)
        fail_all(d, ATTEMPT_TEMPORARY, "4.4.1",
                 ar_printf(d->at->a, "the site could not be reached a moment ago: %s", d->site->down_why));
    else
        try_hosts(d, &hosts);
    site_put(d->site);
}

void relay_deliver(void *relay, struct attempt_letter *at)
{
    struct delivery d = {.relay = relay, .at = at, .nopen = at->nrcpt};
    d.open = ar_array(at->a, struct attempt_rcpt *, at->nrcpt);
    for (size_t i = 0; i < at->nrcpt; i++) d.open[i] = &at->rcpt[i];
    fail_all(&d, ATTEMPT_TEMPORARY, "4.4.0", SL("it was not tried"));
    int64_t before = deadline_narrow(at->until);
    deliver(&d);
    deadline_restore(before);
}

/* ---- open and close ---- */

static int init_loop(void *arg)
{
    struct relay_loop *l = arg;
    map_init(&l->sites, true);
    group_init(&l->fibers);
    return 0;
}

int relay_open(struct relay **out, const struct relay_conf *conf)
{
    struct relay *r = xcalloc(1, sizeof *r);
    uint32_t most = conf->site_connections ? conf->site_connections : SITE_CONNECTIONS;
    r->conf = *conf;
    int loops = rt_loops() < RELAY_LOOPS_MAX ? rt_loops() : RELAY_LOOPS_MAX;
    r->per_loop = most / (uint32_t)loops ? most / (uint32_t)loops : 1;
    for (int i = 0; i < loops; i++) {
        r->loop[i].relay = r;
        rt_call(i, init_loop, &r->loop[i]);
    }
    *out = r;
    return 0;
}

void relay_close(struct relay **r)
{
    if (!*r) return;
    for (int i = 0; i < rt_loops() && i < RELAY_LOOPS_MAX; i++) rt_call(i, site_close_all, &(*r)->loop[i]);
    free(*r);
    *r = NULL;
}
