/* world_sim.h - a whole server in the simulator, for the tests and session fuzzers of this folder:
 * mail.one.test at 127.0.0.2 and 198.51.100.2, ports moved by 10000, with three users whose password is
 * "secret". What it may do is in `conf`, to be changed before it starts. */
#pragma once
#include "core/config.h"
#include "node.h"
#include "sim/sim.h"

enum { USERS = 3 };
extern const char *const server_users[USERS];

struct server {
    struct config conf;
    bool ready, failed;
    bool disk_fails; /* so a start may, too, and is tried again */
    /* Names that end in silent.test get no answer; each question takes one of so many ports until its asker
     * gives up, and others wait for one. 0: all are answered at once. */
    int dns_ports;
};
void server_configure(struct server *s);
/* Opens the store on the node's disk and the DNS of this world. */
int server_open_core(struct core *core, struct server *s);
int server_main(void *arg); /* the node's program; arg: struct server. Boots, serves until SIGTERM */
