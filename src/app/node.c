/* node.c - opening and closing a node. */
#include "node.h"

#include "kv/kv.h"
#include "rt/file.h"

static bool trusts_sealer(void *arg, struct slice sealer)
{
    const struct config *c = arg;
    for (size_t i = 0; i < c->ntrusted_sealers; i++)
        if (sl_eqi(c->trusted_sealers[i], sealer)) return true;
    return false;
}

static void prepare(struct node *n, const struct config *conf)
{
    *n = (struct node){.conf = conf};
    ar_init(&n->arena, 0);
}

static void set_dns(struct node *n, struct dns *dns)
{
    n->dns = dns;
    n->mailauth = (struct mailauth_ctx){
        .dns = dns,
        .hostname = n->conf->hostname,
        .trusts_sealer = trusts_sealer,
        .trusts_arg = (void *)n->conf,
    };
}

static int open_dns(const struct config *conf, struct arena *a, struct dns **out)
{
    if (conf->zone.n) return dns_open_zone(out, ar_cstr(a, conf->zone));
    return dns_open_unbound(out, conf->has_resolver ? &conf->resolver : NULL);
}

int node_open_dns(struct node *n, const struct config *conf)
{
    struct dns *dns;
    prepare(n, conf);
    int e = open_dns(conf, &n->arena, &dns);
    if (!e) set_dns(n, dns);
    return e;
}

static int open_store_files(struct kv **kv, struct body_store **body)
{
    int e = path_mkdir("store");
    if (e == ERR_EXISTS) e = 0;
    if (!e) e = kv_rocks_open(kv, "store/index");
    if (e) return e;
    e = body_open(body, "store/bodies", 0);
    if (e) kv_close(kv);
    return e;
}

int node_open(struct node *n, const struct config *conf)
{
    struct dns *dns = NULL;
    struct kv *kv;
    struct body_store *body;
    prepare(n, conf);
    int e = open_dns(conf, &n->arena, &dns);
    if (!e) e = open_store_files(&kv, &body);
    if (e) {
        if (dns) dns_close(&dns);
        return e;
    }
    return node_open_on(n, conf, dns, kv, body);
}

/* Without one address of our own the system chooses where letters leave from. */
static void open_preflight(struct node *n)
{
    struct preflight_gate_conf pc = {
        .dns = n->dns,
        .store = n->store,
        .signing = n->signing,
        .helo = n->conf->hostname,
        .policy = n->conf->preflight,
    };
    if (n->conf->nlisten && !ip_is_unspecified(&n->conf->listen[0])) pc.source = n->conf->listen[0];
    n->preflight = preflight_gate_new(&pc);
}

int node_open_on(struct node *n, const struct config *conf, struct dns *dns, struct kv *kv,
                 struct body_store *body)
{
    prepare(n, conf);
    set_dns(n, dns);
    int e = store_open(&n->store, kv, body);
    if (!e) e = signing_open(&n->signing, n->store);
    if (!e) open_preflight(n);
    struct queue_conf qc = {
        .hostname = conf->hostname,
        .signing = n->signing,
        .retry_first_s = conf->queue_retry_first_s,
        .retry_most_s = conf->queue_retry_most_s,
        .lifetime_s = conf->queue_lifetime_s,
        .delay_warning_s = conf->queue_delay_warning_s,
    };
    if (!e) e = queue_open(&n->queue, n->store, &qc);
    struct dmarc_store_conf rc = {
        .store = n->store,
        .queue = n->queue,
        .signing = n->signing,
        .dns = n->dns,
        .hostname = conf->hostname,
        .gather = conf->dmarc_reports,
    };
    if (!e) e = dmarc_store_open(&n->reports, &rc);
    if (e) node_close(n);
    return e;
}

void node_close(struct node *n)
{
    if (n->queue) queue_close(&n->queue);
    if (n->relay) relay_close(&n->relay);
    if (n->smtpd) smtpd_close(&n->smtpd);
    if (n->imapd) imapd_close(&n->imapd);
    if (n->popd) popd_close(&n->popd);
    dmarc_store_close(&n->reports);
    preflight_gate_free(&n->preflight);
    signing_close(&n->signing);
    if (n->store) store_close(&n->store);
    if (n->dns) dns_close(&n->dns);
    if (n->tls_server) tls_free(&n->tls_server);
    if (n->tls_client) tls_free(&n->tls_client);
    ar_free(&n->arena);
}

static int start_tls(struct node *n, struct slice certificate, struct slice key)
{
    int e = tls_server_new(&n->tls_server, NULL);
    if (!e) e = tls_server_add_cert(n->tls_server, certificate, key);
    if (!e) e = tls_client_new(&n->tls_client, (struct slice){0});
    return e;
}

static int start_relay(struct node *n)
{
    const struct config *c = n->conf;
    struct endpoint *own = ar_array(&n->arena, struct endpoint, c->nlisten);
    uint16_t port = (uint16_t)(25 + c->port_offset);
    for (size_t i = 0; i < c->nlisten; i++) own[i] = (struct endpoint){.ip = c->listen[i], .port = port};
    struct relay_conf rc = {
        .store = n->store,
        .dns = n->dns,
        .tls = n->tls_client,
        .hostname = c->hostname,
        .port = port,
        .own = own,
        .nown = c->nlisten,
    };
    if (c->nlisten && !ip_is_unspecified(&c->listen[0])) rc.source = c->listen[0];
    return relay_open(&n->relay, &rc);
}

static int start_servers(struct node *n)
{
    const struct config *c = n->conf;
    struct smtpd_conf sc = {
        .store = n->store,
        .queue = n->queue,
        .signing = n->signing,
        .mailauth = &n->mailauth,
        .arc_seal = c->arc_seal,
        .preflight = n->preflight,
        .reports = n->reports,
        .tls = n->tls_server,
        .hostname = c->hostname,
        .size_max = c->size_max,
        .rcpts_max = c->rcpts_max,
    };
    struct imapd_conf ic = {
        .store = n->store, .tls = n->tls_server, .hostname = c->hostname, .append_max = c->size_max};
    struct popd_conf pc = {.store = n->store, .tls = n->tls_server, .hostname = c->hostname};
    int e = smtpd_open(&n->smtpd, &sc);
    if (!e) e = imapd_open(&n->imapd, &ic);
    if (!e) e = popd_open(&n->popd, &pc);
    return e;
}

int node_start(struct node *n, struct slice certificate, struct slice key)
{
    int e = start_tls(n, certificate, key);
    if (!e) e = start_relay(n);
    if (!e) e = start_servers(n);
    if (!e) e = queue_start(n->queue, relay_deliver, n->relay);
    if (!e) n->started = rt_wall_seconds();
    return e;
}

struct slice node_domain(struct node *n, struct arena *a)
{
    struct domain *d;
    size_t count;
    if (domain_list(n->store, a, &d, &count) || !count) return (struct slice){0};
    for (size_t i = 0; i < count; i++)
        if (sl_endsi(n->conf->hostname, d[i].name) && n->conf->hostname.n > d[i].name.n &&
            n->conf->hostname.p[n->conf->hostname.n - d[i].name.n - 1] == '.')
            return d[i].name;
    return d[0].name;
}
