/* share.c - who may have how many questions under way: an asker above its share waits for its own, not for
 * others', and nobody waits for it. */
#include <stdlib.h>

#include "base/log.h"
#include "dns_i.h"

enum { SHARED_MAX = DNS_UNDER_WAY_MAX / 4 * 3 };

struct share {
    uint64_t who;
    size_t places;
    struct link waits; /* struct wait: who is taken out of it has a place */
};
struct shares {
    struct lock lock;
    struct map by_who;
    size_t places; /* of all shares */
};

static struct slice key(const uint64_t *who) { return sl(who, sizeof *who); }

struct shares *shares_new(void)
{
    struct shares *s = xcalloc(1, sizeof *s);
    map_init(&s->by_who, false);
    return s;
}

void shares_free(struct shares **s)
{
    if (!*s) return;
    ASSERT((*s)->by_who.count == 0);
    map_free(&(*s)->by_who);
    free(*s);
    *s = NULL;
}

static struct share *share_of(struct shares *s, uint64_t who)
{
    struct share *x = map_get(&s->by_who, key(&who));
    if (x) return x;
    x = xcalloc(1, sizeof *x);
    x->who = who;
    list_init(&x->waits);
    map_put(&s->by_who, key(&who), x);
    return x;
}

static void forget_if_idle(struct shares *s, struct share *x)
{
    if (x->places) return;
    map_del(&s->by_who, key(&x->who));
    free(x);
}

/* Under the lock. *w: to be waited for, when the asker's places are taken. */
static int take_place(struct shares *s, struct dns_asker by, struct wait **w)
{
    struct share *x = share_of(s, by.who);
    *w = NULL;
    if (x->places >= by.share) {
        *w = wait_new(&x->waits);
        return 0;
    }
    if (s->places >= SHARED_MAX) {
        forget_if_idle(s, x);
        return ERR_LIMIT;
    }
    x->places++;
    s->places++;
    return 0;
}

int shares_enter(struct shares *s, struct dns_asker by)
{
    struct wait *w;
    if (!by.who) return 0;
    lock_take(&s->lock);
    int e = take_place(s, by, &w);
    lock_release(&s->lock);
    if (e) return err_set(e, "too many questions are under way");
    if (!w) return 0;
    bool had;
    e = wait_for(w, &s->lock, &had);
    if (e && had) shares_leave(s, by.who);
    return e == ERR_TIMEOUT ? err_set(ERR_LIMIT, "too many questions of the same asker are under way") : e;
}

void shares_leave(struct shares *s, uint64_t who)
{
    if (!who) return;
    lock_take(&s->lock);
    struct share *x = map_get(&s->by_who, key(&who));
    struct link *next = list_shift(&x->waits);
    if (!next) {
        x->places--;
        s->places--;
        forget_if_idle(s, x);
    }
    lock_release(&s->lock);
    if (next) wait_end(CONTAINER_OF(next, struct wait, link));
}
