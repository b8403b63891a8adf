/* smtpd.c - the session: one loop over one table of commands (RFC 5321). */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "milter/filter.h"
#include "smtpd_i.h"

static const struct smtpd_command table[] = {
    {SMTP_EHLO, SMTPD_LAST, .cost = 1, .run = smtpd_helo, .help = "EHLO host",
     .keywords = "PIPELINING ENHANCEDSTATUSCODES", .closed = smtpd_helo_closed},
    {SMTP_HELO, SMTPD_LAST, .cost = 1, .run = smtpd_helo, .help = "HELO host", .closed = smtpd_helo_closed},
    {SMTP_LHLO, SMTPD_LAST, .cost = 1, .run = smtpd_helo, .help = "LHLO host",
     .keywords = "PIPELINING ENHANCEDSTATUSCODES", .closed = smtpd_lhlo_closed},
    {SMTP_MAIL, SMTPD_HELO | SMTPD_NO_TX | SMTPD_USER, .cost = 1, .run = smtpd_mail,
     .help = "MAIL FROM:<address> [SIZE=n] [BODY=7BIT|8BITMIME|BINARYMIME] [SMTPUTF8] [RET=..] [ENVID=..] "
             "[REQUIRETLS] [HOLDFOR=n|HOLDUNTIL=..] [BY=..] [MT-PRIORITY=n] [PRDR] [SOLICIT=..]",
     .keywords =
         "SIZE 8BITMIME SMTPUTF8 DSN REQUIRETLS FUTURERELEASE DELIVERBY MT-PRIORITY PRDR NO-SOLICITING"},
    {SMTP_RCPT, SMTPD_HELO | SMTPD_TX | SMTPD_USER | SMTPD_WHOLE, .run = smtpd_rcpt,
     .help = "RCPT TO:<address> [NOTIFY=..] [ORCPT=..]", .keywords = "LIMITS"},
    {SMTP_DATA, SMTPD_HELO | SMTPD_TX | SMTPD_USER | SMTPD_LAST | SMTPD_WHOLE | SMTPD_LETTER,
     .run = smtpd_data, .help = "DATA"},
    {SMTP_BDAT, SMTPD_LETTER, .run = smtpd_bdat, .help = "BDAT size [LAST]",
     .keywords = "CHUNKING BINARYMIME"},
    {SMTP_BURL, SMTPD_HELO | SMTPD_TX | SMTPD_USER | SMTPD_LETTER, .run = smtpd_burl,
     .help = "BURL url [LAST]", .keywords = "BURL", .closed = smtpd_burl_closed},
    {SMTP_RSET, 0, .cost = 1, .run = smtpd_rset, .help = "RSET"},
    {SMTP_NOOP, 0, .cost = 1, .run = smtpd_noop, .help = "NOOP"},
    {SMTP_QUIT, SMTPD_LAST, .run = smtpd_quit, .help = "QUIT"},
    {SMTP_STARTTLS, SMTPD_NO_TX | SMTPD_LAST, .cost = 1, .run = smtpd_starttls, .help = "STARTTLS",
     .keywords = "STARTTLS", .closed = smtpd_starttls_closed},
    {SMTP_AUTH, SMTPD_HELO | SMTPD_NO_TX | SMTPD_LAST, .cost = 1, .run = smtpd_auth,
     .help = "AUTH mechanism [initial-response]", .keywords = "AUTH", .closed = smtpd_auth_closed},
    {SMTP_XCLIENT, SMTPD_NO_TX | SMTPD_LAST, .cost = 1, .run = smtpd_xclient,
     .help = "XCLIENT attribute=value ..", .keywords = "XCLIENT", .closed = smtpd_xclient_closed},
    {SMTP_VRFY, SMTPD_LAST, .cost = 1, .run = smtpd_vrfy, .help = "VRFY word"},
    {SMTP_EXPN, SMTPD_LAST, .cost = 1, .run = smtpd_expn, .help = "EXPN word"},
    {SMTP_HELP, 0, .cost = 1, .run = smtpd_help, .help = "HELP"},
};

static const struct smtpd_command *smtpd_find(enum smtp_verb v)
{
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (table[i].verb == v) return &table[i];
    return NULL;
}

/* ---- one command ---- */

/* Does the table allow it now? Answers when not. */
static bool allowed(struct smtpd_session *s, const struct smtpd_command *t)
{
    if ((t->flags & SMTPD_USER) && smtpd_is_submission(s) && !s->logged_in) {
        if (!s->tls) smtpd_reply(s, 530, "5.7.0", "Begin TLS with STARTTLS, then log in");
        else smtpd_reply(s, 530, "5.7.0", "Log in first");
    } else if ((t->flags & SMTPD_HELO) && !s->helo[0]) {
        smtpd_reply(s, 503, "5.5.1", "Say %s first", s->kind == SMTPD_LMTP ? "LHLO" : "EHLO");
    } else if ((t->flags & SMTPD_TX) && !s->tx.open) {
        smtpd_reply(s, 503, "5.5.1", "MAIL comes first");
    } else if ((t->flags & SMTPD_NO_TX) && s->tx.open) {
        smtpd_reply(s, 503, "5.5.1", "A letter is under way; end it, or give it up with RSET");
    } else if ((t->flags & SMTPD_WHOLE) && s->tx.chunking) {
        smtpd_reply(s, 503, "5.5.1", "A letter that was begun with BDAT goes on with BDAT");
    } else {
        return true;
    }
    return false;
}

/* Browsers and worms speak other protocols at this port; nothing good follows. */
static bool is_other_protocol(struct slice word)
{
    static const struct slice words[] = {SL_INIT("GET"),      SL_INIT("POST"),    SL_INIT("PUT"),
                                         SL_INIT("HEAD"),     SL_INIT("OPTIONS"), SL_INIT("CONNECT"),
                                         SL_INIT("PROPFIND"), SL_INIT("DELETE")};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (sl_eq(word, words[i])) return true;
    return sl_startsi(word, SL("HTTP/"));
}

static void unknown(struct smtpd_session *s, const struct smtp_command *c, struct slice line)
{
    if (!smtpd_filters_unknown(s, line)) return;
    if (is_other_protocol(c->word))
        smtpd_reply(s, 421, "4.7.0", "This is a mail server; HTTP is not spoken here");
    else smtpd_reply(s, 500, "5.5.1", "There is no such command; HELP lists those that there are");
}

/* An address of MAIL and RCPT is told apart from other syntax (RFC 3463 section 3.2). */
static void bad_syntax(struct smtpd_session *s, const struct smtp_command *c, int e)
{
    bool behind = c->path.address.n || (c->path.null && c->verb == SMTP_MAIL);
    const char *enhanced = behind                 ? "5.5.4"
                           : c->verb == SMTP_MAIL ? "5.1.7"
                           : c->verb == SMTP_RCPT ? "5.1.3"
                                                  : "5.5.4";
    smtpd_reply(s, 501, enhanced, "%s", err_text(e));
}

static void run_command(struct smtpd_session *s, struct slice line)
{
    struct smtp_command c;
    int e = smtp_command_parse(&s->cmd_a, line, &c);
    const struct smtpd_command *t = smtpd_find(c.verb);
    smtpd_heard(s, line, &c);
    if (!t || !(t->flags & SMTPD_LETTER)) (void)deadline_narrow(DEADLINE_IN(SMTPD_WORK));
    if (!smtpd_may_go_on(s)) return;
    if (!t) {
        unknown(s, &c, line);
        return;
    }
    s->cost += t->cost;
    if ((t->flags & SMTPD_LAST) && c.verb != SMTP_QUIT && conn_peek(s->c).n && !s->early) {
        s->early = true;
        log_info(s->who, "the client did not wait for the answer to %s", smtp_verb_name(c.verb));
    }
    struct smtpd_refusal no = t->closed ? t->closed(s) : (struct smtpd_refusal){0};
    if (no.code) {
        smtpd_reply(s, no.code, no.enhanced, "%s", no.text);
        return;
    }
    if (!allowed(s, t)) return;
    if (e) bad_syntax(s, &c, e);
    else t->run(s, &c);
}

/* ---- the loop ---- */

/* AUTH's initial response is the longest of all arguments. */
static size_t line_max(const struct smtpd_session *s)
{
    return smtpd_is_submission(s) && !s->logged_in ? SMTP_AUTH_LINE_MAX : SMTP_LINE_MAX;
}

/* Until when a session may go on without leading to anything, however busy it is. */
static int64_t patience_ends(const struct smtpd_session *s)
{
    if (s->logged_in || s->kind == SMTPD_LMTP) return RT_NEVER;
    return s->progress + (s->kind == SMTPD_MX ? SMTPD_FRUITLESS : SMTPD_STRANGER);
}

static int64_t idle_ends(const struct smtpd_session *s)
{
    return DEADLINE_IN((s->conf->idle_s ? s->conf->idle_s : 300) * RT_S);
}

static int read_command(struct smtpd_session *s, struct slice *line)
{
    int64_t before = deadline_narrow(idle_ends(s));
    deadline_narrow(patience_ends(s));
    int e = conn_read_line(s->c, line_max(s), line);
    deadline_restore(before);
    return e;
}

/* The wait for a command ended with r. */
static void cut_off(struct smtpd_session *s, int e)
{
    if (guard_gave_way(s->visit))
        smtpd_reply(s, 421, "4.7.0", "Others wait for this place, of which nothing came; try again later");
    else if (e == ERR_TIMEOUT) smtpd_reply(s, 421, "4.4.2", "Nothing was said for too long");
    if (e == ERR_CANCELED) smtpd_reply(s, 421, "4.3.2", "The server is shutting down; try again later");
    s->over = true;
}

static void one_command(struct smtpd_session *s)
{
    struct slice line;
    int e = read_command(s, &line);
    if (e == ERR_TOO_LONG) {
        smtpd_reply(s, 500, "5.5.6", "The line is longer than %zu bytes", line_max(s));
    } else if (e == ERR_SYNTAX) {
        smtpd_reply(s, 500, "5.5.2", "Lines must end in CR LF");
    } else if (e) {
        cut_off(s, e);
    } else {
        int64_t before = deadline_narrow(INT64_MAX);
        run_command(s, line);
        ar_reset(&s->cmd_a);
        deadline_restore(before);
    }
}

static void check_budgets(struct smtpd_session *s)
{
    if (s->over) return;
    bool refused = s->refused >= (s->tx.letter.nsaid ? SMTPD_REFUSED_TX : SMTPD_REFUSED_MAX) ||
                   s->put_off >= SMTPD_REFUSED_TX;
    if (refused || (s->errors >= SMTPD_ERRORS_MAX && !s->tx.letter.nsaid)) {
        log_info(s->who, "closed: too many refused commands");
        smtpd_reply(s, 421, "4.7.0", "Too many errors; the connection is closed");
    } else if (rt_now() >= patience_ends(s)) {
        log_info(s->who, "closed: nothing came of it for too long");
        smtpd_reply(s, 421, "4.4.2", "This leads nowhere; the connection is closed");
    } else if (s->cost >= SMTPD_COST_MAX) {
        log_info(s->who, "closed: too many commands that lead nowhere");
        smtpd_reply(s, 421, "4.7.0", "Too many commands without a letter; the connection is closed");
    }
    if (conn_error(s->c)) s->over = s->over || conn_error(s->c) == ERR_CANCELED;
}

/* What a transaction holds is bounded whatever holds it. */
static void check_memory(struct smtpd_session *s)
{
    if (s->over || !ar_over(&s->tx.letter.a)) return;
    log_info(s->who, "closed: a letter takes more than %d bytes of memory", INTAKE_MEMORY);
    smtpd_reply(s, 421, "4.3.1", "This letter takes too much memory");
}

/* One line for the whole session, unless nothing at all came of it: a flood of those is for LOG_DEBUG. */
static void tell_session(const struct smtpd_session *s)
{
    char number[5][24];
    const uint64_t counts[5] = {s->letters, s->errors + s->refused + s->put_off,
                                (uint64_t)((rt_now() - s->began) / RT_MS), conn_bytes_in(s->c),
                                conn_bytes_out(s->c)};
    for (int i = 0; i < 5; i++) snprintf(number[i], sizeof number[i], "%llu", (unsigned long long)counts[i]);
    enum log_level level =
        s->letters || s->errors || s->refused || s->put_off || s->logged_in ? LOG_INFO : LOG_DEBUG;
    LOG_EVENT(level, s->who, {"event", SL("session")}, {"helo", sl_cstr(s->helo)},
              {"tls", s->tls ? sl_cstr(s->tls_info.version) : SL("")},
              {"login", s->logged_in ? s->account.address : SL("")}, {"letters", sl_cstr(number[0])},
              {"refused", sl_cstr(number[1])}, {"ms", sl_cstr(number[2])}, {"in", sl_cstr(number[3])},
              {"out", sl_cstr(number[4])});
}

static void session_end(struct smtpd_session *s)
{
    tell_session(s);
    authority_end(&s->authority);
    if (s->tx.letter.unwritten) log_info(s->who, "%u refusals more are in no trace", s->tx.letter.unwritten);
    smtpd_tx_end(s);
    intake_free(&s->tx.letter);
    filter_talk_free(&s->filters);
    buf_free(&s->out);
    ar_free(&s->cmd_a);
    ar_free(&s->a);
    conn_close(&s->c);
    free(s);
}

static void session_run(struct smtpd_session *s);

static void resume(void *arg)
{
    struct smtpd_session *s = arg;
    if (fiber_canceled()) cut_off(s, ERR_CANCELED);
    else if ((!conn_peek(s->c).n && rt_now() >= s->until) || guard_gave_way(s->visit))
        cut_off(s, ERR_TIMEOUT);
    session_run(s);
}

/* Who has logged in waits without a stack, and a change of the account wakes them. */
static bool is_idle(const struct smtpd_session *s)
{
    return s->logged_in && !conn_peek(s->c).n && !conn_error(s->c);
}

static void park(struct smtpd_session *s)
{
    if (!s->tx.open) filter_talk_free(&s->filters); /* filters have their limits as well */
    buf_free(&s->out);
    ar_free(&s->cmd_a);
    s->until = idle_ends(s);
    conn_park(s->c, s->g, s->until, resume, s);
}

static void session_run(struct smtpd_session *s)
{
    while (!s->over) {
        if (is_idle(s)) {
            if (!smtpd_may_go_on(s)) break;
            park(s);
            return;
        }
        one_command(s);
        check_memory(s);
        check_budgets(s);
        fiber_breathe();
    }
    session_end(s);
}

void smtpd_session(struct smtpd *server, enum smtpd_kind kind, struct conn *c, struct group *g,
                   struct guard_visit *visit)
{
    ASSERT(c && g && (kind != SMTPD_SUBMISSIONS || server->conf.tls));
    struct smtpd_session *s = xcalloc(1, sizeof *s);
    s->server = server;
    s->g = g;
    s->conf = &server->conf;
    s->command = table;
    s->ncommands = COUNT_OF(table);
    s->kind = kind;
    s->c = c;
    s->visit = visit;
    s->began = s->progress = rt_now();
    s->trusted = s->conf->trusts && s->conf->trusts(s->conf->trusts_arg, &conn_peer(c)->ip);
    letter_id_new(&s->id);
    smtpd_name_peer(s);
    smtpd_begins(s);
    if (kind == SMTPD_SUBMISSIONS && smtpd_tls_begin(s)) s->over = true;
    else smtpd_greet(s);
    session_run(s);
}

int smtpd_open(struct smtpd **out, const struct smtpd_conf *conf)
{
    ASSERT(conf->store && conf->login && conf->intake);
    *out = xcalloc(1, sizeof **out);
    (*out)->conf = *conf;
    return 0;
}

void smtpd_close(struct smtpd **s)
{
    free(*s);
    *s = NULL;
}
