/* spf_audit.c - what a published SPF record costs and allows, for those who publish it.
 *
 * Where check_host() stops at the first match, this follows every include and the
 * redirect, and counts. Macros make no sense without a letter; their terms count as one. */
#include "spf_i.h"

enum { AUDIT_TERMS_MAX = 100, AUDIT_DEPTH_MAX = 12, AUDIT_SECONDS = 60 };

struct audit {
    struct dns *dns;
    struct arena *a;
    struct spf_audit *out;
    bool canceled;
};

static bool ask(struct audit *u, struct slice name, enum dns_type type, struct dns_answer *ans)
{
    *ans = (struct dns_answer){0};
    if (dns_ask(u->dns, u->a, name, type, ans) != 0) {
        u->canceled = true;
        return false;
    }
    return ans->status != DNS_TEMPFAIL;
}

static void note(struct audit *u, enum spf_code code, struct slice sentence)
{
    if (u->out->code == SPF_PERMERROR || (u->out->code != SPF_PASS && code != SPF_PERMERROR)) return;
    u->out->code = code;
    u->out->problem = sentence;
}

static void walk(struct audit *u, struct slice domain, int depth);

static bool asks_dns(const struct spf_term *t)
{
    return t->kind != SPF_ALL && t->kind != SPF_IP4 && t->kind != SPF_IP6;
}

static void follow(struct audit *u, struct slice spec, struct slice from, int depth)
{
    struct slice target;
    if (spf_macro_letters(spec) || !spf_target(u->a, spec, &target)) return;
    if (sl_eqi(target, from) || depth >= AUDIT_DEPTH_MAX) {
        note(u, SPF_PERMERROR, ar_printf(u->a, "the record of %.*s leads back to itself", SLF(from)));
        u->out->cost = AUDIT_TERMS_MAX;
        return;
    }
    walk(u, target, depth + 1);
}

/* Does the name that the term asks for give anything? */
static void look(struct audit *u, const struct spf_term *t, struct slice domain)
{
    struct dns_answer ans;
    struct slice target;
    if (spf_macro_letters(t->spec) || (t->kind != SPF_A && t->kind != SPF_MX)) return;
    if (!spf_target(u->a, t->spec.n ? t->spec : domain, &target)) return;
    if (!ask(u, target, t->kind == SPF_MX ? DNS_MX : DNS_A, &ans)) return;
    if (t->kind == SPF_MX && ans.n > SPF_MX_MAX)
        note(u, SPF_PERMERROR, ar_printf(u->a, "%.*s has more than %d MX hosts", SLF(target), SPF_MX_MAX));
    if (ans.status == DNS_FOUND) return;
    struct dns_answer six;
    if (t->kind == SPF_A && ask(u, target, DNS_AAAA, &six) && six.status == DNS_FOUND) return;
    u->out->voids++;
}

static void count(struct audit *u, const struct spf_record *rec, struct slice domain, int depth)
{
    for (size_t i = 0; i < rec->n && u->out->cost < AUDIT_TERMS_MAX && !u->canceled; i++) {
        const struct spf_term *t = &rec->term[i];
        if (t->kind == SPF_ALL) {
            if (t->result == SPF_PASS && depth == 0) u->out->plus_all = true;
            return; /* what follows is never tried */
        }
        if (!asks_dns(t)) continue;
        u->out->cost++;
        if (t->kind == SPF_PTR) u->out->uses_ptr = true;
        if (t->kind == SPF_INCLUDE) follow(u, t->spec, domain, depth);
        else look(u, t, domain);
    }
    if (!rec->redirect.p || rec->has_all || u->out->cost >= AUDIT_TERMS_MAX) return;
    u->out->cost++;
    follow(u, rec->redirect, domain, depth);
}

static void walk(struct audit *u, struct slice domain, int depth)
{
    struct dns_answer ans;
    struct slice text = {0};
    struct spf_record rec;
    size_t found = 0;
    if (!ask(u, domain, DNS_TXT, &ans)) {
        note(u, SPF_TEMPERROR, ar_printf(u->a, "the DNS gave no answer for TXT of %.*s", SLF(domain)));
        return;
    }
    for (size_t i = 0; i < ans.n; i++)
        if (spf_is_record(ans.rr[i].txt) && found++ == 0) text = ans.rr[i].txt;
    if (found == 0) {
        note(u, depth ? SPF_PERMERROR : SPF_NONE, ar_printf(u->a, "%.*s has no SPF record", SLF(domain)));
    } else if (found > 1) {
        note(u, SPF_PERMERROR, ar_printf(u->a, "%.*s has %zu SPF records", SLF(domain), found));
    } else if (spf_record_parse(u->a, text, &rec) != 0) {
        note(u, SPF_PERMERROR,
             ar_printf(u->a, "the SPF record of %.*s: %s", SLF(domain), err_text(ERR_SYNTAX)));
    } else {
        count(u, &rec, domain, depth);
    }
    if (depth == 0) u->out->record = text;
}

int spf_audit(struct dns *d, struct arena *a, struct slice domain, struct spf_audit *out)
{
    *out = (struct spf_audit){.code = SPF_PASS};
    struct audit u = {.dns = d, .a = a, .out = out};
    int64_t before = deadline_narrow(DEADLINE_IN(AUDIT_SECONDS * RT_S));
    walk(&u, domain, 0);
    deadline_restore(before);
    if (u.canceled) return ERR_CANCELED;
    if (out->cost > SPF_TERMS_MAX)
        note(&u, SPF_PERMERROR,
             ar_printf(a, "the record needs %u terms that ask the DNS, and %d are allowed", out->cost,
                       SPF_TERMS_MAX));
    return 0;
}
