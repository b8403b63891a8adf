/* dkim_publish.h - does the world see the public half of our key? */
#pragma once
#include "dkim_record.h"
#include "dns/dns.h"

enum dkim_published {
    DKIM_PUB_RIGHT,   /* exactly one record, and it holds our key */
    DKIM_PUB_WRONG,   /* another key, revoked, malformed, or flags that keep it from being used */
    DKIM_PUB_MISSING, /* no such name, no TXT record there, or none that is a key record */
    DKIM_PUB_SEVERAL, /* more than one TXT record: undefined by RFC 6376 3.6.2.2 */
    DKIM_PUB_UNKNOWN, /* the DNS gave no answer: ask again later */
};
const char *dkim_published_name(enum dkim_published p); /* "right" "wrong" "missing" "several" "unknown" */

struct dkim_publish {
    enum dkim_published state;
    struct slice name;   /* selector._domainkey.domain */
    struct slice line;   /* the master-file line to publish */
    struct slice found;  /* first TXT record found, or empty */
    struct slice reason; /* a sentence for people */
    bool testing;        /* right, but with t=y: what it signs is treated as unsigned */
};
/* SUSPENDS. One question. 0 or ERR_CANCELED; everything in the arena. domain: A-labels. */
MUST_CHECK int dkim_publish_check(struct arena *a, struct dns *dns, struct slice domain,
                                  struct slice selector, struct sign_key *key, struct dkim_publish *out);
