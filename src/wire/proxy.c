/* proxy.c - the PROXY protocol, both versions. */
#include "proxy.h"

#include <string.h>

#include "base/log.h"
#include "base/text.h"

static const struct slice signature = SL_INIT("\r\n\r\n\0\r\nQUIT\n");

static int not_one(void) { return err_set(ERR_SYNTAX, "this is no PROXY header"); }

/* ---- version 1 (section 2.1): "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443" ---- */

static bool take_port(struct slice *rest, uint16_t *port)
{
    struct slice word;
    uint64_t n;
    if (!sl_next(rest, ' ', &word) || !num_u64(word, 65535, &n)) return false;
    if (word.n > 1 && word.p[0] == '0') return false;
    *port = (uint16_t)n;
    return true;
}

static bool take_ip(struct slice *rest, unsigned family, struct ip *ip)
{
    struct slice word;
    bool colon;
    if (!sl_next(rest, ' ', &word)) return false;
    colon = sl_chr(word, ':') != SL_NONE; /* a mapped IPv4 address is written as one of TCP6 */
    return ip_parse(word, ip) && colon == (family == 6);
}

static int parse_text(struct slice line, struct proxy_head *out)
{
    struct slice word;
    if (!sl_next(&line, ' ', &word) || !sl_eq(word, SL("PROXY")) || !sl_next(&line, ' ', &word))
        return not_one();
    out->local = sl_eq(word, SL("UNKNOWN")); /* what follows it is not looked at */
    if (out->local) return 0;
    unsigned family = sl_eq(word, SL("TCP4")) ? 4 : sl_eq(word, SL("TCP6")) ? 6 : 0;
    if (!family || !take_ip(&line, family, &out->from.ip) || !take_ip(&line, family, &out->to.ip) ||
        !take_port(&line, &out->from.port) || !take_port(&line, &out->to.port) || line.p)
        return not_one();
    return 0;
}

/* A line comes byte by byte, as nothing says how long it is. */
static int parse_v1(struct slice bytes, size_t *need, struct proxy_head *out)
{
    bool whole = bytes.p[bytes.n - 1] == '\n';
    *need = bytes.n + 1;
    if (!whole) return bytes.n < PROXY_V1_MAX ? 1 : not_one();
    if (bytes.n > PROXY_V1_MAX || bytes.p[bytes.n - 2] != '\r') return not_one();
    struct slice line = sl_sub(bytes, 0, bytes.n - 2);
    return sl_chr(line, '\r') != SL_NONE || sl_chr(line, '\n') != SL_NONE ? not_one() : parse_text(line, out);
}

/* ---- version 2 (section 2.2) ---- */

static uint16_t be16(const char *p) { return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]); }

static void take_addresses(struct slice at, unsigned family, struct proxy_head *out)
{
    size_t n = family == 4 ? 4 : 16;
    out->from.ip.family = out->to.ip.family = (uint8_t)family;
    memcpy(out->from.ip.b, at.p, n);
    memcpy(out->to.ip.b, at.p + n, n);
    out->from.port = be16(at.p + 2 * n);
    out->to.port = be16(at.p + 2 * n + 2);
}

/* An IPv4-mapped address is the IPv4 address that it stands for, as everywhere (ip_parse()). */
static void unmap(struct ip *ip)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (ip->family != 6 || memcmp(ip->b, mapped, sizeof mapped) != 0) return;
    struct ip v4 = {.family = 4};
    memcpy(v4.b, ip->b + 12, 4);
    *ip = v4;
}

static int parse_v2(struct slice bytes, size_t *need, struct proxy_head *out)
{
    *need = PROXY_V2_HEAD;
    if (bytes.n < PROXY_V2_HEAD) return 1;
    unsigned version = (unsigned char)bytes.p[12], what = (unsigned char)bytes.p[13];
    size_t size = be16(bytes.p + 14);
    *need = PROXY_V2_HEAD + size;
    if (version >> 4 != 2 || (version & 15) > 1 || size > PROXY_V2_MAX) return not_one();
    if (bytes.n < *need) return 1;
    if (bytes.n > *need) return not_one();
    unsigned family = what == 0x11 ? 4 : what == 0x21 ? 6 : 0; /* TCP over IPv4, IPv6 */
    out->local = (version & 15) == 0 || !family;
    if (out->local) return 0;
    if (size < (family == 4 ? 12u : 36u)) return not_one();
    take_addresses(sl_from(bytes, PROXY_V2_HEAD), family, out);
    unmap(&out->from.ip);
    unmap(&out->to.ip);
    return 0;
}

int proxy_parse(struct slice bytes, size_t *need, struct proxy_head *out)
{
    *out = (struct proxy_head){0};
    ASSERT(bytes.n >= PROXY_FIRST);
    if (sl_starts(bytes, signature)) return parse_v2(bytes, need, out);
    return sl_starts(bytes, SL("PROXY ")) ? parse_v1(bytes, need, out) : not_one();
}

static uint8_t *put(uint8_t *p, const void *bytes, size_t n)
{
    memcpy(p, bytes, n);
    return p + n;
}

size_t proxy_write(const struct endpoint *from, const struct endpoint *to, uint8_t out[PROXY_WRITTEN_MAX])
{
    size_t n = from->ip.family == 4 ? 4 : 16;
    uint8_t *p = put(out, signature.p, signature.n);
    ASSERT(from->ip.family == to->ip.family);
    p = put(p, (uint8_t[]){0x21, n == 4 ? 0x11 : 0x21, 0, (uint8_t)(2 * n + 4)}, 4);
    p = put(put(p, from->ip.b, n), to->ip.b, n);
    p = put(p,
            (uint8_t[]){(uint8_t)(from->port >> 8), (uint8_t)from->port, (uint8_t)(to->port >> 8),
                        (uint8_t)to->port},
            4);
    return (size_t)(p - out);
}
