/* rests_sim.c - what cannot go for a while, whoever keeps it, leaves memory to what can: of very many dead
 * sites, of very many senders that a site refuses. In virtual time all of it comes back. */
#include <stdio.h>

#include "base/test.h"
#include "dock.h"
#include "line.h"
#include "sim/sim.h"

enum { ROOM = 160, RESTING_MOST = ROOM * 10 / 16, MANY = 100, EACH = 12 };
struct row {
    struct ready r;
    struct sites *sites;
    struct queue queue;
    struct shard shard;
};

static void wake(void *ctx, int loop, const struct site *s)
{
    (void)loop;
    ready_site_free(&((struct row *)ctx)->r, s);
}

static void begin(struct row *x)
{
    struct shaping *shaping = NULL;
    *x = (struct row){.queue = {.nloops = 1, .nshards = 1}};
    x->shard.q = &x->queue;
    CHECK_OK(shaping_open(&shaping));
    x->sites = sites_open(shaping, wake, x);
    ready_init(&x->r, x->sites, NULL, source_plan_now(NULL), 1);
    x->r.items_most = ROOM;
}

static void end(struct row *x)
{
    ready_free(&x->r);
    sites_close(&x->sites);
}

static enum added put(struct row *x, int sender, int hop, enum stream stream)
{
    char from[32], to[32];
    struct arena a = {0};
    struct q_due d = {.due = rt_wall_seconds(), .stream = stream};
    letter_id_new(&d.id);
    d.domain = sl(from, (size_t)snprintf(from, sizeof from, "s%d.test", sender));
    d.hop = sl(to, (size_t)snprintf(to, sizeof to, "d%d.test", hop));
    enum added e = ready_add(&x->r, &x->shard, &d, queue_key_due(&a, d.stream, d.due, &d.id, 0));
    ar_free(&a);
    return e;
}

static const struct trip no_answer = {.tried = true, .news = SITE_UNREACHED},
                         refused = {.tried = true, .found = true, .asked = true, .news = SITE_SPURNED},
                         taken = {.tried = true, .found = true, .asked = true, .news = SITE_GOOD};

/* All that can be started ends in that way. Returns how many there were. */
static int all_end(struct row *x, struct trip trip)
{
    static const struct ready_site site = {SL_INIT("mx.two.test"), SL_INIT("mx.two.test"), FROM_IPV4, false};
    int n = 0;
    while ((trip.item = ready_next(&x->r)) != NULL) {
        if (trip.found && !ready_place(&x->r, trip.item, &site)) {
            ready_back(&x->r, trip.item);
            continue;
        }
        ready_end(&x->r, trip.item, &trip);
        CHECK_OK(fiber_sleep(RT_MS)); /* the site's wake comes */
        n++;
    }
    return n;
}

/* Several letters each, and then one that can go. */
static void play(struct row *x, bool hops, struct trip trip)
{
    begin(x);
    for (int i = 0; i < MANY; i++) {
        for (int k = 0; k < EACH; k++)
            CHECK(put(x, i, hops ? i : 2, k ? STREAM_BULK : STREAM_TRANSACTIONAL) != NO_ROOM);
        (void)all_end(x, trip);
        CHECK(x->r.items.count <= RESTING_MOST);
    }
    CHECK_INT(ready_few(&x->r), 0);
    CHECK_INT(put(x, MANY, hops ? MANY : 2, STREAM_BULK), ADDED);
    CHECK_INT(all_end(x, taken), 1);
}

static int dead_sites(void *arg)
{
    struct row *x = arg;
    play(x, true, no_answer);
    CHECK_OK(fiber_sleep(3600 * RT_S));
    ready_tick(&x->r);
    CHECK(x->r.hungry.n > MANY / 2); /* of each one may try again: it is read for */
    end(x);
    return 0;
}

static int refused_senders(void *arg)
{
    struct row *x = arg;
    play(x, false, refused);
    CHECK(x->r.rests.n > MANY / 2);
    CHECK_OK(fiber_sleep(7 * 86400 * RT_S));
    ready_tick(&x->r);
    CHECK_INT(x->r.rests.n, 0);
    CHECK(x->r.hungry.n > MANY / 2);
    for (int k = 0; k < 4; k++) {
        CHECK_OK(fiber_sleep(600 * RT_S));
        (void)ready_weigh(&x->r);
    }
    CHECK_INT(ready_few(&x->r), 10); /* there is much memory again */
    end(x);
    return 0;
}

static void in_sim(int (*body)(void *))
{
    static struct row x;
    struct sim *s = sim_new(1);
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.1");
    sim_node_start(n, body, &x);
    sim_run(s, RT_NEVER);
    CHECK_INT(sim_node_result(n), 0);
    sim_free(&s);
}

TEST(rests_dead_sites_leave_memory_to_the_rest_however_many) { in_sim(dead_sites); }
TEST(rests_senders_that_are_refused_leave_memory_to_the_rest_however_many) { in_sim(refused_senders); }
