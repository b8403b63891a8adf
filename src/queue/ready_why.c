/* ready_why.c - in words: why what is due is not under way, and which hop stands still. */
#include "dock.h"
#include "line.h"

/* ---- why ---- */

struct slice ready_why(struct ready *r, const struct q_due *d, struct arena *a)
{
    char text[LINE_NAME];
    struct line *l = map_get(&r->lines, line_name(r, d, text));
    struct hop *h = l ? l->hop : map_get(&r->hops, hop_name(r->plan, d, text));
    struct item *it = ready_find(r, &d->id, d->g);
    bool at_site = h && h->dock && (d->stream >= h->dock->shut || (l && l->where == AT_REST));
    if (at_site) return dock_why(r->sources, h->dock, d, a);
    if (!l) return SL("more is due than is looked ahead at; its turn comes");
    if (l->where == AT_SHARE)
        return wait_words(a, SL("as many letters of this sender are under way as one sender may have"),
                          l->since, 0);
    if (l->where == AT_HOP)
        return wait_words(a,
                          h->local
                              ? SL("as many letters to this account are being delivered as may be at once")
                              : SL("the first letter to this domain is under way, to find its site"),
                          l->since, 0);
    if (l->where == READY && !ready_has_place(r, l->stream))
        return wait_words(a, SL("as many deliveries are under way as this node may have"), l->since, 0);
    return it ? SL("its turn comes now") : SL("others of the same sender and domain come before it");
}

const char *ready_watch(struct ready *r, int64_t quiet, struct arena *a, struct slice *why, size_t *n)
{
    struct map_iter it = {0};
    int64_t now = rt_now();
    while (map_next(&r->hops, &it)) {
        struct hop *h = it.value;
        if (!h->crowd.n || h->under_way || now - h->quiet < quiet || (h->told && now - h->told < quiet))
            continue;
        LIST_EACH(struct line, l, &h->lines, hop_link)
        {
            struct item *first = CONTAINER_OF(l->items.next, struct item, link);
            if (list_empty(&l->items)) continue;
            struct q_due d = l->like;
            d.id = first->id, d.g = first->g;
            *why = ready_why(r, &d, a);
            *n = h->crowd.n;
            h->told = now;
            return h->way->name.n ? l->like.hop.p : h->name;
        }
    }
    return NULL;
}
