/* config.h - tram.conf: the few things a node needs to start. All that changes while it
 * runs (domains, accounts, keys) lives in the store. tram.conf(5) explains each line. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/ip.h"
#include "outgoing/preflight_gate.h"

enum { LISTEN_MAX = 64, PORT_OFFSET_MAX = 65535 - 995 };

struct config {
    struct slice hostname;
    struct ip listen[LISTEN_MAX];
    size_t nlisten;
    uint16_t port_offset;
    bool has_resolver;
    struct endpoint resolver;  /* when has_resolver */
    struct slice zone;         /* path, or empty */
    struct slice tls_certificate, tls_key; /* paths, relative to the home */
    uint64_t size_max;
    int64_t queue_lifetime_s, queue_retry_first_s, queue_retry_most_s, queue_delay_warning_s;
    uint32_t rcpts_max, connections_max, connections_per_address;
    int trace_days;
    struct slice *trusted_sealers; /* domains whose ARC chains may override DMARC */
    size_t ntrusted_sealers;
    enum preflight_policy preflight;
    bool dmarc_reports;        /* send aggregate reports */
    bool arc_seal;
};

/* Reads a file; everything in the arena. BLOCKS. ERR_SYNTAX: the sentence names file, line
 * and remedy. ERR_NOT_FOUND. */
MUST_CHECK int config_read(struct arena *a, const char *path, struct config *out);
/* What a file without any line would mean. */
void config_defaults(struct config *c);
/* The text that `init` writes. */
struct config_start {
    struct slice hostname;
    struct ip listen[LISTEN_MAX];
    size_t nlisten;
    uint16_t port_offset;
    struct slice resolver, zone; /* as given, or empty */
};
struct slice config_text(struct arena *a, const struct config_start *s);
