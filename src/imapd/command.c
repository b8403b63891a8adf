/* command.c - the table of commands, and how one is run. */
#include "imapd_i.h"
#include "login/sasl.h"

static void cmd_capability(struct imapd_session *s, struct imap_in *in),
    cmd_check(struct imapd_session *s, struct imap_in *in),
    cmd_compress(struct imapd_session *s, struct imap_in *in),
    cmd_enable(struct imapd_session *s, struct imap_in *in),
    cmd_id(struct imapd_session *s, struct imap_in *in),
    cmd_logout(struct imapd_session *s, struct imap_in *in),
    cmd_noop(struct imapd_session *s, struct imap_in *in);

static const struct imapd_command table[] = {
    /* any state (RFC 9051 section 6.1) */
    {SL_INIT("CAPABILITY"), IMAPD_ANY, IMAPD_EARLY, .cost = 1, .run = cmd_capability,
     .capabilities = "IMAP4rev1 IMAP4rev2 SASL-IR LITERAL+"},
    {SL_INIT("NOOP"), IMAPD_ANY, IMAPD_EXPUNGES, .cost = 1, .run = cmd_noop},
    {SL_INIT("LOGOUT"), IMAPD_ANY, 0, .run = cmd_logout},
    {SL_INIT("ID"), IMAPD_ANY, IMAPD_EXPUNGES | IMAPD_EARLY, .cost = 1, .run = cmd_id, .capabilities = "ID"},
    /* before login (6.2) */
    {SL_INIT("STARTTLS"), IMAPD_LOGGED_OUT, IMAPD_EARLY, .cost = 1, .run = imapd_cmd_starttls,
     .capabilities = "STARTTLS", .closed = imapd_starttls_closed},
    {SL_INIT("LOGIN"), IMAPD_LOGGED_OUT, IMAPD_LOGIN, .cost = 1, .run = imapd_cmd_login,
     .closed = imapd_login_closed},
    {SL_INIT("AUTHENTICATE"), IMAPD_LOGGED_OUT, IMAPD_EARLY | IMAPD_LOGIN, .cost = 1,
     .run = imapd_cmd_authenticate, .capabilities = "AUTH=", .closed = imapd_authenticate_closed},
    /* after login (6.3) */
    {SL_INIT("ENABLE"), IMAPD_IN, 0, .run = cmd_enable,
     .capabilities = "ENABLE UTF8=ACCEPT CONDSTORE QRESYNC UIDONLY"},
    {SL_INIT("COMPRESS"), IMAPD_IN, 0, .run = cmd_compress, .capabilities = "COMPRESS=DEFLATE"},
    {SL_INIT("SELECT"), IMAPD_IN, 0, .run = imapd_cmd_select},
    {SL_INIT("EXAMINE"), IMAPD_IN, 0, .run = imapd_cmd_examine},
    {SL_INIT("CREATE"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_create,
     .capabilities = "CREATE-SPECIAL-USE"},
    {SL_INIT("DELETE"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_delete},
    {SL_INIT("RENAME"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_rename},
    {SL_INIT("SUBSCRIBE"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_subscribe},
    {SL_INIT("UNSUBSCRIBE"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_unsubscribe},
    {SL_INIT("LIST"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_list,
     .capabilities = "CHILDREN SPECIAL-USE LIST-EXTENDED LIST-STATUS"},
    {SL_INIT("LSUB"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_lsub},
    {SL_INIT("NAMESPACE"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_namespace, .capabilities = "NAMESPACE"},
    {SL_INIT("STATUS"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_status,
     .capabilities = "STATUS=SIZE OBJECTID"},
    {SL_INIT("GETQUOTA"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_getquota,
     .capabilities = "QUOTA QUOTASET QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTA=RES-MAILBOX"},
    {SL_INIT("GENURLAUTH"), IMAPD_IN, IMAPD_EXPUNGES | IMAPD_SECRET, .run = imapd_cmd_genurlauth,
     .capabilities = "URLAUTH URL-PARTIAL"},
    {SL_INIT("URLFETCH"), IMAPD_IN, IMAPD_EXPUNGES | IMAPD_SECRET, .run = imapd_cmd_urlfetch},
    {SL_INIT("RESETKEY"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_resetkey},
    {SL_INIT("SETQUOTA"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_setquota},
    {SL_INIT("GETQUOTAROOT"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_getquotaroot},
    {SL_INIT("GETMETADATA"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_getmetadata,
     .capabilities = "METADATA LIST-METADATA"},
    {SL_INIT("SETMETADATA"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_setmetadata},
    {SL_INIT("SETACL"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_setacl,
     .capabilities = "ACL LIST-MYRIGHTS RIGHTS=kxte"},
    {SL_INIT("DELETEACL"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_deleteacl},
    {SL_INIT("GETACL"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_getacl},
    {SL_INIT("LISTRIGHTS"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_listrights},
    {SL_INIT("MYRIGHTS"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_myrights},
    {SL_INIT("NOTIFY"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_notify, .capabilities = "NOTIFY"},
    {SL_INIT("UNAUTHENTICATE"), IMAPD_IN, 0, .run = imapd_cmd_unauthenticate,
     .capabilities = "UNAUTHENTICATE"},
    {SL_INIT("APPEND"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_append,
     .capabilities = "MULTIAPPEND CATENATE"},
    {SL_INIT("IDLE"), IMAPD_IN, IMAPD_EXPUNGES | IMAPD_EARLY, .run = imapd_cmd_idle, .capabilities = "IDLE"},
    /* with a mailbox selected (6.4) */
    {SL_INIT("CHECK"), IMAPD_SELECTED, IMAPD_EXPUNGES, .run = cmd_check},
    {SL_INIT("CLOSE"), IMAPD_SELECTED, 0, .run = imapd_cmd_close},
    {SL_INIT("UNSELECT"), IMAPD_SELECTED, 0, .run = imapd_cmd_unselect, .capabilities = "UNSELECT"},
    {SL_INIT("EXPUNGE"), IMAPD_SELECTED, IMAPD_UID | IMAPD_EXPUNGES, .run = imapd_cmd_expunge,
     .capabilities = "UIDPLUS"},
    {SL_INIT("FETCH"), IMAPD_SELECTED, IMAPD_UID | IMAPD_NUMBERS, .run = imapd_cmd_fetch,
     .capabilities = "BINARY SAVEDATE PREVIEW"}, /* and ANNOTATE-EXPERIMENT-1 where it is offered */
    {SL_INIT("STORE"), IMAPD_SELECTED, IMAPD_UID | IMAPD_NUMBERS, .run = imapd_cmd_store},
    {SL_INIT("SEARCH"), IMAPD_SELECTED, IMAPD_UID | IMAPD_NUMBERS, .run = imapd_cmd_search,
     .capabilities = "ESEARCH SEARCHRES WITHIN PARTIAL INPROGRESS FILTERS SEARCH=FUZZY CONTEXT=SEARCH"},
    {SL_INIT("ESEARCH"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_esearch, .capabilities = "MULTISEARCH"},
    {SL_INIT("COMPARATOR"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_comparator,
     .capabilities = "I18NLEVEL=2"},
    {SL_INIT("CANCELUPDATE"), IMAPD_IN, IMAPD_EXPUNGES, .run = imapd_cmd_cancelupdate},
    {SL_INIT("SORT"), IMAPD_SELECTED, IMAPD_UID | IMAPD_NUMBERS, .run = imapd_cmd_sort,
     .capabilities = "SORT SORT=DISPLAY ESORT CONTEXT=SORT"},
    {SL_INIT("THREAD"), IMAPD_SELECTED, IMAPD_UID | IMAPD_NUMBERS, .run = imapd_cmd_thread,
     .capabilities = "THREAD=ORDEREDSUBJECT THREAD=REFERENCES THREAD=REFS"},
    {SL_INIT("UIDBATCHES"), IMAPD_SELECTED, 0, .run = imapd_cmd_uidbatches, .capabilities = "UIDBATCHES"},
    {SL_INIT("REPLACE"), IMAPD_SELECTED, IMAPD_UID | IMAPD_NUMBERS | IMAPD_EXPUNGES, .run = imapd_cmd_replace,
     .capabilities = "REPLACE"},
    {SL_INIT("COPY"), IMAPD_SELECTED, IMAPD_UID | IMAPD_NUMBERS | IMAPD_EXPUNGES, .run = imapd_cmd_copy},
    {SL_INIT("MOVE"), IMAPD_SELECTED, IMAPD_UID | IMAPD_NUMBERS | IMAPD_EXPUNGES, .run = imapd_cmd_move,
     .capabilities = "MOVE"},
};

static const struct imapd_command *imapd_command_find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (sl_eqi(table[i].name, name)) return &table[i];
    return NULL;
}

/* ---- capabilities ---- */

static bool is_closed(struct imapd_session *s, const struct imapd_command *c)
{
    return c->closed && c->closed(s).text;
}

void imapd_capabilities(struct imapd_session *s, struct buf *out)
{
    bool out_yet = s->state == IMAPD_LOGGED_OUT;
    size_t begin = out->n;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        const struct imapd_command *c = &table[i];
        bool told = out_yet ? c->flags & IMAPD_EARLY : c->states != IMAPD_LOGGED_OUT;
        if (out_yet && c->run == imapd_cmd_login && is_closed(s, c)) buf_str(out, " LOGINDISABLED");
        if (!c->capabilities || !told || is_closed(s, c)) continue;
        if (c->run == imapd_cmd_authenticate) sasl_put(out, imapd_logins(s), " AUTH=", "");
        else buf_printf(out, "%s%s", out->n > begin ? " " : "", c->capabilities);
        if (c->run == imapd_cmd_setacl && s->server->conf.annotate) buf_char(out, 'n'); /* to RIGHTS= */
        if (c->run == imapd_cmd_fetch && s->server->conf.annotate) buf_str(out, " ANNOTATE-EXPERIMENT-1");
        if (c->run == imapd_cmd_append) /* RFC 7889 */
            buf_printf(out, " APPENDLIMIT=%llu", (unsigned long long)s->server->conf.append_max);
        if (c->run == imapd_cmd_uidbatches) /* RFC 9738 */
            buf_printf(out, " MESSAGELIMIT=%u SAVELIMIT=%u", s->server->conf.messages_max,
                       s->server->conf.saved_max);
    }
}

/* ---- how one is run ---- */

static const char *why_not_now(const struct imapd_session *s, const struct imapd_command *c)
{
    if (c->states == IMAPD_LOGGED_OUT) return "you have logged in already";
    if (s->state == IMAPD_LOGGED_OUT) return "log in first";
    return "select a mailbox first";
}

/* Rights may have been taken away since the mailbox was selected. false: that was answered. */
static bool still_shared(struct imapd_session *s)
{
    int e = imapd_rights_now(s);
    if (e && !s->over) imapd_failed(s, e);
    return !e;
}

/* A login is answered with what there is from now on (RFC 9051 section 7.1). */
static void tell_login(struct imapd_session *s)
{
    struct buf b = BUF_INIT;
    buf_str(&b, "CAPABILITY ");
    imapd_capabilities(s, &b);
    buf_char(&b, 0);
    imapd_ok(s, b.p, "logged in");
    buf_free(&b);
}

void imapd_dispatch(struct imapd_session *s)
{
    struct imap_in in;
    in = imapd_in(s, &s->a, buf_slice(&s->cmd));
    s->tag = imap_tag(&in);
    s->uid = s->may_expunge = false;
    imap_sp(&in);
    struct slice name = imap_atom(&in);
    if (in.code) {
        if (!imap_at(&(struct imap_in){.s = in.s, .at = s->tag.n}, ' ')) s->tag = SL("*");
        imapd_heard(s, NULL, SL(""));
        imapd_args_bad(s, &in);
        return;
    }
    if (sl_eqi(name, SL("UID"))) {
        s->uid = true;
        imap_sp(&in);
        name = imap_atom(&in);
    }
    const struct imapd_command *c = imapd_command_find(name);
    imapd_heard(s, c, name);
    if (in.code || !c || (s->uid && !(c->flags & IMAPD_UID))) {
        imapd_bad(s, "there is no such command");
        return;
    }
    if (!(c->states & s->state)) {
        imapd_bad(s, "%s", why_not_now(s, c));
        return;
    }
    if (s->state == IMAPD_LOGGED_OUT) s->cost += c->cost;
    struct imapd_refusal no = c->closed ? c->closed(s) : (struct imapd_refusal){0};
    if (no.text) {
        if (no.code) imapd_no(s, no.code, "%s", no.text);
        else imapd_bad(s, "%s", no.text);
        return;
    }
    if (s->uidonly && c->flags & IMAPD_NUMBERS && !s->uid) {
        imapd_uid_required(s);
        return;
    }
    if (c->states == IMAPD_SELECTED && !still_shared(s)) return;
    s->may_expunge = c->flags & IMAPD_EXPUNGES || s->uid;
    s->progress = rt_now();
    unsigned junk = s->junk;
    bool stranger = s->state == IMAPD_LOGGED_OUT;
    c->run(s, &in);
    if (stranger && s->state != IMAPD_LOGGED_OUT) tell_login(s);
    if (s->junk == junk && s->state != IMAPD_LOGGED_OUT) s->junk = 0;
}

/* ---- commands of a few lines ---- */

static void cmd_capability(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    buf_str(&s->out, "* CAPABILITY ");
    imapd_capabilities(s, &s->out);
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
    imapd_ok(s, NULL, "these are the capabilities");
}

static void cmd_noop(struct imapd_session *s, struct imap_in *in)
{
    if (!imapd_args_bad(s, in)) imapd_ok(s, NULL, "done");
}

/* RFC 4978. Who has a connection compressed is told that it cannot be done again. */
static void cmd_compress(struct imapd_session *s, struct imap_in *in)
{
    imap_sp(in);
    if (!imap_skip_word(in, SL("DEFLATE"))) imap_fail(in, ERR_SYNTAX, "DEFLATE was expected");
    if (imapd_args_bad(s, in)) return;
    if (conn_is_compressed(s->c)) {
        imapd_no(s, "COMPRESSIONACTIVE", "the connection is compressed already");
    } else if (conn_peek(s->c).n) { /* a command slipped in before must not count after it */
        imapd_bad(s, "nothing may follow COMPRESS before its answer");
        s->over = true;
    } else {
        imapd_ok(s, NULL, "compressed from here on");
        conn_compress(s->c);
    }
}

static void cmd_check(struct imapd_session *s, struct imap_in *in) { cmd_noop(s, in); }

static void cmd_logout(struct imapd_session *s, struct imap_in *in)
{
    if (imapd_args_bad(s, in)) return;
    imapd_untagged(s, "BYE good bye");
    imapd_unselect(s);
    imapd_ok(s, NULL, "logged out");
    s->over = true;
}

/* RFC 2971: what the client says about itself is not kept. */
static void cmd_id(struct imapd_session *s, struct imap_in *in)
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
static void cmd_enable(struct imapd_session *s, struct imap_in *in)
{
    bool utf8 = false, rev2 = false, condstore = false, qresync = false, uidonly = false;
    imap_sp(in);
    do {
        struct slice name = imap_atom(in);
        utf8 |= sl_eqi(name, SL("UTF8=ACCEPT"));
        rev2 |= sl_eqi(name, SL("IMAP4rev2"));
        condstore |= sl_eqi(name, SL("CONDSTORE"));
        qresync |= sl_eqi(name, SL("QRESYNC"));
        uidonly |= sl_eqi(name, SL("UIDONLY"));
    } while (imap_skip(in, ' '));
    if (imapd_args_bad(s, in)) return;
    buf_str(&s->out, "* ENABLED");
    if (utf8 && !s->utf8) buf_str(&s->out, " UTF8=ACCEPT");
    if (rev2 && !s->rev2) buf_str(&s->out, " IMAP4rev2");
    if (condstore && !s->condstore) buf_str(&s->out, " CONDSTORE");
    if (qresync && !s->qresync) buf_str(&s->out, " QRESYNC"); /* RFC 7162 section 3.2.3 */
    if (uidonly && !s->uidonly) buf_str(&s->out, " UIDONLY");
    buf_str(&s->out, "\r\n");
    s->uidonly |= uidonly;
    s->qresync |= qresync;
    s->utf8 |= utf8 || rev2; /* mailbox names are UTF-8 from now on */
    s->rev2 |= rev2;
    s->utf8_accept |= utf8;
    imapd_flush(s);
    if (condstore || qresync) imapd_condstore(s);
    imapd_ok(s, NULL, "enabled");
}
