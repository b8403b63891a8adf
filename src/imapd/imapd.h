/* imapd.h - the IMAP server (143 with STARTTLS, 993). */
#pragma once
#include "guard/guard.h"
#include "login/login.h"
#include "rt/conn.h"
#include "store/mailbox.h"

struct imapd_conf { /* borrowed, outlives the server */
    struct store *store;
    struct login *login;
    struct tls_ctx *tls;
    unsigned logins; /* the ways to log in that are offered (login/sasl.h); 0 = all */
    struct slice hostname;
    struct slice public_account; /* address of the one whose mailboxes are the public ones, or empty */
    uint64_t append_max;         /* bytes of an APPEND; 0 = 50 MiB */
    uint32_t sessions_max;       /* of one account at the same time; 0 = 5000 */
    uint32_t messages_max;       /* of one command (RFC 9738); 0 = 2,000,000 */
    uint32_t saved_max;          /* that "$" keeps; 0 = 1,000,000 */
    bool annotate;               /* annotations of messages are offered (RFC 5257) */
    int64_t progress;            /* between two words on how far a command is (RFC 9585); 0 = 10 s */
};
struct imapd;
MUST_CHECK int imapd_open(struct imapd **out, const struct imapd_conf *conf);
void imapd_close(struct imapd **s);
/* One session; takes c over. tls_at_once: port 993. An idle one is parked in g. visit: how the
 * guard knows the connection, or NULL. */
void imapd_session(struct imapd *s, bool tls_at_once, struct conn *c, struct group *g,
                   struct guard_visit *visit);
/* What a URL names that its owner authorised for submission by this account, or for more (RFC 4467, 4468),
 * piece by piece; stops when each() returns other than 0 and returns that. The owner's rights are asked.
 * ERR_SYNTAX, ERR_DENIED, ERR_NOT_FOUND, ERR_TOO_LONG: more than max bytes. SUSPENDS. */
MUST_CHECK int imapd_url_submit(struct imapd *d, struct slice url, const char *account, uint64_t max,
                                int (*each)(void *arg, struct slice piece), void *arg);
