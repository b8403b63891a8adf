/* relay.h - outbound: finds the receiving server of a domain, connects, hands letters over. */
#pragma once
#include "dns/dns.h"
#include "outgoing/srs.h"
#include "policy/policy.h"
#include "queue/queue.h"
#include "route.h"
#include "rt/conn.h"

struct relay_conf { /* borrowed, outlives the relay */
    struct dns *dns;
    struct tls_ctx *tls; /* a client's context */
    struct sts *sts;     /* the policies of domains; NULL: there are none */
    policy_note *note;   /* hears what came of each session with a server; or NULL */
    void *note_ctx;
    struct signing *signing; /* for what is converted on the way; NULL: it goes unsigned */
    const struct srs *srs;   /* for return paths of strangers' letters that go on; NULL: they stay */
    struct slice hostname;   /* for EHLO */
    uint16_t port;           /* 25, or 25 plus the trial offset */
    struct ip source;        /* leave from this address; family 0 = the system's choice */
    struct ip other; /* from this one to hosts of the other family (0.0.0.0 or ::, from any); family 0: those
                        are not reached */
    const struct source *via; /* by whose proxy connections leave; NULL: by none */
    unsigned families; /* of the sources a letter may leave from instead (queue.h); 0: there are none */
    const struct endpoint *own; /* our own listeners on that port: an MX that is one of them is a loop;
                                   0.0.0.0 or :: stands for loopback as well */
    size_t nown;
    const struct relay_route *route; /* the first that fits goes before the DNS */
    size_t nroutes;
    uint32_t site_connections; /* at most so many at once to one site; 0 = as share/shaping says */
};
struct relay;
/* SUSPENDS. */
MUST_CHECK int relay_open(struct relay **out, const struct relay_conf *conf);
void relay_close(struct relay **r);                         /* SUSPENDS: closes kept connections */
void relay_deliver(void *relay, struct attempt_letter *at); /* a queue_relay */
