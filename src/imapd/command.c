/* command.c - the table of commands, and how one is run. */
#include "imapd_i.h"

static const struct imapd_command table[] = {
    /* any state (RFC 9051 section 6.1) */
    {SL_INIT("CAPABILITY"), IMAPD_ANY, 0, 1, imapd_cmd_capability},
    {SL_INIT("NOOP"), IMAPD_ANY, IMAPD_EXPUNGES, 1, imapd_cmd_noop},
    {SL_INIT("LOGOUT"), IMAPD_ANY, 0, 0, imapd_cmd_logout},
    {SL_INIT("ID"), IMAPD_ANY, IMAPD_EXPUNGES, 1, imapd_cmd_id},
    /* before login (6.2) */
    {SL_INIT("STARTTLS"), IMAPD_LOGGED_OUT, 0, 1, imapd_cmd_starttls},
    {SL_INIT("LOGIN"), IMAPD_LOGGED_OUT, IMAPD_SECRET, 1, imapd_cmd_login},
    {SL_INIT("AUTHENTICATE"), IMAPD_LOGGED_OUT, IMAPD_SECRET, 1, imapd_cmd_authenticate},
    /* after login (6.3) */
    {SL_INIT("ENABLE"), IMAPD_IN, 0, 0, imapd_cmd_enable},
    {SL_INIT("SELECT"), IMAPD_IN, 0, 0, imapd_cmd_select},
    {SL_INIT("EXAMINE"), IMAPD_IN, 0, 0, imapd_cmd_examine},
    {SL_INIT("CREATE"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_create},
    {SL_INIT("DELETE"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_delete},
    {SL_INIT("RENAME"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_rename},
    {SL_INIT("SUBSCRIBE"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_subscribe},
    {SL_INIT("UNSUBSCRIBE"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_unsubscribe},
    {SL_INIT("LIST"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_list},
    {SL_INIT("LSUB"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_lsub},
    {SL_INIT("NAMESPACE"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_namespace},
    {SL_INIT("STATUS"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_status},
    {SL_INIT("APPEND"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_append},
    {SL_INIT("IDLE"), IMAPD_IN, IMAPD_EXPUNGES, 0, imapd_cmd_idle},
    /* with a mailbox selected (6.4) */
    {SL_INIT("CHECK"), IMAPD_SELECTED, IMAPD_EXPUNGES, 0, imapd_cmd_check},
    {SL_INIT("CLOSE"), IMAPD_SELECTED, 0, 0, imapd_cmd_close},
    {SL_INIT("UNSELECT"), IMAPD_SELECTED, 0, 0, imapd_cmd_unselect},
    {SL_INIT("EXPUNGE"), IMAPD_SELECTED, IMAPD_UID | IMAPD_EXPUNGES, 0, imapd_cmd_expunge},
    {SL_INIT("FETCH"), IMAPD_SELECTED, IMAPD_UID, 0, imapd_cmd_fetch},
    {SL_INIT("STORE"), IMAPD_SELECTED, IMAPD_UID, 0, imapd_cmd_store},
    {SL_INIT("SEARCH"), IMAPD_SELECTED, IMAPD_UID, 0, imapd_cmd_search},
    {SL_INIT("COPY"), IMAPD_SELECTED, IMAPD_UID | IMAPD_EXPUNGES, 0, imapd_cmd_copy},
    {SL_INIT("MOVE"), IMAPD_SELECTED, IMAPD_UID | IMAPD_EXPUNGES, 0, imapd_cmd_move},
};

const struct imapd_command *imapd_command_find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (sl_eqi(table[i].name, name)) return &table[i];
    return NULL;
}

static const char *why_not_now(const struct imapd_session *s, const struct imapd_command *c)
{
    if (c->states == IMAPD_LOGGED_OUT) return "you have logged in already";
    if (s->state == IMAPD_LOGGED_OUT) return "log in first";
    return "select a mailbox first";
}

void imapd_dispatch(struct imapd_session *s)
{
    struct imap_in in;
    imap_in_init(&in, &s->a, buf_slice(&s->cmd), s->utf8);
    s->tag = imap_tag(&in);
    s->uid = s->may_expunge = false;
    imap_sp(&in);
    struct slice name = imap_atom(&in);
    if (in.code) {
        if (!imap_at(&(struct imap_in){.s = in.s, .at = s->tag.n}, ' ')) s->tag = SL("*");
        imapd_args_bad(s, &in);
        return;
    }
    if (sl_eqi(name, SL("UID"))) {
        s->uid = true;
        imap_sp(&in);
        name = imap_atom(&in);
    }
    const struct imapd_command *c = imapd_command_find(name);
    if (in.code || !c || (s->uid && !(c->flags & IMAPD_UID))) {
        imapd_bad(s, "there is no such command");
        return;
    }
    if (!(c->states & s->state)) {
        imapd_bad(s, "%s", why_not_now(s, c));
        return;
    }
    if (s->state == IMAPD_LOGGED_OUT) s->cost += c->cost;
    s->may_expunge = c->flags & IMAPD_EXPUNGES || s->uid;
    unsigned junk = s->junk;
    c->run(s, &in);
    if (s->junk == junk && s->state != IMAPD_LOGGED_OUT) s->junk = 0;
}

/* ---- capabilities ---- */

void imapd_capabilities(struct imapd_session *s, struct buf *out)
{
    buf_str(out, "IMAP4rev1 IMAP4rev2 SASL-IR LITERAL+ ID ENABLE IDLE");
    if (s->state == IMAPD_LOGGED_OUT) {
        uint8_t binding[32];
        if (conn_is_tls(s->c)) buf_str(out, " AUTH=PLAIN AUTH=SCRAM-SHA-256");
        if (conn_is_tls(s->c) && conn_tls_exporter(s->c, binding) == 0)
            buf_str(out, " AUTH=SCRAM-SHA-256-PLUS");
        if (conn_is_tls(s->c)) return;
        buf_str(out, s->server->conf.tls ? " STARTTLS LOGINDISABLED" : " LOGINDISABLED");
        return;
    }
    buf_str(out, " NAMESPACE UNSELECT UIDPLUS MOVE CHILDREN SPECIAL-USE LIST-EXTENDED LIST-STATUS STATUS=SIZE"
                 " ESEARCH SEARCHRES WITHIN CONDSTORE UTF8=ACCEPT BINARY MULTIAPPEND OBJECTID SAVEDATE "
                 "CREATE-SPECIAL-USE");
}

void imapd_cmd_capability(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    buf_str(&s->out, "* CAPABILITY ");
    imapd_capabilities(s, &s->out);
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
    imapd_ok(s, NULL, "these are the capabilities");
}

void imapd_cmd_noop(struct imapd_session *s, struct imap_in *in)
{
    if (!imapd_args_bad(s, in)) imapd_ok(s, NULL, "done");
}

void imapd_cmd_check(struct imapd_session *s, struct imap_in *in) { imapd_cmd_noop(s, in); }

void imapd_cmd_logout(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    imapd_untagged(s, "BYE good bye");
    imapd_unselect(s);
    imapd_ok(s, NULL, "logged out");
    s->over = true;
}

/* RFC 2971: what the client says about itself is not kept. */
void imapd_cmd_id(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    if (imap_skip(in, '(')) {
        for (bool more = !imap_skip(in, ')'); more && !in->code;) {
            (void)imap_string(in);
            imap_sp(in);
            (void)imap_nstring(in);
            more = imap_skip(in, ' ');
            if (!more) imap_need(in, ')');
        }
    } else if (!imap_skip_word(in, SL("NIL"))) {
        imap_fail(in, ERR_SYNTAX, "a list or NIL was expected");
    }
    if (imapd_args_bad(s, in)) return;
    imapd_untagged(s, "ID (\"name\" \"Tram\")");
    imapd_ok(s, NULL, "pleased to meet you");
}

/* RFC 5161: what is not known is passed over. */
void imapd_cmd_enable(struct imapd_session *s, struct imap_in *in)
{
    bool utf8 = false, rev2 = false, condstore = false;
    do {
        imap_sp(in);
        struct slice name = imap_atom(in);
        utf8 |= sl_eqi(name, SL("UTF8=ACCEPT"));
        rev2 |= sl_eqi(name, SL("IMAP4rev2"));
        condstore |= sl_eqi(name, SL("CONDSTORE"));
    } while (imap_more(in));
    if (imapd_args_bad(s, in)) return;
    buf_str(&s->out, "* ENABLED");
    if (utf8 && !s->utf8) buf_str(&s->out, " UTF8=ACCEPT");
    if (rev2 && !s->rev2) buf_str(&s->out, " IMAP4rev2");
    if (condstore && !s->condstore) buf_str(&s->out, " CONDSTORE");
    buf_str(&s->out, "\r\n");
    s->utf8 |= utf8 || rev2; /* mailbox names are UTF-8 from now on */
    s->rev2 |= rev2;
    s->utf8_accept |= utf8;
    imapd_flush(s);
    if (condstore) imapd_condstore(s);
    imapd_ok(s, NULL, "enabled");
}
