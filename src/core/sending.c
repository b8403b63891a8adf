/* sending.c - do the domains of customers show what they are to show? */
#include "sending.h"

#include <stdio.h>

#include "certificate.h"
#include "config.h"
#include "dkim/dkim_publish.h"
#include "source/source.h"
#include "spf/spf.h"
#include "store/mailbox.h"

enum { AT_ONCE = 8, LOOK_EACH_S = 300, STANDS_EACH = 6 /* rounds */, WHY_MAX = 400 };

/* ---- what to publish ---- */

int sending_records(const struct core *core, struct arena *a, const struct sending_domain *d,
                    struct sending_record out[SENDING_RECORDS])
{
    struct sign_key *key;
    int e = sign_key_from_pem(d->pem, &key);
    if (e) return err_prefix(ERR_CORRUPT, "the DKIM key for %.*s", SLF(d->name));
    out[0] = (struct sending_record){.what = "DKIM",
                                     .type = DNS_TXT,
                                     .name = dkim_key_name(a, d->selector, d->name),
                                     .value = dkim_record_text(a, key, ""),
                                     .found = d->found & SENDING_KEY,
                                     .why = "proves the domain, and is the key that letters are signed with"};
    sign_key_free(&key);
    out[1] = (struct sending_record){.what = "return path",
                                     .type = DNS_CNAME,
                                     .name = sending_return_host(a, d),
                                     .value = core->conf->hostname,
                                     .found = d->found & SENDING_RETURN,
                                     .why = "where failures come back to, so that SPF is the domain's own"};
    out[2] = (struct sending_record){.what = "links",
                                     .type = DNS_CNAME,
                                     .name = sending_links_host(a, d),
                                     .value = core->conf->hostname,
                                     .found = d->found & SENDING_LINKS,
                                     .why = "where the links and images of letters lead"};
    return 0;
}

struct slice sending_account(const struct core *core, struct arena *a, const struct sending_domain *d)
{
    struct account acc;
    return account_owner(core->store, ar_cstr(a, d->account), a, &acc) == 0 ? acc.address : d->account;
}

struct slice sending_record_line(struct arena *a, const struct sending_record *r)
{
    if (r->type == DNS_TXT)
        return ar_printf(a, "%.*s. IN TXT %.*s", SLF(r->name), SLF(dkim_txt_quote(a, r->value)));
    return ar_printf(a, "%.*s. IN CNAME %.*s.", SLF(r->name), SLF(r->value));
}

/* ---- looking ---- */

struct look {
    struct core *core;
    struct arena *a;
    const struct sending_domain *d;
    struct sending_look out;
};

/* found, or why not; unknown: its DNS gave no answer. The first reason is kept. */
static void say(struct look *x, unsigned bit, bool unknown, struct slice wrong)
{
    if (!unknown) x->out.known |= bit;
    if (!unknown && !wrong.n) x->out.found |= bit;
    if (wrong.n && !x->out.why.n) x->out.why = sl_sub(wrong, 0, WHY_MAX);
}

/* What could not be asked is not known, and keeps nothing else from being known. ERR_CANCELED. */
static int asked(struct look *x, unsigned bit, int e)
{
    if (!e || e == ERR_CANCELED) return e;
    say(x, bit, true, ar_printf(x->a, "%.*s cannot be looked at: %s", SLF(x->d->name), err_text(e)));
    return 0;
}

static int look_key(struct look *x)
{
    struct dkim_publish p;
    struct sign_key *key;
    if (sign_key_from_pem(x->d->pem, &key)) {
        say(x, SENDING_KEY, false,
            SL("the key that was made for it is damaged: remove the domain and add it again"));
        return 0;
    }
    int e = dkim_publish_check(x->a, x->core->dns, x->d->name, x->d->selector, key, &p);
    sign_key_free(&key);
    if (e) return e;
    struct slice wrong = ar_printf(x->a, "%.*s: %.*s", SLF(p.name), SLF(p.reason));
    if (p.state == DKIM_PUB_RIGHT && p.testing)
        wrong = ar_printf(x->a, "%.*s says t=y: what it signs counts as unsigned", SLF(p.name));
    else if (p.state == DKIM_PUB_RIGHT) wrong = SL("");
    say(x, SENDING_KEY, p.state == DKIM_PUB_UNKNOWN, wrong);
    return 0;
}

/* Mail for the host comes here: by its MX records, or where it has none by its addresses (RFC 5321 section
 * 5.1). */
static int mail_comes(struct look *x, struct slice host, enum core_leads *out)
{
    struct dns_answer mx;
    int e = dns_ask(x->core->dns, x->a, host, DNS_MX, &mx);
    *out = LEADS_UNKNOWN;
    if (e || mx.status == DNS_TEMPFAIL) return e;
    if (!mx.n) return core_leads_here(x->core, x->a, host, out);
    *out = LEADS_HERE;
    for (size_t i = 0; !e && i < mx.n && *out == LEADS_HERE; i++)
        if (!sl_eqi(mx.rr[i].mx.host, x->core->conf->hostname))
            e = core_leads_here(x->core, x->a, mx.rr[i].mx.host, out);
    return e;
}

/* Would a letter from this address pass for the host? 1, 0, or an error; *unknown. */
static int passes(struct look *x, struct slice host, const struct ip *from, bool *unknown)
{
    struct spf_result r;
    struct spf_query q = {.ip = *from,
                          .helo = x->core->conf->hostname,
                          .mail_from = ar_cat(x->a, SL("postmaster@"), host),
                          .receiver = SL("check")};
    int e = spf_check(x->core->dns, x->a, &q, &r);
    *unknown |= !e && r.code == SPF_TEMPERROR;
    return e ? e : r.code == SPF_PASS;
}

/* From everywhere that letters leave from. */
static int all_pass(struct look *x, struct slice host, bool *unknown)
{
    struct ip own[LISTEN_MAX];
    size_t n = config_public(x->core->conf, own);
    int yes = 1;
    struct source_plan *p = source_plan_now(x->core->sources);
    for (size_t i = 0; yes == 1 && i < n; i++) yes = passes(x, host, &own[i], unknown);
    for (size_t i = 0; yes == 1 && i < p->nsource; i++) yes = passes(x, host, &p->source[i].ip, unknown);
    source_plan_drop(&p);
    return yes;
}

static int look_return(struct look *x)
{
    struct slice host = sending_return_host(x->a, x->d), wrong = SL(""), ours = x->core->conf->hostname;
    enum core_leads to;
    bool silent = false;
    int yes = 0, e = mail_comes(x, host, &to);
    if (!e && to == LEADS_HERE) yes = all_pass(x, host, &silent);
    if (e || yes < 0) return e ? e : yes;
    bool unknown = to == LEADS_UNKNOWN || (!yes && silent);
    if (unknown) wrong = ar_printf(x->a, "%.*s: the DNS gives no answer", SLF(host));
    else if (to == LEADS_ELSEWHERE)
        wrong = ar_printf(x->a, "mail for %.*s does not come here: publish it as a CNAME to %.*s", SLF(host),
                          SLF(ours));
    else if (!yes)
        wrong =
            ar_printf(x->a,
                      "%.*s leads here, but SPF does not let our letters pass for it; a CNAME to %.*s, which "
                      "has an SPF record, would",
                      SLF(host), SLF(ours));
    say(x, SENDING_RETURN, unknown, wrong);
    return 0;
}

static int look_links(struct look *x)
{
    struct slice host = sending_links_host(x->a, x->d), wrong = SL("");
    enum core_leads to;
    bool tls = false;
    int e = core_leads_here(x->core, x->a, host, &to);
    if (e) return e;
    if (to != LEADS_ELSEWHERE) e = core_certificate_for(x->core, x->a, host, &tls);
    if (e == ERR_CANCELED) return e;
    if (to == LEADS_UNKNOWN) wrong = ar_printf(x->a, "%.*s: the DNS gives no answer", SLF(host));
    if (to == LEADS_ELSEWHERE)
        wrong = ar_printf(x->a, "%.*s does not lead here: publish it as a CNAME to %.*s", SLF(host),
                          SLF(x->core->conf->hostname));
    say(x, SENDING_LINKS, to == LEADS_UNKNOWN, wrong);
    if (e) return asked(x, SENDING_TLS, e);
    x->out.known |= SENDING_TLS;
    x->out.found |= tls ? SENDING_TLS : 0;
    if (!tls && !wrong.n && !x->out.why.n)
        x->out.why = ar_printf(x->a, "%.*s leads here, but there is no certificate for it yet", SLF(host));
    return 0;
}

static void tell(const struct core *core, struct arena *a, const struct sending_domain *d,
                 enum sending_change c)
{
    struct slice who =
        ar_printf(a, "%.*s of the account %.*s", SLF(d->name), SLF(sending_account(core, a, d)));
    if (c == SENDING_PROVED) log_info("sending", "the domain %.*s is proved: it may send as it", SLF(who));
    if (c == SENDING_LOST)
        log_warn("sending", "the domain %.*s is proved no more, nothing is sent as it: %.*s", SLF(who),
                 SLF(d->why));
}

/* ---- one look at a claim at a time ---- */

struct sending_turn { /* on its fiber's stack */
    struct slice account, name;
    struct nudge *nudge;
    struct sending_turn *next; /* who came after it, at whatever claim */
};

/* Whose turn it is at the same claim: who came first. Under the lock. */
static struct sending_turn *turn_now(struct core *core, const struct sending_turn *of)
{
    struct sending_turn *t = core->sending.first;
    while (t && !(sl_eq(t->account, of->account) && sl_eq(t->name, of->name))) t = t->next;
    return t;
}

static bool turn_is(struct core *core, const struct sending_turn *mine)
{
    lock_take(&core->sending.lock);
    bool is = turn_now(core, mine) == mine;
    lock_release(&core->sending.lock);
    return is;
}

static void turn_queue(struct core *core, struct sending_turn *mine)
{
    lock_take(&core->sending.lock);
    struct sending_turn **at = &core->sending.first;
    while (*at) at = &(*at)->next;
    *at = mine;
    lock_release(&core->sending.lock);
}

static void turn_end(struct core *core, struct sending_turn *mine)
{
    lock_take(&core->sending.lock);
    struct sending_turn **at = &core->sending.first;
    while (*at != mine) at = &(*at)->next;
    *at = mine->next;
    struct sending_turn *next = turn_now(core, mine);
    if (next) nudge_wake(next->nudge);
    lock_release(&core->sending.lock);
    nudge_drop(mine->nudge);
}

/* d: the claim that is to be looked at, which stays where it is until turn_end(). ERR_BUSY: others look, and
 * have for so long, in nanoseconds; ERR_CANCELED. */
static int turn_begin(struct core *core, struct sending_turn *mine, const struct sending_domain *d,
                      int64_t patience)
{
    int e = 0;
    *mine = (struct sending_turn){.account = d->account, .name = d->name, .nudge = nudge_new()};
    turn_queue(core, mine);
    int64_t before = deadline_narrow(DEADLINE_IN(patience));
    while (!e && !turn_is(core, mine)) e = patience ? nudge_wait(mine->nudge) : ERR_TIMEOUT;
    deadline_restore(before);
    if (e) turn_end(core, mine);
    return e == ERR_TIMEOUT && rt_now() < before
               ? err_set(ERR_BUSY, "the records of %.*s are being looked at, which takes its DNS long",
                         SLF(d->name))
               : e;
}

/* *d as it was when the turn began. */
static int look_at_claim(struct core *core, struct arena *a, struct sending_domain *d)
{
    struct look x = {.core = core, .a = a, .d = d};
    enum sending_change change;
    int e = asked(&x, SENDING_KEY, look_key(&x));
    if (!e) e = asked(&x, SENDING_RETURN, look_return(&x));
    if (!e) e = asked(&x, SENDING_LINKS | SENDING_TLS, look_links(&x));
    if (!e) e = sending_domain_looked(core->store->directory, a, d, &x.out, &change);
    if (!e) tell(core, a, d, change);
    return e;
}

/* Who looks: who must have it looked at, who asks how it is now, who only wants to see it. */
enum looker { LOOKS, ASKS, SEES, LOOKERS };

static const int64_t patience[LOOKERS] = {
    [LOOKS] = SENDING_WAIT_LONG_S * RT_S, [ASKS] = SENDING_WAIT_S * RT_S};

/* Of who asks or sees, a look that is not older than SENDING_AGAIN_S will do. */
static int look_in_turn(struct core *core, struct arena *a, const char *account, struct slice name,
                        enum looker who, struct sending_domain *out)
{
    struct sending_turn turn;
    int64_t good = who == LOOKS ? 0 : SENDING_AGAIN_S;
    int e = sending_domain_get(core->store->directory, a, account, name, out);
    if (!e) e = turn_begin(core, &turn, out, patience[who]);
    if (e) return e == ERR_BUSY && who == SEES ? 0 : e;
    e = sending_domain_get(core->store->directory, a, account, turn.name, out);
    int64_t ago = rt_wall_seconds() - out->looked;
    if (!e && (ago < 0 || ago >= good)) e = look_at_claim(core, a, out);
    turn_end(core, &turn);
    return e;
}

int sending_look(struct core *core, struct arena *a, const char *account, struct slice name,
                 struct sending_domain *out)
{
    return look_in_turn(core, a, account, name, LOOKS, out);
}

int sending_verify(struct core *core, struct arena *a, const char *account, struct slice name,
                   struct sending_domain *out)
{
    return look_in_turn(core, a, account, name, ASKS, out);
}

int sending_glance(struct core *core, struct arena *a, const char *account, struct slice name,
                   struct sending_domain *out)
{
    return look_in_turn(core, a, account, name, SEES, out);
}

void sending_certified(struct core *core, struct slice host)
{
    struct arena a = {0};
    struct sending_domain d;
    size_t dot = sl_chr(host, '.');
    int e = dot == SL_NONE ? ERR_NOT_FOUND
                           : sending_domain_of(core->store->directory, &a, sl_from(host, dot + 1), &d);
    if (!e) e = sending_look(core, &a, ar_cstr(&a, d.account), d.name, &d);
    if (e && e != ERR_NOT_FOUND && e != ERR_CANCELED)
        log_warn("sending", "%.*s has a certificate, but cannot be looked at: %s", SLF(host), err_text(e));
    ar_free(&a);
}

/* ---- again and again ---- */

struct due {
    char account[20], name[SENDING_DOMAIN_BYTES + 1];
    struct core *core;
};
struct round {
    struct core *core;
    bool all; /* also: does what letters ask for stand? */
    struct due due[AT_ONCE];
    size_t n;
};

static bool is_due(const struct sending_domain *d, int64_t now)
{
    int64_t age = d->created <= now ? now - d->created : SENDING_YOUNG_S /* not known */,
            open = now - (d->lost > d->created ? d->lost : d->created),
            each = d->verified ? SENDING_LOOK_S : SENDING_LOOK_OPEN_S;
    if (d->damage.n) return false;
    if (!d->verified && open > SENDING_OPEN_S) return false;
    if (!d->verified && age < SENDING_YOUNG_S) each = SENDING_LOOK_YOUNG_S;
    if (d->failing) each = SENDING_LOOK_YOUNG_S;
    return d->looked > now || now - d->looked >= each;
}

/* A claim that was made while its account was removed is nobody's. */
static int look_or_drop(const struct due *one, struct arena *a)
{
    struct sending_domain d;
    struct account_usage u;
    int e = account_usage(one->core->store, one->account, &u);
    if (e == ERR_NOT_FOUND)
        return sending_domain_remove(one->core->store->directory, one->account, sl_cstr(one->name));
    if (e && !err_is_damage(e)) return e; /* a damaged one is there */
    return sending_look(one->core, a, one->account, sl_cstr(one->name), &d);
}

static void look_at(void *arg)
{
    const struct due *one = arg;
    struct arena a = {0};
    int e = look_or_drop(one, &a);
    if (e && e != ERR_CANCELED && e != ERR_NOT_FOUND)
        log_warn("sending", "the domain %s cannot be looked at: %s", one->name, err_text(e));
    ar_free(&a);
}

/* Some at a time: one whose DNS is silent keeps the others waiting for some seconds only. */
static int flush(struct round *r)
{
    struct group fibers;
    group_init(&fibers);
    for (size_t i = 0; i < r->n; i++)
        if (group_go(&fibers, "sending", look_at, &r->due[i]) != 0) look_at(&r->due[i]);
    r->n = 0;
    int e = group_wait(&fibers);
    return fiber_canceled() ? ERR_CANCELED : e;
}

int sending_stands(const struct core *core, const struct sending_domain *d, const char **why)
{
    *why = NULL;
    int e = d->damage.n || !d->verified ? 0 : sending_domain_stands(core->store->directory, d);
    if (e == ERR_CORRUPT) *why = "the row that says who has it cannot be read";
    return err_is_damage(e) ? 0 : e;
}

static int take(void *arg, const struct sending_domain *d)
{
    struct round *r = arg;
    const char *gone = NULL;
    bool due = is_due(d, rt_wall_seconds());
    int e = due || !r->all ? 0 : sending_stands(r->core, d, &gone);
    if (e) return e;
    if (!due && !gone) return 0;
    struct due *one = &r->due[r->n++];
    one->core = r->core;
    snprintf(one->account, sizeof one->account, "%.*s", SLF(d->account));
    snprintf(one->name, sizeof one->name, "%.*s", SLF(d->name));
    return r->n == AT_ONCE ? flush(r) : 0;
}

void sending_keep(void *arg)
{
    struct core *core = arg;
    for (unsigned n = 1; fiber_sleep(LOOK_EACH_S * RT_S) == 0; n++) {
        struct round r = {.core = core, .all = n % STANDS_EACH == 0};
        int e = sending_domain_each(core->store->directory, NULL, take, &r);
        if (!e) e = flush(&r);
        if (e && e != ERR_CANCELED)
            log_warn("sending", "domains of customers cannot be looked at: %s", err_text(e));
    }
}
