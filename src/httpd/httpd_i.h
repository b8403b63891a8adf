/* httpd_i.h - inside the HTTP server: a session, the request that is under way, the answer to it. */
#pragma once
#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "httpd.h"

enum {
    HTTPD_MEMORY = 4 << 20,    /* of a call, besides its body */
    HTTPD_REQUESTS_MAX = 1000, /* of a connection; */
    HTTPD_STRANGER_MAX = 100,  /* of these without a key, each refused one counting for HTTPD_REFUSED */
    HTTPD_REFUSED = 5,
    HTTPD_SWALLOW_MAX = 1 << 20,       /* of a body that nobody wants, to keep the connection */
    HTTPD_LINGER_MAX = 64 << 20,       /* of it that are read before the connection ends */
    HTTPD_RATE = 500,                  /* bytes a second of a body */
    HTTPD_HOLD_CONNECTION = 192 << 20, /* bodies and trees of JSON of a connection's calls */
    HTTPD_HOLD_ASKER = 256 << 20,      /* and of an account's, or of a network's that has shown no key */
};
#define HTTPD_IDLE (60 * RT_S) /* between two requests */
#define HTTPD_STRANGER                                                                                       \
    (600 * RT_S)                 /* of a connection since its beginning, or its last request with a key      \
                                  */
#define HTTPD_HEAD (30 * RT_S)   /* for a head, from its first byte on; for TLS */
#define HTTPD_READ (60 * RT_S)   /* between two packets of a body */
#define HTTPD_GRACE (60 * RT_S)  /* before the rate of a body counts */
#define HTTPD_WRITE (120 * RT_S) /* for a client to take a piece of an answer */
#define HTTPD_LINGER (10 * RT_S) /* for a client to read an answer that came before it had sent all */
#define HTTPD_WORK (120 * RT_S)  /* for a function that does not stream */

/* Who holds how much memory: accounts and networks with calls under way. */
struct holders {
    struct lock lock;
    struct map by_who;
};

struct httpd {
    struct httpd_conf conf;
    struct holders holders;
    uint64_t answers[HTTP_CLASSES];
};

struct exchange;
/* A connection. */
struct httpd_session {
    struct httpd *server;
    struct conn *c;
    struct guard_visit *visit; /* or NULL */
    struct group *g;
    char who[64];
    bool plain, over;
    unsigned requests, cost;
    int64_t until;    /* parked until then */
    int64_t fruitful; /* when it began, or a key was last shown */
    size_t holds;     /* bytes of memory, by hold.c */
    struct h2 *h2;    /* when it speaks HTTP/2 */
};

/* How bodies and answers travel. Functions SUSPEND. */
struct httpd_way {
    const char *version; /* for the log */
    /* The next piece of the body, valid until the next read. 1, 0: its end, or an error. */
    int (*read)(struct exchange *x, struct slice *piece);
    void (*go_on)(struct exchange *x); /* 100 Continue */
    /* Begins the answer: x->status, x->out: its fields as lines. length: of its content, or HTTPD_UNKNOWN,
     * HTTPD_NONE. Then write() and end(), which are not called for what has no content. */
    int (*begin)(struct exchange *x, int64_t length);
    int (*write)(struct exchange *x, struct slice piece);
    int (*end)(struct exchange *x);
};
enum { HTTPD_UNKNOWN = -1, HTTPD_NONE = -2 };

/* A request and the answer to it. */
struct exchange {
    struct httpd_session *s;
    const struct httpd_way *way;
    struct stream *stream; /* of HTTP/2 */
    struct arena a;
    struct http_request *r;
    struct http_call call;
    int64_t began;
    uint64_t bytes_in, bytes_out; /* of bodies */
    bool body_over, continued;
    bool proved;           /* who asks is who it says */
    size_t holds, counted; /* bytes of memory, and those of http_hold() */
    struct slice holds_as; /* who asks */
    struct buf fields, out, body;
    int status; /* of the answer; 0: not begun */
    bool ended;
    /* ---- HTTP/1.1: what is left to be read of the body, ---- */
    uint64_t left; /* of the length, or of the chunk; */
    bool in_chunk;
    bool chunked; /* and how the answer is framed */
};

/* exchange.c: an exchange serves for several requests, one after another. begin: r is zeroed. end: its line
 * of the log; counts what it was for the connection. */
struct exchange *httpd_exchange_new(void);
void httpd_exchange_begin(struct exchange *x, struct httpd_session *s, const struct httpd_way *way);
void httpd_exchange_end(struct exchange *x);
void httpd_exchange_free(struct exchange **x);
bool httpd_spent(const struct httpd_session *s); /* has the connection had its share? */

/* h1.c: requests one after another. True when the connection waits for the next. SUSPENDS. */
bool httpd_h1(struct httpd_session *s);
/* h2.c: the same for HTTP/2. An error: s->h2 is none. */
MUST_CHECK int httpd_h2_new(struct httpd_session *s);
bool httpd_h2(struct httpd_session *s);
/* head.c: reads a request. An error of the connection: nobody is there to be answered; else r->status says
 * what to answer. SUSPENDS. */
MUST_CHECK int httpd_read_head(struct exchange *x);

/* body.c: the whole body, at most max bytes, as call.body. An error with its sentence, or 0. SUSPENDS. */
MUST_CHECK int httpd_read_body(struct exchange *x, uint64_t max);
/* Reads what nobody wanted, up to HTTPD_SWALLOW_MAX; false when more may come. SUSPENDS. */
bool httpd_swallow(struct exchange *x);
/* call.c: finds the route, asks who it is, runs it. SUSPENDS. */
void httpd_run(struct exchange *x);
/* What could not be read as a request, with r->status: in the form of the group under whose prefix its path
 * lies, as far as that is known. SUSPENDS. */
void httpd_refuse(struct exchange *x, struct slice why);

/* hold.c: memory is held for a call, against the shares of its connection and of who asks. ERR_TOO_LONG,
 * ERR_LIMIT. What is held at the end of the exchange is let go there. */
void holders_init(struct holders *h);
void holders_free(struct holders *h);
MUST_CHECK int httpd_hold(struct exchange *x, size_t bytes);
void httpd_let_go(struct exchange *x, size_t bytes);
