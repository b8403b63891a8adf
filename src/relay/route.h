/* route.h - where letters go that do not go by the DNS: to a smarthost, to a server of one's own. Pure. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum { RELAY_ROUTES_MAX = 1000 };
enum route_tls { ROUTE_TLS_MAY, ROUTE_TLS_NONE, ROUTE_TLS_ENCRYPTED, ROUTE_TLS_VERIFIED };
enum route_login { ROUTE_LOGIN_ANY, ROUTE_LOGIN_SCRAM, ROUTE_LOGIN_PLAIN };
struct relay_route {
    struct slice from; /* of senders: an address or a domain; empty: of all */
    struct slice to;   /* a domain in A-labels, ".domain" for those below it, "*" for all */
    bool lmtp;         /* RFC 2033 */
    struct slice host; /* a name or an address without brackets; empty with: */
    struct slice path; /* of a Unix socket (LMTP) */
    uint16_t port;
    enum route_tls tls;
    struct slice user, password_file;
    enum route_login
        login; /* how: by what is offered, SCRAM-SHA-256 first; by that alone; by PLAIN or LOGIN */
    struct slice certificate_file;
    struct slice password, certificate; /* read from the files by who opens the relay; PEM of chain and key */
};
/* "[from:SENDER] DOMAIN via [lmtp:]HOST[:PORT] [tls=may|none|encrypted|verified] [user=U password-file=F
 * [login=scram|plain]] [certificate-file=F]",
 * "DOMAIN via lmtp:/PATH". In the arena. ERR_SYNTAX with a sentence. */
MUST_CHECK int route_parse(struct arena *a, struct slice text, struct relay_route *out);
/* The first that fits a sender (empty: the null sender) and a domain in A-labels; or NULL. */
const struct relay_route *route_find(const struct relay_route *v, size_t n, struct slice sender,
                                     struct slice domain);
