/* fetch.c - what may be asked of whom: URL, addresses, limits; then one address after another. */
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "dns/dns.h"
#include "fetch_i.h"

/* ---- the URL (RFC 3986, no more of it than is needed) ---- */

static int bad_url(struct slice url, const char *why)
{
    return err_set(ERR_USAGE, "the URL %.*s %s", SLF(sl_sub(url, 0, 200)), why);
}

static bool plain_bytes(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || (unsigned char)s.p[i] >= 127 || strchr("\"<>\\^`{|}", s.p[i]))
            return false;
    return true;
}

/* What others would read as an address in one of its old spellings (inet_aton(3): 127.1, 0x7f.1, 017.0.0.1)
 * is no name, and letters that are encoded are none. */
static bool is_host(struct slice host)
{
    struct ip ip;
    if (ip_parse(host, &ip)) return true;
    if (sl_ends(host, SL("."))) host.n--;
    for (size_t i = 0; i < host.n; i++)
        if (!is_alnum(host.p[i]) && !strchr("-_.", host.p[i])) return false;
    size_t dot = sl_rchr(host, '.');
    struct slice last = dot == SL_NONE ? host : sl_from(host, dot + 1);
    return dns_name_ok(host) && !is_digit(last.p[0]);
}

static int split_port(struct slice url, struct slice authority, struct fetch_target *t)
{
    uint64_t port;
    size_t colon = sl_rchr(authority, ':'), bracket = sl_rchr(authority, ']');
    if (colon != SL_NONE && (bracket == SL_NONE || colon > bracket)) {
        if (!num_u64(sl_from(authority, colon + 1), 65535, &port) || !port)
            return bad_url(url, "has no port");
        t->port = (uint16_t)port;
        authority = sl_sub(authority, 0, colon);
    }
    if (authority.n > 2 && authority.p[0] == '[' && authority.p[authority.n - 1] == ']')
        authority = sl_sub(authority, 1, authority.n - 1);
    if (!authority.n) return bad_url(url, "names no host");
    t->host = authority;
    return is_host(authority) ? 0 : bad_url(url, "names a host that can be none");
}

/* Up to the path: host and port, with a user when there is one. */
static struct slice authority_of(struct slice rest)
{
    size_t end = 0;
    while (end < rest.n && !strchr("/?#", rest.p[end])) end++;
    return sl_sub(rest, 0, end);
}

int fetch_target(struct slice url, bool clear, struct fetch_target *t)
{
    struct slice rest;
    if (url.n > FETCH_URL_MAX) return bad_url(url, "is too long");
    if (!plain_bytes(url)) return bad_url(url, "holds characters that must be encoded");
    if (sl_startsi(url, SL("https://"))) t->port = 443, rest = sl_from(url, 8);
    else if (clear && sl_startsi(url, SL("http://"))) t->port = 80, rest = sl_from(url, 7);
    else return bad_url(url, "is not allowed here: only https:// is");
    struct slice authority = authority_of(rest);
    if (sl_chr(authority, '@') != SL_NONE) return bad_url(url, "holds a user");
    return split_port(url, authority, t);
}

int fetch_url_fits(struct slice url, bool clear)
{
    struct fetch_target t;
    return fetch_target(url, clear, &t);
}

int fetch_url_take(struct arena *a, struct slice url, bool clear, struct slice *out)
{
    size_t at = sl_find(url, SL("://"));
    struct slice head = sl_sub(url, 0, at == SL_NONE ? 0 : at + 3), rest = sl_from(url, head.n), ascii;
    struct slice authority = authority_of(rest), host = sl_sub(authority, 0, sl_chr(authority, ':'));
    *out = url;
    if (!is_ascii(host)) {
        int e = dns_to_ascii(a, host, &ascii);
        if (e) return e;
        *out = ar_printf(a, "%.*s%.*s%.*s", SLF(head), SLF(ascii), SLF(sl_from(rest, host.n)));
    }
    return fetch_url_fits(*out, clear);
}

static int check_request(const struct fetch_request *q)
{
    for (size_t i = 0; i < q->method.n; i++)
        if (q->method.p[i] < 'A' || q->method.p[i] > 'Z')
            return err_set(ERR_USAGE, "there is no such method");
    for (size_t i = 0; i < q->nfield; i++) {
        struct slice v = q->field[i].value, n = q->field[i].name;
        if (!n.n || !plain_bytes(n) || sl_chr(n, ':') != SL_NONE || sl_chr(v, '\r') != SL_NONE ||
            sl_chr(v, '\n') != SL_NONE || sl_chr(v, 0) != SL_NONE)
            return err_set(ERR_USAGE, "a header field of the request cannot be sent");
    }
    return 0;
}

/* ---- addresses ---- */

/* What the world does not route to a server of its own (RFC 6890), and ways around that. */
static bool is_private(const struct ip *ip)
{
    static const struct {
        struct ip net;
        unsigned bits;
    } nets[] = {
        {{4, {0}}, 8},
        {{4, {127}}, 8},
        {{4, {192, 0, 0}}, 24},
        {{4, {198, 18}}, 15},
        {{4, {224}}, 3},
        {{6, {0}}, 96}, /* :: and ::1, IPv4 inside */
        {{6, {[10] = 0xff, [11] = 0xff}}, 96},
        {{6, {0, 0x64, 0xff, 0x9b}}, 32},
        {{6, {0x20, 0x01}}, 32},
        {{6, {0x20, 0x02}}, 16},
        {{6, {0xff}}, 8},
    };
    for (size_t i = 0; i < COUNT_OF(nets); i++)
        if (ip_in(ip, &nets[i].net, nets[i].bits)) return true;
    return ip_is_private(ip);
}

struct hosts {
    struct ip ip[FETCH_ADDRESSES_MAX];
    size_t n;
};

static int ask_for(const struct fetch *f, struct arena *a, struct slice host, enum dns_type type,
                   struct hosts *out, struct slice *unknown)
{
    struct dns_answer d = {0};
    int e = dns_ask(f->conf.dns, a, host, type, &d);
    if (e) return e;
    if (d.status == DNS_TEMPFAIL) *unknown = d.why.n ? d.why : SL("no answer");
    for (size_t i = 0; i < d.n && out->n < FETCH_ADDRESSES_MAX; i++) out->ip[out->n++] = d.rr[i].ip;
    return 0;
}

/* Private ones are left out; when nothing else is left that is the reason. */
static int find_hosts(const struct fetch *f, struct arena *a, const struct fetch_request *q,
                      struct slice host, struct hosts *out)
{
    struct hosts all = {0};
    struct slice unknown = {0};
    int e = 0;
    if (ip_parse(host, &all.ip[0])) {
        all.n = 1;
    } else {
        e = ask_for(f, a, host, DNS_A, &all, &unknown);
        if (!e && all.n < FETCH_ADDRESSES_MAX) e = ask_for(f, a, host, DNS_AAAA, &all, &unknown);
    }
    if (e == ERR_TIMEOUT) return err_set(ERR_DNS, "the DNS does not tell in time where %.*s is", SLF(host));
    if (e) return e;
    for (size_t i = 0; i < all.n; i++)
        if (q->private_hosts || f->conf.private_hosts || !is_private(&all.ip[i]))
            out->ip[out->n++] = all.ip[i];
    if (out->n) return 0;
    if (all.n) return err_set(ERR_DENIED, "%.*s has an address that is not of the world", SLF(host));
    if (unknown.n)
        return err_set(ERR_DNS, "the DNS does not tell where %.*s is: %.*s", SLF(host), SLF(unknown));
    return err_set(ERR_NOT_FOUND, "there is no host %.*s", SLF(host));
}

/* ---- the transfer ---- */

struct transfer {
    const struct fetch *f;
    int64_t until;
    struct fetch_call call;
    struct fetch_answer *out;
};

static int transfer_on_thread(void *arg)
{
    struct transfer *t = arg;
    fetch_transfer *fn = t->f->conf.transfer ? t->f->conf.transfer : fetch_by_curl;
    t->call.timeout = t->until - rt_now();
    if (t->call.timeout <= 0)
        return err_set(ERR_TIMEOUT, "%.*s was not asked in time: others are slow", SLF(t->call.host));
    return fn(t->f->conf.transfer_arg, &t->call, t->out);
}

/* Was nobody reached? Then another address may answer. */
static bool unreached(int e) { return e == ERR_REFUSED || e == ERR_UNREACHABLE || e == ERR_TIMEOUT; }

static int try_hosts(const struct fetch *f, struct arena *a, const struct fetch_request *q,
                     const struct fetch_target *t, const struct hosts *h, struct fetch_answer *out)
{
    int e = 0;
    int64_t until = deadline_get();
    enum rt_pool pool = q->waited_for ? POOL_ASK : POOL_FETCH;
    for (size_t i = 0; i < h->n && (i == 0 || unreached(e)); i++) {
        int64_t left = (until - rt_now()) / (int64_t)(h->n - i); /* a silent one leaves time for the others */
        if (left <= 0) return err_set(ERR_TIMEOUT, "%.*s did not answer in time", SLF(t->host));
        struct transfer x = {.f = f,
                             .until = rt_now() + left,
                             .out = out,
                             .call = {.request = q,
                                      .host = t->host,
                                      .ca = f->conf.ca,
                                      .address = h->ip[i],
                                      .url_port = t->port,
                                      .port = (uint16_t)(t->port + f->conf.port_offset),
                                      .size_max = q->size_max ? q->size_max : FETCH_SIZE_DEFAULT,
                                      .a = a}};
        *out = (struct fetch_answer){0};
        e = offload_for(pool, q->asker, transfer_on_thread, &x);
    }
    return e;
}

int fetch(const struct fetch *f, struct arena *a, const struct fetch_request *q, struct fetch_answer *out)
{
    ASSERT(f->conf.dns && q->nfield <= FETCH_HEAD_MAX);
    struct fetch_target t = {0};
    struct hosts h = {0};
    int e = check_request(q);
    if (!e) e = fetch_target(q->url, q->clear, &t);
    if (e) return e;
    int64_t before = deadline_narrow(DEADLINE_IN(q->timeout ? q->timeout : FETCH_SECONDS_DEFAULT * RT_S));
    e = find_hosts(f, a, q, t.host, &h);
    if (!e) e = try_hosts(f, a, q, &t, &h, out);
    deadline_restore(before);
    if (!e) fetch_head_end(a, out);
    return e;
}
