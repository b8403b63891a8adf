/* line_turn.c - a line stands where it belongs: among those that can be started, or where something binds. */
#include "line.h"

#include "dock.h"

enum { ACCOUNT_AT_ONCE = 8 };

/* ---- a line stands where it belongs ---- */

static void stands(struct line *l, enum where where)
{
    l->where = where;
    l->since = rt_wall_seconds();
    l->stands = rt_now();
    l->could = false;
}

static void line_able(struct ready *r, struct line *l)
{
    stands(l, READY);
    heap_put(&r->able, &l->node, l->node.key);
}

/* What goes first: by stream, then by priority (RFC 6710 section 5.1), above the turn. */
static int64_t urgency(const struct line *l) { return (int64_t)l->stream << 5 | (9 - l->like.priority); }

/* It gets its turn: senders take theirs one after another, whatever they have lined up. */
void line_enter(struct ready *r, struct line *l)
{
    if (l->where != NOWHERE || list_empty(&l->items)) return;
    struct share *s = l->share;
    int64_t turn = s->turn > r->turn ? s->turn : r->turn;
    s->turn = turn + 1;
    l->node.key = urgency(l) << 48 | turn;
    line_able(r, l);
}

/* Behind those of its stream with its priority or a higher one, before those with a lower one. It is looked
 * for from both ends, for most of those that wait have the same. */
static void stand_in(struct link *list, struct line *l)
{
    for (struct link *x = list->next, *y = list->prev;; x = x->next, y = y->prev) {
        const struct line *first = CONTAINER_OF(x, struct line, link),
                          *last = CONTAINER_OF(y, struct line, link);
        if (x == list || (first->stream == l->stream && first->like.priority < l->like.priority)) {
            list_push(x, &l->link);
            return;
        }
        if (last->stream == l->stream && last->like.priority >= l->like.priority) {
            list_insert(y, &l->link);
            return;
        }
    }
}

void line_waits(struct line *l, enum where where, struct link *list)
{
    stands(l, where);
    if (list) stand_in(list, l);
    else heap_put(&l->hop->dock->lines, &l->node, l->node.key);
}

void line_rests(struct ready *r, struct line *l)
{
    stands(l, AT_REST);
    heap_put(&r->rests, &l->node, l->rest);
}

bool share_has_room(const struct ready *r, const struct share *s)
{
    return s->quick < (r->quick_most + 1) / 2;
}

bool hop_has_room(const struct hop *h)
{
    return h->under_way < (h->local ? ACCOUNT_AT_ONCE : h->known ? SIZE_MAX : 1);
}

void line_wake(struct ready *r, struct link *waiting)
{
    struct link *first = list_shift(waiting);
    if (first) line_able(r, CONTAINER_OF(first, struct line, link));
}

void share_stir(struct ready *r, struct share *s)
{
    if (share_has_room(r, s)) line_wake(r, &s->waiting);
}

void hop_stir(struct ready *r, struct hop *h)
{
    if (hop_has_room(h)) line_wake(r, &h->waiting);
}

void dock_stir(struct ready *r, struct dock *d)
{
    struct heap_node *first = heap_least(&d->lines);
    if (!first || CONTAINER_OF(first, struct line, node)->stream >= d->shut) return;
    heap_remove(&d->lines, first);
    line_able(r, CONTAINER_OF(first, struct line, node));
}

/* What one line found or did, the next may find as well. */
void line_stir(struct ready *r, struct share *s, struct hop *h)
{
    share_stir(r, s);
    hop_stir(r, h);
    if (h->dock) dock_stir(r, h->dock);
}

void dock_binds(struct ready *r, struct dock *d, enum site_bind bind)
{
    bool was = dock_rests(d);
    d->bind = bind;
    if (was == dock_rests(d)) return;
    LIST_EACH(struct hop, h, &d->hops, dock_link) crowd_stir(r, &h->crowd);
}

void dock_open(struct ready *r, struct dock *d)
{
    d->shut = STREAMS;
    dock_binds(r, d, SITE_HAS_ROOM);
    heap_remove(&r->alarms, &d->alarm);
    dock_stir(r, d);
}
