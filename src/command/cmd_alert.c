/* cmd_alert.c - alerts: what of the node somebody has to hear of, looked for, told, listed. */
#include "acme/acme.h"
#include "base/civil.h"
#include "base/log.h"
#include "cmd.h"
#include "core/alert.h"
#include "core/certificate.h"
#include "core/config.h"
#include "core/sending.h"
#include "crypto/cert.h"
#include "dns_check.h"
#include "intake/intake.h"
#include "queue/queue.h"
#include "report/tlsrpt.h"
#include "rt/file.h"
#include "watch.h"

enum { SENDING_TOLD = 50, SENDING_TOLD_S = 7 * 86400 }; /* customers' domains, for so long */
enum { KEYS_LATE = 86400 };                             /* a server of the DNS may be away for so long */
enum { REPORTS_DAYS = 2, REPORTS_LEAST = 10, REPORTS_PART = 20 /* one of so many */ };

struct watching {
    struct core *core;
    struct arena *a;
    struct alert_finding *v;
    size_t n, cap;
};

static void found(struct watching *x, struct slice about, struct slice sentence, bool twice)
{
    if (x->n == x->cap) x->v = ar_grow(x->a, x->v, &x->cap, sizeof *x->v);
    x->v[x->n++] = (struct alert_finding){about, sentence, twice};
}

static void watch_queue(struct watching *x)
{
    struct queue_stats q;
    int64_t now = rt_wall_seconds();
    int e = queue_stats(x->core->queue, &q);
    if (e) found(x, SL("queue"), SL(""), false);
    else if (q.letters && q.oldest && now - q.oldest > x->core->conf->alert_queue_age_s)
        found(x, SL("queue"),
              ar_printf(x->a, "%llu letters wait, the oldest since %.*s; tram queue list says why each waits",
                        (unsigned long long)q.letters, SLF(say_past(x->a, q.oldest, now))),
              false);
}

static int ask_space(void *bytes) { return path_free_space(".", bytes); }

static void watch_disk(struct watching *x)
{
    uint64_t space;
    int e = offload(ask_space, &space);
    if (e) found(x, SL("disk"), SL(""), false);
    else if (space < x->core->conf->alert_disk)
        found(x, SL("disk"),
              ar_printf(x->a,
                        "%llu MB are free where the home lies; a full disk refuses mail (452), it loses none",
                        (unsigned long long)(space >> 20)),
              false);
}

static void watch_certificate(struct watching *x)
{
    struct cert_pair q = {.host = x->core->conf->hostname, .now = rt_wall_seconds()};
    struct cert_finding *f;
    struct buf b = BUF_INIT;
    size_t n = 0;
    int e = core_certificate(x->core, x->a, &q.chain_pem, &q.key_pem);
    if (e) buf_str(&b, err_text(e));
    else cert_judge(x->a, &q, &f, &n);
    for (size_t i = 0; i < n; i++)
        if (f[i].grade >= CERT_WARN) buf_printf(&b, "%s%.*s", b.n ? "; " : "", SLF(f[i].sentence));
    if (b.n) found(x, SL("certificate"), ar_dup(x->a, buf_slice(&b)), false);
    buf_free(&b);
}

static void watch_keys(struct watching *x)
{
    struct acme_rollover k;
    if (!x->core->acme || acme_rollover(x->core->store->kv, x->a, &k)) return;
    if (k.failed && rt_wall_seconds() - k.failed > KEYS_LATE)
        found(x, SL("TLSA"), ar_printf(x->a, "%.*s; %s", SLF(k.why), acme_rollover_waits(&k)), false);
}

/* What others say of sessions with us (RFC 8460): one in twenty failed. */
static void watch_reports(struct watching *x, struct slice domain)
{
    struct tlsrpt_history h;
    struct slice about = ar_cat(x->a, SL("TLS reports of "), domain);
    int e = tlsrpt_read(x->core->tls_reports, x->a, domain, rt_wall_seconds() - REPORTS_DAYS * 86400, &h);
    if (e) found(x, about, SL(""), false);
    else if (h.bad >= REPORTS_LEAST && h.bad >= (h.good + h.bad) / REPORTS_PART)
        found(x, about,
              ar_printf(x->a, "others say that %llu of %llu sessions with us failed; tram tls report %.*s",
                        (unsigned long long)h.bad, (unsigned long long)(h.good + h.bad), SLF(domain)),
              false);
}

struct sending_watch {
    struct watching *x;
    size_t n;
};

/* A domain of a customer that is about to be lost, or was this week, or whose row is damaged. */
static int watch_claim(void *arg, const struct sending_domain *d)
{
    struct sending_watch *w = arg;
    struct watching *x = w->x;
    const char *gone;
    int64_t ago = rt_wall_seconds() - d->lost;
    bool lost = d->lost && ago >= 0 && ago < SENDING_TOLD_S;
    int e = sending_stands(x->core, d, &gone);
    if (e) return e;
    if (!(d->damage.n || gone || lost || (d->verified && d->failing)) || w->n++ >= SENDING_TOLD) return 0;
    struct slice about = ar_cat(x->a, SL("sending domain "), d->name);
    struct slice who = sending_account(x->core, x->a, d);
    if (d->damage.n)
        found(x, about,
              ar_printf(x->a, "its row of the account %.*s cannot be read, and nothing is sent as it: %.*s",
                        SLF(who), SLF(d->damage)),
              true);
    else if (gone)
        found(x, about,
              ar_printf(x->a, "the account %.*s has it, but %s: its letters wait until a look mends that",
                        SLF(who), gone),
              true);
    else
        found(x, about,
              ar_printf(x->a, "%s for the account %.*s: %.*s",
                        lost ? "is proved no more, and nothing is sent as it"
                             : "its proof is not seen any more",
                        SLF(who), SLF(d->why)),
              true);
    return 0;
}

static void watch_sending(struct watching *x)
{
    struct sending_watch w = {x, 0};
    int e = sending_domain_each(x->core->store->directory, NULL, watch_claim, &w);
    if (e && e != ERR_CANCELED) log_warn("alert", "domains of customers cannot be read: %s", err_text(e));
}

/* What is wrong first, and how much more. */
static struct slice sum_up(struct arena *a, const struct dns_checked *v, size_t n, struct slice domain,
                           bool *unknown)
{
    struct slice first = {0};
    size_t wrong = 0;
    for (size_t i = 0; i < n; i++) {
        *unknown |= v[i].finding == FINDING_UNKNOWN;
        if (v[i].finding != FINDING_UNKNOWN && v[i].finding != FINDING_RIGHT &&
            v[i].finding != FINDING_ABSENT_OPTIONAL && !wrong++)
            first = ar_printf(a, "%.*s %.*s: %.*s", SLF(v[i].what), SLF(v[i].name), SLF(v[i].sentence));
    }
    return wrong > 1
               ? ar_printf(a, "%.*s; and %zu more: tram dns check %.*s", SLF(first), wrong - 1, SLF(domain))
               : first;
}

/* One condition a domain; of a resolver that answers nothing, one in all; of a domain that is damaged, that
 * it is. */
static void watch_records(struct watching *x, struct slice domain, bool *dead)
{
    struct arena a = {0}; /* what is kept of one domain of many is its sentence */
    struct dns_checked *v;
    struct slice first = {0};
    size_t n = 0;
    bool unknown = *dead;
    int e =
        *dead ? 0
              : dns_check_domain(x->core, x->core->dns, &a, domain, served_certificate(x->core, &a), &v, &n);
    if (err_is_damage(e))
        first = ar_printf(&a, "it cannot be examined: %s; tram verify says what is damaged", err_text(e));
    if (!e && dns_check_dead(v, n)) {
        *dead = true;
        found(x, SL("resolver"), ar_dup(x->a, v->sentence), true);
    }
    if (!e && n) first = sum_up(&a, v, n, domain, &unknown);
    if (e || unknown || first.n)
        found(x, ar_cat(x->a, SL("DNS "), domain), first.n ? ar_dup(x->a, first) : SL(""), true);
    ar_free(&a);
}

static void watch_domains(struct watching *x, bool slow)
{
    struct slice *name;
    size_t n;
    bool dead = false;
    directory_domains(x->core->store->directory, x->a, &name, &n);
    for (size_t i = 0; i < n && !fiber_canceled(); i++) {
        watch_reports(x, name[i]);
        if (slow) watch_records(x, name[i], &dead);
    }
}

int watch_node(struct core *core, bool slow)
{
    struct arena a;
    ar_init(&a, 0);
    struct watching x = {.core = core, .a = &a};
    struct slice domain = core_domain(core, &a);
    watch_queue(&x);
    watch_disk(&x);
    watch_certificate(&x);
    watch_keys(&x);
    watch_domains(&x, slow);
    watch_sending(&x);
    struct alerts_conf c = {.kv = core->store->kv,
                            .take = core->conf->alert_mail ? intake_take : NULL,
                            .take_ctx = core->intake,
                            .fetch = core->fetch,
                            .webhook = core->conf->alert_webhook,
                            .private_hosts = core->conf->webhook_private,
                            .hostname = core->conf->hostname,
                            .telling = &core->alerting};
    struct slice to = domain.n ? ar_cat(&a, SL("postmaster@"), domain) : SL("");
    int e = fiber_canceled() ? ERR_CANCELED : alerts_found(&c, x.v, x.n, slow, to);
    ar_free(&a);
    return e;
}

int run_alerts(struct request *r)
{
    struct alert *v;
    size_t n;
    char when[CIVIL_TEXT_MAX];
    int e = arg_flag(r->args, "look") ? watch_node(r->core, true) : 0;
    if (!e) e = alerts_list(r->core->store->kv, r->a, &v, &n);
    for (size_t i = 0; !e && i < n; i++) {
        json_t *o = json_object();
        reply_text(o, "about", v[i].about);
        reply_text(o, "sentence", v[i].sentence);
        reply_text(o, "since", sl_cstr(civil_format(v[i].since, when)));
        json_object_set_new(o, "mailed", json_boolean(v[i].mailed));
        json_object_set_new(o, "posted", json_boolean(v[i].posted));
        e = reply_row(r, o);
    }
    return e ? e : n ? NO : 0;
}

void print_row_alerts(json_t *args, json_t *o, size_t i, struct buf *out)
{
    (void)args, (void)i;
    buf_printf(out, "%s  %s: %s\n", arg_text(o, "since"), arg_text(o, "about"), arg_text(o, "sentence"));
}

void print_alerts(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (json_object_get(reply, "alerts")) buf_str(out, "Nothing that somebody has to hear of.\n");
}
