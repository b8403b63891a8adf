/* core.h - everything that a node is made of but its servers, opened in order and closed in reverse.
 * No global state: in the simulator several nodes run in one process. */
#pragma once
#include "rt/rt.h"

struct acme;
struct allowance;
struct api_keys;
struct audit;
struct backup_mx;
struct body_store;
struct config;
struct core_primary;
struct dmarc_store;
struct dns;
struct fetch;
struct greylist;
struct guard;
struct intake;
struct kv;
struct list_hop;
struct login;
struct mailauth_ctx;
struct people;
struct preflight_gate;
struct queue;
struct relay_conf;
struct sending_turn;
struct sends;
struct signing;
struct sources;
struct srs;
struct store;
struct sts;
struct tlsrpt;
struct web_names;

struct sending_turns {
    struct lock lock;
    struct sending_turn *first; /* core/sending.c */
};

struct core {
    const struct config *conf;
    struct arena arena; /* what lives as long as the node */
    struct dns *dns;
    struct fetch *fetch; /* in the simulator its transfer is for a test to set */
    struct store *store;
    struct people *people; /* of a directory elsewhere, or NULL */
    struct login *login;
    struct api_keys *keys;
    struct signing *signing;
    struct preflight_gate *preflight;
    struct core_primary *primary; /* who takes changes of the DNS */
    struct acme *acme;            /* or NULL: no authority is asked */
    struct sts *sts;              /* policies of other domains */
    struct srs *srs;
    struct sends *sends;
    struct sources *sources;
    struct queue *queue;
    struct dmarc_store *reports;
    struct tlsrpt *tls_reports;
    struct audit *audit; /* what administrators and keys did */
    struct guard *guard; /* without limits until serve() sets them */
    struct allowance *allowance;
    struct mailauth_ctx *mailauth;
    struct greylist *greylist; /* NULL: off */
    struct backup_mx *backup_mx;
    bool alerting;                /* somebody is being told (alerts_found()); atomic */
    struct relay_conf *relay;     /* what a node that serves sends with; NULL before */
    struct intake *intake;        /* the way in for every letter */
    struct list_hop *list_hop;    /* and the way out of lists */
    struct web_names *web;        /* what is known of names of our domains (certified.c) */
    size_t hosts_left_out;        /* names of others, without a certificate, as was told last */
    struct sending_turns sending; /* domains of customers that are being looked at */
    int64_t started;              /* unix seconds; 0 = not serving */
};

/* A resolver as the node's, which remembers nothing yet. To be closed. SUSPENDS. */
MUST_CHECK int core_fresh_dns(const struct core *core, struct arena *a, struct dns **out);
/* Opens DNS. Enough for `check` and `dns check`. On a fiber. */
MUST_CHECK int core_open_dns(struct core *core, const struct config *conf);
/* Opens DNS, store, signing and queue in the working directory (the home): store/index and
 * store/bodies. ERR_BUSY when a server has the store, ERR_NOT_FOUND when there is none. On a fiber; SUSPENDS.
 */
MUST_CHECK int core_open(struct core *core, const struct config *conf);
/* The same, and makes the store when there is none. For new homes. SUSPENDS. */
MUST_CHECK int core_make(struct core *core, const struct config *conf);
/* Accepts that what stands behind damage in the log of the index is lost: then core_open() does not refuse
 * it. ERR_STATE when there is no such damage. BLOCKS. */
MUST_CHECK int core_accept_loss(void);
/* core_open() on a store that the caller opened (the simulator's); it is taken over. */
MUST_CHECK int core_open_on(struct core *core, const struct config *conf, struct dns *dns, struct kv *kv,
                            struct body_store *body);
void core_close(struct core *core); /* SUSPENDS */

/* How letters leave from here; own listeners lie in the arena. Without a TLS context: the caller's. */
void core_relay(struct core *core, struct arena *a, struct relay_conf *out); /* SUSPENDS */
/* The domain that stands for the node where one is needed: the one whose mail.D is the hostname,
 * else the first. Empty when there is none. */
struct slice core_domain(struct core *core, struct arena *a);
