/* http.h - the grammar of HTTP/1.1, a server's half (RFC 9110, 9112). Pure.
 *
 * Strict: what two programs could read in two ways is refused, for whatever stands in front of this
 * server may read it the other way (request smuggling, RFC 9112 section 11.2): two lengths, two of any field
 * that must stand once, a line that does not end in CR LF, a folded field, a blank before the colon, a
 * control character, a target that is no path, a chunk size that is not plain hex. Lines come without
 * their CR LF; slices point into them. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    HTTP_LINE_MAX = 8192,      /* the request line, a field; RFC 9112 section 3 wants 8000 at least */
    HTTP_FIELDS_MAX = 100,     /* of a request, */
    HTTP_HEAD_MAX = 32768,     /* and all their bytes */
    HTTP_CHUNK_LINE_MAX = 256, /* the size of a chunk with its extensions; a field of the trailer */
    HTTP_TRAILER_MAX = 20,     /* fields after the last chunk */
    HTTP_PARAMS_MAX = 8,       /* parts of a path that a pattern names */
};
#define HTTP_BODY_MAX (UINT64_C(1) << 40) /* whatever a route allows */

/* clang-format off */
#define HTTP_METHODS(X) X(GET) X(HEAD) X(POST) X(PUT) X(PATCH) X(DELETE) X(OPTIONS)
/* clang-format on */
enum http_method {
    HTTP_OTHER,
#define X(m) HTTP_##m,
    HTTP_METHODS(X)
#undef X
};
const char *http_method_name(enum http_method m);

struct http_field {
    struct slice name, value;
};
struct http_request {
    enum http_method method;
    struct slice word;        /* the method as it was said */
    struct slice path, query; /* as they were said, escapes and all; the query without its question mark. The
                                 path of OPTIONS * is "*" */
    unsigned minor;           /* of the version: 0 or 1 */
    struct http_field field[HTTP_FIELDS_MAX];
    size_t n, bytes;
    struct slice host; /* the Host field, or empty (HTTP/1.0) */
    bool chunked, has_length;
    uint64_t length;
    bool expects; /* 100-continue (RFC 9110 section 10.1.1) */
    bool last;    /* the client wants no other answer on this connection */
    int status;   /* that a refusal is answered with */
};
/* A zeroed request, then its lines, then end(), which judges the whole. ERR_SYNTAX, ERR_LIMIT or
 * ERR_UNSUPPORTED with the sentence; then status says which answer it is, and nothing that follows on the
 * connection can be trusted. */
MUST_CHECK int http_request_line(struct http_request *r, struct slice line);
MUST_CHECK int http_request_field(struct http_request *r, struct slice line);
MUST_CHECK int http_request_end(struct http_request *r);
/* The value of a field, without blanks around it; its p is NULL when there is none. The first, where several
 * may stand. */
struct slice http_request_value(const struct http_request *r, struct slice name);

/* The line in front of a chunk (RFC 9112 section 7.1): its size, 0 for the last. Extensions are passed over.
 * ERR_SYNTAX. */
MUST_CHECK int http_chunk_size(struct slice line, uint64_t *size);
/* A field of the trailer, which is judged and passed over. ERR_SYNTAX. */
MUST_CHECK int http_trailer_field(struct slice line);

/* ---- targets ---- */

/* Does a path, as it was said, fit a pattern: "/v1/messages/{id}"? A name in braces stands for one segment
 * that is not empty. param[]: these segments, as they were said. At most HTTP_PARAMS_MAX. */
bool http_path_fits(const char *pattern, struct slice path, struct slice *param, size_t *n);
/* A segment with its escapes decoded, in the arena. */
struct slice http_segment(struct arena *a, struct slice s);
/* The next name and value of a query or form (application/x-www-form-urlencoded), decoded into the arena.
 * False at the end. */
bool http_query_next(struct arena *a, struct slice *rest, struct slice *name, struct slice *value);

/* ---- who asks (RFC 9110 section 11.6.2) ---- */

/* "Bearer abc" -> "Bearer", "abc". ERR_SYNTAX. */
MUST_CHECK int http_credentials(struct slice value, struct slice *scheme, struct slice *rest);
/* Basic's part: name and password (RFC 7617), in the arena. ERR_SYNTAX. */
MUST_CHECK int http_basic(struct arena *a, struct slice rest, struct slice *user, struct slice *password);

/* ---- answers ---- */

const char *http_reason(int status); /* "Not Found"; never NULL */
void http_put_status(struct buf *b, int status);
/* Control characters of the value become blanks: no field can be forged. */
void http_put_field(struct buf *b, struct slice name, struct slice value);
/* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7). Returns text. */
#define HTTP_DATE_MAX 32
char *http_date(int64_t seconds, char text[HTTP_DATE_MAX]);
