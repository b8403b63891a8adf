/* hello.c - greeting the other side, STARTTLS, and the commands that change nothing. */
#include <stdio.h>

#include "smtpd_i.h"

void smtpd_name_peer(struct smtpd_session *s)
{
    char peer[ENDPOINT_TEXT_MAX];
    endpoint_format(conn_peer(s->c), peer);
    snprintf(s->who, sizeof s->who, "smtpd %.50s %s", peer, s->id.s);
}

/* RFC 5321 section 4.3.1: the client waits for the greeting. True: it did not, and was told so. */
static bool spoke_first(struct smtpd_session *s)
{
    if (s->kind != SMTPD_MX || !s->conf->greeting_delay_s) return false;
    (void)!fiber_sleep(s->conf->greeting_delay_s * RT_S);
    if (!conn_overhear(s->c)) return false;
    log_info(s->who, "closed: the client spoke before the greeting");
    guard_hasty(s->visit);
    smtpd_reply(s, 554, NULL, "Wait for the greeting before you speak (RFC 5321 section 4.3.1)");
    s->over = true;
    return true;
}

void smtpd_greet(struct smtpd_session *s)
{
    if (spoke_first(s)) return;
    if (conn_peek(s->c).n) { /* RFC 5321 section 4.3.1: the client waits for the greeting */
        s->early = true;
        log_info(s->who, "the client spoke before the greeting");
        if (s->kind == SMTPD_MX) guard_hasty(s->visit);
    }
    if (!smtpd_filters_greet(s)) return;
    smtpd_reply(s, 220, NULL, "%.*s %s Tram", SLF(s->conf->intake->hostname),
                s->kind == SMTPD_LMTP ? "LMTP" : "ESMTP");
}

/* ---- EHLO and HELO (RFC 5321 section 4.1.1.1), LHLO (RFC 2033 section 4.1) ---- */

struct smtpd_refusal smtpd_helo_closed(const struct smtpd_session *s)
{
    if (s->kind == SMTPD_LMTP) return (struct smtpd_refusal){500, "5.5.1", "This is LMTP: say LHLO"};
    return (struct smtpd_refusal){0};
}

struct smtpd_refusal smtpd_lhlo_closed(const struct smtpd_session *s)
{
    if (s->kind != SMTPD_LMTP) return (struct smtpd_refusal){500, "5.5.1", "This is not LMTP: say EHLO"};
    return (struct smtpd_refusal){0};
}

void smtpd_helo(struct smtpd_session *s, struct smtp_command *c)
{
    if (c->arg.n > 1 && c->arg.p[c->arg.n - 1] == '.') c->arg.n--; /* written as in a master file */
    /* From the world a name must be one; mail programs are known to send anything. */
    if (s->kind == SMTPD_MX && !smtp_helo_ok(c->arg)) {
        smtpd_reply(s, 501, "5.5.2", "%s must give a host name or an address literal like [192.0.2.1]",
                    smtp_verb_name(c->verb));
        return;
    }
    if (!smtpd_filters_helo(s, c->arg)) return;
    smtpd_tx_end(s); /* like RSET: RFC 5321 section 4.1.4 */
    snprintf(s->helo, sizeof s->helo, "%.*s", SLF(c->arg));
    s->extended = c->verb != SMTP_HELO;
    if (s->extended) smtpd_put_ehlo(s);
    else smtpd_reply(s, 250, NULL, "%.*s at your service", SLF(s->conf->intake->hostname));
}

/* ---- STARTTLS (RFC 3207) ---- */

int smtpd_tls_begin(struct smtpd_session *s)
{
    /* No name is registered for SMTP; these are Exim's (its option tls_alpn), the only ones in use. */
    static const char *const alpn[] = {"smtp", "esmtp", NULL};
    int64_t before = deadline_narrow(DEADLINE_IN(SMTPD_WORK));
    int e = smtpd_is_submission(s) ? conn_tls_accept_login(s->c, s->conf->tls, alpn)
                                   : conn_tls_accept_stranger(s->c, s->conf->tls, alpn);
    deadline_restore(before);
    if (e) {
        log_info(s->who, "TLS did not come about: %s", err_text(e));
        s->over = true;
        return e;
    }
    s->tls = true;
    conn_tls_info(s->c, &s->tls_info);
    return 0;
}

struct smtpd_refusal smtpd_starttls_closed(const struct smtpd_session *s)
{
    if (s->tls) return (struct smtpd_refusal){503, "5.5.1", "TLS is already in use"};
    if (!s->conf->tls) return (struct smtpd_refusal){502, "5.5.1", "TLS is not offered here"};
    return (struct smtpd_refusal){0};
}

void smtpd_starttls(struct smtpd_session *s, struct smtp_command *c)
{
    (void)c;
    if (conn_peek(s->c).n) { /* section 6: what came in clear must never count as said in TLS */
        smtpd_reply(s, 421, "4.7.0",
                    "Commands were sent after STARTTLS before its answer; the connection is closed");
        return;
    }
    smtpd_reply(s, 220, "2.0.0", "Begin TLS");
    smtpd_tx_end(s);
    s->helo[0] = 0; /* section 4.2: all that the client said before is forgotten */
    s->extended = false;
    (void)!smtpd_tls_begin(s);
}

/* ---- the rest ---- */

void smtpd_noop(struct smtpd_session *s, struct smtp_command *c)
{
    (void)c;
    smtpd_reply(s, 250, "2.0.0", "Done, nothing");
}

void smtpd_rset(struct smtpd_session *s, struct smtp_command *c)
{
    (void)c;
    smtpd_tx_end(s);
    smtpd_reply(s, 250, "2.0.0", "Forgotten");
}

void smtpd_vrfy(struct smtpd_session *s, struct smtp_command *c)
{
    (void)c; /* RFC 5321 section 7.3: who is here is told at RCPT only */
    smtpd_reply(s, 252, "2.5.2", "Send a letter and see; addresses are not verified in advance");
}

void smtpd_expn(struct smtpd_session *s, struct smtp_command *c)
{
    (void)c;
    smtpd_reply(s, 502, "5.5.1", "Lists are not expanded here");
}

void smtpd_help(struct smtpd_session *s, struct smtp_command *c)
{
    (void)c;
    buf_clear(&s->out);
    for (size_t i = 0; i < s->ncommands; i++) {
        const struct smtpd_command *t = &s->command[i];
        bool other = t->closed && t->closed(s).code == 500; /* another protocol's */
        if (!other) buf_printf(&s->out, "214-2.0.0 %s\r\n", t->help);
    }
    buf_str(&s->out, "214 2.0.0 These are the commands (RFC 5321)\r\n");
    conn_write(s->c, buf_slice(&s->out));
    smtpd_said(s, buf_slice(&s->out));
}

void smtpd_quit(struct smtpd_session *s, struct smtp_command *c)
{
    (void)c;
    smtpd_reply(s, 221, "2.0.0", "Goodbye");
    s->over = true;
}
