/* smtpd.h - the SMTP server: mail from the world (25) and from our users (587, 465). */
#pragma once
#include "guard/guard.h"
#include "intake/intake.h"
#include "login/login.h"
#include "rt/conn.h"

enum smtpd_kind {
    SMTPD_MX,          /* 25: from the world; no login, no relaying */
    SMTPD_SUBMISSION,  /* 587: STARTTLS, then login */
    SMTPD_SUBMISSIONS, /* 465: TLS from the first byte, then login */
    SMTPD_LMTP,        /* another server of ours hands over what is for accounts here (RFC 2033) */
};

struct smtpd_conf { /* everything is borrowed and outlives the server */
    struct store *store;
    struct login *login;
    const struct intake *intake; /* where letters go; with our name and the size of a letter */
    struct tls_ctx *tls;
    unsigned logins;    /* the ways to log in that are offered (login/sasl.h); 0 = all */
    uint32_t rcpts_max; /* of one transaction; 0 = 1000 */
    /* May the peer say XCLIENT? NULL: nobody. */
    bool (*trusts)(const void *arg, const struct ip *ip);
    const void *trusts_arg;
    /* Bytes of a URL that its owner authorised for this account's submission, at most max, piece by piece
     * (RFC 4468); ERR_SYNTAX, ERR_DENIED, ERR_NOT_FOUND, ERR_TOO_LONG, or what each() returned other than 0.
     * SUSPENDS. NULL: BURL is not offered. */
    int (*url)(void *arg, struct slice url, const char *account, uint64_t max,
               int (*each)(void *arg, struct slice piece), void *each_arg);
    void *url_arg;
    int64_t idle_s; /* between commands; 0 = 300 (RFC 5321 section 4.5.3.2.7) */
    int64_t
        greeting_delay_s; /* strangers wait so long for the greeting: who does not is refused; 0: at once */
};
struct smtpd;
MUST_CHECK int smtpd_open(struct smtpd **out, const struct smtpd_conf *conf);
void smtpd_close(struct smtpd **s); /* when no session is left */
/* One session, from the greeting to the end; runs on a fiber of its own and takes c
 * over. g: the group that parked continuations run in. visit: how the guard knows the connection, or NULL.
 * Several loops use one smtpd. */
void smtpd_session(struct smtpd *s, enum smtpd_kind kind, struct conn *c, struct group *g,
                   struct guard_visit *visit);
