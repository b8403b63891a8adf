/* discover.c - how mail clients and other servers find us: the MTA-STS policy (RFC 8461), Thunderbird's
 * autoconfig, Microsoft's Autodiscover (POX and JSON), Apple's configuration profile.
 *
 * The answer for an address depends on its domain only: nobody learns here which accounts there are. */
#include <expat.h>
#include <stdlib.h>

#include "api_i.h"
#include "base/text.h"
#include "core/home.h"
#include "core/own_policy.h"
#include "dns/dns.h"
#include "guard/guard.h"
#include "rt/rt.h"
#include "store/store.h"

/* ---- whose settings? ---- */

/* The host that was asked, without its port. */
static struct slice host_of(const struct http_call *c)
{
    struct slice host = ar_lower(c->a, c->request->host);
    size_t colon = sl_rchr(host, ':');
    return colon == SL_NONE || sl_chr(host, ']') != SL_NONE ? host : sl_sub(host, 0, colon);
}

/* A domain of ours, or it is answered that there is none. */
static bool take_domain(struct http_call *c, struct slice name, struct domain *out)
{
    int e = domain_get(api_of(c)->core->store->directory, c->a, name, out);
    if (e == ERR_NOT_FOUND || e == ERR_SYNTAX) http_fail(c, 404, "this is no domain of this server");
    else if (e) api_failed(c, e);
    return !e;
}

/* The address, or the host without `prefix` when no address is told: its domain. */
static bool take_address(struct http_call *c, struct slice address, struct slice prefix, struct domain *out)
{
    struct slice local, domain = host_of(c);
    if (sl_starts(domain, prefix)) domain = sl_from(domain, prefix.n);
    if (address.n && (!utf8_valid(address) || address_split(c->a, address, &local, &domain))) {
        http_fail(c, 400, "this is no mail address");
        return false;
    }
    return take_domain(c, domain, out);
}

static unsigned port(const struct http_call *c, unsigned n) { return n + api_of(c)->core->conf->port_offset; }

static struct slice base_url(struct http_call *c)
{
    struct slice host = api_of(c)->core->conf->hostname;
    if (port(c, 443) == 443) return ar_printf(c->a, "https://%.*s", SLF(host));
    return ar_printf(c->a, "https://%.*s:%u", SLF(host), port(c, 443));
}

/* Text between tags; what XML has no character for is left out. */
static struct slice xml_text(struct arena *a, struct slice s)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < s.n; i++) switch (s.p[i]) {
        case '&': buf_str(&b, "&amp;"); break;
        case '<': buf_str(&b, "&lt;"); break;
        case '>': buf_str(&b, "&gt;"); break;
        case '"': buf_str(&b, "&quot;"); break;
        default:
            if ((unsigned char)s.p[i] >= 0x20) buf_char(&b, s.p[i]);
        }
    struct slice out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return out;
}

/* ---- MTA-STS (RFC 8461 section 3.3) ---- */

static void mta_sts(struct http_call *c)
{
    struct domain d;
    struct slice host = host_of(c);
    if (!sl_starts(host, SL("mta-sts."))) {
        http_fail(c, 404, "a policy is asked for at mta-sts.DOMAIN");
        return;
    }
    if (!take_domain(c, sl_from(host, 8), &d)) return;
    http_file(c, "text/plain", own_mta_sts(api_of(c)->core->conf, c->a, &d), SL(""));
}

/* ---- Thunderbird: config-v1.1.xml ---- */

struct server {
    const char *type, *security;
    unsigned port;
};
static const struct server servers[] = {
    {"imap", "SSL", 993},      {"imap", "STARTTLS", 143}, {"pop3", "SSL", 995},
    {"pop3", "STARTTLS", 110}, {"smtp", "SSL", 465},      {"smtp", "STARTTLS", 587},
};

static void autoconfig(struct http_call *c)
{
    struct domain d;
    struct buf b = BUF_INIT;
    struct slice host = api_of(c)->core->conf->hostname;
    if (!take_address(c, http_query(c, SL("emailaddress")), SL("autoconfig."), &d)) return;
    struct slice name = xml_text(c->a, d.name), shown = xml_text(c->a, dns_to_unicode(c->a, d.name));
    buf_printf(&b,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n"
               "  <emailProvider id=\"%.*s\">\n    <domain>%.*s</domain>\n"
               "    <displayName>%.*s</displayName>\n    <displayShortName>%.*s</displayShortName>\n",
               SLF(name), SLF(name), SLF(shown), SLF(shown));
    for (size_t i = 0; i < COUNT_OF(servers); i++) {
        const char *way = servers[i].type[0] == 's' ? "outgoing" : "incoming";
        buf_printf(&b,
                   "    <%sServer type=\"%s\">\n      <hostname>%.*s</hostname>\n      <port>%u</port>\n"
                   "      <socketType>%s</socketType>\n      <username>%%EMAILADDRESS%%</username>\n"
                   "      <authentication>password-cleartext</authentication>\n    </%sServer>\n",
                   way, servers[i].type, SLF(host), port(c, servers[i].port), servers[i].security, way);
    }
    buf_str(&b, "  </emailProvider>\n</clientConfig>\n");
    http_file(c, "text/xml; charset=utf-8", buf_slice(&b), SL(""));
    buf_free(&b);
}

/* ---- Autodiscover ([MS-OXDSCLI] POX, and its JSON successor) ---- */

static void put_protocol(struct http_call *c, struct buf *b, const char *type, unsigned n, struct slice login)
{
    buf_printf(
        b,
        "      <Protocol>\n        <Type>%s</Type>\n        <Server>%.*s</Server>\n        <Port>%u</Port>\n"
        "        <LoginName>%.*s</LoginName>\n        <SPA>off</SPA>\n        <SSL>on</SSL>\n"
        "        <Encryption>SSL</Encryption>\n        <AuthRequired>on</AuthRequired>\n      </Protocol>\n",
        type, SLF(api_of(c)->core->conf->hostname), port(c, n), SLF(login));
}

/* The text of the first EMailAddress, whatever its name space is called. */
struct asked {
    XML_Parser parser;
    struct buf text;
    bool inside, over;
};

static bool is_email(const XML_Char *name)
{
    const char *colon = strrchr(name, ':');
    return strcmp(colon ? colon + 1 : name, "EMailAddress") == 0;
}

static void on_begin(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct asked *x = arg;
    (void)attributes;
    x->inside = !x->over && is_email(name);
}

static void on_end(void *arg, const XML_Char *name)
{
    struct asked *x = arg;
    x->over |= x->inside && is_email(name);
    x->inside = false;
}

static void on_text(void *arg, const XML_Char *text, int n)
{
    struct asked *x = arg;
    if (x->inside) buf_bytes(&x->text, text, (size_t)n);
}

/* Which could make much of little. */
static void on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
                       int internal)
{
    struct asked *x = arg;
    (void)name, (void)sysid, (void)pubid, (void)internal;
    XML_StopParser(x->parser, XML_FALSE);
}

/* false: the request is no such XML, and that is answered. */
static bool asked_address(struct http_call *c, struct slice *out)
{
    enum { REQUEST_MAX = 16 << 10, ADDRESS_MAX = 1 << 10 };
    struct asked x = {.parser = XML_ParserCreate(NULL)};
    buf_init(&x.text, ADDRESS_MAX);
    if (!x.parser) abort(); /* memory */
    XML_SetUserData(x.parser, &x);
    XML_SetElementHandler(x.parser, on_begin, on_end);
    XML_SetCharacterDataHandler(x.parser, on_text);
    XML_SetStartDoctypeDeclHandler(x.parser, on_doctype);
    bool good = c->body.n <= REQUEST_MAX &&
                XML_Parse(x.parser, c->body.p, (int)c->body.n, XML_TRUE) == XML_STATUS_OK && !x.text.over;
    XML_ParserFree(x.parser);
    *out = ar_dup(c->a, sl_trim(buf_slice(&x.text)));
    buf_free(&x.text);
    if (!good) http_fail(c, 400, "this is no request of Autodiscover");
    return good;
}

static void autodiscover(struct http_call *c)
{
    struct domain d;
    struct buf b = BUF_INIT;
    struct slice address;
    if (!asked_address(c, &address)) return;
    if (!take_address(c, address, SL("autodiscover."), &d)) return;
    address = xml_text(c->a, address);
    buf_str(
        &b,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
        "<Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n"
        "  <Response "
        "xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n"
        "    <Account>\n      <AccountType>email</AccountType>\n      <Action>settings</Action>\n");
    put_protocol(c, &b, "IMAP", 993, address);
    put_protocol(c, &b, "POP3", 995, address);
    put_protocol(c, &b, "SMTP", 465, address);
    buf_str(&b, "    </Account>\n  </Response>\n</Autodiscover>\n");
    http_answer(c, 200, "text/xml; charset=utf-8", buf_slice(&b));
    buf_free(&b);
}

static void autodiscover_json(struct http_call *c)
{
    struct domain d;
    struct slice address = c->nparams ? c->param[0] : http_query(c, SL("Email")),
                 protocol = http_query(c, SL("Protocol"));
    if (!take_address(c, address, SL("autodiscover."), &d)) return;
    if (protocol.n && !sl_eqi(protocol, SL("AutodiscoverV1"))) {
        api_json(c, 400,
                 json_pack("{s:s,s:s}", "ErrorCode", "InvalidProtocol", "ErrorMessage",
                           "The protocol that is served is AutodiscoverV1"));
        return;
    }
    struct slice url = ar_cat(c->a, base_url(c), SL("/autodiscover/autodiscover.xml"));
    api_json(c, 200, json_pack("{s:s,s:s%}", "Protocol", "AutodiscoverV1", "Url", url.p, url.n));
}

/* ---- Apple: a configuration profile, signed ---- */

/* Always the same for the same address, so that a second installation replaces the first. */
static struct slice uuid(struct http_call *c, const char *what, struct slice address)
{
    uint8_t h[HASH_MAX];
    struct slice all =
        ar_printf(c->a, "%s %.*s %.*s", what, SLF(api_of(c)->core->conf->hostname), SLF(address));
    hash_once(HASH_SHA256, all, h);
    return ar_printf(c->a, "%02X%02X%02X%02X-%02X%02X-4%X%02X-8%X%02X-%02X%02X%02X%02X%02X%02X", h[0], h[1],
                     h[2], h[3], h[4], h[5], h[6] & 15, h[7], h[8] & 15, h[9], h[10], h[11], h[12], h[13],
                     h[14], h[15]);
}

static void put_key(struct buf *b, const char *name, struct slice value)
{
    buf_printf(b, "<key>%s</key><string>%.*s</string>\n", name, SLF(value));
}

static void put_server(struct buf *b, const char *way, struct slice host, unsigned n, struct slice user)
{
    buf_printf(
        b,
        "<key>%sMailServerHostName</key><string>%.*s</string>\n"
        "<key>%sMailServerPortNumber</key><integer>%u</integer>\n<key>%sMailServerUseSSL</key><true/>\n"
        "<key>%sMailServerAuthentication</key><string>EmailAuthPassword</string>\n"
        "<key>%sMailServerUsername</key><string>%.*s</string>\n",
        way, SLF(host), way, n, way, way, way, SLF(user));
}

static void put_payload(struct http_call *c, struct buf *b, const char *type, struct slice address)
{
    struct slice id = uuid(c, type, address);
    put_key(b, "PayloadType", sl_cstr(type));
    put_key(b, "PayloadUUID", id);
    put_key(b, "PayloadIdentifier",
            ar_printf(c->a, "%.*s.%.*s", SLF(api_of(c)->core->conf->hostname), SLF(id)));
    buf_str(b, "<key>PayloadVersion</key><integer>1</integer>\n");
}

static void put_profile(struct http_call *c, struct buf *b, struct slice address, struct slice domain)
{
    struct slice host = api_of(c)->core->conf->hostname, shown = xml_text(c->a, address);
    buf_str(
        b,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
        "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\"><dict>\n"
        "<key>PayloadContent</key><array><dict>\n");
    put_key(b, "EmailAccountDescription", shown);
    put_key(b, "EmailAccountName", shown);
    put_key(b, "EmailAccountType", SL("EmailTypeIMAP"));
    put_key(b, "EmailAddress", shown);
    put_server(b, "Incoming", host, port(c, 993), shown);
    put_server(b, "Outgoing", host, port(c, 465), shown);
    buf_str(b, "<key>OutgoingPasswordSameAsIncomingPassword</key><true/>\n");
    put_key(b, "PayloadDisplayName", shown);
    put_payload(c, b, "com.apple.mail.managed", address);
    buf_str(b, "</dict></array>\n");
    put_key(b, "PayloadDisplayName", ar_printf(c->a, "Mail of %.*s", SLF(domain)));
    put_key(b, "PayloadOrganization", domain);
    put_payload(c, b, "Configuration", address);
    buf_str(b, "</dict></plist>\n");
}

struct signing {
    struct http_call *c;
    struct slice text;
    struct buf out;
};

/* BLOCKS. */
static int sign(void *arg)
{
    struct signing *s = arg;
    struct slice chain, key;
    struct arena a;
    ar_init(&a, 0);
    int e = home_certificate(api_of(s->c)->core->conf, &a, &chain, &key);
    if (!e) e = cms_sign(chain, key, s->text, &s->out);
    ar_free(&a);
    return e;
}

static void mobileconfig(struct http_call *c)
{
    struct domain d;
    struct buf b = BUF_INIT;
    struct slice address = http_query(c, SL("email"));
    if (!address.n) {
        http_fail(c, 400, "whose? /.well-known/mobileconfig?email=ADDRESS");
        return;
    }
    if (!take_address(c, address, SL(""), &d)) return;
    put_profile(c, &b, address, xml_text(c->a, dns_to_unicode(c->a, d.name)));
    struct signing s = {.c = c, .text = buf_slice(&b)};
    int e = offload_for(POOL_SIGN, guard_asker(c->visit), sign, &s);
    if (e) api_failed(c, e);
    else {
        http_field(c, "Content-Disposition", SL("attachment; filename=\"mail.mobileconfig\""));
        http_answer(c, 200, "application/x-apple-aspen-config", buf_slice(&s.out));
    }
    buf_free(&s.out);
    buf_free(&b);
}

static const struct http_route routes[] = {
    HTTP_ROUTE(GET, "/.well-known/mta-sts.txt", NONE, mta_sts, "the MTA-STS policy of a domain (RFC 8461)"),
    HTTP_ROUTE(GET, "/mail/config-v1.1.xml", NONE, autoconfig, "settings, as Thunderbird reads them"),
    HTTP_ROUTE(GET, "/.well-known/autoconfig/mail/config-v1.1.xml", NONE, autoconfig, "the same"),
    HTTP_ROUTE(POST, "/autodiscover/autodiscover.xml", NONE, autodiscover, "settings, as Outlook reads them"),
    HTTP_ROUTE(POST, "/Autodiscover/Autodiscover.xml", NONE, autodiscover, "the same"),
    HTTP_ROUTE(POST, "/AutoDiscover/AutoDiscover.xml", NONE, autodiscover, "the same"),
    HTTP_ROUTE(GET, "/autodiscover/autodiscover.json", NONE, autodiscover_json,
               "where Autodiscover is (JSON v2)"),
    HTTP_ROUTE(GET, "/autodiscover/autodiscover.json/v1.0/{email}", NONE, autodiscover_json, "the same"),
    HTTP_ROUTE(GET, "/.well-known/mobileconfig", NONE, mobileconfig, "a signed profile for Apple's devices"),
};
const struct http_group api_discovery = {.name = "discovery", .route = routes, .n = COUNT_OF(routes)};
