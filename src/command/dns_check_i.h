/* dns_check_i.h - inside `dns check`: one question of many, and what it found. */
#pragma once
#include "dns_check.h"
#include "dns_records.h"

struct checking {
    struct core *core;
    struct dns *dns;
    struct arena *a;
    struct slice domain;
    struct dns_checked *v;
    size_t count, cap;
};

/* Adds a finding. name: what was asked, or empty. publish: the line that would be right, or empty. */
void dns_found(struct checking *c, const char *what, struct slice name, enum dns_finding finding,
               struct slice sentence, struct slice publish);

/* dns_check_spf.c; both SUSPEND. */
MUST_CHECK int dns_check_spf_line(struct checking *c, const struct dns_line *l);
/* Would a letter from each of our public addresses pass? l: the line of the domain, for what to publish. */
MUST_CHECK int dns_check_spf_passes(struct checking *c, const struct dns_line *l);
/* What to publish at one name instead of n records that are there: ours (a record), and what they allow
 * besides. In the arena. Pure. */
struct slice dns_spf_proposal(struct arena *a, struct slice ours, const struct slice *there, size_t n);
