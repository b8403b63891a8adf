/* iprev.h - does the client's address name a host that names the address? (RFC 8601 section 3),
 * and what the HELO name is worth (RFC 5321 section 4.1.4: never a reason by itself to refuse). */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/ip.h"
#include "dns/dns.h"

/* The words of RFC 8601 section 2.7.3. */
enum iprev_code { IPREV_PASS, IPREV_FAIL, IPREV_TEMPERROR, IPREV_PERMERROR };
const char *iprev_code_name(enum iprev_code c);

enum { IPREV_NAMES_MAX = 10, IPREV_SECONDS = 15 };

struct iprev_result {
    enum iprev_code code;
    struct slice name;    /* PASS: the confirmed name; FAIL: the first name claimed; else empty */
    struct slice problem; /* a sentence when not PASS */
    unsigned questions;
};
/* PTR, then A or AAAA of at most IPREV_NAMES_MAX names. SUSPENDS. 0 or ERR_CANCELED. */
MUST_CHECK int iprev_check(struct dns *d, struct arena *a, const struct ip *ip, struct iprev_result *out);

enum helo_code {
    HELO_MATCHES, /* the name has the client's address (or the literal is it) */
    HELO_OTHER,   /* a good name or literal, of another address */
    HELO_UNKNOWN, /* a name without address */
    HELO_TEMPERROR,
    HELO_BAD, /* neither a name nor a literal */
};
struct helo_result {
    enum helo_code code;
    struct slice problem; /* a sentence when not MATCHES */
};
/* SUSPENDS (at most one question). 0 or ERR_CANCELED. */
MUST_CHECK int helo_check(struct dns *d, struct arena *a, const struct ip *ip, struct slice helo,
                          struct helo_result *out);
