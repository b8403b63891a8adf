/* authres.h - the Authentication-Results field (RFC 8601), written and read. Pure.
 *
 * The same grammar is the payload of ARC-Authentication-Results (RFC 8617 section 4.1.1). */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { AUTHRES_INFO_MAX = 100, AUTHRES_PROPS_MAX = 20, AUTHRES_COMMENT_DEPTH = 20 };

struct authres_prop {
    struct slice ptype, property, value; /* "smtp" "mailfrom" "example.com"; value unquoted */
};
struct authres_info {
    struct slice method;  /* "spf" */
    unsigned version;     /* of the method; 0 = not given (means 1) */
    struct slice result;  /* "pass" */
    struct slice reason;  /* unquoted, or empty */
    struct slice comment; /* written after the result in parentheses; the parser leaves it empty */
    struct authres_prop *prop;
    size_t nprop;
};
struct authres {
    struct slice authserv_id; /* unquoted */
    unsigned version;         /* 0 = not given (means 1) */
    struct authres_info *info;
    size_t n; /* 0: "none" */
};

/* Adds an info / a property to what is being built. Values may be any bytes: what the
 * grammar does not allow is quoted, what no grammar allows is replaced on writing. Empty
 * values are not added. Returns the info, valid until the next authres_add(); NULL (and nothing
 * added) above the limits, which authres_prop() takes in silence. */
struct authres_info *authres_add(struct arena *a, struct authres *r, struct slice method,
                                 struct slice result);
void authres_prop(struct arena *a, struct authres_info *i, const char *ptype, const char *property,
                  struct slice value);

/* The whole field: "Authentication-Results: ...\r\n". */
struct slice authres_field(struct arena *a, const struct authres *r);

/* Reads a payload: comments skipped, folding allowed. ERR_SYNTAX with a sentence, ERR_LIMIT,
 * ERR_UNSUPPORTED for a version above 1 (authserv_id and version are set). */
MUST_CHECK int authres_parse(struct arena *a, struct slice payload, struct authres *out);
/* Only the authserv-id, leniently: what a careless reader of the field would take for it.
 * Empty when there is none. */
struct slice authres_id(struct arena *a, struct slice payload);
/* Does a field of a message from outside claim to be ours and so must be removed (section 5)?
 * name, body: of the header field. A field that cannot be parsed but mentions our name where the
 * authserv-id stands counts, and so does one with a version we do not know. Case and A/U-label
 * forms are folded by the caller giving both forms in `ours`. */
bool authres_is_forged(struct slice name, struct slice body, const struct slice *ours, size_t n);
