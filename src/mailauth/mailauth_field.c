/* mailauth_field.c - the evidence as one Authentication-Results field (RFC 8601). Pure. */
#include "base/text.h"
#include "mailauth_i.h"

enum { COMMENT_MAX = 160 };

static struct slice shortened(struct arena *a, struct slice s) { return printable(a, s, COMMENT_MAX); }

static void say_iprev(struct arena *a, struct authres *r, const struct ip *ip, const struct iprev_result *x)
{
    char text[IP_TEXT_MAX];
    struct authres_info *i = authres_add(a, r, SL("iprev"), sl_cstr(iprev_code_name(x->code)));
    if (!i) return;
    authres_prop(a, i, "policy", "iprev", ar_dup(a, sl_cstr(ip_format(ip, text))));
    i->comment = shortened(a, x->code == IPREV_PASS ? x->name : x->problem);
}

static bool is_error(enum spf_code c) { return c == SPF_TEMPERROR || c == SPF_PERMERROR; }

/* Only the domain: the local part was not authenticated (section 2.7.2). */
static void say_spf(struct arena *a, struct authres *r, const struct spf_result *s)
{
    struct authres_info *i = authres_add(a, r, SL("spf"), sl_cstr(spf_result_name(s->code)));
    if (!i) return;
    authres_prop(a, i, "smtp", s->identity == SPF_HELO ? "helo" : "mailfrom", s->domain);
    if (is_error(s->code) || s->code == SPF_NONE) i->comment = shortened(a, s->problem);
}

static void say_signature(struct arena *a, struct authres *r, const struct dkim_sig_result *s)
{
    struct authres_info *i = authres_add(a, r, SL("dkim"), sl_cstr(dkim_result_name(s->result)));
    if (!i) return;
    struct slice reason = s->reason;
    if (s->testing) reason = ar_printf(a, "%.*s; the key is in test", SLF(reason));
    i->comment = shortened(a, reason);
    authres_prop(a, i, "header", "d", s->domain.n ? s->domain : s->domain_written);
    authres_prop(a, i, "header", "i", s->identity);
    authres_prop(a, i, "header", "s", s->selector.n ? s->selector : s->selector_written);
    authres_prop(a, i, "header", "a", s->algorithm);
    authres_prop(a, i, "header", "b", s->b_prefix);
}

static void say_dkim(struct arena *a, struct authres *r, const struct dkim_results *d)
{
    if (!d->n) authres_add(a, r, SL("dkim"), SL("none"));
    for (size_t k = 0; k < d->n; k++) say_signature(a, r, &d->v[k]);
}

static void say_arc(struct arena *a, struct authres *r, const struct ip *ip, const struct arc_result *x)
{
    char text[IP_TEXT_MAX];
    if (x->status == ARC_NONE) return;
    struct authres_info *i = authres_add(a, r, SL("arc"), sl_cstr(arc_status_name(x->status)));
    if (!i) return;
    i->comment = shortened(a, x->reason);
    if (x->status == ARC_PASS && x->oldest_pass >= 0)
        authres_prop(a, i, "header", "oldest-pass", ar_printf(a, "%d", x->oldest_pass));
    authres_prop(a, i, "smtp", "remote-ip", ar_dup(a, sl_cstr(ip_format(ip, text))));
}

static void say_dmarc(struct arena *a, struct authres *r, const struct mailauth_verdict *v)
{
    const struct dmarc_result *d = &v->dmarc;
    struct authres_info *i = authres_add(a, r, SL("dmarc"), sl_cstr(dmarc_code_name(d->code)));
    if (!i) return;
    authres_prop(a, i, "header", "from", d->author);
    if (d->record && d->code != DMARC_TEMPERROR && d->code != DMARC_PERMERROR)
        authres_prop(a, i, "policy", "dmarc", sl_cstr(dmarc_policy_name(d->applied)));
    struct slice why = d->why;
    if (v->overridden) why = ar_printf(a, "%.*s; %.*s", SLF(d->why), SLF(v->override_why));
    i->comment = shortened(a, why);
}

void mailauth_write_field(struct arena *a, struct slice authserv_id, const struct ip *ip,
                          struct mailauth_verdict *v)
{
    struct authres *r = &v->results;
    *r = (struct authres){.authserv_id = authserv_id};
    say_iprev(a, r, ip, &v->iprev);
    say_spf(a, r, &v->spf);
    say_spf(a, r, &v->spf_helo);
    say_dkim(a, r, &v->dkim);
    say_arc(a, r, ip, &v->arc);
    say_dmarc(a, r, v);
    v->field = authres_field(a, r);
}
