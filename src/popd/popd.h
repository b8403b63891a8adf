/* popd.h - the POP3 server (110 with STLS, 995). */
#pragma once
#include "guard/guard.h"
#include "login/login.h"
#include "rt/conn.h"
#include "store/mailbox.h"

struct popd_conf { /* borrowed, outlives the server */
    struct store *store;
    struct login *login;
    struct tls_ctx *tls;
    unsigned logins; /* the ways to log in that are offered (login/sasl.h); 0 = all */
    struct slice hostname;
    uint32_t login_delay; /* seconds between two logins of an account; 0 = none */
};
struct popd;
MUST_CHECK int popd_open(struct popd **out, const struct popd_conf *conf);
void popd_close(struct popd **s);
/* One session; takes c over. tls_at_once: port 995. visit: how the guard knows the connection, or NULL. */
void popd_session(struct popd *s, bool tls_at_once, struct conn *c, struct group *g,
                  struct guard_visit *visit);
