/* config.h - tram.conf: the few things a node needs to start. All that changes while it
 * runs (domains, accounts, keys) lives in the store. tram.conf(5) explains each line. */
#pragma once
#include "base/log.h"
#include "milter/filter.h"
#include "outgoing/preflight_gate.h"
#include "reputation/dnslist.h"

struct people_conf;
struct relay_route;

enum { LISTEN_MAX = 64, PORT_OFFSET_MAX = 65535 - 995 };

enum over_quota { OVER_QUOTA_DEFER, OVER_QUOTA_REFUSE };

struct config {
    struct slice hostname;
    struct ip listen[LISTEN_MAX];
    size_t nlisten;
    struct ip public_address[LISTEN_MAX]; /* as tram.conf names them: see config_public() */
    size_t npublic;
    uint16_t port_offset;
    struct endpoint resolver;              /* its port is 0 when there is none */
    struct slice dns_anchors;              /* path, or empty */
    struct slice zone;                     /* path, or empty */
    struct slice tls_certificate, tls_key; /* paths, relative to the home */
    struct slice tls_authorities;          /* path, or empty */
    struct slice client_authorities;       /* the same */
    uint64_t size_max;                     /* bytes */
    int64_t queue_lifetime_s, queue_retry_first_s, queue_retry_most_s, queue_delay_warning_s, trace_keep_s,
        audit_keep_s, alert_queue_age_s;
    uint64_t alert_disk;
    bool alert_mail;
    struct slice alert_webhook;
    enum log_level log_level;
    bool log_json;
    uint32_t login_mechanisms; /* a set: login/sasl.h; with client_authorities EXTERNAL is in it */
    uint64_t index_cache;      /* bytes; 0: an eighth of the machine's memory */
    uint64_t memory;           /* bytes of the whole node; 0: a half of the machine's memory */
    uint32_t rcpts_max, connections_max, connections_per_address;
    struct slice *trusted_sealers; /* domains whose ARC chains may override DMARC */
    size_t ntrusted_sealers;
    struct slice *backup_domain; /* of others, whose mail is kept: intake/backup_mx.h */
    size_t nbackup_domains;
    struct relay_route *route; /* their passwords are still in files */
    size_t nroutes;
    enum preflight_policy preflight;
    bool dmarc_reports;          /* send aggregate reports */
    bool tls_reports;            /* send TLS reports */
    bool local_users;            /* serve every user of the machine: command/control.h */
    bool http;                   /* listen on 80 and 443 */
    struct slice acme;           /* URL of an authority's directory, or empty */
    struct endpoint dns_update;  /* the primary server of our zones; its port is 0 when there is none */
    struct slice dns_update_key; /* path, or empty */
    bool fence;                  /* app/fenced.h */
    enum over_quota over_quota;  /* letters to full mailboxes */
    bool refuse_unknown_domains;
    bool arc_seal;
    bool srs;
    bool webhook_private;
    /* How much an account may send that has no limit of its own (allowance/). */
    uint32_t sender_letters_hourly, sender_letters_daily, sender_hourly, sender_daily, sender_first_time,
        sender_recipients, sender_held, sender_held_mib;
    uint32_t pop3_login_delay; /* seconds */
    struct slice public_account;
    bool annotate;
    struct endpoint
        lmtp_listen; /* its port is 0 when there is none; the socket `lmtp` of the home is there always */
    struct slice *proxy_from, *xclient_from; /* networks whose word about clients counts */
    size_t nproxy_from, nxclient_from;
    struct slice oauth_keys, oauth_issuer, oauth_audience;                                 /* login/login.h */
    struct slice oauth_introspection, oauth_client, oauth_secret, oauth_user, oauth_scope; /* login/login.h */
    struct slice ldap, ldap_base, ldap_filter, ldap_address, ldap_id, ldap_quota, ldap_login,
        ldap_password; /* people/ */
    struct slice *ldap_domain;
    size_t nldap_domains;
    struct filter filter[FILTERS_MAX];
    size_t nfilters;
    struct dnslist dnslist[DNSLISTS_MAX];
    size_t ndnslists;
    uint32_t dns_lists_refuse, dns_lists_doubt;
    bool greylist;
    uint32_t junk_from;
    int64_t greeting_delay_s;
    struct slice no_soliciting; /* RFC 3865: keywords with commas between, or empty */
};

/* ---- the table: what a line of tram.conf may say; the only place for names, defaults and limits ---- */

enum setting_type {
    SETTING_HOST, /* a full host name */
    SETTING_IPS,  /* a list of addresses */
    SETTING_NUMBER,
    SETTING_ENDPOINT, /* 127.0.0.1:53, or empty */
    SETTING_PATH,     /* or empty */
    SETTING_URL,      /* https://, or empty */
    SETTING_TEXT,     /* any, or empty */
    SETTING_SIZE,     /* bytes, with a unit: k, M, G */
    SETTING_TIME,     /* a number and its unit: s, m, h, d, w */
    SETTING_DOMAINS,  /* a list of domains */
    SETTING_ROUTES,   /* a list of lines for relay/route.h */
    SETTING_CHOICE,   /* one of words */
    SETTING_SET,      /* several of words, with a space between; a bit each, in the order of words */
    SETTING_YES,      /* true or false */
    SETTING_NETS,     /* a list of addresses and networks */
    SETTING_FILTERS,  /* a list of filters: filter_parse() */
    SETTING_DNSLISTS, /* a list of lists: dnslist_parse() */
    SETTING_CLASSES,  /* of solicitation (RFC 3865), with commas between; or empty */
};
struct setting {
    const char *name, *fallback, *meaning; /* fallback: as it would stand in tram.conf */
    enum setting_type type;
    const char *least, *most; /* of numbers, sizes and times, as they would stand there */
    const char *words;        /* of a choice, in the order of its enum */
    size_t at, width;         /* the field of struct config */
    size_t count;             /* of a list of addresses: the field that counts them */
    bool reload;              /* SIGHUP reads it again; else it needs a restart */
    bool shown;               /* `init` writes it as a comment */
};
extern const struct setting settings[];
extern const size_t nsettings;

/* What the index may keep of what it has read, and what is left for letters under way and sessions. Bytes. */
enum { CONFIG_MEMORY_LEAST = 32 << 20 };
uint64_t config_index_cache(const struct config *c);
uint64_t config_memory(const struct config *c);

/* Reads a file; everything in the arena. BLOCKS. ERR_SYNTAX: the sentence names file, line
 * and remedy. ERR_NOT_FOUND. */
MUST_CHECK int config_read(struct arena *a, const char *path, struct config *out);
/* The bytes of such a file; path is only told. The same errors. Pure. */
MUST_CHECK int config_parse(struct arena *a, struct slice bytes, const char *path, struct config *out);
/* The addresses under which the world sees this host, in the order of tram.conf: public_addresses, else
 * those of listen but 0.0.0.0 and ::. At most LISTEN_MAX. */
size_t config_public(const struct config *c, struct ip out[LISTEN_MAX]);
/* Is the address in one of the networks of a setting? */
bool config_lists(const struct slice *net, size_t n, const struct ip *ip);
/* The directory of people that tram.conf names; the password is still in its file. */
struct people_conf config_people(const struct config *c);
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
