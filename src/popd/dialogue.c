/* dialogue.c - what is said in a session, line by line, for who looks on (wire/dialogue.h). No secret is in
 * it: of PASS and AUTH no argument but the mechanism is told, of what is no command its first word, and not
 * even that after a try to log in: it may be a password that nobody asked for. Of letters how many bytes they
 * had. */
#include "wire/dialogue.h"
#include "popd_i.h"

void popd_begins(const struct popd_session *s)
{
    char ip[IP_TEXT_MAX];
    if (!dialogue_wanted()) return;
    dialogue_begins(s->who, &(struct dialogue_with){.ip = sl_cstr(ip_format(&conn_peer(s->c)->ip, ip))});
}

void popd_ends(const struct popd_session *s)
{
    if (dialogue_wanted()) dialogue_ends(s->who);
}

void popd_heard(struct popd_session *s, struct slice line, const struct pop3_command *c)
{
    bool login = c->verb == POP3_USER || c->verb == POP3_PASS || c->verb == POP3_AUTH || c->verb == POP3_APOP;
    s->tried_login |= login;
    if (!dialogue_wanted()) return;
    if (c->verb == POP3_PASS || c->verb == POP3_APOP) line = ar_printf(&s->cmd_a, "%.*s ...", SLF(c->word));
    if (c->verb == POP3_AUTH) line = ar_printf(&s->cmd_a, "AUTH %s ...", sasl_word(c->mechanism));
    if (c->verb == POP3_UNKNOWN && s->tried_login) line = SL("...");
    else if (c->verb == POP3_UNKNOWN) line = ar_printf(&s->cmd_a, "%.*s ...", SLF(c->word));
    dialogue_line(s->who, DIALOGUE_CLIENT, line);
}

void popd_heard_secret(struct popd_session *s, size_t n)
{
    dialogue_count(s->who, DIALOGUE_CLIENT, n, "the login");
}

/* A challenge tells what only the client is to know. */
void popd_say(struct popd_session *s)
{
    struct slice out = buf_slice(&s->out);
    conn_write(s->c, out);
    dialogue_lines(s->who, DIALOGUE_SERVER, sl_starts(out, SL("+ ")) ? SL("+ ...") : out);
}

void popd_give(struct popd_session *s, struct slice bytes)
{
    conn_write(s->c, bytes);
    dialogue_letter(s->who, bytes);
}

void popd_gave(struct popd_session *s, uint64_t n) { dialogue_count(s->who, DIALOGUE_SERVER, n, "a letter"); }
