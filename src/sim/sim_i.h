/* sim_i.h - inside the simulator: the world, its nodes, and the programs on them.
 *
 * One struct loop runs the fibers of all programs. What loop->node and a fiber's
 * member.node point at is a struct sim_place: a program, and whether the code runs on
 * one of its loops or on one of its threads. */
#pragma once
#include "disk_i.h"
#include "rng_i.h"
#include "rt/rt_i.h"
#include "sim.h"

struct sim_place {
    struct sim_prog *prog;
    int loop;            /* rt_loop_id(): -1 on a worker's or offload's thread */
    struct link posts;   /* struct post, oldest first */
    struct link posting; /* in sim->posting while posts is not empty */
};

struct sim_pool { /* the threads of one kind of offload */
    struct turns waiting;
    int busy;
};

/* One run of a program on a node, from its start until its last fiber is gone. */
struct sim_prog {
    struct link link; /* in node->progs; in node->boots while it has not begun */
    struct sim_node *node;
    struct sim_place on_loop[SIM_LOOPS_MAX], on_thread;
    int loops;
    uint64_t id; /* from 1, in order of starting: never an address in the digest */
    int (*main_fn)(void *);
    void *arg;
    bool ending;       /* main_fn has returned: all else is canceled */
    bool dead;         /* killed: touches the world no more */
    struct link socks; /* all it owns */
    struct waitq signals;
    unsigned signal_bits; /* arrived, not yet taken */
    struct sim_pool pools[RT_POOLS];
};

struct sim_node {
    struct link link;
    struct sim *sim;
    char *name;
    struct ip *ip; /* the addresses that only it has */
    size_t nip;
    unsigned id;
    bool up; /* false from sim_kill() to the next start */
    struct link progs, boots;
    int result, loops;
    int64_t skew; /* of its wall clock, microseconds */
    struct disk disk;
    uint64_t steps, kill_at; /* kill_at: the value of steps at which it dies; 0 = never */
    uint16_t next_port;
};

struct cut {
    struct link link;
    struct sim_node *a, *b;
};

struct sim {
    struct loop loop;
    int64_t now;
    uint64_t digest, progs, socks;
    struct sim_rng sched, net, disk, app, openssl;
    struct link nodes, cuts;
    struct link ports;   /* struct port: what is listened at */
    struct link ringing; /* struct sock whose watch is to be called */
    struct link posting; /* struct sim_place */
    size_t nposting;
    struct sim_faults faults;
};

extern struct sim *the_sim; /* the one world that exists, or NULL */

struct sim_place *sim_here(void); /* where the running code is; never NULL (asserted) */
struct sim_prog *sim_prog_now(void);
/* May the running code touch the world? 0 or ERR_CANCELED with the sentence set. */
MUST_CHECK int sim_alive(void);
/* A fiber in another place than the caller's. NULL: no stack. */
struct fiber *sim_fiber(struct sim_place *at, const char *name, fiber_fn *fn, void *arg);
/* The running code is on one of its program's threads: lets virtual time pass and others run. No effect
 * elsewhere, in a dead program, or while a lock is held. */
void sim_thread_pause(int64_t least, int64_t most);

enum sim_event {
    EV_RUN = 1,
    EV_POST,
    EV_START,
    EV_END,
    EV_KILL,
    EV_SIGNAL,
    EV_SEND,
    EV_ARRIVE,
    EV_CONNECT,
    EV_REFUSE,
    EV_RESET,
    EV_CLOSE,
    EV_WRITE,
    EV_SYNC,
    EV_NAME,
    EV_TRUNCATE,
    EV_FAULT,
    EV_RANDOM,
};
void sim_note(enum sim_event what, uint64_t a, uint64_t b); /* into the digest, with the time */

void sim_run_post(struct sim_place *at); /* the oldest of its posts */

/* ---- network ---- */
void sim_ring_all(struct sim *s); /* calls the watches that are due (sim_sock.c) */
/* The program has lost its power or ended: peers see a reset, calls on its sockets fail. */
void sim_net_drop(struct sim_prog *p);
void sim_net_free(struct sim_prog *p); /* and what it never closed is freed */
