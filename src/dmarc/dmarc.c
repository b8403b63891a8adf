/* dmarc.c - policy discovery, alignment and the verdict (RFC 9989 section 4.10, 5.3). */
#include "dmarc.h"

#include "base/log.h"
#include "base/text.h"
#include "dmarc_i.h"
#include "mail/domain.h"

const char *dmarc_code_name(enum dmarc_code c)
{
    static const char *const names[] = {"none", "pass", "fail", "temperror", "permerror"};
    return names[c];
}

/* ---- which record, which policy (section 4.10.1) ---- */

/* The record of the author domain, else of its organisational domain, else of its PSD. */
static const struct dmarc_step *policy_step(const struct dmarc_walk *w)
{
    const struct dmarc_step *psd = NULL;
    for (size_t i = 0; i < w->n; i++) {
        const struct dmarc_step *s = &w->step[i];
        if (!s->record) continue;
        if (i == 0 || sl_eqi(s->domain, w->org)) return s;
        if (s->record->psd == 'y') psd = s;
    }
    return psd;
}

/* NXDOMAIN is what makes a domain non-existent (section 3.2.13). */
static int exists(struct dns *d, struct arena *a, struct slice domain, bool *missing, bool *unknown)
{
    struct dns_answer ans = {0};
    int e = dns_ask(d, a, domain, DNS_A, &ans);
    *missing = ans.status == DNS_NXDOMAIN;
    *unknown = ans.status == DNS_TEMPFAIL;
    return e;
}

static int choose_policy(struct dns *d, struct arena *a, struct dmarc_result *r)
{
    const struct dmarc_record *rec = r->record;
    r->tag = "p";
    r->published = rec->p;
    if (sl_eqi(r->policy_domain, r->author)) return 0;
    bool unknown = false;
    if (rec->has_np) {
        int e = exists(d, a, r->author, &r->author_missing, &unknown);
        if (e) return e;
    }
    if (unknown && rec->np != rec->sp) {
        r->code = DMARC_TEMPERROR;
        r->why = ar_printf(a, "the DNS gave no answer whether %.*s exists", SLF(r->author));
    }
    bool np = r->author_missing && rec->has_np;
    if (np) r->tag = "np";
    else if (rec->has_sp) r->tag = "sp";
    r->published = np ? rec->np : rec->sp;
    return 0;
}

/* t=y: one level below (section 4.7). */
static enum dmarc_policy softened(enum dmarc_policy p, bool test)
{
    return test && p != DMARC_P_NONE ? p - 1 : p;
}

/* ---- alignment (section 4.10.2) ---- */

struct eval {
    struct dns *dns;
    struct arena *a;
    struct dmarc_result *r;
    bool unknown; /* some identifier could not be compared now */
};

/* An organisational domain that two names share would have to stand above both. */
static bool share_a_parent(struct slice x, struct slice y)
{
    for (; x.n; x = dmarc_parent(x))
        if (domain_within(y, x)) return true;
    return false;
}

/* 1, 0, ERR_DNS, ERR_CANCELED. org: of the author. */
static int aligned_with(struct dns *d, struct arena *a, struct slice author, struct slice org,
                        struct slice id, bool strict)
{
    struct dmarc_walk w;
    if (sl_eqi(author, id)) return 1;
    if (strict || !share_a_parent(author, id)) return 0;
    int e = dmarc_tree_walk(d, a, id, &w);
    if (e) return e;
    if (w.temperror) return err_set(ERR_DNS, "%.*s", SLF(w.problem));
    return sl_eqi(w.org, org);
}

static int lower(struct arena *a, struct slice in, struct slice *out)
{
    if (!in.n || in.n > 1000 || dns_to_ascii(a, in, out) != 0) return 0;
    if (out->n && out->p[out->n - 1] == '.') out->n--;
    return dns_name_ok(*out);
}

/* Is the identifier aligned? 1, 0, or ERR_CANCELED; notes what could not be known. */
static int is_aligned(struct eval *v, struct slice id, bool strict)
{
    struct slice domain;
    if (!lower(v->a, id, &domain)) return 0;
    int e = aligned_with(v->dns, v->a, v->r->author, v->r->org, domain, strict);
    if (e != ERR_DNS) return e;
    v->unknown = true;
    return 0;
}

static int align_dkim(struct eval *v, const struct slice *id, size_t n, bool *aligned)
{
    for (size_t i = 0; i < n && !*aligned; i++) {
        int e = is_aligned(v, id[i], v->r->record->adkim_strict);
        if (e < 0) return e;
        if (!e) continue;
        *aligned = true;
        v->r->dkim_domain = id[i];
    }
    return 0;
}

static int align(struct eval *v, const struct dmarc_evidence *e)
{
    struct dmarc_result *r = v->r;
    if (e->spf_pass) {
        int yes = is_aligned(v, e->spf_domain, r->record->aspf_strict);
        if (yes < 0) return yes;
        r->spf_aligned = yes;
    }
    return align_dkim(v, e->dkim_pass, e->ndkim_pass, &r->dkim_aligned);
}

/* Would an identifier that could not be judged now have aligned? Then it is no failure (section 5.3.6). */
static int would_have(struct eval *v, const struct dmarc_evidence *e, bool *would)
{
    struct slice kept = v->r->dkim_domain;
    *would = v->unknown;
    if (!*would && e->spf_temperror) {
        int yes = is_aligned(v, e->spf_domain, v->r->record->aspf_strict);
        if (yes < 0) return yes;
        *would = yes || v->unknown;
    }
    if (!*would) {
        int code = align_dkim(v, e->dkim_temperror, e->ndkim_temperror, would);
        if (code) return code;
        *would |= v->unknown;
    }
    v->r->dkim_domain = kept;
    return 0;
}

/* ---- one author ---- */

static struct slice pass_sentence(struct arena *a, const struct dmarc_result *r)
{
    if (r->spf_aligned && r->dkim_aligned)
        return ar_printf(a, "SPF and a signature of %.*s vouch for %.*s", SLF(r->dkim_domain),
                         SLF(r->author));
    if (r->dkim_aligned)
        return ar_printf(a, "a signature of %.*s vouches for %.*s", SLF(r->dkim_domain), SLF(r->author));
    return ar_printf(a, "SPF vouches for %.*s", SLF(r->author));
}

static int judge(struct eval *v, const struct dmarc_evidence *e)
{
    struct dmarc_result *r = v->r;
    int code = align(v, e);
    if (code) return code;
    if (r->spf_aligned || r->dkim_aligned) {
        r->code = DMARC_PASS;
        r->why = pass_sentence(v->a, r);
        return 0;
    }
    bool would = false;
    code = would_have(v, e, &would);
    if (code) return code;
    if (r->code == DMARC_TEMPERROR) return 0;
    if (would) {
        r->code = DMARC_TEMPERROR;
        r->why = ar_printf(v->a, "what might vouch for %.*s could not be looked up now", SLF(r->author));
        return 0;
    }
    r->code = DMARC_FAIL;
    r->applied = softened(r->published, r->record->test);
    r->why = ar_printf(v->a, "neither SPF nor a signature vouches for %.*s; the policy of %.*s is %s=%s%s",
                       SLF(r->author), SLF(r->policy_domain), r->tag, dmarc_policy_name(r->published),
                       r->record->test ? ", in test" : "");
    return 0;
}

/* The same domain needs no tree walk (section 4.10.2). By both it spares most letters all questions
 * but one; by one of them the letter passes, whatever the walk cannot find out. */
static bool vouched_exactly(const struct dmarc_evidence *e, struct dmarc_result *r)
{
    if (e->spf_pass && sl_eqi(e->spf_domain, r->author)) r->spf_aligned = true;
    for (size_t i = 0; i < e->ndkim_pass && !r->dkim_aligned; i++)
        if (sl_eqi(e->dkim_pass[i], r->author)) {
            r->dkim_aligned = true;
            r->dkim_domain = e->dkim_pass[i];
        }
    return r->spf_aligned || r->dkim_aligned;
}

static void take_policy(struct arena *a, const struct dmarc_step *s, struct dmarc_result *r)
{
    r->policy_domain = s->domain;
    r->record = s->record;
    if (s->record->usable) return;
    r->code = DMARC_PERMERROR;
    r->why = ar_printf(a, "the DMARC record of %.*s has no usable policy", SLF(s->domain));
}

static int discover(struct dns *d, struct arena *a, struct dmarc_walk *w, struct dmarc_result *r)
{
    int code = dmarc_walk_rest(d, a, w);
    if (code) return code;
    if (w->temperror) {
        r->code = DMARC_TEMPERROR;
        r->why = w->problem;
        return 0;
    }
    r->org = w->org;
    const struct dmarc_step *s = policy_step(w);
    if (s) {
        take_policy(a, s, r);
        return r->code == DMARC_PERMERROR ? 0 : choose_policy(d, a, r);
    }
    r->why = ar_printf(a, "no DMARC record applies to %.*s", SLF(r->author));
    return 0;
}

static int pass_exactly(struct arena *a, const struct dmarc_step *s, struct dmarc_result *r)
{
    r->code = DMARC_PASS;
    take_policy(a, s, r);
    r->tag = "p";
    r->published = r->record->p;
    r->why = pass_sentence(a, r);
    return 0;
}

static int check_author(struct dns *d, struct arena *a, struct slice author, const struct dmarc_evidence *e,
                        struct dmarc_result *r)
{
    struct dmarc_walk w = {.org = author};
    *r = (struct dmarc_result){.author = author};
    int code = dmarc_walk_step(d, a, author, &w);
    if (code) return code;
    bool vouched = w.step[0].record && w.step[0].record->usable && vouched_exactly(e, r);
    struct dmarc_result exact = *r;
    if (r->spf_aligned && r->dkim_aligned) return pass_exactly(a, &w.step[0], r);
    r->spf_aligned = r->dkim_aligned = false;
    code = discover(d, a, &w, r);
    if (code == 0 && w.temperror && vouched) {
        *r = exact;
        return pass_exactly(a, &w.step[0], r);
    }
    if (code || !r->record || r->code == DMARC_PERMERROR) return code;
    if (r->code == DMARC_TEMPERROR && !r->tag) return 0;
    struct eval v = {.dns = d, .a = a, .r = r};
    return judge(&v, e);
}

/* ---- all authors ---- */

static int no_author(const struct dmarc_authors *from, struct arena *a, struct dmarc_result *out)
{
    static const char *const why[] = {
        [DMARC_FROM_MISSING] = "there is no From field",
        [DMARC_FROM_REPEATED] = "there are several From fields",
        [DMARC_FROM_NO_DOMAIN] = "the From field holds no address with a domain",
        [DMARC_FROM_TOO_MANY] = "the From field names too many domains",
    };
    out->code = DMARC_PERMERROR;
    if (from->state == DMARC_FROM_BAD)
        out->why = ar_printf(a, "the From field names \"%.*s\", which can be no domain", SLF(from->bad));
    else if (from->state == DMARC_FROM_HIDDEN)
        out->why = ar_printf(a, "an encoded word of the From field hides an address at %.*s", SLF(from->bad));
    else out->why = sl_cstr(why[from->state]);
    return 0;
}

/* Of several authors the one that fails hardest decides: so says section 11.5. */
static int severity(const struct dmarc_result *r)
{
    switch (r->code) {
    case DMARC_FAIL: return 10 + (int)r->applied;
    case DMARC_TEMPERROR: return 9;
    case DMARC_PERMERROR: return 8;
    case DMARC_NONE: return 7;
    default: return 0;
    }
}

int dmarc_check(struct dns *d, struct arena *a, const struct dmarc_authors *from,
                const struct dmarc_evidence *e, struct dmarc_result *out)
{
    ASSERT(d && e && from->n <= DMARC_AUTHORS_MAX + 1);
    int code = 0;
    *out = (struct dmarc_result){.from_state = from->state};
    if (from->state != DMARC_FROM_ONE && from->state != DMARC_FROM_SEVERAL) return no_author(from, a, out);
    int64_t before = deadline_narrow(DEADLINE_IN(DMARC_SECONDS * RT_S));
    for (size_t i = 0; i < from->n && code == 0; i++) {
        struct dmarc_result one;
        code = check_author(d, a, from->domain[i], e, &one);
        if (code == 0 && (i == 0 || severity(&one) > severity(out))) *out = one;
    }
    deadline_restore(before);
    out->from_state = from->state;
    return code;
}
