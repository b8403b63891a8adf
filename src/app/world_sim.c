/* world_sim.c - a whole server in the simulator. */
#include "world_sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "body/body.h"
#include "core/config.h"
#include "directory/directory.h"
#include "rt/tls.h"
#include "serve.h"
#include "store/store.h"

const char *const server_users[USERS] = {"alice", "bob", "carol"};
static const char zone[] = "elsewhere.test. IN TXT \"v=spf1 +all\"\nelsewhere.test. IN MX 0 .\n"
                           "one.test. IN MX 10 mail.one.test.\nmail.one.test. IN A 127.0.0.2\n"
                           "far.test. IN MX 10 mail.far.test.\nmail.far.test. IN A 203.0.113.9\n";

void server_configure(struct server *s)
{
    config_defaults(&s->conf);
    s->conf.hostname = SL("mail.one.test");
    s->conf.nlisten = 0;
    ip_parse(SL("127.0.0.2"), &s->conf.listen[s->conf.nlisten++]);
    ip_parse(SL("198.51.100.2"), &s->conf.listen[s->conf.nlisten++]);
    s->conf.port_offset = 10000;
    s->conf.alert_mail = false; /* worlds have what DNS their tests are about */
    s->conf.queue_retry_first_s = 5;
}

static int first_boot(struct core *core)
{
    int e = domain_add(core->store->directory, SL("one.test"));
    for (int i = 0; i < USERS && (!e || e == ERR_EXISTS); i++) {
        char address[64];
        snprintf(address, sizeof address, "%s@one.test", server_users[i]);
        e = account_add(core->store->directory, sl_cstr(address), SL("secret"));
    }
    return e == ERR_EXISTS ? 0 : e;
}

/* ---- a resolver with few ports ---- */

static struct narrow {
    struct dns *zone;
    int ports;
    struct waitq free;
} narrow; /* one world at a time */

static int narrow_ask(void *arg, struct arena *a, struct slice name, enum dns_type type,
                      struct dns_answer *out)
{
    struct narrow *x = arg;
    int e = 0;
    while (!x->ports && !e) e = waitq_wait(&x->free);
    if (e) return e;
    x->ports--;
    e = sl_ends(name, SL("silent.test")) ? fiber_sleep(3600 * RT_S) : dns_ask(x->zone, a, name, type, out);
    x->ports++;
    waitq_wake_one(&x->free);
    return e;
}

static int open_dns(struct dns **out, struct server *s)
{
    int e = dns_open_zone_text(out, sl_cstr(zone));
    if (e || !s->dns_ports) return e;
    narrow = (struct narrow){.zone = *out, .ports = s->dns_ports};
    waitq_init(&narrow.free);
    *out = dns_open_func(narrow_ask, &narrow);
    return 0;
}

int server_open_core(struct core *core, struct server *s)
{
    struct dns *dns;
    struct kv *kv;
    struct body_store *body;
    int e = open_dns(&dns, s);
    if (!e) e = kv_mem_open(&kv, "index.log");
    if (!e) e = body_open(&body, "bodies", 0);
    return e ? e : core_open_on(core, &s->conf, dns, kv, body);
}

static void is_ready(void *arg)
{
    struct server *s = arg;
    s->ready = true;
}

int server_main(void *arg)
{
    struct server *s = arg;
    struct node *n = xcalloc(1, sizeof *n);
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("mail.one.test");
    int e = server_open_core(&n->core, s);
    if (!e) {
        e = first_boot(&n->core);
        if (!e) e = tls_self_signed(&name, 1, 30, &chain, &key);
        if (!e) e = node_start(n, buf_slice(&chain), buf_slice(&key));
        if (!e) e = serve(n, false, is_ready, s);
        node_stop(n);
        dns_close(&narrow.zone);
    }
    if (e && e != ERR_CANCELED && !s->disk_fails) {
        s->failed = true;
        printf("    the server ended with %s: %s\n", err_name(e), err_text(e));
    }
    buf_free(&chain);
    buf_free(&key);
    free(n);
    return e;
}
