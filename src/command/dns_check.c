/* dns_check.c - each record that should be there, asked for and judged. */
#include "dns_check.h"

#include "base/text.h"
#include "dkim/dkim_publish.h"
#include "dmarc/dmarc.h"
#include "dns_records.h"
#include "mailauth/iprev.h"

const char *dns_finding_name(enum dns_finding f)
{
    static const char *const names[] = {"right", "wrong", "missing", "dangerous", "unknown", "not published"};
    return names[f];
}

struct checking {
    struct core *core;
    struct arena *a;
    struct slice domain;
    struct dns_checked *v;
    size_t count, cap;
};

static void found(struct checking *c, const char *what, struct slice name, enum dns_finding finding,
                  struct slice sentence, struct slice publish)
{
    if (c->count == c->cap) c->v = ar_grow(c->a, c->v, &c->cap, sizeof *c->v);
    bool nothing_to_do = finding == FINDING_RIGHT || finding == FINDING_UNKNOWN;
    c->v[c->count++] = (struct dns_checked){sl_cstr(what), name, finding, sentence,
                                            nothing_to_do ? (struct slice){0} : publish};
}

static bool unanswered(struct checking *c, const char *what, struct slice name, const struct dns_answer *d)
{
    if (d->status != DNS_TEMPFAIL) return false;
    found(c, what, name, FINDING_UNKNOWN,
          ar_printf(c->a, "the DNS gave no answer (%.*s): ask again later", SLF(d->why)), (struct slice){0});
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

/* Addresses, MX, PTR, SRV, TLSA, CNAME: is our line among the answers? */
static int check_plain(struct checking *c, const struct dns_line *l)
{
    struct dns_answer d;
    int e = dns_ask(c->core->dns, c->a, l->name, l->type, &d);
    if (e) return e;
    struct slice line = dns_line_text(c->a, l);
    if (unanswered(c, l->what, l->name, &d)) return 0;
    if (d.status != DNS_FOUND) {
        found(c, l->what, l->name, l->optional ? FINDING_ABSENT_OPTIONAL : FINDING_MISSING,
              ar_printf(c->a, "nothing is published; %s", l->why), line);
        return 0;
    }
    for (size_t i = 0; i < d.n; i++)
        if (sl_eqi(data_text(c->a, l->type, &d.rr[i]), l->data)) {
            found(c, l->what, l->name, FINDING_RIGHT, ar_printf(c->a, "%.*s", SLF(l->data)), line);
            return 0;
        }
    found(c, l->what, l->name, FINDING_WRONG,
          ar_printf(c->a, "the DNS says %.*s", SLF(list_of(c->a, l->type, &d))), line);
    return 0;
}

static int check_spf_line(struct checking *c, const struct dns_line *l)
{
    struct spf_audit s;
    struct slice line = dns_line_text(c->a, l);
    int e = spf_audit(c->core->dns, c->a, l->name, &s);
    if (e) return e;
    if (s.code == SPF_TEMPERROR) found(c, "SPF", l->name, FINDING_UNKNOWN, s.problem, line);
    else if (s.code == SPF_NONE)
        found(c, "SPF", l->name, FINDING_MISSING, SL("no SPF record: anybody may send for this name"), line);
    else if (s.code == SPF_PERMERROR) found(c, "SPF", l->name, FINDING_DANGEROUS, s.problem, line);
    else if (s.plus_all)
        found(c, "SPF", l->name, FINDING_DANGEROUS,
              ar_printf(c->a, "\"%.*s\" lets every host in the world send for this name", SLF(s.record)),
              line);
    else if (s.cost > SPF_TERMS_MAX)
        found(c, "SPF", l->name, FINDING_DANGEROUS,
              ar_printf(c->a, "\"%.*s\" needs %u DNS look-ups; receivers stop at %d and call it an error",
                        SLF(s.record), s.cost, SPF_TERMS_MAX),
              line);
    else if (s.voids > SPF_VOIDS_MAX)
        found(c, "SPF", l->name, FINDING_DANGEROUS,
              ar_printf(c->a, "\"%.*s\" asks for %u names that do not exist; receivers stop at %d",
                        SLF(s.record), s.voids, SPF_VOIDS_MAX),
              line);
    else {
        struct slice note = s.uses_ptr ? SL(" (ptr is slow and discouraged: RFC 7208 section 5.5)") : SL("");
        found(c, "SPF", l->name, FINDING_RIGHT,
              ar_printf(c->a, "\"%.*s\", %u DNS look-ups%.*s", SLF(s.record), s.cost, SLF(note)), line);
    }
    return 0;
}

/* Would a letter from each of our addresses pass the SPF of the domain? */
static int check_spf_passes(struct checking *c)
{
    const struct config *conf = c->core->conf;
    char ip[IP_TEXT_MAX];
    for (size_t i = 0; i < conf->nlisten; i++) {
        if (ip_is_unspecified(&conf->listen[i])) continue;
        struct spf_query q = {.ip = conf->listen[i],
                              .helo = conf->hostname,
                              .mail_from = ar_cat(c->a, SL("postmaster@"), c->domain),
                              .receiver = SL("check")};
        struct spf_result r;
        int e = spf_check(c->core->dns, c->a, &q, &r);
        if (e) return e;
        enum dns_finding f = r.code == SPF_PASS        ? FINDING_RIGHT
                             : r.code == SPF_TEMPERROR ? FINDING_UNKNOWN
                                                       : FINDING_WRONG;
        struct slice why = r.problem.n ? r.problem : r.mechanism;
        found(c, "SPF of us", c->domain, f,
              ar_printf(c->a, "a letter from %s gets %s (%.*s)", ip_format(&conf->listen[i], ip),
                        spf_result_name(r.code), SLF(why)),
              (struct slice){0});
    }
    return 0;
}

static int check_dkim_keys(struct checking *c)
{
    struct dkim_key *k;
    size_t n, active = 0;
    int e = dkim_keys(c->core->store, c->a, c->domain, &k, &n);
    for (size_t i = 0; !e && i < n; i++) {
        struct sign_key *key;
        struct dkim_publish p;
        e = sign_key_from_pem(k[i].pem, &key);
        if (e) break;
        active += k[i].state == DKIM_KEY_ACTIVE;
        e = dkim_publish_check(c->a, c->core->dns, c->domain, k[i].selector, key, &p);
        int bits = sign_key_kind(key) == KEY_RSA ? sign_key_bits(key) : 0;
        sign_key_free(&key);
        if (e) break;
        static const enum dns_finding finding[] = {FINDING_RIGHT, FINDING_WRONG, FINDING_MISSING,
                                                   FINDING_DANGEROUS, FINDING_UNKNOWN};
        found(c, "DKIM", p.name, finding[p.state], p.reason, p.line);
        if (bits && bits < 2048)
            found(c, "DKIM", p.name, FINDING_DANGEROUS,
                  ar_printf(c->a, "the RSA key has %d bits; make a new one with `tram dkim rotate`", bits),
                  (struct slice){0});
    }
    if (!e && !active)
        found(c, "DKIM", c->domain, FINDING_MISSING,
              SL("no key signs for this domain: `tram dkim rotate` makes one"), (struct slice){0});
    return e;
}

static int check_dmarc_line(struct checking *c, const struct dns_line *l)
{
    struct dns_answer d;
    struct slice line = dns_line_text(c->a, l), text = {0};
    int e = dns_ask(c->core->dns, c->a, l->name, DNS_TXT, &d);
    if (e || unanswered(c, "DMARC", l->name, &d)) return e;
    size_t records = 0;
    for (size_t i = 0; i < d.n; i++)
        if (sl_startsi(sl_trim(d.rr[i].txt), SL("v=DMARC1"))) text = d.rr[i].txt, records++;
    struct dmarc_record r;
    if (!records) {
        found(c, "DMARC", l->name, FINDING_MISSING,
              SL("no DMARC record: forged letters in your name are not refused by policy"), line);
    } else if (records > 1) {
        found(c, "DMARC", l->name, FINDING_DANGEROUS,
              ar_printf(c->a, "%zu DMARC records: receivers ignore all of them", records), line);
    } else if (dmarc_record_parse(c->a, text, &r) || !r.usable) {
        found(c, "DMARC", l->name, FINDING_WRONG,
              ar_printf(c->a, "\"%.*s\" is not a valid record: %s", SLF(text), err_text(ERR_SYNTAX)), line);
    } else if (r.p == DMARC_P_NONE || r.test) {
        found(
            c, "DMARC", l->name, FINDING_WRONG,
            ar_printf(c->a, "\"%.*s\" only asks for reports: forged letters are still delivered", SLF(text)),
            line);
    } else {
        found(c, "DMARC", l->name, FINDING_RIGHT, ar_printf(c->a, "\"%.*s\"", SLF(text)), line);
    }
    return 0;
}

static int check_txt(struct checking *c, const struct dns_line *l, struct slice prefix)
{
    struct dns_answer d;
    int e = dns_ask(c->core->dns, c->a, l->name, DNS_TXT, &d);
    if (e || unanswered(c, l->what, l->name, &d)) return e;
    struct slice line = dns_line_text(c->a, l);
    size_t n = 0;
    for (size_t i = 0; i < d.n; i++) n += sl_startsi(d.rr[i].txt, prefix);
    if (!n)
        found(c, l->what, l->name, FINDING_ABSENT_OPTIONAL,
              ar_printf(c->a, "nothing is published; %s", l->why), line);
    else if (n > 1)
        found(c, l->what, l->name, FINDING_WRONG, SL("several records: senders ignore all of them"), line);
    else found(c, l->what, l->name, FINDING_RIGHT, list_of(c->a, DNS_TXT, &d), line);
    return 0;
}

static int check_reverse(struct checking *c)
{
    const struct config *conf = c->core->conf;
    char ip[IP_TEXT_MAX];
    for (size_t i = 0; i < conf->nlisten; i++) {
        if (ip_is_unspecified(&conf->listen[i])) continue;
        struct iprev_result r;
        int e = iprev_check(c->core->dns, c->a, &conf->listen[i], &r);
        if (e) return e;
        struct slice publish = ar_printf(c->a, "%.*s. IN PTR %.*s.",
                                         SLF(ip_reverse_name(c->a, &conf->listen[i])), SLF(conf->hostname));
        const char *text = ip_format(&conf->listen[i], ip);
        if (r.code == IPREV_PASS && sl_eqi(r.name, conf->hostname))
            found(c, "reverse name", sl_cstr(""), FINDING_RIGHT,
                  ar_printf(c->a, "%s is %.*s, both ways", text, SLF(r.name)), publish);
        else if (r.code == IPREV_PASS)
            found(
                c, "reverse name", sl_cstr(""), FINDING_WRONG,
                ar_printf(c->a, "%s is called %.*s, but we say %.*s", text, SLF(r.name), SLF(conf->hostname)),
                publish);
        else
            found(
                c, "reverse name", sl_cstr(""), r.code == IPREV_TEMPERROR ? FINDING_UNKNOWN : FINDING_MISSING,
                ar_printf(c->a, "%s: %.*s; many receivers refuse such hosts", text, SLF(r.problem)), publish);
    }
    return 0;
}

static int check_line(struct checking *c, const struct dns_line *l)
{
    if (l->type == DNS_PTR || strcmp(l->what, "DKIM") == 0) return 0; /* asked for in their own way */
    if (strcmp(l->what, "SPF") == 0) return check_spf_line(c, l);
    if (strcmp(l->what, "DMARC") == 0) return check_dmarc_line(c, l);
    if (strcmp(l->what, "TLSRPT") == 0) return check_txt(c, l, SL("v=TLSRPTv1"));
    if (strcmp(l->what, "MTA-STS") == 0 && l->type == DNS_TXT) return check_txt(c, l, SL("v=STSv1"));
    return check_plain(c, l);
}

int dns_check_domain(struct core *core, struct arena *a, struct slice domain, struct slice certificate,
                     struct dns_checked **out, size_t *count)
{
    struct checking c = {.core = core, .a = a};
    struct dns_line *l;
    size_t lines;
    struct domain d;
    int e = domain_get(core->store, a, domain, &d);
    if (e) return e;
    c.domain = d.name;
    e = dns_records_of(core, a, d.name, certificate, &l, &lines);
    for (size_t i = 0; !e && i < lines; i++) e = check_line(&c, &l[i]);
    if (!e) e = check_dkim_keys(&c);
    if (!e) e = check_spf_passes(&c);
    if (!e) e = check_reverse(&c);
    *out = c.v;
    *count = c.count;
    return e;
}
