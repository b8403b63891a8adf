/* hello.c - greeting the other side, STARTTLS, and the commands that change nothing. */
#include <stdio.h>

#include "smtpd_i.h"

/* ---- EHLO and HELO (RFC 5321 section 4.1.1.1) ---- */

/* Returns where the line begins. */
static size_t put_keyword(struct smtpd_session *s, struct slice keyword)
{
    size_t at = s->out.n;
    buf_printf(&s->out, "250-%.*s", SLF(keyword));
    if (sl_eq(keyword, SL("SIZE")))
        buf_printf(&s->out, " %llu", (unsigned long long)intake_size_max(s->conf->intake));
    if (sl_eq(keyword, SL("AUTH"))) sasl_put(&s->out, smtpd_logins(s), " ", "");
    buf_str(&s->out, "\r\n");
    return at;
}

/* What the table's commands serve at this moment. */
static void put_ehlo(struct smtpd_session *s)
{
    size_t n, last = 0;
    const struct smtpd_command *table = smtpd_table(&n);
    buf_clear(&s->out);
    buf_printf(&s->out, "250-%.*s at your service\r\n", SLF(s->conf->intake->hostname));
    for (size_t i = 0; i < n; i++) {
        struct slice rest = sl_cstr(table[i].keywords ? table[i].keywords : ""), word;
        if (table[i].closed && table[i].closed(s).code) continue;
        while (rest.n && sl_next(&rest, ' ', &word)) last = put_keyword(s, word);
    }
    s->out.p[last + 3] = ' '; /* RFC 5321 section 4.1.1.1: the last line has no hyphen */
    conn_write(s->c, buf_slice(&s->out));
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
    smtpd_tx_end(s); /* like RSET: RFC 5321 section 4.1.4 */
    snprintf(s->helo, sizeof s->helo, "%.*s", SLF(c->arg));
    s->extended = c->verb == SMTP_EHLO;
    if (s->extended) put_ehlo(s);
    else smtpd_reply(s, 250, NULL, "%.*s at your service", SLF(s->conf->intake->hostname));
}

/* ---- STARTTLS (RFC 3207) ---- */

int smtpd_tls_begin(struct smtpd_session *s)
{
    int64_t before = deadline_narrow(DEADLINE_IN(SMTPD_WORK));
    int r = conn_tls_accept(s->c, s->conf->tls);
    deadline_restore(before);
    if (r) {
        log_info(s->who, "TLS did not come about: %s", err_text(r));
        s->over = true;
        return r;
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
    size_t n;
    const struct smtpd_command *table = smtpd_table(&n);
    (void)c;
    buf_clear(&s->out);
    for (size_t i = 0; i < n; i++) buf_printf(&s->out, "214-2.0.0 %s\r\n", table[i].help);
    buf_str(&s->out, "214 2.0.0 These are the commands (RFC 5321)\r\n");
    conn_write(s->c, buf_slice(&s->out));
}

void smtpd_quit(struct smtpd_session *s, struct smtp_command *c)
{
    (void)c;
    smtpd_reply(s, 221, "2.0.0", "Goodbye");
    s->over = true;
}
