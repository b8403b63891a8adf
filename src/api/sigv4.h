/* sigv4.h - AWS Signature Version 4, verified
 * (docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html). Pure. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "wire/http.h"

enum { SIGV4_SKEW_S = 15 * 60 };

struct sigv4 {
    struct slice id, date, region, service; /* of the credential: date as YYYYMMDD */
    struct slice headers;                   /* names, lower case, with ; between them */
    struct slice signature;                 /* 64 hex digits */
};
/* The field Authorization. ERR_DENIED. */
MUST_CHECK int sigv4_parse(struct slice authorization, struct sigv4 *out);
/* Is it signed by that secret, over this body, within SIGV4_SKEW_S of now (unix seconds)? ERR_DENIED with the
 * sentence: another secret, another request, a clock that is off, a host that is not signed. */
MUST_CHECK int sigv4_verify(struct arena *a, const struct sigv4 *s, const struct http_request *r,
                            struct slice body, struct slice secret, int64_t now);
