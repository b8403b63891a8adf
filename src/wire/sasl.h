/* sasl.h - the messages of simple SASL mechanisms (RFC 4616 PLAIN, and LOGIN). Pure. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum { SASL_FIELD_MAX = 1000 };

struct sasl_plain {
    struct slice authzid, authcid, password; /* cut from the message */
};
/* [authzid] NUL authcid NUL password, each UTF-8 without NUL, at most SASL_FIELD_MAX bytes,
 * authcid and password not empty. ERR_SYNTAX. */
MUST_CHECK int sasl_plain_parse(struct slice message, struct sasl_plain *out);
/* A line of the client: base64, "=" for empty, "*" cancels (ERR_CANCELED). ERR_SYNTAX. */
MUST_CHECK int sasl_line_decode(struct arena *a, struct slice line, struct slice *out);
