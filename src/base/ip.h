/* ip.h - IP addresses, networks and endpoints, as values. */
#pragma once
#include "arena.h"
#include "slice.h"

struct ip {
    uint8_t family; /* 4, 6, or 0 for none */
    uint8_t b[16];  /* network order; IPv4 uses the first four */
};

/* "192.0.2.1", "2001:db8::1" (RFC 4291 section 2.2), no brackets, no zone. An
 * IPv4-mapped IPv6 address becomes IPv4. */
bool ip_parse(struct slice s, struct ip *out);
struct ip ip_unmapped(const struct ip *a); /* the IPv4 address that an IPv4-mapped one stands for, else it */
#define IP_TEXT_MAX 46
/* RFC 5952 form. Returns buf, NUL-terminated. */
char *ip_format(const struct ip *a, char buf[IP_TEXT_MAX]);
bool ip_eq(const struct ip *a, const struct ip *b);
/* Are the first `bits` bits the same (and the family)? */
bool ip_in(const struct ip *a, const struct ip *net, unsigned bits);
/* "192.0.2.0/24", "2001:db8::/32"; a bare address is the network of itself. Bits behind the prefix are
 * cleared. */
bool ip_net_parse(struct slice s, struct ip *net, unsigned *bits);
/* The network of one host or household, an IPv4 address or an IPv6 /64 (RFC 6177), as a number that is not 0;
 * keyed (slice.h), so that nobody can choose to share another's. */
uint64_t ip_network_hash(const struct ip *a);
bool ip_is_loopback(const struct ip *a);
bool ip_is_unspecified(const struct ip *a); /* 0.0.0.0 or :: */
/* Not to be reached from the world: RFC 1918, 3927, 6598, and 4193, 4291 section 2.5.6. Loopback is not
 * meant. */
bool ip_is_private(const struct ip *a);
/* "1.2.0.192.in-addr.arpa" or the nibbles under ip6.arpa (RFC 3596). */
struct slice ip_reverse_name(struct arena *a, const struct ip *ip);
/* The RFC 5321 section 4.1.3 literal: "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
struct slice ip_literal(struct arena *a, const struct ip *ip);
bool ip_parse_literal(struct slice s, struct ip *out);

struct endpoint {
    struct ip ip;
    uint16_t port;
    char path[108]; /* a Unix socket's path instead, when not empty */
    bool everyone;  /* that socket may be opened by every user of the machine */
};
bool endpoint_parse(struct slice s, struct endpoint *out); /* "1.2.3.4:25", "[::1]:25" */
#define ENDPOINT_TEXT_MAX 120
char *endpoint_format(const struct endpoint *e, char buf[ENDPOINT_TEXT_MAX]);
