/* dns.h - questions to the DNS and their answers.
 *
 * Three resolvers behind one call: libunbound (the world, DNSSEC validated), a
 * master file (trials, tests), and a function (tests of failures). A time-out,
 * a SERVFAIL and a bogus answer are temporary; only NXDOMAIN and NODATA say that
 * something does not exist. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/ip.h"
#include "rt/rt.h"

struct dns;

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28, /* RFC 3596 */
    DNS_SRV = 33,  /* RFC 2782 */
    DNS_TLSA = 52,
    DNS_CAA = 257,
};
const char *dns_type_name(enum dns_type t); /* "MX" */

enum dns_status {
    DNS_FOUND,    /* n >= 1 records */
    DNS_NODATA,   /* the name exists, the type does not */
    DNS_NXDOMAIN, /* the name does not exist */
    DNS_TEMPFAIL, /* time-out, SERVFAIL, refused, or bogus: ask again later */
};

struct dns_rr {
    uint32_t ttl;
    union {
        struct ip ip; /* A, AAAA */
        struct {
            uint16_t preference;
            struct slice host;
        } mx;
        struct slice name; /* PTR, NS, CNAME */
        struct slice txt;  /* the character-strings joined without space (RFC 7208 3.3, RFC 6376 3.6.2.2) */
        struct {
            uint16_t priority, weight, port;
            struct slice target;
        } srv;
        struct {
            uint8_t usage, selector, matching;
            struct slice data;
        } tlsa;
        struct slice raw; /* RDATA of other types */
    };
};

/* Names in answers: presentation form, lower case, without the final dot; bytes
 * that are not printable as \DDD (RFC 1035 section 5.1). In the arena. */
struct dns_answer {
    enum dns_status status;
    bool secure;        /* DNSSEC proved it (RFC 4033 section 5) */
    bool bogus;         /* DNSSEC disproved it (status is DNS_TEMPFAIL) */
    uint32_t ttl;       /* least of the answer; negative answers too */
    struct slice canon; /* the name at the end of the CNAME chain */
    struct dns_rr *rr;  /* of the type asked for, in the order received, at most 512 */
    size_t n;
    struct slice why; /* for DNS_TEMPFAIL: what went wrong, a phrase */
};

/* Asks. name: presentation form, with or without a final dot, ASCII (A-labels);
 * one with an empty or too long label answers DNS_NXDOMAIN without asking. Follows
 * CNAMEs (at most 8). SUSPENDS at most the fiber's deadline, and 15 s.
 * Returns 0 with the answer, or ERR_CANCELED; a time-out is DNS_TEMPFAIL. */
MUST_CHECK int dns_ask(struct dns *d, struct arena *a, struct slice name, enum dns_type type,
                       struct dns_answer *out);

/* d on behalf of one of many: at most `share` of its questions (0: DNS_SHARE) wait for the world at the same
 * time. Those above it wait for their turn within the deadline of dns_ask() and are then a DNS_TEMPFAIL, for
 * this asker alone; all who ask through a share have three quarters of the node's questions together, the
 * rest is for those who ask d itself. What the cache knows costs no share. asker: a number that is not 0. In
 * the arena, nothing to be closed; d stays the caller's. */
struct dns *dns_share(struct arena *a, struct dns *d, uint64_t asker, size_t share);
enum {
    DNS_SHARE = 32,          /* questions of one network that wait for an answer at the same time */
    DNS_SHARE_SENDER = 64,   /* of our own deliveries for one sender */
    DNS_UNDER_WAY_MAX = 800, /* of all; three quarters of them through shares */
};

/* The world. forward: NULL = recursion from the root, else the resolver to ask. anchors: DS or DNSKEY
 * records, one on each line, by which DNSSEC is proved; empty: the root's, built in. Answers are cached here
 * as well, for their ttl. ERR_DNS. */
MUST_CHECK int dns_open_unbound(struct dns **out, const struct endpoint *forward, struct slice anchors);
/* Is a file such anchors, at least one? ERR_SYNTAX. Pure. */
MUST_CHECK int dns_anchors_fit(struct slice text);
/* A master file (RFC 1035 section 5: $ORIGIN $TTL @ parentheses quotes \DDD, relative
 * names, wildcards RFC 4592; types above plus any as TYPEnnn \# , RFC 3597), read again
 * when it changes. Names outside of every SOA or record in it are NXDOMAIN. Syntax
 * errors name file and line. While there is no such file yet every answer is DNS_TEMPFAIL. Two additions for
 * trials, as comments at the start of a line:  ";! servfail NAME"  ";! timeout NAME"  ";! insecure" (else
 * answers count as secure). */
MUST_CHECK int dns_open_zone(struct dns **out, const char *path);
MUST_CHECK int dns_open_zone_text(struct dns **out, struct slice text);
/* A function; it may suspend. */
typedef int dns_func(void *arg, struct arena *a, struct slice name, enum dns_type type,
                     struct dns_answer *out);
struct dns *dns_open_func(dns_func *fn, void *arg);
void dns_close(struct dns **d); /* SUSPENDS */
/* Descriptors that a resolver of the world may hold: an eighth of those allowed, at most 1600. */
size_t dns_files_max(void);

/* Domains as people write them, to A-labels and back (IDNA2008 with UTS 46
 * mapping, libidn2). ERR_SYNTAX for what can be no domain. ASCII is lower-cased. */
MUST_CHECK int dns_to_ascii(struct arena *a, struct slice domain, struct slice *out);
struct slice dns_to_unicode(struct arena *a, struct slice domain);
/* A name that can be asked for: labels of 1-63 bytes, whole <= 253, at least one label. */
bool dns_name_ok(struct slice name);
/* Letters, digits, hyphen in labels, at least two labels (RFC 5321 section 2.3.5, 4.1.2). */
bool dns_is_fqdn(struct slice name);
