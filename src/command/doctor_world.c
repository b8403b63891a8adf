/* doctor_world.c - the machine's place in the world: ports, addresses, the clock, the way out, block lists.
 */
#include "base/civil.h"
#include "core/config_judge.h"
#include "core/home.h"
#include "doctor_i.h"
#include "fetch/fetch.h"
#include "rt/addresses.h"
#include "rt/conn.h"

enum { PORT_WAIT_S = 5, CLOCK_FINE_S = 10, CLOCK_WRONG_S = 300, ADDRESSES_MAX = 64 };

void doctor_found(struct examining *x, enum grade g, const char *what, struct slice sentence,
                  struct slice remedy)
{
    static const char *const grades[] = {"fine", "warning", "wrong"};
    json_t *o = json_object();
    reply_text(o, "what", sl_cstr(what));
    reply_text(o, "grade", sl_cstr(grades[g]));
    reply_text(o, "sentence", sentence);
    if (remedy.n) reply_text(o, "remedy", remedy);
    json_array_append_new(x->list[g], o);
}

/* ---- ports ---- */

/* Does anybody answer there? */
static int dial(const struct endpoint *at)
{
    struct conn *c;
    int64_t before = deadline_narrow(DEADLINE_IN(PORT_WAIT_S * RT_S));
    int e = conn_dial(&c, at, NULL);
    deadline_restore(before);
    if (!e) conn_close(&c);
    return e;
}

static int try_port(struct examining *x, const struct endpoint *at, const char *what, struct slice remedy)
{
    char text[ENDPOINT_TEXT_MAX];
    int e = dial(at);
    endpoint_format(at, text);
    if (e == ERR_CANCELED) return e;
    if (e)
        doctor_found(x, WRONG, what, ar_printf(x->r->a, "%s does not answer: %s", text, err_text(e)), remedy);
    else doctor_found(x, FINE, what, ar_printf(x->r->a, "%s answers", text), SL(""));
    return 0;
}

/* One address that every listener of ours answers at. A machine may have IPv6 alone, also of its own. */
static struct endpoint own_port(const struct config *c, uint16_t port)
{
    struct endpoint at = {.port = (uint16_t)(port + c->port_offset)};
    if (c->nlisten) at.ip = c->listen[0];
    if (c->nlisten && !ip_is_unspecified(&at.ip)) return at;
    (void)ip_parse(SL("127.0.0.1"), &at.ip);
    if (dial(&at) == ERR_UNREACHABLE) (void)ip_parse(SL("::1"), &at.ip);
    return at;
}

/* Why none may run: what `serve` would say. */
static void tell_start(struct examining *x)
{
    const struct config *c = x->r->core->conf;
    int e = home_files_fit(c, x->r->a);
    if (!e) e = home_key_is_private(c);
    if (e)
        doctor_found(x, WRONG, "settings", ar_dup(x->r->a, sl_cstr(err_text(e))),
                     SL("no server starts before that is mended; tram config check looks again"));
}

static void tell_settings(struct examining *x)
{
    struct config_finding *f = ar_array(x->r->a, struct config_finding, CONFIG_FINDINGS_MAX);
    size_t n = config_judge(x->r->core->conf, x->r->a, f);
    for (size_t i = 0; i < n; i++)
        if (f[i].wrong) doctor_found(x, WRONG, "settings", f[i].sentence, SL(""));
}

int doctor_ports(struct examining *x)
{
    static const uint16_t ports[] = {25, 465, 587, 993, 995};
    const struct config *c = x->r->core->conf;
    int e = 0;
    if (!x->r->core->started) {
        doctor_found(x, WRONG, "server", SL("it does not run"), SL("systemctl start tram, or tram serve"));
        tell_start(x);
    }
    tell_settings(x);
    for (size_t i = 0; !e && x->r->core->started && i < COUNT_OF(ports); i++) {
        struct endpoint at = own_port(c, ports[i]);
        e = try_port(x, &at, "port", SL(""));
    }
    return e;
}

/* ---- addresses ---- */

/* Of IPv6 a machine has several in one network, and one of them is enough. */
static bool is_among(const struct ip *list, size_t n, const struct ip *ip)
{
    for (size_t i = 0; i < n; i++)
        if (ip_in(ip, &list[i], ip->family == 6 ? 64 : 32)) return true;
    return false;
}

static bool all_served(const struct config *c, uint8_t family)
{
    for (size_t i = 0; i < c->nlisten; i++)
        if (c->listen[i].family == family && ip_is_unspecified(&c->listen[i])) return true;
    return false;
}

/* What to do about one that letters may leave from and nobody named. */
static struct slice name_or_not(const struct ip *ip)
{
    struct ip stay[ADDRESSES_MAX];
    if (is_among(stay, rt_lasting_addresses(stay, ADDRESSES_MAX), ip))
        return SL("name it there, or name in listen what is to be used");
    return SL("name in listen what is to be used; where it is temporary (net.ipv6.conf.*.use_tempaddr) it is "
              "not to be published");
}

/* Addresses that the world routes to this machine. Behind NAT there is none. */
void doctor_addresses(struct examining *x)
{
    const struct config *c = x->r->core->conf;
    struct ip ip[ADDRESSES_MAX], seen[LISTEN_MAX];
    char text[IP_TEXT_MAX];
    size_t n = rt_addresses(ip, ADDRESSES_MAX), nseen = config_public(c, seen), odd = 0, all = 0;
    for (size_t i = 0; i < n; i++) {
        if (ip_is_private(&ip[i]) || is_among(ip, i, &ip[i])) continue;
        all++;
        if (is_among(seen, nseen, &ip[i]) || is_among(c->listen, c->nlisten, &ip[i])) continue;
        odd++;
        if (all_served(c, ip[i].family))
            doctor_found(x, WARNING, "address",
                         ar_printf(x->r->a,
                                   "letters may leave from %s, which public_addresses of tram.conf does not "
                                   "name: its reverse name and SPF are not looked at",
                                   ip_format(&ip[i], text)),
                         name_or_not(&ip[i]));
        else
            doctor_found(
                x, WARNING, "address",
                ar_printf(x->r->a, "the machine has the address %s too, where nothing is served",
                          ip_format(&ip[i], text)),
                SL("name it in listen of tram.conf, with its own records in the DNS, or do without it"));
    }
    if (all && !odd) doctor_found(x, FINE, "address", SL("every address of the machine is named"), SL(""));
}

/* ---- the way out ---- */

/* What the world can be reached by: IPv4, unless the machine has IPv6 alone. */
static enum dns_type way_out(void)
{
    struct ip ip[ADDRESSES_MAX];
    size_t n = rt_addresses(ip, ADDRESSES_MAX), six = 0;
    for (size_t i = 0; i < n; i++) six += ip[i].family == 6;
    return n && six == n ? DNS_AAAA : DNS_A;
}

/* *known: it has an address. */
static int try_host(struct examining *x, struct slice host, bool *known)
{
    struct dns_answer r;
    int e = dns_ask(x->r->core->dns, x->r->a, host, way_out(), &r);
    *known = !e && r.n;
    if (e || !r.n) return e;
    struct endpoint at = {.ip = r.rr[0].ip, .port = (uint16_t)(25 + x->r->core->conf->port_offset)};
    return try_port(x, &at, "outwards", SL("ask who gave you the machine to open port 25"));
}

/* Many providers of machines shut port 25 outwards. */
int doctor_outwards(struct examining *x)
{
    struct slice host = arg_slice(x->r->args, "outwards");
    bool known;
    if (x->no_dns) return 0;
    int e = try_host(x, host.n ? host : SL("gmail-smtp-in.l.google.com"), &known);
    if (!e && !known && host.n)
        doctor_found(x, WARNING, "outwards", ar_cat(x->r->a, SL("no address is known of "), host), SL(""));
    return e;
}

/* ---- the clock ---- */

/* Hosts that answer in clear, for with a clock that is wrong no certificate is believed: the authority that
 * certifies us, and one that most machines that run this ask anyway. */
static size_t time_hosts(const struct examining *x, struct slice out[2])
{
    struct slice host = fetch_url_host(x->r->core->conf->acme);
    size_t n = 0;
    if (host.n) out[n++] = host;
    out[n++] = SL("deb.debian.org");
    return n;
}

static void tell_clock(struct examining *x, struct slice host, int64_t ahead)
{
    struct arena *a = x->r->a;
    int64_t off = ahead < 0 ? -ahead : ahead;
    struct slice much = off >= 2 * 86400 ? ar_printf(a, "%lld days", (long long)(off / 86400))
                                         : ar_printf(a, "%lld s", (long long)off);
    if (off <= CLOCK_FINE_S)
        doctor_found(x, FINE, "clock", ar_cat(a, SL("it agrees with that of "), host), SL(""));
    else
        doctor_found(x, off > CLOCK_WRONG_S ? WRONG : WARNING, "clock",
                     ar_printf(a, "it is %.*s %s that of %.*s", SLF(much), ahead < 0 ? "behind" : "ahead of",
                               SLF(host)),
                     SL("have it kept (timedatectl set-ntp true): certificates, signatures and DNSSEC are "
                        "judged by it"));
}

/* DNSSEC itself says so, when the clock is that wrong. */
static int examine_proofs(struct examining *x)
{
    struct dns_answer r;
    char now[CIVIL_TEXT_MAX];
    int64_t before = deadline_narrow(DEADLINE_IN(PORT_WAIT_S * RT_S));
    int e = dns_ask(x->r->core->dns, x->r->a, SL("root-servers.net"), DNS_NS, &r);
    deadline_restore(before);
    if (!e && r.bogus)
        doctor_found(x, WRONG, "clock",
                     ar_printf(x->r->a, "DNSSEC does not hold, as if it were not %s: %.*s",
                               civil_format(rt_wall_seconds(), now), SLF(r.why)),
                     SL("is that the time? Else somebody changes the answers of the DNS"));
    return e;
}

int doctor_clock(struct examining *x)
{
    struct slice host[2];
    size_t n = x->no_dns ? 0 : time_hosts(x, host);
    int64_t ahead = 0;
    for (size_t i = 0; i < n; i++) {
        int e = fetch_clock_of(x->r->core->fetch, x->r->a, host[i], &ahead);
        if (e == ERR_CANCELED) return e;
        if (e) continue;
        tell_clock(x, host[i], ahead);
        return 0;
    }
    return examine_proofs(x);
}

/* ---- block lists ---- */

/* RFC 5782: 127.0.0.x is a listing; all other answers (127.255.255.x, a list that takes no questions of this
 * resolver) tell nothing. */
static bool is_listing(const struct dns_answer *r)
{
    char text[IP_TEXT_MAX];
    for (size_t i = 0; i < r->n; i++)
        if (sl_starts(sl_cstr(ip_format(&r->rr[i].ip, text)), SL("127.0."))) return true;
    return false;
}

static const struct {
    const char *zone;
    bool six; /* knows IPv6 */
} lists[] = {{"zen.spamhaus.org", true}, {"bl.spamcop.net", true}, {"b.barracudacentral.org", false}};

struct listing {
    size_t asked, listed, silent;
    const char *first_silent;
};

static int ask_list(struct examining *x, const struct ip *ip, const char *zone, struct listing *l)
{
    struct arena *a = x->r->a;
    struct dns_answer r;
    char text[IP_TEXT_MAX];
    struct slice name = ip_reverse_name(a, ip);
    name = sl_sub(name, 0, name.n - (ip->family == 6 ? sizeof "ip6.arpa" : sizeof "in-addr.arpa") + 1);
    int e = dns_ask(x->r->core->dns, a, ar_cat(a, name, sl_cstr(zone)), DNS_A, &r);
    if (e) return e;
    l->asked++;
    if (is_listing(&r)) {
        l->listed++;
        doctor_found(x, WRONG, "block list", ar_printf(a, "%s stands on %s", ip_format(ip, text), zone),
                     SL("its site says why, and how to get off it"));
    } else if (r.status == DNS_TEMPFAIL || r.status == DNS_FOUND) {
        if (!l->silent++) l->first_silent = zone;
    }
    return 0;
}

int doctor_lists(struct examining *x)
{
    struct ip own[LISTEN_MAX];
    struct listing l = {0};
    size_t n = config_public(x->r->core->conf, own);
    int e = 0;
    for (size_t i = 0; i < n && !x->no_dns; i++)
        for (size_t k = 0; !e && k < COUNT_OF(lists); k++)
            if (own[i].family == 4 || lists[k].six) e = ask_list(x, &own[i], lists[k].zone, &l);
    if (e) return e;
    if (l.silent)
        doctor_found(
            x, WARNING, "block list",
            ar_printf(
                x->r->a,
                "%zu of %zu questions are not answered, first by %s: whether we stand there is not known",
                l.silent, l.asked, l.first_silent),
            SL(""));
    else if (l.asked && !l.listed)
        doctor_found(x, FINE, "block list", SL("our addresses stand on none of those asked"), SL(""));
    return 0;
}
