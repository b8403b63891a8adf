/* node.c - the servers of a node, opened over its core and closed before it. */
#include "node.h"
#include "base/log.h"

#include "api/api.h"
#include "core/home.h"
#include "httpd/httpd.h"
#include "imapd/imapd.h"
#include "popd/popd.h"
#include "relay/relay.h"
#include "send/send.h"
#include "smtpd/smtpd.h"

int node_client_authorities(struct node *n)
{
    struct arena a = {0};
    struct slice pem;
    int e = home_client_authorities(n->core.conf, &a, &pem);
    if (!e && pem.n) e = tls_server_ask(n->tls_server, pem);
    ar_free(&a);
    return e ? err_prefix(e, "client_authorities") : 0;
}

static int start_tls(struct node *n, struct slice certificate, struct slice key)
{
    int e = tls_server_new(&n->tls_server, NULL);
    if (!e) e = tls_server_add_cert(n->tls_server, certificate, key);
    if (!e) e = node_client_authorities(n);
    if (!e) e = home_tls_client(n->core.conf, &n->tls_client);
    return e;
}

static int start_relay(struct node *n)
{
    struct relay_conf *rc = ar_new(&n->core.arena, struct relay_conf);
    core_relay(&n->core, &n->core.arena, rc);
    rc->tls = n->tls_client;
    int e = home_routes(n->core.conf, &n->core.arena, rc);
    if (!e) e = relay_open(&n->relay, rc);
    if (!e) n->core.relay = rc;
    return e;
}

static bool may_xclient(const void *conf, const struct ip *ip)
{
    const struct config *c = conf;
    return config_lists(c->xclient_from, c->nxclient_from, ip);
}

static int read_url(void *imapd, struct slice url, const char *account, uint64_t max,
                    int (*each)(void *arg, struct slice piece), void *arg)
{
    return imapd_url_submit(imapd, url, account, max, each, arg);
}

static int start_servers(struct node *n)
{
    const struct config *c = n->core.conf;
    struct smtpd_conf sc = {
        .store = n->core.store,
        .login = n->core.login,
        .intake = n->core.intake,
        .tls = n->tls_server,
        .rcpts_max = c->rcpts_max,
        .trusts = may_xclient,
        .trusts_arg = c,
        .logins = c->login_mechanisms,
        .greeting_delay_s = c->greeting_delay_s,
        .url = read_url,
    };
    struct imapd_conf ic = {.store = n->core.store,
                            .login = n->core.login,
                            .tls = n->tls_server,
                            .hostname = c->hostname,
                            .public_account = c->public_account,
                            .append_max = c->size_max,
                            .annotate = c->annotate,
                            .logins = c->login_mechanisms};
    struct popd_conf pc = {.store = n->core.store,
                           .login = n->core.login,
                           .tls = n->tls_server,
                           .hostname = c->hostname,
                           .logins = c->login_mechanisms,
                           .login_delay = c->pop3_login_delay};
    int e = imapd_open(&n->imapd, &ic);
    sc.url_arg = n->imapd;
    if (!e) e = smtpd_open(&n->smtpd, &sc);
    if (!e) e = popd_open(&n->popd, &pc);
    return e;
}

static int start_http(struct node *n)
{
    struct httpd_conf hc = {.tls = n->tls_server, .https_port = (uint16_t)(443 + n->core.conf->port_offset)};
    api_open(&n->api, &n->core);
    hc.group = api_groups(n->api, &hc.ngroups);
    return httpd_open(&n->httpd, &hc);
}

int node_start(struct node *n, struct slice certificate, struct slice key)
{
    ASSERT(n->core.store && !n->relay && !n->smtpd);
    int e = start_tls(n, certificate, key);
    if (!e) e = start_relay(n);
    if (!e) e = start_servers(n);
    if (!e) e = start_http(n);
    if (!e) e = sends_start(n->core.sends, n->core.queue); /* the queue asks it about its letters */
    if (!e) e = queue_start(n->core.queue, relay_deliver, n->relay);
    if (!e) n->core.started = rt_wall_seconds();
    return e;
}

void node_stop(struct node *n)
{
    sends_stop(n->core.sends);
    if (n->core.queue) queue_close(&n->core.queue); /* first: its attempts use the relay */
    if (n->relay) relay_close(&n->relay);
    if (n->smtpd) smtpd_close(&n->smtpd);
    if (n->imapd) imapd_close(&n->imapd);
    if (n->popd) popd_close(&n->popd);
    if (n->httpd) httpd_close(&n->httpd);
    if (n->api) api_close(&n->api);
    core_close(&n->core);
    if (n->tls_server) tls_free(&n->tls_server);
    if (n->tls_client) tls_free(&n->tls_client);
}
