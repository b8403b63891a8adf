/* fiber.c - fibers, the loop's part that runs them, and timers. */
#include "rt_i.h"

#include "base/log.h"

enum {
    IO_SHARE = 64 << 10, /* bytes a fiber may move before others get their turn */
    REFUSALS = 32,       /* waits refused at once before others get their turn */
    BREATHS = 256,       /* calls of fiber_breathe() that count as a slice where no time passes */
};
#define SLICE RT_MS
#define SLICE_WARN (10 * RT_MS)

static struct fiber *must_be_fiber(void)
{
    struct fiber *f = fiber_self();
    ASSERT(f && "only a fiber may wait");
    return f;
}

int64_t rt_now(void)
{
    struct loop *l = loop_self();
    return l ? l->now : world_now();
}

uint64_t rt_random_below(uint64_t n)
{
    uint64_t x, least = n ? -n % n : 0; /* numbers below this would favour small results */
    if (!n) return 0;
    do rt_random(&x, sizeof x);
    while (x < least);
    return x % n;
}

/* ---- timers ---- */

void timer_set(struct timer *t, int64_t at, void (*fn)(struct timer *))
{
    struct loop *l = loop_self();
    t->fn = fn;
    t->world_node = l->node;
    heap_put(&l->timers, &t->node, at);
}

void timer_clear(struct timer *t)
{
    if (t->node.at) heap_remove(&loop_self()->timers, &t->node);
}

int64_t loop_next_timer(const struct loop *l)
{
    struct heap_node *x = heap_least(&l->timers);
    return x ? x->key : RT_NEVER;
}

void loop_fire_timers(struct loop *l)
{
    struct heap_node *x;
    while ((x = heap_least(&l->timers)) && x->key <= l->now) {
        struct timer *t = CONTAINER_OF(x, struct timer, node);
        heap_remove(&l->timers, x);
        l->node = t->world_node;
        t->fn(t);
    }
    l->node = NULL;
}

/* ---- the loop ---- */

static struct err_slot *current_slot(void)
{
    struct fiber *f = fiber_self();
    return f ? &f->err : NULL;
}

void loop_init(struct loop *l, int id, size_t stack_bytes)
{
    *l = (struct loop){.id = id, .now = world_now()};
    list_init(&l->ready);
    list_init(&l->fibers);
    list_init(&l->parked);
    list_init(&l->remains);
    list_init(&l->stacks.free);
    l->stacks.size = stack_bytes;
    err_slot_hook(current_slot);
}

void loop_free(struct loop *l)
{
    ASSERT(l->nfibers == 0);
    for (struct link *x; (x = list_shift(&l->remains));) {
        struct remains *r = CONTAINER_OF(x, struct remains, link);
        r->free(r);
    }
    stack_pool_free(&l->stacks);
    heap_free(&l->timers);
}

void loop_stats(const struct loop *l, struct rt_stats *add)
{
    add->fibers += l->nfibers;
    add->parked += l->nparked;
    add->stacks += l->stacks.all;
    add->switches += l->switches;
    add->turns += l->turns;
    if (l->stacks.most > add->stack_most) add->stack_most = l->stacks.most;
}

/* ---- members of groups ---- */

void group_join(struct group *g, struct member *m, void (*cancel)(struct member *))
{
    m->group = g;
    m->cancel = cancel;
    list_push(&g->fibers, &m->link);
    g->count++;
    if (g->canceled) cancel(m);
}

void group_leave(struct member *m)
{
    struct group *g = m->group;
    if (!g) return;
    m->group = NULL;
    list_remove(&m->link);
    if (--g->count == 0 && g->waiter) fiber_wake(g->waiter->fiber, 0);
}

/* ---- starting and running ---- */

static void make_ready(struct fiber *f)
{
    f->state = FIBER_READY;
    list_push(&f->loop->ready, &f->ready);
    f->loop->nready++;
}

static void fiber_entry(void)
{
    struct fiber *f = loop_self()->current;
    context_landed(&f->context, &f->loop->home);
    f->fn(f->arg);
    f->state = FIBER_ENDED;
    context_leave(&f->context, &f->loop->home);
}

static void cancel_member(struct member *m) { fiber_cancel(CONTAINER_OF(m, struct fiber, member)); }

struct fiber *fiber_start(struct group *g, const char *name, fiber_fn *fn, void *arg)
{
    struct loop *l = loop_self();
    ASSERT(l && "fibers start on a loop");
    struct stack *s = stack_take(&l->stacks);
    if (!s) return NULL;
    struct fiber *f = (struct fiber *)(((uintptr_t)s - sizeof *f) & ~(uintptr_t)63);
    *f = (struct fiber){.loop = l, .stack = s, .name = name, .fn = fn, .arg = arg, .deadline = RT_NEVER};
    context_make(&f->context, s->bottom, (size_t)((char *)f - s->bottom), fiber_entry);
    f->member.node = l->node;
    list_init(&f->member.link);
    list_push(&l->fibers, &f->all);
    l->nfibers++;
    if (g) group_join(g, &f->member, cancel_member);
    make_ready(f);
    return f;
}

static void fiber_end(struct loop *l, struct fiber *f)
{
    timer_clear(&f->timer);
    list_remove(&f->all);
    l->nfibers--;
    group_leave(&f->member);
    stack_give(&l->stacks, f->stack);
}

void loop_run_fiber(struct loop *l, struct fiber *f)
{
    ASSERT(f->state == FIBER_READY);
    list_remove(&f->ready);
    l->nready--;
    l->switches++;
    l->current = f;
    l->node = f->member.node;
    f->state = FIBER_RUNNING;
    f->io_spent = 0;
    f->breaths = 0;
    context_switch(&l->home, &f->context);
    l->current = NULL;
    int64_t now = world_now(), ran = now - l->slice_from;
    l->slice_from = now;
    l->now = now;
    if (ran > SLICE_WARN)
        log_debug("rt", "fiber %s ran %lld ms without a pause", f->name, (long long)(ran / RT_MS));
    if (f->state == FIBER_ENDED) fiber_end(l, f);
    l->node = NULL;
}

void loop_run_ready(struct loop *l)
{
    l->slice_from = world_now();
    l->turns++;
    for (size_t n = l->nready; n; n--) loop_run_fiber(l, CONTAINER_OF(l->ready.next, struct fiber, ready));
}

/* ---- suspending ---- */

static void suspend(struct fiber *f)
{
    ASSERT(locks_held() == 0 && "a lock is held over a wait");
    context_switch(&f->context, &f->loop->home);
}

static void on_timer(struct timer *t)
{
    struct fiber *f = CONTAINER_OF(t, struct fiber, timer);
    if (f->state == FIBER_WAITING) fiber_wake(f, ERR_TIMEOUT);
}

static int explain(int e)
{
    if (e == ERR_TIMEOUT) return err_set(e, "the time allowed for this ran out");
    if (e == ERR_CANCELED) return err_set(e, "the server is shutting this activity down");
    return e;
}

/* A fiber that tries again and again although it is canceled or late must not starve the loop. */
static int refuse(struct fiber *f, int e)
{
    if (++f->refusals % REFUSALS == 0) fiber_yield();
    return e;
}

static int block_until(struct fiber *f, int64_t at)
{
    if (f->canceled && !f->shielded) return refuse(f, ERR_CANCELED);
    if (at <= f->loop->now) return refuse(f, ERR_TIMEOUT);
    if (at != RT_NEVER) timer_set(&f->timer, at, on_timer);
    f->state = FIBER_WAITING;
    suspend(f);
    timer_clear(&f->timer);
    return f->wake_code;
}

int fiber_check(void)
{
    struct fiber *f = must_be_fiber();
    if (f->canceled && !f->shielded) return explain(refuse(f, ERR_CANCELED));
    return f->deadline <= f->loop->now ? explain(refuse(f, ERR_TIMEOUT)) : 0;
}

int fiber_block(void)
{
    struct fiber *f = must_be_fiber();
    return explain(block_until(f, f->deadline));
}

void fiber_block_hard(void)
{
    struct fiber *f = must_be_fiber();
    f->state = FIBER_WAITING_HARD;
    suspend(f);
}

bool fiber_wake(struct fiber *f, int code)
{
    if (f->state != FIBER_WAITING && f->state != FIBER_WAITING_HARD) return false;
    f->wake_code = code;
    make_ready(f);
    return true;
}

void fiber_cancel(struct fiber *f)
{
    f->canceled = true;
    if (f->state == FIBER_WAITING && !f->shielded) fiber_wake(f, ERR_CANCELED);
}

void loop_cancel_all(struct loop *l, void *node, struct fiber *except)
{
    LIST_EACH(struct member, m, &l->parked, parked)
    if (!node || m->node == node) m->cancel(m);
    LIST_EACH(struct fiber, f, &l->fibers, all)
    if (f != except && (!node || f->member.node == node)) fiber_cancel(f);
}

int fiber_sleep(int64_t ns)
{
    struct fiber *f = must_be_fiber();
    if (ns <= 0) {
        ns = 0;
        fiber_yield();
    }
    int64_t now = f->loop->now, at = ns > RT_NEVER - now ? RT_NEVER : now + ns;
    bool whole = at < f->deadline;
    int e = block_until(f, whole ? at : f->deadline);
    return whole && e == ERR_TIMEOUT ? 0 : explain(e);
}

void fiber_yield(void)
{
    struct fiber *f = must_be_fiber();
    make_ready(f);
    suspend(f);
}

void fiber_breathe(void)
{
    struct fiber *f = fiber_self();
    if (!f) return; /* code that also runs on workers */
    if (++f->breaths >= BREATHS || world_now() - f->loop->slice_from > SLICE) fiber_yield();
}

void fiber_spend(size_t n)
{
    struct fiber *f = must_be_fiber();
    f->io_spent += n;
    if (f->io_spent >= IO_SHARE) fiber_yield();
}

/* ---- what a fiber knows of itself ---- */

bool fiber_canceled(void)
{
    struct fiber *f = fiber_self();
    return f && f->canceled;
}

int64_t deadline_get(void)
{
    struct fiber *f = fiber_self();
    return f ? f->deadline : RT_NEVER;
}

int64_t deadline_narrow(int64_t at)
{
    struct fiber *f = must_be_fiber();
    int64_t before = f->deadline;
    if (at < before) f->deadline = at;
    return before;
}

void deadline_restore(int64_t before) { must_be_fiber()->deadline = before; }
