/* spf_eval.c - check_host() (RFC 7208 section 4 to 6), sequential and recursive.
 *
 * One struct check goes through the whole recursion, so includes and redirects share the
 * limits of section 4.6.4. Answers live in a scratch arena that ends with the check. */
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "mail/domain.h"
#include "spf_i.h"

enum { EXPLANATION_MAX = 400, MAX_TTL = 86400 };

struct check {
    struct dns *dns;
    struct arena *a;    /* the caller's: what the result keeps */
    struct arena keep;  /* records, MX and PTR answers, until the end of the check */
    struct arena brief; /* one address answer */
    const struct spf_query *q;
    struct spf_result *r;
    struct spf_vars vars;
    int64_t deadline;
    bool canceled;
    /* The names of the client (section 5.5), found once. */
    bool names_known;
    struct dns_answer ptr;
    size_t nptr;
    signed char valid[SPF_PTR_MAX]; /* 1 yes, -1 no, 0 not looked at */
};

/* How a mechanism ends. */
enum outcome { NO_MATCH, MATCH, STOP /* r->code says why */ };

const char *spf_result_name(enum spf_code c)
{
    static const char *const names[] = {"none",     "neutral",   "pass",     "fail",
                                        "softfail", "temperror", "permerror"};
    return names[c];
}

static enum spf_code problem(struct check *c, enum spf_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static enum spf_code problem(struct check *c, enum spf_code code, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->r->problem = printable(c->a, sl_cstr(text), 400);
    return c->r->code = code;
}

#define STOP_WITH(c, code, ...) (problem(c, code, __VA_ARGS__), STOP)

/* ---- questions ---- */

static bool time_is_up(struct check *c)
{
    if (rt_now() < c->deadline) return false;
    problem(c, SPF_TEMPERROR, "the time for this check ran out");
    return true;
}

/* False when there is no answer now: canceled is set, or answer->why tells. */
static bool ask(struct check *c, struct arena *a, struct slice name, enum dns_type type,
                struct dns_answer *out)
{
    *out = (struct dns_answer){0};
    c->r->questions++;
    if (dns_ask(c->dns, a, name, type, out) != 0) {
        c->canceled = true;
        out->status = DNS_TEMPFAIL;
        out->n = 0;
    }
    if (out->status == DNS_TEMPFAIL) return false;
    if (out->ttl < c->r->ttl) c->r->ttl = out->ttl;
    return true;
}

static enum outcome no_answer(struct check *c, struct slice name, enum dns_type type,
                              const struct dns_answer *ans)
{
    if (time_is_up(c)) return STOP;
    return STOP_WITH(c, SPF_TEMPERROR, "the DNS gave no answer for %s of %.*s: %.*s", dns_type_name(type),
                     SLF(name), SLF(ans->why));
}

/* Counts void look-ups (section 4.6.4): false when there was one too many. */
static bool void_allowed(struct check *c, struct slice name, enum dns_type type, const struct dns_answer *ans)
{
    if (ans->status == DNS_FOUND || ++c->r->voids <= SPF_VOIDS_MAX) return true;
    problem(c, SPF_PERMERROR, "more than %d look-ups found nothing; the last was %s of %.*s", SPF_VOIDS_MAX,
            dns_type_name(type), SLF(name));
    return false;
}

/* ---- comparing addresses ---- */

static bool in_network(const struct check *c, const struct ip *net, const struct spf_term *t)
{
    const struct ip *ip = &c->vars.ip;
    if (ip->family != net->family) return false;
    return ip_in(ip, net, ip->family == 4 ? t->bits4 : t->bits6);
}

static enum dns_type address_type(const struct check *c) { return c->vars.ip.family == 6 ? DNS_AAAA : DNS_A; }

/* Does one of the host's addresses match? */
static enum outcome match_host(struct check *c, struct slice host, const struct spf_term *t)
{
    struct dns_answer ans;
    enum dns_type type = address_type(c);
    ar_reset(&c->brief);
    if (!ask(c, &c->brief, host, type, &ans)) return no_answer(c, host, type, &ans);
    if (!void_allowed(c, host, type, &ans)) return STOP;
    for (size_t i = 0; i < ans.n; i++)
        if (in_network(c, &ans.rr[i].ip, t)) return MATCH;
    return NO_MATCH;
}

/* ---- the client's names (section 5.5, %{p}) ---- */

/* False: no names (an error included). */
static bool find_names(struct check *c)
{
    if (c->names_known) return c->nptr > 0;
    c->names_known = true;
    if (!ask(c, &c->keep, ip_reverse_name(&c->keep, &c->vars.ip), DNS_PTR, &c->ptr)) return false;
    if (c->ptr.status != DNS_FOUND) return false;
    c->nptr = c->ptr.n < SPF_PTR_MAX ? c->ptr.n : SPF_PTR_MAX;
    return c->nptr > 0;
}

static bool name_is_valid(struct check *c, size_t i)
{
    static const struct spf_term exactly = {.bits4 = 32, .bits6 = 128};
    if (c->valid[i]) return c->valid[i] > 0;
    struct dns_answer ans;
    ar_reset(&c->brief);
    c->valid[i] = -1;
    /* "If a DNS error occurs while doing an A RR lookup, then that domain name is skipped" */
    if (!ask(c, &c->brief, c->ptr.rr[i].name, address_type(c), &ans)) return false;
    for (size_t k = 0; k < ans.n; k++)
        if (in_network(c, &ans.rr[k].ip, &exactly)) c->valid[i] = 1;
    return c->valid[i] > 0;
}

/* The name for %{p}: <domain> itself, else one below it, else any that is validated. */
static struct slice validated_name(struct check *c, struct slice domain)
{
    struct slice below = {0}, other = {0};
    if (!find_names(c)) return SL("unknown");
    for (size_t i = 0; i < c->nptr && !c->canceled; i++) {
        struct slice name = c->ptr.rr[i].name;
        if (!name_is_valid(c, i)) continue;
        if (sl_eqi(name, domain)) return name;
        if (domain_below(name, domain)) below = below.n ? below : name;
        else other = other.n ? other : name;
    }
    return below.n ? below : other.n ? other : SL("unknown");
}

/* ---- target names ---- */

static bool too_many_terms(struct check *c)
{
    if (++c->r->terms <= SPF_TERMS_MAX) return false;
    problem(c, SPF_PERMERROR, "the record needs more than %d terms that ask the DNS", SPF_TERMS_MAX);
    return true;
}

/* The names of the client are asked for once; that question counts like a term (section 4.6.4). */
static enum outcome prepare_p(struct check *c, uint32_t letters, struct slice domain)
{
    if (!spf_has_letter(letters, 'p')) return MATCH;
    if (!c->names_known && too_many_terms(c)) return STOP;
    c->vars.validated = validated_name(c, domain);
    return time_is_up(c) ? STOP : MATCH;
}

/* MATCH with the name; NO_MATCH when it can be no name; STOP. */
static enum outcome target_name(struct check *c, struct slice spec, struct slice domain, struct slice *name)
{
    uint32_t letters = spf_macro_letters(spec);
    if (spf_has_letter(letters, 's') || spf_has_letter(letters, 'l') || spf_has_letter(letters, 'o') ||
        spf_has_letter(letters, 'h'))
        c->r->per_user = true;
    /* RFC 8616 section 4: a local part that is not ASCII matches nothing. */
    if ((spf_has_letter(letters, 's') || spf_has_letter(letters, 'l')) && !is_ascii(c->vars.local))
        return NO_MATCH;
    enum outcome ready = prepare_p(c, letters, domain);
    if (ready != MATCH) return ready;
    c->vars.domain = domain;
    struct slice text = spec.n ? spf_expand(&c->keep, spec, &c->vars) : domain;
    return spf_target(&c->keep, text, name) ? MATCH : NO_MATCH;
}

/* ---- mechanisms (section 5) ---- */

static enum spf_code check_host(struct check *c, struct slice domain, bool inside);

static enum outcome match_include(struct check *c, const struct spf_term *t, struct slice target)
{
    enum spf_code code = check_host(c, target, true);
    if (c->canceled) return STOP;
    switch (code) {
    case SPF_PASS: return MATCH;
    case SPF_FAIL:
    case SPF_SOFTFAIL:
    case SPF_NEUTRAL: return NO_MATCH;
    case SPF_NONE:
        return STOP_WITH(c, SPF_PERMERROR, "\"%.*s\": %.*s has no SPF record", SLF(t->text), SLF(target));
    default: return STOP; /* temperror and permerror are the result of the whole check */
    }
}

static enum outcome match_mx(struct check *c, const struct spf_term *t, struct slice target)
{
    struct dns_answer mx;
    if (!ask(c, &c->keep, target, DNS_MX, &mx)) return no_answer(c, target, DNS_MX, &mx);
    if (!void_allowed(c, target, DNS_MX, &mx)) return STOP;
    /* Refused whatever the order in which the hosts came, so that the result is always the same. */
    if (mx.n > SPF_MX_MAX)
        return STOP_WITH(c, SPF_PERMERROR, "%.*s has %zu MX records, more than %d", SLF(target), mx.n,
                         SPF_MX_MAX);
    for (size_t i = 0; i < mx.n; i++) {
        struct slice host = mx.rr[i].mx.host;
        if (!host.n || sl_eq(host, SL("."))) continue; /* a null MX (RFC 7505) names no host */
        enum outcome o = match_host(c, host, t);
        if (o != NO_MATCH) return o;
    }
    return NO_MATCH;
}

static enum outcome match_ptr(struct check *c, struct slice target)
{
    if (find_names(c))
        for (size_t i = 0; i < c->nptr && !c->canceled; i++) {
            struct slice name = c->ptr.rr[i].name;
            if (domain_within(name, target) && name_is_valid(c, i)) return MATCH;
        }
    if (c->canceled || time_is_up(c)) return STOP;
    bool is_void = c->ptr.status == DNS_NODATA || c->ptr.status == DNS_NXDOMAIN;
    if (is_void && !void_allowed(c, SL("the client's address"), DNS_PTR, &c->ptr)) return STOP;
    return NO_MATCH;
}

static enum outcome match_exists(struct check *c, struct slice target)
{
    struct dns_answer ans;
    ar_reset(&c->brief);
    if (!ask(c, &c->brief, target, DNS_A, &ans)) return no_answer(c, target, DNS_A, &ans);
    if (!void_allowed(c, target, DNS_A, &ans)) return STOP;
    return ans.status == DNS_FOUND ? MATCH : NO_MATCH;
}

static enum outcome match_term(struct check *c, const struct spf_term *t, struct slice domain)
{
    if (t->kind == SPF_ALL) return MATCH;
    if (t->kind == SPF_IP4 || t->kind == SPF_IP6) return in_network(c, &t->net, t) ? MATCH : NO_MATCH;
    if (too_many_terms(c)) return STOP;
    struct slice target = {0};
    enum outcome o = target_name(c, t->spec, domain, &target);
    if (o == NO_MATCH && t->kind == SPF_INCLUDE && is_ascii(c->vars.local))
        return STOP_WITH(c, SPF_PERMERROR, "\"%.*s\" gives no domain name", SLF(t->text));
    if (o != MATCH) return o;
    switch (t->kind) {
    case SPF_INCLUDE: return match_include(c, t, target);
    case SPF_A: return match_host(c, target, t);
    case SPF_MX: return match_mx(c, t, target);
    case SPF_PTR: return match_ptr(c, target);
    default: return match_exists(c, target);
    }
}

/* ---- the explanation (section 6.2) ---- */

static bool is_plain_text(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~') return false;
    return s.n > 0;
}

/* Empty when there is no usable one: "proceed as if no exp modifier was given". */
static struct slice explanation(struct check *c, struct slice spec, struct slice domain)
{
    static const struct slice none = {0};
    struct slice name;
    struct dns_answer ans;
    if (spf_has_letter(spf_macro_letters(spec), 'p')) c->vars.validated = validated_name(c, domain);
    c->vars.domain = domain;
    if (!is_ascii(c->vars.local) || !spf_target(&c->keep, spf_expand(&c->keep, spec, &c->vars), &name))
        return none;
    if (!ask(c, &c->keep, name, DNS_TXT, &ans) || ans.status != DNS_FOUND || ans.n != 1) return none;
    struct slice text = ans.rr[0].txt;
    if (!spf_explanation_ok(text)) return none;
    if (spf_has_letter(spf_macro_letters(text), 'p')) c->vars.validated = validated_name(c, domain);
    text = spf_expand(&c->keep, text, &c->vars);
    return is_plain_text(text) ? sl_sub(text, 0, EXPLANATION_MAX) : none;
}

static void explain(struct check *c, struct slice spec, struct slice domain)
{
    struct slice text = {0};
    if (spec.p && !c->canceled) text = explanation(c, spec, domain);
    c->r->explained = text.n > 0;
    char ip[IP_TEXT_MAX];
    c->r->explanation = text.n ? ar_dup(c->a, text)
                               : ar_printf(c->a, "%s is not permitted to send mail for %.*s",
                                           ip_format(&c->vars.ip, ip), SLF(c->r->domain));
}

/* ---- records (section 4.3 to 4.7) ---- */

static bool is_multi_label(struct slice d) { return sl_chr(d, '.') != SL_NONE; }

/* SPF_PASS with the text, or the code that ends this check_host(). */
static enum spf_code fetch_record(struct check *c, struct slice domain, struct slice *text)
{
    struct dns_answer ans;
    if (!is_multi_label(domain)) return problem(c, SPF_NONE, "%.*s has only one label", SLF(domain));
    if (!ask(c, &c->keep, domain, DNS_TXT, &ans)) {
        no_answer(c, domain, DNS_TXT, &ans);
        return SPF_TEMPERROR;
    }
    if (ans.status == DNS_NXDOMAIN)
        return problem(c, SPF_NONE, "the domain %.*s does not exist", SLF(domain));
    size_t found = 0;
    for (size_t i = 0; i < ans.n; i++)
        if (spf_is_record(ans.rr[i].txt) && found++ == 0) *text = ans.rr[i].txt;
    if (found == 0) return problem(c, SPF_NONE, "%.*s has no SPF record", SLF(domain));
    if (found > 1) return problem(c, SPF_PERMERROR, "%.*s has %zu SPF records", SLF(domain), found);
    return SPF_PASS;
}

static enum spf_code matched(struct check *c, const struct spf_term *t, const struct spf_record *rec,
                             struct slice domain, bool inside)
{
    if (inside) return t->result;
    c->r->mechanism = ar_dup(c->a, t->text);
    c->r->at = ar_dup(c->a, domain);
    if (t->result == SPF_FAIL) explain(c, rec->exp, domain);
    return t->result;
}

/* Section 6.1: as if the other record were this one, except that there must be one. */
static enum spf_code redirect(struct check *c, struct slice spec, struct slice domain, bool inside)
{
    struct slice target = {0};
    if (too_many_terms(c)) return SPF_PERMERROR;
    enum outcome o = target_name(c, spec, domain, &target);
    if (o == STOP) return c->r->code;
    if (o == NO_MATCH) return problem(c, SPF_PERMERROR, "\"redirect=%.*s\" gives no domain name", SLF(spec));
    enum spf_code code = check_host(c, target, inside);
    if (code != SPF_NONE) return code;
    return problem(c, SPF_PERMERROR, "\"redirect=%.*s\": %.*s has no SPF record", SLF(spec), SLF(target));
}

static enum spf_code evaluate(struct check *c, const struct spf_record *rec, struct slice domain, bool inside)
{
    for (size_t i = 0; i < rec->n; i++) {
        enum outcome o = match_term(c, &rec->term[i], domain);
        if (c->canceled) return SPF_TEMPERROR;
        if (o == STOP) return c->r->code;
        if (o == MATCH) return matched(c, &rec->term[i], rec, domain, inside);
        if (time_is_up(c)) return SPF_TEMPERROR;
    }
    if (rec->redirect.p && !rec->has_all) return redirect(c, rec->redirect, domain, inside);
    if (!inside) {
        c->r->mechanism = SL("default");
        c->r->at = ar_dup(c->a, domain);
    }
    return SPF_NEUTRAL;
}

/* inside: within an include, where only match or no match matters. */
static enum spf_code check_host(struct check *c, struct slice domain, bool inside)
{
    struct slice text = {0};
    struct spf_record rec;
    enum spf_code code = fetch_record(c, domain, &text);
    if (code != SPF_PASS) return code;
    if (!inside && !c->r->record.p) c->r->record = ar_dup(c->a, text);
    if (spf_record_parse(&c->keep, text, &rec) != 0)
        return problem(c, SPF_PERMERROR, "the SPF record of %.*s: %s", SLF(domain), err_text(ERR_SYNTAX));
    return evaluate(c, &rec, domain, inside);
}

/* ---- the identities (section 2.3, 2.4, 4.1, 4.3) ---- */

/* <domain> in A-labels and in the case it was written in; false: it can be none. */
static bool usable_domain(struct arena *a, struct slice d, struct slice *out)
{
    if (d.n > 1000) return false;
    if (!is_ascii(d)) {
        if (dns_to_ascii(a, d, &d) != 0) return false;
    }
    if (d.n && d.p[d.n - 1] == '.') d.n--;
    if (sl_ends(d, SL("."))) return false;
    for (size_t i = 0; i < d.n; i++)
        if (d.p[i] <= ' ' || d.p[i] > '~' || strchr("\\\"()[]<>,;:@", d.p[i])) return false;
    *out = ar_dup(a, d);
    return dns_name_ok(d) && is_multi_label(d);
}

static void split_sender(struct slice sender, struct slice *local, struct slice *domain)
{
    size_t at = sl_rchr(sender, '@');
    *local = at == SL_NONE ? SL("") : sl_sub(sender, 0, at);
    *domain = at == SL_NONE ? sender : sl_from(sender, at + 1);
    if (!local->n) *local = SL("postmaster");
}

static bool begin(struct check *c)
{
    const struct spf_query *q = c->q;
    struct slice local = SL("postmaster"), domain = q->helo;
    if (q->identity == SPF_MAILFROM && q->mail_from.n) split_sender(q->mail_from, &local, &domain);
    bool ok = usable_domain(c->a, domain, &domain);
    if (!ok) {
        problem(c, SPF_NONE, "\"%.*s\" is no domain name that could have an SPF record",
                SLF(printable(c->a, domain, 100)));
        return false;
    }
    c->r->domain = ar_lower(c->a, domain);
    c->r->sender = ar_printf(c->a, "%.*s@%.*s", SLF(local), SLF(domain));
    c->vars = (struct spf_vars){
        .local = local,
        .sender_domain = domain,
        .domain = domain,
        .helo = q->helo,
        .receiver = q->receiver,
        .ip = q->ip,
        .now = rt_wall_seconds(),
    };
    return true;
}

/* An IPv4-mapped client is an IPv4 client (section 5). */
static void unmap(struct ip *ip)
{
    char text[IP_TEXT_MAX];
    struct ip plain;
    if (ip->family == 6 && ip_parse(sl_cstr(ip_format(ip, text)), &plain)) *ip = plain;
}

int spf_check(struct dns *d, struct arena *a, const struct spf_query *q, struct spf_result *out)
{
    ASSERT(d && a);
    *out = (struct spf_result){.identity = q->identity, .ttl = MAX_TTL};
    struct check c = {.dns = d, .a = a, .q = q, .r = out};
    if (!begin(&c)) return 0;
    unmap(&c.vars.ip);
    ar_init(&c.keep, 0);
    ar_init(&c.brief, 0);
    int64_t before = deadline_narrow(DEADLINE_IN(SPF_SECONDS * RT_S));
    c.deadline = deadline_get(); /* the caller's may be earlier */
    out->code = check_host(&c, c.vars.domain, false);
    deadline_restore(before);
    ar_free(&c.keep);
    ar_free(&c.brief);
    if (out->code != SPF_TEMPERROR && out->code != SPF_PERMERROR && out->code != SPF_NONE)
        out->problem = (struct slice){0};
    return c.canceled ? ERR_CANCELED : 0;
}
