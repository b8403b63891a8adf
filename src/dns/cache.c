/* cache.c - answers kept for their ttl, bounded in bytes, shared by all loops; a
 * question that is under way is joined instead of asked again. */
#include <stdlib.h>

#include "base/log.h"
#include "dns_i.h"

enum {
    TTL_MAX = 86400,          /* a record may say a week; a mail server wants to hear of changes */
    NEGATIVE_TTL_MAX = 10800, /* RFC 2308 section 5 */
    TEMPFAIL_TTL = 5,         /* RFC 2308 section 7 allows 300 */
};

struct flight {
    struct cache *cache;
    struct slice key, name;
    enum dns_type type;
    uint64_t asker; /* whose place it takes while it is under way */
    int users;      /* the map and everybody who waits or copies; under the lock */
    bool under_way;
    struct link waits;  /* struct wait, while under way */
    struct link by_age; /* of those with an answer, oldest use first */
    int64_t expires;
    struct dns_answer *answer; /* one block of `bytes` */
    size_t bytes;
};
struct cache {
    struct lock lock;
    struct shares *shares;
    struct map flights;
    struct link by_age;
    size_t bytes, max_bytes, under_way;
    uint64_t hits, joined, asked;
    void (*start)(void *ctx, struct flight *f);
    void *ctx;
};

/* ---- copies of answers ---- */

/* The bytes that a record of this type refers to, if it does. */
static struct slice *rr_bytes(struct dns_rr *rr, enum dns_type type)
{
    switch (type) {
    case DNS_A:
    case DNS_AAAA: return NULL;
    case DNS_NS:
    case DNS_CNAME:
    case DNS_PTR: return &rr->name;
    case DNS_MX: return &rr->mx.host;
    case DNS_TXT: return &rr->txt;
    case DNS_SRV: return &rr->srv.target;
    case DNS_TLSA: return &rr->tlsa.data;
    default: return &rr->raw;
    }
}

/* A copy that needs nothing of r's memory. */
static void answer_copy(struct arena *a, enum dns_type type, const struct dns_answer *r,
                        struct dns_answer *out)
{
    *out = *r;
    out->canon = ar_dup(a, r->canon);
    out->why = ar_dup(a, r->why);
    out->rr = ar_array(a, struct dns_rr, r->n);
    for (size_t i = 0; i < r->n; i++) {
        out->rr[i] = r->rr[i];
        struct slice *s = rr_bytes(&out->rr[i], type);
        if (s) *s = ar_dup(a, *s);
    }
}

static struct slice put(char **at, struct slice s)
{
    struct slice copy = sl(*at, s.n);
    if (s.n) memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

/* The same into one block of exactly the size that it needs. */
static struct dns_answer *answer_pack(enum dns_type type, const struct dns_answer *r, size_t *bytes)
{
    size_t n = sizeof *r + r->n * sizeof *r->rr + r->canon.n + r->why.n;
    for (size_t i = 0; i < r->n; i++) {
        struct slice *s = rr_bytes(&r->rr[i], type);
        n += s ? s->n : 0;
    }
    struct dns_answer *out = xmalloc(n);
    *out = *r;
    out->rr = (struct dns_rr *)(out + 1);
    char *at = (char *)(out->rr + r->n);
    out->canon = put(&at, r->canon);
    out->why = put(&at, r->why);
    for (size_t i = 0; i < r->n; i++) {
        out->rr[i] = r->rr[i];
        struct slice *s = rr_bytes(&out->rr[i], type);
        if (s) *s = put(&at, *s);
    }
    *bytes = n;
    return out;
}

/* ---- entries; all under the lock ---- */

static struct flight *flight_new(struct cache *c, struct slice key, struct slice name, enum dns_type type)
{
    struct flight *f = xcalloc(1, sizeof *f + key.n + name.n + 1);
    char *at = (char *)(f + 1);
    *f = (struct flight){.cache = c, .type = type, .users = 1, .under_way = true};
    f->name = put(&at, name);
    *at++ = 0;
    f->key = put(&at, key);
    list_init(&f->waits);
    list_init(&f->by_age);
    map_put(&c->flights, f->key, f);
    c->under_way++;
    c->asked++;
    return f;
}

static void unuse(struct flight *f)
{
    if (--f->users) return;
    free(f->answer);
    free(f);
}

static size_t cost(const struct flight *f)
{
    return sizeof *f + f->key.n + f->name.n + f->bytes + 64; /* and its place in the map */
}

static void forget(struct cache *c, struct flight *f)
{
    map_del(&c->flights, f->key);
    list_remove(&f->by_age);
    c->bytes -= cost(f);
    unuse(f);
}

static void trim(struct cache *c)
{
    while (c->bytes > c->max_bytes) forget(c, CONTAINER_OF(c->by_age.next, struct flight, by_age));
}

static int64_t lifetime(const struct dns_answer *r)
{
    int64_t most = r->status == DNS_FOUND      ? TTL_MAX
                   : r->status == DNS_TEMPFAIL ? TEMPFAIL_TTL
                                               : NEGATIVE_TTL_MAX;
    if (r->status == DNS_TEMPFAIL) return most * RT_S;
    return (r->ttl < most ? (int64_t)r->ttl : most) * RT_S;
}

void flight_finish(struct flight *f, const struct dns_answer *r)
{
    struct cache *c = f->cache;
    size_t bytes;
    struct dns_answer *answer = answer_pack(f->type, r, &bytes);
    lock_take(&c->lock);
    f->answer = answer;
    f->bytes = bytes;
    f->under_way = false;
    f->expires = rt_now() + lifetime(r);
    c->under_way--;
    c->bytes += cost(f);
    list_push(&c->by_age, &f->by_age);
    for (struct link *l; (l = list_shift(&f->waits)) != NULL;) wait_end(CONTAINER_OF(l, struct wait, link));
    uint64_t asker = f->asker;
    trim(c);
    lock_release(&c->lock);
    shares_leave(c->shares, asker);
}

/* ---- asking ---- */

/* Under the lock. What is known or under way; *w: to be waited for, or NULL. The caller becomes a user. */
static struct flight *find_flight(struct cache *c, struct slice key, struct wait **w)
{
    struct flight *f = map_get(&c->flights, key);
    *w = NULL;
    if (f && !f->under_way && f->expires <= rt_now()) {
        forget(c, f);
        f = NULL;
    }
    if (f && !f->under_way) {
        list_remove(&f->by_age);
        list_push(&c->by_age, &f->by_age);
        c->hits++;
    } else if (f) {
        c->joined++;
    } else {
        return NULL;
    }
    f->users++;
    if (f->under_way) *w = wait_new(&f->waits);
    return f;
}

static void drop(struct flight *f)
{
    struct cache *c = f->cache;
    lock_take(&c->lock);
    unuse(f);
    lock_release(&c->lock);
}

/* A new question takes a place of the asker's share; waiting for it, another may have asked the same. */
static int find_or_start(struct cache *c, struct dns_asker by, struct slice key, struct slice name,
                         enum dns_type type, struct wait **w, struct flight **out)
{
    bool fresh = false;
    int e = shares_enter(c->shares, by);
    if (e) return e;
    lock_take(&c->lock);
    struct flight *f = *out = find_flight(c, key, w);
    if (!f && c->under_way < DNS_UNDER_WAY_MAX) {
        f = *out = flight_new(c, key, name, type);
        f->asker = by.who;
        f->users += 2; /* the caller, and until it is started: it may be finished and forgotten meanwhile */
        *w = wait_new(&f->waits);
        fresh = true;
    }
    lock_release(&c->lock);
    if (!fresh) shares_leave(c->shares, by.who);
    if (!f) return err_set(ERR_LIMIT, "too many questions are under way");
    if (!fresh) return 0;
    c->start(c->ctx, f);
    drop(f);
    return 0;
}

/* The ttl that is left; an answer that was waited for holds for a moment even at 0. */
static void set_ttl(const struct flight *f, struct dns_answer *out)
{
    int64_t left = (f->expires - rt_now()) / RT_S;
    uint32_t ttl = left > 0 ? (uint32_t)left : 0;
    if (ttl < out->ttl) out->ttl = ttl;
    for (size_t i = 0; i < out->n; i++)
        if (ttl < out->rr[i].ttl) out->rr[i].ttl = ttl;
}

int cache_ask(struct cache *c, struct arena *a, struct dns_asker by, struct slice name, enum dns_type type,
              struct dns_answer *out)
{
    struct slice key = ar_printf(a, "%u %.*s", (unsigned)type, SLF(name));
    struct wait *w;
    bool ended;
    lock_take(&c->lock);
    struct flight *f = find_flight(c, key, &w);
    lock_release(&c->lock);
    int e = f ? 0 : find_or_start(c, by, key, name, type, &w, &f);
    if (e) return e;
    if (w) e = wait_for(w, &c->lock, &ended);
    if (!e) {
        answer_copy(a, type, f->answer, out); /* it does not change once it is there */
        set_ttl(f, out);
    }
    drop(f);
    return e;
}

/* ---- the rest ---- */

struct cache *cache_new(size_t max_bytes, void (*start)(void *ctx, struct flight *f), void *ctx)
{
    struct cache *c = xcalloc(1, sizeof *c);
    *c = (struct cache){.max_bytes = max_bytes, .start = start, .ctx = ctx, .shares = shares_new()};
    map_init(&c->flights, false);
    list_init(&c->by_age);
    return c;
}

void cache_free(struct cache **c)
{
    if (!*c) return;
    ASSERT((*c)->under_way == 0);
    while (!list_empty(&(*c)->by_age)) forget(*c, CONTAINER_OF((*c)->by_age.next, struct flight, by_age));
    map_free(&(*c)->flights);
    shares_free(&(*c)->shares);
    free(*c);
    *c = NULL;
}

struct slice flight_name(const struct flight *f) { return f->name; }
enum dns_type flight_type(const struct flight *f) { return f->type; }

void cache_stats(struct cache *c, struct cache_stats *out)
{
    lock_take(&c->lock);
    *out = (struct cache_stats){c->flights.count, c->bytes, c->hits, c->joined, c->asked};
    lock_release(&c->lock);
}
