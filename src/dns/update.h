/* update.h - a zone changed at its primary server: dynamic updates (RFC 2136), signed with a shared secret
 * (TSIG, RFC 8945, HMAC-SHA-256), over TCP. */
#pragma once
#include "dns.h"

/* What says that we may. */
struct dns_key {
    struct slice name, secret; /* secret: its bytes */
};
/* A key as BIND and Knot write it: key "NAME" { algorithm hmac-sha256; secret "BASE64"; }; In the arena.
 * ERR_SYNTAX. Pure. */
MUST_CHECK int dns_key_parse(struct arena *a, struct slice text, struct dns_key *out);

/* A connection to the primary server of zones of ours. */
struct dns_primary;
/* key: borrowed. SUSPENDS. */
MUST_CHECK int dns_primary_open(struct dns_primary **out, const struct endpoint *at,
                                const struct dns_key *key);
void dns_primary_close(struct dns_primary **p); /* SUSPENDS. NULL is allowed */

/* The zone that the name lies in. In the arena. ERR_NOT_FOUND: in none of this server's. SUSPENDS. */
MUST_CHECK int dns_primary_zone(struct dns_primary *p, struct arena *a, struct slice name,
                                struct slice *zone);
/* The data of the records that the server has there, in wire form, names in it whole and in lower case; ttl:
 * the longest. In the arena. SUSPENDS. */
struct dns_set {
    struct slice *v;
    size_t n;
    uint32_t ttl;
};
MUST_CHECK int dns_primary_records(struct dns_primary *p, struct arena *a, struct slice name,
                                   enum dns_type type, struct dns_set *out);
/* The data of one line of a master file ("NAME. IN TYPE DATA"), in the same form. ERR_SYNTAX. Pure. */
MUST_CHECK int dns_line_data(struct arena *a, struct slice line, enum dns_type type, struct slice *out);

struct dns_change {
    struct slice name, data; /* data: in wire form */
    enum dns_type type;
    bool add; /* else it is taken away (RFC 2136 section 2.5.4) */
};
enum { DNS_CHANGES_MAX = 200, DNS_CHANGE_TTL = 3600 };
/* All of them or none (RFC 2136 section 3.4). ERR_DENIED: the server refuses, in its words. SUSPENDS. */
MUST_CHECK int dns_primary_change(struct dns_primary *p, struct slice zone, const struct dns_change *v,
                                  size_t n);
