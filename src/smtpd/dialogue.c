/* dialogue.c - what is said in a session, line by line, for who looks on (`tram debug`). No secret is in it:
 * of AUTH only the mechanism is told, of BURL nothing, of what is no command its first word, and not even
 * that after a try to log in: it may be a password that nobody asked for. */
#include <stdio.h>

#include "smtpd_i.h"

static void tell(const struct smtpd_session *s, enum log_level level, const char *event, struct slice line)
{
    LOG_EVENT(level, s->who, {"event", sl_cstr(event)}, {"line", line.n ? line : SL(" ")});
}

/* What stands in its place may be anything. */
static struct slice known_mechanism(struct slice given)
{
    struct slice words = SL(SASL_WORDS);
    for (struct slice one; words.n && sl_next(&words, ' ', &one);)
        if (sl_eqi(one, given)) return one;
    return SL("");
}

void smtpd_heard(struct smtpd_session *s, struct slice line, const struct smtp_command *c)
{
    if (c->verb == SMTP_AUTH) s->tried_login = true;
    if (!log_wants(LOG_TALK)) return;
    if (c->verb == SMTP_AUTH)
        line = ar_printf(&s->cmd_a, "AUTH %.*s ...", SLF(known_mechanism(c->mechanism)));
    if (c->verb == SMTP_BURL) line = SL("BURL ...");
    if (c->verb == SMTP_UNKNOWN && s->tried_login) line = SL("...");
    else if (c->verb == SMTP_UNKNOWN) line = ar_printf(&s->cmd_a, "%.*s ...", SLF(c->word));
    tell(s, LOG_TALK, "client", line);
}

void smtpd_heard_secret(struct smtpd_session *s, size_t n)
{
    char text[64];
    if (!log_wants(LOG_TALK)) return;
    snprintf(text, sizeof text, "(a line of the login, %zu bytes)", n);
    tell(s, LOG_TALK, "client", sl_cstr(text));
}

void smtpd_said(struct smtpd_session *s, struct slice lines)
{
    if (!log_wants(LOG_TALK)) return;
    for (struct slice one; lines.n && sl_next(&lines, '\n', &one);)
        tell(s, LOG_TALK, "server", sl_ends(one, SL("\r")) ? sl_sub(one, 0, one.n - 1) : one);
}

void smtpd_got(struct smtpd_session *s, struct slice bytes)
{
    enum { PIECE = 700 };
    if (!log_wants(LOG_CONTENT)) return;
    while (bytes.n) {
        size_t lf = sl_chr(bytes, '\n'), n = lf == SL_NONE ? bytes.n : lf + 1;
        if (n > PIECE) n = PIECE;
        struct slice line = sl_sub(bytes, 0, n);
        if (sl_ends(line, SL("\n"))) line.n--;
        if (sl_ends(line, SL("\r"))) line.n--;
        tell(s, LOG_CONTENT, "letter", line);
        bytes = sl_from(bytes, n);
    }
}

void smtpd_got_all(struct smtpd_session *s, uint64_t n)
{
    char text[64];
    if (!log_wants(LOG_TALK)) return;
    snprintf(text, sizeof text, "(%llu bytes of a letter)", (unsigned long long)n);
    tell(s, LOG_TALK, "client", sl_cstr(text));
}
