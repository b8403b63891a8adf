/* zone.c - names and records of a master file in memory, and how questions are
 * answered from them: CNAME chains, wildcards (RFC 4592), empty non-terminals. */
#include <stdlib.h>

#include "base/text.h"
#include "dns_i.h"

enum { ZONE_RECORDS_MAX = 1000000, NO_SOA_TTL = 60 };

struct zone_rdata {
    struct slice wire;
    struct zone_rdata *next;
};
struct zone_set {
    unsigned type;
    uint32_t ttl;
    struct zone_rdata *first, **last;
    struct zone_set *next;
};
struct zone_node {
    struct zone_set *sets;
};
struct zone {
    struct arena a;
    struct map nodes; /* canonical name -> struct zone_node */
    struct map fails; /* canonical name -> enum zone_fail */
    bool insecure;
    size_t records;
};

struct zone *zone_new(void)
{
    struct zone *z = xcalloc(1, sizeof *z);
    map_init(&z->nodes, false);
    map_init(&z->fails, false);
    return z;
}

void zone_free(struct zone **z)
{
    if (!*z) return;
    map_free(&(*z)->nodes);
    map_free(&(*z)->fails);
    ar_free(&(*z)->a);
    free(*z);
    *z = NULL;
}

void zone_set_insecure(struct zone *z) { z->insecure = true; }

void zone_set_fail(struct zone *z, struct slice name, enum zone_fail how)
{
    map_put(&z->fails, name, (void *)(intptr_t)how);
}

/* The node of a name; it and all names above it exist from now on (RFC 8020). */
static struct zone_node *node_make(struct zone *z, struct slice name)
{
    struct zone_node *node = map_get(&z->nodes, name);
    if (node) return node;
    node = ar_new(&z->a, struct zone_node);
    map_put(&z->nodes, name, node);
    for (struct slice up = name_parent(name); up.n && !map_get(&z->nodes, up); up = name_parent(up))
        map_put(&z->nodes, up, ar_new(&z->a, struct zone_node));
    return node;
}

static struct zone_set *set_find(const struct zone_node *node, unsigned type)
{
    struct zone_set *s = node->sets;
    while (s && s->type != type) s = s->next;
    return s;
}

static struct zone_set *set_make(struct zone *z, struct zone_node *node, unsigned type, uint32_t ttl)
{
    struct zone_set *s = set_find(node, type);
    if (s) return s;
    s = ar_new(&z->a, struct zone_set);
    *s = (struct zone_set){.type = type, .ttl = ttl, .next = node->sets};
    s->last = &s->first;
    node->sets = s;
    return s;
}

int zone_add(struct zone *z, struct slice owner, unsigned type, uint32_t ttl, struct slice rdata)
{
    if (++z->records > ZONE_RECORDS_MAX) return err_set(ERR_LIMIT, "more than %d records", ZONE_RECORDS_MAX);
    struct zone_node *node = node_make(z, owner);
    struct zone_set *s = set_make(z, node, type, ttl);
    if (node->sets->next && set_find(node, DNS_CNAME))
        return err_set(ERR_SYNTAX, "%.*s has a CNAME and other records", SLF(owner));
    if (ttl < s->ttl) s->ttl = ttl; /* one set, one ttl (RFC 2181 section 5.2) */
    size_t n = 0;
    for (struct zone_rdata *r = s->first; r; r = r->next, n++)
        if (sl_eq(r->wire, rdata)) return 0;
    if (n && type == DNS_CNAME) return err_set(ERR_SYNTAX, "%.*s has two CNAMEs", SLF(owner));
    if (n == ANSWER_RR_MAX)
        return err_set(ERR_LIMIT, "more than %d records of one type and name", ANSWER_RR_MAX);
    struct zone_rdata *r = ar_new(&z->a, struct zone_rdata);
    r->wire = ar_dup(&z->a, rdata);
    *s->last = r;
    s->last = &r->next;
    return 0;
}

bool zone_one(const struct zone *z, struct arena *a, unsigned type, struct slice *out)
{
    struct map_iter it = {0};
    while (map_next(&z->nodes, &it)) {
        const struct zone_set *s = set_find(it.value, type);
        if (s) *out = ar_dup(a, s->first->wire);
        if (s) return true;
    }
    return false;
}

/* ---- answering ---- */

/* The node that answers for a name: its own, or the wildcard below its closest encloser
 * (RFC 4592 section 3.3.1); NULL when the name does not exist. */
static const struct zone_node *node_for(const struct zone *z, struct arena *a, struct slice name)
{
    const struct zone_node *node = map_get(&z->nodes, name);
    if (node) return node;
    struct slice up = name_parent(name);
    while (up.n && !map_get(&z->nodes, up)) up = name_parent(up);
    if (!up.n) return map_get(&z->nodes, SL("*"));
    return map_get(&z->nodes, ar_cat(a, SL("*."), up));
}

static uint32_t u32_at_end(struct slice w)
{
    uint32_t v = 0;
    for (size_t i = w.n - 4; i < w.n; i++) v = v << 8 | (uint8_t)w.p[i];
    return v;
}

/* How long a negative answer holds: RFC 2308 section 5. */
static uint32_t negative_ttl(const struct zone *z, struct slice name)
{
    for (; name.n; name = name_parent(name)) {
        const struct zone_node *node = map_get(&z->nodes, name);
        const struct zone_set *soa = node ? set_find(node, DNS_SOA) : NULL;
        if (!soa) continue;
        uint32_t minimum = u32_at_end(soa->first->wire);
        return minimum < soa->ttl ? minimum : soa->ttl;
    }
    return NO_SOA_TTL;
}

/* What a ";!" line above or at the name asks for; insecurity holds for all below. */
static enum zone_fail fail_for(const struct zone *z, struct slice name)
{
    enum zone_fail own = (enum zone_fail)(intptr_t)map_get(&z->fails, name);
    if (own) return own;
    for (struct slice up = name_parent(name); up.n; up = name_parent(up))
        if ((intptr_t)map_get(&z->fails, up) == ZONE_INSECURE) return ZONE_INSECURE;
    return 0;
}

static int answer_set(struct arena *a, const struct zone_set *s, struct dns_answer *out)
{
    size_t n = 0;
    for (const struct zone_rdata *r = s->first; r; r = r->next) n++;
    out->rr = ar_array(a, struct dns_rr, n);
    for (const struct zone_rdata *r = s->first; r; r = r->next) {
        out->rr[out->n].ttl = s->ttl;
        int e = rdata_parse(a, s->type, r->wire, &out->rr[out->n]);
        if (e) return e;
        out->n++;
    }
    out->status = DNS_FOUND;
    return 0;
}

static void least_ttl(struct dns_answer *out, uint32_t ttl)
{
    if (ttl < out->ttl) out->ttl = ttl;
}

/* True when the name is one that fails on purpose: *e and out are then the answer. */
static bool fails_on_purpose(const struct zone *z, struct slice name, struct dns_answer *out, int *e)
{
    switch (fail_for(z, name)) {
    case ZONE_SERVFAIL: answer_tempfail(out, SL("the name server answered SERVFAIL")); break;
    case ZONE_BOGUS:
        answer_tempfail(out, SL("DNSSEC validation failed"));
        out->bogus = true;
        break;
    case ZONE_TIMEOUT: *e = ERR_TIMEOUT; return true;
    case ZONE_INSECURE: out->secure = false; return false;
    default: return false;
    }
    *e = 0;
    return true;
}

int zone_ask(const struct zone *z, struct arena *a, struct slice name, enum dns_type type,
             struct dns_answer *out)
{
    *out = (struct dns_answer){.secure = !z->insecure, .ttl = UINT32_MAX};
    for (int hops = 0; hops <= NAME_CNAMES_MAX; hops++) {
        int e;
        struct dns_rr alias;
        if (fails_on_purpose(z, name, out, &e)) return e;
        out->canon = name;
        const struct zone_node *node = node_for(z, a, name);
        const struct zone_set *s = node ? set_find(node, type) : NULL;
        if (s) {
            least_ttl(out, s->ttl);
            return answer_set(a, s, out);
        }
        s = node ? set_find(node, DNS_CNAME) : NULL;
        if (!s) {
            out->status = node ? DNS_NODATA : DNS_NXDOMAIN;
            least_ttl(out, negative_ttl(z, name));
            return 0;
        }
        least_ttl(out, s->ttl);
        if ((e = rdata_parse(a, DNS_CNAME, s->first->wire, &alias)) != 0) return e;
        name = alias.name;
    }
    answer_tempfail(out, SL("the chain of CNAME records is too long"));
    return 0;
}
