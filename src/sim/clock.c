/* clock.c - time and chance in the simulator. */
#include <time.h>

#include "base/log.h"
#include "sim_i.h"

#define EPOCH INT64_C(1800000000) /* seconds: where every world begins, 2027-01-15 */

int64_t world_now(void) { return the_sim ? the_sim->now : 0; }

int64_t rt_wall(void)
{
    int64_t skew = the_sim && the_sim->loop.node ? sim_prog_now()->node->skew : 0;
    return EPOCH * 1000000 + world_now() / RT_US + skew;
}

/* Libraries (OpenSSL: validity of certificates, age of tickets) ask the C library for the
 * time; while a world exists they get that world's. */
time_t time(time_t *out)
{
    struct timespec real = {0};
    if (!the_sim) clock_gettime(CLOCK_REALTIME, &real);
    time_t t = the_sim ? (time_t)rt_wall_seconds() : real.tv_sec;
    if (out) *out = t;
    return t;
}

uint64_t rt_memory(void) { return (uint64_t)1 << 30; }

void rt_random(void *p, size_t n)
{
    ASSERT(the_sim && "random numbers come from a world");
    rng_fill(&the_sim->app, p, n);
    sim_note(EV_RANDOM, n, 0);
}
