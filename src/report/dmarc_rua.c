/* dmarc_rua.c - which addresses may be sent a report (RFC 9990, "Verifying External Destinations"). */
#include "base/text.h"
#include "dmarc_report.h"

static struct slice host_of(struct slice mailbox) { return sl_from(mailbox, sl_rchr(mailbox, '@') + 1); }

static int org_of(struct dns *d, struct arena *a, struct slice domain, struct slice *org)
{
    struct dmarc_walk w;
    int e = dmarc_tree_walk(d, a, domain, &w);
    if (e) return e;
    if (w.temperror) return err_set(ERR_DNS, "%.*s", SLF(w.problem));
    *org = w.org;
    return 0;
}

static void refuse(struct dmarc_destination *out, bool temporary, struct slice why)
{
    out->allowed = false;
    out->temporary = temporary;
    out->why = why;
}

/* Step 9: the consumer may name another mailbox, at the same host only. */
static void take_override(struct arena *a, const struct dmarc_record *r, struct slice host,
                          struct dmarc_destination *out)
{
    if (!r->nrua) return;
    for (size_t i = 0; i < r->nrua; i++)
        if (!r->rua[i].mailbox.n || !sl_eqi(host_of(r->rua[i].mailbox), host)) {
            refuse(out, false, ar_printf(a, "%.*s would have the reports sent elsewhere", SLF(host)));
            return;
        }
    out->mailbox = r->rua[0].mailbox;
}

/* Steps 2 to 8. */
static int ask_consumer(struct dns *d, struct arena *a, struct slice policy_domain, struct slice host,
                        struct dmarc_destination *out)
{
    struct dns_answer ans = {0};
    struct slice name = ar_printf(a, "%.*s._report._dmarc.%.*s", SLF(policy_domain), SLF(host));
    if (!dns_name_ok(name)) {
        refuse(out, false, ar_printf(a, "the name with which %.*s could agree would be too long", SLF(host)));
        return 0;
    }
    int e = dns_ask(d, a, name, DNS_TXT, &ans);
    if (e) return e;
    for (size_t i = 0; i < ans.n; i++) {
        struct dmarc_record *r = ar_new(a, struct dmarc_record);
        if (dmarc_record_parse(a, ans.rr[i].txt, r) != 0) continue;
        out->allowed = true;
        take_override(a, r, host, out);
        return 0;
    }
    bool later = ans.status == DNS_TEMPFAIL;
    refuse(out, later,
           later ? ar_printf(a, "the DNS gave no answer whether %.*s takes reports", SLF(host))
                 : ar_printf(a, "%.*s has not agreed to take reports for %.*s (no TXT at %.*s)", SLF(host),
                             SLF(policy_domain), SLF(name)));
    return 0;
}

static int check_one(struct dns *d, struct arena *a, struct slice policy_domain, struct slice org,
                     struct dmarc_destination *out)
{
    struct slice host = ar_lower(a, host_of(out->mailbox)), its_org = host;
    if (sl_eqi(host, policy_domain) || sl_eqi(host, org)) {
        out->allowed = true;
        return 0;
    }
    int e = org_of(d, a, host, &its_org);
    if (e == ERR_DNS) {
        refuse(out, true, ar_dup(a, sl_cstr(err_text(e))));
        return 0;
    }
    if (e) return e;
    out->allowed = sl_eqi(its_org, org);
    return out->allowed ? 0 : ask_consumer(d, a, policy_domain, host, out);
}

int dmarc_report_destinations(struct dns *d, struct arena *a, struct slice policy_domain,
                              const struct dmarc_record *r,
                              struct dmarc_destination out[DMARC_DESTINATIONS_MAX])
{
    struct slice org = policy_domain;
    int n = 0;
    if (!r->nrua) return 0;
    int64_t before = deadline_narrow(DEADLINE_IN(DMARC_SECONDS * RT_S));
    int e = org_of(d, a, policy_domain, &org);
    if (e == ERR_DNS) e = 0; /* then only addresses in the very domain are inside */
    for (size_t i = 0; i < r->nrua && n < DMARC_DESTINATIONS_MAX && e == 0; i++) {
        if (!r->rua[i].mailbox.n) continue;
        out[n] = (struct dmarc_destination){.mailbox = r->rua[i].mailbox, .max_bytes = r->rua[i].max_bytes};
        e = check_one(d, a, policy_domain, org, &out[n]);
        n++;
    }
    deadline_restore(before);
    return e ? e : n;
}
