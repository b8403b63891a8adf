/* power.h - the power cut at every durable step, and disks that fail: the one frame of all tests of that
 * kind.
 *
 * A test says what its world is and what it does; here it is run whole to count its steps, then once for each
 * step and seed with the power cut there, booted again on what is left, and judged. A failure names seed and
 * step; SEED=7 STEP=31 build/test/store_sim deliveries runs that one only. SEEDS=1000 is the long campaign:
 * so many seeds more, divided by 20, for each step. With the sanitizers each third step and seed is run. */
#pragma once
#include "sim.h"

struct power { /* the first member of the test's world */
    struct sim *sim;
    struct sim_node *node; /* one.test: the one that loses its power */
    unsigned cuts;         /* so far */
};
struct power_test {
    const char *addresses;  /* of the node; NULL: 192.0.2.1 */
    int loops;              /* of the node; 0 = 1 */
    size_t size;            /* of the test's world, which begins as zeros */
    void (*begin)(void *w); /* from outside, before the power may go; or NULL */
    int (*work)(void *w);   /* a program of the node: what has to survive. Its steps are counted */
    void (*drive)(void *w); /* instead, from outside: runs the programs of all nodes until the work is done,
                             * boots what has lost its power; or NULL */
    int (*again)(void *w);  /* what goes on after a cut; NULL: work, or drive */
    int (*look)(void *w);   /* a program: judges what there is, after each cut and at the end; or NULL */
    int (*stock)(void *w);  /* a program: judges what there is at the end; or NULL */
    void (*check)(void *w); /* from outside, at the end; or NULL */
    unsigned rounds; /* so often the power goes at step k of the work before that is left alone; 0 = 1 */
    unsigned seeds;  /* for each step; 0 = 1 */
    uint64_t sparse; /* after so many steps only each fifth is cut at, but in a campaign; 0 = never */
    uint64_t least;  /* fewer steps than so many: what was to be tested did not happen */
    bool must_end;   /* whoever goes on after a cut ends with 0 */
};
/* At the end of each run the power goes once more, after the work is done. */
void power_cut_everywhere(const struct power_test *t);
/* Once with each of so many seeds, the disk failing by chance while the work is done and the power cut after
 * it (keep: not cut); then on a good disk as above. faults: of a seed. */
void power_bad_disk(const struct power_test *t, unsigned seeds, bool keep,
                    struct sim_faults (*faults)(uint64_t seed));
/* A program of the node, to its end. */
void power_run(void *w, int (*fn)(void *w));
/* A world as above, for what else a test does to it. */
void *power_begin(const struct power_test *t, uint64_t seed);
void power_end(const struct power_test *t, void *w); /* stock and check, too */
/* `usual`, more in a long campaign (SEEDS), a third of them with the sanitizers. */
uint64_t power_seeds(uint64_t usual);
