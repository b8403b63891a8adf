/* cmd_doctor.c - is the node well? Everything that can be looked at from here, the worst first; for people,
 * and by its exit status for whoever watches over the machine. */
#include <stdlib.h>

#include "acme/acme.h"
#include "base/log.h"
#include "base/memory.h"
#include "cmd.h"
#include "core/certificate.h"
#include "core/config.h"
#include "crypto/cert.h"
#include "dns/dns.h"
#include "dns_check.h"
#include "doctor_i.h"
#include "queue/queue.h"
#include "rt/file.h"
#include "store/rescue.h"

enum { SPACE_WARNING = 1 << 30, SPACE_WRONG = 100 << 20, IMAGES_LATE = 3600 };
#define DOMAINS_TIME (120 * RT_S)

/* ---- certificate ---- */

static void examine_authority(struct examining *x)
{
    struct arena *a = x->r->a;
    struct acme_kept k;
    if (!x->r->core->acme || acme_kept(x->r->core->store->kv, a, SL(""), &k)) return;
    if (acme_has_failed(&k))
        doctor_found(x, k.failures > 3 ? WRONG : WARNING, "certificate",
                     ar_printf(a, "the authority gave none, %u times in a row: %.*s", k.failures, SLF(k.why)),
                     SL("mend that, then tram cert renew"));
}

/* Keys and their TLSA records change together. */
static void examine_keys(struct examining *x)
{
    struct arena *a = x->r->a;
    struct acme_rollover k;
    if (!x->r->core->acme || acme_rollover(x->r->core->store->kv, a, &k)) return;
    if (k.failed)
        doctor_found(x, WARNING, "TLSA",
                     ar_printf(a, "%.*s (since %.*s); %s", SLF(k.why),
                               SLF(say_past(a, k.failed, rt_wall_seconds())), acme_rollover_waits(&k)),
                     SL("tram dns records prints what is to stand there"));
    else if (k.used)
        doctor_found(x, FINE, "TLSA", SL("the records of this key and of the next one stand in the DNS"),
                     SL(""));
}

static void examine_certificate(struct examining *x)
{
    struct core *core = x->r->core;
    struct cert_pair q = {.host = core->conf->hostname, .now = rt_wall_seconds()};
    struct cert_finding *f;
    size_t n;
    int e = core_certificate(core, x->r->a, &q.chain_pem, &q.key_pem);
    if (e) {
        doctor_found(x, WRONG, "certificate", ar_dup(x->r->a, sl_cstr(err_text(e))), SL(""));
        return;
    }
    cert_judge(x->r->a, &q, &f, &n);
    for (size_t i = 0; i < n; i++)
        doctor_found(x,
                     f[i].grade > CERT_WARN    ? WRONG
                     : f[i].grade == CERT_WARN ? WARNING
                                               : FINE,
                     "certificate", f[i].sentence, SL(""));
    examine_authority(x);
    examine_keys(x);
}

/* ---- DNS ---- */

static enum grade grade_of(enum dns_finding f)
{
    switch (f) {
    case FINDING_RIGHT:
    case FINDING_ABSENT_OPTIONAL: return FINE;
    case FINDING_UNKNOWN: return WARNING;
    default: return WRONG;
    }
}

/* What is right is not told line by line. */
static int examine_domain(struct examining *x, struct dns *dns, struct slice domain)
{
    struct arena *a = x->r->a;
    struct dns_checked *v;
    size_t n, good = 0;
    int e = dns_check_domain(x->r->core, dns, a, domain, served_certificate(x->r->core, a), &v, &n);
    if (e) return e;
    x->no_dns = dns_check_dead(v, n);
    if (x->no_dns) {
        doctor_found(x, WRONG, "resolver", v->sentence, SL(""));
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        enum grade g = grade_of(v[i].finding);
        if (g == FINE) good++;
        else
            doctor_found(x, g, "DNS",
                         ar_printf(a, "%.*s, %.*s%s%.*s: %.*s", SLF(domain), SLF(v[i].what),
                                   v[i].name.n ? " " : "", SLF(v[i].name), SLF(v[i].sentence)),
                         v[i].publish.n ? ar_cat(a, SL("publish: "), v[i].publish) : SL(""));
    }
    if (good == n)
        doctor_found(x, FINE, "DNS", ar_cat(a, SL("all that it needs is right: "), domain), SL(""));
    return 0;
}

/* What cannot be examined is told, and keeps nothing else from being; 0, or ERR_CANCELED. */
static int passed_over(struct examining *x, const char *what, struct slice about, int e)
{
    if (!e || e == ERR_CANCELED) return e;
    doctor_found(x, WRONG, what, ar_printf(x->r->a, "%.*s cannot be examined: %s", SLF(about), err_text(e)),
                 err_is_damage(e) ? SL("tram verify says what is damaged") : SL(""));
    return 0;
}

static int by_name(const void *x, const void *y)
{
    return sl_cmp(*(const struct slice *)x, *(const struct slice *)y);
}

static int examine_each(struct examining *x, struct dns *dns, const struct slice *name, size_t n)
{
    int64_t end = rt_now() + DOMAINS_TIME;
    size_t i = 0;
    int e = 0;
    for (; !e && i < n && i < DOCTOR_DOMAINS && !x->no_dns && rt_now() < end; i++)
        e = passed_over(x, "DNS", name[i], examine_domain(x, dns, name[i]));
    if (!e && i < n && !x->no_dns)
        doctor_found(x, WARNING, "domains",
                     ar_printf(x->r->a, "%zu of %zu were looked at, and no more: not those from %.*s on", i,
                               n, SLF(name[i])),
                     SL("tram dns check D looks at one; tram alerts tells of all"));
    return e;
}

static int examine_domains(struct examining *x)
{
    struct slice *name;
    size_t n;
    directory_domains(x->r->core->store->directory, x->r->a, &name, &n);
    if (!n) doctor_found(x, WRONG, "domains", SL("there is none"), SL("tram domain add D"));
    if (!n) return 0;
    qsort(name, n, sizeof *name, by_name); /* so that whoever reads knows which were left out */
    struct dns *dns = NULL;
    int e = core_fresh_dns(x->r->core, x->r->a, &dns); /* what was just published counts */
    e = e ? passed_over(x, "DNS", SL("what is published"), e) : examine_each(x, dns, name, n);
    dns_close(&dns);
    return e;
}

/* ---- the machine ---- */

static void examine_disk(struct examining *x)
{
    struct arena *a = x->r->a;
    uint64_t space;
    int e = path_free_space(".", &space);
    if (e) {
        doctor_found(x, WARNING, "disk", ar_dup(a, sl_cstr(err_text(e))), SL(""));
        return;
    }
    enum grade g = space < SPACE_WRONG ? WRONG : space < SPACE_WARNING ? WARNING : FINE;
    doctor_found(x, g, "disk",
                 ar_printf(a, "%llu MB are free where the home lies", (unsigned long long)(space >> 20)),
                 g == FINE ? SL("") : SL("make room: a full disk refuses mail (452), it loses none"));
}

static void examine_memory(struct examining *x)
{
    if (memory_over())
        doctor_found(x, WARNING, "memory", SL("the budget is used up: letters are put off with 452"),
                     SL("a larger `memory` in tram.conf, or fewer sessions"));
}

/* The server goes through all images every ten minutes, and takes a third of the time for it. */
static void examine_images(struct examining *x)
{
    const struct core *core = x->r->core;
    int64_t since = images_complete(core->store), now = rt_wall_seconds(),
            from = since ? since : core->started;
    if (!core->started || (core->started <= now && now - core->started < IMAGES_LATE)) return;
    bool late = from > now || now - from > IMAGES_LATE; /* of a time that has not come nothing is known */
    struct slice when = since ? say_past(x->r->a, since, now) : SL("never since the start");
    doctor_found(
        x, late ? WARNING : FINE, "images",
        ar_printf(x->r->a, "every account and domain had an image of its index: %.*s", SLF(when)),
        late ? SL("what changed since then is lost with the index: `tram images` tells what keeps them, "
                  "the log "
                  "which object cannot be read")
             : SL(""));
}

/* ---- mail ---- */

static int examine_queue(struct examining *x)
{
    struct arena *a = x->r->a;
    struct queue_stats q;
    int64_t now = rt_wall_seconds();
    int e = queue_stats(x->r->core->queue, &q);
    if (e) return passed_over(x, "queue", SL("it"), e);
    bool old = q.letters && q.oldest && now - q.oldest > x->r->core->conf->queue_delay_warning_s;
    struct slice since = q.letters && q.oldest ? say_past(a, q.oldest, now) : SL("");
    doctor_found(x, old ? WARNING : FINE, "queue",
                 q.letters ? ar_printf(a, "%llu letters wait, the oldest since %.*s",
                                       (unsigned long long)q.letters, SLF(since))
                           : SL("no letter waits"),
                 old ? SL("tram queue list says why each waits") : SL(""));
    return 0;
}

int run_doctor(struct request *r)
{
    struct examining x = {.r = r};
    for (int g = FINE; g <= WRONG; g++) x.list[g] = json_array();
    examine_certificate(&x);
    examine_disk(&x);
    examine_memory(&x);
    examine_images(&x);
    doctor_addresses(&x);
    int e = doctor_ports(&x);
    if (!e) e = examine_queue(&x);
    if (!e) e = examine_domains(&x); /* tells whether the DNS answers at all */
    if (!e) e = doctor_clock(&x);
    if (!e) e = doctor_outwards(&x);
    if (!e) e = doctor_lists(&x);
    bool wrong = json_array_size(x.list[WRONG]) > 0;
    json_t *all = x.list[WRONG];
    json_array_extend(all, x.list[WARNING]);
    json_array_extend(all, x.list[FINE]);
    json_decref(x.list[WARNING]);
    json_decref(x.list[FINE]);
    json_object_set_new(r->reply, "findings", all);
    return e ? e : wrong ? NO : 0;
}

void print_doctor(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *o;
    (void)args;
    json_array_foreach(json_object_get(reply, "findings"), i, o) {
        buf_printf(out, "%-8s %-12s %s\n", arg_text(o, "grade"), arg_text(o, "what"),
                   arg_text(o, "sentence"));
        if (*arg_text(o, "remedy")) buf_printf(out, "                      %s\n", arg_text(o, "remedy"));
    }
}
