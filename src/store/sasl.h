/* sasl.h - the server's side of a login, the same for SMTP, IMAP and POP3: PLAIN (RFC 4616),
 * LOGIN, SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677, 9266).
 *
 *     sasl_begin(&x, store, &arena, mechanism, binding);
 *     for (r = sasl_start(&x, initial or NULL, &out); r == SASL_MORE;) {
 *         send `out` in base64, receive a line, decode it with sasl_line_decode();
 *         r = sasl_step(&x, response, &out);
 *     }
 *     r == SASL_DONE: x.account has logged in; else an error
 *
 * Unknown users, disabled accounts and wrong passwords are not told apart, in time either. */
#pragma once
#include "directory.h"

enum { SASL_FIELD_MAX = 1000, SASL_DONE = 0, SASL_MORE = 1 };

/* "PLAIN LOGIN SCRAM-SHA-256", with -PLUS in front when the connection can bind (TLS 1.3). Static. */
const char *sasl_mechanisms(bool binding);

struct sasl {
    struct store *store;
    struct arena *a;
    int mechanism, step;
    struct slice user;      /* who tries, as given; for the log. Empty until it was said */
    struct account account; /* when done */
    struct scram_server scram;
    int denied; /* what must come out in the end although the exchange goes on */
};
/* a: lives until the account is no longer used. binding: 32 bytes of conn_tls_exporter(), or NULL.
 * ERR_UNSUPPORTED: no such mechanism here. */
MUST_CHECK int sasl_begin(struct sasl *x, struct store *s, struct arena *a, struct slice mechanism,
                          const uint8_t binding[32]);
/* SASL_MORE with *out (not base64; may be empty) to be sent, SASL_DONE, or ERR_DENIED, ERR_SYNTAX, or a
 * temporary error. initial: decoded initial response, or NULL when there was none. SUSPENDS. */
MUST_CHECK int sasl_start(struct sasl *x, const struct slice *initial, struct slice *out);
MUST_CHECK int sasl_step(struct sasl *x, struct slice response, struct slice *out);

/* ---- the messages; pure ---- */

struct sasl_plain {
    struct slice authzid, authcid, password; /* cut from the message */
};
/* [authzid] NUL authcid NUL password, each UTF-8 without NUL, at most SASL_FIELD_MAX bytes,
 * authcid and password not empty. ERR_SYNTAX. */
MUST_CHECK int sasl_plain_parse(struct slice message, struct sasl_plain *out);
/* A line of the client: base64, "=" for empty, "*" cancels (ERR_CANCELED). ERR_SYNTAX. */
MUST_CHECK int sasl_line_decode(struct arena *a, struct slice line, struct slice *out);
