/* relay.c - a letter to one domain: its servers are found and tried in order until each
 * recipient has an answer. */
#include "relay.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "relay_i.h"

enum {
    ADDRESSES_TRIED = 8, /* of one attempt */
    SESSIONS_TRIED = 2,  /* with servers that answered: one that says "later" has a second */
};

struct delivery {
    struct relay *relay;
    struct relay_conf conf; /* the relay's, but asking the DNS for this sender alone */
    struct attempt_letter *at;
    struct pool *pool;
    struct attempt_rcpt **open; /* still without a final answer */
    size_t nopen;
    int sessions, tries;
    bool asked;       /* some server was */
    struct slice cut; /* what the proxy of the source did wrong; or empty */
    bool left_out;    /* some address was not tried, because it did not answer a moment ago */
    bool astray;      /* the last server lost count: it is to be asked again, step by step */
};

static struct reach_path path_to(const struct delivery *d, const struct ip *ip)
{
    return (struct reach_path){*ip, relay_from(&d->conf, ip)};
}

static void give_open(struct delivery *d, const struct verdict *v, const char *host)
{
    for (size_t i = 0; i < d->nopen; i++) {
        struct attempt_rcpt *r = d->open[i];
        r->result = v->result;
        r->elsewhere = v->elsewhere;
        r->code = v->code;
        memcpy(r->enhanced, v->enhanced, sizeof r->enhanced);
        r->reply = v->text;
        r->tls = (struct slice){0};
        r->host = ar_dup(d->at->a, sl_cstr(host));
    }
}

/* What one server refuses for its own limits stays open: the next one may take it. Who lost count said
 * nothing of anybody. True: some server said "later". */
static bool drop_answered(struct delivery *d)
{
    size_t n = 0;
    bool later = false;
    for (size_t i = 0; i < d->nopen; i++) {
        struct attempt_rcpt *r = d->open[i];
        bool open = r->result == ATTEMPT_TEMPORARY, now = open && !(d->astray && r->code == 503);
        r->later |= now;
        later |= now;
        if (open || (r->result == ATTEMPT_PERMANENT && r->elsewhere)) d->open[n++] = r;
    }
    d->nopen = n;
    return later;
}

/* A refusal for one server's own limits is the last word when every server was asked and none
 * said "later". */
static void close_open(struct delivery *d)
{
    for (size_t i = 0; i < d->nopen; i++) {
        struct attempt_rcpt *r = d->open[i];
        if (r->later || d->left_out || fiber_canceled()) r->result = ATTEMPT_TEMPORARY;
    }
}

/* ---- one session ---- */

/* Nothing is under way, in either direction: an answer that came before its command leaves that unsent. */
static bool is_quiet(const struct peer *p) { return !conn_peek(p->c).n && !conn_pending(p->c); }

/* Lets the peer take the open recipients, in as many transactions as it wants. The session is
 * kept or closed afterwards; the place at the site is given up with it. False: a kept session
 * had gone stale, and nothing was said, or the server lost count of what was. */
static bool use_peer(struct delivery *d, struct peer *p)
{
    unsigned letters = d->pool->limits.v[SHAPE_LETTERS].n;
    if (p->mail_max && p->mail_max < letters) letters = p->mail_max;
    size_t most = d->pool->limits.v[SHAPE_RECIPIENTS].n;
    if (p->rcpt_max && p->rcpt_max < most) most = p->rcpt_max;
    struct transaction_end end = {.usable = true};
    bool kept = p->letters > 0;
    struct reach_path path = path_to(d, &p->ip);
    d->astray = false;
    if (kept &&
        conn_peek(p->c).n) { /* it goes, or says what nobody asked: no answer would be to what we say */
        peer_close(&p, false);
        pool_leave(d->pool);
        return false;
    }
    if (kept) peer_serves(p, d->at->domain);
    if (!reach_pipelines(d->pool->home, &path)) p->ext &= ~(unsigned)SMTP_EXT_PIPELINING;
    for (size_t at = 0; end.usable && at < d->nopen; at += most) {
        size_t n = d->nopen - at < most ? d->nopen - at : most;
        end = transaction(&d->conf, p, d->at, d->open + at, n);
        if (p->letters >= letters) break;
    }
    d->astray = end.astray;
    bool stale = (kept && end.fresh) || d->astray;
    if (d->astray) {
        if (p->ext & SMTP_EXT_PIPELINING) reach_astray(d->pool->home, &path);
        conn_abort(p->c); /* whatever was said now might be heard as a letter */
    }
    if (p->degraded) /* refused for being in clear, perhaps: TLS has its chance next time */
        for (size_t i = 0; i < d->nopen; i++)
            if (d->open[i]->code / 100 == 5) reach_set_tls(d->pool->home, &path, true);
    if (end.usable && p->letters < letters && is_quiet(p)) {
        pool_keep(d->pool, p);
    } else {
        peer_close(&p, true);
        pool_leave(d->pool);
    }
    bool later = drop_answered(d);
    d->asked |= !stale || (d->astray && !kept);
    d->sessions += !stale && later;
    return !stale;
}

static bool may_open(struct delivery *d)
{
    bool may = attempt_may_open(d->at);
    d->at->no_room = !may && !d->asked && !d->tries;
    return may;
}

/* It says nothing itself: when no word comes from anywhere it is no receiver's doing. */
static void judge_unheard(struct delivery *d, const struct mx_list *l, struct verdict *why)
{
    char at[ENDPOINT_TEXT_MAX];
    if (!why->unheard || !attempt_source_unheard(d->at, l->site)) return;
    why->cut = true;
    why->text = ar_printf(d->at->a, "its proxy %s ends every connection before a word comes from a receiver",
                          endpoint_format(&d->conf.via->at, at));
}

/* What is known of the proxy by which it was tried, if there is one. */
static void note_proxy(struct delivery *d, struct verdict *why, bool works)
{
    if (works) attempt_source_works(d->at);
    if (!why->cut) return;
    d->cut = why->text;
    d->left_out = true;
    why->text = ar_printf(d->at->a, "the source %.*s: %.*s", SLF(d->conf.via->name), SLF(d->cut));
}

/* A new session, over a connection that is open already, or NULL. */
static void try_address(struct delivery *d, const struct mx_list *hosts, const struct mx_host *host,
                        const struct ip *ip, struct conn *c)
{
    struct relay_loop *l = d->pool->home;
    struct peer *p = NULL;
    struct verdict why = {0};
    struct reach_path path = path_to(d, ip);
    bool use_tls = host->policy.level != POLICY_ANY || reach_tls(l, &path);
    struct peer_to to = {host, ip, c, d->at->domain};
    d->astray = false;
    int e = peer_open(&d->conf, hosts->route, d->at->a, &to, use_tls, &p, &why);
    judge_unheard(d, hosts, &why);
    note_proxy(d, &why, p->via == VIA_WORKS);
    mx_note(&d->conf, hosts, host, p);
    if (e == 1) { /* opportunistic: rather in clear than not at all (RFC 7435) */
        log_info("relay", "%s: TLS failed, trying without: %.*s", p->host, SLF(why.text));
        reach_set_tls(l, &path, false);
        if (may_open(d)) {
            peer_close(&p, false);
            to.c = NULL;
            e = peer_open(&d->conf, hosts->route, d->at->a, &to, false, &p, &why);
            note_proxy(d, &why, p->via == VIA_WORKS);
        }
    }
    if (e) {
        why.elsewhere = true;
        give_open(d, &why, p->host);
        drop_answered(d);
        peer_close(&p, true);
        pool_leave(d->pool);
        if (e < 0 && !why.policy && !why.cut)
            reach_failed(l, &path, &why); /* else it answers, and is asked in clear the next time */
        return;
    }
    reach_good(l, &path);
    use_peer(d, p);
}

/* ---- the whole ---- */

static void fail_all(struct delivery *d, enum attempt result, const char *enhanced, struct slice text)
{
    struct verdict v;
    verdict_set(&v, result, enhanced, text);
    give_open(d, &v, "");
}

/* The host that is meant with "mx.two.test [127.0.0.3]:25", or NULL. */
static struct mx_host *host_named(const struct mx_list *l, struct slice text)
{
    size_t blank = sl_chr(text, ' ');
    struct slice name = blank == SL_NONE ? text : sl_sub(text, 0, blank);
    for (size_t i = 0; name.n && i < l->n; i++)
        if (sl_eqi(l->v[i].name, name)) return &l->v[i];
    return NULL;
}

/* The host whose answer to the final dot was lost knows best. */
static void put_first(struct mx_list *l, struct slice host)
{
    struct mx_host *at = host_named(l, host), h;
    if (!at) return;
    h = *at;
    memmove(l->v + 1, l->v, (size_t)(at - l->v) * sizeof *l->v);
    l->v[0] = h;
}

static bool goes_on(const struct delivery *d)
{
    return d->nopen && !d->cut.n && d->sessions < SESSIONS_TRIED && d->tries < ADDRESSES_TRIED &&
           !fiber_canceled();
}

static int enter(struct delivery *d, struct peer **kept)
{
    int e = pool_enter(d->pool, kept);
    if (!e) return 0;
    fail_all(d, ATTEMPT_TEMPORARY, "4.4.5",
             e == ERR_CANCELED ? SL("the server is shutting down")
                               : SL("no connection to this site came free: as many as allowed are in use"));
    return e;
}

/* A host of this domain, which has shown what the domain asks? Sessions are kept for all domains of a site,
 * whose less preferred hosts may differ. */
static bool may_use(struct delivery *d, struct mx_list *l, const struct peer *p)
{
    struct mx_host *h = host_named(l, sl_cstr(p->host));
    if (!h || mx_judge(&d->conf, d->at->a, l, h) != 0) return false;
    return !h->policy.shut && peer_suits(p, &h->policy, l->domain);
}

/* Kept sessions first; one that has gone stale costs nothing but the next. True: a place for a
 * session of our own is there, and reason to open it. */
static bool try_kept(struct delivery *d, struct mx_list *l, size_t addresses)
{
    struct peer *kept;
    for (;;) {
        if (enter(d, &kept) != 0) return false;
        if (!kept) return true;
        if (!may_use(d, l, kept)) {
            peer_close(&kept, true);
            return true;
        }
        attempt_asks(d->at);
        if (use_peer(d, kept) && !d->nopen) return false;
        if (!d->asked) continue;
        /* it said "later", or "not here": another server may not */
        if (addresses == 1 || enter(d, &kept) != 0) return false;
        if (kept) peer_close(&kept, true);
        return true;
    }
}

/* Is the host passed over for now, because nobody can tell what it must show? */
static bool is_shut(struct delivery *d, struct mx_list *l, struct mx_host *h)
{
    int e = mx_judge(&d->conf, d->at->a, l, h);
    if (!e && !h->policy.shut) return false;
    fail_all(d, ATTEMPT_TEMPORARY, "4.7.5",
             e ? ar_printf(d->at->a, "what %.*s must show is not known: %s", SLF(h->name), err_text(e))
               : ar_printf(d->at->a, "%.*s is passed over: %.*s", SLF(h->name), SLF(h->policy.why)));
    d->left_out = true;
    if (!e) mx_note(&d->conf, l, h, NULL);
    return true;
}

/* From the address that it leaves from only hosts of its family can be reached, and a Unix socket from any.
 */
static bool fits(const struct delivery *d, const struct ip *ip)
{
    struct ip from = relay_from(&d->conf, ip);
    return !ip->family || !from.family || from.family == ip->family;
}

/* ---- a host with its addresses ---- */

/* IPv6 and IPv4 in turns (RFC 8305 section 4); who was silent a moment ago comes last. */
static void order(struct delivery *d, const struct ip **v, size_t n)
{
    unsigned rank[MX_ADDRESSES_MAX], seen[2] = {0};
    for (size_t i = 0; i < n; i++) {
        struct reach_path path = path_to(d, v[i]);
        bool four = v[i]->family != 6;
        unsigned r = rank[i] = seen[four]++ * 2 + four + (reach_was_late(d->pool->home, &path) ? 1000 : 0);
        const struct ip *ip = v[i];
        size_t k = i;
        for (; k && rank[k - 1] > r; k--) rank[k] = rank[k - 1], v[k] = v[k - 1];
        rank[k] = r, v[k] = ip;
    }
}

/* Those that are left to be tried. */
static size_t left_of(struct delivery *d, const struct mx_host *h, bool *done, const struct ip **v)
{
    size_t n = 0;
    for (size_t k = 0; k < h->n; k++) {
        struct reach_path path = path_to(d, &h->ip[k]);
        if (done[k] || !fits(d, &path.to)) continue;
        done[k] = reach_down(d->pool->home, &path) != NULL;
        d->left_out |= done[k];
        if (!done[k]) v[n++] = &h->ip[k];
    }
    order(d, v, n);
    return n;
}

/* What is remembered of each; why: of the last that failed, but for the proxy's sake only if all did. True:
 * the proxy did its part for some. */
static bool note_race(struct delivery *d, const struct race *r, const struct ip **v, struct verdict *why)
{
    bool works = false;
    for (size_t i = 0; i < r->n; i++) {
        struct reach_path path = path_to(d, v[i]);
        struct verdict one;
        if (r->late[i]) reach_late(d->pool->home, &path);
        works |= r->part[i] == VIA_WORKS;
        if (!r->e[i]) continue;
        verdict_error(&one, d->at->a, err_set(r->e[i], "%s", r->why[i]), "");
        one.cut = r->part[i] == VIA_CUT;
        if (!one.cut) reach_failed(d->pool->home, &path, &one);
        if (!one.cut || !why->text.n) *why = one;
    }
    return works;
}

/* Whichever of several answers first. */
static void try_first(struct delivery *d, struct mx_list *l, struct mx_host *h, const struct ip **v, size_t n,
                      bool *done)
{
    struct race r = {.n = n, .conf = &d->conf, .until = DEADLINE_IN(PEER_CONNECT_TIME)};
    struct verdict why = {0};
    char name[PEER_HOST_MAX];
    for (size_t i = 0; i < n; i++)
        r.to[i] = (struct endpoint){.ip = *v[i], .port = h->port ? h->port : d->conf.port};
    int e = race_run(&r);
    bool works = note_race(d, &r, v, &why);
    for (size_t i = 0; i < n; i++) done[v[i] - h->ip] = e || r.e[i] || r.late[i] || i == r.winner;
    if (!e) {
        try_address(d, l, h, v[r.winner], r.c);
        if (d->astray) done[v[r.winner] - h->ip] = false;
        return;
    }
    if (!why.text.n) verdict_error(&why, d->at->a, e, "");
    note_proxy(d, &why, works);
    why.elsewhere = true;
    peer_name(&d->conf, h, v[0], name);
    give_open(d, &why, name);
    drop_answered(d);
    pool_leave(d->pool);
}

/* *place: there is a place for a connection. False: there is none for any other host. */
static bool try_host(struct delivery *d, struct mx_list *l, struct mx_host *h, bool *place)
{
    bool done[MX_ADDRESSES_MAX] = {false};
    const struct ip *v[MX_ADDRESSES_MAX];
    struct peer *kept;
    while (goes_on(d)) {
        size_t n = left_of(d, h, done, v);
        if (!n || is_shut(d, l, h)) return true;
        if (!*place && enter(d, &kept) != 0) return false;
        if (!*place && kept) peer_close(&kept, true);
        *place = false;
        if (!may_open(d)) { /* of this minute there are none left for the site */
            d->left_out = true;
            pool_leave(d->pool);
            return false;
        }
        d->tries++;
        if (n > 1) {
            try_first(d, l, h, v, n, done);
        } else {
            done[v[0] - h->ip] = true;
            try_address(d, l, h, v[0], NULL);
            if (d->astray) done[v[0] - h->ip] = false;
        }
    }
    return true;
}

static void try_hosts(struct delivery *d, struct mx_list *l)
{
    size_t addresses = 0;
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < l->v[i].n; k++) addresses += fits(d, &l->v[i].ip[k]);
    if (!try_kept(d, l, addresses)) return;
    bool place = true; /* try_address gives it up */
    for (size_t i = 0; i < l->n && try_host(d, l, &l->v[i], &place); i++) continue;
    if (place) pool_leave(d->pool);
}

/* Why none of the site's addresses is to be tried for now, or NULL. */
static const char *site_down(struct delivery *d, const struct mx_list *l)
{
    const char *why = NULL;
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < l->v[i].n; k++) {
            struct reach_path path = path_to(d, &l->v[i].ip[k]);
            if (!fits(d, &path.to)) continue;
            const char *one = reach_down(d->pool->home, &path);
            if (!one) return NULL;
            if (!why) why = one;
        }
    return why;
}

/* RFC 8689 section 4.2.1. */
static bool is_proved(struct delivery *d, struct mx_list *l)
{
    int e = l->secure ? 0 : mx_policy(&d->conf, d->at->a, l);
    if (!e && mx_proved(l)) return true;
    if (e)
        fail_all(d, ATTEMPT_TEMPORARY, "4.7.5",
                 ar_printf(d->at->a, "the policy of %.*s is not known: %s", SLF(d->at->domain), err_text(e)));
    else
        fail_all(d, l->sts.trouble ? ATTEMPT_TEMPORARY : ATTEMPT_PERMANENT,
                 l->sts.trouble ? "4.7.5" : "5.7.30",
                 ar_printf(d->at->a,
                           "the letter requires TLS all the way (REQUIRETLS), and neither DNSSEC nor MTA-STS "
                           "proves which servers are those of %.*s",
                           SLF(d->at->domain)));
    return false;
}

static unsigned families_of(const struct mx_list *l)
{
    unsigned all = 0;
    for (size_t i = 0; i < l->n; i++)
        for (size_t k = 0; k < l->v[i].n; k++)
            if (l->v[i].ip[k].family) all |= l->v[i].ip[k].family == 6 ? FROM_IPV6 : FROM_IPV4;
    return all; /* 0: of a Unix socket, which is reached from anywhere */
}

static void leave_from(struct delivery *d, const struct source *from)
{
    if (from->name.n) d->conf.source = from->ip, d->conf.other = (struct ip){0};
    if (from->via != VIA_NONE) d->conf.via = from;
    if (from->helo.n) d->conf.hostname = from->helo;
}

/* The host by which share/shaping knows the site, whichever of them comes first by chance: none (empty) where
 * it names only some of those that are preferred alike, or else a stranger's MX set that has a provider's
 * host beside his own would use up what that provider gets. */
static struct slice shaped_by(const struct delivery *d, const struct mx_list *l)
{
    struct slice rest = sl_trim(l->site), name, first = SL("");
    struct shape_limits all = {0}, one;
    if (!sl_starts(l->site, SL(" "))) return l->v[0].name; /* of a route, or an address */
    while (sl_next(&rest, ' ', &name)) {
        shaping_limits(d->relay->shaping, name, &one);
        if (!first.n) first = name, all = one;
        else if (!sl_eq(one.site, all.site)) return SL("");
    }
    return first;
}

static void deliver(struct delivery *d)
{
    struct mx_list hosts;
    struct verdict why;
    d->conf = d->relay->conf; /* what one sender asks for keeps no other's questions waiting */
    d->conf.dns = dns_share(d->at->a, d->conf.dns, sl_hash(d->at->letter->sender) | 1, DNS_SHARE_SENDER);
    if (d->at->families) d->conf.families = d->at->families;
    if (mx_find(&d->conf, d->at->a, d->at->letter->sender, d->at->domain, &hosts, &why) != 0) {
        give_open(d, &why, "");
        return;
    }
    hosts.anyhow = d->at->letter->wants.tls_optional;
    if (requires_tls(d->at->letter) && !is_proved(d, &hosts)) return;
    d->at->routed = hosts.route != NULL;
    struct slice host = shaped_by(d, &hosts);
    if (!attempt_place(d->at, hosts.site, host, families_of(&hosts))) return;
    if (hosts.route) d->at->from = (struct source){0};
    leave_from(d, &d->at->from);
    d->pool = pool_get(&d->relay->loop[rt_loop_id()], d->at->from.name, hosts.site, host);
    put_first(&hosts, d->at->first_host);
    const char *down = site_down(d, &hosts);
    if (down)
        fail_all(d, ATTEMPT_TEMPORARY, "4.4.1",
                 ar_printf(d->at->a, "the site could not be reached a moment ago: %s", down));
    else try_hosts(d, &hosts);
    if (d->cut.n) attempt_source_failed(d->at, d->cut, d->asked);
    close_open(d);
    pool_put(d->pool);
}

void relay_deliver(void *relay, struct attempt_letter *at)
{
    ASSERT(at->letter && at->source && at->rcpt && at->nrcpt);
    struct delivery d = {.relay = relay, .at = at, .nopen = at->nrcpt};
    d.open = ar_array(at->a, struct attempt_rcpt *, at->nrcpt);
    for (size_t i = 0; i < at->nrcpt; i++) d.open[i] = &at->rcpt[i];
    fail_all(&d, ATTEMPT_TEMPORARY, "4.4.0", SL("it was not tried"));
    int64_t before = deadline_narrow(at->until);
    deliver(&d);
    deadline_restore(before);
    convert_end(&at->converted);
}

/* ---- open and close ---- */

static int init_loop(void *arg)
{
    struct relay_loop *l = arg;
    map_init(&l->pools, true);
    map_init(&l->reach, false);
    group_init(&l->fibers);
    return 0;
}

int relay_open(struct relay **out, const struct relay_conf *conf)
{
    struct relay *r = xcalloc(1, sizeof *r);
    map_init(&r->berths, true);
    r->wake = pool_wake;
    r->conf = *conf;
    int e = shaping_open(&r->shaping);
    if (e) {
        free(r);
        return e;
    }
    int loops = rt_loops() < RELAY_LOOPS_MAX ? rt_loops() : RELAY_LOOPS_MAX;
    for (int i = 0; i < loops; i++) {
        r->loop[i].relay = r;
        rt_call(i, init_loop, &r->loop[i]);
    }
    *out = r;
    return 0;
}

/* What was posted to the loop before has run. */
static int turn(void *arg)
{
    (void)arg;
    return 0;
}

void relay_close(struct relay **r)
{
    if (!*r) return;
    for (int i = 0; i < rt_loops() && i < RELAY_LOOPS_MAX; i++) rt_call(i, pool_close_all, &(*r)->loop[i]);
    while (__atomic_load_n(&(*r)->calls, __ATOMIC_ACQUIRE)) /* also when whoever closes it is canceled */
        for (int i = 0; i < rt_loops(); i++) rt_call(i, turn, NULL);
    berth_free_all(*r);
    shaping_close(&(*r)->shaping);
    free(*r);
    *r = NULL;
}
