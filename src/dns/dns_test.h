/* dns_test.h - for tests: a DNS from a master file, with the questions counted. */
#pragma once
#include "dns.h"

/* A resolver that hands questions on to a zone and counts them. */
struct counted_dns {
    struct dns *zone, *dns;
    unsigned questions;
    struct slice last; /* the last name asked for; static buffer */
    char name[1100];
};

static inline int counted_ask(void *arg, struct arena *a, struct slice name, enum dns_type type,
                              struct dns_answer *out)
{
    struct counted_dns *c = arg;
    c->questions++;
    size_t n = name.n < sizeof c->name ? name.n : sizeof c->name;
    memcpy(c->name, name.p, n);
    c->last = sl(c->name, n);
    return dns_ask(c->zone, a, name, type, out);
}

static inline struct counted_dns *counted_open(const char *text)
{
    struct counted_dns *c = xcalloc(1, sizeof *c);
    int e = dns_open_zone_text(&c->zone, sl_cstr(text));
    if (e) {
        test_fail(__FILE__, __LINE__, "the zone cannot be read: %s", err_text(e));
        ASSERT(e == 0);
    }
    c->dns = dns_open_func(counted_ask, c);
    return c;
}

static inline void counted_close(struct counted_dns *c)
{
    dns_close(&c->dns);
    dns_close(&c->zone);
    free(c);
}
