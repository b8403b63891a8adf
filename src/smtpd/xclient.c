/* xclient.c - XCLIENT: a proxy that is listed for it says who the client behind it is. The session begins
 * anew (Postfix's XCLIENT_README). */
#include <stdio.h>

#include "smtpd_i.h"

struct smtpd_refusal smtpd_xclient_closed(const struct smtpd_session *s)
{
    if (!s->trusted) return (struct smtpd_refusal){550, "5.7.0", "XCLIENT is not taken from your address"};
    if (s->logged_in)
        return (struct smtpd_refusal){503, "5.5.1", "Nobody becomes somebody else after a login"};
    return (struct smtpd_refusal){0};
}

/* Whoever it is has that address's share of connections and failed logins from now on. */
static int become(struct smtpd_session *s, const struct smtp_xclient *x)
{
    struct endpoint peer = {.ip = x->ip, .port = x->port};
    conn_set_peer(s->c, &peer);
    smtpd_name_peer(s);
    s->has_iprev = false;
    if (!s->visit || !s->visit->g) return 0;
    struct guard *g = s->visit->g;
    enum guard_door door = s->visit->door;
    guard_leave(s->visit);
    return guard_enter(g, s->visit, &x->ip, door);
}

void smtpd_xclient(struct smtpd_session *s, struct smtp_command *c)
{
    struct smtp_xclient x;
    int e = smtp_xclient(&s->cmd_a, c->arg, &x);
    if (e) {
        smtpd_reply(s, 501, "5.5.4", "%s", err_text(e));
        return;
    }
    log_info(s->who, "speaks for another: %.*s", SLF(c->arg));
    if (x.ip.family && (e = become(s, &x))) {
        smtpd_reply(s, 421, "4.7.0", "%s", err_text(e));
        return;
    }
    s->helo[0] = 0;
    s->extended = x.extended;
    if (x.helo.n) snprintf(s->helo, sizeof s->helo, "%.*s", SLF(x.helo));
    smtpd_greet(s);
}
