/* talk_test.h - for the tests of this folder: a store with two users, a DNS, a server on loopback
 * for each kind, and a client that speaks line by line. accept_letter() is the tests' own: it
 * keeps what was handed over. */
#pragma once
#include "base/log.h"
#include "login/sasl.h"
#include "rt/serve_test.h"
#include "smtpd.h"

enum { SMTPD_DOORS = SMTPD_LMTP + 1 };
struct world {
    char dir[64];
    struct store *store;
    struct login *login;
    struct dns *dns;
    struct signing *signing;
    struct tls_ctx *tls, *client_tls;
    struct mailauth_ctx mailauth;
    struct intake intake;
    struct smtpd_conf conf;
    struct smtpd *smtpd;
    struct serving door[SMTPD_DOORS]; /* by enum smtpd_kind */
    struct guard_visit *visit;        /* of all sessions; or NULL */
    struct arena a;
};
void world_begin(struct world *w, void (*change)(struct world *));
void world_end(struct world *w);

/* The last letter that was handed over, and what to answer to the next ones. */
struct handed {
    unsigned count;
    int fail_with;
    char sender[256], rcpts[2000], wishes[2000] /* address, NOTIFY_ bits and ORCPT of each */, submitter[20],
        message_id[256], subject[256], ret[8], envid[104], id[20];
    size_t nrcpt;
    enum letter_path path;
    bool junk, held, eight_bit, smtputf8, binary;
    struct letter_wants wants;
    uint32_t skip, head_size;
    struct slice bytes; /* the whole body; malloced */
};
extern struct handed handed;

/* One client connection. */
struct client {
    struct conn *c;
    struct arena a;
};
void client_open(struct client *cl, struct world *w, enum smtpd_kind kind); /* reads the greeting */
void client_close(struct client *cl);
/* Sends the line with CRLF and gives the whole reply, lines joined with LF; "" when the server closed. */
struct slice talk(struct client *cl, const char *line);
void client_send(struct client *cl, struct slice bytes);
struct slice client_reply(struct client *cl);
/* EHLO, and MAIL from `sender` and RCPT to alice, which are accepted. */
void client_envelope(struct client *cl, const char *sender);
/* DATA, and the text with its final dot; the answer to that. */
struct slice client_letter(struct client *cl, struct slice text);
/* MAIL and RCPT of `to`, then `text`; the answer to the final dot. */
struct slice client_try(struct client *cl, const char *to, const char *text);
void client_starttls(struct client *cl, struct world *w);
struct slice talk_plain(struct client *cl, const char *user, const char *password); /* AUTH PLAIN */

static inline bool has(struct slice s, const char *what) { return sl_find(s, sl_cstr(what)) != SL_NONE; }
