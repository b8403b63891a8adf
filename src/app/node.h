/* node.h - everything that one server is made of, opened in order and closed in reverse.
 * No global state: in the simulator several nodes run in one process. */
#pragma once
#include "config.h"
#include "dns/dns.h"
#include "imapd/imapd.h"
#include "mailauth/mailauth.h"
#include "popd/popd.h"
#include "queue/dmarc_store.h"
#include "queue/queue.h"
#include "queue/signing.h"
#include "relay/relay.h"
#include "smtpd/smtpd.h"
#include "store/directory.h"

struct node {
    const struct config *conf;
    struct arena arena;          /* what lives as long as the node */
    struct dns *dns;
    struct store *store;
    struct signing *signing;
    struct preflight_gate *preflight;
    struct queue *queue;
    struct dmarc_store *reports;
    struct relay *relay;         /* these only while serving */
    struct tls_ctx *tls_server, *tls_client;
    struct mailauth_ctx mailauth;
    struct smtpd *smtpd;
    struct imapd *imapd;
    struct popd *popd;
    int64_t started;             /* unix seconds; 0 = not serving */
};

/* Opens DNS. Enough for `check` and `dns check`. On a fiber. */
MUST_CHECK int node_open_dns(struct node *n, const struct config *conf);
/* Opens DNS, store, signing and queue in the working directory (the home): store/index and
 * store/bodies. ERR_BUSY when a server has the store. On a fiber; SUSPENDS. */
MUST_CHECK int node_open(struct node *n, const struct config *conf);
/* The same on a store that the caller opened (the simulator's); it is taken over. */
MUST_CHECK int node_open_on(struct node *n, const struct config *conf, struct dns *dns, struct kv *kv,
                            struct body_store *body);
void node_close(struct node *n); /* SUSPENDS */

/* Opens the servers and the relay, and starts the queue. certificate and key: PEM. SUSPENDS. */
MUST_CHECK int node_start(struct node *n, struct slice certificate, struct slice key);

/* The domain that stands for the node where one is needed: the one whose mail.D is the hostname,
 * else the first. Empty when there is none. */
struct slice node_domain(struct node *n, struct arena *a);
