/* signing.c - the active keys of our domains, parsed once, and one signing pass over a letter. */
#include "signing.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "directory/sending_domain.h"
#include "dkim/dkim.h"

/* The keys of one domain at one generation of the directory. Shared by passes under way. */
struct keyring {
    int refs;
    uint64_t generation;
    size_t n;
    struct sign_key *key[SIGNING_KEYS_MAX];
    char selector[SIGNING_KEYS_MAX][64];
};

struct signing {
    struct directory *dir;
    struct lock lock;
    struct map rings; /* domain -> struct keyring */
};

struct signing_pass {
    struct arena *a;
    struct keyring *ring;
    struct mail_head head;
    struct dkim_body *body;
    struct dkim_sign *sign;
    struct dkim_signer signer[SIGNING_KEYS_MAX];
};

static void ring_release(struct keyring *k)
{
    if (!k || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL)) return;
    for (size_t i = 0; i < k->n; i++) sign_key_free(&k->key[i]);
    free(k);
}

int signing_open(struct signing **out, struct directory *dir)
{
    ASSERT(dir);
    struct signing *g = *out = xcalloc(1, sizeof *g);
    g->dir = dir;
    map_init(&g->rings, true);
    return 0;
}

void signing_close(struct signing **gp)
{
    struct signing *g = *gp;
    if (!g) return;
    struct map_iter it = {0};
    while (map_next(&g->rings, &it)) ring_release(it.value);
    map_free(&g->rings);
    free(g);
    *gp = NULL;
}

/* A domain of others that an account of ours has. */
static int ring_load_sending(struct signing *g, struct slice domain, struct keyring *ring)
{
    struct arena a = {0};
    struct sending_domain d;
    int e = sending_domain_of(g->dir, &a, domain, &d);
    if (!e && sign_key_from_pem(d.pem, &ring->key[0])) /* better late than unsigned */
        e = err_set(ERR_CORRUPT, "the DKIM key of the sending domain %.*s cannot be read", SLF(domain));
    if (!e) snprintf(ring->selector[ring->n++], sizeof ring->selector[0], "%.*s", SLF(d.selector));
    if (!e) wipe((char *)d.pem.p, d.pem.n);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int ring_load(struct signing *g, struct slice domain, struct keyring *ring)
{
    struct arena a;
    ar_init(&a, 0);
    struct dkim_key *k;
    size_t n, damaged = 0;
    int e = dkim_keys(g->dir, &a, domain, &k, &n);
    for (size_t i = 0; !e && i < n && ring->n < SIGNING_KEYS_MAX; i++) {
        if (k[i].state == DKIM_KEY_DAMAGED) damaged = i + 1;
        if (k[i].state != DKIM_KEY_ACTIVE) continue;
        e = sign_key_from_pem(k[i].pem, &ring->key[ring->n]);
        if (!e) snprintf(ring->selector[ring->n++], sizeof ring->selector[0], "%.*s", SLF(k[i].selector));
    }
    if (damaged && !e)
        log_error("signing", "the row of the DKIM key %.*s of %.*s is damaged", SLF(k[damaged - 1].selector),
                  SLF(domain));
    if (damaged && !e && !ring->n) /* better late than unsigned */
        e = err_set(ERR_CORRUPT, "the DKIM keys of %.*s cannot be read", SLF(domain));
    ar_free(&a);
    return e;
}

static struct keyring *ring_cached(struct signing *g, struct slice domain, uint64_t generation)
{
    lock_take(&g->lock);
    struct keyring *ring = map_get(&g->rings, domain);
    if (ring && ring->generation == generation) __atomic_add_fetch(&ring->refs, 1, __ATOMIC_ACQ_REL);
    else ring = NULL;
    lock_release(&g->lock);
    return ring;
}

/* The caller releases *out. */
static int ring_get(struct signing *g, struct slice domain, bool here, struct keyring **out)
{
    uint64_t generation = directory_generation(g->dir);
    *out = ring_cached(g, domain, generation);
    if (*out) return 0;
    struct keyring *ring = xcalloc(1, sizeof *ring);
    ring->refs = 2; /* the cache's and the caller's */
    ring->generation = generation;
    int e = here ? ring_load(g, domain, ring) : ring_load_sending(g, domain, ring);
    if (e) {
        ring->refs = 1;
        ring_release(ring);
        return e;
    }
    lock_take(&g->lock);
    struct keyring *old = map_put(&g->rings, domain, ring);
    lock_release(&g->lock);
    ring_release(old);
    *out = ring;
    return 0;
}

int signing_keys(struct signing *g, struct arena *a, struct slice from_domain, struct signing_keys *out)
{
    struct sending_domain d;
    bool here;
    *out = (struct signing_keys){0};
    int e = domain_is_local(g->dir, from_domain, &here);
    struct slice name = ar_lower(a, from_domain);
    if (!e && !here) e = sending_domain_of(g->dir, a, name, &d);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    out->domain = name;
    e = ring_get(g, out->domain, here, &out->ring);
    if (e) return e;
    out->n = out->ring->n;
    for (size_t i = 0; i < out->n; i++) {
        out->selector[i] = sl_cstr(out->ring->selector[i]);
        out->key[i] = out->ring->key[i];
    }
    return 0;
}

void signing_keys_end(struct signing_keys *k)
{
    ring_release(k->ring);
    *k = (struct signing_keys){0};
}

int signing_begin(struct signing *g, struct arena *a, struct slice from_domain, struct slice head,
                  struct signing_pass **out)
{
    struct signing_keys k;
    *out = NULL;
    int e = signing_keys(g, a, from_domain, &k);
    if (e || !k.n) {
        signing_keys_end(&k);
        return e;
    }
    struct signing_pass *p = ar_new(a, struct signing_pass);
    *p = (struct signing_pass){.a = a, .ring = k.ring, .body = dkim_body_new(a)};
    for (size_t i = 0; i < k.n; i++)
        p->signer[i] = (struct dkim_signer){.domain = k.domain,
                                            .selector = k.selector[i],
                                            .key = k.key[i],
                                            .head_canon = DKIM_RELAXED,
                                            .body_canon = DKIM_RELAXED,
                                            .timestamp = true};
    e = mail_head_parse(a, head, &p->head);
    if (!e) e = dkim_sign_new(a, &p->head, p->signer, k.n, rt_wall_seconds(), p->body, &p->sign);
    if (e) {
        dkim_body_end(p->body);
        ring_release(p->ring);
        return e;
    }
    *out = p;
    return 0;
}

void signing_body(struct signing_pass *p, struct slice bytes)
{
    if (p) dkim_body_add(p->body, bytes);
}

struct making {
    struct dkim_sign *sign;
    struct buf out;
};

static int make_fields(void *arg)
{
    struct making *m = arg;
    return dkim_sign_end(m->sign, &m->out);
}

int signing_end(struct signing_pass *p, struct slice *fields)
{
    if (fields) *fields = (struct slice){0};
    if (!p) return 0;
    struct making m = {.sign = p->sign};
    dkim_body_end(p->body);
    int e = fields ? offload_on(POOL_SIGN, make_fields, &m) : 0;
    if (!e && fields) *fields = ar_dup(p->a, buf_slice(&m.out));
    buf_free(&m.out);
    ring_release(p->ring);
    return e;
}
