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
        if (l->sts.known)
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

int mx_judge(const struct relay_conf *c, struct arena *a, struct mx_list *l, struct mx_host *h)
{
    struct dane_host dane = {.name = h->name,
                             .canon = h->canon,
                             .secure = h->secure,
                             .port = c->port,
                             .next_hop = l->domain,
                             .next_hop_canon = l->canon};
    if (h->judged) return 0;
    h->policy = (struct policy){.why = SL("nothing is asked of it")};
    bool free = l->anyhow || !c->tls || !l->domain.n; /* an address has neither keys nor a policy */
    int e = 0;
    if (!free && l->secure) e = dane_find(c->dns, a, &dane, &h->policy);
    if (!e && !free && !h->policy.shut && h->policy.level == POLICY_ANY) {
        e = mx_policy(c, a, l);
        if (!e) by_policy(a, l, h);
    }
    h->judged = !e;
    return e;
}
