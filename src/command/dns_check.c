/* dns_check.c - each record that should be there, asked for and judged, all at the same time. */
#include "dns_check.h"

#include <stdio.h>

#include "base/text.h"
#include "core/home.h"
#include "directory/directory.h"
#include "dkim/dkim_publish.h"
#include "dmarc/dmarc.h"
#include "dns_check_i.h"
#include "mailauth/iprev.h"
#include "policy/policy.h"
#include "store/store.h"

static const int64_t PROBE_MAX = 5 * RT_S, POLICY_MAX = 10 * RT_S, ALL_MAX = 20 * RT_S;

const char *dns_finding_name(enum dns_finding f)
{
    static const char *const names[] = {"right", "wrong", "missing", "dangerous", "unknown", "not published"};
    return names[f];
}

static bool unanswered(struct checking *c, const char *what, struct slice name, const struct dns_answer *d)
{
    if (d->status != DNS_TEMPFAIL) return false;
    dns_found(c, what, name, FINDING_UNKNOWN,
              ar_printf(c->a, "the DNS gave no answer (%.*s): ask again later", SLF(d->why)),
              (struct slice){0});
    return true;
}

/* The presentation form of a record as dns_records.c writes it, for comparison. */
static struct slice data_text(struct arena *a, enum dns_type type, const struct dns_rr *r)
{
    char ip[IP_TEXT_MAX];
    struct buf b = BUF_INIT;
    switch (type) {
    case DNS_A:
    case DNS_AAAA: buf_str(&b, ip_format(&r->ip, ip)); break;
    case DNS_MX: buf_printf(&b, "%u %.*s.", r->mx.preference, SLF(r->mx.host)); break;
    case DNS_PTR:
    case DNS_CNAME: buf_printf(&b, "%.*s.", SLF(r->name)); break;
    case DNS_SRV:
        buf_printf(&b, "%u %u %u %.*s.", r->srv.priority, r->srv.weight, r->srv.port, SLF(r->srv.target));
        break;
    case DNS_TXT: buf_put(&b, r->txt); break;
    case DNS_TLSA:
        buf_printf(&b, "%u %u %u ", r->tlsa.usage, r->tlsa.selector, r->tlsa.matching);
        hex_encode(&b, r->tlsa.data);
        break;
    default: break;
    }
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

static struct slice list_of(struct arena *a, enum dns_type type, const struct dns_answer *d)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < d->n && i < 5; i++)
        buf_printf(&b, "%s%.*s", i ? ", " : "", SLF(data_text(a, type, &d->rr[i])));
    if (d->n > 5) buf_printf(&b, " and %zu more", d->n - 5);
    struct slice out = printable(a, buf_slice(&b), 300);
    buf_free(&b);
    return out;
}

/* A resolver that is asked remembers. */
static struct slice remembered(const struct checking *c, const struct dns_answer *d)
{
    if (!c->core->conf->resolver.port || c->core->conf->zone.n || !d->ttl) return SL("");
    return ar_printf(c->a, "; if that was changed just now: the resolver may remember it for %u s", d->ttl);
}

/* Addresses, MX, PTR, SRV, TLSA, CNAME: is our line among the answers? */
static int check_plain(struct checking *c, const struct dns_line *l)
{
    struct dns_answer d;
    int e = dns_ask(c->dns, c->a, l->name, l->type, &d);
    if (e) return e;
    struct slice line = dns_line_text(c->a, l);
    if (unanswered(c, l->what, l->name, &d)) return 0;
    if (d.status != DNS_FOUND) {
        dns_found(c, l->what, l->name, l->optional ? FINDING_ABSENT_OPTIONAL : FINDING_MISSING,
                  ar_printf(c->a, "nothing is published; %s%.*s", l->why, SLF(remembered(c, &d))), line);
        return 0;
    }
    for (size_t i = 0; i < d.n; i++)
        if (sl_eqi(data_text(c->a, l->type, &d.rr[i]), l->data)) {
            dns_found(c, l->what, l->name, FINDING_RIGHT, ar_printf(c->a, "%.*s", SLF(l->data)), line);
            return 0;
        }
    dns_found(
        c, l->what, l->name, FINDING_WRONG,
        ar_printf(c->a, "the DNS says %.*s%.*s", SLF(list_of(c->a, l->type, &d)), SLF(remembered(c, &d))),
        line);
    return 0;
}

static int check_dkim_keys(struct checking *c, const struct dns_line *l)
{
    (void)l;
    struct dkim_key *k;
    size_t n, active = 0;
    int e = dkim_keys(c->core->store->directory, c->a, c->domain, &k, &n);
    for (size_t i = 0; !e && i < n; i++) {
        struct sign_key *key;
        struct dkim_publish p;
        if (k[i].state == DKIM_KEY_DAMAGED) {
            dns_found(c, "DKIM", k[i].selector, FINDING_UNKNOWN,
                      SL("the row of this key is damaged: `tram dkim rotate` makes another"),
                      (struct slice){0});
            continue;
        }
        e = sign_key_from_pem(k[i].pem, &key);
        if (e) break;
        active += k[i].state == DKIM_KEY_ACTIVE;
        e = dkim_publish_check(c->a, c->dns, c->domain, k[i].selector, key, &p);
        int bits = sign_key_kind(key) == KEY_RSA ? sign_key_bits(key) : 0;
        sign_key_free(&key);
        if (e) break;
        static const enum dns_finding finding[] = {FINDING_RIGHT, FINDING_WRONG, FINDING_MISSING,
                                                   FINDING_DANGEROUS, FINDING_UNKNOWN};
        dns_found(c, "DKIM", p.name, finding[p.state], p.reason, p.line);
        if (bits && bits < 2048)
            dns_found(
                c, "DKIM", p.name, FINDING_DANGEROUS,
                ar_printf(c->a, "the RSA key has %d bits; make a new one with `tram dkim rotate`", bits),
                (struct slice){0});
    }
    if (!e && !active)
        dns_found(c, "DKIM", c->domain, FINDING_MISSING,
                  SL("no key signs for this domain: `tram dkim rotate` makes one"), (struct slice){0});
    return e;
}

static int check_dmarc_line(struct checking *c, const struct dns_line *l)
{
    struct dns_answer d;
    struct slice line = dns_line_text(c->a, l), text = {0};
    int e = dns_ask(c->dns, c->a, l->name, DNS_TXT, &d);
    if (e || unanswered(c, "DMARC", l->name, &d)) return e;
    size_t records = 0;
    for (size_t i = 0; i < d.n; i++)
        if (sl_startsi(sl_trim(d.rr[i].txt), SL("v=DMARC1"))) text = d.rr[i].txt, records++;
    struct dmarc_record r;
    if (!records) {
        dns_found(c, "DMARC", l->name, FINDING_MISSING,
                  SL("no DMARC record: forged letters in your name are not refused by policy"), line);
    } else if (records > 1) {
        dns_found(c, "DMARC", l->name, FINDING_DANGEROUS,
                  ar_printf(c->a, "%zu DMARC records: receivers ignore all of them", records), line);
    } else if (dmarc_record_parse(c->a, text, &r) || !r.usable) {
        dns_found(c, "DMARC", l->name, FINDING_WRONG,
                  ar_printf(c->a, "\"%.*s\" is not a valid record: %s", SLF(text), err_text(ERR_SYNTAX)),
                  line);
    } else if (r.p == DMARC_P_NONE || r.test) {
        dns_found(
            c, "DMARC", l->name, FINDING_WRONG,
            ar_printf(c->a, "\"%.*s\" only asks for reports: forged letters are still delivered", SLF(text)),
            line);
    } else {
        dns_found(c, "DMARC", l->name, FINDING_RIGHT, ar_printf(c->a, "\"%.*s\"", SLF(text)), line);
    }
    return 0;
}

static int check_tlsrpt(struct checking *c, const struct dns_line *l)
{
    struct dns_answer d;
    int e = dns_ask(c->dns, c->a, l->name, DNS_TXT, &d);
    if (e || unanswered(c, l->what, l->name, &d)) return e;
    struct slice line = dns_line_text(c->a, l);
    size_t n = 0;
    for (size_t i = 0; i < d.n; i++) n += sl_startsi(d.rr[i].txt, SL("v=TLSRPTv1"));
    if (!n)
        dns_found(c, l->what, l->name, FINDING_ABSENT_OPTIONAL,
                  ar_printf(c->a, "nothing is published; %s", l->why), line);
    else if (n > 1)
        dns_found(c, l->what, l->name, FINDING_WRONG, SL("several records: senders ignore all of them"),
                  line);
    else dns_found(c, l->what, l->name, FINDING_RIGHT, list_of(c->a, DNS_TXT, &d), line);
    return 0;
}

/* What the policy says, judged by what other servers will do with it. host: ours. */
static enum dns_finding judge_policy(struct arena *a, const struct mta_sts_policy *p, struct slice host,
                                     struct slice *sentence)
{
    const char *mode = mta_sts_mode_name(p->mode);
    if (p->mode == MTA_STS_NONE) {
        *sentence = SL("the policy says mode none: senders go on as if there was none");
        return FINDING_WRONG;
    }
    if (!mta_sts_allows(p, host)) {
        *sentence = ar_printf(a, "the policy (mode %s) allows no server called %.*s: %s", mode, SLF(host),
                              p->mode == MTA_STS_ENFORCE
                                  ? "senders that obey it will not deliver"
                                  : "with mode enforce senders that obey it would not deliver");
        return p->mode == MTA_STS_ENFORCE ? FINDING_DANGEROUS : FINDING_WRONG;
    }
    *sentence =
        ar_printf(a, "the policy is served, mode %s for %u s, and allows %.*s%s", mode, p->max_age, SLF(host),
                  p->mode == MTA_STS_TESTING ? "; with mode enforce it would protect as well"
                  : p->max_age < 86400       ? "; senders soon forget it: weeks are usual (max_age)"
                                             : "");
    return FINDING_RIGHT;
}

/* Only a policy that is served counts, and what it says (RFC 8461 section 3). */
static int check_policy(struct checking *c, const struct dns_line *l, struct slice line)
{
    struct mta_sts_policy p;
    enum sts_trouble trouble;
    struct slice wrong = {0}, sentence;
    struct slice url = ar_printf(c->a, "https://mta-sts.%.*s/.well-known/mta-sts.txt", SLF(c->domain));
    int64_t before = deadline_narrow(DEADLINE_IN(POLICY_MAX));
    int e = sts_fetch(c->core->fetch, c->a, c->domain, &p, &trouble, &wrong);
    deadline_restore(before);
    if (e) return e;
    enum dns_finding f = FINDING_WRONG;
    if (trouble)
        sentence = ar_printf(c->a, "%.*s %.*s; so the record counts for nothing", SLF(url), SLF(wrong));
    else f = judge_policy(c->a, &p, c->core->conf->hostname, &sentence);
    dns_found(c, l->what, l->name, f, sentence, line);
    return 0;
}

static int check_mta_sts(struct checking *c, const struct dns_line *l)
{
    struct dns_answer d;
    struct slice line = dns_line_text(c->a, l);
    size_t n = 0;
    int e = dns_ask(c->dns, c->a, l->name, DNS_TXT, &d);
    if (e || unanswered(c, l->what, l->name, &d)) return e;
    for (size_t i = 0; i < d.n; i++) n += sl_starts(d.rr[i].txt, SL("v=STSv1"));
    if (sts_announced(&d).n) return check_policy(c, l, line);
    if (!n)
        dns_found(c, l->what, l->name, FINDING_ABSENT_OPTIONAL,
                  ar_printf(c->a, "nothing is published; %s", l->why), line);
    else
        dns_found(c, l->what, l->name, FINDING_WRONG,
                  n > 1 ? SL("several records: senders ignore all of them")
                        : SL("the record has no id of letters and digits: senders ignore it"),
                  line);
    return 0;
}

/* Behind NAT the addresses of listen are not those of the world. */
static int check_public(struct checking *c, const struct dns_line *l)
{
    char ip[IP_TEXT_MAX];
    struct ip seen[LISTEN_MAX];
    size_t n = config_public(c->core->conf, seen);
    (void)l;
    if (!n)
        dns_found(
            c, "address", c->core->conf->hostname, FINDING_UNKNOWN,
            SL("tram.conf names no address of this host: add public_addresses, else neither address nor "
               "reverse name are checked"),
            (struct slice){0});
    for (size_t i = 0; i < n; i++)
        if (ip_is_private(&seen[i]))
            dns_found(
                c, "address", c->core->conf->hostname, FINDING_DANGEROUS,
                ar_printf(c->a,
                          "the world cannot reach %s: say in public_addresses of tram.conf what it sees",
                          ip_format(&seen[i], ip)),
                (struct slice){0});
    return 0;
}

/* An address of the host's name that is none of ours: senders try any. What is silent is told elsewhere. */
static int check_astray(struct checking *c, const struct dns_line *l)
{
    static const enum dns_type types[] = {DNS_A, DNS_AAAA};
    struct slice host = c->core->conf->hostname;
    char ip[IP_TEXT_MAX];
    struct ip ours[LISTEN_MAX];
    size_t n = config_public(c->core->conf, ours);
    int e = 0;
    (void)l;
    for (size_t t = 0; !e && n && t < COUNT_OF(types); t++) {
        struct dns_answer d;
        e = dns_ask(c->dns, c->a, host, types[t], &d);
        for (size_t i = 0; !e && i < d.n; i++) {
            size_t k = 0;
            while (k < n && !ip_eq(&ours[k], &d.rr[i].ip)) k++;
            if (k < n) continue;
            dns_found(
                c, "address", host, FINDING_DANGEROUS,
                ar_printf(c->a,
                          "the DNS also says %s, which is none of ours: who tries that reaches nobody, or "
                          "somebody else; take it out, or name it in listen or public_addresses",
                          ip_format(&d.rr[i].ip, ip)),
                (struct slice){0});
        }
    }
    return e;
}

static int check_reverse(struct checking *c, const struct dns_line *l)
{
    (void)l;
    const struct config *conf = c->core->conf;
    char ip[IP_TEXT_MAX];
    struct ip seen[LISTEN_MAX];
    size_t n = config_public(conf, seen);
    for (size_t i = 0; i < n; i++) {
        struct iprev_result r;
        int e = iprev_check(c->dns, c->a, &seen[i], &r);
        if (e) return e;
        struct slice publish =
            ar_printf(c->a, "%.*s. IN PTR %.*s.", SLF(ip_reverse_name(c->a, &seen[i])), SLF(conf->hostname));
        const char *text = ip_format(&seen[i], ip);
        if (r.code == IPREV_PASS && sl_eqi(r.name, conf->hostname))
            dns_found(c, "reverse name", sl_cstr(""), FINDING_RIGHT,
                      ar_printf(c->a, "%s is %.*s, both ways", text, SLF(r.name)), publish);
        else if (r.code == IPREV_PASS)
            dns_found(
                c, "reverse name", sl_cstr(""), FINDING_WRONG,
                ar_printf(c->a, "%s is called %.*s, but we say %.*s", text, SLF(r.name), SLF(conf->hostname)),
                publish);
        else
            dns_found(
                c, "reverse name", sl_cstr(""), r.code == IPREV_TEMPERROR ? FINDING_UNKNOWN : FINDING_MISSING,
                ar_printf(c->a, "%s: %.*s; many receivers refuse such hosts", text, SLF(r.problem)), publish);
    }
    return 0;
}

/* What peers see when they turn to TLS. */
static int check_certificate(struct checking *c, const struct dns_line *l)
{
    static const enum dns_finding findings[] = {FINDING_RIGHT, FINDING_WRONG, FINDING_DANGEROUS,
                                                FINDING_DANGEROUS};
    struct cert_finding *f;
    enum cert_grade worst;
    size_t n;
    (void)l;
    int e = home_judge_certificate(c->core->conf, c->a, &f, &n, &worst);
    if (e) {
        dns_found(c, "certificate", (struct slice){0}, FINDING_DANGEROUS, ar_dup(c->a, sl_cstr(err_text(e))),
                  (struct slice){0});
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        dns_found(c, "certificate", (struct slice){0}, findings[f[i].grade], f[i].sentence,
                  (struct slice){0});
    return 0;
}

/* ---- all of them at the same time ---- */

typedef int check_fn(struct checking *c, const struct dns_line *l);

static check_fn *check_of(const struct dns_line *l)
{
    static const struct {
        const char *what;
        check_fn *fn;
    } own_way[] = {{"SPF", dns_check_spf_line}, {"DMARC", check_dmarc_line}, {"TLSRPT", check_tlsrpt}};
    if (l->type == DNS_PTR || strcmp(l->what, "DKIM") == 0) return NULL; /* asked for by address and by key */
    if (strcmp(l->what, "MTA-STS") == 0 && l->type == DNS_TXT) return check_mta_sts;
    for (size_t i = 0; i < COUNT_OF(own_way); i++)
        if (strcmp(l->what, own_way[i].what) == 0) return own_way[i].fn;
    return check_plain;
}

struct asking {
    struct checking c;
    check_fn *run;
    const struct dns_line *line;
    int e;
    char why[ERR_TEXT_MAX];
};

static void job_fiber(void *arg)
{
    struct asking *j = arg;
    deadline_narrow(DEADLINE_IN(ALL_MAX));
    j->e = j->run(&j->c, j->line);
    if (j->e) snprintf(j->why, sizeof j->why, "%s", err_text(j->e));
}

/* Runs them; their findings in their order. */
static int run_jobs(struct checking *c, struct asking *job, size_t n)
{
    struct group g;
    group_init(&g);
    int e = 0;
    for (size_t i = 0; !e && i < n; i++) {
        job[i].c = (struct checking){.core = c->core, .dns = c->dns, .a = c->a, .domain = c->domain};
        e = group_go(&g, "dns check", job_fiber, &job[i]);
    }
    int waited = group_wait(&g);
    if (!e) e = waited;
    for (size_t i = 0; !e && i < n; i++) {
        if (job[i].e == ERR_CANCELED) e = job[i].e;
        else if (job[i].e) /* which keeps none of the others from being judged */
            dns_found(c, job[i].line ? job[i].line->what : "record",
                      job[i].line ? job[i].line->name : c->domain, FINDING_UNKNOWN,
                      ar_printf(c->a, "it cannot be examined: %s", job[i].why), (struct slice){0});
        for (size_t k = 0; k < job[i].c.count; k++) {
            const struct dns_checked *f = &job[i].c.v[k];
            dns_found(c, ar_cstr(c->a, f->what), f->name, f->finding, f->sentence, f->publish);
        }
    }
    return e;
}

/* Two names that no resolver which works leaves unanswered: ours, and for a resolver in the world one of the
 * root. */
static int ask_probe(struct checking *c, const struct dns_line *l)
{
    struct dns_answer d;
    deadline_narrow(DEADLINE_IN(PROBE_MAX));
    int e = dns_ask(c->dns, c->a, l->name, l->type, &d);
    if (!e && d.status == DNS_TEMPFAIL) (void)unanswered(c, l->what, l->name, &d);
    return e;
}

/* *dead: it answers neither, and the finding says so. */
static int check_resolver(struct checking *c, bool *dead)
{
    struct dns_line line[] = {{.what = "resolver", .name = c->domain, .type = DNS_NS},
                              {.what = "resolver", .name = SL("root-servers.net"), .type = DNS_NS}};
    struct asking job[] = {{.run = ask_probe, .line = &line[0]}, {.run = ask_probe, .line = &line[1]}};
    struct checking probe = {.core = c->core, .dns = c->dns, .a = c->a, .domain = c->domain};
    char at[ENDPOINT_TEXT_MAX];
    const struct config *conf = c->core->conf;
    int e = run_jobs(&probe, job, COUNT_OF(job));
    *dead = !e && probe.count == COUNT_OF(job);
    if (!*dead) return e;
    struct slice who = conf->zone.n          ? conf->zone
                       : conf->resolver.port ? sl_cstr(endpoint_format(&conf->resolver, at))
                                             : SL("the DNS of the world");
    dns_found(c, "resolver", (struct slice){0}, FINDING_UNKNOWN,
              ar_printf(c->a,
                        "%.*s answers nothing (%.*s): nothing could be checked, and no letter can leave; is "
                        "it running, and does a firewall let port 53 through?",
                        SLF(who), SLF(probe.v[0].sentence)),
              (struct slice){0});
    return 0;
}

bool dns_check_dead(const struct dns_checked *v, size_t n)
{
    return n == 1 && sl_eq(v->what, SL("resolver"));
}

int dns_check_domain(struct core *core, struct dns *dns, struct arena *a, struct slice domain,
                     struct slice certificate, struct dns_checked **out, size_t *count)
{
    struct checking c = {.core = core, .dns = dns, .a = a};
    struct dns_line *l;
    const struct dns_line *spf = NULL;
    size_t lines, n = 0;
    struct domain d;
    bool dead = false;
    int e = domain_get(core->store->directory, a, domain, &d);
    if (e) return e;
    c.domain = d.name;
    e = dns_records_of(core, a, d.name, certificate, &l, &lines);
    if (!e) e = check_resolver(&c, &dead);
    struct asking *job = ar_array(a, struct asking, e ? 0 : lines + 6);
    if (!e) job[n++].run = check_public;
    if (!e) job[n++].run = check_astray;
    for (size_t i = 0; !e && i < lines; i++) {
        if (!spf && strcmp(l[i].what, "SPF") == 0) spf = &l[i];
        job[n] = (struct asking){.run = check_of(&l[i]), .line = &l[i]};
        n += job[n].run != NULL;
    }
    if (!e) {
        job[n++].run = check_dkim_keys;
        job[n++] = (struct asking){.run = dns_check_spf_passes, .line = spf};
        job[n++].run = check_reverse;
        job[n++].run = check_certificate;
        if (!dead) e = run_jobs(&c, job, n);
    }
    *out = c.v;
    *count = c.count;
    return e;
}
