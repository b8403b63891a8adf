/* command.c - the table of commands, and how one is run. */
#include "imapd_i.h"

static const struct im_command table[] = {
    /* any state (RFC 9051 section 6.1) */
    {SL_INIT("CAPABILITY"), IM_ANY, 0, im_cmd_capability},
    {SL_INIT("NOOP"), IM_ANY, IM_EXPUNGES, im_cmd_noop},
    {SL_INIT("LOGOUT"), IM_ANY, 0, im_cmd_logout},
    {SL_INIT("ID"), IM_ANY, IM_EXPUNGES, im_cmd_id},
    /* before login (6.2) */
    {SL_INIT("STARTTLS"), IM_LOGGED_OUT, 0, im_cmd_starttls},
    {SL_INIT("LOGIN"), IM_LOGGED_OUT, IM_SECRET, im_cmd_login},
    {SL_INIT("AUTHENTICATE"), IM_LOGGED_OUT, IM_SECRET, im_cmd_authenticate},
    /* after login (6.3) */
    {SL_INIT("ENABLE"), IM_IN, 0, im_cmd_enable},
    {SL_INIT("SELECT"), IM_IN, 0, im_cmd_select},
    {SL_INIT("EXAMINE"), IM_IN, 0, im_cmd_examine},
    {SL_INIT("CREATE"), IM_IN, IM_EXPUNGES, im_cmd_create},
    {SL_INIT("DELETE"), IM_IN, IM_EXPUNGES, im_cmd_delete},
    {SL_INIT("RENAME"), IM_IN, IM_EXPUNGES, im_cmd_rename},
    {SL_INIT("SUBSCRIBE"), IM_IN, IM_EXPUNGES, im_cmd_subscribe},
    {SL_INIT("UNSUBSCRIBE"), IM_IN, IM_EXPUNGES, im_cmd_unsubscribe},
    {SL_INIT("LIST"), IM_IN, IM_EXPUNGES, im_cmd_list},
    {SL_INIT("LSUB"), IM_IN, IM_EXPUNGES, im_cmd_lsub},
    {SL_INIT("NAMESPACE"), IM_IN, IM_EXPUNGES, im_cmd_namespace},
    {SL_INIT("STATUS"), IM_IN, IM_EXPUNGES, im_cmd_status},
    {SL_INIT("APPEND"), IM_IN, IM_EXPUNGES, im_cmd_append},
    {SL_INIT("IDLE"), IM_IN, IM_EXPUNGES, im_cmd_idle},
    /* with a mailbox selected (6.4) */
    {SL_INIT("CHECK"), IM_SELECTED, IM_EXPUNGES, im_cmd_check},
    {SL_INIT("CLOSE"), IM_SELECTED, 0, im_cmd_close},
    {SL_INIT("UNSELECT"), IM_SELECTED, 0, im_cmd_unselect},
    {SL_INIT("EXPUNGE"), IM_SELECTED, IM_UID | IM_EXPUNGES, im_cmd_expunge},
    {SL_INIT("FETCH"), IM_SELECTED, IM_UID, im_cmd_fetch},
    {SL_INIT("STORE"), IM_SELECTED, IM_UID, im_cmd_store},
    {SL_INIT("SEARCH"), IM_SELECTED, IM_UID, im_cmd_search},
    {SL_INIT("COPY"), IM_SELECTED, IM_UID | IM_EXPUNGES, im_cmd_copy},
    {SL_INIT("MOVE"), IM_SELECTED, IM_UID | IM_EXPUNGES, im_cmd_move},
};

const struct im_command *im_command_find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (sl_eqi(table[i].name, name)) return &table[i];
    return NULL;
}

static const char *why_not_now(const struct im *s, const struct im_command *c)
{
    if (c->states == IM_LOGGED_OUT) return "you have logged in already";
    if (s->state == IM_LOGGED_OUT) return "log in first";
    return "select a mailbox first";
}

void im_dispatch(struct im *s)
{
    struct imap_in in;
    imap_in_init(&in, &s->a, buf_slice(&s->cmd), s->utf8);
    s->tag = imap_tag(&in);
    s->uid = s->may_expunge = false;
    imap_sp(&in);
    struct slice name = imap_atom(&in);
    if (in.code) {
        if (!imap_at(&(struct imap_in){.s = in.s, .at = s->tag.n}, ' ')) s->tag = SL("*");
        im_args_bad(s, &in);
        return;
    }
    if (sl_eqi(name, SL("UID"))) {
        s->uid = true;
        imap_sp(&in);
        name = imap_atom(&in);
    }
    const struct im_command *c = im_command_find(name);
    if (in.code || !c || (s->uid && !(c->flags & IM_UID))) {
        im_bad(s, "there is no such command");
        return;
    }
    if (!(c->states & s->state)) {
        im_bad(s, "%s", why_not_now(s, c));
        return;
    }
    s->may_expunge = c->flags & IM_EXPUNGES || s->uid;
    unsigned junk = s->junk;
    c->run(s, &in);
    if (s->junk == junk && s->state != IM_LOGGED_OUT) s->junk = 0;
}

/* ---- capabilities ---- */

void im_capabilities(struct im *s, struct buf *out)
{
    buf_str(out, "IMAP4rev1 IMAP4rev2 SASL-IR LITERAL+ ID ENABLE IDLE");
    if (s->state == IM_LOGGED_OUT) {
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

void im_cmd_capability(struct im *s, struct imap_in *in)
{
    if (im_args_bad(s, in)) return;
    buf_str(&s->out, "* CAPABILITY ");
    im_capabilities(s, &s->out);
    buf_str(&s->out, "\r\n");
    im_flush(s);
    im_ok(s, NULL, "these are the capabilities");
}

void im_cmd_noop(struct im *s, struct imap_in *in)
{
    if (!im_args_bad(s, in)) im_ok(s, NULL, "done");
}

void im_cmd_check(struct im *s, struct imap_in *in) { im_cmd_noop(s, in); }

void im_cmd_logout(struct im *s, struct imap_in *in)
{
    if (im_args_bad(s, in)) return;
    im_untagged(s, "BYE good bye");
    im_unselect(s);
    im_ok(s, NULL, "logged out");
    s->over = true;
}

/* RFC 2971: what the client says about itself is not kept. */
void im_cmd_id(struct im *s, struct imap_in *in)
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
    if (im_args_bad(s, in)) return;
    im_untagged(s, "ID (\"name\" \"Tram\")");
    im_ok(s, NULL, "pleased to meet you");
}

/* RFC 5161: what is not known is passed over. */
void im_cmd_enable(struct im *s, struct imap_in *in)
{
    bool utf8 = false, rev2 = false, condstore = false;
    do {
        imap_sp(in);
        struct slice name = imap_atom(in);
        utf8 |= sl_eqi(name, SL("UTF8=ACCEPT"));
        rev2 |= sl_eqi(name, SL("IMAP4rev2"));
        condstore |= sl_eqi(name, SL("CONDSTORE"));
    } while (imap_more(in));
    if (im_args_bad(s, in)) return;
    buf_str(&s->out, "* ENABLED");
    if (utf8 && !s->utf8) buf_str(&s->out, " UTF8=ACCEPT");
    if (rev2 && !s->rev2) buf_str(&s->out, " IMAP4rev2");
    if (condstore && !s->condstore) buf_str(&s->out, " CONDSTORE");
    buf_str(&s->out, "\r\n");
    s->utf8 |= utf8 || rev2; /* mailbox names are UTF-8 from now on */
    s->rev2 |= rev2;
    s->utf8_accept |= utf8;
    im_flush(s);
    if (condstore) im_condstore(s);
    im_ok(s, NULL, "enabled");
}
