/* inbound_room.c - who may have a letter in memory to hand it over: shares by account (inbound_i.h). */
#include <stdlib.h>

#include "inbound_i.h"
#include "send_i.h"

struct inbound_share { /* while a letter of the account is in it, or waits */
    struct link waiting;
    size_t nwaiting, ninside;
    uint64_t held;
    size_t n;
    char account[]; /* n bytes */
};
struct inbound_room {
    struct lock lock;
    struct map shares;
    uint64_t held, turns;
};

struct inbound_room *inbound_room_new(void)
{
    struct inbound_room *r = xcalloc(1, sizeof *r);
    map_init(&r->shares, false);
    return r;
}

void inbound_room_free(struct inbound_room **room)
{
    if (!*room) return;
    map_free(&(*room)->shares);
    free(*room);
    *room = NULL;
}

static struct inbound_share *share_of(struct inbound_room *r, struct slice account)
{
    struct inbound_share *s = map_get(&r->shares, account);
    if (s) return s;
    s = xcalloc(1, sizeof *s + account.n);
    list_init(&s->waiting);
    s->n = account.n;
    if (account.n) memcpy(s->account, account.p, account.n);
    map_put(&r->shares, account, s);
    return s;
}

static struct inbound_place *first_of(struct inbound_share *s)
{
    return CONTAINER_OF(s->waiting.next, struct inbound_place, link);
}

static struct inbound_place *next(struct inbound_room *r)
{
    struct map_iter it = {0};
    struct inbound_place *best = NULL;
    while (map_next(&r->shares, &it)) {
        struct inbound_share *s = it.value;
        if (!s->nwaiting) continue;
        struct inbound_place *p = first_of(s);
        if (!best || s->held < best->share->held || (s->held == best->share->held && p->turn < best->turn))
            best = p;
    }
    return best;
}

static void serve(struct inbound_room *r)
{
    struct inbound_place *p;
    while ((p = next(r)) && (!r->held || r->held + p->need <= INBOUND_ROOM)) {
        list_remove(&p->link);
        p->granted = true;
        p->share->nwaiting--;
        p->share->ninside++;
        p->share->held += p->need;
        r->held += p->need;
    }
}

int inbound_room_ask(struct inbound_room *r, struct slice account, uint64_t need, struct inbound_place *p)
{
    *p = (struct inbound_place){.need = need};
    list_init(&p->link);
    lock_take(&r->lock);
    struct inbound_share *s = share_of(r, account);
    bool full = s->nwaiting >= INBOUND_WAITING;
    if (!full) {
        p->share = s;
        p->turn = r->turns++;
        list_push(&s->waiting, &p->link);
        s->nwaiting++;
        serve(r);
    }
    lock_release(&r->lock);
    return full ? err_set(ERR_BUSY, "too many letters wait to be handed to its webhook") : 0;
}

bool inbound_room_granted(struct inbound_room *r, struct inbound_place *p)
{
    lock_take(&r->lock);
    bool yes = p->granted;
    lock_release(&r->lock);
    return yes;
}

static void shrink(struct inbound_room *r, struct inbound_place *p, uint64_t need)
{
    if (need > p->need) need = p->need;
    r->held -= p->need - need;
    p->share->held -= p->need - need;
    p->need = need;
}

void inbound_room_shrink(struct inbound_room *r, struct inbound_place *p, uint64_t need)
{
    lock_take(&r->lock);
    shrink(r, p, need);
    serve(r);
    lock_release(&r->lock);
}

void inbound_room_leave(struct inbound_room *r, struct inbound_place *p)
{
    lock_take(&r->lock);
    struct inbound_share *s = p->share;
    if (p->granted) shrink(r, p, 0), s->ninside--;
    else list_remove(&p->link), s->nwaiting--;
    if (!s->ninside && !s->nwaiting) {
        map_del(&r->shares, sl(s->account, s->n));
        free(s);
    }
    serve(r);
    lock_release(&r->lock);
}
