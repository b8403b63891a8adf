/* cmd_doctor.c - is the node well? Everything that can be looked at from here, the worst first; for people,
 * and by its exit status for whoever watches over the machine. */
#include "base/memory.h"
#include "cmd.h"
#include "core/certificate.h"
#include "crypto/cert.h"
#include "dns_check.h"
#include "rt/conn.h"
#include "rt/file.h"
#include "store/rescue.h"

enum grade { FINE, WARNING, WRONG };
static const char *const grades[] = {"fine", "warning", "wrong"};
enum { PORT_WAIT_S = 5, SPACE_WARNING = 1 << 30, SPACE_WRONG = 100 << 20, IMAGES_LATE = 3600 };

struct examining {
    struct request *r;
    json_t *list[WRONG + 1]; /* by grade */
    bool no_dns;             /* it answers nothing: found, and asked no more */
};

static void found(struct examining *x, enum grade g, const char *what, struct slice sentence,
                  struct slice remedy)
{
    json_t *o = json_object();
    reply_text(o, "what", sl_cstr(what));
    reply_text(o, "grade", sl_cstr(grades[g]));
    reply_text(o, "sentence", sentence);
    if (remedy.n) reply_text(o, "remedy", remedy);
    json_array_append_new(x->list[g], o);
}

/* ---- certificate ---- */

static void examine_authority(struct examining *x)
{
    struct arena *a = x->r->a;
    struct acme_kept k;
    if (!x->r->core->acme || acme_kept(x->r->core->store->kv, a, SL(""), &k)) return;
    if (k.failures)
        found(x, k.failures > 3 ? WRONG : WARNING, "certificate",
              ar_printf(a, "the authority gave none, %u times in a row: %.*s", k.failures, SLF(k.why)),
              SL("mend that, then tram cert renew"));
}

static void examine_certificate(struct examining *x)
{
    struct core *core = x->r->core;
    struct cert_pair q = {.host = core->conf->hostname, .now = rt_wall_seconds()};
    struct cert_finding *f;
    size_t n;
    int e = core_certificate(core, x->r->a, &q.chain_pem, &q.key_pem);
    if (e) {
        found(x, WRONG, "certificate", ar_dup(x->r->a, sl_cstr(err_text(e))), SL(""));
        return;
    }
    cert_judge(x->r->a, &q, &f, &n);
    for (size_t i = 0; i < n; i++)
        found(x,
              f[i].grade > CERT_WARN    ? WRONG
              : f[i].grade == CERT_WARN ? WARNING
                                        : FINE,
              "certificate", f[i].sentence, SL(""));
    examine_authority(x);
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
static int examine_domain(struct examining *x, struct slice domain)
{
    struct arena *a = x->r->a;
    struct dns_checked *v;
    size_t n, good = 0;
    int e = dns_check_domain(x->r->core, a, domain, served_certificate(x->r->core, a), &v, &n);
    if (e) return e;
    x->no_dns = dns_check_dead(v, n);
    if (x->no_dns) {
        found(x, WRONG, "resolver", v->sentence, SL(""));
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        enum grade g = grade_of(v[i].finding);
        if (g == FINE) good++;
        else
            found(x, g, "DNS",
                  ar_printf(a, "%.*s, %.*s %.*s: %.*s", SLF(domain), SLF(v[i].what), SLF(v[i].name),
                            SLF(v[i].sentence)),
                  v[i].publish.n ? ar_cat(a, SL("publish: "), v[i].publish) : SL(""));
    }
    if (good == n) found(x, FINE, "DNS", ar_cat(a, SL("all that it needs is right: "), domain), SL(""));
    return 0;
}

static int examine_domains(struct examining *x)
{
    struct slice *name;
    size_t n;
    int e = 0;
    directory_domains(x->r->core->store->directory, x->r->a, &name, &n);
    if (!n) found(x, WRONG, "domains", SL("there is none"), SL("tram domain add D"));
    for (size_t i = 0; !e && i < n && !x->no_dns; i++) e = examine_domain(x, name[i]);
    return e;
}

/* ---- the machine ---- */

static void examine_disk(struct examining *x)
{
    struct arena *a = x->r->a;
    uint64_t space;
    int e = path_free_space(".", &space);
    if (e) {
        found(x, WARNING, "disk", ar_dup(a, sl_cstr(err_text(e))), SL(""));
        return;
    }
    enum grade g = space < SPACE_WRONG ? WRONG : space < SPACE_WARNING ? WARNING : FINE;
    found(x, g, "disk",
          ar_printf(a, "%llu MB are free where the home lies", (unsigned long long)(space >> 20)),
          g == FINE ? SL("") : SL("make room: a full disk refuses mail (452), it loses none"));
}

static void examine_memory(struct examining *x)
{
    if (memory_over())
        found(x, WARNING, "memory", SL("the budget is used up: letters are put off with 452"),
              SL("a larger `memory` in tram.conf, or fewer sessions"));
}

/* The server goes through all images every ten minutes, and takes a third of the time for it. */
static void examine_images(struct examining *x)
{
    const struct core *core = x->r->core;
    int64_t since = images_complete(core->store), now = rt_wall_seconds();
    if (!core->started || now - core->started < IMAGES_LATE) return;
    bool late = now - (since ? since : core->started) > IMAGES_LATE;
    struct slice when = since ? say_time(x->r->a, since, now) : SL("never since the start");
    found(x, late ? WARNING : FINE, "images",
          ar_printf(x->r->a, "every account and domain had an image of its index: %.*s", SLF(when)),
          late ? SL("what changed since then is lost with the index: `tram images` tells what keeps them, "
                    "the log "
                    "which object cannot be read")
               : SL(""));
}

/* One address that every listener of ours answers at. */
static struct ip own_address(const struct config *c)
{
    struct ip ip = c->nlisten ? c->listen[0] : (struct ip){0};
    if (!c->nlisten || ip_is_unspecified(&ip)) (void)ip_parse(SL("127.0.0.1"), &ip);
    return ip;
}

static int try_port(struct examining *x, const struct endpoint *at, const char *what, struct slice remedy)
{
    struct conn *c;
    char text[ENDPOINT_TEXT_MAX];
    int64_t before = deadline_narrow(DEADLINE_IN(PORT_WAIT_S * RT_S));
    int e = conn_dial(&c, at, NULL);
    deadline_restore(before);
    endpoint_format(at, text);
    if (!e) conn_close(&c);
    if (e == ERR_CANCELED) return e;
    if (e) found(x, WRONG, what, ar_printf(x->r->a, "%s does not answer: %s", text, err_text(e)), remedy);
    else found(x, FINE, what, ar_printf(x->r->a, "%s answers", text), SL(""));
    return 0;
}

static int examine_ports(struct examining *x)
{
    static const uint16_t ports[] = {25, 465, 587, 993, 995};
    const struct config *c = x->r->core->conf;
    int e = 0;
    if (!x->r->core->started)
        found(x, WRONG, "server", SL("it does not run"), SL("systemctl start tram, or tram serve"));
    for (size_t i = 0; !e && x->r->core->started && i < COUNT_OF(ports); i++)
        e = try_port(x,
                     &(struct endpoint){.ip = own_address(c), .port = (uint16_t)(ports[i] + c->port_offset)},
                     "port", SL(""));
    return e;
}

/* Many providers of machines shut port 25 outwards. */
static int examine_outwards(struct examining *x)
{
    struct slice host = arg_slice(x->r->args, "outwards");
    struct dns_answer r;
    if (!host.n) return 0;
    int e = dns_ask(x->r->core->dns, x->r->a, host, DNS_A, &r);
    if (e) return e;
    if (!r.n) {
        found(x, WARNING, "outwards", ar_cat(x->r->a, SL("no address is known of "), host), SL(""));
        return 0;
    }
    struct endpoint at = {.ip = r.rr[0].ip, .port = (uint16_t)(25 + x->r->core->conf->port_offset)};
    return try_port(x, &at, "outwards", SL("ask who gave you the machine to open port 25"));
}

/* ---- mail ---- */

static int examine_queue(struct examining *x)
{
    struct arena *a = x->r->a;
    struct queue_stats q;
    int64_t now = rt_wall_seconds();
    int e = queue_stats(x->r->core->queue, &q);
    if (e) return e;
    bool old = q.letters && q.oldest && now - q.oldest > x->r->core->conf->queue_delay_warning_s;
    struct slice since = q.letters && q.oldest ? say_time(a, q.oldest, now) : SL("");
    found(x, old ? WARNING : FINE, "queue",
          q.letters ? ar_printf(a, "%llu letters wait, the oldest since %.*s", (unsigned long long)q.letters,
                                SLF(since))
                    : SL("no letter waits"),
          old ? SL("tram queue list says why each waits") : SL(""));
    return 0;
}

/* RFC 5782: 127.0.0.x is a listing; all other answers (127.255.255.x, a list that takes no questions of this
 * resolver) tell nothing. */
static bool is_listing(const struct dns_answer *r)
{
    char text[IP_TEXT_MAX];
    for (size_t i = 0; i < r->n; i++)
        if (sl_starts(sl_cstr(ip_format(&r->rr[i].ip, text)), SL("127.0."))) return true;
    return false;
}

struct listing {
    size_t asked, listed, silent;
    const char *first_silent;
};

static int examine_list(struct examining *x, const struct ip *own, const char *list, struct listing *l)
{
    struct arena *a = x->r->a;
    const uint8_t *b = own->b;
    struct dns_answer r;
    char text[IP_TEXT_MAX];
    int e =
        dns_ask(x->r->core->dns, a, ar_printf(a, "%u.%u.%u.%u.%s", b[3], b[2], b[1], b[0], list), DNS_A, &r);
    if (e) return e;
    l->asked++;
    if (is_listing(&r)) {
        l->listed++;
        found(x, WRONG, "block list", ar_printf(a, "%s stands on %s", ip_format(own, text), list),
              SL("its site says why, and how to get off it"));
    } else if (r.status == DNS_TEMPFAIL || r.status == DNS_FOUND) {
        if (!l->silent++) l->first_silent = list;
    }
    return 0;
}

static int examine_lists(struct examining *x)
{
    static const char *const lists[] = {"zen.spamhaus.org", "bl.spamcop.net", "b.barracudacentral.org"};
    struct ip own[LISTEN_MAX];
    struct listing l = {0};
    size_t n = config_public(x->r->core->conf, own);
    int e = 0;
    for (size_t i = 0; i < n && !x->no_dns; i++)
        for (size_t k = 0; !e && own[i].family == 4 && k < COUNT_OF(lists); k++)
            e = examine_list(x, &own[i], lists[k], &l);
    if (e) return e;
    if (l.silent)
        found(x, WARNING, "block list",
              ar_printf(
                  x->r->a,
                  "%zu of %zu questions are not answered, first by %s: whether we stand there is not known",
                  l.silent, l.asked, l.first_silent),
              SL(""));
    else if (l.asked && !l.listed)
        found(x, FINE, "block list", SL("our addresses stand on none of those asked"), SL(""));
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
    int e = examine_ports(&x);
    if (!e) e = examine_outwards(&x);
    if (!e) e = examine_queue(&x);
    if (!e) e = examine_domains(&x);
    if (!e) e = examine_lists(&x);
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
    json_array_foreach(json_object_get(reply, "findings"), i, o)
    {
        buf_printf(out, "%-8s %-12s %s\n", arg_text(o, "grade"), arg_text(o, "what"),
                   arg_text(o, "sentence"));
        if (*arg_text(o, "remedy")) buf_printf(out, "                      %s\n", arg_text(o, "remedy"));
    }
}
