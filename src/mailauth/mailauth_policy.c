/* mailauth_policy.c - what is done with a letter, and the sentence that says why. Pure.
 *
 * DMARC decides where a record applies. Where nothing vouches for a letter, an SPF "fail"
 * refuses it as well: the owner of the return path has said so. What cannot be known
 * now is asked for again (451), for a forger must gain nothing from a silent DNS. */
#include "base/text.h"
#include "mail/domain.h"
#include "mailauth_i.h"

enum { SENTENCE_MAX = 400 };

/* One line of printable ASCII. */
static struct slice one_line(struct arena *a, struct slice s)
{
    char *p = ar_alloc(a, SENTENCE_MAX + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n && n < SENTENCE_MAX; i++)
        p[n++] = s.p[i] >= ' ' && s.p[i] <= '~' ? s.p[i] : '?';
    p[n] = 0;
    return sl(p, n);
}

static void decide(struct arena *a, struct mailauth_verdict *v, enum mailauth_disposition d,
                   const char *enhanced, struct slice sentence)
{
    v->disposition = d;
    v->reply = d == MAILAUTH_REJECT ? 550 : d == MAILAUTH_DEFER ? 451 : 250;
    v->enhanced = enhanced;
    v->sentence = one_line(a, sentence);
}

static void set_aside(struct mailauth_verdict *v, const char *type, struct slice why)
{
    v->overridden = true;
    v->override_type = type;
    v->override_why = why;
}

/* ---- a trusted forwarder's word (RFC 8617 section 7.2) ---- */

static bool says_pass(struct arena *a, struct slice aar, struct slice author)
{
    struct authres r;
    if (authres_parse(a, aar, &r) != 0) return false;
    for (size_t i = 0; i < r.n; i++) {
        const struct authres_info *x = &r.info[i];
        if (!sl_eqi(x->method, SL("dmarc")) || x->version > 1 || !sl_eqi(x->result, SL("pass"))) continue;
        for (size_t k = 0; k < x->nprop; k++)
            if (sl_eqi(x->prop[k].ptype, SL("header")) && sl_eqi(x->prop[k].property, SL("from")) &&
                sl_eqi(x->prop[k].value, author))
                return true;
    }
    return false;
}

static bool aar_says_pass(struct slice aar, struct slice author)
{
    struct arena scratch;
    ar_init(&scratch, 0);
    bool yes = says_pass(&scratch, aar, author);
    ar_free(&scratch);
    return yes;
}

/* From the newest set down, as long as each sealer is trusted: did one of them see the author
 * domain pass? A sealer that is not trusted might have written anything below its seal. */
static bool arc_vouches(const struct mailauth_ctx *ctx, const struct mailauth_verdict *v)
{
    const struct arc_result *arc = &v->arc;
    if (!ctx->trusts_sealer || arc->status != ARC_PASS || v->dmarc.from_state != DMARC_FROM_ONE) return false;
    for (size_t i = arc->n; i-- > 0;) {
        if (!ctx->trusts_sealer(ctx->trusts_arg, arc->set[i].seal_domain)) return false;
        if (aar_says_pass(arc->set[i].aar, v->dmarc.author)) return true;
    }
    return false;
}

/* A chain that only a silent DNS broke bears the name of a trusted sealer: with an answer it may vouch. For
 * the chain the failure is final (section 5.2.1), for the letter, which can come again, it is not. */
static bool arc_may_vouch(const struct mailauth_ctx *ctx, const struct mailauth_verdict *v)
{
    const struct arc_result *arc = &v->arc;
    bool trusted = false;
    if (!ctx->trusts_sealer || !arc->temporary || v->dmarc.from_state != DMARC_FROM_ONE) return false;
    for (size_t i = 0; i < arc->n; i++)
        trusted |= ctx->trusts_sealer(ctx->trusts_arg, arc->set[i].seal_domain);
    return trusted;
}

/* ---- one rule after another; true: it decided ---- */

static bool by_iprev(const struct mailauth_ctx *ctx, struct arena *a, struct mailauth_verdict *v)
{
    if (!ctx->policy.iprev_require || v->iprev.code == IPREV_PASS) return false;
    if (v->iprev.code != IPREV_TEMPERROR) {
        decide(a, v, MAILAUTH_REJECT, "5.7.25",
               ar_printf(a, "Reverse DNS validation failed: %.*s", SLF(v->iprev.problem)));
        return true;
    }
    if (ctx->policy.temperror_accept) return false;
    decide(a, v, MAILAUTH_DEFER, "4.7.25",
           ar_printf(a, "Reverse DNS validation is not possible now: %.*s", SLF(v->iprev.problem)));
    return true;
}

static bool by_from(const struct mailauth_ctx *ctx, struct arena *a, struct mailauth_verdict *v)
{
    enum dmarc_from s = v->dmarc.from_state;
    if (s == DMARC_FROM_ONE || s == DMARC_FROM_SEVERAL || ctx->policy.bad_from_accept) return false;
    decide(a, v, MAILAUTH_REJECT, "5.7.1",
           ar_printf(a, "The author of this message cannot be determined: %.*s", SLF(v->dmarc.why)));
    return true;
}

static bool fail_by_dmarc(const struct mailauth_ctx *ctx, struct arena *a, struct mailauth_verdict *v)
{
    const struct dmarc_result *d = &v->dmarc;
    if (d->applied != d->published) set_aside(v, "policy_test_mode", SL("the policy is in test (t=y)"));
    if (d->applied == DMARC_P_NONE) return false;
    if (arc_vouches(ctx, v)) {
        const struct arc_set *last = &v->arc.set[v->arc.n - 1];
        set_aside(v, "trusted_forwarder",
                  ar_printf(a, "the trusted forwarder %.*s saw it pass", SLF(last->seal_domain)));
        decide(a, v, MAILAUTH_ACCEPT, "2.0.0", ar_printf(a, "accepted: %.*s", SLF(v->override_why)));
        return true;
    }
    if (ctx->policy.dmarc_monitor) {
        set_aside(v, "local_policy", SL("DMARC policies are only recorded here"));
        return false;
    }
    if (!ctx->policy.temperror_accept && arc_may_vouch(ctx, v)) {
        decide(
            a, v, MAILAUTH_DEFER, "4.4.3",
            ar_printf(a, "The seals of a trusted forwarder cannot be checked now: %.*s", SLF(v->arc.reason)));
        return true;
    }
    if (d->applied == DMARC_P_REJECT)
        decide(a, v, MAILAUTH_REJECT, "5.7.1",
               ar_printf(a, "Email rejected per DMARC policy for %.*s: %.*s", SLF(d->author), SLF(d->why)));
    else
        decide(a, v, MAILAUTH_QUARANTINE, "2.0.0",
               ar_printf(a, "quarantined per DMARC policy for %.*s: %.*s", SLF(d->author), SLF(d->why)));
    return true;
}

/* SPF or a signature vouches for exactly the author domain: whatever the record says, and if there is
 * none, the letter is taken. Waiting for it would change nothing. */
static bool vouched_in_any_case(const struct mailauth_verdict *v)
{
    const struct dmarc_result *d = &v->dmarc;
    if (d->from_state != DMARC_FROM_ONE || !d->author.n) return false;
    if (v->spf.code == SPF_PASS && sl_eqi(v->spf.domain, d->author)) return true;
    for (size_t i = 0; i < v->dkim.n; i++)
        if (mailauth_vouches(&v->dkim.v[i]) && sl_eqi(v->dkim.v[i].domain, d->author)) return true;
    return false;
}

static bool by_dmarc(const struct mailauth_ctx *ctx, struct arena *a, struct mailauth_verdict *v)
{
    const struct dmarc_result *d = &v->dmarc;
    if (d->code == DMARC_PASS) {
        decide(a, v, MAILAUTH_ACCEPT, "2.0.0", ar_printf(a, "accepted: %.*s", SLF(d->why)));
        return true;
    }
    if (d->code == DMARC_FAIL) return fail_by_dmarc(ctx, a, v);
    if (d->code != DMARC_TEMPERROR || ctx->policy.temperror_accept || ctx->policy.dmarc_monitor) return false;
    if (vouched_in_any_case(v)) return false;
    decide(a, v, MAILAUTH_DEFER, "4.4.3",
           ar_printf(a, "The author domain cannot be checked now: %.*s", SLF(d->why)));
    return true;
}

/* A good signature by the domain, or by a domain above it; later: one that may turn out to be good, when the
 * DNS answers. */
static bool signed_for(const struct mailauth_verdict *v, struct slice domain, bool later)
{
    for (size_t i = 0; i < v->dkim.n; i++) {
        const struct dkim_sig_result *s = &v->dkim.v[i];
        bool counts = later ? s->result == DKIM_TEMPERROR : mailauth_vouches(s);
        if (counts && sl_chr(s->domain, '.') != SL_NONE && domain_within(domain, s->domain)) return true;
    }
    return false;
}

bool mailauth_signed_for(const struct mailauth_verdict *v, struct slice domain)
{
    return signed_for(v, domain, false);
}

static bool try_again(struct arena *a, struct mailauth_verdict *v, const char *what, struct slice why)
{
    decide(a, v, MAILAUTH_DEFER, "4.4.3", ar_printf(a, "%s cannot be checked now: %.*s", what, SLF(why)));
    return true;
}

static void refuse_spf(struct arena *a, struct mailauth_verdict *v, const struct spf_result *s,
                       const char *what)
{
    const char *fmt = s->explained ? "SPF %s check failed: the domain %.*s explains: %.*s"
                                   : "SPF %s check failed for %.*s: %.*s";
    decide(a, v, MAILAUTH_REJECT, "5.7.23", ar_printf(a, fmt, what, SLF(s->domain), SLF(s->explanation)));
}

static bool by_spf(const struct mailauth_ctx *ctx, struct arena *a, struct mailauth_verdict *v)
{
    const struct spf_result *from = &v->spf, *helo = &v->spf_helo;
    const bool wait = !ctx->policy.temperror_accept; /* for what may change the result, and nothing else */
    if (ctx->policy.spf_accept || signed_for(v, from->domain, false)) return false;
    if (from->code == SPF_FAIL) {
        if (wait && signed_for(v, from->domain, true))
            return try_again(a, v, "A signature", SL("the DNS gives no answer about its key"));
        refuse_spf(a, v, from, "MAIL FROM");
        return true;
    }
    if (from->code == SPF_TEMPERROR && wait) return try_again(a, v, "SPF", from->problem);
    if (helo->code == SPF_FAIL && from->code != SPF_PASS) {
        refuse_spf(a, v, helo, "HELO");
        return true;
    }
    return false;
}

void mailauth_decide(const struct mailauth_ctx *ctx, struct arena *a, struct mailauth_verdict *v)
{
    v->overridden = false;
    v->override_type = NULL;
    v->override_why = (struct slice){0};
    if (by_iprev(ctx, a, v) || by_from(ctx, a, v) || by_dmarc(ctx, a, v) || by_spf(ctx, a, v)) return;
    const struct dmarc_result *d = &v->dmarc;
    struct slice why = d->why.n ? d->why : SL("no policy speaks against it");
    decide(a, v, MAILAUTH_ACCEPT, "2.0.0", ar_printf(a, "accepted: %.*s", SLF(why)));
}

/* RFC 6376 section 3.6.1: what a key in test (t=y) signed is treated as unsigned, whether it verifies
 * or not. The field still tells that it passed, and that the key is in test. */
bool mailauth_vouches(const struct dkim_sig_result *s) { return s->result == DKIM_PASS && !s->testing; }
