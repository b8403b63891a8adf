/* sim.h - the simulated twin of the runtime: many nodes, one process, one seed.
 *
 * Linked in place of the real world (librtsim instead of librt). A test makes a
 * world, gives it nodes, starts programs on them, and runs it until nothing is
 * left to do or a virtual time has passed. The same seed gives the same run:
 * the next ready fiber, delays, faults and random bytes all come from it.
 *
 *     struct sim *s = sim_new(seed);
 *     struct sim_node *a = sim_node(s, "one.test", "127.0.0.2");
 *     sim_node_start(a, server_main, &config);      (any number of programs on a node)
 *     sim_run(s, 5 * 86400 * RT_S);
 *     sim_free(&s);
 *
 * One world exists at a time, all of it on the calling thread. Each program has one
 * loop or several (sim_node_loops), whose fibers and posts run in any order; what it hands to workers and
 * offload() runs as further fibers, which let others run at each step on the disk. The disk's model stands in
 * sim_disk.h, the network's in sim_net.h. The C library's time() gives the world's time while there is a
 * world, and OpenSSL draws its randomness from the seed, so that TLS repeats as well. */
#pragma once
#include "rt/rt.h"

struct sim;
struct sim_node;
enum { SIM_LOOPS_MAX = 4 };

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim **s);

/* A host: its addresses (comma separated), disk, clock. Names are for messages. Besides, each
 * node answers itself at 127.0.0.1, ::1 and any other loopback address that no node was given. */
struct sim_node *sim_node(struct sim *s, const char *name, const char *addresses);
/* Loops of the programs that are started from now on: 1 to SIM_LOOPS_MAX; 1 if never called. What waits on
 * one loop and is woken from another fails an assertion, here as in the real world. */
void sim_node_loops(struct sim_node *n, int loops);
/* Runs main_fn(arg) as the first fiber of a program on the node: what rt_run()
 * does in the real world. The value it returned: sim_node_result(). When it returns, what is
 * left of the program is canceled. After a power cut the start waits until the fibers of the
 * old run have unwound. */
void sim_node_start(struct sim_node *n, int (*main_fn)(void *), void *arg);
int sim_node_result(struct sim_node *n);   /* of the program that ended last */
bool sim_node_running(struct sim_node *n); /* is there a fiber of it, or a start that waits? */
struct sim_node *sim_self(void);           /* the node of the current fiber */

/* Runs until virtual time `until` (ns from the start of the world; the scale of rt_now()) or until
 * no fiber can ever run again. Returns the virtual time reached: less than `until` in the second
 * case. Not from within a fiber: a test's own fibers are programs on a node like any other. */
int64_t sim_run(struct sim *s, int64_t until);

/* Power cut: no fiber of the node touches the world any more (each blocking call
 * fails with ERR_CANCELED while they unwind), what was not synced survives or
 * not, piece by piece, as the seed says. Connections reset. sim_node_start()
 * afterwards boots it again on the disk that is left. From anywhere, the node itself included. */
void sim_kill(struct sim_node *n);
/* Kills the node at its k-th durable step from now (each file write, sync, truncate
 * and each making, link, rename, unlink or sync of names counts one, before it happens);
 * 0 = never. To try every step: k = 1, 2, ... until a run is not killed. */
void sim_kill_at_step(struct sim_node *n, uint64_t k);
uint64_t sim_steps(struct sim_node *n); /* durable steps so far */

/* Faults, each as a chance in 1/1000000 for one event, decided by the seed. */
struct sim_faults {
    uint32_t reset;         /* a segment resets its connection */
    uint32_t refuse;        /* a connect is refused */
    uint32_t stall;         /* a segment waits for minutes */
    uint32_t write_fails;   /* a file write, sync or change of a name: ERR_IO */
    uint32_t disk_full;     /* a file write fails with ERR_FULL */
    uint32_t sync_full;     /* a file sync fails with ERR_FULL: what was written may be there or not */
    uint32_t no_descriptor; /* opening a file, accepting or connecting fails with ERR_BUSY */
    uint32_t read_fails;
    int64_t delay_min, delay_max; /* of a segment, ns; both 0: 0.2 to 20 ms */
};
void sim_faults(struct sim *s, const struct sim_faults *f);
/* While two nodes are cut off from each other, what is sent waits and is sent again as TCP does;
 * a connection ends with ERR_TIMEOUT after about 15 minutes, a dial after two. A dial to a
 * node without power waits in the same way. */
void sim_partition(struct sim *s, struct sim_node *a, struct sim_node *b, bool cut);
/* Moves the node's wall clock; rt_now() is not touched. */
void sim_clock_skew(struct sim_node *n, int64_t microseconds);
void sim_disk_limit(struct sim_node *n, uint64_t bytes); /* ERR_FULL above it */
void sim_signal(struct sim_node *n, int signo);          /* what rt_wait_signal() returns there */
/* A hash over everything that happened, to prove that two runs were the same. */
uint64_t sim_digest(struct sim *s);
