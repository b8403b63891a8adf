/* dns_check_spf.c - is the SPF record right, and what would be, with all that it allows already? */
#include "base/text.h"
#include "core/config.h"
#include "dns_check_i.h"
#include "source/source.h"
#include "spf/spf.h"

/* ---- the proposal ---- */

static bool has_term(const struct spf_record *r, struct slice text)
{
    for (size_t i = 0; i < r->n; i++)
        if (sl_eqi(r->term[i].text, text)) return true;
    return false;
}

/* Ours in front; then what the others allow; at the end the strictest that one of them says, or ours. */
struct slice dns_spf_proposal(struct arena *a, struct slice ours, const struct slice *there, size_t n)
{
    struct spf_record own, r, *old = ar_array(a, struct spf_record, n);
    struct slice all = SL("-all"), redirect = {0}, out = SL("v=spf1");
    bool ended = false;
    if (spf_record_parse(a, ours, &own)) return ours;
    for (size_t k = 0; k < own.n; k++)
        if (own.term[k].kind != SPF_ALL) out = ar_printf(a, "%.*s %.*s", SLF(out), SLF(own.term[k].text));
    for (size_t i = 0; i < n; i++) {
        if (spf_record_parse(a, there[i], &r)) continue;
        old[i] = r;
        for (size_t k = 0; k < r.n; k++) {
            struct slice text = r.term[k].text;
            bool again = has_term(&own, text);
            for (size_t j = 0; j < i; j++) again = again || has_term(&old[j], text);
            if (r.term[k].kind == SPF_ALL) ended = ended || r.term[k].result == SPF_FAIL;
            if (r.term[k].kind == SPF_ALL && !ended && r.term[k].result == SPF_SOFTFAIL) all = SL("~all");
            if (r.term[k].kind != SPF_ALL && !again) out = ar_printf(a, "%.*s %.*s", SLF(out), SLF(text));
        }
        if (r.redirect.n && !r.has_all) redirect = r.redirect;
    }
    if (ended) all = SL("-all");
    if (redirect.n && !ended) return ar_printf(a, "%.*s redirect=%.*s", SLF(out), SLF(redirect));
    return ar_printf(a, "%.*s %.*s", SLF(out), SLF(all));
}

static int propose(struct checking *c, const struct dns_line *l, struct slice *out)
{
    struct dns_answer d;
    int e = dns_ask(c->dns, c->a, l->name, DNS_TXT, &d);
    if (e) return e;
    struct slice *there = ar_array(c->a, struct slice, d.n);
    size_t n = 0;
    for (size_t i = 0; i < d.n; i++)
        if (spf_is_record(d.rr[i].txt)) there[n++] = d.rr[i].txt;
    *out = dns_txt_line(c->a, l->name, dns_spf_proposal(c->a, l->text, there, n));
    return 0;
}

/* ---- what is there ---- */

int dns_check_spf_line(struct checking *c, const struct dns_line *l)
{
    struct spf_audit s;
    struct slice line;
    int e = spf_audit(c->dns, c->a, l->name, &s);
    if (!e) e = propose(c, l, &line);
    if (e) return e;
    if (s.code == SPF_TEMPERROR) dns_found(c, "SPF", l->name, FINDING_UNKNOWN, s.problem, line);
    else if (s.code == SPF_NONE)
        dns_found(c, "SPF", l->name, FINDING_MISSING, SL("no SPF record: anybody may send for this name"),
                  line);
    else if (s.code == SPF_PERMERROR) dns_found(c, "SPF", l->name, FINDING_DANGEROUS, s.problem, line);
    else if (s.plus_all)
        dns_found(c, "SPF", l->name, FINDING_DANGEROUS,
                  ar_printf(c->a, "\"%.*s\" lets every host in the world send for this name", SLF(s.record)),
                  line);
    else if (s.cost > SPF_TERMS_MAX)
        dns_found(c, "SPF", l->name, FINDING_DANGEROUS,
                  ar_printf(c->a, "\"%.*s\" needs %u DNS look-ups; receivers stop at %d and call it an error",
                            SLF(s.record), s.cost, SPF_TERMS_MAX),
                  line);
    else if (s.voids > SPF_VOIDS_MAX)
        dns_found(c, "SPF", l->name, FINDING_DANGEROUS,
                  ar_printf(c->a, "\"%.*s\" asks for %u names that do not exist; receivers stop at %d",
                            SLF(s.record), s.voids, SPF_VOIDS_MAX),
                  line);
    else {
        struct slice note = s.uses_ptr ? SL(" (ptr is slow and discouraged: RFC 7208 section 5.5)") : SL("");
        dns_found(c, "SPF", l->name, FINDING_RIGHT,
                  ar_printf(c->a, "\"%.*s\", %u DNS look-ups%.*s", SLF(s.record), s.cost, SLF(note)), line);
    }
    return 0;
}

static int check_passes(struct checking *c, const struct ip *from, struct slice helo, const char *source,
                        struct slice line)
{
    char ip[IP_TEXT_MAX];
    struct spf_query q = {.ip = *from,
                          .helo = helo,
                          .mail_from = ar_cat(c->a, SL("postmaster@"), c->domain),
                          .receiver = SL("check")};
    struct spf_result r;
    int e = spf_check(c->dns, c->a, &q, &r);
    if (e) return e;
    enum dns_finding f = r.code == SPF_PASS        ? FINDING_RIGHT
                         : r.code == SPF_TEMPERROR ? FINDING_UNKNOWN
                                                   : FINDING_WRONG;
    struct slice why = r.problem.n ? r.problem : r.mechanism;
    dns_found(c, "SPF of us", c->domain, f,
              ar_printf(c->a, "a letter from %s%s%s%s gets %s (%.*s)", ip_format(from, ip),
                        *source ? " (the source " : "", source, *source ? ")" : "", spf_result_name(r.code),
                        SLF(why)),
              line);
    return 0;
}

int dns_check_spf_passes(struct checking *c, const struct dns_line *l)
{
    const struct config *conf = c->core->conf;
    struct ip seen[LISTEN_MAX];
    struct slice line;
    size_t n = config_public(conf, seen);
    int e = propose(c, l, &line);
    struct source_plan *p = source_plan_now(c->core->sources);
    for (size_t i = 0; !e && i < n; i++) e = check_passes(c, &seen[i], conf->hostname, "", line);
    for (size_t i = 0; !e && i < p->nsource; i++) {
        const struct source *s = &p->source[i];
        e = check_passes(c, &s->ip, s->helo.n ? s->helo : conf->hostname, ar_cstr(c->a, s->name), line);
    }
    source_plan_drop(&p);
    return e;
}

void dns_found(struct checking *c, const char *what, struct slice name, enum dns_finding finding,
               struct slice sentence, struct slice publish)
{
    if (c->count == c->cap) c->v = ar_grow(c->a, c->v, &c->cap, sizeof *c->v);
    bool nothing_to_do = finding == FINDING_RIGHT || finding == FINDING_UNKNOWN;
    c->v[c->count++] = (struct dns_checked){sl_cstr(what), name, finding, sentence,
                                            nothing_to_do ? (struct slice){0} : publish};
}
