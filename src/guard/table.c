/* table.c - what is remembered, bounded: the one touched longest ago makes room; and the names it has. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "guard_i.h"

void table_open(struct table *t, size_t max)
{
    map_init(&t->map, false);
    list_init(&t->oldest);
    t->max = max;
}

void table_drop(struct table *t, struct entry *e)
{
    list_remove(&e->link);
    map_del(&t->map, sl_cstr(e->key));
    free(e);
}

void table_close(struct table *t)
{
    LIST_EACH(struct entry, e, &t->oldest, link) table_drop(t, e);
    map_free(&t->map);
}

struct entry *table_find(struct table *t, struct slice key) { return map_get(&t->map, key); }

struct entry *table_touch(struct table *t, struct slice key)
{
    struct entry *e = table_find(t, key);
    if (e) {
        list_remove(&e->link);
    } else {
        if (t->map.count >= t->max) table_drop(t, CONTAINER_OF(t->oldest.next, struct entry, link));
        e = xcalloc(1, sizeof *e + key.n + 1);
        memcpy(e->key, key.p, key.n);
        list_init(&e->link);
        map_put(&t->map, key, e);
    }
    list_push(&t->oldest, &e->link);
    return e;
}

/* ---- names ---- */

struct slice guard_key(struct key *k, char kind, struct slice name)
{
    size_t n = name.n < GUARD_NAME_MAX ? name.n : GUARD_NAME_MAX;
    k->text[0] = kind;
    for (size_t i = 0; i < n; i++) k->text[1 + i] = name.p[i] ? sl_lower(name.p[i]) : '?';
    return sl(k->text, 1 + n);
}

void guard_prefix_text(const struct ip *ip, unsigned bits, char out[IP_TEXT_MAX + 4])
{
    struct ip net = *ip;
    unsigned all = ip->family == 4 ? 32 : 128;
    for (unsigned i = bits; i < all; i++) net.b[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
    ip_format(&net, out);
    if (ip->family == 6 || bits < 32) snprintf(out + strlen(out), 5, "/%u", bits);
}

void guard_net_text(const struct ip *ip, char out[IP_TEXT_MAX + 4])
{
    guard_prefix_text(ip, ip->family == 4 ? 32 : 64, out);
}

bool guard_net_parse(struct slice who, struct ip *ip, unsigned *bits)
{
    if (!ip_net_parse(who, ip, bits)) return false;
    if (ip->family == 6 && sl_chr(who, '/') == SL_NONE) *bits = 64;
    return true;
}

/* ---- shut out by hand ---- */

/* by: 1 when an entry comes, -1 when it goes. */
static void count_prefix(struct guard *g, struct slice name, int by)
{
    struct ip ip;
    unsigned bits;
    if (guard_net_parse(name, &ip, &bits)) g->prefixes[ip.family == 6][bits] += (unsigned)by;
}

void hand_drop(struct guard *g, struct entry *e)
{
    count_prefix(g, sl_cstr(e->key + 1), -1);
    table_drop(&g->hand, e);
}

void hand_put(struct guard *g, struct slice key, int64_t shut)
{
    bool is_new = !table_find(&g->hand, key);
    struct entry *e = table_touch(&g->hand, key);
    if (is_new) count_prefix(g, sl_cstr(e->key + 1), 1);
    e->shut = shut;
    e->why = "shut out by hand";
}

void hand_expire(struct guard *g)
{
    LIST_EACH(struct entry, e, &g->hand.oldest, link) if (!is_shut(e)) hand_drop(g, e);
}
