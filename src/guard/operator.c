/* operator.c - who is shut out, as the operator sees and changes it. */
#include <stdio.h>

#include "guard_i.h"

/* ---- names ---- */

/* A network or a login under its one name. */
static int name_of(struct slice who, char out[GUARD_NAME_MAX + 1])
{
    struct ip ip;
    unsigned bits;
    if (guard_net_parse(who, &ip, &bits)) {
        char net[IP_TEXT_MAX + 4];
        guard_prefix_text(&ip, bits, net);
        snprintf(out, GUARD_NAME_MAX + 1, "%s", net);
        return 0;
    }
    if (sl_chr(who, '@') == SL_NONE || sl_chr(who, '/') != SL_NONE || who.n > GUARD_NAME_MAX)
        return err_set(ERR_SYNTAX, "%.*s is no IP address, no network and no account", SLF(who));
    snprintf(out, GUARD_NAME_MAX + 1, "%.*s", SLF(who));
    return 0;
}

/* ---- showing ---- */

static void show(const struct table *t, struct guard_block *v, size_t max, size_t *n)
{
    LIST_EACH(struct entry, e, &t->oldest, link)
    {
        if (!is_shut(e)) continue;
        if (*n < max) {
            v[*n] = (struct guard_block){.why = e->why,
                                         .left = e->shut == RT_NEVER ? RT_NEVER : e->shut - rt_now(),
                                         .by_hand = e->key[0] == 'h'};
            snprintf(v[*n].who, sizeof v[*n].who, "%s", e->key + 1);
        }
        ++*n;
    }
}

size_t guard_blocks(struct guard *g, struct guard_block *v, size_t max)
{
    size_t n = 0;
    lock_take(&g->lock);
    show(&g->hand, v, max, &n);
    show(&g->wrong, v, max, &n);
    lock_release(&g->lock);
    return n;
}

size_t guard_entries(struct guard *g)
{
    lock_take(&g->lock);
    size_t n = g->wrong.map.count;
    lock_release(&g->lock);
    return n;
}

/* ---- changing ---- */

int guard_block(struct guard *g, struct slice who, int64_t ns)
{
    struct key k;
    char name[GUARD_NAME_MAX + 1];
    int e = name_of(who, name);
    if (e) return e;
    struct slice key = guard_key(&k, 'h', sl_cstr(name));
    int64_t until = ns > RT_NEVER - rt_now() ? RT_NEVER : rt_now() + ns;
    lock_take(&g->lock);
    bool room = table_find(&g->hand, key) || g->hand.map.count < g->hand.max;
    lock_release(&g->lock);
    if (!room)
        return err_set(ERR_LIMIT, "%d networks and accounts are shut out by hand already", GUARD_BLOCKS_MAX);
    e = rows_put_hand(g, key, until);
    if (e) return e;
    lock_take(&g->lock);
    hand_put(g, key, until);
    lock_release(&g->lock);
    return 0;
}

/* Until when the name is shut out by hand, or 0. */
static int64_t hand_until(struct guard *g, struct slice name)
{
    struct key k;
    lock_take(&g->lock);
    const struct entry *e = table_find(&g->hand, guard_key(&k, 'h', name));
    int64_t until = is_shut(e) ? e->shut : 0;
    lock_release(&g->lock);
    return until;
}

int guard_follow(struct guard *g, struct slice from, struct slice to)
{
    int64_t until = hand_until(g, from), before = hand_until(g, to);
    if (until <= before) return 0;
    int e = guard_block(g, to, until == RT_NEVER ? RT_NEVER : until - rt_now());
    return e ? e : !before;
}

/* Forgets what is held against the name; true: it was shut out. */
static bool forgive(struct guard *g, struct slice name)
{
    struct key k;
    bool found = false;
    for (const char *kind = "npa"; *kind; kind++) {
        struct entry *e = table_find(&g->wrong, guard_key(&k, *kind, name));
        found = found || is_shut(e);
        if (e) table_drop(&g->wrong, e);
    }
    struct entry *e = table_find(&g->hand, guard_key(&k, 'h', name));
    found = found || is_shut(e);
    if (e) hand_drop(g, e);
    return found;
}

int guard_unblock(struct guard *g, struct slice who)
{
    char name[GUARD_NAME_MAX + 1];
    int e = name_of(who, name);
    if (e) return e;
    lock_take(&g->lock);
    bool found = forgive(g, sl_cstr(name));
    lock_release(&g->lock);
    if (!found) return err_set(ERR_NOT_FOUND, "%s is not shut out", name);
    return rows_forget(g, sl_cstr(name));
}
