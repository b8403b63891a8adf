/* main.c - the program: the command line, and the servers for `tram serve`. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "command/cli.h"
#include "core/certificate.h"
#include "core/home.h"
#include "fenced.h"
#include "rt/notify.h"
#include "serve.h"

static void say_ready(void *arg)
{
    (void)arg;
    printf("ready\n");
    fflush(stdout);
    notify_say("READY=1");
}

static int prepare(const struct config *conf)
{
    log_set_level(conf->log_level);
    log_set_json(conf->log_json);
    if (notify_is_journal()) log_for_journal();
    return fenced_start(conf);
}

static int serve_home(void *arg)
{
    struct config *c = arg;
    struct arena a;
    struct slice certificate, key;
    struct node *n = xcalloc(1, sizeof *n);
    ar_init(&a, 0);
    int e = home_unstage(); /* of a backup or restore that was broken off */
    if (!e) e = core_open(&n->core, c);
    if (!e) {
        e = core_certificate(&n->core, &a, &certificate, &key);
        if (!e) e = node_start(n, certificate, key);
        if (!e) e = serve(n, true, say_ready, NULL);
        node_stop(n);
    }
    ar_free(&a);
    free(n);
    return e;
}

int main(int argc, char **argv)
{
    static const struct cli_server server = {prepare, serve_home};
    memory_begin();
    return cli_main(argc, argv, &server);
}
