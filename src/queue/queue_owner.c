/* queue_owner.c - who has the queue. Whoever opens it takes the lease `queue` of the object _store, under a
 * number above all before; every transaction of a shard first compares the number that lies there, and leaves
 * its own. So what a former owner still wants to write fails, and with the first such word it stops.
 *
 * Both engines let one process in at a time, and the end of that process lets the next one in: there is
 * nothing to renew, and nobody waits for an owner that died. */
#include <stdio.h>

#include "base/log.h"
#include "queue_i.h"

static const struct slice lease = SL_INIT("queue");

int queue_owner_take(struct queue *q)
{
    char who[KV_KEY_MAX];
    int64_t left;
    snprintf(who, sizeof who, "%.*s", SLF(sl_sub(q->hostname, 0, 100)));
    return kv_lease(q->store->kv, SL("_store"), lease, who[0] ? sl_cstr(who) : SL("?"), 0, &q->fence, &left);
}

bool queue_is_lost(const struct queue *q) { return __atomic_load_n(&q->lost, __ATOMIC_RELAXED); }

/* Said once; the loops hear of it in turns of their own. */
static int lose(struct queue *q)
{
    if (!__atomic_exchange_n(&q->lost, true, __ATOMIC_RELAXED)) {
        log_error("queue", "another process has taken over the queue: this one neither takes nor delivers "
                           "letters any more");
        q->abandon(q);
    }
    return err_set(ERR_BUSY, "another process has taken over the queue");
}

int shard_ours(struct shard *s)
{
    uint64_t claims =
        kv_claims(s->q->store->kv); /* before the look: a claim that comes meanwhile is seen next */
    if (s->claims == claims) return 0;
    int e = kv_claimed(s->q->store->kv, shard_object(s), lease, s->q->fence);
    if (!e) s->claims = claims;
    return e == ERR_DENIED ? lose(s->q) : e;
}

struct owned {
    uint64_t fence;
    kv_fn *fn;
    void *arg;
    bool lost;
};

static int owned_tx(struct kv_tx *tx, void *arg)
{
    struct owned *x = arg;
    int e = kv_tx_claim(tx, lease, x->fence);
    x->lost = e == ERR_DENIED;
    return e ? e : x->fn(tx, x->arg);
}

int shard_transact(struct shard *s, kv_fn *fn, void *arg)
{
    struct owned x = {s->q->fence, fn, arg, false};
    int e = kv_transact(s->q->store->kv, shard_object(s), owned_tx, &x);
    return x.lost ? lose(s->q) : e;
}

int shard_transact_large(struct shard *s, kv_fn *fn, void *arg)
{
    struct owned x = {s->q->fence, fn, arg, false};
    int e = kv_transact_large(s->q->store->kv, shard_object(s), owned_tx, &x);
    return x.lost ? lose(s->q) : e;
}

/* ---- at the start ---- */

struct claiming {
    struct shard *s;
    int e;
};

static int nothing_else(struct kv_tx *tx, void *arg)
{
    (void)tx, (void)arg;
    return 0;
}

static void claim(void *arg)
{
    struct claiming *x = arg;
    x->e = shard_transact(x->s, nothing_else, NULL);
}

/* All at once, so that they share a commit. */
int queue_owner_claim(struct queue *q, int loop)
{
    struct claiming x[QUEUE_SHARDS_MAX];
    struct group g;
    int e = 0;
    group_init(&g);
    for (int i = loop; i < q->nshards; i += q->nloops) {
        x[i] = (struct claiming){&q->shard[i], 0};
        if (group_go(&g, "shard", claim, &x[i]) != 0) claim(&x[i]);
    }
    (void)group_wait(&g);
    for (int i = loop; !e && i < q->nshards; i += q->nloops) e = x[i].e;
    return e ? err_set(e, "its shards cannot be taken: %s", err_name(e)) : 0;
}
