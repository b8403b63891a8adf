/* main.c - the program: the command line, and the servers for `tram serve`. */
#include <stdio.h>
#include <stdlib.h>

#include "command/cli.h"
#include "core/home.h"
#include "serve.h"

static void say_ready(void *arg)
{
    (void)arg;
    printf("ready\n");
    fflush(stdout);
}

static int serve_home(void *arg)
{
    struct config *c = arg;
    struct arena a;
    struct slice certificate, key;
    struct node *n = xcalloc(1, sizeof *n);
    ar_init(&a, 0);
    log_set_level(c->log_level);
    int e = home_certificate(c, &a, &certificate, &key);
    if (!e) e = core_open(&n->core, c);
    if (!e) {
        e = node_start(n, certificate, key);
        if (!e) e = serve(n, true, say_ready, NULL);
        node_stop(n);
    }
    ar_free(&a);
    free(n);
    return e;
}

int main(int argc, char **argv) { return cli_main(argc, argv, serve_home); }
