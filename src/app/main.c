/* main.c - the program: the command line, and the servers for `tram serve`. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "command/cli.h"
#include "core/certificate.h"
#include "core/home.h"
#include "crypto/crypto.h"
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

/* A function that runs while this serves. */
struct meanwhile {
    const struct cli_while *w;
    struct core *core;
    struct group serving, working;
    int result;
};

static void work(void *arg)
{
    struct meanwhile *m = arg;
    m->w->fn(m->w->arg, m->core);
    group_cancel(&m->serving);
}

static void go_to_work(void *arg)
{
    struct meanwhile *m = arg;
    m->result = group_go(&m->working, "trial", work, m);
    if (m->result) group_cancel(&m->serving);
}

/* m: what else there is to do, or NULL. */
static int serve_home_and(struct config *c, struct meanwhile *m)
{
    struct arena a;
    struct slice certificate, key;
    struct node *n = xcalloc(1, sizeof *n);
    ar_init(&a, 0);
    int e = home_unstage(); /* of a backup or restore that was broken off */
    if (!e) e = core_open(&n->core, c);
    if (!e) {
        e = core_certificate(&n->core, &a, &certificate, &key);
        if (!e) e = node_start(n, certificate, key);
        ar_free(&a); /* the key as it is in its file */
        if (m) m->core = &n->core;
        if (!e) e = serve(n, true, m ? go_to_work : say_ready, m);
        if (m) group_cancel(&m->working);
        if (m) (void)group_wait(&m->working);
        node_stop(n);
    }
    free(n);
    return e;
}

static int serve_home(void *conf) { return serve_home_and(conf, NULL); }

static void serve_fiber(void *arg)
{
    struct meanwhile *m = arg;
    int e = serve_home_and(m->w->conf, m);
    if (e) m->result = e;
}

static int serve_while(void *arg)
{
    struct meanwhile m = {.w = arg};
    group_init(&m.serving);
    group_init(&m.working);
    int e = group_go(&m.serving, "serve", serve_fiber, &m);
    if (!e) e = group_wait(&m.serving);
    return e ? e : m.result;
}

int main(int argc, char **argv)
{
    static const struct cli_server server = {prepare, serve_home, serve_while};
    memory_begin();
    crypto_begin();
    return cli_main(argc, argv, &server);
}
