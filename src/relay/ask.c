/* ask.c - what the hosts of a domain must show before a letter goes to them: DANE decides, where there are
 * TLSA records; else the domain's MTA-STS policy (RFC 8461 section 2). */
#include "relay_i.h"

int mx_policy(const struct relay_conf *c, struct arena *a, struct mx_list *l)
{
    if (l->sts_asked) return 0;
    int e = c->sts && l->domain.n ? sts_find(c->sts, c->dns, a, ar_lower(a, l->domain), &l->sts) : 0;
    l->sts_asked = !e;
    return e;
}

static bool enforces(const struct mx_list *l)
{
    return l->sts.known && l->sts.policy.mode == MTA_STS_ENFORCE;
}

bool mx_proved(const struct mx_list *l) { return l->secure || enforces(l); }

/* RFC 8461 section 4, 5. */
static void by_policy(struct arena *a, const struct mx_list *l, struct mx_host *h)
{
    if (!enforces(l)) {
        if (l->sts.known && h->policy.level == POLICY_ANY)
            h->policy.why = ar_printf(a, "the MTA-STS policy of %.*s (mode %s) binds nobody", SLF(l->domain),
                                      mta_sts_mode_name(l->sts.policy.mode));
        return;
    }
    h->policy.shut = !mta_sts_allows(&l->sts.policy, h->name);
    h->policy.level = h->policy.shut ? POLICY_ANY : POLICY_PKIX;
    h->policy.why =
        ar_printf(a, "the MTA-STS policy of %.*s %s", SLF(l->domain),
                  h->policy.shut ? "does not name it" : "asks for a certificate that is valid for the host");
}

/* What the operator's route asks counts whatever the letter sets aside: there may be a password to keep. */
static void ask_by_route(struct mx_list *l, struct mx_host *h)
{
    static const enum policy_level least[] = {[ROUTE_TLS_MAY] = POLICY_ANY,
                                              [ROUTE_TLS_NONE] = POLICY_ANY,
                                              [ROUTE_TLS_ENCRYPTED] = POLICY_ENCRYPTED,
                                              [ROUTE_TLS_VERIFIED] = POLICY_PKIX};
    if (!l->route || h->policy.level >= least[l->route->tls]) return;
    h->policy.level = least[l->route->tls];
    h->policy.why = h->policy.level == POLICY_PKIX
                        ? SL("the route asks for a certificate that is valid for the host")
                        : SL("the route asks for TLS");
}

int mx_judge(const struct relay_conf *c, struct arena *a, struct mx_list *l, struct mx_host *h)
{
    struct dane_host dane = {.name = h->name,
                             .canon = h->canon,
                             .secure = h->secure,
                             .port = h->port ? h->port : c->port,
                             .next_hop = l->domain,
                             .next_hop_canon = l->canon};
    if (h->judged) return 0;
    h->policy = (struct policy){.why = SL("nothing is asked of it")};
    bool none = h->path.n || (l->route && l->route->tls == ROUTE_TLS_NONE);
    bool free = l->anyhow || !c->tls || !l->domain.n || none; /* an address has neither keys nor a policy */
    int e = 0;
    if (!free && l->secure) e = dane_find(c->dns, a, &dane, &h->policy);
    /* records that cannot be used prove nobody: the policy still does */
    if (!e && !free && !h->policy.shut && h->policy.level != POLICY_DANE) {
        e = mx_policy(c, a, l);
        if (!e) by_policy(a, l, h);
    }
    if (!e && !none) ask_by_route(l, h);
    h->judged = !e;
    return e;
}

/* ---- reports ---- */

static enum policy_kind kind_of(const struct mx_list *l, const struct mx_host *h)
{
    if (h->policy.level == POLICY_DANE || h->policy.level == POLICY_ENCRYPTED || h->policy.bogus)
        return POLICY_KIND_TLSA;
    return l->sts.known && l->sts.policy.mode != MTA_STS_NONE ? POLICY_KIND_STS : POLICY_KIND_NONE;
}

/* A policy that could not be had is told with each session, as a failure of its own (RFC 8461 section 6). */
static void note_trouble(const struct relay_conf *c, const struct mx_list *l, struct policy_session s)
{
    static const enum policy_result results[] = {[STS_FETCH_ERROR] = POLICY_STS_FETCH,
                                                 [STS_INVALID] = POLICY_STS_INVALID,
                                                 [STS_WEBPKI] = POLICY_STS_WEBPKI};
    if (!l->sts.trouble) return;
    s.kind = POLICY_KIND_STS;
    s.result = results[l->sts.trouble];
    s.reason = l->sts.why;
    c->note(c->note_ctx, &s);
}

/* With `testing` a session that a policy would not have allowed is one that failed. */
static void judge_testing(const struct mx_list *l, const struct mx_host *h, struct policy_session *s)
{
    if (s->kind != POLICY_KIND_STS || mta_sts_allows(&l->sts.policy, h->name)) return;
    s->result = POLICY_FAILURE;
    s->reason = SL("the policy does not name this host");
}

void mx_note(const struct relay_conf *c, const struct mx_list *l, const struct mx_host *h,
             const struct peer *p)
{
    struct policy_session s = {.domain = l->domain,
                               .kind = kind_of(l, h),
                               .policy = &h->policy,
                               .sts = &l->sts,
                               .host = h->name,
                               .source = c->source};
    if (!c->note || l->anyhow || !l->domain.n || l->route) return;
    if (!p) {
        s.result = h->policy.bogus ? POLICY_DNSSEC_INVALID : POLICY_FAILURE;
        s.reason = h->policy.why;
        if (s.kind == POLICY_KIND_NONE) return; /* the DNS did not answer: that passes */
        c->note(c->note_ctx, &s);
        return;
    }
    if (!p->told) return;
    s.ip = p->ip;
    s.source = relay_from(c, &p->ip);
    if (ip_is_unspecified(&s.source)) s.source = (struct ip){0};
    s.result = p->outcome;
    s.reason = sl_cstr(p->reason);
    if (s.kind == POLICY_KIND_NONE && s.result != POLICY_NO_STARTTLS && p->c && conn_is_tls(p->c))
        s.result = POLICY_SUCCESS; /* nobody asked for a certificate */
    judge_testing(l, h, &s);
    note_trouble(c, l, s);
    c->note(c->note_ctx, &s);
}
