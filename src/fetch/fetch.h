/* fetch.h - HTTP requests of our own: MTA-STS policies now; TLS reports, webhooks, certificates later.
 *
 * libcurl speaks, on threads of its own (POOL_FETCH, POOL_ASK); names are asked through dns/dns.h, so a trial
 * network stays a world of its own and an address is judged before anybody connects to it. A URL may come
 * from a stranger: what is not asked for is not done. No redirect is followed, no proxy, cookie or password
 * of the environment is used, a server is believed only with a certificate for the name in the URL. */
#pragma once
#include "base/ip.h"

struct dns;

enum {
    FETCH_HEAD_MAX = 64 << 10, /* bytes of all header fields of an answer */
    FETCH_ADDRESSES_MAX = 4,   /* of a host, tried one after another */
    FETCH_URL_MAX = 2048,
    FETCH_SIZE_DEFAULT = 64 << 10,
    FETCH_SECONDS_DEFAULT = 30,
};

struct fetch_field {
    struct slice name, value; /* of an answer: names in lower case */
};
struct fetch_request {
    struct slice method; /* "GET" when empty */
    struct slice url;    /* https://, with `clear` http:// too; a host in A-labels; no user, no password */
    const struct fetch_field *field;
    size_t nfield;
    struct slice body;  /* sent when it is not empty */
    size_t size_max;    /* bytes of the answer's body that are taken; 0 = FETCH_SIZE_DEFAULT */
    int64_t timeout;    /* of all of it, with the wait for a thread, ns; 0 = FETCH_SECONDS_DEFAULT */
    uint64_t asker;     /* those who wait for a thread take turns by it; 0: nobody in particular */
    bool waited_for;    /* by a person: not behind what can wait */
    bool clear;         /* http:// is allowed */
    bool private_hosts; /* so are addresses that the world does not route: loopback, 10/8, ... */
};
struct fetch_answer {
    int status;        /* 200; a redirect is an answer as well */
    struct slice type; /* the media type in lower case, without parameters; empty when there is none */
    struct slice body;
    struct fetch_field *field;
    size_t nfield;
};

/* One request to one address: what the simulator's worlds hand in instead of libcurl. host is the one of
 * the URL, port is connected to. Runs on a thread of the pool. BLOCKS. */
struct fetch_call {
    const struct fetch_request *request;
    struct slice host, ca; /* ca: PEM file that is trusted, or empty: the system's */
    struct ip address;
    uint16_t url_port, port;
    size_t size_max;
    int64_t timeout; /* ns that are left */
    struct arena *a; /* the answer's */
};
typedef int fetch_transfer(void *arg, const struct fetch_call *c, struct fetch_answer *out);

struct fetch_conf {
    struct dns *dns;          /* stays the caller's */
    struct slice ca;          /* path of a PEM file to trust instead of the system's authorities, or empty */
    uint16_t port_offset;     /* is added to every port, as in a trial network */
    bool private_hosts;       /* allowed for every request */
    fetch_transfer *transfer; /* NULL: libcurl */
    void *transfer_arg;
};
struct fetch {
    struct fetch_conf conf;
};

/* The answer lies in the arena. ERR_USAGE: a URL or method that is not allowed. ERR_DENIED: a private
 * address. ERR_NOT_FOUND: no such host. ERR_DNS, ERR_UNREACHABLE, ERR_REFUSED, ERR_TIMEOUT, ERR_TLS (the
 * certificate is not believed), ERR_LIMIT (the answer is too large), ERR_SYNTAX (it is no HTTP). The sentence
 * names the host. SUSPENDS; a canceled fiber waits for the end of the transfer, which the timeout bounds. */
MUST_CHECK int fetch(const struct fetch *f, struct arena *a, const struct fetch_request *q,
                     struct fetch_answer *out);
/* Is it a URL that fetch() would take? ERR_USAGE, in words. Pure. */
MUST_CHECK int fetch_url_fits(struct slice url, bool clear);
/* What somebody gave as such a URL, its host in A-labels: in a when that is another text. ERR_USAGE,
 * ERR_SYNTAX, in words. Pure. */
MUST_CHECK int fetch_url_take(struct arena *a, struct slice url, bool clear, struct slice *out);
/* The first field of that name (lower case); empty when there is none. */
struct slice fetch_header(const struct fetch_answer *r, const char *name);
/* By how many seconds our clock is ahead of that of whoever just answered (RFC 9110 section 6.6.1).
 * ERR_NOT_FOUND: it does not tell. */
MUST_CHECK int fetch_clock(const struct fetch_answer *r, int64_t *ahead);
/* The same of a host that is asked in clear, for with a wrong clock no certificate is believed. SUSPENDS for
 * some seconds. */
MUST_CHECK int fetch_clock_of(const struct fetch *f, struct arena *a, struct slice host, int64_t *ahead);
/* Of a URL that fetch_url_fits(). Pure. */
struct slice fetch_url_host(struct slice url);
