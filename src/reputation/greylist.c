/* greylist.c - who came once, and who came again. */
#include "greylist.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"

struct visitor {
    struct link link; /* in order of `seen`, the oldest first */
    uint64_t key[2];
    int64_t first, seen;
    bool known;
};
struct greylist {
    struct lock lock;
    struct map by_key;
    struct link visitors;
};

struct greylist *greylist_new(void)
{
    struct greylist *g = xcalloc(1, sizeof *g);
    map_init(&g->by_key, false);
    list_init(&g->visitors);
    return g;
}

static struct slice key_of(const struct visitor *v) { return sl(v->key, sizeof v->key); }

static void forget(struct greylist *g, struct visitor *v)
{
    (void)map_del(&g->by_key, key_of(v));
    list_remove(&v->link);
    free(v);
}

void greylist_free(struct greylist **gp)
{
    struct greylist *g = *gp;
    if (!g) return;
    LIST_EACH(struct visitor, v, &g->visitors, link) forget(g, v);
    map_free(&g->by_key);
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

static struct visitor *find(struct greylist *g, const uint64_t key[2], int64_t now)
{
    struct visitor *v = map_get(&g->by_key, sl(key, 16));
    if (v && is_stale(v, now)) forget(g, v), v = NULL;
    if (v) return v;
    if (g->by_key.count >= GREYLIST_MAX) forget(g, CONTAINER_OF(g->visitors.next, struct visitor, link));
    v = xcalloc(1, sizeof *v);
    *v = (struct visitor){.key = {key[0], key[1]}, .first = now, .seen = now};
    list_push(&g->visitors, &v->link);
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
    list_remove(&v->link);
    list_push(&g->visitors, &v->link);
    if (now - v->first >= GREYLIST_WAIT) v->known = true;
    int64_t left = v->known ? 0 : v->first + GREYLIST_WAIT - now;
    lock_release(&g->lock);
    return left;
}
