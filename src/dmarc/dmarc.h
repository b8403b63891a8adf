/* dmarc.h - DMARC (RFC 9989; records of RFC 7489 understood): is the author's domain what it
 * seems, and what does its owner want done otherwise?
 *
 * No public suffix list: the organisational domain is found by walking up the DNS (section
 * 4.10), at most DMARC_WALK_MAX questions a name. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "dns/dns.h"

struct mail_head;

enum dmarc_policy { DMARC_P_NONE, DMARC_P_QUARANTINE, DMARC_P_REJECT };
const char *dmarc_policy_name(enum dmarc_policy p); /* "none" "quarantine" "reject" */

enum { DMARC_URIS_MAX = 16, DMARC_WALK_MAX = 8, DMARC_AUTHORS_MAX = 4, DMARC_SECONDS = 30 };

/* ---- the record (section 4.7, 4.8); pure ---- */

struct dmarc_uri {
    struct slice uri;     /* as published, without the obsolete !size */
    struct slice mailbox; /* of mailto:, percent-decoded; empty for other schemes */
    uint64_t max_bytes;   /* the obsolete !size (RFC 7489 section 6.2); 0 = none */
};
struct dmarc_record {
    struct slice text;
    enum dmarc_policy p, sp, np; /* sp and np hold p's (sp's) value when absent */
    bool has_p, has_sp, has_np;  /* there, and valid */
    bool bad_policy;             /* p missing or wrong, or sp or np wrong (section 4.10.1) */
    bool usable;                 /* false: bad_policy and no rua, so no DMARC processing */
    bool adkim_strict, aspf_strict;
    char psd;  /* 'y' 'n' 'u' */
    bool test; /* t=y */
    bool fo_0, fo_1, fo_d, fo_s;
    struct dmarc_uri rua[DMARC_URIS_MAX], ruf[DMARC_URIS_MAX];
    size_t nrua, nruf;
    /* RFC 7489, read and shown, without effect */
    unsigned pct; /* 100 when absent */
    uint32_t ri;  /* 86400 when absent */
};
/* Begins with a "v=DMARC1" tag? (what every consumer asks before anything else) */
bool dmarc_is_record(struct slice text);
/* ERR_SYNTAX only when it is no DMARC record; other errors take the defaults, as section 4.8
 * wants. Slices point into text or the arena. */
MUST_CHECK int dmarc_record_parse(struct arena *a, struct slice text, struct dmarc_record *out);

/* ---- the tree walk (section 4.10) ---- */

struct dmarc_step {
    struct slice domain;
    struct dmarc_record *record; /* NULL: no (single) record there */
};
struct dmarc_walk {
    struct dmarc_step step[DMARC_WALK_MAX];
    size_t n;
    struct slice org; /* the organisational domain (section 4.10.2) */
    bool temperror;   /* a question was not answered: org is not known */
    struct slice problem;
};
/* domain: A-labels. SUSPENDS. 0 or ERR_CANCELED. */
MUST_CHECK int dmarc_tree_walk(struct dns *d, struct arena *a, struct slice domain, struct dmarc_walk *out);

/* ---- the verdict ---- */

enum dmarc_code { DMARC_NONE, DMARC_PASS, DMARC_FAIL, DMARC_TEMPERROR, DMARC_PERMERROR };
const char *dmarc_code_name(enum dmarc_code c);

/* What SPF and DKIM proved. Domains as they stood; folding is done here. */
struct dmarc_evidence {
    struct slice spf_domain; /* of MAIL FROM (with the null path: the HELO); empty when none */
    bool spf_pass, spf_temperror;
    const struct slice *dkim_pass; /* d= of the signatures that verified */
    size_t ndkim_pass;
    const struct slice *dkim_temperror; /* d= of those whose key could not be fetched now */
    size_t ndkim_temperror;
};

/* Why there is no single author domain. */
enum dmarc_from {
    DMARC_FROM_ONE,
    DMARC_FROM_MISSING,   /* no From field */
    DMARC_FROM_REPEATED,  /* several From fields */
    DMARC_FROM_NO_DOMAIN, /* nothing in it that is an address with a domain */
    DMARC_FROM_BAD,       /* a domain that can be none */
    DMARC_FROM_HIDDEN,    /* an encoded-word hides one: who decodes first sees another author */
    DMARC_FROM_SEVERAL,   /* several different domains: the strictest failing one decides */
    DMARC_FROM_TOO_MANY,  /* more than DMARC_AUTHORS_MAX different domains */
};

struct dmarc_result {
    enum dmarc_code code;
    enum dmarc_from from_state;
    struct slice author;            /* author domain, A-labels, lower case; empty when there is none */
    struct slice policy_domain;     /* where the record stands; empty when none */
    struct slice org;               /* organisational domain of the author; empty when not needed */
    struct dmarc_record *record;    /* NULL when none */
    const char *tag;                /* which tag gave the policy: "p" "sp" "np"; NULL */
    bool author_missing;            /* the author domain does not exist (NXDOMAIN) */
    enum dmarc_policy published;    /* what the tag says */
    enum dmarc_policy applied;      /* after t=y, for a message that failed; none when code is not FAIL */
    bool spf_aligned, dkim_aligned; /* passed and aligned */
    struct slice dkim_domain;       /* the signing domain that aligned */
    struct slice why;               /* a sentence */
};

/* The author domains of a message (section 5.3.1, 11.5): every domain that stands after an @ in
 * the From field where the field is not cleanly one address list, so that nothing a reader could
 * be shown is missed. At most DMARC_AUTHORS_MAX + 1. */
struct dmarc_authors {
    enum dmarc_from state;
    struct slice domain[DMARC_AUTHORS_MAX + 1]; /* A-labels */
    size_t n;
    struct slice bad; /* FROM_BAD, FROM_HIDDEN: the domain as written, printable */
};
MUST_CHECK int dmarc_authors(struct arena *a, const struct mail_head *head, struct dmarc_authors *out);

/* Evaluates for the authors found. SUSPENDS at most DMARC_SECONDS. 0 or ERR_CANCELED. */
MUST_CHECK int dmarc_check(struct dns *d, struct arena *a, const struct dmarc_authors *from,
                           const struct dmarc_evidence *e, struct dmarc_result *out);
