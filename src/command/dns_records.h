/* dns_records.h - what to publish for a domain: one list, printed by `dns records`, compared
 * with the world by `dns check`. */
#pragma once
#include "core/core.h"
#include "dns/dns.h"

struct dns_line {
    struct slice name; /* absolute, without the final dot */
    enum dns_type type;
    struct slice data; /* presentation form of the RDATA */
    struct slice text; /* TXT: the joined text, unquoted; else empty */
    const char *what;  /* "SPF", "DKIM", ... */
    const char *why;   /* a phrase: what it is good for */
    bool optional;
};
/* In the arena. certificate: PEM for TLSA, or empty. SUSPENDS (directory). ERR_NOT_FOUND. */
MUST_CHECK int dns_records_of(struct core *core, struct arena *a, struct slice domain,
                              struct slice certificate, struct dns_line **out, size_t *count);
struct slice dns_line_text(struct arena *a,
                           const struct dns_line *l); /* a master-file line without newline */
struct slice dns_txt_line(struct arena *a, struct slice name, struct slice text); /* the same for any text */
