/* config_judge.c - each setting beside the others: addresses that nobody can reach, two that use one port,
 * times and limits of which one makes the other useless.
 *
 * None of it keeps the server from starting: what started yesterday goes on, and is told in the log. */
#include "config_judge.h"

#include <stdarg.h>
#include <stdio.h>

#include "login/sasl.h"
#include "relay/route.h"

enum { RCPTS_LEAST = 100 }; /* RFC 5321 section 4.5.3.1.8 */

struct judging {
    const struct config *c;
    const struct config *plain; /* the defaults: what nobody wrote is nobody's mistake */
    struct arena *a;
    struct config_finding *out;
    size_t n;
};

static void find(struct judging *j, bool wrong, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void find(struct judging *j, bool wrong, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;
    if (j->n == CONFIG_FINDINGS_MAX) return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    j->out[j->n++] = (struct config_finding){wrong, ar_dup(j->a, sl_cstr(text))};
}

/* ---- addresses ---- */

/* The first that fits counts. RFC 6890 and the registries it made. */
static const struct {
    const char *net, *why;
} unreachable[] = {
    {"0.0.0.0/8", "is no address of a host"},
    {"10.0.0.0/8", "is private (RFC 1918)"},
    {"100.64.0.0/10", "is shared behind a provider's NAT (RFC 6598)"},
    {"127.0.0.0/8", "is of this machine alone (loopback)"},
    {"169.254.0.0/16", "is link-local (RFC 3927)"},
    {"172.16.0.0/12", "is private (RFC 1918)"},
    {"192.0.0.0/24", "is reserved for protocols (RFC 6890)"},
    {"192.0.2.0/24", "is for documentation"},
    {"192.168.0.0/16", "is private (RFC 1918)"},
    {"198.18.0.0/15", "is for measurements"},
    {"198.51.100.0/24", "is for documentation"},
    {"203.0.113.0/24", "is for documentation"},
    {"224.0.0.0/4", "is multicast"},
    {"240.0.0.0/4", "is reserved"},
    {"::1", "is of this machine alone (loopback)"},
    {"::/128", "is no address of a host"},
    {"64:ff9b:1::/48", "is for translation inside a network"},
    {"100::/64", "is thrown away"},
    {"2001:db8::/32", "is for documentation"},
    {"3fff::/20", "is for documentation"},
    {"fc00::/7", "is private (RFC 4193)"},
    {"fe80::/10", "is link-local (RFC 4291)"},
    {"fec0::/10", "is site-local"},
    {"ff00::/8", "is multicast"},
};

static bool in_net(const struct ip *ip, const char *net)
{
    struct ip of;
    unsigned bits;
    return ip_net_parse(sl_cstr(net), &of, &bits) && ip_in(ip, &of, bits);
}

static const char *why_unreachable(const struct ip *ip)
{
    for (size_t i = 0; i < COUNT_OF(unreachable); i++)
        if (in_net(ip, unreachable[i].net)) return unreachable[i].why;
    return NULL;
}

static bool is_multicast(const struct ip *ip) { return in_net(ip, "224.0.0.0/4") || in_net(ip, "ff00::/8"); }

/* With an offset the whole network is one for trials, where no address is of the world. */
static void judge_public(struct judging *j)
{
    char text[IP_TEXT_MAX];
    for (size_t i = 0; i < j->c->npublic && !j->c->port_offset; i++) {
        const char *why = why_unreachable(&j->c->public_address[i]);
        if (why)
            find(j, true,
                 "public_addresses names %s, which %s: the world cannot reach this host there; name the "
                 "address "
                 "that other servers see",
                 ip_format(&j->c->public_address[i], text), why);
    }
}

static void judge_listen(struct judging *j)
{
    char text[IP_TEXT_MAX];
    bool any[7] = {false};
    const struct config *c = j->c;
    for (size_t i = 0; i < c->nlisten; i++) any[c->listen[i].family] |= ip_is_unspecified(&c->listen[i]);
    for (size_t i = 0; i < c->nlisten; i++) {
        ip_format(&c->listen[i], text);
        if (is_multicast(&c->listen[i]) || in_net(&c->listen[i], "240.0.0.0/4"))
            find(j, true, "listen names %s, which is no address of a host: nobody can connect to it", text);
        else if (any[c->listen[i].family] && !ip_is_unspecified(&c->listen[i]))
            find(j, true,
                 "listen names %s besides %s, which is every address of the machine: keep one of the two",
                 text, c->listen[i].family == 4 ? "0.0.0.0" : "::");
    }
}

/* ---- ports ---- */

/* Do we listen there ourselves? */
static bool is_own(const struct config *c, const struct ip *ip, uint32_t port)
{
    static const uint16_t ports[] = {25, 465, 587, 143, 993, 110, 995, 80, 443};
    bool ours = false;
    for (size_t i = 0; i < COUNT_OF(ports); i++)
        ours |=
            (c->http || (ports[i] != 80 && ports[i] != 443)) && port == ports[i] + (uint32_t)c->port_offset;
    for (size_t i = 0; ours && i < c->nlisten; i++) {
        const struct ip *l = &c->listen[i];
        if (ip_eq(l, ip) || (ip_is_unspecified(l) && l->family == ip->family && ip_is_loopback(ip)))
            return true;
        if (l->family == ip->family && ip_is_unspecified(ip)) return true;
    }
    return false;
}

static void judge_ports(struct judging *j)
{
    const struct config *c = j->c;
    const struct {
        const char *name;
        const struct endpoint *at;
    } asked[] = {{"resolver", &c->resolver}, {"dns_update", &c->dns_update}};
    char text[ENDPOINT_TEXT_MAX];
    if (c->lmtp_listen.port && is_own(c, &c->lmtp_listen.ip, c->lmtp_listen.port))
        find(j, true, "lmtp_listen %s is an address and port that another service of this server listens on",
             endpoint_format(&c->lmtp_listen, text));
    if (c->lmtp_listen.port && is_multicast(&c->lmtp_listen.ip))
        find(j, true, "lmtp_listen %s is multicast: nobody can connect to it",
             endpoint_format(&c->lmtp_listen, text));
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        if (!asked[i].at->port) continue;
        endpoint_format(asked[i].at, text);
        if (is_own(c, &asked[i].at->ip, asked[i].at->port))
            find(j, true, "%s %s is this mail server itself", asked[i].name, text);
        else if (is_multicast(&asked[i].at->ip) || ip_is_unspecified(&asked[i].at->ip))
            find(j, true, "%s %s is no address of a host: nobody answers there", asked[i].name, text);
    }
    for (size_t i = 0; i < c->nfilters; i++)
        if (c->filter[i].at.port && is_own(c, &c->filter[i].at.ip, c->filter[i].at.port))
            find(j, true, "milter inet:%s is this mail server itself",
                 endpoint_format(&c->filter[i].at, text));
}

static void judge_routes(struct judging *j)
{
    const struct config *c = j->c;
    struct ip ip;
    for (size_t i = 0; i < c->nroutes; i++) {
        const struct relay_route *r = &c->route[i];
        bool near = ip_parse(r->host, &ip) ? is_own(c, &ip, r->port)
                                           : sl_eqi(r->host, c->hostname) && r->port == 25u + c->port_offset;
        if (near)
            find(j, true, "routes sends letters to %.*s to this server itself: they would go in a circle",
                 SLF(r->to));
        for (size_t k = 0; k < i; k++) {
            const struct relay_route *b = &c->route[k];
            if (!sl_eqi(b->from, r->from) || (!sl_eqi(b->to, r->to) && !sl_eq(b->to, SL("*")))) continue;
            find(j, true, "routes: the line for %.*s stands behind one for %.*s, which takes all its letters",
                 SLF(r->to), SLF(b->to));
            break;
        }
    }
}

/* ---- times ---- */

/* The greater one is never reached, or the less one takes all. */
static void judge_times(struct judging *j)
{
    const struct config *c = j->c;
    if (c->queue_retry_first_s >= c->queue_lifetime_s)
        find(j, true,
             "queue_retry_first is not shorter than queue_lifetime: each letter is tried once, and goes back "
             "without another attempt");
    else if (c->queue_retry_most_s > c->queue_lifetime_s &&
             c->queue_retry_most_s != j->plain->queue_retry_most_s)
        find(j, false, "queue_retry_most is longer than queue_lifetime: no letter ever waits so long");
    if (c->queue_delay_warning_s >= c->queue_lifetime_s &&
        c->queue_delay_warning_s != j->plain->queue_delay_warning_s)
        find(j, false,
             "queue_delay_warning is not shorter than queue_lifetime: no sender is ever told that a letter "
             "still "
             "waits, it goes back before");
    if (c->alert_queue_age_s >= c->queue_lifetime_s && c->alert_queue_age_s != j->plain->alert_queue_age_s)
        find(j, false,
             "alert_queue_age is not shorter than queue_lifetime: no letter waits so long, and nobody is "
             "alerted");
    if (c->trace_keep_s < c->queue_lifetime_s)
        find(j, false,
             "trace_keep is shorter than queue_lifetime: of a letter that waits long the trace is gone "
             "before it "
             "ends");
}

/* ---- limits ---- */

/* 0: any number. less binds before more can. */
static void judge_pair(struct judging *j, const char *less, uint64_t l, const char *more, uint64_t m,
                       const char *so)
{
    find(j, false, "%s %llu is above %s %llu: %s", more, (unsigned long long)m, less, (unsigned long long)l,
         so);
}

static void judge_limits(struct judging *j)
{
    const struct config *c = j->c, *plain = j->plain;
#define PAIR(less, more, so)                                                                                 \
    if (c->less && c->more && c->more > c->less && c->more != plain->more)                                   \
    judge_pair(j, #less, c->less, #more, c->more, so)
    PAIR(sender_daily, sender_hourly, "it never binds");
    PAIR(sender_letters_daily, sender_letters_hourly, "it never binds");
    PAIR(sender_daily, sender_first_time, "it never binds");
    PAIR(sender_hourly, sender_recipients, "a letter to so many is refused all the same");
    PAIR(sender_daily, sender_letters_daily, "each letter has a recipient, so it never binds");
#undef PAIR
    if (c->connections_max && c->connections_per_address > c->connections_max)
        judge_pair(j, "connections_max", c->connections_max, "connections_per_address",
                   c->connections_per_address, "one address alone can take every connection");
    if (c->rcpts_max < RCPTS_LEAST)
        find(j, false,
             "recipients_max %u is below the %d that every server must take (RFC 5321 section 4.5.3.1.8)",
             c->rcpts_max, RCPTS_LEAST);
    if (c->sender_held && c->sender_held_mib && c->size_max >> 20 > c->sender_held_mib)
        find(j, false, "size_max is above sender_held_mib: a letter of that size cannot be held for later");
}

static void judge_lists(struct judging *j)
{
    const struct config *c = j->c;
    uint64_t all = 0;
    for (size_t i = 0; i < c->ndnslists; i++) {
        const struct dnslist *l = &c->dnslist[i];
        uint64_t times = (uint64_t)__builtin_popcount(l->about & ~(unsigned)DNSLIST_URL) +
                         (l->about & DNSLIST_URL ? DNSLIST_URLS_MAX : 0);
        all += l->weight > 0 ? times * (uint64_t)l->weight : 0;
        for (size_t k = 0; k < i; k++)
            if (!strcmp(l->zone, c->dnslist[k].zone) && l->about & c->dnslist[k].about)
                find(j, false, "dns_lists asks %s twice about the same: it counts twice", l->zone);
    }
    if (c->ndnslists && c->dns_lists_refuse > all)
        find(j, false,
             "dns_lists_refuse %u is above what all dns_lists can say together (%llu): no letter is "
             "ever refused",
             c->dns_lists_refuse, (unsigned long long)all);
    if (c->ndnslists && c->dns_lists_doubt > all)
        find(j, false,
             "dns_lists_doubt %u is above what all dns_lists can say together (%llu): no letter is "
             "ever doubtful",
             c->dns_lists_doubt, (unsigned long long)all);
    if (c->ndnslists && c->dns_lists_refuse && c->dns_lists_doubt > c->dns_lists_refuse)
        find(j, false,
             "dns_lists_doubt is above dns_lists_refuse: a letter is refused before it is doubtful");
}

/* Larger than any that is one owner's; a few together may be all addresses. */
static bool is_vast(const struct ip *net, unsigned bits) { return bits < (net->family == 4 ? 8u : 7u); }

/* Whoever may speak for clients is believed for each address. */
static void judge_networks(struct judging *j)
{
    const struct config *c = j->c;
    const struct {
        const char *name, *may;
        const struct slice *net;
        size_t n;
    } lists[] = {
        {"proxy_from", "every client must begin with a PROXY header, and says itself who it is",
         c->proxy_from, c->nproxy_from},
        {"xclient_from", "everybody may say to be somebody else", c->xclient_from, c->nxclient_from}};
    struct ip net;
    unsigned bits;
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (size_t k = 0; k < lists[i].n; k++)
            if (ip_net_parse(lists[i].net[k], &net, &bits) && is_vast(&net, bits))
                find(j, true, "%s %.*s is the world, or a large part of it: %s", lists[i].name,
                     SLF(lists[i].net[k]), lists[i].may);
}

/* ---- what needs another line ---- */

static void judge_needs(struct judging *j)
{
    const struct config *c = j->c;
    bool issuer = c->oauth_introspection.n || c->oauth_keys.n;
    const struct {
        bool alone;
        const char *line, *without;
    } needs[] = {
        {c->dns_update_key.n && !c->dns_update.port, "dns_update_key", "dns_update: nobody is asked with it"},
        {c->zone.n && c->dns_update.port, "dns_update", "the DNS of the world: zone answers every question"},
        {c->ldap_base.n && !c->ldap.n, "ldap_base", "ldap: no directory is asked"},
        {c->ldap_login.n && !c->ldap.n, "ldap_login", "ldap: no directory is asked"},
        {c->nldap_domains && !c->ldap.n, "ldap_domains", "ldap: no directory is asked"},
        {c->oauth_issuer.n && !c->oauth_keys.n, "oauth_issuer", "oauth_keys: it is not looked at"},
        {c->oauth_audience.n && !c->oauth_keys.n, "oauth_audience", "oauth_keys: it is not looked at"},
        {c->oauth_client.n && !c->oauth_introspection.n, "oauth_client",
         "oauth_introspection: nobody is asked"},
        {c->oauth_secret.n && !c->oauth_client.n, "oauth_secret", "oauth_client: nobody's secret is told"},
        {c->oauth_scope.n && !issuer, "oauth_scope", "an issuer of tokens: none is taken"},
        {issuer && !(c->login_mechanisms & SASL_TOKENS), "an issuer of tokens",
         "a mechanism for them in login_mechanisms: nobody can log in with one"},
        {c->acme.n && !c->http && !c->dns_update.port, "acme",
         "http or dns_update: only port 443 could prove that this host is ours, and nobody listens there"},
    };
    for (size_t i = 0; i < COUNT_OF(needs); i++)
        if (needs[i].alone) find(j, true, "%s stands there without %s", needs[i].line, needs[i].without);
}

size_t config_judge(const struct config *c, struct arena *a, struct config_finding out[CONFIG_FINDINGS_MAX])
{
    struct config *plain = ar_new(a, struct config);
    config_defaults(plain);
    struct judging j = {.c = c, .plain = plain, .a = a, .out = out};
    judge_public(&j);
    judge_listen(&j);
    judge_ports(&j);
    judge_routes(&j);
    judge_times(&j);
    judge_limits(&j);
    judge_lists(&j);
    judge_networks(&j);
    judge_needs(&j);
    return j.n;
}
