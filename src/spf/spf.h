/* spf.h - Sender Policy Framework (RFC 7208, 8616): may this host send for this domain?
 *
 * check_host() is plain recursive code with one budget for the whole check: 10
 * terms that ask the DNS, 2 void look-ups, 10 MX hosts, 10 PTR names, 20 seconds.
 * Whatever a publisher writes, a check asks at most SPF_QUESTIONS_MAX questions. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/ip.h"
#include "dns/dns.h"

enum spf_code { SPF_NONE, SPF_NEUTRAL, SPF_PASS, SPF_FAIL, SPF_SOFTFAIL, SPF_TEMPERROR, SPF_PERMERROR };
const char *spf_result_name(enum spf_code c); /* "pass", the words of section 2.6 */

enum spf_identity { SPF_MAILFROM, SPF_HELO };

enum {
    SPF_TERMS_MAX = 10, /* section 4.6.4 */
    SPF_VOIDS_MAX = 2,
    SPF_MX_MAX = 10,
    SPF_PTR_MAX = 10,
    SPF_SECONDS = 20,
    /* The first record, ten terms of at most one question and ten hosts each, the names
     * of the client once more for %{p}, and the explanation. */
    SPF_QUESTIONS_MAX = 1 + SPF_TERMS_MAX * (1 + SPF_MX_MAX) + SPF_PTR_MAX + 1,
};

struct spf_query {
    struct ip ip; /* the client; IPv4-mapped IPv6 counts as IPv4 */
    enum spf_identity identity;
    struct slice helo;      /* as the client said it; literals and rubbish allowed */
    struct slice mail_from; /* without <>; empty is the null reverse path: postmaster@helo */
    struct slice receiver;  /* our host name, for %{r}; empty: "unknown" */
};

struct spf_result {
    enum spf_code code;
    enum spf_identity identity;
    struct slice domain;      /* what was asked for, A-labels; empty when there was no usable domain */
    struct slice sender;      /* local@domain, with postmaster where there was none */
    struct slice record;      /* the text found at `domain`; empty when none */
    struct slice mechanism;   /* the directive that matched, as published; "default" when none did */
    struct slice at;          /* the domain whose record held it (after redirect) */
    struct slice explanation; /* for SPF_FAIL: one line of printable ASCII; else empty */
    bool explained;           /* the explanation is the publisher's (exp=), not ours */
    struct slice problem;     /* for errors and none: the sentence for people */
    unsigned terms, voids;    /* of the budget, what was used */
    unsigned questions;       /* asked of the DNS in all */
    bool per_user;            /* a macro of the sender's local part or the HELO was expanded (section 7.3) */
    uint32_t ttl;             /* how long the answer may be believed: least of all answers, seconds */
};

/* check_host(). All slices of the result are in the arena (or static). SUSPENDS at most
 * SPF_SECONDS. Returns 0, or ERR_CANCELED: everything else is a result. */
MUST_CHECK int spf_check(struct dns *d, struct arena *a, const struct spf_query *q, struct spf_result *out);

/* The Received-SPF field (section 9.1) with name and CRLF, folded, values quoted. */
struct slice spf_received_field(struct arena *a, const struct spf_query *q, const struct spf_result *r);

/* ---- the grammar (section 12); pure ---- */

enum spf_kind { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS };

struct spf_term {
    enum spf_kind kind;
    enum spf_code result; /* what a match gives: the qualifier */
    struct slice spec;    /* domain-spec, empty when absent */
    struct ip net;        /* ip4, ip6; for ip6 always 16 bytes, mapped ones too */
    uint8_t bits4, bits6; /* prefix lengths: 32 and 128 when absent */
    struct slice text;    /* the directive as written */
};
struct spf_record {
    struct spf_term *term;
    size_t n;
    struct slice redirect, exp; /* domain-specs; p is NULL when absent */
    bool has_all;
};
/* Does the text begin with the version section "v=spf1"? (section 4.5) */
bool spf_is_record(struct slice text);
/* ERR_SYNTAX with a sentence that names the term. The slices point into text. */
MUST_CHECK int spf_record_parse(struct arena *a, struct slice text, struct spf_record *out);

/* What stands at `domain`, for `tram dns check`: SPF_PASS one good record (in *record),
 * SPF_NONE no record, SPF_PERMERROR several or a bad one, SPF_TEMPERROR. *cost is the number
 * of terms that ask the DNS when every one must be tried, includes and redirect followed
 * (at most 100 are counted). *plus_all: the record passes everybody. SUSPENDS. */
struct spf_audit {
    enum spf_code code;
    struct slice record;
    struct slice problem;
    unsigned cost, voids;
    bool plus_all, uses_ptr;
};
MUST_CHECK int spf_audit(struct dns *d, struct arena *a, struct slice domain, struct spf_audit *out);
