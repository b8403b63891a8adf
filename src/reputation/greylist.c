/* greylist.c - who came once, and who came again. */
#include "greylist.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"

/* Those of one network that are waiting. */
struct network {
    uint64_t key;
    struct link waiting; /* the oldest first */
    size_t n;
};
struct visitor {
    struct link link;   /* waiting or known, in order of `seen`, the oldest first */
    struct link beside; /* while it waits: in its network */
    struct network *net;
    uint64_t key[2];
    int64_t first, seen;
    bool known;
};
struct greylist {
    struct lock lock;
    struct map by_key, by_network;
    struct link waiting, known;
    size_t nwaiting;
};

struct greylist *greylist_new(void)
{
    struct greylist *g = xcalloc(1, sizeof *g);
    map_init(&g->by_key, false);
    map_init(&g->by_network, false);
    list_init(&g->waiting);
    list_init(&g->known);
    return g;
}

static struct slice key_of(const struct visitor *v) { return sl(v->key, sizeof v->key); }
static struct slice network_key(const uint64_t *key) { return sl(key, sizeof *key); }

static void leave_network(struct greylist *g, struct visitor *v)
{
    struct network *net = v->net;
    v->net = NULL;
    if (!net) return;
    g->nwaiting--;
    list_remove(&v->beside);
    if (--net->n) return;
    (void)map_del(&g->by_network, network_key(&net->key));
    free(net);
}

static void forget(struct greylist *g, struct visitor *v)
{
    leave_network(g, v);
    (void)map_del(&g->by_key, key_of(v));
    list_remove(&v->link);
    free(v);
}

static struct visitor *oldest(struct link *list) { return CONTAINER_OF(list->next, struct visitor, link); }

void greylist_free(struct greylist **gp)
{
    struct greylist *g = *gp;
    if (!g) return;
    while (!list_empty(&g->waiting)) forget(g, oldest(&g->waiting));
    while (!list_empty(&g->known)) forget(g, oldest(&g->known));
    map_free(&g->by_key);
    map_free(&g->by_network);
    free(g);
    *gp = NULL;
}

/* Large senders come again from another machine of theirs: of IPv4 the /24 counts. */
static uint64_t network(const struct ip *ip)
{
    struct ip net = *ip;
    if (net.family == 4) net.b[3] = 0;
    return ip_network_hash(&net);
}

static bool is_stale(const struct visitor *v, int64_t now)
{
    return v->known ? now - v->seen > GREYLIST_KEEP : now - v->first > GREYLIST_PATIENCE;
}

static struct network *network_of(struct greylist *g, uint64_t key)
{
    struct network *net = map_get(&g->by_network, network_key(&key));
    if (net) return net;
    net = xcalloc(1, sizeof *net);
    net->key = key;
    list_init(&net->waiting);
    map_put(&g->by_network, network_key(&net->key), net);
    return net;
}

/* A network that comes with ever new names pushes out its own, those who wait go before those who came again,
 * but for a quarter, or nobody new would last: nobody is kept out by others. */
static void make_room(struct greylist *g, uint64_t key)
{
    struct network *net = map_get(&g->by_network, network_key(&key));
    if (net && net->n >= GREYLIST_NETWORK_MAX)
        forget(g, CONTAINER_OF(net->waiting.next, struct visitor, beside));
    if (g->by_key.count < GREYLIST_MAX) return;
    bool crowd = list_empty(&g->known) || g->nwaiting > GREYLIST_MAX / 4;
    forget(g, oldest(crowd ? &g->waiting : &g->known));
}

static struct visitor *find(struct greylist *g, const uint64_t key[2], int64_t now)
{
    struct visitor *v = map_get(&g->by_key, sl(key, 16));
    if (v && is_stale(v, now)) forget(g, v), v = NULL;
    if (v) return v;
    make_room(g, key[0]);
    v = xcalloc(1, sizeof *v);
    *v = (struct visitor){.net = network_of(g, key[0]), .key = {key[0], key[1]}, .first = now, .seen = now};
    v->net->n++;
    g->nwaiting++;
    list_push(&v->net->waiting, &v->beside);
    list_push(&g->waiting, &v->link);
    map_put(&g->by_key, key_of(v), v);
    return v;
}

int64_t greylist_ask(struct greylist *g, const struct ip *ip, struct slice sender_domain)
{
    uint64_t key[2] = {network(ip), sl_hashi(sender_domain)};
    int64_t now = rt_now();
    lock_take(&g->lock);
    struct visitor *v = find(g, key, now);
    v->seen = now;
    if (now - v->first >= GREYLIST_WAIT) {
        v->known = true;
        leave_network(g, v);
    }
    list_remove(&v->link);
    list_push(v->known ? &g->known : &g->waiting, &v->link);
    int64_t left = v->known ? 0 : v->first + GREYLIST_WAIT - now;
    lock_release(&g->lock);
    return left;
}
