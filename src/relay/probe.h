/* probe.h - what a letter to a domain would meet: its hosts, what each must show before it gets one, and,
 * when asked, what a session with it shows. For people who want to know why. */
#pragma once
#include "relay.h"

enum { RELAY_HOST_IPS = 4 };
struct relay_host {
    struct slice name;
    uint16_t preference;
    struct ip ip[RELAY_HOST_IPS];
    size_t n;
    bool secure; /* DNSSEC proves the addresses */
    struct policy policy;
    bool tried, good;     /* a session was tried; a letter would have gone over it */
    struct slice session; /* how it was encrypted, or why it is of no use */
};
struct relay_probe {
    bool route;  /* the operator names the host */
    bool secure; /* DNSSEC proves which hosts they are */
    struct sts_found sts;
    struct relay_host *host; /* in the order in which they are tried */
    size_t n;
};
/* What a domain's servers say of an address. */
enum relay_word {
    RELAY_TAKES,
    RELAY_REFUSES, /* the address; whatever else is refused is RELAY_LATER */
    RELAY_LATER,   /* it answers, and says neither */
    RELAY_SILENT,  /* nobody answers */
};
struct relay_said {
    enum relay_word word;
    struct slice text; /* its words, or why there are none; in the arena */
};
/* Asks the servers of the domain, which a letter would go to, with MAIL FROM:<> and RCPT TO, and goes no
 * further (RFC 5321 section 3.3). Who speaks for itself in the MX records is no server of it. SUSPENDS, until
 * the deadline. */
void relay_verify(const struct relay_conf *conf, struct arena *a, struct slice domain, struct slice address,
                  struct relay_said *out);
/* connect: also opens a session with the first address of each. In the arena. ERR_NOT_FOUND, ERR_DNS with the
 * sentence of a letter that cannot go. SUSPENDS. */
MUST_CHECK int relay_probe(const struct relay_conf *conf, struct arena *a, struct slice domain, bool connect,
                           struct relay_probe *out);

/* Does the proxy that a source leaves by let us in? 0, or why not. SUSPENDS. */
struct source;
MUST_CHECK int relay_try_proxy(const struct source *s);
