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
/* connect: also opens a session with the first address of each. In the arena. ERR_NOT_FOUND, ERR_DNS with the
 * sentence of a letter that cannot go. SUSPENDS. */
MUST_CHECK int relay_probe(const struct relay_conf *conf, struct arena *a, struct slice domain, bool connect,
                           struct relay_probe *out);
