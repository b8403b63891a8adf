/* cache.c - answers kept for their ttl, bounded in bytes, shared by all loops; a
 * question that is under way is joined instead of asked again. */
#include <stdlib.h>

#include "base/log.h"
#include "dns_i.h"

enum {
    TTL_MAX = 86400,          /* a record may say a week; a mail server wants to hear of changes */
    NEGATIVE_TTL_MAX = 10800, /* RFC 2308 section 5 */
    TEMPFAIL_TTL = 5,         /* RFC 2308 section 7 allows 300 */
    UNDER_WAY_MAX = 20000,
};

struct flight {
    struct cache *cache;
    struct slice key, name;
    enum dns_type type;
    int users; /* the map and everybody who waits or copies; under the lock */
    bool under_way;
    struct link waits;  /* struct wait, while under way */
    struct link by_age; /* of those with an answer, oldest use first */
    int64_t expires;
    struct dns_answer *answer; /* one block of `bytes` */
    size_t bytes;
};
/* One asker. It may give up earlier than the answer comes, so it counts its two users,
 * both on the asker's loop. */
struct wait {
    struct link link;
    struct waitq q;
    int loop, users;
    bool done;
};
struct cache {
    struct lock lock;
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

/* On the asker's loop. */
static void wait_over(void *arg)
{
    struct wait *w = arg;
    w->done = true;
    waitq_wake_all(&w->q);
    if (--w->users == 0) free(w);
}

void flight_finish(struct flight *f, const struct dns_answer *r)
{
    struct cache *c = f->cache;
    size_t bytes;
    struct dns_answer *answer = answer_pack(f->type, r, &bytes);
    struct link waits;
    list_init(&waits);
    lock_take(&c->lock);
    f->answer = answer;
    f->bytes = bytes;
    f->under_way = false;
    f->expires = rt_now() + lifetime(r);
    c->under_way--;
    c->bytes += cost(f);
    list_push(&c->by_age, &f->by_age);
    for (struct link *l; (l = list_shift(&f->waits)) != NULL;) list_push(&waits, l);
    trim(c);
    lock_release(&c->lock);
    for (struct link *l; (l = list_shift(&waits)) != NULL;) {
        struct wait *w = CONTAINER_OF(l, struct wait, link);
        rt_post(w->loop, wait_over, w);
    }
}

/* ---- asking ---- */

static struct wait *wait_new(struct flight *f)
{
    struct wait *w = xcalloc(1, sizeof *w);
    w->users = 2;
    w->loop = rt_loop_id();
    waitq_init(&w->q);
    list_push(&f->waits, &w->link);
    return w;
}

/* The answer to read: one in the cache, one under way, or a new question. *w: to be
 * waited for, or NULL. *fresh: it has yet to be started. The caller becomes a user. */
static struct flight *flight_for(struct cache *c, struct slice key, struct slice name, enum dns_type type,
                                 struct wait **w, bool *fresh)
{
    struct flight *f = map_get(&c->flights, key);
    *w = NULL;
    *fresh = false;
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
    } else if (c->under_way < UNDER_WAY_MAX) {
        f = flight_new(c, key, name, type);
        f->users++; /* until it is started: it may be finished and forgotten meanwhile */
        *fresh = true;
    } else {
        return NULL;
    }
    f->users++;
    if (f->under_way) *w = wait_new(f);
    return f;
}

static int wait_for(struct wait *w)
{
    int e = 0;
    while (!w->done && !e) e = waitq_wait(&w->q);
    if (w->done) e = 0;
    if (--w->users == 0) free(w);
    return e;
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

static void drop(struct flight *f)
{
    struct cache *c = f->cache;
    lock_take(&c->lock);
    unuse(f);
    lock_release(&c->lock);
}

int cache_ask(struct cache *c, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    struct slice key = ar_printf(a, "%u %.*s", (unsigned)type, SLF(name));
    struct wait *w;
    bool fresh;
    lock_take(&c->lock);
    struct flight *f = flight_for(c, key, name, type, &w, &fresh);
    lock_release(&c->lock);
    if (!f) {
        answer_tempfail(out, SL("too many questions are under way"));
        return 0;
    }
    if (fresh) {
        c->start(c->ctx, f);
        drop(f);
    }
    int e = w ? wait_for(w) : 0;
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
    *c = (struct cache){.max_bytes = max_bytes, .start = start, .ctx = ctx};
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
