/* route.h - what a server of HTTP does: groups of routes, each a method, a path, a scope and a function.
 *
 * A route's function gets one call: the request, who asks, the body, an arena that lasts until the answer is
 * given. It answers once: http_answer(), or a stream, or http_fail(). From the table the OpenAPI document
 * is made, so that what is told is what is served. */
#pragma once
#include "directory/api_key.h"
#include "guard/guard.h"
#include "wire/http.h"

struct http_call;
struct exchange;

enum {
    HTTP_ROUTE_STREAM = 1, /* the function reads the body itself, with http_read(); it has no deadline but
                              those of each read and write */
    HTTP_ROUTE_PLAIN = 2,  /* is answered in clear, too: port 80 redirects everything else */
    HTTP_ROUTE_LOCAL = 4,  /* who asks from the host itself needs no key, and may ask in clear */
    HTTP_ROUTE_LOOKS = 8,  /* no GET, and yet nothing that the account has is changed */
};
struct http_route {
    enum http_method method;          /* GET serves HEAD as well */
    const char *path;                 /* "/v1/messages/{id}": http_path_fits() */
    enum api_scope scope;             /* that the key must have; SCOPE_NONE: for everyone, without a key */
    void (*run)(struct http_call *c); /* SUSPENDS */
    const char *summary;              /* one line for the document */
    const char *request, *response;   /* names of schemas of the document, or NULL */
    unsigned flags;
    uint32_t body_max; /* bytes; 0: HTTP_BODY_SMALL. Not asked of a stream */
};
/* A row of a table: HTTP_ROUTE(GET, "/v1/x/{id}", MESSAGES_READ, fn, "summary", .response = "X"). */
#define HTTP_ROUTE(method_, path_, scope_, run_, summary_, ...)                                              \
    {                                                                                                        \
        .method = HTTP_##method_, .path = path_, .scope = SCOPE_##scope_, .run = run_, .summary = summary_,  \
        __VA_ARGS__                                                                                          \
    }
enum { HTTP_BODY_SMALL = 64 << 10 };

/* Routes of one family: they share the way to prove who asks, and the form of errors. */
struct http_group {
    const char *name;
    const char *prefix;  /* whatever begins so and is no route is refused in this group's form */
    const char *nothing; /* what is said then; NULL: that there is nothing */
    const struct http_route *route;
    size_t n;
    void *ctx; /* for its functions */
    /* Who asks? Before the body is read. Sets c->key. 0, ERR_DENIED (401), ERR_LIMIT (429), else 503. NULL:
     * no route of the group has a scope. SUSPENDS. */
    int (*auth)(struct http_call *c);
    /* The same once more when the body is there, for signatures over it; NULL: none. */
    int (*prove)(struct http_call *c);
    /* A key is about to have the route run (status 0), and has had it run; for the audit. NULL: nobody asks.
     * SUSPENDS. */
    void (*watch)(struct http_call *c, int status);
    /* Answers with an error of this form, by http_answer(). sentence: for people. NULL: plain text. */
    void (*error)(struct http_call *c, int status, const char *sentence);
};

/* A key that asks. All zero for routes without a scope. */
struct http_key {
    char id[32];                   /* of the key */
    const struct account *account; /* in the arena */
    unsigned scopes;               /* a set of enum api_scope */
};

struct http_call {
    struct arena *a;
    const struct http_request *request; /* with its lines in the arena */
    const struct http_group *group;
    const struct http_route *route;
    struct slice param[HTTP_PARAMS_MAX]; /* parts of the path, in the order of the pattern, decoded */
    size_t nparams;
    struct slice body; /* whole, unless the route streams */
    struct http_key key;
    char act[32]; /* for watch() of the group */
    struct ip peer;
    bool tls, local;           /* local: asks from the host itself */
    struct guard_visit *visit; /* or NULL */
    struct exchange *exchange;
};

/* The decoded value of a name in the query; its p is NULL when it is not there. */
struct slice http_query(const struct http_call *c, struct slice name);

/* Answers of the server since its start by the first digit of their status. */
enum { HTTP_CLASSES = 6 };
void http_counts(const struct http_call *c, uint64_t out[HTTP_CLASSES]);

/* ---- the body of a route that streams ---- */

/* 1 and the next piece, valid until the next read; 0 at the end; or an error, after which there is nothing
 * to read, and nobody may be listening. SUSPENDS. */
MUST_CHECK int http_read(struct http_call *c, struct slice *piece);

/* Memory that the function takes elsewhere than in the arena, for a tree of JSON: it counts for the node, the
 * connection and who asks, until it is let go, or the answer is given. ERR_TOO_LONG (413), ERR_LIMIT (429),
 * ERR_BUSY (503). */
MUST_CHECK int http_hold(struct http_call *c, size_t bytes);
void http_let_go(struct http_call *c, size_t bytes);

/* ---- the answer ---- */

/* A field of the answer that follows. */
void http_field(struct http_call *c, const char *name, struct slice value);
/* The whole answer. type: of its content, or NULL when it has none. SUSPENDS. */
void http_answer(struct http_call *c, int status, const char *type, struct slice body);
/* The whole answer, 200, of what stays the same until it changes: its ETag is of the bytes, conditions, one
 * range and gzip are heard (RFC 9110 sections 8.4, 13, 14). zipped: what http_gzip() made of it, once and not
 * for each who asks, or empty. For routes of GET. SUSPENDS. */
void http_file(struct http_call *c, const char *type, struct slice body, struct slice zipped);
/* Empty when it would be no shorter. Takes the processor for milliseconds. */
void http_gzip(struct buf *out, struct slice in);
/* The answer to a failure, in the form of its group. */
void http_fail(struct http_call *c, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The status that fits an error of base/err.h, for http_fail(c, http_status_of(e), "%s", err_text(e)). */
int http_status_of(int e);
/* An answer whose length nobody knows: begin, pieces, end. Without the end the client sees that it was cut
 * off. write: the sticky error of the connection when nobody takes it any more. SUSPEND. */
void http_stream_begin(struct http_call *c, int status, const char *type);
MUST_CHECK int http_stream_write(struct http_call *c, struct slice piece);
void http_stream_end(struct http_call *c);
