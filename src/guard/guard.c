/* guard.c - counts that fade, and what follows from them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "guard_i.h"

struct share { /* the connections of a network */
    size_t all, strangers;
};

/* ---- counts ---- */

static int64_t faded(const struct count *c, int64_t fades)
{
    int64_t left = c->score - (rt_now() - c->at) / (fades / 1000);
    return left > 0 ? left : 0;
}

static void add_to(struct count *c, int n, int64_t fades)
{
    int64_t score = faded(c, fades) + n * 1000;
    *c = (struct count){score > 0 ? score : 0, rt_now()};
}

int64_t score_now(const struct entry *e, int64_t fades) { return e ? faded(&e->n, fades) : 0; }

int64_t score_add(struct table *t, struct slice key, int n, int64_t fades)
{
    struct entry *e = table_touch(t, key);
    add_to(&e->n, n, fades);
    return e->n.score / 1000;
}

int64_t slowness(int64_t score, int64_t free, int64_t each)
{
    int64_t wait = (score - free * 1000) / 1000 * each;
    return wait < 0 ? 0 : wait < GUARD_SLOW ? wait : GUARD_SLOW;
}

void shut_out(struct guard *g, struct slice key, const char *why)
{
    struct entry *e = table_touch(&g->wrong, key);
    if (!is_shut(e))
        log_warn("guard", "%s is shut out for %d minutes: %s", e->key + 1, GUARD_SHUT_MINUTES, why);
    e->shut = rt_now() + GUARD_SHUT;
    e->why = why;
    keep_shut(g, e);
}

/* ---- names of networks and accounts ---- */

struct slice net_key(struct key *k, char kind, const struct ip *ip)
{
    char net[IP_TEXT_MAX + 4];
    guard_net_text(ip, net);
    return guard_key(k, kind, sl_cstr(net));
}

/* ---- life ---- */

void guard_open(struct guard **out, const struct guard_conf *conf)
{
    struct guard *g = *out = xcalloc(1, sizeof *g);
    g->conf = *conf;
    table_open(&g->wrong, GUARD_ENTRIES_MAX);
    table_open(&g->known, GUARD_KNOWN_MAX);
    table_open(&g->hand, GUARD_BLOCKS_MAX);
    map_init(&g->shares, false);
    map_init(&g->lines, false);
}

void guard_limit(struct guard *g, const struct guard_conf *conf)
{
    lock_take(&g->lock);
    g->conf = *conf;
    lock_release(&g->lock);
}

void guard_close(struct guard **out)
{
    struct guard *g = *out;
    if (!g) return;
    *out = NULL;
    table_close(&g->wrong);
    table_close(&g->known);
    table_close(&g->hand);
    struct map_iter it = {0};
    while (map_next(&g->shares, &it)) free(it.value);
    map_free(&g->shares);
    ASSERT(!g->lines.count); /* who tries a login holds the guard open */
    map_free(&g->lines);
    free(g);
}

/* ---- connections ---- */

static bool speaks_for_many(const struct ip *ip)
{
    static const struct ip here[] = {{.family = 4, .b = {127, 0, 0, 1}}, {.family = 6, .b = {[15] = 1}}};
    return ip_eq(ip, &here[0]) || ip_eq(ip, &here[1]);
}

/* Of an IPv4 address, which is a network of its own, also the /24 around it counts; of IPv6 the /64 is all.
 */
static struct slice wide_key(struct key *k, const struct ip *ip)
{
    char net[IP_TEXT_MAX + 4];
    guard_prefix_text(ip, 24, net);
    return ip->family == 4 && !ip_is_loopback(ip) ? guard_key(k, 'c', sl_cstr(net)) : SL("");
}

static struct share *find_share(struct guard *g, struct slice key)
{
    return key.n ? map_get(&g->shares, key) : NULL;
}

/* Who goes from port 25 makes room in every count; who goes from elsewhere does not in that of port 25. Each
 * door may claim what the other cannot fill: a flood at one turns nobody out at the other. */
static enum guard_full fullness(const struct guard *g, enum guard_door door)
{
    size_t most = g->conf.connections, world = most - most / 2, strangers = most - most / 4;
    if (door == GUARD_WORLD && g->world >= world) return GUARD_FULL_DOOR;
    if (g->all < most && g->strangers < strangers) return GUARD_NOT_FULL;
    bool claimed = door == GUARD_USERS && g->strangers - g->world >= strangers - world;
    return claimed ? GUARD_FULL_DOOR : GUARD_FULL_ALL;
}

/* Its network's share comes first: who takes too much of that takes nobody's place. */
static int has_room(const struct guard *g, const struct share *s, const struct share *wide,
                    struct guard_visit *v)
{
    const struct guard_conf *c = &g->conf;
    if ((s && (s->all >= c->per_network || s->strangers >= GUARD_STRANGERS)) ||
        (wide && wide->strangers >= GUARD_STRANGERS_WIDE))
        return err_set(ERR_LIMIT, "too many connections from your address at this moment: try again later");
    v->full = fullness(g, v->door);
    return v->full ? err_set(ERR_LIMIT, "too many connections at this moment: try again later") : 0;
}

static void count_share(struct guard *g, struct slice key, size_t n, bool stranger)
{
    struct share *s = find_share(g, key);
    if (!s) map_put(&g->shares, key, s = xcalloc(1, sizeof *s));
    s->all += n;
    if (stranger) s->strangers += n;
    if (s->all) return;
    map_del(&g->shares, key);
    free(s);
}

static void count(struct guard *g, const struct guard_visit *v, int by)
{
    struct key k;
    size_t n = (size_t)by;
    g->all += n;
    if (v->door == GUARD_WORLD) g->world += n;
    if (!v->known) g->strangers += n;
    count_share(g, net_key(&k, 'c', &v->ip), n, !v->known);
    if (wide_key(&k, &v->ip).n) count_share(g, wide_key(&k, &v->ip), n, !v->known);
}

/* Is a network that holds it shut out by hand? */
static bool by_hand(struct guard *g, const struct ip *ip)
{
    struct key k;
    char net[IP_TEXT_MAX + 4];
    unsigned all = ip->family == 4 ? 32 : 128;
    for (unsigned bits = 0; bits <= all; bits++) {
        if (!g->prefixes[ip->family == 6][bits]) continue;
        guard_prefix_text(ip, bits, net);
        if (is_shut(table_find(&g->hand, guard_key(&k, 'h', sl_cstr(net))))) return true;
    }
    return false;
}

int guard_enter(struct guard *g, struct guard_visit *v, const struct ip *ip, enum guard_door door)
{
    ASSERT(g && v);
    struct key k;
    *v = (struct guard_visit){.g = g, .ip = *ip, .door = door};
    lock_take(&g->lock);
    int e = 0;
    if (by_hand(g, ip) || (door == GUARD_WORLD && is_shut(table_find(&g->wrong, net_key(&k, 'p', ip)))))
        e = err_set(ERR_DENIED, "your address is shut out for some time: try again later");
    bool many = speaks_for_many(ip);
    struct share *s = many ? NULL : find_share(g, net_key(&k, 'c', ip)),
                 *wide = many ? NULL : find_share(g, wide_key(&k, ip));
    if (!e) e = has_room(g, s, wide, v);
    if (!e) count(g, v, 1);
    v->inside = !e;
    lock_release(&g->lock);
    return e;
}

bool guard_in_letter(const struct guard_visit *v) { return v->letter && rt_now() - v->letter < GUARD_LETTER; }

void guard_give_way(struct guard_visit *v)
{
    v->gave_way = true;
    guard_leave(v);
}

void guard_leave(struct guard_visit *v)
{
    if (!v || !v->inside) return;
    lock_take(&v->g->lock);
    count(v->g, v, -1);
    v->inside = false;
    lock_release(&v->g->lock);
}

void visit_known(struct guard_visit *v)
{
    if (!v->inside || v->known || v->door == GUARD_WORLD) return;
    count(v->g, v, -1);
    v->known = true;
    count(v->g, v, 1);
}

/* ---- recipients ---- */

/* How many there are now; *out: the network is shut out. */
static int64_t add_probes(struct guard_visit *v, int by, bool *out)
{
    struct key k;
    struct slice net = net_key(&k, 'p', &v->ip);
    lock_take(&v->g->lock);
    int64_t n = score_add(&v->g->wrong, net, by, GUARD_PROBE_FADES);
    if (n > GUARD_PROBES_MAX) shut_out(v->g, net, GUARD_WHY_PROBES);
    *out = is_shut(table_find(&v->g->wrong, net));
    lock_release(&v->g->lock);
    return n;
}

void guard_hasty(struct guard_visit *v)
{
    bool out;
    if (v && !speaks_for_many(&v->ip)) (void)add_probes(v, GUARD_HASTY, &out);
}

int guard_probe(struct guard_visit *v, int64_t *delay)
{
    bool out;
    *delay = 0;
    if (!v) return 0;
    int64_t n = add_probes(v, 1, &out);
    *delay = slowness(n * 1000, GUARD_PROBES_FREE, RT_S / 10);
    return out ? err_set(ERR_DENIED, "too many recipients that do not exist; try again later") : 0;
}

bool guard_flooded(struct guard_visit *v, struct slice account)
{
    struct key k;
    if (!v || !v->g || speaks_for_many(&v->ip)) return false;
    lock_take(&v->g->lock);
    bool yes = score_now(table_find(&v->g->wrong, guard_key(&k, 'f', account)), GUARD_FLOOD_FADES) >=
               GUARD_FLOOD * 1000;
    lock_release(&v->g->lock);
    return yes;
}

void guard_received(struct guard_visit *v, struct slice account)
{
    struct key k;
    if (!v || !v->g || speaks_for_many(&v->ip)) return;
    lock_take(&v->g->lock);
    (void)score_add(&v->g->wrong, guard_key(&k, 'f', account), 1, GUARD_FLOOD_FADES);
    lock_release(&v->g->lock);
}

bool guard_evidence(struct guard_visit *v)
{
    struct key k;
    if (!v) return true;
    struct guard *g = v->g;
    struct slice net = net_key(&k, 'e', &v->ip);
    lock_take(&g->lock);
    bool yes = faded(&g->evidence, GUARD_EVIDENCE_ALL_FADES) < GUARD_EVIDENCE_ALL * 1000 &&
               score_now(table_find(&g->wrong, net), GUARD_EVIDENCE_FADES) < GUARD_EVIDENCE * 1000;
    if (yes) score_add(&g->wrong, net, 1, GUARD_EVIDENCE_FADES);
    if (yes) add_to(&g->evidence, 1, GUARD_EVIDENCE_ALL_FADES);
    lock_release(&g->lock);
    return yes;
}
