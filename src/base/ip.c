/* ip.c - IPv4 and IPv6 addresses and networks as text. */
#include "ip.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "text.h"

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

struct ip ip_unmapped(const struct ip *a)
{
    struct ip four = {.family = 4};
    if (a->family != 6 || memcmp(a->b, mapped_prefix, sizeof mapped_prefix) != 0) return *a;
    memcpy(four.b, a->b + 12, 4);
    return four;
}

bool ip_parse(struct slice s, struct ip *out)
{
    char text[IP_TEXT_MAX];
    if (!s.n || s.n >= sizeof text || sl_chr(s, 0) != SL_NONE) return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    struct ip ip = {0};
    if (inet_pton(AF_INET, text, ip.b) == 1) {
        ip.family = 4;
    } else if (inet_pton(AF_INET6, text, ip.b) == 1) {
        ip.family = 6;
        ip = ip_unmapped(&ip);
    } else {
        return false;
    }
    *out = ip;
    return true;
}

char *ip_format(const struct ip *a, char buf[IP_TEXT_MAX])
{
    if (a->family == 0 || !inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, buf, IP_TEXT_MAX))
        strcpy(buf, "-");
    return buf;
}

static unsigned length_of(const struct ip *a) { return a->family == 4 ? 4 : a->family == 6 ? 16 : 0; }

bool ip_eq(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->b, b->b, length_of(a)) == 0;
}

bool ip_in(const struct ip *a, const struct ip *net, unsigned bits)
{
    if (a->family != net->family || bits > 8 * length_of(a)) return false;
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a->b, net->b, whole) != 0) return false;
    return rest == 0 || ((a->b[whole] ^ net->b[whole]) >> (8 - rest)) == 0;
}

bool ip_net_parse(struct slice s, struct ip *net, unsigned *bits)
{
    size_t slash = sl_chr(s, '/');
    uint64_t n;
    if (!ip_parse(sl_sub(s, 0, slash), net)) return false;
    unsigned all = 8 * (unsigned)length_of(net);
    if (slash == SL_NONE) n = all;
    else if (!num_u64(sl_from(s, slash + 1), all, &n)) return false;
    for (unsigned i = *bits = (unsigned)n; i < all; i++) net->b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
    return true;
}

uint64_t ip_network_hash(const struct ip *a) { return sl_hash(sl(a->b, a->family == 6 ? 8 : 4)) | 1; }

bool ip_is_loopback(const struct ip *a)
{
    static const struct ip v4 = {4, {127}}, v6 = {6, {[15] = 1}};
    return ip_in(a, &v4, 8) || ip_eq(a, &v6);
}

bool ip_is_unspecified(const struct ip *a)
{
    static const uint8_t zero[16];
    return a->family && memcmp(a->b, zero, length_of(a)) == 0;
}

bool ip_is_private(const struct ip *a)
{
    static const struct {
        struct ip net;
        unsigned bits;
    } nets[] = {
        {{4, {10}}, 8},       {{4, {172, 16}}, 12}, {{4, {192, 168}}, 16},   {{4, {169, 254}}, 16},
        {{4, {100, 64}}, 10}, {{6, {0xfc}}, 7},     {{6, {0xfe, 0x80}}, 10},
    };
    for (size_t i = 0; i < COUNT_OF(nets); i++)
        if (ip_in(a, &nets[i].net, nets[i].bits)) return true;
    return false;
}

struct slice ip_reverse_name(struct arena *a, const struct ip *ip)
{
    if (ip->family == 4)
        return ar_printf(a, "%u.%u.%u.%u.in-addr.arpa", ip->b[3], ip->b[2], ip->b[1], ip->b[0]);
    char *p = ar_alloc(a, 64 + 9), *at = p;
    for (int i = 15; i >= 0; i--) {
        *at++ = "0123456789abcdef"[ip->b[i] & 15], *at++ = '.';
        *at++ = "0123456789abcdef"[ip->b[i] >> 4], *at++ = '.';
    }
    memcpy(at, "ip6.arpa", 9);
    return sl(p, 64 + 8);
}

struct slice ip_literal(struct arena *a, const struct ip *ip)
{
    char text[IP_TEXT_MAX];
    return ar_printf(a, ip->family == 6 ? "[IPv6:%s]" : "[%s]", ip_format(ip, text));
}

bool ip_parse_literal(struct slice s, struct ip *out)
{
    if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']') return false;
    s = sl_sub(s, 1, s.n - 1);
    bool six = sl_startsi(s, SL("IPv6:"));
    if (six) s = sl_from(s, 5);
    /* RFC 5321 section 4.1.3: IPv6 addresses only behind their tag. */
    return ip_parse(s, out) && (sl_chr(s, ':') != SL_NONE) == six;
}

bool endpoint_parse(struct slice s, struct endpoint *out)
{
    size_t colon = sl_rchr(s, ':');
    uint64_t port;
    if (colon == SL_NONE || !num_u64(sl_from(s, colon + 1), 65535, &port)) return false;
    struct slice host = sl_sub(s, 0, colon);
    bool in_brackets = host.n >= 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (in_brackets) host = sl_sub(host, 1, host.n - 1);
    struct endpoint e = {.port = (uint16_t)port};
    if (!ip_parse(host, &e.ip)) return false;
    if (!in_brackets && e.ip.family == 6) return false; /* "::1:25" is an address as a whole, too */
    *out = e;
    return true;
}

char *endpoint_format(const struct endpoint *e, char buf[ENDPOINT_TEXT_MAX])
{
    char ip[IP_TEXT_MAX];
    if (e->path[0]) snprintf(buf, ENDPOINT_TEXT_MAX, "unix:%s", e->path);
    else
        snprintf(buf, ENDPOINT_TEXT_MAX, e->ip.family == 6 ? "[%s]:%u" : "%s:%u", ip_format(&e->ip, ip),
                 e->port);
    return buf;
}
