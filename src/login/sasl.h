/* sasl.h - the server's side of a login, the same for SMTP, IMAP and POP3: PLAIN (RFC 4616),
 * LOGIN, SCRAM-SHA-256, SCRAM-SHA-256-PLUS and SCRAM-SHA-1 (RFC 5802, 7677, 9266), OAUTHBEARER (RFC 7628),
 * XOAUTH2, EXTERNAL (RFC 4422 appendix A) by the certificate of the TLS connection.
 *
 *     sasl_begin(&x, login, &arena, mechanism, offered, conn);
 *     for (r = sasl_start(&x, initial or NULL, &out); r == SASL_MORE;) {
 *         send `out` in base64, receive a line, decode it with sasl_line_decode();
 *         r = sasl_step(&x, response, &out);
 *     }
 *     r == SASL_DONE: x.account has logged in; else an error
 *
 * Unknown users, disabled accounts and wrong passwords are not told apart; in time either, but for people of
 * a directory elsewhere (login_password()). */
#pragma once
#include "login.h"

enum { SASL_FIELD_MAX = 1000, SASL_DONE = 0, SASL_MORE = 1 };

/* The ways to log in, as a set. */
enum {
    SASL_SCRAM_PLUS = 1,
    SASL_SCRAM = 2,
    SASL_SCRAM_SHA1 = 4, /* of passwords that were set when it was offered */
    SASL_PLAIN = 8,
    SASL_LOGIN = 16,
    SASL_BEARER = 32,
    SASL_XOAUTH2 = 64,
    SASL_EXTERNAL = 128, /* where a setting says who certifies people */
    SASL_ALL = SASL_SCRAM_PLUS | SASL_SCRAM | SASL_PLAIN | SASL_LOGIN, /* of what needs nothing else */
    SASL_TOKENS = SASL_BEARER | SASL_XOAUTH2,
};
/* clang-format off */
#define SASL_WORDS "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN LOGIN OAUTHBEARER XOAUTH2" /* in the order of the bits */
/* clang-format on */

struct conn;
/* What a connection offers of a set (0: all): -PLUS only where it can bind (TLS 1.3), EXTERNAL only to who
 * has shown a certificate that is believed. c may be NULL. */
unsigned sasl_offered(unsigned set, const struct conn *c);
/* The mechanism's name as it is written, or "" for what is none: what stands in its place may be anything. */
const char *sasl_word(struct slice given);
/* The names of a set, each with before and after. */
void sasl_put(struct buf *out, unsigned set, const char *before, const char *after);

struct sasl {
    struct login *login;
    struct arena *a;
    unsigned mechanism;
    int step;
    struct slice user;      /* who tries, as given; for the log. Empty until it was said */
    struct account account; /* when done */
    struct scram_server scram;
    struct slice *certified; /* the addresses of the certificate, for EXTERNAL */
    size_t ncertified;
    /* Runs prove(prove_arg) when a password may be looked at, and gives back what it gave (guard_prove());
     * NULL: always. name: login_counted() of the user. */
    login_guard *guard;
    /* May who was proved log in (guard_allows()), whatever he named? NULL: always. A right password of who
     * may not is answered as a wrong one is. */
    int (*allows)(void *guard_arg, struct slice account);
    void *guard_arg;
    uint64_t asker;    /* for login_password() */
    unsigned protocol; /* to what somebody logs in (LOGIN_SMTP ...): app passwords must be for it */
    struct slice why;  /* it was refused, for the log */
    int denied;        /* what must come out in the end although the exchange goes on */
};
/* a: lives until the account is no longer used. offered: what this connection offers, see above.
 * ERR_UNSUPPORTED: no such mechanism here. */
MUST_CHECK int sasl_begin(struct sasl *x, struct login *l, struct arena *a, struct slice mechanism,
                          unsigned offered, const struct conn *c);
/* SASL_MORE with *out (not base64; may be empty) to be sent, SASL_DONE, or ERR_DENIED, ERR_SYNTAX, or a
 * temporary error. initial: decoded initial response, or NULL when there was none. What holds a password
 * or a token is wiped where it lies. SUSPENDS. */
MUST_CHECK int sasl_start(struct sasl *x, const struct slice *initial, struct slice *out);
MUST_CHECK int sasl_step(struct sasl *x, struct slice response, struct slice *out);

/* The log's line for a login, however it came: why is empty when it succeeded. session: the server and the
 * peer. */
void sasl_tell(const char *session, struct slice user, struct slice why);

/* ---- the messages; pure ---- */

struct sasl_plain {
    struct slice authzid, authcid, password; /* cut from the message */
};
/* [authzid] NUL authcid NUL password, each UTF-8 without NUL, at most SASL_FIELD_MAX bytes,
 * authcid and password not empty. ERR_SYNTAX. */
MUST_CHECK int sasl_plain_parse(struct slice message, struct sasl_plain *out);
struct sasl_bearer {
    struct slice user, token; /* cut from the message; user may be empty */
};
/* The message of OAUTHBEARER (RFC 7628 section 3.1): gs2-header, fields, the one "auth" among them with a
 * token of RFC 6750; xoauth2: of the older form, "user=" first. ERR_SYNTAX. */
MUST_CHECK int sasl_bearer_parse(struct slice message, bool xoauth2, struct sasl_bearer *out);
/* A line of the client: base64, "=" for empty, "*" cancels (ERR_CANCELED). ERR_SYNTAX. */
MUST_CHECK int sasl_line_decode(struct arena *a, struct slice line, struct slice *out);
