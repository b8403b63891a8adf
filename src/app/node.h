/* node.h - a node that serves: its core, and the servers and the relay over it. */
#pragma once
#include "core/core.h"

struct api;
struct httpd;
struct imapd;
struct popd;
struct relay;
struct smtpd;
struct tls_ctx;

struct node {
    struct core core;
    struct relay *relay;
    struct tls_ctx *tls_server, *tls_client;
    struct smtpd *smtpd;
    struct imapd *imapd;
    struct popd *popd;
    struct api *api;
    struct httpd *httpd;
};

/* Opens the servers and the relay over a core that the caller opened, and starts the queue.
 * certificate and key: PEM. SUSPENDS. */
MUST_CHECK int node_start(struct node *n, struct slice certificate, struct slice key);
/* Reads again who certifies people (setting client_authorities). BLOCKS. */
MUST_CHECK int node_client_authorities(struct node *n);
/* Closes what node_start opened, and the core; also after a start that failed. SUSPENDS. */
void node_stop(struct node *n);
