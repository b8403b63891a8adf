/* proxy.h - the PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt): what a trusted proxy
 * says in front of a connection about the client behind it, and what one is told that shall connect onwards.
 * Pure. */
#pragma once
#include "base/err.h"
#include "base/ip.h"

enum {
    PROXY_FIRST = 12,    /* bytes by which both versions are told apart, and no header is shorter */
    PROXY_V1_MAX = 107,  /* section 2.1: with CR LF */
    PROXY_V2_HEAD = 16,  /* section 2.2: before addresses and TLVs, */
    PROXY_V2_MAX = 4096, /* of which this many bytes are put up with */
};
struct proxy_head {
    bool local; /* no client is behind it (a check by the proxy), or none that has an address: the peer counts
                 */
    struct endpoint from, to;
};
/* bytes: what has come, at least PROXY_FIRST. 0: the header is whole, exactly these bytes. 1: *need bytes are
 * wanted in all, no more may be taken from the connection (what follows may be TLS). ERR_SYNTAX. */
MUST_CHECK int proxy_parse(struct slice bytes, size_t *need, struct proxy_head *out);
/* Version 2, of a TCP connection; both addresses of one family. Bytes written. */
enum { PROXY_WRITTEN_MAX = PROXY_V2_HEAD + 36 };
size_t proxy_write(const struct endpoint *from, const struct endpoint *to, uint8_t out[PROXY_WRITTEN_MAX]);
