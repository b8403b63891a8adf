/* dialect.h - what the vendors' dialects (sendgrid, mailjet, ses) share: JSON of a caller taken apart, each
 * fault with its place, and sends of which all are taken or none. */
#pragma once
#include <jansson.h>

#include "api_i.h"
#include "send/send.h"

enum {
    DIALECT_BODY_MAX = 30 << 20, /* of a request, as SendGrid and Mailjet have it */
    DIALECT_FAULTS_MAX = 100,    /* told of one call */
    DIALECT_PATH_MAX = 160,      /* bytes of a place */
    DIALECT_NAME_MAX = 320,      /* of an address */
};

/* A call that is being taken apart. Its memory is its own: a call may be larger than what the server gives.
 */
struct dialect {
    struct arena a;
    void *arg; /* of fault() */
    /* One fault: where ("personalizations.0.to"), what, and the code of err.h. */
    void (*fault)(struct dialect *d, const char *path, int e, const char *sentence);
    size_t faults;
    struct slice idempotency; /* used when the call names no Idempotency-Key; or empty */
    bool brackets;            /* places are written To[0].Email, not to.0.email */
    struct dialect_made *made;
};
void dialect_begin(struct dialect *d,
                   void (*fault)(struct dialect *d, const char *path, int e, const char *sentence),
                   void *arg);
void dialect_end(struct dialect *d);
void dialect_fault(struct dialect *d, const char *path, int e, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Says the fault when e is one; true when it is none. what: the sentence begins so, or NULL. */
bool dialect_ok(struct dialect *d, const char *path, int e);

/* A member by its kind; of another kind it is a fault, of none or null it is empty, NULL, 0, false. */
struct slice dialect_string(struct dialect *d, const json_t *o, const char *key, const char *path);
json_t *dialect_object(struct dialect *d, const json_t *o, const char *key, const char *path);
json_t *dialect_array(struct dialect *d, const json_t *o, const char *key, const char *path, size_t max);
int64_t dialect_integer(struct dialect *d, const json_t *o, const char *key, const char *path);
bool dialect_bool(struct dialect *d, const json_t *o, const char *key, const char *path);
/* "path.key", or "path.key.index", valid until the second next call of the same call. */
const char *dialect_at(struct dialect *d, const char *path, const char *key);
const char *dialect_at_index(struct dialect *d, const char *path, const char *key, size_t i);

static inline struct slice dialect_slice(const json_t *v)
{
    return json_is_string(v) ? sl(json_string_value(v), json_string_length(v)) : SL("");
}
/* The value as JSON in a few bytes, in the arena; empty for none. once: of a value of the call itself, which
 * may stand under many messages (Mailjet's Globals): it is made once, as bytes are. */
struct slice dialect_dump(struct dialect *d, const json_t *v);
struct slice dialect_dump_once(struct dialect *d, const json_t *v);
/* Base64 with or without line ends, strictly; its fault is told. */
struct slice dialect_bytes(struct dialect *d, struct slice base64, const char *path);

/* An object of strings as header fields, each judged. */
void dialect_fields(struct dialect *d, const json_t *o, const char *path, struct send_fields *out);
/* Judges the parts of an address. */
bool dialect_address(struct dialect *d, struct slice email, struct slice name, const char *email_path,
                     const char *name_path);

/* The stored template, without its texts, when it is one of this dialect's kinds, words with blanks between:
 * other dialects' are none. ERR_NOT_FOUND. SUSPENDS. */
struct stored_template;
MUST_CHECK int dialect_template(struct http_call *c, const char *kinds, struct slice id, struct arena *a,
                                struct stored_template *out);

/* ---- taking ---- */

struct dialect_send {
    struct send send;
    struct send_letter *letter;
    size_t nletters;
    struct slice part; /* of the call's key of idempotency; empty: its number among those without */
    struct send_taken taken;
};
/* All sends are taken, or none: each is judged and written before the first is made durable. Only a failure
 * of the disk between two of them leaves the first ones taken; who then asks again under the same
 * Idempotency-Key sends none of them twice. The call's account and key, its field Idempotency-Key and the
 * digest of its body are filled in. On failure *at is the send, *letter the letter it was (or SL_NONE: none).
 * SUSPENDS. */
MUST_CHECK int dialect_take(struct http_call *c, struct dialect *d, struct dialect_send *s, size_t n,
                            size_t *at, size_t *letter);
