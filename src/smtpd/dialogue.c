/* dialogue.c - what is said in a session, line by line, for who looks on (wire/dialogue.h). No secret is in
 * it: of AUTH only the mechanism is told, of BURL nothing, of what is no command its first word, and not even
 * that after a try to log in: it may be a password that nobody asked for. */
#include "wire/dialogue.h"
#include "smtpd_i.h"

void smtpd_begins(const struct smtpd_session *s)
{
    char ip[IP_TEXT_MAX];
    if (!dialogue_wanted()) return;
    dialogue_begins(s->who, &(struct dialogue_with){.ip = sl_cstr(ip_format(&conn_peer(s->c)->ip, ip))});
}

void smtpd_heard(struct smtpd_session *s, struct slice line, const struct smtp_command *c)
{
    if (c->verb == SMTP_AUTH) s->tried_login = true;
    if (!dialogue_wanted()) return;
    if (c->verb == SMTP_AUTH) line = ar_printf(&s->cmd_a, "AUTH %s ...", sasl_word(c->mechanism));
    if (c->verb == SMTP_BURL) line = SL("BURL ...");
    if (c->verb == SMTP_UNKNOWN && s->tried_login) line = SL("...");
    else if (c->verb == SMTP_UNKNOWN) line = ar_printf(&s->cmd_a, "%.*s ...", SLF(c->word));
    dialogue_line(s->who, DIALOGUE_CLIENT, line);
}

void smtpd_heard_secret(struct smtpd_session *s, size_t n)
{
    dialogue_count(s->who, DIALOGUE_CLIENT, n, "the login");
}

void smtpd_said(struct smtpd_session *s, struct slice lines)
{
    dialogue_lines(s->who, DIALOGUE_SERVER, lines);
}

void smtpd_got(struct smtpd_session *s, struct slice bytes) { dialogue_letter(s->who, bytes); }

void smtpd_got_all(struct smtpd_session *s, uint64_t n)
{
    dialogue_count(s->who, DIALOGUE_CLIENT, n, "a letter");
}
