/* sim.c - a simulated world: its nodes, the programs on them, the order in which all runs. */
#include "sim_i.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"

/* Running costs time, so that a loop that only yields comes to its deadline. */
enum { TURN_COST_MOST = 2000 };

struct sim *the_sim;

/* ---- the digest ---- */

static uint64_t mix(uint64_t h, uint64_t x)
{
    h ^= x;
    h *= 0x9fb21c651e98df25u;
    return h ^ h >> 29;
}

void sim_note(enum sim_event what, uint64_t a, uint64_t b)
{
    struct sim *s = the_sim;
    uint64_t who = s->loop.node ? ((struct sim_place *)s->loop.node)->prog->id : 0;
    s->digest = mix(mix(mix(mix(s->digest, (uint64_t)what << 56 ^ (uint64_t)s->now), who), a), b);
}

uint64_t sim_digest(struct sim *s) { return mix(s->digest, (uint64_t)s->now); }

/* ---- where code runs ---- */

struct sim_place *sim_here(void)
{
    ASSERT(the_sim && the_sim->loop.node && "the world is reached only from a program on a node");
    return the_sim->loop.node;
}

struct sim_prog *sim_prog_now(void) { return sim_here()->prog; }
struct sim_node *sim_self(void) { return the_sim && the_sim->loop.node ? sim_prog_now()->node : NULL; }

int sim_alive(void)
{
    if (!sim_prog_now()->dead) return 0;
    return err_set(ERR_CANCELED, "the node %s has lost its power", sim_prog_now()->node->name);
}

struct fiber *sim_fiber(struct sim_place *at, const char *name, fiber_fn *fn, void *arg)
{
    struct loop *l = &the_sim->loop;
    void *before = l->node;
    l->node = at;
    struct fiber *f = fiber_start(NULL, name, fn, arg);
    l->node = before;
    return f;
}

struct pause {
    struct timer timer;
    struct fiber *fiber;
};
static void pause_over(struct timer *t) { fiber_wake(CONTAINER_OF(t, struct pause, timer)->fiber, 0); }

void sim_thread_pause(int64_t least, int64_t most)
{
    struct pause p = {.fiber = fiber_self()};
    struct sim_place *here = sim_here();
    if (here->loop >= 0 || here->prog->dead || locks_held() || !p.fiber) return;
    timer_set(&p.timer, the_sim->now + rng_between(&the_sim->sched, least, most), pause_over);
    fiber_block_hard();
}

/* ---- the world ---- */

struct sim *sim_new(uint64_t seed)
{
    ASSERT(!the_sim && "one world at a time");
    struct sim *s = the_sim = xcalloc(1, sizeof *s);
    struct sim_rng keys;
    rng_init(&keys, seed, 0);
    hash_seed(rng_next(&keys), rng_next(&keys));
    rng_init(&s->sched, seed, 1);
    rng_init(&s->net, seed, 2);
    rng_init(&s->disk, seed, 3);
    rng_init(&s->app, seed, 4);
    rng_init(&s->openssl, seed, 5);
    sim_openssl_random(&s->openssl);
    s->digest = seed;
    list_init(&s->nodes);
    list_init(&s->cuts);
    list_init(&s->ports);
    list_init(&s->ringing);
    list_init(&s->posting);
    loop_init(&s->loop, 0, 0);
    loop_set_self(&s->loop);
    stack_watch_thread();
    log_set_clock(rt_wall_seconds);
    return s;
}

struct sim_node *sim_node(struct sim *s, const char *name, const char *addresses)
{
    struct sim_node *n = xcalloc(1, sizeof *n);
    struct slice rest = sl_cstr(addresses), one;
    n->sim = s;
    n->name = xstrndup(name, strlen(name));
    n->id = list_empty(&s->nodes) ? 1 : CONTAINER_OF(s->nodes.prev, struct sim_node, link)->id + 1;
    n->up = true;
    n->loops = 1;
    n->next_port = 32768;
    while (sl_next(&rest, ',', &one)) {
        if (sl_empty(sl_trim(one))) continue;
        n->ip = xrealloc(n->ip, (n->nip + 1) * sizeof *n->ip);
        ASSERT(ip_parse(sl_trim(one), &n->ip[n->nip]) && "an address of a node");
        n->nip++;
    }
    list_init(&n->progs);
    list_init(&n->boots);
    disk_init(&n->disk, &s->disk);
    list_push(&s->nodes, &n->link);
    return n;
}

/* No fiber of it is left, so nobody waits in its pools. */
static void prog_free(struct sim_prog *p)
{
    for (int i = 0; i < RT_POOLS; i++) turns_free(&p->pools[i].waiting);
    list_remove(&p->link);
    free(p);
}

static void forget_boots(struct sim_node *n) { LIST_EACH(struct sim_prog, p, &n->boots, link) prog_free(p); }

static void node_free(struct sim_node *n)
{
    disk_free(&n->disk);
    list_remove(&n->link);
    free(n->ip);
    free(n->name);
    free(n);
}

/* What still runs is killed and unwinds before the world goes. */
void sim_free(struct sim **s)
{
    struct sim *w = *s;
    if (!w) return;
    LIST_EACH(struct sim_node, n, &w->nodes, link) sim_kill(n);
    sim_run(w, RT_NEVER);
    LIST_EACH(struct fiber, f, &w->loop.fibers, all)
    fprintf(stderr, "sim: fiber %s waits for something that never comes\n", f->name);
    LIST_EACH(struct sim_node, n, &w->nodes, link) node_free(n);
    LIST_EACH(struct cut, c, &w->cuts, link) free(c);
    log_set_clock(NULL);
    sim_openssl_random(NULL);
    stack_unwatch_thread();
    loop_free(&w->loop);
    loop_set_self(NULL);
    free(w);
    *s = the_sim = NULL;
}

void sim_faults(struct sim *s, const struct sim_faults *f) { s->faults = *f; }
void sim_clock_skew(struct sim_node *n, int64_t us) { n->skew = us; }

/* ---- programs ---- */

static void program(void *arg)
{
    struct sim_prog *p = arg;
    int r = p->main_fn(p->arg);
    sim_note(EV_END, p->id, (uint64_t)r);
    p->node->result = r;
    p->ending = true;
    for (int i = 0; i < p->loops; i++) loop_cancel_all(&the_sim->loop, &p->on_loop[i], fiber_self());
}

static void begin(struct sim_prog *p)
{
    struct sim_node *n = p->node;
    list_remove(&p->link);
    list_push(&n->progs, &p->link);
    n->up = true;
    p->id = ++n->sim->progs;
    sim_note(EV_START, n->id, p->id);
    ASSERT(sim_fiber(p->on_loop, "main", program, p) && "a stack for a program");
}

static bool dying(const struct sim_node *n)
{
    for (const struct link *l = n->progs.next; l != &n->progs; l = l->next)
        if (CONTAINER_OF(l, struct sim_prog, link)->dead) return true;
    return false;
}

void sim_node_loops(struct sim_node *n, int loops)
{
    ASSERT(loops >= 1 && loops <= SIM_LOOPS_MAX);
    n->loops = loops;
}

static void place_init(struct sim_place *at, struct sim_prog *p, int loop)
{
    *at = (struct sim_place){.prog = p, .loop = loop};
    list_init(&at->posts);
    list_init(&at->posting);
}

/* After a power cut the node boots when the fibers of the old run are gone, so that the two
 * never share a variable of the test. */
void sim_node_start(struct sim_node *n, int (*main_fn)(void *), void *arg)
{
    struct sim_prog *p = xcalloc(1, sizeof *p);
    p->node = n;
    p->main_fn = main_fn;
    p->arg = arg;
    p->loops = n->loops;
    for (int i = 0; i < p->loops; i++) place_init(&p->on_loop[i], p, i);
    place_init(&p->on_thread, p, -1);
    list_init(&p->socks);
    waitq_init(&p->signals);
    for (int i = 0; i < RT_POOLS; i++) turns_init(&p->pools[i].waiting);
    list_push(&n->boots, &p->link);
    if (!dying(n)) begin(p);
}

int sim_node_result(struct sim_node *n) { return n->result; }
bool sim_node_running(struct sim_node *n) { return !list_empty(&n->progs) || !list_empty(&n->boots); }

static bool has_fibers(const struct sim_prog *p)
{
    LIST_EACH(struct fiber, f, &the_sim->loop.fibers, all)
    if (((struct sim_place *)f->member.node)->prog == p) return true;
    LIST_EACH(struct member, m, &the_sim->loop.parked, parked)
    if (((struct sim_place *)m->node)->prog == p) return true;
    for (int i = 0; i < p->loops; i++)
        if (!list_empty(&p->on_loop[i].posts)) return true;
    return false;
}

static void bury(struct sim_prog *p)
{
    struct sim_node *n = p->node;
    sim_net_drop(p);
    sim_net_free(p);
    prog_free(p);
    if (dying(n)) return;
    LIST_EACH(struct sim_prog, next, &n->boots, link) begin(next);
}

/* Takes programs away that have ended. */
static void reap(struct sim *s)
{
    LIST_EACH(struct sim_node, n, &s->nodes, link)
    LIST_EACH(struct sim_prog, p, &n->progs, link)
    if ((p->ending || p->dead) && !has_fibers(p)) bury(p);
}

/* ---- power ---- */

void sim_kill(struct sim_node *n)
{
    sim_note(EV_KILL, n->id, n->steps);
    n->up = false;
    n->kill_at = 0;
    forget_boots(n);
    LIST_EACH(struct sim_prog, p, &n->progs, link)
    {
        if (p->dead) continue;
        p->dead = true;
        sim_net_drop(p);
        for (int i = 0; i < p->loops; i++) loop_cancel_all(&n->sim->loop, &p->on_loop[i], NULL);
    }
    disk_crash(&n->disk);
}

void sim_kill_at_step(struct sim_node *n, uint64_t k) { n->kill_at = k ? n->steps + k : 0; }
uint64_t sim_steps(struct sim_node *n) { return n->steps; }

void sim_disk_limit(struct sim_node *n, uint64_t bytes)
{
    n->disk.limit = bytes ? (bytes + DISK_PAGE - 1) / DISK_PAGE : 0;
}

/* ---- running ---- */

static void run_fiber(struct sim *s, size_t k)
{
    struct link *l = s->loop.ready.next;
    while (k--) l = l->next;
    struct fiber *f = CONTAINER_OF(l, struct fiber, ready);
    struct sim_place *at = f->member.node;
    if ((at->prog->dead || at->prog->ending) && at->loop >= 0) fiber_cancel(f);
    s->loop.node = at;
    sim_note(EV_RUN, sl_hash(sl_cstr(f->name)), s->loop.nready);
    loop_run_fiber(&s->loop, f);
}

static void run_something(struct sim *s)
{
    uint64_t k = rng_below(&s->sched, s->loop.nready + s->nposting);
    s->now += rng_between(&s->sched, 1, TURN_COST_MOST);
    s->loop.now = s->loop.slice_from = s->now;
    s->loop.turns++;
    if (k < s->loop.nready) {
        run_fiber(s, (size_t)k);
        return;
    }
    struct link *l = s->posting.next;
    for (k -= s->loop.nready; k; k--) l = l->next;
    sim_run_post(CONTAINER_OF(l, struct sim_place, posting));
}

static bool can_run(const struct sim *s) { return s->loop.nready || s->nposting || !list_empty(&s->ringing); }

int64_t sim_run(struct sim *s, int64_t until)
{
    ASSERT(!fiber_current() && "worlds do not run inside of worlds");
    for (;;) {
        int64_t next = loop_next_timer(&s->loop);
        if (!can_run(s)) {
            reap(s);
            if (can_run(s)) continue;
            if (next == RT_NEVER || next > until) break;
            if (next > s->now) s->now = next;
        }
        if (s->now > until) break;
        s->loop.now = s->now;
        loop_fire_timers(&s->loop);
        sim_ring_all(s);
        if (s->loop.nready + s->nposting) run_something(s);
    }
    if (loop_next_timer(&s->loop) != RT_NEVER && s->now < until) s->loop.now = s->now = until;
    return s->now;
}
