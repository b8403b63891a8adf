/* preflight.c - our own letter before a strict receiver; see preflight.h. */
#include "preflight.h"

#include "base/log.h"
#include "base/text.h"
#include "dkim/dkim_publish.h"
#include "dmarc/dmarc.h"
#include "mailauth/iprev.h"
#include "spf/spf.h"

enum { BELIEVE_GOOD = 600, BELIEVE_BAD = 60, BELIEVE_LEAST = 10 };

struct flight {
    struct dns *dns;
    struct arena *a;
    const struct preflight_query *q;
    struct preflight_result *out;
    struct slice author; /* A-labels */
    struct spf_result spf;
    struct slice good[PREFLIGHT_KEYS_MAX]; /* signing domains whose key the world sees */
    size_t ngood;
    bool key_unknown;
};

const char *preflight_state_name(enum preflight_state s)
{
    static const char *const names[] = {"right", "weak", "unknown", "wrong"};
    return names[s];
}

static void add(struct flight *f, const char *what, enum preflight_state s, struct slice sentence,
                struct slice line)
{
    struct preflight_result *r = f->out;
    if (r->n >= PREFLIGHT_ITEMS_MAX) return;
    r->item[r->n++] = (struct preflight_item){what, s, sentence, line};
    if (s <= r->verdict && r->n > 1) return;
    r->verdict = s;
    r->sentence = sentence;
    r->line = line;
}

static const struct slice no_line = {0};

/* ---- the address: reverse DNS and HELO ---- */

static int check_ptr(struct flight *f)
{
    struct iprev_result r;
    char ip[IP_TEXT_MAX];
    ip_format(&f->q->ip, ip);
    int e = iprev_check(f->dns, f->a, &f->q->ip, &r);
    if (e) return e;
    struct slice line =
        ar_printf(f->a, "%.*s. IN PTR %.*s.", SLF(ip_reverse_name(f->a, &f->q->ip)), SLF(f->q->helo));
    switch (r.code) {
    case IPREV_PASS:
        if (sl_eqi(r.name, f->q->helo))
            add(f, "ptr", PREFLIGHT_RIGHT, ar_printf(f->a, "%s is %.*s", ip, SLF(r.name)), no_line);
        else
            add(f, "ptr", PREFLIGHT_WEAK,
                ar_printf(f->a, "%s is called %.*s in the DNS, and we greet as %.*s", ip, SLF(r.name),
                          SLF(f->q->helo)),
                line);
        break;
    case IPREV_TEMPERROR: add(f, "ptr", PREFLIGHT_UNKNOWN, r.problem, no_line); break;
    default: add(f, "ptr", PREFLIGHT_WRONG, r.problem, line);
    }
    return 0;
}

static int check_helo(struct flight *f)
{
    struct helo_result r;
    char ip[IP_TEXT_MAX];
    ip_format(&f->q->ip, ip);
    int e = helo_check(f->dns, f->a, &f->q->ip, f->q->helo, &r);
    if (e) return e;
    const char *type = f->q->ip.family == 6 ? "AAAA" : "A";
    struct slice line = ar_printf(f->a, "%.*s. IN %s %s", SLF(f->q->helo), type, ip);
    switch (r.code) {
    case HELO_MATCHES:
        add(f, "helo", PREFLIGHT_RIGHT, ar_printf(f->a, "%.*s is %s", SLF(f->q->helo), ip), no_line);
        break;
    case HELO_TEMPERROR: add(f, "helo", PREFLIGHT_UNKNOWN, r.problem, no_line); break;
    case HELO_BAD:
        add(f, "helo", PREFLIGHT_WRONG, ar_printf(f->a, "we greet wrongly: %.*s", SLF(r.problem)), no_line);
        break;
    default:
        add(f, "helo", PREFLIGHT_WRONG,
            ar_printf(f->a, "we greet as %.*s, but that name does not have the address %s", SLF(f->q->helo),
                      ip),
            line);
    }
    return 0;
}

/* ---- SPF ---- */

/* The record with the address in it, right behind the version. */
static struct slice spf_line(struct flight *f, const struct spf_result *r)
{
    char ip[IP_TEXT_MAX];
    const char *kind = f->q->ip.family == 6 ? "ip6" : "ip4";
    ip_format(&f->q->ip, ip);
    struct spf_record parsed;
    struct slice text = ar_printf(f->a, "v=spf1 mx %s:%s -all", kind, ip);
    if (r->record.n && spf_record_parse(f->a, r->record, &parsed) == 0)
        text = ar_printf(f->a, "v=spf1 %s:%s%.*s", kind, ip, SLF(sl_from(r->record, 6)));
    return ar_printf(f->a, "%.*s. IN TXT %.*s", SLF(r->domain), SLF(dkim_txt_quote(f->a, text)));
}

static void say_spf(struct flight *f, const struct spf_result *r, const char *of)
{
    char ip[IP_TEXT_MAX];
    ip_format(&f->q->ip, ip);
    switch (r->code) {
    case SPF_PASS:
        add(f, "spf", PREFLIGHT_RIGHT, ar_printf(f->a, "%.*s lets %s send", SLF(r->domain), ip), no_line);
        break;
    case SPF_TEMPERROR: add(f, "spf", PREFLIGHT_UNKNOWN, r->problem, no_line); break;
    case SPF_NEUTRAL:
    case SPF_SOFTFAIL:
        add(f, "spf", PREFLIGHT_WEAK,
            ar_printf(f->a, "the SPF record of %.*s (%s) does not name %s: %s", SLF(r->domain), of, ip,
                      spf_result_name(r->code)),
            spf_line(f, r));
        break;
    case SPF_FAIL:
        add(f, "spf", PREFLIGHT_WRONG,
            ar_printf(f->a, "the SPF record of %.*s (%s) forbids %s to send", SLF(r->domain), of, ip),
            spf_line(f, r));
        break;
    case SPF_NONE:
        add(f, "spf", PREFLIGHT_WEAK, ar_printf(f->a, "%.*s (%s)", SLF(r->problem), of),
            r->domain.n ? spf_line(f, r) : no_line);
        break;
    case SPF_PERMERROR:
        add(f, "spf", PREFLIGHT_WRONG, ar_printf(f->a, "%.*s (%s)", SLF(r->problem), of), spf_line(f, r));
        break;
    }
}

static int check_spf(struct flight *f)
{
    struct spf_query q = {.ip = f->q->ip, .helo = f->q->helo, .mail_from = f->q->mail_from};
    int e = spf_check(f->dns, f->a, &q, &f->spf);
    if (e) return e;
    say_spf(f, &f->spf,
            f->q->mail_from.n ? "the domain of the return path" : "our host name, for the null return path");
    if (f->spf.per_user) f->out->cacheable = false;
    if (!f->q->mail_from.n) return 0;
    struct spf_result helo;
    q.identity = SPF_HELO;
    e = spf_check(f->dns, f->a, &q, &helo);
    if (e == 0 && helo.code != SPF_NONE && helo.code != SPF_PASS) say_spf(f, &helo, "our host name");
    return e;
}

/* ---- our keys ---- */

static int check_keys(struct flight *f)
{
    for (size_t i = 0; i < f->q->nkey && i < PREFLIGHT_KEYS_MAX; i++) {
        const struct preflight_key *k = &f->q->key[i];
        struct dkim_publish p;
        int e = dkim_publish_check(f->a, f->dns, k->domain, k->selector, k->key, &p);
        if (e) return e;
        if (p.state == DKIM_PUB_RIGHT && p.testing) {
            add(f, "dkim", PREFLIGHT_WEAK, ar_printf(f->a, "%.*s: %.*s", SLF(p.name), SLF(p.reason)), p.line);
        } else if (p.state == DKIM_PUB_RIGHT) {
            f->good[f->ngood++] = k->domain;
            add(f, "dkim", PREFLIGHT_RIGHT, ar_printf(f->a, "the key %.*s is published", SLF(p.name)),
                no_line);
        } else if (p.state == DKIM_PUB_UNKNOWN) {
            f->key_unknown = true;
            add(f, "dkim", PREFLIGHT_UNKNOWN, p.reason, no_line);
        } else {
            add(f, "dkim", PREFLIGHT_WRONG,
                ar_printf(f->a, "the key %.*s is not published rightly (%s): %.*s", SLF(p.name),
                          dkim_published_name(p.state), SLF(p.reason)),
                p.line);
        }
    }
    if (!f->q->nkey) add(f, "dkim", PREFLIGHT_WEAK, SL("the letter will carry no signature"), no_line);
    return 0;
}

/* ---- the author ---- */

static void say_one_leg(struct flight *f, const struct dmarc_result *r)
{
    if (r->spf_aligned && r->dkim_aligned)
        add(f, "dmarc", PREFLIGHT_RIGHT,
            ar_printf(f->a, "SPF and a signature vouch for %.*s", SLF(f->author)), no_line);
    else if (r->dkim_aligned)
        add(f, "dmarc", PREFLIGHT_RIGHT,
            ar_printf(f->a, "a signature of %.*s vouches for %.*s", SLF(r->dkim_domain), SLF(f->author)),
            no_line);
    else
        add(f, "dmarc", PREFLIGHT_WEAK,
            ar_printf(f->a, "only SPF vouches for %.*s: the letter fails when it is forwarded",
                      SLF(f->author)),
            no_line);
}

static void say_dmarc(struct flight *f, const struct dmarc_result *r)
{
    switch (r->code) {
    case DMARC_PASS: say_one_leg(f, r); break;
    case DMARC_FAIL: {
        bool acted = r->applied != DMARC_P_NONE;
        add(f, "dmarc", acted ? PREFLIGHT_WRONG : PREFLIGHT_WEAK,
            ar_printf(f->a, "receivers will %s it: %.*s",
                      r->applied == DMARC_P_REJECT ? "refuse"
                      : acted                      ? "take it for junk and quarantine"
                                                   : "count as forged",
                      SLF(r->why)),
            no_line);
    } break;
    case DMARC_TEMPERROR: add(f, "dmarc", PREFLIGHT_UNKNOWN, r->why, no_line); break;
    case DMARC_PERMERROR:
    case DMARC_NONE:
        add(f, "dmarc", PREFLIGHT_WEAK,
            ar_printf(f->a, "%.*s: receivers cannot tell the letter from a forged one", SLF(r->why)),
            ar_printf(f->a, "_dmarc.%.*s. IN TXT \"v=DMARC1; p=reject; rua=mailto:postmaster@%.*s\"",
                      SLF(r->policy_domain.n ? r->policy_domain : f->author), SLF(f->author)));
        break;
    }
}

static int check_author(struct flight *f)
{
    if (!f->q->author.n || dns_to_ascii(f->a, f->q->author, &f->author) != 0 || !dns_is_fqdn(f->author)) {
        add(f, "from", PREFLIGHT_WRONG,
            SL("the From field does not name exactly one domain: receivers refuse such letters"), no_line);
        return 0;
    }
    struct dmarc_authors from = {.state = DMARC_FROM_ONE, .domain = {f->author}, .n = 1};
    struct slice unknown = f->author;
    struct dmarc_evidence e = {
        .spf_domain = f->spf.domain,
        .spf_pass = f->spf.code == SPF_PASS,
        .spf_temperror = f->spf.code == SPF_TEMPERROR,
        .dkim_pass = f->good,
        .ndkim_pass = f->ngood,
        .dkim_temperror = &unknown,
        .ndkim_temperror = f->key_unknown,
    };
    struct dmarc_result r;
    int code = dmarc_check(f->dns, f->a, &from, &e, &r);
    if (code == 0) say_dmarc(f, &r);
    return code;
}

/* ---- all ---- */

static int64_t believe(const struct preflight_result *r, uint32_t ttl)
{
    int64_t most = r->verdict <= PREFLIGHT_WEAK ? BELIEVE_GOOD : BELIEVE_BAD;
    int64_t seconds = ttl < most ? ttl : most;
    return seconds < BELIEVE_LEAST ? BELIEVE_LEAST : seconds;
}

static struct slice return_domain(const struct preflight_query *q)
{
    size_t at = sl_rchr(q->mail_from, '@');
    return at == SL_NONE ? q->helo : sl_from(q->mail_from, at + 1);
}

int preflight_check(struct dns *d, struct arena *a, const struct preflight_query *q,
                    struct preflight_result *out)
{
    ASSERT(d && a && out);
    static const struct {
        int (*check)(struct flight *);
        bool of_address;
    } steps[] = {
        {check_spf, true}, {check_keys, false}, {check_author, false}, {check_ptr, true}, {check_helo, true}};
    *out = (struct preflight_result){.cacheable = true};
    struct flight f = {.dns = d, .a = a, .q = q, .out = out};
    int64_t before = deadline_narrow(DEADLINE_IN(PREFLIGHT_SECONDS * RT_S));
    int e = 0;
    if (!q->ip.family) {
        f.spf.domain = return_domain(q); /* whether it passes is not known */
        f.spf.code = SPF_TEMPERROR;
        f.spf.ttl = BELIEVE_GOOD;
    }
    for (size_t i = 0; i < COUNT_OF(steps) && e == 0; i++)
        if (q->ip.family || !steps[i].of_address) e = steps[i].check(&f);
    deadline_restore(before);
    out->seconds = believe(out, f.spf.ttl);
    return e;
}
