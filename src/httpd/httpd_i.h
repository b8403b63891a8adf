/* httpd_i.h - inside the HTTP server: a session, the request that is under way, the answer to it. */
#pragma once
#include "base/buf.h"
#include "base/log.h"
#include "httpd.h"

enum {
    HTTPD_MEMORY = 4 << 20,    /* of a call, besides its body */
    HTTPD_REQUESTS_MAX = 1000, /* of a connection; */
    HTTPD_STRANGER_MAX = 100,  /* of these without a key, each refused one counting for HTTPD_REFUSED */
    HTTPD_REFUSED = 5,
    HTTPD_SWALLOW_MAX = 1 << 20, /* of a body that nobody wants, to keep the connection */
    HTTPD_RATE = 500,            /* bytes a second of a body */
};
#define HTTPD_IDLE (60 * RT_S) /* between two requests */
#define HTTPD_STRANGER                                                                                       \
    (600 * RT_S)                 /* of a connection since its beginning, or its last request with a key      \
                                  */
#define HTTPD_HEAD (30 * RT_S)   /* for a head, from its first byte on; for TLS */
#define HTTPD_READ (60 * RT_S)   /* between two packets of a body */
#define HTTPD_GRACE (60 * RT_S)  /* before the rate of a body counts */
#define HTTPD_WRITE (120 * RT_S) /* for a client to take a piece of an answer */
#define HTTPD_WORK (120 * RT_S)  /* for a function that does not stream */

struct httpd {
    struct httpd_conf conf;
    uint64_t answers[HTTP_CLASSES];
};

struct httpd_session {
    struct httpd *server;
    struct conn *c;
    struct guard_visit *visit; /* or NULL */
    struct group *g;
    struct arena a; /* of a call */
    char who[64];
    bool plain, over;
    unsigned requests, cost;
    int64_t until;    /* parked until then */
    int64_t fruitful; /* when it began, or a key was last shown */
    /* ---- the call that is under way ---- */
    struct http_request *r;
    struct http_call call;
    int64_t began;
    uint64_t bytes_in, bytes_out; /* of bodies */
    /* what is left to be read of its body: */
    uint64_t left; /* of the length, or of the chunk; */
    bool body_over, continued, in_chunk;
    /* the answer: */
    struct buf fields, out, body;
    int status; /* 0: not begun */
    bool chunked, ended;
};

/* head.c: reads a request. An error of the connection: nobody is there to be answered; else r->status says
 * what to answer. SUSPENDS. */
MUST_CHECK int httpd_read_head(struct httpd_session *s);
/* body.c: the whole body, at most max bytes, as call.body. The status to refuse it with, or 0. SUSPENDS. */
int httpd_read_body(struct httpd_session *s, uint64_t max);
/* Reads what nobody wanted; false when the connection cannot go on after it. SUSPENDS. */
bool httpd_swallow(struct httpd_session *s);
/* call.c: finds the route, asks who it is, runs it. SUSPENDS. */
void httpd_run(struct httpd_session *s);
