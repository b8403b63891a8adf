/* gate.c - whoever reads the engine on another thread than the committer passes here, so that the
 * committer can close the engine and open it again when nobody is inside. A read keeps no snapshot
 * beyond its page: the next page starts over in the engine that is there then. */
#include "base/log.h"
#include "kv_i.h"

struct gate_waiter {
    struct gate_waiter *next;
    struct completion opened;
};

/* Nobody may be writing any more: a server that only reads, because it refuses all letters, would never hear
 * that there is room again. Under the lock. */
static bool may_try(struct kv_gate *g)
{
    int64_t now = rt_now();
    if (g->state != KV_GATE_DOWN || (g->tried && now - g->tried < RT_S)) return false;
    g->tried = now;
    return true;
}

int kv_gate_enter(struct kv *kv)
{
    struct kv_gate *g = &kv->gate;
    for (;;) {
        struct gate_waiter w;
        completion_init(&w.opened);
        lock_take(&g->lock);
        enum kv_gate_state now = g->state;
        bool try = may_try(g);
        if (now == KV_GATE_OPEN) {
            g->inside++;
        } else if (now == KV_GATE_SHUT) {
            w.next = g->waiting;
            g->waiting = &w;
        }
        lock_release(&g->lock);
        if (now == KV_GATE_OPEN) return 0;
        if (try) {
            kv->mend(kv);
            continue;
        }
        if (now == KV_GATE_DOWN)
            return err_set(g->why, "the index is out of service: it could not be opened again");
        completion_wait(&w.opened);
    }
}

void kv_gate_leave(struct kv *kv)
{
    struct kv_gate *g = &kv->gate;
    lock_take(&g->lock);
    struct completion *last = --g->inside == 0 ? g->drained : NULL;
    if (last) g->drained = NULL;
    lock_release(&g->lock);
    if (last) completion_signal(last);
}

bool kv_gate_wanted(struct kv *kv)
{
    lock_take(&kv->gate.lock);
    bool wanted = kv->gate.state != KV_GATE_OPEN;
    lock_release(&kv->gate.lock);
    return wanted;
}

void kv_gate_shut(struct kv *kv)
{
    struct kv_gate *g = &kv->gate;
    struct completion drained;
    completion_init(&drained);
    lock_take(&g->lock);
    g->state = KV_GATE_SHUT;
    bool wait = g->inside > 0;
    if (wait) g->drained = &drained;
    lock_release(&g->lock);
    if (wait) completion_wait(&drained);
}

static void move_on(struct kv_gate *g, enum kv_gate_state state, int why)
{
    lock_take(&g->lock);
    g->state = state;
    g->why = why;
    struct gate_waiter *w = g->waiting;
    g->waiting = NULL;
    lock_release(&g->lock);
    for (struct gate_waiter *next; w; w = next) {
        next = w->next; /* once signalled, w may be gone */
        completion_signal(&w->opened);
    }
}

void kv_gate_open(struct kv *kv) { move_on(&kv->gate, KV_GATE_OPEN, 0); }

void kv_gate_down(struct kv *kv, int why) { move_on(&kv->gate, KV_GATE_DOWN, why); }
