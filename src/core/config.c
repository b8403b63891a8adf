/* config.c - tram.conf: the table of settings, and reading it through libconfuse. */
#include "config.h"

#include <confuse.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "dns/dns.h"
#include "login/sasl.h"
#include "near.h"
#include "people/people.h"
#include "queue/accept.h"
#include "relay/route.h"
#include "rt/file.h"
#include "wire/smtp.h"

enum { CONFIG_MAX = 1 << 20 };

#define FIELD(f) .at = offsetof(struct config, f), .width = sizeof(((struct config *)0)->f)

const struct setting settings[] = {
    {"hostname", "", "the full name of this host, as other servers see it in EHLO and in the reverse DNS",
     SETTING_HOST, FIELD(hostname)},
    {"listen", "", "addresses to listen on; none: every address of the machine", SETTING_IPS, FIELD(listen),
     .count = offsetof(struct config, nlisten)},
    {"public_addresses", "",
     "the addresses under which the world sees this host, where they are not those of listen", SETTING_IPS,
     FIELD(public_address), .count = offsetof(struct config, npublic)},
    {"port_offset", "0", "is added to every port", SETTING_NUMBER, "0", "64540", FIELD(port_offset)},
    {"resolver", "", "the DNS resolver to ask; none: Tram asks from the root", SETTING_ENDPOINT,
     FIELD(resolver)},
    {"dns_anchors", "", "a file with DS or DNSKEY records that prove DNSSEC in place of the root's",
     SETTING_PATH, FIELD(dns_anchors)},
    {"zone", "", "a master file that answers all DNS questions", SETTING_PATH, FIELD(zone)},
    {"milter", "",
     "filters that look at each letter, in this order: \"unix:PATH OPTION ...\", \"inet:ADDRESS:PORT\", "
     "\"http://ADDRESS:PORT\" (Rspamd)",
     SETTING_FILTERS, FIELD(filter), .count = offsetof(struct config, nfilters)},
    {"dns_lists", "",
     "lists of senders in the DNS that are asked, with weights: \"ZONE address,helo,sender,url WEIGHT\"",
     SETTING_DNSLISTS, FIELD(dnslist), .count = offsetof(struct config, ndnslists)},
    {"dns_lists_refuse", "5", "a letter of whose sender lists say so much is refused; 0: none is",
     SETTING_NUMBER, "0", "10000", FIELD(dns_lists_refuse)},
    {"dns_lists_doubt", "1", "a letter of whose sender lists say so much is doubtful; 0: none is",
     SETTING_NUMBER, "0", "10000", FIELD(dns_lists_doubt)},
    {"over_quota", "defer", "what to do with letters to mailboxes that are full", SETTING_CHOICE,
     .words = "defer refuse", FIELD(over_quota)},
    {"greylist", "false", "a sender for whom nothing vouches is asked to come again after five minutes",
     SETTING_YES, FIELD(greylist)},
    {"junk_from", "90",
     "of 100: a letter whose words say so much goes into Junk; 0: none is judged by its words",
     SETTING_NUMBER, "0", "100", FIELD(junk_from)},
    {"greeting_delay", "0s", "strangers wait so long for the greeting, and who does not is refused",
     SETTING_TIME, "0s", "30s", FIELD(greeting_delay_s)},
    {"tls_certificate", "tls/certificate.pem", "the certificate chain (PEM)", SETTING_PATH,
     FIELD(tls_certificate), .reload = true},
    {"tls_key", "tls/key.pem", "the private key (PEM)", SETTING_PATH, FIELD(tls_key), .reload = true},
    {"acme", "", "the directory of an authority (RFC 8555) that certifies this host; none: the files serve",
     SETTING_URL, FIELD(acme)},
    {"dns_update", "", "the primary DNS server that takes changes of our zones (RFC 2136)", SETTING_ENDPOINT,
     FIELD(dns_update)},
    {"dns_update_key", "", "the file of the key with which it is asked, as `tsig-keygen` writes it",
     SETTING_PATH, FIELD(dns_update_key)},
    {"tls_authorities", "",
     "authorities (PEM) that vouch for other servers, besides those that this machine trusts", SETTING_PATH,
     FIELD(tls_authorities)},
    {"client_authorities", "",
     "authorities (PEM) whose certificates log people in (EXTERNAL), by the addresses in them", SETTING_PATH,
     FIELD(client_authorities), .reload = true},
    {"size_max", "50M", "the largest letter that is accepted", SETTING_SIZE, "64k", "2G", FIELD(size_max),
     .shown = true},
    {"recipients_max", "1000", "recipients in one SMTP transaction", SETTING_NUMBER, "1", "10000",
     FIELD(rcpts_max)},
    {"connections_max", "20000", "connections at the same time", SETTING_NUMBER, "1", "1000000",
     FIELD(connections_max)},
    {"connections_per_address", "500", "connections at the same time from one IPv4 address or IPv6 /64",
     SETTING_NUMBER, "1", "1000000", FIELD(connections_per_address)},
    {"queue_retry_first", "1m", "the first wait after a temporary failure", SETTING_TIME, "1s", "1d",
     FIELD(queue_retry_first_s), .shown = true},
    {"queue_retry_most", "4h", "the longest wait", SETTING_TIME, "1s", "7d", FIELD(queue_retry_most_s),
     .shown = true},
    {"queue_lifetime", "5d", "how long a letter is tried before it goes back to the sender", SETTING_TIME,
     "1m", "60d", FIELD(queue_lifetime_s), .shown = true},
    {"queue_delay_warning", "4h", "when the sender is told that a letter still waits", SETTING_TIME, "1m",
     "60d", FIELD(queue_delay_warning_s), .shown = true},
    {"trace_keep", "30d", "how long events are kept for `tram trace`", SETTING_TIME, "1d", "3650d",
     FIELD(trace_keep_s), .shown = true},
    {"audit_keep", "365d", "how long is kept what administrators and keys did, for `tram audit`",
     SETTING_TIME, "1d", "3650d", FIELD(audit_keep_s)},
    {"alert_mail", "true", "write to postmaster what somebody has to hear of, once for each condition",
     SETTING_YES, FIELD(alert_mail)},
    {"alert_webhook", "", "the URL that is told the same (POST, JSON), and when it is over", SETTING_URL,
     FIELD(alert_webhook)},
    {"alert_queue_age", "6h", "a letter that waits longer is a matter for an alert", SETTING_TIME, "1m",
     "60d", FIELD(alert_queue_age_s)},
    {"alert_disk", "1G", "less free space on the disk of the home is a matter for an alert", SETTING_SIZE,
     "0", "1024T", FIELD(alert_disk)},
    {"index_cache", "0", "memory for what the index has read; 0: an eighth of the machine's", SETTING_SIZE,
     "0", "64G", FIELD(index_cache)},
    {"memory", "0", "memory for letters under way, sessions and index_cache; 0: a half of the machine's",
     SETTING_SIZE, "0", "1024G", FIELD(memory)},
    {"trusted_sealers", "", "domains whose ARC chains may set aside a DMARC failure", SETTING_DOMAINS,
     FIELD(trusted_sealers), .count = offsetof(struct config, ntrusted_sealers)},
    {"backup_domains", "", "domains of others whose mail is kept while their servers are away",
     SETTING_DOMAINS, FIELD(backup_domain), .count = offsetof(struct config, nbackup_domains)},
    {"routes", "", "where letters go that do not go by the DNS: a smarthost, servers of your own",
     SETTING_ROUTES, FIELD(route)},
    {"public_account", "", "the account whose mailboxes are the public ones of IMAP (#public/NAME)",
     SETTING_TEXT, FIELD(public_account)},
    {"annotate", "false", "offer annotations of messages by IMAP (ANNOTATE-EXPERIMENT-1)", SETTING_YES,
     FIELD(annotate)},
    {"login_mechanisms", "SCRAM-SHA-256 PLAIN LOGIN", "the ways to log in that SMTP, IMAP and POP3 offer",
     SETTING_SET, .words = SASL_WORDS, FIELD(login_mechanisms)},
    {"log_level", "info", "the least that the log tells", SETTING_CHOICE, .words = "debug info warning error",
     FIELD(log_level), .shown = true},
    {"log_format", "text", "the form of the log's lines: for people, or an object of JSON each",
     SETTING_CHOICE, .words = "text json", FIELD(log_json)},
    {"preflight", "warn", "what to do with a letter of ours that a strict receiver would refuse",
     SETTING_CHOICE, .words = "warn hold refuse off", FIELD(preflight), .shown = true},
    {"local_users", "true",
     "every user of this machine may send as LOGIN@ the first domain, and see those letters in the queue",
     SETTING_YES, FIELD(local_users)},
    {"http", "true",
     "serve HTTPS on port 443 (the API, what clients and other servers look for) and on port 80 what must be "
     "in clear",
     SETTING_YES, FIELD(http)},
    {"refuse_unknown_domains", "false",
     "refuse letters of strangers whose sender or author has a domain that does not exist", SETTING_YES,
     FIELD(refuse_unknown_domains)},
    {"fence", "true",
     "shut the running server in: no files but its home and a few of the system's, no other programs",
     SETTING_YES, FIELD(fence)},
    {"dmarc_reports", "true", "send aggregate reports to domains that ask for them", SETTING_YES,
     FIELD(dmarc_reports)},
    {"tls_reports", "true", "send reports about TLS with their servers to domains that ask for them",
     SETTING_YES, FIELD(tls_reports)},
    {"srs", "true",
     "rewrite the return path of letters that an alias sends to another server, so that SPF holds",
     SETTING_YES, FIELD(srs)},
    {"webhook_private", "false",
     "events may be told to webhooks in clear and at private addresses: only where users are trusted",
     SETTING_YES, FIELD(webhook_private)},
    {"arc_seal", "false", "seal letters that an alias sends on with ARC", SETTING_YES, FIELD(arc_seal)},
    {"sender_hourly", "500", "recipients to whom an account may send within an hour; 0: any number",
     SETTING_NUMBER, "0", "4000000000", FIELD(sender_hourly)},
    {"sender_daily", "2000", "the same within a day", SETTING_NUMBER, "0", "4000000000", FIELD(sender_daily)},
    {"sender_letters_hourly", "200", "letters that an account may send within an hour; 0: any number",
     SETTING_NUMBER, "0", "4000000000", FIELD(sender_letters_hourly)},
    {"sender_letters_daily", "1000", "the same within a day", SETTING_NUMBER, "0", "4000000000",
     FIELD(sender_letters_daily)},
    {"sender_first_time", "200", "recipients within a day to whom an account never wrote; 0: any number",
     SETTING_NUMBER, "0", "4000000000", FIELD(sender_first_time)},
    {"sender_recipients", "500", "recipients of one letter of an account; 0: any number", SETTING_NUMBER, "0",
     "4000000000", FIELD(sender_recipients)},
    {"sender_held", "500", "letters that wait for a time that an account set (FUTURERELEASE); 0: any number",
     SETTING_NUMBER, "0", "4000000000", FIELD(sender_held)},
    {"sender_held_mib", "500", "what they may hold together, in MiB; 0: any amount", SETTING_NUMBER, "0",
     "4000000000", FIELD(sender_held_mib)},
    {"pop3_login_delay", "0", "seconds between two POP3 logins of an account (LOGIN-DELAY); 0: none",
     SETTING_NUMBER, "0", "86400", FIELD(pop3_login_delay)},
    {"lmtp_listen", "", "an address and port for LMTP besides the socket in the home", SETTING_ENDPOINT,
     FIELD(lmtp_listen)},
    {"proxy_from", "", "networks of proxies, whose connections must begin with a PROXY header", SETTING_NETS,
     FIELD(proxy_from), .count = offsetof(struct config, nproxy_from)},
    {"xclient_from", "", "networks of proxies that may say XCLIENT", SETTING_NETS, FIELD(xclient_from),
     .count = offsetof(struct config, nxclient_from)},
    {"oauth_introspection", "", "the URL at which the issuer of OAuth tokens is asked about them (RFC 7662)",
     SETTING_TEXT, FIELD(oauth_introspection)},
    {"oauth_keys", "", "the URL of the keys that sign the issuer's tokens (RFC 7517): then it is not asked",
     SETTING_TEXT, FIELD(oauth_keys)},
    {"oauth_issuer", "", "with oauth_keys: what tokens say in iss", SETTING_TEXT, FIELD(oauth_issuer)},
    {"oauth_audience", "", "with oauth_keys: for whom tokens must be, in aud", SETTING_TEXT,
     FIELD(oauth_audience)},
    {"oauth_client", "", "as whom it is asked", SETTING_TEXT, FIELD(oauth_client)},
    {"oauth_secret", "", "and with which secret", SETTING_TEXT, FIELD(oauth_secret)},
    {"oauth_user", "email", "the member of its answer that holds the account's address", SETTING_TEXT,
     FIELD(oauth_user)},
    {"oauth_scope", "", "a scope that tokens must have", SETTING_TEXT, FIELD(oauth_scope)},
    {"ldap", "", "a directory of people whose accounts are here: ldaps://HOST, or ldap://HOST for StartTLS",
     SETTING_TEXT, FIELD(ldap)},
    {"ldap_base", "", "the entry below which people are", SETTING_TEXT, FIELD(ldap_base)},
    {"ldap_filter", "(mail=%s)", "who has an address: %s it, %u what stands before its @, %d its domain",
     SETTING_TEXT, FIELD(ldap_filter)},
    {"ldap_address", "mail", "the attribute of a person's addresses; none: the one that was asked for",
     SETTING_TEXT, FIELD(ldap_address)},
    {"ldap_id", "entryUUID", "the attribute that stays the same when addresses change; none: there is none",
     SETTING_TEXT, FIELD(ldap_id)},
    {"ldap_quota", "", "the attribute that says how much an account may hold; none: no attribute does",
     SETTING_TEXT, FIELD(ldap_quota)},
    {"ldap_login", "", "as whom the directory is asked; none: anonymously", SETTING_TEXT, FIELD(ldap_login)},
    {"ldap_password", "", "the file of its password", SETTING_PATH, FIELD(ldap_password)},
    {"ldap_domains", "", "domains whose people are there; none: every domain here", SETTING_DOMAINS,
     FIELD(ldap_domain), .count = offsetof(struct config, nldap_domains)},
    {"no_soliciting", "", "classes of solicitation that other servers are told not to send (RFC 3865)",
     SETTING_CLASSES, FIELD(no_soliciting)},
};
const size_t nsettings = COUNT_OF(settings);
_Static_assert(PORT_OFFSET_MAX == 64540 && LETTER_RCPTS_MAX == 10000, "stand in the table as text");

/* ---- one value ---- */

static void put_number(struct config *c, const struct setting *s, uint64_t v)
{
    char *to = (char *)c + s->at;
    switch (s->width) {
    case 1: *(bool *)to = v != 0; break;
    case 2: *(uint16_t *)to = (uint16_t)v; break;
    case 4: *(uint32_t *)to = (uint32_t)v; break;
    default: *(uint64_t *)to = v; break;
    }
}

static bool number_of(enum setting_type type, struct slice text, uint64_t *v)
{
    int64_t s;
    if (type == SETTING_NUMBER) return num_u64(text, UINT32_MAX, v);
    if (type == SETTING_SIZE) return num_size(text, v);
    /* A time without its unit is a mistake more often than seconds. */
    if (!text.n || (text.p[text.n - 1] >= '0' && text.p[text.n - 1] <= '9') || !num_duration(text, &s))
        return false;
    *v = (uint64_t)s;
    return true;
}

static int take_number(struct config *c, const struct setting *s, struct slice text)
{
    uint64_t v, least, most;
    static const char *const form[] = {[SETTING_NUMBER] = "a number",
                                       [SETTING_SIZE] = "a size such as 50M",
                                       [SETTING_TIME] = "a time with its unit, such as 90s, 15m, 4h or 5d"};
    if (!number_of(s->type, text, &v))
        return err_set(ERR_SYNTAX, "%s \"%.*s\" must be %s", s->name, SLF(text), form[s->type]);
    if (!number_of(s->type, sl_cstr(s->least), &least) || !number_of(s->type, sl_cstr(s->most), &most) ||
        v < least || v > most)
        return err_set(ERR_SYNTAX, "%s %.*s must lie between %s and %s", s->name, SLF(text), s->least,
                       s->most);
    put_number(c, s, v);
    return 0;
}

/* Which of the words it is, or -1. */
static int word_number(const char *words, struct slice text)
{
    struct slice rest = sl_cstr(words), word;
    for (int n = 0; sl_next(&rest, ' ', &word); n++)
        if (sl_eqi(word, text)) return n;
    return -1;
}

static int take_choice(struct config *c, const struct setting *s, struct slice text)
{
    int n = word_number(s->words, text);
    if (n < 0) return err_set(ERR_SYNTAX, "%s \"%.*s\" must be one of: %s", s->name, SLF(text), s->words);
    put_number(c, s, (uint64_t)n);
    return 0;
}

static int take_set(struct config *c, const struct setting *s, struct slice text)
{
    struct slice rest = text, word;
    uint64_t set = 0;
    bool good = true;
    while (good && sl_next(&rest, ' ', &word)) {
        int n = word_number(s->words, word);
        if (n >= 0) set |= (uint64_t)1 << n;
        good = n >= 0 || !word.n;
    }
    if (!good || !set)
        return err_set(ERR_SYNTAX, "%s \"%.*s\" must be some of: %s", s->name, SLF(text), s->words);
    put_number(c, s, set);
    return 0;
}

static int take_yes(struct config *c, const struct setting *s, struct slice text)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (sl_eqi(text, sl_cstr(words[i]))) {
            put_number(c, s, i & 1);
            return 0;
        }
    return err_set(ERR_SYNTAX, "%s \"%.*s\" must be true or false", s->name, SLF(text));
}

static int take_host(struct config *c, const struct setting *s, struct slice text)
{
    if (!dns_is_fqdn(text))
        return err_set(ERR_SYNTAX, "%s \"%.*s\" must be a full host name such as mail.example.org", s->name,
                       SLF(text));
    c->hostname = text;
    return 0;
}

static int take_endpoint(struct config *c, const struct setting *s, struct slice text)
{
    if (!text.n || endpoint_parse(text, (struct endpoint *)((char *)c + s->at))) return 0;
    return err_set(ERR_SYNTAX, "%s \"%.*s\" must be an address and a port such as 127.0.0.1:53 or [::1]:53",
                   s->name, SLF(text));
}

static int take_classes(struct config *c, const struct setting *s, struct slice text)
{
    if (text.n && !smtp_solicit_ok(text))
        return err_set(ERR_SYNTAX,
                       "%s \"%.*s\" must be keywords such as net.example:ADV, with commas between", s->name,
                       SLF(text));
    c->no_soliciting = text;
    return 0;
}

static int take_url(struct config *c, const struct setting *s, struct slice text)
{
    if (text.n && !sl_starts(text, SL("https://")))
        return err_set(ERR_SYNTAX, "%s \"%.*s\" must begin with https://", s->name, SLF(text));
    *(struct slice *)((char *)c + s->at) = text;
    return 0;
}

/* text lives as long as the configuration. */
static int take_one(struct config *c, const struct setting *s, struct slice text)
{
    switch (s->type) {
    case SETTING_HOST: return take_host(c, s, text);
    case SETTING_ENDPOINT: return take_endpoint(c, s, text);
    case SETTING_CHOICE: return take_choice(c, s, text);
    case SETTING_SET: return take_set(c, s, text);
    case SETTING_YES: return take_yes(c, s, text);
    case SETTING_CLASSES: return take_classes(c, s, text);
    case SETTING_URL: return take_url(c, s, text);
    case SETTING_TEXT:
    case SETTING_PATH: *(struct slice *)((char *)c + s->at) = text; return 0;
    default: return take_number(c, s, text);
    }
}

static int take_ips(struct config *c, const struct setting *s, const struct slice *v, size_t n)
{
    struct ip *ip = (struct ip *)((char *)c + s->at);
    if (n > LISTEN_MAX) return err_set(ERR_SYNTAX, "%s has more than %d addresses", s->name, LISTEN_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!ip_parse(v[i], &ip[i]))
            return err_set(ERR_SYNTAX, "%s \"%.*s\" must be an IP address such as 192.0.2.1 or 2001:db8::1",
                           s->name, SLF(v[i]));
        for (size_t k = 0; k < i; k++)
            if (ip_eq(&ip[i], &ip[k])) return err_set(ERR_SYNTAX, "%s names %.*s twice", s->name, SLF(v[i]));
    }
    if (n) *(size_t *)((char *)c + s->count) = n;
    return 0;
}

static int take_nets(struct config *c, const struct setting *s, struct slice *v, size_t n)
{
    struct ip net;
    unsigned bits;
    for (size_t i = 0; i < n; i++)
        if (!ip_net_parse(v[i], &net, &bits))
            return err_set(ERR_SYNTAX, "%s \"%.*s\" must be an address or network such as 192.0.2.0/24",
                           s->name, SLF(v[i]));
    *(struct slice **)((char *)c + s->at) = v;
    *(size_t *)((char *)c + s->count) = n;
    return 0;
}

bool config_lists(const struct slice *list, size_t n, const struct ip *ip)
{
    struct ip net;
    unsigned bits;
    for (size_t i = 0; i < n; i++)
        if (ip_net_parse(list[i], &net, &bits) && ip_in(ip, &net, bits)) return true;
    return false;
}

static int take_domains(struct config *c, const struct setting *s, struct slice *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!dns_is_fqdn(v[i]))
            return err_set(ERR_SYNTAX, "%s \"%.*s\" must be a domain such as example.org", s->name,
                           SLF(v[i]));
    *(struct slice **)((char *)c + s->at) = v;
    *(size_t *)((char *)c + s->count) = n;
    return 0;
}

static int take_routes(struct arena *a, struct config *c, const struct slice *v, size_t n)
{
    if (n > RELAY_ROUTES_MAX) return err_set(ERR_SYNTAX, "routes has more than %d lines", RELAY_ROUTES_MAX);
    c->route = ar_array(a, struct relay_route, n);
    for (c->nroutes = 0; c->nroutes < n; c->nroutes++) {
        int e = route_parse(a, v[c->nroutes], &c->route[c->nroutes]);
        if (e) return e;
    }
    return 0;
}

static int take_filters(struct config *c, const struct setting *s, const struct slice *v, size_t n)
{
    if (n > FILTERS_MAX) return err_set(ERR_SYNTAX, "%s has more than %d filters", s->name, FILTERS_MAX);
    for (size_t i = 0; i < n; i++) {
        int e = filter_parse(v[i], &c->filter[i]);
        if (e) return err_prefix(e, "%s", s->name);
    }
    c->nfilters = n;
    return 0;
}

static int take_dnslists(struct config *c, const struct setting *s, const struct slice *v, size_t n)
{
    if (n > DNSLISTS_MAX) return err_set(ERR_SYNTAX, "%s has more than %d lists", s->name, DNSLISTS_MAX);
    for (size_t i = 0; i < n; i++) {
        int e = dnslist_parse(v[i], &c->dnslist[i]);
        if (e) return err_prefix(e, "%s", s->name);
    }
    c->ndnslists = n;
    return 0;
}

static bool is_list(const struct setting *s)
{
    return s->type == SETTING_IPS || s->type == SETTING_DOMAINS || s->type == SETTING_ROUTES ||
           s->type == SETTING_NETS || s->type == SETTING_FILTERS || s->type == SETTING_DNSLISTS;
}

void config_defaults(struct config *c)
{
    *c = (struct config){.listen = {{.family = 4}, {.family = 6}}, .nlisten = 2};
    for (size_t i = 0; i < nsettings; i++)
        if (*settings[i].fallback && take_one(c, &settings[i], sl_cstr(settings[i].fallback)))
            ASSERT(!"a default of the table does not fit its own limits");
}

/* ---- a file ---- */

/* libconfuse calls back without an argument: what it is reading, on this thread. */
struct reading {
    struct arena *a;
    struct config *out;
    const char *path;
    char fault[ERR_TEXT_MAX];
};
static _Thread_local struct reading *reading;

static void keep_fault(cfg_t *cfg, const char *fmt, va_list ap)
{
    char *fault = reading->fault;
    if (*fault) return;
    int n = snprintf(fault, ERR_TEXT_MAX, "%s:%d: ", reading->path, cfg ? cfg->line : 0);
    if (n > 0 && n < ERR_TEXT_MAX) vsnprintf(fault + n, ERR_TEXT_MAX - (size_t)n, fmt, ap);
}

/* What is no name at all stays as it is, for the sentence that says so. */
static struct slice name_as_kept(struct arena *a, struct slice name)
{
    struct slice ascii;
    return !is_ascii(name) && dns_to_ascii(a, name, &ascii) == 0 ? ascii : ar_lower(a, name);
}

static int take_setting(const struct setting *s, cfg_opt_t *opt)
{
    struct reading *r = reading;
    size_t n = cfg_opt_size(opt);
    struct slice *v = ar_array(r->a, struct slice, n);
    for (size_t i = 0; i < n; i++) {
        v[i] = ar_dup(r->a, sl_cstr(cfg_opt_getnstr(opt, (unsigned)i)));
        if (s->type == SETTING_HOST || s->type == SETTING_DOMAINS) v[i] = name_as_kept(r->a, v[i]);
    }
    if (s->type == SETTING_IPS) return take_ips(r->out, s, v, n);
    if (s->type == SETTING_DOMAINS) return take_domains(r->out, s, v, n);
    if (s->type == SETTING_ROUTES) return take_routes(r->a, r->out, v, n);
    if (s->type == SETTING_NETS) return take_nets(r->out, s, v, n);
    if (s->type == SETTING_FILTERS) return take_filters(r->out, s, v, n);
    if (s->type == SETTING_DNSLISTS) return take_dnslists(r->out, s, v, n);
    return n ? take_one(r->out, s, v[n - 1]) : 0;
}

static int take_option(cfg_t *cfg, cfg_opt_t *opt)
{
    size_t i = 0;
    while (strcmp(settings[i].name, opt->name) != 0) i++; /* it is of this table */
    int e = take_setting(&settings[i], opt);
    if (e) cfg_error(cfg, "%s", err_text(e));
    return e ? -1 : 0;
}

/* libconfuse counts a line that ends in a comment three times, so comments are blanked first. */
static void blank_comments(char *p)
{
    char quote = 0;
    for (; *p; p++) {
        if (quote) {
            if (*p == '\\' && p[1]) p++;
            else if (*p == quote || *p == '\n') quote = 0;
        } else if (*p == '"' || *p == '\'') {
            quote = *p;
        } else if (*p == '#' || (p[0] == '/' && p[1] == '/')) {
            for (; *p && *p != '\n'; p++) *p = ' ';
            if (!*p) return;
        }
    }
}

static int parse(char *text)
{
    cfg_opt_t opts[COUNT_OF(settings) + 1];
    for (size_t i = 0; i < nsettings; i++)
        if (is_list(&settings[i])) opts[i] = (cfg_opt_t)CFG_STR_LIST(settings[i].name, "{}", CFGF_NONE);
        else opts[i] = (cfg_opt_t)CFG_STR(settings[i].name, "", CFGF_NONE);
    opts[nsettings] = (cfg_opt_t)CFG_END();
    cfg_t *cfg = cfg_init(opts, CFGF_NONE);
    if (!cfg) return err_set(ERR_IO, "cannot prepare to read %s", reading->path);
    cfg_set_error_function(cfg, keep_fault);
    for (size_t i = 0; i < nsettings; i++) cfg_set_validate_func(cfg, settings[i].name, take_option);
    int e = cfg_parse_buf(cfg, text) == CFG_SUCCESS ? 0 : ERR_SYNTAX;
    cfg_free(cfg);
    if (!e) return 0;
    return err_set(e, "%s", reading->fault[0] ? reading->fault : "tram.conf cannot be parsed");
}

/* The setting whose name begins here and is followed by =, and the end of its name; or NULL. */
static const struct setting *assigned(const char *p, size_t *n)
{
    *n = strspn(p, "abcdefghijklmnopqrstuvwxyz_");
    const char *after = p + *n + strspn(p + *n, " \t");
    for (size_t i = 0; *n && *after == '=' && i < nsettings; i++)
        if (sl_eq(sl(p, *n), sl_cstr(settings[i].name))) return &settings[i];
    *n += *n == 0;
    return NULL;
}

/* libconfuse takes the last of two lines in silence. text: one that it could parse. */
static int check_doubled(const char *text, const char *path)
{
    bool seen[COUNT_OF(settings)] = {0};
    int line = 1;
    char quote = 0;
    size_t n;
    for (const char *p = text; *p; p += n) {
        const struct setting *s = quote ? NULL : assigned(p, &n);
        if (quote) n = *p == '\\' && p[1] ? 2 : 1;
        if (s && seen[s - settings])
            return err_set(ERR_SYNTAX, "%s:%d: %s stands there twice: keep one line", path, line, s->name);
        if (s) seen[s - settings] = true;
        line += *p == '\n';
        if (!quote && (*p == '"' || *p == '\'')) quote = *p;
        else if (*p == quote) quote = 0;
    }
    return 0;
}

uint64_t config_index_cache(const struct config *c)
{
    return c->index_cache ? c->index_cache : rt_memory() / 8;
}

uint64_t config_memory(const struct config *c)
{
    uint64_t all = c->memory ? c->memory : rt_memory() / 2, cache = config_index_cache(c);
    return all > cache ? all - cache : 0;
}

/* An issuer is believed for what it says: over TLS, or here. */
static bool in_clear(struct slice url)
{
    return url.n && !sl_startsi(url, SL("https://")) && !url_is_near(url);
}

/* Whose password is kept elsewhere must tell it: SCRAM has no keys of theirs. */
static int check_ldap(const struct config *c, const char *path)
{
    struct people_conf pc = config_people(c);
    if (!c->ldap.n) return 0;
    int e = people_check(&pc);
    if (e) return err_prefix(e, "%s", path);
    if (!c->ldap_login.n != !c->ldap_password.n)
        return err_set(ERR_SYNTAX, "%s: ldap_login and ldap_password go together", path);
    if (!(c->login_mechanisms & (SASL_PLAIN | SASL_LOGIN)))
        return err_set(ERR_SYNTAX, "%s: ldap needs PLAIN or LOGIN in login_mechanisms", path);
    return 0;
}

struct people_conf config_people(const struct config *c)
{
    return (struct people_conf){.server = c->ldap,
                                .base = c->ldap_base,
                                .filter = c->ldap_filter,
                                .address = c->ldap_address,
                                .id = c->ldap_id,
                                .quota = c->ldap_quota,
                                .login = c->ldap_login,
                                .authorities = c->tls_authorities,
                                .domain = c->ldap_domain,
                                .ndomains = c->nldap_domains};
}

/* What lines say together. */
static bool is_address(struct slice s)
{
    size_t at = sl_rchr(s, '@');
    return at != SL_NONE && at && dns_name_ok(sl_from(s, at + 1)) && !memchr(s.p, ' ', s.n);
}

static int check_together(const struct config *c, const char *path)
{
    if (!c->hostname.n)
        return err_set(ERR_SYNTAX, "%s: there is no line hostname = \"mail.example.org\": add one", path);
    if (c->resolver.port && c->zone.n)
        return err_set(ERR_SYNTAX, "%s: resolver and zone exclude each other: keep one of the two lines",
                       path);
    for (size_t i = 0; i < c->npublic; i++)
        if (ip_is_unspecified(&c->public_address[i]))
            return err_set(ERR_SYNTAX, "%s: public_addresses must name the addresses that the world sees",
                           path);
    if ((c->login_mechanisms & SASL_TOKENS) && !c->oauth_introspection.n && !c->oauth_keys.n)
        return err_set(
            ERR_SYNTAX,
            "%s: login_mechanisms offers tokens, but neither oauth_introspection nor oauth_keys names "
            "an issuer",
            path);
    if (c->public_account.n && !is_address(c->public_account))
        return err_set(ERR_SYNTAX,
                       "%s: public_account \"%.*s\" must be an account such as public@example.org", path,
                       SLF(c->public_account));
    if (c->oauth_keys.n && (!c->oauth_issuer.n || !c->oauth_audience.n))
        return err_set(ERR_SYNTAX, "%s: oauth_keys needs oauth_issuer and oauth_audience", path);
    if (in_clear(c->oauth_introspection))
        return err_set(ERR_SYNTAX, "%s: oauth_introspection must begin with https://, or be on this machine",
                       path);
    if (in_clear(c->oauth_keys))
        return err_set(ERR_SYNTAX, "%s: oauth_keys must begin with https://, or be on this machine", path);
    if (c->queue_retry_first_s > c->queue_retry_most_s)
        return err_set(ERR_SYNTAX, "%s: queue_retry_first is longer than queue_retry_most", path);
    if (config_memory(c) < CONFIG_MEMORY_LEAST)
        return err_set(ERR_SYNTAX, "%s: memory must be %d bytes more than index_cache", path,
                       CONFIG_MEMORY_LEAST);
    return check_ldap(c, path);
}

int config_parse(struct arena *a, struct slice bytes, const char *path, struct config *out)
{
    struct reading r = {.a = a, .out = out, .path = path};
    if (sl_chr(bytes, 0) != SL_NONE) return err_set(ERR_SYNTAX, "%s holds a NUL byte: it is no text", path);
    char *text = ar_cstr(a, bytes);
    blank_comments(text);
    config_defaults(out);
    reading = &r;
    int e = parse(text);
    reading = NULL;
    if (!e) e = check_doubled(text, path);
    if (out->client_authorities.n) out->login_mechanisms |= SASL_EXTERNAL;
    if (out->ldap.n) out->login_mechanisms &= ~(uint32_t)(SASL_SCRAM_PLUS | SASL_SCRAM | SASL_SCRAM_SHA1);
    return e ? e : check_together(out, path);
}

int config_read(struct arena *a, const char *path, struct config *out)
{
    struct buf b = BUF_INIT;
    int e = path_read(path, CONFIG_MAX, &b);
    if (e == ERR_NOT_FOUND)
        e = err_set(e, "cannot read %s: make a home with `tram -C DIR init --domain D`, or name it with -C",
                    path);
    if (!e) e = config_parse(a, buf_slice(&b), path, out);
    buf_free(&b);
    return e;
}

size_t config_public(const struct config *c, struct ip out[LISTEN_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < c->npublic; i++) out[n++] = c->public_address[i];
    for (size_t i = 0; !c->npublic && i < c->nlisten; i++)
        if (!ip_is_unspecified(&c->listen[i])) out[n++] = c->listen[i];
    return n;
}

/* ---- writing one ---- */

struct slice config_text(struct arena *a, const struct config_start *s)
{
    struct buf b = BUF_INIT;
    char ip[IP_TEXT_MAX];
    buf_str(&b, "# tram.conf - what this node needs to start; see tram.conf(5). Domains, accounts and keys\n"
                "# live in the store: `tram domain`, `tram account`, `tram alias`.\n\n");
    buf_printf(&b, "hostname = \"%.*s\"\n", SLF(s->hostname));
    if (s->nlisten) {
        buf_str(&b, "listen = {");
        for (size_t i = 0; i < s->nlisten; i++)
            buf_printf(&b, "%s\"%s\"", i ? ", " : "", ip_format(&s->listen[i], ip));
        buf_str(&b, "}\n");
    } else {
        buf_str(&b,
                "# listen = {\"192.0.2.1\", \"2001:db8::1\"}     # default: every address of the machine\n");
    }
    buf_printf(&b, "port_offset = %u\n", s->port_offset);
    if (s->resolver.n) buf_printf(&b, "resolver = \"%.*s\"\n", SLF(s->resolver));
    if (s->zone.n) buf_printf(&b, "zone = \"%.*s\"\n", SLF(s->zone));
    buf_char(&b, '\n');
    for (size_t i = 0; i < nsettings; i++)
        if (settings[i].shown)
            buf_printf(&b, "# %s = \"%s\"    # %s\n", settings[i].name, settings[i].fallback,
                       settings[i].meaning);
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}
